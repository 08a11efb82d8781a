/*
 * second-greeting: EHLO or HELO again, where the upstream was greeted already (B-29). It means RSET
 * (RFC 5321 4.1.4), but OpenSMTPD answers 503 to a second greeting (R10, trap 19), and some answer
 * so behind AUTH only. So it is answered here from what the upstream has told, and what is open
 * there hears RSET.
 *
 * Keywords are known only of an upstream that was greeted with EHLO: an EHLO behind HELO goes on,
 * but for one that does not get through there. So it does where a keyword came with parameters,
 * which are not kept (LIMITS, DELIVERBY): a relay that says such things is no OpenSMTPD, and a
 * client must not hear them once and then no more.
 */
#include "repairs.h"

enum verdict second_greeting(const struct situation *situation, struct mended *mended_r)
{
    const struct view *upstream = situation->upstream;
    bool known = (upstream->extended && capabilities_whole(&upstream->capabilities)) ||
                 situation->extended_refused;
    bool old = situation->verb->does == DOES_GREET_OLD;

    if (situation->reply_code != 0 || !upstream->greeted || (!old && !known))
        return UNTOUCHED;
    if (situation->mail_pending)
        mended_r->plan = (struct plan){.first = FIRST_RESET};
    else
        mended_r->plan = (struct plan){
            .answer_here = true, .code = 250, .keywords = !old, .words = situation->hostname};
    return REPAIRED;
}
