/* fetch.c - see fetch.h. */
#include <stdlib.h>

#include "search/fetch.h"
#include "search/scripts.h"

#define FIRST (INDEX_KEYS + 1) /* of the ids, among the arguments */

static void on_recent(void *arg, int status, const struct redisReply *reply);

void fetch_run(struct fetch *fetch)
{
    struct index *index = fetch->index;
    struct span *argv =
        mem_alloc(MEM_JOB, (fetch->count + FIRST) * sizeof(argv[0]));

    memcpy(argv, index->keys, sizeof(index->keys));
    argv[INDEX_KEYS] = arena_printf(fetch->arena, "%d", FETCH_BYTES_MAX);
    memcpy(argv + FIRST, fetch->ids, fetch->count * sizeof(argv[0]));
    fetch->results = arena_zalloc(fetch->arena, (fetch->count + 1) *
                                                    sizeof(fetch->results[0]));
    int err = redis_eval(fetch->service->redis, &script_get, INDEX_KEYS,
                         &(struct redis_call){.key = index->keys[INDEX_SHARD],
                                              .argv = argv,
                                              .argc = fetch->count + FIRST,
                                              .repeatable = true,
                                              .cb = on_recent,
                                              .arg = fetch});
    mem_free(argv);
    if (err < 0)
        on_recent(fetch, err, NULL);
}

static int take_older(struct fetch *fetch, size_t i)
{
    struct fetched *result = &fetch->results[i];
    struct view_place place;
    struct buf source;

    if (!view_find(fetch->index->view, fetch->ids[i], &place))
        return opened_damage(&fetch->index->view->opened) ? UV_EIO : 0;
    buf_init(&source, MEM_JOB);
    int err = reader_source(place.reader, place.doc, &source);
    *result =
        (struct fetched){.found = true,
                         .version = place.version,
                         .seq = place.seq,
                         .source = arena_copy(fetch->arena, buf_span(&source))};
    fetch->bytes += source.len;
    buf_deinit(&source);
    return !err && fetch->bytes > FETCH_BYTES_MAX ? UV_E2BIG : err;
}

static int take(struct fetch *fetch, size_t i, const struct redisReply *reply)
{
    if (reply->type == REDIS_REPLY_STRING)
        return reply->len == 0 ? take_older(fetch, i) : 0;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3)
        return UV_EPROTO;
    fetch->results[i] = (struct fetched){
        .found = true,
        .version = strtoll(reply->element[0]->str, NULL, 10),
        .seq = strtoll(reply->element[1]->str, NULL, 10),
        .source = arena_copy(fetch->arena, service_text(reply->element[2]))};
    return 0;
}

/* Segments have all that Redis has forgotten. */
static int take_all(struct fetch *fetch, const struct redisReply *reply)
{
    struct index *index = fetch->index;
    int err = 0;

    if (reply->type == REDIS_REPLY_NIL)
        return UV_ENOENT;
    if (reply->type == REDIS_REPLY_STRING)
        return UV_E2BIG;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != fetch->count + 1)
        return UV_EPROTO;
    uint64_t needed = strtoull(reply->element[0]->str, NULL, 10);
    if (index->view->opened.manifest.generation < needed)
        index_refresh_view(index);
    if (index->view->opened.manifest.generation < needed)
        return UV_EIO;
    for (size_t i = 0; i < fetch->count && !err; i++)
        err = take(fetch, i, reply->element[i + 1]);
    return err;
}

static void on_recent(void *arg, int status, const struct redisReply *reply)
{
    struct fetch *fetch = arg;

    fetch->status = status < 0 ? status : take_all(fetch, reply);
    fetch->cb(fetch->arg);
}
