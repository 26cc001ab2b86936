/*
 * values.h - what the documents of a segment have in a field, by document: to
 * sort by it, to compare with bounds, to count what is the same.
 *
 *   kind         32 bits: enum values_kind
 *   have         32 bits: documents that have a value
 *   range        a struct values_range: of all values
 *   ranges       the same of each VALUES_BLOCK documents, the last ones fewer
 *   numbers      packed (packed.h): of each document its values, rising
 *   firsts       if there are more numbers than documents that have one,
 *                packed: where the numbers of each of those begin; one more,
 *                of their end
 *   presence     if some documents have a value and some have none, a bit each
 *                (bitmap.h); then, 32 bits each, how many of those before the
 *                documents 0, 512, 1024 .. up to their count have one
 *   keywords     of VALUES_KEYWORD, packed: where each begins among the bytes;
 *                one more, of their end.  They are different and rise; numbers
 *                are their places among them, ordinals.
 *   bytes        of the keywords
 *
 * A double is a number by its bits; where it is negative all but the sign are
 * turned, so that numbers lie as doubles do.
 */
#pragma once

#include "search/index/bitmap.h"
#include "search/index/ids.h"

#define VALUES_BLOCK 1024
#define VALUES_RANK 512
/* Bytes of a keyword, as Lucene's: who takes documents refuses a longer one. */
#define VALUES_KEYWORD_MAX 32766

enum values_kind {
    VALUES_INT64,   /* a long, milliseconds of a date, 0 or 1 */
    VALUES_DOUBLE,  /* not NaN; -0.0 is 0.0 */
    VALUES_KEYWORD, /* any bytes */
};

/* Of none it is INT64_MAX and INT64_MIN. */
struct values_range {
    int64_t min, max;
};

/* ---- writing: all is kept until it is finished */

struct values_writer {
    enum values_kind kind;
    struct ids_writer keywords; /* different ones, as they came */
    struct buf docs;            /* uint32_t: those that have one */
    uint32_t last;              /* of them */
    struct buf numbers, firsts; /* int64_t */
};

/* seed: of the hash of keywords, as of ids_writer_init(). */
void values_writer_init(struct values_writer *writer, enum values_kind kind,
                        uint64_t seed);
void values_writer_deinit(struct values_writer *writer);

/*
 * By the writer's kind; documents do not fall.  Several values of one are a
 * set of keywords, but all numbers, also those that are the same.
 */
void values_writer_add_long(struct values_writer *writer, uint32_t doc,
                            int64_t value);
/* False, and nothing is added: it is NaN. */
bool values_writer_add_double(struct values_writer *writer, uint32_t doc,
                              double value);
void values_writer_add_keyword(struct values_writer *writer, uint32_t doc,
                               struct span value);
/* Bytes that it has, about. */
static inline size_t values_writer_size(const struct values_writer *writer)
{
    return writer->docs.cap + writer->numbers.cap + writer->firsts.cap +
           writer->keywords.bytes.cap + writer->keywords.offsets.cap;
}
/* Once, after the last one; docs: of the segment. */
void values_writer_finish(struct values_writer *writer, uint32_t docs,
                          struct buf *out);

int64_t values_from_double(double value);
double values_double(int64_t number);

/* ---- reading: borrows the section, which is sound */

struct values {
    enum values_kind kind;
    uint32_t docs, have;
    struct values_range range;
    const char *ranges;
    struct packed numbers;
    struct packed firsts;     /* no count: one each */
    const char *bits, *ranks; /* NULL: all or none have one */
    struct packed keywords;
    struct span bytes;
};

/* False, values untouched: by its sizes it is not of so many documents. */
bool values_init(struct values *values, struct span section, uint32_t docs);

/* Documents before this one, which may be their count, that have a value. */
static inline uint32_t values_before(const struct values *values, uint32_t doc)
{
    uint32_t before;

    if (!values->bits)
        return values->have ? doc : 0;
    memcpy(&before, values->ranks + doc / VALUES_RANK * sizeof(before),
           sizeof(before));
    return before +
           bitmap_count(values->bits, doc / VALUES_RANK * VALUES_RANK, doc);
}

/* How many this document has, and which of the numbers is the first. */
static inline uint32_t values_all(const struct values *values, uint32_t doc,
                                  uint32_t *first)
{
    if (values->bits ? !bitmap_has(values->bits, doc) : !values->have)
        return 0;
    uint32_t before = values_before(values, doc);
    *first = before;
    if (!values->firsts.count)
        return 1;
    *first = (uint32_t)packed_get(&values->firsts, before);
    return (uint32_t)packed_get(&values->firsts, before + 1) - *first;
}

/* How many. */
static inline uint32_t values_count(const struct values *values, uint32_t doc)
{
    uint32_t first;

    return values_all(values, doc, &first);
}

/* The i-th of a document that has so many; of keywords its ordinal. */
static inline int64_t values_get(const struct values *values, uint32_t doc,
                                 uint32_t i)
{
    uint32_t first = values_before(values, doc);

    if (values->firsts.count)
        first = (uint32_t)packed_get(&values->firsts, first);
    return packed_get(&values->numbers, first + i);
}

/* How many of the block's documents have a value, and the range of all. */
uint32_t values_block_range(const struct values *values, uint32_t block,
                            struct values_range *range);

/* Different ones. */
static inline uint32_t values_keywords(const struct values *values)
{
    return values->keywords.count - 1;
}

static inline struct span values_keyword(const struct values *values,
                                         uint32_t ordinal)
{
    return packed_span(&values->keywords, values->bytes, ordinal);
}

/* The ordinal of the first keyword that is not before it, or their count;
   exact: it is that one. */
uint32_t values_find(const struct values *values, struct span keyword,
                     bool *exact);
