#include <criterion/criterion.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "contexts.h"
#include "net/tls_inside.h"

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static bool client_heard_something(const struct pair *pair)
{
    return pair->client.size > 0;
}

static bool server_heard_something(const struct pair *pair)
{
    return pair->server.size > 0;
}

Test(tls_link, handshakes_come_whole_or_byte_by_byte)
{
    static const size_t cuts[] = {0, 1, 7, 1000};
    struct contexts contexts = contexts_new();
    size_t i;

    for (i = 0; i < 8; i++) {
        struct pair *pair;
        char words[TLS_WORDS_MAX];
        struct span said;

        context_speak(contexts.client, versions[i % 2]);
        pair = pair_secure(contexts.server, contexts.client, "mail.example");
        pair->cut = cuts[i / 2];
        pair_run(pair, both_secured);
        peer_say(&pair->client, "EHLO there\r\n");
        pair_run(pair, server_heard_something);
        peer_say(&pair->server, "250 here\r\n");
        pair_settle(pair);
        cr_assert(peer_heard(&pair->server, "EHLO there\r\n"));
        cr_assert(peer_heard(&pair->client, "250 here\r\n"));
        cr_assert_eq(pair->client.sent, strlen("EHLO there\r\n"));
        cr_assert_eq(pair->server.sent, strlen("250 here\r\n"));
        cr_assert_eq(pair->client.secured + pair->server.secured, 2);
        said = tls_words(pair->client.link.tls, words);
        cr_assert(span_starts(said, i % 2 == 0 ? SPAN("TLSv1.2 ECDHE-") : SPAN("TLSv1.3 TLS_")));
        pair_close(pair);
    }
    contexts_drop(&contexts);
}

/* What leaves in clear is what was handed over before TLS started, and nothing else. */
static struct contexts *later;

static void greeted(struct peer *client)
{
    if (client->size == strlen("220 go ahead\r\n"))
        link_secure(&client->link, later->client, SPAN("mail.example"));
}

Test(tls_link, starts_behind_what_was_said_in_clear)
{
    static const size_t cuts[] = {0, 1};
    struct contexts contexts = contexts_new();
    size_t i;

    later = &contexts;
    for (i = 0; i < 2; i++) {
        struct pair *pair = pair_new();

        pair->cut = cuts[i];
        pair->client.heard = greeted;
        peer_say(&pair->server, "220 go ahead\r\n");
        link_secure(&pair->server.link, contexts.server, (struct span){0});
        peer_say(&pair->server, "220 banner, in secret\r\n"); /* waits for the handshake */
        cr_assert_eq(link_kept(&pair->server.link), 37);
        pair_run(pair, both_secured);
        pair_settle(pair);
        cr_assert(peer_heard(&pair->client, "220 go ahead\r\n220 banner, in secret\r\n"));
        cr_assert_eq(pair->server.sent, 37);
        cr_assert_eq(link_kept(&pair->server.link), 0);
        pair_close(pair);
    }
    contexts_drop(&contexts);
}

/* A handshake is nothing that the user needs room for. */
Test(tls_link, starts_while_the_user_has_no_room)
{
    struct contexts contexts = contexts_new();
    struct pair *pair = pair_new();

    pair->client.room = pair->server.room = 0;
    link_secure(&pair->client.link, contexts.client, SPAN("mail.example"));
    pair_settle(pair);
    cr_assert(pair->server.link.paused);
    link_secure(&pair->server.link, contexts.server, (struct span){0});
    pair_run(pair, both_secured);
    pair_close(pair);
    contexts_drop(&contexts);
}

Test(tls_link, takes_clear_bytes_for_a_broken_handshake)
{
    struct contexts contexts = contexts_new();
    struct pair *pair = pair_new();

    peer_say(&pair->client, "MAIL FROM:<smuggled@in.clear>\r\n");
    link_secure(&pair->server.link, contexts.server, (struct span){0});
    pair_run(pair, either_lost);
    cr_assert_eq(pair->server.size, 0);
    cr_assert_eq(pair->server.error, UV_EPROTO);
    cr_assert_str_eq(pair->server.why, "TLS: the peer does not speak it here");
    pair_close(pair);
    contexts_drop(&contexts);
}

