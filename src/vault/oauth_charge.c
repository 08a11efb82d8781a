/* Keeps the token of one credential alive. */
#include "oauth_charge.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "definition.h"
#include "lockstep/base/must.h"

/* How often what is kept is looked at: while nothing can be done without it, and otherwise. */
#define LOOK_SOON_MS ((moment)1000)
#define LOOK_MS ((moment)30 * 1000)
/* An end waits for answers that are under way. */
#define SETTLE_MS 5000
/* Nothing is looked at more often than this. */
#define PACE_MS ((moment)100)
/* A save that failed is tried again after. */
#define SAVE_AGAIN_MS ((moment)1000)

struct oauth_charge {
    struct guest guest;
    struct keeper *keeper;
    const struct oauth_charge_user *user; /* NULL: it was left */
    void *data;
    struct config_credential *definition;
    struct oauth_party party;
    struct oauth_keep keep;
    struct oauth_record record; /* as it is kept and used */
    struct oauth_record next;   /* what came, and is not on disk yet */
    struct oauth_call call;
    struct token token;
    moment asked_at;
    uv_timer_t timer;
    bool right;                 /* there is somebody to be asked */
    bool unsaved;               /* there is a next */
    bool news;                  /* a token has come that the user was not told of */
    bool wanted;                /* somebody asked, and has not been told */
    bool ending;                /* it was left, but its answer is still waited for */
    bool closed;                /* the timer is */
    struct oauth_status status; /* under the lock, as is the list */
    struct oauth_charge *after;
};

/* All charges of the process: they must not ask for the same token at once. */
static uv_mutex_t list_lock;
static uv_cond_t list_less; /* one has gone from the list */
static struct oauth_charge *list;

static void list_prepare(void)
{
    must(uv_mutex_init(&list_lock) == 0);
    must(uv_cond_init(&list_less) == 0);
}

static void list_enter(void)
{
    static uv_once_t once = UV_ONCE_INIT;

    uv_once(&once, list_prepare);
    uv_mutex_lock(&list_lock);
}

static void list_add(struct oauth_charge *charge)
{
    list_enter();
    charge->after = list;
    list = charge;
    uv_mutex_unlock(&list_lock);
}

static void list_remove(const struct oauth_charge *charge)
{
    struct oauth_charge **place = &list;

    list_enter();
    while (*place != charge)
        place = &(*place)->after;
    *place = charge->after;
    uv_cond_broadcast(&list_less);
    uv_mutex_unlock(&list_lock);
}

/* One on that keeper that was left and still waits for its answer; of that name, unless it is
 * empty. Under the lock. */
static const struct oauth_charge *list_find_ending(const struct keeper *keeper, struct span name)
{
    const struct oauth_charge *charge = list;

    while (charge != NULL && (charge->keeper != keeper || !charge->ending ||
                              (name.size > 0 && !span_equal(charge->definition->name, name))))
        charge = charge->after;
    return charge;
}

/* Does the one that this one replaces still wait? */
static bool has_predecessor(const struct oauth_charge *charge)
{
    bool has;

    list_enter();
    has = list_find_ending(charge->keeper, charge->definition->name) != NULL;
    uv_mutex_unlock(&list_lock);
    return has;
}

void oauth_charge_settle(const struct keeper *keeper)
{
    uint64_t until = uv_hrtime() + (uint64_t)SETTLE_MS * 1000000;
    uint64_t now;

    list_enter();
    while (list_find_ending(keeper, SPAN("")) != NULL && (now = uv_hrtime()) < until)
        uv_cond_timedwait(&list_less, &list_lock, until - now);
    uv_mutex_unlock(&list_lock);
}

/* --- small things --- */

static moment wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (moment)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool renewable(const struct oauth_charge *charge)
{
    return charge->right && (!oauth_needs_person(charge->definition->oauth.grant) ||
                             charge->record.refresh.size > 0);
}

/* Why there is no token. */
static void say_why(const struct oauth_charge *charge, struct text *why)
{
    if (charge->record.failed != 0)
        text_add(why, span_of_string(charge->record.error));
    else if (!charge->token.renewable)
        text_format(why, "%s: lockstep oauth login %.*s",
                    charge->record.came != 0 ? "the login has ended" : "nobody has logged in yet",
                    (int)charge->definition->name.size, charge->definition->name.at);
    else
        text_add(why, SPAN("the access token is being renewed"));
}

