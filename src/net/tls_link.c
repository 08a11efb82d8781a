/*
 * The TLS of one link. OpenSSL reads from the bytes that the socket just brought, and writes to
 * those that leave when the turn ends: it has no buffers of its own but for half a record.
 */
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "link_inside.h"
#include "lockstep/base/must.h"
#include "tls_inside.h"

/* Bytes that TLS itself may have left to say. Some answers, to new keys for one, a peer can ask for
 * as often as it likes, and need not read them. */
#define ANSWERS_MAX (1U << 18)

/* --- the wire, as OpenSSL sees it --- */

static int wire_read(BIO *wire, char *into, int room)
{
    struct link *link = BIO_get_data(wire);
    struct span bytes = span_head(link->tls->input, (size_t)room);

    BIO_clear_retry_flags(wire);
    if (bytes.size == 0) {
        BIO_set_retry_read(wire);
        return -1;
    }
    memcpy(into, bytes.at, bytes.size);
    link->tls->input = span_tail(link->tls->input, bytes.size);
    return (int)bytes.size;
}

static int wire_write(BIO *wire, const char *at, int size)
{
    struct link *link = BIO_get_data(wire);
    struct span bytes = span_of(at, (size_t)size);

    link_keep(link, &bytes, 1, 0, 0);
    if (link->flying == NULL)
        link_say_later(link);
    return size;
}

static long wire_control(BIO *wire, int word, long number, void *data)
{
    (void)wire;
    (void)number;
    (void)data;
    return word == BIO_CTRL_FLUSH;
}

BIO_METHOD *tls_wire_new(void)
{
    BIO_METHOD *wire = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "link");

    must(wire != NULL);
    BIO_meth_set_read(wire, wire_read);
    BIO_meth_set_write(wire, wire_write);
    BIO_meth_set_ctrl(wire, wire_control);
    return wire;
}

/* --- failing --- */

/* OpenSSL's first complaint, the one that led to the others. */
static void link_tls_note(struct tls *tls)
{
    unsigned long error = ERR_get_error();
    int reason = ERR_GET_REASON(error);
    const char *words = ERR_reason_error_string(error);

    if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET)
        tls_note(tls, "TLS: refused by the peer: %s",
                 SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
    else if (ERR_GET_LIB(error) == ERR_LIB_SSL &&
             (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST))
        tls_note(tls, "TLS: the peer does not speak it here");
    else
        tls_note(tls, "TLS: %s", words != NULL ? words : "unknown error");
    ERR_clear_error();
}

static void link_tls_lose(struct link *link)
{
    link_tls_note(link->tls);
    link_pause(link);
    link->user->lost(link, UV_EPROTO);
}

struct span link_why(const struct link *link, int error)
{
    const struct tls *tls = link->tls;

    if (error == UV_EPROTO && tls != NULL && tls->why != NULL)
        return span_of_string(tls->why);
    if (error == UV_ETIMEDOUT && tls != NULL && !tls->up && !SSL_in_before(tls->ssl))
        return SPAN("TLS: the handshake took too long");
    return span_of_string(uv_strerror(error));
}

/* --- writing --- */

static void link_tls_wait(struct tls *tls, const struct span *pieces, uint32_t count, size_t size)
{
    char *grown = OPENSSL_clear_realloc(tls->early, tls->early_size, tls->early_size + size);
    uint32_t i;

    must(grown != NULL);
    tls->early = grown;
    for (i = 0; i < count; i++) {
        memcpy(tls->early + tls->early_size, pieces[i].at, pieces[i].size);
        tls->early_size += pieces[i].size;
    }
}

static bool link_tls_write(struct link *link, struct span bytes)
{
    size_t written;

    if (bytes.size == 0)
        return true;
    ERR_clear_error();
    if (SSL_write_ex(link->tls->ssl, bytes.at, bytes.size, &written) != 1) {
        link_tls_note(link->tls);
        link->error = UV_EPROTO;
        return false;
    }
    link_owe(link, written);
    return true;
}

