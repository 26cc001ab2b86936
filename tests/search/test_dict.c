/* test_dict.c - each term is found as it was written, and no other one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "search/index/dict.h"
#include "tests/test.h"

#define TERMS 3000
#define LONGEST 12

struct written {
    char text[LONGEST + 1];
    struct dict_entry entry;
};

struct bench {
    struct written terms[TERMS];
    size_t count;
    struct dict_writer writer;
    struct dict dict;
};

/* Of few letters, so that they share much; one is a high byte. */
static void make_text(char text[LONGEST + 1])
{
    static const char letters[] = "aab\xc3";
    size_t len = 1 + (size_t)random() % LONGEST;

    for (size_t i = 0; i < len; i++)
        text[i] = letters[random() % 4];
    text[len] = '\0';
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct written *)a)->text,
                  ((const struct written *)b)->text);
}

static void make_terms(struct bench *bench, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++)
        make_text(bench->terms[i].text);
    qsort(bench->terms, count, sizeof(bench->terms[0]), compare);
    for (size_t i = 0; i < count; i++)
        if (i == 0 ||
            strcmp(bench->terms[i].text, bench->terms[kept - 1].text) != 0)
            bench->terms[kept++] = bench->terms[i];
    bench->count = kept;
}

static void make_entries(struct bench *bench, bool has_places)
{
    uint64_t list = 0;
    uint64_t places = 0;

    for (size_t i = 0; i < bench->count; i++) {
        struct dict_entry *entry = &bench->terms[i].entry;
        *entry = (struct dict_entry){.list = list, .places = places};
        entry->count = random() % 3 ? 1 : 2 + (uint32_t)random() % 1000000;
        if (entry->count == 1) {
            entry->doc = (uint32_t)random();
            entry->total = entry->freq = 1 + (uint32_t)random() % 300;
        } else {
            entry->total = entry->count + (uint64_t)random();
            entry->list_size = 1 + (uint64_t)random();
        }
        entry->places_size = has_places ? 1 + (uint64_t)random() % 5000 : 0;
        list += entry->list_size;
        places += entry->places_size;
    }
}

static void write_terms(struct bench *bench, bool has_places)
{
    struct dict_writer *writer = &bench->writer;

    dict_writer_init(writer, MEM_APP, has_places);
    for (size_t i = 0; i < bench->count; i++)
        dict_writer_add(writer, span_str(bench->terms[i].text),
                        &bench->terms[i].entry);
    dict_writer_finish(writer);
    assert_true(dict_init(&bench->dict, buf_span(&writer->blocks),
                          buf_span(&writer->index), buf_span(&writer->keys),
                          has_places));
}

static void assert_found(const struct bench *bench,
                         const struct written *written)
{
    struct dict_entry found;

    assert_true(dict_find(&bench->dict, span_str(written->text), &found));
    assert_int_equal(found.count, written->entry.count);
    assert_int_equal(found.total, written->entry.total);
    assert_int_equal(found.doc, written->entry.doc);
    assert_int_equal(found.freq, written->entry.freq);
    assert_int_equal(found.list, written->entry.list);
    assert_int_equal(found.list_size, written->entry.list_size);
    assert_int_equal(found.places, written->entry.places);
    assert_int_equal(found.places_size, written->entry.places_size);
}

static void assert_no_other(const struct bench *bench)
{
    struct written other;
    struct dict_entry found;

    for (size_t i = 0; i < TERMS; i++) {
        make_text(other.text);
        if (!bsearch(&other, bench->terms, bench->count, sizeof(other),
                     compare))
            assert_false(dict_find(&bench->dict, span_str(other.text), &found));
    }
    assert_false(dict_find(&bench->dict, SPAN(""), &found));
    assert_false(dict_find(&bench->dict, SPAN("\xff"), &found));
}

static void check(size_t count, bool has_places)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    make_terms(bench, count);
    make_entries(bench, has_places);
    write_terms(bench, has_places);
    for (size_t i = 0; i < bench->count; i++)
        assert_found(bench, &bench->terms[i]);
    assert_no_other(bench);
    dict_writer_deinit(&bench->writer);
    free(bench);
}

static void test_each_term_is_found_and_no_other(void **state)
{
    (void)state;
    for (size_t count = 0; count < (size_t)3 * DICT_BLOCK; count++)
        check(count, count % 2);
    check(TERMS, true);
    check(TERMS, false);
}

static void test_index_must_be_whole(void **state)
{
    struct dict dict;

    (void)state;
    assert_false(dict_init(&dict, SPAN(""), SPAN(""), SPAN(""), true));
    assert_false(dict_init(&dict, SPAN(""), SPAN("123456789"), SPAN(""), true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_term_is_found_and_no_other),
        cmocka_unit_test(test_index_must_be_whole),
    };

    srandom(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
