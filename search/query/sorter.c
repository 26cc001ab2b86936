/* sorter.c - see sorter.h. */
#include <math.h>

#include "search/query/best.h"
#include "search/query/number.h"
#include "search/query/sorter.h"

/*
 * Inside a segment a keyword is its ordinal times 4 and 2; what is not among
 * them, a keyword for those that miss one and that of search_after, lies in
 * between, at 0 or 1.
 */
#define SPREAD 4
#define AMONG 2

struct key {
    const struct sort_key *asked;
    enum sort_value_kind kind;
    uint32_t field;         /* of the schema */
    int64_t missing, after; /* not turned round; of a text, if it is */
    struct span missing_text, after_text; /* none: ptr NULL */
    const struct values *values;          /* of the segment */
    int64_t missing_here, after_here;     /* turned round */
};

struct rows {
    int64_t *numbers;   /* of each row as many as there are keys */
    struct span *texts; /* as many; not inside a segment */
    struct top_hit *hits;
    size_t count;
};

struct sorter {
    const struct searcher *searcher;
    struct key keys[SORT_KEYS_MAX];
    size_t count, most;
    bool has_after;
    uint32_t base;
    struct rows rows;         /* of the segment: most and one to be filled */
    struct best best;         /* numbers of them */
    uint32_t spare;           /* the one to be filled */
    struct rows found, other; /* sorted, of all segments so far; other: room */
    bool has_limit;           /* no row whose first number is more comes in */
    int64_t limit;
};

/* ---- keys */

static int64_t turned(const struct key *key, int64_t number)
{
    return key->asked->descending ? ~number : number;
}

static int64_t extreme(const struct key *key, bool greatest)
{
    if (key->kind == SORT_REAL)
        return values_from_double(greatest ? INFINITY : -INFINITY);
    return greatest ? INT64_MAX : INT64_MIN;
}

/* What was written for a value; text: of keywords.  False: it is none. */
static bool read_given(enum schema_type type, const struct query_value *value,
                       int64_t *number, struct span *text)
{
    if (type != SCHEMA_KEYWORD)
        return number_read_value(type, value, true, number);
    *text = value->text;
    *number = 0;
    return true;
}

static enum schema_type type_of(const struct sorter *sorter,
                                const struct key *key)
{
    return key->field == SCHEMA_NONE
               ? key->asked->unmapped_type
               : sorter->searcher->schema->fields[key->field].type;
}

static bool open_field(struct sorter *sorter, struct key *key,
                       struct query_error *error)
{
    const struct sort_key *asked = key->asked;
    struct span name = asked->field;

    if (!searcher_find(sorter->searcher, name, &key->field, error))
        return false;
    if (key->field == SCHEMA_NONE && asked->unmapped_type == SCHEMA_TYPES)
        return query_refuse(error, "query_shard_exception",
                            "No mapping found for [%.*s] in order to sort on",
                            (int)name.len, name.ptr);
    enum schema_type type = type_of(sorter, key);
    key->kind = type == SCHEMA_KEYWORD  ? SORT_TEXT
                : type == SCHEMA_DOUBLE ? SORT_REAL
                                        : SORT_INTEGER;
    key->missing =
        extreme(key, (asked->missing == SORT_FIRST) == asked->descending);
    if (asked->missing == SORT_AS_VALUE &&
        !read_given(type, &asked->value, &key->missing, &key->missing_text))
        return query_refuse(error, "illegal_argument_exception",
                            "[sort] missing of [%.*s] is not of its type: "
                            "[%.*s]",
                            (int)name.len, name.ptr, (int)asked->value.text.len,
                            asked->value.text.ptr);
    return true;
}

static bool open_key(struct sorter *sorter, struct key *key,
                     struct query_error *error)
{
    key->field = SCHEMA_NONE;
    if (key->asked->kind == SORT_FIELD)
        return open_field(sorter, key, error);
    key->kind = key->asked->kind == SORT_SCORE ? SORT_FLOAT : SORT_INTEGER;
    return true;
}

static bool read_after(struct sorter *sorter, struct key *key,
                       const struct query_value *after)
{
    double score;

    key->after = key->missing;
    key->after_text = key->missing_text;
    if (key->kind == SORT_FLOAT) {
        if (!number_read_real(after->text, &score))
            return false;
        key->after = values_from_double((double)(float)score);
        return true;
    }
    if (after->kind == QUERY_NO_VALUE)
        return key->asked->kind == SORT_FIELD;
    return read_given(key->asked->kind == SORT_DOC ? SCHEMA_LONG
                                                   : type_of(sorter, key),
                      after, &key->after, &key->after_text);
}

