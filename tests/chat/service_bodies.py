"""service_bodies.py - texts in Redis: sealed, sealed anew, refused when they were changed."""
import base64
import contextlib
import json
import threading

from kit import KEYS, WORKERS, Chat, Client, Service, directory, eventually, main, redis, same, served, write_file

SECRETS = {kid: base64.urlsafe_b64encode(bytes(range(n, n + 32))).decode().rstrip("=")
           for n, kid in enumerate(("k1", "k2"))}
WORD = "pineapple"


def keys_file(folder, current, *kids):
    return write_file(folder, "bodies", json.dumps({
        "current": current, "keys": [{"kid": kid, "alg": "A256GCM", "secret": SECRETS[kid]} for kid in kids]}))


@contextlib.contextmanager
def started(store, folder, *kids):
    """A chat that seals with the first of the keys; with none, in the open."""
    yield from served(
        Chat(store, folder, *(("--encrypt-bodies", keys_file(folder, kids[0], *kids)) if kids else ())))


def dumped(store):
    """All that Redis has, as one text."""
    out = []
    for key in store.cli("KEYS", "ch:*"):
        kind = store.cli("TYPE", key)
        out.append(str({"string": lambda k: store.cli("GET", k), "hash": lambda k: store.cli("HGETALL", k),
                        "stream": lambda k: store.cli("XRANGE", k, "-", "+")}.get(kind, lambda k: "")(key)))
    return "\n".join(out)


def kids_of(store, room):
    [key] = store.cli("KEYS", "ch:members:*:" + room)
    return store.cli("HGET", key, "#").split()[-1].strip("=").split("=")


def fill(server, count=5):
    """A room with messages, one of which was edited, one deleted, one was reacted to."""
    room = server.room("ann", "bob")
    with Client(server, "ann") as ann:
        for n in range(count):
            ann.say(room, "%s %d" % (WORD, n), client_id="m%d" % n)
        ann.get("edit", room=room, target=3, client_id="e1", text=WORD + " edited once")
        ann.get("edit", room=room, target=3, client_id="e2", text=WORD + " edited")
        ann.get("delete", room=room, target=4, client_id="d1")
        ann.get("react", room=room, target=5, client_id="r1", emoji="+1", on=True)
    return room


def views(server, room):
    """What clients read of it: as history, as a log, over a socket, by search."""
    with Client(server, "bob") as bob:
        log = server.call("ann", "GET", "/v1/rooms/%s/events?after=0&limit=200" % room, status=200)["items"]
        bob.get("watch", room=room, after=0)
        same(bob.log(len(log)), log)
        messages = server.call("ann", "GET", "/v1/rooms/%s/messages?after=0&limit=200" % room, status=200)["items"]
        found = server.call("ann", "GET", "/v1/search?q=" + WORD, status=200)["items"]
    return log, messages, found


def test_texts_are_sealed_in_redis_and_read_as_they_were(redis, directory):
    with started(redis, directory, "k1") as server:
        with Client(server, "bob") as bob:
            room = fill(server)
            log, messages, found = views(server, room)
            same([m["text"] for m in messages], [WORD + " edited", None] + ["%s %d" % (WORD, n) for n in (2, 3, 4)])
            same(messages[2]["reactions"], {"+1": ["ann"]})
            same(len(found), 4)
            same(kids_of(redis, room), ["k1"])
            assert WORD not in dumped(redis)
            bob.get("watch", room=room, after=0)
            bob.log(len(log))
            server.call("ann", "POST", "/v1/rooms/%s/messages" % room, {"client_id": "live", "text": WORD}, 201)
            same(bob.log(1)[0]["text"], WORD)
    with started(redis, directory, "k1") as server:
        same(views(server, room)[0][:-1], log)


def test_a_retry_is_known_by_its_text_whatever_it_is_sealed_with(redis, directory):
    with started(redis, directory, "k1") as server:
        room = fill(server)
    for kids in (("k1",), ("k2", "k1")):
        with started(redis, directory, *kids) as server:
            path = "/v1/rooms/%s/messages" % room
            same(server.call("ann", "POST", path, {"client_id": "m0", "text": WORD + " 0"}, 200)["seq"], 3)
            server.call("ann", "POST", path, {"client_id": "m0", "text": WORD + " 1"}, 422)


