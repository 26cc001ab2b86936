/* test_selector.c - which topics a selector means, and at what cost. */
#include "common/mem.h"
#include "notifier/selector.h"
#include "tests/test.h"

static struct selector *compile(struct span text)
{
    struct selector *selector;

    if (selector_create(text, &selector) != SELECTOR_OK)
        fail_msg("%.*s: refused", (int)text.len, text.ptr);
    return selector;
}

/* The topic in memory of its exact size: a read past its end is seen. */
static bool matches(struct span text, struct span topic)
{
    struct selector *selector = compile(text);
    char *copy = mem_alloc(MEM_APP, topic.len);

    memcpy(copy, topic.ptr, topic.len);
    bool answer = selector_matches(selector, (struct span){copy, topic.len});
    mem_free(copy);
    selector_unref(selector);
    return answer;
}

struct match {
    const char *selector, *topic;
    bool expected;
};

static void check_matches(const struct match *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (matches(span_str(cases[i].selector), span_str(cases[i].topic)) !=
            cases[i].expected)
            fail_msg("%s and %s: not %s", cases[i].selector, cases[i].topic,
                     cases[i].expected ? "matched" : "refused");
}

/* ---- RFC 6570, 3.2, the other way round */

static void test_selector_matches_simple_expansions(void **state)
{
    static const struct match cases[] = {
        {"{var}", "value", true},
        {"{hello}", "Hello%20World%21", true},
        {"{half}", "50%25", true},
        {"O{empty}X", "OX", true},
        {"O{undef}X", "OX", true},
        {"{x,y}", "1024,768", true},
        {"{x,hello,y}", "1024,Hello%20World%21,768", true},
        {"?{x,empty}", "?1024,", true},
        {"?{x,undef}", "?1024", true},
        {"?{undef,y}", "?768", true},
        {"{var:3}", "val", true},
        {"{var:30}", "value", true},
        {"{list}", "red,green,blue", true},
        {"{list*}", "red,green,blue", true},
        {"{keys}", "semi,%3B,dot,.,comma,%2C", true},
        {"{keys*}", "semi=%3B,dot=.,comma=%2C", true},
        {"{hello}", "Hello World!", false},
        {"{var}", "a/b", false},
        {"{var}", "a=b", false},
        {"{var:3}", "valu", false},
        {"{var:3}", "a,b", false},
        {"{x:1,y:1}", "a,b", true},
        {"{x:1,y:1}", "a,b,c", false},
        {"{x:1,y:1}", "ab", false},
        {"{keys}", "semi=%3B", false},
        {"{keys*}", "a=b=c", false},
        {"{keys*}", "a=b,c", false},
        {"{keys*}", "a,c=b", false},
        {"{keys*}", "=,=", true},
        {"{keys*,y}", "a=b,c", true},
        {"O{empty}X", "O/X", false},
        {"O{empty}X", "O", false},
        {"O{empty}X", "X", false},
        {"O{empty}X", "OXY", false},
    };
    (void)state;

    check_matches(cases, COUNT(cases));
}

