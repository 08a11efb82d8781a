/* Lines for people, for journald and for machines. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "lockstep/base/text.h"
#include "log.h"

#define LOG_LINE_MAX 1024

static enum log_format log_format;
static bool log_journal; /* stderr is journald's */

void log_open(enum log_format format)
{
    log_format = format;
    log_journal = getenv("JOURNAL_STREAM") != NULL;
}

/* --- one line: text is `word word key=value`, JSON an object with the same keys --- */

struct log_line {
    struct text text;
    char memory[LOG_LINE_MAX];
};

static void log_quoted(struct text *text, struct span value)
{
    size_t i;

    text_add_byte(text, '"');
    for (i = 0; i < value.size; i++) {
        unsigned char byte = (unsigned char)value.at[i];
        char escaped[8];

        if (byte >= ' ' && byte != '"' && byte != '\\') {
            text_add_byte(text, (char)byte);
            continue;
        }
        snprintf(escaped, sizeof(escaped), byte < ' ' ? "\\u%04x" : "\\%c", byte);
        text_add(text, span_of_string(escaped));
    }
    text_add_byte(text, '"');
}

static void log_key(struct log_line *line, const char *key)
{
    bool json = log_format == LOG_JSON;

    text_add(&line->text, json ? SPAN(",\"") : SPAN(" "));
    text_add(&line->text, span_of_string(key));
    text_add(&line->text, json ? SPAN("\":") : SPAN("="));
}

static void log_word(struct log_line *line, const char *key, struct span value)
{
    log_key(line, key);
    if (log_format == LOG_JSON)
        log_quoted(&line->text, value);
    else
        text_add(&line->text, value);
}

/* Words of a peer, who need not write in UTF-8. */
static void log_words(struct log_line *line, const char *key, struct span value)
{
    char memory[LOG_LINE_MAX / 4];
    struct text words = text_over(memory, sizeof(memory));
    size_t i;

    text_add(&words, value);
    for (i = 0; i < words.size; i++)
        if ((unsigned char)memory[i] > '~')
            memory[i] = '?';
    log_key(line, key);
    log_quoted(&line->text, text_span(&words));
}

static void log_number(struct log_line *line, const char *key, uint64_t value)
{
    log_key(line, key);
    text_add_number(&line->text, value);
}

static void log_time(struct text *text)
{
    struct timespec now;
    struct tm utc;
    char day[32];
    char all[48];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(all, sizeof(all), "%s.%03ldZ", day, now.tv_nsec / 1000000);
    text_add(text, span_of_string(all));
}

static void log_begin(struct log_line *line, enum log_level level, const char *event)
{
    bool json = log_format == LOG_JSON;

    line->text = text_over(line->memory, sizeof(line->memory) - 1);
    if (log_journal) {
        text_add_byte(&line->text, '<');
        text_add_number(&line->text, (uint64_t)level);
        text_add_byte(&line->text, '>');
    }
    if (json) {
        text_add(&line->text, SPAN("{\"event\":\""));
        text_add(&line->text, span_of_string(event));
        text_add_byte(&line->text, '"');
        log_number(line, "level", (uint64_t)level);
    }
    if (json && !log_journal) {
        text_add(&line->text, SPAN(",\"time\":\""));
        log_time(&line->text);
        text_add_byte(&line->text, '"');
    } else if (!json && !log_journal) {
        log_time(&line->text);
        text_add_byte(&line->text, ' ');
    }
    if (!json)
        text_add(&line->text, span_of_string(event));
}

static void log_end(struct log_line *line)
{
    ssize_t size;

    if (log_format == LOG_JSON)
        text_add_byte(&line->text, '}');
    line->memory[line->text.size] = '\n';
    size = write(STDERR_FILENO, line->memory, line->text.size + 1);
    (void)size; /* where a log that can't be written could be complained about is nowhere */
}

void log_say(enum log_level level, const char *format, ...)
{
    struct log_line line;
    char sentence[LOG_LINE_MAX / 2];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    if (log_format == LOG_JSON) {
        log_begin(&line, level, "note");
        log_word(&line, "text", span_of_string(sentence));
    } else {
        log_begin(&line, level, sentence);
    }
    log_end(&line);
}

void log_warn(const char *text, int error)
{
    if (error == 0)
        log_say(LOG_WARNING, "%s", text);
    else
        log_say(LOG_WARNING, "%s: %s", text, uv_strerror(error));
}

