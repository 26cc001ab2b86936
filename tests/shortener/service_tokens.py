"""service_tokens.py - who may do what, and what is whose."""
import json
import time

from kit import WORKERS, Service, directory, eventually, main, redis, same, tokens, write_file

KEYS = tokens.make_keys()


def bearer(sub, scope="links:read links:write", **claims):
    token = tokens.mint(KEYS, {"sub": sub, "scope": scope, "exp": int(time.time()) + 600} | claims)
    return {"Authorization": "Bearer " + token}


def closed(redis, directory):
    """A service that takes tokens alone."""
    path = write_file(directory, "keys", json.dumps(KEYS))
    server = Service("shortener", "--workers", WORKERS, "--token-keys", path, redis=redis)
    yield server
    server.close()


def make(server, who, **fields):
    answer = server.request("POST", "/v1/links", {"url": "https://example.com/"} | fields, who)
    same(answer.status, 201, answer)
    return answer.json["code"]


def codes(server, who, query=""):
    return [item["code"] for item in server.get("/v1/links" + query, who).json["items"]]


CALLS = (("POST", "/v1/links", {"url": "http://a.b/"}), ("GET", "/v1/links", None),
         ("GET", "/v1/links/mine", None), ("PATCH", "/v1/links/mine", {"title": "x"}),
         ("GET", "/v1/links/mine/stats", None), ("DELETE", "/v1/links/mine", None))


def test_without_a_good_token_everything_is_401(closed):
    late = bearer("ann", exp=int(time.time()) - 1)
    forged = {"Authorization": bearer("ann")["Authorization"][:-4] + "AAAA"}
    make(closed, bearer("ann"), code="mine")
    for who in ({}, late, forged, {"Authorization": "Bearer x"}, {"Authorization": "Basic YTpi"}):
        for method, path, body in CALLS:
            answer = closed.request(method, path, body, who)
            same((answer.status, "www-authenticate" in answer.headers), (401, True), (method, path, who))
    same(closed.get("/mine").status, 302)
    same(closed.get("/mine+").status, 200)


def statuses(server, who, count, method="POST", path="/v1/links", body=None):
    return [server.request(method, path, body or {"url": "https://example.com/"}, who).status for _ in range(count)]


def test_a_caller_writes_as_fast_as_it_may(redis, directory):
    """1 a second, 2 at once: over all workers, and nobody else's."""
    path = write_file(directory, "keys", json.dumps(KEYS))
    server = Service("shortener", "--workers", WORKERS, "--token-keys", path, "--write-rate", "1", redis=redis)
    begun = time.monotonic()
    answers = [server.request("POST", "/v1/links", {"url": "https://example.com/"}, bearer("ann")) for _ in range(20)]
    made = [a.status for a in answers].count(201)
    most = 2 + time.monotonic() - begun
    assert 2 <= made <= most, (made, most)
    for refused in (a for a in answers if a.status != 201):
        same((refused.status, refused.slug, refused.headers["retry-after"]), (429, "rate-limited", "1"))
    same(len(codes(server, bearer("ann"))), made)
    same(statuses(server, bearer("bob"), 2), [201, 201])
    same(server.get("/v1/links", bearer("ann")).status, 200)
    eventually(lambda: statuses(server, bearer("ann"), 1) == [201], "a token")
    server.close()


def test_a_stranger_is_limited_by_address(redis):
    server = Service("shortener", "--open", "--workers", WORKERS, "--write-rate", "1", "--trusted-proxy", "127.0.0.1",
                     redis=redis)
    assert 429 in statuses(server, {"X-Forwarded-For": "192.0.2.1"}, 20)
    same(statuses(server, {"X-Forwarded-For": "192.0.2.2"}, 2), [201, 201])
    server.close()


def test_cookie_is_of_no_use_to_a_foreign_page(redis, directory):
    path = write_file(directory, "keys", json.dumps(KEYS))
    server = Service("shortener", "--workers", WORKERS, "--token-keys", path, "--trusted-proxy", "127.0.0.1", redis=redis)
    far = {"Cookie": "token=" + bearer("eve", "admin")["Authorization"][7:], "X-Forwarded-For": "8.8.8.8"}
    for where in ("/metrics", "/debug/loop", "/v1/links"):
        same(server.get(where, {"X-Forwarded-For": "8.8.8.8"}).status in (401, 403), True, where)
        same(server.get(where, far).status, 200, where)
        same(server.get(where, far | {"Origin": "http://localhost"}).status, 200, where)
        answer = server.get(where, far | {"Origin": "https://evil.example"})
        same((answer.status, answer.slug), (403, "foreign-origin"), where)
    server.close()


