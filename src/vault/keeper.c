/* The keeper's thread: jobs from others, guests of its loop, and the end of both. */
#include "keeper.h"

#include <stdarg.h>
#include <stdio.h>

#include "lockstep/base/must.h"

/* Bytes of one line for the log. */
#define LINE_BYTES 1024

static struct job *keeper_take(struct keeper *keeper)
{
    struct job *job;

    uv_mutex_lock(&keeper->lock);
    job = keeper->first;
    if (job != NULL)
        keeper->first = job->next;
    if (keeper->first == NULL)
        keeper->last = NULL;
    uv_mutex_unlock(&keeper->lock);
    return job;
}

static void keeper_woken(uv_async_t *wake)
{
    struct keeper *keeper = wake->data;
    struct job *job;

    while ((job = keeper_take(keeper)) != NULL)
        job->run(job);
}

void keeper_post(struct keeper *keeper, struct job *job)
{
    job->next = NULL;
    uv_mutex_lock(&keeper->lock);
    if (keeper->last != NULL)
        keeper->last->next = job;
    else
        keeper->first = job;
    keeper->last = job;
    uv_async_send(&keeper->wake);
    uv_mutex_unlock(&keeper->lock);
}

static void keeper_run(void *data)
{
    struct keeper *keeper = data;

    uv_run(&keeper->uv, UV_RUN_DEFAULT);
}

/* The last job: without guests and without these handles the loop comes to its end. */
static void keeper_end(struct job *job)
{
    struct keeper *keeper = (struct keeper *)((char *)job - offsetof(struct keeper, end));

    while (keeper->guests != NULL) {
        struct guest *guest = keeper->guests;

        keeper_leave(keeper, guest);
        guest->end(guest);
    }
    link_loop_close(&keeper->links);
    uv_close((uv_handle_t *)&keeper->wake, NULL);
}

int keeper_open(struct keeper *keeper, const struct vault_user *user)
{
    int error;

    *keeper = (struct keeper){.user = user, .end.run = keeper_end};
    error = uv_loop_init(&keeper->uv);
    if (error != 0)
        return error;
    must(uv_mutex_init(&keeper->lock) == 0);
    must(uv_async_init(&keeper->uv, &keeper->wake, keeper_woken) == 0);
    keeper->wake.data = keeper;
    link_loop_init(&keeper->links, &keeper->uv);
    error = uv_thread_create(&keeper->thread, keeper_run, keeper);
    if (error != 0) {
        keeper_end(&keeper->end);
        keeper_run(keeper);
        uv_mutex_destroy(&keeper->lock);
        must(uv_loop_close(&keeper->uv) == 0);
    }
    return error;
}

void keeper_close(struct keeper *keeper)
{
    keeper_post(keeper, &keeper->end);
    uv_thread_join(&keeper->thread);
    must(uv_loop_close(&keeper->uv) == 0);
    uv_mutex_destroy(&keeper->lock);
}

void keeper_join(struct keeper *keeper, struct guest *guest)
{
    guest->before = NULL;
    guest->next = keeper->guests;
    if (guest->next != NULL)
        guest->next->before = guest;
    keeper->guests = guest;
}

void keeper_leave(struct keeper *keeper, struct guest *guest)
{
    if (guest->before != NULL)
        guest->before->next = guest->next;
    else
        keeper->guests = guest->next;
    if (guest->next != NULL)
        guest->next->before = guest->before;
}

moment keeper_now(const struct keeper *keeper)
{
    const struct vault_user *user = keeper->user;

    return user->now != NULL ? user->now(user->data) : (moment)(uv_hrtime() / 1000000);
}

void keeper_say(const struct keeper *keeper, enum vault_weight weight, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list values;
    int size;

    va_start(values, format);
    size = vsnprintf(line, sizeof(line), format, values);
    va_end(values);
    if (size > 0 && keeper->user->say != NULL)
        keeper->user->say(keeper->user->data, weight,
                          span_of(line, size < LINE_BYTES ? (size_t)size : LINE_BYTES - 1));
}
