/* values.c - see values.h. */
#include "search/index/values.h"

struct head {
    uint32_t kind, have;
    struct values_range range;
};
_Static_assert(sizeof(struct head) == 24, "as in a segment");

/* ---- doubles */

static int64_t turn(int64_t bits)
{
    return bits < 0 ? bits ^ INT64_MAX : bits;
}

int64_t values_from_double(double value)
{
    int64_t bits;

    value = value == 0 ? 0 : value;
    memcpy(&bits, &value, sizeof(bits));
    return turn(bits);
}

double values_double(int64_t number)
{
    int64_t bits = turn(number);
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* ---- sizes */

static bool take_presence(struct span *rest, struct values *values)
{
    size_t ranks = (values->docs / VALUES_RANK + (size_t)1) * sizeof(uint32_t);
    size_t size = bitmap_size(values->docs);

    if (values->have == 0 || values->have == values->docs)
        return true;
    if (rest->len < size + ranks)
        return false;
    values->bits = rest->ptr;
    values->ranks = rest->ptr + size;
    *rest = span_skip(*rest, size + ranks);
    return true;
}

static bool take_keywords(struct span *rest, struct values *values)
{
    if (values->kind != VALUES_KEYWORD)
        return rest->len == 0;
    if (!packed_take(rest, &values->keywords))
        return false;
    values->bytes = *rest;
    return packed_covers(&values->keywords, values->keywords.count - 1, *rest);
}

static bool take_numbers(struct span *rest, struct values *values)
{
    const struct packed *numbers = &values->numbers;
    size_t blocks = ((size_t)values->docs + VALUES_BLOCK - 1) / VALUES_BLOCK;

    values->ranges = rest->ptr;
    *rest = span_skip(*rest, blocks * sizeof(struct values_range));
    if (!packed_take(rest, &values->numbers))
        return false;
    if (numbers->count <= values->have)
        return numbers->count == values->have;
    return packed_take(rest, &values->firsts) &&
           packed_covers(&values->firsts, values->have,
                         (struct span){NULL, numbers->count});
}

bool values_init(struct values *values, struct span section, uint32_t docs)
{
    struct span rest = span_skip(section, sizeof(struct head));
    struct head head;

    if (section.len < sizeof(head))
        return false;
    memcpy(&head, section.ptr, sizeof(head));
    struct values read = {.kind = (enum values_kind)head.kind,
                          .docs = docs,
                          .have = head.have,
                          .range = head.range};
    if (head.kind > VALUES_KEYWORD || head.have > docs ||
        !take_numbers(&rest, &read) || !take_presence(&rest, &read) ||
        !take_keywords(&rest, &read))
        return false;
    *values = read;
    return true;
}

/* ---- reading */

uint32_t values_block_range(const struct values *values, uint32_t block,
                            struct values_range *range)
{
    uint32_t from = block * VALUES_BLOCK;
    uint32_t left = values->docs - from;
    uint32_t to = left < VALUES_BLOCK ? values->docs : from + VALUES_BLOCK;

    memcpy(range, values->ranges + block * sizeof(*range), sizeof(*range));
    return values_before(values, to) - values_before(values, from);
}

uint32_t values_find(const struct values *values, struct span keyword,
                     bool *exact)
{
    uint32_t from = 0;
    uint32_t to = values_keywords(values);
    int order = 1;

    *exact = false;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        order = span_compare(values_keyword(values, middle), keyword);
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
        *exact |= order == 0;
    }
    return from;
}
