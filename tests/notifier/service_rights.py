"""service_rights.py - who may publish what and read what: tokens, cookies, origins, and what ids do not tell."""
import json
import time

from kit import (ALL, FRIEND, HUB, KEYS, Stream, ask, bearer, closed, cookie, directory, main, post, publish, redis, same,
                 send, start, status_of, token, tokens, write_file)

OWN, FOREIGN = "http://localhost", "https://evil.example"
ANN, NOBODY = bearer(ALL), bearer({})


def may_publish(server, headers, *topics, private=False):
    fields = [("topic", t) for t in topics] + [("data", "x")] + ([("private", "on")] if private else [])
    return post(server, fields, headers).status


# ---- which token

def test_without_a_good_token_all_is_401(closed):
    other = tokens.mint(tokens.make_keys(), {"mercure": ALL})
    forged = token(ALL)[:-4] + "AAAA"
    for headers in ({}, bearer(ALL, ttl=-1), bearer(ALL, nbf=int(time.time()) + 600),
                    *({"Authorization": text} for text in
                      ("Bearer " + other, "Bearer " + forged, "Bearer x", "Bearer", "", "Basic YTpi", token(ALL))),
                    bearer(sub="ann"), bearer([], sub="ann"), cookie("x"), cookie(forged)):
        for answer in (ask(closed, "GET", "topic=a", headers), post(closed, [("topic", "a")], headers)):
            same((answer.status, answer.slug, answer.headers["www-authenticate"]), (401, "unauthorized", "Bearer"), headers)
    same(closed.request("GET", HUB + "?topic=a&authorization=" + token(ALL)).status, 401)


def test_open_hub_refuses_a_bad_token_all_the_same(redis, directory):
    path = write_file(directory, "keys", json.dumps(KEYS))
    server = start(redis, "--token-keys", path)
    same([may_publish(server, headers, "a") for headers in ({}, ANN, {"Authorization": "Bearer x"}, NOBODY)],
         [200, 200, 401, 403])
    server.close()


def test_publish_claim_covers_all_topics_or_nothing(closed):
    for claim, allowed, denied in (
            ({}, (), ("a", "*x")),
            ({"publish": None}, (), ("a",)),
            ({"publish": []}, (), ("a",)),
            ({"subscribe": ["*"]}, (), ("a",)),
            ({"publish": ["a"]}, ("a",), ("b", "A", "aa")),
            ({"publish": ["a", "b/{x}"]}, ("a", "b/1", ["a", "b/2"]), ("b", "b/1/2", ["a", "c"], ["c", "b/1"])),
            ({"publish": ["x", "*"]}, ("a", "{y}", ["a", "b"]), ())):
        for private in (False, True):
            for topics, status in [(t, 200) for t in allowed] + [(t, 403) for t in denied]:
                same(may_publish(closed, bearer(claim), *([topics] if isinstance(topics, str) else topics), private=private),
                     status, (claim, topics, private))
    for claim in ({"publish": "*"}, {"publish": [1]}, {"publish": {"a": 1}}):
        same(may_publish(closed, bearer(claim), "a"), 403, claim)
    answer = post(closed, [("topic", "a")], NOBODY)
    same((answer.status, answer.slug), (403, "forbidden"))


def test_who_is_refused_has_published_nothing(closed):
    with Stream(closed, "*", headers=ANN) as stream:
        same(may_publish(closed, NOBODY, "a"), 403)
        same(may_publish(closed, bearer({"publish": ["a"]}), "a", "b"), 403)
        same(may_publish(closed, {}, "a"), 401)
        publish(closed, "a", "1", ANN)
        same(stream.data_of(1), ["1"])


PRIVATE = (("a", "1"), ("b/1", "2"), ("c", "3"), (["c", "b/2"], "4"))


def seen_by(server, headers, *topics):
    """What of a public update, the private ones of PRIVATE, and another public one comes, live and later."""
    with Stream(server, *topics, headers=headers) as stream:
        last = stream.id
        publish(server, ["a", "b/1", "c"], "0", ANN)
        for topic, data in PRIVATE:
            publish(server, topic, data, ANN, private="")
        publish(server, ["a", "b/1", "c"], "5", ANN)
        live, later = [stream.next().data], []
        while live[-1] != "5":
            live.append(stream.next().data)
    with Stream(server, *topics, headers=headers, last=last) as stream:
        while len(later) < len(live):
            later.append(stream.next().data)
        same(sorted(later), sorted(live), "what comes later")
    return "".join(sorted(live))


