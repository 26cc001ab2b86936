/*
 * reorder.c - see reorder.h.
 *
 *   the dictionaries --> a graph: of each document the terms that it has --> of
 *   ever smaller ranges split(): set_biases(), exchange() until few move
 */
#include <math.h>
#include <string.h>
#include <uv.h>

#include "search/index/reorder.h"
#include "search/query/postings.h"

/* What is in fewer documents than that brings few together, and what is in more
   than one of COMMON says little of them. */
#define RARE 64
#define COMMON 16
#define EDGES_MAX (UINT32_C(1) << 28) /* 1 GiB; else what is common is left */
#define RANGE_LEAST 64                /* that is halved */
#define ROUNDS_MAX 6
#define STILL 1000 /* one of so many moves, or it is done */

struct graph {
    const struct bits_kernel *kernel;
    uint32_t docs, terms;
    uint32_t least, most; /* documents that a term is in that counts */
    uint32_t *firsts;     /* of each document its first edge; one more */
    uint32_t *edges;      /* a term each */
    float *logs;          /* by count, to docs + 1 */
    /* of a range: by term */
    uint32_t *left, *right; /* how many documents of the half have it */
    float *left_biases, *right_biases; /* to the right, of those */
    uint32_t *met; /* the terms of which there are any; met_count */
    uint32_t met_count;
    uint64_t *keys;      /* by place */
    uint64_t *left_keys; /* while one is looked for; and one behind them */
    uint32_t *moved;     /* documents, by their next places */
};

/* ---- who has what */

typedef void (*edge_cb)(struct graph *graph, uint32_t doc, uint32_t term);

static void count_edge(struct graph *graph, uint32_t doc, uint32_t term)
{
    (void)term;
    graph->firsts[doc + 1]++;
}

/* Each document's first edge moves on to its last one, which is the first of
   the next. */
static void add_edge(struct graph *graph, uint32_t doc, uint32_t term)
{
    graph->edges[graph->firsts[doc]++] = term;
}

static bool counts(const struct graph *graph, const struct dict_entry *entry)
{
    return entry->count >= graph->least && entry->count <= graph->most;
}

static void each_of_list(struct graph *graph, const void *list, uint32_t count,
                         uint32_t term, edge_cb cb)
{
    struct postings postings;

    postings_init(&postings, graph->kernel, list, count);
    while (postings_doc(&postings) != POSTINGS_END) {
        uint32_t of_block = postings.len - postings.at;
        for (uint32_t i = 0; i < of_block; i++)
            cb(graph, postings.docs[postings.at + i], term);
        postings_pass(&postings, of_block);
    }
}

static int each_of_field(struct graph *graph, const struct field *field,
                         edge_cb cb)
{
    struct dict_cursor *cursor = mem_alloc(MEM_JOB, sizeof(*cursor));
    int err = 0;

    for (bool there = dict_cursor_seek(cursor, &field->dict, SPAN(""));
         there && !err; there = dict_cursor_next(cursor)) {
        if (!counts(graph, &cursor->entry))
            continue;
        const void *list = field_list(field, &cursor->entry);
        if (list)
            each_of_list(graph, list, cursor->entry.count, graph->terms++, cb);
        else
            err = UV_EIO;
    }
    mem_free(cursor);
    return err;
}

/* Terms have numbers as they come: the same in each pass. */
static int each_edge(struct graph *graph, struct reader *reader, edge_cb cb)
{
    int err = 0;

    graph->terms = 0;
    for (uint32_t i = 0; i < reader->schema.count && !err; i++) {
        const struct field *field = reader_terms(reader, i);
        if (field)
            err = each_of_field(graph, field, cb);
    }
    return segment_damage(reader->segment) ? UV_EIO : err;
}

/* How many there are, unless they are too many. */
static uint64_t sum_up(struct graph *graph)
{
    uint64_t sum = 0;

    for (uint32_t doc = 0; doc <= graph->docs; doc++) {
        sum += graph->firsts[doc];
        graph->firsts[doc] = (uint32_t)sum;
    }
    return sum;
}

