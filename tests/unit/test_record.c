/* record: every line reads back as what was written, whatever the bytes were. */
#include <criterion/criterion.h>
#include <string.h>

#include "lockstep/base/seed.h"
#include "lockstep/record/record.h"

static char written_bytes[65536];
static char scratch[65536];

static struct span written(struct text *text)
{
    struct span line = text_span(text);

    cr_assert(!text->cut);
    cr_assert(line.size > 0 && line.at[line.size - 1] == '\n');
    return span_head(line, line.size - 1);
}

static void expect_text(struct text *text, const char *expected)
{
    cr_expect(span_equal(text_span(text), span_of_string(expected)), "got <%.*s> wanted <%s>",
              (int)text->size, text->at, expected);
}

Test(record, said_is_written_one_line_per_wire_line)
{
    static const struct {
        struct span bytes;
        const char *text;
    } rows[] = {
        {SPAN_INIT("MAIL FROM:<a@b>\r\n"), "+5 C> MAIL FROM:<a@b>\n"},
        {SPAN_INIT("\r\n"), "+5 C> \n"},
        {SPAN_INIT("A\r\nB\r\n"), "+5 C> A\n+5 C> B\n"},
        {SPAN_INIT("A\r\nB"), "+5 C> A\n+5 C> \"B\"\n"},
        {SPAN_INIT("A\nB\r\n"), "+5 C> \"A\\n\"\n+5 C> B\n"},
        {SPAN_INIT("A\rB\r\n"), "+5 C> \"A\\rB\\r\\n\"\n"},
        {SPAN_INIT("A\0B\tC\\\"\xFF\r\n"), "+5 C> \"A\\0B\\tC\\\\\\\"\\xFF\\r\\n\"\n"},
        {SPAN_INIT("C:\\dir \"x\"\r\n"), "+5 C> C:\\dir \"x\"\n"},
        {SPAN_INIT("~ 4 bytes 1 lines\r\n"), "+5 C> \"~ 4 bytes 1 lines\\r\\n\"\n"},
        {SPAN_INIT("AUTH PLAIN [secret 24]\r\n"), "+5 C> \"AUTH PLAIN [secret 24]\\r\\n\"\n"},
        {SPAN_INIT("\""), "+5 C> \"\\\"\"\n"},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct text text = text_over(written_bytes, sizeof(written_bytes));

        record_said(&text, 5, SIDE_CLIENT, true, rows[i].bytes);
        expect_text(&text, rows[i].text);
    }
}

Test(record, sides_and_arrows)
{
    struct text text = text_over(written_bytes, sizeof(written_bytes));

    record_said(&text, 0, SIDE_CLIENT, false, SPAN("250 ok\r\n"));
    record_said(&text, 1, SIDE_UPSTREAM, true, SPAN("QUIT\r\n"));
    record_said(&text, 2, SIDE_UPSTREAM, false, SPAN("221 bye\r\n"));
    record_life(&text, 3, SIDE_UPSTREAM, SPAN("fail no\nroute"));
    record_note(&text, 4, SPAN("repair"), SPAN("name=refused-sender"));
    record_note(&text, 4, SPAN("starved"), SPAN(""));
    record_body(&text, 5, SIDE_CLIENT, true, 1843, 40, false);
    record_body(&text, 6, SIDE_UPSTREAM, true, 7, 0, true);
    record_event(&text, 7, SPAN("stop"));
    record_setting(&text, SPAN("mode"), SPAN("observe"));
    expect_text(
        &text,
        "+0 C< 250 ok\n+1 U> QUIT\n+2 U< 221 bye\n+3 U fail no\\nroute\n"
        "+4 ! repair name=refused-sender\n+4 ! starved\n"
        "+5 C> ~ 1843 bytes 40 lines\n+6 U> ~ 7 bytes 0 lines open\n+7 @ stop\n@ mode observe\n");
}

