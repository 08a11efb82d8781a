/* The message codec against plain readers. */
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"

#include "body_check.h"

static const struct cuts whole = {0, 0, 0};
static const struct cuts trickled = {1, 1, 0};

static struct text text_for(size_t room)
{
    char *at = malloc(room + 1);

    must(at != NULL);
    return text_over(at, room);
}

static size_t next_cut(const struct cuts *cuts, struct seed *seed, size_t done, size_t left)
{
    size_t size = left;

    if (done == 0 && cuts->first > 0)
        size = cuts->first;
    else if (cuts->most > 0)
        size = 1 + (size_t)seed_below(seed, cuts->most);
    return size < left ? size : left;
}

/* One read's worth, in memory of its own that is exactly as large, so that a step beyond shows. */
static enum body_found feed(struct body_run *run, struct span part, bool stuffing)
{
    char *copy = malloc(part.size);
    struct span rest = {copy, part.size};
    enum body_found found;
    struct body_piece piece;

    must(copy != NULL || part.size == 0);
    if (part.size > 0)
        memcpy(copy, part.at, part.size);
    do {
        found =
            stuffing ? body_stuff(&run->body, &rest, &piece) : body_scan(&run->body, &rest, &piece);
        text_add(&run->said, piece.before);
        text_add(&run->said, piece.bytes);
    } while (found == BODY_PIECE);
    run->taken += part.size - rest.size;
    free(copy);
    return found;
}

struct body_run body_run_over(struct span input, struct body_rules rules, bool stuffing,
                              const struct cuts *cuts)
{
    struct body_run run = {.found = BODY_MORE, .said = text_for(3 * input.size + 8)};
    struct seed seed = {cuts->seed};

    body_start(&run.body, rules.bare);
    run.body.drop_cr = rules.drop_cr;
    run.body.lf_end = rules.lf_end;
    while (run.found == BODY_MORE && run.taken < input.size) {
        size_t size = next_cut(cuts, &seed, run.taken, input.size - run.taken);

        run.found = feed(&run, span_head(span_tail(input, run.taken), size), stuffing);
    }
    return run;
}

static bool same_run(const struct body_run *one, const struct body_run *other)
{
    return one->found == other->found && one->taken == other->taken &&
           one->body.bytes == other->body.bytes && one->body.lines == other->body.lines &&
           one->body.bare_seen == other->body.bare_seen &&
           one->body.cr_seen == other->body.cr_seen &&
           one->body.lf_end_seen == other->body.lf_end_seen &&
           span_equal(body_terminator(&one->body), body_terminator(&other->body)) &&
           span_equal(text_span(&one->said), text_span(&other->said));
}

static bool cuts_matter(struct span input, struct body_rules rules, bool stuffing, uint64_t seed,
                        const struct body_run *run)
{
    const struct cuts some[] = {trickled, {0, 3, seed}, {1 + (size_t)(seed % 97), 40, seed}};
    bool matter = false;
    size_t i;

    for (i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
        struct body_run cut = body_run_over(input, rules, stuffing, &some[i]);

        matter = matter || !same_run(run, &cut);
        free(cut.said.at);
    }
    return matter;
}

/* --- plain readers --- */

/* Where the strict reader is done: behind the first CRLF.CRLF, DATA's own CRLF in front; 0: not. */
static size_t strict_end(struct span input)
{
    size_t at;

    if (span_starts(input, SPAN(".\r\n")))
        return 3;
    at = span_find_span(input, SPAN("\r\n.\r\n"));
    return at < input.size ? at + 5 : 0;
}

/* Behind the first LF "." LF that is right behind a bare LF; 0: there is none. */
static size_t lf_end(struct span input)
{
    size_t i;

    for (i = 1; i + 1 < input.size; i++) {
        if (input.at[i - 1] == '\n' && input.at[i] == '.' && input.at[i + 1] == '\n' &&
            (i < 2 || input.at[i - 2] != '\r'))
            return i + 2;
    }
    return 0;
}

/* Where a reader with these rules is done; 0: not. */
static size_t own_end(struct span input, struct body_rules rules)
{
    size_t strict = strict_end(input), own = lf_end(input);

    if (!rules.lf_end || rules.bare != BARE_NORMALISE || own == 0)
        return strict;
    return strict > 0 && strict < own ? strict : own;
}

/* The first CR or LF that is not part of a line end; the size when there is none. A CR at the very
 * end may still find its LF and is none. */
static size_t first_bare(struct span input, bool drop_cr)
{
    size_t i;

    for (i = 0; i < input.size; i++) {
        struct span rest = span_tail(input, i);

        if (drop_cr && (span_starts(rest, SPAN("\r\r\n")) || span_equal(rest, SPAN("\r\r"))))
            continue;
        if (input.at[i] == '\n' && (i == 0 || input.at[i - 1] != '\r'))
            return i;
        if (input.at[i] == '\r' && i + 1 < input.size && input.at[i + 1] != '\n')
            return i;
    }
    return input.size;
}

