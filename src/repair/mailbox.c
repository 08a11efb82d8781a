/* Addresses in the lines of an envelope. */
#include "mailbox.h"
#include "lockstep/smtp/domain.h"

/* RFC 5321 4.5.3.1.1. */
#define LOCAL_BYTES_MAX 64U

bool addressed_parse(const struct situation *situation, struct addressed *addressed_r)
{
    struct span line = situation->seen;
    struct command command;
    struct path path;
    size_t at;

    command_parse(line, &command);
    if (!path_parse(command.argument, SPAN("FROM:"), &path) &&
        !path_parse(command.argument, SPAN("TO:"), &path))
        return false;
    at = (size_t)(path.mailbox.at - line.at);
    addressed_r->before = span_head(line, at);
    addressed_r->mailbox = path.mailbox;
    addressed_r->after = span_tail(line, at + path.mailbox.size);
    return true;
}

void addressed_with(const struct addressed *addressed, struct span mailbox, struct text *text)
{
    text_add(text, addressed->before);
    text_add(text, mailbox);
    text_add(text, addressed->after);
}

struct span mailbox_of_account(const struct situation *situation)
{
    struct span sender = situation->rewrite->sender;

    return sender.size > 0 ? sender : situation->account;
}

size_t mailbox_domain(struct span mailbox)
{
    size_t found = mailbox.size;
    bool quoted = false;
    size_t i;

    for (i = 0; i < mailbox.size; i++) {
        char byte = mailbox.at[i];

        if (quoted && byte == '\\')
            i++;
        else if (byte == '"')
            quoted = !quoted;
        else if (!quoted && byte == '@')
            found = i;
    }
    return found;
}

/* RFC 5321 4.1.2: Dot-string; RFC 6531 3.3 adds what is not ASCII. */
bool mailbox_is_local(struct span local)
{
    static const struct span specials = SPAN_INIT("()<>[]:;@\\,\"\x7f");
    char before = '.';
    size_t i;

    for (i = 0; i < local.size; i++) {
        char byte = local.at[i];

        if ((unsigned char)byte <= ' ' || span_find(specials, byte) < specials.size ||
            (byte == '.' && before == '.'))
            return false;
        before = byte;
    }
    return before != '.' && local.size <= LOCAL_BYTES_MAX;
}

bool mailbox_is_plain(struct span mailbox)
{
    size_t at = span_find(mailbox, '@');
    struct span domain = span_tail(mailbox, at + 1);

    return mailbox_is_local(span_head(mailbox, at)) &&
           (domain_is_name(domain) || domain_is_literal(domain));
}
