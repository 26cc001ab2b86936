/*
 * suggest.c - see suggest.h.
 *
 *   read_words() of the text --> correct() each that may be wrong: terms by
 *   expand_fuzzy() of all segments, how many documents have them --> collate():
 *   texts from the likeliest on, as long as a later one may be better
 */
#include <math.h>
#include <stdlib.h>

#include "common/clock.h"
#include "search/query/code_point.h"
#include "search/query/query_build.h"
#include "search/query/source_values.h"
#include "search/query/suggest_internal.h"

#define NEIGHBOURS 128           /* terms like a word, of each segment */
#define CHANGE_COSTS 2.0         /* as of 100 documents one */
#define CHOICES 5                /* of a word, when texts are tried */
#define SURFACE_SOURCE (1 << 20) /* bytes of one; longer ones are not read */
#define SURFACE_TEXT 65536       /* bytes of a value of them */
#define SURFACE_DOCS 4 /* that are looked at for how a term is written */

const struct suggest_request suggest_defaults = {.most = 3,
                                                 .prefix_length = 1,
                                                 .min_word_length = 3,
                                                 .deadline_us =
                                                     SEARCH_NO_DEADLINE};

struct word {
    struct suggest_word *word;
    struct span term;
};

struct suggester {
    struct searcher *searcher;
    struct arena *arena;
    const struct suggest_request *request;
    struct suggest_result *result;
    struct suggest_parts parts;
    struct analyzer *analyzer; /* NULL: of a keyword */
    struct word words[SUGGEST_WORDS_MAX];
    uint32_t position; /* behind the last word */
};

/* ---- words */

static void on_word(void *arg, const struct token *token)
{
    struct suggester *s = arg;
    struct suggest_result *result = s->result;
    size_t i = result->count;

    if (i == SUGGEST_WORDS_MAX || (i && token->position < s->position))
        return; /* no room; or a synonym */
    s->position = token->position + 1;
    s->words[i] =
        (struct word){&result->words[i], arena_copy(s->arena, token->term)};
    result->words[i] = (struct suggest_word){
        .text = arena_copy(s->arena,
                           (struct span){s->request->text.ptr + token->start,
                                         token->end - token->start}),
        .start = token->start,
        .end = token->end,
        .docs = compile_having(s->searcher, s->parts.field, token->term)};
    result->count++;
}

static void read_words(struct suggester *s)
{
    struct span text = s->request->text;

    s->result->words =
        arena_zalloc(s->arena, SUGGEST_WORDS_MAX * sizeof(s->result->words[0]));
    if (text.len > SUGGEST_TEXT_MAX)
        text.len = SUGGEST_TEXT_MAX;
    if (s->parts.field->type == SCHEMA_TEXT) {
        s->analyzer = compile_analyzer(s->searcher, s->parts.number);
        analyzer_run(s->analyzer, text, on_word, s);
    } else if (text.len) {
        on_word(s, &(struct token){.term = text, .end = (uint32_t)text.len});
    }
}

static bool is_late(const struct suggester *s)
{
    return clock_mono_us() > s->request->deadline_us;
}

static bool is_number(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    return true;
}

static double likeliness(uint64_t docs, unsigned distance)
{
    return log10((double)docs) - CHANGE_COSTS * distance;
}

/* ---- how a term is written */

struct surface {
    struct suggester *suggester;
    struct span term, text; /* text.ptr NULL: not found yet */
    struct span wanted;     /* the word that was asked for */
    struct span value;
    size_t docs;
};

/* Bytes that both end with. */
static size_t same_end(struct span a, struct span b)
{
    size_t count = 0;

    while (count < a.len && count < b.len &&
           a.ptr[a.len - 1 - count] == b.ptr[b.len - 1 - count])
        count++;
    return count;
}

/* The one that ends most as the word does. */
static void take_surface(void *arg, const struct token *token)
{
    struct surface *surface = arg;
    struct span found = {surface->value.ptr + token->start,
                         token->end - token->start};

    if (span_eq(token->term, surface->term) &&
        (!surface->text.ptr || same_end(found, surface->wanted) >
                                   same_end(surface->text, surface->wanted)))
        surface->text = compile_normal(surface->suggester->searcher,
                                       surface->suggester->arena, found);
}

