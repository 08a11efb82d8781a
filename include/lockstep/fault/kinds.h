/*
 * kinds: what may happen, what a rule may ask for before it acts, and what can go wrong: the words
 * of fault rules, each in one table.
 */
#ifndef LOCKSTEP_FAULT_KINDS_H
#define LOCKSTEP_FAULT_KINDS_H

/* clang-format off */
#define FAULT_EVENTS(X)                                                                            \
    X(OPEN,        "open",        "the client has connected")                                      \
    X(EARLY,       "early",       "the client talks before it was greeted")                        \
    X(GREETING,    "greeting",    "the relay greets")                                              \
    X(COMMAND,     "command",     "a command is to go to the relay; END is the final dot")         \
    X(REPLY,       "reply",       "a reply is to go to the client; the verb is its command's")     \
    X(CONTENT,     "content",     "a part of a message is to go to the relay")                     \
    X(HANDSHAKE,   "handshake",   "the client begins TLS behind STARTTLS")                          \
    X(TO_CLIENT,   "to-client",   "bytes leave for the client")                                    \
    X(TO_UPSTREAM, "to-upstream", "bytes leave for the relay")

/* How a value is written. */
enum fault_form {
    FORM_FLAG,
    FORM_TEXT,
    FORM_NUMBER,
    FORM_TIME,
    FORM_RATE,
    FORM_CODE,
    FORM_VERB,
    FORM_END
};

#define FAULT_TRIGGERS(X)                                                                          \
    X(NTH,      "nth",      FORM_NUMBER, "only the one of that number in its session")             \
    X(EVERY,    "every",    FORM_NUMBER, "every so manieth in its session")                        \
    X(FIRST,    "first",    FORM_NUMBER, "only so many of its session")                            \
    X(CHANCE,   "chance",   FORM_NUMBER, "so many in a hundred, by the session's seed")            \
    X(SHARE,    "share",    FORM_NUMBER, "in so many of a hundred sessions, by the session's seed") \
    X(SESSIONS, "sessions", FORM_NUMBER, "every so manieth session")                               \
    X(OVER,     "over",     FORM_RATE,   "more than so many in a time, 100/1m, of all sessions")   \
    X(NEW,      "new",      FORM_TIME,   "until the same was first said so long ago by that client") \
    X(MATCH,    "match",    FORM_TEXT,   "the line is like this, * for anything; content holds it; " \
                                         "with ! in front, it is not, or does not")                \
    X(CODE,     "code",     FORM_CODE,   "the reply's code begins so; with ! in front, it does not") \
    X(LONGER,   "longer",   FORM_NUMBER, "the line, or one of the content, has more bytes than this") \
    X(AFTER,    "after",    FORM_NUMBER, "so many bytes of the message have gone before")          \
    X(CLIENT,   "client",   FORM_TEXT,   "the client's address is like this, or with ! is not")    \
    X(HELO,     "helo",     FORM_TEXT,   "the name the client greets with is like this, or is not") \
    X(ABOVE,    "above",    FORM_NUMBER, "the rule so many above this one has acted in the session") \
    X(HEADER,   "header",   FORM_FLAG,   "the part of a message belongs to its header")            \
    X(BODY,     "body",     FORM_FLAG,   "the part of a message stands behind its header")         \
    X(EARLY,    "early",    FORM_FLAG,   "a command before it is not answered yet")                \
    X(FOLLOWED, "followed", FORM_FLAG,   "more of the client's is there already")                  \
    X(SPLIT,    "split",    FORM_FLAG,   "it came in more than one segment")                       \
    X(NEWER_TLS,     "newer-tls",     FORM_FLAG, "a handshake that offers TLS newer than 1.0")       \
    X(NONE_ACCEPTED, "none-accepted", FORM_FLAG, "no recipient was accepted")                      \
    X(LAST_REFUSED,  "last-refused",  FORM_FLAG, "the answer before was a refusal")

