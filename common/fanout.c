/*
 * fanout.c - see fanout.h.
 *
 *   publish: all that follow the topic are due -- on_prepare() -- serve()
 *   -- gather(): of all its topics, in the order of publishing -- one write
 *
 * Due readers are served FANOUT_SLICE a turn of the loop, so that what else
 * it has to do is not held up by a topic that many follow; and for as long as
 * that takes, so that a busy loop does not leave them further and further
 * behind.  Topics take turns, so that one that few follow does not wait for one
 * that many do.
 *
 * Failure modes: the socket takes no more (the reader waits for
 * fanout_reader_drained() and lags meanwhile), the ring has gone past it (the
 * reader is told, or goes on at the newest).
 */
#include <assert.h>

#include "common/fanout.h"
#include "common/mem.h"

#define WRITE_MAX 65536 /* bytes at which a write has enough */
#define RING_LEAST 8
#define RUN 8 /* readers of one topic before another's turn */
/* Bytes that are fetched of a follow, and of a reader, with what is behind. */
#define FETCHED 128

struct fanout {
    struct list due; /* topics */
    uint64_t number;
    size_t bytes, max_bytes; /* of all rings */
    uv_prepare_t prepare;
    uv_idle_t idle; /* started while readers are due */
    unsigned run;   /* readers of the first topic that were served */
    uint64_t ended; /* when readers were served last, if some were left; or 0 */
    unsigned handles;
};

struct fanout_write {
    struct span parts[STREAM_PARTS];
    size_t count, len, own_len;
    char own[FANOUT_OWN];
};

static void on_prepare(uv_prepare_t *prepare);
static void on_idle(uv_idle_t *idle);

struct fanout *fanout_open(struct stream_loop *loop, size_t max_bytes)
{
    struct fanout *fanout = mem_zalloc(MEM_APP, sizeof(*fanout));

    fanout->max_bytes = max_bytes;
    list_init(&fanout->due);
    uv_prepare_init(stream_loop_uv(loop), &fanout->prepare);
    uv_idle_init(stream_loop_uv(loop), &fanout->idle);
    fanout->prepare.data = fanout->idle.data = fanout;
    fanout->handles = 2;
    uv_prepare_start(&fanout->prepare, on_prepare);
    uv_unref((uv_handle_t *)&fanout->prepare);
    return fanout;
}

static void on_closed(uv_handle_t *handle)
{
    struct fanout *fanout = handle->data;

    if (--fanout->handles == 0)
        mem_free(fanout);
}

void fanout_close(struct fanout *fanout)
{
    assert(list_is_empty(&fanout->due));
    uv_close((uv_handle_t *)&fanout->prepare, on_closed);
    uv_close((uv_handle_t *)&fanout->idle, on_closed);
}

/* ---- rings */

static struct fanout_message **slot(const struct fanout_topic *topic,
                                    uint64_t place)
{
    return &topic->ring[place & (topic->capacity - 1)];
}

void fanout_topic_init(struct fanout *fanout, struct fanout_topic *topic,
                       size_t max_count, size_t max_bytes, bool newest)
{
    *topic = (struct fanout_topic){.fanout = fanout,
                                   .max_count = max_count,
                                   .max_bytes = max_bytes,
                                   .newest = newest};
    list_init(&topic->due);
    list_init(&topic->served);
    list_init(&topic->node);
}

static void drop_oldest(struct fanout_topic *topic)
{
    struct fanout_message *message = *slot(topic, topic->first++);

    assert(topic->bytes >= message->size);
    topic->bytes -= message->size;
    topic->fanout->bytes -= message->size;
    fanout_message_unref(message);
}

void fanout_topic_begin(struct fanout_topic *topic, uint64_t place)
{
    assert(!fanout_is_followed(topic));
    while (topic->first < topic->next)
        drop_oldest(topic);
    mem_free(topic->ring);
    topic->ring = NULL;
    topic->capacity = 0;
    topic->first = topic->next = place;
}

void fanout_topic_deinit(struct fanout_topic *topic)
{
    fanout_topic_begin(topic, 0);
    list_remove(&topic->node);
}

bool fanout_is_followed(const struct fanout_topic *topic)
{
    return !list_is_empty(&topic->due) || !list_is_empty(&topic->served);
}

struct fanout_message *fanout_at(const struct fanout_topic *topic,
                                 uint64_t place)
{
    return *slot(topic, place);
}

void fanout_replace(struct fanout_topic *topic, uint64_t place,
                    struct fanout_message *message)
{
    struct fanout_message *before = *slot(topic, place);
    size_t more = message->size - before->size; /* wraps if it is less */

