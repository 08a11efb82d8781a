/* The model client: what it says, and when. */
#include <stdio.h>
#include <string.h>

#include "lockstep/base/must.h"

#include "sim.h"

enum stage {
    STAGE_GREET,
    STAGE_TLS,
    STAGE_AUTH,
    STAGE_NOISE,
    STAGE_MAIL,
    STAGE_RCPT,
    STAGE_DATA,
    STAGE_BODY,
    STAGE_CHUNK,
    STAGE_END
};

void client_start(struct world *world)
{
    struct client *client = &world->client;

    client->pipelines = dice_chance(&client->dice, 60);
    client->early_body = client->pipelines && dice_chance(&client->dice, 15);
    client->transactions = dice_below(&client->dice, 4);
    client->stage = STAGE_GREET;
    client->wait = !dice_chance(&client->dice, 5);
    client_expect(client, EXPECT_GREETING, 0);
}

void client_expect(struct client *client, enum expected_kind kind, uint32_t tag)
{
    must(client->next - client->first < EXPECTED_MAX);
    client->expected[client->next++ % EXPECTED_MAX] =
        (struct expected){.kind = kind,
                          .tag = tag,
                          .mail_tag = client->mail_tag,
                          .in_chunks = client->in_chunks,
                          .end = client->fed + bytes_span(&client->out).size};
}

static uint32_t tag_new(struct world *world)
{
    must(world->tag_count + 1 < TAGS_MAX);
    return ++world->tag_count;
}

/* An address literal that can hold a tag (RFC 5321 4.1.3), or what is no name at all: where that is
 * put right, the tag is lost. A telnet client may say something first. */
static void greet(struct world *world)
{
    struct client *client = &world->client;
    bool good = dice_chance(&client->dice, 80);
    uint32_t tag = tag_new(world);

    if (tag == 1 && dice_chance(&client->dice, 10))
        bytes_say(&client->out, "\xff\xf1");
    bytes_say(&client->out, "%s ", dice_chance(&client->dice, 85) ? "EHLO" : "HELO");
    bytes_say(&client->out, good ? "[x:~%u~]\r\n" : "h~%u~\r\n", tag);
    client_expect(client, EXPECT_HELLO, tag);
    client->wait = client->wait || !dice_chance(&client->dice, 10);
}

void client_secured(struct world *world)
{
    world->client.handshake = false;
    world->client.secured = true;
    world->client.known = world->client.speaks_for_another = false;
    if (dice_chance(&world->client.dice, 90))
        world->client.stage = STAGE_GREET;
}

void client_restart(struct client *client)
{
    client->heard[client->mail_tag] = (struct heard){0};
    client->stage = STAGE_GREET;
}

void client_lost(struct world *world)
{
    struct client *client = &world->client;

    while (client->next != client->first &&
           client->expected[(client->next - 1) % EXPECTED_MAX].end > client->fed)
        client->next--;
    client->cut = client->out.end > client->out.start;
    bytes_clear(&client->out);
    client->done = true;
}

static void ask_for_tls(struct world *world)
{
    struct client *client = &world->client;

    if (world->policy.tls_offer == TLS_OFFER_STARTTLS && !client->secured) {
        bytes_say(&client->out, "STARTTLS\r\n");
        client_expect(client, EXPECT_TLS, 0);
        client->wait = true;
    }
    client->stage = dice_chance(&client->dice, 30) ? STAGE_AUTH : STAGE_NOISE;
}

static void authenticate(struct world *world)
{
    struct client *client = &world->client;

    if (client->auth_going) {
        client->auth_going = false;
        if (dice_chance(&client->dice, 15))
            bytes_say(&client->out, "*\r\n");
        else
            bytes_say(&client->out, "S3CRET%02u\r\n", dice_below(&client->dice, 100));
    } else if (dice_chance(&client->dice, 50)) {
        bytes_say(&client->out, "AUTH PLAIN AHUAS3CRET%02u\r\n", dice_below(&client->dice, 100));
    } else if (dice_chance(&client->dice, 30)) {
        bytes_say(&client->out, "AUTH login S3CRET%02u\r\n", dice_below(&client->dice, 100));
    } else {
        bytes_say(&client->out, "AUTH LOGIN\r\n");
        if (dice_chance(&client->dice, 20)) { /* does not wait for the 334 */
            client_expect(client, EXPECT_AUTH, 0);
            bytes_say(&client->out, "S3CRETearly==\r\n");
        }
    }
    client_expect(client, EXPECT_AUTH, 0);
    client->wait = true;
}

