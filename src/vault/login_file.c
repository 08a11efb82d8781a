/* Passwords against hashes. */
#include "login_file.h"

#include <argon2.h>
#include <crypt.h>
#include <openssl/crypto.h>
#include <string.h>

#include "private.h"

/* Bytes of a hash, NUL included; yescrypt's are the longest of crypt(3). */
#define HASH_BYTES_MAX 512U

struct entry {
    uint32_t line;
    struct span user;
    struct span hash;
};

/* The next line that is an entry. */
static bool next_entry(struct span *rest, uint32_t *line, struct entry *entry_r)
{
    while (rest->size > 0) {
        struct span text = span_trim(private_line(*rest));
        size_t colon = span_find(text, ':');

        *rest = span_tail(*rest, span_find(*rest, '\n') + 1);
        ++*line;
        if (text.size == 0 || *text.at == '#')
            continue;
        *entry_r = (struct entry){*line, span_head(text, colon), span_tail(text, colon + 1)};
        return true;
    }
    return false;
}

/* A number that is the same for the same name, to choose by. */
static uint64_t number_of(struct span user)
{
    uint64_t number = 0xCBF29CE484222325U; /* FNV-1a */
    size_t i;

    for (i = 0; i < user.size; i++)
        number = (number ^ (unsigned char)user.at[i]) * 0x100000001B3U;
    return number;
}

/*
 * The entry of that user, the first if there are more. When there is none it is another's, always
 * the same for the same name: hashing against it takes as long as a wrong password would, so that
 * nobody learns by the clock which names exist.
 */
static bool find_entry(struct span file, struct span user, struct entry *entry_r, bool *is_r)
{
    struct span rest = file;
    struct entry entry = {0};
    uint32_t line = 0;
    uint64_t count = 0, wanted;

    *is_r = false;
    while (next_entry(&rest, &line, &entry)) {
        count++;
        if (!*is_r && span_equal(entry.user, user)) {
            *entry_r = entry;
            *is_r = true;
        }
    }
    if (*is_r || count == 0)
        return *is_r;
    wanted = number_of(user) % count;
    rest = file;
    do
        next_entry(&rest, &line, &entry);
    while (wanted-- > 0);
    *entry_r = entry;
    return true;
}

static enum told check_argon2(const char *hash, const char *password, argon2_type type)
{
    int result = argon2_verify(hash, password, strlen(password), type);

    if (result == ARGON2_OK)
        return TOLD_DONE;
    return result == ARGON2_VERIFY_MISMATCH ? TOLD_NO : TOLD_LATER;
}

static enum told check_crypt(const char *hash, const char *password)
{
    struct crypt_data data = {0};
    const char *made;
    enum told told = TOLD_LATER;

    if (*hash != '$' || crypt_checksalt(hash) == CRYPT_SALT_INVALID)
        return TOLD_LATER;
    made = crypt_rn(password, hash, &data, (int)sizeof(data));
    if (made != NULL && strlen(made) == strlen(hash))
        told = CRYPTO_memcmp(made, hash, strlen(hash)) == 0 ? TOLD_DONE : TOLD_NO;
    secret_wipe(&data, sizeof(data));
    return told;
}

/* TOLD_LATER: it is no hash that is known here. */
static enum told check_hash(struct span hash, const char *password)
{
    static const struct {
        struct span prefix;
        argon2_type type;
    } kinds[] = {
        {SPAN_INIT("$argon2id$"), Argon2_id},
        {SPAN_INIT("$argon2i$"), Argon2_i},
        {SPAN_INIT("$argon2d$"), Argon2_d},
    };
    char string[HASH_BYTES_MAX];
    size_t i;

    if (hash.size >= sizeof(string) || span_find(hash, '\0') < hash.size)
        return TOLD_LATER;
    memcpy(string, hash.at, hash.size);
    string[hash.size] = '\0';
    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (span_starts(hash, kinds[i].prefix))
            return check_argon2(string, password, kinds[i].type);
    }
    return check_crypt(string, password);
}

static enum told check_entry(const struct entry *entry, bool is, struct span password)
{
    char string[LOGIN_PASSWORD_MAX + 1];
    enum told told;

    memcpy(string, password.at, password.size);
    string[password.size] = '\0';
    told = check_hash(entry->hash, string);
    secret_wipe(string, sizeof(string));
    return is ? told : TOLD_NO;
}

enum told login_file_check(struct span path, struct span user, struct span password,
                           struct text *why)
{
    enum told told = TOLD_NO;
    struct private file;
    struct entry entry;
    bool is;

    if (password.size == 0 || password.size > LOGIN_PASSWORD_MAX ||
        span_find(password, '\0') < password.size)
        return TOLD_NO;
    if (!private_read(path, PRIVACY_OWNER, LOGIN_FILE_BYTES_MAX, &file, why))
        return TOLD_LATER;
    if (find_entry(span_of(file.at, file.size), user, &entry, &is))
        told = check_entry(&entry, is, password);
    if (told == TOLD_LATER)
        text_format(why, "%.*s:%u: behind the colon stands no hash of crypt(3) or Argon2",
                    (int)path.size, path.at, (unsigned)entry.line);
    private_close(&file);
    return told;
}
