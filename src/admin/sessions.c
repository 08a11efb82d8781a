/* What happened in sessions: a list, one of them, and which repairs would have helped. */
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "lockstep/explain/proposal.h"
#include "remembered.h"

/* Sessions of one list, when nobody says how many. */
#define LISTED_DEFAULT 200U
#define WHY_BYTES 300U

/* --- what is asked for --- */

/* False: it was answered already. */
static bool choose(struct answering *answering, struct choice *choice, struct span *format_r)
{
    char memory[WHY_BYTES] = "";
    struct text why = text_over(memory, sizeof(memory) - 1);

    choice_begin(choice);
    if (answering->snapshot->history == NULL) {
        answer_error(answering, 404, "no sessions are remembered here: admin.sessions is 0");
        return false;
    }
    if (choice_read(choice, answering->asked->query, &why, format_r))
        return true;
    answer_error(answering, 400, memory);
    return false;
}

/* --- facts --- */

static json_t *seconds(int64_t ms)
{
    return ms != 0 ? json_real((double)ms / 1000) : json_null();
}

static json_t *word_or_null(const char *word)
{
    return *word != 0 ? answer_words(span_of_string(word)) : json_null();
}

static json_t *address_or_null(const struct address *address)
{
    char text[ADDRESS_TEXT_MAX];

    return address->any.sa_family != AF_UNSPEC ? json_string(address_text(address, text))
                                               : json_null();
}

static void add_counts(json_t *json, const struct past_facts *facts)
{
    json_object_set_new(json, "commands", json_integer(facts->commands));
    json_object_set_new(json, "messages", json_integer(facts->messages));
    json_object_set_new(json, "refused", json_integer(facts->refused));
    json_object_set_new(json, "recipients", json_integer(facts->recipients));
    json_object_set_new(json, "repairs", json_integer(facts->repairs));
    json_object_set_new(json, "message_bytes", json_integer((json_int_t)facts->message_bytes));
    json_object_set_new(json, "lines_left_out", json_integer((json_int_t)facts->lines_left_out));
}

static json_t *facts_json(const struct past_facts *facts)
{
    char id[SESSION_ID_MAX];
    json_t *json = json_object();

    json_object_set_new(json, "id", json_string(session_id(facts->id, id)));
    json_object_set_new(json, "listener", word_or_null(facts->listener));
    json_object_set_new(json, "tag", word_or_null(facts->tag));
    json_object_set_new(json, "client", address_or_null(&facts->client));
    json_object_set_new(json, "through", address_or_null(&facts->through));
    json_object_set_new(json, "relay", word_or_null(facts->relay_name));
    json_object_set_new(json, "relay_address", address_or_null(&facts->relay));
    json_object_set_new(json, "credential", word_or_null(facts->credential));
    json_object_set_new(json, "tls",
                        json_pack("{s:o,s:o}", "client", word_or_null(facts->tls[SIDE_CLIENT]),
                                  "upstream", word_or_null(facts->tls[SIDE_UPSTREAM])));
    json_object_set_new(json, "state", json_string(facts->ended_ms == 0 ? "live" : "ended"));
    json_object_set_new(json, "started", seconds(facts->started_ms));
    json_object_set_new(json, "ended", seconds(facts->ended_ms));
    json_object_set_new(json, "ending", word_or_null(facts->ending));
    add_counts(json, facts);
    return json;
}

static void write_list(struct answering *answering)
{
    json_t *list = json_array();
    struct past_facts *rows;
    struct choice choice;
    size_t count, shown, i;

    if (!choose(answering, &choice, NULL)) {
        json_decref(list);
        return;
    }
    rows = history_list(answering->snapshot->history, &choice.filter, &count);
    shown = choice.limit > 0 ? (size_t)choice.limit : LISTED_DEFAULT;
    shown = shown < count ? shown : count;
    for (i = 0; i < shown; i++)
        json_array_append_new(list, facts_json(&rows[i]));
    free(rows);
    answer_json(answering,
                json_pack("{s:o,s:I}", "sessions", list, "more", (json_int_t)(count - shown)));
}

static void write_forget(struct answering *answering)
{
    struct choice choice;

    if (choose(answering, &choice, NULL))
        answer_json(answering, json_pack("{s:I}", "forgotten",
                                         (json_int_t)history_forget(answering->snapshot->history)));
}

/* --- one session --- */

/* The sentence of the repair that a note is about; empty: it is about none. */
static struct span note_says(struct span note)
{
    struct span word, name;
    int i;