def test_private_updates_come_to_who_may_read_one_of_their_topics(closed):
    for claim, wanted in (({}, "05"), ({"subscribe": None}, "05"), ({"subscribe": []}, "05"), ({"publish": ["*"]}, "05"),
                          ({"subscribe": ["a"]}, "015"), ({"subscribe": ["b/{x}"]}, "0245"),
                          ({"subscribe": ["c", "a"]}, "01345"), ({"subscribe": ["*"]}, "012345"),
                          ({"subscribe": ["d", "*x", "{x}"]}, "01345")):
        for topics in (("*",), ("a", "b/1", "b/2", "c"), ("{+x}",)):
            same(seen_by(closed, bearer(claim), *topics), wanted, (claim, topics))
    same(seen_by(closed, bearer({"subscribe": ["*"]}), "a"), "015")


def test_any_value_makes_an_update_private(closed):
    nobody = bearer({})
    with Stream(closed, "a", headers=nobody) as stream, Stream(closed, "a", headers=ANN) as mine:
        for form in ("private", "private=", "private=on", "private=0", "private=false"):
            same(send(closed, "topic=a&data=x&" + form, ANN).status, 200)
        send(closed, "topic=a&data=end&Private=1", ANN)
        same(stream.data_of(1), ["end"])
        same(mine.data_of(6), ["x"] * 5 + ["end"])


def test_subscribe_claim_that_is_no_list_is_refused(closed):
    for claim in ({"subscribe": "*"}, {"subscribe": [1]}, {"subscribe": ["x" * 1025]},
                  {"subscribe": ["t%d" % n for n in range(129)]}):
        same(status_of(closed, "a", headers=bearer(claim)), 403, claim)


def test_scopes_bare_and_narrowed(closed):
    for scope, publishes, reads in (
            ("notify:publish", "abc", None), ("notify:subscribe", "", "012345"), ("admin", "abc", "012345"),
            ("notify:publish:a", "a", None), ("notify:publish:b/* notify:publish:c", "bc", None),
            ("notify:subscribe:a", "", "015"), ("notify:subscribe:b/*", "", "0245"),
            ("notify:subscribe:b/* notify:subscribe:*", "", "012345"), ("links:read", "", None),
            ("notify:publishx notify:subscribed", "", None)):
        headers = bearer(scope=scope)
        same("".join(t[0] for t in ("a", "b/1", "c") if may_publish(closed, headers, t) == 200), publishes, scope)
        if reads is None:
            same(status_of(closed, "a", headers=headers), 403, scope)
        else:
            same(seen_by(closed, headers, "a", "b/1", "b/2", "c"), reads, scope)


def test_narrowed_scope_reads_public_updates_of_its_topics_alone(closed):
    with Stream(closed, "*", headers=bearer(scope="notify:subscribe:b/*")) as stream, \
            Stream(closed, "*", headers=bearer({"subscribe": []}, scope="notify:subscribe:b/*")) as both:
        publish(closed, "a", "1", ANN)
        publish(closed, ["a", "b/1"], "2", ANN, private="on")
        publish(closed, "b/2", "3", ANN)
        same(stream.data_of(2), ["2", "3"])
        same(both.data_of(3), ["1", "2", "3"])


def test_claim_and_scope_add_up(closed):
    headers = bearer({"publish": ["a"]}, scope="notify:publish:b")
    same([may_publish(closed, headers, *topics) for topics in (("a",), ("b",), ("a", "b"), ("a", "c"))],
         [200, 200, 200, 403])


def follow(server, topics, count, **more):
    """The ids of so many events."""
    with Stream(server, *topics, **more) as stream:
        ids = []
        for _ in range(count):
            stream.next()
            ids.append(stream.id)
        return ids


def test_ids_do_not_tell_of_private_updates_between(closed):
    """One topic has them, another has not: who may not read them sees as many ids, as long, and those of who may."""
    with Stream(closed, "a", headers=NOBODY) as a, Stream(closed, "b", headers=NOBODY) as b, \
            Stream(closed, "a", "b", headers=NOBODY) as both:
        ids = {"a": [], "b": []}
        for n in range(5):
            for _ in range(n):
                publish(closed, "a", "secret", ANN, private="on")
            for stream, topic in ((a, "a"), (b, "b")):
                publish(closed, topic, str(n), ANN)
                same((stream.next().data, both.next().data), (str(n), str(n)))
                ids[topic].append(stream.id)
        same((a.told, b.told, both.told), (1, 1, 1), "where they stand is told once, and else with updates alone")
    same((len(set(ids["a"] + ids["b"])), {len(id_) for id_ in ids["a"]}), (10, {len(id_) for id_ in ids["b"]}))
    for topic, secrets in (("a", 10), ("b", 0)):
        same(follow(closed, [topic], 5, headers=NOBODY, last="earliest"), ids[topic])
        same(set(ids[topic]) - set(follow(closed, [topic], 5 + secrets, headers=ANN, last="earliest")), set())


