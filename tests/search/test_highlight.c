/* test_highlight.c - what is shown of a hit, and what is marked in it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "search/query/highlight.h"
#include "search/query/search.h"
#include "tests/search/shelf.h"

static const char mapping[] =
    "{'properties': {'t': {'type': 'text', 'fields': {'raw': {'type': "
    "'keyword'}}}, 'k': {'type': 'keyword', 'ignore_above': 20}, 'e': "
    "{'type': 'text', 'analyzer': 'english'}, 'n': {'type': 'long'}, 's': "
    "{'type': 'text', 'analyzer': {'type': 'standard', 'synonyms': ['nyc, new "
    "york city => nyc, big apple']}}}}";

struct example {
    const char *document, *query, *name, *expected;
    struct highlight_options options;
};

static struct span put(struct shelf *shelf, struct highlight *highlight,
                       uint32_t doc, const char *document, const char *name,
                       const struct highlight_options *options)
{
    struct highlight_hit hit = {.doc = doc,
                                .source = shelf_json(shelf, document)};
    struct buf out;

    buf_init(&out, MEM_JOB);
    size_t fields = highlight_put(highlight, &hit, span_str(name), options,
                                  &(struct json_writer){.out = &out});
    assert_int_equal(fields == 0, out.len == 0);
    struct span text = arena_copy(&shelf->arena, buf_span(&out));
    buf_deinit(&out);
    json_decref(hit.source);
    return text;
}

static void check(const struct example *example)
{
    struct shelf *shelf = calloc(1, sizeof(*shelf));

    shelf_init(shelf, mapping);
    shelf_add(shelf, (const char *const[]){"{'t':'none'}"}, 1);
    shelf_add(shelf, &example->document, 1);
    shelf_open(shelf);
    struct highlight *highlight = highlight_create(
        &shelf->searcher, shelf_query(shelf, example->query), &shelf->error);
    assert_non_null(highlight);
    struct span expected = shelf_quoted(shelf, example->expected);
    struct span found = put(shelf, highlight, 1, example->document,
                            example->name, &example->options);
    if (!span_eq(found, expected))
        fail_msg("%s of %s:\n  %.*s", example->query, example->document,
                 (int)found.len, found.ptr);
    highlight_destroy(highlight);
    shelf_deinit(shelf);
    free(shelf);
}

#define EM .pre_tag = {"<", 1}, .post_tag = {">", 1}
#define USUAL                                    \
    {                                            \
        .fragment_size = 100, .fragments = 5, EM \
    }
#define WHOLE              \
    {                      \
        .fragments = 0, EM \
    }

static void test_what_matched_is_marked(void **state)
{
    static const struct example examples[] = {
        {"{'t':'The sea, the SEA!'}", "{'match':{'t':'sea'}}", "t",
         "'t':['The <sea>, the <SEA>!']", USUAL},
        {"{'t':'a b c'}", "{'match':{'t':'c x a'}}", "t", "'t':['<a> b <c>']",
         USUAL},
        {"{'t':'a b c'}", "{'match':{'t':'x'}}", "t", "", USUAL},
        {"{'t':'a b','k':'a'}", "{'match':{'t':'a'}}", "*", "'t':['<a> b']",
         USUAL},
        {"{'t':'a b','k':'a'}", "{'query_string':{'query':'a'}}", "*",
         "'t':['<a> b'],'k':['<a>']", USUAL},
        {"{'t':'a b','k':'a'}",
         "{'match':{'t':'a'}}",
         "k",
         "'k':['<a>']",
         {.fragment_size = 100, .fragments = 5, .any_field = true, EM}},
        {"{'t':'a b','k':'a'}", "{'match':{'t':'a'}}", "k", "", USUAL},
        {"{'t':'a b'}", "{'term':{'t.raw':'a b'}}", "t*", "'t.raw':['<a b>']",
         USUAL},
        {"{'t':'a b'}", "{'match':{'t':'a'}}", "u", "", USUAL},
        {"{'n':5,'t':'5'}", "{'match':{'n':'5'}}", "*", "", USUAL},
        {"{'k':['one','a text that is too long','two']}",
         "{'terms':{'k':['two','a text that is too long']}}", "k",
         "'k':['<two>']", USUAL},
        {"{'e':'He runs; running is fun'}", "{'match':{'e':'run'}}", "e",
         "'e':['He <runs>; <running> is fun']", USUAL},
        {"{'t':'sea ship shore'}", "{'prefix':{'t':'sh'}}", "t",
         "'t':['sea <ship> <shore>']", USUAL},
        {"{'t':'sea ship shore'}", "{'wildcard':{'t':'s*e'}}", "t",
         "'t':['sea ship <shore>']", USUAL},
        {"{'t':'sea ship shore'}", "{'match_phrase_prefix':{'t':'sea sh'}}",
         "t", "'t':['<sea> <ship> shore']", USUAL},
        {"{'t':'sea ship shore'}", "{'match_bool_prefix':{'t':'sea sho'}}", "t",
         "'t':['<sea> ship <shore>']", USUAL},
        {"{'t':'database databases date'}",
         "{'match':{'t':{'query':'databse','fuzziness':1}}}", "t",
         "'t':['<database> databases date']", USUAL},
        {"{'k':'m'}", "{'range':{'k':{'gte':'m','lt':'n'}}}", "k",
         "'k':['<m>']", USUAL},
        {"{'k':'m'}", "{'range':{'k':{'gt':'m'}}}", "k", "", USUAL},
        {"{'t':'a b c'}",
         "{'bool':{'must':{'match':{'t':'a'}},'filter':{'match':{'t':'b'}},"
         "'must_not':{'match':{'t':'x c'}}}}",
         "t", "'t':['<a> <b> c']", USUAL},
        {"{'t':'a b c'}",
         "{'constant_score':{'filter':{'dis_max':{'queries':[{'match':{'t':'a'"
         "}},{'term':{'t':'c'}}]}}}}",
         "t", "'t':['<a> b <c>']", USUAL},
        {"{'t':'a b'}", "{'exists':{'field':'t'}}", "t", "", USUAL},
        {"{'s':'in New York City, NYC'}", "{'match':{'s':'nyc'}}", "s",
         "'s':['in <New York City>, <NYC>']", USUAL},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(examples); i++)
        check(&examples[i]);
}

static void test_phrases_are_marked_as_a_whole(void **state)
{
    static const struct example examples[] = {
        {"{'t':'the sea the old sea the sea'}",
         "{'match_phrase':{'t':'the sea'}}", "t",
         "'t':['<the> <sea> the old sea <the> <sea>']", USUAL},
        {"{'t':'the sea'}", "{'match_phrase':{'t':'sea the'}}", "t", "", USUAL},
        {"{'t':'a a b a a a'}", "{'match_phrase':{'t':'a a a'}}", "t",
         "'t':['a a b <a> <a> <a>']", USUAL},
        {"{'t':'one x two y y y one two'}",
         "{'match_phrase':{'t':{'query':'one two','slop':1}}}", "t",
         "'t':['<one> x <two> y y y <one> <two>']", USUAL},
        {"{'t':'two one'}",
         "{'match_phrase':{'t':{'query':'one two','slop':1}}}", "t", "", USUAL},
        {"{'t':'two one'}",
         "{'match_phrase':{'t':{'query':'one two','slop':2}}}", "t",
         "'t':['<two> <one>']", USUAL},
        {"{'t':'a a b'}", "{'match_phrase':{'t':{'query':'a b','slop':2}}}",
         "t", "'t':['a <a> <b>']", USUAL},
        {"{'t':'a b'}", "{'match_phrase':{'t':{'query':'a a','slop':3}}}", "t",
         "", USUAL},
        {"{'t':'a b a'}", "{'match_phrase':{'t':{'query':'a a','slop':3}}}",
         "t", "'t':['<a> b <a>']", USUAL},
        {"{'t':['a b','c d']}", "{'match_phrase':{'t':'b c'}}", "t", "", USUAL},
        {"{'t':'a b a'}",
         "{'bool':{'should':[{'match_phrase':{'t':'b a'}},{'match_phrase':{'t':"
         "'b b'}}]}}",
         "t", "'t':['a <b> <a>']", USUAL},
        {"{'t':'b c b'}",
         "{'bool':{'should':[{'match_phrase':{'t':'c b'}},{'match':{'t':'b'}}]}"
         "}",
         "t", "'t':['<b> <c> <b>']", USUAL},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(examples); i++)
        check(&examples[i]);
}

static void test_values_are_those_of_the_document(void **state)
{
    static const struct example examples[] = {
        {"{'a':[{'b':'x y'},{'b':['z','x']}]}", "{'match':{'a.b':'x'}}", "*",
         "'a.b':['<x> y','<x>']", USUAL},
        {"{'a.b':'x'}",
         "{'match':{'a.b':'x'}}",
         "a.*",
         "'a.b':['<x>'],'a.b.keyword':['<x>']",
         {.fragment_size = 9, .fragments = 5, .any_field = true, EM}},
        {"{'t':[1,null,true]}", "{'match':{'t':'1 true'}}", "t",
         "'t':['<1>','<true>']", USUAL},
        {"{'t':['a','b','a c']}", "{'match':{'t':'a'}}", "t",
         "'t':['<a>','<a> c']", WHOLE},
        {"{'t':'<b> & \\\"a\\\" / \\u0027'}",
         "{'match':{'t':'a'}}",
         "t",
         "'t':['&lt;b&gt; &amp; &quot;<a>&quot; &#x2F; &#x27;']",
         {.fragment_size = 99, .fragments = 1, .html = true, EM}},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(examples); i++)
        check(&examples[i]);
}

#define SIZE(size, most)                                 \
    {                                                    \
        .fragment_size = (size), .fragments = (most), EM \
    }

static void test_passages_are_the_best_ones(void **state)
{
    static const struct example examples[] = {
        {"{'t':'A first. The sea is wide. Here it ends, all of it.'}",
         "{'match':{'t':'sea'}}", "t", "'t':['The <sea> is wide.']",
         SIZE(20, 5)},
        {"{'t':'Short. The sea is wide. So. Here it ends, all of it.'}",
         "{'match':{'t':'sea'}}", "t", "'t':['The <sea> is wide. So.']",
         SIZE(26, 5)},
        /* no sentence: words */
        {"{'t':'one two three four five six seven eight nine ten'}",
         "{'match':{'t':'five'}}", "t", "'t':['four <five> six seven']",
         SIZE(20, 5)},
        {"{'t':'aaaaaaaaaaaaaaaaaaaaaaaaaa-b-cccccccccccccccccccccccccc'}",
         "{'match':{'t':'b'}}", "t", "'t':['aaa-<b>-cccc']", SIZE(10, 5)},
        /* both words before one of them twice; by place */
        {"{'t':'sea sea xxxxxxxxxxxxxxxxxxxxxxxx sea ship xxxxxxxxxxxxxxxxxx'}",
         "{'match':{'t':'sea ship'}}", "t", "'t':['<sea> <ship>']",
         SIZE(10, 1)},
        {"{'t':'sea sea xxxxxxxxxxxxxxxxxxxxxxxx sea ship xxxxxxxxxxxxxxxxxx'}",
         "{'match':{'t':'sea ship'}}", "t",
         "'t':['<sea> <sea>','<sea> <ship>']", SIZE(10, 2)},
        {"{'t':'sea sea xxxxxxxxxxxxxxxxxxxxxxxx sea ship xxxxxxxxxxxxxxxxxx'}",
         "{'match':{'t':'sea ship'}}",
         "t",
         "'t':['<sea> <ship>','<sea> <sea>']",
         {.fragment_size = 10, .fragments = 2, .by_score = true, EM}},
        {"{'t':'supercalifragilistic'}",
         "{'match':{'t':'supercalifragilistic'}}", "t",
         "'t':['<supercalifragilistic>']", SIZE(5, 1)},
        {"{'t':'supercalifragilistic'}",
         "{'match':{'t':'supercalifragilistic'}}", "t",
         "'t':['<supercalifragilistic>']", SIZE(0, 1)},
        /* characters, not bytes */
        {"{'t':'Größe übt äöü. Straße öffnet früh. Ähnliches für später.'}",
         "{'match':{'t':'straße'}}", "t", "'t':['<Straße> öffnet früh.']",
         SIZE(21, 1)},
        {"{'t':'東京都は日本の首都。大阪は西の都市である。'}",
         "{'match':{'t':'大阪'}}", "t", "'t':['<大阪>は西の都市である。']",
         SIZE(12, 1)},
        {"{'t':'東京都は日本'}", "{'match':{'t':'東京都'}}", "t",
         "'t':['<東京都>は日本']", USUAL},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(examples); i++)
        check(&examples[i]);
}