static void test_selector_matches_reserved_expansions(void **state)
{
    static const struct match cases[] = {
        {"{+var}", "value", true},
        {"{+hello}", "Hello%20World!", true},
        {"{+half}", "50%25", true},
        {"{base}index", "http%3A%2F%2Fexample.com%2Fhome%2Findex", true},
        {"{+base}index", "http://example.com/home/index", true},
        {"O{+empty}X", "OX", true},
        {"{+path}/here", "/foo/bar/here", true},
        {"here?ref={+path}", "here?ref=/foo/bar", true},
        {"up{+path}{var}/here", "up/foo/barvalue/here", true},
        {"{+x,hello,y}", "1024,Hello%20World!,768", true},
        {"{+path,x}/here", "/foo/bar,1024/here", true},
        {"{+path:6}/here", "/foo/b/here", true},
        {"{+path:5}/here", "/foo/b/here", false},
        {"{+list}", "red,green,blue", true},
        {"{+list*}", "red,green,blue", true},
        {"{+keys}", "semi,;,dot,.,comma,,", true},
        {"{+keys*}", "semi=;,dot=.,comma=,", true},
        {"{+var}", "a b", false},
        {"{+var}", "a\"b", false},
        {"{+var}", "a{b}", false},
        {"{+path}/here", "/foo/there", false},
        {"{base}index", "http://example.com/home/index", false},
        {"{#var}", "#value", true},
        {"{#hello}", "#Hello%20World!", true},
        {"{#half}", "#50%25", true},
        {"foo{#empty}", "foo#", true},
        {"foo{#undef}", "foo", true},
        {"{#x,hello,y}", "#1024,Hello%20World!,768", true},
        {"{#path,x}/here", "#/foo/bar,1024/here", true},
        {"{#path:6}/here", "#/foo/b/here", true},
        {"{#list*}", "#red,green,blue", true},
        {"{#keys*}", "#semi=;,dot=.,comma=,", true},
        {"{#var}", "value", false},
        {"foo{#var}", "foovalue", false},
        {"{#x:1,y:1}", "#a,b", true},
        {"{#x:1,y:1}", "#a#b", false},
        {"{#x:1,y:1}", "##,#", true},
    };
    (void)state;

    check_matches(cases, COUNT(cases));
}

static void test_selector_matches_labels_and_path_segments(void **state)
{
    static const struct match cases[] = {
        {"{.who}", ".fred", true},
        {"{.who,who}", ".fred.fred", true},
        {"{.half,who}", ".50%25.fred", true},
        {"www{.dom*}", "www.example.com", true},
        {"X{.var}", "X.value", true},
        {"X{.empty}", "X.", true},
        {"X{.undef}", "X", true},
        {"X{.var:3}", "X.val", true},
        {"X{.list}", "X.red,green,blue", true},
        {"X{.list*}", "X.red.green.blue", true},
        {"X{.keys}", "X.semi,%3B,dot,.,comma,%2C", true},
        {"X{.keys*}", "X.semi=%3B.dot=..comma=%2C", true},
        {"X{.empty_keys}", "X", true},
        {"X{.var}", "Xvalue", false},
        {"X{.var:3}", "X.valu", false},
        {"X{.list*}", "X.red,green", false},
        {"X{.keys*}", "X.a=b=c", false},
        {"X{.keys*}", "X.a=b.c=d", true},
        {"{/who}", "/fred", true},
        {"{/who,who}", "/fred/fred", true},
        {"{/half,who}", "/50%25/fred", true},
        {"{/var}", "/value", true},
        {"{/var,empty}", "/value/", true},
        {"{/var,undef}", "/value", true},
        {"{/a,b}", "", true},
        {"{/var,x}/here", "/value/1024/here", true},
        {"{/var:1,var}", "/v/value", true},
        {"{/list}", "/red,green,blue", true},
        {"{/list*}", "/red/green/blue", true},
        {"{/list*,path:4}", "/red/green/blue/%2Ffoo", true},
        {"{/keys}", "/semi,%3B,dot,.,comma,%2C", true},
        {"{/keys*}", "/semi=%3B/dot=./comma=%2C", true},
        {"{/var}", "value", false},
        {"{/var}", "/a/b", false},
        {"{/a,b}", "/x/y", true},
        {"{/a,b}", "/x/y/z", false},
        {"{/a,b}", "/x?y", false},
        {"{/list*}", "/red,green", false},
        {"{/keys*}", "/a=b/c", false},
        {"{/keys*}", "/a/b=c", false},
    };
    (void)state;

    check_matches(cases, COUNT(cases));
}