Test(tls_link, takes_clear_bytes_before_a_true_handshake_for_a_broken_one)
{
    struct contexts contexts = contexts_new();
    struct pair *pair = pair_new();

    peer_say(&pair->client, "RSET\r\n"); /* then a ClientHello */
    link_secure(&pair->client.link, contexts.client, SPAN("mail.example"));
    link_secure(&pair->server.link, contexts.server, (struct span){0});
    pair_run(pair, either_lost);
    pair_settle(pair);
    cr_assert_eq(pair->server.size + pair->server.secured + pair->client.secured, 0);
    pair_close(pair);
    contexts_drop(&contexts);
}

/* --- much, and little room --- */

#define MUCH (1000000U)

static char *much(void)
{
    char *bytes = malloc(MUCH);
    uint32_t state = 12345;
    size_t i;

    cr_assert_not_null(bytes);
    for (i = 0; i < MUCH; i++) {
        state = state * 1103515245U + 12345U;
        bytes[i] = (char)(state >> 16);
    }
    return bytes;
}

static bool both_heard_much(const struct pair *pair)
{
    return pair->client.size == MUCH && pair->server.size == MUCH;
}

static void check_much(const struct pair *pair, const char *bytes)
{
    cr_assert_eq(memcmp(pair->client.bytes, bytes, MUCH), 0);
    cr_assert_eq(memcmp(pair->server.bytes, bytes, MUCH), 0);
    cr_assert_eq(pair->client.sent, MUCH);
    cr_assert_eq(pair->server.sent, MUCH);
    cr_assert_eq(link_kept(&pair->client.link) + link_kept(&pair->server.link), 0);
}

Test(tls_link, carries_much_both_ways_into_any_room)
{
    static const size_t rooms[] = {LINK_READ_BYTES, 20000, 16384, 99};
    struct contexts contexts = contexts_new();
    char *bytes = much();
    size_t i;

    for (i = 0; i < 8; i++) {
        struct pair *pair;

        context_speak(contexts.client, versions[i % 2]);
        pair = pair_secure(contexts.server, contexts.client, "mail.example");
        pair->client.room = rooms[i / 2];
        pair->cut = i % 3 == 0 ? 0 : 5000;
        pair_run(pair, both_secured);
        peer_say_bytes(&pair->client, bytes, MUCH);
        peer_say_bytes(&pair->server, bytes, 10);
        peer_say_bytes(&pair->server, bytes + 10, MUCH - 10);
        pair_run(pair, both_heard_much);
        pair_settle(pair);
        check_much(pair, bytes);
        cr_assert_leq(pair->client.most, rooms[i / 2]);
        pair_close(pair);
    }
    free(bytes);
    contexts_drop(&contexts);
}

/* Whoever has heard as much as he takes waits for more room, as the engine does. */
static void heard_enough(struct peer *peer)
{
    peer->room = 0;
}

Test(tls_link, waits_for_room_without_reading)
{
    struct contexts contexts = contexts_new();
    char *bytes = much();
    struct pair *pair = pair_shake(contexts.server, contexts.client, "mail.example");
    size_t passed;

    pair->client.heard = heard_enough;
    pair->client.room = 1000;
    peer_say_bytes(&pair->server, bytes, MUCH);
    pair_run(pair, client_heard_something);
    pair_settle(pair);
    cr_assert_eq(pair->client.size, 1000);
    passed = pair->passed[1];
    cr_assert_lt(passed, MUCH, "all of it was read");
    pair_settle(pair);
    cr_assert_eq(pair->passed[1], passed);
    cr_assert_lt(pair->server.sent, MUCH);
    while (pair->client.size < MUCH / 2) { /* each time room comes, it is filled */
        size_t before = pair->client.size;
        size_t rest = MUCH - before;

        pair->client.room = before % 2 == 0 ? 1001 : 30000;
        rest = pair->client.room < rest ? pair->client.room : rest;
        link_read(&pair->client.link);
        cr_assert_eq(pair->client.size, before, "told before link_read returned");
        while (pair->client.size < before + rest) {
            pair->client.room = before + rest - pair->client.size;
            link_read(&pair->client.link);
            pair_settle(pair);
        }
        cr_assert_eq(pair->client.size, before + rest);
    }
    pair->client.heard = NULL; /* from now on there always is some */
    pair->client.room = 5000;
    link_read(&pair->client.link);
    pair_settle(pair);
    cr_assert_eq(pair->client.size, MUCH);
    cr_assert_eq(memcmp(pair->client.bytes, bytes, MUCH), 0);
    cr_assert_eq(pair->server.sent, MUCH);
    pair_close(pair);
    free(bytes);
    contexts_drop(&contexts);
}

