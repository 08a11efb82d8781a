/* The model upstream: a plain server that keeps to the rules, but for one mischief a session. */
#include <stdio.h>
#include <string.h>

#include "lockstep/smtp/verb.h"

#include "sim.h"

/* A reply without end, for as long as anybody would listen. */
#define FLOOD_BYTES 100000U

void upstream_start(struct world *world)
{
    struct upstream *upstream = &world->upstream;
    struct dice *dice = &world->client.dice; /* a script, like the client's */

    upstream->salt = seed_next(&dice->seed);
    upstream->pipelining = dice_chance(dice, 40);
    upstream->chunking = dice_chance(dice, 40);
    upstream->auth = dice_chance(dice, 70);
    if (!world->calm && dice_chance(dice, 60))
        upstream->mischief = (enum mischief)dice_below(dice, MISCHIEF_COUNT);
    upstream->tls = dice_chance(dice, 80);
    upstream->hidden_auth = dice_chance(dice, 30);
    upstream->insists = world->guided && dice_chance(dice, 30);
    upstream->mischief_at = dice_below(dice, 14);
    if (upstream->mischief == MISCHIEF_LOST)
        upstream->lose_after = 1 + dice_below(dice, 500);
    if (!world->calm && dice_chance(dice, 25))
        upstream->lose_in_body = 1 + dice_below(dice, 12);
    upstream->fickle = dice_chance(dice, 30);
}

static void close_after_replies(struct world *world)
{
    world->upstream.mode = UP_DEAD;
    world->upstream.closing = true;
}

static void transaction_end(struct upstream *upstream)
{
    upstream->named.forwarded = false;
    upstream->mail_open = upstream->chunk_failed = false;
    upstream->recipients = 0;
    upstream->mail_tag = 0;
    bytes_clear(&upstream->content);
}

/* What it knows of the session; the one before, or the clear, leaves nothing behind. */
void upstream_begin_anew(struct upstream *upstream)
{
    transaction_end(upstream);
    bytes_clear(&upstream->line);
    bytes_clear(&upstream->out);
    upstream->mode = UP_COMMAND;
    upstream->extended = upstream->offered = upstream->closing = false;
    upstream->auth_rounds = 0;
    upstream->known = upstream->reset_refused = false;
    upstream->as = NOTHING;
    upstream->named.offered = upstream->named.forward_offered = false;
}

void upstream_secured(struct world *world)
{
    upstream_begin_anew(&world->upstream);
    world->upstream.secured = true;
}

void upstream_lost(struct world *world)
{
    bytes_clear(&world->upstream.out);
    world->upstream.mode = UP_DEAD;
    world->upstream_down = true;
}

void upstream_greet(struct world *world)
{
    uint32_t chance = upstream_verdict(world, SPAN("greeting"), 0);

    world->upstream.connections++;
    world->upstream.gone = false;
    upstream_begin_anew(&world->upstream);
    world->upstream.secured = false;
    world->upstream.named = (struct named){0};
    if (world->upstream.swallowed)
        world->upstream.swallowed = world->confused = false;
    if (world->upstream.mischief == MISCHIEF_CLOSING && chance < 15)
        upstream_say(world, TO_LINE, 0, chance < 8 ? 421 : 554, "greets you not");
    else
        upstream_say(world, TO_LINE, 0, 220, "greets you");
    world->upstream.barrier = true;
}

