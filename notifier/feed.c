/*
 * feed.c - see feed.h.
 *
 *   on_wake() -- next --> accept()
 *             -- later --> read_references() --> on_references(): accept()
 *                each; until what was heard of is there
 *
 * Failure modes: the link was away (each partition is read from where it
 * stood), Redis does not answer (it is tried again), references are not there
 * any more, or fewer than before (distrust(): what was lost is told).
 */
#include <hiredis/hiredis.h>

#include "common/app.h"
#include "common/metrics.h"
#include "notifier/feed.h"
#include "notifier/keys.h"
#include "notifier/reply.h"
#include "notifier/scripts.h"

#define PATTERN_COUNT 1024 /* messages of a pattern's ring */
#define PATTERN_BYTES ((size_t)4 << 20)
#define RETRY_MS 500
#define MARK SPAN("id: ")

struct partition {
    struct feed *feed;
    struct log_id target; /* what was heard of and is not there yet */
    struct log_id sought; /* the same as the reading began */
    uint32_t index;
    bool known; /* where it stands */
    bool reading;
    bool wanting; /* it could not be read */
    bool fresh;   /* something came since the reading began */
    bool again;   /* the reading began before the link was there */
};

struct feed {
    struct feed_options options;
    struct wheel *wheel;
    struct position_key *key; /* borrowed */
    struct wheel_timer retry;
    struct list patterns;
    size_t pattern_count;
    struct list waiting;
    bool live; /* the link is there */
    size_t known;
    size_t behind; /* partitions that are read, or are to be */
    struct partition partitions[HASH_PARTITIONS];
    struct log_id places[HASH_PARTITIONS];
    uint64_t *readings, *lost, *pattern_gauge;
};

static void on_wake(void *arg, struct span channel, struct span payload);
static void read_references(struct partition *partition);
static void on_references(void *arg, int status,
                          const struct redisReply *reply);

static void listen_to(struct feed *feed, uint32_t index)
{
    struct partition *partition = &feed->partitions[index];
    struct arena arena;

    *partition = (struct partition){.feed = feed, .index = index};
    arena_init(&arena, MEM_APP, 0);
    pubsub_subscribe(app_pubsub(feed->options.app), keys_wake(&arena, index),
                     on_wake, partition);
    arena_deinit(&arena);
}

struct feed *feed_create(const struct feed_options *options)
{
    struct feed *feed = mem_zalloc(MEM_APP, sizeof(*feed));
    struct metrics *metrics = app_metrics(options->app);

    feed->options = *options;
    feed->wheel = stream_loop_wheel(app_loop(options->app));
    list_init(&feed->patterns);
    list_init(&feed->waiting);
    feed->readings =
        metrics_cell(metrics, METRICS_COUNTER, "notifier_reference_reads_total",
                     "", "Readings of partitions' references.");
    feed->lost =
        metrics_cell(metrics, METRICS_COUNTER, "notifier_references_lost_total",
                     "", "Times that a partition had lost references.");
    feed->pattern_gauge =
        metrics_cell(metrics, METRICS_GAUGE, "notifier_patterns", "",
                     "Patterns followed, by all workers.");
    for (uint32_t i = 0; i < HASH_PARTITIONS; i++)
        listen_to(feed, i);
    return feed;
}

void feed_destroy(struct feed *feed)
{
    wheel_stop(feed->wheel, &feed->retry);
    mem_free(feed);
}

void feed_set_key(struct feed *feed, struct position_key *key)
{
    feed->key = key;
}

void feed_set_live(struct feed *feed, bool live)
{
    feed->live = live;
    for (uint32_t i = 0; live && i < HASH_PARTITIONS; i++)
        feed_read_on(feed, i);
}

void feed_read_on(struct feed *feed, uint32_t partition)
{
    if (feed->partitions[partition].reading)
        feed->partitions[partition].again = true;
    else
        read_references(&feed->partitions[partition]);
}

/* ---- where partitions stand */

const struct log_id *feed_places(const struct feed *feed)
{
    return feed->places;
}

struct log_id feed_place(const struct feed *feed, uint32_t partition)
{
    return feed->places[partition];
}

bool feed_is_known(const struct feed *feed)
{
    return feed->known == HASH_PARTITIONS;
}

