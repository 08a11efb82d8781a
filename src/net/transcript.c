/* Transcript files. Their names begin with the time, so that the order of names is that of age. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "lockstep/base/must.h"
#include "lockstep/base/text.h"
#include "transcript.h"

#define TRANSCRIPT_BUFFER_BYTES 65536U
/* "20300102T030405Z-0123456789abcdef.smtp" */
#define TRANSCRIPT_NAME_MAX 48

struct transcripts {
    uv_mutex_t lock;
    int directory;
    uint32_t most;  /* files kept */
    uint32_t count; /* files there are */
    uint32_t first; /* the oldest, in the ring of names */
    uint64_t session_bytes;
    char (*names)[TRANSCRIPT_NAME_MAX]; /* `most` of them */
};

struct transcript {
    int file;
    uint64_t left; /* bytes the file may still get */
    struct text text;
    char buffer[TRANSCRIPT_BUFFER_BYTES];
};

/* --- the directory --- */

/* The caller holds the lock. The oldest file goes when there are as many as may be. */
static void transcripts_add(struct transcripts *transcripts, const char *name)
{
    size_t size = strlen(name) + 1;
    uint32_t at;

    must(size <= TRANSCRIPT_NAME_MAX); /* it has the shape of transcripts_ours */
    if (transcripts->count == transcripts->most) {
        unlinkat(transcripts->directory, transcripts->names[transcripts->first], 0);
        transcripts->first = (transcripts->first + 1) % transcripts->most;
        transcripts->count--;
    }
    at = (transcripts->first + transcripts->count++) % transcripts->most;
    memcpy(transcripts->names[at], name, size);
}

/* Ours are recognised by the shape of their names; other people's files are left alone. */
static int transcripts_ours(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name);

    return size == strlen("20300102T030405Z-0123456789abcdef.smtp") && entry->d_name[8] == 'T' &&
           entry->d_name[15] == 'Z' && entry->d_name[16] == '-' &&
           strcmp(entry->d_name + size - 5, ".smtp") == 0;
}

static int transcripts_stock(struct transcripts *transcripts, const char *path)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, transcripts_ours, alphasort);
    int i;

    for (i = 0; i < count; i++) {
        transcripts_add(transcripts, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return count;
}

struct transcripts *transcripts_new(const struct config_transcripts *config)
{
    struct transcripts *transcripts = calloc(1, sizeof(*transcripts));
    char *path = strndup(config->directory.at, config->directory.size);

    must(transcripts != NULL && path != NULL);
    transcripts->most = config->files;
    transcripts->session_bytes = config->session_bytes;
    transcripts->names = calloc(config->files, TRANSCRIPT_NAME_MAX);
    must(transcripts->names != NULL && uv_mutex_init(&transcripts->lock) == 0);
    /* When it is there already, opening it says whether it will do. */
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        transcripts->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    else
        transcripts->directory = -1; /* why it can't be made says more than that it is missing */
    if (transcripts->directory < 0 || transcripts_stock(transcripts, path) < 0) {
        int error = errno;

        transcripts_close(&transcripts);
        errno = error;
    }
    free(path);
    return transcripts;
}

void transcripts_close(struct transcripts **transcripts)
{
    if ((*transcripts)->directory >= 0)
        close((*transcripts)->directory);
    uv_mutex_destroy(&(*transcripts)->lock);
    free((*transcripts)->names);
    free(*transcripts);
    *transcripts = NULL;
}

/* --- one file --- */

static void transcript_write(struct transcript *transcript)
{
    struct span rest = text_span(&transcript->text);

    while (rest.size > 0) {
        ssize_t size = write(transcript->file, rest.at, rest.size);

        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            break; /* a full disk costs the transcript, not the session */
        rest = span_tail(rest, (size_t)size);
    }
    text_clear(&transcript->text);
}

static void transcript_put(struct transcript *transcript, struct span lines)
{
    while (lines.size > 0) {
        size_t size = text_left(&transcript->text);

        text_add(&transcript->text, lines);
        if (size < lines.size)
            transcript_write(transcript);
        lines = span_tail(lines, size);
    }
}

/* What `play` needs to do the same again: the policy as it was, and the seed. */
static void transcript_begin(struct transcript *transcript, uint64_t id,
                             const struct heading *heading, const struct address *client)
{
    char text[ADDRESS_TEXT_MAX];

    text_add(&transcript->text, SPAN("# client "));
    text_add(&transcript->text, span_of_string(address_text(client, text)));
    text_add_byte(&transcript->text, '\n');
    transcript_put(transcript, span_of(heading->text, heading->size));
    transcript_put(transcript, SPAN("@ seed "));
    snprintf(text, sizeof(text), "%llu\n", (unsigned long long)id);
    transcript_put(transcript, span_of_string(text));
}

struct transcript *transcript_open(struct transcripts *transcripts, uint64_t id,
                                   const struct heading *heading, const struct address *client)
{
    struct transcript *transcript;
    char name[TRANSCRIPT_NAME_MAX];
    time_t now = time(NULL);
    struct tm utc;
    size_t size;
    int file;

    gmtime_r(&now, &utc);
    size = strftime(name, sizeof(name), "%Y%m%dT%H%M%SZ", &utc);
    snprintf(name + size, sizeof(name) - size, "-%016llx.smtp", (unsigned long long)id);
    file = openat(transcripts->directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return NULL;
    uv_mutex_lock(&transcripts->lock);
    transcripts_add(transcripts, name);
    uv_mutex_unlock(&transcripts->lock);
    transcript = malloc(sizeof(*transcript));
    must(transcript != NULL);
    transcript->file = file;
    transcript->left = transcripts->session_bytes;
    transcript->text = text_over(transcript->buffer, sizeof(transcript->buffer));
    transcript_begin(transcript, id, heading, client);
    return transcript;
}

void transcript_add(struct transcript *transcript, struct span lines)
{
    if (transcript->left == 0)
        return;
    if (lines.size >= transcript->left) { /* one that fills it would leave no room to say so */
        lines = SPAN("# cut\n");
        transcript->left = lines.size;
    }
    transcript->left -= lines.size;
    transcript_put(transcript, lines);
}

void transcript_close(struct transcript **transcript)
{
    transcript_write(*transcript);
    close((*transcript)->file);
    free(*transcript);
    *transcript = NULL;
}
