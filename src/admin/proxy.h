/*
 * proxy: proxies and toxics as JSON, as they are sent and kept.
 */
#ifndef LOCKSTEP_SRC_ADMIN_PROXY_H
#define LOCKSTEP_SRC_ADMIN_PROXY_H

#include "lockstep/admin/admin.h"

/* The text there; empty: there is none. */
const char *proxy_text(const json_t *json, const char *name);
/* Makes one of what was sent; NULL: `why` says what is wrong. */
json_t *proxy_make(const json_t *sent, struct text *why);
/* Takes what was sent over into one; false: `why` says what is wrong. */
bool proxy_take(json_t *proxy, const json_t *sent, struct text *why);
/* Is it another place, or does it lead to another? */
bool proxy_is_moved(const json_t *before, const json_t *after);
/* Its toxic of that name, or NULL. */
json_t *proxy_toxic(const json_t *proxy, const char *name, size_t *index_r);

/* Makes one whose rules are good; NULL: `why` says why it is none. */
json_t *toxic_make(const json_t *sent, struct text *why);
/* Attributes that are not sent stay as they are; what a toxic is, and where, never changes. */
json_t *toxic_changed(const json_t *toxic, const json_t *sent);

/* For whoever has nothing to change. */
extern const struct admin_control no_control;

#endif