def test_a_text_that_was_changed_is_refused_not_shown(redis, directory):
    with started(redis, directory, "k1") as server:
        room = fill(server)
        [key] = redis.cli("KEYS", "ch:log:*:" + room)
        lua = """local all = redis.call('XRANGE', KEYS[1], '-', '+')
            redis.call('DEL', KEYS[1])
            for _, entry in ipairs(all) do
              local fields = entry[2]
              if string.match(entry[1], '^5%-') then
                local t, n = fields[4], #fields[4]
                fields[4] = string.sub(t, 1, n - 1) .. string.char((string.byte(t, n) + 1) % 256)
              end
              redis.call('XADD', KEYS[1], entry[1], unpack(fields))
            end
            return 1"""
        same(redis.cli("EVAL", lua, 1, key), 1)
        with Client(server, "bob") as bob:
            messages = server.call("ann", "GET", "/v1/rooms/%s/messages?after=4" % room, status=200)["items"]
            same([(m["seq"], m["text"], m["deleted"], m.get("unreadable")) for m in messages],
                 [(5, None, False, True), (6, WORD + " 3", False, None), (7, WORD + " 4", False, None)])
            bob.get("watch", room=room, after=4)
            first = bob.log(1)[0]
            same((first["seq"], first["text"], first["unreadable"], "deleted" in first), (5, None, True, False))
        same(len(server.call("ann", "GET", "/v1/search?q=" + WORD, status=200)["items"]), 3)
        assert server.metric("chat_unreadable_total") >= 3
    with started(redis, directory) as server:  # and without the key
        messages = server.call("ann", "GET", "/v1/rooms/%s/messages?after=0" % room, status=200)["items"]
        same({m["text"] for m in messages}, {None})


def test_texts_in_the_open_are_sealed_in_the_background(redis, directory):
    with started(redis, directory) as server:
        room = fill(server, 200)  # of several parts
        empty = server.room("ann", name="empty")
        before = views(server, room)
        same(kids_of(redis, room), ["-"])
        assert WORD in dumped(redis)
    with started(redis, directory, "k1") as server:
        eventually(lambda: kids_of(redis, room) == ["k1"], "the room is sealed", deadline=60)
        assert WORD not in dumped(redis)
        same(redis.cli("KEYS", "ch:relog:*") + redis.cli("KEYS", "ch:log:*:old"), [])
        same(views(server, room), before)
        same(kids_of(redis, empty), [""])
        assert server.metric("chat_resealed_total") >= 200


def test_keys_rotate_while_members_write_edit_and_delete(redis, directory):
    with started(redis, directory, "k1") as server:
        room = fill(server, 300)
    with started(redis, directory, "k2", "k1") as server:
        stop, said = threading.Event(), []

        def write():
            with Client(server, "bob") as bob:
                n = 0
                while not stop.is_set():
                    said.append(bob.say(room, "%s live %d" % (WORD, n))["seq"])
                    bob.get("edit", room=room, target=said[-1], client_id="be%d" % n, text="%s after %d" % (WORD, n))
                    if n % 3 == 0:
                        bob.get("delete", room=room, target=said[-1], client_id="bd%d" % n)
                    n += 1
        with Client(server, "ann") as ann:
            thread = threading.Thread(target=write)
            thread.start()
            try:
                n = 10
                while kids_of(redis, room) != ["k2"] and n < 290:
                    ann.get("delete" if n % 2 else "edit", room=room, target=n, client_id="x%d" % n,
                            **({} if n % 2 else {"text": WORD + " changed"}))
                    n += 1
            finally:
                stop.set()
                thread.join()
        eventually(lambda: kids_of(redis, room) == ["k2"], "the room is sealed anew", deadline=60)
        same(redis.cli("KEYS", "ch:relog:*"), [])
        before = views(server, room)
        same([e["seq"] for e in before[0]][:200], list(range(1, 201)))
        assert not [m for m in before[1] if m.get("unreadable")]
    with started(redis, directory, "k2") as server:  # the first key is not needed any more
        same(views(server, room), before)
        same(server.metric("chat_unreadable_total"), 0)


def test_sealing_anew_goes_on_after_a_worker_was_killed(redis, directory):
    with started(redis, directory, "k1") as server:
        rooms = [fill(server, 150) for _ in range(3)]
        before = [views(server, room) for room in rooms]
    with started(redis, directory, "k2", "k1") as server:
        for _ in range(3):
            eventually(lambda: server.metric("chat_resealed_total") > 0, "it is at it", deadline=60)
            server.kill_worker()
            server.wait_ready()
        for room, was in zip(rooms, before):
            eventually(lambda room=room: kids_of(redis, room) == ["k2"], "the room is sealed anew", deadline=60)
            same(views(server, room), was)


def test_bad_key_files_are_refused_at_the_start(redis, directory):
    folder = directory
    tokens = write_file(folder, "keys", json.dumps(KEYS))
    for path in (keys_file(folder, "k9", "k1"), write_file(folder, "none", "{}"), folder + "/missing"):
        server = Service("chat", "--token-keys", tokens, "--workers", WORKERS, "--encrypt-bodies", path, redis=redis,
                         ready=False)
        same(server.process.wait(30), 1)
        assert path in server.log(), server.log()
        server.abandon()


main(__name__)
