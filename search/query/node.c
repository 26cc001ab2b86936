/* node.c - see node.h. */
#include "search/query/node.h"
#include "common/mem.h"

/* ---- leaves */

static void add_all(const struct node *node, struct window *window, bool scored)
{
    uint32_t count = window->end - window->from;

    memset(window->bits, UINT8_MAX, count / 64 * sizeof(window->bits[0]));
    if (count % 64)
        window->bits[count / 64] |= ~(UINT64_MAX << count % 64);
    for (uint32_t place = 0; scored && place < count; place++)
        window->scores[place] += (double)node->boost;
}

/* bits: of the window. */
static void add_bits(const uint64_t *bits, double boost, struct window *window,
                     bool scored)
{
    size_t words = (window->end - window->from + 63) / 64;

    for (uint32_t i = 0; i < words; i++) {
        window->bits[i] |= bits[i];
        for (uint64_t left = scored ? bits[i] : 0; left; left &= left - 1)
            window->scores[i * 64 + (uint32_t)__builtin_ctzll(left)] += boost;
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
        if (phrase_seek(node->phrase, window->from) >= window->end)
            return;
        node->hit = 0;
        phrase_next(node->phrase, -1, hits);
    }
}

/* ---- what has children */

static struct node_room *room_of(struct node_room **room)
{
    if (!*room) {
        *room = mem_alloc(MEM_JOB, sizeof(**room));
        (*room)->below = NULL;
    }
    return *room;
}

void node_room_destroy(struct node_room *room)
{
    while (room) {
        struct node_room *below = room->below;
        mem_free(room);
        room = below;
    }
}

/* Into the other one: what the child has where its parent's own is. */
static void fill(struct node *child, struct node_room *room, bool scored)
{
    window_clear(&room->other, room->own.from, room->own.end, scored);
    node_add(child, &room->below, &room->other, scored);
}

/* Of those that are there, those that each of the list has. */
static void keep_all(const struct node *node, struct node_room *room,
                     size_t list, bool first, bool scored)
{
    struct window *own = &room->own;
    struct window *other = &room->other;

    for (struct node *child = node->lists[list]; child; child = child->next) {
        if (first) {
            node_add(child, &room->below, own, scored);
            first = false;
            continue;
        }
        if (window_is_empty(own))
            return;
        fill(child, room, scored);
        for (size_t i = 0; i < WINDOW_WORDS; i++)
            own->bits[i] &= other->bits[i];
        struct window_each each = window_first(own);
        for (uint32_t place; scored && window_next(own, &each, &place);)
            own->scores[place] += other->scores[place];
    }
}

static void count_matches(struct node_room *room)
{
    struct window_each each = window_first(&room->other);

    for (uint32_t place; window_next(&room->other, &each, &place);)
        room->matched[place]++;
}

static void keep_matched(const struct node *node, struct node_room *room)
{
    struct window *own = &room->own;
    struct window_each each = window_first(own);

    for (uint32_t place; window_next(own, &each, &place);)
        if (room->matched[place] < node->minimum)
            own->bits[place / 64] &= ~(UINT64_C(1) << place % 64);
}

/* Should: any brings documents if nothing else does (brings), and adds to what
   is there. */
static void add_any(const struct node *node, struct node_room *room,
                    bool brings, bool scored)
{
    struct window *own = &room->own;
    struct window *other = &room->other;

    if (node->is_counted)
        memset(room->matched, 0, sizeof(room->matched));
    for (struct node *child = node->lists[NODE_SHOULD]; child;
         child = child->next) {
        if (brings && !node->is_counted) {
            node_add(child, &room->below, own, scored);
            continue;
        }
        fill(child, room, scored);
        if (node->is_counted)
            count_matches(room);
        for (size_t i = 0; brings && i < WINDOW_WORDS; i++)
            own->bits[i] |= other->bits[i];
        struct window_each each = window_first(other);
        for (uint32_t place; scored && window_next(other, &each, &place);)
            own->scores[place] += other->scores[place];
    }
    if (node->is_counted)
        keep_matched(node, room);
}

static void remove_any(const struct node *node, struct node_room *room)
{
    for (struct node *child = node->lists[NODE_MUST_NOT]; child;
         child = child->next) {
        fill(child, room, false);
        for (size_t i = 0; i < WINDOW_WORDS; i++)
            room->own.bits[i] &= ~room->other.bits[i];
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

static void add_bool(const struct node *node, struct node_room *room,
                     struct window *window, bool scored)
{
    bool must = node->counts[NODE_MUST] + node->counts[NODE_FILTER] > 0;
    struct window *own = &room->own;

    window_clear(own, window->from, window->end, scored);
    if (!must && !node->counts[NODE_SHOULD])
        add_all(&(struct node){.boost = 0}, own, false);
    keep_all(node, room, NODE_FILTER, true, false);
    keep_all(node, room, NODE_MUST, !node->counts[NODE_FILTER], scored);
    if (must && window_is_empty(own))
        return;
    if (node->counts[NODE_SHOULD] && (scored || !must || node->is_counted))
        add_any(node, room, !must, scored);
    remove_any(node, room);
    give(own, window, scored);
}

/* What its child has, as a set. */
static void add_constant(const struct node *node, struct node_room *room,
                         struct window *window, bool scored)
{
    struct window *own = &room->own;

    window_clear(own, window->from, window->end, false);
    node_add(node->lists[NODE_SHOULD], &room->below, own, false);
    add_bits(own->bits, (double)node->boost, window, scored);
}

/* Its own has the sum of the others times tie, and the rest of the best. */
static void add_dis_max(const struct node *node, struct node_room *room,
                        struct window *window, bool scored)
{
    struct window *own = &room->own;
    double *best = room->best;

    window_clear(own, window->from, window->end, scored);
    if (scored)
        memset(best, 0, sizeof(room->best));
    for (struct node *child = node->lists[NODE_SHOULD]; child;
         child = child->next) {
        if (!scored) {
            node_add(child, &room->below, own, false);
            continue;
        }
        fill(child, room, true);
        struct window_each each = window_first(&room->other);
        for (uint32_t place; window_next(&room->other, &each, &place);) {
            double score = room->other.scores[place];
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

void node_add(struct node *node, struct node_room **room, struct window *window,
              bool scored)
{
    switch (node->kind) {
    case NODE_NONE:
        return;
    case NODE_ALL:
        add_all(node, window, scored);
        return;
    case NODE_SET:
        add_bits(node->bits + window->from / 64, (double)node->boost, window,
                 scored);
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
        add_bool(node, room_of(room), window, scored);
        return;
    case NODE_CONSTANT:
        add_constant(node, room_of(room), window, scored);
        return;
    case NODE_DIS_MAX:
        add_dis_max(node, room_of(room), window, scored);
        return;
    }
}
