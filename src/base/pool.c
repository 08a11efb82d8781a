/* Blocks of memory; a free block's first four bytes name the next free one. */
#include <string.h>

#include "lockstep/base/must.h"
#include "lockstep/base/pool.h"

void pool_init(struct pool *pool, char *memory, uint32_t count)
{
    *pool = (struct pool){.memory = memory, .count = count};
}

uint32_t pool_lend(struct pool *pool)
{
    uint32_t block = pool->first;

    if (block != 0)
        memcpy(&pool->first, pool_at(pool, block), sizeof(pool->first));
    else if (pool->fresh < pool->count)
        block = ++pool->fresh;
    if (block != 0)
        pool->lent++;
    return block;
}

void pool_return(struct pool *pool, uint32_t block)
{
    must(pool->lent > 0);
    memcpy(pool_at(pool, block), &pool->first, sizeof(pool->first));
    pool->first = block;
    pool->lent--;
}

char *pool_at(const struct pool *pool, uint32_t block)
{
    must(block > 0 && block <= pool->fresh);
    return pool->memory + (size_t)(block - 1) * BLOCK_SIZE;
}
