"""kit.py - fixtures and short cuts of the chat's service tests."""
import itertools
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position,unused-import
import sockets  # noqa: E402
import tokens  # noqa: E402
from lab import (BUILD, DEADLINE, SOAK, Connection, Redis, RedisError, Service, Skip,  # noqa: E402,F401
                 directory, eventually, free_port, redis, render, request, run, same, tls_options, write_file)
from sockets import Closed, Refused  # noqa: E402,F401

WORKERS = os.environ.get("LAB_WORKERS", "1")
KEYS = tokens.make_keys()
PROTOCOL = "chat.v1.json"
LOG = ("message", "edit", "delete", "react", "member", "room")


def token(name, scope="chat:use", ttl=600, **claims):
    return tokens.mint(KEYS, {"sub": name, "scope": scope, "exp": int(time.time()) + ttl} | claims)


class Client(sockets.Socket):
    """One device of a user."""
    PROTOCOL = PROTOCOL
    numbers = itertools.count(1)

    def __init__(self, server, name, **more):
        self.name = name
        super().__init__(server, token=token(name), **more)

    def say(self, room, text, **members):
        return self.get("send", room=room, text=text, **({"client_id": "c%d" % next(self.numbers)} | members))

    def log(self, count, timeout=DEADLINE):
        """The next entries of logs; what else comes between is dropped."""
        entries = []
        while len(entries) < count:
            event = self.event(timeout)
            if event["type"] in LOG:
                entries.append(event)
        return entries

    def until(self, kind, **members):
        """The first event of that kind with these members; those before it are dropped."""
        while True:
            event = self.event()
            if event["type"] == kind and members.items() <= event.items():
                return event


class Chat(Service):
    def __init__(self, redis_server, directory_, *options, workers=WORKERS, **more):
        path = write_file(directory_, "keys", json.dumps(KEYS))
        super().__init__("chat", "--token-keys", path, "--workers", workers, *options, redis=redis_server, **more)

    def call(self, name, method, path, body=None, status=None, headers=None):
        answer = request(self.port, method, path, body,
                         {"Authorization": "Bearer " + token(name)} | (headers or {}))
        if status:
            same(answer.status, status, answer.text)
        return answer.json if answer.text else None

    def room(self, owner, *members, kind="public", name="tea"):
        made = self.call(owner, "POST", "/v1/rooms", {"name": name, "kind": kind}, 201)["room"]
        for member in members:
            with Client(self, member) as client:
                client.get("join", room=made)
        return made

    def direct(self, one, other):
        with Client(self, other) as client:
            client.get("sync")  # who was never here is nobody
        return self.call(one, "POST", "/v1/dms", {"user": other})["room"]


def served(server):
    """What a fixture yields, or a with has: closed in the end, or what it said shown."""
    try:
        yield server
    except BaseException:
        print(server.log()[-4000:])
        server.abandon()
        raise
    server.close()


def chat(redis, directory):  # pylint: disable=redefined-outer-name
    yield from served(Chat(redis, directory))


def main(name, **makers):
    if name == "__main__":
        run(sys.modules[name], redis=redis, directory=directory, chat=chat, **makers)
