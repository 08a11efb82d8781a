/* The repairs of what stands in the client's lines. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/seed.h"
#include "mend_check.h"

static const struct rewrite rewrite = {.helo = SPAN_INIT("scanner.example"),
                                       .domain = SPAN_INIT("shop.example"),
                                       .sender = SPAN_INIT("scanner@shop.example")};
static const struct situation known = {
    .address = SPAN_INIT("192.0.2.9"), .hostname = SPAN_INIT("lockstep.invalid"), .first = true};

Test(mend_lines, first_line_noise)
{
    static const struct mend_row rows[] = {
        {"\xff\xfb\x1f\xff\xfd\x03"
         "EHLO x",
         "EHLO x", 0},
        {"\xff\xf1"
         "HELO x",
         "HELO x", 0},
        {"\xff\xfa\x18\x01vt100\xff\xf0"
         "NOOP",
         "NOOP", 0},
        {"\xef\xbb\xbf"
         "EHLO x",
         "EHLO x", 0},
        {"\xef\xbb\xbf\xff\xfb\x1f quit", " quit", 0},
        {"EHLO x", NULL, 0},
        {"\xef\xbb\xbf", NULL, 0},
        {"\xef\xbb\xbf"
         "EHLOX",
         NULL, 0},
        {"\xff", NULL, 0},
        {"\xff\xfb", NULL, 0},
        {"\xff\xfa\x18 EHLO x", NULL, 0},
        {"\xff\xff"
         "EHLO x",
         NULL, 0},
        {"\xfe\xff"
         "EHLO x",
         NULL, 0},
        {"EHLO \xef\xbb\xbf", NULL, 0},
    };
    static const struct mend_row later[] = {{"\xef\xbb\xbf"
                                             "EHLO x",
                                             NULL, 0}};
    struct situation second = known;

    MEND_CHECK(REPAIR_FIRST_LINE_NOISE, &known, rows);
    second.first = false;
    MEND_CHECK(REPAIR_FIRST_LINE_NOISE, &second, later);
}

Test(mend_lines, trailing_blank)
{
    static const struct mend_row rows[] = {
        {"NOOP ", "NOOP", 0},
        {"MAIL FROM:<a@b> \t ", "MAIL FROM:<a@b>", 0},
        {" RSET\t", " RSET", 0},
        {"XFOO bar ", "XFOO bar", 0},
        {"BDAT 10 LAST ", "BDAT 10 LAST", 0},
        {"AUTH LOGIN ", "AUTH LOGIN", 0},
        {"AUTH ", "AUTH", 0},
        {"AUTH PLAIN AGEAYg== ", NULL, 0},
        {"NOOP", NULL, 0},
        {"", NULL, 0},
        {"  ", NULL, 0},
    };

    MEND_CHECK(REPAIR_TRAILING_BLANK, &known, rows);
}

Test(mend_lines, junk_helo)
{
    static const struct mend_row rows[] = {
        {"EHLO", "EHLO [192.0.2.9]", 0},
        {"helo", "helo [192.0.2.9]", 0},
        {" EHLO  my_pc ", "EHLO [192.0.2.9]", 0},
        {"EHLO my pc", "EHLO [192.0.2.9]", 0},
        {"HELO (null)", "HELO [192.0.2.9]", 0},
        {"HELO 10.0.0.1", "HELO [192.0.2.9]", 0},
        {"HELO [10.0.0.300]", "HELO [192.0.2.9]", 0},
        {"HELO [2001:db8::1]", "HELO [192.0.2.9]", 0},
        {"HELO m\xc3\xbcller", "HELO [192.0.2.9]", 0},
        {"HELO a@b", "HELO [192.0.2.9]", 0},
        {"HELO -", "HELO [192.0.2.9]", 0},
        {"HELO .", "HELO [192.0.2.9]", 0},
        {"HELO mx.example.", "HELO mx.example", 0},
        {"HELO mx.example..", "HELO [192.0.2.9]", 0},
        {"HELO mx.example", NULL, 0},
        {"HELO PC-7", NULL, 0},
        {"EHLO [10.0.0.1]", NULL, 0},
        {"EHLO [IPv6:2001:db8::1]", NULL, 0},
        {"NOOP my_pc", NULL, 0},
    };

    MEND_CHECK(REPAIR_JUNK_HELO, &known, rows);
}

static void check_helo(const char *address, const struct rewrite *words, const char *name)
{
    const struct mend_row rows[] = {{"EHLO _", name, 0}};
    struct situation situation = {
        .address = span_of_string(address), .hostname = SPAN("lockstep.invalid"), .rewrite = words};

    MEND_CHECK(REPAIR_JUNK_HELO, &situation, rows);
}

Test(mend_lines, junk_helo_takes_the_best_name_that_is_known)
{
    static const struct rewrite nothing;

    check_helo("192.0.2.9", &rewrite, "EHLO scanner.example");
    check_helo("2001:db8::9", &nothing, "EHLO [IPv6:2001:db8::9]");
    check_helo("fe80::1%eth0", &nothing, "EHLO [IPv6:fe80::1]");
    check_helo("::ffff:192.0.2.9", &nothing, "EHLO [192.0.2.9]");
    check_helo("", &nothing, "EHLO lockstep.invalid");
    check_helo("192.0.2.9:25", &nothing, "EHLO lockstep.invalid");
    check_helo("/run/socket", &nothing, "EHLO lockstep.invalid");
}

Test(mend_lines, path_syntax_leaves_alone_what_is_good_or_not_understood)
{
    static const struct mend_row rows[] = {
        {"MAIL FROM:<a@b>", NULL, 0},
        {"MAIL FROM:<>", NULL, 0},
        {"MAIL FROM:<a@b> SIZE=1  BODY=7BIT", NULL, 0},
        {"MAIL FROM:<\"a> <b, c@d\"@e>", NULL, 0},
        {"RCPT TO:<x@b> and more", NULL, 0},
        {"RCPT TO:<x@b> ORCPT=rfc822;x<y,@\"(", NULL, 0},
        {"MAIL FROM:<a@b> AUTH=<>", NULL, 0},
        {"MAIL FROM:<@>", NULL, 0},
        {"MAIL FROM:", NULL, 0},
        {"MAIL", NULL, 0},
        {"MAIL FROM", NULL, 0},
        {"MAIL <a@b>", NULL, 0},
        {"MAIL FROMAGE: <a@b>", NULL, 0},
        {"MAIL TO: <a@b>", NULL, 0},
        {"mail from:<john doe@b>", NULL, 0},
        {"MAIL FROM: SIZE=10", NULL, 0},
        {"mail from:<a@b>SIZE=10", NULL, 0},
        {"mail from:<a (c) b@c>", NULL, 0},
        {"mail from:<@a:@b:c@d>", NULL, 0},
        {"mail from:<@a:>", NULL, 0},
        {"mail from:()", NULL, 0},
        {"VRFY: a@b", NULL, 0},
    };

    MEND_CHECK(REPAIR_PATH_SYNTAX, &known, rows);
}

Test(mend_lines, path_syntax_writes_one_form)
{
    static const struct mend_row rows[] = {
        {"mail from:<a@b>", "MAIL FROM:<a@b>", 0},
        {" MAIL FROM:<a@b> ", "MAIL FROM:<a@b>", 0},
        {"MAIL  FROM:<a@b>", "MAIL FROM:<a@b>", 0},
        {"MAIL FROM: <a@b>", "MAIL FROM:<a@b>", 0},
        {"MAIL FROM :<a@b>", "MAIL FROM:<a@b>", 0},
        {"MAIL\tFROM\t:\t<a@b>\tX=1", "MAIL FROM:<a@b> X=1", 0},
        {"MAIL FROM <a@b>", "MAIL FROM:<a@b>", 0},
        {"MAIL FROM<a@b>", "MAIL FROM:<a@b>", 0},
        {"MAIL FROM a@b", "MAIL FROM:<a@b>", 0},
        {"RCPT TO: a@b", "RCPT TO:<a@b>", 0},
        {"RCPT TO:Post.Master@B", "RCPT TO:<Post.Master@B>", 0},
        {"rcpt to:scanner", "RCPT TO:<scanner>", 0},
        {"RCPT TO:a@b NOTIFY=NEVER  ORCPT=rfc822;a@b",
         "RCPT TO:<a@b> NOTIFY=NEVER  ORCPT=rfc822;a@b", 0},
        {"MAIL FROM:a@b SMTPUTF8 AUTH=<>", "MAIL FROM:<a@b> SMTPUTF8 AUTH=<>", 0},
        {"MAIL FROM:a=b@c SIZE=1", "MAIL FROM:<a=b@c> SIZE=1", 0},
        {"MAIL FROM:\"a b\"@c SIZE=1", "MAIL FROM:<\"a b\"@c> SIZE=1", 0},
    };

    MEND_CHECK(REPAIR_PATH_SYNTAX, &known, rows);
}

Test(mend_lines, path_syntax_takes_the_innermost_address)
{
    static const struct mend_row rows[] = {
        {"MAIL FROM:< a@b >", "MAIL FROM:<a@b>", 0},
        {"MAIL FROM:< >", "MAIL FROM:<>", 0},
        {"MAIL FROM: <>", "MAIL FROM:<>", 0},
        {"MAIL FROM: <@> SIZE=1", "MAIL FROM:<@> SIZE=1", 0},
        {"MAIL FROM:<<a@b>>", "MAIL FROM:<a@b>", 0},
        {"MAIL FROM:<<>>", "MAIL FROM:<>", 0},
        {"MAIL FROM:The Dude <dude@site>", "MAIL FROM:<dude@site>", 0},
        {"MAIL FROM:<The Dude <dude@site>>", "MAIL FROM:<dude@site>", 0},
        {"MAIL FROM:Dude<dude@site> X=1", "MAIL FROM:<dude@site> X=1", 0},
        {"MAIL FROM:\"Dude, <The>\" <dude@site>", "MAIL FROM:<dude@site>", 0},
        {"MAIL FROM:O'Brien <o'b@c>", "MAIL FROM:<o'b@c>", 0},
        {"MAIL FROM:<(comment)>", "MAIL FROM:<>", 0},
        {"MAIL FROM:<(comment) a@b>", "MAIL FROM:<a@b>", 0},
        {"MAIL FROM:<a@b (com (me) n\\)t)>", "MAIL FROM:<a@b>", 0},
        {"MAIL FROM:a@b (comment)", "MAIL FROM:<a@b>", 0},
        {"MAIL FROM:(comment <x@y>) a@b", "MAIL FROM:<a@b>", 0},
        {"MAIL FROM:<a@b> (comment) X=1", "MAIL FROM:<a@b> X=1", 0},
        {"MAIL FROM:<@h1,@h2:u@d>", "MAIL FROM:<u@d>", 0},
        {"MAIL FROM:<@[IPv6:2001:db8::1]:u@d>", "MAIL FROM:<u@d>", 0},
        {"MAIL FROM:m\xc3\xbcller@b", "MAIL FROM:<m\xc3\xbcller@b>", 0},
        {"send from: a@b", "SEND FROM:<a@b>", 0},
        {"Soml From: a@b", "SOML FROM:<a@b>", 0},
        {"saml from: a@b", "SAML FROM:<a@b>", 0},
    };

    MEND_CHECK(REPAIR_PATH_SYNTAX, &known, rows);
}

Test(mend_lines, path_syntax_refuses_what_could_be_two_or_is_not_closed)
{
    static const struct mend_row rows[] = {
        {"MAIL FROM:<a@b>,<c@d>", NULL, 501},
        {"MAIL FROM:<a@b> <c@d>", NULL, 501},
        {"MAIL FROM:a@b,c@d", NULL, 501},
        {"MAIL FROM:a@b, c@d", NULL, 501},
        {"MAIL FROM:a@b c@d", NULL, 501},
        {"RCPT TO:<a@b;c@d>", NULL, 501},
        {"RCPT TO:<a@b c@d>", NULL, 501},
        {"RCPT TO:a@b <c@d>", NULL, 501},
        {"RCPT TO:<a@b <c@d>>", NULL, 501},
        {"RCPT TO:<<a@b> <c@d>>", NULL, 501},
        {"MAIL FROM:<a@b", NULL, 501},
        {"MAIL FROM:a@b>", NULL, 501},
        {"MAIL FROM:<a@b>>", NULL, 501},
        {"MAIL FROM:<<a@b>", NULL, 501},
        {"MAIL FROM:<\"a@b>", NULL, 501},
        {"MAIL FROM:<(a@b>", NULL, 501},
        {"MAIL FROM:\"a@b", NULL, 501},
        {"MAIL FROM:<\"a\\\"@b>", NULL, 501},
        {"MAIL FROM:<<<<<<<<a@b>>>>>>>>", NULL, 501},
        {"RCPT TO:<", NULL, 501},
        {"RCPT TO:(", NULL, 501},
    };

    MEND_CHECK(REPAIR_PATH_SYNTAX, &known, rows);
}

Test(mend_lines, empty_path)
{
    static const struct mend_row rows[] = {
        {"MAIL FROM:<@>", "MAIL FROM:<>", 0},
        {"mail from:<@> SIZE=1", "mail from:<> SIZE=1", 0},
        {"MAIL FROM:<>", NULL, 0},
        {"MAIL FROM:<@a>", NULL, 0},
        {"MAIL FROM:<@>x", NULL, 0},
        {"RCPT TO:<@>", NULL, 0},
        {"MAIL FROM:<@", NULL, 0},
        {"MAIL", NULL, 0},
    };

    MEND_CHECK(REPAIR_EMPTY_PATH, &known, rows);
}

Test(mend_lines, quoted_address)
{
    static const struct mend_row rows[] = {
        {"RCPT TO:<'a@b'>", "RCPT TO:<a@b>", 0},
        {"RCPT TO:<'o'brien@b'> X=1", "RCPT TO:<o'brien@b> X=1", 0},
        {"RCPT TO:<'a@[192.0.2.1]'>", "RCPT TO:<a@[192.0.2.1]>", 0},
        {"RCPT TO:<\"a@b\">", "RCPT TO:<a@b>", 0},
        {"RCPT TO:<`a@b'>", "RCPT TO:<a@b>", 0},
        {"RCPT TO:<`a@b\xc2\xb4>", "RCPT TO:<a@b>", 0},
        {"RCPT TO:<\xe2\x80\x98"
         "a@b\xe2\x80\x99>",
         "RCPT TO:<a@b>", 0},
        {"RCPT TO:<\xe2\x80\x9e"
         "a@b\xe2\x80\x9c>",
         "RCPT TO:<a@b>", 0},
        {"RCPT TO:<\xc2\xab"
         "m\xc3\xbcller@b\xc2\xbb>",
         "RCPT TO:<m\xc3\xbcller@b>", 0},
        {"RCPT TO:<o'brien@b>", NULL, 0},
        {"RCPT TO:<'a@b>", NULL, 0},
        {"RCPT TO:<a@b'>", NULL, 0},
        {"RCPT TO:<'a'@b>", NULL, 0},
        {"RCPT TO:<\"a@b\"@c>", NULL, 0},
        {"RCPT TO:<\"a\"@b>", NULL, 0},
        {"RCPT TO:<\"a\">", NULL, 0},
        {"RCPT TO:<'a'>", NULL, 0},
        {"RCPT TO:<''>", NULL, 0},
        {"RCPT TO:<'>", NULL, 0},
        {"RCPT TO:<'@b'>", NULL, 0},
        {"RCPT TO:<'a@b@c'>", NULL, 0},
        {"RCPT TO:<'a@b,c@d'>", NULL, 0},
        {"RCPT TO:<'\"a b\"@c'>", NULL, 0},
        {"RCPT TO:<''a@b''>", NULL, 0},
        {"MAIL FROM:<>", NULL, 0},
    };

    MEND_CHECK(REPAIR_QUOTED_ADDRESS, &known, rows);
}

Test(mend_lines, trailing_dot)
{
    static const struct mend_row rows[] = {
        {"RCPT TO:<a@b.example.>", "RCPT TO:<a@b.example>", 0},
        {"MAIL FROM:<\"a@b.\"@c.> X=1", "MAIL FROM:<\"a@b.\"@c> X=1", 0},
        {"RCPT TO:<a@b>", NULL, 0},
        {"RCPT TO:<a.>", NULL, 0},
        {"RCPT TO:<a@b..>", NULL, 0},
        {"RCPT TO:<a@.>", NULL, 0},
        {"RCPT TO:<a@[192.0.2.1].>", NULL, 0},
        {"RCPT TO:<a@192.0.2.1.>", NULL, 0},
        {"RCPT TO:<.>", NULL, 0},
        {"RCPT TO:<a@b>.", NULL, 0},
    };

    MEND_CHECK(REPAIR_TRAILING_DOT, &known, rows);
}

Test(mend_lines, unqualified)
{
    static const struct mend_row rows[] = {
        {"MAIL FROM:<scanner> X=1", "MAIL FROM:<scanner@shop.example> X=1", 0},
        {"RCPT TO:<\"a@ b\">", "RCPT TO:<\"a@ b\"@shop.example>", 0},
        {"RCPT TO:<post.master>", "RCPT TO:<post.master@shop.example>", 0},
        {"MAIL FROM:<>", NULL, 0},
        {"RCPT TO:<postmaster>", NULL, 0},
        {"RCPT TO:<POSTMASTER>", NULL, 0},
        {"RCPT TO:<a@b>", NULL, 0},
        {"RCPT TO:<a@>", NULL, 0},
        {"RCPT TO:<a.>", NULL, 0},
        {"RCPT TO:<a,b>", NULL, 0},
        {"RCPT TO:<\"a\"b\">", NULL, 0},
        {"RCPT TO:<\"\">", NULL, 0},
        {"RCPT TO: a", NULL, 0},
    };
    static const struct mend_row nothing[] = {{"MAIL FROM:<scanner>", NULL, 0}};
    struct situation situation = known;

    MEND_CHECK(REPAIR_UNQUALIFIED, &situation, nothing);
    situation.rewrite = &rewrite;
    MEND_CHECK(REPAIR_UNQUALIFIED, &situation, rows);
}

Test(mend_lines, unknown_parameter)
{
    static const struct mend_row rows[] = {
        {"MAIL FROM:<a@b> SIZE=1 X=2", "MAIL FROM:<a@b> X=2", 0},
        {"MAIL FROM:<a@b> size=1 body=7bit Auth=<> RET=FULL ENVID=q", "MAIL FROM:<a@b>", 0},
        {"RCPT TO:<a@b> Y  SIZE", "RCPT TO:<a@b> Y", 0},
        {"MAIL FROM:<> SIZE=1", "MAIL FROM:<>", 0},
        {"MAIL FROM:<a@b> BODY=8BITMIME", NULL, 0},
        {"MAIL FROM:<a@b> AUTH=c@d", NULL, 0},
        {"MAIL FROM:<a@b> SMTPUTF8", NULL, 0},
        {"RCPT TO:<a@b> NOTIFY=NEVER ORCPT=rfc822;a@b", NULL, 0},
        {"MAIL FROM:<a@b>", NULL, 0},
        {"MAIL FROM: a@b SIZE=1", NULL, 0},
        {"MAIL FROM:<\"a> SIZE=1\"@b>", NULL, 0},
        {"MAIL FROM:<m\xc3\xbcller@b> SMTPUTF8", NULL, 553},
        {"MAIL FROM:<a@b> SIZE=1 BODY=BinaryMIME", NULL, 555},
        {"MAIL FROM:<a@b> REQUIRETLS", NULL, 550},
        {"RCPT TO:<a@b> NOTIFY=FAILURE,success", NULL, 555},
    };
    static const struct mend_row offered[] = {
        {"MAIL FROM:<a@b> SIZE=1 BODY=7BIT AUTH=<> RET=FULL ENVID=q", NULL, 0},
        {"MAIL FROM:<m\xc3\xbcller@b> SMTPUTF8 BODY=BINARYMIME", NULL, 0},
        {"RCPT TO:<a@b> NOTIFY=SUCCESS", NULL, 0},
    };
    static const struct mend_row tls[] = {{"MAIL FROM:<a@b> REQUIRETLS", NULL, 550}};
    static const struct mend_row no_refusal[] = {{"MAIL FROM:<a@b> REQUIRETLS", NULL, 0}};
    struct view view = {.greeted = true};
    struct situation situation = {.upstream = &view};

    MEND_CHECK(REPAIR_UNKNOWN_PARAMETER, &situation, rows);
    view.capabilities.offered = ~0U;
    MEND_CHECK(REPAIR_UNKNOWN_PARAMETER, &situation, offered);
    MEND_CHECK(REPAIR_UNKNOWN_PARAMETER, &situation, tls);
    view.secured = true;
    MEND_CHECK(REPAIR_UNKNOWN_PARAMETER, &situation, no_refusal);
}

Test(mend_lines, match_sender)
{
    static const struct mend_row rows[] = {
        {"MAIL FROM:<a@b> SIZE=1", "MAIL FROM:<scanner@shop.example> SIZE=1", 0},
        {"MAIL FROM:<\"a b\"@c>", "MAIL FROM:<scanner@shop.example>", 0},
        {"MAIL FROM:<Scanner@shop.example>", "MAIL FROM:<scanner@shop.example>", 0},
        {"MAIL FROM:<scanner@shop.example>", NULL, 0},
        {"MAIL FROM:<>", NULL, 0},
        {"RCPT TO:<a@b>", NULL, 0},
        {"MAIL FROM: a@b", NULL, 0},
    };
    static const struct mend_row nothing[] = {{"MAIL FROM:<a@b>", NULL, 0}};
    static const char *const nobody[] = {"", "shop", "a b@c", "a@", "a@b>\r\nRSET", "@b", "a@b@c"};
    struct situation situation = {.rewrite = &rewrite, .account = SPAN("other@b")};
    size_t i;

    MEND_CHECK(REPAIR_MATCH_SENDER, &situation, rows);
    situation = (struct situation){.account = SPAN("scanner@shop.example")};
    MEND_CHECK(REPAIR_MATCH_SENDER, &situation, rows);
    for (i = 0; i < sizeof(nobody) / sizeof(nobody[0]); i++) {
        situation.account = span_of_string(nobody[i]);
        MEND_CHECK(REPAIR_MATCH_SENDER, &situation, nothing);
    }
}

/* --- at random --- */

