/* merger.c - see merger.h. */
#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "search/index/merge.h"
#include "search/index/merger.h"

struct merger {
    char file[MANIFEST_FILE_MAX];
    struct schema schema;
    struct opened parts; /* as they were at the beginning */
    uint32_t docs;       /* live ones of them all */
    bool reorders;
    atomic_bool cancelled;
    bool made; /* and not committed: a file is there */
};

static void path_of(const struct merger *merger, const char *file,
                    char path[PATH_MAX])
{
    if (snprintf(path, PATH_MAX, "%s/%s", merger->parts.dir, file) >= PATH_MAX)
        path[0] = '\0'; /* it cannot be opened */
}

/* ---- what there is */

bool merger_choose(const struct opened *opened, struct tiers_range *range)
{
    size_t count = opened->manifest.count;
    struct tiers_segment *segments =
        mem_alloc(MEM_JOB, (count + 1) * sizeof(*segments));

    for (size_t i = 0; i < count; i++)
        segments[i] =
            (struct tiers_segment){.bytes = segment_size(opened->segments[i]),
                                   .docs = opened->lives[i].docs,
                                   .live = opened->lives[i].count};
    bool chosen = tiers_choose(&tiers_usual, segments, count, range);
    mem_free(segments);
    return chosen;
}

/* ---- the three steps */

struct merger *merger_begin(struct manifest *manifest, const char *dir,
                            const struct tiers_range *range, char *why,
                            size_t why_size)
{
    struct merger *merger = mem_zalloc(MEM_JOB, sizeof(*merger));

    schema_init(&merger->schema);
    schema_follow(&merger->schema, &manifest->schema);
    if (!opened_open_some(&merger->parts, dir, manifest->segments + range->from,
                          range->count, why, why_size)) {
        merger_close(merger);
        return NULL;
    }
    for (size_t i = 0; i < range->count; i++)
        merger->docs += merger->parts.lives[i].count;
    manifest_name(manifest, "segment", merger->file);
    return merger;
}

void merger_reorder(struct merger *merger)
{
    merger->reorders = true;
}

int merger_run(struct merger *merger)
{
    struct merge_source source = {.schema = &merger->schema,
                                  .readers = merger->parts.readers,
                                  .count = merger->parts.manifest.count,
                                  .reorders = merger->reorders,
                                  .cancelled = &merger->cancelled};
    char path[PATH_MAX];
    uint32_t docs;

    path_of(merger, merger->file, path);
    if (!merger->docs) /* none is left */
        return 0;
    int err = merge_segments(path, &source, &docs);
    merger->made = !err;
    return err;
}

void merger_cancel(struct merger *merger)
{
    atomic_store(&merger->cancelled, true);
}

/* Those of a segment that were live, and are not any more, are not in the new
   one either; base: the new number of its first one. */
static void delete_since(const struct live *before, const struct live *now,
                         uint32_t base, struct live *all)
{
    for (uint32_t doc = 0; doc < before->docs; doc++) {
        if (!live_has(before, doc))
            continue;
        if (!live_has(now, doc))
            live_delete(all, base);
        base++;
    }
}

/* False: who is live cannot be read. */
static bool delete_all_since(const struct merger *merger,
                             const struct manifest_segment *now,
                             struct live *all)
{
    const struct opened *parts = &merger->parts;
    char path[PATH_MAX];
    struct live live;

    for (size_t i = 0; i < parts->manifest.count; i++) {
        if (strcmp(parts->manifest.segments[i].live, now[i].live) == 0)
            continue;
        assert(!merger->reorders);
        path_of(merger, now[i].live, path);
        if (!live_load(&live, path, now[i].docs))
            return false;
        delete_since(&parts->lives[i], &live, merger_number(merger, i, 0), all);
        live_deinit(&live);
    }
    return true;
}

int merger_commit(struct merger *merger, struct manifest *manifest)
{
    struct tiers_range range = merger_range(merger, manifest);
    struct manifest_segment by = {.docs = merger->docs};
    char path[PATH_MAX];
    struct live all;
    int err = 0;

    memcpy(by.file, merger->file, sizeof(by.file));
    live_init(&all, merger->docs);
    if (!delete_all_since(merger, manifest->segments + range.from, &all))
        err = UV_EIO;
    if (!err && all.count == 0) {
        by.docs = 0;
    } else if (!err && all.count < all.docs) {
        manifest_live_name(manifest, by.file, by.live);
        path_of(merger, by.live, path);
        err = live_save(&all, path);
    }
    if (!err) {
        manifest_replace(manifest, range.from, range.count, &by);
        merger->made = false;
    }
    live_deinit(&all);
    return err;
}

void merger_close(struct merger *merger)
{
    char path[PATH_MAX];

    if (!merger)
        return;
    path_of(merger, merger->file, path);
    if (merger->made)
        unlink(path);
    opened_close(&merger->parts);
    schema_deinit(&merger->schema);
    mem_free(merger);
}

/* ---- of a merge */

struct tiers_range merger_range(const struct merger *merger,
                                const struct manifest *manifest)
{
    const struct manifest *parts = &merger->parts.manifest;
    size_t from = 0;

    while (from < manifest->count &&
           strcmp(manifest->segments[from].file, parts->segments[0].file) != 0)
        from++;
    assert(from + parts->count <= manifest->count);
    return (struct tiers_range){from, parts->count};
}

uint32_t merger_number(const struct merger *merger, size_t i, uint32_t doc)
{
    const struct live *lives = merger->parts.lives;
    uint32_t number = live_range(&lives[i], 0, doc);

    for (size_t j = 0; j < i; j++)
        number += lives[j].count;
    return number;
}

const char *merger_damage(const struct merger *merger)
{
    return opened_damage(&merger->parts);
}
