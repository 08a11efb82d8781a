/*
 * trailing-dot: an address whose domain ends in a dot, `<a@b.example.>` (B-33). In the DNS that is
 * the same domain (RFC 1034 3.1), in an envelope it is a syntax error (RFC 5321 4.1.2).
 *
 * Only one dot, and only where a proper domain remains: nothing is guessed.
 */
#include "lockstep/smtp/domain.h"

#include "mailbox.h"
#include "repairs.h"

enum verdict trailing_dot(const struct situation *situation, struct mended *mended_r)
{
    struct addressed addressed;
    struct span mailbox;

    if (!addressed_parse(situation, &addressed) || !span_ends(addressed.mailbox, SPAN(".")))
        return UNTOUCHED;
    mailbox = span_head(addressed.mailbox, addressed.mailbox.size - 1);
    if (!domain_is_name(span_tail(mailbox, mailbox_domain(mailbox) + 1)))
        return UNTOUCHED;
    addressed_with(&addressed, mailbox, &mended_r->text);
    return REPAIRED;
}