#define ROUNDS 20000U

static char pick(struct seed *seed, const char *from)
{
    return from[seed_below(seed, strlen(from))];
}

/* Whatever a local part may be without quotes, apostrophes at every place. */
Test(mend_lines, an_apostrophe_of_a_local_part_is_never_touched)
{
    struct seed seed = {7};
    uint32_t round;

    for (round = 0; round < ROUNDS; round++) {
        char local[13] = {0}, bare[64], quoted[64];
        size_t size = 1 + seed_below(&seed, sizeof(local) - 1);
        size_t i;

        for (i = 0; i < size; i++)
            local[i] = pick(&seed, "'''`ab1!#$%&*+-/=?^_{|}~");
        snprintf(bare, sizeof(bare), "RCPT TO:<%s@b.example>", local);
        snprintf(quoted, sizeof(quoted), "RCPT TO:<'%s@b.example'>", local);
        {
            const struct mend_row rows[] = {{bare, NULL, 0}, {quoted, bare, 0}};

            MEND_CHECK(REPAIR_QUOTED_ADDRESS, &known, rows);
        }
    }
}

/* Pieces that the repairs look for, and bytes that nobody looks for. */
static struct span garbage(struct seed *seed, char *memory, size_t room)
{
    static const struct span pieces[] = {
        SPAN_INIT("MAIL"),
        SPAN_INIT("RCPT"),
        SPAN_INIT(" FROM"),
        SPAN_INIT(" TO"),
        SPAN_INIT(":"),
        SPAN_INIT("<"),
        SPAN_INIT(">"),
        SPAN_INIT("\""),
        SPAN_INIT("("),
        SPAN_INIT(")"),
        SPAN_INIT("\\"),
        SPAN_INIT("@"),
        SPAN_INIT(" "),
        SPAN_INIT("\t"),
        SPAN_INIT("a@b"),
        SPAN_INIT("'"),
        SPAN_INIT(","),
        SPAN_INIT("."),
        SPAN_INIT(" SIZE=1"),
        SPAN_INIT("[IPv6:"),
        SPAN_INIT("]"),
        SPAN_INIT("\xff\xfb"),
        SPAN_INIT("\xc2\xb4"),
        SPAN_INIT("x"),
        SPAN_INIT(" NOTIFY=SUCCESS"),
        SPAN_INIT(" AUTH=<>"),
        SPAN_INIT("\0"),
        SPAN_INIT("\x80"),
        SPAN_INIT("\xef\xbb\xbf"),
        SPAN_INIT("\r"),
        SPAN_INIT(" SMTPUTF8"),
        SPAN_INIT("\n"),
    };
    static const struct span starts[] = {
        SPAN_INIT("MAIL FROM:"),
        SPAN_INIT("RCPT TO:"),
        SPAN_INIT("MAIL FROM:<"),
        SPAN_INIT("RCPT TO:<"),
        SPAN_INIT("mail from "),
        SPAN_INIT("EHLO "),
        SPAN_INIT("HELO"),
        SPAN_INIT("AUTH PLAIN "),
        SPAN_INIT("\xff\xfb\x01"
                  "EHLO "),
        SPAN_INIT(""),
    };
    struct text text = text_over(memory, room);
    uint64_t count = seed_below(seed, 14);

