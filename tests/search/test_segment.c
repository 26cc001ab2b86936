/*
 * test_segment.c - a segment as it is written and read: whole, damaged at any
 * byte, cut off at any length, and a field in it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "search/index/field.h"
#include "search/query/postings.h"
#include "tests/test.h"

#define DOCS 700
#define LARGE (3 * SEGMENT_CHUNK + 17)
#define WHY 300

struct place {
    char dir[32], path[64], other[64];
};

static int setup(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    snprintf(place->dir, sizeof(place->dir), "/tmp/segment-XXXXXX");
    assert_non_null(mkdtemp(place->dir));
    snprintf(place->path, sizeof(place->path), "%s/a", place->dir);
    snprintf(place->other, sizeof(place->other), "%s/b", place->dir);
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;

    unlink(place->path);
    unlink(place->other);
    assert_int_equal(rmdir(place->dir), 0); /* nothing else is there */
    free(place);
    return 0;
}

static unsigned char byte_at(size_t i)
{
    return (unsigned char)(i * 7 + i / 251);
}

/* A short section, a large one in two pieces, an empty one. */
static void write_sections(const struct place *place)
{
    struct segment_writer *writer = segment_writer_open(place->path);
    char *large = malloc(LARGE);

    for (size_t i = 0; i < LARGE; i++)
        large[i] = (char)byte_at(i);
    assert_non_null(writer);
    segment_writer_begin(writer, SEGMENT_PLACES, 3);
    segment_writer_put(writer, (struct span){large, 100});
    segment_writer_begin(writer, SEGMENT_LISTS, 1);
    segment_writer_put(writer, (struct span){large, 5});
    segment_writer_put(writer, (struct span){large + 5, LARGE - 5});
    segment_writer_begin(writer, SEGMENT_LISTS, 0);
    assert_int_equal(access(place->path, F_OK), -1);
    assert_int_equal(segment_writer_finish(writer, DOCS), 0);
    free(large);
}

static void check_section(struct segment *segment, enum segment_kind kind,
                          uint32_t field, size_t size)
{
    struct span found = segment_section(segment, kind, field);

    assert_int_equal(found.len, size);
    assert_int_equal((uintptr_t)found.ptr % SEGMENT_ALIGN, 0);
    assert_true(segment_check(segment, found));
    for (size_t i = 0; i < size; i++)
        assert_int_equal((unsigned char)found.ptr[i], byte_at(i));
}

static void test_sections_are_read_as_they_were_written(void **state)
{
    const struct place *place = *state;
    char why[WHY];

    write_sections(place);
    struct segment *segment = segment_open(place->path, why, sizeof(why));
    assert_non_null(segment);
    assert_int_equal(segment_docs(segment), DOCS);
    check_section(segment, SEGMENT_PLACES, 3, 100);
    check_section(segment, SEGMENT_LISTS, 1, LARGE);
    check_section(segment, SEGMENT_LISTS, 0, 0);
    check_section(segment, SEGMENT_TERMS, 1, 0);
    assert_null(segment_damage(segment));
    segment_close(segment);
}

