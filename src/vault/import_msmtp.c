/* msmtprc: accounts, each from the defaults and from accounts before it; see msmtp(1). */
#include "import_parse.h"
#include "private.h"

/* Settings of accounts in the order of `struct account`'s texts; the others are not of interest. */
enum setting {
    SETTING_HOST,
    SETTING_PORT,
    SETTING_FROM,
    SETTING_USER,
    SETTING_PASSWORD,
    SETTING_PASSWORDEVAL,
    SETTING_COUNT
};

static const char *const settings[SETTING_COUNT] = {
    [SETTING_HOST] = "host",         [SETTING_PORT] = "port",
    [SETTING_FROM] = "from",         [SETTING_USER] = "user",
    [SETTING_PASSWORD] = "password", [SETTING_PASSWORDEVAL] = "passwordeval",
};

/* What else stands at the beginning of lines, to know the file by. */
static const char *const words[] = {"defaults",     "account",        "auth",    "tls",
                                    "tls_starttls", "tls_trust_file", "logfile", "syslog",
                                    "timeout",      "protocol"};

bool import_msmtp_word(struct span word)
{
    size_t i;

    for (i = 0; i < SETTING_COUNT; i++)
        if (span_equal(word, span_of_string(settings[i])))
            return true;
    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (span_equal(word, span_of_string(words[i])))
            return true;
    return false;
}

static bool set(struct import_entry *account, struct span word, struct span value,
                struct text *error)
{
    uint64_t port = 0;
    enum setting setting = 0;

    while (setting < SETTING_COUNT && !span_equal(word, span_of_string(settings[setting])))
        setting++;
    switch (setting) {
    case SETTING_HOST:
        account->host = value;
        break;
    case SETTING_PORT:
        if (!span_number(value, &port) || port > UINT16_MAX) {
            text_add(error, SPAN("this is no port"));
            return false;
        }
        account->port = (uint16_t)port;
        break;
    case SETTING_FROM:
        account->sender = value;
        break;
    case SETTING_USER:
        account->user = value;
        break;
    case SETTING_PASSWORD:
    case SETTING_PASSWORDEVAL:
        account->kind = setting == SETTING_PASSWORD ? IMPORT_PASSWORD : IMPORT_COMMAND;
        account->secret = value;
        break;
    case SETTING_COUNT:
        break;
    }
    return true;
}

/* What the base says goes over what stands there. */
static void inherit(struct import_entry *account, const struct import_entry *base)
{
    if (base->host.size > 0)
        account->host = base->host;
    if (base->port != 0)
        account->port = base->port;
    if (base->sender.size > 0)
        account->sender = base->sender;
    if (base->user.size > 0)
        account->user = base->user;
    if (base->secret.size > 0) {
        account->kind = base->kind;
        account->secret = base->secret;
    }
}

static const struct import_entry *find_account(const struct import *import, struct span name)
{
    size_t i;

    for (i = 0; i < import->count; i++)
        if (span_equal(import->entries[i].name, name))
            return &import->entries[i];
    return NULL;
}

/* "NAME" or "NAME : BASE[,BASE...]", on top of the defaults. */
static struct import_entry *begin_account(struct import *import, struct span value,
                                          const struct import_entry *defaults, struct text *error)
{
    struct span bases = span_tail(value, span_find(value, ':') + 1);
    struct span name = span_trim(span_head(value, span_find(value, ':')));
    struct import_entry account = *defaults;
    struct import_entry *entry;

    while (bases.size > 0) {
        struct span base = span_head(bases, span_find(bases, ','));
        const struct import_entry *found = find_account(import, span_trim(base));

        if (found == NULL) {
            text_add(error, SPAN("there is no such account before this one"));
            return NULL;
        }
        inherit(&account, found);
        bases = span_tail(bases, base.size + 1);
    }
    entry = import_add(import, error);
    if (entry == NULL)
        return NULL;
    *entry = account;
    entry->name = name;
    entry->fallback = span_equal(name, SPAN("default"));
    return entry;
}

static struct span unquote(struct span value)
{
    value = span_trim(value);
    if (value.size >= 2 && *value.at == '"' && value.at[value.size - 1] == '"')
        return span_of(value.at + 1, value.size - 2);
    return value;
}

/* `eval` could say anything at all, a password too, and would have to be run just to be read. */
bool import_msmtp(struct import *import, struct import_text *text, struct text *error)
{
    struct span rest = span_of(text->at, text->size);
    struct import_entry defaults = {0};
    struct import_entry *account = &defaults;

    while (rest.size > 0) {
        struct span line = span_head(rest, span_find(rest, '\n'));
        struct span word;

        text->where = (size_t)(rest.at - text->at);
        rest = span_tail(rest, line.size + 1);
        line = private_line(line);
        if (!span_word(&line, &word) || *word.at == '#')
            continue;
        if (span_equal(word, SPAN("eval"))) {
            text_add(error, SPAN("eval is not read: say passwordeval"));
            return false;
        }
        if (span_equal(word, SPAN("defaults"))) {
            account = &defaults;
        } else if (span_equal(word, SPAN("account"))) {
            account = begin_account(import, unquote(line), &defaults, error);
            if (account == NULL)
                return false;
        } else if (!set(account, word, unquote(line), error)) {
            return false;
        }
    }
    return true;
}
