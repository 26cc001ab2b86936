/* intake.c - see intake.h. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "search/index/builder.h"
#include "search/index/intake.h"
#include "search/index/ledger.h"

/* Bytes of a batch, or a line that is longer; less where memory is little. */
#define BATCH_MOST (256 << 10)
#define BATCH_LEAST (16 << 10)
#define QUEUED 2                  /* batches of each worker that wait */
#define RAM_MAX ((size_t)2 << 30) /* of one segment */
#define WHY 320

struct batch {
    struct batch *next;
    struct buf text;       /* whole lines */
    uint64_t number, line; /* of the first one; both from 1 */
};

struct worker {
    struct intake *intake;
    pthread_t thread;
    /* of the batch; 0: it has none.  By it others see whose turn it is. */
    uint64_t number;
    uint64_t line;
    char id[48];
    /* The intake's, or its beginning, and what its document adds. */
    struct schema schema;
    size_t shared;           /* of its fields, those that are the intake's */
    struct builder *builder; /* NULL: it has none yet */
    char name[MANIFEST_FILE_MAX];
    struct buf origins;
};

struct intake {
    struct intake_options options;
    struct ledger *ledger;
    uint64_t run;
    /* of who puts */
    struct buf text; /* less than a batch */
    uint64_t batches, lines;
    bool passing_over; /* the line is too long */
    atomic_uint_fast64_t docs, refused;

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t more, room, turn;
    struct batch *first, **last;
    size_t queued;
    bool ended;
    struct schema schema;
    struct worker workers[INTAKE_THREADS_MAX];
    size_t count;
};

/* ---- a document */

/* All batches before its own are done. */
static bool is_its_turn(const struct worker *worker)
{
    const struct intake *intake = worker->intake;

    for (size_t i = 0; i < intake->count; i++)
        if (intake->workers[i].number &&
            intake->workers[i].number < worker->number)
            return false;
    return true;
}

static void follow(struct worker *worker)
{
    schema_follow(&worker->schema, &worker->intake->schema);
    worker->shared = worker->schema.count;
}

/* As builder.h has it: first what others have added, then its turn. */
static bool settle(void *arg)
{
    struct worker *worker = arg;
    struct intake *intake = worker->intake;

    pthread_mutex_lock(&intake->lock);
    bool turn = intake->schema.count == worker->shared;
    while (turn && !is_its_turn(worker))
        pthread_cond_wait(&intake->turn, &intake->lock);
    follow(worker);
    pthread_mutex_unlock(&intake->lock);
    return turn;
}

/* What its document has added is there for all. */
static void share(struct worker *worker)
{
    struct intake *intake = worker->intake;

    pthread_mutex_lock(&intake->lock);
    schema_follow(&intake->schema, &worker->schema);
    worker->shared = worker->schema.count;
    pthread_mutex_unlock(&intake->lock);
}

static void refuse(struct intake *intake, uint64_t line, const char *why)
{
    pthread_mutex_lock(&intake->lock);
    atomic_fetch_add(&intake->refused, 1);
    if (intake->options.refused)
        intake->options.refused(intake->options.arg, line, why);
    pthread_mutex_unlock(&intake->lock);
}

static void take_line(struct worker *worker, struct span line)
{
    struct intake *intake = worker->intake;
    char why[WHY];

    snprintf(worker->id, sizeof(worker->id), "%" PRIu64 "-%" PRIu64,
             intake->run, worker->line);
    if (!builder_add(worker->builder, (struct span){NULL, 0}, line, why,
                     sizeof(why))) {
        refuse(intake, worker->line, why);
        return;
    }
    atomic_fetch_add_explicit(&intake->docs, 1, memory_order_relaxed);
    if (worker->schema.count > worker->shared)
        share(worker);
}

/* ---- a segment */

static bool begin_segment(struct worker *worker)
{
    struct intake *intake = worker->intake;
    struct builder_options options = {.id_field = intake->options.id_field,
                                      .other_id = worker->id,
                                      .no_source = intake->options.no_source,
                                      .no_values = intake->options.no_values,
                                      .settle = settle,
                                      .arg = worker};
    char path[PATH_MAX];

    if (worker->builder)
        return true;
    ledger_name(intake->ledger, worker->name, path, sizeof(path));
    worker->builder = builder_create(path, &worker->schema, &options);
    if (!worker->builder)
        ledger_fail(intake->ledger, path, strerror(errno));
    return worker->builder;
}

