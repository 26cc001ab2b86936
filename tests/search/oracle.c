/* oracle.c - see oracle.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "search/index/norm.h"
#include "tests/search/oracle.h"
#include "tests/test.h"

static const char *const vocabulary[ORACLE_VOCABULARY] = {
    "the",   "of",    "and",   "cat",    "cats", "cart",  "card",  "care",
    "bard",  "barn",  "born",  "torn",   "tore", "store", "stone", "tone",
    "alone", "alien", "align", "malign", "sign", "sing",  "song",  "sons",
    "son",   "sun",   "run",   "rung",   "rang", "orange"};

/* ---- documents */

const char *oracle_word(size_t number)
{
    return vocabulary[number];
}

uint8_t oracle_any_word(void)
{
    long a = random() % ORACLE_VOCABULARY;
    long b = random() % ORACLE_VOCABULARY;

    return (uint8_t)(a < b ? a : b);
}

static size_t often(const struct oracle_doc *doc, size_t which)
{
    size_t count = 0;

    for (size_t i = 0; i < doc->word_count; i++)
        count += doc->words[i] == which;
    return count;
}

static void make(struct oracle_doc *doc)
{
    doc->word_count = random() % 9 ? 1 + (size_t)random() % ORACLE_WORDS : 0;
    for (size_t j = 0; j < doc->word_count; j++)
        doc->words[j] = oracle_any_word();
    doc->keyword_count = (size_t)random() % 4;
    for (size_t j = 0; j < doc->keyword_count; j++)
        doc->keywords[j] = (uint8_t)(random() % ORACLE_KEYWORDS);
    doc->has_number = random() % 5;
    doc->number = random() % 50 - 10;
}

static void count(struct oracle *oracle)
{
    size_t length = 0;

    oracle->texts = oracle->keywords = 0;
    memset(oracle->having, 0, sizeof(oracle->having));
    for (size_t i = 0; i < oracle->count; i++) {
        const struct oracle_doc *doc = &oracle->docs[i];
        length += doc->word_count;
        for (size_t j = 0; j < ORACLE_VOCABULARY; j++)
            oracle->having[j] += often(doc, j) > 0;
        oracle->texts += doc->word_count > 0;
        oracle->keywords += doc->keyword_count > 0;
    }
    oracle->average =
        oracle->texts ? (double)length / (double)oracle->texts : 1;
}

void oracle_make(struct oracle *oracle, size_t docs)
{
    memset(oracle, 0, sizeof(*oracle));
    oracle->count = docs;
    for (size_t i = 0; i < docs; i++) {
        oracle->docs[i].id = (uint32_t)i;
        make(&oracle->docs[i]);
    }
    count(oracle);
}

void oracle_kill(struct oracle *oracle)
{
    long every = 2 + random() % 20;

    for (size_t i = 0; i < oracle->count; i++)
        oracle->docs[i].dead = random() % every == 0;
    for (size_t i = 0; i + 1 < oracle->count; i++) {
        size_t rest = oracle->count - i - 1;
        struct oracle_doc *later =
            &oracle->docs[i + 1 + (size_t)random() % rest];
        if (oracle->docs[i].dead && !later->dead && random() % 2)
            later->id = oracle->docs[i].id;
    }
}

void oracle_bury(struct oracle *oracle)
{
    size_t kept = 0;

    for (size_t i = 0; i < oracle->count; i++)
        if (!oracle->docs[i].dead)
            oracle->docs[kept++] = oracle->docs[i];
    oracle->count = kept;
    count(oracle);
}

void oracle_put(const struct oracle *oracle, size_t number, struct buf *out)
{
    const struct oracle_doc *doc = &oracle->docs[number];

    buf_printf(out, "{\"k\":[");
    for (size_t i = 0; i < doc->keyword_count; i++)
        buf_printf(out, "%s\"k%d\"", i ? "," : "", doc->keywords[i]);
    buf_printf(out, "]");
    if (doc->has_number)
        buf_printf(out, ",\"n\":%lld", (long long)doc->number);
    if (doc->word_count) {
        buf_printf(out, ",\"t\":\"");
        for (size_t i = 0; i < doc->word_count; i++)
            buf_printf(out, "%s%s", i ? " " : "", vocabulary[doc->words[i]]);
        buf_printf(out, "\"");
    }
    buf_printf(out, "}");
}

/* ---- answers */

struct answer {
    bool matches;
    double score;
};

static const struct answer no = {false, 0};

static double text_score(const struct oracle *oracle,
                         const struct oracle_doc *doc, double weight,
                         double freq)
{
    double length = norm_length(norm_of((uint32_t)doc->word_count));

    return weight * freq /
           (freq + 1.2 * (0.25 + 0.75 * length / oracle->average));
}

