/*
 * highlight_marks.c - see highlight_marks.h.
 *
 *   plan_make() -- collect() from nodes, but of must_not
 *   plan_read() -- the field's analyzer --> on_word(): one of the plan's, or
 *   one that a pattern matches
 *   plan_finish() -- try_phrase() each --> marks
 */
#include <assert.h>
#include <stdlib.h>

#include "search/index/builder.h"
#include "search/query/highlight.h"
#include "search/query/highlight_marks.h"
#include "search/query/moved.h"

#define NONE UINT32_MAX

/* ---- a plan */

struct collector {
    uint32_t field;
    struct buf words, patterns, phrases;
};

static void keep_words(struct collector *c, const struct node_about *about,
                       bool alone)
{
    for (size_t i = 0; i < about->count; i++) {
        struct plan_word word = {.term = about->words[i].term, .alone = alone};
        buf_append(&c->words, (struct span){(char *)&word, sizeof(word)});
    }
}

static void keep_pattern(struct collector *c, const struct node_about *about)
{
    const struct query *query = about->query;
    struct plan_pattern pattern = {.text = about->pattern, .query = query};

    if (query && query->kind == QUERY_RANGE)
        pattern.kind = PATTERN_RANGE;
    else if (!about->pattern.ptr)
        return;
    else if (query && query->kind == QUERY_WILDCARD)
        pattern.kind = PATTERN_WILDCARD;
    buf_append(&c->patterns, (struct span){(char *)&pattern, sizeof(pattern)});
}

static void collect(struct collector *c, const struct node *node)
{
    const struct node_about *about = node->about;

    for (size_t list = 0; list < NODE_MUST_NOT; list++)
        for (const struct node *child = node->lists[list]; child;
             child = child->next)
            collect(c, child);
    if (!about || (c->field != SCHEMA_NONE && about->field != c->field))
        return;
    if (node->kind == NODE_TERM) {
        keep_words(c, about, true);
    } else if (node->kind == NODE_PHRASE) {
        struct plan_phrase phrase = {.about = about};
        keep_words(c, about, false);
        buf_append(&c->phrases, (struct span){(char *)&phrase, sizeof(phrase)});
    } else if (node->kind == NODE_SET) {
        keep_pattern(c, about);
    }
}

static int compare_words(const void *a, const void *b)
{
    const struct plan_word *one = a;
    const struct plan_word *two = b;

    return span_compare(one->term, two->term);
}

static size_t unite_words(struct plan_word *words, size_t count)
{
    size_t kept = 0;

    if (count)
        qsort(words, count, sizeof(words[0]), compare_words);
    for (size_t i = 0; i < count; i++) {
        if (kept && span_eq(words[kept - 1].term, words[i].term))
            words[kept - 1].alone |= words[i].alone;
        else
            words[kept++] = words[i];
    }
    return kept;
}

/* NONE: it is none of the plan's. */
static uint32_t find_word(const struct plan *plan, struct span term)
{
    size_t low = 0;
    size_t high = plan->word_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = span_compare(term, plan->words[middle].term);
        if (order == 0)
            return (uint32_t)middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NONE;
}

static void number_words(struct arena *arena, const struct plan *plan,
                         struct plan_phrase *phrase)
{
    size_t count = phrase->about->count;
    uint32_t *numbers = arena_alloc(arena, count * sizeof(numbers[0]));

    for (size_t i = 0; i < count; i++)
        numbers[i] = find_word(plan, phrase->about->words[i].term);
    phrase->words = numbers;
}

static void *move(struct arena *arena, struct buf *from)
{
    void *to = arena_alloc(arena, from->len + 1);

    if (from->len)
        memcpy(to, from->ptr, from->len);
    buf_deinit(from);
    return to;
}