/* ---- making */

static struct rows make_rows(const struct sorter *sorter, size_t count,
                             bool texts)
{
    size_t numbers = count * sorter->count;

    return (struct rows){
        .numbers = mem_alloc(MEM_JOB, numbers * sizeof(int64_t)),
        .texts =
            texts ? mem_alloc(MEM_JOB, numbers * sizeof(struct span)) : NULL,
        .hits = mem_alloc(MEM_JOB, count * sizeof(struct top_hit))};
}

static void free_rows(struct rows *rows)
{
    mem_free(rows->numbers);
    mem_free(rows->texts);
    mem_free(rows->hits);
}

static int compare_here(const struct sorter *sorter, uint32_t a, uint32_t b)
{
    const int64_t *one = &sorter->rows.numbers[a * sorter->count];
    const int64_t *two = &sorter->rows.numbers[b * sorter->count];

    for (size_t i = 0; i < sorter->count; i++)
        if (one[i] != two[i])
            return one[i] < two[i] ? -1 : 1;
    return 0;
}

static bool is_behind(const void *arg, uint32_t one, uint32_t other)
{
    const struct sorter *sorter = arg;
    int order = compare_here(sorter, one, other);

    return order ? order > 0
                 : sorter->rows.hits[one].doc > sorter->rows.hits[other].doc;
}

struct sorter *sorter_create(const struct searcher *searcher,
                             const struct sort *sort, size_t most,
                             struct query_error *error)
{
    struct sorter *sorter = mem_zalloc(MEM_JOB, sizeof(*sorter));

    sorter->searcher = searcher;
    sorter->count = sort->count;
    sorter->most = most;
    sorter->has_after = sort->after_count > 0;
    for (size_t i = 0; i < sort->count; i++) {
        struct key *key = &sorter->keys[i];
        key->asked = &sort->keys[i];
        if (!open_key(sorter, key, error))
            goto err_after_create;
        if (!sorter->has_after || read_after(sorter, key, &sort->after[i]))
            continue;
        query_refuse(error, "illegal_argument_exception",
                     "Failed to parse search_after value for field [%.*s].",
                     (int)key->asked->field.len, key->asked->field.ptr);
        goto err_after_create;
    }
    sorter->rows = make_rows(sorter, most + 1, false);
    sorter->found = make_rows(sorter, most, true);
    sorter->other = make_rows(sorter, most, true);
    sorter->best.items = mem_alloc(MEM_JOB, most * sizeof(uint32_t));
    return sorter;

err_after_create:
    mem_free(sorter);
    return NULL;
}

void sorter_destroy(struct sorter *sorter)
{
    if (!sorter)
        return;
    free_rows(&sorter->rows);
    free_rows(&sorter->found);
    free_rows(&sorter->other);
    mem_free(sorter->best.items);
    mem_free(sorter);
}

/* ---- a segment */

/* Where a keyword lies among those of the segment, or between which. */
static int64_t place_of(const struct values *values, struct span text)
{
    bool exact = false;
    uint32_t at = values ? values_find(values, text, &exact) : 0;

    return (int64_t)at * SPREAD + (exact ? AMONG : 0);
}

static void place_texts(struct key *key)
{
    int64_t missing = key->missing;
    int64_t after = key->after;

    if (key->missing_text.ptr)
        missing = place_of(key->values, key->missing_text);
    if (key->after_text.ptr)
        after = place_of(key->values, key->after_text);
    if (key->missing_text.ptr && key->after_text.ptr && missing == after &&
        missing % SPREAD == 0) {
        int order = span_compare(key->missing_text, key->after_text);
        missing += order > 0;
        after += order < 0;
    }
    key->missing_here = turned(key, missing);
    key->after_here = turned(key, after);
}

void sorter_begin(struct sorter *sorter, size_t which)
{
    sorter->base = sorter->searcher->readers[which]->base;
    sorter->best = (struct best){.items = sorter->best.items,
                                 .most = sorter->most,
                                 .is_behind = is_behind,
                                 .arg = sorter};
    sorter->spare = 0;
    for (size_t i = 0; i < sorter->count; i++) {
        struct key *key = &sorter->keys[i];
        key->values =
            key->field == SCHEMA_NONE
                ? NULL
                : searcher_values(sorter->searcher, which, key->field);
        if (key->kind == SORT_TEXT) {
            place_texts(key);
            continue;
        }
        key->missing_here = turned(key, key->missing);
        key->after_here = turned(key, key->after);
    }
}

/* ---- rows */

