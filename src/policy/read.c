/* Reads a tree of nodes into a configuration, by the rows of the schema. */
#include "lockstep/base/must.h"

#include "build.h"
#include "quote.h"
#include "value.h"

/* Instead of what stands where a password may have been written. */
static const struct span hidden = SPAN_INIT("[secret]");

struct reader {
    struct config *config;
    const struct config_node *nodes;
    struct text *arena;
    struct config_problems *problems;
    uint64_t spoilt[BASE_COUNT]; /* one bit each: which could not be read whole */
};

/* What a mapping may hold: the words of which bases, and where their fields are. */
struct place {
    const char *name;
    void *objects[BASE_COUNT]; /* NULL: no words of that base */
};

struct text *config_problem(struct config_problems *problems, uint32_t line, uint32_t column)
{
    uint32_t number = problems->count;
    struct config_problem *problem = &problems->rows[number];

    if (number < CONFIG_PROBLEMS_MAX)
        problems->count++;
    else
        problems->more++;
    problem->line = line;
    problem->column = column;
    problem->says = text_over(problem->memory, sizeof(problem->memory));
    return &problem->says;
}

static struct text *complain_value(struct reader *reader, const struct config_node *node)
{
    return config_problem(reader->problems, node->line, node->column);
}

static struct text *complain_key(struct reader *reader, const struct config_node *node)
{
    if (node->key_line == 0)
        return complain_value(reader, node);
    return config_problem(reader->problems, node->key_line, node->key_column);
}

/* The node behind another one, NULL at the end; and, past the last kept problem, an end to all
 * reading: what a file can make us do is bounded by what it may hold. */
static const struct config_node *node_at(const struct reader *reader, uint32_t number)
{
    return number == 0 || reader->problems->more > 0 ? NULL : &reader->nodes[number];
}

static const struct config_node *node_find(const struct reader *reader,
                                           const struct config_node *parent, struct span key)
{
    const struct config_node *node = node_at(reader, parent->child);

    while (node && !span_equal(node->key, key))
        node = node_at(reader, node->next);
    return node;
}

/* The node of "limits.rows" inside a mapping; NULL: it is not said there. */
static const struct config_node *node_find_path(const struct reader *reader,
                                                const struct config_node *parent, struct span path)
{
    size_t dot = span_find(path, '.');
    const struct config_node *node = node_find(reader, parent, span_head(path, dot));

    if (node && dot < path.size)
        node = node_find(reader, node, span_tail(path, dot + 1));
    return node;
}

/* "`key` is `value`: write `right`." */
static void complain_instead(struct reader *reader, const struct config_node *node,
                             struct span right)
{
    struct text *error = complain_value(reader, node);

    quote_value(node->key, error);
    text_add(error, SPAN(" is "));
    if (node->kind == CONFIG_SCALAR)
        quote_value(node->text, error);
    else if (node->kind == CONFIG_MAPPING)
        text_add(error, SPAN("a set of keys"));
    else
        text_add(error, node->child ? SPAN("a list") : SPAN("an empty list"));
    text_add(error, SPAN(": write "));
    text_add(error, right);
}

/* Whether the node is of that kind; if not, says what should stand there. */
static bool expect(struct reader *reader, const struct config_node *node, enum config_kind kind,
                   struct span right)
{
    if (node->kind != kind)
        complain_instead(reader, node, right);
    return node->kind == kind;
}

/* A key that stands twice means two things: the second is refused. */
static bool is_first(struct reader *reader, const struct config_node *parent,
                     const struct config_node *node)
{
    const struct config_node *first = node_find(reader, parent, node->key);
    struct text *error;

    if (!first || first == node)
        return true;
    error = complain_key(reader, node);
    quote_value(node->key, error);
    text_add(error, SPAN(" stands here twice, first in line "));
    text_add_number(error, first->key_line);
    text_add(error, SPAN(": keep one of them"));
    return false;
}

static void read_scalar(struct reader *reader, const struct row *row, void *object,
                        const struct config_node *node)
{
    char memory[CONFIG_SENTENCE_MAX];
    struct text error = text_over(memory, sizeof(memory));
    struct span value = node->text;

    if (text_left(reader->arena) < value.size)
        text_add(&error, SPAN("too much text in all: write less"));
    else if (value_set(row, object, config_copy(reader->arena, value), &error))
        return;
    text_add(complain_value(reader, node), text_span(&error));
}

static void read_list(struct reader *reader, const struct row *row, void *object,
                      const struct config_node *list, struct span right)
{
    const struct config_node *node = node_at(reader, list->child);
    struct config_node item;

    if (!node)
        complain_instead(reader, list, right);
    for (; node; node = node_at(reader, node->next)) {
        item = *node;
        item.key = list->key;
        if (expect(reader, &item, CONFIG_SCALAR, SPAN("one value in each entry")))
            read_scalar(reader, row, object, node);
    }
}

