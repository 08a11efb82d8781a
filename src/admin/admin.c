/* The admin listener: one request per connection, few connections, little time. */
#include "lockstep/admin/admin.h"

#include <errno.h>
#include <fcntl.h>
#include <llhttp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "lockstep/base/must.h"
#include "lockstep/base/secret.h"
#include "lockstep/net/link.h"
#include "lockstep/net/listener.h"

#define VISITORS_MAX 32U
/* For everything, from connecting to having asked. */
#define VISITOR_WAIT_MS 10000U
/* Of a request: its path with the query, the name of a header, the values of those that matter,
 * and all its head. */
#define PATH_MAX_BYTES 1024U
#define NAME_MAX_BYTES 32U
#define VALUE_MAX_BYTES 256U
#define HEAD_MAX_BYTES 16384U

/* The headers that matter. */
enum header { HEADER_AUTHORIZATION, HEADER_ACCEPT, HEADER_HOST, HEADER_ORIGIN, HEADER_COUNT };

static const struct span headers[] = {
    [HEADER_AUTHORIZATION] = SPAN_INIT("Authorization"),
    [HEADER_ACCEPT] = SPAN_INIT("Accept"),
    [HEADER_HOST] = SPAN_INIT("Host"),
    [HEADER_ORIGIN] = SPAN_INIT("Origin"),
};

struct visitor {
    struct link link; /* first, so that a link is its visitor */
    uv_timer_t timer;
    struct admin *admin;
    struct visitor *next;
    struct visitor *before;
    bool heading; /* its head is still being read */
    bool answered;
    bool leaving; /* another has its place */
    llhttp_t parser;
    size_t taken;
    struct text path;
    struct text name; /* of the header that is being read */
    struct text values[HEADER_COUNT];
    struct text body; /* on the heap, once there is some */
    char path_bytes[PATH_MAX_BYTES];
    char name_bytes[NAME_MAX_BYTES];
    char value_bytes[HEADER_COUNT][VALUE_MAX_BYTES + 16U];
};

_Static_assert(VALUE_MAX_BYTES >= ADMIN_TOKEN_MAX, "a token fits behind its scheme");

struct admin {
    struct link_loop links;
    const struct admin_user *user;
    struct secret token;
    uint32_t count;
    struct listener listeners[CONFIG_ADDRESSES_MAX];
    struct address addresses[CONFIG_ADDRESSES_MAX];
    struct visitor *first;
    uint32_t visitors;
    bool ending;
    bool stopping;
};

static struct visitor *link_visitor(const struct link *link)
{
    return (struct visitor *)(uintptr_t)link;
}

/* --- the end --- */

static void admin_end(struct admin *admin)
{
    if (admin->stopping && admin->first == NULL)
        link_loop_close(&admin->links);
}

static void visitor_gone_too(uv_handle_t *timer)
{
    struct visitor *visitor = timer->data;
    struct admin *admin = visitor->admin;

    if (visitor->before != NULL)
        visitor->before->next = visitor->next;
    else
        admin->first = visitor->next;
    if (visitor->next != NULL)
        visitor->next->before = visitor->before;
    admin->visitors -= !visitor->leaving;
    secret_wipe(visitor->value_bytes, sizeof(visitor->value_bytes));
    free(visitor->body.at);
    free(visitor);
    admin_end(admin);
}

static void visitor_gone(struct link *link)
{
    uv_close((uv_handle_t *)&link_visitor(link)->timer, visitor_gone_too);
}

static void visitor_late(uv_timer_t *timer)
{
    struct visitor *visitor = timer->data;

    link_shut(&visitor->link, SHUT_NOW);
}

