/* What is carried out of plans, where it can't be seen in a transcript that is played. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "lockstep/explain/player.h"

/* Plays the file, and finds so many times those words in what the engine recorded. */
static size_t recorded(const char *file, const char *words)
{
    static char log_bytes[1 << 16], report_bytes[4096];
    struct text log = text_over(log_bytes, sizeof(log_bytes));
    struct text report = text_over(report_bytes, sizeof(report_bytes));
    struct span text = span_of_string(file), wanted = span_of_string(words), rest;
    void *lines = malloc(script_size(text) + 1);
    void *memory = NULL;
    struct script script;
    struct policy policy;
    size_t count = 0;
    bool agreed;

    agreed = script_read(&script, SPAN("test.smtp"), text, lines, &report) &&
             player_policy(&script, &policy, &report);
    if (agreed)
        memory = malloc(player_size(&script, &policy));
    agreed = agreed && player_play(&script, &policy, player_way(0), memory, &report, &log);
    free(memory);
    free(lines);
    cr_assert(agreed, "%.*s", (int)report.size, report_bytes);
    for (rest = text_span(&log); rest.size > 0; rest = span_tail(rest, 1))
        count += span_starts(rest, wanted) ? 1 : 0;
    return count;
}

/* The credential is base64 of NUL a NUL b: what stands behind PLAIN. */
#define LOGIN(rule, said)                                                \
    "@ mode fault\n@ faults " rule "\n@ unfinished why\n@ start ready\n" \
    "C> AUTH PLAIN AGEAYg==\n" said

Test(trouble, a_login_is_a_secret_however_it_is_said)
{
    static const char *const files[] = {
        LOGIN("command AUTH do repeat", "! fault repeat\nU> AUTH PLAIN AGEAYg==\n"
                                        "U> AUTH PLAIN AGEAYg==\n"),
        LOGIN("command AUTH do overwrite NOOP", "! fault overwrite\nU> NOOP PLAIN AGEAYg==\n"),
        LOGIN("command AUTH do mask X word", "! fault mask\nU> XXXX PLAIN AGEAYg==\n"),
        LOGIN("command AUTH do insert NOOP", "! fault insert\nU> NOOP\nU> AUTH PLAIN AGEAYg==\n"),
        LOGIN("command AUTH do split 7 gap=1ms", "! fault split\nU> \"AUTH PL\"\n@ wait 9ms\n"
                                                 "U> \"AIN AGE\"\nU> AYg==\n"),
    };
    size_t i;

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        cr_expect_eq(recorded(files[i], "AGEAY"), 0, "%s", files[i]);
        cr_expect_eq(recorded(files[i], "AGE"), 0, "%s", files[i]);
        cr_expect_eq(recorded(files[i], "AYg="), 0, "%s", files[i]);
        cr_expect_gt(recorded(files[i], "[secret"), 1, "%s", files[i]);
    }
    cr_expect_eq(recorded(files[0], "U> AUTH PLAIN [secret 8]"), 2);
}