static void end_segment(struct worker *worker)
{
    struct ledger *ledger = worker->intake->ledger;
    struct builder *builder = worker->builder;
    int err = 0;

    worker->builder = NULL;
    if (!builder)
        return;
    bool any = builder_docs(builder) && !ledger_failed(ledger);
    if (any)
        err = builder_finish(builder);
    else
        builder_abandon(builder);
    if (err)
        ledger_fail(ledger, worker->name, strerror(err));
    else if (any)
        ledger_add(ledger, worker->name, &worker->schema, &worker->origins);
    worker->origins.len = 0;
}

/* ---- batches */

static struct batch *next_batch(struct worker *worker)
{
    struct intake *intake = worker->intake;

    pthread_mutex_lock(&intake->lock);
    while (!intake->first && !intake->ended)
        pthread_cond_wait(&intake->more, &intake->lock);
    struct batch *batch = intake->first;
    if (batch) {
        intake->first = batch->next;
        if (!intake->first)
            intake->last = &intake->first;
        intake->queued--;
        worker->number = batch->number;
        pthread_cond_signal(&intake->room);
    }
    pthread_mutex_unlock(&intake->lock);
    return batch;
}

static void end_batch(struct worker *worker, struct batch *batch)
{
    struct intake *intake = worker->intake;

    buf_deinit(&batch->text);
    mem_free(batch);
    pthread_mutex_lock(&intake->lock);
    worker->number = 0;
    pthread_cond_broadcast(&intake->turn);
    pthread_mutex_unlock(&intake->lock);
}

static void take_batch(struct worker *worker, const struct batch *batch)
{
    struct span text = buf_span(&batch->text);
    struct ledger_origin origin = {.batch = batch->number};
    struct span line;

    if (ledger_failed(worker->intake->ledger) || !begin_segment(worker))
        return;
    origin.doc = builder_docs(worker->builder);
    buf_append_bytes(&worker->origins, &origin, sizeof(origin));
    worker->line = batch->line;
    for (; text.len; worker->line++) {
        span_cut(&text, '\n', &line);
        if (span_trim(line).len)
            take_line(worker, line);
    }
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    const struct intake *intake = worker->intake;
    size_t ram = intake->options.ram / intake->count;
    struct batch *batch;

    ram = ram < RAM_MAX ? ram : RAM_MAX;
    while ((batch = next_batch(worker))) {
        take_batch(worker, batch);
        end_batch(worker, batch);
        if (worker->builder && builder_size(worker->builder) > ram)
            end_segment(worker);
    }
    end_segment(worker);
    return NULL;
}

/* ---- the input */

static void queue(struct intake *intake, struct batch *batch)
{
    pthread_mutex_lock(&intake->lock);
    while (intake->queued >= QUEUED * intake->count)
        pthread_cond_wait(&intake->room, &intake->lock);
    *intake->last = batch;
    intake->last = &batch->next;
    intake->queued++;
    pthread_cond_signal(&intake->more);
    pthread_mutex_unlock(&intake->lock);
}

/* So many bytes of the text, which are whole lines. */
static void cut(struct intake *intake, size_t len)
{
    struct span rest = span_skip(buf_span(&intake->text), len);

    if (len == 0)
        return;
    struct batch *batch = mem_zalloc(MEM_JOB, sizeof(*batch));
    batch->text = intake->text;
    batch->text.len = len;
    batch->number = ++intake->batches;
    batch->line = intake->lines + 1;
    for (const char *at = batch->text.ptr, *end = at + len;
         (at = memchr(at, '\n', (size_t)(end - at))) && ++at;)
        intake->lines++;
    buf_init(&intake->text, MEM_JOB);
    buf_append(&intake->text, rest);
    queue(intake, batch);
}

/* Of a line that is too long, up to its end. */
static struct span pass_over(struct intake *intake, struct span bytes)
{
    const char *end = memchr(bytes.ptr, '\n', bytes.len);

    if (!end)
        return (struct span){NULL, 0};
    intake->passing_over = false;
    intake->lines++;
    return span_skip(bytes, (size_t)(end - bytes.ptr) + 1);
}

