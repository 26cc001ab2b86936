"""service_limits.py - limits: made, read, listed, changed, removed, of a file; whose they are."""
import json
import subprocess
import threading
import time

from kit import (BUCKETS, EVER, SOAK, WINDOWS, Connection, ask, batch, bearer, check, define, directory, each_worker,
                 errors, eventually, main, passes, peek, put, redis, refund, render, reset, same, seeded, service, start,
                 tokens, write_file)

KEYS = tokens.make_keys()
MEMBERS = {"name", "algorithm", "rate", "per", "burst", "mode", "on_redis_failure", "deadline_ms", "shadow",
           "max_cost", "description", "version"}
SOON = 3  # seconds in which a change reaches every worker; 1 without sanitizers


def everywhere(server, question, wanted, what):
    """Every worker comes to answer question(connection) so."""
    with each_worker(server) as connections:
        for connection in connections:
            eventually(lambda c=connection: question(c) == wanted, what, SOON)


def quota(connection, limit="a", key="quota"):
    answer = check(connection, ask(limit, key, 0))
    return answer.json["results"][0]["quota"] if answer.status in (200, 429) else answer.status


# ---- made, read, changed

def test_limit_is_made_read_and_changed(service):
    answer = put(service, "api.v1_a-Z", rate=10, per="1m")
    same(answer.status, 201, answer)
    made = answer.json
    same(set(made), MEMBERS)
    same((made["name"], made["algorithm"], made["rate"], made["per"], made["burst"], made["mode"], made["shadow"]),
         ("api.v1_a-Z", "token_bucket", 10, "1m", 10, "strict", False))
    same(service.get("/v1/limits/api.v1_a-Z").json, made)
    whole = {"algorithm": "gcra", "rate": 7, "per": "250ms", "burst": 20, "mode": "leased", "shadow": True,
             "on_redis_failure": "closed", "deadline_ms": 20, "max_cost": 3, "description": "\"ü\" <b>"}
    answer = put(service, "api.v1_a-Z", **whole)
    same(answer.status, 200, answer)
    same(answer.json, whole | {"name": "api.v1_a-Z", "version": answer.json["version"]})
    assert answer.json["version"] > made["version"]
    same(service.get("/v1/limits/api.v1_a-Z").json, answer.json)
    answer = service.get("/v1/limits/unknown")
    same((answer.status, answer.slug), (404, "no-such-limit"))


def test_every_algorithm_mode_and_duration_is_taken_as_given(service):
    for algorithm in BUCKETS + WINDOWS:
        made = define(service, "a", algorithm=algorithm, rate=10)
        same((made["algorithm"], made["burst"]), (algorithm, 10 if algorithm in BUCKETS else None))
    for per in ("1ms", "250ms", "1s", "90s", "7m", "5h", "1d", "2w"):
        same(define(service, "per", per=per, rate=1)["per"], per)
    for rate, burst in ((1001, 7), (1000001, 1000), (5000000, 3), (999999937, 9)):
        made = define(service, "rates", rate=rate, per="1s", burst=burst)
        same((made["rate"], made["burst"]), (rate, burst))
    made = define(service, "slots", algorithm="concurrency", rate=3, per=None)
    same((made["rate"], made["per"], made["burst"]), (3, None, None))


