/* ask_admin: what the admin interface of a running lockstep says. */
#ifndef LOCKSTEP_SRC_APP_ASK_ADMIN_H
#define LOCKSTEP_SRC_APP_ASK_ADMIN_H

#include "lockstep/base/span.h"

/* For everything, from connecting to the end of the answer. */
#define ASK_ADMIN_WAIT_MS 30000U

struct admin_question {
    const char *url;        /* "http://127.0.0.1:8474" */
    const char *token_file; /* NULL: no token is shown */
    struct span target;     /* "/api/v1/proposal" */
};

/* Prints the body. 0; or an exit code, and stderr has the reason. */
int ask_admin(const struct admin_question *question);

#endif
