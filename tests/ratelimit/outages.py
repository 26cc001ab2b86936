"""outages.py - Redis goes and comes back under checks: what passed above the envelope, what Redis then sees."""
import contextlib
import threading
import time

from lab import Connection, eventually, render, same
from laws import bucket_excess

CLIENTS = 12
PERIODS = 10  # of a fifth of a second: two seconds
CHECKS = 40  # in each


def question(limit, key="k", cost=1):
    return render("POST", "/v1/check", {"checks": [{"limit": limit, "key": key, "cost": cost}]})


def is_by_redis(connection, limit):
    """Redis answers this worker again."""
    connection.send(question(limit, "another", 0))
    answer = connection.answer()
    return answer.status == 200 and not answer.json["results"][0]["degraded"]


def hammer(port, limit, until, admitted, wrong):
    """Ask and ask; (sent, answered, cost) of what was admitted."""
    try:
        connection = Connection(port)
        while not until.is_set():
            sent = time.time_ns() // 1000
            connection.send(question(limit))
            answer = connection.answer()
            assert answer.status in (200, 429), answer
            if answer.status == 200:
                admitted.append((sent, time.time_ns() // 1000, 1))
        connection.close()
    except Exception as error:  # pylint: disable=broad-except
        wrong.append(error)


@contextlib.contextmanager
def hammered(port, limit):
    """The history of what is admitted meanwhile."""
    admitted, wrong, until = [], [], threading.Event()
    threads = [threading.Thread(target=hammer, args=(port, limit, until, admitted, wrong)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield admitted
    finally:
        until.set()
        for thread in threads:
            thread.join()
    same(wrong, [])


def excess(server, store, limit, lasting, workers):
    """Tokens above the envelope of a limit {rate (a second), burst} over outages that last so long (s)."""
    name, rate, burst = limit["name"], limit["rate"], limit["burst"]
    with server.connections(workers) as connections, hammered(server.port, name) as admitted:
        for outage in lasting:
            eventually(lambda: len(admitted) > burst, "an empty bucket")
            store.kill()
            time.sleep(outage)  # how long Redis is away
            store.start()
            for connection in connections:
                eventually(lambda c=connection: is_by_redis(c, name), "Redis's answer")
    return bucket_excess(admitted, rate, 10**6, burst)


def commands(store):
    """How many commands it has seen, but those that ask for this."""
    seen = dict(line.split(":", 1) for line in store.cli("INFO", "commandstats").splitlines() if ":" in line)
    return sum(int(value.split("=")[1].split(",")[0]) for name, value in seen.items()
               if name not in ("cmdstat_info", "cmdstat_ping"))


def two_seconds(connections, limit):
    """As many checks a fifth of a second, whatever becomes of them."""
    begun = time.monotonic()
    for period in range(PERIODS):
        for i in range(CHECKS):
            connections[i % len(connections)].send(question(limit, "k%d" % i))
        for i in range(CHECKS):
            same(connections[i % len(connections)].answer().status, 200)
        time.sleep(max(0, begun + (period + 1) / 5 - time.monotonic()))  # the next is due


def commands_on_return(server, store, limit):
    """{how Redis was away: commands it saw in the two seconds after}, and in two seconds of the same before."""
    seen = {}
    with server.connections(1) as (first,):
        connections = [first] + [Connection(server.port) for _ in range(7)]
        two_seconds(connections, limit)
        before = commands(store)
        two_seconds(connections, limit)
        steady = commands(store) - before
        for how, go, come in (("killed", store.kill, store.start), ("stopped", store.pause, store.go_on)):
            go()
            two_seconds(connections, limit)
            come()
            before = 0 if how == "killed" else commands(store)
            two_seconds(connections, limit)
            seen[how] = commands(store) - before
            eventually(lambda: is_by_redis(first, limit), "Redis's answer")
            server.wait_ready()
        for connection in connections[1:]:
            connection.close()
    return seen, steady
