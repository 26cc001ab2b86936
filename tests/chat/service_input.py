"""service_input.py - bad requests: each has its error or close code, and what is no attack ends no connection."""
import json

from kit import Chat, Client, directory, main, redis, same, token

BIG = 1 << 53
LONG = "x" * 16384


def chat(redis, directory):  # pylint: disable=redefined-outer-name
    """--open: a socket may come without a token, as a browser's does."""
    server = Chat(redis, directory, "--open")
    yield server
    server.close()


def closes(server, code, send, name="ann"):
    with Client(server, name) as client:
        send(client)
        same(client.ends(), code, client.reason)


def is_well(client, room):
    same(client.get("read", room=room, seq=1)["room"], room)


def test_what_is_no_request_closes(chat):
    for text in ("", "{", "[]", "null", "7", '"auth"', "{}", '{"id":1}', '{"op":"sync"}', '{"id":"1","op":"sync"}',
                 '{"id":0,"op":"sync"}', '{"id":-1,"op":"sync"}', '{"id":1.5,"op":"sync"}', '{"id":null,"op":"sync"}',
                 '{"id":%d,"op":"sync"}' % BIG, '{"id":1,"op":7}', '{"id":1,"op":"sync"} x', '{"id":1,"op":"\\ud800"}',
                 '{"id":1,"op":"sync","page":"\\u0000"}', '{"id":1,"op":"sync","x":%d}' % (1 << 70), "[" * 3000):
        closes(chat, 4400, lambda client, text=text: client.send(text))


def test_frames_that_may_not_be_close(chat):
    closes(chat, 1003, lambda client: client.frame(2, b'{"id":1,"op":"sync"}'))
    closes(chat, 1007, lambda client: client.frame(1, b'{"id":1,"op":"\xff"}'))
    closes(chat, 1007, lambda client: client.frame(1, b'{"id":1,"op":"\xc0\xaf"}'))
    closes(chat, 1009, lambda client: client.send('{"id":1,"op":"sync","page":"%s"}' % ("x" * 65536)))
    closes(chat, 1002, lambda client: client.frame(3, b"{}"))


