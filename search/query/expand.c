/* expand.c - see expand.h. */
#include "search/query/expand.h"
#include "search/query/code_point.h"

void expand_prefix(const struct dict *dict, struct span prefix, expand_cb cb,
                   void *arg)
{
    struct dict_cursor cursor;
    bool more = dict_cursor_seek(&cursor, dict, prefix);

    while (more && span_has_prefix(cursor.term, prefix) &&
           cb(arg, cursor.term, &cursor.entry, 0))
        more = dict_cursor_next(&cursor);
}

/* ---- ranges */

static bool is_behind(const struct expand_range *range, struct span term)
{
    int order = range->to ? span_compare(term, *range->to) : -1;

    return order > 0 || (order == 0 && !range->to_inclusive);
}

void expand_range(const struct dict *dict, const struct expand_range *range,
                  expand_cb cb, void *arg)
{
    struct dict_cursor cursor;
    bool more =
        dict_cursor_seek(&cursor, dict, range->from ? *range->from : SPAN(""));

    if (more && range->from && !range->from_inclusive &&
        span_eq(cursor.term, *range->from))
        more = dict_cursor_next(&cursor);
    while (more && !is_behind(range, cursor.term) &&
           cb(arg, cursor.term, &cursor.entry, 0))
        more = dict_cursor_next(&cursor);
}

/* ---- wildcards */

/* No code points. */
#define NOTHING (UINT32_MAX - 2)
#define ANY_ONE (UINT32_MAX - 1)
#define ANY_RUN UINT32_MAX

/* Takes the first off the pattern; bytes: its own, without the \ before it. */
static uint32_t take_item(struct span *pattern, struct span *bytes)
{
    bool is_escaped = pattern->len > 1 && pattern->ptr[0] == '\\';

    if (pattern->len == 0)
        return NOTHING;
    *bytes = span_skip(*pattern, is_escaped);
    uint32_t item = code_point_read(*bytes, &bytes->len);
    *pattern = span_skip(*pattern, is_escaped + bytes->len);
    if (is_escaped)
        return item;
    return item == '*' ? ANY_RUN : item == '?' ? ANY_ONE : item;
}

/*
 * Only what the last run takes is tried again, with one more: if the items
 * between two runs are anywhere behind, the first such place leaves most to
 * those that follow.
 */
bool expand_matches(struct span pattern, struct span term)
{
    struct span behind_run = {0};
    struct span retry = {0};
    struct span bytes;
    size_t len;

    while (term.len > 0) {
        uint32_t item = take_item(&pattern, &bytes);
        uint32_t code_point = code_point_read(term, &len);
        if (item == ANY_RUN) {
            if (pattern.len == 0)
                return true;
            behind_run = pattern;
            retry = term;
        } else if (item == ANY_ONE || item == code_point) {
            term = span_skip(term, len);
        } else if (behind_run.len > 0) {
            code_point_read(retry, &len);
            term = retry = span_skip(retry, len);
            pattern = behind_run;
        } else {
            return false;
        }
    }
    while (pattern.len > 0)
        if (take_item(&pattern, &bytes) != ANY_RUN)
            return false;
    return true;
}

/* Appends what stands before the first run or single one to head; false: there
   is none, the pattern is a term. */
static bool read_head(struct span pattern, char *head, size_t *len)
{
    struct span bytes;

    *len = 0;
    while (pattern.len > 0) {
        if (take_item(&pattern, &bytes) >= ANY_ONE)
            return true;
        memcpy(head + *len, bytes.ptr, bytes.len);
        *len += bytes.len;
    }
    return false;
}

bool expand_wildcard(const struct dict *dict, struct span pattern, expand_cb cb,
                     void *arg)
{
    char room[EXPAND_PATTERN_MAX];
    struct span head = {.ptr = room};
    struct dict_cursor cursor;

    if (pattern.len > sizeof(room))
        return false;
    bool more_than_one = read_head(pattern, room, &head.len);
    bool more = dict_cursor_seek(&cursor, dict, head);
    while (more && span_has_prefix(cursor.term, head))
        more = (!expand_matches(pattern, cursor.term) ||
                cb(arg, cursor.term, &cursor.entry, 0)) &&
               more_than_one && dict_cursor_next(&cursor);
    return true;
}
