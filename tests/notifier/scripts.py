"""scripts.py - the notifier's scripts in a real Redis: offsets without holes, epochs that never come twice."""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
from lab import TOP, RedisError, redis, run, same  # noqa: E402

LOG, REFS, ONCE, CHANNEL = "no:log:{p001}:t", "no:refs:{p001}", "no:once:{p001}:1:t:i", "no:wake:{p001}"
LIFE_MS = 60000
PLACES, STREAM, STATE = "no:places:{p001}", "s", "no:source:{s}"


class Script:
    def __init__(self, store, name):
        with open(os.path.join(TOP, "notifier", name), encoding="utf-8") as file:
            self.store, self.sha = store, store.cli("SCRIPT", "LOAD", file.read())

    def __call__(self, keys, *args):
        return self.store.cli("EVALSHA", self.sha, len(keys), *keys, *args)


def publisher(store):
    script = Script(store, "publish.lua")

    def publish(record="r", epoch="", offset=0, references="", once=False, most=1000, topic="t"):
        return script([LOG, REFS] + [ONCE] * once, record, topic, epoch, offset, references, most, LIFE_MS, 100, CHANNEL, 60000)
    return publish


def split(text):
    epoch, offset = text.split("-")
    return int(epoch), int(offset)


def test_offsets_count_from_one_whatever_the_worker_knows(redis):
    publish = publisher(redis)
    first, *_ = publish()
    epoch = split(first)[0]
    for n, known in enumerate(("", epoch, epoch - 5, epoch, "", 1, epoch), 2):
        same(split(publish(epoch=known, references=known)[0]), (epoch, n), known)
    same([split(entry[0]) for entry in redis.cli("XRANGE", LOG, "-", "+")], [(epoch, n) for n in range(1, 9)])
    references = redis.cli("XRANGE", REFS, "-", "+")
    same([split(entry[0])[1] for entry in references], list(range(1, 9)))
    same([entry[1] for entry in references], [["topic", "t", "id", "%d-%d" % (epoch, n)] for n in range(1, 9)])


def test_log_that_is_gone_begins_a_later_epoch(redis):
    publish = publisher(redis)
    last = split(publish()[0])
    publish()
    for known in ("", last[0]):
        redis.cli("DEL", LOG)
        now = split(publish(epoch=known)[0])
        same(now[1], 1)
        assert now[0] > last[0], (now, last)
        last = now
    same(len(redis.cli("XRANGE", REFS, "-", "+")), 4)


def test_log_of_an_earlier_epoch_than_is_known_begins_a_later_one(redis):
    """Redis lost the log, its clock stepped back, and a worker that has not heard of it published."""
    publish, history = publisher(redis), Script(redis, "history.lua")
    epoch = split([publish() for _ in range(3)][0][0])[0]
    known = epoch + 10**12
    now = split(publish("later", epoch=known)[0])
    same(now[1], 1)
    assert now[0] > known, (now, known)
    same(split(publish("last", epoch=epoch)[0]), (now[0], 2))
    for place in ((epoch, 2), (0, 0)):  # what was before is not what comes next
        answer = history([LOG], *place, 10, 1000)
        same((int(answer[0]), int(answer[1])), (now[0], 2))
        same([entry[1][3] for entry in answer[2]], ["later", "last"])


def test_update_with_an_id_is_published_once(redis):
    publish = publisher(redis)
    first = publish("one", once=True)
    again = publish("another", once=True)
    same((first[2], again[2]), (0, 1))
    same(again[:2], first[:2])
    same(redis.cli("XLEN", LOG), 1)
    same(redis.cli("XLEN", REFS), 1)


def test_entry_holds_the_record_and_its_time(redis):
    before = int(time.time() * 1000)
    identity, ts, *_ = publisher(redis)("the record\nas it is")
    same(redis.cli("XRANGE", LOG, "-", "+"), [[identity, ["ts", ts, "record", "the record\nas it is"]]])
    assert before - 1000 <= int(ts) <= int(time.time() * 1000) + 1000, ts


def test_logs_are_bounded_and_end_by_themselves(redis):
    publish = publisher(redis)
    for _ in range(600):
        publish(most=100)
    assert 100 <= redis.cli("XLEN", LOG) <= 300, redis.cli("XLEN", LOG)
    assert 100 <= redis.cli("XLEN", REFS) <= 300
    assert LIFE_MS < redis.cli("PTTL", LOG) <= 2 * LIFE_MS
    redis.cli("PEXPIRE", LOG, LIFE_MS - 1000)
    publish()
    assert redis.cli("PTTL", LOG) > LIFE_MS + 1000