static void test_selector_matches_parameters(void **state)
{
    static const struct match cases[] = {
        {"{;who}", ";who=fred", true},
        {"{;half}", ";half=50%25", true},
        {"{;empty}", ";empty", true},
        {"{;v,empty,who}", ";v=6;empty;who=fred", true},
        {"{;v,bar,who}", ";v=6;who=fred", true},
        {"{;x,y}", ";x=1024;y=768", true},
        {"{;x,y,undef}", ";x=1024;y=768", true},
        {"{;hello:5}", ";hello=Hello", true},
        {"{;list}", ";list=red,green,blue", true},
        {"{;list*}", ";list=red;list=green;list=blue", true},
        {"{;keys}", ";keys=semi,%3B,dot,.,comma,%2C", true},
        {"{;keys*}", ";semi=%3B;dot=.;comma=%2C", true},
        {"{;x,y}", ";y=768;x=1024", false},
        {"{;x,y}", ";x=1024&y=768", false},
        {"{;x,y}", ";x=1024y=768", false},
        {"{;x}", "x=1024", false},
        {"{;x}", ";y=1024", false},
        {"{;x}", ";xy", false},
        {"{;hello:5}", ";hello=Hello!", false},
        {"{;hello:5}", ";hello=", false},
        {"{;hello:5}", ";hello", true},
        {"{;keys*}", ";a b", false},
    };
    (void)state;

    check_matches(cases, COUNT(cases));
}

static void test_selector_matches_queries(void **state)
{
    static const struct match cases[] = {
        {"{?who}", "?who=fred", true},
        {"{?half}", "?half=50%25", true},
        {"{?x,y}", "?x=1024&y=768", true},
        {"{?x,y,empty}", "?x=1024&y=768&empty=", true},
        {"{?x,y,undef}", "?x=1024&y=768", true},
        {"{?x,y}", "?y=768", true},
        {"{?x,y}", "", true},
        {"{?var:3}", "?var=val", true},
        {"{?list}", "?list=red,green,blue", true},
        {"{?list*}", "?list=red&list=green&list=blue", true},
        {"{?keys}", "?keys=semi,%3B,dot,.,comma,%2C", true},
        {"{?keys*}", "?semi=%3B&dot=.&comma=%2C", true},
        {"{?x,y}", "?y=768&x=1024", false},
        {"{?x,y}", "?x=1024?y=768", false},
        {"{?x,y}", "&x=1024", false},
        {"{?x,y}", "?x=1024&", false},
        {"{?x,y}", "?", false},
        {"{?x}", "?x", false},
        {"{?x}", "?x=a&b", false},
        {"{?x:0}", "?x=", false}, /* no template */
        {"{?keys*}", "?a=b&c", false},
        {"{?keys*,z}", "?a=b&z=c", true},
        {"{?keys*,z}", "?a=b&z=c,d", true},
        {"{?keys*}", "?z=c,d", false},
        {"{&who}", "&who=fred", true},
        {"{&half}", "&half=50%25", true},
        {"?fixed=yes{&x}", "?fixed=yes&x=1024", true},
        {"{&x,y,empty}", "&x=1024&y=768&empty=", true},
        {"{&var:3}", "&var=val", true},
        {"{&list*}", "&list=red&list=green&list=blue", true},
        {"{&keys*}", "&semi=%3B&dot=.&comma=%2C", true},
        {"{&x,y}", "?x=1024", false},
        {"{&x,y}", "x=1024", false},
        {"{&%41.b_}", "&%41.b_=1", true},
        {"{&%41.b_}", "&A.b_=1", false},
    };
    (void)state;

    check_matches(cases, COUNT(cases));
}

static void test_selector_matches_whole_escapes_only(void **state)
{
    static const struct match cases[] = {
        {"x{a}", "x%41", true},
        {"x{a}", "x%4", false},
        {"x{a}", "x%", false},
        {"x{a}", "x%4g", false},
        {"x{a}", "x%g4", false},
        {"x{a}", "x%%41", false},
        {"{a}41", "%41", false},
        {"{a}1", "%41", false},
        {"{a}1", "%411", true},
        {"{a}1{b}", "%41", false},
        {"{a}%41{b}", "x%41y", true},
        {"{a}%41{b}", "x%42y", false},
        {"{a}%4a{b}", "x%4Ay", false}, /* copied as it is */
        {"{a}%4a{b}", "xAy", false},
        {"{a}A{b}", "x%41y", false},
        {"%41{b}", "%41y", true},
        {"%4{b}", "%41", false},
        {"%4{b}", "%4{b}", true},
        {"{a:1}", "%41", true},
        {"{a:1}", "%4", false},
        {"{a:1}", "%41%42", false},
        {"{a:2}", "%41%42", true},
        {"{a:1}", "%C3%BC", true},
        {"{a:1}", "%e2%82%ac", true},
        {"{a:1}", "%F0%9F%98%80", true},
        {"{a:1}", "%F0%9F%98%80%80", false},
        {"{a:1}", "%C3%BC%C3%BC", false},
        {"{a:2}", "%C3%BC%C3%BC", true},
        {"{a:1}", "%C3%C3", false},
        {"{a:1}", "%80", true},
        {"{a:1}", "%80%80", false},
        {"{a:1}{b:1}", "%C3%BC%C3%BC", true},
        {"{a:1}{b:1}", "%C3%BC%C3%BC%41", false},
    };
    (void)state;

    check_matches(cases, COUNT(cases));
}

