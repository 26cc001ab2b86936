/* aggs_run.c - see aggs_run.h: counting. */
#include <math.h>

#include "common/clock.h"
#include "common/hash.h"
#include "search/query/aggs_internal.h"

#define SLOTS_FIRST 6 /* bits */

/* ---- buckets */

static void grow(struct aggs_buckets *buckets, size_t count)
{
    size_t cap = buckets->cap ? buckets->cap : 16;

    while (cap < count)
        cap *= 2;
    if (cap == buckets->cap)
        return;
    buckets->owners =
        mem_realloc(MEM_JOB, buckets->owners, cap * sizeof(buckets->owners[0]));
    buckets->keys =
        mem_realloc(MEM_JOB, buckets->keys, cap * sizeof(buckets->keys[0]));
    buckets->counts =
        mem_realloc(MEM_JOB, buckets->counts, cap * sizeof(buckets->counts[0]));
    memset(buckets->counts + buckets->cap, 0,
           (cap - buckets->cap) * sizeof(buckets->counts[0]));
    buckets->cap = cap;
}

static uint32_t *slot_of(const struct aggs_buckets *buckets, uint32_t owner,
                         int64_t key)
{
    uint64_t hash = hash_mix(hash_mix((uint64_t)key ^ buckets->seed) + owner);
    size_t mask = ((size_t)1 << buckets->slot_bits) - 1;

    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        uint32_t bucket = buckets->slots[i];
        if (bucket == AGGS_NONE ||
            (buckets->keys[bucket] == key && buckets->owners[bucket] == owner))
            return &buckets->slots[i];
    }
}

static void widen(struct aggs_buckets *buckets)
{
    unsigned bits = buckets->slot_bits ? buckets->slot_bits + 1 : SLOTS_FIRST;
    size_t size = ((size_t)1 << bits) * sizeof(buckets->slots[0]);

    mem_free(buckets->slots);
    buckets->slots = memset(mem_alloc(MEM_JOB, size), UINT8_MAX, size);
    buckets->slot_bits = bits;
    for (uint32_t i = 0; i < buckets->count; i++)
        *slot_of(buckets, buckets->owners[i], buckets->keys[i]) = i;
}

/* Buckets and keywords that are kept. */
static bool may_hold(struct aggs_run *run, size_t more)
{
    run->too_many |= run->held + more > AGGS_HELD_MAX;
    run->held += run->too_many ? 0 : more;
    return !run->too_many;
}

/* AGGS_NONE: there are too many. */
static uint32_t find(struct aggs_state *state, uint32_t owner, int64_t key)
{
    struct aggs_buckets *buckets = &state->buckets;

    if (buckets->count && buckets->keys[buckets->last] == key &&
        buckets->owners[buckets->last] == owner)
        return (uint32_t)buckets->last;
    if (2 * (buckets->count + 1) > (size_t)1 << buckets->slot_bits)
        widen(buckets);
    uint32_t *slot = slot_of(buckets, owner, key);
    if (*slot == AGGS_NONE && may_hold(state->run, 1)) {
        grow(buckets, buckets->count + 1);
        buckets->owners[buckets->count] = owner;
        buckets->keys[buckets->count] = key;
        *slot = (uint32_t)buckets->count++;
    }
    if (*slot != AGGS_NONE)
        buckets->last = *slot;
    return *slot;
}

uint32_t aggs_number_keyword(struct aggs_state *state, struct span text)
{
    struct ids view = ids_writer_view(&state->keywords);
    uint32_t number = ids_find(&view, text);

    if (number == UINT32_MAX) {
        number = state->keywords.count;
        ids_writer_add(&state->keywords, text);
    }
    return number;
}

/* ---- documents: pairs with the bucket that they are in */

static void collect(struct aggs_state *state, const uint32_t *docs,
                    const uint32_t *owners, size_t count);

static void give_pairs(struct aggs_state *state)
{
    for (struct aggs_state *sub = state->subs; sub; sub = sub->next)
        collect(sub, state->pair_docs, state->pair_owners, state->pairs);
    state->pairs = 0;
}

