/* Sessions: of a client's context, by the name of their server; of a server's, how long they are
 * good. */
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "tls_inside.h"

/* Of a server; those of newer clients lie with the clients, as tickets. */
#define SESSIONS_OF_SERVER_MAX 1024

static void row_clear(struct tls_sessions *sessions, uint32_t row)
{
    free(sessions->rows[row].name);
    SSL_SESSION_free(sessions->rows[row].session);
    sessions->rows[row].name = NULL;
    sessions->rows[row].session = NULL;
}

/* OpenSSL hands over a session; 1: we keep its reference. */
static int sessions_add(SSL *ssl, SSL_SESSION *session)
{
    const struct tls *tls = SSL_get_app_data(ssl);
    struct tls_sessions *sessions = &tls->context->sessions;

    if (tls->name[0] == 0 || !SSL_SESSION_is_resumable(session))
        return 0;
    uv_mutex_lock(&sessions->lock);
    row_clear(sessions, sessions->next);
    sessions->rows[sessions->next].name = strdup(tls->name);
    must(sessions->rows[sessions->next].name != NULL);
    sessions->rows[sessions->next].session = session;
    sessions->next = (sessions->next + 1) % TLS_SESSIONS_MAX;
    uv_mutex_unlock(&sessions->lock);
    return 1;
}

/* OpenSSL found that it is worth nothing any more. */
static void sessions_remove(SSL_CTX *ssl, SSL_SESSION *session)
{
    struct tls_context *context = SSL_CTX_get_app_data(ssl);
    struct tls_sessions *sessions = &context->sessions;
    uint32_t i;

    uv_mutex_lock(&sessions->lock);
    for (i = 0; i < TLS_SESSIONS_MAX; i++)
        if (sessions->rows[i].session == session)
            row_clear(sessions, i);
    uv_mutex_unlock(&sessions->lock);
}

static bool in_time(const X509 *certificate)
{
    return X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

/* What was trusted when the session began may have expired since; resuming never looks again. */
static bool session_fresh(const struct tls_context *context, SSL_SESSION *session)
{
    const X509 *certificate = SSL_SESSION_get0_peer(session);

    return (context->verify != TLS_VERIFY_FULL && context->verify != TLS_VERIFY_CA) ||
           (certificate != NULL && in_time(certificate));
}

/* The newest first. A ticket of TLS 1.3 is used once, so that nobody can tell by it that two
 * connections come from the same client (RFC 8446 C.4). */
void tls_sessions_resume(struct tls *tls)
{
    struct tls_sessions *sessions = &tls->context->sessions;
    uint32_t i;

    uv_mutex_lock(&sessions->lock);
    for (i = 1; i <= TLS_SESSIONS_MAX; i++) {
        uint32_t row = (sessions->next + TLS_SESSIONS_MAX - i) % TLS_SESSIONS_MAX;
        SSL_SESSION *session = sessions->rows[row].session;

        if (session == NULL || strcmp(sessions->rows[row].name, tls->name) != 0)
            continue;
        if (session_fresh(tls->context, session))
            SSL_set_session(tls->ssl, session);
        if (SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION)
            row_clear(sessions, row);
        break;
    }
    uv_mutex_unlock(&sessions->lock);
}

void tls_sessions_init(struct tls_context *context)
{
    must(uv_mutex_init(&context->sessions.lock) == 0);
    SSL_CTX_set_session_cache_mode(context->ssl,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context->ssl, sessions_add);
    SSL_CTX_sess_set_remove_cb(context->ssl, sessions_remove);
}

/* A client comes with a ticket. Without a certificate in it, it proves nothing that could expire.
 */
static SSL_TICKET_RETURN ticket_shown(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                      size_t size, SSL_TICKET_STATUS status, void *data)
{
    const X509 *certificate;

    (void)ssl;
    (void)name;
    (void)size;
    (void)data;
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    certificate = SSL_SESSION_get0_peer(session);
    if (certificate != NULL && !in_time(certificate))
        return SSL_TICKET_RETURN_IGNORE_RENEW; /* a whole handshake says what is wrong with it */
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

void tls_sessions_serve(struct tls_context *context)
{
    SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_SERVER);
    SSL_CTX_sess_set_cache_size(context->ssl, SESSIONS_OF_SERVER_MAX);
    SSL_CTX_set_session_ticket_cb(context->ssl, NULL, ticket_shown, NULL);
}

void tls_sessions_limit(SSL *ssl, const X509 *certificate)
{
    SSL_SESSION *session = SSL_get_session(ssl);
    int days, seconds;
    long left_s;

    if (session == NULL ||
        ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)) != 1)
        return;
    left_s = days * 86400L + seconds;
    if (left_s < SSL_SESSION_get_timeout(session))
        SSL_SESSION_set_timeout(session, left_s > 1 ? left_s : 1);
}

void tls_sessions_close(struct tls_context *context)
{
    uint32_t i;

    for (i = 0; i < TLS_SESSIONS_MAX; i++)
        row_clear(&context->sessions, i);
    uv_mutex_destroy(&context->sessions.lock);
}
