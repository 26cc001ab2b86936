/* test_face.c - _search and _count: what is asked, and what is answered. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "search/face.h"
#include "search/face_analyze.h"
#include "search/index/builder.h"
#include "tests/test.h"

#define WHY 300
#define SEGMENTS 2

static const char *const books[] = {
    "{\"title\": \"The Old Man and the Sea\", \"year\": 1952, "
    "\"tags\": [\"sea\", \"fish\"], \"price\": 7.10}",
    "{\"title\":\"Moby Dick\",\"year\":1851,\"tags\":[\"sea\",\"whale\"],"
    "\"author\":{\"name\":\"Herman Melville\",\"born\":{\"year\":1819}}}",
    "{\"title\":\"Walden\",\"year\":1854,\"tags\":\"pond\"}",
};

struct shelf {
    struct schema schema;
    struct segment *segments[SEGMENTS];
    struct reader *readers[SEGMENTS];
    struct searcher searcher;
};

static void add_segment(struct shelf *shelf, size_t i,
                        const char *const *sources, size_t from, size_t to)
{
    char path[] = "/tmp/face-XXXXXX";
    char why[WHY];
    char id[8];

    close(mkstemp(path));
    struct builder *builder =
        builder_create(path, &shelf->schema, &(struct builder_options){0});
    for (size_t doc = from; doc < to; doc++) {
        snprintf(id, sizeof(id), "%zu", doc);
        assert_true(builder_add(builder, span_str(id), span_str(sources[doc]),
                                why, sizeof(why)));
    }
    assert_int_equal(builder_finish(builder), 0);
    shelf->segments[i] = segment_open(path, why, sizeof(why));
    assert_non_null(shelf->segments[i]);
    unlink(path);
    shelf->readers[i] = reader_open(shelf->segments[i], NULL, (uint32_t)from);
    assert_non_null(shelf->readers[i]);
}

static int open_shelf(void **state)
{
    struct shelf *shelf = calloc(1, sizeof(*shelf));

    schema_init(&shelf->schema);
    add_segment(shelf, 0, books, 0, 2);
    add_segment(shelf, 1, books, 2, 3);
    searcher_init(&shelf->searcher, &shelf->schema, shelf->readers, SEGMENTS);
    *state = shelf;
    return 0;
}

static int close_shelf(void **state)
{
    struct shelf *shelf = *state;

    searcher_deinit(&shelf->searcher);
    for (size_t i = 0; i < SEGMENTS; i++) {
        reader_close(shelf->readers[i]);
        segment_close(shelf->segments[i]);
    }
    schema_deinit(&shelf->schema);
    free(shelf);
    return 0;
}

/* Cases are written with ' for ". */
static struct span quoted(struct arena *arena, const char *text)
{
    struct span copy = arena_copy(arena, span_str(text));
    char *at = (char *)(uintptr_t)copy.ptr;

    for (size_t i = 0; i < copy.len; i++)
        if (at[i] == '\'')
            at[i] = '"';
    return copy;
}

/* What is answered; its time is taken out.  An error in its own shape. */
static struct span ask(struct shelf *shelf, struct arena *arena,
                       enum face_kind kind, const char *params,
                       const char *body)
{
    struct query_error error;
    struct face_search search;
    struct face_request request = {.kind = kind,
                                   .path = SPAN("/books/_search"),
                                   .params = span_str(params),
                                   .body = quoted(arena, body)};
    struct buf out;

    buf_init(&out, MEM_JOB);
    if (!face_read(arena, &request, &search, &error))
        face_put_error(&error, 400, (struct span){0}, &out);
    else if (!face_run(&search, &shelf->searcher, SPAN("books"),
                       SEARCH_NO_DEADLINE, &out, &error))
        face_put_error(&error, 400, SPAN("books"), &out);
    struct span text = arena_copy(arena, buf_span(&out));
    buf_deinit(&out);
    if (!span_has_prefix(text, SPAN("{\"took\":")))
        return text;
    size_t comma = span_find(text, ',');
    return arena_printf(arena, "{%.*s", (int)(text.len - comma - 1),
                        text.ptr + comma + 1);
}

struct face_case {
    const char *params, *body, *expected;
};

