/* Messages on their way: the end is found, dots are stuffed, lone CRs and LFs are dealt with. */
#include "lockstep/smtp/body.h"
#include "lockstep/base/must.h"

/* What was held back, said after all, and then some. */
enum held { HELD, HELD_DOT, HELD_DOTS, HELD_DOT_BLANK, HELD_DOT_CR, HELD_DOT_LF };

static struct span held(struct body *body, enum held what)
{
    static const struct span alone[] = {SPAN_INIT(""),   SPAN_INIT("."),   SPAN_INIT(".."),
                                        SPAN_INIT(". "), SPAN_INIT(".\r"), SPAN_INIT(".\n")};
    static const struct span after_line[] = {SPAN_INIT("\r\n"),    SPAN_INIT("\r\n."),
                                             SPAN_INIT("\r\n.."),  SPAN_INIT("\r\n. "),
                                             SPAN_INIT("\r\n.\r"), SPAN_INIT("\r\n.\n")};
    bool line = body->crlf_held;

    body->crlf_held = false;
    body->after_bare = false;
    body->place = BODY_TEXT;
    return line ? after_line[what] : alone[what];
}

static void hold_line_end(struct body *body, bool bare)
{
    body->place = BODY_LINE_START;
    body->crlf_held = true;
    body->after_bare = bare;
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
            continue;
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

static enum body_found at_cr(struct body *body, struct span *input, struct body_piece *piece_r,
                             bool stuffing)
{
    if (input->at[0] == '\n') {
        take(body, input, 1);
        hold_line_end(body, false);
        return BODY_PIECE;
    }
    body->bare_seen = true;
    if (body->bare == BARE_REFUSE)
        return BODY_BARE;
    body->place = BODY_TEXT;
    piece_r->before = body->bare == BARE_PASS ? SPAN("\r") : SPAN(" ");
    return scan_text(body, input, &piece_r->bytes, stuffing);
}

static enum body_found at_dot_cr(struct body *body, struct span *input, struct body_piece *piece_r)
{
    if (input->at[0] != '\n') {
        body->bare_seen = true;
        if (body->bare == BARE_REFUSE)
            return BODY_BARE;
        piece_r->before = held(body, body->bare == BARE_PASS ? HELD_DOT_CR : HELD_DOT_BLANK);
        return scan_text(body, input, &piece_r->bytes, false);
    }
    take(body, input, 1);
    if (!body->after_bare)
        return BODY_END;
    /* A lone dot behind a bare LF is a line of content to everyone but the client. */
    piece_r->before = held(body, HELD_DOTS);
    hold_line_end(body, false);
    return BODY_PIECE;
}

static enum body_found at_dot(struct body *body, struct span *input, struct body_piece *piece_r)
{
    if (input->at[0] == '\r') {
        take(body, input, 1);
        body->place = BODY_DOT_CR;
        return BODY_PIECE;
    }
    if (input->at[0] != '\n') {
        piece_r->before = held(body, HELD_DOT);
        return scan_text(body, input, &piece_r->bytes, false);
    }
    body->bare_seen = true;
    if (body->bare == BARE_REFUSE)
        return BODY_BARE;
    take(body, input, 1);
    if (body->bare == BARE_PASS) {
        piece_r->before = held(body, HELD_DOT_LF);
        return BODY_PIECE;
    }
    piece_r->before = held(body, HELD_DOTS);
    hold_line_end(body, true);
    return BODY_PIECE;
}

/* At a line start or in a line, and the next byte is a LF that no CR announced. */
static enum body_found at_bare_lf(struct body *body, struct span *input, struct body_piece *piece_r)
{
    body->bare_seen = true;
    if (body->bare == BARE_REFUSE)
        return BODY_BARE;
    take(body, input, 1);
    piece_r->before = held(body, HELD);
    hold_line_end(body, true);
    return BODY_PIECE;
}

static enum body_found at_text(struct body *body, struct span *input, struct body_piece *piece_r,
                               bool stuffing)
{
    if (input->at[0] == '\n' && body->bare != BARE_PASS)
        return at_bare_lf(body, input, piece_r);
    piece_r->before = held(body, HELD);
    return scan_text(body, input, &piece_r->bytes, stuffing);
}

enum body_found body_scan(struct body *body, struct span *input, struct body_piece *piece_r)
{
    *piece_r = (struct body_piece){{"", 0}, {"", 0}};
    if (input->size == 0)
        return BODY_MORE;
    switch (body->place) {
    case BODY_CR:
        return at_cr(body, input, piece_r, false);
    case BODY_DOT:
        return at_dot(body, input, piece_r);
    case BODY_DOT_CR:
        return at_dot_cr(body, input, piece_r);
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
    must(body->place != BODY_DOT && body->place != BODY_DOT_CR);
    if (body->place == BODY_CR)
        return at_cr(body, input, piece_r, true);
    if (body->place == BODY_LINE_START && input->at[0] == '.') {
        take(body, input, 1);
        piece_r->before = held(body, HELD_DOTS);
        return BODY_PIECE;
    }
    return at_text(body, input, piece_r, true);
}

struct span body_terminator(const struct body *body)
{
    bool nothing_said = body->place != BODY_TEXT && !body->crlf_held;

    if (body->place == BODY_CR) { /* raw content ended in a CR: its LF will never come */
        static const struct span lone_cr[] = {[BARE_REFUSE] = SPAN_INIT(""),
                                              [BARE_NORMALISE] = SPAN_INIT(" \r\n.\r\n"),
                                              [BARE_PASS] = SPAN_INIT("\r\r\n.\r\n")};
        return lone_cr[body->bare];
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
