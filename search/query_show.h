/* query_show.h - what search-query prints of documents. */
#pragma once

#include "search/query/highlight.h"

/* What is marked of it, else the first bytes of its source; to the line's end.
   highlight: or NULL. */
void show_document(const struct searcher *searcher, struct highlight *highlight,
                   uint32_t doc);

/* What begins with it, the best first.  False: error says why not. */
bool show_completions(struct searcher *searcher, const char *field,
                      const char *prefix, const char *weight,
                      struct query_error *error);

/* What may have been meant.  False: as above. */
bool show_suggestion(struct searcher *searcher, const char *field,
                     const char *text, struct query_error *error);

/* Why the document of the id has its score.  False: error says why not. */
bool show_score(struct searcher *searcher, const struct query *query,
                const char *id, struct query_error *error);
