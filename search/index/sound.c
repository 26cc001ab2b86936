/* sound.c - see sound.h. */
#include "search/index/sound.h"
#include "search/index/list.h"
#include "search/index/varint.h"

#define WIDTH_MAX 32
#define TAKEN_MAX 5 /* bytes of a number that varint_take() reads */

/* What is left of some bytes; at NULL: it was not as it should be. */
struct walk {
    const unsigned char *at, *end;
};

static struct walk walk_over(struct span bytes)
{
    const unsigned char *at = (const unsigned char *)bytes.ptr;

    return (struct walk){at, at + bytes.len};
}

static size_t left(const struct walk *walk)
{
    return walk->at ? (size_t)(walk->end - walk->at) : 0;
}

static const unsigned char *skip(struct walk *walk, uint64_t size)
{
    const unsigned char *at = walk->at;

    walk->at = at && size <= left(walk) ? at + size : NULL;
    return walk->at ? at : NULL;
}

static uint64_t number(struct walk *walk, uint64_t most)
{
    uint64_t value = 0;

    if (walk->at)
        walk->at = varint_read(walk->at, walk->end, &value);
    if (value > most)
        walk->at = NULL;
    return walk->at ? value : 0;
}

static uint32_t number_32(struct walk *walk)
{
    const unsigned char *from = walk->at;
    uint32_t value = (uint32_t)number(walk, UINT32_MAX);

    if (walk->at && walk->at - from > TAKEN_MAX)
        walk->at = NULL;
    return value;
}

/* ---- columns */

static bool rises(const struct packed *packed, bool strictly)
{
    for (uint32_t i = 1; i < packed->count; i++) {
        int64_t before = packed_get(packed, i - 1);
        int64_t value = packed_get(packed, i);
        if (value < before || (strictly && value == before))
            return false;
    }
    return true;
}

const char *sound_stored(const struct stored *stored)
{
    return rises(&stored->firsts, true) && rises(&stored->offsets, true)
               ? NULL
               : "blocks that do not rise";
}

const char *sound_ids(const struct ids *ids, uint32_t docs, uint32_t *taken)
{
    uint32_t slots = UINT32_C(1) << ids->slot_bits;

    *taken = 0;
    if (!rises(&ids->offsets, false))
        return "they overlap";
    for (uint32_t i = 0; i < slots; i++) {
        uint32_t slot;
        memcpy(&slot, ids->slots + (size_t)i * sizeof(slot), sizeof(slot));
        if (slot == UINT32_MAX)
            continue;
        ++*taken;
        if ((slot & (slots - 1)) >= docs)
            return "a document that is not there";
    }
    return *taken < slots ? NULL : "no slot is free";
}

static const char *sound_presence(const struct values *values)
{
    uint32_t before = 0;

    if (!values->bits)
        return NULL;
    for (uint32_t doc = 0; doc <= values->docs; doc += VALUES_RANK) {
        uint32_t rest = values->docs - doc;
        uint32_t end = rest < VALUES_RANK ? values->docs : doc + VALUES_RANK;
        if (values_before(values, doc) != before)
            return "who has one is miscounted";
        before += bitmap_count(values->bits, doc, end);
    }
    return before == values->have ? NULL : "who has one is miscounted";
}

const char *sound_values(const struct values *values)
{
    const struct packed *numbers = &values->numbers;

    if (values->firsts.count && !rises(&values->firsts, true))
        return "documents whose values overlap";
    if (values->kind != VALUES_KEYWORD)
        return sound_presence(values);
    if (!rises(&values->keywords, false))
        return "keywords that overlap";
    for (uint32_t i = 0; i < numbers->count; i++)
        if ((uint64_t)packed_get(numbers, i) >= values_keywords(values))
            return "a keyword that is not there";
    return sound_presence(values);
}

/* ---- a dictionary */

struct dict_walk {
    const struct dict *dict;
    uint32_t docs;
    uint64_t lists, places; /* before the term */
    struct walk in;         /* of the block */
};

static uint32_t indexed(const struct dict *dict, uint32_t block, size_t which)
{
    uint32_t value;

    memcpy(&value,
           dict->index.ptr + (2 * (size_t)block + which) * sizeof(value),
           sizeof(value));
    return value;
}

