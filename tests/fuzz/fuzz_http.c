/* The reader of HTTP answers: one byte of where to cut, then what a server says. Whole and cut it
 * must come to the same. */

#include "lockstep/base/must.h"

#include "fuzz.h"
#include "reader.h"

static bool within(const char *memory, size_t size, struct span part)
{
    return part.size == 0 || (part.at >= memory && part.at <= memory + size &&
                              part.size <= size - (part.at - memory));
}

static void check_done(const struct reader *reader, struct http_answer *answer)
{
    uint32_t i;

    reader_answer(reader, answer);
    must(answer->status >= 200 && answer->status <= 599 && answer->error.size == 0);
    must(answer->header_count <= HTTP_HEADERS_MAX);
    must(within(reader->body, sizeof(reader->body), answer->body));
    for (i = 0; i < answer->header_count; i++) {
        must(answer->headers[i].name.size > 0);
        must(within(reader->head, sizeof(reader->head), answer->headers[i].name));
        must(within(reader->head, sizeof(reader->head), answer->headers[i].value));
    }
}

static enum reading read_all(struct reader *reader, struct span input, size_t piece)
{
    enum reading reading = READING_MORE;

    reader_init(reader);
    while (reading == READING_MORE && input.size > 0) {
        struct span head = span_head(input, piece);

        reading = reader_take(reader, head);
        input = span_tail(input, head.size);
    }
    return reading == READING_MORE ? reader_end(reader, false) : reading;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct reader whole, cut;
    struct span input = span_tail(span_of((const char *)data, size), 1);
    size_t piece = size > 0 ? 1U + data[0] : 1;
    struct http_answer one, other;
    enum reading reading = read_all(&whole, input, input.size > 0 ? input.size : 1);
    uint32_t i;

    must(reading != READING_MORE);
    must(reading == read_all(&cut, input, piece));
    if (reading == READING_BAD) {
        must(reader_problem(&whole).size > 0);
        return 0;
    }
    check_done(&whole, &one);
    check_done(&cut, &other);
    must(one.status == other.status && span_equal(one.body, other.body));
    must(one.header_count == other.header_count);
    for (i = 0; i < one.header_count; i++) {
        must(span_equal(one.headers[i].name, other.headers[i].name));
        must(span_equal(one.headers[i].value, other.headers[i].value));
    }
    reader_wipe(&whole);
    must(whole.body_size == 0 || whole.body[0] == 0);
    return 0;
}
