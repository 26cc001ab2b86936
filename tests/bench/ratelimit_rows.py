"""ratelimit_rows.py - what ratelimit/README.md says, measured."""
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

import lab
from kit import QUICK, RUNS, SECONDS, Ceiling, Peer, Redis, columns, eventually, median, on_core, ratio, used_memory, worker_of
from lab import TOP, free_port, render, request
import tokens

sys.path.append(os.path.join(TOP, "tests", "ratelimit"))
# pylint: disable=wrong-import-position
import outages  # noqa: E402

KEYS = 100  # of the leased rows
CHANGES = 3 if QUICK else 20


class Allowed:
    """A server that asks for tokens, and one for its load."""

    def __init__(self, bench):
        self.dir = tempfile.mkdtemp(prefix="bench-")
        path = os.path.join(self.dir, "keys")
        keys = tokens.make_keys()
        with open(path, "w", encoding="ascii", opener=lambda p, f: os.open(p, f, 0o600)) as file:
            json.dump(keys, file)
        self.token = tokens.mint(keys, {"sub": "bench", "scope": "limits:check limits:write limits:read",
                                        "exp": int(time.time()) + 86400})
        self.server = bench.start("--token-keys", path, "--resp-port", "0")


def decisions(server, *names):
    """How many decisions, and scripts, so far."""
    text = request(server.port, "GET", "/metrics").text
    return [sum(float(v) for v in re.findall(r"^ratelimit_limit_%s(?:\{.*\})? (\S+)$" % n, text, re.M)) for n in names]


def measured(bench, server, contenders, profile, *options):
    """The medians of each contender, and Redis scripts per decision."""
    before = decisions(server, "scripts_total", "checks_total")
    figures = bench.alternate(contenders, "--profile", profile, *options)
    after = decisions(server, "scripts_total", "checks_total")
    return figures, (after[0] - before[0]) / (after[1] - before[1])


def bench_checks(bench):
    ceiling, allowed = Ceiling("--allowed"), Allowed(bench)
    server = allowed.server
    bench.commands["ceiling"] = {"command": ceiling.command}
    contenders = {"ratelimit": (server.port, worker_of(server), False), "ceiling": (ceiling.port, ceiling.pid, True)}
    token = ("--token", allowed.token)

    strict, _ = measured(bench, server, contenders, "strict", *token)
    against(bench, "strict", "strict check with a token, 1,000 keys: CPU / our ceiling", 2.0, strict)
    leased, scripts = measured(bench, server, contenders, "leased", "--units", KEYS, *token)
    against(bench, "leased", "leased check with a token, %d keys: CPU / our ceiling" % KEYS, 1.5, leased)
    bench.row("lease", "the same: Redis scripts a decision", "<= 0.02", scripts, "", ("<=", 0.02))
    denied, scripts = measured(bench, server, contenders, "denied", *token)
    against(bench, "denied", "denied flood of one key: CPU / our ceiling", 1.5, denied)
    bench.row("refused", "the same: Redis scripts a decision", "0", round(scripts, 4), "", ("<=", 0.0001))
    hot, scripts = measured(bench, server, {"ratelimit": contenders["ratelimit"]}, "hotkey", *token)
    bench.row("hotkey", "one hot key, strict: Redis scripts a decision", "<= 0.2", scripts, "", ("<=", 0.2),
              **columns(hot["ratelimit"]))
    both = bench.alternate({"ten": contenders["ratelimit"], "one": contenders["ratelimit"]}, *token,
                           only={name: ("--profile", name) for name in ("ten", "one")})
    bench.row("ten", "ten limits of a key in one call: Redis CPU / ten single checks", "<= 0.75",
              both["ten"]["redis_cpu"] / (10 * both["one"]["redis_cpu"]), "x", ("<=", 0.75),
              **columns(both["ten"]), peer=both["one"])
    bench_half(bench, contenders, token, strict["ratelimit"], "strict", 2000)
    bench_half(bench, contenders, token, leased["ratelimit"], "leased", 500)
    server.close()
    ceiling.close()


def against(bench, name, what, bound, figures):
    bench.row(name, what, "<= %.1f" % bound, ratio(figures["ratelimit"], figures["ceiling"]), "x", ("<=", bound),
              **columns(figures["ratelimit"]), peer=figures["ceiling"])


