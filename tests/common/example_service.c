/*
 * example_service.c - a sixth service in 100 lines: counters by name.
 *
 *   POST /v1/counters/{name}   add one           -> 200 {"name", "value"}
 *   GET  /v1/counters/{name}   what it stands at -> 200, or 404
 *
 * The rest is in common/: options, workers, HTTP, Redis, health, metrics.
 */
#include "common/app.h"
#include "common/hash.h"

struct example {
    struct app *app;
    uint64_t *added;
};

static void on_value(void *arg, int status, const struct redisReply *reply)
{
    struct request *req = arg;
    struct buf json;
    struct json_writer w = {.out = &json};

    if (status < 0) {
        request_fail(req, status); /* 503: away, or past its deadline */
        return;
    }
    if (reply->type == REDIS_REPLY_NIL) {
        request_problem(req, 404, "no-such-counter", NULL, "never counted");
        return;
    }
    buf_init(&json, MEM_REQUEST);
    json_put_open(&w, '{');
    json_put_key(&w, "name");
    json_put_string(&w, request_param(req, "name"));
    json_put_key(&w, "value");
    if (reply->type == REDIS_REPLY_INTEGER)
        json_put_int(&w, reply->integer);
    else
        json_put_raw(&w, (struct span){reply->str, reply->len});
    json_put_close(&w, '}');
    request_reply_json(req, 200, buf_span(&json));
    buf_deinit(&json);
}

static void ask(struct request *req, struct example *example, const char *verb)
{
    struct span name = request_param(req, "name");

    struct span key =
        arena_printf(request_arena(req), "ex:count:{p%03u}:%.*s",
                     hash_partition(name), (int)name.len, name.ptr);
    const struct span argv[] = {span_str(verb), key};
    int err = redis_send(
        app_redis(example->app),
        &(struct redis_call){
            .key = key, .argv = argv, .argc = 2, .cb = on_value, .arg = req});
    if (err < 0)
        request_fail(req, err);
}

static void add(struct request *req, void *arg)
{
    struct example *example = arg;

    metrics_add(example->added, 1);
    app_crash_point(example->app, "before-add");
    ask(req, example, "INCR");
}

static void show(struct request *req, void *arg)
{
    ask(req, arg, "GET");
}

static void *open_example(struct app *app)
{
    struct example *example = mem_alloc(MEM_APP, sizeof(*example));

    *example = (struct example){
        .app = app,
        .added = metrics_cell(app_metrics(app), METRICS_COUNTER,
                              "example_added_total", "", "Calls that add.")};
    return example;
}

int main(int argc, char **argv)
{
    static const struct route routes[] = {
        {REQUEST_POST, "/v1/counters/{name}", NULL, add, 0},
        {REQUEST_GET, "/v1/counters/{name}", NULL, show, 0},
        {0},
    };
    static const char *const secrets[] = {"example", NULL};
    static const struct app_service service = {.name = "example",
                                               .prefix = "ex",
                                               .port = 8109,
                                               .routes = routes,
                                               .secrets = secrets,
                                               .open = open_example,
                                               .close = mem_free};

    return app_run(&service, argc, argv);
}
