/* test_query_json.c - what JSON asks for, and what it may not. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/search/query_kit.h"

/* ' stands for ", to be readable. */
static struct query *read_json(struct bench *bench, const char *text)
{
    struct span copy = arena_copy(&bench->arena, span_str(text));
    char *at = arena_alloc(&bench->arena, copy.len + 1);

    for (size_t i = 0; i <= copy.len; i++)
        at[i] = (char)(text[i] == '\'' ? '"' : text[i]);
    return bench_read_json(bench, (struct span){at, copy.len});
}

static void assert_reads(const char *text, const char *expected)
{
    struct bench bench;

    bench_init(&bench);
    bench_assert_prints(&bench, read_json(&bench, text), span_str(text),
                        span_str(expected));
    bench_deinit(&bench);
}

static void assert_refused(const char *text, const char *type,
                           const char *reason)
{
    struct bench bench;

    bench_init(&bench);
    if (read_json(&bench, text))
        fail_msg("%s is read", text);
    assert_string_equal(bench.error.type, type);
    assert_string_equal(bench.error.reason, reason);
    bench_deinit(&bench);
}

struct pair {
    const char *text, *expected;
};

static void assert_all_read(const struct pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_reads(pairs[i].text, pairs[i].expected);
}

static void test_each_query_is_read_in_short_and_long_form(void **state)
{
    static const struct pair pairs[] = {
        {"{'match_all':{}}", "match_all()"},
        {"{'match_all':{'boost':2}}", "match_all()^2"},
        {"{'match_none':{}}", "match_none()"},
        {"{'match':{'t':'a b'}}", "match(t:\"a b\")"},
        {"{'match':{'t':{'query':'a b'}}}", "match(t:\"a b\")"},
        {"{'match':{'t':5}}", "match(t:\"5\")"},
        {"{'match_bool_prefix':{'t':'a b'}}", "match(t:\"a b\" last*)"},
        {"{'match_bool_prefix':{'t':{'query':'a','operator':'and'}}}",
         "match(t:\"a\" and last*)"},
        {"{'match_phrase':{'t':'a b'}}", "phrase(t:\"a b\")"},
        {"{'match_phrase':{'t':{'query':'a b','slop':2}}}",
         "phrase(t:\"a b\" slop=2)"},
        {"{'match_phrase_prefix':{'t':'a b'}}", "phrase(t:\"a b\" last*)"},
        {"{'match_phrase_prefix':{'t':{'query':'a','max_expansions':9,"
         "'slop':1}}}",
         "phrase(t:\"a\" last* max_expansions=9 slop=1)"},
        {"{'term':{'t':'a'}}", "term(t:\"a\")"},
        {"{'term':{'t':{'value':'a','boost':1.5}}}", "term(t:\"a\")^1.5"},
        {"{'terms':{'t':['a',1,true]}}", "terms(t:\"a\" 1 true)"},
        {"{'terms':{'boost':3,'t':[]}}", "terms(t:)^3"},
        {"{'prefix':{'t':'a'}}", "prefix(t:\"a\")"},
        {"{'prefix':{'t':{'value':'a'}}}", "prefix(t:\"a\")"},
        {"{'wildcard':{'t':'a*'}}", "wildcard(t:\"a*\")"},
        {"{'wildcard':{'t':{'value':'a*'}}}", "wildcard(t:\"a*\")"},
        {"{'wildcard':{'t':{'wildcard':'a*'}}}", "wildcard(t:\"a*\")"},
        {"{'fuzzy':{'t':'a'}}", "fuzzy(t:\"a\" fuzzy=auto)"},
        {"{'fuzzy':{'t':{'value':'a','fuzziness':1,'prefix_length':2,"
         "'max_expansions':3}}}",
         "fuzzy(t:\"a\" fuzzy=1 prefix_length=2 max_expansions=3)"},
        {"{'exists':{'field':'t'}}", "exists(t)"},
        {"{'ids':{'values':['1','b']}}", "ids(\"1\" \"b\")"},
        {"{'constant_score':{'filter':{'term':{'t':1}},'boost':2}}",
         "constant_score(filter=[term(t:1)])^2"},
        {"{'dis_max':{'queries':[{'term':{'t':1}},{'term':{'u':1}}],"
         "'tie_breaker':0.5}}",
         "dis_max(should=[term(t:1) term(u:1)] tie=0.5)"},
    };

    (void)state;
    assert_all_read(pairs, COUNT(pairs));
}

