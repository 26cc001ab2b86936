/*
 * load.c - the rate limiter's load test.
 *
 * The limits are made before the clock starts: generous ones, so that a denial
 * is an error, but for the profiles that are about denials.
 */
#include <inttypes.h>
#include <stdio.h>
#include <uv.h>

#include "common/load.h"
#include "common/resp.h"

#define JSON_TYPE SPAN("Content-Type: application/json\r\n")
#define TEN 10       /* limits of one call */
#define ITEMS_MAX 16 /* of an answer by RESP */
#define RESP_MAX 1024

static const struct {
    const char *name, *body;
} limits[] = {
    {"load-strict", "{\"rate\":1000000,\"per\":\"1s\"}"},
    {"load-leased", "{\"rate\":100000000,\"per\":\"1s\",\"mode\":\"leased\"}"},
    {"load-denied", "{\"rate\":1,\"per\":\"1h\"}"},
    {"load-spike", "{\"rate\":5000,\"per\":\"1s\",\"burst\":5000}"},
    {"load-0", "{\"rate\":1000000,\"per\":\"1s\"}"},
    {"load-1", "{\"rate\":1000001,\"per\":\"1s\"}"},
    {"load-2", "{\"rate\":1000002,\"per\":\"1s\"}"},
    {"load-3", "{\"rate\":1000003,\"per\":\"1s\"}"},
    {"load-4", "{\"rate\":1000004,\"per\":\"1s\"}"},
    {"load-5", "{\"rate\":1000005,\"per\":\"1s\"}"},
    {"load-6", "{\"rate\":1000006,\"per\":\"1s\"}"},
    {"load-7", "{\"rate\":1000007,\"per\":\"1s\"}"},
    {"load-8", "{\"rate\":1000008,\"per\":\"1s\"}"},
    {"load-9", "{\"rate\":1000009,\"per\":\"1s\"}"},
};

#define LIMITS (sizeof(limits) / sizeof(limits[0]))

static void make_limit(struct load *load, uint64_t n, struct buf *out)
{
    char path[64];
    int len = snprintf(path, sizeof(path), "/v1/limits/%s", limits[n].name);

    load_append(load, out, "PUT", (struct span){path, (size_t)len}, JSON_TYPE,
                span_str(limits[n].body));
}

static void on_made(void *arg, uint64_t n, const struct load_answer *answer)
{
    int *wrong = arg;

    (void)n;
    if (answer->status != 200 && answer->status != 201)
        *wrong = -1;
}

static int make_limits(struct load *load)
{
    int wrong = 0;
    int err = load_exchange(load, LIMITS, make_limit, on_made, &wrong);

    if (wrong)
        fprintf(stderr, "ratelimit-load: limits could not be made\n");
    return err ? err : wrong;
}

static void ask(struct load *load, struct buf *out, const char *limit,
                uint64_t key)
{
    char body[128];
    int len = snprintf(body, sizeof(body),
                       "{\"checks\":[{\"limit\":\"%s\",\"key\":\"user:%" PRIu64
                       "\"}]}",
                       limit, key);

    load_append(load, out, "POST", SPAN("/v1/check"), JSON_TYPE,
                (struct span){body, (size_t)len});
}

static void strict(struct load *load, uint64_t n, struct buf *out)
{
    ask(load, out, "load-strict", n % load_units(load));
}

static void leased(struct load *load, uint64_t n, struct buf *out)
{
    ask(load, out, "load-leased", n % load_units(load));
}

static void denied(struct load *load, uint64_t n, struct buf *out)
{
    (void)n;
    ask(load, out, "load-denied", 0);
}

static void hot_key(struct load *load, uint64_t n, struct buf *out)
{
    (void)n;
    ask(load, out, "load-strict", 0);
}

/* Calm, then ten times as many as the limit lets pass, and so on. */
static void spike(struct load *load, uint64_t n, struct buf *out)
{
    ask(load, out, "load-spike", n / 50000 % 2 ? 0 : n % load_units(load));
}

static void one(struct load *load, uint64_t n, struct buf *out)
{
    ask(load, out, "load-0", n % load_units(load));
}