#define FAULT_ARGUMENTS(X)                                                                         \
    X(TEXT,   "",       FORM_TEXT,   "TEXT")                                                       \
    X(COUNT,  "",       FORM_NUMBER, "NUMBER")                                                     \
    X(TIME,   "",       FORM_TIME,   "DURATION")                                                   \
    X(END,    "",       FORM_END,    "close|reset|half|stall")                                     \
    X(WITH,   "with",   FORM_TEXT,   "TEXT")                                                       \
    X(KEEP,   "keep",   FORM_TEXT,   "BYTES")                                                      \
    X(GAP,    "gap",    FORM_TIME,   "DURATION")                                                   \
    X(PAST,   "past",   FORM_VERB,   "VERB")                                                       \
    X(JITTER, "jitter", FORM_TIME,   "DURATION")                                                   \
    X(SPREAD, "spread", FORM_NUMBER, "NUMBER")                                                     \
    X(FOR,    "for",    FORM_TIME,   "DURATION")                                                   \
    X(BYTES,  "bytes",  FORM_NUMBER, "NUMBER")                                                     \
    X(THEN,   "then",   FORM_END,    "close|reset|half|stall")                                     \
    X(ASK,    "ask",    FORM_FLAG,   "")                                                           \
    X(ABSORB, "absorb", FORM_FLAG,   "")                                                           \
    X(BEHIND, "behind", FORM_FLAG,   "")                                                           \
    X(WORD,   "word",   FORM_FLAG,   "")                                                           \
    X(REST,   "rest",   FORM_FLAG,   "")

enum fault_event {
#define FAULT_NUMBER(id, ...) FAULT_##id,
    FAULT_EVENTS(FAULT_NUMBER)
#undef FAULT_NUMBER
    FAULT_EVENT_COUNT
};
enum fault_trigger {
#define FAULT_NUMBER(id, ...) TRIGGER_##id,
    FAULT_TRIGGERS(FAULT_NUMBER)
#undef FAULT_NUMBER
    FAULT_TRIGGER_COUNT
};
enum fault_argument {
#define FAULT_NUMBER(id, ...) ARGUMENT_##id,
    FAULT_ARGUMENTS(FAULT_NUMBER)
#undef FAULT_NUMBER
    FAULT_ARGUMENT_COUNT
};

#define FAULT_ON(event) (1U << FAULT_##event)
#define FAULT_ARG(argument) (1U << ARGUMENT_##argument)
#define FAULT_ON_LINES (FAULT_ON(GREETING) | FAULT_ON(COMMAND) | FAULT_ON(REPLY))

/*
 * What is said, and what becomes of it: id, function, name, events, arguments, of which it needs,
 * whether it decides, sentence. Content kinds see a message in parts, in order.
 */