static uint64_t count_crlf(struct span input)
{
    uint64_t count = 0;
    size_t i;

    for (i = 1; i < input.size; i++)
        count += input.at[i] == '\n' && input.at[i - 1] == '\r';
    return count;
}

static bool line_byte(char byte)
{
    return byte == '\r' || byte == '\n';
}

/* Does any reader, however lenient with line ends, see a lone dot before the message's end? */
static bool ends_early(struct span message)
{
    size_t i;

    for (i = 0; i + 3 < message.size; i++) {
        if (message.at[i] == '.' && (i == 0 || line_byte(message.at[i - 1])) &&
            line_byte(message.at[i + 1]))
            return true;
    }
    return false;
}

static struct text plain_unstuff(struct span message)
{
    struct text content = text_for(message.size);
    size_t i;

    for (i = 0; i < message.size; i++) {
        if (message.at[i] != '.' || (i > 0 && message.at[i - 1] != '\n'))
            text_add_byte(&content, message.at[i]);
    }
    return content;
}

static struct text plain_normalise(struct span content, bool drop_cr)
{
    struct text normal = text_for(2 * content.size + 2);
    size_t i;

    for (i = 0; i < content.size; i++) {
        bool crlf = content.at[i] == '\r' && i + 1 < content.size && content.at[i + 1] == '\n';

        if (drop_cr && span_starts(span_tail(content, i), SPAN("\r\r\n")))
            continue;
        if (content.at[i] == '\n' || crlf)
            text_add(&normal, SPAN("\r\n"));
        else
            text_add_byte(&normal, content.at[i] == '\r' ? ' ' : content.at[i]);
        i += crlf;
    }
    if (normal.size > 0 && !span_ends(text_span(&normal), SPAN("\r\n")))
        text_add(&normal, SPAN("\r\n"));
    return normal;
}

/* --- properties --- */

static struct text joined(const struct body_run *run)
{
    struct text message = text_for(run->said.size + 8);

    text_add(&message, text_span(&run->said));
    text_add(&message, body_terminator(&run->body));
    return message;
}

static struct text unstuffed(struct span message, size_t most, uint64_t seed_start)
{
    struct text content = text_for(message.size);
    struct seed seed = {seed_start};
    bool line_start = true;
    struct span run;

    while (message.size > 0) {
        size_t size = most > 0 ? 1 + (size_t)seed_below(&seed, most) : message.size;
        struct span part = span_head(message, size);

        message = span_tail(message, size);
        while (body_unstuff(&line_start, &part, &run))
            text_add(&content, run);
    }
    return content;
}

static const char *check_unstuff(struct span message, struct span expected, uint64_t seed)
{
    struct text once = unstuffed(message, 0, seed);
    struct text cut = unstuffed(message, 1, seed);
    struct text random = unstuffed(message, 5, seed);
    bool same = span_equal(text_span(&once), expected) && span_equal(text_span(&cut), expected) &&
                span_equal(text_span(&random), expected);

    free(once.at);
    free(cut.at);
    free(random.at);
    return same ? NULL : "taking off the dots gives the content, however cut";
}

/* Of a whole message on the wire, its terminator included, that nothing bare went into. */
static const char *check_message(struct span message, uint64_t seed)
{
    struct span without_end = span_head(message, message.size - 3);
    struct body_rules all = {BARE_NORMALISE, true, true};
    struct body_run again = body_run_over(message, all, false, &whole);
    struct text rejoined = joined(&again);
    struct text content = plain_unstuff(without_end);
    const char *wrong = check_unstuff(without_end, text_span(&content), seed);

    if (!span_ends(message, SPAN(".\r\n")) || first_bare(message, false) < message.size)
        wrong = "every CR and LF that leaves is part of a CRLF";
    else if (strict_end(message) != message.size || ends_early(message))
        wrong = "no reader sees an end before the end";
    else if (again.found != BODY_END || again.body.bare_seen || again.body.cr_seen ||
             again.body.lf_end_seen || !span_equal(text_span(&rejoined), message))
        wrong = "normalising what is normal changes nothing";
    free(again.said.at);
    free(rejoined.at);
    free(content.at);
    return wrong;
}

/* After a refusal the rest is read only to find the end, and it is the one a strict reader sees. */
static const char *check_refused(struct span input, const struct body_run *refused)
{
    size_t end = strict_end(input);
    struct body_run run = *refused;

    run.said = text_for(3 * input.size + 8);
    run.body.bare = BARE_PASS;
    run.found = feed(&run, span_tail(input, run.taken), false);
    free(run.said.at);
    if ((run.found == BODY_END) != (end > 0) || (end > 0 && run.taken != end))
        return "a refused message ends where a strict reader sees its end";
    return run.body.bytes == run.taken ? NULL : "bytes are counted";
}