static void put_some(struct intake *intake, struct span bytes)
{
    struct buf *text = &intake->text;

    buf_append(text, bytes);
    if (text->len < intake->options.batch)
        return;
    const char *end = memrchr(text->ptr, '\n', text->len);
    if (end) {
        cut(intake, (size_t)(end - text->ptr) + 1);
    } else if (text->len > BUILDER_SOURCE_MAX) {
        char why[WHY];
        snprintf(why, sizeof(why), "it is longer than %d bytes",
                 BUILDER_SOURCE_MAX);
        refuse(intake, intake->lines + 1, why);
        text->len = 0;
        intake->passing_over = true;
    }
}

bool intake_put(struct intake *intake, struct span bytes)
{
    while (bytes.len && !ledger_failed(intake->ledger)) {
        size_t most = intake->options.batch;
        size_t len = bytes.len < most ? bytes.len : most;
        if (intake->passing_over) {
            bytes = pass_over(intake, bytes);
            continue;
        }
        put_some(intake, (struct span){bytes.ptr, len});
        bytes = span_skip(bytes, len);
    }
    return !ledger_failed(intake->ledger);
}

struct intake_counts intake_counts(const struct intake *intake)
{
    return (struct intake_counts){atomic_load(&intake->docs),
                                  atomic_load(&intake->refused)};
}

/* ---- all of it */

static size_t good_batch(const struct intake_options *options)
{
    size_t batch = options->ram / options->threads / 8;

    batch = batch < BATCH_MOST ? batch : BATCH_MOST;
    return batch > BATCH_LEAST ? batch : BATCH_LEAST;
}

struct intake *intake_create(struct manifest *manifest, const char *dir,
                             const struct intake_options *options)
{
    struct intake *intake = mem_zalloc(MEM_JOB, sizeof(*intake));

    intake->options = *options;
    intake->count = options->threads < INTAKE_THREADS_MAX ? options->threads
                                                          : INTAKE_THREADS_MAX;
    if (!options->batch)
        intake->options.batch = good_batch(options);
    intake->run = manifest->generation + 1;
    intake->last = &intake->first;
    buf_init(&intake->text, MEM_JOB);
    pthread_mutex_init(&intake->lock, NULL);
    pthread_cond_init(&intake->more, NULL);
    pthread_cond_init(&intake->room, NULL);
    pthread_cond_init(&intake->turn, NULL);
    schema_init(&intake->schema);
    schema_follow(&intake->schema, &manifest->schema);
    intake->ledger = ledger_create(manifest, dir, options->merges);
    for (size_t i = 0; i < intake->count; i++) {
        struct worker *worker = &intake->workers[i];
        worker->intake = intake;
        buf_init(&worker->origins, MEM_JOB);
        schema_init(&worker->schema);
        follow(worker);
    }
    for (size_t i = 0; i < intake->count; i++)
        if (pthread_create(&intake->workers[i].thread, NULL, work,
                           &intake->workers[i]) != 0)
            abort();
    return intake;
}

bool intake_finish(struct intake *intake, size_t most, char *why,
                   size_t why_size)
{
    cut(intake, ledger_failed(intake->ledger) ? 0 : intake->text.len);
    pthread_mutex_lock(&intake->lock);
    intake->ended = true;
    pthread_cond_broadcast(&intake->more);
    pthread_mutex_unlock(&intake->lock);
    for (size_t i = 0; i < intake->count; i++)
        pthread_join(intake->workers[i].thread, NULL);
    ledger_finish(intake->ledger, most, intake->options.reorders);
    if (ledger_failed(intake->ledger))
        snprintf(why, why_size, "%s", ledger_why(intake->ledger));
    return !ledger_failed(intake->ledger);
}

void intake_destroy(struct intake *intake)
{
    for (size_t i = 0; i < intake->count; i++) {
        buf_deinit(&intake->workers[i].origins);
        schema_deinit(&intake->workers[i].schema);
    }
    ledger_destroy(intake->ledger);
    schema_deinit(&intake->schema);
    pthread_cond_destroy(&intake->more);
    pthread_cond_destroy(&intake->room);
    pthread_cond_destroy(&intake->turn);
    pthread_mutex_destroy(&intake->lock);
    buf_deinit(&intake->text);
    mem_free(intake);
}
