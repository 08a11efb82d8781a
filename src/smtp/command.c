/* Client lines as values. */
#include "lockstep/smtp/command.h"

/*
 * RFC 3030 2: BDAT SP chunk-size [SP "LAST"]. The framing hangs on it, so it is read strictly: what
 * an upstream could read as no BDAT, or as another size, must not leave here as one.
 */
static bool chunk_parse(struct command *command)
{
    struct span rest = command->argument;
    struct span size, last;

    if (command->line.at[0] == ' ' || span_find(command->line, '\t') < command->line.size)
        return false;
    if (!span_word(&rest, &size) || !span_number(size, &command->chunk_bytes) ||
        command->chunk_bytes > CHUNK_BYTES_MAX)
        return false;
    command->last = span_word(&rest, &last);
    return !command->last || (span_equal_fold(last, SPAN("LAST")) && rest.size == 0);
}

/* Some servers take VT or FF for a blank, and so would read a verb, even BDAT, where we see none.
 */
static bool holds_control(struct span line)
{
    size_t i;

    for (i = 0; i < line.size; i++) {
        unsigned char byte = (unsigned char)line.at[i];

        if ((byte < ' ' && byte != '\t') || byte == 0x7f)
            return true;
    }
    return false;
}

void command_parse(struct span line, struct command *command_r)
{
    struct span rest = line;
    struct span word;

    *command_r = (struct command){.line = line};
    span_word(&rest, &word);
    command_r->verb = verb_find(word);
    command_r->argument = span_trim(rest);
    if (verb_facts(command_r->verb)->does == DOES_CHUNK)
        command_r->bad = !chunk_parse(command_r);
    else if (command_r->verb == VERB_UNKNOWN)
        command_r->bad = holds_control(line);
}

size_t path_close(struct span path, struct span never)
{
    bool quoted = false;
    size_t i;

    for (i = 1; i < path.size; i++) {
        char byte = path.at[i];

        if (quoted && byte == '\\')
            i++;
        else if (byte == '"')
            quoted = !quoted;
        else if (!quoted && byte == '>')
            return i;
        else if (!quoted && span_find(never, byte) < never.size)
            break;
    }
    return path.size;
}

bool path_parse(struct span argument, struct span word, struct path *path_r)
{
    struct span path = span_tail(argument, word.size);
    struct span mailbox, behind;
    size_t end;

    if (!span_starts_fold(argument, word) || !span_starts(path, SPAN("<")))
        return false;
    end = path_close(path, SPAN("< "));
    behind = span_tail(path, end + 1);
    if (end == path.size || (behind.size > 0 && behind.at[0] != ' '))
        return false;
    mailbox = span_tail(span_head(path, end), 1);
    if (span_starts(mailbox, SPAN("@"))) { /* RFC 5321 appendix C: a source route is dropped */
        mailbox = span_tail(mailbox, span_find(mailbox, ':') + 1);
        if (mailbox.size == 0) /* or `<@a>` would read as the null sender */
            return false;
    }
    path_r->mailbox = mailbox;
    path_r->parameters = span_trim(behind);
    return true;
}

bool parameter_next(struct span *rest, struct span *name_r, struct span *value_r)
{
    struct span word;
    size_t equals;

    if (!span_word(rest, &word))
        return false;
    equals = span_find(word, '=');
    *name_r = span_head(word, equals);
    *value_r = span_tail(word, equals + 1);
    return true;
}
