/* A program, what it says, and the end of both. */
#include "program.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "private.h"

/* Bytes that are kept of what it says of its troubles. */
#define TROUBLE_BYTES 200U
/* Bytes of one read. */
#define READ_BYTES 4096U

enum stream { STREAM_OUT, STREAM_ERR, STREAM_COUNT };

struct program {
    struct guest guest; /* first, so that it is found again */
    struct program_plan plan;
    uv_process_t process;
    uv_pipe_t streams[STREAM_COUNT];
    uv_timer_t timer;
    uint32_t handles; /* that are not closed yet */
    uint32_t reading; /* streams that have not ended */
    bool exited;
    bool late;
    bool ended; /* it is nobody's any more */
    int64_t code;
    int number; /* of the signal that ended it */
    struct text said[STREAM_COUNT];
    char out[SECRET_BYTES_MAX + 2]; /* and its CRLF */
    char err[TROUBLE_BYTES];
    char room[READ_BYTES];
    char line[PROGRAM_BYTES_MAX + 1];
};

/* --- the end --- */

static void program_closed(uv_handle_t *handle)
{
    struct program *program = handle->data;

    if (--program->handles > 0)
        return;
    secret_wipe(program, sizeof(*program));
    free(program);
}

/* It leads a group of its own, so what it started ends with it. Its handle is only closed when it
 * has ended: somebody must bury it. */
static void program_end(struct guest *guest)
{
    struct program *program = (struct program *)guest;

    program->ended = true;
    if (program->exited)
        uv_close((uv_handle_t *)&program->process, program_closed);
    else
        kill(-program->process.pid, SIGKILL);
    uv_close((uv_handle_t *)&program->streams[STREAM_OUT], program_closed);
    uv_close((uv_handle_t *)&program->streams[STREAM_ERR], program_closed);
    uv_close((uv_handle_t *)&program->timer, program_closed);
}

void program_stop(struct program **program)
{
    keeper_leave((*program)->plan.keeper, &(*program)->guest);
    program_end(&(*program)->guest);
    *program = NULL;
}

static void write_trouble(const struct program *program, struct text *why)
{
    if (program->late)
        text_format(why, "its command did not end within %u seconds", PROGRAM_DEADLINE_MS / 1000);
    else if (program->number != 0)
        text_format(why, "its command was ended by signal %d", program->number);
    else if (program->code != 0)
        text_format(why, "its command failed with exit code %d", (int)program->code);
    else if (program->said[STREAM_OUT].cut)
        text_format(why, "its command says more than %u bytes", SECRET_BYTES_MAX);
    else
        text_add(why, SPAN("its command says nothing"));
}

/* Only the log hears of it: who knows what programs say when they fail? */
static void log_trouble(const struct program *program)
{
    struct span err = private_line(text_span(&program->said[STREAM_ERR]));
    struct span name = program->plan.name;
    char memory[TROUBLE_BYTES];
    struct text clean = text_over(memory, sizeof(memory));
    size_t i;

    for (i = 0; i < err.size; i++)
        text_add_byte(&clean, err.at[i] < ' ' || err.at[i] > '~' ? '?' : err.at[i]);
    if (clean.size > 0)
        keeper_say(program->plan.keeper, VAULT_WARNING, "credential %.*s: its command says: %.*s",
                   (int)name.size, name.at, (int)clean.size, clean.at);
}

/* When it has ended and all it said is here, or when it is too late for that. */
static void program_tell(struct program *program)
{
    struct span line = private_line(text_span(&program->said[STREAM_OUT]));
    char memory[128];
    struct text why = text_over(memory, sizeof(memory));
    struct secret secret = {0};
    struct guest *guest = &program->guest;

    program->said[STREAM_OUT].cut = program->said[STREAM_OUT].cut || line.size > SECRET_BYTES_MAX;
    keeper_leave(program->plan.keeper, guest);
    if (program->late || program->number != 0 || program->code != 0 || line.size == 0 ||
        line.size > SECRET_BYTES_MAX || !secret_set(&secret, line)) {
        log_trouble(program);
        write_trouble(program, &why);
        program->plan.done(program->plan.data, NULL, text_span(&why));
    } else {
        program->plan.done(program->plan.data, &secret, SPAN(""));
    }
    secret_clear(&secret);
    program_end(guest);
}