# ---- the cookie, and other origins

def test_cookie_is_as_good_as_the_header_to_our_own_pages_and_friends(closed):
    good = token(ALL)
    for origin, wanted in ((None, 200), (OWN, 200), (FRIEND, 200), (FOREIGN, 403), ("null", 403), (OWN + ":1", 403),
                           (FRIEND + ".evil.example", 403)):
        headers = cookie(good, origin)
        same((status_of(closed, "a", headers=headers), may_publish(closed, headers, "a")), (wanted, wanted), origin)
        if wanted == 403:
            same(ask(closed, "GET", "topic=a", headers).slug, "foreign-origin")
    same(status_of(closed, "a", headers={"Cookie": "token=" + good}), 401)
    same(status_of(closed, "a", headers={"Cookie": "xmercureAuthorization=" + good}), 401)


def test_header_counts_before_the_cookie(closed):
    good, poor = token(ALL), token({})
    for header, other, origin, wanted in ((good, "x", None, 200), (good, poor, FOREIGN, 200), (poor, good, None, 403),
                                          ("x", good, OWN, 401)):
        headers = cookie(other, origin) | {"Authorization": "Bearer " + header}
        same(may_publish(closed, headers, "a"), wanted, (header, other, origin))


def test_other_origins_read_what_the_hub_was_told_they_may(closed):
    for origin, allowed in ((FRIEND, FRIEND), (FOREIGN, None), (OWN, None), (None, None)):
        headers = ANN | ({"Origin": origin} if origin else {})
        with Stream(closed, "a", headers=headers) as stream:
            answers = [stream.headers, post(closed, [("topic", "a")], headers).headers,
                       closed.request("OPTIONS", HUB, headers=headers).headers,
                       ask(closed, "GET", "", headers).headers, ask(closed, "HEAD", "topic=a", headers).headers]
        for answer in answers:
            same((answer.get("access-control-allow-origin"), answer.get("access-control-allow-credentials")),
                 (allowed, "true" if allowed else None), origin)
            assert "Origin" in answer["vary"], answer


def test_preflight_names_methods_and_headers(closed):
    asks = {"Origin": FRIEND, "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,last-event-id"}
    answer = closed.request("OPTIONS", HUB, headers=asks)
    same(answer.status, 204)
    assert {"GET", "POST"} <= set(answer.headers["access-control-allow-methods"].split(", ")), answer
    names = {name.lower() for name in answer.headers["access-control-allow-headers"].split(", ")}
    assert {"authorization", "cache-control", "content-type", "last-event-id"} <= names, names
    answer = closed.request("OPTIONS", HUB, headers=asks | {"Origin": FOREIGN})
    assert not [name for name in answer.headers if name.startswith("access-control")], answer


# ---- the end of a token

def test_stream_ends_when_its_token_does(closed):
    ends = int(time.time()) + 2
    headers = bearer(ALL, exp=ends)
    with Stream(closed, "a", headers=headers) as stream, Stream(closed, "a", headers=cookie(token(ALL, exp=ends))) as other, \
            Stream(closed, "a", headers=ANN) as longer:
        publish(closed, "a", "1", ANN)
        same([s.next().data for s in (stream, other, longer)], ["1"] * 3)
        for one in (stream, other):
            assert one.is_closed() and time.time() >= ends
        same(status_of(closed, "a", headers=headers, last=stream.id), 401)
        publish(closed, "a", "2", ANN)
        same(longer.data_of(1), ["2"])


def test_token_without_an_end_is_good(closed):
    for claims in ({"mercure": ALL}, {"mercure": ALL, "exp": int(time.time()) + 600.5}):
        headers = {"Authorization": "Bearer " + tokens.mint(KEYS, claims)}
        with Stream(closed, "a", headers=headers) as stream:
            publish(closed, "a", "1", headers)
            same(stream.data_of(1), ["1"])


main(__name__)
