/*
 * refused-recipients: every RCPT was refused and the client sends DATA all the same (B-22).
 *
 * This is where "503 Valid RCPT command must precede DATA" comes from: the last reply hides the
 * first. DATA is answered here, in one line, with the refusal that matters; 4xx when all were 4xx
 * (section 0.1 of the wire catalogue, RFC 2920 3.2(3)).
 */
#include "repairs.h"

enum verdict refused_recipients(const struct situation *situation, struct mended *mended_r)
{
    const struct envelope *envelope = situation->envelope;

    if (envelope->sender_refused || envelope->recipients == 0 || envelope->accepted > 0)
        return UNTOUCHED;
    mended_r->plan = (struct plan){
        .answer_here = true,
        .quote_reason = true,
        .code = envelope->code < 500 ? 451 : 554,
        .status = envelope->code < 500 ? SPAN("4.5.1") : SPAN("5.5.1"),
        .words = SPAN("No valid recipients:"),
    };
    return REPAIRED;
}
