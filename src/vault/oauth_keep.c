/* Where the tokens of one credential are kept. */
#include "oauth_keep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "secret_json.h"

/* --- the record --- */

void oauth_record_clear(struct oauth_record *record)
{
    secret_wipe(record, sizeof(*record));
    *record = (struct oauth_record){0};
}

void oauth_record_grant(struct oauth_record *record_r, const struct oauth_record *before,
                        const struct oauth_tokens *tokens, moment at)
{
    oauth_record_clear(record_r);
    record_r->access = tokens->access;
    record_r->refresh = tokens->refresh.size > 0 ? tokens->refresh : before->refresh;
    record_r->came = at;
    record_r->ends = at + tokens->life_ms;
}

void oauth_record_fail(struct oauth_record *record, moment at, struct span words, bool barred)
{
    struct text error = text_over(record->error, OAUTH_WORDS_MAX);

    memset(record->error, 0, sizeof(record->error));
    text_add(&error, words);
    record->failed = at;
    record->barred |= barred;
}

static moment read_moment(const json_t *object, const char *name)
{
    int64_t seconds;

    if (!secret_json_number(object, name, &seconds) || seconds < 0 || seconds > INT64_MAX / 1000)
        return 0;
    return seconds * 1000;
}

bool oauth_record_read(struct oauth_record *record_r, struct span json)
{
    json_t *object = secret_json_read(json);
    struct text error, mark;
    bool fits;

    oauth_record_clear(record_r);
    if (object == NULL)
        return false;
    fits = secret_set(&record_r->access, secret_json_text(object, "access_token")) &&
           secret_set(&record_r->refresh, secret_json_text(object, "refresh_token"));
    record_r->ends = read_moment(object, "expiry");
    record_r->came = read_moment(object, "obtained");
    record_r->failed = read_moment(object, "failed");
    record_r->barred = json_is_true(json_object_get(object, "needs_login"));
    error = text_over(record_r->error, OAUTH_WORDS_MAX);
    text_add(&error, secret_json_text(object, "error"));
    mark = text_over(record_r->mark, OAUTH_MARK_MAX);
    text_add(&mark, secret_json_text(object, "for"));
    json_decref(object);
    if (record_r->access.size == 0)
        record_r->ends = 0;
    else if (record_r->came == 0 && record_r->ends > OAUTH_LIFE_MS)
        record_r->came = record_r->ends - OAUTH_LIFE_MS; /* another program's: it does not say */
    return fits;
}

/* As a string of digits, which is what sasl-xoauth2 reads. */
static void put_moment(json_t *object, const char *name, moment at)
{
    char digits[24];
    int size = snprintf(digits, sizeof(digits), "%lld", (long long)(at / 1000));

    if (at > 0)
        secret_json_put(object, name, span_of(digits, (size_t)size));
    else
        (void)json_object_del(object, name);
}

static void put_token(json_t *object, const char *name, const struct secret *token)
{
    if (token->size > 0)
        secret_json_put(object, name, secret_reveal(token));
    else
        (void)json_object_del(object, name);
}

static bool dump(const json_t *object, struct secret *json_r)
{
    size_t size = json_dumpb(object, json_r->bytes, SECRET_BYTES_MAX, JSON_INDENT(2));

    json_r->size = size <= SECRET_BYTES_MAX ? size : 0;
    return json_r->size > 0;
}

bool oauth_record_write(const struct oauth_record *record, struct span mark, struct span before,
                        struct secret *json_r)
{
    json_t *object = secret_json_read(before);
    bool fits;

    if (object == NULL)
        object = secret_json_object();
    secret_clear(json_r);
    put_token(object, "access_token", &record->access);
    put_token(object, "refresh_token", &record->refresh);
    secret_json_put(object, "for", mark);
    put_moment(object, "expiry", record->ends);
    put_moment(object, "obtained", record->came);
    put_moment(object, "failed", record->failed);
    (void)json_object_del(object, "needs_login");
    (void)json_object_del(object, "error");
    if (record->failed > 0)
        secret_json_put(object, "error", span_of_string(record->error));
    if (record->barred)
        (void)json_object_set_new(object, "needs_login", json_true());
    fits = dump(object, json_r);
    if (!fits) {
        (void)json_object_del(object, "access_token");
        fits = dump(object, json_r);
    }
    json_decref(object);
    return fits;
}

