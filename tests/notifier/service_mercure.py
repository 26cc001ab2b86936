"""service_mercure.py - the rules of Mercure 0.x, one by one: how an update is published, and what a stream is."""
import contextlib
import re
import time

from kit import (DEADLINE, FORM, HUB, Connection, Stream, ask, eventually, main, post, publish, redis, render, same, send,
                 service, start, status_of)

UUID = r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
TEXT = "text/plain; charset=utf-8"


# ---- short cuts

def refused(answer, status, what=""):
    same((answer.status, answer.headers["content-type"]), (status, TEXT), what)
    assert answer.text.endswith("\n") and len(answer.text) > 10, answer


def read_events(raw):
    """(type, data) of each event, the ids and the retry times, by the HTML standard's rules for a whole stream."""
    lines = re.split("\r\n|\r|\n", raw.decode().removeprefix("\ufeff"))
    events, ids, retries, type_, data = [], [], [], "", []
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                events.append((type_ or "message", "\n".join(data)))
            type_, data = "", []
        elif name == "event":
            type_ = value
        elif name == "data":
            data.append(value)
        elif name == "id" and "\0" not in value:
            ids.append(value)
        elif name == "retry" and re.fullmatch("[0-9]+", value):
            retries.append(int(value))
        else:
            same(name, "", "a comment, or a field of the standard")
    return events, ids, retries


def bytes_until(stream, mark):
    while mark not in stream.rest or not stream.rest.endswith(b"\n\n"):
        stream._more(DEADLINE)  # pylint: disable=protected-access
    return stream.rest


# ---- publishing: the form

def test_body_must_be_a_form(service):
    form = "topic=a&data=1"
    for type_ in ("application/json", "text/plain", "multipart/form-data; boundary=x", FORM + "x", ""):
        refused(service.request("POST", HUB, form, {"Content-Type": type_}), 415, type_)
    refused(service.request("POST", HUB, form), 415)
    for type_ in (FORM, FORM.upper(), FORM + ";charset=utf-8", FORM + " ; charset=UTF-8"):
        same(service.request("POST", HUB, form, {"Content-Type": type_}).status, 200, type_)


def test_answer_is_the_id_as_text(service):
    answer = post(service, [("topic", "a"), ("data", "1"), ("id", "urn:x:1")])
    same((answer.status, answer.headers["content-type"], answer.text), (200, TEXT, "urn:x:1"))
    made = {post(service, [("topic", "a"), *more]).text for more in ([], [("data", "1")], [("id", "")])}
    same(len(made), 3)
    for text in made:
        assert re.fullmatch(UUID, text), text


def test_each_topic_gets_the_update_and_the_first_is_canonical(service):
    with Stream(service, "a") as a, Stream(service, "b/{x}") as b, Stream(service, "c") as c, \
            Stream(service, "a", "b/1", "c") as every:
        send(service, "topic=c&topic=b%2F1&topic=a&topic=c&data=one")
        same([s.next().data for s in (a, b, c, every)], ["one"] * 4)
        same(every.rest_of(service, "a"), [])


def test_at_most_16_topics(service):
    same(post(service, [("topic", "t%d" % n) for n in range(16)]).status, 200)
    same(post(service, [("topic", "t%d" % (n % 16)) for n in range(40)]).status, 200)
    refused(post(service, [("topic", "t%d" % n) for n in range(17)]), 400)


def test_unknown_fields_and_empty_pairs_are_passed_over(service):
    with Stream(service, "a") as stream:
        same(send(service, "&&topic=a&target=x&Topic=b&=y&z&data=1&&").status, 200)
        same(stream.data_of(1), ["1"])


def test_topic_rules(service):
    with Stream(service, "*") as stream:  # one for all: a new one's worker may not have heard of the last update
        for topic in ("a", "é", "*x", "**", "https://example.com/{id}", "#", " ", "a b", "earliest", "x" * 1024,
                      "/.well-known/mercur", "\u2028"):
            same(post(service, [("topic", topic), ("data", topic)]).status, 200, topic)
            same(stream.next().data, topic)
    for topic in ("", "*", "a\nb", "\0", "a\x7f", "\t", "x" * 1025, HUB, HUB + "/subscriptions/a/b",
                  "https://example.com" + HUB + "/subscriptions/a/b"):
        refused(post(service, [("topic", topic)]), 400, topic)
        refused(post(service, [("topic", "a"), ("topic", topic)]), 400, topic)
    refused(send(service, "data=1"), 400)
    refused(send(service, ""), 400)
    refused(send(service, "topic=%ff"), 400)