/* Puts what can be seen from outside where it can be seen. */
static void charge_publish(struct oauth_charge *charge, moment now)
{
    static const enum oauth_state states[] = {
        [TOKEN_USABLE] = OAUTH_GOOD,
        [TOKEN_WAITING] = OAUTH_RENEWING,
        [TOKEN_LOGIN] = OAUTH_NEEDS_LOGIN,
    };
    struct oauth_status *status = &charge->status;
    struct text error = text_over(status->error, OAUTH_ERROR_MAX);

    list_enter();
    status->state = states[token_state(&charge->token, now)];
    status->came = charge->record.came;
    status->ends = charge->token.ends;
    status->next = token_due(&charge->token, now);
    status->failed = charge->record.failed;
    status->barred = charge->token.barred;
    memset(status->error, 0, sizeof(status->error));
    if (status->failed != 0 || status->state != OAUTH_GOOD)
        say_why(charge, &error);
    uv_mutex_unlock(&list_lock);
}

/* --- what is kept --- */

static void charge_say(const struct oauth_charge *charge, enum vault_weight weight,
                       const char *words)
{
    keeper_say(charge->keeper, weight, "credential %.*s: %s", (int)charge->definition->name.size,
               charge->definition->name.at, words);
}

/* True: it is another failure than the last. */
static bool charge_fail(struct oauth_charge *charge, moment now, struct span words, bool barred)
{
    bool news =
        charge->record.failed == 0 || !span_equal(span_of_string(charge->record.error), words);

    oauth_record_fail(&charge->record, now, words, barred);
    list_enter();
    charge->status.failures++;
    uv_mutex_unlock(&list_lock);
    if (news)
        charge_say(charge, barred ? VAULT_ERROR : VAULT_WARNING, charge->record.error);
    return news;
}

/* True: something is kept, and taken over. */
static bool charge_read(struct oauth_charge *charge, moment now)
{
    char memory[OAUTH_WORDS_MAX];
    struct text error = text_over(memory, sizeof(memory));
    struct oauth_record *record = calloc(1, sizeof(*record));
    enum oauth_kept kept;

    must(record != NULL);
    kept = oauth_keep_read(&charge->keep, record, &error);
    if (kept == OAUTH_KEPT) {
        charge->record = *record;
        token_known(&charge->token, record->came, record->ends, renewable(charge));
        charge->news = true;
    } else if (kept == OAUTH_KEPT_FAILED) {
        (void)charge_fail(charge, now, text_span(&error), false);
    }
    oauth_record_clear(record);
    free(record);
    return kept == OAUTH_KEPT;
}

/* Has somebody else written there? */
static bool charge_look(struct oauth_charge *charge, moment now)
{
    return oauth_keep_changed(&charge->keep) && charge_read(charge, now);
}

/* For `lockstep oauth status`, which sees only what is kept. */
static void charge_keep_failure(struct oauth_charge *charge)
{
    char memory[OAUTH_WORDS_MAX + 1];
    struct text error = text_over(memory, OAUTH_WORDS_MAX);

    if (oauth_keep_write(&charge->keep, &charge->record, &error) != OAUTH_KEPT_FAILED)
        return;
    memory[error.size] = 0;
    charge_say(charge, VAULT_WARNING, memory);
}

static void charge_adopt(struct oauth_charge *charge)
{
    struct oauth_record *record = &charge->record;

    charge->unsaved = false;
    charge->news = true;
    *record = charge->next;
    oauth_record_clear(&charge->next);
    token_came(&charge->token, record->came, record->ends - record->came);
    list_enter();
    charge->status.renewals++;
    uv_mutex_unlock(&list_lock);
    charge_say(charge, VAULT_INFO, "the access token is renewed");
}

