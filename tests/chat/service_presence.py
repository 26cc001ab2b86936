"""service_presence.py - who is there, who types: told to those alone who asked."""
import contextlib
import itertools
import json
import select
import time

from kit import Chat, Client, Redis, chat, directory, eventually, main, redis, same


def states(client, count):
    """The next so many presence events: {user: state}."""
    seen = {}
    while len(seen) < count:
        event = client.until("presence")
        seen[event["user"]] = event["state"]
    return seen


def test_who_looks_hears_who_is_there_and_who_comes_and_goes(chat):
    room = chat.room("ann", "bob", "cat")
    with Client(chat, "ann") as ann, Client(chat, "bob") as bob:
        ann.get("watch", room=room, roster=True)
        seen = {}
        while seen != {"ann": "online", "bob": "online", "cat": "offline"}:
            seen |= states(ann, 1)
        with Client(chat, "cat") as cat:
            cat.get("sync")
            same(states(ann, 1), {"cat": "online"})
            cat.get("presence", state="away")
            same(states(ann, 1), {"cat": "away"})
            with Client(chat, "cat") as phone:  # one device will do
                same(states(ann, 1), {"cat": "online"})
                phone.refused("presence", 422, "invalid", state="asleep")
            same(states(ann, 1), {"cat": "away"})
        event = ann.until("presence", user="cat")
        same(event["state"], "offline")
        assert event["last_seen_ms"] > 0, event
        bob.get("leave", room=room)
        bob.close()
        with Client(chat, "cat"):
            same(states(ann, 1), {"cat": "online"})  # of who left nothing is told


def test_who_begins_to_look_hears_when_others_were_here_last(chat):
    room = chat.room("ann", "bob")
    chat.call("cat", "PUT", "/v1/rooms/%s/members/cat" % room, status=201)  # who was never connected
    before = int(time.time() * 1000)
    with Client(chat, "ann") as ann, Client(chat, "dan") as dan:
        with Client(chat, "bob") as bob:
            bob.get("watch", room=room, roster=True)
            bob.until("presence", user="bob")
        ann.get("watch", room=room, roster=True)
        seen = ann.until("presence", user="bob", state="offline")["last_seen_ms"]
        assert before <= seen <= int(time.time() * 1000), (before, seen)
        dan.get("join", room=room)
        dan.get("watch", room=room, roster=True)
        heard = {event["user"]: event for event in (dan.until("presence") for _ in range(3))}
        same({user: event["state"] for user, event in heard.items()},
             {"ann": "online", "bob": "offline", "dan": "online"})
        same(heard["bob"]["last_seen_ms"], seen)
        with Client(chat, "bob"):
            same(ann.until("presence", user="bob")["state"], "online")
        event = ann.until("presence", user="bob")
        assert event["state"] == "offline" and event["last_seen_ms"] >= seen, event


def test_a_second_one_who_looks_hears_what_is_known(chat):
    room = chat.room("ann", "bob")
    with Client(chat, "ann") as ann, Client(chat, "bob") as bob:
        ann.get("watch", room=room, roster=True)
        states(ann, 2)
        bob.get("watch", room=room, roster=True)
        same(states(bob, 2), {"ann": "online", "bob": "online"})


CROWD = """
local me = redis.call('HGET', KEYS[1], 'ann')
for i = 1, 998 do
  local name = string.format('u%031d', i)
  redis.call('HSET', KEYS[1], name, (string.gsub(me, ' o ', ' m ')))
  redis.call('ZADD', KEYS[2], 0, name)
  for part = 0, 127 do redis.call('HSET', string.format('ch:roster:{p%03d}:', part) .. name, '-', 1700000000000) end
end
"""


def test_who_looks_and_does_not_read_is_ended(redis, directory):
    """In the middle of what it is told, which ends what it looks at."""
    chat = Chat(redis, directory, "--max-kept", "65536")
    room = chat.room("ann", "bob")
    keys = [next(k for k in redis.cli("KEYS", "ch:%s:*" % what) if k.endswith(room)) for what in ("members", "names")]
    redis.cli("EVAL", CROWD, 2, *keys)
    with Client(chat, "bob") as bob, Client(chat, "ann") as ann:
        bob.get("watch", room=room, roster=True)
        same(len(states(bob, 1000)), 1000)
        while "chat_sockets 2" in chat.get("/metrics").text:
            with contextlib.suppress(OSError):
                for op in ({"op": "unwatch"}, {"op": "watch", "roster": True}):  # and is told of all of them
                    if select.select([], [ann.sock], [], 0)[1]:  # who does not read is not read
                        ann.send(json.dumps({"id": 1, "room": room} | op))
            bob.get("presence", state="away")
            bob.get("presence", state="online")
        bob.get("presence", state="away")
        bob.until("presence", user="ann", state="offline")
    chat.close()


def test_who_looks_while_redis_is_away_hears_when_it_is_back(directory):
    store = Redis(appendfsync="always")
    server = Chat(store, directory)
    room = server.room("ann", "bob", "cat")
    with Client(server, "bob") as bob, Client(server, "ann") as ann:
        bob.get("watch", room=room, roster=True)
        bob.until("presence", user="ann", state="online")
        ann.get("watch", room=room)
        store.kill()
        ann.get("unwatch", room=room)
        ann.get("watch", room=room, roster=True)
        bob.close()
        store.start()
        server.wait_ready()
        seen = {}
        while seen != {"ann": "online", "bob": "offline", "cat": "offline"}:
            seen |= states(ann, 1)
    server.close()
    store.close()


