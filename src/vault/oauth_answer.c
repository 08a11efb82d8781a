/* What the answers of an OAuth endpoint mean. */
#include <string.h>

#include "oauth.h"
#include "secret_json.h"

/* So much of an answer is the secret itself, when it stands in what was asked. */
#define REPEATED_BYTES 12U
#define DESCRIPTION_MAX 200U
#define DEVICE_LIFE_MS ((moment)900 * 1000)
#define DEVICE_INTERVAL_MS ((moment)5 * 1000) /* RFC 8628 3.2 */

/* Who has to do something. */
enum act { ACT_NONE, ACT_LOGIN, ACT_CLIENT, ACT_CONFIGURE, ACT_ADMINISTRATOR };

struct error_row {
    struct span error;
    enum oauth_outcome outcome;
    enum act act;
};

/* RFC 6749 5.2, RFC 8628 3.5, OpenID Connect Core 3.1.2.6. */
static const struct error_row errors[] = {
    {SPAN_INIT("authorization_pending"), OAUTH_PENDING, ACT_NONE},
    {SPAN_INIT("slow_down"), OAUTH_SLOWER, ACT_NONE},
    {SPAN_INIT("temporarily_unavailable"), OAUTH_AWAY, ACT_NONE},
    {SPAN_INIT("server_error"), OAUTH_AWAY, ACT_NONE},
    {SPAN_INIT("invalid_grant"), OAUTH_BARRED, ACT_LOGIN},
    {SPAN_INIT("expired_token"), OAUTH_BARRED, ACT_LOGIN},
    {SPAN_INIT("login_required"), OAUTH_BARRED, ACT_LOGIN},
    {SPAN_INIT("interaction_required"), OAUTH_BARRED, ACT_LOGIN},
    {SPAN_INIT("consent_required"), OAUTH_BARRED, ACT_LOGIN},
    {SPAN_INIT("access_denied"), OAUTH_BARRED, ACT_ADMINISTRATOR},
    {SPAN_INIT("unauthorized_client"), OAUTH_BARRED, ACT_ADMINISTRATOR},
    {SPAN_INIT("invalid_client"), OAUTH_BARRED, ACT_CLIENT},
    {SPAN_INIT("deleted_client"), OAUTH_BARRED, ACT_CLIENT},
    {SPAN_INIT("invalid_scope"), OAUTH_BARRED, ACT_CONFIGURE},
    {SPAN_INIT("invalid_request"), OAUTH_BARRED, ACT_CONFIGURE},
    {SPAN_INIT("unsupported_grant_type"), OAUTH_BARRED, ACT_CONFIGURE},
};

/* What is not in the table is a no as well: it would be temporary had it come with 429 or 5xx. */
static const struct error_row unknown_error = {{NULL, 0}, OAUTH_BARRED, ACT_ADMINISTRATOR};

static const struct error_row *find_error(struct span error)
{
    size_t i;

    for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (span_equal(errors[i].error, error))
            return &errors[i];
    }
    return &unknown_error;
}

/* --- words --- */

/* Does `said` hold the secret, or a good part of it? */
static bool repeats(struct span said, struct span secret)
{
    size_t run = secret.size < REPEATED_BYTES ? secret.size : REPEATED_BYTES;
    size_t i;

    for (i = 0; run > 0 && i + run <= said.size; i++) {
        struct span part = span_of(said.at + i, run);

        if (span_find_span(secret, part) < secret.size)
            return true;
    }
    return false;
}

static bool repeats_asked(struct span said, const struct oauth_ask *ask)
{
    return repeats(said, ask->secret) || repeats(said, ask->given) ||
           repeats(said, ask->verifier) || repeats(said, ask->assertion);
}

