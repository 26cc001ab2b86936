/*
 * rooms.c - see rooms.h.
 *
 *   rooms_hear() -- next --> pass()
 *                -- later --> read_log() --> on_log(): pass() each, until what
 *                   was heard of has passed
 *
 * Failure modes: Redis does not answer (who waits is told; it is tried again),
 * the log does not hold what comes next any more, or Redis lost its end (the
 * room is lost: its watchers read it anew).
 */
#include "chat/rooms.h"
#include "chat/keys.h"
#include "chat/reply.h"
#include "chat/scripts.h"

#define BUCKETS 65536
#define RING_COUNT 256
#define RING_BYTES ((size_t)1 << 20)
#define SIGNALS_COUNT 128 /* of a turn, or a few: older ones are of no use */
#define SIGNALS_BYTES 32768
#define RETRY_MS 500

struct rooms {
    struct rooms_options options;
    struct wheel *wheel;
    struct hash_key hash_key;
    struct list buckets[BUCKETS];
    size_t count;
    uint64_t *entries, *readings, *lost, *gauge;
};

static void read_log(struct room *room);
static void on_log(void *arg, int status, const struct redisReply *reply);

struct rooms *rooms_create(const struct rooms_options *options)
{
    struct rooms *rooms = mem_zalloc(MEM_APP, sizeof(*rooms));
    struct metrics *metrics = options->metrics;

    rooms->options = *options;
    rooms->wheel = stream_loop_wheel(options->loop);
    rooms->hash_key = hash_random_key();
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&rooms->buckets[i]);
    rooms->entries =
        metrics_cell(metrics, METRICS_COUNTER, "chat_entries_total", "",
                     "Entries of rooms that workers have somebody in.");
    rooms->readings =
        metrics_cell(metrics, METRICS_COUNTER, "chat_log_reads_total", "",
                     "Readings of rooms' logs by workers that missed some.");
    rooms->lost = metrics_cell(metrics, METRICS_COUNTER, "chat_lost_total", "",
                               "Rooms whose log was not what it had been.");
    rooms->gauge = metrics_cell(metrics, METRICS_GAUGE, "chat_rooms", "",
                                "Rooms known, by all workers.");
    return rooms;
}

void rooms_destroy(struct rooms *rooms)
{
    mem_free(rooms);
}

/* ---- the table */

static struct list *bucket_of(struct rooms *rooms, struct span id)
{
    return &rooms->buckets[hash_bucket(&rooms->hash_key, id) % BUCKETS];
}

struct room *rooms_find(struct rooms *rooms, struct span id)
{
    struct list *bucket = bucket_of(rooms, id);

    for (struct list *n = bucket->next; n != bucket; n = n->next) {
        struct room *room = LIST_ENTRY(n, struct room, bucket);
        if (span_eq(room_id(room), id))
            return room;
    }
    return NULL;
}

static struct room *add(struct rooms *rooms, struct span id)
{
    struct room *room = mem_zalloc(MEM_CACHE, sizeof(*room) + id.len);

    fanout_topic_init(rooms->options.fanout, &room->ring, RING_COUNT,
                      RING_BYTES, false);
    fanout_topic_init(rooms->options.fanout, &room->signals, SIGNALS_COUNT,
                      SIGNALS_BYTES, true);
    list_init(&room->seats);
    list_init(&room->waiting);
    list_init(&room->large);
    room->rooms = rooms;
    room->partition = hash_partition(id);
    room->id_len = (uint8_t)id.len;
    memcpy(room->id, id.ptr, id.len);
    list_append(bucket_of(rooms, id), &room->bucket);
    metrics_set(rooms->gauge, ++rooms->count);
    return room;
}

void room_use(struct room *room)
{
    room->uses++;
}

struct room *rooms_use(struct rooms *rooms, struct span id)
{
    struct room *room = rooms_find(rooms, id);

    if (!room)
        room = add(rooms, id);
    room->uses++;
    return room;
}

void room_leave(struct room *room)
{
    struct rooms *rooms = room->rooms;

    if (--room->uses > 0)
        return;
    fanout_topic_deinit(&room->ring);
    fanout_topic_deinit(&room->signals);
    wheel_stop(rooms->wheel, &room->retry);
    list_remove(&room->bucket);
    list_remove(&room->large);
    metrics_set(rooms->gauge, --rooms->count);
    mem_free(room);
}

/* ---- who waits */

static void tell(struct room *room, int status)
{
    struct list waiting;

    list_init(&waiting);
    list_move(&room->waiting, &waiting);
    for (struct list *node; (node = list_pop(&waiting));) {
        struct room_wait *wait = LIST_ENTRY(node, struct room_wait, node);
        wait->cb(wait, status);
    }
}

static void ask(struct room *room)
{
    if (!room->reading && !wheel_is_started(&room->retry))
        read_log(room);
}

void room_await(struct room *room, struct room_wait *wait)
{
    list_append(&room->waiting, &wait->node);
    ask(room);
}

