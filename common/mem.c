/*
 * mem.c - see mem.h.
 *
 * Each block is preceded by its size and its subsystem.
 */
#include <assert.h>
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

static size_t live[MEM_TAGS];

static const char *const names[MEM_TAGS] = {
    [MEM_APP] = "app",     [MEM_CONN] = "conn", [MEM_REQUEST] = "request",
    [MEM_REDIS] = "redis", [MEM_JSON] = "json", [MEM_AUTH] = "auth",
    [MEM_CACHE] = "cache", [MEM_JOB] = "job",   [MEM_LIMIT] = "limit",
    [MEM_LOAD] = "load",
};

static void *note(struct header *header, enum mem_tag tag, size_t size)
{
    if (!header)
        abort();
    *header = (struct header){.size = size, .tag = tag, .magic = MAGIC};
    live[tag] += size;
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
    live[tag] -= header->size;
    return note(realloc(header, sizeof(*header) + size), tag, size);
}

void mem_free(void *ptr)
{
    if (!ptr)
        return;
    struct header *header = header_of(ptr);
    header->magic = 0;
    live[header->tag] -= header->size;
    free(header);
}

size_t mem_live(enum mem_tag tag)
{
    return live[tag];
}

const char *mem_tag_name(enum mem_tag tag)
{
    return names[tag];
}
