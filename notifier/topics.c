/*
 * topics.c - see topics.h.
 *
 *   topics_hear() -- next --> append()
 *                 -- later --> read_log() --> on_log(): append() each; until
 *                    what was heard of is there
 *
 * Failure modes: Redis does not answer (those who wait are told; it is tried
 * again), the log does not hold what comes next any more (a gap, in the ring
 * like a message), Redis lost the log or its end (a gap of the epoch).
 */
#include <hiredis/hiredis.h>

#include "common/hash.h"
#include "common/metrics.h"
#include "notifier/keys.h"
#include "notifier/reply.h"
#include "notifier/scripts.h"
#include "notifier/topics.h"

#define BUCKETS 16384
#define RING_COUNT 256
#define RING_BYTES ((size_t)1 << 20)
#define IDLE_MAX 16384 /* topics that nobody uses */
#define RETRY_MS 500

struct topics {
    struct topics_options options;
    struct wheel *wheel;
    struct hash_key hash_key;
    struct list buckets[BUCKETS];
    struct list idle; /* oldest first */
    size_t idle_count, count;
    uint64_t *messages, *gaps, *readings, *gauge;
};

static void read_log(struct topic *topic);
static void on_log(void *arg, int status, const struct redisReply *reply);

struct topics *topics_create(const struct topics_options *options)
{
    struct topics *topics = mem_zalloc(MEM_APP, sizeof(*topics));
    struct metrics *metrics = options->metrics;

    topics->options = *options;
    topics->wheel = stream_loop_wheel(options->loop);
    topics->hash_key = hash_random_key();
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&topics->buckets[i]);
    list_init(&topics->idle);
    topics->messages =
        metrics_cell(metrics, METRICS_COUNTER, "notifier_messages_total", "",
                     "Updates of topics that are followed.");
    topics->gaps = metrics_cell(metrics, METRICS_COUNTER, "notifier_gaps_total",
                                "", "Gaps that followers of topics were told.");
    topics->readings =
        metrics_cell(metrics, METRICS_COUNTER, "notifier_log_reads_total", "",
                     "Readings of topics' logs by workers.");
    topics->gauge = metrics_cell(metrics, METRICS_GAUGE, "notifier_topics", "",
                                 "Topics known, by all workers.");
    return topics;
}

/* ---- the table */

static struct list *bucket_of(struct topics *topics, struct span name)
{
    return &topics->buckets[hash_bucket(&topics->hash_key, name) % BUCKETS];
}

struct topic *topics_find(struct topics *topics, struct span name)
{
    struct list *bucket = bucket_of(topics, name);

    for (struct list *n = bucket->next; n != bucket; n = n->next) {
        struct topic *topic = LIST_ENTRY(n, struct topic, bucket);
        if (span_eq(topic_name(topic), name))
            return topic;
    }
    return NULL;
}

static void destroy(struct topic *topic)
{
    fanout_topic_deinit(&topic->ring);
    wheel_stop(topic->topics->wheel, &topic->retry);
    list_remove(&topic->bucket);
    list_remove(&topic->idle);
    topic->topics->idle_count--;
    metrics_set(topic->topics->gauge, --topic->topics->count);
    mem_free(topic);
}

static void init_ring(struct topic *topic)
{
    bool is_state = topic->setting->is_state;

    fanout_topic_init(topic->topics->options.fanout, &topic->ring,
                      is_state ? 1 : RING_COUNT, RING_BYTES, is_state);
}

static void use(struct topic *topic)
{
    if (topic->uses++ == 0) {
        list_remove(&topic->idle);
        topic->topics->idle_count--;
    }
}

static struct topic *add(struct topics *topics, struct span name)
{
    struct topic *topic = mem_zalloc(MEM_CACHE, sizeof(*topic) + name.len);

    topic->topics = topics;
    topic->setting = settings_of(topics->options.settings, name);
    init_ring(topic);
    list_init(&topic->idle);
    list_init(&topic->waiting);
    topic->partition = hash_partition(name);
    topic->name_len = name.len;
    memcpy(topic->name, name.ptr, name.len);
    list_append(bucket_of(topics, name), &topic->bucket);
    metrics_set(topics->gauge, ++topics->count);
    topics->idle_count++; /* until use() */
    return topic;
}

const struct topic_setting *topics_setting(const struct topics *topics,
                                           struct span name)
{
    return settings_of(topics->options.settings, name);
}

