/*
 * link: one TCP connection on a libuv loop. It reads only while its user has room, writes at the
 * end of the loop's turn and keeps what the socket did not take, and ends without losing the last
 * words it was given.
 *
 * - One read buffer serves all links of a loop: bytes told by `said` are borrowed until it returns.
 * - A link pauses reading by itself when its user has no room, and only when bytes are there to be
 *   read, so that a pause which nobody notices costs nothing. link_read() ends the pause.
 * - Short sends wait for the end of the turn: when many links have something to say, first hearing
 *   them all and then writing to all costs a twentieth less than taking turns, because the
 * processor finds its code in the cache. Long ones are written at once, for copying them would cost
 * more.
 * - Bytes the socket did not take are copied, in order, and written with one write in flight; who
 *   bounds them is the user, who knows by `sent` how many have left.
 * - The memory belongs to the user, who may reuse it once `gone` was told. `gone` comes exactly
 *   once after link_shut(); before it only `sent` may still come, for bytes that SHUT_FLUSH waits
 *   for. If they could not all be sent, link->error says why when `gone` comes.
 * - No function calls back into the user before it returns.
 *
 * TLS may start on an open link (link_secure), or come with connecting:
 * - What was handed over before leaves in clear, what comes later leaves encrypted, once the
 *   handshake is done. `said`, `room`, `sent` and link_kept() speak of the user's bytes only.
 * - Whatever the peer says from then on belongs to TLS. Bytes that came in clear behind the point
 *   where it starts are taken for its handshake, which they break: they never become plaintext.
 * - The handshake's end is told by `secured`, its failure by `lost` with UV_EPROTO, behind a proper
 *   alert. How long it may take is the user's business.
 * - `ended` comes with the peer's close_notify; without one, at its FIN, `truncated` is set: then
 *   somebody else may have cut the connection.
 * - SHUT_FLUSH says close_notify before FIN. While the handshake is not done nothing that was to
 *   be encrypted can leave: then link->error is UV_ECANCELED when `gone` comes.
 */
#ifndef LOCKSTEP_NET_LINK_H
#define LOCKSTEP_NET_LINK_H

#include <uv.h>

#include "lockstep/engine/engine.h"
#include "lockstep/net/address.h"
#include "lockstep/net/tls.h"

/* One whole read; as much as an engine ever takes. */
#define LINK_READ_BYTES BLOCK_SIZE

struct link;

/* Links that wait for the same time, the longest waiting first, with one timer for all. */
struct link_queue {
    uv_timer_t timer;
    uint32_t wait_ms;
    struct link *first;
    struct link *last;
};

/* What the links of one loop share. */
struct link_loop {
    uv_loop_t *uv;
    struct link_queue flushing; /* shut, with bytes that have not left yet */
    struct link_queue dropping; /* has said all; the peer's FIN is awaited */
    uv_prepare_t turn;
    struct link *later_first; /* those with something to say when this turn ends */
    struct link *later_last;
    struct link_write *spare; /* memory for short sends, used again and again */
    uint32_t spares;
    char read[LINK_READ_BYTES];
    char plain[LINK_READ_BYTES]; /* what TLS made of it */
};

/* What a link tells its user; one constant table per kind of user. */
struct link_user {
    void (*opened)(struct link *link);       /* link_connect succeeded */
    size_t (*room)(const struct link *link); /* bytes it takes now; 0: pause */
    void (*said)(struct link *link, struct span bytes);
    void (*ended)(struct link *link);                     /* the peer will say no more */
    void (*lost)(struct link *link, int error);           /* a libuv error; the user still shuts */
    void (*sent)(struct link *link, size_t count);        /* of what link_send kept back */
    void (*secured)(struct link *link);                   /* TLS is up, after link_secure */
    void (*peeked)(struct link *link, struct span bytes); /* after link_peek; still to be read */
    void (*gone)(struct link *link); /* closed; the memory is the user's again */
};

