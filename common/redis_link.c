/* redis_link.c - see redis_link.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/redis_link.h"

#define MIN_MAJOR 7
#define HANDSHAKE_MS 2000

enum state { STATE_WAITING, STATE_CONNECTING, STATE_HANDSHAKE, STATE_UP };

struct redis_link {
    struct stream_loop *loop;
    struct redis_options options;
    const struct redis_link_events *events;
    void *arg;
    struct stream *stream;
    struct stream_tls *tls;
    struct resp_reader *reader;
    struct wheel_timer timer; /* of the back-off or the handshake */
    enum state state;
    unsigned attempts, expected; /* replies of the handshake */
    bool closing, reading, held;
    void (*closed)(void *arg);
    char reason[160], warning[160];
};

static void on_open(void *arg);
static void on_read(void *arg, struct span bytes);
static void on_end(void *arg, int err);
static void on_closed(void *arg);
static void on_backoff(struct wheel_timer *timer);

static const struct stream_events stream_events = {
    .on_open = on_open, .on_read = on_read, .on_end = on_end};

static struct wheel *wheel_of(struct redis_link *link)
{
    return stream_loop_wheel(link->loop);
}

static void set_reason(struct redis_link *link, const char *reason)
{
    snprintf(link->reason, sizeof(link->reason), "%s", reason);
}

static void on_late(struct wheel_timer *timer)
{
    redis_link_drop(LIST_ENTRY(timer, struct redis_link, timer),
                    "no answer in time");
}

static void connect_now(struct redis_link *link)
{
    const struct redis_url *url = &link->options.url;
    struct stream_options options = {.events = &stream_events,
                                     .arg = link,
                                     .max_kept = LINK_MAX_KEPT,
                                     .tls = link->tls};

    link->state = STATE_CONNECTING;
    link->reader = resp_reader_create();
    link->stream =
        stream_connect(link->loop, url->host, url->port,
                       url->path[0] ? url->path : NULL, HANDSHAKE_MS, &options);
}

struct redis_link *redis_link_open(struct stream_loop *loop,
                                   const struct redis_options *options,
                                   const struct redis_link_events *events,
                                   void *arg)
{
    struct redis_link *link = mem_zalloc(MEM_REDIS, sizeof(*link));

    link->loop = loop;
    link->options = *options;
    link->events = events;
    link->arg = arg;
    set_reason(link, "connecting");
    if (options->url.tls) {
        link->tls = stream_tls_client(options->tls_ca, link->reason,
                                      sizeof(link->reason));
        if (!link->tls) /* stays away, and says why */
            return link;
    }
    connect_now(link);
    return link;
}

bool redis_link_is_up(const struct redis_link *link)
{
    return link->state == STATE_UP;
}

const char *redis_link_reason(const struct redis_link *link)
{
    return link->state == STATE_UP ? "" : link->reason;
}

const char *redis_link_warning(const struct redis_link *link)
{
    return link->warning;
}

static void send_handshake(struct redis_link *link)
{
    const struct redis_url *url = &link->options.url;
    struct buf out;
    char db[8];

    buf_init(&out, MEM_REDIS);
    if (url->password[0] && url->user[0])
        resp_append(&out,
                    (struct span[]){SPAN("AUTH"), span_str(url->user),
                                    span_str(url->password)},
                    3);
    else if (url->password[0])
        resp_append(&out,
                    (struct span[]){SPAN("AUTH"), span_str(url->password)}, 2);
    snprintf(db, sizeof(db), "%u", url->db);
    resp_append(&out, (struct span[]){SPAN("SELECT"), span_str(db)}, 2);
    resp_append(&out, (struct span[]){SPAN("INFO")}, 1);
    link->expected = url->password[0] ? 3 : 2;
    stream_write(link->stream, buf_span(&out));
    explicit_bzero(out.ptr, out.len);
    buf_deinit(&out);
}

static void on_open(void *arg)
{
    struct redis_link *link = arg;

    link->state = STATE_HANDSHAKE;
    wheel_start(wheel_of(link), &link->timer, HANDSHAKE_MS, on_late);
    send_handshake(link);
}

/* The value of a line "name:value" of INFO. */
static struct span info_value(struct span info, struct span name)
{
    struct span line;

    while (span_cut(&info, '\n', &line))
        if (span_has_prefix(line, name)) {
            struct span value = span_skip(line, name.len);
            return (struct span){value.ptr, span_find(value, '\r')};
        }
    return SPAN("");
}

void redis_link_examine(struct redis_link *link, struct span info)
{
    struct span version = info_value(info, SPAN("redis_version:"));
    struct span policy = info_value(info, SPAN("maxmemory_policy:"));

    link->warning[0] = '\0';
    if (version.len && strtol(version.ptr, NULL, 10) < MIN_MAJOR)
        snprintf(link->warning, sizeof(link->warning),
                 "Redis %.*s is too old: %d is the oldest that will do",
                 (int)version.len, version.ptr, MIN_MAJOR);
    else if (policy.len && !span_eq(policy, SPAN("noeviction")))
        snprintf(link->warning, sizeof(link->warning),
                 "Redis evicts: maxmemory-policy is %.*s, not noeviction",
                 (int)policy.len, policy.ptr);
}

