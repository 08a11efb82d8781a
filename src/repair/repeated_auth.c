/*
 * repeated-auth: AUTH again after it succeeded, or within a transaction (B-45, R8, R9). RFC 4954 4
 * wants 503 for both. It is said here, so that the credential goes no further and no server counts
 * it as a failed login.
 */
#include "repairs.h"

enum verdict repeated_auth(const struct situation *situation, struct mended *mended_r)
{
    bool twice = situation->upstream->authenticated;

    if (situation->reply_code != 0 ||
        (!twice && !situation->mail_pending && !situation->envelope_kept))
        return UNTOUCHED;
    /* A transaction that ended here, and of which the relay has not heard so yet, is none. */
    if (!twice && (situation->abandoned || situation->reset_owed)) {
        mended_r->plan = (struct plan){.first = FIRST_RESET};
        return REPAIRED;
    }
    mended_r->plan = (struct plan){.answer_here = true,
                                   .code = 503,
                                   .status = SPAN("5.5.1"),
                                   .words = twice ? SPAN("Already authenticated")
                                                  : SPAN("AUTH not permitted within a mail "
                                                         "transaction")};
    return REPAIRED;
}
