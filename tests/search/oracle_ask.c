/* oracle_ask.c - queries at random: see oracle.h. */
#include <stdlib.h>
#include <string.h>

#include "tests/search/oracle.h"
#include "tests/test.h"

#define DEPTH_MAX 3

struct asking {
    const struct oracle *oracle;
    struct buf *out;
    int depth;
};

static void ask(struct asking *a);

static long at_most(long most)
{
    return random() % (most + 1);
}

static const char *word(void)
{
    return oracle_word(oracle_any_word());
}

/* Any document that has words, or NULL after some tries. */
static const struct oracle_doc *any_doc(const struct asking *a)
{
    for (int tries = 0; tries < 8; tries++) {
        const struct oracle_doc *doc =
            &a->oracle->docs[(size_t)random() % a->oracle->count];
        if (doc->word_count)
            return doc;
    }
    return NULL;
}

/* Members that any query may have, behind others. */
static void put_boost(struct asking *a)
{
    if (at_most(2) == 0)
        buf_printf(a->out, ",\"boost\":%ld.%ld", at_most(3), at_most(9));
}

/* Words, every step-th of a document's or just any. */
static void put_words(struct asking *a, size_t count, size_t step)
{
    const struct oracle_doc *doc = at_most(9) ? any_doc(a) : NULL;
    size_t at = doc ? (size_t)random() % doc->word_count : 0;

    for (size_t i = 0; i < count; i++, at += step)
        buf_printf(a->out, "%s%s", i ? " " : "",
                   doc && at < doc->word_count ? oracle_word(doc->words[at])
                                               : word());
}

static void ask_terms(struct asking *a)
{
    bool of_keyword = at_most(1);

    buf_printf(a->out, "{\"terms\":{\"%c\":[", of_keyword ? 'k' : 'n');
    for (long i = 0, last = at_most(2) ? 1 : 30; i <= last; i++)
        if (of_keyword)
            buf_printf(a->out, "%s\"k%ld\"", i ? "," : "",
                       at_most(ORACLE_KEYWORDS));
        else
            buf_printf(a->out, "%s%ld", i ? "," : "", at_most(50) - 10);
    buf_printf(a->out, "]");
    put_boost(a);
    buf_printf(a->out, "}}");
}

/* Of a field: keyword, text or number. */
static void ask_value(struct asking *a, long field)
{
    buf_printf(a->out, "{\"term\":{\"%c\":{\"value\":", "ktn"[field]);
    if (field == 0)
        buf_printf(a->out, "\"k%ld\"", at_most(ORACLE_KEYWORDS));
    else if (field == 1)
        buf_printf(a->out, "\"%s\"", word());
    else
        buf_printf(a->out, "%ld", at_most(50) - 10);
    put_boost(a);
    buf_printf(a->out, "}}}");
}

static void ask_term(struct asking *a)
{
    long field = at_most(3);

    if (field == 3)
        ask_terms(a);
    else
        ask_value(a, field);
}

static void ask_match(struct asking *a)
{
    long kind = at_most(5);

    buf_printf(a->out, "{\"match%s\":{\"t\":{\"query\":\"",
               kind == 5 ? "_bool_prefix" : "");
    put_words(a, 1 + (size_t)at_most(3), 1 + (size_t)at_most(2));
    buf_printf(a->out, "\",");
    if (kind == 0)
        buf_printf(a->out, "\"minimum_should_match\":%ld", at_most(3));
    else if (kind == 1)
        buf_printf(a->out, "\"minimum_should_match\":\"%ld%%\"",
                   at_most(200) - 100);
    else
        buf_printf(a->out, "\"operator\":\"%s\"", at_most(1) ? "and" : "or");
    if (kind == 4)
        buf_printf(a->out, ",\"fuzziness\":\"%s\"", at_most(1) ? "AUTO" : "1");
    put_boost(a);
    buf_printf(a->out, "}}}");
}

static void ask_phrase(struct asking *a)
{
    buf_printf(a->out, "{\"match_phrase\":{\"t\":{\"query\":\"");
    put_words(a, 1 + (size_t)at_most(3), 1);
    buf_printf(a->out, "\"");
    put_boost(a);
    buf_printf(a->out, "}}}");
}

