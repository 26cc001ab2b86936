/* query.c - see query.h and query_build.h. */
#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "search/query/query_build.h"

#define NUMBER_MAX 32 /* bytes */

size_t query_minimum(const struct query_minimum *minimum, size_t count,
                     size_t fallback)
{
    int64_t value = minimum->value;

    if (!minimum->is_set)
        return fallback;
    if (minimum->is_percent)
        value = (int64_t)count * value / 100;
    if (minimum->value < 0)
        value += (int64_t)count;
    return value < 0 ? 0 : (size_t)value;
}

bool query_name_matches(struct span pattern, struct span name)
{
    size_t star = SIZE_MAX;
    size_t resumed = 0;
    size_t p = 0;

    for (size_t n = 0; n < name.len;) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            resumed = n;
        } else if (p < pattern.len && pattern.ptr[p] == name.ptr[n]) {
            p++;
            n++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            n = ++resumed;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

/* ---- building */

bool query_failed(const struct query_builder *builder)
{
    return builder->error->type != NULL;
}

void query_vrefuse(struct query_error *error, const char *type,
                   const char *format, va_list args)
{
    if (error->type)
        return;
    error->type = type;
    vsnprintf(error->reason, sizeof(error->reason), format, args);
}

bool query_refuse(struct query_error *error, const char *type,
                  const char *format, ...)
{
    va_list args;

    va_start(args, format);
    query_vrefuse(error, type, format, args);
    va_end(args);
    return false;
}

void query_fail(struct query_builder *builder, const char *type,
                const char *format, ...)
{
    va_list args;

    va_start(args, format);
    query_vrefuse(builder->error, type, format, args);
    va_end(args);
}

struct query query_make(enum query_kind kind)
{
    return (struct query){.kind = kind,
                          .boost = 1,
                          .edits = kind == QUERY_FUZZY ? QUERY_FUZZY_AUTO : 0,
                          .max_expansions = QUERY_EXPANSIONS};
}

struct query *query_add(struct query_builder *builder,
                        const struct query *query)
{
    struct query *copy = arena_alloc(builder->arena, sizeof(*copy));

    *copy = *query;
    if (++builder->clauses > QUERY_CLAUSES_MAX)
        query_fail(builder, "too_many_clauses", "maxClauseCount is set to %d",
                   QUERY_CLAUSES_MAX);
    return copy;
}

struct query *query_over(struct query_builder *builder,
                         const struct query *query,
                         const struct query_syntax *syntax)
{
    static const struct query_field any = {{"*", 1}, 1};
    const struct query_field *fields =
        syntax->field_count ? syntax->fields : &any;
    struct query each = *query;
    struct query best = query_make(QUERY_DIS_MAX);
    struct query *clause = NULL;

    best.tie_breaker = query->tie_breaker > 0 ? query->tie_breaker : 0;
    each.tie_breaker = 0;
    for (size_t i = 0; !clause || i < syntax->field_count; i++) {
        each.field = fields[i].name;
        each.boost = fields[i].boost;
        clause = query_add(builder, &each);
        if (query_failed(builder))
            return clause;
        query_append(&best.lists[QUERY_SHOULD], clause);
    }
    if (syntax->field_count > 1)
        clause = query_add(builder, &best);
    query_multiply(clause, query->boost);
    return clause;
}

void query_append(struct query_list *list, struct query *query)
{
    if (list->last)
        list->last->next = query;
    else
        list->first = query;
    list->last = query;
    list->count++;
}

void query_multiply(struct query *query, float boost)
{
    query->boost *= boost;
    if (query->boost > FLT_MAX)
        query->boost = FLT_MAX;
}

static bool refuse_deep(struct query_builder *builder)
{
    query_fail(builder, "illegal_argument_exception",
               "The nested depth of the query exceeds the maximum nested depth "
               "for queries set in [%d]",
               QUERY_DEPTH_MAX);
    return false;
}

bool query_enter(struct query_builder *builder)
{
    return ++builder->depth <= QUERY_DEPTH_MAX || refuse_deep(builder);
}

/* A tree may be deeper than what it was read from: a + b | c + d. */
static bool is_within(const struct query *query, size_t depth)
{
    bool within = depth > 0;

    for (size_t i = 0; within && i < QUERY_OCCURS; i++)
        for (const struct query *clause = query->lists[i].first;
             clause && within; clause = clause->next)
            within = is_within(clause, depth - 1);
    return within;
}

struct query *query_finish(struct query_builder *builder, struct query *query)
{
    if (!query_failed(builder) && !is_within(query, QUERY_DEPTH_MAX))
        refuse_deep(builder);
    return query_failed(builder) ? NULL : query;
}

bool query_number(struct span text, float *out)
{
    char copy[NUMBER_MAX + 1];
    char *end;

    snprintf(copy, sizeof(copy), "%.*s", (int)text.len, text.ptr);
    float value = strtof(copy, &end);
    if (strspn(copy, "0123456789.") != text.len || *end || end == copy)
        return false;
    *out = value;
    return true;
}

/* ---- printing */

static void put_quoted(struct buf *out, struct span text)
{
    buf_append_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            buf_append_char(out, '\\');
        buf_append_char(out, text.ptr[i]);
    }
    buf_append_char(out, '"');
}

