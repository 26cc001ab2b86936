/*
 * server.c - see server.h: listeners, load, what is counted, and the end.
 *
 * Loop lag is how much later than asked a timer of LAG_PERIOD_MS runs.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/server_internal.h"

#define LAG_PERIOD_MS 100
#define LAG_TICKS 5 /* late ones in a row: a hiccup is no overload */
#define BACKLOG 4096
#define SECOND_MS 1000
#define SLOW_FOR_US UINT64_C(60000000) /* a slow request is recent */

static void on_connection(uv_stream_t *stream, int status);
static void on_prepare(uv_prepare_t *prepare);
static void on_lag(struct wheel_timer *timer);
static void forget_slow(struct server *server, uint64_t now_us);

static void open_metrics(struct server *server)
{
    struct metrics *metrics = server->options.metrics;
    const char *service = server->options.service;
    size_t routes = router_count(server->options.router) + 1;
    char name[128];

    server->counts = mem_zalloc(MEM_APP, routes * SERVER_COUNTED *
                                             sizeof(server->counts[0]));
    server->times =
        mem_zalloc(MEM_APP, routes * sizeof(struct metrics_histogram *));
    snprintf(name, sizeof(name), "%s_connections", service);
    server->gauge_conns =
        metrics_cell(metrics, METRICS_GAUGE, name, "", "Open connections.");
    snprintf(name, sizeof(name), "%s_loop_lag_seconds", service);
    server->lag = metrics_histogram(metrics, name, "",
                                    "How late a timer of the loop ran.");
    snprintf(name, sizeof(name), "%s_shed_total", service);
    server->shed = metrics_cell(metrics, METRICS_COUNTER, name, "",
                                "Requests refused for overload.");
}

struct server *server_open(struct stream_loop *loop,
                           const struct server_options *options)
{
    struct server *server = mem_zalloc(MEM_APP, sizeof(*server));
    struct hash_key random = hash_random_key();

    assert(options->max_head <= HTTP_MAX_HEAD && options->metrics);
    server->loop = loop;
    server->wheel = stream_loop_wheel(loop);
    server->options = *options;
    server->limits = (struct http_limits){
        .max_line = options->max_request_line,
        .max_header = options->max_header,
        .max_head = options->max_head,
        .max_headers = options->max_headers < HTTP_MAX_HEADERS
                           ? options->max_headers
                           : HTTP_MAX_HEADERS};
    list_init(&server->listeners);
    list_init(&server->conns);
    list_init(&server->guests);
    list_init(&server->dirty);
    for (size_t i = 0; i < SERVER_ADDRESSES; i++)
        list_init(&server->addresses[i]);
    server->address_key = hash_random_key();
    buf_init(&server->out, MEM_CONN);
    server->chunks =
        (struct arena_pool){.size = REQUEST_CHUNK, .max = REQUEST_CHUNKS};
    server->span_base = random.k1 >> 1 | 1; /* never 0, whatever is added */
    snprintf(server->id_prefix, sizeof(server->id_prefix), "%016llx",
             (unsigned long long)random.k0);
    open_metrics(server);
    uv_prepare_init(stream_loop_uv(loop), &server->prepare);
    server->prepare.data = server;
    uv_prepare_start(&server->prepare, on_prepare);
    uv_unref((uv_handle_t *)&server->prepare);
    uv_idle_init(stream_loop_uv(loop), &server->idle);
    server->idle.data = server;
    server->handles = 2;
    wheel_start(server->wheel, &server->lag_timer, LAG_PERIOD_MS, on_lag);
    return server;
}

static void on_idle(uv_idle_t *idle)
{
    uv_idle_stop(idle);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct server *server = prepare->data;

    conn_flush_dirty(server);
    if (!list_is_empty(&server->dirty))
        uv_idle_start(&server->idle, on_idle);
}

