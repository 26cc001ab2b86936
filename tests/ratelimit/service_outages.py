"""service_outages.py - what an outage costs: tokens above the envelope, commands when Redis is back."""
import threading
import time

from kit import (SOAK, WORKERS, Connection, Redis, ask, check, define, each_worker, eventually, main, redis, render,
                 same, service, start)
from laws import bucket_excess

RATE, BURST = 20, 30  # of the limit that is hammered through an outage


def only(answer):
    return answer.json["results"][0]


def is_back(connection):
    """Redis answers this worker again."""
    answer = check(connection, ask("hot", "another", 0))
    return answer.status == 200 and not only(answer)["degraded"]


def hammer(port, until, admitted, wrong):
    """Ask and ask; (sent, answered, cost) of what was admitted."""
    try:
        connection = Connection(port)
        while not until.is_set():
            sent = time.time_ns() // 1000
            connection.send(render("POST", "/v1/check", {"checks": [ask("hot")]}))
            answer = connection.answer()
            assert answer.status in (200, 429), answer
            if answer.status == 200:
                admitted.append((sent, time.time_ns() // 1000, 1))
        connection.close()
    except Exception as error:  # pylint: disable=broad-except
        wrong.append(error)


def test_local_exceeds_the_envelope_by_two_bursts_at_the_most():
    """
    An outage that the bucket would have filled in, and in soak shorter and longer ones.  The shares start with what
    each worker heard of the bucket last, at most a burst together; Redis's own bucket fills while it is away.
    """
    for mode in ("strict", "leased"):
        store = Redis(appendfsync="always")
        server = start(store)
        define(server, "hot", rate=RATE, per="1s", burst=BURST, mode=mode, on_redis_failure="local")
        with each_worker(server) as connections:
            for connection in connections:
                check(connection, ask("hot", "another"))
        # Nodes tell each second that they live, and are believed for three: by then each worker has heard of all.
        time.sleep(3 if WORKERS != "1" else 0)
        admitted, wrong, until = [], [], threading.Event()
        threads = [threading.Thread(target=hammer, args=(server.port, until, admitted, wrong)) for _ in range(12)]
        for thread in threads:
            thread.start()
        outages = (2,) if not SOAK else (0.3, 2, 5)
        try:
            for outage in outages:
                eventually(lambda: len(admitted) > BURST, "an empty bucket")
                store.kill()
                time.sleep(outage)  # how long Redis is away
                store.start()
                with each_worker(server) as connections:
                    for connection in connections:
                        eventually(lambda c=connection: is_back(c), "Redis's answer")
        finally:
            until.set()
            for thread in threads:
                thread.join()
        same(wrong, [])
        excess = bucket_excess(admitted, RATE, 10**6, BURST)
        print("%s: %d admitted, %.1f above the envelope, %d outages" % (mode, len(admitted), excess, len(outages)))
        assert excess <= 2 * BURST * len(outages), (mode, excess)
        server.close()
        store.close()


def commands(store):
    """How many commands it has seen, but those of this test."""
    seen = dict(line.split(":", 1) for line in store.cli("INFO", "commandstats").splitlines() if ":" in line)
    return sum(int(value.split("=")[1].split(",")[0]) for name, value in seen.items()
               if name not in ("cmdstat_info", "cmdstat_ping"))


def test_redis_that_returns_is_not_overrun(service, redis):
    """Forty checks a fifth of a second, whatever becomes of them: two seconds of it before, two after."""
    define(service, "hot", rate=10**6, on_redis_failure="open", deadline_ms=200)
    connections = [Connection(service.port) for _ in range(8)]

    def two_seconds():
        begun = time.monotonic()
        for n in range(10):
            for i in range(40):
                connections[i % 8].send(render("POST", "/v1/check", {"checks": [ask("hot", "k%d" % i)]}))
            for i in range(40):
                same(connections[i % 8].answer().status, 200)
            time.sleep(max(0, begun + (n + 1) / 5 - time.monotonic()))  # the next is due
    two_seconds()
    before = commands(redis)
    two_seconds()
    steady = commands(redis) - before
    assert steady >= 300, steady
    for how in ("killed", "stopped"):
        if how == "killed":
            redis.kill()
        else:
            redis.pause()
        two_seconds()
        before = 0
        if how == "killed":
            redis.start()
        else:
            redis.go_on()
            before = commands(redis)
        two_seconds()
        after = commands(redis) - before
        print("%s: %d commands, steady %d" % (how, after, steady))
        assert after <= 2 * steady, (how, after, steady)
        eventually(lambda: only(check(service, ask("hot")))["degraded"] is False, "Redis's answer")
        service.wait_ready()
    for connection in connections:
        connection.close()


main(__name__)
