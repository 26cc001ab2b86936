/* app_routes.c - the routes that every service has. */
#include <stdio.h>
#include <unistd.h>

#include "common/app_internal.h"
#include "common/clock.h"
#include "common/hash.h"
#include "common/web.h"

/*
 * The process's one app.  Handlers are given the service's state, because
 * nearly all handlers are the service's; these ask here.
 */
static struct app *bound;

void app_routes_bind(struct app *app)
{
    bound = app;
}

/* A JSON object in the request's own memory. */
struct answer {
    struct buf text;
    struct json_writer writer;
};

static struct json_writer *begin(struct answer *answer)
{
    buf_init(&answer->text, MEM_REQUEST);
    answer->writer = (struct json_writer){.out = &answer->text};
    json_put_open(&answer->writer, '{');
    return &answer->writer;
}

static void finish(struct answer *answer, struct request *req, int status)
{
    json_put_close(&answer->writer, '}');
    request_reply_json(req, status, buf_span(&answer->text));
    buf_deinit(&answer->text);
}

static void put_text(struct json_writer *w, const char *key, const char *text)
{
    json_put_key(w, key);
    json_put_string(w, span_str(text));
}

static void put_number(struct json_writer *w, const char *key, uint64_t number)
{
    json_put_key(w, key);
    json_put_int(w, (int64_t)number);
}

static void healthz(struct request *req, void *arg)
{
    const struct app *app = bound;
    struct answer answer;
    struct json_writer *w = begin(&answer);

    put_text(w, "status", "ok");
    put_text(w, "service", app->service->name);
    put_text(w, "version", app_version());
    put_text(w, "build", app_build_id());
    put_text(w, "node", app->node_id);
    put_number(w, "worker", (uint64_t)app->post.slot);
    put_number(w, "nodes", app->nodes ? nodes_count(app->nodes) : 0);
    put_number(w, "pid", (uint64_t)getpid());
    if (app->pubsub != NULL) {
        json_put_key(w, "tracking");
        json_put_bool(w, pubsub_is_live(app->pubsub));
    }
    if (app->options.lab) {
        json_put_key(w, "lab");
        json_put_bool(w, true);
    }
    put_number(w, "uptime_s", (clock_mono_us() - app->started_us) / 1000000);
    if (app->service->health != NULL)
        app->service->health(arg, w);
    request_add_header(req, "Cache-Control", SPAN("no-store"));
    finish(&answer, req, 200);
}

/* Readiness. */

static size_t put_reason(struct json_writer *w, const char *what,
                         const char *detail)
{
    char text[APP_REASON_MAX];

    snprintf(text, sizeof(text), "%s%s", what, detail);
    json_put_string(w, span_str(text));
    return 1;
}

static size_t put_shared_reason(const struct app *app, struct json_writer *w)
{
    char text[64];

    if (app->shared == APP_SHARED_MISMATCH) {
        snprintf(text, sizeof(text), "Redis says %llu, this build has %d",
                 (unsigned long long)app->partitions, HASH_PARTITIONS);
        return put_reason(w, "partitions: ", text);
    }
    if (app->service->secrets != NULL && !app->secrets_known)
        return put_reason(w, "secrets: ", "not loaded");
    if (app->shared == APP_SHARED_WAITING)
        return put_reason(w, "partitions: ", "not known");
    return 0;
}

/* How many reasons there are against sending requests here. */
static size_t put_reasons(const struct app *app, struct json_writer *w)
{
    size_t count = 0;

    if (app->draining)
        count += put_reason(w, "draining", "");
    if (!redis_is_up(app->redis))
        count += put_reason(w, "redis: ", redis_reason(app->redis));
    else if (redis_warning(app->redis)[0])
        count += put_reason(w, "redis: ", redis_warning(app->redis));
    return count + put_shared_reason(app, w);
}

static void readyz(struct request *req, void *arg)
{
    struct answer answer;
    struct json_writer *w = begin(&answer);
    size_t reasons;

    (void)arg;
    json_put_key(w, "reasons");
    json_put_open(w, '[');
    reasons = put_reasons(bound, w);
    json_put_close(w, ']');
    put_text(w, "status", reasons ? "not ready" : "ready");
    request_add_header(req, "Cache-Control", SPAN("no-store"));
    if (reasons)
        request_add_header(req, "Retry-After", SPAN("1"));
    finish(&answer, req, reasons ? 503 : 200);
}

