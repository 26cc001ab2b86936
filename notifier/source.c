/*
 * source.c - see source.h.
 *
 *   on_beat() -- lease.lua --> on_lease(): mine, or another's
 *   read_on() -- XREADGROUP --> on_read(): publish_all() -- publication_send()
 *   of each --> on_published(), all of them -- XACK --> on_acked(): read_on()
 *
 * Failure modes: Redis does not answer, or one was not published (the batch is
 * read again from what is pending, after a while; those that are published
 * already are not published twice), the group or the stream is gone (made
 * again), the lease is another's (whoever has it reads what is pending).
 */
#include <hiredis/hiredis.h>
#include <stdio.h>

#include "common/json.h"
#include "common/log.h"
#include "notifier/publication.h"
#include "notifier/scripts.h"
#include "notifier/source.h"

#define GROUP SPAN("notifier")
#define CONSUMER SPAN("hub")
#define BATCH 64
#define BATCH_TEXT SPAN("64")
#define BEAT_MS 1000
#define LEASE_MS "5000"
#define LEASE_LEFT_MS                                      \
    4000 /* of it that is believed, since it was asked for \
          */
#define POLL_MS 50
#define RETRY_MS 500
#define STREAM_MAX 512

struct entry {
    struct publication publication;
    struct span id; /* in its stream */
    struct source *source;
    bool refused;
};

struct source {
    struct sources *sources;
    struct span stream, topic;
    struct wheel_timer beat, timer;
    uint64_t held_until; /* of stream_loop_now(); 0: another's */
    bool asking;         /* for the lease */
    bool busy;           /* a batch is under way */
    bool fresh;          /* all that was pending is done: new ones */
    bool failed;         /* one of the batch was not published */
    struct arena arena;  /* of the batch */
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
    uint64_t *published, *refused, *retried;
};

static void on_beat(struct wheel_timer *timer);
static void on_lease(void *arg, int status, const struct redisReply *reply);
static void read_on(struct source *source);
static void on_group(void *arg, int status, const struct redisReply *reply);
static void on_read(void *arg, int status, const struct redisReply *reply);
static void on_published(struct publication *publication, int status);
static void on_acked(void *arg, int status, const struct redisReply *reply);
static void on_timer(struct wheel_timer *timer);

/* ---- life */

static bool add(struct sources *sources, struct span text)
{
    struct source *source = &sources->at[sources->count];
    struct span stream;

    if (sources->count == SOURCES_MAX || !span_cut(&text, '=', &stream) ||
        !text.ptr || stream.len == 0 || stream.len > STREAM_MAX ||
        text.len == 0 || text.len > PUBLICATION_TOPIC_MAX)
        return false;
    *source =
        (struct source){.sources = sources, .stream = stream, .topic = text};
    sources->count++;
    return true;
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
    struct span rest;
    struct span one;

    sources->app = app;
    sources->text = mem_zalloc(MEM_JOB, size);
    if (option)
        memcpy(sources->text, option, size);
    rest = (struct span){sources->text, size - 1};
    while (option && span_cut(&rest, ',', &one))
        if (!add(sources, one)) {
            snprintf(
                reason, reason_size,
                "--source is STREAM=topic, at most 16 with commas between");
            sources_destroy(sources);
            return NULL;
        }
    if (app)
        make_cells(sources);
    return sources;
}

static struct wheel *wheel_of(const struct source *source)
{
    return stream_loop_wheel(app_loop(source->sources->app->app));
}

static uint64_t now_of(const struct source *source)
{
    return stream_loop_now(app_loop(source->sources->app->app));
}

void sources_start(struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++)
        wheel_start(wheel_of(&sources->at[i]), &sources->at[i].beat, 1,
                    on_beat);
}

static bool is_idle(const struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++)
        if (sources->at[i].busy)
            return false;
    return true;
}

static void tell_drained(struct sources *sources)
{
    void (*cb)(void *arg) = sources->cb;

    if (!cb || !is_idle(sources))
        return;
    sources->cb = NULL;
    cb(sources->arg);
}