static void test_match_takes_all_its_members(void **state)
{
    static const struct pair pairs[] = {
        {"{'match':{'t':{'query':'a','operator':'AND','boost':0,"
         "'minimum_should_match':'-25%','fuzziness':'AUTO','prefix_length':1,"
         "'max_expansions':7,'zero_terms_query':'all'}}}",
         "match(t:\"a\" and zero=all fuzzy=auto prefix_length=1 "
         "max_expansions=7 min=-25%)^0"},
        {"{'match':{'t':{'query':'a','operator':'or','fuzziness':0,"
         "'zero_terms_query':'none'}}}",
         "match(t:\"a\")"},
        {"{'match':{'t':{'query':'a','fuzziness':'2',"
         "'minimum_should_match':2}}}",
         "match(t:\"a\" fuzzy=2 min=2)"},
        {"{'match':{'t':{'query':'a','minimum_should_match':'-2'}}}",
         "match(t:\"a\" min=-2)"},
        {"{'match':{'t':{'query':'a','minimum_should_match':'75%'}}}",
         "match(t:\"a\" min=75%)"},
    };

    (void)state;
    assert_all_read(pairs, COUNT(pairs));
}

static void test_values_are_kept_by_kind(void **state)
{
    static const struct pair pairs[] = {
        {"{'term':{'t':'1'}}", "term(t:\"1\")"},
        {"{'term':{'t':1}}", "term(t:1)"},
        {"{'term':{'t':-9223372036854775808}}", "term(t:-9223372036854775808)"},
        {"{'term':{'t':0.1}}", "term(t:0.10000000000000001)"},
        {"{'term':{'t':false}}", "term(t:false)"},
        {"{'term':{'t':'false'}}", "term(t:\"false\")"},
        {"{'range':{'t':{'gte':1990}}}", "range(t:[1990 TO *])"},
        {"{'range':{'t':{'gt':'a','lt':'b'}}}", "range(t:{\"a\" TO \"b\"})"},
        {"{'range':{'t':{'gt':1,'lte':2.5}}}", "range(t:{1 TO 2.5])"},
        {"{'range':{'t':{'gt':null,'lt':7,'boost':2}}}", "range(t:[* TO 7})^2"},
        {"{'range':{'t':{}}}", "range(t:[* TO *])"},
    };

    (void)state;
    assert_all_read(pairs, COUNT(pairs));
}

static void test_bool_takes_one_clause_or_several(void **state)
{
    static const struct pair pairs[] = {
        {"{'bool':{}}", "bool()"},
        {"{'bool':{'must':{'term':{'t':1}}}}", "bool(must=[term(t:1)])"},
        {"{'bool':{'must':[{'term':{'t':1}}]}}", "bool(must=[term(t:1)])"},
        {"{'bool':{'should':[]}}", "bool()"},
        {"{'bool':{'should':[{'term':{'t':1}},{'term':{'t':2}}],"
         "'filter':{'exists':{'field':'e'}},'must_not':[{'match_all':{}}],"
         "'minimum_should_match':'50%','boost':2}}",
         "bool(filter=[exists(e)] should=[term(t:1) term(t:2)] "
         "must_not=[match_all()] min=50%)^2"},
        {"{'bool':{'must':{'match':{'title':{'query':'a b','operator':'and'}}},"
         "'filter':{'range':{'year':{'gte':1990}}},'boost':2}}",
         "bool(must=[match(title:\"a b\" and)] "
         "filter=[range(year:[1990 TO *])])^2"},
        {"{'bool':{'must':{'bool':{'must_not':{'term':{'t':1}}}}}}",
         "bool(must=[bool(must_not=[term(t:1)])])"},
    };

    (void)state;
    assert_all_read(pairs, COUNT(pairs));
}