static void put(struct aggs_state *state, uint32_t doc, uint32_t bucket)
{
    if (bucket == AGGS_NONE)
        return;
    state->buckets.counts[bucket]++;
    if (!state->subs)
        return;
    state->pair_docs[state->pairs] = doc;
    state->pair_owners[state->pairs++] = bucket;
    if (state->pairs == WINDOW_DOCS)
        give_pairs(state);
}

/* How many values; the one that stands for those that are missing has no
   place: first is AGGS_NONE. */
static uint32_t values_in(const struct aggs_state *state, uint32_t doc,
                          uint32_t *first)
{
    uint32_t count = state->values ? values_all(state->values, doc, first) : 0;

    if (count || !state->has_missing)
        return count;
    *first = AGGS_NONE;
    return 1;
}

static int64_t number_at(const struct aggs_state *state, uint32_t first,
                         uint32_t i)
{
    return first == AGGS_NONE ? state->missing
                              : packed_get(&state->values->numbers, first + i);
}

static double real_of(const struct aggs_state *state, int64_t number)
{
    return state->type == SCHEMA_DOUBLE ? values_double(number)
                                        : (double)number;
}

/* ---- buckets by value */

static int64_t date_key(struct aggs_state *state, int64_t ms)
{
    const struct agg *agg = state->agg;

    ms = ms > DATE_LAST ? DATE_LAST : ms < -DATE_LAST ? -DATE_LAST : ms;
    ms -= agg->offset_ms;
    if (ms >= state->begin && ms < state->end)
        return state->begin + agg->offset_ms;
    if (agg->unit == DATE_MS) {
        int64_t past = ms % agg->every_ms;
        state->begin = ms - past - (past < 0 ? agg->every_ms : 0);
        state->end = state->begin + agg->every_ms;
    } else {
        state->begin = date_begin(ms, agg->unit);
        state->end = date_next(state->begin, agg->unit);
    }
    return state->begin + agg->offset_ms;
}

static int64_t key_of(struct aggs_state *state, int64_t number)
{
    const struct agg *agg = state->agg;

    if (agg->kind == AGG_HISTOGRAM)
        return values_from_double(
            floor((real_of(state, number) - agg->offset) / agg->interval));
    return agg->kind == AGG_DATE_HISTOGRAM ? date_key(state, number) : number;
}

static uint32_t bucket_of_ordinal(struct aggs_state *state, uint32_t owner,
                                  uint32_t ordinal)
{
    uint32_t *known = &state->numbers[ordinal];

    if (*known == 0) {
        uint32_t number =
            aggs_number_keyword(state, values_keyword(state->values, ordinal));
        *known = 1 + (state->is_root ? find(state, 0, number) : number);
    }
    return state->is_root ? *known - 1 : find(state, owner, *known - 1);
}

static void collect_keywords(struct aggs_state *state, const uint32_t *docs,
                             const uint32_t *owners, size_t count)
{
    uint32_t first;

    for (size_t i = 0; i < count; i++) {
        uint32_t values = values_in(state, docs[i], &first);
        for (uint32_t j = 0; j < values; j++) {
            int64_t number = number_at(state, first, j);
            if (first == AGGS_NONE)
                put(state, docs[i], find(state, owners[i], number));
            else if (state->tally)
                state->tally[number]++;
            else
                put(state, docs[i],
                    bucket_of_ordinal(state, owners[i], (uint32_t)number));
        }
    }
}

/* Values rise, so those that are in one bucket are neighbours. */
static void collect_numbers(struct aggs_state *state, const uint32_t *docs,
                            const uint32_t *owners, size_t count)
{
    uint32_t first;

    for (size_t i = 0; i < count; i++) {
        uint32_t values = values_in(state, docs[i], &first);
        int64_t last = 0;
        for (uint32_t j = 0; j < values; j++) {
            int64_t key = key_of(state, number_at(state, first, j));
            if (j == 0 || key != last)
                put(state, docs[i], find(state, owners[i], key));
            last = key;
        }
    }
}

/* ---- buckets that are there from the beginning */

/* There is room for so many; and for what they need. */
static bool widen_to(struct aggs_state *state, size_t count, size_t *have)
{
    if (count <= *have)
        return !state->run->too_many;
    if (!may_hold(state->run, count - *have))
        return false;
    *have = count;
    return true;
}

