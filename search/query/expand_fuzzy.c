/*
 * expand_fuzzy.c - see expand.h.
 *
 *   read_term() -- step() by step(), from where it differs from the last one
 *   --> offer() what is within the limit --> dict_cursor_skip() what begins as
 *   one that is not, nor can be by what follows --> the best by their ordinals
 */
#include <assert.h>
#include <unicode/uchar.h>

#include "common/mem.h"
#include "search/query/code_point.h"
#include "search/query/expand.h"

#define ERRORS EXPAND_DISTANCE_MAX
#define WINDOW (2 * ERRORS + 1)
#define NOTHING UINT32_MAX /* no code point */

/*
 * After n code points of a term: bit b is set if they can be made of the first
 * n - ERRORS + b of the wanted one.  Those changes are as many at least as both
 * numbers differ, so no other bit would ever be.
 */
struct step {
    uint8_t reached[ERRORS + 1]; /* by so many changes or fewer */
    /* Of two that change places the latter is read, the former is to come; bits
       as of before it, the change counted.  [0]: 0. */
    uint8_t swapped[ERRORS + 1];
    uint32_t end;     /* bytes of the term read */
    uint32_t decided; /* bytes that what is read is due to */
};

struct found {
    uint64_t rank; /* distance, then how many documents others can have more */
    uint32_t ordinal;
};

struct walk {
    size_t length; /* of the wanted one, in code points */
    size_t prefix; /* of these must be the same */
    bool fold;
    bool begins;    /* what terms begin with is enough */
    bool accepted;  /* so what was read last does */
    unsigned limit; /* of changes; falls when enough are found */
    size_t depth;   /* the number of the last step */
    size_t found_count, most;
    struct dict_cursor cursor;
    uint32_t wanted[ERRORS + EXPAND_PATTERN_MAX + WINDOW]; /* NOTHING around */
    struct step steps[EXPAND_PATTERN_MAX + ERRORS + 2]; /* and a failing one */
    struct found found[EXPAND_FUZZY_MAX];               /* the best first */
};

/* Of the first so many code points, or all. */
static size_t bytes_of(struct span s, size_t count)
{
    size_t at = 0;

    for (size_t len; count > 0 && at < s.len; count--, at += len)
        code_point_read(span_skip(s, at), &len);
    return at;
}

static uint32_t folded(const struct walk *walk, uint32_t code_point)
{
    return walk->fold && code_point < CODE_POINT_BAD
               ? (uint32_t)u_foldCase((UChar32)code_point, U_FOLD_CASE_DEFAULT)
               : code_point;
}

/* ---- the automaton */

/* From the last step to the next one; false: it stands for nothing. */
static bool step(struct walk *walk, uint32_t code_point)
{
    const struct step *from = &walk->steps[walk->depth];
    struct step *to = &walk->steps[walk->depth + 1];
    const uint32_t *wanted = walk->wanted + walk->depth;
    unsigned same = 0;

    if (walk->depth < walk->prefix) {
        *to = *from;
        return wanted[ERRORS] == code_point;
    }
    for (unsigned b = 0; b < WINDOW; b++)
        same |= (unsigned)(wanted[b] == code_point) << b;
    to->reached[0] = from->reached[0] & (uint8_t)same;
    for (unsigned e = 1; e <= ERRORS; e++) {
        unsigned fewer = from->reached[e - 1];
        unsigned put_in = fewer >> 1;
        unsigned left_out = to->reached[e - 1] * 2U;
        unsigned swapped = from->swapped[e] & (same * 2);
        to->reached[e] = (uint8_t)((from->reached[e] & same) | fewer | put_in |
                                   left_out | swapped);
        to->swapped[e] = (uint8_t)(fewer & (same >> 1));
    }
    return to->reached[walk->limit] != 0;
}

/* Of what is read; more than the limit: too far. */
static unsigned distance(const struct walk *walk)
{
    unsigned changes = 0;

    if (walk->depth + ERRORS < walk->length)
        return walk->limit + 1;
    size_t bit = walk->length + ERRORS - walk->depth;
    while (changes <= walk->limit &&
           !(walk->steps[walk->depth].reached[changes] >> bit & 1))
        changes++;
    return changes;
}

/* ---- terms */

/*
 * It shares so many bytes with the last one.  Returns how many bytes of it
 * decide that it is too far, and all that begin so; SIZE_MAX: it is not.  That
 * a byte belongs to no code point may be due to the three behind it.
 */
static size_t read_term(struct walk *walk, struct span term, size_t shared)
{
    size_t len;

    walk->accepted = false;
    while (walk->depth > 0 && walk->steps[walk->depth].decided > shared)
        walk->depth--;
    for (size_t at = walk->steps[walk->depth].end; at < term.len; at += len) {
        uint32_t code_point = code_point_read(span_skip(term, at), &len);
        size_t decided = at + (code_point < CODE_POINT_BAD ? len : 4);
        if (!step(walk, folded(walk, code_point)))
            return decided;
        walk->depth++;
        walk->steps[walk->depth].end = (uint32_t)(at + len);
        walk->steps[walk->depth].decided = (uint32_t)decided;
        walk->accepted = walk->begins && distance(walk) <= walk->limit;
        if (walk->accepted)
            return at + len;
    }
    return SIZE_MAX;
}

