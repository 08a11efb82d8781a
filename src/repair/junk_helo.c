/*
 * junk-helo: EHLO or HELO without a name, or with something that is none: an underscore, blanks,
 * "(null)", a bare address, bytes above 0x7f (B-03). Servers answer 501. What stands for it is the
 * configured name, else the client's address in brackets, which RFC 5321 4.1.4 wants of a client
 * without a name; so no name is made up for anybody.
 *
 * What could be a name or an address literal (RFC 5321 2.3.5, 4.1.3) is never touched, whether it
 * is true or not: servers judge clients by it. Of a name with a dot behind it, only the dot goes.
 */
#include "lockstep/smtp/domain.h"

#include "repairs.h"

/* The client's address in brackets; nothing when it has none. */
static void add_literal(struct span address, struct text *text)
{
    struct span mapped = SPAN("::ffff:"); /* RFC 4291 2.5.5.2 */
    struct span four = span_tail(address, mapped.size);

    if (span_starts_fold(address, mapped) && domain_is_ipv4(four))
        address = four;
    address = span_head(address, span_find(address, '%')); /* its zone (RFC 4007 11) */
    if (domain_is_ipv4(address)) {
        text_add(text, SPAN("["));
    } else if (domain_is_ipv6(address)) {
        text_add(text, SPAN("[IPv6:"));
    } else {
        return;
    }
    text_add(text, address);
    text_add(text, SPAN("]"));
}

static void add_name(const struct situation *situation, struct span argument, struct text *text)
{
    size_t before = text->size;
    struct span name = situation->rewrite->helo;

    if (span_ends(argument, SPAN("."))) {
        argument.size--;
        if (domain_is_name(argument))
            name = argument;
    }
    text_add(text, name);
    if (text->size == before)
        add_literal(situation->address, text);
    if (text->size == before)
        text_add(text, situation->hostname);
}

enum verdict junk_helo(const struct situation *situation, struct mended *mended_r)
{
    struct span rest = situation->seen;
    struct span word, argument;
    size_t name_at;

    span_word(&rest, &word);
    argument = span_trim(rest);
    if (domain_is_name(argument) || domain_is_literal(argument))
        return UNTOUCHED;
    text_add(&mended_r->text, word);
    text_add_byte(&mended_r->text, ' ');
    name_at = mended_r->text.size;
    add_name(situation, argument, &mended_r->text);
    /* Nothing better is known, as with a hostname that is junk itself. */
    return span_equal(span_tail(text_span(&mended_r->text), name_at), argument) ? UNTOUCHED
                                                                                : REPAIRED;
}
