"""service_identity.py - who is who: passwords, sessions, guests, tokens of others."""
import contextlib
import json
import os
import signal

import kit
from kit import (Chat, Client, Connection, Refused, chat, directory, eventually, main, redis, render, request,  # noqa: F401
                 same, served)


def post(server, path, body, token=None):
    return request(server.port, "POST", path, body, {"Authorization": "Bearer " + token} if token else {})


class Device(Client):
    """A client that has a token of its own, or none yet."""

    def __init__(self, server, token=None):  # pylint: disable=super-init-not-called
        super(Client, self).__init__(server, token=token)


def open_chat(redis, directory):
    yield from served(Chat(redis, directory, "--open"))


def test_a_user_registers_and_signs_in(chat):
    same(post(chat, "/v1/users", {"name": "dora", "password": "correct horse"}).status, 201)
    same(post(chat, "/v1/users", {"name": "dora", "password": "other horse!"}).status, 409)
    same(post(chat, "/v1/sessions", {"name": "dora", "password": "wrong horse"}).status, 401)
    same(post(chat, "/v1/sessions", {"name": "nobody", "password": "wrong horse"}).json["detail"],
         "there is no such user, or the password is another")
    answer = post(chat, "/v1/sessions", {"name": "dora", "password": "correct horse", "device": "phone"})
    same(answer.status, 201)
    same((answer.json["user"], answer.json["device"]), ("dora", "phone"))
    token = answer.json["token"]
    room = post(chat, "/v1/rooms", {"name": "mine", "kind": "private"}, token).json["room"]
    with Device(chat, token) as dora:
        first = dora.get("sync")
        same((first["user"], first["device"]), ("dora", "phone"))
        same([item["room"] for item in first["rooms"]], [room])
        same(request(chat.port, "DELETE", "/v1/sessions/current", None, {"Authorization": "Bearer " + token}).status, 204)
        same(dora.ends(), 4401)
    eventually(lambda: post(chat, "/v1/rooms", {"name": "more", "kind": "private"}, token).status == 401, "the end")
    with Device(chat) as dora:
        same(dora.refused("auth", 401, "unauthorized", token=token)["status"], 401)
        same(dora.ends(), 4401)


def test_what_ended_has_ended_before_that_is_answered(redis, directory):
    """The worker that ended it knows, whether or not the word of it has come."""
    with serve(redis, directory, "--open") as server:
        for i in range(100):
            path = ("/v1/sessions/current", "/v1/users/me")[i % 2]
            token = post(server, "/v1/sessions", {"guest": "g%d" % i}).json["token"]
            header = {"Authorization": "Bearer " + token}
            with contextlib.closing(Connection(server.port)) as connection:
                for method, where, status in (("GET", "/v1/rooms", 200), ("DELETE", path, 204),
                                              ("GET", "/v1/rooms", 401)):
                    connection.send(render(method, where, None, header))
                    same(connection.answer().status, status, method + " " + path)
            same(request(server.port, "DELETE", path, None, header).status, 401)  # by whichever worker


def keyed(server, path, key, body, name="ann"):
    return request(server.port, "POST", path, body,
                   {"Authorization": "Bearer " + kit.token(name), "Idempotency-Key": key})


def test_a_user_is_registered_once_for_a_key(chat, redis):
    body = {"name": "dora", "password": "correct horse"}
    first, again = (keyed(chat, "/v1/users", "k1", body) for _ in range(2))
    same((first.status, again.status, again.json), (201, 201, first.json))
    same((first.headers.get("idempotent-replayed"), again.headers["idempotent-replayed"]), (None, "true"))
    for other in (body | {"name": "dana"}, body | {"password": "other horse"}):
        same(keyed(chat, "/v1/users", "k1", other).json["type"], "/problems/idempotency-mismatch")
    for _ in range(2):
        same(keyed(chat, "/v1/users", "k2", body).json["type"], "/problems/name-taken")
    same(keyed(chat, "/v1/users", "x" * 256, body).json["type"], "/problems/bad-idempotency-key")
    for key in redis.cli("KEYS", "ch:idem:*"):  # a try that died when there was a user
        redis.cli("HDEL", key, "status", "body")
        redis.cli("HSET", key, "until", 0)
    same(keyed(chat, "/v1/users", "k1", body).status, 201)
    same(post(chat, "/v1/sessions", {"name": "dora", "password": "correct horse"}).status, 201)


