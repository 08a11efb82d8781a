/*
 * early-reset: RSET before any greeting (R11). RFC 5321 4.1.4 allows it and OpenSMTPD answers 503;
 * there is nothing to reset yet, so it is answered here. Not where the upstream refuses everything.
 */
#include "repairs.h"

enum verdict early_reset(const struct situation *situation, struct mended *mended_r)
{
    const struct view *upstream = situation->upstream;

    if (situation->reply_code != 0 || situation->client->greeted || upstream->greeted ||
        upstream->ungreetable || surely_open(situation))
        return UNTOUCHED;
    mended_r->plan = (struct plan){
        .answer_here = true, .code = 250, .status = SPAN("2.0.0"), .words = SPAN("Reset")};
    return REPAIRED;
}
