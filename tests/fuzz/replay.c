/* The main of a target without libFuzzer: puts every file of the named folders through it, in
 * memory that is exactly as large, so that a read beyond the end shows under ASan. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define SEED_BYTES_MAX (1U << 20)

static void replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(SEED_BYTES_MAX);
    uint8_t *exact;
    size_t size;

    if (!file || !bytes) {
        perror(path);
        exit(1);
    }
    size = fread(bytes, 1, SEED_BYTES_MAX, file);
    fclose(file);
    exact = malloc(size);
    if (size > 0)
        memcpy(exact, bytes, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    free(bytes);
}

static int replay_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    char path[4096];
    int count = 0;

    if (!dir) {
        perror(folder);
        exit(1);
    }
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        replay(path);
        count++;
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;
    int i;

    for (i = 1; i < argc; i++)
        count += replay_folder(argv[i]);
    printf("%d passed, 0 failed\n", count);
    return count == 0; /* a target without seeds proves nothing */
}
