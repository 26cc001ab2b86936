/*
 * test_check.c - a segment with one thing in it that is not as it should be,
 * and sums that are right, is refused, and what it is is named.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "search/index/builder.h"
#include "search/index/check.h"
#include "search/index/field_put.h"
#include "tests/test.h"

#define DOCS 1300
#define GROUPED 4400 /* so many are in two groups of blocks */
#define WHY 300

#define FIELDS 4 /* t has a .keyword, that its words are */

struct place {
    char dir[32], path[64], other[64];
    uint32_t docs;
    struct segment *segment;
    struct reader *reader;
};

/* "all" is in all, "third" in each third one, twice in each sixth, "few" in
   three; a number in each second one, a word or two in some. */
static void put_document(struct buf *out, unsigned doc)
{
    buf_printf(out, "{\"t\":\"all%s%s%s\"", doc % 3 ? "" : " third",
               doc % 6 ? "" : " third", doc % 500 == 7 ? " few few" : "");
    if (doc % 2)
        buf_printf(out, ",\"n\":%u", doc);
    if (doc % 3)
        buf_printf(out, ",\"k\":[\"k%u\",\"m%u\"]", doc % 5, doc % 4);
    buf_printf(out, "}");
}

static void build(const char *path, unsigned docs)
{
    struct buf source;
    char why[WHY];
    char id[16];
    struct schema schema;

    schema_init(&schema);
    schema_add(&schema, SPAN("k"), SCHEMA_KEYWORD);
    schema_add(&schema, SPAN("n"), SCHEMA_LONG);
    schema_add(&schema, SPAN("t"), SCHEMA_TEXT);
    struct builder *builder =
        builder_create(path, &schema, &(struct builder_options){0});
    assert_non_null(builder);
    buf_init(&source, MEM_APP);
    for (unsigned doc = 0; doc < docs; doc++) {
        int len = snprintf(id, sizeof(id), "id%u", doc);
        source.len = 0;
        put_document(&source, doc);
        assert_true(builder_add(builder, (struct span){id, (size_t)len},
                                buf_span(&source), why, sizeof(why)));
    }
    assert_int_equal(builder_finish(builder), 0);
    buf_deinit(&source);
    schema_deinit(&schema);
}

static int open_place(void **state, uint32_t docs)
{
    struct place *place = calloc(1, sizeof(*place));
    char why[WHY];

    json_setup();
    snprintf(place->dir, sizeof(place->dir), "/tmp/check-XXXXXX");
    assert_non_null(mkdtemp(place->dir));
    snprintf(place->path, sizeof(place->path), "%s/a", place->dir);
    snprintf(place->other, sizeof(place->other), "%s/b", place->dir);
    place->docs = docs;
    build(place->path, docs);
    place->segment = segment_open(place->path, why, sizeof(why));
    assert_non_null(place->segment);
    place->reader = reader_open(place->segment, NULL, 0);
    assert_non_null(place->reader);
    *state = place;
    return 0;
}

static int setup(void **state)
{
    return open_place(state, DOCS);
}

static int setup_groups(void **state)
{
    return open_place(state, GROUPED);
}

static int teardown(void **state)
{
    struct place *place = *state;

    reader_close(place->reader);
    segment_close(place->segment);
    unlink(place->path);
    unlink(place->other);
    assert_int_equal(rmdir(place->dir), 0);
    free(place);
    return 0;
}

/* ---- what is planted */

#define KEYWORD 0
#define LONG 1
#define FULL 2 /* the text */
#define NONE SEGMENT_NO_FIELD

struct plant {
    enum segment_kind kind;
    uint32_t field;
    /* Of a term its list or positions begin the bytes; or what they begin
       with; or all of the section. */
    const char *term, *find;
    int at; /* from there on; negative: from the section's end */
    struct span put;
    const char *why;
};

#define PUT(bytes)                 \
    {                              \
        (bytes), sizeof(bytes) - 1 \
    }

/* A list is 4 bytes, then of each block 20 (last, bits, impacts, places: 4
   each; widths), then impacts: list.h. */
