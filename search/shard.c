/* shard.c - see shard.h. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/hash.h"
#include "common/log.h"
#include "search/indexes.h"
#include "search/shard.h"

#define WHY 320

static void begin_touched(struct shard *shard)
{
    ids_writer_init(&shard->touched, hash_random_key().k0);
    shard->deleted.len = 0;
}

uint64_t shard_position(const struct shard *shard)
{
    return strtoull(shard->manifest.position, NULL, 10);
}

static char *dir_of(const struct app *app, struct arena *arena,
                    struct span uuid)
{
    struct span text = arena_printf(arena, "%s/%.*s", app_data_dir(app),
                                    (int)uuid.len, uuid.ptr);
    char *dir = arena_alloc(arena, text.len + 1);

    memcpy(dir, text.ptr, text.len + 1);
    return dir;
}

struct shard *shard_open(const struct app *app, struct span uuid, char *why,
                         size_t why_size)
{
    struct shard *shard = mem_zalloc(MEM_JOB, sizeof(*shard));

    list_init(&shard->node);
    shard->app = app;
    arena_init(&shard->arena, MEM_JOB, 0);
    buf_init(&shard->deleted, MEM_JOB);
    begin_touched(shard);
    shard->dir = dir_of(app, &shard->arena, uuid);
    shard->uuid = strrchr(shard->dir, '/') + 1;
    shard->lock = manifest_open(&shard->manifest, shard->dir, why, why_size);
    if (shard->lock >= 0 &&
        opened_open(&shard->opened, shard->dir, why, why_size)) {
        shard->applied = shard_position(shard);
        return shard;
    }
    shard_close(shard);
    return NULL;
}

void shard_close(struct shard *shard)
{
    if (shard->builder)
        builder_abandon(shard->builder);
    merger_close(shard->merger);
    opened_close(&shard->opened);
    manifest_deinit(&shard->manifest);
    ids_writer_deinit(&shard->touched);
    buf_deinit(&shard->deleted);
    if (shard->lock >= 0)
        close(shard->lock);
    arena_deinit(&shard->arena);
    mem_free(shard);
}

void shard_remove(const struct app *app, struct span uuid)
{
    struct arena arena;
    DIR *open;

    arena_init(&arena, MEM_JOB, 0);
    char *dir = dir_of(app, &arena, uuid);
    open = opendir(dir);
    for (struct dirent *entry; open && (entry = readdir(open));)
        unlinkat(dirfd(open), entry->d_name, 0);
    if (open)
        closedir(open);
    rmdir(dir);
    arena_deinit(&arena);
}

bool shard_take_mapping(struct shard *shard, struct span json)
{
    struct schema schema;

    if (!index_read_mapping(&schema, json))
        return false;
    schema_follow(&shard->manifest.schema, &schema);
    schema_deinit(&schema);
    return true;
}

/* ---- entries */

static bool begin_segment(struct shard *shard)
{
    struct arena arena;

    if (shard->builder)
        return true;
    arena_init(&arena, MEM_JOB, 0);
    manifest_name(&shard->manifest, "segment", shard->file);
    shard->builder = builder_create(
        arena_printf(&arena, "%s/%s", shard->dir, shard->file).ptr,
        &shard->fields, &(struct builder_options){0});
    arena_deinit(&arena);
    return shard->builder;
}

/* As it was taken: by the fields that there were then, and no others. */
static void add(struct shard *shard, const struct shard_entry *entry)
{
    const struct schema *schema = &shard->manifest.schema;
    char why[WHY];

    shard->fields = *schema;
    shard->fields.dynamic = false;
    if (entry->fields < schema->count)
        shard->fields.count = entry->fields;
    if (!builder_add(shard->builder, entry->id, entry->source, why,
                     sizeof(why))) {
        log_write(LOG_ERROR, "a document that was taken cannot be indexed",
                  LOG_STR("shard", shard->uuid), LOG_STR("reason", why));
        return;
    }
    builder_give(shard->builder, schema_find(schema, SCHEMA_SEQ_NO),
                 (int64_t)entry->position - 1);
    builder_give(shard->builder, schema_find(schema, SCHEMA_VERSION),
                 (int64_t)entry->version);
}

