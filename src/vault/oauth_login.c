/* What a person does about tokens at the command line: log in, renew, look. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lockstep/base/must.h"
#include "lockstep/vault/oauth.h"
#include "oauth_call.h"
#include "oauth_keep.h"
#include "oauth_return.h"
#include "token.h"

/* The port in the address a browser is sent to when nobody listens there. */
#define PASTE_PORT "8477"
/* How long a browser may take. */
#define BROWSER_MS 900000U
/* How much longer is waited between polls when the endpoint asks for it (RFC 8628 3.5). */
#define SLOWER_MS ((moment)5000)

/* One errand of a person, with a loop of its own. Large: it belongs on the heap. */
struct login {
    uv_loop_t uv;
    struct link_loop links;
    uv_timer_t timer;
    uv_poll_t input;
    struct oauth_return place;
    const struct config_credential *definition;
    const struct oauth_person *person;
    struct store *store;
    struct oauth_keep keep;
    struct oauth_record record; /* what was kept */
    struct oauth_record next;
    struct oauth_party party;
    struct oauth_call call;
    struct oauth_proof proof;
    struct secret device_code;
    struct secret typed;
    struct text *error;
    moment asked_at;
    moment poll_ms;
    moment give_up_at;
    char redirect[OAUTH_URL_MAX];
    bool listens; /* `place` is open */
    bool reads;   /* `input` is watched */
    bool over;
    bool done; /* and it went well */
};

static moment wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (moment)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void login_show(const struct login *login, const struct text *text)
{
    char line[2 * OAUTH_URL_MAX + 2048];
    size_t size = text->size < sizeof(line) - 1 ? text->size : sizeof(line) - 1;

    memcpy(line, text->at, size);
    line[size] = 0;
    if (login->person != NULL)
        login->person->show(login->person->data, line);
}

static void login_end(struct login *login, bool done)
{
    must(!login->over);
    login->over = true;
    login->done = done;
    oauth_call_clear(&login->call);
    uv_close((uv_handle_t *)&login->timer, NULL);
    if (login->listens)
        oauth_return_close(&login->place);
    if (login->reads)
        uv_close((uv_handle_t *)&login->input, NULL);
    link_loop_close(&login->links);
}

static void login_fail(struct login *login, struct span why)
{
    text_add(login->error, why);
    login_end(login, false);
}

/* --- what came --- */

static void login_granted(struct login *login)
{
    struct oauth_record *record = &login->next;

    oauth_record_grant(record, &login->record, &login->call.tokens, login->asked_at);
    if (record->refresh.size == 0 && login->person != NULL)
        login->person->show(login->person->data,
                            "The provider gave no refresh token: when this token ends somebody "
                            "must log in again. Is offline access missing in scope?\n");
    login_end(login, oauth_keep_write(&login->keep, record, login->error) != OAUTH_KEPT_FAILED);
}

/* A renewal that fails is kept, so that `lockstep oauth status` knows it, but not over what
 * somebody else has renewed or logged in for meanwhile. */
static void refresh_told(struct oauth_call *call, const struct oauth_verdict *verdict)
{
    struct login *login = (struct login *)((char *)call - offsetof(struct login, call));
    char memory[OAUTH_WORDS_MAX];
    struct text unkept = text_over(memory, sizeof(memory)); /* what is wrong is said anyway */

    if (verdict->outcome == OAUTH_GRANTED) {
        login_granted(login);
        return;
    }
    oauth_record_fail(&login->record, wall_ms(), text_span(&verdict->words),
                      verdict->outcome == OAUTH_BARRED);
    if (!oauth_keep_changed(&login->keep))
        (void)oauth_keep_write(&login->keep, &login->record, &unkept);
    login_fail(login, text_span(&verdict->words));
}

static void code_told(struct oauth_call *call, const struct oauth_verdict *verdict)
{
    struct login *login = (struct login *)((char *)call - offsetof(struct login, call));

    if (verdict->outcome == OAUTH_GRANTED)
        login_granted(login);
    else
        login_fail(login, text_span(&verdict->words));
}

static void login_ask(struct login *login, enum oauth_step step,
                      void (*told)(struct oauth_call *, const struct oauth_verdict *))
{
    login->call.step = step;
    login->call.told = told;
    login->asked_at = wall_ms();
    if (!oauth_call_start(&login->call, login->asked_at, login->error))
        login_end(login, false);
}

/* --- a device --- */

static void device_poll(uv_timer_t *timer);

