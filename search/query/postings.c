/* postings.c - see postings.h. */
#include <string.h>

#include "search/index/bits_set.h"
#include "search/index/varint.h"
#include "search/query/postings.h"

static uint32_t read_u32(const unsigned char *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static const unsigned char *entry_of(const struct postings *postings,
                                     uint32_t block)
{
    return postings->blocks + (size_t)block * sizeof(struct list_block);
}

static struct list_block block_at(const struct postings *postings,
                                  uint32_t block)
{
    struct list_block found;

    memcpy(&found, entry_of(postings, block), sizeof(found));
    return found;
}

uint32_t postings_block_last(const struct postings *postings, uint32_t block)
{
    return read_u32(entry_of(postings, block) +
                    offsetof(struct list_block, last));
}

/* The document behind the block before, or 0. */
static uint32_t behind_before(const struct postings *postings, uint32_t block)
{
    return block ? postings_block_last(postings, block - 1) + 1 : 0;
}

/* ---- a block's documents */

/* Of one document, whatever their lengths. */
static const unsigned char *read_one(const unsigned char *at, uint32_t *gap,
                                     uint32_t *freq)
{
    uint32_t first;

    at = varint_take(at, &first);
    *gap = first >> 1;
    *freq = 1;
    return first & 1 ? at : varint_take(at, freq);
}

/* Where the next one begins is known by the first byte alone, if no number is
   long: so it need not wait, and there is no branch that depends on it. */
static void read_short(struct postings *postings, const unsigned char *at,
                       uint32_t base)
{
    uint32_t last = postings->len ? postings->len - 1 : 0;
    uint32_t gap;

    for (uint32_t i = 0; i < last; i++) {
        uint32_t first = *at;
        uint32_t more = first >> 7;
        uint32_t once = first & 1;
        uint32_t second = at[1] & -more;
        uint32_t freq = (at[1 + more] & (once - 1)) | once;
        if ((second | freq) > 127) {
            at = read_one(at, &gap, &freq);
        } else {
            gap = (first & 127) >> 1 | second << 6;
            at += 2 + more - once;
        }
        base += gap + 1;
        postings->docs[i] = base;
        postings->freqs[i] = freq;
    }
    if (postings->len) {
        read_one(at, &gap, &postings->freqs[last]);
        postings->docs[last] = base + gap + 1;
    }
    postings->has_freqs = true;
}

/* Whoever looks behind the last one, as postings_before() does, or at a place
   that a longer block had (match.c), finds no document. */
static void end_block(struct postings *postings)
{
    for (uint32_t i = postings->len; i < LIST_BLOCK + POSTINGS_STEP; i++)
        postings->docs[i] = POSTINGS_END;
}

/* each() writes behind the last one, too. */
_Static_assert(POSTINGS_STEP >= BITS_LANES, "room behind docs");

static void read_docs(struct postings *postings)
{
    uint32_t last = postings->docs[postings->len - 1];

    if (postings->has_docs)
        return;
    postings->kernel->each(postings->set,
                           list_set_words(postings->set_base, last),
                           postings->set_base, postings->docs);
    postings->has_docs = true;
    end_block(postings);
}

/* Its first document and its last one. */
static void enter_set(struct postings *postings, uint32_t behind, uint32_t last)
{
    uint64_t word = bits_set_word(postings->set, 0);
    uint32_t at = 0;

    while (!word)
        word = bits_set_word(postings->set, ++at);
    postings->set_base = behind / 64 * 64;
    postings->docs[0] =
        postings->set_base + at * 64 + (uint32_t)__builtin_ctzll(word);
    postings->docs[LIST_BLOCK - 1] = last;
    postings->has_docs = false;
}

static void enter(struct postings *postings, uint32_t block)
{
    struct list_block entry = block_at(postings, block);
    uint32_t behind = behind_before(postings, block);
    uint32_t left = postings->count - block * LIST_BLOCK;

    postings->block = block;
    postings->at = 0;
    postings->len = left < LIST_BLOCK ? left : LIST_BLOCK;
    postings->has_freqs = false;
    postings->has_docs = true;
    if (left >= LIST_BLOCK && entry.doc_width == LIST_SET) {
        postings->set = postings->bits + entry.bits;
        enter_set(postings, behind, entry.last);
        return;
    }
    if (left < LIST_BLOCK)
        read_short(postings, postings->bits + entry.bits, behind - 1);
    else
        postings->kernel->unpack_rising(postings->bits + entry.bits,
                                        entry.doc_width, behind - 1,
                                        postings->docs);
    end_block(postings);
}

static void load(struct postings *postings, uint32_t block)
{
    enter(postings, block);
    read_docs(postings);
}

static void init_short(struct postings *postings)
{
    postings->block_count = postings->group_count = 0;
    postings->block = 0;
    postings->at = 0;
    postings->len = postings->count;
    postings->has_docs = true;
    end_block(postings);
}

void postings_init(struct postings *postings, const struct bits_kernel *kernel,
                   const void *list, uint32_t count)
{
    const unsigned char *at = list;

    postings->kernel = kernel;
    postings->list = list;
    postings->count = count;
    postings->block_count = (uint32_t)list_blocks(count);
    if (postings->block_count == 0) {
        init_short(postings);
        read_short(postings, at, UINT32_MAX);
        return;
    }
    postings->impact_count = read_u32(at);
    postings->blocks = at + sizeof(uint32_t);
    postings->group_count = (uint32_t)list_groups(postings->block_count);
    postings->groups = entry_of(postings, postings->block_count);
    postings->impacts =
        postings->groups + postings->group_count * sizeof(uint32_t);
    postings->bits =
        postings->impacts + postings->impact_count * sizeof(struct list_impact);
    load(postings, 0);
}

void postings_init_single(struct postings *postings,
                          const struct bits_kernel *kernel, uint32_t doc,
                          uint32_t freq)
{
    postings->kernel = kernel;
    postings->list = NULL;
    postings->count = 1;
    init_short(postings);
    postings->docs[0] = doc;
    postings->freqs[0] = freq;
    postings->has_freqs = true;
}

/* ---- frequencies */

/* Of a full block that is here. */
static size_t docs_size(const struct postings *postings,
                        const struct list_block *entry)
{
    if (entry->doc_width != LIST_SET)
        return bits_size(entry->doc_width);
    return list_set_words(behind_before(postings, postings->block),
                          entry->last) *
           sizeof(uint64_t);
}

const uint32_t *postings_freqs(struct postings *postings)
{
    struct list_block entry;

    if (postings->has_freqs)
        return postings->freqs;
    entry = block_at(postings, postings->block);
    patched_read(postings->kernel,
                 postings->bits + entry.bits + docs_size(postings, &entry),
                 entry.freqs, 1, postings->freqs);
    postings->has_freqs = true;
    return postings->freqs;
}

uint32_t postings_freq(struct postings *postings)
{
    return postings_freqs(postings)[postings->at];
}

uint32_t postings_block_places(const struct postings *postings)
{
    return postings->block_count ? block_at(postings, postings->block).places
                                 : 0;
}

/* ---- moving */

/* Steps that double, then halves between the last two. */
uint32_t postings_block_of(const struct postings *postings, uint32_t from,
                           uint32_t target)
{
    uint32_t step = 1;

    if (from >= postings->block_count ||
        postings_block_last(postings, from) >= target)
        return from;
    while (from + step < postings->block_count &&
           postings_block_last(postings, from + step) < target) {
        from += step;
        step *= 2;
    }
    uint32_t to = from + step < postings->block_count ? from + step
                                                      : postings->block_count;
    while (from + 1 < to) {
        uint32_t middle = from + (to - from) / 2;
        if (postings_block_last(postings, middle) < target)
            from = middle;
        else
            to = middle;
    }
    return to;
}

uint32_t postings_before(const struct postings *postings, uint32_t target)
{
    return bits_below(postings->docs, target, 1);
}

/* The same, which may be the cursor or just behind it. */
static uint32_t near(const struct postings *postings, uint32_t target)
{
    const uint32_t *docs = postings->docs + postings->at;
    uint32_t count = 0;

    if (docs[POSTINGS_STEP - 1] < target)
        return postings_before(postings, target);
    for (uint32_t i = 0; i < POSTINGS_STEP; i++)
        count += docs[i] < target;
    return postings->at + count;
}

static uint32_t finish(struct postings *postings)
{
    postings->block = postings->block_count;
    postings->at = postings->len;
    return POSTINGS_END;
}

bool postings_enter(struct postings *postings, uint32_t target)
{
    if (postings->at == postings->len)
        return false;
    if (postings->docs[postings->len - 1] >= target)
        return true;
    if (postings->block_count) {
        uint32_t block = postings_block_of(postings, postings->block, target);
        if (block < postings->block_count) {
            enter(postings, block);
            return true;
        }
    }
    finish(postings);
    return false;
}

uint32_t postings_seek(struct postings *postings, uint32_t target)
{
    if (!postings_enter(postings, target))
        return POSTINGS_END;
    read_docs(postings);
    if (postings_doc(postings) < target)
        postings->at = near(postings, target);
    return postings_doc(postings);
}

void postings_rewind(struct postings *postings)
{
    if (postings->block_count && postings->block != 0)
        load(postings, 0);
    postings->block = postings->at = 0;
}

uint32_t postings_run(const struct postings *postings, uint32_t end)
{
    bool all = postings->len && postings->docs[postings->len - 1] < end;

    return (all ? postings->len : postings_before(postings, end)) -
           postings->at;
}

void postings_pass(struct postings *postings, uint32_t count)
{
    postings->at += count;
    if (postings->at < postings->len)
        return;
    if (postings->block + 1 < postings->block_count)
        load(postings, postings->block + 1);
    else
        finish(postings);
}

uint32_t postings_next(struct postings *postings)
{
    postings_pass(postings, 1);
    return postings_doc(postings);
}

/* ---- sets */

/* A block that is one, and whole, and wholly before end: not even its documents
   are read.  False: it is another. */
static bool set_block(const struct postings *postings, uint32_t block,
                      uint32_t from, uint32_t end, uint64_t *words)
{
    struct list_block entry = block_at(postings, block);
    uint32_t behind = behind_before(postings, block);

    if (entry.doc_width != LIST_SET || entry.last >= end || behind < from)
        return false;
    const unsigned char *set = postings->bits + entry.bits;
    size_t count = list_set_words(behind, entry.last);
    words += (behind - from) / 64;
    for (size_t i = 0; i < count; i++) {
        uint64_t word;
        memcpy(&word, set + i * sizeof(word), sizeof(word));
        words[i] |= word;
    }
    return true;
}

static void set_each(struct postings *postings, uint32_t from, uint32_t end,
                     uint64_t *words)
{
    uint32_t count = postings_run(postings, end);
    const uint32_t *docs = postings->docs + postings->at;

    for (uint32_t i = 0; i < count; i++)
        words[(docs[i] - from) / 64] |= UINT64_C(1) << docs[i] % 64;
    postings->at += count;
}

void postings_set(struct postings *postings, uint32_t from, uint32_t end,
                  uint64_t *words)
{
    while (postings_doc(postings) < end) {
        set_each(postings, from, end, words);
        if (postings->at < postings->len)
            return;
        uint32_t block = postings->block + 1;
        while (block < postings->block_count &&
               set_block(postings, block, from, end, words))
            block++;
        if (block < postings->block_count)
            load(postings, block);
        else
            finish(postings);
    }
}

/* ---- bounds */

/* Of a group the number of its first impact; past the last one their count. */
static uint32_t group_at(const struct postings *postings, uint32_t group)
{
    return group < postings->group_count
               ? read_u32(postings->groups + group * sizeof(uint32_t))
               : postings->impact_count;
}

static size_t impacts_of(const struct postings *postings, uint32_t from,
                         uint32_t to, const struct list_impact **impacts)
{
    *impacts = (const struct list_impact *)postings->impacts + from;
    return to - from;
}

size_t postings_impacts(const struct postings *postings, uint32_t block,
                        const struct list_impact **impacts)
{
    uint32_t to = block + 1 < postings->block_count
                      ? block_at(postings, block + 1).impacts
                      : group_at(postings, 0);

    return impacts_of(postings, block_at(postings, block).impacts, to, impacts);
}

size_t postings_group_impacts(const struct postings *postings, uint32_t group,
                              const struct list_impact **impacts)
{
    return impacts_of(postings, group_at(postings, group),
                      group_at(postings, group + 1), impacts);
}