Test(tls_link, sends_pieces_of_all_sizes_in_order)
{
    struct contexts contexts = contexts_new();
    char *bytes = much();
    struct pair *pair = pair_shake(contexts.server, contexts.client, "mail.example");
    static const size_t sizes[] = {1, 16383, 16384, 16385, 0, 3, 50000, 16380};
    struct span pieces[SEND_PIECES_MAX];
    size_t all = 0;
    size_t i;

    for (i = 0; i < SEND_PIECES_MAX; i++) {
        pieces[i] = span_of(bytes + all, sizes[i]);
        all += sizes[i];
    }
    cr_assert_eq(link_send(&pair->client.link, pieces, SEND_PIECES_MAX), 0);
    cr_assert_eq(link_kept(&pair->client.link), all);
    pair_settle(pair);
    cr_assert_eq(pair->server.size, all);
    cr_assert_eq(memcmp(pair->server.bytes, bytes, all), 0);
    cr_assert_eq(pair->client.sent, all);
    pair_close(pair);
    free(bytes);
    contexts_drop(&contexts);
}

/* --- ends --- */

static bool client_ended(const struct pair *pair)
{
    return pair->client.ended > 0;
}

static bool client_gone(const struct pair *pair)
{
    return pair->client.gone > 0;
}

Test(tls_link, tells_a_proper_end_from_a_cut)
{
    static const size_t cuts[] = {0, 1};
    size_t i;

    for (i = 0; i < 4; i++) {
        struct contexts contexts = contexts_new();
        struct pair *pair;

        context_speak(contexts.client, versions[i / 2]);
        pair = pair_shake(contexts.server, contexts.client, "mail.example");
        pair->cut = cuts[i % 2];
        peer_say(&pair->server, "221 bye\r\n");
        link_shut(&pair->server.link, SHUT_FLUSH);
        pair_run(pair, client_ended);
        link_read(&pair->client.link); /* there is nothing more to read but the FIN */
        pair_settle(pair);
        cr_assert(peer_heard(&pair->client, "221 bye\r\n"));
        cr_assert_not(pair->client.link.truncated);
        cr_assert_eq(pair->client.ended, 1);
        cr_assert_eq(pair->server.sent, 9);
        link_shut(&pair->client.link, SHUT_FLUSH);
        pair_run(pair, client_gone);
        cr_assert_eq(pair->client.link.error, 0);
        pair_close(pair);
        contexts_drop(&contexts);
    }
}

Test(tls_link, says_when_an_end_may_be_somebody_elses)
{
    struct contexts contexts = contexts_new();
    struct pair *pair = pair_shake(contexts.server, contexts.client, "mail.example");

    peer_say(&pair->server, "250 ok\r\n");
    pair_run(pair, client_heard_something);
    pair->stop = pair->passed[1]; /* nothing more comes through but the end */
    pair_run(pair, client_ended);
    cr_assert(pair->client.link.truncated);
    cr_assert_eq(pair->client.error, 0);
    peer_say(&pair->client, "QUIT\r\n"); /* the other half is still there */
    pair_settle(pair);
    cr_assert(peer_heard(&pair->server, "QUIT\r\n"));
    pair_close(pair);
    contexts_drop(&contexts);
}

Test(tls_link, loses_a_peer_who_ends_in_the_handshake)
{
    struct contexts contexts = contexts_new();
    struct pair *pair = pair_secure(contexts.server, contexts.client, "mail.example");

    pair->stop = 100; /* in the ServerHello */
    pair_run(pair, either_lost);
    cr_assert_eq(pair->client.error, UV_EPROTO);
    cr_assert_str_eq(pair->client.why, "TLS: the peer ended the connection during the handshake");
    pair_close(pair);
    contexts_drop(&contexts);
}

Test(tls_link, drops_what_can_not_be_said_any_more)
{
    struct contexts contexts = contexts_new();
    struct pair *pair = pair_new();

    link_secure(&pair->client.link, contexts.client, SPAN("mail.example"));
    peer_say(&pair->client, "EHLO there\r\n");
    pair_settle(pair); /* the server's side says nothing */
    link_shut(&pair->client.link, SHUT_FLUSH);
    pair_run(pair, client_gone);
    cr_assert_eq(pair->client.link.error, UV_ECANCELED);
    cr_assert_eq(pair->client.sent, 0);
    pair_close(pair);
    contexts_drop(&contexts);
}

