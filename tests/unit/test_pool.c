#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/pool.h"

#define COUNT 3U

static struct pool pool;
static char *memory;

static void set_up(void)
{
    memory = malloc((size_t)COUNT * BLOCK_SIZE);
    pool_init(&pool, memory, COUNT);
}

static void tear_down(void)
{
    free(memory);
}

TestSuite(pool, .init = set_up, .fini = tear_down);

Test(pool, lends_each_block_once_and_then_none)
{
    uint32_t one = pool_lend(&pool), two = pool_lend(&pool), three = pool_lend(&pool);

    cr_assert(one && two && three);
    cr_assert(one != two && two != three && one != three);
    cr_assert_eq(pool_lend(&pool), 0U);
    cr_assert_eq(pool.lent, COUNT);
    memset(pool_at(&pool, one), 1, BLOCK_SIZE);
    memset(pool_at(&pool, two), 2, BLOCK_SIZE);
    memset(pool_at(&pool, three), 3, BLOCK_SIZE);
    cr_assert_eq(pool_at(&pool, one)[BLOCK_SIZE - 1], 1);
    cr_assert_eq(pool_at(&pool, two)[0], 2);
}

Test(pool, lends_the_block_returned_last_first)
{
    uint32_t one = pool_lend(&pool), two = pool_lend(&pool);

    pool_return(&pool, one);
    pool_return(&pool, two);
    cr_assert_eq(pool.lent, 0U);
    cr_assert_eq(pool_lend(&pool), two);
    cr_assert_eq(pool_lend(&pool), one);
    cr_assert_eq(pool.fresh, 2U, "a block never lent stays untouched");
    cr_assert_neq(pool_lend(&pool), 0U);
    cr_assert_eq(pool_lend(&pool), 0U);
}

Test(pool, of_nothing_lends_nothing)
{
    pool_init(&pool, NULL, 0);
    cr_assert_eq(pool_lend(&pool), 0U);
}

Test(pool, refuses_a_block_that_was_never_lent, .signal = SIGABRT)
{
    pool_lend(&pool);
    pool_return(&pool, 2);
}

Test(pool, refuses_a_block_too_many, .signal = SIGABRT)
{
    uint32_t one = pool_lend(&pool);

    pool_return(&pool, one);
    pool_return(&pool, one);
}
