"""tour.py - what the tours of ./lab demo have in common.

Each step says what it shows, the command that does it, its answer, and the
Redis keys that changed.  The first two arguments are the service's URL and its
Redis's.
"""
import json
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request

URL, REDIS = sys.argv[1:3]


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None


OPENER = urllib.request.build_opener(NoRedirect)


def redis(*args):
    where = ["-s", REDIS[7:]] if REDIS.startswith("unix://") else ["-u", REDIS]
    done = subprocess.run(["redis-cli", *where, *args], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def sizes(prefix):
    """{key: bytes}: enough to see which were made, grew or went."""
    return {key: redis("MEMORY", "USAGE", key)[0] for key in redis("--scan", "--pattern", prefix + ":*")}


def say(text):
    print("\n" + textwrap.fill(text, 78))


def call(method, path, body=None, headers=None, show=True):
    """One request, shown as the curl that it stands for."""
    command = ["curl", "-si"]
    if method != "GET":
        command += ["-X", method]
    data = None
    headers = dict(headers or {})
    if body is not None:
        data = json.dumps(body).encode()
        headers["Content-Type"] = "application/json"
    for name, value in headers.items():
        command += ["-H", "'%s: %s'" % (name, value)]
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
    before = sizes(prefix)
    status, answer = call(*args, **more)
    time.sleep(0.4)  # what is written behind the answer, at most 200 ms later
    after = sizes(prefix)
    for key in sorted(set(before) | set(after)):
        if before.get(key) != after.get(key):
            print("  redis: %-44s %s -> %s bytes" % (key, before.get(key, "-"), after.get(key, "-")))
    return status, json.loads(answer) if answer[:1] == "{" else answer
