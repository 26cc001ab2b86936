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

/* Some words are in most documents, some in few. */
static uint8_t random_word(void)
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
        doc->words[j] = random_word();
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

/* ---- queries at random */

static const char *word(void)
{
    return vocabulary[random_word()];
}

static void ask(struct buf *out, int depth);

static void ask_list(struct buf *out, const char *name, int depth, bool *comma)
{
    size_t count = (size_t)random() % 4;

    if (count == 0)
        return;
    buf_printf(out, "%s\"%s\":[", *comma ? "," : "", name);
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_append_char(out, ',');
        ask(out, depth + 1);
    }
    buf_printf(out, "]");
    *comma = true;
}

static void ask_bool(struct buf *out, int depth)
{
    bool comma = false;

    buf_printf(out, "{\"bool\":{");
    ask_list(out, "must", depth, &comma);
    if (random() % 2)
        ask_list(out, "filter", depth, &comma);
    size_t before = out->len;
    ask_list(out, "should", depth, &comma);
    if (out->len > before && random() % 3 == 0)
        buf_printf(out, ",\"minimum_should_match\":%ld", random() % 3);
    if (random() % 2)
        ask_list(out, "must_not", depth, &comma);
    buf_printf(out, "}}");
}

static void ask_text(struct buf *out)
{
    size_t count = 1 + (size_t)random() % 4;

    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s%s", i ? " " : "", word());
}

static void ask_match(struct buf *out)
{
    buf_printf(out, "{\"match\":{\"t\":{\"query\":\"");
    ask_text(out);
    if (random() % 3 == 0)
        buf_printf(out, "\",\"minimum_should_match\":%ld}}}", random() % 4);
    else
        buf_printf(out, "\",\"operator\":\"%s\"}}}",
                   random() % 2 ? "and" : "or");
}

static void ask_phrase(struct buf *out)
{
    buf_printf(out, "{\"match_phrase\":{\"t\":\"");
    ask_text(out);
    buf_printf(out, "\"}}");
}

static void ask_keyword(struct buf *out)
{
    if (random() % 2)
        buf_printf(out, "{\"term\":{\"k\":{\"value\":\"k%ld\",\"boost\":1.5}}}",
                   random() % (ORACLE_KEYWORDS + 1));
    else
        buf_printf(out, "{\"terms\":{\"k\":[\"k%ld\",\"k%ld\"]}}",
                   random() % ORACLE_KEYWORDS, random() % ORACLE_KEYWORDS);
}

static void ask_range(struct buf *out)
{
    buf_printf(out, "{\"range\":{\"n\":{\"gt%s\":%ld,\"lt%s\":%ld}}}",
               random() % 2 ? "e" : "", random() % 50 - 10,
               random() % 2 ? "e" : "", random() % 50 - 10);
}

static void ask_pattern(struct buf *out)
{
    long kind = random() % 3;

    if (kind == 0)
        buf_printf(out, "{\"prefix\":{\"t\":\"%.*s\"}}", 1 + (int)random() % 3,
                   word());
    else if (kind == 1)
        buf_printf(out, "{\"wildcard\":{\"t\":\"%.1s*%c\"}}", word(),
                   "nge?"[random() % 4]);
    else
        buf_printf(out,
                   "{\"fuzzy\":{\"t\":{\"value\":\"%s\",\"fuzziness\":%ld}}}",
                   word(), random() % 3);
}

static void ask_other(struct buf *out)
{
    long kind = random() % 3;

    if (kind == 0)
        buf_printf(out, "{\"match_all\":{\"boost\":%ld}}", 1 + random() % 3);
    else if (kind == 1)
        buf_printf(out, "{\"exists\":{\"field\":\"%c\"}}", "tkn"[random() % 3]);
    else
        buf_printf(out, "{\"ids\":{\"values\":[\"%ld\",\"%ld\",\"none\"]}}",
                   random() % ORACLE_DOCS, random() % ORACLE_DOCS);
}

static void ask(struct buf *out, int depth)
{
    static void (*const kinds[])(struct buf *) = {
        ask_match, ask_match,   ask_phrase,  ask_phrase, ask_keyword,
        ask_range, ask_pattern, ask_pattern, ask_other};
    size_t kind = (size_t)random() % (COUNT(kinds) + (depth < 3 ? 3 : 0));

    if (kind < COUNT(kinds)) {
        kinds[kind](out);
    } else if (kind == COUNT(kinds)) {
        buf_printf(out, "{\"constant_score\":{\"boost\":2.5,\"filter\":");
        ask(out, depth + 1);
        buf_printf(out, "}}");
    } else {
        ask_bool(out, depth);
    }
}

