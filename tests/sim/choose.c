/* What a session is to be like: its policy, and which repairs are on. */
#include "lockstep/base/must.h"

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
        if (stage == STAGE_HEADER && dice_chance(dice, 60))
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

/* Of every kind, and every trigger; which of them fit together is left to chance. */
static const char *const faults[] = {
    "command RCPT do drop",
    "command MAIL chance=50 do drop",
    "reply RCPT nth=1 do drop",
    "reply END do drop",
    "command END do drop",
    "command END do answer \"250 taken\" ask",
    "command DATA do answer \"354 go\" ask",
    "command DATA early do answer \"554 no\" then=close",
    "command RCPT every=2 do answer \"451 later\\n\"",
    "early do answer \"554 early\" then=close",
    "open sessions=2 do end reset",
    "open do delay 2s jitter=1s",
    "open do insert \"220-wait\"",
    "open chance=10 do answer \"421 no\" then=close",
    "command MAIL do hold 1",
    "command RCPT do hold 2 for=1s",
    "command DATA do hold 1",
    "command RSET do hold 3",
    "command EHLO,AUTH do hold 1",
    "command MAIL do repeat",
    "command RCPT do repeat absorb",
    "command DATA do repeat",
    "command RCPT do insert RSET absorb",
    "command BDAT do insert DATA absorb",
    "command RCPT do insert \"AUTH PLAIN AHUAcA==\"",
    "command DATA do insert \"NOOP x\" behind",
    "command END do insert footer",
    "reply EHLO do insert 250-first",
    "command EHLO,AUTH do overwrite NOOP",
    "command !HELO,MAIL,RCPT do mask X",
    "greeting do mask * keep=\"20 \"",
    "reply do replace 25 with=35",
    "command MAIL do replace \"MAIL FROM:<>\"",
    "command longer=20 do truncate 20",
    "command longer=20 do truncate 20 rest",
    "reply MAIL do delay 90s",
    "reply chance=20 do delay 10ms jitter=5s",
    "command QUIT do end half",
    "command RCPT nth=3 do end stall",
    "reply RCPT do end reset bytes=5",
    "content after=30 do end close",
    "content do end stall bytes=3",
    "content after=10 first=1 do answer \"552 virus\" then=close",
    "reply do split 1 gap=3ms",
    "command do split 3",
    "command RCPT do alone",
    "reply RCPT code=5 do forget",
    "command DATA do forget",
    "reply EHLO do delete-keyword PIPELINING,CHUNKING",
    "reply EHLO do mask-keyword !SIZE",
    "reply EHLO do add-keyword \"AUTH PLAIN LOGIN\"",
    "reply EHLO do keyword-first STARTTLS",
    "reply EHLO do lower-size 100",
    "reply EHLO do shuffle-keywords",
    "content do strip-eighth-bit",
    "content do normalise-line-ends",
    "content do unstuff-dots",
    "content do fold-lines 5",
    "content do cut-content 40",
    "command split do mask X",
    "command END split do drop",
    "command DATA none-accepted do answer \"354 go\"",
    "command DATA last-refused do answer \"503 no\"",
    "command RCPT over=1/1s do answer \"421 slow\" then=close",
    "command RCPT new=1m do answer \"451 grey\"",
    "command followed do answer \"500 no pipelining\" then=close",
    "reply code=!2 do end close",
    "to-client do latency 100ms jitter=90ms",
    "to-upstream do latency 5s",
    "to-upstream do bandwidth 300",
    "to-client do slice 1 gap=2ms",
    "to-upstream do slice 7 spread=6",
    "to-client do gather 1s",
    "to-client do limit 300 then=reset",
    "to-upstream chance=30 do limit 200 then=stall",
    "to-upstream do largest 60",
    "to-client do timeout 5s",
    "to-upstream do timeout 0ms",
    "to-client do reset 3s",
    "to-client do slow-close 1s",
    "to-upstream do idle 10s then=reset",
};

/* Segments matter to faults, so calm sessions have none. */
static void choose_faults(struct world *world)
{
    struct dice *dice = &world->client.dice;
    uint32_t count = dice_below(dice, 5);
    char memory[200];
    struct text error = text_over(memory, sizeof(memory));

    world->policy.mode = MODE_FAULT;
    while (count-- > 0) {
        const char *rule = faults[dice_below(dice, sizeof(faults) / sizeof(faults[0]))];

        must(fault_add(&world->policy.faults, span_of_string(rule), &error));
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
    if (!world->calm && dice_chance(dice, 30))
        choose_faults(world);
    if (policy->mode != MODE_FAULT)
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
