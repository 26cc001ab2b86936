/* opened.c - see opened.h. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "search/index/opened.h"

#define TRIES 20 /* to open what is there while another one replaces it */

struct opening {
    const struct opened *older; /* has some of it; or NULL */
    char *why;
    size_t why_size;
};

/* The reader that an older one has of it, or NULL. */
static const struct reader *reader_in(const struct opened *older,
                                      const struct manifest_segment *segment)
{
    for (size_t i = 0; older && i < older->manifest.count; i++)
        if (strcmp(older->manifest.segments[i].file, segment->file) == 0)
            return older->readers[i];
    return NULL;
}

/* Of a segment: all are, where there is no file of it. */
static bool read_live(struct opened *opened, size_t i,
                      const struct opening *opening)
{
    const struct manifest_segment *of = &opened->manifest.segments[i];
    uint32_t docs = segment_docs(opened->segments[i]);
    char path[PATH_MAX];

    if (!of->live[0]) {
        live_init(&opened->lives[i], docs);
        return true;
    }
    snprintf(path, sizeof(path), "%s/%s", opened->dir, of->live);
    if (live_load(&opened->lives[i], path, docs))
        return true;
    snprintf(opening->why, opening->why_size, "%s: it does not say who is live",
             path);
    return false;
}

static bool open_one(struct opened *opened, size_t i,
                     const struct opening *opening)
{
    const struct manifest_segment *of = &opened->manifest.segments[i];
    const struct reader *older = reader_in(opening->older, of);
    const struct reader *before = i ? opened->readers[i - 1] : NULL;
    uint32_t base = before ? before->base + before->docs : 0;
    struct live *live = &opened->lives[i];
    struct segment *segment;
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", opened->dir, of->file);
    opened->segments[i] = segment =
        older ? segment_ref(older->segment)
              : segment_open(path, opening->why, opening->why_size);
    if (!segment || !read_live(opened, i, opening))
        return false;
    opened->readers[i] = older ? reader_like(older, live, base)
                               : reader_open(segment, live, base);
    if (!opened->readers[i] && segment_damage(segment))
        snprintf(opening->why, opening->why_size, "%s",
                 segment_damage(segment));
    else if (!opened->readers[i])
        snprintf(opening->why, opening->why_size,
                 "%s: its schema cannot be read", path);
    return opened->readers[i];
}

static bool open_all(struct opened *opened, const struct opening *opening)
{
    size_t count = opened->manifest.count;

    opened->segments =
        mem_zalloc(MEM_APP, (count + 1) * sizeof(struct segment *));
    opened->lives = mem_zalloc(MEM_APP, (count + 1) * sizeof(opened->lives[0]));
    opened->readers =
        mem_zalloc(MEM_APP, (count + 1) * sizeof(struct reader *));
    for (size_t i = 0; i < count; i++)
        if (!open_one(opened, i, opening))
            return false;
    return true;
}

/* Its fields are the index's, and its documents as many as the index says. */
static bool belongs(const struct opened *opened, size_t i)
{
    const struct schema *index = &opened->manifest.schema;
    const struct schema *its = &opened->readers[i]->schema;

    if (its->count > index->count ||
        opened->readers[i]->docs != opened->manifest.segments[i].docs)
        return false;
    for (size_t j = 0; j < its->count; j++)
        if (its->fields[j].type != index->fields[j].type ||
            !span_eq(its->fields[j].name, index->fields[j].name))
            return false;
    return true;
}

static bool all_belong(const struct opened *opened,
                       const struct opening *opening)
{
    for (size_t i = 0; i < opened->manifest.count; i++) {
        if (belongs(opened, i))
            continue;
        snprintf(opening->why, opening->why_size,
                 "%s/%s: it is not of this index", opened->dir,
                 opened->manifest.segments[i].file);
        return false;
    }
    return true;
}

/* A file that is not there any more was replaced, if it is of an older
   generation than the index has now. */
static bool is_old(const struct opened *opened)
{
    struct manifest now;
    char why[64];
    bool old = manifest_load(&now, opened->dir, why, sizeof(why)) &&
               now.generation != opened->manifest.generation;

    manifest_deinit(&now);
    return old;
}

static void init(struct opened *opened, const char *dir)
{
    size_t len = strlen(dir) + 1;

    *opened = (struct opened){.dir = mem_alloc(MEM_APP, len)};
    memcpy(opened->dir, dir, len);
}

static bool open_now(struct opened *opened, const char *dir,
                     const struct opening *opening)
{
    for (int again = 0; again < TRIES; again++) {
        init(opened, dir);
        if (!manifest_load(&opened->manifest, dir, opening->why,
                           opening->why_size))
            return false;
        if (open_all(opened, opening))
            return all_belong(opened, opening);
        if (!is_old(opened))
            return false;
        opened_close(opened);
    }
    *opened = (struct opened){0};
    return false;
}

bool opened_open(struct opened *opened, const char *dir, char *why,
                 size_t why_size)
{
    return open_now(opened, dir,
                    &(struct opening){.why = why, .why_size = why_size});
}

bool opened_reopen(struct opened *opened, const struct opened *older, char *why,
                   size_t why_size)
{
    return open_now(opened, older->dir,
                    &(struct opening){older, why, why_size});
}

int opened_renew(struct opened *opened)
{
    struct opened older = *opened;
    char why[64];
    bool fine = opened_reopen(opened, &older, why, sizeof(why));

    opened_close(&older);
    return fine ? 0 : UV_EIO;
}

bool opened_open_some(struct opened *opened, const char *dir,
                      const struct manifest_segment *segments, size_t count,
                      char *why, size_t why_size)
{
    init(opened, dir);
    manifest_init(&opened->manifest);
    for (size_t i = 0; i < count; i++) {
        manifest_add(&opened->manifest, segments[i].file, segments[i].docs);
        manifest_set_live(&opened->manifest, i, segments[i].live);
    }
    return open_all(opened,
                    &(struct opening){.why = why, .why_size = why_size});
}

void opened_close(struct opened *opened)
{
    for (size_t i = 0; opened->readers && i < opened->manifest.count; i++) {
        reader_close(opened->readers[i]);
        segment_close(opened->segments[i]);
        live_deinit(&opened->lives[i]);
    }
    mem_free(opened->dir);
    mem_free(opened->segments);
    mem_free(opened->lives);
    mem_free(opened->readers);
    manifest_deinit(&opened->manifest);
}

const char *opened_damage(const struct opened *opened)
{
    for (size_t i = 0; i < opened->manifest.count; i++)
        if (opened->segments[i] && segment_damage(opened->segments[i]))
            return segment_damage(opened->segments[i]);
    return NULL;
}
