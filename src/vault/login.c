/* Clients' logins: who waits, who is hashed, whom Dovecot is asked about. */
#include "login.h"

#include <stdlib.h>
#include <string.h>

#include "dovecot.h"
#include "lockstep/base/must.h"
#include "login_file.h"
#include "login_pace.h"

/* Bytes of a reason for the log. */
#define REASON_BYTES_MAX 512U

/* A socket that was asked once is kept, however the configuration changes; there are few. */
struct service {
    struct service *next;
    struct dovecot *dovecot;
};

struct login {
    struct keeper *keeper;
    struct errands errands;
    /* The rest belongs to the keeper's thread. */
    struct login_pace pace;
    uint32_t tries;
    uint32_t hashing;
    struct try *slowed;     /* wait because their address has failed */
    struct try *hash_first; /* wait to be hashed */
    struct try *hash_last;
    struct service *services;
    struct guest guest;
    bool joined;
};

/* One login under way. Its spans point into `bytes`. */
struct
try {
    struct job job;
    struct trip trip;
    struct login *login;
    struct try *next; /* who waits for the same */
    uv_timer_t timer; /* until it may begin; then, with Dovecot, the deadline */
    uv_work_t work;
    struct dovecot *asked; /* NULL: not there */
    struct dovecot_ask ask;
    struct login_query query;
    enum told told;
    struct text why;
    char why_bytes[REASON_BYTES_MAX];
    size_t size;
    char bytes[];
};

static void begin_hashing(struct login *login);

/* --- its end --- */

static void try_gone(uv_handle_t *handle)
{
    struct try *try = handle->data;

    try->login->tries--;
    secret_wipe(try->bytes, try->size);
    free(try);
}

/* The log hears of everything, the client only whether it was right. */
static void report(const struct try *try, uint32_t failures)
{
    const struct keeper *keeper = try->login->keeper;
    const struct login_query *query = &try->query;

    if (try->told == TOLD_NO)
        keeper_say(keeper, VAULT_WARNING,
                   "login of a client at %.*s refused: wrong name or password, %u lately",
                   (int)query->client.size, query->client.at, (unsigned)failures);
    else if (try->told == TOLD_LATER)
        keeper_say(keeper, VAULT_ERROR, "login of a client at %.*s can't be checked: %.*s",
                   (int)query->client.size, query->client.at, (int)try->why.size, try->why.at);
}

static void try_end(struct try *try, enum told told)
{
    struct login *login = try->login;
    struct outcome outcome = {.told = told};
    uint32_t failures = 0;

    try->told = told;
    if (told != TOLD_LATER)
        failures = login_pace_settle(&login->pace, try->query.client, keeper_now(login->keeper),
                                     told == TOLD_DONE);
    else
        outcome.words = SPAN("logins can't be checked now");
    report(try, failures);
    trip_end(&login->errands, &try->trip, &outcome);
    uv_close((uv_handle_t *)&try->timer, try_gone);
}

static void try_fail(struct try *try, struct span why)
{
    text_add(&try->why, why);
    try_end(try, TOLD_LATER);
}

/* --- a file --- */

static void hash(uv_work_t *work)
{
    struct try *try = work->data;

    try->told = login_file_check(try->query.file, try->query.user, try->query.password, &try->why);
}

static void hashed(uv_work_t *work, int status)
{
    struct try *try = work->data;
    struct login *login = try->login;

    (void)status;
    login->hashing--;
    try_end(try, try->told);
    begin_hashing(login);
}

static void begin_hashing(struct login *login)
{
    while (login->hash_first != NULL && login->hashing < LOGIN_HASHING_MAX) {
        struct try *try = login->hash_first;

        login->hash_first = try->next;
        login->hashing++;
        try->work.data = try;
        must(uv_queue_work(&login->keeper->uv, &try->work, hash, hashed) == 0);
    }
}

static void queue_hashing(struct try *try)
{
    struct login *login = try->login;

    if (login->hash_first == NULL)
        login->hash_first = try;
    else
        login->hash_last->next = try;
    login->hash_last = try;
    begin_hashing(login);
}

/* --- Dovecot --- */

static void answered(struct dovecot_ask *ask, enum told told, struct span why)
{
    struct try *try = ask->data;

    try->asked = NULL;
    if (told == TOLD_LATER) {
        text_add(&try->why, try->query.socket);
        text_add(&try->why, SPAN(": "));
        text_add(&try->why, why);
    }
    try_end(try, told);
}

static void overdue(uv_timer_t *timer)
{
    struct try *try = timer->data;

    dovecot_forget(try->asked, &try->ask);
    answered(&try->ask, TOLD_LATER, SPAN("no answer in time"));
}

/* NULL: that can't be one. */
static struct dovecot *service_of(struct login *login, struct span socket)
{
    struct service *service = login->services;

