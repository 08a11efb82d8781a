#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "vault/oauth_keep.h"
#include "vault/secret_json.h"

#define MARK SPAN("mark")

/* Static, for they are large. */
static struct oauth_record record, other;
static struct secret json;

static char folder[64];
static char path[128];
static struct oauth_keep keep;
static char words[OAUTH_WORDS_MAX];
static struct text error;

static void make_folder(void)
{
    static struct config_credential definition;
    static struct oauth_party party;

    snprintf(folder, sizeof(folder), "/tmp/lockstep-keep-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/tokens.json", folder);
    definition.name = SPAN("scanner");
    definition.oauth.token_file = span_of_string(path);
    memcpy(party.mark, MARK.at, MARK.size);
    oauth_keep_init(&keep, &definition, &party, NULL);
    error = text_over(words, sizeof(words));
}

static void remove_folder(void)
{
    (void)unlink(path);
    (void)rmdir(folder);
}

static void fill(struct oauth_record *filled)
{
    oauth_record_clear(filled);
    cr_assert(secret_set(&filled->access, SPAN("access-1")));
    cr_assert(secret_set(&filled->refresh, SPAN("refresh-1")));
    filled->came = 1750000000000;
    filled->ends = 1750003600000;
}

static bool same(const struct secret *one, const struct secret *two)
{
    return span_equal(secret_reveal(one), secret_reveal(two));
}

Test(oauth_keep, a_record_comes_back_as_it_was)
{
    fill(&record);
    oauth_record_fail(&record, 1750000001000, SPAN("because \"so\""), true);
    cr_assert(oauth_record_write(&record, MARK, SPAN(""), &json));
    cr_assert(oauth_record_read(&other, secret_reveal(&json)));
    cr_assert(same(&record.access, &other.access) && same(&record.refresh, &other.refresh));
    cr_assert_eq(other.came, record.came);
    cr_assert_eq(other.ends, record.ends);
    cr_assert_eq(other.failed, record.failed);
    cr_assert(other.barred);
    cr_assert_str_eq(other.error, record.error);
}

Test(oauth_keep, a_success_forgets_the_failure_and_keeps_the_refresh_token)
{
    static struct oauth_tokens tokens;

    fill(&record);
    oauth_record_fail(&record, 1750000001000, SPAN("because"), true);
    cr_assert(secret_set(&tokens.access, SPAN("access-2")));
    tokens.life_ms = 60000;
    oauth_record_grant(&other, &record, &tokens, 1750000002000);
    cr_assert(same(&other.refresh, &record.refresh));
    cr_assert(same(&other.access, &tokens.access));
    cr_assert_eq(other.ends, 1750000062000);
    cr_assert_eq(other.failed, 0);
    cr_assert_not(other.barred);
    cr_assert(
        oauth_record_write(&other, MARK, SPAN("{\"error\":\"old\",\"failed\":\"5\"}"), &json));
    cr_assert(oauth_record_read(&record, secret_reveal(&json)));
    cr_assert_eq(record.failed, 0);
    cr_assert_str_eq(record.error, "");
}

Test(oauth_keep, another_programs_file_keeps_what_is_its_own)
{
    json_t *object;

    cr_assert(oauth_record_read(&record, SPAN("{\"access_token\":\"a\",\"refresh_token\":\"r\","
                                              "\"expiry\":\"1750003600\"}")));
    cr_assert_eq(record.ends, 1750003600000);
    cr_assert_eq(record.came, 1750000000000, "it does not say, so an hour before");
    cr_assert(oauth_record_write(&record, MARK, SPAN("{\"proxy\":\"kept\"}"), &json));
    object = secret_json_read(secret_reveal(&json));
    cr_assert(span_equal(secret_json_text(object, "proxy"), SPAN("kept")));
    cr_assert(span_equal(secret_json_text(object, "expiry"), SPAN("1750003600")));
    json_decref(object);
}

