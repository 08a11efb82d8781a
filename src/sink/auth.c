/* AUTH PLAIN and AUTH LOGIN (RFC 4954, RFC 4616): the exchange and who passes. */
#include "machine.h"

/* Longer credentials than this are wrong ones. */
#define CREDENTIALS_BYTES 1024U

/* Which line of which exchange is awaited. */
enum auth_step { AUTH_STEP_PLAIN, AUTH_STEP_USER, AUTH_STEP_PASSWORD };

static const struct {
    struct span mechanism;
    enum auth_step step;
    enum sink_say challenge;
} mechanisms[] = {
    {SPAN_INIT("PLAIN"), AUTH_STEP_PLAIN, SAY_AUTH_PLAIN},
    {SPAN_INIT("LOGIN"), AUTH_STEP_USER, SAY_AUTH_USER},
};
#define MECHANISM_COUNT (sizeof(mechanisms) / sizeof(mechanisms[0]))

static void auth_challenge(struct sink *sink, enum auth_step step, enum sink_say challenge)
{
    sink->auth_step = (uint8_t)step;
    sink->phase = SINK_PHASE_RESPONSE;
    sink_say(sink, challenge);
}

/* In what order the reasons against it are told. */
static enum sink_say auth_check(const struct sink *sink, bool alone)
{
    bool inside = sink->mail.open && sink_minds(sink, SAY_AUTH_INSIDE);

    if (!sink->greeted && sink_minds(sink, SAY_AUTH_EARLY))
        return SAY_AUTH_EARLY;
    if (!sink_offers(sink, EXTENSION_AUTH))
        return SAY_AUTH_OFF;
    if (inside && sink->settings->personality->inside_first)
        return SAY_AUTH_INSIDE;
    if (sink->authenticated && sink_minds(sink, SAY_AUTH_TWICE))
        return SAY_AUTH_TWICE;
    if (inside)
        return SAY_AUTH_INSIDE;
    return alone && sink_minds(sink, SAY_AUTH_EMPTY) ? SAY_AUTH_EMPTY : SAY_NOTHING;
}

/* The value of a base64 digit, or 64. */
static unsigned digit_value(char digit)
{
    static const struct span digits =
        SPAN_INIT("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");

    return (unsigned)span_find(digits, digit);
}

/* Strictly: whole groups, padding only at the end. What does not fit is cut. */
static bool base64_decode(struct span coded, struct text *bytes_r)
{
    size_t i, padding = 0;
    uint32_t group = 0;

    if (coded.size % 4 != 0)
        return false;
    while (padding < 2 && padding < coded.size && coded.at[coded.size - 1 - padding] == '=')
        padding++;
    for (i = 0; i < coded.size; i++) {
        bool pad = i >= coded.size - padding;
        unsigned value = pad ? 0 : digit_value(coded.at[i]);

        if (value == 64)
            return false;
        group = group << 6 | value;
        if (i % 4 != 3)
            continue;
        text_add_byte(bytes_r, (char)(group >> 16 & 0xFFU));
        if (!pad || padding < 2)
            text_add_byte(bytes_r, (char)(group >> 8 & 0xFFU));
        if (!pad)
            text_add_byte(bytes_r, (char)(group & 0xFFU));
    }
    return true;
}

static bool passes(const struct sink *sink, struct span said, struct span wanted)
{
    return sink->settings->auth == SINK_AUTH_ANY || span_equal(said, wanted);
}

/* RFC 4616 2: [authzid] NUL authcid NUL passwd */
static enum sink_say plain_check(const struct sink *sink, struct span message)
{
    struct span user = span_tail(message, span_find(message, '\0') + 1);
    size_t end = span_find(user, '\0');

    if (end == user.size)
        return sink_minds(sink, SAY_AUTH_MALFORMED) ? SAY_AUTH_MALFORMED : SAY_AUTH_FAILED;
    return passes(sink, span_head(user, end), sink->settings->user) &&
                   passes(sink, span_tail(user, end + 1), sink->settings->password)
               ? SAY_AUTH_OK
               : SAY_AUTH_FAILED;
}

static void auth_end(struct sink *sink, enum sink_say what)
{
    sink->authenticated = what == SAY_AUTH_OK;
    sink_say(sink, what);
}

/* `undecodable`: what is said to what is not base64, where that is minded. */
static void respond(struct sink *sink, struct span response, enum sink_say undecodable)
{
    char memory[CREDENTIALS_BYTES];
    struct text text = text_over(memory, sizeof(memory));
    struct span message;

    sink->phase = SINK_PHASE_COMMAND;
    if (span_equal(response, SPAN("*")) && sink_minds(sink, SAY_AUTH_CANCELLED)) {
        sink_say(sink, SAY_AUTH_CANCELLED);
        return;
    }
    if (!base64_decode(response, &text) && sink_minds(sink, undecodable)) {
        sink_say(sink, undecodable);
        return;
    }
    message = text.cut ? span_of("", 0) : text_span(&text);
    switch ((enum auth_step)sink->auth_step) {
    case AUTH_STEP_PLAIN:
        auth_end(sink, plain_check(sink, message));
        break;
    case AUTH_STEP_USER:
        sink->auth_user = passes(sink, message, sink->settings->user);
        auth_challenge(sink, AUTH_STEP_PASSWORD, SAY_AUTH_PASSWORD);
        break;
    case AUTH_STEP_PASSWORD:
        auth_end(sink, passes(sink, message, sink->settings->password) && sink->auth_user
                           ? SAY_AUTH_OK
                           : SAY_AUTH_FAILED);
        break;
    }
}

void auth_begin(struct sink *sink, const struct command *command)
{
    enum sink_say refusal = auth_check(sink, command->argument.size == 0);
    struct span rest = command->argument;
    struct span mechanism, initial;
    size_t i;

    span_word(&rest, &mechanism);
    sink->telling.option = mechanism;
    sink->telling.path = span_trim(rest);
    for (i = 0; i < MECHANISM_COUNT; i++) {
        if (span_equal_fold(mechanisms[i].mechanism, mechanism))
            break;
    }
    if (refusal != SAY_NOTHING) {
        sink_say(sink, refusal);
    } else if (i == MECHANISM_COUNT) {
        sink_say(sink, SAY_AUTH_MECHANISM);
    } else if (!span_word(&rest, &initial)) {
        auth_challenge(sink, mechanisms[i].step, mechanisms[i].challenge);
    } else if (span_trim(rest).size > 0 && sink_minds(sink, SAY_AUTH_SYNTAX)) {
        sink_say(sink, SAY_AUTH_SYNTAX);
    } else {
        sink->auth_step = (uint8_t)mechanisms[i].step;
        /* RFC 4954 4: "=" is an initial response of no bytes. */
        respond(sink, span_equal(initial, SPAN("=")) ? SPAN("") : initial,
                sink_minds(sink, SAY_AUTH_INITIAL) ? SAY_AUTH_INITIAL : SAY_AUTH_BASE64);
    }
}

void auth_respond(struct sink *sink, struct span response)
{
    respond(sink, response, SAY_AUTH_BASE64);
}
