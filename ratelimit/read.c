/*
 * read.c - GET /v1/limits/{name} and GET /v1/limits, and DELETE.
 *
 *   read_limit() -- known from a file, or HGETALL --> on_record()
 *   list_limits() -- ZRANGEBYLEX rl:limits -- HGETALL each --> drop()
 *   remove_limit() -- remove.lua, ZREM --> on_removed()
 */
#include "common/query.h"
#include "ratelimit/catalog.h"
#include "ratelimit/limit_record.h"
#include "ratelimit/ratelimit.h"
#include "ratelimit/scripts.h"

struct reading {
    struct request *req;
    struct ratelimit *app;
    struct span name;
};

static void on_record(void *arg, int status, const struct redisReply *reply);

static bool may_read(struct request *req, struct span name)
{
    if (request_allows(req, SPAN("limits:read"), name))
        return true;
    request_problem(req, 403, "forbidden", NULL,
                    "the token's scope does not cover this limit");
    return false;
}

static void refuse_unknown(struct request *req)
{
    request_problem(req, 404, "no-such-limit", NULL,
                    "there is no limit of this name");
}

bool limit_name_may_change(struct ratelimit *app, struct request *req,
                           struct span name)
{
    struct json_errors errors = {0};

    if (!limit_name_is_valid(name)) {
        json_errors_add(&errors, "/name", "1 to %d letters, digits, -, _ and .",
                        LIMIT_NAME_MAX);
        request_invalid(req, &errors);
    } else if (!request_allows(req, SPAN("limits:write"), name)) {
        request_problem(req, 403, "forbidden", NULL,
                        "the token's scope does not cover this limit");
    } else if (catalog_is_of_file(app->catalog, name)) {
        request_problem(req, 409, "limit-of-file", NULL,
                        "this limit stands in the file of --limits");
    } else {
        return true;
    }
    return false;
}

static void reply_limit(struct request *req, const struct limit_spec *spec,
                        struct span description)
{
    struct buf json;
    struct json_writer w = {.out = &json};

    buf_init(&json, MEM_REQUEST);
    limit_put_json(&w, spec, description);
    request_reply_json(req, 200, buf_span(&json));
    buf_deinit(&json);
}

static int ask_record(struct ratelimit *app, struct arena *arena,
                      struct span name, redis_reply_cb cb, void *arg)
{
    struct span argv[] = {SPAN("HGETALL"), limit_record_key(arena, name)};

    return redis_send(app_redis(app->app),
                      &(struct redis_call){.key = name,
                                           .argv = argv,
                                           .argc = 2,
                                           .repeatable = true,
                                           .cb = cb,
                                           .arg = arg});
}

void read_limit(struct request *req, void *arg)
{
    struct ratelimit *app = arg;
    struct reading *reading = arena_alloc(request_arena(req), sizeof(*reading));
    struct limit_spec *spec;

    *reading = (struct reading){req, app, request_param(req, "name")};
    if (!may_read(req, reading->name))
        return;
    if (!limit_name_is_valid(reading->name)) {
        refuse_unknown(req);
        return;
    }
    if (catalog_is_of_file(app->catalog, reading->name) &&
        catalog_find(app->catalog, reading->name, &spec) == CATALOG_KNOWN) {
        reply_limit(req, spec,
                    catalog_description(app->catalog, reading->name));
        return;
    }
    int err =
        ask_record(app, request_arena(req), reading->name, on_record, reading);
    if (err < 0)
        request_fail(req, err);
}

static void on_record(void *arg, int status, const struct redisReply *reply)
{
    struct reading *reading = arg;
    struct span description;

    if (status < 0) {
        request_fail(reading->req, status);
        return;
    }
    struct limit_spec *spec =
        limit_record_read(reply, reading->name, &description);
    if (spec)
        reply_limit(reading->req, spec, description);
    else
        refuse_unknown(reading->req);
    limit_spec_unref(spec);
}

/* ---- lists */

struct listing {
    struct request *req;
    struct ratelimit *app;
    struct entry *entries;
    size_t count;
    uint32_t limit;
    bool first; /* the page that begins with the file's */
    unsigned waiting;
    int status;
    bool more;
};

struct entry {
    struct listing *listing;
    struct span name, json; /* json.ptr NULL: there is none */
};

static void on_names(void *arg, int status, const struct redisReply *reply);
static void on_entry(void *arg, int status, const struct redisReply *reply);

/* Answered, if it has other names, or one twice. */
static bool check_query(struct request *req)
{
    static const char *const names[] = {"limit", "cursor"};
    struct json_errors errors = {0};
    struct span values[2];

    query_take(request_arena(req), request_query_string(req), names, 2, values,
               &errors);
    if (errors.count)
        request_invalid(req, &errors);
    return errors.count == 0;
}

void list_limits(struct request *req, void *arg)
{
    struct arena *arena = request_arena(req);
    struct listing *listing = arena_zalloc(arena, sizeof(*listing));
    struct span cursor;

    listing->req = req;
    listing->app = arg;
    if (!check_query(req) || !request_read_page(req, &listing->limit, &cursor))
        return;
    listing->first = cursor.len == 0;
    struct span from =
        cursor.len ? arena_printf(arena, "(%.*s", (int)cursor.len, cursor.ptr)
                   : SPAN("-");
    struct span argv[] = {SPAN("ZRANGEBYLEX"),
                          SPAN(LIMITS_KEY),
                          from,
                          SPAN("+"),
                          SPAN("LIMIT"),
                          SPAN("0"),
                          arena_printf(arena, "%u", listing->limit + 1)};
    int err = redis_send(app_redis(listing->app->app),
                         &(struct redis_call){.key = argv[1],
                                              .argv = argv,
                                              .argc = 7,
                                              .repeatable = true,
                                              .cb = on_names,
                                              .arg = listing});
    if (err < 0)
        request_fail(req, err);
}

