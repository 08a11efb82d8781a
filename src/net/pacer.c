/* A locked table of gates by name, one of clients by address, and the thread that opens them. */
#include "pacer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "clients.h"
#include "lockstep/base/must.h"

struct pacer_row {
    char name[LIMITS_NAME_MAX]; /* empty: it is free */
    bool listener;
    bool configured;
    struct gate gate; /* of a relay; a listener's says what its clients' rates are */
    uint32_t sessions_max;
    uint32_t sessions;
    uint32_t queued;
    struct seat *first, *last;
    uint64_t held, late;
};

struct pacer {
    uv_mutex_t lock;
    uv_cond_t changed;
    uv_thread_t thread;
    bool running, closing;
    struct pacer_row rows[LIMITS_ROWS_MAX];
    struct clients clients;
};

static moment pacer_now(void)
{
    return (moment)(uv_hrtime() / 1000000);
}

/* --- names --- */

static struct pacer_row *row_find(struct pacer *pacer, struct span name, bool listener)
{
    uint32_t i;

    for (i = 0; i < LIMITS_ROWS_MAX; i++) {
        struct pacer_row *row = &pacer->rows[i];

        if (row->listener == listener && name.size > 0 &&
            span_equal(span_of_string(row->name), span_head(name, LIMITS_NAME_MAX - 1)))
            return row;
    }
    return NULL;
}

static bool row_used(const struct pacer_row *row)
{
    return row->configured || row->sessions > 0 || row->queued > 0 || row->gate.waiting > 0;
}

/* Somebody points to it, or (what is remembered of clients goes by their listener) may. */
static bool row_held(const struct pacer *pacer, const struct pacer_row *row)
{
    return row_used(row) || gate_awaited(&row->gate) ||
           (row->listener && clients_use(&pacer->clients, row));
}

/* `urgent`: a rate that is configured comes before what is remembered of relays without any. */
static struct pacer_row *row_free(struct pacer *pacer, bool urgent)
{
    struct pacer_row *second = NULL;
    moment now = pacer_now();
    uint32_t i;

    for (i = 0; i < LIMITS_ROWS_MAX; i++) {
        struct pacer_row *row = &pacer->rows[i];

        if (row_held(pacer, row))
            continue;
        if (gate_idle(&row->gate, now))
            return row;
        second = second == NULL ? row : second;
    }
    return urgent ? second : NULL;
}

static struct pacer_row *row_make(struct pacer *pacer, struct span name, bool listener, bool urgent)
{
    struct pacer_row *row = row_find(pacer, name, listener);

    if (row != NULL)
        return row;
    row = row_free(pacer, urgent);
    if (row != NULL) {
        *row = (struct pacer_row){.listener = listener};
        memcpy(row->name, name.at, name.size < LIMITS_NAME_MAX ? name.size : LIMITS_NAME_MAX - 1);
    }
    return row;
}

static void configure(struct pacer *pacer, struct span name, bool listener,
                      const struct rates *rates, uint32_t sessions)
{
    struct pacer_row *row;

    if (!rates_given(rates) && sessions == 0 && row_find(pacer, name, listener) == NULL)
        return;
    row = row_make(pacer, name, listener, true);
    if (row == NULL) /* names of configurations before hold them all, by what still waits */
        return;
    row->configured = true;
    row->gate.rates = *rates;
    row->sessions_max = sessions;
}

/* --- places --- */

static void seat_leave(struct seat *seat)
{
    struct pacer_row *row = seat->row;

    if (seat->before != NULL)
        seat->before->next = seat->next;
    else
        row->first = seat->next;
    if (seat->next != NULL)
        seat->next->before = seat->before;
    else
        row->last = seat->before;
    row->queued--;
    seat->waits = false;
}

static void seat_stand(struct seat *seat)
{
    struct pacer_row *row = seat->row;

    seat->waits = true;
    seat->next = NULL;
    seat->before = row->last;
    if (row->last != NULL)
        row->last->next = seat;
    else
        row->first = seat;
    row->last = seat;
    row->queued++;
}

static void seat_take(struct seat *seat)
{
    seat->held = true;
    seat->row->sessions++;
}

