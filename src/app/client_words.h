/* client_words: what the manual says of who the client is, to relays and by its own word. */
#ifndef LOCKSTEP_SRC_APP_CLIENT_WORDS_H
#define LOCKSTEP_SRC_APP_CLIENT_WORDS_H

/* clang-format off */
#define CLIENT_WORDS \
    "A relay with `xclient: on` hears who the client is before its mail, and where the client " \
    "can't log in here even before its greeting: of NAME, ADDR, PORT, PROTO, HELO, LOGIN, " \
    "DESTADDR and DESTPORT what the relay offers and lockstep knows. HELO is the name that the " \
    "client greeted with when that was said; another later on is not told. LOGIN is the name " \
    "it logged in with here, and is not told where lockstep logs in itself. A relay with " \
    "`xforward: on` hears it for its log, before each message. What a relay does not offer or " \
    "refuses is a finding in the transcript, `xclient-missing` or `xclient-refused`, and mail " \
    "goes on without; on another connection, where LOGIN was said or one line of two was taken. " \
    "A value of more than 255 bytes is `unsaid` there, for Postfix refuses it and all with it.\n" \
    "Clients in `xclient-from` may say XCLIENT themselves, outside a transaction. From then on " \
    "the client is who they said: for routes, relays and rates, in the log and in answers of " \
    "the " \
    "admin interface, where `through` is who said so; `allow` and `sessions-per-client` go by " \
    "who " \
    "connected. The session begins anew with another connection to the relay, whose greeting " \
    "is the answer. LOGIN is taken, and offered, only where logins are checked or accepted " \
    "here, and counts as one. Whoever becomes a client outside `xclient-from` can't say it " \
    "again, so ADDR comes last. STARTTLS behind it forgets all of it, " \
    "so it is said in TLS once more. HELO may have 79 bytes, and LOGIN 254."
/* clang-format on */

#endif
