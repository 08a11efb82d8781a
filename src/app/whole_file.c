/* Files that are read at once. */
#include "whole_file.h"

#include <stdio.h>
#include <stdlib.h>

#include "lockstep/base/must.h"

char *whole_file_read(const char *name, size_t *size_r)
{
    FILE *file = fopen(name, "rb");
    size_t room = 65536;
    char *bytes;

    if (file == NULL)
        return NULL;
    bytes = malloc(room);
    must(bytes != NULL);
    *size_r = 0;
    for (;;) {
        *size_r += fread(bytes + *size_r, 1, room - *size_r, file);
        if (*size_r < room || room >= WHOLE_FILE_BYTES_MAX)
            break;
        room *= 2;
        bytes = realloc(bytes, room);
        must(bytes != NULL);
    }
    if (ferror(file)) {
        free(bytes);
        bytes = NULL;
    }
    fclose(file);
    return bytes;
}
