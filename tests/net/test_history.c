#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/past.h"

static struct config_admin config = {
    .listen = {.count = 1}, .sessions = 3, .session_bytes = 4096, .memory_bytes = 1 << 20};
static struct history *history;
static struct history_part *part;
static struct heading *heading;
static bool idle;

static void begin(void)
{
    static struct config_listener listener = {.name = SPAN_INIT("printers")};

    policy_default(&listener.policy);
    history = history_new(&config);
    cr_assert_not_null(history);
    part = history_join(history);
    heading = heading_new(&listener);
}

static void finish(void)
{
    heading_drop(&heading);
    history_free(&history);
}

static struct report report_of(uint64_t id)
{
    struct report report = {.id = id, .listener = SPAN("printers")};

    cr_assert(address_literal(SPAN("192.0.2.7"), (uint16_t)(1000 + id), &report.client));
    return report;
}

static struct past *open_one(uint64_t id)
{
    struct report report = report_of(id);

    return past_open(part, heading, &report);
}

static void add(struct past *past, uint64_t id, const char *lines)
{
    struct report report = report_of(id);

    past_add(past, span_of_string(lines), &report, idle);
}

static void end(struct past *past, uint64_t id)
{
    struct report report = report_of(id);

    report.summary.ending = "quit";
    report.summary.messages = 2;
    past_end(&past, &report);
}

static size_t count(struct past_filter filter)
{
    size_t listed;

    free(history_list(history, &filter, &listed));
    return listed;
}

/* What stands behind the heading; to be freed. */
static char *lines_of(uint64_t id)
{
    size_t size = 0;
    struct past_facts facts;
    char *text = history_text(history, id, &facts, &size);
    char *lines;
    char *behind;

    if (text == NULL)
        return NULL;
    lines = strndup(text, size);
    cr_assert(strncmp(lines, "# client 192.0.2.7:", 19) == 0, "%s", lines);
    cr_assert_not_null(strstr(lines, "\n# listener printers\n@ mode repair\n"));
    behind = strstr(lines, "\n@ seed ");
    cr_assert_not_null(behind);
    memmove(lines, behind + 1, strlen(behind));
    free(text);
    return lines;
}

static void expect_lines(uint64_t id, const char *expected)
{
    char *lines = lines_of(id);

    cr_expect_str_eq(lines, expected);
    free(lines);
}

Test(history, keeps_what_a_file_would_have)
{
    struct past *past;

    begin();
    past = open_one(7);
    add(past, 7, "+0 C open 192.0.2.7\n");
    expect_lines(7, "@ seed 7\n@ unfinished the session is still open\n+0 C open 192.0.2.7\n");
    idle = true;
    add(past, 7, "+1 U connect\n");
    expect_lines(7, "@ seed 7\n+0 C open 192.0.2.7\n+1 U connect\n");
    idle = false;
    add(past, 7, "+2 C end\n");
    end(past, 7);
    expect_lines(7, "@ seed 7\n+0 C open 192.0.2.7\n+1 U connect\n+2 C end\n");
    cr_expect_null(lines_of(8));
    finish();
}

Test(history, is_nothing_when_nobody_can_ask)
{
    struct config_admin nowhere = config;
    struct config_admin off = config;

    nowhere.listen.count = 0;
    off.sessions = 0;
    cr_expect_null(history_new(&nowhere));
    cr_expect_null(history_new(&off));
}

Test(history, only_the_last_that_ended_and_all_live_ones)
{
    struct past *live;
    uint64_t id;

    begin();
    live = open_one(100);
    for (id = 1; id <= 5; id++)
        end(open_one(id), id);
    cr_expect_eq(count((struct past_filter){0}), 4);
    cr_expect_eq(count((struct past_filter){.live_only = true}), 1);
    cr_expect_eq(count((struct past_filter){.ended_only = true}), 3);
    cr_expect_null(lines_of(2), "the oldest went first");
    free(lines_of(3));
    cr_expect_eq(history_forget(history), 3);
    cr_expect_eq(count((struct past_filter){0}), 1);
    end(live, 100);
    finish();
}

Test(history, lists_the_newest_first_of_all_parts)
{
    struct history_part *first;
    struct past_facts *rows;
    size_t listed, i;

    begin();
    first = part;
    end(open_one(1), 1);
    part = history_join(history);
    end(open_one(2), 2);
    part = first;
    end(open_one(3), 3);
    rows = history_list(history, &(struct past_filter){0}, &listed);
    cr_assert_eq(listed, 3);
    for (i = 0; i < listed; i++) {
        cr_expect_eq(rows[i].id, 3 - i);
        cr_expect_str_eq(rows[i].ending, "quit");
        cr_expect_eq(rows[i].messages, 2);
    }
    free(rows);
    finish();
}

static const struct {
    const char *lines;
    const char *tag;
} tags[] = {
    {"C open\nC> EHLO test-17.example\nC> EHLO other\n", "test-17.example"},
    {"C> HELO  old \nC< 250 hi\n", "old"},
    {"C> ehlo x\n", "x"},
    {"+12 C> \"EHLO bare\\n\"\n", "bare"},
    {"C> EHLO\nC> EHLO second\n", "second"},
    {"U> EHLO ours\nC< 250 EHLO no\n! note EHLO\n", ""},
    {"C> MAIL FROM:<a@b>\n", ""},
};

