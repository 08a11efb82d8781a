/* command_parse, path_parse, parameter_next and extension_find over each line of the input. */
#include <string.h>

#include "lockstep/base/must.h"
#include "lockstep/smtp/command.h"
#include "lockstep/smtp/extension.h"

#include "fuzz.h"

static bool inside(struct span part, struct span whole)
{
    return part.size == 0 || (part.at >= whole.at && part.at + part.size <= whole.at + whole.size);
}

/* What is let through as BDAT reads the same to a scanner of another make. */
static void check_chunk(const struct command *command)
{
    struct span digits = command->argument;
    uint64_t number;

    must(!command->bad && command->chunk_bytes <= CHUNK_BYTES_MAX);
    digits.size = span_find(digits, ' ');
    must(span_number(digits, &number) && number == command->chunk_bytes);
    must(span_equal_fold(span_head(command->line, 5), SPAN("BDAT ")));
    must(command->last == (command->argument.size > digits.size));
}

static void check_path(struct span argument, struct span word)
{
    struct span name, value, rest;
    struct path path;

    if (!path_parse(argument, word, &path))
        return;
    must(inside(path.mailbox, argument) && inside(path.parameters, argument));
    must(span_starts_fold(argument, word) && argument.at[word.size] == '<');
    must(path.mailbox.size > 0 ||
         span_equal(span_head(span_tail(argument, word.size), 2), SPAN("<>")));
    rest = path.parameters;
    while (parameter_next(&rest, &name, &value)) {
        must(inside(name, path.parameters) && inside(value, path.parameters));
        must(span_find(name, '=') == name.size && span_find(name, ' ') == name.size);
    }
}

static void check_line(struct span line)
{
    struct command command;
    struct span parameters;

    command_parse(line, &command);
    must((size_t)command.verb < verb_count());
    must(span_equal(command.line, line) && inside(command.argument, line));
    must(span_equal(span_trim(command.argument), command.argument));
    must(command.verb == VERB_BDAT || command.chunk_bytes == 0);
    must(command.verb == VERB_BDAT || command.verb == VERB_UNKNOWN || !command.bad);
    if (command.verb == VERB_BDAT && !command.bad)
        check_chunk(&command);
    check_path(command.argument, SPAN("FROM:"));
    check_path(command.argument, SPAN("TO:"));
    if (extension_find(line, &parameters) != EXTENSION_NONE)
        must(inside(parameters, line));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = span_of((const char *)data, size);

    while (rest.size > 0) {
        size_t end = span_find(rest, '\n');

        check_line(span_head(rest, end));
        rest = span_tail(rest, end + 1);
    }
    return 0;
}
