"""demo.py URL REDIS - a tour of the chat with real requests."""
import json
import os
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
import sockets  # noqa: E402
import tour  # noqa: E402
from tour import URL, say  # noqa: E402

TAG = "%d" % time.time()
TOKENS = {}


class Socket(sockets.Socket):
    PROTOCOL = "chat.v1.json"

    def __init__(self, name):
        super().__init__(None, token=TOKENS[name], port=urllib.parse.urlsplit(URL).port)

    def show(self, op, **members):
        """A request and its answer, shown."""
        print("  > " + json.dumps({"op": op, **members}))
        print("  < " + json.dumps(self.get(op, **members)))

    def hear(self, count):
        while count:
            event = self.event()
            if event["type"] in ("message", "edit", "delete", "member"):
                print("  < " + json.dumps(event))
                count -= 1


def enter(name):
    """A guest's token, and the name that it is for."""
    _, answer = tour.call("POST", "/v1/sessions", {"guest": name + TAG})
    answer = json.loads(answer)
    TOKENS[name] = answer["token"]
    return answer["user"]


def by(name, text, *args):
    """A step of one of them."""
    value = "Bearer " + TOKENS[name]
    return tour.step(text, "ch", *args, headers={"Authorization": value}, names={value: "Bearer $" + name})[1]


def main():
    say("Two guests come in: where it is open, a name is enough. A session can be ended, on all workers at once.")
    enter("ann")
    bob = enter("bob")
    room = by("ann", "A room: its members are a hash, its log is a stream, its first entry is who came in.",
              "POST", "/v1/rooms", {"name": "tea", "kind": "public"})["room"]
    path = "/v1/rooms/" + room
    by("bob", "Who comes in takes the next number of the room, as all that happens in it does.",
       "PUT", path + "/members/" + bob)
    seq = by("ann", "A message: one script checks, numbers, writes and wakes. The answer comes when Redis has it.",
             "POST", path + "/messages", {"client_id": "c1", "text": "hello @" + bob})["seq"]
    by("ann", "Was it sent? Ask again with the same client_id: it is done once, and its number is told.",
       "POST", path + "/messages", {"client_id": "c1", "text": "hello @" + bob})
    by("ann", "An edit takes a number of its own, so that one cursor resumes everything.",
       "PATCH", path + "/messages/%d" % seq, {"client_id": "c2", "text": "good morning @" + bob})
    say("Over a WebSocket: how much is unread in which rooms, then what is behind a cursor, then what comes.")
    with Socket("bob") as socket:
        socket.show("sync")
        socket.show("watch", room=room, after=2)
        socket.hear(2)
        by("ann", "What is deleted keeps its number. Its text, and that of its edits, is gone from Redis.",
           "DELETE", path + "/messages/%d" % seq)
        socket.hear(1)
        socket.show("read", room=room, seq=seq + 2)
    by("bob", "The history is messages as they are now.", "GET", path + "/messages")
    say("A mistake is named.")
    tour.call("GET", path + "/messages")
    print("\nThe page: %s/   its API: %s/openapi.yaml   its metrics: %s/metrics" % (URL, URL, URL))


main()
