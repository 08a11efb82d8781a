/*
 * The model of what is outside a session: policies with TLS, routes and credentials, whoever
 * answers questions, and handshakes. A credential says whose it is, so that one that is used for
 * somebody else shows.
 */
#include "sim.h"

#define CREDENTIALS 3U

/* One sender's route may have a live source; the one for everybody else, POP before SMTP. */
static void vary_route(struct route *route, struct dice *dice)
{
    if (!dice_chance(dice, 30))
        return;
    if (route->credential == 1) {
        route->ask = SPAN("http://live.test/");
        route->credential = NOTHING;
    } else if (route->credential == 2) {
        route->pop = SPAN("pop3s://pop.test");
    }
}

/* Routes by sender: the last digit of its tag; by recipient; and for everybody else. */
static void add_routes(struct policy *policy, struct dice *dice)
{
    static const struct route routes[] = {
        {.wants = {[FACT_SENDER] = SPAN_INIT("s~*1~@a")},
         .relay = 1,
         .relay_name = SPAN_INIT("other"),
         .credential = 0,
         .credential_name = SPAN_INIT("c0")},
        {.wants = {[FACT_SENDER] = SPAN_INIT("s~*2~@a")},
         .relay = NOTHING,
         .credential = 1,
         .credential_name = SPAN_INIT("c1")},
        {.wants = {[FACT_RECIPIENT] = SPAN_INIT("r~*3~~*")},
         .relay = 1,
         .relay_name = SPAN_INIT("other"),
         .credential = NOTHING},
        {.relay = NOTHING, .credential = 2, .credential_name = SPAN_INIT("c2")},
    };
    size_t i;

    for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (dice_chance(dice, 45))
            policy->routes[policy->route_count++] = routes[i];
    }
    for (i = 0; i < policy->route_count; i++)
        vary_route(&policy->routes[i], dice);
}

void outside_choose(struct world *world)
{
    static const enum security securities[] = {SECURITY_NONE, SECURITY_OFFERED, SECURITY_STARTTLS};
    static const struct span names[CREDENTIALS] = {SPAN_INIT("c0"), SPAN_INIT("c1"),
                                                   SPAN_INIT("c2")};
    struct dice *dice = &world->client.dice;
    struct policy *policy = &world->policy;
    uint32_t i;

    world->guided = true;
    policy->relay_count = 2;
    policy->relays[1] = policy->relays[0];
    for (i = 0; i < policy->relay_count; i++) {
        policy->relays[i].security = securities[dice_below(dice, 3)];
        policy->relays[i].allow_clear = dice_chance(dice, 60);
        policy->relays[i].refused = (enum refused_auth)dice_below(dice, 4);
        policy->relays[i].paced = dice_chance(dice, 30);
    }
    policy->relays[1].name = SPAN("other");
    policy->credential_count = CREDENTIALS;
    for (i = 0; i < CREDENTIALS; i++)
        policy->credentials[i].name = names[i];
    add_routes(policy, dice);
    policy->tls_offer = dice_chance(dice, 50) ? TLS_OFFER_STARTTLS : TLS_OFFER_NONE;
    policy->tls_required = policy->tls_offer == TLS_OFFER_STARTTLS && dice_chance(dice, 20);
    policy->client_auth.logins = (enum logins)dice_below(dice, LOGINS_HIDE + 1);
    if (policy->client_auth.logins == LOGINS_PASS && policy->route_count > 0)
        policy->client_auth.logins = LOGINS_AUTO;
    policy->client_auth.allow_clear = dice_chance(dice, 70);
    policy->client_auth.equals = dice_chance(dice, 20);
    identity_choose(world);
}

/* Of the sender that the client said, whatever it was made of; the null sender has none. */
static bool has_digit(struct span line, char digit)
{
    return span_find_span(line, SPAN("FROM:<>")) == line.size &&
           tag_in(line) % 10 == (uint32_t)(digit - '0');
}

