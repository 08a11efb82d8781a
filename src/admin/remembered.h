/*
 * remembered: sessions chosen by whoever asks, and their transcripts, read.
 */
#ifndef LOCKSTEP_SRC_ADMIN_REMEMBERED_H
#define LOCKSTEP_SRC_ADMIN_REMEMBERED_H

#include "answer.h"
#include "lockstep/explain/script.h"

/* Bytes of all values in one choice. */
#define CHOICE_BYTES_MAX 1024U
/* "0123456789abcdef", as in the log. */
#define SESSION_ID_MAX 17U

/* Not to be moved: the filter points into it. */
struct choice {
    struct past_filter filter;
    uint64_t limit; /* most sessions that are told of; 0: not given */
    struct text values;
    char memory[CHOICE_BYTES_MAX];
};

void choice_begin(struct choice *choice);
/* "listener" "main", "since" "1796000000.5"; false: `why` says what would be right. */
bool choice_set(struct choice *choice, struct span name, struct span value, struct text *why);
/* All of a query, "listener=main&tag=a%20b"; "format" is set aside. */
bool choice_read(struct choice *choice, struct span query, struct text *why, struct span *format_r);

/* Sixteen hexadecimal digits. */
bool session_id_read(struct span word, uint64_t *id_r);
const char *session_id(uint64_t id, char text[SESSION_ID_MAX]);

/* One session with its transcript. */
struct remembered {
    struct past_facts facts;
    struct span text;
    struct script script;
    char *text_memory;
    void *script_memory;
};

/* False: it is forgotten by now. */
bool remembered_load(struct history *history, uint64_t id, struct remembered *remembered_r);
void remembered_drop(struct remembered *remembered);

#endif
