/* One question to an OAuth endpoint. */
#include "oauth_call.h"

#include "private.h"
#include "secret_json.h"

/* The JSON of a service account has some 2.4 KiB. */
#define KEY_BYTES_MAX 16384U

/* sasl-xoauth2 may keep the client's secret beside the tokens. */
static bool read_token_file(struct oauth_call *call)
{
    char memory[64];
    struct text ignored = text_over(memory, sizeof(memory)); /* there may be no file yet */
    struct private file;
    json_t *token;
    bool fits = true;

    if (private_read(call->definition->oauth.token_file, PRIVACY_OWNER, SECRET_BYTES_MAX, &file,
                     &ignored)) {
        token = secret_json_read(span_of(file.at, file.size));
        fits = secret_set(&call->secret, secret_json_text(token, "client_secret"));
        json_decref(token);
        private_close(&file);
    }
    return fits;
}

static bool read_client_secret(struct oauth_call *call, struct text *error)
{
    const struct config_oauth *oauth = &call->definition->oauth;
    struct private file;
    bool fits;

    secret_clear(&call->secret);
    if (oauth->client_secret_store.size > 0 && call->store == NULL) {
        text_add(error, SPAN("client-secret_store: there is no store"));
        return false;
    }
    if (oauth->client_secret_store.size > 0) {
        enum store_result result =
            store_read(call->store, oauth->client_secret_store, &call->secret, NULL, error);

        if (result == STORE_MISSING)
            text_format(error, "client-secret_store: nothing is stored as %.*s",
                        (int)oauth->client_secret_store.size, oauth->client_secret_store.at);
        return result == STORE_DONE;
    }
    if (oauth->client_secret_file.size == 0)
        return oauth->token_file.size == 0 || read_token_file(call);
    if (!private_read(oauth->client_secret_file, PRIVACY_SYSTEMD, SECRET_BYTES_MAX, &file, error))
        return false;
    fits = secret_set(&call->secret, private_line(span_of(file.at, file.size)));
    private_close(&file);
    return fits;
}

/* What a key signs: who the token is for, or who asks. */
static bool sign(struct oauth_call *call, moment now, struct text *error)
{
    struct span key_file = call->definition->oauth.key_file;
    struct private file;
    bool made = true;

    secret_clear(&call->assertion);
    if (key_file.size == 0)
        return true;
    if (!private_read(key_file, PRIVACY_SYSTEMD, KEY_BYTES_MAX, &file, error))
        return false;
    if (call->step == OAUTH_ASSERT)
        made = oauth_assertion(call->party, span_of(file.at, file.size), call->definition->user,
                               now, &call->given, error);
    else
        made = oauth_client_assertion(call->party, span_of(file.at, file.size), now,
                                      &call->assertion, error);
    private_close(&file);
    return made;
}

static struct oauth_ask ask_of(const struct oauth_call *call)
{
    return (struct oauth_ask){
        .step = call->step,
        .party = call->party,
        .secret = secret_reveal(&call->secret),
        .assertion = secret_reveal(&call->assertion),
        .given = secret_reveal(&call->given),
        .verifier = call->verifier,
        .redirect = call->redirect,
    };
}

static void wipe_asked(struct oauth_call *call)
{
    secret_clear(&call->given);
    secret_clear(&call->secret);
    secret_clear(&call->assertion);
}

static void call_told(void *data, const struct http_answer *answer)
{
    struct oauth_call *call = data;
    struct oauth_ask ask = ask_of(call);
    struct oauth_verdict verdict;

    call->http = NULL;
    if (call->step == OAUTH_DEVICE)
        oauth_read_device(&ask, answer, &call->device, &verdict);
    else
        oauth_read_tokens(&ask, answer, &call->tokens, &verdict);
    wipe_asked(call);
    http_client_close(&call->client);
    call->told(call, &verdict);
}

static void call_post(struct oauth_call *call, const struct secret *form,
                      const struct secret *header)
{
    struct http_header headers[] = {
        {SPAN("Content-Type"), SPAN("application/x-www-form-urlencoded")},
        {SPAN("Accept"), SPAN("application/json")},
        {SPAN("Authorization"), secret_reveal(header)},
    };

    call->http = http_ask(call->client, &(struct http_request){
                                            .post = true,
                                            .url = call->step == OAUTH_DEVICE ? call->party->device
                                                                              : call->party->token,
                                            .headers = headers,
                                            .header_count = header->size > 0 ? 3 : 2,
                                            .body = secret_reveal(form),
                                            .deadline_ms = OAUTH_CALL_MS,
                                            .told = call_told,
                                            .data = call,
                                        });
}

bool oauth_call_start(struct oauth_call *call, moment now, struct text *error)
{
    struct secret form = {0};
    struct secret header = {0};
    struct oauth_ask ask;
    bool ready = read_client_secret(call, error) && sign(call, now, error);

    if (ready) {
        ask = ask_of(call);
        ready = oauth_form(&ask, &form, &header);
        if (!ready)
            text_add(error, SPAN("what is to be shown to the token endpoint is too long"));
    }
    /* A client of its own, so that a changed file of authorities counts too. */
    if (ready) {
        call->client = http_client_open(call->loop, call->definition->oauth.ca);
        call_post(call, &form, &header);
    } else {
        wipe_asked(call);
    }
    secret_clear(&form);
    secret_clear(&header);
    return ready;
}

bool oauth_call_flying(const struct oauth_call *call)
{
    return call->http != NULL;
}

void oauth_call_clear(struct oauth_call *call)
{
    if (call->http != NULL)
        http_cancel(&call->http);
    if (call->client != NULL)
        http_client_close(&call->client);
    wipe_asked(call);
    secret_clear(&call->tokens.access);
    secret_clear(&call->tokens.refresh);
    secret_clear(&call->device.code);
}
