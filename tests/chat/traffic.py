"""
traffic.py - members of rooms that write, come, go and read while their service is hurt; all of it is recorded.

A member sends each write again, by the same client_id, until it is answered; its connections are cut at random bytes of
what it reads or sends, and it comes back with its cursors.
"""
import contextlib
import json
import random
import select
import struct
import threading
import time
import traceback

import sockets
from history import FINAL, History, check
from kit import LOG, PROTOCOL, Client, Closed, Refused, eventually, request, same, token

WAIT = 0.02  # seconds for something to come, or before somebody refused asks again
HURT = (Closed, OSError, EOFError, Refused)


class Wire(sockets.Socket):
    """A connection that ends after so many bytes, in the middle of whatever is there."""
    PROTOCOL = PROTOCOL

    def __init__(self, server, name, reads, writes):
        self.reads, self.writes = reads, writes
        super().__init__(server, token=token(name))

    def _cut(self):
        with contextlib.suppress(OSError):
            self.sock.setsockopt(sockets.socket.SOL_SOCKET, sockets.socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.close()

    def _more(self, timeout):
        if self.reads <= 0:
            raise Closed()
        before = len(self.rest)
        super()._more(timeout)
        self.reads -= len(self.rest) - before
        if self.reads <= 0:
            self.rest = self.rest[:len(self.rest) + self.reads]
            self._cut()

    def _send(self, data):
        self.writes -= len(data)
        if self.writes > 0:
            super()._send(data)
            return
        super()._send(data[:self.writes])
        self._cut()
        raise Closed()

    def poll(self):
        """The next message, or None when nothing comes for a moment."""
        if not self.rest and self.reads > 0 and not select.select([self.sock], [], [], WAIT)[0]:
            return None
        return self.message()


class Member(threading.Thread):
    def __init__(self, traffic, name, rooms, seed):
        super().__init__(daemon=True)
        self.traffic, self.name, self.rooms, self.chance = traffic, name, rooms, random.Random(seed)
        self.history, self.server = traffic.history, traffic.server
        self.wire = self.told = None
        self.cursors = {}     # of each room the last number that it has seen
        self.watching, self.unsure, self.out = set(), set(), set()
        self.again = []       # (op, members) that have no answer yet, to be asked again in this order
        self.pending = {}     # by id, what is on its way
        self.mine = {room: [] for room in rooms}  # messages of its own
        self.seen = {room: [] for room in rooms}  # anybody's
        self.count = self.answered = 0
        self.writing, self.ending, self.quiet = True, False, False

    def run(self):
        try:
            while not self.ending:
                with contextlib.suppress(*HURT):
                    self._connect()
                    while not self.ending:
                        self._turn()
                if not self.ending:
                    self._lost()
        except BaseException:  # pylint: disable=broad-except
            self.traffic.errors.append("%s: %s" % (self.name, traceback.format_exc()))

    # ---- its connection

    def _connect(self):
        far = self.traffic.far
        self.wire = Wire(self.server, self.name, int(self.chance.expovariate(1 / far)) + 300,
                         int(self.chance.expovariate(3 / far)) + 300)
        self.told = self.history.connect(self.name)
        rooms = [room for room in self.rooms if room not in self.out]
        if self.chance.random() < 0.7:
            self._ask("sync", cursors={r: c for r, c in self.cursors.items() if r not in self.out}, watch=rooms)
        else:
            for room in rooms:
                self._watch(room)

    def _lost(self):
        if self.told:
            self.told.cut = True
        if self.wire:
            self.wire.close()
        self.wire = self.told = None
        self.again = [(r.op, r.members) for r in self.pending.values() if r.op not in ("sync", "watch", "unwatch")
                      ] + self.again
        self.pending, self.watching, self.unsure, self.quiet = {}, set(), set(), False
        time.sleep(WAIT)

    def _ask(self, op, **members):
        number = next(self.wire.ids)
        self.pending[number] = self.told.ask(op, **members)
        self.wire.send(json.dumps({"id": number, "op": op} | members))

    def _watch(self, room):
        self._ask("watch", room=room, **({"after": self.cursors[room]} if room in self.cursors else {}))

    # ---- what it does

    def _turn(self):
        moving = any(r.op in ("join", "leave", "sync", "watch", "unwatch") for r in self.pending.values())
        if self.again and not moving and len(self.pending) < 4:
            op, members = self.again.pop(0)
            self._ask(op, **members)
        elif self.writing and not moving and len(self.pending) < 4 and self.chance.random() < self.traffic.pace:
            self._act(self.chance.choice(self.rooms))
        elif not self.writing and not moving and self.unsure:
            self._watch(self.unsure.pop())
        self.quiet = not (self.writing or self.pending or self.again or self.unsure)
        message = self.wire.poll()
        while message:
            self._take(message)
            message = self.wire.poll() if self.wire.rest else None

    def _act(self, room):
        if room in self.out:
            self._outside(room)
            return
        if room not in self.watching:
            self._watch(room)
            return
        actions = [(40, self._send), (10, self._edit), (4, self._erase), (12, self._react), (8, self._read),
                   (3, self._unwatch), (4, self._leave), (3, self._manage), (4, self._send_over_http)]
        self.chance.choices([a for _, a in actions], [w for w, _ in actions])[0](room)

    def _outside(self, room):
        if self.chance.random() < 0.3:  # what must be refused
            self._watch(room)
        elif self.traffic.is_open(room, self.name):
            self._ask("join", room=room)
        else:
            self._send(room)

    def _client_id(self):
        self.count += 1
        return "%s-%d" % (self.name, self.count)

    def _text(self):
        mention = " @" + self.chance.choice(self.traffic.names) if self.chance.random() < 0.1 else ""
        return "%s %d%s%s" % (self.name, self.count, mention, "x" * self.chance.choice((0, 0, 0, 0, 0, 300, 3000)))

    def _send(self, room):
        more = {}
        if self.seen[room] and self.chance.random() < 0.1:
            more["reply_to"] = self.chance.choice(self.seen[room][-20:])
        self._ask("send", room=room, client_id=self._client_id(), text=self._text(), **more)

    def _edit(self, room):
        if self.mine[room]:
            self._ask("edit", room=room, client_id=self._client_id(), text=self._text(),
                      target=self.chance.choice(self.mine[room][-20:]))

    def _erase(self, room):
        if self.mine[room]:
            self._ask("delete", room=room, client_id=self._client_id(), target=self.chance.choice(self.mine[room]))

    def _react(self, room):
        if self.seen[room]:
            self._ask("react", room=room, client_id=self._client_id(), emoji=self.chance.choice("ab\u2603"),
                      target=self.chance.choice(self.seen[room][-5:]), on=self.chance.random() < 0.7)

    def _read(self, room):
        if room in self.cursors and self.cursors[room]:
            self._ask(self.chance.choice(("read", "delivered")), room=room, seq=self.cursors[room])

    def _unwatch(self, room):
        self._ask("unwatch", room=room)

    def _leave(self, room):
        if self.traffic.may_leave(room, self.name):
            self._ask("leave", room=room)

    def _manage(self, room):
        """The owner of a room puts somebody out, or in."""
        if not self.traffic.is_owner(room, self.name):
            return
        other = self.chance.choice(self.traffic.members[room])
        if other == self.name:
            return
        path, how = "/v1/rooms/%s/members/%s" % (room, other), self.chance.random()
        self.history.enters(room, other)
        with contextlib.suppress(*HURT):
            if how < 0.6:
                self._http("DELETE", path)
            else:
                self._http("PUT", path, {"role": "admin" if how < 0.7 else "member"} if how < 0.9 else {})

    def _http(self, method, path, body=None):
        return request(self.server.port, method, path, body, {"Authorization": "Bearer " + token(self.name)})

    def _send_over_http(self, room):
        """Where it is not answered, its socket asks again: the client_id is the same."""
        members = {"client_id": self._client_id(), "text": self._text()}
        asked = self.history.connect(self.name).ask("send", room=room, **members)
        asked.connection.cut = True
        try:
            answer = self._http("POST", "/v1/rooms/%s/messages" % room, members)
        except HURT:
            answer = None
        if answer and answer.status in (200, 201):
            asked.connection.answer(asked, {"ok": True, "replayed": answer.status == 200} | answer.json)
        elif answer and answer.status in FINAL:
            asked.connection.answer(asked, {"ok": False, "error": {"status": answer.status}})
        else:
            self.again.append(("send", {"room": room} | members))

    # ---- what it is told

    def _take(self, message):
        if "id" in message:
            asked = self.pending.pop(message["id"])
            self.told.answer(asked, message)
            self._answer(asked, message)
        elif message["type"] in LOG:
            self._entry(message)
        elif message["type"] == "gone":
            self.told.gone(message["room"], message["reason"])
            self.watching.discard(message["room"])
            self.unsure.discard(message["room"])
            self.out.add(message["room"])

    def _entry(self, event):
        room = event["room"]
        self.told.entry(event)
        self.cursors[room] = event["seq"]
        self.unsure.discard(room)
        if event["type"] == "message":
            self.seen[room].append(event["seq"])

    def _answer(self, asked, answer):
        if answer["ok"]:
            self.answered += 1
            getattr(self, "_on_" + asked.op, lambda *_: None)(asked.members, answer)
            return
        error = answer["error"]
        if error["status"] not in FINAL:
            same(error["status"], 503, answer)
            if asked.op == "sync":
                raise Closed()
            if asked.op not in ("watch", "unwatch"):
                self.again.append((asked.op, asked.members))
            elif asked.op == "watch":
                self.unsure.add(asked.members["room"])
            time.sleep(WAIT)
        elif error["type"] in ("not-a-member", "no-such-room"):
            self.out.add(asked.members["room"])
            if asked.op == "watch":
                self._on_unwatch(asked.members, answer)  # what a sync did not say is told now

    def _on_send(self, members, answer):
        self.mine[members["room"]].append(answer["seq"])

    def _on_leave(self, members, _answer):
        self.out.add(members["room"])

    def _on_join(self, members, _answer):
        room = members["room"]
        self.out.discard(room)
        if self.chance.random() < 0.5:
            self.cursors.pop(room, None)
        self._watch(room)

    def _on_read(self, members, answer):
        assert answer["read"] >= members["seq"], (members, answer)

    def _on_unwatch(self, members, _answer):
        self.told.unwatched(members["room"])
        self.watching.discard(members["room"])

    def _begin(self, room, after, seq, reset):
        self.told.watched(room, after, seq, reset)
        self.cursors[room] = seq if after is None or reset else after
        self.watching.add(room)
        self.out.discard(room)

    def _on_watch(self, members, answer):
        self._begin(members["room"], members.get("after"), answer["seq"], answer["reset"])

    def _on_sync(self, members, answer):
        found = {item["room"]: item for item in answer["rooms"]}
        for room in members["watch"]:
            after = members["cursors"].get(room)
            if room in found:
                self._begin(room, after, found[room]["seq"], found[room]["reset"])
            elif after is not None:
                self.told.perhaps(room, after)
                self.watching.add(room)
                self.unsure.add(room)
            else:
                self.out.add(room)


class Traffic:
    """Members in rooms; some rooms are of two, and one stranger is in none."""

    def __init__(self, server, members=24, rooms=8, pace=0.5, far=60000):
        seed = random.randrange(1 << 30)
        print("seed", seed, flush=True)
        self.server, self.history, self.errors = server, History(), []
        self.chance, self.pace, self.far = random.Random(seed), pace, far
        self.names = ["u%d" % n for n in range(members)]
        self.members, self.owners, self.direct = {}, {}, set()
        for n in range(rooms):
            self._make_room(n)
        self.threads = [Member(self, name, [r for r, m in self.members.items() if name in m], seed + n)
                        for n, name in enumerate(self.names)]
        stranger = Member(self, "eve", list(self.members), seed - 1)
        stranger.out = set(self.members)
        self.threads = [t for t in self.threads if t.rooms] + [stranger]
        for thread in self.threads:
            thread.start()

    def _make_room(self, number):
        if number % 8 == 7:
            pair = self.chance.sample(self.names, 2)
            room = self.server.direct(*pair)
            self.direct.add(room)
            self.members[room] = pair
        else:
            names = self.chance.sample(self.names, min(len(self.names), self.chance.choice((4, 6, 10))))
            room = self.server.room(names[0], *names[1:], name="room%d" % number)
            self.members[room], self.owners[room] = names, names[0]

    def is_open(self, room, name):
        return name in self.members[room] and room not in self.direct

    def is_owner(self, room, name):
        return self.owners.get(room) == name

    def may_leave(self, room, name):
        return room not in self.direct and not self.is_owner(room, name)

    def _fail(self):
        assert not self.errors, self.errors[0]

    def flow(self, more=200):
        """Until so many more requests have been answered."""
        enough = sum(t.answered for t in self.threads) + more
        eventually(lambda: self.errors or sum(t.answered for t in self.threads) >= enough, "answers", deadline=60)
        self._fail()

    def log(self, room):
        """A room's whole log, over HTTP."""
        entries, name = [], self.members[room][0]
        while True:
            part = self.server.call(name, "GET", "/v1/rooms/%s/events?after=%d&limit=200" % (room, len(entries)),
                                    status=200)["items"]
            if not part:
                return entries
            entries += part

    def logs(self):
        return {room: self.log(room) for room in self.members}

    def _check_fresh(self, logs):
        """Who comes anew, from 0, sees what the log has, and nothing that was deleted."""
        for room, log in logs.items():
            with Client(self.server, self.members[room][0]) as client:
                client.get("watch", room=room, after=0)
                seen = client.log(len(log))
            same([e["seq"] for e in seen], list(range(1, len(log) + 1)), "a fresh watch")
            same([e for e, mine in zip(seen, log) if e != mine], [], "what a fresh watch saw differently")

    def check(self):
        for thread in self.threads:
            thread.writing = False
        try:
            eventually(lambda: self.errors or all(t.quiet for t in self.threads), "all writes answered", deadline=60)
            self._fail()
            logs = self.logs()
            behind = []

            def is_all_seen():
                behind[:] = [(t.name, room, t.cursors[room], len(logs[room])) for t in self.threads
                             for room in list(t.watching) if t.cursors[room] < len(logs[room])]
                return self.errors or not behind and all(t.quiet for t in self.threads)
            with contextlib.suppress(AssertionError):  # the checker says what is missing
                eventually(is_all_seen, "all entries seen")
            if behind:
                print("behind:", behind, flush=True)
        finally:
            for thread in self.threads:
                thread.ending = True
            for thread in self.threads:
                thread.join()
        self._fail()
        same(self.logs(), logs, "the logs, read again")
        self._check_fresh(logs)
        check(self.history, logs)
        entries, cuts = sum(map(len, logs.values())), sum(c.cut for c in self.history.connections)
        print("%d entries, %d attempts, %d connections, %d of them cut" % (
            entries, len(self.history.requests), len(self.history.connections), cuts), flush=True)
