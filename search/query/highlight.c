/*
 * highlight.c - see highlight.h.
 *
 *   highlight_find() -- source_values() --> the plan of the field
 *   --> marks --> passages, or whole values --> draw() each
 */
#include <stdio.h>
#include <stdlib.h>
#include <unicode/ubrk.h>

#include "search/query/highlight.h"
#include "search/query/highlight_passages.h"
#include "search/query/source_values.h"

const struct highlight_options highlight_defaults = {.fragment_size = 100,
                                                     .fragments = 5,
                                                     .pre_tag = {"<em>", 4},
                                                     .post_tag = {"</em>", 5}};

struct highlight {
    struct searcher *searcher;
    const struct query *query;
    struct arena arena;        /* of what is compiled, and plans */
    const struct node **roots; /* by segment, compiled to name; or NULL */
    struct plan *plans;
    UBreakIterator *breaks[2];
    /* Of the field that is being read. */
    const struct schema_field *field;
    struct buf text, ends, marks; /* ends: uint32_t; marks: struct mark */
    struct buf passages;          /* struct passage */
    struct buf out, fragments;    /* fragments: struct span */
};

static const struct node *compile(struct highlight *h, size_t segment,
                                  struct query_error *error)
{
    struct compiled compiled;
    struct compiler compiler = {.mode = COMPILE_TO_NAME,
                                .searcher = h->searcher,
                                .arena = &h->arena,
                                .reader = h->searcher->readers[segment],
                                .compiled = &compiled,
                                .error = error};

    if (!h->roots[segment] && compile_query(&compiler, h->query))
        h->roots[segment] = compiled.root;
    return h->roots[segment];
}

struct highlight *highlight_create(struct searcher *searcher,
                                   const struct query *query,
                                   struct query_error *error)
{
    struct highlight *h = mem_zalloc(MEM_JOB, sizeof(*h));

    h->searcher = searcher;
    h->query = query;
    h->roots =
        mem_zalloc(MEM_JOB, (searcher->count + 1) * sizeof(struct node *));
    arena_init(&h->arena, MEM_JOB, 0);
    struct buf *const bufs[] = {&h->text,     &h->ends, &h->marks,
                                &h->passages, &h->out,  &h->fragments};
    for (size_t i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++)
        buf_init(bufs[i], MEM_JOB);
    if (searcher->count == 0 || compile(h, 0, error))
        return h;
    highlight_destroy(h);
    return NULL;
}

void highlight_destroy(struct highlight *h)
{
    if (!h)
        return;
    for (struct plan *plan = h->plans; plan; plan = plan->next)
        plan_deinit(plan);
    for (size_t i = 0; i < 2; i++)
        if (h->breaks[i])
            ubrk_close(h->breaks[i]);
    buf_deinit(&h->text);
    buf_deinit(&h->ends);
    buf_deinit(&h->marks);
    buf_deinit(&h->passages);
    buf_deinit(&h->out);
    buf_deinit(&h->fragments);
    arena_deinit(&h->arena);
    mem_free(h->roots);
    mem_free(h);
}

/* Of a hit in the segment; NULL: nothing can match there. */
static struct plan *plan_of(struct highlight *h, uint32_t segment,
                            uint32_t field, bool any_field)
{
    struct query_error error;
    struct plan *plan = h->plans;

    while (plan && (plan->segment != segment || plan->field != field ||
                    plan->any_field != any_field))
        plan = plan->next;
    const struct node *root = plan ? NULL : compile(h, segment, &error);
    if (!root)
        return plan;
    plan = plan_make(&h->arena, root, any_field ? SCHEMA_NONE : field);
    plan->segment = segment;
    plan->field = field;
    plan->any_field = any_field;
    plan->next = h->plans;
    h->plans = plan;
    return plan;
}

/* ---- the field's values, and what is marked of them */

