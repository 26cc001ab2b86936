/*
 * test_merger.c - a merge while an index is written: what is deleted, added and
 * merged meanwhile.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "search/index/builder.h"
#include "search/index/check.h"
#include "search/index/merger.h"
#include "search/index/replace.h"
#include "tests/test.h"

#define WHY 300

struct bench {
    char dir[40], why[WHY], found[200];
    struct manifest manifest;
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    snprintf(bench->dir, sizeof(bench->dir), "/tmp/merger-XXXXXX");
    assert_non_null(mkdtemp(bench->dir));
    manifest_init(&bench->manifest);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    char path[PATH_MAX];
    struct dirent *entry;
    DIR *dir = opendir(bench->dir);

    while ((entry = readdir(dir))) {
        snprintf(path, sizeof(path), "%s/%s", bench->dir, entry->d_name);
        unlink(path);
    }
    closedir(dir);
    assert_int_equal(rmdir(bench->dir), 0);
    manifest_deinit(&bench->manifest);
    free(bench);
    return 0;
}

static struct builder *begin_segment(struct bench *bench,
                                     char file[MANIFEST_FILE_MAX])
{
    char path[PATH_MAX];

    manifest_name(&bench->manifest, "segment", file);
    snprintf(path, sizeof(path), "%s/%s", bench->dir, file);
    return builder_create(path, &bench->manifest.schema,
                          &(struct builder_options){0});
}

static void end_segment(struct bench *bench, struct builder *builder,
                        const char *file)
{
    struct opened opened;

    assert_int_equal(builder_finish(builder), 0);
    assert_true(opened_open(&opened, bench->dir, bench->why, WHY));
    assert_int_equal(replace_add(&bench->manifest, &opened,
                                 &(struct replace_change){.file = file}),
                     0);
    opened_close(&opened);
    assert_int_equal(manifest_save(&bench->manifest, bench->dir), 0);
}

/* Documents of these ids, a letter each, in a segment of their own. */
static void add(struct bench *bench, const char *ids)
{
    char file[MANIFEST_FILE_MAX];
    char source[40];
    struct builder *builder = begin_segment(bench, file);

    for (; *ids; ids++) {
        snprintf(source, sizeof(source), "{\"x\":\"%c sea\",\"n\":%d}", *ids,
                 *ids);
        assert_true(builder_add(builder, (struct span){ids, 1},
                                span_str(source), bench->why, WHY));
    }
    end_segment(bench, builder, file);
}

/* Many of one word each, that no other has. */
static void add_many(struct bench *bench)
{
    char file[MANIFEST_FILE_MAX];
    char id[16];
    struct builder *builder = begin_segment(bench, file);
    struct buf source;

    srandom(1);
    buf_init(&source, MEM_APP);
    for (int i = 0; i < 5000; i++) {
        snprintf(id, sizeof(id), "%d", i);
        source.len = 0;
        buf_append(&source, SPAN("{\"x\":\""));
        for (int j = 0; j < 8; j++)
            buf_printf(&source, "%08lx", random());
        buf_append(&source, SPAN("\"}"));
        assert_true(builder_add(builder, span_str(id), buf_span(&source),
                                bench->why, WHY));
    }
    buf_deinit(&source);
    end_segment(bench, builder, file);
}

static struct merger *begin(struct bench *bench, size_t from, size_t count)
{
    struct merger *merger =
        merger_begin(&bench->manifest, bench->dir,
                     &(struct tiers_range){from, count}, bench->why, WHY);

    assert_non_null(merger);
    return merger;
}

static void commit(struct bench *bench, struct merger *merger)
{
    assert_int_equal(merger_commit(merger, &bench->manifest), 0);
    merger_close(merger);
    assert_int_equal(manifest_save(&bench->manifest, bench->dir), 0);
}

static void run(struct merger *merger)
{
    assert_int_equal(merger_run(merger), 0);
}

