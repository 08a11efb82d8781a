/* lockstep manual: the page lockstep(1), from the tables that the program itself goes by. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "client_words.h"
#include "commands.h"
#include "config_load.h"
#include "fault_words.h"
#include "lockstep/admin/admin.h"
#include "lockstep/repair/repair.h"
#include "log.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* Longest line of the page's source, without what is put in front of odd bytes. */
#define COLUMNS 68

struct entry {
    const char *name;
    const char *says;
};

/* --- roff --- */

/* One word of running text: nothing in it is taken for an instruction. A backquote begins or ends
 * what is typed. */
static void put_word(const char *word, int size, bool *typed)
{
    for (; size > 0; size--, word++) {
        if (*word == '`') {
            fputs(*typed ? "\\fP" : "\\fB", stdout);
            *typed = !*typed;
        } else if (*word == '\\') {
            fputs("\\e", stdout);
        } else if (*word == '-' || *word == '\'') {
            fputs(*word == '-' ? "\\-" : "\\(aq", stdout);
        } else {
            putchar(*word);
        }
    }
}

/* Running text: a sentence begins on a line of its own, as roff wants it; a line is a paragraph. */
static void put_text(const char *text)
{
    bool typed = false;
    int column = 0;

    while (*text != 0) {
        int size = (int)strcspn(text, " \n");
        bool ends = size > 1 && text[size - 1] == '.' && text[size] == ' ' &&
                    isupper((unsigned char)text[size + 1]);

        if (column > 0)
            putchar(column + 1 + size > COLUMNS ? '\n' : ' ');
        column = column + 1 + size > COLUMNS ? 0 : column;
        if (column == 0 && *text == '.')
            fputs("\\&", stdout);
        put_word(text, size, &typed);
        column += size + 1;
        text += size;
        if (ends) {
            putchar('\n');
            column = 0;
        } else if (*text == '\n') {
            fputs("\n.Pp\n", stdout);
            column = 0;
        }
        text += *text != 0;
    }
    if (column > 0)
        putchar('\n');
}

static void put_entries(const struct entry *entries, size_t count, const char *width)
{
    size_t i;

    printf(".Bl -tag -width %s\n", width);
    for (i = 0; i < count; i++) {
        printf(".It Li \"%s\"\n", entries[i].name);
        put_text(entries[i].says);
    }
    puts(".El");
}

/* --- what the tables hold --- */

static void put_option(const struct option_row *row)
{
    const char *value = row->value;

    fputs(".It", stdout);
    if (row->letter != 0)
        printf(" Fl %c ,", row->letter);
    printf(" Fl \\-%s", row->name);
    if (value != NULL && *value == '[')
        printf(" Ns Oo = Ns Ar %.*s Oc", (int)strlen(value) - 2, value + 1);
    else if (value != NULL)
        printf(" Ar %s", value);
    putchar('\n');
    put_text(row->says);
}

static void put_command(const struct subcommand *command)
{
    size_t i;

    printf(".Ss lockstep %s\n", command->word);
    put_text(command->about);
    if (command->row_count > 0)
        puts(".Bl -tag -width Ds");
    for (i = 0; i < command->row_count; i++)
        put_option(&command->rows[i]);
    if (command->row_count > 0)
        puts(".El");
    if (command->after == NULL)
        return;
    puts(".Pp");
    put_text(command->after);
}

static void put_synopsis(void)
{
    size_t i;

    puts(".Nm\n.Fl \\-help | \\-version");
    for (i = 0; i < command_count; i++) {
        printf(".Nm\n.Cm %s\n", commands[i]->word);
        if (commands[i]->row_count > 0)
            puts(".Op Ar OPTION ...");
        if (commands[i]->operands != NULL)
            printf(".Ar %s\n", commands[i]->operands);
    }
}

static void put_place(const char *place)
{
    struct config_word word;
    char memory[CONFIG_SENTENCE_MAX];
    char sentence[2 * CONFIG_SENTENCE_MAX];
    struct text expected = text_over(memory, sizeof(memory) - 1);
    size_t i;

    puts(".Bl -tag -width Ds");
    for (i = 0; config_manual(i, &word, &expected); i++) {
        memory[expected.size] = 0;
        text_clear(&expected);
        if (strcmp(word.place, place) != 0 || strcmp(word.section, "repairs") == 0)
            continue; /* repairs have a part of the page of their own */
        printf(".It Ic %s%s%s\n", word.section, *word.section ? "." : "", word.word);
        put_text(word.says);
        snprintf(sentence, sizeof(sentence), "Write %s%s%s.", memory,
                 *word.initial != 0 ? "; default: " : "", word.initial);
        put_text(sentence);
    }
    puts(".El");
}