/* What the endpoint says, as one line of ASCII; nothing when it repeats what it was asked. */
static void add_description(struct span said, const struct oauth_ask *ask, struct text *words)
{
    char memory[DESCRIPTION_MAX];
    struct text clean = text_over(memory, sizeof(memory));
    bool blank = false;
    size_t i;

    for (i = 0; i < said.size; i++) {
        bool visible = said.at[i] > ' ' && said.at[i] < 0x7f;

        if (visible && blank && clean.size > 0)
            text_add_byte(&clean, ' ');
        if (visible)
            text_add_byte(&clean, said.at[i]);
        blank = !visible;
    }
    /* The whole is looked at, for what was cut off may have begun in what stays. */
    if (clean.size == 0 || repeats_asked(said, ask) || repeats_asked(text_span(&clean), ask))
        return;
    text_add(words, SPAN(" ("));
    text_add(words, text_span(&clean));
    text_add(words, clean.cut ? SPAN("...)") : SPAN(")"));
}

/* An error is one word (RFC 6749 5.2); anything else is not repeated. */
static bool is_word(struct span error)
{
    size_t i;

    for (i = 0; i < error.size; i++) {
        if (error.at[i] <= ' ' || error.at[i] > '~' || error.at[i] == '"' || error.at[i] == '\\')
            return false;
    }
    return error.size > 0 && error.size <= 64;
}

static void add_act(enum act act, const struct oauth_ask *ask, struct text *words)
{
    bool no_person = ask->step == OAUTH_CLIENT || ask->step == OAUTH_ASSERT;

    if (act == ACT_LOGIN && no_person) {
        text_add(words, SPAN("key, user or clock must be put right: "));
        return;
    }
    switch (act) {
    case ACT_NONE:
        break;
    case ACT_LOGIN:
        text_add(words, SPAN("somebody must log in, with lockstep oauth login "));
        text_add(words, ask->party->name);
        text_add(words, SPAN(": "));
        break;
    case ACT_CLIENT:
        text_add(words, SPAN("client-id or the client's secret must be put right: "));
        break;
    case ACT_CONFIGURE:
        text_add(words, SPAN("scope, grant or endpoint must be put right: "));
        break;
    case ACT_ADMINISTRATOR:
        text_add(words, SPAN("an administrator must allow it at the provider: "));
        break;
    }
}

static void say_error(const struct error_row *row, struct span error, struct span description,
                      const struct oauth_ask *ask, struct oauth_verdict *verdict)
{
    verdict->outcome = row->outcome;
    add_act(row->act, ask, &verdict->words);
    text_add(&verdict->words, SPAN("the token endpoint says "));
    text_add(&verdict->words,
             is_word(error) && !repeats_asked(error, ask) ? error : SPAN("something unknown"));
    add_description(description, ask, &verdict->words);
}

static void say_away(struct span what, const struct http_answer *answer,
                     struct oauth_verdict *verdict)
{
    verdict->outcome = OAUTH_AWAY;
    text_add(&verdict->words, what);
    if (answer->status != 0) {
        text_add(&verdict->words, SPAN(" (HTTP "));
        text_add_number(&verdict->words, answer->status);
        text_add_byte(&verdict->words, ')');
    }
}

/* --- answers --- */

static void verdict_start(const struct http_answer *answer, struct oauth_verdict *verdict_r)
{
    uint64_t put_off_s;

    *verdict_r = (struct oauth_verdict){.outcome = OAUTH_GRANTED};
    verdict_r->words = text_over(verdict_r->memory, sizeof(verdict_r->memory));
    if (answer->error.size == 0 &&
        span_number(http_header(answer, SPAN("Retry-After")), &put_off_s) && put_off_s < 1U << 20)
        verdict_r->put_off_ms = (moment)put_off_s * 1000;
}

/* The object of a good answer; NULL: the verdict says what it was instead. */
static json_t *read_object(const struct oauth_ask *ask, const struct http_answer *answer,
                           struct oauth_verdict *verdict)
{
    bool later = answer->status == 408 || answer->status == 429 || answer->status >= 500;
    struct span error;
    json_t *object;

