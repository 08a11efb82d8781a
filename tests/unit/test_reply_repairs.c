#include <criterion/criterion.h>

#include "mend_check.h"

/* Replies, of the verb of EHLO or of MAIL. */

static struct situation said_to(enum verb verb)
{
    return (struct situation){.verb = verb_facts(verb), .hostname = SPAN("us.example")};
}

Test(reply_repairs, odd_replies)
{
    static const struct mend_row rows[] = {
        {"250 ok\r\n", NULL, 0},
        {"250-a\r\n250 b\r\n", NULL, 0},
        {"250\r\n", NULL, 0},
        {"250 ok\n", "250 ok\r\n", 0},
        {"250-a\n250 b\r\n", "250-a\r\n250 b\r\n", 0},
        {"250-a\r\nwhat\r\n250 b\r\n", "250-a\r\n250-what\r\n250 b\r\n", 0},
        {"250-a\r\n\n251 b\r\n", "251-a\r\n251-\r\n251 b\r\n", 0},
        {"250-a\rb\r\n250 c\r\n", "250-a b\r\n250 c\r\n", 0},
        {"250-a\r\n550 b\r\n", "550-a\r\n550 b\r\n", 0},
        {"no code\r\n", NULL, 0},
        {"250 a\r\n250 b\r\n", NULL, 0}, /* two replies are not one */
        {"250-a\r\n", NULL, 0},
        {"", NULL, 0},
    };
    struct situation situation = said_to(VERB_MAIL);

    MEND_CHECK(REPAIR_ODD_REPLIES, &situation, rows);
}

Test(reply_repairs, padded_keywords)
{
    static const struct mend_row rows[] = {
        {"250 SIZE\r\n", NULL, 0},
        {"250-  x\r\n250 DSN\r\n", NULL, 0},
        {"250-x\r\n250  size 10\r\n", "250-x\r\n250 SIZE 10\r\n", 0},
        {"250-x\r\n250-  \r\n250 DSN\t\r\n", "250-x\r\n250-\r\n250 DSN\r\n", 0},
        {"250-x\r\n250 auth=login Plain\r\n", "250-x\r\n250 AUTH=LOGIN Plain\r\n", 0},
        {"250-x\r\n250 x-anything goes\r\n", NULL, 0},
        {"550-x\r\n550  size\r\n", NULL, 0},
        {"250-x\r\n", NULL, 0},
    };
    struct situation situation = said_to(VERB_EHLO);

    MEND_CHECK(REPAIR_PADDED_KEYWORDS, &situation, rows);
}

Test(reply_repairs, keyword_first)
{
    static const struct mend_row rows[] = {
        {"250-STARTTLS\r\n250-mx.example hi\r\n250 DSN\r\n",
         "250-mx.example hi\r\n250-STARTTLS\r\n250 DSN\r\n", 0},
        {"250-SIZE 10\r\n250 [192.0.2.1]\r\n", "250-[192.0.2.1]\r\n250 SIZE 10\r\n", 0},
        {"250-SIZE 10\r\n250 XNEW\r\n", "250-us.example\r\n250-SIZE 10\r\n250 XNEW\r\n", 0},
        {"250-AUTH=LOGIN\r\n250 mx.example\r\n", "250-mx.example\r\n250 AUTH=LOGIN\r\n", 0},
        {"250-mx.example\r\n250-STARTTLS\r\n250 DSN\r\n", NULL, 0},
        {"250-help\r\n250 DSN\r\n", NULL, 0},
        {"250-HELP at your service\r\n250 DSN\r\n", NULL, 0},
        {"250-DSN [192.0.2.1]\r\n250 SIZE\r\n", NULL, 0},
        {"250- DSN\r\n250 SIZE\r\n", NULL, 0}, /* padded: that comes before */
        {"250 STARTTLS\r\n", NULL, 0},
        {"502-STARTTLS\r\n502 no\r\n", NULL, 0},
    };
    struct situation situation = said_to(VERB_EHLO);

    MEND_CHECK(REPAIR_KEYWORD_FIRST, &situation, rows);
}

Test(reply_repairs, flat_replies)
{
    static const struct mend_row rows[] = {
        {"250 ok\r\n", NULL, 0},
        {"250-a\r\n250 b\r\n", "250 a b\r\n", 0},
        {"250-\r\n250 \r\n", "250\r\n", 0},
        {"250-\r\n250 2.0.0 b\r\n", "250 2.0.0 b\r\n", 0},
        {"550-5.1.1 a\r\n550-5.1.1 b\r\n550 5.1.2 c\r\n", "550 5.1.1 a b 5.1.2 c\r\n", 0},
        {"550-5.1.1\r\n550 5.1.1\r\n", "550 5.1.1\r\n", 0},
        {"334-YQ==\r\n334 Yg==\r\n", NULL, 0}, /* a challenge is no words */
    };
    static const struct mend_row greeting_rows[] = {
        {"250-a\r\n250 DSN\r\n", NULL, 0},
        {"501-a\r\n501 b\r\n", "501 a b\r\n", 0},
    };
    struct situation situation = said_to(VERB_MAIL);

    MEND_CHECK(REPAIR_FLAT_REPLIES, &situation, rows);
    situation = said_to(VERB_EHLO);
    MEND_CHECK(REPAIR_FLAT_REPLIES, &situation, greeting_rows);
}

Test(reply_repairs, remap_codes)
{
    static const struct rewrite rewrite = {.codes = SPAN_INIT("550=450 251=250")};
    static const struct mend_row rows[] = {
        {"250 ok\r\n", NULL, 0},
        {"450 4.1.1 later\r\n", NULL, 0},
        {"550\r\n", "450 \r\n", 0},
        {"550 5.1.1 no\r\n", "450 4.1.1 no\r\n", 0},
        {"550-5.1.1\r\n550 no 5.1.1\r\n", "450-4.1.1\r\n450 no 5.1.1\r\n", 0},
        {"550 4.1.1 of another class\r\n", "450 4.1.1 of another class\r\n", 0},
        {"251-2.1.5 a\r\n251 b\r\n", "250-2.1.5 a\r\n250 b\r\n", 0},
    };
    static const struct mend_row none_named[] = {{"550 no\r\n", NULL, 0}};
    struct situation situation = said_to(VERB_RCPT);

    MEND_CHECK(REPAIR_REMAP_CODES, &situation, none_named);
    situation.rewrite = &rewrite;
    MEND_CHECK(REPAIR_REMAP_CODES, &situation, rows);
}
