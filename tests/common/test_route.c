/* test_route.c - which route a method and a path find. */
#include <string.h>

#include "common/route.h"
#include "tests/test.h"

static void handler(struct request *req, void *arg)
{
    (void)req, (void)arg;
}

static const struct route first[] = {
    {REQUEST_GET, "/{code}", NULL, handler, 0},
    {REQUEST_GET, "/{code}+", NULL, handler, 0},
    {REQUEST_GET, "/v1/links", NULL, handler, 0},
    {REQUEST_POST, "/v1/links", NULL, handler, 0},
    {REQUEST_POST, "/v1/links:batch", NULL, handler, 0},
    {REQUEST_GET, "/v1/links/{code}", NULL, handler, 0},
    {REQUEST_PATCH, "/v1/links/{code}", NULL, handler, 0},
    {REQUEST_POST, "/v1/links/{id}:cancel", NULL, handler, 0},
    {REQUEST_GET, "/v1/{a}/x/{b}", NULL, handler, 0},
    {REQUEST_GET, "/v1/links/x/{c}", NULL, handler, 0},
    {REQUEST_GET, "/hub/{topic}/{who}", NULL, handler, ROUTE_MERCURE},
    {0},
};

static const struct route second[] = {
    {REQUEST_GET, "/", NULL, handler, 0},
    {REQUEST_GET, "/healthz", NULL, handler, 0},
    {0},
};

#define BIT(method) (1u << REQUEST_##method)
#define READ (BIT(GET) | BIT(HEAD))

static void assert_param(const struct route_match *match, size_t i,
                         const char *name, const char *value)
{
    assert_true(i < match->param_count);
    assert_true(span_eq(match->params[i].name, span_str(name)));
    assert_true(span_eq(match->params[i].value, span_str(value)));
}

static void test_match_finds_the_most_exact_pattern(void **state)
{
    static const struct {
        enum request_method method;
        const char *path, *pattern; /* NULL: none */
        unsigned allowed;
    } cases[] = {
        {REQUEST_GET, "/", "/", READ},
        {REQUEST_HEAD, "/", "/", READ},
        {REQUEST_GET, "/healthz", "/healthz", READ},
        {REQUEST_GET, "/healthzz", "/{code}", READ},
        {REQUEST_POST, "/healthz", NULL, READ},
        {REQUEST_GET, "/abc", "/{code}", READ},
        {REQUEST_GET, "/abc+", "/{code}+", READ},
        {REQUEST_GET, "/+", "/{code}", READ},
        {REQUEST_GET, "/v1", "/{code}", READ},
        {REQUEST_GET, "/v1/", NULL, 0},
        {REQUEST_GET, "/abc/", NULL, 0},
        {REQUEST_GET, "//", NULL, 0},
        {REQUEST_GET, "", NULL, 0},
        {REQUEST_GET, "*", NULL, 0},
        {REQUEST_GET, "/v1/links", "/v1/links", READ | BIT(POST)},
        {REQUEST_HEAD, "/v1/links", "/v1/links", READ | BIT(POST)},
        {REQUEST_POST, "/v1/links", "/v1/links", READ | BIT(POST)},
        {REQUEST_DELETE, "/v1/links", NULL, READ | BIT(POST)},
        {REQUEST_OPTIONS, "/v1/links", NULL, READ | BIT(POST)},
        {REQUEST_POST, "/v1/links:batch", "/v1/links:batch", BIT(POST)},
        {REQUEST_GET, "/v1/links:batch", NULL, BIT(POST)},
        {REQUEST_POST, "/v1/links:nothing", NULL, 0},
        {REQUEST_GET, "/v1/links/", NULL, 0},
        {REQUEST_GET, "/v1/links/a", "/v1/links/{code}", READ | BIT(PATCH)},
        {REQUEST_PATCH, "/v1/links/a", "/v1/links/{code}", READ | BIT(PATCH)},
        {REQUEST_POST, "/v1/links/a:cancel", "/v1/links/{id}:cancel",
         BIT(POST)},
        {REQUEST_POST, "/v1/links/:cancel", NULL, READ | BIT(PATCH)},
        {REQUEST_GET, "/v1/links/x/y", "/v1/links/x/{c}", READ},
        {REQUEST_GET, "/v1/other/x/y", "/v1/{a}/x/{b}", READ},
        {REQUEST_GET, "/a%2Fb", NULL, 0},
        {REQUEST_GET, "/a%2fb", NULL, 0},
        {REQUEST_GET, "/hub/a%2Fb/%2f", "/hub/{topic}/{who}", READ},
        {REQUEST_GET, "/hub/a/b/c", NULL, 0},
        {REQUEST_GET, "/%2", "/{code}", READ},
        {REQUEST_GET, "/1/2/3/4/5/6/7/8/9", NULL, 0},
    };
    struct router *router = router_create(first, second);
    (void)state;

    assert_int_equal(router_count(router), COUNT(first) + COUNT(second) - 2);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct route_match match;
        router_match(router, cases[i].method, span_str(cases[i].path), &match);
        if (!cases[i].pattern) {
            assert_null(match.route);
        } else {
            assert_non_null(match.route);
            assert_string_equal(match.route->pattern, cases[i].pattern);
            assert_ptr_equal(router_at(router, match.index), match.route);
        }
        assert_int_equal(match.allowed, cases[i].allowed);
    }
    router_destroy(router);
}

