/*
 * peer_query.h - the queries of the search benchmark game, taken apart for
 * engines that have another syntax: words and "phrases", each behind a +, a -
 * or nothing.  C, and C++ for Xapian.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define PEER_PARTS 32
#define PEER_WORDS 32

struct peer_part {
    char sign; /* '+', '-' or ' ' */
    size_t count;
    const char *words[PEER_WORDS]; /* of a phrase, or one */
};

struct peer_query {
    size_t count;
    struct peer_part parts[PEER_PARTS];
};

/* Signs of that kind. */
static inline size_t peer_count(const struct peer_query *query, char sign)
{
    size_t count = 0;

    for (size_t i = 0; i < query->count; i++)
        count += query->parts[i].sign == sign;
    return count;
}

/* Cuts text up, which the words point into.  False: it is none, or too long. */
static inline bool peer_read(char *text, struct peer_query *query)
{
    bool inside = false;
    struct peer_part *part = NULL;

    query->count = 0;
    while (*(text += strspn(text, " "))) {
        if (!inside) {
            if (query->count == PEER_PARTS)
                return false;
            part = &query->parts[query->count++];
            part->count = 0;
            part->sign = *text == '+' || *text == '-' ? *text++ : ' ';
            inside = *text == '"';
            text += inside;
        }
        size_t len = strcspn(text, " \"");
        bool closes = text[len] == '"';
        if (part->count == PEER_WORDS || (len == 0 && !closes) ||
            (closes && !inside))
            return false;
        if (len > 0)
            part->words[part->count++] = text;
        inside = inside && !closes;
        text += len;
        if (*text)
            *text++ = '\0';
    }
    return query->count > 0 && !inside && part->count > 0;
}
