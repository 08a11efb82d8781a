#include <criterion/criterion.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "contexts.h"
#include "folder.h"
#include "net/tls_inside.h"

static struct tls_identity identity_of(const char *certificate, const char *key)
{
    return (struct tls_identity){span_of_string(certificate), span_of_string(key)};
}

/* Why there is no such context; "": there is. Paths in the test's folder are left out. */
static const char *sentence(const struct tls_server *server, const struct tls_client *client)
{
    static char memory[600];
    struct text why = text_over(memory, sizeof(memory) - 1);
    struct tls_context *context =
        server != NULL ? tls_server_new(server, &why) : tls_client_new(client, &why);
    size_t folder_size = strlen(folder()) + 1;

    if (context != NULL)
        tls_context_drop(context);
    cr_assert_eq(context == NULL, why.size > 0);
    memory[why.size] = 0;
    return span_starts(text_span(&why), span_of_string(folder())) ? memory + folder_size : memory;
}

static const char *identity_sentence(const char *certificate, const char *key)
{
    struct tls_server server = {.identity = identity_of(certificate, key)};
    struct tls_client client = {.identity = identity_of(certificate, key),
                                .verify = TLS_VERIFY_NONE};
    static char first[600];

    snprintf(first, sizeof(first), "%s", sentence(&server, NULL));
    cr_assert_str_eq(first, sentence(NULL, &client));
    return first;
}

static const char *locked_key(const struct issued *issued)
{
    const char *path = folder_path("locked.key");
    FILE *file = fopen(path, "w");

    cr_assert_eq(PEM_write_PrivateKey(file, issued->key, EVP_aes_128_cbc(),
                                      (const unsigned char *)"pass", 4, NULL, NULL),
                 1);
    fclose(file);
    chmod(path, 0600);
    return path;
}

