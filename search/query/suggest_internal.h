/* suggest_internal.h - what completion and did-you-mean share. */
#pragma once

#include "search/query/compile_internal.h"
#include "search/query/expand.h"
#include "search/query/search.h"
#include "search/query/suggest.h"

/* A field in one of the segments. */
struct suggest_part {
    struct reader *reader;
    const struct field *terms;
    const struct values *weights; /* or NULL */
    struct dict_cursor cursor;
    bool more;
};

struct suggest_parts {
    const struct schema_field *field;
    uint32_t number; /* of the field in the index */
    struct suggest_part *list;
    size_t count;
    uint64_t docs; /* that have the field */
};

/* suggest_parts_deinit() even when it is false: error says why. */
bool suggest_parts_init(struct suggest_parts *parts, struct searcher *searcher,
                        struct span field, struct query_error *error);
void suggest_parts_deinit(struct suggest_parts *parts);

/* A live document that has it; false: no more of them. */
typedef bool (*suggest_doc_cb)(void *arg, const struct suggest_part *part,
                               uint32_t doc);
void suggest_docs(const struct searcher *searcher,
                  const struct suggest_part *part,
                  const struct dict_entry *entry, suggest_doc_cb cb, void *arg);