bool feed_is_current(const struct feed *feed)
{
    return feed->live && feed_is_known(feed) && feed->behind == 0;
}

static void tell_current(struct feed *feed)
{
    struct list waiting;

    if (list_is_empty(&feed->waiting) || !feed_is_current(feed))
        return;
    list_init(&waiting);
    list_move(&feed->waiting, &waiting);
    for (struct list *node; (node = list_pop(&waiting));) {
        struct feed_wait *wait = LIST_ENTRY(node, struct feed_wait, node);
        wait->cb(wait);
    }
}

static void set_place(struct partition *partition, struct log_id place)
{
    struct feed *feed = partition->feed;

    feed->places[partition->index] = place;
    if (partition->known)
        return;
    partition->known = true;
    feed->known++;
}

void feed_await(struct feed *feed, struct feed_wait *wait)
{
    list_append(&feed->waiting, &wait->node);
}

/* ---- patterns */

struct pattern *feed_use(struct feed *feed, struct selector *selector)
{
    struct span text = selector_text(selector);

    for (struct list *n = feed->patterns.next; n != &feed->patterns;
         n = n->next) {
        struct pattern *pattern = LIST_ENTRY(n, struct pattern, node);
        if (span_eq(selector_text(pattern->selector), text)) {
            pattern->uses++;
            return pattern;
        }
    }
    if (feed->pattern_count == FEED_PATTERNS_MAX)
        return NULL;
    struct pattern *pattern = mem_zalloc(MEM_CACHE, sizeof(*pattern));
    fanout_topic_init(feed->options.fanout, &pattern->ring, PATTERN_COUNT,
                      PATTERN_BYTES, false);
    pattern->feed = feed;
    pattern->selector = selector_ref(selector);
    pattern->uses = 1;
    list_append(&feed->patterns, &pattern->node);
    metrics_set(feed->pattern_gauge, ++feed->pattern_count);
    return pattern;
}

void pattern_leave(struct pattern *pattern)
{
    struct feed *feed = pattern->feed;

    if (--pattern->uses > 0)
        return;
    fanout_topic_deinit(&pattern->ring);
    selector_unref(pattern->selector);
    list_remove(&pattern->node);
    metrics_set(feed->pattern_gauge, --feed->pattern_count);
    mem_free(pattern);
}

/* The id of who follows patterns: where all partitions stand behind it. */
static void put_line(struct feed *feed, struct message *message)
{
    if (message->all_line.len)
        return;
    struct position position = {.has_partitions = true,
                                .partitions = feed->places};
    char room[POSITION_MAX];
    size_t len = position_seal(feed->key, &position, false, room);
    buf_append(&message->all_line, MARK);
    buf_append(&message->all_line, (struct span){room, len});
    buf_append_char(&message->all_line, '\n');
    message->base.size += message->all_line.len;
}

/* The first that matches behind n, which is of the patterns or their head. */
static struct pattern *next_match(struct feed *feed, struct list *n,
                                  struct span topic)
{
    while ((n = n->next) != &feed->patterns) {
        struct pattern *pattern = LIST_ENTRY(n, struct pattern, node);
        if (selector_matches(pattern->selector, topic))
            return pattern;
    }
    return NULL;
}

static void tell_pattern(struct pattern *pattern, struct partition *partition,
                         uint64_t from, enum message_gap gap)
{
    struct feed *feed = partition->feed;
    struct log_id to = feed->places[partition->index];
    struct message *message =
        message_create_gap(selector_text(pattern->selector), from, to, gap);

    message->reference = to;
    message->partition = partition->index;
    put_line(feed, message);
    fanout_publish(&pattern->ring, &message->base);
    message_unref(message);
}

/* What they are about is not known any more. */
static void tell_patterns(struct partition *partition, uint64_t from,
                          enum message_gap gap)
{
    struct feed *feed = partition->feed;

    for (struct list *n = feed->patterns.next; n != &feed->patterns;
         n = n->next)
        tell_pattern(LIST_ENTRY(n, struct pattern, node), partition, from, gap);
}

