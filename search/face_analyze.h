/* face_analyze.h - Elasticsearch's _analyze: what a text is indexed as. */
#pragma once

#include "search/index/schema.h"
#include "search/query/query.h"

#define FACE_ANALYZE_MAX (1 << 16) /* bytes of all texts */
#define FACE_TOKENS_MAX 10000

/*
 * {"analyzer" or "field", "text"}: the answer to out's end.  schema: of an
 * index, or NULL.  False: out is as it was, and error says why.
 */
bool face_analyze(const struct schema *schema, struct span body,
                  struct buf *out, struct query_error *error);

/* How long text is in UTF-16, as Elasticsearch counts. */
size_t face_utf16_length(struct span text);
