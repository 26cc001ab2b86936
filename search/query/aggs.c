/*
 * aggs.c - see aggs.h.
 *
 * Two tables, as in query_json.c: what aggregations there are, with what they
 * may have, and how each of these is read.
 */
#include <math.h>

#include "search/query/aggs.h"
#include "search/query/number.h"
#include "search/query/query_build.h"

#define ILLEGAL "illegal_argument_exception"
#define PARSING "parsing_exception"
#define INTERVAL_MAX INT64_C(1000000000)
#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

#define NUMBERS "field missing"
#define HISTOGRAM NUMBERS " offset min_doc_count keyed order "

static const struct form {
    const char *name;
    enum agg_kind kind;
    const char *members;
} forms[] = {
    {"terms", AGG_TERMS, NUMBERS " size shard_size min_doc_count order"},
    {"range", AGG_RANGE, NUMBERS " ranges keyed"},
    {"date_range", AGG_RANGE, NUMBERS " ranges keyed"},
    {"histogram", AGG_HISTOGRAM, HISTOGRAM "interval"},
    {"date_histogram", AGG_DATE_HISTOGRAM,
     HISTOGRAM "fixed_interval calendar_interval"},
    {"filter", AGG_FILTERS, NULL},
    {"filters", AGG_FILTERS, "filters"},
    {"min", AGG_MIN, NUMBERS},
    {"max", AGG_MAX, NUMBERS},
    {"avg", AGG_AVG, NUMBERS},
    {"sum", AGG_SUM, NUMBERS},
    {"stats", AGG_STATS, NUMBERS},
    {"value_count", AGG_VALUE_COUNT, NUMBERS},
    {"cardinality", AGG_CARDINALITY, NUMBERS " precision_threshold"},
};

struct reading {
    struct arena *arena;
    struct query_error *error;
    const struct form *form;
    size_t count, depth;
    struct span order; /* that is by one of the subs; borrowed */
};

static struct agg *read_list(struct reading *r, const json_t *json);

/* ---- members: false: it cannot be that */

static struct span text_of(const json_t *node)
{
    return span_str(json_string_value(node));
}

static bool read_field(struct reading *r, struct agg *agg, const json_t *node)
{
    agg->field = arena_copy(r->arena, text_of(node));
    return agg->field.len > 0 && agg->field.len <= SCHEMA_NAME_MAX;
}

static bool read_missing(struct reading *r, struct agg *agg, const json_t *node)
{
    return query_read_value(r->arena, node, &agg->missing);
}

static bool read_count(const json_t *node, int64_t least, uint64_t *out)
{
    *out = (uint64_t)json_integer_value(node);
    return json_is_integer(node) && json_integer_value(node) >= least;
}

static bool read_size(struct reading *r, struct agg *agg, const json_t *node)
{
    (void)r;
    return read_count(node, 1, &agg->size);
}

/* Counts are exact, whatever it is. */
static bool read_precision(struct reading *r, struct agg *agg,
                           const json_t *node)
{
    uint64_t precision;

    (void)r;
    (void)agg;
    return read_count(node, 0, &precision);
}

static bool read_least(struct reading *r, struct agg *agg, const json_t *node)
{
    return read_count(node, r->form->kind == AGG_TERMS, &agg->least);
}

static bool read_keyed(struct reading *r, struct agg *agg, const json_t *node)
{
    (void)r;
    agg->keyed = json_is_true(node);
    return json_is_boolean(node);
}

static bool read_order(struct reading *r, struct agg *agg, const json_t *node)
{
    if (json_is_array(node) && json_array_size(node) == 1)
        node = json_array_get(node, 0);
    void *at = json_object_iter((json_t *)(uintptr_t)node);
    if (!at || json_object_size(node) != 1)
        return false;
    struct span key = span_str(json_object_iter_key(at));
    struct span order = text_of(json_object_iter_value(at));
    agg->by_count = span_eq(key, SPAN("_count"));
    agg->descending = span_eq_nocase(order, SPAN("desc"));
    if (!agg->by_count && !span_eq(key, SPAN("_key")))
        r->order = key;
    return agg->descending || span_eq_nocase(order, SPAN("asc"));
}

static bool read_interval(struct reading *r, struct agg *agg,
                          const json_t *node)
{
    (void)r;
    agg->interval = json_number_value(node);
    return json_is_number(node) && agg->interval > 0;
}

