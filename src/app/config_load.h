/* config_load: the configuration of a command, from a file, from flags, or from neither. */
#ifndef LOCKSTEP_SRC_APP_CONFIG_LOAD_H
#define LOCKSTEP_SRC_APP_CONFIG_LOAD_H

#include "lockstep/policy/config.h"

/* Read when no file is named and it exists. */
#define CONFIG_FILE_DEFAULT "/etc/lockstep/lockstep.yaml"

/* One flag as a word of the configuration: {"listen", "listen", "127.0.0.1:25"},
 * {"set", "limits.rows", "4"}. */
struct config_flag {
    const char *option; /* as it was typed, "upstream" for "address" */
    const char *path;
    const char *value;
};

/* Large, as its config is. */
struct config_loaded {
    struct config config;
    const char *file; /* that was read; NULL: none */
    char *memory;     /* what the config points to */
};

/*
 * Reads `file`, or with NULL the default file where there is one, and lets the flags change it.
 * Flags that name addresses ("listen", "address") stand for a file: one listener, by default on
 * 127.0.0.1:2525, in front of that relay or of none. Problems go to stderr, all of them.
 * Returns 0, or an exit code of sysexits.h; `loaded_r` is to be closed in both cases.
 */
int config_load(struct config_loaded *loaded_r, const char *file, const struct config_flag *flags,
                size_t flag_count);
void config_loaded_close(struct config_loaded *loaded);

#endif
