"""kit.py - fixtures and short cuts of the notifier's service tests."""
import contextlib
import json
import os
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position,unused-import
import sockets  # noqa: E402
import tokens  # noqa: E402,F401
from lab import (BUILD, DEADLINE, SOAK, Connection, Redis, RedisError, Service, Skip,  # noqa: E402,F401
                 directory, eventually, free_port, redis, render, request, run, same, tls_options, write_file)
from sockets import PATH, Closed, Refused, connect, more_of  # noqa: E402,F401

WORKERS = os.environ.get("LAB_WORKERS", "1")
HUB = "/.well-known/mercure"
FORM = "application/x-www-form-urlencoded"


def start(redis_server, *options, opened=True, **more):
    return Service("notifier", *(["--open"] if opened else []), "--workers", WORKERS, *options, redis=redis_server,
                   **more)


def service(redis):  # pylint: disable=redefined-outer-name
    server = start(redis)
    try:
        yield server
    except BaseException:
        print(server.log()[-4000:])
        server.abandon()
        raise
    server.close()


# ---- tokens

KEYS = tokens.make_keys()
ALL = {"publish": ["*"], "subscribe": ["*"]}
FRIEND = "https://friend.example"


def token(mercure=None, scope=None, ttl=600, **claims):
    claims = {"sub": "ann" if scope else None, "scope": scope, "mercure": mercure,
              "exp": int(time.time()) + ttl} | claims
    return tokens.mint(KEYS, {name: value for name, value in claims.items() if value is not None})


def bearer(*args, **more):
    return {"Authorization": "Bearer " + token(*args, **more)}


def cookie(text, origin=None):
    return {"Cookie": "other=1; mercureAuthorization=" + text} | ({"Origin": origin} if origin else {})


def closed(redis, directory):  # pylint: disable=redefined-outer-name
    """A hub that takes tokens alone, and pages of FRIEND."""
    path = write_file(directory, "keys", json.dumps(KEYS))
    server = start(redis, "--token-keys", path, "--cors-origin", FRIEND, opened=False)
    try:
        yield server
    except BaseException:
        print(server.log()[-4000:])
        server.abandon()
        raise
    server.close()


# ---- publishing

def post(server, pairs, headers=None):
    """POST a form of (name, value) pairs to the hub; the answer as it is."""
    body = urllib.parse.urlencode(pairs).encode()
    return server.request("POST", HUB, body, {"Content-Type": FORM} | (headers or {}))


def send(server, form, headers=None):
    """A body as it is."""
    return server.request("POST", HUB, form, {"Content-Type": FORM} | (headers or {}))


def publish(server, topic, data, headers=None, **fields):
    """An update that must be taken, of one topic or a list of them; its id."""
    topics = [topic] if isinstance(topic, str) else topic
    answer = post(server, [("topic", t) for t in topics] + [("data", data), *fields.items()], headers)
    assert answer.status == 200, answer
    return answer.text


# ---- event streams

class Event:
    def __init__(self, id_, type_, data):
        self.id, self.type, self.data = id_, type_, data

    def __repr__(self):
        return "Event(%r, %r)" % (self.type, self.data)


class Stream:
    """A subscriber, by the field rules of the HTML standard; id is the last one it was told."""

    def __init__(self, server, *topics, last=None, headers=None, query=(), wait=True, port=None, wrap=None):
        pairs = [("topic", topic) for topic in topics] + list(query)
        path = HUB + "?" + urllib.parse.urlencode(pairs)
        headers = dict(headers or {})
        if last is not None:
            headers["Last-Event-ID"] = last
        self.sock = connect(port or server.port, wrap)
        self.sock.sendall(render("GET", path, None, {"Accept": "text/event-stream"} | headers))
        self.rest, self.id, self.retry, self.comments, self.type, self.data = b"", last or "", None, [], "", []
        self.named = False  # an id came since the last event
        self.told = 0  # times that an id came alone
        self.status, self.headers = self._head()
        if wait and self.status == 200 and not last:
            self.settle()

    def _head(self):
        while b"\r\n\r\n" not in self.rest:
            self._more(DEADLINE)
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        pairs = [line.split(": ", 1) for line in lines[1:]]
        return int(lines[0].split()[1]), {name.lower(): value for name, value in pairs}

    def _more(self, timeout):
        self.rest += more_of(self.sock, timeout)

    def _line(self, until):
        while b"\n" not in self.rest:
            self._more(until - time.monotonic())
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode()

    def _field(self, line):
        name, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if name == "":
            self.comments.append(value)
        elif name == "id":
            self.id, self.named = value, True
        elif name == "event":
            self.type = value
        elif name == "data":
            self.data.append(value)
        elif name == "retry":
            self.retry = int(value)

    def settle(self):
        """Until the hub has said where the stream stands."""
        until = time.monotonic() + DEADLINE
        while not self.told:
            self._step(until)

    def _step(self, until):
        line = self._line(until)
        if line:
            self._field(line)
            return None
        event = Event(self.id, self.type or "message", "\n".join(self.data)) if self.data else None
        if not event and self.named:
            self.told += 1
        self.type, self.data, self.named = "", [], False
        return event

    def next(self, timeout=DEADLINE):
        until = time.monotonic() + timeout
        while True:
            event = self._step(until)
            if event:
                return event

    def take(self, count, timeout=DEADLINE):
        return [self.next(timeout) for _ in range(count)]

    def data_of(self, count):
        return [event.data for event in self.take(count)]

    def rest_of(self, server, topic):
        """All that comes before an update that is published now: for what must not come."""
        publish(server, topic, "the end")
        seen = []
        while True:
            event = self.next()
            if event.data == "the end":
                return seen
            seen.append(event)

    def is_closed(self, timeout=DEADLINE):
        with contextlib.suppress(Closed):
            until = time.monotonic() + timeout
            while True:
                self._step(until)
        return True

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def status_of(server, *topics, headers=None, **more):
    with Stream(server, *topics, headers=headers, wait=False, **more) as stream:
        return stream.status


def ask(server, method, query, headers=None):
    """A whole answer to what is no stream."""
    return server.request(method, HUB + "?" + query, headers=headers)


# ---- WebSockets

class Socket(sockets.Socket):
    PROTOCOL = "notifier.v1.json"

    def data_of(self, count):
        return [self.event()["data"] for _ in range(count)]


def main(name, **makers):
    if name == "__main__":
        run(sys.modules[name], redis=redis, service=service, directory=directory, closed=closed, **makers)