void oracle_ask(struct buf *out)
{
    ask(out, 0);
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
static size_t read_words(struct span text, size_t *which)
{
    struct span name;
    size_t count = 0;

    while (span_cut(&text, ' ', &name)) {
        size_t i = 0;
        while (i < ORACLE_VOCABULARY && !span_eq(name, span_str(vocabulary[i])))
            i++;
        which[count++] = i;
    }
    return count;
}

static struct answer of_match(const struct oracle *oracle,
                              const struct oracle_doc *doc,
                              const struct query *query)
{
    size_t which[8];
    size_t count = read_words(query->text, which);
    size_t found = 0;
    struct answer all = no;

    for (size_t i = 0; i < count; i++) {
        struct answer one = of_word(oracle, doc, which[i]);
        found += one.matches;
        all.score += one.score;
    }
    all.matches =
        query->all
            ? found == count
            : found >= query_minimum(&query->minimum, count, 1) && found > 0;
    return all.matches ? all : no;
}

static struct answer of_phrase(const struct oracle *oracle,
                               const struct oracle_doc *doc,
                               const struct query *query)
{
    size_t which[8];
    size_t count = read_words(query->text, which);
    double weight = 0;
    size_t freq = 0;

    for (size_t from = 0; from + count <= doc->word_count; from++) {
        size_t i = 0;
        while (i < count && doc->words[from + i] == which[i])
            i++;
        freq += i == count;
    }
    for (size_t i = 0; i < count; i++)
        weight += weight_of(oracle, which[i]);
    if (!freq)
        return no;
    return (struct answer){true, text_score(oracle, doc, weight, (double)freq)};
}

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

static bool is_like(const char *pattern, size_t left, const char *text)
{
    if (left == 0)
        return !*text;
    if (*pattern == '*')
        return is_like(pattern + 1, left - 1, text) ||
               (*text && is_like(pattern, left, text + 1));
    return *text && (*pattern == '?' || *pattern == *text) &&
           is_like(pattern + 1, left - 1, text + 1);
}

/* Optimal string alignment. */
static unsigned distance(struct span a, const char *b)
{
    size_t len = strlen(b);
    unsigned d[16][16];

    for (size_t i = 0; i <= a.len; i++)
        for (size_t j = 0; j <= len; j++) {
            if (!i || !j) {
                d[i][j] = (unsigned)(i + j);
                continue;
            }
            unsigned best = d[i - 1][j - 1] + (a.ptr[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a.ptr[i - 1] == b[j - 2] &&
                a.ptr[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[a.len][len];
}

static struct answer of_pattern(const struct oracle *oracle,
                                const struct oracle_doc *doc,
                                const struct query *query)
{
    struct answer best = no;

    for (size_t i = 0; i < ORACLE_VOCABULARY; i++) {
        struct span name = span_str(vocabulary[i]);
        struct answer one = of_word(oracle, doc, i);
        double factor = 1;
        if (!one.matches)
            continue;
        if (query->kind == QUERY_FUZZY) {
            unsigned far = distance(query->text, vocabulary[i]);
            if (far > query->edits)
                continue;
            factor = 1 - (double)far / (double)query->text.len;
            factor = factor > 0 ? factor : 0;
            one.score *= factor;
        } else {
            bool fits =
                query->kind == QUERY_PREFIX
                    ? span_has_prefix(name, query->text)
                    : is_like(query->text.ptr, query->text.len, vocabulary[i]);
            if (!fits)
                continue;
            one.score = 1;
        }
        best.matches = true;
        best.score = one.score > best.score ? one.score : best.score;
    }
    return best;
}

static double number_of(struct span text)
{
    char copy[16];

    snprintf(copy, sizeof(copy), "%.*s", (int)text.len, text.ptr);
    return strtod(copy, NULL);
}

static bool in_range(const struct oracle_doc *doc, const struct query *query)
{
    double lower = number_of(query->lower.value.text);
    double upper = number_of(query->upper.value.text);
    double number = (double)doc->number;

    return doc->has_number &&
           (query->lower.exclusive ? number > lower : number >= lower) &&
           (query->upper.exclusive ? number < upper : number <= upper);
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
        found = of_match(oracle, doc, query);
        break;
    case QUERY_PHRASE:
        found = of_phrase(oracle, doc, query);
        break;
    case QUERY_TERM:
        found = of_keyword(oracle, doc, query->values[0].text);
        break;
    case QUERY_TERMS:
        for (size_t i = 0; i < query->value_count; i++)
            if (keyword_often(doc, query->values[i].text))
                found = (struct answer){true, 1};
        break;
    case QUERY_RANGE:
        found = (struct answer){in_range(doc, query), 1};
        break;
    case QUERY_PREFIX:
    case QUERY_WILDCARD:
    case QUERY_FUZZY:
        found = of_pattern(oracle, doc, query);
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
    case QUERY_MATCH_NONE:
    case QUERY_DIS_MAX:
        fail_msg("it is not asked");
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
