/* search.c - see search.h. */
#include "search/query/search.h"
#include "common/clock.h"
#include "search/query/aggs_run.h"
#include "search/query/intersection.h"
#include "search/query/sorter.h"
#include "search/query/union.h"

#define CLAUSES_MAX INTERSECTION_MAX

/* What a node is no more than. */
enum shape { SHAPE_ANY, SHAPE_ALL, SHAPE_PHRASE, SHAPE_NOTHING, SHAPE_OTHER };

struct run {
    struct searcher *searcher;
    const struct search_request *request;
    struct search_result *result;
    struct query_error *error;
    struct top top;
    struct sorter *sorter; /* NULL: by score */
    struct aggs_run *aggs; /* NULL: none were asked for */
    struct clause *clauses[CLAUSES_MAX];
    size_t clause_count, required, excluded; /* of ALL */
    struct window window;
    struct node_room *room;
};

struct reader *search_reader(const struct searcher *searcher, uint32_t doc)
{
    size_t i = searcher->count - 1;

    while (searcher->readers[i]->base > doc)
        i--;
    return searcher->readers[i];
}

/* ---- shapes */

static bool is_live(const struct reader *reader)
{
    return !reader->live || reader->live->count == reader->docs;
}

/* To those that are there.  False: some are no terms. */
static bool gather(struct run *run, const struct node *list, bool all)
{
    for (; list; list = list->next) {
        if (list->kind == NODE_NONE && !all)
            continue;
        if (list->kind != NODE_TERM || run->clause_count == CLAUSES_MAX)
            return false;
        run->clauses[run->clause_count++] = list->clause;
    }
    return true;
}

static bool has_none(const struct node *list)
{
    for (; list; list = list->next)
        if (list->kind == NODE_NONE)
            return true;
    return false;
}

/* Of what must be there; filters are terms that weigh nothing. */
static enum shape shape_of_all(struct run *run, const struct node *root)
{
    if (has_none(root->lists[NODE_MUST]) || has_none(root->lists[NODE_FILTER]))
        return SHAPE_NOTHING;
    if (!gather(run, root->lists[NODE_FILTER], true) ||
        !gather(run, root->lists[NODE_MUST], true))
        return SHAPE_OTHER;
    run->required = run->clause_count;
    if (!gather(run, root->lists[NODE_SHOULD], false))
        return SHAPE_OTHER;
    run->excluded = run->clause_count;
    if (!gather(run, root->lists[NODE_MUST_NOT], false))
        return SHAPE_OTHER;
    run->excluded = run->clause_count - run->excluded;
    return SHAPE_ALL;
}

static enum shape shape_of(struct run *run, struct node *root)
{
    const size_t *counts = root->counts;

    run->clause_count = 0;
    if (root->kind == NODE_NONE)
        return SHAPE_NOTHING;
    if (root->kind == NODE_PHRASE)
        return SHAPE_PHRASE;
    if (root->kind == NODE_TERM) {
        run->clauses[0] = root->clause;
        run->clause_count = 1;
        return SHAPE_ANY;
    }
    if (root->kind != NODE_BOOL || root->is_counted)
        return SHAPE_OTHER;
    if (counts[NODE_MUST] || counts[NODE_FILTER])
        return shape_of_all(run, root);
    if (counts[NODE_SHOULD] && !counts[NODE_MUST_NOT])
        return !gather(run, root->lists[NODE_SHOULD], false) ? SHAPE_OTHER
               : run->clause_count                           ? SHAPE_ANY
                                                             : SHAPE_NOTHING;
    return SHAPE_OTHER;
}

/* ---- one segment */

static struct intersection all_of(struct run *run)
{
    return (struct intersection){.clauses = run->clauses,
                                 .required = run->required,
                                 .optional = run->clause_count - run->required -
                                             run->excluded,
                                 .excluded = run->excluded};
}