/* --- the file --- */

static bool write_whole(int file, struct span bytes)
{
    while (bytes.size > 0) {
        ssize_t count = write(file, bytes.at, bytes.size);

        if (count < 0 && errno != EINTR)
            return false;
        bytes = span_tail(bytes, count > 0 ? (size_t)count : 0);
    }
    return true;
}

/* The name is on disk as well as the bytes. */
static bool sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char folder[PRIVATE_PATH_MAX] = ".";
    int file;
    bool done;

    if (slash != NULL)
        snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path) + 1, path);
    file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    done = file >= 0 && fsync(file) == 0;
    if (file >= 0)
        close(file);
    return done;
}

/* Readable for its owner only, who stays the one there was. */
static bool replace_file(const char *path, struct span bytes)
{
    char beside[PRIVATE_PATH_MAX + 8];
    struct stat before;
    bool done;
    int file;

    snprintf(beside, sizeof(beside), "%s.XXXXXX", path);
    file = mkostemp(beside, O_CLOEXEC); /* with mode 0600 */
    if (file < 0)
        return false;
    done = stat(path, &before) != 0 || before.st_uid == geteuid() ||
           fchown(file, before.st_uid, before.st_gid) == 0;
    done = done && write_whole(file, bytes) && fsync(file) == 0;
    done = close(file) == 0 && done;
    done = done && rename(beside, path) == 0 && sync_folder(path);
    if (!done) {
        int error = errno;

        (void)unlink(beside);
        errno = error;
    }
    return done;
}

static enum oauth_kept file_read(struct oauth_keep *keep, struct oauth_record *record_r,
                                 struct text *error)
{
    char path[PRIVATE_PATH_MAX];
    struct private read;
    bool right;

    /* What is not there for a while is not changed when it is there again. */
    if (private_path(keep->file, path) && access(path, F_OK) != 0 && errno == ENOENT)
        return OAUTH_KEPT_NOTHING;
    if (!private_read(keep->file, PRIVACY_OWNER, SECRET_BYTES_MAX, &read, error))
        return OAUTH_KEPT_FAILED;
    keep->stamp = read.stamp;
    right = oauth_record_read(record_r, span_of(read.at, read.size));
    private_close(&read);
    if (!right)
        text_format(error, "%.*s holds no tokens in JSON", (int)keep->file.size, keep->file.at);
    return right ? OAUTH_KEPT : OAUTH_KEPT_FAILED;
}

static enum oauth_kept file_write(struct oauth_keep *keep, const struct oauth_record *record,
                                  struct text *error)
{
    char memory[64];
    struct text ignored = text_over(memory, sizeof(memory)); /* there may be none yet */
    char path[PRIVATE_PATH_MAX];
    struct secret json = {0};
    struct private before;
    bool done;

    (void)private_read(keep->file, PRIVACY_OWNER, SECRET_BYTES_MAX, &before, &ignored);
    done = private_path(keep->file, path) &&
           oauth_record_write(record, keep->mark, span_of(before.at, before.size), &json);
    private_close(&before);
    if (!done) {
        text_format(error, "%.*s: the tokens are too long", (int)keep->file.size, keep->file.at);
    } else if (!replace_file(path, secret_reveal(&json))) {
        text_format(error, "%s: %s", path, strerror(errno));
        done = false;
    } else if (private_read(keep->file, PRIVACY_OWNER, SECRET_BYTES_MAX, &before, &ignored)) {
        keep->stamp = before.stamp;
        private_close(&before);
    }
    secret_clear(&json);
    return done ? OAUTH_KEPT : OAUTH_KEPT_FAILED;
}

/* --- the store --- */

static enum oauth_kept kept_of(enum store_result result)
{
    switch (result) {
    case STORE_DONE:
        return OAUTH_KEPT;
    case STORE_MISSING:
        return OAUTH_KEPT_NOTHING;
    case STORE_FAILED:
        break;
    }
    return OAUTH_KEPT_FAILED;
}

