/* face_highlight.h - "highlight" of a search: which fields, and how. */
#pragma once

#include "search/query/highlight.h"
#include "search/query/query_build.h"

#define FACE_HIGHLIGHTS_MAX 256 /* fields, and patterns */

struct face_highlight {
    struct span field; /* or a pattern of fields */
    struct highlight_options options;
};

struct face_highlights {
    const struct face_highlight *at;
    size_t count;
};

/* All in the builder's arena; what is wrong goes to its error. */
void face_highlight_read(struct query_builder *builder, const json_t *node,
                         struct face_highlights *out);

/* "highlight": {…} of a hit, or nothing where nothing is marked. */
void face_highlight_put(const struct face_highlights *highlights,
                        const struct schema *schema,
                        struct highlight *highlight,
                        const struct highlight_hit *hit, struct json_writer *w);