/* 30s, 12h, 7d: how many milliseconds. */
static bool read_duration(struct span text, int64_t *ms)
{
    static const struct unit {
        const char *name;
        int64_t ms;
    } units[] = {{"ms", 1},
                 {"s", 1000},
                 {"m", MINUTE_MS},
                 {"h", HOUR_MS},
                 {"d", DAY_MS}};
    size_t digits = 0;
    uint64_t count;

    while (digits < text.len && text.ptr[digits] >= '0' &&
           text.ptr[digits] <= '9')
        digits++;
    if (!span_to_u64((struct span){text.ptr, digits}, INTERVAL_MAX, &count))
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (span_eq(span_skip(text, digits), span_str(units[i].name))) {
            *ms = (int64_t)count * units[i].ms;
            return true;
        }
    return false;
}

static bool read_offset(struct reading *r, struct agg *agg, const json_t *node)
{
    struct span text = text_of(node);

    if (r->form->kind == AGG_HISTOGRAM) {
        agg->offset = json_number_value(node);
        return json_is_number(node);
    }
    bool negative = text.len && text.ptr[0] == '-';
    bool sign = negative || (text.len && text.ptr[0] == '+');
    if (!read_duration(span_skip(text, sign), &agg->offset_ms))
        return false;
    agg->offset_ms = negative ? -agg->offset_ms : agg->offset_ms;
    return true;
}

static bool read_fixed(struct reading *r, struct agg *agg, const json_t *node)
{
    (void)r;
    return agg->every_ms == 0 && agg->unit == DATE_MS &&
           read_duration(text_of(node), &agg->every_ms) && agg->every_ms > 0;
}

static bool read_calendar(struct reading *r, struct agg *agg,
                          const json_t *node)
{
    static const struct unit {
        const char *name, *shorter;
        enum date_unit unit;
        int64_t ms;
    } units[] = {{"minute", "1m", DATE_MS, MINUTE_MS},
                 {"hour", "1h", DATE_MS, HOUR_MS},
                 {"day", "1d", DATE_MS, DAY_MS},
                 {"week", "1w", DATE_WEEK, 0},
                 {"month", "1M", DATE_MONTH, 0},
                 {"quarter", "1q", DATE_QUARTER, 0},
                 {"year", "1y", DATE_YEAR, 0}};
    struct span text = text_of(node);

    (void)r;
    if (agg->every_ms || agg->unit != DATE_MS)
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (span_eq(text, span_str(units[i].name)) ||
            span_eq(text, span_str(units[i].shorter))) {
            agg->unit = units[i].unit;
            agg->every_ms = units[i].ms;
            return true;
        }
    return false;
}

static bool read_bound(struct reading *r, const json_t *node,
                       struct query_value *out)
{
    return !node || json_is_null(node) || query_read_value(r->arena, node, out);
}

static bool read_range(struct reading *r, struct agg_range *range,
                       const json_t *node)
{
    const json_t *key = json_object_get(node, "key");
    const json_t *from = json_object_get(node, "from");
    const json_t *to = json_object_get(node, "to");
    size_t members = 0;

    members += key != NULL;
    members += from != NULL;
    members += to != NULL;
    if (key)
        range->key = arena_copy(r->arena, text_of(key));
    return json_is_object(node) && (!key || json_is_string(key)) &&
           json_object_size(node) == members &&
           read_bound(r, from, &range->from) && read_bound(r, to, &range->to);
}

static bool read_ranges(struct reading *r, struct agg *agg, const json_t *node)
{
    bool good =
        json_array_size(node) > 0 && json_array_size(node) <= AGGS_RANGES_MAX;

    agg->count = good ? json_array_size(node) : 0;
    agg->ranges = arena_zalloc(r->arena, agg->count * sizeof(agg->ranges[0]));
    for (size_t i = 0; i < agg->count && good; i++)
        good = read_range(r, &agg->ranges[i], json_array_get(node, i));
    return good;
}

static bool add_filter(struct reading *r, struct agg *agg, const char *key,
                       const json_t *node)
{
    struct agg_filter *filter = &agg->filters[agg->count++];

    if (key)
        filter->key = arena_copy(r->arena, span_str(key));
    filter->query = query_read_json(r->arena, node, r->error);
    return filter->query != NULL;
}