/* A name without a limit: it was removed, or its maker died. */
static void mend(struct listing *listing, const struct entry *entry)
{
    struct span argv[] = {SPAN("ZREM"), SPAN(LIMITS_KEY), entry->name};

    redis_send(app_redis(listing->app->app),
               &(struct redis_call){.key = argv[1],
                                    .argv = argv,
                                    .argc = 3,
                                    .repeatable = true,
                                    .cb = limit_ignore});
}

struct file_writer {
    struct listing *listing;
    struct json_writer *w;
};

static void put_of_file(void *arg, struct limit_spec *spec)
{
    struct file_writer *to = arg;
    struct span name = span_str(spec->name);

    if (request_allows(to->listing->req, SPAN("limits:read"), name))
        limit_put_json(to->w, spec,
                       catalog_description(to->listing->app->catalog, name));
}

static void reply_list(struct listing *listing)
{
    struct buf json;
    struct json_writer w = {.out = &json};
    struct file_writer to = {listing, &w};

    buf_init(&json, MEM_REQUEST);
    json_put_open(&w, '{');
    json_put_key(&w, "items");
    json_put_open(&w, '[');
    if (listing->first)
        catalog_each_of_file(listing->app->catalog, put_of_file, &to);
    for (size_t i = 0; i < listing->count; i++)
        if (listing->entries[i].json.ptr)
            json_put_raw(&w, listing->entries[i].json);
    json_put_close(&w, ']');
    json_put_key(&w, "next");
    if (listing->more)
        json_put_string(&w, listing->entries[listing->count - 1].name);
    else
        json_put_null(&w);
    json_put_close(&w, '}');
    request_reply_json(listing->req, 200, buf_span(&json));
    buf_deinit(&json);
}

static void drop(struct listing *listing)
{
    if (--listing->waiting)
        return;
    if (listing->status < 0)
        request_fail(listing->req, listing->status);
    else
        reply_list(listing);
}

static void ask_entry(struct listing *listing, const struct redisReply *name)
{
    struct arena *arena = request_arena(listing->req);
    struct entry *entry = &listing->entries[listing->count++];

    *entry = (struct entry){
        .listing = listing,
        .name = arena_copy(arena, (struct span){name->str, name->len})};
    if (!request_allows(listing->req, SPAN("limits:read"), entry->name) ||
        catalog_is_of_file(listing->app->catalog, entry->name))
        return;
    int err = ask_record(listing->app, arena, entry->name, on_entry, entry);
    if (err < 0)
        listing->status = err;
    else
        listing->waiting++;
}

static void on_names(void *arg, int status, const struct redisReply *reply)
{
    struct listing *listing = arg;

    if (status == 0 && reply->type != REDIS_REPLY_ARRAY)
        status = UV_EPROTO;
    if (status < 0) {
        request_fail(listing->req, status);
        return;
    }
    listing->entries =
        arena_alloc(request_arena(listing->req),
                    (reply->elements + 1) * sizeof(struct entry));
    listing->more = reply->elements > listing->limit;
    listing->waiting = 1;
    for (size_t i = 0; i < reply->elements && i < listing->limit; i++)
        ask_entry(listing, reply->element[i]);
    drop(listing);
}

static void on_entry(void *arg, int status, const struct redisReply *reply)
{
    struct entry *entry = arg;
    struct listing *listing = entry->listing;
    struct span description;
    struct buf json;
    struct json_writer w = {.out = &json};

    if (status < 0) {
        listing->status = status;
        drop(listing);
        return;
    }
    struct limit_spec *spec =
        limit_record_read(reply, entry->name, &description);
    if (spec) {
        buf_init(&json, MEM_REQUEST);
        limit_put_json(&w, spec, description);
        entry->json = arena_copy(request_arena(listing->req), buf_span(&json));
        buf_deinit(&json);
    } else {
        mend(listing, entry);
    }
    limit_spec_unref(spec);
    drop(listing);
}

/* ---- the end of one */

static void on_removed(void *arg, int status, const struct redisReply *reply)
{
    struct reading *reading = arg;
    struct span argv[] = {SPAN("ZREM"), SPAN(LIMITS_KEY), reading->name};

    if (status < 0) {
        request_fail(reading->req, status);
        return;
    }
    catalog_invalidate(reading->app->catalog, reading->name);
    redis_send(app_redis(reading->app->app),
               &(struct redis_call){.key = argv[1],
                                    .argv = argv,
                                    .argc = 3,
                                    .repeatable = true,
                                    .cb = limit_ignore});
    if (reply->integer)
        request_reply(reading->req, 204, NULL, (struct span){0});
    else
        refuse_unknown(reading->req);
}

void limit_ignore(void *arg, int status, const struct redisReply *reply)
{
    (void)arg, (void)status, (void)reply;
}

void remove_limit(struct request *req, void *arg)
{
    struct arena *arena = request_arena(req);
    struct reading *reading = arena_alloc(arena, sizeof(*reading));

    *reading = (struct reading){req, arg, request_param(req, "name")};
    if (!limit_name_may_change(arg, req, reading->name))
        return;
    struct span argv[] = {
        limit_record_key(arena, reading->name),
        arena_printf(arena, "%llu",
                     (unsigned long long)(LIMIT_FILL_MAX_US / 1000000))};
    int err = redis_eval(app_redis(reading->app->app), &script_remove, 1,
                         &(struct redis_call){.key = reading->name,
                                              .argv = argv,
                                              .argc = 2,
                                              .cb = on_removed,
                                              .arg = reading});
    if (err < 0)
        request_fail(req, err);
}