/* Does what cannot be said in a reply of its own; true when the command gets no other answer. */
static bool mischief_done(struct world *world)
{
    struct upstream *upstream = &world->upstream;

    if (upstream->commands != upstream->mischief_at)
        return false;
    switch (upstream->mischief) {
    case MISCHIEF_CLOSING:
        upstream_say(world, TO_LINE, 0, 421, "closes now");
        upstream->mode = UP_DEAD;
        return true;
    case MISCHIEF_RUBBISH:
        world->confused = true;
        bytes_say(&upstream->out, "Too many invalid commands. Bye!\r\n");
        return true;
    case MISCHIEF_UNASKED:
        world->confused = true;
        bytes_say(&upstream->out, "250 unasked\r\n");
        return false;
    case MISCHIEF_FLOOD:
        world->confused = true;
        upstream->flooding = true;
        return true;
    case MISCHIEF_NONE:
    case MISCHIEF_ODD:
    case MISCHIEF_WRONG:
    case MISCHIEF_EARLY:
    case MISCHIEF_EMPTY:
    case MISCHIEF_SILENT:
    case MISCHIEF_LOST:
    case MISCHIEF_SWALLOW:
    case MISCHIEF_COUNT:
        break;
    }
    return false;
}

static void end_message(struct world *world)
{
    struct upstream *upstream = &world->upstream;
    uint32_t tag = upstream->mail_tag;
    uint32_t chance = upstream_verdict(world, SPAN("."), tag);

    upstream->mode = UP_COMMAND;
    upstream->barrier = true;
    upstream->commands++;
    if (upstream->recipients == 0) {
        upstream_say(world, TO_DOT, tag, 554, "no valid recipients");
    } else if (mischief_done(world)) {
        ;
    } else if (upstream_misbehaves(world, MISCHIEF_WRONG) && chance < 30) {
        upstream_say(world, TO_DOT, tag, 354, "go on and on");
    } else if (chance < 80) {
        if (!upstream_misbehaves(world, MISCHIEF_SILENT) || chance < 40)
            delivery_take(world, false);
        upstream_say(world, TO_DOT, tag, 250, "taken");
    } else {
        upstream_say(world, TO_DOT, tag, chance < 90 ? 451 : 550, "not taken");
    }
    transaction_end(upstream);
}

static void end_chunk(struct world *world)
{
    struct upstream *upstream = &world->upstream;
    uint32_t tag = upstream->mail_tag;
    uint32_t chance = upstream_verdict(world, SPAN("BDAT"), (uint32_t)upstream->content.end + tag);

    upstream->mode = UP_COMMAND;
    upstream->barrier = true;
    if (!upstream->mail_open || upstream->recipients == 0 || upstream->chunk_failed) {
        upstream_say(world, upstream->chunk_last ? TO_DOT : TO_CHUNK, tag, 503, "no chunk wanted");
    } else if (mischief_done(world)) {
        ;
    } else if (chance < 10) {
        upstream->chunk_failed = true;
        upstream_say(world, upstream->chunk_last ? TO_DOT : TO_CHUNK, tag, chance < 5 ? 452 : 554,
                     "no");
    } else {
        if (upstream->chunk_last)
            delivery_take(world, true);
        upstream_say(world, upstream->chunk_last ? TO_DOT : TO_CHUNK, tag, 250, "chunk taken");
    }
    if (upstream->chunk_last)
        transaction_end(upstream);
}

/* --- commands --- */

static void obey_greeting(struct world *world, struct span line, bool extended)
{
    struct upstream *upstream = &world->upstream;
    uint32_t tag = tag_in(line);

    outside_check_spared(world, REPAIR_SECOND_GREETING, upstream->extended,
                         "nobody is greeted twice (trap 19)");
    if (upstream_verdict(world, line, 1) < 6) {
        upstream_say(world, TO_LINE, tag, 502, "not known");
        return;
    }
    transaction_end(upstream);
    upstream->extended = extended;
    upstream->offered = extended && upstream->pipelining;
    if (!extended) {
        upstream_say(world, TO_LINE, tag, 250, "hello");
        return;
    }
    world->said[tag][TO_LINE] = 250;
    if (upstream_misbehaves(world, MISCHIEF_SILENT))
        return;
    bytes_say(&upstream->out, "250-~%u~ at your service\r\n", tag);
    if (upstream->pipelining)
        bytes_say(&upstream->out, "250-PIPELINING\r\n");
    if (upstream->chunking)
        bytes_say(&upstream->out, "250-CHUNKING\r\n250-XBOGUS ~9999~\r\n");
    if (upstream->auth && !upstream->hidden_auth)
        bytes_say(&upstream->out, "250-AUTH PLAIN LOGIN\r\n");
    if (upstream->tls && !upstream->secured)
        bytes_say(&upstream->out, "250-STARTTLS\r\n");
    identity_offer(world);
    bytes_say(&upstream->out, "250-SIZE 1000000\r\n250 8BITMIME\r\n");
}

