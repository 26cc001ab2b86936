"""service_links.py - every route of links, and every error they name."""
import concurrent.futures
import datetime
import json
import re

from kit import (Connection, clicks_become, create, errors, eventually, everywhere, main, redis, render, same, service,
                 stats)


def test_link_has_every_member(service):
    made = create(service, "https://Example.COM:443/a/./b/../c?q#f", title="T", tags=["x", "y", "x"],
                  forward_query=True, redirect=308, ttl=3600)
    same(sorted(made), ["code", "created_at", "expires_at", "forward_query", "redirect", "short_url",
                        "tags", "title", "updated_at", "url"])
    same(made["url"], "https://example.com/a/c?q#f")
    same(made["tags"], ["x", "y"])
    same((made["title"], made["forward_query"], made["redirect"]), ("T", True, 308))
    same(made["short_url"], "http://localhost/" + made["code"])
    same(len(made["code"]), 7)
    created = datetime.datetime.fromisoformat(made["created_at"].replace("Z", "+00:00"))
    expires = datetime.datetime.fromisoformat(made["expires_at"].replace("Z", "+00:00"))
    same(round((expires - created).total_seconds()), 3600)
    same(service.get("/v1/links/" + made["code"]).json, made)


def test_link_defaults(service):
    made = create(service)
    same((made["redirect"], made["title"], made["tags"], made["forward_query"], made["expires_at"]),
         (302, None, [], False, None))


def test_redirect_answers_as_the_link_says(service):
    for status, control in ((301, "private, max-age=90"), (302, "private, no-store"),
                            (307, "private, no-store"), (308, "private, max-age=90")):
        code = create(service, "https://example.com/x", redirect=status)["code"]
        for _ in range(2):  # from Redis, then from memory
            answer = service.get("/" + code)
            same(answer.status, status)
            same(answer.headers["location"], "https://example.com/x")
            same(answer.headers["cache-control"], control)
            same(answer.body, b"")
        same(service.request("HEAD", "/" + code).headers["location"], "https://example.com/x")


def request_raw(service, data):
    connection = Connection(service.port)
    connection.send(data)
    answer = connection.answer()
    connection.close()
    return answer


def test_redirect_forwards_the_query_when_asked(service):
    plain = create(service, "https://example.com/x?a=1#end")["code"]
    forwarding = create(service, "https://example.com/x?a=1#end", forward_query=True)["code"]
    bare = create(service, "https://example.com/x", forward_query=True)["code"]
    same(service.get("/%s?b=2" % plain).headers["location"], "https://example.com/x?a=1#end")
    for _ in range(2):
        same(service.get("/%s?b=2" % forwarding).headers["location"],
             "https://example.com/x?a=1&b=2#end")
        same(service.get("/%s?b=2&c" % bare).headers["location"], "https://example.com/x?b=2&c")
        same(service.get("/%s" % bare).headers["location"], "https://example.com/x")
        answer = request_raw(service, b"GET /%s?\"<>\\^`{|}%%41%%zz HTTP/1.1\r\nHost: a\r\n\r\n" % bare.encode())
        same(answer.headers["location"], "https://example.com/x?%22%3C%3E%5C%5E%60%7B%7C%7D%41%25zz")


def test_query_that_is_malformed_filters_nothing(service):
    code = create(service, tags=["a"])["code"]
    for path in ("/v1/links?tag=%zz", "/v1/links?limit=%zz", "/v1/links?tag=a&x=%", "/v1/links/%s/stats?units=%%1" % code,
                 "/healthz?%zz", "/v1/links/%zz"):
        answer = service.get(path)
        same((answer.status, answer.slug), (400, "bad-request"), path)
    same(service.request("POST", "/v1/links?%zz", {"url": "https://example.com/"}).status, 400)
    same(service.get("/%s?utm=%%zz" % code).status, 302)
    same(service.get("/%s+?utm=%%zz" % code).status, 200)


