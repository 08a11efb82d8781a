/*
 * transcript: one file per session, in the transcript language. Lines are gathered and written in
 * large pieces; the directory keeps a bounded number of files, of which each is bounded too.
 */
#ifndef LOCKSTEP_NET_TRANSCRIPT_H
#define LOCKSTEP_NET_TRANSCRIPT_H

#include "heading.h"
#include "lockstep/net/address.h"

struct transcripts;
struct transcript;

/* Takes stock of the directory. NULL: it can't be used, and errno says why. Any thread may open
 * transcripts then. */
struct transcripts *transcripts_new(const struct config_transcripts *config);
void transcripts_close(struct transcripts **transcripts);

/* Starts with what it takes to play the file: the listener's heading and the session's seed. NULL
 * when the file can't be made; errno says why. */
struct transcript *transcript_open(struct transcripts *transcripts, uint64_t id,
                                   const struct heading *heading, const struct address *client);
void transcript_add(struct transcript *transcript, struct span lines);
/* Writes what is left. */
void transcript_close(struct transcript **transcript);

#endif
