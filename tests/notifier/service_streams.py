"""service_streams.py - publish and subscribe: what comes, in which order, and what a stream that returns has missed."""
import json
import ssl

from kit import HUB, WORKERS, Socket, Stream, eventually, main, publish, redis, same, service, start, tls_options


def numbers(count, first=1):
    return [str(n) for n in range(first, first + count)]


def test_update_reaches_who_follows_its_topic_and_nobody_else(service):
    with Stream(service, "a") as a, Stream(service, "b") as b, Stream(service, "*") as every:
        publish(service, "a", "one\ntwo", type="kind")
        event = a.next()
        same((event.type, event.data), ("kind", "one\ntwo"))
        same([e.data for e in b.rest_of(service, "b")], [])
        same(every.data_of(2), ["one\ntwo", "the end"])


def test_updates_come_in_the_order_of_their_publishing(service):
    with Stream(service, "a") as one, Stream(service, "{any}") as other:
        for n in numbers(300):
            publish(service, "a", n)
        same(one.data_of(300), numbers(300))
        same(other.data_of(300), numbers(300))


def test_stream_that_returns_gets_what_it_missed(service):
    with Stream(service, "a") as stream:
        publish(service, "a", "0")
        stream.next()
        last = stream.id
    for n in numbers(500):
        publish(service, "a", n)
    with Stream(service, "a", last=last) as stream:
        same(stream.headers["last-event-id"], last)
        same(stream.data_of(200), numbers(200))
        last = stream.id
    with Stream(service, "a", last=last) as stream:
        same(stream.data_of(300), numbers(300, 201))
        same(stream.rest_of(service, "a"), [])


def test_stream_of_many_topics_returns_to_all_of_them_by_one_id(service):
    topics = ["t%d" % n for n in range(20)]
    with Stream(service, *topics) as stream:
        for n, topic in enumerate(topics):
            publish(service, topic, str(n))
        same(sorted(stream.data_of(20)), sorted(str(n) for n in range(20)))
        for n in range(40):
            publish(service, topics[n % 20], "x%d" % n)
        stream.take(25)
        last = stream.id
    for n in range(40, 60):
        publish(service, topics[n % 20], "x%d" % n)
    with Stream(service, *topics, last=last) as stream:
        same(sorted(stream.data_of(35)), sorted("x%d" % n for n in range(25, 60)))
        same(stream.rest_of(service, "t3"), [])


def test_stream_of_patterns_returns_to_all_that_they_match(service):
    with Stream(service, "orders/{id}", "*") as stream:
        for n in range(30):
            publish(service, "orders/%d" % n, str(n))
        same(stream.data_of(30), [str(n) for n in range(30)])
        last = stream.id
        assert len(last) < 1024, len(last)
    for n in range(30, 90):
        publish(service, "orders/%d" % (n % 45), str(n))
    with Stream(service, "orders/{id}", "*", last=last) as stream:
        same(sorted(int(data) for data in stream.data_of(60)), list(range(30, 90)))
        middle = stream.id
        same(stream.rest_of(service, "orders/1"), [])
    with Stream(service, "orders/{id}", last=middle) as stream:
        same(stream.data_of(1), ["the end"])


def test_topics_and_patterns_of_one_stream_bring_an_update_once(service):
    with Stream(service, "a", "{any}", "*", "b") as stream:
        for n in numbers(20):
            publish(service, ["a", "b", "c"], n)
        same(stream.data_of(20), numbers(20))
        last = stream.id
        for n in numbers(20, 21):
            publish(service, ["c", "b", "a"], n)
    with Stream(service, "a", "{any}", "*", "b", last=last) as stream:
        same(sorted(int(data) for data in stream.data_of(20)), list(range(21, 41)))
        same(stream.rest_of(service, "c"), [])


