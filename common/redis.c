/*
 * redis.c - see redis.h.
 *
 *   redis_send() -- waiting -- end of the turn --> flush(): one write
 *   -- sent -- on_reply(), first in first out --> the callback
 *
 * Failure modes: a command's deadline passes (its callback hears, its reply is
 * still matched, then dropped); the link breaks (what may run twice waits for
 * the next link, the rest hears that it may have run); TRIP_AFTER deadlines in
 * a row pass without a reply (the link is given up, and until a new one has
 * answered every command is refused at once).
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/list.h"
#include "common/metrics.h"
#include "common/redis_link.h"

#define TRIP_AFTER 5
#define OUT_KEEP 65536 /* room that stays between flushes */

struct command {
    struct list node; /* of waiting or sent */
    struct redis *redis;
    struct wheel_timer timer;
    redis_reply_cb cb; /* NULL: nobody waits any more */
    void *arg;
    struct redis_script *script; /* to be loaded on NOSCRIPT, or NULL */
    uint64_t due_ms, sent_us;
    bool repeatable, overdue;
    size_t len;
    char wire[];
};

struct redis {
    struct stream_loop *loop;
    struct redis_options options;
    struct redis_link *link;
    uv_prepare_t prepare;
    struct list waiting, sent;
    struct list reloading; /* scripts that go again, before what waits */
    size_t pending, waiting_bytes;
    struct buf out;
    uint64_t down_since_ms, now_us;
    unsigned late_in_a_row;
    bool tripped, closing;
    redis_close_cb close_cb;
    void *close_arg;
    unsigned handles; /* prepare and link */
    struct metrics_histogram *seconds;
    uint64_t *up, *commands, *links, *late, *lost, *failed, *refused;
};

static void on_up(void *arg);
static void on_reply(void *arg, const struct redisReply *reply);
static void on_read_end(void *arg);
static void on_down(void *arg);
static void on_prepare(uv_prepare_t *prepare);
static void on_late(struct wheel_timer *timer);

static const struct redis_link_events link_events = {.on_up = on_up,
                                                     .on_reply = on_reply,
                                                     .on_read_end = on_read_end,
                                                     .on_down = on_down};

static uint64_t *cell(struct redis *redis, enum metrics_kind kind,
                      const char *name, const char *labels, const char *help)
{
    static uint64_t nowhere;
    char full[96];

    if (!redis->options.metrics)
        return &nowhere;
    snprintf(full, sizeof(full), "%s_redis_%s", redis->options.prefix, name);
    return metrics_cell(redis->options.metrics, kind, full, labels, help);
}

static void open_metrics(struct redis *redis)
{
    static const char *const errors = "errors_total";
    static const char *const help =
        "Commands that ended without a reply that was of use.";
    char name[96];

    redis->up = cell(redis, METRICS_GAUGE, "up", "",
                     "Workers whose link to Redis is up.");
    redis->commands = cell(redis, METRICS_COUNTER, "commands_total", "",
                           "Commands sent to Redis.");
    redis->links = cell(redis, METRICS_COUNTER, "links_total", "",
                        "Links to Redis that came up.");
    redis->late =
        cell(redis, METRICS_COUNTER, errors, "kind=\"deadline\"", help);
    redis->lost = cell(redis, METRICS_COUNTER, errors, "kind=\"link\"", help);
    redis->failed =
        cell(redis, METRICS_COUNTER, errors, "kind=\"error\"", help);
    redis->refused =
        cell(redis, METRICS_COUNTER, errors, "kind=\"refused\"", help);
    if (!redis->options.metrics)
        return;
    snprintf(name, sizeof(name), "%s_redis_command_seconds",
             redis->options.prefix);
    redis->seconds = metrics_histogram(redis->options.metrics, name, "",
                                       "From a command's write to its reply.");
}

