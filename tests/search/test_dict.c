/* test_dict.c - each term is found as it was written, and no other one; cursors
 * go where a walk over the sorted terms goes. */
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

static void assert_entry(const struct dict_entry *found,
                         const struct dict_entry *written)
{
    assert_int_equal(found->count, written->count);
    assert_int_equal(found->total, written->total);
    assert_int_equal(found->doc, written->doc);
    assert_int_equal(found->freq, written->freq);
    assert_int_equal(found->list, written->list);
    assert_int_equal(found->list_size, written->list_size);
    assert_int_equal(found->places, written->places);
    assert_int_equal(found->places_size, written->places_size);
}

static void assert_found(const struct bench *bench,
                         const struct written *written)
{
    struct dict_entry found;

    assert_true(dict_find(&bench->dict, span_str(written->text), &found));
    assert_entry(&found, &written->entry);
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

/* ---- cursors */

/* The cursor is at term i, or past the last one. */
static void assert_at(const struct bench *bench, bool more,
                      const struct dict_cursor *cursor, size_t i, size_t shared)
{
    assert_int_equal(more, i < bench->count);
    if (!more)
        return;
    assert_int_equal(cursor->ordinal, i);
    assert_true(span_eq(cursor->term, span_str(bench->terms[i].text)));
    assert_int_equal(cursor->shared, shared);
    assert_entry(&cursor->entry, &bench->terms[i].entry);
}

static size_t count_shared(const char *a, const char *b)
{
    size_t len = 0;

    while (a[len] && a[len] == b[len])
        len++;
    return len;
}

static void assert_walked(const struct bench *bench)
{
    struct dict_cursor cursor;
    bool more = dict_cursor_seek(&cursor, &bench->dict, SPAN(""));

    assert_at(bench, more, &cursor, 0, 0);
    for (size_t i = 1; i <= bench->count; i++) {
        more = dict_cursor_next(&cursor);
        assert_at(bench, more, &cursor, i,
                  i < bench->count ? count_shared(bench->terms[i - 1].text,
                                                  bench->terms[i].text)
                                   : 0);
    }
    if (bench->count > 0) /* and it stays there */
        assert_false(dict_cursor_next(&cursor));
}

static void assert_sought(const struct bench *bench, const char *from)
{
    struct dict_cursor cursor;
    bool more = dict_cursor_seek(&cursor, &bench->dict, span_str(from));
    size_t i = 0;

    while (i < bench->count && strcmp(bench->terms[i].text, from) < 0)
        i++;
    assert_at(bench, more, &cursor, i, 0);
    if (more && ++i < bench->count)
        assert_at(bench, dict_cursor_next(&cursor), &cursor, i,
                  count_shared(bench->terms[i - 1].text, bench->terms[i].text));
}

static size_t skipped_to(const struct bench *bench, size_t from, size_t len)
{
    const char *text = bench->terms[from].text;
    size_t i = from + 1;

    if (len <= strlen(text))
        while (i < bench->count &&
               strncmp(bench->terms[i].text, text, len) == 0)
            i++;
    return i;
}

/* All the way, from a term to begin with. */
static void assert_skipped(const struct bench *bench, size_t i)
{
    struct dict_cursor cursor;

    assert_at(bench,
              dict_cursor_seek_ordinal(&cursor, &bench->dict, (uint32_t)i),
              &cursor, i, 0);
    while (i < bench->count) {
        size_t len = 1 + (size_t)random() % (LONGEST + 1);
        size_t next = skipped_to(bench, i, len);
        bool more = dict_cursor_skip(&cursor, len);
        assert_at(bench, more, &cursor, next,
                  next < bench->count ? count_shared(bench->terms[i].text,
                                                     bench->terms[next].text)
                                      : 0);
        i = next;
    }
}

static void assert_cursors(const struct bench *bench)
{
    char text[LONGEST + 1];

    assert_walked(bench);
    for (size_t i = 0; i <= bench->count; i += 1 + (size_t)random() % 7) {
        make_text(text);
        assert_sought(bench, text);
        assert_skipped(bench, i);
        if (i < bench->count)
            assert_sought(bench, bench->terms[i].text);
    }
    assert_sought(bench, "");
    assert_sought(bench, "\xff");
}

/* ---- tests */

static void check(size_t count, bool has_places)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    make_terms(bench, count);
    make_entries(bench, has_places);
    write_terms(bench, has_places);
    for (size_t i = 0; i < bench->count; i++)
        assert_found(bench, &bench->terms[i]);
    assert_no_other(bench);
    assert_cursors(bench);
    dict_writer_deinit(&bench->writer);
    free(bench);
}

static void test_terms_are_found_and_walked_as_written(void **state)
{
    (void)state;
    for (size_t count = 0; count < (size_t)3 * DICT_BLOCK; count++)
        check(count, count % 2);
    check(TERMS, true);
    check(TERMS, false);
}

static void test_longest_terms_are_read(void **state)
{
    static char text[INVERTER_TERM_MAX];
    struct span term = {text, sizeof(text)};
    struct dict_writer writer;
    struct dict_cursor cursor;
    struct dict dict;

    (void)state;
    dict_writer_init(&writer, MEM_APP, false);
    for (size_t i = 0; i < 3; i++) {
        text[sizeof(text) - 1] = (char)i;
        dict_writer_add(&writer, term,
                        &(struct dict_entry){.count = 1, .doc = (uint32_t)i});
    }
    dict_writer_finish(&writer);
    assert_true(dict_init(&dict, buf_span(&writer.blocks),
                          buf_span(&writer.index), buf_span(&writer.keys),
                          false));
    assert_true(dict_cursor_seek(&cursor, &dict, term));
    assert_true(span_eq(cursor.term, term));
    assert_int_equal(cursor.entry.doc, 2);
    assert_true(dict_cursor_seek_ordinal(&cursor, &dict, 0));
    assert_true(dict_cursor_skip(&cursor, sizeof(text)));
    assert_int_equal(cursor.shared, sizeof(text) - 1);
    assert_false(dict_cursor_skip(&cursor, sizeof(text) - 1));
    dict_writer_deinit(&writer);
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
        cmocka_unit_test(test_terms_are_found_and_walked_as_written),
        cmocka_unit_test(test_longest_terms_are_read),
        cmocka_unit_test(test_index_must_be_whole),
    };

    srandom(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