def test_query_takes_each_parameter_once_and_no_other(service):
    code = create(service, tags=["a"])["code"]
    for path, good, more in (("/v1/links", "tag=b&limit=10", "tag=a"),
                             ("/v1/links/%s/stats" % code, "unit=day&units=2", "unit=hour")):
        name = more.partition("=")[0]
        for query, pointers in (
                (good + "&" + more, ["/" + name]), (more + "&" + more, ["/" + name]), ("x=1", ["/x"]),
                ("%s=a" % name.upper(), ["/" + name.upper()]), (good + "&a/b~c&y", ["/a~1b~0c", "/y"])):
            answer = service.get(path + "?" + query)
            same((answer.status, answer.slug), (422, "invalid"), (path, query))
            same([error["pointer"] for error in answer.json["errors"]], pointers, (path, query))
        for query in ("", "&", good, "&" + good + "&"):
            same(service.get(path + "?" + query).status, 200, (path, query))
    answer = service.get("/v1/links/%s/stats?x&unit=week" % code)
    same([error["pointer"] for error in answer.json["errors"]], ["/x", "/unit"])


def test_redirect_of_an_unknown_code_is_404(service):
    for code in ("unknown", "a.b", "x" * 65, "ab"):
        answer = service.get("/" + code)
        same((answer.status, answer.slug), (404, "no-such-link"))
    page = service.get("/unknown", {"Accept": "text/html"})
    same(page.status, 404)
    assert "text/html" in page.headers["content-type"] and "<h1>" in page.text, page


def test_alias_is_the_callers_choice(service):
    made = create(service, code="my-Alias_1")
    same(made["code"], "my-Alias_1")
    same(service.get("/my-Alias_1").status, 302)
    answer = service.request("POST", "/v1/links", {"url": "http://a.b/", "code": "my-Alias_1"})
    same((answer.status, answer.slug), (409, "alias-taken"))


def test_alias_race_has_one_winner(service):
    body = {"url": "https://example.com/", "code": "wanted"}
    connections = [Connection(service.port) for _ in range(200)]
    for connection in connections:
        connection.send(render("POST", "/v1/links", body))
    statuses = [connection.answer().status for connection in connections]
    for connection in connections:
        connection.close()
    same((statuses.count(201), statuses.count(409)), (1, 199))


def test_create_refuses_what_breaks_a_rule(service):
    good = {"url": "https://example.com/"}
    cases = [
        ({}, {"/url": "is missing"}),
        ({"url": 1}, {"/url": "must be a string"}),
        ({"url": "https://example.com/" + "a" * 8192}, {"/url": "8192"}),
        ({"url": "example.com"}, {"/url": "absolute"}),
        ({"url": "ftp://example.com/"}, {"/url": "http"}),
        ({"url": "https://"}, {"/url": "no host"}),
        ({"url": "https://u:p@example.com/"}, {"/url": "user or password"}),
        ({"url": "https://exa mple.com/"}, {"/url": "space"}),
        ({"url": "https://example.com:99999/"}, {"/url": "port"}),
        ({"url": "https://example.com/%zz"}, {"/url": "%"}),
        ({"url": "http://localhost/x"}, {"/url": "loop"}),
        (good | {"code": "ab"}, {"/code": "3 to 64"}),
        (good | {"code": "a b c"}, {"/code": "3 to 64"}),
        (good | {"code": "healthz"}, {"/code": "reserved"}),
        (good | {"ttl": 0}, {"/ttl": "1 to"}),
        (good | {"ttl": 5, "expires_at": "2040-01-01T00:00:00Z"}, {"/ttl": "not both"}),
        (good | {"expires_at": "tomorrow"}, {"/expires_at": "RFC 3339"}),
        (good | {"expires_at": "2001-01-01T00:00:00Z"}, {"/expires_at": "passed"}),
        (good | {"redirect": 303}, {"/redirect": "301"}),
        (good | {"title": "x" * 257}, {"/title": "256"}),
        (good | {"tags": ["x"] * 17}, {"/tags": "16"}),
        (good | {"tags": ["x", 1]}, {"/tags/1": "string"}),
        (good | {"tags": [""]}, {"/tags/0": "1 to 64"}),
        (good | {"reuse": True, "code": "abc"}, {"/reuse": "without"}),
        (good | {"max_clicks": 5}, {"/max_clicks": "unknown"}),
        ({"url": "http://x.com", "bogus": 1, "ttl": -1, "redirect": 303, "tags": "x", "title": 5, "code": "a b"},
         {"/bogus": "unknown", "/ttl": "1 to", "/redirect": "301", "/tags": "strings", "/title": "string",
          "/code": "3 to 64"}),
        ({"url": "x", "code": 1, "reuse": True, "expires_at": "x"},
         {"/url": "absolute", "/code": "string", "/expires_at": "RFC 3339"}),
        ({"code": "ab"}, {"/url": "is missing", "/code": "3 to 64"}),
        ({"url": 1, "ttl": "x", "y/z": 0}, {"/url": "string", "/ttl": "integer", "/y~1z": "unknown"}),
    ]
    for body, expected in cases:
        found = errors(service.request("POST", "/v1/links", body))
        same(sorted(found), sorted(expected), body)
        for pointer, words in expected.items():
            assert words in found[pointer], (body, found)