static void test_multi_match_asks_each_field(void **state)
{
    static const struct pair pairs[] = {
        {"{'multi_match':{'query':'a','fields':['t^3','u']}}",
         "dis_max(should=[match(t:\"a\")^3 match(u:\"a\")])"},
        {"{'multi_match':{'query':'a','fields':['t^3','u'],'boost':2,"
         "'tie_breaker':0.25,'type':'most_fields'}}",
         "dis_max(should=[match(t:\"a\")^3 match(u:\"a\")] tie=0.25)^2"},
        {"{'multi_match':{'query':'a','fields':['t','u'],"
         "'type':'best_fields','operator':'and'}}",
         "dis_max(should=[match(t:\"a\" and) match(u:\"a\" and)])"},
        {"{'multi_match':{'query':'a','fields':['t','u'],"
         "'type':'most_fields'}}",
         "dis_max(should=[match(t:\"a\") match(u:\"a\")] tie=1)"},
        {"{'multi_match':{'query':'a','fields':['t','u'],'type':'phrase',"
         "'slop':1}}",
         "dis_max(should=[phrase(t:\"a\" slop=1) phrase(u:\"a\" slop=1)])"},
        {"{'multi_match':{'query':'a','fields':['t','u'],"
         "'type':'bool_prefix'}}",
         "dis_max(should=[match(t:\"a\" last*) match(u:\"a\" last*)] tie=1)"},
        {"{'multi_match':{'query':'a','fields':'t^2','type':'most_fields',"
         "'boost':1.5}}",
         "match(t:\"a\")^3"},
        {"{'multi_match':{'query':'a'}}", "match(*:\"a\")"},
        {"{'multi_match':{'query':'a','fields':['t^0']}}", "match(t:\"a\")^0"},
        {"{'multi_match':{'query':'a','fields':['t^9000000000'],'boost':1e30}}",
         "match(t:\"a\")^3.40282347e+38"}, /* not infinite */
    };

    (void)state;
    assert_all_read(pairs, COUNT(pairs));
}

static void test_query_strings_stand_in_json(void **state)
{
    static const struct pair pairs[] = {
        {"{'query_string':{'query':'a b','default_field':'t','boost':2}}",
         "bool(should=[match(t:\"a\") match(t:\"b\")])^2"},
        {"{'query_string':{'query':'a b','fields':['t'],"
         "'default_operator':'AND'}}",
         "bool(must=[match(t:\"a\" and) match(t:\"b\" and)])"},
        {"{'query_string':{'query':'a b','default_field':'t',"
         "'minimum_should_match':2}}",
         "bool(should=[match(t:\"a\") match(t:\"b\")] min=2)"},
        {"{'query_string':{'query':'a','minimum_should_match':2}}",
         "match(*:\"a\")"},
        {"{'simple_query_string':{'query':'a + b )','fields':['t']}}",
         "bool(must=[match(t:\"a\") match(t:\"b\")])"},
        {"{'bool':{'must':{'query_string':{'query':'x:a'}}}}",
         "bool(must=[match(x:\"a\")])"},
    };

    (void)state;
    assert_all_read(pairs, COUNT(pairs));
    assert_refused("{'query_string':{'query':'a AND'}}",
                   "query_shard_exception",
                   "Failed to parse query [a AND]: a clause is missing, at "
                   "byte 6");
}

