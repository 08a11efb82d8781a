/* Relays, credentials and the top of the file: words that contradict each other. */
#include "conflict.h"

#include <string.h>

/* Words with a text, by where it lies. */
struct word {
    const char *word;
    size_t offset;
};

static struct span text_at(const void *object, size_t offset)
{
    struct span text;

    memcpy(&text, (const char *)object + offset, sizeof(text));
    return text;
}

/* --- the top of the file --- */

struct span top_conflict(const struct config *config, struct text *error)
{
    const struct config_store *store = &config->store;
    const struct config_admin *admin = &config->admin;
    bool keys[] = {store->key_file.size > 0, store->key_credential.size > 0};
    uint32_t i;

    if (store->directory.size > 0 && keys[0] == keys[1])
        return conflict_at(SPAN("store"), error,
                           SPAN("the store needs one key: write key_file or key_credential"));
    if (store->directory.size == 0 && (keys[0] || keys[1]))
        return conflict_at(SPAN("store"), error,
                           SPAN("a key for a store that is nowhere: write its directory"));
    if (admin->listen.count == 0 && admin->token_file.size > 0)
        return conflict_at(SPAN("admin"), error,
                           SPAN("a token for an admin interface that is nowhere: write `listen: "
                                "127.0.0.1:8474`"));
    for (i = 0; i < admin->listen.count && admin->token_file.size == 0; i++) {
        if (!address_is_loopback(admin->listen.rows[i].host))
            return conflict_at(SPAN("admin.listen"), error,
                               SPAN("the admin interface is reached from beyond this machine: "
                                    "write token_file, or listen on 127.0.0.1"));
    }
    if (admin->session_bytes > admin->memory_bytes)
        return conflict_at(SPAN("admin.session"), error,
                           SPAN("one session would need more than admin.memory has for all"));
    return SPAN("");
}

/* --- relays --- */

/* What is said of TLS to a relay that has none. */
static struct span clear_conflict(const struct config_relay *relay, struct text *error)
{
    static const struct word words[] = {
        {"ca", offsetof(struct config_relay, ca)},
        {"server-name", offsetof(struct config_relay, server_name)},
        {"ciphers", offsetof(struct config_relay, ciphers)},
        {"certificate", offsetof(struct config_relay, certificate)},
        {"key", offsetof(struct config_relay, key)},
    };
    struct span path = relay->fingerprint.count > 0       ? SPAN("fingerprint")
                       : relay->verify != VERIFY_FULL     ? SPAN("verify")
                       : relay->minimum != CONFIG_TLS_1_2 ? SPAN("minimum")
                       : relay->tls == RELAY_TLS_REQUIRED ? SPAN("tls")
                                                          : SPAN("");
    size_t i;

    for (i = 0; i < sizeof(words) / sizeof(words[0]) && path.size == 0; i++) {
        if (text_at(relay, words[i].offset).size > 0)
            path = span_of_string(words[i].word);
    }
    if (path.size == 0)
        return path;
    text_add_byte(error, '`');
    text_add(error, path);
    if (config_is_original(relay))
        return conflict_at(path, error,
                           SPAN("` is of TLS, which is not spoken there: write `tls: required` or "
                                "offered, or leave it out"));
    return conflict_at(path, error,
                       SPAN("` is of TLS, which smtp:// does not speak: write starttls:// or "
                            "smtps:// in the address, or leave it out"));
}

static struct span verify_conflict(const struct config_relay *relay, struct text *error)
{
    bool chain = relay->verify == VERIFY_FULL || relay->verify == VERIFY_CA;
    bool pins = relay->fingerprint.count > 0;

    if (relay->verify == VERIFY_PIN && !pins)
        return conflict_at(SPAN("verify"), error,
                           SPAN("`verify: pin` needs to know what to look for: write fingerprint"));
    if (relay->verify != VERIFY_PIN && pins)
        return conflict_at(SPAN("fingerprint"), error,
                           SPAN("`fingerprint` is not looked at: write `verify: pin`"));
    if (!chain && relay->ca.size > 0)
        return conflict_at(SPAN("ca"), error,
                           SPAN("`ca` is not looked at: write `verify: full` or ca"));
    return SPAN("");
}

struct span relay_conflict(const struct config_relay *relay, struct text *error)
{
    struct span path;