/* ---- what comes */

static void begin(struct room *room, const struct room_head *head)
{
    room->known = true;
    room->kind = (uint8_t)head->kind;
    room->seq = head->seq;
    room->ts = head->ts;
    room->count = head->count;
    room->members = head->members;
    room->archived = head->archived;
    fanout_topic_begin(&room->ring, room->seq + 1);
}

void room_learn(struct room *room, const struct room_head *head)
{
    room->oldest = head->oldest;
    room->hole = head->hole;
    if (!room->known)
        begin(room, head);
    else if (head->seq > room->target)
        room->target = head->seq;
    if (!room_is_whole(room))
        ask(room);
}

static void count_members(struct room *room, const struct entry *entry)
{
    if (entry->kind != ENTRY_MEMBER || span_eq(entry->change, SPAN("role")))
        return;
    if (span_eq(entry->change, SPAN("joined")))
        room->members++;
    else if (room->members)
        room->members--;
}

/* Of a message that is deleted, and of its edits, the ring keeps what the log
   keeps: numbers without a text. */
static void take_back(struct room *room, uint64_t target)
{
    struct fanout_topic *ring = &room->ring;

    for (uint64_t place = target > ring->first ? target : ring->first;
         place < ring->next; place++) {
        const struct frame *frame = frame_of(fanout_at(ring, place));
        if (frame->seq != target &&
            (frame->kind != ENTRY_EDIT || frame->target != target))
            continue;
        struct frame *bare = frame_create_bare(frame);
        fanout_replace(ring, place, &bare->base);
        fanout_message_unref(&bare->base);
    }
}

static void tell_stale(struct rooms *rooms, struct span id)
{
    rooms->options.events->on_stale(rooms->options.arg, id);
}

static void pass(struct room *room, const struct entry *entry,
                 const struct text *text)
{
    struct rooms *rooms = room->rooms;

    if (entry->kind == ENTRY_DELETE) {
        take_back(room, entry->target);
        tell_stale(rooms, room_id(room));
    }
    room->seq = entry->seq;
    room->ts = entry->ts;
    room->count = entry->count;
    count_members(room, entry);
    metrics_add(rooms->entries, 1);
    if (room->watchers == 0) {
        fanout_topic_begin(&room->ring, room->seq + 1);
    } else {
        struct text read = *text;
        bodies_read(rooms->options.bodies, room_id(room), entry, &read);
        struct frame *frame = frame_create(room_id(room), entry, &read);
        fanout_publish(&room->ring, &frame->base);
        fanout_message_unref(&frame->base);
    }
    rooms->options.events->on_entry(rooms->options.arg, room, entry);
}

void room_signal(struct room *room, struct span json, bool of_roster)
{
    struct frame *frame = frame_create_signal(json, of_roster);

    fanout_publish(&room->signals, &frame->base);
    fanout_message_unref(&frame->base);
}

void room_add_watcher(struct room *room)
{
    room->watchers++;
}

/* What the ring has goes with the next entry. */
void room_drop_watcher(struct room *room)
{
    if (--room->watchers == 0)
        fanout_topic_begin(&room->signals, 0);
}

void room_hear_of(struct room *room, uint64_t seq)
{
    if (seq > room->target)
        room->target = seq;
    if (room->known && seq > room->seq)
        ask(room);
}

static void hear(struct rooms *rooms, struct span id, uint64_t oldest,
                 const struct entry *entry, const struct text *text)
{
    struct room *room = rooms_find(rooms, id);

    if (room && oldest > room->oldest)
        room->oldest = oldest;
    if (!room || !room->known) {
        if (entry->kind == ENTRY_MEMBER &&
            span_eq(entry->change, SPAN("joined")))
            rooms->options.events->on_joined(rooms->options.arg, id,
                                             entry->user);
        if (entry->kind == ENTRY_DELETE)
            tell_stale(rooms, id);
        if (room)
            room_hear_of(room, entry->seq);
    } else if (entry->seq > room->seq + 1) {
        room_hear_of(room, entry->seq);
    } else if (entry->seq == room->seq + 1) {
        room_use(room);
        pass(room, entry, text);
        room_leave(room);
    }
}

/* ROOM SEQ TS OLDEST HEAD\nTEXT */
void rooms_hear(struct rooms *rooms, struct span payload)
{
    struct entry entry = {0};
    struct text text;
    struct span id;
    struct span seq;
    struct span ts;
    struct span oldest;
    struct span head;
    uint64_t first;

    if (payload.len && payload.ptr[0] == '@') {
        rooms->options.events->on_word(rooms->options.arg, payload);
        return;
    }
    if (span_cut(&payload, ' ', &id) && span_cut(&payload, ' ', &seq) &&
        span_cut(&payload, ' ', &ts) && span_cut(&payload, ' ', &oldest) &&
        span_cut(&payload, '\n', &head) && payload.ptr &&
        span_to_u64(seq, UINT64_MAX, &entry.seq) &&
        span_to_u64(ts, UINT64_MAX, &entry.ts) &&
        span_to_u64(oldest, UINT64_MAX, &first) && entry_parse(head, &entry) &&
        text_parse(payload, &text))
        hear(rooms, id, first, &entry, &text);
}