    if (answer->error.size > 0) {
        say_away(answer->error, &(struct http_answer){0}, verdict);
        return NULL;
    }
    object = secret_json_read(answer->body);
    error = secret_json_text(object, "error");
    if (error.size > 0) {
        say_error(find_error(error), error, secret_json_text(object, "error_description"), ask,
                  verdict);
        if (later && verdict->outcome == OAUTH_BARRED) {
            text_clear(&verdict->words);
            say_away(SPAN("the token endpoint has no time"), answer, verdict);
        }
    } else if (later || answer->status != 200) {
        say_away(SPAN("the token endpoint gives no token"), answer, verdict);
    } else if (object == NULL) {
        say_away(SPAN("the token endpoint answers something that is no JSON object"), answer,
                 verdict);
    } else {
        return object;
    }
    json_decref(object);
    return NULL;
}

static moment read_life(const json_t *object, const char *name, moment missing)
{
    int64_t seconds;

    if (!secret_json_number(object, name, &seconds) || seconds <= 0)
        return missing;
    return seconds < OAUTH_LIFE_MAX_MS / 1000 ? seconds * 1000 : OAUTH_LIFE_MAX_MS;
}

/* A token goes into lines of SMTP and of HTTP: it is printable ASCII (RFC 6749 A.12). */
static bool read_token(const json_t *object, const char *name, struct secret *secret_r)
{
    struct span token = secret_json_text(object, name);
    size_t i;

    secret_clear(secret_r);
    for (i = 0; i < token.size; i++) {
        if (token.at[i] < ' ' || token.at[i] > '~')
            return false;
    }
    return secret_set(secret_r, token);
}

void oauth_read_tokens(const struct oauth_ask *ask, const struct http_answer *answer,
                       struct oauth_tokens *tokens_r, struct oauth_verdict *verdict_r)
{
    struct span type;
    json_t *object;

    secret_clear(&tokens_r->access);
    secret_clear(&tokens_r->refresh);
    verdict_start(answer, verdict_r);
    object = read_object(ask, answer, verdict_r);
    if (object == NULL)
        return;
    type = secret_json_text(object, "token_type");
    if (type.size > 0 && !span_equal_fold(type, SPAN("bearer")))
        say_away(SPAN("the token endpoint gives a token that is no bearer token"), answer,
                 verdict_r);
    else if (!read_token(object, "access_token", &tokens_r->access) || tokens_r->access.size == 0 ||
             !read_token(object, "refresh_token", &tokens_r->refresh))
        say_away(SPAN("the token endpoint gives no token that can be used"), answer, verdict_r);
    tokens_r->life_ms = read_life(object, "expires_in", OAUTH_LIFE_MS);
    json_decref(object);
}

/* Into a string that ends in NUL; false: it is empty, too long, or would not show as it is. */
static bool read_shown(const json_t *object, const char *name, char *shown_r, size_t room)
{
    struct span said = secret_json_text(object, name);
    size_t i;

    for (i = 0; i < said.size; i++) {
        if (said.at[i] < ' ' || said.at[i] > '~')
            return false;
    }
    if (said.size == 0 || said.size >= room)
        return false;
    memcpy(shown_r, said.at, said.size);
    shown_r[said.size] = 0;
    return true;
}

void oauth_read_device(const struct oauth_ask *ask, const struct http_answer *answer,
                       struct oauth_device *device_r, struct oauth_verdict *verdict_r)
{
    json_t *object;

    secret_clear(&device_r->code);
    *device_r = (struct oauth_device){0};
    verdict_start(answer, verdict_r);
    object = read_object(ask, answer, verdict_r);
    if (object == NULL)
        return;
    /* "verification_url" is what some called it before the RFC did. */
    if (!read_token(object, "device_code", &device_r->code) || device_r->code.size == 0 ||
        !read_shown(object, "user_code", device_r->user_code, sizeof(device_r->user_code)) ||
        (!read_shown(object, "verification_uri", device_r->url, sizeof(device_r->url)) &&
         !read_shown(object, "verification_url", device_r->url, sizeof(device_r->url))))
        say_away(SPAN("the device endpoint gives no code that can be used"), answer, verdict_r);
    device_r->life_ms = read_life(object, "expires_in", DEVICE_LIFE_MS);
    device_r->interval_ms = read_life(object, "interval", DEVICE_INTERVAL_MS);
    json_decref(object);
}