    if (config_is_original(relay) && relay->address.count > 0)
        return conflict_at(SPAN("address"), error,
                           SPAN("`original` is wherever the client wanted to go: leave out its "
                                "address, or give the relay another name"));
    if (relay->tls == RELAY_TLS_OFFERED && relay->address.scheme != SCHEME_STARTTLS)
        return conflict_at(SPAN("tls"), error,
                           SPAN("`tls: offered` is for relays that begin in clear: write "
                                "starttls:// in the address"));
    if (relay->address.scheme == SCHEME_SMTP) {
        path = clear_conflict(relay, error);
        if (path.size > 0)
            return path;
    }
    if (relay->certificate.size > 0 && relay->key.size == 0)
        return conflict_at(SPAN("certificate"), error,
                           SPAN("a certificate without its key: write key"));
    if (relay->certificate.size == 0 && relay->key.size > 0)
        return conflict_at(SPAN("key"), error,
                           SPAN("a key without its certificate: write certificate"));
    return verify_conflict(relay, error);
}

/* --- credentials --- */

static const struct word sources[] = {
    {"password_file", offsetof(struct config_credential, password_file)},
    {"password_command", offsetof(struct config_credential, password_command)},
    {"password_env", offsetof(struct config_credential, password_env)},
    {"credential", offsetof(struct config_credential, credential)},
    {"store", offsetof(struct config_credential, store)},
    {"import", offsetof(struct config_credential, import)},
};

static const struct word oauth_words[] = {
    {"tenant", offsetof(struct config_oauth, tenant)},
    {"client-id", offsetof(struct config_oauth, client_id)},
    {"client-secret_file", offsetof(struct config_oauth, client_secret_file)},
    {"client-secret_store", offsetof(struct config_oauth, client_secret_store)},
    {"token-endpoint", offsetof(struct config_oauth, token_endpoint)},
    {"device-endpoint", offsetof(struct config_oauth, device_endpoint)},
    {"authorize-endpoint", offsetof(struct config_oauth, authorize_endpoint)},
    {"scope", offsetof(struct config_oauth, scope)},
    {"key_file", offsetof(struct config_oauth, key_file)},
    {"token_file", offsetof(struct config_oauth, token_file)},
    {"ca", offsetof(struct config_oauth, ca)},
};

#define GRANT(name) (1U << GRANT_##name)
#define PROVIDER(name) (1U << OAUTH_##name)
#define ANY (~0U)
#define SECRET_WORDS "client-secret_file|client-secret_store|key_file"

/* What a grant can't do without: one of the words, at those providers. */
static const struct {
    unsigned grants, providers;
    const char *words;
} needs[] = {
    {GRANT(REFRESH) | GRANT(DEVICE) | GRANT(CODE) | GRANT(CLIENT_CREDENTIALS), ANY, "client-id"},
    {GRANT(CLIENT_CREDENTIALS), ANY, SECRET_WORDS},
    {GRANT(CLIENT_CREDENTIALS), PROVIDER(MICROSOFT), "tenant"},
    {GRANT(JWT), ANY, "key_file"},
    {ANY, PROVIDER(GENERIC), "token-endpoint"},
    {GRANT(DEVICE), PROVIDER(GENERIC), "device-endpoint"},
    {GRANT(CODE), PROVIDER(GENERIC), "authorize-endpoint"},
};

/* What a provider does not do, and what it does instead. */
static const struct {
    unsigned grants, providers;
    struct span says;
} refusals[] = {
    {GRANT(JWT), PROVIDER(MICROSOFT) | PROVIDER(YAHOO),
     SPAN_INIT("`grant: jwt` is for Google's service accounts: write client-credentials with "
               "key_file, or code")},
    {GRANT(CLIENT_CREDENTIALS), PROVIDER(GOOGLE) | PROVIDER(YAHOO),
     SPAN_INIT("`grant: client-credentials` is not for mail there: write jwt at Google, or code")},
    {GRANT(DEVICE), PROVIDER(GOOGLE) | PROVIDER(YAHOO),
     SPAN_INIT("`grant: device` is not for mail there: write code")},
};

static bool has_oauth_word(const struct config_oauth *oauth, struct span words)
{
    size_t i;

    while (words.size > 0) {
        struct span word = span_head(words, span_find(words, '|'));

        words = span_tail(words, word.size + 1);
        for (i = 0; i < sizeof(oauth_words) / sizeof(oauth_words[0]); i++) {
            if (span_equal(word, span_of_string(oauth_words[i].word)) &&
                text_at(oauth, oauth_words[i].offset).size > 0)
                return true;
        }
    }
    return false;
}

static void add_words(struct span words, struct text *error)
{
    while (words.size > 0) {
        struct span word = span_head(words, span_find(words, '|'));

        words = span_tail(words, word.size + 1);
        text_add(error, word);
        text_add(error, words.size == 0                      ? SPAN("")
                        : span_find(words, '|') < words.size ? SPAN(", ")
                                                             : SPAN(" or "));
    }
}

