/* How a word is found in the table, and what is said of one that is not in it. */
#include "schema.h"

const struct row *schema_row(size_t number)
{
    if (number < schema_serving_count)
        return &schema_serving[number];
    number -= schema_serving_count;
    return number < schema_reaching_count ? &schema_reaching[number] : NULL;
}

static bool stands_in(const struct row *row, unsigned bases, struct span section)
{
    return (bases & BASE_BIT(row->base)) && span_equal(span_of_string(row->section), section);
}

const struct row *schema_find(unsigned bases, struct span section, struct span word)
{
    const struct row *row;
    size_t i;

    for (i = 0; (row = schema_row(i)) != NULL; i++) {
        if (stands_in(row, bases, section) && span_equal(span_of_string(row->word), word))
            break;
    }
    return row;
}

const struct row *schema_find_path(unsigned bases, struct span path)
{
    size_t dot = span_find(path, '.');

    if (dot == path.size)
        return schema_find(bases, SPAN(""), path);
    /* ".mode" is not "mode". */
    return dot == 0 ? NULL : schema_find(bases, span_head(path, dot), span_tail(path, dot + 1));
}

bool schema_has_section(unsigned bases, struct span section)
{
    const struct row *row;
    size_t i;

    for (i = 0; (row = schema_row(i)) != NULL; i++) {
        if (section.size > 0 && stands_in(row, bases, section))
            return true;
    }
    return false;
}

/* The word, or at the top of a place the section, that is spelt most alike; empty: none is. */
static struct span nearest(unsigned bases, struct span section, struct span word)
{
    size_t allowed = 1 + word.size / 4;
    struct span found = SPAN("");
    const struct row *row;
    size_t i;

    for (i = 0; (row = schema_row(i)) != NULL; i++) {
        struct span name = span_of_string(row->word);
        size_t away;

        if (!stands_in(row, bases, section)) {
            if (section.size > 0 || !(bases & BASE_BIT(row->base)))
                continue;
            name = span_of_string(row->section);
        }
        away = span_distance(word, name);
        if (away <= allowed && (found.size == 0 || away < allowed)) {
            allowed = away;
            found = name;
        }
    }
    return found;
}

void schema_path(const struct row *row, struct text *out)
{
    text_add_byte(out, '`');
    text_add(out, span_of_string(row->section));
    if (*row->section)
        text_add_byte(out, '.');
    text_add(out, span_of_string(row->word));
    text_add_byte(out, '`');
}

/* What people write where a secret would stand, and what to write instead; empty: it is no such
 * word. */
static struct span instead_of_secret(struct span word)
{
    static const struct {
        const char *word;
        struct span instead;
    } secrets[] = {
#define PASSWORD \
    SPAN_INIT("write password_file, password_command, password_env, credential or store")
        {"password", PASSWORD},
        {"passwd", PASSWORD},
        {"pass", PASSWORD},
        {"passphrase", PASSWORD},
        {"secret", PASSWORD},
#undef PASSWORD
#define CLIENT_SECRET SPAN_INIT("write client-secret_file or client-secret_store")
        {"client-secret", CLIENT_SECRET},
        {"client_secret", CLIENT_SECRET},
#undef CLIENT_SECRET
#define TOKEN SPAN_INIT("write token_file, or keep it in the store")
        {"token", TOKEN},
        {"access-token", TOKEN},
        {"access_token", TOKEN},
        {"refresh-token", TOKEN},
        {"refresh_token", TOKEN},
#undef TOKEN
    };
    size_t i;

    for (i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        if (span_equal_fold(word, span_of_string(secrets[i].word)))
            return secrets[i].instead;
    }
    return SPAN("");
}

void schema_unknown(unsigned bases, struct span section, struct span word, struct text *error)
{
    static const char *const places[BASE_COUNT] = {
        [BASE_CONFIG] = "it belongs at the top of the file",
        [BASE_POLICY] = "it belongs in a listener, or at the top of the file for all of them",
        [BASE_LISTENER] = "it belongs in a listener",
        [BASE_ROUTE] = "it belongs in a route of a listener",
        [BASE_RELAY] = "it belongs in a relay",
        [BASE_SESSION] = "it belongs in a relay",
        [BASE_SCRIPT] = "the name or the address of the relay says it",
        [BASE_CREDENTIAL] = "it belongs in a credential",
    };
    struct span near = nearest(bases, section, word);
    struct span instead = instead_of_secret(word);
    const struct row *elsewhere = schema_find(~0U, section, word);

    if (section.size == 0 && schema_has_section(bases, word)) {
        text_add(error, SPAN("name one of its words behind a dot"));
    } else if (instead.size > 0) {
        text_add(error, SPAN("no secret stands in this file, "));
        text_add(error, instead);
    } else if (near.size > 0) {
        text_add(error, SPAN("did you mean `"));
        text_add(error, near);
        text_add(error, SPAN("`?"));
    } else if (elsewhere) {
        text_add(error, span_of_string(places[elsewhere->base]));
    } else {
        text_add(error, SPAN("`lockstep check --words` lists what may stand there"));
    }
}

void schema_unknown_path(unsigned bases, struct span path, struct text *error)
{
    size_t dot = span_find(path, '.');
    bool split = dot < path.size && dot > 0;

    text_add(error, SPAN("unknown word `"));
    text_add(error, path);
    text_add(error, SPAN("`: "));
    schema_unknown(bases, split ? span_head(path, dot) : SPAN(""),
                   split ? span_tail(path, dot + 1) : path, error);
}