/* What came is used when it is on disk, or when nothing is lost that can't be had again. */
static void charge_save(struct oauth_charge *charge, moment now)
{
    char memory[OAUTH_WORDS_MAX];
    struct text error = text_over(memory, sizeof(memory));
    bool rotated =
        !span_equal(secret_reveal(&charge->record.refresh), secret_reveal(&charge->next.refresh));

    if (charge_look(charge, now)) {
        /* Somebody has logged in meanwhile, and that counts more. */
        charge->unsaved = false;
        oauth_record_clear(&charge->next);
    } else if (oauth_keep_write(&charge->keep, &charge->next, &error) == OAUTH_KEPT_FAILED &&
               rotated) {
        (void)charge_fail(charge, now, text_span(&error), false);
    } else {
        charge_adopt(charge);
    }
}

/* --- asking --- */

static void charge_think(struct oauth_charge *charge);

static void charge_told(struct oauth_call *call, const struct oauth_verdict *verdict)
{
    struct oauth_charge *charge =
        (struct oauth_charge *)((char *)call - offsetof(struct oauth_charge, call));
    bool barred = verdict->outcome == OAUTH_BARRED;
    moment now = wall_ms();

    if (verdict->outcome == OAUTH_GRANTED) {
        /* Its life is counted from when it was asked for: the answer may have been slow. */
        oauth_record_grant(&charge->next, &charge->record, &call->tokens, charge->asked_at);
        charge->unsaved = true;
    } else {
        token_failed(&charge->token, now, barred ? TOKEN_BARRED : TOKEN_AWAY, verdict->put_off_ms);
        /* Whoever else renews or logs in may have written meanwhile. */
        if (!charge_look(charge, now) &&
            charge_fail(charge, now, text_span(&verdict->words), barred))
            charge_keep_failure(charge);
    }
    oauth_call_clear(call);
    charge_think(charge);
}

static void charge_ask(struct oauth_charge *charge, moment now)
{
    char memory[OAUTH_WORDS_MAX];
    struct text error = text_over(memory, sizeof(memory));
    struct oauth_call *call = &charge->call;

    call->step = oauth_step_alone(charge->definition->oauth.grant);
    if (call->step == OAUTH_REFRESH)
        call->given = charge->record.refresh;
    token_asked(&charge->token);
    charge->asked_at = now;
    if (oauth_call_start(call, now, &error))
        return;
    token_failed(&charge->token, now, TOKEN_AWAY, 0);
    if (charge_fail(charge, now, text_span(&error), false))
        charge_keep_failure(charge);
}

/* Tells of a new token, and whoever waits that there is one or none. */
static void charge_answer(struct oauth_charge *charge, moment now)
{
    char memory[OAUTH_WORDS_MAX];
    struct text why = text_over(memory, sizeof(memory));
    moment fresh = token_usable_until(&charge->token) - now;
    bool usable = token_state(&charge->token, now) == TOKEN_USABLE;

    if (charge->user == NULL)
        return;
    if (usable && (charge->wanted || charge->news)) {
        charge->wanted = charge->news = false;
        charge->user->came(charge->data, &charge->record.access,
                           fresh < UINT32_MAX ? (uint32_t)fresh : UINT32_MAX);
    } else if (!usable && charge->wanted && !oauth_call_flying(&charge->call)) {
        charge->wanted = false;
        say_why(charge, &why);
        charge->user->failed(charge->data, text_span(&why),
                             charge->right && token_state(&charge->token, now) == TOKEN_LOGIN &&
                                 oauth_needs_person(charge->definition->oauth.grant));
    }
}

/* --- the turn of things --- */

static void charge_free(struct oauth_charge *charge)
{
    free(charge->definition);
    secret_wipe(charge, sizeof(*charge));
    free(charge);
}

static void charge_closed(uv_handle_t *handle)
{
    struct oauth_charge *charge = handle->data;

    charge->closed = true;
    if (charge->user == NULL)
        charge_free(charge);
}

static void charge_close(struct oauth_charge *charge)
{
    list_remove(charge);
    oauth_call_clear(&charge->call);
    uv_close((uv_handle_t *)&charge->timer, charge_closed);
}

static void charge_end(struct guest *guest)
{
    charge_close((struct oauth_charge *)((char *)guest - offsetof(struct oauth_charge, guest)));
}

static void charge_tick(uv_timer_t *timer)
{
    charge_think(timer->data);
}

