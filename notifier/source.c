/*
 * source.c - see source.h.
 *
 *   on_timer() -- source_read.lua --> on_read(): publish_all() --
 *   publication_send() of each --> on_published(), all of them -- XACK -->
 *   on_acked(): on_timer()
 *
 * Failure modes: Redis does not answer, or one was not published (those behind
 * it in its partition are refused by publish.lua; the batch is read again after
 * a while, being pending, and what of it is published is not published again),
 * the group or the stream is gone (made again by source_read.lua), another
 * worker reads it (asked again every BEAT_MS).
 */
#include <hiredis/hiredis.h>
#include <stdio.h>

#include "common/hash.h"
#include "common/json.h"
#include "common/log.h"
#include "notifier/publication.h"
#include "notifier/scripts.h"
#include "notifier/source.h"

#define GROUP SPAN("notifier") /* as in source_read.lua */
#define BATCH 64
#define BATCH_TEXT SPAN("64")
#define BATCH_BYTES SPAN("262144") /* are enough */
#define ENTRY_BYTES SPAN("1048576")
/* Bytes of a stream's name: it and an entry's id are an update's id. */
#define STREAM_MAX 214
#define LEASE_MS SPAN("5000")
#define BEAT_MS 1000
#define POLL_MS 50
#define RETRY_MS 500

struct entry {
    struct publication publication;
    struct publication_entry place;
    struct source *source;
};

struct source {
    struct sources *sources;
    struct span stream, topic;
    struct wheel_timer timer;
    bool busy;          /* a batch is under way, or it is being left */
    bool failed;        /* one of the batch was not published */
    bool complained;    /* of what Redis says, since it last gave entries */
    struct arena arena; /* of the batch */
    struct span generation;
    struct entry *entries;
    size_t count, left;
};

struct sources {
    struct notifier *app;
    struct source at[SOURCES_MAX];
    size_t count;
    char *text;
    bool stopping;
    void (*cb)(void *arg); /* of sources_drain() */
    void *arg;
    size_t leaving;
    uint64_t *published, *refused, *retried;
};

static void on_timer(struct wheel_timer *timer);
static void on_read(void *arg, int status, const struct redisReply *reply);
static void on_published(struct publication *publication, int status);
static void on_acked(void *arg, int status, const struct redisReply *reply);
static void on_left(void *arg, int status, const struct redisReply *reply);

/* ---- what is asked for */

/* What an entry of it would be published as, at the longest. */
static const char *check(const struct source *source)
{
    struct record record = {
        .id = source->stream, .topics = {source->topic}, .topic_count = 1};

    if (source->stream.len == 0 || source->stream.len > STREAM_MAX)
        return "a stream's name must have 1 to 214 bytes";
    if (span_eq(source->topic, SPAN("*")))
        record.topics[0] = SPAN("-"); /* each entry says its own */
    return publication_check(&record);
}

static const char *add(struct sources *sources, struct span text)
{
    struct source *source = &sources->at[sources->count];
    struct span stream;

    if (sources->count == SOURCES_MAX)
        return "there may be 16";
    if (!span_cut(&text, '=', &stream) || !text.ptr)
        return "it is STREAM=topic, with commas between several";
    for (size_t i = 0; i < sources->count; i++)
        if (span_eq(sources->at[i].stream, stream))
            return "a stream may be named once";
    *source =
        (struct source){.sources = sources, .stream = stream, .topic = text};
    sources->count++;
    return check(source);
}

static void make_cells(struct sources *sources)
{
    struct metrics *metrics = app_metrics(sources->app->app);

    sources->published = metrics_cell(metrics, METRICS_COUNTER,
                                      "notifier_source_published_total", "",
                                      "Entries of sources that are published.");
    sources->refused =
        metrics_cell(metrics, METRICS_COUNTER, "notifier_source_refused_total",
                     "", "Entries of sources that cannot be published.");
    sources->retried =
        metrics_cell(metrics, METRICS_COUNTER, "notifier_source_retried_total",
                     "", "Batches of sources that were read again.");
}

