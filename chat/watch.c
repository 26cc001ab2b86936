/*
 * watch.c - see watch.h.
 *
 *   step() -- the room is not whole: room_await() --> step()
 *          -- the ring has what comes next --> it follows
 *          -- else chunks_read() --> on_chunk(): written --> step()
 */
#include "chat/client.h"

struct catchup {
    struct client *client;
    struct list behind; /* in the order in which they were asked for */
    struct chunk_wait chunk_wait;
    struct room_wait room_wait;
    bool waits_chunk, waits_room;
};

static void put(struct fanout_follow *follow, struct fanout_message *message,
                struct fanout_write *write);
static bool on_overtaken(struct fanout_follow *follow);
static void step(struct client *client);

static const struct fanout_reader_events reader_events = {
    .put = put, .on_overtaken = on_overtaken};

static struct watch *watch_of(struct fanout_follow *follow)
{
    return follow->topic->newest ? LIST_ENTRY(follow, struct watch, signals)
                                 : LIST_ENTRY(follow, struct watch, base);
}

static void put(struct fanout_follow *follow, struct fanout_message *message,
                struct fanout_write *write)
{
    const struct frame *frame = frame_of(message);
    const struct watch *watch = watch_of(follow);

    if (frame->of_roster && !watch->roster)
        return;
    fanout_put(write, (struct span){frame->bytes, frame->len});
    if (frame->seq)
        metrics_add(watch->client->chat->delivered, 1);
}

static bool on_overtaken(struct fanout_follow *follow)
{
    client_is_late(watch_of(follow)->client);
    return false;
}

void watches_init(struct watches *watches)
{
    list_init(&watches->all);
    fanout_reader_init(&watches->reader, NULL, &reader_events);
}

void watches_set_stream(struct watches *watches, struct stream *stream)
{
    watches->reader.stream = stream;
}

struct watch *watches_find(const struct watches *watches,
                           const struct room *room)
{
    for (struct list *n = watches->all.next; n != &watches->all; n = n->next) {
        struct watch *watch = LIST_ENTRY(n, struct watch, of_client);
        if (watch->room == room)
            return watch;
    }
    return NULL;
}

/* ---- coming and going */

static void stop_waiting(struct catchup *catchup)
{
    if (catchup->waits_chunk)
        chunks_forget(&catchup->chunk_wait);
    if (catchup->waits_room)
        list_remove(&catchup->room_wait.node);
    catchup->waits_chunk = catchup->waits_room = false;
}

static void end_catchup(struct watches *watches)
{
    if (!watches->catchup)
        return;
    stop_waiting(watches->catchup);
    mem_free(watches->catchup);
    watches->catchup = NULL;
}

static void drop(struct watch *watch)
{
    struct watches *watches = &watch->client->watches;

    if (watch->live)
        fanout_unfollow(&watch->base);
    fanout_unfollow(&watch->signals);
    list_remove(&watch->behind);
    list_remove(&watch->of_client);
    watches->count--;
    if (watch->roster)
        presence_unlook(watch->client->chat->presence, watch);
    room_drop_watcher(watch->room);
    room_leave(watch->room);
    mem_free(watch);
}

void watches_stop(struct watches *watches)
{
    if (watches->catchup)
        stop_waiting(watches->catchup);
    while (!list_is_empty(&watches->all))
        drop(LIST_ENTRY(watches->all.next, struct watch, of_client));
    end_catchup(watches); /* its list held those that were behind */
}

void watch_remove(struct watch *watch)
{
    struct client *client = watch->client;
    struct catchup *catchup = client->watches.catchup;
    bool is_current = catchup && catchup->behind.next == &watch->behind;

    drop(watch);
    if (!is_current)
        return;
    stop_waiting(catchup);
    step(client);
}

void watch_add(struct client *client, struct room *room, uint64_t after,
               bool roster)
{
    struct watches *watches = &client->watches;
    struct watch *watch = mem_zalloc(MEM_CONN, sizeof(*watch));

    watch->client = client;
    watch->room = room;
    watch->have = after;
    watch->roster = roster;
    room_use(room);
    room_add_watcher(room);
    fanout_follow(&watch->signals, &watches->reader, &room->signals,
                  room->signals.next);
    list_append(&watches->all, &watch->of_client);
    watches->count++;
    list_init(&watch->newcomer);
    if (roster)
        presence_look(client->chat->presence, watch);
    if (!watches->catchup) {
        watches->catchup = mem_zalloc(MEM_CONN, sizeof(struct catchup));
        watches->catchup->client = client;
        list_init(&watches->catchup->behind);
    }
    list_append(&watches->catchup->behind, &watch->behind);
    if (watches->catchup->behind.next == &watch->behind)
        step(client);
}

/* ---- catching up */

static void on_chunk(struct chunk_wait *wait, int status,
                     const struct chunk *chunk);
static void on_whole(struct room_wait *wait, int status);

static void go_live(struct watch *watch)
{
    list_remove(&watch->behind);
    watch->live = true;
    fanout_follow(&watch->base, &watch->client->watches.reader,
                  &watch->room->ring, watch->have + 1);
}

