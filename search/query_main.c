/*
 * query_main.c - search-query: an index asked in a terminal.
 *
 *   search-query --index DIR --query Q  the best documents, what they are
 *       found by, and how long it took; with --explain ID why one has its score
 *   search-query --index DIR --field F --complete WORD    what begins so
 *   search-query --index DIR --field F --query Q --suggest
 *       what may have been meant
 *   search-query --index DIR --sbg      lines "COMMAND<TAB>QUERY" in, a number
 *       out for each: the protocol of quickwit-oss/search-benchmark-game
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/config.h"
#include "search/index/opened.h"
#include "search/query/search.h"
#include "search/query_show.h"

#define HITS_MOST 1000
#define WHY 320

struct options {
    const char *index, *field, *query, *sort, *aggs, *without, *explain,
        *complete, *weight;
    int64_t hits;
    bool sbg, json, plain, suggest;
};

static const struct config_option option_table[] = {
#define OPTION(member) offsetof(struct options, member)
    {"index", CONFIG_STRING, OPTION(index), NULL, 1, 3000,
     "directory of the index"},
    {"query", CONFIG_STRING, OPTION(query), NULL, 0, 65536,
     "a query string, or, with --json, a query in JSON"},
    {"field", CONFIG_STRING, OPTION(field), "*", 1, 256,
     "field of words that name none"},
    {"hits", CONFIG_INTEGER, OPTION(hits), "10", 0, HITS_MOST,
     "how many of the best"},
    {"sort", CONFIG_STRING, OPTION(sort), "", 0, 4096,
     "what hits are sorted by: field, field:desc, _score, with commas between"},
    {"aggs", CONFIG_STRING, OPTION(aggs), NULL, 0, 65536,
     "aggregations of all that matches, in Elasticsearch's JSON"},
    {"json", CONFIG_BOOLEAN, OPTION(json), "false", 0, 1,
     "the query is in Elasticsearch's JSON"},
    {"plain", CONFIG_BOOLEAN, OPTION(plain), "false", 0, 1,
     "look at all that matches, to see what passing over is worth"},
    {"without", CONFIG_STRING, OPTION(without), "", 0, 256,
     "ways to find the best that are left out, with commas between: "
     "union-bounds, intersection-bounds, phrase-bounds, first-look, "
     "shared-threshold, block-scores, counting, simd"},
    {"explain", CONFIG_STRING, OPTION(explain), NULL, 1, 512,
     "why the document of this id has its score"},
    {"complete", CONFIG_STRING, OPTION(complete), NULL, 0, 256,
     "the terms of --field that begin so"},
    {"weight-field", CONFIG_STRING, OPTION(weight), "", 0, 256,
     "number that completions are weighed by, in place of documents"},
    {"suggest", CONFIG_BOOLEAN, OPTION(suggest), "false", 0, 1,
     "what may have been meant by --query, as words of --field"},
    {"sbg", CONFIG_BOOLEAN, OPTION(sbg), "false", 0, 1,
     "speak the protocol of the search benchmark game"},
    {0},
};

struct index {
    struct opened opened;
    struct searcher searcher;
    struct top_hit *hits;
    uint64_t opening_us;
};

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "search-query: %s: %s\n", what, why);
    return 1;
}

static bool open_index(struct index *index, const struct options *options,
                       char *why)
{
    struct ablation without = {0};
    struct span unknown;

    if (!ablation_read(&without, span_str(options->without), &unknown)) {
        snprintf(why, WHY, "nothing is without %.*s", (int)unknown.len,
                 unknown.ptr);
        return false;
    }
    if (!manifest_is_there(options->index)) {
        snprintf(why, WHY, "there is no index");
        return false;
    }
    uint64_t began = clock_mono_us();
    if (!opened_open(&index->opened, options->index, why, WHY))
        return false;
    index->hits = mem_alloc(MEM_APP, HITS_MOST * sizeof(index->hits[0]));
    searcher_init(&index->searcher, &index->opened.manifest.schema,
                  index->opened.readers, index->opened.manifest.count);
    searcher_leave_out(&index->searcher, &without);
    index->opening_us = clock_mono_us() - began;
    return true;
}

static void close_index(struct index *index)
{
    if (index->hits)
        searcher_deinit(&index->searcher);
    mem_free(index->hits);
    opened_close(&index->opened);
}

/* ---- queries */

