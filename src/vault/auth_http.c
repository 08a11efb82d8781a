/* nginx's auth_http, asked on the keeper's loop. A query is written out by whoever asks; the keeper
 * looks for a kept answer, or has the server say one. */
#include "auth_http.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "lockstep/http/client.h"
#include "login_pace.h"
#include "supply.h"

#define HOST_MAX 256U
#define DIGEST_BYTES 32U
#define HEADERS_MAX 12U
/* Words of the server that are passed on. */
#define WORDS_MAX 200U
/* At the same time; one more is told to come later. */
#define INQUIRIES_MAX 256U
/* After "WAIT" without a time. */
#define WAIT_MS 1000U

/* A good answer. */
struct good {
    unsigned char digest[DIGEST_BYTES]; /* of what was asked */
    moment until;
    uint16_t port;
    struct text host;
    struct text user;
    struct secret secret;
    char host_bytes[HOST_MAX];
    char user_bytes[SUPPLY_USER_MAX];
};

struct auth_http {
    struct keeper *keeper;
    struct errands errands;
    unsigned char key[DIGEST_BYTES];
    /* The rest belongs to the keeper's thread. */
    struct guest guest;
    struct http_client *client; /* NULL: nothing was asked yet, or the keeper has ended */
    struct login_pace pace;
    struct inquiry *first;
    uint32_t inquiries;
    uint32_t next; /* of `kept`, to be filled */
    struct good *kept[AUTH_HTTP_KEPT_MAX];
};

/* One question under way. */
struct inquiry {
    struct job job;
    struct trip trip;
    struct auth_http *owner;
    struct inquiry *next;
    struct inquiry *before;
    moment deadline;  /* on the loop's clock */
    uv_timer_t timer; /* until it may ask again, or be told of its refusal */
    unsigned char digest[DIGEST_BYTES];
    bool login;
    struct span client;
    struct span url;
    uint32_t header_count;
    struct http_header headers[HEADERS_MAX];
    struct text bytes; /* the URL and all values */
    enum told refused;
    struct text words; /* of the refusal */
    char words_bytes[WORDS_MAX];
};

/* --- what is asked --- */

/* Names the part of the bytes that `add` has written since. */
static struct span since(const struct text *bytes, size_t start)
{
    return span_tail(text_span(bytes), start);
}

static void inquiry_head(struct inquiry *inquiry, struct span name, size_t start)
{
    must(inquiry->header_count < HEADERS_MAX);
    inquiry->headers[inquiry->header_count++] =
        (struct http_header){name, since(&inquiry->bytes, start)};
}

/* nginx escapes control bytes, blanks and "%" of what a client may choose freely. What came as an
 * SMTP line it leaves as it is; there only control bytes are escaped here. */
static void escape(struct span raw, bool line, struct text *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t i;

    for (i = 0; i < raw.size; i++) {
        unsigned char byte = (unsigned char)raw.at[i];

        if (byte >= 0x20 && byte != 0x7f && (line || (byte != ' ' && byte != '%'))) {
            text_add_byte(out, raw.at[i]);
            continue;
        }
        text_add_byte(out, '%');
        text_add_byte(out, digits[byte >> 4]);
        text_add_byte(out, digits[byte & 15]);
    }
}

static void head_value(struct inquiry *inquiry, struct span name, struct span value)
{
    size_t start = inquiry->bytes.size;

    escape(value, false, &inquiry->bytes);
    inquiry_head(inquiry, name, start);
}

static void head_line(struct inquiry *inquiry, struct span name, struct span before,
                      struct span value, struct span behind)
{
    size_t start = inquiry->bytes.size;

    text_add(&inquiry->bytes, before);
    escape(value, true, &inquiry->bytes);
    text_add(&inquiry->bytes, behind);
    inquiry_head(inquiry, name, start);
}

