/*
 * from-line: a message that was cut out of a mailbox begins with the line that separates messages
 * there, `From sender date` (B-63). Whoever reads strictly takes it, and all of the header behind
 * it, for the text. So it becomes a field, under the name that Postfix gives it, and nothing of it
 * is lost.
 *
 * Off by default: it changes the message. Relays take such a message, and most leave that line out
 * or write it so themselves.
 */
#include "repairs.h"

#define FIELD_NAME SPAN("From")

enum verdict from_line(const struct situation *situation, struct mended *mended_r)
{
    struct span line = situation->seen;

    if (!situation->first)
        return UNTOUCHED;
    while (span_starts(line, SPAN(">"))) /* as mailboxes quote it */
        line = span_tail(line, 1);
    if (!span_starts(line, SPAN("From ")))
        return UNTOUCHED;
    if (span_starts(span_trim(span_tail(line, FIELD_NAME.size)), SPAN(":")))
        return UNTOUCHED; /* a field, with a blank in front of its colon as of old */
    text_add(&mended_r->text, SPAN("X-Mailbox-Line: "));
    text_add(&mended_r->text, situation->seen);
    return REPAIRED;
}
