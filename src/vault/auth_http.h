/*
 * auth_http: asks a server that speaks the protocol of nginx's mail proxy (ngx_mail_auth_http): may
 * this client log in, where does this message go, and as whom?
 *
 *     > GET /auth HTTP/1.1                    < HTTP/1.1 200 OK
 *     > Auth-Method: none                     < Auth-Status: OK
 *     > Auth-User:                            < Auth-Server: 192.0.2.1
 *     > Auth-Pass:                            < Auth-Port: 587
 *     > Auth-Protocol: smtp                   < Auth-User: shop@shop.example
 *     > Auth-Login-Attempt: 1                 < Auth-Pass: secret
 *     > Client-IP: 192.168.10.7
 *     > Client-Host: [UNAVAILABLE]            or else
 *     > Auth-SMTP-Helo: printer
 *     > Auth-SMTP-From: MAIL FROM:<a@b.example>     < Auth-Status: Invalid login or password
 *     > Auth-SMTP-To: RCPT TO:<c@d.example>         < Auth-Error-Code: 535 5.7.8
 *
 * - With a login the method is `plain`, and user and password are percent-escaped as nginx does.
 *   Names are not looked up: Client-Host is always nginx's word for an unknown one.
 * - Auth-Status other than OK is the words of TOLD_NO; of TOLD_LATER when Auth-Error-Code begins
 *   with 4. They are told after Auth-Wait seconds. WAIT means to ask again after that time.
 * - An answer that is none (no connection, no Auth-Status, half a server) is TOLD_LATER.
 * - Who fails again and again waits before a login is asked about, as login_pace.h has it.
 * - Good answers serve for a minute for whoever asks the same. What they answer is found again by a
 *   keyed digest of all that was asked; no password of a client is kept.
 */
#ifndef LOCKSTEP_SRC_VAULT_AUTH_HTTP_H
#define LOCKSTEP_SRC_VAULT_AUTH_HTTP_H

#include "errand.h"

/* For everything but the wait of who has failed: connecting, TLS, the answer, and being asked to
 * wait. */
#define AUTH_HTTP_DEADLINE_MS 10000U
/* How long a good answer serves, and how many are kept. */
#define AUTH_HTTP_KEPT_MS 60000
#define AUTH_HTTP_KEPT_MAX 256U

struct auth_http;

/* All of it is copied. */
struct auth_http_query {
    struct span url; /* http:// or https://, verified by what the system trusts */
    bool login;      /* `user` and `password` were said by a client */
    struct span user;
    struct span password;
    uint32_t attempt;   /* of this session, from 1 */
    bool secured;       /* the client speaks TLS */
    struct span client; /* its address, without port */
    struct span helo;
    struct span sender;    /* without brackets; empty: <> */
    struct span recipient; /* empty: not known yet, and nothing is said of it */
};

struct auth_http *auth_http_open(struct keeper *keeper);
/* When the keeper has ended. */
void auth_http_close(struct auth_http **auth_http);
/* Any thread. */
void auth_http_ask(struct auth_http *auth_http, const struct auth_http_query *query,
                   struct errand *errand);
/* See errands_forget(). */
void auth_http_forget(struct auth_http *auth_http, struct errand *errand);

#endif
