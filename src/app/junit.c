/* The cases are written to memory as they come; how many there were stands before them. */
#include "junit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lockstep/base/must.h"

struct junit {
    FILE *file;
    FILE *cases; /* over `bytes` */
    char *bytes;
    size_t size;
    unsigned counts[JUNIT_OUTCOMES];
    uint64_t total_ms, begun_ms;
};

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000U + (uint64_t)now.tv_nsec / 1000000U;
}

struct junit *junit_open(const char *name)
{
    FILE *file = fopen(name, "we");
    struct junit *junit;

    if (file == NULL)
        return NULL;
    junit = calloc(1, sizeof(*junit));
    must(junit != NULL);
    junit->file = file;
    junit->cases = open_memstream(&junit->bytes, &junit->size);
    must(junit->cases != NULL);
    return junit;
}

void junit_begin(struct junit *junit)
{
    junit->begun_ms = now_ms();
}

/* Text of an element or of an attribute. XML 1.0 has no way to write most control bytes, not even
 * as a reference. */
static void put_text(FILE *file, struct span text)
{
    size_t i;

    for (i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.at[i];

        if (byte == '&')
            fputs("&amp;", file);
        else if (byte == '<')
            fputs("&lt;", file);
        else if (byte == '>')
            fputs("&gt;", file);
        else if (byte == '"')
            fputs("&quot;", file);
        else if (byte == '\n' || (byte >= ' ' && byte < 0x7f))
            fputc(byte, file);
        else
            fprintf(file, "\\x%02x", byte);
    }
}

static void put_time(FILE *file, uint64_t ms)
{
    fprintf(file, "time=\"%llu.%03u\"", (unsigned long long)(ms / 1000U), (unsigned)(ms % 1000U));
}

void junit_end(struct junit *junit, const char *name, enum junit_outcome outcome, struct span text)
{
    const char *element = outcome == JUNIT_FAILED ? "failure" : "error";
    uint64_t ms = now_ms() - junit->begun_ms;
    FILE *file = junit->cases;

    junit->counts[outcome]++;
    junit->total_ms += ms;
    fputs("  <testcase classname=\"lockstep\" name=\"", file);
    put_text(file, span_of_string(name));
    fputs("\" ", file);
    put_time(file, ms);
    if (outcome == JUNIT_PASSED) {
        fputs("/>\n", file);
        return;
    }
    fprintf(file, ">\n    <%s message=\"", element);
    put_text(file, span_head(text, span_find(text, '\n')));
    fputs("\">", file);
    put_text(file, text);
    fprintf(file, "</%s>\n  </testcase>\n", element);
}

bool junit_close(struct junit **junit, const char *suite)
{
    struct junit *done = *junit;
    FILE *file = done->file;
    unsigned count =
        done->counts[JUNIT_PASSED] + done->counts[JUNIT_FAILED] + done->counts[JUNIT_ERROR];
    bool written;

    must(fclose(done->cases) == 0);
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"", file);
    put_text(file, span_of_string(suite));
    fprintf(file, "\" tests=\"%u\" failures=\"%u\" errors=\"%u\" ", count,
            done->counts[JUNIT_FAILED], done->counts[JUNIT_ERROR]);
    put_time(file, done->total_ms);
    fputs(">\n", file);
    fwrite(done->bytes, 1, done->size, file);
    fputs("</testsuite>\n", file);
    written = ferror(file) == 0;
    written = fclose(file) == 0 && written;
    free(done->bytes);
    free(done);
    *junit = NULL;
    return written;
}
