"""service_checks.py - checks, alone and together; once by an id; refunds and resets."""
import json
import time

from kit import (BUCKETS, EVER, SOAK, WINDOWS, WORKERS, ask, batch, bearer, check, define, directory, each_worker,
                 errors, eventually, main, only, passes, peek, put, redis, refund, reset, same, seeded, service,
                 start, together, tokens, write_file)

ALGORITHMS = BUCKETS + WINDOWS
KEYS = tokens.make_keys()


# ---- one limit

def test_eleventh_of_ten_is_denied(service):
    for algorithm in ALGORITHMS:
        define(service, algorithm, algorithm=algorithm, rate=10)
        for n in range(10):
            one = only(check(service, ask(algorithm)))
            same((one["allowed"], one["quota"], one["remaining"], one["degraded"], one["shadow"]),
                 (True, 10, 9 - n, False, False), (algorithm, n))
        for _ in range(5):
            answer = check(service, ask(algorithm))
            one = only(answer)
            same((answer.status, one["remaining"]), (429, 0), algorithm)
            assert one["reset_after_ms"] >= one["retry_after_ms"] > 0, one
        same(passes(service, algorithm, "another key"), True)


def test_first_requests_at_the_same_time_share_one_bucket(service):
    for algorithm in ALGORITHMS:
        define(service, algorithm, algorithm=algorithm, rate=10)
        for key in range(8 if SOAK else 2):
            seen = together(24, lambda _, a=algorithm, k=key: passes(service, a, "k%d" % k))
            same(seen.count(True), 10, algorithm)


def test_cost_that_is_more_than_what_is_left_takes_nothing(service):
    for algorithm in ALGORITHMS:
        define(service, algorithm, algorithm=algorithm, rate=10)
        seen = [passes(service, algorithm, cost=cost) for cost in (7, 4, 10, 2, 2, 1, 1)]
        same(seen, [True, False, False, True, False, True, False], algorithm)


def test_cost_nothing_peeks(service):
    for algorithm in ALGORITHMS:
        define(service, algorithm, algorithm=algorithm, rate=3)
        with each_worker(service) as connections:
            for left in (3, 2, 1, 0):
                for connection in connections:
                    for _ in range(3):
                        answer = check(connection, ask(algorithm, cost=0))
                        same((answer.status, only(answer)["remaining"]), (200, left), algorithm)
                same(passes(service, algorithm), left > 0)


def test_rates_are_not_rounded(service):
    """Waiting for what is said to be missing is enough, at any pace, and the burst is the burst."""
    for rate, burst in ((1001, 7), (999983, 1000), (1000001, 100), (999999937, 9)):
        define(service, "r", "?on_change=reset", rate=rate, per="1s", burst=burst)
        same(errors(check(service, ask("r", cost=burst + 1))).keys(), {"/checks/0/cost"})
        for _ in range(20):
            answer = check(service, ask("r", cost=burst))
            if answer.status == 429:
                assert only(answer)["retry_after_ms"] <= burst * 1000 // rate + 1, answer
                time.sleep(only(answer)["retry_after_ms"] / 1000)
                same(passes(service, "r", cost=burst), True, rate)