static void test_a_field_without_a_mark_may_show_its_begin(void **state)
{
    static const struct example examples[] = {
        {"{'t':['one two three','four']}",
         "{'match':{'k':'x'}}",
         "t",
         "'t':['one two']",
         {.fragment_size = 100, .fragments = 5, .no_match_size = 10, EM}},
        {"{'t':'一二三四五'}",
         "{'match':{'k':'x'}}",
         "t",
         "'t':['一二三']",
         {.fragment_size = 100, .fragments = 5, .no_match_size = 3, EM}},
        {"{'k':'x'}",
         "{'match':{'k':'y'}}",
         "t",
         "",
         {.fragment_size = 100, .fragments = 5, .no_match_size = 3, EM}},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(examples); i++)
        check(&examples[i]);
}

/* ---- random texts */

static const char *const pieces[] = {
    "sea",     "ship",         "shore",       "Sand.", "shell,", "(sun)",
    "sky!",    "star\\n",      "día",         "año.",  "straße", "東京",
    "大阪。",  "x-y",          "don\\u0027t", "5.0",   "aaaa",   "bbbb",
    "ccccccc", "ship\\u0027s", "…",           "<b>",   "&",      "\\\""};
static const char *const words[] = {"sea",   "ship", "shore", "sand",
                                    "shell", "sky",  "star",  "año",
                                    "東京",  "x",    "b",     "bbbb"};

