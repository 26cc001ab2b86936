"""service_data.py - what is kept of a user: all of it can be had, and all of it goes."""
import contextlib
import json
import os
import random
import select
import signal
import socket

from kit import (DEADLINE, SOAK, WORKERS, Chat, Client, Connection, Refused, chat, directory, eventually, main, redis,
                 render, request, same, token)

ME = "/v1/users/me"
EXPORT = ME + "/export"
BIG = 16000
POINTS = ("erasure-noted", "erasure-taken", "erasure-heir", "erasure-stepped", "erasure-kept", "erasure-settled")


def bearer(text):
    return {"Authorization": "Bearer " + text}


def export(server, name, text=None):
    """The lines of a whole one, without the last."""
    answer = request(server.port, "GET", EXPORT, None, bearer(text or token(name)))
    same((answer.status, answer.headers["content-type"]), (200, "application/x-ndjson"))
    return whole(answer.text)


def whole(text):
    assert text.endswith("\n"), text[-200:]
    lines = [json.loads(line) for line in text.splitlines()]
    same(lines[-1], {"type": "end", "lines": len(lines) - 1})
    return lines[:-1]


def some(lines, kind, *members):
    """These members of the lines of a type."""
    return [tuple(line.get(member) for member in members) for line in lines if line["type"] == kind]


def delete(server, name, text=None):
    return request(server.port, "DELETE", ME, None, bearer(text or token(name))).status


def becomes(server, metric, value):
    """Workers may be dead meanwhile."""
    def is_so():
        with contextlib.suppress(OSError, EOFError):
            return server.metric(metric) == value
    eventually(is_so, "%s being %d" % (metric, value))


def is_erased(server):
    becomes(server, "chat_users_erased_total", 1)


def events(server, name, room):
    """The whole log, whose numbers have no holes."""
    items = []
    while True:
        page = server.call(name, "GET", "/v1/rooms/%s/events?limit=200&after=%d" % (room, len(items)), status=200)
        items += page["items"]
        if not page["items"] or items[-1]["seq"] == page["seq"]:
            same([item["seq"] for item in items], list(range(1, len(items) + 1)))
            return items


def texts_of(items, name):
    """What one can still read of somebody's."""
    return [item["text"] for item in items if item["from"] == name and item.get("text") is not None]


def everything(store):
    """All that Redis has, as text by key."""
    found = {}
    for key in store.cli("KEYS", "ch:*"):
        read = {"string": ("GET", key), "hash": ("HGETALL", key), "zset": ("ZRANGE", key, 0, -1),
                "set": ("SMEMBERS", key), "stream": ("XRANGE", key, "-", "+")}[store.cli("TYPE", key)]
        found[key] = json.dumps(store.cli(*read))
    return found


def signed_in(server, name, password="correct horse", device="phone"):
    answer = request(server.port, "POST", "/v1/sessions", {"name": name, "password": password, "device": device})
    same(answer.status, 201, answer.text)
    return answer.json["token"]


class Device(Client):
    """A client with a token of its own."""

    def __init__(self, server, text):  # pylint: disable=super-init-not-called
        super(Client, self).__init__(server, token=text)


def all_ready(server):
    with server.connections(int(WORKERS)) as connections:
        for connection in connections:
            eventually(lambda one=connection: one.get("/readyz").status == 200, "being ready again")


class SlowReader(Connection):
    """Takes no more than it is told to."""

    def __init__(self, port):  # pylint: disable=super-init-not-called
        self.sock, self.data = socket.socket(), b""
        self.sock.settimeout(DEADLINE)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.connect(("127.0.0.1", port))


def fill(server, name, room, count, size=10):
    """So many messages, many at a time."""
    with Client(server, name) as client:
        for first in range(0, count, 50):
            for number in range(first, min(first + 50, count)):
                client.send(json.dumps({"id": number + 1, "op": "send", "room": room, "client_id": "f%d" % number,
                                        "text": ("%05d" % number).ljust(size, ".")}))
            done = 0
            while done < min(50, count - first):
                message = client.message()
                assert message.get("ok", True), message
                done += "id" in message


# ---- all of it can be had