static void find_shape(struct run *run, enum shape shape, struct node *root,
                       const struct reader *reader)
{
    struct intersection all = all_of(run);

    if (shape == SHAPE_ANY)
        union_top(run->clauses, run->clause_count, reader->docs, &run->top);
    else if (shape == SHAPE_ALL)
        intersection_top(&all, &run->top);
    else if (shape == SHAPE_PHRASE)
        phrase_top(root->phrase, &run->top);
}

/* How many more are to be counted, and one. */
static uint64_t left_to_count(const struct run *run)
{
    uint64_t most = run->request->count_most;

    if (!run->request->count || (most && run->result->total > most))
        return 0;
    return most ? most + 1 - run->result->total : UINT64_MAX;
}

static void count_shape(struct run *run, enum shape shape, struct node *root,
                        const struct reader *reader)
{
    struct intersection all = all_of(run);
    struct top *top = &run->top;
    uint64_t found = 0;

    top->count_most = left_to_count(run) - 1;
    if (shape == SHAPE_ANY)
        found = union_count(run->clauses, run->clause_count, reader->docs, top);
    else if (shape == SHAPE_ALL)
        found = intersection_count(&all, top);
    else if (shape == SHAPE_PHRASE)
        found = phrase_count(root->phrase, top);
    run->result->total += found;
    run->result->timed_out |= top->late;
}

static void remove_dead(struct window *window, const struct live *live)
{
    struct window_each each = window_first(window);

    for (uint32_t place; window_next(window, &each, &place);)
        if (!live_has(live, window->from + place))
            window->bits[place / 64] &= ~(UINT64_C(1) << place % 64);
}

static void remove_low(struct window *window, float least)
{
    struct window_each each = window_first(window);

    for (uint32_t place; window_next(window, &each, &place);)
        if ((float)window->scores[place] < least)
            window->bits[place / 64] &= ~(UINT64_C(1) << place % 64);
}

static void take_scores(struct run *run, const struct window *window)
{
    struct window_each each = window_first(window);
    float *best = &run->result->best_score;

    for (uint32_t place; window_next(window, &each, &place);) {
        float score = (float)window->scores[place];
        *best = score > *best ? score : *best;
        if (!run->sorter && score > top_threshold(&run->top))
            top_add(&run->top, window->from + place, score);
    }
}

/* What one way through a segment is for. */
struct pass {
    bool hits, count, aggs, scored;
};

static void take_window(struct run *run, const struct pass *pass,
                        const struct window *window)
{
    for (size_t i = 0; pass->count && i < WINDOW_WORDS; i++)
        run->result->total += (uint64_t)__builtin_popcountll(window->bits[i]);
    if (pass->hits && run->result->has_scores)
        take_scores(run, window);
    if (pass->hits && run->sorter)
        sorter_take(run->sorter, window, pass->scored);
    if (!pass->aggs)
        return;
    aggs_take(run->aggs, window, run->error);
    run->result->timed_out |= aggs_is_late(run->aggs);
}

/* Nothing of these documents would change the answer. */
static bool passes(const struct run *run, const struct pass *pass,
                   uint32_t from, uint32_t end)
{
    if (pass->aggs || (pass->count && left_to_count(run)))
        return false;
    return !pass->hits || (run->sorter && !run->result->has_scores &&
                           sorter_passes(run->sorter, from, end));
}

static void run_windows(struct run *run, const struct pass *pass,
                        struct node *root, const struct reader *reader)
{
    const struct search_request *request = run->request;

    for (uint32_t from = 0; from < reader->docs && !run->error->type;
         from += WINDOW_DOCS) {
        uint32_t end = reader->docs - from < WINDOW_DOCS ? reader->docs
                                                         : from + WINDOW_DOCS;
        if (run->result->timed_out ||
            (request->deadline_us != SEARCH_NO_DEADLINE &&
             clock_mono_us() > request->deadline_us)) {
            run->result->timed_out = true;
            return;
        }
        if (passes(run, pass, from, end))
            continue;
        window_clear(&run->window, from, end, pass->scored);
        node_add(root, &run->room, &run->window, pass->scored);
        if (!is_live(reader))
            remove_dead(&run->window, reader->live);
        if (request->min_score > 0)
            remove_low(&run->window, request->min_score);
        take_window(run, pass, &run->window);
    }
}

