/* test_web.c - pages and the files of the binary. */
#include <stdio.h>
#include <string.h>

#include "common/web.h"
#include "tests/common/server_kit.h"

#define HAS(answer, text) assert_non_null(strstr(answer, text))
#define HAS_NOT(answer, text) assert_null(strstr(answer, text))

static const struct web_file files[] = {
    {.type = "text/css", .bytes = {"a{}", 3}},
    {.type = "text/javascript", .bytes = {"a{}", 3}},
    {.type = "text/css", .bytes = {"b{}", 3}},
};

static void send_file(struct request *req, void *arg)
{
    uint64_t n = 0;

    (void)arg;
    assert_true(span_to_u64(request_param(req, "n"), COUNT(files) - 1, &n));
    web_reply_file(req, &files[n]);
}

static void send_page(struct request *req, void *arg)
{
    (void)arg;
    web_reply_html(req, 410, SPAN("<p>gone"));
}

static const struct route routes[] = {
    {REQUEST_GET, "/file/{n}", NULL, send_file, 0},
    {REQUEST_GET, "/page", NULL, send_page, 0},
    {0},
};

/* The value of ETag, with its quotes. */
static void tag_of(const char *answer, char tag[32])
{
    const char *at = strstr(answer, "\r\nETag: \"");

    assert_non_null(at);
    at += strlen("\r\nETag: ");
    snprintf(tag, 32, "%.*s", (int)strcspn(at, "\r"), at);
}

static void test_web_escapes_what_html_reads(void **state)
{
    static const struct {
        struct span text;
        const char *escaped;
    } cases[] = {
        {{"", 0}, ""},
        {{"plain \xc3\xa9", 8}, "plain \xc3\xa9"},
        {{"<a href='x' b=\"y\">&amp;", 23},
         "&lt;a href=&#39;x&#39; b=&quot;y&quot;&gt;&amp;amp;"},
        {{"<<", 1}, "&lt;"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out;

        buf_init(&out, MEM_APP);
        web_escape(&out, cases[i].text);
        assert_true(span_eq(buf_span(&out), span_str(cases[i].escaped)));
        buf_deinit(&out);
    }
}

static void test_web_problem_page_escapes_its_texts(void **state)
{
    struct buf out;
    (void)state;

    buf_init(&out, MEM_APP);
    web_problem_page(&out, 404, "No <b>", "it's & \"gone\"");
    buf_append_char(&out, '\0');
    HAS(out.ptr, "<title>No &lt;b&gt;</title>");
    HAS(out.ptr, "<h1>No &lt;b&gt;</h1>");
    HAS(out.ptr, "<p>it&#39;s &amp; &quot;gone&quot;</p>");
    HAS(out.ptr, ">404<");
    HAS_NOT(out.ptr, "<script"); /* the policy would not let it run */
    HAS_NOT(out.ptr, "style=");
    buf_deinit(&out);
}

static void test_web_file_is_sent_whole_with_its_tag(void **state)
{
    struct kit *kit = *state;
    const char *answer;

    kit_start(kit, routes);
    answer = kit_ask(kit, "GET /file/0", "");
    HAS(answer, "HTTP/1.1 200 OK\r\n");
    HAS(answer, "\r\nContent-Type: text/css\r\n");
    HAS(answer, "\r\nCache-Control: no-cache\r\n");
    HAS(answer, "\r\nContent-Security-Policy: " WEB_POLICY "\r\n");
    HAS(answer, "\r\nETag: \"");
    HAS(answer, "\r\n\r\na{}");
}

static void test_web_tag_is_of_the_bytes(void **state)
{
    struct kit *kit = *state;
    char tags[COUNT(files)][32];

    kit_start(kit, routes);
    for (size_t i = 0; i < COUNT(files); i++) {
        char target[32];
        snprintf(target, sizeof(target), "GET /file/%zu", i);
        tag_of(kit_ask(kit, target, ""), tags[i]);
    }
    assert_string_equal(tags[0], tags[1]);
    assert_string_not_equal(tags[0], tags[2]);
}

static void test_web_file_that_the_client_has_is_not_sent(void **state)
{
    static const struct {
        const char *format; /* of If-None-Match */
        bool has;
    } cases[] = {
        {"%s", true},
        {"W/%s", true},
        {"\"x\", %s", true},
        {"\"x\",W/%s , \"y\"", true},
        {"*", true},
        {"\"x\"", false},
        {"W/\"x\", \"y\"", false},
        {"x%s", false},
        {"W/W/%s", false},
        {",", false},
    };
    struct kit *kit = *state;
    char tag[32];

    kit_start(kit, routes);
    tag_of(kit_ask(kit, "GET /file/0", ""), tag);
    for (size_t i = 0; i < COUNT(cases); i++) {
        char value[64];
        char header[96];
        const char *at = strstr(cases[i].format, "%s");
        size_t before =
            at ? (size_t)(at - cases[i].format) : strlen(cases[i].format);

        snprintf(value, sizeof(value), "%.*s%s%s", (int)before, cases[i].format,
                 at ? tag : "", at ? at + 2 : "");
        snprintf(header, sizeof(header), "If-None-Match: %s\r\n", value);
        const char *answer = kit_ask(kit, "GET /file/0", header);
        HAS(answer, cases[i].has ? "HTTP/1.1 304 Not Modified\r\n"
                                 : "HTTP/1.1 200 OK\r\n");
        HAS(answer, tag);
        assert_int_equal(strstr(answer, "a{}") == NULL, cases[i].has);
        assert_int_equal(strstr(answer, "Content-Length: 3") == NULL,
                         cases[i].has);
    }
}

static void test_web_page_is_never_kept(void **state)
{
    struct kit *kit = *state;
    const char *answer;

    kit_start(kit, routes);
    answer = kit_ask(kit, "GET /page", "");
    HAS(answer, "HTTP/1.1 410 Gone\r\n");
    HAS(answer, "\r\nContent-Type: text/html; charset=utf-8\r\n");
    HAS(answer, "\r\nCache-Control: private, no-store\r\n");
    HAS(answer, "\r\nContent-Security-Policy: " WEB_POLICY "\r\n");
    HAS_NOT(answer, "ETag");
    HAS(answer, "\r\n\r\n<p>gone");
}

static void test_web_files_that_all_share_are_there(void **state)
{
    (void)state;

    assert_true(web_lab_css.bytes.len > 0);
    assert_true(span_has_prefix(span_str(web_lab_css.type), SPAN("text/css")));
    assert_true(web_lab_js.bytes.len > 0);
    assert_true(
        span_has_prefix(span_str(web_lab_js.type), SPAN("text/javascript")));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_web_escapes_what_html_reads),
        cmocka_unit_test(test_web_problem_page_escapes_its_texts),
        TEST(test_web_file_is_sent_whole_with_its_tag),
        TEST(test_web_tag_is_of_the_bytes),
        TEST(test_web_file_that_the_client_has_is_not_sent),
        TEST(test_web_page_is_never_kept),
        cmocka_unit_test(test_web_files_that_all_share_are_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
