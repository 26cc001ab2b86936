/* compile_term.c - terms, values, patterns of one field: see searcher.h. */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "search/query/compile_internal.h"
#include "search/query/number.h"

#define TERMS_EACH 16 /* values of TERMS that are nodes each */

/* ---- what is known of a field over all segments */

static void learn(struct compiler *compiler, const struct compile_field *field)
{
    struct searcher *searcher = compiler->searcher;
    struct searcher_field *known = &searcher->fields[field->index];
    bool full = field->schema->type == SCHEMA_TEXT;
    uint64_t tokens = 0;

    if (known->is_known)
        return;
    known->is_known = true;
    known->average = 1;
    for (size_t i = 0; i < searcher->count; i++) {
        struct reader *reader = searcher->readers[i];
        const struct field *terms = reader_terms(
            reader, schema_find(&reader->schema, field->schema->name));
        if (!terms)
            continue;
        known->docs += terms->totals.docs;
        tokens += terms->totals.tokens;
    }
    if (known->docs)
        known->average = (double)tokens / (double)known->docs;
    /* a keyword has no length: b is 0 */
    score_lengths_init(&known->lengths, field->schema->k1,
                       full ? field->schema->b : 0, known->average);
}

static uint64_t count_having(const struct searcher *searcher,
                             const struct schema_field *field, struct span term)
{
    struct dict_entry entry;
    uint64_t count = 0;

    for (size_t i = 0; i < searcher->count; i++) {
        struct reader *reader = searcher->readers[i];
        const struct field *terms =
            reader_terms(reader, schema_find(&reader->schema, field->name));
        if (terms && field_find(terms, term, &entry))
            count += entry.count;
    }
    return count;
}

/* Each segment asks for the same terms: the dictionaries of all are looked into
   for the first of them. */
uint64_t compile_having(const struct searcher *searcher,
                        const struct schema_field *field, struct span term)
{
    struct searcher_known *known = searcher->known;
    uint64_t hash = XXH3_64bits_withSeed(term.ptr, term.len, (uintptr_t)field);

    if (term.len == 0 || term.len > SEARCHER_KNOWN_BYTES)
        return count_having(searcher, field, term);
    known += hash % SEARCHER_KNOWN;
    if (known->field != field ||
        !span_eq((struct span){known->term, known->len}, term)) {
        known->count = count_having(searcher, field, term);
        known->field = field;
        known->len = (uint8_t)term.len;
        memcpy(known->term, term.ptr, term.len);
    }
    return known->count;
}

/* ---- a term */

/* NULL: damaged. */
static struct clause *open_clause(struct compiler *compiler,
                                  const struct compile_field *field,
                                  const struct dict_entry *entry,
                                  uint64_t having, float boost)
{
    const struct field *terms = reader_terms(compiler->reader, field->number);
    const struct searcher_field *known =
        &compiler->searcher->fields[field->index];
    struct clause *clause = arena_alloc(compiler->arena, sizeof(*clause));

    if (entry->count == 1) {
        postings_init_single(&clause->postings, compiler->searcher->kernel,
                             entry->doc, entry->freq);
    } else {
        const void *list = field_list(terms, entry);
        if (!list)
            return NULL;
        postings_init(&clause->postings, compiler->searcher->kernel, list,
                      entry->count);
    }
    score_init(&clause->score, &known->lengths, boost, known->docs, having);
    clause_init(clause, terms->norms);
    clause->one_by_one = compiler->searcher->without.block_scores;
    return clause;
}

struct clause *compile_clause(struct compiler *compiler,
                              const struct compile_field *field,
                              struct span term, float boost,
                              struct dict_entry *entry)
{
    const struct field *terms = reader_terms(compiler->reader, field->number);

    learn(compiler, field);
    if (!terms || term.len == 0 || !field_find(terms, term, entry))
        return NULL;
    uint64_t having =
        compiler->searcher->count == 1
            ? entry->count
            : compile_having(compiler->searcher, field->schema, term);
    return open_clause(compiler, field, entry, having, boost);
}

