/* test_values.c - each document has the values that it was given. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "search/index/values.h"
#include "tests/test.h"

#define DOCS 3000
#define MOST 5 /* values of a document */

enum spread {
    SAME,
    SMALL,
    DAYS,
    WIDE,
    EXTREME,
    SPREADS,
};

enum presence {
    ALL,
    SOME,
    FEW,
    NONE,
    PRESENCES,
};

struct shape {
    enum values_kind kind;
    enum spread spread;
    enum presence presence;
    bool several;
    uint32_t docs;
};

/* As they are to be read. */
struct model {
    struct shape shape;
    uint32_t counts[DOCS];
    int64_t numbers[DOCS][MOST];
    struct buf keywords[DOCS * MOST]; /* different ones, rising */
    uint32_t keyword_count;
    struct buf section;
    char *kept; /* exactly so long, so that a read past the end is seen */
    struct values values;
};

/* ---- making */

static int64_t random_number(enum spread spread)
{
    static const int64_t extremes[] = {INT64_MIN, INT64_MIN + 1, -1,       0,
                                       1,         INT64_MAX - 1, INT64_MAX};
    uint64_t bits = (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^
                    (uint64_t)random();

    switch (spread) {
    case SAME:
        return -5;
    case SMALL:
        return (int64_t)(bits % 100) - 50;
    case DAYS:
        return (int64_t)(bits % 1000) * 86400000 + 1000;
    case EXTREME:
        return extremes[bits % COUNT(extremes)];
    case WIDE:
    case SPREADS:
    default:
        return (int64_t)bits;
    }
}

static double random_double(enum spread spread)
{
    static const double extremes[] = {-HUGE_VAL, -1e308, -5e-324, -0.0,
                                      0.0,       5e-324, 1.5,     HUGE_VAL};

    if (spread == EXTREME)
        return extremes[(size_t)random() % COUNT(extremes)];
    return (double)random_number(spread) / 8;
}

static struct span random_keyword(enum spread spread, char room[24])
{
    int len = snprintf(room, 24, "%" PRId64, random_number(spread));

    if (spread == EXTREME) { /* short ones of any bytes, many that are empty */
        len = (int)(random() % 4);
        for (int i = 0; i < len; i++)
            room[i] = "\0a\xff"[random() % 3];
    }
    return (struct span){room, (size_t)len};
}

static bool is_given(enum presence presence, uint32_t doc)
{
    switch (presence) {
    case ALL:
        return true;
    case SOME:
        return random() % 2;
    case FEW: /* of the second block none */
        return doc / VALUES_BLOCK != 1 && random() % 300 == 0;
    case NONE:
    case PRESENCES:
    default:
        return false;
    }
}

/* Of a keyword where it is among those that have been seen. */
static int64_t keep_keyword(struct model *model, struct span keyword)
{
    uint32_t i = 0;

    while (i < model->keyword_count &&
           !span_eq(buf_span(&model->keywords[i]), keyword))
        i++;
    if (i == model->keyword_count) {
        buf_init(&model->keywords[i], MEM_APP);
        buf_append(&model->keywords[i], keyword);
        model->keyword_count++;
    }
    return i;
}

static int64_t give(struct model *model, struct values_writer *writer,
                    uint32_t doc)
{
    enum spread spread = model->shape.spread;
    int64_t number = random_number(spread);
    double real = random_double(spread);
    char room[24];
    struct span keyword = random_keyword(spread, room);

    switch (model->shape.kind) {
    case VALUES_INT64:
        values_writer_add_long(writer, doc, number);
        return number;
    case VALUES_DOUBLE:
        assert_true(values_writer_add_double(writer, doc, real));
        return values_from_double(real);
    case VALUES_KEYWORD:
    default:
        values_writer_add_keyword(writer, doc, keyword);
        return keep_keyword(model, keyword);
    }
}

static int by_text(const void *a, const void *b)
{
    return span_compare(buf_span(a), buf_span(b));
}

static int by_number(const void *a, const void *b)
{
    int64_t one = *(const int64_t *)a;
    int64_t two = *(const int64_t *)b;

    return (one > two) - (one < two);
}

/* Numbers of keywords, as they were seen, to their ordinals. */
static void order_keywords(struct model *model)
{
    uint32_t count = model->keyword_count;
    struct buf *seen = malloc((count + 1) * sizeof(*seen));

    memcpy(seen, model->keywords, count * sizeof(*seen));
    if (count)
        qsort(model->keywords, count, sizeof(*seen), by_text);
    for (uint32_t doc = 0; doc < model->shape.docs; doc++)
        for (uint32_t i = 0; i < model->counts[doc]; i++) {
            const struct buf *keyword = &seen[model->numbers[doc][i]];
            const struct buf *found = bsearch(keyword, model->keywords, count,
                                              sizeof(*seen), by_text);
            model->numbers[doc][i] = found - model->keywords;
        }
    free(seen);
}

static void order_numbers(struct model *model, uint32_t doc)
{
    int64_t *numbers = model->numbers[doc];
    uint32_t kept = 0;

    qsort(numbers, model->counts[doc], sizeof(*numbers), by_number);
    if (model->shape.kind != VALUES_KEYWORD)
        return;
    for (uint32_t i = 0; i < model->counts[doc]; i++)
        if (i == 0 || numbers[i] != numbers[i - 1])
            numbers[kept++] = numbers[i];
    model->counts[doc] = kept;
}

static struct model *model_create(const struct shape *shape)
{
    struct model *model = calloc(1, sizeof(*model));
    struct values_writer writer;

    model->shape = *shape;
    buf_init(&model->section, MEM_APP);
    values_writer_init(&writer, shape->kind, 7);
    for (uint32_t doc = 0; doc < shape->docs; doc++) {
        uint32_t count = shape->several ? (uint32_t)random() % MOST + 1 : 1;
        if (!is_given(shape->presence, doc))
            continue;
        for (uint32_t i = 0; i < count; i++)
            model->numbers[doc][i] = give(model, &writer, doc);
        model->counts[doc] = count;
    }
    if (shape->kind == VALUES_KEYWORD)
        order_keywords(model);
    for (uint32_t doc = 0; doc < shape->docs; doc++)
        order_numbers(model, doc);
    values_writer_finish(&writer, shape->docs, &model->section);
    values_writer_deinit(&writer);
    model->kept = malloc(model->section.len);
    memcpy(model->kept, model->section.ptr, model->section.len);
    assert_true(values_init(&model->values,
                            (struct span){model->kept, model->section.len},
                            shape->docs));
    return model;
}

static void model_destroy(struct model *model)
{
    for (uint32_t i = 0; i < model->keyword_count; i++)
        buf_deinit(&model->keywords[i]);
    buf_deinit(&model->section);
    free(model->kept);
    free(model);
}

/* ---- comparing */

static void assert_documents(const struct model *model)
{
    const struct values *values = &model->values;
    uint32_t before = 0;

    for (uint32_t doc = 0; doc < model->shape.docs; doc++) {
        assert_int_equal(values_before(values, doc), before);
        assert_int_equal(values_count(values, doc), model->counts[doc]);
        for (uint32_t i = 0; i < model->counts[doc]; i++)
            assert_true(values_get(values, doc, i) == model->numbers[doc][i]);
        before += model->counts[doc] != 0;
    }
    assert_int_equal(values_before(values, model->shape.docs), before);
    assert_int_equal(values->have, before);
}

/* How many have one. */
static uint32_t range_slowly(const struct model *model, uint32_t from,
                             uint32_t to, struct values_range *range)
{
    uint32_t have = 0;

    *range = (struct values_range){INT64_MAX, INT64_MIN};
    for (uint32_t doc = from; doc < to && doc < model->shape.docs; doc++) {
        have += model->counts[doc] != 0;
        for (uint32_t i = 0; i < model->counts[doc]; i++) {
            int64_t number = model->numbers[doc][i];
            range->min = number < range->min ? number : range->min;
            range->max = number > range->max ? number : range->max;
        }
    }
    return have;
}

static void assert_same_range(struct values_range found,
                              struct values_range expected)
{
    assert_true(found.min == expected.min);
    assert_true(found.max == expected.max);
}

static void assert_ranges(const struct model *model)
{
    uint32_t docs = model->shape.docs;
    struct values_range expected;
    struct values_range found;

    range_slowly(model, 0, docs, &expected);
    assert_same_range(model->values.range, expected);
    for (uint32_t block = 0; block * VALUES_BLOCK < docs; block++) {
        uint32_t from = block * VALUES_BLOCK;
        uint32_t have =
            range_slowly(model, from, from + VALUES_BLOCK, &expected);
        assert_int_equal(values_block_range(&model->values, block, &found),
                         have);
        assert_same_range(found, expected);
    }
}

/* The first that is not before it, one by one. */
static void assert_found(const struct model *model, struct span keyword)
{
    uint32_t expected = 0;
    bool exact = random() % 2;

    while (expected < model->keyword_count &&
           span_compare(buf_span(&model->keywords[expected]), keyword) < 0)
        expected++;
    assert_int_equal(values_find(&model->values, keyword, &exact), expected);
    assert_int_equal(
        exact, expected < model->keyword_count &&
                   span_eq(buf_span(&model->keywords[expected]), keyword));
}

static void assert_keywords(const struct model *model)
{
    uint32_t step = model->keyword_count / 100 + 1;
    char room[24];

    assert_int_equal(values_keywords(&model->values), model->keyword_count);
    for (uint32_t i = 0; i < model->keyword_count; i++)
        assert_true(span_eq(values_keyword(&model->values, i),
                            buf_span(&model->keywords[i])));
    for (uint32_t i = 0; i < model->keyword_count; i += step)
        assert_found(model, buf_span(&model->keywords[i]));
    for (uint32_t i = 0; i < 100; i++)
        assert_found(model, random_keyword(i % SPREADS, room));
}

static void check(const struct shape *shape)
{
    struct model *model = model_create(shape);

    assert_int_equal(model->values.kind, shape->kind);
    assert_documents(model);
    assert_ranges(model);
    if (shape->kind == VALUES_KEYWORD)
        assert_keywords(model);
    model_destroy(model);
}

static void check_shapes(enum values_kind kind, uint32_t docs)
{
    for (unsigned i = 0; i < SPREADS * PRESENCES * 2; i++)
        check(&(struct shape){.kind = kind,
                              .spread = i / 2 % SPREADS,
                              .presence = i / 2 / SPREADS,
                              .several = i % 2,
                              .docs = docs});
}

static void test_values_are_read_as_they_were_given(void **state)
{
    static const uint32_t docs[] = {0, 1, 2, 511, 512, 513, 1023, 1024, 1025};

    (void)state;
    for (size_t i = 0; i < COUNT(docs); i++) {
        check_shapes(VALUES_INT64, docs[i]);
        check_shapes(VALUES_DOUBLE, docs[i]);
        check_shapes(VALUES_KEYWORD, docs[i]);
    }
    check_shapes(VALUES_INT64, DOCS);
    check_shapes(VALUES_DOUBLE, DOCS);
    for (unsigned i = 0; i < PRESENCES * 2; i++)
        check(&(struct shape){VALUES_KEYWORD, i % 2 ? SMALL : EXTREME, i / 2,
                              i % 3, DOCS});
}

/* ---- sizes */

static size_t size_of(const struct shape *shape)
{
    struct model *model = model_create(shape);
    size_t size = model->section.len;

    model_destroy(model);
    return size;
}

static void test_column_is_as_small_as_its_numbers(void **state)
{
    size_t same = size_of(&(struct shape){VALUES_INT64, SAME, ALL, 0, DOCS});
    size_t none = size_of(&(struct shape){VALUES_INT64, WIDE, NONE, 0, DOCS});

    (void)state;
    assert_in_range(same, 1, 150);
    assert_in_range(none, 1, 150);
    /* a thousand days are ten bits, a hundred numbers seven */
    assert_in_range(size_of(&(struct shape){VALUES_INT64, DAYS, ALL, 0, DOCS}),
                    1, DOCS * 10 / 8 + 150);
    assert_in_range(size_of(&(struct shape){VALUES_INT64, SMALL, ALL, 0, DOCS}),
                    1, DOCS * 7 / 8 + 150);
    /* a bit a document, and ranks */
    assert_in_range(size_of(&(struct shape){VALUES_INT64, SAME, SOME, 0, DOCS}),
                    1, DOCS / 8 + 4 * (DOCS / VALUES_RANK + 1) + 160);
}

static void check_sections(const struct shape *shape)
{
    struct model *model = model_create(shape);
    struct values values = {.docs = 77};

    for (size_t len = 0; len < model->section.len; len++)
        assert_false(
            values_init(&values, (struct span){model->kept, len}, shape->docs));
    assert_false(values_init(&values, buf_span(&model->section), 0));
    assert_false(values_init(&values, buf_span(&model->section),
                             shape->docs + VALUES_BLOCK));
    buf_append_char(&model->section, 0);
    assert_false(values_init(&values, buf_span(&model->section), shape->docs));
    model->section.len--;
    model->section.ptr[4]++; /* who has one */
    assert_false(values_init(&values, buf_span(&model->section), shape->docs));
    model->section.ptr[4]--;
    model->section.ptr[0] = VALUES_KEYWORD + 1;
    assert_false(values_init(&values, buf_span(&model->section), shape->docs));
    assert_int_equal(values.docs, 77);
    model_destroy(model);
}

static void test_section_must_be_of_so_many_documents(void **state)
{
    (void)state;
    check_sections(&(struct shape){VALUES_INT64, SMALL, ALL, false, 600});
    check_sections(&(struct shape){VALUES_INT64, SMALL, SOME, false, 600});
    check_sections(&(struct shape){VALUES_DOUBLE, WIDE, SOME, true, 600});
    check_sections(&(struct shape){VALUES_KEYWORD, SMALL, SOME, true, 600});
}

static void assert_piece(struct span *rest, const void *piece, size_t size)
{
    assert_true(rest->len >= size);
    assert_memory_equal(rest->ptr, piece, size);
    *rest = span_skip(*rest, size);
}

/* "b" and "a"; none; "b": as values.h says. */
static void test_bytes_are_as_the_header_says(void **state)
{
    /* kind and have; range, ranges; numbers 0 1 1; firsts 0 2 3; presence */
    static const int64_t head[] = {0x200000002, 0,           1, 0, 1, 0,
                                   1,           0x100000003, 6, 0, 0, 1,
                                   0x200000003, 0x38,        0, 5};
    static const uint32_t rank = 0;
    static const int64_t keywords[] = {0, 1, 0x200000003, 0x24, 0};
    struct values_writer writer;
    struct buf section;

    (void)state;
    buf_init(&section, MEM_APP);
    values_writer_init(&writer, VALUES_KEYWORD, 3);
    values_writer_add_keyword(&writer, 0, SPAN("b"));
    values_writer_add_keyword(&writer, 0, SPAN("a"));
    values_writer_add_keyword(&writer, 2, SPAN("b"));
    values_writer_finish(&writer, 3, &section);
    struct span rest = buf_span(&section);
    assert_piece(&rest, head, sizeof(head));
    assert_piece(&rest, &rank, sizeof(rank));
    assert_piece(&rest, keywords, sizeof(keywords));
    assert_true(span_eq(rest, SPAN("ab")));
    values_writer_deinit(&writer);
    buf_deinit(&section);
}

/* ---- kinds */

static void test_doubles_lie_as_their_numbers_do(void **state)
{
    static const double rising[] = {-HUGE_VAL, -1e300, -2, -1.5,  -5e-324, 0,
                                    5e-324,    1.5,    2,  1e300, HUGE_VAL};

    (void)state;
    for (size_t i = 0; i < COUNT(rising); i++) {
        int64_t number = values_from_double(rising[i]);
        assert_true(values_double(number) == rising[i]);
        if (i > 0)
            assert_true(number > values_from_double(rising[i - 1]));
    }
    assert_true(values_from_double(-0.0) == values_from_double(0.0));
    assert_false(signbit(values_double(values_from_double(-0.0))));
}

static void test_what_is_no_number_is_refused(void **state)
{
    struct values_writer writer;
    struct values values;
    struct buf section;

    (void)state;
    buf_init(&section, MEM_APP);
    values_writer_init(&writer, VALUES_DOUBLE, 0);
    assert_false(values_writer_add_double(&writer, 0, NAN));
    assert_true(values_writer_add_double(&writer, 1, 1.5));
    assert_false(values_writer_add_double(&writer, 1, -NAN));
    values_writer_finish(&writer, 2, &section);
    assert_true(values_init(&values, buf_span(&section), 2));
    assert_int_equal(values_count(&values, 0), 0);
    assert_int_equal(values_count(&values, 1), 1);
    assert_true(values_double(values_get(&values, 1, 0)) == 1.5);
    values_writer_deinit(&writer);
    buf_deinit(&section);
}

static void test_numbers_may_come_again_and_keywords_not(void **state)
{
    struct values_writer writer[2];
    struct values values[2];
    struct buf section[2];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        buf_init(&section[i], MEM_APP);
        values_writer_init(&writer[i], i ? VALUES_KEYWORD : VALUES_INT64, 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        values_writer_add_long(&writer[0], 0, 4);
        values_writer_add_keyword(&writer[1], 0, SPAN("four"));
    }
    for (unsigned i = 0; i < 2; i++) {
        values_writer_finish(&writer[i], 1, &section[i]);
        values_writer_deinit(&writer[i]);
        assert_true(values_init(&values[i], buf_span(&section[i]), 1));
    }
    assert_int_equal(values_count(&values[0], 0), 3);
    assert_int_equal(values_get(&values[0], 0, 2), 4);
    assert_int_equal(values_count(&values[1], 0), 1);
    assert_true(span_eq(values_keyword(&values[1], 0), SPAN("four")));
    buf_deinit(&section[0]);
    buf_deinit(&section[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_read_as_they_were_given),
        cmocka_unit_test(test_column_is_as_small_as_its_numbers),
        cmocka_unit_test(test_section_must_be_of_so_many_documents),
        cmocka_unit_test(test_bytes_are_as_the_header_says),
        cmocka_unit_test(test_doubles_lie_as_their_numbers_do),
        cmocka_unit_test(test_what_is_no_number_is_refused),
        cmocka_unit_test(test_numbers_may_come_again_and_keywords_not),
    };

    srandom(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