/* How late this runs beyond the tick it was meant for. */
static void on_lag(struct wheel_timer *timer)
{
    struct server *server = LIST_ENTRY(timer, struct server, lag_timer);
    uint64_t now_us = clock_mono_us();
    uint64_t due_us = server->lag_from_us + LAG_PERIOD_MS * UINT64_C(1000);

    if (server->lag_from_us)
        server->lag_us = now_us > due_us + 1000 ? now_us - due_us : 0;
    server->lag_from_us = now_us;
    if (server->lag_us > server->lag_max_us)
        server->lag_max_us = server->lag_us;
    metrics_observe(server->lag, server->lag_us);
    server->late_ticks = server->lag_us > server->options.max_lag_us
                             ? server->late_ticks + 1
                             : 0;
    forget_slow(server, now_us);
    wheel_start(server->wheel, timer, LAG_PERIOD_MS, on_lag);
}

bool server_is_overloaded(struct server *server)
{
    const struct server_options *options = &server->options;

    if (options->max_memory &&
        mem_live(MEM_CONN) + mem_live(MEM_REQUEST) > options->max_memory)
        return true;
    return (options->max_lag_us && server->late_ticks >= LAG_TICKS) ||
           (options->max_inflight && server->inflight > options->max_inflight);
}

const char *server_date_line(struct server *server)
{
    uint64_t now = uv_now(stream_loop_uv(server->loop)) / SECOND_MS;
    char date[CLOCK_HTTP_LEN + 1];

    if (server->date_s != now || !server->date_line[0]) {
        clock_format_http(clock_wall_ms(), date);
        snprintf(server->date_line, sizeof(server->date_line),
                 "Date: %s\r\nX-Request-Id: ", date);
        server->date_s = now;
    }
    return server->date_line;
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;
    struct server *server = listener->server;

    stream_tls_unref(listener->tls);
    mem_free(listener);
    server->handles--;
    server_conn_gone(server);
}

int server_listen(struct server *server, uv_os_sock_t fd,
                  struct stream_tls *tls)
{
    struct listener *listener = mem_zalloc(MEM_CONN, sizeof(*listener));

    listener->server = server;
    listener->tls = tls;
    uv_tcp_init(stream_loop_uv(server->loop), &listener->tcp);
    listener->handle.data = listener;
    if (tls)
        stream_tls_ref(tls);
    server->handles++;
    list_append(&server->listeners, &listener->node);
    int err = uv_tcp_open(&listener->tcp, fd);
    if (err == 0)
        err = uv_listen(&listener->stream, BACKLOG, on_connection);
    if (err < 0) {
        list_remove(&listener->node);
        uv_close(&listener->handle, on_listener_closed);
    }
    return err;
}

void server_set_tls(struct server *server, struct stream_tls *tls)
{
    for (struct list *n = server->listeners.next; n != &server->listeners;
         n = n->next) {
        struct listener *listener = LIST_ENTRY(n, struct listener, node);
        if (!listener->tls)
            continue;
        stream_tls_ref(tls);
        stream_tls_unref(listener->tls);
        listener->tls = tls;
    }
}

static void on_connection(uv_stream_t *stream, int status)
{
    if (status == 0)
        conn_accept(stream->data);
}

static void stop_listening(struct server *server)
{
    for (struct list *node; (node = list_pop(&server->listeners));)
        uv_close(&LIST_ENTRY(node, struct listener, node)->handle,
                 on_listener_closed);
}

/* A connection, a request or a handle of ours has gone: is that the last? */
void server_conn_gone(struct server *server)
{
    if (server->conn_count)
        return;
    if (server->draining && server->on_drained) {
        void (*cb)(void *arg) = server->on_drained;
        server->on_drained = NULL;
        wheel_stop(server->wheel, &server->drain_timer);
        cb(server->drained_arg);
        return;
    }
    if (!server->closing || server->handles || server->inflight)
        return;
    void (*cb)(void *arg) = server->on_closed;
    void *arg = server->closed_arg;
    buf_deinit(&server->out);
    arena_pool_deinit(&server->chunks);
    mem_free(server->counts);
    mem_free(server->times);
    mem_free(server);
    cb(arg);
}

static void drain_guests(struct server *server, uint64_t within_ms)
{
    for (struct list *n = server->guests.next, *next; n != &server->guests;
         n = next) {
        struct server_guest *guest = LIST_ENTRY(n, struct server_guest, node);
        next = n->next;
        guest->events->on_drain(guest, within_ms);
    }
}

void server_guest_gone(struct server_guest *guest)
{
    struct server *server = guest->server;

    list_remove(&guest->node);
    server_address_drop(guest->address);
    server->conn_count--;
    metrics_set(server->gauge_conns, server->conn_count);
    server_conn_gone(server);
}

