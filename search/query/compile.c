/*
 * compile.c - a query made ready for a segment: see searcher.h.
 *
 *   compile() -- bools and the like --> their clauses
 *             -- a field, or a pattern of them --> of_field(): by its type,
 *                compile_term.c, compile_text.c
 */
#include "common/clock.h"
#include "search/query/compile_internal.h"
#include "search/query/query_build.h"

#define BOOST_MAX 1e30F /* so that sums of scores are finite */

static struct node *compile(struct compiler *compiler,
                            const struct query *query, float boost);

void searcher_init(struct searcher *searcher, const struct schema *schema,
                   struct reader **readers, size_t count)
{
    const struct bits_kernel *kernels[2];

    bits_kernels(kernels);
    *searcher = (struct searcher){.schema = schema,
                                  .readers = readers,
                                  .count = count,
                                  .kernel = kernels[0]};
    searcher->fields =
        mem_zalloc(MEM_APP, (schema->count + 1) * sizeof(searcher->fields[0]));
    searcher->known =
        mem_zalloc(MEM_APP, SEARCHER_KNOWN * sizeof(searcher->known[0]));
}

void searcher_leave_out(struct searcher *searcher,
                        const struct ablation *without)
{
    const struct bits_kernel *kernels[2];
    size_t count = bits_kernels(kernels);

    searcher->without = *without;
    searcher->kernel = kernels[without->simd ? count - 1 : 0];
}

void searcher_deinit(struct searcher *searcher)
{
    for (size_t i = 0; i < searcher->schema->count; i++)
        analyzer_destroy(searcher->fields[i].analyzer);
    analyzer_destroy(searcher->normalizer);
    mem_free(searcher->fields);
    mem_free(searcher->known);
    compile_near_destroy(searcher->near);
}

bool searcher_find(const struct searcher *searcher, struct span name,
                   uint32_t *field, struct query_error *error)
{
    uint32_t number = schema_find(searcher->schema, name);

    if (number != SCHEMA_NONE &&
        searcher->schema->fields[number].type == SCHEMA_TEXT)
        return query_refuse(
            error, "illegal_argument_exception",
            "Text fields are not optimised for operations that require "
            "per-document field data like aggregations and sorting, so these "
            "operations are disabled. Please use a keyword field instead of "
            "[%.*s].",
            (int)name.len, name.ptr);
    *field = number;
    return true;
}

const struct values *searcher_values(const struct searcher *searcher,
                                     size_t which, uint32_t field)
{
    struct reader *reader = searcher->readers[which];

    return reader_values(
        reader,
        schema_find(&reader->schema, searcher->schema->fields[field].name));
}

bool searcher_is_sound(const struct searcher *searcher,
                       struct query_error *error)
{
    for (size_t i = 0; i < searcher->count; i++) {
        const char *damage = segment_damage(searcher->readers[i]->segment);
        if (damage)
            return query_refuse(error, "search_phase_execution_exception", "%s",
                                damage);
    }
    return true;
}

/* ---- nodes */

struct node *compile_node(struct compiler *compiler, enum node_kind kind,
                          float boost)
{
    struct node *node = arena_zalloc(compiler->arena, sizeof(*node));

    node->kind = kind;
    node->boost = boost;
    return node;
}

void compile_describe(struct compiler *compiler, struct node *node,
                      const struct node_about *about)
{
    struct node_about *copy;

    if (compiler->mode == COMPILE_TO_RUN || node->about)
        return;
    copy = arena_alloc(compiler->arena, sizeof(*copy));
    *copy = *about;
    node->about = copy;
}

uint64_t *compile_bits(struct compiler *compiler)
{
    size_t windows = compiler->reader->docs / WINDOW_DOCS + 1;

    return arena_zalloc(compiler->arena, windows * WINDOW_DOCS / 8);
}

void compile_add_child(struct node *parent, size_t list, struct node *child)
{
    child->next = parent->lists[list];
    parent->lists[list] = child;
    parent->counts[list]++;
}

/* The one with the fewest documents, of those that all are needed. */
static const struct clause *rarest_term(const struct node *node)
{
    static const size_t needed[] = {NODE_MUST, NODE_FILTER};
    const struct clause *rarest = NULL;

    for (size_t i = 0; i < 2; i++)
        for (const struct node *child = node->lists[needed[i]]; child;
             child = child->next)
            if (child->kind == NODE_TERM &&
                (!rarest ||
                 child->clause->postings.count < rarest->postings.count))
                rarest = child->clause;
    return rarest;
}