/* An update is not there any more; of a state nobody misses it. */
static void tell_lost(struct partition *partition,
                      const struct reply_reference *reference)
{
    struct feed *feed = partition->feed;

    if (topics_setting(feed->options.topics, reference->topic)->is_state)
        return;
    for (struct pattern *pattern =
             next_match(feed, &feed->patterns, reference->topic);
         pattern; pattern = next_match(feed, &pattern->node, reference->topic))
        tell_pattern(pattern, partition, reference->id.offset,
                     MESSAGE_GAP_TRIMMED);
}

/* ---- what comes */

static bool is_wanted(const struct feed *feed, struct span topic)
{
    return !list_is_empty(&feed->patterns) ||
           topics_find(feed->options.topics, topic);
}

/* The next reference, and what it is about. */
static void accept_reference(struct partition *partition,
                             const struct reply_reference *reference)
{
    struct feed *feed = partition->feed;
    struct log_id id = reference->log_id;

    set_place(partition, reference->id);
    partition->fresh = true;
    if (!reference->record.len) {
        topics_hear_lost(feed->options.topics, reference->topic, id);
        tell_lost(partition, reference);
        return;
    }
    if (!is_wanted(feed, reference->topic))
        return;
    struct message *message =
        message_create(id, reference->ts, reference->record);
    if (!message)
        return;
    message->reference = reference->id;
    message->partition = partition->index;
    struct pattern *pattern =
        next_match(feed, &feed->patterns, reference->topic);
    if (pattern)
        put_line(feed, message); /* before any ring counts its bytes */
    topics_hear(feed->options.topics, message);
    for (; pattern;
         pattern = next_match(feed, &pattern->node, reference->topic))
        fanout_publish(&pattern->ring, &message->base);
    message_unref(message);
}

/* What was between is lost for good. */
static void distrust(struct partition *partition, struct log_id to,
                     enum message_gap gap)
{
    struct feed *feed = partition->feed;
    uint64_t from = feed->places[partition->index].offset + 1;

    metrics_add(feed->lost, 1);
    set_place(partition, to);
    topics_distrust(feed->options.topics, partition->index);
    tell_patterns(partition, from, gap);
}

enum order { ORDER_NEXT, ORDER_OLD, ORDER_LATER };

static enum order order_of(const struct partition *partition, struct log_id id)
{
    struct log_id place = partition->feed->places[partition->index];

    if (!partition->known)
        return ORDER_NEXT;
    if (place.epoch == 0)
        return id.offset == 1 ? ORDER_NEXT : ORDER_LATER;
    if (id.epoch != place.epoch)
        return id.epoch < place.epoch ? ORDER_OLD : ORDER_LATER;
    if (id.offset == place.offset + 1)
        return ORDER_NEXT;
    return id.offset <= place.offset ? ORDER_OLD : ORDER_LATER;
}

/* "reference log-id ts record", as publish.lua says it. */
static bool read_wake(struct span text, struct reply_reference *reference)
{
    struct span id;
    struct span log_id;
    struct span ts;
    struct record record;

    if (!span_cut(&text, ' ', &id) || !span_cut(&text, ' ', &log_id) ||
        !span_cut(&text, ' ', &ts) || !text.ptr ||
        !log_id_parse(id, &reference->id) ||
        !log_id_parse(log_id, &reference->log_id) ||
        !span_to_u64(ts, UINT64_MAX, &reference->ts) ||
        !record_parse(text, &record))
        return false;
    reference->topic = record.topics[0];
    reference->record = text;
    return true;
}

static void on_wake(void *arg, struct span channel, struct span payload)
{
    struct partition *partition = arg;
    struct reply_reference reference;
    (void)channel;

    if (payload.len && payload.ptr[0] == '@') {
        partition->feed->options.on_other(partition->feed->options.arg,
                                          payload);
        return;
    }
    if (!read_wake(payload, &reference))
        return;
    switch (order_of(partition, reference.id)) {
    case ORDER_OLD:
        break;
    case ORDER_NEXT:
        accept_reference(partition, &reference);
        break;
    case ORDER_LATER:
        if (log_id_is_before(partition->target, reference.id))
            partition->target = reference.id;
        if (!partition->reading)
            read_references(partition);
        break;
    }
}

/* ---- readings */