def test_an_export_has_ones_own_and_nothing_of_others(chat):
    same(request(chat.port, "POST", "/v1/users", {"name": "dora", "password": "correct horse"}).status, 201)
    phone, tab = signed_in(chat, "dora"), signed_in(chat, "dora", device="tab")
    room = chat.room("ann", "dora", name="tea")
    left = chat.room("ann", "dora", name="left")
    direct = chat.direct("ann", "dora")
    with Client(chat, "ann") as ann, Device(chat, phone) as dora:
        hers = ann.say(room, "of-ann @dora")["seq"]
        first = dora.say(room, "one")["seq"]
        second = dora.say(room, "two", reply_to=hers)["seq"]
        gone = dora.say(room, "deleted-text")["seq"]
        edit = dora.get("edit", room=room, target=first, text="uno", client_id="e")["seq"]
        dora.get("delete", room=room, target=gone, client_id="d")
        stands = dora.get("react", room=room, target=hers, emoji="+1", on=True, client_id="r1")["seq"]
        for on in (True, False):
            dora.get("react", room=room, target=hers, emoji="-1", on=on, client_id="r%s" % on)
        ann.get("react", room=room, target=first, emoji="anns", on=True, client_id="r")
        there = dora.say(left, "was there")["seq"]
        dora.get("leave", room=left)
        ann.say(left, "of-ann, too")
        dora.say(direct, "to ann")
    lines = eventually(lambda: (found := export(chat, "dora", phone)) and found[0].get("last_seen_at") and found,
                       "the end of her connection")
    same(some(lines, "user", "name", "kind"), [("dora", "registered")])
    same(sorted(some(lines, "session", "device", "current")), [("phone", True), ("tab", False)])
    same(some(lines, "room", "room", "name"), [(room, "tea"), (direct, ""), (left, None)])
    same([line["me"] and line["me"]["role"] for line in lines if line["type"] == "room"], ["member", "member", None])
    same(some(lines, "message", "room", "seq", "text", "deleted", "reply_to"),
         [(room, first, "uno", None, None), (room, second, "two", None, hers), (room, gone, None, True, None),
          (direct, 3, "to ann", None, None), (left, there, "was there", None, None)])
    same(some(lines, "edit", "seq", "target", "text"), [(edit, first, "uno")])
    same(some(lines, "react", "seq", "target", "emoji"), [(stands, hers, "+1")])
    same({line["from"] for line in lines if "from" in line}, {"dora"})
    text = json.dumps(lines)
    assert "of-ann" not in text and "anns" not in text and "scrypt" not in text and "horse" not in text, text
    same(some(export(chat, "ann"), "user", "name", "kind"), [("ann", "token")])
    same(some(export(chat, "nobody"), "message"), [])
    same(request(chat.port, "GET", EXPORT).status, 401)
    same(request(chat.port, "HEAD", EXPORT, None, bearer(tab)).status, 200)


def test_a_long_export_comes_in_pages(chat):
    rooms = [chat.room("ann", name="r%d" % number) for number in range(70)]
    for room in rooms[:66]:
        chat.call("bob", "PUT", "/v1/rooms/%s/members/bob" % room, status=201)
        chat.call("bob", "DELETE", "/v1/rooms/%s/members/bob" % room, status=204)
    fill(chat, "ann", rooms[0], 450)
    lines = export(chat, "ann")
    same([line for line, in some(lines, "room", "room")], rooms)
    same([text for text, in some(lines, "message", "text")], ["%05d....." % number for number in range(450)])
    lines = export(chat, "bob")
    same(some(lines, "room", "room", "me"), [(room, None) for room in rooms[:66]])


def test_an_export_goes_as_fast_as_it_is_read(chat):
    room = chat.room("ann", "bob")
    fill(chat, "ann", room, 900, BIG)
    reader = SlowReader(chat.port)
    reader.send(render("GET", EXPORT, None, bearer(token("ann"))))
    reader._until(b"\r\n\r\n")  # pylint: disable=protected-access
    with Client(chat, "bob") as bob:  # meanwhile others are served
        for _ in range(50):
            bob.say(room, "hi")
    if WORKERS == "1":
        live = chat.get("/debug/memory").json["live_bytes"]
        assert live["conn"] + live["request"] + live["redis"] < 8 << 20, live
    body = reader._chunks()  # pylint: disable=protected-access
    same(len(some(whole(body.decode()), "message")), 900)
    reader.close()


