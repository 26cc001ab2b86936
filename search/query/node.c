/* node.c - see node.h. */
#include "search/query/node.h"

/* ---- leaves */

static void add_all(const struct node *node, struct window *window, bool scored)
{
    uint32_t count = window->end - window->from;

    for (uint32_t place = 0; place < count; place++) {
        window_set(window, place);
        if (scored)
            window->scores[place] += (double)node->boost;
    }
}

static void add_set(const struct node *node, struct window *window, bool scored)
{
    const uint64_t *bits = node->bits + window->from / 64;
    size_t words = (window->end - window->from + 63) / 64;

    for (uint32_t i = 0; i < words; i++) {
        window->bits[i] |= bits[i];
        for (uint64_t left = scored ? bits[i] : 0; left; left &= left - 1)
            window->scores[i * 64 + (uint32_t)__builtin_ctzll(left)] +=
                (double)node->boost;
    }
}

static bool has_value(const struct node *node, uint32_t doc)
{
    uint32_t count = values_count(node->values, doc);

    for (uint32_t i = 0; i < count; i++) {
        int64_t value = values_get(node->values, doc, i);
        if (value >= node->least && value <= node->most)
            return true;
    }
    return false;
}

/* Blocks none of whose values are in the range are not looked at. */
static void add_values(const struct node *node, struct window *window,
                       bool scored)
{
    for (uint32_t from = window->from; from < window->end;
         from += VALUES_BLOCK) {
        struct values_range range;
        uint32_t end = window->end - from < VALUES_BLOCK ? window->end
                                                         : from + VALUES_BLOCK;
        if (values_block_range(node->values, from / VALUES_BLOCK, &range) ==
                0 ||
            range.max < node->least || range.min > node->most)
            continue;
        for (uint32_t doc = from; doc < end; doc++) {
            if (!has_value(node, doc))
                continue;
            window_set(window, doc - window->from);
            if (scored)
                window->scores[doc - window->from] += (double)node->boost;
        }
    }
}

static void add_term(struct node *node, struct window *window, bool scored)
{
    struct postings *postings = &node->clause->postings;
    float scores[LIST_BLOCK];

    postings_seek(postings, window->from);
    if (!scored) {
        postings_set(postings, window->from, window->end, window->bits);
        return;
    }
    while (postings_doc(postings) < window->end) {
        uint32_t count = postings_run(postings, window->end);
        const uint32_t *docs = postings->docs + postings->at;
        clause_scores(node->clause, count, scores);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t place = docs[i] - window->from;
            window->scores[place] += (double)scores[i];
            window_set(window, place);
        }
        postings_pass(postings, count);
    }
}

static void add_phrase(struct node *node, struct window *window, bool scored)
{
    struct phrase_hits *hits = node->hits;

    for (;;) {
        for (; node->hit < hits->count; node->hit++) {
            uint32_t doc = hits->docs[node->hit];
            if (doc >= window->end)
                return;
            if (doc < window->from)
                continue;
            window_set(window, doc - window->from);
            if (scored)
                window->scores[doc - window->from] += (double)clause_score_of(
                    node->lead, doc, hits->freqs[node->hit]);
        }
        if (node->ended)
            return;
        node->hit = 0;
        node->ended = !phrase_next(node->phrase, -1, hits);
    }
}

/* ---- what has children */

static void fill(struct node *child, struct window *into,
                 const struct window *like, bool scored)
{
    window_clear(into, like->from, like->end, scored);
    node_add(child, into, scored);
}

/* Into its own: those that each of the list has, of those that are there. */
static void keep_all(struct node *node, size_t list, bool first, bool scored)
{
    struct window *own = node->own;
    struct window *other = node->other;

    for (struct node *child = node->lists[list]; child; child = child->next) {
        if (first) {
            node_add(child, own, scored);
            first = false;
            continue;
        }
        if (window_is_empty(own))
            return;
        fill(child, other, own, scored);
        for (size_t i = 0; i < WINDOW_WORDS; i++)
            own->bits[i] &= other->bits[i];
        struct window_each each = window_first(own);
        for (uint32_t place; scored && window_next(own, &each, &place);)
            own->scores[place] += other->scores[place];
    }
}

static void count_matches(struct node *node, const struct window *of)
{
    struct window_each each = window_first(of);

    for (uint32_t place; window_next(of, &each, &place);)
        node->matched[place]++;
}

static void keep_matched(struct node *node)
{
    struct window *own = node->own;
    struct window_each each = window_first(own);

    for (uint32_t place; window_next(own, &each, &place);)
        if (node->matched[place] < node->minimum)
            own->bits[place / 64] &= ~(UINT64_C(1) << place % 64);
}

