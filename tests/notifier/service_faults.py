"""
service_faults.py - Redis, links, workers and nodes are killed while updates are published and streams return.

Every history is checked (history.py): each update once and in order, or a gap.
"""
import contextlib
import json
import os
import random
import signal
import threading

from history import Seen, check
from kit import (HUB, SOAK, WORKERS, Closed, Redis, RedisError, Stream, directory, eventually, main, post, publish, redis,
                 same, service, start, write_file)

TOPICS = ("t/0", "t/1", "u")
KINDS = {"exact": ("t/0",), "many": TOPICS, "pattern": ("t/{n}",), "all": ("*",), "mixed": ("u", "{+any}")}
MATCHED = {"exact": ("t/0",), "many": TOPICS, "pattern": ("t/0", "t/1"), "all": TOPICS, "mixed": TOPICS}
ROUNDS = 12 if SOAK else 3


class Publisher(threading.Thread):
    """Numbers of one topic, each sent until it is answered; to any of the servers."""

    def __init__(self, topic, servers, chance):
        super().__init__(daemon=True)
        self.topic, self.servers, self.chance = topic, servers, chance
        self.count, self.ending = 0, False

    def run(self):
        while not self.ending:
            pairs = [("topic", self.topic), ("data", json.dumps([self.topic, self.count])),
                     ("id", "%s-%d" % (self.topic, self.count))]
            with contextlib.suppress(OSError, EOFError):
                self.count += post(self.chance.choice(self.servers), pairs).status == 200

    def end(self):
        self.ending = True
        self.join()


class Subscriber(threading.Thread):
    """A stream that returns with its last id, when it is cut and now and then by itself."""

    def __init__(self, kind, servers, chance):
        super().__init__(daemon=True)
        self.kind, self.servers, self.chance = kind, servers, chance
        self.seen = Seen(kind, MATCHED[kind])
        self.ending, self.last = False, None
        self.first = self._open()

    def _open(self):
        stream = Stream(self.chance.choice(self.servers), *KINDS[self.kind], last=self.last, wait=not self.last)
        self.last = self.last or stream.id
        return stream

    def run(self):
        stream = self.first
        while not self.ending:
            try:
                stream = stream or self._open()
                for _ in range(self.chance.randrange(1, 200)):
                    self._take(stream.next(0.5))
                    self.last = stream.id
                stream.close()
                stream = None
            except TimeoutError:
                pass
            except (Closed, OSError, ValueError, IndexError):  # cut, at any byte
                stream = None

    def _take(self, event):
        data = json.loads(event.data)
        if event.type == "notifier.gap":
            self.seen.gap(data["topic"], data["reason"])
        else:
            self.seen.data(*data)

    def end(self):
        self.ending = True
        self.join()


class Traffic:
    """Publishers and subscribers of all kinds over some servers, which may be exchanged."""

    def __init__(self, servers):
        seed = random.randrange(1 << 30)
        print("seed", seed, flush=True)
        self.chance = random.Random(seed)
        self.servers = servers
        self.subscribers = [Subscriber(kind, servers, random.Random(seed + n)) for n, kind in enumerate(KINDS)]
        self.publishers = [Publisher(topic, servers, random.Random(seed - n)) for n, topic in enumerate(TOPICS)]
        for thread in self.subscribers + self.publishers:
            thread.start()

    def flow(self, more=30):
        """Until so many more have been published of each topic."""
        counts = [publisher.count + more for publisher in self.publishers]
        eventually(lambda: all(p.count >= c for p, c in zip(self.publishers, counts)), "updates that flow", deadline=60)

    def check(self, lost=False):
        """Everything has come, or is covered by a gap; lost: there must be one."""
        for publisher in self.publishers:
            publisher.end()
        counts = {p.topic: p.count for p in self.publishers}

        def all_seen():
            return all(s.seen.last(topic) == counts[topic] - 1 for s in self.subscribers for topic in s.seen.topics)
        try:
            eventually(all_seen, "the end of all topics", deadline=60)
        finally:
            for subscriber in self.subscribers:
                subscriber.end()
        check(counts, [s.seen for s in self.subscribers])
        gaps = [event for s in self.subscribers for event in s.seen.events if event[0] == "gap"]
        if not lost:
            same(gaps, [])
        return gaps


