/* EHLO keywords, from their one list. */
#include "lockstep/smtp/extension.h"
#include "lockstep/base/must.h"

static const struct extension_facts facts[] = {
#define EXTENSION_ROW(name, keyword, relay) {SPAN_INIT(keyword), relay},
    EXTENSIONS(EXTENSION_ROW)
#undef EXTENSION_ROW
};

_Static_assert(sizeof(facts) / sizeof(facts[0]) <= 32, "one bit per extension");

const struct extension_facts *extension_facts(enum extension extension)
{
    must(extension < EXTENSION_NONE);
    return &facts[extension];
}

enum extension extension_find(struct span line, struct span *parameters_r)
{
    struct span rest = line;
    struct span word;
    size_t i;

    span_word(&rest, &word);
    if (span_starts_fold(word, SPAN("AUTH="))) {
        rest = span_tail(span_trim(line), SPAN("AUTH=").size);
        word = SPAN("AUTH");
    }
    if (parameters_r)
        *parameters_r = span_trim(rest);
    for (i = 0; i < EXTENSION_NONE; i++) {
        if (span_equal_fold(facts[i].keyword, word))
            return (enum extension)i;
    }
    return EXTENSION_NONE;
}

bool capabilities_offer(const struct capabilities *capabilities, enum extension extension)
{
    return (capabilities->offered >> extension & 1U) != 0;
}

bool capabilities_whole(const struct capabilities *capabilities)
{
    uint32_t lost = capabilities->offered & ~capabilities->plain;
    size_t i;

    for (i = 0; i < EXTENSION_NONE; i++) {
        if ((lost >> i & 1U) != 0 && facts[i].relay == OFFER_PASSED && i != EXTENSION_AUTH)
            return false;
    }
    return true;
}

void capabilities_add(struct capabilities *capabilities, enum extension extension)
{
    capabilities->offered |= 1U << extension;
}

void capabilities_parse(const struct reply *reply, struct capabilities *capabilities_r)
{
    struct span rest = reply->all;
    struct span line, parameters;

    *capabilities_r = (struct capabilities){0};
    reply_line(&rest, &line); /* RFC 5321 4.1.1.1: the first line is the greeting */
    while (reply_line(&rest, &line)) {
        enum extension extension = extension_find(line, &parameters);

        if (extension == EXTENSION_NONE)
            continue;
        capabilities_add(capabilities_r, extension);
        if (parameters.size == 0)
            capabilities_r->plain |= 1U << extension;
        if (extension == EXTENSION_AUTH)
            capabilities_r->mechanisms |= mechanisms_parse(parameters);
        if (extension == EXTENSION_XCLIENT)
            capabilities_r->xclient |= attributes_parse(parameters) & xclient_attributes();
        if (extension == EXTENSION_XFORWARD)
            capabilities_r->xforward |= attributes_parse(parameters) & xforward_attributes();
        if (extension == EXTENSION_SIZE)
            span_number(parameters, &capabilities_r->size_bytes);
    }
}
