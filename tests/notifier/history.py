"""
history.py - what publishers sent, what subscribers saw, and whether the two agree.

A publisher numbers the updates of its topic from 0 and sends each, by its id,
until it is answered: so a topic's log holds 0, 1, 2, … in order.  A subscriber
was there before the first one.  It must see each number once and in order, of
its own topics only, unless it was told of a gap just before: behind a gap
numbers may be missing, and behind one of the epoch some may come again.
"""


class Fault(AssertionError):
    """What is wrong with a history."""


class Seen:
    """What one subscriber saw: ("data", topic, number) or ("gap", topic or pattern, reason), in order."""

    def __init__(self, name, topics):
        self.name, self.topics, self.events = name, set(topics), []

    def data(self, topic, number):
        self.events.append(("data", topic, number))

    def gap(self, topic, reason):
        self.events.append(("gap", topic, reason))

    def last(self, topic):
        numbers = [event[2] for event in self.events if event[:2] == ("data", topic)]
        return numbers[-1] if numbers else -1


def covers(gap, topic):
    """A pattern's gap, which has braces or is *, is about any topic."""
    return gap == topic or "{" in gap or gap == "*"


def check_topic(seen, topic, count):
    expected, gap = 0, None
    for event in seen.events:
        if event[0] == "gap":
            if covers(event[1], topic):
                gap = event[2]
            continue
        if event[1] != topic:
            continue
        number = event[2]
        if number < expected and gap != "epoch":
            raise Fault("%s: %s %d came again, or late: %d was expected" % (seen.name, topic, number, expected))
        if number > expected and gap is None:
            raise Fault("%s: %s %d came, but not %d" % (seen.name, topic, number, expected))
        if number >= expected:
            gap = None
        expected = max(expected, number + 1)
    if expected != count and gap is None:
        raise Fault("%s: of %s the last %d are missing" % (seen.name, topic, count - expected))


def check(counts, subscribers):
    """counts: {topic: how many were answered}; raises the first Fault."""
    for seen in subscribers:
        strange = [event for event in seen.events if event[0] == "data" and event[1] not in seen.topics]
        if strange:
            raise Fault("%s: %s is not among its topics" % (seen.name, strange[0][1]))
        for topic in seen.topics:
            check_topic(seen, topic, counts[topic])