def test_a_room_is_made_once_for_a_key(chat, redis):
    body = {"name": "tea", "kind": "private"}
    first, again = (keyed(chat, "/v1/rooms", "k1", body) for _ in range(2))
    same((first.status, again.status, again.json), (201, 201, first.json))
    same((first.headers.get("idempotent-replayed"), again.headers["idempotent-replayed"]), (None, "true"))
    same(keyed(chat, "/v1/rooms", "k1", body | {"topic": "x"}).json["type"], "/problems/idempotency-mismatch")
    same(keyed(chat, "/v1/rooms", "", body).json["type"], "/problems/bad-idempotency-key")
    other = keyed(chat, "/v1/rooms", "k1", body, "bob")  # his key is another
    same((other.status, other.json["room"] != first.json["room"]), (201, True))
    same([i["room"] for i in chat.call("ann", "GET", "/v1/rooms")["items"]], [first.json["room"]])


def test_a_room_whose_maker_died_is_made_once(redis, directory):
    with serve(redis, directory, "--crash-at", "room-made") as server:
        try:
            keyed(server, "/v1/rooms", "k1", {"name": "tea", "kind": "public"})
            raise AssertionError("no crash")
        except (OSError, EOFError):
            pass
        eventually(lambda: server.get("/readyz").status == 200, "a worker again")
        same(keyed(server, "/v1/rooms", "k1", {"name": "tea", "kind": "public"}).json["type"],
             "/problems/idempotency-busy")
        for key in redis.cli("KEYS", "ch:idem:*"):
            redis.cli("HSET", key, "until", 0)  # its lease has run out
        made = keyed(server, "/v1/rooms", "k1", {"name": "tea", "kind": "public"})
        same(made.status, 201)
        same([i["room"] for i in server.call("ann", "GET", "/v1/rooms")["items"]], [made.json["room"]])


def test_who_is_not_let_in_is_told_how(chat):
    post(chat, "/v1/users", {"name": "dora", "password": "correct horse"})
    ended = post(chat, "/v1/sessions", {"name": "dora", "password": "correct horse"}).json["token"]
    header = {"Authorization": "Bearer " + ended}
    same(request(chat.port, "DELETE", "/v1/sessions/current", None, header).status, 204)
    eventually(lambda: request(chat.port, "GET", "/v1/rooms", None, header).status == 401, "the end")
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol": kit.PROTOCOL}
    for answer in (post(chat, "/v1/sessions", {"name": "dana", "password": "wrong horse"}),
                   request(chat.port, "GET", "/v1/rooms"), request(chat.port, "GET", "/v1/rooms", None, header),
                   request(chat.port, "GET", "/v1/ws", None, upgrade | {"Authorization": "Bearer x"})):
        same((answer.status, answer.headers.get("www-authenticate")), (401, "Bearer"), answer.text)


def test_names_and_passwords_are_checked(chat):
    for body in ({"name": "Dora", "password": "12345678"}, {"name": "", "password": "12345678"},
                 {"name": "guest-x", "password": "12345678"}, {"name": "anonymous", "password": "12345678"},
                 {"name": "d" * 33, "password": "12345678"}, {"name": "..", "password": "12345678"},
                 {"name": "dora", "password": "1234567"},
                 {"name": "dora", "password": "x" * 257}, {"name": "dora"}, {"name": "dora", "password": 1}):
        same(post(chat, "/v1/users", body).status, 422, body)
    for body in ({}, {"name": "dora"}, {"guest": "x", "name": "dora"}, {"guest": "d" * 27}, {"guest": "a b"}):
        same(post(chat, "/v1/sessions", body).status, 422, body)
    same(post(chat, "/v1/sessions", {"guest": "x"}).status, 403)


def test_passwords_cannot_be_tried_for_ever(chat):
    connections = [Connection(chat.port) for _ in range(12)]
    for n, connection in enumerate(connections):  # all at once: each takes its time
        connection.send(render("POST", "/v1/sessions", {"name": "dora", "password": "guess %d" % n}))
    statuses = [connection.answer().status for connection in connections]
    for connection in connections:
        connection.close()
    assert 429 in statuses, statuses
    assert set(statuses) <= {401, 429, 503}, statuses


