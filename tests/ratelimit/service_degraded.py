"""service_degraded.py - who is answered by a policy, Redis being away, is told so."""
from kit import define, each_worker, eventually, main, redis, render, same, service

POLICIES = ("open", "closed", "local")


def send(connection, method, path, body=None):
    connection.send(render(method, path, body))
    return connection.answer()


def acquire(connection, limit):
    return send(connection, "POST", "/v1/acquire", {"limit": limit, "key": "k", "ttl_ms": 60000})


def authorize(connection, limit, more=""):
    return send(connection, "GET", "/v1/authorize?limit=%s&key=k%s" % (limit, more))


def says(answer):
    """The status, whether the header says that a policy decided, and whether the body does."""
    body = answer.json if answer.body else {}
    return answer.status, answer.headers.get("x-ratelimit-degraded"), body.get("degraded")


def test_slot_that_a_policy_denies_says_so(service, redis):
    for policy in POLICIES:
        define(service, policy, algorithm="concurrency", rate=1, per=None, on_redis_failure=policy, deadline_ms=50)
    with each_worker(service) as connections:
        for connection in connections:
            for policy in POLICIES:
                acquire(connection, policy)
                answer = acquire(connection, policy)
                same((answer.status, answer.json["detail"]), (429, "every slot of this key is held"))
                assert "degraded" not in answer.json, answer
        redis.kill()
        for connection in connections:
            answer = acquire(connection, "open")
            same((answer.status, answer.json["degraded"]), (200, True))
            for policy in ("closed", "local"):
                answer = acquire(connection, policy)
                same((answer.status, answer.slug, answer.json["degraded"]), (429, "rate-limited", True))
                assert "the store is away" in answer.json["detail"], answer
                assert answer.headers["retry-after"].isdigit(), answer
        redis.start()
        for connection in connections:
            eventually(lambda c=connection: "degraded" not in acquire(c, "closed").json, "Redis's answer")


def test_authorize_says_when_a_policy_decided(service, redis):
    for policy in POLICIES:
        define(service, policy, rate=6, on_redis_failure=policy, deadline_ms=50)
    with each_worker(service) as connections:
        for connection in connections:
            for policy in POLICIES:
                same(says(authorize(connection, policy, "&cost=0")), (204, None, None))
        redis.kill()
        for connection in connections:
            same(says(authorize(connection, "open")), (204, "true", None))
            same(says(authorize(connection, "closed")), (403, "true", True))
            same(says(authorize(connection, "closed", "&deny=429")), (429, "true", True))
            same(says(authorize(connection, "local")), (204, "true", None))
            for _ in range(6):
                authorize(connection, "local")
            same(says(authorize(connection, "local")), (403, "true", True))
            assert "the store is away" in authorize(connection, "closed").json["detail"]
        redis.start()
        for connection in connections:
            eventually(lambda c=connection: says(authorize(c, "closed", "&cost=0")) == (204, None, None),
                       "Redis's answer")
        for _ in range(6):
            authorize(connections[0], "closed")
        same(says(authorize(connections[0], "closed")), (403, None, None))


main(__name__)
