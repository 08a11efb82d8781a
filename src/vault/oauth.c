/* What is asked of an OAuth endpoint. */
#include "oauth.h"

#include <openssl/evp.h>

#include "base64.h"
#include "lockstep/base/must.h"
#include "lockstep/http/url.h"

/* What a step puts into its form. */
struct step_row {
    struct span grant_type; /* empty: none */
    struct span given;      /* the field that what is given goes into; empty: nothing is given */
    bool client;            /* says who asks; an assertion says so itself */
    bool scope;
    bool redirect; /* and the verifier */
};

static const struct step_row steps[] = {
    [OAUTH_REFRESH] = {.grant_type = SPAN_INIT("refresh_token"),
                       .given = SPAN_INIT("refresh_token"),
                       .client = true},
    [OAUTH_CLIENT] = {.grant_type = SPAN_INIT("client_credentials"), .client = true, .scope = true},
    [OAUTH_ASSERT] = {.grant_type = SPAN_INIT("urn:ietf:params:oauth:grant-type:jwt-bearer"),
                      .given = SPAN_INIT("assertion")},
    [OAUTH_CODE] = {.grant_type = SPAN_INIT("authorization_code"),
                    .given = SPAN_INIT("code"),
                    .client = true,
                    .redirect = true},
    [OAUTH_DEVICE] = {.client = true, .scope = true},
    [OAUTH_DEVICE_POLL] = {.grant_type = SPAN_INIT("urn:ietf:params:oauth:grant-type:device_code"),
                           .given = SPAN_INIT("device_code"),
                           .client = true},
};

enum oauth_step oauth_step_alone(enum oauth_grant grant)
{
    switch (grant) {
    case GRANT_CLIENT_CREDENTIALS:
        return OAUTH_CLIENT;
    case GRANT_JWT:
        return OAUTH_ASSERT;
    case GRANT_REFRESH:
    case GRANT_DEVICE:
    case GRANT_CODE:
        break;
    }
    return OAUTH_REFRESH;
}

bool oauth_needs_person(enum oauth_grant grant)
{
    return oauth_step_alone(grant) == OAUTH_REFRESH;
}

/* --- who is asked --- */

/* The configured endpoint, or the preset's with the tenant put in, in `memory`. */
static struct span endpoint(struct span configured, struct span preset, struct span tenant,
                            struct text *memory)
{
    struct span hole = SPAN("{tenant}");
    size_t start = memory->size;
    size_t at = span_find_span(preset, hole);

    if (configured.size > 0)
        return configured;
    text_add(memory, span_head(preset, at));
    if (at < preset.size)
        url_escape(tenant, memory);
    text_add(memory, span_tail(preset, at + hole.size));
    return span_of(memory->at + start, memory->size - start);
}

static void add_mark(struct oauth_party *party, struct span user)
{
    const struct span parts[] = {user, party->client_id, party->token};
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    struct text mark = text_over(party->mark, OAUTH_MARK_MAX);
    size_t i;

    must(context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1);
    for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        must(EVP_DigestUpdate(context, parts[i].at, parts[i].size) == 1 &&
             EVP_DigestUpdate(context, "", 1) == 1);
    must(EVP_DigestFinal_ex(context, hash, &size) == 1);
    EVP_MD_CTX_free(context);
    base64_add_url(span_of((const char *)hash, size), &mark);
}

static bool party_lacks(struct span what, struct span name, struct text *error)
{
    text_add(error, SPAN("credential "));
    text_add(error, name);
    text_add(error, SPAN(": "));
    text_add(error, what);
    return false;
}

bool oauth_party(const struct config_credential *definition, struct oauth_party *party_r,
                 struct text *error)
{
    const struct config_oauth *oauth = &definition->oauth;
    const struct oauth_preset *preset = oauth_preset(oauth->provider);
    struct span scope = oauth->grant == GRANT_CLIENT_CREDENTIALS && preset->client_scope.size > 0
                            ? preset->client_scope
                            : preset->scope;
    struct span tenant = oauth->tenant.size > 0 ? oauth->tenant : preset->tenant;
    struct text memory;

    *party_r = (struct oauth_party){.preset = preset,
                                    .name = definition->name,
                                    .client_id = oauth->client_id,
                                    .scope = oauth->scope.size > 0 ? oauth->scope : scope};
    memory = text_over(party_r->memory, sizeof(party_r->memory));
    party_r->token = endpoint(oauth->token_endpoint, preset->token, tenant, &memory);
    party_r->device = endpoint(oauth->device_endpoint, preset->device, tenant, &memory);
    party_r->authorize = endpoint(oauth->authorize_endpoint, preset->authorize, tenant, &memory);
    add_mark(party_r, definition->user);
    if (memory.cut)
        return party_lacks(SPAN("tenant is too long"), definition->name, error);
    if (party_r->token.size == 0)
        return party_lacks(SPAN("token-endpoint is missing"), definition->name, error);
    return true;
}

/* --- what is asked --- */

/* RFC 6749 2.3.1: both are escaped as in a form before they are joined. */
static bool basic_header(const struct oauth_ask *ask, struct secret *header_r)
{
    struct secret joined = {0};
    struct text text = text_over(joined.bytes, sizeof(joined.bytes));
    struct text header = text_over(header_r->bytes, sizeof(header_r->bytes));

    url_escape(ask->party->client_id, &text);
    text_add_byte(&text, ':');
    url_escape(ask->secret, &text);
    text_add(&header, SPAN("Basic "));
    base64_add(text_span(&text), &header);
    header_r->size = header.size;
    secret_wipe(&joined, sizeof(joined));
    return !text.cut && !header.cut;
}

static void add_given(struct span name, struct span value, struct text *form)
{
    if (value.size > 0)
        url_add_field(name, value, form);
}

bool oauth_form(const struct oauth_ask *ask, struct secret *form_r, struct secret *header_r)
{
    const struct step_row *step = &steps[ask->step];
    bool in_header = step->client && ask->party->preset->basic && ask->secret.size > 0;
    struct text form;

    secret_clear(form_r);
    secret_clear(header_r);
    form = text_over(form_r->bytes, sizeof(form_r->bytes));
    add_given(SPAN("grant_type"), step->grant_type, &form);
    if (step->given.size > 0)
        url_add_field(step->given, ask->given, &form);
    if (step->client && !in_header) {
        add_given(SPAN("client_id"), ask->party->client_id, &form);
        add_given(SPAN("client_secret"), ask->secret, &form);
    }
    if (step->client && ask->assertion.size > 0) {
        url_add_field(SPAN("client_assertion_type"),
                      SPAN("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), &form);
        url_add_field(SPAN("client_assertion"), ask->assertion, &form);
    }
    if (step->scope)
        add_given(SPAN("scope"), ask->party->scope, &form);
    if (step->redirect) {
        url_add_field(SPAN("redirect_uri"), ask->redirect, &form);
        url_add_field(SPAN("code_verifier"), ask->verifier, &form);
    }
    form_r->size = form.size;
    if (!form.cut && (!in_header || basic_header(ask, header_r)))
        return true;
    secret_clear(form_r);
    secret_clear(header_r);
    return false;
}
