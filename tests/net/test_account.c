/* A session's questions about its messages, and answers that come when they like. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "net/account.h"
#include "net/pacer.h"
#include "net/worker.h"

/* Longer than any test. */
#define ROOM_MS 3600000U

static struct config config;
static struct setup setup;
static struct worker worker;
static struct session *session;

static void begin(void)
{
    struct policy *policy = &config.listeners[0].policy;

    config_default(&config);
    config_single(&config, true);
    config.relays[0].rates.messages = (struct rate){1, 3600000};
    policy->relays[0].paced = true;
    must(uv_loop_init(&worker.uv) == 0);
    worker.pacer = pacer_new();
    pacer_configure(worker.pacer, &config);
    setup.config = &config;
    session = calloc(1, session_size(policy));
    must(session != NULL);
    session->worker = &worker;
    session->setup = &setup;
    session->listener = &config.listeners[0];
    session->engine = engine_init(session->memory, policy, &worker.lender, 1, 0);
}

static void end(void)
{
    account_drop(session);
    free(session);
    pacer_close(&worker.pacer);
    uv_loop_close(&worker.uv);
}

TestSuite(account, .init = begin, .fini = end);

static bool ask(uint32_t serial, uint32_t room, struct answer *answer_r)
{
    const struct question question = {.kind = QUESTION_PACE, .serial = serial, .room = room};

    return account_ask(session, &question, answer_r);
}

/* The first message of the hour begins, and those after it wait. */
static void use_up(void)
{
    struct answer answer;

    cr_assert(ask(1, ROOM_MS, &answer));
    cr_assert_eq(answer.told, TOLD_DONE);
}

static uint32_t waiting(void)
{
    struct limits_row row;

    cr_assert_eq(pacer_look(worker.pacer, &row, 1), 1);
    return row.waiting;
}

/* The engine gives up by itself when its time is over, and the next MAIL is there already. */
Test(account, asks_anew_while_it_still_waits)
{
    struct answer answer;

    use_up();
    cr_assert_not(ask(2, ROOM_MS, &answer));
    cr_assert_not(ask(3, ROOM_MS, &answer));
    cr_assert_eq(waiting(), 1);
    account_end(session);
    cr_assert_eq(waiting(), 0);
}

/* Of a vault, or of a question that nobody asks any more. */
Test(account, waits_on_when_another_question_is_answered)
{
    const struct answer late = {.told = TOLD_LATER}, done = {.told = TOLD_DONE};
    struct answer answer;

    use_up();
    cr_assert_not(ask(2, ROOM_MS, &answer));
    cr_assert_not(ask(3, ROOM_MS, &answer));
    account_answered(session, 2, &late);
    cr_assert(session->account->waits);
    account_answered(session, 2, &done);
    cr_assert(session->account->waits);
    cr_assert_eq(session->account->granted, 1);
    account_end(session);
    cr_assert_eq(waiting(), 0, "it waits, and its memory is free soon");
}

Test(account, leaves_even_when_its_answer_came)
{
    const struct answer late = {.told = TOLD_LATER};
    struct answer answer;

    use_up();
    cr_assert_not(ask(2, ROOM_MS, &answer));
    account_answered(session, 2, &late);
    cr_assert_not(session->account->waits);
    account_end(session);
    cr_assert_eq(waiting(), 0);
}

Test(account, hears_at_once_when_there_is_no_time_to_wait)
{
    static const uint32_t rooms[] = {0, 1, 9, 10, 50};
    struct answer answer;
    uint32_t i;

    use_up();
    for (i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
        cr_assert(ask(2 + i, rooms[i], &answer), "a room of %u", rooms[i]);
        cr_assert_eq(answer.told, TOLD_LATER);
        cr_assert(span_starts(answer.bytes, SPAN("the relay takes more in about ")));
        cr_assert_eq(waiting(), 0);
    }
}