/* Phrases are looked for where the rarest of the terms beside them is. */
static void filter_phrases(struct compiler *compiler, struct node *list,
                           const struct clause *term)
{
    for (; list; list = list->next) {
        if (list->kind != NODE_PHRASE)
            continue;
        struct postings *filter = arena_alloc(compiler->arena, sizeof(*filter));
        *filter = term->postings;
        phrase_filter(list->phrase, filter);
    }
}

void compile_finish_bool(struct compiler *compiler, struct node *node,
                         size_t minimum)
{
    const struct clause *term =
        compiler->mode == COMPILE_TO_RUN ? rarest_term(node) : NULL;
    bool must = node->counts[NODE_MUST] + node->counts[NODE_FILTER] > 0;

    node->minimum = minimum;
    if (minimum > node->counts[NODE_SHOULD])
        node->kind = NODE_NONE;
    node->is_counted = minimum > (must ? 0 : 1);
    if (term) {
        filter_phrases(compiler, node->lists[NODE_MUST], term);
        filter_phrases(compiler, node->lists[NODE_FILTER], term);
    }
}

struct node *compile_fail(struct compiler *compiler, const char *type,
                          const char *format, ...)
{
    va_list args;

    va_start(args, format);
    query_vrefuse(compiler->error, type, format, args);
    va_end(args);
    return compile_node(compiler, NODE_NONE, 0);
}

bool compile_goes_on(struct compiler *compiler)
{
    uint64_t deadline_us = compiler->searcher->deadline_us;

    if (compiler->arena->size > SEARCHER_BYTES_MAX)
        compile_fail(compiler, "too_many_clauses",
                     "the query stands for too many terms, of too many fields");
    if (deadline_us && clock_mono_us() > deadline_us)
        compiler->compiled->late = true;
    return !compiler->error->type && !compiler->compiled->late;
}

/* ---- fields */

struct analyzer *compile_analyzer(struct searcher *searcher, uint32_t field)
{
    struct searcher_field *known = &searcher->fields[field];

    if (!known->analyzer)
        known->analyzer = schema_analyzer(&searcher->schema->fields[field]);
    return known->analyzer;
}

static struct node *by_kind(struct compiler *compiler,
                            const struct compile_field *field,
                            const struct query *query, float boost)
{
    switch (query->kind) {
    case QUERY_TERM:
        return compile_value(compiler, field, query->values, boost);
    case QUERY_EXISTS:
        return compile_exists(compiler, field, boost);
    case QUERY_RANGE:
        return compile_range(compiler, field, query, boost);
    case QUERY_PREFIX:
    case QUERY_WILDCARD:
        return compile_pattern(compiler, field, query, boost);
    case QUERY_FUZZY:
        return compile_fuzzy(compiler, field, query->text, query, boost);
    case QUERY_MATCH:
    case QUERY_PHRASE:
        return compile_text(compiler, field, query, boost);
    case QUERY_TERMS:
        return compile_terms(compiler, field, query, boost);
    case QUERY_MATCH_ALL:
    case QUERY_MATCH_NONE:
    case QUERY_IDS:
    case QUERY_BOOL:
    case QUERY_CONSTANT_SCORE:
    case QUERY_DIS_MAX: /* have no field */
        break;
    }
    return compile_node(compiler, NODE_NONE, 0);
}

static struct node *of_field(struct compiler *compiler, uint32_t index,
                             const struct query *query, float boost)
{
    const struct schema *schema = compiler->searcher->schema;
    struct compile_field field = {
        .index = index,
        .number =
            schema_find(&compiler->reader->schema, schema->fields[index].name),
        .schema = &schema->fields[index]};
    struct node *node = by_kind(compiler, &field, query, boost);

    compile_describe(compiler, node,
                     &(struct node_about){.query = query, .field = index});
    return node;
}

/* Texts and keywords, where nothing else is said. */
static bool is_searched(const struct schema_field *field)
{
    return field->type == SCHEMA_TEXT ||
           (field->type == SCHEMA_KEYWORD && field->of == SCHEMA_NONE);
}

static struct node *of_fields(struct compiler *compiler,
                              const struct query *query, float boost)
{
    const struct schema *schema = compiler->searcher->schema;
    uint32_t exact = schema_find(schema, query->field);
    struct node *best;

    if (exact != SCHEMA_NONE)
        return of_field(compiler, exact, query, boost);
    if (span_find(query->field, '*') == query->field.len)
        return compile_node(compiler, NODE_NONE, 0);
    best = compile_node(compiler, NODE_DIS_MAX, 1);
    for (uint32_t i = 0; i < schema->count && compile_goes_on(compiler); i++)
        if (is_searched(&schema->fields[i]) &&
            query_name_matches(query->field, schema->fields[i].name))
            compile_add_child(best, NODE_SHOULD,
                              of_field(compiler, i, query, boost));
    return best;
}