static void obey_mail(struct world *world, struct span line)
{
    struct upstream *upstream = &world->upstream;
    uint32_t chance = upstream_verdict(world, line, 2);
    uint32_t tag = tag_in(line);

    if (upstream->mail_open) {
        outside_check_spared(world, REPAIR_NESTED_MAIL,
                             bytes_span(&upstream->content).size == 0 && !upstream->chunk_failed &&
                                 !upstream->reset_refused,
                             "no MAIL is nested (B-25)");
        upstream_say(world, TO_LINE, tag, 503, "nested");
    } else if (upstream->insists && upstream->as == NOTHING && chance < 50) {
        upstream_say(world, TO_LINE, tag, 530, "log in first");
    } else if (upstream_misbehaves(world, MISCHIEF_WRONG) && chance < 20) {
        upstream_say(world, TO_LINE, tag, 354, "what");
    } else if (chance < 80) {
        outside_check_mail(world, line);
        identity_check_mail(world);
        upstream->mail_open = true;
        upstream->mail_tag = tag;
        upstream_say(world, TO_LINE, tag, 250, "sender ok");
    } else {
        upstream_say(world, TO_LINE, tag, chance < 90 ? 451 : 550, "sender not ok");
    }
}

static void obey_recipient(struct world *world, struct span line)
{
    struct upstream *upstream = &world->upstream;
    uint32_t chance = upstream_verdict(world, line, 3);
    uint32_t tag = tag_in(line);
    struct span second = span_tail(line, span_find_span(line, SPAN("~~")) + 1);

    if (!upstream->mail_open) {
        upstream_say(world, TO_LINE, tag, 503, "need MAIL");
    } else if (upstream->insists && upstream->as == NOTHING) {
        upstream_say(world, TO_LINE, tag, 530, "log in before that");
    } else if (chance < 70) {
        if (tag_in(second) != upstream->mail_tag && world->policy.mode == MODE_REPAIR &&
            !world->confused)
            world_doubt(world, "a recipient is added to its own sender's message");
        upstream->recipients++;
        upstream_say(world, TO_LINE, tag, 250, "recipient ok");
    } else {
        upstream_say(world, TO_LINE, tag, chance < 85 ? 450 : 550, "recipient not ok");
    }
}

static void obey_data(struct world *world, struct span line)
{
    struct upstream *upstream = &world->upstream;
    uint32_t chance = upstream_verdict(world, line, 4 + upstream->mail_tag);
    uint32_t tag = upstream->mail_tag;
    bool empty = upstream_misbehaves(world, MISCHIEF_EMPTY);

    if (!upstream->mail_open) {
        upstream_say(world, TO_DATA, 0, 503, "need MAIL");
    } else if (upstream->recipients == 0 && !empty) {
        upstream_say(world, TO_DATA, tag, 554, "need RCPT");
    } else if (upstream_misbehaves(world, MISCHIEF_WRONG) && chance < 40) {
        upstream_say(world, TO_DATA, tag, 250, "yes");
    } else if (chance < 90 || empty) {
        bytes_clear(&upstream->content);
        upstream_say(world, TO_DATA, tag, 354, "go on");
        upstream->mode = UP_BODY;
    } else {
        upstream_say(world, TO_DATA, tag, chance < 95 ? 451 : 554, "no message now");
    }
}

