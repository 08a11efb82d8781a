/*
 * Bytes that came and were not read yet. Within a step they are read where they lie; only what is
 * left over at its end is kept, in a lent block.
 */
#include <string.h>

#include "state.h"

static struct pool *pool_of(struct engine *engine)
{
    return &engine->lender->pool;
}

void inbox_begin(struct engine *engine, enum side side, struct span bytes)
{
    struct inbox *inbox = &engine->peers[side].inbox;
    char *block;

    inbox->borrowed = inbox->block == 0;
    if (inbox->borrowed) {
        inbox->view = bytes;
        return;
    }
    block = pool_at(pool_of(engine), inbox->block);
    must(inbox->size + bytes.size <= BLOCK_SIZE);
    if (inbox->start + inbox->size + bytes.size > BLOCK_SIZE) {
        memmove(block, block + inbox->start, inbox->size);
        inbox->start = 0;
    }
    if (bytes.size > 0)
        memcpy(block + inbox->start + inbox->size, bytes.at, bytes.size);
    inbox->size += (uint32_t)bytes.size;
    inbox->view = span_of(block + inbox->start, inbox->size);
}

void inbox_take(struct inbox *inbox, size_t size)
{
    must(size <= inbox->view.size);
    inbox->view = span_tail(inbox->view, size);
}

void inbox_drop(struct engine *engine, enum side side)
{
    struct inbox *inbox = &engine->peers[side].inbox;

    inbox_take(inbox, inbox->view.size);
}

static void wipe(struct engine *engine, const struct inbox *inbox)
{
    memset(pool_at(pool_of(engine), inbox->block) + inbox->start, 0, inbox->size);
}

void inbox_keep(struct engine *engine, enum side side)
{
    struct inbox *inbox = &engine->peers[side].inbox;
    uint32_t left = (uint32_t)inbox->view.size;

    if (inbox->block == 0 && left > 0) {
        inbox->block = pool_lend(pool_of(engine));
        must(inbox->block != 0); /* engine_room promised it */
        memcpy(pool_at(pool_of(engine), inbox->block), inbox->view.at, left);
        inbox->start = 0;
    } else if (inbox->block != 0) {
        if (engine->auth_seen && side == SIDE_CLIENT && left == 0)
            wipe(engine, inbox);
        inbox->start += inbox->size - left;
    }
    inbox->size = left;
    if (inbox->block != 0 && left == 0) {
        pool_return(pool_of(engine), inbox->block);
        inbox->block = 0;
        inbox->start = 0;
    }
    inbox->view = span_of("", 0);
}
