"""service_faults.py - Redis killed, stopped, restarted."""
import os
import shutil
import time

from kit import (BUCKETS, WINDOWS, WORKERS, Connection, Redis, ask, batch, check, define, each_worker, eventually, main,
                 only, passes, peek, redis, render, reset, same, service, start)

POLICIES = ("open", "closed", "local")


def degraded(connection, limit, key="k", cost=1):
    """Allowed and degraded, as told; the status and type of an answer that decides nothing."""
    answer = check(connection, ask(limit, key, cost))
    if answer.status not in (200, 429):
        return answer.status, answer.slug
    return only(answer)["allowed"], only(answer)["degraded"]


def make_policies(server, connections, **more):
    """A limit of each policy, that every worker has asked for."""
    for policy in POLICIES:
        define(server, policy, **({"rate": 6, "on_redis_failure": policy, "deadline_ms": 50} | more))
        for connection in connections:
            same(degraded(connection, policy, "first", 0), (True, False), policy)


def know_each_other():
    """Nodes tell each second that they live, and are believed for three: by then each worker has heard of all."""
    time.sleep(3 if WORKERS != "1" else 0)


def policies_decide(connection):
    """Open lets all pass, closed none, local its share: once a bucket's worth at most."""
    share = 6 // int(WORKERS)
    for key in ("one", "two"):
        same([degraded(connection, "open", key) for _ in range(8)], [(True, True)] * 8)
        same([degraded(connection, "closed", key) for _ in range(2)], [(False, True)] * 2)
        same([degraded(connection, "local", key) for _ in range(8)],
             [(True, True)] * share + [(False, True)] * (8 - share), "local")
    answer = check(connection, ask("closed"))
    same((answer.status, answer.headers["retry-after"].isdigit()), (429, True))
    answer = check(connection, ask("open"), ask("closed", "k2"), ask("local", "k3"))
    same((answer.status, [one["degraded"] for one in answer.json["results"]]), (429, [True] * 3))


def as_ever(connections):
    """No answer is degraded any more."""
    for connection in connections:
        for policy in POLICIES:
            eventually(lambda c=connection, p=policy: degraded(c, p, "after", 0) == (True, False), "Redis's answer")


def test_policy_decides_while_redis_is_gone(service, redis):
    with each_worker(service) as connections:
        make_policies(service, connections)
        know_each_other()
        redis.kill()
        for connection in connections:
            policies_decide(connection)
        redis.start()
        as_ever(connections)
        same([passes(service, "open", "new") for _ in range(7)], [True] * 6 + [False])


def test_policy_decides_while_redis_does_not_answer(redis):
    """Long before Redis's own timeout; and once it is seen to be away, at once."""
    server = start(redis, "--redis-timeout", "20s")
    with each_worker(server) as connections:
        make_policies(server, connections, deadline_ms=100)
        know_each_other()
        redis.pause()
        for connection in connections:
            begun = time.monotonic()
            policies_decide(connection)
            assert time.monotonic() - begun < 15, "as slow as Redis"
        redis.go_on()
        as_ever(connections)
    server.close()


def test_checks_that_redis_finds_waiting_share_one_state(service, redis):
    """Each is sent before any is answered: who decides by what it read before it writes lets too many pass."""
    others = ["other-%d" % n for n in range(12)]
    for name in others:
        define(service, name, rate=100, deadline_ms=10000)
    for algorithm in BUCKETS + WINDOWS:
        define(service, algorithm, algorithm=algorithm, rate=5, deadline_ms=10000)
        eventually(lambda: service.metric("ratelimit_tracking_up") == int(WORKERS), "tracking")
        with each_worker(service) as connections:
            for connection in connections:
                same(peek(connection, algorithm), 5)
                for name in others:
                    passes(connection, name, cost=0)
        sent = service.metric("ratelimit_limit_scripts_total")
        clients = [Connection(service.port) for _ in range(12)]
        redis.pause()
        for other, client in zip(others, clients):  # beside another limit each is a script call of its own
            client.send(render("POST", "/v1/check", {"checks": [ask(algorithm), ask(other)]}))
        eventually(lambda n=sent: service.metric("ratelimit_limit_scripts_total") == n + 12, "twelve calls")
        redis.go_on()
        same(sorted(client.answer().status for client in clients), [200] * 5 + [429] * 7, algorithm)
        for client in clients:
            client.close()