static void close_conns(struct server *server)
{
    drain_guests(server, 0);
    for (struct list *n = server->conns.next, *next; n != &server->conns;
         n = next) {
        next = n->next;
        conn_close(LIST_ENTRY(n, struct conn, node));
    }
}

static void on_drain_end(struct wheel_timer *timer)
{
    close_conns(LIST_ENTRY(timer, struct server, drain_timer));
}

static void on_drain_idle(struct wheel_timer *timer)
{
    struct server *server = LIST_ENTRY(timer, struct server, drain_timer);

    conn_drain_idle(server);
    wheel_start(server->wheel, timer, server->drain_rest_ms, on_drain_end);
}

static void on_nothing_to_drain(struct wheel_timer *timer)
{
    server_conn_gone(LIST_ENTRY(timer, struct server, drain_timer));
}

void server_drain(struct server *server, uint64_t idle_ms, uint64_t end_ms,
                  void (*cb)(void *arg), void *arg)
{
    server->draining = true;
    server->drain_idle_ms = idle_ms;
    server->drain_rest_ms = end_ms - idle_ms;
    server->on_drained = cb;
    server->drained_arg = arg;
    stop_listening(server);
    drain_guests(server, idle_ms);
    if (server->conn_count)
        wheel_start(server->wheel, &server->drain_timer, idle_ms,
                    on_drain_idle);
    else
        wheel_start(server->wheel, &server->drain_timer, 0,
                    on_nothing_to_drain);
}

uint64_t server_lag_us(const struct server *server, bool most)
{
    return most ? server->lag_max_us : server->lag_us;
}

size_t server_connections(const struct server *server)
{
    return server->conn_count;
}

size_t server_inflight(const struct server *server)
{
    return server->inflight;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct server *server = handle->data;

    server->handles--;
    server_conn_gone(server);
}

void server_close(struct server *server, void (*cb)(void *arg), void *arg)
{
    server->closing = true;
    server->on_drained = NULL;
    server->on_closed = cb;
    server->closed_arg = arg;
    wheel_stop(server->wheel, &server->lag_timer);
    wheel_stop(server->wheel, &server->drain_timer);
    stop_listening(server);
    close_conns(server);
    uv_close((uv_handle_t *)&server->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&server->idle, on_handle_closed);
}

static const char *pattern_of(const struct server *server, size_t index)
{
    return index < router_count(server->options.router)
               ? router_at(server->options.router, index)->pattern
               : "none";
}

/* The index that requests without a route are counted under. */
static size_t index_of(const struct server *server, const struct request *req)
{
    return req->match.route ? req->match.index
                            : router_count(server->options.router);
}

static uint64_t *new_cell(struct server *server, size_t index,
                          const struct request *req)
{
    const char *method =
        req->match.route ? request_method_name(req->head.method) : "none";
    char name[96];
    char labels[METRICS_NAME_MAX];

    snprintf(name, sizeof(name), "%s_http_requests_total",
             server->options.service);
    snprintf(labels, sizeof(labels), "route=\"%s\",method=\"%s\",status=\"%d\"",
             pattern_of(server, index), method, req->status);
    return metrics_cell(server->options.metrics, METRICS_COUNTER, name, labels,
                        "Requests answered.");
}

/* The cell of this answer; the first ones of a route are remembered. */
static uint64_t *count_cell(struct server *server, size_t index,
                            const struct request *req)
{
    struct counted *counted = &server->counts[index * SERVER_COUNTED];

    for (size_t i = 0; i < SERVER_COUNTED; i++, counted++) {
        if (counted->status == req->status &&
            counted->method == req->head.method)
            return counted->cell;
        if (counted->status)
            continue;
        *counted = (struct counted){.status = req->status,
                                    .method = req->head.method,
                                    .cell = new_cell(server, index, req)};
        return counted->cell;
    }
    return new_cell(server, index, req);
}

static struct metrics_histogram *time_cell(struct server *server, size_t index)
{
    char name[96];
    char labels[METRICS_NAME_MAX];

    if (!server->times[index]) {
        snprintf(name, sizeof(name), "%s_http_request_seconds",
                 server->options.service);
        snprintf(labels, sizeof(labels), "route=\"%s\"",
                 pattern_of(server, index));
        server->times[index] =
            metrics_histogram(server->options.metrics, name, labels,
                              "Time from a request's head to its answer.");
    }
    return server->times[index];
}