BAD = (
    ({"algorithm": "leaky"}, "/algorithm"), ({"algorithm": 1}, "/algorithm"), ({"rate": 0}, "/rate"),
    ({"rate": -1}, "/rate"), ({"rate": 1.5}, "/rate"), ({"rate": "5"}, "/rate"), ({"rate": None}, "/rate"),
    ({"rate": 10**15}, "/rate"), ({"per": ""}, "/per"), ({"per": "1"}, "/per"), ({"per": "s"}, "/per"),
    ({"per": "0s"}, "/per"), ({"per": "-1s"}, "/per"), ({"per": "1.5s"}, "/per"), ({"per": "1y"}, "/per"),
    ({"per": "1 s"}, "/per"), ({"per": "1S"}, "/per"), ({"per": "99999999999999999999s"}, "/per"),
    ({"per": 60}, "/per"),
    ({"per": None}, "/per"), ({"burst": 0}, "/burst"), ({"burst": -5}, "/burst"), ({"burst": "x"}, "/burst"),
    ({"burst": 10**15}, "/burst"), ({"mode": "loose"}, "/mode"), ({"mode": True}, "/mode"),
    ({"on_redis_failure": "panic"}, "/on_redis_failure"), ({"deadline_ms": 0}, "/deadline_ms"),
    ({"deadline_ms": "50"}, "/deadline_ms"), ({"shadow": "yes"}, "/shadow"), ({"max_cost": 0}, "/max_cost"),
    ({"max_cost": 6}, "/max_cost"), ({"max_cost": 1.0}, "/max_cost"), ({"description": 5}, "/description"),
    ({"name": "b"}, "/name"), ({"version": 3}, "/version"), ({"Rate": 5}, "/Rate"), ({"limit": 1}, "/limit"),
    ({"algorithm": "fixed_window", "burst": 5}, "/burst"), ({"algorithm": "sliding_window", "burst": 5}, "/burst"),
    ({"algorithm": "sliding_log", "burst": 5}, "/burst"), ({"algorithm": "concurrency"}, "/per"),
    ({"algorithm": "concurrency", "per": None, "burst": 5}, "/burst"),
    ({"algorithm": "concurrency", "per": None, "shadow": True}, "/shadow"))


SEVERAL = (  # all of them are named, whatever is found first
    ({"rate": 0, "per": 5, "shadow": "x"}, "/rate /per /shadow"),
    ({"rate": 0, "per": "1x", "mode": "loose", "bogus": 1}, "/rate /per /mode /bogus"),
    ({"rate": 0, "algorithm": "leaky", "per": "1x"}, "/rate /algorithm /per"),
    ({"rate": 0, "algorithm": "leaky"}, "/rate /algorithm"),
    ({"rate": "x", "algorithm": "concurrency", "per": "1s", "burst": 1, "mode": "leased", "max_cost": 1},
     "/rate /per /burst /mode /max_cost"),
    ({"rate": 10001, "algorithm": "sliding_log", "per": "9000d", "mode": "leased"}, "/rate /per /mode"),
    ({"rate": 1, "per": "366d", "burst": 1000000000, "deadline_ms": 0}, "/burst /deadline_ms"),
    ({"per": "366d", "burst": 1000000000}, "/rate"), ({"rate": 5, "burst": 1000000000, "per": "1x"}, "/per"),
    ({"rate": 5, "per": "1s", "burst": 0, "max_cost": 7}, "/burst"),
    ({"rate": 5, "per": "1s", "max_cost": 7, "description": 1}, "/max_cost /description"))


def test_every_bad_member_is_422_and_named(service):
    for fields, pointer in BAD:
        answer = put(service, "bad", **({"rate": 5, "per": "1m"} | fields))
        same(list(errors(answer)), [pointer], fields)
    for fields, pointer in (({"per": "1s"}, "/rate"), ({"rate": 5}, "/per")):
        same(list(errors(put(service, "bad", **fields))), [pointer])
    for fields, pointers in SEVERAL:
        same(set(errors(put(service, "bad", **fields))), set(pointers.split()), fields)
    same(set(errors(put(service, "bad", "?on_change=x", rate=0, mode="x"))), {"/on_change", "/rate", "/per", "/mode"})
    same(service.get("/v1/limits/bad").status, 404)


def test_name_and_on_change_that_are_none_are_422(service):
    for name in ("a%20b", "%00", "%C3%BC", "x" * 65, "a:b", "a*"):
        answer = put(service, name, rate=1, per="1s")
        same(list(errors(answer)), ["/name"], name)
        same(service.get("/v1/limits/" + name).status, 404, name)
    same(put(service, "x" * 64, rate=1, per="1s").status, 201)
    for change in ("Keep", "", "drop"):
        same(list(errors(put(service, "a", "?on_change=" + change, rate=1, per="1s"))), ["/on_change"], change)
    for body in (b"", b"{", b"\xff"):
        same(service.request("PUT", "/v1/limits/a", body, {"Content-Type": "application/json"}).status, 400, body)
    for body in (b"[]", b"5", b"null"):
        same(service.request("PUT", "/v1/limits/a", body, {"Content-Type": "application/json"}).status, 422, body)


# ---- lists