def test_update_refuses_each_member_that_breaks_a_rule(service):
    code = create(service)["code"]
    found = errors(service.request("PATCH", "/v1/links/" + code,
                                   {"url": "ftp://a.b/", "ttl": "x", "redirect": 305, "code": "abc"}))
    same(sorted(found), ["/code", "/redirect", "/ttl", "/url"])
    same(service.get("/v1/links/" + code).json["redirect"], 302)


def test_create_refuses_what_is_no_json(service):
    for body, status, slug in ((b"{", 400, "bad-json"), (b'{"url":1,"url":2}', 400, "bad-json"),
                               (b"\xff", 400, "bad-json"), (b"[" * 100, 400, "bad-json"),
                               (b"", 400, "bad-json"), (b"[]", 422, "invalid")):
        answer = service.request("POST", "/v1/links", body, {"Content-Type": "application/json"})
        same((answer.status, answer.slug), (status, slug), body)
    answer = service.request("POST", "/v1/links", b"url=x", {"Content-Type": "text/plain"})
    same((answer.status, answer.slug), (415, "not-json"))


def test_idempotency_key_makes_one_link(service):
    body, key = {"url": "https://example.com/i"}, {"Idempotency-Key": "k-1"}
    first = service.request("POST", "/v1/links", body, key)
    again = service.request("POST", "/v1/links", body, key)
    same((first.status, again.status), (201, 201))
    same(first.json, again.json)
    same((first.headers.get("idempotent-replayed"), again.headers.get("idempotent-replayed")),
         (None, "true"))
    other = service.request("POST", "/v1/links", {"url": "https://example.com/j"}, key)
    same((other.status, other.slug), (422, "idempotency-mismatch"))
    same(len(service.get("/v1/links").json["items"]), 1)
    answer = service.request("POST", "/v1/links", body, {"Idempotency-Key": "k" * 256})
    same((answer.status, answer.slug), (422, "bad-idempotency-key"))


def test_idempotency_key_at_the_same_time_makes_one_link(service):
    body, key = {"url": "https://example.com/i"}, {"Idempotency-Key": "k-2"}
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: service.request("POST", "/v1/links", body, key), range(16)))
    codes = {a.json["code"] for a in answers if a.status == 201}
    same(len(codes), 1)
    assert {a.status for a in answers} <= {201, 409}, answers
    same(len(service.get("/v1/links").json["items"]), 1)


def test_idempotency_key_replays_a_refusal_too(service):
    create(service, code="taken")
    key, body = {"Idempotency-Key": "k-3"}, {"url": "http://a.b/", "code": "taken"}
    first = service.request("POST", "/v1/links", body, key)
    same((first.status, first.slug), (409, "alias-taken"))
    same(service.request("DELETE", "/v1/links/taken").status, 204)
    again = service.request("POST", "/v1/links", body, key)
    same((again.status, again.body, again.headers["idempotent-replayed"]), (409, first.body, "true"))
    same(again.slug, "alias-taken")
    body["code"] = "free"
    same(service.request("POST", "/v1/links", body, key).slug, "idempotency-mismatch")