/* Long, bare, empty: whatever is no proper command. */
static void say_badly(struct world *world)
{
    struct client *client = &world->client;
    uint32_t tag = tag_new(world);
    uint32_t i;

    switch (dice_below(&client->dice, 7)) {
    case 0:
        for (i = 0; i < 300; i++)
            bytes_say(&client->out, "too long ");
        bytes_say(&client->out, "\r\n");
        break;
    case 1:
        bytes_say(&client->out, "NOOP ~%u~\n", tag);
        client->bad_line = true;
        break;
    case 2:
        bytes_say(&client->out, "NOOP\r~%u~\r\n", tag);
        break;
    case 3:
        bytes_add(&client->out, SPAN("NO\0OP\r\n"));
        break;
    case 4:
        bytes_say(&client->out, "BDAT\t10\r\n");
        client->bad_line = true;
        break;
    case 5:
        bytes_say(&client->out, "STARTTLS\r\n");
        client_expect(client, EXPECT_TLS, 0);
        client->wait = client->wait || world->calm; /* what follows may be read with it */
        return;
    default:
        bytes_say(&client->out, "\r\n");
        break;
    }
    client_expect(client, EXPECT_ANYTHING, 0);
}

/* Would a line that is no command be taken for the message that DATA did not want? */
static bool minds_words(const struct world *world)
{
    return world->client.heard[world->client.mail_tag].data > 0 &&
           (repairs(world, REPAIR_EARLY_BODY) || repairs(world, REPAIR_STRAY_BODY));
}

static void make_noise(struct world *world)
{
    static const char *const words[] = {"NOOP", "VRFY", "HELP", "EXPN", "nOOp", "XFOO", "MAILX"};
    struct client *client = &world->client;
    uint32_t tag;

    if (identity_say(world)) {
        ;
    } else if (!minds_words(world) && dice_chance(&client->dice, 10)) {
        say_badly(world);
    } else if (dice_chance(&client->dice, 25)) {
        bytes_say(&client->out, "RSET\r\n");
        client_expect(client, EXPECT_RSET, 0);
    } else if (dice_chance(&client->dice, 10)) {
        greet(world);
    } else if (dice_chance(&client->dice, 5)) {
        authenticate(world);
        client->stage = STAGE_AUTH;
        client->sub = 1;
    } else {
        const char *word = words[dice_below(&client->dice, minds_words(world) ? 5 : 7)];

        tag = tag_new(world);
        bytes_say(&client->out, "%s ~%u~\r\n", word, tag);
        client_expect(client, (word[0] | 0x20) == 'n' ? EXPECT_NOTHING : EXPECT_LINE, tag);
        /* A client that respects R-02 waits; others don't. */
        client->wait = client->wait || dice_chance(&client->dice, 50);
    }
}

/* --- messages --- */

/* Lines that look like ends and commands and are neither, and now and then something bare. */
static void write_content(struct world *world, struct message *message)
{
    static const char *const lines[] = {".\r\n",     "..\r\n", ".x\r\n",   "\r\n",      "QUIT\r\n",
                                        "hello\r\n", ". \r\n", "RSET\r\n", "250 ok\r\n"};
    static const char *const bare[] = {"a\nb\r\n",
                                       "a\rb\r\n",
                                       "a\n.\r\nb\r\n",
                                       "a\r\n.\rb\r\n",
                                       "\r.\r\n",
                                       "a\r\r\n",
                                       "a\n.\nMAIL FROM:<evil@b>\r\n"};
    struct dice *dice = &world->client.dice;
    bool ends_lf = repairs(world, REPAIR_LF_END_OF_DATA) && repairs(world, REPAIR_BARE_LF);
    uint32_t count = dice_chance(dice, 1) ? 25000 : dice_below(dice, 12);

    message->head = head_row(dice_chance(dice, 30) ? dice_below(dice, HEADS) : 0);
    bytes_say(&message->content, "%sId: ~%u~\r\n", message->head->said, message->tag);
    while (count-- > 0)
        bytes_say(&message->content, "%s", lines[dice_below(dice, 9)]);
    if (dice_chance(dice, 8)) {
        /* Whoever may end a message with LF.LF has none within it. */
        uint32_t one = dice_below(dice, ends_lf ? 6 : 7);

        message->doubled = one == 5;
        message->bare = one != 5;
        bytes_say(&message->content, "%s", bare[one]);
    }
    /* With early-body there may be no answer that it could wait for. */
    message->lf_end = ends_lf && !message->by_chunks && !repairs(world, REPAIR_EARLY_BODY) &&
                      dice_chance(dice, 30);
    if (message->lf_end) {
        message->bare = true;
        bytes_say(&message->content, "the last line\n");
    }
    if (dice_chance(dice, 30) && message->by_chunks)
        bytes_say(&message->content, "no line end");
}