Test(oauth_keep, what_is_too_long_costs_the_access_token_only)
{
    static char bytes[SECRET_BYTES_MAX];

    memset(bytes, 'x', sizeof(bytes));
    fill(&record);
    cr_assert(secret_set(&record.access, span_of(bytes, sizeof(bytes))));
    cr_assert(oauth_record_write(&record, MARK, SPAN(""), &json));
    cr_assert(oauth_record_read(&other, secret_reveal(&json)));
    cr_assert_eq(other.access.size, 0);
    cr_assert_eq(other.ends, 0, "without a token there is nothing that ends");
    cr_assert(same(&other.refresh, &record.refresh));
    cr_assert(secret_set(&record.refresh, span_of(bytes, sizeof(bytes))));
    cr_assert_not(oauth_record_write(&record, MARK, SPAN(""), &json));
}

Test(oauth_keep, what_is_no_object_is_no_record)
{
    static const char *const rows[] = {"", "[]", "5", "{", "password"};
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_assert_not(oauth_record_read(&record, span_of_string(rows[i])), "row %zu", i);
}

Test(oauth_keep, a_file_is_written_whole_and_for_its_owner, .init = make_folder,
     .fini = remove_folder)
{
    struct stat is;

    cr_assert_eq(oauth_keep_read(&keep, &record, &error), OAUTH_KEPT_NOTHING);
    fill(&record);
    cr_assert_eq(oauth_keep_write(&keep, &record, &error), OAUTH_KEPT, "%s", words);
    cr_assert_not(oauth_keep_changed(&keep), "we wrote it ourselves");
    cr_assert_eq(stat(path, &is), 0);
    cr_assert_eq(is.st_mode & 0777, 0600);
    cr_assert_eq(oauth_keep_read(&keep, &other, &error), OAUTH_KEPT);
    cr_assert(same(&record.refresh, &other.refresh));
}

Test(oauth_keep, a_file_that_is_not_there_yet_has_not_changed, .init = make_folder,
     .fini = remove_folder)
{
    cr_assert_eq(oauth_keep_read(&keep, &record, &error), OAUTH_KEPT_NOTHING);
    cr_assert_not(oauth_keep_changed(&keep));
}

Test(oauth_keep, somebody_elses_writing_is_noticed, .init = make_folder, .fini = remove_folder)
{
    struct oauth_keep theirs = keep;

    fill(&record);
    cr_assert_eq(oauth_keep_write(&keep, &record, &error), OAUTH_KEPT);
    cr_assert(secret_set(&record.refresh, SPAN("refresh-2")));
    cr_assert_eq(oauth_keep_write(&theirs, &record, &error), OAUTH_KEPT);
    cr_assert(oauth_keep_changed(&keep));
    cr_assert_eq(oauth_keep_read(&keep, &other, &error), OAUTH_KEPT);
    cr_assert(same(&other.refresh, &record.refresh));
    cr_assert_not(oauth_keep_changed(&keep));
}

Test(oauth_keep, tokens_of_another_user_or_endpoint_are_none, .init = make_folder,
     .fini = remove_folder)
{
    struct oauth_keep theirs = keep;

    theirs.mark = SPAN("another");
    fill(&record);
    cr_assert_eq(oauth_keep_write(&theirs, &record, &error), OAUTH_KEPT);
    cr_assert_eq(oauth_keep_read(&keep, &other, &error), OAUTH_KEPT_NOTHING);
    cr_assert_eq(other.refresh.size, 0);
    cr_assert_eq(oauth_keep_read(&theirs, &other, &error), OAUTH_KEPT);
}

Test(oauth_keep, what_others_can_read_is_refused, .init = make_folder, .fini = remove_folder)
{
    fill(&record);
    cr_assert_eq(oauth_keep_write(&keep, &record, &error), OAUTH_KEPT);
    cr_assert_eq(chmod(path, 0644), 0);
    cr_assert_eq(oauth_keep_read(&keep, &other, &error), OAUTH_KEPT_FAILED);
    cr_assert_lt(span_find_span(text_span(&error), SPAN("chmod 600")), error.size);
    cr_assert_eq(other.refresh.size, 0);
}
