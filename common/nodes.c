/*
 * nodes.c - see nodes.h.
 *
 * At most one beat is out at a time, and none when the node leaves: a beat
 * that Redis runs behind the HDEL would bring it back.  The last answer that
 * is out frees all, so that nothing calls into freed memory.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/common_scripts.h"
#include "common/mem.h"
#include "common/nodes.h"

#define NODE_FIELDS 6 /* of nodes_list.lua */
#define LEAVE_MS 1000 /* for all of nodes_close() */
#define NUMBER_MAX 21

struct nodes {
    struct stream_loop *loop;
    struct redis *redis;
    struct wheel_timer timer; /* the next beat, or the close's turn */
    char *key, *id, *address, *version;
    uint64_t (*load)(void *arg);
    void *load_arg;
    uint64_t started;  /* as Redis has told; 0: not yet */
    uint64_t told_at;  /* when count was, by the loop's clock */
    uint64_t leave_by; /* when closing */
    size_t count;
    unsigned out; /* answers still to come */
    bool beating; /* a beat is among them */
    bool closing, left;
    void (*close_cb)(void *arg);
    void *close_arg;
};

struct nodes_query {
    struct nodes *nodes;
    nodes_list_cb cb;
    void *arg;
};

static void on_beat(struct wheel_timer *timer);
static void on_counted(void *arg, int status, const struct redisReply *reply);
static void on_listed(void *arg, int status, const struct redisReply *reply);
static void on_leave(struct wheel_timer *timer);
static void on_left(void *arg, int status, const struct redisReply *reply);

static char *copy(const char *text)
{
    size_t size = strlen(text) + 1;

    return memcpy(mem_alloc(MEM_APP, size), text, size);
}

/* A blank would end the field; an empty one would vanish. */
static bool is_field(const char *text)
{
    return text[0] != '\0' && text[strcspn(text, " \t\r\n\v\f")] == '\0';
}

struct nodes *nodes_open(struct stream_loop *loop, struct redis *redis,
                         const struct nodes_options *options)
{
    static const char prefix[] = "nodes:";
    struct nodes *nodes = mem_zalloc(MEM_APP, sizeof(*nodes));
    size_t size = sizeof(prefix) + strlen(options->service);

    assert(options->id[0] && is_field(options->address) &&
           is_field(options->version));
    *nodes = (struct nodes){.loop = loop,
                            .redis = redis,
                            .key = mem_alloc(MEM_APP, size),
                            .id = copy(options->id),
                            .address = copy(options->address),
                            .version = copy(options->version),
                            .load = options->load,
                            .load_arg = options->arg};
    snprintf(nodes->key, size, "%s%s", prefix, options->service);
    wheel_start(stream_loop_wheel(loop), &nodes->timer, 0, on_beat);
    return nodes;
}

static struct span number(char out[NUMBER_MAX], uint64_t value)
{
    int len = snprintf(out, NUMBER_MAX, "%llu", (unsigned long long)value);

    return (struct span){out, (size_t)len};
}

static int send_beat(struct nodes *nodes)
{
    char started[NUMBER_MAX];
    char load[NUMBER_MAX];
    char gone[NUMBER_MAX];
    uint64_t now = nodes->load ? nodes->load(nodes->load_arg) : 0;
    const struct span argv[] = {span_str(nodes->key),
                                span_str(nodes->id),
                                number(started, nodes->started),
                                number(load, now),
                                span_str(nodes->version),
                                span_str(nodes->address),
                                number(gone, NODES_GONE_MS)};
    const struct redis_call call = {.key = argv[0],
                                    .argv = argv,
                                    .argc = sizeof(argv) / sizeof(argv[0]),
                                    .timeout_ms = NODES_BEAT_MS,
                                    .cb = on_counted,
                                    .arg = nodes};

    return redis_eval(nodes->redis, &script_nodes_beat, 1, &call);
}

static void on_beat(struct wheel_timer *timer)
{
    struct nodes *nodes = LIST_ENTRY(timer, struct nodes, timer);

    wheel_start(stream_loop_wheel(nodes->loop), timer, NODES_BEAT_MS, on_beat);
    if (nodes->beating || send_beat(nodes) < 0)
        return;
    nodes->beating = true;
    nodes->out++;
}

static void drop(struct nodes *nodes)
{
    void (*cb)(void *arg) = nodes->close_cb;
    void *arg = nodes->close_arg;

    if (nodes->out > 0 || !nodes->left)
        return;
    mem_free(nodes->key);
    mem_free(nodes->id);
    mem_free(nodes->address);
    mem_free(nodes->version);
    mem_free(nodes);
    if (cb)
        cb(arg);
}