Test(record, no_byte_of_a_secret_is_written)
{
    static const struct {
        struct span line;
        size_t secret;
        struct span end;
        const char *text;
    } rows[] = {
        {SPAN_INIT("AUTH PLAIN hunter2"), 7, SPAN_INIT("\r\n"), "+0 C> AUTH PLAIN [secret 7]\n"},
        {SPAN_INIT("hunter2"), 7, SPAN_INIT("\r\n"), "+0 C> [secret 7]\n"},
        {SPAN_INIT("hunter2"), 99, SPAN_INIT("\r\n"), "+0 C> [secret 7]\n"},
        {SPAN_INIT("*"), 0, SPAN_INIT("\r\n"), "+0 C> *\n"},
        {SPAN_INIT("AUTH\tX hunter2"), 7, SPAN_INIT("\r\n"),
         "+0 C> \"AUTH\\tX \"[secret 7]\"\\r\\n\"\n"},
        {SPAN_INIT("~x"), 0, SPAN_INIT("\r\n"), "+0 C> \"~x\\r\\n\"\n"},
        {SPAN_INIT("[secret 3]hunter2"), 7, SPAN_INIT("\r\n"),
         "+0 C> \"[secret 3]\"[secret 7]\"\\r\\n\"\n"},
        {SPAN_INIT("AUTH PLAIN hunter2"), 7, SPAN_INIT("\n"),
         "+0 C> \"AUTH PLAIN \"[secret 7]\"\\n\"\n"},
        {SPAN_INIT("hunter2"), 7, SPAN_INIT(""), "+0 C> \"\"[secret 7]\"\"\n"},
        {SPAN_INIT("*"), 0, SPAN_INIT("\n"), "+0 C> \"*\\n\"\n"},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct text text = text_over(written_bytes, sizeof(written_bytes));
        struct span said = rows[i].line;
        struct record record;

        record_said_secret(&text, 0, SIDE_CLIENT, true, said, rows[i].secret, rows[i].end);
        expect_text(&text, rows[i].text);
        cr_assert_null(record_read(written(&text), scratch, &record));
        if (record.secret > 0) {
            cr_expect_eq(record.bytes.size + record.secret, said.size);
            cr_expect(span_starts(said, record.bytes));
            cr_expect(span_equal(record.tail, rows[i].end));
        }
    }
}

/* Bytes as a hostile peer would choose them: everything that means something to the language. */
static size_t noise(struct seed *seed, char *bytes)
{
    static const char *const words[] = {"\r\n", "\n",       "\r",  "\"", "\\",   "~ ",
                                        "+1 ",  "[secret ", "24]", "#",  "\\x4", "C> "};
    size_t parts = seed_below(seed, 12);
    size_t size = 0;

    for (; parts > 0; parts--) {
        uint64_t pick = seed_below(seed, 2 * sizeof(words) / sizeof(words[0]));

        if (pick < sizeof(words) / sizeof(words[0])) {
            memcpy(bytes + size, words[pick], strlen(words[pick]));
            size += strlen(words[pick]);
        } else {
            bytes[size++] = (char)seed_below(seed, 256);
        }
    }
    return size;
}

Test(record, any_bytes_read_back_as_they_were)
{
    static char again[65536];
    struct seed seed = {1};
    int round;

    for (round = 0; round < 20000; round++) {
        char said[256];
        size_t said_size = noise(&seed, said);
        size_t again_size = 0;
        struct text text = text_over(written_bytes, sizeof(written_bytes));
        struct span rest;

        record_said(&text, round, SIDE_UPSTREAM, false, span_of(said, said_size));
        rest = text_span(&text);
        while (rest.size > 0) {
            struct span line = span_head(rest, span_find(rest, '\n'));
            struct record record;
            const char *wrong = record_read(line, scratch, &record);

            cr_assert_null(wrong, "%s: <%.*s>", wrong, (int)line.size, line.at);
            cr_assert(record.kind == RECORD_SAID && record.secret == 0 && record.timed);
            cr_assert(record.side == SIDE_UPSTREAM && !record.to_upstream && record.at == round);
            memcpy(again + again_size, record.bytes.at, record.bytes.size);
            again_size += record.bytes.size;
            rest = span_tail(rest, line.size + 1);
        }
        cr_assert(span_equal(span_of(again, again_size), span_of(said, said_size)));
    }
}