static void take_handshake(struct redis_link *link,
                           const struct redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR) {
        redis_link_drop(link, reply->str);
        return;
    }
    if (--link->expected > 0)
        return;
    redis_link_examine(link, (struct span){reply->str, reply->len});
    wheel_stop(wheel_of(link), &link->timer);
    link->state = STATE_UP;
    link->events->on_up(link->arg);
}

/* Replies until there is no whole one, or the link is given up meanwhile. */
static int take_replies(struct redis_link *link, struct stream *stream)
{
    while (link->stream == stream && !link->closing) {
        struct redisReply *reply;
        int err = resp_reader_next(link->reader, &reply);
        if (err < 0 || !reply)
            return err;
        if (link->state == STATE_HANDSHAKE)
            take_handshake(link, reply);
        else
            link->events->on_reply(link->arg, reply);
    }
    return 0;
}

static void on_read(void *arg, struct span bytes)
{
    struct redis_link *link = arg;
    struct stream *stream = link->stream;
    struct resp_reader *reader = link->reader;

    link->reading = true;
    int err = resp_reader_feed(reader, bytes);
    if (err == 0)
        err = take_replies(link, stream);
    link->reading = false;
    if (link->reader != reader)
        resp_reader_destroy(reader);
    if (link->closing || link->stream != stream)
        return;
    if (err < 0)
        redis_link_drop(link, "not the protocol of Redis");
    else if (link->state == STATE_UP && link->events->on_read_end)
        link->events->on_read_end(link->arg);
}

static void on_end(void *arg, int err)
{
    redis_link_drop(arg, err ? uv_strerror(err) : "connection closed");
}

/* A broken stream ends its reading as well: on_end() follows. */
bool redis_link_write(struct redis_link *link, struct span bytes)
{
    return stream_write(link->stream, bytes) != UV_ENOBUFS;
}

size_t redis_link_unsent(const struct redis_link *link)
{
    return link->stream ? stream_kept(link->stream) : 0;
}

void redis_link_proven(struct redis_link *link)
{
    link->attempts = 0;
}

/* Half of the wait at least, the rest by chance: not everybody at once. */
static uint64_t backoff_ms(struct redis_link *link)
{
    unsigned doublings = link->attempts < 6 ? link->attempts : 6;
    uint64_t ms = (uint64_t)LINK_BACKOFF_FIRST_MS << doublings;
    uint32_t random = 0;

    link->attempts++;
    if (ms > LINK_BACKOFF_MAX_MS)
        ms = LINK_BACKOFF_MAX_MS;
    getrandom(&random, sizeof(random), GRND_NONBLOCK);
    return ms / 2 + random % (ms / 2 + 1);
}

/* Forget the stream: it closes by itself, and tells nobody any more. */
static void release_stream(struct redis_link *link)
{
    stream_close(link->stream, NULL);
    link->stream = NULL;
    if (!link->reading) /* else on_read() is still at it */
        resp_reader_destroy(link->reader);
    link->reader = NULL;
}

void redis_link_drop(struct redis_link *link, const char *reason)
{
    bool was_up = link->state == STATE_UP;

    if (!link->stream || link->closing)
        return;
    set_reason(link, reason);
    release_stream(link);
    link->state = STATE_WAITING;
    if (!link->held)
        wheel_start(wheel_of(link), &link->timer, backoff_ms(link), on_backoff);
    if (was_up)
        link->events->on_down(link->arg);
}

void redis_link_hold(struct redis_link *link, bool hold)
{
    link->held = hold;
    if (hold && link->stream)
        redis_link_drop(link, "cut off by the lab");
    else if (hold)
        wheel_stop(wheel_of(link), &link->timer);
    else if (!link->stream)
        wheel_start(wheel_of(link), &link->timer, 0, on_backoff);
}

static void on_backoff(struct wheel_timer *timer)
{
    connect_now(LIST_ENTRY(timer, struct redis_link, timer));
}

static void free_link(struct redis_link *link)
{
    void (*closed)(void *arg) = link->closed;
    void *arg = link->arg;

    stream_tls_unref(link->tls);
    explicit_bzero(&link->options.url, sizeof(link->options.url));
    mem_free(link);
    closed(arg);
}

static void on_free(struct wheel_timer *timer)
{
    free_link(LIST_ENTRY(timer, struct redis_link, timer));
}

static void on_closed(void *arg)
{
    free_link(arg);
}

void redis_link_close(struct redis_link *link, void (*cb)(void *arg))
{
    link->closing = true;
    link->closed = cb;
    wheel_stop(wheel_of(link), &link->timer);
    if (!link->stream) {
        wheel_start(wheel_of(link), &link->timer, 0, on_free);
        return;
    }
    if (!link->reading)
        resp_reader_destroy(link->reader);
    link->reader = NULL;
    stream_close(link->stream, on_closed);
    link->stream = NULL;
}