void sources_stop(struct sources *sources)
{
    sources->stopping = true;
}

void sources_drain(struct sources *sources, void (*cb)(void *arg), void *arg)
{
    sources->cb = cb;
    sources->arg = arg;
    tell_drained(sources);
}

void sources_destroy(struct sources *sources)
{
    for (size_t i = 0; sources->app && i < sources->count; i++) {
        struct source *source = &sources->at[i];
        wheel_stop(wheel_of(source), &source->beat);
        wheel_stop(wheel_of(source), &source->timer);
        if (source->busy)
            arena_deinit(&source->arena);
    }
    mem_free(sources->text);
    mem_free(sources);
}

/* ---- the lease */

static bool is_mine(const struct source *source)
{
    return source->held_until > now_of(source);
}

static int ask_lease(struct source *source, struct span ms)
{
    struct notifier *app = source->sources->app;
    struct arena arena;

    arena_init(&arena, MEM_JOB, 0);
    struct span argv[] = {arena_printf(&arena, NOTIFIER_PREFIX ":source:%.*s",
                                       (int)source->stream.len,
                                       source->stream.ptr),
                          span_str(app_instance_id(app->app)), ms};
    int err = redis_eval(app_redis(app->app), &script_lease, 1,
                         &(struct redis_call){.key = argv[0],
                                              .argv = argv,
                                              .argc = 3,
                                              .repeatable = true,
                                              .cb = on_lease,
                                              .arg = source});
    arena_deinit(&arena);
    return err;
}

/* A worker that ends leaves its sources to the others at once. */
static void on_beat(struct wheel_timer *timer)
{
    struct source *source = LIST_ENTRY(timer, struct source, beat);
    bool stopping = source->sources->stopping;

    if (stopping && !source->busy) {
        if (source->held_until)
            ask_lease(source, SPAN("0"));
        return;
    }
    wheel_start(wheel_of(source), &source->beat, stopping ? POLL_MS : BEAT_MS,
                on_beat);
    if (!source->asking && ask_lease(source, SPAN(LEASE_MS)) == 0)
        source->asking = true;
}

static void on_lease(void *arg, int status, const struct redisReply *reply)
{
    struct source *source = arg;
    bool was_mine = source->held_until != 0 && is_mine(source);

    source->asking = false;
    if (status < 0 || source->sources->stopping)
        return;
    source->held_until =
        reply->integer == 1 ? now_of(source) + LEASE_LEFT_MS : 0;
    if (was_mine || !is_mine(source) || source->busy)
        return;
    source->fresh = false;
    wheel_start(wheel_of(source), &source->timer, 0, on_timer);
}

/* ---- reading */

static int command(struct source *source, const struct span *argv, size_t argc,
                   redis_reply_cb cb)
{
    return redis_send(app_redis(source->sources->app->app),
                      &(struct redis_call){.key = source->stream,
                                           .argv = argv,
                                           .argc = argc,
                                           .cb = cb,
                                           .arg = source});
}

static void again_in(struct source *source, uint64_t ms)
{
    wheel_start(wheel_of(source), &source->timer, ms, on_timer);
}

/* The batch is over; what of it is not acknowledged is pending. */
static void end_batch(struct source *source, uint64_t again_ms)
{
    arena_deinit(&source->arena);
    source->busy = false;
    tell_drained(source->sources);
    again_in(source, again_ms);
}

static void fail_batch(struct source *source)
{
    metrics_add(source->sources->retried, 1);
    source->fresh = false;
    end_batch(source, RETRY_MS);
}

static void on_timer(struct wheel_timer *timer)
{
    read_on(LIST_ENTRY(timer, struct source, timer));
}

static void read_on(struct source *source)
{
    struct span argv[] = {SPAN("XREADGROUP"),
                          SPAN("GROUP"),
                          GROUP,
                          CONSUMER,
                          SPAN("COUNT"),
                          BATCH_TEXT,
                          SPAN("STREAMS"),
                          source->stream,
                          source->fresh ? SPAN(">") : SPAN("0")};

    if (source->busy || source->sources->stopping || !is_mine(source))
        return; /* on_lease() */
    arena_init(&source->arena, MEM_JOB, 0);
    source->busy = true;
    source->count = source->left = 0;
    source->failed = false;
    if (command(source, argv, 9, on_read) < 0)
        fail_batch(source);
}