#define FAULT_LINE_KINDS(X)                                                                        \
    X(DROP, drop, "drop", FAULT_ON_LINES, 0, 0, true,                                              \
      "It vanishes: nobody hears it, and nobody answers for it.")                                  \
    X(ANSWER, answer, "answer",                                                                    \
      FAULT_ON(OPEN) | FAULT_ON(EARLY) | FAULT_ON_LINES | FAULT_ON(CONTENT),                       \
      FAULT_ARG(TEXT) | FAULT_ARG(THEN) | FAULT_ARG(ASK), FAULT_ARG(TEXT), true,                   \
      "The client hears this and not the relay; with `ask` the command goes on all the same, and " \
      "the relay's answer is eaten.")                                                              \
    X(ANSWER_ADDRESS, answer_address, "answer-address", FAULT_ON(COMMAND), 0, 0, true,             \
      "The client hears the refusal that the address begins with: 451-try-later@fault.test is "    \
      "answered with 451 4.0.0 try later, and 421 ends the session; any other address passes.")    \
    X(HOLD, hold, "hold", FAULT_ON(COMMAND), FAULT_ARG(COUNT) | FAULT_ARG(FOR) | FAULT_ARG(PAST),  \
      0, true,                                                                                     \
      "It goes on behind the next so many (1), or when none came `for` so long (200ms); with "     \
      "`past` only behind that verb, and at once when another comes.")                             \
    X(REPEAT, repeat, "repeat", FAULT_ON(COMMAND), FAULT_ARG(ABSORB), 0, false,                    \
      "It goes on twice; with `absorb` the first answer is eaten.")                                \
    X(INSERT, insert, "insert", FAULT_ON(OPEN) | FAULT_ON_LINES,                                   \
      FAULT_ARG(TEXT) | FAULT_ARG(BEHIND) | FAULT_ARG(ABSORB), FAULT_ARG(TEXT), false,             \
      "This line is said before it, or `behind` it; with `absorb` the relay's answer is eaten.")   \
    X(REPLACE, replace, "replace", FAULT_ON_LINES | FAULT_ON(CONTENT),                             \
      FAULT_ARG(TEXT) | FAULT_ARG(WITH), FAULT_ARG(TEXT), false,                                   \
      "This is said instead; or where `with` is given, that instead of this wherever it stands.")  \
    X(MASK, mask, "mask", FAULT_ON_LINES, FAULT_ARG(TEXT) | FAULT_ARG(KEEP) | FAULT_ARG(WORD),     \
      FAULT_ARG(TEXT), false,                                                                      \
      "Every byte but line ends and those to `keep` becomes this one; with `word` only those of "  \
      "the first word.")                                                                           \
    X(MASK_BANNER, mask_banner, "mask-banner", FAULT_ON(GREETING), 0, 0, false,                    \
      "Every byte but line ends, 2, 0, and a blank behind a 0 becomes *.")                         \
    X(OVERWRITE, overwrite, "overwrite", FAULT_ON_LINES, FAULT_ARG(TEXT), FAULT_ARG(TEXT), false,  \
      "The line begins with this instead, and is as long as it was.")                              \
    X(TRUNCATE, truncate, "truncate", FAULT_ON_LINES, FAULT_ARG(COUNT) | FAULT_ARG(REST),          \
      FAULT_ARG(COUNT), false,                                                                     \
      "What stands behind so many bytes of the line vanishes, or becomes a line of its own with "  \
      "`rest`.")                                                                                   \
    X(DELAY, delay, "delay", FAULT_ON(OPEN) | FAULT_ON_LINES,                                      \
      FAULT_ARG(TIME) | FAULT_ARG(JITTER), FAULT_ARG(TIME), false,                                 \
      "It is kept back so long, and all behind it too.")                                           \
    X(CLOSE, close, "end",                                                                         \
      FAULT_ON(OPEN) | FAULT_ON(EARLY) | FAULT_ON_LINES | FAULT_ON(CONTENT) | FAULT_ON(HANDSHAKE), \
      FAULT_ARG(END) | FAULT_ARG(BYTES) | FAULT_ARG(BEHIND), FAULT_ARG(END), true,                 \
      "Both connections end so, behind so many `bytes` of it (0), or `behind` all of it; `stall` " \
      "leaves them open, and nothing passes any more.")                                            \
    X(PATIENCE, patience, "patience", FAULT_ON(COMMAND), FAULT_ARG(TIME) | FAULT_ARG(THEN),        \
      FAULT_ARG(TIME), false,                                                                      \
      "When it is not answered so long, both connections end.")                                    \
    X(SPLIT, split, "split", FAULT_ON_LINES, FAULT_ARG(COUNT) | FAULT_ARG(GAP), FAULT_ARG(COUNT),  \
      false, "It comes in segments of so many bytes, one `gap` (1ms) behind the other.")           \
    X(ALONE, alone, "alone", FAULT_ON(COMMAND), 0, 0, false,                                       \
      "Nothing behind it goes on before it is answered.")                                          \
    X(FORGET, forget, "forget", FAULT_ON(COMMAND) | FAULT_ON(REPLY), 0, 0, false,                  \
      "What the client has said behind it, and is not on its way yet, is lost.")                   \
    X(STRIP_PARAMETERS, strip_parameters, "strip-parameters", FAULT_ON(COMMAND), FAULT_ARG(TEXT),  \
      FAULT_ARG(TEXT), false,                                                                      \
      "These parameters, A,B, vanish from MAIL or RCPT; with ! in front, all others.")             \
    X(DELETE_KEYWORD, delete_keyword, "delete-keyword", FAULT_ON(REPLY), FAULT_ARG(TEXT),          \
      FAULT_ARG(TEXT), false,                                                                      \
      "Lines with these keywords, A,B, vanish; with ! in front, lines with all others.")           \
    X(MASK_KEYWORD, mask_keyword, "mask-keyword", FAULT_ON(REPLY), FAULT_ARG(TEXT),                \
      FAULT_ARG(TEXT), false,                                                                      \
      "These keywords become XXXA, as long as they were; with ! in front, all others.")            \
    X(ADD_KEYWORD, add_keyword, "add-keyword", FAULT_ON(REPLY), FAULT_ARG(TEXT), FAULT_ARG(TEXT),  \
      false, "The reply has one more line.")                                                       \
    X(KEYWORD_FIRST, keyword_first, "keyword-first", FAULT_ON(REPLY), FAULT_ARG(TEXT),             \
      FAULT_ARG(TEXT), false, "The reply has one more line, before its greeting.")                 \
    X(LOWER_SIZE, lower_size, "lower-size", FAULT_ON(REPLY), FAULT_ARG(COUNT), FAULT_ARG(COUNT),   \
      false, "SIZE offers no more than this.")                                                     \
    X(SHUFFLE, shuffle, "shuffle-keywords", FAULT_ON(REPLY), 0, 0, false,                          \
      "The keywords come in another order.")                                                       \
    X(EIGHTH_BIT, eighth_bit, "strip-eighth-bit", FAULT_ON(CONTENT), 0, 0, false,                  \
      "Bytes lose their eighth bit.")                                                              \
    X(LINE_ENDS, line_ends, "normalise-line-ends", FAULT_ON(CONTENT), 0, 0, false,                 \
      "A CR or LF of its own becomes CRLF, whatever that makes of the message.")                   \
    X(UNSTUFF, unstuff, "unstuff-dots", FAULT_ON(CONTENT), 0, 0, false,                            \
      "Of two dots at the start of a line one vanishes.")                                          \
    X(FOLD, fold, "fold-lines", FAULT_ON(CONTENT), FAULT_ARG(COUNT), FAULT_ARG(COUNT), false,      \
      "A line longer than this is broken, and goes on behind a blank.")                            \
    X(CUT_CONTENT, cut_content, "cut-content", FAULT_ON(CONTENT), FAULT_ARG(COUNT),                \
      FAULT_ARG(COUNT), false, "What stands behind so many bytes of the message vanishes.")

