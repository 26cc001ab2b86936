"""service_http.py - the chat over HTTP: all that a bot needs."""
import itertools
import json
import os
import random

from kit import SOAK, Client, chat, eventually, main, redis, same

SEED = int(os.environ.get("LAB_SEED", random.randrange(1 << 30) if SOAK else 1))


def test_rooms_are_made_read_changed_and_archived(chat):
    room = chat.call("ann", "POST", "/v1/rooms", {"name": "tea", "kind": "public", "topic": "leaves"}, 201)
    same({k: room[k] for k in ("kind", "name", "topic", "seq", "oldest_seq", "members")},
         {"kind": "public", "name": "tea", "topic": "leaves", "seq": 1, "oldest_seq": 1, "members": 1})
    same(room["me"], {"role": "owner", "read": 1, "delivered": 1, "unread": 0, "mentions": 0, "muted": False})
    path = "/v1/rooms/" + room["room"]
    same(chat.call("bob", "GET", path, status=200)["me"], None)
    changed = chat.call("ann", "PATCH", path, {"topic": None, "retention": {"max_count": 100}}, 200)
    same((changed["topic"], changed["seq"]), ("", 2))
    same((room["retention"], changed["retention"]),
         ({"max_count": None, "max_age_s": None}, {"max_count": 100, "max_age_s": None}))
    same(chat.call("ann", "PATCH", path, {}, 200)["seq"], 2)  # nothing is no entry
    chat.call("bob", "PATCH", path, {}, 403)
    for body in ({"name": "Tea!"}, {"colour": 1}, {"retention": {"max_count": 0}}):
        chat.call("ann", "PATCH", path, body, 422)
    chat.call("bob", "PATCH", path, {"topic": "x"}, 403)
    chat.call("ann", "DELETE", path, status=204)
    chat.call("ann", "POST", path + "/messages", {"client_id": "c", "text": "x"}, 410)
    same(chat.call("ann", "GET", path, status=200)["archived"], True)
    for body in ({"name": "x"}, {"name": "x", "kind": "secret"}, {"name": "", "kind": "public"}):
        chat.call("ann", "POST", "/v1/rooms", body, 422)


def test_private_rooms_are_as_if_they_were_not_there(chat):
    room = chat.call("ann", "POST", "/v1/rooms", {"name": "den", "kind": "private"}, 201)["room"]
    for method, tail, body in (("GET", "", None), ("GET", "/messages", None), ("GET", "/events", None),
                               ("GET", "/members", None), ("PUT", "/members/bob", None),
                               ("POST", "/messages", {"client_id": "c", "text": "x"}), ("POST", "/read", {"seq": 1})):
        there = chat.call("bob", method, "/v1/rooms/%s%s" % (room, tail), body, 404)
        none = chat.call("bob", method, "/v1/rooms/%s%s" % ("r0000000000000000", tail), body, 404)
        same({k: there[k] for k in ("type", "title", "detail")}, {k: none[k] for k in ("type", "title", "detail")})
    chat.room("bob")  # who did nothing yet is nobody
    chat.call("ann", "PUT", "/v1/rooms/%s/members/bob" % room, status=201)
    chat.call("bob", "GET", "/v1/rooms/" + room, status=200)


def test_lists_are_paged(chat):
    made = [chat.room("ann", name="r%d" % n) for n in range(7)]
    for scope in ("mine", "public"):
        seen, cursor = [], ""
        while cursor is not None:
            page = chat.call("ann", "GET", "/v1/rooms?scope=%s&limit=3%s" % (scope, cursor and "&cursor=" + cursor),
                             status=200)
            assert len(page["items"]) <= 3, page
            seen += [item["room"] for item in page["items"]]
            cursor = page["next"]
        same(sorted(seen), sorted(made), scope)
        same(len(seen), 7)
    same(seen != made, True)  # by id
    room = chat.room("ann", *["m%02d" % n for n in range(10)])
    seen, cursor = [], ""
    while cursor is not None:
        page = chat.call("ann", "GET", "/v1/rooms/%s/members?limit=4%s" % (room, cursor and "&cursor=" + cursor),
                         status=200)
        seen += [(item["user"], item["role"]) for item in page["items"]]
        cursor = page["next"]
    same(seen, [("ann", "owner")] + [("m%02d" % n, "member") for n in range(10)])