static bool row_has_place(const struct pacer_row *row)
{
    return row->sessions_max == 0 || row->sessions < row->sessions_max;
}

static void reach_tell(const struct reach *reach, enum told told, struct span words)
{
    const struct answer answer = {.told = told, .credential = NOTHING, .bytes = words};

    desk_answer(reach->desk, reach->session, reach->id, reach->serial, &answer);
}

/* Those in front get the places that are free. */
static void row_seat(struct pacer_row *row)
{
    while (row->first != NULL && row_has_place(row)) {
        struct seat *seat = row->first;

        seat_leave(seat);
        seat_take(seat);
        reach_tell(&seat->reach, TOLD_DONE, SPAN(""));
    }
}

/* And who has waited too long goes; when the next has. */
static moment row_tire(struct pacer_row *row, moment now)
{
    struct seat *seat = row->first;
    moment due = MOMENT_NEVER;

    while (seat != NULL) {
        struct seat *next = seat->next;

        if (seat->until <= now) {
            seat_leave(seat);
            reach_tell(&seat->reach, TOLD_LATER, SPAN(""));
        } else if (seat->until < due) {
            due = seat->until;
        }
        seat = next;
    }
    return due;
}

/* --- messages --- */

/* Of the gate that it stands at, or could not even stand at. */
static struct pacer_row *held_row(const struct held *held)
{
    return held->rows[held->waiter.step];
}

/* It, or all that could wait, have waited too long. */
static struct answer held_refuse(struct held *held, moment now)
{
    const struct gate *gate = held->waiter.gates[held->waiter.step];
    struct text words = text_over(held->words, sizeof(held->words));
    moment when = gate_when(gate, gate->waiting, now);

    held_row(held)->late++;
    text_add(&words, held->waiter.step == 0 ? SPAN("this client may send more in about ")
                                            : SPAN("the relay takes more in about "));
    text_add_number(&words, (uint64_t)((when - now + 999) / 1000));
    text_add(&words, SPAN(" s"));
    return (struct answer){.told = TOLD_LATER, .credential = NOTHING, .bytes = text_span(&words)};
}

/* All that can begin at that gate now, and all that have waited too long. When to look again. */
static moment gate_serve(struct gate *gate, moment now)
{
    struct held *held;
    bool passed;

    while ((held = (struct held *)gate_next(gate, now, &passed)) != NULL) {
        struct answer answer = {.told = TOLD_DONE};

        if (!passed)
            answer = held_refuse(held, now);
        reach_tell(&held->reach, answer.told, answer.bytes);
    }
    return gate_due(gate, now);
}

static moment earlier(moment one, moment other)
{
    return one < other ? one : other;
}

/* Clients first: what goes by their gates comes to those of relays. */
static moment pacer_serve(struct pacer *pacer, moment now)
{
    moment due = MOMENT_NEVER;
    uint32_t i;

    for (i = 0; i < CLIENT_BUCKETS && pacer->clients.count > 0; i++) {
        struct client *client;

        for (client = pacer->clients.buckets[i]; client != NULL; client = client->next)
            if (client->gate.first != NULL)
                due = earlier(due, gate_serve(&client->gate, now));
    }
    for (i = 0; i < LIMITS_ROWS_MAX; i++) {
        due = earlier(due, gate_serve(&pacer->rows[i].gate, now));
        due = earlier(due, row_tire(&pacer->rows[i], now));
    }
    return due;
}

static void pacer_run(void *data)
{
    struct pacer *pacer = data;

    uv_mutex_lock(&pacer->lock);
    while (!pacer->closing) {
        moment now = pacer_now();
        moment due = pacer_serve(pacer, now);

        if (due == MOMENT_NEVER)
            uv_cond_wait(&pacer->changed, &pacer->lock);
        else
            uv_cond_timedwait(&pacer->changed, &pacer->lock, (uint64_t)(due - now) * 1000000);
    }
    uv_mutex_unlock(&pacer->lock);
}