struct sources *sources_create(struct notifier *app, const char *option,
                               char *reason, size_t reason_size)
{
    struct sources *sources = mem_zalloc(MEM_JOB, sizeof(*sources));
    size_t size = option ? strlen(option) + 1 : 1;
    const char *wrong = NULL;
    struct span rest;
    struct span one;

    sources->app = app;
    sources->text = mem_zalloc(MEM_JOB, size);
    if (option)
        memcpy(sources->text, option, size);
    rest = (struct span){sources->text, size - 1};
    while (option && !wrong && span_cut(&rest, ',', &one))
        wrong = add(sources, one);
    if (wrong) {
        snprintf(reason, reason_size, "--source: %s", wrong);
        sources_destroy(sources);
        return NULL;
    }
    if (app)
        make_cells(sources);
    return sources;
}

/* ---- life */

static struct wheel *wheel_of(const struct source *source)
{
    return stream_loop_wheel(app_loop(source->sources->app->app));
}

static struct span worker_of(const struct source *source)
{
    return span_str(app_instance_id(source->sources->app->app));
}

static void again_in(struct source *source, uint64_t ms)
{
    wheel_start(wheel_of(source), &source->timer, ms, on_timer);
}

void sources_start(struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++)
        again_in(&sources->at[i], 1);
}

static bool leave(struct source *source)
{
    struct arena arena;

    arena_init(&arena, MEM_JOB, 0);
    struct span argv[] = {keys_source(&arena, source->stream),
                          worker_of(source)};
    int err = redis_eval(app_redis(source->sources->app->app),
                         &script_source_leave, 1,
                         &(struct redis_call){.key = source->stream,
                                              .argv = argv,
                                              .argc = 2,
                                              .repeatable = true,
                                              .cb = on_left,
                                              .arg = source});
    arena_deinit(&arena);
    return err == 0;
}

static void tell_drained(struct sources *sources)
{
    void (*cb)(void *arg) = sources->cb;

    sources->cb = NULL;
    cb(sources->arg);
}

/* When no batch is under way any more. */
static void leave_all(struct sources *sources)
{
    if (!sources->cb)
        return;
    for (size_t i = 0; i < sources->count; i++)
        if (sources->at[i].busy)
            return;
    sources->leaving = 1;
    for (size_t i = 0; i < sources->count; i++)
        sources->leaving += leave(&sources->at[i]);
    if (--sources->leaving == 0)
        tell_drained(sources);
}

/* Whatever Redis says: a lease that is not given back ends by itself. */
static void on_left(void *arg, int status, const struct redisReply *reply)
{
    struct source *source = arg;
    (void)status;
    (void)reply;

    if (--source->sources->leaving == 0)
        tell_drained(source->sources);
}

void sources_stop(struct sources *sources)
{
    sources->stopping = true;
}

void sources_drain(struct sources *sources, void (*cb)(void *arg), void *arg)
{
    sources->cb = cb;
    sources->arg = arg;
    leave_all(sources);
}

void sources_destroy(struct sources *sources)
{
    for (size_t i = 0; sources->app && i < sources->count; i++) {
        struct source *source = &sources->at[i];
        wheel_stop(wheel_of(source), &source->timer);
        if (source->busy)
            arena_deinit(&source->arena);
    }
    mem_free(sources->text);
    mem_free(sources);
}

/* ---- reading */

/* The batch is over; what of it is not acknowledged is pending. */
static void end_batch(struct source *source, uint64_t again_ms)
{
    arena_deinit(&source->arena);
    source->busy = false;
    if (source->sources->stopping)
        leave_all(source->sources);
    else
        again_in(source, again_ms);
}

