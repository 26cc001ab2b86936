"""tour.py - what the tours of ./lab demo have in common.

Each step says what it shows, the command that does it, its answer, and the
Redis keys that changed: Redis itself tells which (client tracking), so that it
does not matter how many others there are.  The first two arguments are the
service's URL and its Redis's.
"""
import functools
import json
import socket
import ssl
import sys
import textwrap
import time
import urllib.error
import urllib.parse
import urllib.request

URL, REDIS = sys.argv[1:3]
MAX_SHOWN = 12  # keys of a step; others may use this Redis meanwhile


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None


OPENER = urllib.request.build_opener(NoRedirect)


class Link:
    """A connection to Redis that hears of each key that changes."""

    def __init__(self, url, prefix):
        at = urllib.parse.urlsplit(url)
        if at.scheme == "unix":
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(at.path)
        else:
            sock = socket.create_connection((at.hostname, at.port or 6379), timeout=5)
        if at.scheme == "rediss":
            sock = ssl.create_default_context().wrap_socket(sock, server_hostname=at.hostname)
        self.file = sock.makefile("rwb")
        self.changed = {}  # keys, in order
        self.sizes = {}  # as they were shown last
        user, password = (urllib.parse.unquote(part or "") for part in (at.username, at.password))
        self.ask(["HELLO", "3", *(["AUTH", user or "default", password] if password else [])],
                 ["SELECT", at.path[1:] if at.scheme != "unix" and at.path[1:] else "0"],
                 ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", prefix])

    def ask(self, *commands):
        """The answers to commands that are sent in one write."""
        for command in commands:
            parts = [part if isinstance(part, bytes) else part.encode() for part in command]
            self.file.write(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        self.file.flush()
        return [self._answer() for _ in commands]

    def _answer(self):
        while True:
            push, value = self._read()
            if not push:
                return value
            for key in value[1] or []:  # none: the whole database went
                self.changed[key] = True

    def _read(self):
        """(is it a push, value)."""
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind in (b"", b"-"):
            sys.exit("Redis: " + (rest.decode() or "the connection ended"))
        if kind == b"$":
            return False, self.file.read(int(rest) + 2)[:-2]
        if kind in (b"*", b">", b"%"):
            return kind == b">", [self._read()[1] for _ in range(int(rest) * (2 if kind == b"%" else 1))]
        return False, None if kind == b"_" else rest

    def changes(self):
        """A line for each key that changed since the last time."""
        self.ask(["PING"])  # its answer comes behind what Redis had to tell
        keys, self.changed = list(self.changed), {}
        shown = keys[:MAX_SHOWN]
        lines = []
        for key, size in zip(shown, self.ask(*(["MEMORY", "USAGE", key] for key in shown))):
            before = self.sizes.get(key)
            self.sizes[key] = size
            after = "%s bytes" % size.decode() if size else "gone" if before else "came and went"
            change = before.decode() + " -> " + after if before else after
            lines.append("%-44s %s" % (key.decode(errors="replace"), change))
        return lines + ["and %d more" % (len(keys) - MAX_SHOWN)] * (len(keys) > MAX_SHOWN)


@functools.cache
def watch(prefix):
    return Link(REDIS, prefix + ":")


def say(text):
    print("\n" + textwrap.fill(text, 78))


def call(method, path, body=None, headers=None, show=True, names=None):
    """One request, shown as the curl that it stands for; names: {value: what stands for it there}."""
    command = ["curl", "-si"]
    if method != "GET":
        command += ["-X", method]
    data = None
    headers = dict(headers or {})
    if body is not None:
        data = json.dumps(body).encode()
        headers["Content-Type"] = "application/json"
    for name, value in headers.items():
        quote = '"' if value in (names or {}) else "'"
        command += ["-H", "%s%s: %s%s" % (quote, name, (names or {}).get(value, value), quote)]
    if data:
        command += ["-d", "'%s'" % data.decode()]
    request = urllib.request.Request(URL + path, data, headers, method=method)
    try:
        answer = OPENER.open(request, timeout=5)
    except urllib.error.HTTPError as error:
        answer = error
    text = answer.read().decode()
    if show:
        print("  $ %s %s%s" % (" ".join(command), URL, path))
        print("  %d" % answer.status, answer.headers.get("Location", ""))
        if text and text[0] in "{[":
            print(textwrap.indent(json.dumps(json.loads(text), indent=2), "  "))
    return answer.status, text


def step(text, prefix, *args, **more):
    """Say, call, and show which keys it changed."""
    say(text)
    watch(prefix).changes()  # are of what was not shown
    status, answer = call(*args, **more)
    show_changes(prefix)
    return status, json.loads(answer) if answer[:1] == "{" else answer


def show_changes(prefix):
    """The keys that changed since the last time."""
    time.sleep(0.4)  # what is written behind the answer, at most 200 ms later
    for line in watch(prefix).changes():
        print("  redis: " + line)