def listed(server, query="", headers=None):
    seen, cursor = [], ""
    while True:
        answer = server.get("/v1/limits?%s%s" % (query, cursor), headers)
        same(answer.status, 200, answer)
        same(set(answer.json), {"items", "next"})
        seen.append(answer.json["items"])
        if answer.json["next"] is None:
            return seen
        cursor = "&cursor=" + answer.json["next"]


def test_list_is_paged_and_whole(service):
    same(listed(service), [[]])
    made = [define(service, "l%02d" % i, rate=i + 1) for i in range(25)]
    pages = listed(service, "limit=10")
    same([len(page) for page in pages], [10, 10, 5])
    same(sorted(sum(pages, []), key=lambda one: one["name"]), made)
    same([len(page) for page in listed(service, "limit=25")], [25])
    same(len(listed(service)[0]), 25)
    for query in ("limit=0", "limit=1001", "limit=x", "limit=-1"):
        same(service.get("/v1/limits?" + query).status, 422, query)


def test_list_leaves_out_what_was_removed_though_a_cursor_stands_on_it(service):
    for i in range(6):
        define(service, "l%d" % i)
    page = service.get("/v1/limits?limit=3").json
    for name in ("l0", "l2", "l3"):
        same(service.request("DELETE", "/v1/limits/" + name).status, 204)
    rest = service.get("/v1/limits?limit=3&cursor=" + page["next"]).json["items"]
    same([one["name"] for one in rest], ["l4", "l5"])
    same([one["name"] for one in listed(service)[0]], ["l1", "l4", "l5"])


# ---- changes

def test_change_is_seen_by_every_worker(service):
    define(service, "a")
    for rate in range(6, 14):
        everywhere(service, quota, rate - 1, "the limit before")
        define(service, "a", rate=rate)
        everywhere(service, quota, rate, "the change")


def test_change_is_seen_though_nobody_listened(service, redis):
    define(service, "a")
    for rate in range(6, 12):
        everywhere(service, quota, rate - 1, "the limit before")
        redis.cli("CLIENT", "KILL", "TYPE", "pubsub")
        define(service, "a", rate=rate)
        everywhere(service, quota, rate, "the change")


def test_change_ends_a_denial_that_every_worker_knows(service):
    for change in ("reset", "scale", "keep"):
        define(service, change, rate=2)
        with each_worker(service) as connections:
            same(passes(service, change, cost=2), True)
            for connection in connections:
                same([passes(connection, change) for _ in range(3)], [False] * 3)
            define(service, change, "?on_change=" + change, rate=20)
            left = 20 if change == "reset" else 0
            for connection in connections:
                eventually(lambda c=connection, n=change: quota(c, n) == 20, "the change", SOON)
                same((peek(connection, change), passes(connection, change)), (left, left > 0), change)
                left -= left > 0


# From 10, of which 6 are taken, to 20: what is left.
CHANGES = (("token_bucket", "keep", 4), ("token_bucket", "scale", 8), ("token_bucket", "reset", 20),
           ("gcra", "keep", 4), ("gcra", "scale", 8), ("gcra", "reset", 20),
           ("fixed_window", "keep", 14), ("fixed_window", "scale", 8), ("fixed_window", "reset", 20),
           ("sliding_window", "keep", 14), ("sliding_window", "scale", 8), ("sliding_window", "reset", 20),
           ("sliding_log", "keep", 14), ("sliding_log", "scale", 8), ("sliding_log", "reset", 20))


def test_on_change_decides_what_is_left(service):
    with each_worker(service) as connections:
        for algorithm, how, left in CHANGES:
            name = "%s-%s" % (algorithm, how)
            define(service, name, algorithm=algorithm, rate=10)
            for connection in connections:
                same(peek(connection, name), 10)
            same(passes(service, name, cost=6), True)
            define(service, name, "?on_change=" + how, algorithm=algorithm, rate=20)
            for connection in connections:
                eventually(lambda c=connection, n=name: quota(c, n) == 20, "the change", SOON)
                same(peek(connection, name), left, name)
            same((passes(service, name, cost=left), passes(service, name)), (True, False), name)


def test_keep_is_what_a_change_does_unless_it_is_told(service):
    define(service, "a", rate=10)
    same(passes(service, "a", cost=6), True)
    define(service, "a", rate=20)
    everywhere(service, lambda c: (quota(c), peek(c, "a")), (20, 4), "what was left")


