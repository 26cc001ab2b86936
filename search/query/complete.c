/*
 * complete.c - see suggest.h.
 *
 *   find_begins() of terms, over the segments' dictionaries --> read_all() the
 *   terms of each, all segments at once --> offer(): the best so far
 */
#include <stdlib.h>

#include "search/query/code_point.h"
#include "search/query/suggest_internal.h"

#define FUZZY_FROM 3 /* characters, as Elasticsearch's fuzzy.min_length */

/* ---- a field over all segments */

bool suggest_parts_init(struct suggest_parts *parts, struct searcher *searcher,
                        struct span field, struct query_error *error)
{
    uint32_t number = schema_find(searcher->schema, field);

    *parts = (struct suggest_parts){.number = number};
    parts->field =
        number == SCHEMA_NONE ? NULL : &searcher->schema->fields[number];
    if (!parts->field || parts->field->type > SCHEMA_KEYWORD)
        return query_refuse(error, "illegal_argument_exception",
                            parts->field
                                ? "field [%.*s] is neither a text nor a keyword"
                                : "no mapping found for field [%.*s]",
                            (int)field.len, field.ptr);
    parts->list =
        mem_zalloc(MEM_JOB, (searcher->count + 1) * sizeof(parts->list[0]));
    for (size_t i = 0; i < searcher->count; i++) {
        struct reader *reader = searcher->readers[i];
        const struct field *terms =
            reader_terms(reader, schema_find(&reader->schema, field));
        if (!terms)
            continue;
        parts->docs += terms->totals.docs;
        parts->list[parts->count].reader = reader;
        parts->list[parts->count++].terms = terms;
    }
    return searcher_is_sound(searcher, error);
}

void suggest_parts_deinit(struct suggest_parts *parts)
{
    mem_free(parts->list);
}

void suggest_docs(const struct searcher *searcher,
                  const struct suggest_part *part,
                  const struct dict_entry *entry, suggest_doc_cb cb, void *arg)
{
    const struct live *live = part->reader->live;
    struct postings postings;
    bool more = true;

    if (entry->count == 1) {
        postings_init_single(&postings, searcher->kernel, entry->doc,
                             entry->freq);
    } else {
        const void *list = field_list(part->terms, entry);
        if (!list)
            return;
        postings_init(&postings, searcher->kernel, list, entry->count);
    }
    for (uint32_t doc = postings_doc(&postings); more && doc != POSTINGS_END;
         doc = postings_next(&postings))
        if (!live || live_has(live, doc))
            more = cb(arg, part, doc);
}

/* ---- what the terms begin with */

struct begin {
    struct span text;
    unsigned distance;
};

struct completer {
    struct searcher *searcher;
    struct arena *arena;
    const struct complete_request *request;
    struct complete_result *result;
    struct suggest_parts parts;
    struct buf begins; /* struct begin */
    size_t exact;      /* of them, the first ones: distance 0 */
    size_t terms, docs;
};

static struct begin *begins(const struct completer *c, size_t *count)
{
    *count = c->begins.len / sizeof(struct begin);
    return (void *)c->begins.ptr;
}

static bool take_begin(void *arg, struct span term,
                       const struct dict_entry *entry, unsigned distance)
{
    struct completer *c = arg;
    struct begin begin = {.distance = distance};
    size_t count;
    const struct begin *all = begins(c, &count);

    (void)entry;
    for (size_t i = 0; i < count; i++)
        if (span_eq(all[i].text, term) ||
            (i < c->exact && distance && span_has_prefix(term, all[i].text)))
            return true;
    if (count == EXPAND_FUZZY_MAX) {
        c->result->is_cut = true;
        return false;
    }
    begin.text = arena_copy(c->arena, term);
    buf_append(&c->begins, (struct span){(char *)&begin, sizeof(begin)});
    return true;
}

static void find_begins(struct completer *c, unsigned distance)
{
    struct expand_fuzzy options = {.distance = distance,
                                   .prefix_length = distance ? 1 : 0,
                                   .fold = c->request->fold,
                                   .max_expansions = EXPAND_FUZZY_MAX};

    for (size_t i = 0; i < c->parts.count; i++)
        expand_begins(&c->parts.list[i].terms->dict, c->request->prefix,
                      &options, take_begin, c);
}

/* ---- which of them are the best */

struct weighing {
    struct completer *completer;
    uint64_t docs;
    double weight;
};

static bool weigh_doc(void *arg, const struct suggest_part *part, uint32_t doc)
{
    struct weighing *weighing = arg;
    struct completer *c = weighing->completer;
    const struct values *values = part->weights;
    uint32_t count = values ? values_count(values, doc) : 0;

    weighing->docs++;
    if (count) {
        int64_t number = values_get(values, doc, count - 1);
        double weight = values->kind == VALUES_DOUBLE ? values_double(number)
                                                      : (double)number;
        if (weight > weighing->weight)
            weighing->weight = weight;
    }
    if (++c->docs <= COMPLETE_DOCS_MAX)
        return true;
    c->result->is_cut = true;
    return false;
}

static bool is_before(const struct complete_option *a,
                      const struct complete_option *b)
{
    if (a->distance != b->distance)
        return a->distance < b->distance;
    if (a->weight != b->weight)
        return a->weight > b->weight;
    return span_compare(a->text, b->text) < 0;
}

static bool is_wanted(const struct completer *c,
                      const struct complete_option *option)
{
    const struct complete_result *result = c->result;

    return result->count < c->request->most ||
           is_before(option, &result->options[result->count - 1]);
}

