/* The table of configuration words, first part: where clients are served, and how. */
#include "schema.h"

#define DAY_MS (24ULL * 60 * 60 * 1000)

/* clang-format off */
#define REWRITE_ROWS(base, object)                                                                 \
    {base, "rewrite", "helo", TYPE_HOSTNAME, AT(object, rewrite.helo), 0, 0, NULL, "",             \
     "The name that stands for a client whose own is none; else its address does."},               \
    {base, "rewrite", "domain", TYPE_HOSTNAME, AT(object, rewrite.domain), 0, 0, NULL, "",         \
     "What `repairs.unqualified` puts behind addresses without a domain."},                        \
    {base, "rewrite", "default-sender", TYPE_MAILBOX, AT(object, rewrite.default_sender), 0, 0,    \
     NULL, "", "The sender that `repairs.missing-sender` says for clients that say none."},        \
    {base, "rewrite", "sender", TYPE_MAILBOX, AT(object, rewrite.sender), 0, 0, NULL, "",          \
     "The sender that `repairs.match-sender` puts in place of any other; else the account's name."}, \
    {base, "rewrite", "codes", TYPE_CODES, AT(object, rewrite.codes), 0, 0, NULL, "",              \
     "Reply codes that `repairs.remap-codes` tells clients for others, \"550=450 251=250\"; no "   \
     "refusal can become a success, nor the other way."},