static struct query *read_text(struct arena *arena,
                               const struct options *options, struct span text,
                               struct query_error *error)
{
    struct query_field field = {.name = span_str(options->field), .boost = 1};

    return query_read_text(
        arena, text, &(struct query_syntax){.fields = &field, .field_count = 1},
        error);
}

/* NULL: it is no JSON. */
static json_t *read_json(struct span text, struct query_error *error)
{
    struct json_errors errors;
    json_t *json = NULL;

    json_errors_init(&errors);
    if (json_read(text, &json, &errors) == 0)
        return json;
    snprintf(error->reason, sizeof(error->reason), "%s", errors.at[0].detail);
    return NULL;
}

static struct query *read_query(struct arena *arena,
                                const struct options *options, struct span text,
                                struct query_error *error)
{
    if (!options->json)
        return read_text(arena, options, text, error);
    json_t *json = read_json(text, error);
    struct query *query = json ? query_read_json(arena, json, error) : NULL;
    json_decref(json);
    return query;
}

/* ---- the game */

struct command {
    const char *name;
    size_t most;
    bool count;
};

static const struct command commands[] = {
    {"COUNT", 0, true},
    {"TOP_10", 10, false},
    {"TOP_100", 100, false},
    {"TOP_1000", 1000, false},
    {"TOP_10_COUNT", 10, true},
    {"TOP_100_COUNT", 100, true},
    {"TOP_1000_COUNT", 1000, true},
};

static const struct command *command_of(struct span name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (span_eq(name, span_str(commands[i].name)))
            return &commands[i];
    return NULL;
}

/* A number to be printed; -1: it cannot be. */
static int64_t play(struct index *index, const struct options *options,
                    struct span line)
{
    struct search_result result = {.hits = index->hits};
    struct query_error error = {0};
    struct arena arena;
    struct span name;
    int64_t number = -1;

    if (!span_cut(&line, '\t', &name) || !line.ptr)
        return -1;
    const struct command *command = command_of(name);
    if (!command)
        return -1;
    arena_init(&arena, MEM_JOB, 0);
    const struct query *query = read_query(&arena, options, line, &error);
    struct search_request request = {.query = query,
                                     .most = command->most,
                                     .count = command->count,
                                     .deadline_us = SEARCH_NO_DEADLINE,
                                     .plain = options->plain};
    if (query && search_run(&index->searcher, &request, &result, &error))
        number = command->count ? (int64_t)result.total : 1;
    else
        fprintf(stderr, "search-query: %s\n", error.reason);
    if (opened_damage(&index->opened))
        number = -1;
    arena_deinit(&arena);
    return number;
}

static int play_all(struct index *index, const struct options *options)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;

    while ((len = getline(&line, &cap, stdin)) > 0) {
        struct span text = {line, (size_t)len - (line[len - 1] == '\n')};
        int64_t number = play(index, options, text);
        if (number < 0)
            puts("UNSUPPORTED");
        else
            printf("%lld\n", (long long)number);
        fflush(stdout);
    }
    free(line);
    return 0;
}

/* ---- a query */

static void show(const struct index *index, struct highlight *highlight,
                 const struct top_hit *hit, const struct sort_value *values,
                 size_t count)
{
    struct reader *reader = search_reader(&index->searcher, hit->doc);
    struct span id = reader_id(reader, hit->doc - reader->base);
    struct buf text;

    buf_init(&text, MEM_APP);
    struct json_writer w = {.out = &text};
    for (size_t i = 0; i < count; i++)
        sort_put_value(&values[i], &w);
    printf("%9.4f  %.*s%s%.*s", (double)hit->score, (int)id.len,
           id.ptr ? id.ptr : "", count ? "  " : "", (int)text.len,
           text.len ? text.ptr : "");
    show_document(&index->searcher, highlight, hit->doc);
    buf_deinit(&text);
}

