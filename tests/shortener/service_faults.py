"""service_faults.py - Redis slow, stopped, killed, restarted; links cut."""
import concurrent.futures
import random
import threading

from kit import (SOAK, WORKERS, Connection, Redis, clicks_become, create, eventually, everywhere, free_port, main,
                 redis, render, request, same, service, start, stats, warm)


def all_up(server):
    """Every worker has its link to Redis."""
    eventually(lambda: server.metric("shortener_redis_up") == int(WORKERS), "every link")


def test_edit_is_seen_by_every_worker(redis):
    server = start(redis, "--workers", "3")
    code = create(server, "https://example.com/0")["code"]
    connections = [Connection(server.port) for _ in range(12)]
    for version in range(1, 20):
        for connection in connections:
            connection.send(render("GET", "/" + code))
            same(connection.answer().status, 302)
        url = "https://example.com/%d" % version
        same(server.request("PATCH", "/v1/links/" + code, {"url": url}).status, 200)

        def all_new():
            for connection in connections:
                connection.send(render("GET", "/" + code))
            return {c.answer().headers["location"] for c in connections} == {url}
        eventually(all_new, "the edit everywhere")
    for connection in connections:
        connection.close()
    server.close()


def test_redis_killed_known_codes_go_on_unknown_are_503(service, redis):
    code, other = create(service)["code"], create(service, "https://example.com/other")["code"]
    warm(service, code)
    redis.kill()
    for _ in range(30):
        same(service.get("/" + code).status, 302)
    answer = service.get("/" + other)
    same(answer.status, 503)
    assert "retry-after" in answer.headers
    same(service.request("POST", "/v1/links", {"url": "http://a.b/"}).status, 503)
    assert service.metric("shortener_cache_stale_total") > 0
    eventually(lambda: service.get("/readyz").status == 503, "not being ready")
    redis.start()
    all_up(service)
    eventually(lambda: service.get("/" + other).status == 302, "the unknown code")
    same(create(service)["url"], "https://example.com/")


def test_redis_stopped_but_connected_is_the_same(service, redis):
    code, other = create(service)["code"], create(service, "https://example.com/other")["code"]
    warm(service, code)
    redis.pause()
    for _ in range(30):
        same(service.get("/" + code).status, 302)
    same(service.get("/" + other).status, 503)
    eventually(lambda: service.metric("shortener_cache_stale_total") > 0 or
               service.get("/" + code).status != 302, "serving stale")
    redis.go_on()
    eventually(lambda: service.get("/" + other).status == 302, "the unknown code")


def test_stale_answers_end(redis):
    server = start(redis, "--stale-for", "300ms")
    code = create(server)["code"]
    warm(server, code)
    redis.kill()
    everywhere(server, "/" + code, 503)
    redis.start()
    everywhere(server, "/" + code, 302)
    server.close()


def test_edit_while_the_tracking_link_is_away_is_never_stale_after(service, redis):
    code = create(service, "https://example.com/0")["code"]
    for version in range(1, 15):
        warm(service, code)
        redis.cli("CLIENT", "KILL", "TYPE", "pubsub")
        key = redis.cli("KEYS", "sh:link:*:" + code)[0]
        url = "https://example.com/%d" % version
        edited = redis.cli("GET", key).replace("https://example.com/%d" % (version - 1), url)
        if version == 10:
            edited = edited.replace("u21:", "u22:")
        redis.cli("SET", key, edited)  # an edit that nobody hears of
        eventually(lambda u=url: {service.get("/" + code).headers["location"] for _ in range(8)} == {u},
                   "the edit")


def test_flushall_is_heard(service, redis):
    code = create(service)["code"]
    warm(service, code)
    redis.cli("FLUSHALL")
    everywhere(service, "/" + code, 404)


def test_script_flush_is_mended(service, redis):
    code = create(service)["code"]
    redis.cli("SCRIPT", "FLUSH")
    create(service)
    same(service.get("/" + code).status, 302)
    redis.cli("SCRIPT", "FLUSH")
    clicks_become(service, code, 1)


