/* The configuration as text: the effective values, and the manual of its words. */
#include "build.h"
#include "value.h"

static void show_indent(struct text *out, unsigned columns)
{
    while (columns-- > 0)
        text_add_byte(out, ' ');
}

/* Every word of that base, its sections as mappings; the table keeps sections together. */
static void show_words(enum base base, const void *object, unsigned columns, struct text *out)
{
    struct span section = SPAN("");
    size_t i;

    for (i = 0; i < schema_count; i++) {
        const struct row *row = &schema_rows[i];
        struct span own = span_of_string(row->section);

        if (row->base != base || row->type >= TYPE_VERSION)
            continue;
        if (own.size > 0 && !span_equal(own, section)) {
            show_indent(out, columns);
            text_add(out, own);
            text_add(out, SPAN(":\n"));
        }
        section = own;
        show_indent(out, columns + (own.size > 0 ? 2 : 0));
        text_add(out, span_of_string(row->word));
        text_add(out, SPAN(": "));
        value_show(row, object, out);
        text_add_byte(out, '\n');
    }
}

void config_show(const struct config *config, struct text *out)
{
    uint32_t i;

    text_add(out, SPAN("config_version: 1\n"));
    show_words(BASE_CONFIG, config, 0, out);
    text_add(out, SPAN("listeners:\n"));
    for (i = 0; i < config->listener_count; i++) {
        text_add(out, SPAN("  -\n"));
        show_words(BASE_LISTENER, &config->listeners[i], 4, out);
        show_words(BASE_POLICY, &config->listeners[i].policy, 4, out);
    }
    text_add(out, SPAN("relays:\n"));
    for (i = 0; i < config->relay_count; i++) {
        text_add(out, SPAN("  "));
        text_add(out, config->relays[i].name);
        text_add(out, SPAN(":\n"));
        show_words(BASE_RELAY, &config->relays[i], 4, out);
    }
}

bool config_manual(size_t number, struct config_word *word_r, struct text *expected)
{
    static const char *const places[BASE_COUNT] = {
        [BASE_CONFIG] = "top",
        [BASE_POLICY] = "any",
        [BASE_LISTENER] = "listener",
        [BASE_RELAY] = "relay",
    };
    const struct row *row;

    if (number >= schema_count)
        return false;
    row = &schema_rows[number];
    value_expected(row, expected);
    *word_r = (struct config_word){
        .place = places[row->base],
        .section = row->section,
        .word = row->word,
        .initial = row->initial ? row->initial : "",
        .says = row->says,
    };
    return true;
}