/* The ids of live documents, a blank between segments; all of it is sound, and
   there is no other file. */
static const char *look(struct bench *bench)
{
    struct check_counts counts;
    struct opened opened;
    size_t files = 3; /* with . and .. */
    size_t there = 0;
    char *at = bench->found;
    DIR *dir = opendir(bench->dir);

    assert_true(opened_open(&opened, bench->dir, bench->why, WHY));
    assert_int_equal(opened.manifest.generation, bench->manifest.generation);
    for (size_t i = 0; i < opened.manifest.count; i++) {
        struct reader *reader = opened.readers[i];
        assert_true(check_segment(reader, &counts, bench->why, WHY));
        files += opened.manifest.segments[i].live[0] ? 2 : 1;
        *at++ = i ? ' ' : '|';
        for (uint32_t doc = 0; doc < reader->docs; doc++)
            if (live_has(reader->live, doc))
                *at++ = reader_id(reader, doc).ptr[0];
    }
    *at = '\0';
    opened_close(&opened);
    while (readdir(dir))
        there++;
    closedir(dir);
    assert_int_equal(there, files);
    return bench->found;
}

static void test_merger_makes_one_of_neighbours(void **state)
{
    struct bench *bench = *state;

    add(bench, "ab");
    add(bench, "c");
    add(bench, "def");
    add(bench, "g");
    struct merger *merger = begin(bench, 1, 2);
    assert_string_equal(look(bench), "|ab c def g");
    run(merger);
    commit(bench, merger);
    assert_string_equal(look(bench), "|ab cdef g");
}

static void test_merger_takes_over_what_is_deleted_meanwhile(void **state)
{
    struct bench *bench = *state;

    add(bench, "abz");
    add(bench, "cde");
    add(bench, "fz");
    struct merger *merger = begin(bench, 0, 3);
    add(bench, "ae"); /* of the first and the second */
    run(merger);
    add(bench, "xf");
    commit(bench, merger);
    assert_string_equal(look(bench), "|bcdz ae xf");
    add(bench, "bcdz"); /* and the merged one loses more, all of them */
    assert_string_equal(look(bench), "| ae xf bcdz");
    merger = begin(bench, 0, 2);
    run(merger);
    commit(bench, merger);
    assert_string_equal(look(bench), "|ae xf bcdz");
}

static void test_merger_of_which_nothing_is_left_leaves_nothing(void **state)
{
    struct bench *bench = *state;

    add(bench, "ab");
    add(bench, "c");
    add(bench, "c");
    struct merger *merger = begin(bench, 0, 3);
    run(merger);
    add(bench, "abc");
    commit(bench, merger);
    assert_string_equal(look(bench), "|abc");
    add(bench, "abc");
    merger = begin(bench, 0, 1); /* nothing of it was at the beginning */
    run(merger);
    commit(bench, merger);
    assert_string_equal(look(bench), "|abc");
}

static void test_merger_may_be_one_of_several(void **state)
{
    struct bench *bench = *state;

    for (char id[2] = "a"; id[0] < 'h'; id[0]++)
        add(bench, id);
    struct merger *first = begin(bench, 0, 3);
    struct merger *second = begin(bench, 4, 2);
    run(second);
    commit(bench, second);
    assert_string_equal(look(bench), "|a b c d ef g");
    run(first);
    add(bench, "be");
    commit(bench, first);
    assert_string_equal(look(bench), "|ac d f g be");
}

static void test_merger_that_is_given_up_leaves_all_as_it_was(void **state)
{
    struct bench *bench = *state;

    add(bench, "ab");
    add(bench, "c");
    struct merger *merger = begin(bench, 0, 2);
    merger_cancel(merger);
    assert_int_equal(merger_run(merger), UV_ECANCELED);
    merger_close(merger);
    assert_string_equal(look(bench), "|ab c");
    merger = begin(bench, 0, 2);
    run(merger);
    merger_close(merger);
    assert_string_equal(look(bench), "|ab c");
}

