/* query_kit.h - what tests of queries share. */
#pragma once

#include "search/query/query.h"
#include "tests/test.h"

struct bench {
    struct arena arena;
    struct buf out;
    struct query_error error;
};

void bench_init(struct bench *bench);
void bench_deinit(struct bench *bench);

/* The document, or the text, is gone when the tree is looked at. */
struct query *bench_read_json(struct bench *bench, struct span json);
struct query *bench_read_text(struct bench *bench, struct span text,
                              const struct query_syntax *syntax);

/* text: what was read, for when it was not. */
void bench_assert_prints(struct bench *bench, const struct query *query,
                         struct span text, struct span expected);
