/* What a session is to be like: its policy, and which repairs are on. */
#include "sim.h"

/* How line ends are read, and what becomes of a message that nobody wants. */
static void choose_framing(struct policy *policy, struct dice *dice)
{
    static const enum repair_id ids[] = {REPAIR_BARE_LF, REPAIR_LF_END_OF_DATA, REPAIR_DOUBLED_CR,
                                         REPAIR_EARLY_BODY, REPAIR_STRAY_BODY};
    size_t i;

    for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        policy->repairs ^= dice_chance(dice, 40) ? REPAIR_BIT(ids[i]) : 0;
}

/* Switches of repairs that are seen in what the client hears. Codes are remapped within their
 * class: the model knows no other. */
static void choose_replies(struct policy *policy, struct dice *dice)
{
    static const enum repair_id ids[] = {REPAIR_ODD_REPLIES, REPAIR_PADDED_KEYWORDS,
                                         REPAIR_KEYWORD_FIRST, REPAIR_REMAP_CODES,
                                         REPAIR_FLAT_REPLIES};
    size_t i;

    policy->rewrite.codes = SPAN("550=553 450=452 251=252");
    for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        policy->repairs ^= dice_chance(dice, 25) ? REPAIR_BIT(ids[i]) : 0;
}

/* Those that mend text: what they make is good or bad for the same reasons, on or off. */
static void choose_lines(struct policy *policy, struct dice *dice)
{
    uint32_t id;

    for (id = 0; id < REPAIR_COUNT; id++) {
        enum repair_stage stage = repair_row((enum repair_id)id)->stage;

        if ((stage == STAGE_COMMAND || stage == STAGE_SENDING) && dice_chance(dice, 30))
            policy->repairs ^= REPAIR_BIT(id);
    }
    if (dice_chance(dice, 50))
        policy->rewrite.sender = SPAN("scanner@shop.example");
    if (dice_chance(dice, 50))
        policy->rewrite.domain = SPAN("shop.example");
    if (dice_chance(dice, 50))
        policy->rewrite.helo = SPAN("scanner.example");
}

/* In any mixture, but for what the model expects of a refused envelope. */
static void choose_order(struct policy *policy, struct dice *dice)
{
    const uint64_t others = REPAIR_BIT(REPAIR_REPLAY_ENVELOPE) | REPAIR_BIT(REPAIR_LEARN_PATH) |
                            REPAIR_BIT(REPAIR_MISSING_QUIT);
    uint32_t id;

    for (id = 0; id < REPAIR_COUNT; id++) {
        bool order = repair_row((enum repair_id)id)->stage == STAGE_ORDER;

        if ((order || (others & REPAIR_BIT(id)) != 0) && id != REPAIR_REFUSED_RECIPIENTS &&
            dice_chance(dice, 50))
            policy->repairs ^= REPAIR_BIT(id);
    }
}

void choose_policy(struct world *world)
{
    static const uint32_t rows[] = {1, 2, 8, 64}, lines[] = {512, 1024, 2048};
    struct dice *dice = &world->client.dice;
    struct policy *policy = &world->policy;

    policy_default(policy);
    policy->mode = dice_chance(dice, 80) ? MODE_REPAIR : MODE_OBSERVE;
    policy->pipelining = dice_chance(dice, 70) ? PIPELINING_AUTO : PIPELINING_NEVER;
    choose_framing(policy, dice);
    policy->limits.rows = rows[dice_below(dice, 4)];
    policy->limits.line_bytes = lines[dice_below(dice, 3)];
    policy->limits.reply_bytes = dice_chance(dice, 20) ? 1024 : 16384;
    policy->limits.message_bytes = dice_chance(dice, 10) ? 100 : 0;
    policy->record = dice_chance(dice, 25) || world->keep_record;
    policy->record_bodies = world->keep_record;
    choose_replies(policy, dice);
    if (dice_chance(dice, 30))
        choose_order(policy, dice);
    if (policy->mode == MODE_REPAIR && dice_chance(dice, 40))
        outside_choose(world);
    if (dice_chance(dice, 50))
        choose_lines(policy, dice);
}