/* The key behind the certificate in one file. */
static const char *both(const struct issued *issued, mode_t mode)
{
    const char *path = folder_path("both.pem");
    FILE *file = fopen(path, "w");

    PEM_write_X509(file, issued->certificate);
    PEM_write_PrivateKey(file, issued->key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    chmod(path, mode);
    return path;
}

Test(tls, says_what_is_wrong_with_certificate_and_key)
{
    struct issued one = issue(NULL, "one", NULL);
    struct issued other = issue(NULL, "other", NULL);
    const char *words = folder_text("words", 0600, "these are no certificates\n");

    cr_assert_str_eq(identity_sentence(one.file, one.key_file), "");
    cr_assert_str_eq(identity_sentence(both(&one, 0600), ""), "");
    cr_assert_str_eq(identity_sentence("/nowhere/x.pem", one.key_file),
                     "/nowhere/x.pem: can't be read: No such file or directory; it has to be a "
                     "certificate and those that lead up to its root, as PEM");
    cr_assert_str_eq(identity_sentence(one.file, "/nowhere/x.key"),
                     "/nowhere/x.key: can't be read: No such file or directory; it has to be the "
                     "private key of the certificate, as PEM");
    cr_assert_str_eq(identity_sentence(words, one.key_file), "words: holds no certificate in PEM");
    cr_assert_str_eq(identity_sentence(one.file, words), "words: holds no private key in PEM");
    cr_assert_str_eq(identity_sentence(one.file, one.file), "one.pem: anybody may read or write "
                                                            "this key (mode 0644): chmod o= it");
    cr_assert_str_eq(identity_sentence(both(&one, 0604), ""),
                     "both.pem: anybody may read or "
                     "write this key (mode 0604): chmod o= it");
    cr_assert_str_eq(identity_sentence(one.file, locked_key(&one)),
                     "locked.key: the key has a passphrase, which nobody can be asked for: keep it "
                     "without one, mode 0600");
    cr_assert_eq(strncmp(identity_sentence(one.file, other.key_file),
                         "other.key: is not the key of the certificate in /", 49),
                 0);
    cr_assert_str_eq(identity_sentence("/tmp", one.key_file), "/tmp: holds no certificate in PEM");
}

/* One that is read while this test looks on. */
struct slow_file {
    const char *path;
    FILE *file; /* the end that is written to */
};

static struct slow_file slow_file(const char *name)
{
    struct slow_file slow = {.path = folder_path(name)};

    cr_assert_eq(mkfifo(slow.path, 0600), 0);
    return slow;
}

/* Is that number the other end, which this process has too? */
static bool is_other_end(const struct slow_file *slow, int number)
{
    char link[64], target[400];
    ssize_t size;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", number);
    size = readlink(link, target, sizeof(target) - 1);
    target[size > 0 ? size : 0] = 0;
    return number != fileno(slow->file) && strcmp(target, slow->path) == 0;
}

static unsigned flags_of(int number)
{
    char path[64], words[200];
    unsigned flags = 0;
    FILE *facts;

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", number);
    facts = fopen(path, "re");
    cr_assert_not_null(facts);
    while (fgets(words, sizeof(words), facts) != NULL && sscanf(words, "flags: %o", &flags) != 1)
        ;
    fclose(facts);
    return flags;
}

/* Is the other end closed in programs that this one starts? */
static void slow_file_inspect(struct slow_file *slow)
{
    int number = 0;

    slow->file = fopen(slow->path, "we"); /* waits until it is being opened for reading */
    cr_assert_not_null(slow->file);
    while (!is_other_end(slow, number)) /* which has no number yet, perhaps */
        number = (number + 1) % 100;
    cr_expect_neq(flags_of(number) & O_CLOEXEC, 0, "%s", slow->path);
}

static void read_slow_files(void *data)
{
    struct slow_file *slow = data;

    cr_expect_str_eq(identity_sentence(slow[0].path, slow[1].path), "");
}

Test(tls, leaves_no_key_open_for_programs_that_are_started, .timeout = 30)
{
    struct issued one = issue(NULL, "one", NULL);
    struct slow_file slow[] = {slow_file("slow.pem"), slow_file("slow.key")};
    uv_thread_t reader;
    int i;

    uv_thread_create(&reader, read_slow_files, slow);
    for (i = 0; i < 2; i++) { /* as a server's, and as a client's */
        slow_file_inspect(&slow[0]);
        PEM_write_X509(slow[0].file, one.certificate);
        fclose(slow[0].file);
        slow_file_inspect(&slow[1]);
        PEM_write_PrivateKey(slow[1].file, one.key, NULL, NULL, 0, NULL, NULL);
        fclose(slow[1].file);
    }
    uv_thread_join(&reader);
}

Test(tls, says_what_is_wrong_with_other_words)
{
    struct issued one = issue(NULL, "one", NULL);
    const char *words = folder_text("words", 0600, "these are no certificates\n");
    struct tls_server asks = {.identity = identity_of(one.file, one.key_file),
                              .client_certificate = TLS_ASK_OPTIONAL};
    struct tls_client client = {.ca = SPAN("/nowhere/ca.pem")};
    struct tls_client pins = {.verify = TLS_VERIFY_PIN};
    struct tls_client rules = {.verify = TLS_VERIFY_NONE};
    struct tls_client checks = {.verify = TLS_VERIFY_CA, .ca = span_of_string(one.file)};

    cr_assert_str_eq(sentence(&asks, NULL), "whose client certificates are good? A file of "
                                            "certificate authorities has to say it");
    asks.client_ca = span_of_string(words);
    cr_assert_str_eq(sentence(&asks, NULL), "words: holds no certificates in PEM");
    cr_assert_str_eq(sentence(NULL, &client),
                     "/nowhere/ca.pem: can't be read: No such file or directory; it has to be "
                     "certificates of authorities, as PEM");
    client.ca = SPAN("a\0b");
    cr_assert_str_eq(sentence(NULL, &client), "that is not the name of a file");
    cr_assert_str_eq(sentence(NULL, &pins),
                     "there is no fingerprint that a certificate could have");
    pins.pin_count = 1;
    pins.pins[0] = SPAN("12:34");
    cr_assert_str_eq(sentence(NULL, &pins), "\"12:34\" is no SHA-256 fingerprint: 64 hexadecimal "
                                            "digits, with or without colons");
    rules.rules.ciphers = SPAN("RHUBARB");
    cr_assert_str_eq(sentence(NULL, &rules), "\"RHUBARB\" names no cipher that can be used");
    rules.rules.ciphers = SPAN("TLS_RHUBARB");
    cr_assert_str_eq(sentence(NULL, &rules), "\"TLS_RHUBARB\" does not name ciphers of TLS 1.3");
    checks.rules.ciphers = SPAN("aNULL");
    cr_assert_str_eq(sentence(NULL, &checks), "\"aNULL\" names no cipher that can be used");
}

Test(tls, knows_a_fingerprint)
{
    unsigned char pin[TLS_PIN_BYTES];
    char digits[66];

    memset(digits, 'a', sizeof(digits));
    cr_assert(tls_pin(span_of(digits, 64), pin));
    cr_assert_eq(pin[0], 0xaa);
    cr_assert_eq(pin[31], 0xaa);
    cr_assert_not(tls_pin(span_of(digits, 63), pin));
    cr_assert_not(tls_pin(span_of(digits, 65), pin));
    digits[5] = 'g';
    cr_assert_not(tls_pin(span_of(digits, 64), pin));
    digits[5] = 0;
    cr_assert_not(tls_pin(span_of(digits, 64), pin));
    digits[5] = '\x10'; /* a digit but for one bit */
    cr_assert_not(tls_pin(span_of(digits, 64), pin));
}

/* --- rules --- */

/* What they come to speak; "": nothing. */
static const char *spoken(struct tls_context *server, struct tls_context *client)
{
    static char words[TLS_WORDS_MAX];
    struct pair *pair = pair_shake(server, client, "mail.example");

    words[0] = 0;
    if (both_secured(pair))
        tls_words(pair->client.link.tls, words);
    pair_close(pair);
    return words;
}

static struct tls_context *ruled(const struct contexts *contexts, enum tls_version minimum,
                                 const char *ciphers)
{
    struct tls_server settings = {.identity =
                                      identity_of(contexts->issued.file, contexts->issued.key_file),
                                  .rules = {minimum, span_of_string(ciphers)}};

    return server_new(&settings);
}

/* A client that speaks only that version, as old as it is. */
static struct tls_context *old(const struct contexts *contexts, int version)
{
    struct tls_client settings = {.ca = span_of_string(contexts->authority.file),
                                  .rules = {.minimum = TLS_1_0}};
    struct tls_context *context = client_new(&settings);

    context_speak(context, version);
    return context;
}

Test(tls, speaks_old_versions_only_where_it_was_told_to)
{
    static const int versions[] = {TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION};
    static const char *const names[] = {"TLSv1 ", "TLSv1.1 ", "TLSv1.2 ", "TLSv1.3 "};
    static const struct {
        enum tls_version minimum;
        size_t first;
    } rows[] = {{TLS_DEFAULT, 2}, {TLS_1_0, 0}, {TLS_1_1, 1}, {TLS_1_2, 2}, {TLS_1_3, 3}};
    struct contexts contexts = contexts_new();
    size_t i;
    size_t n;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (n = 0; n < 4; n++) {
            struct tls_context *server = ruled(&contexts, rows[i].minimum, "");
            struct tls_context *client = old(&contexts, versions[n]);
            const char *words = spoken(server, client);

            if (n < rows[i].first)
                cr_assert_str_eq(words, "");
            else
                cr_assert_eq(strncmp(words, names[n], strlen(names[n])), 0, "%s", words);
            tls_context_drop(server);
            tls_context_drop(client);
        }
    }
    contexts_drop(&contexts);
}

