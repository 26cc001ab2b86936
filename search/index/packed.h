/*
 * packed.h - numbers of 64 bits, any of which is read by its place: how many
 * steps it lies above the smallest, in as many bits as the largest needs
 * (J. Goldstein, R. Ramakrishnan, U. Shaft: "Compressing Relations and
 * Indexes", 1998: frame of reference).
 *
 *   base    64 bits: the smallest
 *   step    64 bits: the greatest common divisor of what the numbers are above
 *           it; 0 where all are the same
 *   count   32 bits
 *   width   32 bits: 0 to 57, or 64
 *   words   of 64 bits: (number - base) / step of each in width bits, the
 *           lowest first; 0 up to the word's end, and one word of 0 more, so
 *           that one load reads a number
 *
 * All is little-endian, at any address.
 */
#pragma once

#include "common/buf.h"

/* Takes the bytes of a section piece by piece; they are borrowed until it
   returns. */
typedef void (*section_put)(void *arg, struct span bytes);

/* ---- writing: numbers are a buf of int64_t, fewer than 2^32 */

static inline void packed_add(struct buf *numbers, int64_t number)
{
    buf_append_bytes(numbers, &number, sizeof(number));
}

void packed_append(struct buf *out, const struct buf *numbers);

/* ---- reading: borrows the bytes, which are sound */

struct packed {
    const char *bits;
    uint64_t base, step, mask;
    uint32_t count, width;
};

/* Numbers as they are, before they are packed. */
static inline struct packed packed_view(const struct buf *numbers)
{
    return (struct packed){.bits = numbers->ptr,
                           .step = 1,
                           .mask = UINT64_MAX,
                           .count = (uint32_t)(numbers->len / sizeof(int64_t)),
                           .width = 64};
}

/* Take it off the front of *rest.  False, both untouched: by its sizes it is
   not there. */
bool packed_take(struct span *rest, struct packed *packed);

static inline int64_t packed_get(const struct packed *packed, uint32_t i)
{
    size_t bit = (size_t)i * packed->width;
    uint64_t word;

    memcpy(&word, packed->bits + bit / 8, sizeof(word));
    return (int64_t)(packed->base +
                     (word >> bit % 8 & packed->mask) * packed->step);
}

/* Strings lie one behind the other: where each begins is packed, and the end
   of all.  The one of this number. */
static inline struct span packed_span(const struct packed *packed,
                                      struct span bytes, uint32_t i)
{
    size_t from = (size_t)packed_get(packed, i);

    return (struct span){bytes.ptr + from,
                         (size_t)packed_get(packed, i + 1) - from};
}

/* Whether it is of so many strings, which have these bytes. */
bool packed_covers(const struct packed *packed, uint64_t count,
                   struct span bytes);
