/*
 * control: the configuration that is in use, and what is changed of it over HTTP: listeners of
 * `mode: fault` that are made, and what goes wrong in those that are configured. What was changed
 * outlives a new reading of the file, and no end of the program.
 */
#ifndef LOCKSTEP_SRC_APP_CONTROL_H
#define LOCKSTEP_SRC_APP_CONTROL_H

#include "lockstep/admin/admin.h"
#include "lockstep/net/shell.h"
#include "running.h"

struct control {
    struct shell *shell;    /* the owner's; NULL: it does not run yet */
    struct running *base;   /* held: what was read */
    struct running *newest; /* held: what new sessions begin under, which may be the same */
    json_t *changed;        /* proxies by name; NULL: none */
    bool ending;
    struct admin_control admin;
};

/* Before the shell runs. */
void control_begin(struct control *control, struct running *base);
/* Takes the place of what was read; the hold on it is taken over, also when it fails: then `why`
 * says why, and nothing has changed. */
bool control_reload(struct control *control, struct running *base, struct text *why);
void control_end(struct control *control);

#endif