struct topic *topics_use(struct topics *topics, struct span name)
{
    struct topic *topic = topics_find(topics, name);

    if (!topic)
        topic = add(topics, name);
    use(topic);
    return topic;
}

/* What nobody follows is known, but takes no more memory than that. */
void topic_leave(struct topic *topic)
{
    struct topics *topics = topic->topics;

    if (--topic->uses > 0)
        return;
    if (wheel_is_started(&topic->retry)) {
        wheel_stop(topics->wheel, &topic->retry);
        topic->known = false;
    }
    fanout_topic_deinit(&topic->ring);
    init_ring(topic);
    list_append(&topics->idle, &topic->idle);
    if (++topics->idle_count > IDLE_MAX)
        destroy(LIST_ENTRY(topics->idle.next, struct topic, idle));
}

void topics_destroy(struct topics *topics)
{
    while (!list_is_empty(&topics->idle))
        destroy(LIST_ENTRY(topics->idle.next, struct topic, idle));
    mem_free(topics);
}

struct log_id topic_last(const struct topic *topic)
{
    if (!topic->known || topic->next.epoch == 0)
        return (struct log_id){0};
    return (struct log_id){topic->next.epoch, topic->next.offset - 1};
}

/* ---- who waits */

static void tell(struct topic *topic, int status)
{
    struct list waiting;

    list_init(&waiting);
    list_move(&topic->waiting, &waiting);
    for (struct list *node; (node = list_pop(&waiting));) {
        struct topic_wait *wait = LIST_ENTRY(node, struct topic_wait, node);
        wait->cb(wait, status);
    }
}

void topic_await(struct topic *topic, struct topic_wait *wait)
{
    list_append(&topic->waiting, &wait->node);
    if (!topic->reading && !wheel_is_started(&topic->retry))
        read_log(topic);
}

/* ---- what comes */

static void append(struct topic *topic, struct message *message)
{
    topic->known = true;
    topic->fresh = true;
    topic->next = (struct log_id){message->id.epoch, message->id.offset + 1};
    if (topic->uses == 0)
        return;
    fanout_publish(&topic->ring, &message->base);
    metrics_add(topic->topics->messages, 1);
}

static void append_gap(struct topic *topic, struct log_id to,
                       enum message_gap gap)
{
    uint64_t from = topic->next.offset;
    struct message *message =
        message_create_gap(topic_name(topic), from, to, gap);

    if (topic->uses)
        metrics_add(topic->topics->gaps, 1);
    append(topic, message);
    message_unref(message);
}

/* Does it come next, is it known, or is something between? */
enum order { ORDER_NEXT, ORDER_OLD, ORDER_LATER };

/* A log that begins again was whole until then: references said so. */
static enum order order_of(const struct topic *topic, struct log_id id)
{
    if (!topic->known)
        return ORDER_NEXT;
    if (id.epoch < topic->next.epoch)
        return ORDER_OLD;
    if (id.epoch > topic->next.epoch)
        return id.offset == 1 && !topic->reading ? ORDER_NEXT : ORDER_LATER;
    if (id.offset == topic->next.offset)
        return ORDER_NEXT;
    return id.offset < topic->next.offset ? ORDER_OLD : ORDER_LATER;
}

static void hear_of(struct topic *topic, struct log_id id)
{
    if (log_id_is_before(topic->target, id))
        topic->target = id;
    if (!topic->reading && !wheel_is_started(&topic->retry))
        read_log(topic);
}

void topic_expect(struct topic *topic, struct log_id id)
{
    hear_of(topic, id);
}

void topics_hear(struct topics *topics, struct message *message)
{
    struct topic *topic = topics_find(topics, message->record.topics[0]);

    if (!topic)
        return;
    switch (order_of(topic, message->id)) {
    case ORDER_OLD:
        break;
    case ORDER_NEXT:
        append(topic, message);
        break;
    case ORDER_LATER:
        hear_of(topic, message->id);
        break;
    }
}

void topics_hear_lost(struct topics *topics, struct span name, struct log_id id)
{
    struct topic *topic = topics_find(topics, name);

    if (topic && topic->known && order_of(topic, id) != ORDER_OLD)
        hear_of(topic, id);
}

