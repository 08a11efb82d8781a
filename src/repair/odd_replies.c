/*
 * odd-replies: a reply that is no reply to every reader: a line without a code among its lines,
 * codes that differ, bare LF or CR, NUL (F-42). hMailServer, Postfix as a proxy and many a firewall
 * were seen to send such. The reply is one, and its last code counts, so it is written anew with
 * that code on every line: what one reader takes for one reply and another for two is the same to
 * both then. Not for a first line without a code: that may be anything, and is the end.
 */
#include "repairs.h"
#include "words.h"

enum verdict odd_replies(const struct situation *situation, struct mended *mended_r)
{
    struct span rest = situation->seen;
    struct reply reply;
    struct span line;
    uint32_t left;

    if (!words_parse(situation->seen, &reply) || !reply.odd)
        return UNTOUCHED;
    for (left = reply.lines; left > 0 && reply_line(&rest, &line); left--)
        words_line(&mended_r->text, reply.code, left == 1, line);
    return REPAIRED;
}
