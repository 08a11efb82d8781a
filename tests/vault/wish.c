/* A login that the tests of SASL try. */
#include <criterion/criterion.h>

#include "lockstep/net/adviser.h"
#include "wish.h"

static char line_memory[ANSWER_BYTES_MAX];

struct sasl_wish wish_for(uint32_t mechanisms)
{
    return (struct sasl_wish){
        .mechanisms = mechanisms,
        .identity = SPAN(USER),
        .secret = SPAN(PASSWORD),
        .host = SPAN("mail.example"),
        .port = 587,
        .room = ROOM,
    };
}

struct sasl *wish_begin(const struct sasl_wish *wish, struct text *line)
{
    *line = text_over(line_memory, sizeof(line_memory));
    return sasl_begin(wish, line);
}

void wish_said(const struct text *line, const char *wanted)
{
    struct span said = text_span(line);

    cr_assert(span_equal(said, span_of_string(wanted)), "said %.*s, not %s", (int)said.size,
              said.at, wanted);
}