const struct log_field log_fields[] = {
    {"id", "A number of its own, which is in the name of its transcript too."},
    {"listener", "The name of the listener that took it."},
    {"client", "The client's address; unknown when that was said so with XCLIENT."},
    {"through", "Who said so, in a PROXY header or with XCLIENT; not there when nobody did."},
    {"relay", "The relay's address; not there when none was reached."},
    {"client_tls", "The version of TLS that the client spoke, or none."},
    {"relay_tls", "The version of TLS that was spoken with the relay, or none."},
    {"login", "The name the client logged in with; not there when it did not."},
    {"credential", "The credential that the relay took; not there when none was used."},
    {"ending", "Why it ended, one word such as quit."},
    {"relay_error", "What a connection to a relay last failed of; not there when none did."},
    {"why", "More words; not there but for a client that never came to begin."},
    {"commands", "Commands of the client that were answered."},
    {"messages", "Messages that the upstream accepted."},
    {"refused", "Messages that were refused at their end."},
    {"recipients", "Recipients that were accepted."},
    {"bytes", "Bytes of accepted messages."},
    {"repairs", "How often something was put right."},
    {"held", "How often a message had to wait for a rate; not there when none had to."},
    {"held_ms", "How long they waited, all together."},
    {"duration_ms", "From its first moment to its last."},
};

const size_t log_field_count = sizeof(log_fields) / sizeof(log_fields[0]);

static void log_tls(struct log_line *line, const char *key, struct span version)
{
    log_word(line, key, version.size > 0 ? version : SPAN("none"));
}

void log_session(const struct report *report)
{
    const struct summary *summary = &report->summary;
    struct log_line line;
    char id[20];
    char text[ADDRESS_TEXT_MAX];

    snprintf(id, sizeof(id), "%016llx", (unsigned long long)report->id);
    log_begin(&line, LOG_INFO, "session");
    log_word(&line, "id", span_of_string(id));
    log_word(&line, "listener", report->listener);
    log_word(&line, "client",
             report->client.any.sa_family != AF_UNSPEC
                 ? span_of_string(address_text(&report->client, text))
                 : SPAN("unknown"));
    if (report->through.any.sa_family != AF_UNSPEC)
        log_word(&line, "through", span_of_string(address_text(&report->through, text)));
    if (report->relay.any.sa_family != AF_UNSPEC)
        log_word(&line, "relay", span_of_string(address_text(&report->relay, text)));
    log_tls(&line, "client_tls", report->tls[SIDE_CLIENT]);
    log_tls(&line, "relay_tls", report->tls[SIDE_UPSTREAM]);
    if (summary->login.size > 0)
        log_words(&line, "login", summary->login);
    if (report->credential.size > 0)
        log_word(&line, "credential", report->credential);
    log_word(&line, "ending", span_of_string(summary->ending != NULL ? summary->ending : "lost"));
    if (report->relay_error.size > 0)
        log_words(&line, "relay_error", report->relay_error);
    if (report->why.size > 0)
        log_words(&line, "why", report->why);
    log_number(&line, "commands", summary->commands);
    log_number(&line, "messages", summary->messages);
    log_number(&line, "refused", summary->refused);
    log_number(&line, "recipients", summary->recipients);
    log_number(&line, "bytes", summary->message_bytes);
    log_number(&line, "repairs", summary->repairs);
    if (report->held > 0) {
        log_number(&line, "held", report->held);
        log_number(&line, "held_ms", report->held_ms);
    }
    log_number(&line, "duration_ms", report->duration_ms);
    log_end(&line);
}

/* --- refusals --- */

static pthread_mutex_t refusal_lock = PTHREAD_MUTEX_INITIALIZER;

/* How many there were since the last line that was written; 0: this one is not to be written. */
static uint64_t log_refusals(enum refused why, bool passed)
{
    static struct refusals {
        time_t said;
        uint64_t count;
    } all[2][REFUSED_COUNT];
    struct refusals *of = &all[passed][why];
    struct timespec now;
    uint64_t count = 0;

    clock_gettime(CLOCK_MONOTONIC, &now);
    pthread_mutex_lock(&refusal_lock);
    of->count++;
    if (of->said != now.tv_sec) {
        count = of->count;
        of->count = 0;
        of->said = now.tv_sec;
    }
    pthread_mutex_unlock(&refusal_lock);
    return count;
}

void log_refused(const struct refusal *refusal)
{
    static const char *const words[REFUSED_COUNT] = {
#define REFUSED_WORD(name, word) [REFUSED_##name] = (word),
        REFUSALS(REFUSED_WORD)
#undef REFUSED_WORD
    };
    uint64_t count = log_refusals(refusal->why, refusal->passed);
    struct log_line line;
    char text[ADDRESS_TEXT_MAX];

    if (count == 0)
        return;
    log_begin(&line, LOG_WARNING, refusal->passed ? "passed" : "refused");
    log_word(&line, "listener", refusal->listener);
    log_word(&line, "client", span_of_string(address_text(&refusal->client, text)));
    if (refusal->destination.any.sa_family != AF_UNSPEC)
        log_word(&line, "destination", span_of_string(address_text(&refusal->destination, text)));
    log_word(&line, "why", span_of_string(words[refusal->why]));
    log_number(&line, "count", count);
    log_end(&line);
}