static struct slow *fastest_of(struct server *server)
{
    struct slow *found = &server->slow[0];

    for (size_t i = 1; i < SERVER_SLOW; i++)
        if (server->slow[i].us < found->us)
            found = &server->slow[i];
    return found;
}

/* What is not recent makes room. */
static void forget_slow(struct server *server, uint64_t now_us)
{
    for (size_t i = 0; i < SERVER_SLOW; i++)
        if (now_us - server->slow[i].at_us > SLOW_FOR_US)
            server->slow[i].us = 0;
    server->slow_floor_us = fastest_of(server)->us;
}

/* In place of the fastest. */
static void note_slow(struct server *server, const struct request *req,
                      uint64_t us, uint64_t now_us)
{
    struct slow *place = fastest_of(server);
    struct span id = request_id(req);
    uint64_t body = req->handled_us ? req->handled_us - req->started_us : us;
    uint64_t wait =
        req->waits_us && req->waits_us < now_us ? now_us - req->waits_us : 0;

    *place =
        (struct slow){.us = us,
                      .at_us = now_us,
                      .body_us = body,
                      .handler_us = us > body + wait ? us - body - wait : 0,
                      .wait_us = wait,
                      .status = req->status,
                      .route = index_of(server, req)};
    snprintf(place->id, sizeof(place->id), "%.*s", (int)id.len, id.ptr);
    server->slow_floor_us = fastest_of(server)->us;
}

static void log_request(const struct server *server, const struct request *req,
                        uint64_t us)
{
    log_write(LOG_INFO, "request",
              LOG_STR("method", request_method_name(req->head.method)),
              LOG_TEXT("path", req->head.path),
              LOG_STR("route", pattern_of(server, index_of(server, req))),
              LOG_NUMBER("status", req->status), LOG_NUMBER("us", (int64_t)us),
              LOG_TEXT("request_id", request_id(req)),
              LOG_TEXT("trace_id", request_trace_id(req)));
}

/* What is answered within one read has one time. */
static uint64_t answer_time(struct server *server, const struct request *req)
{
    if (!req->conn || !req->conn->corked)
        return clock_mono_us();
    if (!server->now_us)
        server->now_us = clock_mono_us();
    return server->now_us;
}

void server_count(struct server *server, const struct request *req)
{
    size_t index = index_of(server, req);

    metrics_add(count_cell(server, index, req), 1);
    if (!req->started_us) /* refused before it was a request */
        return;
    uint64_t now_us = answer_time(server, req);
    uint64_t us = now_us - req->started_us;
    metrics_observe(time_cell(server, index), us);
    if (us > server->slow_floor_us)
        note_slow(server, req, us, now_us);
    if (server->options.access_log)
        log_request(server, req, us);
}

static void put_slow(struct json_writer *w, const struct server *server,
                     const struct slow *slow, uint64_t now_us)
{
    json_put_open(w, '{');
    json_put_key(w, "request_id");
    json_put_string(w, span_str(slow->id));
    json_put_key(w, "route");
    json_put_string(w, span_str(pattern_of(server, slow->route)));
    json_put_key(w, "status");
    json_put_int(w, slow->status);
    json_put_key(w, "us");
    json_put_int(w, (int64_t)slow->us);
    json_put_key(w, "body_us");
    json_put_int(w, (int64_t)slow->body_us);
    json_put_key(w, "handler_us");
    json_put_int(w, (int64_t)slow->handler_us);
    json_put_key(w, "wait_us");
    json_put_int(w, (int64_t)slow->wait_us);
    json_put_key(w, "age_ms");
    json_put_int(w, (int64_t)(now_us - slow->at_us) / 1000);
    json_put_close(w, '}');
}

void server_write_slow(const struct server *server, struct buf *out)
{
    struct json_writer w = {.out = out};
    uint64_t now_us = clock_mono_us();

    json_put_open(&w, '[');
    for (size_t i = 0; i < SERVER_SLOW; i++)
        if (server->slow[i].us)
            put_slow(&w, server, &server->slow[i], now_us);
    json_put_close(&w, ']');
}