/* "FROM+COUNT" of what is chosen, or "". */
static const char *choose(struct bench *bench)
{
    struct tiers_range range;
    struct opened opened;

    bench->found[0] = '\0';
    assert_true(opened_open(&opened, bench->dir, bench->why, WHY));
    if (merger_choose(&opened, &range))
        snprintf(bench->found, sizeof(bench->found), "%zu+%zu", range.from,
                 range.count);
    opened_close(&opened);
    return bench->found;
}

static void test_merger_chooses_by_what_is_live(void **state)
{
    struct bench *bench = *state;

    assert_string_equal(choose(bench), "");
    add(bench, "x");
    add(bench, "abc");
    add(bench, "bd");
    assert_string_equal(choose(bench), "");
    add(bench, "a");
    assert_string_equal(choose(bench), "1+1"); /* of which one is left */
    for (char id[2] = "e"; id[0] < 'i'; id[0]++)
        add(bench, id);
    assert_string_equal(choose(bench), "0+8");
}

static void test_merger_begin_names_what_is_damaged(void **state)
{
    struct bench *bench = *state;
    char path[PATH_MAX];

    add(bench, "ab");
    add(bench, "c");
    snprintf(path, sizeof(path), "%s/%s", bench->dir,
             bench->manifest.segments[1].file);
    assert_int_equal(truncate(path, 100), 0);
    assert_null(merger_begin(&bench->manifest, bench->dir,
                             &(struct tiers_range){0, 2}, bench->why, WHY));
    assert_non_null(strstr(bench->why, path));
}

/* A bit in the middle of the first section of a kind; twice is not at all. */
static void turn_bit(struct bench *bench, size_t i, enum segment_kind kind)
{
    struct segment_section found = {0};
    struct segment_foot foot;
    char path[PATH_MAX];
    char byte;

    snprintf(path, sizeof(path), "%s/%s", bench->dir,
             bench->manifest.segments[i].file);
    int fd = open(path, O_RDWR);
    off_t at = lseek(fd, -(off_t)sizeof(foot), SEEK_END);
    assert_int_equal(pread(fd, &foot, sizeof(foot), at), sizeof(foot));
    for (at = (off_t)foot.table; !found.size || found.kind != kind;
         at += (off_t)sizeof(found))
        assert_int_equal(pread(fd, &found, sizeof(found), at), sizeof(found));
    assert_true(found.size > 2 * SEGMENT_CHUNK); /* nothing else is there */
    at = (off_t)(found.offset + found.size / 2);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

/* Neither as it is nor without what cannot be read. */
static void test_merger_does_not_copy_what_is_damaged(void **state)
{
    static const enum segment_kind kinds[] = {SEGMENT_STORED, SEGMENT_VALUES,
                                              SEGMENT_TERMS};
    struct bench *bench = *state;

    add(bench, "ab");
    add_many(bench);
    for (size_t i = 0; i < COUNT(kinds); i++) {
        turn_bit(bench, 1, kinds[i]);
        struct merger *merger = begin(bench, 0, 2);
        assert_int_equal(merger_run(merger), UV_EIO);
        assert_non_null(strstr(merger_damage(merger), "2.segment"));
        merger_close(merger);
        turn_bit(bench, 1, kinds[i]);
    }
    struct merger *merger = begin(bench, 0, 2);
    run(merger);
    commit(bench, merger);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_merger_makes_one_of_neighbours),
        TEST(test_merger_takes_over_what_is_deleted_meanwhile),
        TEST(test_merger_of_which_nothing_is_left_leaves_nothing),
        TEST(test_merger_may_be_one_of_several),
        TEST(test_merger_that_is_given_up_leaves_all_as_it_was),
        TEST(test_merger_chooses_by_what_is_live),
        TEST(test_merger_begin_names_what_is_damaged),
        TEST(test_merger_does_not_copy_what_is_damaged),
    };
    json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