/* ---- readings */

static void on_retry(struct wheel_timer *timer)
{
    read_log(LIST_ENTRY(timer, struct room, retry));
}

/* It may end the room's last use. */
static void fail(struct room *room, int status)
{
    wheel_start(room->rooms->wheel, &room->retry, RETRY_MS, on_retry);
    tell(room, status);
}

/* From the last entry that passed on, to see that it is still the same. */
static void read_log(struct room *room)
{
    char number[SPAN_U64_MAX];
    struct arena arena;

    wheel_stop(room->rooms->wheel, &room->retry);
    arena_init(&arena, MEM_CACHE, 0);
    struct room_keys keys = keys_of_room(&arena, room_id(room));
    struct span argv[] = {keys.members,
                          keys.log,
                          keys.changes,
                          SPAN(""),
                          span_from_u64(number, room->seq),
                          room->known ? SPAN(REPLY_ENTRIES) : SPAN("0"),
                          SPAN(REPLY_BYTES)};
    metrics_add(room->rooms->readings, 1);
    int err = redis_eval(room->rooms->options.redis, &script_events, 3,
                         &(struct redis_call){.key = room_id(room),
                                              .argv = argv,
                                              .argc = 7,
                                              .repeatable = true,
                                              .cb = on_log,
                                              .arg = room});
    arena_deinit(&arena);
    if (err < 0) {
        wheel_start(room->rooms->wheel, &room->retry, RETRY_MS, on_retry);
        return;
    }
    room->reading = true;
    room->read_from = room->known ? room->seq : 0;
    room->read_ts = room->ts;
    room_use(room);
}

/* Another log than this worker has seen, or none (NULL): it begins anew. */
static void lose(struct room *room, const struct room_head *head)
{
    struct rooms *rooms = room->rooms;

    metrics_add(rooms->lost, 1);
    tell_stale(rooms, room_id(room));
    room->known = false;
    room->target = 0;
    rooms->options.events->on_lost(rooms->options.arg, room);
    if (head)
        begin(room, head);
    room->again = true; /* what was heard of while it was read */
}

/* The entry that had passed last when it was asked for must be the first of
   what was read; if it was trimmed meanwhile, the next one must come right
   behind it. Others may have passed since. */
static bool goes_on(const struct room *room, const struct reply_events *events)
{
    struct entry entry;
    struct text text;

    if (room->read_from == 0)
        return true; /* it was not known then */
    if (events->head.seq < room->read_from)
        return false;
    if (events->count == 0)
        return events->head.seq == room->read_from &&
               events->head.ts == room->read_ts;
    if (!reply_entry(events->entries[0], &entry, &text))
        return false;
    if (entry.seq == room->read_from)
        return entry.ts == room->read_ts;
    return entry.seq == room->read_from + 1;
}

static void take_entries(struct room *room, const struct reply_events *events)
{
    struct entry entry;
    struct text text;

    for (size_t i = 0; i < events->count; i++) {
        if (!reply_entry(events->entries[i], &entry, &text))
            continue;
        if (entry.seq == room->seq + 1)
            pass(room, &entry, &text);
        else if (entry.seq > room->seq)
            return;
    }
}

static void take_log(struct room *room, const struct reply_events *events)
{
    const struct room_head *head = &events->head;

    room->oldest = head->oldest;
    room->hole = head->hole;
    if (!room->known)
        begin(room, head);
    else if (!goes_on(room, events))
        lose(room, head);
    else
        take_entries(room, events);
    if (head->seq > room->target)
        room->target = head->seq;
}

static int take_reply(struct room *room, const struct redisReply *reply)
{
    struct reply_events events;

    if (reply_refusal(reply).ptr) {
        if (room->known)
            lose(room, NULL);
        return UV_ENOENT;
    }
    if (!reply_events(reply, &events))
        return UV_EPROTO;
    take_log(room, &events);
    return 0;
}

static void on_log(void *arg, int status, const struct redisReply *reply)
{
    struct room *room = arg;
    bool again = room->again;

    room->reading = room->again = false;
    if (status == 0)
        status = take_reply(room, reply);
    again = again || room->again;
    room->again = false;
    if (status == UV_ENOENT)
        tell(room, status);
    else if (status < 0)
        fail(room, status);
    else if (again || room->target > room->seq)
        ask(room);
    else
        tell(room, 0);
    room_leave(room);
}

void rooms_ask_all(struct rooms *rooms)
{
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct list *n = rooms->buckets[i].next; n != &rooms->buckets[i];
             n = n->next) {
            struct room *room = LIST_ENTRY(n, struct room, bucket);
            if (room->reading)
                room->again = true;
            else if (room->known)
                ask(room);
        }
}
