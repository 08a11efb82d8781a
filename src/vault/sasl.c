/* The client's side of AUTH, on GNU SASL. */
#include <gsasl.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "bearer.h"
#include "lockstep/net/adviser.h"
#include "sasl.h"

/* A line of an exchange (RFC 4954 4) holds no message longer than this. */
#define MESSAGE_BYTES_MAX (ANSWER_BYTES_MAX / 4 * 3)

enum sasl_state {
    SASL_OPEN,   /* a challenge or the outcome may come */
    SASL_DONE,   /* all was said, and the relay has proven itself where it has to */
    SASL_BROKEN, /* it can't succeed any more */
};

struct sasl {
    enum mechanism mechanism;
    enum sasl_state state;
    uint32_t steps;
    bool owing;             /* the first message did not fit behind AUTH: it answers a challenge */
    Gsasl_session *session; /* NULL: a bearer */
    struct text words;
    char words_bytes[SASL_WORDS_MAX];
    struct text initial; /* our first message, in base64 */
    char initial_bytes[ANSWER_BYTES_MAX];
    struct secret secret;
};

/* Who speaks first, and who has the relay prove itself too. */
static const struct {
    bool first;
    bool mutual;
} traits[MECHANISM_COUNT] = {
    [MECHANISM_SCRAM_SHA_256_PLUS] = {true, true},
    [MECHANISM_SCRAM_SHA_256] = {true, true},
    [MECHANISM_SCRAM_SHA_1_PLUS] = {true, true},
    [MECHANISM_SCRAM_SHA_1] = {true, true},
    [MECHANISM_EXTERNAL] = {true, false},
    [MECHANISM_OAUTHBEARER] = {true, false},
    [MECHANISM_XOAUTH2] = {true, false},
    [MECHANISM_DIGEST_MD5] = {false, true},
    [MECHANISM_CRAM_MD5] = {false, false},
    [MECHANISM_NTLM] = {true, false},
    [MECHANISM_PLAIN] = {true, false},
    [MECHANISM_LOGIN] = {false, false},
};

/* --- the library --- */

/* One context for all threads: after it was made it is only read. It lives as long as we do. */
static Gsasl *library;

static void library_make(void)
{
    if (gsasl_init(&library) != GSASL_OK)
        library = NULL;
}

static Gsasl *library_get(void)
{
    static uv_once_t once = UV_ONCE_INIT;

    uv_once(&once, library_make);
    return library;
}

static bool encode(struct span bytes, struct text *line)
{
    char *coded = NULL;
    size_t size = 0;
    bool fits;

    if (bytes.size == 0)
        return true;
    if (gsasl_base64_to(bytes.at, bytes.size, &coded, &size) != GSASL_OK)
        return false;
    text_add(line, span_of(coded, size));
    fits = !line->cut;
    secret_wipe(coded, size);
    gsasl_free(coded);
    return fits;
}

/* The caller frees. */
static bool decode(struct span coded, char **bytes_r, size_t *size_r)
{
    *bytes_r = NULL;
    *size_r = 0;
    return coded.size == 0 || gsasl_base64_from(coded.at, coded.size, bytes_r, size_r) == GSASL_OK;
}

static bool broken(struct sasl *sasl, const char *words)
{
    sasl->state = SASL_BROKEN;
    if (sasl->words.size == 0)
        text_add(&sasl->words, span_of_string(words));
    return false;
}

/* GNU SASL takes strings that end in NUL. */
static bool give(Gsasl_session *session, Gsasl_property property, struct span value)
{
    if (value.size == 0)
        return true;
    return span_find(value, '\0') == value.size &&
           gsasl_property_set_raw(session, property, value.at, value.size) == GSASL_OK;
}

static bool give_binding(Gsasl_session *session, const struct sasl_wish *wish)
{
    /* tls-unique is not defined for TLS 1.3, and below it is what every server has. */
    bool unique = wish->unique.size > 0;
    struct span bytes = unique ? wish->unique : wish->exporter;
    char memory[128];
    struct text coded = text_over(memory, sizeof(memory));

    return encode(bytes, &coded) &&
           give(session, unique ? GSASL_CB_TLS_UNIQUE : GSASL_CB_TLS_EXPORTER, text_span(&coded));
}

/* --- which --- */

static bool can_use(const struct sasl_wish *wish, enum mechanism mechanism)
{
    const struct mechanism_facts *facts = mechanism_facts(mechanism);

    if (mechanism == MECHANISM_EXTERNAL)
        return wish->certificate;
    if (wish->identity.size == 0 || wish->secret.size == 0 || facts->bearer != wish->bearer)
        return false;
    if (facts->bearer)
        return true;
    if (facts->bound && wish->exporter.size == 0 && wish->unique.size == 0)
        return false;
    return library_get() != NULL && gsasl_client_support_p(library, facts->word.at);
}