/* Whom the live source names for that sender. */
static uint32_t live_owner(struct span line)
{
    return CREDENTIALS + tag_in(line) % 4;
}

/* Whose MAIL is this? LIVE: only a recipient tells. */
static uint32_t owner_of(const struct world *world, struct span line)
{
    uint32_t i;

    for (i = 0; i < world->policy.route_count; i++) {
        const struct route *route = &world->policy.routes[i];

        if (route->wants[FACT_RECIPIENT].size > 0)
            return LIVE;
        if (route->wants[FACT_SENDER].size == 0 || has_digit(line, route->wants[FACT_SENDER].at[3]))
            return route->ask.size > 0 ? live_owner(line) : route->credential;
    }
    return NOTHING;
}

uint32_t outside_credential(struct span line)
{
    struct span mark = SPAN("S3CRETc");
    size_t at = span_find_span(line, mark) + mark.size;

    return at < line.size ? (uint32_t)(line.at[at] - '0') : NOTHING;
}

void outside_check_mail(struct world *world, struct span line)
{
    uint32_t owner = owner_of(world, line);
    uint32_t as = world->upstream.as;

    if (world->guided && world->policy.mode == MODE_REPAIR && !world->granted &&
        world->policy.relays[world->relay].paced)
        world_fail(world, "no message begins before its rate allows it");
    if (world->guided && owner != LIVE && as != NOTHING && as != owner)
        world_fail(world, "no credential of one identity is used for another");
}

/* Before TLS only what brings it about may be said, and no secret at all. */
void outside_check_clear(struct world *world, struct span line)
{
    const struct relay *relay = &world->policy.relays[world->relay];
    struct span rest = line;
    struct span word;

    if (!world->guided || world->upstream.secured || world->confused)
        return;
    span_word(&rest, &word);
    if (relay->security == SECURITY_STARTTLS && !span_equal_fold(word, SPAN("EHLO")) &&
        !span_equal_fold(word, SPAN("STARTTLS")) && !span_equal_fold(word, SPAN("QUIT")))
        world_fail(world, "nothing goes on in clear where TLS is required (R-33)");
    if (span_find_span(line, SPAN("S3CRETc")) < line.size && !relay->allow_clear)
        world_fail(world, "no credential of ours is said in clear");
}

void outside_check_spared(struct world *world, enum repair_id id, bool heard, const char *what)
{
    if (heard && world->policy.mode == MODE_REPAIR && !world->confused &&
        (world->policy.repairs & REPAIR_BIT(id)) != 0)
        world_fail(world, what);
}

/* --- questions --- */

void outside_ask(struct world *world, const struct question *question)
{
    if (world->asked && !world->late)
        world_fail(world, "one question at a time");
    world->late_serial = world->asked ? world->question.serial : 0;
    if (question->kind == QUESTION_ROUTE)
        world->live_as = live_owner(question->facts[FACT_SENDER]);
    if (question->facts[FACT_LOGIN].size > 0 && !world->client.known)
        world_fail(world, "a name that was only claimed is nobody's");
    world->asked = true;
    world->late = !world->calm && dice_chance(&world->dice, 3);
    world->question = *question;
}

bool outside_can_tell(const struct world *world)
{
    return world->asked && !world->late;
}

/* What nobody waits for any more changes nothing: whoever believed it would be somebody else. */
static void tell_late(struct world *world)
{
    const struct advice advice = {
        .told = TOLD_LINE, .serial = world->late_serial, .credential = LIVE, .moved = true};

    world->late_serial = 0;
    world_step(world, (struct event){
                          .kind = EVENT_TOLD, .bytes = SPAN("PLAIN S3CRETc9"), .advice = &advice});
}

static void tell_as(struct world *world, uint32_t credential, enum told told, const char *words)
{
    const struct advice advice = {.told = told,
                                  .serial = world->question.serial,
                                  .credential = credential,
                                  .moved = credential == LIVE && world->live_as % 2 == 0};

    world_step(world, (struct event){
                          .kind = EVENT_TOLD, .bytes = span_of_string(words), .advice = &advice});
}

