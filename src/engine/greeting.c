/* What the upstream's greeting means. */
#include "prepare.h"
#include "replay.h"

void upstream_greets(struct engine *engine, const struct reply *reply)
{
    if (reply->code < 300)
        engine->summary.greetings++;
    else
        engine->summary.turned_away++;
    replay_look(engine, reply, DOES_NONE);
    if (reply->code >= 300 && reply->code < 400 && !transparent(engine)) {
        upstream_broken(engine, SPAN("The relay's greeting makes no sense"));
        return;
    }
    if (engine->leg.anew) {
        prepare_arrived(engine, reply);
        return;
    }
    if (reply->code >= 400 && replay_greeting(engine, SPAN("greeting")))
        return;
    emit_reply(engine, reply);
    engine->welcomed = true;
    engine->phase = PHASE_TALKING;
    engine->client_since = engine->now;
    engine->summary.upstream_greeted = reply->code < 300;
    upstream_of(engine)->view.ungreetable = reply->code >= 300;
    if (!transparent(engine) && (reply->code == 421 || reply->code == 521))
        session_close(engine, "relay-refused"); /* RFC 7504 3, RFC 5321 3.8 */
}