static void on_retry(struct wheel_timer *timer)
{
    struct feed *feed = LIST_ENTRY(timer, struct feed, retry);

    for (uint32_t i = 0; i < HASH_PARTITIONS; i++)
        if (feed->partitions[i].wanting && !feed->partitions[i].reading)
            read_references(&feed->partitions[i]);
}

static void mark(struct partition *partition, bool reading, bool wanting)
{
    struct feed *feed = partition->feed;

    feed->behind -= partition->reading || partition->wanting;
    partition->reading = reading;
    partition->wanting = wanting;
    feed->behind += reading || wanting;
}

static void want(struct partition *partition)
{
    struct feed *feed = partition->feed;

    mark(partition, false, true);
    if (!wheel_is_started(&feed->retry))
        wheel_start(feed->wheel, &feed->retry, RETRY_MS, on_retry);
}

static void read_references(struct partition *partition)
{
    struct feed *feed = partition->feed;
    struct log_id place = feed->places[partition->index];
    char epoch[SPAN_U64_MAX];
    char offset[SPAN_U64_MAX];
    struct arena arena;

    mark(partition, true, false);
    partition->fresh = partition->again = false;
    partition->sought = partition->target;
    arena_init(&arena, MEM_CACHE, 0);
    struct span key = keys_references(&arena, partition->index);
    struct span argv[] = {
        key,
        span_from_u64(epoch, place.epoch),
        span_from_u64(offset, place.offset + 1),
        partition->known ? SPAN(REPLY_MAX_ENTRIES) : SPAN("0"),
        SPAN(REPLY_MAX_BYTES),
        keys_log_prefix(&arena, partition->index),
    };
    metrics_add(feed->readings, 1);
    int err = redis_eval(app_redis(feed->options.app), &script_references, 1,
                         &(struct redis_call){.key = key,
                                              .argv = argv,
                                              .argc = 6,
                                              .repeatable = true,
                                              .cb = on_references,
                                              .arg = partition});
    arena_deinit(&arena);
    if (err < 0)
        want(partition);
}

static void take_reference(struct partition *partition,
                           const struct redisReply *entry)
{
    struct reply_reference reference;

    if (!reply_reference(entry, &reference))
        return;
    struct log_id place = partition->feed->places[partition->index];
    struct log_id before = {reference.id.epoch, reference.id.offset - 1};
    if (reference.id.epoch != place.epoch && place.epoch != 0)
        distrust(partition, before, MESSAGE_GAP_EPOCH);
    else if (log_id_is_before(place, before) && before.offset != 0)
        distrust(partition, before, MESSAGE_GAP_TRIMMED);
    if (order_of(partition, reference.id) == ORDER_NEXT)
        accept_reference(partition, &reference);
}

/* They end before what was heard of them: Redis lost their end, or all. */
static bool is_cut(const struct partition *partition, struct log_id last)
{
    return partition->known && !partition->fresh &&
           log_id_is_before(last, partition->feed->places[partition->index]);
}

/* True: there is more to read. */
static bool take_references(struct partition *partition,
                            const struct reply_log *log)
{
    const struct log_id *place = &partition->feed->places[partition->index];

    if (!partition->known)
        set_place(partition, log->last);
    else if (is_cut(partition, log->last))
        distrust(partition, log->last, MESSAGE_GAP_EPOCH);
    for (size_t i = 0; i < log->count; i++)
        take_reference(partition, log->entries[i]);
    if (!partition->fresh && log_id_eq(partition->target, partition->sought)) {
        partition->target = (struct log_id){0}; /* none is to be read */
        return false;
    }
    return log->count > 0 && log_id_is_before(*place, log->last);
}

static void on_references(void *arg, int status, const struct redisReply *reply)
{
    struct partition *partition = arg;
    struct reply_log log = {0};

    if (status == UV_ECANCELED) /* the link is closed */
        return;
    if (status == 0 && !reply_log(reply, &log))
        status = UV_EPROTO;
    if (status < 0) {
        want(partition);
        return;
    }
    mark(partition, false, false);
    if (take_references(partition, &log) || partition->again ||
        log_id_is_before(partition->feed->places[partition->index],
                         partition->target))
        read_references(partition);
    else
        tell_current(partition->feed);
}
