/*
 * upgrade-helo: HELO and then what only EHLO brings (B-04, B-44). Old devices know no other
 * greeting, and still their mail is to leave by TLS and with AUTH. So the upstream hears EHLO with
 * the client's own name, and the client one line, as RFC 5321 3.2 wants for HELO. An upstream that
 * refuses EHLO hears HELO.
 */
#include "repairs.h"

enum verdict upgrade_helo(const struct situation *situation, struct mended *mended_r)
{
    if (situation->reply_code != 0 || !situation->needs_extended ||
        !span_starts_fold(situation->seen, SPAN("HELO")))
        return UNTOUCHED;
    mended_r->plan = (struct plan){.extended = true};
    return REPAIRED;
}
