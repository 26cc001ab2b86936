"""scripts.py - the notifier's scripts in a real Redis: offsets without holes, epochs that never come twice."""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
from lab import TOP, redis, run, same  # noqa: E402

LOG, REFS, ONCE, CHANNEL = "no:log:{p001}:t", "no:refs:{p001}", "no:once:{p001}:1:t:i", "no:wake:{p001}"
LIFE_MS = 60000


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
