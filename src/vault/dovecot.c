/* A client of Dovecot's authentication service. */
#include "dovecot.h"

#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lockstep/base/must.h"
#include "lockstep/base/secret.h"
#include "lockstep/base/text.h"

/* Bytes of user and password, which a line of AUTH (RFC 4954 4) has carried here. */
#define RESPONSE_BYTES_MAX 9216U
#define QUESTION_BYTES_MAX (RESPONSE_BYTES_MAX / 3 * 4 + 256U)
/* Bytes that the service may leave unread: who gave up waiting has left his there. */
#define UNREAD_BYTES_MAX 1048576U

enum wire_state { WIRE_CONNECTING, WIRE_GREETING, WIRE_READY };

/* One connection; it outlives its owner until its handle is closed. */
struct wire {
    uv_pipe_t pipe;
    uv_connect_t connect;
    struct dovecot *owner; /* NULL: given up */
    enum wire_state state;
    bool plain; /* the service knows the mechanism */
    size_t used;
    char input[DOVECOT_LINE_MAX];
};

struct dovecot {
    struct keeper *keeper;
    struct wire *wire; /* NULL: not connected */
    struct dovecot_ask *first;
    uint32_t id;
    char path[DOVECOT_PATH_MAX];
};

/* What is being written. */
struct sheet {
    uv_write_t write;
    size_t size;
    char bytes[];
};

static void lose(struct dovecot *dovecot, const char *why);

/* --- who asks --- */

/* NULL: nobody asked with that number. */
static struct dovecot_ask *take(struct dovecot *dovecot, uint64_t id)
{
    struct dovecot_ask **place = &dovecot->first;
    struct dovecot_ask *ask;

    while (*place != NULL && !((*place)->said && (*place)->id == id))
        place = &(*place)->next;
    ask = *place;
    if (ask != NULL)
        *place = ask->next;
    return ask;
}

void dovecot_forget(struct dovecot *dovecot, struct dovecot_ask *ask)
{
    struct dovecot_ask **place = &dovecot->first;

    while (*place != NULL && *place != ask)
        place = &(*place)->next;
    if (*place != NULL)
        *place = ask->next;
}

static void tell_all(struct dovecot *dovecot, const char *why)
{
    while (dovecot->first != NULL) {
        struct dovecot_ask *ask = dovecot->first;

        dovecot->first = ask->next;
        ask->done(ask, TOLD_LATER, span_of_string(why));
    }
}

/* --- writing --- */

static void sheet_free(struct sheet *sheet)
{
    secret_wipe(sheet->bytes, sheet->size);
    free(sheet);
}

static void sheet_written(uv_write_t *write, int status)
{
    (void)status; /* that the connection is lost is heard by reading, too */
    sheet_free((struct sheet *)write);
}

static void say(struct wire *wire, struct span bytes)
{
    struct sheet *sheet = malloc(sizeof(*sheet) + bytes.size);
    uv_buf_t buffer;

    must(sheet != NULL);
    sheet->size = bytes.size;
    memcpy(sheet->bytes, bytes.at, bytes.size);
    buffer = uv_buf_init(sheet->bytes, (unsigned)bytes.size);
    if (uv_write(&sheet->write, (uv_stream_t *)&wire->pipe, &buffer, 1, sheet_written) != 0)
        sheet_free(sheet);
}

/* RFC 4616 2, in base64. */
static void add_response(struct text *line, const struct dovecot_ask *ask)
{
    char memory[RESPONSE_BYTES_MAX];
    char coded[RESPONSE_BYTES_MAX / 3 * 4 + 1];
    struct text message = text_over(memory, sizeof(memory));
    int size;

    text_add_byte(&message, '\0');
    text_add(&message, ask->user);
    text_add_byte(&message, '\0');
    text_add(&message, ask->password);
    size =
        EVP_EncodeBlock((unsigned char *)coded, (const unsigned char *)memory, (int)message.size);
    text_add(line, span_of(coded, (size_t)size));
    secret_wipe(memory, message.size);
    secret_wipe(coded, (size_t)size);
}

