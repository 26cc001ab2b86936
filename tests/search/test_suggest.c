/* test_suggest.c - what may have been meant, by its begin or by what is like
 * it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "search/query/search.h"
#include "search/query/suggest.h"
#include "tests/search/shelf.h"

static const char mapping[] =
    "{'properties': {'k': {'type': 'keyword'}, 't': {'type': 'text'}, 'e': "
    "{'type': 'text', 'analyzer': 'english'}, 'n': {'type': 'long'}, 'd': "
    "{'type': 'double'}}}";

static struct shelf *shelf_of(const char *const *docs, size_t count,
                              size_t each)
{
    struct shelf *shelf = calloc(1, sizeof(*shelf));

    shelf_init(shelf, mapping);
    for (size_t i = 0; i < count; i += each)
        shelf_add(shelf, docs + i, count - i < each ? count - i : each);
    shelf_open(shelf);
    return shelf;
}

static void drop(struct shelf *shelf)
{
    shelf_deinit(shelf);
    free(shelf);
}

/* ---- completion */

/* "text=weight" with spaces between, the best first; ~ before what is changed.
 */
static struct span completed(struct shelf *shelf,
                             const struct complete_request *request)
{
    struct complete_result result;
    struct buf out;

    if (!complete_run(&shelf->searcher, &shelf->arena, request, &result,
                      &shelf->error))
        return span_str(shelf->error.reason);
    assert_true(result.count <= request->most);
    buf_init(&out, MEM_JOB);
    for (size_t i = 0; i < result.count; i++)
        buf_printf(&out, "%s%s%.*s=%g", i ? " " : "",
                   result.options[i].distance ? "~" : "",
                   (int)result.options[i].text.len, result.options[i].text.ptr,
                   result.options[i].weight);
    struct span text = arena_copy(&shelf->arena, buf_span(&out));
    buf_deinit(&out);
    return text;
}

static void check_completed(struct shelf *shelf,
                            const struct complete_request *request,
                            const char *expected)
{
    struct span found = completed(shelf, request);

    if (!span_eq(found, span_str(expected)))
        fail_msg("%.*s, not %s", (int)found.len, found.ptr, expected);
}

static const char *const ships[] = {
    "{'k':'Sea','n':3,'d':0.5,'t':'sea'}",
    "{'k':['Sea','Seal'],'n':9,'t':'the sea'}",
    "{'k':'Seal','n':[1,7],'t':'seal'}",
    "{'k':'Seal','d':-1.5,'t':'the seal'}",
    "{'k':'sextant','n':2,'t':'sextant'}",
    "{'k':['Ship','Ñandú'],'n':4,'t':'the ship'}",
    "{'k':'Shp','n':5,'t':'SHIP'}",
};

static void test_completion_is_by_documents(void **state)
{
    static const struct {
        const char *field, *prefix, *expected;
        bool fold, fuzzy;
        size_t most;
    } cases[] = {
        {"k", "Se", "Seal=3 Sea=2", false, false, 10},
        {"k", "Se", "Seal=3", false, false, 1},
        {"k", "Se", "", false, false, 0},
        {"k", "se", "sextant=1", false, false, 10},
        {"k", "se", "Seal=3 Sea=2 sextant=1", true, false, 10},
        {"k", "SEAL", "Seal=3", true, false, 10},
        {"k", "ñAN", "Ñandú=1", true, false, 10},
        {"k", "", "Seal=3 Sea=2 Ship=1", false, false, 3},
        {"k", "Shi", "Ship=1 ~Shp=1", false, true, 10},
        {"k", "Sh", "Ship=1 Shp=1", false, true, 10},
        {"k", "shp", "Shp=1 ~Ship=1", true, true, 10},
        {"k", "Saea", "~Seal=3 ~Sea=2", false, true, 10},
        {"k", "eSal", "", false, true, 10},
        {"k", "Seale", "~Seal=3", false, true, 10},
        {"t", "s", "sea=2 seal=2 ship=2 sextant=1", false, false, 10},
        {"k", "x", "", true, true, 10},
    };
    (void)state;

    for (size_t each = 1; each <= COUNT(ships); each += 3) {
        struct shelf *shelf = shelf_of(ships, COUNT(ships), each);
        for (size_t i = 0; i < COUNT(cases); i++)
            check_completed(
                shelf,
                &(struct complete_request){.field = span_str(cases[i].field),
                                           .prefix = span_str(cases[i].prefix),
                                           .fold = cases[i].fold,
                                           .fuzzy = cases[i].fuzzy,
                                           .most = cases[i].most},
                cases[i].expected);
        drop(shelf);
    }
}

