/*
 * index_main.c - search-index: documents, a JSON object a line, made into an
 * index.
 *
 *   search-index --index DIR [--schema FILE] [--input FILE] [--threads N]
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/config.h"
#include "search/index/check.h"
#include "search/index/intake.h"
#include "search/index/opened.h"

#define PROGRESS_US 1000000
#define READ (256 << 10)
#define WHY 320

struct options {
    const char *index, *schema, *input, *id_field;
    int64_t threads, ram, merge_to;
    bool merge, reorder, source, values, check;
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
     "the field that is the document's id; where there is none, RUN-LINE"},
    {"threads", CONFIG_INTEGER, OPTION(threads), "1", 0, INTAKE_THREADS_MAX,
     "that make segments; 0: one per core"},
    {"ram", CONFIG_BYTES, OPTION(ram), "512M", 1 << 20, INT64_C(64) << 30,
     "memory of segments that are being made; then they are written"},
    {"merge", CONFIG_BOOLEAN, OPTION(merge), "true", 0, 1,
     "leave segments as they are written, do not merge small ones meanwhile"},
    {"merge-to", CONFIG_INTEGER, OPTION(merge_to), "0", 0,
     MANIFEST_SEGMENTS_MAX,
     "segments that there are in the end, at most; 0: as many as there are"},
    {"reorder", CONFIG_BOOLEAN, OPTION(reorder), "false", 0, 1,
     "put documents with words in common beside each other in the end; takes "
     "up to 1 GiB more"},
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
    struct intake *intake;
    int lock;              /* of the directory */
    uint64_t bytes, total; /* that were read; of the input, or 0 */
    uint64_t began_us, told_us;
    bool terminal;
};

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "search-index: %s: %s\n", what, why);
    return -1;
}

/* ---- documents */

static void tell(struct indexing *indexing, bool last)
{
    uint64_t docs = intake_counts(indexing->intake).docs;
    uint64_t now = clock_mono_us();
    double seconds = (double)(now - indexing->began_us) / 1e6;
    double megabytes = (double)indexing->bytes / 1e6;

    if (!last && (!indexing->terminal || now - indexing->told_us < PROGRESS_US))
        return;
    indexing->told_us = now;
    fprintf(stderr, "%s%llu documents, %.0f/s, %.1f MB, %.1f MB/s",
            indexing->terminal ? "\r\033[K" : "", (unsigned long long)docs,
            (double)docs / seconds, megabytes, megabytes / seconds);
    if (!last && indexing->total > indexing->bytes)
        fprintf(stderr, ", %.0f s left",
                seconds * (double)(indexing->total - indexing->bytes) /
                    (double)indexing->bytes);
    fputs(last ? "\n" : "", stderr);
}

static void on_refused(void *arg, uint64_t line, const char *why)
{
    const struct indexing *indexing = arg;

    fprintf(stderr, "%sline %llu: %s\n", indexing->terminal ? "\r\033[K" : "",
            (unsigned long long)line, why);
}

/* 0 or errno. */
static int take_all(struct indexing *indexing, int input)
{
    char *bytes = mem_alloc(MEM_APP, READ);
    ssize_t len = 1;
    bool fine = true;

    while (fine && len) {
        len = read(input, bytes, READ);
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0)
            break;
        indexing->bytes += (uint64_t)len;
        fine = intake_put(indexing->intake, (struct span){bytes, (size_t)len});
        tell(indexing, false);
    }
    int err = len < 0 ? errno : 0;
    mem_free(bytes);
    return err;
}

static int index_all(struct indexing *indexing, int input)
{
    const struct options *options = &indexing->options;
    char why[WHY];

    indexing->terminal = isatty(STDERR_FILENO);
    indexing->began_us = indexing->told_us = clock_mono_us();
    indexing->intake = intake_create(
        &indexing->manifest, options->index,
        &(struct intake_options){
            .threads = options->threads ? (size_t)options->threads
                                        : (size_t)sysconf(_SC_NPROCESSORS_ONLN),
            .ram = (size_t)options->ram,
            .id_field = options->id_field,
            .no_source = !options->source,
            .no_values = !options->values,
            .merges = options->merge && !options->merge_to,
            .reorders = options->reorder,
            .refused = on_refused,
            .arg = indexing});
    int err = take_all(indexing, input);
    bool fine = intake_finish(indexing->intake, (size_t)options->merge_to, why,
                              sizeof(why));
    tell(indexing, true);
    bool refused = intake_counts(indexing->intake).refused > 0;
    intake_destroy(indexing->intake);
    if (err)
        return fail(options->input, strerror(err));
    if (!fine)
        return fail("cannot index", why);
    return refused ? -1 : 0;
}

/* ---- checking */

static int check(struct indexing *indexing)
{
    struct check_counts counts;
    struct opened opened;
    char why[WHY] = "";
    const char *dir = indexing->options.index;

    if (!manifest_is_there(dir))
        return fail(dir, "there is no index");
    bool fine = opened_open(&opened, dir, why, WHY);
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
    return fine ? 0 : fail(dir, why);
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

/* With what it has so far. */
static int open_index(struct indexing *indexing)
{
    const char *dir = indexing->options.index;
    char why[WHY];

    indexing->lock = manifest_open(&indexing->manifest, dir, why, sizeof(why));
    return indexing->lock < 0 ? fail("cannot open", why) : 0;
}

static int run(struct indexing *indexing)
{
    const char *path = indexing->options.input;
    bool standard = strcmp(path, "-") == 0;
    int input = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct stat stat;

    if (input < 0)
        return fail(path, strerror(errno));
    if (fstat(input, &stat) == 0 && S_ISREG(stat.st_mode))
        indexing->total = (uint64_t)stat.st_size;
    int err = open_index(indexing);
    if (!err)
        err = take_schema(indexing);
    if (!err)
        err = index_all(indexing, input);
    if (!standard)
        close(input);
    return err;
}

int main(int argc, char **argv)
{
    static const struct config_option *const tables[] = {option_table};
    struct indexing indexing = {.lock = -1};
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
    int err = indexing.options.check ? check(&indexing) : run(&indexing);
    manifest_deinit(&indexing.manifest);
    if (indexing.lock >= 0)
        close(indexing.lock);
    return err < 0 ? 1 : 0;
}
