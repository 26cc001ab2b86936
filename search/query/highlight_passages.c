/*
 * highlight_passages.c - see highlight_passages.h.
 *
 *   measure() what begins at each mark --> the best one, again and again, of
 *   those that are left --> widen() it, to where a sentence or a word ends
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <unicode/ubrk.h>

#include "search/query/highlight_passages.h"

/* Lucene's PassageScorer: BM25 of passages of so many characters. */
#define USUAL 87.0
#define K1 1.2
#define TRIES_MAX 1024 /* to choose one, or to find that it is less */
#define SLACK 64 /* bytes around what is looked at for words and sentences */

/* ---- characters */

static bool is_inner(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* Behind so many characters, but not behind limit. */
static uint32_t forward(struct span text, uint32_t at, size_t count,
                        uint32_t limit)
{
    for (; count > 0 && at < limit; count--)
        do
            at++;
        while (at < limit && is_inner(text.ptr[at]));
    return at;
}

static uint32_t back(struct span text, uint32_t at, size_t count,
                     uint32_t limit)
{
    for (; count > 0 && at > limit; count--)
        do
            at--;
        while (at > limit && is_inner(text.ptr[at]));
    return at;
}

static size_t length(struct span text, uint32_t from, uint32_t to)
{
    size_t count = 0;

    for (; from < to; from++)
        count += !is_inner(text.ptr[from]);
    return count;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* ---- words and sentences */

enum unit { WORD, SENTENCE };

/* Where to look, and the value around it. */
struct range {
    uint32_t from, to, begin, end;
};

static bool ends_word(struct span text, const struct range *r, uint32_t at)
{
    return at == r->begin || at == r->end ||
           is_space(text.ptr[at - 1]) != is_space(text.ptr[at]);
}

/* Behind white space that is behind a full stop, or has a line's end. */
static bool ends_sentence(struct span text, const struct range *r, uint32_t at)
{
    uint32_t before = at;

    if (at == r->begin || at == r->end)
        return true;
    if (!is_space(text.ptr[at - 1]) || is_space(text.ptr[at]))
        return false;
    while (before > r->begin && is_space(text.ptr[before - 1]))
        if (text.ptr[--before] == '\n')
            return true;
    while (before > r->begin && strchr("\"')]", text.ptr[before - 1]))
        before--;
    return before > r->begin && strchr(".!?", text.ptr[before - 1]);
}

static bool is_ascii(struct span text, uint32_t from, uint32_t to)
{
    unsigned char all = 0;

    for (; from < to; from++)
        all |= (unsigned char)text.ptr[from];
    return all < 0x80;
}

/* The first or the last one in the range; UINT32_MAX: there is none. */
static uint32_t find_by_icu(const struct passage_text *t, enum unit unit,
                            const struct range *r, bool first)
{
    UErrorCode status = U_ZERO_ERROR;
    UBreakIterator **breaks = &t->breaks[unit];
    UText slice = UTEXT_INITIALIZER;
    uint32_t from = back(t->text, r->from, SLACK, r->begin);
    uint32_t to = forward(t->text, r->to, SLACK, r->end);

    if (!*breaks)
        *breaks = ubrk_open(unit == WORD ? UBRK_LINE : UBRK_SENTENCE, "", NULL,
                            0, &status);
    utext_openUTF8(&slice, t->text.ptr + from, (int64_t)(to - from), &status);
    ubrk_setUText(*breaks, &slice, &status);
    assert(U_SUCCESS(status));
    int32_t low = (int32_t)(r->from - from);
    int32_t high = (int32_t)(r->to - from);
    int32_t found =
        first
            ? ubrk_isBoundary(*breaks, low) ? low : ubrk_following(*breaks, low)
        : ubrk_isBoundary(*breaks, high) ? high
                                         : ubrk_preceding(*breaks, high);
    utext_close(&slice);
    return found == UBRK_DONE || found < low || found > high
               ? UINT32_MAX
               : from + (uint32_t)found;
}

static uint32_t find_bound(const struct passage_text *t, enum unit unit,
                           const struct range *r, bool first)
{
    uint32_t near_from = r->from > r->begin ? r->from - 1 : r->from;
    uint32_t near_to = r->to < r->end ? r->to + 1 : r->to;

    if (!is_ascii(t->text, near_from, near_to))
        return find_by_icu(t, unit, r, first);
    for (uint32_t i = 0; i <= r->to - r->from; i++) {
        uint32_t at = first ? r->from + i : r->to - i;
        if (unit == WORD ? ends_word(t->text, r, at)
                         : ends_sentence(t->text, r, at))
            return at;
    }
    return UINT32_MAX;
}

/* ---- what is worth being shown */

struct finder {
    const struct passage_text *text;
    const struct mark *marks;
    size_t count;
    size_t size; /* characters */
    double *weights;
    uint32_t *seen;             /* of each what, in what is measured */
    struct passage *candidates; /* that begin at each mark */
};

/* The value that has it. */
static struct range value_at(const struct passage_text *t, uint32_t at)
{
    size_t low = 0;
    size_t high = t->count;

    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (t->ends[middle - 1] <= at)
            low = middle;
        else
            high = middle;
    }
    return (struct range){.begin = low ? t->ends[low - 1] : 0,
                          .end = t->ends[low]};
}

static void weigh(const struct finder *f, size_t marks, size_t whats)
{
    double passages = (double)f->text->text.len / USUAL;

    for (size_t i = 0; i < marks; i++)
        f->seen[f->marks[i].what]++;
    for (size_t i = 0; i < whats; i++)
        f->weights[i] = log(1 + (passages + 0.5) / ((double)f->seen[i] + 0.5));
    memset(f->seen, 0, whats * sizeof(f->seen[0]));
}

/* What the mark adds that is there so often already. */
static double gain(const struct finder *f, uint32_t what, uint32_t seen)
{
    double before = (double)seen / ((double)seen + K1);
    double after = ((double)seen + 1) / ((double)seen + 1 + K1);

    return f->weights[what] * (after - before);
}

/* From this mark on, those that end in its value, the size and the limit. */
static struct passage measure(const struct finder *f, size_t from,
                              uint32_t limit)
{
    const struct passage_text *t = f->text;
    uint32_t start = f->marks[from].start;
    uint32_t end = value_at(t, start).end;
    struct passage made = {start, f->marks[from].end, 0};
    size_t i = from;

    end = forward(t->text, start, f->size, end < limit ? end : limit);
    for (; i < f->count && (i == from || f->marks[i].end <= end); i++) {
        made.score += gain(f, f->marks[i].what, f->seen[f->marks[i].what]++);
        if (f->marks[i].end > made.end)
            made.end = f->marks[i].end;
    }
    while (i-- > from)
        f->seen[f->marks[i].what] = 0;
    made.score *= 1 + 1 / log(USUAL + start);
    return made;
}

/* The best, the first of those that are as good; SIZE_MAX: there is none. */
static size_t best_of(const struct finder *f)
{
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < f->count; i++)
        if (f->candidates[i].score > 0 &&
            (best == SIZE_MAX ||
             f->candidates[i].score > f->candidates[best].score))
            best = i;
    return best;
}