/* term: as long as the compiled query is there. */
static void describe_term(struct compiler *compiler, struct node *node,
                          const struct compile_field *field, struct span term,
                          float boost)
{
    struct node_word *word;

    if (compiler->mode == COMPILE_TO_RUN)
        return;
    word = arena_alloc(compiler->arena, sizeof(*word));
    *word = (struct node_word){.term = term};
    compile_describe(
        compiler, node,
        &(struct node_about){
            .field = field->index, .words = word, .count = 1, .boost = boost});
}

struct node *compile_term(struct compiler *compiler,
                          const struct compile_field *field, struct span term,
                          float boost)
{
    struct node *node = compile_node(compiler, NODE_TERM, boost);
    struct dict_entry entry;

    describe_term(compiler, node, field, term, boost);
    if (compiler->mode == COMPILE_TO_NAME)
        return node;
    node->clause = compile_clause(compiler, field, term, boost, &entry);
    if (!node->clause)
        node->kind = NODE_NONE;
    return node;
}

/* ---- values */

struct node *compile_bad_number(struct compiler *compiler, struct span text)
{
    return compile_fail(compiler, "query_shard_exception",
                        "failed to create query: For input string: \"%.*s\"",
                        (int)text.len, text.ptr);
}

static struct node *between(struct compiler *compiler,
                            const struct compile_field *field, int64_t least,
                            int64_t most, float boost)
{
    struct node *node = compile_node(compiler, NODE_VALUES, boost);

    node->values = reader_values(compiler->reader, field->number);
    node->least = least;
    node->most = most;
    if (!node->values || least > most)
        node->kind = NODE_NONE;
    return node;
}

struct node *compile_value(struct compiler *compiler,
                           const struct compile_field *field,
                           const struct query_value *value, float boost)
{
    int64_t least;
    int64_t most;

    if (field->schema->type <= SCHEMA_KEYWORD)
        return compile_term(compiler, field, value->text, boost);
    if (!number_read(field->schema->type, value->text, true, &least) ||
        !number_read(field->schema->type, value->text, false, &most))
        return compile_bad_number(compiler, value->text);
    return between(compiler, field, least, most, boost);
}

struct node *compile_exists(struct compiler *compiler,
                            const struct compile_field *field, float boost)
{
    struct reader *reader = compiler->reader;
    const struct field *terms = reader_terms(compiler->reader, field->number);

    if (field->schema->type != SCHEMA_TEXT)
        return between(compiler, field, INT64_MIN, INT64_MAX, boost);
    struct node *node = compile_node(compiler, NODE_SET, boost);
    if (compiler->mode == COMPILE_TO_NAME)
        return node;
    uint64_t *bits = compile_bits(compiler);
    for (uint32_t doc = 0; terms && doc < reader->docs; doc++)
        if (terms->norms[doc])
            bits[doc / 64] |= UINT64_C(1) << doc % 64;
    node->bits = bits;
    return node;
}

/* ---- sets of terms */

struct set {
    struct compiler *compiler;
    const struct field *terms;
    uint64_t *bits;
    uint32_t docs;
    size_t count;
};

static bool add_to_set(void *arg, struct span term,
                       const struct dict_entry *entry, unsigned distance)
{
    struct set *set = arg;
    struct postings postings;

    (void)term;
    (void)distance;
    if (entry->count == 1) {
        set->bits[entry->doc / 64] |= UINT64_C(1) << entry->doc % 64;
        return compile_goes_on(set->compiler);
    }
    const void *list = field_list(set->terms, entry);
    if (!list)
        return false;
    postings_init(&postings, set->compiler->searcher->kernel, list,
                  entry->count);
    postings_set(&postings, 0, set->docs, set->bits);
    return compile_goes_on(set->compiler);
}