static int64_t field_number(const struct key *key, uint32_t doc)
{
    uint32_t first;
    uint32_t count = key->values ? values_all(key->values, doc, &first) : 0;

    if (count == 0)
        return key->missing_here;
    int64_t number = packed_get(&key->values->numbers,
                                first + (key->asked->greatest ? count - 1 : 0));
    return turned(key,
                  key->kind == SORT_TEXT ? number * SPREAD + AMONG : number);
}

static int64_t number_of(const struct sorter *sorter, const struct key *key,
                         uint32_t doc, float score)
{
    if (key->asked->kind == SORT_FIELD)
        return field_number(key, doc);
    if (key->asked->kind == SORT_SCORE)
        return turned(key, values_from_double((double)score));
    return turned(key, (int64_t)sorter->base + doc);
}

/* As sorter_passes(), of documents from this one on whose first number is not
   less. */
static bool is_hopeless(const struct sorter *sorter, int64_t first,
                        uint32_t doc)
{
    bool single = sorter->count == 1; /* then documents' order decides */

    if (sorter->most == 0)
        return true;
    if (sorter->has_limit &&
        (first > sorter->limit || (first == sorter->limit && single)))
        return true;
    if (!best_is_full(&sorter->best))
        return false;
    uint32_t last = sorter->best.items[0];
    int64_t limit = sorter->rows.numbers[last * sorter->count];
    return first > limit || (first == limit && single &&
                             sorter->base + doc > sorter->rows.hits[last].doc);
}

static bool is_behind_after(const struct sorter *sorter, const int64_t *row)
{
    for (size_t i = 0; i < sorter->count; i++)
        if (row[i] != sorter->keys[i].after_here)
            return row[i] > sorter->keys[i].after_here;
    return false;
}

static void add(struct sorter *sorter, uint32_t doc, float score)
{
    int64_t *row = &sorter->rows.numbers[sorter->spare * sorter->count];

    row[0] = number_of(sorter, &sorter->keys[0], doc, score);
    if (is_hopeless(sorter, row[0], doc))
        return;
    for (size_t i = 1; i < sorter->count; i++)
        row[i] = number_of(sorter, &sorter->keys[i], doc, score);
    if (sorter->has_after && !is_behind_after(sorter, row))
        return;
    sorter->rows.hits[sorter->spare] =
        (struct top_hit){.score = score, .doc = sorter->base + doc};
    if (!best_is_full(&sorter->best)) {
        best_add(&sorter->best, sorter->spare);
        sorter->spare = (uint32_t)sorter->best.count;
    } else if (is_behind(sorter, sorter->best.items[0], sorter->spare)) {
        sorter->spare = best_replace(&sorter->best, sorter->spare);
    }
}

/* The last ones first where numbers fall: documents often come by time. */
static void take_backward(struct sorter *sorter, const struct window *window,
                          bool scored)
{
    for (uint32_t i = WINDOW_WORDS; i-- > 0;)
        for (uint64_t left = window->bits[i]; left;) {
            uint32_t bit = 63 - (uint32_t)__builtin_clzll(left);
            uint32_t place = i * 64 + bit;
            left ^= UINT64_C(1) << bit;
            add(sorter, window->from + place,
                scored ? (float)window->scores[place] : 0);
        }
}

void sorter_take(struct sorter *sorter, const struct window *window,
                 bool scored)
{
    struct window_each each = window_first(window);

    if (sorter->keys[0].asked->descending) {
        take_backward(sorter, window, scored);
        return;
    }
    for (uint32_t place; window_next(window, &each, &place);)
        add(sorter, window->from + place,
            scored ? (float)window->scores[place] : 0);
}

/* The least that a field's number may be in a block of its values. */
static int64_t least_of_block(const struct key *key, uint32_t block)
{
    const struct values *values = key->values;
    uint32_t from = block * VALUES_BLOCK;
    uint32_t left = values->docs - from;
    struct values_range range;
    uint32_t have = values_block_range(values, block, &range);
    int64_t least = key->missing_here;

    if (have) {
        int64_t number = key->asked->descending ? range.max : range.min;
        number = turned(key, key->kind == SORT_TEXT ? number * SPREAD + AMONG
                                                    : number);
        bool all = have == (left < VALUES_BLOCK ? left : VALUES_BLOCK);
        least = all || number < least ? number : least;
    }
    return least;
}

