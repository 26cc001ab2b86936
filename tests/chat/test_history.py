"""test_history.py - the checker of histories finds faults that are planted, and no others."""
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
from history import Fault, History, check  # noqa: E402
from lab import run  # noqa: E402

SEEDS = range(20)
USERS = ("ann", "bob", "cat", "dan")


class World:
    """A right server in few words, and clients of it: they write, come and go, are cut off, come back, retry."""

    def __init__(self, seed):
        self.chance, self.history = random.Random(seed), History()
        self.log, self.inside, self.numbers, self.lossy = [], {}, 0, 0.2
        self.views = {user: None for user in USERS}  # (connection, next number), of who watches
        self.cursors = {}
        for user in USERS:
            self.append("member", user, user=user, change="joined")
            self.inside[user] = True
        for user in USERS:
            self.watch(user)
        for _ in range(120):
            self.step()
        for user in USERS:
            if self.inside[user]:
                self.watch(user)
        self.lossy = 0
        self.send("ann")  # what all see that are in
    def append(self, kind, sender, **members):
        entry = {"type": kind, "room": "r", "seq": len(self.log) + 1, "from": sender,
                 "ts": 1000 + len(self.log)} | members
        self.log.append(entry)
        for name in USERS:
            if self.views.get(name):
                self.views[name].entry(dict(entry))
                self.cursors[name] = entry["seq"]
        return entry

    def watch(self, user):
        if self.views[user]:
            self.views[user].cut = True
        connection = self.views[user] = self.history.connect(user)
        after = self.cursors.get(user)
        connection.watched("r", after, len(self.log))
        for entry in self.final()["r"][after if after is not None else len(self.log):]:
            connection.entry(dict(entry))
        self.cursors[user] = len(self.log)

    def write(self, user, op, kind, once=True, **members):
        """Now and then its answer is lost, and it is sent again."""
        connection = self.views[user] or self.history.connect(user)
        self.numbers += 1
        asked = {"room": "r"} | members | ({"client_id": "c%d" % self.numbers} if once else {})
        request = connection.ask(op, **asked)
        if kind == "message":
            members["client_id"] = asked["client_id"]
        if op == "leave":
            members |= {"user": user, "change": "left"}
        entry = self.append(kind, user, **members)
        answer = {"ok": True, "seq": entry["seq"], "ts": entry["ts"]}
        if once and self.chance.random() < self.lossy:
            self.watch(user)
            connection, answer = self.views[user], answer | {"replayed": True}
            request = connection.ask(op, **asked)
        connection.answer(request, answer)

    def send(self, user):
        self.write(user, "send", "message", text="hello %d" % self.numbers)

    def targets(self, user=None):
        deleted = {e["target"] for e in self.log if e["type"] == "delete"}
        return [e for e in self.log if e["type"] == "message" and e["seq"] not in deleted and user in (None, e["from"])]

    def step(self):
        user, what = self.chance.choice(USERS), self.chance.random()
        mine, any_ = self.targets(user), self.targets()
        if not self.inside[user]:
            connection = self.history.connect(user)
            connection.answer(connection.ask("send", room="r", client_id="no%d" % self.numbers, text="let me in"),
                              {"ok": False, "error": {"status": 403}})
            self.enter(user)
        elif what < 0.1 and user != "ann":
            self.leave(user)
        elif what < 0.2 and mine:
            self.write(user, "edit", "edit", target=self.chance.choice(mine)["seq"], text="edited %d" % self.numbers)
        elif what < 0.25 and mine:
            self.write(user, "delete", "delete", target=self.chance.choice(mine)["seq"])
        elif what < 0.35 and any_:
            self.write(user, "react", "react", target=self.chance.choice(any_)["seq"], emoji=str(self.numbers), on=True)
        elif what < 0.45:
            self.watch(user)
        else:
            self.send(user)

    def enter(self, user):
        connection = self.history.connect(user)
        request = connection.ask("join", room="r")
        entry = self.append("member", user, user=user, change="joined")
        connection.answer(request, {"ok": True, "seq": entry["seq"], "ts": entry["ts"]})
        self.inside[user] = True
        self.watch(user)

    def leave(self, user):
        self.write(user, "leave", "member", once=False)
        self.inside[user] = False
        connection, self.views[user] = self.views[user], None
        if self.chance.random() < 0.5:
            self.cursors.pop(user, None)
        connection.gone("r", "left")

    def final(self):
        """The log as it is read in the end: of what was deleted there is no text."""
        deleted = {e["target"] for e in self.log if e["type"] == "delete"}
        entries = []
        for entry in self.log:
            entry = dict(entry)
            if entry["seq"] in deleted or entry["type"] == "edit" and entry["target"] in deleted:
                entry["text"] = None
                if entry.pop("client_id", None):
                    entry["deleted"] = True
            entries.append(entry)
        return {"r": entries}

    def check(self):
        check(self.history, self.final())


def right():
    return (World(seed) for seed in SEEDS)


def test_right_histories_are_right():
    for world in right():
        world.check()