/* Those of the segments that are at the term; of others the entry's is 0. */
static void offer(struct completer *c, struct span term, unsigned distance,
                  const bool *has_it)
{
    struct weighing weighing = {.completer = c, .weight = 0};
    struct complete_option option = {.text = term, .distance = distance};
    struct complete_result *result = c->result;
    bool is_counted = !c->request->weight.len;

    for (size_t i = 0; i < c->parts.count; i++)
        if (has_it[i])
            option.docs += c->parts.list[i].cursor.entry.count;
    option.weight = (double)option.docs;
    if (is_counted && !is_wanted(c, &option))
        return;
    for (size_t i = 0; i < c->parts.count; i++) {
        const struct suggest_part *part = &c->parts.list[i];
        if (!has_it[i])
            continue;
        if (is_counted && !part->reader->live)
            weighing.docs += part->cursor.entry.count;
        else
            suggest_docs(c->searcher, part, &part->cursor.entry, weigh_doc,
                         &weighing);
    }
    option.docs = weighing.docs;
    option.weight = is_counted ? (double)weighing.docs : weighing.weight;
    if (!option.docs || !is_wanted(c, &option))
        return;
    size_t at =
        result->count < c->request->most ? result->count++ : result->count - 1;
    for (; at > 0 && is_before(&option, &result->options[at - 1]); at--)
        result->options[at] = result->options[at - 1];
    option.text = arena_copy(c->arena, term);
    result->options[at] = option;
}

/* ---- terms, in order, of all segments */

static bool is_done(const struct completer *c, struct span term,
                    unsigned distance)
{
    size_t count;
    const struct begin *all = begins(c, &count);

    for (size_t i = 0; distance && i < c->exact; i++)
        if (span_has_prefix(term, all[i].text))
            return true;
    return false;
}

static void read_begin(struct completer *c, const struct begin *begin,
                       bool *has_it)
{
    struct suggest_parts *parts = &c->parts;

    for (size_t i = 0; i < parts->count; i++) {
        struct suggest_part *part = &parts->list[i];
        part->more =
            dict_cursor_seek(&part->cursor, &part->terms->dict, begin->text);
    }
    for (;;) {
        struct span least = {NULL, 0};
        for (size_t i = 0; i < parts->count; i++) {
            struct suggest_part *part = &parts->list[i];
            part->more =
                part->more && span_has_prefix(part->cursor.term, begin->text);
            if (part->more &&
                (!least.ptr || span_compare(part->cursor.term, least) < 0))
                least = part->cursor.term;
        }
        if (!least.ptr)
            return;
        if (++c->terms > COMPLETE_TERMS_MAX) {
            c->result->is_cut = true;
            return;
        }
        for (size_t i = 0; i < parts->count; i++)
            has_it[i] = parts->list[i].more &&
                        span_eq(parts->list[i].cursor.term, least);
        if (!is_done(c, least, begin->distance))
            offer(c, least, begin->distance, has_it);
        for (size_t i = 0; i < parts->count; i++)
            if (has_it[i])
                parts->list[i].more = dict_cursor_next(&parts->list[i].cursor);
    }
}

static void read_all(struct completer *c)
{
    bool *has_it = arena_zalloc(c->arena, c->parts.count + 1);
    size_t count;
    const struct begin *all = begins(c, &count);

    for (size_t i = 0; i < count && c->terms <= COMPLETE_TERMS_MAX &&
                       c->docs <= COMPLETE_DOCS_MAX;
         i++)
        read_begin(c, &all[i], has_it);
}

/* False: it is no field of numbers. */
static bool open_weights(struct completer *c, struct query_error *error)
{
    const struct schema *schema = c->searcher->schema;
    struct span name = c->request->weight;
    uint32_t number = name.len ? schema_find(schema, name) : SCHEMA_NONE;

    if (name.len && (number == SCHEMA_NONE ||
                     schema->fields[number].type <= SCHEMA_KEYWORD))
        return query_refuse(error, "illegal_argument_exception",
                            "field [%.*s] has no numbers to weigh by",
                            (int)name.len, name.ptr);
    for (size_t i = 0; name.len && i < c->parts.count; i++) {
        struct suggest_part *part = &c->parts.list[i];
        part->weights = reader_values(part->reader,
                                      schema_find(&part->reader->schema, name));
    }
    return true;
}

bool complete_run(struct searcher *searcher, struct arena *arena,
                  const struct complete_request *request,
                  struct complete_result *result, struct query_error *error)
{
    struct complete_request bounded = *request;
    struct completer c = {.searcher = searcher,
                          .arena = arena,
                          .request = &bounded,
                          .result = result};

    if (bounded.most > COMPLETE_MOST)
        bounded.most = COMPLETE_MOST;
    *result = (struct complete_result){
        .options = arena_alloc(arena, (bounded.most + 1) *
                                          sizeof(result->options[0]))};
    error->type = NULL;
    buf_init(&c.begins, MEM_JOB);
    bool fine = suggest_parts_init(&c.parts, searcher, request->field, error) &&
                open_weights(&c, error);
    if (fine && bounded.most && request->prefix.len <= COMPLETE_PREFIX_MAX) {
        if (request->fold)
            find_begins(&c, 0);
        else
            take_begin(&c, request->prefix, NULL, 0);
        begins(&c, &c.exact);
        if (request->fuzzy && code_point_count(request->prefix) >= FUZZY_FROM)
            find_begins(&c, 1);
        read_all(&c);
    }
    suggest_parts_deinit(&c.parts);
    buf_deinit(&c.begins);
    return fine && searcher_is_sound(searcher, error);
}