static void test_selector_takes_iris(void **state)
{
    static const struct match cases[] = {
        {"/{a}", "/m\u00fcnchen", true},
        {"/{a:1}", "/\u00fc", true},
        {"/{a:1}", "/\U0001f600", true},
        {"/{a:1}", "/\u00fc\u00fc", false},
        {"/{a:2}", "/\u00fc\u00fc", true},
        {"/\u00fc/{a}", "/\u00fc/x", true},
        {"/\u00fc/{a}", "/%C3%BC/x", true},
        {"/\u00fc/{a}", "/%c3%bC/x", true},
        {"/\u00fc/{a}", "/\u00e4/x", false},
        {"/\u00fc/{a}", "/%C3%BD/x", false},
        {"/\u00fc/{a}", "/%C3\xbc/x", false},
        {"/\u00fc/{a}", "/\xc3%BC/x", false},
        {"{a}/\u20ac", "x/%E2%82%AC", true},
        {"{a}/\u20ac", "x/\u20ac", true},
        {"{a}/\u20ac", "x/%E2%82", false},
        {"/\u00fc", "/\u00fc", true},
        {"/\u00fc", "/%C3%BC", false}, /* exact */
        {"/{a}", "/\xfc", false},
        {"/{a}", "/\xc3", false},
        {"/{a}", "/\u00fc\xbc", false},
        {"/{a}", "/\xbc\u00fc", false},
        {"/{a}", "/\xed\xa0\x80", false},
    };
    (void)state;

    check_matches(cases, COUNT(cases));
}

/* ---- what is no template */

static void test_selector_star_means_all(void **state)
{
    static const struct match cases[] = {
        {"*", "", true},    {"*", "*", true},   {"*", "https://a/\u00fc", true},
        {"**", "x", false}, {"**", "**", true}, {"a*", "ab", false},
    };
    struct selector *star = compile(SPAN("*"));
    (void)state;

    check_matches(cases, COUNT(cases));
    assert_false(selector_is_exact(star));
    assert_true(selector_matches(star, SPAN("\0\xff")));
    selector_unref(star);
}

static void test_selector_without_a_valid_expression_is_exact(void **state)
{
    static const char *const texts[] = {
        "https://example.com/books/1",
        "https://example.com/books/?q=%",
        "{",
        "}",
        "a{",
        "a}b",
        "{}",
        "{a",
        "{a}}",
        "{{a}}",
        "{a}{",
        "{a b}",
        "{a,}",
        "{,a}",
        "{a,,b}",
        "{+}",
        "{+,a}",
        "{a.}",
        "{a..b}",
        "{a-b}",
        "{\u00fc}",
        "{a**}",
        "{*}",
        "{a:}",
        "{a:0}",
        "{a:01}",
        "{a:10000}",
        "{a:3*}",
        "{a*:3}",
        "{:3}",
        "{a} b",
        "\"{a}",
        "{a}\"x",
        "{a}\\{b}",
        "{a}|{b}",
        "{a}%{b}",
        "{a}%4{b}",
        "%{b}",
        "{a}%",
        "{a}%g0",
        "{a}\u00fc%",
    };
    (void)state;

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct span text = span_str(texts[i]);
        struct selector *selector = compile(text);
        if (!selector_is_exact(selector))
            fail_msg("%s: a template", texts[i]);
        assert_true(selector_matches(selector, text));
        assert_false(selector_matches(selector, SPAN("a")));
        assert_false(selector_matches(selector, SPAN("")));
        text.len--;
        assert_false(selector_matches(selector, text));
        selector_unref(selector);
    }
}

