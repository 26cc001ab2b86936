/*
 * compile_fuzzy.c - words that are near to one: see searcher.h.
 *
 *   near_words() -- those of each segment --> all of them, the best first: so
 *   that it does not matter in which segment a word is --> compile_term()
 */
#include <stdlib.h>
#include <xxhash.h>

#include "search/query/code_point.h"
#include "search/query/compile_internal.h"

struct near_word {
    struct span term;
    unsigned distance;
    uint64_t count; /* documents of all segments that have it */
};

struct searcher_near {
    const struct schema_field *field; /* NULL: it is free */
    struct span term;
    struct expand_fuzzy options;
    struct arena arena; /* of all of it */
    struct near_word *words;
    size_t count, cap;
};

void compile_near_destroy(struct searcher_near *all)
{
    for (size_t i = 0; all && i < SEARCHER_NEAR; i++) {
        arena_deinit(&all[i].arena);
        mem_free(all[i].words);
    }
    mem_free(all);
}

static struct searcher_near *near_create(void)
{
    struct searcher_near *all =
        mem_zalloc(MEM_APP, SEARCHER_NEAR * sizeof(*all));

    for (size_t i = 0; i < SEARCHER_NEAR; i++)
        arena_init(&all[i].arena, MEM_APP, 0);
    return all;
}

/* ---- of all segments */

static bool take(void *arg, struct span term, const struct dict_entry *entry,
                 unsigned distance)
{
    struct searcher_near *near = arg;

    (void)entry;
    if (near->count == near->cap) {
        near->cap = near->cap ? 2 * near->cap : 64;
        near->words = mem_realloc(MEM_APP, near->words,
                                  near->cap * sizeof(near->words[0]));
    }
    near->words[near->count++] = (struct near_word){
        .term = arena_copy(&near->arena, term), .distance = distance};
    return true;
}

static int by_term(const void *a, const void *b)
{
    const struct near_word *one = a;
    const struct near_word *two = b;

    return span_compare(one->term, two->term);
}

/* As expand_fuzzy() has them. */
static int by_rank(const void *a, const void *b)
{
    const struct near_word *one = a;
    const struct near_word *two = b;

    if (one->distance != two->distance)
        return one->distance < two->distance ? -1 : 1;
    if (one->count != two->count)
        return one->count > two->count ? -1 : 1;
    return by_term(a, b);
}

static void rank(struct compiler *compiler, struct searcher_near *near)
{
    struct near_word *words = near->words;
    size_t kept = 0;

    if (near->count)
        qsort(words, near->count, sizeof(words[0]), by_term);
    for (size_t i = 0; i < near->count; i++) {
        if (kept && span_eq(words[kept - 1].term, words[i].term))
            continue;
        words[kept] = words[i];
        words[kept].count =
            compile_having(compiler->searcher, near->field, words[i].term);
        kept++;
    }
    if (kept)
        qsort(words, kept, sizeof(words[0]), by_rank);
    near->count = kept < near->options.max_expansions
                      ? kept
                      : near->options.max_expansions;
}

static void gather(struct compiler *compiler, struct searcher_near *near)
{
    const struct searcher *searcher = compiler->searcher;
    struct expand_fuzzy options = near->options;

    if (searcher->count > 1) /* others may be the best of all */
        options.max_expansions = EXPAND_FUZZY_MAX;
    near->count = 0;
    for (size_t i = 0; i < searcher->count; i++) {
        struct reader *reader = searcher->readers[i];
        const struct field *terms = reader_terms(
            reader, schema_find(&reader->schema, near->field->name));
        if (terms)
            expand_fuzzy(&terms->dict, near->term, &options, take, near);
    }
    rank(compiler, near);
}

static bool is_same(const struct expand_fuzzy *a, const struct expand_fuzzy *b)
{
    return a->distance == b->distance && a->prefix_length == b->prefix_length &&
           a->max_expansions == b->max_expansions;
}

/* Each segment asks for the same ones: they are kept for a while. */
static const struct searcher_near *
near_words(struct compiler *compiler, const struct schema_field *field,
           struct span term, const struct expand_fuzzy *options)
{
    struct searcher *searcher = compiler->searcher;
    uint64_t hash = XXH3_64bits_withSeed(term.ptr, term.len, (uintptr_t)field);

    if (!searcher->near)
        searcher->near = near_create();
    struct searcher_near *near = &searcher->near[hash % SEARCHER_NEAR];
    if (near->field == field && span_eq(near->term, term) &&
        is_same(&near->options, options))
        return near;
    arena_deinit(&near->arena);
    arena_init(&near->arena, MEM_APP, 0);
    near->field = field;
    near->options = *options;
    near->term = arena_copy(&near->arena, term);
    gather(compiler, near);
    return near;
}

/* ---- and of this one */

struct node *compile_fuzzy(struct compiler *compiler,
                           const struct compile_field *field, struct span term,
                           const struct query *query, float boost)
{
    struct node *any = compile_node(compiler, NODE_DIS_MAX, 1);
    float length = (float)code_point_count(term);
    struct expand_fuzzy options = {.distance = query->edits == QUERY_FUZZY_AUTO
                                                   ? expand_auto_distance(term)
                                                   : query->edits,
                                   .prefix_length = query->prefix_length,
                                   .max_expansions = query->max_expansions};

    if (field->schema->type > SCHEMA_KEYWORD)
        return compile_bad_number(compiler, term);
    if (term.len > EXPAND_PATTERN_MAX)
        return compile_fail(compiler, "illegal_argument_exception",
                            "the word is longer than %d bytes",
                            EXPAND_PATTERN_MAX);
    const struct searcher_near *near =
        near_words(compiler, field->schema, term, &options);
    for (size_t i = 0; i < near->count && compile_goes_on(compiler); i++) {
        const struct near_word *word = &near->words[i];
        float less = length > 0 ? (float)word->distance / length : 0;
        struct node *node =
            compile_term(/* a nearer one counts more, as
                            Lucene has it */
                         compiler, field,
                         arena_copy(compiler->arena, word->term),
                         boost * (less < 1 ? 1 - less : 0));
        if (node->kind != NODE_NONE)
            compile_add_child(any, NODE_SHOULD, node);
    }
    return any;
}
