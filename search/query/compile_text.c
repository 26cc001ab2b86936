/*
 * compile_text.c - texts that are searched for, by their words: see searcher.h.
 *
 *   compile_text() -- the field's analyzer --> words, some at the same place
 *   --> of_words(): some or all of them
 *   --> of_phrase(): one behind the other; of each way to choose where words
 *       share a place
 */
#include <stdlib.h>

#include "search/query/compile_internal.h"

struct word {
    struct span term;
    uint32_t position;
};

struct words {
    struct arena *arena;
    struct word *list;
    size_t count, cap;
};

static void take_word(void *arg, const struct token *token)
{
    struct words *words = arg;

    if (words->count == words->cap) {
        words->cap = words->cap ? 2 * words->cap : 16;
        words->list = mem_realloc(MEM_JOB, words->list,
                                  words->cap * sizeof(words->list[0]));
    }
    words->list[words->count++] =
        (struct word){.term = arena_copy(words->arena, token->term),
                      .position = token->position};
}

/* Behind the words from one on that share its place. */
static size_t place_end(const struct words *words, size_t from)
{
    size_t end = from + 1;

    while (end < words->count &&
           words->list[end].position == words->list[from].position)
        end++;
    return end;
}

static size_t places(const struct words *words)
{
    size_t count = 0;

    for (size_t i = 0; i < words->count; i = place_end(words, i))
        count++;
    return count;
}

/* ---- some or all words */

static struct node *of_word(struct compiler *compiler,
                            const struct compile_field *field,
                            const struct query *query, struct span term,
                            bool is_last, float boost)
{
    if (is_last && query->last_is_prefix)
        return compile_prefix(compiler, field, term, boost);
    if (query->edits)
        return compile_fuzzy(compiler, field, term, query, boost);
    return compile_term(compiler, field, term, boost);
}

static struct node *of_place(struct compiler *compiler,
                             const struct compile_field *field,
                             const struct query *query,
                             const struct words *words, size_t from, size_t end,
                             float boost)
{
    bool is_last = end == words->count;
    struct node *any;

    if (end - from == 1)
        return of_word(compiler, field, query, words->list[from].term, is_last,
                       boost);
    any = compile_node(compiler, NODE_DIS_MAX, 1);
    for (size_t i = from; i < end; i++)
        compile_add_child(any, NODE_SHOULD,
                          of_word(compiler, field, query, words->list[i].term,
                                  is_last, boost));
    return any;
}

static struct node *of_words(struct compiler *compiler,
                             const struct compile_field *field,
                             const struct query *query,
                             const struct words *words, float boost)
{
    size_t count = places(words);
    size_t minimum = query->all ? 0 : query_minimum(&query->minimum, count, 1);
    struct node *node;

    if (minimum > count)
        return compile_node(compiler, NODE_NONE, 0);
    if (count == 1)
        return of_place(compiler, field, query, words, 0, words->count, boost);
    node = compile_node(compiler, NODE_BOOL, 1);
    for (size_t i = 0, end; i < words->count; i = end) {
        end = place_end(words, i);
        compile_add_child(
            node, query->all ? NODE_MUST : NODE_SHOULD,
            of_place(compiler, field, query, words, i, end, boost));
    }
    compile_finish_bool(compiler, node, minimum);
    return node;
}

/* ---- a phrase */

static void keep_phrase(struct compiled *compiled, struct phrase *phrase)
{
    if (compiled->phrase_count == compiled->phrase_cap) {
        compiled->phrase_cap =
            compiled->phrase_cap ? 2 * compiled->phrase_cap : 4;
        compiled->phrases =
            mem_realloc(MEM_JOB, compiled->phrases,
                        compiled->phrase_cap * sizeof(struct phrase *));
    }
    compiled->phrases[compiled->phrase_count++] = phrase;
}

/* Which words they are, and where. */
static void describe_phrase(struct compiler *compiler, struct node *node,
                            const struct words *words, const size_t *chosen,
                            struct node_about about)
{
    struct node_word *list;

    if (compiler->mode == COMPILE_TO_RUN)
        return;
    list = arena_alloc(compiler->arena, about.count * sizeof(*list));
    for (size_t i = 0; i < about.count; i++)
        list[i] = (struct node_word){.term = words->list[chosen[i]].term,
                                     .offset = words->list[chosen[i]].position -
                                               words->list[0].position};
    about.words = list;
    compile_describe(compiler, node, &about);
}

