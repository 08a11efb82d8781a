/* From the header to what is known of the client, and back. */
#include "through.h"

#include <stdlib.h>
#include <string.h>

#include "arrive.h"
#include "lockstep/base/must.h"

struct through *through_new(const struct address *peer)
{
    struct through *through = calloc(1, sizeof(*through));

    must(through != NULL);
    through->peer = through->client = *peer;
    return through;
}

void through_free(struct through **through)
{
    if (*through == NULL)
        return;
    free((*through)->held);
    free(*through);
    *through = NULL;
}

/* --- from the header --- */

static void name_keep(char *name, size_t room, struct span span)
{
    struct text text = text_over(name, room - 1);

    text_add(&text, span);
    name[text.size] = 0;
}

static void through_learn(struct through *through, const struct proxy_header *header)
{
    _Static_assert(PROXY_TLS_BYTES_MAX < TLS_VERSION_MAX && PROXY_NAME_BYTES_MAX < TLS_NAME_MAX,
                   "what a header tells is kept whole");
    through->known = true;
    through->itself = header->whose == PROXY_OF_SENDER;
    through->tls = header->tls;
    through->verified = header->verified;
    name_keep(through->tls_version, sizeof(through->tls_version),
              header->tls_version.size > 0 ? header->tls_version : SPAN("TLS"));
    name_keep(through->name, sizeof(through->name), header->common_name);
    if (header->whose == PROXY_OF_CLIENT) {
        address_of_ip(header->client.ip, header->client.port, &through->client);
        address_of_ip(header->server.ip, header->server.port, &through->server);
    }
}

/* Everything that came so far, behind what was kept of it. */
static struct span through_gather(struct through *through, struct span seen)
{
    size_t size = through->held_size;

    if (size == 0)
        return seen;
    seen = span_head(seen, PROXY_HEADER_BYTES_MAX - size);
    memcpy(through->held + size, seen.at, seen.size);
    return span_of(through->held, size + seen.size);
}

/* As long as more is wanted all there is belongs to the header, and that has a limit. */
static void through_hold(struct through *through, struct span all)
{
    must(all.size < PROXY_HEADER_BYTES_MAX);
    if (through->held == NULL) {
        through->held = malloc(PROXY_HEADER_BYTES_MAX);
        must(through->held != NULL);
        memcpy(through->held, all.at, all.size);
    }
    through->held_size = all.size;
}

enum parsed through_take(struct through *through, struct span seen, size_t *taken_r,
                         struct proxy_header *header_r)
{
    struct span all = through_gather(through, seen);
    size_t before = through->held_size;
    enum parsed parsed = proxy_parse(all, header_r);

    *taken_r = 0;
    if (parsed == PARSED_MORE) {
        *taken_r = all.size - before;
        through_hold(through, all);
    } else if (parsed == PARSED) {
        *taken_r = header_r->taken - before;
        through->more = seen.size > *taken_r;
        through_learn(through, header_r);
        free(through->held);
        through->held = NULL;
    }
    return parsed;
}

/* Where clients need a certificate, TLS without one is not the TLS that is meant. */
bool through_secures(const struct session *session)
{
    const struct through *through = session->through;
    bool required = session->listener->tls.client_certificate == CLIENT_CERTIFICATE_REQUIRE;

    return through != NULL && through->tls && (through->verified || !required);
}

/* --- to a relay --- */

/* What is known of the client's certificate; empty: there is none. */
static struct span find_name(const struct session *session, char *memory)
{
    const struct tls *tls = session->links[SIDE_CLIENT].tls;

    if (session->through != NULL && session->through->tls)
        return span_of_string(session->through->name);
    return tls != NULL ? tls_peer_name(tls, memory) : (struct span){0};
}

struct span through_preface(const struct session *session, enum proxy_version version, char *memory)
{
    struct text out = text_over(memory, PROXY_WRITTEN_BYTES_MAX);
    struct proxy_header header = {.version = version};
    struct address client = session_client(session);
    struct address server;
    char name[TLS_NAME_MAX];

    if (version == PROXY_NONE)
        return (struct span){0};
    if (client.any.sa_family == AF_UNSPEC)
        header.whose = PROXY_OF_NOBODY;
    if (!visitor_reached(session, &server)) /* it has left: no address of the same kind */
        server = (struct address){.any = {.sa_family = client.any.sa_family}};
    address_ip(&client, header.client.ip);
    header.client.port = address_port(&client);
    address_ip(&server, header.server.ip);
    header.server.port = address_port(&server);
    header.tls_version = span_of_string(session->tls[SIDE_CLIENT]);
    header.tls = header.tls_version.size > 0;
    if (header.tls)
        header.common_name = find_name(session, name);
    header.verified = header.common_name.size > 0;
    proxy_write(&header, &out);
    return text_span(&out);
}