def test_wrong_members_are_refused(chat):
    room = chat.room("ann")
    send = {"room": room, "client_id": "w", "text": "x"}
    edit = send | {"target": 1}
    react = {"room": room, "client_id": "w", "target": 1, "emoji": "a", "on": True}
    with Client(chat, "ann") as ann:
        for op, members in (
                ("dance", {}), ("", {}), ("SYNC", {}), ("send\n", {}), ("s" * 4000, {}),
                ("sync", {"room": room}), ("sync", {"cursors": []}), ("sync", {"cursors": {room: "1"}}),
                ("sync", {"cursors": {room: -1}}), ("sync", {"cursors": {room: 1.5}}), ("sync", {"watch": room}),
                ("sync", {"watch": [7]}), ("sync", {"watch": ["a" * 33]}), ("sync", {"watch": [""]}),
                ("sync", {"watch": [room] * 1001}), ("sync", {"page": 1}), ("sync", {"page": "next"}),
                ("sync", {"page": "-1"}), ("sync", {"page": "9" * 20}),
                ("watch", {}), ("watch", {"room": 7}), ("watch", {"room": None}), ("watch", {"room": ""}),
                ("watch", {"room": [room]}), ("watch", {"room": "a" * 33}), ("watch", {"room": room, "after": "1"}),
                ("watch", {"room": room, "after": -1}), ("watch", {"room": room, "after": BIG}),
                ("watch", {"room": room, "after": 1e3}), ("watch", {"room": room, "after": 0.5}),
                ("watch", {"room": room, "roster": 1}), ("watch", {"room": room, "since": 1}),
                ("unwatch", {}), ("unwatch", {"room": room, "x": 1}), ("join", {}),
                ("join", {"room": room, "role": "owner"}),
                ("leave", {"room": True}), ("send", {"room": room, "client_id": "w"}),
                ("send", {"room": room, "text": "x"}),
                ("send", send | {"text": ""}), ("send", send | {"text": LONG + "x"}), ("send", send | {"text": None}),
                ("send", send | {"text": "\u2603" * 5462}), ("send", send | {"text": {"a": 1}}),
                ("send", send | {"client_id": ""}), ("send", send | {"client_id": "a b"}),
                ("send", send | {"client_id": 1}),
                ("send", send | {"client_id": "x" * 65}), ("send", send | {"client_id": "\u2603"}),
                ("send", send | {"client_id": "a\n"}), ("send", send | {"reply_to": "1"}),
                ("send", send | {"reply_to": -1}),
                ("send", send | {"reply_to": BIG}), ("send", send | {"seq": 9}), ("send", send | {"from": "bob"}),
                ("edit", send), ("edit", edit | {"target": 0}), ("edit", edit | {"target": BIG}),
                ("edit", edit | {"target": "1"}), ("edit", edit | {"text": LONG + "x"}),
                ("edit", edit | {"emoji": "a"}),
                ("delete", {"room": room, "client_id": "w"}), ("delete", {"room": room, "target": 1}),
                ("delete", {"room": room, "client_id": "w", "target": True}), ("delete", edit),
                ("react", react | {"emoji": ""}), ("react", react | {"emoji": "a b"}),
                ("react", react | {"emoji": "a\n"}),
                ("react", react | {"emoji": "x" * 33}), ("react", react | {"on": 1}), ("react", react | {"on": None}),
                ("read", {"room": room}), ("read", {"room": room, "seq": BIG}), ("read", {"room": room, "seq": -1}),
                ("read", {"room": room, "seq": 1, "back": 1}), ("delivered", {"room": room, "seq": "1"}),
                ("delivered", {"room": room, "seq": 1, "back": True}), ("mute", {"room": room}),
                ("mute", {"room": room, "until_at": "soon"}), ("mute", {"room": room, "until_at": 7}),
                ("typing", {"room": room}), ("typing", {"room": room, "on": "yes"}), ("auth", {}),
                ("auth", {"token": 7})):
            answer = ann.ask(op, **members)
            assert not answer["ok"], (op, members)
            same((answer["error"]["status"], answer["error"]["type"]), (422, "invalid"), (op, members))
        is_well(ann, room)
        same(ann.get("watch", room=room, after=0)["seq"], 1)  # nothing of it was done


def test_what_may_just_be_is_taken(chat):
    room = chat.room("ann")
    with Client(chat, "ann") as ann:
        ann.get("watch", room=room)
        texts = [LONG, "\u2603" * 5461, "\n\t\x01\x7f", "\u2028\ufeff\U0001f600", '"\\', "@", "@@@ann @" + "x" * 40]
        for text in texts:
            ann.say(room, text, client_id="!" * 58 + "~%d" % texts.index(text))
        same([e["text"] for e in ann.log(len(texts))], texts)
        same(ann.get("watch", room=room, after=BIG - 1)["reset"], True)
        same(ann.get("read", room=room, seq=BIG - 1)["read"], 1 + len(texts))
        ann.send('{"id":%d,"op":"sync"}' % (BIG - 1))
        same(ann.message()["id"], BIG - 1)
        emoji = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
        ann.get("react", room=room, target=2, client_id="e", emoji=emoji, on=True)
        same(ann.until("react")["emoji"], emoji)