static struct span oauth_conflict(const struct config_oauth *oauth, bool store, struct text *error)
{
    unsigned grant = 1U << oauth->grant, provider = 1U << oauth->provider;
    size_t i;

    for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if ((refusals[i].grants & grant) != 0 && (refusals[i].providers & provider) != 0)
            return conflict_at(SPAN("oauth2.grant"), error, refusals[i].says);
    }
    for (i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
        struct span words = span_of_string(needs[i].words);

        if ((needs[i].grants & grant) == 0 || (needs[i].providers & provider) == 0 ||
            has_oauth_word(oauth, words))
            continue;
        text_add(error, SPAN("this grant needs more at this provider: write "));
        add_words(words, error);
        return SPAN("oauth2");
    }
    if ((grant & (GRANT(REFRESH) | GRANT(DEVICE) | GRANT(CODE))) != 0 &&
        oauth->token_file.size == 0 && !store)
        return conflict_at(SPAN("oauth2"), error,
                           SPAN("its refresh token needs a place: write token_file, or a store at "
                                "the top of the file"));
    return SPAN("");
}

/* Without a provider: is anything said that only a provider could use? */
static bool oauth_is_said(const struct config_oauth *oauth)
{
    size_t i;

    for (i = 0; i < sizeof(oauth_words) / sizeof(oauth_words[0]); i++) {
        if (text_at(oauth, oauth_words[i].offset).size > 0)
            return true;
    }
    return oauth->grant != GRANT_REFRESH;
}

/* Is it only for relays that lockstep's certificate says enough to? */
static bool is_external(const struct config *config, uint32_t number)
{
    bool named = false;
    uint32_t i, k;

    for (i = 0; i < config->listener_count; i++) {
        const struct policy *policy = &config->listeners[i].policy;

        for (k = 0; k < policy->route_count; k++) {
            const struct route *route = &policy->routes[k];
            uint32_t relay = route->relay == NOTHING ? policy->relay : route->relay;

            if (route->credential != number)
                continue;
            if (policy->relays[relay].mechanisms != MECHANISM_BIT(MECHANISM_EXTERNAL))
                return false;
            named = true;
        }
    }
    return named;
}

/* The source it has; empty: none. With a sentence in `error`: the second one. */
static struct span find_source(const struct config_credential *credential, struct text *error)
{
    struct span found = credential->oauth.provider != OAUTH_NONE ? SPAN("oauth2") : SPAN("");
    size_t i;

    for (i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        struct span source = span_of_string(sources[i].word);

        if (text_at(credential, sources[i].offset).size == 0)
            continue;
        if (found.size > 0) {
            text_add_byte(error, '`');
            text_add(error, found);
            text_add(error, SPAN("` and `"));
            text_add(error, source);
            text_add(error, SPAN("` are two sources of one secret: keep one of them"));
            return source;
        }
        found = source;
    }
    return found;
}

static bool needs_store(const struct config_credential *credential)
{
    return credential->store.size > 0 || credential->oauth.client_secret_store.size > 0;
}

struct span credential_conflict(const struct config *config, uint32_t number, struct text *error)
{
    const struct config_credential *credential = &config->credentials[number];
    const struct config_oauth *oauth = &credential->oauth;
    bool store = config->store.directory.size > 0;
    struct span source = find_source(credential, error);

    if (error->size > 0)
        return source;
    if (oauth->provider == OAUTH_NONE && oauth_is_said(oauth))
        return conflict_at(SPAN("oauth2"), error,
                           SPAN("who gives the tokens? write `provider: microsoft`, google, yahoo "
                                "or generic"));
    if (source.size == 0 && !is_external(config, number))
        return conflict_at(SPAN("user"), error,
                           SPAN("no source of its secret: write password_file, password_command, "
                                "password_env, credential, store, import or oauth2"));
    if (credential->user.size == 0 && source.size > 0 && credential->import.size == 0 &&
        credential->store.size == 0)
        return conflict_at(source, error, SPAN("a secret of nobody: write user"));
    if (credential->format != FORMAT_AUTO && credential->import.size == 0)
        return conflict_at(SPAN("format"), error,
                           SPAN("`format` is that of a file to import: write import"));
    if (needs_store(credential) && !store)
        return conflict_at(SPAN("store"), error,
                           SPAN("there is no store: write `store: {directory: ..., key_file: "
                                "...}` at the top of the file"));
    return oauth->provider == OAUTH_NONE ? SPAN("") : oauth_conflict(oauth, store, error);
}
