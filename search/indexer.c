/*
 * indexer.c - the process that makes segments of the log; there is one.
 *
 *   pass():  [which indexes are there] on_names() -- each shard:
 *   look()   [its hash] on_looked() -- the mapping
 *   read()   [entries behind what was applied] on_entries() -- applied; again
 *            while there are more, commit() whenever memory is full
 *   commit() segment, manifest; word of it
 *   trim()   [trim.lua] on_trimmed() -- again until nothing is left of it
 *            -- a merge begins on a thread of the pool, if one is worth it
 *   the next pass begins after the refresh interval, or when word comes
 *
 * Failure modes: a crash anywhere (the log still has what the last manifest has
 * not; what it has and the log still has is trimmed first), Redis is away (the
 * pass ends, and the next one begins where the shards stand), the disk is full
 * (the shard begins again from its manifest; the log fills, and writes are
 * refused).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/log.h"
#include "search/indexer_internal.h"
#include "search/indexes.h"
#include "search/scripts.h"

#define LOCK_RETRY_MS 50
#define TIMEOUT_MS 10000
#define READ_BYTES (4 << 20) /* of an answer, about */
#define READ_MOST 2000
#define READ_FIRST 100
#define TRIM_MOST SPAN("1000")

static void pass(struct indexer *indexer);
static void on_names(void *arg, int status, const struct redisReply *reply);
static void next_shard(struct indexer *indexer);
static void on_looked(void *arg, int status, const struct redisReply *reply);
static void read_log(struct indexer *indexer);
static void on_entries(void *arg, int status, const struct redisReply *reply);
static bool commit(struct indexer *indexer);
static void trim(struct indexer *indexer);
static void on_trimmed(void *arg, int status, const struct redisReply *reply);
static void begin_merge(struct indexer *indexer);
static void on_merge(uv_work_t *work);
static void on_merged(uv_work_t *work, int status);

static struct wheel *wheel_of(const struct indexer *indexer)
{
    return stream_loop_wheel(app_loop(indexer->app));
}

static void on_timer(struct wheel_timer *timer)
{
    pass(LIST_ENTRY(timer, struct indexer, timer));
}

static void start_timer(struct indexer *indexer, uint64_t ms)
{
    if (!indexer->closing)
        wheel_start(wheel_of(indexer), &indexer->timer, ms, on_timer);
}

static void tell_published(struct indexer *indexer, const struct shard *shard)
{
    char text[INDEX_UUID_LEN + 3];

    snprintf(text, sizeof(text), "p %s", shard->uuid);
    struct span argv[] = {SPAN("SPUBLISH"), SERVICE_NEWS, span_str(text)};
    redis_send(indexer->redis, &(struct redis_call){.key = SERVICE_NEWS,
                                                    .argv = argv,
                                                    .argc = 3,
                                                    .cb = service_told});
}

/* ---- a pass */

/* Told once, when nothing is on its way any more. */
static void end_drain(struct indexer *indexer)
{
    void (*done)(void *arg) = indexer->on_drained;

    if (!done || indexer->busy || indexer->merging)
        return;
    indexer->on_drained = NULL;
    done(indexer->drain_arg);
}

static void end_pass(struct indexer *indexer)
{
    bool again = indexer->again;

    indexer->busy = false;
    indexer->again = false;
    indexer->current = NULL;
    list_move(&indexer->done, &indexer->shards);
    if (indexer->closing)
        end_drain(indexer);
    else
        start_timer(indexer, again ? 0 : (uint64_t)indexer->config->refresh_ms);
}

/* A successor of ours that is told to begin early waits until we are gone. */
static bool has_lock(struct indexer *indexer)
{
    char path[4096];

    if (indexer->lock < 0) {
        snprintf(path, sizeof(path), "%s/indexer", app_data_dir(indexer->app));
        indexer->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (indexer->lock >= 0 && flock(indexer->lock, LOCK_EX | LOCK_NB) < 0) {
            close(indexer->lock);
            indexer->lock = -1;
        }
    }
    return indexer->lock >= 0;
}

