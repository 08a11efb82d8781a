/*
 * dial: connects a link to the first address of a relay that accepts. All configured addresses are
 * tried, and of a name all addresses it resolves to. In order: from that of the turn on, and of a
 * name in a later round from the second of them on, and so forth; else all names are resolved
 * first, and the pick chooses. Those that failed lately come last.
 *
 * Whoever owns the link passes on what the link tells: `lost` and `gone` while dialling, and the
 * link's `opened` means success: then the dial is closed. When everything was tried `failed` is
 * called, never before dial_open() has returned.
 *
 * With a TLS context `opened` means that TLS is up too: an address whose handshake fails, or whose
 * certificate will not do, has failed like one that refuses the connection.
 */
#ifndef LOCKSTEP_NET_DIAL_H
#define LOCKSTEP_NET_DIAL_H

#include "lockstep/net/link.h"
#include "lockstep/net/tls.h"
#include "lockstep/policy/config.h"

#define DIAL_PREFACE_MAX 512U

struct dial;
struct pick;
struct legs;
struct leg;

struct dial_plan {
    struct link_loop *loop;
    struct link *link; /* may still be closing */
    const struct link_user *user;
    const struct config_addresses *addresses; /* outlive the dial; at least one */
    uint32_t turn;                            /* begin with another address each turn */
    struct pick *pick;                        /* what is known of them; NULL: nothing */
    enum config_balance balance;
    uint32_t slow_start_ms;
    struct address avoid;    /* where it failed before; family 0: nowhere */
    uint32_t wait_ms;        /* for each address, its handshake included */
    struct tls_context *tls; /* TLS from the first byte; NULL: none */
    struct span preface;     /* said first everywhere, in clear; copied, DIAL_PREFACE_MAX at most */
    struct link_way way;
    struct legs *legs;       /* where the connection is known as ours; NULL: nowhere */
    struct leg **leg;        /* of the link while it is there, for its owner to give back */
    struct span server_name; /* outlives the dial; empty: the host being tried */
    void (*failed)(void *data);
    void *data;
};

struct dial *dial_open(const struct dial_plan *plan);
/* It is connected: the pick counts the connection until pick_leave(). */
void dial_take(struct dial *dial);
/* Forgets the dial; the link is not touched. */
void dial_close(struct dial **dial);
void dial_lost(struct dial *dial, int error);
void dial_gone(struct dial *dial);
/* When dial_late() is due. */
moment dial_deadline(const struct dial *dial);
void dial_late(struct dial *dial);
/* The address being tried. */
const struct address *dial_address(const struct dial *dial);
/* What the certificate there is to be for: `server_name`, or the host of that address. */
struct span dial_server(const struct dial *dial);
/* Why the last address that was tried did not do: "connection refused by 127.0.0.1:25", "TLS:
 * certificate has expired (mail.example, depth 0) at 192.0.2.1:465". */
struct span dial_words(const struct dial *dial);

#endif
