"""
history.py - what chat clients asked and were told, and whether that agrees with the rooms' logs.

Recorded: every attempt at a request that writes, with its answer or none; of every connection, in order, which rooms it
began to watch and from where, each entry that came, each gone.  Everything has a moment, a number that grows.  check()
holds that against the logs as they are read in the end:

  one log       numbers without a gap; an entry is the same for whoever sees it, but that what was deleted has no text
  one order     a watch gives what comes after its cursor, in order, each once; one that is open in the end, all of it
  nothing lost  what was acknowledged is in the log, under that number, as it was asked for
  nothing twice a client_id of a user is one entry; retries are told its number; nothing is there that nobody asked for
  nothing leaks members see what passes while they are in; what was before they may ask for while they are
  gone is gone  nothing of that room on that connection until it is watched again
"""
import itertools

WRITES = ("send", "edit", "delete", "react", "join", "leave")
FINAL = (400, 403, 404, 409, 410, 422)  # a refusal: it was not done, and a retry will not do it by itself


class Fault(AssertionError):
    """What is wrong with a history."""


class Request:
    """One attempt.  answer: as it came, or None; answered: when."""

    def __init__(self, user, connection, sent, op, members):
        self.user, self.connection, self.sent, self.op, self.members = user, connection, sent, op, members
        self.answer, self.answered = None, None

    @property
    def room(self):
        return self.members["room"]

    @property
    def done(self):
        return bool(self.answer and self.answer["ok"])

    @property
    def refused(self):
        return bool(self.answer and not self.answer["ok"] and self.answer["error"]["status"] in FINAL)

    def __repr__(self):
        return "%s %s %r -> %r" % (self.user, self.op, self.members, self.answer)


class Connection:
    """What one connection of a user was told, in order: (moment, what, …)."""

    def __init__(self, history, user):
        self.history, self.user, self.told, self.cut = history, user, [], False

    def _add(self, *what):
        self.told.append((self.history.now(), *what))

    def watched(self, room, after, seq, reset=False):
        """after: the cursor that it asked to go on from, or None; seq: where the answer said that the room stands."""
        self._add("watched", room, after, seq, reset)

    def perhaps(self, room, after):
        """A sync named it to be watched from there, and does not say: it stands there, or the user is not in it."""
        self._add("perhaps", room, after)

    def unwatched(self, room):
        self._add("unwatched", room)

    def gone(self, room, reason):
        self._add("gone", room, reason)

    def entry(self, event):
        self._add("entry", event["room"], event)

    def ask(self, op, **members):
        request = Request(self.user, self, self.history.now(), op, members)
        self.history.requests.append(request)
        if op == "join":
            self.history.enters(members["room"], self.user)
        return request

    def answer(self, request, answer):
        request.answer, request.answered = answer, self.history.now()


class History:
    """Of any number of threads: each appends to lists of its own, or one thing at once."""

    def __init__(self):
        self.requests, self.connections = [], []
        self.entering = {}  # (room, user): when somebody asked for it to be let in
        self.moments = itertools.count(1)

    def now(self):
        return next(self.moments)

    def connect(self, user):
        connection = Connection(self, user)
        self.connections.append(connection)
        return connection

    def enters(self, room, user):
        """Somebody is about to put the user into the room."""
        self.entering.setdefault((room, user), []).append(self.now())


def expect(truth, *words):
    if not truth:
        raise Fault(" ".join(str(word) for word in words))


# ---- the log