static void pass(struct indexer *indexer)
{
    struct span argv[] = {SPAN("HGETALL"), SERVICE_INDEXES};

    if (indexer->busy || indexer->closing)
        return;
    if (!has_lock(indexer)) {
        start_timer(indexer, LOCK_RETRY_MS);
        return;
    }
    wheel_stop(wheel_of(indexer), &indexer->timer);
    indexer->busy = true;
    int err = redis_send(indexer->redis,
                         &(struct redis_call){.key = SERVICE_INDEXES,
                                              .argv = argv,
                                              .argc = 2,
                                              .repeatable = true,
                                              .timeout_ms = TIMEOUT_MS,
                                              .cb = on_names,
                                              .arg = indexer});
    if (err < 0)
        end_pass(indexer);
}

static void on_names(void *arg, int status, const struct redisReply *reply)
{
    struct indexer *indexer = arg;

    if (status < 0 || reply->type != REDIS_REPLY_ARRAY || indexer->closing) {
        end_pass(indexer);
        return;
    }
    indexer_take_names(indexer, reply);
    next_shard(indexer);
}

/* ---- one shard after the other */

static void next_shard(struct indexer *indexer)
{
    struct list *node = list_pop(&indexer->shards);

    if (!node || indexer->closing) {
        if (node)
            list_append(&indexer->done, node);
        end_pass(indexer);
        return;
    }
    struct shard *shard = LIST_ENTRY(node, struct shard, node);
    list_append(&indexer->done, node);
    indexer->current = shard;
    indexer->most = READ_FIRST;
    struct span argv[] = {SPAN("HMGET"), shard->keys[INDEX_SHARD], SPAN("seq"),
                          SPAN("generation"), SPAN("mapping")};
    int err = redis_send(indexer->redis,
                         &(struct redis_call){.key = shard->keys[INDEX_SHARD],
                                              .argv = argv,
                                              .argc = 5,
                                              .repeatable = true,
                                              .timeout_ms = TIMEOUT_MS,
                                              .cb = on_looked,
                                              .arg = indexer});
    if (err < 0)
        end_pass(indexer);
}

/* What the shard was told to forget must be on the disk. */
static bool has_lost(struct shard *shard, uint64_t generation)
{
    bool lost = generation > shard->manifest.generation;

    if (lost && !shard->lost)
        log_write(LOG_ERROR, "files of an index are older than its log",
                  LOG_STR("shard", shard->uuid),
                  LOG_NUMBER("generation", (int64_t)generation));
    shard->lost = lost;
    return lost;
}

static void on_looked(void *arg, int status, const struct redisReply *reply)
{
    struct indexer *indexer = arg;
    struct shard *shard = indexer->current;
    uint64_t generation = 0;

    if (status < 0 || reply->type != REDIS_REPLY_ARRAY ||
        reply->elements != 3 || indexer->closing) {
        end_pass(indexer);
        return;
    }
    if (!shard || shard->failed ||
        reply->element[2]->type != REDIS_REPLY_STRING ||
        !span_to_u64(service_text(reply->element[0]), INT64_MAX,
                     &indexer->seq) ||
        !span_to_u64(service_text(reply->element[1]), INT64_MAX, &generation) ||
        has_lost(shard, generation) ||
        (indexer->seq > shard->applied &&
         !shard_take_mapping(shard, service_text(reply->element[2])))) {
        next_shard(indexer); /* it is being deleted, or cannot go on */
        return;
    }
    read_log(indexer);
}

static void read_log(struct indexer *indexer)
{
    struct shard *shard = indexer->current;
    struct arena arena;

    if (shard->applied >= indexer->seq) {
        if (shard->touched.count == 0 || commit(indexer))
            trim(indexer);
        else
            next_shard(indexer);
        return;
    }
    arena_init(&arena, MEM_JOB, 0);
    struct span argv[] = {
        SPAN("XRANGE"),
        shard->keys[INDEX_LOG],
        arena_printf(&arena, "%llu", (unsigned long long)shard->applied + 1),
        arena_printf(&arena, "%llu", (unsigned long long)indexer->seq),
        SPAN("COUNT"),
        arena_printf(&arena, "%llu", (unsigned long long)indexer->most)};
    int err = redis_send(indexer->redis,
                         &(struct redis_call){.key = shard->keys[INDEX_LOG],
                                              .argv = argv,
                                              .argc = 6,
                                              .repeatable = true,
                                              .timeout_ms = TIMEOUT_MS,
                                              .cb = on_entries,
                                              .arg = indexer});
    arena_deinit(&arena);
    if (err < 0)
        end_pass(indexer);
}

