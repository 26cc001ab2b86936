/* span.h - a borrowed run of bytes; not NUL-terminated, never freed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const char *ptr;
    size_t len;
};

#define SPAN(literal) ((struct span){(literal), sizeof(literal) - 1})

/* The bytes of a NUL-terminated string; NULL gives an empty span. */
static inline struct span span_str(const char *text)
{
    return (struct span){text, text ? strlen(text) : 0};
}

static inline bool span_eq(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Equal but for the case of ASCII letters. */
bool span_eq_nocase(struct span a, struct span b);

bool span_has_prefix(struct span s, struct span prefix);

/* Without the first n bytes, or empty. */
static inline struct span span_skip(struct span s, size_t n)
{
    return n >= s.len ? (struct span){s.ptr + s.len, 0}
                      : (struct span){s.ptr + n, s.len - n};
}

/* By bytes; what another begins with is before it: less than 0, 0, or more. */
int span_compare(struct span a, struct span b);

/* Without spaces and tabs at both ends. */
struct span span_trim(struct span s);

/*
 * Take what stands before the first sep off *rest into *head; the last piece
 * is what stands behind the last sep.  False when *rest is used up (its ptr is
 * then NULL), so that a loop sees each piece, empty ones too, once.
 */
bool span_cut(struct span *rest, char sep, struct span *head);

/* Decimal digits only, at most max.  False, *out untouched, otherwise. */
bool span_to_u64(struct span s, uint64_t max, uint64_t *out);

/* Decimal digits of value, written to the end of room. */
#define SPAN_U64_MAX 20
struct span span_from_u64(char room[SPAN_U64_MAX], uint64_t value);

/* Lower-case hex of bytes: two digits each, no NUL. */
void span_hex(char *out, struct span bytes);

/* Bytes of the UTF-8 character that s begins with; 0: it is none. */
size_t span_utf8_length(struct span s);
bool span_is_utf8(struct span s);

/* The index of the first c, or s.len. */
size_t span_find(struct span s, char c);
