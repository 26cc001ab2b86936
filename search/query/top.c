/* top.c - see top.h. */
#include <assert.h>

#include "common/clock.h"
#include "search/query/top.h"

static bool is_worse(struct top_hit a, struct top_hit b)
{
    return a.score < b.score || (a.score == b.score && a.doc > b.doc);
}

void top_init(struct top *top, struct top_hit *hits, size_t most)
{
    *top = (struct top){
        .hits = hits, .most = most, .least = -1, .count_most = UINT64_MAX};
}

bool top_is_late(struct top *top)
{
    if (top->deadline_us && !top->late)
        top->late = clock_mono_us() > top->deadline_us;
    return top->late;
}

static void rise(struct top *top, size_t at)
{
    struct top_hit hit = top->hits[at];

    while (at > 0 && is_worse(hit, top->hits[(at - 1) / 2])) {
        top->hits[at] = top->hits[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    top->hits[at] = hit;
}

static void sink(struct top *top, struct top_hit hit)
{
    size_t at = 0;

    for (size_t next = 1; next < top->count; next = 2 * at + 1) {
        if (next + 1 < top->count &&
            is_worse(top->hits[next + 1], top->hits[next]))
            next++;
        if (!is_worse(top->hits[next], hit))
            break;
        top->hits[at] = top->hits[next];
        at = next;
    }
    top->hits[at] = hit;
}

void top_add(struct top *top, uint32_t doc, float score)
{
    struct top_hit hit = {.score = score, .doc = doc + top->base};

    if (top->count < top->most) {
        top->hits[top->count] = hit;
        rise(top, top->count++);
        return;
    }
    assert(top->count > 0);
    sink(top, hit);
}

void top_add_all(struct top *top, const uint32_t *docs, const double *scores,
                 size_t count)
{
    for (size_t i = 0; i < count; i++)
        if ((float)scores[i] > top_threshold(top) &&
            (!top->live || live_has(top->live, docs[i])))
            top_add(top, docs[i], (float)scores[i]);
}

/* The worst of the rest goes behind it. */
void top_sort(struct top *top)
{
    size_t count = top->count;

    while (top->count > 1) {
        struct top_hit worst = top->hits[0];
        top->count--;
        sink(top, top->hits[top->count]);
        top->hits[top->count] = worst;
    }
    top->count = count;
}
