/* dict.c - see dict.h. */
#include "search/index/dict.h"
#include "search/index/varint.h"

#define INDEXED 8 /* bytes of a block's */

bool dict_init(struct dict *dict, struct span blocks, struct span index,
               struct span keys, bool has_places)
{
    if (index.len < INDEXED || index.len % INDEXED != 0 ||
        index.len / INDEXED > UINT32_MAX)
        return false;
    *dict = (struct dict){.blocks = blocks,
                          .index = index,
                          .keys = keys,
                          .block_count = (uint32_t)(index.len / INDEXED - 1),
                          .has_places = has_places};
    return true;
}

static uint32_t indexed(const struct dict *dict, uint32_t block, size_t which)
{
    uint32_t value;

    memcpy(&value,
           dict->index.ptr + (size_t)block * INDEXED + which * sizeof(value),
           sizeof(value));
    return value;
}

static struct span first_term(const struct dict *dict, uint32_t block)
{
    uint32_t from = indexed(dict, block, 1);

    return (struct span){dict->keys.ptr + from,
                         indexed(dict, block + 1, 1) - from};
}

static int compare(struct span a, struct span b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = memcmp(a.ptr, b.ptr, len);

    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* The last block whose first term is not behind it; block_count: none. */
static uint32_t block_of(const struct dict *dict, struct span term)
{
    uint32_t from = 0;
    uint32_t to = dict->block_count;

    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (compare(first_term(dict, middle), term) <= 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from ? from - 1 : dict->block_count;
}

/* ---- a block */

struct scan {
    const unsigned char *at, *end;
    uint64_t list, places;
    bool has_places;
};

static uint64_t number(struct scan *scan)
{
    uint64_t value = 0;
    const unsigned char *next = varint_read(scan->at, scan->end, &value);

    scan->at = next ? next : scan->end;
    return value;
}

static struct scan begin(const struct dict *dict, uint32_t block)
{
    const unsigned char *blocks = (const unsigned char *)dict->blocks.ptr;
    struct scan scan = {.at = blocks + indexed(dict, block, 0),
                        .end = blocks + indexed(dict, block + 1, 0),
                        .has_places = dict->has_places};

    scan.list = number(&scan);
    if (scan.has_places)
        scan.places = number(&scan);
    return scan;
}

static void read_entry(struct scan *scan, struct dict_entry *entry)
{
    *entry = (struct dict_entry){.list = scan->list,
                                 .places = scan->places,
                                 .count = (uint32_t)number(scan)};
    if (entry->count == 1) {
        entry->doc = (uint32_t)number(scan);
        entry->freq = (uint32_t)number(scan);
        entry->total = entry->freq;
    } else {
        entry->total = entry->count + number(scan);
        entry->list_size = number(scan);
    }
    if (scan->has_places)
        entry->places_size = number(scan);
    scan->list += entry->list_size;
    scan->places += entry->places_size;
}

/*
 * Terms rise, so what the term shares with them does until they are past it:
 * one that shares less with the one before it than the term did is behind the
 * term; one that shares more is before it, and only else its bytes are looked
 * at.
 */
bool dict_find(const struct dict *dict, struct span term,
               struct dict_entry *entry)
{
    uint32_t block = block_of(dict, term);
    size_t same = 0; /* of the term and the one before */

    if (block == dict->block_count)
        return false;
    struct scan scan = begin(dict, block);
    while (scan.at < scan.end) {
        size_t shared = (size_t)number(&scan);
        size_t rest_len = (size_t)number(&scan);
        struct span rest = {(const char *)scan.at, rest_len};
        if (rest_len > (size_t)(scan.end - scan.at) || shared < same)
            return false;
        scan.at += rest_len;
        struct dict_entry found;
        read_entry(&scan, &found);
        if (shared > same)
            continue;
        struct span wanted = span_skip(term, same);
        size_t i = 0;
        while (i < rest.len && i < wanted.len && rest.ptr[i] == wanted.ptr[i])
            i++;
        same += i;
        if (i == rest.len && i == wanted.len) {
            *entry = found;
            return true;
        }
        if (i == wanted.len ||
            (i < rest.len &&
             (unsigned char)rest.ptr[i] > (unsigned char)wanted.ptr[i]))
            return false;
    }
    return false;
}
