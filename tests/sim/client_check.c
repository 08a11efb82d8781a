/* The model client: what it hears, and what must hold of that. */
#include <stdio.h>

#include "lockstep/smtp/remap.h"
#include "lockstep/smtp/reply.h"

#include "sim.h"

/* One reply as the client reads it. */
struct said {
    uint16_t code;
    bool tagged; /* the upstream's own words, not lockstep's */
    uint32_t tag;
};

static bool checking(const struct world *world)
{
    return world->policy.mode == MODE_REPAIR && !world->confused;
}

static struct said read_said(struct span line)
{
    struct said said = {0};
    struct span words = span_tail(line, 4);
    uint64_t code = 0;

    if (span_number(span_head(line, 3), &code))
        said.code = (uint16_t)code;
    words = span_trim(span_tail(words, reply_enhanced(words).size));
    said.tagged = span_starts(words, SPAN("~"));
    if (said.tagged)
        said.tag = tag_in(words);
    return said;
}

static unsigned class_of(uint16_t code)
{
    return code / 100U;
}

/* The end of a message, or DATA before it, answered by lockstep: only what table 4.3 says. */
static const char *message_justified(const struct heard *heard, enum expected_kind kind,
                                     uint16_t code)
{
    if (kind != EXPECT_DOT && heard->mail >= 300)
        return class_of(code) == class_of(heard->mail) ? NULL : "the sender's class is kept";
    if (kind != EXPECT_DOT && heard->recipients > 0 && heard->accepted == 0)
        return class_of(code) == (heard->permanent ? 5U : 4U)
                   ? NULL
                   : "a message is refused in its recipients' class";
    if (code < 400)
        return "no message is taken in the upstream's place (R-50)";
    return kind == EXPECT_DATA && heard->accepted > 0 ? "DATA is asked about" : NULL;
}

/* What only the upstream can agree to. */
static bool is_asked_about(enum expected_kind kind)
{
    return kind == EXPECT_RCPT || kind == EXPECT_DATA || kind == EXPECT_DOT ||
           kind == EXPECT_LAST_CHUNK;
}

/* Such a command may be answered without asking: it was written badly, or it changes nothing. */
static bool answered_here(const struct expected *expected, uint16_t code)
{
    if (expected->refusable && code >= 500)
        return true;
    return code == 250 && (expected->kind == EXPECT_NOTHING || expected->kind == EXPECT_HELLO);
}

/* What lockstep says for itself while the upstream does all it should. */
static const char *justified(const struct world *world, const struct expected *expected,
                             uint16_t code)
{
    const struct heard *heard = &world->client.heard[expected->mail_tag];

    if (code == 421 || world->upstream_down || expected->in_chunks || world->client.stray)
        return NULL;
    if (world->guided && !(code < 300 && is_asked_about(expected->kind)))
        return NULL; /* AUTH was refused, TLS is wanted first, the recipient decides ... */
    if (answered_here(expected, code))
        return NULL;
    switch (expected->kind) {
    case EXPECT_ANYTHING:
    case EXPECT_AUTH:
    case EXPECT_TLS:
    case EXPECT_IDENTITY:
    case EXPECT_CHUNK:
    case EXPECT_QUIT:
    case EXPECT_RSET:
        return NULL;
    case EXPECT_RCPT:
        if (heard->mail < 300)
            return "a recipient is asked about, unless its sender was refused";
        return class_of(code) == class_of(heard->mail) ? NULL : "the sender's class is kept";
    case EXPECT_DATA:
    case EXPECT_LAST_CHUNK:
    case EXPECT_DOT:
        return message_justified(heard, expected->kind, code);
    case EXPECT_GREETING:
    case EXPECT_LINE:
    case EXPECT_NOTHING:
    case EXPECT_HELLO:
    case EXPECT_MAIL:
        break;
    }
    return "a command is asked about";
}

static enum to to_of(enum expected_kind kind)
{
    if (kind == EXPECT_DATA)
        return TO_DATA;
    return kind == EXPECT_DOT || kind == EXPECT_LAST_CHUNK ? TO_DOT : TO_LINE;
}

