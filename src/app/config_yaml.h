/*
 * config_yaml: a YAML file as the tree of nodes that config_read wants, each with its place.
 *
 * Only what a configuration needs is let in: one document of mappings, lists and text. Anchors,
 * aliases and tags are refused, because they make a file mean something else than it says.
 */
#ifndef LOCKSTEP_SRC_APP_CONFIG_YAML_H
#define LOCKSTEP_SRC_APP_CONFIG_YAML_H

#include "lockstep/policy/config.h"

/* Bytes of a file that is still taken for a configuration. */
#define CONFIG_YAML_BYTES_MAX (256U * 1024U)

struct config_yaml {
    struct config_node *nodes;
    size_t count;
    size_t room;
    struct text texts; /* where the nodes' keys and texts are */
};

/*
 * Reads the text of a file. False: there is no tree, and `problems` has one more, the first that
 * was met. In both cases the caller ends with config_yaml_close.
 */
bool config_yaml_read(struct config_yaml *yaml_r, struct span file,
                      struct config_problems *problems);
struct config_tree config_yaml_tree(const struct config_yaml *yaml);
void config_yaml_close(struct config_yaml *yaml);

#endif
