/* aggs_open.c - see aggs_run.h: what is asked of which field. */
#include <math.h>
#include <stdlib.h>

#include "common/hash.h"
#include "search/query/aggs_internal.h"
#include "search/query/number.h"

static bool refuse_type(const struct aggs_state *state,
                        struct query_error *error)
{
    static const char *const names[] = {
        [AGG_TERMS] = "terms",
        [AGG_RANGE] = "range",
        [AGG_HISTOGRAM] = "histogram",
        [AGG_DATE_HISTOGRAM] = "date_histogram",
        [AGG_FILTERS] = "filters",
        [AGG_MIN] = "min",
        [AGG_MAX] = "max",
        [AGG_AVG] = "avg",
        [AGG_SUM] = "sum",
        [AGG_STATS] = "stats",
        [AGG_VALUE_COUNT] = "value_count",
        [AGG_CARDINALITY] = "cardinality",
    };
    const struct agg *agg = state->agg;

    return query_refuse(error, "illegal_argument_exception",
                        "Field [%.*s] of type [%s] is not supported for "
                        "aggregation [%s]",
                        (int)agg->field.len, agg->field.ptr,
                        schema_type_name(state->type), names[agg->kind]);
}

/* Of a field that is not there: as what stands for it. */
static enum schema_type type_of_value(const struct query_value *value)
{
    if (value->kind == QUERY_TEXT)
        return SCHEMA_KEYWORD;
    return value->kind == QUERY_BOOLEAN                    ? SCHEMA_BOOLEAN
           : span_find(value->text, '.') < value->text.len ? SCHEMA_DOUBLE
                                                           : SCHEMA_LONG;
}

static bool refuse_value(const struct aggs_state *state,
                         const struct query_value *value,
                         struct query_error *error)
{
    return query_refuse(error, "parse_exception",
                        "failed to parse [%.*s] of aggregation [%.*s]",
                        (int)value->text.len, value->text.ptr,
                        (int)state->agg->name.len, state->agg->name.ptr);
}

static bool read_missing(struct aggs_state *state, struct query_error *error)
{
    const struct query_value *value = &state->agg->missing;

    state->has_missing = value->kind != QUERY_NO_VALUE;
    if (!state->has_missing)
        return true;
    if (state->type == SCHEMA_KEYWORD) {
        state->missing = aggs_number_keyword(state, value->text);
        return true;
    }
    return number_read_value(state->type, value, true, &state->missing) ||
           refuse_value(state, value, error);
}

static bool open_field(struct aggs_state *state, struct query_error *error)
{
    const struct agg *agg = state->agg;
    bool any = agg->kind == AGG_TERMS || agg->kind == AGG_VALUE_COUNT ||
               agg->kind == AGG_CARDINALITY;

    if (!searcher_find(state->run->searcher, agg->field, &state->field, error))
        return false;
    state->type = state->field == SCHEMA_NONE
                      ? type_of_value(&agg->missing)
                      : state->run->searcher->schema->fields[state->field].type;
    if (state->field == SCHEMA_NONE && agg->kind == AGG_RANGE &&
        (agg->ranges[0].from.kind == QUERY_TEXT ||
         agg->ranges[0].to.kind == QUERY_TEXT))
        state->type = SCHEMA_DATE;
    if ((state->type == SCHEMA_KEYWORD && !any) ||
        (state->type == SCHEMA_DOUBLE && agg->kind == AGG_DATE_HISTOGRAM))
        return refuse_type(state, error);
    return read_missing(state, error);
}

static int by_bounds(const void *a, const void *b)
{
    const struct aggs_range *one = a;
    const struct aggs_range *two = b;

    if (one->low != two->low)
        return one->low < two->low ? -1 : 1;
    if (one->high != two->high)
        return one->high < two->high ? -1 : 1;
    return (one->asked > two->asked) - (one->asked < two->asked);
}

static bool read_bound(const struct aggs_state *state,
                       const struct query_value *asked, int64_t *number,
                       double *real, struct query_error *error)
{
    if (asked->kind == QUERY_NO_VALUE)
        return true;
    if (!number_read_value(state->type, asked, true, number))
        return refuse_value(state, asked, error);
    *real = (double)*number;
    if (state->type != SCHEMA_DATE)
        number_read_real(asked->text, real);
    return true;
}

