/* aggs_write.c - see aggs_run.h: the answer. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "search/query/aggs_internal.h"
#include "search/query/best.h"
#include "search/query/number.h"

#define YEAR_0 INT64_C(-62167219200000)

/* A bucket of a histogram, or one that nothing is in. */
struct shown {
    int64_t key;
    uint32_t bucket, count;
};

static void write_list(struct aggs_state *state, uint32_t owner,
                       struct json_writer *w);

/* ---- buckets by owner */

static void sort_by_owner(struct aggs_state *state, size_t owners)
{
    const struct aggs_buckets *buckets = &state->buckets;
    uint32_t *firsts =
        mem_zalloc(MEM_JOB, (owners + 2) * sizeof(state->firsts[0]));

    state->sorted =
        mem_alloc(MEM_JOB, buckets->count * sizeof(state->sorted[0]));
    for (size_t i = 0; i < buckets->count; i++)
        firsts[buckets->owners[i] + 2]++;
    for (size_t i = 0; i < owners; i++)
        firsts[i + 2] += firsts[i + 1];
    for (uint32_t i = 0; i < buckets->count; i++)
        state->sorted[firsts[buckets->owners[i] + 1]++] = i;
    state->firsts = firsts;
}

static void sort_list(struct aggs_state *state, size_t owners)
{
    for (; state; state = state->next) {
        if (state->buckets.slots || state->agg->kind == AGG_CARDINALITY)
            sort_by_owner(state, owners);
        sort_list(state->subs, state->buckets.count);
    }
}

static const uint32_t *buckets_of(const struct aggs_state *state,
                                  uint32_t owner, size_t *count)
{
    *count = 0;
    if (owner == AGGS_NONE || !state->firsts)
        return NULL;
    *count = state->firsts[owner + 1] - state->firsts[owner];
    return state->sorted + state->firsts[owner];
}

static bool may_answer(struct aggs_run *run, size_t more)
{
    run->answered += more;
    run->too_many |= run->answered > AGGS_BUCKETS_MAX;
    return !run->too_many;
}

/* ---- values as they are written */

static struct span date_text(char room[DATE_MAX], double ms)
{
    if (ms >= (double)YEAR_0 && ms <= (double)DATE_LAST)
        return date_write(room, (int64_t)ms);
    int len = snprintf(room, DATE_MAX, "%.0f", ms);
    return (struct span){room, (size_t)len};
}

/* Beside a number, of what is no number where it is read. */
static bool has_text(const struct aggs_state *state)
{
    return state->type == SCHEMA_DATE || state->type == SCHEMA_BOOLEAN;
}

static struct span text_of(const struct aggs_state *state, char room[DATE_MAX],
                           double value)
{
    if (state->type == SCHEMA_DATE)
        return date_text(room, value);
    return value != 0 ? SPAN("true") : SPAN("false");
}

/* "name": 5.0, and "name_as_string" if it has one. */
static void put_number(const struct aggs_state *state, const char *name,
                       double value, struct json_writer *w)
{
    char room[DATE_MAX];
    char text[40];

    json_put_key(w, name);
    number_put_real(w, value);
    if (!has_text(state))
        return;
    snprintf(text, sizeof(text), "%s_as_string", name);
    json_put_key(w, text);
    json_put_string(w, text_of(state, room, value));
}

static void put_counted(struct aggs_state *state, uint32_t bucket,
                        struct json_writer *w)
{
    json_put_key(w, "doc_count");
    json_put_int(w, bucket == AGGS_NONE ? 0 : state->buckets.counts[bucket]);
    write_list(state->subs, bucket, w);
    json_put_close(w, '{');
}

static void open_buckets(const struct aggs_state *state, struct json_writer *w)
{
    json_put_key(w, "buckets");
    json_put_open(w, state->agg->keyed ? '{' : '[');
}

static void close_buckets(const struct aggs_state *state, struct json_writer *w)
{
    json_put_close(w, state->agg->keyed ? '{' : '[');
}

/* ---- terms */

static struct span keyword_of(const struct aggs_state *state, uint32_t bucket)
{
    struct ids view = ids_writer_view(&state->keywords);

    return ids_of(&view, (uint32_t)state->buckets.keys[bucket]);
}

static int compare_keys(const struct aggs_state *state, uint32_t a, uint32_t b)
{
    int64_t one = state->buckets.keys[a];
    int64_t two = state->buckets.keys[b];

    if (state->type == SCHEMA_KEYWORD)
        return span_compare(keyword_of(state, a), keyword_of(state, b));
    return (one > two) - (one < two);
}

