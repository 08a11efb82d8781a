/* POP before SMTP. A door is one server and user; a knock is one login there. */
#include "pop.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "lockstep/http/url.h"
#include "lockstep/http/visit.h"
#include "supply.h"

/* A line of the server, CRLF included (RFC 2449 4). */
#define LINE_MAX_BYTES 512U
/* What a client's line has beside a user, or a secret in base64. */
#define SAID_BYTES 64U
#define WORDS_MAX 400U
/* A relay that still wants a login so soon after one is not helped by another. */
#define AGAIN_MS 10000
/* A login that was refused is not tried again at once: accounts get locked. */
#define REFUSED_MS 60000

enum stage {
    STAGE_GREETING,
    STAGE_STLS,
    STAGE_HANDSHAKE,
    STAGE_USER,
    STAGE_PASS,
    STAGE_BEARER,  /* AUTH XOAUTH2 was said */
    STAGE_TOKEN,   /* and the token */
    STAGE_TROUBLE, /* the server said why it does not do, and wants an empty line before it says no */
};

/* How much is said in clear. */
enum door_kind { DOOR_TLS, DOOR_STLS, DOOR_CLEAR };

struct door {
    struct door *next;
    enum door_kind kind;
    uint16_t port;
    struct text url; /* the server, and with the user what the door is known by */
    struct text user;
    struct span host; /* part of `url` */
    moment good_until;
    moment good_since;
    moment refused_until;
    struct knock *knock;   /* NULL: nobody is at it */
    struct asker *askers;  /* who wait for the knock */
    struct text words;     /* why it was refused */
    char words_bytes[WORDS_MAX];
};

/* One login under way. */
struct knock {
    struct door *door;
    struct pop *pop;
    struct visit *visit;
    enum stage stage;
    bool bearer;
    struct secret secret;
    size_t size; /* of `line` */
    char line[LINE_MAX_BYTES];
};

/* One errand. */
struct asker {
    struct job job;
    struct trip trip;
    struct asker *next;
    struct pop *pop;
    bool bearer;
    bool again;
    struct secret secret;
    struct text url;
    struct text user;
};

struct pop {
    struct keeper *keeper;
    struct errands errands;
    /* The rest belongs to the keeper's thread. */
    struct guest guest;
    bool joined;
    struct tls_context *tls; /* NULL: none was needed yet */
    struct door *doors;      /* the one used last in front */
    uint32_t count;
};