/* How bytes leave: the same, without events and deciding, for both directions. */
#define FAULT_BYTE_KINDS(X)                                                                        \
    X(LATENCY, latency, "latency", FAULT_ARG(TIME) | FAULT_ARG(JITTER), FAULT_ARG(TIME),           \
      "Every byte comes so much later, more or less `jitter`.")                                    \
    X(BANDWIDTH, bandwidth, "bandwidth", FAULT_ARG(COUNT), FAULT_ARG(COUNT),                       \
      "No more than so many bytes pass in a second.")                                              \
    X(SLICE, slice, "slice", FAULT_ARG(COUNT) | FAULT_ARG(SPREAD) | FAULT_ARG(GAP),                \
      FAULT_ARG(COUNT),                                                                            \
      "Segments have so many bytes, more or less `spread`, and come one `gap` behind the other.")  \
    X(GATHER, gather, "gather", FAULT_ARG(TIME), FAULT_ARG(TIME),                                  \
      "What is said within so long comes in one segment.")                                         \
    X(LIMIT, limit, "limit", FAULT_ARG(COUNT) | FAULT_ARG(THEN), FAULT_ARG(COUNT),                 \
      "Behind so many bytes the connections end.")                                                 \
    X(LARGEST, largest, "largest", FAULT_ARG(COUNT), FAULT_ARG(COUNT),                             \
      "A segment of more bytes never arrives, nor anything behind it.")                            \
    X(TIMEOUT, timeout, "timeout", FAULT_ARG(TIME), FAULT_ARG(TIME),                               \
      "Nothing passes, and so much later the connections end; 0ms: never.")                        \
    X(RESET, reset, "reset", FAULT_ARG(TIME), FAULT_ARG(TIME),                                     \
      "So long after the start the connections are reset.")                                        \
    X(SLOW_CLOSE, slow_close, "slow-close", FAULT_ARG(TIME), FAULT_ARG(TIME),                      \
      "The connection is closed so much later than it would be.")                                  \
    X(IDLE, idle, "idle", FAULT_ARG(TIME) | FAULT_ARG(THEN), FAULT_ARG(TIME),                      \
      "When nothing was said for so long, the path forgets the connection.")
/* clang-format on */

enum fault_kind {
#define FAULT_NUMBER(id, ...) FAULT_KIND_##id,
    FAULT_LINE_KINDS(FAULT_NUMBER) FAULT_BYTE_KINDS(FAULT_NUMBER)
#undef FAULT_NUMBER
        FAULT_KIND_COUNT
};

#endif