/* --- one request --- */

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct asked visitor_asked(const struct visitor *visitor)
{
    struct span path = text_span(&visitor->path);
    size_t end = span_find(path, '?');

    return (struct asked){
        .method = span_of_string(llhttp_method_name(visitor->parser.method)),
        .path = span_head(path, end),
        .query = span_tail(path, end + 1),
        .authorization = text_span(&visitor->values[HEADER_AUTHORIZATION]),
        .accept = text_span(&visitor->values[HEADER_ACCEPT]),
        .host = text_span(&visitor->values[HEADER_HOST]),
        .origin = text_span(&visitor->values[HEADER_ORIGIN]),
        .body = text_span(&visitor->body),
    };
}

static struct snapshot visitor_snapshot(const struct visitor *visitor)
{
    const struct admin *admin = visitor->admin;

    return (struct snapshot){
        .token = secret_reveal(&admin->token),
        .version = admin->user->version,
        .history = admin->user->history,
        .control = admin->user->control,
        .ending = admin->ending,
        .now_ms = now_ms(),
    };
}

static void visitor_answer(struct visitor *visitor)
{
    const struct admin_user *user = visitor->admin->user;
    struct counts *counts = malloc(sizeof(*counts));
    struct admin_credential *credentials = calloc(CONFIG_CREDENTIALS_MAX, sizeof(*credentials));
    struct limits_row *limits = calloc(LIMITS_ROWS_MAX, sizeof(*limits));
    struct asked asked = visitor_asked(visitor);
    struct snapshot snapshot = visitor_snapshot(visitor);
    struct span piece;

    must(counts != NULL && credentials != NULL && limits != NULL);
    tally_copy(user->tally, counts);
    snapshot.counts = counts;
    snapshot.credentials = credentials;
    if (user->credentials != NULL)
        snapshot.credential_count =
            user->credentials(user->data, credentials, CONFIG_CREDENTIALS_MAX);
    snapshot.limits = limits;
    if (user->limits != NULL)
        snapshot.limit_count = user->limits(user->data, limits, LIMITS_ROWS_MAX);
    if (snapshot.credential_count > CONFIG_CREDENTIALS_MAX)
        snapshot.credential_count = CONFIG_CREDENTIALS_MAX;
    piece.at = admin_answer(&asked, &snapshot, &piece.size);
    visitor->answered = true;
    link_send(&visitor->link, &piece, 1);
    link_shut(&visitor->link, SHUT_FLUSH);
    free((char *)(uintptr_t)piece.at);
    free(credentials);
    free(limits);
    free(counts);
}

static int on_path(llhttp_t *parser, const char *at, size_t size)
{
    struct visitor *visitor = parser->data;

    text_add(&visitor->path, span_of(at, size));
    return visitor->path.cut ? -1 : 0;
}

static int on_name(llhttp_t *parser, const char *at, size_t size)
{
    struct visitor *visitor = parser->data;

    text_add(&visitor->name, span_of(at, size));
    return 0;
}

/* A second such header would make the value one that no token equals. */
static int on_value(llhttp_t *parser, const char *at, size_t size)
{
    struct visitor *visitor = parser->data;
    size_t i;

    for (i = 0; i < HEADER_COUNT; i++)
        if (span_equal_fold(text_span(&visitor->name), headers[i]))
            text_add(&visitor->values[i], span_of(at, size));
    return 0;
}

static int on_value_complete(llhttp_t *parser)
{
    struct visitor *visitor = parser->data;

    text_clear(&visitor->name);
    return 0;
}

static int visitor_done(struct visitor *visitor)
{
    visitor_answer(visitor);
    return -1;
}

/* Where a body means nothing it is not waited for. */
static int on_head(llhttp_t *parser)
{
    struct visitor *visitor = parser->data;
    struct asked asked = visitor_asked(visitor);
    struct snapshot snapshot = visitor_snapshot(visitor);

    visitor->heading = false;
    return admin_wants_body(&asked, &snapshot) ? 0 : visitor_done(visitor);
}

/* A longer one is cut, and refused by whoever reads it. */
static int on_body(llhttp_t *parser, const char *at, size_t size)
{
    struct visitor *visitor = parser->data;

    if (visitor->body.at == NULL)
        visitor->body = text_over(malloc(ADMIN_BODY_MAX + 1), ADMIN_BODY_MAX + 1);
    must(visitor->body.at != NULL);
    text_add(&visitor->body, span_of(at, size));
    return visitor->body.cut ? visitor_done(visitor) : 0;
}