def test_slow_redis_answers_late_or_503_but_never_wrong(service, redis):
    links = {create(service, "https://example.com/%d" % i)["code"]: i for i in range(40)}
    codes = list(links)
    redis.cli("CLIENT", "PAUSE", "1500", "ALL")
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda c: service.get("/" + c), codes))
    for code, answer in zip(codes, answers):
        assert answer.status in (302, 503), answer
        if answer.status == 302:
            same(answer.headers["location"], "https://example.com/%d" % links[code])
    for code in codes:
        answer = everywhere(service, "/" + code, 302)
        same(answer.headers["location"], "https://example.com/%d" % links[code])


def test_redis_that_evicts_makes_not_ready(service, redis):
    redis.cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    def reasons():
        answer = service.get("/readyz")
        return answer.status == 503 and "evicts" in answer.text
    eventually(reasons, "the reason")
    redis.cli("CONFIG", "SET", "maxmemory-policy", "noeviction")
    service.wait_ready()


def test_redis_away_at_start(redis):
    redis.kill()
    server = start(redis, ready=False)
    eventually(lambda: answers(server, "/healthz") == 200, "health")
    same(server.get("/readyz").status, 503)
    same(server.get("/abcdefg").status, 503)
    same(server.request("POST", "/v1/links", {"url": "http://a.b/"}).status, 503)
    redis.start()
    eventually(lambda: server.request("POST", "/v1/links", {"url": "http://a.b/"}).status == 201,
               "a link")
    server.close()


def answers(server, path):
    try:
        return server.get(path).status
    except OSError:
        return None


def test_clicks_are_counted_by_kind(service):
    code = create(service)["code"]
    same(service.get("/" + code).status, 302)
    same(service.request("HEAD", "/" + code).status, 302)
    for headers in ({"User-Agent": "Slackbot-LinkExpanding 1.0"}, {"Sec-Purpose": "prefetch;prerender"},
                    {"Purpose": "prefetch"}, {"X-Moz": "prefetch"}, {"User-Agent": "Googlebot/2.1"}):
        same(service.get("/" + code, headers).status, 302)
    clicks_become(service, code, 1, bots=6)
    seen = stats(service, code, "?unit=minute&units=5")
    same((sum(b["clicks"] for b in seen["series"]), sum(b["bots"] for b in seen["series"])), (1, 6))
    same((seen["unit"], len(seen["series"]), seen["unique"]), ("minute", 5, 1))
    for query in ("unit=week", "units=0", "unit=day&units=367", "unit=minute&units=1441"):
        same(service.get("/v1/links/%s/stats?%s" % (code, query)).status, 422)
    same(service.get("/v1/links/unknown/stats").status, 404)


def test_clicks_of_a_spoilt_counter_cost_no_other_link(redis):
    server = start(redis, "--workers", "1", "--flush-every", "1s")
    codes, partition = ["poison"], None
    for n in range(100000):  # others of its partition: they share its batches
        made = "c%d" % n
        if partition_of(made) == partition_of("poison"):
            codes.append(made)
        if len(codes) == 4:
            break
    partition = partition_of("poison")
    for code in codes:
        create(server, code=code)
    redis.cli("SET", "sh:clk:{p%03d}:poison" % partition, "no hash")
    for code in codes:
        for _ in range(5):
            same(server.get("/" + code).status, 302)
    for code in codes[1:]:
        clicks_become(server, code, 5)
    eventually(lambda: server.metric("shortener_clicks_dropped_total") == 5, "five clicks dropped")
    same(server.metric("shortener_clicks_total"), 15)
    server.close()


def partition_of(code):
    """FNV-1a, folded to 32 bits, of 128: as in common/hash.c."""
    value = 0xcbf29ce484222325
    for byte in code.encode():
        value = ((value ^ byte) * 0x100000001b3) % (1 << 64)
    return ((value >> 32) ^ (value & 0xffffffff)) % 128


