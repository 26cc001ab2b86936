/*
 * face.h - Elasticsearch's _search and its relatives: from a request's text to
 * what it asks for, and from an index to the answer's text.
 *
 *   face_read() -- the parameters and the body --> a struct face_search
 *   face_run()  -- over an index --> the answer, or an error
 *
 * No sockets, no Redis, nothing kept: a search is read by one thread and may be
 * run by another, which must have the searcher for itself.  What is known and
 * not done is refused by its name, as what is not known.
 */
#pragma once

#include "search/face_highlight.h"
#include "search/face_source.h"
#include "search/face_suggest.h"
#include "search/query/search.h"

#define FACE_WINDOW_MAX SEARCH_HITS_MAX /* from + size */
#define FACE_TOTAL 10000                /* counted exactly unless said */
#define FACE_EXACT UINT64_MAX
#define FACE_PATTERNS_MAX 1024     /* of _source, of fields */
#define FACE_TEXT_MAX 65536        /* bytes of a name, a parameter */
#define FACE_BYTES_MAX (128 << 20) /* of hits */

enum face_kind { FACE_SEARCH, FACE_COUNT };

/* All borrowed while it is read. */
struct face_request {
    enum face_kind kind;
    struct span path;   /* for errors to name */
    struct span params; /* of the URL, undecoded */
    struct span body;   /* empty: none */
};

/* Lies in the arena that it was read with. */
struct face_search {
    enum face_kind kind;
    const struct query *query;
    uint32_t from, size;
    uint64_t total;      /* count up to it; 0: do not; or FACE_EXACT */
    uint64_t timeout_us; /* UINT64_MAX: none */
    struct face_source source;
    struct face_patterns fields;
    struct face_highlights highlights;
    const struct face_suggest *suggest; /* NULL, as those below: none */
    struct sort *sort;
    const struct agg *aggs;
    float min_score;
    bool scored; /* with sort: hits have scores all the same */
    bool explain, version, seq_no;
    bool plain_total; /* hits.total is a number */
};

/* False: error says why, in Elasticsearch's words. */
bool face_read(struct arena *arena, const struct face_request *request,
               struct face_search *search, struct query_error *error);

/*
 * The answer to out's end.  index: its name.  deadline_us: by clock_mono_us(),
 * or SEARCH_NO_DEADLINE; what was found until then is answered, and
 * "timed_out".  False: out is as it was, and error says why.
 */
bool face_run(const struct face_search *search, struct searcher *searcher,
              struct span index, uint64_t deadline_us, struct buf *out,
              struct query_error *error);

/* What an error is as HTTP: 400, or, of a damaged segment, 500. */
int face_status(const struct query_error *error);

/* {"error": …, "status": …}; index.ptr: it was found while searching it. */
void face_put_error(const struct query_error *error, int status,
                    struct span index, struct buf *out);