static void poll_told(struct oauth_call *call, const struct oauth_verdict *verdict)
{
    struct login *login = (struct login *)((char *)call - offsetof(struct login, call));

    switch (verdict->outcome) {
    case OAUTH_GRANTED:
        login_granted(login);
        return;
    case OAUTH_BARRED:
        login_fail(login, text_span(&verdict->words));
        return;
    case OAUTH_SLOWER:
        login->poll_ms += SLOWER_MS;
        break;
    case OAUTH_PENDING:
    case OAUTH_AWAY:
        break;
    }
    if (wall_ms() + login->poll_ms > login->give_up_at)
        login_fail(login, SPAN("nobody typed the code in time"));
    else
        uv_timer_start(&login->timer, device_poll, (uint64_t)login->poll_ms, 0);
}

static void device_poll(uv_timer_t *timer)
{
    struct login *login = timer->data;

    login->call.given = login->device_code;
    login_ask(login, OAUTH_DEVICE_POLL, poll_told);
}

static void device_told(struct oauth_call *call, const struct oauth_verdict *verdict)
{
    struct login *login = (struct login *)((char *)call - offsetof(struct login, call));
    const struct oauth_device *device = &call->device;
    char memory[OAUTH_URL_MAX + 256];
    struct text text = text_over(memory, sizeof(memory));

    if (verdict->outcome != OAUTH_GRANTED) {
        login_fail(login, text_span(&verdict->words));
        return;
    }
    text_format(&text, "Open %s on any machine and type the code\n\n    %s\n\n", device->url,
                device->user_code);
    text_format(&text, "Log in as %.*s there. Waiting for %d minutes.\n",
                (int)login->definition->user.size, login->definition->user.at,
                (int)(device->life_ms / 60000));
    login_show(login, &text);
    login->device_code = device->code;
    login->poll_ms = device->interval_ms;
    login->give_up_at = wall_ms() + device->life_ms;
    uv_timer_start(&login->timer, device_poll, (uint64_t)login->poll_ms, 0);
}

static void device_begin(struct login *login)
{
    struct span refused = login->party.preset->no_device;

    if (refused.size > 0)
        login_fail(login, refused);
    else if (login->party.device.size == 0)
        login_fail(login, SPAN("device-endpoint is missing"));
    else
        login_ask(login, OAUTH_DEVICE, device_told);
}

/* --- a browser --- */

/* Takes what the browser was sent to; false: it is not the end of this login. */
static bool browser_take(struct login *login, struct span pasted, struct text *error)
{
    if (oauth_call_flying(&login->call) || login->over ||
        !oauth_read_redirect(pasted, &login->proof, &login->call.given, error))
        return false;
    login->call.verifier = span_of_string(login->proof.verifier);
    login->call.redirect = span_of_string(login->redirect);
    login_ask(login, OAUTH_CODE, code_told);
    return true;
}

static bool browser_returned(void *data, struct span target, struct text *says)
{
    struct login *login = data;
    char memory[OAUTH_WORDS_MAX];
    struct text error = text_over(memory, sizeof(memory));
    bool taken = browser_take(login, target, &error);

    text_add(says, taken ? SPAN("lockstep has what it needs. You can close this page.")
                         : SPAN("This is not the end of the login that lockstep waits for."));
    if (!taken && error.size > 0) {
        text_add_byte(&error, '\n');
        login_show(login, &error);
    }
    return taken;
}

/* One line, however it comes; a terminal gives it whole. False: nothing more comes. */
static bool read_typed(struct login *login)
{
    struct secret *typed = &login->typed;
    ssize_t count;

    do {
        count =
            read(login->person->input, typed->bytes + typed->size, SECRET_BYTES_MAX - typed->size);
    } while (count < 0 && errno == EINTR);
    typed->size += count > 0 ? (size_t)count : 0;
    return count > 0 && typed->size < SECRET_BYTES_MAX;
}

static bool typed_whole(const struct login *login)
{
    struct span typed = secret_reveal(&login->typed);

    return span_find(typed, '\n') < typed.size;
}

static void input_ready(uv_poll_t *input, int status, int events)
{
    struct login *login = input->data;
    char memory[OAUTH_WORDS_MAX];
    struct text error = text_over(memory, sizeof(memory));

    (void)events;
    if (status < 0 || !read_typed(login)) {
        uv_poll_stop(input);
        return;
    }
    if (!typed_whole(login))
        return;
    if (!browser_take(login, private_line(secret_reveal(&login->typed)), &error)) {
        text_add(&error, SPAN(". Try again.\n"));
        login_show(login, &error);
    }
    secret_clear(&login->typed);
}