/* Small pieces share a record. */
bool link_tls_send(struct link *link, const struct span *pieces, uint32_t count)
{
    char record[SSL3_RT_MAX_PLAIN_LENGTH];
    struct text text = text_over(record, sizeof(record));
    size_t size = 0;
    bool done = true;
    uint32_t i;

    for (i = 0; i < count; i++)
        size += pieces[i].size;
    if (!link->tls->up) {
        link_tls_wait(link->tls, pieces, count, size);
        return true;
    }
    for (i = 0; i < count && done; i++) {
        if (pieces[i].size > text_left(&text)) {
            done = link_tls_write(link, text_span(&text));
            text_clear(&text);
        }
        if (done && pieces[i].size > text_left(&text))
            done = link_tls_write(link, pieces[i]);
        else
            text_add(&text, pieces[i]);
    }
    done = done && link_tls_write(link, text_span(&text));
    OPENSSL_cleanse(record, size < sizeof(record) ? size : sizeof(record));
    return done;
}

size_t link_tls_kept(const struct link *link)
{
    return link->tls->early_size;
}

void link_tls_finish(struct link *link)
{
    struct tls *tls = link->tls;

    if (tls->early_size > 0)
        link->error = UV_ECANCELED;
    else if (tls->up && tls->why == NULL)
        SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

/* --- reading --- */

/* Fills `into` as far as possible; SSL_ERROR_NONE when it is full. */
static int tls_fill(struct tls *tls, char *into, size_t room, size_t *size_r)
{
    size_t more;

    *size_r = 0;
    while (*size_r < room) {
        ERR_clear_error();
        if (SSL_read_ex(tls->ssl, into + *size_r, room - *size_r, &more) != 1)
            return SSL_get_error(tls->ssl, 0);
        *size_r += more;
    }
    return SSL_ERROR_NONE;
}

/* The user has no room: what came already waits. */
static void link_tls_hold(struct link *link)
{
    struct tls *tls = link->tls;

    link_pause(link);
    tls->more = true;
    if (tls->held != NULL || tls->input.size == 0)
        return;
    tls->held = malloc(tls->input.size);
    must(tls->held != NULL);
    memcpy(tls->held, tls->input.at, tls->input.size);
    tls->input.at = tls->held;
}

/* Tells what is there; true: all of it, and more may be read. */
static bool link_tls_tell(struct link *link)
{
    struct tls *tls = link->tls;
    int verdict = SSL_ERROR_NONE;

    while (verdict == SSL_ERROR_NONE && link->state == LINK_OPEN) {
        size_t room = link->user->room(link);
        size_t size;

        if (room == 0) {
            link_tls_hold(link);
            return false;
        }
        room = room < LINK_READ_BYTES ? room : LINK_READ_BYTES;
        verdict = tls_fill(tls, link->loop->plain, room, &size);
        if (verdict == SSL_ERROR_SSL)
            link_tls_note(tls);
        if (size > 0)
            link->user->said(link, span_of(link->loop->plain, size));
        OPENSSL_cleanse(link->loop->plain, size); /* there may have been a password in it */
    }
    if (link->state != LINK_OPEN || verdict == SSL_ERROR_WANT_READ)
        return link->state == LINK_OPEN;
    if (verdict == SSL_ERROR_ZERO_RETURN) {
        tls->closed = true;
        link_pause(link);
        link->user->ended(link);
    } else {
        link_tls_lose(link);
    }
    return false;
}

/* True: it is done, and the user still wants the link. */
static bool link_tls_shake(struct link *link)
{
    struct tls *tls = link->tls;
    struct span early;
    int result;

    ERR_clear_error();
    result = SSL_do_handshake(tls->ssl);
    if (result != 1 && SSL_get_error(tls->ssl, result) == SSL_ERROR_WANT_READ)
        return false;
    if (result != 1) {
        link_tls_lose(link);
        return false;
    }
    tls->up = true;
    early = span_of(tls->early, tls->early_size);
    tls->early = NULL;
    tls->early_size = 0;
    link_tls_send(link, &early, 1);
    OPENSSL_clear_free((char *)(uintptr_t)early.at, early.size);
    if (link->state == LINK_CONNECTING) {
        link->state = LINK_OPEN;
        link->user->opened(link);
    } else {
        link->user->secured(link);
    }
    return link->state == LINK_OPEN;
}

static void link_tls_go(struct link *link)
{
    struct tls *tls = link->tls;

    if (link_unowed(link) > ANSWERS_MAX)
        tls_note(tls, "TLS: the peer reads no answers");
    if (tls->why != NULL) /* or: a name that nobody can have */
        link_tls_lose(link);
    else if ((tls->up || link_tls_shake(link)) && link_tls_tell(link) && link->paused)
        link_resume(link);
    if (tls->more)
        return;
    free(tls->held);
    tls->held = NULL;
    tls->input = (struct span){0};
}

void link_tls_read(struct link *link, struct span bytes)
{
    link->tls->input = bytes;
    link_tls_go(link);
}

void link_tls_ended(struct link *link)
{
    if (!link->tls->up) {
        tls_note(link->tls, "TLS: the peer ended the connection during the handshake");
        link_tls_lose(link);
    } else if (!link->tls->closed) {
        link->truncated = true;
        link->user->ended(link);
    }
}

bool link_tls_shaking(const struct link *link)
{
    return !link->tls->up;
}

bool link_tls_holds(const struct link *link)
{
    return link->tls->more || link->tls->due || link->tls->closed;
}

void link_tls_later(struct link *link)
{
    link->tls->due = !link->tls->closed;
    if (link->tls->due)
        link_say_later(link);
}

void link_tls_turn(struct link *link)
{
    if (!link->tls->due || (link->state != LINK_OPEN && link->state != LINK_CONNECTING))
        return;
    link->tls->due = false;
    link->tls->more = false;
    link_tls_go(link);
}

/* --- life --- */

void link_secure(struct link *link, struct tls_context *context, struct span name)
{
    struct tls *tls;
    BIO *wire;

    if (link->state != LINK_OPEN && link->state != LINK_CONNECTING)
        return;
    must(link->tls == NULL);
    if (span_ends(name, SPAN("."))) /* it ends a name for resolvers only (RFC 6066 3) */
        name.size--;
    link->peeks = false;
    tls = calloc(1, sizeof(*tls) + name.size + 1);
    must(tls != NULL);
    if (name.size > 0)
        memcpy(tls->name, name.at, name.size);
    tls->context = tls_context_hold(context);
    tls->ssl = SSL_new(context->ssl);
    wire = BIO_new(context->wire);
    must(tls->ssl != NULL && wire != NULL);
    link->tls = tls;
    BIO_set_data(wire, link);
    SSL_set_bio(tls->ssl, wire, wire);
    SSL_set_app_data(tls->ssl, tls);
    if (context->server) {
        SSL_set_accept_state(tls->ssl);
    } else {
        SSL_set_connect_state(tls->ssl);
        if (tls_expect(tls, name))
            tls_sessions_resume(tls);
    }
    if (link->state == LINK_OPEN) { /* whose handshake is read without asking the user */
        link_tls_later(link);
        link_resume(link);
    }
}

void link_tls_free(struct link *link)
{
    struct tls *tls = link->tls;

    link->tls = NULL;
    if (tls->up && tls->why == NULL) /* a session outlives its connection, however that ended */
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(tls->ssl);
    tls_context_drop(tls->context);
    OPENSSL_clear_free(tls->early, tls->early_size);
    free(tls->held);
    free(tls->why);
    free(tls);
}