/* False: it cannot be. */
static bool run_pass(struct run *run, const struct pass *pass, size_t which,
                     struct arena *arena, struct node *root)
{
    bool sorts = pass->hits && run->sorter;

    if (pass->aggs && !aggs_begin(run->aggs, which, arena, run->error))
        return false;
    if (sorts)
        sorter_begin(run->sorter, which);
    run_windows(run, pass, root, run->searcher->readers[which]);
    if (sorts)
        sorter_end(run->sorter);
    if (pass->aggs)
        aggs_end(run->aggs, run->error);
    return !run->error->type;
}

/* What was not known when the best were found, again. */
static bool run_again(struct run *run, struct arena *arena, size_t which)
{
    struct pass pass = {.count = run->request->count,
                        .aggs = run->aggs != NULL};
    struct compiled compiled;

    if (!pass.aggs && !left_to_count(run))
        return true;
    bool fine = searcher_compile(run->searcher, arena, which,
                                 run->request->query, &compiled, run->error);
    if (fine && compiled.late)
        run->result->timed_out = true;
    else if (fine && (pass.aggs || !is_live(run->searcher->readers[which])))
        fine = run_pass(run, &pass, which, arena, compiled.root);
    else if (fine)
        count_shape(run, shape_of(run, compiled.root), compiled.root,
                    run->searcher->readers[which]);
    compiled_deinit(&compiled);
    return fine;
}

/* All that is wanted, of what matches. */
static bool run_plainly(struct run *run, struct arena *arena, size_t which,
                        struct node *root)
{
    const struct search_request *request = run->request;
    struct pass pass = {.hits = request->most > 0,
                        .count = request->count,
                        .aggs = run->aggs != NULL,
                        .scored =
                            run->result->has_scores || request->min_score > 0};

    return run_pass(run, &pass, which, arena, root);
}

/* The best and how many there are, of what has all terms: few do, and they are
   not looked for twice. */
static bool counts_at_once(const struct run *run, enum shape shape,
                           const struct reader *reader)
{
    uint64_t fewest = UINT64_MAX - 1;

    if (!run->request->most || !left_to_count(run) || run->aggs ||
        !is_live(reader))
        return false;
    for (size_t i = 0; shape == SHAPE_ALL && i < run->required; i++)
        if (run->clauses[i]->postings.count < fewest)
            fewest = run->clauses[i]->postings.count;
    return shape == SHAPE_PHRASE ||
           (shape == SHAPE_ALL && fewest < left_to_count(run));
}

static bool run_compiled(struct run *run, struct arena *arena, size_t which,
                         struct compiled *compiled)
{
    const struct reader *reader = run->searcher->readers[which];
    const struct search_request *request = run->request;
    const struct ablation *without = &run->searcher->without;
    bool other = request->plain || run->sorter || request->min_score > 0 ||
                 (!request->most && (run->aggs || !is_live(reader))) ||
                 (request->count && without->counting);
    enum shape shape = other ? SHAPE_OTHER : shape_of(run, compiled->root);
    bool once = counts_at_once(run, shape, reader);

    run->top.seen = 0;
    run->top.base = reader->base;
    run->top.live = is_live(reader) ? NULL : reader->live;
    run->top.looks_not = without->first_look;
    run->top.passes_none =
        once || (shape == SHAPE_ANY && without->union_bounds) ||
        (shape == SHAPE_ALL && without->intersection_bounds) ||
        (shape == SHAPE_PHRASE && without->phrase_bounds);
    if (shape == SHAPE_NOTHING)
        return true;
    if (shape == SHAPE_OTHER)
        return run_plainly(run, arena, which, compiled->root);
    if (request->most)
        find_shape(run, shape, compiled->root, reader);
    if (run->top.late)
        run->result->timed_out = true;
    else if (once)
        run->result->total += run->top.seen;
    else if (request->most && (request->count || run->aggs))
        return run_again(run, arena, which);
    else if (left_to_count(run))
        count_shape(run, shape, compiled->root, reader);
    return true;
}

