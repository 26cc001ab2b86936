/* compile_internal.h - what the files that make nodes of queries share. */
#pragma once

#include "search/query/expand.h"
#include "search/query/searcher.h"

/* What is known of a field over all segments. */
struct searcher_field {
    bool is_known;
    uint64_t docs;  /* that have it */
    double average; /* length */
    struct score_lengths lengths;
    struct analyzer *analyzer; /* of a text, when it was needed */
};

/* What nodes are made for. */
enum compile_mode {
    COMPILE_TO_RUN,
    COMPILE_TO_EXPLAIN, /* a document; nothing with children can run */
    COMPILE_TO_NAME,    /* what they are about: nothing can run */
};

struct node_word {
    struct span term;
    uint32_t offset; /* of PHRASE: from its first word, in positions */
};

/* Not of COMPILE_TO_RUN. */
struct node_about {
    const struct query *query;
    uint32_t field;                /* SCHEMA_NONE: of none */
    const struct node_word *words; /* of TERM, PHRASE */
    size_t count;
    float boost;               /* of TERM, PHRASE: that its weight has */
    struct phrase_term *terms; /* of PHRASE; NULL: it is not there */
    struct span pattern;       /* of PREFIX, WILDCARD: as terms are */
};

struct compiler {
    enum compile_mode mode;
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

/* As searcher_compile(), by the mode; compiled and error are set. */
bool compile_query(struct compiler *compiler, const struct query *query);

struct node *compile_node(struct compiler *compiler, enum node_kind kind,
                          float boost);
/* Says so, unless something was said before. */
void compile_describe(struct compiler *compiler, struct node *node,
                      const struct node_about *about);
/* Of all documents of the segment, in whole windows; none is set. */
uint64_t *compile_bits(struct compiler *compiler);
void compile_add_child(struct node *parent, size_t list, struct node *child);
/* Afterwards: the minimum, and what it needs. */
void compile_finish_bool(struct compiler *compiler, struct node *node,
                         size_t minimum);
struct node *compile_fail(struct compiler *compiler, const char *type,
                          const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* False: it has failed, is late, or has become too large, which is a failure:
   what is made is not to run. */
bool compile_goes_on(struct compiler *compiler);

/* In lower case, as terms of a text are. */
struct span compile_normal(struct searcher *searcher, struct arena *arena,
                           struct span text);
struct analyzer *compile_analyzer(struct searcher *searcher, uint32_t field);

/* compile_term.c: of one field */
/* Documents of all segments that have it. */
uint64_t compile_having(const struct searcher *searcher,
                        const struct schema_field *field, struct span term);
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
struct node *compile_terms(struct compiler *compiler,
                           const struct compile_field *field,
                           const struct query *query, float boost);
struct node *compile_exists(struct compiler *compiler,
                            const struct compile_field *field, float boost);
struct node *compile_range(struct compiler *compiler,
                           const struct compile_field *field,
                           const struct query *query, float boost);
struct node *compile_pattern(struct compiler *compiler,
                             const struct compile_field *field,
                             const struct query *query, float boost);
struct node *compile_bad_number(struct compiler *compiler, struct span text);

/* compile_fuzzy.c */
void compile_near_destroy(struct searcher_near *all);
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
