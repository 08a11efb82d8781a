/* Who gets what: a message that the upstream takes, compared with what the client wrote. */
#include <string.h>

#include "sim.h"

#define SENDER "scanner@shop.example"

static const struct head heads[HEADS] = {
    {"", "", REPAIR_FROM_LINE},
    {"From a@b Mon Jan  1\r\n", "X-Mailbox-Line: From a@b Mon Jan  1\r\n", REPAIR_FROM_LINE},
    {"From: Bob <a@b>\r\n", "X-Original-From: Bob <a@b>\r\nFrom: Bob <" SENDER ">\r\n",
     REPAIR_MATCH_HEADER_FROM},
    {"..x: y\r\nFrom:\r\n a@b\r\n",
     "..x: y\r\nX-Original-From:\r\n a@b\r\nFrom:\r\n " SENDER "\r\n", REPAIR_MATCH_HEADER_FROM},
    {"From: a@b, c@d\r\n", "From: a@b, c@d\r\n", REPAIR_MATCH_HEADER_FROM},
    {"no header\r\nFrom: a@b\r\n", "no header\r\nFrom: a@b\r\n", REPAIR_MATCH_HEADER_FROM},
};

const struct head *head_row(uint32_t number)
{
    return &heads[number];
}

/* What the message's head is to be when it comes with DATA. */
static struct span head_expected(const struct world *world, const struct message *message)
{
    bool known =
        message->head->id != REPAIR_MATCH_HEADER_FROM || world->policy.rewrite.sender.size > 0;
    bool mended = repairs(world, message->head->id) && known && !message->by_chunks;

    return span_of_string(mended ? message->head->mended : message->head->said);
}

static bool same_content(const struct message *message, struct span content, bool normal,
                         bool drop_cr, struct span head)
{
    struct span rest = bytes_span(&message->content);
    size_t at = 0, i;

    if (!normal)
        return span_equal(rest, content);
    if (!span_starts(content, head))
        return false;
    content = span_tail(content, head.size);
    rest = span_tail(rest, strlen(message->head->said));
    for (i = 0; i < rest.size; i++) { /* LF is CRLF, CR is a blank, CR CR LF is CRLF */
        bool crlf = rest.at[i] == '\r' && i + 1 < rest.size && rest.at[i + 1] == '\n';
        struct span next = crlf || rest.at[i] == '\n' ? SPAN("\r\n")
                           : rest.at[i] == '\r'       ? SPAN(" ")
                                                      : span_of(rest.at + i, 1);

        if (drop_cr && span_starts(span_tail(rest, i), SPAN("\r\r\n")))
            continue;
        if (!span_starts(span_tail(content, at), next))
            return false;
        at += next.size;
        i += crlf;
    }
    return at == content.size ||
           (span_equal(span_tail(content, at), SPAN("\r\n")) && !span_ends(rest, SPAN("\n")));
}

/* Also when the envelope was put to another connection, after whatever was lost with the first. */
static bool right_recipients(const struct world *world)
{
    const struct upstream *upstream = &world->upstream;

    return world->client.heard[upstream->mail_tag].accepted == upstream->recipients ||
           world->client.cut || !world->links[SIDE_CLIENT].open;
}

void delivery_take(struct world *world, bool by_chunks)
{
    struct upstream *upstream = &world->upstream;
    struct message *message = world_message(world, upstream->mail_tag);
    struct span content = bytes_span(&upstream->content);
    bool normal = !by_chunks;

    if (world->policy.mode == MODE_OBSERVE) /* who breaks the rules there is not stopped */
        return;
    if (!message) {
        world_doubt(world, "a message belongs to a sender");
        return;
    }
    if (++message->accepted > 1)
        world_doubt(world, "no message is delivered twice");
    if (world->confused) /* a reply nobody asked for may have passed for MAIL's */
        return;
    if (!message->complete ||
        !same_content(message, content, normal, repairs(world, REPAIR_DOUBLED_CR),
                      head_expected(world, message)))
        world_doubt(world, "what is delivered is what the client said, to its end");
    if (!by_chunks && !right_recipients(world)) /* a chunk may come before answers to RCPT */
        world_doubt(world, "a message goes to those whom the client was told it would");
    if (normal && !repairs(world, REPAIR_BARE_LF) &&
        (message->bare || (message->doubled && !repairs(world, REPAIR_DOUBLED_CR))))
        world_doubt(world, "a message with a bare CR or LF is refused");
}

struct message *world_message(struct world *world, uint32_t tag)
{
    uint32_t i;

    for (i = 0; i < world->message_count; i++) {
        if (world->messages[i].tag == tag)
            return &world->messages[i];
    }
    return NULL;
}

uint32_t tag_in(struct span text)
{
    struct span rest = span_tail(text, span_find(text, '~') + 1);
    uint64_t tag = 0;

    span_number(span_head(rest, span_find(rest, '~')), &tag);
    return tag < TAGS_MAX ? (uint32_t)tag : 0;
}