static void random_document(struct buf *out)
{
    size_t values = 1 + (size_t)random() % 3;

    buf_printf(out, "{\"t\":[");
    for (size_t i = 0; i < values; i++) {
        size_t count = (size_t)random() % 120;
        buf_printf(out, "%s\"", i ? "," : "");
        for (size_t j = 0; j < count; j++)
            buf_printf(out, "%s%s", pieces[random() % (long)COUNT(pieces)],
                       random() % 12 ? " " : "  ");
        buf_printf(out, "\"");
    }
    buf_printf(out, "]}");
    buf_append_char(out, '\0');
}

static const char *word(void)
{
    return words[random() % (long)COUNT(words)];
}

static void random_query(char out[200])
{
    switch (random() % 4) {
    case 0:
        snprintf(out, 200, "{'match':{'t':'%s %s %s'}}", word(), word(),
                 word());
        return;
    case 1:
        snprintf(out, 200,
                 "{'match_phrase':{'t':{'query':'%s %s %s','slop':%ld}}}",
                 word(), word(), random() % 2 ? word() : "", random() % 5);
        return;
    case 2:
        snprintf(out, 200, "{'prefix':{'t':'%c'}}", "sabcx"[random() % 5]);
        return;
    default:
        snprintf(out, 200,
                 "{'bool':{'should':[{'match':{'t':'%s'}},{'wildcard':{'t':"
                 "'s*e'}}],'must_not':{'term':{'t':'%s'}}}}",
                 word(), word());
    }
}

