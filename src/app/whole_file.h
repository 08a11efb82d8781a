/* whole_file: files that are read at once. */
#ifndef LOCKSTEP_SRC_APP_WHOLE_FILE_H
#define LOCKSTEP_SRC_APP_WHOLE_FILE_H

#include <stddef.h>

/* The largest file that is read. */
#define WHOLE_FILE_BYTES_MAX ((size_t)256 << 20)

/* The whole file, to be freed, or NULL with errno; what is behind the largest size is left out. */
char *whole_file_read(const char *name, size_t *size_r);

#endif
