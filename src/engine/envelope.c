/*
 * An envelope that may have to be said again: to an upstream that asks for AUTH only when it hears
 * a recipient, or to another one that the recipient decides on. Each line lies with its length in
 * front of it, in a place beside the ledger's texts.
 */
#include <string.h>

#include "state.h"

#define LENGTH_BYTES 2U

void envelope_drop(struct engine *engine)
{
    engine->kept = (struct kept){0};
}

/* The relay may fail, or ask for AUTH or POP when it has taken some of it. */
static bool worth_keeping(const struct engine *engine)
{
    return engine->kept.held || repair_on(engine, REPAIR_REPLAY_ENVELOPE) ||
           (engine->leg.choice.credential != NOTHING &&
            (engine->leg.auth == AUTH_UNOFFERED || engine->leg.popped));
}

void envelope_keep(struct engine *engine, enum verb_does does, struct span text)
{
    struct kept *kept = &engine->kept;
    char *place;

    if (!worth_keeping(engine) || kept->cut)
        return;
    if (does == DOES_SENDER)
        kept->size = kept->count = 0;
    place = ledger_kept(engine);
    kept->cut = place == NULL || kept->size + LENGTH_BYTES + text.size > KEPT_BYTES_MAX;
    if (kept->cut)
        return;
    place += kept->size;
    place[0] = (char)(text.size & 0xffU);
    place[1] = (char)(text.size >> 8);
    memcpy(place + LENGTH_BYTES, text.at, text.size);
    kept->size = (uint16_t)(kept->size + LENGTH_BYTES + text.size);
    kept->count++;
}

struct span envelope_first(const struct engine *engine)
{
    const char *place;

    if (engine->kept.count == 0)
        return SPAN("");
    place = ledger_kept((struct engine *)(uintptr_t)engine);
    return span_of(place + LENGTH_BYTES,
                   (unsigned char)place[0] | (size_t)(unsigned char)place[1] << 8);
}

void envelope_begin(struct engine *engine, struct span mailbox)
{
    ledger_insert_sender(engine, mailbox);
    envelope_keep(engine, DOES_SENDER,
                  ledger_text(engine, ledger_row(engine, engine->ledger.send)));
}

/* What becomes of it is the transaction's. */
static void begun(struct engine *engine, const struct reply *reply)
{
    bool taken = reply->code < 300;

    transaction_begin(engine, taken ? 0 : reply->code);
    upstream_of(engine)->view.mail_open = taken;
    if (taken)
        return;
    ledger_keep_reason(engine, reply);
    envelope_drop(engine);
}

void envelope_replay(struct engine *engine)
{
    struct kept *kept = &engine->kept;
    const char *place = ledger_kept(engine) + kept->at;
    size_t size = (unsigned char)place[0] | (size_t)(unsigned char)place[1] << 8;

    must(kept->next < kept->count);
    ledger_insert_text(engine, kept->next == 0 ? VERB_MAIL : VERB_RCPT,
                       span_of(place + LENGTH_BYTES, size), SPAN(""));
    kept->at = (uint16_t)(kept->at + LENGTH_BYTES + size);
}

/* What was taken before must be taken again, or the client would be left with another envelope than
 * the one it knows of. Only where it was promised here does the refusal come to be heard. */
static void refused_again(struct engine *engine, const struct reply *reply)
{
    static const struct plan changed = {
        .answer_here = true,
        .code = 421,
        .status = SPAN_INIT("4.3.0"),
        .words = SPAN_INIT("The relay no longer takes what it took before:"),
        .quote_reason = true};
    bool held = engine->kept.held;

    ledger_keep_reason(engine, reply);
    envelope_drop(engine);
    if (held)
        transaction_begin(engine, reply->code);
    else
        upstream_leave(engine, &changed);
}

void envelope_replayed(struct engine *engine, enum verb verb, const struct reply *reply)
{
    struct kept *kept = &engine->kept;

    if (kept->replay == REPLAY_NONE) {
        begun(engine, reply);
        return;
    }
    if (reply->code >= 300) {
        refused_again(engine, reply);
        return;
    }
    if (verb == VERB_MAIL)
        upstream_of(engine)->view.mail_open = true;
    if (++kept->next < kept->count)
        return;
    kept->replay = REPLAY_NONE;
    kept->held = false;
    if (!worth_keeping(engine))
        envelope_drop(engine);
}
