#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "contexts.h"
#include "lockstep/base/must.h"
#include "lockstep/net/dial.h"
#include "lockstep/net/listener.h"
#include "net/pick.h"

#define PATIENCE_S 20
#define SERVERS_MAX 3

/* A server on loopback that takes one client, in TLS if it has a context. */
struct place {
    struct listener listener;
    struct link link;
    struct tls_context *context;
    struct address address;
    uint32_t prefaced; /* connections that began as they should */
};

struct caller {
    uv_loop_t uv;
    struct link_loop loop;
    struct link link;
    struct dial *dial;
    struct config_addresses addresses;
    struct place places[SERVERS_MAX];
    struct span preface; /* what servers wait for, before TLS */
    struct pick *pick;   /* NULL: nothing is known of the addresses */
    enum config_balance balance;
    struct address at; /* connected to */
    bool opened;
    bool failed;
    bool gone;
    char words[400];
};

static struct caller caller;

/* --- servers --- */

static size_t any_room(const struct link *link)
{
    (void)link;
    return LINK_READ_BYTES;
}

static void nothing_said(struct link *link, struct span bytes)
{
    (void)link;
    (void)bytes;
}

static void nothing(struct link *link)
{
    (void)link;
}

static void server_lost(struct link *link, int error)
{
    (void)error;
    link_shut(link, SHUT_NOW);
}

static void server_ended(struct link *link)
{
    link_shut(link, SHUT_FLUSH);
}

static void nothing_sent(struct link *link, size_t count)
{
    (void)link;
    (void)count;
}

/* What is behind it is somebody else's. */
static void preface_peeked(struct link *link, struct span bytes)
{
    struct place *place = (struct place *)((uintptr_t)link - offsetof(struct place, link));

    cr_assert(span_starts(bytes, caller.preface), "it did not come first, and whole");
    link_skip(link, caller.preface.size);
    link_peek(link, false);
    place->prefaced++;
    if (place->context != NULL)
        link_secure(link, place->context, (struct span){0});
}

static const struct link_user server_user = {.room = any_room,
                                             .said = nothing_said,
                                             .ended = server_ended,
                                             .lost = server_lost,
                                             .sent = nothing_sent,
                                             .secured = nothing,
                                             .peeked = preface_peeked,
                                             .gone = nothing};

static void accepted(struct listener *listener, int fd, const struct address *peer)
{
    struct place *place = listener->data;

    (void)peer;
    cr_assert_eq(link_open(&place->link, &caller.loop, &server_user, fd), 0);
    if (caller.preface.size > 0)
        link_peek(&place->link, true);
    else if (place->context != NULL)
        link_secure(&place->link, place->context, (struct span){0});
}

/* The next address to call. */
static void serve(struct tls_context *context)
{
    struct place *place = &caller.places[caller.addresses.count];
    struct config_address *row = &caller.addresses.rows[caller.addresses.count++];
    int fd;

    cr_assert(address_literal(SPAN("127.0.0.1"), 0, &place->address));
    fd = listener_bind(&place->address, LISTENER_ALONE);
    cr_assert_geq(fd, 0);
    place->context = context;
    listener_start(&place->listener, &caller.uv, fd, accepted, place);
    row->host = SPAN("127.0.0.1");
    row->port = address_port(&place->address);
}

/* --- the caller --- */

static void caller_opened(struct link *link)
{
    (void)link;
    caller.opened = true;
    caller.at = *dial_address(caller.dial);
    dial_take(caller.dial);
    dial_close(&caller.dial);
}

static void caller_lost(struct link *link, int error)
{
    if (caller.dial != NULL)
        dial_lost(caller.dial, error);
    else
        link_shut(link, SHUT_NOW);
}

static void caller_gone(struct link *link)
{
    (void)link;
    if (caller.dial != NULL)
        dial_gone(caller.dial);
    else
        caller.gone = true;
}

