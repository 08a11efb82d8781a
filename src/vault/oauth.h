/*
 * oauth: what is said to an OAuth 2.0 endpoint, and what its answers mean (RFC 6749). Texts only:
 * who carries them is oauth_source, for the proxy, and oauth_login, for a person.
 *
 * What differs between providers is a row of the table of presets; a configuration names one and
 * says what is its own, which makes a party. What differs between grants is a row of the table of
 * steps, in the .c.
 *
 * An answer's words are quoted, bounded and without control characters, and never hold what was
 * asked with: an endpoint that repeats a secret is not repeated.
 */
#ifndef LOCKSTEP_SRC_VAULT_OAUTH_H
#define LOCKSTEP_SRC_VAULT_OAUTH_H

#include "lockstep/base/moment.h"
#include "lockstep/base/secret.h"
#include "lockstep/base/text.h"
#include "lockstep/http/client.h"
#include "lockstep/policy/config.h"

#define OAUTH_URL_MAX 512U
#define OAUTH_WORDS_MAX 320U
#define OAUTH_MARK_MAX 44U
/* A token whose life its endpoint does not tell, and the longest that is believed. */
#define OAUTH_LIFE_MS ((moment)3600 * 1000)
#define OAUTH_LIFE_MAX_MS ((moment)366 * 24 * 3600 * 1000)

/* "{tenant}" in an endpoint is replaced. */
struct oauth_preset {
    struct span token;
    struct span device;
    struct span authorize;
    struct span scope;        /* asked for in a person's name */
    struct span client_scope; /* with client credentials; empty: as above */
    struct span tenant;       /* when none is configured */
    struct span redirect;     /* "http://...": our listener, its port is added; else as it is */
    struct span more;         /* of the authorization URL: what makes a refresh token come */
    struct span no_device;    /* why a device login is impossible; empty: it is possible */
    bool basic; /* the client's secret goes into a header (RFC 6749 2.3.1), not into the form */
};

const struct oauth_preset *oauth_preset(enum oauth_provider provider);

/* Who is asked, as whom, and for what. */
struct oauth_party {
    const struct oauth_preset *preset;
    struct span name; /* the credential's, for words */
    struct span client_id;
    struct span scope;
    struct span token;
    struct span device;
    struct span authorize;
    /* Of user, client and endpoint: tokens go nowhere else than where they came from. */
    char mark[OAUTH_MARK_MAX + 1];
    char memory[3 * OAUTH_URL_MAX];
};

/* Borrows the definition's texts. False: an endpoint is missing or too long, and `error` says so.
 * Not to be copied: endpoints are in its memory. */
bool oauth_party(const struct config_credential *definition, struct oauth_party *party_r,
                 struct text *error);

enum oauth_step {
    OAUTH_REFRESH,     /* given: the refresh token (RFC 6749 6) */
    OAUTH_CLIENT,      /* given: nothing (RFC 6749 4.4) */
    OAUTH_ASSERT,      /* given: a signed JWT (RFC 7523) */
    OAUTH_CODE,        /* given: the code; verifier, redirect (RFC 6749 4.1.3, RFC 7636) */
    OAUTH_DEVICE,      /* given: nothing; goes to the device endpoint (RFC 8628 3.1) */
    OAUTH_DEVICE_POLL, /* given: the device code (RFC 8628 3.4) */
};

/* How a grant gets its tokens without a person being there. */
enum oauth_step oauth_step_alone(enum oauth_grant grant);
/* Does it need a person at its beginning? */
bool oauth_needs_person(enum oauth_grant grant);

struct oauth_ask {
    enum oauth_step step;
    const struct oauth_party *party;
    struct span secret;    /* the client's; empty: it has none */
    struct span assertion; /* what it shows instead (RFC 7523 2.2); empty: nothing */
    struct span given;
    struct span verifier;
    struct span redirect;
};

/* The form to be posted, and the value of the Authorization header, which may come out empty.
 * False: it is longer than a secret may be. */
bool oauth_form(const struct oauth_ask *ask, struct secret *form_r, struct secret *header_r);

enum oauth_outcome {
    OAUTH_GRANTED,
    OAUTH_PENDING, /* device login: nobody has answered yet */
    OAUTH_SLOWER,  /* the same, and we ask too often */
    OAUTH_AWAY,    /* no answer that means anything; try again */
    OAUTH_BARRED,  /* a plain no; a person must act */
};

struct oauth_verdict {
    enum oauth_outcome outcome;
    moment put_off_ms; /* Retry-After; 0: none */
    struct text words; /* not granted: why, and who must act */
    char memory[OAUTH_WORDS_MAX];
};

struct oauth_tokens {
    struct secret access;
    struct secret refresh; /* empty: none came, and the one there was stays good */
    moment life_ms;
};

/* The answer of the token endpoint; the verdict is not to be copied: its words are in it. */
void oauth_read_tokens(const struct oauth_ask *ask, const struct http_answer *answer,
                       struct oauth_tokens *tokens_r, struct oauth_verdict *verdict_r);

/* What a person has to be shown. */
struct oauth_device {
    struct secret code; /* ours, for polling */
    char user_code[64];
    char url[OAUTH_URL_MAX];
    moment life_ms;
    moment interval_ms;
};

/* The answer of the device endpoint; its outcome is OAUTH_GRANTED when there is a code. */
void oauth_read_device(const struct oauth_ask *ask, const struct http_answer *answer,
                       struct oauth_device *device_r, struct oauth_verdict *verdict_r);

/* --- a key instead of a person (RFC 7523) --- */

/* Signs, with RS256, that `user` is who the token is to be for. `key` is what the key file holds:
 * the JSON of a service account, or a PEM private key whose issuer is client-id. */
bool oauth_assertion(const struct oauth_party *party, struct span key, struct span user, moment now,
                     struct secret *assertion_r, struct text *error);
/* The same for the client itself instead of its secret. A certificate beside a PEM key is named, as
 * Microsoft wants it. */
bool oauth_client_assertion(const struct oauth_party *party, struct span key, moment now,
                            struct secret *assertion_r, struct text *error);

/* --- a login in a browser (RFC 6749 4.1, RFC 7636) --- */

/* Two numbers nobody can guess, as text. */
struct oauth_proof {
    char verifier[64];
    char state[32];
};

void oauth_proof_make(struct oauth_proof *proof_r);
/* Where the person goes. */
void oauth_authorize_url(const struct oauth_party *party, const struct oauth_proof *proof,
                         struct span user, struct span redirect, struct text *url);
/* Out of what the browser was sent to ("http://127.0.0.1:1/?code=a&state=b", from its "?" on or
 * whole), or a bare code that a person pasted, in which there is no "?". False: `error` says what
 * is wrong with it. */
bool oauth_read_redirect(struct span pasted, const struct oauth_proof *proof, struct secret *code_r,
                         struct text *error);

#endif
