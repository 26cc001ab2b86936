/* logs.c - what rooms' logs held, read once for all who ask: see logs.h. */
#include "chat/logs.h"
#include "chat/chat.h"
#include "chat/reply.h"
#include "chat/scripts.h"

static int read_chunk(void *arg, const struct chunk *chunk,
                      struct redis_call call)
{
    struct chat *chat = arg;
    char number[SPAN_U64_MAX];
    struct arena arena;

    arena_init(&arena, MEM_CACHE, 0);
    struct room_keys keys = keys_of_room(&arena, chunk->source.name);
    struct span argv[] = {keys.members,
                          keys.log,
                          keys.changes,
                          SPAN(""),
                          span_from_u64(number, chunk->from.offset + 1),
                          SPAN(REPLY_ENTRIES),
                          SPAN(REPLY_BYTES)};
    call.key = chunk->source.name;
    call.argv = argv;
    call.argc = 7;
    int err = redis_eval(app_redis(chat->app), &script_events, 3, &call);
    arena_deinit(&arena);
    return err;
}

/* What is no entry is passed over. */
static int take_chunk(void *arg, struct chunk *chunk,
                      const struct redisReply *reply)
{
    struct chat *chat = arg;
    struct reply_events events;
    struct entry entry;
    struct text text;

    if (reply_refusal(reply).ptr)
        return UV_ENOENT;
    if (!reply_events(reply, &events))
        return UV_EPROTO;
    chunk->last = (struct log_id){0, events.head.seq};
    for (size_t i = 0; i < events.count; i++) {
        if (!reply_entry(events.entries[i], &entry, &text))
            continue;
        bodies_read(chat->bodies, chunk->source.name, &entry, &text);
        chunk_put(chunk, (struct log_id){0, entry.seq},
                  &frame_create(chunk->source.name, &entry, &text)->base);
    }
    return 0;
}

struct chunks *logs_create(struct chat *chat)
{
    struct metrics *metrics = app_metrics(chat->app);

    return chunks_create(&(struct chunks_options){
        .loop = app_loop(chat->app),
        .read = read_chunk,
        .take = take_chunk,
        .arg = chat,
        .readings =
            metrics_cell(metrics, METRICS_COUNTER, "chat_resume_reads_total",
                         "", "Readings of logs for clients that resume."),
        .shared = metrics_cell(metrics, METRICS_COUNTER,
                               "chat_resume_shared_total", "",
                               "What others had read already for a client "
                               "that resumes."),
    });
}

void logs_expire(struct chunks *chunks, struct span room)
{
    chunks_expire(chunks, &(struct chunk_source){
                              .partition = hash_partition(room), .name = room});
}