static void test_print_tells_names_and_texts_apart(void **state)
{
    static const struct pair pairs[] = {
        {"{'term':{'a b':'x'}}", "term(\"a b\":\"x\")"},
        {"{'term':{'':'x'}}", "term(\"\":\"x\")"},
        {"{'term':{'a:b':'x'}}", "term(\"a:b\":\"x\")"},
        {"{'exists':{'field':'a)'}}", "exists(\"a)\")"},
        {"{'term':{'a.b-c_d':'\\'\\\\'}}", "term(a.b-c_d:\"\\\"\\\\\")"},
    };

    (void)state;
    assert_all_read(pairs, COUNT(pairs));
}

static void test_what_is_unknown_is_named(void **state)
{
    static const struct pair pairs[] = {
        {"{'foo':{}}", "unknown query [foo]"},
        {"{'regexp':{'t':'a'}}", "unknown query [regexp]"},
        {"{'bool':{'must':[{'foo':{}}]}}", "unknown query [foo]"},
        {"{'match':{'t':{'query':'a','foo':1}}}",
         "[match] query does not support [foo]"},
        {"{'match':{'t':{'query':'a','slop':1}}}",
         "[match] query does not support [slop]"},
        {"{'match':{'t':{'value':'a'}}}",
         "[match] query does not support [value]"},
        {"{'range':{'t':{'gt':1,'format':'yyyy'}}}",
         "[range] query does not support [format]"},
        {"{'prefix':{'t':{'wildcard':'a'}}}",
         "[prefix] query does not support [wildcard]"},
        {"{'bool':{'boost':1,'query':{}}}",
         "[bool] query does not support [query]"},
        {"{'terms':{'t':'a'}}", "[terms] query does not support [t]"},
        {"{'terms':{'t':['a'],'u':['a']}}",
         "[terms] query does not support [u]"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(pairs); i++)
        assert_refused(pairs[i].text, "parsing_exception", pairs[i].expected);
}

static void test_a_wrong_member_is_named(void **state)
{
    static const struct {
        const char *text, *query, *member;
    } cases[] = {
        {"{'match':{'t':['a']}}", "match", "query"},
        {"{'match':{'t':null}}", "match", "query"},
        {"{'match':{'t':{'query':{}}}}", "match", "query"},
        {"{'match':{'t':{'operator':'xor'}}}", "match", "operator"},
        {"{'match':{'t':{'operator':1}}}", "match", "operator"},
        {"{'match':{'t':{'boost':-1}}}", "match", "boost"},
        {"{'match':{'t':{'boost':'2'}}}", "match", "boost"},
        {"{'match':{'t':{'boost':1e300}}}", "match", "boost"},
        {"{'match':{'t':{'fuzziness':3}}}", "match", "fuzziness"},
        {"{'match':{'t':{'fuzziness':'AUT'}}}", "match", "fuzziness"},
        {"{'match':{'t':{'fuzziness':null}}}", "match", "fuzziness"},
        {"{'match':{'t':{'fuzziness':0.5}}}", "match", "fuzziness"},
        {"{'match':{'t':{'prefix_length':-1}}}", "match", "prefix_length"},
        {"{'match':{'t':{'max_expansions':1025}}}", "match", "max_expansions"},
        {"{'match':{'t':{'zero_terms_query':true}}}", "match",
         "zero_terms_query"},
        {"{'match':{'t':{'minimum_should_match':''}}}", "match",
         "minimum_should_match"},
        {"{'match':{'t':{'minimum_should_match':'%'}}}", "match",
         "minimum_should_match"},
        {"{'match':{'t':{'minimum_should_match':'-'}}}", "match",
         "minimum_should_match"},
        {"{'match':{'t':{'minimum_should_match':'101%'}}}", "match",
         "minimum_should_match"},
        {"{'match':{'t':{'minimum_should_match':'2<75%'}}}", "match",
         "minimum_should_match"},
        {"{'match_phrase':{'t':{'slop':1000001}}}", "match_phrase", "slop"},
        {"{'match_phrase':{'t':{'slop':1.5}}}", "match_phrase", "slop"},
        {"{'multi_match':{'type':'cross_fields'}}", "multi_match", "type"},
        {"{'multi_match':{'fields':[1]}}", "multi_match", "fields"},
        {"{'multi_match':{'fields':['^2']}}", "multi_match", "fields"},
        {"{'multi_match':{'fields':['t^']}}", "multi_match", "fields"},
        {"{'multi_match':{'fields':['t^x']}}", "multi_match", "fields"},
        {"{'multi_match':{'fields':['t^1^2']}}", "multi_match", "fields"},
        {"{'term':{'t':null}}", "term", "value"},
        {"{'term':{'t':['a']}}", "term", "value"},
        {"{'terms':{'t':[null]}}", "terms", "t"},
        {"{'range':{'t':{'gt':[]}}}", "range", "gt"},
        {"{'exists':{'field':null}}", "exists", "field"},
        {"{'ids':{'values':'a'}}", "ids", "values"},
        {"{'constant_score':{'filter':[]}}", "constant_score", "filter"},
    };
    char reason[256];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        snprintf(reason, sizeof(reason), "[%s] failed to parse field [%s]",
                 cases[i].query, cases[i].member);
        assert_refused(cases[i].text, "parsing_exception", reason);
    }
}