static void read_value(struct reader *reader, const struct row *row, void *object,
                       const struct config_node *node)
{
    char memory[CONFIG_SENTENCE_MAX];
    struct text expected = text_over(memory, sizeof(memory));
    bool list = row->type >= TYPE_LISTEN && row->type < TYPE_VERSION;

    value_expected(row, &expected);
    if (list && node->kind == CONFIG_SEQUENCE)
        read_list(reader, row, object, node, text_span(&expected));
    else if (expect(reader, node, CONFIG_SCALAR, text_span(&expected)))
        read_scalar(reader, row, object, node);
}

static unsigned place_bases(const struct place *place)
{
    unsigned bases = 0;
    unsigned base;

    for (base = 0; base < BASE_COUNT; base++)
        bases |= place->objects[base] ? BASE_BIT(base) : 0;
    return bases;
}

static void read_word(struct reader *reader, const struct place *place, struct span section,
                      const struct config_node *node)
{
    const struct row *row = schema_find(place_bases(place), section, node->key);
    struct text *error;

    if (!row) {
        error = complain_key(reader, node);
        text_add(error, SPAN("unknown key "));
        quote_value(node->key, error);
        text_add(error, SPAN(": "));
        schema_unknown(place_bases(place), section, node->key, error);
    } else if (row->type < TYPE_VERSION) {
        read_value(reader, row, place->objects[row->base], node);
    }
}

static void read_section(struct reader *reader, const struct place *place,
                         const struct config_node *section)
{
    const struct config_node *node;
    struct config_node item = *section;

    if (place->objects[BASE_CREDENTIAL])
        item.text = hidden;
    if (!expect(reader, &item, CONFIG_MAPPING, SPAN("its words below it, each with a value")))
        return;
    for (node = node_at(reader, section->child); node; node = node_at(reader, node->next)) {
        if (is_first(reader, section, node))
            read_word(reader, place, section->key, node);
    }
}

/* The relay that is wherever the client wanted to go is in no one place. */
static bool may_lack(const struct row *row, const struct config_node *mapping)
{
    return row->initial || row->type == TYPE_VERSION ||
           (row->type == TYPE_CONNECT && span_equal(mapping->key, SPAN(CONFIG_RELAY_ORIGINAL)));
}

/* Everything of a mapping but what only the top of a file holds; then looks what is missing. */
static void read_place(struct reader *reader, const struct place *place,
                       const struct config_node *mapping)
{
    const struct config_node *node;
    const struct row *row;
    struct text *error;
    size_t i;

    for (node = node_at(reader, mapping->child); node; node = node_at(reader, node->next)) {
        if (!is_first(reader, mapping, node))
            continue;
        if (schema_has_section(place_bases(place), node->key))
            read_section(reader, place, node);
        else
            read_word(reader, place, SPAN(""), node);
    }
    for (i = 0; (row = schema_row(i)) != NULL && reader->problems->more == 0; i++) {
        if (!place->objects[row->base] || may_lack(row, mapping) ||
            node_find(reader, mapping, span_of_string(row->word)))
            continue;
        error = complain_key(reader, mapping);
        schema_path(row, error);
        text_add(error, SPAN(" is missing "));
        text_add(error, span_of_string(place->name));
        text_add(error, SPAN(": write "));
        value_expected(row, error);
    }
}

/* Parts of a file of which there may be several, in a list or by their names. */
struct parts {
    enum base base;
    enum config_kind kind;
    uint32_t max;
    struct span noun;    /* "a relay" */
    struct span wanted;  /* "relays by their names" */
    struct span some;    /* "at least one relay by its name" */
    struct span example; /* of one */
    const char *place;   /* "in this relay" */
};

static const struct parts relay_parts = {
    .base = BASE_RELAY,
    .kind = CONFIG_MAPPING,
    .max = CONFIG_RELAYS_MAX,
    .noun = SPAN_INIT("a relay"),
    .wanted = SPAN_INIT("relays by their names"),
    .some = SPAN_INIT("at least one relay by its name"),
    .example = SPAN_INIT("{address: smtp://HOST:PORT}"),
    .place = "in this relay",
};

static const struct parts credential_parts = {
    .base = BASE_CREDENTIAL,
    .kind = CONFIG_MAPPING,
    .max = CONFIG_CREDENTIALS_MAX,
    .noun = SPAN_INIT("a credential"),
    .wanted = SPAN_INIT("credentials by their names"),
    .some = SPAN_INIT("at least one credential by its name"),
    .example = SPAN_INIT("{user: ..., password_file: ...}"),
    .place = "in this credential",
};

