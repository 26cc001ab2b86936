/*
 * load.c - the rate limiter's load test.
 *
 * The limits are made before the clock starts: generous ones, so that a denial
 * is an error, but for the profiles that are about denials.
 */
#include <inttypes.h>
#include <stdio.h>

#include "common/load.h"

#define JSON_TYPE SPAN("Content-Type: application/json\r\n")
#define TEN 10 /* limits of one call */

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
         make_limits},
        {"leased", "--units keys in turn, of tokens held by workers", leased,
         is_allowed, make_limits},
        {"denied", "one key that has used up its limit", denied, is_decided,
         make_limits},
        {"hotkey", "one key, strict", hot_key, is_allowed, make_limits},
        {"one", "one limit of a key, beside ten", one, is_allowed, make_limits},
        {"ten", "ten limits of one key in one call", ten, is_allowed,
         make_limits},
        {"spike", "calm and floods by turns", spike, is_decided, make_limits},
        {0},
    };

    return load_run("ratelimit", profiles, argc, argv);
}