static void message_new(struct world *world)
{
    struct message *message = &world->messages[world->message_count++];

    message->tag = world->client.mail_tag;
    /* To an upstream that does not know BDAT, in `observe`, a chunk is commands: chaos. */
    message->by_chunks = dice_chance(&world->client.dice, 30) &&
                         (world->upstream.chunking || world->policy.mode == MODE_REPAIR);
    message->complete = message->bare = message->doubled = message->lf_end = false;
    message->accepted = 0;
    bytes_clear(&message->content);
    write_content(world, message);
}

static bool mends(const struct world *world, enum repair_id id)
{
    return world->policy.mode == MODE_REPAIR && (world->policy.repairs & REPAIR_BIT(id)) != 0;
}

/* An address, as good or bad as clients write it, and whether it can be put right. Where it is not,
 * routes would read it as something else. */
static bool say_path(struct world *world, const char *verb, const char *word, const char *mailbox)
{
    static const struct {
        const char *before, *behind;
        bool good;
    } forms[] = {
        {":<", ">", true},        {": ", "", true},         {" : <", "> ", true},
        {":<Dude <", ">>", true}, {":<(no) ", ">", true},   {":<@h1,@h2:", ">", true},
        {":<", ">,<x@b>", false}, {":<", "", false},        {": ", " y@b", false},
        {":<\"", ">", false},     {":<x@b <", ">>", false}, {"<", ">", true},
    };
    struct dice *dice = &world->client.dice;
    bool badly = mends(world, REPAIR_PATH_SYNTAX) && *mailbox && dice_chance(dice, 25);
    uint32_t form = badly ? dice_below(dice, sizeof(forms) / sizeof(forms[0])) : 0;

    bytes_say(&world->client.out, "%s %s%s%s%s", verb, word, forms[form].before, mailbox,
              forms[form].behind);
    return forms[form].good;
}

/* Parameters of all fates. The tag stands there where the sender does not keep it. */
static bool say_parameters(struct world *world, bool tagged)
{
    static const char *const words[] = {" SIZE=10",  " BODY=7BIT", " BODY=8BITMIME", " RET=FULL",
                                        " ENVID=q1", " AUTH=<>",   " REQUIRETLS",    " Y=1"};
    struct client *client = &world->client;
    bool good = true;
    uint32_t word;

    if (tagged)
        bytes_say(&client->out, " X=~%u~", client->mail_tag);
    while (dice_chance(&client->dice, 15)) {
        word = dice_below(&client->dice, 8);
        bytes_say(&client->out, "%s", words[word]);
        good = good && word != 6;
    }
    bytes_say(&client->out, dice_chance(&client->dice, 5) ? " \r\n" : "\r\n");
    return good;
}

static void expect_path(struct client *client, enum expected_kind kind, uint32_t tag, bool good)
{
    client_expect(client, kind, tag);
    client->expected[(client->next - 1) % EXPECTED_MAX].refusable = !good;
}

static void say_mail(struct world *world)
{
    struct client *client = &world->client;
    bool null_sender = dice_chance(&client->dice, 10);
    bool tagged = null_sender || mends(world, REPAIR_MATCH_SENDER);
    char mailbox[32] = "";
    bool good;

    client->mail_tag = tag_new(world);
    client->heard[client->mail_tag] = (struct heard){0};
    message_new(world);
    if (!null_sender)
        snprintf(mailbox, sizeof(mailbox), "s~%u~@a", client->mail_tag);
    good = say_path(world, "MAIL", "FROM", mailbox);
    good = say_parameters(world, tagged) && good;
    expect_path(client, EXPECT_MAIL, client->mail_tag, good);
    client->recipients = dice_below(&client->dice, 5);
}

static void say_recipient(struct world *world)
{
    struct client *client = &world->client;
    uint32_t tag = tag_new(world);
    char mailbox[48];
    bool good;

    client->recipients--;
    snprintf(mailbox, sizeof(mailbox), "r~%u~~%u~@b", tag, client->mail_tag);
    good = say_path(world, dice_chance(&client->dice, 95) ? "RCPT" : "rcpt", "TO", mailbox);
    bytes_say(&client->out, "\r\n");
    expect_path(client, EXPECT_RCPT, tag, good);
}

static void say_body(struct world *world)
{
    struct client *client = &world->client;
    struct message *message = world_message(world, client->mail_tag);
    struct span rest = bytes_span(&message->content);

    while (rest.size > 0) { /* stuffed as a proper client does: behind CRLF only */
        size_t end = span_find_span(rest, SPAN("\r\n")) + 2;

        if (rest.at[0] == '.')
            bytes_add(&client->out, SPAN("."));
        bytes_add(&client->out, span_head(rest, end));
        rest = span_tail(rest, end);
    }
    bytes_add(&client->out, message->lf_end ? SPAN(".\n") : SPAN(".\r\n"));
    message->complete = true;
    client_expect(client, EXPECT_DOT, client->mail_tag);
    client->wait = client->wait || message->lf_end || dice_chance(&client->dice, 60);
}