def test_an_export_that_cannot_go_on_is_cut(redis, chat):
    room = chat.room("ann")
    fill(chat, "ann", room, 900, BIG)
    reader = SlowReader(chat.port)
    reader.send(render("GET", EXPORT, None, bearer(token("ann"))))
    reader._until(b"\r\n\r\n")  # pylint: disable=protected-access
    redis.kill()
    try:
        reader._chunks()  # pylint: disable=protected-access
    except (EOFError, ConnectionResetError):
        pass
    else:
        raise AssertionError("it ended as if it were whole")
    reader.close()
    redis.start()
    all_ready(chat)
    same(len(some(export(chat, "ann"), "message")), 900)


def exports_at_once(redis, directory, names):
    """The answers to all, while Redis stands still until one is refused."""
    server = Chat(redis, directory, "--redis-timeout", "30s", workers="1")
    for name in names:
        export(server, name)
    redis.pause()
    connections = [Connection(server.port) for _ in names]
    for connection, name in zip(connections, names):
        connection.send(render("GET", EXPORT, None, bearer(token(name))))
    select.select([connection.sock for connection in connections], [], [], DEADLINE / 6)
    redis.go_on()
    answers = [connection.answer() for connection in connections]
    for connection in connections:
        connection.close()
    server.close()
    return answers


def test_exports_have_a_bound(redis, directory):
    for _ in range(5):  # who is not remembered waits for Redis before the export: then none need be refused
        answers = exports_at_once(redis, directory, ["user%d" % n for n in range(17)])
        if any(answer.status != 200 for answer in answers):
            break
    same(sorted(answer.status for answer in answers), [200] * 16 + [503])
    same([answer.slug for answer in answers if answer.status == 503], ["overload"])


def test_a_drain_does_not_wait_for_ever(redis, directory):
    server = Chat(redis, directory, "--drain-timeout", "1s")
    fill(server, "ann", server.room("ann"), 900, BIG)
    reader = SlowReader(server.port)
    reader.send(render("GET", EXPORT, None, bearer(token("ann"))))
    reader._until(b"\r\n\r\n")  # pylint: disable=protected-access
    server.close()
    reader.close()


# ---- all of it goes