static void test_completion_is_by_a_weight(void **state)
{
    struct shelf *shelf = shelf_of(ships, COUNT(ships), 3);
    (void)state;

    check_completed(shelf,
                    &(struct complete_request){.field = SPAN("k"),
                                               .prefix = SPAN("S"),
                                               .weight = SPAN("n"),
                                               .most = 10},
                    "Sea=9 Seal=9 Shp=5 Ship=4");
    check_completed(shelf,
                    &(struct complete_request){.field = SPAN("k"),
                                               .prefix = SPAN("Sea"),
                                               .weight = SPAN("d"),
                                               .most = 1},
                    "Sea=0.5");
    check_completed(shelf,
                    &(struct complete_request){
                        .field = SPAN("k"), .weight = SPAN("t"), .most = 1},
                    "field [t] has no numbers to weigh by");
    check_completed(shelf,
                    &(struct complete_request){.field = SPAN("x"), .most = 1},
                    "no mapping found for field [x]");
    check_completed(shelf,
                    &(struct complete_request){.field = SPAN("n"), .most = 1},
                    "field [n] is neither a text nor a keyword");
    drop(shelf);
}

static void test_completion_gives_nothing_of_deleted_documents(void **state)
{
    struct shelf *shelf = shelf_of(ships, COUNT(ships), 4);
    struct complete_request request = {
        .field = SPAN("k"), .prefix = SPAN("S"), .most = 10};
    (void)state;

    shelf_delete(shelf, 1);
    shelf_delete(shelf, 2);
    shelf_delete(shelf, 5);
    check_completed(shelf, &request, "Sea=1 Seal=1 Shp=1");
    request.weight = SPAN("n");
    check_completed(shelf, &request, "Shp=5 Sea=3 Seal=0");
    drop(shelf);
}

/* ---- completion of what is random */

#define WORDS 200
#define DOCS 300

static void random_word(char out[8])
{
    size_t len = 1 + (size_t)random() % 6;

    for (size_t i = 0; i < len; i++)
        out[i] = "aabcB"[random() % 5];
    out[len] = '\0';
}

static int compare(const void *a, const void *b)
{
    const struct complete_option *one = a;
    const struct complete_option *two = b;

    if (one->distance != two->distance)
        return one->distance < two->distance ? -1 : 1;
    if (one->weight != two->weight)
        return one->weight > two->weight ? -1 : 1;
    return span_compare(one->text, two->text);
}

static bool is_same(char a, char b, bool fold)
{
    return a == b || (fold && (a | 32) == (b | 32));
}

/* Whether a begin of the word is made of the prefix by so many changes. */
static bool is_near(const char *word, const char *prefix, int changes,
                    bool fold)
{
    if (!*prefix)
        return true;
    if (*word && is_same(*word, *prefix, fold) &&
        is_near(word + 1, prefix + 1, changes, fold))
        return true;
    if (changes == 0)
        return false;
    if (is_near(word, prefix + 1, changes - 1, fold))
        return true;
    if (*word && (is_near(word + 1, prefix, changes - 1, fold) ||
                  is_near(word + 1, prefix + 1, changes - 1, fold)))
        return true;
    return word[0] && word[1] && prefix[1] &&
           is_same(word[0], prefix[1], fold) &&
           is_same(word[1], prefix[0], fold) &&
           is_near(word + 2, prefix + 2, changes - 1, fold);
}

