/* test_analyzer_synonyms.c - phrases that take the place of others. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/search/analyzer_kit.h"
#include "tests/test.h"

static void test_synonyms_stand_where_the_phrase_began(void **state)
{
    static const struct example examples[] = {
        /* replaced, one or several for one or several */
        {"{\"synonyms\": [\"i-pod, i pod => ipod\"]}", "my I Pod x",
         "0:my[0,2) 1:ipod[3,8) 3:x[9,10)"},
        {"{\"synonyms\": [\"ny => new york city, big apple\"]}", "in NY now",
         "0:in[0,2) 1:big[3,5) 1:new[3,5) 2:apple[3,5) 2:now[6,9) "
         "2:york[3,5) 3:city[3,5)"},
        /* equivalent: each stays, too */
        {"{\"synonyms\": [\"sofa, couch\"]}", "a couch",
         "0:a[0,1) 1:couch[2,7) 1:sofa[2,7)"},
        {"{\"synonyms\": [\"new york, ny\"]}", "new york x",
         "0:new[0,3) 0:ny[0,8) 1:york[4,8) 2:x[9,10)"},
        /* the longest; what is only begun stays */
        {"{\"synonyms\": [\"a b => x\", \"a b c d => y\", \"c => z\"]}",
         "a b c a b c d a", "0:x[0,3) 2:z[4,5) 3:y[6,13) 7:a[14,15)"},
        {"{\"synonyms\": [\"1 2 3 4 5 6 7 8 => x, y\"]}", "1 2 3 4 5 6 7 8 9",
         "0:x[0,15) 0:y[0,15) 8:9[16,17)"},
        /* rules of one phrase together, each synonym once */
        {"{\"synonyms\": [\"a => b\", \"a, c\", \"a => b, c\"]}", "a",
         "0:a[0,1) 0:b[0,1) 0:c[0,1)"},
        /* rules go through the steps before */
        {"{\"type\": \"english\", \"synonyms\": [\"The Jumps => LEAPING\"]}",
         "jumping", "0:leap[0,7)"},
        {"{\"stopwords\": [\"of\"], \"synonyms\": [\"bill of rights, law\"]}",
         "bill of rights bill rights",
         "0:bill[0,4) 0:law[0,14) 2:rights[8,14) 3:bill[15,19) "
         "4:rights[20,26)"},
        {"{\"type\": \"keyword\", \"synonyms\": [\"a b , c\"]}", "a b",
         "0:a b[0,3) 0:c[0,3)"},
        {"{\"synonyms\": [\"東京都 => tokyo\"]}", "東京都民",
         "0:tokyo[0,9) 2:都民[6,12)"},
    };

    (void)state;
    examples_check(examples, COUNT(examples), true);
}

#define RULES 6
#define SIDE 3

/* A random rule, and what it was made of. */
struct rule {
    char phrases[2][SIDE][64];
    size_t counts[2]; /* [1] is 0: equivalent */
    char text[512];
};

static const char *const words[] = {"a", "b", "c", "the"}; /* one is stopped */

static void make_phrase(char out[64])
{
    size_t count = 1 + (size_t)random() % 3;

    do {
        out[0] = '\0';
        for (size_t i = 0; i < count; i++)
            snprintf(out + strlen(out), 64 - strlen(out), "%s%s", i ? " " : "",
                     words[(size_t)random() % COUNT(words)]);
    } while (!strpbrk(out, "abc"));
}

static void make_rule(struct rule *rule)
{
    rule->text[0] = '\0';
    rule->counts[0] = 1 + (size_t)random() % SIDE;
    rule->counts[1] = (size_t)random() % (SIDE + 1);
    for (size_t side = 0; side < 2; side++)
        for (size_t i = 0; i < rule->counts[side]; i++) {
            make_phrase(rule->phrases[side][i]);
            snprintf(rule->text + strlen(rule->text),
                     sizeof(rule->text) - strlen(rule->text), "%s%s",
                     i      ? ", "
                     : side ? " => "
                            : "",
                     rule->phrases[side][i]);
        }
}