static void metrics(struct request *req, void *arg)
{
    struct buf text;

    (void)arg;
    app_turns_sample(bound);
    buf_init(&text, MEM_REQUEST);
    metrics_write(bound->metrics, &text);
    request_reply(req, 200, "text/plain; version=0.0.4; charset=utf-8",
                  buf_span(&text));
    buf_deinit(&text);
}

/* Compiled-in files. */

static void reply_file(struct request *req, const struct web_file *file)
{
    if (file)
        web_reply_file(req, file);
    else
        request_fail(req, UV_ENOENT);
}

static void openapi(struct request *req, void *arg)
{
    (void)arg;
    reply_file(req, bound->service->openapi);
}

static void page(struct request *req, void *arg)
{
    (void)arg;
    reply_file(req, bound->service->page);
}

static void lab_style(struct request *req, void *arg)
{
    (void)arg;
    reply_file(req, &web_lab_css);
}

static void lab_script(struct request *req, void *arg)
{
    (void)arg;
    reply_file(req, &web_lab_js);
}

/* --lab: this worker without its Redis, and with it again. */
static void lab_redis(struct request *req, void *arg)
{
    static const struct json_field fields[] = {
        {"cut", JSON_KIND_BOOLEAN, true, false, 0, 0, 0}};
    struct json_value cut;

    (void)arg;
    if (!bound->options.lab) {
        request_fail(req, UV_ENOENT);
        return;
    }
    if (!request_read_json(req, fields, 1, &cut))
        return;
    redis_hold(bound->redis, cut.flag);
    if (bound->pubsub != NULL)
        pubsub_hold(bound->pubsub, cut.flag);
    request_reply(req, 204, NULL, (struct span){0});
}

/* Debugging. */

static void debug_loop(struct request *req, void *arg)
{
    struct answer answer;
    struct json_writer *w = begin(&answer);

    (void)arg;
    put_number(w, "worker", (uint64_t)bound->post.slot);
    put_number(w, "connections", server_connections(bound->server));
    put_number(w, "inflight", server_inflight(bound->server));
    put_number(w, "redis_pending", redis_pending(bound->redis));
    put_number(w, "lag_us", server_lag_us(bound->server, false));
    put_number(w, "lag_max_us", server_lag_us(bound->server, true));
    app_turns_write(bound, w);
    finish(&answer, req, 200);
}

static void debug_memory(struct request *req, void *arg)
{
    struct answer answer;
    struct json_writer *w = begin(&answer);
    uint64_t live = 0;
    size_t resident = 0;

    (void)arg;
    json_put_key(w, "live_bytes");
    json_put_open(w, '{');
    for (int tag = 0; tag < MEM_TAGS; tag++) {
        put_number(w, mem_tag_name((enum mem_tag)tag),
                   mem_live((enum mem_tag)tag));
        live += mem_live((enum mem_tag)tag);
    }
    json_put_close(w, '}');
    put_number(w, "live_total", live);
    uv_resident_set_memory(&resident);
    put_number(w, "resident", resident);
    finish(&answer, req, 200);
}

static void debug_slow(struct request *req, void *arg)
{
    struct buf text;

    (void)arg;
    buf_init(&text, MEM_REQUEST);
    server_write_slow(bound->server, &text);
    request_reply_json(req, 200, buf_span(&text));
    buf_deinit(&text);
}

const struct route app_routes[] = {
    {REQUEST_GET, "/", NULL, page, ROUTE_PAGE},
    {REQUEST_GET, "/lab.css", NULL, lab_style, 0},
    {REQUEST_GET, "/lab.js", NULL, lab_script, 0},
    {REQUEST_GET, "/healthz", NULL, healthz, ROUTE_ALWAYS},
    {REQUEST_GET, "/readyz", NULL, readyz, ROUTE_ALWAYS},
    {REQUEST_GET, "/metrics", NULL, metrics, ROUTE_LOCAL | ROUTE_ALWAYS},
    {REQUEST_GET, "/openapi.yaml", NULL, openapi, 0},
    {REQUEST_POST, "/lab/redis", NULL, lab_redis, ROUTE_LOCAL},
    {REQUEST_GET, "/debug/loop", NULL, debug_loop, ROUTE_LOCAL},
    {REQUEST_GET, "/debug/memory", NULL, debug_memory, ROUTE_LOCAL},
    {REQUEST_GET, "/debug/slow", NULL, debug_slow, ROUTE_LOCAL},
    {0},
};