/* 2: neither; the first character stays. */
static unsigned distance(const char *word, const char *prefix, bool fold,
                         bool fuzzy)
{
    if (is_near(word, prefix, 0, fold))
        return 0;
    fuzzy = fuzzy && strlen(prefix) >= 3 && is_same(*word, *prefix, fold);
    return fuzzy && is_near(word + 1, prefix + 1, 1, fold) ? 1 : 2;
}

static void test_completion_is_what_a_look_at_all_finds(void **state)
{
    static char words[WORDS][8];
    static char docs[DOCS][24];
    static unsigned which[DOCS];
    const char *all[DOCS];
    (void)state;

    for (size_t i = 0; i < WORDS; i++)
        random_word(words[i]);
    for (size_t i = 0; i < DOCS; i++) {
        which[i] =
            (unsigned)(random() % WORDS) % (1 + (unsigned)random() % WORDS);
        snprintf(docs[i], sizeof(docs[i]), "{'k':'%s'}", words[which[i]]);
        all[i] = docs[i];
    }
    struct shelf *shelf = shelf_of(all, DOCS, 60);
    for (int round = 0; round < 300; round++) {
        static struct complete_option expected[DOCS];
        struct complete_request request = {.field = SPAN("k"),
                                           .most = 1 + (size_t)random() % 12,
                                           .fold = random() % 2};
        struct complete_result result;
        char prefix[8];
        size_t count = 0;
        request.fuzzy = random() % 2;
        random_word(prefix);
        prefix[random() % 6] = '\0';
        request.prefix = span_str(prefix);
        for (size_t i = 0; i < DOCS; i++) {
            struct span word = span_str(words[which[i]]);
            size_t at = 0;
            unsigned far =
                distance(word.ptr, prefix, request.fold, request.fuzzy);
            if (far > 1)
                continue;
            while (at < count && !span_eq(expected[at].text, word))
                at++;
            if (at == count)
                expected[count++] =
                    (struct complete_option){.text = word, .distance = far};
            expected[at].weight++;
        }
        qsort(expected, count, sizeof(expected[0]), compare);
        assert_true(complete_run(&shelf->searcher, &shelf->arena, &request,
                                 &result, &shelf->error));
        assert_int_equal(result.count,
                         count < request.most ? count : request.most);
        for (size_t i = 0; i < result.count; i++) {
            assert_true(span_eq(result.options[i].text, expected[i].text));
            assert_true(result.options[i].weight == expected[i].weight);
        }
    }
    drop(shelf);
}

/* ---- did you mean */

/* "wrong>right,right text=hits", of words that are wrong, then the text. */
static struct span suggested(struct shelf *shelf,
                             const struct suggest_request *request)
{
    struct suggest_result result;
    struct buf out;

    if (!suggest_run(&shelf->searcher, &shelf->arena, request, &result,
                     &shelf->error))
        return span_str(shelf->error.reason);
    buf_init(&out, MEM_JOB);
    for (size_t i = 0; i < result.count; i++) {
        const struct suggest_word *word = &result.words[i];
        if (!word->count)
            continue;
        buf_printf(&out, "%.*s%s", (int)word->text.len, word->text.ptr,
                   word->is_wrong ? ">" : "?");
        for (size_t j = 0; j < word->count; j++)
            buf_printf(&out, "%s%.*s", j ? "," : "",
                       (int)word->options[j].text.len,
                       word->options[j].text.ptr);
        buf_append_char(&out, ' ');
    }
    if (result.text.ptr)
        buf_printf(&out, "%s%.*s=%llu", result.has_all ? "" : "any of ",
                   (int)result.text.len, result.text.ptr,
                   (unsigned long long)result.hits);
    struct span text = arena_copy(&shelf->arena, buf_span(&out));
    buf_deinit(&out);
    return text;
}

