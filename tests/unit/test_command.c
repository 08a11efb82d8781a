#include <criterion/criterion.h>

#include "lockstep/smtp/command.h"

Test(command, parse)
{
    static const struct {
        struct span line;
        enum verb verb;
        struct span argument;
    } rows[] = {
        {SPAN_INIT("QUIT"), VERB_QUIT, SPAN_INIT("")},
        {SPAN_INIT("quit "), VERB_QUIT, SPAN_INIT("")},
        {SPAN_INIT(" RSET"), VERB_RSET, SPAN_INIT("")},
        {SPAN_INIT("mAiL FROM:<a@b>  "), VERB_MAIL, SPAN_INIT("FROM:<a@b>")},
        {SPAN_INIT("RCPT\tTO:<a@b>"), VERB_RCPT, SPAN_INIT("TO:<a@b>")},
        {SPAN_INIT("EHLO  a b"), VERB_EHLO, SPAN_INIT("a b")},
        {SPAN_INIT("AUTH PLAIN AGEAYg=="), VERB_AUTH, SPAN_INIT("PLAIN AGEAYg==")},
        {SPAN_INIT(""), VERB_UNKNOWN, SPAN_INIT("")},
        {SPAN_INIT("   "), VERB_UNKNOWN, SPAN_INIT("")},
        {SPAN_INIT("DATAX"), VERB_UNKNOWN, SPAN_INIT("")},
        {SPAN_INIT("XXXX a"), VERB_UNKNOWN, SPAN_INIT("a")},
        {SPAN_INIT("MAIL\xc2\xa0"
                   "FROM:<a>"),
         VERB_UNKNOWN, SPAN_INIT("")},
    };
    struct command command;
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        command_parse(rows[i].line, &command);
        cr_expect_eq(command.verb, rows[i].verb, "row %zu", i);
        cr_expect(span_equal(command.argument, rows[i].argument), "row %zu", i);
        cr_expect(span_equal(command.line, rows[i].line), "row %zu", i);
        cr_expect_not(command.bad, "row %zu", i);
    }
}

Test(command, unknown_words_among_control_characters_are_bad)
{
    static const struct {
        struct span line;
        bool bad;
    } rows[] = {
        {SPAN_INIT("BDAT\v10"), true},       {SPAN_INIT("BDAT\f10 LAST"), true},
        {SPAN_INIT("DATA\0"), true},         {SPAN_INIT("XFOO \x7f"), true},
        {SPAN_INIT("XFOO \x1b[0m"), true},   {SPAN_INIT("XFOO\ta"), false},
        {SPAN_INIT("XFOO \xc3\xa4"), false}, {SPAN_INIT("NOOP \v"), false},
    };
    struct command command;
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        command_parse(rows[i].line, &command);
        cr_expect_eq(command.bad, rows[i].bad, "row %zu", i);
    }
}

/* Whatever an upstream could read as another number of bytes, or as no BDAT at all, is bad. */
Test(command, bdat_is_read_strictly)
{
    static const struct {
        struct span line;
        bool bad;
        bool last;
        uint64_t bytes;
    } rows[] = {
        {SPAN_INIT("BDAT 0 LAST"), false, true, 0},
        {SPAN_INIT("bdat 1000 last"), false, true, 1000},
        {SPAN_INIT("BDAT 12"), false, false, 12},
        {SPAN_INIT("BDAT  12  LAST "), false, true, 12},
        {SPAN_INIT("BDAT 2147483647"), false, false, 2147483647},
        {SPAN_INIT("BDAT 2147483648"), true, false, 0},
        {SPAN_INIT("BDAT 4294967306"), true, false, 0},
        {SPAN_INIT("BDAT 18446744073709551626"), true, false, 0},
        {SPAN_INIT("BDAT"), true, false, 0},
        {SPAN_INIT("BDAT LAST"), true, false, 0},
        {SPAN_INIT("BDAT -1"), true, false, 0},
        {SPAN_INIT("BDAT +1"), true, false, 0},
        {SPAN_INIT("BDAT 0x10"), true, false, 0},
        {SPAN_INIT("BDAT 10LAST"), true, false, 0},
        {SPAN_INIT("BDAT 10 LASTS"), true, false, 0},
        {SPAN_INIT("BDAT 10 LAST x"), true, false, 0},
        {SPAN_INIT("BDAT 10 20"), true, false, 0},
        {SPAN_INIT("BDAT\t10"), true, false, 0},
        {SPAN_INIT("BDAT 10\tLAST"), true, false, 0},
        {SPAN_INIT(" BDAT 10"), true, false, 0},
        {SPAN_INIT("BDAT 10\0"), true, false, 0},
    };
    struct command command;
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        command_parse(rows[i].line, &command);
        cr_expect_eq(command.verb, VERB_BDAT, "row %zu", i);
        cr_expect_eq(command.bad, rows[i].bad, "row %zu", i);
        if (rows[i].bad)
            continue;
        cr_expect_eq(command.last, rows[i].last, "row %zu", i);
        cr_expect_eq(command.chunk_bytes, rows[i].bytes, "row %zu", i);
    }
}