Test(tls, speaks_old_versions_to_servers_only_where_it_was_told_to)
{
    struct contexts contexts = contexts_new();
    struct tls_context *client = old(&contexts, TLS1_VERSION);
    struct tls_context *server = ruled(&contexts, TLS_1_0, "");

    context_speak(server, TLS1_VERSION);
    cr_assert_str_eq(spoken(server, contexts.client), "");
    cr_assert_eq(strncmp(spoken(server, client), "TLSv1 ", 6), 0);
    tls_context_drop(client);
    tls_context_drop(server);
    contexts_drop(&contexts);
}

Test(tls, speaks_the_ciphers_it_was_told_to)
{
    static const struct {
        const char *ciphers;
        int version;
        const char *words;
    } rows[] = {
        {"TLS_CHACHA20_POLY1305_SHA256", TLS1_3_VERSION, "TLSv1.3 TLS_CHACHA20_POLY1305_SHA256"},
        {"TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256", TLS1_3_VERSION,
         "TLSv1.3 TLS_AES_128_GCM_SHA256"},
        {"TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256", TLS1_2_VERSION,
         "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256"},
        {"ECDHE-ECDSA-AES256-SHA", TLS1_2_VERSION, "TLSv1.2 ECDHE-ECDSA-AES256-SHA"},
        {"ECDHE-RSA-AES256-GCM-SHA384", TLS1_2_VERSION, ""}, /* there is no RSA key */
    };
    struct contexts contexts = contexts_new();
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tls_context *server = ruled(&contexts, TLS_DEFAULT, rows[i].ciphers);
        struct tls_context *client = old(&contexts, rows[i].version);

        cr_assert_str_eq(spoken(server, client), rows[i].words);
        tls_context_drop(server);
        tls_context_drop(client);
    }
    contexts_drop(&contexts);
}

