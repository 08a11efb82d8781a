/* A locked queue of copies, and a bell. */
#include "desk.h"

#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "lockstep/base/secret.h"
#include "session.h"

struct letter {
    struct letter *next;
    struct session *session;
    uint64_t id;
    uint32_t serial;
    struct answer answer; /* its spans point into `bytes` */
    size_t size;
    char bytes[];
};

static struct span letter_keep(struct letter *letter, struct span bytes)
{
    char *at = letter->bytes + letter->size;

    if (bytes.size > 0)
        memcpy(at, bytes.at, bytes.size);
    letter->size += bytes.size;
    return span_of(at, bytes.size);
}

static void letter_free(struct letter *letter)
{
    secret_wipe(letter->bytes, letter->size);
    free(letter);
}

static void desk_add(struct desk *desk, struct letter *letter)
{
    uv_mutex_lock(&desk->lock);
    if (desk->last != NULL)
        desk->last->next = letter;
    else
        desk->first = letter;
    desk->last = letter;
    uv_mutex_unlock(&desk->lock);
    uv_async_send(&desk->bell);
}

void desk_answer(struct desk *desk, void *session, uint64_t id, uint32_t serial,
                 const struct answer *answer)
{
    size_t host_size = answer->moved ? answer->relay.host.size : 0;
    struct letter *letter = malloc(sizeof(*letter) + answer->bytes.size + host_size);

    must(letter != NULL);
    *letter = (struct letter){.session = session, .id = id, .serial = serial, .answer = *answer};
    letter->answer.bytes = letter_keep(letter, answer->bytes);
    if (answer->moved)
        letter->answer.relay.host = letter_keep(letter, answer->relay.host);
    desk_add(desk, letter);
}

static struct letter *desk_take(struct desk *desk)
{
    struct letter *first;

    uv_mutex_lock(&desk->lock);
    first = desk->first;
    desk->first = desk->last = NULL;
    uv_mutex_unlock(&desk->lock);
    return first;
}

static void desk_rung(uv_async_t *bell)
{
    struct letter *letter = desk_take(bell->data);

    while (letter != NULL) {
        struct letter *next = letter->next;

        session_told(letter->session, letter->id, letter->serial, &letter->answer);
        letter_free(letter);
        letter = next;
    }
}

void desk_open(struct desk *desk, uv_loop_t *uv)
{
    *desk = (struct desk){0};
    must(uv_mutex_init(&desk->lock) == 0);
    must(uv_async_init(uv, &desk->bell, desk_rung) == 0);
    desk->bell.data = desk;
}

void desk_close(struct desk *desk)
{
    struct letter *letter = desk_take(desk);

    while (letter != NULL) {
        struct letter *next = letter->next;

        letter_free(letter);
        letter = next;
    }
    uv_mutex_destroy(&desk->lock);
    uv_close((uv_handle_t *)&desk->bell, NULL);
}