static int make_graph(struct graph *graph, struct reader *reader)
{
    uint64_t edges;
    int err;

    graph->least = RARE;
    graph->most = graph->docs / COMMON;
    graph->firsts =
        mem_alloc(MEM_JOB, (graph->docs + 2) * sizeof(graph->firsts[0]));
    do {
        memset(graph->firsts, 0, (graph->docs + 2) * sizeof(graph->firsts[0]));
        err = each_edge(graph, reader, count_edge);
        edges = err ? 0 : sum_up(graph);
    } while (edges > EDGES_MAX && (graph->most /= 2));
    graph->edges = mem_alloc(MEM_JOB, (edges + 1) * sizeof(graph->edges[0]));
    if (!err)
        err = each_edge(graph, reader, add_edge);
    memmove(graph->firsts + 1, graph->firsts,
            graph->docs * sizeof(graph->firsts[0]));
    graph->firsts[0] = 0;
    return err;
}

/* ---- halves */

/* What the gaps of a term take, about, that so many of the half's documents
   have. */
static float cost(const struct graph *graph, uint32_t having, uint32_t docs)
{
    return (float)having * (graph->logs[docs] - graph->logs[having + 1]);
}

static void meet(struct graph *graph, const uint32_t *docs, uint32_t count,
                 uint32_t *having)
{
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = graph->firsts[docs[i]];
             j < graph->firsts[docs[i] + 1]; j++) {
            uint32_t term = graph->edges[j];
            if (graph->left[term] + graph->right[term] == 0)
                graph->met[graph->met_count++] = term;
            having[term]++;
        }
}

static void forget(struct graph *graph)
{
    for (uint32_t i = 0; i < graph->met_count; i++)
        graph->left[graph->met[i]] = graph->right[graph->met[i]] = 0;
    graph->met_count = 0;
}

/* What is saved if a document that has the term is on the right side. */
static void set_biases(struct graph *graph, uint32_t half, uint32_t rest)
{
    for (uint32_t i = 0; i < graph->met_count; i++) {
        uint32_t term = graph->met[i];
        uint32_t left = graph->left[term];
        uint32_t right = graph->right[term];
        float now = cost(graph, left, half) + cost(graph, right, rest);
        if (left)
            graph->left_biases[term] = now - cost(graph, left - 1, half) -
                                       cost(graph, right + 1, rest);
        if (right)
            graph->right_biases[term] = cost(graph, left + 1, half) +
                                        cost(graph, right - 1, rest) - now;
    }
}

/* It rises as the bias does, then as the place. */
static uint64_t key_of(float bias, uint32_t place)
{
    uint32_t bits;

    memcpy(&bits, &bias, sizeof(bits));
    bits = bits >> 31 ? ~bits : bits | UINT32_C(1) << 31;
    return (uint64_t)bits << 32 | place;
}

static void set_keys(struct graph *graph, const uint32_t *docs, uint32_t from,
                     uint32_t to, const float *biases)
{
    for (uint32_t i = from; i < to; i++) {
        float bias = 0;
        for (uint32_t j = graph->firsts[docs[i]];
             j < graph->firsts[docs[i] + 1]; j++)
            bias += biases[graph->edges[j]];
        graph->keys[i] = key_of(bias, i);
    }
}

/* The key that so many are below; digit by digit, as they are different, of
   those that have the digits so far. */
static uint64_t select_key(struct graph *graph, uint32_t count, uint32_t below)
{
    const uint64_t *keys = graph->keys;

    for (unsigned shift = 56; count > 1; shift -= 8) {
        uint32_t having[256] = {0};
        uint64_t digit = 0;
        uint32_t kept = 0;
        for (uint32_t i = 0; i < count; i++)
            having[keys[i] >> shift & 255]++;
        while (below >= having[digit])
            below -= having[digit++];
        for (uint32_t i = 0; i < count; i++) {
            graph->left_keys[kept] = keys[i];
            kept += (keys[i] >> shift & 255) == digit;
        }
        keys = graph->left_keys;
        count = kept;
    }
    return keys[0];
}

static void change_side(const struct graph *graph, uint32_t doc, uint32_t *from,
                        uint32_t *to)
{
    for (uint32_t i = graph->firsts[doc]; i < graph->firsts[doc + 1]; i++) {
        from[graph->edges[i]]--;
        to[graph->edges[i]]++;
    }
}

/* The half with the smaller keys is the left one; each is in the order that
   they were in.  How many came to the left. */
static uint32_t exchange(struct graph *graph, uint32_t *docs, uint32_t half,
                         uint32_t count)
{
    uint64_t least = select_key(graph, count, half);
    uint32_t moved = 0;
    uint32_t at[2] = {0, half};

    for (uint32_t i = 0; i < count; i++) {
        bool right = graph->keys[i] >= least;
        if (i < half && right)
            change_side(graph, docs[i], graph->left, graph->right);
        if (i >= half && !right) {
            change_side(graph, docs[i], graph->right, graph->left);
            moved++;
        }
        graph->moved[at[right]++] = docs[i];
    }
    memcpy(docs, graph->moved, count * sizeof(docs[0]));
    return moved;
}