static void on_counted(void *arg, int status, const struct redisReply *reply)
{
    struct nodes *nodes = arg;

    nodes->out--;
    nodes->beating = false;
    if (status == 0 && reply->type == REDIS_REPLY_ARRAY &&
        reply->elements == 2 && reply->element[0]->integer > 0) {
        nodes->count = (size_t)reply->element[0]->integer;
        nodes->started = (uint64_t)reply->element[1]->integer;
        nodes->told_at = uv_now(stream_loop_uv(nodes->loop));
    }
    if (nodes->closing)
        wheel_start(stream_loop_wheel(nodes->loop), &nodes->timer, 0, on_leave);
}

size_t nodes_count(const struct nodes *nodes)
{
    uint64_t now = uv_now(stream_loop_uv(nodes->loop));

    return now - nodes->told_at < NODES_GONE_MS ? nodes->count : 0;
}

int nodes_list(struct nodes *nodes, nodes_list_cb cb, void *arg)
{
    struct nodes_query *query = mem_alloc(MEM_APP, sizeof(*query));
    char gone[NUMBER_MAX];
    const struct span argv[] = {span_str(nodes->key),
                                number(gone, NODES_GONE_MS)};
    const struct redis_call call = {.key = argv[0],
                                    .argv = argv,
                                    .argc = 2,
                                    .repeatable = true,
                                    .cb = on_listed,
                                    .arg = query};

    *query = (struct nodes_query){.nodes = nodes, .cb = cb, .arg = arg};
    int err = redis_eval(nodes->redis, &script_nodes_list, 1, &call);
    if (err < 0)
        mem_free(query);
    else
        nodes->out++;
    return err;
}

static struct span text_of(const struct redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING
               ? (struct span){reply->str, reply->len}
               : (struct span){"", 0};
}

static struct node node_of(struct redisReply *const *fields)
{
    struct node node = {.id = text_of(fields[0]),
                        .version = text_of(fields[4]),
                        .address = text_of(fields[5])};

    span_to_u64(text_of(fields[1]), UINT64_MAX, &node.seen_ms);
    span_to_u64(text_of(fields[2]), UINT64_MAX, &node.started_ms);
    span_to_u64(text_of(fields[3]), UINT64_MAX, &node.load);
    return node;
}

static void on_listed(void *arg, int status, const struct redisReply *reply)
{
    struct nodes_query query = *(struct nodes_query *)arg;
    struct node *list = NULL;
    size_t count = 0;

    mem_free(arg);
    if (status == 0 && reply->type == REDIS_REPLY_ARRAY)
        count = reply->elements / NODE_FIELDS;
    if (count)
        list = mem_alloc(MEM_APP, count * sizeof(*list));
    for (size_t i = 0; i < count; i++)
        list[i] = node_of(reply->element + i * NODE_FIELDS);
    query.cb(query.arg, status, list, count);
    mem_free(list);
    query.nodes->out--;
    drop(query.nodes);
}

void nodes_close(struct nodes *nodes, void (*cb)(void *arg), void *arg)
{
    assert(!nodes->closing);
    nodes->closing = true;
    nodes->close_cb = cb;
    nodes->close_arg = arg;
    nodes->leave_by = uv_now(stream_loop_uv(nodes->loop)) + LEAVE_MS;
    wheel_stop(stream_loop_wheel(nodes->loop), &nodes->timer);
    if (!nodes->beating)
        wheel_start(stream_loop_wheel(nodes->loop), &nodes->timer, 0, on_leave);
}

static void on_leave(struct wheel_timer *timer)
{
    struct nodes *nodes = LIST_ENTRY(timer, struct nodes, timer);
    uint64_t now = uv_now(stream_loop_uv(nodes->loop));
    const struct span argv[] = {SPAN("HDEL"), span_str(nodes->key),
                                span_str(nodes->id)};
    const struct redis_call call = {
        .key = argv[1],
        .argv = argv,
        .argc = 3,
        .timeout_ms =
            now < nodes->leave_by ? (uint32_t)(nodes->leave_by - now) : 1,
        .cb = on_left,
        .arg = nodes};

    if (redis_send(nodes->redis, &call) == 0) {
        nodes->out++;
        return;
    }
    nodes->left = true; /* the others will see by themselves */
    drop(nodes);
}

static void on_left(void *arg, int status, const struct redisReply *reply)
{
    struct nodes *nodes = arg;

    (void)status, (void)reply;
    nodes->out--;
    nodes->left = true;
    drop(nodes);
}