def test_changes_are_carried_over_one_by_one(service):
    """Nobody asked in between: each still does what it was told."""
    define(service, "a", rate=10)
    same(passes(service, "a", cost=5), True)
    define(service, "a", "?on_change=scale", rate=20)  # 10 left
    define(service, "a", "?on_change=keep", rate=40)  # 10
    define(service, "a", "?on_change=scale", rate=8)  # 2
    everywhere(service, lambda c: (quota(c), peek(c, "a")), (8, 2), "two")
    define(service, "a", "?on_change=reset", rate=9)
    define(service, "a", "?on_change=keep", rate=5)
    everywhere(service, lambda c: (quota(c), peek(c, "a")), (5, 5), "never above the burst")


def carried(old, old_rate, left, new, rate):
    """What is left after a change that keeps: of one kind what is left of a bucket or was used of a window or log."""
    counts = ({"fixed_window", "sliding_window"}, {"sliding_log"})
    if any({old, new} <= kind for kind in counts):
        return max(0, rate - (old_rate - left))
    return min(left, rate)


def test_algorithm_changed_and_back_goes_on_where_it_was(service):
    """Used or not in between; slots are no tokens, and are passed over."""
    for algorithm in ("token_bucket",) + WINDOWS:
        for other in BUCKETS + WINDOWS + ("concurrency",):
            name = "%s-%s" % (algorithm, other)
            define(service, name, algorithm=algorithm, rate=4, on_redis_failure="open")
            same([passes(service, name, key, 3) for key in ("seen", "unseen")], [True, True])
            define(service, name, algorithm=other, rate=10, per=None if other == "concurrency" else EVER)
            before, rate = 1, 4
            if other != "concurrency":
                before, rate, old = carried(algorithm, 4, 1, other, 10), 10, other
                everywhere(service, lambda c, n=name: (quota(c, n), peek(c, n, "seen")), (10, before), name)
            else:
                old = algorithm
            define(service, name, algorithm=algorithm, rate=6, on_redis_failure="open")
            left = carried(old, rate, before, algorithm, 6)
            for key in ("seen", "unseen"):
                everywhere(service, lambda c, n=name, k=key: (quota(c, n), peek(c, n, k)), (6, left), name)
                same([passes(service, name, key) for _ in range(left + 1)], [True] * left + [False], name)


def hammer(port, stop, answers):
    connection = Connection(port)
    while not stop.is_set():
        connection.send(render("POST", "/v1/check", {"checks": [ask("a", "hot")]}))
        answers.append(connection.answer())
    connection.close()


