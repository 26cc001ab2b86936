"""demo.py URL SOCKET - a tour of the shortener with real requests.

Each step says what it shows, the command that does it, its answer, and the
Redis keys that changed.
"""
import json
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.parse
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


def sizes():
    """{key: bytes}: enough to see which were made, grew or went."""
    return {key: redis("MEMORY", "USAGE", key)[0] for key in redis("--scan", "--pattern", "sh:*")}


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


def step(text, *args, **more):
    """Say, call, and show which keys it changed."""
    say(text)
    before = sizes()
    status, answer = call(*args, **more)
    time.sleep(0.4)  # clicks are written every 200 ms
    after = sizes()
    for key in sorted(set(before) | set(after)):
        if before.get(key) != after.get(key):
            print("  redis: %-44s %s -> %s bytes" % (key, before.get(key, "-"), after.get(key, "-")))
    return status, json.loads(answer) if answer[:1] == "{" else answer


def main():
    port = int(urllib.parse.urlparse(URL).port)
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    _, link = step("A link. The code is an id from a leased block, permuted: the next one says nothing of "
                   "this one.", "POST", "/v1/links", {"url": "https://EXAMPLE.com:443/a/../page", "tags": ["demo"]})
    code = link["code"]
    step("A click. The first one reads Redis, the next ones do not; the count is written 200 ms later.",
         "GET", "/" + code)
    for _ in range(99):
        call("GET", "/" + code, show=False)
    step("A hundred clicks so far, one of them a machine's.", "GET", "/" + code,
         headers={"User-Agent": "Slackbot-LinkExpanding 1.0"})
    step("What was counted.", "GET", "/v1/links/%s/stats?unit=minute&units=2" % code)
    step("An edit: every worker hears of it and forgets the code.", "PATCH", "/v1/links/" + code,
         {"url": "https://example.com/elsewhere"})
    step("The same short link leads there now.", "GET", "/" + code)
    key = {"Idempotency-Key": "demo-%d" % time.time()}
    step("A create that may be sent again.", "POST", "/v1/links", {"url": "https://example.com/once"}, key)
    step("Sent again: the first answer, and no second link.", "POST", "/v1/links",
         {"url": "https://example.com/once"}, key)
    step("A mistake is named.", "POST", "/v1/links", {"url": "ftp://example.com/", "ttl": -1})
    step("A deletion leaves a tombstone: nobody gets this code for 30 days.", "DELETE", "/v1/links/" + code)
    step("Gone, and said so.", "GET", "/" + code)
    print("\nThe page: %s/   its API: %s/openapi.yaml   its metrics: %s/metrics" % (URL, URL, URL))


main()