def test_whoever_listens_is_woken_with_the_update_itself(redis):
    command = ["redis-cli", "-s", redis.socket, "SSUBSCRIBE", CHANNEL]
    listener = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    same([listener.stdout.readline().strip() for _ in range(3)], ["ssubscribe", CHANNEL, "1"])
    identity, ts, _, reference = publisher(redis)("record")
    same([listener.stdout.readline().strip() for _ in range(3)],
         ["smessage", CHANNEL, "%s %s %s record" % (reference, identity, ts)])
    listener.terminate()
    listener.wait()
    listener.stdout.close()


def test_entry_of_a_source_is_published_once_and_behind_the_one_before_it(redis):
    script = Script(redis, "publish.lua")
    generation = 1000

    def publish(entry, before="", of=None):
        return script([LOG, REFS, PLACES], entry, "t", "", 0, "", 1000, LIFE_MS, 100, CHANNEL, 60000, "s", of or generation,
                      entry, before)[2]
    same(publish("5-1"), 0)
    for late in ("5-1", "5-0", "4-9", "4-18446744073709551615"):
        same(publish(late), 1, late)
    for entry, before in (("5-3", "5-2"), ("6-0", "5-10"), ("10-0", "6-0")):
        try:
            publish(entry, before)
            raise AssertionError("published before " + before)
        except RedisError as error:
            assert str(error).startswith("ORDER"), error
    same([publish("5-2", "5-1"), publish("5-10", "5-2"), publish("6-0", "5-10")], [0, 0, 0])
    same([publish("10-0"), publish("9-5"), publish("9007199254740993-0"), publish("9007199254740992-9")], [0, 1, 0, 1])
    same([publish("18446744073709551615-18446744073709551614"), publish("18446744073709551615-18446744073709551615")], [0, 0])
    same([publish("1-1", of=999), publish("1-1", of=1001), publish("1-1", of=1001), publish("20-1")], [1, 0, 1, 1])
    same([entry[1][3] for entry in redis.cli("XRANGE", LOG, "-", "+")],
         ["5-1", "5-2", "5-10", "6-0", "10-0", "9007199254740993-0", "18446744073709551615-18446744073709551614",
          "18446744073709551615-18446744073709551615", "1-1"])


def source_reader(store):
    script = Script(store, "source_read.lua")

    def read(worker="w", life=5000, most=64, enough=1000000, largest=1000000):
        return script([STREAM, STATE], worker, life, most, enough, largest)
    return read


def ids(entries):
    return [entry[0] for entry in entries[1:]]


def test_source_gives_what_is_pending_and_new_ones_only_if_nothing_is(redis):
    read = source_reader(redis)
    for n in range(1, 8):
        redis.cli("XADD", STREAM, "1-%d" % n, "data", n)
    same(ids(read(most=3)), ["1-1", "1-2", "1-3"])
    same(ids(read(most=2)), ["1-1", "1-2"])
    same(ids(read()), ["1-1", "1-2", "1-3"])
    redis.cli("XACK", STREAM, "notifier", "1-1", "1-3")
    same(ids(read()), ["1-2"])
    redis.cli("XDEL", STREAM, "1-2", "1-4")
    same(read()[1:], [["1-2", None]])
    redis.cli("XACK", STREAM, "notifier", "1-2")
    same(read(most=2)[1:], [["1-5", ["data", "5"]], ["1-6", ["data", "6"]]])
    same(redis.cli("XPENDING", STREAM, "notifier")[0], 2)


def test_source_gives_no_more_bytes_than_are_enough_but_one_entry_at_least(redis):
    read = source_reader(redis)
    for n, size in enumerate((50, 50, 50, 500, 99, 10), 1):
        redis.cli("XADD", STREAM, "1-%d" % n, "d", "x" * (size - 1))
    for expected in (["1-1", "1-2"], ["1-3", "1-4", "1-5"], ["1-6"], []):
        for _ in range(2):  # new, and pending
            entries = read(enough=100, largest=400)
            same(ids(entries), expected)
        if expected:
            redis.cli("XACK", STREAM, "notifier", *expected)
        same([entry[1] for entry in entries[1:] if entry[0] == "1-4"], [500] * ("1-4" in expected))