/* The upstream was asked just this, so its tagged reply belongs to this command. */
static bool is_asked_as_said(enum expected_kind kind)
{
    return kind != EXPECT_CHUNK && kind != EXPECT_LAST_CHUNK && kind != EXPECT_ANYTHING &&
           kind != EXPECT_AUTH && kind != EXPECT_TLS && kind != EXPECT_IDENTITY &&
           kind != EXPECT_RSET;
}

/* A message that is sent although DATA was refused hears that again (B-24), or the session ends. */
static bool is_stray(struct world *world, const struct expected *expected, struct said said)
{
    uint16_t refused = world->client.heard[expected->mail_tag].data;

    if (expected->kind != EXPECT_DOT || refused == 0 || said.code == 421)
        return false;
    if (said.code != refused)
        world_doubt(world, "a message sent all the same hears the refusal again");
    return true;
}

/* What the client is told for that code. */
static uint16_t code_for(const struct world *world, uint16_t code)
{
    bool on = (world->policy.repairs & REPAIR_BIT(REPAIR_REMAP_CODES)) != 0;

    return on ? remap_code(world->policy.rewrite.codes, code) : code;
}

/* By the upstream, with that tag. A message that is put again may be refused before its end. */
static bool was_said(const struct world *world, enum expected_kind kind, struct said said)
{
    const uint16_t *codes = world->said[said.tag];

    return said.code == code_for(world, codes[to_of(kind)]) ||
           (kind == EXPECT_DOT && said.code >= 400 && said.code == code_for(world, codes[TO_DATA]));
}

static void check_said(struct world *world, const struct expected *expected, struct said said)
{
    enum mischief mischief = world->upstream.mischief;
    const char *wrong;

    if (is_stray(world, expected, said))
        return;

    if (said.tagged && said.tag > 0 && is_asked_as_said(expected->kind)) {
        if (said.tag != expected->tag)
            world_doubt(world, "a reply is said to the command it answers");
        else if (!was_said(world, expected->kind, said))
            world_doubt(world, "a reply's code is what the upstream said");
    }
    if (said.tagged || mischief == MISCHIEF_WRONG || mischief == MISCHIEF_EMPTY)
        return;
    if (expected->end > world->client.fed && said.code != 421 &&
        expected->kind != EXPECT_ANYTHING && mischief != MISCHIEF_EARLY)
        world_doubt(world, "a chunk is read to its end before it is answered (RFC 3030 2)");
    wrong = justified(world, expected, said.code);
    if (wrong)
        world_doubt(world, wrong);
}

/* The one thing that is never relaxed for an upstream whose replies can be told apart. */
static void check_owner(struct world *world, const struct expected *expected, uint16_t code)
{
    const struct message *message = world_message(world, expected->mail_tag);

    if (expected->kind != EXPECT_DOT && expected->kind != EXPECT_LAST_CHUNK)
        return;
    if (code < 300 && world->lied && bytes_span(&world->carried).size >= world->lie_at)
        return; /* it came after the end had been said, and nobody can know */
    if (code < 300 && (!message || message->accepted != 1))
        world_doubt(world, "a message told to be taken was taken, once");
}

static void learn(struct client *client, const struct expected *expected, uint16_t code)
{
    struct heard *heard = &client->heard[expected->mail_tag];

    switch (expected->kind) {
    case EXPECT_MAIL:
        heard->mail = code;
        break;
    case EXPECT_RCPT:
        heard->recipients++;
        heard->accepted += code < 300;
        heard->permanent = heard->permanent || code >= 500;
        break;
    case EXPECT_DATA:
        client->go = code == 354;
        heard->data = client->go ? 0 : code;
        client->stray = client->stray && !client->go;
        break;
    case EXPECT_AUTH:
        client->auth_going = code == 334;
        client->known = client->known || code == 235;
        break;
    case EXPECT_TLS:
        client->handshake = code == 220;
        break;
    case EXPECT_IDENTITY:
        if (identity_heard(client, code))
            client_restart(client);
        break;
    case EXPECT_RSET:
    case EXPECT_HELLO:
        if (code < 300)
            *heard = (struct heard){0};
        break;
    case EXPECT_GREETING:
    case EXPECT_LINE:
    case EXPECT_NOTHING:
    case EXPECT_DOT:
    case EXPECT_CHUNK:
    case EXPECT_LAST_CHUNK:
    case EXPECT_QUIT:
    case EXPECT_ANYTHING:
        break;
    }
}

