/*
 * missing-greeting: MAIL or AUTH without EHLO or HELO before it, at the start or behind STARTTLS
 * (B-02, B-05). Servers answer 503 "send HELO first", or take the mail and then refuse the
 * parameters and AUTH that only EHLO brings. So lockstep greets, once per state: some servers take
 * no second greeting (R10).
 */
#include "repairs.h"

enum verdict missing_greeting(const struct situation *situation, struct mended *mended_r)
{
    const struct view *upstream = situation->upstream;

    if (situation->reply_code != 0 || upstream->greeted || upstream->ungreetable)
        return UNTOUCHED;
    mended_r->plan = (struct plan){.first = FIRST_GREETING};
    return REPAIRED;
}