Test(tls_link, tells_what_came_before_a_broken_record)
{
    struct contexts contexts = contexts_new();
    struct pair *pair = pair_shake(contexts.server, contexts.client, "mail.example");

    peer_say(&pair->server, "250 ok\r\n");
    pair_run(pair, client_heard_something);
    cr_assert_eq(send(pair->wire[0], "\x17\x03\x03\x00\x20no record of anybody's making...", 37, 0),
                 37);
    pair_run(pair, either_lost);
    cr_assert(peer_heard(&pair->client, "250 ok\r\n"));
    cr_assert_eq(pair->client.error, UV_EPROTO);
    cr_assert_str_eq(pair->client.why, "TLS: decryption failed or bad record mac");
    pair_close(pair);
    contexts_drop(&contexts);
}

static bool starts(const struct peer *peer, const char *text)
{
    return span_starts(span_of_string(text), span_of(peer->bytes, peer->size));
}

/* Whichever byte somebody on the way changes: what is heard was said, and said in this order. */
Test(tls_link, believes_no_byte_that_was_changed)
{
    struct contexts contexts = contexts_new();
    size_t lost = 0;
    size_t i;

    for (i = 0; i < 200; i++) {
        struct pair *pair;

        context_speak(contexts.client, versions[i % 2]);
        pair = pair_secure(contexts.server, contexts.client, "mail.example");
        pair->broken[i / 2 % 2] = 1 + 11 * (i / 4);
        peer_say(&pair->client, "MAIL FROM:<>\r\n");
        peer_say(&pair->server, "220 here\r\n");
        pair_settle(pair);
        lost += either_lost(pair);
        cr_assert(starts(&pair->server, "MAIL FROM:<>\r\n"));
        cr_assert(starts(&pair->client, "220 here\r\n"));
        pair_close(pair);
    }
    cr_assert_gt(lost, 150);
    contexts_drop(&contexts);
}

/* --- answers that nobody reads --- */

static bool server_lost(const struct pair *pair)
{
    return pair->server.error != 0;
}

Test(tls_link, does_not_answer_for_ever_who_never_reads)
{
    struct contexts contexts = contexts_new();
    struct pair *pair = pair_shake(contexts.server, contexts.client, "mail.example");
    SSL *ssl = pair->client.link.tls->ssl;
    uint32_t i;

    pair->ended[1] = true; /* what the server says stays in the wire */
    for (i = 0; i < 30000; i++) {
        SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
        cr_assert_eq(SSL_do_handshake(ssl), 1);
    }
    pair_run(pair, server_lost);
    cr_assert_str_eq(pair->server.why, "TLS: the peer reads no answers");
    pair_close(pair);
    contexts_drop(&contexts);
}

/* --- what binds --- */

Test(tls_link, has_the_same_bindings_at_both_ends)
{
    size_t i;

    for (i = 0; i < 4; i++) { /* each version, at first and resumed */
        static struct contexts contexts;
        struct pair *pair;
        char one[TLS_BINDING_MAX];
        char other[TLS_BINDING_MAX];
        struct span span;

        if (i % 2 == 0)
            contexts = contexts_new();
        context_speak(contexts.client, versions[i / 2]);
        pair = pair_shake(contexts.server, contexts.client, "mail.example");
        cr_assert_eq(tls_resumed(pair->client.link.tls), i % 2 == 1);
        span = tls_binding_exporter(pair->client.link.tls, one);
        cr_assert_eq(span.size, 32);
        cr_assert(span_equal(span, tls_binding_exporter(pair->server.link.tls, other)));
        span = tls_binding_unique(pair->client.link.tls, one);
        cr_assert_eq(span.size, i / 2 == 0 ? 12 : 0);
        if (i % 2 == 0) /* RFC 5929 3.1: the first Finished message of all */
            SSL_get_finished(pair->client.link.tls->ssl, other, sizeof(other));
        else
            SSL_get_peer_finished(pair->client.link.tls->ssl, other, sizeof(other));
        cr_assert_eq(memcmp(one, other, span.size), 0);
        cr_assert(span_equal(span, tls_binding_unique(pair->server.link.tls, other)));
        pair_close(pair);
        if (i % 2 == 1)
            contexts_drop(&contexts);
    }
}

