/*
 * script: a whole transcript file as a list of lines, each with the part it has in a play: a
 * stimulus, something expected, or set-up.
 *
 * What a line stands for on the wire can be asked for in pieces, so that a counted message of many
 * megabytes needs no memory. A counted message is made up: lines of letters, then the final dot;
 * behind BDAT it is a chunk and has no dot. A secret is made up too, always the same for the same
 * length, so that it is recognised when it comes out on the other side.
 */
#ifndef LOCKSTEP_EXPLAIN_SCRIPT_H
#define LOCKSTEP_EXPLAIN_SCRIPT_H

#include "lockstep/record/record.h"

/* What all lines of a script may stand for, added up. */
#define SCRIPT_SAID_BYTES_MAX (UINT64_C(64) << 20)

/* Bytes of one EHLO reply made from `@ upstream`. */
#define SCRIPT_KEYWORDS_BYTES_MAX 2048U

enum script_part {
    SCRIPT_NOTHING,  /* a comment */
    SCRIPT_SETUP,    /* a setting, before anything happens */
    SCRIPT_STIMULUS, /* a peer or the clock does something */
    SCRIPT_EXPECTED, /* we have to do this, now */
};

/* The words of `@` that are the player's own; all others are the policy's. */
enum script_word {
    SCRIPT_POLICY,
    SCRIPT_SEED,
    SCRIPT_UPSTREAM,
    SCRIPT_UNFINISHED,
    SCRIPT_UNCUT,
    SCRIPT_START,
    SCRIPT_WAIT,
    SCRIPT_STOP,
    SCRIPT_SLOW,
    SCRIPT_SENT,
    SCRIPT_TOLD,
    SCRIPT_NOW, /* one of other faults, or without one: they hold from now on */
};

/* The words of a connection's life. */
enum script_life {
    SCRIPT_OPEN,
    SCRIPT_END,
    SCRIPT_FAIL,
    SCRIPT_SECURED,
    SCRIPT_CONNECT, /* ours, as those that follow */
    SCRIPT_SECURE,
    SCRIPT_SHUT,
};

struct script_line {
    struct record record;
    struct span raw; /* the line in the file */
    uint32_t number; /* from 1 */
    enum script_part part;
    enum script_word word; /* of a setting; */
    enum script_life life; /* of a connection's life; */
    struct span rest;      /* what stands behind that word */
    bool chunk;            /* a counted message without a final dot: a chunk, or a part */
    bool bare;             /* one in which something bare was noticed (`! would bare-lf`), ... */
    bool doubled;          /* ... or a doubled CR: what is made up has one, too */
};

struct script {
    struct span name; /* of the file, for reports */
    struct script_line *lines;
    uint32_t count;
    uint64_t said_bytes; /* of all lines */
};

/* Bytes of memory, aligned for any type, that script_read() needs for this file. */
size_t script_size(struct span file);
/* The script borrows `file`, `name` and `memory`. False: `report` says where and what is wrong. */
bool script_read(struct script *script_r, struct span name, struct span file, void *memory,
                 struct text *report);

/* How many bytes on the wire a line stands for (SAID and BODY; any other: 0). */
uint64_t script_said_size(const struct script_line *line);
/* Those of them that start at `from`, at most `size` bytes; returns how many were written. */
size_t script_said(const struct script_line *line, uint64_t from, char *bytes, size_t size);

/* A secret of that length, as every line of a script has it. */
void script_secret(size_t size, struct text *secret);

/* The first setting with that word, or NULL. */
const struct script_line *script_setting(const struct script *script, enum script_word word);
/* The EHLO reply that `@ upstream` asks for. */
void script_keywords(const struct script *script, struct text *reply);

/* "500ms", "5s", "2m", "1h" */
bool script_duration(struct span word, uint64_t *ms_r);

/* `FILE:LINE: `, the beginning of every report. */
void script_place(const struct script *script, uint32_t number, struct text *report);

#endif
