/* facts.c - see facts.h. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "search/index/builder.h"
#include "tests/search/facts.h"

#define WHY 300
#define WORDS 8

static const char *const keywords[] = {"",   "a", "ab", "b",        "ba", "c",
                                       "cc", "d", "e",  "\xc3\xa4", "f",  "zz"};

const char *facts_name(enum fact_field field)
{
    static const char *const names[] = {"k", "n", "d", "w", "b"};

    return names[field];
}

json_t *facts_json(struct span text)
{
    struct json_errors errors;
    json_t *json = NULL;

    json_errors_init(&errors);
    if (json_read(text, &json, &errors) != 0)
        fail_msg("%.*s: %s", (int)text.len, text.ptr, errors.at[0].detail);
    return json;
}

struct query *facts_query(struct arena *arena, struct span text)
{
    struct query_error error = {0};
    json_t *json = facts_json(text);
    struct query *query = query_read_json(arena, json, &error);

    if (!query)
        fail_msg("%.*s: %s", (int)text.len, text.ptr, error.reason);
    json_decref(json);
    return query;
}

/* ---- documents */

/* Rarely one that is as a missing one is. */
static int64_t random_long(void)
{
    static const int64_t rare[] = {INT64_MAX, INT64_MIN, 1 - INT64_MAX, -1};

    return random() % 20 ? random() % 12 - 4
                         : rare[random() % (long)COUNT(rare)];
}

static double random_real(void)
{
    static const double rare[] = {1e300, -1e300, 0.1, 123456789.5};

    return random() % 20 ? (double)(random() % 16 - 6) / 4
                         : rare[random() % (long)COUNT(rare)];
}

/* Some years around 1970, or a few days. */
static int64_t random_date(void)
{
    return random() % 3 ? INT64_C(86400000) * (random() % 4000 - 1000) +
                              random() % 86400000
                        : random() % (86400000 * 3);
}

static void make(struct fact_values *fields, long region)
{
    struct fact_values *k = &fields[FACT_K];

    for (size_t i = 0; i < FACT_FIELDS; i++) {
        struct fact_values *values = &fields[i];
        values->count = (size_t)(random() % 4 ? 1 : random() % 4);
        for (size_t j = 0; j < values->count; j++) {
            values->reals[j] = random_real();
            values->numbers[j] = i == FACT_W   ? random_date()
                                 : i == FACT_B ? random() % 2
                                               : random_long();
        }
    }
    for (size_t j = 0; j < k->count; j++) /* ordinals are not the same */
        k->texts[j] =
            keywords[(region * 3 + random() % 6) % (long)COUNT(keywords)];
}

static void put_value(const struct fact_values *values, enum fact_field field,
                      size_t i, struct buf *out)
{
    if (field == FACT_K)
        buf_printf(out, "\"%s\"", values->texts[i]);
    else if (field == FACT_D)
        buf_printf(out, "%.17g", values->reals[i]);
    else if (field == FACT_B)
        buf_printf(out, values->numbers[i] ? "true" : "false");
    else
        buf_printf(out, "%" PRId64, values->numbers[i]);
}

static void put_document(const struct fact_values *fields, struct buf *out)
{
    buf_printf(out, "{\"t\":\"all");
    for (long i = random() % WORDS; i > 0; i--)
        buf_printf(out, " w%ld", random() % WORDS);
    buf_printf(out, "\"");
    for (enum fact_field i = 0; i < FACT_FIELDS; i++) {
        if (fields[i].count == 0)
            continue;
        buf_printf(out, ",\"%s\":[", facts_name(i));
        for (size_t j = 0; j < fields[i].count; j++) {
            buf_printf(out, j ? "," : "");
            put_value(&fields[i], i, j, out);
        }
        buf_printf(out, "]");
    }
    buf_printf(out, "}");
}

/* ---- segments */