    message->number = before->number;
    fanout_message_ref(message);
    *slot(topic, place) = message;
    topic->bytes += more;
    topic->fanout->bytes += more;
    fanout_message_unref(before);
}

static void widen(struct fanout_topic *topic)
{
    struct fanout_topic old = *topic;

    topic->capacity = old.capacity ? 2 * old.capacity : RING_LEAST;
    topic->ring =
        mem_alloc(MEM_CACHE, topic->capacity * sizeof(struct fanout_message *));
    for (uint64_t place = old.first; place < old.next; place++)
        *slot(topic, place) = *slot(&old, place);
    mem_free(old.ring);
}

static void keep(struct fanout_topic *topic, struct fanout_message *message)
{
    if (topic->next - topic->first == topic->capacity)
        widen(topic);
    fanout_message_ref(message);
    *slot(topic, topic->next++) = message;
    topic->bytes += message->size;
    topic->fanout->bytes += message->size;
    while (topic->next - topic->first > 1 &&
           (topic->next - topic->first > topic->max_count ||
            topic->bytes > topic->max_bytes ||
            topic->fanout->bytes > topic->fanout->max_bytes))
        drop_oldest(topic);
}

static void topic_is_due(struct fanout_topic *topic)
{
    if (list_is_empty(&topic->node))
        list_append(&topic->fanout->due, &topic->node);
    uv_idle_start(&topic->fanout->idle, on_idle);
}

/* All that is served becomes due, behind those that are. */
static void make_due(struct fanout_topic *topic)
{
    struct list *served = &topic->served;
    struct list *due = &topic->due;

    if (list_is_empty(served))
        return;
    served->next->prev = due->prev;
    due->prev->next = served->next;
    served->prev->next = due;
    due->prev = served->prev;
    list_init(served);
    topic_is_due(topic);
}

void fanout_publish(struct fanout_topic *topic, struct fanout_message *message)
{
    if (!message->number) /* else it is in another ring already */
        message->number = ++topic->fanout->number;
    keep(topic, message);
    make_due(topic);
}

/* ---- readers */

void fanout_reader_init(struct fanout_reader *reader, struct stream *stream,
                        const struct fanout_reader_events *events)
{
    *reader = (struct fanout_reader){.stream = stream, .events = events};
    list_init(&reader->follows);
}

static void set_due(struct fanout_follow *follow)
{
    struct fanout_topic *topic = follow->topic;

    list_remove(&follow->node);
    list_append(&topic->due, &follow->node);
    topic_is_due(topic);
}

void fanout_follow(struct fanout_follow *follow, struct fanout_reader *reader,
                   struct fanout_topic *topic, uint64_t place)
{
    assert(place >= topic->first && place <= topic->next);
    *follow = (struct fanout_follow){
        .topic = topic, .reader = reader, .place = place};
    list_append(&reader->follows, &follow->mine);
    list_append(&topic->served, &follow->node);
    if (place < topic->next)
        set_due(follow);
}

void fanout_unfollow(struct fanout_follow *follow)
{
    list_remove(&follow->mine);
    list_remove(&follow->node);
}

void fanout_reader_drained(struct fanout_reader *reader)
{
    for (struct list *n = reader->follows.next; n != &reader->follows;
         n = n->next) {
        struct fanout_follow *follow =
            LIST_ENTRY(n, struct fanout_follow, mine);
        if (follow->place < follow->topic->next)
            set_due(follow);
    }
}

/* ---- writes */

void fanout_put(struct fanout_write *write, struct span bytes)
{
    write->parts[write->count++] = bytes;
    write->len += bytes.len;
}

char *fanout_own(struct fanout_write *write)
{
    return write->own + write->own_len;
}

void fanout_put_own(struct fanout_write *write, size_t len)
{
    fanout_put(write, (struct span){fanout_own(write), len});
    write->own_len += len;
}

static bool has_room(const struct fanout_write *write)
{
    return write->count + FANOUT_PARTS_MAX <= STREAM_PARTS &&
           write->own_len + FANOUT_OWN_MAX <= FANOUT_OWN &&
           write->len < WRITE_MAX;
}

/* Of all that it follows, the one whose next message is the oldest. */
static struct fanout_follow *find_next(const struct fanout_reader *reader)
{
    struct fanout_follow *found = NULL;
    uint64_t least = UINT64_MAX;

    for (struct list *n = reader->follows.next; n != &reader->follows;
         n = n->next) {
        struct fanout_follow *follow =
            LIST_ENTRY(n, struct fanout_follow, mine);
        if (follow->place == follow->topic->next)
            continue;
        uint64_t number = fanout_at(follow->topic, follow->place)->number;
        if (number < least) {
            least = number;
            found = follow;
        }
    }
    return found;
}

