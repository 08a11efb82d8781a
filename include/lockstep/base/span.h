/*
 * span: a borrowed run of bytes, pointer and length. It owns nothing and may hold any byte.
 *
 * A span is valid as long as whoever lent the bytes says so; to keep the bytes, copy them.
 * All comparisons that ignore case do so for ASCII letters only, as SMTP wants (RFC 5321 2.4).
 */
#ifndef LOCKSTEP_BASE_SPAN_H
#define LOCKSTEP_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
    const char *at;
    size_t size;
};

/* A span over a string literal, without its NUL. */
#define SPAN(literal) ((struct span){("" literal), sizeof(literal) - 1})
/* The same, for initialisers of static tables. */
#define SPAN_INIT(literal)                \
    {                                     \
        ("" literal), sizeof(literal) - 1 \
    }

struct span span_of(const char *at, size_t size);
/* Over a string that ends in NUL; NULL gives the empty span. */
struct span span_of_string(const char *string);

bool span_equal(struct span one, struct span other);
bool span_equal_fold(struct span one, struct span other);
bool span_starts(struct span whole, struct span start);
bool span_starts_fold(struct span whole, struct span start);
bool span_ends(struct span whole, struct span end);

/* The place of the first such byte, or the span's size when there is none. */
size_t span_find(struct span whole, char byte);
/* The same for the first place where `part` stands whole; an empty part is found at 0. */
size_t span_find_span(struct span whole, struct span part);

/* The first `size` bytes; the whole span when it is shorter. */
struct span span_head(struct span whole, size_t size);
/* What stands after the first `size` bytes; empty when there is nothing. */
struct span span_tail(struct span whole, size_t size);
/* Without spaces and tabs at either end. */
struct span span_trim(struct span whole);
/* Takes the next run of bytes that are neither space nor tab off the front of `*rest`; false, and
 * an empty word, when there is none. */
bool span_word(struct span *rest, struct span *word_r);

/* A decimal number without sign, at least one digit, nothing else. False when it does not fit. */
bool span_number(struct span digits, uint64_t *number_r);

/* Longest word that a misspelt one is compared with. */
#define SPAN_WORD_MAX 32U
/* How many letters must be put in, taken out or exchanged to make one word the other; SIZE_MAX
 * when one of them is longer than that. */
size_t span_distance(struct span one, struct span other);

#endif
