/* A small locked table of addresses and what became of them. */
#include "pick.h"

#include <string.h>

#include "lockstep/base/must.h"

/* Of an address that has its whole share. */
#define WHOLE_SHARE 64

_Static_assert(PICK_CANDIDATES_MAX <= 64, "one bit each");

void pick_init(struct pick *pick)
{
    memset(pick, 0, sizeof(*pick));
    must(uv_mutex_init(&pick->lock) == 0);
}

void pick_clear(struct pick *pick)
{
    uv_mutex_destroy(&pick->lock);
}

static bool same_address(const struct address *one, const struct address *other)
{
    return one->any.sa_family == other->any.sa_family && address_port(one) == address_port(other) &&
           address_same_host(one, other);
}

static struct place_of_relay *find(struct pick *pick, const struct address *address)
{
    uint32_t i;

    for (i = 0; i < PICK_PLACES_MAX; i++)
        if (pick->places[i].address.any.sa_family != AF_UNSPEC &&
            same_address(&pick->places[i].address, address))
            return &pick->places[i];
    return NULL;
}

/* Of what nobody uses the one that was used the longest ago, and none of this choice's own. NULL:
 * all are in use, and nothing is remembered of this one. */
static struct place_of_relay *remember(struct pick *pick, const struct address *address)
{
    struct place_of_relay *place = NULL;
    uint32_t i;

    for (i = 0; i < PICK_PLACES_MAX; i++) {
        struct place_of_relay *other = &pick->places[i];

        if (other->open == 0 && other->choice != pick->choices &&
            (place == NULL || other->last < place->last))
            place = other;
    }
    if (place != NULL)
        *place = (struct place_of_relay){
            .address = *address, .last = ++pick->connections, .choice = pick->choices};
    return place;
}

/* First those that are known, so that no new one takes the place of another candidate's. */
static void find_places(struct pick *pick, const struct candidates *candidates,
                        struct place_of_relay **places)
{
    uint32_t i;

    pick->choices++;
    for (i = 0; i < candidates->count; i++) {
        places[i] = find(pick, &candidates->addresses[i]);
        if (places[i] != NULL)
            places[i]->choice = pick->choices;
    }
    for (i = 0; i < candidates->count; i++) {
        if (places[i] == NULL) /* it may be twice among the candidates */
            places[i] = find(pick, &candidates->addresses[i]);
        if (places[i] == NULL)
            places[i] = remember(pick, &candidates->addresses[i]);
    }
}

/* It failed, and its time has not come; or it has, and somebody else asks. */
static bool rests(const struct place_of_relay *place, moment now)
{
    return place != NULL && place->failures > 0 &&
           (now < place->rest_until || now < place->probe_until);
}

/* Of an address that was away it grows, from nearly nothing. */
static int64_t share(const struct place_of_relay *place, const struct wish *wish, moment now)
{
    moment back;

    if (place == NULL || place->back_at == 0 || wish->slow_start_ms == 0)
        return WHOLE_SHARE;
    back = now - place->back_at;
    if (back >= (moment)wish->slow_start_ms)
        return WHOLE_SHARE;
    return 1 + (WHOLE_SHARE - 1) * back / (moment)wish->slow_start_ms;
}

/* What the ways of choosing look at. */
struct choosing {
    const struct candidates *candidates;
    const struct wish *wish;
    moment now;
    bool avoids;
    struct place_of_relay *places[PICK_CANDIDATES_MAX];
};

static bool eligible(const struct choosing *choosing, uint32_t i)
{
    const struct candidates *candidates = choosing->candidates;

    return (candidates->tried >> i & 1U) == 0 && !rests(choosing->places[i], choosing->now) &&
           !(choosing->avoids && same_address(&candidates->addresses[i], &choosing->wish->avoid));
}

/* The first; but one that was away lets some by, to those behind it. */
static uint32_t choose_in_order(struct choosing *choosing)
{
    uint32_t passed = PICK_NONE, i;

    for (i = 0; i < choosing->candidates->count; i++) {
        struct place_of_relay *place = choosing->places[i];
        int64_t part = share(place, choosing->wish, choosing->now);

        if (!eligible(choosing, i))
            continue;
        if (part == WHOLE_SHARE)
            return i;
        place->credit += part;
        if (place->credit >= WHOLE_SHARE) {
            place->credit -= WHOLE_SHARE;
            return i;
        }
        passed = passed == PICK_NONE ? i : passed;
    }
    return passed;
}

/* Each gets credit by its share, the one with the most pays for all. */
static uint32_t choose_evenly(struct choosing *choosing)
{
    uint32_t best = PICK_NONE, i;
    int64_t all = 0;

    for (i = 0; i < choosing->candidates->count; i++) {
        struct place_of_relay *place = choosing->places[i];
        int64_t part = share(place, choosing->wish, choosing->now);

        if (place == NULL || !eligible(choosing, i))
            continue;
        place->credit += part;
        all += part;
        if (best == PICK_NONE || place->credit > choosing->places[best]->credit)
            best = i;
    }
    if (best != PICK_NONE)
        choosing->places[best]->credit -= all;
    return best;
}

