/*
 * fuzz_search_segment.c - a segment with some bytes changed.
 *
 * An input is edits: which section, where in it (two bytes), what is turned.
 * As it is, the segment is refused wherever it was changed; with sums made anew
 * it is refused by a check, or can be read and searched.
 */
#include <xxhash.h>

#include "search/index/check.h"
#include "tests/fuzz/search_kit.h"

#define DOCS 540
#define EDIT 4 /* bytes */
#define EDITS_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    struct schema schema;
    char *whole, *bytes;
    size_t size;
    struct segment_foot foot;
} kit;

static void setup(void)
{
    if (kit.whole)
        return;
    kit_schema(&kit.schema);
    kit.whole = kit_build(&kit.schema, 0, DOCS, &kit.size);
    kit.bytes = malloc(kit.size);
    KIT_ASSERT(kit.bytes);
    memcpy(&kit.foot, kit.whole + kit.size - sizeof(kit.foot),
           sizeof(kit.foot));
}

/* What is behind the last section: sums, table and foot. */
static void edit(const uint8_t *data)
{
    size_t which = data[0] % (kit.foot.sections + 1U);
    size_t at = data[1] | (size_t)data[2] << 8;
    struct segment_section section = {.offset = kit.foot.sums,
                                      .size = kit.size - kit.foot.sums};

    if (which < kit.foot.sections)
        memcpy(&section, kit.whole + kit.foot.table + which * sizeof(section),
               sizeof(section));
    if (section.size)
        kit.bytes[section.offset + at % section.size] ^= (char)data[3];
}

/* The sums that the bytes have now, if the foot says where they are. */
static void seal(void)
{
    size_t end = kit.size - sizeof(struct segment_foot);
    struct segment_foot foot;

    memcpy(&foot, kit.bytes + end, sizeof(foot));
    uint64_t chunks = foot.sums / SEGMENT_CHUNK + 1;
    if (foot.sums <= end && foot.sums + chunks * sizeof(uint64_t) <= end) {
        for (uint64_t at = 0; at < foot.sums; at += SEGMENT_CHUNK) {
            uint64_t left = foot.sums - at;
            uint64_t sum = XXH3_64bits(
                kit.bytes + at, left < SEGMENT_CHUNK ? left : SEGMENT_CHUNK);
            memcpy(kit.bytes + foot.sums + at / SEGMENT_CHUNK * sizeof(sum),
                   &sum, sizeof(sum));
        }
        foot.inner = XXH3_64bits(kit.bytes + foot.sums, end - foot.sums);
    }
    foot.own = XXH3_64bits(&foot, offsetof(struct segment_foot, own));
    memcpy(kit.bytes + end, &foot, sizeof(foot));
}

/* Some of the queries, from one on, and of the documents. */
static void ask(struct reader *reader, size_t from, size_t step)
{
    static const char *const queries[] = {"sea",
                                          "sea song",
                                          "+sea +the",
                                          "\"the sea\"",
                                          "\"sea the\"~3",
                                          "+the -ship x3",
                                          "s*",
                                          "s?a",
                                          "song~1",
                                          "x1~2",
                                          "k:k3",
                                          "k:[k2 TO k5]",
                                          "n:[3 TO 40]",
                                          "d:>7",
                                          "w:[2026-11-03 TO *]",
                                          "b:true",
                                          "_exists_:t",
                                          "t:*",
                                          "(sea^2 ship) +k:k1",
                                          "\"sea sea sea\"",
                                          "*:*"};
    struct searcher searcher;
    struct arena arena;
    struct buf source;

    searcher_init(&searcher, &reader->schema, &reader, 1);
    arena_init(&arena, MEM_JOB, 0);
    for (size_t i = from; i < sizeof(queries) / sizeof(queries[0]); i += step) {
        struct query *query = kit_query(&arena, span_str(queries[i]), 1);
        if (query) /* its fields may have other types now */
            kit_ask(&searcher, query, 1 + i * 4);
    }
    buf_init(&source, MEM_JOB);
    for (uint32_t doc = 0; doc < reader->docs; doc += 97) {
        KIT_ASSERT(reader_find(reader, reader_id(reader, doc)) >= doc);
        reader_source(reader, doc, &source);
    }
    buf_deinit(&source);
    arena_deinit(&arena);
    searcher_deinit(&searcher);
}

/* Whether it passes a check.  sealed: it may be read only if it does. */
static bool look(bool sealed, size_t from)
{
    struct check_counts counts;
    char why[KIT_WHY] = "";
    struct segment *segment = kit_open((struct span){kit.bytes, kit.size}, why);
    struct reader *reader = segment ? reader_open(segment, NULL, 0) : NULL;
    bool fine = false;

    if (reader && !sealed)
        ask(reader, from, 10);
    if (reader)
        fine = check_segment(reader, &counts, why, sizeof(why));
    KIT_ASSERT(fine || why[0] || (segment && !reader));
    if (fine && sealed)
        ask(reader, from, 3);
    reader_close(reader);
    segment_close(segment);
    return fine;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    setup();
    memcpy(kit.bytes, kit.whole, kit.size);
    for (size_t i = 0; i < EDITS_MAX && (i + 1) * EDIT <= size; i++)
        edit(data + i * EDIT);
    bool same = memcmp(kit.bytes, kit.whole, kit.size) == 0;
    size_t from = size % 3;
    KIT_ASSERT(look(false, from) == same);
    seal();
    KIT_ASSERT(look(true, from) || !same);
    return 0;
}
