/*
 * first-line-noise: bytes before the first command that are none of SMTP: options that a telnet
 * client negotiates (RFC 854), or the byte order mark of a script's file (F-72). Servers answer 500
 * to the first EHLO, and some clients give up on that.
 *
 * On by default: only the first line of a session is looked at, only these two are cut off, and
 * only in front of a command that everybody knows. A NUL among them makes the line one that is
 * refused before any repair looks.
 */
#include "repairs.h"

#define IAC '\xff'

/* A telnet command at the front; 0: there is none. */
static size_t telnet_size(struct span line)
{
    struct span end = SPAN("\xff\xf0"); /* IAC SE */
    unsigned char command;
    size_t size;

    if (line.size < 2 || line.at[0] != IAC)
        return 0;
    command = (unsigned char)line.at[1];
    if (command >= 0xf1 && command <= 0xf9)
        return 2;
    if (command >= 0xfb && command <= 0xfe) /* WILL, WON'T, DO, DON'T, and the option */
        return line.size >= 3 ? 3 : 0;
    if (command != 0xfa) /* SB ... IAC SE */
        return 0;
    size = span_find_span(line, end);
    return size < line.size ? size + end.size : 0;
}

static size_t noise_size(struct span line)
{
    struct span mark = SPAN("\xef\xbb\xbf"); /* U+FEFF */

    return span_starts(line, mark) ? mark.size : telnet_size(line);
}

enum verdict first_line_noise(const struct situation *situation, struct mended *mended_r)
{
    struct span line = situation->seen;
    struct command command;
    size_t size;

    if (!situation->first)
        return UNTOUCHED;
    while ((size = noise_size(line)) > 0)
        line = span_tail(line, size);
    command_parse(line, &command);
    if (line.size == situation->seen.size || command.verb == VERB_UNKNOWN)
        return UNTOUCHED;
    text_add(&mended_r->text, line);
    return REPAIRED;
}
