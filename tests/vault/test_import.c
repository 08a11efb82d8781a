#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "folder.h"
#include "lockstep/vault/import.h"
#include "vault/private.h"

/* As Postfix's documentation has it, with what people make of it. */
static const char postfix[] = "# comment\n"
                              "[smtp.one.example]:587  one@one.example:pass:with:colons\n"
                              "  # comment of a continued line\n"
                              "smtp.two.example\n"
                              "\ttwo:secret two \n"
                              "\n"
                              "[::1]:submission six:6\n"
                              "smtp.one.example any:port\r\n"
                              "boss@shop.example boss@shop.example:chief\n"
                              "@shop.example     all@shop.example:staff\n"
                              "smtp.three.example:2525 three:\n"
                              "smtp.three.example three:3";

static const char msmtp[] = "# comment\n"
                            "defaults\n"
                            "auth on\n"
                            "tls on\n"
                            "port 587\n"
                            "account one\n"
                            "host smtp.one.example\n"
                            "from one@one.example\n"
                            "user \"one user\"\n"
                            "password \"one \"quoted\" pass\"\n"
                            "account two : one\n"
                            "from *@two.example\n"
                            "passwordeval \"pass show two | head -n1\"\n"
                            "\n"
                            "account three\n"
                            "  host smtp.three.example\n"
                            "  port 25\n"
                            "  user three\n"
                            "  password 3\n"
                            "account four\n"
                            "host smtp.one.example\n"
                            "from four@four.example\n"
                            "user four\n"
                            "password 4\n"
                            "account default : four\n";

static const char netrc[] =
    "machine smtp.one.example login one password \"one \\\"quoted\\\" \\\\pass\" # comment\n"
    "machine smtp.two.example\n"
    "  login two account ignored\n"
    "  password #2\n"
    "macdef init\n"
    "machine smtp.macro.example login no password no\n"
    "\n"
    "machine smtp.one.example login other password 1b\n"
    "machine smtp.none.example login none\n"
    "default login anonymous password guest";

static const char token[] = "{\"access_token\": \"a\", \"refresh_token\": \"r\\u0021\",\n"
                            " \"expiry\": \"1700000000\", \"user\": \"t\\u006fm\"}";

struct row {
    const char *file;
    enum config_format format;
    const char *sender;
    const char *host;
    uint16_t port;
    const char *only;
    enum import_kind kind;
    const char *user; /* NULL: there is no entry */
    const char *secret;
};

static const struct row rows[] = {
    {postfix, FORMAT_POSTFIX, "x@x.example", "smtp.one.example", 587, "", IMPORT_PASSWORD,
     "one@one.example", "pass:with:colons"},
    {postfix, FORMAT_POSTFIX, "", "SMTP.one.example", 25, "", IMPORT_PASSWORD, "any", "port"},
    {postfix, FORMAT_POSTFIX, "", "smtp.two.example", 25, "", IMPORT_PASSWORD, "two", "secret two"},
    {postfix, FORMAT_POSTFIX, "", "::1", 587, "", IMPORT_PASSWORD, "six", "6"},
    {postfix, FORMAT_POSTFIX, "", "::1", 25, "", IMPORT_PASSWORD, NULL, NULL},
    {postfix, FORMAT_POSTFIX, "boss@shop.example", "smtp.one.example", 587, "", IMPORT_PASSWORD,
     "boss@shop.example", "chief"},
    {postfix, FORMAT_POSTFIX, "Boy@Shop.example", "no.example", 25, "", IMPORT_PASSWORD,
     "all@shop.example", "staff"},
    {postfix, FORMAT_POSTFIX, "boss@shop.example.net", "no.example", 25, "", IMPORT_PASSWORD, NULL,
     NULL},
    {postfix, FORMAT_POSTFIX, "boss@shop.example", "smtp.one.example", 587, "any", IMPORT_PASSWORD,
     "any", "port"},
    {postfix, FORMAT_POSTFIX, "", "smtp.three.example", 2525, "", IMPORT_PASSWORD, "three", "3"},

    {msmtp, FORMAT_MSMTP, "one@one.example", "smtp.one.example", 587, "", IMPORT_PASSWORD,
     "one user", "one \"quoted\" pass"},
    {msmtp, FORMAT_MSMTP, "a@two.example", "smtp.one.example", 587, "", IMPORT_COMMAND, "one user",
     "pass show two | head -n1"},
    {msmtp, FORMAT_MSMTP, "x@x.example", "smtp.one.example", 587, "", IMPORT_PASSWORD, "four", "4"},
    {msmtp, FORMAT_MSMTP, "one@one.example", "smtp.three.example", 25, "", IMPORT_PASSWORD, "three",
     "3"},
    {msmtp, FORMAT_MSMTP, "one@one.example", "smtp.three.example", 587, "", IMPORT_PASSWORD, NULL,
     NULL},
    {msmtp, FORMAT_MSMTP, "one@one.example", "smtp.other.example", 587, "", IMPORT_PASSWORD, NULL,
     NULL},

    {netrc, FORMAT_NETRC, "", "smtp.one.example", 587, "", IMPORT_PASSWORD, "one",
     "one \"quoted\" \\pass"},
    {netrc, FORMAT_NETRC, "", "smtp.one.example", 587, "other", IMPORT_PASSWORD, "other", "1b"},
    {netrc, FORMAT_NETRC, "", "smtp.two.example", 587, "", IMPORT_PASSWORD, "two", "#2"},
    {netrc, FORMAT_NETRC, "", "smtp.macro.example", 25, "", IMPORT_PASSWORD, "anonymous", "guest"},
    {netrc, FORMAT_NETRC, "", "smtp.none.example", 25, "", IMPORT_PASSWORD, "anonymous", "guest"},

    {token, FORMAT_TOKEN, "a@b.example", "any.example", 25, "", IMPORT_TOKEN, "tom", token},
};

