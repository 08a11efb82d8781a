/* Which logins rest, and until when. */
#include "rest.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "lockstep/base/must.h"

void rests_open(struct rests *rests)
{
    *rests = (struct rests){0};
    must(uv_mutex_init(&rests->lock) == 0);
    must(RAND_bytes(rests->seed, sizeof(rests->seed)) == 1);
}

void rests_close(struct rests *rests)
{
    uv_mutex_destroy(&rests->lock);
}

/* With its size, so that no two parts can be taken for others. */
static void digest_add(EVP_MD_CTX *digest, struct span part)
{
    must(EVP_DigestUpdate(digest, &part.size, sizeof(part.size)) == 1);
    must(part.size == 0 || EVP_DigestUpdate(digest, part.at, part.size) == 1);
}

void rest_key(const struct rests *rests, struct span relay, struct span user, struct span secret,
              unsigned char key_r[REST_KEY_BYTES])
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();

    must(digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1);
    must(EVP_DigestUpdate(digest, rests->seed, sizeof(rests->seed)) == 1);
    digest_add(digest, relay);
    digest_add(digest, user);
    digest_add(digest, secret);
    must(EVP_DigestFinal_ex(digest, key_r, NULL) == 1);
    EVP_MD_CTX_free(digest);
}

static void drop(struct rests *rests, struct rest_row *row)
{
    *row = rests->rows[--rests->count];
}

/* NULL: it does not rest. */
static struct rest_row *find(struct rests *rests, const unsigned char *key, moment now)
{
    uint32_t i;

    for (i = 0; i < rests->count; i++) {
        struct rest_row *row = &rests->rows[i];

        if (memcmp(row->key, key, REST_KEY_BYTES) != 0)
            continue;
        if (now - row->until < REST_FORGET_MS)
            return row;
        drop(rests, row);
        break;
    }
    return NULL;
}

static struct rest_row *add(struct rests *rests, const unsigned char *key)
{
    struct rest_row *row;
    uint32_t i, first = 0;

    for (i = 0; i < rests->count; i++)
        if (rests->rows[i].until < rests->rows[first].until)
            first = i;
    if (rests->count == REST_LOGINS_MAX)
        drop(rests, &rests->rows[first]);
    row = &rests->rows[rests->count++];
    *row = (struct rest_row){.pause_ms = REST_FIRST_MS};
    memcpy(row->key, key, REST_KEY_BYTES);
    return row;
}

bool rest_over(struct rests *rests, const unsigned char key[REST_KEY_BYTES], moment now,
               struct text *words)
{
    struct rest_row *row;
    bool over;

    uv_mutex_lock(&rests->lock);
    row = find(rests, key, now);
    over = row == NULL || now >= row->until;
    if (!over) {
        text_add(words, span_of(row->words, row->size));
    } else if (row != NULL) {
        row->tried = true;
        row->until = now + row->pause_ms;
    }
    uv_mutex_unlock(&rests->lock);
    return over;
}

/* Those that began before the first refusal was known are refused too; that is one refusal. */
static void grow(struct rest_row *row, moment now)
{
    if (row->tried)
        row->pause_ms = row->pause_ms < REST_MAX_MS / 2 ? row->pause_ms * 2 : REST_MAX_MS;
    row->tried = false;
    row->until = now + row->pause_ms;
}

moment rest_refused(struct rests *rests, const unsigned char key[REST_KEY_BYTES], moment now,
                    struct span words)
{
    struct rest_row *row;
    moment pause_ms;

    words = span_head(words, REST_WORDS_MAX);
    uv_mutex_lock(&rests->lock);
    row = find(rests, key, now);
    if (row == NULL)
        row = add(rests, key);
    grow(row, now);
    pause_ms = row->pause_ms;
    row->size = (uint32_t)words.size;
    if (words.size > 0)
        memcpy(row->words, words.at, words.size);
    uv_mutex_unlock(&rests->lock);
    return pause_ms;
}

void rest_accepted(struct rests *rests, const unsigned char key[REST_KEY_BYTES])
{
    struct rest_row *row;

    uv_mutex_lock(&rests->lock);
    row = find(rests, key, 0);
    if (row != NULL)
        drop(rests, row);
    uv_mutex_unlock(&rests->lock);
}

void rests_clear(struct rests *rests)
{
    uv_mutex_lock(&rests->lock);
    rests->count = 0;
    uv_mutex_unlock(&rests->lock);
}
