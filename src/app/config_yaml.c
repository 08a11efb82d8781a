/* YAML to nodes, by the events of libfyaml: each of them knows its exact place, and a flat loop
 * with a bounded stack needs no recursion. */
#include "config_yaml.h"

#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"

struct level {
    uint32_t parent; /* the node whose children are being read */
    uint32_t last;   /* its last child so far, 0: none */
    bool keyed;      /* a key was read and waits for its value */
    struct span key;
    uint32_t key_line;
    uint32_t key_column;
};

struct builder {
    struct config_yaml *yaml;
    struct config_problems *problems;
    struct level levels[CONFIG_DEPTH_MAX];
    uint32_t depth; /* levels in use */
    bool whole;     /* one document has been read to its end */
};

struct place {
    uint32_t line;
    uint32_t column;
};

static bool complain(struct builder *builder, struct place place, struct span sentence)
{
    text_add(config_problem(builder->problems, place.line, place.column), sentence);
    return false;
}

/* Bytes of the UTF-8 character at the front (RFC 3629 4), 0: there is none. */
static size_t character_size(struct span text)
{
    static const struct {
        unsigned char first, last, second_min, second_max;
        size_t size;
    } forms[] = {
        {0x00, 0x7F, 0, 0, 1},       {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
        {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
        {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
    };
    const unsigned char *bytes = (const unsigned char *)text.at;
    size_t form, i;

    for (form = 0; form < sizeof(forms) / sizeof(forms[0]); form++) {
        if (bytes[0] < forms[form].first || bytes[0] > forms[form].last)
            continue;
        if (forms[form].size > text.size)
            return 0;
        for (i = 1; i < forms[form].size; i++) {
            unsigned char minimum = i == 1 ? forms[form].second_min : 0x80;
            unsigned char maximum = i == 1 ? forms[form].second_max : 0xBF;

            if (bytes[i] < minimum || bytes[i] > maximum)
                return 0;
        }
        return forms[form].size;
    }
    return 0;
}

/* What is wrong with the character at the front; empty: nothing. */
static struct span bad_character(struct span file, bool indenting)
{
    char byte = file.at[0];

    if (character_size(file) == 0)
        return SPAN("not UTF-8: save the file as UTF-8");
    if (byte == '\t' && indenting)
        return SPAN("a tab in the indentation: write spaces");
    if ((byte >= 0 && byte < ' ' && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7F)
        return SPAN("a control character: remove it, or save the file as text");
    return SPAN("");
}

/* Whether the file is text at all; the reader of YAML is spared what is not. */
static bool check_text(struct builder *builder, struct span file)
{
    struct place place = {1, 1};
    bool indenting = true;

    while (file.size > 0) {
        struct span wrong = bad_character(file, indenting);

        if (wrong.size > 0)
            return complain(builder, place, wrong);
        if (file.at[0] == '\n')
            place = (struct place){place.line + 1, 0};
        indenting = file.at[0] == '\n' || (indenting && file.at[0] == ' ');
        place.column++;
        file = span_tail(file, character_size(file));
    }
    return true;
}

/* Where a mark is; `sigil` is how many bytes in front of it belong to it: libfyaml leaves out the
 * quote, the `&` and the `*`. */
static struct place mark_place(const struct fy_mark *mark, int sigil, struct place otherwise)
{
    if (!mark || mark->line < 0 || mark->column < sigil)
        return otherwise;
    return (struct place){(uint32_t)mark->line + 1, (uint32_t)(mark->column - sigil) + 1};
}

static bool is_quoted(struct fy_event *event)
{
    enum fy_scalar_style style = FYSS_PLAIN;

    if (event->type == FYET_SCALAR)
        style = fy_token_scalar_style(event->scalar.value);
    return style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
}

static struct span keep_text(struct config_yaml *yaml, struct fy_token *token)
{
    size_t size = 0, start = yaml->texts.size;
    const char *at = token ? fy_token_get_text(token, &size) : NULL;

    if (at)
        text_add(&yaml->texts, span_of(at, size));
    must(!yaml->texts.cut);
    return span_tail(text_span(&yaml->texts), start);
}

/* What is being filled; NULL: nothing has begun yet. */
static struct level *top_level(struct builder *builder)
{
    return builder->depth > 0 ? &builder->levels[builder->depth - 1] : NULL;
}

static uint32_t add_node(struct builder *builder, enum config_kind kind, struct place place)
{
    struct config_yaml *yaml = builder->yaml;
    struct level *level = top_level(builder);
    struct config_node *node;

    if (yaml->count == yaml->room) {
        yaml->room = yaml->room ? 2 * yaml->room : 64;
        yaml->nodes = realloc(yaml->nodes, yaml->room * sizeof(*yaml->nodes));
        must(yaml->nodes != NULL);
    }
    node = &yaml->nodes[yaml->count];
    *node = (struct config_node){.kind = kind, .line = place.line, .column = place.column};
    if (level) {
        node->key = level->key;
        node->key_line = level->key_line;
        node->key_column = level->key_column;
        if (level->last)
            yaml->nodes[level->last].next = (uint32_t)yaml->count;
        else
            yaml->nodes[level->parent].child = (uint32_t)yaml->count;
        level->last = (uint32_t)yaml->count;
        level->key = SPAN("");
        level->key_line = level->key_column = 0;
        level->keyed = false;
    }
    return (uint32_t)yaml->count++;
}

/* Inside a mapping every other event is a key. */
static bool wants_key(struct builder *builder)
{
    const struct level *level = top_level(builder);

    return level && !level->keyed && builder->yaml->nodes[level->parent].kind == CONFIG_MAPPING;
}

static void take_scalar(struct builder *builder, struct fy_event *event, struct place place)
{
    struct span text = keep_text(builder->yaml, event->scalar.value);
    struct level *level = top_level(builder);

    if (!wants_key(builder)) {
        uint32_t node = add_node(builder, CONFIG_SCALAR, place);

        builder->yaml->nodes[node].text = text;
        return;
    }
    level->key = text;
    level->key_line = place.line;
    level->key_column = place.column;
    level->keyed = true;
}

static bool take_start(struct builder *builder, enum config_kind kind, struct place place)
{
    uint32_t node;

    if (builder->depth == CONFIG_DEPTH_MAX)
        return complain(builder, place, SPAN("nested too deep: no word stands this deep"));
    if (wants_key(builder))
        return complain(builder, place, SPAN("a list or a mapping as a key: write one word"));
    node = add_node(builder, kind, place);
    builder->levels[builder->depth++] = (struct level){.parent = node};
    return true;
}

static bool take_event(struct builder *builder, struct fy_event *event)
{
    const struct level *level = top_level(builder);
    struct place key =
        level ? (struct place){level->key_line, level->key_column} : (struct place){1, 1};
    struct fy_token *anchor = fy_event_get_anchor_token(event);
    struct fy_token *tag = fy_event_get_tag_token(event);
    struct place place = mark_place(fy_event_start_mark(event), is_quoted(event), key);

    if (event->type == FYET_ALIAS)
        return complain(builder, mark_place(fy_event_start_mark(event), 1, key),
                        SPAN("an alias: write the value out; a `*` itself needs quotes"));
    if (anchor)
        return complain(builder, mark_place(fy_token_start_mark(anchor), 1, place),
                        SPAN("an anchor: write the value out where it is used"));
    if (tag)
        return complain(builder, mark_place(fy_token_start_mark(tag), 0, place),
                        SPAN("a tag: leave it out, each key knows its type"));
    switch (event->type) {
    case FYET_DOCUMENT_START:
        if (builder->whole)
            return complain(builder, place, SPAN("a second document: keep one in a file"));
        return true;
    case FYET_DOCUMENT_END:
        builder->whole = true;
        return true;
    case FYET_MAPPING_START:
        return take_start(builder, CONFIG_MAPPING, place);
    case FYET_SEQUENCE_START:
        return take_start(builder, CONFIG_SEQUENCE, place);
    case FYET_MAPPING_END:
    case FYET_SEQUENCE_END:
        builder->depth--;
        return true;
    case FYET_SCALAR:
        take_scalar(builder, event, place);
        return true;
    case FYET_NONE:
    case FYET_STREAM_START:
    case FYET_STREAM_END:
    case FYET_ALIAS:
        return true;
    }
    return true;
}

/* The parser's own complaint, the first if it has several: later ones follow from it. */
static bool complain_syntax(struct builder *builder, struct fy_diag *diag)
{
    void *previous = NULL;
    const struct fy_diag_error *error = fy_diag_errors_iterate(diag, &previous);
    struct place place = {1, 1};
    struct text *says;

    if (error && error->line > 0)
        place =
            (struct place){(uint32_t)error->line, error->column > 0 ? (uint32_t)error->column : 1};
    says = config_problem(builder->problems, place.line, place.column);
    text_add(says, SPAN("not YAML, "));
    text_add(says, span_of_string(error ? error->msg : "the parser gave up"));
    text_add(says, SPAN(": mend the indentation, quotes or brackets here or just above"));
    return false;
}

static bool take_events(struct builder *builder, struct fy_parser *parser, struct fy_diag *diag)
{
    struct fy_event *event;
    bool good = true;

    while (good && (event = fy_parser_parse(parser))) {
        good = take_event(builder, event);
        fy_parser_event_free(parser, event);
    }
    if (good && fy_parser_get_stream_error(parser))
        return complain_syntax(builder, diag);
    if (good && builder->yaml->count == 0)
        return complain(builder, (struct place){1, 1},
                        SPAN("the file is empty: begin with `config_version: 1`"));
    return good;
}

bool config_yaml_read(struct config_yaml *yaml_r, struct span file,
                      struct config_problems *problems)
{
    struct builder builder = {.yaml = yaml_r, .problems = problems};
    /* No text grows in reading by more than a half: "\L" is the worst, three bytes from two. */
    size_t texts_size = 2 * file.size + 1;
    struct fy_parse_cfg settings = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_JSON_NONE};
    struct fy_parser *parser;
    bool good;

    *yaml_r = (struct config_yaml){.count = 0};
    if (!check_text(&builder, file))
        return false;
    yaml_r->texts = text_over(malloc(texts_size), texts_size);
    settings.diag = fy_diag_create(NULL);
    must(yaml_r->texts.at && settings.diag);
    fy_diag_set_collect_errors(settings.diag, true);
    parser = fy_parser_create(&settings);
    must(parser && fy_parser_set_string(parser, file.at, file.size) == 0);
    good = take_events(&builder, parser, settings.diag);
    fy_parser_destroy(parser);
    fy_diag_destroy(settings.diag);
    return good;
}

struct config_tree config_yaml_tree(const struct config_yaml *yaml)
{
    return (struct config_tree){yaml->nodes, yaml->count};
}

void config_yaml_close(struct config_yaml *yaml)
{
    free(yaml->nodes);
    free(yaml->texts.at);
    *yaml = (struct config_yaml){.count = 0};
}
