/* Messages on their way: the end is found, dots are stuffed, lone CRs and LFs are dealt with. */
#include "lockstep/smtp/body.h"
#include "lockstep/base/must.h"

/* What is said behind the line end that was held back. */
enum tail {
    TAIL_NONE,
    TAIL_DOT,
    TAIL_DOTS,
    TAIL_DOT_BLANK,
    TAIL_DOT_BLANKS,
    TAIL_DOT_CR,
    TAIL_DOT_CR_CR,
    TAIL_DOT_LF
};

/* What was held back, said after all, and then some. */
static struct span release(struct body *body, enum tail tail)
{
    static const struct span alone[] = {SPAN_INIT(""),      SPAN_INIT("."),   SPAN_INIT(".."),
                                        SPAN_INIT(". "),    SPAN_INIT(".  "), SPAN_INIT(".\r"),
                                        SPAN_INIT(".\r\r"), SPAN_INIT(".\n")};
    static const struct span after_line[] = {
        SPAN_INIT("\r\n"),    SPAN_INIT("\r\n."),   SPAN_INIT("\r\n.."),    SPAN_INIT("\r\n. "),
        SPAN_INIT("\r\n.  "), SPAN_INIT("\r\n.\r"), SPAN_INIT("\r\n.\r\r"), SPAN_INIT("\r\n.\n")};
    bool line = body->held != HELD_NONE;

    body->held = HELD_NONE;
    body->place = BODY_TEXT;
    return line ? after_line[tail] : alone[tail];
}

static void hold_line_end(struct body *body, enum body_held held)
{
    body->place = BODY_LINE_START;
    body->held = held;
    body->lines++;
}

static void take(struct body *body, struct span *input, size_t size)
{
    body->bytes += size;
    *input = span_tail(*input, size);
}

void body_start(struct body *body, enum bare bare)
{
    *body = (struct body){.bare = bare, .place = BODY_LINE_START};
}

/* Does a line that starts at `at` surely hold content, as far as the input shows? */
static bool plain_line(struct span input, size_t at, bool stuffing)
{
    if (at >= input.size || input.at[at] == '\n') /* bare, and may be refused: nothing is ahead */
        return false;
    if (input.at[at] != '.')
        return true;
    return !stuffing && at + 1 < input.size && input.at[at + 1] != '\r' && input.at[at + 1] != '\n';
}

/* Bytes looked at together: a loop of constant length becomes a few vector instructions. A
 * multiple of 16 for them, and so few that a byte can count the line ends. */
#define STRIDE 240U

/*
 * How many bytes inside and across lines need no second look: every CR and LF is part of a CRLF and
 * no line starts with a dot. It stops short of what it is not sure of and never between CR and LF.
 */
static size_t plain_run(struct span input, uint64_t *lines)
{
    size_t at = 0;

    if (input.size == 0 || input.at[0] == '\n') /* bare: only pairs are looked at below */
        return 0;
    while (input.size - at > STRIDE) {
        const char *bytes = input.at + at;
        unsigned char odd = 0, line_ends = 0;
        size_t i;

        for (i = 0; i < STRIDE; i++) {
            unsigned char line_end = bytes[i] == '\n', next_line_end = bytes[i + 1] == '\n';

            odd |= (bytes[i] == '\r') ^ next_line_end;
            odd |= line_end & (bytes[i + 1] == '.');
            line_ends = (unsigned char)(line_ends + line_end);
        }
        if (odd)
            break;
        *lines += line_ends;
        at += STRIDE;
    }
    return at > 0 && input.at[at - 1] == '\r' ? at - 1 : at;
}

/*
 * Inside a line: the longest run that can be handed on as it is, over as many lines as there are.
 * It stops before a line end that may begin the terminator and before anything bare.
 */
static enum body_found scan_text(struct body *body, struct span *input, struct span *bytes_r,
                                 bool stuffing)
{
    size_t at = 0;

    for (;;) {
        struct span rest;
        size_t line_feed, end, next;

        at += plain_run(span_tail(*input, at), &body->lines);
        rest = span_tail(*input, at);
        line_feed = span_find(rest, '\n');
        end = at + span_find(span_head(rest, line_feed), '\r');
        next = end + 2;
        if (end == input->size) {
            *bytes_r = *input;
            take(body, input, input->size);
            return BODY_PIECE;
        }
        if (input->at[end] == '\n' && body->bare == BARE_PASS) {
            body->bare_seen = true;
            at = end + 1;
            if (!body->lf_end || stuffing)
                continue;
            *bytes_r = span_head(*input, at);
            take(body, input, at);
            body->place = BODY_LF;
            return BODY_PIECE;
        }
        if (next <= input->size && input->at[end] == '\r' && input->at[end + 1] == '\n' &&
            plain_line(*input, next, stuffing)) {
            body->lines++;
            at = next;
            continue;
        }
        *bytes_r = span_head(*input, end);
        if (input->at[end] == '\n') { /* bare: the next call decides */
            take(body, input, end);
        } else {
            take(body, input, end + 1);
            body->place = BODY_CR;
        }
        return BODY_PIECE;
    }
}

