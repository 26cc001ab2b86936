"""service_outbox.py - --source: entries of a stream are published, each once and in order, whatever is killed."""
import os
import random
import signal

from kit import SOAK, Redis, Stream, eventually, main, post, redis, same, start

STREAM, TOPIC = "sh:events", "clicks"
STATE = "no:source:{%s}" % STREAM
POINTS = ("source-read", "publication-send", "publication-done", "source-published", "source-acknowledged")


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


def test_stream_that_is_made_anew_may_give_ids_again(redis):
    server = start(redis, "--source", "%s=%s" % (STREAM, TOPIC))
    count = 0
    for more in (5, 2, 4):
        for n in range(more):
            redis.cli("XADD", STREAM, "1-%d" % (n + 1), "data", count + n)
        count += more
        all_published(redis, count)
        redis.cli("DEL", STREAM)
        if more == 2:  # or the next one has fewer entries than there were
            eventually(lambda: redis.cli("EXISTS", STREAM) == 1, "the stream being made again")
    server.close()


def test_group_that_is_made_again_publishes_nothing_again(redis):
    server = start(redis, "--source", "%s=%s" % (STREAM, TOPIC))
    put(redis, 100)
    all_published(redis, 100)
    for key in redis.cli("KEYS", "no:once:*"):
        redis.cli("DEL", key)
    redis.cli("XGROUP", "DESTROY", STREAM, "notifier")
    put(redis, 5, 100)
    all_published(redis, 105)
    server.close()


def test_id_of_an_entry_that_is_sent_by_another_hides_nothing(redis):
    server = start(redis, "--source", "%s=%s" % (STREAM, TOPIC))
    same(post(server, [("topic", TOPIC), ("data", "0"), ("id", STREAM + "/5-1")]).status, 200)
    redis.cli("XADD", STREAM, "5-1", "data", "1")
    eventually(lambda: len(published(redis)) == 2, "the entry")
    same(published(redis), ["0", "1"])
    server.close()


def test_large_entries_come_a_few_at_a_time(redis):
    server = start(redis, "--source", "%s=%s" % (STREAM, TOPIC))
    sizes = [1000000 + n for n in range(6)]
    for size in sizes:
        redis.cli("XADD", STREAM, "*", "data", "x" * size)
    redis.cli("XADD", STREAM, "*", "data", "x" * (1024 * 1024 - 3))
    redis.cli("XADD", STREAM, "*", "data", "last")
    eventually(lambda: len(published(redis)) == 7 and pending(redis) == 0, "all", deadline=60)
    same([len(data) for data in published(redis)], sizes + [4])
    same(server.metric("notifier_source_refused_total"), 1)
    same(server.metric("notifier_source_retried_total"), 0)
    assert server.logged("an entry cannot be published")[0]["reason"] == "it has more than 1 MiB"
    server.close()


def test_entries_that_are_no_text_are_refused(redis):
    server = start(redis, "--source", "%s=%s" % (STREAM, TOPIC))
    for fields in (("data", b"\xff"), ("whole", b"\xc0\x80"), (b"\xed\xa0\x80", "x"), ("data", "0", "other", b"\xff")):
        redis.cli("XADD", STREAM, "*", *fields)
    all_published(redis, 1)
    same(server.metric("notifier_source_refused_total"), 3)
    server.close()


def test_key_that_is_no_stream_is_said_once_and_read_when_it_is_one(redis):
    redis.cli("SET", STREAM, "x")
    server = start(redis, "--source", "%s=%s" % (STREAM, TOPIC))
    server.wait_logged("a source cannot be read")
    eventually(lambda: server.metric("notifier_source_retried_total") > 1, "two attempts")
    same(len(server.logged("a source cannot be read")), 1)
    redis.cli("DEL", STREAM)
    put(redis, 3)
    all_published(redis, 3)
    server.close()


def test_worker_that_ends_leaves_its_sources_to_the_others(redis):
    server = start(redis, "--source", "%s=%s" % (STREAM, TOPIC))
    put(redis, 3)
    all_published(redis, 3)
    server.close()
    same(redis.cli("HGET", STATE, "worker"), None)


def test_worker_that_stood_still_does_nothing_twice(redis):
    servers = [start(redis, "--source", "%s=%s" % (STREAM, TOPIC)) for _ in range(2)]
    count = 0
    for server in servers * 2:
        put(redis, 100, count)  # it may be in the middle of them
        for pid in server.workers():
            os.kill(pid, signal.SIGSTOP)
        redis.cli("HDEL", STATE, "worker")  # as if the lease had come to its end
        put(redis, 20, count + 100)
        count += 120
        all_published(redis, count)
        for pid in server.workers():
            os.kill(pid, signal.SIGCONT)
    put(redis, 20, count)
    all_published(redis, count + 20)
    for server in servers:
        server.close()


def test_wrong_sources_are_refused_by_name(redis):
    for option, why in (("a", "3 to 8192"), ("abc", "STREAM=topic"), ("=to", "stream's name"), ("ab=", "a topic"),
                        ("a=t,b", "STREAM=topic"), (",".join("s%d=t" % n for n in range(17)), "16"), ("a=t,b=t,a=u", "named once"),
                        ("s" * 215 + "=t", "214 bytes"), ("a\tb=t", "control"), ("a=" + "t" * 1025, "1024"),
                        ("a=x/.well-known/mercure/y", "hub's own")):
        server = start(redis, "--source", option, ready=False)
        same(server.process.wait(10), 2, option)
        assert "--source" in server.log() and why in server.log(), (option, server.log())
        server.close(2)


def test_stream_of_the_longest_name_is_published(redis):
    name = "s" * 214
    server = start(redis, "--source", "%s=%s" % (name, TOPIC))
    redis.cli("XADD", name, "18446744073709551615-18446744073709551615", "data", "0")
    eventually(lambda: published(redis) == ["0"], "the entry")
    server.close()


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
