/*
 * slots.c - POST /v1/acquire, /v1/renew, /v1/release: slots of a concurrency
 * limit, each held under a lease that ends by itself.
 *
 *   acquire -- the limit is known --> slots.lua --> on_answer()
 *   renew, release -- the lease says which --> slots.lua --> on_answer()
 *
 * With Redis away the limit's policy decides on a new lease; one that was given
 * so is unknown to Redis later, and renewing it is 410.
 */
#include <inttypes.h>
#include <openssl/rand.h>
#include <string.h>

#include "common/base64.h"
#include "common/key.h"
#include "ratelimit/catalog.h"
#include "ratelimit/decide.h"
#include "ratelimit/scripts.h"

#define MAX_TRIES 8
#define TTL_MIN_MS 10
#define TTL_MAX_MS INT64_C(86400000)
#define LEASE_MAX 2048 /* characters */
#define RANDOM_BYTES 12

struct slot {
    struct request *req;
    struct ratelimit *app;
    const char *verb;
    struct limit_spec *spec; /* of acquire, while Redis is asked */
    struct span name, key, holder, lease;
    int64_t ttl_ms;
    unsigned tries;
};

static void on_limit(void *arg, int status);
static void on_answer(void *arg, int status, const struct redisReply *reply);

/* ---- leases: base64url of "<pair of limit and key><holder>" */

static struct span encode(struct arena *arena, struct span text)
{
    char *out = arena_alloc(arena, BASE64_TEXT(text.len));

    return (struct span){out, base64_encode(text, out)};
}

static bool decode(struct arena *arena, struct span lease, struct span *text)
{
    size_t len;

    if (lease.len == 0 || lease.len > LEASE_MAX)
        return false;
    unsigned char *out = arena_alloc(arena, BASE64_BYTES(lease.len));
    if (!base64_decode(lease, out, &len))
        return false;
    *text = (struct span){(char *)out, len};
    return true;
}

/* "<n>:<a>:<b>" of key_pair(), undone. */
static bool split_pair(struct span pair, struct span *a, struct span *b)
{
    struct span digits;
    uint64_t len;

    if (!span_cut(&pair, ':', &digits) || !pair.ptr ||
        !span_to_u64(digits, pair.len, &len) || len >= pair.len ||
        pair.ptr[len] != ':')
        return false;
    *a = (struct span){pair.ptr, (size_t)len};
    *b = span_skip(pair, (size_t)len + 1);
    return true;
}

static bool read_lease(struct slot *slot)
{
    struct span text;
    struct span place;
    struct span owner;
    struct span rest;

    return decode(request_arena(slot->req), slot->lease, &text) &&
           split_pair(text, &place, &slot->holder) &&
           split_pair(place, &slot->name, &slot->key) &&
           split_pair(slot->holder, &owner, &rest) &&
           span_eq(owner, request_subject(slot->req));
}

/* Who holds it: the caller, by its own id or by one of ours. */
static void make_lease(struct slot *slot, struct span id)
{
    struct arena *arena = request_arena(slot->req);
    unsigned char random[RANDOM_BYTES];
    char *hex = arena_alloc(arena, 2 * RANDOM_BYTES + 1);

    if (!id.ptr) {
        RAND_bytes(random, sizeof(random));
        hex[0] = '.'; /* no id of a caller's is taken for it */
        span_hex(hex + 1, (struct span){(const char *)random, RANDOM_BYTES});
        id = (struct span){hex, 2 * RANDOM_BYTES + 1};
    }
    slot->holder = key_pair(arena, request_subject(slot->req), id);
    slot->lease =
        encode(arena, key_pair(arena, key_pair(arena, slot->name, slot->key),
                               slot->holder));
}

/* ---- answers */

static void give_lease(struct slot *slot, uint64_t ms, bool degraded)
{
    struct buf json;
    struct json_writer w = {.out = &json};

    buf_init(&json, MEM_REQUEST);
    json_put_open(&w, '{');
    json_put_key(&w, "lease");
    json_put_string(&w, slot->lease);
    json_put_key(&w, "expires_in_ms");
    json_put_int(&w, (int64_t)ms);
    if (degraded) {
        json_put_key(&w, "degraded");
        json_put_bool(&w, true);
    }
    json_put_close(&w, '}');
    request_reply_json(slot->req, 200, buf_span(&json));
    buf_deinit(&json);
}

static void refuse(struct slot *slot, uint64_t wait_ms, bool degraded)
{
    uint64_t seconds = wait_ms / 1000 + (wait_ms % 1000 > 0);
    struct arena *arena = request_arena(slot->req);

    request_add_header(slot->req, "Retry-After",
                       arena_printf(arena, "%" PRIu64, seconds ? seconds : 1));
    if (degraded)
        refuse_degraded(slot->req, 429);
    else
        refuse_limited(slot->req, 429, "every slot of this key is held");
}

static void ask_script(struct slot *slot, uint64_t slots, uint32_t deadline_ms)
{
    struct arena *arena = request_arena(slot->req);
    struct span argv[] = {key_name(arena, RATELIMIT_PREFIX, "slots", slot->key,
                                   key_pair(arena, slot->name, slot->key)),
                          span_str(slot->verb), slot->holder,
                          arena_printf(arena, "%" PRId64, slot->ttl_ms),
                          arena_printf(arena, "%" PRIu64, slots)};
    int err = redis_eval(app_redis(slot->app->app), &script_slots, 1,
                         &(struct redis_call){.key = slot->key,
                                              .argv = argv,
                                              .argc = 5,
                                              .timeout_ms = deadline_ms,
                                              .repeatable = true,
                                              .cb = on_answer,
                                              .arg = slot});
    if (err < 0)
        on_answer(slot, err, NULL);
}