static void say_ask(struct dovecot *dovecot, struct dovecot_ask *ask)
{
    char memory[QUESTION_BYTES_MAX];
    struct text line = text_over(memory, sizeof(memory));

    ask->said = true;
    ask->id = ++dovecot->id;
    text_add(&line, SPAN("AUTH\t"));
    text_add_number(&line, ask->id);
    text_add(&line, SPAN("\tPLAIN\tservice=smtp\tnologin\trip="));
    text_add(&line, ask->client);
    if (ask->secured)
        text_add(&line, SPAN("\tsecured"));
    text_add(&line, SPAN("\tresp="));
    add_response(&line, ask);
    text_add_byte(&line, '\n');
    say(dovecot->wire, text_span(&line));
    secret_wipe(memory, line.size);
}

static void say_all(struct dovecot *dovecot)
{
    struct dovecot_ask *ask;

    for (ask = dovecot->first; ask != NULL; ask = ask->next) {
        if (!ask->said)
            say_ask(dovecot, ask);
    }
}

/* --- reading --- */

/* The next field of a line. */
static struct span field(struct span *rest)
{
    size_t tab = span_find(*rest, '\t');
    struct span word = span_head(*rest, tab);

    *rest = span_tail(*rest, tab + 1);
    return word;
}

/* Is it a trouble of the service's own, and not of the login? */
static bool is_temporary(struct span rest)
{
    while (rest.size > 0) {
        struct span word = field(&rest);

        if (span_equal(word, SPAN("temp")) || span_equal(word, SPAN("code=temp_fail")))
            return true;
    }
    return false;
}

static void hear_verdict(struct dovecot *dovecot, struct span verb, struct span rest)
{
    struct dovecot_ask *ask;
    uint64_t id;

    if (!span_number(field(&rest), &id) || (ask = take(dovecot, id)) == NULL)
        return; /* it was forgotten meanwhile */
    if (span_equal(verb, SPAN("OK")))
        ask->done(ask, TOLD_DONE, SPAN(""));
    else if (span_equal(verb, SPAN("FAIL")) && !is_temporary(rest))
        ask->done(ask, TOLD_NO, SPAN(""));
    else
        ask->done(ask, TOLD_LATER, SPAN("the service has a temporary problem"));
}

static void hear_done(struct dovecot *dovecot)
{
    if (!dovecot->wire->plain) {
        lose(dovecot, "the service does not do PLAIN");
        return;
    }
    dovecot->wire->state = WIRE_READY;
    say_all(dovecot);
}

/* May end the connection. What it does not know is for others. */
static void hear(struct dovecot *dovecot, struct span line)
{
    struct span rest = line;
    struct span verb = field(&rest);

    if (span_equal(verb, SPAN("VERSION")) && !span_equal(field(&rest), SPAN("1")))
        lose(dovecot, "the service speaks another version of its protocol");
    else if (span_equal(verb, SPAN("MECH")) && span_equal_fold(field(&rest), SPAN("PLAIN")))
        dovecot->wire->plain = true;
    else if (span_equal(verb, SPAN("DONE")) && dovecot->wire->state == WIRE_GREETING)
        hear_done(dovecot);
    else if (span_equal(verb, SPAN("OK")) || span_equal(verb, SPAN("FAIL")) ||
             span_equal(verb, SPAN("CONT")))
        hear_verdict(dovecot, verb, rest);
}

static void lend(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer_r)
{
    struct wire *wire = handle->data;

    (void)wanted;
    *buffer_r = uv_buf_init(wire->input + wire->used, (unsigned)(sizeof(wire->input) - wire->used));
}

static void heard(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct wire *wire = stream->data;
    size_t start = 0, end;

    (void)buffer;
    if (count < 0) {
        lose(wire->owner, "the service has closed the connection");
        return;
    }
    wire->used += (size_t)count;
    /* A line may make the owner give the wire up; its memory stays until the loop turns. */
    while (wire->owner != NULL) {
        struct span rest = span_of(wire->input + start, wire->used - start);

        end = span_find(rest, '\n');
        if (end == rest.size)
            break;
        hear(wire->owner, span_head(rest, end));
        start += end + 1;
    }
    memmove(wire->input, wire->input + start, wire->used - start);
    wire->used -= start;
    if (wire->owner != NULL && wire->used == sizeof(wire->input))
        lose(wire->owner, "the service says nonsense");
}

