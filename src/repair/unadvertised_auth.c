/*
 * unadvertised-auth: AUTH behind HELO (B-46). Exim answers 503 "AUTH command used when not
 * advertised", for only EHLO advertises. So the upstream hears EHLO first, with the client's own
 * name. Where it refuses a second greeting or does not know EHLO, AUTH goes on as it came.
 */
#include "repairs.h"

enum verdict unadvertised_auth(const struct situation *situation, struct mended *mended_r)
{
    const struct view *upstream = situation->upstream;

    if (situation->reply_code != 0 || !upstream->greeted || upstream->extended ||
        situation->extended_refused || surely_open(situation))
        return UNTOUCHED;
    mended_r->plan = (struct plan){.first = FIRST_GREETING};
    return REPAIRED;
}
