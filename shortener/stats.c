/*
 * stats.c - GET /v1/links/{code}/stats: what was counted.
 *
 *   read_stats() -- link_load() --> ask() -- stats.lua --> on_stats()
 */
#include <inttypes.h>

#include "common/query.h"
#include "shortener/scripts.h"
#include "shortener/shortener.h"

#define DEFAULT_UNITS 30

static const struct unit {
    const char *name;
    int64_t ms;
    uint64_t max; /* buckets of one answer; as many are kept, or more */
} units[] = {
    {"day", INT64_C(86400000), 366},
    {"hour", 3600000, 720},
    {"minute", 60000, 1440},
};

struct stats {
    struct request *req;
    const struct unit *unit;
    int64_t first, last; /* buckets since 1970 */
    int64_t made;        /* in it; a code's last link may have older ones */
};

static void on_stats(void *arg, int status, const struct redisReply *reply);

static const struct unit *find_unit(struct span name)
{
    if (!name.ptr)
        return &units[0];
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (span_eq(name, span_str(units[i].name)))
            return &units[i];
    return NULL;
}

static bool read_query(struct request *req, const struct unit **unit,
                       uint64_t *count)
{
    static const char *const names[] = {"unit", "units"};
    struct json_errors errors = {0};
    struct span values[2];

    query_take(request_arena(req), request_query_string(req), names, 2, values,
               &errors);
    *count = DEFAULT_UNITS;
    *unit = find_unit(values[0]);
    if (!*unit)
        json_errors_add(&errors, "/unit", "one of minute, hour and day");
    else if (values[1].ptr &&
             (!span_to_u64(values[1], (*unit)->max, count) || *count == 0))
        json_errors_add(&errors, "/units", "a number from 1 to %" PRIu64,
                        (*unit)->max);
    if (errors.count)
        request_invalid(req, &errors);
    return errors.count == 0;
}

static void ask(struct request *req, const struct link *link,
                struct shortener *app)
{
    struct arena *arena = request_arena(req);
    struct stats *stats = arena_alloc(arena, sizeof(*stats));
    struct span code = link->code;
    uint64_t count;

    *stats = (struct stats){.req = req};
    if (!read_query(req, &stats->unit, &count))
        return;
    stats->last = now_ms(app->now) / stats->unit->ms;
    stats->first = stats->last - (int64_t)count + 1;
    stats->made = link->created_us / 1000 / stats->unit->ms;
    struct span argv[] = {link_key(arena, "clk", code, code), code,
                          span_str(stats->unit->name),
                          arena_printf(arena, "%" PRId64, stats->first),
                          arena_printf(arena, "%" PRId64, stats->last)};
    int err = redis_eval(app->redis, &script_stats, 1,
                         &(struct redis_call){.key = code,
                                              .argv = argv,
                                              .argc = 5,
                                              .repeatable = true,
                                              .cb = on_stats,
                                              .arg = stats});
    if (err < 0)
        request_fail(req, err);
}

void read_stats(struct request *req, void *arg)
{
    if (link_check_scope(req, SPAN("links:read")))
        link_load(req, arg, ask);
}

static int64_t number_at(const struct redisReply *array, size_t i)
{
    return i < array->elements ? array->element[i]->integer : 0;
}

static void put_bucket(struct json_writer *w, int64_t at_ms, int64_t clicks,
                       int64_t bots)
{
    char at[CLOCK_RFC3339_LEN + 1];

    clock_format_rfc3339(at_ms, at);
    json_put_open(w, '{');
    json_put_key(w, "at");
    json_put_string(w, span_str(at));
    json_put_key(w, "clicks");
    json_put_int(w, clicks);
    json_put_key(w, "bots");
    json_put_int(w, bots);
    json_put_close(w, '}');
}

static void put_series(struct json_writer *w, const struct stats *stats,
                       const struct redisReply *series)
{
    json_put_open(w, '[');
    for (int64_t bucket = stats->first; bucket <= stats->last; bucket++) {
        size_t i = (size_t)(bucket - stats->first) * 2;
        bool ours = bucket >= stats->made;
        put_bucket(w, bucket * stats->unit->ms, ours ? number_at(series, i) : 0,
                   ours ? number_at(series, i + 1) : 0);
    }
    json_put_close(w, ']');
}

static void put_stats(struct json_writer *w, const struct stats *stats,
                      struct redisReply *const *parts)
{
    json_put_open(w, '{');
    json_put_key(w, "total");
    json_put_int(w, parts[0]->integer);
    json_put_key(w, "unique");
    /* An estimate, within a hundredth: never more than there were. */
    json_put_int(w, parts[2]->integer < parts[0]->integer ? parts[2]->integer
                                                          : parts[0]->integer);
    json_put_key(w, "bots");
    json_put_int(w, parts[1]->integer);
    json_put_key(w, "unit");
    json_put_string(w, span_str(stats->unit->name));
    json_put_key(w, "series");
    put_series(w, stats, parts[3]);
    json_put_close(w, '}');
}

static void on_stats(void *arg, int status, const struct redisReply *reply)
{
    struct stats *stats = arg;
    struct buf text;
    struct json_writer w = {.out = &text};

    if (status == 0 &&
        (reply->type != REDIS_REPLY_ARRAY || reply->elements != 4))
        status = UV_EPROTO;
    if (status < 0) {
        request_fail(stats->req, status);
        return;
    }
    buf_init(&text, MEM_REQUEST);
    put_stats(&w, stats, reply->element);
    request_reply_json(stats->req, 200, buf_span(&text));
    buf_deinit(&text);
}