    text_add(&text, starts[seed_below(seed, sizeof(starts) / sizeof(starts[0]))]);
    while (count-- > 0)
        text_add(&text, pieces[seed_below(seed, sizeof(pieces) / sizeof(pieces[0]))]);
    return text_span(&text);
}

static enum verdict mend(enum repair_id id, const struct situation *known_as, struct span line,
                         struct mended *mended)
{
    struct situation situation = *known_as;
    struct command command;
    char *exact = malloc(line.size + 1);
    enum verdict verdict = UNTOUCHED;

    cr_assert_not_null(exact);
    memcpy(exact, line.at, line.size);
    situation.seen = span_of(exact, line.size);
    command_parse(situation.seen, &command);
    situation.verb = verb_facts(command.verb);
    if ((repair_row(id)->does & DOES_BIT(situation.verb->does)) != 0)
        verdict = repair_row(id)->mend(&situation, mended);
    cr_assert_not(mended->text.cut, "no line grows so much");
    free(exact);
    return verdict;
}

static bool has(struct span text, char byte)
{
    return span_find(text, byte) < text.size;
}

static void check_line(enum repair_id id, const struct situation *situation, struct span line)
{
    char first[4096], second[4096];
    struct mended once = {.text = text_over(first, line.size + MENDED_GROWTH_MAX)};
    struct mended twice = {.text = text_over(second, sizeof(second))};
    enum verdict verdict = mend(id, situation, line, &once);
    struct command before, after;
    struct span mended;

    if (verdict == BEYOND) {
        cr_assert(once.plan.answer_here && once.plan.code >= 500 && once.plan.words.size > 0);
        cr_assert_eq(once.plan.status.at[0] - '0', once.plan.code / 100);
    }
    if (verdict != REPAIRED)
        return;
    mended = text_span(&once.text);
    cr_assert(!has(mended, '\r') || has(line, '\r'));
    cr_assert(!has(mended, '\n') || has(line, '\n'));
    cr_assert(!has(mended, '\0') || has(line, '\0'));
    command_parse(line, &before);
    command_parse(mended, &after);
    cr_assert(after.verb == before.verb || before.verb == VERB_UNKNOWN);
    verdict = mend(id, situation, mended, &twice);
    cr_assert(verdict == UNTOUCHED, "%.*s: %.*s is mended again, to %.*s", (int)line.size, line.at,
              (int)mended.size, mended.at, (int)twice.text.size, twice.text.at);
}

Test(mend_lines, whatever_comes_stays_one_clean_line_and_is_mended_once, .timeout = 60)
{
    static const struct view view = {.greeted = true};
    static const struct envelope envelope;
    struct situation situation = known;
    struct seed seed = {42};
    char memory[1024];
    uint32_t round, id;

    situation.client = situation.upstream = &view;
    situation.envelope = &envelope;
    situation.rewrite = &rewrite;
    situation.account = SPAN("scanner@shop.example");
    for (round = 0; round < 5 * ROUNDS; round++) {
        struct span line = garbage(&seed, memory, sizeof(memory));

        for (id = 0; id < REPAIR_COUNT; id++) {
            enum repair_stage stage = repair_row((enum repair_id)id)->stage;

            if (stage == STAGE_COMMAND || stage == STAGE_SENDING)
                check_line((enum repair_id)id, &situation, line);
        }
    }
}
