/* view.c - see view.h. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "search/view.h"

#define IDLE_MAX 16 /* what more were made at once goes again */

static void look(const char *dir, struct stat *manifest)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/" MANIFEST_NAME, dir);
    if (stat(path, manifest) < 0)
        *manifest = (struct stat){0};
}

bool view_is_current(const struct view *view)
{
    const struct stat *then = &view->manifest;
    struct stat now;

    look(view->opened.dir, &now);
    return now.st_ino == then->st_ino &&
           now.st_mtim.tv_sec == then->st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == then->st_mtim.tv_nsec;
}

static void count(struct view *view)
{
    const struct manifest *manifest = &view->opened.manifest;

    view->position = strtoull(manifest->position, NULL, 10);
    for (size_t i = 0; i < manifest->count; i++)
        view->docs += view->opened.lives[i].count;
}

struct view *view_open(const char *dir, const struct view *older,
                       const struct schema *schema, char why[VIEW_WHY])
{
    struct view *view = mem_zalloc(MEM_CACHE, sizeof(*view));
    bool fine;

    look(dir, &view->manifest);
    fine = older ? opened_reopen(&view->opened, &older->opened, why, VIEW_WHY)
                 : opened_open(&view->opened, dir, why, VIEW_WHY);

    view->refs = 1;
    list_init(&view->idle);
    schema_init(&view->schema);
    if (!fine) {
        view_unref(view);
        return NULL;
    }
    schema_follow(&view->schema, schema);
    count(view);
    return view;
}

static void destroy(struct view_searcher *searcher)
{
    searcher_deinit(&searcher->searcher);
    for (size_t i = 0; i < searcher->view->opened.manifest.count; i++)
        reader_close(searcher->readers[i]);
    mem_free(searcher->readers);
    mem_free(searcher);
}

void view_unref(struct view *view)
{
    if (!view || --view->refs > 0)
        return;
    for (struct list *node; (node = list_pop(&view->idle));)
        destroy(LIST_ENTRY(node, struct view_searcher, node));
    opened_close(&view->opened);
    schema_deinit(&view->schema);
    mem_free(view);
}

struct view_searcher *view_take(struct view *view)
{
    const struct opened *opened = &view->opened;
    struct list *node = list_pop(&view->idle);
    size_t n = opened->manifest.count;

    if (node) {
        view->idle_count--;
        view->refs++;
        return LIST_ENTRY(node, struct view_searcher, node);
    }
    struct view_searcher *searcher = mem_zalloc(MEM_CACHE, sizeof(*searcher));
    list_init(&searcher->node);
    searcher->view = view;
    searcher->readers =
        mem_zalloc(MEM_CACHE, (n + 1) * sizeof(struct reader *));
    for (size_t i = 0; i < n; i++)
        searcher->readers[i] = reader_like(
            opened->readers[i], &opened->lives[i], opened->readers[i]->base);
    searcher_init(&searcher->searcher, &view->schema, searcher->readers, n);
    view->refs++;
    return searcher;
}

void view_give(struct view_searcher *searcher)
{
    struct view *view = searcher->view;

    if (view->idle_count < IDLE_MAX) {
        list_append(view->idle.next, &searcher->node); /* warm: the first */
        view->idle_count++;
    } else {
        destroy(searcher);
    }
    view_unref(view);
}

static int64_t number_of(struct reader *reader, uint32_t doc, struct span name)
{
    const struct values *values =
        reader_values(reader, schema_find(&reader->schema, name));

    return values && values_count(values, doc) ? values_get(values, doc, 0) : 0;
}

bool view_find(struct view *view, struct span id, struct view_place *place)
{
    for (size_t i = view->opened.manifest.count; i-- > 0;) {
        struct reader *reader = view->opened.readers[i];
        uint32_t doc = reader_find(reader, id);
        if (doc == UINT32_MAX)
            continue;
        *place = (struct view_place){
            .reader = reader,
            .doc = doc,
            .version = number_of(reader, doc, SCHEMA_VERSION),
            .seq = number_of(reader, doc, SCHEMA_SEQ_NO)};
        return true;
    }
    return false;
}