static void fail_batch(struct source *source)
{
    metrics_add(source->sources->retried, 1);
    end_batch(source, RETRY_MS);
}

static void on_timer(struct wheel_timer *timer)
{
    struct source *source = LIST_ENTRY(timer, struct source, timer);

    if (source->sources->stopping)
        return;
    arena_init(&source->arena, MEM_JOB, 0);
    struct span argv[] = {
        source->stream,    keys_source(&source->arena, source->stream),
        worker_of(source), LEASE_MS,
        BATCH_TEXT,        BATCH_BYTES,
        ENTRY_BYTES};
    source->busy = true;
    source->failed = false;
    if (redis_eval(app_redis(source->sources->app->app), &script_source_read, 2,
                   &(struct redis_call){.key = source->stream,
                                        .argv = argv,
                                        .argc = 7,
                                        .repeatable = true,
                                        .cb = on_read,
                                        .arg = source}) < 0)
        fail_batch(source);
}

/* Once, until it goes well again: it may be no stream. */
static void complain(struct source *source, const struct redisReply *error)
{
    if (!source->complained && error)
        log_write(LOG_WARN, "a source cannot be read",
                  LOG_TEXT("stream", source->stream),
                  LOG_TEXT("reason", ((struct span){error->str, error->len})));
    source->complained = true;
}

/* ---- entries */

static struct span text_of(const struct redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING
               ? (struct span){reply->str, reply->len}
               : SPAN("");
}

static struct span field_of(const struct redisReply *fields, struct span name)
{
    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        if (span_eq(text_of(fields->element[i]), name))
            return text_of(fields->element[i + 1]);
    return (struct span){NULL, 0};
}

static bool is_text(const struct redisReply *fields)
{
    for (size_t i = 0; i < fields->elements; i++)
        if (!span_is_utf8(text_of(fields->element[i])))
            return false;
    return true;
}

static struct span as_json(struct arena *arena, const struct redisReply *fields)
{
    struct buf out;
    struct json_writer w = {.out = &out};

    buf_init(&out, MEM_JOB);
    json_put_open(&w, '{');
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        json_put_string(&w, text_of(fields->element[i]));
        buf_append_char(&out, ':');
        w.comma = false;
        json_put_string(&w, text_of(fields->element[i + 1]));
    }
    json_put_close(&w, '}');
    struct span text = arena_copy(arena, buf_span(&out));
    buf_deinit(&out);
    return text;
}

static struct span copied(struct arena *arena, struct span text)
{
    return text.ptr ? arena_copy(arena, text) : SPAN("");
}

static struct span topic_of(struct source *source,
                            const struct redisReply *fields)
{
    if (!span_eq(source->topic, SPAN("*")))
        return source->topic;
    return copied(&source->arena, field_of(fields, SPAN("topic")));
}

/* Why it cannot be published; NULL: it can. */
static const char *read_entry(struct source *source, struct entry *entry,
                              const struct redisReply *reply)
{
    const struct redisReply *fields = reply->element[1];
    struct record *record = &entry->publication.record;
    struct arena *arena = &source->arena;

    entry->source = source;
    entry->place = (struct publication_entry){
        .source = source->stream,
        .generation = source->generation,
        .id = arena_copy(arena, text_of(reply->element[0]))};
    if (fields->type == REDIS_REPLY_INTEGER)
        return "it has more than 1 MiB";
    if (fields->type != REDIS_REPLY_ARRAY)
        return "it was deleted";
    struct span data = field_of(fields, SPAN("data"));
    struct span private = field_of(fields, SPAN("private"));
    if (!data.ptr && !is_text(fields))
        return "without data all of it must be UTF-8";
    *record = (struct record){
        .id = arena_printf(arena, "%.*s/%.*s", (int)source->stream.len,
                           source->stream.ptr, (int)entry->place.id.len,
                           entry->place.id.ptr),
        .type = copied(arena, field_of(fields, SPAN("type"))),
        .data = data.ptr ? arena_copy(arena, data) : as_json(arena, fields),
        .is_private = private.len && !span_eq(private, SPAN("0")),
        .topics = {topic_of(source, fields)},
        .topic_count = 1};
    entry->publication.entry = &entry->place;
    entry->publication.cb = on_published;
    return publication_check(record);
}

