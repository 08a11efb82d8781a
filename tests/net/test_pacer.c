/* Rows that come and go with configurations and with what relays say, and many clients. Its clock
 * is the real one: rates are such that nothing here has to be waited for. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "net/clients.h"
#include "net/pacer.h"
#include "net/session.h"

/* Longer than any test. */
#define WAIT_MS 3600000U

static const struct rate hourly = {1, 3600000};

static struct pacer *pacer;
static struct config config;
static struct address client;
static struct held held[8];

static void begin(void)
{
    pacer = pacer_new();
    must(address_literal(SPAN("192.0.2.1"), 0, &client));
    config.listener_count = config.relay_count = 1;
    config.listeners[0].name = SPAN("in");
    config.listeners[0].rates.messages = (struct rate){1000000, 1000};
    config.relays[0].name = SPAN("one");
    pacer_configure(pacer, &config);
}

static void end(void)
{
    pacer_close(&pacer);
}

TestSuite(pacer, .init = begin, .fini = end);

static struct mail mail_to(struct span relay)
{
    return (struct mail){.listener = SPAN("in"), .client = &client, .relay = relay};
}

/* It may begin at once; else it waits. */
static bool goes(struct held *message, const struct mail *mail)
{
    struct answer answer;

    return pacer_ask(pacer, message, mail, WAIT_MS, &answer) && answer.told == TOLD_DONE;
}

static bool goes_to(struct span relay)
{
    struct mail mail = mail_to(relay);
    bool gone = goes(&held[0], &mail);

    pacer_leave(pacer, &held[0]);
    return gone;
}

Test(pacer, gives_a_relay_rest_whatever_others_say)
{
    struct mail one = mail_to(SPAN("one")), other = mail_to(SPAN("other"));

    pacer_learn(pacer, &one, false);
    cr_assert_not(goes_to(SPAN("one")));
    pacer_learn(pacer, &other, true);
    cr_assert(goes_to(SPAN("other")));
    cr_assert_not(goes_to(SPAN("one")), "its rest is forgotten");
    pacer_learn(pacer, &other, false);
    cr_assert_not(goes_to(SPAN("one")), "its rest is forgotten");
}

Test(pacer, remembers_a_rest_when_the_configuration_is_another)
{
    struct mail one = mail_to(SPAN("one"));

    pacer_learn(pacer, &one, false);
    config.relay_count = 3;
    config.relays[2] = config.relays[0];
    config.relays[0].name = SPAN("new");
    config.relays[1].name = SPAN("newer");
    config.relays[0].rates.messages = config.relays[1].rates.messages = hourly;
    pacer_configure(pacer, &config);
    cr_assert_not(goes_to(SPAN("one")));
    cr_assert(goes_to(SPAN("new")));
    cr_assert_not(goes_to(SPAN("new")));
    cr_assert(goes_to(SPAN("newer")));
}

/* Nothing is forgotten for them, but where there is no other room. */
Test(pacer, has_room_for_new_rates_when_all_relays_rest)
{
    char name[] = "relay-000";
    uint32_t i;

    for (i = 0; i < 2 * LIMITS_ROWS_MAX; i++) {
        struct mail mail;

        snprintf(name, sizeof(name), "relay-%03u", i);
        mail = mail_to(span_of_string(name));
        pacer_learn(pacer, &mail, false);
    }
    config.relays[0].rates.messages = hourly;
    pacer_configure(pacer, &config);
    cr_assert(goes_to(SPAN("one")));
    cr_assert_not(goes_to(SPAN("one")));
}

/* The answer comes to a session that is over, which ignores it. */
static void await_answer(struct desk *desk, uv_loop_t *loop)
{
    bool there = false;

    while (!there) {
        uv_run(loop, UV_RUN_ONCE);
        uv_mutex_lock(&desk->lock);
        there = desk->first == NULL;
        uv_mutex_unlock(&desk->lock);
    }
}

/* What waits for its client's rate goes on to its own relay, though that is configured no more. */
Test(pacer, counts_a_message_at_its_own_relay, .timeout = 30)
{
    struct mail mail = mail_to(SPAN("one"));
    struct session *over = calloc(1, sizeof(*over));
    struct desk desk;
    uv_loop_t loop;

    must(uv_loop_init(&loop) == 0);
    desk_open(&desk, &loop);
    over->over = true;
    config.listeners[0].rates.messages = hourly;
    config.relays[0].rates.messages = hourly;
    pacer_configure(pacer, &config);
    cr_assert(goes(&held[1], &mail));
    held[2].reach = (struct reach){.desk = &desk, .session = over, .serial = 1};
    cr_assert_not(goes(&held[2], &mail));
    config.relays[0].name = SPAN("another");
    pacer_configure(pacer, &config);
    config.listeners[0].rates = (struct rates){.recipients = {1, 1000}};
    pacer_configure(pacer, &config);
    await_answer(&desk, &loop);
    cr_assert(goes_to(SPAN("another")), "it was counted there");
    desk_close(&desk);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    free(over);
}

static bool goes_from(const char *host)
{
    must(address_literal(span_of_string(host), 2525, &client));
    return goes_to(SPAN("one"));
}

Test(pacer, counts_a_client_by_what_it_chooses_its_addresses_from)
{
    config.listeners[0].rates.messages = hourly;
    pacer_configure(pacer, &config);
    cr_assert(goes_from("2001:db8:0:1::1"));
    cr_assert_not(goes_from("2001:db8:0:1:ffff::2"));
    cr_assert(goes_from("2001:db8:0:2::1"));
    cr_assert(goes_from("fe80::1"));
    cr_assert(goes_from("fe80::2"));
    cr_assert(goes_from("192.0.2.1"));
    cr_assert(goes_from("192.0.2.2"));
    cr_assert_not(goes_from("::ffff:192.0.2.2"));
    cr_assert(goes_from("::ffff:192.0.2.3"));
}

/* A new client each. */
static bool goes_of(uint32_t number)
{
    client.four.sin_addr.s_addr = htonl(0x0A000000U + number);
    return goes_to(SPAN("one"));
}

static void fill(void)
{
    uint32_t i;

    config.listeners[0].rates.messages = hourly;
    pacer_configure(pacer, &config);
    for (i = 0; i < CLIENTS_MAX; i++)
        cr_assert(goes_of(i));
}

Test(pacer, forgets_clients_when_there_is_no_room_for_others)
{
    uint32_t i;

    fill();
    /* Of what is counted now they have had nothing. */
    config.listeners[0].rates = (struct rates){.recipients = {1, 3600000}};
    pacer_configure(pacer, &config);
    for (i = 0; i < 1000; i++)
        cr_assert(goes_of(CLIENTS_MAX + i), "client %u is refused", i);
}

Test(pacer, counts_at_the_relay_what_one_client_too_many_has_sent)
{
    const struct spent spent = {.messages = 1};
    struct mail mail = mail_to(SPAN("two"));

    config.relay_count = 2;
    config.relays[1].name = SPAN("two");
    config.relays[1].rates.messages = hourly;
    fill();
    cr_assert_not(goes_of(CLIENTS_MAX), "there is room for it");
    pacer_count(pacer, &mail, &spent);
    mail.client = NULL;
    cr_assert_not(goes(&held[1], &mail), "it was not counted");
    pacer_leave(pacer, &held[1]);
}