uint32_t sasl_usable(const struct sasl_wish *wish)
{
    uint32_t set = 0;
    size_t i;

    for (i = 0; i < MECHANISM_COUNT; i++) {
        if ((wish->mechanisms & MECHANISM_BIT(i)) != 0 && can_use(wish, (enum mechanism)i))
            set |= MECHANISM_BIT(i);
    }
    return set;
}

/* --- the exchange --- */

/* One step of the library; what it says goes to `line` in base64. */
static bool advance(struct sasl *sasl, struct span input, struct text *line)
{
    char *output = NULL;
    size_t size = 0;
    int result = gsasl_step(sasl->session, input.at, input.size, &output, &size);
    bool fits = true;

    if (result != GSASL_OK && result != GSASL_NEEDS_MORE)
        return broken(sasl, gsasl_strerror(result));
    sasl->state = result == GSASL_OK ? SASL_DONE : SASL_OPEN;
    if (output != NULL) {
        fits = encode(span_of(output, size), line);
        secret_wipe(output, size);
        gsasl_free(output);
    }
    return fits || broken(sasl, "the response does not fit on a line");
}

/* RFC 5802 7: the first message of SCRAM's server ends in ",i=" and how often to hash. */
static bool rounds_bearable(struct span message)
{
    size_t place = span_find_span(message, SPAN(",i="));
    struct span rest = span_tail(message, place + 3);
    uint64_t rounds;

    return place == message.size || (span_number(span_head(rest, span_find(rest, ',')), &rounds) &&
                                     rounds <= SASL_ROUNDS_MAX);
}

static bool begin_bearer(struct sasl *sasl, const struct sasl_wish *wish)
{
    char memory[MESSAGE_BYTES_MAX];
    struct text message = text_over(memory, sizeof(memory));
    bool begun = bearer_message(sasl->mechanism, wish, &message) &&
                 encode(text_span(&message), &sasl->initial);

    secret_wipe(memory, sizeof(memory));
    return begun;
}

static bool begin_library(struct sasl *sasl, const struct sasl_wish *wish)
{
    const struct mechanism_facts *facts = mechanism_facts(sasl->mechanism);
    Gsasl_property whom = sasl->mechanism == MECHANISM_EXTERNAL ? GSASL_AUTHZID : GSASL_AUTHID;

    if (library_get() == NULL ||
        gsasl_client_start(library, facts->word.at, &sasl->session) != GSASL_OK)
        return false;
    if (!give(sasl->session, whom, wish->identity) ||
        !give(sasl->session, GSASL_PASSWORD, wish->secret) ||
        !give(sasl->session, GSASL_SERVICE, SPAN("smtp")) ||
        !give(sasl->session, GSASL_HOSTNAME, wish->host))
        return false;
    if (facts->bound && !give_binding(sasl->session, wish))
        return false;
    return !traits[sasl->mechanism].first || advance(sasl, SPAN(""), &sasl->initial);
}

/* "PLAIN AGEAYg==" when that fits, else "PLAIN", and the rest answers the first challenge. */
static void say_auth(struct sasl *sasl, uint32_t room, struct text *line)
{
    struct span name = mechanism_facts(sasl->mechanism)->word;
    /* RFC 4954 4: "=" is an initial response of no bytes. */
    struct span initial = sasl->initial.size > 0 ? text_span(&sasl->initial) : SPAN("=");

    text_add(line, name);
    if (!traits[sasl->mechanism].first)
        return;
    sasl->owing = name.size + 1 + initial.size > room;
    if (sasl->owing)
        return;
    text_add_byte(line, ' ');
    text_add(line, initial);
}

static struct sasl *sasl_new(enum mechanism mechanism, struct span secret)
{
    struct sasl *sasl = calloc(1, sizeof(*sasl));

    if (sasl == NULL)
        return NULL;
    if (!secret_set(&sasl->secret, secret)) {
        free(sasl);
        return NULL;
    }
    sasl->mechanism = mechanism;
    sasl->words = text_over(sasl->words_bytes, sizeof(sasl->words_bytes));
    sasl->initial = text_over(sasl->initial_bytes, sizeof(sasl->initial_bytes));
    return sasl;
}

struct sasl *sasl_begin(const struct sasl_wish *wish, struct text *line)
{
    uint32_t usable = sasl_usable(wish);
    size_t i;