/* --- sniffing --- */

Test(tls_link, looks_at_the_first_bytes_and_reads_them_later)
{
    static const size_t cuts[] = {1, 0};
    static const char *const clear[] = {"EHLO there\r\n", "\x16\x02 is no TLS of today"};
    struct contexts contexts = contexts_new();
    size_t i;

    for (i = 0; i < 2; i++) {
        struct pair *pair = pair_new();

        pair->cut = cuts[i];
        link_peek(&pair->server.link, true);
        pair->server.context = contexts.server;
        link_secure(&pair->client.link, contexts.client, SPAN("mail.example"));
        pair_run(pair, both_secured);
        cr_assert_eq(pair->server.sniffed, 1);
        pair_close(pair);

        pair = pair_new();
        pair->cut = cuts[i];
        link_peek(&pair->server.link, true);
        pair_settle(pair);
        cr_assert_eq(pair->server.sniffed, -1);
        peer_say(&pair->client, clear[i]);
        pair_settle(pair);
        cr_assert_eq(pair->server.sniffed, 0);
        cr_assert(peer_heard(&pair->server, clear[i]));
        pair_close(pair);
    }
    contexts_drop(&contexts);
}

Test(tls_link, reads_what_is_behind_the_bytes_that_were_skipped)
{
    static const size_t cuts[] = {1, 3, 0};
    struct contexts contexts = contexts_new();
    size_t i;

    for (i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        struct pair *pair = pair_new();

        pair->cut = cuts[i];
        pair->server.skips = SPAN("PROXY UNKNOWN\r\n").size;
        link_peek(&pair->server.link, true);
        peer_say(&pair->client, "PROXY UNKNOWN\r\nEHLO there\r\n");
        pair_settle(pair);
        cr_assert_eq(pair->server.sniffed, 0);
        cr_assert(peer_heard(&pair->server, "EHLO there\r\n"));
        pair_close(pair);

        pair = pair_new();
        pair->cut = cuts[i];
        pair->server.skips = SPAN("PROXY UNKNOWN\r\n").size;
        pair->server.context = contexts.server;
        link_peek(&pair->server.link, true);
        peer_say(&pair->client, "PROXY UNKNOWN\r\n");
        link_secure(&pair->client.link, contexts.client, SPAN("mail.example"));
        pair_run(pair, both_secured);
        cr_assert_eq(pair->server.sniffed, 1);
        pair_close(pair);
    }
    contexts_drop(&contexts);
}

Test(tls_link, tells_the_end_of_a_peer_who_never_spoke)
{
    struct pair *pair = pair_new();

    link_peek(&pair->server.link, true);
    link_shut(&pair->client.link, SHUT_FLUSH);
    pair_settle(pair);
    cr_assert_eq(pair->server.sniffed, -1);
    cr_assert_eq(pair->server.ended, 1);
    pair_close(pair);
}

Test(tls_link, has_nothing_to_sniff_once_tls_was_started)
{
    struct contexts contexts = contexts_new();
    struct pair *pair = pair_new();

    link_peek(&pair->server.link, true);
    link_secure(&pair->server.link, contexts.server, (struct span){0});
    link_secure(&pair->client.link, contexts.client, SPAN("mail.example"));
    pair_run(pair, both_secured);
    cr_assert_eq(pair->server.sniffed, -1);
    pair_close(pair);
    contexts_drop(&contexts);
}

Test(tls_link, sniffs_no_more_when_nobody_wants_it)
{
    struct pair *pair = pair_new();

    link_peek(&pair->server.link, true);
    pair_settle(pair);
    link_peek(&pair->server.link, false);
    peer_say(&pair->client, "\x16\x03 hello");
    pair_settle(pair);
    cr_assert_eq(pair->server.sniffed, -1);
    cr_assert(peer_heard(&pair->server, "\x16\x03 hello"));
    pair_close(pair);
}

/* What every session pays, whether it speaks TLS or not. */
Test(tls_link, a_link_in_clear_pays_a_pointer)
{
    cr_assert_leq(sizeof(struct link) - sizeof(uv_tcp_t), 88);
}
