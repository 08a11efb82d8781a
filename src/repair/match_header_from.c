/*
 * match-header-from: the address in the header's From becomes the one that lockstep stands for
 * upstream, as match-sender has it for the envelope (B-35): Exchange compares the envelope, the
 * header and the account, and refuses what differs. The name and the comments beside it stay, and
 * the field as it was is kept as X-Original-From.
 *
 * Only on request, with a warning: a signature over From (DKIM) is broken by it, DMARC has nothing
 * to go by then, and whoever reads the message is told that somebody else wrote it.
 * Left alone is what can be read in more than one way, and what is nobody's single address: several
 * mailboxes, groups (RFC 5322 3.4), routes, quoted local parts, names with bare specials in them.
 */
#include "mailbox.h"
#include "repairs.h"

#define FIELD_NAME SPAN("From")

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* Line ends only where the line behind goes on with a blank (RFC 5322 2.2.3), and no NUL. */
static bool is_folded_well(struct span value)
{
    struct span rest = value;

    if (span_find(value, '\0') < value.size)
        return false;
    for (;;) {
        size_t end = span_find(rest, '\r');
        struct span next = span_tail(rest, end + 2);

        if (span_find(span_head(rest, end), '\n') < end)
            return false;
        if (end == rest.size)
            return true;
        if (!span_starts(span_tail(rest, end), SPAN("\r\n")) ||
            !(span_starts(next, SPAN(" ")) || span_starts(next, SPAN("\t"))))
            return false;
        rest = next;
    }
}

/* The size of the quoted string or the comment, with comments in it, at the front; 0: it has no
 * end. */
static size_t enclosed_size(struct span text)
{
    bool quoted = text.at[0] == '"';
    size_t depth = 0;
    size_t i;

    for (i = 0; i < text.size; i++) {
        char byte = text.at[i];

        if (byte == '\\')
            i++;
        else if (quoted)
            depth += byte == '"';
        else if (byte == '(' || byte == ')')
            depth = byte == '(' ? depth + 1 : depth - 1;
        if (i < text.size && depth == (quoted ? 2U : 0U))
            return i + 1;
    }
    return 0;
}

/* The size of what stands there up to a blank or a byte that means something; 0: it is that. */
static size_t word_size(struct span text)
{
    static const struct span specials = SPAN_INIT("()<>[]:;,\\\"\x7f");
    size_t size = 0;

    while (size < text.size && (unsigned char)text.at[size] > ' ' &&
           span_find(specials, text.at[size]) == specials.size)
        size++;
    return size;
}

/* The one address of a From's value, as it stands there. */
struct reading {
    struct span address;
    bool angled; /* it stood between angle brackets */
    bool named;  /* there were words, or a quoted string, that are no address */
    bool many;   /* there was another */
};

static void found(struct reading *reading, struct span address, bool angled)
{
    reading->many = reading->many || reading->address.size > 0 || !mailbox_is_plain(address);
    reading->address = address;
    reading->angled = angled;
}

/* Reads what stands at the front; its size, or 0 where nobody can be sure what it is. */
static size_t read_part(struct reading *reading, struct span text)
{
    size_t size;

    if (text.at[0] == '(')
        return enclosed_size(text);
    if (reading->angled) /* behind the address only comments */
        return 0;
    if (text.at[0] == '<') {
        size = span_find(text, '>');
        found(reading, span_tail(span_head(text, size), 1), true);
        return size < text.size ? size + 1 : 0;
    }
    size = text.at[0] == '"' ? enclosed_size(text) : word_size(text);
    if (text.at[0] != '"' && span_find(span_head(text, size), '@') < size)
        found(reading, span_head(text, size), false);
    else
        reading->named = true;
    return size;
}

/* False when it can't be read, or not with certainty. */
static bool address_find(struct span value, struct span *address_r)
{
    struct reading reading = {.many = false};
    struct span rest = value;

    while (rest.size > 0) {
        size_t size = is_blank(rest.at[0]) ? 1 : read_part(&reading, rest);

        if (size == 0)
            return false;
        rest = span_tail(rest, size);
    }
    *address_r = reading.address;
    return reading.address.size > 0 && !reading.many && (reading.angled || !reading.named);
}

enum verdict match_header_from(const struct situation *situation, struct mended *mended_r)
{
    struct span sender = mailbox_of_account(situation);
    struct span field = situation->seen;
    size_t colon = span_find(field, ':');
    struct span name = span_head(field, colon);
    struct span value = span_tail(field, colon + 1);
    struct span address;
    size_t at;

    if (!span_equal_fold(span_trim(name), FIELD_NAME) || is_blank(field.at[0]))
        return UNTOUCHED;
    if (!mailbox_is_plain(sender) || !is_folded_well(value) || !address_find(value, &address) ||
        span_equal_fold(address, sender))
        return UNTOUCHED;
    at = (size_t)(address.at - field.at);
    text_add(&mended_r->text, SPAN("X-Original-From:"));
    text_add(&mended_r->text, value);
    text_add(&mended_r->text, SPAN("\r\n"));
    text_add(&mended_r->text, span_head(field, at));
    text_add(&mended_r->text, sender);
    text_add(&mended_r->text, span_tail(field, at + address.size));
    return REPAIRED;
}
