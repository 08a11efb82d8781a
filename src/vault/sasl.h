/*
 * sasl: the client's side of one AUTH exchange with a relay (RFC 4954): which mechanism, what
 * stands behind AUTH, and the response to each challenge. GNU SASL does the mechanisms; the bearer
 * ones, which it does not know, are bearer.h's.
 *
 *     sasl = sasl_begin(&wish, &line);               "SCRAM-SHA-256 biws..." goes behind "AUTH "
 *     while (the relay says 334)
 *         if (!sasl_step(sasl, challenge, &line))    then "*" cancels the exchange
 *             break;
 *     passed = the relay says 235 && sasl_proven(sasl);
 *     sasl_end(&sasl);
 *
 * One exchange is one identity at one relay; it is used by one thread at a time, and wipes what it
 * held. Out of its reach is what the library frees as it is: prepared copies of the password, with
 * CRAM-MD5 and DIGEST-MD5.
 */
#ifndef LOCKSTEP_VAULT_SASL_H
#define LOCKSTEP_VAULT_SASL_H

#include "lockstep/base/secret.h"
#include "lockstep/smtp/mechanism.h"

/* A relay that has more challenges than this goes round in circles. */
#define SASL_STEPS_MAX 6U
/* SCRAM: more rounds of hashing than this are refused, for it is the relay that chooses how many.
 * They take a quarter of a second; what most relays want, 4096, takes ten milliseconds. */
#define SASL_ROUNDS_MAX 100000U
/* Bytes of sasl_words(). */
#define SASL_WORDS_MAX 256U

struct sasl;

/* All of it is borrowed for the call. */
struct sasl_wish {
    uint32_t mechanisms; /* that the relay offers and the policy allows */
    struct span identity;
    struct span secret; /* a password, or an access token */
    bool bearer;        /* it is a token: only bearer mechanisms can use it, and only they do */
    bool certificate;   /* the relay was shown a certificate of ours: EXTERNAL */
    struct span host;   /* of the relay, as configured */
    uint16_t port;
    struct span exporter; /* tls-exporter bytes (RFC 9266), or empty */
    struct span unique;   /* tls-unique bytes (RFC 5929), of TLS below 1.3, or empty */
    uint32_t room;        /* bytes that may follow "AUTH " on the line */
};

/* Those of the wished mechanisms that can be used with what the wish has. */
uint32_t sasl_usable(const struct sasl_wish *wish);
/* Begins the strongest of them. NULL: there is none. `line` has room for ANSWER_BYTES_MAX. */
struct sasl *sasl_begin(const struct sasl_wish *wish, struct text *line);
/* Will the next step take as long as all that hashing? Then a loop had better not wait for it. */
bool sasl_slow(const struct sasl *sasl);
/* The response in base64, which may be empty, to what stood behind 334. False: cancel. */
bool sasl_step(struct sasl *sasl, struct span challenge, struct text *line);
enum mechanism sasl_mechanism(const struct sasl *sasl);
/* Does 235 mean success? Where a mechanism has the relay prove that it knows the secret too (SCRAM,
 * DIGEST-MD5), only after that proof. */
bool sasl_proven(const struct sasl *sasl);
/* Does a text of the relay's show the secret, as it is or in base64? Such words are not for logs.
 */
bool sasl_leaks(const struct sasl *sasl, struct span text);
/* Why the exchange can't succeed, as far as it is known here; empty: not known. */
struct span sasl_words(const struct sasl *sasl);
void sasl_end(struct sasl **sasl);

#endif
