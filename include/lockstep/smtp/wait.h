/*
 * wait: how long each side may keep us waiting, from RFC 5321 4.5.3.2. One row per patience; the
 * configuration's `timeouts` words, its defaults and the engine's deadlines all read this table.
 */
#ifndef LOCKSTEP_SMTP_WAIT_H
#define LOCKSTEP_SMTP_WAIT_H

/* clang-format off */
#define WAITS(X)                                                                                   \
    /*  name       word          default, seconds; what is waited for */                           \
    X(CONNECT,     "connect",    30)      /* one address of the relay to accept the connection */  \
    X(GREETING,    "greeting",   5 * 60)  /* the upstream's whole first reply (4.5.3.2.1) */       \
    X(COMMAND,     "command",    5 * 60)  /* the answer to any verb without a row of its own */    \
    X(SENDER,      "mail",       5 * 60)  /* the answer to MAIL (4.5.3.2.2) */                     \
    X(RECIPIENT,   "rcpt",       5 * 60)  /* the answer to RCPT (4.5.3.2.3) */                     \
    X(MESSAGE,     "data",       2 * 60)  /* the answer to DATA (4.5.3.2.4) */                     \
    X(BLOCK,       "data-block", 3 * 60)  /* the next part of a message, or its being taken */     \
    X(END,         "data-end",   10 * 60) /* the answer to the final dot (4.5.3.2.6) */            \
    X(CLIENT,      "client",     5 * 60)  /* the client's next command (4.5.3.2.7) */              \
    X(DRAIN,       "drain",      60)      /* sessions to end after SIGTERM */
/* clang-format on */

enum wait {
#define WAIT_NAME(name, ...) WAIT_##name,
    WAITS(WAIT_NAME)
#undef WAIT_NAME
        WAIT_COUNT
};

#endif