    span_word(&note, &word);
    span_word(&note, &name);
    if (!span_equal(word, SPAN("repair")) && !span_equal(word, SPAN("would")))
        return SPAN("");
    for (i = 0; i < REPAIR_COUNT; i++)
        if (span_equal(repair_row((enum repair_id)i)->name, name))
            return repair_row((enum repair_id)i)->says;
    return SPAN("");
}

static void add_lines(json_t *json, const struct script *script)
{
    json_t *lines = json_array();
    json_t *notes = json_array();
    uint32_t i;

    for (i = 0; i < script->count; i++) {
        const struct script_line *line = &script->lines[i];
        json_t *note;

        json_array_append_new(lines, answer_words(line->raw));
        if (line->record.kind != RECORD_NOTE)
            continue;
        note = json_pack("{s:I,s:o}", "line", (json_int_t)line->number, "text",
                         answer_words(line->record.bytes));
        if (note_says(line->record.bytes).size > 0)
            json_object_set_new(note, "says", answer_words(note_says(line->record.bytes)));
        json_array_append_new(notes, note);
    }
    json_object_set_new(json, "notes", notes);
    json_object_set_new(json, "transcript", lines);
}

static bool wants_text(const struct asked *asked, struct span format)
{
    if (format.size > 0)
        return span_equal(format, SPAN("text"));
    return span_starts_fold(asked->accept, SPAN("text/plain"));
}

static void write_one(struct answering *answering)
{
    struct remembered remembered;
    struct span format = {0};
    struct choice choice;
    uint64_t id;
    json_t *json;

    if (!choose(answering, &choice, &format))
        return;
    if (format.size > 0 && !span_equal(format, SPAN("text")) && !span_equal(format, SPAN("json"))) {
        answer_error(answering, 400, "format is text or json");
    } else if (!session_id_read(answering->parts[0], &id) ||
               !remembered_load(answering->snapshot->history, id, &remembered)) {
        answer_error(answering, 404, "no session of that id is remembered (any more)");
    } else if (wants_text(answering->asked, format)) {
        answering->type = "text/plain; charset=utf-8";
        fwrite(remembered.text.at, 1, remembered.text.size, answering->body);
        remembered_drop(&remembered);
    } else {
        json = facts_json(&remembered.facts);
        add_lines(json, &remembered.script);
        answer_json(answering, json);
        remembered_drop(&remembered);
    }
}

/* --- repairs --- */

static void write_proposal(struct answering *answering)
{
    struct history *history = answering->snapshot->history;
    struct proposal *proposal = calloc(1, sizeof(*proposal));
    struct text text = text_over(malloc(PROPOSAL_BYTES_MAX), PROPOSAL_BYTES_MAX);
    struct past_facts *rows;
    struct choice choice;
    size_t count = 0;

    must(proposal != NULL && text.at != NULL);
    if (choose(answering, &choice, NULL)) {
        rows = history_list(history, &choice.filter, &count);
        while (count > 0) { /* the oldest is the last */
            struct remembered remembered;

            if (!remembered_load(history, rows[--count].id, &remembered))
                continue;
            proposal_read(proposal, &remembered.script);
            remembered_drop(&remembered);
        }
        free(rows);
        proposal_show(proposal, &text);
        answering->type = "application/yaml";
        fwrite(text.at, 1, text.size, answering->body);
    }
    free(text.at);
    free(proposal);
}

static const struct page pages[] = {
    {SPAN_INIT("GET"), SPAN_INIT("/api/v1/sessions"), false, write_list,
     "The sessions that are remembered, the newest first. A query chooses by listener, tag, client "
     "(an address), session (an id), state (live or ended) and since (seconds since 1970), and "
     "says the limit, else 200: `?listener=main&state=live`. The tag of a session is the name that "
     "its client greets "
     "with (EHLO), so that a test which greets with a name of its own finds its sessions."},
    {SPAN_INIT("DELETE"), SPAN_INIT("/api/v1/sessions"), false, write_forget,
     "Forgets those that have ended."},
    {SPAN_INIT("GET"), SPAN_INIT("/api/v1/sessions/*"), false, write_one,
     "One session by its id, with its transcript and the notes in it; with `?format=text` or "
     "`Accept: text/plain` the transcript as a file that `lockstep play` reads."},
    {SPAN_INIT("GET"), SPAN_INIT("/api/v1/proposal"), false, write_proposal,
     "The fewest repairs that would have made those sessions succeed, as lines of a configuration; "
     "chosen as above, best of a listener with `mode: observe`."},
};

const struct page_family family_sessions = {pages, sizeof(pages) / sizeof(pages[0])};
