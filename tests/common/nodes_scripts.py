"""nodes_scripts.py - the registry's Lua scripts, on a real Redis."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
from lab import TOP, Redis, eventually, run, same

KEY = "nodes:test"
GONE = 3000


def redis():
    server = Redis()
    yield server
    server.close()


def script(name):
    with open(os.path.join(TOP, "common", name), encoding="ascii") as source:
        return source.read()


def beat(server, node, started=0, load=0, gone=GONE):
    return server.cli("EVAL", script("nodes_beat.lua"), 1, KEY, node, started, load, "0.1.0",
                      "127.0.0.1:8101", gone)


def listed(server, gone=GONE):
    flat = server.cli("EVAL", script("nodes_list.lua"), 1, KEY, gone)
    return [flat[i:i + 6] for i in range(0, len(flat), 6)]


def now(server):
    seconds, micros = server.cli("TIME")
    return int(seconds) * 1000 + int(micros) // 1000


def put(server, node, seen):
    server.cli("HSET", KEY, node, "%d %d 0 0.1.0 h:1" % (seen, seen))


def test_beat_counts_the_living(redis):
    first, started = beat(redis, "a")
    same(first, 1)
    assert abs(started - now(redis)) < 60000
    same(beat(redis, "b")[0], 2)
    same(beat(redis, "a", started)[0], 2)
    same(beat(redis, "a", started)[1], started)
    same(redis.cli("HLEN", KEY), 2)


def test_beat_drops_who_is_gone_and_what_is_no_record(redis):
    put(redis, "old", now(redis) - GONE - 1)
    put(redis, "ahead", now(redis) + 3600 * 1000)  # another Redis's clock
    redis.cli("HSET", KEY, "junk", "hello")
    put(redis, "fresh", now(redis))
    same(listed(redis)[0][0], "fresh")
    same(len(listed(redis)), 1)
    same(redis.cli("HLEN", KEY), 4)  # a list writes nothing
    same(beat(redis, "a")[0], 2)
    same(sorted(redis.cli("HKEYS", KEY)), ["a", "fresh"])


def test_list_tells_each_field(redis):
    started = beat(redis, "b", load=12)[1]
    beat(redis, "a", 5)
    first, second = listed(redis)
    same([first[0], second[0]], ["a", "b"])
    same(first[2], "5")
    same(second[2:], [str(started), "12", "0.1.0", "127.0.0.1:8101"])
    assert int(second[1]) >= started


def test_registry_goes_with_its_last_node(redis):
    beat(redis, "a", gone=50)
    assert 0 < int(redis.cli("PTTL", KEY)) <= 50
    eventually(lambda: redis.cli("EXISTS", KEY) == 0, "the registry's end")
    same(listed(redis), [])


run(sys.modules[__name__], redis=redis)
