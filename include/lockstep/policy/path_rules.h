/*
 * path_rules: what leads the connections of others to the listeners that intercept them, as text
 * for `nft` and for `ip`. It installs nothing and looks at nothing but the configuration.
 *
 * All rules stand in one table of nftables, `inet lockstep`. Where packets with addresses of others
 * are to be delivered here (TPROXY, and answers to connections that were made with the client's
 * address) they get a mark, by which one `ip rule` per family leads them to a routing table that
 * says: here.
 */
#ifndef LOCKSTEP_POLICY_PATH_RULES_H
#define LOCKSTEP_POLICY_PATH_RULES_H

#include "lockstep/policy/config.h"

#define PATH_RULES_TABLE "lockstep"
/* How the comment of a table of ours begins; one without it is somebody else's. */
#define PATH_RULES_OURS "lockstep: "
/* How the comment of a rule begins that is of one listener, whose name follows. */
#define PATH_RULES_LISTENER "listener "
/* Both the number of the routing table and the preference of the rule that leads to it: behind the
 * kernel's own local addresses, in front of all that chooses a way. */
#define PATH_RULES_ROUTES 2525
/* Who put a route or a rule there, as `ip` shows it; nobody else has this number. */
#define PATH_RULES_PROTOCOL 125
/* Of packets that are to be delivered here; "LS" and a two. Those of lockstep's own connections
 * have a one and are let pass. */
#define PATH_RULES_MARK_HERE 0x4C530002
#define PATH_RULES_MARK_OWN 0x4C530001

enum path_family { PATH_IPV4, PATH_IPV6, PATH_FAMILIES };

/* What the rules need besides themselves. */
struct path_rules {
    bool tproxy;                  /* new connections come here as they are */
    bool delivers[PATH_FAMILIES]; /* packets to others' addresses come here: routes are needed */
    bool passes[PATH_FAMILIES];   /* what finds nobody here goes on, if this machine forwards */
};

/*
 * The script for `nft -f`, into `script`, for the listener of that name or (empty) for all that are
 * enabled; it replaces a table of ours that is there, in one transaction. False: `error` says why
 * there can be none. What does not fit is cut, as in every text.
 */
bool path_rules_write(const struct config *config, struct span listener, struct path_rules *rules_r,
                      struct text *script, struct text *error);

/* One thing that `ip` puts there: "ip -4 rule add ...", with "del" it is taken away again. */
struct path_step {
    enum path_family family;
    struct span object; /* "rule" or "route" */
    struct span what;   /* what stands behind "add" or "del" */
};

#define PATH_STEPS 4U

extern const struct path_step path_steps[PATH_STEPS];

/* Is it part of the plan? */
bool path_step_wanted(const struct path_rules *rules, const struct path_step *step);

#endif