static void browser_show(struct login *login, bool listens)
{
    char memory[2 * OAUTH_URL_MAX + 2048];
    struct text text = text_over(memory, sizeof(memory));

    text_add(&text, SPAN("Open this in a browser and log in"));
    if (login->definition->user.size > 0) {
        text_add(&text, SPAN(" as "));
        text_add(&text, login->definition->user);
    }
    text_add(&text, SPAN(":\n\n"));
    oauth_authorize_url(&login->party, &login->proof, login->definition->user,
                        span_of_string(login->redirect), &text);
    text_add(&text, listens ? SPAN("\n\nIf the browser is on another machine it can't come back "
                                   "here: then paste the\naddress it ends at, and press Enter.\n")
                            : SPAN("\n\nThe page it ends at does not load. Paste its address, or "
                                   "the code it shows, and\npress Enter:\n"));
    login_show(login, &text);
}

/* "http://localhost" with a port, or what the provider has instead. */
static void make_redirect(struct login *login, bool listens)
{
    struct text redirect = text_over(login->redirect, sizeof(login->redirect) - 1);

    memset(login->redirect, 0, sizeof(login->redirect));
    text_add(&redirect, login->party.preset->redirect);
    if (!span_starts(login->party.preset->redirect, SPAN("http://")))
        return;
    text_add_byte(&redirect, ':');
    if (listens)
        text_add_number(&redirect, login->place.port);
    else
        text_add(&redirect, SPAN(PASTE_PORT));
}

static void paste_begin(struct login *login)
{
    make_redirect(login, false);
    browser_show(login, false);
    while (!typed_whole(login) && read_typed(login))
        ;
    if (!browser_take(login, private_line(secret_reveal(&login->typed)), login->error))
        login_end(login, false);
}

/* What is under way by now is not given up. */
static void browser_late(uv_timer_t *timer)
{
    struct login *login = timer->data;

    if (!oauth_call_flying(&login->call))
        login_fail(login, SPAN("nobody has logged in in a quarter of an hour"));
}

static void browser_begin(struct login *login, enum oauth_way way)
{
    int input = login->person->input;

    oauth_proof_make(&login->proof);
    if (login->party.authorize.size == 0) {
        login_fail(login, SPAN("authorize-endpoint is missing"));
        return;
    }
    if (way == OAUTH_WAY_PASTE || !span_starts(login->party.preset->redirect, SPAN("http://"))) {
        paste_begin(login);
        return;
    }
    login->place.visited = browser_returned;
    login->place.data = login;
    login->listens = oauth_return_open(&login->place, &login->uv) == 0;
    if (!login->listens) {
        login_fail(login, SPAN("no port of 127.0.0.1 can be listened at: use --paste"));
        return;
    }
    make_redirect(login, true);
    /* A file can't be watched; then the browser must come back by itself. */
    login->reads = input >= 0 && uv_poll_init(&login->uv, &login->input, input) == 0;
    login->input.data = login;
    if (login->reads)
        uv_poll_start(&login->input, UV_READABLE, input_ready);
    uv_timer_start(&login->timer, browser_late, BROWSER_MS, 0);
    browser_show(login, true);
}

/* --- errands --- */

static enum oauth_way choose_way(const struct login *login, enum oauth_way way)
{
    enum oauth_grant grant = login->definition->oauth.grant;
    bool device = login->party.preset->no_device.size == 0 && login->party.device.size > 0;

    if (way != OAUTH_WAY_CONFIGURED)
        return way;
    return grant == GRANT_DEVICE || (grant != GRANT_CODE && device) ? OAUTH_WAY_DEVICE
                                                                    : OAUTH_WAY_BROWSER;
}

/* False: `error` says why; nothing is left behind. */
static bool login_open_store(struct login *login, const struct config *config)
{
    const struct store_place place = {.directory = config->store.directory,
                                      .key_file = config->store.key_file,
                                      .key_credential = config->store.key_credential};

    if (config->store.directory.size > 0)
        login->store = store_open(&place, login->error);
    return config->store.directory.size == 0 || login->store != NULL;
}