/* False: there is no room for more. */
static bool take_value(void *arg, struct span text)
{
    struct highlight *h = arg;
    size_t room = HIGHLIGHT_TEXT_MAX - h->text.len;
    bool is_full = text.len > room;

    if (h->field->type == SCHEMA_KEYWORD &&
        (text.len > h->field->ignore_above || is_full))
        return true;
    if (is_full)
        text.len = room;
    while (is_full && text.len > 0 &&
           ((unsigned char)text.ptr[text.len] & 0xc0) == 0x80)
        text.len--;
    if (text.len == 0)
        return !is_full;
    buf_append(&h->text, text);
    uint32_t end = (uint32_t)h->text.len;
    buf_append(&h->ends, (struct span){(char *)&end, sizeof(end)});
    return !is_full;
}

static void find_marks(struct highlight *h, uint32_t field, struct plan *plan)
{
    const uint32_t *ends = (const uint32_t *)(void *)h->ends.ptr;
    struct analyzer *analyzer = h->field->type == SCHEMA_TEXT
                                    ? compile_analyzer(h->searcher, field)
                                    : NULL;
    uint32_t from = 0;

    plan_begin(plan);
    for (size_t i = 0; i < h->ends.len / sizeof(ends[0]); i++) {
        plan_read(plan, analyzer,
                  (struct span){h->text.ptr + from, ends[i] - from}, from);
        from = ends[i];
    }
    plan_finish(plan, &h->marks);
}

/* ---- what is shown */

static void put_text(struct highlight *h, uint32_t from, uint32_t to, bool html)
{
    struct span text = {h->text.ptr + from, to - from};

    if (!html) {
        buf_append(&h->out, text);
        return;
    }
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        buf_append(&h->out, c == '&'    ? SPAN("&amp;")
                            : c == '<'  ? SPAN("&lt;")
                            : c == '>'  ? SPAN("&gt;")
                            : c == '"'  ? SPAN("&quot;")
                            : c == '\'' ? SPAN("&#x27;")
                            : c == '/'  ? SPAN("&#x2F;")
                                        : (struct span){text.ptr + i, 1});
    }
}