static void inquiry_write(struct inquiry *inquiry, const struct auth_http_query *query)
{
    struct text *bytes = &inquiry->bytes;
    size_t start;

    text_add(bytes, query->url);
    inquiry->url = text_span(bytes);
    head_value(inquiry, SPAN("Auth-Method"), query->login ? SPAN("plain") : SPAN("none"));
    head_value(inquiry, SPAN("Auth-User"), query->user);
    head_value(inquiry, SPAN("Auth-Pass"), query->password);
    head_value(inquiry, SPAN("Auth-Protocol"), SPAN("smtp"));
    start = bytes->size;
    text_add_number(bytes, query->attempt);
    inquiry_head(inquiry, SPAN("Auth-Login-Attempt"), start);
    head_value(inquiry, SPAN("Client-IP"), query->client);
    inquiry->client = inquiry->headers[inquiry->header_count - 1].value;
    head_value(inquiry, SPAN("Client-Host"), SPAN("[UNAVAILABLE]"));
    if (query->secured)
        head_value(inquiry, SPAN("Auth-SSL"), SPAN("on"));
    if (query->login)
        return;
    head_line(inquiry, SPAN("Auth-SMTP-Helo"), SPAN(""), query->helo, SPAN(""));
    head_line(inquiry, SPAN("Auth-SMTP-From"), SPAN("MAIL FROM:<"), query->sender, SPAN(">"));
    if (query->recipient.size > 0)
        head_line(inquiry, SPAN("Auth-SMTP-To"), SPAN("RCPT TO:<"), query->recipient, SPAN(">"));
}

/* Of all that is asked. Values hold no NUL, so that none can be taken for another. */
static void inquiry_digest(struct inquiry *inquiry, const unsigned char *key)
{
    size_t room = inquiry->bytes.size + HEADERS_MAX + 1U;
    struct text whole = text_over(malloc(room), room);
    uint32_t i;

    must(whole.at != NULL);
    text_add(&whole, inquiry->url);
    for (i = 0; i < inquiry->header_count; i++) {
        text_add_byte(&whole, '\0');
        text_add(&whole, inquiry->headers[i].value);
    }
    must(HMAC(EVP_sha256(), key, DIGEST_BYTES, (const unsigned char *)whole.at, whole.size,
              inquiry->digest, NULL) != NULL);
    secret_wipe(whole.at, whole.size);
    free(whole.at);
}

/* --- what is kept --- */

static void good_drop(struct good **good)
{
    if (*good != NULL) {
        secret_clear(&(*good)->secret);
        free(*good);
    }
    *good = NULL;
}

/* What is no longer good is thrown away while looking. */
static const struct good *kept_find(struct auth_http *auth_http, const unsigned char *digest)
{
    moment now = keeper_now(auth_http->keeper);
    const struct good *found = NULL;
    uint32_t i;

    for (i = 0; i < AUTH_HTTP_KEPT_MAX; i++) {
        struct good **good = &auth_http->kept[i];

        if (*good != NULL && (*good)->until <= now)
            good_drop(good);
        if (*good != NULL && CRYPTO_memcmp((*good)->digest, digest, DIGEST_BYTES) == 0)
            found = *good;
    }
    return found;
}

static void kept_add(struct auth_http *auth_http, struct good *good)
{
    good->until = keeper_now(auth_http->keeper) + AUTH_HTTP_KEPT_MS;
    good_drop(&auth_http->kept[auth_http->next]);
    auth_http->kept[auth_http->next] = good;
    auth_http->next = (auth_http->next + 1) % AUTH_HTTP_KEPT_MAX;
}

/* --- the end of an inquiry --- */

static void inquiry_free(struct inquiry *inquiry)
{
    secret_wipe(inquiry->bytes.at, inquiry->bytes.size);
    free(inquiry->bytes.at);
    free(inquiry);
}

static void inquiry_timer_gone(uv_handle_t *timer)
{
    inquiry_free(timer->data);
}

/* Only what stands in the list of its owner. */
static void inquiry_over(struct inquiry *inquiry)
{
    struct auth_http *owner = inquiry->owner;

    if (inquiry->before != NULL)
        inquiry->before->next = inquiry->next;
    else
        owner->first = inquiry->next;
    if (inquiry->next != NULL)
        inquiry->next->before = inquiry->before;
    owner->inquiries--;
    uv_close((uv_handle_t *)&inquiry->timer, inquiry_timer_gone);
}

static void inquiry_tell(struct inquiry *inquiry, enum told told, struct span words)
{
    struct outcome outcome = {.told = told, .words = words};

    trip_end(&inquiry->owner->errands, &inquiry->trip, &outcome);
}