static void put_name(struct buf *out, struct span name)
{
    bool plain = name.len > 0;

    for (size_t i = 0; plain && i < name.len; i++)
        plain = !strchr(" \t\r\n:^()[]{}\"\\", name.ptr[i]);
    if (plain)
        buf_append(out, name);
    else
        put_quoted(out, name);
}

static void put_value(struct buf *out, const struct query_value *value)
{
    if (value->kind == QUERY_TEXT)
        put_quoted(out, value->text);
    else
        buf_append(out, value->kind ? value->text : SPAN("*"));
}

static void put_range(struct buf *out, const struct query_bound *lower,
                      const struct query_bound *upper)
{
    buf_append_char(out, lower->value.kind && lower->exclusive ? '{' : '[');
    put_value(out, &lower->value);
    buf_append(out, SPAN(" TO "));
    put_value(out, &upper->value);
    buf_append_char(out, upper->value.kind && upper->exclusive ? '}' : ']');
}

static void put_number(struct buf *out, const char *name, uint32_t value,
                       uint32_t unless)
{
    if (value != unless)
        buf_printf(out, " %s=%" PRIu32, name, value);
}

static void put_options(struct buf *out, const struct query *query)
{
    buf_printf(out, "%s%s%s%s", query->all ? " and" : "",
               query->last_is_prefix ? " last*" : "",
               query->none_is_all ? " zero=all" : "",
               query->normalize ? " normalize" : "");
    if (query->edits == QUERY_FUZZY_AUTO)
        buf_append(out, SPAN(" fuzzy=auto"));
    else
        put_number(out, "fuzzy", query->edits, 0);
    put_number(out, "prefix_length", query->prefix_length, 0);
    put_number(out, "max_expansions", query->max_expansions, QUERY_EXPANSIONS);
    put_number(out, "slop", query->slop, 0);
    if (query->minimum.is_set)
        buf_printf(out, " min=%" PRId32 "%s", query->minimum.value,
                   query->minimum.is_percent ? "%" : "");
    if (query->tie_breaker > 0)
        buf_printf(out, " tie=%.9g", (double)query->tie_breaker);
}

static void put_lists(struct buf *out, const struct query *query)
{
    static const char *const names[] = {"must", "filter", "should", "must_not"};
    const char *gap = "";

    for (size_t i = 0; i < QUERY_OCCURS; i++) {
        const struct query *clause = query->lists[i].first;
        if (!clause)
            continue;
        buf_printf(out, "%s%s=[", gap, names[i]);
        for (; clause; clause = clause->next) {
            query_print(clause, out);
            buf_append_char(out, clause->next ? ' ' : ']');
        }
        gap = " ";
    }
}

void query_print(const struct query *query, struct buf *out)
{
    static const char *const names[] = {
        "match_all", "match_none", "term",   "terms",          "ids",
        "exists",    "range",      "prefix", "wildcard",       "fuzzy",
        "match",     "phrase",     "bool",   "constant_score", "dis_max"};

    buf_printf(out, "%s(", names[query->kind]);
    if (query->field.ptr)
        put_name(out, query->field);
    if (query->field.ptr && query->kind != QUERY_EXISTS)
        buf_append_char(out, ':');
    if (query->text.ptr)
        put_quoted(out, query->text);
    for (size_t i = 0; i < query->value_count; i++) {
        buf_append(out, i ? SPAN(" ") : SPAN(""));
        put_value(out, &query->values[i]);
    }
    if (query->kind == QUERY_RANGE)
        put_range(out, &query->lower, &query->upper);
    put_lists(out, query);
    put_options(out, query);
    buf_append_char(out, ')');
    if (query->boost != 1)
        buf_printf(out, "^%.9g", (double)query->boost);
}
