"""service_outbox.py - --source: entries of a stream are published, each once and in order, whatever is killed."""
import random
import signal

from kit import SOAK, WORKERS, Redis, Stream, eventually, main, redis, same, service, start

STREAM, TOPIC = "sh:events", "clicks"
POINTS = ("source-read", "source-published", "source-acknowledged")


def put(store, count, first=0, **fields):
    for n in range(first, first + count):
        store.cli("XADD", STREAM, "*", *sum(({"data": str(n)} | fields).items(), ()))


def pending(store):
    return store.cli("XPENDING", STREAM, "notifier")[0]


def published(store, topic=TOPIC):
    """The data in the topic's log, in order."""
    keys = store.cli("KEYS", "no:log:*:" + topic)
    entries = store.cli("XRANGE", keys[0], "-", "+") if keys else []
    return [entry[1][3].rsplit("\n\n", 1)[1] for entry in entries]


def all_published(store, count):
    eventually(lambda: len(published(store)) >= count and pending(store) == 0, "%d published" % count, deadline=60)
    same(published(store), [str(n) for n in range(count)])


def test_entries_are_published_once_and_in_order(redis):
    put(redis, 50)
    server = start(redis, "--source", "%s=%s" % (STREAM, TOPIC))
    all_published(redis, 50)
    with Stream(server, TOPIC) as stream:
        put(redis, 200, 50)
        same(stream.data_of(200), [str(n) for n in range(50, 250)])
    all_published(redis, 250)
    same(server.metric("notifier_source_published_total"), 250)
    server.close()
    put(redis, 10, 250)
    server = start(redis, "--source", "%s=%s" % (STREAM, TOPIC))
    all_published(redis, 260)
    server.close()


def test_entries_say_type_topic_and_whether_they_are_private(redis):
    server = start(redis, "--source", "a=*,b=whole")
    with Stream(server, "x/1") as stream, Stream(server, "whole") as whole:
        redis.cli("XADD", "a", "*", "data", "d", "type", "t", "topic", "x/1", "more", "passed over")
        redis.cli("XADD", "b", "*", "code", "abc", "at", 'line "1"\n')
        event = stream.next()
        same((event.type, event.data), ("t", "d"))
        same(whole.next().data, '{"code":"abc","at":"line \\"1\\"\\n"}')
        redis.cli("XADD", "a", "*", "data", "secret", "topic", "x/1", "private", "1")
        same(stream.next().data, "secret")
    server.close()


def test_entry_that_cannot_be_published_holds_up_none(redis):
    server = start(redis, "--source", "%s=*" % STREAM)
    with Stream(server, "ok") as stream:
        for fields in (("data", "x"), ("topic", "*", "data", "x"), ("topic", "y" * 1025, "data", "x"),
                       ("topic", "ok", "data", "x", "type", "mercure"), ("topic", "ok", "data", "fine")):
            redis.cli("XADD", STREAM, "*", *fields)
        same(stream.next().data, "fine")
    eventually(lambda: pending(redis) == 0, "nothing pending")
    same(server.metric("notifier_source_refused_total"), 4)
    server.close()


def test_stream_or_group_that_is_gone_is_made_again(redis):
    server = start(redis, "--source", "%s=%s" % (STREAM, TOPIC))
    put(redis, 5)
    all_published(redis, 5)
    redis.cli("XGROUP", "DESTROY", STREAM, "notifier")
    put(redis, 5, 5)
    all_published(redis, 10)
    redis.cli("DEL", STREAM)
    put(redis, 5, 10)
    all_published(redis, 15)
    server.close()


def test_wrong_sources_are_refused_by_name(redis):
    for option in ("a", "=t", "a=", "a=t,b", ",".join("s%d=t" % n for n in range(17))):
        server = start(redis, "--source", option, ready=False)
        same(server.process.wait(10), 2, option)
        assert "--source" in server.log(), server.log()
        server.close(2)


def test_killed_between_any_two_steps_nothing_is_lost_or_twice(redis):
    count = 0
    for point in POINTS:
        put(redis, 30, count)
        count += 30
        server = start(redis, "--source", "%s=%s" % (STREAM, TOPIC), "--crash-at", point, ready=False)
        eventually(lambda s=server: s.logged("worker ended"), "the crash at " + point)
        server.wait_ready()
        all_published(redis, count)
        server.close()


def test_sources_survive_kills_of_workers_nodes_and_redis():
    store = Redis(appendfsync="always")
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    servers = [start(store, "--source", "%s=%s" % (STREAM, TOPIC)) for _ in range(2)]
    count = 0
    for _ in range(4 if not SOAK else 30):
        put(store, 40, count)
        count += 40
        what = chance.choice(("worker", "redis", "pause"))
        if what == "worker":
            servers[chance.randrange(2)].kill_worker()
        elif what == "redis":
            store.kill()
            store.start()
        else:
            stopped = servers[chance.randrange(2)]
            stopped.signal(signal.SIGTERM)
            stopped.process.wait(20)
            stopped.close()
            servers[servers.index(stopped)] = start(store, "--source", "%s=%s" % (STREAM, TOPIC))
    all_published(store, count)
    for server in servers:
        server.close()
    store.close()


main(__name__)