def test_limits_known_once_are_known_through_an_outage(service, redis):
    """However long it lasts, and whatever was heard of in between."""
    with each_worker(service) as connections:
        make_policies(service, connections)
        for _ in range(2):
            redis.kill()
            eventually(lambda: service.get("/readyz").status == 503, "not being ready")
            for connection in connections:
                for _ in range(10):
                    same(degraded(connection, "open"), (True, True))
            redis.start()
            as_ever(connections)


def test_batch_is_answered_by_policy_too(service, redis):
    with each_worker(service) as connections:
        make_policies(service, connections)
        redis.kill()
        for _ in connections:
            results = batch(service, *[[ask(policy, "b")] for policy in ("open", "closed", "open")])
            same([one["status"] for one in results], [200, 429, 200])
            same([one["value"]["results"][0]["degraded"] for one in results], [True] * 3)
        for path in ("/v1/authorize?limit=open&key=k", "/v1/authorize?limit=closed&key=k"):
            same(service.get(path).status, 204 if "open" in path else 403)
        redis.start()
        as_ever(connections)


def test_what_only_redis_can_do_is_503_while_it_is_away(service, redis):
    define(service, "a")
    same(passes(service, "a"), True)
    redis.kill()
    for method, path, body in (("PUT", "/v1/limits/a", {"rate": 1, "per": "1s"}), ("DELETE", "/v1/limits/a", None),
                               ("GET", "/v1/limits", None), ("POST", "/v1/reset", {"limit": "a", "key": "k"}),
                               ("POST", "/v1/refund", {"limit": "a", "key": "k", "cost": 1, "id": "r"})):
        answer = service.request(method, path, body)
        same((answer.status, "retry-after" in answer.headers), (503, True), (method, path))
    answer = check(service, ask("never-heard-of"))
    same(answer.status, 503, answer)
    redis.start()
    with each_worker(service) as connections:
        for connection in connections:
            eventually(lambda c=connection: degraded(c, "a", "other", 0) == (True, False), "Redis's answer")
    same((reset(service, "a").status, peek(service, "a")), (204, 5))


def test_slots_follow_the_policy(service, redis):
    with each_worker(service) as connections:
        for policy in POLICIES[:2]:
            define(service, policy, algorithm="concurrency", rate=1, per=None, on_redis_failure=policy, deadline_ms=50)
        def acquire(connection, policy):
            connection.send(render("POST", "/v1/acquire", {"limit": policy, "key": "k", "ttl_ms": 60000}))
            return connection.answer()
        for connection in connections:
            for policy in POLICIES[:2]:
                acquire(connection, policy)
        redis.kill()
        for connection in connections:
            same([acquire(connection, "open").status for _ in range(3)], [200] * 3)
            same(acquire(connection, "closed").status, 429)
        redis.start()
        for connection in connections:
            eventually(lambda c=connection: acquire(c, "open").status == 429, "Redis's answer")


def test_redis_away_at_start(redis):
    define_first = start(redis)
    define(define_first, "a", on_redis_failure="open", deadline_ms=50)
    define_first.close()
    redis.kill()
    server = start(redis, ready=False)
    eventually(lambda: is_up(server), "health")
    same((server.get("/readyz").status, check(server, ask("a")).status), (503, 503))
    redis.start()
    eventually(lambda: check(server, ask("a")).status == 200, "the limit")
    server.close()


def test_policy_decides_of_limits_that_nobody_has_used(redis):
    """Those made before the start and those made since, by whatever worker."""
    first = start(redis)
    for policy in POLICIES:
        define(first, policy, rate=6, on_redis_failure=policy, deadline_ms=50)
    first.close()
    server = start(redis)
    with each_worker(server) as connections:
        for policy in POLICIES:
            define(server, policy + "-2", rate=6, on_redis_failure=policy, deadline_ms=50)
        eventually(lambda: server.metric("ratelimit_limits") == 6 * len(connections), "all are known")
        redis.kill()
        for connection in connections:
            for policy in POLICIES:
                for limit in (policy, policy + "-2"):
                    same(degraded(connection, limit, limit), (policy != "closed", True), limit)
    server.close()