static bool look_in_value(void *arg, struct span text)
{
    struct surface *surface = arg;

    surface->value = text;
    if (text.len > SURFACE_TEXT)
        surface->value.len = SURFACE_TEXT;
    analyzer_run(surface->suggester->analyzer, surface->value, take_surface,
                 surface);
    return true;
}

static bool look_in_document(void *arg, const struct suggest_part *part,
                             uint32_t doc)
{
    struct surface *surface = arg;
    const struct suggester *s = surface->suggester;
    struct json_errors errors;
    json_t *json = NULL;
    struct buf source;

    json_errors_init(&errors);
    buf_init(&source, MEM_JOB);
    if (reader_source(part->reader, doc, &source) == 0 &&
        source.len <= SURFACE_SOURCE &&
        json_read(buf_span(&source), &json, &errors) == 0)
        source_values(s->searcher->schema, s->parts.number, json, look_in_value,
                      surface);
    json_decref(json);
    buf_deinit(&source);
    return ++surface->docs < SURFACE_DOCS;
}

/* What a stemmer made is looked for in documents. */
static struct span surface_of(struct suggester *s, struct span term,
                              struct span wanted)
{
    struct surface surface = {.suggester = s, .term = term, .wanted = wanted};

    if (!s->analyzer || !analyzer_is_stemming(s->analyzer))
        return term;
    for (size_t i = 0; i < s->parts.count && surface.docs < SURFACE_DOCS; i++) {
        struct dict_entry entry;
        if (field_find(s->parts.list[i].terms, term, &entry))
            suggest_docs(s->searcher, &s->parts.list[i], &entry,
                         look_in_document, &surface);
    }
    return surface.text.ptr ? surface.text : term;
}

/* ---- corrections of a word */

struct neighbours {
    struct suggester *suggester;
    struct span wanted;
    struct buf options; /* struct suggest_option */
};

static bool take_neighbour(void *arg, struct span term,
                           const struct dict_entry *entry, unsigned distance)
{
    struct neighbours *neighbours = arg;
    struct suggester *s = neighbours->suggester;
    struct suggest_option option = {.distance = distance};
    const struct suggest_option *all = (void *)neighbours->options.ptr;

    (void)entry;
    if (distance == 0)
        return true;
    for (size_t i = 0; i < neighbours->options.len / sizeof(option); i++)
        if (span_eq(all[i].term, term))
            return true;
    option.term = arena_copy(s->arena, term);
    option.docs = compile_having(s->searcher, s->parts.field, term);
    option.score = likeliness(option.docs, distance);
    buf_append(&neighbours->options,
               (struct span){(char *)&option, sizeof(option)});
    return true;
}

static int compare_options(const void *a, const void *b)
{
    const struct suggest_option *one = a;
    const struct suggest_option *two = b;

    if (one->score != two->score)
        return one->score > two->score ? -1 : 1;
    return span_compare(one->term, two->term);
}

static bool see_document(void *arg, const struct suggest_part *part,
                         uint32_t doc)
{
    (void)part;
    (void)doc;
    *(bool *)arg = true;
    return false;
}

static bool is_live(const struct suggester *s, struct span term)
{
    bool seen = false;

    for (size_t i = 0; i < s->parts.count && !seen; i++) {
        struct dict_entry entry;
        if (field_find(s->parts.list[i].terms, term, &entry))
            suggest_docs(s->searcher, &s->parts.list[i], &entry, see_document,
                         &seen);
    }
    return seen;
}

/* The best of those that are likelier than the word itself. */
static void keep_best(struct suggester *s, struct suggest_word *word,
                      const struct suggest_option *all, size_t count)
{
    double own = word->docs ? likeliness(word->docs, 0) : -INFINITY;
    size_t most =
        s->request->most < SUGGEST_MOST ? s->request->most : SUGGEST_MOST;

    word->options =
        arena_alloc(s->arena, (most + 1) * sizeof(word->options[0]));
    for (size_t i = 0; i < count && word->count < most; i++) {
        if (!(all[i].score > own) && !s->request->always)
            break;
        if (!is_live(s, all[i].term))
            continue;
        word->is_wrong |= all[i].score > own;
        word->options[word->count] = all[i];
        word->options[word->count++].text =
            surface_of(s, all[i].term, word->text);
    }
}