Test(import, finds_what_the_other_program_would)
{
    char words[256];
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct import_wish wish = {span_of_string(row->sender), span_of_string(row->host),
                                   row->port, span_of_string(row->only)};
        struct text error = text_over(words, sizeof(words));
        struct import *import = import_read(span_of_string(row->file), FORMAT_AUTO, &error);
        const struct import_entry *entry;

        cr_assert_not_null(import, "row %zu: %.*s", i, (int)error.size, words);
        cr_expect_eq(import->format, row->format, "row %zu", i);
        entry = import_find(import, &wish);
        cr_expect_eq(entry == NULL, row->user == NULL, "row %zu", i);
        if (entry != NULL && row->user != NULL) {
            cr_expect_eq(entry->kind, row->kind, "row %zu", i);
            cr_expect(span_equal(entry->user, span_of_string(row->user)), "row %zu: %.*s", i,
                      (int)entry->user.size, entry->user.at);
            cr_expect(span_equal(entry->secret, span_of_string(row->secret)), "row %zu: %.*s", i,
                      (int)entry->secret.size, entry->secret.at);
        }
        import_close(&import);
    }
}

Test(import, says_in_which_line_and_repeats_no_secret)
{
    static const struct {
        const char *file;
        enum config_format format;
        const char *says;
    } wrong[] = {
        {"a.example b:c\nhunter2\n", FORMAT_AUTO, "line 2: this is no \"[host]:port user:"},
        {"a.example hunter2\n", FORMAT_AUTO, "line 1: this is no"},
        {"[a.example]:high u:hunter2\n", FORMAT_AUTO, "line 1: this is no"},
        {"[] u:hunter2\n", FORMAT_AUTO, "line 1: this is no"},
        {"account a\nport hunter2\n", FORMAT_AUTO, "line 2: this is no port"},
        {"account a\n\naccount b : hunter2\n", FORMAT_AUTO, "line 3: there is no such account"},
        {"defaults\neval hunter2\n", FORMAT_AUTO, "line 2: eval is not read"},
        {"machine a login b password hunter2 hunter2\n", FORMAT_AUTO, "line 1: this word is none"},
        {"machine a\nlogin b\npassword \"hunter2\n", FORMAT_AUTO, "line 3: a quote is missing"},
        {"machine a login", FORMAT_AUTO, "line 1: the file ends too soon"},
        {"login a password hunter2", FORMAT_NETRC, "line 1: no machine was named"},
        {"{\"refresh_token\":\n hunter2}", FORMAT_AUTO, "line 2: it is no JSON"},
        {"{\"token\": \"hunter2\"}", FORMAT_AUTO, "line 1: neither refresh_token nor"},
        {"", FORMAT_TOKEN, "line 1: it is no JSON"},
    };
    char words[256];
    size_t i;

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct text error = text_over(words, sizeof(words) - 1);

        memset(words, 0, sizeof(words));
        cr_expect_null(import_read(span_of_string(wrong[i].file), wrong[i].format, &error),
                       "row %zu", i);
        cr_expect_eq(strncmp(words, wrong[i].says, strlen(wrong[i].says)), 0, "row %zu: %s", i,
                     words);
        cr_expect_null(strstr(words, "hunter2"), "row %zu: %s", i, words);
    }
}

