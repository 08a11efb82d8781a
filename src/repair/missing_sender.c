/*
 * missing-sender: RCPT without MAIL (B-26), where `rewrite.default-sender` says who a device is.
 * MAIL with that sender goes first and the client does not hear of it; if it is refused, so is what
 * follows, by refused-sender. A refused MAIL of the client's own is not covered up. Whoever may
 * connect may send in that name: only for clients one knows.
 */
#include "repairs.h"

enum verdict missing_sender(const struct situation *situation, struct mended *mended_r)
{
    if (situation->reply_code != 0 || situation->rewrite->default_sender.size == 0 ||
        (situation->mail_pending && !situation->reset_sent) || situation->envelope_kept ||
        situation->envelope->sender_refused)
        return UNTOUCHED;
    mended_r->plan = (struct plan){.first = situation->reset_owed ? FIRST_RESET : FIRST_SENDER};
    return REPAIRED;
}
