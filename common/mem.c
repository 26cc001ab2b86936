/*
 * mem.c - see mem.h.
 *
 * Each block is preceded by its size and its subsystem.
 */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

#define MAGIC 0x6d656d21u
#define CACHED_MAX 1000

struct header {
    size_t size;
    uint32_t tag, magic;
};

_Static_assert(sizeof(struct header) == 16, "blocks stay aligned to 16 bytes");

/*
 * Written by one thread at a time, so that no add has to be atomic.  A count
 * that wrapped around is right again in the sum: that thread freed what others
 * had taken.  One that ends leaves all as it is to the next one that begins.
 */
struct counts {
    _Alignas(64) _Atomic size_t live[MEM_TAGS];
    struct counts *next;
    atomic_bool taken;
};

static struct counts *_Atomic all;
static _Thread_local struct counts *mine;
static pthread_key_t leaving;

static const char *const names[MEM_TAGS] = {
    [MEM_APP] = "app",     [MEM_CONN] = "conn", [MEM_REQUEST] = "request",
    [MEM_REDIS] = "redis", [MEM_JSON] = "json", [MEM_AUTH] = "auth",
    [MEM_CACHE] = "cache", [MEM_JOB] = "job",   [MEM_LIMIT] = "limit",
    [MEM_LOAD] = "load",
};

/* ---- counting */

static void on_thread_end(void *arg)
{
    struct counts *counts = arg;

    mine = NULL;
    atomic_store(&counts->taken, false);
}

static void make_key(void)
{
    if (pthread_key_create(&leaving, on_thread_end) != 0)
        abort();
}

static struct counts *make_counts(void)
{
    struct counts *counts = aligned_alloc(64, sizeof(*counts));

    if (!counts)
        abort();
    memset(counts, 0, sizeof(*counts));
    atomic_store(&counts->taken, true);
    counts->next = atomic_load(&all);
    while (!atomic_compare_exchange_weak(&all, &counts->next, counts))
        ;
    return counts;
}

/* Those of a thread that has ended, or new ones. */
static struct counts *take_counts(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct counts *counts = atomic_load(&all);

    pthread_once(&once, make_key);
    while (counts && atomic_exchange(&counts->taken, true))
        counts = counts->next;
    if (!counts)
        counts = make_counts();
    if (pthread_setspecific(leaving, counts) != 0)
        abort();
    mine = counts;
    return counts;
}

static void count(uint32_t tag, size_t more)
{
    struct counts *counts = mine ? mine : take_counts();
    _Atomic size_t *live = &counts->live[tag];
    size_t now = atomic_load_explicit(live, memory_order_relaxed);

    atomic_store_explicit(live, now + more, memory_order_relaxed);
}

/* ---- blocks */

static void *note(struct header *header, enum mem_tag tag, size_t size)
{
    if (!header)
        abort();
    *header = (struct header){.size = size, .tag = tag, .magic = MAGIC};
    count(tag, size);
    return header + 1;
}

static struct header *header_of(void *ptr)
{
    struct header *header = (struct header *)ptr - 1;

    assert(header->magic == MAGIC);
    return header;
}

void *mem_alloc(enum mem_tag tag, size_t size)
{
    return note(malloc(sizeof(struct header) + size), tag, size);
}

/* glibc's calloc passes the thread's cache of small blocks by: each of them
   would be cut from a larger one that is free, and the rest lost to it. */
void *mem_zalloc(enum mem_tag tag, size_t size)
{
    if (size <= CACHED_MAX)
        return memset(mem_alloc(tag, size), 0, size);
    return note(calloc(1, sizeof(struct header) + size), tag, size);
}

void *mem_realloc(enum mem_tag tag, void *ptr, size_t size)
{
    if (!ptr)
        return mem_alloc(tag, size);
    struct header *header = header_of(ptr);
    tag = (enum mem_tag)header->tag;
    count(tag, 0 - header->size);
    return note(realloc(header, sizeof(*header) + size), tag, size);
}

void mem_free(void *ptr)
{
    if (!ptr)
        return;
    struct header *header = header_of(ptr);
    header->magic = 0;
    count(header->tag, 0 - header->size);
    free(header);
}

size_t mem_live(enum mem_tag tag)
{
    size_t live = 0;

    for (const struct counts *counts = atomic_load(&all); counts;
         counts = counts->next)
        live += atomic_load_explicit(&counts->live[tag], memory_order_relaxed);
    return live;
}

const char *mem_tag_name(enum mem_tag tag)
{
    return names[tag];
}
