"""service_outages.py - what an outage costs: tokens above the envelope, commands when Redis is back."""
import time

from kit import SOAK, WORKERS, Redis, ask, check, define, each_worker, main, redis, service, start
from outages import commands_on_return, excess

LIMIT = {"rate": 20, "burst": 30}  # that is hammered through an outage


def test_local_exceeds_the_envelope_by_two_bursts_at_the_most():
    """
    An outage that the bucket would have filled in, and in soak shorter and longer ones.  The shares start with what
    each worker heard of the bucket last, at most a burst together; Redis's own bucket fills while it is away.
    """
    for mode in ("strict", "leased"):
        store = Redis(appendfsync="always")
        server = start(store)
        define(server, "hot", per="1s", mode=mode, on_redis_failure="local", deadline_ms=50, **LIMIT)
        with each_worker(server) as connections:
            for connection in connections:
                check(connection, ask("hot", "another"))
        # Nodes tell each second that they live, and are believed for three: by then each worker has heard of all.
        time.sleep(3 if WORKERS != "1" else 0)
        lasting = (2,) if not SOAK else (0.3, 2, 5)
        above = excess(server, store, LIMIT | {"name": "hot"}, lasting, int(WORKERS))
        print("%s: %.1f above the envelope, %d outages" % (mode, above, len(lasting)))
        assert above <= 2 * LIMIT["burst"] * len(lasting), (mode, above)
        server.close()
        store.close()


def test_redis_that_returns_is_not_overrun(service, redis):
    define(service, "hot", rate=10**6, on_redis_failure="open", deadline_ms=200)
    seen, steady = commands_on_return(service, redis, "hot")
    assert steady >= 300, steady
    for how, count in seen.items():
        print("%s: %d commands, steady %d" % (how, count, steady))
        assert count <= 2 * steady, (how, count, steady)


main(__name__)