bool sorter_passes(const struct sorter *sorter, uint32_t from, uint32_t end)
{
    const struct key *key = &sorter->keys[0];
    int64_t least = key->missing_here;

    if (key->asked->kind == SORT_SCORE)
        return false;
    if (key->asked->kind == SORT_DOC)
        least = turned(key, (int64_t)sorter->base +
                                (key->asked->descending ? end - 1 : from));
    for (uint32_t block = from / VALUES_BLOCK;
         key->values && block * VALUES_BLOCK < end; block++) {
        int64_t other = least_of_block(key, block);
        bool is_first = block == from / VALUES_BLOCK;
        least = is_first || other < least ? other : least;
    }
    return is_hopeless(sorter, least, from);
}

/* ---- all segments */

/* The text of a key, whose number is 0 then; else it is not there. */
static struct span text_of(const struct key *key, int64_t *number)
{
    int64_t place = turned(key, *number);

    if (*number == key->missing_here) {
        *number = key->missing_text.ptr ? 0 : *number;
        return key->missing_text;
    }
    *number = 0;
    return values_keyword(key->values, (uint32_t)(place / SPREAD));
}

static void spell(struct sorter *sorter, uint32_t row, int64_t *numbers,
                  struct span *texts)
{
    for (size_t i = 0; i < sorter->count; i++) {
        numbers[i] = sorter->rows.numbers[row * sorter->count + i];
        if (sorter->keys[i].kind == SORT_TEXT)
            texts[i] = text_of(&sorter->keys[i], &numbers[i]);
    }
}

static int compare(const struct sorter *sorter, const int64_t *one,
                   const struct span *one_texts, const int64_t *two,
                   const struct span *two_texts)
{
    for (size_t i = 0; i < sorter->count; i++) {
        const struct key *key = &sorter->keys[i];
        if (one[i] != two[i])
            return one[i] < two[i] ? -1 : 1;
        if (key->kind != SORT_TEXT || one[i] != 0)
            continue;
        int order = span_compare(one_texts[i], two_texts[i]);
        if (order)
            return key->asked->descending ? -order : order;
    }
    return 0;
}

static void keep(struct sorter *sorter, const struct top_hit *hit,
                 const int64_t *numbers, const struct span *texts)
{
    struct rows *to = &sorter->other;
    size_t at = to->count++ * sorter->count;

    to->hits[to->count - 1] = *hit;
    memcpy(&to->numbers[at], numbers, sorter->count * sizeof(*numbers));
    memcpy(&to->texts[at], texts, sorter->count * sizeof(*texts));
}

void sorter_end(struct sorter *sorter)
{
    struct rows found = sorter->found;
    struct best *best = &sorter->best;
    int64_t numbers[SORT_KEYS_MAX];
    struct span texts[SORT_KEYS_MAX] = {0};
    size_t i = 0;

    best_sort(best);
    sorter->other.count = 0;
    for (size_t j = 0; j <= best->count; j++) {
        if (j < best->count)
            spell(sorter, best->items[j], numbers, texts);
        for (; i < found.count && sorter->other.count < sorter->most; i++) {
            size_t at = i * sorter->count;
            if (j < best->count &&
                compare(sorter, numbers, texts, &found.numbers[at],
                        &found.texts[at]) < 0)
                break;
            keep(sorter, &found.hits[i], &found.numbers[at], &found.texts[at]);
        }
        if (j < best->count && sorter->other.count < sorter->most)
            keep(sorter, &sorter->rows.hits[best->items[j]], numbers, texts);
    }
    sorter->found = sorter->other;
    sorter->other = found;
    sorter->has_limit = sorter->found.count == sorter->most &&
                        sorter->keys[0].kind != SORT_TEXT && sorter->most;
    if (sorter->has_limit)
        sorter->limit =
            sorter->found.numbers[(sorter->most - 1) * sorter->count];
}

static struct sort_value value_of(const struct key *key, int64_t number,
                                  struct span text)
{
    int64_t integer = turned(key, number);

    if (key->kind == SORT_TEXT)
        return (struct sort_value){.kind = number ? SORT_NONE : SORT_TEXT,
                                   .text = text};
    if (key->kind == SORT_INTEGER)
        return (struct sort_value){.kind = SORT_INTEGER, .integer = integer};
    return (struct sort_value){.kind = key->kind,
                               .real = values_double(integer)};
}

size_t sorter_give(const struct sorter *sorter, struct top_hit *hits,
                   struct sort_value *values)
{
    const struct rows *found = &sorter->found;

    for (size_t i = 0; i < found->count * sorter->count; i++)
        values[i] = value_of(&sorter->keys[i % sorter->count],
                             found->numbers[i], found->texts[i]);
    if (found->count)
        memcpy(hits, found->hits, found->count * sizeof(*hits));
    return found->count;
}