struct redis *redis_open(struct stream_loop *loop,
                         const struct redis_options *options)
{
    struct redis *redis = mem_zalloc(MEM_REDIS, sizeof(*redis));

    redis->loop = loop;
    redis->options = *options;
    list_init(&redis->waiting);
    list_init(&redis->sent);
    list_init(&redis->reloading);
    buf_init(&redis->out, MEM_REDIS);
    redis->down_since_ms = uv_now(stream_loop_uv(loop));
    open_metrics(redis);
    uv_prepare_init(stream_loop_uv(loop), &redis->prepare);
    redis->prepare.data = redis;
    uv_prepare_start(&redis->prepare, on_prepare);
    uv_unref((uv_handle_t *)&redis->prepare);
    redis->handles = 2;
    redis->link = redis_link_open(loop, options, &link_events, redis);
    return redis;
}

static uint64_t now_ms(const struct redis *redis)
{
    return uv_now(stream_loop_uv(redis->loop));
}

static struct wheel *wheel_of(const struct redis *redis)
{
    return stream_loop_wheel(redis->loop);
}

/* A link that is young may come up in time; an old one has had its chance. */
static bool is_open_circuit(const struct redis *redis)
{
    return !redis_link_is_up(redis->link) &&
           (redis->tripped ||
            now_ms(redis) - redis->down_since_ms > redis->options.timeout_ms);
}

static int check(const struct redis *redis, size_t len)
{
    if (redis->closing)
        return UV_ECANCELED;
    if (is_open_circuit(redis))
        return UV_ENOTCONN;
    size_t unsent = redis->waiting_bytes + redis_link_unsent(redis->link);
    if (redis->pending >= redis->options.max_pending ||
        unsent + len > redis->options.max_bytes)
        return UV_ENOBUFS;
    return 0;
}

static struct command *add_command(struct redis *redis, struct span wire,
                                   const struct command *like)
{
    struct command *command = mem_alloc(MEM_REDIS, sizeof(*command) + wire.len);
    uint64_t now = now_ms(redis);

    *command = *like;
    command->timer = (struct wheel_timer){0};
    command->sent_us = 0;
    command->len = wire.len;
    memcpy(command->wire, wire.ptr, wire.len);
    list_append(&redis->waiting, &command->node);
    redis->pending++;
    redis->waiting_bytes += wire.len;
    wheel_start(wheel_of(redis), &command->timer,
                command->due_ms > now ? command->due_ms - now : 0, on_late);
    return command;
}

static int send_wire(struct redis *redis, struct redis_script *script,
                     const struct redis_call *call, struct span wire)
{
    uint32_t timeout =
        call->timeout_ms ? call->timeout_ms : redis->options.timeout_ms;
    int err = check(redis, wire.len);

    if (err < 0) {
        metrics_add(redis->refused, 1);
        return err;
    }
    add_command(redis, wire,
                &(struct command){.redis = redis,
                                  .cb = call->cb,
                                  .arg = call->arg,
                                  .script = script,
                                  .due_ms = now_ms(redis) + timeout,
                                  .repeatable = call->repeatable});
    return 0;
}

/* To the front of what waits. */
static void put_before(struct redis *redis, struct list *first)
{
    list_move(&redis->waiting, first);
    list_move(first, &redis->waiting);
}

/*
 * All that has gathered in this turn of the loop leaves in one write.  A script
 * that is loaded must not be overtaken by what was asked for later: it waits
 * for all that was sent, for others may go again too, and all else waits for
 * it.
 */
static void flush(struct redis *redis)
{
    struct buf *out = &redis->out;
    uint64_t now = clock_mono_us();
    uint64_t count = 0;

    if (!list_is_empty(&redis->reloading)) {
        if (!list_is_empty(&redis->sent))
            return;
        put_before(redis, &redis->reloading);
    }
    for (struct list *node; (node = list_pop(&redis->waiting)); count++) {
        struct command *command = LIST_ENTRY(node, struct command, node);
        buf_append(out, (struct span){command->wire, command->len});
        command->sent_us = now;
        list_append(&redis->sent, node);
    }
    redis->waiting_bytes = 0;
    metrics_add(redis->commands, count);
    bool taken = redis_link_write(redis->link, buf_span(out));
    if (out->cap > OUT_KEEP)
        buf_deinit(out);
    out->len = 0;
    if (!taken) /* replies would go to the wrong callers */
        redis_link_drop(redis->link, "takes no more");
}

