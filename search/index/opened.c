/* opened.c - see opened.h. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "search/index/files.h"
#include "search/index/opened.h"

/* Of a segment: all are, where there is no file of it. */
static bool read_live(struct opened *opened, const char *dir, size_t i,
                      char *why, size_t why_size)
{
    const struct manifest_segment *of = &opened->manifest.segments[i];
    uint32_t docs = segment_docs(opened->segments[i]);
    char path[PATH_MAX];
    struct buf bytes;

    if (!of->live[0]) {
        live_init(&opened->lives[i], docs);
        return true;
    }
    snprintf(path, sizeof(path), "%s/%s", dir, of->live);
    buf_init(&bytes, MEM_APP);
    bool fine = files_read(path, &bytes) &&
                live_read(&opened->lives[i], buf_span(&bytes), docs);
    if (!fine)
        snprintf(why, why_size, "%s: it does not say who is live", path);
    buf_deinit(&bytes);
    return fine;
}

static bool open_one(struct opened *opened, const char *dir, size_t i,
                     char *why, size_t why_size)
{
    struct segment *segment;
    char path[PATH_MAX];
    uint32_t base = 0;

    for (size_t j = 0; j < i; j++)
        base += opened->readers[j]->docs;
    snprintf(path, sizeof(path), "%s/%s", dir,
             opened->manifest.segments[i].file);
    opened->segments[i] = segment = segment_open(path, why, why_size);
    if (!segment || !read_live(opened, dir, i, why, why_size))
        return false;
    opened->readers[i] = reader_open(segment, &opened->lives[i], base);
    if (!opened->readers[i] && segment_damage(segment))
        snprintf(why, why_size, "%s", segment_damage(segment));
    else if (!opened->readers[i])
        snprintf(why, why_size, "%s: its schema cannot be read", path);
    return opened->readers[i];
}

bool opened_open(struct opened *opened, const char *dir, char *why,
                 size_t why_size)
{
    *opened = (struct opened){0};
    if (!manifest_load(&opened->manifest, dir, why, why_size))
        return false;
    size_t count = opened->manifest.count;
    opened->segments =
        mem_zalloc(MEM_APP, (count + 1) * sizeof(struct segment *));
    opened->lives = mem_zalloc(MEM_APP, (count + 1) * sizeof(opened->lives[0]));
    opened->readers =
        mem_zalloc(MEM_APP, (count + 1) * sizeof(struct reader *));
    for (size_t i = 0; i < count; i++)
        if (!open_one(opened, dir, i, why, why_size))
            return false;
    return true;
}

void opened_close(struct opened *opened)
{
    for (size_t i = 0; opened->readers && i < opened->manifest.count; i++) {
        reader_close(opened->readers[i]);
        segment_close(opened->segments[i]);
        live_deinit(&opened->lives[i]);
    }
    mem_free(opened->segments);
    mem_free(opened->lives);
    mem_free(opened->readers);
    manifest_deinit(&opened->manifest);
}

const char *opened_damage(const struct opened *opened)
{
    for (size_t i = 0; i < opened->manifest.count; i++)
        if (opened->segments[i] && segment_damage(opened->segments[i]))
            return segment_damage(opened->segments[i]);
    return NULL;
}
