/*
 * player: runs a transcript through an engine and compares. The player is the client, the upstream,
 * both sockets and the clock; the transcript says what they do and what the engine must do then.
 *
 * Lines that make something happen (stimuli):
 *   C open, U open         the client was accepted; the upstream's connection is there
 *   C> text, U< text       a peer says something; what the engine has no room for waits, as in a
 *                          socket, until it has
 *   C end, U end           a peer will say no more, and still listens
 *   C fail why, U fail why a peer is lost at once, or can't be connected to
 *   C open 192.0.2.1 tls to=192.0.2.2:25 certificate=name
 *                          what is known of a client at once; `U open tls tls-before` likewise
 *   C secured, U secured   the handshake that was asked for is done
 *   @ told line PLAIN AA== the outside answers: done, line, again, later or no, and words
 *   @ wait 500ms           time passes (ms s m h); TIME comes at every deadline on the way
 *   @ stop                 the program is to end soon
 *   @ slow client          from here on nothing that is sent to that side leaves, ...
 *   @ sent client 100      ... but 100 bytes now; without a number: everything, now and later
 *   @ start ready          everything up to the client's EHLO and its answer happens unseen
 *   +1234 in front         the clock is put to 1234 ms after the start, as with @ wait
 *
 * Lines that must come of it (expected): U> and C< (what was said), ! (what was decided),
 * U connect, C secure, U secure, C shut flush|now|reset, U shut ...
 *
 * Set-up, before the first stimulus:
 *   @ seed 5                   of the engine
 *   @ upstream SIZE=1000 ...   keywords that `@ start ready` makes the upstream offer; '=' and ','
 *                              stand for blanks; `none`: no keyword at all. Without this line:
 *                              PIPELINING ENHANCEDSTATUSCODES 8BITMIME
 *   @ uncut why                what neighbouring lines say always comes in one read, for else the
 *                              outcome is another: only where bytes in clear stand behind STARTTLS
 *   @ unfinished why           the file ends while something is still owed to a peer
 *   @ word value               everything else is a word of the configuration: @ mode observe,
 *                              @ pipelining never, @ limits.rows 4, @ timeouts.mail 5s
 *
 * A group is a run of stimuli. Whatever the engine does until the next stimulus must be listed
 * behind the group, and nothing else may happen: not a byte said too early, not a decision left
 * out. Order counts within what one side hears, within the notes and within the life of one
 * connection, not between them. At the end nothing may be owed to anybody, and all blocks must be
 * back. What the engine records as said is compared with what it sent.
 *
 * A transcript that only counts messages is played with made up ones. So where bytes of a message
 * were changed on the way (dots stuffed in a converted chunk, bare line ends normalised, a header
 * mended) it does not play back to the byte; one that keeps messages whole does.
 *
 * Pure: the caller lends the memory.
 */
#ifndef LOCKSTEP_EXPLAIN_PLAYER_H
#define LOCKSTEP_EXPLAIN_PLAYER_H

#include "lockstep/explain/script.h"
#include "lockstep/policy/policy.h"

/* How what a peer says is cut into reads; the outcome must be the same. */
enum player_cut {
    PLAYER_LINES,  /* each line of the script is a read */
    PLAYER_BYTES,  /* each byte is */
    PLAYER_MERGED, /* neighbouring lines of one peer are one read */
    PLAYER_RANDOM, /* cut anywhere, by the seed */
};

struct player_way {
    enum player_cut cut;
    uint64_t seed;
};

/* Every script is played in so many ways. */
#define PLAYER_WAYS 23U

/* They are numbered from 0: lines, bytes, merged, and then random ones. */
struct player_way player_way(uint32_t number);

/* The policy that the script asks for. False: `report` says what is wrong with it. */
bool player_policy(const struct script *script, struct policy *policy_r, struct text *report);

/* Bytes of memory, aligned for any type, that player_play() needs. */
size_t player_size(const struct script *script, const struct policy *policy);

/*
 * True: everything happened as the script says. False: `report` shows the first difference. What
 * the engine recorded is added to `log`, which may be NULL.
 */
bool player_play(const struct script *script, const struct policy *policy, struct player_way way,
                 void *memory, struct text *report, struct text *log);

#endif