static void ask_sloppy(struct asking *a)
{
    buf_printf(a->out, "{\"match_phrase\":{\"t\":{\"query\":\"");
    put_words(a, 2 + (size_t)at_most(2), 1 + (size_t)at_most(1));
    buf_printf(a->out, "\",\"slop\":%ld", 1 + at_most(7));
    put_boost(a);
    buf_printf(a->out, "}}}");
}

static void ask_prefix(struct asking *a)
{
    if (at_most(3))
        buf_printf(a->out, "{\"prefix\":{\"t\":{\"value\":\"%.*s\"",
                   1 + (int)at_most(2), word());
    else
        buf_printf(a->out, "{\"prefix\":{\"k\":{\"value\":\"k\"");
    put_boost(a);
    buf_printf(a->out, "}}}");
}

static void ask_wildcard(struct asking *a)
{
    long field = at_most(4);
    const char *its = word();

    buf_printf(a->out, "{\"wildcard\":{\"%c\":{\"value\":\"",
               field ? 't' : 'k');
    if (field == 0)
        buf_printf(a->out, "?%ld", at_most(ORACLE_KEYWORDS));
    else if (field == 1)
        buf_printf(a->out, "*%.1s*", its + 1);
    else if (field == 2)
        buf_printf(a->out, "%.1s?%.1s*", its, its + 2);
    else
        buf_printf(a->out, "%.1s*%c%s", its, "nrae*?"[at_most(5)],
                   at_most(1) ? "*" : "");
    buf_printf(a->out, "\"");
    put_boost(a);
    buf_printf(a->out, "}}}");
}

static void ask_fuzzy(struct asking *a)
{
    buf_printf(a->out, "{\"fuzzy\":{\"t\":{\"value\":\"%s\",\"fuzziness\":%ld",
               word(), 1 + at_most(1));
    if (at_most(1))
        buf_printf(a->out, ",\"max_expansions\":%ld", 1 + at_most(4));
    put_boost(a);
    buf_printf(a->out, "}}}");
}

static void ask_range(struct asking *a)
{
    bool of_keyword = at_most(3) == 0;
    const char *quote = of_keyword ? "\"" : "";
    long lower = of_keyword ? at_most(ORACLE_KEYWORDS) : at_most(50) - 10;
    long upper = lower + at_most(of_keyword ? 3 : 30);
    const char *letter = of_keyword ? "k" : "";
    bool both = at_most(3);

    buf_printf(a->out, "{\"range\":{\"%c\":{", of_keyword ? 'k' : 'n');
    buf_printf(a->out, "\"gt%s\":%s%s%ld%s", at_most(1) ? "e" : "", quote,
               letter, lower, quote);
    if (both)
        buf_printf(a->out, ",\"lt%s\":%s%s%ld%s", at_most(1) ? "e" : "", quote,
                   letter, upper, quote);
    put_boost(a);
    buf_printf(a->out, "}}}");
}

static void ask_exists(struct asking *a)
{
    buf_printf(a->out, "{\"exists\":{\"field\":\"%c\"", "tkn"[at_most(2)]);
    put_boost(a);
    buf_printf(a->out, "}}");
}

static void ask_ids(struct asking *a)
{
    buf_printf(a->out, "{\"ids\":{\"values\":[\"none\"");
    for (long i = at_most(4); i >= 0; i--)
        buf_printf(a->out, ",\"%u\"",
                   a->oracle->docs[(size_t)random() % a->oracle->count].id);
    buf_printf(a->out, "]");
    put_boost(a);
    buf_printf(a->out, "}}");
}

static void ask_all(struct asking *a)
{
    buf_printf(a->out, "{\"match_all\":{\"boost\":%ld.5}}", at_most(2));
}

/* ---- of others */

/* terms: all are terms with lists, the most that is passed over. */
static void ask_list(struct asking *a, const char *name, size_t count,
                     bool terms, bool *comma)
{
    if (count == 0)
        return;
    buf_printf(a->out, "%s\"%s\":[", *comma ? "," : "", name);
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_append_char(a->out, ',');
        if (terms)
            ask_value(a, at_most(3) > 0);
        else
            ask(a);
    }
    buf_printf(a->out, "]");
    *comma = true;
}