static void check(void **state, enum face_kind kind,
                  const struct face_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct arena arena;

        arena_init(&arena, MEM_REQUEST, 0);
        struct span answer =
            ask(*state, &arena, kind, cases[i].params, cases[i].body);
        struct span expected = quoted(&arena, cases[i].expected);
        if (!span_eq(answer, expected))
            fail_msg("%s %s: %.*s, not %.*s", cases[i].params, cases[i].body,
                     (int)answer.len, answer.ptr, (int)expected.len,
                     expected.ptr);
        arena_deinit(&arena);
    }
}

#define SHARDS "'_shards':{'total':1,'successful':1,'skipped':0,'failed':0}"
#define HEAD "{'timed_out':false," SHARDS ",'hits':{"
#define TOTAL(n) "'total':{'value':" #n ",'relation':'eq'},"
#define HIT(id, score) \
    "{'_index':'books','_type':'_doc','_id':'" id "','_score':" score "}"
#define ONE HEAD TOTAL(1) "'max_score':1.0,'hits':["

static void test_face_answers_a_search(void **state)
{
    static const struct face_case cases[] = {
        {"size=0", "", HEAD TOTAL(3) "'max_score':null,'hits':[]}}"},
        {"_source=false", "",
         HEAD TOTAL(3) "'max_score':1.0,'hits':[" HIT("0", "1.0") "," HIT(
             "1", "1.0") "," HIT("2", "1.0") "]}}"},
        {"_source=false&size=1&from=1", "",
         HEAD TOTAL(3) "'max_score':1.0,'hits':[" HIT("1", "1.0") "]}}"},
        {"", "{'query':{'ids':{'values':['2']}}}",
         ONE "{'_index':'books','_type':'_doc','_id':'2','_score':1.0,'_source'"
             ":{'title':"
             "'Walden','year':1854,'tags':'pond'}}]}}"},
        {"", "{'query':{'match_none':{}},'from':3,'size':5}",
         HEAD TOTAL(0) "'max_score':null,'hits':[]}}"},
        {"",
         "{'query':{'constant_score':{'filter':{'match':{'title':'dick'}},"
         "'boost':1.7}},'_source':false}",
         HEAD TOTAL(1) "'max_score':1.7,'hits':[" HIT("1", "1.7") "]}}"},
        {"q=year:1854&_source=false", "{'query':{'match_none':{}}}",
         ONE HIT("2", "1.0") "]}}"},
        {"q=pond+1851&df=tags&default_operator=and", "",
         HEAD TOTAL(0) "'max_score':null,'hits':[]}}"},
    };

    check(state, FACE_SEARCH, cases, COUNT(cases));
}

static void test_face_counts_as_far_as_it_is_asked(void **state)
{
    static const struct face_case cases[] = {
        {"size=0&track_total_hits=false", "",
         HEAD "'max_score':null,'hits':[]}}"},
        {"size=0", "{'track_total_hits':2}",
         HEAD "'total':{'value':2,'relation':'gte'},'max_score':null,"
              "'hits':[]}}"},
        {"size=0&track_total_hits=3", "{'track_total_hits':2}",
         HEAD TOTAL(3) "'max_score':null,'hits':[]}}"},
        {"size=0&track_total_hits=true", "",
         HEAD TOTAL(3) "'max_score':null,'hits':[]}}"},
        {"size=0&rest_total_hits_as_int=true", "",
         HEAD "'total':3,'max_score':null,'hits':[]}}"},
    };
    static const struct face_case counts[] = {
        {"", "", "{'count':3," SHARDS "}"},
        {"q=sea", "", "{'count':2," SHARDS "}"},
        {"", "{'query':{'match':{'title':'sea'}}}", "{'count':1," SHARDS "}"},
    };

    check(state, FACE_SEARCH, cases, COUNT(cases));
    check(state, FACE_COUNT, counts, COUNT(counts));
}

#define SOURCE(id, text)                                                       \
    HEAD TOTAL(1) "'max_score':1.0,'hits':[{'_index':'books','_type':'_doc','" \
                  "_id':'" id "','_score':1.0,'_source':" text "}]}}"
#define BY_ID(id) "{'query':{'ids':{'values':['" id "']}},'_source':"