static const struct plant plants[] = {
    {SEGMENT_LISTS, FULL, "third", NULL, 0, PUT("\xff\xff"),
     "lists of [t]: [third]: it is shorter than its blocks"},
    {SEGMENT_LISTS, FULL, "third", NULL, 4, PUT("\x01"),
     "lists of [t]: [third]: a block that cannot be read"},
    {SEGMENT_LISTS, FULL, "third", NULL, 7, PUT("\x70"),
     "lists of [t]: [third]: documents that do not rise, or are not there"},
    {SEGMENT_LISTS, FULL, "third", NULL, 24, PUT("\0\0"),
     "lists of [t]: [third]: documents that do not rise, or are not there"},
    {SEGMENT_LISTS, FULL, "third", NULL, 8, PUT("\x01"),
     "lists of [t]: [third]: a block that cannot be read"},
    {SEGMENT_LISTS, FULL, "third", NULL, 12, PUT("\x01"),
     "lists of [t]: [third]: a block without impacts"},
    {SEGMENT_LISTS, FULL, "third", NULL, 32, PUT("\0"),
     "lists of [t]: [third]: a block without impacts"},
    {SEGMENT_LISTS, FULL, "third", NULL, 36, PUT("\x07"),
     "lists of [t]: [third]: a block of other positions"},
    {SEGMENT_LISTS, FULL, "third", NULL, 20, PUT("\x21"),
     "lists of [t]: [third]: a block that cannot be read"},
    {SEGMENT_LISTS, FULL, "third", NULL, 21, PUT("\x22"),
     "lists of [t]: [third]: a block that cannot be read"},
    {SEGMENT_LISTS, FULL, "third", NULL, 22, PUT("\xff"),
     "lists of [t]: [third]: a block that cannot be read"},
    {SEGMENT_LISTS, FULL, "third", NULL, 44, PUT("\0"),
     "lists of [t]: [third]: an impact that is no bound"},
    {SEGMENT_LISTS, FULL, "third", NULL, 45, PUT("\xff"),
     "lists of [t]: [third]: an impact that is no bound"},
    {SEGMENT_LISTS, FULL, "few", NULL, 0, PUT("\xff\xff\x7f"),
     "lists of [t]: [few]: it cannot be read"},
    {SEGMENT_LISTS, FULL, "few", NULL, 1, PUT("\x03"),
     "lists of [t]: [few]: more or fewer than its terms say"},
    {SEGMENT_LISTS, FULL, "few", NULL, 1, PUT("\0"),
     "lists of [t]: [few]: it cannot be read"},
    {SEGMENT_PLACES, FULL, "few", NULL, 0, PUT("\x80"),
     "positions of [t]: [few]: they are more or fewer"},
    {SEGMENT_PLACES, FULL, "third", NULL, 0, PUT("\x01"),
     "positions of [t]: [third]: a block that cannot be read"},
    {SEGMENT_PLACES, FULL, "third", NULL, 4, PUT("\x40"),
     "positions of [t]: [third]: a block that cannot be read"},
    {SEGMENT_PLACES, FULL, "third", NULL, 16, PUT("\x01"),
     "positions of [t]: [third]: a block that cannot be read"},
    {SEGMENT_TERMS, FULL, NULL, NULL, 0, PUT("\x01"),
     "terms of [t]: a block that cannot be read"},
    {SEGMENT_TERMS, FULL, NULL, "few", -1, PUT("\x7f"),
     "terms of [t]: a block that cannot be read"},
    {SEGMENT_TERMS, FULL, NULL, "few", 0, PUT("ae"),
     "terms of [t]: [aew]: they do not rise"},
    {SEGMENT_TERMS, FULL, NULL, "few", 0, PUT("am"),
     "terms of [t]: [amw]: it shares more than it says"},
    {SEGMENT_INDEX, FULL, NULL, NULL, 4, PUT("\x01"),
     "terms of [t]: an index of other sizes"},
    {SEGMENT_INDEX, FULL, NULL, NULL, -8, PUT("\x01"),
     "terms of [t]: an index of other sizes"},
    {SEGMENT_KEYS, FULL, NULL, NULL, 0, PUT("b"),
     "terms of [t]: a block that cannot be read"},
    {SEGMENT_LENGTHS, FULL, NULL, NULL, 1, PUT("\xc0"),
     "lengths of [t]: they are others"},
    {SEGMENT_TOTALS, FULL, NULL, NULL, 0, PUT("\x01"),
     "totals of [t]: they are others"},
    {SEGMENT_TOTALS, KEYWORD, NULL, NULL, 8, PUT("\x01"),
     "totals of [k]: they are others"},
    {SEGMENT_TERMS, KEYWORD, NULL, "m0", 0, PUT("m9"),
     "values of [k]: [m9]: it is none of them"},
    {SEGMENT_VALUES, KEYWORD, NULL, NULL, -1, PUT("0"),
     "values of [k]: keywords that do not rise"},
    {SEGMENT_VALUES, LONG, NULL, NULL, 0, PUT("\x01"),
     "values of [n]: they are of another kind"},
    {SEGMENT_VALUES, LONG, NULL, NULL, 4, PUT("\x01"),
     "values of [n]: they do not fit the documents"},
    {SEGMENT_VALUES, LONG, NULL, NULL, 8, PUT("\x05"),
     "values of [n]: a range that is no bound"},
    {SEGMENT_VALUES, LONG, NULL, NULL, 24, PUT("\x05"),
     "values of [n]: a range that is no bound"},
    {SEGMENT_VALUES, LONG, NULL, NULL, -180, PUT("\x01"),
     "values of [n]: who has one is miscounted"},
    {SEGMENT_VALUES, LONG, NULL, NULL, -8, PUT("\x01"),
     "values of [n]: who has one is miscounted"},
    {SEGMENT_IDS, NONE, NULL, NULL, 0, PUT("\x01\x02\x03"), "is not found"},
    {SEGMENT_IDS, NONE, NULL, "id0id1", 0, PUT("idx"),
     "ids: document 0 is not found"},
    {SEGMENT_IDS, NONE, NULL, "id0id1", 0, PUT("id9"),
     "ids: a slot of another id"},
    {SEGMENT_SOURCES, NONE, NULL, NULL, 16, PUT("\x01"),
     "document index: it does not fit the documents"},
    {SEGMENT_STORED, NONE, NULL, NULL, 0, PUT("\x01"),
     "documents: 0 cannot be read"},
    {SEGMENT_SCHEMA, NONE, NULL, "\"text\"", 0, PUT("\"long\""),
     "terms of [t]: its type has none"},
    {SEGMENT_SCHEMA, NONE, NULL, "\"long\"", 0, PUT("\"text\""),
     "values of [n]: its type has none"},
    {SEGMENT_SCHEMA, NONE, NULL, "\"n\"", 0, PUT("\"k\""),
     "schema: it has [k] twice"},
    {SEGMENT_SCHEMA, NONE, NULL, "\"standard\"", 0, PUT("\"stand_rd\""),
     "schema: [k] has no such analyzer"},
};

