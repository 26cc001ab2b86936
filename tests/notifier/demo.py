"""demo.py URL REDIS - a tour of the notifier with real requests."""
import os
import sys
import time
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
import tour  # noqa: E402
from tour import URL, call, say  # noqa: E402

HUB = "/.well-known/mercure"
TOPIC = "demo/%d" % time.time()


def publish(text, data, **fields):
    """An update by a form, and the keys that it changed."""
    pairs = [("topic", topic) for topic in fields.pop("topics", [TOPIC])] + [("data", data), *fields.items()]
    body = urllib.parse.urlencode(pairs)
    say(text)
    tour.watch("no").changes()  # are of what was not shown
    print("  $ curl -s %s%s %s" % (URL, HUB, " ".join("-d '%s'" % urllib.parse.unquote_plus(p) for p in body.split("&"))))
    with urllib.request.urlopen(URL + HUB, body.encode(), timeout=5) as answer:
        print("  %s" % answer.read().decode())
    tour.show_changes("no")


def stream(text, events, last=None):
    """So many events of a stream; the last id."""
    path = HUB + "?topic=" + urllib.parse.quote(TOPIC, safe="")
    headers = {"Last-Event-ID": last} if last else {}
    say(text)
    print("  $ curl -N '%s%s'%s" % (URL, path, " -H 'Last-Event-ID: %s'" % last if last else ""))
    request = urllib.request.Request(URL + path, headers=headers)
    seen = 0
    with urllib.request.urlopen(request, timeout=5) as answer:
        while seen < events:
            line = answer.readline().decode().rstrip("\n")
            print("  " + line)
            if line.startswith("id: "):
                last = line[4:]
            seen += line.startswith("data: ")
    return last


def main():
    publish("An update: one script puts it into its topic's log, a reference into its partition's, and wakes whoever "
            "listens.", "one")
    last = stream("Who asks for the earliest gets all that is kept. Each event's id is where the subscriber stands, "
                  "sealed.", 1, "earliest")
    publish("Nobody is there now.", "two")
    publish("An update with an id is published once, however often it is sent.", "three", id="demo-3")
    publish("So this changes nothing.", "three", id="demo-3")
    last = stream("Back with the last id: what was missed comes, each once.", 2, last)
    publish("An update of two topics is one entry in the log of each.", "four", topics=[TOPIC, TOPIC + "/b"])
    tour.step("Where topics stand, for a page that subscribes later.", "no", "GET", "/v1/position?topic=" + TOPIC)
    say("A mistake is named.")
    call("GET", HUB)
    print("\nThe page: %s/   its API: %s/openapi.yaml   its metrics: %s/metrics" % (URL, URL, URL))


main()
