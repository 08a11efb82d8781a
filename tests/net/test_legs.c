/* lockstep's own connections, known by their addresses; and who was waiting when a listener ends.
 */
#include <criterion/criterion.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lockstep/net/listener.h"
#include "lockstep/net/path.h"
#include "net/legs.h"

#define CALLERS 5

static struct scene {
    uv_loop_t uv;
    struct link_loop loop;
    struct legs *legs;
    struct leg *leg;
    struct link link;
    struct address server; /* something listens there */
    int listening;
    bool gone;
} scene;

static void said(struct link *link, struct span bytes)
{
    (void)link;
    (void)bytes;
}

static void nothing(struct link *link)
{
    (void)link;
}

static void lost(struct link *link, int error)
{
    (void)error;
    link_shut(link, SHUT_NOW);
}

static void gone(struct link *link)
{
    (void)link;
    scene.gone = true;
}

static size_t room(const struct link *link)
{
    (void)link;
    return LINK_READ_BYTES;
}

static const struct link_user user = {
    .opened = nothing, .room = room, .said = said, .ended = nothing, .lost = lost, .gone = gone};

static void begin(void)
{
    cr_assert_eq(uv_loop_init(&scene.uv), 0);
    link_loop_init(&scene.loop, &scene.uv);
    scene.legs = legs_new();
    cr_assert(address_literal(SPAN("127.0.0.1"), 0, &scene.server));
    scene.listening = listener_bind(&scene.server, LISTENER_ALONE);
    cr_assert_geq(scene.listening, 0);
}

static void end(void)
{
    close(scene.listening);
    legs_free(&scene.legs);
    link_loop_close(&scene.loop);
    uv_run(&scene.uv, UV_RUN_DEFAULT);
    cr_assert_eq(uv_loop_close(&scene.uv), 0);
}

static int go(const struct link_way *way)
{
    return legs_connect(scene.legs, &scene.leg, &scene.link, &scene.loop, &user, &scene.server,
                        way);
}

/* Where the connection comes from, as its server sees it. */
static struct address caller_of(void)
{
    struct address caller = {0};
    socklen_t size = sizeof(caller);
    int fd;

    /* It is there as soon as connect() has returned, on loopback. */
    do
        fd = accept(scene.listening, &caller.any, &size);
    while (fd < 0 && errno == EAGAIN);
    cr_assert_geq(fd, 0);
    close(fd);
    return caller;
}

static void leave(void)
{
    legs_leave(scene.legs, &scene.leg);
    cr_assert_null(scene.leg);
    legs_leave(scene.legs, &scene.leg); /* harmless */
    link_shut(&scene.link, SHUT_NOW);
    while (!scene.gone)
        uv_run(&scene.uv, UV_RUN_ONCE);
}

Test(legs, own_connection_is_known_wherever_it_went, .init = begin, .fini = end)
{
    struct address caller, other, elsewhere;

    cr_assert_eq(go(&(struct link_way){.mark = PATH_MARK}), 0);
    caller = other = caller_of();
    elsewhere = scene.server;
    address_set_port(&other, (uint16_t)(address_port(&caller) ^ 1));
    address_set_port(&elsewhere, 25);
    cr_assert(legs_hold(scene.legs, &caller, &scene.server));
    cr_assert(legs_hold(scene.legs, &caller, &elsewhere));
    cr_assert_not(legs_hold(scene.legs, &other, &scene.server));
    leave();
    cr_assert_not(legs_hold(scene.legs, &caller, &scene.server));
}

/* The client itself may come from that port too, to somebody else. */
Test(legs, a_connection_with_anothers_address_is_known_by_both_ends, .init = begin, .fini = end)
{
    struct address from, caller, elsewhere;

    if (!path_may_borrow())
        cr_skip_test("addresses of others can't be had");
    cr_assert(address_literal(SPAN("127.0.0.9"), 4711, &from));
    cr_assert_eq(go(&(struct link_way){.from = &from}), 0);
    caller = caller_of();
    cr_assert(address_same_host(&caller, &from));
    elsewhere = scene.server;
    address_set_port(&elsewhere, 25);
    cr_assert(legs_hold(scene.legs, &caller, &scene.server));
    cr_assert_not(legs_hold(scene.legs, &caller, &elsewhere));
    leave();
}

Test(legs, an_address_of_another_family_can_not_be_borrowed, .init = begin, .fini = end)
{
    struct address from;

    cr_assert(address_literal(SPAN("::1"), 0, &from));
    cr_assert_eq(go(&(struct link_way){.from = &from}), UV_EAFNOSUPPORT);
    cr_assert_null(scene.leg);
    while (!scene.gone)
        uv_run(&scene.uv, UV_RUN_ONCE);
}

/* --- listener --- */

static uint32_t taken;

static void take(struct listener *listener, int fd, const struct address *peer)
{
    (void)listener;
    (void)peer;
    taken++;
    close(fd);
}

Test(listener, empty_takes_all_who_wait, .init = begin, .fini = end)
{
    struct listener listener;
    int callers[CALLERS];
    size_t i;

    taken = 0;
    listener_start(&listener, &scene.uv, dup(scene.listening), take, NULL);
    for (i = 0; i < CALLERS; i++) {
        callers[i] = socket(AF_INET, SOCK_STREAM, 0);
        cr_assert_eq(connect(callers[i], &scene.server.any, address_size(&scene.server)), 0);
    }
    listener_empty(&listener);
    listener_stop(&listener);
    listener_empty(&listener); /* nothing is left to take */
    cr_assert_eq(taken, CALLERS);
    for (i = 0; i < CALLERS; i++)
        close(callers[i]);
    uv_run(&scene.uv, UV_RUN_NOWAIT);
}
