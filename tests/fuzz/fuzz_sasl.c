/* sasl_step: one byte chooses the mechanism, one how challenges are written and how much room there
 * is, and every further line is a challenge. */
#include <gsasl.h>

#include "lockstep/base/must.h"
#include "lockstep/net/adviser.h"
#include "vault/sasl.h"

#include "fuzz.h"

#define CODED 1U   /* challenges are put into base64 first, or nearly none would be any */
#define UNIQUE 2U  /* TLS below 1.3 */
#define NO_ROOM 4U /* the first message answers a challenge */

static char memory[ANSWER_BYTES_MAX];

static void check_line(const struct text *line)
{
    size_t i;

    must(!line->cut);
    for (i = 0; i < line->size; i++)
        must(line->at[i] > ' ' && line->at[i] <= '~');
}

static void check_words(const struct sasl *sasl)
{
    struct span words = sasl_words(sasl);
    size_t i;

    for (i = 0; i < words.size; i++)
        must(words.at[i] >= ' ' && words.at[i] <= '~');
    must(span_find_span(words, SPAN("opensesame")) == words.size);
}

static bool step(struct sasl *sasl, struct span challenge, uint8_t how)
{
    struct text line = text_over(memory, sizeof(memory));
    char *coded = NULL;
    size_t size = 0;
    bool stepped;

    if ((how & CODED) != 0 && challenge.size > 0)
        must(gsasl_base64_to(challenge.at, challenge.size, &coded, &size) == GSASL_OK);
    stepped = sasl_step(sasl, coded != NULL ? span_of(coded, size) : challenge, &line);
    gsasl_free(coded);
    check_line(&line);
    check_words(sasl);
    must(stepped || (line.size == 0 && !sasl_proven(sasl)));
    return stepped;
}

static bool is_mutual(enum mechanism mechanism)
{
    static const uint32_t mutual =
        MECHANISM_BIT(MECHANISM_SCRAM_SHA_256_PLUS) | MECHANISM_BIT(MECHANISM_SCRAM_SHA_256) |
        MECHANISM_BIT(MECHANISM_SCRAM_SHA_1_PLUS) | MECHANISM_BIT(MECHANISM_SCRAM_SHA_1) |
        MECHANISM_BIT(MECHANISM_DIGEST_MD5);

    return (mutual & MECHANISM_BIT(mechanism)) != 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = span_tail(span_of((const char *)data, size), 2);
    struct text line = text_over(memory, sizeof(memory));
    enum mechanism mechanism = size > 0 ? (enum mechanism)(data[0] % MECHANISM_COUNT) : 0;
    uint8_t how = size > 1 ? data[1] : 0;
    struct sasl_wish wish = {
        .mechanisms = MECHANISM_BIT(mechanism),
        .identity = SPAN("ali baba"),
        .secret = SPAN("opensesame"),
        .bearer = mechanism_facts(mechanism)->bearer,
        .certificate = true,
        .host = SPAN("mail.example"),
        .port = 587,
        .exporter = SPAN("0123456789abcdef0123456789abcdef"),
        .unique = (how & UNIQUE) != 0 ? SPAN("0123456789ab") : SPAN(""),
        .room = (how & NO_ROOM) != 0 ? 0 : 500,
    };
    struct sasl *sasl = sasl_begin(&wish, &line);
    uint32_t steps = 0;

    must(sasl != NULL && sasl_mechanism(sasl) == mechanism);
    while (rest.size > 0) {
        size_t end = span_find(rest, '\n');

        if (!step(sasl, span_head(rest, end), how))
            break;
        rest = span_tail(rest, end + 1);
        must(++steps <= SASL_STEPS_MAX + 1);
    }
    /* Nobody proves by chance that he knows the password. */
    must(!is_mutual(mechanism) || !sasl_proven(sasl));
    sasl_end(&sasl);
    return 0;
}