def test_sessions_that_end_while_a_worker_hears_nothing_are_closed_then(redis, directory):
    with serve(redis, directory, "--open", "--workers", "1") as here, \
            serve(redis, directory, "--open", "--workers", "1") as there:
        tokens = [post(here, "/v1/sessions", {"guest": name}).json["token"] for name in ("ann", "bob", "cat")]
        devices = [Device(there, token) for token in tokens]
        for device in devices:
            device.get("sync")
        [worker] = there.workers()
        os.kill(worker, signal.SIGSTOP)
        for token, path in zip(tokens, ("sessions/current", "users/me")):
            same(request(here.port, "DELETE", "/v1/" + path, None, {"Authorization": "Bearer " + token}).status, 204)
        redis.cli("CLIENT", "KILL", "TYPE", "pubsub")  # with all that was on its way
        os.kill(worker, signal.SIGCONT)
        same([device.ends() for device in devices[:2]], [4401, 4401])
        devices[2].get("sync")


def serve(redis, directory, *options):
    """A chat with limits of its own."""
    return contextlib.closing(Chat(redis, directory, *options))


def limited(client, op, tries=20, **members):
    """Asks until it is told to come later; its error."""
    for _ in range(tries):
        answer = client.ask(op, **members)
        if not answer["ok"]:
            same((answer["error"]["status"], answer["error"]["type"]), (429, "rate-limited"), answer)
            return answer["error"]
    raise AssertionError("no limit")


def test_what_a_user_writes_counts_however_it_comes(redis, directory):
    token = kit.token
    with serve(redis, directory, "--write-rate", "4", "--open") as server:
        room = server.call("ann", "POST", "/v1/rooms", {"name": "tea", "kind": "public"}, 201)["room"]
        server.call("bob", "PUT", "/v1/rooms/%s/members/bob" % room, status=201)
        path = "/v1/rooms/%s/read" % room
        with Device(server) as ann, Device(server) as bob:  # the token comes in auth
            ann.get("auth", token=token("ann"))
            bob.get("auth", token=token("bob"))
            for op, members in (("read", {"seq": 1}), ("typing", {"on": True})):
                error = limited(ann, op, room=room, **members)
                assert 0 < error["retry_after_ms"] <= 1001, error
            limited(ann, "presence", state="away")
            answer = next(a for a in (post(server, path, {"seq": 1}, token("ann")) for _ in range(20)) if a.text)
            same((answer.status, answer.json["type"]), (429, "/problems/rate-limited"))
            assert int(answer.headers["retry-after"]) >= 1, answer.headers
            bob.get("read", room=room, seq=1)  # another user at the same address


def test_who_joins_too_fast_is_told_when_to_come(redis, directory):
    with serve(redis, directory, "--join-rate", "1") as server:
        rooms = [server.call("ann", "POST", "/v1/rooms", {"name": "r%d" % n, "kind": "public"}, 201)["room"]
                 for n in range(4)]
        with Client(server, "bob") as bob, Client(server, "cat") as cat:
            for room in rooms[:2]:
                bob.get("join", room=room)
            error = bob.refused("join", 429, "rate-limited", room=rooms[2])
            assert 0 < error["retry_after_ms"] <= 1001, error
            answer = request(server.port, "PUT", "/v1/rooms/%s/members/bob" % rooms[2], None,
                             {"Authorization": "Bearer " + kit.token("bob")})
            same((answer.status, answer.headers["retry-after"]), (429, "1"))
            bob.say(rooms[0], "what else it does goes on")
            cat.get("join", room=rooms[2])
            eventually(lambda: bob.ask("join", room=rooms[2])["ok"], "its turn")


def test_who_comes_back_too_fast_is_put_off(redis, directory):
    for option, names in (("--user-connect-rate", ("ann", "ann", "ann")),
                          ("--address-connect-rate", ("ann", "bob", "cat"))):
        with serve(redis, directory, option, "1") as server:
            redis.cli("FLUSHALL")
            same([refused_with(server, name) for name in names], [None, None, 429], option)
            same(refused_with(server, "dan"), None if option.startswith("--user") else 429)
            assert server.metric("chat_put_off_total") >= 1
            eventually(lambda: refused_with(server, "ann") is None, "its turn")