bool shard_apply(struct shard *shard, const struct shard_entry *entry)
{
    bool deletion = !entry->source.ptr;

    if (!deletion && !begin_segment(shard))
        return false;
    if (!deletion)
        add(shard, entry);
    ids_writer_add(&shard->touched, entry->id);
    buf_append_char(&shard->deleted, (char)deletion);
    shard->applied = entry->position;
    return true;
}

size_t shard_size(const struct shard *shard)
{
    return shard->touched.bytes.len +
           (shard->builder ? builder_size(shard->builder) : 0);
}

/* ---- a manifest */

/* The ids whose last entry is a deletion; a buf of spans. */
static void put_gone(const struct shard *shard, const struct ids *ids,
                     struct buf *out)
{

    for (uint32_t i = 0; i < shard->touched.count; i++) {
        struct span id = ids_of(ids, i);
        if (shard->deleted.ptr[i] && ids_find(ids, id) == i)
            buf_append_bytes(out, &id, sizeof(id));
    }
}

static int save(struct shard *shard)
{
    int err = manifest_save(&shard->manifest, shard->dir);

    if (!err)
        app_crash_point(shard->app, "indexer-manifest");
    return err ? err : opened_renew(&shard->opened);
}

static int finish_segment(struct shard *shard)
{
    struct builder *builder = shard->builder;
    bool empty = builder && builder_docs(builder) == 0;
    int err = 0;

    shard->builder = NULL;
    shard->fields = shard->manifest.schema;
    if (empty)
        builder_abandon(builder);
    else if (builder)
        err = builder_finish(builder);
    if (!builder || empty)
        shard->file[0] = '\0';
    return err;
}

int shard_commit(struct shard *shard)
{
    struct ids ids = ids_writer_view(&shard->touched);
    struct replace_change change = {0};
    struct buf gone;
    int err = finish_segment(shard);

    buf_init(&gone, MEM_JOB);
    app_crash_point(shard->app, "indexer-segment");
    put_gone(shard, &ids, &gone);
    change.file = shard->file[0] ? shard->file : NULL;
    change.gone = (const struct span *)(const void *)gone.ptr;
    change.gone_count = gone.len / sizeof(struct span);
    if (!err)
        err = replace_add(&shard->manifest, &shard->opened, &change);
    buf_deinit(&gone);
    app_crash_point(shard->app, "indexer-replaced");
    snprintf(shard->manifest.position, MANIFEST_POSITION_MAX, "%llu",
             (unsigned long long)shard->applied);
    if (!err)
        err = save(shard);
    if (err)
        return err;
    shard->file[0] = '\0';
    shard->trimmed = false;
    ids_writer_deinit(&shard->touched);
    begin_touched(shard);
    return 0;
}

/* ---- merges */

static void log_failure(const struct shard *shard, const char *why)
{
    log_write(LOG_ERROR, "segments cannot be merged",
              LOG_STR("shard", shard->uuid), LOG_STR("reason", why));
}

bool shard_begin_merge(struct shard *shard)
{
    struct tiers_range range;
    char why[WHY];

    if (shard->merger || shard->damaged ||
        !merger_choose(&shard->opened, &range))
        return false;
    shard->merger =
        merger_begin(&shard->manifest, shard->dir, &range, why, sizeof(why));
    if (!shard->merger)
        log_failure(shard, why);
    return shard->merger;
}

int shard_end_merge(struct shard *shard, int err)
{
    struct merger *merger = shard->merger;
    const char *damage = merger_damage(merger);

    app_crash_point(shard->app, "indexer-merged");
    if (err && err != UV_ECANCELED) {
        log_failure(shard, damage ? damage : uv_strerror(-abs(err)));
        shard->damaged = damage;
        err = UV_ECANCELED;
    }
    if (!err)
        err = merger_commit(merger, &shard->manifest);
    if (!err)
        err = save(shard);
    shard->merger = NULL;
    merger_close(merger);
    return err == UV_ECANCELED ? 0 : err;
}
