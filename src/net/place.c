/* Binding, and finding what is bound. */
#include "place.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lockstep/base/must.h"
#include "lockstep/net/listener.h"

struct making {
    struct places *made;
    const struct places *old; /* may be NULL */
    uint32_t listener;        /* whose row it is */
    const struct config_address *row;
};

static struct span name_of(const struct places *places, uint32_t listener)
{
    return places->setup->config->listeners[listener].name;
}

/* --- who is counted together --- */

static struct census *census_of(const struct making *making)
{
    struct span name = name_of(making->made, making->listener);
    const struct places *sources[] = {making->made, making->old};
    size_t i;
    uint32_t n;

    for (i = 0; i < 2; i++) {
        for (n = 0; sources[i] != NULL && n < sources[i]->count; n++) {
            const struct place *place = &sources[i]->rows[n];

            if (span_equal(name_of(sources[i], place->listener), name))
                return census_hold(place->census);
        }
    }
    return census_new();
}

static struct place *add_place(struct making *making, const struct address *address)
{
    struct places *made = making->made;
    struct place *place = &made->rows[made->count];

    must(made->count < PLACES_MAX);
    *place = (struct place){.row = making->row,
                            .listener = making->listener,
                            .address = *address,
                            .census = census_of(making)};
    made->count++;
    return place;
}

/* --- what is there already --- */

static bool is_taken(const struct places *made, uint64_t serial)
{
    uint32_t i;

    for (i = 0; i < made->count; i++) {
        if (made->rows[i].serial == serial)
            return true;
    }
    return false;
}

/* Any free port is the one that this listener was given, and no other. */
static bool is_asked_for(const struct making *making, const struct place *place)
{
    const struct config_address *row = making->row;
    struct address address;

    if (is_taken(making->made, place->serial))
        return false;
    if (span_equal(row->host, place->row->host) && row->port == place->row->port)
        return row->port != 0 || span_equal(name_of(making->made, making->listener),
                                            name_of(making->old, place->listener));
    return row->port != 0 && address_literal(row->host, row->port, &address) &&
           address_same_host(&address, &place->address) &&
           address_port(&place->address) == row->port;
}

/* All places of the first such row go on; false: there is none. */
static bool goes_on(struct making *making)
{
    const struct config_address *before = NULL;
    uint32_t i;

    for (i = 0; making->old != NULL && i < making->old->count; i++) {
        const struct place *place = &making->old->rows[i];

        if ((before != NULL && place->row != before) || !is_asked_for(making, place))
            continue;
        before = place->row;
        add_place(making, &place->address)->serial = place->serial;
    }
    return before != NULL;
}

/* --- what is new --- */

/* A socket for each worker; the first gets the port, and the others join it. */
static int bind_sockets(struct place *place, uint32_t workers)
{
    uint32_t i;

    place->sockets = malloc(workers * sizeof(int));
    must(place->sockets != NULL);
    for (i = 0; i < workers; i++)
        place->sockets[i] = -1;
    for (i = 0; i < workers; i++) {
        enum listener_share share = workers == 1 ? LISTENER_ALONE
                                    : i == 0     ? LISTENER_FIRST
                                                 : LISTENER_JOINED;

        place->sockets[i] = listener_bind(&place->address, share);
        if (place->sockets[i] < 0)
            return place->sockets[i];
    }
    return 0;
}

static int bind_address(struct making *making, const struct address *address)
{
    struct place *place = add_place(making, address);

    making->made->wanted = *address;
    place->serial = ++making->made->serial;
    return bind_sockets(place, making->made->workers);
}

static void forget_last(struct places *places)
{
    struct place *place = &places->rows[--places->count];
    uint32_t i;

    for (i = 0; place->sockets != NULL && i < places->workers; i++) {
        if (place->sockets[i] >= 0)
            close(place->sockets[i]);
    }
    free(place->sockets);
    census_drop(&place->census);
}

/* "*" is every address there is: IPv6 on the port that IPv4 got, if the machine has IPv6. */
static int bind_all(struct making *making)
{
    struct address address;
    int error;

    address_literal(SPAN("0.0.0.0"), making->row->port, &address);
    error = bind_address(making, &address);
    if (error != 0)
        return error;
    address_literal(SPAN("::"), address_port(&making->made->rows[making->made->count - 1].address),
                    &address);
    error = bind_address(making, &address);
    if (error != UV_EAFNOSUPPORT && error != UV_EADDRNOTAVAIL)
        return error;
    forget_last(making->made);
    return 0;
}

/* A name is looked up once, at the start, when waiting for it harms nobody. */
static int bind_name(struct making *making)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *result;
    uv_getaddrinfo_t request;
    uv_loop_t loop;
    char name[256] = "";
    int error;

    if (making->row->host.size >= sizeof(name))
        return UV_EAI_NONAME;
    memcpy(name, making->row->host.at, making->row->host.size);
    must(uv_loop_init(&loop) == 0);
    error = uv_getaddrinfo(&loop, &request, NULL, name, NULL, &hints);
    uv_loop_close(&loop);
    if (error != 0)
        return error;
    for (result = request.addrinfo; result != NULL && error == 0; result = result->ai_next) {
        struct address address;

        if (!address_copy(result->ai_addr, &address))
            continue;
        address_set_port(&address, making->row->port);
        error = bind_address(making, &address);
    }
    uv_freeaddrinfo(request.addrinfo);
    return error;
}

static int bind_row(struct making *making)
{
    struct address address;

    if (span_equal(making->row->host, SPAN("*")))
        return bind_all(making);
    if (address_literal(making->row->host, making->row->port, &address))
        return bind_address(making, &address);
    return bind_name(making);
}

/* --- all of them --- */

int places_make(struct places **places_r, const struct places *old, struct setup *setup,
                uint32_t workers)
{
    struct making making = {.made = calloc(1, sizeof(struct places)), .old = old};
    const struct config *config = setup->config;
    int error = 0;
    uint32_t n;

    must(making.made != NULL);
    *places_r = making.made;
    setup_hold(setup);
    making.made->setup = setup;
    making.made->workers = workers;
    making.made->serial = old != NULL ? old->serial : 0;
    for (; making.listener < config->listener_count && error == 0; making.listener++) {
        const struct config_listener *listener = &config->listeners[making.listener];

        for (n = 0; listener->enabled && n < listener->listen.count && error == 0; n++) {
            making.row = &listener->listen.rows[n];
            if (!goes_on(&making))
                error = bind_row(&making);
        }
    }
    return error;
}

void places_handed(struct places *places)
{
    uint32_t i;

    for (i = 0; i < places->count; i++) {
        free(places->rows[i].sockets);
        places->rows[i].sockets = NULL;
    }
}

void places_free(struct places **places)
{
    while ((*places)->count > 0)
        forget_last(*places);
    setup_drop((*places)->setup);
    free(*places);
    *places = NULL;
}
