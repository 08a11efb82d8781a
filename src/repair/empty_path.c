/*
 * empty-path: `MAIL FROM:<@>`, with which old Lotus servers mean the null sender (B-33).
 *
 * Off by default: to anybody else it is a mistake, and a bounce of such a message would be lost.
 */
#include "repairs.h"

enum verdict empty_path(const struct situation *situation, struct mended *mended_r)
{
    struct span line = situation->seen;
    struct span path = SPAN("FROM:<@>");
    struct command command;
    struct span rest;
    size_t at;

    command_parse(line, &command);
    rest = span_tail(command.argument, path.size);
    if (!span_starts_fold(command.argument, path) || (rest.size > 0 && rest.at[0] != ' '))
        return UNTOUCHED;
    at = (size_t)(command.argument.at - line.at) + span_find(path, '@');
    text_add(&mended_r->text, span_head(line, at));
    text_add(&mended_r->text, span_tail(line, at + 1));
    return REPAIRED;
}