static void test_face_gives_the_members_that_are_asked_for(void **state)
{
    static const struct face_case cases[] = {
        {"", BY_ID("1") "'author'}",
         SOURCE("1", "{'author':{'name':'Herman Melville','born':{'year':1819}}"
                     "}")},
        {"", BY_ID("1") "['*.year','tags']}",
         SOURCE("1",
                "{'tags':['sea','whale'],'author':{'born':{'year':1819}}}")},
        {"", BY_ID("1") "{'includes':['author','t*'],'excludes':['*.born']}}",
         SOURCE("1", "{'title':'Moby Dick','tags':['sea','whale'],"
                     "'author':{'name':'Herman Melville'}}")},
        {"", BY_ID("1") "{'excludes':['author.*','t*']}}",
         SOURCE("1", "{'year':1851,'author':{}}")},
        {"", BY_ID("1") "'nothing'}", SOURCE("1", "{}")},
        {"", BY_ID("0") "['price','tags']}",
         SOURCE("0", "{'tags':['sea', 'fish'],'price':7.10}")},
        {"_source_includes=year,price&_source_excludes=p*", BY_ID("0") "true}",
         SOURCE("0", "{'year':1952}")},
        {"_source=year", BY_ID("0") "false}", SOURCE("0", "{'year':1952}")},
    };

    check(state, FACE_SEARCH, cases, COUNT(cases));
}

#define ERROR(type, reason)                                        \
    "{'error':{'root_cause':[{'type':'" type "','reason':'" reason \
    "'}],'type':'" type "','reason':'" reason "'},'status':400}"
#define ILLEGAL(reason) ERROR("illegal_argument_exception", reason)
#define PARSING(reason) ERROR("parsing_exception", reason)

static void test_face_names_what_it_refuses(void **state)
{
    static const struct face_case cases[] = {
        {"", "{'foo':1}", PARSING("Unknown key for a VALUE_NUMBER in [foo].")},
        {"", "{'foo':{}}", PARSING("Unknown key for a START_OBJECT in [foo].")},
        {"", "{'size':'x'}",
         PARSING("Unknown key for a VALUE_STRING in [size].")},
        {"", "{'query':{'foo':{}}}", PARSING("unknown query [foo]")},
        {"", "[]", PARSING("Expected [START_OBJECT] but found [START_ARRAY]")},
        {"", "{'rescore':{}}", ILLEGAL("[rescore] is not supported")},
        {"foo=1", "",
         ILLEGAL("request [/books/_search] contains unrecognized parameter: "
                 "[foo]")},
        {"scroll=1m", "", ILLEGAL("[scroll] is not supported")},
        {"size=x", "",
         ILLEGAL("Failed to parse parameter [size] with value [x]")},
        {"", "{'from':-1}",
         ILLEGAL("[from] parameter cannot be negative, found [-1]")},
        {"size=-5", "",
         ILLEGAL("[size] parameter cannot be negative, found [-5]")},
        {"", "{'from':9990,'size':11}",
         ILLEGAL("Result window is too large, from + size must be less than or "
                 "equal to: [10000] but was [10001].")},
        {"", "{'timeout':'5 apples'}",
         ILLEGAL("failed to parse setting [timeout] with value [5 apples] as a "
                 "time value: unit is missing or unrecognized")},
        {"", "{'track_total_hits':-2}",
         ILLEGAL("[track_total_hits] parameter must be positive or equals to "
                 "-1, got -2")},
        {"q=sea&default_operator=xor", "",
         ILLEGAL("Failed to parse parameter [default_operator] with value "
                 "[xor]")},
        {"track_total_hits=maybe", "",
         ILLEGAL("Failed to parse parameter [track_total_hits] with value "
                 "[maybe]")},
        {"analyzer=x&q=a", "", ILLEGAL("[analyzer] is not supported")},
    };
    static const struct face_case counts[] = {
        {"", "{'size':1}", PARSING("request does not support [size]")},
        {"size=1", "",
         ILLEGAL("request [/books/_search] contains unrecognized parameter: "
                 "[size]")},
    };

    check(state, FACE_SEARCH, cases, COUNT(cases));
    check(state, FACE_COUNT, counts, COUNT(counts));
}

#define CAUSE(type, reason) \
    "{'type':'" type "','reason':'" reason "','index':'books'}"

