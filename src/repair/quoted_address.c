/*
 * quoted-address: apostrophes or other quotation marks round a whole address, as it was pasted from
 * a contact or a document: `<'user@domain'>` (B-32).
 *
 * Only a pair that encloses all of it, and only when what it encloses is an address with a domain:
 * an apostrophe in a local part is legal (o'brien, even 'x), but no domain ends in one. Double
 * quotes with the `@` inside can't be a quoted local part, for then a domain had to follow. Off by
 * default, because it changes an address.
 */
#include "lockstep/smtp/domain.h"

#include "mailbox.h"
#include "repairs.h"

struct pair {
    struct span open, close;
};

static const struct pair pairs[] = {
    {SPAN_INIT("'"), SPAN_INIT("'")},
    {SPAN_INIT("\""), SPAN_INIT("\"")},
    {SPAN_INIT("`"), SPAN_INIT("`")},
    {SPAN_INIT("`"), SPAN_INIT("'")},
    {SPAN_INIT("\xc2\xb4"), SPAN_INIT("\xc2\xb4")},         /* acute accents */
    {SPAN_INIT("`"), SPAN_INIT("\xc2\xb4")},                /* grave and acute */
    {SPAN_INIT("\xe2\x80\x98"), SPAN_INIT("\xe2\x80\x99")}, /* U+2018, U+2019 */
    {SPAN_INIT("\xe2\x80\x9a"), SPAN_INIT("\xe2\x80\x98")}, /* U+201A, U+2018 */
    {SPAN_INIT("\xe2\x80\x99"), SPAN_INIT("\xe2\x80\x99")}, /* U+2019 twice */
    {SPAN_INIT("\xe2\x80\x9c"), SPAN_INIT("\xe2\x80\x9d")}, /* U+201C, U+201D */
    {SPAN_INIT("\xe2\x80\x9e"), SPAN_INIT("\xe2\x80\x9c")}, /* U+201E, U+201C */
    {SPAN_INIT("\xe2\x80\x9e"), SPAN_INIT("\xe2\x80\x9d")}, /* U+201E, U+201D */
    {SPAN_INIT("\xe2\x80\x9d"), SPAN_INIT("\xe2\x80\x9d")}, /* U+201D twice */
    {SPAN_INIT("\xc2\xab"), SPAN_INIT("\xc2\xbb")},         /* U+00AB, U+00BB */
    {SPAN_INIT("\xc2\xbb"), SPAN_INIT("\xc2\xab")},         /* U+00BB, U+00AB */
};

/* What such a pair encloses; false: there is none. */
static bool unquote(struct span mailbox, struct span *inside_r)
{
    size_t i;

    for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        const struct pair *pair = &pairs[i];
        size_t both = pair->open.size + pair->close.size;

        if (mailbox.size > both && span_starts(mailbox, pair->open) &&
            span_ends(mailbox, pair->close)) {
            *inside_r = span_head(span_tail(mailbox, pair->open.size), mailbox.size - both);
            return true;
        }
    }
    return false;
}

enum verdict quoted_address(const struct situation *situation, struct mended *mended_r)
{
    struct addressed addressed;
    struct span inside;

    if (!addressed_parse(situation, &addressed) || !unquote(addressed.mailbox, &inside) ||
        !mailbox_is_plain(inside))
        return UNTOUCHED;
    addressed_with(&addressed, inside, &mended_r->text);
    return REPAIRED;
}
