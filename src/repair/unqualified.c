/*
 * unqualified: a mailbox without a domain, `MAIL FROM:<scanner>`, gets the configured one (B-34).
 * Servers answer 501 or 553, or put a domain of their own behind it.
 *
 * Off by default: which domain is meant only the administrator knows. The null sender has no
 * mailbox, and postmaster needs no domain (RFC 5321 4.1.1.3).
 */
#include "mailbox.h"
#include "repairs.h"

/* Quoted-string (RFC 5321 4.1.2): the first quotation mark that is not escaped is the last byte. */
static bool is_quoted(struct span local)
{
    size_t i = 1;

    while (i < local.size && local.at[i] != '"')
        i += local.at[i] == '\\' ? 2 : 1;
    return local.size > 2 && local.at[0] == '"' && i + 1 == local.size;
}

enum verdict unqualified(const struct situation *situation, struct mended *mended_r)
{
    struct span domain = situation->rewrite->domain;
    struct addressed addressed;
    struct span local;

    if (domain.size == 0 || !addressed_parse(situation, &addressed))
        return UNTOUCHED;
    local = addressed.mailbox;
    if (mailbox_domain(local) < local.size || span_equal_fold(local, SPAN("postmaster")) ||
        (!is_quoted(local) && !mailbox_is_local(local)))
        return UNTOUCHED;
    text_add(&mended_r->text, addressed.before);
    text_add(&mended_r->text, local);
    text_add_byte(&mended_r->text, '@');
    text_add(&mended_r->text, domain);
    text_add(&mended_r->text, addressed.after);
    return REPAIRED;
}