static struct set set_of(struct compiler *compiler,
                         const struct compile_field *field)
{
    struct set set = {.compiler = compiler};

    if (compiler->mode == COMPILE_TO_NAME)
        return set;
    set.terms = reader_terms(compiler->reader, field->number);
    set.docs = compiler->reader->docs;
    set.bits = compile_bits(compiler);
    return set;
}

static struct node *of_set(const struct set *set, float boost)
{
    struct node *node = compile_node(set->compiler, NODE_SET, boost);

    node->bits = set->bits;
    return node;
}

/* ---- any of some values */

static void add_term(struct set *set, struct span term)
{
    struct dict_entry entry;

    if (set->terms && term.len && field_find(set->terms, term, &entry))
        add_to_set(set, term, &entry, 0);
}

static int compare_numbers(const void *a, const void *b)
{
    const int64_t *one = a;
    const int64_t *two = b;

    return (*one > *two) - (*one < *two);
}

static void add_numbers(struct set *set, const struct values *values,
                        const int64_t *numbers, size_t count)
{
    for (uint32_t doc = 0; values && doc < set->docs; doc++) {
        uint32_t has = values_count(values, doc);
        for (uint32_t i = 0; i < has; i++) {
            int64_t value = values_get(values, doc, i);
            if (bsearch(&value, numbers, count, sizeof(value), compare_numbers))
                set->bits[doc / 64] |= UINT64_C(1) << doc % 64;
        }
    }
}

/* Many, of numbers: each document is looked at once. */
static bool any_number(struct set *set, const struct compile_field *field,
                       const struct query *query)
{
    struct compiler *compiler = set->compiler;
    int64_t *numbers =
        arena_alloc(compiler->arena, query->value_count * sizeof(numbers[0]));
    size_t count = 0;

    for (size_t i = 0; i < query->value_count; i++) {
        const struct query_value *value = &query->values[i];
        int64_t most;
        if (!number_read(field->schema->type, value->text, true,
                         &numbers[count]) ||
            !number_read(field->schema->type, value->text, false, &most)) {
            compile_bad_number(compiler, value->text);
            return false;
        }
        count += numbers[count] == most; /* else it lies between two */
    }
    qsort(numbers, count, sizeof(numbers[0]), compare_numbers);
    add_numbers(set, reader_values(compiler->reader, field->number), numbers,
                count);
    return true;
}

struct node *compile_terms(struct compiler *compiler,
                           const struct compile_field *field,
                           const struct query *query, float boost)
{
    if (query->value_count > TERMS_EACH && compiler->mode != COMPILE_TO_NAME) {
        struct set set = set_of(compiler, field);
        if (field->schema->type > SCHEMA_KEYWORD)
            any_number(&set, field, query);
        for (size_t i = 0; set.terms && i < query->value_count; i++)
            add_term(&set, query->values[i].text);
        return of_set(&set, boost);
    }
    struct node *all = compile_node(compiler, NODE_CONSTANT, boost);
    struct node *any = compile_node(compiler, NODE_BOOL, 1);
    for (size_t i = 0; i < query->value_count && compile_goes_on(compiler); i++)
        compile_add_child(any, NODE_SHOULD,
                          compile_value(compiler, field, &query->values[i], 1));
    compile_finish_bool(compiler, any, 1);
    compile_add_child(all, NODE_SHOULD, any);
    return all;
}

/* ---- ranges */

static struct node *range_of_terms(struct compiler *compiler,
                                   const struct compile_field *field,
                                   const struct query *query, float boost)
{
    struct set set = set_of(compiler, field);
    const struct query_bound *lower = &query->lower;
    const struct query_bound *upper = &query->upper;
    struct expand_range range = {
        .from = lower->value.kind == QUERY_NO_VALUE ? NULL : &lower->value.text,
        .to = upper->value.kind == QUERY_NO_VALUE ? NULL : &upper->value.text,
        .from_inclusive = !lower->exclusive,
        .to_inclusive = !upper->exclusive};

    if (set.terms)
        expand_range(&set.terms->dict, &range, add_to_set, &set);
    return of_set(&set, boost);
}