static void walk_entry(struct dict_walk *walk)
{
    uint32_t count = number_32(&walk->in);

    if (count == 0 || count > walk->docs) {
        walk->in.at = NULL;
    } else if (count == 1) {
        number(&walk->in, walk->docs - 1);
        if (number_32(&walk->in) == 0)
            walk->in.at = NULL;
    } else {
        number(&walk->in, UINT32_MAX - count);
        walk->lists += number_32(&walk->in);
    }
    if (walk->dict->has_places)
        walk->places += number(&walk->in, UINT32_MAX);
}

/* key: what its first term is to be. */
static bool walk_block(struct dict_walk *walk, struct span key, bool is_last)
{
    size_t terms = 0;
    size_t before = 0; /* bytes of the term before */

    if (number(&walk->in, UINT64_MAX) != walk->lists ||
        (walk->dict->has_places &&
         number(&walk->in, UINT64_MAX) != walk->places))
        return false;
    for (; walk->in.at && left(&walk->in); terms++) {
        uint64_t shared = number(&walk->in, before);
        uint64_t len = number(&walk->in, INVERTER_TERM_MAX - shared);
        const unsigned char *rest = skip(&walk->in, len);
        if (!rest || (terms == 0 &&
                      !span_eq((struct span){(const char *)rest, len}, key)))
            return false;
        before = (size_t)(shared + len);
        walk_entry(walk);
    }
    return walk->in.at &&
           (is_last ? terms >= 1 && terms <= DICT_BLOCK : terms == DICT_BLOCK);
}

const char *sound_dict(const struct dict *dict, uint32_t docs, uint64_t lists,
                       uint64_t places)
{
    struct dict_walk walk = {.dict = dict, .docs = docs};
    uint32_t last = dict->block_count;

    if (indexed(dict, 0, 0) || indexed(dict, 0, 1) ||
        indexed(dict, last, 0) != dict->blocks.len ||
        indexed(dict, last, 1) != dict->keys.len)
        return "an index of other sizes";
    for (uint32_t block = 0; block < last; block++) {
        uint32_t from = indexed(dict, block, 0);
        uint32_t end = indexed(dict, block + 1, 0);
        uint32_t key = indexed(dict, block, 1);
        uint32_t key_end = indexed(dict, block + 1, 1);
        if (from > end || end > dict->blocks.len || key > key_end ||
            key_end > dict->keys.len)
            return "an index that does not rise";
        walk.in = walk_over((struct span){dict->blocks.ptr + from, end - from});
        if (!walk_block(&walk,
                        (struct span){dict->keys.ptr + key, key_end - key},
                        block + 1 == last))
            return "a block that cannot be read";
    }
    return walk.lists == lists && walk.places == places
               ? NULL
               : "lists or positions of other sizes";
}

/* ---- a list */

static bool walk_patched(struct walk *walk, struct patched patched)
{
    size_t high = (size_t)patched.patches * patched.more;

    return patched.width + patched.more <= WIDTH_MAX &&
           skip(walk,
                bits_size(patched.width) + patched.patches + (high + 7) / 8);
}

/* behind: the document behind the one before them.  Returns the one behind the
   last of them; 0: they cannot be read. */
static uint64_t walk_short(struct walk *walk, uint32_t count, uint64_t behind,
                           uint32_t docs)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t gap = number_32(walk);
        behind += (uint64_t)(gap >> 1) + 1;
        if (!walk->at || behind > docs || (!(gap & 1) && number_32(walk) == 0))
            return 0;
    }
    return left(walk) ? 0 : behind;
}

static bool walk_set(struct walk *walk, uint32_t behind, uint32_t last)
{
    size_t words = list_set_words(behind, last);
    const unsigned char *bits = skip(walk, words * sizeof(uint64_t));
    uint32_t first = behind / 64 * 64;

    return bits && words <= BITS_SET_MAX && bitmap_has(bits, last - first) &&
           bitmap_count(bits, behind - first, last - first + 1) == LIST_BLOCK &&
           bitmap_count(bits, 0, (uint32_t)words * 64) == LIST_BLOCK;
}