static void put_configuration(void)
{
    static const struct entry places[] = {
        {"top", "At the top of the file"},
        {"any", "In a listener, or at the top for all of them"},
        {"listener", "In a listener"},
        {"route", "In a route of a listener"},
        {"relay", "In a relay, behind its name"},
        {"credential", "In a credential, behind its name"},
        {"script", "In a transcript, of a relay"},
    };
    size_t i;

    puts(".Sh CONFIGURATION");
    put_text("The file is YAML. A word with a dot stands in a section: `limits.rows` is `rows` "
             "below `limits`. `lockstep run --set` takes the same words, but those of routes and "
             "credentials. A list of one entry may be written as the entry.\n"
             "No secret stands in the file. A listener whose routes have credentials, and which is "
             "reached from beyond the machine, must say who may use it: by `allow`, by logins that "
             "are checked and required, or by certificates that are required.");
    for (i = 0; i < COUNT(places); i++) {
        printf(".Ss \\&%s\n", places[i].says);
        put_place(places[i].name);
    }
}

static const struct entry ways[] = {
    {"redirect", "The rules rewrite the destination (REDIRECT, DNAT) to an address that the "
                 "listener has; connection tracking remembers the original one. It needs no "
                 "privilege but for the mark, and can't fail open."},
    {"tproxy", "The rules lead connections to the listener as they are (TPROXY). It needs "
               "CAP_NET_ADMIN, and routes that keep marked packets on the machine."},
};

static void put_path(void)
{
    puts(".Sh ON THE PATH");
    put_text("A gateway may lead connections to others to lockstep, which then is on their path "
             "and neither end knows. The listener says so with `intercept`, and its sessions go to "
             "where the client wanted with `relay: original`, which `destinations` bounds; the "
             "relay sees the client's own address with `source: client` in it. A relay of the name "
             "original may be written for its other words, but has no address.");
    put_entries(ways, COUNT(ways), "Ds");
    puts(".Pp");
    put_text("Who connects to the listener itself, or through the rules to any address that "
             "lockstep listens on, hears 421 4.3.2: it would be led to itself. What is not in "
             "`ports` or `destinations` hears 554 5.7.1. Once any listener intercepts, lockstep's "
             "own connections to relays carry the mark 0x4c530001 (SO_MARK), which the rules have "
             "to let pass; without CAP_NET_ADMIN they may have none. One that is led back all the "
             "same is known by its addresses and hears 421 4.4.6. The log and the counters say "
             "which: `direct`, `destination`, `loop`.\n"
             "With `source: client` the relay's answers must come back through the gateway, whose "
             "rules must keep them there: they go to an address that is not its own.\n"
             "With `fail-open: on` connections that find no room, because there are as many "
             "sessions as there may be or lockstep is ending, pass untouched, from the client's "
             "address to where they were going, and the log says `passed`. When lockstep is not "
             "there at all it is for the rules to let them pass, which those of TPROXY do.");
    puts(".Sh PRIVILEGES");
    put_text(
        "Once it has read its configuration `lockstep run` gives up all capabilities but "
        "those that it may need, also for another reading: CAP_NET_BIND_SERVICE for ports "
        "below 1024; CAP_DAC_READ_SEARCH for files of others, such as keys; CAP_NET_ADMIN "
        "where a listener intercepts; CAP_NET_RAW, or else CAP_NET_ADMIN, where a relay has "
        "`source: client`. Where transcripts, a store, token files or a socket of Dovecot are "
        "named it keeps CAP_DAC_OVERRIDE, CAP_CHOWN and CAP_FOWNER, for they may be another "
        "user's. It keeps none that it was not given, and commands that it starts can get no "
        "others back, unless a `password_command` is named when it starts. A later reading "
        "that can't do without one that was given up is refused, or warned of where it is only the "
        "mark; start lockstep anew.\n"
        "Another user than root gets them by `setcap cap_net_admin,cap_net_bind_service+ep "
        "/usr/bin/lockstep`, or in a unit by AmbientCapabilities= and "
        "CapabilityBoundingSet=. By its file everybody who may run the program has them: let "
        "that be its own group alone. What is missing is said at the start, with exit status "
        "77.");
}

