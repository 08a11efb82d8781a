/* POP before SMTP. A door is one server and user; a knock is one login there. */
#include "pop.h"

#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "lockstep/http/url.h"
#include "lockstep/http/visit.h"
#include "sasl.h"

/* A line of the server, CRLF included (RFC 2449 4). */
#define LINE_BYTES_MAX 512U
/* A line of ours: a word, and what SASL has to say. */
#define SAID_BYTES_MAX (ANSWER_BYTES_MAX + 16U)
#define WORDS_BYTES_MAX 400U
/* Of the server's words, for they stand behind ours. */
#define QUOTED_BYTES_MAX 120U
/* A relay that still wants a login so soon after one is not helped by another. */
#define AGAIN_MS 10000
/* A login that was refused is not tried again at once: accounts get locked. */
#define REFUSED_MS 60000

enum stage {
    STAGE_GREETING,  /* connected; the server speaks first */
    STAGE_STLS,      /* STLS was said */
    STAGE_HANDSHAKE, /* and granted */
    STAGE_USER,
    STAGE_PASS,
    STAGE_BEARER, /* AUTH XOAUTH2 was said; the server says "+" any number of times */
};

/* When TLS begins. */
enum cover { COVER_FIRST, COVER_STLS, COVER_NEVER };

static const struct {
    struct span scheme;
    enum cover cover;
    uint16_t port;
} schemes[] = {
    {SPAN_INIT("pop3s"), COVER_FIRST, 995},
    {SPAN_INIT("pop3"), COVER_STLS, 110},
    {SPAN_INIT("pop3+clear"), COVER_NEVER, 110},
};

#define SCHEME_COUNT (sizeof(schemes) / sizeof(schemes[0]))

/* One errand. It comes with a secret, for nobody knows before whether it will be needed. */
struct caller {
    struct job job;
    struct trip trip;
    struct pop *pop;
    struct caller *next; /* at the same door */
    bool bearer;
    bool again;
    size_t url_size;
    size_t user_size;
    struct secret secret;
    char bytes[]; /* URL and user */
};

struct door {
    struct pop *pop;
    struct door *next;
    enum cover cover;
    struct url url;
    moment good_since;
    moment good_until;
    moment refused_until;
    struct text words; /* why it was refused */
    char words_bytes[WORDS_BYTES_MAX];
    struct caller *callers; /* whom the knock is for */
    struct knock *knock;    /* NULL: nobody is at it */
    size_t url_size;
    size_t user_size;
    char bytes[]; /* URL and user */
};

struct knock {
    struct visit *visit;
    enum stage stage;
    bool bearer;
    struct secret secret;
    struct sasl *sasl;
    size_t size; /* of `line` */
    char line[LINE_BYTES_MAX];
};

struct pop {
    struct keeper *keeper;
    struct errands errands;
    /* The rest belongs to the keeper's thread. */
    struct guest guest;
    bool joined;
    struct tls_context *tls; /* NULL: none was needed yet */
    struct door *doors;      /* the one that was asked for last in front */
};

static struct span door_user(const struct door *door)
{
    return span_of(door->bytes + door->url_size, door->user_size);
}

/* --- the end of a knock --- */

static void knock_free(struct knock **knock, enum shut how)
{
    visit_end(&(*knock)->visit, how);
    if ((*knock)->sasl != NULL)
        sasl_end(&(*knock)->sasl);
    secret_clear(&(*knock)->secret);
    secret_wipe((*knock)->line, (*knock)->size);
    free(*knock);
    *knock = NULL;
}

static void caller_free(struct caller *caller)
{
    secret_clear(&caller->secret);
    free(caller);
}

static void caller_tell(struct caller *caller, enum told told, struct span words)
{
    struct outcome outcome = {.told = told, .words = words};

    trip_end(&caller->pop->errands, &caller->trip, &outcome);
    caller_free(caller);
}

static void door_tell(struct door *door, enum told told)
{
    while (door->callers != NULL) {
        struct caller *caller = door->callers;

        door->callers = caller->next;
        caller_tell(caller, told, text_span(&door->words));
    }
}

static void door_opened(struct door *door)
{
    struct span quit = SPAN("QUIT\r\n");

    visit_say(door->knock->visit, &quit, 1);
    knock_free(&door->knock, SHUT_FLUSH);
    door->good_since = keeper_now(door->pop->keeper);
    door->good_until = door->good_since + POP_GOOD_MS;
    text_clear(&door->words);
    door_tell(door, TOLD_DONE);
}