static int on_complete(llhttp_t *parser)
{
    return visitor_done(parser->data);
}

static const llhttp_settings_t visitor_settings = {
    .on_url = on_path,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_head,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

/* --- the link --- */

static size_t visitor_room(const struct link *link)
{
    (void)link;
    return LINK_READ_BYTES;
}

static void visitor_said(struct link *link, struct span bytes)
{
    struct visitor *visitor = link_visitor(link);
    llhttp_errno_t error;

    if (visitor->answered)
        return;
    visitor->taken += bytes.size;
    error = llhttp_execute(&visitor->parser, bytes.at, bytes.size);
    if (!visitor->answered &&
        (error != HPE_OK || visitor->taken > HEAD_MAX_BYTES + 2 * ADMIN_BODY_MAX ||
         (visitor->heading && visitor->taken > HEAD_MAX_BYTES)))
        link_shut(link, SHUT_NOW);
}

static void visitor_ended(struct link *link)
{
    link_shut(link, SHUT_NOW);
}

static void visitor_lost(struct link *link, int error)
{
    (void)error;
    link_shut(link, SHUT_NOW);
}

static void visitor_sent(struct link *link, size_t count)
{
    (void)link;
    (void)count;
}

static const struct link_user visitor_user = {
    .room = visitor_room,
    .said = visitor_said,
    .ended = visitor_ended,
    .lost = visitor_lost,
    .sent = visitor_sent,
    .gone = visitor_gone,
};

/* Whoever has been here longest without asking anything makes room: who asks at once, as a health
 * check does, gets through whoever else comes and says nothing. False: all have asked. */
static bool admin_make_room(struct admin *admin)
{
    struct visitor *longest = NULL;
    struct visitor *visitor;

    for (visitor = admin->first; visitor != NULL; visitor = visitor->next)
        if (!visitor->answered && !visitor->leaving)
            longest = visitor; /* the newest is the first */
    if (longest == NULL)
        return false;
    longest->leaving = true;
    admin->visitors--;
    link_shut(&longest->link, SHUT_NOW);
    return true;
}

static void admin_accepted(struct listener *listener, int fd, const struct address *peer)
{
    struct admin *admin = listener->data;
    struct visitor *visitor;
    size_t i;

    (void)peer;
    if (admin->visitors == VISITORS_MAX && !admin_make_room(admin)) {
        close(fd);
        return;
    }
    visitor = calloc(1, sizeof(*visitor));
    must(visitor != NULL);
    visitor->admin = admin;
    visitor->path = text_over(visitor->path_bytes, sizeof(visitor->path_bytes));
    visitor->name = text_over(visitor->name_bytes, sizeof(visitor->name_bytes));
    for (i = 0; i < HEADER_COUNT; i++)
        visitor->values[i] = text_over(visitor->value_bytes[i], sizeof(visitor->value_bytes[i]));
    visitor->heading = true;
    llhttp_init(&visitor->parser, HTTP_REQUEST, &visitor_settings);
    visitor->parser.data = visitor;
    visitor->next = admin->first;
    if (admin->first != NULL)
        admin->first->before = visitor;
    admin->first = visitor;
    admin->visitors++;
    uv_timer_init(admin->links.uv, &visitor->timer);
    visitor->timer.data = visitor;
    uv_timer_start(&visitor->timer, visitor_late, VISITOR_WAIT_MS, 0);
    link_open(&visitor->link, &admin->links, &visitor_user, fd);
}

/* --- the beginning --- */

static bool token_says(struct text *error, struct span file, const char *words)
{
    text_add(error, SPAN("admin.token_file "));
    text_add(error, file);
    text_add(error, SPAN(": "));
    text_add(error, span_of_string(words));
    return false;
}

/* The first line of a file that only its owner, and perhaps root, can read. */
static bool token_take(struct admin *admin, struct span file, const char *bytes, ssize_t size,
                       struct text *error)
{
    struct span token = span_of(bytes, size > 0 ? (size_t)size : 0);

    token = span_trim(span_head(token, span_find(token, '\n')));
    if (span_ends(token, SPAN("\r")))
        token = span_head(token, token.size - 1);
    if (token.size < ADMIN_TOKEN_MIN || token.size > ADMIN_TOKEN_MAX)
        return token_says(error, file, "a token has 16 to 256 bytes, on one line");
    return secret_set(&admin->token, token);
}

static bool token_read(struct admin *admin, struct span file, struct text *error)
{
    char path[4096];
    char bytes[ADMIN_TOKEN_MAX + 4U];
    struct text name = text_over(path, sizeof(path) - 1);
    struct stat stat;
    bool taken = false;
    int fd;

    if (file.size == 0)
        return true;
    text_add(&name, file);
    path[name.size] = 0;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || fstat(fd, &stat) != 0)
        token_says(error, file, strerror(errno));
    else if (!S_ISREG(stat.st_mode))
        token_says(error, file, "it is no regular file");
    else if ((stat.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        token_says(error, file, "others may read it: chmod 600 it");
    else
        taken = token_take(admin, file, bytes, read(fd, bytes, sizeof(bytes)), error);
    if (fd >= 0)
        close(fd);
    secret_wipe(bytes, sizeof(bytes));
    return taken;
}

static void admin_refuse(const struct config_address *row, int problem, struct text *error)
{
    text_add(error, SPAN("admin.listen "));
    text_add(error, row->host);
    text_add_byte(error, ':');
    text_add_number(error, row->port);
    text_add(error, SPAN(": "));
    text_add(error, span_of_string(uv_strerror(problem)));
}

/* All sockets, or none. */
static bool admin_bind(struct admin *admin, const struct config_addresses *listen, int *sockets,
                       struct text *error)
{
    while (admin->count < listen->count) {
        const struct config_address *row = &listen->rows[admin->count];
        struct address *address = &admin->addresses[admin->count];
        int fd = UV_EADDRNOTAVAIL;

        if (address_literal(row->host, row->port, address))
            fd = listener_bind(address, LISTENER_ALONE);
        if (fd < 0) {
            admin_refuse(row, fd, error);
            while (admin->count > 0)
                close(sockets[--admin->count]);
            return false;
        }
        sockets[admin->count++] = fd;
    }
    return true;
}

struct admin *admin_open(uv_loop_t *uv, const struct config_admin *config,
                         const struct admin_user *user, struct text *error)
{
    struct admin *admin = calloc(1, sizeof(*admin));
    int sockets[CONFIG_ADDRESSES_MAX] = {0};
    uint32_t i;

    must(admin != NULL);
    admin->user = user;
    if (!token_read(admin, config->token_file, error) ||
        !admin_bind(admin, &config->listen, sockets, error)) {
        admin_free(&admin);
        return NULL;
    }
    link_loop_init(&admin->links, uv);
    for (i = 0; i < admin->count; i++)
        listener_start(&admin->listeners[i], uv, sockets[i], admin_accepted, admin);
    return admin;
}

uint32_t admin_addresses(const struct admin *admin, const struct address **addresses_r)
{
    *addresses_r = admin->addresses;
    return admin->count;
}

void admin_ending(struct admin *admin)
{
    admin->ending = true;
}

void admin_stop(struct admin *admin)
{
    struct visitor *visitor;
    uint32_t i;

    admin->stopping = true;
    for (i = 0; i < admin->count; i++)
        listener_stop(&admin->listeners[i]);
    for (visitor = admin->first; visitor != NULL; visitor = visitor->next)
        link_shut(&visitor->link, SHUT_NOW);
    admin_end(admin);
}

void admin_free(struct admin **freed)
{
    secret_clear(&(*freed)->token);
    free(*freed);
    *freed = NULL;
}
