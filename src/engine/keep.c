/*
 * What of a message went upstream. Until its final dot goes no relay can have taken it, so one that
 * is lost before that costs the client a pause and no more: the next one hears the envelope, DATA
 * and what is kept here, and the client's bytes, which stayed unread, follow. It is kept as it was
 * said, so the dots are where they belong and nothing is read twice.
 *
 * One block holds it, lent when a message does not come whole in one read, and given back when the
 * dot goes or the block is too small. Nobody waits for one.
 */
#include <string.h>

#include "ask.h"
#include "keep.h"
#include "message.h"
#include "replay.h"

/* Of the pool's blocks such copies leave this part alone: one lies there as long as its client
 * takes over the message, and the others must be read meanwhile. */
#define KEPT_BODY_POOL_PART 2U

static const struct plan closed = {.answer_here = true,
                                   .code = 421,
                                   .status = SPAN_INIT("4.4.2"),
                                   .words = SPAN_INIT("The relay closed the connection")};

static struct pool *pool_of(const struct engine *engine)
{
    return &engine->lender->pool;
}

static bool lend(struct engine *engine)
{
    struct copy *copy = &engine->message.copy;

    if (copy->block == 0 && pool_of(engine)->lent < pool_of(engine)->count / KEPT_BODY_POOL_PART)
        copy->block = pool_lend(pool_of(engine));
    return copy->block != 0;
}

void keep_drop(struct engine *engine)
{
    struct copy *copy = &engine->message.copy;

    if (copy->block != 0)
        pool_return(pool_of(engine), copy->block);
    *copy = (struct copy){0};
}

bool keep_whole(const struct engine *engine)
{
    const struct message *message = &engine->message;

    if (message->fate == FATE_SWALLOW)
        return false;
    if (observing(engine)) /* nothing is kept; it only matters whether it would be */
        return message->passed <= KEPT_BODY_BYTES_MAX;
    return message->copy.size == message->passed;
}

void keep_content(struct engine *engine, size_t mark)
{
    const struct outbox *outbox = &engine->lender->outboxes[SIDE_UPSTREAM];
    struct copy *copy = &engine->message.copy;
    size_t added = outbox->size - mark;
    uint32_t i;

    if (added == 0 || copy->size + added != engine->message.passed ||
        !repair_on(engine, REPAIR_REPLAY_ENVELOPE) || !replay_remembers(engine))
        return;
    if (copy->size + added > KEPT_BODY_BYTES_MAX) {
        keep_drop(engine);
        return;
    }
    if (!lend(engine))
        return;
    for (i = 0; i < outbox->count; i++) {
        struct span piece = span_tail(outbox->pieces[i], mark);

        mark -= outbox->pieces[i].size < mark ? outbox->pieces[i].size : mark;
        memcpy(pool_at(pool_of(engine), copy->block) + copy->size, piece.at, piece.size);
        copy->size += (uint32_t)piece.size;
    }
}

bool keep_ask(struct engine *engine)
{
    if (!message_waits(engine) || !ledger_empty(engine) || !client_of(engine)->open)
        return false;
    ledger_insert(engine, VERB_DATA);
    return true;
}

static void refuse(struct engine *engine, const struct plan *verdict)
{
    engine->message.verdict = *verdict;
    message_swallow(engine);
    note_code(engine, SPAN("swallow"), SPAN("message"), verdict->code);
}

enum prepared keep_prepare(struct engine *engine, struct row *row)
{
    enum prepared state = prepare(engine, row);

    if (state == PREPARE_MOVE && keep_asks(engine, row) && row->state == ROW_HERE) {
        refuse(engine, &row->plan);
        row->plan.close = false; /* the session ends with the message's answer, not before */
    }
    return state;
}

void keep_answered(struct engine *engine, const struct reply *reply)
{
    const struct copy *copy = &engine->message.copy;
    const struct plan refused = {.answer_here = true,
                                 .code = reply->code,
                                 .verbatim = true,
                                 .words = SPAN("The relay refused the message")};
    struct span said;

    if (reply->code == verb_facts(VERB_DATA)->success) {
        said = span_of(copy->block != 0 ? pool_at(pool_of(engine), copy->block) : "", copy->size);
        engine->message.fate = FATE_FORWARD;
        note_content(engine, SIDE_UPSTREAM, said);
        /* The block may be given back, and lent anew, before this has left. */
        emit_bytes(engine, SIDE_UPSTREAM, said, false);
    } else if (reply->code < 400) {
        upstream_broken(engine, SPAN("The relay's answer does not fit the command"));
    } else {
        ledger_keep_reason(engine, reply);
        refuse(engine, &refused);
    }
}

void keep_closed(struct engine *engine, const struct reply *reply)
{
    bool secret = says_secret_back(engine, reply->all);

    ledger_retire(engine);
    if (secret) /* its words are nobody's to read */
        upstream_leave(engine, &closed);
    else
        message_answered(engine, reply);
}