/* The ring begins behind what it has had: is what comes next in it? */
static bool is_in_ring(const struct watch *watch)
{
    const struct fanout_topic *ring = &watch->room->ring;

    return watch->have + 1 >= ring->first && watch->have + 1 <= ring->next;
}

static void read_on(struct catchup *catchup, struct watch *watch)
{
    struct chunk_source source = {.partition = watch->room->partition,
                                  .name = room_id(watch->room)};

    catchup->waits_chunk = true;
    catchup->chunk_wait.behind = (struct log_id){0, watch->have};
    catchup->chunk_wait.cb = on_chunk;
    chunks_read(catchup->client->chat->chunks, &source, &catchup->chunk_wait);
}

static void await_room(struct catchup *catchup, struct watch *watch)
{
    catchup->waits_room = true;
    catchup->room_wait.cb = on_whole;
    room_await(watch->room, &catchup->room_wait);
}

static void tell_gone(struct watch *watch, const char *reason)
{
    struct client *client = watch->client;
    struct room *room = watch->room;

    room_use(room);
    drop(watch);
    client_tell_gone(client, room, reason);
    room_leave(room);
}

/* False: it waits. */
static bool advance(struct catchup *catchup, struct watch *watch)
{
    struct client *client = catchup->client;

    if (stream_kept(client->watches.reader.stream) >
        (size_t)client->chat->config->max_kept / 2)
        return false; /* until watches_drained() */
    if (!room_is_whole(watch->room)) {
        await_room(catchup, watch);
        return false;
    }
    if (is_in_ring(watch)) {
        go_live(watch);
        return true;
    }
    if (!room_can_resume(watch->room, watch->have)) {
        tell_gone(watch, "reset");
        return true;
    }
    read_on(catchup, watch);
    return false;
}

static void step(struct client *client)
{
    struct watches *watches = &client->watches;

    while (watches->catchup && watches->reader.stream &&
           !watches->catchup->waits_chunk && !watches->catchup->waits_room) {
        struct list *first = watches->catchup->behind.next;
        if (first == &watches->catchup->behind)
            end_catchup(watches);
        else if (!advance(watches->catchup,
                          LIST_ENTRY(first, struct watch, behind)))
            return;
    }
}

static void on_whole(struct room_wait *wait, int status)
{
    struct catchup *catchup = LIST_ENTRY(wait, struct catchup, room_wait);
    struct watch *watch =
        LIST_ENTRY(catchup->behind.next, struct watch, behind);

    catchup->waits_room = false;
    if (status < 0)
        await_room(catchup, watch);
    else
        step(catchup->client);
}

/* All that a chunk has behind what the watch has had, as one write; but not
   what the room is to hear of yet: its reader may not be in it by then. */
static void write_chunk(struct watch *watch, const struct chunk *chunk)
{
    struct client *client = watch->client;
    struct buf out;

    buf_init(&out, MEM_CONN);
    for (size_t i = 0; i < chunk->count; i++) {
        if (chunk->entries[i].place.offset != watch->have + 1 ||
            watch->have == watch->room->seq)
            continue;
        const struct frame *frame = frame_of(chunk->entries[i].message);
        buf_append(&out, (struct span){frame->bytes, frame->len});
        watch->have++;
        metrics_add(client->chat->delivered, 1);
    }
    stream_write(client->watches.reader.stream, buf_span(&out));
    buf_deinit(&out);
}

static void on_chunk(struct chunk_wait *wait, int status,
                     const struct chunk *chunk)
{
    struct catchup *catchup = LIST_ENTRY(wait, struct catchup, chunk_wait);
    struct watch *watch =
        LIST_ENTRY(catchup->behind.next, struct watch, behind);
    struct client *client = catchup->client;
    uint64_t before = watch->have;

    catchup->waits_chunk = false;
    if (status < 0) {
        client_end(client, OPS_CODE_OVERLOAD,
                   "what was missed cannot be read now");
        return;
    }
    if (client->watches.reader.stream)
        write_chunk(watch, chunk);
    if (watch->have == before && chunk->last.offset > before)
        tell_gone(watch, "reset"); /* which may be the end of the client */
    else if (watch->have == before)
        await_room(catchup,
                   watch); /* it was read too early, or Redis lost it */
    step(client);
}

void watches_drained(struct watches *watches)
{
    fanout_reader_drained(&watches->reader);
    if (watches->catchup)
        step(watches->catchup->client);
}

/* What the ring has for it that it has not had, now and not in its turn. */
static void write_rest(struct watch *watch)
{
    const struct fanout_topic *ring = &watch->room->ring;
    struct buf out;

    buf_init(&out, MEM_CONN);
    for (uint64_t place = watch->base.place; place < ring->next; place++) {
        const struct frame *frame = frame_of(fanout_at(ring, place));
        buf_append(&out, (struct span){frame->bytes, frame->len});
        metrics_add(watch->client->chat->delivered, 1);
    }
    if (out.len && watch->client->watches.reader.stream)
        stream_write(watch->client->watches.reader.stream, buf_span(&out));
    buf_deinit(&out);
}

void watch_finish(struct watch *watch)
{
    if (watch->live && watch->base.place >= watch->room->ring.first)
        write_rest(watch);
    watch_remove(watch);
}
