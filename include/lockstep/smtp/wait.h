/*
 * wait: how long each side may keep us waiting, from RFC 5321 4.5.3.2. One row per patience; the
 * configuration's `timeouts` words, its defaults and the engine's deadlines all read this table.
 */
#ifndef LOCKSTEP_SMTP_WAIT_H
#define LOCKSTEP_SMTP_WAIT_H

/* clang-format off */
#define WAITS(X)                                                                                   \
    /*  name       word          default  what is waited for, for the manual */                    \
    X(CONNECT,     "connect",    "30s",   "For one address of the relay to accept a connection.")  \
    X(GREETING,    "greeting",   "5m",    "For the upstream's greeting (RFC 5321 4.5.3.2.1).")     \
    X(COMMAND,     "command",    "5m",    "For the answer to a command without a word of its own.")\
    X(SENDER,      "mail",       "5m",    "For the answer to MAIL (RFC 5321 4.5.3.2.2).")          \
    X(RECIPIENT,   "rcpt",       "5m",    "For the answer to RCPT (RFC 5321 4.5.3.2.3).")          \
    X(MESSAGE,     "data",       "2m",    "For the answer to DATA (RFC 5321 4.5.3.2.4).")          \
    X(BLOCK,       "data-block", "3m",    "For the next part of a message, or for it to be taken.") \
    X(END,         "data-end",   "10m",   "For the answer to the final dot (RFC 5321 4.5.3.2.6).") \
    X(CLIENT,      "client",     "5m",    "For the client's next command (RFC 5321 4.5.3.2.7).")   \
    X(PROXY,       "proxy",       "30s",   "For the whole PROXY header of a connection from `proxy-from`.") \
    X(SECURE,      "tls",         "30s",   "For a TLS handshake.")                                  \
    X(ASK,         "credential",  "1m",    "For a credential, a login or a route to be had.")       \
    X(PACE,        "pace",        "270s",  "For a rate to let the next message begin, which its client waits for at MAIL (RFC 5321 4.5.3.2.2).") \
    X(GROUP,       "group",       "1m",    "For the answer to a command sent with others, before they are sent one by one.") \
    X(LEARNT,      "learnt",      "1h",    "For what damages commands on a path to be forgotten.") \
    X(DRAIN,       "drain",      "1m",    "For open sessions to end, after SIGTERM.")
/* clang-format on */

enum wait {
#define WAIT_NAME(name, ...) WAIT_##name,
    WAITS(WAIT_NAME)
#undef WAIT_NAME
        WAIT_COUNT
};

#endif
