"""test_history.py - the checker of histories finds faults that are planted, and no others."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
from history import Fault, Seen, check  # noqa: E402
from lab import run  # noqa: E402


def seen(*events, topics=("a", "b")):
    one = Seen("one", topics)
    for event in events:
        if isinstance(event[1], int):
            one.data(*event)
        else:
            one.gap(*event)
    return one


def is_good(*events, counts, **more):
    check(counts, [seen(*events, **more)])


def is_bad(words, *events, counts, **more):
    try:
        is_good(*events, counts=counts, **more)
    except Fault as fault:
        assert words in str(fault), fault
    else:
        raise AssertionError("not found: " + words)


WHOLE = [("a", 0), ("b", 0), ("a", 1), ("a", 2), ("b", 1)]
COUNTS = {"a": 3, "b": 2}


def test_whole_history_is_good():
    is_good(*WHOLE, counts=COUNTS)
    is_good(counts={"a": 0, "b": 0})


def test_gap_covers_what_is_missing_behind_it():
    is_good(("a", 0), ("b", 0), ("a", "trimmed"), ("a", 2), ("b", 1), counts=COUNTS)
    is_good(("a", 0), ("b", 0), ("{x}", "epoch"), ("a", 0), ("a", 1), ("a", 2), ("b", 1), counts=COUNTS)
    is_good(("a", 0), ("b", 0), ("b", 1), ("*", "epoch"), counts=COUNTS)


def test_lost_update_is_found():
    is_bad("came, but not 1", *[event for event in WHOLE if event != ("a", 1)], counts=COUNTS)


def test_update_that_comes_twice_is_found():
    is_bad("came again", *WHOLE, ("a", 2), counts=COUNTS)


def test_swapped_updates_are_found():
    is_bad("came, but not 1", ("a", 0), ("b", 0), ("a", 2), ("a", 1), ("b", 1), counts=COUNTS)


def test_gap_of_another_topic_covers_nothing():
    is_bad("came, but not 1", ("a", 0), ("b", "trimmed"), ("a", 2), counts=COUNTS)


def test_gap_covers_once():
    is_bad("came, but not 4", ("a", 0), ("a", "trimmed"), ("a", 3), ("a", 5), counts={"a": 6}, topics=("a",))


def test_missing_end_is_found():
    is_bad("the last 1 are missing", *WHOLE[:-1], counts=COUNTS)


def test_update_of_another_topic_is_found():
    is_bad("not among its topics", *WHOLE, ("c", 0), counts=COUNTS)


if __name__ == "__main__":
    run(sys.modules[__name__])
