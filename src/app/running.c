/* From a file and flags to a setup. */
#include "running.h"

#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "lockstep/base/must.h"

static void running_dispose(struct setup *setup)
{
    struct running *running = (struct running *)setup;

    setup_clear(setup);
    config_loaded_close(&running->loaded);
    free(running->refusals);
    free(running->more);
    if (running->base != NULL)
        setup_drop(&running->base->setup);
    free(running);
}

/* Bytes of one, without lockstep's name. */
#define REFUSAL_WORDS_MAX 80U

/* What a client hears that gets no session: the words are SMTP's, so they are made here. They are
 * for the first bytes in clear, which a client of implicit TLS does not read. */
struct refusal_words {
    struct span code;
    struct span words;
};

static const struct refusal_words refusals[REFUSED_COUNT] = {
    [REFUSED_FULL] = {SPAN_INIT("421 4.3.2 "),
                      SPAN_INIT(" Too many sessions, try again later\r\n")},
    [REFUSED_DENIED] = {SPAN_INIT("554 5.7.1 "), SPAN_INIT(" You may not connect here\r\n")},
    [REFUSED_CERTIFICATE] = {SPAN_INIT(""), SPAN_INIT("")}, /* it hears so in its session */
    [REFUSED_OUTSIDE] = {SPAN_INIT("554 5.7.1 "), SPAN_INIT(" You may not connect here\r\n")},
    [REFUSED_DESTINATION] = {SPAN_INIT("554 5.7.1 "),
                             SPAN_INIT(" You may not connect there through this gateway\r\n")},
    [REFUSED_DIRECT] = {SPAN_INIT("421 4.3.2 "),
                        SPAN_INIT(" No server here, only the way to others\r\n")},
    [REFUSED_LOOP] = {SPAN_INIT("421 4.4.6 "),
                      SPAN_INIT(" This is my own connection, led back to me\r\n")},
    [REFUSED_ENDING] = {SPAN_INIT("421 4.3.2 "), SPAN_INIT(" Ending, try again later\r\n")},
};

/* The words are those of who is not understood. */
static const struct refusal_words farewell = {SPAN_INIT("421 4.3.5 "), SPAN_INIT(" ")};

static struct span write_refusal(struct text *text, struct refusal_words words,
                                 struct span hostname)
{
    size_t start = text->size;

    text_add(text, words.code);
    text_add(text, hostname);
    text_add(text, words.words);
    return span_tail(text_span(text), start);
}

static void running_write_refusals(struct running *running)
{
    const struct config *config = &running->loaded.config;
    size_t room = 0;
    struct text text;
    uint32_t i;
    int why;

    for (i = 0; i < config->listener_count; i++)
        room +=
            (REFUSED_COUNT + 1) * (config->listeners[i].policy.hostname.size + REFUSAL_WORDS_MAX);
    running->refusals = malloc(room + 1);
    must(running->refusals != NULL);
    text = text_over(running->refusals, room);
    for (i = 0; i < config->listener_count; i++) {
        struct setup_listener *made = &running->setup.listeners[i];

        if (config->listeners[i].policy.tls_offer == TLS_OFFER_IMPLICIT)
            continue;
        made->farewell = write_refusal(&text, farewell, config->listeners[i].policy.hostname);
        for (why = 0; why < REFUSED_COUNT; why++) {
            if (refusals[why].code.size == 0)
                continue;
            made->refusals[why] =
                write_refusal(&text, refusals[why], config->listeners[i].policy.hostname);
        }
    }
}

void running_complain(const struct running *running, struct span why)
{
    const char *file = running->loaded.file;

    fprintf(stderr, "%s: %.*s\n", file != NULL ? file : "command line", (int)why.size, why.at);
}

static struct running *running_new(void)
{
    struct running *running = calloc(1, sizeof(*running));

    must(running != NULL);
    running->setup.holders = 1;
    running->setup.dispose = running_dispose;
    running->setup.config = &running->loaded.config;
    return running;
}

/* False: stderr has the reason. */
static bool running_secure(struct running *running, const struct setup *before)
{
    char memory[CONFIG_SENTENCE_MAX];
    struct text why = text_over(memory, sizeof(memory));

    if (setup_secure(&running->setup, before, &why))
        return true;
    running_complain(running, text_span(&why));
    return false;
}

struct running *running_load(const char *file, const struct config_flag *flags, size_t flag_count,
                             const struct setup *before, int *code_r)
{
    struct running *running = running_new();

    *code_r = config_load(&running->loaded, file, flags, flag_count);
    if (*code_r == 0 && !running_secure(running, before))
        *code_r = EX_CONFIG;
    if (*code_r != 0) {
        setup_drop(&running->setup);
        return NULL;
    }
    running_write_refusals(running);
    return running;
}

struct running *running_copy(struct running *base, size_t bytes, struct text *arena_r)
{
    struct running *running = running_new();

    setup_hold(&base->setup);
    running->base = base;
    running->loaded.config = base->loaded.config;
    running->loaded.file = base->loaded.file;
    running->more = malloc(bytes + 1);
    must(running->more != NULL);
    *arena_r = text_over(running->more, bytes);
    return running;
}

bool running_complete(struct running *running, const struct setup *before, struct text *why)
{
    if (!config_check(&running->loaded.config, why) || !setup_secure(&running->setup, before, why))
        return false;
    running_write_refusals(running);
    return true;
}
