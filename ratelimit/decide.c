/* decide.c - see decide.h. */
#include <stdio.h>

#include "ratelimit/catalog.h"
#include "ratelimit/decide.h"

/* Each limit may have to be asked for, and some may change under a check. */
#define MAX_TRIES (LIMIT_ASKS_MAX + 8)

static void go_on(struct decision *decision);
static void on_limits(void *arg, int status);
static void on_answer(struct limit_call *call, int status);

static bool end(struct decision *decision, enum decision_state state)
{
    decision->state = state;
    return true;
}

static bool fail(struct decision *decision, int err)
{
    decision->err = err;
    return end(decision, DECISION_FAILED);
}

void decision_release(struct decision *decision)
{
    for (size_t i = 0; i < decision->call.count; i++) {
        limit_spec_unref(decision->call.asks[i].spec);
        decision->call.asks[i].spec = NULL;
    }
}

struct json_errors *decision_errors(struct decision *decision)
{
    if (!decision->errors) {
        decision->errors =
            arena_alloc(decision->arena, sizeof(*decision->errors));
        json_errors_init(decision->errors);
    }
    return decision->errors;
}

static const char *point_at(const struct decision *decision, size_t i,
                            const char *member)
{
    return decision->of_query
               ? arena_printf(decision->arena, "/%s", member).ptr
               : arena_printf(decision->arena, "/checks/%zu/%s", i, member).ptr;
}

/* What the limit does not let be asked. */
static void check_cost(struct decision *decision, size_t i)
{
    const struct limit_ask *ask = &decision->call.asks[i];

    if (ask->spec->numbers.algorithm == LIMIT_CONCURRENCY)
        json_errors_add(decision_errors(decision),
                        point_at(decision, i, "limit"),
                        "is a concurrency limit: /v1/acquire takes a slot");
    else if (ask->cost > ask->spec->max_cost)
        json_errors_add(decision_errors(decision),
                        point_at(decision, i, "cost"),
                        "is above the limit's max_cost of %llu",
                        (unsigned long long)ask->spec->max_cost);
}

/* Find every limit; false: wait for on_limits(), or it has ended. */
static bool find_limits(struct decision *decision, bool *ended)
{
    struct catalog *catalog = decision->app->catalog;

    *ended = true;
    for (size_t i = 0; i < decision->call.count; i++) {
        struct limit_spec *spec;
        switch (catalog_find(catalog, decision->names[i], &spec)) {
        case CATALOG_KNOWN:
            limit_spec_ref(spec);
            decision->call.asks[i].spec = spec;
            check_cost(decision, i);
            break;
        case CATALOG_UNKNOWN:
            decision->at = i;
            end(decision, DECISION_UNKNOWN);
            return false;
        case CATALOG_ASK:
            decision_release(decision);
            decision->err =
                catalog_load(catalog, decision->names[i], on_limits, decision);
            *ended = decision->err < 0;
            if (*ended)
                fail(decision, decision->err);
            return false;
        }
    }
    if (!decision->errors || decision->errors->count == 0)
        return true;
    end(decision, DECISION_INVALID);
    return false;
}

/* True: decided, or refused. */
static bool step(struct decision *decision)
{
    bool ended;

    if (++decision->tries > MAX_TRIES)
        return fail(decision, UV_EAGAIN);
    if (!find_limits(decision, &ended))
        return ended;
    if (limiter_try(decision->app->limiter, &decision->call))
        return end(decision, DECISION_MADE);
    int err = limiter_ask(decision->app->limiter, &decision->call);
    return err < 0 && fail(decision, err);
}

bool decide(struct decision *decision)
{
    decision->tries = 0;
    decision->call.arena = decision->arena;
    decision->call.cb = on_answer;
    decision->call.arg = decision;
    for (size_t i = 0; i < decision->call.count; i++)
        decision->call.asks[i].spec = NULL;
    return step(decision);
}