def test_policy_charges_no_share_in_vain(redis):
    server = start(redis)
    define(server, "closed", rate=6, on_redis_failure="closed", deadline_ms=50)
    define(server, "local", rate=6, on_redis_failure="local", deadline_ms=50)
    with each_worker(server) as connections:
        eventually(lambda: server.metric("ratelimit_limits") == 2 * len(connections), "all are known")
        know_each_other()
        redis.kill()
        for connection in connections:
            before = only(check(connection, ask("local", "y", 0)))["remaining"]
            for _ in range(3):
                same(check(connection, ask("closed", "x"), ask("local", "y")).status, 429)
            after = only(check(connection, ask("local", "y", 0)))
            same((before > 0, after["remaining"], after["degraded"]), (True, before, True))
    server.close()


def test_made_up_names_drive_out_no_limit(redis):
    server = start(redis)
    define(server, "a", rate=6, on_redis_failure="open", deadline_ms=50)
    with each_worker(server) as connections:
        eventually(lambda: server.metric("ratelimit_limits") == len(connections), "it is known")
        for connection in connections:
            for n in range(18):
                connection.send(render("POST", "/v1/check:batch", {"items": [
                    {"checks": [ask("none-%d-%d" % (n, i))]} for i in range(1000)]}))
                same({one["status"] for one in connection.answer().json["results"]}, {404})
        redis.kill()
        for connection in connections:
            same(degraded(connection, "a", "k"), (True, True))
    server.close()


def test_redis_that_lost_its_limits_is_believed():
    """Emptied, or away and back without them: nobody decides once more by what was known before."""
    store = Redis()
    server = start(store)

    def linked(count):
        for link in ("tracking", "redis"):
            eventually(lambda n=link: server.metric("ratelimit_%s_up" % n) == count, "%d with %s" % (count, link))
    with each_worker(server) as connections:
        for emptied in (True, False):
            define(server, "a", rate=6, on_redis_failure="open", deadline_ms=10000)
            for connection in connections * 5:  # known, and not told of any more
                eventually(lambda c=connection: passes(c, "a", cost=0) is True, "the limit")
            linked(int(WORKERS))
            if emptied:
                for connection in connections:
                    same([degraded(connection, "a", "k", 6)[0] for _ in range(2)][-1], False)
                store.cli("FLUSHALL")
                for connection in connections:
                    eventually(lambda c=connection: degraded(c, "a", "other") == (404, "no-such-limit"), "the loss")
                define(server, "a", rate=7, on_redis_failure="open", deadline_ms=10000)
                for connection in connections:
                    eventually(lambda c=connection: degraded(c, "a", "other", 0) == (True, False), "the limit")
                same(passes(connections[-1], "a", cost=7), True)
                continue
            store.kill()
            linked(0)
            shutil.rmtree(os.path.join(store.dir, "appendonlydir"))
            store.start()
            linked(int(WORKERS))
            for connection in connections:
                same(degraded(connection, "a"), (404, "no-such-limit"))
    server.close()
    store.close()


def is_up(server):
    try:
        return server.get("/healthz").status == 200
    except OSError:
        return False


def test_state_outlives_redis_and_the_service():
    store = Redis(appendfsync="always")
    server = start(store)
    for algorithm in BUCKETS + ("fixed_window", "sliding_window", "sliding_log"):
        define(server, algorithm, algorithm=algorithm, rate=10)
        same(passes(server, algorithm, cost=7), True)
    store.kill()
    store.start()
    server.wait_ready()
    server.close()
    server = start(store)
    for algorithm in BUCKETS + ("fixed_window", "sliding_window", "sliding_log"):
        same((peek(server, algorithm), passes(server, algorithm, cost=4), passes(server, algorithm, cost=3)),
             (3, False, True), algorithm)
    server.close()
    store.close()


def test_scripts_lost_are_sent_again(service, redis):
    define(service, "a", rate=100)
    for n in range(1, 6):
        redis.cli("SCRIPT", "FLUSH")
        answer = check(service, ask("a"))
        same((answer.status, only(answer)["remaining"], only(answer)["degraded"]), (200, 100 - n, False))


main(__name__)
