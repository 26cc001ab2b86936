/* inverter.c - see inverter.h. */
#include <assert.h>
#include <stdlib.h>

#include "common/hash.h"
#include "common/mem.h"
#include "search/index/inverter.h"

#define PAGE_BITS 20 /* of a page's size: a slice lies in one */
#define PAGE_SIZE (UINT32_C(1) << PAGE_BITS)
#define PAGES_MAX 4096 /* 4 GiB: what 32 bits can name */
#define SLICE_FIRST 8
#define SLICE_MAX 16384
#define LINK sizeof(uint32_t) /* at a slice's end: the next one */
#define BUCKETS_FIRST 4096

struct run {
    uint32_t first, at, end; /* end: of the slice, its link */
    uint32_t slice;          /* bytes of it */
};

struct term {
    uint32_t text, len;
    uint32_t hash;
    uint32_t doc, freq; /* of the document that is being read */
    uint32_t position;  /* of its last one there */
    uint32_t count, position_count;
    struct run docs, positions;
};

struct inverter {
    struct hash_key hash_key;
    unsigned char *pages[PAGES_MAX];
    uint32_t next; /* free byte */
    uint32_t *buckets;
    size_t bucket_count; /* a power of two */
    struct term *terms;
    size_t count, cap;
};

struct inverter *inverter_create(void)
{
    struct inverter *inverter = mem_zalloc(MEM_APP, sizeof(*inverter));

    inverter->hash_key = hash_random_key();
    inverter->bucket_count = BUCKETS_FIRST;
    inverter->buckets =
        mem_zalloc(MEM_APP, BUCKETS_FIRST * sizeof(inverter->buckets[0]));
    inverter->pages[0] = mem_alloc(MEM_APP, PAGE_SIZE);
    return inverter;
}

void inverter_destroy(struct inverter *inverter)
{
    if (!inverter)
        return;
    for (size_t i = 0; i < PAGES_MAX; i++)
        mem_free(inverter->pages[i]);
    mem_free(inverter->buckets);
    mem_free(inverter->terms);
    mem_free(inverter);
}

size_t inverter_size(const struct inverter *inverter)
{
    return inverter->next + inverter->cap * sizeof(struct term) +
           inverter->bucket_count * sizeof(uint32_t);
}

size_t inverter_terms(const struct inverter *inverter)
{
    return inverter->count;
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
    size_t page = inverter->next >> PAGE_BITS;
    assert(page < PAGES_MAX);
    if (!inverter->pages[page])
        inverter->pages[page] = mem_alloc(MEM_APP, PAGE_SIZE);
    uint32_t place = inverter->next;
    inverter->next += size;
    /* the next one begins a page: it must be there for at() */
    page = inverter->next >> PAGE_BITS;
    assert(page < PAGES_MAX);
    if (!inverter->pages[page])
        inverter->pages[page] = mem_alloc(MEM_APP, PAGE_SIZE);
    return place;
}

static void begin_run(struct inverter *inverter, struct run *run)
{
    run->slice = SLICE_FIRST;
    run->first = run->at = take(inverter, SLICE_FIRST);
    run->end = run->first + SLICE_FIRST - (uint32_t)LINK;
}

static void add_byte(struct inverter *inverter, struct run *run,
                     unsigned char byte)
{
    if (run->at == run->end) {
        if (run->slice < SLICE_MAX)
            run->slice *= 2;
        uint32_t next = take(inverter, run->slice);
        memcpy(at(inverter, run->end), &next, LINK);
        run->at = next;
        run->end = next + run->slice - (uint32_t)LINK;
    }
    *at(inverter, run->at++) = byte;
}

static void add_number(struct inverter *inverter, struct run *run,
                       uint32_t number)
{
    for (; number > 127; number >>= 7)
        add_byte(inverter, run, (unsigned char)(number | 128));
    add_byte(inverter, run, (unsigned char)number);
}

/* A run from its beginning. */
struct reader {
    const struct inverter *inverter;
    uint32_t at, end, slice;
};

static struct reader reader_of(const struct inverter *inverter,
                               const struct run *run)
{
    return (struct reader){inverter, run->first,
                           run->first + SLICE_FIRST - (uint32_t)LINK,
                           SLICE_FIRST};
}