static bool open_ranges(struct aggs_state *state, struct query_error *error)
{
    const struct agg *agg = state->agg;

    state->ranges = mem_zalloc(MEM_JOB, agg->count * sizeof(state->ranges[0]));
    for (size_t i = 0; i < agg->count; i++) {
        const struct agg_range *asked = &agg->ranges[i];
        struct aggs_range *range = &state->ranges[i];
        *range = (struct aggs_range){.asked = asked,
                                     .from = INT64_MIN,
                                     .has_to = asked->to.kind != QUERY_NO_VALUE,
                                     .low = -INFINITY,
                                     .high = INFINITY};
        if (!read_bound(state, &asked->from, &range->from, &range->low,
                        error) ||
            !read_bound(state, &asked->to, &range->to, &range->high, error))
            return false;
    }
    qsort(state->ranges, agg->count, sizeof(state->ranges[0]), by_bounds);
    return true;
}

static bool open_list(struct aggs_run *run, const struct agg *aggs,
                      bool is_root, struct aggs_state **out,
                      struct query_error *error);

static bool open_state(struct aggs_state *state, struct query_error *error)
{
    const struct agg *agg = state->agg;

    state->field = SCHEMA_NONE;
    state->buckets.seed = hash_random_key().k0;
    ids_writer_init(&state->keywords, state->buckets.seed);
    if (agg->kind != AGG_FILTERS && !open_field(state, error))
        return false;
    if (agg->kind == AGG_RANGE && !open_ranges(state, error))
        return false;
    if (agg->kind == AGG_FILTERS) {
        state->filters =
            mem_zalloc(MEM_JOB, agg->count * sizeof(state->filters[0]));
        state->filter_bits =
            mem_alloc(MEM_JOB, agg->count * sizeof(state->filter_bits[0]));
    }
    if (agg->subs) {
        state->pair_docs =
            mem_alloc(MEM_JOB, WINDOW_DOCS * sizeof(state->pair_docs[0]));
        state->pair_owners =
            mem_alloc(MEM_JOB, WINDOW_DOCS * sizeof(state->pair_owners[0]));
    }
    return open_list(state->run, agg->subs, false, &state->subs, error);
}

static bool open_list(struct aggs_run *run, const struct agg *aggs,
                      bool is_root, struct aggs_state **out,
                      struct query_error *error)
{
    for (; aggs; aggs = aggs->next) {
        struct aggs_state *state = mem_zalloc(MEM_JOB, sizeof(*state));
        *state =
            (struct aggs_state){.agg = aggs, .run = run, .is_root = is_root};
        *out = state;
        out = &state->next;
        if (!open_state(state, error))
            return false;
    }
    return true;
}

struct aggs_run *aggs_create(struct searcher *searcher, const struct agg *aggs,
                             uint64_t deadline_us, struct query_error *error)
{
    struct aggs_run *run = mem_zalloc(MEM_JOB, sizeof(*run));

    run->searcher = searcher;
    run->deadline_us = deadline_us;
    if (open_list(run, aggs, true, &run->states, error))
        return run;
    aggs_destroy(run);
    return NULL;
}

void aggs_close_segment(struct aggs_state *state)
{
    for (size_t i = 0; state->filters && i < state->agg->count; i++) {
        compiled_deinit(&state->filters[i]);
        state->filters[i] = (struct compiled){0};
    }
    mem_free(state->numbers);
    mem_free(state->tally);
    state->numbers = state->tally = NULL;
    state->values = NULL;
}

static void destroy_list(struct aggs_state *state)
{
    while (state) {
        struct aggs_state *next = state->next;
        destroy_list(state->subs);
        aggs_close_segment(state);
        ids_writer_deinit(&state->keywords);
        mem_free(state->buckets.owners);
        mem_free(state->buckets.counts);
        mem_free(state->buckets.keys);
        mem_free(state->buckets.slots);
        mem_free(state->ranges);
        mem_free(state->filters);
        mem_free(state->filter_bits);
        mem_free(state->of_owners);
        mem_free(state->pair_docs);
        mem_free(state->pair_owners);
        mem_free(state->sorted);
        mem_free(state->firsts);
        mem_free(state);
        state = next;
    }
}

void aggs_destroy(struct aggs_run *run)
{
    if (!run)
        return;
    destroy_list(run->states);
    node_room_destroy(run->room);
    mem_free(run);
}