def test_room_ids_of_odd_bytes_are_no_rooms(chat):
    room = chat.room("ann")
    with Client(chat, "ann") as ann:
        for odd in ("*", "a b", "a\nb", "{a}", room + " ", room.upper(), "\u2603", "../x", "a:b", "%s", "\x7f", "a\tb",
                    "rrrrrrrrrrrrrrrrr", "#", "@s x", ":" * 32):
            for op, more in (("watch", {}), ("watch", {"after": 0}), ("join", {}), ("leave", {}), ("read", {"seq": 1}),
                             ("send", {"client_id": "o", "text": "x"}), ("delete", {"client_id": "o", "target": 1}),
                            ("typing", {"on": True})):
                ann.refused(op, 404, "no-such-room", room=odd, **more)
        same([i["room"] for i in ann.get("sync", cursors={"*": 1, "\u2603": 2, "": 3},
             watch=["{a}", room])["rooms"]], [room])
        is_well(ann, room)


def test_private_room_cannot_be_told_from_none(chat):
    rooms = [chat.room("ann", kind="private"), chat.direct("ann", "bob"), "rzzzzzzzzzzzzzzzz"]
    with Client(chat, "ann") as ann, Client(chat, "eve") as eve:
        for room in rooms[:2]:
            ann.say(room, "secret", client_id="s")
        for op, more in (("watch", {}), ("watch", {"after": 0, "roster": True}), ("join", {}), ("leave", {}),
                         ("read", {"seq": 1}), ("delivered", {"seq": 1}), ("mute", {"until_at": None}),
                         ("send", {"client_id": "s", "text": "x"}),
                         ("edit", {"client_id": "s", "target": 3, "text": "x"}),
                         ("delete", {"client_id": "s", "target": 3}), ("typing", {"on": True}), ("unwatch", {}),
                         ("react", {"client_id": "s", "target": 3, "emoji": "a", "on": True})):
            answers = [eve.ask(op, room=room, **more) for room in rooms]
            seen = [(a["ok"], a.get("error")) for a in answers]
            same(seen[0], seen[2], op)
            same(seen[1], seen[2], op)
            assert op == "unwatch" or seen[0][1]["status"] == 404, (op, seen)
        same(eve.get("sync", watch=rooms, cursors={room: 0 for room in rooms})["rooms"], [])
        ann.say(rooms[0], "more")
        ann.get("read", room=rooms[0], seq=2)
        same(eve.get("sync")["rooms"], [])
        same(eve.events, [])
    for path in ("", "/members", "/messages", "/events"):
        seen = [chat.call("eve", "GET", "/v1/rooms/%s%s" % (room, path), status=404) for room in rooms]
        same(len({json.dumps({k: v for k, v in s.items() if k != "instance"}) for s in seen}), 1, seen)


def test_who_is_no_member_of_a_public_room_is_told_so(chat):
    room = chat.room("ann")
    with Client(chat, "ann") as ann, Client(chat, "eve") as eve:
        seq = ann.say(room, "hello")["seq"]
        for op, more in (("watch", {}), ("leave", {}), ("read", {"seq": 1}), ("send", {"client_id": "s", "text": "x"}),
                         ("edit", {"client_id": "s", "target": seq, "text": "x"}), ("typing", {"on": True}),
                         ("delete", {"client_id": "s", "target": seq}),
                         ("react", {"client_id": "s", "target": seq, "emoji": "a", "on": True})):
            eve.refused(op, 403, "not-a-member", room=room, **more)
        eve.get("join", room=room)
        eve.refused("edit", 403, "not-allowed", room=room, client_id="s", target=seq, text="x")
        eve.refused("delete", 403, "not-allowed", room=room, client_id="s", target=seq)
        same(eve.get("leave", room=room)["seq"], seq + 2)
        eve.refused("send", 403, "not-a-member", room=room, client_id="s", text="x")


