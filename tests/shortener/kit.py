"""kit.py - fixtures and short cuts of the shortener's service tests."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position,unused-import
import tokens  # noqa: F401
from lab import (BUILD, DEADLINE, SOAK, Connection, Redis, RedisError, Service, Skip,  # noqa: F401
                 directory, eventually, free_port, redis, render, request, run, same, tls_options, write_file)

WORKERS = os.environ.get("LAB_WORKERS", "1")
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36"


def start(redis_server, *options, **more):
    return Service("shortener", "--open", "--workers", WORKERS, *options, redis=redis_server, **more)


def service(redis):  # pylint: disable=redefined-outer-name
    server = start(redis)
    try:
        yield server
    except BaseException:
        print(server.log()[-4000:])
        server.abandon()
        raise
    server.close()


def create(server, url="https://example.com/", headers=None, **fields):
    """A link that must be made."""
    answer = server.request("POST", "/v1/links", {"url": url} | fields, headers)
    same(answer.status, 201, answer)
    return answer.json


def errors(answer):
    """{pointer: detail} of a 422."""
    same(answer.status, 422, answer)
    same(answer.slug, "invalid")
    return {e["pointer"]: e["detail"] for e in answer.json["errors"]}


def stats(server, code, query=""):
    answer = server.get("/v1/links/%s/stats%s" % (code, query))
    same(answer.status, 200, answer)
    return answer.json


def clicks_become(server, code, total, bots=0):
    def counted():
        answer = server.get("/v1/links/%s/stats" % code)
        return answer.status == 200 and (answer.json["total"], answer.json["bots"]) == (total, bots)
    eventually(counted, "clicks of %s: %d and %d bots" % (code, total, bots))


def warm(server, code):
    """Have every worker know the code; how many redirects that took."""
    served = 0
    with server.connections(int(WORKERS)) as connections:
        for connection in connections:
            def is_known(worker=connection):
                nonlocal served
                before = server.metric("shortener_cache_hits_total")
                same(worker.get("/" + code).status, 302)
                served += 1
                return server.metric("shortener_cache_hits_total") > before
            eventually(is_known, "a hit")
    return served


def everywhere(server, path, status):
    """Every worker comes to answer so; their last answer."""
    with server.connections(int(WORKERS)) as connections:
        for connection in connections:
            eventually(lambda c=connection: c.get(path).status == status, "%d for %s" % (status, path))
        return connections[0].get(path)


def main(module_name, **fixtures):
    run(sys.modules[module_name], redis=redis, service=service, **fixtures)
