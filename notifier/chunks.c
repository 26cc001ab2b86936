/*
 * chunks.c - see chunks.h.
 *
 *   find() -- there, and whole enough --> on_turn(): cb
 *          -- not --> read_chunk() --> on_chunk(): cb of each
 *
 * Places are immutable, so a chunk that has what is asked for is as good as
 * Redis; one that ends before it was read too early, and is read again.
 */
#include <hiredis/hiredis.h>

#include "common/metrics.h"
#include "notifier/chunks.h"
#include "notifier/keys.h"
#include "notifier/reply.h"
#include "notifier/scripts.h"

#define ALIGN 128 /* places; as many as an answer has */
#define KEPT_MAX 64
#define KEPT_BYTES ((size_t)16 << 20)

struct chunks {
    struct redis *redis;
    struct wheel *wheel;
    struct wheel_timer turn; /* to answer who asked for what is there */
    struct list kept;        /* oldest first; those that are read too */
    size_t count, size;
    uint64_t *readings, *shared;
};

static void on_chunk(void *arg, int status, const struct redisReply *reply);

struct chunks *chunks_create(struct stream_loop *loop, struct redis *redis,
                             struct metrics *metrics)
{
    struct chunks *chunks = mem_zalloc(MEM_APP, sizeof(*chunks));

    chunks->redis = redis;
    chunks->wheel = stream_loop_wheel(loop);
    list_init(&chunks->kept);
    chunks->readings =
        metrics_cell(metrics, METRICS_COUNTER, "notifier_resume_reads_total",
                     "", "Readings of logs for subscribers that resume.");
    chunks->shared = metrics_cell(
        metrics, METRICS_COUNTER, "notifier_resume_shared_total", "",
        "What others had read already for a subscriber that resumes.");
    return chunks;
}

static void drop(struct chunk *chunk)
{
    chunk->chunks->count--;
    chunk->chunks->size -= chunk->size;
    for (size_t i = 0; i < chunk->count; i++)
        message_unref(chunk->entries[i].message);
    mem_free(chunk->entries);
    list_remove(&chunk->node);
    mem_free(chunk);
}

void chunks_destroy(struct chunks *chunks)
{
    while (!list_is_empty(&chunks->kept))
        drop(LIST_ENTRY(chunks->kept.next, struct chunk, node));
    wheel_stop(chunks->wheel, &chunks->turn);
    mem_free(chunks);
}

static void make_room(struct chunks *chunks)
{
    for (struct list *n = chunks->kept.next, *next; n != &chunks->kept;
         n = next) {
        struct chunk *chunk = LIST_ENTRY(n, struct chunk, node);
        next = n->next;
        if (chunks->count <= KEPT_MAX && chunks->size <= KEPT_BYTES)
            return;
        if (!chunk->reading && !chunk->answering &&
            list_is_empty(&chunk->waiting))
            drop(chunk);
    }
}

/* ---- who asks */

/* What is asked for: a topic's log, or a partition's references. */
struct source {
    struct span topic;
    uint32_t partition;
    bool of_references;
};

static struct source source_of(const struct chunk *chunk)
{
    return (struct source){
        {chunk->name, chunk->name_len}, chunk->partition, chunk->of_references};
}

static bool is_of(const struct chunk *chunk, const struct source *source)
{
    return chunk->of_references == source->of_references &&
           chunk->partition == source->partition &&
           span_eq((struct span){chunk->name, chunk->name_len}, source->topic);
}

static bool has_behind(const struct chunk *chunk, struct log_id behind)
{
    return chunk->count > 0 &&
           log_id_is_before(behind, chunk->entries[chunk->count - 1].place);
}

/* Does it, or will it, have what comes behind the place? */
static bool covers(const struct chunk *chunk, struct log_id behind)
{
    if (chunk->from.epoch != behind.epoch || chunk->from.offset > behind.offset)
        return false;
    if (chunk->reading)
        return behind.offset < chunk->from.offset + ALIGN;
    return has_behind(chunk, behind);
}

static struct chunk *find(struct chunks *chunks, const struct source *source,
                          struct log_id behind)
{
    for (struct list *n = chunks->kept.prev; n != &chunks->kept; n = n->prev) {
        struct chunk *chunk = LIST_ENTRY(n, struct chunk, node);
        if (is_of(chunk, source) && covers(chunk, behind))
            return chunk;
    }
    return NULL;
}

static struct chunk *add(struct chunks *chunks, const struct source *source,
                         struct log_id from)
{
    struct span name = source->topic;
    struct chunk *chunk = mem_zalloc(MEM_CACHE, sizeof(*chunk) + name.len);

    list_init(&chunk->waiting);
    chunk->chunks = chunks;
    chunk->from = from;
    chunk->partition = source->partition;
    chunk->of_references = source->of_references;
    chunk->name_len = name.len;
    if (name.len)
        memcpy(chunk->name, name.ptr, name.len);
    list_append(&chunks->kept, &chunk->node);
    chunks->count++;
    return chunk;
}

static void on_turn(struct wheel_timer *timer);

static void answer_soon(struct chunks *chunks)
{
    if (!wheel_is_started(&chunks->turn))
        wheel_start(chunks->wheel, &chunks->turn, 0, on_turn);
}