struct plan *plan_make(struct arena *arena, const struct node *root,
                       uint32_t field)
{
    struct plan *plan = arena_zalloc(arena, sizeof(*plan));
    struct collector c = {.field = field};

    buf_init(&c.words, MEM_JOB);
    buf_init(&c.patterns, MEM_JOB);
    buf_init(&c.phrases, MEM_JOB);
    collect(&c, root);
    plan->word_count = c.words.len / sizeof(struct plan_word);
    plan->pattern_count = c.patterns.len / sizeof(struct plan_pattern);
    plan->phrase_count = c.phrases.len / sizeof(struct plan_phrase);
    plan->words = move(arena, &c.words);
    plan->patterns = move(arena, &c.patterns);
    plan->phrases = move(arena, &c.phrases);
    plan->word_count = unite_words(plan->words, plan->word_count);
    for (size_t i = 0; i < plan->phrase_count; i++)
        number_words(arena, plan, &plan->phrases[i]);
    buf_init(&plan->occurrences, MEM_JOB);
    return plan;
}

void plan_deinit(struct plan *plan)
{
    buf_deinit(&plan->occurrences);
}

/* ---- words */

static bool is_inside(const struct query *query, struct span term)
{
    const struct query_bound *lower = &query->lower;
    const struct query_bound *upper = &query->upper;

    if (lower->value.kind != QUERY_NO_VALUE &&
        span_compare(term, lower->value.text) < lower->exclusive)
        return false;
    return upper->value.kind == QUERY_NO_VALUE ||
           span_compare(upper->value.text, term) >= upper->exclusive;
}

static bool fits(const struct plan_pattern *pattern, struct span term)
{
    switch (pattern->kind) {
    case PATTERN_PREFIX:
        return span_has_prefix(term, pattern->text);
    case PATTERN_WILDCARD:
        return expand_matches(pattern->text, term);
    case PATTERN_RANGE:
        break;
    }
    return is_inside(pattern->query, term);
}

static void keep(struct plan *plan, const struct occurrence *occurrence)
{
    struct occurrence *all = (void *)plan->occurrences.ptr;
    uint32_t at = (uint32_t)(plan->occurrences.len / sizeof(*occurrence));
    struct plan_word *word = occurrence->mark.what < plan->word_count
                                 ? &plan->words[occurrence->mark.what]
                                 : NULL;

    if (word) {
        if (word->count++ == 0)
            word->first = at;
        else
            all[word->last].next = at;
        word->last = at;
    }
    buf_append(&plan->occurrences,
               (struct span){(const char *)occurrence, sizeof(*occurrence)});
}

static void on_word(void *arg, const struct token *token)
{
    struct plan *plan = arg;
    struct occurrence found = {
        .mark = {plan->base + token->start, plan->base + token->end, 0},
        .position = plan->position + token->position,
        .next = NONE};
    uint32_t word = find_word(plan, token->term);

    plan->last = found.position;
    if (word != NONE) {
        found.mark.what = word;
        found.marked = plan->words[word].alone;
        keep(plan, &found);
    }
    for (size_t i = 0; i < plan->pattern_count && !found.marked; i++) {
        if (++plan->steps > HIGHLIGHT_STEPS_MAX)
            return;
        if (!fits(&plan->patterns[i], token->term))
            continue;
        found.mark.what = (uint32_t)(plan->word_count + i);
        found.marked = true;
        keep(plan, &found);
    }
}

void plan_begin(struct plan *plan)
{
    plan->occurrences.len = 0;
    plan->steps = 0;
    plan->position = plan->last = 0;
    for (size_t i = 0; i < plan->word_count; i++) {
        plan->words[i].first = NONE;
        plan->words[i].count = 0;
    }
}

void plan_read(struct plan *plan, struct analyzer *analyzer, struct span text,
               size_t base)
{
    plan->base = (uint32_t)base;
    if (analyzer)
        analyzer_run(analyzer, text, on_word, plan);
    else if (text.len)
        on_word(plan, &(struct token){.term = text, .end = (uint32_t)text.len});
    plan->position = plan->last + BUILDER_GAP;
}

/* ---- phrases */

/* The word that is furthest behind goes on, until all are where they should
   be: nothing that was passed by can be a part of it. */
