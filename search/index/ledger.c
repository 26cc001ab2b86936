/* ledger.c - see ledger.h. */
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "search/index/ledger.h"
#include "search/index/merger.h"
#include "search/index/replace.h"

#define WHY 320

struct ledger {
    struct manifest *manifest;
    const char *dir;
    struct opened opened; /* as the manifest was saved */
    pthread_mutex_t lock; /* of all else here */
    pthread_cond_t changed;
    struct buf *origins; /* of each segment; empty: it was there before */
    size_t count;
    bool ending;
    atomic_bool failed; /* why can be read */
    char why[WHY];
    bool merges;
    pthread_t merging;
};

void ledger_fail(struct ledger *ledger, const char *what, const char *why)
{
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;

    pthread_mutex_lock(&one);
    if (!atomic_load(&ledger->failed))
        snprintf(ledger->why, sizeof(ledger->why), "%s: %s", what, why);
    atomic_store(&ledger->failed, true);
    pthread_mutex_unlock(&one);
}

bool ledger_failed(const struct ledger *ledger)
{
    return atomic_load(&ledger->failed);
}

const char *ledger_why(const struct ledger *ledger)
{
    return ledger_failed(ledger) ? ledger->why : NULL;
}

static const char *text_of(int err)
{
    return err > 0 ? strerror(err) : "a file is damaged: see --check";
}

/* ---- what came when */

static uint64_t batch_of(const struct buf *origins, uint32_t doc)
{
    const struct ledger_origin *at = (const void *)origins->ptr;
    size_t from = 0; /* those before it begin at doc or before */
    size_t to = origins->len / sizeof(*at);

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (at[middle].doc <= doc)
            from = middle + 1;
        else
            to = middle;
    }
    return from ? at[from - 1].batch : 0;
}

/* A segment, and the ledger that it is added to. */
struct addition {
    const struct ledger *ledger;
    const struct buf *origins;
};

static uint64_t when(const void *arg, size_t i, uint32_t doc)
{
    const struct addition *addition = arg;
    const struct ledger *ledger = addition->ledger;

    return batch_of(
        i == ledger->count ? addition->origins : &ledger->origins[i], doc);
}

/* Those of the merged segments behind each other, by the new numbers. */
static struct buf join_origins(const struct ledger *ledger,
                               const struct merger *merger,
                               const struct tiers_range *range)
{
    struct buf joined;

    buf_init(&joined, MEM_JOB);
    for (size_t i = 0; i < range->count; i++) {
        const struct buf *of = &ledger->origins[range->from + i];
        const struct ledger_origin *at = (const void *)of->ptr;
        struct ledger_origin origin = {0, merger_number(merger, i, 0)};
        buf_append_bytes(&joined, &origin, sizeof(origin));
        for (size_t j = 0; j < of->len / sizeof(*at); j++) {
            origin = (struct ledger_origin){
                at[j].batch, merger_number(merger, i, at[j].doc)};
            buf_append_bytes(&joined, &origin, sizeof(origin));
        }
    }
    return joined;
}

/* As manifest_replace() does; kept: the new one is not empty. */
static void replace_origins(struct ledger *ledger, struct tiers_range range,
                            struct buf *by, bool kept)
{
    struct buf *at = ledger->origins + range.from;
    size_t after = ledger->count - range.from - range.count;

    for (size_t i = 0; i < range.count; i++)
        buf_deinit(&at[i]);
    memmove(at + kept, at + range.count, after * sizeof(*at));
    if (kept)
        *at = *by;
    else
        buf_deinit(by);
    ledger->count = range.from + kept + after;
}

static int save(struct ledger *ledger)
{
    int err = manifest_save(ledger->manifest, ledger->dir);

    return err ? err : opened_renew(&ledger->opened);
}

/* ---- merges; the lock is held but where it is said */

static int commit(struct ledger *ledger, struct merger *merger, bool reorders)
{
    struct tiers_range range = merger_range(merger, ledger->manifest);
    struct buf joined;

    if (reorders) /* nothing is added any more: nobody asks */
        buf_init(&joined, MEM_JOB);
    else
        joined = join_origins(ledger, merger, &range);
    int err = merger_commit(merger, ledger->manifest);

    if (err) {
        buf_deinit(&joined);
        return err;
    }
    replace_origins(ledger, range, &joined,
                    ledger->manifest->count + range.count > ledger->count);
    return save(ledger);
}