static bool walk_gaps(struct walk *walk, unsigned width, uint32_t behind,
                      uint32_t last)
{
    const struct bits_kernel *kernels[2];
    const unsigned char *bits = skip(walk, bits_size(width));
    uint32_t gaps[LIST_BLOCK];
    uint64_t next = behind;

    bits_kernels(kernels);
    if (!bits)
        return false;
    kernels[0]->unpack(bits, width, 0, gaps);
    for (size_t i = 0; i < LIST_BLOCK; i++)
        next += (uint64_t)gaps[i] + 1;
    return next == (uint64_t)last + 1;
}

/* rest: documents from it on. */
static bool walk_list_block(struct walk *walk, const struct list_block *block,
                            uint32_t behind, uint32_t rest)
{
    unsigned width = block->doc_width;

    if (rest < LIST_BLOCK)
        return walk_short(walk, rest, behind, block->last + 1) ==
               (uint64_t)block->last + 1;
    if (width != LIST_SET && width > WIDTH_MAX)
        return false;
    return (width == LIST_SET ? walk_set(walk, behind, block->last)
                              : walk_gaps(walk, width, behind, block->last)) &&
           walk_patched(walk, block->freqs);
}

/* Each has some impacts, behind those of the last block. */
static const char *look_at_groups(const unsigned char *table, size_t groups,
                                  uint32_t before, uint32_t impacts)
{
    for (size_t i = 0; i < groups; i++) {
        uint32_t first;
        memcpy(&first, table + i * sizeof(first), sizeof(first));
        if (first <= before || first >= impacts)
            return "a group without impacts";
        before = first;
    }
    return NULL;
}

/* table: of blocks, then of groups. */
static const char *walk_blocks(struct walk *walk, const unsigned char *blocks,
                               uint32_t impacts, uint32_t count, uint32_t docs)
{
    const unsigned char *begin = walk->at;
    struct list_block before = {0};

    for (uint32_t i = 0; i < list_blocks(count); i++) {
        struct list_block block;
        uint32_t behind = i ? before.last + 1 : 0;
        memcpy(&block, blocks + i * sizeof(block), sizeof(block));
        if (block.last < behind || block.last >= docs)
            return "documents that do not rise, or are not there";
        if (block.impacts >= impacts ||
            (i ? block.impacts <= before.impacts : block.impacts > 0))
            return "a block without impacts";
        if (!walk->at || block.bits != (size_t)(walk->at - begin) ||
            !walk_list_block(walk, &block, behind, count - i * LIST_BLOCK))
            return "a block that cannot be read";
        before = block;
    }
    if (left(walk))
        return "it is longer than its blocks";
    return look_at_groups(blocks + list_blocks(count) * sizeof(before),
                          list_groups(list_blocks(count)), before.impacts,
                          impacts);
}

const char *sound_list(struct span bytes, uint32_t count, uint32_t docs)
{
    struct walk walk = walk_over(bytes);
    size_t blocks = list_blocks(count);
    uint32_t impacts = 0;

    if (blocks == 0)
        return walk_short(&walk, count, 0, docs) ? NULL : "it cannot be read";
    const unsigned char *head = skip(&walk, sizeof(impacts));
    const unsigned char *table =
        skip(&walk, blocks * sizeof(struct list_block) +
                        list_groups(blocks) * sizeof(uint32_t));
    if (table)
        memcpy(&impacts, head, sizeof(impacts));
    if (!skip(&walk, impacts * sizeof(struct list_impact)))
        return "it is shorter than its blocks";
    return walk_blocks(&walk, table, impacts, count, docs);
}

/* ---- positions */

const char *sound_places(struct span bytes, uint32_t count)
{
    struct walk walk = walk_over(bytes);
    uint32_t full = count / LIST_BLOCK;
    size_t size = full ? (full + (size_t)1) * sizeof(struct list_places) : 0;
    const unsigned char *table = skip(&walk, size);
    const unsigned char *begin = walk.at;

    for (uint32_t i = 0; table && full && i <= full; i++) {
        struct list_places block;
        memcpy(&block, table + i * sizeof(block), sizeof(block));
        if (!walk.at || block.offset != (size_t)(walk.at - begin) ||
            (i < full && !walk_patched(&walk, block.numbers)))
            return "a block that cannot be read";
    }
    for (uint32_t i = 0; i < count % LIST_BLOCK; i++)
        number_32(&walk);
    return walk.at && !left(&walk) ? NULL : "they are more or fewer";
}