static void put_rates(void)
{
    puts(".Sh RATES AND ADDRESSES");
    put_text(
        "A rate is written 100/1m, 10M/1h of bytes, or 100 for a minute. It is never exceeded, "
        "in no time of that length. A message beyond it is held: MAIL waits, first come, first "
        "served, over all sessions and workers, for `timeouts.pace` at most, and then hears 451 "
        "4.4.5 with the time after which to come again. How many recipients and bytes a message "
        "has is known afterwards; what was too much is waited for by the next ones. Rates go by "
        "the names of relays and listeners, so they survive a new configuration. A relay that "
        "refuses MAIL for a rate of its own is given rest, and MAIL is held too.\n"
        "An address of a relay to which no connection could be made, or which did not greet or "
        "speak TLS as it should, rests for a second, and twice as long each time in a row, up to "
        "five minutes; when all rest they are tried all the same. Then one session asks it first. "
        "A name that resolves to several addresses counts as several.");
}

static void put_repairs(void)
{
    int i;

    puts(".Sh REPAIRS");
    put_text("What is put right in `mode: repair`, and only noted in `mode: observe`. Each is "
             "switched by its word below `repairs`, in a route for the sessions that take it.");
    puts(".Bl -tag -width Ds");
    for (i = 0; i < REPAIR_COUNT; i++) {
        const struct repair *repair = repair_row((enum repair_id)i);

        printf(".It Ic %s Pq %s\n", repair->name.at,
               repair->initially == INITIALLY_ON ? "on" : "off");
        put_text(repair->says.at);
    }
    puts(".El");
}

/* --- what no table of the program holds --- */

static const struct entry line_kinds[] = {
    {"C> TEXT", "The client says a line."},
    {"U> TEXT", "lockstep says it to the upstream."},
    {"U< TEXT", "The upstream replies."},
    {"C< TEXT", "lockstep replies to the client."},
    {"! WORD KEY=VALUE", "What lockstep decided, such as a repair."},
    {"@ WORD VALUE", "A setting, or the clock: `@ wait 500ms`."},
    {"# TEXT", "A comment."},
};

static const struct entry assertions[] = {
    {"seen: STEP", "A line like that is there, in any session."},
    {"unseen: STEP", "There is none, in no session."},
    {"count: STEP, is: N", "There are so many, in all sessions together."},
    {"order: [STEP, ...]", "They come in this order, in one session, others between them."},
    {"never: STEP, before: STEP", "No line like the first comes before the first line "
                                  "like the second, in no session; or so with "
                                  "`after`."},
    {"messages: N", "The relays accepted so many, in all sessions together."},
    {"sessions: N", "There are so many sessions."},
    {"retried: {after: CODE}",
     "Whoever heard a reply that begins like that said the same again later: its MAIL, or where "
     "there was none the command; in that session or in another from the same address."},
};

static const struct entry signals[] = {
    {"SIGTERM, SIGINT",
     "No new session is taken. Idle clients hear 421, open messages are finished, and what is left "
     "after `timeouts.drain` is ended. A second one ends at once, with exit status 75."},
    {"SIGHUP",
     "`lockstep run` reads its configuration again. A bad one changes nothing and the log has the "
     "reason. Open sessions end under the one that they began with, but where their listener is "
     "switched off they end at once. Workers, memory, log, transcripts and the address of the "
     "admin interface need a restart."},
};

static const struct entry toxics[] = {
    {"latency", "Every byte comes `latency` milliseconds later, more or less `jitter`."},
    {"bandwidth", "No more than `rate` thousand bytes pass in a second; 0: none do."},
    {"slow_close", "The connection is closed `delay` milliseconds later than it would be."},
    {"timeout", "Nothing passes, and `timeout` milliseconds later it ends; 0: it never does."},
    {"reset_peer", "The connection is reset `timeout` milliseconds after it began."},
    {"slicer",
     "Segments have `average_size` bytes, more or less `size_variation`, and come `delay` "
     "microseconds apart."},
    {"limit_data", "It ends behind `bytes`."},
    {"rule", "A whole fault rule: `rule`, \"command RCPT do drop\"."},
    {"a profile", "What some product is known to do, by its name; without attributes."},
    {"a kind of fault",
     "`on` says where it happens (command), `verb` to what (RCPT). The other attributes are "
     "triggers (`nth`: 2) and arguments by their names, those without a name as `text`, `count`, "
     "`time` in milliseconds and `end`."},
};