static char *read_all(const char *path, size_t *size)
{
    struct stat stat_;
    FILE *file = fopen(path, "rb");

    assert_int_equal(stat(path, &stat_), 0);
    *size = (size_t)stat_.st_size;
    char *bytes = malloc(*size);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

static void write_all(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");

    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

/* Refused when it is opened, or where it is read. */
static bool is_refused(const struct place *place, char *why)
{
    struct segment *segment = segment_open(place->other, why, WHY);

    if (!segment)
        return true;
    bool sound = true;
    sound &= segment_check(segment, segment_section(segment, SEGMENT_LISTS, 1));
    sound &=
        segment_check(segment, segment_section(segment, SEGMENT_PLACES, 3));
    assert_int_equal(!sound, segment_damage(segment) != NULL);
    if (!sound)
        snprintf(why, WHY, "%s", segment_damage(segment));
    segment_close(segment);
    return !sound;
}

static void test_damage_is_found_wherever_it_is(void **state)
{
    const struct place *place = *state;
    char why[WHY];
    size_t size;

    write_sections(place);
    char *bytes = read_all(place->path, &size);
    for (size_t i = 0; i<size; i += i> 4096 && i + 4096 < size ? 977 : 1) {
        bytes[i] = (char)(bytes[i] ^ 1 << i % 8);
        write_all(place->other, bytes, size);
        assert_true(is_refused(place, why));
        assert_non_null(strstr(why, place->other));
        bytes[i] = (char)(bytes[i] ^ 1 << i % 8);
    }
    write_all(place->other, bytes, size);
    assert_false(is_refused(place, why));
    bytes[SEGMENT_ALIGN + 128 + 2 * SEGMENT_CHUNK] ^= 1;
    write_all(place->other, bytes, size);
    assert_true(is_refused(place, why));
    assert_non_null(strstr(why, "lists"));
    free(bytes);
}

static void test_what_was_cut_off_is_refused(void **state)
{
    const struct place *place = *state;
    char why[WHY];
    size_t size;

    write_sections(place);
    char *bytes = read_all(place->path, &size);
    for (size_t len = 0; len < size; len += len + 2000 < size ? 991 : 1) {
        write_all(place->other, bytes, len);
        assert_null(segment_open(place->other, why, sizeof(why)));
        assert_non_null(strstr(why, place->other));
    }
    free(bytes);
    assert_null(segment_open(place->dir, why, sizeof(why)));
    assert_null(segment_open("/nowhere/at/all", why, sizeof(why)));
    assert_non_null(strstr(why, strerror(ENOENT)));
}

static void test_what_is_abandoned_leaves_nothing(void **state)
{
    const struct place *place = *state;
    struct segment_writer *writer = segment_writer_open(place->path);

    segment_writer_begin(writer, SEGMENT_LISTS, 0);
    segment_writer_put(writer, SPAN("some"));
    segment_writer_abandon(writer);
    assert_int_equal(access(place->path, F_OK), -1);
    assert_null(segment_writer_open("/nowhere/at/all"));
    assert_int_equal(errno, ENOENT);
}

static void test_what_does_not_fit_the_disk_is_said(void **state)
{
    static const char zeros[SEGMENT_CHUNK];
    const struct place *place = *state;
    char full[80];

    snprintf(full, sizeof(full), "%s.unfinished", place->path);
    assert_int_equal(symlink("/dev/full", full), 0);
    struct segment_writer *writer = segment_writer_open(place->path);
    assert_non_null(writer);
    segment_writer_begin(writer, SEGMENT_LISTS, 0);
    segment_writer_put(writer, (struct span){zeros, sizeof(zeros)});
    assert_int_equal(segment_writer_finish(writer, 1), ENOSPC);
    assert_int_equal(access(place->path, F_OK), -1);
    assert_int_equal(access(full, F_OK), -1);
}

/* Document d has "all", "d", and, of each divisor n up to 40, "n" as often as
   it divides. */
static void write_field(const struct place *place)
{
    struct field_writer *field = field_writer_create(true);
    struct segment_writer *writer = segment_writer_open(place->path);
    char text[16];

    for (uint32_t doc = 0; doc < DOCS; doc++) {
        uint32_t position = 0;
        field_writer_add(field, SPAN("all"), doc, position++);
        for (uint32_t n = 2; n <= 40; n++)
            for (uint32_t rest = doc; rest && rest % n == 0; rest /= n) {
                int len = snprintf(text, sizeof(text), "by%u", n);
                field_writer_add(field, (struct span){text, (size_t)len}, doc,
                                 position++);
            }
        int len = snprintf(text, sizeof(text), "%u", doc);
        field_writer_add(field, (struct span){text, (size_t)len}, doc,
                         position++);
        field_writer_end(field, doc, position);
    }
    assert_true(field_writer_size(field) > 0);
    field_writer_put(field, writer, 2, DOCS);
    field_writer_destroy(field);
    assert_int_equal(segment_writer_finish(writer, DOCS), 0);
}

static void check_term(const struct field *field, uint32_t n)
{
    const struct bits_kernel *kernels[2];
    struct postings postings;
    struct dict_entry entry;
    char text[16];
    int len = snprintf(text, sizeof(text), "by%u", n);

    bits_kernels(kernels);
    assert_true(field_find(field, (struct span){text, (size_t)len}, &entry));
    assert_int_equal(entry.count, (DOCS - 1) / n);
    assert_non_null(field_list(field, &entry));
    assert_non_null(field_places(field, &entry));
    postings_init(&postings, kernels[0], field_list(field, &entry),
                  entry.count);
    for (uint32_t doc = n; doc < DOCS; doc += n) {
        uint32_t often = 0;
        for (uint32_t rest = doc; rest % n == 0; rest /= n)
            often++;
        assert_int_equal(postings_doc(&postings), doc);
        assert_int_equal(postings_freq(&postings), often);
        postings_next(&postings);
    }
    assert_int_equal(postings_doc(&postings), POSTINGS_END);
}

static void test_field_has_its_terms(void **state)
{
    const struct place *place = *state;
    struct dict_entry entry;
    struct field field;
    char why[WHY];

    write_field(place);
    struct segment *segment = segment_open(place->path, why, sizeof(why));
    assert_non_null(segment);
    assert_false(field_open(&field, segment, 1));
    assert_true(field_open(&field, segment, 2));
    assert_int_equal(field.totals.docs, DOCS);
    for (uint32_t n = 2; n <= 40; n++)
        check_term(&field, n);
    assert_true(field_find(&field, SPAN("333"), &entry));
    assert_int_equal(entry.count, 1);
    assert_int_equal(entry.doc, 333);
    assert_int_equal(entry.freq, 1);
    assert_false(field_find(&field, SPAN("by41"), &entry));
    assert_non_null(field.norms);
    assert_int_equal(field.norms[0], 2);
    assert_int_equal(field.norms[36],
                     2 + 11); /* 2 3 4 6 9 12 18 36, 2² 3² 6² */
    segment_close(segment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(test_sections_are_read_as_they_were_written),
        T(test_damage_is_found_wherever_it_is),
        T(test_what_was_cut_off_is_refused),
        T(test_what_is_abandoned_leaves_nothing),
        T(test_what_does_not_fit_the_disk_is_said),
        T(test_field_has_its_terms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