/* chosen: of each place, the number of its word. */
static struct node *of_chosen(struct compiler *compiler,
                              const struct compile_field *field,
                              const struct query *query,
                              const struct words *words, const size_t *chosen,
                              size_t count, float boost)
{
    struct node *node = compile_node(compiler, NODE_PHRASE, boost);
    struct phrase_term *terms =
        arena_alloc(compiler->arena, count * sizeof(*terms));
    const struct field *from = reader_terms(compiler->reader, field->number);
    float weight = 0;

    describe_phrase(compiler, node, words, chosen,
                    (struct node_about){.query = query,
                                        .field = field->index,
                                        .count = count,
                                        .boost = boost,
                                        .terms = terms});
    if (compiler->mode == COMPILE_TO_NAME)
        return node;
    for (size_t i = 0; i < count; i++) {
        const struct word *word = &words->list[chosen[i]];
        struct dict_entry entry;
        struct clause *clause =
            compile_clause(compiler, field, word->term, boost, &entry);
        const void *bytes = clause ? field_places(from, &entry) : NULL;
        if (!bytes) {
            node->kind = NODE_NONE;
            return node;
        }
        terms[i].clause = *clause;
        terms[i].offset = word->position - words->list[0].position;
        places_init(&terms[i].places, compiler->searcher->kernel, bytes,
                    (uint32_t)entry.total);
        weight += clause->score.weight;
    }
    for (size_t i = 0; i < count; i++)
        terms[i].clause.score.weight = weight;
    node->lead = &terms[0].clause;
    node->phrase = phrase_open(terms, count, query->slop);
    node->hits = arena_zalloc(compiler->arena, sizeof(*node->hits));
    keep_phrase(compiler->compiled, node->phrase);
    return node;
}

/* The last word's place, of all terms that begin with it. */
struct ends {
    struct words *words;
    uint32_t position;
    size_t most;
};

static bool take_end(void *arg, struct span term,
                     const struct dict_entry *entry, unsigned distance)
{
    struct ends *ends = arg;

    (void)entry;
    (void)distance;
    take_word(ends->words,
              &(struct token){.term = term, .position = ends->position});
    return --ends->most > 0;
}

static void expand_last(struct compiler *compiler,
                        const struct compile_field *field,
                        const struct query *query, struct words *words)
{
    const struct field *from = reader_terms(compiler->reader, field->number);
    struct word last = words->list[words->count - 1];
    struct ends ends = {words, last.position, query->max_expansions};

    if (!from || !query->max_expansions)
        return;
    words->count--;
    expand_prefix(&from->dict, last.term, take_end, &ends);
}

/* The next way to choose; false: there is none. */
static bool choose_next(const struct words *words, size_t *chosen, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        size_t first = chosen[i];
        while (first > 0 &&
               words->list[first - 1].position == words->list[first].position)
            first--;
        if (chosen[i] + 1 < place_end(words, first)) {
            chosen[i]++;
            return true;
        }
        chosen[i] = first;
    }
    return false;
}

static struct node *of_phrase(struct compiler *compiler,
                              const struct compile_field *field,
                              const struct query *query, struct words *words,
                              float boost)
{
    size_t chosen[PHRASE_MAX];
    size_t count = 0;
    struct node *any;

    if (query->last_is_prefix)
        expand_last(compiler, field, query, words);
    for (size_t i = 0; i < words->count; i = place_end(words, i)) {
        if (count == PHRASE_MAX)
            return compile_fail(compiler, "illegal_argument_exception",
                                "the phrase has more than %d words",
                                PHRASE_MAX);
        chosen[count++] = i;
    }
    if (count == 0)
        return compile_node(compiler, NODE_NONE, 0);
    if (count == words->count && count > 1)
        return of_chosen(compiler, field, query, words, chosen, count, boost);
    any = compile_node(compiler, NODE_DIS_MAX, 1);
    for (size_t ways = 0;
         ways < SEARCHER_PHRASES_MAX && compile_goes_on(compiler); ways++) {
        struct node *one =
            count == 1 ? compile_term(compiler, field,
                                      words->list[chosen[0]].term, boost)
                       : of_chosen(compiler, field, query, words, chosen, count,
                                   boost);
        compile_add_child(any, NODE_SHOULD, one);
        if (!choose_next(words, chosen, count))
            break;
    }
    return any;
}

/* ---- */

/* What is no text is one value. */
static struct node *of_value(struct compiler *compiler,
                             const struct compile_field *field,
                             const struct query *query, float boost)
{
    struct query_value value = {.kind = QUERY_TEXT, .text = query->text};

    if (field->schema->type == SCHEMA_KEYWORD && query->edits)
        return compile_fuzzy(compiler, field, query->text, query, boost);
    if (field->schema->type == SCHEMA_KEYWORD && query->last_is_prefix)
        return compile_prefix(compiler, field, query->text, boost);
    return compile_value(compiler, field, &value, boost);
}

struct node *compile_text(struct compiler *compiler,
                          const struct compile_field *field,
                          const struct query *query, float boost)
{
    struct words words = {.arena = compiler->arena};
    struct node *node;

    if (field->schema->type != SCHEMA_TEXT)
        return of_value(compiler, field, query, boost);
    analyzer_run(compile_analyzer(compiler->searcher, field->index),
                 query->text, take_word, &words);
    if (words.count == 0)
        node = compile_node(compiler, query->none_is_all ? NODE_ALL : NODE_NONE,
                            boost);
    else if (words.count > SEARCHER_TERMS_MAX)
        node =
            compile_fail(compiler, "too_many_clauses",
                         "the text has more than %d words", SEARCHER_TERMS_MAX);
    else if (query->kind == QUERY_PHRASE)
        node = of_phrase(compiler, field, query, &words, boost);
    else
        node = of_words(compiler, field, query, &words, boost);
    mem_free(words.list);
    return node;
}
