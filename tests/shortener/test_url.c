/* test_url.c - which targets are taken, and in which spelling. */
#include "shortener/url.h"
#include "tests/test.h"

static enum url_verdict normalise(struct arena *arena, const char *in,
                                  struct span *out)
{
    return url_normalise(arena, span_str(in), NULL, 0, out);
}

struct spelling {
    const char *in, *out;
};

/* Each result is also its own normal form. */
static void check_spellings(const struct spelling *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct arena arena;
        struct span out = {NULL, 0};
        struct span again = {NULL, 0};

        arena_init(&arena, MEM_REQUEST, 0);
        if (normalise(&arena, cases[i].in, &out) != URL_OK)
            fail_msg("%s: refused", cases[i].in);
        assert_string_equal(out.ptr, cases[i].out);
        assert_int_equal(out.len, strlen(cases[i].out));
        assert_int_equal(normalise(&arena, out.ptr, &again), URL_OK);
        assert_string_equal(again.ptr, out.ptr);
        arena_deinit(&arena);
    }
}

static void test_url_spells_scheme_host_and_port_one_way(void **state)
{
    static const struct spelling cases[] = {
        {"http://example.com", "http://example.com/"},
        {"HTTP://EXAMPLE.com/", "http://example.com/"},
        {"hTTpS://Example.COM/A", "https://example.com/A"},
        {"http://example.com:/", "http://example.com/"},
        {"http://example.com:80/", "http://example.com/"},
        {"https://example.com:443", "https://example.com/"},
        {"https://example.com:80/", "https://example.com:80/"},
        {"http://example.com:443/", "http://example.com:443/"},
        {"http://example.com:00080/", "http://example.com/"},
        {"http://example.com:08080/", "http://example.com:8080/"},
        {"http://example.com:1/", "http://example.com:1/"},
        {"http://example.com:65535/", "http://example.com:65535/"},
        {"http://example.com./", "http://example.com./"},
        {"http://%65xample.c%4Fm/", "http://example.com/"},
        {"http://a_b.example/", "http://a_b.example/"},
        {"http://r3---sn.example/", "http://r3---sn.example/"},
        {"http://localhost/", "http://localhost/"},
        {"http://example.com?a=b", "http://example.com/?a=b"},
        {"http://example.com#top", "http://example.com/#top"},
        {"http://example.com/?", "http://example.com/?"},
        {"http://example.com/#", "http://example.com/#"},
        {"http://example.com?#", "http://example.com/?#"},
    };
    (void)state;

    check_spellings(cases, COUNT(cases));
}

static void test_url_writes_unicode_names_in_punycode(void **state)
{
    static const struct spelling cases[] = {
        {"http://m\u00fcnchen.de/", "http://xn--mnchen-3ya.de/"},
        {"http://M\u00dcNCHEN.DE/", "http://xn--mnchen-3ya.de/"},
        {"http://mu\u0308nchen.de/", "http://xn--mnchen-3ya.de/"},
        {"http://m%C3%BCnchen.de/", "http://xn--mnchen-3ya.de/"},
        {"http://XN--MNCHEN-3ya.de/", "http://xn--mnchen-3ya.de/"},
        {"http://fa\u00df.de/", "http://xn--fa-hia.de/"},
        {"http://\u4f8b\u3048\u3002jp/", "http://xn--r8jz45g.jp/"},
        {"http://\uff45xample.com/", "http://example.com/"},
        {"http://\uff11\uff12\uff17.1/", "http://127.0.0.1/"},
        {"http://xn--ls8h.la/", "http://xn--ls8h.la/"},
    };
    (void)state;

    check_spellings(cases, COUNT(cases));
}