/* --- connecting --- */

static void wire_gone(uv_handle_t *handle)
{
    free(handle->data);
}

static void give_up(struct dovecot *dovecot)
{
    struct wire *wire = dovecot->wire;

    if (wire == NULL)
        return;
    dovecot->wire = NULL;
    wire->owner = NULL;
    uv_close((uv_handle_t *)&wire->pipe, wire_gone);
}

static void connected(uv_connect_t *connect, int status)
{
    struct wire *wire = connect->data;
    struct dovecot *dovecot = wire->owner;
    static atomic_uint connections;
    char memory[64];
    struct text greeting = text_over(memory, sizeof(memory));

    if (dovecot == NULL)
        return;
    if (status == 0)
        status = uv_read_start((uv_stream_t *)&wire->pipe, lend, heard);
    if (status != 0) {
        lose(dovecot, uv_strerror(status));
        return;
    }
    wire->state = WIRE_GREETING;
    /* It is to be unique for each connection, also of this process; pids have 22 bits. */
    text_add(&greeting, SPAN("VERSION\t1\t1\nCPID\t"));
    text_add_number(&greeting, (uint32_t)getpid() | (atomic_fetch_add(&connections, 1) % 1024U)
                                                        << 22);
    text_add_byte(&greeting, '\n');
    say(wire, text_span(&greeting));
}

static void connect_to(struct dovecot *dovecot)
{
    struct wire *wire = calloc(1, sizeof(*wire));

    must(wire != NULL && uv_pipe_init(&dovecot->keeper->uv, &wire->pipe, 0) == 0);
    wire->pipe.data = wire->connect.data = wire;
    wire->owner = dovecot;
    dovecot->wire = wire;
    uv_pipe_connect(&wire->connect, &wire->pipe, dovecot->path, connected);
}

/* The connection is over. If it ever worked, who was asked for on it is asked for once more. */
static void lose(struct dovecot *dovecot, const char *why)
{
    bool worked = dovecot->wire->state == WIRE_READY;
    struct dovecot_ask *ask;

    give_up(dovecot);
    for (ask = dovecot->first; ask != NULL && worked; ask = ask->next) {
        worked = !ask->again;
        ask->again = true;
        ask->said = false;
    }
    if (!worked)
        tell_all(dovecot, why);
    else if (dovecot->first != NULL)
        connect_to(dovecot);
}

void dovecot_ask(struct dovecot *dovecot, struct dovecot_ask *ask)
{
    ask->said = ask->again = false;
    ask->next = dovecot->first;
    dovecot->first = ask;
    if (ask->user.size + ask->password.size + 2 > RESPONSE_BYTES_MAX) {
        dovecot->first = ask->next;
        ask->done(ask, TOLD_NO, SPAN(""));
    } else if (dovecot->wire == NULL) {
        connect_to(dovecot);
    } else if (uv_stream_get_write_queue_size((uv_stream_t *)&dovecot->wire->pipe) >
               UNREAD_BYTES_MAX) {
        lose(dovecot, "the service reads nothing");
    } else if (dovecot->wire->state == WIRE_READY) {
        say_ask(dovecot, ask);
    }
}

/* --- its life --- */

struct dovecot *dovecot_open(struct keeper *keeper, struct span path)
{
    struct dovecot *dovecot;

    if (path.size >= DOVECOT_PATH_MAX || span_find(path, '\0') < path.size)
        return NULL;
    dovecot = calloc(1, sizeof(*dovecot));
    must(dovecot != NULL);
    dovecot->keeper = keeper;
    memcpy(dovecot->path, path.at, path.size);
    return dovecot;
}

void dovecot_close(struct dovecot **dovecot)
{
    give_up(*dovecot);
    tell_all(*dovecot, "the program ends");
    free(*dovecot);
    *dovecot = NULL;
}

bool dovecot_is(const struct dovecot *dovecot, struct span path)
{
    return span_equal(span_of_string(dovecot->path), path);
}
