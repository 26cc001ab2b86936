"""shortener_rows.py - what shortener/README.md says, measured."""
import contextlib
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import tempfile
import threading
import time

from kit import (BUILD, QUICK, RUNS, Ceiling, Nginx, Redis, Service, columns, eventually, median,
                 on_core, ratio, resident, used_memory, worker_of)
from lab import Connection, render, request


def nginx_redirect():
    if not shutil.which("nginx"):
        return None
    return Nginx("location / { return 302 https://example.com/page/0; }")


def nginx_lua(redis):
    """The same look-up in Lua: a pooled connection, one HMGET, a 302."""
    modules = "/usr/lib/nginx/modules/"
    if not os.path.exists(modules + "ngx_http_lua_module.so") or \
            not os.path.exists("/usr/share/lua/5.1/nginx/redis.lua"):
        return None
    return Nginx("""location / { content_by_lua_block {
        local redis = require("nginx.redis"):new()
        redis:set_timeout(1000)
        local ok, err = redis:connect("unix:%s")
        if not ok then ngx.exit(503) end
        local url = redis:get("bench:" .. string.sub(ngx.var.uri, 2))
        redis:set_keepalive(60000, 100)
        if url == ngx.null then ngx.exit(404) end
        return ngx.redirect(url, 302)
    } }""" % redis.socket,
                 "load_module %sndk_http_module.so; load_module %sngx_http_lua_module.so;"
                 % (modules, modules))


def bench_hot(bench, server, ceiling, nginx):
    contenders = {"shortener": (server.port, worker_of(server), False),
                  "ceiling": (ceiling.port, ceiling.pid, True)}
    if nginx:
        contenders["nginx"] = (nginx.port, nginx.pid, True)
    one = bench.alternate(contenders, "--profile", "hot")
    many = bench.alternate(contenders, "--profile", "hot", "--pipeline", 16)
    bench.row("hot", "hot redirect, 64 connections: CPU / nginx", "<= 1.00",
              ratio(one["shortener"], one.get("nginx")), "x", ("<=", 1.0), **columns(one["shortener"]),
              peer=one.get("nginx"))
    bench.row("pipelined", "the same, 16 requests pipelined: CPU / nginx", "<= 0.20",
              ratio(many["shortener"], many.get("nginx")), "x", ("<=", 0.2),
              **columns(many["shortener"]), peer=many.get("nginx"))
    bench.row("ceiling", "hot redirect: CPU / our ceiling", "<= 1.25", ratio(one["shortener"], one["ceiling"]), "x",
              ("<=", 1.25), **columns(one["shortener"]), peer=one["ceiling"])
    rate = int(one["shortener"]["rps"] / 2)
    half = bench.alternate(
        {name: contenders[name] for name in ("shortener", "ceiling")},
        "--profile", "hot", "--rate", rate)
    bench.row("half", "hot redirect, open model at half of saturation: p99 / ceiling", "<= 1.5",
              ratio(half["shortener"], half["ceiling"], "p99"), "x", ("<=", 1.5),
              **columns(half["shortener"]), peer=half["ceiling"])


STEPS = (
    ("asked", "Redis asked for each redirect, each command alone", ["--cache-bytes", "0", "--no-single-flight",
                                                                    "--no-pipelining", "--flush-every", "0"]),
    ("gathered", "a turn's commands in one write", ["--cache-bytes", "0", "--no-single-flight", "--flush-every", "0"]),
    ("shared", "one read for all that ask for a code", ["--cache-bytes", "0", "--flush-every", "0"]),
    ("cached", "ready answers in the worker", ["--flush-every", "0"]),
    ("folded", "clicks folded for 200 ms", []),
)


def bench_steps(bench):
    """What each decision of the design is worth: a hot redirect with and without it."""
    runs = {name: [] for name, _, _ in STEPS}
    for _ in range(RUNS):
        for name, _, options in STEPS:
            server = bench.start(*options)
            runs[name].append(bench.drive("shortener, " + name, server.port, worker_of(server), "--profile", "hot"))
            server.close()
    for name, what, _ in STEPS:
        figures = median(runs[name])
        bench.row(name, "hot redirect, %s: CPU" % what, "", figures["cpu"], "µs", None, **columns(figures))