def refused_with(server, name):
    try:
        Client(server, name).close()
    except Refused as refused:
        return refused.status
    return None


def test_the_oldest_of_too_many_sessions_ends(open_chat):
    first = post(open_chat, "/v1/sessions", {"guest": "eve"}).json["token"]
    with Device(open_chat, first) as eve:
        eve.get("sync")
        for _ in range(100):
            same(post(open_chat, "/v1/sessions", {"guest": "eve"}).status, 201)
        same(eve.ends(), 4401)


def test_guests_come_in_where_it_is_open(open_chat):
    answer = post(open_chat, "/v1/sessions", {"guest": "eve", "device": "tab"})
    same((answer.status, answer.json["user"]), (201, "guest-eve"))
    with Device(open_chat) as eve:  # anonymous until it says who it is
        eve.get("auth", token=answer.json["token"])
        same(eve.get("sync")["device"], "tab")
        eve.get("auth", token=post(open_chat, "/v1/sessions", {"guest": "eve"}).json["token"])
        same(eve.get("sync")["device"], "")
        eve.get("auth", token=answer.json["token"])
        same({k: v for k, v in eve.get("sync").items() if k in ("user", "device")},
             {"user": "guest-eve", "device": "tab"})
        other = post(open_chat, "/v1/sessions", {"guest": "mallory"}).json["token"]
        eve.refused("auth", 403, "forbidden", token=other)
        same(eve.ends(), 4401)
    same(request(open_chat.port, "GET", "/v1/rooms").status, 200)


def test_the_first_message_must_say_who_it_is(chat):
    for text, code in (('{"id":1,"op":"sync"}', 4401), ("[1]", 4400), ("x", 4400), ('{"op":"auth","token":"x"}', 4400)):
        with Device(chat) as client:
            client.send(text)
            same(client.ends(), code, text)
    for token in ("x", "x.y.z"):
        try:
            with Device(chat, token):
                raise AssertionError("let in")
        except Refused as refused:
            same(refused.status, 401)


def test_tokens_must_cover_the_chat_and_name_a_user(chat):
    from kit import token  # pylint: disable=import-outside-toplevel
    for text, why in ((token("ann", scope="links:read"), 403), (token("Ann"), 403)):
        try:
            with Device(chat, text):
                raise AssertionError("let in")
        except Refused as refused:
            same(refused.status, why)
    secret = chat.call("ann", "POST", "/v1/rooms", {"name": "c", "kind": "private"}, 201)["room"]
    for text in (token("ann", scope="links:read"), token("#"), token("a b"), token("Ann")):
        for path in ("", "/" + secret, "/%s/messages" % secret, "/%s/members" % secret, "/%s/events" % secret):
            same(request(chat.port, "GET", "/v1/rooms" + path, None, {"Authorization": "Bearer " + text}).status, 403)