/* The reader never writes past what it asks for, and never reads past the line. */
Test(record, any_line_is_read_or_refused)
{
    struct seed seed = {2};
    int round;

    for (round = 0; round < 20000; round++) {
        char line[256];
        char exact[258];
        struct record record;
        size_t start = 0;
        size_t size;

        if (seed_below(&seed, 2) > 0) {
            memcpy(line, "C> ", 3);
            start = 3;
        }
        size = start + noise(&seed, line + start);
        exact[size + 2 < sizeof(exact) ? size + 2 : 0] = 'E';
        record_read(span_of(line, size), exact, &record);
        if (size + 2 < sizeof(exact))
            cr_assert_eq(exact[size + 2], 'E');
    }
}

Test(record, other_lines_are_read)
{
    struct record record;

    cr_assert_null(record_read(SPAN(""), scratch, &record));
    cr_expect(record.kind == RECORD_COMMENT && record.bytes.size == 0);
    cr_assert_null(record_read(SPAN("# why"), scratch, &record));
    cr_expect(record.kind == RECORD_COMMENT && span_equal(record.bytes, SPAN(" why")));
    cr_assert_null(record_read(SPAN("@ wait 500ms"), scratch, &record));
    cr_expect(record.kind == RECORD_SETTING && span_equal(record.bytes, SPAN("wait 500ms")));
    cr_assert_null(record_read(SPAN("+1234 ! repair name=x"), scratch, &record));
    cr_expect(record.kind == RECORD_NOTE && record.timed && record.at == 1234);
    cr_expect(span_equal(record.bytes, SPAN("repair name=x")));
    cr_assert_null(record_read(SPAN("U fail no route"), scratch, &record));
    cr_expect(record.kind == RECORD_LIFE && record.side == SIDE_UPSTREAM && !record.timed);
    cr_expect(span_equal(record.bytes, SPAN("fail no route")));
    cr_assert_null(record_read(SPAN("C> ~ 1843 bytes 40 lines"), scratch, &record));
    cr_expect(record.kind == RECORD_BODY && record.to_upstream);
    cr_expect(record.body_bytes == 1843 && record.body_lines == 40 && !record.body_open);
    cr_assert_null(record_read(SPAN("C> ~ 9 bytes 0 lines open"), scratch, &record));
    cr_expect(record.kind == RECORD_BODY && record.body_open);
    cr_assert_null(record_read(SPAN("U>"), scratch, &record));
    cr_expect(record.kind == RECORD_SAID && span_equal(record.bytes, SPAN("\r\n")));
}

Test(record, wrong_lines_are_refused_with_a_reason)
{
    static const struct span rows[] = {
        SPAN_INIT("X> hello"),
        SPAN_INIT("C>hello"),
        SPAN_INIT("C= hello"),
        SPAN_INIT("C"),
        SPAN_INIT("C "),
        SPAN_INIT("!"),
        SPAN_INIT("@"),
        SPAN_INIT("+ C> x"),
        SPAN_INIT("+12"),
        SPAN_INIT("+-1 C> x"),
        SPAN_INIT("C> \"open"),
        SPAN_INIT("C> \"a\" b"),
        SPAN_INIT("C> \"a\"[secret 3]\"b\" "),
        SPAN_INIT("C> \"a\"[secret 3]b\"\""),
        SPAN_INIT("C> \"\\q\""),
        SPAN_INIT("C> \"\\x4\""),
        SPAN_INIT("C> \"\\xG0\""),
        SPAN_INIT("C> a\rb"),
        SPAN_INIT("C> a\0b"),
        SPAN_INIT("C> ~ 5 bytes"),
        SPAN_INIT("C> ~ five bytes 1 lines"),
        SPAN_INIT("C> ~ 5 bytes 1 lines more"),
        SPAN_INIT("+99999999999999999999 C> x"),
        SPAN_INIT("! trailing\\"),
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct record record;

        cr_expect_not_null(record_read(rows[i], scratch, &record), "read: %.*s", (int)rows[i].size,
                           rows[i].at);
    }
}

Test(record, what_does_not_fit_is_cut_and_said_so)
{
    char small[10];
    struct text text = text_over(small, sizeof(small));

    record_said(&text, 0, SIDE_CLIENT, true, SPAN("MAIL FROM:<a@b>\r\n"));
    cr_expect(text.cut);
    cr_expect_eq(text.size, sizeof(small));
}