Test(import, is_no_database)
{
    static const char lmdb[] = "a.example\0b:c";
    char words[256];
    struct text error = text_over(words, sizeof(words));

    cr_assert_null(import_read(span_of(lmdb, sizeof(lmdb)), FORMAT_AUTO, &error));
    cr_assert(span_starts(text_span(&error), SPAN("it is no text")));
}

Test(import, has_bounds)
{
    static char big[2 * SECRET_BYTES_MAX];
    static char many[8 * (IMPORT_ENTRIES_MAX + 1) + 1];
    char words[256];
    struct text error = text_over(words, sizeof(words));
    size_t i;

    snprintf(big, sizeof(big), "a.example u:%0*d", (int)SECRET_BYTES_MAX + 1, 7);
    cr_assert_null(import_read(span_of_string(big), FORMAT_AUTO, &error));
    cr_assert(span_starts(text_span(&error), SPAN("the entry a.example is too long")));
    for (i = 0; i <= IMPORT_ENTRIES_MAX; i++)
        snprintf(many + 8 * i, 9, "a.b c:d\n");
    text_clear(&error);
    cr_assert_null(import_read(span_of_string(many), FORMAT_AUTO, &error));
    cr_assert(span_starts(text_span(&error), SPAN("line 16385: more than 16384 entries")));
}

Test(import, of_a_file_that_others_may_read_is_refused)
{
    static const mode_t modes[] = {0640, 0604, 0620, 0666};
    char words[512];
    struct text error = text_over(words, sizeof(words));
    struct import *import;
    struct stamp stamp;
    size_t i;

    for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        const char *path = folder_text("netrc", modes[i], netrc);

        text_clear(&error);
        cr_expect_null(import_open(span_of_string(path), FORMAT_AUTO, &stamp, &error));
        cr_expect(span_find_span(text_span(&error), SPAN(": chmod 600 ")) < error.size);
    }
    import =
        import_open(span_of_string(folder_text("netrc", 0600, netrc)), FORMAT_AUTO, &stamp, &error);
    cr_assert_not_null(import);
    import_close(&import);
}

Test(import, follows_to_token_files)
{
    struct import_wish wish = {.host = SPAN("a.example"), .port = 25};
    char words[512];
    struct text error = text_over(words, sizeof(words));
    const struct import_entry *entry;
    struct import *import;
    struct stamp stamp;
    char file[512];

    snprintf(file, sizeof(file), "a.example tom:%s\nb.example bob:/no/such/file\n",
             folder_text("tom", 0600, token));
    folder_text("map", 0600, file);
    import = import_open(span_of_string(folder_path("map")), FORMAT_AUTO, &stamp, &error);
    cr_assert_not_null(import, "%.*s", (int)error.size, words);
    entry = import_find(import, &wish);
    cr_assert_not_null(entry);
    cr_expect_eq(entry->kind, IMPORT_TOKEN);
    cr_expect(span_equal(entry->user, SPAN("tom")));
    cr_expect(span_equal(entry->secret, span_of_string(token)));
    cr_expect(span_equal(entry->file, span_of_string(folder_path("tom"))));
    wish.host = SPAN("b.example");
    entry = import_find(import, &wish);
    cr_assert_not_null(entry);
    cr_expect_eq(entry->kind, IMPORT_PASSWORD, "a password may look like a path");
    import_close(&import);
    folder_text("tom", 0644, token);
    cr_expect_null(import_open(span_of_string(folder_path("map")), FORMAT_AUTO, &stamp, &error));
}
