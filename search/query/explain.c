/*
 * explain.c - see explain.h.
 *
 *   explain() -- what has clauses --> each of them, and how they count together
 *             -- a term, a phrase --> weigh(): the parts of BM25
 *             -- any other --> node_add(), over the window of the document
 */
#include <math.h>

#include "search/index/norm.h"
#include "search/query/compile_internal.h"
#include "search/query/explain.h"
#include "search/query/search.h"

#define LABEL_MAX 1000 /* bytes */

struct explainer {
    struct compiler compiler;
    uint32_t doc; /* of the segment */
    struct window *window;
};

static struct explanation *explain(const struct explainer *e,
                                   struct node *node);

static struct explanation *make(const struct explainer *e, double value,
                                const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static struct explanation *make(const struct explainer *e, double value,
                                const char *format, ...)
{
    struct explanation *made = arena_zalloc(e->compiler.arena, sizeof(*made));
    va_list args;

    made->value = value;
    made->matches = true;
    va_start(args, format);
    made->description = arena_vprintf(e->compiler.arena, format, args);
    va_end(args);
    return made;
}

static struct explanation *not_matching(struct explanation *explanation)
{
    explanation->matches = false;
    return explanation;
}

/* Behind the others. */
static void add(struct explanation *to, struct explanation *detail)
{
    struct explanation **end = &to->details;

    while (*end)
        end = &(*end)->next;
    *end = detail;
}

/* ---- what a node is called */

static struct span field_name(const struct explainer *e,
                              const struct node_about *about)
{
    return about->field == SCHEMA_NONE
               ? (struct span){NULL, 0}
               : e->compiler.searcher->schema->fields[about->field].name;
}

static void put_words(struct buf *out, const struct node_about *about)
{
    buf_append(out, about->count > 1 ? SPAN("\"") : SPAN(""));
    for (size_t i = 0; i < about->count; i++) {
        buf_append(out, i ? SPAN(" ") : SPAN(""));
        buf_append(out, about->words[i].term);
    }
    buf_append(out, about->count > 1 ? SPAN("\"") : SPAN(""));
}

static struct span label(const struct explainer *e, const struct node *node)
{
    const struct node_about *about = node->about;
    struct buf out;

    if (!about || (!about->words && !about->query && !about->pattern.ptr))
        return SPAN("a query");
    buf_init(&out, MEM_JOB);
    if (about->words) {
        buf_append(&out, field_name(e, about));
        buf_append_char(&out, ':');
        put_words(&out, about);
    } else if (about->pattern.ptr) {
        buf_append(&out, field_name(e, about));
        buf_append_char(&out, ':');
        buf_append(&out, about->pattern);
        if (!about->query || about->query->kind != QUERY_WILDCARD)
            buf_append_char(&out, '*');
    } else {
        struct query query = *about->query;
        query.boost = 1;
        if (about->field != SCHEMA_NONE)
            query.field = field_name(e, about);
        query_print(&query, &out);
    }
    if (out.len > LABEL_MAX) {
        out.len = LABEL_MAX;
        buf_append(&out, SPAN("..."));
    }
    struct span text = arena_copy(e->compiler.arena, buf_span(&out));
    buf_deinit(&out);
    return text;
}

/* ---- terms and phrases */

static struct explanation *explain_idf(const struct explainer *e,
                                       const struct schema_field *field,
                                       const struct node_word *word,
                                       uint64_t docs)
{
    uint64_t having = compile_having(e->compiler.searcher, field, word->term);
    double idf =
        log(1 + ((double)docs - (double)having + 0.5) / ((double)having + 0.5));
    struct explanation *made = make(
        e, idf, "idf, computed as log(1 + (N - n + 0.5) / (n + 0.5)) from:");

    add(made,
        make(e, (double)having, "n, number of documents containing term"));
    add(made, make(e, (double)docs, "N, total number of documents with field"));
    return made;
}

static struct explanation *explain_idfs(const struct explainer *e,
                                        const struct node_about *about,
                                        const struct schema_field *field,
                                        uint64_t docs)
{
    struct explanation *sum = make(e, 0, "idf, sum of:");

    if (about->count == 1)
        return explain_idf(e, field, about->words, docs);
    for (size_t i = 0; i < about->count; i++) {
        struct explanation *one = explain_idf(e, field, &about->words[i], docs);
        sum->value += one->value;
        add(sum, one);
    }
    return sum;
}

static struct explanation *explain_tf(const struct explainer *e,
                                      const struct node_about *about,
                                      const struct clause *clause, double freq)
{
    const struct searcher *searcher = e->compiler.searcher;
    const struct schema_field *field = &searcher->schema->fields[about->field];
    double average = searcher->fields[about->field].average;
    double k1 = (double)field->k1;
    double b = (double)field->b;
    uint8_t norm = clause->norms ? clause->norms[e->doc] : 0;
    double length = norm_length(norm);
    double k = k1 * (clause->norms ? 1 - b + b * length / average : 1);
    struct explanation *made =
        make(e, freq / (freq + k), "tf, computed as freq / (freq + k1%s) from:",
             clause->norms ? " * (1 - b + b * dl / avgdl)" : "");

    add(made,
        make(e, freq,
             about->count == 1 ? "freq, occurrences of term within document"
                               : "phraseFreq, occurrences of the phrase"));
    add(made, make(e, k1, "k1, term saturation parameter"));
    if (!clause->norms)
        return made;
    add(made, make(e, b, "b, length normalization parameter"));
    add(made, make(e, length, "dl, length of field%s",
                   norm < NORM_FREE + 16 ? "" : " (approximate)"));
    add(made, make(e, average, "avgdl, average length of field"));
    return made;
}

static struct explanation *weigh(const struct explainer *e,
                                 const struct node *node,
                                 const struct clause *clause, double freq)
{
    const struct searcher *searcher = e->compiler.searcher;
    const struct node_about *about = node->about;
    struct span name = label(e, node);
    double value = (double)clause_score_of(clause, e->doc, (float)freq);
    struct explanation *made =
        make(e, value,
             "weight(%.*s in %u) [BM25Similarity], result of:", (int)name.len,
             name.ptr, e->doc);
    struct explanation *score = make(
        e, value, "score(freq=%g), computed as boost * idf * tf from:", freq);

    if (about->boost != 1)
        add(score, make(e, (double)about->boost, "boost"));
    add(score, explain_idfs(e, about, &searcher->schema->fields[about->field],
                            searcher->fields[about->field].docs));
    add(score, explain_tf(e, about, clause, freq));
    add(made, score);
    return made;
}

static struct explanation *explain_term(const struct explainer *e,
                                        struct node *node)
{
    struct postings *postings = &node->clause->postings;

    if (postings_seek(postings, e->doc) != e->doc)
        return not_matching(make(e, 0, "no matching term"));
    return weigh(e, node, node->clause, (double)postings_freq(postings));
}

static struct explanation *explain_phrase(const struct explainer *e,
                                          struct node *node)
{
    struct phrase_hits *hits = node->hits;
    bool has_all = true;

    for (size_t i = 0; i < node->about->count; i++)
        has_all &= postings_seek(&node->about->terms[i].clause.postings,
                                 e->doc) == e->doc;
    if (has_all && phrase_next(node->phrase, -1, hits) && hits->count &&
        hits->docs[0] == e->doc)
        return weigh(e, node, node->lead, (double)hits->freqs[0]);
    return not_matching(make(e, 0, "no matching phrase"));
}

/* ---- what scores the same for all */

static struct explanation *constant(const struct explainer *e,
                                    const struct node *node, bool matches)
{
    struct span name = label(e, node);

    if (!matches)
        return not_matching(make(e, 0, "%.*s doesn't match id %u",
                                 (int)name.len, name.ptr, e->doc));
    if (node->boost == 1)
        return make(e, 1, "ConstantScore(%.*s)", (int)name.len, name.ptr);
    return make(e, (double)node->boost, "ConstantScore(%.*s)^%g", (int)name.len,
                name.ptr, (double)node->boost);
}

static struct explanation *explain_leaf(const struct explainer *e,
                                        struct node *node)
{
    uint32_t docs = e->compiler.reader->docs;
    uint32_t from = e->doc / WINDOW_DOCS * WINDOW_DOCS;
    struct node_room *room = NULL; /* it has no children */

    window_clear(e->window, from,
                 docs - from < WINDOW_DOCS ? docs : from + WINDOW_DOCS, false);
    node_add(node, &room, e->window, false);
    return constant(e, node, window_has(e->window, e->doc - from));
}

/* ---- what has clauses */

/* In the order of the query; nodes have them the other way round. */
static struct node **in_order(const struct explainer *e,
                              const struct node *node, size_t list)
{
    size_t count = node->counts[list];
    struct node **nodes =
        arena_alloc(e->compiler.arena, (count + 1) * sizeof(struct node *));

    nodes[count] = NULL;
    for (struct node *child = node->lists[list]; child; child = child->next)
        nodes[--count] = child;
    return nodes;
}

/* A clause that fails the whole. */
static void object(const struct explainer *e, struct explanation *to,
                   const char *what, const struct node *node,
                   struct explanation *detail)
{
    struct span name = label(e, node);
    struct explanation *made = not_matching(
        make(e, 0, "%s clause (%.*s)", what, (int)name.len, name.ptr));

    add(made, detail);
    add(to, made);
}

/* Those of a list; how many match. */
static size_t explain_list(const struct explainer *e, const struct node *node,
                           size_t list, struct explanation *sum,
                           struct explanation *failure)
{
    size_t found = 0;

    for (struct node **child = in_order(e, node, list); *child; child++) {
        struct explanation *one = explain(e, *child);
        found += one->matches;
        if (list == NODE_MUST_NOT && one->matches)
            object(e, failure, "match on prohibited", *child, one);
        else if (list <= NODE_FILTER && !one->matches)
            object(e, failure, "no match on required", *child, one);
        if (!one->matches || list == NODE_MUST_NOT)
            continue;
        if (list == NODE_FILTER) {
            struct explanation *filter =
                make(e, 0, "match on required clause, product of:");
            add(filter, make(e, 0, "# clause"));
            add(filter, one);
            one = filter;
        }
        sum->value += one->value;
        add(sum, one);
    }
    return found;
}

static struct explanation *explain_bool(const struct explainer *e,
                                        const struct node *node)
{
    struct explanation *sum = make(e, 0, "sum of:");
    struct explanation *failure = make(
        e, 0, "Failure to meet condition(s) of required/prohibited clause(s)");
    bool must = node->counts[NODE_MUST] + node->counts[NODE_FILTER] > 0;
    size_t minimum = node->minimum;
    size_t found = 0;

    if (!must && node->counts[NODE_SHOULD] && !minimum)
        minimum = 1;
    for (size_t list = 0; list < NODE_LISTS; list++) {
        size_t matching = explain_list(e, node, list, sum, failure);
        if (list == NODE_SHOULD)
            found = matching;
    }
    if (found < minimum)
        add(failure,
            not_matching(
                make(e, 0,
                     "Failure to match minimum number of optional clauses: %zu",
                     minimum)));
    return failure->details ? not_matching(failure) : sum;
}

static struct explanation *explain_dis_max(const struct explainer *e,
                                           const struct node *node)
{
    struct explanation *made =
        node->tie > 0
            ? make(e, 0, "max plus %g times others of:", (double)node->tie)
            : make(e, 0, "max of:");
    double best = 0;
    double sum = 0;

    for (struct node **child = in_order(e, node, NODE_SHOULD); *child;
         child++) {
        struct explanation *one = explain(e, *child);
        if (!one->matches)
            continue;
        best = one->value > best ? one->value : best;
        sum += one->value;
        add(made, one);
    }
    if (!made->details)
        return not_matching(make(e, 0, "No matching clause"));
    made->value = best + (double)node->tie * (sum - best);
    return made;
}

static struct explanation *explain_constant(const struct explainer *e,
                                            const struct node *node)
{
    struct explanation *inner = explain(e, node->lists[NODE_SHOULD]);
    struct explanation *made = constant(e, node, inner->matches);

    if (!inner->matches)
        add(made, inner);
    return made;
}

/* A query is QUERY_DEPTH_MAX deep at most. */
static struct explanation *explain(const struct explainer *e, struct node *node)
{
    switch (node->kind) {
    case NODE_NONE:
        break;
    case NODE_ALL:
    case NODE_SET:
    case NODE_VALUES:
        return explain_leaf(e, node);
    case NODE_TERM:
        return explain_term(e, node);
    case NODE_PHRASE:
        return explain_phrase(e, node);
    case NODE_BOOL:
        return explain_bool(e, node);
    case NODE_CONSTANT:
        return explain_constant(e, node);
    case NODE_DIS_MAX:
        return explain_dis_max(e, node);
    }
    struct span name = label(e, node);
    return not_matching(
        make(e, 0, "no matching term (%.*s)", (int)name.len, name.ptr));
}

const struct explanation *explain_run(struct searcher *searcher,
                                      struct arena *arena,
                                      const struct query *query, uint32_t doc,
                                      struct query_error *error)
{
    struct compiled compiled;
    struct reader *reader = search_reader(searcher, doc);
    struct explainer e = {.compiler = {.mode = COMPILE_TO_EXPLAIN,
                                       .searcher = searcher,
                                       .arena = arena,
                                       .reader = reader,
                                       .compiled = &compiled,
                                       .error = error},
                          .doc = doc - reader->base};
    const struct explanation *made = NULL;

    e.window = mem_alloc(MEM_JOB, sizeof(*e.window));
    if (compile_query(&e.compiler, query))
        made = explain(&e, compiled.root);
    mem_free(e.window);
    compiled_deinit(&compiled);
    return searcher_is_sound(searcher, error) ? made : NULL;
}

/* ---- written */

void explain_put(const struct explanation *explanation, struct json_writer *w)
{
    json_put_open(w, '{');
    json_put_key(w, "value");
    json_put_real(w, explanation->value);
    json_put_key(w, "description");
    json_put_string(w, explanation->description);
    json_put_key(w, "details");
    json_put_open(w, '[');
    for (const struct explanation *detail = explanation->details; detail;
         detail = detail->next)
        explain_put(detail, w);
    json_put_close(w, ']');
    json_put_close(w, '}');
}

static void print(const struct explanation *explanation, struct buf *out,
                  int depth)
{
    buf_printf(out, "%*s%.6g  %.*s\n", 2 * depth, "", explanation->value,
               (int)explanation->description.len, explanation->description.ptr);
    for (const struct explanation *detail = explanation->details; detail;
         detail = detail->next)
        print(detail, out, depth + 1);
}

void explain_print(const struct explanation *explanation, struct buf *out)
{
    print(explanation, out, 0);
}
