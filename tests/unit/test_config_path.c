/* Listeners on the path between others, and the relay that is wherever the client wanted to go. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "lockstep/policy/config.h"

struct setting {
    const char *path;
    const char *value;
};

/* A listener in front of `relay`, with these words; it must do. On the heap. */
static struct config *made(const struct setting *settings, size_t count)
{
    static char memory[1024], words[CONFIG_SENTENCE_MAX];
    struct text arena = text_over(memory, sizeof(memory));
    struct text error = text_over(words, sizeof(words));
    struct config *config = malloc(sizeof(*config));
    size_t i;

    cr_assert_not_null(config);
    config_default(config);
    config_single(config, false);
    for (i = 0; i < count; i++)
        cr_assert(config_set(config, span_of_string(settings[i].path),
                             span_of_string(settings[i].value), &arena, &error),
                  "%.*s", (int)error.size, error.at);
    cr_assert(config_check(config, &error), "%.*s", (int)error.size, error.at);
    return config;
}

#define MADE(settings) made(settings, sizeof(settings) / sizeof((settings)[0]))

Test(config_path, the_original_relay_is_there_where_it_is_named)
{
    static const struct setting settings[] = {
        {"listen", "*:2525"}, {"relay", "original"}, {"intercept", "tproxy"},
        {"ports", "25"},      {"ports", "587"},      {"destinations", "10.0.0.0/8"},
        {"fail-open", "on"},
    };
    struct config *config = MADE(settings);
    const struct config_listener *listener = &config->listeners[0];

    cr_assert_eq(config->relay_count, 1);
    cr_assert(config_is_original(&config->relays[0]));
    cr_assert_eq(config->relays[0].address.count, 0);
    cr_assert_eq(config->relays[0].source, SOURCE_OWN);
    cr_assert_eq(config->relays[0].session.security, SECURITY_NONE);
    cr_assert_eq(listener->relay, 0);
    cr_assert_eq(listener->policy.relay_count, 1);
    cr_assert_eq(listener->path.intercept, INTERCEPT_TPROXY);
    cr_assert_eq(listener->path.ports.count, 2);
    cr_assert_eq(listener->path.ports.rows[1], 587);
    cr_assert_eq(listener->path.destinations.count, 1);
    cr_assert(listener->path.fail_open);
    cr_assert(config_check(config, &(struct text){0}));
    cr_assert_eq(config->relay_count, 1, "one is enough");
    free(config);
}

/* It has no address whose scheme could say so. */
Test(config_path, tls_to_the_original_relay_is_begun_as_it_says)
{
    static const struct {
        const char *tls;
        enum security security;
    } rows[] = {
        {"auto", SECURITY_NONE}, {"required", SECURITY_STARTTLS}, {"offered", SECURITY_OFFERED}};
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct setting before[] = {{"listen", "*:2525"},
                                         {"relay", "original"},
                                         {"intercept", "redirect"},
                                         {"ports", "25"}};
        struct config *config = MADE(before);
        char words[CONFIG_SENTENCE_MAX], memory[16];
        struct text error = text_over(words, sizeof(words));
        struct text arena = text_over(memory, sizeof(memory));

        cr_assert(config_set(config, SPAN("tls"), span_of_string(rows[i].tls), &arena, &error));
        cr_assert(config_check(config, &error), "%.*s", (int)error.size, error.at);
        cr_assert_eq(config->listeners[0].policy.relays[0].security, rows[i].security);
        free(config);
    }
}