static const char *const papers[] = {
    "{'t':'a database of ships','e':'databases running','k':'Red Fox'}",
    "{'t':'the database engine','e':'a database runs','k':'Red Box'}",
    "{'t':'search engines','e':'searching'}",
    "{'t':'a search for ships','e':'searched','n':1}",
    "{'t':'the ship sails','e':'cities'}",
    "{'t':'the sail','e':'city'}",
    "{'t':'teh sail','n':1}",
};

static void test_words_are_corrected(void **state)
{
    static const struct {
        const char *field, *text, *expected;
    } cases[] = {
        {"t", "databse", "databse>database database=2"},
        {"t", "the Databsae engine!",
         "Databsae>database the database engine!=1"},
        {"t", "database engine", ""},
        {"t", "xyzzy", ""},
        {"t", "databse xyzzy", "databse>database any of database xyzzy=2"},
        {"t", "saerch for shipz",
         "saerch>search shipz>ships,ship search for ships=1"},
        {"t", "teh engnes sails",
         "engnes>engines,engine any of teh engines sails=3"},
        {"t", "123456", ""},
        {"t", "th", ""},
        {"t", "", ""},
        /* stems, as documents write them */
        {"e", "databse", "databse>database database=2"},
        {"e", "serching", "serching>searching searching=2"},
        {"e", "cjties", "cjties>cities cities=2"},
        {"e", "citis", ""},
        {"k", "Red Fax", "Red Fax>Red Fox,Red Box Red Fox=1"},
        {"x", "a", "no mapping found for field [x]"},
    };
    (void)state;

    for (size_t each = 2; each <= COUNT(papers); each += 5) {
        struct shelf *shelf = shelf_of(papers, COUNT(papers), each);
        for (size_t i = 0; i < COUNT(cases); i++) {
            struct suggest_request request = suggest_defaults;
            request.field = span_str(cases[i].field);
            request.text = span_str(cases[i].text);
            struct span found = suggested(shelf, &request);
            if (!span_eq(found, span_str(cases[i].expected)))
                fail_msg("%s: %.*s", cases[i].text, (int)found.len, found.ptr);
        }
        drop(shelf);
    }
}

/* A word that is there is wrong if another one is a hundred times as often. */
static void test_a_rare_word_may_be_wrong(void **state)
{
    static const char *const common = "{'t':'ocean'}";
    const char *docs[102];
    (void)state;

    for (size_t i = 0; i < 102; i++)
        docs[i] = common;
    docs[0] = "{'t':'ocaen'}";
    for (size_t count = 101; count <= 102; count++) {
        struct shelf *shelf = shelf_of(docs, count, count);
        struct suggest_request request = suggest_defaults;
        request.field = SPAN("t");
        request.text = SPAN("ocaen");
        struct span found = suggested(shelf, &request);
        assert_true(span_eq(
            found, count == 101 ? SPAN("") : SPAN("ocaen>ocean ocean=101")));
        request.always = true;
        request.text = SPAN("ocean");
        found = suggested(shelf, &request);
        assert_true(span_eq(found, SPAN("ocean?ocaen ")));
        drop(shelf);
    }
}

static void test_a_text_is_one_that_has_hits(void **state)
{
    static const char *const docs[] = {"{'t':'red boat','n':1}",
                                       "{'t':'red boat','n':1}",
                                       "{'t':'blue coat','n':2}",
                                       "{'t':'coat'}",
                                       "{'t':'coat'}",
                                       "{'t':'coat'}"};
    struct shelf *shelf = shelf_of(docs, COUNT(docs), 2);
    struct suggest_request request = suggest_defaults;
    (void)state;

    request.field = SPAN("t");
    request.prefix_length = 0;
    request.text = SPAN("red loat");
    assert_true(
        span_eq(suggested(shelf, &request), SPAN("loat>coat,boat red boat=2")));
    request.text = SPAN("loat");
    assert_true(
        span_eq(suggested(shelf, &request), SPAN("loat>coat,boat coat=4")));
    request.filter = shelf_query(shelf, "{'term':{'n':1}}");
    assert_true(
        span_eq(suggested(shelf, &request), SPAN("loat>coat,boat boat=2")));
    request.filter = shelf_query(shelf, "{'term':{'n':3}}");
    assert_true(span_eq(suggested(shelf, &request), SPAN("loat>coat,boat ")));
    request.filter = NULL;
    shelf_delete(shelf, 0);
    shelf_delete(shelf, 1);
    assert_true(span_eq(suggested(shelf, &request), SPAN("loat>coat coat=4")));
    drop(shelf);
}