static bool run_segment(struct run *run, size_t which)
{
    struct compiled compiled;
    struct arena arena;

    arena_init(&arena, MEM_JOB, 0);
    bool fine = searcher_compile(run->searcher, &arena, which,
                                 run->request->query, &compiled, run->error);
    if (fine && (compiled.late || top_is_late(&run->top)))
        run->result->timed_out = true;
    else if (fine)
        fine = run_compiled(run, &arena, which, &compiled);
    compiled_deinit(&compiled);
    arena_deinit(&arena);
    return fine;
}

/* With no threshold of the segments before. */
static bool run_alone(struct run *run, size_t which)
{
    struct top all = run->top;
    struct top_hit *hits = mem_alloc(MEM_JOB, (all.most + 1) * sizeof(hits[0]));

    top_init(&run->top, hits, all.most);
    run->top.deadline_us = all.deadline_us;
    bool fine = run_segment(run, which);
    top_sort(&run->top);
    all.base = 0;
    for (size_t i = 0; i < run->top.count; i++)
        if (hits[i].score > top_threshold(&all))
            top_add(&all, hits[i].doc, hits[i].score);
    run->top = all;
    mem_free(hits);
    return fine;
}

/* False: what is asked for cannot be. */
static bool begin(struct run *run)
{
    const struct search_request *request = run->request;
    struct search_result *result = run->result;
    const struct sort *sort = request->sort;

    result->count = result->total = 0;
    result->more = result->timed_out = false;
    result->best_score = 0;
    result->has_scores = request->most > 0;
    top_init(&run->top, result->hits, request->most);
    if (request->deadline_us != SEARCH_NO_DEADLINE)
        run->top.deadline_us = request->deadline_us;
    run->searcher->deadline_us = run->top.deadline_us;
    if (request->aggs) {
        run->aggs = aggs_create(run->searcher, request->aggs,
                                request->deadline_us, run->error);
        if (!run->aggs)
            return false;
    }
    if (!sort || sort_is_default(sort))
        return true;
    result->has_scores &= request->scored || sort_needs_score(sort);
    run->sorter = sorter_create(run->searcher, sort, request->most, run->error);
    return run->sorter != NULL;
}

/* False: there are too many buckets. */
static bool write_aggs(struct run *run)
{
    struct buf *out = run->result->aggs;
    size_t before = out->len;
    bool fine =
        aggs_write(run->aggs, &(struct json_writer){.out = out}, run->error);

    if (!fine)
        out->len = before;
    return fine;
}

static bool finish(struct run *run)
{
    struct search_result *result = run->result;
    uint64_t most = run->request->count_most;

    if (most && result->total > most) {
        result->total = most;
        result->more = true;
    }
    if (run->sorter) {
        result->count = sorter_give(run->sorter, result->hits, result->values);
    } else {
        top_sort(&run->top);
        result->count = run->top.count;
        if (result->count)
            result->best_score = result->hits[0].score;
    }
    return !run->aggs || write_aggs(run);
}

bool search_run(struct searcher *searcher, const struct search_request *request,
                struct search_result *result, struct query_error *error)
{
    struct run *run = mem_alloc(MEM_JOB, sizeof(*run));

    error->type = NULL;
    run->searcher = searcher;
    run->request = request;
    run->result = result;
    run->error = error;
    run->sorter = NULL;
    run->aggs = NULL;
    run->room = NULL;
    bool fine = begin(run);
    for (size_t i = 0; i < searcher->count && fine && !result->timed_out; i++)
        fine = searcher->without.shared_threshold ? run_alone(run, i)
                                                  : run_segment(run, i);
    fine = fine && searcher_is_sound(searcher, error) && finish(run);
    searcher->deadline_us = 0;
    sorter_destroy(run->sorter);
    aggs_destroy(run->aggs);
    node_room_destroy(run->room);
    mem_free(run);
    return fine;
}