/* What waits for the end of the turn, unless it must not. */
static int sent(struct redis *redis, int err)
{
    if (err == 0 && redis->options.alone && redis_link_is_up(redis->link))
        flush(redis);
    return err;
}

/* Empty between flushes. */
struct buf *redis_draft(struct redis *redis)
{
    return &redis->out;
}

int redis_send_draft(struct redis *redis, struct redis_script *script,
                     const struct redis_call *call)
{
    int err = send_wire(redis, script, call, buf_span(&redis->out));

    redis->out.len = 0;
    return sent(redis, err);
}

int redis_send(struct redis *redis, const struct redis_call *call)
{
    resp_append(redis_draft(redis), call->argv, call->argc);
    return redis_send_draft(redis, NULL, call);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct redis *redis = prepare->data;

    bool is_idle =
        list_is_empty(&redis->waiting) && list_is_empty(&redis->reloading);

    if (!is_idle && redis_link_is_up(redis->link))
        flush(redis);
}

static void on_up(void *arg)
{
    struct redis *redis = arg;

    redis->tripped = false;
    redis->late_in_a_row = 0;
    redis_link_proven(redis->link);
    metrics_set(redis->up, 1);
    metrics_add(redis->links, 1);
}

static void free_command(struct command *command)
{
    list_remove(&command->node);
    wheel_stop(wheel_of(command->redis), &command->timer);
    command->redis->pending--;
    mem_free(command);
}

/* End a command that is nobody's by now, or tell whose it is. */
static void end_command(struct command *command, int status,
                        const struct redisReply *reply)
{
    redis_reply_cb cb = command->cb;
    void *arg = command->arg;

    free_command(command);
    if (cb)
        cb(arg, status, reply);
}

static bool is_noscript(const struct command *command,
                        const struct redisReply *reply)
{
    return command->script && reply->type == REDIS_REPLY_ERROR &&
           strncmp(reply->str, "NOSCRIPT", 8) == 0;
}

/*
 * "EVALSHA <sha> …" goes again as "EVAL <source> …", which loads it; what
 * follows the SHA is the same.  It keeps its deadline.
 */
static void send_source(struct redis *redis, struct command *command)
{
    struct span wire = {command->wire, command->len};
    struct span head = SPAN("$7\r\nEVALSHA\r\n$40\r\n");
    size_t count = span_find(wire, '\n') + 1;
    struct span rest = span_skip(wire, count + head.len + 40 + 2);
    struct buf again;

    buf_init(&again, MEM_REDIS);
    buf_append(&again, (struct span){wire.ptr, count});
    resp_append_arg(&again, SPAN("EVAL"));
    resp_append_arg(&again, command->script->source);
    buf_append(&again, rest);
    struct command like = *command;
    like.script = NULL;
    free_command(command);
    command = add_command(redis, buf_span(&again), &like);
    list_remove(&command->node);
    list_append(&redis->reloading, &command->node);
    buf_deinit(&again);
}

static void on_reply(void *arg, const struct redisReply *reply)
{
    struct redis *redis = arg;

    redis->late_in_a_row = 0;
    if (list_is_empty(&redis->sent)) {
        redis_link_drop(redis->link, "a reply to nothing");
        return;
    }
    struct command *command =
        LIST_ENTRY(redis->sent.next, struct command, node);
    if (!redis->now_us)
        redis->now_us = clock_mono_us();
    if (redis->seconds)
        metrics_observe(redis->seconds, redis->now_us - command->sent_us);
    if (command->cb && is_noscript(command, reply)) {
        send_source(redis, command);
        return;
    }
    bool error = reply->type == REDIS_REPLY_ERROR;
    if (error)
        metrics_add(redis->failed, 1);
    end_command(command, error ? UV_EPROTO : 0, reply);
}

static void on_read_end(void *arg)
{
    ((struct redis *)arg)->now_us = 0;
}