static void tell(struct world *world, enum told told, const char *words)
{
    tell_as(world, NOTHING, told, words);
}

static char digit_of(const struct world *world)
{
    uint32_t credential = world->question.credential;

    return (char)('0' + (credential == LIVE_ROUTE ? world->live_as : credential));
}

void outside_tell(struct world *world)
{
    static char line[] = "PLAIN S3CRETc0";
    struct dice *dice = &world->client.dice;
    uint32_t chance = world->calm ? 0 : dice_below(dice, 100);
    const struct question *question = &world->question;

    world->asked = false;
    if (question->kind == QUESTION_PACE)
        world->granted = chance <= 90;
    if (world->late_serial != 0)
        tell_late(world);
    if (chance > 95) {
        tell(world, TOLD_LATER, "not now");
        return;
    }
    if (chance > 90) {
        tell(world, TOLD_NO, "never");
        return;
    }
    switch (question->kind) {
    case QUESTION_AUTH:
        line[sizeof(line) - 2] = digit_of(world);
        tell(world, chance > 85 ? TOLD_AGAIN : TOLD_LINE, line);
        break;
    case QUESTION_CHALLENGE:
        line[sizeof(line) - 2] = digit_of(world);
        tell(world, TOLD_LINE, line + 6);
        break;
    case QUESTION_OUTCOME:
        tell(world, question->code == 235 ? TOLD_DONE : chance > 50 ? TOLD_AGAIN : TOLD_NO, "");
        break;
    case QUESTION_LOGIN:
        world->logged_in = chance < 60;
        tell(world, chance < 60 ? TOLD_DONE : TOLD_NO, "");
        break;
    case QUESTION_POP:
        tell(world, chance > 85 ? TOLD_AGAIN : TOLD_DONE, "");
        break;
    case QUESTION_PACE:
        tell(world, TOLD_DONE, "");
        break;
    case QUESTION_ROUTE:
        tell_as(world, chance > 70 ? NOTHING : LIVE, TOLD_DONE, "");
        break;
    }
}

/* --- handshakes --- */

void outside_secure(struct world *world, enum side side)
{
    if (world->securing[side])
        world_fail(world, "TLS begins once");
    world->securing[side] = true;
}

bool outside_can_shake_hands(const struct world *world, enum side side)
{
    const struct link *link = &world->links[side];

    return world->securing[side] && !link->failed && !link->ended && !link->shut &&
           (side == SIDE_UPSTREAM || link->unsent == 0);
}

/* What came in clear behind STARTTLS is taken for the handshake, which then fails. */
void outside_shake_hands(struct world *world, enum side side)
{
    struct client *client = &world->client;
    bool fails = side == SIDE_CLIENT ? client->out.end > client->out.start
                                     : !world->calm && dice_chance(&world->dice, 10);

    world->securing[side] = false;
    if (fails) {
        world->links[side].failed = true;
        if (side == SIDE_UPSTREAM)
            upstream_lost(world);
        else
            client_lost(world);
        world_step(world,
                   (struct event){.kind = EVENT_FAILED, .side = side, .bytes = SPAN("handshake")});
        return;
    }
    if (side == SIDE_UPSTREAM)
        upstream_secured(world);
    else
        client_secured(world);
    world_step(world, (struct event){.kind = EVENT_SECURED, .side = side, .bytes = SPAN("TLS")});
}

/* The client itself, or somebody in between who speaks for it. */
void outside_arrive(struct world *world)
{
    struct event event = {.kind = EVENT_OPENED, .side = SIDE_CLIENT, .bytes = SPAN("192.0.2.1")};
    struct arrival arrival = {.port = 40000};

    if (dice_chance(&world->dice, 20)) {
        arrival.through = SPAN("10.0.0.5:4711");
        arrival.along = dice_chance(&world->dice, 50);
    }
    event.arrival = &arrival;
    world->links[SIDE_CLIENT].open = true;
    world_step(world, event);
}