static void correct(struct suggester *s, const struct word *word)
{
    const struct suggest_request *request = s->request;
    struct neighbours neighbours = {.suggester = s, .wanted = word->term};
    struct expand_fuzzy options = {.distance = expand_auto_distance(word->term),
                                   .prefix_length = request->prefix_length,
                                   .max_expansions = NEIGHBOURS};
    /* no other one can be likelier than what so many documents have */
    bool is_right =
        likeliness(word->word->docs, 0) >= likeliness(s->parts.docs, 1);

    if (request->max_edits && request->max_edits < options.distance)
        options.distance = request->max_edits;
    if ((is_right && !request->always) || !options.distance ||
        code_point_count(word->term) < request->min_word_length ||
        is_number(word->term))
        return;
    buf_init(&neighbours.options, MEM_JOB);
    for (size_t i = 0; i < s->parts.count; i++)
        expand_fuzzy(&s->parts.list[i].terms->dict, word->term, &options,
                     take_neighbour, &neighbours);
    size_t count = neighbours.options.len / sizeof(struct suggest_option);
    struct suggest_option *all = (void *)neighbours.options.ptr;
    if (count)
        qsort(all, count, sizeof(*all), compare_options);
    keep_best(s, word->word, all, count);
    buf_deinit(&neighbours.options);
}

/* ---- texts */

/* Of each word the number of its choice; 0: the first. */
struct text {
    double score;
    size_t raised; /* the last word whose choice is not the first */
    uint8_t choices[SUGGEST_WORDS_MAX];
};

struct choice {
    double score;
    const struct suggest_option *option; /* NULL: as it is */
};

struct collation {
    struct suggester *suggester;
    struct choice choices[SUGGEST_WORDS_MAX][CHOICES];
    size_t counts[SUGGEST_WORDS_MAX];
    struct text texts[SUGGEST_TRIES * SUGGEST_WORDS_MAX];
    size_t count;
};

/* By score, what is as it is among them. */
static void add_choice(struct collation *c, size_t word, struct choice choice)
{
    size_t at = c->counts[word];

    if (at == CHOICES)
        return;
    c->counts[word]++;
    for (; at > 0 && c->choices[word][at - 1].score < choice.score; at--)
        c->choices[word][at] = c->choices[word][at - 1];
    c->choices[word][at] = choice;
}

/* False: a word is in no document, and no other one is like it. */
static bool begin_texts(struct collation *c)
{
    struct suggester *s = c->suggester;
    struct text *first = &c->texts[c->count++];
    bool fine = true;

    *first = (struct text){.score = 0};
    for (size_t i = 0; i < s->result->count; i++) {
        const struct suggest_word *word = &s->result->words[i];
        if (word->docs)
            add_choice(c, i, (struct choice){likeliness(word->docs, 0), NULL});
        for (size_t j = 0; word->is_wrong && j < word->count; j++)
            add_choice(
                c, i,
                (struct choice){word->options[j].score, &word->options[j]});
        fine &= c->counts[i] > 0;
        if (!c->counts[i])
            add_choice(c, i, (struct choice){0, NULL});
        first->score += c->choices[i][0].score;
    }
    return fine;
}

/* Takes the likeliest out; each that follows of it is put in once. */
static struct text next_text(struct collation *c)
{
    size_t words = c->suggester->result->count;
    size_t best = 0;

    for (size_t i = 1; i < c->count; i++)
        if (c->texts[i].score > c->texts[best].score)
            best = i;
    struct text text = c->texts[best];
    c->texts[best] = c->texts[--c->count];
    for (size_t i = text.raised; i < words; i++) {
        struct text other = text;
        size_t choice = ++other.choices[i];
        if (choice == c->counts[i])
            continue;
        other.raised = i;
        other.score +=
            c->choices[i][choice].score - c->choices[i][choice - 1].score;
        c->texts[c->count++] = other;
    }
    return text;
}

static const struct choice *choice_of(const struct collation *c,
                                      const struct text *text, size_t word)
{
    return &c->choices[word][text->choices[word]];
}

/* Documents that have its words; UINT64_MAX: error says why not. */
static uint64_t count_hits(const struct collation *c, const struct text *text,
                           enum query_occur occur, struct query_error *error)
{
    struct suggester *s = c->suggester;
    struct query queries[SUGGEST_WORDS_MAX];
    struct query_value values[SUGGEST_WORDS_MAX];
    struct query filter;
    struct query all = {.kind = QUERY_BOOL, .boost = 1};