def test_a_narrowed_token_touches_the_rooms_that_it_covers(chat):
    rooms = [chat.room("ann", "bob", name="r%d" % n) for n in range(4)]
    mine, other = rooms[:2]
    narrow = kit.token("ann", scope="links:read chat:use:%s chat:use:%s*" % (mine, rooms[2][:-1]))
    covered = [room for room in rooms if room == mine or room.startswith(rooms[2][:-1])]

    def call(method, path, body=None, text=narrow):
        return request(chat.port, method, path, body, {"Authorization": "Bearer " + text})
    for n, room in enumerate(rooms):
        chat.call("bob", "POST", "/v1/rooms/%s/messages" % room, {"client_id": "b", "text": "green tea %d" % n}, 201)
    say = {"client_id": "c", "text": "x"}
    for method, tail, body in (
            ("GET", "", None), ("PATCH", "", {"topic": "x"}), ("GET", "/members", None), ("GET", "/messages", None),
            ("GET", "/events", None), ("POST", "/messages", say), ("PATCH", "/messages/3", say),
            ("PUT", "/messages/3/reactions/a", None), ("DELETE", "/messages/3/reactions/a", None),
            ("DELETE", "/messages/3", None), ("POST", "/read", {"seq": 1}), ("POST", "/delivered", {"seq": 1}),
            ("PUT", "/members/cat", None), ("PUT", "/mutes/bob", None), ("DELETE", "/mutes/bob", None),
            ("PUT", "/bans/bob", None), ("DELETE", "/bans/bob", None), ("DELETE", "/members/bob", None),
            ("DELETE", "", None)):
        for room in (other, "r0000000000000000"):  # whether it is there is not told
            answer = call(method, "/v1/rooms/%s%s" % (room, tail), body)
            same((answer.status, answer.json["type"]), (403, "/problems/forbidden"), (method, tail))
    same(call("GET", "/v1/rooms/" + mine).status, 200)
    same(call("POST", "/v1/rooms/%s/messages" % mine, say).status, 201)
    same(call("GET", "/v1/search?q=tea&room=" + other).status, 403)
    for path, body in (("/v1/rooms", {"name": "x", "kind": "public"}), ("/v1/dms", {"user": "bob"})):
        same(call("POST", path, body).status, 403)
        same(call("POST", path, body, kit.token("ann", scope="chat:use:*")).status, 201)
        same(call("POST", path, body, kit.token("ann", scope="chat:use:")).status, 403)
    same({i["room"] for i in call("GET", "/v1/search?q=green+tea").json["items"]}, set(covered))
    for scope in ("mine", "public"):
        seen, cursor = [], ""
        while cursor is not None:
            page = call("GET", "/v1/rooms?limit=1&scope=" + scope + (cursor and "&cursor=" + cursor)).json
            seen += [item["room"] for item in page["items"]]
            cursor = page["next"]
        same(sorted(seen), sorted(covered), scope)


def test_a_narrowed_token_is_not_for_all_of_a_user(chat):
    narrow = kit.token("ann", scope="chat:use:" + chat.room("ann"))
    for method, path in (("GET", "/v1/users/me/export"), ("DELETE", "/v1/users/me")):
        same(request(chat.port, method, path, None, {"Authorization": "Bearer " + narrow}).status, 403, path)


def test_a_socket_of_a_narrowed_token_hears_of_what_it_covers(chat):
    mine, other, third = (chat.room("ann", "bob", name=name) for name in "abc")
    narrow = kit.token("ann", scope="chat:use:" + mine)
    with Device(chat) as ann, Client(chat, "bob") as bob:
        ann.get("auth", token=narrow)
        same([i["room"] for i in ann.get("sync", cursors={other: 1, mine: 1}, watch=[other, third])["rooms"]], [mine])
        mark = {"room": other, "client_id": "c"}
        for op, members in (
                ("watch", {}), ("unwatch", {}), ("join", {}), ("leave", {}), ("send", {"client_id": "c", "text": "x"}),
                ("edit", mark | {"target": 1, "text": "x"}), ("delete", mark | {"target": 1}),
                ("react", mark | {"target": 1, "emoji": "a", "on": True}), ("read", {"seq": 1}),
                ("delivered", {"seq": 1}), ("mute", {"until_at": None}), ("typing", {"on": True}), ("history", {}),
                ("members", {}), ("search", {"query": "x"})):
            ann.refused(op, 403, "forbidden", **({"room": other} | members))
        bob.say(other, "green tea")
        bob.say(mine, "green tea")
        same(ann.until("unread")["room"], mine)
        same([i["room"] for i in ann.get("search", query="green")["items"]], [mine])
        chat.call("bob", "DELETE", "/v1/rooms/%s/members/bob" % other, status=204)
        chat.call("ann", "POST", "/v1/rooms/%s/messages" % other, {"client_id": "d", "text": "x"}, 201)
        ann.get("watch", room=mine)
        same([e for e in ann.events if e["room"] != mine], [])
        ann.get("auth", token=kit.token("ann"))  # a wider one
        ann.get("watch", room=other)
        ann.refused("auth", 403, "forbidden", token=narrow)  # what it watches it may not be denied so
        same(ann.ends(), 4401)


main(__name__, open_chat=open_chat)
