/* Which page is asked for, and by whom; what all answers have in common. */
#include "answer.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"

/* Whoever reads a response in an old page or a log sees the present one. */
#define HEAD "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n"

static const struct page_family *const families[] = {&family_health, &family_sessions,
                                                     &family_verify, &family_toxiproxy};
#define FAMILY_COUNT (sizeof(families) / sizeof(families[0]))

/* --- what pages say with --- */

void answer_json(struct answering *answering, json_t *json)
{
    must(json != NULL &&
         json_dumpf(json, answering->body, JSON_COMPACT | JSON_REAL_PRECISION(13)) == 0);
    fputc('\n', answering->body);
    json_decref(json);
}

void answer_error(struct answering *answering, uint16_t status, const char *words)
{
    answering->status = status;
    answering->type = "application/json";
    answer_json(answering, json_pack("{s:o}", "error", answer_words(span_of_string(words))));
}

json_t *answer_words(struct span words)
{
    json_t *json = json_stringn(words.at, words.size);
    char *shown;
    size_t i;

    if (json != NULL)
        return json;
    shown = malloc(words.size);
    must(shown != NULL);
    for (i = 0; i < words.size; i++)
        shown[i] = words.at[i] >= ' ' && words.at[i] <= '~' ? words.at[i] : '?';
    json = json_stringn(shown, words.size);
    free(shown);
    must(json != NULL);
    return json;
}

/* --- pages --- */

/* Takes the first segment off, "/name"; false: there is none. */
static bool take_segment(struct span *path, struct span *segment_r)
{
    if (path->size == 0 || path->at[0] != '/')
        return false;
    *segment_r = span_tail(*path, 1);
    *segment_r = span_head(*segment_r, span_find(*segment_r, '/'));
    *path = span_tail(*path, segment_r->size + 1);
    return true;
}

static bool path_fits(struct span path, struct span pattern, struct span parts[PARTS_MAX])
{
    struct span segment, wanted;
    size_t part = 0;

    while (take_segment(&pattern, &wanted)) {
        bool any = span_equal(wanted, SPAN("*"));

        if (!take_segment(&path, &segment))
            return false;
        if (any ? segment.size == 0 : !span_equal(segment, wanted))
            return false;
        must(!any || part < PARTS_MAX);
        if (any)
            parts[part++] = segment;
    }
    return path.size == 0;
}

/* HEAD is a GET whose body is not sent. */
static bool method_fits(struct span method, struct span wanted)
{
    return span_equal(method, wanted) ||
           (span_equal(method, SPAN("HEAD")) && span_equal(wanted, SPAN("GET")));
}

/* What was found of what is asked for. */
struct found {
    const struct page *page; /* with that path, and with that method if there is one; or NULL */
    bool method;
    struct span parts[PARTS_MAX];
};

static struct found find_page(const struct asked *asked)
{
    struct found found = {0};
    size_t i, k;

    for (i = 0; i < FAMILY_COUNT; i++) {
        for (k = 0; k < families[i]->count && !found.method; k++) {
            const struct page *page = &families[i]->pages[k];

            if (!path_fits(asked->path, page->path, found.parts))
                continue;
            found.page = page;
            found.method = method_fits(asked->method, page->method);
        }
    }
    return found;
}

bool admin_page(size_t number, struct admin_page *page_r)
{
    size_t i;

    for (i = 0; i < FAMILY_COUNT; i++) {
        if (number < families[i]->count) {
            const struct page *page = &families[i]->pages[number];

            *page_r = (struct admin_page){page->method, page->path, page->says};
            return true;
        }
        number -= families[i]->count;
    }
    return false;
}

/* --- who asks --- */

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

/* An address, or the name that stands for this machine. A name of somebody else's may be made to
 * point here, for a browser to read us to its owner. */
static bool host_is_ours(struct span host)
{
    struct address address;
    struct span name = span_head(host, span_find(host, ':'));

    if (host.size > 0 && host.at[0] == '[') {
        name = span_tail(host, 1);
        name = span_head(name, span_find(name, ']'));
    }
    return host.size == 0 || span_equal_fold(name, SPAN("localhost")) ||
           address_literal(name, 0, &address);
}

/* Does a page of another place make a browser ask? */
static bool origin_is_ours(struct span origin, struct span host)
{
    size_t scheme = span_find_span(origin, SPAN("://"));

    return origin.size == 0 || span_equal_fold(span_tail(origin, scheme + 3), host);
}

/* 0, or the status of a refusal, and its words. Who has no token learns nothing of which paths
 * there are. */
