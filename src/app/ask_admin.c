/* One question on a loop of its own. */
#include "ask_admin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lockstep/admin/admin.h"
#include "lockstep/base/must.h"
#include "lockstep/base/secret.h"
#include "lockstep/http/client.h"
#include "whole_file.h"

#define URL_BYTES_MAX 2048U

struct asking {
    uv_loop_t uv;
    struct link_loop links;
    struct http_client *client;
    const char *url;
    char authorization[ADMIN_TOKEN_MAX + 16U];
    int code;
};

static int complain(const char *about, const char *why)
{
    fprintf(stderr, "lockstep: %s: %s\n", about, why);
    return EX_UNAVAILABLE;
}

static void told(void *data, const struct http_answer *answer)
{
    struct asking *asking = data;

    if (answer->error.size > 0) {
        fprintf(stderr, "lockstep: %s: %.*s\n", asking->url, (int)answer->error.size,
                answer->error.at);
        asking->code = EX_UNAVAILABLE;
    } else if (answer->status != 200) {
        fprintf(stderr, "lockstep: %s answered %u: %.*s\n", asking->url, answer->status,
                (int)answer->body.size, answer->body.at);
        asking->code = EX_UNAVAILABLE;
    } else {
        fwrite(answer->body.at, 1, answer->body.size, stdout);
    }
    http_client_close(&asking->client);
    link_loop_close(&asking->links);
}

static struct span first_line(struct span bytes)
{
    bytes = span_head(bytes, span_find(bytes, '\n'));
    return span_head(bytes, span_find(bytes, '\r'));
}

/* "Bearer TOKEN" of the file's first line; 0, or an exit code. */
static int read_token(struct asking *asking, const char *file)
{
    struct text text = text_over(asking->authorization, sizeof(asking->authorization) - 1);
    size_t size = 0;
    char *bytes = whole_file_read(file, &size);

    if (bytes == NULL) {
        complain(file, strerror(errno));
        return EX_NOINPUT;
    }
    text_add(&text, SPAN("Bearer "));
    text_add(&text, span_trim(first_line(span_of(bytes, size))));
    secret_wipe(bytes, size);
    free(bytes);
    return 0;
}

static void ask(struct asking *asking, const struct admin_question *question)
{
    char memory[URL_BYTES_MAX];
    struct text url = text_over(memory, sizeof(memory));
    struct span base = span_of_string(question->url);
    struct http_header header = {SPAN("Authorization"), span_of_string(asking->authorization)};
    struct http_request request = {
        .header_count = asking->authorization[0] != 0,
        .headers = &header,
        .deadline_ms = ASK_ADMIN_WAIT_MS,
        .told = told,
        .data = asking,
    };

    while (span_ends(base, SPAN("/")))
        base = span_head(base, base.size - 1);
    text_add(&url, base);
    text_add(&url, question->target);
    request.url = text_span(&url);
    must(uv_loop_init(&asking->uv) == 0);
    link_loop_init(&asking->links, &asking->uv);
    asking->client = http_client_open(&asking->links, SPAN(""));
    http_ask(asking->client, &request);
    uv_run(&asking->uv, UV_RUN_DEFAULT);
    must(uv_loop_close(&asking->uv) == 0);
}

int ask_admin(const struct admin_question *question)
{
    struct asking *asking = calloc(1, sizeof(*asking));
    int code;

    must(asking != NULL);
    asking->url = question->url;
    code = question->token_file != NULL ? read_token(asking, question->token_file) : 0;
    if (code == 0) {
        ask(asking, question);
        code = asking->code;
    }
    secret_wipe(asking->authorization, sizeof(asking->authorization));
    free(asking);
    return code;
}
