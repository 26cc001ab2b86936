/* arena.c - see arena.h. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/arena.h"

#define ALIGN 16
#define CHUNK_MIN 2048
#define CHUNK_MAX 65536

struct arena_chunk {
    struct arena_chunk *older;
    size_t size; /* of bytes */
    _Alignas(ALIGN) char bytes[];
};

static void add_chunk(struct arena *arena, size_t size)
{
    struct arena_chunk *chunk = mem_alloc(arena->tag, sizeof(*chunk) + size);

    chunk->older = arena->chunk;
    chunk->size = size;
    arena->size += size;
    arena->chunk = chunk;
    arena->next = chunk->bytes;
    arena->end = chunk->bytes + size;
}

void arena_init(struct arena *arena, enum mem_tag tag, size_t first)
{
    *arena = (struct arena){.tag = tag};
    if (first)
        add_chunk(arena, first);
}

static void use_chunk(struct arena *arena, struct arena_chunk *chunk)
{
    chunk->older = NULL;
    arena->size = chunk->size;
    arena->chunk = chunk;
    arena->next = chunk->bytes;
    arena->end = chunk->bytes + chunk->size;
}

void arena_init_pooled(struct arena *arena, enum mem_tag tag,
                       struct arena_pool *pool)
{
    struct arena_chunk *chunk = pool->free;

    *arena = (struct arena){.tag = tag, .pool = pool};
    if (!chunk) {
        add_chunk(arena, pool->size);
        return;
    }
    pool->free = chunk->older;
    pool->count--;
    use_chunk(arena, chunk);
}

void arena_pool_deinit(struct arena_pool *pool)
{
    while (pool->free) {
        struct arena_chunk *chunk = pool->free;
        pool->free = chunk->older;
        mem_free(chunk);
    }
    pool->count = 0;
}

static bool give_back(struct arena_pool *pool, struct arena_chunk *chunk)
{
    if (!pool || chunk->older || pool->count == pool->max)
        return false;
    chunk->older = pool->free;
    pool->free = chunk;
    pool->count++;
    return true;
}

struct arena_mark arena_mark(const struct arena *arena)
{
    return (struct arena_mark){arena->chunk, arena->next};
}

void arena_rewind(struct arena *arena, struct arena_mark mark)
{
    while (arena->chunk != mark.chunk) {
        struct arena_chunk *chunk = arena->chunk;
        arena->chunk = chunk->older;
        arena->size -= chunk->size;
        if (!give_back(arena->pool, chunk))
            mem_free(chunk);
    }
    arena->next = mark.next;
    arena->end = mark.chunk ? mark.chunk->bytes + mark.chunk->size : NULL;
}

void arena_deinit(struct arena *arena)
{
    arena_rewind(arena, (struct arena_mark){0});
    *arena = (struct arena){.tag = arena->tag};
}

/* Each chunk is twice the last, up to a bound, or as large as it must be. */
static size_t next_size(const struct arena *arena, size_t needed)
{
    size_t size = arena->chunk ? arena->chunk->size * 2 : CHUNK_MIN;

    if (size > CHUNK_MAX)
        size = CHUNK_MAX;
    return size < needed ? needed : size;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    size_t rounded = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);

    if ((size_t)(arena->end - arena->next) < rounded || !arena->chunk)
        add_chunk(arena, next_size(arena, rounded));
    void *out = arena->next;
    arena->next += rounded;
    return out;
}

void *arena_zalloc(struct arena *arena, size_t size)
{
    return memset(arena_alloc(arena, size), 0, size);
}

struct span arena_copy(struct arena *arena, struct span bytes)
{
    char *out = arena_alloc(arena, bytes.len + 1);

    if (bytes.len)
        memcpy(out, bytes.ptr, bytes.len);
    out[bytes.len] = '\0';
    return (struct span){out, bytes.len};
}

struct span arena_vprintf(struct arena *arena, const char *format, va_list args)
{
    size_t room = (size_t)(arena->end - arena->next);
    va_list again;

    va_copy(again, args);
    int len = vsnprintf(arena->next, room, format, args);
    if (len < 0)
        abort();
    char *out = arena_alloc(arena, (size_t)len + 1);
    if ((size_t)len >= room)
        vsnprintf(out, (size_t)len + 1, format, again);
    va_end(again);
    return (struct span){out, (size_t)len};
}

struct span arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    struct span text = arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}