static struct login *login_open(const struct config *config,
                                const struct config_credential *definition,
                                const struct oauth_person *person, struct text *error)
{
    struct login *login = calloc(1, sizeof(*login));

    must(login != NULL);
    login->definition = definition;
    login->person = person;
    login->error = error;
    if (!oauth_party(definition, &login->party, error) || !login_open_store(login, config)) {
        free(login);
        return NULL;
    }
    oauth_keep_init(&login->keep, definition, &login->party, login->store);
    must(uv_loop_init(&login->uv) == 0);
    link_loop_init(&login->links, &login->uv);
    must(uv_timer_init(&login->uv, &login->timer) == 0);
    login->timer.data = login;
    login->call = (struct oauth_call){.loop = &login->links,
                                      .store = login->store,
                                      .definition = definition,
                                      .party = &login->party};
    return login;
}

static void status_of(const struct config_credential *definition, const struct oauth_record *record,
                      struct oauth_status *status_r)
{
    static const enum oauth_state states[] = {
        [TOKEN_USABLE] = OAUTH_GOOD,
        [TOKEN_WAITING] = OAUTH_RENEWING,
        [TOKEN_LOGIN] = OAUTH_NEEDS_LOGIN,
    };
    bool alone = !oauth_needs_person(definition->oauth.grant);
    struct text name, error;
    struct token token;

    token_init(&token, definition->name, alone);
    token_known(&token, record->came, record->ends, alone || record->refresh.size > 0);
    token.barred = record->barred;
    *status_r = (struct oauth_status){.state = states[token_state(&token, wall_ms())],
                                      .came = record->came,
                                      .ends = token.ends,
                                      .next = token_due(&token, wall_ms()),
                                      .failed = record->failed,
                                      .barred = record->barred};
    name = text_over(status_r->name, OAUTH_NAME_MAX);
    text_add(&name, definition->name);
    error = text_over(status_r->error, OAUTH_ERROR_MAX);
    text_add(&error, span_of_string(record->error));
    if (status_r->state == OAUTH_NEEDS_LOGIN && record->failed == 0)
        text_add(&error, record->came != 0 ? SPAN("the login has ended")
                                           : SPAN("nobody has logged in yet"));
}

/* Runs what was begun to its end. */
static bool login_run(struct login *login, struct oauth_status *status_r)
{
    bool done;

    uv_run(&login->uv, UV_RUN_DEFAULT);
    must(uv_loop_close(&login->uv) == 0);
    done = login->done;
    if (done)
        status_of(login->definition, &login->next, status_r);
    if (login->store != NULL)
        store_close(&login->store);
    secret_wipe(login, sizeof(*login));
    free(login);
    return done;
}

bool oauth_status_read(const struct config *config, const struct config_credential *credential,
                       struct oauth_status *status_r, struct text *error)
{
    struct login *login = login_open(config, credential, NULL, error);
    enum oauth_kept kept;

    if (login == NULL)
        return false;
    kept = oauth_keep_read(&login->keep, &login->next, error);
    if (kept == OAUTH_KEPT_NOTHING)
        text_clear(error); /* the state says so */
    login_end(login, kept != OAUTH_KEPT_FAILED);
    return login_run(login, status_r);
}

bool oauth_refresh(const struct config *config, const struct config_credential *credential,
                   struct oauth_status *status_r, struct text *error)
{
    struct login *login = login_open(config, credential, NULL, error);
    enum oauth_step step;

    if (login == NULL)
        return false;
    step = oauth_step_alone(credential->oauth.grant);
    if (oauth_keep_read(&login->keep, &login->record, error) == OAUTH_KEPT_FAILED)
        login_end(login, false);
    else if (step == OAUTH_REFRESH && login->record.refresh.size == 0)
        login_fail(login, SPAN("nobody has logged in yet"));
    else {
        login->call.given = login->record.refresh;
        login_ask(login, step, refresh_told);
    }
    return login_run(login, status_r);
}

bool oauth_login(const struct config *config, const struct config_credential *credential,
                 enum oauth_way way, const struct oauth_person *person,
                 struct oauth_status *status_r, struct text *error)
{
    struct login *login = login_open(config, credential, person, error);

    if (login == NULL)
        return false;
    way = choose_way(login, way);
    if (!oauth_needs_person(credential->oauth.grant))
        login_fail(login, SPAN("this grant needs no login: lockstep oauth refresh"));
    else if (!oauth_keep_there(&login->keep))
        login_fail(login, SPAN("the tokens need a place: configure a store or token_file"));
    else if (way == OAUTH_WAY_DEVICE)
        device_begin(login);
    else
        browser_begin(login, way);
    return login_run(login, status_r);
}
