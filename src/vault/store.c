/* Secrets in files of their own: written whole, or not at all. */
#include "lockstep/vault/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "lockstep/base/must.h"
#include "private.h"

/*
 * A file is, in this order:
 *   4 bytes "lss1"; 4 bytes kind; 8 bytes version; 8 bytes seconds since 1970, all big-endian
 *   12 bytes nonce
 *   the secret, encrypted
 *   16 bytes tag, over all of it and over the name
 */
#define MAGIC 0x6c737331U
#define HEAD_BYTES 24U
#define NONCE_BYTES 12U
#define TAG_BYTES 16U
#define FILE_BYTES_MAX (HEAD_BYTES + NONCE_BYTES + SECRET_BYTES_MAX + TAG_BYTES)

/* Names that no secret can have, for they begin with a dot. */
#define LOCK_NAME ".lock"
#define NEW_NAME ".new" /* what is being written; one at a time, so one name is enough */
#define KEY_NAME ".key" /* an empty secret, to know a wrong key by */

/* Writing takes milliseconds; whoever holds the lock longer is in trouble. */
#define LOCK_TRIES 100
#define LOCK_PAUSE_NS 20000000L

struct store {
    int directory;
    uid_t owner; /* of the directory, and of all in it */
    gid_t group;
    struct secret key;
    char path[PRIVATE_PATH_MAX]; /* of the directory, for sentences */
    char key_name[PRIVATE_PATH_MAX];
    bool key_is_systemd;
};

/* --- the file's bytes --- */

static void put_number(unsigned char *at, size_t size, uint64_t number)
{
    while (size-- > 0) {
        at[size] = (unsigned char)number;
        number >>= 8;
    }
}

static uint64_t get_number(const unsigned char *at, size_t size)
{
    uint64_t number = 0;

    while (size-- > 0)
        number = number << 8 | *at++;
    return number;
}

static void head_write(unsigned char *at, const struct stored *stored)
{
    put_number(at, 4, MAGIC);
    put_number(at + 4, 4, (uint64_t)stored->kind);
    put_number(at + 8, 8, stored->version);
    put_number(at + 16, 8, (uint64_t)stored->written_s);
}

static bool head_read(const unsigned char *at, size_t size, struct stored *stored_r)
{
    if (size < HEAD_BYTES + NONCE_BYTES + TAG_BYTES || get_number(at, 4) != MAGIC ||
        get_number(at + 4, 4) > STORE_TOKEN)
        return false;
    stored_r->kind = (enum store_kind)get_number(at + 4, 4);
    stored_r->version = get_number(at + 8, 8);
    stored_r->written_s = (int64_t)get_number(at + 16, 8);
    return true;
}

/* Key, nonce and what is authenticated: the head and the name. */
static bool cipher_begin(EVP_CIPHER_CTX *cipher, const struct store *store,
                         const unsigned char *file, struct span name, bool encrypt)
{
    const unsigned char *key = (const unsigned char *)secret_reveal(&store->key).at;
    int size;

    return EVP_CipherInit_ex(cipher, EVP_aes_256_gcm(), NULL, key, file + HEAD_BYTES, encrypt) ==
               1 &&
           EVP_CipherUpdate(cipher, NULL, &size, file, HEAD_BYTES) == 1 &&
           EVP_CipherUpdate(cipher, NULL, &size, (const unsigned char *)name.at, (int)name.size) ==
               1;
}

/* Returns the bytes of the file; 0: the library could not. */
static size_t seal(const struct store *store, const struct stored *stored, struct span name,
                   const struct secret *secret, unsigned char file_r[FILE_BYTES_MAX])
{
    struct span clear = secret_reveal(secret);
    unsigned char *body = file_r + HEAD_BYTES + NONCE_BYTES;
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int size;
    bool done;

    head_write(file_r, stored);
    done = cipher != NULL && RAND_bytes(file_r + HEAD_BYTES, NONCE_BYTES) == 1 &&
           cipher_begin(cipher, store, file_r, name, true) &&
           EVP_CipherUpdate(cipher, body, &size, (const unsigned char *)clear.at,
                            (int)clear.size) == 1 &&
           EVP_CipherFinal_ex(cipher, body + clear.size, &size) == 1 &&
           EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, body + clear.size) == 1;
    EVP_CIPHER_CTX_free(cipher);
    return done ? HEAD_BYTES + NONCE_BYTES + clear.size + TAG_BYTES : 0;
}