/* The first one that does not begin before it. */
static size_t mark_from(const struct highlight *h, uint32_t start)
{
    const struct mark *marks = (const struct mark *)(void *)h->marks.ptr;
    size_t low = 0;
    size_t high = h->marks.len / sizeof(marks[0]);

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (marks[middle].start < start)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* What overlaps is one mark. */
static void draw(struct highlight *h, const struct passage *passage,
                 const struct highlight_options *options)
{
    const struct mark *marks = (const struct mark *)(void *)h->marks.ptr;
    size_t count = h->marks.len / sizeof(marks[0]);
    struct span fragment = {NULL, h->out.len};
    uint32_t at = passage->start;
    size_t i = mark_from(h, passage->start);

    while (i < count && marks[i].start < passage->end) {
        uint32_t start = marks[i].start;
        uint32_t end = start;
        for (; i < count && marks[i].start <= end; i++)
            if (marks[i].end > end && marks[i].end <= passage->end)
                end = marks[i].end;
        if (end == start)
            continue;
        put_text(h, at, start, options->html);
        buf_append(&h->out, options->pre_tag);
        put_text(h, start, end, options->html);
        buf_append(&h->out, options->post_tag);
        at = end;
    }
    put_text(h, at, passage->end, options->html);
    fragment.len = h->out.len - fragment.len;
    buf_append(&h->fragments,
               (struct span){(char *)&fragment, sizeof(fragment)});
}

/* Those values that have a mark. */
static void take_whole(struct highlight *h)
{
    const struct mark *marks = (const struct mark *)(void *)h->marks.ptr;
    const uint32_t *ends = (const uint32_t *)(void *)h->ends.ptr;
    size_t count = h->marks.len / sizeof(marks[0]);
    struct passage whole = {.end = 0};

    for (size_t i = 0; i < h->ends.len / sizeof(ends[0]); i++) {
        whole.start = whole.end;
        whole.end = ends[i];
        size_t mark = mark_from(h, whole.start);
        if (mark < count && marks[mark].start < whole.end)
            buf_append(&h->passages,
                       (struct span){(char *)&whole, sizeof(whole)});
    }
}

static int compare_scores(const void *a, const void *b)
{
    const struct passage *one = a;
    const struct passage *two = b;

    if (one->score != two->score)
        return one->score > two->score ? -1 : 1;
    return (one->start > two->start) - (one->start < two->start);
}

static void take_passages(struct highlight *h, size_t whats,
                          const struct highlight_options *options)
{
    struct passage_text text = {.text = buf_span(&h->text),
                                .ends = (const uint32_t *)(void *)h->ends.ptr,
                                .count = h->ends.len / sizeof(uint32_t),
                                .breaks = h->breaks};
    struct passage *passages = (void *)buf_reserve(
        &h->passages, HIGHLIGHT_FRAGMENTS_MAX * sizeof(*passages));

    if (h->marks.len && options->fragments == 0) {
        take_whole(h);
    } else if (h->marks.len) {
        size_t count = passages_find(
            &text, (const struct mark *)(void *)h->marks.ptr,
            h->marks.len / sizeof(struct mark), whats, options, passages);
        if (options->by_score)
            qsort(passages, count, sizeof(*passages), compare_scores);
        buf_commit(&h->passages, count * sizeof(*passages));
    } else if (options->no_match_size && h->text.len) {
        passages[0] = passages_begin(&text, options->no_match_size);
        buf_commit(&h->passages, sizeof(*passages));
    }
}

static size_t draw_all(struct highlight *h,
                       const struct highlight_options *options,
                       const struct span **fragments)
{
    const struct passage *passages = (void *)h->passages.ptr;
    size_t count = h->passages.len / sizeof(passages[0]);
    size_t at = 0;

    for (size_t i = 0; i < count; i++)
        draw(h, &passages[i], options);
    struct span *all = (void *)h->fragments.ptr;
    for (size_t i = 0; i < count; i++) { /* they do not move any more */
        all[i].ptr = h->out.ptr + at;
        at += all[i].len;
    }
    *fragments = all;
    return count;
}

static size_t find(struct highlight *h, const struct highlight_hit *hit,
                   uint32_t field, const struct highlight_options *options,
                   const struct span **fragments)
{
    const struct schema *schema = h->searcher->schema;
    uint32_t segment = 0;

    h->field = &schema->fields[field];
    if (h->field->type > SCHEMA_KEYWORD)
        return 0;
    while (segment + 1 < h->searcher->count &&
           h->searcher->readers[segment + 1]->base <= hit->doc)
        segment++;
    struct plan *plan = plan_of(h, segment, field, options->any_field);
    if (!plan ||
        (!options->no_match_size && !plan->word_count && !plan->pattern_count))
        return 0;
    h->text.len = h->ends.len = h->marks.len = h->passages.len = 0;
    h->out.len = h->fragments.len = 0;
    source_values(schema, field, hit->source, take_value, h);
    find_marks(h, field, plan);
    take_passages(h, plan->word_count + plan->pattern_count, options);
    return draw_all(h, options, fragments);
}

size_t highlight_find(struct highlight *h, const struct highlight_hit *hit,
                      struct span field,
                      const struct highlight_options *options,
                      const struct span **fragments)
{
    uint32_t number = schema_find(h->searcher->schema, field);

    return number == SCHEMA_NONE ? 0 : find(h, hit, number, options, fragments);
}

size_t highlight_put(struct highlight *h, const struct highlight_hit *hit,
                     struct span name, const struct highlight_options *options,
                     struct json_writer *w)
{
    const struct schema *schema = h->searcher->schema;
    size_t fields = 0;

    for (uint32_t i = 0; i < schema->count; i++) {
        const struct span *fragments;
        size_t count = query_name_matches(name, schema->fields[i].name)
                           ? find(h, hit, i, options, &fragments)
                           : 0;
        if (count == 0)
            continue;
        json_put_name(w, schema->fields[i].name);
        json_put_open(w, '[');
        for (size_t j = 0; j < count; j++)
            json_put_string(w, fragments[j]);
        json_put_close(w, ']');
        fields++;
    }
    return fields;
}