def bench_half(bench, contenders, token, saturated, profile, more_us):
    half = bench.alternate(contenders, "--profile", profile, "--rate", int(saturated["rps"] / 2), "--units", KEYS,
                           *token, turns=2 * RUNS - 1)
    bench.row("half-" + profile, "%s, open model at half of saturation: p99 beyond the ceiling's" % profile,
              "<= %d µs" % more_us, half["ratelimit"]["p99"] - half["ceiling"]["p99"], "µs", ("<=", more_us),
              **columns(half["ratelimit"]), peer=half["ceiling"])


STEPS = (
    ("each", "strict, a script for each check", "hotkey", ["--no-coalesce"]),
    ("together", "strict, one script for a turn's checks of a key", "hotkey", []),
    ("asked", "leased limits without leases", "leased", ["--no-leases"]),
    ("held", "leased limits with them", "leased", []),
    ("forgotten", "denied flood, Redis asked each time", "denied", ["--no-deny-cache"]),
    ("remembered", "denied flood, the denial known", "denied", []),
)


def bench_steps(bench):
    """What each decision of the design is worth."""
    runs = {name: [] for name, *_ in STEPS}
    for _ in range(RUNS):
        for name, _, profile, options in STEPS:
            server = bench.start("--resp-port", "0", *options)
            runs[name].append(bench.drive("ratelimit, " + name, server.port, worker_of(server), "--profile", profile,
                                          "--units", KEYS))
            server.close()
    for name, what, *_ in STEPS:
        figures = median(runs[name])
        bench.row(name, what + ": CPU", "", figures["cpu"], "µs", None, **columns(figures))


def per_second(command, name):
    text = subprocess.run(on_core(1, command), capture_output=True, text=True, check=True).stdout
    return float(re.search(r'"%s[^"]*","([0-9.]+)"' % name, text).group(1))