/* Where the server is only the log hears. */
static void door_shut_as_said(struct door *door, enum told told, struct span why)
{
    keeper_say(door->pop->keeper, VAULT_WARNING, "POP before SMTP at %.*s: %.*s",
               (int)door->url.authority.size, door->url.authority.at, (int)why.size, why.at);
    knock_free(&door->knock, SHUT_NOW);
    door->good_until = 0;
    if (told == TOLD_NO)
        door->refused_until = keeper_now(door->pop->keeper) + REFUSED_MS;
    door_tell(door, told);
}

/* `quoted` are the server's own words. */
static void door_shut(struct door *door, enum told told, struct span words, struct span quoted)
{
    const struct knock *knock = door->knock;
    struct span shown = span_head(quoted, QUOTED_BYTES_MAX);
    struct span start = SPAN("POP before SMTP: ");
    bool leaks = span_find_span(quoted, secret_reveal(&knock->secret)) < quoted.size ||
                 (knock->sasl != NULL && sasl_leaks(knock->sasl, quoted));
    size_t i;

    text_clear(&door->words);
    text_add(&door->words, start);
    text_add(&door->words, words);
    if (shown.size > 0 && !leaks) {
        text_add(&door->words, SPAN(": "));
        for (i = 0; i < shown.size; i++)
            text_add_byte(&door->words,
                          shown.at[i] >= ' ' && shown.at[i] < 0x7f ? shown.at[i] : '?');
    }
    door_shut_as_said(door, told, span_tail(text_span(&door->words), start.size));
}

/* --- the conversation --- */

/* "USER " and a user, "+" without a word. */
static void knock_say(struct knock *knock, enum stage stage, struct span word, struct span value)
{
    struct span pieces[] = {word, value, SPAN("\r\n")};

    knock->stage = stage;
    visit_say(knock->visit, pieces, 3);
}

static void knock_bearer(struct door *door)
{
    struct knock *knock = door->knock;
    char bytes[SAID_BYTES_MAX];
    struct text line = text_over(bytes, sizeof(bytes));
    struct sasl_wish wish = {
        .mechanisms = MECHANISM_BIT(MECHANISM_XOAUTH2),
        .identity = door_user(door),
        .secret = secret_reveal(&knock->secret),
        .bearer = true,
        .host = door->url.host,
        .port = door->url.port,
        .room = sizeof("XOAUTH2") - 1, /* tokens are longer than a line of POP3 */
    };

    knock->sasl = sasl_begin(&wish, &line);
    if (knock->sasl == NULL)
        door_shut(door, TOLD_NO, SPAN("the user or the token can't be said"), SPAN(""));
    else
        knock_say(knock, STAGE_BEARER, SPAN("AUTH "), text_span(&line));
}

static void knock_challenged(struct door *door, struct span challenge)
{
    char bytes[SAID_BYTES_MAX];
    struct text line = text_over(bytes, sizeof(bytes));

    if (!sasl_step(door->knock->sasl, span_trim(challenge), &line)) {
        text_clear(&line);
        text_add_byte(&line, '*');
    }
    knock_say(door->knock, STAGE_BEARER, SPAN(""), text_span(&line));
    secret_wipe(bytes, line.size);
}

static bool sayable(struct span value)
{
    return span_find(value, '\r') == value.size && span_find(value, '\n') == value.size &&
           span_find(value, '\0') == value.size;
}

static void knock_login(struct door *door)
{
    if (door->knock->bearer)
        knock_bearer(door);
    else if (!sayable(door_user(door)) || !sayable(secret_reveal(&door->knock->secret)))
        door_shut(door, TOLD_NO, SPAN("the user or the password holds the end of a line"),
                  SPAN(""));
    else
        knock_say(door->knock, STAGE_USER, SPAN("USER "), door_user(door));
}

/* "+OK" */
static void knock_accepted(struct door *door)
{
    struct knock *knock = door->knock;

    switch (knock->stage) {
    case STAGE_GREETING:
        if (door->cover == COVER_STLS)
            knock_say(knock, STAGE_STLS, SPAN("STLS"), SPAN(""));
        else
            knock_login(door);
        break;
    case STAGE_STLS:
        knock->stage = STAGE_HANDSHAKE;
        visit_secure(knock->visit, door->pop->tls);
        break;
    case STAGE_USER:
        knock_say(knock, STAGE_PASS, SPAN("PASS "), secret_reveal(&knock->secret));
        break;
    case STAGE_PASS:
    case STAGE_BEARER:
        door_opened(door);
        break;
    case STAGE_HANDSHAKE: /* then the link hands on no bytes */
        door_shut(door, TOLD_LATER, SPAN("the server does not speak POP3"), SPAN(""));
        break;
    }
}

/* Response codes that say nothing about the login (RFC 2449 8, RFC 3206). */
static bool temporary(struct span words)
{
    static const struct span codes[] = {SPAN_INIT("[IN-USE]"), SPAN_INIT("[LOGIN-DELAY]"),
                                        SPAN_INIT("[SYS/TEMP]")};
    size_t i;

    for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (span_starts_fold(words, codes[i]))
            return true;
    return false;
}

