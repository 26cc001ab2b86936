/*
 * index_main.c - search-index: documents, a JSON object a line, made into an
 * index.
 *
 *   search-index --index DIR [--schema FILE] [--input FILE] [--id-field NAME]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uv.h>

#include "common/clock.h"
#include "common/config.h"
#include "search/index/builder.h"
#include "search/index/check.h"
#include "search/index/merger.h"
#include "search/index/replace.h"

#define PROGRESS_US 1000000
#define WHY 320

struct options {
    const char *index, *schema, *input, *id_field;
    int64_t ram, merge_to;
    bool source, values, check;
};

static const struct config_option option_table[] = {
#define OPTION(member) offsetof(struct options, member)
    {"index", CONFIG_STRING, OPTION(index), NULL, 1, 3000,
     "directory of the index; made if it is not there"},
    {"schema", CONFIG_STRING, OPTION(schema), NULL, 1, 3000,
     "file with a mapping; else fields are as they come"},
    {"input", CONFIG_STRING, OPTION(input), "-", 1, 3000,
     "file with a document in JSON a line; - is the standard input"},
    {"id-field", CONFIG_STRING, OPTION(id_field), "id", 1, 256,
     "the field that is the document's id; where there is none, its number"},
    {"ram", CONFIG_BYTES, OPTION(ram), "512M", 1 << 20, INT64_C(64) << 30,
     "memory of a segment that is being made; then it is written"},
    {"merge-to", CONFIG_INTEGER, OPTION(merge_to), "0", 0,
     MANIFEST_SEGMENTS_MAX,
     "segments that there are in the end, at most; 0: as many as there are"},
    {"source", CONFIG_BOOLEAN, OPTION(source), "true", 0, 1,
     "leave the documents out, as they came"},
    {"values", CONFIG_BOOLEAN, OPTION(values), "true", 0, 1,
     "leave out what sorting, ranges and facets need"},
    {"check", CONFIG_BOOLEAN, OPTION(check), "false", 0, 1,
     "take nothing in; is all that is there as it should be?"},
    {0},
};

struct indexing {
    struct options options;
    struct manifest manifest;
    struct builder *builder;
    char file[MANIFEST_FILE_MAX];
    uint64_t bytes, total, docs, refused; /* total: of the input, or 0 */
    uint64_t began_us, told_us;
};

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "search-index: %s: %s\n", what, why);
    return -1;
}

/* ---- segments */

static int begin_segment(struct indexing *indexing)
{
    char path[4096];

    manifest_name(&indexing->manifest, "segment", indexing->file);
    snprintf(path, sizeof(path), "%s/%s", indexing->options.index,
             indexing->file);
    indexing->builder = builder_create(
        path, &indexing->manifest.schema,
        &(struct builder_options){.id_field = indexing->options.id_field,
                                  .no_source = !indexing->options.source,
                                  .no_values = !indexing->options.values});
    return indexing->builder ? 0 : fail(path, strerror(errno));
}

/* With what its documents take the place of. */
static int add_segment(struct indexing *indexing)
{
    const char *dir = indexing->options.index;
    struct opened opened;
    char why[WHY];
    int err = UV_EIO;

    if (opened_open(&opened, dir, why, sizeof(why)))
        err = replace_add(&indexing->manifest, dir, &opened, indexing->file);
    opened_close(&opened);
    if (!err)
        err = manifest_save(&indexing->manifest, dir);
    return err;
}

static int end_segment(struct indexing *indexing)
{
    struct builder *builder = indexing->builder;
    uint32_t docs = builder ? builder_docs(builder) : 0;
    int err = 0;

    indexing->builder = NULL;
    if (builder && docs == 0)
        builder_abandon(builder);
    else if (builder)
        err = builder_finish(builder);
    if (docs && !err)
        err = add_segment(indexing);
    if (!err)
        return 0;
    return fail(indexing->options.index,
                err > 0 ? strerror(err) : "a file is damaged: see --check");
}

/* ---- documents */

static void tell(struct indexing *indexing, bool last)
{
    uint64_t now = clock_mono_us();
    double seconds = (double)(now - indexing->began_us) / 1e6;
    double megabytes = (double)indexing->bytes / 1e6;

    if (!last && now - indexing->told_us < PROGRESS_US)
        return;
    indexing->told_us = now;
    fprintf(stderr, "%s%llu documents, %.0f/s, %.1f MB, %.1f MB/s",
            last ? "" : "\r", (unsigned long long)indexing->docs,
            (double)indexing->docs / seconds, megabytes, megabytes / seconds);
    if (!last && indexing->total > indexing->bytes)
        fprintf(stderr, ", %.0f s left  ",
                seconds * (double)(indexing->total - indexing->bytes) /
                    (double)indexing->bytes);
    fputs(last ? "\n" : "", stderr);
}

