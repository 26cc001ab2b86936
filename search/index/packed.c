/* packed.c - see packed.h. */
#include <assert.h>

#include "search/index/packed.h"

#define WORD 64
#define LOADED 57 /* bits that one load has, wherever in a byte they begin */

struct head {
    uint64_t base, step;
    uint32_t count, width;
};
_Static_assert(sizeof(struct head) == 24, "as in a segment");

static size_t size_of(const struct head *head)
{
    size_t bits = (size_t)head->count * head->width;

    return ((bits + WORD - 1) / WORD + 1) * sizeof(uint64_t);
}

static uint64_t divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static struct head measure(const int64_t *numbers, size_t count)
{
    struct head head = {.count = (uint32_t)count};
    int64_t min = count ? numbers[0] : 0;
    int64_t max = min;

    for (size_t i = 0; i < count; i++) {
        min = numbers[i] < min ? numbers[i] : min;
        max = numbers[i] > max ? numbers[i] : max;
    }
    head.base = (uint64_t)min;
    for (size_t i = 0; i < count && head.step != 1; i++)
        head.step = divisor(head.step, (uint64_t)numbers[i] - head.base);
    uint64_t most = head.step ? ((uint64_t)max - head.base) / head.step : 0;
    head.width = most ? WORD - (uint32_t)__builtin_clzll(most) : 0;
    if (head.width > LOADED)
        head.width = WORD;
    return head;
}

void packed_append(struct buf *out, const struct buf *buf)
{
    const int64_t *numbers = (const int64_t *)buf->ptr;
    size_t count = buf->len / sizeof(*numbers);

    assert(count <= UINT32_MAX);
    struct head head = measure(numbers, count);
    buf_append_bytes(out, &head, sizeof(head));
    char *bits = memset(buf_reserve(out, size_of(&head)), 0, size_of(&head));
    for (size_t i = 0; i < count && head.width; i++) {
        size_t bit = i * head.width;
        uint64_t steps = ((uint64_t)numbers[i] - head.base) / head.step;
        uint64_t word;
        memcpy(&word, bits + bit / 8, sizeof(word));
        word |= steps << bit % 8;
        memcpy(bits + bit / 8, &word, sizeof(word));
    }
    buf_commit(out, size_of(&head));
}

bool packed_take(struct span *rest, struct packed *packed)
{
    struct head head;

    if (rest->len < sizeof(head))
        return false;
    memcpy(&head, rest->ptr, sizeof(head));
    if ((head.width > LOADED && head.width != WORD) ||
        rest->len - sizeof(head) < size_of(&head))
        return false;
    *packed = (struct packed){
        .bits = rest->ptr + sizeof(head),
        .base = head.base,
        .step = head.step,
        .mask = head.width ? UINT64_MAX >> (WORD - head.width) : 0,
        .count = head.count,
        .width = head.width};
    *rest = span_skip(*rest, sizeof(head) + size_of(&head));
    return true;
}

bool packed_covers(const struct packed *packed, uint64_t count,
                   struct span bytes)
{
    return packed->count == count + 1 && packed_get(packed, 0) == 0 &&
           (uint64_t)packed_get(packed, packed->count - 1) == bytes.len;
}
