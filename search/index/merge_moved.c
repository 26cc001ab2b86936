/* merge_moved.c - merge_internal.h: documents that change places. */
#include "search/index/merge_internal.h"

#define MOVED_BYTES (UINT64_C(64) << 20) /* of documents, in memory at once */

/*
 * Sources of so many documents from a place on, put in order: they are read as
 * they lie, so that a block of several is uncompressed once.
 */
static int move_some(struct merge *merge, struct stored_writer *writer,
                     const struct part *part, uint32_t from, uint32_t count)
{
    uint32_t first = part->numbers[part->order[0]];
    struct span *sources = mem_alloc(MEM_JOB, count * sizeof(*sources));
    struct arena arena;
    int err = 0;

    arena_init(&arena, MEM_JOB, 0);
    for (uint32_t doc = 0; doc < part->reader->docs && !err; doc++) {
        uint32_t place = part->numbers[doc] - first - from;
        if (part->numbers[doc] == GONE || place >= count)
            continue;
        merge->source.len = 0;
        err = reader_source(part->reader, doc, &merge->source);
        if (!err)
            sources[place] = arena_copy(&arena, buf_span(&merge->source));
    }
    for (uint32_t i = 0; i < count && !err; i++)
        stored_writer_add(writer, sources[i]);
    arena_deinit(&arena);
    mem_free(sources);
    return err;
}

/* As many at a time as fit MOVED_BYTES, about. */
int merge_move_sources(struct merge *merge, struct stored_writer *writer,
                       const struct part *part, uint64_t bytes)
{
    uint64_t at_once =
        (uint64_t)part->reader->docs * MOVED_BYTES / (bytes + 1) + 1;
    int err = 0;

    for (uint64_t from = 0; from < part->count && !err; from += at_once) {
        uint64_t left = part->count - from;
        err = move_some(merge, writer, part, (uint32_t)from,
                        (uint32_t)(left < at_once ? left : at_once));
        merge_look_for_cancel(merge);
    }
    return err ? err : merge->err;
}

/* ---- terms */

/* By their high halves, digit by digit, the last one first; those that are the
   same stay as they are. */
static void sort_keys(uint64_t *keys, uint64_t *other, uint32_t count,
                      uint32_t most)
{
    for (unsigned shift = 32; shift < 64 && most >> (shift - 32); shift += 8) {
        uint32_t at[256] = {0};
        uint32_t sum = 0;
        for (uint32_t i = 0; i < count; i++)
            at[keys[i] >> shift & 255]++;
        for (unsigned i = 0; i < 256; i++) {
            uint32_t having = at[i];
            at[i] = sum;
            sum += having;
        }
        for (uint32_t i = 0; i < count; i++)
            other[at[keys[i] >> shift & 255]++] = keys[i];
        memcpy(keys, other, count * sizeof(keys[0]));
    }
}

/* What each has, and a key for it: its new number, then its place here; how
   many are not gone.  So they can be put in order. */
static uint32_t read_moved(struct merge *merge, const struct part *part)
{
    struct postings *postings = &merge->postings;
    uint32_t all = part->cursor->entry.count;
    uint32_t count = 0;
    uint32_t first = 0;

    merge->moved_keys.len = merge->moved_freqs.len = merge->moved_firsts.len =
        0;
    uint64_t *keys = (void *)buf_reserve(&merge->moved_keys,
                                         (size_t)2 * all * sizeof(uint64_t));
    uint32_t *freqs = merge_reserve(&merge->moved_freqs, all);
    uint32_t *firsts = merge_reserve(&merge->moved_firsts, all);
    for (uint32_t i = 0; postings_doc(postings) != POSTINGS_END; i++) {
        uint32_t doc = part->numbers[postings_doc(postings)];
        freqs[i] = postings_freq(postings);
        firsts[i] = first;
        first += freqs[i];
        keys[count] = (uint64_t)doc << 32 | i;
        count += doc != GONE;
        postings_next(postings);
    }
    return count;
}

void merge_add_moved(struct merge *merge, const struct part *part,
                     struct places *places)
{
    uint32_t total = (uint32_t)part->cursor->entry.total;
    uint32_t count = read_moved(merge, part);
    uint64_t *keys = (void *)merge->moved_keys.ptr;
    const uint32_t *freqs = (const void *)merge->moved_freqs.ptr;
    const uint32_t *firsts = (const void *)merge->moved_firsts.ptr;
    uint32_t *docs = merge_reserve(&merge->docs_of, count);
    uint32_t *often = merge_reserve(&merge->freqs, count);

    sort_keys(keys, keys + count, count, merge->docs);
    merge->moved_steps.len = 0;
    if (places)
        places_steps(places, 0, total,
                     merge_reserve(&merge->moved_steps, total));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t place = (uint32_t)keys[i];
        docs[i] = (uint32_t)(keys[i] >> 32);
        often[i] = freqs[place];
        merge->total += often[i];
        if (places)
            buf_append_bytes(&merge->steps,
                             merge->moved_steps.ptr +
                                 firsts[place] * sizeof(uint32_t),
                             often[i] * sizeof(uint32_t));
    }
}