static struct aggs_numbers numbers_of(const struct aggs_state *state,
                                      uint32_t owner)
{
    return owner < state->owner_cap
               ? state->of_owners[owner]
               : (struct aggs_numbers){.min = INFINITY, .max = -INFINITY};
}

static double number_of(const struct aggs_state *sub, uint32_t owner,
                        enum agg_kind kind)
{
    struct aggs_numbers numbers = numbers_of(sub, owner);
    size_t count;

    switch (kind) {
    case AGG_MIN:
        return numbers.count ? numbers.min : NAN;
    case AGG_MAX:
        return numbers.count ? numbers.max : NAN;
    case AGG_AVG:
        return numbers.sum / (double)numbers.count;
    case AGG_SUM:
        return numbers.sum;
    case AGG_CARDINALITY:
        buckets_of(sub, owner, &count);
        return (double)count;
    case AGG_VALUE_COUNT:
    case AGG_STATS:
    case AGG_TERMS:
    case AGG_RANGE:
    case AGG_HISTOGRAM:
    case AGG_DATE_HISTOGRAM:
    case AGG_FILTERS:
        break;
    }
    return (double)numbers.count;
}

/* By a number of a sub; those that have none come last. */
static int compare_subs(const struct aggs_state *state, uint32_t a, uint32_t b)
{
    const struct agg *agg = state->agg;
    const struct aggs_state *sub = state->subs;

    while (sub->agg != agg->by_sub)
        sub = sub->next;
    double one = number_of(sub, a, agg->by_number);
    double two = number_of(sub, b, agg->by_number);
    if (isnan(one) || isnan(two))
        return isnan(one) - isnan(two);
    int order = (one > two) - (one < two);
    return agg->descending ? -order : order;
}

static bool is_behind(const void *arg, uint32_t one, uint32_t other)
{
    const struct aggs_state *state = arg;
    const struct agg *agg = state->agg;
    const uint32_t *counts = state->buckets.counts;

    if (agg->by_count && counts[one] != counts[other])
        return (counts[one] < counts[other]) == agg->descending;
    int order = agg->by_sub ? compare_subs(state, one, other) : 0;
    if (order)
        return order > 0;
    order = compare_keys(state, one, other);
    return agg->descending && !agg->by_count && !agg->by_sub ? order < 0
                                                             : order > 0;
}

static void put_key(const struct aggs_state *state, uint32_t bucket,
                    struct json_writer *w)
{
    int64_t key = state->buckets.keys[bucket];
    char room[DATE_MAX];

    json_put_key(w, "key");
    if (state->type == SCHEMA_KEYWORD)
        json_put_string(w, keyword_of(state, bucket));
    else if (state->type == SCHEMA_DOUBLE)
        number_put_real(w, values_double(key));
    else
        json_put_int(w, key);
    if (has_text(state)) {
        json_put_key(w, "key_as_string");
        json_put_string(w, text_of(state, room, (double)key));
    }
}

static void write_terms(struct aggs_state *state, uint32_t owner,
                        struct json_writer *w)
{
    size_t count;
    const uint32_t *buckets = buckets_of(state, owner, &count);
    size_t most = state->agg->size < count ? state->agg->size : count;
    struct best best = {.items =
                            mem_alloc(MEM_JOB, most * sizeof(best.items[0])),
                        .most = most,
                        .is_behind = is_behind,
                        .arg = state};
    uint64_t others = 0;

    for (size_t i = 0; i < count; i++) {
        if (state->buckets.counts[buckets[i]] < state->agg->least)
            continue;
        others += state->buckets.counts[buckets[i]];
        best_offer(&best, buckets[i]);
    }
    best_sort(&best);
    for (size_t i = 0; i < best.count; i++)
        others -= state->buckets.counts[best.items[i]];
    json_put_key(w, "doc_count_error_upper_bound");
    json_put_int(w, 0);
    json_put_key(w, "sum_other_doc_count");
    json_put_int(w, (int64_t)others);
    open_buckets(state, w);
    for (size_t i = 0; i < best.count && may_answer(state->run, 1); i++) {
        json_put_open(w, '{');
        put_key(state, best.items[i], w);
        put_counted(state, best.items[i], w);
    }
    close_buckets(state, w);
    mem_free(best.items);
}

/* ---- histograms */

static int by_key(const void *a, const void *b)
{
    const struct shown *one = a;
    const struct shown *two = b;

    return (one->key > two->key) - (one->key < two->key);
}