/*
 * A command that was sent stays in its place for its reply to be matched.  The
 * reply may lie there already: where the process itself was held up, timers run
 * before what came meanwhile is read.  So it has one more turn of the loop.
 */
static void on_late(struct wheel_timer *timer)
{
    struct command *command = LIST_ENTRY(timer, struct command, timer);
    struct redis *redis = command->redis;
    redis_reply_cb cb = command->cb;
    void *arg = command->arg;

    if (command->sent_us && !command->overdue) {
        command->overdue = true;
        wheel_start(wheel_of(redis), timer, 1, on_late);
        return;
    }
    metrics_add(redis->late, 1);
    if (command->sent_us) {
        command->cb = NULL;
        redis->late_in_a_row++;
    } else {
        redis->waiting_bytes -= command->len;
        free_command(command);
    }
    if (redis->late_in_a_row >= TRIP_AFTER) {
        redis->tripped = true;
        redis_link_drop(redis->link, "does not answer");
    }
    cb(arg, UV_ETIMEDOUT, NULL);
}

/* Those that may run twice wait again, before what has come since. */
static void on_down(void *arg)
{
    struct redis *redis = arg;
    struct list sent;
    struct list again;

    metrics_set(redis->up, 0);
    redis->down_since_ms = now_ms(redis);
    redis->now_us = 0;
    list_init(&sent);
    list_init(&again);
    list_move(&redis->reloading, &again);
    list_move(&redis->sent, &sent);
    while (!list_is_empty(&sent)) {
        struct command *command = LIST_ENTRY(sent.next, struct command, node);
        if (command->cb && command->repeatable) {
            command->sent_us = 0;
            redis->waiting_bytes += command->len;
            list_remove(&command->node);
            list_append(&again, &command->node);
            continue;
        }
        if (command->cb)
            metrics_add(redis->lost, 1);
        end_command(command, UV_ECONNRESET, NULL);
    }
    put_before(redis, &again);
}

bool redis_is_up(const struct redis *redis)
{
    return redis_link_is_up(redis->link);
}

const char *redis_reason(const struct redis *redis)
{
    return redis_link_reason(redis->link);
}

const char *redis_warning(const struct redis *redis)
{
    return redis_link_warning(redis->link);
}

static void on_info(void *arg, int status, const struct redisReply *reply)
{
    struct redis *redis = arg;

    if (status == 0 && reply->type == REDIS_REPLY_STRING)
        redis_link_examine(redis->link, (struct span){reply->str, reply->len});
}

void redis_examine(struct redis *redis)
{
    struct span argv[] = {SPAN("INFO"), SPAN("server"), SPAN("memory")};

    redis_send(redis,
               &(struct redis_call){
                   .argv = argv, .argc = 3, .cb = on_info, .arg = redis});
}

void redis_hold(struct redis *redis, bool hold)
{
    redis_link_hold(redis->link, hold);
}

size_t redis_pending(const struct redis *redis)
{
    return redis->pending;
}

static void drop(struct redis *redis)
{
    redis_close_cb cb = redis->close_cb;
    void *arg = redis->close_arg;

    if (--redis->handles > 0)
        return;
    buf_deinit(&redis->out);
    mem_free(redis);
    cb(arg);
}

static void on_prepare_closed(uv_handle_t *handle)
{
    drop(handle->data);
}

static void on_link_closed(void *arg)
{
    struct redis *redis = arg;

    list_move(&redis->reloading, &redis->sent);
    list_move(&redis->waiting, &redis->sent);
    while (!list_is_empty(&redis->sent))
        end_command(LIST_ENTRY(redis->sent.next, struct command, node),
                    UV_ECANCELED, NULL);
    drop(redis);
}

void redis_close(struct redis *redis, redis_close_cb cb, void *arg)
{
    redis->closing = true;
    redis->close_cb = cb;
    redis->close_arg = arg;
    metrics_set(redis->up, 0);
    uv_close((uv_handle_t *)&redis->prepare, on_prepare_closed);
    redis_link_close(redis->link, on_link_closed);
}