static void obey_chunk(struct world *world, struct span line)
{
    struct upstream *upstream = &world->upstream;
    struct span rest = span_tail(line, 5);
    struct span size, last;
    uint64_t bytes = 0;

    if (!upstream->chunking || !span_starts_fold(line, SPAN("BDAT ")) || !span_word(&rest, &size) ||
        !span_number(size, &bytes)) {
        upstream_say(world, TO_LINE, 0, 502, "no chunks");
        return;
    }
    upstream->chunk_last = span_word(&rest, &last);
    upstream->chunk_left = bytes;
    upstream->mode = UP_CHUNK;
    if (bytes == 0)
        end_chunk(world);
}

static void obey_starttls(struct world *world, struct span line)
{
    struct upstream *upstream = &world->upstream;

    if (!upstream->tls || upstream->secured || !world->guided ||
        upstream_verdict(world, line, 8) < 10) {
        upstream_say(world, TO_LINE, 0, 454, "no TLS");
        return;
    }
    upstream_say(world, TO_LINE, 0, 220, "go ahead");
    upstream->mode = UP_HANDSHAKE;
}

static void obey_auth(struct world *world, struct span line)
{
    struct upstream *upstream = &world->upstream;
    uint32_t chance = upstream_verdict(world, line, 5);

    outside_check_spared(world, REPAIR_REPEATED_AUTH,
                         upstream->mode != UP_AUTH && (upstream->known || upstream->mail_open),
                         "nobody logs in twice, or within MAIL (R-35)");
    upstream->mode = UP_COMMAND;
    if (!upstream->auth)
        upstream_say(world, TO_LINE, 0, 502, "no AUTH");
    else if (span_equal(line, SPAN("*")))
        upstream_say(world, TO_LINE, 0, 501, "cancelled");
    else if (upstream_misbehaves(world, MISCHIEF_WRONG) && chance < 50)
        upstream_say(world, TO_LINE, 0, 250, "friendly");
    else if (chance < 40 && upstream->auth_rounds++ < 3) {
        upstream->mode = UP_AUTH;
        upstream_say(world, TO_LINE, 0, 334, "VXNlcm5hbWU6");
    } else {
        char words[80];

        if (chance < 80)
            upstream->as = outside_credential(line);
        upstream->known = upstream->known || chance < 80;
        snprintf(words, sizeof(words), "you said %.*s", (int)line.size, line.at);
        /* Where replies can't be told apart, nobody could tell what it quotes. */
        upstream_say(world, TO_LINE, 0, chance < 80 ? 235 : 535,
                     chance < 90 || world->confused ? "so it is" : words);
    }
}

/* RFC 5321 4.1.1.5 knows no refusal, and still. */
static void obey_reset(struct world *world)
{
    struct upstream *upstream = &world->upstream;

    if (upstream_misbehaves(world, MISCHIEF_WRONG) &&
        upstream_verdict(world, SPAN("RSET"), upstream->commands) < 30) {
        world->upstream.reset_refused = true;
        upstream_say(world, TO_LINE, 0, 550, "no reset");
        return;
    }
    transaction_end(upstream);
    upstream_say(world, TO_LINE, 0, 250, "reset");
}

static void obey_other(struct world *world, struct span line, enum verb verb)
{
    uint32_t chance = upstream_verdict(world, line, 6);

    if (verb == VERB_XFORWARD)
        upstream_say(world, TO_LINE, 0, identity_forwarded(world, line) ? 250 : 501, "forward");
    else if (verb == VERB_UNKNOWN)
        upstream_say(world, TO_LINE, tag_in(line), 500, "unknown");
    else
        upstream_say(world, TO_LINE, tag_in(line),
                     chance < 80   ? 250
                     : chance < 90 ? 252
                                   : 502,
                     "well");
}