/* The message that came with a refused DATA gets no answer of its own (B-21). */
static void forget_dot(struct client *client, uint32_t mail_tag)
{
    const struct expected *next = &client->expected[client->first % EXPECTED_MAX];

    if (client->first != client->next && next->kind == EXPECT_DOT && next->mail_tag == mail_tag)
        client->first++;
}

static void hear_reply(struct world *world, struct said said)
{
    struct client *client = &world->client;
    struct expected expected;

    if (client->first == client->next) {
        if (checking(world) && said.code != 421 && !client->cut)
            world_doubt(world, "there is one reply to a command");
        client->last_code = said.code;
        return;
    }
    expected = client->expected[client->first++ % EXPECTED_MAX];
    if (checking(world)) {
        if (client->last_code == 421)
            world_doubt(world, "nothing is said after 421");
        check_said(world, &expected, said);
        check_owner(world, &expected, said.code);
    }
    client->last_code = said.code;
    learn(client, &expected, said.code);
    if (expected.kind == EXPECT_DATA && !client->go && repairs(world, REPAIR_EARLY_BODY) &&
        !repairs(world, REPAIR_STRAY_BODY))
        forget_dot(client, expected.mail_tag);
}

static void hear_line(struct world *world, struct span all)
{
    struct span line = span_head(all, all.size - 1);
    struct client *client = &world->client;
    struct said said;

    if (span_ends(line, SPAN("\r")))
        line.size--;
    else if (world->policy.mode == MODE_REPAIR)
        world_doubt(world, "a line said to the client ends in CRLF");
    said = read_said(line);
    if (world->policy.mode == MODE_REPAIR &&
        (span_find(line, '\r') < line.size || span_find(line, '\0') < line.size ||
         said.code < 200 || said.code > 599))
        world_doubt(world, "a line said to the client is a reply line");
    if (said.tagged && !client->tagged) { /* the first line of an EHLO reply has it */
        client->tagged = true;
        client->tag = said.tag;
    }
    if (line.size >= 4 && line.at[3] == '-')
        return;
    said.tagged = client->tagged;
    said.tag = client->tag;
    client->tagged = false;
    hear_reply(world, said);
}

void client_hear(struct world *world, struct span bytes)
{
    struct bytes *line = &world->client.line;

    while (bytes.size > 0) {
        size_t end = span_find(bytes, '\n');

        bytes_add(line, span_head(bytes, end + 1));
        if (end < bytes.size) {
            hear_line(world, bytes_span(line));
            bytes_clear(line);
        }
        bytes = span_tail(bytes, end + 1);
    }
}

void client_closed(struct world *world, bool reset)
{
    const struct client *client = &world->client;
    const struct link *link = &world->links[SIDE_CLIENT];
    bool said_why = client->last_code == 421 || client->last_code == 221 || client->bad_line ||
                    client->cut; /* in the middle of something */
    bool silent = client->next - client->first == 1 && world->tag_count == 0 && link->ended;

    if (!checking(world) || link->failed || reset) /* one that does not read hears nothing */
        return;
    if (client->line.end > client->line.start)
        world_doubt(world, "a reply that was begun is said to its end");
    if (world->securing[SIDE_CLIENT]) /* what was said behind STARTTLS is never answered */
        return;
    if (client->first != client->next && !said_why && !silent)
        world_doubt(world, "no command is left without an answer, unless 421 says so");
}