static int by_count(const void *a, const void *b)
{
    const struct shown *one = a;
    const struct shown *two = b;

    return one->count != two->count ? (one->count < two->count ? -1 : 1)
                                    : by_key(a, b);
}

static int by_count_falling(const void *a, const void *b)
{
    const struct shown *one = a;
    const struct shown *two = b;

    return one->count != two->count ? (one->count > two->count ? -1 : 1)
                                    : by_key(a, b);
}

static int by_key_falling(const void *a, const void *b)
{
    return by_key(b, a);
}

static int64_t next_key(const struct agg *agg, int64_t key)
{
    if (agg->kind == AGG_HISTOGRAM)
        return values_from_double(values_double(key) + 1);
    if (agg->unit == DATE_MS)
        return key + agg->every_ms;
    return date_next(key - agg->offset_ms, agg->unit) + agg->offset_ms;
}

static void append(struct buf *out, struct shown shown)
{
    buf_append(out, (struct span){(const char *)&shown, sizeof(shown)});
}

/* By key; where fewer than any may be in one, those in between, too. */
static void fill(struct aggs_state *state, const struct shown *found,
                 size_t count, struct buf *out)
{
    const struct agg *agg = state->agg;

    for (size_t i = 0; i < count; i++) {
        if (found[i].count >= agg->least && may_answer(state->run, 1))
            append(out, found[i]);
        if (i + 1 == count || agg->least)
            continue;
        for (int64_t key = next_key(agg, found[i].key);
             key < found[i + 1].key && may_answer(state->run, 1);
             key = next_key(agg, key))
            append(out, (struct shown){key, AGGS_NONE, 0});
    }
}

static void put_shown(struct aggs_state *state, const struct shown *shown,
                      struct json_writer *w)
{
    const struct agg *agg = state->agg;
    bool is_date = agg->kind == AGG_DATE_HISTOGRAM;
    double key = is_date
                     ? (double)shown->key
                     : values_double(shown->key) * agg->interval + agg->offset;
    char room[DATE_MAX];
    struct buf name;

    buf_init(&name, MEM_JOB);
    if (is_date)
        buf_append(&name, date_text(room, key));
    else
        number_put_real(&(struct json_writer){.out = &name}, key);
    if (agg->keyed)
        json_put_name(w, buf_span(&name));
    json_put_open(w, '{');
    if (is_date) {
        json_put_key(w, "key_as_string");
        json_put_string(w, buf_span(&name));
    }
    json_put_key(w, "key");
    if (is_date)
        json_put_int(w, shown->key);
    else
        json_put_raw(w, buf_span(&name));
    put_counted(state, shown->bucket, w);
    buf_deinit(&name);
}

static void write_histogram(struct aggs_state *state, uint32_t owner,
                            struct json_writer *w)
{
    const struct agg *agg = state->agg;
    size_t count;
    const uint32_t *buckets = buckets_of(state, owner, &count);
    struct shown *found = mem_alloc(MEM_JOB, count * sizeof(*found));
    struct buf all;

    for (size_t i = 0; i < count; i++)
        found[i] = (struct shown){state->buckets.keys[buckets[i]], buckets[i],
                                  state->buckets.counts[buckets[i]]};
    qsort(found, count, sizeof(*found), by_key);
    buf_init(&all, MEM_JOB);
    fill(state, found, count, &all);
    mem_free(found);
    struct shown *shown = (struct shown *)all.ptr;
    size_t shown_count = all.len / sizeof(*shown);
    if (shown_count && (agg->by_count || agg->descending))
        qsort(shown, shown_count, sizeof(*shown),
              !agg->by_count    ? by_key_falling
              : agg->descending ? by_count_falling
                                : by_count);
    open_buckets(state, w);
    for (size_t i = 0; i < shown_count && !state->run->too_many; i++)
        put_shown(state, &shown[i], w);
    close_buckets(state, w);
    buf_deinit(&all);
}

/* ---- ranges and filters */

static void append_bound(const struct aggs_state *state, double bound,
                         struct buf *out)
{
    char room[DATE_MAX];

    if (isinf(bound))
        buf_append_char(out, '*');
    else if (state->type == SCHEMA_DATE)
        buf_append(out, date_text(room, bound));
    else
        number_put_real(&(struct json_writer){.out = out}, bound);
}