static void obey_verb(struct world *world, struct span line, enum verb verb)
{
    switch (verb_facts(verb)->does) {
    case DOES_GREET:
    case DOES_GREET_OLD:
        obey_greeting(world, line, verb == VERB_EHLO);
        break;
    case DOES_SENDER:
        obey_mail(world, line);
        break;
    case DOES_RECIPIENT:
        obey_recipient(world, line);
        break;
    case DOES_MESSAGE:
        obey_data(world, line);
        break;
    case DOES_CHUNK:
        obey_chunk(world, line);
        break;
    case DOES_RESET:
        obey_reset(world);
        break;
    case DOES_AUTH:
        obey_auth(world, line);
        break;
    case DOES_QUIT:
        upstream_say(world, TO_LINE, 0, 221, "bye");
        close_after_replies(world);
        break;
    case DOES_SECURE:
        obey_starttls(world, line);
        break;
    case DOES_IDENTIFY:
        identity_obey(world, line);
        break;
    case DOES_NONE:
    case DOES_END:
    case DOES_RESPONSE:
    case DOES_COUNT:
        obey_other(world, line, verb);
        break;
    }
}

/* From then on no reply can be told from another, until there is a new connection. */
static bool swallows(struct world *world)
{
    struct upstream *upstream = &world->upstream;

    if (!upstream_misbehaves(world, MISCHIEF_SWALLOW) || upstream->swallowed ||
        upstream->mode != UP_COMMAND)
        return false;
    upstream->swallowed = world->confused = true;
    upstream->mischief = MISCHIEF_NONE;
    return true;
}

static void obey(struct world *world, struct span all)
{
    struct upstream *upstream = &world->upstream;
    struct span line = span_head(all, all.size - (span_ends(all, SPAN("\r\n")) ? 2 : 1));
    struct span rest = line;
    struct span word;
    enum verb verb;

    upstream->commands++;
    if (world->policy.mode == MODE_REPAIR && !world->confused &&
        (line.size + 2 != all.size || span_find(line, '\r') < line.size ||
         span_find(line, '\0') < line.size))
        world_doubt(world, "a command that goes on is clean (invariant 4)");
    outside_check_clear(world, line);
    span_word(&rest, &word);
    verb = verb_find(word);
    if (swallows(world))
        return;
    upstream->barrier = upstream->mode == UP_AUTH || verb_facts(verb)->last;
    if (mischief_done(world))
        return;
    if (upstream->mode == UP_AUTH)
        obey_auth(world, line);
    else
        obey_verb(world, line, verb);
}

/* --- bytes --- */

/* To the end of a line; false: it is not there yet. */
static bool take_line(struct upstream *upstream, struct span *bytes)
{
    size_t end = span_find(*bytes, '\n');

    bytes_add(&upstream->line, span_head(*bytes, end + 1));
    *bytes = span_tail(*bytes, end + 1);
    return span_ends(bytes_span(&upstream->line), SPAN("\n"));
}

/* Before the message has ended, in one way or another, and is gone. */
static void answer_early(struct world *world, enum to to, size_t unread)
{
    uint32_t chance = upstream_verdict(world, SPAN("early"), world->upstream.mail_tag);

    world->lied = chance >= 70;
    world->lie_at = bytes_span(&world->carried).size - unread +
                    (world->upstream.mode == UP_CHUNK ? (size_t)world->upstream.chunk_left : 1);
    upstream_say(world, to, world->upstream.mail_tag,
                 chance < 40   ? 552
                 : chance < 70 ? 421
                               : 250,
                 "enough");
    close_after_replies(world);
}

/* Behind so many lines of messages it is gone; half the time the next one is, too. */
static void lose_in_body(struct world *world)
{
    struct upstream *upstream = &world->upstream;

    if (upstream->lose_in_body == 0 || --upstream->lose_in_body > 0)
        return;
    if (dice_chance(&world->client.dice, 50))
        upstream->lose_in_body = 1 + dice_below(&world->client.dice, 12);
    upstream->mode = UP_DEAD;
    upstream->gone = true;
}

