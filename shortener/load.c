/*
 * load.c - the shortener's load test.
 *
 * A number's link has the alias "l<number>": whoever has made the links once
 * can drive them from any number of generators.
 */
#include <inttypes.h>
#include <stdio.h>

#include "common/load.h"

#define JSON_TYPE SPAN("Content-Type: application/json\r\n")

static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static void append_get(struct load *load, struct buf *out, uint64_t number)
{
    char path[32];
    int len = snprintf(path, sizeof(path), "/l%06" PRIu64, number);

    load_append(load, out, "GET", (struct span){path, (size_t)len}, SPAN(""),
                SPAN(""));
}

static void make_link(struct load *load, uint64_t n, struct buf *out)
{
    char body[128];
    int len = snprintf(body, sizeof(body),
                       "{\"url\":\"https://example.com/page/%" PRIu64
                       "\",\"code\":\"l%06" PRIu64 "\"}",
                       n, n);

    load_append(load, out, "POST", SPAN("/v1/links"), JSON_TYPE,
                (struct span){body, (size_t)len});
}

static void on_made(void *arg, uint64_t n, const struct load_answer *answer)
{
    int *err = arg;

    (void)n;
    if (answer->status != 201 && answer->status != 409) /* there already */
        *err = -1;
}

static int prepare_links(struct load *load)
{
    int wrong = 0;
    int err = load_exchange(load, load_units(load), make_link, on_made, &wrong);

    if (wrong)
        fprintf(stderr, "shortener-load: links could not be made\n");
    return err ? err : wrong;
}

static int prepare_one(struct load *load)
{
    int wrong = 0;
    int err = load_exchange(load, 1, make_link, on_made, &wrong);

    return err ? err : wrong;
}

static bool is_redirect(struct load *load, const struct load_answer *answer)
{
    (void)load;
    return answer->status == 302 &&
           memmem(answer->head.ptr, answer->head.len, "\r\nLocation: http", 16);
}

static bool is_created(struct load *load, const struct load_answer *answer)
{
    (void)load;
    return answer->status == 201;
}

static bool is_good(struct load *load, const struct load_answer *answer)
{
    return answer->status == 201 || is_redirect(load, answer);
}

static void hot(struct load *load, uint64_t n, struct buf *out)
{
    (void)n;
    append_get(load, out, 0);
}

static void cold(struct load *load, uint64_t n, struct buf *out)
{
    append_get(load, out, n % load_units(load));
}

/* A few codes get most of the clicks: n is drawn about as 1 / rank. */
static void popular(struct load *load, uint64_t n, struct buf *out)
{
    uint64_t random = mix(load_seed(load) ^ n);
    uint64_t units = load_units(load);
    uint64_t range = 1;

    for (uint64_t bits = random & 63; bits % 20 > 0 && range < units; bits--)
        range *= 2;
    append_get(load, out, (random >> 6) % (range < units ? range : units));
}

static void create(struct load *load, uint64_t n, struct buf *out)
{
    char body[96];
    int len = snprintf(body, sizeof(body),
                       "{\"url\":\"https://example.com/page/%" PRIu64
                       "/%" PRIu64 "\"}",
                       load_seed(load), n);

    load_append(load, out, "POST", SPAN("/v1/links"), JSON_TYPE,
                (struct span){body, (size_t)len});
}

static void mixed(struct load *load, uint64_t n, struct buf *out)
{
    if (n % 50 == 0)
        create(load, n, out);
    else
        popular(load, n, out);
}

int main(int argc, char **argv)
{
    static const struct load_profile profiles[] = {
        {"hot", "one link, over and over", hot, is_redirect, prepare_one, NULL},
        {"cold", "--units links in turn", cold, is_redirect, prepare_links,
         NULL},
        {"popular", "--units links, a few of them most of the time", popular,
         is_redirect, prepare_links, NULL},
        {"create", "a new link each time", create, is_created, NULL, NULL},
        {"mixed", "popular, and every fiftieth a new link", mixed, is_good,
         prepare_links, NULL},
        {0},
    };

    return load_run("shortener", profiles, argc, argv);
}
