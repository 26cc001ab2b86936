/* query_show.c - see query_show.h. */
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "search/query/explain.h"
#include "search/query/search.h"
#include "search/query/suggest.h"
#include "search/query_show.h"

#define SHOWN 160   /* bytes of a document that has no mark */
#define FRAGMENTS 2 /* of a field */
#define COMPLETIONS 10

/* White space is a space. */
static void print_line(const char *before, struct span text)
{
    printf("%s", before);
    for (size_t i = 0; i < text.len; i++)
        putchar(text.ptr[i] >= '\t' && text.ptr[i] <= '\r' ? ' ' : text.ptr[i]);
}

/* Between [ and ], or bright in a terminal.  False: nothing was marked. */
static bool show_fields(const struct schema *schema,
                        struct highlight *highlight,
                        const struct highlight_hit *hit)
{
    struct highlight_options options = highlight_defaults;
    const struct span *fragments;
    bool shown = false;

    options.fragments = FRAGMENTS;
    options.pre_tag = isatty(1) ? SPAN("\033[1m") : SPAN("[");
    options.post_tag = isatty(1) ? SPAN("\033[0m") : SPAN("]");
    for (size_t i = 0; i < schema->count; i++) {
        struct span name = schema->fields[i].name;
        size_t count =
            highlight_find(highlight, hit, name, &options, &fragments);
        if (count)
            printf("  %.*s: ", (int)name.len, name.ptr);
        for (size_t j = 0; j < count; j++)
            print_line(j ? " … " : "", fragments[j]);
        shown |= count > 0;
    }
    return shown;
}

void show_document(const struct searcher *searcher, struct highlight *highlight,
                   uint32_t doc)
{
    struct reader *reader = search_reader(searcher, doc);
    struct highlight_hit hit = {.doc = doc};
    struct json_errors errors;
    struct buf source;

    json_errors_init(&errors);
    buf_init(&source, MEM_APP);
    reader_source(reader, doc - reader->base, &source);
    if (!highlight || json_read(buf_span(&source), &hit.source, &errors) < 0 ||
        !show_fields(searcher->schema, highlight, &hit))
        printf("  %.*s", source.len < SHOWN ? (int)source.len : SHOWN,
               source.len ? source.ptr : "");
    printf("\n");
    json_decref(hit.source);
    buf_deinit(&source);
}

bool show_score(struct searcher *searcher, const struct query *query,
                const char *id, struct query_error *error)
{
    const struct explanation *explanation = NULL;
    uint32_t doc = UINT32_MAX;
    size_t i = searcher->count;
    struct arena arena;
    struct buf out;

    while (doc == UINT32_MAX && i > 0)
        doc = reader_find(searcher->readers[--i], span_str(id));
    if (doc == UINT32_MAX) {
        snprintf(error->reason, sizeof(error->reason),
                 "no document has the id %.100s", id);
        return false;
    }
    arena_init(&arena, MEM_APP, 0);
    buf_init(&out, MEM_APP);
    explanation = explain_run(searcher, &arena, query,
                              searcher->readers[i]->base + doc, error);
    if (explanation)
        explain_print(explanation, &out);
    printf("%.*s", (int)out.len, out.len ? out.ptr : "");
    buf_deinit(&out);
    arena_deinit(&arena);
    return explanation != NULL;
}

bool show_completions(struct searcher *searcher, const char *field,
                      const char *prefix, const char *weight,
                      struct query_error *error)
{
    struct complete_request request = {.field = span_str(field),
                                       .prefix = span_str(prefix),
                                       .weight = span_str(weight),
                                       .most = COMPLETIONS,
                                       .fold = true,
                                       .fuzzy = true};
    struct complete_result result;
    struct arena arena;

    arena_init(&arena, MEM_APP, 0);
    uint64_t began = clock_mono_us();
    bool fine = complete_run(searcher, &arena, &request, &result, error);
    uint64_t took = clock_mono_us() - began;
    for (size_t i = 0; fine && i < result.count; i++) {
        const struct complete_option *option = &result.options[i];
        printf("%9g  %.*s%s\n", option->weight, (int)option->text.len,
               option->text.ptr, option->distance ? "  (one change)" : "");
    }
    if (fine)
        printf("%zu completions%s, %.3f ms\n", result.count,
               result.is_cut ? " of those that were read" : "",
               (double)took / 1e3);
    arena_deinit(&arena);
    return fine;
}

bool show_suggestion(struct searcher *searcher, const char *field,
                     const char *text, struct query_error *error)
{
    struct suggest_request request = suggest_defaults;
    struct suggest_result result;
    struct arena arena;

    request.field = span_str(field);
    request.text = span_str(text);
    arena_init(&arena, MEM_APP, 0);
    uint64_t began = clock_mono_us();
    bool fine = suggest_run(searcher, &arena, &request, &result, error);
    uint64_t took = clock_mono_us() - began;
    for (size_t i = 0; fine && i < result.count; i++) {
        const struct suggest_word *word = &result.words[i];
        for (size_t j = 0; j < word->count; j++)
            printf("%s%.*s (%llu)", j ? ", " : "  ",
                   (int)word->options[j].text.len, word->options[j].text.ptr,
                   (unsigned long long)word->options[j].docs);
        if (word->count)
            printf("  for %.*s (%llu)\n", (int)word->text.len, word->text.ptr,
                   (unsigned long long)word->docs);
    }
    if (fine && result.text.ptr)
        printf("did you mean: %.*s (%llu documents%s)\n", (int)result.text.len,
               result.text.ptr, (unsigned long long)result.hits,
               result.has_all ? "" : ", none with all words");
    if (fine)
        printf("%.3f ms\n", (double)took / 1e3);
    arena_deinit(&arena);
    return fine;
}
