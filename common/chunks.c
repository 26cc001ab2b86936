/*
 * chunks.c - see chunks.h.
 *
 *   find() -- there, and whole enough --> on_turn(): cb
 *          -- not --> send_reading() --> on_reply(): cb of each
 *
 * Places are immutable, so a chunk that has what is asked for is as good as
 * Redis; one that ends before it was read too early, and is read again.  One
 * that begins with another epoch says which one there was then: who waited for
 * it is told, who comes later asks Redis.
 */
#include "common/chunks.h"
#include "common/metrics.h"

#define KEPT_MAX 1000
#define KEPT_BYTES ((size_t)16 << 20)
#define ENTRIES_FIRST 16
#define READINGS_MAX 64 /* that Redis has not answered: others ask it, too */

struct chunks {
    struct chunks_options options;
    struct wheel *wheel;
    struct wheel_timer turn; /* to answer who asked for what is there */
    struct list kept;        /* oldest first; those that are read too */
    struct list unsent;      /* of them, those that are to be read */
    size_t sent;
    size_t count, size;
};

static void on_reply(void *arg, int status, const struct redisReply *reply);

struct chunks *chunks_create(const struct chunks_options *options)
{
    struct chunks *chunks = mem_zalloc(MEM_APP, sizeof(*chunks));

    chunks->options = *options;
    chunks->wheel = stream_loop_wheel(options->loop);
    list_init(&chunks->kept);
    list_init(&chunks->unsent);
    return chunks;
}

static void drop_entries(struct chunk *chunk)
{
    for (size_t i = 0; i < chunk->count; i++)
        if (chunk->entries[i].message)
            fanout_message_unref(chunk->entries[i].message);
    mem_free(chunk->entries);
    chunk->entries = NULL;
    chunk->chunks->size -= chunk->size;
    chunk->count = chunk->capacity = chunk->size = 0;
}