/* Nothing that begins in it is another one. */
static void leave_out(const struct finder *f, const struct passage *chosen)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->candidates[i].start >= chosen->start &&
            f->candidates[i].start < chosen->end)
            f->candidates[i].score = 0;
}

/* Where the first of those behind it that were chosen begins. */
static uint32_t limit_of(const struct passage *candidate,
                         const struct passage *chosen, size_t count)
{
    uint32_t limit = UINT32_MAX;

    for (size_t i = 0; i < count; i++)
        if (chosen[i].start > candidate->start && chosen[i].start < limit)
            limit = chosen[i].start;
    return limit;
}

/* By its score; what reaches into another one comes again, as less. */
static size_t choose(const struct finder *f, size_t most,
                     struct passage *passages)
{
    size_t count = 0;

    for (size_t i = 0; i < f->count; i++)
        f->candidates[i] = measure(f, i, UINT32_MAX);
    for (size_t i = 0; i < TRIES_MAX && count < most; i++) {
        size_t best = best_of(f);
        if (best == SIZE_MAX)
            break;
        struct passage *candidate = &f->candidates[best];
        uint32_t limit = limit_of(candidate, passages, count);
        if (candidate->end > limit) {
            if (f->marks[best].end > limit)
                candidate->score = 0;
            else
                *candidate = measure(f, best, limit);
            continue;
        }
        passages[count++] = *candidate;
        leave_out(f, &passages[count - 1]);
    }
    return count;
}