Test(command, path)
{
    static const struct {
        struct span argument, mailbox, parameters;
        bool right;
    } rows[] = {
        {SPAN_INIT("TO:<a@b>"), SPAN_INIT("a@b"), SPAN_INIT(""), true},
        {SPAN_INIT("to:<a@b> NOTIFY=NEVER  X"), SPAN_INIT("a@b"), SPAN_INIT("NOTIFY=NEVER  X"),
         true},
        {SPAN_INIT("TO:<>"), SPAN_INIT(""), SPAN_INIT(""), true},
        {SPAN_INIT("TO:<@x,@y:a@b>"), SPAN_INIT("a@b"), SPAN_INIT(""), true},
        {SPAN_INIT("TO:<\"a b> \\\" <\"@b>"), SPAN_INIT("\"a b> \\\" <\"@b"), SPAN_INIT(""), true},
        {SPAN_INIT("TO:<@x>"), SPAN_INIT(""), SPAN_INIT(""), false},
        {SPAN_INIT("TO:<@x:>"), SPAN_INIT(""), SPAN_INIT(""), false},
        {SPAN_INIT("TO: <a@b>"), SPAN_INIT(""), SPAN_INIT(""), false},
        {SPAN_INIT("TO :<a@b>"), SPAN_INIT(""), SPAN_INIT(""), false},
        {SPAN_INIT("TO:a@b"), SPAN_INIT(""), SPAN_INIT(""), false},
        {SPAN_INIT("TO:<a@b"), SPAN_INIT(""), SPAN_INIT(""), false},
        {SPAN_INIT("TO:<"), SPAN_INIT(""), SPAN_INIT(""), false},
        {SPAN_INIT("TO:<\"a"), SPAN_INIT(""), SPAN_INIT(""), false},
        {SPAN_INIT("TO:<\"a\\"), SPAN_INIT(""), SPAN_INIT(""), false},
        {SPAN_INIT("TO:<a@b>X=1"), SPAN_INIT(""), SPAN_INIT(""), false},
        {SPAN_INIT("TO:<a b>"), SPAN_INIT(""), SPAN_INIT(""), false},
        {SPAN_INIT("TO:<<a@b>>"), SPAN_INIT(""), SPAN_INIT(""), false},
        {SPAN_INIT("FROM:<a@b>"), SPAN_INIT(""), SPAN_INIT(""), false},
        {SPAN_INIT(""), SPAN_INIT(""), SPAN_INIT(""), false},
    };
    struct path path;
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_eq(path_parse(rows[i].argument, SPAN("TO:"), &path), rows[i].right, "row %zu", i);
        if (!rows[i].right)
            continue;
        cr_expect(span_equal(path.mailbox, rows[i].mailbox), "row %zu", i);
        cr_expect(span_equal(path.parameters, rows[i].parameters), "row %zu", i);
    }
}

Test(command, parameters)
{
    struct span rest = SPAN("SIZE=12 SMTPUTF8  X=a=b ="), name, value;

    cr_assert(parameter_next(&rest, &name, &value));
    cr_assert(span_equal(name, SPAN("SIZE")) && span_equal(value, SPAN("12")));
    cr_assert(parameter_next(&rest, &name, &value));
    cr_assert(span_equal(name, SPAN("SMTPUTF8")) && value.size == 0);
    cr_assert(parameter_next(&rest, &name, &value));
    cr_assert(span_equal(name, SPAN("X")) && span_equal(value, SPAN("a=b")));
    cr_assert(parameter_next(&rest, &name, &value));
    cr_assert(name.size == 0 && value.size == 0);
    cr_assert_not(parameter_next(&rest, &name, &value));
}