#define NO_QUERY(name) \
    "[" name "] query malformed, it must be an object of one query"

static void test_what_is_no_query_is_refused(void **state)
{
    static const struct pair pairs[] = {
        {"[]", NO_QUERY("_na")},
        {"{}", NO_QUERY("_na")},
        {"{'bool':{'must':['a']}}", NO_QUERY("_na")},
        {"{'bool':{'must':null}}", NO_QUERY("_na")},
        {"{'match_all':{},'match_none':{}}", NO_QUERY("match_all")},
        {"{'match_all':[]}",
         "[match_all] query malformed, no start_object after query name"},
        {"{'range':{'t':5}}", "[range] query does not support [value]"},
        {"{'match':{}}", "[match] query needs one field"},
        {"{'match':{'t':'a','u':'b'}}", "[match] query needs one field"},
        {"{'match':{'t':{}}}", "[match] query needs [query]"},
        {"{'exists':{}}", "[exists] query needs [field]"},
        {"{'terms':{}}", "[terms] query needs [values]"},
        {"{'multi_match':{'fields':['t']}}",
         "[multi_match] query needs [query]"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(pairs); i++)
        assert_refused(pairs[i].text, "parsing_exception", pairs[i].expected);
}

/* ---- random trees, written in short and in long form, and as they print */

#define LEAVES 5
#define PARTS 8

struct forms {
    struct span is_short, is_long, print;
};

/* The same clauses, in an array or, if it is one and short, without it. */
static void put_clauses(struct buf *out, const struct span *clauses,
                        size_t count, char between)
{
    bool bare = count == 1 && between == '\0';

    buf_append(out, bare ? SPAN("") : SPAN("["));
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_append_char(out, (char)(between ? between : ','));
        buf_append(out, clauses[i]);
    }
    buf_append(out, bare ? SPAN("") : SPAN("]"));
}

