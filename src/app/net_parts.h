/* net_parts: what `lockstep net` is made of: the table of nftables, the routing, the machine. */
#ifndef LOCKSTEP_SRC_APP_NET_PARTS_H
#define LOCKSTEP_SRC_APP_NET_PARTS_H

#include "lockstep/policy/path_rules.h"
#include "tool.h"

/* Says on stderr that the tool failed at what, in its words, with what may help, and clears the
 * result. Returns the exit code that stands for it. */
int net_tool_failed(const char *tool, const char *at, struct tool_result *result);

/* --- the table --- */

enum net_table { NET_TABLE_NONE, NET_TABLE_OURS, NET_TABLE_FOREIGN };

struct net_installed {
    enum net_table table;
    char *listing; /* as nft prints it without counts; NULL: there is none */
};

/* 0; or an exit code, and stderr has the reason. To be cleared in both cases. */
int net_installed_read(struct net_installed *installed_r);
void net_installed_clear(struct net_installed *installed);
/* The next listener that a rule of it is of; `*at` begins as its listing. False: no more. */
bool net_installed_listener(const char **at, struct span *name_r);

/* Exit codes, as above. */
int net_rules_try(struct span script);
int net_rules_install(struct span script);
int net_rules_delete(void);
/* How nft prints what the script makes: put into a network namespace that nobody else has, and read
 * from there. The listing is to be freed. */
int net_rules_listing(struct span script, char **listing_r);
/* Prints how the second listing differs from the first; how often. */
unsigned net_rules_compare(const char *planned, const char *installed);

/* --- the routing --- */

struct net_routing {
    bool there[PATH_STEPS];
    bool foreign[PATH_FAMILIES]; /* somebody else has a route in the table of ours */
};

int net_routing_read(struct net_routing *routing_r);
/* Are packets with the mark led to our table? Another rule may stand in front of ours. */
int net_routing_try(enum path_family family, bool *here_r);
int net_step_do(const struct path_step *step, bool add);
/* "ip -4 rule add ..." */
void net_step_show(const struct path_step *step, struct text *out);

/* --- the machine --- */

/* Says why not. */
bool net_may_administrate(const char *deed);
/* Prints what of its settings stands in the way; how many things. */
unsigned net_settings_check(const struct path_rules *rules);

#endif