static void test_url_writes_addresses_as_a_browser_would(void **state)
{
    static const struct spelling cases[] = {
        {"http://1.2.3.4/", "http://1.2.3.4/"},
        {"http://1.2.3.4./", "http://1.2.3.4/"},
        {"http://255.255.255.255/", "http://255.255.255.255/"},
        {"http://2130706433/", "http://127.0.0.1/"},
        {"http://0x7f.1/", "http://127.0.0.1/"},
        {"http://0X7F.0.0x0.01/", "http://127.0.0.1/"},
        {"http://017700000001/", "http://127.0.0.1/"},
        {"http://1.2/", "http://1.0.0.2/"},
        {"http://1.2.772/", "http://1.2.3.4/"},
        {"http://1.131844/", "http://1.2.3.4/"},
        {"http://4294967295/", "http://255.255.255.255/"},
        {"http://0x/", "http://0.0.0.0/"},
        {"http://0/", "http://0.0.0.0/"},
        {"http://[::1]/", "http://[::1]/"},
        {"http://[0:0:0:0:0:0:0:0]/", "http://[::]/"},
        {"http://[2001:DB8::0001]:80/", "http://[2001:db8::1]/"},
        {"http://[2001:db8:0:1:1:1:1:1]/", "http://[2001:db8:0:1:1:1:1:1]/"},
        {"http://[2001:0:0:1:0:0:0:1]/", "http://[2001:0:0:1::1]/"},
        {"http://[1:0:0:2:0:0:3:4]/", "http://[1::2:0:0:3:4]/"},
        {"http://[1:2:3:4:5:6:0:0]:81/", "http://[1:2:3:4:5:6::]:81/"},
        {"http://[::ffff:1.2.3.4]/", "http://[::ffff:102:304]/"},
        {"https://[fe80::1]:443/", "https://[fe80::1]/"},
        {"http://[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]/",
         "http://[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]/"},
        /* A number that is not last makes a name. */
        {"http://1.example/", "http://1.example/"},
        {"http://0x7f.example/", "http://0x7f.example/"},
        {"http://1.2.3.4a/", "http://1.2.3.4a/"},
    };
    (void)state;

    check_spellings(cases, COUNT(cases));
}

static void test_url_removes_dot_segments(void **state)
{
    static const struct spelling cases[] = {
        {"http://a/b/c/./../../g", "http://a/g"}, /* RFC 3986, 5.2.4 */
        {"http://a/mid/content=5/../6", "http://a/mid/6"},
        {"http://a/.", "http://a/"},
        {"http://a/..", "http://a/"},
        {"http://a/../..", "http://a/"},
        {"http://a/../../g", "http://a/g"},
        {"http://a/b/.", "http://a/b/"},
        {"http://a/b/..", "http://a/"},
        {"http://a/b/c/..", "http://a/b/"},
        {"http://a/b/c/../", "http://a/b/"},
        {"http://a/b//../c", "http://a/b/c"},
        {"http://a//..//b", "http://a//b"},
        {"http://a/b//", "http://a/b//"},
        {"http://a/%2e/%2E%2e/b", "http://a/b"},
        {"http://a/b/.%2e/c", "http://a/c"},
        {"http://a/.../..b/b../.c", "http://a/.../..b/b../.c"},
        {"http://a/b?../c", "http://a/b?../c"},
        {"http://a/b#/./c", "http://a/b#/./c"},
        {"http://a?/../b", "http://a/?/../b"},
    };
    (void)state;

    check_spellings(cases, COUNT(cases));
}

static void test_url_escapes_what_must_and_only_that(void **state)
{
    static const struct spelling cases[] = {
        {"http://a/%7euser", "http://a/~user"},
        {"http://a/%41%5a%30%2D", "http://a/AZ0-"},
        {"http://a/%2f%3f%23", "http://a/%2F%3F%23"},
        {"http://a/%25%32%66", "http://a/%252f"},
        {"http://a/%e9", "http://a/%E9"}, /* of another charset: kept */
        {"http://a/%00%0d%0a", "http://a/%00%0D%0A"},
        {"http://a/caf\u00e9", "http://a/caf%C3%A9"},
        {"http://a/?q=\u00fc#\u20ac", "http://a/?q=%C3%BC#%E2%82%AC"},
        {"http://a/\U0001f600", "http://a/%F0%9F%98%80"},
        {"http://a/\"<>^`{|}", "http://a/%22%3C%3E%5E%60%7B%7C%7D"},
        {"http://a/!$&'()*+,;=:@[]", "http://a/!$&'()*+,;=:@[]"},
        {"http://a/?a=1&b=/?c", "http://a/?a=1&b=/?c"},
        {"http://a/b#c?d#e", "http://a/b#c?d#e"},
        {"http://a/%5c", "http://a/%5C"},
    };
    (void)state;

    check_spellings(cases, COUNT(cases));
}