/* {id, {d, ID, v, VERSION[, f, FIELDS, s, SOURCE]}} as append.lua wrote it. */
static bool read_entry(const struct redisReply *reply,
                       struct shard_entry *entry)
{
    const struct redisReply *fields;
    struct span id;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
        return false;
    fields = reply->element[1];
    id = service_text(reply->element[0]);
    id.len = span_find(id, '-');
    *entry = (struct shard_entry){0};
    if (fields->elements != 4 && fields->elements != 8)
        return false;
    entry->id = service_text(fields->element[1]);
    if (fields->elements == 8)
        entry->source = service_text(fields->element[7]);
    return span_to_u64(id, INT64_MAX, &entry->position) &&
           span_to_u64(service_text(fields->element[3]), INT64_MAX,
                       &entry->version) &&
           (fields->elements == 4 ||
            span_to_u64(service_text(fields->element[5]), SCHEMA_FIELDS_MAX,
                        &entry->fields));
}

/* So many entries that an answer has about READ_BYTES. */
static void learn_size(struct indexer *indexer, size_t count, size_t bytes)
{
    uint64_t most = (uint64_t)count * READ_BYTES / (bytes + 1);

    indexer->most = most < 1 ? 1 : most > READ_MOST ? READ_MOST : most;
}

static bool apply(struct indexer *indexer, const struct redisReply *reply)
{
    struct shard *shard = indexer->current;
    struct shard_entry entry;
    size_t bytes = 0;

    for (size_t i = 0; i < reply->elements; i++) {
        if (!read_entry(reply->element[i], &entry)) {
            indexer_ails(indexer, span_str(shard->uuid),
                         "no segment can be made",
                         "the log has an entry that is none");
            return false;
        }
        if (!shard_apply(shard, &entry)) {
            indexer_ails(indexer, span_str(shard->uuid),
                         "no segment can be begun", strerror(errno));
            return false;
        }
        bytes += entry.source.len;
    }
    learn_size(indexer, reply->elements, bytes);
    metrics_add(indexer->documents, reply->elements);
    app_crash_point(indexer->app, "indexer-applied");
    return shard_size(shard) < (size_t)indexer->config->ram || commit(indexer);
}

static void on_entries(void *arg, int status, const struct redisReply *reply)
{
    struct indexer *indexer = arg;

    if (status < 0 || reply->type != REDIS_REPLY_ARRAY || indexer->closing) {
        end_pass(indexer);
        return;
    }
    bool is_empty = reply->elements == 0; /* it is being deleted */
    if (indexer->current && is_empty)
        indexer->seq = indexer->current->applied;
    if (indexer->current && (is_empty || apply(indexer, reply)))
        read_log(indexer);
    else
        next_shard(indexer); /* or begun again meanwhile */
}

/* Back to what is on the disk. */
static void begin_again(struct indexer *indexer, struct shard *shard, int err)
{
    indexer_ails(indexer, span_str(shard->uuid), "an index cannot be written",
                 err > 0 ? strerror(err) : "a file is damaged");
    if (shard == indexer->merging) {
        merger_cancel(shard->merger);
        shard->failed = true;
    } else {
        indexer_close_shard(shard); /* the next pass opens it */
    }
    if (shard == indexer->current)
        indexer->current = NULL;
}

static bool commit(struct indexer *indexer)
{
    struct shard *shard = indexer->current;
    int err = shard_commit(shard);

    if (err) {
        begin_again(indexer, shard, err);
        return false;
    }
    metrics_add(indexer->segments, 1);
    tell_published(indexer, shard);
    app_crash_point(indexer->app, "indexer-told");
    return true;
}

/* ---- the log behind the manifest */

static void trim(struct indexer *indexer)
{
    struct shard *shard = indexer->current;
    struct arena arena;

    indexer_is_well(indexer, span_str(shard->uuid));
    if (shard->trimmed) {
        begin_merge(indexer);
        next_shard(indexer);
        return;
    }
    arena_init(&arena, MEM_JOB, 0);
    struct span argv[] = {
        shard->keys[INDEX_SHARD],
        shard->keys[INDEX_LOG],
        shard->keys[INDEX_RECENT],
        arena_printf(&arena, "%llu",
                     (unsigned long long)shard->manifest.generation),
        arena_printf(&arena, "%llu", (unsigned long long)shard_position(shard)),
        TRIM_MOST};
    int err = redis_eval(indexer->redis, &script_trim, 3,
                         &(struct redis_call){.key = shard->keys[INDEX_SHARD],
                                              .argv = argv,
                                              .argc = 6,
                                              .repeatable = true,
                                              .timeout_ms = TIMEOUT_MS,
                                              .cb = on_trimmed,
                                              .arg = indexer});
    arena_deinit(&arena);
    if (err < 0)
        end_pass(indexer);
}