static const struct parts listener_parts = {
    .base = BASE_LISTENER,
    .kind = CONFIG_SEQUENCE,
    .max = CONFIG_LISTENERS_MAX,
    .wanted = SPAN_INIT("a list of listeners"),
    .some = SPAN_INIT("at least one listener"),
    .example = SPAN_INIT("{name: ..., listen: ..., relay: ...}"),
    .place = "in this listener",
};

static const struct parts route_parts = {
    .base = BASE_ROUTE,
    .kind = CONFIG_SEQUENCE,
    .max = ROUTES_MAX,
    .wanted = SPAN_INIT("a list of routes"),
    .some = SPAN_INIT("at least one route"),
    .example = SPAN_INIT("{sender: ..., credential: ...}"),
    .place = "in this route",
};

/* One more of them: where its words go, in `place_r`. `listener` is the one that a route is of. */
static void add_part(struct reader *reader, const struct parts *parts, struct span name,
                     struct config_listener *listener, struct place *place_r)
{
    struct config *config = reader->config;
    struct config_relay *relay;

    *place_r = (struct place){.name = parts->place};
    if (parts->base == BASE_RELAY) {
        relay = config_add_relay(config, config_copy(reader->arena, name));
        place_r->objects[BASE_RELAY] = relay;
        place_r->objects[BASE_SESSION] = &relay->session;
    } else if (parts->base == BASE_CREDENTIAL) {
        place_r->objects[BASE_CREDENTIAL] =
            config_add_credential(config, config_copy(reader->arena, name));
    } else if (parts->base == BASE_ROUTE) {
        place_r->objects[BASE_ROUTE] = policy_add_route(&listener->policy);
    } else {
        listener = config_add_listener(config);
        place_r->objects[BASE_LISTENER] = listener;
        place_r->objects[BASE_POLICY] = &listener->policy;
    }
}

static bool is_part_name(struct reader *reader, const struct parts *parts,
                         const struct config_node *node)
{
    struct text *error;

    if (value_is_name(node->key))
        return true;
    error = complain_key(reader, node);
    text_add(error, parts->noun);
    text_add(error, SPAN("'s name is "));
    quote_value(node->key, error);
    text_add(error, SPAN(": write letters, digits, dots and hyphens"));
    return false;
}

static bool too_many(struct reader *reader, const struct config_node *node, uint32_t count,
                     uint32_t max)
{
    struct text *error;

    if (count < max)
        return false;
    error = complain_key(reader, node);
    text_add(error, SPAN("one too many here: write at most "));
    text_add_number(error, max);
    return true;
}

static void read_parts(struct reader *reader, const struct parts *parts,
                       const struct config_node *parent, struct config_listener *listener)
{
    const struct config_node *node;
    struct config_node item;
    struct place place;
    uint32_t count = 0;

    if (!expect(reader, parent, parts->kind, parts->wanted))
        return;
    if (!node_at(reader, parent->child))
        complain_instead(reader, parent, parts->some);
    for (node = node_at(reader, parent->child); node; node = node_at(reader, node->next)) {
        uint32_t problems = reader->problems->count;

        if (parts->kind == CONFIG_MAPPING &&
            (!is_first(reader, parent, node) || !is_part_name(reader, parts, node)))
            continue;
        if (too_many(reader, node, count, parts->max))
            return;
        add_part(reader, parts, node->key, listener, &place);
        item = *node;
        if (parts->kind == CONFIG_SEQUENCE)
            item.key = parent->key;
        if (parts->base == BASE_CREDENTIAL)
            item.text = hidden;
        if (expect(reader, &item, CONFIG_MAPPING, parts->example))
            read_place(reader, &place, node);
        if (problems != reader->problems->count)
            reader->spoilt[parts->base] |= 1ULL << count;
        count++;
    }
}

/* The routes of all listeners, once their own words are read. */
static void read_routes(struct reader *reader, const struct config_node *listeners)
{
    const struct config_node *node = node_at(reader, listeners->child);
    uint32_t i;

    for (i = 0; node && i < reader->config->listener_count; i++) {
        const struct config_node *routes = node_find(reader, node, SPAN("routes"));
        uint32_t problems = reader->problems->count;

        if (routes)
            read_parts(reader, &route_parts, routes, &reader->config->listeners[i]);
        if (problems != reader->problems->count)
            reader->spoilt[BASE_LISTENER] |= 1ULL << i;
        node = node_at(reader, node->next);
    }
}

/* Where a part says a word, or where the top of the file says it for all; else the part itself. */
static const struct config_node *said_at(const struct reader *reader,
                                         const struct config_node *part, struct span path)
{
    const struct config_node *node = node_find_path(reader, part, path);

    if (!node)
        node = node_find_path(reader, &reader->nodes[0], path);
    return node ? node : part;
}