const struct row schema_serving[] = {
    {BASE_CONFIG, "", "config_version", TYPE_VERSION, 0, 0, 1, 1, NULL, NULL,
     "The version of this grammar; the first line of the file."},
    {BASE_CONFIG, "", "workers", TYPE_NUMBER, AT(config, workers), 0, 256, NULL, "0",
     "Loops that serve sessions, each in a thread of its own; 0: one per core."},
    {BASE_CONFIG, "", "seed", TYPE_NUMBER, AT(config, seed), 0, UINT32_MAX, NULL, "0",
     "Where the random numbers of sessions begin, for faults to be the same again; 0: anywhere."},
    {BASE_CONFIG, "", "memory", TYPE_SIZE, AT(config, memory_bytes), 1ULL << 20, 1ULL << 36, NULL,
     "64M", "Buffers of one worker; while all are in use, peers wait."},
    {BASE_CONFIG, "log", "format", TYPE_CHOICE, AT(config, log_format), 0, 0, "text|json", "text",
     "How a session's line in the log is written."},
    {BASE_CONFIG, "transcripts", "directory", TYPE_PATH, AT(config, transcripts.directory), 0, 0,
     NULL, "", "Where a transcript of each session is written; nothing given: none are."},
    {BASE_CONFIG, "transcripts", "session", TYPE_SIZE, AT(config, transcripts.session_bytes),
     4096, 1ULL << 40, NULL, "1M", "The longest transcript of one session; the rest is left out."},
    {BASE_CONFIG, "transcripts", "files", TYPE_NUMBER, AT(config, transcripts.files), 1, 1000000,
     NULL, "1000", "Transcripts kept in the directory; the oldest goes first."},
    {BASE_CONFIG, "store", "directory", TYPE_PATH, AT(config, store.directory), 0, 0, NULL, "",
     "Where lockstep keeps secrets and tokens, encrypted."},
    {BASE_CONFIG, "store", "key_file", TYPE_PATH, AT(config, store.key_file), 0, 0, NULL, "",
     "The file of the key that the store is encrypted with."},
    {BASE_CONFIG, "store", "key_credential", TYPE_NAME, AT(config, store.key_credential), 0, 0,
     NULL, "", "The systemd credential that holds that key, instead of a file."},
    {BASE_CONFIG, "admin", "listen", TYPE_LISTEN, AT(config, admin.listen), 0, 0, NULL, "",
     "Where operators, their tools and tests ask over HTTP, see there; nothing given: nowhere."},
    {BASE_CONFIG, "admin", "token_file", TYPE_PATH, AT(config, admin.token_file), 0, 0, NULL, "",
     "The file of the token that its users must show; needed beyond loopback."},
    {BASE_CONFIG, "admin", "sessions", TYPE_NUMBER, AT(config, admin.sessions), 0, 100000, NULL,
     "200", "Sessions that have ended and are remembered with the live ones, by each worker, for "
     "those who ask the admin interface; 0: none are."},
    {BASE_CONFIG, "admin", "session", TYPE_SIZE, AT(config, admin.session_bytes), 4096, 1ULL << 30,
     NULL, "64k", "The longest transcript remembered; of a longer one the beginning and the end."},
    {BASE_CONFIG, "admin", "memory", TYPE_SIZE, AT(config, admin.memory_bytes), 65536, 1ULL << 36,
     NULL, "16M", "What one worker remembers in all; the oldest session goes first."},
    {BASE_CONFIG, "admin", "control", TYPE_SWITCH, AT(config, admin.control), 0, 0, NULL, "off",
     "Who may ask may also make and remove listeners of `mode: fault`, see PROXIES AND TOXICS."},
    {BASE_CONFIG, "", "listeners", TYPE_LISTENERS, 0, 0, 1, CONFIG_LISTENERS_MAX, NULL, NULL,
     "Where clients are served, a list."},
    {BASE_CONFIG, "", "relays", TYPE_RELAYS, 0, 0, 0, CONFIG_RELAYS_MAX, NULL, "",
     "The servers that mail is passed to, by name; `original`, which is wherever the client wanted "
     "to go, need not be written."},
    {BASE_CONFIG, "", "credentials", TYPE_CREDENTIALS, 0, 0, 0, CONFIG_CREDENTIALS_MAX, NULL, "",
     "What lockstep logs in to relays with, by name; no secret stands in the file."},

    {BASE_LISTENER, "", "name", TYPE_NAME, AT(config_listener, name), 0, 0, NULL, NULL,
     "What the listener is called in the log."},
    {BASE_LISTENER, "", "listen", TYPE_LISTEN, AT(config_listener, listen), 0, 0, NULL, NULL,
     "Addresses to listen on; port 0 takes any free one."},
    {BASE_LISTENER, "", "relay", TYPE_NAME, AT(config_listener, relay_name), 0, 0, NULL, NULL,
     "The relay that its sessions are passed to, where no route says otherwise; original: where "
     "the client wanted to go."},
    {BASE_LISTENER, "", "enabled", TYPE_SWITCH, AT(config_listener, enabled), 0, 0, NULL, "on",
     "Whether it is listened on; switched off while lockstep runs it also ends its sessions."},
    {BASE_LISTENER, "", "fault-seed", TYPE_NUMBER, AT(config_listener, seed), 0, UINT32_MAX, NULL, "0",
     "Its sessions, by their numbers, draw the same random numbers each time; 0: others."},
    {BASE_LISTENER, "", "allow", TYPE_NETWORKS, AT(config_listener, allow), 0, 0, NULL, "",
     "Networks whose clients may connect; nothing given: all."},
    {BASE_LISTENER, "", "intercept", TYPE_CHOICE, AT(config_listener, path.intercept), 0, 0,
     "none|redirect|tproxy", "none",
     "How connections to others come here: rewritten (REDIRECT) or led here as they are (TPROXY); "
     "see ON THE PATH."},
    {BASE_LISTENER, "", "ports", TYPE_PORTS, AT(config_listener, path.ports), 1, UINT16_MAX, NULL,
     "", "Ports of others that connections are intercepted to."},
    {BASE_LISTENER, "", "destinations", TYPE_NETWORKS, AT(config_listener, path.destinations), 0, 0,
     NULL, "",
     "Networks that intercepted connections may be meant for: no others are led here by `lockstep "
     "net`, and where one comes anyway it hears 554. Nothing given: all."},
    {BASE_LISTENER, "", "fail-open", TYPE_SWITCH, AT(config_listener, path.fail_open), 0, 0, NULL,
     "off",
     "Connections that find no room here pass untouched, as they do when lockstep is not there, "
     "instead of hearing 421."},
    {BASE_LISTENER, "", "deny", TYPE_NETWORKS, AT(config_listener, deny), 0, 0, NULL, "",
     "Networks whose clients may not, whatever `allow` says."},
    {BASE_LISTENER, "", "proxy-from", TYPE_NETWORKS, AT(config_listener, proxy_from), 0, 0, NULL,
     "", "Networks of load balancers, which must begin with a PROXY header, version 1 or 2: the client "
     "is who it says, for `allow` and all else; nothing given: nobody may send one."},
    {BASE_LISTENER, "", "sessions", TYPE_NUMBER, AT(config_listener, sessions), 1, 1000000, NULL,
     "10000", "Sessions at a time; a client beyond them hears 421."},
    {BASE_LISTENER, "", "sessions-per-client", TYPE_NUMBER,
     AT(config_listener, sessions_per_client), 1, 1000000, NULL, "1000",
     "Sessions at a time from one client address."},
    {BASE_LISTENER, "rates", "messages", TYPE_RATE, AT(config_listener, rates.messages), 0, 1000000,
     NULL, "0",
     "Messages of one client, by its IPv4 address or the /64 of its IPv6 one; more are held at "
     "MAIL, see timeouts.pace."},
    {BASE_LISTENER, "rates", "recipients", TYPE_RATE, AT(config_listener, rates.recipients), 0,
     1000000, NULL, "0",
     "Recipients, likewise; a message that brings too many is what the next wait for."},
    {BASE_LISTENER, "rates", "bytes", TYPE_BYTE_RATE, AT(config_listener, rates.bytes), 0, 1ULL << 50,
     NULL, "0", "Bytes of messages, likewise."},
    {BASE_LISTENER, "tls", "certificate", TYPE_PATH, AT(config_listener, tls.certificate), 0, 0,
     NULL, "", "The file of the certificate that clients are shown, and its chain, in PEM."},
    {BASE_LISTENER, "tls", "key", TYPE_PATH, AT(config_listener, tls.key), 0, 0, NULL, "",
     "The file of its private key, in PEM."},
    {BASE_LISTENER, "tls", "authority", TYPE_PATH, AT(config_listener, tls.authority), 0, 0, NULL,
     "", "Instead of one certificate: the file of an authority, in PEM, that the clients trust; it "
     "signs one for each name they ask for, for listeners in the path of others."},
    {BASE_LISTENER, "tls", "authority-key", TYPE_PATH, AT(config_listener, tls.authority_key), 0, 0,
     NULL, "", "The file of its private key, in PEM."},
    {BASE_LISTENER, "tls", "minimum", TYPE_CHOICE, AT(config_listener, tls.minimum), 0, 0,
     "TLSv1.0|TLSv1.1|TLSv1.2|TLSv1.3", "TLSv1.2", "The oldest version that clients may speak."},
    {BASE_LISTENER, "tls", "ciphers", TYPE_TEXT, AT(config_listener, tls.ciphers), 0, 0, NULL, "",
     "Ciphers, as OpenSSL names them; nothing given: its own choice."},
    {BASE_LISTENER, "tls", "client-ca", TYPE_PATH, AT(config_listener, tls.client_ca), 0, 0, NULL,
     "", "The file of those who sign the clients' certificates, in PEM."},
    {BASE_LISTENER, "tls", "client-certificate", TYPE_CHOICE,
     AT(config_listener, tls.client_certificate), 0, 0, "none|ask|require", "none",
     "Whether clients are asked for a certificate, and whether they must have one."},
    {BASE_LISTENER, "tls", "legacy-networks", TYPE_NETWORKS,
     AT(config_listener, tls.legacy_networks), 0, 0, NULL, "",
     "Networks of devices that may speak an older version than the others."},
    {BASE_LISTENER, "tls", "legacy-minimum", TYPE_CHOICE, AT(config_listener, tls.legacy_minimum),
     0, 0, "TLSv1.0|TLSv1.1|TLSv1.2|TLSv1.3", "TLSv1.2", "The oldest version in those networks."},
    {BASE_LISTENER, "tls", "wait", TYPE_DURATION, AT(config_listener, tls.wait_ms), 1, 60000, NULL,
     "300ms", "How long a client of `offer: both` may be silent before it is greeted in clear."},
    {BASE_LISTENER, "auth", "file", TYPE_PATH, AT(config_listener, auth.file), 0, 0, NULL, "",
     "Clients' logins are checked with this file, lines of name:hash as mkpasswd, htpasswd -nB or "
     "argon2 -e write them; only its owner may read it."},
    {BASE_LISTENER, "auth", "socket", TYPE_PATH, AT(config_listener, auth.socket), 0, 0, NULL, "",
     "Clients' logins are checked by Dovecot, at this socket of its auth service."},
    {BASE_LISTENER, "auth", "http", TYPE_URL, AT(config_listener, auth.http), 0, 0,
     "http://|https://", "",
     "Clients' logins are checked by this service, in nginx's auth_http protocol."},
    {BASE_LISTENER, "", "routes", TYPE_ROUTES, 0, 0, 0, ROUTES_MAX, NULL, "",
     "Which relay, which credential and which repairs for whom, a list; the first match wins."},

    {BASE_POLICY, "", "mode", TYPE_CHOICE, AT(policy, mode), 0, 0, "repair|observe|fault",
     "repair", "Put right what is wrong; or change no byte and only say what would have been put "
     "right; or do wrong what `faults` say."},
    {BASE_POLICY, "", "faults", TYPE_FAULTS, AT(policy, faults), 0, 0, NULL, "",
     "What goes wrong in `mode: fault`: profiles by name, and rules."},
    {BASE_POLICY, "", "hostname", TYPE_HOSTNAME, AT(policy, hostname), 0, 0, NULL,
     "lockstep.invalid", "What lockstep calls itself in its own replies; `run` and `check` begin with the machine's name."},
    {BASE_POLICY, "", "pipelining", TYPE_CHOICE, AT(policy, pipelining), 0, 0, "auto|never",
     "auto", "Send batches to an upstream that offers PIPELINING, or one command at a time always."},
    {BASE_POLICY, "tls", "offer", TYPE_CHOICE, AT(policy, tls_offer), 0, 0,
     "auto|none|starttls|implicit|both|pass", "auto",
     "TLS for clients; auto: STARTTLS where there is a certificate; both: either on one port; pass: "
     "the relay's own STARTTLS, and nobody reads what follows; none: STARTTLS is hidden."},
    {BASE_POLICY, "tls", "required", TYPE_SWITCH, AT(policy, tls_required), 0, 0, NULL, "off",
     "Clients must use TLS: before it they hear 530."},
    {BASE_POLICY, "", "certificates", TYPE_PATTERNS, AT(policy, certificates), 0, 0, NULL, "",
     "Names of clients' certificates, * for any: who shows no such one may not send; nothing given: "
     "all may."},
    {BASE_POLICY, "auth", "clients", TYPE_CHOICE, AT(policy, client_auth.logins), 0, 0,
     "auto|pass|check|accept|hide", "auto",
     "The client's own AUTH: passed to the relay, checked here, accepted as it comes, or not "
     "offered; auto: passed where no route has a credential, else not offered."},
    {BASE_POLICY, "auth", "required", TYPE_SWITCH, AT(policy, client_auth.required), 0, 0, NULL,
     "off", "Clients must log in: before it they hear 530."},
    {BASE_POLICY, "auth", "clear", TYPE_SWITCH, AT(policy, client_auth.allow_clear), 0, 0, NULL,
     "off", "Clients may log in without TLS too."},
    {BASE_POLICY, "auth", "equals", TYPE_SWITCH, AT(policy, client_auth.equals), 0, 0, NULL, "off",
     "Offer `AUTH=` beside `AUTH`, for clients that know nothing else."},
    {BASE_POLICY, "auth", "hidden-from", TYPE_NETWORKS, AT(policy, client_auth.hidden_from), 0, 0,
     NULL, "",
     "Networks whose clients are offered no AUTH and need none: some ask for a password wherever it "
     "is offered."},
    {BASE_POLICY, "", "xclient-from", TYPE_NETWORKS, AT(policy, xclient_from), 0, 0, NULL, "",
     "Networks of proxies and filters that say with XCLIENT who their client is, and are believed; "
     "nothing given: none are."},
    {BASE_POLICY, "limits", "line", TYPE_SIZE, AT(policy, limits.line_bytes), 512,
     LIMIT_LINE_BYTES_MAX, NULL, "2k", "A command line (RFC 5321 4.5.3.1.4)."},
    {BASE_POLICY, "limits", "auth-line", TYPE_SIZE, AT(policy, limits.auth_line_bytes), 512,
     LIMIT_LINE_BYTES_MAX, NULL, "12k", "A line of an AUTH exchange (RFC 4954 4)."},
    {BASE_POLICY, "limits", "reply", TYPE_SIZE, AT(policy, limits.reply_bytes), 512,
     LIMIT_REPLY_BYTES_MAX, NULL, "16k", "One whole reply of the upstream."},
    {BASE_POLICY, "limits", "rows", TYPE_NUMBER, AT(policy, limits.rows), 1, LIMIT_ROWS_MAX, NULL,
     "64", "Commands of one session that are under way; the client waits with more."},
    {BASE_POLICY, "limits", "message", TYPE_SIZE, AT(policy, limits.message_bytes), 0, 1ULL << 50,
     NULL, "0", "A message; 0: as large as the upstream takes."},
    {BASE_POLICY, "transcripts", "bodies", TYPE_CHOICE, AT(policy, record_bodies), 0, 0,
     "count|whole", "count", "Whether transcripts count the bytes of messages or keep them."},
#define WAIT_ROW(name, word, initial, says)                                                        \
    {BASE_POLICY, "timeouts", word, TYPE_DURATION, AT(policy, wait_ms[WAIT_##name]), 1, DAY_MS,    \
     NULL, initial, says},
    WAITS(WAIT_ROW)
#undef WAIT_ROW
#define REPAIR_ROW(name, function, word, stage, does, initially, says)                             \
    {BASE_POLICY, "repairs", word, TYPE_SWITCH, AT(policy, repairs), REPAIR_##name, 0, NULL,       \
     (initially) == INITIALLY_ON ? "on" : "off", says},
    REPAIRS(REPAIR_ROW)
#undef REPAIR_ROW
    REWRITE_ROWS(BASE_POLICY, policy)

#define FACT_ROW(name, word, says)                                                                 \
    {BASE_ROUTE, "", word, FACT_##name == FACT_CLIENT ? TYPE_NETWORKS : TYPE_PATTERN,              \
     FACT_##name == FACT_CLIENT ? offsetof(struct route, client)                                   \
                                : offsetof(struct route, wants[FACT_##name]),                      \
     0, 0, 0, NULL, "", says},
    FACTS(FACT_ROW)
#undef FACT_ROW
    {BASE_ROUTE, "", "relay", TYPE_NAME, AT(route, relay_name), 0, 0, NULL, "",
     "The relay of sessions that match; nothing given: the listener's."},
    {BASE_ROUTE, "", "credential", TYPE_NAME, AT(route, credential_name), 0, 0, NULL, "",
     "What to log in to that relay with."},
    {BASE_ROUTE, "", "ask", TYPE_URL, AT(route, ask), 0, 0, "http://|https://", "",
     "A service that says which relay and which login, in nginx's auth_http protocol; with a "
     "recipient in the route it is asked at RCPT, as nginx does."},
    {BASE_ROUTE, "", "pop", TYPE_URL, AT(route, pop), 0, 0, "pop3s://|pop3://|pop3+clear://", "",
     "A POP3 server to log in to first, which then lets lockstep's address relay; pop3:// speaks STLS."},
#define REPAIR_ROW(name, function, word, stage, does, initially, says)                             \
    {BASE_ROUTE, "repairs", word, TYPE_OVERRIDE, AT(route, repairs_given), REPAIR_##name, 0, NULL, "",   \
     says},
    REPAIRS(REPAIR_ROW)
#undef REPAIR_ROW
    REWRITE_ROWS(BASE_ROUTE, route)
};
/* clang-format on */

const size_t schema_serving_count = sizeof(schema_serving) / sizeof(schema_serving[0]);