static const char label_63[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstu"
                               "vwxyzabcdefghijk";

static const struct {
    const char *in;
    enum url_verdict verdict;
} refusals[] = {
    {"", URL_NOT_ABSOLUTE},
    {"/path", URL_NOT_ABSOLUTE},
    {"//example.com/", URL_NOT_ABSOLUTE},
    {"example.com", URL_NOT_ABSOLUTE},
    {"example.com/a:b", URL_NOT_ABSOLUTE},
    {":", URL_NOT_ABSOLUTE},
    {"://example.com/", URL_NOT_ABSOLUTE},
    {"1http://example.com/", URL_NOT_ABSOLUTE},
    {"http:example.com", URL_NOT_ABSOLUTE},
    {"http:/example.com", URL_NOT_ABSOLUTE},
    {"https:", URL_NOT_ABSOLUTE},
    {"?http://example.com", URL_NOT_ABSOLUTE},
    {"javascript:alert(1)", URL_BAD_SCHEME},
    {"data:text/html,hi", URL_BAD_SCHEME},
    {"ftp://example.com/", URL_BAD_SCHEME},
    {"file:///etc/passwd", URL_BAD_SCHEME},
    {"httpx://example.com/", URL_BAD_SCHEME},
    {"example.com:80", URL_BAD_SCHEME}, /* a scheme by its syntax */
    {" http://example.com/", URL_HAS_SPACE},
    {"http://example.com/ ", URL_HAS_SPACE},
    {"http://exa mple.com/", URL_HAS_SPACE},
    {"http://example.com/\n", URL_HAS_CONTROL},
    {"http://example.com/\r\nSet-Cookie:a=b", URL_HAS_CONTROL},
    {"ht\ttp://example.com/", URL_HAS_CONTROL},
    {"http://example.com/\x7f", URL_HAS_CONTROL},
    {"http:\\\\example.com/", URL_HAS_BACKSLASH},
    {"http://example.com\\@evil.example/", URL_HAS_BACKSLASH},
    {"http://example.com/\xff", URL_NOT_UTF8},
    {"http://example.com/\xc3", URL_NOT_UTF8},
    {"http://example.com/\xc0\xaf", URL_NOT_UTF8},
    {"http://example.com/\xe0\x80\xaf", URL_NOT_UTF8},
    {"http://example.com/\xed\xa0\x80", URL_NOT_UTF8},
    {"http://example.com/\xf0\x80\x80\x80", URL_NOT_UTF8},
    {"http://example.com/\xf4\x90\x80\x80", URL_NOT_UTF8},
    {"http://example.com/\xe2\x82", URL_NOT_UTF8},
    {"http://\xfcx.de/", URL_NOT_UTF8},
    {"http://example.com/%", URL_BAD_ESCAPE},
    {"http://example.com/%4", URL_BAD_ESCAPE},
    {"http://example.com/%4g", URL_BAD_ESCAPE},
    {"http://example.com/?%zz", URL_BAD_ESCAPE},
    {"http://example.com/#100%", URL_BAD_ESCAPE},
    {"http://ex%ample.com/", URL_BAD_ESCAPE},
    {"http://user@example.com/", URL_HAS_CREDENTIALS},
    {"http://user:pass@example.com/", URL_HAS_CREDENTIALS},
    {"http://@example.com/", URL_HAS_CREDENTIALS},
    {"http://:@example.com/", URL_HAS_CREDENTIALS},
    {"http://example.com:80@evil.example/", URL_HAS_CREDENTIALS},
    {"http://", URL_NO_HOST},
    {"http:///path", URL_NO_HOST},
    {"http://?q", URL_NO_HOST},
    {"http://#f", URL_NO_HOST},
    {"http://:80/", URL_NO_HOST},
    {"http://exa!mple.com/", URL_BAD_HOST},
    {"http://-a.example/", URL_BAD_HOST},
    {"http://a-.example/", URL_BAD_HOST},
    {"http://a*b.example/", URL_BAD_HOST},
    {"http://a,b/", URL_BAD_HOST},
    {"http://xn--.example/", URL_BAD_HOST},
    {"http://a%2fb/", URL_BAD_HOST},
    {"http://a%00b/", URL_BAD_HOST},
    {"http://a%40b/", URL_BAD_HOST},
    {"http://a%20b/", URL_BAD_HOST},
    {"http://x\uff0fy.example/", URL_BAD_HOST},
    {"http://%ff.example/", URL_BAD_HOST},
    {"http://a\u200db.example/", URL_BAD_HOST},
    {"http://::1/", URL_NO_HOST},
    {"http://.example/", URL_LONG_LABEL},
    {"http://a..example/", URL_LONG_LABEL},
    {"http://./", URL_LONG_LABEL},
    {"http://example.com../", URL_LONG_LABEL},
    {"http://\u00fc..de/", URL_LONG_LABEL},
    {"http://256.1.1.1/", URL_BAD_IPV4},
    {"http://1.2.3.256/", URL_BAD_IPV4},
    {"http://1.2.3.4.5/", URL_BAD_IPV4},
    {"http://1.2.65536/", URL_BAD_IPV4},
    {"http://1.16777216/", URL_BAD_IPV4},
    {"http://4294967296/", URL_BAD_IPV4},
    {"http://99999999999999999999999/", URL_BAD_IPV4},
    {"http://09/", URL_BAD_IPV4},
    {"http://1..2/", URL_BAD_IPV4},
    {"http://example.1/", URL_BAD_IPV4},
    {"http://example.0x1/", URL_BAD_IPV4},
    {"http://[::1/", URL_BAD_IPV6},
    {"http://[", URL_BAD_IPV6},
    {"http://[]/", URL_BAD_IPV6},
    {"http://[:1]/", URL_BAD_IPV6},
    {"http://[1::2::3]/", URL_BAD_IPV6},
    {"http://[12345::]/", URL_BAD_IPV6},
    {"http://[::1]x/", URL_BAD_IPV6},
    {"http://[::1]80/", URL_BAD_IPV6},
    {"http://[fe80::1%25eth0]/", URL_BAD_IPV6},
    {"http://[1.2.3.4]/", URL_BAD_IPV6},
    {"http://[v1.x]/", URL_BAD_IPV6},
    {"http://[1:2:3:4:5:6:7:8:9:1:2:3:4:5:6:7:8:9:1:2:3:4]/", URL_BAD_IPV6},
    {"http://example.com:0/", URL_BAD_PORT},
    {"http://example.com:65536/", URL_BAD_PORT},
    {"http://example.com:99999999999999999999/", URL_BAD_PORT},
    {"http://example.com:8a/", URL_BAD_PORT},
    {"http://example.com:+80/", URL_BAD_PORT},
    {"http://example.com:-1/", URL_BAD_PORT},
    {"http://example.com:80:80/", URL_BAD_PORT},
    {"http://[::1]:x/", URL_BAD_PORT},
};

static void test_url_refuses_each_for_its_own_reason(void **state)
{
    static const struct span untouched = {"kept", 4};
    (void)state;

    for (size_t i = 0; i < COUNT(refusals); i++) {
        struct arena arena;
        struct span out = untouched;

        arena_init(&arena, MEM_REQUEST, 0);
        enum url_verdict verdict = normalise(&arena, refusals[i].in, &out);
        if (verdict != refusals[i].verdict)
            fail_msg("%s: \"%s\", not \"%s\"", refusals[i].in,
                     url_verdict_text(verdict),
                     url_verdict_text(refusals[i].verdict));
        assert_ptr_equal(out.ptr, untouched.ptr);
        arena_deinit(&arena);
    }
}

static void test_url_refuses_a_nul_byte(void **state)
{
    struct arena arena;
    struct span out;
    (void)state;

    arena_init(&arena, MEM_REQUEST, 0);
    assert_int_equal(url_normalise(&arena, SPAN("http://a/\0b"), NULL, 0, &out),
                     URL_HAS_CONTROL);
    assert_int_equal(
        url_normalise(&arena, SPAN("http://a\0.example/"), NULL, 0, &out),
        URL_HAS_CONTROL);
    arena_deinit(&arena);
}

static void test_url_measures_labels_and_names(void **state)
{
    static const struct {
        const char *before;
        int last; /* bytes of a label behind so many full ones */
        int full;
        const char *after;
        enum url_verdict verdict;
    } cases[] = {
        {"", 63, 0, ".example", URL_OK},
        {"x", 63, 0, ".example", URL_LONG_LABEL},
        {"", 61, 3, "", URL_OK}, /* 253 bytes */
        {"", 61, 3, ".", URL_OK},
        {"", 62, 3, "", URL_LONG_HOST},
        {"", 63, 0, ".\u00fc", URL_OK},
        {"x", 63, 0, ".\u00fc", URL_LONG_LABEL},
        {"\u00fc", 63, 0, "", URL_LONG_LABEL},
        {"\u00fc", 58, 0, "", URL_LONG_LABEL}, /* as xn--, 67 bytes */
        {"", 63, 3, ".\u00fc", URL_LONG_HOST},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena arena;
        struct span out;

        arena_init(&arena, MEM_REQUEST, 0);
        struct span full = SPAN("");
        for (int k = 0; k < cases[i].full; k++)
            full = arena_printf(&arena, "%s%s.", full.ptr, label_63);
        struct span in =
            arena_printf(&arena, "http://%s%s%.*s%s/", cases[i].before,
                         full.ptr, cases[i].last, label_63, cases[i].after);
        if (normalise(&arena, in.ptr, &out) != cases[i].verdict)
            fail_msg("%s", in.ptr);
        arena_deinit(&arena);
    }
}

/* The bound holds for what comes in and for what comes out. */
static void test_url_measures_itself_twice(void **state)
{
    static char in[URL_MAX + 2];
    struct arena arena;
    struct span out;
    (void)state;

    arena_init(&arena, MEM_REQUEST, 0);
    struct span start = SPAN("http://h/");

    memset(in, 'a', sizeof(in));
    memcpy(in, start.ptr, start.len);
    struct span most = {in, URL_MAX};
    assert_int_equal(url_normalise(&arena, most, NULL, 0, &out), URL_OK);
    assert_int_equal(out.len, URL_MAX);
    most.len++;
    assert_int_equal(url_normalise(&arena, most, NULL, 0, &out), URL_TOO_LONG);

    memset(in + start.len, '{', sizeof(in) - start.len);
    most.len = start.len + (URL_MAX - start.len) / 3;
    assert_int_equal(url_normalise(&arena, most, NULL, 0, &out), URL_OK);
    most.len++;
    assert_int_equal(url_normalise(&arena, most, NULL, 0, &out), URL_TOO_LONG);
    most.len = URL_MAX;
    assert_int_equal(url_normalise(&arena, most, NULL, 0, &out), URL_TOO_LONG);
    arena_deinit(&arena);
}

static void test_url_knows_its_own_hosts(void **state)
{
    static const struct {
        const char *own, *target;
        bool refused;
    } cases[] = {
        {"sho.rt", "http://sho.rt/x", true},
        {"sho.rt", "https://sho.rt/x", true},
        {"sho.rt", "http://SHO.RT.:80/", true},
        {"Sho.Rt.", "https://sho.rt:443/", true},
        {"sho.rt", "http://sho.rt:8080/", false},
        {"sho.rt:8080", "http://sho.rt:8080/", true},
        {"sho.rt:8080", "http://sho.rt/", false},
        {"sho.rt:80", "http://sho.rt/", true},
        {"sho.rt", "http://www.sho.rt/", false},
        {"sho.rt", "http://sho.rt.example/", false},
        {"m\u00fcnchen.de", "http://xn--mnchen-3ya.de/", true},
        {"127.0.0.1:8101", "http://127.0.0.1:8101/", true},
        {"127.0.0.1:8101", "http://localhost:8101/", true},
        {"127.0.0.1:8101", "http://app.localhost:8101/", true},
        {"127.0.0.1:8101", "http://127.1.2.3:8101/", true},
        {"127.0.0.1:8101", "http://2130706433:8101/", true},
        {"127.0.0.1:8101", "http://[::1]:8101/", true},
        {"127.0.0.1:8101", "http://[::]:8101/", true},
        {"127.0.0.1:8101", "http://0:8101/", true},
        {"127.0.0.1:8101", "http://[::ffff:127.0.0.1]:8101/", true},
        {"localhost:8101", "http://0x7f.1:8101/", true},
        {"[::1]:8101", "http://localhost.:8101/", true},
        {"127.0.0.1:8101", "http://127.0.0.1:8102/", false},
        {"127.0.0.1:8101", "http://127.example:8101/", false},
        {"127.0.0.1:8101", "http://notlocalhost:8101/", false},
        {"", "http://example.com/", false},
        {"not a host", "http://example.com/", false},
        {"%", "http://example.com/", false},
        {":80", "http://example.com/", false},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena arena;
        struct span out;
        const struct span own[] = {span_str("other.example"),
                                   span_str(cases[i].own)};

        arena_init(&arena, MEM_REQUEST, 0);
        enum url_verdict verdict = url_normalise(
            &arena, span_str(cases[i].target), own, COUNT(own), &out);
        if (verdict != (cases[i].refused ? URL_OWN_HOST : URL_OK))
            fail_msg("%s at %s", cases[i].target, cases[i].own);
        arena_deinit(&arena);
    }
}

static void test_url_authority_is_as_written(void **state)
{
    static const struct {
        const char *url, *authority;
    } cases[] = {
        {"https://Sho.rt:8443/x", "Sho.rt:8443"},
        {"http://sho.rt", "sho.rt"},
        {"http://[::1]:1?a", "[::1]:1"},
        {"", ""},
        {"sho.rt", ""},
        {"ftp://sho.rt/", ""},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_true(span_eq(url_authority(span_str(cases[i].url)),
                            span_str(cases[i].authority)));
    assert_int_equal(url_authority((struct span){NULL, 0}).len, 0);
}

static void test_url_has_a_text_for_each_verdict(void **state)
{
    (void)state;

    for (int a = URL_OK + 1; a < URL_VERDICTS; a++) {
        const char *text = url_verdict_text((enum url_verdict)a);
        assert_non_null(text);
        for (int b = a + 1; b < URL_VERDICTS; b++)
            assert_string_not_equal(text,
                                    url_verdict_text((enum url_verdict)b));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_url_spells_scheme_host_and_port_one_way),
        cmocka_unit_test(test_url_writes_unicode_names_in_punycode),
        cmocka_unit_test(test_url_writes_addresses_as_a_browser_would),
        cmocka_unit_test(test_url_removes_dot_segments),
        cmocka_unit_test(test_url_escapes_what_must_and_only_that),
        cmocka_unit_test(test_url_refuses_each_for_its_own_reason),
        cmocka_unit_test(test_url_refuses_a_nul_byte),
        cmocka_unit_test(test_url_measures_labels_and_names),
        cmocka_unit_test(test_url_measures_itself_twice),
        cmocka_unit_test(test_url_knows_its_own_hosts),
        cmocka_unit_test(test_url_authority_is_as_written),
        cmocka_unit_test(test_url_has_a_text_for_each_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