def test_nothing_is_left_of_who_is_deleted(redis, chat):
    same(request(chat.port, "POST", "/v1/users", {"name": "dora", "password": "correct horse"}).status, 201)
    phone = signed_in(chat, "dora")
    room, left = chat.room("ann", "dora"), chat.room("ann", "dora", kind="public")
    secret = chat.call("dora", "POST", "/v1/rooms", {"name": "mine", "kind": "private"}, 201)["room"]
    direct = chat.direct("ann", "dora")
    with Client(chat, "ann") as ann, Device(chat, phone) as dora, Client(chat, "dora") as other:
        ann.get("sync")
        ann.get("watch", room=room, after=0)
        hers = ann.say(room, "hello @dora")["seq"]
        first = dora.say(room, "secret-1 @ann")["seq"]
        dora.get("edit", room=room, target=first, text="secret-2 @ann", client_id="e")
        dora.get("react", room=room, target=hers, emoji="secret-3", on=True, client_id="r")
        for where in (secret, direct, left):
            dora.say(where, "secret-4")
        dora.get("leave", room=left)
        same(delete(chat, "dora", phone), 204)
        same((dora.ends(), other.ends()), (4401, 4401))
        same(ann.until("delete", room=room)["target"], first)
        same(ann.until("react", room=room, **{"on": False})["target"], hers)
    is_erased(chat)
    eventually(lambda: not any(redis.cli("SMEMBERS", key) for key in redis.cli("KEYS", "ch:selectors:*")),
               "its absence")
    same([key for key in redis.cli("KEYS", "ch:roster:*") if key.endswith(":dora")], [])
    with chat.connections(int(WORKERS)) as connections:
        for connection in connections:
            for text in (phone, token("dora")):
                same(connection.get("/v1/rooms", bearer(text)).status, 401)
    for text in (phone, token("dora")):
        try:
            with Device(chat, text):
                raise AssertionError("let in")
        except Refused as refused:
            same(refused.status, 401)
    same(request(chat.port, "POST", "/v1/users", {"name": "dora", "password": "other horse!"}).status, 409)
    same(request(chat.port, "POST", "/v1/sessions", {"name": "dora", "password": "correct horse"}).status, 401)
    chat.call("ann", "PUT", "/v1/rooms/%s/members/dora" % room, status=404)
    chat.call("ann", "POST", "/v1/dms", {"user": "dora"}, 404)
    for where in (room, left, direct):
        same(texts_of(events(chat, "ann", where), "dora"), [])
        same([item["user"] for item in chat.call("ann", "GET", "/v1/rooms/%s/members" % where)["items"]], ["ann"])
    item = chat.call("ann", "GET", "/v1/rooms/%s/messages" % room)["items"][0]
    same((item["text"], item["reactions"]), ("hello @dora", {}))
    same(chat.call("ann", "GET", "/v1/rooms/" + room)["me"]["mentions"], 0)
    kept = everything(redis)
    for key, text in kept.items():
        assert "secret-1" not in text and "secret-2" not in text and "secret-4" not in text, (key, text)
        assert "scrypt" not in text, (key, text)
        assert not key.endswith(":dora") or key.startswith(("ch:user:", "ch:roster:", "ch:bkt:")), key
        if key.startswith(("ch:members:", "ch:names:", "ch:reactions:", "ch:erasures:", "ch:selectors:")):
            assert "dora" not in text, (key, text)
    for key in redis.cli("KEYS", "ch:roster:*:dora"):
        same(list(redis.hash(key)), [""])  # a counter, for two minutes
    same([json.loads(text)[::2] for key, text in kept.items() if key.startswith("ch:user:") and key.endswith(":dora")],
         [["deleted"]])
    same(redis.hash(next(key for key in kept if key.startswith("ch:members:") and secret in key))["#"].split()[7], "1")


def test_a_user_has_one_export_at_a_time_and_none_is_whole_once_it_is_deleted(chat):
    room = chat.room("ann")
    with Client(chat, "ann") as ann:
        for n in range(600):  # more than sockets take
            ann.say(room, "x" * 12000, client_id="c%d" % n)
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(contextlib.closing(socket.create_connection(("127.0.0.1", chat.port))))
        first.sendall(render("GET", EXPORT, headers=bearer(token("ann")) | {"Connection": "close"}))
        first.recv(1000)
        if WORKERS == "1":  # else it may come to another one
            again = request(chat.port, "GET", EXPORT, None, bearer(token("ann")))
            same((again.status, again.json["type"].split("/")[-1]), (429, "export-busy"))
        same(delete(chat, "ann"), 204)
        is_erased(chat)
        text = b"".join(iter(lambda: first.recv(65536), b""))
    assert b'"type":"end"' not in text[-200:], text[-200:]


def test_a_room_gets_another_owner(chat):
    def roles(room, name):
        return {item["user"]: item["role"] for item in chat.call(name, "GET", "/v1/rooms/%s/members" % room)["items"]}
    by_role, by_time, has = (chat.room("ann", "bob", "carol", "dan") for _ in range(3))
    chat.call("ann", "PUT", "/v1/rooms/%s/members/dan" % by_role, {"role": "admin"}, 200)
    chat.call("ann", "PUT", "/v1/rooms/%s/members/carol" % by_role, {"role": "admin"}, 200)
    chat.call("ann", "PUT", "/v1/rooms/%s/members/bob" % by_time, {"role": "reader"}, 200)
    chat.call("ann", "PUT", "/v1/rooms/%s/members/dan" % has, {"role": "owner"}, 200)
    same(delete(chat, "ann"), 204)
    is_erased(chat)
    same(roles(by_role, "dan"), {"bob": "member", "carol": "owner", "dan": "admin"})
    same(roles(by_time, "dan"), {"bob": "reader", "carol": "owner", "dan": "member"})
    same(roles(has, "dan"), {"bob": "member", "carol": "member", "dan": "owner"})
    for room, owner in ((by_role, "carol"), (has, "dan")):  # the only one again
        chat.call(owner, "DELETE", "/v1/rooms/%s/members/%s" % (room, owner), status=422)