static void test_face_says_what_cannot_be_searched(void **state)
{
    static const struct face_case cases[] = {
        {"", "{'query':{'term':{'year':'soon'}}}",
         "{'error':{'root_cause':[" CAUSE(
             "query_shard_exception",
             "failed to create query: For input string: "
             "\\'soon\\'") "],"
                           "'type':'search_phase_execution_"
                           "exception','reason':'all shards "
                           "failed','phase':'query','grouped':"
                           "true,'failed_shards':[{'shard':0,"
                           "'index':'books','reason':" CAUSE(
                               "query_shard_exception",
                               "failed to create query: For "
                               "input string: \\'soon\\'") "}]}"
                                                           ","
                                                           "'st"
                                                           "atu"
                                                           "s':"
                                                           "400"
                                                           "}"},
    };

    check(state, FACE_SEARCH, cases, COUNT(cases));
}

static void test_face_refuses_what_is_no_json(void **state)
{
    struct arena arena;

    arena_init(&arena, MEM_REQUEST, 0);
    struct span answer = ask(*state, &arena, FACE_SEARCH, "", "{'query':");
    assert_true(span_has_prefix(
        answer, quoted(&arena, "{'error':{'root_cause':[{'type':"
                               "'json_parse_exception','reason':'")));
    arena_deinit(&arena);
}

#define SORTED(id, by)                            \
    "{'_index':'books','_type':'_doc','_id':'" id \
    "','_score':null,'sort':[" by "]}"

static void test_face_sorts_and_goes_on_behind_a_hit(void **state)
{
    static const struct face_case cases[] = {
        {"_source=false&sort=year:desc&size=2", "",
         HEAD TOTAL(3) "'max_score':null,'hits':[" SORTED(
             "0", "1952") "," SORTED("2", "1854") "]}}"},
        {"_source=false", "{'sort':[{'year':'desc'}],'search_after':[1854]}",
         HEAD TOTAL(3) "'max_score':null,'hits':[" SORTED("1", "1851") "]}}"},
        {"_source=false", "{'min_score':2}",
         HEAD TOTAL(0) "'max_score':null,'hits':[]}}"},
        {"_source=false&track_scores&size=1", "{'sort':'year'}",
         HEAD TOTAL(3) "'max_score':1.0,'hits':[{'_index':'books','_type':'_"
                       "doc','_id':'1',"
                       "'_score':1.0,'sort':[1851]}]}}"},
        {"", "{'search_after':[1]}",
         ILLEGAL("Sort must contain at least one field.")},
        {"from=1", "{'search_after':[1],'sort':'year'}",
         ILLEGAL("`from` parameter must be set to 0 when `search_after` is "
                 "used.")},
    };

    check(state, FACE_SEARCH, cases, COUNT(cases));
}

static void test_face_says_more_of_a_hit(void **state)
{
    static const struct face_case cases[] = {
        {"_source=false",
         "{'query':{'match':{'title':'sea'}},'track_total_hits':"
         "false,'min_score':0.1,'highlight':{'pre_tags':['<b>'],"
         "'post_tags':['</b>'],'fields':{'t*':{},'year':{}}},"
         "'sort':'year'}",
         HEAD "'max_score':null,'hits':[{'_index':'books','_type':'_doc','_id':"
              "'0','_score':"
              "null,'highlight':{'title':['The Old Man and the <b>Sea</b>']},"
              "'sort':[1952]}]}}"},
        {"_source=false",
         "{'query':{'ids':{'values':['1']}},'fields':"
         "['author.*','title.keyword','ta*','price'],"
         "'highlight':{'fields':{'title':{}}}}",
         ONE
         "{'_index':'books','_type':'_doc','_id':'1','_score':1.0,'fields':{"
         "'title.keyword':['Moby Dick'],'tags':['sea','whale'],"
         "'tags.keyword':['sea','whale'],'author.name':['Herman Melville'],"
         "'author.name.keyword':['Herman Melville'],'author.born.year':"
         "[1819]}}]}}"},
        {"_source=false&explain=true", "{'query':{'ids':{'values':['1']}}}",
         ONE "{'_index':'books','_type':'_doc','_id':'1','_score':1.0,'_"
             "explanation':{'value':"
             "1,'description':'ConstantScore(ids(\\'1\\'))','details':[]}}]}}"},
        {"", "{'highlight':{'fields':{'title':{'foo':1}}}}",
         PARSING("[highlight] does not support [foo]")},
        {"", "{'highlight':{'fragment_size':-1,'fields':{}}}",
         PARSING("[highlight] failed to parse field [fragment_size]")},
        {"", "{'highlight':{}}", PARSING("[highlight] needs [fields]")},
    };

    check(state, FACE_SEARCH, cases, COUNT(cases));
}