static double weight(size_t docs, size_t having)
{
    return log(1 +
               ((double)docs - (double)having + 0.5) / ((double)having + 0.5));
}

static double weight_of(const struct oracle *oracle, size_t which)
{
    return weight(oracle->texts, oracle->having[which]);
}

static struct answer of_word(const struct oracle *oracle,
                             const struct oracle_doc *doc, size_t which)
{
    size_t freq = often(doc, which);

    if (!freq)
        return no;
    return (struct answer){
        true, text_score(oracle, doc, weight_of(oracle, which), (double)freq)};
}

/* Words of a text; which: ORACLE_VOCABULARY where it is none. */
static size_t read_words(struct span text, struct span *words, size_t *which)
{
    struct span name;
    size_t count = 0;

    while (span_cut(&text, ' ', &name)) {
        words[count] = name;
        size_t i = 0;
        while (i < ORACLE_VOCABULARY && !span_eq(name, span_str(vocabulary[i])))
            i++;
        which[count++] = i;
    }
    return count;
}

static struct answer of_near(const struct oracle *oracle,
                             const struct oracle_doc *doc,
                             const struct query *query, struct span word);
static struct answer of_beginning(const struct oracle_doc *doc,
                                  struct span beginning);

/* The i-th of the words of a text. */
static struct answer of_its_word(const struct oracle *oracle,
                                 const struct oracle_doc *doc,
                                 const struct query *query, struct span word,
                                 size_t which, bool is_last)
{
    if (is_last && query->last_is_prefix)
        return of_beginning(doc, word);
    if (query->edits)
        return of_near(oracle, doc, query, word);
    return which == ORACLE_VOCABULARY ? no : of_word(oracle, doc, which);
}

static struct answer of_match(const struct oracle *oracle,
                              const struct oracle_doc *doc,
                              const struct query *query)
{
    size_t which[ORACLE_ASKED];
    struct span words[ORACLE_ASKED];
    size_t count = read_words(query->text, words, which);
    size_t found = 0;
    struct answer all = no;

    for (size_t i = 0; i < count; i++) {
        struct answer one =
            of_its_word(oracle, doc, query, words[i], which[i], i + 1 == count);
        found += one.matches;
        all.score += one.score;
    }
    all.matches =
        query->all
            ? found == count
            : found >= query_minimum(&query->minimum, count, 1) && found > 0;
    return all.matches ? all : no;
}

/* ---- phrases */

static struct answer of_phrase(const struct oracle *oracle,
                               const struct oracle_doc *doc,
                               const struct query *query)
{
    size_t which[ORACLE_ASKED];
    struct span words[ORACLE_ASKED];
    size_t count = read_words(query->text, words, which);
    double weight = 0;
    double freq = oracle_often(doc, which, count, query->slop);

    if (freq <= 0)
        return no;
    for (size_t i = 0; i < count; i++)
        weight += weight_of(oracle, which[i]);
    return (struct answer){true, text_score(oracle, doc, weight, freq)};
}

/* ---- keywords and numbers */

/* How often the document has it. */
static size_t keyword_often(const struct oracle_doc *doc, struct span value)
{
    char text[8];
    size_t count = 0;

    for (size_t i = 0; i < doc->keyword_count; i++) {
        snprintf(text, sizeof(text), "k%d", doc->keywords[i]);
        count += span_eq(value, span_str(text));
    }
    return count;
}

static struct answer of_keyword(const struct oracle *oracle,
                                const struct oracle_doc *doc, struct span value)
{
    double freq = (double)keyword_often(doc, value);
    size_t having = 0;

    for (size_t i = 0; freq > 0 && i < oracle->count; i++)
        having += keyword_often(&oracle->docs[i], value) > 0;
    if (freq == 0)
        return no;
    return (struct answer){true, weight(oracle->keywords, having) * freq /
                                     (freq + 1.2)};
}

/* How far each word is; SIZE_MAX: too far, or not there. */
static void measure(const struct oracle *oracle, struct span word,
                    uint32_t edits, size_t far[ORACLE_VOCABULARY])
{
    for (size_t i = 0; i < ORACLE_VOCABULARY; i++) {
        far[i] = oracle_distance(word, vocabulary[i]);
        if (far[i] > edits || !oracle->having[i])
            far[i] = SIZE_MAX;
    }
}

/* It is among the nearest, the most frequent, the first. */
static bool is_expanded(const struct oracle *oracle, const size_t *far,
                        size_t which, uint32_t most)
{
    size_t before = 0;

    for (size_t i = 0; i < ORACLE_VOCABULARY; i++)
        before += far[i] < far[which] ||
                  (far[i] == far[which] &&
                   (oracle->having[i] > oracle->having[which] ||
                    (oracle->having[i] == oracle->having[which] &&
                     strcmp(vocabulary[i], vocabulary[which]) < 0)));
    return far[which] != SIZE_MAX && before < most;
}

