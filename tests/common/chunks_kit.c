/* chunks_kit.c - see chunks_kit.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/common/chunks_kit.h"
#include "tests/test.h"

#define SIZE 100 /* of a message, unless it is said */

/* ---- the service */

static struct redis_script script = {.name = "script.lua"};

static int read_chunk(void *arg, const struct chunk *chunk,
                      struct redis_call call)
{
    char numbers[4][SPAN_U64_MAX];
    struct span argv[] = {
        chunk->source.name,
        span_from_u64(numbers[0], chunk->source.kind),
        span_from_u64(numbers[1], chunk->source.partition),
        span_from_u64(numbers[2], chunk->from.epoch),
        span_from_u64(numbers[3], chunk->from.offset),
    };

    assert_true(call.repeatable);
    call.key = chunk->source.name;
    call.argv = argv;
    call.argc = COUNT(argv);
    return redis_eval(arg, &script, 1, &call);
}

static void free_message(struct fanout_message *message)
{
    mem_free(message);
}

static struct fanout_message *make_message(size_t size)
{
    struct fanout_message *message = mem_alloc(MEM_CACHE, sizeof(*message));

    *message =
        (struct fanout_message){.size = size, .refs = 1, .free = free_message};
    return message;
}

static int take_entry(struct chunk *chunk, const struct redisReply *reply)
{
    struct log_id place;
    size_t size;

    if (sscanf(reply->str, "%" SCNu64 "-%" SCNu64 " %zu", &place.epoch,
               &place.offset, &size) != 3)
        return UV_EPROTO;
    chunk_put(chunk, place, size ? make_message(size) : NULL);
    return 0;
}

static int take_chunk(void *arg, struct chunk *chunk,
                      const struct redisReply *reply)
{
    int err = 0;

    (void)arg;
    if (reply->type == REDIS_REPLY_STRING)
        return strcmp(reply->str, "denied") == 0 ? UV_EACCES : UV_EPROTO;
    if (reply->elements == 0)
        return 0;
    sscanf(reply->element[0]->str, "%" SCNu64 "-%" SCNu64, &chunk->last.epoch,
           &chunk->last.offset);
    for (size_t i = 1; i < reply->elements && err == 0; i++)
        err = take_entry(chunk, reply->element[i]);
    return err;
}

struct redisReply *kit_log(struct log_id last, uint64_t from, uint64_t to)
{
    struct redisReply *reply = fake_empty();

    fake_append(reply,
                fake_text("%" PRIu64 "-%" PRIu64, last.epoch, last.offset));
    for (uint64_t i = from; i <= to; i++)
        fake_append(reply, fake_text("%" PRIu64 "-%" PRIu64 " %d", last.epoch,
                                     i, SIZE));
    return reply;
}

/* ---- who asks */

static void on_chunk(struct chunk_wait *wait, int status,
                     const struct chunk *chunk)
{
    struct kit_asker *asker = LIST_ENTRY(wait, struct kit_asker, wait);
    size_t at = 0;

    asker->calls++;
    asker->status = status;
    assert_int_equal(status < 0, chunk == NULL);
    for (size_t i = 0; chunk && i < chunk->count; i++) {
        const struct chunk_entry *entry = &chunk->entries[i];
        if (!log_id_is_before(wait->behind, entry->place))
            continue;
        at += (size_t)snprintf(asker->heard + at, sizeof(asker->heard) - at,
                               "%s%" PRIu64 "-%" PRIu64 "%s", at ? " " : "",
                               entry->place.epoch, entry->place.offset,
                               entry->message ? "" : "(gone)");
    }
    if (chunk)
        asker->last = chunk->last;
    if (asker->keeps) {
        asker->kept = chunk->entries[0].message;
        fanout_message_ref(asker->kept);
    }
    if (asker->also)
        kit_ask(asker->bench, asker->also, wait->behind.epoch,
                wait->behind.offset);
    asker->also = NULL;
}

struct chunks *kit_chunks(struct kit_bench *bench)
{
    struct metrics *metrics = bench->metrics;

    return chunks_create(&(struct chunks_options){
        .loop = bench->loop,
        .read = read_chunk,
        .take = take_chunk,
        .arg = &bench->redis,
        .readings = metrics_cell(metrics, METRICS_COUNTER, "reads", "", ""),
        .shared = metrics_cell(metrics, METRICS_COUNTER, "shared", "", "")});
}

int kit_setup(void **state)
{
    struct kit_bench *bench = calloc(1, sizeof(*bench));

    bench->before = mem_live(MEM_CACHE);
    uv_loop_init(&bench->uv);
    bench->loop = stream_loop_open(&bench->uv);
    bench->fd = metrics_make(1);
    bench->metrics = metrics_open(bench->fd, false);
    bench->chunks = kit_chunks(bench);
    *state = bench;
    return 0;
}

int kit_teardown(void **state)
{
    struct kit_bench *bench = *state;

    assert_int_equal(bench->redis.waiting, 0);
    chunks_destroy(bench->chunks);
    stream_loop_close(bench->loop);
    uv_run(&bench->uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&bench->uv), 0);
    metrics_close(bench->metrics);
    close(bench->fd);
    assert_int_equal(mem_live(MEM_CACHE), bench->before);
    free(bench);
    return 0;
}

void kit_turn(struct kit_bench *bench)
{
    bench->uv.time++;
    wheel_turn(stream_loop_wheel(bench->loop), bench->uv.time);
}

static void prepare(struct kit_bench *bench, struct kit_asker *asker,
                    uint64_t epoch, uint64_t offset)
{
    *asker =
        (struct kit_asker){.wait = {.behind = {epoch, offset}, .cb = on_chunk},
                           .bench = bench,
                           .also = asker->also,
                           .keeps = asker->keeps};
}

void kit_ask_of(struct kit_bench *bench, struct kit_asker *asker,
                struct chunk_source source, uint64_t epoch, uint64_t offset)
{
    prepare(bench, asker, epoch, offset);
    chunks_read(bench->chunks, &source, &asker->wait);
    assert_int_equal(asker->calls, 0); /* never inside the call */
}

void kit_ask(struct kit_bench *bench, struct kit_asker *asker, uint64_t epoch,
             uint64_t offset)
{
    kit_ask_of(bench, asker, (struct chunk_source){0, 7, SPAN("t")}, epoch,
               offset);
}

void kit_answer(struct kit_bench *bench, struct redisReply *reply)
{
    fake_redis_answer(&bench->redis, 0, reply);
    kit_turn(bench);
}

void kit_assert_asked(struct kit_bench *bench, const char *words)
{
    char wire[256];

    snprintf(wire, sizeof(wire), "script.lua t 0 7 %s", words);
    assert_string_equal(fake_redis_oldest(&bench->redis)->wire, wire);
}

void kit_assert_heard(const struct kit_asker *asker, const char *heard)
{
    assert_int_equal(asker->calls, 1);
    assert_int_equal(asker->status, 0);
    assert_string_equal(asker->heard, heard);
}