def test_id_rules(service):
    for id_ in ("1", "a#", "Earliest", "é", "x" * 256, "-", "a b"):
        same(post(service, [("topic", "a"), ("id", id_)]).text, id_)
    for id_ in ("#", "#1", "earliest", "a\nb", "a\rb", "\0", "x" * 257):
        refused(post(service, [("topic", "a"), ("id", id_)]), 400, id_)
    refused(send(service, "topic=a&id=%80"), 400)


def test_type_rules(service):
    with Stream(service, "a") as stream:
        for type_ in ("kind", "Mercure", "é: x", " lead", "x" * 256, "notifier"):
            publish(service, "a", "1", type=type_)
            same(stream.next().type, type_)
        publish(service, "a", "1", type="")
        same(stream.next().type, "message")
    for type_ in ("mercure", "notifier.gap", "a\nb", "a\rb", "\0", "x" * 257):
        refused(post(service, [("topic", "a"), ("type", type_)]), 400, type_)
    refused(send(service, "topic=a&type=%C3"), 400)


def test_retry_is_digits(service):
    with Stream(service, "a") as stream:
        for retry in ("0", "1500", "9999999999"):
            publish(service, "a", "1", retry=retry)
            stream.next()
            same(stream.retry, int(retry))
        publish(service, "a", "1", retry="")
        stream.next()
        same(stream.retry, 9999999999)
    for retry in ("-1", "+1", "1.5", "1s", " 1", "0x1", "٣", "10000000000", "1\n2"):
        refused(post(service, [("topic", "a"), ("retry", retry)]), 400, retry)


def test_bad_percent_escapes_are_refused(service):
    for form in ("topic=a&data=%", "topic=a&data=%4", "topic=a&data=%4g", "topic=a&%zz=1", "topic=a&data=1%"):
        refused(send(service, form), 400, form)
    with Stream(service, "a") as stream:
        send(service, "%74opic=%61&data=%31+%2B%3d")
        same(stream.data_of(1), ["1 +="])
    same(ask(service, "GET", "topic=%zz").slug, "bad-request")


def test_body_up_to_the_limit(redis):
    server = start(redis, "--max-body", "10000")
    with Stream(server, "a") as stream:
        head = "topic=a&data="
        body = head + "x" * (10000 - len(head))
        same(send(server, body).status, 200)
        same(len(stream.next().data), 10000 - len(head))
        answer = send(server, body + "x")
        same((answer.status, answer.slug), (413, "body-too-large"))
        same(stream.rest_of(server, "a"), [])
    server.close()


