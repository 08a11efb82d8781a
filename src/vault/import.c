/* Files of other programs: which format it is, and which entry fits. */
#include "lockstep/vault/import.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "import_parse.h"
#include "lockstep/base/must.h"
#include "lockstep/policy/route.h"
#include "private.h"

struct import_entry *import_add(struct import *import, struct text *error)
{
    size_t rows = import->count + 1;

    if (import->count == IMPORT_ENTRIES_MAX) {
        text_format(error, "more than %u entries", IMPORT_ENTRIES_MAX);
        return NULL;
    }
    if ((import->count & rows) == 0) { /* a power of two: room for as many again */
        import->entries = realloc(import->entries, 2 * rows * sizeof(*import->entries));
        must(import->entries != NULL);
    }
    import->entries[import->count] = (struct import_entry){0};
    return &import->entries[import->count++];
}

/* --- formats --- */

/* The first word of the first line that is no comment tells. */
static enum config_format detect(struct span bytes)
{
    static const char *const netrc[] = {"machine", "default", "macdef"};
    struct span line;
    struct span word;
    size_t i;

    do {
        line = span_head(bytes, span_find(bytes, '\n'));
        bytes = span_tail(bytes, line.size + 1);
        line = span_trim(private_line(line));
    } while (bytes.size > 0 && (line.size == 0 || *line.at == '#'));
    if (span_starts(line, SPAN("{")))
        return FORMAT_TOKEN;
    if (!span_word(&line, &word))
        return FORMAT_POSTFIX;
    for (i = 0; i < sizeof(netrc) / sizeof(netrc[0]); i++)
        if (span_equal(word, span_of_string(netrc[i])))
            return FORMAT_NETRC;
    return import_msmtp_word(word) ? FORMAT_MSMTP : FORMAT_POSTFIX;
}

static bool read_format(struct import *import, struct import_text *text, struct text *error)
{
    switch (import->format) {
    case FORMAT_AUTO:
        break;
    case FORMAT_POSTFIX:
        return import_postfix(import, text, error);
    case FORMAT_MSMTP:
        return import_msmtp(import, text, error);
    case FORMAT_NETRC:
        return import_netrc(import, text, error);
    case FORMAT_TOKEN:
        return import_token(import, text, error);
    }
    return false;
}

static bool entries_fit(const struct import *import, struct text *error)
{
    size_t i;

    for (i = 0; i < import->count; i++) {
        const struct import_entry *entry = &import->entries[i];

        if (entry->user.size <= IMPORT_USER_MAX && entry->secret.size <= SECRET_BYTES_MAX)
            continue;
        text_format(error, "the entry %.*s is too long", (int)entry->name.size, entry->name.at);
        return false;
    }
    return true;
}

static size_t line_of(struct span bytes, size_t where)
{
    struct span before = span_head(bytes, where);
    size_t line = 1;

    while (span_find(before, '\n') < before.size) {
        before = span_tail(before, span_find(before, '\n') + 1);
        line++;
    }
    return line;
}

struct import *import_read(struct span bytes, enum config_format format, struct text *error)
{
    char memory[256];
    struct text why = text_over(memory, sizeof(memory));
    struct import *import = calloc(1, sizeof(*import));
    struct import_text text = {.size = bytes.size};
    size_t room = 2 * bytes.size + 1; /* what is decoded is never longer than it was */

    must(import != NULL);
    if (span_find(bytes, 0) < bytes.size) {
        text_add(error, SPAN("it is no text: name the file that the database was made from"));
        free(import);
        return NULL;
    }
    text.at = malloc(room);
    must(text.at != NULL);
    import->memory = text_over(text.at, room);
    text_add(&import->memory, bytes);
    import->format = format != FORMAT_AUTO ? format : detect(bytes);
    if (!read_format(import, &text, &why)) {
        text_format(error, "line %zu: ", line_of(bytes, text.where));
        text_add(error, text_span(&why));
        import_close(&import);
    } else if (!entries_fit(import, error)) {
        import_close(&import);
    }
    return import;
}

void import_close(struct import **import)
{
    struct import *old = *import;

    if (old == NULL)
        return;
    while (old->file_count > 0)
        private_close(&old->files[--old->file_count]);
    secret_wipe(old->memory.at, old->memory.room);
    free(old->files);
    free(old->memory.at);
    free(old->entries);
    free(old);
    *import = NULL;
}

/* --- the token file of sasl-xoauth2 --- */

