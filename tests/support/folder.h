/* folder: a fresh directory for one test, gone with everything in it when the test's process
 * ends. */
#ifndef LOCKSTEP_TESTS_FOLDER_H
#define LOCKSTEP_TESTS_FOLDER_H

#include <sys/types.h>

/* Makes it, with mode 0700, the first time; the same one in the same process. */
const char *folder(void);
/* "FOLDER/NAME"; of up to eight calls the last results stay as they are. */
const char *folder_path(const char *name);
/* Writes a file there with that mode; returns its path. */
const char *folder_write(const char *name, mode_t mode, const void *bytes, size_t size);
const char *folder_text(const char *name, mode_t mode, const char *text);

#endif
