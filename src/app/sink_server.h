/*
 * sink_server: the sink on real sockets of one libuv loop. What it accepts goes into a Maildir, or
 * is counted and dropped. `lockstep sink` is little more than this.
 */
#ifndef LOCKSTEP_SRC_APP_SINK_SERVER_H
#define LOCKSTEP_SRC_APP_SINK_SERVER_H

#include "lockstep/net/link.h"
#include "lockstep/net/listener.h"
#include "lockstep/sink/sink.h"
#include "maildir.h"

#define SINK_LISTENERS_MAX 8U

struct sink_session;

/* What came of all sessions. */
struct sink_totals {
    uint64_t sessions;
    uint64_t messages;
    uint64_t recipients;
    uint64_t violations;
};

struct sink_server {
    uv_loop_t *uv;
    const struct sink_settings *settings;
    struct maildir *maildir; /* NULL: messages are dropped */
    uint64_t messages_max;   /* then it stops by itself when its sessions have ended; 0: never */
    struct sink_totals totals;
    struct link_loop links;
    uv_timer_t timer; /* the earliest delayed answer */
    moment due;
    uint32_t listener_count;
    struct listener listeners[SINK_LISTENERS_MAX];
    struct sink_session *sessions;
    struct sink_session *spare; /* kept for the next ones */
    bool draining;
    bool over;
    struct text out; /* replies of one read, over `replies` */
    char replies[65536];
};

/* Settings and Maildir outlive the server. */
void sink_server_init(struct sink_server *server, uv_loop_t *uv,
                      const struct sink_settings *settings, struct maildir *maildir);
/* Listens there too; port 0 is replaced by the real one. 0, or a libuv error. */
int sink_server_listen(struct sink_server *server, struct address *address);
/* No new sessions; it is over when those that are open have ended. Harmless twice. */
void sink_server_drain(struct sink_server *server);
/* The same, and ends those that are open. The loop runs out of the server's handles by itself; the
 * memory must stay until then. */
void sink_server_stop(struct sink_server *server);

#endif