/* The file's bytes are overwritten with the secret on the way. */
static bool unseal(const struct store *store, unsigned char *file, size_t file_size,
                   struct span name, struct secret *secret_r)
{
    unsigned char *body = file + HEAD_BYTES + NONCE_BYTES;
    size_t body_size = file_size - HEAD_BYTES - NONCE_BYTES - TAG_BYTES;
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int size;
    bool done =
        cipher != NULL && cipher_begin(cipher, store, file, name, false) &&
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, body + body_size) == 1 &&
        EVP_CipherUpdate(cipher, body, &size, body, (int)body_size) == 1 &&
        EVP_CipherFinal_ex(cipher, body + body_size, &size) == 1;

    EVP_CIPHER_CTX_free(cipher);
    return done && secret_set(secret_r, span_of((const char *)body, body_size));
}

/* --- reading --- */

bool store_name_valid(struct span name)
{
    size_t i;

    for (i = 0; i < name.size; i++) {
        char byte = name.at[i];

        if (!(byte >= 'a' && byte <= 'z') && !(byte >= 'A' && byte <= 'Z') &&
            !(byte >= '0' && byte <= '9') && (byte == 0 || strchr("-_.@+", byte) == NULL))
            return false;
    }
    return name.size > 0 && name.size <= STORE_NAME_MAX && *name.at != '.';
}

/* The whole file, at most FILE_BYTES_MAX + 1 bytes; SIZE_MAX: errno says why. */
static size_t read_file(const struct store *store, const char *name,
                        unsigned char file_r[FILE_BYTES_MAX + 1])
{
    int file = openat(store->directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    size_t size = 0;
    ssize_t count = file < 0 ? -1 : 1;

    while (count > 0 && size <= FILE_BYTES_MAX) {
        count = read(file, file_r + size, FILE_BYTES_MAX + 1 - size);
        size += count > 0 ? (size_t)count : 0;
    }
    if (file >= 0)
        close(file);
    return count < 0 ? SIZE_MAX : size;
}

static enum store_result read_named(const struct store *store, const char *name,
                                    struct secret *secret_r, struct stored *stored_r,
                                    struct text *error)
{
    unsigned char file[FILE_BYTES_MAX + 1];
    size_t size = read_file(store, name, file);
    bool done;

    secret_clear(secret_r);
    if (size == SIZE_MAX) {
        text_format(error, "%s/%s: %s", store->path, name, strerror(errno));
        return errno == ENOENT ? STORE_MISSING : STORE_FAILED;
    }
    done = size <= FILE_BYTES_MAX && head_read(file, size, stored_r) &&
           unseal(store, file, size, span_of_string(name), secret_r);
    secret_wipe(file, sizeof(file));
    if (!done)
        text_format(error, "%s/%s was damaged or changed by somebody else: it must be set anew",
                    store->path, name);
    return done ? STORE_DONE : STORE_FAILED;
}

static bool name_take(struct span name, char name_r[STORE_NAME_MAX + 1], struct text *error)
{
    if (!store_name_valid(name)) {
        text_format(error,
                    "a secret's name has up to %u letters, digits and \"-_.@+\", and no "
                    "dot in front",
                    STORE_NAME_MAX);
        return false;
    }
    memcpy(name_r, name.at, name.size);
    name_r[name.size] = 0;
    return true;
}

enum store_result store_read(struct store *store, struct span name, struct secret *secret_r,
                             struct stored *stored_r, struct text *error)
{
    struct stored stored = {0};
    enum store_result result;

    if (!name_take(name, stored.name, error))
        return STORE_FAILED;
    result = read_named(store, stored.name, secret_r, &stored, error);
    if (result == STORE_DONE && stored_r != NULL)
        *stored_r = stored;
    return result;
}

/* --- writing, one process at a time --- */

/* What root puts there is for whom the directory belongs to: a service that has no such rights, and
 * may have put another name of somebody else's file there to be given that. */
static bool give(const struct store *store, int file)
{
    struct stat stat;

    if (geteuid() != 0)
        return true;
    if (fstat(file, &stat) != 0)
        return false;
    errno = EPERM;
    return S_ISREG(stat.st_mode) && stat.st_nlink == 1 &&
           fchown(file, store->owner, store->group) == 0;
}

/* The lock's descriptor; closing it unlocks. -1: `error` says why. */
static int store_lock(const struct store *store, struct text *error)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
    int lock = openat(store->directory, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int tries;

    if (lock >= 0 && !give(store, lock)) {
        close(lock);
        lock = -1;
    }
    for (tries = 0; lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) != 0; tries++) {
        int reason = errno;

        if (reason == EWOULDBLOCK && tries < LOCK_TRIES) {
            nanosleep(&pause, NULL);
            continue;
        }
        close(lock);
        lock = -1;
        errno = reason;
    }
    if (lock < 0 && errno == EWOULDBLOCK)
        text_format(error, "%s is being written by another process: try again when it has ended",
                    store->path);
    else if (lock < 0)
        text_format(error, "%s/%s: %s", store->path, LOCK_NAME, strerror(errno));
    return lock;
}

