"""service_rooms.py - one log per room: the same order for everyone, once, without a gap."""
import contextlib
import json

from kit import LOG, Client, chat, main, same


def test_everyone_sees_the_same_in_the_same_order(chat):
    room = chat.room("ann", "bob", "cat")
    with Client(chat, "ann") as ann, Client(chat, "bob") as bob, Client(chat, "cat") as cat:
        for client in (ann, bob, cat):
            same(client.get("watch", room=room),
                 {"id": 1, "ok": True, "room": room, "seq": 3, "oldest_seq": 1, "reset": False})
        first = ann.say(room, "hello @bob", client_id="a1")
        same((first["room"], first["seq"]), (room, 4))
        second = bob.say(room, "hi", reply_to=4)
        third = ann.get("edit", room=room, target=4, client_id="a2", text="Hello @bob")
        fourth = cat.get("react", room=room, target=5, client_id="c1", emoji="+1", on=True)
        fifth = bob.get("delete", room=room, target=5, client_id="b2")
        same([a["seq"] for a in (second, third, fourth, fifth)], [5, 6, 7, 8])
        seen = [client.log(5) for client in (ann, bob, cat)]
        same(seen[1], seen[0])
        same(seen[2], seen[0])
        one, two, three, four, five = seen[0]
        same(one, {"type": "message", "room": room, "seq": 4, "from": "ann", "ts": first["ts"], "client_id": "a1",
                   "text": "hello @bob", "mentions": ["bob"]})
        same((two["reply_to"], two["text"]), (4, "hi"))
        same((three["type"], three["target"], three["text"]), ("edit", 4, "Hello @bob"))
        same((four["type"], four["target"], four["emoji"], four["on"]), ("react", 5, "+1", True))
        same((five["type"], five["target"]), ("delete", 5))


def test_a_client_resumes_where_it_was(chat):
    room = chat.room("ann", "bob")
    with Client(chat, "ann") as ann:
        for n in range(300):
            ann.say(room, "n%d" % n)
        with Client(chat, "bob") as bob:
            same(bob.get("watch", room=room, after=100)["reset"], False)
            ann.say(room, "now")
            same([e["seq"] for e in bob.log(203)], list(range(101, 304)))
        with Client(chat, "bob") as bob:
            same(bob.get("watch", room=room, after=302)["reset"], False)
            same([e["text"] for e in bob.log(1)], ["now"])
            same(bob.get("watch", room=room, after=900)["reset"], True)
            ann.say(room, "later")
            same([e["text"] for e in bob.log(1)], ["later"])


def test_what_was_deleted_keeps_its_number_and_not_its_text(chat):
    room = chat.room("ann", "bob")
    with Client(chat, "ann") as ann:
        seq = ann.say(room, "secret")["seq"]
        ann.get("edit", room=room, target=seq, client_id="e1", text="more secret")
        ann.get("delete", room=room, target=seq, client_id="d1")
    with Client(chat, "bob") as bob:
        bob.get("watch", room=room, after=0)
        entries = bob.log(5)
        same([(e["seq"], e["type"]) for e in entries],
             [(1, "member"), (2, "member"), (3, "message"), (4, "edit"), (5, "delete")])
        same((entries[2]["text"], entries[2]["deleted"], entries[3]["text"]), (None, True, None))


def test_what_was_deleted_is_shown_by_no_worker_that_had_it(chat):
    room = chat.room("ann", "bob")
    with Client(chat, "ann") as ann, contextlib.ExitStack() as stack:
        before = [stack.enter_context(Client(chat, "bob")) for _ in range(6)]  # on every worker
        for bob in before:
            bob.get("watch", room=room, after=0)
        for n in range(300):  # so that the first are in a chunk, the last in the ring
            ann.say(room, "n%d" % n)
        targets = [ann.say(room, "secret")["seq"], 10]
        for target in targets:
            ann.get("edit", room=room, target=target, client_id="e%d" % target, text="more secret")
        for bob in before:
            bob.log(305)
        with Client(chat, "bob") as bob:
            bob.get("watch", room=room, after=0)
            bob.log(305)
        for target in targets:
            ann.get("delete", room=room, target=target, client_id="d%d" % target)
        for bob in before:
            bob.log(2)
        for _ in range(6):
            with Client(chat, "bob") as bob:
                bob.get("watch", room=room, after=0)
                entries = bob.log(307)
                same([e["text"] for e in entries if e["seq"] in targets or e["type"] == "edit"], 4 * [None])
                same([e["seq"] for e in entries if e.get("deleted")], sorted(targets))
                same([e["type"] for e in entries[-2:]], ["delete", "delete"])
            with Client(chat, "bob") as bob:
                bob.get("watch", room=room, after=200)
                same([e["text"] for e in bob.log(107) if e["seq"] in targets or e["type"] == "edit"], 3 * [None])


def test_sync_tells_what_is_new_and_watches(chat):
    rooms = [chat.room("ann", "bob", name="r%d" % n) for n in range(5)]
    with Client(chat, "ann") as ann, Client(chat, "bob") as bob:
        cursors = {item["room"]: item["seq"] for item in bob.get("sync")["rooms"]}
        same(cursors, {room: 2 for room in rooms})
        ann.say(rooms[1], "one @bob")
        ann.say(rooms[1], "two")
        ann.say(rooms[3], "three")
        same(bob.until("unread", room=rooms[1], unread=2),
             {"type": "unread", "room": rooms[1], "seq": 4, "unread": 2, "mentions": 1})
        bob.until("unread", room=rooms[3])
    with Client(chat, "bob") as bob:
        answer = bob.get("sync", cursors=cursors, watch=[rooms[1], rooms[0]])
        same({i["room"]: (i["seq"], i["unread"], i["mentions"], i["reset"]) for i in answer["rooms"]},
             {rooms[1]: (4, 2, 1, False), rooms[3]: (3, 1, 0, False)})
        same(answer["next"], None)
        same([(e["room"], e["text"]) for e in bob.log(2)], [(rooms[1], "one @bob"), (rooms[1], "two")])
        same(bob.get("read", room=rooms[1], seq=4), {"id": 2, "ok": True, "room": rooms[1], "read": 4, "delivered": 4})


