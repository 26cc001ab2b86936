/*
 * load.c - search-load: the service under requests, or, with --sbg, the engine
 * beside others (sbg.h).
 *
 * Documents are words of a made-up vocabulary, the nth about 1/n as often as
 * the first; --units of them are written before the clock of a query starts.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "common/hash.h"
#include "common/load.h"
#include "search/sbg.h"

#define JSON_TYPE SPAN("Content-Type: application/json\r\n")
#define LINES_TYPE SPAN("Content-Type: application/x-ndjson\r\n")
#define WORDS 20000 /* of the vocabulary */
#define LENGTH 100  /* words of a document */
#define BATCH 100   /* documents of a request */
#define BODY_MAX 512

/* ---- words */

/* The nth of something: the same for the same seed. */
static unsigned word(const struct load *load, uint64_t n, uint64_t which)
{
    uint64_t random = hash_mix(hash_mix(load_seed(load) + n) + which);
    double share = (double)(random >> 11) / (double)(UINT64_C(1) << 53);

    return (unsigned)(pow(WORDS, share) - 1);
}

/* ---- writing */

static void put_documents(struct load *load, uint64_t first, struct buf *out)
{
    for (uint64_t n = first; n < first + BATCH; n++) {
        buf_printf(out,
                   "{\"index\":{\"_id\":\"%" PRIu64 "\"}}\n"
                   "{\"group\":\"g%" PRIu64 "\",\"text\":\"",
                   n, n % 20);
        for (uint64_t i = 0; i < LENGTH; i++)
            buf_printf(out, "w%u ", word(load, n, i));
        buf_append(out, SPAN("\"}\n"));
    }
}

static void write_batch(struct load *load, uint64_t n, struct buf *out,
                        struct span path)
{
    struct buf body;

    buf_init(&body, MEM_LOAD);
    put_documents(load, n * BATCH, &body);
    load_append(load, out, "POST", path, LINES_TYPE, buf_span(&body));
    buf_deinit(&body);
}

static void ingest(struct load *load, uint64_t n, struct buf *out)
{
    write_batch(load, n, out, SPAN("/load-ingest/_bulk"));
}

static void prepare_batch(struct load *load, uint64_t n, struct buf *out)
{
    write_batch(load, n, out, SPAN("/load-search/_bulk"));
}

static void refresh(struct load *load, uint64_t n, struct buf *out)
{
    (void)n;
    load_append(load, out, "POST", SPAN("/load-search/_refresh"), JSON_TYPE,
                SPAN(""));
}

static bool is_written(struct load *load, const struct load_answer *answer)
{
    (void)load;
    return answer->status == 200 &&
           memmem(answer->body.ptr, answer->body.len, "\"errors\":false", 14);
}

static void on_written(void *arg, uint64_t n, const struct load_answer *answer)
{
    int *wrong = arg;

    (void)n;
    if (answer->status != 200)
        *wrong = UV_EPROTO;
}

static int prepare(struct load *load)
{
    uint64_t batches = (load_units(load) + BATCH - 1) / BATCH;
    int wrong = 0;
    int err = load_exchange(load, batches, prepare_batch, on_written, &wrong);

    if (!err && !wrong)
        err = load_exchange(load, 1, refresh, on_written, &wrong);
    if (wrong)
        fprintf(stderr, "search-load: documents could not be written\n");
    return err ? err : wrong;
}

/* ---- asking */

static int put_query(char body[BODY_MAX], uint64_t kind, unsigned one,
                     unsigned two)
{
    switch (kind) {
    case 0:
        return snprintf(body, BODY_MAX,
                        "{\"query\":{\"match\":{\"text\":\"w%u w%u\"}}}", one,
                        two);
    case 1:
        return snprintf(body, BODY_MAX,
                        "{\"query\":{\"match\":{\"text\":{\"query\":"
                        "\"w%u w%u\",\"operator\":\"and\"}}}}",
                        one, two);
    case 2:
        return snprintf(body, BODY_MAX,
                        "{\"query\":{\"match_phrase\":{\"text\":\"w%u w%u\"}}}",
                        one, two);
    default:
        return snprintf(body, BODY_MAX,
                        "{\"query\":{\"bool\":{"
                        "\"must\":{\"match\":{\"text\":\"w%u\"}},"
                        "\"should\":{\"match\":{\"text\":\"w%u\"}}}},"
                        "\"track_total_hits\":false}",
                        one, two);
    }
}

static void ask(struct load *load, uint64_t n, struct buf *out)
{
    char body[BODY_MAX];
    int len = put_query(body, n % 4, word(load, n, 0), word(load, n, 1));

    load_append(load, out, "POST", SPAN("/load-search/_search"), JSON_TYPE,
                (struct span){body, (size_t)len});
}

static void facets(struct load *load, uint64_t n, struct buf *out)
{
    char body[BODY_MAX];
    int len = snprintf(body, sizeof(body),
                       "{\"size\":0,\"query\":{\"match\":{\"text\":\"w%u\"}},"
                       "\"aggs\":{\"groups\":{\"terms\":{\"field\":"
                       "\"group.keyword\"}}}}",
                       word(load, n, 0));

    load_append(load, out, "POST", SPAN("/load-search/_search"), JSON_TYPE,
                (struct span){body, (size_t)len});
}

static bool is_found(struct load *load, const struct load_answer *answer)
{
    (void)load;
    return answer->status == 200 && !memmem(answer->body.ptr, answer->body.len,
                                            "\"timed_out\":true", 16);
}

int main(int argc, char **argv)
{
    static const struct load_profile profiles[] = {
        {"search", "any words, all words, phrases, required and optional ones",
         ask, is_found, prepare, NULL},
        {"facets", "a word, and how many documents of each group", facets,
         is_found, prepare, NULL},
        {"ingest", "a hundred documents of a hundred words a request", ingest,
         is_written, NULL, NULL},
        {0},
    };

    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--sbg") == 0)
            return sbg_run(argc, argv);
    return load_run("search", profiles, argc, argv);
}
