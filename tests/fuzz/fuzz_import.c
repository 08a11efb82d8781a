/* import_read: one byte of format, then another program's file of credentials. */
#include "lockstep/base/must.h"
#include "lockstep/base/secret.h"
#include "lockstep/vault/import.h"

#include "fuzz.h"

static bool holds(const struct import *import, struct span text)
{
    const char *start = import->memory.at;

    return text.size == 0 ||
           (text.at >= start && text.at + text.size <= start + import->memory.size);
}

/* Who asks for what an entry says gets an entry at least as fit. */
static void check_found(const struct import *import, const struct import_entry *entry)
{
    struct import_wish wish = {entry->sender, entry->host, entry->port, entry->user};
    const struct import_entry *found = import_find(import, &wish);

    must(found == NULL || found->secret.size > 0);
    must(found == NULL || wish.user.size == 0 || found->user.size == 0 ||
         span_equal(found->user, wish.user));
    must(found == NULL || found->host.size == 0 || span_equal_fold(found->host, wish.host));
    if (entry->sender.size == 0 || import->format == FORMAT_POSTFIX)
        must(found != NULL || entry->secret.size == 0);
}

static void check_import(const struct import *import)
{
    size_t i;

    must(import->format != FORMAT_AUTO && import->count <= IMPORT_ENTRIES_MAX);
    for (i = 0; i < import->count; i++) {
        const struct import_entry *entry = &import->entries[i];

        must(entry->user.size <= IMPORT_USER_MAX && entry->secret.size <= SECRET_BYTES_MAX);
        must(holds(import, entry->user) && holds(import, entry->secret));
        must(holds(import, entry->host) && holds(import, entry->sender));
        must(entry->kind != IMPORT_COMMAND || import->format == FORMAT_MSMTP);
        must((entry->kind == IMPORT_TOKEN) == (import->format == FORMAT_TOKEN));
        if (i < 64)
            check_found(import, entry);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = span_tail(span_of((const char *)data, size), 1);
    enum config_format format = size > 0 ? (enum config_format)(data[0] % 5) : FORMAT_AUTO;
    char words[256];
    struct text error = text_over(words, sizeof(words));
    struct import *import = import_read(input, format, &error);

    must((import == NULL) == (error.size > 0));
    if (import != NULL)
        check_import(import);
    import_close(&import);
    return 0;
}