static struct answer of_near(const struct oracle *oracle,
                             const struct oracle_doc *doc,
                             const struct query *query, struct span word)
{
    size_t far[ORACLE_VOCABULARY];
    uint32_t edits = query->edits;
    struct answer best = no;

    if (edits == QUERY_FUZZY_AUTO)
        edits = word.len < 3 ? 0 : word.len < 6 ? 1 : 2;
    measure(oracle, word, edits, far);
    for (size_t i = 0; i < ORACLE_VOCABULARY; i++) {
        struct answer one = of_word(oracle, doc, i);
        double factor = 1 - (double)far[i] / (double)word.len;
        if (!one.matches || !is_expanded(oracle, far, i, query->max_expansions))
            continue;
        one.score *= factor > 0 ? factor : 0;
        best.matches = true;
        best.score = one.score > best.score ? one.score : best.score;
    }
    return best;
}

static struct answer of_beginning(const struct oracle_doc *doc,
                                  struct span beginning)
{
    struct answer found = {false, 1};

    for (size_t i = 0; i < doc->word_count; i++)
        found.matches |=
            span_has_prefix(span_str(vocabulary[doc->words[i]]), beginning);
    return found.matches ? found : no;
}

static struct answer of_pattern(const struct oracle_doc *doc,
                                const struct query *query)
{
    bool of_text = query->field.ptr[0] == 't';
    size_t count = of_text ? doc->word_count : doc->keyword_count;
    struct span text = query->text;
    char keyword[8];

    for (size_t i = 0; i < count; i++) {
        const char *term = of_text ? vocabulary[doc->words[i]] : keyword;
        if (!of_text)
            snprintf(keyword, sizeof(keyword), "k%d", doc->keywords[i]);
        if (query->kind == QUERY_PREFIX
                ? span_has_prefix(span_str(term), text)
                : oracle_is_like(text.ptr, text.len, term))
            return (struct answer){true, 1};
    }
    return no;
}

static double number_of(struct span text)
{
    char copy[16];

    snprintf(copy, sizeof(copy), "%.*s", (int)text.len, text.ptr);
    return strtod(copy, NULL);
}

/* -1, 0, 1 */
static int order_of(double a, double b)
{
    return (a > b) - (a < b);
}

/* Of what is compared with the bounds: orders. */
static bool is_between(const struct query *query, int lower, int upper)
{
    return (!query->lower.value.kind || lower > 0 ||
            (lower == 0 && !query->lower.exclusive)) &&
           (!query->upper.value.kind || upper < 0 ||
            (upper == 0 && !query->upper.exclusive));
}

static bool in_range(const struct oracle_doc *doc, const struct query *query)
{
    struct span lower = query->lower.value.text;
    struct span upper = query->upper.value.text;
    double number = (double)doc->number;
    char text[8];

    if (query->field.ptr[0] == 'n')
        return doc->has_number &&
               is_between(query, order_of(number, number_of(lower)),
                          order_of(number, number_of(upper)));
    for (size_t i = 0; i < doc->keyword_count; i++) {
        snprintf(text, sizeof(text), "k%d", doc->keywords[i]);
        if (is_between(query, span_compare(span_str(text), lower),
                       span_compare(span_str(text), upper)))
            return true;
    }
    return false;
}

static struct answer of_term(const struct oracle *oracle,
                             const struct oracle_doc *doc,
                             const struct query *query, struct span value)
{
    size_t which[ORACLE_ASKED];
    struct span words[ORACLE_ASKED];

    if (query->field.ptr[0] == 'k')
        return of_keyword(oracle, doc, value);
    if (query->field.ptr[0] == 'n')
        return (struct answer){
            doc->has_number &&
                order_of((double)doc->number, number_of(value)) == 0,
            1};
    read_words(value, words, which);
    return which[0] == ORACLE_VOCABULARY ? no : of_word(oracle, doc, which[0]);
}

/* A text, or what is one value. */
static struct answer of_text(const struct oracle *oracle,
                             const struct oracle_doc *doc,
                             const struct query *query)
{
    struct query prefix = {
        .kind = QUERY_PREFIX, .field = query->field, .text = query->text};

    if (query->field.ptr[0] == 'k')
        return query->last_is_prefix ? of_pattern(doc, &prefix)
                                     : of_keyword(oracle, doc, query->text);
    return query->kind == QUERY_MATCH ? of_match(oracle, doc, query)
                                      : of_phrase(oracle, doc, query);
}

static struct answer answer(const struct oracle *oracle, size_t number,
                            const struct query *query);

