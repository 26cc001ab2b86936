"""kit.py - fixtures and short cuts of the search service's tests."""
import contextlib
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position,unused-import
import tokens  # noqa: E402
from lab import (BUILD, DEADLINE, LIVE, SOAK, Connection, Redis, RedisError, Service, Skip,  # noqa: E402,F401
                 directory, eventually, free_port, redis, render, request, run, same, write_file)

WORKERS = os.environ.get("LAB_WORKERS", "1")
KEYS = tokens.make_keys()


def token(scope, name="someone"):
    return tokens.mint(KEYS, {"sub": name, "scope": scope, "exp": int(time.time()) + 600})


class Search(Service):
    def __init__(self, store, data, *options, workers=WORKERS, **more):
        super().__init__("search", "--data-dir", data, "--workers", workers, "--refresh-interval", "50ms", *options,
                         redis=store, **more)
        self.data = data

    def call(self, method, path, body=None, status=200, **headers):
        """What is answered, which has that status."""
        answer = self.request(method, path, body, headers)
        same(answer.status, status, "%s %s: %s" % (method, path, answer.text[:500]))
        same(answer.headers.get("x-elastic-product"), "Elasticsearch")
        return answer.json if answer.body else None

    def refuse(self, method, path, status, kind, body=None, **headers):
        """The reason that is given for it."""
        error = self.call(method, path, body, status, **headers)
        same(error["status"], status)
        same(error["error"]["type"], kind, error)
        same(error["error"]["root_cause"][0]["type"], kind)
        return error["error"]["reason"]

    def put(self, index, name, document, status=None, query=""):
        answer = self.request("PUT", "/%s/_doc/%s%s" % (index, name, query), document)
        assert answer.status == status if status else answer.status in (200, 201), answer
        return answer.json

    def bulk(self, lines, path="/_bulk", status=200):
        return self.call("POST", path, "".join(json.dumps(line) + "\n" for line in lines), status,
                         **{"Content-Type": "application/x-ndjson"})

    def find(self, index, query=None, **more):
        body = {"query": query or {"match_all": {}}, "size": 1000} | more
        return self.call("POST", "/%s/_search" % index, body)["hits"]

    def count(self, index):
        return self.call("GET", "/%s/_count" % index)["count"]

    def indexer(self):
        """Its pid: it is the one that has no port."""
        for pid in self.workers():
            post = []
            with contextlib.suppress(OSError), open("/proc/%d/environ" % pid, "rb") as file:
                post = [value for value in file.read().split(b"\0") if value.startswith(b"APP_POST=")]
            if post and post[0].split(b"=")[1].split(b",")[3] == b"0":
                return pid
        return None


def start(store, data, *options, **more):
    return Search(store, data, "--open", *options, **more)


def service(redis, directory):  # pylint: disable=redefined-outer-name
    server = start(redis, directory)
    yield server
    server.close()


def main(name):
    run(sys.modules[name], redis=redis, directory=directory, service=service)