static bool write_all(int file, const unsigned char *at, size_t size)
{
    while (size > 0) {
        ssize_t count = write(file, at, size);

        if (count < 0 && errno != EINTR)
            return false;
        at += count > 0 ? count : 0;
        size -= count > 0 ? (size_t)count : 0;
    }
    return true;
}

/* Under the lock. What is there stays until the new file is whole and on disk. */
static bool replace_file(const struct store *store, const char *name, const unsigned char *bytes,
                         size_t size)
{
    int file;
    bool done;

    (void)unlinkat(store->directory, NEW_NAME, 0); /* what a write that was cut short left there */
    file = openat(store->directory, NEW_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    done = file >= 0 && give(store, file) && write_all(file, bytes, size) && fsync(file) == 0;

    if (file >= 0 && close(file) != 0)
        done = false;
    return done && renameat(store->directory, NEW_NAME, store->directory, name) == 0 &&
           fsync(store->directory) == 0;
}

/* The version and time that the next write of that name has. */
static struct stored next_version(const struct store *store, const char *name)
{
    unsigned char file[FILE_BYTES_MAX + 1];
    struct stored stored = {0};
    size_t size = read_file(store, name, file);

    if (size == SIZE_MAX || !head_read(file, size, &stored))
        stored.version = 0;
    stored.version++;
    stored.written_s = (int64_t)time(NULL);
    return stored;
}

/* Under the lock. */
static bool write_named(const struct store *store, const char *name, enum store_kind kind,
                        const struct secret *secret, struct text *error)
{
    struct stored stored = next_version(store, name);
    unsigned char file[FILE_BYTES_MAX];
    size_t size;

    stored.kind = kind;
    size = seal(store, &stored, span_of_string(name), secret, file);
    if (size == 0)
        text_format(error, "%s: the secret could not be encrypted", store->path);
    else if (!replace_file(store, name, file, size))
        text_format(error, "%s/%s: %s", store->path, name, strerror(errno));
    else
        return true;
    return false;
}

enum store_result store_write(struct store *store, struct span name, enum store_kind kind,
                              const struct secret *secret, struct text *error)
{
    static const struct secret nothing;
    char path[STORE_NAME_MAX + 1];
    bool done;
    int lock;

    if (!name_take(name, path, error) || (lock = store_lock(store, error)) < 0)
        return STORE_FAILED;
    done = (faccessat(store->directory, KEY_NAME, F_OK, 0) == 0 ||
            write_named(store, KEY_NAME, STORE_PASSWORD, &nothing, error)) &&
           write_named(store, path, kind, secret, error);
    close(lock);
    return done ? STORE_DONE : STORE_FAILED;
}

enum store_result store_remove(struct store *store, struct span name, struct text *error)
{
    char path[STORE_NAME_MAX + 1];
    enum store_result result = STORE_DONE;
    int lock;

    if (!name_take(name, path, error) || (lock = store_lock(store, error)) < 0)
        return STORE_FAILED;
    if (unlinkat(store->directory, path, 0) != 0 || fsync(store->directory) != 0) {
        result = errno == ENOENT ? STORE_MISSING : STORE_FAILED;
        text_format(error, "%s/%s: %s", store->path, path, strerror(errno));
    }
    close(lock);
    return result;
}

/* --- names --- */

static int compare_names(const void *one, const void *other)
{
    const struct stored *left = one;
    const struct stored *right = other;

    return strcmp(left->name, right->name);
}

size_t store_names(struct store *store, struct stored **rows_r, struct text *error)
{
    int copy = openat(store->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *entry;
    size_t count = 0;

    *rows_r = NULL;
    if (directory == NULL) {
        text_format(error, "%s: %s", store->path, strerror(errno));
        if (copy >= 0)
            close(copy);
        return SIZE_MAX;
    }
    while ((entry = readdir(directory)) != NULL) {
        struct span name = span_of_string(entry->d_name);

        if (!store_name_valid(name))
            continue;
        *rows_r = realloc(*rows_r, (count + 1) * sizeof(**rows_r));
        must(*rows_r != NULL);
        (*rows_r)[count] = (struct stored){0};
        memcpy((*rows_r)[count++].name, name.at, name.size);
    }
    closedir(directory);
    if (count > 0)
        qsort(*rows_r, count, sizeof(**rows_r), compare_names);
    return count;
}

/* --- keys --- */

/* A link is made only where nothing is yet, so that no key in use is ever replaced, and a key that
 * was half written is never seen. */
bool store_make_key(struct span path, struct text *error)
{
    char name[PRIVATE_PATH_MAX];
    char new[PRIVATE_PATH_MAX + 4];
    unsigned char key[STORE_KEY_BYTES];
    bool done = false;
    int file;

    if (!private_path(path, name)) {
        text_add(error, SPAN("the path of the key is too long"));
        return false;
    }
    snprintf(new, sizeof(new), "%s.new", name);
    file = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file >= 0 && RAND_bytes(key, sizeof(key)) == 1)
        done = fchmod(file, 0600) == 0 && write_all(file, key, sizeof(key)) && fsync(file) == 0 &&
               link(new, name) == 0;
    if (!done)
        text_format(error, "%s: %s", name, strerror(errno));
    secret_wipe(key, sizeof(key));
    if (file >= 0) {
        close(file);
        unlink(new);
    }
    return done;
}

/* --- opening --- */

static bool read_key(struct store *store, const struct store_place *place, struct text *error)
{
    char memory[PRIVATE_PATH_MAX];
    struct text path = text_over(memory, sizeof(memory));
    bool systemd = place->key_credential.size > 0;
    struct private private;
    bool done;

    store->key_is_systemd = systemd;
    if (!private_path(systemd ? place->key_credential : place->key_file, store->key_name)) {
        text_add(error, SPAN("the path of the key is too long"));
        return false;
    }
    if (!systemd)
        text_add(&path, place->key_file);
    else if (!private_systemd_path(place->key_credential, &path, error))
        return false;
    if (!private_read(text_span(&path), systemd ? PRIVACY_SYSTEMD : PRIVACY_OWNER, 4096, &private,
                      error))
        return false;
    done = private.size == STORE_KEY_BYTES &&
           secret_set(&store->key, span_of(private.at, private.size));
    if (!done)
        text_format(error, "%.*s is no key: a key has %u bytes, this has %zu", (int)path.size,
                    path.at, STORE_KEY_BYTES, private.size);
    private_close(&private);
    return done;
}

/* Like what is in it, a directory that root makes belongs to whom the one around it belongs to. */
static bool make_directory(const char *path)
{
    char around[PRIVATE_PATH_MAX + 4];
    struct stat parent;

    if (mkdir(path, 0700) != 0)
        return errno == EEXIST;
    snprintf(around, sizeof(around), "%s/..", path);
    return geteuid() != 0 ||
           (stat(around, &parent) == 0 && lchown(path, parent.st_uid, parent.st_gid) == 0);
}

static bool open_directory(struct store *store, struct text *error)
{
    struct stat stat;

    if (!make_directory(store->path)) {
        text_format(error, "%s: %s", store->path, strerror(errno));
        return false;
    }
    store->directory = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->directory < 0 || fstat(store->directory, &stat) != 0)
        text_format(error, "%s: %s", store->path, strerror(errno));
    else if (geteuid() != 0 && stat.st_uid != geteuid())
        text_format(error, "%s belongs to another user: chown it to user %u", store->path,
                    (unsigned)geteuid());
    else if ((stat.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        text_format(error, "%s can be read or written by others: chmod 700 %s", store->path,
                    store->path);
    else {
        store->owner = stat.st_uid;
        store->group = stat.st_gid;
        return true;
    }
    return false;
}

/* Two keys in one directory would make half of it unreadable, whichever is used. */
static bool check_key(const struct store *store, struct text *error)
{
    char memory[256];
    struct text why = text_over(memory, sizeof(memory));
    struct stored stored;
    struct secret empty = {0};

    if (read_named(store, KEY_NAME, &empty, &stored, &why) != STORE_FAILED)
        return true;
    text_format(error, "%s is not the key that %s was written with", store->key_name, store->path);
    return false;
}

struct store *store_open(const struct store_place *place, struct text *error)
{
    struct store *store = calloc(1, sizeof(*store));

    must(store != NULL);
    store->directory = -1;
    if (!private_path(place->directory, store->path))
        text_add(error, SPAN("the path of the store is too long"));
    else if (read_key(store, place, error) && open_directory(store, error) &&
             check_key(store, error))
        return store;
    store_close(&store);
    return NULL;
}

bool store_is(const struct store *store, const struct store_place *place)
{
    bool systemd = place->key_credential.size > 0;

    if (store == NULL)
        return place->directory.size == 0;
    return span_equal(place->directory, span_of_string(store->path)) &&
           systemd == store->key_is_systemd &&
           span_equal(systemd ? place->key_credential : place->key_file,
                      span_of_string(store->key_name));
}

void store_close(struct store **store)
{
    if (*store == NULL)
        return;
    if ((*store)->directory >= 0)
        close((*store)->directory);
    secret_clear(&(*store)->key);
    free(*store);
    *store = NULL;
}
