/* inverter.c - see inverter.h. */
#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>
#define XXH_INLINE_ALL /* called for each token */
#include <xxhash.h>

#include "common/hash.h"
#include "common/mem.h"
#include "search/index/inverter.h"

#define PAGE_BITS 16 /* of a page's size: a slice, or a term, lies in one */
#define PAGE_SIZE (UINT32_C(1) << PAGE_BITS)
#define PAGES_MAX 65536 /* 4 GiB: what 32 bits can name */
#define SLAB 256        /* pages that are taken at once, where there are many */
#define HUGE_PAGE (UINT64_C(2) << 20)
#define SLICE_FIRST UINT32_C(8)
#define SLICE_DOUBLED 11      /* times, at most */
#define LINK sizeof(uint32_t) /* at a slice's end: the next one */
#define BUCKETS_FIRST 256
#define WAITING 16      /* terms that are added at once */
#define WAITING_TEXT 32 /* bytes of one; a longer one is added by itself */

struct run {
    uint32_t first, at, end; /* end: of the slice, its link */
};

/* What most terms are told apart by, beside them. */
struct head {
    uint64_t first;
    uint32_t rest;
} __attribute__((packed, aligned(4)));
#define HEAD sizeof(struct head)

/* As long as a line of the cache. */
struct term {
    uint32_t text;
    uint16_t len;
    uint8_t doc_slice, position_slice; /* how often slices have doubled */
    struct head head;
    uint32_t doc, freq; /* of the document that is being read */
    uint32_t position;  /* of its last one there */
    uint32_t count, position_count;
    struct run docs, positions;
};
_Static_assert(sizeof(struct term) == 64, "one line");

/* Of the table; number: of the term, + 1, 0 where there is none. */
struct bucket {
    uint32_t hash, number;
};

/* A term that is to be added, with others. */
struct waiting {
    uint32_t hash, doc, position, len;
    struct head head;
    char text[WAITING_TEXT];
};

struct inverter {
    uint64_t seed; /* unknown to who sends documents */
    unsigned char **pages;
    size_t page_count, page_cap;
    uint32_t next; /* free byte */
    struct bucket *buckets;
    size_t bucket_count; /* a power of two */
    struct term *terms;
    size_t count, cap;
    struct waiting waiting[WAITING];
    size_t waiting_count;
};

/*
 * Each token touches three places anywhere in what is kept: with pages of 4 KiB
 * most of its time goes into finding where they are.
 */