static void on_trimmed(void *arg, int status, const struct redisReply *reply)
{
    struct indexer *indexer = arg;

    if (status < 0 || indexer->closing) {
        end_pass(indexer);
        return;
    }
    app_crash_point(indexer->app, "indexer-trimmed");
    if (!indexer->current) {
        next_shard(indexer);
        return;
    }
    indexer->current->trimmed =
        reply->type == REDIS_REPLY_INTEGER && reply->integer <= 0;
    trim(indexer);
}

/* ---- merges, one at a time */

static void begin_merge(struct indexer *indexer)
{
    struct shard *shard = indexer->current;
    uv_loop_t *loop = stream_loop_uv(app_loop(indexer->app));

    if (indexer->merging || indexer->closing || !shard_begin_merge(shard))
        return;
    indexer->merging = shard;
    indexer->work.data = indexer;
    if (uv_queue_work(loop, &indexer->work, on_merge, on_merged) == 0)
        return;
    indexer->merging = NULL;
    shard_end_merge(shard, UV_ECANCELED);
}

static void on_merge(uv_work_t *work)
{
    struct indexer *indexer = work->data;

    indexer->merge_err = merger_run(indexer->merging->merger);
}

static void on_merged(uv_work_t *work, int status)
{
    struct indexer *indexer = work->data;
    struct shard *shard = indexer->merging;
    int err = status < 0 || shard->failed ? UV_ECANCELED : indexer->merge_err;
    bool done = !err;

    indexer->merging = NULL;
    err = shard_end_merge(shard, err);
    if (err) {
        begin_again(indexer, shard, err);
    } else if (shard->failed) {
        begin_again(indexer, shard, EIO);
    } else if (done) {
        metrics_add(indexer->merges, 1);
        tell_published(indexer, shard);
    }
    end_drain(indexer);
}

/* ---- life */

/* Somebody waits. */
static void on_work(void *arg, struct span channel, struct span payload)
{
    struct indexer *indexer = arg;

    (void)channel;
    (void)payload;
    if (indexer->busy)
        indexer->again = true;
    else
        pass(indexer);
}

static void *indexer_open(struct app *app)
{
    struct indexer *indexer = mem_zalloc(MEM_APP, sizeof(*indexer));
    struct metrics *metrics = app_metrics(app);

    indexer->app = app;
    indexer->redis = app_redis(app);
    indexer->config = app_config(app);
    indexer->lock = -1;
    buf_init(&indexer->ailing, MEM_APP);
    list_init(&indexer->shards);
    list_init(&indexer->done);
    indexer->documents = metrics_cell(
        metrics, METRICS_COUNTER, "search_log_entries_indexed_total", "",
        "Entries of the log that became part of segments.");
    indexer->segments =
        metrics_cell(metrics, METRICS_COUNTER, "search_commits_total", "",
                     "Manifests with a new position.");
    indexer->merges =
        metrics_cell(metrics, METRICS_COUNTER, "search_merges_total", "",
                     "Merges of segments that are done.");
    pubsub_subscribe(app_pubsub(app), SERVICE_WORK, on_work, indexer);
    start_timer(indexer, 0);
    return indexer;
}

/* The log has all that is not committed. */
static void indexer_drain(void *state, void (*done)(void *arg), void *arg)
{
    struct indexer *indexer = state;

    indexer->closing = true;
    wheel_stop(wheel_of(indexer), &indexer->timer);
    if (indexer->merging)
        merger_cancel(indexer->merging->merger);
    indexer->on_drained = done;
    indexer->drain_arg = arg;
    end_drain(indexer);
}

static void indexer_close(void *state)
{
    struct indexer *indexer = state;

    list_move(&indexer->done, &indexer->shards);
    while (!list_is_empty(&indexer->shards))
        indexer_close_shard(
            LIST_ENTRY(indexer->shards.next, struct shard, node));
    if (indexer->lock >= 0)
        close(indexer->lock);
    buf_deinit(&indexer->ailing);
    mem_free(indexer);
}

const struct app_helper service_indexer = {
    .open = indexer_open, .drain = indexer_drain, .close = indexer_close};