def settled(server):
    """All partitions are known to each worker, once a pattern's subscriber is told where it stands."""
    with Stream(server, "*"):
        pass


def with_traffic(store, fault, nodes=1, lost=False, **more):
    servers = [start(store, "--retry", "50ms", **more) for _ in range(nodes)]
    traffic = Traffic(servers)
    traffic.flow()
    for _ in range(ROUNDS):
        fault(traffic)
        traffic.flow()
    gaps = traffic.check(lost)
    for server in servers:
        server.close()
    return gaps


def test_pubsub_links_killed(redis):
    with_traffic(redis, lambda traffic: redis.cli("CLIENT", "KILL", "TYPE", "pubsub"), nodes=2)


def test_all_links_killed(redis):
    def kill(_traffic):
        with contextlib.suppress(RedisError, EOFError, OSError):
            redis.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        redis.cli("CLIENT", "KILL", "TYPE", "pubsub")
    with_traffic(redis, kill, nodes=2)


def test_redis_killed_and_restarted():
    store = Redis(appendfsync="always")

    def kill(_traffic):
        store.kill()
        store.start()
    with_traffic(store, kill)
    store.close()


def test_redis_paused(redis):
    def pause(_traffic):
        redis.pause()
        threading.Event().wait(1.5)  # longer than links wait for an answer
        redis.go_on()
    with_traffic(redis, pause)


def test_workers_killed(redis):
    def kill(traffic):
        traffic.servers[0].kill_worker()
    with_traffic(redis, kill)


def test_nodes_drained_while_another_goes_on(redis):
    def drain(traffic):
        old = traffic.servers[0]
        traffic.servers[0] = start(redis, "--retry", "50ms")
        old.close()
    with_traffic(redis, drain, nodes=2)


def test_redis_that_lost_everything_is_told(redis):
    gaps = with_traffic(redis, lambda traffic: redis.cli("FLUSHALL"), nodes=2, lost=True)
    assert "epoch" in {gap[2] for gap in gaps}, gaps


def begin_empty(store):
    """As a cache would, without what it had."""
    store.kill()
    for name in os.listdir(store.dir):
        if name.startswith("appendonly") or name.endswith((".rdb", ".aof")):
            path = os.path.join(store.dir, name)
            for file in os.listdir(path) if os.path.isdir(path) else ():
                os.remove(os.path.join(path, file))
            if not os.path.isdir(path):
                os.remove(path)
    store.start()


def test_redis_restarted_empty_is_told():
    store = Redis()
    gaps = with_traffic(store, lambda _traffic: begin_empty(store), lost=True)
    assert "epoch" in {gap[2] for gap in gaps}, gaps
    store.close()


def test_redis_that_loses_all_while_topics_are_read_takes_nothing_of_another():
    """What its ring has is given, and the gap behind it, though the log is gone."""
    store = Redis()
    server = start(store, "--workers", "1")
    others = ["a%02d" % n for n in range(60)]
    with Stream(server, *others, "b") as first:
        for topic in others + ["b"]:
            publish(server, topic, "0")
        first.take(61)
        last = first.id
    with Stream(server, "b") as ring:  # so that the worker has what b's subscriber missed, and of the others nothing
        for data in ("1", "2"):
            publish(server, "b", data)
        for topic in others:
            publish(server, topic, "1")
        ring.take(2)
        store.pause()
        with Stream(server, *others, "b", last=last) as again:
            again.settle()  # what it misses is to be read next
            begin_empty(store)
            seen = []
            while ("b", "epoch") not in seen:
                event = again.next()
                about = json.loads(event.data)
                seen.append((about["topic"], about["reason"]) if event.type == "notifier.gap" else about)
            same([event for event in seen if event in (1, 2) or event[0] == "b"], [1, 2, ("b", "epoch")])
            publish(server, "b", "3")
            eventually(lambda: again.next().data == "3", "what comes behind it")
    server.close()
    store.close()


