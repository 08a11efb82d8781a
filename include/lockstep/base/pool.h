/*
 * pool: equal blocks of memory, lent while bytes are in flight and given back when they have gone.
 *
 * The caller provides the memory once; lending and returning cost a few instructions and never
 * fail in any other way than "none left", which its users turn into "stop reading" (house rule:
 * no out-of-memory path in the protocol). Blocks are named by number so that whoever holds one
 * stays copyable; 0 means none. The block returned last is lent first, because it is warm.
 * A block that held secrets is wiped by its holder before it is returned.
 */
#ifndef LOCKSTEP_BASE_POOL_H
#define LOCKSTEP_BASE_POOL_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of one block. It holds the longest line there is (RFC 4954 4: 12288 octets) beside a
 * ledger, and one whole read from a socket: a large message costs a quarter less to carry in reads
 * of this size than in half of it. */
#define BLOCK_SIZE 65536U

struct pool {
    char *memory;   /* count * BLOCK_SIZE bytes; untouched until lent */
    uint32_t count; /* blocks in all */
    uint32_t fresh; /* blocks that were ever lent: the rest are untouched */
    uint32_t first; /* first returned block, 0: none */
    uint32_t lent;  /* blocks out now */
};

void pool_init(struct pool *pool, char *memory, uint32_t count);
/* A block's number, or 0 when all are lent. Its bytes are whatever they were. */
uint32_t pool_lend(struct pool *pool);
void pool_return(struct pool *pool, uint32_t block);
char *pool_at(const struct pool *pool, uint32_t block);

#endif
