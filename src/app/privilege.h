/*
 * privilege: which capabilities a configuration needs, and giving up all the others. What is kept
 * is what it, or a later reading of it, may ask for: see PRIVILEGES in lockstep(1).
 */
#ifndef LOCKSTEP_SRC_APP_PRIVILEGE_H
#define LOCKSTEP_SRC_APP_PRIVILEGE_H

#include "lockstep/policy/config.h"

/* False: it can't be served with the rights of this process; `why` says what is missing, what for,
 * and how to give it. */
bool privilege_suffices(const struct config *config, struct text *why);
/* Says in the log what is missing and can be done without. */
void privilege_warn(const struct config *config);
/* Gives up what it does not need, and warns. Before there is a second thread: capabilities are the
 * thread's. */
void privilege_drop(const struct config *config);

#endif