def bench_resp(bench):
    """
    Both over TCP, each on core 0; what drives them on core 1: redis-benchmark, and ours, which costs less of its core
    and so shows what a server can do.
    """
    port, other = free_port(), free_port()
    server = bench.start("--resp-port", str(port), "--resp-mode", "leased")
    command = ["redis-server", "--port", str(other), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    incr = Peer(command, 0, stdout=subprocess.DEVNULL, cwd=bench.redis.dir)
    eventually(lambda: subprocess.run(["redis-cli", "-p", str(other), "PING"], capture_output=True,
                                      check=False).stdout == b"PONG\n", "the other Redis")
    count = ["-c", "50", "-P", "16", "-n", str(50000 if QUICK else SECONDS * 1000000), "-r", "1000", "--csv"]
    ours = ["redis-benchmark", "-p", str(port), *count, "CL.THROTTLE", "user:__rand_int__", "1000000", "100000000", "1"]
    theirs = ["redis-benchmark", "-p", str(other), *count, "-t", "incr"]
    bench.commands["redis INCR"] = {"command": command}
    bench.commands["redis-benchmark CL.THROTTLE"] = {"command": ours}
    bench.commands["redis-benchmark INCR"] = {"command": theirs}
    mine, peer = [], []
    for _ in range(RUNS):
        mine.append(per_second(ours, "CL.THROTTLE"))
        peer.append(per_second(theirs, "INCR"))
    mine, peer = statistics.median(mine), statistics.median(peer)
    bench.row("resp", "CL.THROTTLE leased, pipeline 16: commands/s / redis-benchmark INCR", ">= 0.7", mine / peer, "x",
              (">=", 0.7), rps=mine, peer={"rps": peer})
    both = bench.alternate({"throttle": (port, worker_of(server), True), "incr": (other, incr.pid, True)},
                           "--connections", 50, "--pipeline", 16, "--units", 1000,
                           only={name: ("--profile", name) for name in ("throttle", "incr")})
    bench.row("lean", "the same by our load, which needs less of its core", "",
              both["throttle"]["rps"] / both["incr"]["rps"], "x", None, **columns(both["throttle"]), peer=both["incr"])
    server.close()
    incr.close()


SHRINK = "for _, k in ipairs(redis.call('KEYS', '*user:*')) do redis.call('SET', k, '1', 'PX', 3600000) end"


def bench_memory(bench):
    """A bucket, beside a string of one byte at the same key."""
    keys = 2000 if QUICK else 100000
    others, bench.redis = bench.redis, Redis()
    server = bench.start("--resp-port", "0")
    request(server.port, "PUT", "/v1/limits/load-strict", {"rate": 1, "per": "1h", "burst": 100})
    size = int(bench_cli(bench, "DBSIZE"))
    bench.drive("ratelimit", server.port, worker_of(server), "--profile", "strict", "--units", keys, "--requests", keys,
                "--warmup", "0s", "--duration", "60s", peer=True)
    held = int(bench_cli(bench, "DBSIZE")) - size
    full = used_memory(bench)
    bench_cli(bench, "EVAL", SHRINK, "0")
    bench.row("bucket", "a bucket in Redis beyond key and entry, of %d: bytes" % held, "<= 120",
              (full - used_memory(bench)) / held, "bytes", ("<=", 120))
    server.close()
    bench.redis.close()
    bench.redis = others


def bench_cli(bench, *command):
    return subprocess.run(["redis-cli", "-s", bench.redis.socket, *command], check=True, capture_output=True,
                          text=True).stdout.strip()


def bench_change(bench):
    """A PUT until each of four workers answers by it."""
    server = bench.start("--workers", "4", "--resp-port", "0")
    took = {"change": [], "cut": []}
    request(server.port, "PUT", "/v1/limits/changing", {"rate": 1, "per": "1h", "burst": 1})
    with server.connections(4) as connections:
        for turn in range(2 * CHANGES):
            kind = "cut" if turn % 2 else "change"
            if kind == "cut":
                bench_cli(bench, "CLIENT", "KILL", "TYPE", "pubsub")
            began = time.monotonic()
            body = {"rate": 1, "per": "1h", "burst": turn + 2}
            request(server.port, "PUT", "/v1/limits/changing", body)
            eventually(lambda body=body: all(burst_of(c) == body["burst"] for c in connections), "the change")
            took[kind].append(1000 * (time.monotonic() - began))
            eventually(lambda: request(server.port, "GET", "/readyz").status == 200, "readiness")
    bench.row("change", "a changed limit in force in 4 workers, the slowest of %d" % CHANGES, "<= 100 ms",
              max(took["change"]), "ms", ("<=", 100))
    bench.row("cut", "the same, the pub/sub links killed just before", "<= 1000 ms", max(took["cut"]), "ms",
              ("<=", 1000))
    server.close()


def burst_of(connection):
    """What that worker decides by."""
    peek = {"checks": [{"limit": "changing", "key": "k", "cost": 0}]}
    connection.send(render("POST", "/v1/check", peek))
    return connection.answer().json["results"][0]["quota"]


OUTAGES = 2 if QUICK else 5  # of two seconds, each against a new Redis
LOCAL = {"rate": 200, "burst": 300}


def bench_outages(bench):
    """Redis killed under more checks than the limit lets pass; four workers."""
    others, above = bench.redis, []
    for _ in range(OUTAGES):
        bench.redis = lab.Redis(appendfsync="always")
        server = bench.start("--workers", "4", "--resp-port", "0")
        request(server.port, "PUT", "/v1/limits/local", {"per": "1s", "on_redis_failure": "local", **LOCAL})
        with server.connections(4) as connections:
            for connection in connections:
                connection.send(outages.question("local", "another"))
                connection.answer()
        time.sleep(3)  # by then each worker has heard of all
        above.append(outages.excess(server, bench.redis, LOCAL | {"name": "local"}, [2], 4))
        server.close()
        bench.redis.close()
    bench.row("excess", "an outage of 2 s: tokens above the envelope by local, the most of %d" % OUTAGES,
              "<= 2 bursts", float(max(above) / LOCAL["burst"]), "bursts", ("<=", 2))
    bench.redis = lab.Redis()
    server = bench.start("--resp-port", "0")
    request(server.port, "PUT", "/v1/limits/open",
            {"rate": 1000000, "per": "1s", "on_redis_failure": "open", "deadline_ms": 200})
    seen, steady = outages.commands_on_return(server, bench.redis, "open")
    server.close()
    bench.redis.close()
    bench.redis = others
    bench.row("return", "commands in the 2 s after Redis returns / steady, killed or stopped", "<= 2",
              max(seen.values()) / steady, "x", ("<=", 2))


def bench_ratelimit(bench):
    bench_checks(bench)
    bench_steps(bench)
    bench_resp(bench)
    bench_memory(bench)
    bench_change(bench)
    bench_outages(bench)