static const char *check_unended(struct span input, const struct body_run *run,
                                 struct body_rules rules)
{
    bool as_it_came = (!run->body.bare_seen && !run->body.cr_seen) || run->body.bare == BARE_PASS;

    if (own_end(input, rules) > 0)
        return "the end is found";
    if (run->taken != input.size || run->body.bytes != input.size)
        return "all is taken and counted";
    if (as_it_came && (!span_starts(input, text_span(&run->said)) ||
                       input.size - run->said.size > SPAN("\r\r\n.\r\r").size))
        return "clean bytes pass as they came, and no more than a terminator is held back";
    return NULL;
}

/* What was noticed on the way. */
static const char *check_noticed(struct span taken, const struct body_run *run,
                                 struct body_rules rules)
{
    bool doubled = span_find_span(taken, SPAN("\r\r\n")) < taken.size;

    if (run->body.bare_seen != (first_bare(taken, rules.drop_cr) < taken.size))
        return "something bare is noticed, and nothing else is";
    if (run->body.cr_seen != (rules.drop_cr && doubled))
        return "a doubled CR is noticed, and nothing else is";
    if (run->body.lf_end_seen != (rules.lf_end && rules.bare != BARE_REFUSE && lf_end(taken) > 0))
        return "LF.LF is noticed, and nothing else is";
    return NULL;
}

static const char *check_ended(struct span input, const struct body_run *run,
                               struct body_rules rules, struct span message, uint64_t seed)
{
    struct span taken = span_head(input, run->taken);
    struct span counted = run->body.bare == BARE_PASS ? taken : message;
    bool changed = run->body.bare_seen || run->body.cr_seen;
    const char *wrong = check_noticed(taken, run, rules);

    if (run->taken != own_end(input, rules) || run->body.bytes != run->taken)
        return "the message ends where a reader with its rules sees its end";
    if (wrong)
        return wrong;
    if ((run->body.bare == BARE_PASS || !changed) && !span_equal(message, taken))
        return "clean bytes pass as they came";
    if (run->body.lines + 1 != count_crlf(counted))
        return "lines are counted";
    return run->body.bare == BARE_PASS ? NULL : check_message(message, seed);
}

bool body_rules_nth(size_t number, struct body_rules *rules_r)
{
    static const enum bare kinds[] = {BARE_REFUSE, BARE_NORMALISE, BARE_PASS};

    if (number >= 4 * sizeof(kinds) / sizeof(kinds[0]))
        return false;
    *rules_r = (struct body_rules){kinds[number / 4], (number & 1) != 0, (number & 2) != 0};
    return true;
}

const char *body_check_scan(struct span input, struct body_rules rules, uint64_t seed)
{
    struct body_run run = body_run_over(input, rules, false, &whole);
    struct text message = joined(&run);
    const char *wrong = NULL;

    if (cuts_matter(input, rules, false, seed, &run)) {
        wrong = "cuts do not matter";
    } else {
        switch (run.found) {
        case BODY_MORE:
            wrong = check_unended(input, &run, rules);
            break;
        case BODY_PIECE:
            wrong = "a run ends";
            break;
        case BODY_END:
            wrong = check_ended(input, &run, rules, text_span(&message), seed);
            break;
        case BODY_BARE:
            wrong = rules.bare != BARE_REFUSE || first_bare(input, rules.drop_cr) == input.size
                        ? "only something bare is refused"
                        : check_refused(input, &run);
            break;
        }
    }
    free(message.at);
    free(run.said.at);
    return wrong;
}

const char *body_check_stuff(struct span content, struct body_rules rules, uint64_t seed)
{
    struct body_run run = body_run_over(content, rules, true, &whole);
    struct text message = joined(&run);
    struct text normal = plain_normalise(content, rules.drop_cr);
    bool lone = first_bare(content, rules.drop_cr) < content.size || span_ends(content, SPAN("\r"));
    bool refused = run.found == BODY_BARE || body_terminator(&run.body).size == 0;
    const char *wrong = NULL;

    if (cuts_matter(content, rules, true, seed, &run))
        wrong = "cuts do not matter";
    else if (refused != (rules.bare == BARE_REFUSE && lone))
        wrong = "what is bare is refused, and nothing else is";
    else if (!refused && (run.taken != content.size || run.body.bytes != content.size))
        wrong = "all is taken and counted";
    else if (!refused && rules.bare != BARE_PASS) {
        wrong = check_message(text_span(&message), seed);
        if (!wrong)
            wrong = check_unstuff(span_head(text_span(&message), message.size - 3),
                                  text_span(&normal), seed);
    }
    free(message.at);
    free(normal.at);
    free(run.said.at);
    return wrong;
}
