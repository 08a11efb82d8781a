/*
 * upgrade-helo: HELO and then what only EHLO brings (B-04, B-44). Old devices know no other
 * greeting, and still their mail is to leave by TLS and with AUTH. So the upstream hears EHLO with
 * the client's own name, and the client one line, as RFC 5321 3.2 wants for HELO. An upstream that
 * refuses EHLO hears HELO. Where a client comes with parameters of MAIL behind its HELO, which
 * servers refuse then, the upstream is greeted with EHLO before that.
 */
#include "repairs.h"

/* MAIL with a parameter, to an upstream that was greeted with HELO and may know it all the same. */
static bool needs_parameters(const struct situation *situation)
{
    const struct view *upstream = situation->upstream;
    struct command command;
    struct path path;

    if (!upstream->greeted || upstream->extended || situation->extended_refused ||
        situation->mail_pending)
        return false;
    command_parse(situation->seen, &command);
    return path_parse(command.argument, SPAN("FROM:"), &path) && path.parameters.size > 0;
}

enum verdict upgrade_helo(const struct situation *situation, struct mended *mended_r)
{
    if (situation->reply_code != 0)
        return UNTOUCHED;
    if (situation->verb->does == DOES_SENDER) {
        mended_r->plan = (struct plan){.first = FIRST_GREETING};
        return needs_parameters(situation) ? REPAIRED : UNTOUCHED;
    }
    if (!situation->needs_extended || !span_starts_fold(situation->seen, SPAN("HELO")))
        return UNTOUCHED;
    mended_r->plan = (struct plan){.extended = true};
    return REPAIRED;
}
