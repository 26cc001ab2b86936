/*
 * mem.h - the one allocator: each allocation carries its subsystem.
 *
 * Memory that runs out ends the process, so no caller has a branch for it;
 * hence every size that a peer controls meets a named limit before it comes
 * here.  Any thread may allocate, and free what another one has: each counts by
 * itself, the counts of live bytes are their sum.
 */
#pragma once

#include <stddef.h>

enum mem_tag {
    MEM_APP,     /* options, tables, what lives as long as the process */
    MEM_CONN,    /* connections and their unsent or incomplete bytes */
    MEM_REQUEST, /* arenas of requests */
    MEM_REDIS,   /* links to Redis, their pending commands */
    MEM_JSON,    /* parsed documents */
    MEM_AUTH,    /* token keys and verified tokens */
    MEM_CACHE,   /* a service's cached objects */
    MEM_JOB,     /* a service's work in the background */
    MEM_LIMIT,   /* rate limits, what is known of their keys */
    MEM_LOAD,    /* the load generator */
    MEM_TAGS
};

/* Uninitialised; never NULL; freed by mem_free(). */
void *mem_alloc(enum mem_tag tag, size_t size);

/* All bytes zero. */
void *mem_zalloc(enum mem_tag tag, size_t size);

/* As realloc(); ptr may be NULL, else it keeps its first tag. */
void *mem_realloc(enum mem_tag tag, void *ptr, size_t size);

/* NULL is fine. */
void mem_free(void *ptr);

/* Live bytes as asked for, without the allocator's overhead, of all threads;
   while others allocate, as it was for each a moment ago. */
size_t mem_live(enum mem_tag tag);
const char *mem_tag_name(enum mem_tag tag);

/* Ask for memory that is read soon: it comes into the caches meanwhile. */
static inline void mem_fetch(const void *ptr, size_t size)
{
    for (size_t at = 0; at < size; at += 64)
        __builtin_prefetch((const char *)ptr + at);
}