static void test_match_takes_parameters_undecoded(void **state)
{
    struct router *router = router_create(first, NULL);
    struct route_match match;
    (void)state;

    router_match(router, REQUEST_GET, SPAN("/a%20b+"), &match);
    assert_int_equal(match.param_count, 1);
    assert_param(&match, 0, "code", "a%20b");
    router_match(router, REQUEST_POST, SPAN("/v1/links/7:cancel"), &match);
    assert_param(&match, 0, "id", "7");
    router_match(router, REQUEST_GET, SPAN("/v1/one/x/two"), &match);
    assert_int_equal(match.param_count, 2);
    assert_param(&match, 0, "a", "one");
    assert_param(&match, 1, "b", "two");
    router_match(router, REQUEST_GET, SPAN("/v1/links"), &match);
    assert_int_equal(match.param_count, 0);
    router_destroy(router);
}

static void test_match_gives_the_rest_to_a_star(void **state)
{
    static const struct route all[] = {
        {REQUEST_GET, "/{a}/{b}", NULL, NULL, ROUTE_SLASH},
        {REQUEST_GET, "*", NULL, NULL, 0},
        {REQUEST_GET, "/{a}", NULL, NULL, 0},
        {0},
    };
    struct router *router = router_create(all, NULL);
    struct route_match match;
    (void)state;

    router_match(router, REQUEST_GET, SPAN("/a%2Fb/c%2f"), &match);
    assert_ptr_equal(match.route, &all[0]);
    assert_param(&match, 0, "a", "a%2Fb");
    router_match(router, REQUEST_GET, SPAN("/a%2Fb"), &match);
    assert_ptr_equal(match.route, &all[1]); /* not said to take a slash */
    assert_ptr_equal(router_at(router, match.index), match.route);
    router_match(router, REQUEST_POST, SPAN("/a"), &match);
    assert_ptr_equal(match.route, &all[1]);
    assert_int_equal(match.allowed, 1U << REQUEST_GET | 1U << REQUEST_HEAD);
    router_match(router, REQUEST_GET, SPAN("/a"), &match);
    assert_ptr_equal(match.route, &all[2]);
    router_match(router, REQUEST_OPTIONS, SPAN("/a/b/c"), &match);
    assert_null(match.route);
    router_destroy(router);
}

static void test_router_may_be_empty_or_absent(void **state)
{
    static const struct route none[] = {{0}};
    struct router *router = router_create(none, NULL);
    struct route_match match;
    (void)state;

    router_match(router, REQUEST_GET, SPAN("/"), &match);
    assert_null(match.route);
    assert_int_equal(match.allowed, 0);
    router_destroy(router);
    router_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match_finds_the_most_exact_pattern),
        cmocka_unit_test(test_match_takes_parameters_undecoded),
        cmocka_unit_test(test_match_gives_the_rest_to_a_star),
        cmocka_unit_test(test_router_may_be_empty_or_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