def test_messages_that_are_none(chat):
    room = chat.room("ann")
    with Client(chat, "ann") as ann:
        seq = ann.say(room, "one")["seq"]
        gone = ann.say(room, "two")["seq"]
        ann.get("delete", room=room, client_id="d", target=gone)
        for target in (1, gone, gone + 1, 99, BIG - 1):
            for op, more in (("edit", {"text": "x"}), ("delete", {}), ("react", {"emoji": "a", "on": True})):
                ann.refused(op, 404, "no-such-message", room=room, client_id="n", target=target, **more)
        ann.refused("send", 404, "no-such-message", room=room, client_id="n", text="x", reply_to=99)
        ann.refused("react", 404, "no-such-reaction", room=room, client_id="n", target=seq, emoji="a", on=False)
        ann.get("edit", room=room, client_id="n", target=seq, text="a refused client_id is free")


def test_client_id_stands_for_one_thing(chat):
    room, other = chat.room("ann", "bob"), chat.room("ann")
    with Client(chat, "ann") as ann, Client(chat, "bob") as bob:
        first = ann.say(room, "one", client_id="k")
        again = ann.say(room, "one", client_id="k")
        same((again["seq"], again["ts"], again["replayed"], "replayed" in first),
             (first["seq"], first["ts"], True, False))
        reused = {"room": room, "client_id": "k"}
        ann.refused("send", 422, "client-id-reused", **reused, text="two")
        ann.refused("send", 422, "client-id-reused", **reused, text="one", reply_to=first["seq"])
        ann.refused("edit", 422, "client-id-reused", **reused, text="one", target=first["seq"])
        ann.refused("delete", 422, "client-id-reused", **reused, target=first["seq"])
        ann.refused("react", 422, "client-id-reused", **reused, target=first["seq"], emoji="a", on=True)
        same(ann.get("watch", room=room)["seq"], first["seq"])
        bob.say(room, "mine", client_id="k")
        ann.say(other, "elsewhere", client_id="k")
        is_well(ann, room)


class Anonymous(Client):
    """A socket without a token."""

    def __init__(self, server):
        self.name = None
        super(Client, self).__init__(server)


def test_first_frame_says_who_it_is(redis, directory):
    server = Chat(redis, directory)
    room = server.room("ann")
    for op, more in (("sync", {}), ("watch", {"room": room}), ("dance", {}), ("send", {"text": 7})):
        with Anonymous(server) as client:
            client.refused(op, 401, "unauthorized", **more)
            same(client.ends(), 4401, op)
    for bad in ("x", "", token("ann", ttl=-1), token("ann")[:-2] + "AA", "x" * 4000):
        with Anonymous(server) as client:
            answer = client.ask("auth", token=bad)
            same((answer["ok"], answer["error"]["status"] in (401, 422)), (False, True), answer)
            same(client.ends(), 4401, bad) if answer["error"]["status"] == 401 else client.close()
    with Anonymous(server) as client:
        client.send("{")
        same(client.ends(), 4400)
    with Anonymous(server) as client:
        client.get("auth", token=token("ann"))
        is_well(client, room)
        client.get("auth", token=token("ann"))
        client.refused("auth", 403, "forbidden", token=token("bob"))
        same(client.ends(), 4401)
    for scope in ("links:read", "notify:subscribe"):
        with Anonymous(server) as client:
            client.refused("auth", 403, "forbidden", token=token("ann", scope=scope))
    server.close()


def test_bad_requests_of_a_burst_are_answered_in_order(chat):
    room = chat.room("ann")
    with Client(chat, "ann") as ann:
        for n in range(1, 101):
            good = n % 3 == 0
            ann.send(json.dumps({"id": n, "op": "send", "room": room if n % 5 else "none", "client_id": "b%d" % n,
                                 "text": "t%d" % n if good else n}))
        answers = {}
        while len(answers) < 100:
            message = ann.message()
            if "id" in message:
                answers[message["id"]] = message.get("error", {}).get("status", 200)
        same(answers, {n: 422 if n % 3 else 200 if n % 5 else 404 for n in range(1, 101)})
        ann.get("watch", room=room, after=1)
        same([e["text"] for e in ann.log(27)], ["t%d" % n for n in range(1, 101) if n % 3 == 0 and n % 5])


main(__name__)
