/*
 * answer: what is answered to a request, as a function of the request and of what is known.
 *
 * Pages come in families, a family is a table in a file of its own. To add one: write that file
 * with its `const struct page_family family_NAME`, declare it below, and name it in the list of
 * answer.c. Who may ask, which methods a path has, and what is there to ask for follow from the
 * tables.
 */
#ifndef LOCKSTEP_SRC_ADMIN_ANSWER_H
#define LOCKSTEP_SRC_ADMIN_ANSWER_H

#include <jansson.h>
#include <stdio.h>

#include "lockstep/admin/admin.h"

/* Segments of a path that are not the same for all. */
#define PARTS_MAX 2U

struct asked {
    struct span method;
    struct span path;          /* without a query */
    struct span query;         /* behind the question mark */
    struct span authorization; /* headers' values; empty: not given */
    struct span accept;
    struct span host;
    struct span origin;
    struct span body;
};

/* What is known at that moment. */
struct snapshot {
    struct span token; /* empty: none is wanted */
    const char *version;
    bool ending;
    int64_t now_ms;                      /* since 1970 */
    struct history *history;             /* NULL: no session is remembered */
    const struct admin_control *control; /* NULL: there is nothing to change */
    const struct counts *counts;
    size_t credential_count;
    const struct admin_credential *credentials;
    uint32_t limit_count;
    const struct limits_row *limits;
};

/* What is being answered. It begins as an empty 200 of JSON. */
struct answering {
    const struct asked *asked;
    const struct snapshot *snapshot;
    struct span parts[PARTS_MAX]; /* what stands for each `*` of the page's path */
    uint16_t status;
    const char *type;
    FILE *body;
};

struct page {
    struct span method; /* GET is HEAD too */
    struct span path;   /* a segment `*` is any one */
    bool open;          /* needs no token */
    void (*write)(struct answering *answering);
    const char *says; /* for the manual */
};

struct page_family {
    const struct page *pages;
    size_t count;
};

extern const struct page_family family_health;
extern const struct page_family family_sessions;
extern const struct page_family family_verify;
extern const struct page_family family_toxiproxy;

/* A whole response of HTTP/1.1, to be freed. */
char *admin_answer(const struct asked *asked, const struct snapshot *snapshot, size_t *size_r);
/* Is there a body to be waited for? Not of a request that is refused whatever it says. */
bool admin_wants_body(const struct asked *asked, const struct snapshot *snapshot);

/* For pages: writes the object, and drops it; says what is wrong; shows others' words, of which
 * JSON takes only UTF-8. */
void answer_json(struct answering *answering, json_t *json);
void answer_error(struct answering *answering, uint16_t status, const char *words);
json_t *answer_words(struct span words);

/* The body of /metrics. */
void metrics_write(const struct snapshot *snapshot, FILE *out);

#endif
