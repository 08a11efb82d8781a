/* What an OAuth endpoint, a browser or a file of tokens may say: one byte of status, one of which
 * of them, then what is said. */
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "vault/oauth_keep.h"

#include "fuzz.h"

#define GIVEN "refresh-token-of-the-fuzzer"

static struct oauth_tokens tokens;
static struct oauth_device device;
static struct oauth_verdict verdict;
static struct oauth_record record, again;
static struct secret text;

static void check_shown(struct span shown)
{
    size_t i;

    for (i = 0; i < shown.size; i++)
        must(shown.at[i] >= ' ' && shown.at[i] <= '~');
}

/* Words are for logs and clients: one line, and nothing of what was asked with. */
static void check_verdict(void)
{
    struct span words = text_span(&verdict.words);

    check_shown(words);
    must(span_find_span(words, SPAN(GIVEN)) == words.size);
    must((verdict.outcome == OAUTH_GRANTED) == (words.size == 0));
    must(verdict.put_off_ms == 0);
}

static void check_answer(const struct http_answer *answer)
{
    static struct oauth_party party;
    struct oauth_ask ask = {.party = &party, .given = SPAN(GIVEN), .secret = SPAN("client")};

    oauth_read_tokens(&ask, answer, &tokens, &verdict);
    check_verdict();
    check_shown(secret_reveal(&tokens.access));
    check_shown(secret_reveal(&tokens.refresh));
    must(verdict.outcome != OAUTH_GRANTED || (tokens.access.size > 0 && tokens.life_ms > 0));
    oauth_read_device(&ask, answer, &device, &verdict);
    check_verdict();
    check_shown(span_of_string(device.url));
    check_shown(span_of_string(device.user_code));
    must(verdict.outcome != OAUTH_GRANTED || (device.interval_ms > 0 && device.code.size > 0));
}

static void check_redirect(struct span said)
{
    struct oauth_proof proof = {.state = "state"};
    char memory[256];
    struct text error = text_over(memory, sizeof(memory));
    bool taken = oauth_read_redirect(said, &proof, &text, &error);

    check_shown(text_span(&error));
    must(taken == (error.size == 0) && taken == (text.size > 0));
}

/* What is read is written, and then read again as the same. */
static void check_record(struct span said)
{
    if (!oauth_record_read(&record, said) || !oauth_record_write(&record, SPAN("m"), said, &text))
        return;
    must(oauth_record_read(&again, secret_reveal(&text)));
    must(again.refresh.size == record.refresh.size && again.failed == record.failed);
    must(again.access.size == record.access.size || again.access.size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span said = span_tail(span_of((const char *)data, size), 2);

    if (size < 2)
        return 0;
    switch (data[1] % 3) {
    case 0:
        check_answer(&(struct http_answer){
            .status = (uint16_t)(200 + data[0] % 4 * 100 + data[0] / 64), .body = said});
        break;
    case 1:
        check_redirect(said);
        break;
    case 2:
        check_record(said);
        break;
    }
    return 0;
}