static void drop(struct chunk *chunk)
{
    drop_entries(chunk);
    chunk->chunks->count--;
    list_remove(&chunk->node);
    list_remove(&chunk->unsent);
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

static bool is_of(const struct chunk *chunk, const struct chunk_source *source)
{
    return chunk->source.kind == source->kind &&
           chunk->source.partition == source->partition &&
           span_eq(chunk->source.name, source->name);
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
        return behind.offset < chunk->from.offset + CHUNK_PLACES;
    return has_behind(chunk, behind) &&
           chunk->entries[chunk->count - 1].place.epoch == behind.epoch;
}

static struct chunk *find(struct chunks *chunks,
                          const struct chunk_source *source,
                          struct log_id behind)
{
    for (struct list *n = chunks->kept.prev; n != &chunks->kept; n = n->prev) {
        struct chunk *chunk = LIST_ENTRY(n, struct chunk, node);
        if (is_of(chunk, source) && covers(chunk, behind) &&
            (chunk->reading || !chunk->expired))
            return chunk;
    }
    return NULL;
}

static struct chunk *add(struct chunks *chunks,
                         const struct chunk_source *source, struct log_id from)
{
    struct span name = source->name;
    struct chunk *chunk = mem_zalloc(MEM_CACHE, sizeof(*chunk) + name.len);

    list_init(&chunk->waiting);
    list_init(&chunk->unsent);
    chunk->chunks = chunks;
    chunk->from = from;
    if (name.len)
        memcpy(chunk->name, name.ptr, name.len);
    chunk->source = *source;
    chunk->source.name.ptr = chunk->name;
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

static void send_now(struct chunk *chunk)
{
    struct chunks *chunks = chunk->chunks;
    const struct chunks_options *options = &chunks->options;
    struct redis_call call = {.repeatable = true, .cb = on_reply, .arg = chunk};

    chunk->status = options->read(options->arg, chunk, call);
    metrics_add(options->readings, 1);
    if (chunk->status == 0) {
        chunks->sent++;
    } else {
        chunk->reading = false;
        answer_soon(chunks);
    }
}

static void send_more(struct chunks *chunks)
{
    while (chunks->sent < READINGS_MAX && !list_is_empty(&chunks->unsent)) {
        struct chunk *chunk =
            LIST_ENTRY(list_pop(&chunks->unsent), struct chunk, unsent);
        if (list_is_empty(&chunk->waiting))
            drop(chunk); /* nobody wants it any more */
        else
            send_now(chunk);
    }
}

/* In its turn. */
static void send_reading(struct chunk *chunk)
{
    chunk->reading = true;
    if (chunk->chunks->sent < READINGS_MAX)
        send_now(chunk);
    else
        list_append(&chunk->chunks->unsent, &chunk->unsent);
}

static void ask(struct chunks *chunks, const struct chunk_source *source,
                struct log_id from, struct chunk_wait *wait)
{
    struct chunk *chunk = find(chunks, source, wait->behind);

    if (chunk) {
        metrics_add(chunks->options.shared, 1);
    } else {
        chunk = add(chunks, source, from);
        send_reading(chunk);
    }
    list_append(&chunk->waiting, &wait->node);
    if (!chunk->reading)
        answer_soon(chunks);
}

void chunks_read(struct chunks *chunks, const struct chunk_source *source,
                 struct chunk_wait *wait)
{
    struct log_id from = wait->behind;

    from.offset -= from.offset % CHUNK_PLACES;
    ask(chunks, source, from, wait);
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
    struct list waiting;

    list_init(&waiting);
    list_move(&chunk->waiting, &waiting);
    chunk->answering = true;
    for (struct list *node; (node = list_pop(&waiting));) {
        struct chunk_wait *wait = LIST_ENTRY(node, struct chunk_wait, node);
        if (chunk->expired && chunk->status == 0)
            chunks_read(chunk->chunks, &chunk->source, wait);
        else if (is_short_of(chunk, wait->behind))
            ask(chunk->chunks, &chunk->source, wait->behind, wait);
        else
            wait->cb(wait, chunk->status, chunk->status == 0 ? chunk : NULL);
    }
    chunk->answering = false;
    if ((chunk->status < 0 || chunk->expired) && list_is_empty(&chunk->waiting))
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

void chunk_put(struct chunk *chunk, struct log_id place,
               struct fanout_message *message)
{
    if (chunk->count == chunk->capacity) {
        chunk->capacity = chunk->capacity ? 2 * chunk->capacity : ENTRIES_FIRST;
        chunk->entries =
            mem_realloc(MEM_CACHE, chunk->entries,
                        chunk->capacity * sizeof(struct chunk_entry));
    }
    chunk->entries[chunk->count++] = (struct chunk_entry){place, message};
    if (message) {
        chunk->size += message->size;
        chunk->chunks->size += message->size;
    }
}

void chunks_expire(struct chunks *chunks, const struct chunk_source *source)
{
    for (struct list *n = chunks->kept.next, *next; n != &chunks->kept;
         n = next) {
        struct chunk *chunk = LIST_ENTRY(n, struct chunk, node);
        next = n->next;
        if (source && !is_of(chunk, source))
            continue;
        if (!list_is_empty(&chunk->unsent))
            continue; /* it is not read yet */
        chunk->expired = true;
        if (!chunk->reading && !chunk->answering &&
            list_is_empty(&chunk->waiting))
            drop(chunk);
    }
}

static void on_reply(void *arg, int status, const struct redisReply *reply)
{
    struct chunk *chunk = arg;
    struct chunks *chunks = chunk->chunks;
    const struct chunks_options *options = &chunks->options;

    chunk->reading = false;
    chunks->sent--;
    if (chunk->expired && status == 0) {
        chunk->expired = false;
        send_reading(chunk);
        return;
    }
    if (status == 0)
        status = options->take(options->arg, chunk, reply);
    if (status < 0)
        drop_entries(chunk);
    chunk->status = status;
    answer_soon(chunks);
    send_more(chunks);
}