def test_earliest_is_all_that_is_kept(service):
    for n in numbers(300):
        publish(service, "a", n)
    with Stream(service, "a", last="earliest") as stream:
        same(stream.data_of(300), numbers(300))
    with Stream(service, "a", query=[("lastEventID", "earliest")], wait=False) as stream:
        same(stream.data_of(300), numbers(300))
    with Stream(service, "{any}", last="earliest") as stream:
        same(stream.data_of(300), numbers(300))


def test_id_that_is_not_ours_is_answered_by_a_gap_and_all_there_is(service):
    publish(service, "a", "1")
    for last in ("urn:uuid:5e94c686-2c0b-4f9b-958c-92ccc3bbb4eb", "x" * 7000):
        for topic in ("a", "{any}"):
            with Stream(service, topic, last=last) as stream:
                same(stream.headers["last-event-id"], "earliest")
                event = stream.next()
                same(event.type, "notifier.gap")
                gap = json.loads(event.data)
                same((gap["topic"], gap["reason"]), (topic, "epoch"))
                while event.type == "notifier.gap":
                    event = stream.next()
                same(event.data, "1")


def test_id_that_is_repeated_is_ours(service):
    for last in ("a%0d%0aX-Mine:%20yes", "x", "%00", "earliest"):
        answer = service.request("HEAD", HUB + "?topic=a&lastEventID=" + last)
        same((answer.status, answer.headers["last-event-id"], answer.headers.get("x-mine")), (200, "earliest", None))


def test_what_is_not_kept_any_more_is_a_gap(redis):
    server = start(redis)
    with Stream(server, "a") as stream, Stream(server, "{any}") as every:
        publish(server, "a", "0")
        stream.next()
        every.next()
        last, last_of_all = stream.id, every.id
    for n in numbers(1500):
        publish(server, "a", n)
    kept = redis.cli("XLEN", redis.cli("KEYS", "no:log:*")[0])
    with Stream(server, "a", last=last) as stream:
        event = stream.next()
        same(json.loads(event.data), {"topic": "a", "from": 2, "to": 1501 - kept, "reason": "trimmed"})
        behind = stream.id
        same(stream.data_of(kept), numbers(kept, 1501 - kept))
    with Stream(server, "a", last=behind) as stream:
        same(stream.data_of(kept), numbers(kept, 1501 - kept))
    with Stream(server, "{any}", last=last_of_all) as stream:
        event = stream.next()
        same((event.type, json.loads(event.data)["reason"]), ("notifier.gap", "trimmed"))
        same(stream.data_of(kept), numbers(kept, 1501 - kept))
    server.close()


def test_gap_of_what_a_pattern_does_not_match_is_not_its_own(redis):
    server = start(redis)
    with Stream(server, "a/{n}") as stream:
        publish(server, "a/1", "1")
        stream.next()
        last = stream.id
    publish(server, "b", "2")
    publish(server, "a/1", "3")
    redis.cli("DEL", redis.cli("KEYS", "no:log:*:b")[0])
    with Stream(server, "a/{n}", last=last) as stream:
        same((stream.next().data, stream.rest_of(server, "a/2")), ("3", []))
    server.close()


def test_ten_that_return_to_one_topic_cost_one_reading(redis):
    server = start(redis)
    if WORKERS != "1":
        server.close()
        return
    with Stream(server, "a") as stream:
        last = stream.id
    for n in numbers(100):
        publish(server, "a", n)
    before = server.metric("notifier_resume_reads_total")
    streams = [Stream(server, "a", last="earliest") for _ in range(10)]
    for stream in streams:
        same(stream.data_of(100), numbers(100))
        stream.close()
    same(server.metric("notifier_resume_reads_total") - before, 1)
    del last
    server.close()


def test_two_nodes_bring_what_the_other_publishes(redis):
    with_a, with_b = start(redis), start(redis)
    with Stream(with_a, "t") as at_a, Stream(with_b, "t") as at_b, Stream(with_b, "*") as all_at_b:
        for n in range(50):
            publish([with_a, with_b][n % 2], "t", str(n))
        for stream in (at_a, at_b, all_at_b):
            same(stream.data_of(50), [str(n) for n in range(50)])
        last = at_a.id
    with Stream(with_b, "t", last=last) as stream:
        same(stream.rest_of(with_a, "t"), [])
    with_a.close()
    with_b.close()