static void build(struct facts *facts, const char *dir, size_t from, size_t to)
{
    size_t i = facts->segment_count++;
    char path[60];
    char why[WHY];
    struct buf source;

    snprintf(path, sizeof(path), "%s/%zu", dir, i);
    struct builder *builder =
        builder_create(path, &facts->schema, &(struct builder_options){0});
    buf_init(&source, MEM_APP);
    live_init(&facts->lives[i], (uint32_t)(to - from));
    for (size_t doc = from; doc < to; doc++) {
        source.len = 0;
        put_document(facts->docs[doc], &source);
        if (!builder_add(builder, (struct span){0}, buf_span(&source), why,
                         sizeof(why)))
            fail_msg("%.*s: %s", (int)source.len, source.ptr, why);
        if (facts->dead[doc])
            live_delete(&facts->lives[i], (uint32_t)(doc - from));
    }
    buf_deinit(&source);
    assert_int_equal(builder_finish(builder), 0);
    facts->segments[i] = segment_open(path, why, sizeof(why));
    assert_non_null(facts->segments[i]);
    unlink(path);
    facts->readers[i] =
        reader_open(facts->segments[i], &facts->lives[i], (uint32_t)from);
    assert_non_null(facts->readers[i]);
}

struct facts *facts_open(size_t docs, size_t segments, bool deletions)
{
    struct facts *facts = calloc(1, sizeof(*facts));
    char dir[] = "/tmp/search-XXXXXX";
    struct json_errors errors;
    json_t *json = facts_json(
        SPAN("{\"properties\":{\"t\":{\"type\":\"text\"},\"k\":{\"type\":"
             "\"keyword\"},\"n\":{\"type\":\"long\"},\"d\":{\"type\":"
             "\"double\"},\"w\":{\"type\":\"date\"},\"b\":{\"type\":"
             "\"boolean\"}}}"));

    json_errors_init(&errors);
    schema_init(&facts->schema);
    assert_true(schema_merge(&facts->schema, json, &errors));
    json_decref(json);
    facts->count = docs;
    for (size_t i = 0; i < docs; i++) {
        make(facts->docs[i], (long)(i * segments / docs));
        facts->dead[i] = deletions && random() % 4 == 0;
    }
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < segments; i++)
        build(facts, dir, docs * i / segments, docs * (i + 1) / segments);
    assert_int_equal(rmdir(dir), 0);
    searcher_init(&facts->searcher, &facts->schema, facts->readers, segments);
    return facts;
}

void facts_close(struct facts *facts)
{
    searcher_deinit(&facts->searcher);
    for (size_t i = 0; i < facts->segment_count; i++) {
        reader_close(facts->readers[i]);
        segment_close(facts->segments[i]);
        live_deinit(&facts->lives[i]);
    }
    schema_deinit(&facts->schema);
    free(facts);
}

/* ---- queries */

void facts_ask(struct buf *out)
{
    long a = random() % WORDS;
    long b = random() % WORDS;

    switch (random() % 6) {
    case 0:
        buf_printf(out, "{\"match_all\":{}}");
        break;
    case 1:
        buf_printf(out, "{\"match\":{\"t\":\"w%ld w%ld\"}}", a, b);
        break;
    case 2:
        buf_printf(out,
                   "{\"match\":{\"t\":{\"query\":\"w%ld w%ld\",\"operator\":"
                   "\"and\"}}}",
                   a, b);
        break;
    case 3:
        buf_printf(out, "{\"match_phrase\":{\"t\":\"all w%ld\"}}", a);
        break;
    case 4:
        buf_printf(out,
                   "{\"bool\":{\"filter\":{\"range\":{\"n\":{\"gte\":%ld}}},"
                   "\"should\":{\"match\":{\"t\":\"w%ld\"}}}}",
                   a - 4, b);
        break;
    default:
        buf_printf(out, "{\"term\":{\"k\":\"%s\"}}",
                   keywords[1 + random() % ((long)COUNT(keywords) - 1)]);
    }
}

size_t facts_match(struct facts *facts, const struct query *query,
                   bool matches[FACTS_DOCS], float scores[FACTS_DOCS])
{
    struct top_hit hits[FACTS_DOCS];
    struct search_result result = {.hits = hits};
    struct query_error error = {0};
    struct search_request request = {.query = query,
                                     .most = FACTS_DOCS,
                                     .plain = true,
                                     .deadline_us = SEARCH_NO_DEADLINE};

    assert_true(search_run(&facts->searcher, &request, &result, &error));
    memset(matches, 0, FACTS_DOCS * sizeof(matches[0]));
    for (size_t i = 0; i < result.count; i++) {
        assert_false(facts->dead[hits[i].doc]);
        matches[hits[i].doc] = true;
        scores[hits[i].doc] = hits[i].score;
    }
    return result.count;
}