    for (i = 0; i < MECHANISM_COUNT; i++) {
        struct sasl *sasl;
        bool begun;

        if ((usable & MECHANISM_BIT(i)) == 0)
            continue;
        sasl = sasl_new((enum mechanism)i, wish->secret);
        if (sasl == NULL)
            return NULL;
        begun = mechanism_facts(sasl->mechanism)->bearer ? begin_bearer(sasl, wish)
                                                         : begin_library(sasl, wish);
        if (begun) {
            say_auth(sasl, wish->room, line);
            return sasl;
        }
        /* A password that SCRAM can't prepare (RFC 4013) may still do for another. */
        sasl_end(&sasl);
    }
    return NULL;
}

/* What a relay says to a token it does not take. The exchange goes on, only to its refusal. */
static bool step_bearer(struct sasl *sasl, struct span error, struct text *line)
{
    sasl->state = SASL_BROKEN;
    bearer_words(error, &sasl->words);
    if (sasl_leaks(sasl, text_span(&sasl->words))) {
        text_clear(&sasl->words);
        text_add(&sasl->words, SPAN("the relay refused the token, in words that show it"));
    }
    return encode(bearer_response(sasl->mechanism), line);
}

static bool is_scram(const struct sasl *sasl)
{
    return traits[sasl->mechanism].first && traits[sasl->mechanism].mutual;
}

bool sasl_slow(const struct sasl *sasl)
{
    return is_scram(sasl) && !sasl->owing && sasl->steps == 0;
}

/* The library's DIGEST-MD5 falls over a challenge of no bytes, and its NTLM takes anything. */
static const char *nonsense(const struct sasl *sasl, struct span message)
{
    if (message.size == 0)
        return "the relay's challenge is empty";
    if (sasl->mechanism == MECHANISM_NTLM && !span_starts(message, SPAN("NTLMSSP\0\2")))
        return "the relay's challenge is not NTLM's";
    if (is_scram(sasl) && !rounds_bearable(message))
        return "the relay wants the password hashed too many times";
    return NULL;
}

static bool step_library(struct sasl *sasl, struct span message, struct text *line)
{
    const char *words = sasl->mechanism == MECHANISM_LOGIN ? NULL : nonsense(sasl, message);

    return words == NULL ? advance(sasl, message, line) : broken(sasl, words);
}

bool sasl_step(struct sasl *sasl, struct span challenge, struct text *line)
{
    char *bytes = NULL;
    size_t size = 0;
    bool stepped;

    if (sasl->owing) {
        /* It should be empty, but whatever it says there is only one answer to it. */
        sasl->owing = false;
        text_add(line, text_span(&sasl->initial));
        return true;
    }
    if (sasl->state != SASL_OPEN || ++sasl->steps > SASL_STEPS_MAX)
        return broken(sasl, "the relay goes on where the mechanism ends");
    /* LOGIN asks for the name and then for the password, in whatever words. */
    if (sasl->mechanism != MECHANISM_LOGIN && !decode(challenge, &bytes, &size))
        return broken(sasl, "the relay's challenge is not base64");
    stepped = sasl->session == NULL ? step_bearer(sasl, span_of(bytes, size), line)
                                    : step_library(sasl, span_of(bytes, size), line);
    gsasl_free(bytes);
    return stepped;
}

enum mechanism sasl_mechanism(const struct sasl *sasl)
{
    return sasl->mechanism;
}

bool sasl_proven(const struct sasl *sasl)
{
    return traits[sasl->mechanism].mutual ? sasl->state == SASL_DONE : sasl->state != SASL_BROKEN;
}

static bool holds(struct span text, struct span part)
{
    return part.size > 0 && span_find_span(text, part) < text.size;
}

bool sasl_leaks(const struct sasl *sasl, struct span text)
{
    char memory[(SECRET_BYTES_MAX + 2) / 3 * 4];
    struct text coded = text_over(memory, sizeof(memory));
    struct span secret = secret_reveal(&sasl->secret);
    bool leaks = !encode(secret, &coded) || holds(text, text_span(&coded)) || holds(text, secret) ||
                 holds(text, text_span(&sasl->initial));

    secret_wipe(memory, coded.size);
    return leaks;
}

struct span sasl_words(const struct sasl *sasl)
{
    return text_span(&sasl->words);
}

void sasl_end(struct sasl **sasl)
{
    struct sasl *old = *sasl;
    /* The library keeps a copy of the password and frees it as it is. */
    char *password =
        old->session != NULL ? (char *)gsasl_property_fast(old->session, GSASL_PASSWORD) : NULL;

    if (password != NULL)
        secret_wipe(password, strlen(password));
    gsasl_finish(old->session);
    secret_wipe(old, sizeof(*old));
    free(old);
    *sasl = NULL;
}