static uint64_t edges_of(const struct graph *graph, const uint32_t *docs,
                         uint32_t count)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < count; i++)
        sum += graph->firsts[docs[i] + 1] - graph->firsts[docs[i]];
    return sum;
}

static void swap_halves(struct graph *graph, uint32_t *docs, uint32_t half,
                        uint32_t count)
{
    uint32_t rest = count - half;

    memcpy(graph->moved, docs + half, rest * sizeof(docs[0]));
    memcpy(graph->moved + rest, docs, half * sizeof(docs[0]));
    memcpy(docs, graph->moved, count * sizeof(docs[0]));
}

static void split(struct graph *graph, uint32_t *docs, uint32_t count)
{
    uint32_t half = count / 2;
    uint32_t rest = count - half;
    uint32_t moved = count;

    meet(graph, docs, half, graph->left);
    meet(graph, docs + half, rest, graph->right);
    for (unsigned i = 0; i < ROUNDS_MAX && moved > count / STILL; i++) {
        set_biases(graph, half, rest);
        set_keys(graph, docs, 0, half, graph->left_biases);
        set_keys(graph, docs, half, count, graph->right_biases);
        moved = exchange(graph, docs, half, count);
    }
    forget(graph);
    if (edges_of(graph, docs, half) * rest >
        edges_of(graph, docs + half, rest) * half)
        swap_halves(graph, docs, half, count);
}

/* ---- all of it */

static void init_halves(struct graph *graph)
{
    size_t size = (graph->terms + 1) * sizeof(graph->left[0]);

    graph->left = mem_zalloc(MEM_JOB, size);
    graph->right = mem_zalloc(MEM_JOB, size);
    graph->left_biases = mem_zalloc(MEM_JOB, size);
    graph->right_biases = mem_zalloc(MEM_JOB, size);
    graph->met = mem_alloc(MEM_JOB, size);
    graph->keys =
        mem_alloc(MEM_JOB, (graph->docs + 1) * sizeof(graph->keys[0]));
    graph->left_keys =
        mem_alloc(MEM_JOB, (graph->docs + 1) * sizeof(graph->keys[0]));
    graph->moved =
        mem_alloc(MEM_JOB, (graph->docs + 1) * sizeof(graph->moved[0]));
    graph->logs =
        mem_alloc(MEM_JOB, (graph->docs + 2) * sizeof(graph->logs[0]));
    graph->logs[0] = 0;
    for (uint32_t i = 1; i < graph->docs + 2; i++)
        graph->logs[i] = log2f((float)i);
}

static void deinit(struct graph *graph)
{
    mem_free(graph->firsts);
    mem_free(graph->edges);
    mem_free(graph->logs);
    mem_free(graph->left);
    mem_free(graph->right);
    mem_free(graph->left_biases);
    mem_free(graph->right_biases);
    mem_free(graph->met);
    mem_free(graph->keys);
    mem_free(graph->left_keys);
    mem_free(graph->moved);
}

/* A halving that is not even makes the next ones' ranges differ by a document
   from where it was made, which does no harm. */
static int split_all(struct graph *graph, const atomic_bool *cancelled,
                     uint32_t *order)
{
    for (uint64_t parts = 1; graph->docs / parts >= RANGE_LEAST; parts *= 2)
        for (uint64_t i = 0; i < parts; i++) {
            uint32_t from = (uint32_t)(graph->docs * i / parts);
            uint32_t to = (uint32_t)(graph->docs * (i + 1) / parts);
            if (cancelled && atomic_load(cancelled))
                return UV_ECANCELED;
            split(graph, order + from, to - from);
        }
    return 0;
}

int reorder_documents(struct reader *reader, const atomic_bool *cancelled,
                      uint32_t *order)
{
    const struct bits_kernel *kernels[2];
    struct graph graph = {.docs = reader->docs};

    bits_kernels(kernels);
    graph.kernel = kernels[0];
    int err = make_graph(&graph, reader);
    if (!err) {
        init_halves(&graph);
        err = split_all(&graph, cancelled, order);
    }
    deinit(&graph);
    return err;
}