/* Somebody waits: under the lock. */
static void pacer_wake(struct pacer *pacer)
{
    if (!pacer->running)
        must(uv_thread_create(&pacer->thread, pacer_run, pacer) == 0);
    pacer->running = true;
    uv_cond_signal(&pacer->changed);
}

/* The gates that a message has to go by; false: there is one too many client, and only the relay's.
 */
static bool mail_gates(struct pacer *pacer, const struct mail *mail, struct held *held, moment now)
{
    struct pacer_row *listener =
        mail->client != NULL ? row_find(pacer, mail->listener, true) : NULL;
    struct pacer_row *relay = row_find(pacer, mail->relay, false);
    struct client *client = NULL;

    if (listener != NULL)
        client = clients_find(&pacer->clients, listener, &listener->gate.rates, mail->client, now);
    held->rows[0] = listener;
    held->rows[1] = relay;
    held->waiter.gates[0] = client != NULL ? &client->gate : NULL;
    held->waiter.gates[1] = relay != NULL ? &relay->gate : NULL;
    return listener == NULL || client != NULL;
}

/* Under the lock. */
static bool pacer_admit(struct pacer *pacer, struct held *held, const struct mail *mail,
                        uint32_t wait_ms, struct answer *answer_r)
{
    moment now = pacer_now();

    *answer_r = (struct answer){.told = TOLD_DONE, .credential = NOTHING};
    if (!mail_gates(pacer, mail, held, now)) {
        answer_r->told = TOLD_LATER;
        answer_r->bytes = SPAN("too many clients are counted already");
        return true;
    }
    held->waiter.until = now + wait_ms;
    if (gate_arrive(&held->waiter, now))
        return true;
    if (wait_ms == 0)
        gate_leave(&held->waiter);
    if (!held->waiter.waits) {
        *answer_r = held_refuse(held, now);
        return true;
    }
    held_row(held)->held++;
    pacer_wake(pacer);
    return false;
}

bool pacer_ask(struct pacer *pacer, struct held *held, const struct mail *mail, uint32_t wait_ms,
               struct answer *answer_r)
{
    bool answered;

    uv_mutex_lock(&pacer->lock);
    answered = pacer_admit(pacer, held, mail, wait_ms, answer_r);
    uv_mutex_unlock(&pacer->lock);
    return answered;
}

void pacer_leave(struct pacer *pacer, struct held *held)
{
    uv_mutex_lock(&pacer->lock);
    gate_leave(&held->waiter);
    uv_mutex_unlock(&pacer->lock);
}

void pacer_count(struct pacer *pacer, const struct mail *mail, const struct spent *spent)
{
    struct held held = {.words = {0}};
    moment now = pacer_now();
    uint32_t i;

    uv_mutex_lock(&pacer->lock);
    (void)mail_gates(pacer, mail, &held, now);
    for (i = 0; i < GATES; i++)
        if (held.waiter.gates[i] != NULL)
            gate_count(held.waiter.gates[i], spent->messages, spent->recipients, spent->bytes, now);
    uv_mutex_unlock(&pacer->lock);
}

void pacer_learn(struct pacer *pacer, const struct mail *mail, bool well)
{
    struct pacer_row *relay;

    uv_mutex_lock(&pacer->lock);
    relay = row_find(pacer, mail->relay, false);
    if (relay == NULL && !well)
        relay = row_make(pacer, mail->relay, false, false); /* only its clients have rates */
    if (relay != NULL && well)
        gate_open(&relay->gate);
    else if (relay != NULL)
        gate_shut(&relay->gate, pacer_now());
    uv_mutex_unlock(&pacer->lock);
}

bool pacer_sit(struct pacer *pacer, struct seat *seat, struct span relay, uint32_t wait_ms)
{
    bool there;

    uv_mutex_lock(&pacer->lock);
    seat->row = row_find(pacer, relay, false);
    seat->until = pacer_now() + wait_ms;
    if (seat->row != NULL && seat->row->first == NULL && row_has_place(seat->row))
        seat_take(seat);
    else if (seat->row != NULL)
        seat_stand(seat);
    there = !seat->waits;
    if (!there)
        pacer_wake(pacer);
    uv_mutex_unlock(&pacer->lock);
    return there;
}

