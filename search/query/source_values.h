/* source_values.h - what a document has in a field, from its source: as
 * builder.h reads it, objects flattened, arrays one value after the other. */
#pragma once

#include "search/index/schema.h"

/* text: good until it returns.  False: no more. */
typedef bool (*source_values_cb)(void *arg, struct span text);

/* field: its number; what has the values of another one reads those. */
void source_values(const struct schema *schema, uint32_t field, json_t *source,
                   source_values_cb cb, void *arg);
