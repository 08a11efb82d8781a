/* A login in a browser: where the person goes, and what comes back (RFC 6749 4.1, RFC 7636). */
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "base64.h"
#include "lockstep/base/must.h"
#include "lockstep/http/url.h"
#include "oauth.h"

static void random_text(char *text_r, size_t room, size_t bytes)
{
    unsigned char random[32];
    struct text text = text_over(text_r, room - 1);

    must(bytes <= sizeof(random) && RAND_bytes(random, (int)bytes) == 1);
    base64_add_url(span_of((const char *)random, bytes), &text);
    must(!text.cut);
    text_r[text.size] = 0;
    secret_wipe(random, sizeof(random));
}

void oauth_proof_make(struct oauth_proof *proof_r)
{
    random_text(proof_r->verifier, sizeof(proof_r->verifier), 32); /* RFC 7636 4.1 */
    random_text(proof_r->state, sizeof(proof_r->state), 16);
}

void oauth_authorize_url(const struct oauth_party *party, const struct oauth_proof *proof,
                         struct span user, struct span redirect, struct text *url)
{
    struct span verifier = span_of_string(proof->verifier);
    unsigned char hash[SHA256_DIGEST_LENGTH];
    char memory[64];
    char query_memory[2048];
    struct text challenge = text_over(memory, sizeof(memory));
    struct text query = text_over(query_memory, sizeof(query_memory));

    SHA256((const unsigned char *)verifier.at, verifier.size, hash);
    base64_add_url(span_of((const char *)hash, sizeof(hash)), &challenge);
    url_add_field(SPAN("client_id"), party->client_id, &query);
    url_add_field(SPAN("response_type"), SPAN("code"), &query);
    url_add_field(SPAN("redirect_uri"), redirect, &query);
    url_add_field(SPAN("scope"), party->scope, &query);
    url_add_field(SPAN("state"), span_of_string(proof->state), &query);
    url_add_field(SPAN("code_challenge"), text_span(&challenge), &query);
    url_add_field(SPAN("code_challenge_method"), SPAN("S256"), &query);
    if (user.size > 0)
        url_add_field(SPAN("login_hint"), user, &query);
    text_add(url, party->authorize);
    text_add_byte(url, span_find(party->authorize, '?') < party->authorize.size ? '&' : '?');
    text_add(url, text_span(&query));
    text_add(url, party->preset->more);
    url->cut |= query.cut;
}

/* --- what comes back --- */

static int hex_value(char digit)
{
    struct span digits = SPAN("0123456789abcdef");
    char folded = digit >= 'A' && digit <= 'F' ? (char)(digit | 0x20) : digit;
    size_t value = span_find(digits, folded);

    return value < digits.size ? (int)value : -1;
}

/* A field's value as it was before it was escaped. */
static void unescape(struct span value, struct text *out)
{
    size_t i;

    for (i = 0; i < value.size; i++) {
        int high = i + 2 < value.size ? hex_value(value.at[i + 1]) : -1;
        int low = high >= 0 ? hex_value(value.at[i + 2]) : -1;

        if (value.at[i] == '%' && low >= 0) {
            text_add_byte(out, (char)(high << 4 | low));
            i += 2;
        } else {
            text_add_byte(out, value.at[i] == '+' ? ' ' : value.at[i]);
        }
    }
}

/* False: it is not among the fields, or longer than there is room for. */
static bool find_field(struct span query, struct span name, struct text *value_r)
{
    while (query.size > 0) {
        struct span field = span_head(query, span_find(query, '&'));
        size_t equals = span_find(field, '=');

        if (span_equal(span_head(field, equals), name)) {
            unescape(span_tail(field, equals + 1), value_r);
            return !value_r->cut;
        }
        query = span_tail(query, field.size + 1);
    }
    return false;
}

/* A provider's words, which may be anything, without what would not show as it is. */
static void add_clean(struct span said, struct text *error)
{
    size_t i;

    for (i = 0; i < said.size; i++)
        text_add_byte(error, said.at[i] < ' ' || said.at[i] > '~' ? '?' : said.at[i]);
}

static bool say_refused(struct span query, struct text *error)
{
    char memory[160];
    struct text word = text_over(memory, sizeof(memory));

    if (!find_field(query, SPAN("error"), &word))
        return false;
    text_add(error, SPAN("the provider says "));
    add_clean(text_span(&word), error);
    text_clear(&word);
    if (find_field(query, SPAN("error_description"), &word) || word.size > 0) {
        text_add(error, SPAN(": "));
        add_clean(text_span(&word), error);
    }
    return true;
}

static bool state_fits(struct span query, const struct oauth_proof *proof)
{
    char memory[sizeof(proof->state)];
    struct text state = text_over(memory, sizeof(memory));

    return find_field(query, SPAN("state"), &state) &&
           span_equal(text_span(&state), span_of_string(proof->state));
}

/* What follows "?", or the whole when it looks like that. */
static struct span query_of(struct span pasted)
{
    size_t question = span_find(pasted, '?');

    pasted = question < pasted.size ? span_tail(pasted, question + 1) : pasted;
    return span_head(pasted, span_find(pasted, '#'));
}

/* A bare code may hold "=", too. */
static bool is_query(struct span text)
{
    return span_find_span(text, SPAN("code=")) < text.size ||
           span_find_span(text, SPAN("state=")) < text.size ||
           span_find_span(text, SPAN("error=")) < text.size;
}

bool oauth_read_redirect(struct span pasted, const struct oauth_proof *proof, struct secret *code_r,
                         struct text *error)
{
    struct span whole = span_trim(pasted);
    struct span query = query_of(whole);
    bool address = span_find(whole, '?') < whole.size;
    struct text code;
    bool found;

    secret_clear(code_r);
    code = text_over(code_r->bytes, sizeof(code_r->bytes));
    /* Any page can send the browser to an address; a bare code only comes from the person. */
    if (!address && !is_query(query)) {
        found = secret_set(code_r, query) && query.size > 0;
        if (!found)
            text_add(error, SPAN("that is neither a code nor the address the browser was sent to"));
        return found;
    }
    if (!state_fits(query, proof)) {
        text_add(error, SPAN("that belongs to another login: its state is not the one of this"));
        return false;
    }
    if (say_refused(query, error))
        return false;
    found = find_field(query, SPAN("code"), &code) && code.size > 0;
    code_r->size = found ? code.size : 0;
    if (!found)
        text_add(error, SPAN("there is no code in it"));
    return found;
}