    if (occur == QUERY_SHOULD)
        all.minimum = (struct query_minimum){.is_set = true, .value = 1};
    struct search_result result = {.count = 0};
    struct search_request request = {
        .query = &all, .count = true, .deadline_us = s->request->deadline_us};

    for (size_t i = 0; i < s->result->count; i++) {
        const struct choice *choice = choice_of(c, text, i);
        values[i] = (struct query_value){QUERY_TEXT, choice->option
                                                         ? choice->option->term
                                                         : s->words[i].term};
        queries[i] = (struct query){.kind = QUERY_TERM,
                                    .boost = 1,
                                    .field = s->parts.field->name,
                                    .values = &values[i],
                                    .value_count = 1};
        query_append(&all.lists[occur], &queries[i]);
    }
    if (s->request->filter) {
        filter = *s->request->filter;
        filter.next = NULL;
        query_append(&all.lists[QUERY_FILTER], &filter);
    }
    return search_run(s->searcher, &request, &result, error) ? result.total
                                                             : UINT64_MAX;
}

static void write_text(struct collation *c, const struct text *text)
{
    struct suggester *s = c->suggester;
    struct span from = s->request->text;
    struct buf out;
    size_t at = 0;
    bool is_other = false;

    buf_init(&out, MEM_JOB);
    for (size_t i = 0; i < s->result->count; i++) {
        const struct suggest_word *word = &s->result->words[i];
        const struct choice *choice = choice_of(c, text, i);
        if (!choice->option)
            continue;
        is_other = true;
        buf_append(&out, (struct span){from.ptr + at, word->start - at});
        buf_append(&out, choice->option->text);
        at = word->end;
    }
    buf_append(&out, span_skip(from, at));
    if (is_other)
        s->result->text = arena_copy(s->arena, buf_span(&out));
    buf_deinit(&out);
}

/* The best that documents have all words of; *hits 0: there is none.  False:
   error says why not. */
static bool find_text(struct collation *c, struct text *best, uint64_t *hits,
                      struct query_error *error)
{
    double most = log10((double)c->suggester->parts.docs + 1);

    best->score = -INFINITY;
    for (size_t i = 0; i < SUGGEST_TRIES && c->count && !is_late(c->suggester);
         i++) {
        struct text text = next_text(c);
        if (text.score + most <= best->score)
            break;
        uint64_t count = count_hits(c, &text, QUERY_MUST, error);
        if (count == UINT64_MAX)
            return false;
        text.score += count ? log10((double)count) : -INFINITY;
        if (count && text.score > best->score) {
            *best = text;
            *hits = count;
        }
    }
    return true;
}

/* False: error says why not. */
static bool collate(struct suggester *s, struct query_error *error)
{
    struct collation *c = mem_zalloc(MEM_JOB, sizeof(*c));
    struct text best;
    uint64_t hits = 0;
    bool fine = true;

    c->suggester = s;
    bool may_have_all = begin_texts(c);
    struct text first = c->texts[0];
    if (may_have_all)
        fine = find_text(c, &best, &hits, error);
    s->result->has_all = hits > 0;
    if (fine && !hits) {
        best = first;
        hits = count_hits(c, &best, QUERY_SHOULD, error);
        fine = hits != UINT64_MAX;
    }
    if (fine && hits)
        write_text(c, &best);
    if (s->result->text.ptr)
        s->result->hits = hits;
    mem_free(c);
    return fine;
}

bool suggest_run(struct searcher *searcher, struct arena *arena,
                 const struct suggest_request *request,
                 struct suggest_result *result, struct query_error *error)
{
    struct suggester s = {.searcher = searcher,
                          .arena = arena,
                          .request = request,
                          .result = result};
    bool is_any_wrong = false;

    error->type = NULL;
    *result = (struct suggest_result){.count = 0};
    bool fine = suggest_parts_init(&s.parts, searcher, request->field, error);
    if (fine) {
        read_words(&s);
        for (size_t i = 0; i < result->count && !is_late(&s); i++) {
            correct(&s, &s.words[i]);
            is_any_wrong |= result->words[i].is_wrong;
        }
    }
    if (fine && is_any_wrong)
        fine = collate(&s, error);
    suggest_parts_deinit(&s.parts);
    return fine && searcher_is_sound(searcher, error);
}