static void test_selector_with_an_expression_is_a_template(void **state)
{
    static const char *const texts[] = {
        "{a}",     "{a_b.c.D9}", "{%41b}",    "{a:1}",      "{a:9999}",
        "{a*,b}",  "{+a,b:2}",   "x'{a}'",    "{a}'{b}",    "%41{a}%5b",
        "{a}[{b}", "~{#a}",      "{1}",       "{_}",        "{.a.b}",
        "{a}{b}",  "{?a*,b*}",   "\u00fc{a}", "{a}\u00fc'",
    };
    (void)state;

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct selector *selector = compile(span_str(texts[i]));
        if (selector_is_exact(selector))
            fail_msg("%s: no template", texts[i]);
        /* As a topic it is its own match, though no expansion. */
        assert_true(selector_matches(selector, span_str(texts[i])));
        assert_true(span_eq(selector_text(selector), span_str(texts[i])));
        selector_unref(selector);
    }
}

static void test_selector_compares_plain_ends_apart(void **state)
{
    static const struct match cases[] = {
        {"aa{x:1}aa", "aaaa", true},
        {"aa{x:1}aa", "aaa", false},
        {"aa{x:1}aa", "aaaaa", true},
        {"aa{x:1}aa", "aaaaaa", false},
        {"ab{x}ba", "aba", false},
        {"https://a/{x}/b", "https://a/1/b", true},
        {"https://a/{x}/b", "https://a/1/c", false},
        {"https://a/{x}/b", "https://b/1/b", false},
        {"https://a/{x}/b", "https://a/1/2/b", false},
        {"https://a/{x}/b", "https://a/1/b/b", false},
        {"https://a/{x}/b", "", false},
        {"a{x}-{y}b", "a1-2b", true},
        {"a{x}/-/{y}b", "a1/-/2b", true},
        {"a{x}/-/{y}b", "a1/-2b", false},
        {"a{x}/-/{y}b", "a1-/2b", false},
    };
    (void)state;

    check_matches(cases, COUNT(cases));
}

static void test_selector_refuses_control_characters_in_topics(void **state)
{
    struct selector *selector = compile(SPAN("{+a}{b}"));
    (void)state;

    for (int c = 0; c < 0x80; c++) {
        char bytes[] = {'x', (char)c, 'y'};
        bool fine = c > ' ' && c != 0x7f && !strchr("%\"<>\\^`{|}", c);
        assert_int_equal(selector_matches(selector, (struct span){bytes, 3}),
                         fine);
    }
    selector_unref(selector);
}

/* ---- limits */

static void test_selector_refuses_each_for_its_own_reason(void **state)
{
    static const struct {
        const char *text;
        enum selector_verdict verdict;
    } cases[] = {
        {"", SELECTOR_EMPTY},
        {"a\nb", SELECTOR_HAS_CONTROL},
        {"{a}\x7f", SELECTOR_HAS_CONTROL},
        {"\x1f", SELECTOR_HAS_CONTROL},
        {"{a}\xff", SELECTOR_NOT_UTF8},
        {"\xc3", SELECTOR_NOT_UTF8},
        {"\xed\xa0\x80", SELECTOR_NOT_UTF8},
        {"{a:64}{b:64}{c:64}{d:64}", SELECTOR_TOO_COMPLEX},
        {"{a:64}{b:64}{c:64}{d:64}{", SELECTOR_OK}, /* no template */
        {"{a:64}{b:64}{c:64}{d:63}", SELECTOR_OK},  /* 511 states */
        {"{a:9999}{b:9999}{c:9999}", SELECTOR_OK},
        {" ", SELECTOR_OK},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct selector *selector = NULL;
        if (selector_create(span_str(cases[i].text), &selector) !=
            cases[i].verdict)
            fail_msg("%s", cases[i].text);
        assert_int_equal(selector != NULL, cases[i].verdict == SELECTOR_OK);
        selector_unref(selector);
    }
    struct selector *selector = NULL;
    assert_int_equal(selector_create(SPAN("a\0b"), &selector),
                     SELECTOR_HAS_CONTROL);
}

