/* face_internal.h - what the files that write an answer share. */
#pragma once

#include "search/face.h"

struct answer {
    const struct face_search *search;
    struct searcher *searcher;
    struct span index;
    struct search_result result;
    struct highlight *highlight; /* NULL: not asked for */
    struct json_writer w;
    struct buf source; /* of the hit at hand */
    struct query_error *error;
    uint64_t deadline_us;
    size_t before; /* of the answer in w.out */
};

/* False: a segment is damaged, which error says. */
bool face_put_hit(struct answer *answer, size_t which);

void face_put_text(struct json_writer *w, const char *key, struct span text);