def test_body_of_a_mebibyte_reaches_who_subscribes(service):
    head, limit = "topic=a&data=", 1 << 20
    data = "0123456789abcdef" * (limit // 16)
    data = data[:limit - len(head)]
    with Stream(service, "a") as stream, Stream(service, "{x}") as other:
        last = stream.id
        same(send(service, head + data).status, 200)
        same([s.next().data == data for s in (stream, other)], [True, True])
        same(send(service, head + data + "x").status, 413)
    with Stream(service, "a", last=last) as stream:
        same(stream.next().data == data, True)


def test_id_sent_again_is_published_once_and_answered_alike(service):
    with Stream(service, "a") as a, Stream(service, "b") as b:
        for data in ("1", "1", "other"):
            answer = post(service, [("topic", "a"), ("data", data), ("id", "x:1")])
            same((answer.status, answer.text), (200, "x:1"))
        for _ in range(2):
            same(post(service, [("topic", "b"), ("topic", "a"), ("data", "2"), ("id", "x:1")]).text, "x:1")
        same([e.data for e in a.rest_of(service, "a")], ["1"])
        same([e.data for e in b.rest_of(service, "b")], ["2"])
    same(service.metric("notifier_publish_replayed_total"), 3)


# ---- the stream

DATA = ("", "one", "a\nb", "a\rb", "a\r\nb", "\n", "\r", "\r\n", "\n\n", "a\n\r\nb\r", "x\n", " lead", "\ufeff", "\ufeffx",
        "a\0b", ": no comment", "id: 7\nretry: 1\nevent: x", "é\u2028\u2029\x85\x0b", "\x1f", "\U0001f600")


def test_data_type_and_id_come_as_the_html_standard_reads_them(service):
    with Stream(service, "a") as stream, Stream(service, "a", "b") as pair, Stream(service, "*") as every:
        for n, data in enumerate(DATA):
            publish(service, "a", data, type="t%d: \ufeff" % n, id="id: %d\ufeff" % n)
        publish(service, "a", "the end", retry="77")
        for one in (stream, pair, every):
            events, ids, retries = read_events(bytes_until(one, b"data: the end\n"))
            wanted = [("t%d: \ufeff" % n, re.sub("\r\n|\r", "\n", data)) for n, data in enumerate(DATA)]
            same(events, wanted + [("message", "the end")])
            same((len(set(ids)), retries), (len(DATA) + 1, [77]))
            for id_ in ids:
                assert re.fullmatch("[A-Za-z0-9_-]{20,1024}", id_), id_
    refused(send(service, "topic=a&data=%ff"), 400)
    refused(send(service, "topic=a&data=%ed%a0%80"), 400)


def test_data_that_is_left_out_is_empty(service):
    with Stream(service, "a") as stream:
        for form in ("topic=a", "topic=a&data", "topic=a&data="):
            same(send(service, form).status, 200)
        same(stream.data_of(3), ["", "", ""])


def test_stream_is_an_uncached_stream_of_events(service):
    with Stream(service, "a") as stream:
        same(stream.status, 200)
        for name, value in (("content-type", "text/event-stream"), ("cache-control", "no-cache"),
                            ("x-accel-buffering", "no"), ("link", '<%s>; rel="mercure"' % HUB)):
            same(stream.headers.get(name), value, name)
        for name in ("content-length", "last-event-id", "content-encoding"):
            assert name not in stream.headers, name


def test_head_is_the_head_of_a_stream(service):
    with Stream(service, "a", last="earliest", wait=False) as stream:
        wanted = stream.headers
    connection = Connection(service.port)
    for _ in range(2):  # and the connection is of use
        connection.send(render("HEAD", HUB + "?topic=a", headers={"Last-Event-ID": "earliest"}))
        answer = connection.answer(head=True)
        same(answer.status, 200)
        for name in ("content-type", "cache-control", "x-accel-buffering", "link", "last-event-id"):
            same(answer.headers.get(name), wanted[name], name)
        assert "content-length" not in answer.headers, answer
    same(connection.get("/healthz").status, 200)
    connection.close()
    same(ask(service, "HEAD", "x=a").status, 400)
    same(service.metric("notifier_streams"), 0)


def test_other_methods_are_told_which_there_are(service):
    allowed = "GET, HEAD, POST, OPTIONS"
    answer = service.request("OPTIONS", HUB)
    same((answer.status, answer.headers["allow"]), (204, allowed))
    for method in ("PUT", "PATCH", "DELETE"):
        answer = service.request(method, HUB)
        same((answer.status, answer.slug, answer.headers["allow"]), (405, "method-not-allowed", allowed))


def test_topics_of_a_subscription(service):
    for query in ("", "x=1", "topic=", "topic", "Topic=a", "match=a", "topic=a&topic=", "topic=a%00", "topic=%ff",
                  "topic=" + "x" * 1025, "&".join("topic=%d" % n for n in range(101))):
        refused(ask(service, "GET", query), 400, query)
    with Stream(service, *["t%d" % n for n in range(100)], wait=False) as stream:
        same(stream.status, 200)
        stream.settle()
        for n in range(0, 100, 9):
            publish(service, "t%d" % n, str(n))
        same(stream.data_of(12), [str(n) for n in range(0, 100, 9)])
    same(status_of(service, "x" * 1024, "a{b", "a"), 200)


SELECTORS = (
    ("https://a.example/x", ["https://a.example/x"], ["https://a.example/x/", "https://A.example/x", "x"]),
    ("*", ["anything", "{x}"], []),
    ("b/*", ["b/*"], ["b/1"]),
    ("b/{x}", ["b/1", "b/", "b/a%2Fb", "b/{x}"], ["b/1/2", "b", "b/?"]),
    ("b/{x,y}", ["b/1,2", "b/1"], ["b/1;2"]),
    ("b/{x:3}", ["b/abc", "b/a"], ["b/abcd"]),
    ("b/{+x}", ["b/1/2?3", "b/"], ["b"]),
    ("b{#x}", ["b#1/2", "b"], ["b1"]),
    ("b{.x,y}", ["b.1.2", "b"], ["b/1"]),
    ("b{/x}", ["b/1", "b"], ["b/1/2", "b.1"]),
    ("b{/x*}", ["b/1", "b/1/2/3"], ["b.1"]),
    ("b{;x}", ["b;x=1", "b;x", "b"], ["b;y=1"]),
    ("b{?x,y}", ["b?x=1&y=2", "b?y=2", "b"], ["b?z=1", "b&x=1"]),
    ("b?z=1{&x}", ["b?z=1&x=2", "b?z=1"], ["b?z=1?x=2"]),
    ("b{x", ["b{x"], ["b1"]),
)


def test_selectors_are_exact_or_a_star_or_templates_of_each_level(service):
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(Stream(service, selector)) for selector, _, _ in SELECTORS]
        for topic in sorted({topic for _, yes, no in SELECTORS for topic in yes + no}):
            publish(service, topic, topic)
        publish(service, [selector for selector, _, _ in SELECTORS if selector != "*"], "the end", id="end")
        for (selector, yes, no), stream in zip(SELECTORS, streams):
            seen = set()
            while "the end" not in seen:
                seen.add(stream.next().data)
            same((set(yes) - seen, set(no) & seen), (set(), set()), selector)