static void ten(struct load *load, uint64_t n, struct buf *out)
{
    struct buf body;

    buf_init(&body, MEM_LOAD);
    buf_append(&body, SPAN("{\"checks\":["));
    for (int i = 0; i < TEN; i++)
        buf_printf(&body,
                   "%s{\"limit\":\"load-%d\",\"key\":\"user:%" PRIu64 "\"}",
                   i ? "," : "", i, n % load_units(load));
    buf_append(&body, SPAN("]}"));
    load_append(load, out, "POST", SPAN("/v1/check"), JSON_TYPE,
                buf_span(&body));
    buf_deinit(&body);
}

/* ---- RESP: what redis-benchmark asks, and its peer */

static void throttle(struct load *load, uint64_t n, struct buf *out)
{
    char key[32];
    int len = snprintf(key, sizeof(key), "user:%" PRIu64, n % load_units(load));

    resp_append(out,
                (struct span[]){SPAN("CL.THROTTLE"),
                                {key, (size_t)len},
                                SPAN("1000000"),
                                SPAN("100000000"),
                                SPAN("1")},
                5);
}

static void incr(struct load *load, uint64_t n, struct buf *out)
{
    char key[32];
    int len =
        snprintf(key, sizeof(key), "counter:%" PRIu64, n % load_units(load));

    resp_append(out, (struct span[]){SPAN("INCR"), {key, (size_t)len}}, 2);
}

static bool take_line(struct span *rest, struct span *line)
{
    size_t len = span_find(*rest, '\n');

    if (len == rest->len)
        return false;
    *line = (struct span){rest->ptr, len};
    *rest = span_skip(*rest, len + 1);
    return true;
}

/* A line, or "*n" and n lines. */
static int64_t parse_resp(struct span bytes, struct load_answer *answer)
{
    struct span rest = bytes;
    struct span line;
    uint64_t more = 0;
    bool whole = take_line(&rest, &line);

    if (whole && line.len > 2 && line.ptr[0] == '*' &&
        !span_to_u64((struct span){line.ptr + 1, line.len - 2}, ITEMS_MAX,
                     &more))
        return UV_EPROTO;
    for (; whole && more > 0; more--)
        whole = take_line(&rest, &line);
    if (!whole)
        return bytes.len > RESP_MAX ? UV_EPROTO : 0;
    answer->body = (struct span){bytes.ptr, bytes.len - rest.len};
    return (int64_t)answer->body.len;
}

static bool is_let_through(struct load *load, const struct load_answer *answer)
{
    (void)load;
    return span_has_prefix(answer->body, SPAN("*5\r\n:0\r\n"));
}

static bool is_counted(struct load *load, const struct load_answer *answer)
{
    (void)load;
    return span_has_prefix(answer->body, SPAN(":"));
}

/* ---- */

static bool is_allowed(struct load *load, const struct load_answer *answer)
{
    (void)load;
    return answer->status == 200;
}

static bool is_decided(struct load *load, const struct load_answer *answer)
{
    (void)load;
    return answer->status == 200 || answer->status == 429;
}

int main(int argc, char **argv)
{
    static const struct load_profile profiles[] = {
        {"strict", "--units keys in turn, one script each", strict, is_allowed,
         make_limits, NULL},
        {"leased", "--units keys in turn, of tokens held by workers", leased,
         is_allowed, make_limits, NULL},
        {"denied", "one key that has used up its limit", denied, is_decided,
         make_limits, NULL},
        {"hotkey", "one key, strict", hot_key, is_allowed, make_limits, NULL},
        {"one", "one limit of a key, beside ten", one, is_allowed, make_limits,
         NULL},
        {"ten", "ten limits of one key in one call", ten, is_allowed,
         make_limits, NULL},
        {"spike", "calm and floods by turns", spike, is_decided, make_limits,
         NULL},
        {"throttle", "CL.THROTTLE, at the RESP port", throttle, is_let_through,
         NULL, parse_resp},
        {"incr", "INCR, at a Redis: beside throttle", incr, is_counted, NULL,
         parse_resp},
        {0},
    };

    return load_run("ratelimit", profiles, argc, argv);
}