def bench_cold(bench):
    """Each code once: a worker that has just started knows none."""
    units = 20000 if QUICK else 300000
    lua = nginx_lua(bench.redis)
    ours, theirs = [], []
    for _ in range(RUNS):
        server = bench.start()
        if lua:
            fill_lua(bench, units)
        ours.append(bench.drive("shortener", server.port, worker_of(server), "--profile", "cold",
                                "--units", units, "--requests", units, "--warmup", "0s"))
        server.close()
        if lua:
            theirs.append(bench.drive("nginx + lua + redis", lua.port, lua.pid, "--profile", "cold",
                                      "--units", units, peer=True))
    mine, peer = median(ours), median(theirs) if theirs else None
    if lua:
        bench.commands["nginx + lua + redis"] = {"command": lua.command,
                                                 "configuration": lua.configuration}
        lua.close()
    bench.row("cold", "cold redirect: CPU / nginx + lua + redis", "<= 0.6", ratio(mine, peer), "x", ("<=", 0.6),
              **columns(mine), peer=peer)


def fill_lua(bench, units):
    """What the Lua looks up: a string a code."""
    script = "for i=0,%d do redis.call('SET', string.format('bench:l%%06d', i), " \
             "'https://example.com/page/' .. i) end" % (units - 1)
    subprocess.run(["redis-cli", "-s", bench.redis.socket, "EVAL", script, "0"], check=True,
                   stdout=subprocess.DEVNULL)


def set_per_second(bench):
    count = 20000 if QUICK else 300000
    command = ["redis-benchmark", "-s", bench.redis.socket, "-t", "set", "-c", "64", "-n", str(count),
               "--csv"]
    text = subprocess.run(on_core(1, command), capture_output=True, text=True, check=True).stdout
    bench.commands["redis-benchmark"] = {"command": command}
    return float(re.search(r'"SET","([0-9.]+)"', text).group(1))


def bench_create(bench, server):
    ours, theirs = [], []
    for turn in range(RUNS):
        ours.append(bench.drive("shortener", server.port, worker_of(server), "--profile", "create",
                                "--seed", turn))
        theirs.append(set_per_second(bench))
    mine = median(ours)
    bench.row("create", "create: links/s / redis-benchmark SET -c 64", ">= 0.4",
              mine["rps"] / statistics.median(theirs), "x", (">=", 0.4), **columns(mine),
              peer={"rps": statistics.median(theirs)})


def bench_memory(bench):
    held = 500 if QUICK else 15000
    server = bench.start()
    resting = resident(worker_of(server))
    bench.row("rest", "worker at rest: resident MiB", "<= 8", resting / 2 ** 20, "MiB", ("<=", 8))
    result = bench.drive("shortener", server.port, worker_of(server), "--profile", "hot", "--idle", held,
                         "--connections", 1, "--duration", "1s")
    bench.row("idle", "idle keep-alive connection, %d held: bytes of the worker" % held, "<= 1024",
              result["idle_connection_bytes"], "bytes", ("<=", 1024))
    server.close()


class Visitors(threading.Thread):
    """5,000 redirects a second until the server dies; when each was answered."""
    BATCH, EVERY = 25, 0.005

    def __init__(self, port, code):
        super().__init__()
        self.port, self.wire = port, render("GET", "/" + code) * self.BATCH
        self.answered = []  # (when, how many so far)
        self.served = 0

    def run(self):
        connection = Connection(self.port)
        due = time.monotonic()
        with contextlib.suppress(OSError, EOFError):
            while True:
                connection.send(self.wire)
                for _ in range(self.BATCH):
                    self.served += connection.answer().status == 302
                    self.answered.append((time.monotonic(), self.served))
                due += self.EVERY
                time.sleep(max(0, due - time.monotonic()))
        connection.close()


def bench_kill(bench):
    """kill -9 of the worker at 5,000 redirects a second, again and again."""
    turns = 2 if QUICK else 20
    server = bench.start()
    code = request(server.port, "POST", "/v1/links", {"url": "https://example.com/"}).json["code"]
    ages, more, chance = [], 0, random.Random(1)
    for _ in range(turns):
        before = clicks_of(server, code)
        visitors = Visitors(server.port, code)
        visitors.start()
        time.sleep(1 + chance.random() / 2)  # anywhere between two flushes
        killed = time.monotonic()
        server.kill_worker()
        visitors.join()
        eventually(lambda: clicks_of(server, code) is not None, "the new worker")
        counted = clicks_of(server, code) - before
        more = max(more, counted - visitors.served)
        ages += [1000 * (killed - when) for when, served in visitors.answered if served > counted][:1]
    bench.runs.append({"who": "shortener, kill -9", "latency_us": {}, "errors": {}, "oldest_lost_ms": ages})
    server.close()
    bench.row("lost", "%d times kill -9 at 5,000/s: age of the oldest click lost" % turns, "<= 250 ms",
              max(ages, default=0), "ms", ("<=", 250))
    bench.row("invented", "the same: clicks counted that were not served", "0", max(more, 0), "", ("<=", 0))