static void go_on(struct decision *decision)
{
    if (step(decision))
        decision->cb(decision);
}

static void on_limits(void *arg, int status)
{
    struct decision *decision = arg;

    if (status == 0) {
        go_on(decision);
        return;
    }
    fail(decision, status);
    decision->cb(decision);
}

static void on_answer(struct limit_call *call, int status)
{
    struct decision *decision = call->arg;

    if (status == UV_EAGAIN) { /* a limit is newer than we knew */
        for (size_t i = 0; i < call->count; i++)
            catalog_outdated(decision->app->catalog, decision->names[i]);
        decision_release(decision);
        go_on(decision);
        return;
    }
    if (status == UV_EEXIST) {
        json_errors_add(decision_errors(decision), "/id",
                        "was used for another check within the last minute");
        end(decision, DECISION_INVALID);
    } else if (status < 0) {
        fail(decision, status);
    } else {
        end(decision, DECISION_MADE);
    }
    decision->cb(decision);
}

struct decision_problem decision_problem(struct decision *decision)
{
    if (decision->state == DECISION_UNKNOWN) {
        struct span name = decision->names[decision->at];
        return (struct decision_problem){
            404, "no-such-limit",
            arena_printf(decision->arena, "there is no limit \"%.*s\"",
                         (int)name.len, name.ptr)
                .ptr};
    }
    if (decision->state == DECISION_INVALID)
        return (struct decision_problem){422, "invalid",
                                         decision->errors->at[0].detail};
    return (struct decision_problem){503, "store-away",
                                     "the store cannot be asked"};
}

void decision_refuse(struct decision *decision, struct request *req)
{
    struct decision_problem problem = decision_problem(decision);

    if (decision->state == DECISION_FAILED)
        request_fail(req, decision->err);
    else if (decision->state == DECISION_INVALID)
        request_invalid(req, decision->errors);
    else
        request_problem(req, problem.status, problem.slug, NULL,
                        problem.detail);
}

static uint64_t to_ms(uint64_t us)
{
    return us / 1000 + (us % 1000 > 0);
}

static uint64_t to_s(uint64_t us)
{
    return us / 1000000 + (us % 1000000 > 0);
}

static inline void put_number(struct json_writer *w, const char *key,
                              uint64_t number)
{
    json_put_key(w, key);
    json_put_int(w, (int64_t)number);
}

static inline void put_flag(struct json_writer *w, const char *key, bool flag)
{
    json_put_key(w, key);
    json_put_bool(w, flag);
}

static void put_ask(struct json_writer *w, const struct limit_ask *ask)
{
    const struct limit_spec *spec = ask->spec;

    json_put_open(w, '{');
    json_put_key(w, "limit");
    json_put_string(w, span_str(spec->name));
    json_put_key(w, "key");
    json_put_string(w, ask->key);
    put_flag(w, "allowed", ask->allowed);
    put_number(w, "quota", spec->numbers.burst);
    put_number(w, "remaining", ask->left.remaining);
    put_number(w, "reset_after_ms", to_ms(ask->left.reset_us));
    put_number(w, "retry_after_ms",
               ask->allowed ? 0 : to_ms(ask->left.retry_us));
    put_flag(w, "degraded", ask->degraded);
    put_flag(w, "shadow", spec->shadow);
    json_put_close(w, '}');
}

void decision_put(const struct decision *decision, struct json_writer *w)
{
    json_put_open(w, '{');
    put_flag(w, "allowed", decision->call.allowed);
    json_put_key(w, "results");
    json_put_open(w, '[');
    for (size_t i = 0; i < decision->call.count; i++)
        put_ask(w, &decision->call.asks[i]);
    json_put_close(w, ']');
    json_put_close(w, '}');
}