static void *prefer_huge(void *ptr, size_t size)
{
    uintptr_t first = ((uintptr_t)ptr + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
    uintptr_t end = ((uintptr_t)ptr + size) & ~(HUGE_PAGE - 1);

    if (first < end)
        madvise((void *)first, end - first, MADV_HUGEPAGE);
    return ptr;
}

/* One, or a slab of them, whose first one is the block of all. */
static void have_page(struct inverter *inverter, size_t page)
{
    assert(page < PAGES_MAX);
    if (page < inverter->page_count)
        return;
    size_t more = page < SLAB ? 1 : SLAB;
    if (page + more > inverter->page_cap) {
        inverter->page_cap = page ? 2 * page : 16;
        inverter->pages =
            mem_realloc(MEM_APP, inverter->pages,
                        inverter->page_cap * sizeof(unsigned char *));
    }
    unsigned char *block =
        prefer_huge(mem_alloc(MEM_APP, more * PAGE_SIZE), more * PAGE_SIZE);
    for (size_t i = 0; i < more; i++)
        inverter->pages[inverter->page_count++] = block + i * PAGE_SIZE;
}

struct inverter *inverter_create(void)
{
    struct inverter *inverter = mem_zalloc(MEM_APP, sizeof(*inverter));

    inverter->seed = hash_random_key().k0;
    inverter->bucket_count = BUCKETS_FIRST;
    inverter->buckets =
        mem_zalloc(MEM_APP, BUCKETS_FIRST * sizeof(inverter->buckets[0]));
    have_page(inverter, 0);
    return inverter;
}

void inverter_destroy(struct inverter *inverter)
{
    if (!inverter)
        return;
    for (size_t i = 0; i < inverter->page_count; i += i < SLAB ? 1 : SLAB)
        mem_free(inverter->pages[i]);
    mem_free(inverter->pages);
    mem_free(inverter->buckets);
    mem_free(inverter->terms);
    mem_free(inverter);
}

size_t inverter_size(const struct inverter *inverter)
{
    return inverter->next + inverter->cap * sizeof(struct term) +
           inverter->bucket_count * sizeof(struct bucket);
}

/* ---- bytes */

static unsigned char *at(const struct inverter *inverter, uint32_t place)
{
    return inverter->pages[place >> PAGE_BITS] + (place & (PAGE_SIZE - 1));
}

/* On one page. */
static uint32_t take(struct inverter *inverter, uint32_t size)
{
    uint32_t room = PAGE_SIZE - (inverter->next & (PAGE_SIZE - 1));

    if (room < size)
        inverter->next += room;
    have_page(inverter, inverter->next >> PAGE_BITS);
    uint32_t place = inverter->next;
    inverter->next += size;
    /* the next one may begin a page: it must be there for at() */
    have_page(inverter, inverter->next >> PAGE_BITS);
    return place;
}

static void begin_run(struct inverter *inverter, struct run *run)
{
    run->first = run->at = take(inverter, SLICE_FIRST);
    run->end = run->first + SLICE_FIRST - (uint32_t)LINK;
}

static void add_byte(struct inverter *inverter, struct run *run, uint8_t *slice,
                     unsigned char byte)
{
    if (run->at == run->end) {
        *slice = (uint8_t)(*slice + (*slice < SLICE_DOUBLED));
        uint32_t next = take(inverter, SLICE_FIRST << *slice);
        memcpy(at(inverter, run->end), &next, LINK);
        run->at = next;
        run->end = next + (SLICE_FIRST << *slice) - (uint32_t)LINK;
    }
    *at(inverter, run->at++) = byte;
}

static void add_number(struct inverter *inverter, struct run *run,
                       uint8_t *slice, uint32_t number)
{
    for (; number > 127; number >>= 7)
        add_byte(inverter, run, slice, (unsigned char)(number | 128));
    add_byte(inverter, run, slice, (unsigned char)number);
}

/* A run from its beginning. */
struct reader {
    const struct inverter *inverter;
    uint32_t at, end;
    uint8_t slice;
};

static struct reader reader_of(const struct inverter *inverter,
                               const struct run *run)
{
    return (struct reader){inverter, run->first,
                           run->first + SLICE_FIRST - (uint32_t)LINK, 0};
}

static unsigned char read_byte(struct reader *reader)
{
    if (reader->at == reader->end) {
        reader->slice =
            (uint8_t)(reader->slice + (reader->slice < SLICE_DOUBLED));
        memcpy(&reader->at, at(reader->inverter, reader->end), LINK);
        reader->end =
            reader->at + (SLICE_FIRST << reader->slice) - (uint32_t)LINK;
    }
    return *at(reader->inverter, reader->at++);
}

static uint32_t read_number(struct reader *reader)
{
    uint32_t number = 0;
    unsigned char byte;
    unsigned shift = 0;

    do {
        byte = read_byte(reader);
        number |= (uint32_t)(byte & 127) << shift;
        shift += 7;
    } while (byte > 127);
    return number;
}

/* ---- terms */

static void put(struct inverter *inverter, uint32_t hash, uint32_t number)
{
    size_t bucket = hash & (inverter->bucket_count - 1);

    while (inverter->buckets[bucket].number)
        bucket = (bucket + 1) & (inverter->bucket_count - 1);
    inverter->buckets[bucket] = (struct bucket){hash, number};
}

static void grow(struct inverter *inverter)
{
    struct bucket *old = inverter->buckets;
    size_t count = inverter->bucket_count;

    inverter->bucket_count *= 2;
    inverter->buckets = mem_zalloc(MEM_APP, inverter->bucket_count *
                                                sizeof(inverter->buckets[0]));
    prefer_huge(inverter->buckets,
                inverter->bucket_count * sizeof(inverter->buckets[0]));
    for (size_t i = 0; i < count; i++)
        if (old[i].number)
            put(inverter, old[i].hash, old[i].number);
    mem_free(old);
}

static struct span text_of(const struct inverter *inverter,
                           const struct term *term)
{
    return (struct span){(const char *)at(inverter, term->text), term->len};
}

/* 0 where it is shorter. */
static struct head head_of(struct span text)
{
    struct head head = {0};

    memcpy(&head, text.ptr, text.len < HEAD ? text.len : HEAD);
    return head;
}

/* To a place of its own: what is moved leaves its huge pages. */
static void grow_terms(struct inverter *inverter)
{
    struct term *old = inverter->terms;

    inverter->cap = old ? inverter->cap * 2 : BUCKETS_FIRST;
    size_t size = inverter->cap * sizeof(*old);
    inverter->terms = prefer_huge(mem_alloc(MEM_APP, size), size);
    if (old)
        memcpy(inverter->terms, old, inverter->count * sizeof(*old));
    mem_free(old);
}

static struct term *add_term(struct inverter *inverter, struct span text,
                             struct head head, uint32_t hash)
{
    if (inverter->count == inverter->cap)
        grow_terms(inverter);
    struct term *term = &inverter->terms[inverter->count++];
    *term = (struct term){.text = take(inverter, (uint32_t)text.len),
                          .len = (uint16_t)text.len,
                          .head = head};
    memcpy(at(inverter, term->text), text.ptr, text.len);
    begin_run(inverter, &term->docs);
    begin_run(inverter, &term->positions);
    if (inverter->count * 2 > inverter->bucket_count)
        grow(inverter);
    put(inverter, hash, (uint32_t)inverter->count);
    return term;
}

/* Its number, + 1, or 0. */
static uint32_t find(const struct inverter *inverter, struct span text,
                     struct head head, uint32_t hash)
{
    size_t at = hash & (inverter->bucket_count - 1);

    for (; inverter->buckets[at].number;
         at = (at + 1) & (inverter->bucket_count - 1)) {
        struct bucket bucket = inverter->buckets[at];
        if (bucket.hash != hash)
            continue;
        const struct term *term = &inverter->terms[bucket.number - 1];
        if (term->head.first == head.first && term->head.rest == head.rest &&
            term->len == text.len &&
            (text.len <= HEAD || span_eq(text_of(inverter, term), text)))
            return bucket.number;
    }
    return 0;
}

static void end_document(struct inverter *inverter, struct term *term)
{
    add_number(inverter, &term->docs, &term->doc_slice, term->freq);
    term->freq = 0;
}

static void add(struct inverter *inverter, struct term *term, uint32_t doc,
                uint32_t position)
{
    if (term->freq && term->doc != doc)
        end_document(inverter, term);
    if (term->freq == 0) {
        add_number(inverter, &term->docs, &term->doc_slice, doc - term->doc);
        term->doc = doc;
        term->position = 0;
        term->count++;
    }
    add_number(inverter, &term->positions, &term->position_slice,
               position - term->position);
    term->position = position;
    term->position_count++;
    term->freq++;
}

/* ---- some terms at once: each one's place in memory is asked for while the
   others are looked up */

static struct span text_of_waiting(const struct waiting *waiting)
{
    return (struct span){waiting->text, waiting->len};
}

static void add_waiting(struct inverter *inverter)
{
    uint32_t numbers[WAITING] = {0};

    for (size_t i = 0; i < inverter->waiting_count; i++) {
        const struct waiting *waiting = &inverter->waiting[i];
        size_t at = waiting->hash & (inverter->bucket_count - 1);
        uint32_t number = inverter->buckets[at].number;
        if (number)
            __builtin_prefetch(&inverter->terms[number - 1]);
    }
    for (size_t i = 0; i < inverter->waiting_count; i++) {
        const struct waiting *waiting = &inverter->waiting[i];
        numbers[i] = find(inverter, text_of_waiting(waiting), waiting->head,
                          waiting->hash);
        if (!numbers[i])
            continue;
        const struct term *term = &inverter->terms[numbers[i] - 1];
        __builtin_prefetch(at(inverter, term->positions.at));
        if (term->doc != waiting->doc)
            __builtin_prefetch(at(inverter, term->docs.at));
    }
    for (size_t i = 0; i < inverter->waiting_count; i++) {
        const struct waiting *waiting = &inverter->waiting[i];
        struct span text = text_of_waiting(waiting);
        if (!numbers[i]) /* one before it may have been the same */
            numbers[i] = find(inverter, text, waiting->head, waiting->hash);
        struct term *term =
            numbers[i] ? &inverter->terms[numbers[i] - 1]
                       : add_term(inverter, text, waiting->head, waiting->hash);
        add(inverter, term, waiting->doc, waiting->position);
    }
    inverter->waiting_count = 0;
}

/* It is longer than those that wait. */
static void add_long(struct inverter *inverter, struct span text, uint32_t hash,
                     uint32_t doc, uint32_t position)
{
    struct head head = head_of(text);

    add_waiting(inverter);
    uint32_t number = find(inverter, text, head, hash);
    add(inverter,
        number ? &inverter->terms[number - 1]
               : add_term(inverter, text, head, hash),
        doc, position);
}

void inverter_add(struct inverter *inverter, struct span text, uint32_t doc,
                  uint32_t position)
{
    assert(text.len > 0 && text.len <= INVERTER_TERM_MAX);
    uint32_t hash =
        (uint32_t)XXH3_64bits_withSeed(text.ptr, text.len, inverter->seed);
    struct waiting *waiting = &inverter->waiting[inverter->waiting_count];

    if (text.len > WAITING_TEXT) {
        add_long(inverter, text, hash, doc, position);
        return;
    }
    __builtin_prefetch(&inverter->buckets[hash & (inverter->bucket_count - 1)]);
    waiting->hash = hash;
    waiting->head = head_of(text);
    waiting->doc = doc;
    waiting->position = position;
    waiting->len = (uint32_t)text.len;
    memcpy(waiting->text, text.ptr, text.len);
    if (++inverter->waiting_count == WAITING)
        add_waiting(inverter);
}

/* ---- all of them */

struct ordered {
    uint64_t key; /* its first bytes, the first one the highest */
    struct span text;
    struct term *term;
};

static int compare(const void *a, const void *b)
{
    const struct ordered *one = a;
    const struct ordered *two = b;

    if (one->key != two->key)
        return one->key < two->key ? -1 : 1;
    return span_compare(one->text, two->text);
}

struct lists {
    uint32_t *docs, *freqs, *steps;
    size_t cap, step_cap;
};

static void make_room(struct lists *lists, const struct term *term)
{
    if (lists->cap < term->count) {
        lists->cap = (size_t)term->count * 2;
        lists->docs = mem_realloc(MEM_APP, lists->docs, lists->cap * 4);
        lists->freqs = mem_realloc(MEM_APP, lists->freqs, lists->cap * 4);
    }
    if (lists->step_cap < term->position_count) {
        lists->step_cap = (size_t)term->position_count * 2;
        lists->steps = mem_realloc(MEM_APP, lists->steps, lists->step_cap * 4);
    }
}

static void read_lists(const struct inverter *inverter, const struct term *term,
                       struct lists *lists)
{
    struct reader docs = reader_of(inverter, &term->docs);
    struct reader steps = reader_of(inverter, &term->positions);
    uint32_t doc = 0;

    make_room(lists, term);
    for (size_t i = 0; i < term->count; i++) {
        doc += read_number(&docs);
        lists->docs[i] = doc;
        lists->freqs[i] = read_number(&docs);
    }
    for (size_t i = 0; i < term->position_count; i++)
        lists->steps[i] = read_number(&steps);
}

void inverter_each(struct inverter *inverter, inverter_term_cb cb, void *arg)
{
    add_waiting(inverter);
    struct ordered *order =
        mem_alloc(MEM_APP, (inverter->count + 1) * sizeof(*order));
    struct lists lists = {0};

    for (size_t i = 0; i < inverter->count; i++) {
        struct term *term = &inverter->terms[i];
        order[i] = (struct ordered){__builtin_bswap64(term->head.first),
                                    text_of(inverter, term), term};
    }
    qsort(order, inverter->count, sizeof(*order), compare);
    for (size_t i = 0; i < inverter->count; i++) {
        struct term *term = order[i].term;
        if (term->freq)
            end_document(inverter, term);
        read_lists(inverter, term, &lists);
        cb(arg, order[i].text,
           &(struct list_source){.docs = lists.docs,
                                 .freqs = lists.freqs,
                                 .count = term->count,
                                 .steps = lists.steps,
                                 .step_count = term->position_count});
    }
    mem_free(lists.docs);
    mem_free(lists.freqs);
    mem_free(lists.steps);
    mem_free(order);
}