static void keep_note(struct oauth_keep *keep, const struct stored *stored)
{
    keep->version = stored->version;
    keep->written_s = stored->written_s;
}

static enum oauth_kept store_read_record(struct oauth_keep *keep, struct oauth_record *record_r,
                                         struct text *error)
{
    struct secret json = {0};
    struct stored stored;
    enum oauth_kept kept = kept_of(store_read(keep->store, keep->name, &json, &stored, error));

    if (kept == OAUTH_KEPT)
        keep_note(keep, &stored);
    if (kept == OAUTH_KEPT &&
        (stored.kind != STORE_TOKEN || !oauth_record_read(record_r, secret_reveal(&json)))) {
        text_format(error, "%.*s in the store is a password, not tokens", (int)keep->name.size,
                    keep->name.at);
        kept = OAUTH_KEPT_FAILED;
    }
    secret_clear(&json);
    return kept;
}

static enum oauth_kept store_write_record(struct oauth_keep *keep,
                                          const struct oauth_record *record, struct text *error)
{
    struct secret json = {0};
    struct stored stored;
    enum oauth_kept kept = OAUTH_KEPT_FAILED;

    if (!oauth_record_write(record, keep->mark, SPAN(""), &json))
        text_add(error, SPAN("the tokens are too long for the store"));
    else
        kept = kept_of(store_write(keep->store, keep->name, STORE_TOKEN, &json, error));
    if (kept == OAUTH_KEPT &&
        store_read(keep->store, keep->name, &json, &stored, error) == STORE_DONE)
        keep_note(keep, &stored);
    secret_clear(&json);
    return kept;
}

/* --- either --- */

void oauth_keep_init(struct oauth_keep *keep_r, const struct config_credential *definition,
                     const struct oauth_party *party, struct store *store)
{
    *keep_r = (struct oauth_keep){
        .store = definition->oauth.token_file.size > 0 ? NULL : store,
        .name = definition->name,
        .file = definition->oauth.token_file,
        .mark = span_of_string(party->mark),
    };
}

bool oauth_keep_there(const struct oauth_keep *keep)
{
    return keep->file.size > 0 || keep->store != NULL;
}

/* One that is gone, or never was, has nothing that could count more than what we know. */
static bool file_there(const struct oauth_keep *keep)
{
    char path[PRIVATE_PATH_MAX];

    return private_path(keep->file, path) && access(path, F_OK) == 0;
}

bool oauth_keep_changed(const struct oauth_keep *keep)
{
    char memory[64];
    struct text ignored = text_over(memory, sizeof(memory));
    struct secret json = {0};
    struct stored stored = {0};
    bool changed;

    if (keep->file.size > 0)
        return file_there(keep) && !private_same(keep->file, &keep->stamp);
    if (keep->store == NULL)
        return false;
    changed = store_read(keep->store, keep->name, &json, &stored, &ignored) == STORE_DONE &&
              (stored.version != keep->version || stored.written_s != keep->written_s);
    secret_clear(&json);
    return changed;
}

enum oauth_kept oauth_keep_read(struct oauth_keep *keep, struct oauth_record *record_r,
                                struct text *error)
{
    enum oauth_kept kept = OAUTH_KEPT_NOTHING;

    oauth_record_clear(record_r);
    if (keep->file.size > 0)
        kept = file_read(keep, record_r, error);
    else if (keep->store != NULL)
        kept = store_read_record(keep, record_r, error);
    if (kept != OAUTH_KEPT || *record_r->mark == 0 ||
        span_equal(span_of_string(record_r->mark), keep->mark))
        return kept;
    oauth_record_clear(record_r);
    return OAUTH_KEPT_NOTHING;
}

enum oauth_kept oauth_keep_write(struct oauth_keep *keep, const struct oauth_record *record,
                                 struct text *error)
{
    if (keep->file.size > 0)
        return file_write(keep, record, error);
    return keep->store != NULL ? store_write_record(keep, record, error) : OAUTH_KEPT_NOTHING;
}