/* "-ERR" */
static void knock_refused(struct door *door, struct span words)
{
    enum stage stage = door->knock->stage;

    if (stage == STAGE_GREETING)
        door_shut(door, TOLD_LATER, SPAN("the server does not serve"), words);
    else if (stage == STAGE_STLS)
        door_shut(door, TOLD_LATER, SPAN("the server has no STLS"), words);
    else
        door_shut(door, temporary(words) ? TOLD_LATER : TOLD_NO,
                  SPAN("the server refused the login"), words);
}

static void knock_line(struct door *door, struct span line)
{
    struct span words = line;
    struct span status;

    span_word(&words, &status);
    words = span_trim(words);
    if (span_equal_fold(status, SPAN("+OK")))
        knock_accepted(door);
    else if (span_equal_fold(status, SPAN("-ERR")))
        knock_refused(door, words);
    else if (span_equal(status, SPAN("+")) && door->knock->stage == STAGE_BEARER)
        knock_challenged(door, words);
    else
        door_shut(door, TOLD_LATER, SPAN("the server does not speak POP3"), SPAN(""));
}

/* The server speaks when it was spoken to: what stands behind a line was put there by somebody
 * else, or is no POP3. */
static void knock_said(void *data, struct span bytes)
{
    struct door *door = data;
    struct knock *knock = door->knock;
    size_t end = span_find(bytes, '\n');
    struct span line;

    if (end > sizeof(knock->line) - knock->size || end + 1 < bytes.size) {
        door_shut(door, TOLD_LATER, SPAN("the server does not speak POP3"), SPAN(""));
        return;
    }
    memcpy(knock->line + knock->size, bytes.at, end);
    knock->size += end;
    if (end == bytes.size)
        return;
    line = span_of(knock->line, knock->size);
    knock->size = 0;
    if (span_ends(line, SPAN("\r")))
        line = span_head(line, line.size - 1);
    knock_line(door, line);
}

static void knock_ready(void *data)
{
    struct door *door = data;

    if (door->knock->stage == STAGE_HANDSHAKE)
        knock_login(door);
}

static void knock_ended(void *data, bool truncated)
{
    (void)truncated;
    door_shut(data, TOLD_LATER, SPAN("the server ended the connection"), SPAN(""));
}

static void knock_failed(void *data, struct span words)
{
    struct door *door = data;

    text_clear(&door->words);
    text_add(&door->words, SPAN("POP before SMTP: the server can't be reached: " ASK_THE_LOG));
    door_shut_as_said(door, TOLD_LATER, words);
}

static const struct visit_user knock_user = {
    .ready = knock_ready,
    .said = knock_said,
    .ended = knock_ended,
    .failed = knock_failed,
};

static void door_knock(struct door *door, const struct caller *caller)
{
    struct pop *pop = door->pop;
    char memory[VISIT_WORDS_MAX];
    struct text trouble = text_over(memory, sizeof(memory));
    struct knock *knock = calloc(1, sizeof(*knock));
    struct visit_plan plan = {
        .loop = &pop->keeper->links,
        .user = &knock_user,
        .data = door,
        .host = door->url.host,
        .port = door->url.port,
        .deadline_ms = POP_DEADLINE_MS,
    };

    must(knock != NULL);
    if (pop->tls == NULL && door->cover != COVER_NEVER)
        pop->tls = tls_client_new(&(struct tls_client){0}, &trouble);
    must(pop->tls != NULL || door->cover == COVER_NEVER || trouble.size > 0);
    plan.tls = door->cover == COVER_FIRST ? pop->tls : NULL;
    plan.trouble = text_span(&trouble);
    knock->bearer = caller->bearer;
    must(secret_set(&knock->secret, secret_reveal(&caller->secret)));
    door->knock = knock;
    knock->visit = visit_begin(&plan);
}

/* --- doors --- */

static void door_free(struct door *door)
{
    if (door->knock != NULL)
        knock_free(&door->knock, SHUT_NOW);
    while (door->callers != NULL) {
        struct caller *caller = door->callers;

        door->callers = caller->next;
        caller_free(caller);
    }
    free(door);
}

/* Takes it out of the list; NULL: there is none, but `last` is the place of the one that nobody
 * asked for longest. */
static struct door *door_take(struct pop *pop, const struct caller *caller)
{
    struct span both = span_of(caller->bytes, caller->url_size + caller->user_size);
    struct door **at = &pop->doors;
    struct door **last = NULL;
    struct door *door;
    uint32_t count = 0;