static void inquiry_good(struct inquiry *inquiry, const struct good *good)
{
    struct outcome outcome = {
        .told = TOLD_DONE,
        .host = text_span(&good->host),
        .port = good->port,
        .user = text_span(&good->user),
        .secret = &good->secret,
    };

    trip_end(&inquiry->owner->errands, &inquiry->trip, &outcome);
}

/* What came of a login, for those that come after it. */
static void inquiry_settle(struct inquiry *inquiry, bool passed)
{
    struct keeper *keeper = inquiry->owner->keeper;
    struct span client = inquiry->client;
    uint32_t failures;

    if (!inquiry->login)
        return;
    failures = login_pace_settle(&inquiry->owner->pace, client, keeper_now(keeper), passed);
    if (!passed)
        keeper_say(keeper, VAULT_WARNING,
                   "login of a client at %.*s refused by auth_http, %u lately", (int)client.size,
                   client.at, (unsigned)failures);
}

/* --- what is answered --- */

/* False: it makes no sense, `words` says why. */
static bool good_read(struct good *good, const struct http_answer *answer, struct span *words_r)
{
    struct span host = http_header(answer, SPAN("Auth-Server"));
    struct span port = http_header(answer, SPAN("Auth-Port"));
    struct span user = http_header(answer, SPAN("Auth-User"));
    struct span password = http_header(answer, SPAN("Auth-Pass"));
    uint64_t number = 0;

    good->host = text_over(good->host_bytes, sizeof(good->host_bytes));
    good->user = text_over(good->user_bytes, sizeof(good->user_bytes));
    if (host.size > 0 || port.size > 0) {
        if (host.size > 2 && host.at[0] == '[' && host.at[host.size - 1] == ']')
            host = span_tail(span_head(host, host.size - 1), 1);
        *words_r = SPAN("its Auth-Server and Auth-Port are no address");
        if (!url_host_valid(host) || host.size > HOST_MAX || !span_number(port, &number) ||
            number == 0 || number > UINT16_MAX)
            return false;
        text_add(&good->host, host);
        good->port = (uint16_t)number;
    }
    if (user.size == 0 || password.size == 0)
        return true;
    *words_r = SPAN("its Auth-User or Auth-Pass is too long");
    text_add(&good->user, user);
    return !good->user.cut && secret_set(&good->secret, password);
}

/* Trouble with the server, which is not the client's fault, nor any of its business. */
static void inquiry_trouble(struct inquiry *inquiry, struct span words)
{
    keeper_say(inquiry->owner->keeper, VAULT_ERROR, "auth_http: %.*s", (int)words.size, words.at);
    inquiry_tell(inquiry, TOLD_LATER, SPAN("auth_http: no good answer: " ASK_THE_LOG));
}

/* As long as the server says, but not beyond the deadline. */
static uint64_t inquiry_wait_ms(const struct inquiry *inquiry, struct span seconds)
{
    moment left = inquiry->deadline - (moment)uv_now(inquiry->timer.loop);
    uint64_t wait_s = 0;

    if (!span_number(seconds, &wait_s) || left <= 0)
        return 0;
    return wait_s < (uint64_t)left / 1000 ? wait_s * 1000 : (uint64_t)left;
}

static void inquiry_refuse(uv_timer_t *timer)
{
    struct inquiry *inquiry = timer->data;

    inquiry_tell(inquiry, inquiry->refused, text_span(&inquiry->words));
    inquiry_over(inquiry);
}

/* It refuses, in its own words, and perhaps wants the client to wait for them, who may be guessing.
 * What can't stand in a reply is left out. */
static void inquiry_refused(struct inquiry *inquiry, const struct http_answer *answer)
{
    struct span status = http_header(answer, SPAN("Auth-Status"));
    struct span code = http_header(answer, SPAN("Auth-Error-Code"));
    uint64_t wait_ms = inquiry_wait_ms(inquiry, http_header(answer, SPAN("Auth-Wait")));
    size_t i;

    inquiry->refused = code.size > 0 && code.at[0] == '4' ? TOLD_LATER : TOLD_NO;
    if (inquiry->refused == TOLD_NO)
        inquiry_settle(inquiry, false);
    inquiry->words = text_over(inquiry->words_bytes, sizeof(inquiry->words_bytes));
    for (i = 0; i < status.size; i++)
        if (status.at[i] >= ' ' && status.at[i] < 0x7f)
            text_add_byte(&inquiry->words, status.at[i]);
    uv_timer_start(&inquiry->timer, inquiry_refuse, wait_ms, 0);
}