def test_log_that_is_deleted_is_told(redis):
    def delete(traffic):
        redis.cli("DEL", redis.cli("KEYS", "no:log:*:" + traffic.chance.choice(TOPICS))[0])
    with_traffic(redis, delete, nodes=2, lost=True)


def test_references_that_are_deleted_lose_nothing_of_topics(redis):
    def delete(_traffic):
        redis.cli("DEL", *redis.cli("KEYS", "no:refs:*"))
    gaps = with_traffic(redis, delete, nodes=2, lost=True)
    same([gap for gap in gaps if gap[1] in TOPICS], [])


def test_slow_reader_of_a_log_is_closed_and_comes_back_whole(redis):
    server = start(redis, "--max-kept", "4k")
    data = "x" * 8000
    with Stream(server, "a") as slow, Stream(server, "a") as other:
        for n in range(900):
            publish(server, "a", "%d %s" % (n, data))
            same(int(other.next().data.split()[0]), n)
        eventually(lambda: server.metric("notifier_slow_closed_total") == 1, "the slow one closed")
        seen = []
        with contextlib.suppress(Closed):
            while True:
                event = slow.next()
                seen.append(int(event.data.split()[0]))
                last = event.id  # not that of one which did not come whole
    with Stream(server, "a", last=last) as again:
        seen += [int(d.split()[0]) for d in again.data_of(900 - len(seen))]
    same(seen, list(range(900)))
    server.close()


def test_a_topic_that_begins_while_another_one_is_read_has_no_gap(redis):
    server = start(redis, "--max-kept", "4k")
    data = "x" * 16000
    with Stream(server, "a", "b") as stream:
        last = stream.id
    for n in range(900):
        publish(server, "a", "%d %s" % (n, data))
    with Stream(server, "a", "b", last=last) as again:  # which has more to read than the system keeps for it
        again.take(1)
        publish(server, "b", "first")
        events = again.take(900)
    same([(event.type, event.data.split()[0]) for event in events],
         [("message", str(n)) for n in range(1, 900)] + [("message", "first")])
    server.close()


def test_slow_reader_of_a_state_has_the_newest(redis, directory):
    topics = write_file(directory, "topics.json", '[{"pattern": "prices/{s}", "mode": "state"}]')
    server = start(redis, "--topics", topics, "--max-kept", "4k")
    data = "x" * 8000
    with Stream(server, "prices/x") as slow:
        for n in range(900):
            publish(server, "prices/x", "%d %s" % (n, data))
        seen = []
        while not seen or seen[-1] != 899:
            event = slow.next()
            assert event.type == "message", event
            seen.append(int(event.data.split()[0]))
        assert seen == sorted(set(seen)) and len(seen) < 900, seen
        same(server.metric("notifier_slow_closed_total"), 0)
        first = slow.id
        publish(server, "prices/x", "900")
        publish(server, "prices/x", "901")
        slow.take(1)
    with Stream(server, "prices/x", last=first) as again:
        same(again.next().data, "901")
    server.close()


def test_retry_completes_an_update_of_several_topics(redis):
    for point in ("publication-send", "publication-half", "publication-done"):
        server = start(redis, "--crash-at", point)
        topics = ["%s/%d" % (point, n) for n in range(4)]
        with contextlib.suppress(OSError, EOFError):
            answer = post(server, [("topic", t) for t in topics] + [("data", "x"), ("id", point)])
            raise AssertionError("%s: %s" % (point, answer))
        eventually(lambda s=server: s.logged("worker ended"), "the crash at " + point)
        server.wait_ready()
        for _ in range(2):
            same(publish(server, topics, "x", id=point), point)
        for topic in topics:
            same(redis.cli("XLEN", redis.cli("KEYS", "no:log:*:" + topic)[0]), 1, topic)
        server.close()


main(__name__)
