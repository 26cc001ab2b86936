"""service_crashes.py - a worker killed at each step boundary that matters.

A crash point kills the first worker that comes there; its successor goes on.
What was answered is there, what was not can be asked again.
"""
import random
import threading

from kit import SOAK, Connection, clicks_become, create, eventually, main, redis, render, same, start

CREATE = ("create-begun", "create-made", "create-listed")
POINTS = CREATE + ("update-made", "delete-made", "clicks-due", "clicks-counted")


def ask(server, method, path, body=None, headers=None):
    """The answer, or None when the server died before it gave one."""
    try:
        return server.request(method, path, body, headers)
    except (OSError, EOFError):
        return None


def end_leases(redis):
    """As if the ten seconds of each pending record had passed."""
    for record in redis.cli("KEYS", "sh:idem:*"):
        if redis.cli("EXISTS", record) and "status" not in redis.hash(record):
            redis.cli("HSET", record, "until", "0")


def retry(server, redis, method, path, body=None, headers=None):
    """Ask until there is an answer; redis: to end leases, or None."""
    def answered():
        answer = ask(server, method, path, body, headers)
        if redis and answer and answer.status == 409 and answer.slug == "idempotency-busy":
            end_leases(redis)
            return None
        return answer if answer and answer.status != 503 else None
    return eventually(answered, "an answer")


def codes(server, query=""):
    return [item["code"] for item in retry(server, None, "GET", "/v1/links" + query).json["items"]]


def test_create_is_made_once_wherever_it_died(redis):
    for point in CREATE:
        redis.cli("FLUSHALL")
        server = start(redis, "--crash-at", point)
        body, key = {"url": "https://example.com/", "tags": ["a"]}, {"Idempotency-Key": "k"}
        same(ask(server, "POST", "/v1/links", body, key), None, point)
        made = retry(server, redis, "POST", "/v1/links", body, key)
        same(made.status, 201, point)
        code = made.json["code"]
        same(len(redis.cli("KEYS", "sh:link:*")), 1, point)
        same((codes(server), codes(server, "?tag=a")), ([code], [code]), point)
        same(server.get("/" + code).status, 302, point)
        again = server.request("POST", "/v1/links", body, key)
        same((again.status, again.body), (201, made.body), point)
        server.close()


def test_create_that_nobody_asks_for_again_is_no_harm(redis):
    for point in CREATE:
        redis.cli("FLUSHALL")
        server = start(redis, "--crash-at", point)
        same(ask(server, "POST", "/v1/links", {"url": "https://example.com/"}), None, point)
        retry(server, None, "GET", "/readyz")
        for code in codes(server):
            same(retry(server, None, "GET", "/" + code).status, 302, point)
        create(server)
        server.close()


def test_reuse_is_found_wherever_its_create_died(redis):
    for point in CREATE:
        redis.cli("FLUSHALL")
        server = start(redis, "--crash-at", point)
        body = {"url": "https://example.com/", "reuse": True}
        same(ask(server, "POST", "/v1/links", body), None, point)
        made = retry(server, redis, "POST", "/v1/links", body)
        again = server.request("POST", "/v1/links", body)
        same((again.status, again.json["code"]), (200, made.json["code"]), point)
        same(codes(server), [made.json["code"]], point)
        server.close()


def test_update_that_died_is_whole_after_a_retry(redis):
    server = start(redis, "--crash-at", "update-made")
    code = create(server, tags=["old", "both"])["code"]
    change = {"url": "https://example.com/2", "tags": ["both", "new"]}
    same(ask(server, "PATCH", "/v1/links/" + code, change), None)
    answer = retry(server, redis, "PATCH", "/v1/links/" + code, change)
    same((answer.status, answer.json["url"]), (200, "https://example.com/2"))
    for tag, found in (("old", []), ("both", [code]), ("new", [code])):
        same(codes(server, "?tag=" + tag), found, tag)
    server.close()