/* Without what is a tag; marks: how many there were. */
static struct span stripped(struct shelf *shelf, struct span fragment,
                            size_t *marks)
{
    char *out = arena_alloc(&shelf->arena, fragment.len + 1);
    size_t len = 0;

    *marks = 0;
    for (size_t i = 0; i < fragment.len; i++) {
        *marks += fragment.ptr[i] == '\1';
        if (fragment.ptr[i] != '\1' && fragment.ptr[i] != '\2')
            out[len++] = fragment.ptr[i];
    }
    return (struct span){out, len};
}

static size_t characters(struct span text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return count;
}

/* Where it is in one of the values, from *value and *at on. */
static bool find_behind(const json_t *values, struct span text, size_t *value,
                        size_t *at)
{
    for (; *value < json_array_size(values); (*value)++, *at = 0) {
        json_t *node = json_array_get(values, *value);
        struct span all = {json_string_value(node), json_string_length(node)};
        char *found = memmem(all.ptr + *at, all.len - *at, text.ptr, text.len);
        if (!found)
            continue;
        *at = (size_t)(found - all.ptr) + text.len;
        return true;
    }
    return false;
}

/* Each is one of the query's words, or is as its pattern says. */
static void check_mark(struct span mark, const char *query)
{
    const char *prefix = strstr(query, "prefix");

    for (size_t i = 0; i < COUNT(words); i++)
        if (span_eq_nocase(mark, span_str(words[i])) && strstr(query, words[i]))
            return;
    if (prefix &&
        strncasecmp(mark.ptr, prefix + strlen("prefix':{'t':'"), 1) == 0)
        return;
    if (strstr(query, "s*e") && (mark.ptr[0] | 32) == 's' &&
        mark.ptr[mark.len - 1] == 'e')
        return;
    fail_msg("%.*s is marked by %s", (int)mark.len, mark.ptr, query);
}

