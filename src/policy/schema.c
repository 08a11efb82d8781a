/* The table of configuration words, and how a word is found in it. */
#include "schema.h"

#define AT(object, member) offsetof(struct object, member), sizeof(((struct object *)0)->member)

#define DAY_MS (24ULL * 60 * 60 * 1000)

/* clang-format off */
const struct row schema_rows[] = {
    {BASE_CONFIG, "", "config_version", TYPE_VERSION, 0, 0, 1, 1, NULL, NULL,
     "The version of this grammar; the first line of the file."},
    {BASE_CONFIG, "", "workers", TYPE_NUMBER, AT(config, workers), 0, 256, NULL, "0",
     "Loops that serve sessions, each in a thread of its own; 0: one per core."},
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
    {BASE_CONFIG, "", "listeners", TYPE_LISTENERS, 0, 0, 1, CONFIG_LISTENERS_MAX, NULL, NULL,
     "Where clients are served, a list."},
    {BASE_CONFIG, "", "relays", TYPE_RELAYS, 0, 0, 1, CONFIG_RELAYS_MAX, NULL, NULL,
     "The servers that mail is passed to, by name."},

    {BASE_LISTENER, "", "name", TYPE_NAME, AT(config_listener, name), 0, 0, NULL, NULL,
     "What the listener is called in the log."},
    {BASE_LISTENER, "", "listen", TYPE_LISTEN, AT(config_listener, listen), 0, 0, NULL, NULL,
     "Addresses to listen on; port 0 takes any free one."},
    {BASE_LISTENER, "", "relay", TYPE_NAME, AT(config_listener, relay_name), 0, 0, NULL, NULL,
     "The relay that its sessions are passed to."},
    {BASE_LISTENER, "", "sessions", TYPE_NUMBER, AT(config_listener, sessions), 1, 1000000, NULL,
     "10000", "Sessions at a time; a client beyond them hears 421."},
    {BASE_LISTENER, "", "sessions-per-client", TYPE_NUMBER,
     AT(config_listener, sessions_per_client), 1, 1000000, NULL, "1000",
     "Sessions at a time from one client address."},

    {BASE_POLICY, "", "mode", TYPE_CHOICE, AT(policy, mode), 0, 0, "repair|observe", "repair",
     "Put right what is wrong, or change no byte and only say what would have been put right."},
    {BASE_POLICY, "", "hostname", TYPE_HOSTNAME, AT(policy, hostname), 0, 0, NULL,
     "lockstep.invalid", "What lockstep calls itself in its own replies; `run` and `check` begin with the machine's name."},
    {BASE_POLICY, "", "pipelining", TYPE_CHOICE, AT(policy, pipelining), 0, 0, "auto|never",
     "auto", "Send batches to an upstream that offers PIPELINING, or one command at a time always."},
    {BASE_POLICY, "", "bare-newlines", TYPE_CHOICE, AT(policy, bare), 0, 0,
     "refuse|normalise|pass", "refuse",
     "What to do with a CR or LF that stands alone; to pass it is for observe only."},
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
#define REPAIR_ROW(name, function, word, stage, on, says)                                          \
    {BASE_POLICY, "repairs", word, TYPE_SWITCH, AT(policy, repairs), REPAIR_##name, 0, NULL,       \
     (on) ? "on" : "off", says},
    REPAIRS(REPAIR_ROW)
#undef REPAIR_ROW

    {BASE_RELAY, "", "address", TYPE_CONNECT, AT(config_relay, address), 0, 0, NULL, NULL,
     "Where the relay is, smtp://HOST:PORT; several are tried in turn."},
    {BASE_RELAY, "", "pipelining", TYPE_CHOICE, AT(config_relay, session.pipelining), 0, 0, "auto|never",
     "auto", "never: one command at a time to this relay, whatever it offers."},
};
/* clang-format on */

const size_t schema_count = sizeof(schema_rows) / sizeof(schema_rows[0]);

static bool stands_in(const struct row *row, unsigned bases, struct span section)
{
    return (bases & BASE_BIT(row->base)) && span_equal(span_of_string(row->section), section);
}

const struct row *schema_find(unsigned bases, struct span section, struct span word)
{
    size_t i;

    for (i = 0; i < schema_count; i++) {
        if (stands_in(&schema_rows[i], bases, section) &&
            span_equal(span_of_string(schema_rows[i].word), word))
            return &schema_rows[i];
    }
    return NULL;
}

const struct row *schema_find_path(unsigned bases, struct span path)
{
    size_t dot = span_find(path, '.');

    if (dot == path.size)
        return schema_find(bases, SPAN(""), path);
    /* ".mode" is not "mode". */
    return dot == 0 ? NULL : schema_find(bases, span_head(path, dot), span_tail(path, dot + 1));
}

bool schema_has_section(unsigned bases, struct span section)
{
    size_t i;

    for (i = 0; i < schema_count; i++) {
        if (section.size > 0 && stands_in(&schema_rows[i], bases, section))
            return true;
    }
    return false;
}

/* The word, or at the top of a place the section, that is spelt most alike; empty: none is. */
static struct span nearest(unsigned bases, struct span section, struct span word)
{
    size_t allowed = 1 + word.size / 4;
    struct span found = SPAN("");
    size_t i;

    for (i = 0; i < schema_count; i++) {
        const struct row *row = &schema_rows[i];
        struct span name = span_of_string(row->word);
        size_t away;

        if (!stands_in(row, bases, section)) {
            if (section.size > 0 || !(bases & BASE_BIT(row->base)))
                continue;
            name = span_of_string(row->section);
        }
        away = span_distance(word, name);
        if (away <= allowed && (found.size == 0 || away < allowed)) {
            allowed = away;
            found = name;
        }
    }
    return found;
}

void schema_path(const struct row *row, struct text *out)
{
    text_add_byte(out, '`');
    text_add(out, span_of_string(row->section));
    if (*row->section)
        text_add_byte(out, '.');
    text_add(out, span_of_string(row->word));
    text_add_byte(out, '`');
}

void schema_unknown(unsigned bases, struct span section, struct span word, struct text *error)
{
    static const char *const places[BASE_COUNT] = {
        [BASE_CONFIG] = "it belongs at the top of the file",
        [BASE_POLICY] = "it belongs in a listener, or at the top of the file for all of them",
        [BASE_LISTENER] = "it belongs in a listener",
        [BASE_RELAY] = "it belongs in a relay",
    };
    struct span near = nearest(bases, section, word);
    const struct row *elsewhere = schema_find(~0U, section, word);

    if (section.size == 0 && schema_has_section(bases, word)) {
        text_add(error, SPAN("name one of its words behind a dot"));
    } else if (near.size > 0) {
        text_add(error, SPAN("did you mean `"));
        text_add(error, near);
        text_add(error, SPAN("`?"));
    } else if (elsewhere) {
        text_add(error, span_of_string(places[elsewhere->base]));
    } else {
        text_add(error, SPAN("`lockstep check --words` lists what may stand there"));
    }
}

void schema_unknown_path(unsigned bases, struct span path, struct text *error)
{
    size_t dot = span_find(path, '.');
    bool split = dot < path.size && dot > 0;

    text_add(error, SPAN("unknown word `"));
    text_add(error, path);
    text_add(error, SPAN("`: "));
    schema_unknown(bases, split ? span_head(path, dot) : SPAN(""),
                   split ? span_tail(path, dot + 1) : path, error);
}