def test_source_has_one_reader_until_its_lease_ends_or_it_leaves(redis):
    read, leave = source_reader(redis), Script(redis, "source_leave.lua")
    assert read("a") and not read("b") and read("a")
    leave([STATE], "b")
    assert not read("b")
    leave([STATE], "a")
    assert read("b") and not read("a")
    assert read("b", life=0) == read("b", life=0)
    redis.cli("HSET", STATE, "until", 1)
    assert read("a") and not read("b")


def test_source_that_was_made_anew_is_of_a_later_generation(redis):
    read = source_reader(redis)
    first = read()[0]
    for n in range(1, 4):
        redis.cli("XADD", STREAM, "1-%d" % n, "data", n)
    read()
    redis.cli("XGROUP", "DESTROY", STREAM, "notifier")
    same((read()[0], ids(read())), (first, ["1-1", "1-2", "1-3"]))
    redis.cli("DEL", STREAM)
    redis.cli("XADD", STREAM, "1-1", "data", 1)
    second = read()[0]
    assert int(second) > int(first), (first, second)
    same(read()[0], second)
    redis.cli("DEL", STREAM)
    assert int(read()[0]) > int(second)
    redis.cli("DEL", STATE)  # nothing is known of it: rather twice than never
    assert int(read()[0]) > int(second)


def test_history_is_read_from_a_place_on(redis):
    publish, history = publisher(redis), Script(redis, "history.lua")
    same(history([LOG], 0, 0, 10, 1000), [])
    epoch = split([publish("r%d" % n)[0] for n in range(1, 8)][0])[0]

    def offsets(*args):
        answer = history([LOG], *args, 1000)
        same([int(n) for n in answer[:2]], [epoch, 7])
        return [split(entry[0])[1] for entry in answer[2]]
    same(offsets(epoch, 4, 10), [4, 5, 6, 7])
    same(offsets(epoch, 4, 2), [4, 5])
    same(offsets(epoch, 8, 10), [])
    same(offsets(0, 0, 0), [])
    for other in (epoch - 1, epoch + 1, 0):  # of another epoch: all there is
        same(offsets(other, 4, 10), [1, 2, 3, 4, 5, 6, 7])


def test_history_stops_behind_so_many_bytes(redis):
    publish, history = publisher(redis), Script(redis, "history.lua")
    for n in range(40):
        publish("%010d" % n)
    for room, count in ((1, 1), (10, 1), (11, 2), (100, 10), (399, 40), (1000, 40)):
        same(len(history([LOG], 0, 0, 100, room)[2]), count, room)
    same(len(history([LOG], 0, 0, 33, 1000)[2]), 33)


def test_log_whose_end_is_lost_begins_a_later_epoch(redis):
    publish = publisher(redis)
    first = split([publish()[0] for _ in range(5)][-1])
    last = "%d-%d" % first
    redis.cli("XDEL", LOG, last)
    redis.cli("XSETID", LOG, "%d-4" % first[0])
    again = split(publish(epoch=first[0], offset=5)[0])
    same(again[1], 1)
    assert again[0] > first[0], (again, first)
    same(split(publish(epoch=again[0], offset=1)[0]), (again[0], 2))


def test_references_bring_the_updates_they_are_about(redis):
    publish, references = publisher(redis), Script(redis, "references.lua")
    same(references([REFS], 0, 0, 10, 1000, "no:log:{p001}:"), [])
    ids = [publish("r%d" % n) for n in range(1, 6)]
    epoch = split(ids[0][3])[0]
    redis.cli("XDEL", LOG, ids[2][0])
    whole = [[ids[n][3], "t", ids[n][0], *([ids[n][1], "r%d" % (n + 1)] if n != 2 else ["", ""])] for n in range(5)]

    def read(*args):
        answer = references([REFS], *args, "no:log:{p001}:")
        same([int(n) for n in answer[:2]], [epoch, 5])
        return answer[2]
    same(read(epoch, 1, 10, 1000), [[str(part) for part in entry] for entry in whole])
    same([entry[0] for entry in read(epoch, 4, 10, 1000)], [ids[3][3], ids[4][3]])
    same(len(read(epoch, 1, 3, 1000)), 3)
    same(len(read(epoch, 1, 10, 3)), 2)
    same(read(epoch, 1, 0, 1000), [])
    same(len(read(epoch - 1, 5, 10, 1000)), 5)


run(sys.modules[__name__], redis=redis)
