"""kit.py - fixtures and short cuts of the rate limiter's service tests."""
import concurrent.futures
import contextlib
import os
import random
import re
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position,unused-import
import tokens  # noqa: F401
from lab import (BUILD, DEADLINE, SOAK, Connection, Redis, RedisError, Service, Skip,  # noqa: F401
                 directory, eventually, free_port, redis, render, request, run, same, write_file)

WORKERS = os.environ.get("LAB_WORKERS", "1")
EVER = "300d"  # a test ends before a token of it comes back
BUCKETS = ("token_bucket", "gcra")
WINDOWS = ("fixed_window", "sliding_window", "sliding_log")


def start(redis_server, *options, opened=True, **more):
    port = free_port()
    server = Service("ratelimit", *(["--open"] if opened else []), "--workers", WORKERS,
                     "--resp-port", str(port), *options, redis=redis_server, **more)
    server.resp_port = port
    return server


def service(redis):  # pylint: disable=redefined-outer-name
    server = start(redis)
    try:
        yield server
    except BaseException:
        print(server.log()[-4000:])
        server.abandon()
        raise
    server.close()


def seeded():
    """A source of chance that can be had again: LAB_SEED."""
    seed = int(os.environ.get("LAB_SEED") or random.randrange(1 << 32))
    print("seed", seed, flush=True)
    return random.Random(seed)


# ---- limits and checks

def put(server, name, query="", headers=None, /, **fields):
    return server.request("PUT", "/v1/limits/%s%s" % (name, query), fields, headers)


def define(server, name, query="", /, **fields):
    """A limit that must be taken; 5 tokens, none comes back, Redis decides, unless said."""
    answer = put(server, name, query, **({"rate": 5, "per": EVER, "deadline_ms": 5000} | fields))
    assert answer.status in (200, 201), answer
    return answer.json


def ask(limit, key="k", cost=None):
    return {"limit": limit, "key": key} | ({} if cost is None else {"cost": cost})


def check(server, *asks, query="", headers=None, **more):
    """POST /v1/check, of a Service or on a Connection; its answer as it is."""
    body = {"checks": list(asks)} | more
    if isinstance(server, Connection):
        server.send(render("POST", "/v1/check" + query, body, headers))
        answer = server.answer()
    else:
        answer = server.request("POST", "/v1/check" + query, body, headers)
    if answer.status in (200, 429):
        decision_is_whole(answer, asks, query)
    return answer


def decision_is_whole(answer, asks, query=""):
    """The members that the contract names, in the order of the question."""
    decision = answer.json
    same(set(decision), {"allowed", "results"})
    same([(r["limit"], r["key"]) for r in decision["results"]], [(a["limit"], a["key"]) for a in asks])
    for one in decision["results"]:
        same(set(one), {"limit", "key", "allowed", "quota", "remaining", "reset_after_ms", "retry_after_ms",
                        "degraded", "shadow"})
        for number in ("quota", "remaining", "reset_after_ms", "retry_after_ms"):
            assert isinstance(one[number], int) and one[number] >= 0, one
        same(one["retry_after_ms"] > 0, not one["allowed"], one)
    same(decision["allowed"], all(r["allowed"] or r["shadow"] for r in decision["results"]), decision)
    if "always=200" not in query:
        same(answer.status, 200 if decision["allowed"] else 429)


def passes(server, limit, key="k", cost=None, **more):
    """Whether one check is allowed, by what Redis knows."""
    answer = check(server, ask(limit, key, cost), **more)
    assert answer.status in (200, 429), answer
    assert answer.json["results"][0]["degraded"] is False, answer
    return answer.status == 200


def peek(server, limit, key="k"):
    """What is left, uncharged, by what Redis knows."""
    answer = check(server, ask(limit, key, 0))
    assert answer.status in (200, 429), answer
    assert answer.json["results"][0]["degraded"] is False, answer
    return answer.json["results"][0]["remaining"]


def refund(server, limit, key="k", cost=1, id="r", headers=None):  # pylint: disable=redefined-builtin
    return server.request("POST", "/v1/refund", {"limit": limit, "key": key, "cost": cost, "id": id}, headers)


def reset(server, limit, key="k", headers=None):
    return server.request("POST", "/v1/reset", {"limit": limit, "key": key}, headers)


def batch(server, *items, headers=None):
    """The results of POST /v1/check:batch, of lists of asks."""
    answer = server.request("POST", "/v1/check:batch", {"items": [{"checks": list(i)} for i in items]}, headers)
    same(answer.status, 200, answer)
    same(len(answer.json["results"]), len(items))
    return answer.json["results"]


def errors(answer):
    """{pointer: detail} of a 422."""
    same(answer.status, 422, answer)
    same(answer.slug, "invalid")
    return {e["pointer"]: e["detail"] for e in answer.json["errors"]}


@contextlib.contextmanager
def each_worker(server, count=int(WORKERS)):
    """A connection to each worker."""
    with server.connections(count) as connections:
        yield connections


def bearer(keys, sub, scope="limits:read limits:write limits:check", **claims):
    token = tokens.mint(keys, {"sub": sub, "scope": scope, "exp": int(time.time()) + 600} | claims)
    return {"Authorization": "Bearer " + token}


def only(answer):
    """The one result of a decision."""
    same(len(answer.json["results"]), 1)
    return answer.json["results"][0]


def together(count, call):
    """call(n) from so many threads at once, all begun before one is in."""
    gate = threading.Barrier(count)

    def begin(n):
        gate.wait()
        return call(n)
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


# ---- structured fields (RFC 9651), as much as the two headers use

ITEM = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"((?:; *[a-z*][a-z0-9_.*-]*(?:=-?[0-9]{1,15})?)*)')


def fields_of(text):
    """[(string, {parameter: integer})] of a List of Strings; it must be one."""
    items, at = [], 0
    while True:
        match = ITEM.match(text, at)
        assert match, "no item at %d of %r" % (at, text)
        pairs = [p.strip().partition("=") for p in match[2].split(";")[1:]]
        same(len({name for name, _, _ in pairs}), len(pairs), text)
        items.append((re.sub(r"\\(.)", r"\1", match[1]), {name: int(value or 1) for name, _, value in pairs}))
        at = match.end()
        if at == len(text):
            return items
        comma = re.compile(r"[ \t]*,[ \t]*(?=.)").match(text, at)
        assert comma, "no comma at %d of %r" % (at, text)
        at = comma.end()


def main(module_name, **fixtures):
    run(sys.modules[module_name], redis=redis, service=service, **fixtures)