def test_typing_and_receipts_are_told_in_small_rooms_alone(redis, directory):
    server = Chat(redis, directory, "--large-room", "2")
    small, large = server.room("ann", "bob", name="small"), server.room("ann", "bob", "eve", name="large")
    with Client(server, "ann") as ann, Client(server, "bob") as bob:
        for room in (small, large):
            ann.get("watch", room=room, roster=room == large)
            ann.say(room, "x")
        for room in (large, small):
            bob.get("sync")
            bob.get("typing", room=room, on=True)
            bob.get("read", room=room, seq=server.call("ann", "GET", "/v1/rooms/" + room)["seq"])
        heard = [ann.event()]
        while heard[-1].get("user") != "bob" or heard[-1]["type"] not in ("receipt", "typing"):
            heard.append(ann.event())
        same((heard[-1]["type"], heard[-1]["room"]), ("receipt", small))
        ann.get("unwatch", room=small)
        ann.get("watch", room=small, roster=True)
        bob.get("typing", room=small, on=False)
        bob.get("typing", room=small, on=True)
        same(ann.until("typing", on=True), {"type": "typing", "room": small, "user": "bob", "on": True})
    server.close()


def test_who_looks_at_a_second_room_hears_who_is_there(chat):
    rooms = [chat.room("ann", "bob", name="r%d" % n) for n in range(2)]
    with Client(chat, "ann") as ann, Client(chat, "bob") as bob:
        ann.get("watch", room=rooms[0], roster=True)
        same(states(ann, 2), {"ann": "online", "bob": "online"})
        bob.get("watch", room=rooms[1], roster=True)
        same(states(bob, 2), {"ann": "online", "bob": "online"})
        later = chat.room("ann", name="r2")
        bob.get("join", room=later)
        bob.get("watch", room=later, roster=True)
        same(states(bob, 2), {"ann": "online", "bob": "online"})


def test_who_does_not_look_hears_nothing(chat):
    rooms = [chat.room("ann", "bob", name="r%d" % n) for n in range(3)]
    with Client(chat, "ann") as ann:
        ann.get("sync", watch=rooms)
        with Client(chat, "bob") as bob:
            bob.get("sync", watch=rooms)
            bob.get("presence", state="away")
            bob.get("typing", room=rooms[0], on=True)
            bob.say(rooms[0], "now")
        kinds = [event["type"] for event in itertools.takewhile(lambda e: e["type"] != "message", iter(ann.event, None))]
        assert not set(kinds) & {"presence", "typing"}, kinds


def test_who_types_is_told_to_who_looks(chat):
    room = chat.room("ann", "bob", "cat")
    with Client(chat, "ann") as ann, Client(chat, "bob") as bob, Client(chat, "dan") as dan:
        ann.get("watch", room=room, roster=True)
        bob.get("sync")
        bob.get("typing", room=room, on=True)
        same(ann.until("typing"), {"type": "typing", "room": room, "user": "bob", "on": True})
        bob.get("typing", room=room, on=False)
        ann.until("typing", on=False)
        dan.get("sync")
        dan.refused("typing", 403, "not-a-member", room=room, on=True)
        dan.refused("typing", 404, "no-such-room", room="r0000000000000000", on=True)
    with Client(chat, "cat") as cat:  # who did not sync is a member all the same
        cat.get("typing", room=room, on=True)
        chat.call("ann", "PUT", "/v1/rooms/%s/members/cat" % room, {"role": "reader"})
        eventually(lambda: not cat.ask("typing", room=room, on=True)["ok"], "a reader's refusal")
        cat.refused("typing", 403, "not-allowed", room=room, on=True)


def test_typing_is_over_in_the_end(chat):
    rooms = [chat.room("ann", "bob", name="r%d" % n) for n in range(2)]

    def heard(on, room=rooms[0]):
        same({k: v for k, v in ann.until("typing").items() if k != "type"}, {"room": room, "user": "bob", "on": on})
    with Client(chat, "ann") as ann:
        for room in rooms:
            ann.get("watch", room=room, roster=True)
        with Client(chat, "bob") as bob:
            for _ in range(3):  # told once
                bob.get("typing", room=rooms[0], on=True)
            heard(True)
            bob.say(rooms[1], "this is another room")
            bob.get("delete", room=rooms[0], target=bob.say(rooms[0], "done")["seq"], client_id="d")
            heard(False)
            bob.get("typing", room=rooms[0], on=True)
            bob.get("typing", room=rooms[1], on=False)
            heard(True)
            bob.get("typing", room=rooms[1], on=True)
            heard(False)
            heard(True, rooms[1])
            heard(False, rooms[1])  # nothing more is said
            bob.get("typing", room=rooms[0], on=True)
            heard(True)
        heard(False)


def test_a_worker_that_dies_takes_its_users_along(chat):
    room = chat.room("ann", "bob")
    with Client(chat, "bob") as bob:
        bob.get("sync")
        for pid in range(len(chat.workers())):
            chat.kill_worker(0)
        eventually(lambda: chat.get("/readyz").status == 200, "workers again")
    with Client(chat, "ann") as ann:
        ann.get("watch", room=room, roster=True)
        ann.until("presence", user="ann", state="online")
        with Client(chat, "bob"):
            ann.until("presence", user="bob", state="online")


main(__name__)