/* Whether the node is that part: some were refused, and stand in the file only. */
static bool is_part(const struct reader *reader, const struct config_node *node,
                    const struct subject *subject)
{
    const struct config *config = reader->config;

    if (subject->base == BASE_RELAY)
        return span_equal(node->key, config->relays[subject->number].name);
    if (subject->base == BASE_CREDENTIAL)
        return span_equal(node->key, config->credentials[subject->number].name);
    return true;
}

static void check_part(struct reader *reader, const struct config_node *node,
                       const struct subject *subject)
{
    char memory[CONFIG_SENTENCE_MAX];
    struct text error = text_over(memory, sizeof(memory));
    struct span path = config_conflict(reader->config, subject, &error);

    if (path.size > 0)
        text_add(complain_value(reader, said_at(reader, node, path)), text_span(&error));
}

/* The parts that were read whole: do their words agree with each other, and with the rest? */
static void check_parts(struct reader *reader, enum base base, uint32_t listener,
                        const struct config_node *parent)
{
    const struct config_node *node = parent ? node_at(reader, parent->child) : NULL;
    struct subject subject = {.base = base, .listener = listener};

    for (; node && subject_exists(reader->config, &subject); node = node_at(reader, node->next)) {
        if (!is_part(reader, node, &subject))
            continue;
        if (base == BASE_ROUTE || (reader->spoilt[base] >> subject.number & 1) == 0)
            check_part(reader, node, &subject);
        subject.number++;
    }
}

static void check_all(struct reader *reader, const struct config_node *listeners)
{
    const struct config_node *root = &reader->nodes[0];
    const struct config_node *node = node_at(reader, listeners->child);
    uint32_t i;

    check_part(reader, root, &(struct subject){.base = BASE_CONFIG});
    check_parts(reader, BASE_RELAY, 0, node_find(reader, root, SPAN("relays")));
    check_parts(reader, BASE_CREDENTIAL, 0, node_find(reader, root, SPAN("credentials")));
    check_parts(reader, BASE_LISTENER, 0, listeners);
    for (i = 0; node && i < reader->config->listener_count; i++) {
        if ((reader->spoilt[BASE_LISTENER] >> i & 1) == 0)
            check_parts(reader, BASE_ROUTE, i, node_find(reader, node, SPAN("routes")));
        node = node_at(reader, node->next);
    }
}

static bool read_version(struct reader *reader, const struct config_node *root)
{
    const struct config_node *first = node_at(reader, root->child);
    const struct config_node *version = node_find(reader, root, SPAN("config_version"));
    struct text *error;

    if (version && (version->kind != CONFIG_SCALAR || !span_equal(version->text, SPAN("1")))) {
        /* Another version is another grammar: nothing further can be said of the file. */
        complain_instead(reader, version, SPAN("1, the only version there is"));
        return false;
    }
    if (version != first || !first) {
        error = first ? complain_key(reader, first) : complain_value(reader, root);
        text_add(error, SPAN("the file does not begin with its version: write `config_version: 1` "
                             "above everything else"));
    }
    return true;
}

bool config_read(struct config *config, const struct config_tree *tree, struct text *arena,
                 struct config_problems *problems)
{
    struct reader reader = {config, tree->nodes, arena, problems, {0}};
    struct place top = {.name = "in this file", .objects = {[BASE_CONFIG] = config}};
    const struct config_node *root = &tree->nodes[0];
    const struct config_node *node;

    must(tree->count > 0);
    top.objects[BASE_POLICY] = &config->policy;
    if (root->kind != CONFIG_MAPPING) {
        text_add(complain_value(&reader, root),
                 SPAN("a configuration is a set of keys: begin with `config_version: 1`"));
        return false;
    }
    if (!read_version(&reader, root))
        return false;
    read_place(&reader, &top, root);
    if ((node = node_find(&reader, root, SPAN("relays"))) != NULL)
        read_parts(&reader, &relay_parts, node, NULL);
    if ((node = node_find(&reader, root, SPAN("credentials"))) != NULL)
        read_parts(&reader, &credential_parts, node, NULL);
    if ((node = node_find(&reader, root, SPAN("listeners"))) != NULL) {
        read_parts(&reader, &listener_parts, node, NULL);
        read_routes(&reader, node);
        config_settle(config);
        check_all(&reader, node);
    }
    if (config->relay_count == 0 && problems->more == 0 &&
        node_find(&reader, root, SPAN("relays")) == NULL)
        text_add(complain_key(&reader, root),
                 SPAN("`relays` is missing in this file: write relays by their names"));
    return problems->count == 0;
}
