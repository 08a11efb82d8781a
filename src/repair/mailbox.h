/* mailbox: what the repairs of an address share. */
#ifndef LOCKSTEP_REPAIR_MAILBOX_H
#define LOCKSTEP_REPAIR_MAILBOX_H

#include "lockstep/repair/repair.h"

/* A MAIL or RCPT that is written as it ought to be: three parts, and nothing between them. */
struct addressed {
    struct span before;  /* `MAIL FROM:<` */
    struct span mailbox; /* empty: the null sender */
    struct span after;   /* `>` and the parameters */
};

/* False when it is written otherwise. */
bool addressed_parse(const struct situation *situation, struct addressed *addressed_r);
/* The same line with that mailbox. */
void addressed_with(const struct addressed *addressed, struct span mailbox, struct text *text);

/* The address that lockstep stands for upstream: what is configured, or else the account's name,
 * which may be none. */
struct span mailbox_of_account(const struct situation *situation);
/* The place of the last `@` that stands in no quotes; the size when there is none. */
size_t mailbox_domain(struct span mailbox);
/* Could it stand before a domain without quotes? */
bool mailbox_is_local(struct span local);
/* Could it stand in an envelope, domain and all, without quotes? */
bool mailbox_is_plain(struct span mailbox);

#endif