static void inquiry_accepted(struct inquiry *inquiry, const struct http_answer *answer)
{
    struct good *good = calloc(1, sizeof(*good));
    struct span words = {0};

    must(good != NULL);
    if (!good_read(good, answer, &words)) {
        good_drop(&good);
        inquiry_trouble(inquiry, words);
        return;
    }
    memcpy(good->digest, inquiry->digest, DIGEST_BYTES);
    kept_add(inquiry->owner, good);
    inquiry_settle(inquiry, true);
    inquiry_good(inquiry, good);
}

static void inquiry_ask(struct inquiry *inquiry);

static void inquiry_waited(uv_timer_t *timer)
{
    inquiry_ask(timer->data);
}

static void inquiry_wait(struct inquiry *inquiry, const struct http_answer *answer)
{
    uint64_t wait_ms = inquiry_wait_ms(inquiry, http_header(answer, SPAN("Auth-Wait")));

    if (wait_ms == 0)
        wait_ms = WAIT_MS;
    if ((moment)uv_now(inquiry->timer.loop) + (moment)wait_ms < inquiry->deadline) {
        uv_timer_start(&inquiry->timer, inquiry_waited, wait_ms, 0);
        return;
    }
    inquiry_trouble(inquiry, SPAN("the server wants more time than there is"));
    inquiry_over(inquiry);
}

/* Empty: it is an answer. */
static struct span answer_trouble(const struct http_answer *answer)
{
    if (answer->error.size > 0)
        return answer->error;
    if (answer->status != 200 && answer->status != 204)
        return SPAN("the server did not answer with 200");
    if (http_header(answer, SPAN("Auth-Status")).size == 0)
        return SPAN("the server said nothing of Auth-Status");
    return SPAN("");
}

static void inquiry_told(void *data, const struct http_answer *answer)
{
    struct inquiry *inquiry = data;
    struct span status = http_header(answer, SPAN("Auth-Status"));
    struct span trouble = answer_trouble(answer);

    if (trouble.size > 0) {
        inquiry_trouble(inquiry, trouble);
        inquiry_over(inquiry);
    } else if (span_equal(status, SPAN("OK"))) {
        inquiry_accepted(inquiry, answer);
        inquiry_over(inquiry);
    } else if (span_equal(status, SPAN("WAIT"))) {
        inquiry_wait(inquiry, answer);
    } else {
        inquiry_refused(inquiry, answer);
    }
}

static void inquiry_ask(struct inquiry *inquiry)
{
    moment left = inquiry->deadline - (moment)uv_now(inquiry->timer.loop);
    struct http_request request = {
        .url = inquiry->url,
        .header_count = inquiry->header_count,
        .headers = inquiry->headers,
        .deadline_ms = left > 0 ? (uint32_t)left : 0,
        .told = inquiry_told,
        .data = inquiry,
    };

    http_ask(inquiry->owner->client, &request);
}

/* --- the keeper's thread --- */

static void auth_http_end(struct guest *guest)
{
    struct auth_http *auth_http =
        (struct auth_http *)((char *)guest - offsetof(struct auth_http, guest));

    http_client_close(&auth_http->client);
    while (auth_http->first != NULL)
        inquiry_over(auth_http->first);
}

static void auth_http_begin(struct auth_http *auth_http)
{
    auth_http->client = http_client_open(&auth_http->keeper->links, SPAN(""));
    auth_http->guest.end = auth_http_end;
    keeper_join(auth_http->keeper, &auth_http->guest);
}

/* False: it was not asked in the last minute. */
static bool inquiry_known(struct inquiry *inquiry)
{
    const struct good *good = kept_find(inquiry->owner, inquiry->digest);

    if (good == NULL)
        return false;
    inquiry_settle(inquiry, true);
    inquiry_good(inquiry, good);
    return true;
}

