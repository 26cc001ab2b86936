"""bench.py [--quick] [--commit-results] [service ...]: every row of a
service's table, measured beside its peer in one run.

The server is pinned to core 0, Redis and the load to core 1.  Server and peers
take turns, RUNS times each; what counts is the median of each figure and the
ratio of the medians.  A peer that is not installed is "not run", by name.
"""
import contextlib
import datetime
import json
import os
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
sys.path.insert(0, os.path.dirname(__file__))
# pylint: disable=wrong-import-position
from lab import TOP, Connection, Service, eventually, free_port, render, request  # noqa: E402
import report  # noqa: E402

BUILD = os.path.join(TOP, "build", "release")
QUICK = "--quick" in sys.argv
RUNS = 1 if QUICK else 5
SECONDS = 1 if QUICK else 4
WARMUP = "300ms" if QUICK else "1s"


def pin(core, pid):
    """All threads of a running process; new ones follow."""
    for task in os.listdir("/proc/%d/task" % pid):
        with contextlib.suppress(ProcessLookupError, OSError):
            os.sched_setaffinity(int(task), {core % os.cpu_count()})


def on_core(core, command):
    return ["taskset", "-c", str(core % os.cpu_count())] + command


class Redis:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="bench-")
        self.socket = os.path.join(self.dir, "redis.sock")
        self.url = "unix://" + self.socket
        self.command = ["redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", self.dir,
                        "--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]
        self.process = subprocess.Popen(on_core(1, self.command), stdout=subprocess.DEVNULL)
        self.pid = self.process.pid
        eventually(lambda: os.path.exists(self.socket), "Redis")

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Ceiling:
    name = "ceiling"

    def __init__(self):
        self.port = free_port()
        self.command = [os.path.join(BUILD, "tests", "bench", "ceiling"), "--port", str(self.port)]
        self.process = subprocess.Popen(on_core(0, self.command))
        self.pid = self.process.pid
        self.configuration = ""

    def close(self):
        self.process.terminate()
        self.process.wait()


class Nginx:
    """nginx with one worker; body is what stands in its server block."""
    name = "nginx"

    def __init__(self, body, modules=""):
        self.dir = tempfile.mkdtemp(prefix="bench-")
        self.port = free_port()
        self.configuration = """%s
worker_processes 1; daemon off; pid %s/pid; error_log %s/error;
events { worker_connections 20000; }
http {
    access_log off; keepalive_requests 1000000000; keepalive_timeout 600;
    lua_package_path "/usr/share/lua/5.1/?.lua;;";
    client_body_temp_path %s/body; proxy_temp_path %s/proxy; fastcgi_temp_path %s/fastcgi;
    uwsgi_temp_path %s/uwsgi; scgi_temp_path %s/scgi;
    server { listen 127.0.0.1:%d; %s }
}
""" % (modules, *[self.dir] * 7, self.port, body)
        if not modules:
            self.configuration = re.sub(r" *lua_package_path.*\n", "", self.configuration)
        path = os.path.join(self.dir, "nginx.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(self.configuration)
        self.command = ["nginx", "-c", path, "-g", "user root;"]
        if os.getuid():
            self.command = ["nginx", "-c", path]
        self.process = subprocess.Popen(on_core(0, self.command), stderr=subprocess.DEVNULL)
        children = "/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)

        def worker():
            with open(children, encoding="ascii") as file:
                return file.read().split()
        self.pid = int(eventually(worker, "nginx")[0])

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


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


class Bench:
    """One service's rows."""

    def __init__(self, service):
        self.service = service
        self.load = os.path.join(BUILD, service, service + "-load")
        self.redis = Redis()
        self.runs = []
        self.rows = []
        self.commands = {"redis": {"command": self.redis.command}}

    def start(self, *options):
        server = Service(self.service, "--open", "--workers", "1", "--max-connections", "20000",
                         *options, redis=self.redis,
                         binary=os.path.join(BUILD, self.service, self.service))
        pin(0, server.process.pid)
        for pid in server.workers():
            pin(0, pid)
        self.commands[self.service] = {"command": server.command}
        return server

    def drive(self, who, port, pid, *options, peer=False):
        """One run of the load generator; its result."""
        path = os.path.join(self.redis.dir, "result.json")
        command = [self.load, "--url", "http://127.0.0.1:%d" % port, "--server-pid", str(pid),
                   "--redis-pid", str(self.redis.pid), "--warmup", WARMUP, "--json", path,
                   *[str(o) for o in options]]
        if "--duration" not in options:
            command += ["--duration", "%ds" % SECONDS]
        if peer:
            command.append("--no-prepare")
        done = subprocess.run(on_core(1, command), capture_output=True, text=True, check=False)
        if not os.path.exists(path):
            raise AssertionError("%s: %s" % (" ".join(command), done.stderr))
        with open(path, encoding="ascii") as file:
            result = json.load(file)
        os.unlink(path)
        result["who"], result["command"] = who, command
        self.runs.append(result)
        if sum(result["errors"].values()):
            print("  errors of %s: %s, status %s" % (who, result["errors"], result.get("wrong_status")))
        return result

    def alternate(self, contenders, *options, only=None):
        """{name: {figure: median}} of RUNS turns of each contender."""
        results = {name: [] for name in contenders}
        for _ in range(RUNS):
            for name, (port, pid, peer) in contenders.items():
                extra = (only or {}).get(name, ())
                results[name].append(self.drive(name, port, pid, *options, *extra, peer=peer))
        return {name: median(runs) for name, runs in results.items()}

    def row(self, name, what, target, value, unit, bound, **columns):
        """
        name: by which the README's text quotes it; bound: ("<=" or ">=", number),
        None where there is nothing to hold.
        """
        met = None
        if bound and value is not None:
            met = value <= bound[1] if bound[0] == "<=" else value >= bound[1]
        self.rows.append({"name": name, "what": what, "target": target, "value": value, "unit": unit, "met": met,
                          **columns})
        shown = "not run" if value is None else "%.3g %s" % (value, unit)
        print("%-52s %-14s %s%s" % (what, shown, target,
                                    "" if met is None else "  ok" if met else "  MISSED"), flush=True)

    def close(self):
        self.redis.close()


def median(runs):
    def of(pick):
        values = [v for v in map(pick, runs) if v is not None]
        return statistics.median(values) if values else None
    return {
        "cpu": of(lambda r: r.get("server_cpu_us")),
        "redis_cpu": of(lambda r: r.get("redis_cpu_us")),
        "rps": of(lambda r: r["requests_per_s"]),
        "p99": of(lambda r: r["latency_us"]["p99"]),
        "latency": {q: of(lambda r, q=q: r["latency_us"][q]) for q in ("p50", "p90", "p99", "p999", "max")},
        "idle": of(lambda r: r.get("idle_connection_bytes")),
        "errors": sum(sum(r["errors"].values()) for r in runs),
    }


def columns(figures):
    return {"cpu_us": figures["cpu"], "redis_cpu_us": figures["redis_cpu"], "rps": figures["rps"],
            "p99_us": figures["p99"], "latency_us": figures["latency"]}


def ratio(ours, theirs, key="cpu"):
    return None if theirs is None else ours[key] / theirs[key]


def worker_of(server):
    return server.workers()[0]


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


def used_memory(bench):
    text = subprocess.run(["redis-cli", "-s", bench.redis.socket, "INFO", "memory"], check=True,
                          capture_output=True, text=True).stdout
    return int(re.search(r"used_memory:(\d+)", text).group(1))


def resident(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1)) * 1024


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


BENCHES = {"shortener": bench_shortener}


def version_of(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return (done.stdout or done.stderr).strip().splitlines()[0]
    except (OSError, IndexError):
        return "not installed"


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    return {
        "cpu": model.group(1) if model else platform.machine(), "cores": os.cpu_count(),
        "kernel": platform.release(), "redis": version_of("redis-server", "--version"),
        "nginx": version_of("nginx", "-v"), "compiler": version_of("cc", "--version"),
        "commit": version_of("git", "-C", TOP, "rev-parse", "--short", "HEAD"),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
    }


def main():
    names = [a for a in sys.argv[1:] if not a.startswith("-")] or list(BENCHES)
    out = os.path.join(TOP, "out", time.strftime("%Y%m%d-%H%M%S"))
    os.makedirs(out, exist_ok=True)
    missed = 0
    for name in names:
        if name not in BENCHES:
            sys.exit("no bench of %s; there are: %s" % (name, " ".join(BENCHES)))
        bench = Bench(name)
        print("%s: %d run%s of %d s each%s" % (name, RUNS, "s" if RUNS > 1 else "", SECONDS,
                                               ", quick: no figure counts" if QUICK else ""))
        try:
            BENCHES[name](bench)
        finally:
            bench.close()
        result = {"service": name, "machine": machine(), "rows": bench.rows, "commands": bench.commands,
                  "runs": bench.runs}
        result = json.loads(json.dumps(result).replace(TOP + os.sep, ""))  # paths of the tree only
        with open(os.path.join(out, "results.json"), "w", encoding="ascii") as file:
            json.dump(result, file, indent=1)
        with open(os.path.join(out, "report.html"), "w", encoding="utf-8") as file:
            file.write(report.page(result))
        if "--commit-results" in sys.argv:
            with open(os.path.join(TOP, name, "bench.json"), "w", encoding="ascii") as file:
                json.dump(result, file, indent=1)
            report.fill_readme(os.path.join(TOP, name, "README.md"), result)
        missed += sum(row["met"] is False for row in bench.rows)
    print("report: %s" % os.path.relpath(os.path.join(out, "report.html"), TOP))
    sys.exit(1 if missed and not QUICK else 0)


main()