class Log:
    """A room's log as it is in the end: entries by number, who was in from when to when."""

    def __init__(self, room, entries):
        self.room, self.entries, self.stays, self.deleted = room, {}, {}, {}
        self.whole = {}  # what was deleted, as somebody saw it before
        for number, entry in enumerate(entries, 1):
            expect(entry["seq"] == number, room, "has", entry["seq"], "where there should be", number)
            self.entries[number] = entry
            if entry["type"] == "member":
                self._move(entry)
            if "target" in entry:
                self._change(entry)
        self.last = len(entries)

    def _move(self, entry):
        stays = self.stays.setdefault(entry["user"], [])
        inside = bool(stays) and stays[-1][1] is None
        if entry["change"] == "joined":
            expect(not inside, self.room, entry["seq"], "lets in who is in:", entry["user"])
            stays.append([entry["seq"], None])
        else:
            expect(inside, self.room, entry["seq"], "is about who is not in:", entry["user"])
            if entry["change"] != "role":
                stays[-1][1] = entry["seq"]

    def _change(self, entry):
        target = self.entries.get(entry["target"])
        expect(target and target["type"] == "message", self.room, entry["seq"], "comes before its message, or has none")
        expect(entry["target"] not in self.deleted, self.room, entry["seq"], "changes what was deleted")
        if entry["type"] == "delete":
            self.deleted[entry["target"]] = entry["seq"]

    def inside(self, user, number):
        """Is the user a member while that entry passes?  Its own coming and going it sees."""
        return any(first <= number and (last is None or number <= last) for first, last in self.stays.get(user, []))

    def is_deleted(self, entry):
        return (entry["target"] if entry["type"] == "edit" else entry["seq"]) in self.deleted

    def agrees(self, entry):
        """Is it the entry of that number?  What was deleted may have been seen whole, the same by all."""
        mine = self.entries.get(entry["seq"])
        if mine is None or entry == mine:
            return mine is not None
        if entry["type"] not in ("message", "edit") or entry["type"] != mine["type"] or not self.is_deleted(mine):
            return False
        bare = [{k: v for k, v in e.items() if k not in ("text", "client_id", "deleted")} for e in (entry, mine)]
        return bare[0] == bare[1] and entry == self.whole.setdefault(entry["seq"], entry)


# ---- what connections saw

class Watch:
    """One connection's view of one room, while it has one."""

    def __init__(self, connection, log, after, seq, reset=False):
        self.name = "%s in %s" % (connection.user, log.room)
        self.user, self.log, self.start = connection.user, log, seq
        self.entering = connection.history.entering.get((log.room, self.user), [])
        self.next = (seq if after is None or reset else after) + 1

    def may_see(self, moment, number):
        """In while that passed; or in later, and nothing says that this was not later."""
        log = self.log
        if log.inside(self.user, number) or (number <= self.start and log.inside(self.user, self.start)):
            return True
        later = any(first > number for first, _ in log.stays.get(self.user, []))
        return later and any(asked < moment for asked in self.entering)

    def entry(self, moment, event):
        number = event["seq"]
        expect(event.get("target", 0) < number, self.name, number, "came before its message")
        expect(number >= self.next, self.name, number, "came again, or late:", self.next, "was expected")
        expect(number == self.next, self.name, number, "came, but not", self.next)
        expect(self.log.agrees(event), self.name, "saw", event, "and the log has", self.log.entries.get(number))
        expect(self.may_see(moment, number), self.name, number, "leaked")
        self.next = number + 1

    def gone(self, reason, resets):
        if reason == "reset":
            expect(resets, self.name, "was told to read anew")
            return
        outs = [last for _, last in self.log.stays.get(self.user, []) if last]
        expect(any(out >= self.next - 1 for out in outs), self.name, "was put out, and is in")

    def end(self, is_sure):
        if not self.log.inside(self.user, self.log.last):
            expect(not is_sure, self.name, "is out, and was not told")
            return
        expect(self.next == self.log.last + 1, self.name, "the last", self.log.last + 1 - self.next, "are missing")


class View:
    """What one connection sees of all rooms."""

    def __init__(self, connection, logs, resets):
        self.connection, self.logs, self.resets = connection, logs, resets
        self.open, self.unsure = {}, set()

    def watched(self, moment, room, after, seq, reset):
        expect(self.resets or not reset, self.connection.user, "was reset in", room, "at", after, "of", seq)
        watch = self.open[room] = Watch(self.connection, self.logs[room], after, seq, reset)
        self.unsure.discard(room)
        expect(watch.may_see(moment, seq), watch.name, "may watch, and is not in at", seq)

    def perhaps(self, _moment, room, after):
        self.open[room] = Watch(self.connection, self.logs[room], after, after)
        self.unsure.add(room)

    def entry(self, moment, room, event):
        expect(room in self.open, self.connection.user, "got", event["seq"], "of", room, "which is gone or not watched")
        self.open[room].entry(moment, event)
        self.unsure.discard(room)

    def gone(self, _moment, room, reason):
        if room in self.open:
            self.open.pop(room).gone(reason, self.resets)

    def unwatched(self, _moment, room):
        self.open.pop(room, None)

    def end(self):
        for room, watch in self.open.items():
            watch.end(room not in self.unsure)


