/*
 * pop: POP before SMTP: some providers take mail from an address for half an hour after somebody
 * there logged in to their POP3 server (B-50). It logs in, and out again.
 *
 * - "pop3s://host" speaks TLS from the first byte (port 995). "pop3://host" speaks STLS (RFC 2595,
 *   port 110) and gives up where there is none, for somebody may have cut it out of the answer.
 * Only "pop3+clear://host" sends the password readable for everybody on the way.
 * - A password goes with USER and PASS, an access token with AUTH XOAUTH2.
 * - One login at a time for a server and user, however many ask; it serves for 25 minutes.
 * - The provider then takes mail from everybody behind lockstep's address: listeners of such
 *   routes must say whom they allow.
 */
#ifndef LOCKSTEP_SRC_VAULT_POP_H
#define LOCKSTEP_SRC_VAULT_POP_H

#include "errand.h"

/* For one login, from connecting to the answer to PASS. */
#define POP_DEADLINE_MS 20000U
/* Providers give half an hour; five minutes are for the message. */
#define POP_GOOD_MS (25 * 60 * 1000)
/* Servers and users that are remembered. */
#define POP_KEPT_MAX 256U

struct pop;

/* All of it is copied. */
struct pop_login {
    struct span url;
    struct span user;
    struct span secret;
    bool bearer; /* it is an access token */
    bool again;  /* the relay says that the last login does not serve (503, 550) */
};

struct pop *pop_open(struct keeper *keeper);
/* When the keeper has ended. */
void pop_close(struct pop **pop);
/* Any thread. The outcome is TOLD_DONE; TOLD_NO: the server refused the login; else TOLD_LATER. */
void pop_ask(struct pop *pop, const struct pop_login *login, struct errand *errand);
/* See errands_forget(). */
void pop_forget(struct pop *pop, struct errand *errand);

#endif