/* Redis does not say: the limit's own policy does. */
static void decide_by_policy(struct slot *slot, int status)
{
    struct limit_spec *spec = slot->spec;
    enum limit_policy policy = spec ? spec->policy : LIMIT_CLOSED;
    bool acquire = spec != NULL;

    limit_spec_unref(spec);
    slot->spec = NULL;
    if (acquire && policy == LIMIT_OPEN)
        give_lease(slot, (uint64_t)slot->ttl_ms, true);
    else if (acquire)
        refuse(slot, 1000, true);
    else
        request_fail(slot->req, status);
}

static bool is_release(const struct slot *slot)
{
    return span_eq(span_str(slot->verb), SPAN("release"));
}

/* A release of what is not held, or not the caller's, frees nothing. */
static void end_without(struct slot *slot)
{
    if (is_release(slot))
        request_reply(slot->req, 204, NULL, (struct span){0});
    else
        request_problem(slot->req, 410, "lease-ended", NULL,
                        "this lease has ended, or never was");
}

static void on_answer(void *arg, int status, const struct redisReply *reply)
{
    struct slot *slot = arg;
    bool acquire = slot->spec != NULL;

    if (status < 0) {
        decide_by_policy(slot, status);
        return;
    }
    limit_spec_unref(slot->spec);
    slot->spec = NULL;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
        request_fail(slot->req, UV_EPROTO);
        return;
    }
    bool good = reply->element[0]->integer > 0;
    uint64_t ms = (uint64_t)reply->element[1]->integer;
    if (good && !is_release(slot))
        give_lease(slot, ms, false);
    else if (acquire)
        refuse(slot, ms, false);
    else
        end_without(slot);
}

/* ---- acquire */

static void step(struct slot *slot)
{
    struct json_errors errors = {0};
    struct limit_spec *spec;
    int err = UV_EAGAIN;

    if (++slot->tries <= MAX_TRIES)
        switch (catalog_find(slot->app->catalog, slot->name, &spec)) {
        case CATALOG_KNOWN:
            if (spec->numbers.algorithm != LIMIT_CONCURRENCY) {
                json_errors_add(&errors, "/limit",
                                "is no concurrency limit: /v1/check asks it");
                request_invalid(slot->req, &errors);
                return;
            }
            limit_spec_ref(spec);
            slot->spec = spec;
            ask_script(slot, spec->numbers.rate, spec->deadline_ms);
            return;
        case CATALOG_UNKNOWN:
            request_problem(slot->req, 404, "no-such-limit", NULL,
                            "there is no limit of this name");
            return;
        case CATALOG_ASK:
            err = catalog_load(slot->app->catalog, slot->name, on_limit, slot);
            break;
        }
    if (err < 0)
        request_fail(slot->req, err);
}

static void on_limit(void *arg, int status)
{
    struct slot *slot = arg;

    if (status < 0)
        request_fail(slot->req, status);
    else
        step(slot);
}

static bool allows(struct slot *slot)
{
    if (request_allows(slot->req, SPAN("limits:check"), slot->name))
        return true;
    request_problem(slot->req, 403, "forbidden", NULL,
                    "the token's scope does not cover this limit");
    return false;
}

static struct slot *make(struct request *req, struct ratelimit *app,
                         const char *verb)
{
    struct slot *slot = arena_zalloc(request_arena(req), sizeof(*slot));

    *slot = (struct slot){.req = req, .app = app, .verb = verb};
    return slot;
}

void acquire_slot(struct request *req, void *arg)
{
    static const struct json_field fields[] = {
        {"limit", JSON_KIND_STRING, true, false, 1, LIMIT_NAME_MAX, 0},
        {"key", JSON_KIND_STRING, true, false, 1, LIMIT_KEY_MAX, 0},
        {"ttl_ms", JSON_KIND_INTEGER, true, false, TTL_MIN_MS, TTL_MAX_MS, 0},
        {"id", JSON_KIND_STRING, false, true, 1, CHECK_ID_MAX, 0},
    };
    struct slot *slot = make(req, arg, "acquire");
    struct json_value values[4];

    if (!request_read_json(req, fields, 4, values))
        return;
    slot->name = values[0].text;
    slot->key = values[1].text;
    slot->ttl_ms = values[2].number;
    if (!allows(slot))
        return;
    make_lease(slot, values[3].state == JSON_STATE_SET
                         ? values[3].text
                         : (struct span){NULL, 0});
    step(slot);
}

/* ---- what is done with a lease */

static void with_lease(struct request *req, struct ratelimit *app,
                       const char *verb, size_t fields_count)
{
    static const struct json_field fields[] = {
        {"lease", JSON_KIND_STRING, true, false, 1, LEASE_MAX, 0},
        {"ttl_ms", JSON_KIND_INTEGER, true, false, TTL_MIN_MS, TTL_MAX_MS, 0},
    };
    struct slot *slot = make(req, app, verb);
    struct json_value values[2] = {0};

    if (!request_read_json(req, fields, fields_count, values))
        return;
    slot->lease = values[0].text;
    slot->ttl_ms = values[1].number;
    if (!read_lease(slot)) {
        end_without(slot);
        return;
    }
    if (allows(slot))
        ask_script(slot, 0, 0);
}

void renew_slot(struct request *req, void *arg)
{
    with_lease(req, arg, "renew", 2);
}

void release_slot(struct request *req, void *arg)
{
    with_lease(req, arg, "release", 1);
}