def check_connection(connection, logs, resets):
    view = View(connection, logs, resets)
    for moment, what, *more in connection.told:
        getattr(view, what)(moment, *more)
    if not connection.cut:
        view.end()


# ---- what was asked

KINDS = {"send": "message", "join": "member", "leave": "member"}


def is_asked_by(entry, request):
    """Is that entry what the request asks for?  Of what was deleted neither text nor client_id is known."""
    members = request.members
    if entry["type"] != KINDS.get(request.op, request.op) or entry["from"] != request.user:
        return False
    if request.op in ("join", "leave"):
        return entry["change"] == ("joined" if request.op == "join" else "left")
    keys = ["target", "emoji", "on", "reply_to"]
    if entry.get("text") is not None:
        keys += ["text", "client_id"] if entry["type"] == "message" else ["text"]
    return all(entry.get(key) == members.get(key) for key in keys)


def check_acknowledged(request, log):
    answer = request.answer
    entry = log.whole.get(answer["seq"], log.entries.get(answer["seq"]))
    if request.op in ("join", "leave") and answer.get("replayed"):
        return
    expect(entry, request, "was acknowledged, and is lost")
    expect(is_asked_by(entry, request), request, "was acknowledged, and the log has", entry)
    expect(entry["ts"] == answer["ts"], request, "has another time in the log:", entry)


def check_once(attempts, log):
    """All attempts by one client_id of a user."""
    answers = [r.answer for r in attempts if r.done]
    expect(len({(a["seq"], a["ts"]) for a in answers}) <= 1, "retries were told different numbers:", attempts)
    expect(sum(not a.get("replayed") for a in answers) <= 1, "was done twice:", attempts)
    if all(r.refused for r in attempts):
        expect(not any("client_id" in e and is_asked_by(e, attempts[0]) for e in log.entries.values()),
               "was refused, and yet is in the log:", attempts)


def check_origin(log, requests):
    """Each entry of the log was asked for, and once."""
    asked, seen = {}, set()
    for request in requests:
        members = request.members
        asked.setdefault((request.op, request.user, members.get("target"), members.get("emoji")), []).append(request)
    reactions = {}
    for entry in log.entries.values():
        op = {"message": "send"}.get(entry["type"], entry["type"])
        if op in ("member", "room"):
            continue
        candidates = asked.get((op, entry["from"], entry.get("target"), entry.get("emoji")), [])
        expect(any(is_asked_by(entry, r) for r in candidates), log.room, "has what nobody asked for:", entry)
        if entry["type"] == "react":
            key = entry["from"], entry["target"], entry["emoji"]
            expect(reactions.get(key, False) != entry["on"], log.room, "has twice:", entry)
            reactions[key] = entry["on"]
        elif entry["type"] == "message" and "client_id" in entry:
            key = entry["from"], entry["client_id"]
            expect(key not in seen, log.room, "has twice:", entry)
            seen.add(key)


def check_order(requests):
    """What was answered before another was asked for has the lower number; so has what was asked before on the same
    connection."""
    plain = [r for r in requests if r.done and not r.answer.get("replayed")]
    last, answered = 0, sorted(plain, key=lambda r: r.answered)
    for request in sorted(plain, key=lambda r: r.sent):
        while answered and answered[0].answered < request.sent:
            last = max(last, answered.pop(0).answer["seq"])
        expect(request.answer["seq"] > last, request, "has a number not above", last, "which was answered before")
    lasts = {}
    for request in plain:
        expect(request.answer["seq"] > lasts.get(request.connection, 0), request, "overtook what was asked before it")
        lasts[request.connection] = request.answer["seq"]


def check(history, logs, resets=False):
    """logs: {room: its entries in the end}, of all; raises the first Fault.  resets: cursors may have been lost."""
    logs = {room: Log(room, entries) for room, entries in logs.items()}
    for connection in history.connections:
        check_connection(connection, logs, resets)
    for room, log in logs.items():
        requests = [r for r in history.requests if r.op in WRITES and r.room == room]
        once = {}
        for request in requests:
            if request.done:
                check_acknowledged(request, log)
            if "client_id" in request.members:
                once.setdefault((request.user, request.members["client_id"]), []).append(request)
        for attempts in once.values():
            check_once(attempts, log)
        check_origin(log, requests)
        check_order(requests)