static const struct entry files[] = {
    {CONFIG_FILE_DEFAULT, "The configuration, when no other is named."},
};

static const struct entry examples[] = {
    {"lockstep run", "Try it: listen on 127.0.0.1:2525 in front of a sink that drops everything."},
    {"lockstep run --listen 0.0.0.0:25 --upstream smtp://mx.example:25",
     "Stand in front of one relay."},
    {"lockstep run --config /etc/lockstep/on-the-path.yaml",
     "Be on the path of others, and change nothing of who talks to whom."},
    {"lockstep run --mode observe --transcripts log --upstream smtp://mx.example",
     "Change nothing, and keep a transcript of each session."},
    {"lockstep check -c lockstep.yaml", "Look for mistakes before a reload."},
    {"lockstep secret set shop", "Keep the password of `credentials: {shop: {store: shop}}`."},
    {"lockstep net plan -c lockstep.yaml",
     "See what would lead connections on the path to the listeners that intercept."},
    {"lockstep oauth login scanner", "Log in for the tokens of that credential, once."},
    {"lockstep explain --propose-repairs --admin http://127.0.0.1:8474",
     "Which repairs would have helped the clients of a running lockstep?"},
    {"lockstep play --verbose session.smtp", "See a session again as a ladder, and compare."},
    {"lockstep fault --seed 7 --upstream smtp://mx.example reorder 'command DATA nth=2 do drop'",
     "Be a firewall that swaps commands, and loses every session's second DATA."},
    {"lockstep sink --no-pipelining=exim --maildir mail",
     "Be a relay that takes no batches, and keep what it accepts."},
    {"lockstep sink --personality postfix --reject '*@old.example'",
     "Talk like Postfix, and refuse some recipients as it does."},
};

static const struct {
    int code;
    struct entry entry;
} exits[] = {
    {EX_OK, {"EX_OK", "All went well, or was ended by a signal in order."}},
    {1,
     {"1",
      "`lockstep play`: a transcript disagrees. `lockstep oauth`: a login is needed, or failed. "
      "`lockstep net check`: something is not as planned."}},
    {EX_USAGE, {"EX_USAGE", "The command line is wrong."}},
    {EX_DATAERR, {"EX_DATAERR", "A secret is none, or what is stored is damaged."}},
    {EX_NOINPUT, {"EX_NOINPUT", "A file can't be read, or there is no such secret."}},
    {EX_UNAVAILABLE,
     {"EX_UNAVAILABLE", "An address to listen on can't be had, or nobody answers at `--admin`."}},
    {EX_OSERR, {"EX_OSERR", "The system has too few descriptors or too little memory."}},
    {EX_CANTCREAT,
     {"EX_CANTCREAT",
      "A file or directory can't be made or written to, or the store can't be opened."}},
    {EX_IOERR, {"EX_IOERR", "The store can't be written."}},
    {EX_TEMPFAIL, {"EX_TEMPFAIL", "A second signal ended it before its sessions had ended."}},
    {EX_NOPERM,
     {"EX_NOPERM",
      "The address to listen on is not allowed to this user, or a capability is missing."}},
    {EX_CONFIG, {"EX_CONFIG", "The configuration is wrong."}},
};

/* A word of fault rules; what it says is part of a sentence. */
static void put_fault_word(const char *name, bool value, const char *says)
{
    char sentence[CONFIG_SENTENCE_MAX];

    printf(".It Li \"%s%s\"\n", name, value ? "=" : "");
    snprintf(sentence, sizeof(sentence), "%c%s.", toupper((unsigned char)*says), says + 1);
    put_text(sentence);
}

static void put_rules(void)
{
    puts(".Sh RULES FOR THE PATH");
    put_text(
        "`lockstep net apply` leads connections to listeners that intercept. With TPROXY they may "
        "listen on loopback, where nobody can connect to them otherwise; with REDIRECT on `*`, or "
        "on an address of the machine. Connections to and from the machine itself are never "
        "caught, and none that was there before.\n"
        "All rules stand in nftables' `table inet lockstep`, with counters of what they caught. "
        "Packets that are to be delivered here, also the answers of relays with `source: client`, "
        "get the mark 0x4C530002, by which a rule of preference 2525 leads them to routing table "
        "2525. A firewall of the machine must let in what has that mark (TPROXY), or what comes to "
        "the listener's port (REDIRECT).\n"
        "The rules outlive lockstep. While it is not there connections are reset, or with "
        "`fail-open` pass. Apply them when it has started, and remove them when it has ended, for "
        "sessions that go on need them.");
}