static void hear_body_line(struct world *world, size_t unread)
{
    struct upstream *upstream = &world->upstream;
    struct span line = bytes_span(&upstream->line);
    bool crlf = span_ends(line, SPAN("\r\n"));
    bool start = upstream->content.end == upstream->content.start ||
                 span_ends(bytes_span(&upstream->content), SPAN("\r\n"));

    if (world->policy.mode == MODE_REPAIR && !crlf)
        world_doubt(world, "only CRLF ends a line of a message that goes on");
    if (start && span_equal(line, SPAN(".\r\n"))) {
        bytes_clear(&upstream->line);
        end_message(world);
        return;
    }
    if (upstream->recipients == 0 && world->policy.mode == MODE_REPAIR && !world->confused)
        world_doubt(world, "without recipients a lone dot is sent (R-15)");
    if (start && span_starts(line, SPAN(".")))
        line = span_tail(line, 1);
    if (world->policy.mode == MODE_REPAIR && span_find(line, '\r') + 2 < line.size)
        world_doubt(world, "no CR of its own is in a message that goes on");
    bytes_add(&upstream->content, line);
    if (upstream_misbehaves(world, MISCHIEF_EARLY))
        answer_early(world, TO_DOT, unread);
    else
        lose_in_body(world);
}

static void hear_chunk(struct world *world, struct span *bytes)
{
    struct upstream *upstream = &world->upstream;
    size_t size = bytes->size < upstream->chunk_left ? bytes->size : (size_t)upstream->chunk_left;

    bytes_add(&upstream->content, span_head(*bytes, size));
    *bytes = span_tail(*bytes, size);
    upstream->chunk_left -= size;
    if (upstream->chunk_left == 0)
        end_chunk(world);
    else if (upstream_misbehaves(world, MISCHIEF_EARLY))
        answer_early(world, upstream->chunk_last ? TO_DOT : TO_CHUNK, bytes->size);
}

/* and invariant 14: what may not be followed is not, by a single byte. */
static void check_turn(struct world *world)
{
    const struct upstream *upstream = &world->upstream;
    bool owed =
        upstream->out.end > upstream->out.start || upstream_misbehaves(world, MISCHIEF_SILENT);

    if (world->policy.mode != MODE_REPAIR || world->confused || upstream->mode == UP_CHUNK ||
        upstream->mode == UP_DEAD)
        return;
    if (owed && (world->policy.pipelining == PIPELINING_NEVER || !upstream->offered))
        world_doubt(world, "one command at a time (invariant 14)");
    if (owed && upstream->barrier)
        world_doubt(world, "nothing follows a command that stands last (R-02)");
}

void upstream_hear(struct world *world, struct span bytes)
{
    struct upstream *upstream = &world->upstream;

    if (upstream->mode == UP_HANDSHAKE && bytes.size > 0 && !world->confused)
        world_doubt(world, "nothing is said in clear behind STARTTLS (R-30)");
    while (bytes.size > 0 && upstream->mode != UP_DEAD) {
        if (upstream->mode == UP_CHUNK) {
            hear_chunk(world, &bytes);
            continue;
        }
        if (upstream->line.end == upstream->line.start)
            check_turn(world);
        if (!take_line(upstream, &bytes))
            return;
        if (upstream->mode == UP_BODY) {
            hear_body_line(world, bytes.size);
        } else {
            obey(world, bytes_span(&upstream->line));
        }
        bytes_clear(&upstream->line);
    }
}

void upstream_heard_out(struct world *world)
{
    struct upstream *upstream = &world->upstream;

    if (upstream->flooding && upstream->said_bytes < FLOOD_BYTES &&
        bytes_span(&upstream->out).size < 4096)
        bytes_say(&upstream->out, "250-%s\r\n", "and another thing, before I forget to say it");
}