def test_limits_and_cursors_are_checked_alike(chat):
    room = chat.room("ann")
    with Client(chat, "ann") as ann:
        for path, op, members, cursor in (
                ("/v1/rooms?scope=mine", None, {}, "x"), ("/v1/rooms?scope=public", None, {}, "1:"),
                ("/v1/rooms/%s/members?" % room, "members", {"room": room}, "A"),
                ("/v1/search?q=x", "search", {"query": "x"}, "x"),
                ("/v1/rooms/%s/messages?" % room, "history", {"room": room}, None),
                ("/v1/rooms/%s/events?" % room, None, {}, None)):
            for pair in ["limit=" + text for text in ("0", "-1", "x", "", "1001")] + \
                    ["cursor=" + text for text in ("", cursor) if cursor is not None]:
                same(chat.call("ann", "GET", path + "&" + pair, status=422)["type"], "/problems/invalid", pair)
            chat.call("ann", "GET", path + "&limit=1", status=200)
            if op:
                ann.get(op, limit=1, **members)
                for more in [{"limit": 0}] + ([{"cursor": ""}, {"cursor": cursor}] if cursor else []):
                    ann.refused(op, 422, "invalid", **members, **more)


def test_messages_are_posted_changed_and_read(chat):
    room = chat.room("ann", "bob")
    path = "/v1/rooms/%s/messages" % room
    first = chat.call("ann", "POST", path, {"client_id": "a", "text": "one @bob"}, 201)
    same((first["room"], first["seq"]), (room, 3))
    same(chat.call("ann", "POST", path, {"client_id": "a", "text": "one @bob"}, 200), first)
    chat.call("ann", "POST", path, {"client_id": "a", "text": "other"}, 422)
    chat.call("bob", "POST", path, {"client_id": "a", "text": "two", "reply_to": 3}, 201)
    chat.call("ann", "PATCH", path + "/3", {"client_id": "b", "text": "One @bob"}, 200)
    chat.call("bob", "PATCH", path + "/3", {"client_id": "b", "text": "mine"}, 403)
    for user, emoji in (("bob", "+1"), ("ann", "+1"), ("bob", "%F0%9F%90%8D")):
        chat.call(user, "PUT", path + "/3/reactions/" + emoji, status=200)
    chat.call("bob", "DELETE", path + "/3/reactions/+1", status=200)
    chat.call("bob", "DELETE", path + "/3/reactions/+1", status=404)
    chat.call("bob", "DELETE", path + "/4", status=200)
    chat.call("bob", "DELETE", path + "/4", status=404)
    page = chat.call("bob", "GET", path, status=200)
    items = page["items"]
    same((page["seq"], page["oldest_seq"], page["next"]), (10, 1, None))
    same([(i["seq"], i["from"], i["text"], i["deleted"]) for i in items],
         [(3, "ann", "One @bob", False), (4, "bob", None, True)])
    same((items[0]["edited_seq"], items[0]["mentions"], items[1]["reply_to"]), (5, ["bob"], 3))
    same(items[0]["reactions"], {"+1": ["ann"], "\U0001F40D": ["bob"]})
    events = chat.call("bob", "GET", "/v1/rooms/%s/events?after=2" % room, status=200)["items"]
    same([e["seq"] for e in events], list(range(3, 11)))
    with Client(chat, "bob") as bob:
        bob.get("watch", room=room, after=2)
        same(bob.log(8), events)


def test_history_is_paged_both_ways(chat):
    room = chat.room("ann")
    with Client(chat, "ann") as ann:
        numbers = [ann.say(room, "n%d" % n)["seq"] for n in range(120)]
        for n in range(0, 120, 7):  # what is no message lies between
            ann.get("react", room=room, target=numbers[n], client_id="r%d" % n, emoji="x", on=True)
            numbers.append(ann.say(room, "m%d" % n)["seq"])
    path = "/v1/rooms/%s/messages?limit=50" % room
    seen, tail = [], ""
    while tail is not None:
        page = chat.call("ann", "GET", path + tail, status=200)
        seen = [i["seq"] for i in page["items"]] + seen
        tail = "&before=%d" % page["next"] if page["next"] else None
    same(seen, numbers)
    seen, tail = [], "&after=0"
    while tail is not None:
        page = chat.call("ann", "GET", path + tail, status=200)
        seen += [i["seq"] for i in page["items"]]
        tail = "&after=%d" % page["next"] if page["next"] else None
    same(seen, numbers)
    around = [i["seq"] for i in chat.call("ann", "GET", "/v1/rooms/%s/messages?around=60&limit=10" % room)["items"]]
    same(around, list(range(55, 65)))
    chat.call("ann", "GET", path + "&before=3&after=4", status=422)
    chat.call("ann", "GET", path + "&before=x", status=422)