/* Does text from i on begin with the tokens of phrase? */
static bool fits(const struct found *text, size_t i, const struct found *phrase)
{
    for (size_t j = 0; j < phrase->count; j++)
        if (i + j >= text->count ||
            !span_eq(text->tokens[i + j].term, phrase->tokens[j].term) ||
            text->tokens[i + j].position - text->tokens[i].position !=
                phrase->tokens[j].position - phrase->tokens[0].position)
            return false;
    return true;
}

static void put(struct found *out, struct token token)
{
    struct token *copy = &out->tokens[out->count++];

    *copy = token;
    copy->term.ptr =
        memcpy(malloc(token.term.len + 1), token.term.ptr, token.term.len);
}

/* phrase in the place of the tokens of text from i on, count of them. */
static void put_phrase(struct found *out, const struct found *text, size_t i,
                       size_t count, const struct found *phrase)
{
    bool is_same = phrase->count == count && fits(text, i, phrase);

    for (size_t j = 0; j < phrase->count; j++) {
        struct token token = phrase->tokens[j];
        token.position += text->tokens[i].position - phrase->tokens[0].position;
        token.start = text->tokens[is_same ? i + j : i].start;
        token.end = text->tokens[is_same ? i + j : i + count - 1].end;
        put(out, token);
    }
}

struct model {
    struct analyzer *plain; /* has no synonyms */
    struct rule rules[RULES];
    struct found *phrases[RULES][2][SIDE];
};

static bool is_among(struct found *const *phrases, size_t count,
                     const struct found *phrase)
{
    for (size_t i = 0; i < count; i++)
        if (phrases[i]->count == phrase->count && fits(phrases[i], 0, phrase))
            return true;
    return false;
}

/* Tokens of the longest left phrase that fits. */
static size_t find_longest(const struct model *model, const struct found *text,
                           size_t i)
{
    size_t longest = 0;

    for (size_t r = 0; r < RULES; r++)
        for (size_t j = 0; j < model->rules[r].counts[0]; j++) {
            const struct found *phrase = model->phrases[r][0][j];
            if (phrase->count > longest && fits(text, i, phrase))
                longest = phrase->count;
        }
    return longest;
}

static void put_synonyms(const struct model *model, const struct found *text,
                         size_t i, size_t count, struct found *out)
{
    struct found *done[RULES * SIDE];
    size_t done_count = 0;

    for (size_t r = 0; r < RULES; r++) {
        const struct rule *rule = &model->rules[r];
        size_t right = rule->counts[1] ? 1 : 0;
        bool applies = false;
        for (size_t j = 0; j < rule->counts[0]; j++)
            applies = applies || (model->phrases[r][0][j]->count == count &&
                                  fits(text, i, model->phrases[r][0][j]));
        for (size_t j = 0; applies && j < rule->counts[right]; j++) {
            struct found *phrase = model->phrases[r][right][j];
            if (is_among(done, done_count, phrase))
                continue;
            done[done_count++] = phrase;
            put_phrase(out, text, i, count, phrase);
        }
    }
}

static struct found *find_slowly(const struct model *model, struct span bytes)
{
    struct found *text = found_of(model->plain, bytes);
    struct found *out = calloc(1, sizeof(*out));

    for (size_t i = 0; i < text->count;) {
        size_t count = find_longest(model, text, i);
        if (count == 0)
            put(out, text->tokens[i]);
        else
            put_synonyms(model, text, i, count, out);
        i += count ? count : 1;
    }
    found_release(text);
    return out;
}