static void program_exited(uv_process_t *process, int64_t code, int number)
{
    struct program *program = process->data;

    program->exited = true;
    program->code = code;
    program->number = number;
    if (program->ended)
        uv_close((uv_handle_t *)process, program_closed);
    else if (program->reading == 0)
        program_tell(program);
}

/* Whoever it left behind may hold its streams open for ever. */
static void program_late(uv_timer_t *timer)
{
    struct program *program = timer->data;

    program->late = true;
    program_tell(program);
}

/* --- what it says --- */

static void program_room(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    struct program *program = handle->data;

    (void)size;
    *buffer = uv_buf_init(program->room, sizeof(program->room));
}

static void program_said(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct program *program = stream->data;
    bool is_out = stream == (uv_stream_t *)&program->streams[STREAM_OUT];
    struct text *said = &program->said[is_out ? STREAM_OUT : STREAM_ERR];

    if (size > 0) {
        text_add(said, span_of(buffer->base, (size_t)size));
        secret_wipe(buffer->base, (size_t)size);
    } else if (size < 0) {
        uv_read_stop(stream);
        if (--program->reading == 0 && program->exited)
            program_tell(program);
    }
}

/* --- the start --- */

/* False: too many words, or none. The words stand in program->line, each with its NUL. */
static bool cut_words(struct program *program, char *words_r[PROGRAM_WORDS_MAX + 1])
{
    struct text line = text_over(program->line, PROGRAM_BYTES_MAX + 1);
    struct span rest = program->plan.line;
    struct span word;
    size_t count = 0;

    while (count < PROGRAM_WORDS_MAX && span_word(&rest, &word)) {
        words_r[count++] = program->line + line.size;
        text_add(&line, word);
        text_add_byte(&line, 0);
    }
    words_r[count] = NULL;
    return count > 0 && span_trim(rest).size == 0 && !line.cut;
}

static int program_spawn(struct program *program, char **words)
{
    uv_stdio_container_t streams[] = {
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
         .data.stream = (uv_stream_t *)&program->streams[STREAM_OUT]},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
         .data.stream = (uv_stream_t *)&program->streams[STREAM_ERR]},
    };
    uv_process_options_t options = {
        .exit_cb = program_exited,
        .file = words[0],
        .args = words,
        .env = program->plan.environment,
        .flags = UV_PROCESS_DETACHED, /* a group of its own */
        .stdio_count = 3,
        .stdio = streams,
    };
    uv_loop_t *uv = &program->plan.keeper->uv;
    size_t i;
    int error;

    for (i = 0; i < STREAM_COUNT; i++) {
        uv_pipe_init(uv, &program->streams[i], 0);
        program->streams[i].data = program;
    }
    uv_timer_init(uv, &program->timer);
    program->timer.data = program;
    program->process.data = program;
    program->handles = 2 + STREAM_COUNT;
    error = uv_spawn(uv, &program->process, &options);
    if (error != 0)
        return error;
    uv_timer_start(&program->timer, program_late, PROGRAM_DEADLINE_MS, 0);
    program->reading = STREAM_COUNT;
    for (i = 0; i < STREAM_COUNT; i++)
        uv_read_start((uv_stream_t *)&program->streams[i], program_room, program_said);
    return 0;
}

struct program *program_start(const struct program_plan *plan, struct text *error)
{
    static char shell[] = "/bin/sh";
    static char shell_takes[] = "-c";
    char *words[PROGRAM_WORDS_MAX + 1] = {shell, shell_takes, NULL};
    struct program *program = calloc(1, sizeof(*program));
    int failure;
    bool fits;

    must(program != NULL);
    program->guest.end = program_end;
    program->plan = *plan;
    program->said[STREAM_OUT] = text_over(program->out, sizeof(program->out));
    program->said[STREAM_ERR] = text_over(program->err, sizeof(program->err));
    if (plan->shell) {
        fits = plan->line.size <= PROGRAM_BYTES_MAX && span_find(plan->line, 0) == plan->line.size;
        words[2] = program->line;
        if (fits)
            memcpy(program->line, plan->line.at, plan->line.size);
    } else {
        fits = cut_words(program, words);
    }
    if (!fits) {
        text_add(error, SPAN("its command is empty or too long"));
        free(program);
        return NULL;
    }
    failure = program_spawn(program, words);
    keeper_join(plan->keeper, &program->guest);
    if (failure != 0) {
        text_format(error, "its command can't be run: %s: %s", words[0], uv_strerror(failure));
        program->exited = true;
        program_stop(&program);
    }
    return program;
}
