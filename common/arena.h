/*
 * arena.h - memory that is freed all at once.
 *
 * Used for what lives exactly as long as one request or one job.
 */
#pragma once

#include <stdarg.h>

#include "common/mem.h"
#include "common/span.h"

struct arena_chunk;

/* First chunks of one size that are used again and again. */
struct arena_pool {
    struct arena_chunk *free;
    size_t size, count,
        max; /* bytes of a chunk; how many are and may be free */
};

struct arena {
    struct arena_chunk *chunk; /* newest first */
    char *next, *end;          /* what is free in it */
    size_t size;               /* bytes of all chunks */
    enum mem_tag tag;
    struct arena_pool *pool; /* where the first chunk goes back to, or NULL */
};

/* first: the size of the first chunk; 0 waits for the first allocation. */
void arena_init(struct arena *arena, enum mem_tag tag, size_t first);
void arena_deinit(struct arena *arena);

/* The first chunk comes from the pool, which must live longer. */
void arena_init_pooled(struct arena *arena, enum mem_tag tag,
                       struct arena_pool *pool);
void arena_pool_deinit(struct arena_pool *pool);

/* What is made after a mark goes with it, and nothing else. */
struct arena_mark {
    struct arena_chunk *chunk;
    char *next;
};
struct arena_mark arena_mark(const struct arena *arena);
void arena_rewind(struct arena *arena, struct arena_mark mark);

/* Aligned to 16 bytes, uninitialised, never NULL. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_zalloc(struct arena *arena, size_t size);

/* A copy of bytes; a NUL follows that is not part of it. */
struct span arena_copy(struct arena *arena, struct span bytes);

/* A NUL follows that is not part of the result. */
struct span arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct span arena_vprintf(struct arena *arena, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