def test_uniques_are_people_not_clicks(redis):
    server = start(redis, "--trusted-proxy", "127.0.0.0/8")
    code = create(server)["code"]
    for person in range(50):
        for _ in range(3):
            server.get("/" + code, {"X-Forwarded-For": "10.0.0.%d" % person})
    clicks_become(server, code, 150)
    # a HyperLogLog: its standard error is under a hundredth
    assert 47 <= stats(server, code)["unique"] <= 53, stats(server, code)
    for key in redis.cli("KEYS", "sh:*"):
        assert "10.0.0." not in key
    server.close()


def test_clicks_survive_sigterm_and_redis_restarts(redis):
    server = start(redis, "--flush-every", "60s")
    code = create(server)["code"]
    for _ in range(100):
        same(server.get("/" + code).status, 302)
    same(stats(server, code)["total"], 0)
    server.close()
    server = start(redis)
    same(stats(server, code)["total"], 100)
    total = 100 + warm(server, code)
    redis.kill()
    for _ in range(10):
        same(server.get("/" + code).status, 302)
    redis.start()
    clicks_become(server, code, total + 10)
    server.close()


def test_batch_sent_twice_counts_once(service, redis):
    """Redis answers too late again and again: each batch goes several times."""
    code = create(service)["code"]
    total = 0
    for _ in range(3):
        all_up(service)
        total += warm(service, code)
        redis.pause()
        for _ in range(10):
            same(service.get("/" + code).status, 302)
            total += 1
        eventually(lambda: service.metric("shortener_redis_up") == 0, "the link to be given up")
        redis.go_on()
    clicks_become(service, code, total)
    assert service.metric("shortener_clicks_retries_total") >= 1


def test_records_that_are_not_what_we_wrote_are_refused(service, redis):
    """Long or of another type: an error for who asks, never what lies beside it."""
    body = {"url": "https://example.com/spoilt", "reuse": True}
    code = service.request("POST", "/v1/links", body).json["code"]
    index = redis.cli("KEYS", "sh:reuse:*")[0]
    digest = redis.cli("HKEYS", index)[0]
    for size in (65, 8200, 100000):
        redis.cli("HSET", index, digest, "b" * size)
        same(service.request("POST", "/v1/links", body).status, 503, size)
    redis.cli("HSET", index, digest, code)
    same(service.request("POST", "/v1/links", body).json["code"], code)
    key = {"Idempotency-Key": "spoilt"}
    same(service.request("POST", "/v1/links", {"url": "http://a.b/"}, key).status, 201)
    record = redis.cli("KEYS", "sh:idem:*")[0]
    redis.cli("HSET", record, "status", "0")
    same(service.request("POST", "/v1/links", {"url": "http://a.b/"}, key).status, 503)
    redis.cli("HDEL", record, "status", "body")
    redis.cli("HSET", record, "operation", "f" * 16 + ":" + "a" * 9000, "until", "0")
    same(service.request("POST", "/v1/links", {"url": "http://a.b/"}, key).status, 503)
    kept = create(service, code="kept")["code"]
    link = redis.cli("KEYS", "sh:link:*:" + code)[0]
    redis.cli("DEL", link)
    redis.cli("HSET", link, "no", "string")
    listed = service.get("/v1/links")
    same(listed.status, 200)
    assert kept in [item["code"] for item in listed.json["items"]]
    same(service.get("/healthz").status, 200)


def test_idempotency_record_that_was_lost_is_whole_again(service, redis):
    """Flushed between a create's begin and its end, again and again."""
    def make(n):
        headers = {"Idempotency-Key": "k%d" % n}
        return service.request("POST", "/v1/links", {"url": "http://a.b/%d" % n}, headers).status
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(make, n) for n in range(400)]
        while not all(answer.done() for answer in answers):
            redis.cli("FLUSHALL")
    assert {answer.result() for answer in answers} <= {201, 503}
    same(make(1000), 201)
    for key in redis.cli("KEYS", "sh:idem:*"):
        assert redis.cli("PTTL", key) > 0, (key, redis.cli("HGETALL", key))
        assert redis.cli("HEXISTS", key, "digest"), key