static int take_line(struct indexing *indexing, struct span source,
                     uint64_t line)
{
    char why[WHY];

    if (!indexing->builder && begin_segment(indexing) < 0)
        return -1;
    if (builder_add(indexing->builder, (struct span){NULL, 0}, source, why,
                    sizeof(why))) {
        indexing->docs++;
    } else {
        indexing->refused++;
        fprintf(stderr, "line %llu: %s\n", (unsigned long long)line, why);
    }
    if (builder_size(indexing->builder) > (size_t)indexing->options.ram)
        return end_segment(indexing);
    return 0;
}

static int take_lines(struct indexing *indexing, FILE *input)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    int err = 0;

    for (uint64_t n = 1; !err && (len = getline(&line, &cap, input)) > 0; n++) {
        struct span source = {line, (size_t)len - (line[len - 1] == '\n')};
        indexing->bytes += (uint64_t)len;
        if (span_trim(source).len)
            err = take_line(indexing, source, n);
        tell(indexing, false);
    }
    free(line);
    return err;
}

/* ---- checking */

static int check(struct indexing *indexing)
{
    struct check_counts counts;
    struct opened opened;
    char why[WHY] = "";
    bool fine = opened_open(&opened, indexing->options.index, why, WHY);

    for (size_t i = 0; fine && i < opened.manifest.count; i++) {
        fine = check_segment(opened.readers[i], &counts, why, WHY);
        if (fine)
            printf("%s: %u documents, %llu terms, %llu postings, "
                   "%llu positions, %llu values\n",
                   opened.manifest.segments[i].file, opened.readers[i]->docs,
                   (unsigned long long)counts.terms,
                   (unsigned long long)counts.postings,
                   (unsigned long long)counts.positions,
                   (unsigned long long)counts.values);
    }
    opened_close(&opened);
    return fine ? 0 : fail(indexing->options.index, why);
}

/* ---- merging */

static int merge_range(struct indexing *indexing,
                       const struct tiers_range *range, char *why)
{
    const char *dir = indexing->options.index;
    struct merger *merger =
        merger_begin(&indexing->manifest, dir, range, why, WHY);

    if (!merger)
        return -1;
    int err = merger_run(merger);
    if (!err)
        err = merger_commit(merger, &indexing->manifest);
    if (!err)
        err = manifest_save(&indexing->manifest, dir);
    if (err)
        snprintf(why, WHY, "%s",
                 err > 0                 ? strerror(err)
                 : merger_damage(merger) ? merger_damage(merger)
                                         : "who is live cannot be read");
    merger_close(merger);
    return err;
}

/* The last ones into one, so that documents stay in their order. */
static int merge(struct indexing *indexing)
{
    size_t most = (size_t)indexing->options.merge_to;
    struct tiers_range range = {most - 1, indexing->manifest.count - most + 1};
    char why[WHY] = "";

    if (!most || indexing->manifest.count <= most)
        return 0;
    return merge_range(indexing, &range, why) ? fail("cannot merge", why) : 0;
}

static int take_schema(struct indexing *indexing)
{
    const char *path = indexing->options.schema;
    struct json_errors errors;
    json_error_t error;
    json_t *json = path ? json_load_file(path, 0, &error) : NULL;

    if (path && !json)
        return fail(path, error.text);
    json_errors_init(&errors);
    bool fine =
        !json || schema_merge(&indexing->manifest.schema, json, &errors);
    json_decref(json);
    return fine ? 0 : fail(path, errors.at[0].detail);
}

static int run(struct indexing *indexing)
{
    const char *path = indexing->options.input;
    bool standard = strcmp(path, "-") == 0;
    FILE *input = standard ? stdin : fopen(path, "r");
    struct stat stat_;
    char why[WHY];

    if (!input)
        return fail(path, strerror(errno));
    if (stat(path, &stat_) == 0)
        indexing->total = (uint64_t)stat_.st_size;
    if (mkdir(indexing->options.index, 0755) < 0 && errno != EEXIST)
        return fail(indexing->options.index, strerror(errno));
    if (!manifest_load(&indexing->manifest, indexing->options.index, why,
                       sizeof(why)))
        return fail("cannot read", why);
    if (indexing->options.check)
        return check(indexing);
    manifest_clean(&indexing->manifest, indexing->options.index);
    if (take_schema(indexing) < 0)
        return -1;
    indexing->began_us = indexing->told_us = clock_mono_us();
    int err = take_lines(indexing, input);
    if (!err)
        err = end_segment(indexing);
    else if (indexing->builder)
        builder_abandon(indexing->builder);
    if (!err)
        err = merge(indexing);
    tell(indexing, true);
    if (!standard)
        fclose(input);
    return err;
}

int main(int argc, char **argv)
{
    static const struct config_option *const tables[] = {option_table};
    struct indexing indexing = {0};
    void *const outs[] = {&indexing.options};
    char reason[200];

    json_setup();
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        config_help(stdout, tables, 1);
        return 0;
    }
    if (config_parse(tables, outs, 1, argc, argv, reason, sizeof(reason)) < 0 ||
        !indexing.options.index) {
        fprintf(stderr, "search-index: %s\n",
                indexing.options.index ? reason : "--index is needed");
        return 2;
    }
    int err = run(&indexing);
    manifest_deinit(&indexing.manifest);
    return err < 0 || indexing.refused ? 1 : 0;
}