def test_changes_under_load_leave_no_check_to_the_policy(service):
    """Of kind, mode and numbers, while checks of one key are under way in every worker."""
    rng, stop, answers = seeded(), threading.Event(), []
    define(service, "a", rate=50, per="1s", on_redis_failure="open")
    threads = [threading.Thread(target=hammer, args=(service.port, stop, answers)) for _ in range(8)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for _ in range(200 if SOAK else 30):
        algorithm = rng.choice(BUCKETS + WINDOWS)
        mode = rng.choice(("strict", "leased") if algorithm != "sliding_log" else ("strict",))
        same(put(service, "a", "?on_change=" + rng.choice(("keep", "scale")), algorithm=algorithm, mode=mode,
                 rate=rng.choice((40, 50, 60)), per="1s", on_redis_failure="open", deadline_ms=5000).status, 200)
        time.sleep(rng.choice((0.01, 0.03, 0.2)))
    stop.set()
    for thread in threads:
        thread.join()
    same({answer.status for answer in answers}, {200, 429})
    same([answer for answer in answers if answer.json["results"][0]["degraded"]], [])
    admitted, seconds = sum(answer.status == 200 for answer in answers), time.monotonic() - begun
    # No law lets through more than twice what is left and comes in: a fixed window at its edges.
    assert 0 < admitted <= 2 * 60 * (1 + seconds), (admitted, seconds)


def test_smaller_limit_leaves_no_more_than_its_burst(service):
    for algorithm in BUCKETS + WINDOWS:
        for how in ("keep", "scale", "reset"):
            name = "%s-%s" % (algorithm, how)
            define(service, name, algorithm=algorithm, rate=100)
            same(passes(service, name, cost=10), True)
            define(service, name, "?on_change=" + how, algorithm=algorithm, rate=3)
            everywhere(service, lambda c, n=name: quota(c, n), 3, "the change")
            assert peek(service, name) <= 3, name
            assert sum(passes(service, name) for _ in range(5)) <= 3, name


def test_limit_put_again_as_it_is_changes_nothing(service):
    first = define(service, "a", rate=10)
    same(passes(service, "a", cost=6), True)
    answer = put(service, "a", "?on_change=keep", rate=10, per=EVER)
    same((answer.status, answer.json["rate"]), (200, first["rate"]))
    same(peek(service, "a"), 4)


# ---- the end of one

def test_removed_limit_is_unknown_to_every_worker(service):
    define(service, "a")
    everywhere(service, quota, 5, "the limit")
    same(service.request("DELETE", "/v1/limits/a").status, 204)
    everywhere(service, quota, 404, "its end")
    same(service.get("/v1/limits/a").slug, "no-such-limit")
    same(service.request("DELETE", "/v1/limits/a").slug, "no-such-limit")
    same(service.request("DELETE", "/v1/limits/never").slug, "no-such-limit")


def test_limit_made_again_is_new(service):
    version = define(service, "a", rate=10)["version"]
    same(passes(service, "a", cost=6), True)
    for rate in (7, 9):
        same(service.request("DELETE", "/v1/limits/a").status, 204)
        everywhere(service, quota, 404, "its end")
        answer = put(service, "a", rate=rate, per=EVER)
        same(answer.status, 201, answer)
        assert answer.json["version"] > version
        version = answer.json["version"]
        everywhere(service, lambda c, r=rate: (quota(c), peek(c, "a")), (rate, rate), "a full one")
        same(passes(service, "a", cost=3), True)
    same([one["name"] for one in listed(service)[0]], ["a"])


def test_limit_that_is_not_there_yet_is_found_once_it_is(service):
    everywhere(service, quota, 404, "nothing")
    define(service, "a")
    everywhere(service, quota, 5, "the limit")


# ---- of a file

def test_limits_of_a_file_stand_beside_those_of_redis(redis, directory):
    path = write_file(directory, "limits", json.dumps([
        {"name": "of-file", "rate": 10, "per": EVER, "burst": 12, "description": "from a file"},
        {"name": "win", "algorithm": "fixed_window", "rate": 3, "per": EVER}]))
    server = start(redis, "--limits", path)
    define(server, "of-redis")
    found = server.get("/v1/limits/of-file")
    same((found.status, set(found.json)), (200, MEMBERS))
    same((found.json["rate"], found.json["burst"], found.json["description"]), (10, 12, "from a file"))
    listed = server.get("/v1/limits").json["items"]
    same(sorted(limit["name"] for limit in listed), ["of-file", "of-redis", "win"])
    same([limit for limit in listed if limit["name"] == "of-file"], [found.json])
    same(passes(server, "of-file", cost=12), True)
    everywhere(server, lambda c: [passes(c, n) for n in ("of-file", "of-redis")], [False, True], "both")
    same([passes(server, "win") for _ in range(4)], [True] * 3 + [False])
    same(reset(server, "win").status, 204)
    for answer in (put(server, "of-file", rate=1, per="1s"), server.request("DELETE", "/v1/limits/of-file")):
        same((answer.status, server.get("/v1/limits/of-file").json["rate"]), (409, 10), answer)
    server.close()


def test_limits_of_a_file_that_is_no_good_are_one_line_and_the_end(redis, directory):
    for text in ("", "{", "5", '{"name": "a"}', '[{"name": "a", "rate": 0, "per": "1s"}]', '[{"rate": 1, "per": "1s"}]',
                 '[{"name": "a b", "rate": 1, "per": "1s"}]', '[{"name": "a", "rate": 1, "per": "1s", "brust": 3}]',
                 '[{"name": "a", "rate": 1, "per": "1s"}, {"name": "a", "rate": 2, "per": "1s"}]', None):
        path = write_file(directory, "limits", text or "") if text is not None else directory + "/none"
        server = start(redis, "--limits", path, ready=False)
        try:
            status = server.process.wait(10)
        except subprocess.TimeoutExpired:
            raise AssertionError("it runs with %r" % text) from None
        log = server.log()
        server.close(status=status)
        same((status in (1, 2), len(log.strip().splitlines())), (True, 1), (text, status, log))


# ---- who may

def closed(redis, directory):
    """A service that takes tokens alone."""
    path = write_file(directory, "keys", json.dumps(KEYS))
    server = start(redis, "--token-keys", path, opened=False)
    same(put(server, "api-a", "", bearer(KEYS, "root"), rate=50, per=EVER).status, 201)
    same(put(server, "slots-a", "", bearer(KEYS, "root"), rate=5, algorithm="concurrency").status, 201)
    yield server
    server.close()


BODY = {"rate": 50, "per": EVER}
CHECK = {"limit": "api-a", "key": "k"}
CALLS = (
    ("PUT", "/v1/limits/api-a", BODY, "write"), ("GET", "/v1/limits/api-a", None, "read"),
    ("GET", "/v1/limits", None, "read"), ("POST", "/v1/check", {"checks": [CHECK]}, "check"),
    ("POST", "/v1/check:batch", {"items": [{"checks": [CHECK]}]}, "check"),
    ("GET", "/v1/authorize?limit=api-a&key=k", None, "check"),
    ("POST", "/v1/refund", CHECK | {"cost": 1, "id": "r"}, "check"), ("POST", "/v1/reset", CHECK, "write"),
    ("POST", "/v1/acquire", {"limit": "slots-a", "key": "k", "ttl_ms": 1000}, "check"),
    ("POST", "/v1/renew", {"lease": "x", "ttl_ms": 1000}, "check"), ("POST", "/v1/release", {"lease": "x"}, "check"),
    ("DELETE", "/v1/limits/api-a", None, "write"))


def test_without_a_good_token_everything_is_401(closed):
    late = bearer(KEYS, "ann", exp=1)
    forged = {"Authorization": bearer(KEYS, "ann")["Authorization"][:-4] + "AAAA"}
    for who in ({}, late, forged, {"Authorization": "Bearer x"}):
        for method, path, body, _ in CALLS:
            answer = closed.request(method, path, body, who)
            same((answer.status, "www-authenticate" in answer.headers), (401, True), (method, path, who))


def test_scope_decides_what_a_token_may(closed):
    """Limits are the server's: any subject with the scope may."""
    for method, path, body, wanted in CALLS:
        for scope in ("read", "write", "check"):
            answer = closed.request(method, path, body, bearer(KEYS, "ann", "limits:" + scope))
            same(answer.status == 403, scope != wanted, (method, path, scope, answer))
            if answer.status == 403:
                same(answer.slug, "forbidden")
    same(put(closed, "adm", "", bearer(KEYS, "eve", "admin"), **BODY).status, 201)


def test_narrowed_scope_covers_the_limits_it_names(closed):
    root = bearer(KEYS, "root")
    for name in ("one", "ones", "team-1", "team-", "tea"):
        same(put(closed, name, "", root, **BODY).status, 201)
    for scope in ("read", "write", "check"):
        narrow = bearer(KEYS, "ann", "limits:%s:team-* limits:%s:one" % (scope, scope))
        for name, covered in (("one", True), ("team-1", True), ("team-", True), ("ones", False), ("tea", False),
                              ("api-a", False)):
            calls = {"read": [closed.get("/v1/limits/" + name, narrow)],
                     "write": [put(closed, name, "", narrow, **BODY), reset(closed, name, headers=narrow)],
                     "check": [check(closed, ask(name), headers=narrow),
                               check(closed, ask("one"), ask(name, "other"), headers=narrow),
                               closed.get("/v1/authorize?limit=%s&key=k" % name, narrow),
                               refund(closed, name, headers=narrow)]}[scope]
            for answer in calls:
                same(answer.status == 403, not covered, (scope, name, answer))
    narrow = bearer(KEYS, "ann", "limits:write:team-*")
    same([closed.request("DELETE", "/v1/limits/" + name, None, narrow).status for name in ("ones", "team-1")],
         [403, 204])
    narrow = bearer(KEYS, "ann", "limits:read:team-* limits:read:one")
    same([one["name"] for one in sum(listed(closed, "limit=2", narrow), [])], ["one", "team-"])
    results = batch(closed, [ask("one", "b")], [ask("tea", "b")], headers=bearer(KEYS, "ann", "limits:check:one"))
    same([one["status"] for one in results], [200, 403])
    same(check(closed, ask("tea", "b", 0), headers=root).json["results"][0]["remaining"], 50)


main(__name__, closed=closed, directory=directory)