def scribble(chat, room, rng):
    """A room's log of many kinds; {number: MESSAGE as it is to be read, and its thread's root}."""
    model = {}
    with Client(chat, "ann") as ann:
        for n in range(250):
            target = rng.choice(list(model)) if model else 0
            message, what = model.get(target, {}), rng.choice(("send", "send", "reply", "edit", "delete", "react"))
            if what == "send" or not target:
                model[ann.say(room, "n%d" % n)["seq"]] = {"text": "n%d" % n, "reactions": {}, "root": 0}
            elif message["text"] is None:
                continue
            elif what == "reply":
                seq = ann.say(room, "n%d" % n, reply_to=target)["seq"]
                model[seq] = {"text": "n%d" % n, "reactions": {}, "root": message["root"] or target}
            elif what == "edit":
                ann.get("edit", room=room, target=target, client_id="e%d" % n, text="e%d" % n)
                message["text"] = "e%d" % n
            elif what == "delete":
                ann.get("delete", room=room, target=target, client_id="d%d" % n)
                message.update(text=None, reactions={})
            else:
                ann.get("react", room=room, target=target, client_id="r%d" % n, emoji="x", on=True)
                message["reactions"] = {"x": ["ann"]}
    return model


def test_pages_of_any_size_from_anywhere_are_as_the_log_says(chat):
    room, seed = chat.room("ann"), SEED
    print("seed", seed)
    rng = random.Random(seed)
    model = scribble(chat, room, rng)
    numbers, path = sorted(model), "/v1/rooms/%s/messages?limit=%d%s"
    root = rng.choice([message["root"] for message in model.values() if message["root"]])
    thread = [number for number in numbers if number == root or model[number]["root"] == root]
    for _ in range(150):
        limit, at = rng.choice((1, 2, 3, 7, 50, 200)), rng.randrange(0, numbers[-1] + 5)
        how, of = rng.choice(("before", "after", "around", "thread")), numbers
        tail = "&%s=%d" % (how, at)
        if how == "thread":
            how, of = rng.choice(("before", "after")), thread
            tail = "&%s=%d&thread=%d" % (how, at, root)
        page = chat.call("ann", "GET", path % (room, limit, tail), status=200)
        below, above = [n for n in of if n < at], [n for n in of if n > at]
        if how == "around":
            below = below[-(limit // 2):] if limit > 1 else []
            expected = (below + [n for n in of if n >= at])[:limit]
        else:
            expected = below[-limit:] if how == "before" else above[:limit]
        same([item["seq"] for item in page["items"]], expected, tail)
        same([{"text": item["text"], "reactions": item["reactions"]} for item in page["items"]],
             [{key: model[n][key] for key in ("text", "reactions")} for n in expected], tail)
        rest = below[:-limit] if how == "before" else [n for n in of if n > (expected or [at])[-1]]
        assert page["next"] or not rest, (tail, page)


def test_a_page_ends_where_it_has_enough_bytes_of_reactions(chat, redis):  # pylint: disable=redefined-outer-name
    room = chat.room("ann")
    with Client(chat, "ann") as ann:
        numbers = [ann.say(room, "n%d" % n)["seq"] for n in range(40)]
    log = next(key for key in redis.cli("KEYS", "ch:log:*") if key.endswith(room))
    for number in numbers[::2]:
        key = log.replace("ch:log", "ch:reactions") + ":%d" % number
        redis.cli("HSET", key, *itertools.chain(*(("e%029d ann" % n, "1 1") for n in range(1000))))
        redis.cli("HSET", log.replace("ch:log", "ch:changes"), number, "0 1")
    for how, at in (("before", numbers[-1] + 1), ("after", 0)):
        seen, pages = [], 0
        while at is not None:
            answer = chat.call("ann", "GET", "/v1/rooms/%s/messages?limit=200&%s=%d" % (room, how, at), status=200)
            assert sum(len(item["reactions"]) for item in answer["items"]) <= 20000
            seen = answer["items"] + seen if how == "before" else seen + answer["items"]
            at, pages = answer["next"], pages + 1
        same([item["seq"] for item in seen], numbers)
        same([len(item["reactions"]) for item in seen], [1000, 0] * 20)
        assert pages >= 4, pages


def test_words_are_found_behind_much_that_is_no_message(chat):
    room, later = chat.room("ann", name="noise"), chat.room("ann", name="later")
    with Client(chat, "ann") as ann:
        ann.say(room, "a needle")
        ann.say(later, "another needle")
        target = ann.say(room, "hello")["seq"]
        for n in range(4200):
            ann.send(json.dumps({"id": 100000 + n, "op": "react", "room": room, "target": target, "emoji": "x",
                                 "on": n % 2 == 0, "client_id": "r%d" % n}))
            if n % 50 == 49:
                ann.get("sync")
    found, tail, pages = [], "", 0
    while tail is not None and pages < 20:
        page = chat.call("ann", "GET", "/v1/search?q=needle" + tail, status=200)
        found += [item["text"] for item in page["items"]]
        tail, pages = page["next"] and "&cursor=" + page["next"], pages + 1
    same((sorted(found), tail), (["a needle", "another needle"], None))


def test_a_search_goes_on_behind_a_room_that_was_left(chat):
    rooms = [chat.room("ann", name="r%d" % n) for n in range(4)]
    with Client(chat, "ann") as ann:
        for room in rooms:
            ann.say(room, "needle in " + room)
        page = chat.call("ann", "GET", "/v1/search?q=needle&limit=1", status=200)
        first = page["items"][0]["room"]
        ann.ask("leave", room=first)
        found = [first]
        while page["next"]:
            page = chat.call("ann", "GET", "/v1/search?q=needle&limit=1&cursor=" + page["next"], status=200)
            found += [item["room"] for item in page["items"]]
    same(sorted(found), sorted(rooms))
    chat.call("ann", "GET", "/v1/search?q=needle&cursor=:5", status=422)


def test_threads(chat):
    room = chat.room("ann", "bob")
    with Client(chat, "ann") as ann:
        root = ann.say(room, "root")["seq"]
        ann.say(room, "aside")
        one = ann.say(room, "one", reply_to=root)["seq"]
        two = ann.say(room, "two", reply_to=one)["seq"]
        same([i["seq"] for i in chat.call("bob", "GET", "/v1/rooms/%s/messages?thread=%d" % (room, root))["items"]],
             [root, one, two])


def test_threads_are_paged_both_ways(chat):
    room = chat.room("ann", "bob")
    path = "/v1/rooms/%s/messages" % room
    with Client(chat, "ann") as ann:
        root = ann.say(room, "root")["seq"]
        numbers = [root]
        for n in range(25):
            ann.say(room, "aside")
            numbers.append(ann.say(room, "n%d" % n, reply_to=numbers[n // 2])["seq"])
        for ask in (lambda **query: chat.call("bob", "GET", path + "?" + "&".join("%s=%d" % i for i in query.items()),
                                              status=200), lambda **query: ann.get("history", room=room, **query)):
            for limit in (1, 7, 26, 27):
                for way, start in (("after", 0), ("before", 1 << 52)):
                    seen, at, pages = [], start, 0
                    while at is not None:
                        page = ask(thread=root, limit=limit, **{way: at})
                        items = [i["seq"] for i in page["items"]]
                        assert len(items) <= limit, items
                        seen = seen + items if way == "after" else items + seen
                        at, pages = page["next"], pages + 1
                    same(seen, numbers, (way, limit))
                    same(pages, -(-26 // limit))
            page = ask(thread=root, limit=3)  # from its beginning
            same(([i["seq"] for i in page["items"]], page["next"]), (numbers[:3], numbers[2]))
            same(ask(thread=99999)["items"], [])
        for query in ("thread=0", "thread=x", "thread=3&around=4", "thread=3&before=9&after=4"):
            chat.call("ann", "GET", path + "?" + query, status=422)
        ann.refused("history", 422, "invalid", room=room, thread=0)
        ann.refused("history", 422, "invalid", room=room, thread=3, around=4)


def test_moderation(chat):
    room = chat.room("ann", "bob", "cat")
    path = "/v1/rooms/" + room
    chat.call("bob", "PUT", path + "/mutes/cat", status=403)
    chat.call("ann", "PUT", path + "/mutes/cat", status=204)
    same(chat.call("cat", "POST", path + "/messages", {"client_id": "c", "text": "x"}, 403)["type"], "/problems/muted")
    chat.call("ann", "DELETE", path + "/mutes/cat", status=204)
    chat.call("cat", "POST", path + "/messages", {"client_id": "c", "text": "x"}, 201)
    chat.call("ann", "PUT", path + "/members/bob", {"role": "admin"}, 200)
    chat.call("ann", "PUT", path + "/members/bob", {"role": "admin"}, 200)
    chat.room("dan")
    chat.call("ann", "PUT", path + "/members/dan", {"role": "reader"}, 201)
    chat.call("ann", "DELETE", path + "/members/dan", status=204)
    chat.call("bob", "DELETE", path + "/messages/5", status=404)
    chat.call("bob", "DELETE", path + "/messages/4", status=200)
    chat.call("ann", "PUT", path + "/mutes/cat", {"until_at": None}, 204)  # without an end
    chat.call("cat", "POST", path + "/messages", {"client_id": "d", "text": "x"}, 403)
    chat.call("ann", "PUT", path + "/mutes/cat", {"until_at": "2020-01-01T00:00:00Z"}, 204)  # over
    chat.call("cat", "POST", path + "/messages", {"client_id": "d", "text": "x"}, 201)
    with Client(chat, "cat") as cat:
        cat.get("watch", room=room)
        chat.call("bob", "PUT", path + "/bans/cat", status=204)
        same(cat.until("gone")["reason"], "banned")
    chat.call("cat", "PUT", path + "/members/cat", status=403)
    chat.call("bob", "DELETE", path + "/bans/cat", status=204)
    chat.call("cat", "PUT", path + "/members/cat", status=201)
    chat.call("bob", "DELETE", path + "/members/cat", status=204)
    chat.call("cat", "GET", path + "/messages", status=403)
    chat.call("ann", "DELETE", path + "/members/ann", status=422)
    chat.call("ann", "PUT", path + "/members/bob", {"role": "king"}, 422)


def test_the_last_owner_stays(chat):
    room = chat.room("ann", "bob", "cat")
    path = "/v1/rooms/%s/members/" % room
    with Client(chat, "ann") as ann, Client(chat, "bob") as bob:
        same(chat.call("ann", "DELETE", path + "ann", status=422)["type"], "/problems/last-owner")
        ann.refused("leave", 422, "last-owner", room=room)
        chat.call("ann", "PUT", path + "bob", {"role": "owner"})
        ann.get("leave", room=room)
        bob.refused("leave", 422, "last-owner", room=room)
        chat.call("bob", "PUT", path + "cat", {"role": "owner"})
        chat.call("bob", "DELETE", path + "bob", status=204)
        same(chat.call("cat", "PUT", path + "cat", {"role": "admin"}, 422)["type"], "/problems/last-owner")
        same([i["user"] for i in chat.call("cat", "GET", path[:-1])["items"]], ["cat"])
        chat.call("cat", "DELETE", path + "cat", status=204)


def test_what_is_read_is_the_same_on_all_devices(chat):
    room = chat.room("ann", "bob")
    with Client(chat, "ann") as ann, Client(chat, "bob") as one, Client(chat, "bob") as two:
        one.get("sync")
        two.get("sync")
        ann.get("watch", room=room)
        ann.say(room, "x")
        ann.say(room, "y @bob")
        for client in (one, two):
            client.until("unread", unread=2, mentions=1)
        chat.call("bob", "POST", "/v1/rooms/%s/delivered" % room, {"seq": 4}, 204)
        chat.call("bob", "POST", "/v1/rooms/%s/read" % room, {"seq": 4}, 204)
        for client in (one, two):
            client.until("unread", unread=0, mentions=0)
        same(ann.until("receipt", read=4), {"type": "receipt", "room": room, "user": "bob", "read": 4, "delivered": 4})
        one.get("read", room=room, seq=3, back=True)
        two.until("unread", unread=1, mentions=1)
        eventually(lambda: chat.call("bob", "GET", "/v1/rooms/" + room)["me"]["unread"] == 1, "unread again")


def test_words_are_found_in_ones_own_rooms(chat):
    mine, other = chat.room("ann", "bob", name="a"), chat.room("ann", name="b")
    secret = chat.call("cat", "POST", "/v1/rooms", {"name": "c", "kind": "private"}, 201)["room"]
    with Client(chat, "ann") as ann, Client(chat, "cat") as cat:
        for n in range(30):
            ann.say(mine, "Green tea %d" % n)
        ann.say(other, "green and black TEA")
        gone = ann.say(mine, "green tea to delete")["seq"]
        ann.get("delete", room=mine, target=gone, client_id="d")
        ann.get("edit", room=mine, target=3, client_id="e", text="coffee")
        cat.say(secret, "green tea secretly")
        seen, cursor = [], ""
        while cursor is not None:
            page = chat.call("ann", "GET", "/v1/search?q=tea+GREEN&limit=7" + (cursor and "&cursor=" + cursor),
                             status=200)
            seen += [(i["room"], i["seq"]) for i in page["items"]]
            cursor = page["next"]
        same(seen, [(mine, n) for n in range(32, 3, -1)] + [(other, 2)])
        same([i["text"] for i in ann.get("search", query="coffee")["items"]], ["coffee"])
        same(ann.get("search", query="secretly")["items"], [])
        ann.refused("search", 404, "no-such-room", query="tea", room=secret)
        same(ann.get("history", room=mine, limit=2, before=5)["items"],
             chat.call("ann", "GET", "/v1/rooms/%s/messages?limit=2&before=5" % mine)["items"])
        same([i["user"] for i in ann.get("members", room=mine)["items"]], ["ann", "bob"])
    for tail in ("", "?q=", "?q=%20", "?q=x&cursor=y", "?q=x&room=" + mine + "&cursor=" + other + ":5", "?q=x&limit=0x", "?q=x&colour=y"):
        chat.call("ann", "GET", "/v1/search" + tail, status=422)


def test_what_is_older_than_a_room_keeps_it_goes(chat):
    room = chat.room("ann", "bob")
    path = "/v1/rooms/" + room
    with Client(chat, "ann") as ann:
        for n in range(300):
            ann.say(room, "n%d" % n)
        chat.call("ann", "PATCH", path, {"retention": {"max_age_s": 1}}, 200)
        same(chat.call("ann", "GET", path)["retention"], {"max_count": None, "max_age_s": 1})
        eventually(lambda: chat.call("ann", "GET", path)["oldest_seq"] > 302, "old entries to go")
        same(chat.call("ann", "GET", path + "/messages", status=200)["items"], [])
        chat.call("ann", "PATCH", path, {"retention": None}, 200)
        seq = ann.say(room, "new")["seq"]
    with Client(chat, "bob") as bob:
        same(bob.get("watch", room=room, after=5)["reset"], True)
        same(bob.get("watch", room=room, after=seq - 1)["reset"], False)
        same([e["text"] for e in bob.log(1)], ["new"])


def test_nobody_puts_somebody_in_who_is_not_there(chat):
    room = chat.room("ann")
    same(chat.call("ann", "PUT", "/v1/rooms/%s/members/nobody" % room, status=404)["type"], "/problems/no-such-user")
    same(chat.call("ann", "POST", "/v1/dms", {"user": "nobody"}, 404)["type"], "/problems/no-such-user")
    den = chat.room("ann", kind="private")
    chat.room("bob")
    for name in ("nobody", "bob", "ann"):  # who may not is told nothing of users
        for where, why in ((room, "not-a-member"), (den, "no-such-room"), ("r0000000000000000", "no-such-room")):
            same(chat.call("cat", "PUT", "/v1/rooms/%s/members/%s" % (where, name))["type"], "/problems/" + why)
    chat.call("ann", "PUT", "/v1/rooms/%s/members/bob" % room, {"role": "reader"}, 201)
    same(chat.call("bob", "PUT", "/v1/rooms/%s/members/nobody" % room, status=403)["type"], "/problems/not-allowed")


def test_direct_rooms_stay_as_they_are(chat):
    room = chat.direct("ann", "bob")
    for body in ({"name": "x"}, {"topic": "x"}, {"retention": {"max_count": 1}}, {"retention": {"max_age_s": 1}}, {}):
        same(chat.call("ann", "PATCH", "/v1/rooms/" + room, body, 403)["type"], "/problems/not-allowed")
    for method, path in (("DELETE", ""), ("DELETE", "/members/ann"), ("PUT", "/members/cat"), ("PUT", "/mutes/bob")):
        same(chat.call("ann", method, "/v1/rooms/%s%s" % (room, path), status=403)["type"], "/problems/not-allowed")


main(__name__)
