/* identity_parse, attributes_parse and xtext over each line of the input. */
#include <string.h>

#include "lockstep/base/must.h"
#include "lockstep/smtp/identity.h"
#include "lockstep/smtp/xtext.h"

#include "fuzz.h"

/* Every line of ours that can come of a line that was read must be read as the same. */
static void check_again(const struct identity *identity, uint16_t known)
{
    char said[4U * IDENTITY_BYTES_MAX], bytes[IDENTITY_BYTES_MAX];
    struct text line = text_over(said, sizeof(said)), memory = text_over(bytes, sizeof(bytes));
    struct identity again;
    size_t i;

    for (i = 0; i < ATTRIBUTE_COUNT; i++) {
        if ((identity->given & ATTRIBUTE_BIT(i)) != 0)
            attribute_say((enum attribute)i, identity->values[i], &line);
    }
    must(!line.cut);
    must(identity_parse(text_span(&line), known, &memory, &again).size == 0);
    must(again.given == identity->given);
    for (i = 0; i < ATTRIBUTE_COUNT; i++)
        must(span_equal(again.values[i], identity->values[i]));
}

static void check_command(struct span words, uint16_t known)
{
    char bytes[IDENTITY_BYTES_MAX];
    struct text memory = text_over(bytes, sizeof(bytes));
    struct identity identity;
    size_t i;

    if (identity_parse(words, known, &memory, &identity).size > 0)
        return;
    must(identity.given != 0 && (identity.given & ~known) == 0 && !memory.cut);
    for (i = 0; i < ATTRIBUTE_COUNT; i++) {
        struct span value = identity.values[i];

        must(value.size <= ATTRIBUTE_BYTES_MAX);
        must(value.size == 0 || (identity.given & ATTRIBUTE_BIT(i)) != 0);
        must(span_find(value, '\r') == value.size && span_find(value, '\n') == value.size &&
             span_find(value, '\0') == value.size);
    }
    check_again(&identity, known);
}

static void check_xtext(struct span line)
{
    char said[3U * 512U], bytes[512];
    struct text text = text_over(said, sizeof(said)), back = text_over(bytes, sizeof(bytes));

    line = span_head(line, sizeof(bytes));
    xtext_encode(line, &text);
    must(!text.cut && xtext_decode(text_span(&text), &back));
    must(span_equal(text_span(&back), line));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = span_of((const char *)data, size);

    while (rest.size > 0) {
        size_t end = span_find(rest, '\n');
        struct span line = span_head(rest, end);

        check_command(line, xclient_attributes());
        check_command(line, xforward_attributes());
        check_xtext(line);
        must((attributes_parse(line) >> ATTRIBUTE_COUNT) == 0);
        rest = span_tail(rest, end + 1);
    }
    return 0;
}