static void put_faults(void)
{
    const struct fault_profile *profile;
    size_t i;

    puts(".Sh FAULTS");
    put_text("What goes wrong in a listener of `mode: fault`, or in `lockstep fault`, are profiles "
             "and rules. A rule is one line:");
    puts(".Dl " FAULT_RULE_FORM);
    put_text("Rules are asked in their order, and one acts when its event happens and all its "
             "triggers hold. Between double quotes a value may have blanks, and there `\\n` is the "
             "end of a line. `lockstep fault --words` prints these words too.");
    puts(".Ss Events\n.Bl -tag -width Ds");
#define WORD(id, name, says) put_fault_word(name, false, says);
    FAULT_EVENTS(WORD)
#undef WORD
    puts(".El\n.Ss Triggers\n.Bl -tag -width Ds");
#define WORD(id, name, form, says) put_fault_word(name, (form) != FORM_FLAG, says);
    FAULT_TRIGGERS(WORD)
#undef WORD
    puts(".El\n.Ss Kinds\n.Bl -tag -width Ds");
    for (i = 0; i < FAULT_KIND_COUNT; i++) {
        const struct fault_kind_row *kind = fault_kind_row((enum fault_kind)i);
        char where[FAULT_EVENTS_SENTENCE_MAX];

        fputs(".It Li \"", stdout);
        fault_print_kind(kind);
        puts("\"");
        put_text(kind->says);
        put_text(fault_events_sentence(kind, where));
    }
    puts(".El\n.Ss Profiles");
    put_text("`lockstep fault --list NAME` prints the rules of one, where they are known from, and "
             "whether lockstep in front of it puts it right. Of the entries F-01 to F-72 of the "
             "catalogue that their sources name two have no bytes of their own: F-08, whose "
             "symptoms are those of F-01 to F-07, and F-23, local virus scanners, which do what "
             "early-ack, norton-2002 and the profiles of TLS do. F-61, another certificate on the "
             "way, is no profile but two settings, as in config/replaced-certificate.yaml.");
    puts(".Bl -tag -width Ds");
    for (i = 0; (profile = fault_profile(i)) != NULL; i++) {
        printf(".It Li \"%s\"\n", profile->name);
        put_text(profile->says);
    }
    puts(".El");
}

static void put_toxics(void)
{
    puts(".Sh PROXIES AND TOXICS");
    put_text("Over the admin interface Toxiproxy's clients drive lockstep unchanged: a proxy is a "
             "listener of `mode: fault`, and a toxic is what goes wrong in it, also in sessions "
             "that are open. With `admin.control: on` proxies can be made, moved and removed; "
             "toxics can be added to any that is there. What is made or changed so outlives a new "
             "reading of the configuration, and is gone when lockstep ends.\n"
             "`upstream` is HOST:PORT or smtps://HOST:PORT. With `seed` the sessions of a proxy, "
             "by their numbers, go wrong the same way each time. A toxic goes wrong in so many of "
             "the sessions as its `toxicity` says, to a hundredth, and with `tag` only in those "
             "whose client greets with that name. Its `type` is one of:");
    put_entries(toxics, COUNT(toxics), "Ds");
}

static void put_client(void)
{
    puts(".Sh WHO THE CLIENT IS");
    put_text(CLIENT_WORDS);
}

static void put_log(void)
{
    size_t i;

    puts(".Sh LOG");
    put_text("The log goes to the standard error output. A session that has ended is one line, "
             "`session KEY=VALUE ...`, or with `--log json` an object with the same keys. Under "
             "the journal a line has a priority and no time.");
    puts(".Bl -tag -width Ds");
    for (i = 0; i < log_field_count; i++) {
        printf(".It Li %s\n", log_fields[i].key);
        put_text(log_fields[i].says);
    }
    puts(".El\n.Sh TRANSCRIPTS");
    put_text("A transcript has a line for each thing that happened, behind `+` and the moment in "
             "milliseconds, and `lockstep play` plays it again. `C` is the client's leg and `U` "
             "the upstream's; `>` points to the upstream. Secrets are never in it. Its settings "
             "are those of the file, word by word: `@ routes.1.sender *@shop.example`, `@ "
             "relays.backup.auth PLAIN`; and `@ relay.security starttls` stands for the scheme of "
             "an address.");
    put_entries(line_kinds, COUNT(line_kinds), "Ds");
}