static void merge(struct ledger *ledger, const struct tiers_range *range,
                  bool reorders)
{
    char why[WHY];
    struct merger *merger =
        merger_begin(ledger->manifest, ledger->dir, range, why, sizeof(why));

    if (!merger) {
        ledger_fail(ledger, "cannot merge", why);
        return;
    }
    if (reorders)
        merger_reorder(merger);
    pthread_mutex_unlock(&ledger->lock);
    int err = merger_run(merger);
    pthread_mutex_lock(&ledger->lock);
    if (!err)
        err = commit(ledger, merger, reorders);
    if (err)
        ledger_fail(ledger, "cannot merge",
                    merger_damage(merger) ? merger_damage(merger)
                                          : text_of(err));
    merger_close(merger);
}

static void *merge_on(void *arg)
{
    struct ledger *ledger = arg;
    struct tiers_range range;

    pthread_mutex_lock(&ledger->lock);
    while (!ledger_failed(ledger)) {
        if (merger_choose(&ledger->opened, &range))
            merge(ledger, &range, false);
        else if (ledger->ending)
            break;
        else
            pthread_cond_wait(&ledger->changed, &ledger->lock);
    }
    pthread_mutex_unlock(&ledger->lock);
    return NULL;
}

/* ---- all of it */

struct ledger *ledger_create(struct manifest *manifest, const char *dir,
                             bool merges)
{
    struct ledger *ledger = mem_zalloc(MEM_JOB, sizeof(*ledger));
    char why[WHY];

    ledger->manifest = manifest;
    ledger->dir = dir;
    if (!opened_open(&ledger->opened, dir, why, sizeof(why)))
        ledger_fail(ledger, "cannot read", why);
    pthread_mutex_init(&ledger->lock, NULL);
    pthread_cond_init(&ledger->changed, NULL);
    ledger->origins =
        mem_alloc(MEM_JOB, (manifest->count + 1) * sizeof(ledger->origins[0]));
    for (; ledger->count < manifest->count; ledger->count++)
        buf_init(&ledger->origins[ledger->count], MEM_JOB);
    ledger->merges =
        merges && pthread_create(&ledger->merging, NULL, merge_on, ledger) == 0;
    return ledger;
}

void ledger_name(struct ledger *ledger, char name[MANIFEST_FILE_MAX],
                 char *path, size_t path_size)
{
    pthread_mutex_lock(&ledger->lock);
    manifest_name(ledger->manifest, "segment", name);
    pthread_mutex_unlock(&ledger->lock);
    snprintf(path, path_size, "%s/%s", ledger->dir, name);
}

static int add(struct ledger *ledger, const char *name,
               const struct buf *origins)
{
    struct addition addition = {ledger, origins};
    struct replace_order order = {when, &addition};
    struct replace_change change = {.file = name, .order = &order};
    int err = replace_add(ledger->manifest, &ledger->opened, &change);

    return err ? err : save(ledger);
}

void ledger_add(struct ledger *ledger, const char *name,
                const struct schema *schema, struct buf *origins)
{
    pthread_mutex_lock(&ledger->lock);
    schema_follow(&ledger->manifest->schema, schema);
    int err = add(ledger, name, origins);
    if (err) {
        ledger_fail(ledger, ledger->dir, text_of(err));
        buf_deinit(origins);
    } else {
        ledger->origins =
            mem_realloc(MEM_JOB, ledger->origins,
                        (ledger->count + 1) * sizeof(ledger->origins[0]));
        ledger->origins[ledger->count++] = *origins;
        buf_init(origins, MEM_JOB);
    }
    pthread_cond_signal(&ledger->changed);
    pthread_mutex_unlock(&ledger->lock);
}

/* Of each segment; one that has no live document goes. */
static void reorder(struct ledger *ledger)
{
    const size_t *count = &ledger->manifest->count;

    for (size_t i = 0, before; i < *count && !ledger_failed(ledger);
         i += *count == before) {
        before = *count;
        merge(ledger, &(struct tiers_range){i, 1}, true);
    }
}

void ledger_finish(struct ledger *ledger, size_t most, bool reorders)
{
    pthread_mutex_lock(&ledger->lock);
    ledger->ending = true;
    pthread_cond_signal(&ledger->changed);
    pthread_mutex_unlock(&ledger->lock);
    if (ledger->merges)
        pthread_join(ledger->merging, NULL);
    pthread_mutex_lock(&ledger->lock);
    size_t count = ledger->manifest->count;
    if (most && count > most && !ledger_failed(ledger))
        merge(ledger, &(struct tiers_range){most - 1, count - most + 1}, false);
    if (reorders)
        reorder(ledger);
    pthread_mutex_unlock(&ledger->lock);
}

void ledger_destroy(struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->count; i++)
        buf_deinit(&ledger->origins[i]);
    mem_free(ledger->origins);
    opened_close(&ledger->opened);
    pthread_cond_destroy(&ledger->changed);
    pthread_mutex_destroy(&ledger->lock);
    mem_free(ledger);
}