def test_clicks_that_nobody_saw_answered_are_not_counted(redis):
    server = start(redis, "--workers", "1")
    code = create(server)["code"]
    redis.cli("CLIENT", "PAUSE", "400", "ALL")
    for _ in range(5):  # they ask Redis, and are gone before it answers
        connection = Connection(server.port)
        connection.send(render("GET", "/" + code))
        connection.reset()
    eventually(lambda: server.metric("shortener_connections") <= 1, "the resets")
    same(server.get("/" + code).status, 302)
    clicks_become(server, code, 1)
    eventually(lambda: server.metric("shortener_clicks_pending") == 0, "the flush")
    same(stats(server, code)["total"], 1)
    server.close()


def test_clicks_of_a_link_that_is_gone_are_not_said_to_be_counted(redis):
    server = start(redis, "--workers", "1", "--flush-every", "2s")
    code = create(server)["code"]
    for _ in range(7):
        same(server.get("/" + code).status, 302)
    same(server.request("DELETE", "/v1/links/" + code).status, 204)
    eventually(lambda: server.metric("shortener_clicks_pending") == 0, "the flush")
    same([server.metric("shortener_clicks%s_total" % kind) for kind in ("", "_dropped")], [0, 0])
    server.close()


def test_health_says_how_stale_an_answer_may_be(redis):
    server = start(redis, "--workers", "1", "--stale-for", "7s")

    def health():
        seen = server.get("/healthz").json
        return seen["tracking"], seen["stale_at_most_ms"]
    eventually(lambda: health() == (True, 1000), "the tracking link")
    redis.kill()
    eventually(lambda: health() == (False, 7000), "its end")
    same(server.metric("shortener_tracking_up"), 0)
    server.wait_logged("tracking link is away")
    redis.start()
    eventually(lambda: health() == (True, 1000), "the tracking link again")
    same(server.metric("shortener_tracking_up"), 1)
    server.close()


def test_redis_that_forbids_tracking_is_asked_ever_more_seldom(redis):
    port = free_port()
    store = Redis("--port", str(port))
    store.cli("ACL", "SETUSER", "poor", "on", ">pw", "~*", "&*", "+@all", "-client|tracking")
    server = start(None, "--workers", "1", "--redis", "redis://poor:pw@127.0.0.1:%d" % port)
    server.wait_logged("tracking link is away")
    same(server.get("/healthz").json["tracking"], False)
    code = create(server)["code"]
    for _ in range(2):
        same(server.get("/" + code).status, 302)
    same(server.metric("shortener_cache_hits_total"), 0)
    made = int(store.cli("INFO", "stats").split("total_connections_received:")[1].split()[0])
    assert made < 25, made  # after 50 ms, 100, 200 and so on, for three seconds
    server.close()
    store.close()


class Visitors:
    """Pipelined redirects at some thousand a second; knows what was served."""

    def __init__(self, port, code):
        self.port, self.code = port, code
        self.served = 0
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._visit) for _ in range(4)]
        for thread in self.threads:
            thread.start()

    def _visit(self):
        wire = render("GET", "/" + self.code) * 25
        while not self.stop.is_set():
            try:
                connection = Connection(self.port, timeout=5)
                while not self.stop.wait(0.02):
                    connection.send(wire)
                    for _ in range(25):
                        if connection.answer().status == 302:
                            self.served += 1
            except (OSError, EOFError):
                continue
            finally:
                connection.close()

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        return self.served


def test_clicks_counted_are_never_more_than_served(redis):
    """kill -9 of a worker at thousands of redirects a second, many times."""
    server = start(redis, "--workers", "2")
    code = create(server)["code"]
    for turn in range(20 if SOAK else 4):
        before = stats(server, code)["total"]
        visitors = Visitors(server.port, code)
        try:
            eventually(lambda: visitors.served > 500 * (1 + random.random()), "visits")
            server.kill_worker()
            eventually(lambda s=visitors.served: visitors.served > s + 500, "visits after the kill")
        finally:
            served = visitors.end()
        eventually(lambda: server.metric("shortener_clicks_pending") == 0, "the flush")
        counted = stats(server, code)["total"] - before
        print("turn %d: served %d, counted %d" % (turn, served, counted))
        assert 0 < counted <= served, (counted, served)
    server.close()


main(__name__)