def test_delete_that_died_leaves_nothing_in_lists(redis):
    server = start(redis, "--crash-at", "delete-made")
    code = create(server, tags=["a"])["code"]
    same(ask(server, "DELETE", "/v1/links/" + code), None)
    same(retry(server, redis, "DELETE", "/v1/links/" + code).status, 404)
    same((codes(server), codes(server, "?tag=a")), ([], []))
    eventually(lambda: server.get("/" + code).status == 410, "the tombstone")
    same(server.request("POST", "/v1/links", {"url": "https://example.com/", "reuse": True}).status, 201)
    server.close()


def test_clicks_that_redis_has_counted_are_not_sent_again(redis):
    server = start(redis, "--crash-at", "clicks-counted", "--workers", "1")
    code = create(server)["code"]
    connection = Connection(server.port)
    connection.send(render("GET", "/" + code) * 10)
    for _ in range(10):
        same(connection.answer().status, 302)
    assert connection.is_closed()
    retry(server, None, "GET", "/readyz")
    clicks_become(server, code, 10)
    same(retry(server, redis, "GET", "/" + code).status, 302)
    clicks_become(server, code, 11)
    server.close()


def test_clicks_that_were_due_are_lost_not_invented(redis):
    server = start(redis, "--crash-at", "clicks-due", "--workers", "1")
    code = create(server)["code"]
    same(ask(server, "GET", "/" + code).status, 302)
    eventually(lambda: "crash_points_total 1" in getattr(ask(server, "GET", "/metrics"), "text", ""), "the crash")
    retry(server, None, "GET", "/readyz")
    same(retry(server, redis, "GET", "/" + code).status, 302)
    clicks_become(server, code, 1)
    server.close()


class Customer(threading.Thread):
    """Makes, changes and deletes links of its own; remembers what was answered."""

    def __init__(self, server, redis, seed, steps):
        super().__init__()
        self.server, self.redis, self.steps = server, redis, steps
        self.random = random.Random(seed)
        self.name = "c%d" % seed
        self.links = {}
        self.clicks = 0

    def run(self):
        for step in range(self.steps):
            choice = self.random.random()
            if choice < 0.4 or not self.links:
                self.make(step)
                continue
            code = self.random.choice(sorted(self.links))
            if choice < 0.6:
                self.change(code, step)
            elif choice < 0.7:
                self.remove(code)
            else:
                self.clicks += getattr(ask(self.server, "GET", "/" + code), "status", 0) == 302

    def make(self, step):
        url = "https://example.com/%s/%d" % (self.name, step)
        key = {"Idempotency-Key": "%s-%d" % (self.name, step)}
        body = {"url": url, "tags": [self.name]}
        answer = retry(self.server, self.redis, "POST", "/v1/links", body, key)
        same(answer.status, 201)
        self.links[answer.json["code"]] = url

    def change(self, code, step):
        url = "https://example.com/%s/%d/changed" % (self.name, step)
        same(retry(self.server, self.redis, "PATCH", "/v1/links/" + code, {"url": url}).status, 200)
        self.links[code] = url

    def remove(self, code):
        assert retry(self.server, self.redis, "DELETE", "/v1/links/" + code).status in (204, 404)
        del self.links[code]


def test_nothing_answered_is_lost_at_random_points(redis):
    seed = random.randrange(1 << 30)
    print("seed %d" % seed)
    chance = random.Random(seed)
    for turn in range(20 if SOAK else 3):
        redis.cli("FLUSHALL")
        server = start(redis, "--crash-at", chance.choice(POINTS))
        customers = [Customer(server, redis, seed + turn * 10 + i, 25) for i in range(4)]
        for customer in customers:
            customer.start()
        for customer in customers:
            customer.join()
        check(server, customers)
        server.close()


def check(server, customers):
    links = {code: url for customer in customers for code, url in customer.links.items()}
    same(sorted(codes(server, "?limit=1000")), sorted(links))
    for customer in customers:
        same(sorted(codes(server, "?limit=1000&tag=" + customer.name)), sorted(customer.links))
    counted = sum(retry(server, None, "GET", "/v1/links/%s/stats" % code).json["total"] for code in links)
    served = sum(customer.clicks for customer in customers)
    assert counted <= served, (counted, served)
    for code, url in links.items():
        eventually(lambda c=code, u=url: retry(server, None, "GET", "/" + c).headers.get("location") == u, url)


main(__name__)