/* Its address has waited long enough. */
static void inquiry_start(uv_timer_t *timer)
{
    struct inquiry *inquiry = timer->data;
    struct auth_http *owner = inquiry->owner;

    /* Whoever does not wait for it any more learns nothing. */
    if (!trip_wanted(&owner->errands, &inquiry->trip) || inquiry_known(inquiry)) {
        inquiry_over(inquiry);
        return;
    }
    inquiry->deadline = (moment)uv_now(&owner->keeper->uv) + AUTH_HTTP_DEADLINE_MS;
    inquiry_ask(inquiry);
}

static void inquiry_join(struct inquiry *inquiry)
{
    struct auth_http *owner = inquiry->owner;

    if (owner->client == NULL)
        auth_http_begin(owner);
    inquiry->next = owner->first;
    if (owner->first != NULL)
        owner->first->before = inquiry;
    owner->first = inquiry;
    owner->inquiries++;
    uv_timer_init(&owner->keeper->uv, &inquiry->timer);
    inquiry->timer.data = inquiry;
}

static void inquiry_begin(struct job *job)
{
    struct inquiry *inquiry = (struct inquiry *)((char *)job - offsetof(struct inquiry, job));
    struct auth_http *owner = inquiry->owner;
    moment now = keeper_now(owner->keeper);
    uint64_t wait_ms = 0;

    if (!inquiry->login && inquiry_known(inquiry)) {
        inquiry_free(inquiry);
        return;
    }
    if (owner->inquiries == INQUIRIES_MAX) {
        inquiry_trouble(inquiry, SPAN("too much is asked at the same time"));
        inquiry_free(inquiry);
        return;
    }
    inquiry_join(inquiry);
    /* Also for an answer that is kept: its speed would tell which password is the right one. */
    if (inquiry->login && !login_pace_wait(&owner->pace, inquiry->client, now, &wait_ms)) {
        inquiry_trouble(inquiry, SPAN("too many failures of that address"));
        inquiry_over(inquiry);
    } else if (wait_ms > 0) {
        uv_timer_start(&inquiry->timer, inquiry_start, wait_ms, 0);
    } else {
        inquiry_start(&inquiry->timer);
    }
}

/* --- any thread --- */

void auth_http_ask(struct auth_http *auth_http, const struct auth_http_query *query,
                   struct errand *errand)
{
    struct inquiry *inquiry = calloc(1, sizeof(*inquiry));
    /* An escaped byte is three; the rest is words that always stand there. */
    size_t room = query->url.size + 200 +
                  3 * (query->user.size + query->password.size + query->client.size +
                       query->helo.size + query->sender.size + query->recipient.size);

    must(inquiry != NULL);
    inquiry->job.run = inquiry_begin;
    inquiry->owner = auth_http;
    inquiry->login = query->login;
    inquiry->bytes = text_over(malloc(room), room);
    must(inquiry->bytes.at != NULL);
    inquiry_write(inquiry, query);
    must(!inquiry->bytes.cut);
    inquiry_digest(inquiry, auth_http->key);
    trip_begin(&auth_http->errands, &inquiry->trip, errand);
    keeper_post(auth_http->keeper, &inquiry->job);
}

void auth_http_forget(struct auth_http *auth_http, struct errand *errand)
{
    errands_forget(&auth_http->errands, errand);
}

struct auth_http *auth_http_open(struct keeper *keeper)
{
    struct auth_http *auth_http = calloc(1, sizeof(*auth_http));

    must(auth_http != NULL);
    auth_http->keeper = keeper;
    errands_open(&auth_http->errands);
    must(RAND_bytes(auth_http->key, sizeof(auth_http->key)) == 1);
    return auth_http;
}

void auth_http_close(struct auth_http **closing)
{
    struct auth_http *auth_http = *closing;
    uint32_t i;

    *closing = NULL;
    for (i = 0; i < AUTH_HTTP_KEPT_MAX; i++)
        good_drop(&auth_http->kept[i]);
    errands_close(&auth_http->errands);
    OPENSSL_cleanse(auth_http->key, sizeof(auth_http->key));
    free(auth_http);
}