static void caller_failed(void *data)
{
    struct span words = dial_words(caller.dial);

    (void)data;
    memcpy(caller.words, words.at, words.size);
    caller.failed = true;
    dial_close(&caller.dial);
}

static const struct link_user caller_user = {.opened = caller_opened,
                                             .room = any_room,
                                             .said = nothing_said,
                                             .ended = nothing,
                                             .lost = caller_lost,
                                             .sent = nothing_sent,
                                             .gone = caller_gone};

static void caller_init(void)
{
    must(uv_loop_init(&caller.uv) == 0);
    link_loop_init(&caller.loop, &caller.uv);
}

static void call(struct tls_context *context, const char *name, uint32_t wait_ms)
{
    struct dial_plan plan = {.loop = &caller.loop,
                             .link = &caller.link,
                             .user = &caller_user,
                             .addresses = &caller.addresses,
                             .pick = caller.pick,
                             .balance = caller.balance,
                             .wait_ms = wait_ms,
                             .tls = context,
                             .preface = caller.preface,
                             .server_name = span_of_string(name),
                             .failed = caller_failed};
    time_t until = time(NULL) + PATIENCE_S;

    uv_update_time(&caller.uv);
    caller.dial = dial_open(&plan);
    while (!caller.opened && !caller.failed) {
        cr_assert_lt(time(NULL), until);
        if (dial_deadline(caller.dial) <= (moment)uv_now(&caller.uv))
            dial_late(caller.dial);
        uv_run(&caller.uv, UV_RUN_NOWAIT);
    }
}

static const char *said_of(uint32_t place, const char *words)
{
    static char text[400];
    char address[ADDRESS_TEXT_MAX];

    snprintf(text, sizeof(text), "%s %s", words,
             address_text(&caller.places[place].address, address));
    return text;
}

Test(dial, is_connected_when_tls_is_up)
{
    struct contexts contexts = contexts_new();
    char words[TLS_WORDS_MAX];

    caller_init();
    serve(contexts.server);
    call(contexts.client, "", 5000); /* by the address it is called at */
    cr_assert(caller.opened);
    cr_assert_eq(caller.link.state, LINK_OPEN);
    cr_assert(span_starts(tls_words(caller.link.tls, words), SPAN("TLSv1.3 ")));
    contexts_drop(&contexts);
}

Test(dial, goes_on_to_the_next_address_when_tls_fails)
{
    struct contexts contexts = contexts_new();
    struct issued other = issue(&contexts.authority, "other", "DNS:other.example");
    struct tls_server settings = {
        .identity = {span_of_string(other.file), span_of_string(other.key_file)}};
    struct tls_context *wrong = server_new(&settings);

    caller_init();
    serve(wrong);
    serve(contexts.server);
    call(contexts.client, "mail.example", 5000);
    cr_assert(caller.opened);
    cr_assert_neq(caller.places[0].link.loop, NULL, "the first was not tried");
    contexts_drop(&contexts);
    tls_context_drop(wrong);
}

static bool all_closed(void)
{
    size_t i;

    for (i = 0; i < SERVERS_MAX; i++)
        if (caller.places[i].link.state != LINK_NONE)
            return false;
    return caller.link.state == LINK_NONE;
}

/* The links of the call before are closed first. */
static void call_again(struct tls_context *context, const char *name)
{
    time_t until = time(NULL) + PATIENCE_S;

    link_shut(&caller.link, SHUT_NOW);
    while (!all_closed()) {
        cr_assert_lt(time(NULL), until);
        uv_run(&caller.uv, UV_RUN_NOWAIT);
    }
    caller.opened = caller.failed = false;
    call(context, name, 5000);
}

static struct pick pick;

static void begin(enum config_balance balance)
{
    pick_init(&pick);
    caller.pick = &pick;
    caller.balance = balance;
    caller_init();
}

