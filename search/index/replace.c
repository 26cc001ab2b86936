/* replace.c - see replace.h. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "search/index/replace.h"

struct replacing {
    struct manifest *manifest;
    struct opened *opened;
    const struct replace_order *order; /* or NULL */
    struct reader *fresh;              /* NULL: none */
    struct live live;                  /* of the new segment */
    bool *changed;                     /* of each older one */
};

static bool is_later(const struct replacing *replacing, size_t i, uint32_t doc,
                     uint32_t fresh)
{
    const struct replace_order *order = replacing->order;
    size_t count = replacing->opened->manifest.count;

    return order && fresh != UINT32_MAX &&
           order->when(order->arg, i, doc) >
               order->when(order->arg, count, fresh);
}

/* One of the same id and the new one's: the later one stays.  fresh: none has
   it, if it is UINT32_MAX. */
static void remove_earlier(struct replacing *replacing, struct span id,
                           uint32_t fresh)
{
    struct opened *opened = replacing->opened;

    for (size_t i = 0; i < opened->manifest.count; i++) {
        uint32_t doc = reader_find(opened->readers[i], id);
        if (doc == UINT32_MAX)
            continue;
        if (is_later(replacing, i, doc, fresh)) {
            live_delete(&replacing->live, fresh);
            return;
        }
        live_delete(&opened->lives[i], doc);
        replacing->changed[i] = true;
    }
}

static int remove_all(struct replacing *replacing,
                      const struct replace_change *change)
{
    struct reader *fresh = replacing->fresh;

    for (uint32_t doc = 0; fresh && doc < fresh->docs; doc++) {
        struct span id = reader_id(fresh, doc);
        if (!id.ptr)
            return UV_EIO;
        if (ids_find(&fresh->ids, id) != doc)
            live_delete(&replacing->live, doc);
        else
            remove_earlier(replacing, id, doc);
    }
    for (size_t i = 0; i < change->gone_count; i++) {
        uint32_t doc = fresh ? reader_find(fresh, change->gone[i]) : UINT32_MAX;
        if (doc != UINT32_MAX)
            live_delete(&replacing->live, doc);
        remove_earlier(replacing, change->gone[i], UINT32_MAX);
    }
    return opened_damage(replacing->opened) ? UV_EIO : 0;
}

static int write_live(struct replacing *replacing, const char *file,
                      const struct live *live, char name[MANIFEST_FILE_MAX])
{
    char path[PATH_MAX];

    manifest_live_name(replacing->manifest, file, name);
    snprintf(path, sizeof(path), "%s/%s", replacing->opened->dir, name);
    return live_save(live, path);
}

static int write_all(struct replacing *replacing, const char *file)
{
    struct manifest *manifest = replacing->manifest;
    const struct opened *opened = replacing->opened;
    char(*names)[MANIFEST_FILE_MAX] =
        mem_zalloc(MEM_APP, (opened->manifest.count + 1) * MANIFEST_FILE_MAX);
    size_t count = opened->manifest.count;
    int err = 0;

    for (size_t i = 0; i < count && !err; i++)
        if (replacing->changed[i])
            err = write_live(replacing, manifest->segments[i].file,
                             &opened->lives[i], names[i]);
    if (!err && file && replacing->live.count < replacing->live.docs)
        err = write_live(replacing, file, &replacing->live, names[count]);
    if (!err) {
        if (file)
            manifest_add(manifest, file, replacing->live.docs);
        for (size_t i = 0; i <= count; i++)
            if (names[i][0])
                manifest_set_live(manifest, i, names[i]);
    }
    mem_free(names);
    return err;
}

int replace_add(struct manifest *manifest, struct opened *opened,
                const struct replace_change *change)
{
    struct replacing replacing = {
        .manifest = manifest, .opened = opened, .order = change->order};
    struct segment *segment = NULL;
    char path[PATH_MAX];
    char why[64];
    int err = UV_EIO;

    if (change->file) {
        snprintf(path, sizeof(path), "%s/%s", opened->dir, change->file);
        segment = segment_open(path, why, sizeof(why));
        replacing.fresh = segment ? reader_open(segment, NULL, 0) : NULL;
    }
    if (!change->file || replacing.fresh) {
        replacing.changed =
            mem_zalloc(MEM_APP, (opened->manifest.count + 1) * sizeof(bool));
        live_init(&replacing.live, replacing.fresh ? replacing.fresh->docs : 0);
        err = remove_all(&replacing, change);
        if (!err)
            err = write_all(&replacing, change->file);
        live_deinit(&replacing.live);
        mem_free(replacing.changed);
    }
    reader_close(replacing.fresh);
    segment_close(segment);
    return err;
}