static void test_face_says_more_than_hits(void **state)
{
    static const struct face_case cases[] = {
        {"size=0",
         "{'aggs':{'t':{'terms':{'field':'tags.keyword','size':1}},"
         "'y':{'max':{'field':'year'}}}}",
         HEAD TOTAL(3) "'max_score':null,'hits':[]},'aggregations':{'t':{"
                       "'doc_count_error_upper_bound':0,"
                       "'sum_other_doc_count':3,'buckets':[{'key':'sea',"
                       "'doc_count':2}]},'y':{'value':1952.0}}}"},
        {"size=0",
         "{'suggest':{'text':'waldem','a':{'term':{'field':'title'}},"
         "'b':{'phrase':{'field':'title'}},'c':{'prefix':'mo',"
         "'completion':{'field':'title.keyword'}}}}",
         HEAD TOTAL(3) "'max_score':null,'hits':[]},'suggest':{'a':[{'text':"
                       "'waldem','offset':0,'length':6,'options':[{'text':"
                       "'walden','score':-2.0,'freq':1}]}],'b':[{'text':"
                       "'waldem','offset':0,'length':6,'options':[{'text':"
                       "'walden','score':1}]}],'c':[{'text':'mo','offset':0,"
                       "'length':2,'options':[{'text':'Moby Dick',"
                       "'_score':1.0}]}]}}"},
        {"", "{'suggest':{'a':{'text':'x'}}}",
         PARSING("[suggest] needs [text], and [term], [phrase] or "
                 "[completion]")},
        {"", "{'suggest':{'a':{'text':'x','term':{'field':'t','x':1}}}}",
         PARSING("[suggest] does not support [x]")},
        {"", "{'aggs':{'a':{'foo':{}}}}",
         PARSING("Unknown aggregation type [foo]")},
    };

    check(state, FACE_SEARCH, cases, COUNT(cases));
}

static void test_face_shows_what_a_text_is_indexed_as(void **state)
{
    static const struct face_case cases[] = {
        {"", "{'analyzer':'english','text':'The \xc3\xa4 seas, 42'}",
         "{'tokens':[{'token':'\xc3\xa4','start_offset':4,'end_offset':5,'type'"
         ":"
         "'<ALPHANUM>','position':1},{'token':'sea','start_offset':6,"
         "'end_offset':10,'type':'<ALPHANUM>','position':2},{'token':'42',"
         "'start_offset':12,'end_offset':14,'type':'<NUM>','position':3}]}"},
        {"", "{'field':'title.keyword','text':['a b','c']}",
         "{'tokens':[{'token':'a b','start_offset':0,'end_offset':3,'type':"
         "'<ALPHANUM>','position':0},{'token':'c','start_offset':4,"
         "'end_offset':5,'type':'<ALPHANUM>','position':101}]}"},
        {"", "{'field':'none','text':'a'}", "there is no field [none]"},
        {"", "{'analyzer':'none','text':'a'}",
         "failed to find global analyzer [none]"},
        {"", "{'tokenizer':'x','text':'a'}", "[tokenizer] unknown member"},
        {"", "{'analyzer':'standard'}", "[text] is missing"},
    };
    struct shelf *shelf = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct query_error error;
        struct arena arena;
        struct buf out;

        arena_init(&arena, MEM_REQUEST, 0);
        buf_init(&out, MEM_JOB);
        if (!face_analyze(&shelf->schema, quoted(&arena, cases[i].body), &out,
                          &error))
            buf_append(&out, span_str(error.reason));
        buf_append_char(&out, '\0');
        assert_string_equal(out.ptr, quoted(&arena, cases[i].expected).ptr);
        buf_deinit(&out);
        arena_deinit(&arena);
    }
}

