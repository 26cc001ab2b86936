"""service_presence.py - who is there: presence over sockets, and Mercure's subscriptions API."""
import contextlib
import json
import os
import signal
import urllib.parse

from kit import HUB, WORKERS, Socket, Stream, eventually, main, redis, request, same, service, start
from service_sockets import closed_server, token_of  # noqa: F401
from kit import directory  # noqa: F401

SUBSCRIPTIONS = HUB + "/subscriptions"


def count_of(socket, topic):
    return socket.get("presence", topic=topic)["count"]


def changes(socket, until):
    """Presence events until the count is so; the count, who joined and who left."""
    joined, left = [], []
    while True:
        event = socket.event()
        same(event["type"], "presence")
        joined += event["joined"]
        left += event["left"]
        if event["count"] == until:
            return joined, left


def test_present_users_are_counted_once_and_named(redis, directory):
    server = closed_server(redis, directory)
    with contextlib.ExitStack() as stack:
        people = [stack.enter_context(Socket(server, token_of(name, "notify:subscribe")))
                  for name in ("ann", "ann", "bob", "cem")]
        for socket in people:
            socket.get("subscribe", topics=["room"], presence=True)
        silent = stack.enter_context(Socket(server, token_of("dan", "notify:subscribe")))
        silent.get("subscribe", topics=["room"])
        answer = silent.get("presence", topic="room")
        same((answer["count"], answer["exact"], sorted(answer["users"])), (3, True, ["ann", "bob", "cem"]))
        people[0].close()
        people[2].close()
        eventually(lambda: count_of(silent, "room") == 2, "bob gone")
        people[1].get("unsubscribe", topics=["room"])
        eventually(lambda: count_of(silent, "room") == 1, "ann gone")
        same(count_of(silent, "elsewhere"), 0)
    server.close()


def test_who_watches_hears_who_joins_and_leaves(redis, directory):
    server = closed_server(redis, directory)
    with Socket(server, token_of("ann", "notify:subscribe")) as ann:
        ann.get("subscribe", topics=["room"], presence=True)
        first = ann.event()
        same((first["type"], first["topic"]), ("presence", "room"))
        seen = first["count"]
        joined, left = changes(ann, 1) if seen == 0 else ([], [])
        bobs = [Socket(server, token_of("bob", "notify:subscribe")) for _ in range(3)]
        for bob in bobs:
            bob.get("subscribe", topics=["room"], presence=True)
        same(changes(ann, 2), (["bob"], []))
        with Socket(server, token_of("cem", "notify:subscribe")) as cem:
            cem.get("subscribe", topics=["room"], presence=True)
            same(changes(ann, 3), (["cem"], []))
        same(changes(ann, 2), ([], ["cem"]))
        for bob in bobs:
            bob.close()
        same(changes(ann, 1), ([], ["bob"]))
        del joined, left
    server.close()


def test_presence_is_asked_for_by_who_may_read(redis, directory):
    server = closed_server(redis, directory)
    with Socket(server, token_of("ann", "notify:subscribe:a/*")) as ann:
        ann.refused("presence", 403, "forbidden", topic="b")
        ann.refused("subscribe", 403, "forbidden", topics=["a/1", "b"], presence=True)
        ann.get("subscribe", topics=["a/1"], presence=True)
        same(count_of(ann, "a/1"), 1)
    server.close()


def test_users_of_a_killed_worker_leave(redis):
    survivor = start(redis)
    victim = start(redis)
    with Socket(survivor) as watcher:
        watcher.get("subscribe", topics=["room"], presence=True)
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(Socket(victim)).get("subscribe", topics=["room"], presence=True)
            watcher.get("subscribe", topics=["other"], presence=True)
            # With the version; entries are on their way when the answer comes.
            eventually(lambda: redis.cli("HLEN", redis.cli("KEYS", "no:roster:*:room")[0]) == 5, "all on the roster")
            os.killpg(victim.process.pid, signal.SIGKILL)
            victim.process.wait()
        eventually(lambda: redis.cli("HLEN", redis.cli("KEYS", "no:roster:*:room")[0]) == 2, "the dead swept",
                   deadline=60)
    victim.abandon()
    survivor.close()


