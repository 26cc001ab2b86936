"""scripts.py - the chat's scripts in a real Redis: one order, numbers without holes, each client_id once."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
from lab import TOP, eventually, redis, run, same  # noqa: E402

HERE = "{p001}:r"
WAKE = "ch:wake:{p001}"
ROOM, MEMBERS, LOG, CHANGES, NAMES, BANS = ["ch:%s:%s" % (what, HERE) for what in
                                            ("room", "members", "log", "changes", "names", "bans")]
DAY = 86400000


class Script:
    """As common/embed.py puts it together."""

    def __init__(self, store, name):
        folder = os.path.join(TOP, "chat")
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            text = file.read()

        def include(match):
            with open(os.path.join(folder, match[1]), encoding="utf-8") as file:
                return file.read()
        self.store, self.sha = store, store.cli("SCRIPT", "LOAD", re.sub(r"(?m)^-- include (\S+)\n", include, text))

    def __call__(self, keys, *args):
        return self.store.cli("EVALSHA", self.sha, len(keys), *keys, *args)


class Room:
    """A room of alice, an owner, with others who joined it."""

    def __init__(self, store, *others, kind="u"):
        self.store, self.writes = store, Script(store, "write.lua")
        self.members, self.reads = Script(store, "member.lua"), Script(store, "events.lua")
        self.known = 0
        made = Script(store, "create.lua")([ROOM, MEMBERS, LOG, NAMES, "ch:public:{p001}"][:5 if kind == "u" else 4],
                                           kind, "tea", "about tea", "r", WAKE, "alice")
        same(made[0], 1)
        same(made[3:5], ["tea", "about tea"])
        for name in others:
            if kind == "u":
                self("join", name, 100)
            else:
                self("put", "alice", name, "", 100)

    def __call__(self, what, user, *args, client=None, digest="d"):
        keys = [ROOM, MEMBERS, LOG, CHANGES, NAMES, BANS]
        if client:
            keys.append("ch:once:{p001}:r:%s:%s" % (user, client))
        return self.writes(keys, what, user, "r", self.known, WAKE, DAY, digest, *args)

    def say(self, user, text, reply="", mentions="", client=None):
        return self("message", user, client or "c", text, reply, mentions, "-", client=client)

    def member(self, *args, about=None):
        return self.members([MEMBERS, LOG, "ch:mentions:%s:%s" % (HERE, about or args[0])], args[0], "r", WAKE, *args[1:])

    def events(self, user, after=1, most=100):
        return self.reads([MEMBERS, LOG, CHANGES], user, after, most, 1 << 20)

    def heads(self):
        return [(entry[0].split("-")[0], entry[1]) for entry in self.events("", most=1000)[1]]

    def record(self, user):
        return self.store.cli("HGET", MEMBERS, user).split()


def test_numbers_have_no_holes_and_heads_say_what_was_done(redis):
    room = Room(redis, "bob")
    same([answer[0] for answer in (room.say("bob", "one"), room.say("alice", "two", reply=3),
                                   room("edit", "bob", "c2", "One", 3, "-"), room("react", "alice", "c3", 3, "+1", 1),
                                   room("delete", "alice", "c4", 3), room("leave", "bob"))], [3, 4, 5, 6, 7, 8])
    same(room.heads(), [("1", "j alice 0 alice joined o"), ("2", "j bob 0 bob joined m"), ("3", "m bob 1 0 0 "),
                        ("4", "m alice 2 3 3 "), ("5", "e bob 2 3 0"), ("6", "r alice 2 3 1 +1"), ("7", "d alice 2 3"),
                        ("8", "j bob 2 bob left -")])
    # what was deleted is gone, with its edits
    same([entry[0].split("-")[0] for entry in redis.cli("XRANGE", LOG, "-", "+")], ["1", "2", "4", "6", "7", "8"])
    same([entry[2] for entry in room.events("")[1]], ["", "", "", "c two", "", "", "", ""])
    same(sorted(redis.cli("HKEYS", CHANGES)), ["3", "5"])
    same(redis.cli("EXISTS", "ch:reactions:%s:3" % HERE), 0)


def test_a_client_id_is_done_once_and_stands_for_one_thing(redis):
    room = Room(redis, "bob")
    first = room.say("bob", "one", client="x")
    same(room.say("bob", "one", client="x"), [first[0], first[1], 1, 1])
    same(room("message", "bob", "x", "other", "", "", "-", client="x", digest="e"), ["client-id-reused"])
    room("leave", "bob")  # what was done then is so still
    same(room.say("bob", "one", client="x")[:3], [first[0], first[1], 1])
    same(room.say("alice", "one", client="x")[0], first[0] + 2)  # hers is another


def test_who_may_not_is_told_why_and_nothing_is_done(redis):
    room = Room(redis, "bob", "carol")
    number = room.say("bob", "mine")[0]
    before = room.heads()
    same(room.say("dan", "x"), ["not-a-member"])
    same(room("edit", "carol", "c", "x", number, "-"), ["not-allowed"])
    same(room("edit", "bob", "c", "x", 1, "-"), ["no-such-message"])
    same(room("edit", "bob", "c", "x", 99, "-"), ["no-such-message"])
    same(room("delete", "carol", "c", number), ["not-allowed"])
    same(room.say("bob", "x", reply=2), ["no-such-message"])
    same(room("react", "bob", "c", 1, "+1", 1), ["no-such-message"])
    same(room("react", "bob", "c", number, "+1", 0), ["no-such-reaction"])
    same(room("kick", "bob", "carol"), ["not-allowed"])
    same(room("kick", "alice", "dan"), ["no-such-member"])
    same(room("put", "bob", "carol", "a", 100), ["not-allowed"])
    same(room("room", "bob", "{}", "=x", "", "", "", ""), ["not-allowed"])
    same(room("leave", "alice"), ["last-owner"])
    same(room("join", "dan", 3), ["room-full"])
    room.member("alice", "silence", "bob", -1, about="bob")
    same(room.say("bob", "x"), ["muted"])
    same(room.heads(), before)
    room.member("alice", "silence", "bob", 0, about="bob")
    same(room.say("bob", "x")[0], int(before[-1][0]) + 1)


def test_private_rooms_do_not_exist_for_others(redis):
    room = Room(redis, "bob", kind="v")
    for answer in (room.say("dan", "x"), room("join", "dan", 100), room("leave", "dan"), room.events("dan"),
                   room.member("dan", "read", 1)):
        same(answer, ["no-such-room"])
    room("ban", "alice", "bob")
    same(room("put", "alice", "bob", "", 100), ["banned"])


def test_what_changes_nothing_of_a_room_is_no_entry(redis):
    room = Room(redis, "bob")
    before = room.heads()
    same(room("room", "alice", "{}", "", "", "", "", "")[3], 0)
    same(room("room", "bob", "{}", "", "", "", "", ""), ["not-allowed"])
    same(room.heads(), before)
    same(room("room", "alice", "{}", "", "=x", "", "", "")[3], 1)


def test_archived_rooms_take_nothing(redis):
    room = Room(redis, "bob")
    room("room", "alice", '{"archived":true}', "", "", "=1", "", "")
    for answer in (room.say("bob", "x"), room("join", "dan", 100), room("kick", "alice", "bob")):
        assert answer in (["archived"], ["not-a-member"]), answer
    same(room.events("bob")[0].split()[7], "1")


def test_counts_of_what_is_not_read(redis):
    room = Room(redis, "bob", "carol")
    for n in range(3):
        room.say("bob", "hi %d" % n, mentions="carol,nobody")
    same(room.record("carol")[:4], ["3", "0", "3", "3"])
    same(room.record("bob")[:3], ["6", "3", "6"])  # his own are read
    room("react", "alice", "c", 5, "+1", 1)
    record, count = room.member("carol", "read", 5)
    same((record.split()[:4], count), (["5", "2", "5", "1"], "3"))
    same(room.member("carol", "read", 4)[0], record)  # never back ...
    same(room.member("carol", "read", 3, 1)[0].split()[:4], ["3", "0", "5", "3"])  # ... unless asked
    room("delete", "bob", "c", 6)
    same(room.record("carol")[3], "2")
    same(room.member("carol", "read", 10**9)[0].split()[:4], ["8", "3", "8", "0"])
    same(room.member("carol", "delivered", 1)[0].split()[2], "8")


def test_who_is_silenced_gives_no_name_and_puts_nobody_in(redis):
    room = Room(redis, "bob", "carol")
    room("put", "alice", "bob", "a", 10)
    same(room("room", "bob", "{}", "", "=a topic", "", "", "")[3], 1)
    room.member("alice", "silence", "bob", -1, about="bob")
    same(room("room", "bob", "{}", "", "=another", "", "", ""), ["muted"])
    same(room("put", "bob", "dave", "", 10), ["muted"])
    same(room("kick", "bob", "carol")[3], 1)


def test_history_goes_by_an_owners_word_alone(redis):
    room = Room(redis, "bob")
    room("put", "alice", "bob", "a", 10)
    for keep in (("=1", ""), ("", "=1000")):
        same(room("room", "bob", "{}", "", "", "", *keep), ["not-allowed"])
        same(room("room", "alice", "{}", "", "", "", *keep)[3], 1)


def test_retention_by_count_takes_texts_along(redis):
    room = Room(redis)
    room("room", "alice", "{}", "", "", "", "=10", "")
    for n in range(40):
        room.say("alice", "n%d" % n)
    answer = room.events("alice", 0)
    same(answer[0].split()[0:4:2], ["42", "33"])
    same([entry[0].split("-")[0] for entry in answer[1]], [str(n) for n in range(33, 43)])


def test_nothing_is_kept_of_a_message_that_its_own_edit_pushed_out(redis):
    room = Room(redis, "bob")
    first = room.say("alice", "root")[0]
    second = room.say("alice", "other")[0]
    room("room", "alice", "{}", "", "", "", "=3", "")
    same(room("edit", "alice", "c", "SECRET", first, "-")[2], 0)  # 3 of 5 entries are kept: it goes with this one
    same(redis.cli("HGET", CHANGES, first), None)
    same(room("react", "bob", "c", second, "+1", 1)[2], 0)
    third = room.say("alice", "a third")[0]
    room.say("bob", "x")
    same(room.say("bob", "y", reply=third)[2], 0)
    for _ in range(9):
        room.say("bob", "z")
    same(redis.cli("HGETALL", CHANGES), [])
    same([key for kind in ("reactions", "thread") for key in redis.cli("KEYS", "ch:%s:*" % kind)], [])
    delete = room.say("alice", "last")[0]
    room.say("bob", "z")
    room.say("bob", "z")
    same(room("delete", "alice", "c", delete)[2], 0)  # the oldest, which its deletion pushes out
    same(redis.cli("HGETALL", CHANGES), [])


def test_a_mute_and_a_reader_outlast_leaving(redis):
    room = Room(redis, "bob", "carol")
    room("put", "alice", "carol", "r", 100)
    room.member("alice", "silence", "bob", -1, about="bob")
    for name, no in (("bob", "muted"), ("carol", "not-allowed")):
        room("leave", name)
        same(room("join", name, 100)[3], 1)
        same(room.say(name, "x"), [no])
    room("kick", "alice", "carol")
    same(room("put", "alice", "carol", "m", 100)[3], 1)  # as it is said
    same(room.say("carol", "x")[2], 0)
    room("leave", "carol")
    room("join", "carol", 100)
    same(room.say("carol", "x")[2], 0)
    same(room("put", "alice", "bob", "o", 100)[3], 2)  # an owner can be let speak by nobody
    same(room.say("bob", "x")[2], 0)


def test_one_may_leave_what_is_archived(redis):
    room = Room(redis, "bob")
    room("room", "alice", "{}", "", "", "=1", "", "")
    same(room("join", "carol", 100), ["archived"])
    same(room("leave", "bob")[3], 1)
    same(room("leave", "alice")[3], 1)


def test_a_number_that_others_have_seen_is_not_given_again(redis):
    """Redis lost its end; a worker knows more."""
    room = Room(redis, "bob")
    room.known = 50
    same(room.say("bob", "x")[0], 51)
    answer = room.events("bob", 0)
    same(answer[0].split()[0:6:5], ["51", "50"])
    same(room.say("bob", "y")[0], 52)


def test_roles(redis):
    room = Room(redis, "bob", "carol", "dan")
    room("put", "alice", "bob", "a", 100)
    same(room("put", "bob", "carol", "a", 100), ["not-allowed"])
    same(room("put", "bob", "carol", "r", 100)[3], 2)
    same(room.say("carol", "x"), ["not-allowed"])
    same(room("kick", "bob", "alice"), ["not-allowed"])
    same(room("kick", "bob", "dan")[3], 1)
    same(room("join", "dan", 100)[3], 1)
    same(room("ban", "bob", "dan")[3], 1)
    same(room("join", "dan", 100), ["banned"])
    same(room("put", "alice", "bob", "o", 100)[3], 2)
    same(room.record("#")[4], "3")
    same(redis.cli("ZRANGE", NAMES, 0, -1), ["alice", "bob", "carol"])
    same(room("leave", "alice")[3], 1)  # beside another owner
    same(room("leave", "bob"), ["last-owner"])
    same(room("put", "bob", "bob", "m", 100), ["last-owner"])
    same(room("put", "bob", "carol", "o", 100)[3], 2)
    same(room("put", "carol", "bob", "m", 100)[3], 2)
    same(room("leave", "carol"), ["last-owner"])
    same(room("put", "carol", "bob", "o", 100)[3], 2)
    same(room("put", "carol", "carol", "a", 100)[3], 2)  # of itself, too
    same(room("leave", "bob"), ["last-owner"])
    same(room("leave", "carol")[3], 1)
    same(room("leave", "bob")[3], 1)  # nobody is left


# ---- a user that is deleted, and what it may take along

def erase(room, user, heir=""):
    """All of it; how many calls that took."""
    number, calls, more = 0, 0, 1
    while more:
        number, _, _, more = room("erase", user, number, heir)
        calls += 1
    return calls


def test_what_one_wrote_is_erased_and_numbers_stay(redis):
    room = Room(redis, "bob", "carol", kind="v")
    hers = room.say("carol", "hers", mentions="bob")[0]
    numbers = [room.say("bob", "n%d" % n, mentions="carol")[0] for n in range(100)]
    room("edit", "bob", "c", "edited", numbers[0], "-")
    room("react", "bob", "c", hers, "+1", 1)
    room("react", "carol", "c", hers, "+1", 1)
    room("react", "bob", "c", hers, "-1", 1)
    room("react", "bob", "c", hers, "-1", 0)
    room("kick", "alice", "bob")
    before = room.heads()
    assert erase(room, "bob") > 3
    after = room.heads()
    same(after[:len(before)], before)
    seq = int(before[-1][0])
    same([head.split()[0] for _, head in after[len(before):]], ["d"] * 100 + ["r"])
    same([int(number) for number, _ in after], list(range(1, seq + 102)))
    same([entry[2] for entry in room.events("", most=1000)[1] if " bob " in entry[1] and entry[2]], [])
    same(redis.cli("HKEYS", "ch:reactions:%s:%d" % (HERE, hers)), ["+1 carol"])
    same((room.record("carol")[3], redis.cli("EXISTS", "ch:mentions:%s:carol" % HERE)), ("0", 0))
    same(erase(room, "bob"), 1)  # nothing more to do
    same(room.heads(), after)
    same(room("put", "alice", "bob", "", 100), ["banned"])  # who was on its way comes too late


def test_an_edit_whose_message_is_not_kept_is_erased(redis):
    room = Room(redis, "bob")
    number = room.say("bob", "one")[0]
    for n in range(8):
        room.say("alice", "n%d" % n)
    edit = room("edit", "bob", "c", "still here", number, "-")[0]
    room("room", "alice", "{}", "", "", "", "=8", "")
    room.say("alice", "x")
    assert int(room.events("")[0].split()[2]) > number
    assert "still here" in str(redis.cli("XRANGE", LOG, edit, edit))
    erase(room, "bob")
    assert "still here" not in str(redis.cli("XRANGE", LOG, "-", "+"))


def test_the_last_owner_is_followed(redis):
    room, heir = Room(redis, "bob", "carol", "dan"), Script(redis, "heir.lua")

    def found(most=100):
        after, name = "", ""
        while True:
            after, name = heir([MEMBERS, NAMES], "alice", after, name, most)
            if not after:
                return name
    same((found(), found(1)), ("bob", "bob"))
    room("put", "alice", "dan", "a", 100)
    same((found(), found(1)), ("dan", "dan"))
    room("put", "alice", "carol", "o", 100)
    same(found(2), "carol")
    room("put", "alice", "bob", "r", 100)
    for name in ("", "nobody", "alice"):
        same(room("erase", "alice", 0, name), ["last-owner"])
    erase(room, "alice", "carol")  # who is one already
    same(room.heads()[-1][1], "j alice 0 alice left -")
    erase(room, "carol", "dan")
    same([head for _, head in room.heads()[-2:]], ["j carol 0 dan role o", "j carol 0 carol left -"])
    same(room.record("dan")[4], "o")
    erase(room, "dan", "bob")
    erase(room, "bob")  # and the last one archives
    same(room.record("#")[4:8:3], ["0", "1"])


def test_what_one_wrote_is_found(redis):
    room, wrote = Room(redis, "bob", kind="v"), Script(redis, "wrote.lua")
    for n in range(150):
        room.say("alice", "a%d" % n)
        room.say("bob", "b%d" % n)
    room("edit", "bob", "c", "edited", 4, "-")
    room("delete", "alice", "c", 6)
    for emoji, on in (("x", 1), ("y", 1), ("x", 0), ("x", 1)):
        room("react", "bob", "c", 3, emoji, on)
    room("kick", "alice", "bob")

    def pages(user, most, size):
        number, out = 0, []
        while number != "":
            answer = wrote([MEMBERS, LOG, CHANGES, ROOM], user, most, size, number)
            out.append(answer[2])
            number = answer[1]
        return out
    found = pages("bob", 40, 1 << 20)
    assert len(found) > 3 and max(len(page) for page in found) == 40, found
    items = sum(found, [])
    same([int(item[0].split("-")[0]) for item in items], list(range(4, 303, 2)) + [303, 306, 308])
    same([item[2:] for item in items[:3]], [["c b0", "303 0 c edited"], ["", "d"], ["c b2", ""]])
    same(items, sum(pages("bob", 1000, 1), []))
    same(sum(pages("dan", 10, 1 << 20), []), [])
    same(wrote([MEMBERS + "x", LOG, CHANGES, ROOM], "bob", 10, 100, 0), ["no-such-room"])


USERS = "{p002}"
USER, SESSIONS, INDEX, LEFT, ERASURES = ["ch:%s:%s:bob" % (what, USERS) for what in
                                         ("user", "sessions", "rooms", "left")] + ["ch:erasures:" + USERS]
ROSTER = "ch:roster:%s:bob" % USERS


def test_the_index_knows_what_one_has_left(redis):
    index = Script(redis, "index.lua")

    def add(room, most=2):
        return index([INDEX, USER], "add", room, most, 0)

    def remove(room, when, was=1):
        same(index([INDEX, USER], "remove", room, when, was), [])
    one, two = add("one")[0], add("two")[0]
    same(add("three"), ["too-many-rooms"])
    remove("two", one)  # it was put there later
    remove("one", one)
    remove("two", two, 0)  # it was never in it
    same((redis.cli("ZRANGE", INDEX, 0, -1), redis.cli("ZRANGE", LEFT, 0, -1)), ([], ["one"]))
    again = add("one")[0]
    same(index([INDEX, USER], "list", 0, 0, 10)[:2], [["one", str(again)], []])  # as one that it is in
    remove("one", again)
    rooms, left, last = index([INDEX, USER], "list", again, 0, 10)
    same((rooms, left), ([], ["one", last]))
    same(index([INDEX, USER], "list", again, last, 10), [[], [], ""])
    for number in range(20):
        if add("r%d" % number)[0] != "too-many-rooms":
            remove("r%d" % number, 1 << 52)
    same(redis.cli("ZCARD", LEFT), 20)
    same(add("r20"), ["too-many-rooms"])  # it would be forgotten where it was
    same(add("one")[1], 1)


def test_who_is_deleted_is_noted_until_nothing_is_left(redis):
    index, user, erasure = (Script(redis, name + ".lua") for name in ("index", "user", "erasure"))
    session, register = Script(redis, "session.lua"), Script(redis, "register.lua")
    same(register([USER], "kept"), [1])
    session([USER, SESSIONS], "open", "s.1", 1 << 40, "phone", 100, 0, "ch:wake:" + USERS, "bob")
    same(session([USER, SESSIONS], "look", "s.1")[0], 1)
    redis.cli("HSET", ROSTER, "-", 123)
    same(user([USER, SESSIONS, ROSTER], "show")[1:], [1, "123", "s.1", "%d phone" % (1 << 40)])
    for room in ("one", "two"):
        index([INDEX, USER], "add", room, 10, 0)
    index([INDEX, USER], "remove", "one", 1 << 52, 1)
    same(erasure([ERASURES], "take", 1000), [])
    for _ in range(2):
        same(user([USER, SESSIONS, ERASURES], "delete", "bob", "ch:wake:" + USERS), [])
    same(redis.cli("HKEYS", USER), ["deleted"])
    same([session([USER, SESSIONS], "look", jti)[0] for jti in ("s.1", "")], [0, 0])
    same(session([USER, SESSIONS], "open", "s.2", 1 << 40, "", 100, 1, "ch:wake:" + USERS, "bob"), ["name-taken"])
    same(register([USER], "kept"), [0])
    for must in (0, 1):
        same(index([INDEX, USER], "add", "three", 10, must), ["no-such-user"])
    same(eventually(lambda: erasure([ERASURES], "take", 1)), ["bob", "two", "0"])  # of this ms: in the next
    erasure([ERASURES], "keep", "bob", "two", 77, 60000)
    same(erasure([ERASURES], "take", 60000), [])  # another has it
    redis.cli("ZADD", ERASURES, 0, "bob")  # and dies
    same(erasure([ERASURES], "take", 60000), ["bob", "two", "77"])
    erasure([ERASURES], "none", "bob", "two")  # it may be made yet
    same(eventually(lambda: erasure([ERASURES], "take", 60000)), ["bob", "one", "0"])
    erasure([ERASURES], "done", "bob", "one")
    same(erasure([ERASURES], "take", 60000), [])
    redis.cli("HINCRBY", USER, "deleted", -61000)  # a minute later
    for key in (ERASURES, INDEX):
        redis.cli("ZADD", key, 0, redis.cli("ZRANGE", key, 0, 0)[0])
    same(erasure([ERASURES], "take", 60000), ["bob", "two", "0"])
    erasure([ERASURES], "none", "bob", "two")
    same(eventually(lambda: erasure([ERASURES], "take", 60000)), ["bob"])
    same(erasure([ERASURES], "take", 60000), [])
    same([redis.cli("EXISTS", key) for key in (INDEX, LEFT, ERASURES, SESSIONS, ROSTER)], [0, 0, 0, 0, 0])
    same(redis.cli("HKEYS", USER), ["deleted"])


run(sys.modules[__name__], redis=redis)