/* How to connect where the system's own choice will not do. */
struct link_way {
    const struct address *from; /* whose address to come from, with any port; NULL: our own */
    uint32_t mark;              /* SO_MARK, where that is allowed; 0: none */
};

enum link_state {
    LINK_NONE,       /* all zero: no socket */
    LINK_CONNECTING, /* between link_connect and `opened` or `lost` */
    LINK_OPEN,
    LINK_FLUSHING, /* shut; what was kept back is still being written */
    LINK_DROPPING, /* shut; our FIN is out and what the peer says is dropped */
    LINK_CLOSING,  /* `gone` will follow */
};

struct link {
    uv_tcp_t tcp;
    struct link_loop *loop;
    const struct link_user *user;
    struct link_write *flying;  /* given to libuv */
    struct link_write *waiting; /* goes next, whole */
    struct tls *tls;            /* NULL: in clear */
    struct link *later_next;
    struct link *linger_next;
    struct link *linger_before;
    moment linger_until;
    int error; /* of a write: not 0 means the peer is lost */
    enum link_state state;
    bool ended;     /* the peer's FIN was read */
    bool paused;    /* there were bytes and no room */
    bool later;     /* has something to do when the turn ends */
    bool half;      /* our FIN goes out when nothing waits any more */
    bool peeks;     /* what comes is looked at, not read */
    bool truncated; /* `ended` came without close_notify */
};

void link_loop_init(struct link_loop *loop, uv_loop_t *uv);
/* All its links are gone; its handles close with the next turns of the loop. */
void link_loop_close(struct link_loop *loop);

/* Takes over a connected, non-blocking socket and starts reading. On failure the socket is closed,
 * `gone` will come, and the libuv error is returned. */
int link_open(struct link *link, struct link_loop *loop, const struct link_user *user, int fd);
/* Starts connecting; `opened` or `lost` follows, unless an error is returned: then only `gone`
 * follows, as if it had been shut. Starts reading when opened. */
int link_connect(struct link *link, struct link_loop *loop, const struct link_user *user,
                 const struct address *address);
/* The same; UV_EAFNOSUPPORT where the address to come from is not of the address's family, UV_EPERM
 * where it may not be borrowed. */
int link_connect_by(struct link *link, struct link_loop *loop, const struct link_user *user,
                    const struct address *address, const struct link_way *way);
/* Called when connecting: these bytes leave in clear as soon as it is connected, in a write of
 * their own and before `opened` or TLS. */
void link_begin_with(struct link *link, struct span bytes);
/*
 * Starts TLS on a link that is open or connecting, once: as server, or as the client of the server
 * `name`, which is sent (SNI) and checked unless it is an address, which is only checked. While
 * connecting it delays `opened` until TLS is up, and `secured` is not told.
 */
void link_secure(struct link *link, struct tls_context *context, struct span name);
/*
 * Called when opened. While it is on nothing is read: `peeked` tells, again and again, what could
 * be, and what is to be kept from whoever reads later is taken out with link_skip(), at once and no
 * more than was told. Who decides nothing has to skip all of it. TLS that starts ends it.
 */
void link_peek(struct link *link, bool on);
void link_skip(struct link *link, size_t size);
/* The words for an error that this link told, or has: TLS's own, else the system's. Borrowed until
 * the link is shut and `gone`. */
struct span link_why(const struct link *link, int error);
/* There is room again. */
void link_read(struct link *link);
/*
 * Sends the pieces, in one write. Returns how many bytes have left already; the rest is kept back
 * and told by `sent`. When the peer turns out to be lost, all of them are dropped and link->error
 * says why: `lost` does not come for it.
 */
size_t link_send(struct link *link, const struct span *pieces, uint32_t count);
/* Ends the connection; see enum shut. Only a harsher way may follow a first one; behind SHUT_HALF,
 * with which nothing ends yet, any. */
void link_shut(struct link *link, enum shut how);
/* Bytes kept back. */
size_t link_kept(const struct link *link);

#endif
