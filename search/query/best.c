/* best.c - see best.h. */
#include "search/query/best.h"

void best_add(struct best *best, uint32_t item)
{
    uint32_t *items = best->items;
    size_t at = best->count++;

    while (at > 0 && best->is_behind(best->arg, item, items[(at - 1) / 2])) {
        items[at] = items[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    items[at] = item;
}

static void sink(struct best *best, uint32_t item)
{
    uint32_t *items = best->items;
    size_t at = 0;

    for (size_t next = 1; next < best->count; next = 2 * at + 1) {
        if (next + 1 < best->count &&
            best->is_behind(best->arg, items[next + 1], items[next]))
            next++;
        if (!best->is_behind(best->arg, items[next], item))
            break;
        items[at] = items[next];
        at = next;
    }
    items[at] = item;
}

uint32_t best_replace(struct best *best, uint32_t item)
{
    uint32_t last = best->items[0];

    sink(best, item);
    return last;
}

void best_offer(struct best *best, uint32_t item)
{
    if (!best_is_full(best))
        best_add(best, item);
    else if (best->most && best->is_behind(best->arg, best->items[0], item))
        best_replace(best, item);
}

void best_sort(struct best *best)
{
    size_t count = best->count;

    while (best->count > 1) {
        uint32_t last = best->items[0];
        uint32_t item = best->items[--best->count];
        sink(best, item);
        best->items[best->count] = last;
    }
    best->count = count;
}
