/* Who has failed lately, and how long that makes him wait. */
#include "login_pace.h"

#include <string.h>

static void key_of(struct span client, uint8_t key_r[16])
{
    static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    struct network network;
    char memory[1];
    struct text advice = text_over(memory, 0);

    memset(key_r, 0, 16);
    if (!network_parse(client, &network, &advice))
        return; /* all of which nothing is known count together */
    memcpy(key_r, network.bytes, memcmp(network.bytes, mapped, sizeof(mapped)) == 0 ? 16 : 8);
}

static struct login_pace_row *find(struct login_pace *pace, const uint8_t key[16], moment now)
{
    size_t i;

    for (i = 0; i < LOGIN_PACE_ADDRESSES; i++) {
        struct login_pace_row *row = &pace->rows[i];

        if (row->failures == 0 || memcmp(row->client, key, 16) != 0)
            continue;
        if (now - row->failed < LOGIN_PACE_FORGET_MS)
            return row;
        *row = (struct login_pace_row){0};
    }
    return NULL;
}

static struct login_pace_row *add(struct login_pace *pace, const uint8_t key[16])
{
    struct login_pace_row *oldest = &pace->rows[0];
    size_t i;

    for (i = 0; i < LOGIN_PACE_ADDRESSES && oldest->failures > 0; i++) {
        if (pace->rows[i].failures == 0 || pace->rows[i].failed < oldest->failed)
            oldest = &pace->rows[i];
    }
    *oldest = (struct login_pace_row){0};
    memcpy(oldest->client, key, 16);
    return oldest;
}

static moment delay_ms(uint32_t failures)
{
    moment delay = failures > LOGIN_PACE_FREE ? (moment)(failures - LOGIN_PACE_FREE) * 1000 : 0;

    return delay < LOGIN_PACE_DELAY_MAX_MS ? delay : LOGIN_PACE_DELAY_MAX_MS;
}

bool login_pace_wait(struct login_pace *pace, struct span client, moment now, uint64_t *wait_ms_r)
{
    struct login_pace_row *row;
    uint8_t key[16];
    moment start;

    *wait_ms_r = 0;
    key_of(client, key);
    row = find(pace, key, now);
    if (row == NULL || delay_ms(row->failures) == 0)
        return true;
    start = (row->next > now ? row->next : now) + delay_ms(row->failures);
    if (start - now > LOGIN_PACE_WAIT_MAX_MS)
        return false;
    row->next = start;
    *wait_ms_r = (uint64_t)(start - now);
    return true;
}

uint32_t login_pace_settle(struct login_pace *pace, struct span client, moment now, bool passed)
{
    struct login_pace_row *row;
    uint8_t key[16];

    key_of(client, key);
    row = find(pace, key, now);
    if (row == NULL && passed)
        return 0;
    if (row == NULL)
        row = add(pace, key);
    if (passed)
        return --row->failures;
    row->failed = now;
    return ++row->failures;
}
