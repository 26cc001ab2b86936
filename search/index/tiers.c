/* tiers.c - see tiers.h. */
#include "search/index/tiers.h"

static uint64_t live_bytes(const struct tiers_segment *segment)
{
    double part = (double)segment->live / (double)segment->docs;

    return (uint64_t)((double)segment->bytes * part);
}

static unsigned tier_of(const struct tiers *tiers,
                        const struct tiers_segment *segment)
{
    uint64_t bytes = live_bytes(segment);
    unsigned tier = 0;

    for (; bytes > tiers->floor; bytes /= tiers->factor)
        tier++;
    return tier;
}

/* How many from the first on are of a tier or smaller ones, and can be one; 0:
   it is not worth it, as most of the bytes would be written for few others. */
static size_t run_length(const struct tiers *tiers,
                         const struct tiers_segment *segments, size_t count,
                         unsigned tier)
{
    uint64_t sum = 0;
    uint64_t largest = 0;
    size_t length = 0;

    for (; length < count; length++) {
        uint64_t bytes = live_bytes(&segments[length]);
        if (tier_of(tiers, &segments[length]) > tier ||
            sum + bytes > tiers->most)
            break;
        bytes = bytes > tiers->floor ? bytes : tiers->floor;
        sum += bytes;
        largest = bytes > largest ? bytes : largest;
    }
    return length >= tiers->factor && sum >= 2 * largest ? length : 0;
}

static bool choose_deleted(const struct tiers_segment *segments, size_t count,
                           struct tiers_range *range)
{
    for (size_t i = 0; i < count; i++)
        if (segments[i].live < segments[i].docs - segments[i].live) {
            *range = (struct tiers_range){i, 1};
            return true;
        }
    return false;
}

bool tiers_choose(const struct tiers *tiers,
                  const struct tiers_segment *segments, size_t count,
                  struct tiers_range *range)
{
    unsigned highest = 0;

    for (size_t i = 0; i < count; i++) {
        unsigned tier = tier_of(tiers, &segments[i]);
        highest = tier > highest ? tier : highest;
    }
    for (unsigned tier = 0; tier <= highest; tier++)
        for (size_t from = 0; from < count; from++) {
            size_t length =
                run_length(tiers, segments + from, count - from, tier);
            if (!length)
                continue;
            *range = (struct tiers_range){from, length};
            return true;
        }
    return choose_deleted(segments, count, range);
}