static void say_chunk(struct world *world)
{
    struct client *client = &world->client;
    struct message *message = world_message(world, client->mail_tag);
    struct span rest = span_tail(bytes_span(&message->content), client->chunk_at);
    uint32_t size = dice_below(&client->dice, (uint32_t)rest.size + 1);
    bool last = dice_chance(&client->dice, 40);

    if (last)
        size = (uint32_t)rest.size;
    bytes_say(&client->out, "BDAT %u%s\r\n", size, last ? " LAST" : "");
    bytes_add(&client->out, span_head(rest, size));
    client->chunk_at += size;
    client->in_chunks = !last;
    message->complete = last;
    client_expect(client, last ? EXPECT_LAST_CHUNK : EXPECT_CHUNK, client->mail_tag);
    if (last || dice_chance(&client->dice, 3)) /* or forgets the rest */
        client->stage = STAGE_NOISE;
}

/* --- the script --- */

static void next_transaction(struct world *world)
{
    struct client *client = &world->client;

    if (client->transactions == 0 || world->message_count == MESSAGES_MAX) {
        client->stage = STAGE_END;
        return;
    }
    client->transactions--;
    say_mail(world);
    client->stage = STAGE_RCPT;
}

static void after_recipients(struct world *world)
{
    struct client *client = &world->client;

    client->chunk_at = 0;
    if (dice_chance(&client->dice, 8)) /* gives up; perhaps the next MAIL is nested */
        client->stage = STAGE_NOISE;
    else
        client->stage =
            world_message(world, client->mail_tag)->by_chunks ? STAGE_CHUNK : STAGE_DATA;
}

static void say_data(struct world *world)
{
    struct client *client = &world->client;

    bytes_say(&client->out, "DATA\r\n");
    client->go = false;
    client_expect(client, EXPECT_DATA, client->mail_tag);
    client->wait = !client->early_body;
    client->stage = STAGE_BODY;
}

static void end_talking(struct world *world)
{
    struct client *client = &world->client;

    client->done = true;
    switch (dice_below(&client->dice, 10)) {
    case 0:
    case 1:
        client->closing = true; /* half closes, and still wants its replies */
        break;
    case 2:
        client->reset = !world->calm; /* or what is still said would depend on cuts */
        break;
    case 3:
        break; /* says nothing more at all */
    default:
        bytes_say(&client->out, "QUIT\r\n");
        client_expect(client, EXPECT_QUIT, 0);
        break;
    }
}

static void say_next(struct world *world)
{
    struct client *client = &world->client;

    switch ((enum stage)client->stage) {
    case STAGE_GREET:
        greet(world);
        client->stage = dice_chance(&client->dice, 30) ? STAGE_AUTH : STAGE_NOISE;
        if (dice_chance(&client->dice, 60))
            client->stage = STAGE_TLS;
        break;
    case STAGE_TLS:
        ask_for_tls(world);
        break;
    case STAGE_AUTH:
        authenticate(world);
        break;
    case STAGE_NOISE:
        if (dice_chance(&client->dice, 35))
            make_noise(world);
        else
            client->stage = STAGE_MAIL;
        break;
    case STAGE_MAIL:
        next_transaction(world);
        break;
    case STAGE_RCPT:
        if (dice_chance(&client->dice, 4))
            make_noise(world);
        else if (client->recipients > 0)
            say_recipient(world);
        else
            after_recipients(world);
        break;
    case STAGE_DATA:
        say_data(world);
        break;
    case STAGE_BODY:
        client->stray = client->early_body;
        if (client->go || client->early_body)
            say_body(world);
        client->stage = STAGE_NOISE;
        break;
    case STAGE_CHUNK:
        say_chunk(world);
        break;
    case STAGE_END:
        end_talking(world);
        break;
    }
    client->wait = client->wait || !client->pipelines;
}

void client_think(struct world *world)
{
    struct client *client = &world->client;

    while (!client->done && !client->handshake) {
        if (client->wait && client->first != client->next)
            return;
        if (client->next - client->first > 100 || world->tag_count + 2 >= TAGS_MAX)
            return;
        client->wait = false;
        if (client->stage == STAGE_AUTH && client->sub++ > 0 && !client->auth_going)
            client->stage = STAGE_NOISE;
        say_next(world);
    }
}
