/*
 * field.h - an indexed field of a segment, to be read: its terms, their lists,
 * the lengths of its documents.
 */
#pragma once

#include "search/index/dict.h"
#include "search/index/field_write.h"
#include "search/index/segment.h"

struct field {
    struct segment *segment; /* borrowed */
    struct dict dict;
    struct span lists, places;
    const uint8_t *norms; /* of all documents; NULL: of a keyword */
    struct field_totals totals;
};

/* False: the segment does not have it, or it is damaged. */
bool field_open(struct field *field, struct segment *segment, uint32_t number);

/* False: no document has the term, or what leads there is damaged. */
bool field_find(const struct field *field, struct span term,
                struct dict_entry *entry);
/* Of a term with more than one document; NULL: damaged. */
const void *field_list(const struct field *field,
                       const struct dict_entry *entry);
const void *field_places(const struct field *field,
                         const struct dict_entry *entry);
