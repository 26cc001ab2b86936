/*
 * define.c - PUT /v1/limits/{name}: a limit is made, or changed.
 *
 *   define_limit() -- ZADD rl:limits --> on_listed() -- define.lua -->
 *   on_defined()
 *
 * Listed first: a name without a limit is left out of lists and taken off them
 * by the look that finds it; a limit in no list would be lost to its owner.
 */
#include "common/query.h"
#include "ratelimit/catalog.h"
#include "ratelimit/limit_record.h"
#include "ratelimit/ratelimit.h"
#include "ratelimit/scripts.h"

struct define {
    struct request *req;
    struct ratelimit *app;
    struct limit_text limit;
    struct span name, change;
};

static void on_listed(void *arg, int status, const struct redisReply *reply);
static void on_defined(void *arg, int status, const struct redisReply *reply);

static void read_change(struct define *define, struct json_errors *errors)
{
    static const char *const parameters[] = {"on_change"};
    static const char *const names[] = {"keep", "scale", "reset"};
    struct span text;

    query_take(request_arena(define->req), request_query_string(define->req),
               parameters, 1, &text, errors);
    define->change = text.ptr ? text : SPAN("keep");
    for (size_t i = 0; i < 3; i++)
        if (span_eq(define->change, span_str(names[i])))
            return;
    json_errors_add(errors, "/on_change", "one of keep, scale and reset");
}

static bool read_input(struct define *define)
{
    const json_t *document = request_read_document(define->req);
    struct json_errors errors;

    if (!document)
        return false;
    json_errors_init(&errors);
    read_change(define, &errors);
    limit_from_json(document, false, &define->limit, &errors);
    if (errors.count)
        request_invalid(define->req, &errors);
    return errors.count == 0;
}

void define_limit(struct request *req, void *arg)
{
    struct define *define = arena_zalloc(request_arena(req), sizeof(*define));

    *define = (struct define){
        .req = req, .app = arg, .name = request_param(req, "name")};
    if (!limit_name_may_change(define->app, req, define->name) ||
        !read_input(define))
        return;
    memcpy(define->limit.spec.name, define->name.ptr, define->name.len);
    struct span argv[] = {SPAN("ZADD"), SPAN(LIMITS_KEY), SPAN("0"),
                          define->name};
    int err = redis_send(app_redis(define->app->app),
                         &(struct redis_call){.key = argv[1],
                                              .argv = argv,
                                              .argc = 4,
                                              .repeatable = true,
                                              .cb = on_listed,
                                              .arg = define});
    if (err < 0)
        request_fail(req, err);
}

static void on_listed(void *arg, int status, const struct redisReply *reply)
{
    struct define *define = arg;
    struct arena *arena = request_arena(define->req);
    struct span argv[3 + 2 * RECORD_FIELDS] = {
        limit_record_key(arena, define->name), define->change, SPAN("8")};

    (void)reply;
    _Static_assert(RECORD_EARLIER == 8, "spelled out above");
    limit_record_write(arena, &define->limit, argv + 3);
    if (status == 0)
        status = redis_eval(app_redis(define->app->app), &script_define, 1,
                            &(struct redis_call){.key = define->name,
                                                 .argv = argv,
                                                 .argc = 3 + 2 * RECORD_FIELDS,
                                                 .repeatable = true,
                                                 .cb = on_defined,
                                                 .arg = define});
    if (status < 0)
        request_fail(define->req, status);
}

static void on_defined(void *arg, int status, const struct redisReply *reply)
{
    struct define *define = arg;
    struct buf json;
    struct json_writer w = {.out = &json};

    if (status == 0 &&
        (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2))
        status = UV_EPROTO;
    if (status < 0) {
        request_fail(define->req, status);
        return;
    }
    catalog_invalidate(define->app->catalog, define->name); /* ours at once */
    define->limit.spec.numbers.version = (uint64_t)reply->element[1]->integer;
    buf_init(&json, MEM_REQUEST);
    limit_put_json(&w, &define->limit.spec, define->limit.description);
    request_reply_json(define->req, reply->element[0]->integer ? 201 : 200,
                       buf_span(&json));
    buf_deinit(&json);
}