static void refuse(struct entry *entry, const char *why)
{
    struct sources *sources = entry->source->sources;

    metrics_add(sources->refused, 1);
    log_write(LOG_WARN, "an entry cannot be published",
              LOG_TEXT("stream", entry->place.source),
              LOG_TEXT("entry", entry->place.id), LOG_STR("reason", why));
}

static void acknowledge(struct source *source);

/* reply: the generation, and the entries behind it. */
static void publish_all(struct source *source, const struct redisReply *reply)
{
    struct notifier *app = source->sources->app;
    struct span last[HASH_PARTITIONS] = {0}; /* that is on its way */

    source->generation = arena_copy(&source->arena, text_of(reply->element[0]));
    source->count = reply->elements - 1;
    source->entries =
        arena_zalloc(&source->arena, source->count * sizeof(struct entry));
    source->left = source->count + 1; /* until all are on their way */
    for (size_t i = 0; i < source->count; i++) {
        struct entry *entry = &source->entries[i];
        const char *why = read_entry(source, entry, reply->element[i + 1]);
        if (why) {
            refuse(entry, why);
            source->left--;
            continue;
        }
        struct span *before =
            &last[hash_partition(entry->publication.record.topics[0])];
        entry->place.before = *before;
        *before = entry->place.id;
        if (source->failed || publication_send(app, &entry->publication) < 0) {
            source->failed = true; /* and none behind it */
            source->left--;
        }
    }
    if (--source->left == 0)
        acknowledge(source);
}

static void on_read(void *arg, int status, const struct redisReply *reply)
{
    struct source *source = arg;

    if (status == UV_ECANCELED) /* the link is closed */
        return;
    if (status < 0 || reply->type != REDIS_REPLY_ARRAY) {
        complain(source, status == UV_EPROTO ? reply : NULL);
        fail_batch(source);
        return;
    }
    source->complained = false;
    if (reply->elements <= 1) {
        end_batch(source, reply->elements == 0 ? BEAT_MS : POLL_MS);
        return;
    }
    app_crash_point(source->sources->app->app, "source-read");
    publish_all(source, reply);
}

/* ---- published, acknowledged */

static void on_published(struct publication *publication, int status)
{
    struct entry *entry = LIST_ENTRY(publication, struct entry, publication);
    struct source *source = entry->source;

    if (status < 0)
        source->failed = true;
    else if (!publication->replayed)
        metrics_add(source->sources->published, 1);
    if (--source->left == 0)
        acknowledge(source);
}

static void acknowledge(struct source *source)
{
    struct span argv[BATCH + 3] = {SPAN("XACK"), source->stream, GROUP};
    size_t argc = 3;

    if (source->failed) {
        fail_batch(source);
        return;
    }
    app_crash_point(source->sources->app->app, "source-published");
    for (size_t i = 0; i < source->count && i < BATCH; i++)
        argv[argc++] = source->entries[i].place.id;
    if (redis_send(app_redis(source->sources->app->app),
                   &(struct redis_call){.key = source->stream,
                                        .argv = argv,
                                        .argc = argc,
                                        .repeatable = true,
                                        .cb = on_acked,
                                        .arg = source}) < 0)
        fail_batch(source);
}

static void on_acked(void *arg, int status, const struct redisReply *reply)
{
    struct source *source = arg;
    (void)reply;

    if (status == UV_ECANCELED)
        return;
    if (status < 0) {
        fail_batch(source);
        return;
    }
    app_crash_point(source->sources->app->app, "source-acknowledged");
    end_batch(source, 0);
}