enum seating pacer_seating(struct pacer *pacer, const struct seat *seat)
{
    enum seating seating;

    uv_mutex_lock(&pacer->lock);
    seating = seat->held ? SEATED : seat->waits ? SEAT_AWAITED : SEAT_DENIED;
    uv_mutex_unlock(&pacer->lock);
    return seating;
}

void pacer_rise(struct pacer *pacer, struct seat *seat)
{
    uv_mutex_lock(&pacer->lock);
    if (seat->waits)
        seat_leave(seat);
    if (seat->held) {
        seat->row->sessions--;
        row_seat(seat->row);
    }
    *seat = (struct seat){0};
    uv_mutex_unlock(&pacer->lock);
}

/* --- the whole --- */

struct pacer *pacer_new(void)
{
    struct pacer *pacer = calloc(1, sizeof(*pacer));

    must(pacer != NULL);
    must(uv_mutex_init(&pacer->lock) == 0 && uv_cond_init(&pacer->changed) == 0);
    return pacer;
}

void pacer_close(struct pacer **closing)
{
    struct pacer *pacer = *closing;

    *closing = NULL;
    uv_mutex_lock(&pacer->lock);
    pacer->closing = true;
    uv_cond_signal(&pacer->changed);
    uv_mutex_unlock(&pacer->lock);
    if (pacer->running)
        uv_thread_join(&pacer->thread);
    clients_clear(&pacer->clients);
    uv_cond_destroy(&pacer->changed);
    uv_mutex_destroy(&pacer->lock);
    free(pacer);
}

/* Those that stay keep their rows: none of these is for a new one. */
static void configure_known(struct pacer *pacer, const struct config *config)
{
    struct pacer_row *row;
    uint32_t i;

    for (i = 0; i < config->relay_count; i++) {
        row = row_find(pacer, config->relays[i].name, false);
        if (row != NULL)
            row->configured = true;
    }
    for (i = 0; i < config->listener_count; i++) {
        row = row_find(pacer, config->listeners[i].name, true);
        if (row != NULL)
            row->configured = true;
    }
}

void pacer_configure(struct pacer *pacer, const struct config *config)
{
    struct client *client;
    uint32_t i;

    uv_mutex_lock(&pacer->lock);
    for (i = 0; i < LIMITS_ROWS_MAX; i++) {
        pacer->rows[i].configured = false;
        pacer->rows[i].gate.rates = (struct rates){.messages = {0}};
        pacer->rows[i].sessions_max = 0;
    }
    configure_known(pacer, config);
    for (i = 0; i < config->relay_count; i++)
        configure(pacer, config->relays[i].name, false, &config->relays[i].rates,
                  config->relays[i].sessions);
    for (i = 0; i < config->listener_count; i++)
        configure(pacer, config->listeners[i].name, true, &config->listeners[i].rates, 0);
    for (i = 0; i < CLIENT_BUCKETS; i++)
        for (client = pacer->clients.buckets[i]; client != NULL; client = client->next)
            client->gate.rates = client->listener->gate.rates;
    for (i = 0; i < LIMITS_ROWS_MAX; i++)
        row_seat(&pacer->rows[i]);
    uv_cond_signal(&pacer->changed);
    uv_mutex_unlock(&pacer->lock);
}

uint32_t pacer_look(struct pacer *pacer, struct limits_row *rows, uint32_t room)
{
    uint32_t count = 0, i;

    uv_mutex_lock(&pacer->lock);
    for (i = 0; i < LIMITS_ROWS_MAX && count < room; i++) {
        const struct pacer_row *row = &pacer->rows[i];

        if (!row_used(row))
            continue;
        rows[count] = (struct limits_row){
            .listener = row->listener,
            .held = row->held,
            .late = row->late,
            .waiting = row->listener ? clients_waiting(&pacer->clients, row) : row->gate.waiting,
            .sessions = row->sessions,
            .queued = row->queued,
        };
        memcpy(rows[count++].name, row->name, sizeof(row->name));
    }
    uv_mutex_unlock(&pacer->lock);
    return count;
}
