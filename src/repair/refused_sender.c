/*
 * refused-sender: MAIL was refused and the client goes on with its batch (B-23, table 4.3).
 *
 * Servers answer 503 to the rest even when MAIL was only deferred, and a client that reads the last
 * reply turns a delay into a bounce. So the rest is refused in the class of the first refusal.
 */
#include "repairs.h"

enum verdict refused_sender(const struct situation *situation, struct mended *mended_r)
{
    bool recipient = situation->verb->does == DOES_RECIPIENT;

    if (!situation->envelope->sender_refused)
        return UNTOUCHED;
    mended_r->plan = (struct plan){.answer_here = true, .quote_reason = true};
    if (situation->envelope->code < 500) {
        mended_r->plan.code = 451;
        mended_r->plan.status = SPAN("4.5.1");
        mended_r->plan.words = SPAN("Sender deferred earlier:");
    } else {
        mended_r->plan.code = recipient ? 503 : 554;
        mended_r->plan.status = SPAN("5.5.1");
        mended_r->plan.words = SPAN("Sender refused earlier:");
    }
    return REPAIRED;
}