static void put_range(struct aggs_state *state, const struct aggs_range *range,
                      uint32_t bucket, struct json_writer *w)
{
    const struct agg_range *asked = range->asked;
    struct buf key;

    buf_init(&key, MEM_JOB);
    buf_append(&key, asked->key);
    if (!asked->key.ptr) {
        append_bound(state, range->low, &key);
        buf_append_char(&key, '-');
        append_bound(state, range->high, &key);
    }
    if (state->agg->keyed)
        json_put_name(w, buf_span(&key));
    json_put_open(w, '{');
    if (!state->agg->keyed) {
        json_put_key(w, "key");
        json_put_string(w, buf_span(&key));
    }
    if (!isinf(range->low))
        put_number(state, "from", range->low, w);
    if (!isinf(range->high))
        put_number(state, "to", range->high, w);
    put_counted(state, bucket, w);
    buf_deinit(&key);
}

/* One after the other, those of nobody are empty. */
static void write_fixed(struct aggs_state *state, uint32_t owner,
                        struct json_writer *w)
{
    const struct agg *agg = state->agg;
    size_t first = (size_t)owner * agg->count;
    bool none = owner == AGGS_NONE || first >= state->buckets.count;

    if (agg->one) {
        if (may_answer(state->run, 1))
            put_counted(state, none ? AGGS_NONE : (uint32_t)first, w);
        return;
    }
    open_buckets(state, w);
    for (size_t i = 0; i < agg->count && may_answer(state->run, 1); i++) {
        uint32_t bucket = none ? AGGS_NONE : (uint32_t)(first + i);
        if (agg->kind == AGG_RANGE) {
            put_range(state, &state->ranges[i], bucket, w);
            continue;
        }
        if (agg->keyed)
            json_put_name(w, agg->filters[i].key);
        json_put_open(w, '{');
        put_counted(state, bucket, w);
    }
    close_buckets(state, w);
}

/* ---- numbers */

static void put_if(const struct aggs_state *state, bool there, const char *name,
                   double value, struct json_writer *w)
{
    if (there) {
        put_number(state, name, value, w);
        return;
    }
    json_put_key(w, name);
    json_put_null(w);
}

static void write_stats(const struct aggs_state *state, uint32_t owner,
                        struct json_writer *w)
{
    struct aggs_numbers numbers = numbers_of(state, owner);
    bool any = numbers.count > 0;

    json_put_key(w, "count");
    json_put_int(w, (int64_t)numbers.count);
    put_if(state, any, "min", numbers.min, w);
    put_if(state, any, "max", numbers.max, w);
    put_if(state, any, "avg", numbers.sum / (double)numbers.count, w);
    if (any) {
        put_number(state, "sum", numbers.sum, w);
        return;
    }
    json_put_key(w, "sum");
    number_put_real(w, 0);
}

static void write_number(const struct aggs_state *state, uint32_t owner,
                         struct json_writer *w)
{
    enum agg_kind kind = state->agg->kind;
    double value = number_of(state, owner, kind);

    if (kind == AGG_VALUE_COUNT || kind == AGG_CARDINALITY) {
        json_put_key(w, "value");
        json_put_int(w, (int64_t)value);
        return;
    }
    put_if(state, !isnan(value), "value", value, w);
}

/* ---- all of them */

static void write_body(struct aggs_state *state, uint32_t owner,
                       struct json_writer *w)
{
    switch (state->agg->kind) {
    case AGG_TERMS:
        write_terms(state, owner, w);
        return;
    case AGG_HISTOGRAM:
    case AGG_DATE_HISTOGRAM:
        write_histogram(state, owner, w);
        return;
    case AGG_RANGE:
    case AGG_FILTERS:
        write_fixed(state, owner, w);
        return;
    case AGG_STATS:
        write_stats(state, owner, w);
        return;
    case AGG_CARDINALITY:
    case AGG_MIN:
    case AGG_MAX:
    case AGG_AVG:
    case AGG_SUM:
    case AGG_VALUE_COUNT:
        write_number(state, owner, w);
        return;
    }
}

static void write_list(struct aggs_state *state, uint32_t owner,
                       struct json_writer *w)
{
    for (; state && !state->run->too_many; state = state->next) {
        json_put_name(w, state->agg->name);
        json_put_open(w, '{');
        write_body(state, owner, w);
        if (!state->agg->one) /* it is a bucket, which has been closed */
            json_put_close(w, '{');
    }
}

bool aggs_write(struct aggs_run *run, struct json_writer *w,
                struct query_error *error)
{
    sort_list(run->states, 1);
    json_put_open(w, '{');
    write_list(run->states, 0, w);
    json_put_close(w, '{');
    return !run->too_many ||
           query_refuse(error, "too_many_buckets_exception",
                        "Trying to create too many buckets. Must be less than "
                        "or equal to: [%d] but was [%" PRIu64 "].",
                        AGGS_BUCKETS_MAX, run->answered);
}