def test_who_is_cut_before_it_is_told_of_a_loss_is_told_when_it_returns(redis):
    server = start(redis)
    topics = ("a", "b", "{any}/1", "{any}/{+more}")
    with Stream(server, *topics) as stream:
        for topic in ("a", "b", "p/1"):
            publish(server, topic, topic + " before")
        stream.take(3)
        last = stream.id
    keys = [key for name in ("b", "p/1") for key in redis.cli("KEYS", "no:log:*:" + name)]
    references = ["no:refs:" + key.split(":")[2] for key in keys]
    redis.cli("DEL", *keys, *references)
    for topic in ("b", "p/1", "a"):
        publish(server, topic, topic + " after")
    seen = []

    def see(event):
        seen.append(("gap", json.loads(event.data)["topic"]) if event.type == "notifier.gap" else event.data)
    while "p/1 after" not in seen and len(seen) < 20:  # one event, and the stream is cut
        with Stream(server, *topics, last=last) as stream:
            see(stream.next())
            if seen[-2:] == 2 * [("gap", "{any}/1")]:  # it is told again until all patterns are
                see(stream.next())
            last = stream.id
    same(sorted(seen, key=str), sorted(["a after", ("gap", "b"), "b after", ("gap", "{any}/1"), ("gap", "{any}/1"),
                                        ("gap", "{any}/{+more}"), "p/1 after"], key=str))
    assert seen.index(("gap", "b")) < seen.index("b after"), seen  # topics have no order among them
    same(seen[-1], "p/1 after")
    server.close()


def test_rings_count_right_behind_exact_and_pattern_subscribers(service):
    """Else their bytes wrap around, and a burst overtakes who reads as fast as anybody."""
    with Stream(service, "t") as exact, Stream(service, "*") as pattern, Stream(service, "t", "{any}") as both:
        for n in range(100):
            publish(service, "t", str(n))
        for stream in (exact, pattern, both):
            same(stream.data_of(100), numbers(100, 0))
    eventually(lambda: service.metric("notifier_streams") == 0, "all streams gone")
    client = Socket(service)
    with Stream(service, "u") as stream:
        for n in range(50):  # many in one turn of the loop
            client.send(json.dumps({"id": n + 1, "op": "publish", "topics": ["u"], "data": str(n)}))
        same(stream.data_of(50), numbers(50, 0))
    same(service.metric("notifier_slow_closed_total"), 0)
    client.sock.close()


def test_all_comes_over_tls_as_well(redis):
    with tls_options() as (port, cert, options):
        server = start(redis, *options)
        context = ssl.create_default_context(cafile=cert)

        def wrap(sock):
            return context.wrap_socket(sock, server_hostname="localhost")
        sent = [str(n) * size for n, size in enumerate((1, 10, 20000, 300000, 1, 100000))]
        stream, client = Stream(server, "t", port=port, wrap=wrap), Socket(server, port=port, wrap=wrap)
        same(client.ask("subscribe", topics=["t"])["ok"], True)
        last = stream.id
        for data in sent:
            publish(server, "t", data)
        same(stream.data_of(len(sent)), sent)
        same([client.message()["data"] for _ in sent], sent)
        with Stream(server, "t", last=last, port=port, wrap=wrap) as again:
            same(again.data_of(len(sent)), sent)
        stream.close()
        client.sock.close()
        server.close()


def test_streams_are_counted_until_they_are_gone(service):
    streams = [Stream(service, "a") for _ in range(5)]
    same(service.metric("notifier_streams"), 5)
    for stream in streams:
        stream.close()
    eventually(lambda: service.metric("notifier_streams") == 0, "all streams gone")


main(__name__)
