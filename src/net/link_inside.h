/*
 * What the files of link share: its life and reading (link.c), writing (link_write.c), and TLS
 * (tls_link.c).
 */
#ifndef LOCKSTEP_NET_LINK_INSIDE_H
#define LOCKSTEP_NET_LINK_INSIDE_H

#include "lockstep/net/link.h"

/* --- link.c --- */

void link_close(struct link *link);
/* Our FIN, once nothing waits to be sent. */
void link_half(struct link *link);
/* All has left, or never will: FIN. */
void link_drop(struct link *link);
/* Reads on, or not. */
void link_resume(struct link *link);
void link_pause(struct link *link);

/* --- link_write.c --- */

/* Keeps everything after the first `skip` bytes; `owed` of them are the user's, who hears of them
 * by `sent`. */
void link_keep(struct link *link, const struct span *pieces, uint32_t count, size_t skip,
               size_t owed);
/* The next bytes that are kept stand for so many more of the user's. */
void link_owe(struct link *link, size_t owed);
/* Bytes that wait, but for the user's. */
size_t link_unowed(const struct link *link);
void link_say_later(struct link *link);
/* What is kept leaves before anything else, in one write; false: the user was told of a loss. */
bool link_say_first(struct link *link);
void link_unlater(struct link *link);
/* What waits is handed to the socket, as far as it takes it, and forgotten. */
void link_say_last(struct link *link);
void link_writes_free(struct link *link);
/* When a turn of the loop ends. */
void loop_turned(uv_prepare_t *turn);
void loop_spares_free(struct link_loop *loop);

/* --- tls_link.c; only for links that have TLS --- */

/* The handshake is not done: what comes is not the user's. */
bool link_tls_shaking(const struct link *link);
/* Has what came before its user had room, or a handshake to begin: nothing may be read before. */
bool link_tls_holds(const struct link *link);
/* It is told when the turn ends. */
void link_tls_later(struct link *link);
void link_tls_turn(struct link *link);
void link_tls_read(struct link *link, struct span bytes);
/* The peer's FIN. */
void link_tls_ended(struct link *link);
/* False: link->error says why. */
bool link_tls_send(struct link *link, const struct span *pieces, uint32_t count);
size_t link_tls_kept(const struct link *link);
/* Says close_notify, if anything can still be said. */
void link_tls_finish(struct link *link);
void link_tls_free(struct link *link);

/* Makes the socket of a link that will be connected, where it has to be a special one. On failure
 * there is none, and the libuv error is returned. */
int link_prepare(struct link *link, sa_family_t family, const struct link_way *way);

#endif