/* In memory of exactly its size: nothing behind it is read. */
static void test_face_source_ends_where_the_document_does(void **state)
{
    static const char text[] =
        "{\"a\\u0062\":[{\"x\":\"}\\\"\"},[1,{\"x\":2}],-1e3],\"c\":{},\"d\":"
        "[ ] , \"e\" : null}";
    struct span in[] = {SPAN("ab.x"), SPAN("d"), SPAN("e")};
    struct face_source source = {.in = {in, COUNT(in)}};
    struct buf out;

    (void)state;
    buf_init(&out, MEM_JOB);
    face_source_put(&source, span_str(text), &out);
    buf_append_char(&out, '\0');
    assert_string_equal(out.ptr,
                        "{\"a\\u0062\":[{\"x\":\"}\\\"\"},[{\"x\":2}]],"
                        "\"d\":[ ],\"e\":null}");
    for (size_t len = 0; len < sizeof(text); len++) {
        char *copy = malloc(len + !len);
        memcpy(copy, text, len);
        out.len = 0;
        face_source_put(&source, (struct span){copy, len}, &out);
        free(copy);
    }
    buf_deinit(&out);
}

/* Nine documents of 15 MiB, most of it white space. */
static void test_face_bounds_an_answer(void **state)
{
    size_t size = (size_t)15 << 20;
    char *text = malloc(size + 1);
    const char *sources[9];
    struct shelf shelf = {0};
    struct arena arena;

    (void)state;
    memset(text, ' ', size);
    memcpy(text, "{\"a\":1", 6);
    memcpy(text + size - 1, "}", 2);
    for (size_t i = 0; i < 9; i++)
        sources[i] = text;
    arena_init(&arena, MEM_REQUEST, 0);
    schema_init(&shelf.schema);
    add_segment(&shelf, 0, sources, 0, 9);
    searcher_init(&shelf.searcher, &shelf.schema, shelf.readers, 1);
    struct span few = ask(&shelf, &arena, FACE_SEARCH, "size=8", "");
    assert_true(few.len > 8 * size && few.len < 9 * size);
    struct span all = ask(&shelf, &arena, FACE_SEARCH, "", "");
    assert_true(all.len < 1000 && memmem(all.ptr, all.len, "bytes", 5));
    assert_true(ask(&shelf, &arena, FACE_SEARCH, "_source=a", "").len < 2000);
    searcher_deinit(&shelf.searcher);
    reader_close(shelf.readers[0]);
    segment_close(shelf.segments[0]);
    schema_deinit(&shelf.schema);
    arena_deinit(&arena);
    free(text);
}

/* Its deadline is over when the search begins. */
static void test_face_says_that_it_is_late(void **state)
{
    struct shelf *shelf = *state;
    struct query_error error;
    struct face_search search;
    struct arena arena;
    struct buf out;

    arena_init(&arena, MEM_REQUEST, 0);
    buf_init(&out, MEM_JOB);
    assert_true(face_read(&arena, &(struct face_request){0}, &search, &error));
    assert_true(
        face_run(&search, &shelf->searcher, SPAN("books"), 1, &out, &error));
    assert_non_null(memmem(out.ptr, out.len, "\"timed_out\":true", 16));
    json_t *json = json_loadb(out.ptr, out.len, 0, NULL);
    assert_non_null(json);
    json_decref(json);
    buf_deinit(&out);
    arena_deinit(&arena);
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, open_shelf, close_shelf)
    const struct CMUnitTest tests[] = {
        TEST(test_face_answers_a_search),
        TEST(test_face_counts_as_far_as_it_is_asked),
        TEST(test_face_gives_the_members_that_are_asked_for),
        TEST(test_face_names_what_it_refuses),
        TEST(test_face_says_what_cannot_be_searched),
        TEST(test_face_refuses_what_is_no_json),
        TEST(test_face_sorts_and_goes_on_behind_a_hit),
        TEST(test_face_says_more_of_a_hit),
        TEST(test_face_says_more_than_hits),
        TEST(test_face_shows_what_a_text_is_indexed_as),
        TEST(test_face_says_that_it_is_late),
        cmocka_unit_test(test_face_bounds_an_answer),
        cmocka_unit_test(test_face_source_ends_where_the_document_does),
    };

    json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