/* Where the bytes are that are planted. */
static size_t place_of(const struct place *place, const struct plant *plant,
                       struct span bytes)
{
    size_t from = plant->at < 0 && !plant->find ? bytes.len : 0;
    struct dict_entry entry;

    if (plant->term) {
        const struct field *field = reader_terms(place->reader, plant->field);
        assert_true(field_find(field, span_str(plant->term), &entry));
        from = plant->kind == SEGMENT_LISTS ? entry.list : entry.places;
    }
    if (plant->find) {
        const char *found =
            memmem(bytes.ptr, bytes.len, plant->find, strlen(plant->find));
        assert_non_null(found);
        from = (size_t)(found - bytes.ptr);
    }
    return from + (size_t)plant->at;
}

static void put_section(const struct place *place,
                        struct segment_writer *writer, struct span bytes,
                        const struct plant *plant)
{
    char *copy = malloc(bytes.len + 1);

    memcpy(copy, bytes.ptr, bytes.len);
    if (plant) {
        size_t at = place_of(place, plant, bytes);
        assert_true(at + plant->put.len <= bytes.len);
        assert_true(memcmp(copy + at, plant->put.ptr, plant->put.len) != 0);
        memcpy(copy + at, plant->put.ptr, plant->put.len);
    }
    segment_writer_put(writer, (struct span){copy, bytes.len});
    free(copy);
}

/* The sections of the segment, one of them changed (plant), left out, or there
   twice; with what is in other instead of a field. */
struct change {
    const struct plant *plant;
    enum segment_kind kind; /* of FULL's */
    int times;              /* it is there */
    const struct list_source *source;
};

static void write_changed(const struct place *place,
                          const struct change *change)
{
    struct segment_writer *writer = segment_writer_open(place->other);

    for (enum segment_kind kind = 0; kind < SEGMENT_KINDS; kind++)
        for (uint32_t i = 0; i <= FIELDS; i++) {
            uint32_t field = i < FIELDS ? i : NONE;
            const struct plant *plant = change->plant;
            bool planted =
                plant && plant->kind == kind && plant->field == field;
            bool is_it = field == FULL && kind == change->kind && !plant;
            struct span bytes = segment_section(place->segment, kind, field);
            if (change->source && kind >= SEGMENT_TERMS && field == FULL)
                continue;
            for (int n = is_it ? change->times : 1; bytes.len && n > 0; n--) {
                segment_writer_begin(writer, kind, field);
                put_section(place, writer, bytes, planted ? plant : NULL);
            }
        }
    if (change->source) {
        static const char norms[DOCS] = {1};
        struct field_totals totals = {.tokens = 2, .docs = 1};
        struct list_source source = *change->source;
        struct field_put put;
        field_put_begin(&put, writer, FULL, true,
                        (struct span){norms, sizeof(norms)});
        field_put_term(&put, SPAN("a"), &source);
        field_put_end(&put, &totals);
    }
    assert_int_equal(segment_writer_finish(writer, place->docs), 0);
}

