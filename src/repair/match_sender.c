/*
 * match-sender: the sender of the envelope becomes the address that lockstep stands for upstream
 * (B-35). Relays that let an account send as itself alone refuse any other sender, and devices have
 * a fixed one. It is `rewrite.sender`, or else the account's name where that is an address.
 *
 * Off by default: bounces go to that address then, and the sender that the client gave is kept
 * nowhere. The header From stays (DKIM, DMARC), and so does the null sender, whose messages must
 * never be bounced.
 */
#include "mailbox.h"
#include "repairs.h"

enum verdict match_sender(const struct situation *situation, struct mended *mended_r)
{
    struct span sender = mailbox_of_account(situation);
    struct addressed addressed;

    if (!mailbox_is_plain(sender) || !addressed_parse(situation, &addressed))
        return UNTOUCHED;
    if (addressed.mailbox.size == 0 || span_equal(addressed.mailbox, sender))
        return UNTOUCHED;
    addressed_with(&addressed, sender, &mended_r->text);
    return REPAIRED;
}
