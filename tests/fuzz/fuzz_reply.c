/* reply_parse: two bytes of limit, then what an upstream says. */
#include "lockstep/base/must.h"
#include "lockstep/smtp/extension.h"

#include "fuzz.h"

static void check_lines(const struct reply *reply)
{
    struct span rest = reply->all;
    struct span text, last = {"", 0};
    uint32_t lines = 0;

    while (reply_line(&rest, &text)) {
        last = text;
        lines++;
    }
    must(lines == reply->lines && span_equal(last, reply->text));
    must(span_starts(reply->text, reply->enhanced));
}

static void check_reply(struct span input, size_t limit, const struct reply *reply)
{
    struct capabilities offer;
    struct reply other;

    must(reply->code >= 200 && reply->code <= 599);
    must(reply->taken > 0 && reply->taken <= limit && reply->taken <= input.size);
    must(reply->all.at == input.at && reply->all.size == reply->taken);
    must(input.at[reply->taken - 1] == '\n');
    must(reply_parse(span_head(input, reply->taken - 1), limit, &other) == PARSED_MORE);
    must(reply_parse(span_head(input, reply->taken), limit, &other) == PARSED);
    must(other.code == reply->code && other.taken == reply->taken && other.odd == reply->odd);
    check_lines(reply);
    capabilities_parse(reply, &offer);
    must(reply->lines > 1 || offer.offered == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t limit = size > 1 ? 1 + data[0] + 256 * (size_t)(data[1] & 3) : 1;
    struct span input = span_tail(span_of((const char *)data, size), 2);
    struct reply reply;
    enum parsed state;

    while ((state = reply_parse(input, limit, &reply)) == PARSED) {
        check_reply(input, limit, &reply);
        input = span_tail(input, reply.taken);
    }
    must(state == PARSED_BAD || input.size < limit);
    return 0;
}