static struct forms make_bool(struct arena *arena, const struct forms *parts,
                              size_t part_count)
{
    static const char *const names[] = {"must", "filter", "should", "must_not"};
    struct buf out[3];
    const char *gap = "";

    for (size_t i = 0; i < 3; i++)
        buf_init(&out[i], MEM_REQUEST);
    buf_append(&out[0], SPAN("{\"bool\":{"));
    buf_append(&out[1], SPAN("{\"bool\":{\"boost\":1"));
    buf_append(&out[2], SPAN("bool("));
    for (size_t i = 0; i < COUNT(names); i++) {
        struct span clauses[3][3];
        size_t count = (size_t)random() % 4;
        for (size_t j = 0; j < count; j++) {
            const struct forms *part = &parts[(size_t)random() % part_count];
            clauses[0][j] = part->is_short;
            clauses[1][j] = part->is_long;
            clauses[2][j] = part->print;
        }
        if (count == 0)
            continue;
        buf_printf(&out[0], "%s\"%s\":", gap[0] ? "," : "", names[i]);
        put_clauses(&out[0], clauses[0], count, '\0');
        buf_printf(&out[1], ",\"%s\":", names[i]);
        put_clauses(&out[1], clauses[1], count, ',');
        buf_printf(&out[2], "%s%s=", gap, names[i]);
        put_clauses(&out[2], clauses[2], count, ' ');
        gap = " ";
    }
    buf_append(&out[0], SPAN("}}"));
    buf_append(&out[1], SPAN("}}"));
    buf_append(&out[2], SPAN(")"));
    struct forms forms = {arena_copy(arena, buf_span(&out[0])),
                          arena_copy(arena, buf_span(&out[1])),
                          arena_copy(arena, buf_span(&out[2]))};
    for (size_t i = 0; i < 3; i++)
        buf_deinit(&out[i]);
    return forms;
}

static void assert_prints(struct span json, struct span expected)
{
    struct bench bench;

    bench_init(&bench);
    bench_assert_prints(&bench, bench_read_json(&bench, json), json, expected);
    bench_deinit(&bench);
}

static void test_both_forms_of_a_tree_print_the_same(void **state)
{
    const struct forms leaves[LEAVES] = {
        {SPAN("{\"match_all\":{}}"), SPAN("{\"match_all\":{\"boost\":1}}"),
         SPAN("match_all()")},
        {SPAN("{\"term\":{\"t\":1}}"), SPAN("{\"term\":{\"t\":{\"value\":1}}}"),
         SPAN("term(t:1)")},
        {SPAN("{\"match\":{\"t\":\"a\"}}"),
         SPAN("{\"match\":{\"t\":{\"boost\":1.0,\"query\":\"a\"}}}"),
         SPAN("match(t:\"a\")")},
        {SPAN("{\"wildcard\":{\"t\":\"a*\"}}"),
         SPAN("{\"wildcard\":{\"t\":{\"wildcard\":\"a*\"}}}"),
         SPAN("wildcard(t:\"a*\")")},
        {SPAN("{\"fuzzy\":{\"t\":\"a\"}}"),
         SPAN("{\"fuzzy\":{\"t\":{\"fuzziness\":\"auto\",\"value\":\"a\"}}}"),
         SPAN("fuzzy(t:\"a\" fuzzy=auto)")},
    };
    struct forms parts[PARTS];

    (void)state;
    memcpy(parts, leaves, sizeof(leaves));
    for (size_t i = 0; i < 300; i++) {
        struct arena arena;
        arena_init(&arena, MEM_REQUEST, 0);
        for (size_t j = LEAVES; j < PARTS; j++) {
            parts[j] = make_bool(&arena, parts, j);
            assert_prints(parts[j].is_short, parts[j].print);
            assert_prints(parts[j].is_long, parts[j].print);
        }
        arena_deinit(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_query_is_read_in_short_and_long_form),
        cmocka_unit_test(test_match_takes_all_its_members),
        cmocka_unit_test(test_values_are_kept_by_kind),
        cmocka_unit_test(test_bool_takes_one_clause_or_several),
        cmocka_unit_test(test_multi_match_asks_each_field),
        cmocka_unit_test(test_query_strings_stand_in_json),
        cmocka_unit_test(test_print_tells_names_and_texts_apart),
        cmocka_unit_test(test_what_is_unknown_is_named),
        cmocka_unit_test(test_a_wrong_member_is_named),
        cmocka_unit_test(test_what_is_no_query_is_refused),
        cmocka_unit_test(test_both_forms_of_a_tree_print_the_same),
    };

    srandom(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