def is_found(words, plant):
    """In each history; plant(world) spoils it."""
    for world in right():
        plant(world)
        try:
            world.check()
        except Fault as fault:
            assert any(word in str(fault) for word in words), fault
        else:
            raise AssertionError("not found: %s" % (words,))


def told(world, inner=False):
    """Of a connection, what it was told, and where an entry stands in it; inner: with another entry behind it."""
    return world.chance.choice([
        (c.told, n) for c in world.history.connections for n, what in enumerate(c.told)
        if what[1] == "entry" and (not inner or n + 1 < len(c.told) and c.told[n + 1][1] == "entry")])


def forget_last(world):
    """The last entry, wherever it was seen."""
    last = world.log.pop()["seq"]
    for connection in world.history.connections:
        connection.told = [what for what in connection.told if what[1] != "entry" or what[3]["seq"] != last]


def test_swap_is_found():
    def swap(world):
        events, n = told(world, inner=True)
        events[n], events[n + 1] = events[n + 1], events[n]
    is_found(["came, but not", "came before its message"], swap)


def test_gap_is_found():
    def gap(world):
        events, n = told(world, inner=True)
        del events[n]
    is_found(["came, but not"], gap)


def test_missing_end_is_found():
    def cut(world):
        del world.views["ann"].told[-1]
    is_found(["the last 1 are missing"], cut)


def test_drop_is_found():
    is_found(["is lost"], forget_last)


def test_duplicate_is_found():
    def repeat(world):
        events, n = told(world)
        events.insert(n + 1, events[n])
    is_found(["came again"], repeat)


def test_message_that_is_done_twice_is_found():
    def repeat(world):
        last = world.log[-1]
        world.append("message", "ann", text=last["text"], client_id=last["client_id"])
    is_found(["has twice"], repeat)


def test_retry_that_gets_another_number_is_found():
    def repeat(world):
        last = world.history.requests[-1]
        again = world.views["ann"].ask("send", **last.members)
        world.views["ann"].answer(again, last.answer | {"seq": last.answer["seq"] - 1, "replayed": True})
    is_found(["was acknowledged, and the log has", "told different numbers"], repeat)


def outsider(world):
    if world.inside["dan"]:
        world.leave("dan")
    return world.history.connect("dan")


def test_leak_to_who_was_let_watch_is_found():
    def leak(world):
        connection = outsider(world)
        world.send("ann")
        connection.watched("r", None, len(world.log) - 1)
        connection.entry(world.log[-1])
    is_found(["may watch, and is not in", " leaked"], leak)


def test_leak_behind_leaving_is_found():
    def leak(world):
        if not world.inside["dan"]:
            world.enter("dan")
        world.write("dan", "leave", "member", once=False)
        world.send("ann")
        world.views["dan"].gone("r", "left")
    is_found([" leaked"], leak)


def test_leak_behind_gone_is_found():
    def leak(world):
        if not world.inside["dan"]:
            world.enter("dan")
        connection = world.views["dan"]
        world.leave("dan")
        world.send("ann")
        connection.entry(world.log[-1])
    is_found(["gone or not watched"], leak)


def test_wrong_seq_of_an_answer_is_found():
    def shift(world):
        request = world.history.requests[-1]
        request.answer = request.answer | {"seq": request.answer["seq"] - 1}
    is_found(["was acknowledged, and the log has"], shift)


def test_another_entry_under_a_number_is_found():
    def change(world):
        events, n = told(world)
        events[n] = events[n][:3] + (events[n][3] | {"from": "eve"},)
    is_found([" saw "], change)


def test_edit_before_its_message_is_found():
    def invert(world):
        world.write("ann", "edit", "edit", target=len(world.log) + 2, text="early")
        world.send("ann")
    is_found(["comes before its message"], invert)


def test_edit_that_is_seen_before_its_message_is_found():
    def invert(world):
        world.send("ann")
        world.write("ann", "edit", "edit", target=len(world.log), text="early")
        events = world.views["ann"].told
        events[-1], events[-2] = events[-2], events[-1]
    is_found(["came, but not"], invert)


def test_write_that_was_refused_and_done_is_found():
    def refuse(world):
        for request in world.history.requests:
            if request.members.get("client_id") == world.log[-1]["client_id"]:
                request.answer = {"ok": False, "error": {"status": 403}}
    is_found(["was refused, and yet"], refuse)


def test_entry_that_nobody_asked_for_is_found():
    is_found(["nobody asked for"], lambda world: world.append("message", "ann", text="ghost", client_id="boo"))


def test_numbers_against_the_order_of_time_are_found():
    def early(world):
        connection = world.views["ann"]
        one = connection.ask("send", room="r", client_id="late", text="late")
        entry = world.append("message", "ann", client_id="late", text="late")
        world.send("ann")
        one.sent = world.history.now()
        connection.answer(one, {"ok": True, "seq": entry["seq"], "ts": entry["ts"]})
    is_found(["a number not above"], early)


if __name__ == "__main__":
    run(sys.modules[__name__])
