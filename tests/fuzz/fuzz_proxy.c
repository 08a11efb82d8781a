/* proxy_parse: what claims to be a PROXY header. What is found in one can be written, and then
 * read again as the same. */
#include <string.h>

#include "lockstep/base/must.h"
#include "lockstep/smtp/proxy_header.h"

#include "fuzz.h"

static bool within(struct span input, struct span part)
{
    return part.size == 0 || (part.at >= input.at && part.at + part.size <= input.at + input.size);
}

static bool same_point(const struct proxy_point *one, const struct proxy_point *other)
{
    return memcmp(one->ip, other->ip, sizeof(one->ip)) == 0 && one->port == other->port;
}

/* Version 1 says nothing of TLS, and of an end that is not a client's only that. */
static void check_written(const struct proxy_header *header)
{
    char memory[PROXY_WRITTEN_BYTES_MAX];
    struct text out = text_over(memory, sizeof(memory));
    struct proxy_header again;

    proxy_write(header, &out);
    must(!out.cut);
    must(proxy_parse(text_span(&out), &again) == PARSED);
    must(again.taken == out.size && again.version == header->version);
    must(again.whose == header->whose);
    must(same_point(&again.client, &header->client) && same_point(&again.server, &header->server));
    must(again.tls == header->tls && again.verified == header->verified);
    must(span_equal(again.tls_version, header->tls_version));
    must(span_equal(again.common_name, header->common_name));
}

static void check_header(struct span input, const struct proxy_header *header)
{
    struct proxy_header other;
    size_t most = header->version == PROXY_V1 ? PROXY_LINE_BYTES_MAX : PROXY_HEADER_BYTES_MAX;

    must(header->taken > 0 && header->taken <= most && header->taken <= input.size);
    must(within(span_head(input, header->taken), header->tls_version));
    must(within(span_head(input, header->taken), header->common_name));
    must(header->common_name.size == 0 || header->verified);
    must(header->tls || (!header->verified && header->tls_version.size == 0));
    must(proxy_parse(span_head(input, header->taken - 1), &other) == PARSED_MORE);
    must(proxy_parse(span_head(input, header->taken), &other) == PARSED);
    check_written(header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = span_of((const char *)data, size);
    struct proxy_header header;

    switch (proxy_parse(input, &header)) {
    case PARSED:
        check_header(input, &header);
        break;
    case PARSED_MORE:
        must(size < PROXY_HEADER_BYTES_MAX);
        break;
    case PARSED_BAD:
        must(header.wrong != NULL && header.wrong[0] != 0);
        break;
    }
    return 0;
}