def test_burst_does_not_grow_while_idle(service):
    for algorithm in ALGORITHMS:
        define(service, algorithm, algorithm=algorithm, rate=5, per="300ms")
        while passes(service, algorithm):
            pass
        wait = only(check(service, ask(algorithm, cost=0)))["reset_after_ms"]
        time.sleep((wait + 700) / 1000)
        sent = time.time()
        results = batch(service, *[[ask(algorithm)]] * 60)
        took = time.time() - sent
        admitted = [one["status"] for one in results].count(200)
        most = 5 + 5 * took / 0.3 if algorithm in BUCKETS else 5 * (2 + took // 0.3)
        assert 5 <= admitted <= most, (algorithm, admitted, took)


# ---- several limits

def test_every_limit_passes_or_none_is_charged(service):
    for algorithm in ALGORITHMS:
        define(service, "wide-" + algorithm, algorithm=algorithm, rate=10)
    define(service, "narrow", rate=2)
    names = ["wide-" + algorithm for algorithm in ALGORITHMS] + ["narrow"]
    for n in range(6):
        answer = check(service, *[ask(name) for name in names])
        same(answer.status, 200 if n < 2 else 429)
        same([one["allowed"] for one in answer.json["results"]], [True] * 5 + [n < 2])
    same([peek(service, name) for name in names], [8] * 5 + [0])


def test_several_keys_in_one_call_pass_all_or_none(service):
    rng = seeded()
    define(service, "user", rate=1000)
    define(service, "host", algorithm="fixed_window", rate=1000)
    define(service, "tight", algorithm="sliding_log", rate=3)
    left = {("user", k): 1000 for k in "abcd"} | {("host", k): 1000 for k in "abcd"} | {
        ("tight", k): 3 for k in "abcd"}
    for _ in range(400 if SOAK else 60):
        places = rng.sample(sorted(left), rng.randrange(1, 7))
        costs = [rng.randrange(0, 3) for _ in places]
        passed = all(left[place] >= cost for place, cost in zip(places, costs))
        answer = check(service, *[ask(*place, cost) for place, cost in zip(places, costs)])
        same(answer.status, 200 if passed else 429, (places, costs))
        said = [one["allowed"] for one in answer.json["results"]]
        true = [left[place] >= cost for place, cost in zip(places, costs)]
        if passed or WORKERS == "1":
            same(said, true, (places, costs))
        else:  # of the others a worker that knows one denied says what it heard last
            same([one for one in zip(said, true) if not one[0] and one[1]], [], (places, costs))
            same(False in said, True)
        for place, cost in zip(places, costs):
            left[place] -= cost if passed else 0
        for place in places:  # what was charged in vain comes back
            eventually(lambda p=place: peek(service, *p) == left[p], "%s: %d left" % (place, left[place]))


def test_calls_over_keys_at_the_same_time_admit_no_more_than_each(service):
    define(service, "a", rate=20)
    define(service, "b", algorithm="fixed_window", rate=15)
    seen = together(24, lambda n: [check(service, ask("a", "x"), ask("b", "y")).status for _ in range(3)])
    admitted = sum(seen, []).count(200)
    assert 0 < admitted <= 15, admitted
    eventually(lambda: (peek(service, "a", "x"), peek(service, "b", "y")) == (20 - admitted, 15 - admitted),
               "what was charged in vain")


def test_ten_limits_of_one_key_in_one_call(service):
    for n in range(10):
        define(service, "l%d" % n, rate=n + 3)
    same([check(service, *[ask("l%d" % n) for n in range(10)]).status for _ in range(4)], [200] * 3 + [429])
    same([peek(service, "l%d" % n) for n in range(10)], list(range(10)))


def test_shadow_limit_is_charged_and_reported_but_never_denies(service):
    for algorithm in ALGORITHMS:
        define(service, "real-" + algorithm, algorithm=algorithm, rate=4)
        define(service, "shadow-" + algorithm, algorithm=algorithm, rate=2, shadow=True)
        for n in range(6):
            answer = check(service, ask("real-" + algorithm), ask("shadow-" + algorithm))
            real, shadow = answer.json["results"]
            same((answer.status, real["allowed"], shadow["allowed"]), (200 if n < 4 else 429, n < 4, n < 2), algorithm)
            same((real["shadow"], shadow["shadow"]), (False, True))
        alone = [check(service, ask("shadow-" + algorithm, "alone")) for _ in range(4)]
        same([answer.status for answer in alone], [200] * 4)
        same([only(answer)["allowed"] for answer in alone], [True, True, False, False])


# ---- batches

def test_batch_answers_each_item_in_order(service):
    define(service, "a", rate=3)
    define(service, "slots", algorithm="concurrency", per=None)
    results = batch(service, [ask("a")], [ask("none")], [ask("a", cost=4)], [ask("a"), ask("a")], [ask("a", "")], [],
                    [ask("a", cost=2), ask("a", "k2")], [ask("a")], [ask("slots")], [{"limit": "a"}],
                    [ask("a", "k2", 0)])
    same([one["status"] for one in results], [200, 404, 422, 422, 422, 422, 200, 429, 422, 422, 200])
    for one in results:
        same(set(one), {"status", "value" if one["status"] in (200, 429) else "problem"})
        if "problem" in one:
            same(one["problem"]["status"], one["status"])
        if one["status"] == 422:
            assert one["problem"]["errors"][0]["pointer"].startswith("/checks"), one
    same([one["value"]["allowed"] for one in results if "value" in one], [True, True, False, True])
    same(results[1]["problem"]["type"], "/problems/no-such-limit")
    same((peek(service, "a"), peek(service, "a", "k2")), (0, 2))


def test_batch_of_a_thousand_and_no_more(service):
    for algorithm in ALGORITHMS:
        define(service, algorithm, algorithm=algorithm, rate=300)
    results = batch(service, *[[ask(ALGORITHMS[n % 5], "k%d" % (n % 10 // 5))] for n in range(1000)])
    same([one["status"] for one in results].count(200), 1000)
    results = batch(service, *[[ask("sliding_log", "one")] for _ in range(1000)])
    same([one["status"] for one in results].count(200), 300)
    results = batch(service, *[[ask("token_bucket", "a"), ask("fixed_window", "b")] for n in range(1000)])
    admitted = [one["status"] for one in results].count(200)
    assert 0 < admitted <= 300, admitted
    eventually(lambda: [peek(service, *p) for p in (("token_bucket", "a"), ("fixed_window", "b"))] ==
               [300 - admitted] * 2, "what was charged in vain")
    before = peek(service, "gcra", "none")
    answer = service.request("POST", "/v1/check:batch", {"items": [{"checks": [ask("gcra", "none")]}] * 1001})
    same(list(errors(answer)), ["/items"])
    same(peek(service, "gcra", "none"), before)
    wrong = [{}, 7, None, {"checks": []}, {"checks": 5}, {"checks": [{}]}, {"checks": [ask("gcra", "")]}]
    answer = service.request("POST", "/v1/check:batch", {"items": wrong + [{"checks": [ask("gcra", "fine")]}]})
    same([one["status"] for one in answer.json["results"]], [422] * len(wrong) + [200])


# ---- what is refused

def fields_in(query):
    return [pair.partition("=")[0] for pair in query.split("&")]


def batch_problem(service, item):
    """What is said of one item of POST /v1/check:batch that is wrong."""
    return service.request("POST", "/v1/check:batch", {"items": [item]}).json["results"][0]["problem"]


def test_what_cannot_be_asked_is_422_and_named(service):
    define(service, "a", rate=10, max_cost=6)
    define(service, "b")
    define(service, "slots", algorithm="concurrency", per=None)
    for asks, pointer in (
            ([ask("a", "")], "/checks/0/key"), ([ask("a", "x" * 513)], "/checks/0/key"),
            ([ask("a", "\u00fc" * 257)], "/checks/0/key"), ([ask("a", 5)], "/checks/0/key"),
            ([ask("a", cost=7)], "/checks/0/cost"), ([ask("b", cost=6)], "/checks/0/cost"),
            ([ask("a", cost=-1)], "/checks/0/cost"), ([ask("a", cost=1.5)], "/checks/0/cost"),
            ([ask("a", cost="1")], "/checks/0/cost"), ([ask("a", cost=10**18)], "/checks/0/cost"),
            ([ask("a", cost=True)], "/checks/0/cost"), ([ask("b"), ask("a", cost=7)], "/checks/1/cost"),
            ([{"limit": "a"}], "/checks/0/key"), ([{"key": "k"}], "/checks/0/limit"),
            ([ask("a") | {"costs": 1}], "/checks/0/costs"), ([], "/checks"),
            ([ask("a"), ask("b"), ask("a")], "/checks/2"), ([ask("slots")], "/checks/0/limit"),
            ([5], "/checks/0")):
        answer = service.request("POST", "/v1/check", {"checks": asks})
        assert list(errors(answer))[0] == pointer, (asks, answer)
    for body, pointer in (({}, "/checks"), ({"checks": 5}, "/checks"), ({"checks": [ask("a")], "x": 1}, "/x"),
                          ({"checks": [ask("a")], "id": ""}, "/id"), ({"checks": [ask("a")], "id": 5}, "/id")):
        same(list(errors(service.request("POST", "/v1/check", body))), [pointer], body)
    for body in (b"", b"{", b"\xff"):
        same(service.request("POST", "/v1/check", body, {"Content-Type": "application/json"}).status, 400, body)
    for cost in ("1.0", "1e0", "1E+0", "0.0"):  # a number, but not written as an integer
        body = b'{"checks": [{"limit": "a", "key": "k", "cost": %s}]}' % cost.encode()
        answer = service.request("POST", "/v1/check", body, {"Content-Type": "application/json"})
        same(list(errors(answer)), ["/checks/0/cost"], cost)
    wrong = {"limit": "", "key": 5, "cost": -1, "x": 1}
    answer = service.request("POST", "/v1/check", {"checks": [ask("a"), wrong], "id": 5, "y": 1})
    same(set(errors(answer)), {"/y", "/id", "/checks/1/limit", "/checks/1/key", "/checks/1/cost", "/checks/1/x"})
    same(set(errors(service.request("POST", "/v1/check", {"checks": [], "id": ""}))), {"/checks", "/id"})
    same(len(errors(service.request("POST", "/v1/check", {"checks": [wrong] * 5, "id": 5}))), 8)
    one = batch_problem(service, {"checks": [wrong], "id": "of a call"})
    same({e["pointer"] for e in one["errors"]},
         {"/id", "/checks/0/limit", "/checks/0/key", "/checks/0/cost", "/checks/0/x"})
    same((peek(service, "a"), peek(service, "b")), (10, 5))
    same(passes(service, "a", "x" * 512), True)
    same(passes(service, "a", "\u00fc" * 256), True)
    same(passes(service, "a", cost=6), True)


def test_query_takes_each_parameter_once_and_no_other(service):
    """Beside what is wrong in the body; and nothing is done."""
    define(service, "a", rate=10)
    checks, limit = {"checks": [ask("a")]}, {"rate": 5, "per": EVER}

    def stands():
        return service.get("/v1/limits/a").json, peek(service, "a")
    for method, path, body, good, bad in (
            ("POST", "/v1/check", checks, "always=200&headers=x", "always=429"),
            ("PUT", "/v1/limits/a", limit, "on_change=keep", "on_change=reset"),
            ("GET", "/v1/limits", None, "limit=10&cursor=", "limit=x")):
        name = good.partition("=")[0]
        before = stands()
        for query, pointers in (
                (good + "&" + bad, ["/" + name]), (good + "&" + good, ["/" + n for n in fields_in(good)]),
                ("x=1", ["/x"]), (good + "&=1", ["/"]), ("%s&" % name.upper(), ["/" + name.upper()]),
                (good + "&x&y=%00&x", ["/x", "/y", "/x"]), (good + "&a/b~c%FF", ["/a~1b~0c\ufffd"]),
                ("&".join("x%d" % n for n in range(20)), ["/x%d" % n for n in range(8)])):
            answer = service.request(method, path + "?" + query, body)
            same([e["pointer"] for e in answer.json["errors"]], pointers, (path, query))
        same(stands(), before, path)
        for query in ("", "&", "&&" + good, good + "&"):
            assert service.request(method, path + "?" + query, body).status in (200, 201), (path, query)
    both = service.request("POST", "/v1/check?x", {"checks": [ask("a", cost=-1)], "y": 1})
    same(set(errors(both)), {"/x", "/y", "/checks/0/cost"})
    same(set(errors(put(service, "a", "?x=1&on_change=z", rate=0))), {"/x", "/on_change", "/rate", "/per"})


def test_unknown_limit_is_404_and_charges_nothing(service):
    define(service, "a")
    for asks in ([ask("none")], [ask("a"), ask("none")], [ask("none"), ask("a")]):
        answer = check(service, *asks)
        same((answer.status, answer.slug), (404, "no-such-limit"))
    same(peek(service, "a"), 5)
    for answer in (refund(service, "none"), reset(service, "none"), service.get("/v1/authorize?limit=none&key=k")):
        same((answer.status, answer.slug), (404, "no-such-limit"))


def test_keys_are_all_their_bytes(service):
    define(service, "a", rate=1)
    for key in ("k", "K", " k", "k ", "k:1", "k}", "{k}", "1:k", "\u00fc", "\r\n", "*", "a\tb", "k" * 512):
        same([passes(service, "a", key), passes(service, "a", key)], [True, False], key)
    for name, key in (("a.b", "c"), ("a", "b.c"), ("a.", "bc")):
        define(service, name, rate=1)
        same(passes(service, name, key), True)


# ---- once

def test_check_with_an_id_is_answered_as_it_was(service):
    for algorithm in ALGORITHMS:
        define(service, algorithm, algorithm=algorithm, rate=3)
        with each_worker(service) as connections:
            for connection in connections * 3:
                answer = check(connection, ask(algorithm), id=algorithm + "-1")
                same((answer.status, only(answer)["remaining"]), (200, 2), algorithm)
            same(peek(service, algorithm), 2)
            same(passes(service, algorithm, cost=2), True)
            for connection in connections * 2:
                same(passes(connection, algorithm, id=algorithm + "-1"), True)
                same(passes(connection, algorithm, id=algorithm + "-2"), False)
            same(reset(service, algorithm).status, 204)
            for connection in connections:
                same(passes(connection, algorithm, id=algorithm + "-2"), False, algorithm)
            same((passes(service, algorithm, id=algorithm + "-3"), peek(service, algorithm)), (True, 2))


def test_id_is_of_one_check_whatever_its_keys(service):
    define(service, "a", rate=10)
    define(service, "b", algorithm="fixed_window", rate=10)
    asks = [ask("a", "x"), ask("b", "y")]
    with each_worker(service) as connections:
        for n, connection in enumerate(connections * 2):
            same(check(connection, *asks, id="one").status, 200)
            for other in ([ask("a", "y")], [ask("a", "x")], asks[1:], asks[::-1], asks + [ask("b", "x")],
                          [ask("a", "x", 2), asks[1]], [ask("a", "other-%d" % n)], [ask("a", "x", 0), asks[1]]):
                same(list(errors(check(connection, *other, id="one"))), ["/id"], other)
    same([peek(service, *of) for of in (("a", "x"), ("b", "y"), ("a", "y"), ("b", "x"), ("a", "other-0"))],
         [9, 9, 10, 10, 10])


def test_answer_that_is_given_again_is_no_news(service):
    """It is of then; whoever asks without the id is answered of now."""
    for algorithm in ALGORITHMS:
        define(service, algorithm, algorithm=algorithm, rate=1)
        same(passes(service, algorithm), True)
        same(passes(service, algorithm, id="denied-" + algorithm), False)
        same(reset(service, algorithm).status, 204)
        with each_worker(service) as connections:
            for connection in connections * 2:
                same(passes(connection, algorithm, id="denied-" + algorithm), False)
                same(peek(connection, algorithm), 1)
            same([passes(connection, algorithm, cost=0) for connection in connections], [True] * len(connections))
            same(passes(connections[-1], algorithm), True, algorithm)


def test_answer_that_is_given_again_is_by_the_limit_as_it_was(service):
    results = []
    for old in ALGORITHMS:
        for new in ALGORITHMS:
            name = "%s-%s" % (old, new)
            define(service, name, algorithm=old, rate=10)
            good = check(service, ask(name, cost=3), id="good-" + name)
            bad = check(service, ask(name, cost=8), id="bad-" + name)
            same((good.status, bad.status), (200, 429))
            define(service, name, algorithm=new, rate=1000, per="1h", shadow=new == "gcra")
            results.append((name, only(good), only(bad)))
    for name, good, bad in results:
        for cost, wanted, what in ((3, good, "good"), (8, bad, "bad")):
            one = only(check(service, ask(name, cost=cost), id="%s-%s" % (what, name)))
            same(one, wanted, name)


def test_id_that_was_forgotten_is_of_a_new_check(redis):
    """As a minute later: what it is charged in vain comes back again."""
    server = start(redis)
    define(server, "a", rate=10)
    define(server, "b", algorithm="fixed_window", rate=1)
    same(passes(server, "b", "y"), True)
    for n in range(3):
        same(check(server, ask("a", "x", 4), ask("b", "y"), id="again").status, 429)
        eventually(lambda: peek(server, "a", "x") == 10, "what was charged in vain, %d" % n)
        for kind in ("id", "seen"):
            for key in redis.cli("KEYS", "rl:%s:*" % kind):
                redis.cli("DEL", key)
    server.close()


def test_id_of_a_call_over_keys_charges_and_gives_back_once(service):
    define(service, "a", rate=10)
    define(service, "b", algorithm="fixed_window", rate=1)
    asks = [ask("a", "x"), ask("b", "y"), ask("a", "z", 2)]
    for _ in range(4):
        same(check(service, *asks, id="good").status, 200)
    same([peek(service, *p) for p in (("a", "x"), ("b", "y"), ("a", "z"))], [9, 0, 8])

    def is_back():
        left = [peek(service, *p) for p in (("a", "x"), ("b", "y"), ("a", "z"))]
        assert left[0] <= 9 and left[2] <= 8, ("more came back than was charged", left)
        return left == [9, 0, 8]
    for _ in range(6):
        same(check(service, *asks, id="denied").status, 429)
        eventually(is_back, "what was charged in vain")


def test_id_used_at_the_same_time_is_charged_once(service):
    define(service, "a", rate=10)
    for n in range(3):
        seen = together(16, lambda _, n=n: passes(service, "a", id="id%d" % n))
        same((seen, peek(service, "a")), ([True] * 16, 9 - n))


def test_ids_are_the_callers_own(redis, directory):
    path = write_file(directory, "keys", json.dumps(KEYS))
    server = start(redis, "--token-keys", path, opened=False)
    ann, bob = bearer(KEYS, "ann"), bearer(KEYS, "bob")
    same(put(server, "a", "", ann, rate=10, per=EVER).status, 201)
    for who in (ann, bob, ann, bob):
        same(check(server, ask("a"), id="1", headers=who).status, 200)
    same(only(check(server, ask("a", cost=0), headers=ann))["remaining"], 8)
    same([refund(server, "a", headers=who).json["remaining"] for who in (ann, bob, ann)], [9, 10, 10])
    server.close()


def test_refund_is_given_once_and_never_above_the_burst(service):
    for algorithm in ALGORITHMS:
        define(service, algorithm, algorithm=algorithm, rate=5)
        same(passes(service, algorithm, cost=4), True)
        for name, left in (("one", 3), ("one", 3), ("two", 5), ("two", 5), ("three", 5)):
            answer = refund(service, algorithm, cost=2, id=name)
            same((answer.status, answer.json), (200, {"remaining": left}), (algorithm, name))
        seen = together(8, lambda _, a=algorithm: refund(service, a, "k2", 1, "same").status)
        same((seen, peek(service, algorithm), peek(service, algorithm, "k2")), ([200] * 8, 5, 5))
        same([passes(service, algorithm) for _ in range(6)], [True] * 5 + [False], algorithm)
        seen = together(8, lambda _, a=algorithm: refund(service, a, cost=2, id="same").status)
        same((seen, peek(service, algorithm)), ([200] * 8, 2), algorithm)


def test_refund_ends_a_denial_that_every_worker_knows(service):
    define(service, "a", rate=2)
    same(passes(service, "a", cost=2), True)
    with each_worker(service) as connections:
        for n in range(6):
            for connection in connections:
                same([passes(connection, "a") for _ in range(3)], [False] * 3)
            if n % 2:
                same(reset(service, "a").status, 204)
            else:
                same(refund(service, "a", cost=1, id="r%d" % n).status, 200)
            eventually(lambda c=connections[n % len(connections)]: passes(c, "a"), "a token")
            if n % 2:
                same(passes(service, "a"), True)


def test_reset_fills_one_key_alone(service):
    for algorithm in ALGORITHMS:
        define(service, algorithm, algorithm=algorithm, rate=5)
        for key in ("k", "other"):
            same(passes(service, algorithm, key, 5), True)
        answer = reset(service, algorithm)
        same((answer.status, answer.body), (204, b""))
        with each_worker(service) as connections:
            for connection in connections:
                eventually(lambda c=connection, a=algorithm: peek(c, a) == 5, "a full one")
        same((passes(service, algorithm, "other"), passes(service, algorithm, cost=5)), (False, True))


def test_refunds_and_resets_that_say_too_little_are_422(service):
    define(service, "a", rate=5, max_cost=4)
    whole = {"limit": "a", "key": "k", "cost": 1, "id": "r"}
    for path, body, pointer in (
            [("refund", {k: v for k, v in whole.items() if k != name}, "/" + name) for name in whole] +
            [("refund", whole | fields, "/" + list(fields)[0]) for fields in (
                {"cost": 0}, {"cost": -1}, {"cost": 1.5}, {"cost": 6}, {"key": ""}, {"key": "x" * 513}, {"id": ""},
                {"x": 1})] +
            [("reset", {"limit": "a"}, "/key"), ("reset", {"key": "k"}, "/limit"),
             ("reset", {"limit": "a", "key": "k", "cost": 1}, "/cost"), ("reset", {"limit": "a", "key": ""}, "/key")]):
        same(list(errors(service.request("POST", "/v1/" + path, body))), [pointer], body)


main(__name__, directory=directory)