/* ---- what is of no field */

static struct node *of_ids(struct compiler *compiler, const struct query *query,
                           float boost)
{
    struct reader *reader = compiler->reader;
    struct node *node = compile_node(compiler, NODE_SET, boost);
    uint64_t *bits;

    if (compiler->mode == COMPILE_TO_NAME)
        return node;
    bits = compile_bits(compiler);
    for (size_t i = 0; i < query->value_count; i++) {
        uint32_t doc = reader_find(reader, query->values[i].text);
        if (doc != UINT32_MAX)
            bits[doc / 64] |= UINT64_C(1) << doc % 64;
    }
    node->bits = bits;
    return node;
}

static void add_list(struct compiler *compiler, struct node *node, size_t list,
                     const struct query_list *from, float boost)
{
    for (const struct query *query = from->first;
         query && compile_goes_on(compiler); query = query->next)
        compile_add_child(node, list, compile(compiler, query, boost));
}

static struct node *of_bool(struct compiler *compiler,
                            const struct query *query, float boost)
{
    const struct query_list *lists = query->lists;
    size_t count = 0;
    for (size_t i = 0; i < QUERY_OCCURS; i++)
        count += lists[i].count;
    if (count == 0)
        return compile_node(compiler, NODE_ALL, boost);
    struct node *node = compile_node(compiler, NODE_BOOL, 1);
    bool must = lists[QUERY_MUST].count + lists[QUERY_FILTER].count > 0;

    add_list(compiler, node, NODE_MUST, &lists[QUERY_MUST], boost);
    add_list(compiler, node, NODE_FILTER, &lists[QUERY_FILTER], 0);
    add_list(compiler, node, NODE_SHOULD, &lists[QUERY_SHOULD], boost);
    add_list(compiler, node, NODE_MUST_NOT, &lists[QUERY_MUST_NOT], 0);
    compile_finish_bool(
        compiler, node,
        query_minimum(&query->minimum, lists[QUERY_SHOULD].count,
                      must || !lists[QUERY_SHOULD].count ? 0 : 1));
    return node;
}

static struct node *of_any(struct compiler *compiler, const struct query *query,
                           float boost)
{
    struct node *node;

    switch (query->kind) {
    case QUERY_MATCH_ALL:
        return compile_node(compiler, NODE_ALL, boost);
    case QUERY_MATCH_NONE:
        return compile_node(compiler, NODE_NONE, 0);
    case QUERY_IDS:
        return of_ids(compiler, query, boost);
    case QUERY_BOOL:
        return of_bool(compiler, query, boost);
    case QUERY_CONSTANT_SCORE:
        node = compile_node(compiler, NODE_CONSTANT, boost);
        add_list(compiler, node, NODE_SHOULD, &query->lists[QUERY_FILTER], 1);
        return node;
    case QUERY_DIS_MAX:
        node = compile_node(compiler, NODE_DIS_MAX, 1);
        node->tie = query->tie_breaker;
        add_list(compiler, node, NODE_SHOULD, &query->lists[QUERY_SHOULD],
                 boost);
        return node;
    case QUERY_TERM:
    case QUERY_TERMS:
    case QUERY_EXISTS:
    case QUERY_RANGE:
    case QUERY_PREFIX:
    case QUERY_WILDCARD:
    case QUERY_FUZZY:
    case QUERY_MATCH:
    case QUERY_PHRASE:
        break;
    }
    return of_fields(compiler, query, boost);
}

static struct node *compile(struct compiler *compiler,
                            const struct query *query, float boost)
{
    float product = boost * query->boost;
    struct node *node =
        of_any(compiler, query, product < BOOST_MAX ? product : BOOST_MAX);

    compile_describe(
        compiler, node,
        &(struct node_about){.query = query, .field = SCHEMA_NONE});
    return node;
}

bool compile_query(struct compiler *compiler, const struct query *query)
{
    *compiler->compiled = (struct compiled){0};
    compiler->error->type = NULL;
    compiler->compiled->root = compile(compiler, query, 1);
    compile_goes_on(compiler); /* a large one may be the last of many */
    return !compiler->error->type;
}

bool searcher_compile(struct searcher *searcher, struct arena *arena,
                      size_t reader, const struct query *query,
                      struct compiled *compiled, struct query_error *error)
{
    struct compiler compiler = {.searcher = searcher,
                                .arena = arena,
                                .reader = searcher->readers[reader],
                                .compiled = compiled,
                                .error = error};

    return compile_query(&compiler, query);
}

void compiled_deinit(struct compiled *compiled)
{
    for (size_t i = 0; i < compiled->phrase_count; i++)
        phrase_close(compiled->phrases[i]);
    mem_free(compiled->phrases);
}