def test_presence_is_there_again_when_redis_has_lost_it(service, redis):
    with Socket(service) as one, Socket(service) as other:
        one.get("subscribe", topics=["room"], presence=True)
        other.get("subscribe", topics=["room"], presence=True)
        redis.cli("FLUSHALL")
        redis.cli("CLIENT", "KILL", "TYPE", "pubsub")
        eventually(lambda: redis.cli("KEYS", "no:roster:*:room") != []
                   and redis.cli("HLEN", redis.cli("KEYS", "no:roster:*:room")[0]) == 3, "both there again")
        same(count_of(one, "room"), 1)


def subscriptions(server, path="", token=None):
    headers = {"Authorization": "Bearer " + token} if token else None
    return request(server.port, "GET", SUBSCRIPTIONS + path, headers=headers)


def escaped(text):
    return urllib.parse.quote(text, safe="-._~")


def test_subscriptions_are_listed_and_told(redis):
    server = start(redis, "--subscriptions")
    with Stream(server, SUBSCRIPTIONS + "{/topic}{/subscriber}") as events, \
            Stream(server, "a/{id}", "https://x/ y") as stream:
        listed = eventually_listed(server, 3)
        same({s["topic"] for s in listed["subscriptions"]},
             {SUBSCRIPTIONS + "{/topic}{/subscriber}", "a/{id}", "https://x/ y"})
        same((listed["@context"], listed["type"], listed["id"]), ("https://mercure.rocks/", "Subscriptions", SUBSCRIPTIONS))
        one = [s for s in listed["subscriptions"] if s["topic"] == "https://x/ y"][0]
        same(one["id"], "%s/%s/%s" % (SUBSCRIPTIONS, escaped("https://x/ y"), escaped(one["subscriber"])))
        same((one["type"], one["active"]), ("Subscription", True))
        answer = subscriptions(server, one["id"][len(SUBSCRIPTIONS):])
        same((answer.status, answer.json["topic"], answer.headers["content-type"]),
             (200, "https://x/ y", "application/ld+json"))
        same(len(subscriptions(server, "/" + escaped("a/{id}")).json["subscriptions"]), 1)
        same(len(subscriptions(server, "/" + escaped("none")).json["subscriptions"]), 0)
        same(subscriptions(server, "/" + escaped("a/{id}") + "/nobody").status, 404)
        told = [json.loads(events.next().data) for _ in range(2)]
        same({(t["topic"], t["active"]) for t in told if t["topic"] != SUBSCRIPTIONS + "{/topic}{/subscriber}"}
             - {("a/{id}", True), ("https://x/ y", True)}, set())
        last = listed["lastEventID"]
        stream.close()
        gone = set()
        while len(gone) < 2:
            event = json.loads(events.next().data)
            if not event["active"]:
                gone.add(event["topic"])
        same(gone, {"a/{id}", "https://x/ y"})
        with Stream(server, SUBSCRIPTIONS + "{/topic}{/subscriber}", last=last) as again:
            seen = [json.loads(again.next().data) for _ in range(3)]
            same({s["topic"] for s in seen if not s["active"]}, gone)
    eventually_listed(server, 0)
    server.close()


def eventually_listed(server, count):
    found = []

    def look():
        found[:] = [subscriptions(server).json]
        return len(found[0]["subscriptions"]) == count
    eventually(look, "%d subscriptions listed" % count)
    return found[0]


def test_subscriptions_are_for_who_may_read_them(redis, directory):
    server = closed_server(redis, directory, "--subscriptions")
    with Stream(server, "a", headers={"Authorization": "Bearer " + token_of("ann", "notify:subscribe")}):
        for scope, status in (("notify:subscribe", 200), ("notify:subscribe:a", 403), ("links:read", 403)):
            same(subscriptions(server, token=token_of("bob", scope)).status, status, scope)
        same(subscriptions(server).status, 401)
    server.close()


def test_subscriptions_are_not_listed_unless_asked_for(service):
    same(subscriptions(service).status, 404)


main(__name__)
