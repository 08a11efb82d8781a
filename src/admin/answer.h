/*
 * answer: what is answered to a request, as a function of the request and of what is known.
 */
#ifndef LOCKSTEP_SRC_ADMIN_ANSWER_H
#define LOCKSTEP_SRC_ADMIN_ANSWER_H

#include <stdio.h>

#include "lockstep/admin/admin.h"

struct asked {
    struct span method;
    struct span path;          /* without a query */
    struct span authorization; /* the header's value */
};

/* What is known at that moment. */
struct snapshot {
    struct span token; /* empty: none is wanted */
    const char *version;
    bool ending;
    int64_t now_ms; /* since 1970 */
    const struct counts *counts;
    size_t credential_count;
    const struct admin_credential *credentials;
};

/* A whole response of HTTP/1.1, to be freed. */
char *admin_answer(const struct asked *asked, const struct snapshot *snapshot, size_t *size_r);

/* The body of /metrics. */
void metrics_write(const struct snapshot *snapshot, FILE *out);

#endif