static void check_model(struct model *model)
{
    static const char *const pieces[] = {"a ", "b ", "c ", "a ", "the ", "d "};
    struct span stopword = SPAN("the");
    struct span synonyms[RULES];
    char why[160];
    char text[FOUND_TEXT_MAX];

    for (size_t r = 0; r < RULES; r++) {
        make_rule(&model->rules[r]);
        synonyms[r] = span_str(model->rules[r].text);
        for (size_t side = 0; side < 2; side++)
            for (size_t i = 0; i < model->rules[r].counts[side]; i++)
                model->phrases[r][side][i] = found_of(
                    model->plain, span_str(model->rules[r].phrases[side][i]));
    }
    struct analyzer *analyzer =
        analyzer_create(&(struct analyzer_options){.stopwords = &stopword,
                                                   .stopword_count = 1,
                                                   .synonyms = synonyms,
                                                   .synonym_count = RULES},
                        why, sizeof(why));
    assert_non_null(analyzer);
    for (size_t i = 0; i < 10; i++) {
        struct span bytes = random_text(text, pieces, COUNT(pieces), 20);
        found_assert_same(found_of(analyzer, bytes), find_slowly(model, bytes));
    }
    analyzer_destroy(analyzer);
    for (size_t r = 0; r < RULES; r++)
        for (size_t side = 0; side < 2; side++)
            for (size_t i = 0; i < model->rules[r].counts[side]; i++)
                found_release(model->phrases[r][side][i]);
}

static void test_synonyms_are_those_found_slowly(void **state)
{
    struct model *model = calloc(1, sizeof(*model));
    struct json_errors errors;

    (void)state;
    model->plain = analyzer_of_text("{\"stopwords\": [\"the\"]}", &errors);
    for (size_t i = 0; i < 200; i++)
        check_model(model);
    analyzer_destroy(model->plain);
    free(model);
}

static void assert_wrong(const struct analyzer_options *options,
                         const char *wanted)
{
    char why[160];

    assert_null(analyzer_create(options, why, sizeof(why)));
    assert_non_null(strstr(why, wanted));
}

static void test_limits_are_met(void **state)
{
    static struct span texts[ANALYZER_RULES_MAX + 1];
    static char rules[ANALYZER_SYNONYMS_MAX + 1][16];
    char text[ANALYZER_RULE_MAX + 1];
    struct analyzer_options options = {.synonyms = texts, .stopwords = texts};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        texts[i] = SPAN("a, b");
    options.synonym_count = ANALYZER_RULES_MAX + 1;
    assert_wrong(&options, "synonyms: too many rules");
    options.synonym_count = 0;
    options.stopword_count = ANALYZER_STOPWORDS_MAX + 1;
    assert_wrong(&options, "stopwords: too many");
    memset(text, 'x', sizeof(text));
    texts[0] = (struct span){text, ANALYZER_WORD_MAX + 1};
    options.stopword_count = 1;
    assert_wrong(&options, "stopwords: one is empty or too long");

    options.stopword_count = 0;
    options.synonym_count = 1;
    texts[0] = (struct span){text, sizeof(text)};
    assert_wrong(&options, "rule 1: it is empty or too long");
    for (size_t i = 1; i < (size_t)2 * ANALYZER_SYNONYMS_MAX; i += 2)
        text[i] = ',';
    texts[0].len = (size_t)2 * ANALYZER_SYNONYMS_MAX + 1;
    assert_wrong(&options, "rule 1: too many phrases on a side");
    for (size_t i = 0; i < COUNT(rules); i++) {
        snprintf(rules[i], sizeof(rules[i]), "a => %zu", i);
        texts[i] = span_str(rules[i]);
    }
    options.synonym_count = COUNT(rules);
    assert_wrong(&options, "rule 33: a phrase has too many synonyms");
    options.synonym_count--;
    struct analyzer *analyzer = analyzer_create(&options, text, sizeof(text));
    struct found *found = found_of(analyzer, SPAN("a"));
    assert_int_equal(found->count, ANALYZER_SYNONYMS_MAX);
    found_release(found);
    analyzer_destroy(analyzer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_synonyms_stand_where_the_phrase_began),
        cmocka_unit_test(test_synonyms_are_those_found_slowly),
        cmocka_unit_test(test_limits_are_met),
    };

    srandom(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