static unsigned char read_byte(struct reader *reader)
{
    if (reader->at == reader->end) {
        if (reader->slice < SLICE_MAX)
            reader->slice *= 2;
        memcpy(&reader->at, at(reader->inverter, reader->end), LINK);
        reader->end = reader->at + reader->slice - (uint32_t)LINK;
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

    while (inverter->buckets[bucket])
        bucket = (bucket + 1) & (inverter->bucket_count - 1);
    inverter->buckets[bucket] = number;
}

static void grow(struct inverter *inverter)
{
    inverter->bucket_count *= 2;
    mem_free(inverter->buckets);
    inverter->buckets = mem_zalloc(MEM_APP, inverter->bucket_count *
                                                sizeof(inverter->buckets[0]));
    for (size_t i = 0; i < inverter->count; i++)
        put(inverter, inverter->terms[i].hash, (uint32_t)i + 1);
}

static struct span text_of(const struct inverter *inverter,
                           const struct term *term)
{
    return (struct span){(const char *)at(inverter, term->text), term->len};
}

static struct term *add_term(struct inverter *inverter, struct span text,
                             uint32_t hash)
{
    if (inverter->count == inverter->cap) {
        inverter->cap = inverter->cap ? inverter->cap * 2 : BUCKETS_FIRST;
        inverter->terms = mem_realloc(MEM_APP, inverter->terms,
                                      inverter->cap * sizeof(struct term));
    }
    struct term *term = &inverter->terms[inverter->count++];
    *term = (struct term){.text = take(inverter, (uint32_t)text.len),
                          .len = (uint32_t)text.len,
                          .hash = hash};
    memcpy(at(inverter, term->text), text.ptr, text.len);
    begin_run(inverter, &term->docs);
    begin_run(inverter, &term->positions);
    if (inverter->count * 2 > inverter->bucket_count)
        grow(inverter);
    else
        put(inverter, hash, (uint32_t)inverter->count);
    return term;
}

static struct term *find(struct inverter *inverter, struct span text)
{
    uint32_t hash = (uint32_t)hash_bucket(&inverter->hash_key, text);
    size_t bucket = hash & (inverter->bucket_count - 1);

    for (; inverter->buckets[bucket];
         bucket = (bucket + 1) & (inverter->bucket_count - 1)) {
        struct term *term = &inverter->terms[inverter->buckets[bucket] - 1];
        if (term->hash == hash && span_eq(text_of(inverter, term), text))
            return term;
    }
    return add_term(inverter, text, hash);
}

static void end_document(struct inverter *inverter, struct term *term)
{
    add_number(inverter, &term->docs, term->freq);
    term->freq = 0;
}

void inverter_add(struct inverter *inverter, struct span text, uint32_t doc,
                  uint32_t position)
{
    assert(text.len > 0 && text.len <= INVERTER_TERM_MAX);
    struct term *term = find(inverter, text);

    if (term->freq && term->doc != doc)
        end_document(inverter, term);
    if (term->freq == 0) {
        add_number(inverter, &term->docs, doc - term->doc);
        term->doc = doc;
        term->position = 0;
        term->count++;
    }
    add_number(inverter, &term->positions, position - term->position);
    term->position = position;
    term->position_count++;
    term->freq++;
}

/* ---- all of them */

struct ordered {
    struct span text;
    struct term *term;
};

static int compare(const void *a, const void *b)
{
    struct span one = ((const struct ordered *)a)->text;
    struct span two = ((const struct ordered *)b)->text;
    size_t len = one.len < two.len ? one.len : two.len;
    int order = memcmp(one.ptr, two.ptr, len);

    return order ? order : (one.len > two.len) - (one.len < two.len);
}

struct lists {
    uint32_t *docs, *freqs, *positions;
    size_t cap, position_cap;
};

static void make_room(struct lists *lists, const struct term *term)
{
    if (lists->cap < term->count) {
        lists->cap = (size_t)term->count * 2;
        lists->docs = mem_realloc(MEM_APP, lists->docs, lists->cap * 4);
        lists->freqs = mem_realloc(MEM_APP, lists->freqs, lists->cap * 4);
    }
    if (lists->position_cap < term->position_count) {
        lists->position_cap = (size_t)term->position_count * 2;
        lists->positions =
            mem_realloc(MEM_APP, lists->positions, lists->position_cap * 4);
    }
}

static void read_lists(const struct inverter *inverter, const struct term *term,
                       struct lists *lists)
{
    struct reader docs = reader_of(inverter, &term->docs);
    struct reader positions = reader_of(inverter, &term->positions);
    uint32_t doc = 0;
    size_t place = 0;

    make_room(lists, term);
    for (size_t i = 0; i < term->count; i++) {
        uint32_t position = 0;
        doc += read_number(&docs);
        lists->docs[i] = doc;
        lists->freqs[i] = read_number(&docs);
        for (uint32_t j = 0; j < lists->freqs[i]; j++) {
            position += read_number(&positions);
            lists->positions[place++] = position;
        }
    }
}

void inverter_each(struct inverter *inverter, inverter_term_cb cb, void *arg)
{
    struct ordered *order =
        mem_alloc(MEM_APP, (inverter->count + 1) * sizeof(*order));
    struct lists lists = {0};

    for (size_t i = 0; i < inverter->count; i++) {
        struct term *term = &inverter->terms[i];
        order[i] = (struct ordered){text_of(inverter, term), term};
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
                                 .positions = lists.positions,
                                 .position_count = term->position_count});
    }
    mem_free(lists.docs);
    mem_free(lists.freqs);
    mem_free(lists.positions);
    mem_free(order);
}