Test(history, tag_is_the_name_the_client_greets_with)
{
    uint64_t id;

    begin();
    for (id = 0; id < sizeof(tags) / sizeof(tags[0]); id++) {
        struct past *past = open_one(id);
        struct past_facts *rows;
        size_t listed;

        add(past, id, tags[id].lines);
        rows = history_list(history, &(struct past_filter){.by_id = true, .id = id}, &listed);
        cr_assert_eq(listed, 1);
        cr_expect_str_eq(rows[0].tag, tags[id].tag, "%s", tags[id].lines);
        free(rows);
        end(past, id);
    }
    finish();
}

Test(history, is_searched)
{
    struct past *past;

    begin();
    past = open_one(1);
    add(past, 1, "C> EHLO Test-1\n");
    end(open_one(2), 2);
    cr_expect_eq(count((struct past_filter){.tag = SPAN("test-1")}), 1);
    cr_expect_eq(count((struct past_filter){.tag = SPAN("test")}), 0);
    cr_expect_eq(count((struct past_filter){.listener = SPAN("printers")}), 2);
    cr_expect_eq(count((struct past_filter){.listener = SPAN("printer")}), 0);
    cr_expect_eq(count((struct past_filter){.client = SPAN("192.0.2.7")}), 2);
    cr_expect_eq(count((struct past_filter){.client = SPAN("192.0.2.7:1002")}), 1);
    cr_expect_eq(count((struct past_filter){.client = SPAN("192.0.2.70")}), 0);
    cr_expect_eq(count((struct past_filter){.since_ms = 1000}), 2);
    cr_expect_eq(count((struct past_filter){.since_ms = INT64_MAX}), 0);
    end(past, 1);
    finish();
}

/* 100 bytes and its line end; the number is at its end. */
static void add_numbered(struct past *past, uint64_t id, int number)
{
    char line[120];

    snprintf(line, sizeof(line), "C> %0*d\n", 97, number);
    add(past, id, line);
}

Test(history, a_long_transcript_keeps_its_beginning_and_its_end)
{
    struct past *past;
    char *lines, *cut;
    int number, missing = 0;

    begin();
    past = open_one(1);
    for (number = 1; number <= 1000; number++)
        add_numbered(past, 1, number);
    end(past, 1);
    lines = lines_of(1);
    cut = strstr(lines, "# cut: ");
    cr_assert_not_null(cut);
    cr_expect_leq(strlen(lines), config.session_bytes + 200);
    cr_expect_geq(strlen(lines), config.session_bytes * 2 / 3);
    cr_assert_eq(sscanf(cut, "# cut: %d lines are left out here\n", &missing), 1);
    cr_expect_not_null(strstr(lines, "0001\n"));
    cr_expect_not_null(strstr(lines, "0020\n# cut"), "half of it is the beginning");
    cr_expect_str_eq(lines + strlen(lines) - 5, "1000\n");
    number = -2; /* the seed and the mark */
    for (cut = lines; *cut != 0; cut++)
        number += *cut == '\n';
    cr_expect_eq(number + missing, 1000);
    free(lines);
    finish();
}

Test(history, one_line_too_long_is_left_out)
{
    static char line[4000];
    struct past *past;

    begin();
    memset(line, 'x', sizeof(line) - 2);
    memcpy(line, "# ", 2);
    line[sizeof(line) - 2] = '\n';
    past = open_one(1);
    add(past, 1, "C open\n");
    add(past, 1, line);
    add(past, 1, "C end\n");
    end(past, 1);
    expect_lines(1, "@ seed 1\nC open\n# cut: 1 lines are left out here\nC end\n");
    finish();
}

Test(history, memory_is_bounded)
{
    struct past *live[64];
    uint64_t id;
    char *lines;
    int number;

    config.memory_bytes = 65536;
    config.sessions = 1000;
    begin();
    for (id = 1; id <= 100; id++) {
        struct past *past = open_one(id);

        for (number = 0; number < 30; number++)
            add_numbered(past, id, number);
        end(past, id);
    }
    cr_expect_leq(count((struct past_filter){0}), 65536U / 3030);
    cr_expect_geq(count((struct past_filter){0}), 10U);
    for (id = 0; id < 64; id++) {
        live[id] = open_one(1000 + id);
        for (number = 0; number < 30; number++)
            add_numbered(live[id], 1000 + id, number);
    }
    cr_expect_eq(count((struct past_filter){.ended_only = true}), 0, "they made room");
    lines = lines_of(1063);
    cr_expect_not_null(strstr(lines, "# cut: 30 lines"), "%s", lines);
    free(lines);
    for (id = 0; id < 64; id++)
        end(live[id], 1000 + id);
    cr_expect_leq(count((struct past_filter){0}), 64U);
    history_forget(history);
    for (id = 1; id <= 1000; id++)
        end(open_one(id), id);
    cr_expect_leq(count((struct past_filter){0}), 131U, "sessions without a line take memory too");
    history_forget(history);
    for (id = 1; id <= 1000; id++) {
        struct past *past = open_one(id);

        add(past, id, "C open\n");
        end(past, id);
    }
    cr_expect_geq(count((struct past_filter){0}), 50U, "what is over needs no room to grow");
    finish();
}
