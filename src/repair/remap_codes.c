/*
 * remap-codes: codes that a client takes wrongly are told as others: a device that gives up on 550
 * where it should try later hears 450, one that knows only 250 does not hear 251. The configuration
 * names them; the class of the enhanced status follows (RFC 2034 4), and no refusal becomes a
 * success or the other way. What lockstep itself knows of the transaction stays as the relay said.
 *
 * Not safe to guess: 4xx for 5xx makes a queue try for days what can never be delivered, 5xx for
 * 4xx returns mail that greylisting only delayed. So nothing is remapped that is not written down.
 */
#include "lockstep/smtp/remap.h"

#include "repairs.h"
#include "words.h"

enum verdict remap_codes(const struct situation *situation, struct mended *mended_r)
{
    struct span rest = situation->seen;
    struct text *text = &mended_r->text;
    struct reply reply;
    struct span line;
    uint32_t left;
    uint16_t code;

    if (!words_parse(situation->seen, &reply) || reply.odd)
        return UNTOUCHED;
    code = remap_code(situation->rewrite->codes, reply.code);
    if (code == reply.code)
        return UNTOUCHED;
    for (left = reply.lines; left > 0 && reply_line(&rest, &line); left--) {
        size_t at = text->size + 4;
        bool classed = reply_enhanced(line).size > 0 && line.at[0] - '0' == reply.code / 100;

        words_line(text, code, left == 1, line);
        if (classed && at < text->size)
            text->at[at] = (char)('0' + code / 100);
    }
    return REPAIRED;
}
