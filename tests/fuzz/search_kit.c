/* search_kit.c - see search_kit.h. */
#include <math.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/search_kit.h"

#define TOLERANCE 1e-5

void kit_schema(struct schema *schema)
{
    static const struct {
        struct span name;
        enum schema_type type;
    } fields[] = {{{"k", 1}, SCHEMA_KEYWORD}, {{"n", 1}, SCHEMA_LONG},
                  {{"d", 1}, SCHEMA_DOUBLE},  {{"w", 1}, SCHEMA_DATE},
                  {{"b", 1}, SCHEMA_BOOLEAN}, {{"t", 1}, SCHEMA_TEXT}};

    json_setup();
    schema_init(schema);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        schema_add(schema, fields[i].name, fields[i].type);
}

/* ---- documents */

/* Not random: the same each time, in each process. */
static unsigned mixed(unsigned a, unsigned b)
{
    unsigned x = a * 2654435761U + b * 40503U;

    return (x ^ x >> 15) * 2246822519U >> 8;
}

static void put_text(struct buf *out, unsigned doc)
{
    static const char *const words[] = {"the", "sea",  "song", "of",
                                        "a",   "ship", "some", "sees"};
    unsigned count = 1 + mixed(doc, 1) % 9;

    buf_printf(out, ",\"t\":\"");
    for (unsigned i = 0; i < count; i++) {
        unsigned word = mixed(doc, 100 + i) % 8;
        buf_printf(out, "%s%s", i ? " " : "",
                   words[word < mixed(doc, 200 + i) % 8 ? word : 0]);
    }
    for (unsigned i = 0; doc % 97 == 5 && i < 300; i++)
        buf_printf(out, " sea");
    buf_printf(out, " x%u\"", doc % 50);
}

static void put_document(struct buf *out, unsigned doc)
{
    buf_printf(out, "{\"k\":[");
    for (unsigned i = 0; i < mixed(doc, 2) % 4; i++)
        buf_printf(out, "%s\"k%u\"", i ? "," : "", mixed(doc, 3 + i) % 9);
    buf_printf(out, "],\"b\":%s", doc % 3 ? "true" : "false");
    if (doc % 5)
        buf_printf(out, ",\"n\":[%u,%u]", mixed(doc, 7) % 100, doc % 7);
    if (doc % 4)
        buf_printf(out, ",\"d\":%u.5", mixed(doc, 8) % 40);
    if (doc % 2)
        buf_printf(out, ",\"w\":\"2026-11-%02u\"", 1 + doc % 28);
    if (doc % 11)
        put_text(out, doc);
    buf_append_char(out, '}');
}

static char *read_all(const char *path, size_t *size)
{
    struct stat stat_;
    FILE *file = fopen(path, "rb");

    KIT_ASSERT(file && stat(path, &stat_) == 0);
    *size = (size_t)stat_.st_size;
    char *bytes = malloc(*size);
    KIT_ASSERT(bytes && fread(bytes, 1, *size, file) == *size);
    fclose(file);
    unlink(path);
    return bytes;
}

char *kit_build(struct schema *schema, uint32_t from, uint32_t docs,
                size_t *size)
{
    char dir[] = "/tmp/fuzz-XXXXXX";
    char path[64];
    char why[KIT_WHY];
    char id[16];
    struct buf source;

    KIT_ASSERT(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/s", dir);
    struct builder *builder =
        builder_create(path, schema, &(struct builder_options){0});
    KIT_ASSERT(builder);
    buf_init(&source, MEM_APP);
    for (uint32_t doc = from; doc < from + docs; doc++) {
        int len = snprintf(id, sizeof(id), "%u", doc);
        source.len = 0;
        put_document(&source, doc);
        KIT_ASSERT(builder_add(builder, (struct span){id, (size_t)len},
                               buf_span(&source), why, sizeof(why)));
    }
    buf_deinit(&source);
    KIT_ASSERT(builder_finish(builder) == 0);
    char *bytes = read_all(path, size);
    rmdir(dir);
    return bytes;
}

struct segment *kit_open(struct span bytes, char why[KIT_WHY])
{
    int fd = memfd_create("segment", MFD_CLOEXEC);
    char path[32];

    KIT_ASSERT(fd >= 0 &&
               write(fd, bytes.ptr, bytes.len) == (ssize_t)bytes.len);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    struct segment *segment = segment_open(path, why, KIT_WHY);
    close(fd);
    return segment;
}

static void add_segment(struct kit_index *index, uint32_t base, uint32_t docs)
{
    size_t i = index->count++;
    struct live *live = &index->lives[i];
    char why[KIT_WHY];
    size_t size;
    char *bytes = kit_build(&index->schema, base, docs, &size);

    index->segments[i] = kit_open((struct span){bytes, size}, why);
    free(bytes);
    live_init(live, docs);
    for (uint32_t doc = 3; i == 0 && doc < docs; doc += 7)
        live_delete(live, doc);
    index->readers[i] = reader_open(index->segments[i], live, base);
    KIT_ASSERT(index->readers[i]);
}

void kit_index(struct kit_index *index, const uint32_t *docs, size_t count)
{
    uint32_t base = 0;

    if (index->count)
        return;
    kit_schema(&index->schema);
    for (size_t i = 0; i < count; base += docs[i++])
        add_segment(index, base, docs[i]);
    searcher_init(&index->searcher, &index->schema, index->readers, count);
}

/* ---- queries */

struct query *kit_query(struct arena *arena, struct span text, unsigned syntax)
{
    struct query_error error = {0};
    struct json_errors errors = {0};
    struct query *query = NULL;
    json_t *json;

    if (syntax)
        return query_read_text(
            arena, text, &(struct query_syntax){.simple = syntax == 2}, &error);
    if (json_read(text, &json, &errors) < 0)
        return NULL;
    query = query_read_json(arena, json, &error);
    json_decref(json);
    return query;
}

static bool is_near(float a, float b)
{
    double x = (double)a;
    double y = (double)b;

    return a == b || fabs(x - y) <= TOLERANCE * fmax(1, fabs(y));
}

/* Where scores are near to each other, which is first is open. */
static void compare(const struct search_result *a,
                    const struct search_result *b)
{
    KIT_ASSERT(a->count == b->count);
    for (size_t i = 0; i < a->count; i++) {
        size_t j = 0;
        KIT_ASSERT(is_near(a->hits[i].score, b->hits[i].score));
        while (j < b->count && b->hits[j].doc != a->hits[i].doc)
            j++;
        KIT_ASSERT(is_near(a->hits[i].score,
                           b->hits[j < b->count ? j : b->count - 1].score));
    }
}

bool kit_ask(struct searcher *searcher, const struct query *query, size_t most)
{
    static struct top_hit hits[4][KIT_HITS];
    struct search_result results[4];
    struct query_error error;
    bool fine = true;

    for (unsigned i = 0; i < 4; i++) {
        struct search_request request = {.query = query,
                                         .most = most,
                                         .count = i % 2,
                                         .plain = i / 2,
                                         .deadline_us = SEARCH_NO_DEADLINE};
        results[i] = (struct search_result){.hits = hits[i]};
        error = (struct query_error){0};
        bool answered = search_run(searcher, &request, &results[i], &error);
        KIT_ASSERT(i == 0 || answered == fine);
        KIT_ASSERT(answered || (error.type && error.reason[0]));
        fine = answered;
    }
    for (unsigned i = 1; i < 4 && fine; i++)
        compare(&results[i], &results[0]);
    KIT_ASSERT(!fine || results[1].total == results[3].total);
    KIT_ASSERT(!fine || results[1].total >= results[1].count);
    return fine;
}
