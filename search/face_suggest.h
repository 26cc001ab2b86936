/*
 * face_suggest.h - "suggest" of a search: what may have been meant.
 *
 * {"text": "…", "NAME": {"text" or "prefix": "…", "term", "phrase" or
 * "completion": {"field": "…"}}, …}, as Elasticsearch has it; a completion is
 * of a keyword, by how many documents have it or by the member weight_field,
 * which is ours alone.
 */
#pragma once

#include "search/query/query_build.h"
#include "search/query/suggest.h"

#define FACE_SUGGESTS_MAX 32

struct face_suggest {
    struct face_suggest *next;
    struct span name;
    enum face_suggest_kind { FACE_TERM, FACE_PHRASE, FACE_COMPLETION } kind;
    struct suggest_request words;
    struct complete_request complete;
};

/* As face_highlight_read(). */
struct face_suggest *face_suggest_read(struct query_builder *builder,
                                       const json_t *node);
/* "suggest": {…}, of words as much as is found by the deadline; false: error
   says why it cannot be. */
bool face_suggest_put(const struct face_suggest *suggest,
                      struct searcher *searcher, uint64_t deadline_us,
                      struct json_writer *w, struct query_error *error);
