/*
 * The model of who the client is: what it tells with XCLIENT, and whether the upstream hears of it,
 * and of nobody else, before its mail.
 */
#include "sim.h"

#define ITSELF SPAN("192.0.2.1")
#define ANOTHER SPAN("198.51.100.7")

static bool logs_in_here(const struct world *world)
{
    enum logins logins = world->policy.client_auth.logins;

    return logins == LOGINS_CHECK || logins == LOGINS_ACCEPT;
}

void identity_choose(struct world *world)
{
    struct dice *dice = &world->client.dice;
    struct policy *policy = &world->policy;
    char memory[100];
    struct text error = text_over(memory, sizeof(memory));
    uint32_t i;

    for (i = 0; i < policy->relay_count; i++) {
        policy->relays[i].xclient = dice_chance(dice, 40);
        policy->relays[i].xforward = dice_chance(dice, 30);
    }
    if (dice_chance(dice, 40))
        policy_set(policy, SPAN("xclient-from"), ITSELF, &error);
    world->upstream.xclient = dice_chance(dice, 70);
    world->upstream.xclient_login = dice_chance(dice, 70);
    world->upstream.xforward = dice_chance(dice, 70);
}

/* --- the client --- */

bool identity_say(struct world *world)
{
    struct client *client = &world->client;
    bool login = logs_in_here(world) && dice_chance(&client->dice, 40);

    if (world->policy.xclient_from.count == 0 || !dice_chance(&client->dice, 20))
        return false;
    client->names_login = login;
    if (dice_chance(&client->dice, 10))
        bytes_say(&client->out, "XCLIENT ADDR=\r\n");
    else
        bytes_say(&client->out, "XCLIENT ADDR=198.51.100.7%s\r\n", login ? " LOGIN=u" : "");
    client_expect(client, EXPECT_IDENTITY, 0);
    client->wait = true;
    return true;
}

bool identity_heard(struct client *client, uint16_t code)
{
    if (code != 220)
        return false;
    client->speaks_for_another = true;
    client->known = client->names_login;
    client->auth_going = false;
    return true;
}

/* --- the upstream --- */

void identity_offer(struct world *world)
{
    struct upstream *upstream = &world->upstream;

    if (!world->guided)
        return;
    if (upstream->xclient)
        bytes_say(&upstream->out, "250-XCLIENT PORT ADDR HELO%s\r\n",
                  upstream->xclient_login ? " LOGIN" : "");
    if (upstream->xforward)
        bytes_say(&upstream->out, "250-XFORWARD ADDR\r\n");
    upstream->named.offered |= upstream->xclient;
    upstream->named.forward_offered = upstream->xforward;
}

/* Is that the client's address, as a whole word? */
static bool names(struct span line, struct span address)
{
    struct span word;

    while (span_word(&line, &word)) {
        if (span_starts(word, SPAN("ADDR=")) && span_equal(span_tail(word, 5), address))
            return true;
    }
    return false;
}

static bool names_anybody(struct world *world, struct span line)
{
    bool itself = names(line, ITSELF), another = names(line, ANOTHER);

    if (itself != another)
        return true;
    world_fail(world, "the relay is told an address that somebody has");
    return false;
}

static bool identity_named(struct world *world, struct span line)
{
    struct upstream *upstream = &world->upstream;
    bool login = span_find_span(line, SPAN(" LOGIN=")) < line.size;

    if (!world->guided || !names_anybody(world, line))
        return false;
    if (upstream->mail_open)
        world_doubt(world, "nobody becomes somebody else within a transaction");
    if (upstream_verdict(world, line, 9) < 12) {
        upstream->named.refused = true;
        upstream->named.half = login;
        upstream->half_told |= login;
        return false;
    }
    upstream->named.told = true;
    upstream->named.another = names(line, ANOTHER);
    upstream->named.login = login;
    return true;
}

void identity_obey(struct world *world, struct span line)
{
    if (!identity_named(world, line)) {
        upstream_say(world, TO_LINE, 0, 550, "nobody is who you say");
        return;
    }
    upstream_begin_anew(&world->upstream);
    upstream_say(world, TO_LINE, 0, 220, "greets whom you say");
    world->upstream.barrier = true;
}

bool identity_forwarded(struct world *world, struct span line)
{
    struct upstream *upstream = &world->upstream;

    if (!world->guided || !names_anybody(world, line))
        return false;
    if (upstream->mail_open)
        world_doubt(world, "XFORWARD does not come within a transaction");
    upstream->named.forward_refused |= upstream_verdict(world, line, 10) < 12;
    upstream->named.forwarded = !upstream->named.forward_refused;
    upstream->named.forwarded_another = names(line, ANOTHER);
    return upstream->named.forwarded;
}

static void check_xclient(struct world *world)
{
    const struct named *named = &world->upstream.named;
    bool login = world->client.known && logs_in_here(world) && world->upstream.xclient_login;

    if (world->policy.route_count > 0)
        login = named->login && login; /* lockstep's own may have come first */
    if (named->told && named->another != world->client.speaks_for_another)
        world_doubt(world, "a connection that was told of one client has no other's mail");
    if (named->told && named->login != login)
        world_doubt(world, "a connection that was told of one login has no other's mail");
    if (named->half)
        world_doubt(world, "a connection that may have taken half of a login has no mail");
    if (!named->told && named->offered && !named->refused && !world->upstream.half_told &&
        world->policy.relays[world->relay].xclient)
        world_doubt(world, "the relay is told who the client is before its mail");
}

static void check_xforward(struct world *world)
{
    const struct named *named = &world->upstream.named;

    if (named->forwarded && named->forwarded_another != world->client.speaks_for_another)
        world_doubt(world, "the relay's log is told of the client, and of nobody else");
    if (!named->forwarded && named->forward_offered && !named->forward_refused &&
        world->policy.relays[world->relay].xforward)
        world_doubt(world, "the relay's log is told who the client is before each message");
}

void identity_check_mail(struct world *world)
{
    if (!world->guided || world->confused)
        return;
    check_xclient(world);
    check_xforward(world);
}
