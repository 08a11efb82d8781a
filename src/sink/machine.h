/*
 * machine: what the files of the sink share. sink.c moves through the phases, commands.c obeys
 * command lines, auth.c and message.c carry on where one line is not enough, words.c says it.
 */
#ifndef LOCKSTEP_SINK_MACHINE_H
#define LOCKSTEP_SINK_MACHINE_H

#include "lockstep/sink/sink.h"

/* All that is ever said, except the banner and the answer to EHLO. A personality is one such list
 * with its own codes and words (wire catalogue 2.1). */
/* clang-format off */
#define SINK_WORDS_STRICT(X)                                                                       \
    X(OK,                250, "2.0.0", "Ok")                                                       \
    X(SENDER_OK,         250, "2.1.0", "Ok")                                                       \
    X(RECIPIENT_OK,      250, "2.1.5", "Ok")                                                       \
    X(GO_AHEAD,          354, "",      "End data with <CR><LF>.<CR><LF>")                          \
    X(CHUNK_OK,          250, "2.0.0", "Ok: chunk taken")                                          \
    X(ACCEPTED,          250, "2.0.0", "Ok: message accepted")                                     \
    X(BYE,               221, "2.0.0", "Bye")                                                      \
    X(HELP,              214, "2.0.0", "https://www.rfc-editor.org/rfc/rfc5321")                   \
    X(VRFY,              252, "2.0.0", "Cannot verify, but will take mail and try")                \
    X(UNKNOWN,           500, "5.5.2", "Error: command not recognized")                            \
    X(NOT_IMPLEMENTED,   502, "5.5.1", "Error: command not implemented")                           \
    X(BYTES,             500, "5.5.2", "Error: invalid byte in command line")                      \
    X(LINE_LONG,         500, "5.5.2", "Error: line too long")                                     \
    X(AUTH_LONG,         500, "5.5.6", "Error: authentication exchange line too long")             \
    X(BARE_LINE,         550, "5.5.2", "Error: bare <LF> received")                                \
    X(HELLO_SYNTAX,      501, "5.5.4", "Syntax: HELO or EHLO, then one host name or address")      \
    X(HELLO_FIRST,       503, "5.5.1", "Error: send HELO/EHLO first")                              \
    X(NO_ARGUMENT,       501, "5.5.4", "Syntax error: no argument allowed")                        \
    X(NEED_ARGUMENT,     501, "5.5.4", "Syntax error: argument needed")                            \
    X(SENDER_SYNTAX,     501, "5.5.4", "Syntax: MAIL FROM:<address> [parameters]")                 \
    X(SENDER_BAD,        501, "5.1.7", "Bad sender address syntax")                                \
    X(SENDER_NESTED,     503, "5.5.1", "Error: nested MAIL command")                               \
    X(RECIPIENT_SYNTAX,  501, "5.5.4", "Syntax: RCPT TO:<address> [parameters]")                   \
    X(RECIPIENT_BAD,     501, "5.1.3", "Bad recipient address syntax")                             \
    X(RECIPIENT_EARLY,   503, "5.5.1", "Error: need MAIL command")                                 \
    X(RECIPIENT_LATE,    503, "5.5.1", "Error: RCPT after BDAT")                                   \
    X(RECIPIENT_MANY,    452, "4.5.3", "Error: too many recipients")                               \
    X(PARAMETER_UNKNOWN, 555, "5.5.4", "Error: unsupported parameter")                             \
    X(PARAMETER_BAD,     501, "5.5.4", "Error: bad parameter value")                               \
    X(PARAMETER_TWICE,   501, "5.5.4", "Error: parameter given twice")                             \
    X(NEED_UTF8,         553, "5.6.7", "Must declare SMTPUTF8 to send unicode address")            \
    X(TOO_BIG,           552, "5.3.4", "Error: message size exceeds fixed limit")                  \
    X(BARE_CONTENT,      550, "5.6.0", "Error: bare <CR> or <LF> in message")                      \
    X(NEED_RECIPIENT,    503, "5.5.1", "Error: need RCPT command")                                 \
    X(NO_RECIPIENT,      554, "5.5.1", "Error: no valid recipients")                               \
    X(DATA_AFTER_BDAT,   503, "5.5.1", "Error: DATA after BDAT")                                   \
    X(DATA_BINARY,       503, "5.5.1", "Error: DATA with BODY=BINARYMIME")                         \
    X(CHUNK_SYNTAX,      501, "5.5.4", "Syntax: BDAT count [LAST]")                                \
    X(CHUNK_AFTER,       503, "5.5.1", "Error: RSET needed after a refused BDAT")                  \
    X(AUTH_PLAIN,        334, "",      "")                                                         \
    X(AUTH_USER,         334, "",      "VXNlcm5hbWU6")                                             \
    X(AUTH_PASSWORD,     334, "",      "UGFzc3dvcmQ6")                                             \
    X(AUTH_OK,           235, "2.7.0", "Authentication successful")                                \
    X(AUTH_FAILED,       535, "5.7.8", "Error: authentication failed")                             \
    X(AUTH_CANCELLED,    501, "5.7.0", "Authentication cancelled")                                 \
    X(AUTH_BASE64,       501, "5.5.2", "Error: cannot decode base64")                              \
    X(AUTH_MECHANISM,    504, "5.5.4", "Error: mechanism not supported")                           \
    X(AUTH_OFF,          503, "5.5.1", "Error: authentication not enabled")                        \
    X(AUTH_TWICE,        503, "5.5.1", "Error: already authenticated")                             \
    X(AUTH_INSIDE,       503, "5.5.1", "Error: MAIL transaction in progress")                      \
    X(AUTH_NEEDED,       530, "5.7.0", "Authentication required")                                  \
    X(EARLY_OPENSMTPD,   500, "5.5.1", "Invalid command: Pipelining not supported")                \
    X(EARLY_EXIM,        554, "",      "SMTP synchronization error")                               \
    X(EARLY_POSTFIX,     554, "5.5.0", "Error: SMTP protocol synchronization")