static bool read_filters(struct reading *r, struct agg *agg, const json_t *node)
{
    json_t *object = (json_t *)(uintptr_t)node; /* only read */
    size_t count =
        json_is_array(node) ? json_array_size(node) : json_object_size(node);

    if (count == 0 || count > AGGS_RANGES_MAX)
        return false;
    agg->keyed = !json_is_array(node);
    agg->filters = arena_zalloc(r->arena, count * sizeof(agg->filters[0]));
    for (size_t i = 0; i < json_array_size(node); i++)
        if (!add_filter(r, agg, NULL, json_array_get(node, i)))
            return false;
    for (void *at = json_object_iter(object); at;
         at = json_object_iter_next(object, at))
        if (!add_filter(r, agg, json_object_iter_key(at),
                        json_object_iter_value(at)))
            return false;
    return true;
}

static const struct member {
    const char *name;
    bool (*read)(struct reading *r, struct agg *agg, const json_t *node);
} members[] = {
    {"field", read_field},
    {"missing", read_missing},
    {"size", read_size},
    {"shard_size", read_precision},
    {"precision_threshold", read_precision},
    {"min_doc_count", read_least},
    {"keyed", read_keyed},
    {"order", read_order},
    {"interval", read_interval},
    {"offset", read_offset},
    {"fixed_interval", read_fixed},
    {"calendar_interval", read_calendar},
    {"ranges", read_ranges},
    {"filters", read_filters},
};

/* ---- one of them */

static bool has_word(const char *words, struct span word)
{
    struct span rest = span_str(words);
    struct span each;

    while (span_cut(&rest, ' ', &each))
        if (each.len && span_eq(each, word))
            return true;
    return false;
}

static bool read_member(struct reading *r, struct agg *agg, const char *name,
                        const json_t *node)
{
    const char *form = r->form->name;
    size_t i = 0;

    if (!has_word(r->form->members, span_str(name)))
        return query_refuse(r->error, "x_content_parse_exception",
                            "[%s] unknown field [%s]", form, name);
    while (!span_eq(span_str(members[i].name), span_str(name)))
        i++;
    return members[i].read(r, agg, node) ||
           query_refuse(r->error, ILLEGAL, "[%s] failed to parse field [%s]",
                        form, name);
}

static bool is_whole(struct reading *r, const struct agg *agg)
{
    const char *lacks = NULL;

    if (agg->kind == AGG_FILTERS)
        lacks = agg->count ? NULL : "filters";
    else if (!agg->field.ptr)
        lacks = "field";
    else if (agg->kind == AGG_RANGE)
        lacks = agg->count ? NULL : "ranges";
    else if (agg->kind == AGG_HISTOGRAM)
        lacks = agg->interval > 0 ? NULL : "interval";
    else if (agg->kind == AGG_DATE_HISTOGRAM)
        lacks = agg->every_ms || agg->unit != DATE_MS
                    ? NULL
                    : "fixed_interval, calendar_interval";
    return !lacks || query_refuse(r->error, ILLEGAL,
                                  "Required one of fields [%s] of [%s], but "
                                  "none were specified.",
                                  lacks, r->form->name);
}

static bool read_form(struct reading *r, struct agg *agg, const json_t *json)
{
    json_t *object = (json_t *)(uintptr_t)json; /* only read */

    agg->kind = r->form->kind;
    agg->least = agg->kind == AGG_TERMS;
    agg->size = AGGS_SIZE;
    agg->by_count = agg->descending = agg->kind == AGG_TERMS;
    if (!r->form->members) {
        agg->one = true;
        agg->filters = arena_zalloc(r->arena, sizeof(agg->filters[0]));
        return add_filter(r, agg, NULL, json);
    }
    if (!json_is_object(json))
        return query_refuse(r->error, PARSING, "[%s] is not an object",
                            r->form->name);
    for (void *at = json_object_iter(object); at;
         at = json_object_iter_next(object, at))
        if (!read_member(r, agg, json_object_iter_key(at),
                         json_object_iter_value(at)))
            return false;
    return is_whole(r, agg);
}

static const struct form *form_of(const char *name)
{
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        if (span_eq(span_str(name), span_str(forms[i].name)))
            return &forms[i];
    return NULL;
}

/* Of a number, or, behind a dot, of one of its stats. */
static bool is_ordered_by(const struct agg *sub, struct span what,
                          enum agg_kind *number)
{
    static const char *const names[] = {[AGG_MIN] = "min",
                                        [AGG_MAX] = "max",
                                        [AGG_AVG] = "avg",
                                        [AGG_SUM] = "sum",
                                        [AGG_VALUE_COUNT] = "count"};

