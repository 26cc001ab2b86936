/*
 * replay.c - run a fuzzer's target on each file of a corpus, once.
 *
 * So that any compiler, any sanitizer and valgrind see what the fuzzer found.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUT_MAX (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* On the heap in its exact size: a read past its end is seen. */
static int run_file(const char *folder, const char *name)
{
    char path[4096];
    int length = snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = length < (int)sizeof(path) ? fopen(path, "rb") : NULL;

    if (!file) {
        perror(path);
        return 1;
    }
    uint8_t *data = malloc(INPUT_MAX);
    size_t size = data ? fread(data, 1, INPUT_MAX, file) : 0;
    uint8_t *exact = size ? realloc(data, size) : data;
    fclose(file);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return 0;
}

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    int files = 0;
    int failed = 0;

    if (!folder) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
        return 2;
    }
    for (struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.') {
            failed |= run_file(argv[1], entry->d_name);
            files++;
        }
    closedir(folder);
    printf("%d inputs\n", files);
    return files == 0 || failed;
}
