/* One table of paths. */
#include "answer.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <stdlib.h>

#include "lockstep/base/must.h"

/* Whoever reads a response in an old page or a log sees the present one. */
#define HEAD "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n"

struct page {
    struct span path;
    bool open; /* needs no token */
    const char *type;
    uint16_t (*write)(const struct snapshot *snapshot, FILE *body); /* returns the status */
};

/* --- pages --- */

static void write_json(FILE *body, json_t *json)
{
    must(json != NULL && json_dumpf(json, body, JSON_COMPACT) == 0);
    fputc('\n', body);
    json_decref(json);
}

static uint16_t write_live(const struct snapshot *snapshot, FILE *body)
{
    write_json(body, json_pack("{s:b,s:s}", "live", 1, "version", snapshot->version));
    return 200;
}

/* Words of others: JSON takes no byte that is not of UTF-8. */
static json_t *shown(const char *words)
{
    char memory[ADMIN_ERROR_MAX];
    struct text text = text_over(memory, sizeof(memory));

    for (; *words != 0; words++)
        text_add_byte(&text, *words >= ' ' && *words <= '~' ? *words : '?');
    return json_stringn(text.at, text.size);
}

static void add_why(json_t *why, const struct admin_credential *credential)
{
    static const char *const states[] = {
        [ADMIN_GOOD] = "is well",
        [ADMIN_FAILING] = "can not be used to log in",
        [ADMIN_RENEWING] = "has no token now, which is being fetched",
        [ADMIN_LOGIN] = "needs a person to log in again: lockstep oauth login"};

    json_array_append_new(why,
                          json_pack("{s:o,s:s,s:o}", "credential", shown(credential->name), "state",
                                    states[credential->health], "error", shown(credential->error)));
}

static uint16_t write_ready(const struct snapshot *snapshot, FILE *body)
{
    json_t *why = json_array();
    bool ready;
    size_t i;

    if (snapshot->ending)
        json_array_append_new(why, json_pack("{s:s}", "state", "ending: no new sessions"));
    for (i = 0; i < snapshot->credential_count; i++)
        if (snapshot->credentials[i].health != ADMIN_GOOD)
            add_why(why, &snapshot->credentials[i]);
    ready = json_array_size(why) == 0;
    write_json(body, json_pack("{s:b,s:o}", "ready", ready, "why", why));
    return ready ? 200 : 503;
}

static uint16_t write_metrics(const struct snapshot *snapshot, FILE *body)
{
    metrics_write(snapshot, body);
    return 200;
}

static const struct page pages[] = {
    {SPAN_INIT("/livez"), true, "application/json", write_live},
    {SPAN_INIT("/readyz"), false, "application/json", write_ready},
    {SPAN_INIT("/metrics"), false, "text/plain; version=0.0.4; charset=utf-8", write_metrics},
};

/* --- errors --- */

static uint16_t write_error(FILE *body, uint16_t status, const char *words)
{
    write_json(body, json_pack("{s:s}", "error", words));
    return status;
}

/* --- the answer --- */

static bool token_given(struct span given, struct span token)
{
    struct span scheme;

    if (token.size == 0)
        return true;
    span_word(&given, &scheme);
    given = span_trim(given);
    return span_equal_fold(scheme, SPAN("Bearer")) && given.size == token.size &&
           CRYPTO_memcmp(given.at, token.at, token.size) == 0;
}

/* Who has no token learns nothing of which paths there are. */
static uint16_t write_page(const struct asked *asked, const struct snapshot *snapshot, FILE *body,
                           const char **type_r)
{
    const struct page *page = NULL;
    size_t i;

    for (i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
        if (span_equal(asked->path, pages[i].path))
            page = &pages[i];
    if ((page == NULL || !page->open) && !token_given(asked->authorization, snapshot->token))
        return write_error(body, 401, "a token is needed: Authorization: Bearer TOKEN");
    if (page == NULL)
        return write_error(body, 404, "there are /livez, /readyz and /metrics");
    if (!span_equal(asked->method, SPAN("GET")) && !span_equal(asked->method, SPAN("HEAD")))
        return write_error(body, 405, "this path can only be read: GET");
    *type_r = page->type;
    return page->write(snapshot, body);
}

static const char *status_words(uint16_t status)
{
    static const struct {
        uint16_t status;
        const char *words;
    } rows[] = {
        {200, "200 OK"},
        {401, "401 Unauthorized\r\nWWW-Authenticate: Bearer"},
        {404, "404 Not Found"},
        {405, "405 Method Not Allowed\r\nAllow: GET, HEAD"},
        {503, "503 Service Unavailable"},
    };
    size_t i = 0;

    while (rows[i].status != status) {
        i++;
        must(i < sizeof(rows) / sizeof(rows[0]));
    }
    return rows[i].words;
}

char *admin_answer(const struct asked *asked, const struct snapshot *snapshot, size_t *size_r)
{
    const char *type = "application/json";
    char *body = NULL, *whole = NULL;
    size_t body_size = 0;
    FILE *out = open_memstream(&body, &body_size);
    uint16_t status;

    must(out != NULL);
    status = write_page(asked, snapshot, out, &type);
    must(fclose(out) == 0);
    out = open_memstream(&whole, size_r);
    must(out != NULL);
    fprintf(out, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n" HEAD "\r\n",
            status_words(status), type, body_size);
    if (!span_equal(asked->method, SPAN("HEAD")))
        fwrite(body, 1, body_size, out);
    must(fclose(out) == 0);
    free(body);
    return whole;
}