/* The first of an owner's; AGGS_NONE: there are too many. */
static uint32_t fixed_buckets(struct aggs_state *state, uint32_t owner)
{
    size_t end = ((size_t)owner + 1) * state->agg->count;

    if (!widen_to(state, end, &state->buckets.count))
        return AGGS_NONE;
    grow(&state->buckets, end);
    return (uint32_t)(end - state->agg->count);
}

static bool is_in(const struct aggs_range *range, int64_t number)
{
    return number >= range->from && (!range->has_to || number < range->to);
}

static void collect_ranges(struct aggs_state *state, const uint32_t *docs,
                           const uint32_t *owners, size_t count)
{
    uint32_t first;

    for (size_t i = 0; i < count; i++) {
        uint32_t values = values_in(state, docs[i], &first);
        uint32_t bucket = fixed_buckets(state, owners[i]);
        for (uint32_t r = 0; bucket != AGGS_NONE && r < state->agg->count; r++)
            for (uint32_t j = 0; j < values; j++)
                if (is_in(&state->ranges[r], number_at(state, first, j))) {
                    put(state, docs[i], bucket + r);
                    break;
                }
    }
}

static void run_filters(struct aggs_state *state)
{
    const struct window *window = state->run->window;
    struct window *scratch = &state->run->scratch;

    for (size_t i = 0; i < state->agg->count; i++) {
        window_clear(scratch, window->from, window->end, false);
        node_add(state->filters[i].root, &state->run->room, scratch, false);
        memcpy(state->filter_bits[i], scratch->bits, sizeof(scratch->bits));
    }
    state->filtered_from = window->from;
}

static void collect_filters(struct aggs_state *state, const uint32_t *docs,
                            const uint32_t *owners, size_t count)
{
    uint32_t from = state->run->window->from;

    if (state->filtered_from != from)
        run_filters(state);
    for (size_t i = 0; i < count; i++) {
        uint32_t bucket = fixed_buckets(state, owners[i]);
        uint32_t place = docs[i] - from;
        for (uint32_t f = 0; bucket != AGGS_NONE && f < state->agg->count; f++)
            if (state->filter_bits[f][place / 64] >> place % 64 & 1)
                put(state, docs[i], bucket + f);
    }
}

/* ---- numbers */

/* NULL: there are too many. */
static struct aggs_numbers *numbers_of(struct aggs_state *state, uint32_t owner)
{
    size_t before = state->owner_cap;
    size_t cap = before ? before : 1;

    while (cap <= owner)
        cap *= 2;
    if (!widen_to(state, cap, &state->owner_cap))
        return NULL;
    if (cap > before)
        state->of_owners = mem_realloc(MEM_JOB, state->of_owners,
                                       cap * sizeof(state->of_owners[0]));
    for (size_t i = before; i < cap; i++)
        state->of_owners[i] =
            (struct aggs_numbers){.min = INFINITY, .max = -INFINITY};
    return &state->of_owners[owner];
}

/* W. Kahan: "Further Remarks on Reducing Truncation Errors", 1965. */
static void add_number(struct aggs_numbers *numbers, double value)
{
    double more = value - numbers->lost;
    double sum = numbers->sum + more;

    numbers->lost = sum - numbers->sum - more;
    numbers->sum = sum;
    numbers->min = value < numbers->min ? value : numbers->min;
    numbers->max = value > numbers->max ? value : numbers->max;
}

static void collect_sums(struct aggs_state *state, const uint32_t *docs,
                         const uint32_t *owners, size_t count)
{
    bool counts_only = state->agg->kind == AGG_VALUE_COUNT;
    uint32_t first;

    for (size_t i = 0; i < count; i++) {
        uint32_t values = values_in(state, docs[i], &first);
        struct aggs_numbers *numbers = numbers_of(state, owners[i]);
        if (!numbers)
            return;
        numbers->count += values;
        for (uint32_t j = 0; !counts_only && j < values; j++)
            add_number(numbers, real_of(state, number_at(state, first, j)));
    }
}