def clicks_of(server, code):
    with contextlib.suppress(OSError, EOFError):
        answer = request(server.port, "GET", "/v1/links/%s/stats" % code)
        return answer.json["total"] if answer.status == 200 else None
    return None


def bench_store(bench):
    """What a link costs Redis in memory: plain, and with a click on it."""
    links = 2000 if QUICK else 100000
    others, bench.redis = bench.redis, Redis()  # an empty one
    server = bench.start()
    begun = used_memory(bench)
    bench.drive("shortener", server.port, worker_of(server), "--profile", "create", "--requests", links,
                "--duration", "60s", "--seed", 99)
    made = used_memory(bench)
    bench.row("plain", "a plain link in Redis, of %d: bytes" % links, "", (made - begun) / links, "bytes", None)
    bench.drive("shortener", server.port, worker_of(server), "--profile", "cold", "--units", links,
                "--requests", links, "--warmup", "0s", "--duration", "60s")
    eventually(lambda: server.metric("shortener_clicks_pending") == 0, "the flush")
    bench.row("clicked", "a link with a chosen code and one click: bytes", "", (used_memory(bench) - made) / links,
              "bytes", None)
    entry = server.metric("shortener_cache_bytes") / server.metric("shortener_cache_entries")
    bench.row("entry", "its answer in a worker's cache: bytes", "", entry, "bytes", None)
    server.close()
    bench.redis.close()
    bench.redis = others


def bench_rolling(bench):
    """Ten SIGHUPs under load, each to a binary of another build id."""
    hups = 2 if QUICK else 10
    folder = tempfile.mkdtemp(prefix="bench-")
    binary = os.path.join(folder, bench.service)
    shutil.copy(os.path.join(BUILD, bench.service, bench.service), binary)
    server = Service(bench.service, "--open", "--workers", "1", redis=bench.redis, binary=binary)
    path = os.path.join(folder, "result.json")
    seconds = hups + 2
    load = subprocess.Popen(on_core(1, [
        bench.load, "--url", "http://127.0.0.1:%d" % server.port, "--profile", "hot", "--renew-every", "10",
        "--warmup", "200ms", "--duration", "%ds" % seconds, "--json", path]),
        stderr=subprocess.PIPE, text=True)
    builds = {build_of(server)}
    for turn in range(hups):
        time.sleep(0.8)
        new_build(binary, turn)
        server.signal(1)
        builds.add(eventually(lambda: (lambda b: b if b not in builds else None)(build_of(server)),
                              "the new build"))
    _, complaint = load.communicate()
    if not os.path.exists(path):
        raise AssertionError(complaint)
    with open(path, encoding="ascii") as file:
        result = json.load(file)
    result["who"] = "shortener, rolling restarts"
    bench.runs.append(result)
    server.close()
    shutil.rmtree(folder, ignore_errors=True)
    bench.row("rolling", "%d SIGHUPs under load: resets, refusals, cut answers" % hups, "0",
              sum(result["errors"].values()), "", ("<=", 0), rps=result["requests_per_s"],
              p99_us=result["latency_us"]["p99"], requests=result["requests"], opened=result["opened"],
              builds=len(builds))


def build_of(server):
    with contextlib.suppress(OSError, EOFError):
        return request(server.port, "GET", "/healthz").json["build"]
    return None


def new_build(binary, number):
    """The same program with another build id, put in place at once."""
    with open(binary, "rb") as file:
        data = file.read()
    at = data.index(b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0") + 16
    copy = binary + ".new"
    with open(copy, "wb") as file:
        file.write(data[:at] + number.to_bytes(4, "big") + data[at + 4:])
    os.chmod(copy, 0o755)
    os.rename(copy, binary)


def bench_shortener(bench):
    server, ceiling, nginx = bench.start(), Ceiling(), nginx_redirect()
    bench.commands["ceiling"] = {"command": ceiling.command}
    if nginx:
        bench.commands["nginx"] = {"command": nginx.command, "configuration": nginx.configuration}
    bench_hot(bench, server, ceiling, nginx)
    bench_create(bench, server)
    server.close()
    ceiling.close()
    if nginx:
        nginx.close()
    bench_steps(bench)
    bench_cold(bench)
    bench_memory(bench)
    bench_rolling(bench)
    bench_kill(bench)
    bench_store(bench)