static void test_selector_measures_itself(void **state)
{
    char text[SELECTOR_MAX + 1];
    struct selector *selector = NULL;
    (void)state;

    memset(text, 'a', sizeof(text));
    memcpy(text, "{x}", 3);
    selector_unref(compile((struct span){text, SELECTOR_MAX}));
    assert_int_equal(
        selector_create((struct span){text, SELECTOR_MAX + 1}, &selector),
        SELECTOR_TOO_LONG);
    memcpy(text + SELECTOR_MAX - 3, "{y}", 3);
    assert_int_equal(
        selector_create((struct span){text, SELECTOR_MAX}, &selector),
        SELECTOR_TOO_COMPLEX);
    /* One state before all, and one for each variable. */
    memcpy(text + SELECTOR_MAX_STATES, "{y}", 3);
    selector = compile((struct span){text, SELECTOR_MAX_STATES + 3});
    assert_int_equal(selector_states(selector), SELECTOR_MAX_STATES);

    struct span topic = {text, SELECTOR_MAX_STATES - 3};
    memset(text, 'a', sizeof(text));
    assert_true(selector_matches(selector, topic));
    topic.len--;
    assert_false(selector_matches(selector, topic));
    topic.len += 9;
    assert_true(selector_matches(selector, topic));
    text[SELECTOR_MAX_STATES / 2] = 'b';
    assert_false(selector_matches(selector, topic));
    selector_unref(selector);
}

static void test_selector_counts_prefixes_up_to_a_bound(void **state)
{
    char topic[SELECTOR_MAX_PREFIX + 2];
    struct span most = {topic, SELECTOR_MAX_PREFIX};
    struct span more = {topic, SELECTOR_MAX_PREFIX + 1};
    (void)state;

    memset(topic, 'a', sizeof(topic));
    assert_true(matches(SPAN("{a:64}"), most));
    assert_false(matches(SPAN("{a:64}"), more));
    assert_true(matches(SPAN("{a:65}"), more));
    assert_true(matches(SPAN("{a:65}"), SPAN("")));
    assert_false(matches(SPAN("{a:65}"), SPAN("a,b")));
    assert_true(matches(SPAN("{;a:65}"), SPAN(";a=b")));
    assert_false(matches(SPAN("{;a:65}"), SPAN(";a=")));
}

static void test_selector_lives_until_its_last_reference(void **state)
{
    struct selector *selector = compile(SPAN("{a}"));
    (void)state;

    assert_ptr_equal(selector_ref(selector), selector);
    selector_unref(selector);
    assert_true(selector_matches(selector, SPAN("x")));
    selector_unref(selector);
    selector_unref(NULL);
}

static void test_selector_has_a_text_for_each_verdict(void **state)
{
    (void)state;

    for (int a = SELECTOR_OK + 1; a < SELECTOR_VERDICTS; a++)
        for (int b = a + 1; b < SELECTOR_VERDICTS; b++)
            assert_string_not_equal(
                selector_verdict_text((enum selector_verdict)a),
                selector_verdict_text((enum selector_verdict)b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_selector_matches_simple_expansions),
        cmocka_unit_test(test_selector_matches_reserved_expansions),
        cmocka_unit_test(test_selector_matches_labels_and_path_segments),
        cmocka_unit_test(test_selector_matches_parameters),
        cmocka_unit_test(test_selector_matches_queries),
        cmocka_unit_test(test_selector_matches_whole_escapes_only),
        cmocka_unit_test(test_selector_takes_iris),
        cmocka_unit_test(test_selector_star_means_all),
        cmocka_unit_test(test_selector_without_a_valid_expression_is_exact),
        cmocka_unit_test(test_selector_with_an_expression_is_a_template),
        cmocka_unit_test(test_selector_compares_plain_ends_apart),
        cmocka_unit_test(test_selector_refuses_control_characters_in_topics),
        cmocka_unit_test(test_selector_refuses_each_for_its_own_reason),
        cmocka_unit_test(test_selector_measures_itself),
        cmocka_unit_test(test_selector_counts_prefixes_up_to_a_bound),
        cmocka_unit_test(test_selector_lives_until_its_last_reference),
        cmocka_unit_test(test_selector_has_a_text_for_each_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