static bool has_fewer(const struct choosing *choosing, uint32_t one, uint32_t other)
{
    const struct place_of_relay *here = choosing->places[one], *there = choosing->places[other];
    int64_t mine = (1 + (int64_t)here->open) * share(there, choosing->wish, choosing->now);
    int64_t others = (1 + (int64_t)there->open) * share(here, choosing->wish, choosing->now);

    return mine < others || (mine == others && here->last < there->last);
}

static uint32_t choose_least(struct choosing *choosing)
{
    uint32_t best = PICK_NONE, i;

    for (i = 0; i < choosing->candidates->count; i++) {
        if (choosing->places[i] == NULL || !eligible(choosing, i))
            continue;
        if (best == PICK_NONE || has_fewer(choosing, i, best))
            best = i;
    }
    return best;
}

static uint32_t choose(struct choosing *choosing)
{
    uint32_t best = PICK_NONE, i;

    switch (choosing->wish->balance) {
    case BALANCE_ORDER:
        return choose_in_order(choosing);
    case BALANCE_EVEN:
        best = choose_evenly(choosing);
        break;
    case BALANCE_LEAST:
        best = choose_least(choosing);
        break;
    }
    /* One of which nothing could be remembered. */
    for (i = 0; best == PICK_NONE && i < choosing->candidates->count; i++)
        if (eligible(choosing, i))
            best = i;
    return best;
}

/* All rest: the one whose time comes first. */
static uint32_t choose_tired(const struct choosing *choosing)
{
    uint32_t best = PICK_NONE, i;

    for (i = 0; i < choosing->candidates->count; i++) {
        const struct place_of_relay *place = choosing->places[i];

        if ((choosing->candidates->tried >> i & 1U) != 0)
            continue;
        if (best == PICK_NONE || (place != NULL && choosing->places[best] != NULL &&
                                  place->rest_until < choosing->places[best]->rest_until))
            best = i;
    }
    return best;
}

uint32_t pick_choose(struct pick *pick, const struct candidates *candidates,
                     const struct wish *wish, bool tired, moment now)
{
    struct choosing choosing = {
        .candidates = candidates,
        .wish = wish,
        .now = now,
        .avoids = wish->avoid.any.sa_family != AF_UNSPEC,
    };
    struct place_of_relay *place;
    uint32_t best;

    uv_mutex_lock(&pick->lock);
    find_places(pick, candidates, choosing.places);
    best = choose(&choosing);
    if (best == PICK_NONE && choosing.avoids) {
        choosing.avoids = false;
        best = choose(&choosing);
    }
    if (best == PICK_NONE && tired)
        best = choose_tired(&choosing);
    place = best != PICK_NONE ? choosing.places[best] : NULL;
    if (place != NULL) {
        if (place->failures > 0 && now >= place->rest_until)
            place->probe_until = now + PICK_PROBE_MS;
        place->open++;
        place->last = ++pick->connections;
    }
    uv_mutex_unlock(&pick->lock);
    return best;
}

void pick_leave(struct pick *pick, const struct address *address)
{
    struct place_of_relay *place;

    uv_mutex_lock(&pick->lock);
    place = find(pick, address);
    if (place != NULL && place->open > 0)
        place->open--;
    uv_mutex_unlock(&pick->lock);
}

static void learn_failure(struct pick *pick, struct place_of_relay *place, moment now)
{
    moment rest = PICK_REST_MIN_MS;
    uint32_t i;

    pick->failures++;
    if (place->failures > 0 && now < place->rest_until) /* others failed with it */
        return;
    for (i = 0; i < place->failures && rest < PICK_REST_MAX_MS; i++)
        rest *= 2;
    place->failures++;
    place->rest_until = now + (rest < PICK_REST_MAX_MS ? rest : PICK_REST_MAX_MS);
    place->probe_until = place->back_at = 0;
}

static void learn_success(struct place_of_relay *place, moment now)
{
    if (place->failures == 0)
        return;
    place->failures = 0;
    place->rest_until = place->probe_until = 0;
    place->back_at = now;
    place->credit = 0;
}

void pick_learn(struct pick *pick, const struct address *address, bool well, moment now)
{
    struct place_of_relay *place;

    uv_mutex_lock(&pick->lock);
    place = find(pick, address);
    if (place != NULL && well)
        learn_success(place, now);
    else if (place != NULL)
        learn_failure(pick, place, now);
    uv_mutex_unlock(&pick->lock);
}

uint32_t pick_resting(struct pick *pick, moment now, uint64_t *failures_r)
{
    uint32_t resting = 0, i;

    uv_mutex_lock(&pick->lock);
    for (i = 0; i < PICK_PLACES_MAX; i++)
        resting += rests(&pick->places[i], now) ? 1U : 0U;
    *failures_r = pick->failures;
    uv_mutex_unlock(&pick->lock);
    return resting;
}