static void collect(struct aggs_state *state, const uint32_t *docs,
                    const uint32_t *owners, size_t count)
{
    struct aggs_run *run = state->run;

    run->late |= clock_mono_us() > run->deadline_us;
    if (run->late || run->too_many)
        return;
    switch (state->agg->kind) {
    case AGG_TERMS:
    case AGG_CARDINALITY:
        if (state->type == SCHEMA_KEYWORD)
            collect_keywords(state, docs, owners, count);
        else
            collect_numbers(state, docs, owners, count);
        break;
    case AGG_HISTOGRAM:
    case AGG_DATE_HISTOGRAM:
        collect_numbers(state, docs, owners, count);
        break;
    case AGG_RANGE:
        collect_ranges(state, docs, owners, count);
        break;
    case AGG_FILTERS:
        collect_filters(state, docs, owners, count);
        break;
    case AGG_MIN:
    case AGG_MAX:
    case AGG_AVG:
    case AGG_SUM:
    case AGG_STATS:
    case AGG_VALUE_COUNT:
        collect_sums(state, docs, owners, count);
        break;
    }
    give_pairs(state);
}

/* ---- segments */

static void open_keywords(struct aggs_state *state)
{
    size_t size = values_keywords(state->values) * sizeof(uint32_t);

    if (state->is_root && !state->subs)
        state->tally = mem_zalloc(MEM_JOB, size);
    else
        state->numbers = mem_zalloc(MEM_JOB, size);
}

static bool begin_list(struct aggs_state *state, size_t reader,
                       struct arena *arena, struct query_error *error)
{
    struct searcher *searcher = state ? state->run->searcher : NULL;

    for (; state; state = state->next) {
        const struct agg *agg = state->agg;
        bool counts = agg->kind == AGG_TERMS || agg->kind == AGG_CARDINALITY;
        if (state->field != SCHEMA_NONE)
            state->values = searcher_values(searcher, reader, state->field);
        if (state->values && state->type == SCHEMA_KEYWORD && counts)
            open_keywords(state);
        state->filtered_from = UINT32_MAX;
        for (size_t i = 0; state->filters && i < agg->count; i++)
            if (!searcher_compile(searcher, arena, reader,
                                  agg->filters[i].query, &state->filters[i],
                                  error))
                return false;
        if (!begin_list(state->subs, reader, arena, error))
            return false;
    }
    return true;
}

bool aggs_begin(struct aggs_run *run, size_t reader, struct arena *arena,
                struct query_error *error)
{
    return begin_list(run->states, reader, arena, error);
}

static bool refuse_many(const struct aggs_run *run, struct query_error *error)
{
    return !run->too_many ||
           query_refuse(error, "too_many_buckets_exception",
                        "Trying to create too many buckets. Must be less than "
                        "or equal to: [%d] while they are counted.",
                        AGGS_HELD_MAX);
}

bool aggs_take(struct aggs_run *run, const struct window *window,
               struct query_error *error)
{
    struct window_each each = window_first(window);
    size_t count = 0;

    for (uint32_t place; window_next(window, &each, &place);)
        run->docs[count++] = window->from + place;
    run->window = window;
    for (struct aggs_state *state = run->states; state && count;
         state = state->next)
        collect(state, run->docs, run->owners, count);
    return refuse_many(run, error);
}

bool aggs_is_late(const struct aggs_run *run)
{
    return run->late;
}

static void end_list(struct aggs_state *state)
{
    for (; state; state = state->next) {
        uint32_t count = state->tally ? values_keywords(state->values) : 0;
        for (uint32_t i = 0; i < count && !state->run->too_many; i++) {
            if (!state->tally[i])
                continue;
            struct span keyword = values_keyword(state->values, i);
            uint32_t bucket =
                find(state, 0, aggs_number_keyword(state, keyword));
            if (bucket != AGGS_NONE)
                state->buckets.counts[bucket] += state->tally[i];
        }
        aggs_close_segment(state);
        end_list(state->subs);
    }
}

bool aggs_end(struct aggs_run *run, struct query_error *error)
{
    end_list(run->states);
    return refuse_many(run, error);
}