static struct answer of_bool(const struct oracle *oracle, size_t number,
                             const struct query *query)
{
    const struct query_list *lists = query->lists;
    bool must = lists[QUERY_MUST].count + lists[QUERY_FILTER].count > 0;
    struct answer all = {true, 0};
    size_t found = 0;
    size_t count = 0;

    for (enum query_occur occur = 0; occur < QUERY_OCCURS; occur++)
        count += lists[occur].count;
    if (count == 0)
        return (struct answer){true, 1};
    for (enum query_occur occur = 0; occur < QUERY_OCCURS; occur++)
        for (const struct query *q = lists[occur].first; q; q = q->next) {
            struct answer one = answer(oracle, number, q);
            if (occur == QUERY_MUST_NOT ? one.matches
                                        : !one.matches && occur != QUERY_SHOULD)
                return no;
            if (occur == QUERY_MUST || (occur == QUERY_SHOULD && one.matches))
                all.score += one.score;
            found += occur == QUERY_SHOULD && one.matches;
        }
    size_t minimum = query_minimum(&query->minimum, lists[QUERY_SHOULD].count,
                                   must || !lists[QUERY_SHOULD].count ? 0 : 1);
    if (!must && lists[QUERY_SHOULD].count && minimum == 0)
        minimum = 1;
    return found >= minimum ? all : no;
}

/* The best, and the others as much as they count. */
static struct answer of_best(const struct oracle *oracle, size_t number,
                             const struct query *query)
{
    struct answer all = no;
    double sum = 0;

    for (const struct query *q = query->lists[QUERY_SHOULD].first; q;
         q = q->next) {
        struct answer one = answer(oracle, number, q);
        all.matches |= one.matches;
        all.score = one.score > all.score ? one.score : all.score;
        sum += one.score;
    }
    all.score += (double)query->tie_breaker * (sum - all.score);
    return all;
}

static struct answer answer(const struct oracle *oracle, size_t number,
                            const struct query *query)
{
    const struct oracle_doc *doc = &oracle->docs[number];
    struct answer found = no;
    char id[24];

    switch (query->kind) {
    case QUERY_MATCH_ALL:
        found = (struct answer){true, 1};
        break;
    case QUERY_MATCH:
    case QUERY_PHRASE:
        found = of_text(oracle, doc, query);
        break;
    case QUERY_TERM:
        found = of_term(oracle, doc, query, query->values[0].text);
        break;
    case QUERY_TERMS:
        for (size_t i = 0; i < query->value_count; i++)
            found.matches |=
                of_term(oracle, doc, query, query->values[i].text).matches;
        found.score = 1;
        break;
    case QUERY_RANGE:
        found = (struct answer){in_range(doc, query), 1};
        break;
    case QUERY_PREFIX:
    case QUERY_WILDCARD:
        found = of_pattern(doc, query);
        break;
    case QUERY_FUZZY:
        found = of_near(oracle, doc, query, query->text);
        break;
    case QUERY_EXISTS:
        found = (struct answer){query->field.ptr[0] == 't' ? doc->word_count > 0
                                : query->field.ptr[0] == 'k'
                                    ? doc->keyword_count > 0
                                    : doc->has_number,
                                1};
        break;
    case QUERY_IDS:
        snprintf(id, sizeof(id), "%u", doc->id);
        for (size_t i = 0; i < query->value_count; i++)
            if (span_eq(query->values[i].text, span_str(id)))
                found = (struct answer){true, 1};
        break;
    case QUERY_CONSTANT_SCORE:
        found = answer(oracle, number, query->lists[QUERY_FILTER].first);
        found.score = 1;
        break;
    case QUERY_BOOL:
        found = of_bool(oracle, number, query);
        break;
    case QUERY_DIS_MAX:
        found = of_best(oracle, number, query);
        break;
    case QUERY_MATCH_NONE:
        break;
    }
    found.score *= (double)query->boost;
    return found.matches ? found : no;
}

static int compare(const void *a, const void *b)
{
    const struct top_hit *one = a;
    const struct top_hit *two = b;

    if (one->score != two->score)
        return one->score > two->score ? -1 : 1;
    return (one->doc > two->doc) - (one->doc < two->doc);
}

size_t oracle_answer(const struct oracle *oracle, const struct query *query,
                     struct top_hit hits[ORACLE_DOCS])
{
    size_t found_count = 0;

    for (size_t i = 0; i < oracle->count; i++) {
        struct answer found = answer(oracle, i, query);
        if (found.matches && !oracle->docs[i].dead)
            hits[found_count++] = (struct top_hit){.score = (float)found.score,
                                                   .doc = (uint32_t)i};
    }
    qsort(hits, found_count, sizeof(hits[0]), compare);
    return found_count;
}