/* Terms come in order, so one is behind others of its rank. */
static void offer(struct walk *walk)
{
    unsigned changes = distance(walk);
    uint64_t rank =
        (uint64_t)changes << 32 | (UINT32_MAX - walk->cursor.entry.count);
    size_t at = walk->found_count;

    if (changes > walk->limit)
        return;
    if (at < walk->most)
        walk->found_count++;
    else if (rank >= walk->found[--at].rank)
        return;
    for (; at > 0 && rank < walk->found[at - 1].rank; at--)
        walk->found[at] = walk->found[at - 1];
    walk->found[at] =
        (struct found){.rank = rank, .ordinal = walk->cursor.ordinal};
    if (walk->found_count == walk->most)
        walk->limit = (unsigned)(walk->found[walk->most - 1].rank >> 32);
}

static void visit(struct walk *walk, const struct dict *dict,
                  struct span prefix)
{
    struct dict_cursor *cursor = &walk->cursor;
    bool more = dict_cursor_seek(cursor, dict, prefix) &&
                span_has_prefix(cursor->term, prefix);

    while (more) {
        size_t far = read_term(walk, cursor->term, cursor->shared);
        if (far == SIZE_MAX)
            offer(walk);
        more = dict_cursor_skip(cursor, far) && cursor->shared >= prefix.len;
    }
}

/* ---- all of it */

static struct walk *create(struct span wanted,
                           const struct expand_fuzzy *options)
{
    struct walk *walk = mem_zalloc(MEM_JOB, sizeof(*walk));
    unsigned reached = 1U << ERRORS;

    walk->fold = options->fold;
    walk->limit = options->distance;
    walk->most = options->max_expansions < EXPAND_FUZZY_MAX
                     ? options->max_expansions
                     : EXPAND_FUZZY_MAX;
    memset(walk->wanted, 0xff, sizeof(walk->wanted)); /* NOTHING */
    for (size_t len; wanted.len > 0; wanted = span_skip(wanted, len))
        walk->wanted[ERRORS + walk->length++] =
            folded(walk, code_point_read(wanted, &len));
    walk->prefix = options->prefix_length < walk->length
                       ? options->prefix_length
                       : walk->length;
    for (unsigned e = 0; e <= ERRORS; e++, reached |= reached << 1)
        walk->steps[0].reached[e] = (uint8_t)reached;
    return walk;
}

bool expand_fuzzy(const struct dict *dict, struct span wanted,
                  const struct expand_fuzzy *options, expand_cb cb, void *arg)
{
    bool more = true;

    assert(options->distance <= ERRORS);
    if (wanted.len > EXPAND_PATTERN_MAX)
        return false;
    struct walk *walk = create(wanted, options);
    struct span prefix = {wanted.ptr,
                          walk->fold ? 0 : bytes_of(wanted, walk->prefix)};
    if (walk->most > 0)
        visit(walk, dict, prefix);
    for (size_t i = 0; i < walk->found_count && more; i++) {
        dict_cursor_seek_ordinal(&walk->cursor, dict, walk->found[i].ordinal);
        more = cb(arg, walk->cursor.term, &walk->cursor.entry,
                  (unsigned)(walk->found[i].rank >> 32));
    }
    mem_free(walk);
    return true;
}

bool expand_begins(const struct dict *dict, struct span wanted,
                   const struct expand_fuzzy *options, expand_cb cb, void *arg)
{
    static const struct dict_entry none;

    assert(options->distance <= ERRORS);
    if (wanted.len > EXPAND_PATTERN_MAX)
        return false;
    struct walk *walk = create(wanted, options);
    struct dict_cursor *cursor = &walk->cursor;
    size_t left = walk->most;
    walk->begins = true;
    bool more = dict_cursor_seek(cursor, dict, SPAN(""));
    if (more && walk->length <= walk->limit) { /* all terms do */
        cb(arg, SPAN(""), &none, (unsigned)walk->length);
        more = false;
    }
    while (more && left > 0) {
        size_t len = read_term(walk, cursor->term, cursor->shared);
        if (walk->accepted && len <= cursor->term.len) {
            left--;
            more = cb(arg, (struct span){cursor->term.ptr, len}, &none,
                      distance(walk));
        }
        more = more && dict_cursor_skip(cursor, len);
    }
    mem_free(walk);
    return true;
}

unsigned expand_auto_distance(struct span wanted)
{
    return bytes_of(wanted, 2) == wanted.len   ? 0
           : bytes_of(wanted, 5) == wanted.len ? 1
                                               : 2;
}