static void put_admin(void)
{
    struct admin_page page;
    size_t i;

    puts(".Sh ADMIN INTERFACE");
    put_text("With `admin.listen` a running lockstep answers over HTTP. Beyond loopback it wants "
             "`admin.token_file`, and then shows what it knows to who has the token: "
             "`Authorization: Bearer TOKEN`. What is wrong with a request is answered in JSON: "
             "`error`. A star stands for a name.\n"
             "Without a token whoever can log in to the machine can read what is remembered of "
             "sessions: who wrote to whom, and with `transcripts.bodies: whole` what. Where that "
             "matters write `admin.token_file`, or `admin.sessions: 0`.");
    puts(".Bl -tag -width Ds");
    for (i = 0; admin_page(i, &page); i++) {
        printf(".It Li \"%s %s\"\n", page.method.at, page.path.at);
        put_text(page.says);
    }
    puts(".El\n.Sh VERIFYING");
    put_text("A test asks `POST /api/v1/verify` whether assertions hold: `assert`, a list, of the "
             "sessions that `where` chooses with the words of the list of sessions. The answer has "
             "`passed`, and for each assertion why, and the lines of transcripts that prove it.\n"
             "A STEP is the beginning of a transcript's line without its moment, in any case, with "
             "`*` for any bytes: `\"U> RCPT TO:<a@\"`; or a reply to something: `{\"reply\": "
             "\"250\", \"to\": \"RCPT\", \"side\": \"upstream\"}`, where `.` is the end of "
             "a message, and the side `client` when it is not said. An N is a number, or "
             "`{\"at_least\": N, \"at_most\": N}` with one of them or both.");
    put_entries(assertions, COUNT(assertions), "Ds");
    puts(".Pp");
    put_text("Where no session is chosen all but `sessions` fail, and so does what rests on lines "
             "that are not there when some were left out of a transcript.");
}

static void put_endings(void)
{
    size_t i;

    puts(".Sh SIGNALS");
    put_entries(signals, COUNT(signals), "Ds");
    puts(".Sh FILES");
    put_entries(files, COUNT(files), "Ds");
    puts(".Sh EXIT STATUS\n.Bl -tag -width Ds");
    for (i = 0; i < COUNT(exits); i++) {
        printf(".It %d%s%s\n", exits[i].code, exits[i].code > 1 ? " Pq Dv " : "",
               exits[i].code > 1 ? exits[i].entry.name : "");
        put_text(exits[i].entry.says);
    }
    puts(".El\n.Sh EXAMPLES");
    for (i = 0; i < COUNT(examples); i++) {
        put_text(examples[i].says);
        printf(".Dl %s\n", examples[i].name);
    }
    puts(".Sh SEE ALSO\n.Xr journalctl 1 ,\n.Xr systemd.service 5");
    puts(".Sh STANDARDS");
    put_text("RFC 5321 (SMTP), RFC 2920 (PIPELINING), RFC 3030 (CHUNKING), RFC 4954 (AUTH).");
}

static int manual_start(int argc, char **argv)
{
    int code = options_read(&manual_command, NULL, argc, argv);
    size_t i;

    if (code != OPTIONS_READ)
        return code;
    puts(".Dd " LOCKSTEP_DATE "\n.Dt LOCKSTEP 1\n.Os lockstep " LOCKSTEP_VERSION "\n.Sh NAME\n"
         ".Nm lockstep\n.Nd SMTP proxy that keeps a client and a relay in step\n.Sh SYNOPSIS");
    put_synopsis();
    puts(".Sh DESCRIPTION");
    put_text("lockstep stands between SMTP clients and a relay. The client may write MAIL, RCPT, "
             "RCPT, DATA in one go; the relay gets them one at a time if that is all it can, "
             "nothing is lost, and every reply comes back in order.");
    puts(".Sh COMMANDS");
    put_text("Each has `--help`. A long-running command prints one line on the standard output "
             "when it is ready, with the addresses that it listens on.");
    for (i = 0; i < command_count; i++)
        put_command(commands[i]);
    put_configuration();
    put_path();
    put_rules();
    put_rates();
    put_repairs();
    put_log();
    put_admin();
    put_faults();
    put_toxics();
    put_client();
    put_endings();
    return 0;
}

const struct subcommand manual_command = {
    .word = "manual",
    .says = "prints the manual page: `lockstep manual | man -l -`",
    .about = "Prints the manual page lockstep(1), for `man -l -`.",
    .start = manual_start,
};