def test_create_that_redis_refused_half_way_is_listed_by_a_retry(service, redis):
    create(service, code="first")
    index = redis.cli("KEYS", "sh:own:*")[0]
    redis.cli("RENAME", index, "kept")
    redis.cli("SET", index, "no sorted set")
    keyed = service.request("POST", "/v1/links", {"url": "http://a.b/"}, {"Idempotency-Key": "k-5"})
    same((keyed.status, keyed.headers["retry-after"]), (503, "10"))  # its lease
    plain = service.request("POST", "/v1/links", {"url": "http://a.b/", "code": "half"})
    same((plain.status, plain.headers["retry-after"]), (503, "1"))
    redis.cli("RENAME", "kept", index)
    same(service.request("POST", "/v1/links", {"url": "http://a.b/", "code": "half"}).slug, "alias-taken")
    same([item["code"] for item in service.get("/v1/links").json["items"]], ["half", "first"])


def test_idempotency_key_continues_a_try_that_died(service, redis):
    """A record left pending, its lease over: the retry keeps its code."""
    body, key = {"url": "https://example.com/dead"}, {"Idempotency-Key": "k-4"}
    same(service.request("POST", "/v1/links", body, key).status, 201)
    record = redis.cli("KEYS", "sh:idem:*:k-4")[0]
    code = redis.hash(record)["operation"].split(":")[1]
    redis.cli("HDEL", record, "status", "body")
    same(service.request("POST", "/v1/links", body, key).slug, "idempotency-busy")
    redis.cli("HSET", record, "until", "0")
    again = service.request("POST", "/v1/links", body, key)
    same((again.status, again.json["code"]), (201, code))
    same(len(service.get("/v1/links").json["items"]), 1)


def test_reuse_finds_the_callers_own_link(service):
    plain = create(service, "https://example.com/r")
    answer = service.request("POST", "/v1/links", {"url": "https://EXAMPLE.com:443/r", "reuse": True})
    same((answer.status, answer.json["code"]), (200, plain["code"]))
    create(service, "https://example.com/alias", code="alias")
    made = service.request("POST", "/v1/links", {"url": "https://example.com/alias", "reuse": True})
    same(made.status, 201)
    again = service.request("POST", "/v1/links", {"url": "https://example.com/alias", "reuse": True})
    same((again.status, again.json["code"]), (200, made.json["code"]))
    same(service.request("DELETE", "/v1/links/" + plain["code"]).status, 204)
    answer = service.request("POST", "/v1/links", {"url": "https://example.com/r", "reuse": True})
    same(answer.status, 201)


def test_reuse_at_the_same_time_makes_one_link(service):
    body = {"url": "https://example.com/many", "reuse": True}
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: service.request("POST", "/v1/links", body), range(32)))
    same({a.json["code"] for a in answers}, {answers[0].json["code"]})


def test_patch_changes_what_is_said(service):
    code = create(service, "https://example.com/1", title="T", tags=["a"], ttl=3600)["code"]
    same(service.get("/" + code).headers["location"], "https://example.com/1")
    answer = service.request("PATCH", "/v1/links/" + code, {"url": "https://example.com/2"})
    same((answer.status, answer.json["url"], answer.json["title"]), (200, "https://example.com/2", "T"))
    eventually(lambda: service.get("/" + code).headers["location"] == "https://example.com/2",
               "the edit in the redirect")
    answer = service.request("PATCH", "/v1/links/" + code,
                             {"title": None, "tags": None, "expires_at": None, "redirect": 301,
                              "forward_query": True})
    same((answer.json["title"], answer.json["tags"], answer.json["expires_at"]), (None, [], None))
    same((answer.json["redirect"], answer.json["forward_query"]), (301, True))
    same(service.get("/v1/links/" + code).json, answer.json)
    eventually(lambda: service.get("/" + code).status == 301, "the new status")


