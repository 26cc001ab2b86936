"""service_leases.py - tokens that workers hold: none is spent twice, whoever dies."""
import time

from kit import (SOAK, WORKERS, ask, batch, check, define, each_worker, eventually, main, passes, peek, redis, render, same,
                 seeded, service, start)
from laws import bucket_excess

BURST = 30  # of the limit whose workers die


def test_leased_limit_admits_its_burst_and_no_more(service):
    """Whoever holds tokens gives them back or spends them: in the end all are spent, and none twice."""
    for algorithm in ("token_bucket", "fixed_window", "sliding_window"):
        define(service, algorithm, algorithm=algorithm, rate=60, mode="leased")
        with each_worker(service) as connections:
            admitted = sum(passes(c, algorithm) for _ in range(15) for c in connections)

            def all_spent():
                nonlocal admitted
                for connection in connections:
                    admitted += passes(connection, algorithm)
                assert admitted <= 60, (algorithm, admitted)
                return admitted == 60
            eventually(all_spent, "%s: all of 60" % algorithm)
            for connection in connections:
                same(passes(connection, algorithm), False)


def test_change_of_a_limit_loses_no_token_that_is_held(service):
    """Whoever uses the key first carries it over; what others hold goes back all the same."""
    changes = ({"description": "x"}, {"mode": "strict"}, {"algorithm": "fixed_window"}, {"algorithm": "sliding_log"},
               {"algorithm": "token_bucket", "burst": 100})
    for algorithm in ("token_bucket", "fixed_window", "sliding_window"):
        for n, change in enumerate(changes):
            name, fields = "%s-%d" % (algorithm, n), {"algorithm": algorithm, "rate": 100, "mode": "leased"}
            define(service, name, **fields)
            with each_worker(service) as connections:
                used = sum(passes(c, name) for _ in range(60 // len(connections)) for c in connections)
                fields |= change
                if fields["algorithm"] == "sliding_log":
                    fields["mode"] = "strict"
                define(service, name, **fields)
                used += sum(passes(connections[0], name) for _ in range(8))
                eventually(lambda c=connections[-1], left=100 - used, name=name: peek(c, name) == left,
                           "%s, %r: all that was not used" % (name, change))
                same(check(service, ask(name, cost=100 - used)).status, 200)
                same(passes(service, name), False)


def test_leases_given_back_at_the_end_are_there_for_the_next(redis):
    server = start(redis)
    define(server, "a", rate=100, mode="leased")
    with each_worker(server) as connections:
        spent = sum(passes(c, "a") for _ in range(10) for c in connections)
    server.close()
    server = start(redis)
    same(peek(server, "a"), 100 - spent)
    server.close()


def test_leases_of_a_killed_worker_are_back_but_never_more(service):
    """A bucket that fills in a second: with the lease's second over it is full, and no fuller."""
    rng = seeded()
    define(service, "hot", rate=BURST, per="1s", burst=BURST, mode="leased", on_redis_failure="closed",
           deadline_ms=2000)
    admitted = []
    for _ in range(10 if SOAK else 3):
        with each_worker(service) as connections:
            begun = time.monotonic()
            while time.monotonic() - begun < 0.4:
                for connection in connections:
                    sent = time.time_ns() // 1000
                    if passes(connection, "hot"):
                        admitted.append((sent, time.time_ns() // 1000, 1))
        service.kill_worker(rng.randrange(int(WORKERS)))
        service.wait_ready()
        eventually(lambda: peek(service, "hot") == BURST, "a full bucket")
        sent = time.time_ns() // 1000
        results = batch(service, *[[ask("hot")]] * (2 * BURST))
        answered = time.time_ns() // 1000
        count = [one["status"] for one in results].count(200)
        assert count >= BURST // 2, count
        admitted += [(sent, answered, 1)] * count
    excess = bucket_excess(admitted, BURST, 10**6, BURST)
    print("%d admitted, %.1f above the envelope" % (len(admitted), excess))
    assert excess <= 0, excess


def test_bucket_does_not_fill_up_beside_what_is_held(service):
    """Tokens are taken in a rush, kept by a call now and then while the bucket fills; then all that is there goes."""
    rate, burst, admitted = 60, 60, []
    define(service, "kept", rate=rate, per="1s", burst=burst, mode="leased", on_redis_failure="closed",
           deadline_ms=2000)

    def one_each(connections):
        for connection in connections:
            sent = time.time_ns() // 1000
            if passes(connection, "kept"):
                admitted.append((sent, time.time_ns() // 1000, 1))
    with each_worker(service) as connections:
        for _ in range(8 if SOAK else 3):
            for _ in range(30 // len(connections)):
                one_each(connections)
            for _ in range(7):
                time.sleep(0.12)  # less than what makes a worker give back
                one_each(connections)
            body = {"items": [{"checks": [ask("kept")]}] * 2 * burst}
            sent = time.time_ns() // 1000
            for connection in connections:
                connection.send(render("POST", "/v1/check:batch", body))
            for connection in connections:
                results = connection.answer().json["results"]
                admitted += [(sent, time.time_ns() // 1000, 1)] * [one["status"] for one in results].count(200)
            eventually(lambda: peek(service, "kept") == burst, "a full bucket")
    assert service.metric("ratelimit_limit_leased_tokens_total") > 10
    excess = bucket_excess(admitted, rate, 10**6, burst)
    print("%d admitted, %.1f above the envelope" % (len(admitted), excess))
    assert excess <= 0, "%.1f above the envelope" % excess


def test_tokens_of_a_killed_worker_are_spent_by_nobody_else(service):
    """Of tokens that never come back, what the dead one held is lost at the worst: never spent twice."""
    define(service, "a", rate=100, mode="leased")
    with each_worker(service) as connections:
        admitted = sum(passes(c, "a") for _ in range(20) for c in connections)
    service.kill_worker()
    service.wait_ready()
    denied_since = None

    def all_spent():
        nonlocal admitted, denied_since
        passed = passes(service, "a")
        admitted += passed
        assert admitted <= 100, admitted
        denied_since = None if passed else denied_since or time.monotonic()
        return denied_since and time.monotonic() - denied_since > 1.5  # longer than a lease
    eventually(all_spent, "the end of the tokens")
    print(admitted, "of 100 admitted")
    assert admitted >= 50, admitted


main(__name__)