    for (; *at != NULL; at = &(*at)->next) {
        door = *at;
        if (door->url_size == caller->url_size &&
            span_equal(both, span_of(door->bytes, door->url_size + door->user_size))) {
            *at = door->next;
            return door;
        }
        if (door->knock == NULL)
            last = at;
        count++;
    }
    if (count >= POP_KEPT_MAX && last != NULL) {
        door = *last;
        *last = door->next;
        door_free(door);
    }
    return NULL;
}

/* False: `advice` says what is wrong with the URL. */
static bool door_read(struct door *door, struct text *advice)
{
    size_t i = 0;

    if (!url_parse(span_of(door->bytes, door->url_size), &door->url, advice))
        return false;
    while (i < SCHEME_COUNT && !span_equal_fold(door->url.scheme, schemes[i].scheme))
        i++;
    if (i == SCHEME_COUNT) {
        text_add(advice, SPAN("pop wants pop3s://, pop3:// or pop3+clear://"));
        return false;
    }
    door->cover = schemes[i].cover;
    if (door->url.port == 0)
        door->url.port = schemes[i].port;
    return true;
}

static struct door *door_new(struct pop *pop, const struct caller *caller, struct text *advice)
{
    size_t size = caller->url_size + caller->user_size;
    struct door *door = calloc(1, sizeof(*door) + size);

    must(door != NULL);
    door->pop = pop;
    door->url_size = caller->url_size;
    door->user_size = caller->user_size;
    memcpy(door->bytes, caller->bytes, size);
    door->words = text_over(door->words_bytes, sizeof(door->words_bytes));
    if (door_read(door, advice))
        return door;
    door_free(door);
    return NULL;
}

/* --- the keeper's thread --- */

static void pop_end(struct guest *guest)
{
    struct pop *pop = (struct pop *)((char *)guest - offsetof(struct pop, guest));

    while (pop->doors != NULL) {
        struct door *door = pop->doors;

        pop->doors = door->next;
        door_free(door);
    }
}

static void caller_begin(struct job *job)
{
    struct caller *caller = (struct caller *)((char *)job - offsetof(struct caller, job));
    struct pop *pop = caller->pop;
    moment now = keeper_now(pop->keeper);
    char memory[WORDS_BYTES_MAX];
    struct text advice = text_over(memory, sizeof(memory));
    struct door *door = door_take(pop, caller);

    if (!pop->joined) {
        pop->joined = true;
        pop->guest.end = pop_end;
        keeper_join(pop->keeper, &pop->guest);
    }
    if (door == NULL)
        door = door_new(pop, caller, &advice);
    if (door == NULL) {
        keeper_say(pop->keeper, VAULT_WARNING, "POP before SMTP: %.*s", (int)advice.size,
                   advice.at);
        caller_tell(caller, TOLD_NO, SPAN("POP before SMTP: no server: " ASK_THE_LOG));
        return;
    }
    door->next = pop->doors;
    pop->doors = door;
    if (door->knock == NULL && now < door->refused_until) {
        caller_tell(caller, TOLD_NO, text_span(&door->words));
    } else if (door->knock == NULL && now < door->good_until &&
               (!caller->again || now < door->good_since + AGAIN_MS)) {
        caller_tell(caller, TOLD_DONE, SPAN(""));
    } else {
        caller->next = door->callers;
        door->callers = caller;
        if (door->knock == NULL)
            door_knock(door, caller);
    }
}

/* --- any thread --- */

void pop_ask(struct pop *pop, const struct pop_login *login, struct errand *errand)
{
    struct caller *caller = calloc(1, sizeof(*caller) + login->url.size + login->user.size);
    struct text bytes;

    must(caller != NULL);
    caller->job.run = caller_begin;
    caller->pop = pop;
    caller->bearer = login->bearer;
    caller->again = login->again;
    caller->url_size = login->url.size;
    caller->user_size = login->user.size;
    bytes = text_over(caller->bytes, login->url.size + login->user.size);
    text_add(&bytes, login->url);
    text_add(&bytes, login->user);
    must(secret_set(&caller->secret, login->secret));
    trip_begin(&pop->errands, &caller->trip, errand);
    keeper_post(pop->keeper, &caller->job);
}

void pop_forget(struct pop *pop, struct errand *errand)
{
    errands_forget(&pop->errands, errand);
}

struct pop *pop_open(struct keeper *keeper)
{
    struct pop *pop = calloc(1, sizeof(*pop));

    must(pop != NULL);
    pop->keeper = keeper;
    errands_open(&pop->errands);
    return pop;
}

void pop_close(struct pop **closing)
{
    struct pop *pop = *closing;

    *closing = NULL;
    if (pop->tls != NULL)
        tls_context_drop(pop->tls);
    errands_close(&pop->errands);
    free(pop);
}