/* False: error says why. */
static bool read_request(struct arena *arena, const struct options *options,
                         struct search_request *request,
                         struct query_error *error)
{
    struct agg *aggs = NULL;

    *request = (struct search_request){
        .query = read_query(arena, options, span_str(options->query), error),
        .most = (size_t)options->hits,
        .count = true,
        .deadline_us = SEARCH_NO_DEADLINE,
        .plain = options->plain};
    if (request->query && options->sort[0]) {
        request->sort = sort_read_text(arena, span_str(options->sort), error);
        if (!request->sort)
            return false;
    }
    if (!request->query || !options->aggs)
        return request->query != NULL;
    json_t *json = read_json(span_str(options->aggs), error);
    bool fine = json && aggs_read(arena, json, &aggs, error);
    json_decref(json);
    request->aggs = aggs;
    return fine;
}

static void show_all(struct index *index, const struct search_request *request,
                     const struct search_result *result)
{
    const struct sort *sort = request->sort;
    size_t count = sort && !sort_is_default(sort) ? sort->count : 0;
    struct query_error error;
    struct highlight *highlight =
        highlight_create(&index->searcher, request->query, &error);

    for (size_t i = 0; i < result->count; i++)
        show(index, highlight, &result->hits[i], result->values + i * count,
             count);
    highlight_destroy(highlight);
    if (result->aggs->len)
        printf("%.*s\n", (int)result->aggs->len, result->aggs->ptr);
}

static int ask(struct index *index, const struct options *options)
{
    struct sort_value *values =
        mem_alloc(MEM_APP, (size_t)HITS_MOST * SORT_KEYS_MAX * sizeof(*values));
    struct query_error error = {0};
    struct search_request request;
    struct buf aggs;
    struct search_result result = {
        .hits = index->hits, .values = values, .aggs = &aggs};
    struct arena arena;
    int status = 0;

    buf_init(&aggs, MEM_APP);
    arena_init(&arena, MEM_JOB, 0);
    uint64_t began = clock_mono_us();
    bool fine = read_request(&arena, options, &request, &error);
    if (fine && options->explain) {
        if (!show_score(&index->searcher, request.query, options->explain,
                        &error))
            status = fail(options->query, error.reason);
    } else if (fine &&
               search_run(&index->searcher, &request, &result, &error)) {
        uint64_t took = clock_mono_us() - began;
        show_all(index, &request, &result);
        printf("%llu documents, %.3f ms; opened in %.3f ms\n",
               (unsigned long long)result.total, (double)took / 1e3,
               (double)index->opening_us / 1e3);
    } else {
        status = fail(options->query, error.reason);
    }
    arena_deinit(&arena);
    buf_deinit(&aggs);
    mem_free(values);
    return status;
}

static int answer(struct index *index, const struct options *options)
{
    struct query_error error;

    if (options->sbg)
        return play_all(index, options);
    if (options->complete)
        return show_completions(&index->searcher, options->field,
                                options->complete, options->weight, &error)
                   ? 0
                   : fail(options->complete, error.reason);
    if (options->suggest)
        return show_suggestion(&index->searcher, options->field, options->query,
                               &error)
                   ? 0
                   : fail(options->query, error.reason);
    return ask(index, options);
}

int main(int argc, char **argv)
{
    static const struct config_option *const tables[] = {option_table};
    struct options options = {0};
    struct index index = {0};
    void *const outs[] = {&options};
    char why[WHY] = "";

    json_setup();
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        config_help(stdout, tables, 1);
        return 0;
    }
    if (config_parse(tables, outs, 1, argc, argv, why, sizeof(why)) < 0 ||
        !options.index ||
        (!options.sbg && !options.query && !options.complete)) {
        fprintf(stderr, "search-query: %s\n",
                why[0] ? why
                       : "--index and --query, --complete or --sbg are needed");
        return 2;
    }
    int status = open_index(&index, &options, why) ? answer(&index, &options)
                                                   : fail(options.index, why);
    const char *damage = opened_damage(&index.opened);
    if (damage) /* so what was shown may lack something */
        status = fail(options.index, damage);
    close_index(&index);
    return status;
}