/* What q is of: a window, or the time in which an empty bucket fills. */
static uint64_t window_us(const struct limit_numbers *n)
{
    if (!limit_is_bucket(n->algorithm))
        return n->per_us;
    struct limit_pace pace = limit_pace(n->rate, n->per_us);
    struct limit_time fills = limit_pace_times(&pace, n->burst);
    return fills.us + (fills.part > 0);
}

/* A list's next member: its name, and the first of its parameters. */
static void put_member(struct buf *list, const struct limit_ask *ask,
                       struct span parameter, uint64_t value)
{
    buf_append(list, list->len ? SPAN(", \"") : SPAN("\""));
    buf_append(list, span_str(ask->spec->name));
    buf_append(list, parameter);
    buf_append_u64(list, value);
}

static void put_policy(struct buf *list, const struct limit_ask *ask)
{
    uint64_t window = window_us(&ask->spec->numbers);

    put_member(list, ask, SPAN("\";q="), ask->spec->numbers.burst);
    if (window < 1000000) /* whole seconds: none says less than one */
        return;
    buf_append(list, SPAN(";w="));
    buf_append_u64(list, to_s(window));
}

static void put_state(struct buf *list, const struct limit_ask *ask)
{
    put_member(list, ask, SPAN("\";r="), ask->left.remaining);
    buf_append(list, SPAN(";t="));
    buf_append_u64(list, to_s(ask->left.reset_us));
}

static void put_list(struct request *req, const struct decision *decision,
                     const char *name,
                     void (*put)(struct buf *list, const struct limit_ask *ask))
{
    struct buf *list = &decision->app->scratch;

    list->len = 0;
    for (size_t i = 0; i < decision->call.count; i++)
        if (!decision->call.asks[i].spec->shadow)
            put(list, &decision->call.asks[i]);
    if (list->len)
        request_add_header(req, name, buf_span(list));
}

/* draft-ietf-httpapi-ratelimit-headers-10: lists of strings with parameters. */
static void put_headers(struct request *req, const struct decision *decision)
{
    put_list(req, decision, "RateLimit-Policy", put_policy);
    put_list(req, decision, "RateLimit", put_state);
}

/* The limit that leaves least, for those who know one only. */
static const struct limit_ask *tightest(const struct decision *decision)
{
    const struct limit_ask *found = NULL;

    for (size_t i = 0; i < decision->call.count; i++) {
        const struct limit_ask *ask = &decision->call.asks[i];
        if (!ask->spec->shadow &&
            (!found || ask->left.remaining < found->left.remaining))
            found = ask;
    }
    return found;
}

static void put_old_headers(struct request *req,
                            const struct decision *decision)
{
    const struct limit_ask *ask = tightest(decision);
    char room[SPAN_U64_MAX];

    if (!ask)
        return;
    const struct {
        const char *name;
        uint64_t value;
    } headers[] = {
        {"X-RateLimit-Limit", ask->spec->numbers.burst},
        {"X-RateLimit-Remaining", ask->left.remaining},
        {"X-RateLimit-Reset", to_s(ask->left.reset_us)},
    };
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        request_add_header(req, headers[i].name,
                           span_from_u64(room, headers[i].value));
}

static uint64_t wait_us(const struct decision *decision)
{
    uint64_t most = 0;

    for (size_t i = 0; i < decision->call.count; i++) {
        const struct limit_ask *ask = &decision->call.asks[i];
        if (!ask->spec->shadow && !ask->allowed && ask->left.retry_us > most)
            most = ask->left.retry_us;
    }
    return most;
}

void decision_add_headers(const struct decision *decision, struct request *req)
{
    char room[SPAN_U64_MAX];

    if (decision->app->config->headers)
        put_headers(req, decision);
    if (span_eq(request_query(req, "headers"), SPAN("x")))
        put_old_headers(req, decision);
    if (decision->call.allowed)
        return;
    uint64_t seconds = to_s(wait_us(decision));
    request_add_header(req, "Retry-After",
                       span_from_u64(room, seconds ? seconds : 1));
}