static void check_fragments(struct shelf *shelf, const json_t *source,
                            const struct span *fragments, size_t count,
                            size_t size, const char *query)
{
    const json_t *values = json_object_get(source, "t");
    size_t value = 0;
    size_t at = 0;
    size_t marks;

    for (size_t i = 0; i < count; i++) {
        struct span text = stripped(shelf, fragments[i], &marks);
        assert_true(marks > 0);
        assert_true(text.len > 0);
        assert_true(span_is_utf8(text));
        /* in order, and not over each other */
        if (!find_behind(values, text, &value, &at))
            fail_msg("%.*s is not there", (int)text.len, text.ptr);
        assert_true(!size || characters(text) <= size || marks == 1);
        for (size_t j = 0; j < fragments[i].len; j++) {
            if (fragments[i].ptr[j] != '\1')
                continue;
            size_t len = span_find(span_skip(fragments[i], j + 1), '\2');
            check_mark((struct span){fragments[i].ptr + j + 1, len}, query);
        }
    }
}

/* Those of all passages, of whole values. */
static size_t count_marks(struct shelf *shelf, const struct span *fragments,
                          size_t count)
{
    size_t all = 0;
    size_t marks;

    for (size_t i = 0; i < count; i++) {
        stripped(shelf, fragments[i], &marks);
        all += marks;
    }
    return all;
}

/* What matches has a mark; what has one matches, but for must_not. */
static void check_match(struct shelf *shelf, const struct query *query,
                        bool is_marked)
{
    struct search_request request = {
        .query = query, .count = true, .deadline_us = SEARCH_NO_DEADLINE};
    struct search_result result = {.count = 0};

    assert_true(search_run(&shelf->searcher, &request, &result, &shelf->error));
    assert_true(is_marked || result.total == 0);
    assert_true(!is_marked || result.total == 1 || query->kind == QUERY_BOOL);
}

static void try_document(const char *document, size_t *found)
{
    struct shelf *shelf = calloc(1, sizeof(*shelf));
    const struct span *fragments;

    shelf_init(shelf, mapping);
    shelf_add(shelf, &document, 1);
    shelf_open(shelf);
    json_t *source = shelf_json(shelf, document);
    for (int i = 0; i < 20; i++) {
        struct highlight_options options = {
            .fragment_size = (size_t)random() % 80,
            .fragments = 1 + (size_t)random() % 6,
            .pre_tag = {"\1", 1},
            .post_tag = {"\2", 1}};
        char text[200];
        random_query(text);
        const struct query *query = shelf_query(shelf, text);
        struct highlight *highlight =
            highlight_create(&shelf->searcher, query, &shelf->error);
        struct highlight_hit hit = {.source = source};
        size_t count =
            highlight_find(highlight, &hit, SPAN("t"), &options, &fragments);
        assert_true(count <= options.fragments);
        check_fragments(shelf, source, fragments, count, options.fragment_size,
                        text);
        size_t marks = count_marks(shelf, fragments, count);
        *found += marks;
        options.fragments = 0;
        count =
            highlight_find(highlight, &hit, SPAN("t"), &options, &fragments);
        check_fragments(shelf, source, fragments, count, 0, text);
        assert_true(count_marks(shelf, fragments, count) >= marks);
        check_match(shelf, query, count > 0);
        highlight_destroy(highlight);
    }
    json_decref(source);
    shelf_deinit(shelf);
    free(shelf);
}