static bool is_fine(const struct place *place, char *why)
{
    struct segment *segment = segment_open(place->other, why, WHY);
    struct check_counts counts;

    assert_non_null(segment);
    struct reader *reader = reader_open(segment, NULL, 0);
    assert_non_null(reader);
    bool fine = check_segment(reader, &counts, why, WHY);
    reader_close(reader);
    segment_close(segment);
    return fine;
}

static void assert_named(const struct place *place, const struct change *change,
                         const char *expected)
{
    char why[WHY] = "nothing";

    write_changed(place, change);
    bool fine = is_fine(place, why);
    if (fine || !strstr(why, expected))
        fail_msg("%s, not %s", why, expected);
}

/* ---- tests */

static void test_what_is_planted_is_named(void **state)
{
    for (size_t i = 0; i < COUNT(plants); i++)
        assert_named(*state, &(struct change){.plant = &plants[i]},
                     plants[i].why);
}

static void test_what_is_as_it_was_is_fine(void **state)
{
    char why[WHY] = "";

    write_changed(*state, &(struct change){.kind = SEGMENT_TERMS, .times = 1});
    if (!is_fine(*state, why))
        fail_msg("%s", why);
}

/* "all" has 18 blocks, so groups are at 4 + 18 * 20, and, as each block has an
   impact, theirs at 364 + 2 * 4 + 18 * 2. */
static void test_what_is_planted_in_groups_is_named(void **state)
{
    static const struct plant planted[] = {
        {SEGMENT_LISTS, FULL, "all", NULL, 364, PUT("\x11"),
         "lists of [t]: [all]: a group without impacts"},
        {SEGMENT_LISTS, FULL, "all", NULL, 368, PUT("\x12"),
         "lists of [t]: [all]: a group without impacts"},
        {SEGMENT_LISTS, FULL, "all", NULL, 368, PUT("\x14"),
         "lists of [t]: [all]: a group without impacts"},
        {SEGMENT_LISTS, FULL, "all", NULL, 408, PUT("\0"),
         "lists of [t]: [all]: an impact that is no bound"},
        {SEGMENT_LISTS, FULL, "all", NULL, 411, PUT("\xff"),
         "lists of [t]: [all]: an impact that is no bound"},
    };

    test_what_is_as_it_was_is_fine(state);
    for (size_t i = 0; i < COUNT(planted); i++)
        assert_named(*state, &(struct change){.plant = &planted[i]},
                     planted[i].why);
}

static void test_what_is_missing_or_twice_is_named(void **state)
{
    static const struct {
        enum segment_kind kind;
        const char *why;
    } missing[] = {
        {SEGMENT_TERMS, "terms of [t]: an index of other sizes"},
        {SEGMENT_INDEX, "terms of [t]: there is no term index"},
        {SEGMENT_KEYS, "terms of [t]: an index of other sizes"},
        {SEGMENT_LISTS, "terms of [t]: lists or positions of other sizes"},
        {SEGMENT_PLACES, "terms of [t]: lists or positions of other sizes"},
        {SEGMENT_LENGTHS, "lengths of [t]: those of another type"},
        {SEGMENT_TOTALS, "terms of [t]: they do not fit the documents"},
    };

    for (size_t i = 0; i < COUNT(missing); i++) {
        assert_named(*state, &(struct change){.kind = missing[i].kind},
                     missing[i].why);
        assert_named(*state,
                     &(struct change){.kind = missing[i].kind, .times = 2},
                     "twice");
    }
}

static void test_lists_that_were_written_wrong_are_named(void **state)
{
    static const uint32_t docs[] = {7, 9};
    static const uint32_t falling[] = {9, 7};
    static const uint32_t far[] = {7, DOCS};
    static const uint32_t freqs[] = {2, 1};
    static const uint32_t steps[] = {3, UINT32_MAX, 0};
    static const struct {
        struct list_source source;
        const char *why;
    } cases[] = {
        {{docs, freqs, 2, steps, 3, NULL}, "positions of [t]: [a]: they fall"},
        {{falling, freqs, 2, steps, 3, NULL},
         "lists of [t]: [a]: it cannot be read"},
        {{far, freqs, 2, steps, 3, NULL},
         "lists of [t]: [a]: it cannot be read"},
        {{&far[1], freqs, 1, steps, 2, NULL},
         "terms of [t]: a block that cannot be read"},
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_named(*state, &(struct change){.source = &cases[i].source},
                     cases[i].why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(test_what_is_as_it_was_is_fine),
        T(test_what_is_planted_is_named),
        T(test_what_is_missing_or_twice_is_named),
        T(test_lists_that_were_written_wrong_are_named),
        cmocka_unit_test_setup_teardown(test_what_is_planted_in_groups_is_named,
                                        setup_groups, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
