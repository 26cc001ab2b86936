/* compile_internal.h - what the files that make nodes of queries share. */
#pragma once

#include "search/query/expand.h"
#include "search/query/searcher.h"

/* What is known of a field over all segments. */
struct searcher_field {
    bool is_known;
    uint64_t docs; /* that have it */
    struct score_lengths lengths;
    struct analyzer *analyzer; /* of a text, when it was needed */
};

struct compiler {
    struct searcher *searcher;
    struct arena *arena;
    struct reader *reader;
    struct compiled *compiled;
    struct query_error *error; /* type NULL: none yet */
};

/* A field of the index, in the segment: number is SCHEMA_NONE where the segment
   has none. */
struct compile_field {
    uint32_t index, number;
    const struct schema_field *schema;
};

struct node *compile_node(struct compiler *compiler, enum node_kind kind,
                          float boost);
struct node *compile_parent(struct compiler *compiler, enum node_kind kind,
                            float boost);
void compile_add_child(struct node *parent, size_t list, struct node *child);
/* Afterwards: the minimum, and what it needs. */
void compile_finish_bool(struct compiler *compiler, struct node *node,
                         size_t minimum);
struct node *compile_fail(struct compiler *compiler, const char *type,
                          const char *format, ...)
    __attribute__((format(printf, 3, 4)));

struct analyzer *compile_analyzer(struct compiler *compiler, uint32_t field);

/* compile_term.c: of one field */
struct node *compile_term(struct compiler *compiler,
                          const struct compile_field *field, struct span term,
                          float boost);
struct clause *compile_clause(struct compiler *compiler,
                              const struct compile_field *field,
                              struct span term, float boost,
                              struct dict_entry *entry);
struct node *compile_value(struct compiler *compiler,
                           const struct compile_field *field,
                           const struct query_value *value, float boost);
struct node *compile_exists(struct compiler *compiler,
                            const struct compile_field *field, float boost);
struct node *compile_range(struct compiler *compiler,
                           const struct compile_field *field,
                           const struct query *query, float boost);
struct node *compile_pattern(struct compiler *compiler,
                             const struct compile_field *field,
                             const struct query *query, float boost);
struct node *compile_fuzzy(struct compiler *compiler,
                           const struct compile_field *field, struct span term,
                           const struct query *query, float boost);
struct node *compile_prefix(struct compiler *compiler,
                            const struct compile_field *field,
                            struct span prefix, float boost);

/* compile_text.c: MATCH and PHRASE */
struct node *compile_text(struct compiler *compiler,
                          const struct compile_field *field,
                          const struct query *query, float boost);