    while (service != NULL && !dovecot_is(service->dovecot, socket))
        service = service->next;
    if (service == NULL) {
        struct dovecot *dovecot = dovecot_open(login->keeper, socket);

        if (dovecot == NULL)
            return NULL;
        service = calloc(1, sizeof(*service));
        must(service != NULL);
        *service = (struct service){login->services, dovecot};
        login->services = service;
    }
    return service->dovecot;
}

static void ask_service(struct try *try)
{
    struct dovecot *dovecot = service_of(try->login, try->query.socket);

    if (dovecot == NULL) {
        try_fail(try, SPAN("the path of the service's socket is too long"));
        return;
    }
    try->asked = dovecot;
    try->ask = (struct dovecot_ask){
        .done = answered,
        .data = try,
        .client = try->query.client,
        .secured = try->query.secured,
        .user = try->query.user,
        .password = try->query.password,
    };
    uv_timer_start(&try->timer, overdue, LOGIN_DEADLINE_MS, 0);
    dovecot_ask(dovecot, &try->ask);
}

/* --- its begin --- */

static void begin(struct try *try)
{
    /* Whoever does not wait for it any more learns nothing. */
    if (!trip_wanted(&try->login->errands, &try->trip))
        uv_close((uv_handle_t *)&try->timer, try_gone);
    else if (try->query.file.size > 0)
        queue_hashing(try);
    else
        ask_service(try);
}

static void waited(uv_timer_t *timer)
{
    struct try *try = timer->data;
    struct try **place = &try->login->slowed;

    while (*place != try)
        place = &(*place)->next;
    *place = try->next;
    try->next = NULL;
    begin(try);
}

static void slow_down(struct try *try, uint64_t wait_ms)
{
    try->next = try->login->slowed;
    try->login->slowed = try;
    uv_timer_start(&try->timer, waited, wait_ms, 0);
}

static void login_end(struct guest *guest);

static void arrive(struct job *job)
{
    struct try *try = (struct try *)job;
    struct login *login = try->login;
    uint64_t wait_ms;

    if (!login->joined) {
        login->joined = true;
        login->guest.end = login_end;
        keeper_join(login->keeper, &login->guest);
    }
    must(uv_timer_init(&login->keeper->uv, &try->timer) == 0);
    try->timer.data = try;
    if (++login->tries > LOGIN_TRIES_MAX)
        try_fail(try, SPAN("too many at the same time"));
    else if (!login_pace_wait(&login->pace, try->query.client, keeper_now(login->keeper), &wait_ms))
        try_fail(try, SPAN("too many failures of that address"));
    else if (wait_ms > 0)
        slow_down(try, wait_ms);
    else
        begin(try);
}

static struct span keep(struct try *try, struct span bytes)
{
    char *at = try->bytes + try->size;

    if (bytes.size > 0)
        memcpy(at, bytes.at, bytes.size);
    try->size += bytes.size;
    return span_of(at, bytes.size);
}

void login_ask(struct login *login, const struct login_query *query, struct errand *errand)
{
    struct try *try = calloc(1, sizeof(*try) + query->file.size + query->socket.size +
                                    query->client.size + query->user.size + query->password.size);

    must(try != NULL);
    try->job.run = arrive;
    try->login = login;
    try->why = text_over(try->why_bytes, sizeof(try->why_bytes));
    try->query = (struct login_query){
        .file = keep(try, query->file),
        .socket = keep(try, query->socket),
        .client = keep(try, query->client),
        .secured = query->secured,
        .user = keep(try, query->user),
        .password = keep(try, query->password),
    };
    trip_begin(&login->errands, &try->trip, errand);
    keeper_post(login->keeper, &try->job);
}

void login_forget(struct login *login, struct errand *errand)
{
    errands_forget(&login->errands, errand);
}

/* --- its life --- */

/* What is being hashed comes to its own end. */
static void login_end(struct guest *guest)
{
    struct login *login = (struct login *)((char *)guest - offsetof(struct login, guest));
    struct service *service;

    while (login->slowed != NULL) {
        struct try *try = login->slowed;

        login->slowed = try->next;
        try_fail(try, SPAN("the program ends"));
    }
    while (login->hash_first != NULL) {
        struct try *try = login->hash_first;

        login->hash_first = try->next;
        try_fail(try, SPAN("the program ends"));
    }
    for (service = login->services; service != NULL; service = service->next)
        dovecot_close(&service->dovecot);
}

struct login *login_open(struct keeper *keeper)
{
    struct login *login = calloc(1, sizeof(*login));

    must(login != NULL);
    login->keeper = keeper;
    errands_open(&login->errands);
    return login;
}

void login_close(struct login **login)
{
    struct login *old = *login;

    while (old->services != NULL) {
        struct service *service = old->services;

        old->services = service->next;
        free(service);
    }
    errands_close(&old->errands);
    free(old);
    *login = NULL;
}
