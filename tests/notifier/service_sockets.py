"""service_sockets.py - /v1/ws: the ops of the contract, over the same logs and positions as event streams."""
import json
import secrets
import signal
import time

from kit import (DEADLINE, FORM, HUB, WORKERS, Refused, Socket, Stream, directory, eventually, main, publish, redis, same, service, start, tokens,
                 write_file)

KEYS = tokens.make_keys()


def test_subscriber_gets_what_is_published_after_the_answer(service):
    with Socket(service) as socket:
        answer = socket.get("subscribe", topics=["a", "b"])
        same([(t["topic"], t["offset"], t["recovered"]) for t in answer["topics"]], [("a", 0, True), ("b", 0, True)])
        published = socket.get("publish", topics=["a"], data="hello", event="kind", message_id="m1")
        same((published["message_id"], len(published["topics"])), ("m1", 1))
        event = socket.event()
        same([event[name] for name in ("type", "topic", "message_id", "event", "data", "offset")],
             ["message", "a", "m1", "kind", "hello", 1])
        same((event["epoch"], event["offset"]), tuple(published["topics"][0][n] for n in ("epoch", "offset")))
        assert abs(event["ts"] / 1000 - time.time()) < 3600 and "id" not in event


def test_update_of_several_topics_is_published_to_each_and_comes_once(service):
    with Socket(service) as socket, Stream(service, "c") as stream:
        socket.get("subscribe", topics=["a", "b", "{any}"])
        answer = socket.get("publish", topics=["b", "c", "a", "b"], data="x")
        same([t["topic"] for t in answer["topics"]], ["b", "c", "a"])
        same(stream.next().data, "x")
        same(socket.data_of(1), ["x"])
        socket.get("publish", topics=["c"], data="end")
        same(socket.data_of(1), ["end"])


def test_message_id_is_published_once(service):
    with Socket(service) as socket:
        socket.get("subscribe", topics=["a"])
        first = socket.get("publish", topics=["a"], data="1", message_id="m")
        again = socket.get("publish", topics=["a"], data="1", message_id="m")
        same(again["topics"], first["topics"])
        same((first.get("replayed"), again["replayed"]), (None, True))
        socket.get("publish", topics=["a"], data="2")
        same(socket.data_of(2), ["1", "2"])


def test_position_resumes_on_a_socket_and_on_a_stream(service):
    with Socket(service) as socket:
        socket.get("subscribe", topics=["a", "b"])
        for n in range(20):
            socket.get("publish", topics=["ab"[n % 2]], data=str(n))
        position = [socket.event() for _ in range(20)][9]["position"]
    with Socket(service) as socket:
        answer = socket.get("resume", position=position)
        same([(t["topic"], t["offset"], t["recovered"]) for t in answer["topics"]], [("a", 5, True), ("b", 5, True)])
        same(sorted(socket.data_of(10), key=int), [str(n) for n in range(10, 20)])
    with Socket(service) as socket:
        socket.get("subscribe", topics=["b"], since=position)
        same(socket.data_of(5), ["11", "13", "15", "17", "19"])
    with Stream(service, "a", last=position) as stream:
        same(stream.data_of(5), ["10", "12", "14", "16", "18"])
        id_of_a = stream.id
    with Socket(service) as socket:
        same(socket.get("subscribe", topics=["a"], since=id_of_a)["topics"][0]["recovered"], True)
        socket.refused("resume", 422, "invalid", position=id_of_a)


def test_patterns_resume_by_their_names(service):
    with Socket(service) as socket:
        socket.get("subscribe", topics=["x/{id}", "y"])
        for n in range(10):
            publish(service, "x/%d" % n, str(n))
            publish(service, "y", "y%d" % n)
        position = [socket.event() for _ in range(20)][7]["position"]
    with Socket(service) as socket:
        answer = socket.get("resume", position=position)
        same(sorted((t["topic"], t["recovered"]) for t in answer["topics"]), [("x/{id}", True), ("y", True)])
        same(sorted(socket.data_of(12)), sorted(["%d" % n for n in range(4, 10)] + ["y%d" % n for n in range(4, 10)]))


def test_position_of_a_log_that_is_gone_is_not_recovered(redis):
    server = start(redis)
    with Socket(server) as socket:
        position = socket.get("subscribe", topics=["a"])["position"]
        socket.get("publish", topics=["a"], data="1")
        position = socket.event()["position"]
    server.close()
    redis.cli("FLUSHALL")
    server = start(redis)
    publish(server, "a", "2")
    secret_is_gone_too = position  # sealed with a secret that went with the rest
    with Socket(server) as socket:
        answer = socket.get("subscribe", topics=["a"], since=secret_is_gone_too)
        same(answer["topics"][0]["recovered"], False)
        gap = socket.event()
        same((gap["type"], gap["topic"], gap["reason"]), ("gap", "a", "epoch"))
        same(socket.data_of(1), ["2"])
    server.close()


