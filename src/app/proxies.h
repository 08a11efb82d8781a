/* proxies: proxies of Toxiproxy's API as listeners of a configuration, and the other way. */
#ifndef LOCKSTEP_SRC_APP_PROXIES_H
#define LOCKSTEP_SRC_APP_PROXIES_H

#include <jansson.h>

#include "lockstep/net/shell.h"
#include "running.h"

/* Is it a listener of `mode: fault` there? */
bool proxies_configured(const struct config *config, const char *name);
/* As they are, by name: those of the configuration, and those changed. A new reference. */
json_t *proxies_show(const struct config *config, const json_t *changed, const struct shell *shell);
/* What of those is no longer as it is in the configuration. A new reference. */
json_t *proxies_changed(const struct config *config, const json_t *proxies,
                        const struct shell *shell);
/* What was read, with those changed; the caller holds it. NULL: `why` says what is wrong. */
struct running *proxies_apply(struct running *base, const json_t *changed,
                              const struct setup *before, struct text *why);
/* Where they listen by now, so that they do so again when they are switched off and on. */
void proxies_settle(json_t *changed, const struct shell *shell);

#endif