static uint16_t refusal(const struct asked *asked, const struct snapshot *snapshot,
                        const struct found *found, const char **words_r)
{
    if (found->page != NULL && found->page->open && found->method)
        return 0;
    *words_r = "a token is needed: Authorization: Bearer TOKEN";
    if (!token_given(asked->authorization, snapshot->token))
        return 401;
    *words_r = "ask by an address or as localhost, or with a token and token_file";
    if (snapshot->token.size == 0 && !host_is_ours(asked->host))
        return 403;
    *words_r = "pages of other places may not ask";
    if (!origin_is_ours(asked->origin, asked->host))
        return 403;
    *words_r = NULL;
    if (found->page == NULL)
        return 404;
    if (!found->method)
        return 405;
    *words_r = "a request's body has 64 KiB at most";
    return asked->body.size > ADMIN_BODY_MAX ? 413 : 0;
}

/* Allow: what that path can be asked with; or all paths that there are. */
static void list_pages(struct text *out, const struct asked *asked)
{
    struct span parts[PARTS_MAX];
    struct admin_page page;
    struct span before = {0};
    size_t i;

    for (i = 0; admin_page(i, &page); i++) {
        if (asked != NULL && !path_fits(asked->path, page.path, parts))
            continue;
        if (asked == NULL && span_equal(page.path, before))
            continue;
        before = page.path;
        text_add(out, out->size > 0 ? SPAN(", ") : SPAN(""));
        text_add(out, asked != NULL ? page.method : page.path);
        if (asked != NULL && span_equal(page.method, SPAN("GET")))
            text_add(out, SPAN(", HEAD"));
    }
}

static void write_refusal(struct answering *answering, uint16_t status, const char *words)
{
    char memory[1024];
    struct text text = text_over(memory, sizeof(memory) - 1);

    if (status == 404)
        text_add(&text, SPAN("there are "));
    if (status == 405)
        text_add(&text, SPAN("this path can only be asked with "));
    if (words != NULL) {
        text_add(&text, span_of_string(words));
    } else {
        struct text list = text_over(memory + text.size, sizeof(memory) - 1 - text.size);

        list_pages(&list, status == 405 ? answering->asked : NULL);
        text.size += list.size;
    }
    memory[text.size] = 0;
    answer_error(answering, status, memory);
}

bool admin_wants_body(const struct asked *asked, const struct snapshot *snapshot)
{
    struct found found = find_page(asked);
    const char *words;

    return refusal(asked, snapshot, &found, &words) == 0 &&
           !span_equal(found.page->method, SPAN("GET"));
}

/* --- the answer --- */

static const char *status_words(uint16_t status)
{
    static const struct {
        uint16_t status;
        const char *words;
    } rows[] = {
        {200, "200 OK"},
        {201, "201 Created"},
        {204, "204 No Content"},
        {400, "400 Bad Request"},
        {401, "401 Unauthorized\r\nWWW-Authenticate: Bearer"},
        {403, "403 Forbidden"},
        {404, "404 Not Found"},
        {405, "405 Method Not Allowed"},
        {409, "409 Conflict"},
        {413, "413 Content Too Large"},
        {500, "500 Internal Server Error"},
        {503, "503 Service Unavailable"},
    };
    size_t i = 0;

    while (rows[i].status != status) {
        i++;
        must(i < sizeof(rows) / sizeof(rows[0]));
    }
    return rows[i].words;
}

static void write_answer(struct answering *answering)
{
    struct found found = find_page(answering->asked);
    const char *words;
    uint16_t status = refusal(answering->asked, answering->snapshot, &found, &words);

    if (status != 0) {
        write_refusal(answering, status, words);
        return;
    }
    memcpy(answering->parts, found.parts, sizeof(found.parts));
    found.page->write(answering);
}

static void write_allow(const struct answering *answering, FILE *out)
{
    char memory[64];
    struct text list = text_over(memory, sizeof(memory));

    if (answering->status != 405)
        return;
    list_pages(&list, answering->asked);
    fprintf(out, "Allow: %.*s\r\n", (int)list.size, list.at);
}

char *admin_answer(const struct asked *asked, const struct snapshot *snapshot, size_t *size_r)
{
    struct answering answering = {
        .asked = asked, .snapshot = snapshot, .status = 200, .type = "application/json"};
    char *body = NULL, *whole = NULL;
    size_t body_size = 0;
    FILE *out;

    answering.body = open_memstream(&body, &body_size);
    must(answering.body != NULL);
    write_answer(&answering);
    must(fclose(answering.body) == 0);
    out = open_memstream(&whole, size_r);
    must(out != NULL);
    fprintf(out, "HTTP/1.1 %s\r\n", status_words(answering.status));
    write_allow(&answering, out);
    fprintf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n" HEAD "\r\n", answering.type,
            body_size);
    if (!span_equal(asked->method, SPAN("HEAD")))
        fwrite(body, 1, body_size, out);
    must(fclose(out) == 0);
    free(body);
    return whole;
}