/* A CR that no LF follows; `as_it_came` and `blank` are what is said for it. */
static enum body_found at_bare_cr(struct body *body, struct span *input, struct body_piece *piece_r,
                                  struct span as_it_came, struct span blank, bool stuffing)
{
    body->bare_seen = true;
    if (body->bare == BARE_REFUSE)
        return BODY_BARE;
    body->place = BODY_TEXT;
    piece_r->before = body->bare == BARE_PASS ? as_it_came : blank;
    return scan_text(body, input, &piece_r->bytes, stuffing);
}

static enum body_found at_cr(struct body *body, struct span *input, struct body_piece *piece_r,
                             bool stuffing)
{
    if (input->at[0] == '\n') {
        take(body, input, 1);
        hold_line_end(body, HELD_CRLF);
        return BODY_PIECE;
    }
    if (input->at[0] == '\r' && body->drop_cr) {
        take(body, input, 1);
        body->place = BODY_CR_CR;
        return BODY_PIECE;
    }
    return at_bare_cr(body, input, piece_r, SPAN("\r"), SPAN(" "), stuffing);
}

/* The line ends in CR CR LF: the first CR goes no further, unless all passes as it came. */
static void drop_cr(struct body *body, struct span *input)
{
    take(body, input, 1);
    body->cr_seen = true;
    hold_line_end(body, body->bare == BARE_PASS ? HELD_CRLF : HELD_CR_CRLF);
}

static enum body_found at_cr_cr(struct body *body, struct span *input, struct body_piece *piece_r,
                                bool stuffing)
{
    bool pass = body->bare == BARE_PASS;

    if (input->at[0] == '\n') {
        piece_r->before = pass ? SPAN("\r") : SPAN("");
        drop_cr(body, input);
        return BODY_PIECE;
    }
    if (input->at[0] != '\r' || body->bare == BARE_REFUSE)
        return at_bare_cr(body, input, piece_r, SPAN("\r\r"), SPAN("  "), stuffing);
    take(body, input, 1); /* one of three is on its own, and two may yet be a line end */
    body->bare_seen = true;
    piece_r->before = pass ? SPAN("\r") : SPAN(" ");
    return BODY_PIECE;
}

static enum body_found at_dot_cr(struct body *body, struct span *input, struct body_piece *piece_r)
{
    if (input->at[0] == '\r' && body->drop_cr) {
        take(body, input, 1);
        body->place = BODY_DOT_CR_CR;
        return BODY_PIECE;
    }
    if (input->at[0] != '\n') {
        body->bare_seen = true;
        if (body->bare == BARE_REFUSE)
            return BODY_BARE;
        piece_r->before = release(body, body->bare == BARE_PASS ? TAIL_DOT_CR : TAIL_DOT_BLANK);
        return scan_text(body, input, &piece_r->bytes, false);
    }
    take(body, input, 1);
    if (body->held != HELD_LF)
        return BODY_END;
    /* A lone dot behind a bare LF is a line of content to everyone but the client. */
    piece_r->before = release(body, TAIL_DOTS);
    hold_line_end(body, HELD_CRLF);
    return BODY_PIECE;
}

static enum body_found at_dot_cr_cr(struct body *body, struct span *input,
                                    struct body_piece *piece_r)
{
    bool pass = body->bare == BARE_PASS;

    if (input->at[0] == '\n') {
        /* Dropping the CR must not make an end of what is none to anyone who reads strictly. */
        piece_r->before = release(body, pass ? TAIL_DOT_CR : TAIL_DOTS);
        drop_cr(body, input);
        return BODY_PIECE;
    }
    body->bare_seen = true;
    if (body->bare == BARE_REFUSE)
        return BODY_BARE;
    if (input->at[0] == '\r') {
        take(body, input, 1);
        piece_r->before = release(body, pass ? TAIL_DOT_CR : TAIL_DOT_BLANK);
        body->place = BODY_CR_CR;
        return BODY_PIECE;
    }
    piece_r->before = release(body, pass ? TAIL_DOT_CR_CR : TAIL_DOT_BLANKS);
    return scan_text(body, input, &piece_r->bytes, false);
}

/* A dot that starts a line, and a LF. */
static enum body_found at_dot_lf(struct body *body, struct span *input, struct body_piece *piece_r)
{
    bool ends = body->lf_end && body->held == HELD_LF;

    body->bare_seen = true;
    if (body->bare == BARE_REFUSE)
        return BODY_BARE;
    take(body, input, 1);
    if (body->bare == BARE_PASS) {
        piece_r->before = release(body, TAIL_DOT_LF);
        body->place = body->lf_end ? BODY_LF : BODY_TEXT;
        return BODY_PIECE;
    }
    body->lf_end_seen = body->lf_end_seen || ends;
    if (ends)
        return BODY_END;
    piece_r->before = release(body, TAIL_DOTS);
    hold_line_end(body, HELD_LF);
    return BODY_PIECE;
}