/* Its only topic, or the next of several. */
static struct fanout_follow *next_follow(const struct fanout_reader *reader)
{
    struct list *first = reader->follows.next;
    struct fanout_follow *follow =
        LIST_ENTRY(first, struct fanout_follow, mine);

    if (first->next != &reader->follows)
        return find_next(reader);
    return follow->place < follow->topic->next ? follow : NULL;
}

/* False: nothing, or nothing more, is left. */
static bool gather(struct fanout_reader *reader, struct fanout_write *write)
{
    struct fanout_follow *follow;

    write->count = write->len = write->own_len = 0;
    while (has_room(write)) {
        follow = next_follow(reader);
        if (!follow)
            return false;
        reader->events->put(follow, fanout_at(follow->topic, follow->place),
                            write);
        follow->place++;
    }
    return true;
}

/* The ring may have gone past some of its places.  False: it is gone. */
static bool catch_up(struct fanout_reader *reader)
{
    for (struct list *n = reader->follows.next; n != &reader->follows;
         n = n->next) {
        struct fanout_follow *follow =
            LIST_ENTRY(n, struct fanout_follow, mine);
        struct fanout_topic *topic = follow->topic;
        if (follow->place >= topic->first)
            continue;
        if (topic->newest)
            follow->place = topic->next - 1;
        else if (reader->events->on_overtaken(follow))
            follow->place = topic->first;
        else
            return false;
    }
    return true;
}

static bool may_write(const struct fanout_reader *reader)
{
    return reader->stream && stream_kept(reader->stream) == 0;
}

/* Everything that it has not had, until its socket takes no more. */
static void serve(struct fanout_reader *reader)
{
    struct fanout_write write;
    bool more = true;

    if (!catch_up(reader))
        return;
    while (more && may_write(reader)) {
        more = gather(reader, &write);
        if (write.count &&
            stream_write_parts(reader->stream, write.parts, write.count) < 0)
            return; /* its stream tells that it has ended */
    }
}

static struct fanout_follow *follow_of(struct list *node)
{
    return LIST_ENTRY(node, struct fanout_follow, node);
}

/*
 * By the time that all others were served, what serving one reads is in no
 * cache any more: it is asked for while those before it are written to, one
 * step after the other, as each is found by the one before.
 */
static void fetch_ahead(struct fanout_topic *topic)
{
    struct list *end = &topic->due;
    struct list *first = end->next;
    struct list *second = first->next;

    if (first == end || second == end)
        return;
    if (follow_of(first)->reader->stream)
        stream_fetch(follow_of(first)->reader->stream);
    mem_fetch(follow_of(second)->reader, FETCHED);
    mem_fetch(second->next, FETCHED);
}

/* The first topic makes way for the others after a run, or with its last. */
static struct list *next_due(struct fanout *fanout)
{
    struct fanout_topic *topic =
        LIST_ENTRY(fanout->due.next, struct fanout_topic, node);
    struct list *node = list_pop(&topic->due);
    bool more = !list_is_empty(&topic->due);

    if (!more || ++fanout->run >= RUN) {
        list_remove(&topic->node);
        if (more)
            list_append(&fanout->due, &topic->node);
        fanout->run = 0;
    }
    if (node) {
        list_append(&topic->served, node);
        fetch_ahead(topic);
    }
    return node;
}

/* The topic may be gone when its reader has been served. */
static void serve_slice(struct fanout *fanout)
{
    for (int n = 0; n < FANOUT_SLICE && !list_is_empty(&fanout->due); n++) {
        struct list *node = next_due(fanout);
        if (node)
            serve(follow_of(node)->reader);
    }
}

/* The loop does not wait while readers are due: what passed since some were
   served was for other things. */
static void serve_share(struct fanout *fanout)
{
    uint64_t began = uv_hrtime();
    uint64_t share = fanout->ended ? began - fanout->ended : 0;

    do {
        serve_slice(fanout);
        fanout->ended = uv_hrtime();
    } while (!list_is_empty(&fanout->due) && fanout->ended - began < share);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct fanout *fanout = prepare->data;

    if (!list_is_empty(&fanout->due))
        serve_share(fanout);
    if (list_is_empty(&fanout->due)) {
        fanout->ended = 0;
        uv_idle_stop(&fanout->idle);
    }
}

/* That it is there is enough: the loop does not wait in its poll. */
static void on_idle(uv_idle_t *idle)
{
    (void)idle;
}