static void leave_alone(enum config_balance balance)
{
    struct contexts contexts = contexts_new();
    struct issued other = issue(&contexts.authority, "other", "DNS:other.example");
    struct tls_server settings = {
        .identity = {span_of_string(other.file), span_of_string(other.key_file)}};
    struct tls_context *wrong = server_new(&settings);
    uint64_t failures;

    begin(balance);
    serve(wrong);
    serve(contexts.server);
    call(contexts.client, "mail.example", 5000);
    call_again(contexts.client, "mail.example");
    cr_assert(caller.opened);
    cr_assert_eq(address_port(&caller.at), address_port(&caller.places[1].address));
    cr_assert_eq(pick_resting(&pick, (moment)uv_now(&caller.uv), &failures), 1);
    cr_assert_eq(failures, 1, "it was asked again");
    cr_assert_eq(pick.places[0].open, 0);
    cr_assert_eq(pick.places[1].open, 2);
    contexts_drop(&contexts);
    tls_context_drop(wrong);
}

Test(dial, leaves_an_address_alone_that_failed)
{
    leave_alone(BALANCE_ORDER);
}

Test(dial, leaves_an_address_alone_that_failed_where_they_are_chosen_by_load)
{
    leave_alone(BALANCE_LEAST);
}

/* The first connection goes to one of them and the second to the other. */
Test(dial, has_all_names_before_it_chooses_among_them)
{
    uint16_t before;

    begin(BALANCE_EVEN);
    serve(NULL);
    serve(NULL);
    caller.addresses.rows[0].host = SPAN("127.1"); /* no literal, and needs no name server */
    call(NULL, "", 5000);
    before = address_port(&caller.at);
    call_again(NULL, "");
    cr_assert(caller.opened);
    cr_assert_neq(address_port(&caller.at), before);
}

Test(dial, says_why_no_address_would_do)
{
    struct contexts contexts = contexts_new();

    caller_init();
    serve(contexts.server);
    call(contexts.client, "other.example", 5000);
    cr_assert(caller.failed);
    cr_assert_str_eq(caller.words, said_of(0, "TLS: name does not match: the certificate is for "
                                              "mail.example, 127.0.0.1 at"));
    contexts_drop(&contexts);
}

Test(dial, waits_as_long_for_connection_and_handshake_together)
{
    struct contexts contexts = contexts_new();

    caller_init();
    serve(NULL); /* connects, and never answers */
    call(contexts.client, "mail.example", 100);
    cr_assert(caller.failed);
    cr_assert_str_eq(caller.words, said_of(0, "TLS: the handshake took too long at"));
    contexts_drop(&contexts);
}

Test(dial, is_connected_in_clear_when_nothing_else_was_said)
{
    caller_init();
    serve(NULL);
    call(NULL, "", 5000);
    cr_assert(caller.opened);
    cr_assert_null(caller.link.tls);
}

Test(dial, begins_with_its_preface_at_every_address_and_before_tls)
{
    struct contexts contexts = contexts_new();
    struct issued other = issue(&contexts.authority, "other", "DNS:other.example");
    struct tls_server settings = {
        .identity = {span_of_string(other.file), span_of_string(other.key_file)}};
    struct tls_context *wrong = server_new(&settings);

    caller_init();
    caller.preface = SPAN("PROXY TCP4 192.0.2.1 198.51.100.2 4660 25\r\n");
    serve(wrong);
    serve(contexts.server);
    call(contexts.client, "mail.example", 5000);
    cr_assert(caller.opened);
    cr_assert_eq(caller.places[0].prefaced, 1);
    cr_assert_eq(caller.places[1].prefaced, 1);
    contexts_drop(&contexts);
    tls_context_drop(wrong);
}

Test(dial, begins_with_its_preface_in_clear)
{
    time_t until = time(NULL) + PATIENCE_S;

    caller_init();
    caller.preface = SPAN("PROXY UNKNOWN\r\n");
    serve(NULL);
    call(NULL, "", 5000);
    cr_assert(caller.opened);
    while (caller.places[0].prefaced == 0) {
        cr_assert_lt(time(NULL), until);
        uv_run(&caller.uv, UV_RUN_NOWAIT);
    }
}