def test_patch_refuses_what_breaks_a_rule(service):
    code = create(service)["code"]
    cases = [({"url": None}, "/url"), ({"code": "other"}, "/code"), ({"redirect": 200}, "/redirect"),
             ({"ttl": -1}, "/ttl"), ({"reuse": True}, "/reuse"), ({"url": "x"}, "/url")]
    for body, pointer in cases:
        same(list(errors(service.request("PATCH", "/v1/links/" + code, body))), [pointer], body)
    same(service.request("PATCH", "/v1/links/unknown", {"title": "x"}).slug, "no-such-link")


def test_delete_leaves_a_tombstone(service):
    code = create(service, code="gone-soon")["code"]
    same(service.get("/" + code).status, 302)
    answer = service.request("DELETE", "/v1/links/" + code)
    same((answer.status, answer.body), (204, b""))
    same(everywhere(service, "/" + code, 410).slug, "link-deleted")
    same(service.get("/v1/links/" + code).slug, "no-such-link")
    same(service.request("DELETE", "/v1/links/" + code).slug, "no-such-link")
    same(service.request("PATCH", "/v1/links/" + code, {"title": "x"}).slug, "no-such-link")
    answer = service.request("POST", "/v1/links", {"url": "http://a.b/", "code": code})
    same(answer.slug, "alias-taken")
    same(service.get("/v1/links").json["items"], [])


def test_expired_link_is_gone_but_may_come_back(service, redis):
    code = create(service, ttl=1)["code"]
    same(service.get("/" + code).status, 302)
    same(everywhere(service, "/" + code, 410).slug, "link-expired")
    same(service.get("/%s+" % code).slug, "link-expired")
    key = redis.cli("KEYS", "sh:link:*:" + code)[0]
    assert 29 * 86400 < redis.cli("TTL", key) <= 30 * 86400 + 1
    same(service.get("/v1/links/" + code).status, 200)
    same(service.request("PATCH", "/v1/links/" + code, {"expires_at": None}).status, 200)
    everywhere(service, "/" + code, 302)
    same(redis.cli("TTL", key), -1)


