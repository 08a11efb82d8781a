/*
 * nested-mail: MAIL while a transaction is open, mostly after one that failed (B-25). Postfix, Exim
 * and Sendmail answer 503; Haraka and qmail begin anew. Only one envelope can be alive, so the
 * client has given up the first one, and the upstream hears RSET before MAIL. Never in the middle
 * of a message, and not where RSET is owed anyway.
 */
#include "repairs.h"

enum verdict nested_mail(const struct situation *situation, struct mended *mended_r)
{
    if (situation->reply_code != 0 || !situation->mail_pending || situation->reset_sent ||
        situation->reset_owed || situation->message_begun)
        return UNTOUCHED;
    mended_r->plan = (struct plan){.first = FIRST_RESET};
    return REPAIRED;
}