/* The reader's own words may quote a token, so they are not repeated. */
bool import_token(struct import *import, struct import_text *text, struct text *error)
{
    json_error_t wrong;
    json_t *root = json_loadb(text->at, text->size, JSON_REJECT_DUPLICATES, &wrong);
    const char *user = json_string_value(json_object_get(root, "user"));
    struct import_entry *entry = NULL;
    size_t start = import->memory.size;

    if (root == NULL)
        text_add(error, SPAN("it is no JSON"));
    else if (!json_is_string(json_object_get(root, "refresh_token")) &&
             !json_is_string(json_object_get(root, "access_token")))
        text_add(error, SPAN("neither refresh_token nor access_token is in it"));
    else
        entry = import_add(import, error);
    if (root == NULL && wrong.position > 0)
        text->where = (size_t)wrong.position - 1;
    if (entry != NULL) {
        text_add(&import->memory, span_of_string(user));
        *entry = (struct import_entry){
            .kind = IMPORT_TOKEN,
            .name = SPAN("token"),
            .user = span_tail(text_span(&import->memory), start),
            .secret = span_of(text->at, text->size),
        };
    }
    json_decref(root);
    return entry != NULL;
}

/* --- the file, and others that it names --- */

static bool open_token(struct import *import, struct import_entry *entry, struct text *error)
{
    struct private *file;
    struct import *token;

    import->files = realloc(import->files, (import->file_count + 1) * sizeof(*import->files));
    must(import->files != NULL);
    file = &import->files[import->file_count];
    if (!private_read(entry->secret, PRIVACY_OWNER, SECRET_BYTES_MAX, file, error))
        return false;
    import->file_count++;
    text_format(error, "%.*s: ", (int)entry->secret.size, entry->secret.at);
    token = import_read(span_of(file->at, file->size), FORMAT_TOKEN, error);
    if (token == NULL)
        return false;
    text_clear(error);
    import_close(&token);
    entry->kind = IMPORT_TOKEN;
    entry->file = entry->secret;
    entry->secret = span_of(file->at, file->size);
    return true;
}

/* sasl-xoauth2 lets the password be the path of its token file. */
static bool open_tokens(struct import *import, struct text *error)
{
    char path[PRIVATE_PATH_MAX];
    struct stat stat_of;
    size_t i;

    for (i = 0; import->format == FORMAT_POSTFIX && i < import->count; i++) {
        struct import_entry *entry = &import->entries[i];

        if (span_starts(entry->secret, SPAN("/")) && private_path(entry->secret, path) &&
            stat(path, &stat_of) == 0 && S_ISREG(stat_of.st_mode) &&
            !open_token(import, entry, error))
            return false;
    }
    return true;
}

struct import *import_open(struct span path, enum config_format format, struct stamp *stamp_r,
                           struct text *error)
{
    struct import *import;
    struct private file;

    if (!private_read(path, PRIVACY_OWNER, IMPORT_BYTES_MAX, &file, error))
        return NULL;
    text_format(error, "%.*s: ", (int)path.size, path.at);
    import = import_read(span_of(file.at, file.size), format, error);
    if (import != NULL) {
        text_clear(error);
        if (stamp_r != NULL)
            *stamp_r = file.stamp;
        if (!open_tokens(import, error))
            import_close(&import);
    }
    private_close(&file);
    return import;
}

/* --- finding --- */

/* How well the sender fits: Postfix looks for the address, then for its domain. 0: not at all. */
static unsigned fit_sender(enum config_format format, struct span pattern, struct span sender)
{
    size_t at = sender.size;

    while (at > 0 && sender.at[at - 1] != '@')
        at--;
    if (sender.size == 0)
        return 0;
    if (format == FORMAT_MSMTP ? pattern_matches(pattern, sender)
                               : span_equal_fold(pattern, sender))
        return 8;
    return at > 0 && span_equal_fold(pattern, span_tail(sender, at - 1)) ? 7 : 0;
}

/* What an entry names must be so, whatever else fits. */
static bool may_fit(const struct import_entry *entry, const struct import_wish *wish)
{
    if (entry->secret.size == 0)
        return false;
    if (wish->user.size > 0 && entry->user.size > 0 && !span_equal(wish->user, entry->user))
        return false;
    return (entry->host.size == 0 || span_equal_fold(entry->host, wish->host)) &&
           (entry->port == 0 || entry->port == wish->port);
}

/* 0: not at all. */
static unsigned fit(enum config_format format, const struct import_entry *entry,
                    const struct import_wish *wish)
{
    unsigned by_sender = fit_sender(format, entry->sender, wish->sender);

    if (!may_fit(entry, wish))
        return 0;
    if (by_sender > 0)
        return by_sender;
    if (entry->sender.size > 0 && format == FORMAT_POSTFIX)
        return 0;
    if (format == FORMAT_MSMTP)
        return entry->fallback ? 4 : 3;
    if (entry->fallback)
        return 1;
    return entry->port != 0 ? 3 : 2;
}

const struct import_entry *import_find(const struct import *import, const struct import_wish *wish)
{
    const struct import_entry *found = NULL;
    unsigned best = 0;
    size_t i;

    for (i = 0; i < import->count; i++) {
        unsigned now = fit(import->format, &import->entries[i], wish);

        if (now > best) {
            best = now;
            found = &import->entries[i];
        }
    }
    return found;
}
