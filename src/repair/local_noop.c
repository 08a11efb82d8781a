/*
 * local-noop: NOOP to keep a session alive, and RSET where nothing is open (B-28). Exim drops a
 * client after ten commands that are no mail, Postfix slows it down. So they are answered here,
 * also RSET where the upstream hears one of ours before the next MAIL; but for one every two
 * minutes, or the upstream would take the session for dead. RFC 5321 4.5.3.2 gives it five. Not
 * where the upstream refuses everything.
 */
#include "lockstep/smtp/verb.h"

#include "repairs.h"

/* The upstream hears something this often from a client that keeps the session alive. */
#define KEEP_ALIVE_MS (2 * 60 * 1000)

enum verdict local_noop(const struct situation *situation, struct mended *mended_r)
{
    bool reset = situation->verb->does == DOES_RESET;

    if (situation->reply_code != 0 || situation->upstream->ungreetable ||
        situation->idle_ms >= KEEP_ALIVE_MS || (!reset && situation->verb != verb_facts(VERB_NOOP)))
        return UNTOUCHED;
    if (reset && surely_open(situation))
        return UNTOUCHED;
    mended_r->plan = (struct plan){.answer_here = true,
                                   .code = 250,
                                   .status = SPAN("2.0.0"),
                                   .words = reset ? SPAN("Reset") : SPAN("Ok")};
    return REPAIRED;
}