/* Should: any brings documents if nothing else does (brings), and adds to what
   is there. */
static void add_any(struct node *node, bool brings, bool scored)
{
    struct window *own = node->own;
    struct window *other = node->other;

    if (node->matched)
        memset(node->matched, 0, WINDOW_DOCS * sizeof(node->matched[0]));
    for (struct node *child = node->lists[NODE_SHOULD]; child;
         child = child->next) {
        if (brings && !node->matched) {
            node_add(child, own, scored);
            continue;
        }
        fill(child, other, own, scored);
        if (node->matched)
            count_matches(node, other);
        for (size_t i = 0; brings && i < WINDOW_WORDS; i++)
            own->bits[i] |= other->bits[i];
        struct window_each each = window_first(other);
        for (uint32_t place; scored && window_next(other, &each, &place);)
            own->scores[place] += other->scores[place];
    }
    if (node->matched)
        keep_matched(node);
}

static void remove_any(struct node *node)
{
    for (struct node *child = node->lists[NODE_MUST_NOT]; child;
         child = child->next) {
        fill(child, node->other, node->own, false);
        for (size_t i = 0; i < WINDOW_WORDS; i++)
            node->own->bits[i] &= ~node->other->bits[i];
    }
}

/* What is in its own, to what is asked for. */
static void give(const struct window *own, struct window *window, bool scored)
{
    struct window_each each = window_first(own);

    for (uint32_t place; scored && window_next(own, &each, &place);)
        window->scores[place] += own->scores[place];
    for (size_t i = 0; i < WINDOW_WORDS; i++)
        window->bits[i] |= own->bits[i];
}

static void add_bool(struct node *node, struct window *window, bool scored)
{
    bool must = node->counts[NODE_MUST] + node->counts[NODE_FILTER] > 0;

    window_clear(node->own, window->from, window->end, scored);
    if (!must && !node->counts[NODE_SHOULD])
        add_all(&(struct node){.boost = 0}, node->own, false);
    keep_all(node, NODE_FILTER, true, false);
    keep_all(node, NODE_MUST, !node->counts[NODE_FILTER], scored);
    if (must && window_is_empty(node->own))
        return;
    if (node->counts[NODE_SHOULD] && (scored || !must || node->matched))
        add_any(node, !must, scored);
    remove_any(node);
    give(node->own, window, scored);
}

static void add_constant(struct node *node, struct window *window, bool scored)
{
    struct window_each each;

    fill(node->lists[NODE_SHOULD], node->own, window, false);
    each = window_first(node->own);
    for (uint32_t place; scored && window_next(node->own, &each, &place);)
        window->scores[place] += (double)node->boost;
    for (size_t i = 0; i < WINDOW_WORDS; i++)
        window->bits[i] |= node->own->bits[i];
}

/* Its own has the sum of the others times tie, and the rest of the best. */
static void add_dis_max(struct node *node, struct window *window, bool scored)
{
    struct window *own = node->own;
    double *best = node->best;

    window_clear(own, window->from, window->end, scored);
    if (scored)
        memset(best, 0, WINDOW_DOCS * sizeof(best[0]));
    for (struct node *child = node->lists[NODE_SHOULD]; child;
         child = child->next) {
        if (!scored) {
            node_add(child, own, false);
            continue;
        }
        fill(child, node->other, own, true);
        struct window_each each = window_first(node->other);
        for (uint32_t place; window_next(node->other, &each, &place);) {
            double score = node->other->scores[place];
            own->scores[place] += score;
            best[place] = score > best[place] ? score : best[place];
            window_set(own, place);
        }
    }
    struct window_each each = window_first(own);
    for (uint32_t place; scored && window_next(own, &each, &place);)
        own->scores[place] =
            best[place] +
            (double)node->tie * (own->scores[place] - best[place]);
    give(own, window, scored);
}

void node_add(struct node *node, struct window *window, bool scored)
{
    switch (node->kind) {
    case NODE_NONE:
        return;
    case NODE_ALL:
        add_all(node, window, scored);
        return;
    case NODE_SET:
        add_set(node, window, scored);
        return;
    case NODE_VALUES:
        add_values(node, window, scored);
        return;
    case NODE_TERM:
        add_term(node, window, scored);
        return;
    case NODE_PHRASE:
        add_phrase(node, window, scored);
        return;
    case NODE_BOOL:
        add_bool(node, window, scored);
        return;
    case NODE_CONSTANT:
        add_constant(node, window, scored);
        return;
    case NODE_DIS_MAX:
        add_dis_max(node, window, scored);
        return;
    }
}