def test_trimmed_updates_are_said_to_be_not_recovered(service):
    with Socket(service) as socket:
        position = socket.get("subscribe", topics=["a"])["position"]
    for n in range(1300):
        publish(service, "a", str(n))
    with Socket(service) as socket:
        answer = socket.get("subscribe", topics=["a"], since=position)
        same(answer["topics"][0]["recovered"], False)
        gap = socket.event()
        same((gap["type"], gap["from"], gap["reason"]), ("gap", 1, "trimmed"))
        same([int(d) for d in socket.data_of(1300 - gap["to"])], list(range(gap["to"], 1300)))


def test_unsubscribed_topics_are_silent(service):
    with Socket(service) as socket:
        socket.get("subscribe", topics=["a", "b", "{x}"])
        socket.get("unsubscribe", topics=["a", "{x}", "never"])
        publish(service, "a", "no")
        publish(service, "b", "yes")
        same(socket.event()["data"], "yes")
        socket.get("unsubscribe", topics=["b"])
        publish(service, "b", "no")
        socket.get("subscribe", topics=["c"])
        publish(service, "c", "end")
        same(socket.event()["data"], "end")


def test_requests_take_effect_in_order_however_they_come(service):
    with Socket(service) as socket:
        requests = []
        for n in range(15):
            requests += [{"op": "subscribe", "topics": ["t"]}, {"op": "publish", "topics": ["t"], "data": "in %d" % n},
                         {"op": "unsubscribe", "topics": ["t"]}]
        for number, request in enumerate(requests, 1000):
            socket.send(json.dumps({"id": number} | request))
        answers = []
        while len(answers) < len(requests):
            message = socket.message()
            if "id" in message:
                assert message["ok"], message
                answers.append(message["id"])
        same(sorted(answers), list(range(1000, 1000 + len(requests))))
        others = [number for number in answers if (number - 1000) % 3 != 1]
        same(others, sorted(others))  # of subscribing and unsubscribing


def test_updates_of_one_connection_keep_their_order_whatever_limits_them(redis):
    """Some ask Redis for their caller's limit, others have it here."""
    server = start(redis, "--write-rate", "2000")
    with Socket(server) as reader:
        reader.get("subscribe", topics=["t"])
        for first in range(0, 1000, 100):
            with Socket(server) as writer:
                for n in range(first, first + 100):
                    writer.send(json.dumps({"id": n + 1, "op": "publish", "topics": ["t"], "data": str(n)}))
                answers = [writer.message() for _ in range(100)]
            assert all(answer["ok"] for answer in answers), answers
            same(reader.data_of(100), [str(n) for n in range(first, first + 100)])
    server.close()


def test_wrong_requests_are_answered_and_change_nothing(service):
    with Socket(service) as socket:
        for op, members in (
                ("subscribe", {}), ("subscribe", {"topics": []}), ("subscribe", {"topics": [1]}),
                ("subscribe", {"topics": ["a"], "more": 1}), ("subscribe", {"topics": ["a"] * 101}),
                ("subscribe", {"topics": [""]}), ("subscribe", {"topics": ["x" * 1025]}),
                ("subscribe", {"topics": ["a\n"]}), ("subscribe", {"topics": ["a"], "since": 1}),
                ("resume", {"position": "no such"}), ("resume", {}), ("unsubscribe", {"topics": "a"}),
                ("publish", {"topics": ["a"]}), ("publish", {"topics": ["*"], "data": "x"}),
                ("publish", {"topics": ["a"], "data": 1}), ("publish", {"topics": ["a"], "data": "", "event": "mercure"}),
                ("publish", {"topics": ["a"], "data": "", "message_id": "#1"}),
                ("publish", {"topics": ["t%d" % n for n in range(17)], "data": ""}), ("nothing", {})):
            socket.refused(op, 422, "invalid", **members)
        socket.get("subscribe", topics=["%03d" % n + "x" * 17 for n in range(100)])
        socket.refused("subscribe", 422, "invalid", topics=["one more"])
        socket.get("publish", topics=["a"], data="")