def test_a_deletion_is_asked_for_twice(chat):
    room = chat.room("ann", "bob")
    fill(chat, "bob", room, 20)
    connections = [Connection(chat.port) for _ in range(4)]
    for connection in connections:
        connection.send(render("DELETE", ME, None, bearer(token("bob"))))
    statuses = {connection.answer().status for connection in connections}
    assert 204 in statuses and statuses <= {204, 401}, statuses
    for connection in connections:
        connection.close()
    same(delete(chat, "bob"), 401)
    is_erased(chat)
    items = events(chat, "ann", room)
    same(texts_of(items, "bob"), [])
    same(len([item for item in items if item["type"] == "delete"]), 20)  # each once


def test_guests_go_likewise(redis, directory):
    server = Chat(redis, directory, "--open")
    text = request(server.port, "POST", "/v1/sessions", {"guest": "eve"}).json["token"]
    same(some(export(server, None, text), "user", "name", "kind"), [("guest-eve", "guest")])
    same(delete(server, None, text), 204)
    same(delete(server, None, text), 401)
    is_erased(server)
    answer = request(server.port, "POST", "/v1/sessions", {"guest": "eve"})
    same((answer.status, answer.slug), (409, "name-taken"))
    answer = request(server.port, "DELETE", ME)
    same((answer.status, answer.slug), (403, "forbidden"))
    server.close()


# ---- whatever dies on the way

def room_of_many(server, count):
    """Of ann, who wrote in it, an owner, with bob."""
    room = server.room("ann", "bob")
    fill(server, "ann", room, count)
    return room


def check_erased(server, room, count):
    is_erased(server)
    items = events(server, "bob", room)
    same(texts_of(items, "ann"), [])
    same(sorted(item["target"] for item in items if item["type"] == "delete"),
         sorted(item["seq"] for item in items if item["type"] == "message" and item["from"] == "ann"))
    same(len([item for item in items if item["type"] == "message"]), count)
    members = server.call("bob", "GET", "/v1/rooms/%s/members" % room)["items"]
    same([(item["user"], item["role"]) for item in members], [("bob", "owner")])


def test_a_deletion_goes_on_where_a_worker_was_killed(redis, directory):
    seed = random.randrange(1 << 30)
    print("seed %d" % seed)
    for point in POINTS if SOAK else random.Random(seed).sample(POINTS, 2):
        redis.cli("FLUSHALL")
        server = Chat(redis, directory, "--crash-at", point)
        room = room_of_many(server, 600)
        with contextlib.suppress(OSError, EOFError):
            same(delete(server, "ann"), 204, point)
        becomes(server, "crash_points_total", 1)
        check_erased(server, room, 600)
        server.close()


def test_a_deletion_goes_on_when_all_workers_were_killed(redis, chat):
    room = room_of_many(chat, 2000)
    log = redis.cli("KEYS", "ch:log:*")[0]
    same(delete(chat, "ann"), 204)
    eventually(lambda: redis.cli("XREVRANGE", log, "+", "-", "COUNT", 1)[0][1][1].startswith("d ann"),
               "the first of it")
    for pid in chat.workers():
        os.kill(pid, signal.SIGKILL)
    assert redis.cli("KEYS", "ch:erasures:*"), "it was over before"
    check_erased(chat, room, 2000)


def test_a_deletion_goes_on_when_redis_was_killed(redis, chat):
    room = room_of_many(chat, 2000)
    same(delete(chat, "ann"), 204)
    for _ in range(3):
        redis.kill()
        redis.start()
        assert redis.cli("KEYS", "ch:erasures:*"), "it was over before"
        all_ready(chat)
        same(delete(chat, "ann"), 401)
    check_erased(chat, room, 2000)


main(__name__)