Test(tls, takes_weak_keys_only_with_old_versions)
{
    struct contexts contexts = contexts_new();
    struct tls_context *legacy = old(&contexts, TLS1_VERSION);

    cr_assert_gt(SSL_CTX_get_security_level(contexts.client->ssl), 0);
    cr_assert_gt(SSL_CTX_get_security_level(contexts.server->ssl), 0);
    cr_assert_eq(SSL_CTX_get_security_level(legacy->ssl), 0);
    tls_context_drop(legacy);
    contexts_drop(&contexts);
}

static void renegotiate(struct peer *peer)
{
    SSL *ssl = peer->link.tls->ssl;

    SSL_clear_options(ssl, SSL_OP_NO_RENEGOTIATION);
    cr_assert_eq(SSL_renegotiate(ssl), 1);
    SSL_do_handshake(ssl);
}

Test(tls, never_renegotiates)
{
    struct contexts contexts = contexts_new();
    struct pair *pair;

    context_speak(contexts.client, TLS1_2_VERSION);
    pair = pair_shake(contexts.server, contexts.client, "mail.example");
    renegotiate(&pair->client);
    pair_settle(pair);
    cr_assert_str_eq(pair->client.why, "TLS: no renegotiation");
    pair_close(pair);
    pair = pair_shake(contexts.server, contexts.client, "mail.example");
    renegotiate(&pair->server);
    pair_settle(pair);
    cr_assert_str_eq(pair->server.why, "TLS: no renegotiation");
    pair_close(pair);
    contexts_drop(&contexts);
}

/* --- holders --- */

Test(tls, connections_keep_the_context_they_began_with)
{
    struct contexts contexts = contexts_new();
    struct pair *pair = pair_secure(contexts.server, contexts.client, "mail.example");

    contexts_drop(&contexts);
    pair_run(pair, both_secured);
    pair_close(pair);
}

Test(tls, writes_keys_only_when_told_to)
{
    static char path[80];
    struct contexts quiet = contexts_new();
    struct contexts talks;
    struct stat status;
    char line[200];
    FILE *file;

    snprintf(path, sizeof(path), "%s", folder_path("keys"));
    pair_close(pair_shake(quiet.server, quiet.client, "mail.example"));
    cr_assert_eq(tls_key_log("/nowhere/keys"), UV_ENOENT);
    folder_text("keys", 0644, "");
    if (geteuid() == 0) {
        cr_assert_eq(chown(path, 1234, 1234), 0);
        cr_assert_eq(tls_key_log(path), UV_EPERM);
        cr_assert_eq(chown(path, 0, 0), 0);
    }
    cr_assert_eq(tls_key_log(path), 0);
    pair_close(pair_shake(quiet.server, quiet.client, "mail.example"));
    cr_assert_eq(stat(path, &status), 0);
    cr_assert_eq(status.st_size, 0);
    cr_assert_eq(status.st_mode & 0777, 0600);
    talks = contexts_new();
    pair_close(pair_shake(talks.server, talks.client, "mail.example"));
    file = fopen(path, "r");
    cr_assert_not_null(fgets(line, sizeof(line), file));
    cr_assert_eq(strncmp(line, "SERVER_HANDSHAKE_TRAFFIC_SECRET ", 32), 0, "%s", line);
    fclose(file);
    contexts_drop(&quiet);
    contexts_drop(&talks);
}
