"""service_headers.py - what headers say; GET /v1/authorize, which says no more than they do."""
import json
import urllib.parse

from kit import (EVER, ask, check, define, errors, fields_of, main, peek, redis, render, same, service, start)


# ---- headers

def test_headers_are_structured_fields(service):
    define(service, "a", rate=10, per="1h", burst=20)
    define(service, "b", algorithm="fixed_window", rate=5, per="1d")
    define(service, "s", rate=5, per="1d", shadow=True)
    define(service, "ms", rate=5, per="250ms")
    answer = check(service, ask("a", cost=3), ask("b"), ask("s"), ask("ms", cost=0))
    results = {one["limit"]: one for one in answer.json["results"]}
    same(fields_of(answer.headers["ratelimit-policy"]),
         [("a", {"q": 20, "w": 7200}), ("b", {"q": 5, "w": 86400}), ("ms", {"q": 5})])
    now = fields_of(answer.headers["ratelimit"])
    same([(name, values["r"]) for name, values in now], [("a", 17), ("b", 4), ("ms", 5)])
    for name, values in now:
        same((set(values), values["t"]), ({"r", "t"}, -(-results[name]["reset_after_ms"] // 1000)), name)
    same("retry-after" in answer.headers, False)
    same([name for name, _ in answer.pairs if name.lower().startswith("x-ratelimit")], [])
    same("ratelimit" in check(service, ask("s")).headers, False)
    answer = service.get("/v1/authorize?limit=a&key=k")
    same((answer.status, fields_of(answer.headers["ratelimit"])[0][1]["r"]), (204, 16))


def test_denial_says_in_whole_seconds_when_to_come_back(service):
    define(service, "a", rate=1, per="1m", burst=2)
    define(service, "b", rate=1, per="1d")
    for asks in ([ask("a", cost=2)], [ask("b", "b")]):
        same(check(service, *asks).status, 200)
    for asks in ([ask("a")], [ask("a", cost=2)], [ask("a"), ask("b", "b")], [ask("b", "b"), ask("a", "new")]):
        answer = check(service, *asks)
        same(answer.status, 429)
        most = max(one["retry_after_ms"] for one in answer.json["results"])
        same(answer.headers["retry-after"], str(-(-most // 1000)), asks)


def test_old_headers_come_when_asked_for(service):
    define(service, "a", rate=10)
    define(service, "b", algorithm="sliding_window", rate=5)
    answer = check(service, ask("a"), ask("b", cost=2), query="?headers=x")
    tight = answer.json["results"][1]
    same([answer.headers["x-ratelimit-" + name] for name in ("limit", "remaining", "reset")],
         ["5", "3", str(-(-tight["reset_after_ms"] // 1000))])
    assert "ratelimit" in answer.headers
    answer = service.get("/v1/authorize?limit=a&key=k&headers=x")
    same((answer.status, answer.headers["x-ratelimit-remaining"]), (204, "8"))


def test_headers_of_the_draft_can_be_turned_off(redis):
    server = start(redis, "--no-headers")
    define(server, "a")
    answer = check(server, ask("a"), query="?headers=x")
    same([name in answer.headers for name in ("ratelimit", "ratelimit-policy", "x-ratelimit-limit")],
         [False, False, True])
    server.close()


def test_always_200_is_the_same_answer(service):
    define(service, "a", rate=1)
    answers = [check(service, ask("a"), query="?always=200") for _ in range(3)]
    same([(a.status, a.json["allowed"]) for a in answers], [(200, True), (200, False), (200, False)])
    assert "retry-after" in answers[1].headers and "ratelimit" in answers[1].headers
    same(check(service, ask("a"), query="?always=1").status, 429)


# ---- GET /v1/authorize

def test_authorize_says_by_status_alone(service):
    define(service, "a", rate=3, max_cost=2)
    for query, headers, status in (
            ("limit=a&key=k", {}, 204), ("limit=a&key=k&cost=2", {}, 204), ("limit=a&key=k", {}, 403),
            ("limit=a&key=k&deny=429", {}, 429), ("limit=a&key=k&deny=403", {}, 403), ("limit=a&key=k&cost=0", {}, 204),
            ("limit=a&key_header=X-Api-Key", {"X-Api-Key": "k"}, 403),
            ("limit=a&key_header=x-api-key", {"X-API-KEY": "m"}, 204), ("limit=a&key=%C3%BC%20", {}, 204),
            ("limit=none&key=k", {}, 404), ("limit=a", {}, 422), ("key=k", {}, 422), ("limit=a&key=", {}, 422),
            ("limit=a&key=" + "x" * 513, {}, 422), ("limit=a&key_header=X-None", {}, 422),
            ("limit=a&key=k&cost=3", {}, 422), ("limit=a&key=k&cost=x", {}, 422), ("limit=a&key=k&cost=-1", {}, 422),
            ("limit=a&key=k&deny=500", {}, 422)):
        answer = service.get("/v1/authorize?" + query, headers)
        same(answer.status, status, query)
        same("ratelimit" in answer.headers, status in (204, 403, 429), query)
        same("retry-after" in answer.headers, status in (403, 429), query)
    same((peek(service, "a", "m"), peek(service, "a", "\u00fc ")), (2, 2))
    for query, pointer in (("cost=3", "/cost"), ("cost=x", "/cost"), ("deny=500", "/deny")):
        same(list(errors(service.get("/v1/authorize?limit=a&key=k&" + query))), [pointer])


def test_authorize_takes_each_parameter_once_and_no_other(service):
    """A typo there is a limit that does not count: nobody reads what a proxy is answered."""
    define(service, "a", rate=10)
    define(service, "b")
    for query, pointers in (
            ("limit=b", ["/limit"]), ("limit=a", ["/limit"]), ("l%69mit=b", ["/limit"]), ("key=k", ["/key"]),
            ("key", ["/key"]), ("cost=2&cost=3", ["/cost"]), ("deny=429&deny=429", ["/deny"]),
            ("headers=x&headers=x", ["/headers"]), ("costs=5", ["/costs"]), ("Cost=5", ["/Cost"]), ("=5", ["/"]),
            ("cost%20=5&limits=b", ["/cost ", "/limits"]), ("always=200", ["/always"]),
            ("&".join("x%d=1" % n for n in range(20)), ["/x%d" % n for n in range(8)]),
            ("x" * 500, ["/" + "x" * 100]), ("a/b~c", ["/a~1b~0c"]), ("%00", ["/"]), ("%FF", ["/\ufffd"])):
        same(list(errors(service.get("/v1/authorize?limit=a&key=k&" + query))), pointers, query)
    same((peek(service, "a"), peek(service, "b")), (10, 5))
    for query in ("&cost=1&deny=429&headers=x", "&&cost=1&", "&headers="):
        same(service.get("/v1/authorize?limit=a&key=k" + query).status, 204, query)


def test_key_is_the_same_or_refused_at_every_door(service):
    """By body, query and header: what one takes the others charge as the same key, byte by byte."""
    define(service, "a", rate=3, per=EVER)

    def by_query(key):
        return service.get("/v1/authorize?limit=a&key=" + urllib.parse.quote_from_bytes(key)).status

    def by_header(key):
        with service.connections(1) as (connection,):
            connection.send(render("GET", "/v1/authorize?limit=a&key_header=X-Key", None, {"X-Key": "KEY"})
                            .replace(b"KEY", key))
            return connection.answer().status

    def by_body(key):
        body = b'{"checks": [{"limit": "a", "key": %s}]}' % json.dumps(key.decode(), ensure_ascii=False).encode()
        return service.request("POST", "/v1/check", body, {"Content-Type": "application/json"}).status

    good = [b"k", b"K", b"%00", b"k%", b"\xc3\xbc", b"u\xcc\x88", b"\xef\xbf\xbd", b"\xf0\x9f\x98\x80", b"a b", b"a\tb",
            b'"\\', b"x" * 511, b"x" * 512, b"\xc3\xbc" * 256]
    for key in good:
        same((by_query(key), by_header(key), by_body(key), by_query(key)), (204, 204, 200, 403), key)
    for key in (b"k\r\n", b"k\n", b"\x01", b"k\x7f\x01", b" k", b"k "):  # no header has these at an end, or at all
        same((by_query(key), by_query(key), by_body(key), by_query(key)), (204, 204, 200, 403), key)
    for key in (b"", b"x" * 513, b"\xc3\xbc" * 256 + b"x"):
        same((by_query(key), by_header(key), by_body(key)), (422, 422, 422), key)
    for key in (b"k\0", b"\0", b"k\0a", b"\0" * 512):
        same((by_query(key), by_body(key)), (422, 422), key)
        assert by_header(key) in (400, 422), key
    for key in (b"\xff", b"k\xff", b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"x" * 511 + b"\xc3"):
        same((by_query(key), by_header(key)), (422, 422), key)
        body = b'{"checks": [{"limit": "a", "key": "%s"}]}' % key
        same(service.request("POST", "/v1/check", body, {"Content-Type": "application/json"}).status, 400, key)
    same(list(errors(service.get("/v1/authorize?limit=a&key=%FF"))), ["/key"])
    for name in ("X-Key%00", "X-Key%00y", "", "%00", "x" * 64):
        answer = service.get("/v1/authorize?limit=a&key_header=" + name, {"X-Key": "new"})
        same(list(errors(answer))[0], "/key_header", name)


main(__name__)
