/* test_request_identity.c - tokens and cookies at routes of either kind. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/auth.h"
#include "tests/common/server_kit.h"

#define KEYS                                                           \
    "{\"current\":\"k1\",\"keys\":[{\"kid\":\"k1\",\"alg\":\"HS256\"," \
    "\"secret\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"}]}"
#define FAR 4000000000
#define HEADER "Authorization: Bearer "
#define COOKIE "Cookie: a=b; mercureAuthorization="
#define OURS "Cookie: a=b; token="
#define OTHER "Cookie: xmercureAuthorization="

static struct token_keys *load(void)
{
    char path[] = "/tmp/lab-keys-XXXXXX";
    char reason[256];
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, KEYS, strlen(KEYS)), strlen(KEYS));
    close(fd);
    struct token_keys *keys = token_keys_load(path, reason, sizeof(reason));
    unlink(path);
    assert_non_null(keys);
    return keys;
}

/* Header lines with a token behind `lines`. */
static const char *with(const char *lines, const struct token_claims *claims)
{
    static char all[2 * TOKEN_MAX];
    struct token_keys *keys = load();
    char *token = token_mint(keys, claims);

    assert_non_null(token);
    snprintf(all, sizeof(all), "%s%s\r\n", lines, token);
    mem_free(token);
    token_keys_destroy(keys);
    return all;
}

/* Who it is, what it may and until when. */
static void tell(struct request *req, void *arg)
{
    struct span sub = request_subject(req);
    struct span mercure = request_mercure(req);

    (void)arg;
    request_reply(req, 200, "text/plain",
                  arena_printf(request_arena(req), "<%.*s %.*s %lld>",
                               (int)sub.len, sub.ptr,
                               mercure.ptr ? (int)mercure.len : 1,
                               mercure.ptr ? mercure.ptr : "-",
                               (long long)request_expires_at(req)));
}

static const struct route routes[] = {
    {REQUEST_GET, "/hub", NULL, tell, ROUTE_MERCURE},
    {REQUEST_POST, "/hub", NULL, tell, ROUTE_MERCURE},
    {REQUEST_GET, "/scoped", "links:read", tell, 0},
    {REQUEST_GET, "/public", NULL, tell, 0},
    {REQUEST_GET, "/local", NULL, tell, ROUTE_LOCAL},
    {0},
};

static char claim[] = "{\"publish\":[\"*\"]}";
static const struct token_claims hub = {.mercure = claim};
static const struct token_claims ours = {
    .sub = "me", .scope = "links:read", .exp = FAR};
static const struct token_claims both = {
    .sub = "me", .scope = "links:read", .exp = FAR, .mercure = claim};

struct ask {
    const char *target, *headers;
    const struct token_claims *claims; /* of the token that ends headers */
    const char *expected;              /* in the answer */
};

static void ask_all(struct kit *kit, const struct ask *asks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *lines = asks[i].claims
                                ? with(asks[i].headers, asks[i].claims)
                                : asks[i].headers;
        const char *answer = kit_ask(kit, asks[i].target, lines);
        if (!strstr(answer, asks[i].expected))
            fail_msg("%zu: no %s in %s", i, asks[i].expected, answer);
    }
}

static void test_mercure_route_takes_any_good_token(void **state)
{
    static const struct ask cases[] = {
        {"GET /hub", HEADER, &hub, "< {\"publish\":[\"*\"]} 0>"},
        {"GET /hub", HEADER, &ours, "<me - 4000000000>"},
        {"GET /hub", HEADER, &both, "<me {\"publish\":[\"*\"]} 4000000000>"},
        {"POST /hub", HEADER, &hub, "HTTP/1.1 200 "},
        {"GET /hub", HEADER "x", &hub, "HTTP/1.1 401 "},
        {"GET /hub", "", NULL, "WWW-Authenticate: Bearer\r\n"},
        {"GET /hub", "", NULL, "HTTP/1.1 401 "},
        {"GET /hub", COOKIE, &hub, "< {\"publish\":[\"*\"]} 0>"},
        {"GET /hub", COOKIE, &ours, "<me - 4000000000>"},
        {"GET /hub", OTHER, &hub, "HTTP/1.1 401 "},
        {"GET /hub", "Authorization: x\r\n" COOKIE, &hub, "HTTP/1.1 401 "},
    };
    struct kit *kit = *state;

    kit->options.auth = auth_create(load(), false);
    kit_start(kit, routes);
    ask_all(kit, cases, COUNT(cases));
    auth_destroy(kit->options.auth);
}

static void test_mercure_claim_opens_no_other_route(void **state)
{
    static const struct ask cases[] = {
        {"GET /scoped", HEADER, &hub, "HTTP/1.1 403 "},
        {"GET /scoped", OURS, &hub, "HTTP/1.1 403 "},
        {"GET /scoped", HEADER, &both, "<me "},
        {"GET /scoped", OURS, &both, "<me "},
        {"GET /scoped", COOKIE, &both, "HTTP/1.1 401 "},
        {"GET /public", HEADER, &hub, "< {"},
    };
    struct kit *kit = *state;

    kit->options.auth = auth_create(load(), false);
    kit_start(kit, routes);
    ask_all(kit, cases, COUNT(cases));
    auth_destroy(kit->options.auth);
}

static void test_mercure_cookie_is_not_for_other_origins(void **state)
{
    static const char *const origins[] = {"https://ours.example", NULL};
    static const struct ask cases[] = {
        {"POST /hub", COOKIE, &hub, "HTTP/1.1 200 "},
        {"POST /hub", "Origin: http://a.b:80\r\n" COOKIE, &hub,
         "HTTP/1.1 200 "},
        {"POST /hub", "Origin: https://ours.example\r\n" COOKIE, &hub,
         "HTTP/1.1 200 "},
        {"GET /hub", "Origin: https://ours.example\r\n" COOKIE, &hub,
         "Access-Control-Allow-Credentials: true\r\n"},
        {"GET /hub", "Origin: https://theirs.example\r\n" COOKIE, &hub,
         "HTTP/1.1 403 "},
        {"POST /hub", "Origin: https://theirs.example\r\n" COOKIE, &hub,
         "HTTP/1.1 403 "},
        {"POST /hub", "Origin: null\r\n" COOKIE, &hub,
         "/problems/foreign-origin"},
        {"POST /hub", "Origin: https://theirs.example\r\n" HEADER, &hub,
         "HTTP/1.1 200 "},
    };
    struct kit *kit = *state;

    kit->options.cors_origins = origins;
    kit->options.auth = auth_create(load(), false);
    kit_start(kit, routes);
    ask_all(kit, cases, COUNT(cases));
    auth_destroy(kit->options.auth);
}

static void test_mercure_route_of_an_open_service_needs_no_token(void **state)
{
    struct kit *kit = *state;

    kit->options.auth = auth_create(load(), true);
    kit_start(kit, routes);
    assert_non_null(strstr(kit_ask(kit, "GET /hub", ""), "<anonymous - 0>"));
    assert_non_null(strstr(
        kit_ask(kit, "GET /hub", "Cookie: mercureAuthorization=x.y.z\r\n"),
        "HTTP/1.1 401 "));
    assert_non_null(strstr(kit_ask(kit, "GET /hub", with(COOKIE, &hub)),
                           "< {\"publish\":[\"*\"]} 0>"));
    auth_destroy(kit->options.auth);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_mercure_route_takes_any_good_token),
        TEST(test_mercure_claim_opens_no_other_route),
        TEST(test_mercure_cookie_is_not_for_other_origins),
        TEST(test_mercure_route_of_an_open_service_needs_no_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