static enum body_found at_dot(struct body *body, struct span *input, struct body_piece *piece_r)
{
    if (input->at[0] == '\n')
        return at_dot_lf(body, input, piece_r);
    if (input->at[0] == '\r') {
        take(body, input, 1);
        body->place = BODY_DOT_CR;
        return BODY_PIECE;
    }
    piece_r->before = release(body, TAIL_DOT);
    return scan_text(body, input, &piece_r->bytes, false);
}

/* At a line start or in a line, and the next byte is a LF that no CR announced. */
static enum body_found at_bare_lf(struct body *body, struct span *input, struct body_piece *piece_r)
{
    body->bare_seen = true;
    if (body->bare == BARE_REFUSE)
        return BODY_BARE;
    take(body, input, 1);
    piece_r->before = release(body, TAIL_NONE);
    hold_line_end(body, HELD_LF);
    return BODY_PIECE;
}

static enum body_found at_text(struct body *body, struct span *input, struct body_piece *piece_r,
                               bool stuffing)
{
    if (input->at[0] == '\n' && body->bare != BARE_PASS)
        return at_bare_lf(body, input, piece_r);
    piece_r->before = release(body, TAIL_NONE);
    return scan_text(body, input, &piece_r->bytes, stuffing);
}

/* Behind a LF that passed as it came: a dot line is only noticed. */
static enum body_found at_lf(struct body *body, struct span *input, struct body_piece *piece_r)
{
    bool dot = body->place == BODY_LF && input->at[0] == '.';

    body->lf_end_seen = body->lf_end_seen || (body->place == BODY_LF_DOT && input->at[0] == '\n');
    if (!dot)
        return at_text(body, input, piece_r, false);
    piece_r->bytes = span_head(*input, 1);
    take(body, input, 1);
    body->place = BODY_LF_DOT;
    return BODY_PIECE;
}

enum body_found body_scan(struct body *body, struct span *input, struct body_piece *piece_r)
{
    *piece_r = (struct body_piece){{"", 0}, {"", 0}};
    if (input->size == 0)
        return BODY_MORE;
    switch (body->place) {
    case BODY_CR:
        return at_cr(body, input, piece_r, false);
    case BODY_CR_CR:
        return at_cr_cr(body, input, piece_r, false);
    case BODY_DOT:
        return at_dot(body, input, piece_r);
    case BODY_DOT_CR:
        return at_dot_cr(body, input, piece_r);
    case BODY_DOT_CR_CR:
        return at_dot_cr_cr(body, input, piece_r);
    case BODY_LF:
    case BODY_LF_DOT:
        return at_lf(body, input, piece_r);
    case BODY_LINE_START:
        if (input->at[0] != '.')
            break;
        take(body, input, 1);
        body->place = BODY_DOT;
        return BODY_PIECE;
    case BODY_TEXT:
        break;
    }
    return at_text(body, input, piece_r, false);
}

enum body_found body_stuff(struct body *body, struct span *input, struct body_piece *piece_r)
{
    *piece_r = (struct body_piece){{"", 0}, {"", 0}};
    if (input->size == 0)
        return BODY_MORE;
    must(body->place <= BODY_CR_CR); /* a dot is stuffed at once, and nothing is looked for */
    if (body->place == BODY_CR)
        return at_cr(body, input, piece_r, true);
    if (body->place == BODY_CR_CR)
        return at_cr_cr(body, input, piece_r, true);
    if (body->place == BODY_LINE_START && input->at[0] == '.') {
        take(body, input, 1);
        piece_r->before = release(body, TAIL_DOTS);
        return BODY_PIECE;
    }
    return at_text(body, input, piece_r, true);
}

struct span body_terminator(const struct body *body)
{
    bool nothing_said = body->place != BODY_TEXT && body->held == HELD_NONE;

    /* Raw content ended in a CR or two: their LF will never come. */
    if (body->place == BODY_CR || body->place == BODY_CR_CR) {
        static const struct span lone[][2] = {
            [BARE_REFUSE] = {SPAN_INIT(""), SPAN_INIT("")},
            [BARE_NORMALISE] = {SPAN_INIT(" \r\n.\r\n"), SPAN_INIT("  \r\n.\r\n")},
            [BARE_PASS] = {SPAN_INIT("\r\r\n.\r\n"), SPAN_INIT("\r\r\r\n.\r\n")}};

        return lone[body->bare][body->place == BODY_CR_CR];
    }
    return nothing_said ? SPAN(".\r\n") : SPAN("\r\n.\r\n");
}

bool body_unstuff(bool *line_start, struct span *input, struct span *bytes_r)
{
    size_t at = 1;

    if (*line_start && input->size > 0 && input->at[0] == '.') {
        *input = span_tail(*input, 1);
        *line_start = false; /* the input may be cut here, and only one dot goes */
    }
    if (input->size == 0)
        return false;
    /* Dots are rarer than line ends: look for one that stands behind a line end. */
    at += span_find(span_tail(*input, at), '.');
    while (at < input->size && input->at[at - 1] != '\n') {
        at++;
        at += span_find(span_tail(*input, at), '.');
    }
    *line_start = input->at[at - 1] == '\n';
    *bytes_r = span_head(*input, at);
    *input = span_tail(*input, at);
    return true;
}