/* False: it is none. */
static bool read_bound(const struct compile_field *field,
                       const struct query_bound *bound, bool lower,
                       int64_t *out)
{
    int64_t other;

    *out = lower ? INT64_MIN : INT64_MAX;
    if (bound->value.kind == QUERY_NO_VALUE)
        return true;
    if (!number_read(field->schema->type, bound->value.text, lower, out) ||
        !number_read(field->schema->type, bound->value.text, !lower, &other))
        return false;
    if (bound->exclusive && *out == other) { /* else it lies between two */
        if (*out == (lower ? INT64_MAX : INT64_MIN))
            *out = lower ? INT64_MAX : INT64_MIN;
        else
            *out += lower ? 1 : -1;
    }
    return true;
}

struct node *compile_range(struct compiler *compiler,
                           const struct compile_field *field,
                           const struct query *query, float boost)
{
    int64_t least;
    int64_t most;

    if (field->schema->type <= SCHEMA_KEYWORD)
        return range_of_terms(compiler, field, query, boost);
    if (!read_bound(field, &query->lower, true, &least))
        return compile_bad_number(compiler, query->lower.value.text);
    if (!read_bound(field, &query->upper, false, &most))
        return compile_bad_number(compiler, query->upper.value.text);
    return between(compiler, field, least, most, boost);
}

/* ---- patterns */

struct normal {
    struct arena *arena;
    struct span text;
};

static void take_normal(void *arg, const struct token *token)
{
    struct normal *normal = arg;

    normal->text = arena_copy(normal->arena, token->term);
}

struct span compile_normal(struct searcher *searcher, struct arena *arena,
                           struct span text)
{
    struct normal normal = {arena, text};
    char why[64];

    if (!searcher->normalizer)
        searcher->normalizer = analyzer_create(
            &(struct analyzer_options){.words = ANALYZER_WORDS_ALL,
                                       .lowercase = true},
            why, sizeof(why));
    analyzer_run(searcher->normalizer, text, take_normal, &normal);
    return normal.text;
}

struct node *compile_prefix(struct compiler *compiler,
                            const struct compile_field *field,
                            struct span prefix, float boost)
{
    struct set set = set_of(compiler, field);
    struct node *node = of_set(&set, boost);

    compile_describe(
        compiler, node,
        &(struct node_about){.field = field->index, .pattern = prefix});
    if (set.terms)
        expand_prefix(&set.terms->dict, prefix, add_to_set, &set);
    return node;
}

struct node *compile_pattern(struct compiler *compiler,
                             const struct compile_field *field,
                             const struct query *query, float boost)
{
    struct span text = query->text;

    if (field->schema->type > SCHEMA_KEYWORD)
        return compile_fail(
            compiler, "query_shard_exception",
            "can only use patterns on keyword and text fields - not on [%.*s] "
            "which is of type [%s]",
            (int)field->schema->name.len, field->schema->name.ptr,
            schema_type_name(field->schema->type));
    if (query->normalize && field->schema->type == SCHEMA_TEXT)
        text = compile_normal(compiler->searcher, compiler->arena, text);
    if (query->kind == QUERY_PREFIX)
        return compile_prefix(compiler, field, text, boost);
    struct set set = set_of(compiler, field);
    if (set.terms && !expand_wildcard(&set.terms->dict, text, add_to_set, &set))
        return compile_fail(compiler, "illegal_argument_exception",
                            "the pattern is longer than %d bytes",
                            EXPAND_PATTERN_MAX);
    struct node *node = of_set(&set, boost);
    compile_describe(compiler, node,
                     &(struct node_about){.query = query,
                                          .field = field->index,
                                          .pattern = text});
    return node;
}
