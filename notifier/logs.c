/* logs.c - see logs.h. */
#include "notifier/logs.h"
#include "common/hash.h"
#include "common/metrics.h"
#include "notifier/keys.h"
#include "notifier/reply.h"
#include "notifier/scripts.h"

enum { LOG, REFERENCES }; /* kinds of what is read */

static int read_chunk(void *arg, const struct chunk *chunk,
                      struct redis_call call)
{
    struct redis *redis = arg;
    const struct chunk_source *source = &chunk->source;
    bool of_references = source->kind == REFERENCES;
    char epoch[SPAN_U64_MAX];
    char offset[SPAN_U64_MAX];
    struct arena arena;

    arena_init(&arena, MEM_CACHE, 0);
    struct span key = of_references ? keys_references(&arena, source->partition)
                                    : keys_log(&arena, source->name);
    struct span argv[] = {
        key,
        span_from_u64(epoch, chunk->from.epoch),
        span_from_u64(offset, chunk->from.offset + 1),
        SPAN(REPLY_MAX_ENTRIES),
        SPAN(REPLY_MAX_BYTES),
        keys_log_prefix(&arena, source->partition),
    };
    call.key = of_references ? key : source->name;
    call.argv = argv;
    call.argc = 6;
    int err = redis_eval(
        redis, of_references ? &script_references : &script_history, 1, &call);
    arena_deinit(&arena);
    return err;
}

static void take_update(struct chunk *chunk, const struct redisReply *entry)
{
    struct message *message = reply_message(entry);

    if (message)
        chunk_put(chunk, message->id, &message->base);
}

static void take_reference(struct chunk *chunk, const struct redisReply *entry)
{
    struct reply_reference reference;

    if (!reply_reference(entry, &reference))
        return;
    struct message *message =
        reference.record.len
            ? message_create(reference.log_id, reference.ts, reference.record)
            : message_create_gap(reference.topic, reference.log_id.offset,
                                 reference.log_id, MESSAGE_GAP_TRIMMED);
    if (message)
        chunk_put(chunk, reference.id, &message->base);
}

/* What is no entry is passed over. */
static int take_chunk(void *arg, struct chunk *chunk,
                      const struct redisReply *reply)
{
    struct reply_log log = {0};
    bool of_references = chunk->source.kind == REFERENCES;

    (void)arg;
    if (!reply_log(reply, &log))
        return UV_EPROTO;
    chunk->last = log.last;
    for (size_t i = 0; i < log.count; i++)
        (of_references ? take_reference : take_update)(chunk, log.entries[i]);
    return 0;
}

struct chunks *logs_create(struct stream_loop *loop, struct redis *redis,
                           struct metrics *metrics)
{
    return chunks_create(&(struct chunks_options){
        .loop = loop,
        .read = read_chunk,
        .take = take_chunk,
        .arg = redis,
        .readings = metrics_cell(metrics, METRICS_COUNTER,
                                 "notifier_resume_reads_total", "",
                                 "Readings of logs for subscribers that "
                                 "resume."),
        .shared = metrics_cell(metrics, METRICS_COUNTER,
                               "notifier_resume_shared_total", "",
                               "What others had read already for a subscriber "
                               "that resumes."),
    });
}

void logs_read(struct chunks *chunks, struct span topic,
               struct chunk_wait *wait)
{
    struct chunk_source source = {LOG, hash_partition(topic), topic};

    chunks_read(chunks, &source, wait);
}

void logs_read_references(struct chunks *chunks, uint32_t partition,
                          struct chunk_wait *wait)
{
    struct chunk_source source = {REFERENCES, partition, SPAN("")};

    chunks_read(chunks, &source, wait);
}