static void charge_arm(struct oauth_charge *charge, moment now)
{
    bool usable = token_state(&charge->token, now) == TOKEN_USABLE;
    moment due = token_due(&charge->token, now);
    moment wait = charge->unsaved ? SAVE_AGAIN_MS : usable ? LOOK_MS : LOOK_SOON_MS;

    if (due != MOMENT_NEVER && due - now < wait)
        wait = due - now;
    uv_timer_start(&charge->timer, charge_tick, (uint64_t)(wait > PACE_MS ? wait : PACE_MS), 0);
}

/* Everything that can be done now is done. */
static void charge_think(struct oauth_charge *charge)
{
    moment now = wall_ms();
    bool flying = oauth_call_flying(&charge->call);

    if (charge->unsaved)
        charge_save(charge, now);
    else if (!flying)
        (void)charge_look(charge, now);
    if (charge->ending && !flying && !charge->unsaved) {
        keeper_leave(charge->keeper, &charge->guest);
        charge_close(charge);
        return;
    }
    if (!charge->ending && token_due(&charge->token, now) <= now && !has_predecessor(charge))
        charge_ask(charge, now);
    charge_publish(charge, now);
    charge_answer(charge, now);
    charge_arm(charge, now);
}

/* Says whom to ask, or keeps why there is nobody. */
static void charge_prepare(struct oauth_charge *charge, struct store *store)
{
    char memory[OAUTH_WORDS_MAX];
    struct text error = text_over(memory, sizeof(memory));

    charge->right = oauth_party(charge->definition, &charge->party, &error);
    charge->call = (struct oauth_call){.loop = &charge->keeper->links,
                                       .store = store,
                                       .definition = charge->definition,
                                       .party = &charge->party,
                                       .told = charge_told};
    oauth_keep_init(&charge->keep, charge->definition, &charge->party, store);
    token_init(&charge->token, charge->definition->name, renewable(charge));
    (void)charge_read(charge, wall_ms());
    if (!charge->right)
        (void)charge_fail(charge, wall_ms(), text_span(&error), true);
}

struct oauth_charge *oauth_charge_take(struct keeper *keeper, struct store *store,
                                       const struct config_credential *definition,
                                       const struct oauth_charge_user *user, void *data)
{
    struct oauth_charge *charge = calloc(1, sizeof(*charge));
    struct text name;

    must(charge != NULL);
    charge->keeper = keeper;
    charge->user = user;
    charge->data = data;
    charge->definition = definition_copy(definition);
    name = text_over(charge->status.name, OAUTH_NAME_MAX);
    text_add(&name, definition->name);
    must(uv_timer_init(&keeper->uv, &charge->timer) == 0);
    charge->timer.data = charge;
    charge->guest.end = charge_end;
    keeper_join(keeper, &charge->guest);
    list_add(charge);
    charge_prepare(charge, store);
    charge_think(charge);
    return charge;
}

void oauth_charge_want(struct oauth_charge *charge, bool refused)
{
    if (charge->closed || uv_is_closing((uv_handle_t *)&charge->timer)) {
        charge->user->failed(charge->data, SPAN("lockstep is ending"), false);
        return;
    }
    if (refused && !token_refused(&charge->token, wall_ms())) {
        charge->user->failed(charge->data,
                             SPAN("the relay refuses the access token, and another "
                                  "would be no better: user or scope is wrong, or "
                                  "the mailbox may not send"),
                             false);
        return;
    }
    if (refused) {
        secret_clear(&charge->record.access);
        charge->record.came = charge->record.ends = 0;
    }
    charge->wanted = true;
    charge_think(charge);
}

void oauth_charge_leave(struct oauth_charge **charge)
{
    struct oauth_charge *left = *charge;

    *charge = NULL;
    left->user = NULL;
    list_enter();
    left->ending = true;
    uv_mutex_unlock(&list_lock);
    if (left->closed)
        charge_free(left);
    else if (!uv_is_closing((uv_handle_t *)&left->timer))
        charge_think(left);
}

size_t oauth_charge_statuses(const struct keeper *keeper, struct oauth_status *rows, size_t room)
{
    const struct oauth_charge *charge;
    size_t count = 0;

    list_enter();
    for (charge = list; charge != NULL; charge = charge->after) {
        if (charge->keeper != keeper || charge->ending)
            continue;
        if (count < room)
            rows[count] = charge->status;
        count++;
    }
    uv_mutex_unlock(&list_lock);
    return count;
}
