/* ablation.c - see ablation.h. */
#include <stddef.h>

#include "search/query/ablation.h"

static const struct {
    const char *name;
    size_t offset;
} switches[] = {
    {"union-bounds", offsetof(struct ablation, union_bounds)},
    {"intersection-bounds", offsetof(struct ablation, intersection_bounds)},
    {"phrase-bounds", offsetof(struct ablation, phrase_bounds)},
    {"first-look", offsetof(struct ablation, first_look)},
    {"shared-threshold", offsetof(struct ablation, shared_threshold)},
    {"block-scores", offsetof(struct ablation, block_scores)},
    {"counting", offsetof(struct ablation, counting)},
    {"simd", offsetof(struct ablation, simd)},
};

static bool *switch_of(struct ablation *without, struct span name)
{
    for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
        if (span_eq(name, span_str(switches[i].name)))
            return (bool *)((char *)without + switches[i].offset);
    return NULL;
}

bool ablation_read(struct ablation *without, struct span names,
                   struct span *unknown)
{
    while (names.len > 0) {
        struct span name;
        span_cut(&names, ',', &name);
        bool *found = switch_of(without, name);
        if (!found) {
            *unknown = name;
            return false;
        }
        *found = true;
    }
    return true;
}
