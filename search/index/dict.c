/* dict.c - see dict.h. */
#include <assert.h>

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

size_t dict_shared(struct span a, struct span b)
{
    size_t len = 0;

    while (len < a.len && len < b.len && a.ptr[len] == b.ptr[len])
        len++;
    return len;
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

/* The last block whose first term is not behind it; if all are, the first. */
static uint32_t block_of(const struct dict *dict, struct span term)
{
    uint32_t from = 0;
    uint32_t to = dict->block_count;

    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (span_compare(first_term(dict, middle), term) <= 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from ? from - 1 : 0;
}

/* ---- a block */

static uint64_t number(struct dict_scan *scan)
{
    uint64_t value = 0;

    if (scan->at < scan->end && *scan->at < 128) /* as most are */
        return *scan->at++;
    const unsigned char *next = varint_read(scan->at, scan->end, &value);

    scan->at = next ? next : scan->end;
    return value;
}

static struct dict_scan begin(const struct dict *dict, uint32_t block)
{
    const unsigned char *blocks = (const unsigned char *)dict->blocks.ptr;
    struct dict_scan scan = {.at = blocks + indexed(dict, block, 0),
                             .end = blocks + indexed(dict, block + 1, 0),
                             .has_places = dict->has_places};

    scan.list = number(&scan);
    if (scan.has_places)
        scan.places = number(&scan);
    return scan;
}

static void read_entry(struct dict_scan *scan, struct dict_entry *entry)
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

/* ---- a cursor */

static void enter(struct dict_cursor *cursor, uint32_t block)
{
    cursor->block = block;
    cursor->scan = begin(cursor->dict, block);
    cursor->ordinal = block * DICT_BLOCK - 1; /* before its first */
}

/* A term of the block, as it is written. */
struct written {
    size_t shared; /* bytes, with the one before it in the block */
    struct span rest;
};

static bool read_next(struct dict_cursor *cursor, struct written *term)
{
    struct dict_scan *scan = &cursor->scan;

    if (scan->at == scan->end)
        return false;
    term->shared = (size_t)number(scan);
    term->rest.len = (size_t)number(scan);
    term->rest.ptr = (const char *)scan->at;
    assert(term->rest.len <= (size_t)(scan->end - scan->at) &&
           term->shared + term->rest.len <= sizeof(cursor->bytes));
    scan->at += term->rest.len;
    read_entry(scan, &cursor->entry);
    cursor->ordinal++;
    return true;
}

/* The bytes that it shares are there. */
static bool take(struct dict_cursor *cursor, const struct written *term,
                 size_t shared)
{
    memcpy(cursor->bytes + term->shared, term->rest.ptr, term->rest.len);
    cursor->term = (struct span){cursor->bytes, term->shared + term->rest.len};
    cursor->shared = shared;
    return true;
}

/* To the first term of the block that shares fewer than len bytes. */
static bool skip_in_block(struct dict_cursor *cursor, size_t len)
{
    struct written term;

    while (read_next(cursor, &term)) {
        size_t shared = cursor->ordinal % DICT_BLOCK
                            ? term.shared
                            : dict_shared(cursor->term, term.rest);
        if (shared < len)
            return take(cursor, &term, shared);
    }
    return false;
}

/* The last block behind this one that begins with the prefix; if none does, the
   next one.  It is likely to be near, so steps grow from one. */
static uint32_t last_block_with(const struct dict_cursor *cursor,
                                struct span prefix)
{
    const struct dict *dict = cursor->dict;
    uint32_t block = cursor->block + 1;

    for (uint32_t step = 1; step > 0;) {
        bool begins = block + step < dict->block_count &&
                      span_has_prefix(first_term(dict, block + step), prefix);
        block += begins ? step : 0;
        step = begins ? step * 2 : step / 2;
    }
    return block;
}

bool dict_cursor_skip(struct dict_cursor *cursor, size_t len)
{
    while (!skip_in_block(cursor, len)) {
        struct span prefix = {cursor->bytes, len};
        if (cursor->block + 1 >= cursor->dict->block_count)
            return false;
        enter(cursor, len > cursor->term.len ? cursor->block + 1
                                             : last_block_with(cursor, prefix));
    }
    return true;
}

bool dict_cursor_next(struct dict_cursor *cursor)
{
    return dict_cursor_skip(cursor, SIZE_MAX);
}

/*
 * Terms rise, so what a term shares with from does until it is past it: one
 * that shares more with the one before it than that one did with from is before
 * from as well; one that shares less is behind it, and only else its bytes are
 * looked at.
 */
bool dict_cursor_seek(struct dict_cursor *cursor, const struct dict *dict,
                      struct span from)
{
    size_t same = 0; /* of from and the one before */
    struct written term;

    if (dict->block_count == 0)
        return false;
    from = from.len ? from : SPAN("");
    cursor->dict = dict;
    cursor->term = (struct span){cursor->bytes, 0};
    enter(cursor, block_of(dict, from));
    while (read_next(cursor, &term)) {
        if (term.shared > same)
            continue;
        struct span wanted = span_skip(from, term.shared);
        same = term.shared + dict_shared(term.rest, wanted);
        if (span_compare(term.rest, wanted) < 0)
            continue;
        memcpy(cursor->bytes, from.ptr, term.shared);
        return take(cursor, &term, 0);
    }
    return dict_cursor_next(cursor);
}

bool dict_cursor_seek_ordinal(struct dict_cursor *cursor,
                              const struct dict *dict, uint32_t ordinal)
{
    uint32_t block = ordinal / DICT_BLOCK;
    bool more = block < dict->block_count &&
                dict_cursor_seek(cursor, dict, first_term(dict, block));

    while (more && cursor->ordinal < ordinal)
        more = dict_cursor_next(cursor);
    cursor->shared = 0;
    return more;
}

bool dict_find(const struct dict *dict, struct span term,
               struct dict_entry *entry)
{
    struct dict_cursor cursor;

    if (!dict_cursor_seek(&cursor, dict, term) || !span_eq(cursor.term, term))
        return false;
    *entry = cursor.entry;
    return true;
}
