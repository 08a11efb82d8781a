/* JSON that holds secrets. */
#include "secret_json.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

#include "lockstep/base/must.h"

static void wipe_and_free(void *memory)
{
    if (memory != NULL)
        secret_wipe(memory, malloc_usable_size(memory));
    free(memory);
}

static void set_up(void)
{
    json_set_alloc_funcs(malloc, wipe_and_free);
}

static void prepare(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, set_up);
}

json_t *secret_json_read(struct span bytes)
{
    json_t *read;

    prepare();
    read = json_loadb(bytes.at != NULL ? bytes.at : "", bytes.size,
                      JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    if (read != NULL && !json_is_object(read)) {
        json_decref(read);
        read = NULL;
    }
    return read;
}

json_t *secret_json_object(void)
{
    json_t *object;

    prepare();
    object = json_object();
    must(object != NULL);
    return object;
}

struct span secret_json_text(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_is_string(value) ? span_of(json_string_value(value), json_string_length(value))
                                 : span_of("", 0);
}

bool secret_json_number(const json_t *object, const char *name, int64_t *number_r)
{
    const json_t *value = json_object_get(object, name);
    uint64_t digits;

    if (json_is_integer(value)) {
        *number_r = json_integer_value(value);
        return true;
    }
    if (!span_number(secret_json_text(object, name), &digits) || digits > INT64_MAX)
        return false;
    *number_r = (int64_t)digits;
    return true;
}

void secret_json_put(json_t *object, const char *name, struct span text)
{
    /* Text that is no UTF-8 is left out: JSON can't say it. */
    (void)json_object_set_new(object, name, json_stringn(text.at, text.size));
}