static void test_passages_are_parts_of_the_text(void **state)
{
    struct buf document;
    size_t found = 0;
    (void)state;

    buf_init(&document, MEM_JOB);
    for (int i = 0; i < 60; i++) {
        document.len = 0;
        random_document(&document);
        try_document(document.ptr, &found);
    }
    assert_true(found > 1000);
    buf_deinit(&document);
}

/* ---- much of it */

/* Words are compared with patterns only so often. */
static void test_patterns_are_tried_only_so_often(void **state)
{
    struct shelf *shelf = calloc(1, sizeof(*shelf));
    const struct span *fragments;
    struct buf text;
    (void)state;

    buf_init(&text, MEM_JOB);
    buf_printf(&text, "{'e':'zz ");
    for (size_t i = 0; i < HIGHLIGHT_TEXT_MAX / 4; i++)
        buf_printf(&text, "b ");
    buf_printf(&text, "zz'}");
    buf_append_char(&text, '\0');
    shelf_init(shelf, mapping);
    shelf_add(shelf, (const char *const[]){text.ptr}, 1);
    shelf_open(shelf);
    struct highlight_hit hit = {.source = shelf_json(shelf, text.ptr)};
    text.len = 0;
    buf_printf(&text, "{'bool':{'should':[");
    for (size_t i = 0; i < 100; i++)
        buf_printf(&text, "{'prefix':{'e':'a'}},");
    buf_printf(&text, "{'prefix':{'e':'z'}}]}}");
    buf_append_char(&text, '\0');
    struct highlight *highlight = highlight_create(
        &shelf->searcher, shelf_query(shelf, text.ptr), &shelf->error);
    size_t count = highlight_find(highlight, &hit, SPAN("e"),
                                  &highlight_defaults, &fragments);
    assert_int_equal(count, 1); /* the first one, not the last */
    assert_true(span_has_prefix(fragments[0], SPAN("<em>zz</em> b b")));
    highlight_destroy(highlight);
    json_decref(hit.source);
    buf_deinit(&text);
    shelf_deinit(shelf);
    free(shelf);
}

static void test_only_so_much_of_a_field_is_looked_at(void **state)
{
    struct shelf *shelf = calloc(1, sizeof(*shelf));
    const struct span *fragments;
    struct buf document;
    (void)state;

    buf_init(&document, MEM_JOB);
    buf_printf(&document, "{'e':['");
    while (document.len < HIGHLIGHT_TEXT_MAX + 7)
        buf_printf(&document, "ñ sea ");
    buf_printf(&document, "deep','deep']}");
    buf_append_char(&document, '\0');
    shelf_init(shelf, mapping);
    shelf_add(shelf, (const char *const[]){document.ptr}, 1);
    shelf_open(shelf);
    json_t *source = shelf_json(shelf, document.ptr);
    struct highlight_hit hit = {.source = source};
    static const char *const queries[] = {"{'match':{'e':'deep'}}",
                                          "{'match':{'e':'sea'}}"};
    for (size_t i = 0; i < 2; i++) {
        struct highlight *highlight = highlight_create(
            &shelf->searcher, shelf_query(shelf, queries[i]), &shelf->error);
        struct highlight_options options = highlight_defaults;
        size_t count =
            highlight_find(highlight, &hit, SPAN("e"), &options, &fragments);
        assert_int_equal(count, i ? 5 : 0);
        options.fragments = 0;
        count =
            highlight_find(highlight, &hit, SPAN("e"), &options, &fragments);
        assert_int_equal(count, i);
        if (count) {
            assert_true(fragments[0].len > HIGHLIGHT_TEXT_MAX);
            assert_true(span_is_utf8(fragments[0]));
        }
        highlight_destroy(highlight);
    }
    json_decref(source);
    buf_deinit(&document);
    shelf_deinit(shelf);
    free(shelf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_matched_is_marked),
        cmocka_unit_test(test_phrases_are_marked_as_a_whole),
        cmocka_unit_test(test_values_are_those_of_the_document),
        cmocka_unit_test(test_passages_are_the_best_ones),
        cmocka_unit_test(test_a_field_without_a_mark_may_show_its_begin),
        cmocka_unit_test(test_passages_are_parts_of_the_text),
        cmocka_unit_test(test_patterns_are_tried_only_so_often),
        cmocka_unit_test(test_only_so_much_of_a_field_is_looked_at),
    };

    json_setup();
    srandom(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