static void find_phrase(struct plan *plan, const struct plan_phrase *phrase)
{
    struct occurrence *all = (void *)plan->occurrences.ptr;
    const struct node_about *about = phrase->about;
    uint32_t at[PHRASE_MAX];

    assert(about->count > 0);
    for (size_t i = 0; i < about->count; i++)
        at[i] = plan->words[phrase->words[i]].first;
    for (;;) {
        int64_t least = INT64_MAX;
        int64_t most = INT64_MIN;
        size_t which = 0;
        for (size_t i = 0; i < about->count; i++) {
            int64_t start =
                (int64_t)all[at[i]].position - about->words[i].offset;
            which = start < least ? i : which;
            least = start < least ? start : least;
            most = start > most ? start : most;
        }
        for (size_t i = 0; i < about->count && most == least; i++)
            all[at[i]].marked = true;
        at[which] = all[at[which]].next;
        if (at[which] == NONE)
            return;
    }
}

struct moving {
    struct occurrence *all;
    const uint32_t **which; /* of each word, its occurrences */
    size_t count;
};

static void mark_moved(void *arg, const uint32_t *at)
{
    const struct moving *moving = arg;

    for (size_t i = 0; i < moving->count; i++)
        moving->all[moving->which[i][at[i]]].marked = true;
}

/* room: of uint32_t, for each word twice as many as its occurrences. */
static void find_moved(struct plan *plan, const struct plan_phrase *phrase,
                       uint32_t *room)
{
    struct occurrence *all = (void *)plan->occurrences.ptr;
    const struct node_about *about = phrase->about;
    struct moved_word words[PHRASE_MAX];
    const uint32_t *which[PHRASE_MAX];
    struct moving moving = {all, which, about->count};

    for (size_t i = 0; i < about->count; i++) {
        const struct plan_word *word = &plan->words[phrase->words[i]];
        uint32_t *places = room + word->count;
        which[i] = room;
        for (uint32_t j = 0, at = word->first; j < word->count;
             j++, at = all[at].next) {
            room[j] = at;
            places[j] = all[at].position;
        }
        words[i] = (struct moved_word){places, word->count,
                                       about->words[i].offset, word};
        room = places + word->count;
    }
    moved_count(words, about->count, about->query->slop, mark_moved, &moving);
}

static void try_phrase(struct plan *plan, const struct plan_phrase *phrase)
{
    const struct node_about *about = phrase->about;
    size_t places = 0;

    for (size_t i = 0; i < about->count; i++) {
        const struct plan_word *word = &plan->words[phrase->words[i]];
        if (word->first == NONE)
            return;
        places += word->count;
    }
    plan->steps += places * about->count;
    if (plan->steps > HIGHLIGHT_STEPS_MAX)
        return;
    if (!about->query->slop) {
        find_phrase(plan, phrase);
        return;
    }
    uint32_t *room = mem_alloc(MEM_JOB, 2 * places * sizeof(room[0]));
    find_moved(plan, phrase, room);
    mem_free(room);
}

static int compare_marks(const void *a, const void *b)
{
    const struct mark *one = a;
    const struct mark *two = b;

    if (one->start != two->start)
        return one->start < two->start ? -1 : 1;
    return (one->end > two->end) - (one->end < two->end);
}

void plan_finish(struct plan *plan, struct buf *out)
{
    const struct occurrence *all = (void *)plan->occurrences.ptr;
    size_t from = out->len;

    for (size_t i = 0; i < plan->phrase_count; i++)
        try_phrase(plan, &plan->phrases[i]);
    for (size_t i = 0; i < plan->occurrences.len / sizeof(all[0]); i++)
        if (all[i].marked)
            buf_append(out, (struct span){(const char *)&all[i].mark,
                                          sizeof(all[i].mark)});
    if (out->len > from)
        qsort(out->ptr + from, (out->len - from) / sizeof(struct mark),
              sizeof(struct mark), compare_marks);
}