static void send_reading(struct chunk *chunk)
{
    struct chunks *chunks = chunk->chunks;
    char epoch[SPAN_U64_MAX];
    char offset[SPAN_U64_MAX];
    struct span topic = source_of(chunk).topic;
    struct arena arena;

    arena_init(&arena, MEM_CACHE, 0);
    struct span key = chunk->of_references
                          ? keys_references(&arena, chunk->partition)
                          : keys_log(&arena, topic);
    struct span argv[] = {
        key,
        span_from_u64(epoch, chunk->from.epoch),
        span_from_u64(offset, chunk->from.offset + 1),
        SPAN(REPLY_MAX_ENTRIES),
        SPAN(REPLY_MAX_BYTES),
        keys_log_prefix(&arena, chunk->partition),
    };
    chunk->reading = true;
    chunk->status = redis_eval(
        chunks->redis,
        chunk->of_references ? &script_references : &script_history, 1,
        &(struct redis_call){.key = chunk->of_references ? key : topic,
                             .argv = argv,
                             .argc = 6,
                             .repeatable = true,
                             .cb = on_chunk,
                             .arg = chunk});
    arena_deinit(&arena);
    metrics_add(chunks->readings, 1);
    if (chunk->status < 0) {
        chunk->reading = false;
        answer_soon(chunks);
    }
}

static void ask(struct chunks *chunks, const struct source *source,
                struct log_id from, struct chunk_wait *wait)
{
    struct chunk *chunk = find(chunks, source, wait->behind);

    if (chunk) {
        metrics_add(chunks->shared, 1);
    } else {
        chunk = add(chunks, source, from);
        send_reading(chunk);
    }
    list_append(&chunk->waiting, &wait->node);
    if (!chunk->reading)
        answer_soon(chunks);
}

static void ask_aligned(struct chunks *chunks, const struct source *source,
                        struct chunk_wait *wait)
{
    struct log_id from = wait->behind;

    from.offset -= from.offset % ALIGN;
    ask(chunks, source, from, wait);
}

void chunks_read_log(struct chunks *chunks, struct span topic,
                     struct chunk_wait *wait)
{
    struct source source = {topic, hash_partition(topic), false};

    ask_aligned(chunks, &source, wait);
}

void chunks_read_references(struct chunks *chunks, uint32_t partition,
                            struct chunk_wait *wait)
{
    struct source source = {SPAN(""), partition, true};

    ask_aligned(chunks, &source, wait);
}

void chunks_forget(struct chunk_wait *wait)
{
    list_remove(&wait->node);
}

/* ---- answers */

/* What was read ended, for its size, before what this one wants. */
static bool is_short_of(const struct chunk *chunk, struct log_id behind)
{
    return chunk->status == 0 && chunk->count > 0 &&
           !has_behind(chunk, behind) &&
           log_id_is_before(chunk->entries[chunk->count - 1].place,
                            chunk->last) &&
           log_id_is_before(behind, chunk->last) &&
           !log_id_eq(chunk->from, behind);
}

static void answer(struct chunk *chunk)
{
    struct source source = source_of(chunk);
    struct list waiting;

    list_init(&waiting);
    list_move(&chunk->waiting, &waiting);
    chunk->answering = true;
    for (struct list *node; (node = list_pop(&waiting));) {
        struct chunk_wait *wait = LIST_ENTRY(node, struct chunk_wait, node);
        if (is_short_of(chunk, wait->behind))
            ask(chunk->chunks, &source, wait->behind, wait);
        else
            wait->cb(wait, chunk->status, chunk->status == 0 ? chunk : NULL);
    }
    chunk->answering = false;
    if (chunk->status < 0 && list_is_empty(&chunk->waiting))
        drop(chunk);
}

/* Those that come meanwhile have a turn of their own. */
static void on_turn(struct wheel_timer *timer)
{
    struct chunks *chunks = LIST_ENTRY(timer, struct chunks, turn);
    struct list *last = chunks->kept.prev;

    for (struct list *n = chunks->kept.next, *next; n != &chunks->kept;
         n = next) {
        struct chunk *chunk = LIST_ENTRY(n, struct chunk, node);
        next = n == last ? &chunks->kept : n->next;
        if (!chunk->reading &&
            (chunk->status < 0 || !list_is_empty(&chunk->waiting)))
            answer(chunk);
    }
    make_room(chunks);
}

static void take(struct chunk *chunk, const struct redisReply *reply)
{
    struct chunk_entry *entry = &chunk->entries[chunk->count];
    struct reply_reference reference;

    if (!chunk->of_references) {
        entry->message = reply_message(reply);
        if (!entry->message)
            return;
        entry->place = entry->message->id;
    } else {
        if (!reply_reference(reply, &reference))
            return;
        entry->place = reference.id;
        entry->message =
            reference.record.len
                ? message_create(reference.log_id, reference.ts,
                                 reference.record)
                : message_create_gap(reference.topic, reference.log_id.offset,
                                     reference.log_id, MESSAGE_GAP_TRIMMED);
        if (!entry->message)
            return;
    }
    chunk->count++;
    chunk->size += entry->message->base.size;
}

static void on_chunk(void *arg, int status, const struct redisReply *reply)
{
    struct chunk *chunk = arg;
    struct reply_log log = {0};

    chunk->reading = false;
    if (status == 0 && !reply_log(reply, &log))
        status = UV_EPROTO;
    chunk->status = status;
    if (status == 0) {
        chunk->last = log.last;
        chunk->entries =
            mem_alloc(MEM_CACHE, (log.count + 1) * sizeof(struct chunk_entry));
        for (size_t i = 0; i < log.count; i++)
            take(chunk, log.entries[i]);
        chunk->chunks->size += chunk->size;
    }
    answer_soon(chunk->chunks);
}