    *number = sub->kind;
    if (sub->kind < AGG_MIN)
        return false;
    if (sub->kind != AGG_STATS)
        return what.len == 0 || span_eq(what, SPAN("value"));
    for (size_t i = AGG_MIN; i < sizeof(names) / sizeof(names[0]); i++) {
        *number = (enum agg_kind)i;
        if (names[i] && span_eq(what, span_str(names[i])))
            return true;
    }
    return false;
}

static void find_order(struct reading *r, struct agg *agg, struct span path)
{
    const struct agg *sub = agg->kind == AGG_TERMS ? agg->subs : NULL;
    struct span what = path;
    struct span name;

    span_cut(&what, '.', &name);
    while (sub && !span_eq(sub->name, name))
        sub = sub->next;
    agg->by_sub = sub;
    if (!sub || !is_ordered_by(sub, what, &agg->by_number))
        query_refuse(r->error, ILLEGAL,
                     "Invalid aggregation order path [%.*s] of [%.*s]",
                     (int)path.len, path.ptr, (int)agg->name.len,
                     agg->name.ptr);
}

/* What it is, beside its subs. */
static bool read_body(struct reading *r, struct agg *agg, const json_t *json)
{
    json_t *object = (json_t *)(uintptr_t)json; /* only read */
    const char *found = NULL;
    const json_t *subs = NULL;

    r->order = (struct span){0};
    for (void *at = json_object_iter(object); at;
         at = json_object_iter_next(object, at)) {
        const char *name = json_object_iter_key(at);
        if (has_word("aggs aggregations", span_str(name))) {
            subs = json_object_iter_value(at);
            continue;
        }
        r->form = form_of(name);
        if (!r->form)
            return query_refuse(r->error, PARSING,
                                "Unknown aggregation type [%s]", name);
        if (found)
            return query_refuse(r->error, PARSING,
                                "Found two aggregation type definitions in "
                                "[%.*s]: [%s] and [%s]",
                                (int)agg->name.len, agg->name.ptr, found, name);
        found = name;
        if (!read_form(r, agg, json_object_iter_value(at)))
            return false;
    }
    if (!found)
        return query_refuse(r->error, PARSING,
                            "Missing definition for aggregation [%.*s]",
                            (int)agg->name.len, agg->name.ptr);
    if (subs && agg->kind >= AGG_MIN)
        return query_refuse(r->error, "aggregation_initialization_exception",
                            "Aggregator [%.*s] of type [%s] cannot accept "
                            "sub-aggregations",
                            (int)agg->name.len, agg->name.ptr, found);
    struct span order = r->order;
    agg->subs = subs ? read_list(r, subs) : NULL;
    if (order.ptr && !r->error->type)
        find_order(r, agg, order);
    return !r->error->type;
}

static struct agg *read_agg(struct reading *r, const char *name,
                            const json_t *json)
{
    struct agg *agg = arena_zalloc(r->arena, sizeof(*agg));

    agg->name = arena_copy(r->arena, span_str(name));
    if (++r->count > AGGS_MAX)
        query_refuse(r->error, ILLEGAL, "there are more than %d aggregations",
                     AGGS_MAX);
    else if (agg->name.len == 0 || agg->name.len > SCHEMA_NAME_MAX ||
             strpbrk(name, "[]>"))
        query_refuse(r->error, PARSING,
                     "Invalid aggregation name [%.200s]. Aggregation names can "
                     "contain any character except '[', ']', and '>'",
                     name);
    else
        read_body(r, agg, json);
    return agg;
}

/* NULL: it is empty, or there is an error. */
static struct agg *read_list(struct reading *r, const json_t *json)
{
    json_t *object = (json_t *)(uintptr_t)json; /* only read */
    struct agg *first = NULL;
    struct agg **end = &first;

    if (!json_is_object(json))
        query_refuse(r->error, PARSING, "[aggs] is not an object");
    if (++r->depth > AGGS_DEPTH_MAX)
        query_refuse(r->error, ILLEGAL,
                     "aggregations are within each other more than %d deep",
                     AGGS_DEPTH_MAX);
    for (void *at = json_object_iter(object); at && !r->error->type;
         at = json_object_iter_next(object, at)) {
        *end =
            read_agg(r, json_object_iter_key(at), json_object_iter_value(at));
        end = &(*end)->next;
    }
    r->depth--;
    return r->error->type ? NULL : first;
}

bool aggs_read(struct arena *arena, const json_t *json, struct agg **out,
               struct query_error *error)
{
    struct reading r = {.arena = arena, .error = error};

    error->type = NULL;
    struct agg *first = read_list(&r, json);
    if (error->type)
        return false;
    *out = first;
    return true;
}