def test_list_is_newest_first_and_paged(service):
    codes = [create(service, "https://example.com/%d" % i, tags=["even"] if i % 2 == 0 else [])["code"]
             for i in range(25)]
    seen, cursor = [], ""
    while True:
        page = service.get("/v1/links?limit=10" + cursor).json
        seen += [item["code"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = "&cursor=" + page["next"]
    same(seen, codes[::-1])
    tagged = service.get("/v1/links?tag=even").json
    same([item["code"] for item in tagged["items"]], codes[::-2])
    same(service.get("/v1/links?tag=none").json, {"items": [], "next": None})
    for query in ("limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=1.a/b"):
        same(service.get("/v1/links?" + query).status, 422, query)


def test_list_leaves_out_and_mends_what_has_no_link(service, redis):
    kept, lost = create(service)["code"], create(service)["code"]
    redis.cli("DEL", redis.cli("KEYS", "sh:link:*:" + lost)[0])
    same([item["code"] for item in service.get("/v1/links").json["items"]], [kept])
    index = redis.cli("KEYS", "sh:own:*")[0]
    eventually(lambda: redis.cli("ZCARD", index) == 1, "the index to be mended")


def test_tags_of_a_change_are_indexed(service):
    code = create(service, tags=["old", "both"])["code"]
    service.request("PATCH", "/v1/links/" + code, {"tags": ["both", "new"]})
    for tag, count in (("old", 0), ("both", 1), ("new", 1)):
        same(len(service.get("/v1/links?tag=" + tag).json["items"]), count, tag)


def test_tags_of_changes_at_the_same_time_are_those_of_the_link(service):
    tags = ["t%d" % i for i in range(4)]
    codes = [create(service)["code"] for _ in range(20)]

    def change(n):
        answer = service.request("PATCH", "/v1/links/" + codes[n % 20], {"tags": [tags[n // 20 % 4]]})
        same(answer.status, 200)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(change, sorted(range(240), key=lambda n: n % 20)))
    carried = {code: service.get("/v1/links/" + code).json["tags"] for code in codes}
    for tag in tags:
        listed = [item["code"] for item in service.get("/v1/links?tag=" + tag).json["items"]]
        same(sorted(listed), sorted(code for code in codes if carried[code] == [tag]), tag)


def test_tag_is_all_its_bytes(service):
    create(service, tags=["a"])
    same(service.get("/v1/links?tag=a%00b").json["items"], [])


def test_target_is_none_of_our_own_addresses(service):
    for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:0.0.0.0]", "0.0.0.0", "[::]"):
        answer = service.request("POST", "/v1/links", {"url": "http://%s:%d/loop" % (host, service.port)})
        assert "own" in errors(answer)["/url"] or "itself" in errors(answer)["/url"], answer
        same(service.request("POST", "/v1/links", {"url": "http://%s:1/" % host}).status, 201, host)


def test_permanent_redirect_is_not_kept_past_the_links_end(service):
    for ttl, kept in ((60, "private, no-store"), (3600, "private, max-age=90")):
        code = create(service, redirect=301, ttl=ttl)["code"]
        for _ in range(3):
            same(service.get("/" + code).headers["cache-control"], kept)


def test_clicks_end_with_their_link(service, redis):
    code = create(service, ttl=3600)["code"]
    same(service.get("/" + code).status, 302)
    clicks_become(service, code, 1)
    link, clicks = (redis.cli("KEYS", "sh:%s:*:%s" % (kind, code))[0] for kind in ("link", "clk"))
    for change in ({}, {"ttl": 7200}, {"expires_at": None}, {"ttl": 60}):
        same(service.request("PATCH", "/v1/links/" + code, change).status, 200)
        same(redis.cli("PEXPIRETIME", clicks), redis.cli("PEXPIRETIME", link), change)
    assert redis.cli("PEXPIRETIME", link) > 0


def test_stats_leave_out_what_the_codes_last_link_had(service, redis):
    code = create(service, code="again")["code"]
    same(service.get("/" + code).status, 302)
    clicks_become(service, code, 1)
    day = int(redis.cli("KEYS", "sh:clh:*:again:*")[0].rsplit(":", 1)[1])
    hours = redis.cli("KEYS", "sh:clh:*:again:*")[0].rsplit(":", 1)[0]
    redis.cli("HSET", "%s:%d" % (hours, day - 1), "5", "7")
    seen = stats(service, code, "?unit=hour&units=72")
    same((len(seen["series"]), sum(bucket["clicks"] for bucket in seen["series"])), (72, 1))


def test_page_of_long_links_has_fewer_of_them(service):
    long = "https://example.com/" + "x" * 8000
    made = [create(service, long + str(n))["code"] for n in range(200)]
    seen, cursor, pages = [], "", 0
    while cursor is not None:
        page = service.get("/v1/links?limit=1000" + ("&cursor=" + cursor if cursor else ""))
        assert len(page.body) < 2 << 20
        seen += [item["code"] for item in page.json["items"]]
        cursor, pages = page.json["next"], pages + 1
    same((seen, pages > 1), (made[::-1], True))


def test_reuse_finds_any_link_of_the_callers_that_will_do(service):
    url = "https://example.com/several"
    codes = [create(service, url)["code"] for _ in range(4)]
    create(service, url, ttl=60)
    create(service, url, code="chosen")

    def reused():
        answer = service.request("POST", "/v1/links", {"url": url, "reuse": True})
        return answer.status, answer.json["code"]
    same(reused(), (200, codes[0]))
    same(service.request("DELETE", "/v1/links/" + codes[0]).status, 204)
    same(reused(), (200, codes[1]))
    same(service.request("PATCH", "/v1/links/" + codes[1], {"url": "https://example.com/other"}).status, 200)
    same(reused(), (200, codes[2]))
    same(service.request("PATCH", "/v1/links/" + codes[2], {"ttl": 60}).status, 200)
    same(reused(), (200, codes[3]))
    same(service.request("PATCH", "/v1/links/" + codes[2], {"expires_at": None}).status, 200)
    same(service.request("DELETE", "/v1/links/" + codes[3]).status, 204)
    same(reused(), (200, codes[2]))
    same(service.request("DELETE", "/v1/links/" + codes[2]).status, 204)
    same(reused()[0], 201)


def test_body_that_is_json_but_of_no_use_is_422(service):
    for body in (b'"x"', b"3", b"null", b"true", b"[1]", b'{"url": "http://a.b/", "ttl": 1' + b"0" * 30 + b"}",
                 b'{"url": "http://a.b/\\u0000"}'):
        answer = service.request("POST", "/v1/links", body, {"Content-Type": "application/json"})
        same((answer.status, answer.slug), (422, "invalid"), body)
    for body in (b"", b"{", b"nul", b"\xff", b'{"url": 1, "url": 2}'):
        answer = service.request("POST", "/v1/links", body, {"Content-Type": "application/json"})
        same((answer.status, answer.slug), (400, "bad-json"), body)
    connection = Connection(service.port)
    connection.send("POST /v1/links HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\r\n")
    answer = connection.answer()
    same((answer.status, answer.slug), (411, "length-required"))
    connection.close()


def test_preview_says_where_it_leads(service):
    code = create(service, "https://example.com/?q=%3Cscript%3E&a='b'", title="<b>&")["code"]
    answer = service.get("/%s+" % code)
    same(answer.status, 200)
    assert "https://example.com/?q=%3Cscript%3E&amp;a=&#39;b&#39;" in answer.text, answer.text
    assert "&lt;b&gt;&amp;" in answer.text and "<b>" not in answer.text
    assert "script" not in answer.headers["content-security-policy"]
    same(service.get("/unknown+").status, 404)


def test_unknown_code_is_seen_once_it_is_made(service):
    same(service.get("/later").status, 404)  # now cached as unknown
    create(service, code="later")
    eventually(lambda: service.get("/later").status == 302, "the alias")


def test_methods_that_are_not_there_are_405(service):
    for method, path, allowed in (("DELETE", "/v1/links", "GET, HEAD, POST, OPTIONS"),
                                  ("POST", "/abc", "GET, HEAD, OPTIONS"),
                                  ("PUT", "/v1/links/abc", "GET, HEAD, PATCH, DELETE, OPTIONS")):
        answer = service.request(method, path)
        same((answer.status, answer.slug), (405, "method-not-allowed"))
        same(sorted(answer.headers["allow"].split(", ")), sorted(allowed.split(", ")))
        same(service.request("OPTIONS", path).status, 204)
    same(service.get("/v1/nothing").slug, "not-found")
    same(service.get("/v1/links/x/y/z").slug, "not-found")


def test_every_answer_is_json_that_says_what_went_wrong(service):
    answer = service.get("/v1/links/unknown", {"X-Request-Id": "my-id.1"})
    same(sorted(answer.json), ["detail", "instance", "status", "title", "type"])
    same((answer.json["instance"], answer.headers["x-request-id"]), ("my-id.1", "my-id.1"))
    made = service.get("/v1/links/unknown", {"X-Request-Id": "bad id"}).headers["x-request-id"]
    assert made != "bad id" and len(made) >= 16
    json.dumps(answer.json)


def test_trace_is_carried_on_or_begun(service):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    seen = [service.get("/v1/links/unknown", {"traceparent": trace}).headers["traceparent"] for _ in range(2)]
    for parts in (one.split("-") for one in seen):
        same((parts[0], parts[1], parts[3]), ("00", trace.split("-")[1], "00"))
        assert parts[2] != trace.split("-")[2]
    assert seen[0] != seen[1]
    begun = [service.get("/healthz", {"traceparent": given}).headers["traceparent"]
             for given in ("", "00-x", "00-" + "0" * 32 + "-b7ad6b7169203331-01", trace.upper().replace("00-", "01-"))]
    same(len({one.split("-")[1] for one in begun}), 4)
    for one in begun:
        assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", one), one


main(__name__)