def test_debug_is_for_who_is_surely_here(redis, directory):
    path = write_file(directory, "keys", json.dumps(KEYS))
    server = Service("shortener", "--workers", WORKERS, "--token-keys", path, "--trusted-proxy", "127.0.0.1,10.0.0.0/8",
                     redis=redis)
    for hops, status in ((None, 200), ("127.0.0.1", 200), ("8.8.8.8", 403), ("8.8.8.8:1234", 403), ("unknown", 403),
                         ("[2001:db8::1]", 403), ("8.8.8.8, 9.9.9.9:55", 403), ("10.0.0.3", 403),
                         ("127.0.0.1, 10.0.0.3", 403), ("", 403)):
        answer = server.get("/debug/memory", {"X-Forwarded-For": hops} if hops is not None else {})
        same(answer.status, status, hops)
    server.close()


def test_scope_decides_what_a_token_may(closed):
    make(closed, bearer("ann"), code="mine")
    for method, path, body in CALLS:
        wanted = "read" if method == "GET" else "write"
        other = "write" if wanted == "read" else "read"
        same(closed.request(method, path, body, bearer("ann", "links:" + other)).status, 403, (method, path))
        assert closed.request(method, path, body, bearer("ann", "links:" + wanted)).status < 300, (method, path)


def test_narrowed_scope_covers_codes_that_are_chosen(closed):
    narrow = bearer("ann", "links:read links:write:team-* links:write:one")
    for code in ("team-1", "team-", "one"):
        make(closed, narrow, code=code)
    for fields in ({"code": "tea"}, {"code": "ones"}) + ({},) * 40:
        answer = closed.request("POST", "/v1/links", {"url": "http://a.b/"} | fields, narrow)
        same((answer.status, answer.slug), (403, "forbidden"), fields)
    make(closed, bearer("ann", "links:write:*"))
    other = make(closed, bearer("ann"), code="other")
    same(closed.request("PATCH", "/v1/links/" + other, {"title": "x"}, narrow).status, 403)


def test_what_is_anothers_is_not_there(closed):
    ann, bob, admin = bearer("ann"), bearer("bob"), bearer("eve", "admin")
    make(closed, ann, code="mine", tags=["t"])
    for method, path, body in CALLS[2:]:
        answer = closed.request(method, path, body, bob)
        same((answer.status, answer.slug), (404, "no-such-link"), (method, path))
    same((codes(closed, bob), codes(closed, bob, "?tag=t")), ([], []))
    same(codes(closed, ann, "?tag=t"), ["mine"])
    same(closed.request("POST", "/v1/links", {"url": "http://a.b/", "code": "mine"}, bob).slug, "alias-taken")
    same(closed.request("PATCH", "/v1/links/mine", {"title": "seen"}, admin).json["title"], "seen")
    same(closed.request("DELETE", "/v1/links/mine", None, admin).status, 204)
    same(codes(closed, ann), [])


def test_reuse_is_within_one_owner(closed):
    body = {"url": "https://example.com/r", "reuse": True}
    first, second = (closed.request("POST", "/v1/links", body, bearer(who)) for who in ("ann", "bob"))
    same((first.status, second.status), (201, 201))
    assert first.json["code"] != second.json["code"]


def test_subjects_and_what_follows_them_are_never_mixed_up(closed):
    """org and org:130 are of one partition: their keys must differ all the same."""
    outer, inner = bearer("org"), bearer("org:130")
    code = make(closed, inner, tags=["t"])
    body = {"url": "https://example.com/pay"}
    first = closed.request("POST", "/v1/links", body, inner | {"Idempotency-Key": "pay"})
    same(codes(closed, outer, "?tag=130:t"), [])
    eventually(lambda: codes(closed, inner, "?tag=t") == [code], "the tag, untouched")
    same(codes(closed, inner, "?tag=t"), [code])
    again = closed.request("POST", "/v1/links", body, outer | {"Idempotency-Key": "130:pay"})
    same((again.status, "idempotent-replayed" in again.headers), (201, False))
    assert again.json["code"] != first.json["code"]


def test_tokens_of_the_old_key_are_good_until_it_is_taken_away(redis, directory):
    old, new = tokens.make_keys(), tokens.make_keys()
    new["keys"][0]["kid"] = new["current"] = "k2"
    path = write_file(directory, "keys", json.dumps(old))
    server = Service("shortener", "--workers", WORKERS, "--token-keys", path, redis=redis)
    claims = {"sub": "ann", "scope": "links:read", "exp": int(time.time()) + 600}

    def statuses():
        return [server.get("/v1/links", {"Authorization": "Bearer " + tokens.mint(keys, claims)}).status
                for keys in (old, new)]
    same(statuses(), [200, 401])
    for keys, wanted in (({"current": "k2", "keys": old["keys"] + new["keys"]}, [200, 200]), (new, [401, 200])):
        write_file(directory, "keys", json.dumps(keys))
        server.signal(1)
        eventually(lambda w=wanted: statuses() == w, "the keys %s" % wanted)
    server.close()


main(__name__, closed=closed, directory=directory)
