/*
 * query_build.h - what both readers build trees with.  What fails says so once
 * and gives anything back; loops end by query_failed().
 */
#pragma once

#include <stdarg.h>

#include "search/query/query.h"

struct query_builder {
    struct arena *arena;
    struct query_error *error; /* type NULL: none yet */
    size_t clauses, depth;
};

/* As query_refuse(). */
void query_vrefuse(struct query_error *error, const char *type,
                   const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
/* The first one stays. */
void query_fail(struct query_builder *builder, const char *type,
                const char *format, ...) __attribute__((format(printf, 3, 4)));
bool query_failed(const struct query_builder *builder);

struct query query_make(enum query_kind kind); /* all defaults */
/* A copy in the arena, counted. */
struct query *query_add(struct query_builder *builder,
                        const struct query *query);
/* The same asked of each field; of several the best. */
struct query *query_over(struct query_builder *builder,
                         const struct query *query,
                         const struct query_syntax *syntax);
void query_append(struct query_list *list, struct query *query);
void query_multiply(struct query *query, float boost);

/* One level deeper; false: too deep.  builder->depth-- ends it. */
bool query_enter(struct query_builder *builder);
/* The tree if all went well. */
struct query *query_finish(struct query_builder *builder, struct query *query);

/* Digits with or without a point; false, *out untouched, if it is not that. */
bool query_number(struct span text, float *out);
/* A query string within a tree; its text may be up to QUERY_TEXT_MAX long. */
struct query *query_parse(struct query_builder *builder, struct span text,
                          const struct query_syntax *syntax);
/* Of a JSON string, number or boolean; false: it is none of these. */
bool query_read_value(struct arena *arena, const json_t *node,
                      struct query_value *value);