def test_what_is_no_request_closes(service):
    nul = '{"id": 1, "op": "publish", "topics": ["a"], "data": "\\u0000"}'
    for text, code in (("x", 4400), ("[]", 4400), (nul, 4400), ("{}", 4400), ('{"id": 1}', 4400),
                       ('{"id": 0, "op": "auth"}', 4400), ('{"id": "1", "op": "auth"}', 4400), ('{"id": 9007199254740992, "op": "auth"}', 4400),
                       ('{"id": 1.5, "op": "auth"}', 4400), ('{"id": 1, "op": 1}', 4400),
                       (json.dumps({"id": 1, "op": "publish", "topics": ["a"], "data": "x" * 70000}), 1009)):
        with Socket(service) as socket:
            socket.send(text)
            same(socket.ends(), code, text[:40])
    with Socket(service) as socket:
        socket.frame(2, b"{}")
        same(socket.ends(), 1003)


def test_subprotocol_is_asked_for(service):
    for protocol in ("", "other", "chat.v1.json"):
        try:
            Socket(service, protocol=protocol)
        except Refused as refused:
            same(refused.status, 400, protocol)
        else:
            raise AssertionError(protocol)


def closed_server(redis, directory, *options):
    keys = write_file(directory, "keys", json.dumps(KEYS))
    return start(redis, "--token-keys", keys, *options, opened=False)


def token_of(sub, scope, ttl=600):
    return tokens.mint(KEYS, {"sub": sub, "scope": scope, "exp": int(time.time()) + ttl, "jti": secrets.token_hex(4)})


def test_token_comes_in_a_header_or_first(redis, directory):
    server = closed_server(redis, directory)
    token = token_of("ann", "notify:subscribe notify:publish")
    with Socket(server, token) as socket:
        socket.get("subscribe", topics=["a"])
    with Socket(server) as socket:
        socket.get("auth", token=token)
        socket.get("subscribe", topics=["a"])
        socket.get("auth", token=token)
    with Socket(server) as socket:
        socket.refused("subscribe", 401, "unauthorized", topics=["a"])
        same(socket.ends(), 4401)
    with Socket(server) as socket:
        socket.refused("auth", 401, "unauthorized", token="x.y.z")
        same(socket.ends(), 4401)
    try:
        Socket(server, "x.y.z")
    except Refused as refused:
        same(refused.status, 401)
    server.close()


def test_token_that_does_not_come_or_ends_closes(redis, directory):
    server = closed_server(redis, directory)
    with Socket(server) as late, Socket(server, token_of("ann", "notify:subscribe", ttl=2)) as short:
        short.get("subscribe", topics=["a"])
        same(short.ends(), 4401)
        same(late.ends(), 4408)
    server.close()


def test_token_whose_claim_says_nothing_clear_is_told_why(redis, directory):
    server = closed_server(redis, directory)
    token = tokens.mint(KEYS, {"sub": "ann", "exp": int(time.time()) + 600, "mercure": {"subscribe": "a"}})
    same(refused_with(server, token=token), 403)
    with Socket(server) as socket:
        error = socket.refused("auth", 403, "forbidden", token=token)
        same((socket.ends(), socket.reason), (4401, error["detail"]))
    server.close()


def test_token_that_ends_while_its_socket_waits_is_refused(redis, directory):
    """How fast others came is asked of Redis, which has 50 ms to say so."""
    server = closed_server(redis, directory, "--accept-rate", "100")
    token = token_of("ann", "notify:subscribe", ttl=2)
    time.sleep(1.98 - time.time() % 1)  # it has 20 ms left
    redis.pause()
    same(refused_with(server, token=token), 401)
    redis.go_on()
    server.close()


def test_more_requests_than_may_wait_close(redis):
    server = start(redis, "--redis-timeout", "20s")
    for more, code in ((0, None), (1, 4429)):
        redis.pause()
        with Socket(server) as socket:
            for number in range(1, 130 + more):  # the first holds up the others
                socket.send(json.dumps({"id": number, "op": "subscribe", "topics": ["%d %d" % (more, number)]}))
            if code:
                same(socket.ends(), code)
            redis.go_on()
            if not code:
                same([socket.message()["id"] for _ in range(129)], list(range(1, 130)))
    server.close()