static void test_what_is_late_is_not_tried(void **state)
{
    struct shelf *shelf = shelf_of(papers, COUNT(papers), 2);
    struct suggest_request request = suggest_defaults;
    (void)state;

    request.field = SPAN("t");
    request.text = SPAN("databse");
    request.deadline_us = 1;
    assert_true(span_eq(suggested(shelf, &request), SPAN("")));
    drop(shelf);
}

/* ---- of what is random */

static void test_corrections_are_near_and_likelier(void **state)
{
    static char docs[DOCS][40];
    const char *all[DOCS];
    char words[3][8];
    size_t found = 0;
    (void)state;

    for (size_t i = 0; i < DOCS; i++) {
        random_word(words[0]);
        random_word(words[1]);
        snprintf(docs[i], sizeof(docs[i]), "{'t':'%s %s'}", words[0], words[1]);
        all[i] = docs[i];
    }
    struct shelf *shelf = shelf_of(all, DOCS, 100);
    for (int round = 0; round < 300; round++) {
        struct suggest_request request = suggest_defaults;
        struct suggest_result result;
        char text[32];
        for (size_t i = 0; i < 3; i++)
            random_word(words[i]);
        snprintf(text, sizeof(text), "%s %s %s", words[0], words[1], words[2]);
        request.field = SPAN("t");
        request.text = span_str(text);
        assert_true(suggest_run(&shelf->searcher, &shelf->arena, &request,
                                &result, &shelf->error));
        for (size_t i = 0; i < result.count; i++) {
            const struct suggest_word *word = &result.words[i];
            assert_true(word->count <= request.most);
            assert_int_equal(word->count > 0, word->is_wrong);
            for (size_t j = 0; j < word->count; j++) {
                const struct suggest_option *option = &word->options[j];
                found++;
                assert_true(option->docs > word->docs * 100);
                assert_true(option->distance > 0 && option->distance <= 2);
                assert_true(!j || option[-1].score >= option->score);
            }
        }
        if (!result.text.ptr)
            continue;
        char json[120];
        snprintf(json, sizeof(json),
                 "{'match':{'t':{'query':'%.*s','operator':'%s'}}}",
                 (int)result.text.len, result.text.ptr,
                 result.has_all ? "and" : "or");
        struct search_request search = {.query = shelf_query(shelf, json),
                                        .count = true,
                                        .deadline_us = SEARCH_NO_DEADLINE};
        struct search_result hits = {.count = 0};
        assert_true(
            search_run(&shelf->searcher, &search, &hits, &shelf->error));
        assert_int_equal(hits.total, result.hits);
        assert_true(hits.total > 0);
    }
    assert_true(found > 100);
    drop(shelf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_completion_is_by_documents),
        cmocka_unit_test(test_completion_is_by_a_weight),
        cmocka_unit_test(test_completion_gives_nothing_of_deleted_documents),
        cmocka_unit_test(test_completion_is_what_a_look_at_all_finds),
        cmocka_unit_test(test_words_are_corrected),
        cmocka_unit_test(test_a_rare_word_may_be_wrong),
        cmocka_unit_test(test_a_text_is_one_that_has_hits),
        cmocka_unit_test(test_what_is_late_is_not_tried),
        cmocka_unit_test(test_corrections_are_near_and_likelier),
    };

    json_setup();
    srandom(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