void topics_distrust(struct topics *topics, uint32_t partition)
{
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct list *n = topics->buckets[i].next, *next;
             n != &topics->buckets[i]; n = next) {
            struct topic *topic = LIST_ENTRY(n, struct topic, bucket);
            next = n->next;
            if (topic->partition != partition)
                continue;
            if (topic->uses == 0)
                destroy(topic);
            else if (topic->known && !topic->reading)
                read_log(topic);
        }
}

/* ---- readings */

static void on_retry(struct wheel_timer *timer)
{
    read_log(LIST_ENTRY(timer, struct topic, retry));
}

static void fail(struct topic *topic, int status)
{
    topic->reading = false;
    wheel_start(topic->topics->wheel, &topic->retry, RETRY_MS, on_retry);
    tell(topic, status);
}

static void on_refused(struct wheel_timer *timer)
{
    struct topic *topic = LIST_ENTRY(timer, struct topic, retry);

    fail(topic, topic->refused);
}

/* From what comes next; of a topic that is new only where its log stands. */
static void read_log(struct topic *topic)
{
    char epoch[SPAN_U64_MAX];
    char offset[SPAN_U64_MAX];
    struct arena arena;

    wheel_stop(topic->topics->wheel, &topic->retry);
    topic->reading = true;
    topic->fresh = false;
    topic->sought = topic->target;
    arena_init(&arena, MEM_CACHE, 0);
    struct span argv[] = {
        keys_log(&arena, topic_name(topic)),
        span_from_u64(epoch, topic->next.epoch),
        span_from_u64(offset, topic->next.offset),
        topic->known ? SPAN(REPLY_MAX_ENTRIES) : SPAN("0"),
        SPAN(REPLY_MAX_BYTES),
    };
    metrics_add(topic->topics->readings, 1);
    int err = redis_eval(topic->topics->options.redis, &script_history, 1,
                         &(struct redis_call){.key = topic_name(topic),
                                              .argv = argv,
                                              .argc = 5,
                                              .repeatable = true,
                                              .cb = on_log,
                                              .arg = topic});
    arena_deinit(&arena);
    if (err == 0) {
        use(topic);
        return;
    }
    topic->reading = false;
    topic->refused = err;
    wheel_start(topic->topics->wheel, &topic->retry, 1, on_refused);
}

/* The log ends before what was read of it: Redis lost its end, or all. */
static bool is_cut(const struct topic *topic, struct log_id last)
{
    return topic->known && !topic->fresh && topic->next.epoch != 0 &&
           log_id_is_before(last, topic_last(topic));
}

static void take_entry(struct topic *topic, const struct redisReply *entry)
{
    struct message *message = reply_message(entry);

    if (!message)
        return;
    if (message->id.epoch > topic->next.epoch && topic->next.epoch != 0)
        append_gap(topic,
                   (struct log_id){message->id.epoch, message->id.offset - 1},
                   MESSAGE_GAP_EPOCH);
    else if (message->id.offset > topic->next.offset &&
             !topic->setting->is_state)
        append_gap(topic,
                   (struct log_id){message->id.epoch, message->id.offset - 1},
                   MESSAGE_GAP_TRIMMED);
    if (!log_id_is_before(message->id, topic->next))
        append(topic, message);
    message_unref(message);
}

/* True: there is more to read. */
static bool take_log(struct topic *topic, const struct reply_log *log)
{
    if (!topic->known) {
        topic->known = true;
        topic->next = (struct log_id){log->last.epoch, log->last.offset + 1};
    } else if (is_cut(topic, log->last)) {
        append_gap(topic, log->last, MESSAGE_GAP_EPOCH);
    }
    for (size_t i = 0; i < log->count; i++)
        take_entry(topic, log->entries[i]);
    if (!topic->fresh && log_id_eq(topic->target, topic->sought)) {
        topic->target = (struct log_id){0}; /* there is none to be read */
        return false;
    }
    return log->count > 0 && !log_id_is_before(log->last, topic->next);
}

static void on_log(void *arg, int status, const struct redisReply *reply)
{
    struct topic *topic = arg;
    struct reply_log log = {0};

    if (status == 0 && !reply_log(reply, &log))
        status = UV_EPROTO;
    if (status < 0) {
        fail(topic, status);
    } else {
        topic->reading = false;
        if (take_log(topic, &log) ||
            !log_id_is_before(topic->target, topic->next))
            read_log(topic);
        else
            tell(topic, 0);
    }
    topic_leave(topic);
}