static void ask_bool(struct asking *a)
{
    bool comma = false;
    bool terms = at_most(2) == 0;
    size_t should = (size_t)at_most(3);

    buf_printf(a->out, "{\"bool\":{");
    ask_list(a, "must", at_most(2) ? (size_t)at_most(1) : 2, terms, &comma);
    ask_list(a, "filter", at_most(2) ? 0 : 1, terms, &comma);
    ask_list(a, "should", should, terms, &comma);
    ask_list(a, "must_not", at_most(2) ? 0 : 1, terms, &comma);
    if (should && at_most(2) == 0)
        buf_printf(a->out, ",\"minimum_should_match\":%ld", at_most(2));
    buf_printf(a->out, "%s\"boost\":1.5}}", comma ? "," : "");
}

static void ask_constant(struct asking *a)
{
    buf_printf(a->out, "{\"constant_score\":{\"filter\":");
    ask(a);
    put_boost(a);
    buf_printf(a->out, "}}");
}

static void ask_dis_max(struct asking *a)
{
    bool comma = false;

    buf_printf(a->out, "{\"dis_max\":{");
    ask_list(a, "queries", 1 + (size_t)at_most(2), false, &comma);
    if (at_most(1))
        buf_printf(a->out, ",\"tie_breaker\":0.%ld", at_most(9));
    put_boost(a);
    buf_printf(a->out, "}}");
}

static void ask_fields(struct asking *a)
{
    static const char *const types[] = {"best_fields", "most_fields", "phrase",
                                        "bool_prefix"};
    long type = at_most(3);

    buf_printf(a->out, "{\"multi_match\":{\"type\":\"%s\",\"query\":\"",
               types[type]);
    if (at_most(3))
        put_words(a, 1 + (size_t)at_most(type == 2 ? 1 : 2), 1);
    else
        buf_printf(a->out, "k%ld", at_most(ORACLE_KEYWORDS));
    buf_printf(a->out, "\",\"fields\":[\"t\",\"k^%ld\"]", at_most(3));
    if (at_most(2) == 0 && type < 2)
        buf_printf(a->out, ",\"tie_breaker\":0.%ld", at_most(9));
    put_boost(a);
    buf_printf(a->out, "}}");
}

static const struct {
    const char *name;
    void (*ask)(struct asking *a);
} kinds[ORACLE_KINDS] = {
    [ORACLE_TERM] = {"term", ask_term},
    [ORACLE_MATCH] = {"match", ask_match},
    [ORACLE_PHRASE] = {"phrase", ask_phrase},
    [ORACLE_SLOPPY] = {"phrase with slop", ask_sloppy},
    [ORACLE_PREFIX] = {"prefix", ask_prefix},
    [ORACLE_WILDCARD] = {"wildcard", ask_wildcard},
    [ORACLE_FUZZY] = {"fuzzy", ask_fuzzy},
    [ORACLE_RANGE] = {"range", ask_range},
    [ORACLE_EXISTS] = {"exists", ask_exists},
    [ORACLE_IDS] = {"ids", ask_ids},
    [ORACLE_ALL] = {"match_all", ask_all},
    [ORACLE_BOOL] = {"bool", ask_bool},
    [ORACLE_CONSTANT] = {"constant_score", ask_constant},
    [ORACLE_DIS_MAX] = {"dis_max", ask_dis_max},
    [ORACLE_FIELDS] = {"multi_match", ask_fields},
};

const char *oracle_kind_name(enum oracle_kind kind)
{
    return kinds[kind].name;
}

/* One within another one; not too deep. */
static void ask(struct asking *a)
{
    size_t count = a->depth < DEPTH_MAX ? ORACLE_KINDS : ORACLE_BOOL;

    a->depth++;
    kinds[(size_t)random() % count].ask(a);
    a->depth--;
}

enum oracle_kind oracle_ask(const struct oracle *oracle, struct buf *out)
{
    enum oracle_kind kind = (enum oracle_kind)((size_t)random() % ORACLE_KINDS);

    kinds[kind].ask(&(struct asking){.oracle = oracle, .out = out});
    return kind;
}