def test_rights_are_those_of_the_token(redis, directory):
    server = closed_server(redis, directory)
    with Socket(server, token_of("ann", "notify:subscribe:a/*")) as reader, \
            Socket(server, token_of("bob", "notify:publish:a/*")) as writer:
        reader.get("subscribe", topics=["a/1", "{+any}"])
        reader.refused("publish", 403, "forbidden", topics=["a/1"], data="x")
        writer.refused("subscribe", 403, "forbidden", topics=["a/1"])
        writer.refused("publish", 403, "forbidden", topics=["a/1", "b"], data="x")
        writer.get("publish", topics=["a/1"], data="1", private=True)
        with Socket(server, token_of("eve", "notify:publish")) as other:
            other.get("publish", topics=["b"], data="not hers")
        writer.get("publish", topics=["a/2"], data="2")
        for topics, status in (("topic=a/1", 200), ("topic=a/1&topic=b", 403), ("topic=*", 403)):
            headers = {"Authorization": "Bearer " + token_of("ann", "notify:subscribe:a/*")}
            same(server.get("/v1/position?" + topics, headers).status, status, topics)
        for claim, topic, status in ((["*"], "a/1", 200), (["a/{n}"], "a/1", 200), (["a/{n}"], "b", 403),
                                     ([], "a/1", 403)):
            claims = {"sub": "ann", "exp": int(time.time()) + 600, "mercure": {"subscribe": claim}}
            headers = {"Authorization": "Bearer " + tokens.mint(KEYS, claims)}
            same(server.get("/v1/position?topic=" + topic, headers).status, status, (claim, topic))
        same(server.get("/v1/position?topic=a/1").status, 401)
        same(reader.data_of(2), ["1", "2"])
    server.close()


def test_drain_is_told_and_closes(redis):
    server = start(redis)
    with Socket(server) as socket:
        socket.get("subscribe", topics=["a"])
        server.signal(signal.SIGTERM)
        event = socket.event()
        same(event["type"], "drain")
        assert 0 <= event["retry_after_ms"] <= 5000, event
        same(socket.ends(), 1001)
    server.process.wait(DEADLINE)  # a second SIGTERM would cut it short
    server.close()


def test_sockets_are_counted_until_they_are_gone(service):
    sockets = [Socket(service) for _ in range(5)]
    for socket in sockets:
        socket.get("subscribe", topics=["a"])
    same(service.metric("notifier_sockets"), 5)
    for socket in sockets:
        socket.close()
    eventually(lambda: service.metric("notifier_sockets") == 0, "all sockets gone")


def test_position_route_is_where_a_page_begins(service):
    publish(service, "a", "1")
    answer = service.get("/v1/position?topic=a&topic=b&topic=c/%7Bid%7D")
    same((answer.status, [(t["topic"], t["offset"]) for t in answer.json["topics"]]), (200, [("a", 1), ("b", 0)]))
    publish(service, "a", "2")
    publish(service, "c/1", "3")
    with Socket(service) as socket:
        socket.get("resume", position=answer.json["position"])
        same(sorted(socket.data_of(2)), ["2", "3"])
    with Stream(service, "a", last=answer.json["position"]) as stream:
        same(stream.next().data, "2")
    for query in ("", "?topic=", "?topic=a&more=1", "?topic=" + "x" * 1025):
        same(service.get("/v1/position" + query).status, 422, query)


def test_caller_has_as_many_as_it_may(redis):
    server = start(redis, "--max-per-caller", "2")
    if WORKERS == "1":
        with Socket(server), Stream(server, "a") as stream:
            for _ in range(2):
                same(Stream(server, "a", wait=False).status, 429)
                same(refused_with(server), 429)
            stream.close()
            eventually(lambda: refused_with(server) is None, "a place again")
    server.close()


def refused_with(server, **more):
    try:
        Socket(server, **more).close()
    except Refused as refused:
        return refused.status
    return None


def test_who_comes_too_fast_is_asked_to_come_later(redis):
    server = start(redis, "--accept-rate", "1")
    same([refused_with(server) for _ in range(2)], [None, None])
    same(refused_with(server), 429)
    answer = server.get(HUB + "?topic=a")  # 200 and its end: of any other answer a browser does not come back
    same((answer.status, answer.headers["content-type"]), (200, "text/event-stream"))
    name, wait = answer.text.strip().split(": ")
    assert name == "retry" and int(wait) >= 1000, answer
    assert server.metric("notifier_put_off_total") >= 2
    server.close()


def test_updates_of_sockets_have_a_rate_like_those_of_forms(redis):
    server = start(redis, "--write-rate", "1")
    with Socket(server) as socket:
        for _ in range(2):
            socket.get("publish", topics=["a"], data="x")
        error = socket.refused("publish", 429, "rate-limited", topics=["a"], data="x")
        assert 0 < error["retry_after_ms"] <= 1001, error
        same(server.request("POST", HUB, b"topic=a", {"Content-Type": FORM}).status, 429)
    server.close()


main(__name__)