def test_every_stream_begins_with_a_retry_of_its_own(redis):
    server = start(redis, "--retry", "10s")
    waits = []
    for _ in range(20):
        with Stream(server, "a") as stream:
            waits.append(stream.retry)
    server.close()
    assert all(5000 <= wait <= 10000 for wait in waits) and len(set(waits)) > 1, waits


def test_heartbeats_are_comments(redis):
    server = start(redis, "--ping", "100ms")
    with Stream(server, "a") as stream, Stream(server, "{x}") as other:
        for one in (stream, other):
            until = time.monotonic() + DEADLINE
            while len(one.comments) < 3:
                same(one._step(until), None)  # pylint: disable=protected-access
            same(set(one.comments), {""})
        publish(server, "a", "1")
        same([s.next().data for s in (stream, other)], ["1", "1"])
    server.close()


def test_header_counts_before_the_query(service):
    publish(service, "a", "1")
    with Stream(service, "a", last="earliest") as stream:
        stream.next()
        last = stream.id
    publish(service, "a", "2")
    for header, query, wanted in (
            (last, {"lastEventID": "earliest"}, last), ("earliest", {"lastEventID": last}, "earliest"),
            (None, {"lastEventID": last}, last), ("", {"lastEventID": last}, last), (None, {"Last-Event-ID": last}, last),
            (None, {"lastEventID": "", "Last-Event-ID": last}, last)):
        with Stream(service, "a", last=header, query=query.items(), wait=False) as stream:
            same(stream.headers["last-event-id"], wanted, (header, query))
            same(stream.data_of(1), ["2" if wanted == last else "1"], (header, query))
    with Stream(service, "a", query=[("lastEventID", "")]) as stream:
        assert "last-event-id" not in stream.headers


def test_last_id_that_is_not_ours_is_answered_by_earliest(service):
    publish(service, "a", "1")
    for last in ("urn:uuid:5e94c686-2c0b-4f9b-958c-92ccc3bbb4eb", "x", "EARLIEST", "a\r\nSet-Cookie: a=b", "\r", "\n", "\0",
                 "é", "A" * 6035):
        with Stream(service, "a", query=[("lastEventID", last)], wait=False) as stream:
            same((stream.status, stream.headers["last-event-id"]), (200, "earliest"), last)
            assert "set-cookie" not in stream.headers
            same((stream.next().type, stream.next().data), ("notifier.gap", "1"))


def is_there(server):
    with contextlib.suppress(OSError):
        return server.get("/healthz").status == 200
    return False


def is_put_off(server, topic):
    with Stream(server, topic, wait=False) as stream:
        same((stream.status, stream.headers["content-type"]), (200, "text/event-stream"))
        return "content-length" in stream.headers


def test_who_comes_before_the_secrets_is_to_come_again(redis):
    """A browser gives up for good on any other answer than 200."""
    redis.kill()
    server = start(redis, ready=False)
    eventually(lambda: is_there(server), "the service")
    events, ids, retries = read_events(ask(server, "GET", "topic=a").body)
    same((events, ids, len(retries)), ([], [], 1))
    same(is_put_off(server, "a"), True)
    redis.start()
    eventually(lambda: not is_put_off(server, "a"), "a stream")
    server.close()


def test_many_subscribers_get_each_update_once(service):
    count = 300
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(Stream(service, "a", "b{x}", wait=False)) for _ in range(count)]
        for stream in streams:
            stream.settle()
        for n in range(20):
            publish(service, ("a", "b1", ["a", "b2"])[n % 3], str(n))
        for stream in streams:
            same(stream.data_of(20), [str(n) for n in range(20)])
        same(len({stream.id for stream in streams}), 1)
    eventually(lambda: service.metric("notifier_streams") == 0, "all streams gone")


main(__name__)