static void make_group(struct source *source)
{
    struct span argv[] = {SPAN("XGROUP"), SPAN("CREATE"), source->stream,
                          GROUP,          SPAN("0"),      SPAN("MKSTREAM")};

    if (command(source, argv, 6, on_group) < 0)
        fail_batch(source);
}

/* Made, or there already, or Redis says why it cannot be: all are seen when it
   is read. */
static void on_group(void *arg, int status, const struct redisReply *reply)
{
    struct source *source = arg;
    (void)reply;

    source->fresh = false;
    end_batch(source, status == 0 ? 0 : RETRY_MS);
}

static bool is_no_group(int status, const struct redisReply *reply)
{
    return status == UV_EPROTO && reply &&
           span_has_prefix((struct span){reply->str, reply->len},
                           SPAN("NOGROUP"));
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
    entry->id = arena_copy(arena, text_of(reply->element[0]));
    if (fields->type != REDIS_REPLY_ARRAY)
        return "it was deleted";
    struct span data = field_of(fields, SPAN("data"));
    struct span private = field_of(fields, SPAN("private"));
    *record = (struct record){
        .id =
            arena_printf(arena, "%.*s/%.*s", (int)source->stream.len,
                         source->stream.ptr, (int)entry->id.len, entry->id.ptr),
        .type = copied(arena, field_of(fields, SPAN("type"))),
        .data = data.ptr ? arena_copy(arena, data) : as_json(arena, fields),
        .is_private = private.len && !span_eq(private, SPAN("0")),
        .topics = {topic_of(source, fields)},
        .topic_count = 1};
    entry->publication.has_id = true;
    entry->publication.cb = on_published;
    return publication_check(record);
}

static void refuse(struct entry *entry, const char *why)
{
    struct sources *sources = entry->source->sources;

    entry->refused = true;
    metrics_add(sources->refused, 1);
    log_write(LOG_WARN, "an entry cannot be published",
              LOG_TEXT("stream", entry->source->stream),
              LOG_TEXT("entry", entry->id), LOG_STR("reason", why));
}

/* The entries of the only stream that was asked for; NULL: there are none. */
static const struct redisReply *entries_of(const struct redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1 ||
        reply->element[0]->type != REDIS_REPLY_ARRAY ||
        reply->element[0]->elements != 2 ||
        reply->element[0]->element[1]->type != REDIS_REPLY_ARRAY)
        return NULL;
    return reply->element[0]->element[1];
}

static void acknowledge(struct source *source);

static void publish_all(struct source *source, const struct redisReply *entries)
{
    struct notifier *app = source->sources->app;

    source->count = entries->elements;
    source->entries =
        arena_zalloc(&source->arena, source->count * sizeof(struct entry));
    source->left = source->count + 1; /* until all are on their way */
    for (size_t i = 0; i < source->count; i++) {
        struct entry *entry = &source->entries[i];
        const char *why = read_entry(source, entry, entries->element[i]);
        if (why) {
            refuse(entry, why);
            source->left--;
        } else if (source->failed ||
                   publication_send(app, &entry->publication) < 0) {
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
    const struct redisReply *entries;

    if (status == UV_ECANCELED) { /* the link is closed */
        return;
    }
    if (is_no_group(status, reply)) {
        make_group(source);
        return;
    }
    if (status < 0) {
        fail_batch(source);
        return;
    }
    app_crash_point(source->sources->app->app, "source-read");
    entries = entries_of(reply);
    if (entries && entries->elements) {
        publish_all(source, entries);
    } else {
        bool was_fresh = source->fresh;
        source->fresh = true;
        end_batch(source, was_fresh ? POLL_MS : 0);
    }
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
        argv[argc++] = source->entries[i].id;
    if (command(source, argv, argc, on_acked) < 0)
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
