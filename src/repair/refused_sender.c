/*
 * refused-sender: MAIL was refused and the client goes on with its batch (B-23, table 4.3).
 *
 * Servers answer 503 to the rest even when MAIL was only deferred, and a client that reads the last
 * reply turns a delay into a bounce. So the rest is refused in the class of the first refusal.
 */
#include "repairs.h"

enum verdict refused_sender(const struct situation *situation, struct plan *plan_r)
{
    enum verb_does does = situation->verb->does;
    bool recipient = does == DOES_RECIPIENT;

    if (!situation->envelope->sender_refused ||
        (!recipient && does != DOES_MESSAGE && does != DOES_CHUNK))
        return UNTOUCHED;
    *plan_r = (struct plan){.answer_here = true, .quote_reason = true};
    if (situation->envelope->code < 500) {
        plan_r->code = 451;
        plan_r->status = SPAN("4.5.1");
        plan_r->words = SPAN("Sender deferred earlier:");
    } else {
        plan_r->code = recipient ? 503 : 554;
        plan_r->status = SPAN("5.5.1");
        plan_r->words = SPAN("Sender refused earlier:");
    }
    return REPAIRED;
}
