/* Access tokens in SASL. */
#include <jansson.h>

#include "bearer.h"

/* Separates what stands in a message (RFC 7628 3.1). */
#define KV_SEPARATOR '\x01'

/* RFC 7628 3.1 and RFC 6750 2.1: neither holds a control character, nor does a token hold blanks.
 */
static bool plain_bytes(struct span text, char lowest)
{
    size_t i;

    for (i = 0; i < text.size; i++) {
        if ((unsigned char)text.at[i] < (unsigned char)lowest || text.at[i] == 0x7F)
            return false;
    }
    return text.size > 0;
}

/* RFC 5801 4: how a name stands in the header of a message. */
static void add_saslname(struct text *message, struct span name)
{
    size_t i;

    for (i = 0; i < name.size; i++) {
        if (name.at[i] == ',')
            text_add(message, SPAN("=2C"));
        else if (name.at[i] == '=')
            text_add(message, SPAN("=3D"));
        else
            text_add_byte(message, name.at[i]);
    }
}

static void add_pair(struct text *message, struct span key, struct span value)
{
    text_add(message, key);
    text_add_byte(message, '=');
    text_add(message, value);
    text_add_byte(message, KV_SEPARATOR);
}

/* "n,a=" name "," then pairs, each ended by the separator, and one more separator. */
static void add_oauthbearer(struct text *message, const struct sasl_wish *wish)
{
    text_add(message, SPAN("n,a="));
    add_saslname(message, wish->identity);
    text_add_byte(message, ',');
    text_add_byte(message, KV_SEPARATOR);
    if (wish->host.size > 0)
        add_pair(message, SPAN("host"), wish->host);
    if (wish->port > 0) {
        text_add(message, SPAN("port="));
        text_add_number(message, wish->port);
        text_add_byte(message, KV_SEPARATOR);
    }
}

bool bearer_message(enum mechanism mechanism, const struct sasl_wish *wish, struct text *message)
{
    if (!plain_bytes(wish->identity, ' ') || !plain_bytes(wish->secret, '!'))
        return false;
    if (mechanism == MECHANISM_OAUTHBEARER)
        add_oauthbearer(message, wish);
    else
        add_pair(message, SPAN("user"), wish->identity);
    text_add(message, SPAN("auth=Bearer "));
    text_add(message, wish->secret);
    text_add_byte(message, KV_SEPARATOR);
    text_add_byte(message, KV_SEPARATOR);
    return !message->cut;
}

struct span bearer_response(enum mechanism mechanism)
{
    /* RFC 7628 3.2.3 wants a separator; XOAUTH2 wants an empty line. */
    return mechanism == MECHANISM_OAUTHBEARER ? SPAN("\x01") : SPAN("");
}

/* Other people's bytes: only what a log may show. */
static void add_shown(struct text *words, struct span said)
{
    size_t i;

    for (i = 0; i < said.size; i++)
        text_add_byte(words, said.at[i] >= ' ' && said.at[i] <= '~' ? said.at[i] : '?');
}

void bearer_words(struct span error, struct text *words)
{
    static const char *const keys[] = {"status", "schemes", "scope"};
    json_t *tree = json_loadb(error.at, error.size, 0, NULL);
    bool any = false;
    size_t i;

    text_add(words, SPAN("the relay refused the token"));
    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const json_t *value = json_object_get(tree, keys[i]);

        if (!json_is_string(value) && !json_is_integer(value))
            continue;
        text_add(words, any ? SPAN(", ") : SPAN(": "));
        text_add(words, span_of_string(keys[i]));
        text_add_byte(words, ' ');
        if (json_is_string(value))
            add_shown(words, span_of(json_string_value(value), json_string_length(value)));
        else if (json_integer_value(value) >= 0)
            text_add_number(words, (uint64_t)json_integer_value(value));
        any = true;
    }
    json_decref(tree);
}