def test_a_room_that_was_just_made_is_in_a_sync(chat):
    for n in range(100):
        name = "u%d" % n
        with Client(chat, name) as client:
            room = chat.call(name, "POST", "/v1/rooms", {"name": "tea", "kind": "private"}, 201)["room"]
            same([item["room"] for item in client.get("sync")["rooms"]], [room], n)


def test_who_is_out_hears_nothing_more(chat):
    room = chat.room("ann", "bob", kind="public")
    with Client(chat, "ann") as ann, Client(chat, "bob") as bob, Client(chat, "bob") as other:
        other.get("sync")
        bob.get("watch", room=room)
        ann.say(room, "one")
        bob.get("leave", room=room)
        same([e["type"] for e in bob.log(2)], ["message", "member"])
        same(bob.until("gone")["reason"], "left")
        same(other.until("gone")["room"], room)
        ann.say(room, "two")
        bob.refused("watch", 403, "not-a-member", room=room)
        bob.refused("send", 403, "not-a-member", room=room, client_id="x", text="y")
        bob.get("join", room=room)
        bob.get("watch", room=room)
        ann.say(room, "three")
        same([e["text"] for e in bob.log(1)], ["three"])


def test_direct_rooms_are_one_for_two(chat):
    room = chat.direct("ann", "bob")
    same(chat.direct("bob", "ann"), room)
    with Client(chat, "ann") as ann, Client(chat, "bob") as bob, Client(chat, "cat") as cat:
        same([item["room"] for item in bob.get("sync")["rooms"]], [room])
        ann.say(room, "psst")
        same(bob.until("unread", unread=1)["room"], room)
        cat.refused("watch", 404, "no-such-room", room=room)
        cat.refused("send", 404, "no-such-room", room=room, client_id="x", text="y")
        cat.refused("join", 404, "no-such-room", room=room)


def test_one_hears_of_rooms_that_one_is_put_into(chat):
    with Client(chat, "bob") as bob:
        bob.get("sync")
        room = chat.direct("ann", "bob")
        with Client(chat, "ann") as ann:
            ann.say(room, "hello")
            same(bob.until("unread", room=room)["unread"], 1)


def test_both_who_are_here_hear_of_a_room_that_is_made(chat):
    for n in range(20):
        one, other = "ann%d" % n, "bob%d" % n
        with Client(chat, one) as ann, Client(chat, other) as bob:
            same((ann.get("sync")["rooms"], bob.get("sync")["rooms"]), ([], []))
            room = chat.call(one, "POST", "/v1/dms", {"user": other}, 201)["room"]
            ann.say(room, "hello")
            same(bob.until("unread", room=room, unread=1)["seq"], 3)
            bob.say(room, "hi")
            same(ann.until("unread", room=room, unread=1)["seq"], 4)


def test_requests_on_a_room_take_effect_in_order(chat):
    room = chat.room("ann")
    with Client(chat, "ann") as ann:
        ann.get("watch", room=room)
        for n in range(60):
            ann.send('{"id":%d,"op":"send","room":"%s","client_id":"k%d","text":"%d"}' % (n + 100, room, n, n))
        entries, answers = [], []
        while len(entries) < 60 or len(answers) < 60:
            message = ann.message()
            if message.get("type") in LOG:
                entries.append(message["text"])
            elif "id" in message:
                answers.append(message["id"])
        same(entries, [str(n) for n in range(60)])
        same(answers, list(range(100, 160)))


def pipelined(client, room, *ops):
    """Their answers, in that order."""
    for n, (op, members) in enumerate(ops, 1000):
        client.send(json.dumps({"id": n, "op": op, "room": room} | members))
    answers = {}
    while len(answers) < len(ops):
        message = client.message()
        if "id" in message:
            answers[message["id"]] = message
    return [answers[n] for n in sorted(answers)]


def test_coming_and_going_take_effect_in_order(chat):
    room = chat.room("ann")
    with Client(chat, "bob") as bob:
        for n in range(30):
            say = ("send", {"client_id": "in%d" % n, "text": "x"})
            late = ("send", {"client_id": "out%d" % n, "text": "x"})
            answers = pipelined(bob, room, ("join", {}), say, ("watch", {}), ("leave", {}), late, ("watch", {}))
            same([a["ok"] for a in answers], [True] * 4 + [False] * 2, answers)
            same({a["error"]["type"] for a in answers[4:]}, {"not-a-member"})


def test_cursor_may_be_ahead_of_a_worker(chat):
    room = chat.room("ann")
    with Client(chat, "ann") as ann, Client(chat, "ann") as other:
        for n in range(100):
            seq = ann.say(room, "n%d" % n)["seq"]
            same(ann.get("watch", room=room, after=seq)["reset"], False, n)
            items = other.get("sync", cursors={room: seq}, watch=[room])["rooms"]
            same([item["reset"] for item in items if item["seq"] <= seq], [], n)
            other.get("unwatch", room=room)


main(__name__)