/* ---- the text around it */

static void trim(struct span text, const struct passage *core,
                 struct passage *passage)
{
    while (passage->start < core->start && is_space(text.ptr[passage->start]))
        passage->start++;
    while (passage->end > core->end && is_space(text.ptr[passage->end - 1]))
        passage->end--;
}

/* Not over from and to. */
static struct passage widen(const struct passage_text *t,
                            const struct passage *core, size_t size,
                            uint32_t from, uint32_t to)
{
    struct passage made = *core;
    size_t used = length(t->text, core->start, core->end);
    size_t room = size > used ? size - used : 0;
    struct range r = value_at(t, core->start);

    r.to = core->start;
    from = from > r.begin ? from : r.begin;
    to = to < r.end ? to : r.end;
    r.from = back(t->text, core->start, room, from);
    made.start = find_bound(t, SENTENCE, &r, false);
    if (made.start == UINT32_MAX) {
        r.from = back(t->text, core->start, room / 2, from);
        made.start = find_bound(t, WORD, &r, true);
    }
    if (made.start == UINT32_MAX)
        made.start = r.from;
    room -= length(t->text, made.start, core->start);
    r.from = core->end;
    r.to = forward(t->text, core->end, room, to);
    made.end = find_bound(t, SENTENCE, &r, false);
    if (made.end == UINT32_MAX)
        made.end = find_bound(t, WORD, &r, false);
    if (made.end == UINT32_MAX)
        made.end = r.to;
    trim(t->text, core, &made);
    return made;
}

static int compare_places(const void *a, const void *b)
{
    const struct passage *one = a;
    const struct passage *two = b;

    return (one->start > two->start) - (one->start < two->start);
}

size_t passages_find(const struct passage_text *text, const struct mark *marks,
                     size_t mark_count, size_t whats,
                     const struct highlight_options *options,
                     struct passage *passages)
{
    struct finder f = {.text = text,
                       .marks = marks,
                       .count = mark_count < HIGHLIGHT_MARKS_MAX
                                    ? mark_count
                                    : HIGHLIGHT_MARKS_MAX,
                       .size = options->fragment_size < HIGHLIGHT_SIZE_MAX
                                   ? options->fragment_size
                                   : HIGHLIGHT_SIZE_MAX};
    size_t most = options->fragments < HIGHLIGHT_FRAGMENTS_MAX
                      ? options->fragments
                      : HIGHLIGHT_FRAGMENTS_MAX;

    if (mark_count == 0)
        return 0;
    assert(most > 0);
    f.weights = mem_alloc(MEM_JOB, whats * sizeof(f.weights[0]));
    f.seen = mem_zalloc(MEM_JOB, whats * sizeof(f.seen[0]));
    f.candidates = mem_alloc(MEM_JOB, f.count * sizeof(f.candidates[0]));
    weigh(&f, mark_count, whats);
    size_t count = choose(&f, most, passages);
    qsort(passages, count, sizeof(passages[0]), compare_places);
    for (size_t i = 0; i < count; i++)
        passages[i] =
            widen(text, &passages[i], f.size, i ? passages[i - 1].end : 0,
                  i + 1 < count ? passages[i + 1].start : UINT32_MAX);
    mem_free(f.weights);
    mem_free(f.seen);
    mem_free(f.candidates);
    return count;
}

struct passage passages_begin(const struct passage_text *text, size_t most)
{
    struct passage made = {.end = 0};
    struct range r = {.end = text->ends[0]};

    r.to = forward(text->text, 0, most, r.end);
    r.from = r.to ? 1 : 0;
    made.end = find_bound(text, WORD, &r, false);
    if (made.end == UINT32_MAX)
        made.end = r.to;
    trim(text->text, &(struct passage){0}, &made);
    return made;
}