/* clang-format on */

enum sink_say {
    SAY_NOTHING,
#define SAY_NAME(name, ...) SAY_##name,
    SINK_WORDS_STRICT(SAY_NAME)
#undef SAY_NAME
        SAY_COUNT
};

struct sink_word {
    uint16_t code;
    struct span status; /* enhanced; left out where ENHANCEDSTATUSCODES is not offered */
    struct span text;
};

struct sink_words {
    struct sink_word rows[SAY_COUNT];
};

void sink_emit(struct sink *sink, enum sink_output_kind kind, struct span bytes);
void sink_say(struct sink *sink, enum sink_say what);
/* A reply from the settings, without its line end. */
void sink_say_line(struct sink *sink, struct span line);
/* What stands in sink->reply, which gets its line end here; 421 closes. */
void sink_say_reply(struct sink *sink);
void sink_say_banner(struct sink *sink);
void sink_say_hello(struct sink *sink);
void sink_close(struct sink *sink);

/* Is the extension offered to this client, in this session's state? */
bool sink_offers(const struct sink *sink, enum extension extension);
/* The refusal that the settings have for it, if any. */
bool sink_verdict(const struct sink *sink, enum verb verb, struct span mailbox,
                  struct span *reply_r);

void command_obey(struct sink *sink, const struct line *line, const struct command *command);
/* Checks MAIL's or RCPT's parameters and notes what they say; SAY_NOTHING: all is well. */
enum sink_say parameters_read(struct sink *sink, struct span parameters, bool recipient);

void auth_begin(struct sink *sink, const struct command *command);
void auth_respond(struct sink *sink, struct span response);

/* Forgets the open transaction. */
void mail_reset(struct sink *sink);
void data_begin(struct sink *sink, const struct command *command);
void chunk_begin(struct sink *sink, const struct command *command);
/* One step in their phases; false: more input is needed. */
bool message_step(struct sink *sink);
bool chunk_step(struct sink *sink);
void whole_step(struct sink *sink);
void answer_step(struct sink *sink);

#endif
