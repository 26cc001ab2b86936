/*
 * shelf.h - documents in JSON, in segments that are there as long as the test.
 */
#pragma once

#include "search/index/builder.h"
#include "search/query/searcher.h"
#include "tests/test.h"

#define SHELF_SEGMENTS 8

struct shelf {
    struct arena arena;
    struct schema schema;
    struct segment *segments[SHELF_SEGMENTS];
    struct reader *readers[SHELF_SEGMENTS];
    struct live lives[SHELF_SEGMENTS];
    size_t count;
    uint32_t docs;
    struct searcher searcher; /* after shelf_open() */
    struct query_error error;
};

/* JSON is written with ' for "; mapping NULL: fields come by themselves. */
void shelf_init(struct shelf *shelf, const char *mapping);
void shelf_deinit(struct shelf *shelf);

/* A segment of these; a document's id is how many there were before it. */
void shelf_add(struct shelf *shelf, const char *const *docs, size_t count);
void shelf_delete(struct shelf *shelf, uint32_t doc);
void shelf_open(struct shelf *shelf);

/* With " for ', in the arena. */
struct span shelf_quoted(struct shelf *shelf, const char *text);
json_t *shelf_json(struct shelf *shelf, const char *text);
struct query *shelf_query(struct shelf *shelf, const char *text);
