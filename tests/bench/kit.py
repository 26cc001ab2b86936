"""kit.py - what a service's rows are measured with: the peers, the runs, the table."""
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
from lab import LIVE, TOP, Connection, Service, eventually, free_port  # noqa: E402

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


class Peer:
    """A process that is measured, or measured beside."""

    def __init__(self, command, core, **streams):
        self.process = subprocess.Popen(on_core(core, command), **streams)
        self.pid = self.process.pid
        LIVE.append(self)

    def close(self):
        if self in LIVE:
            LIVE.remove(self)
        self.process.terminate()
        self.process.wait()

    def abandon(self):
        self.close()


class Redis(Peer):
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="bench-")
        self.socket = os.path.join(self.dir, "redis.sock")
        self.url = "unix://" + self.socket
        self.command = ["redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", self.dir,
                        "--save", "", "--appendonly", "yes", "--appendfsync", "everysec",
                        "--auto-aof-rewrite-percentage", "0"]  # in some windows and not in others
        self.logs = os.path.join(self.dir, "log")
        with open(self.logs, "ab") as log:
            super().__init__(self.command, core=1, stdout=log)
        eventually(lambda: os.path.exists(self.socket), "Redis")

    def warnings(self):
        """What it said of itself since it was ready, for who looks for the reason of a failed run."""
        with open(self.logs, encoding="utf-8", errors="replace") as file:
            return file.read().partition("ready to accept connections")[2].splitlines()[1:]

    def close(self):
        super().close()
        shutil.rmtree(self.dir, ignore_errors=True)


class Ceiling(Peer):
    name = "ceiling"

    def __init__(self, *options):
        self.port = free_port()
        self.command = [os.path.join(BUILD, "tests", "bench", "ceiling"), "--port", str(self.port), *options]
        super().__init__(self.command, core=0)
        self.configuration = ""


class Bare(Peer):
    """A load test's other half: accept, and write() the same bytes to each."""

    def __init__(self, service):
        self.port = free_port()
        self.command = [os.path.join(BUILD, service, service + "-load"), "--serve", str(self.port)]
        super().__init__(self.command, core=0)
        eventually(self._listens, "the bare loop")

    def _listens(self):
        with contextlib.suppress(OSError):
            Connection(self.port).close()
            return True
        return False


class Nginx(Peer):
    """nginx with one worker; body is what stands in its server block, more beside it."""
    name = "nginx"

    def __init__(self, body, modules="", more=""):
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
        if more:
            self.configuration = self.configuration.replace("    server {", "    %s\n    server {" % more)
        if "lua" not in modules:
            self.configuration = re.sub(r" *lua_package_path.*\n", "", self.configuration)
        path = os.path.join(self.dir, "nginx.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(self.configuration)
        self.command = ["nginx", "-c", path, "-g", "user root;"]
        if os.getuid():
            self.command = ["nginx", "-c", path]
        super().__init__(self.command, core=0, stderr=subprocess.DEVNULL)
        children = "/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)

        def worker():
            with open(children, encoding="ascii") as file:
                return file.read().split()
        self.pid = int(eventually(worker, "nginx")[0])

    def close(self):
        super().close()
        shutil.rmtree(self.dir, ignore_errors=True)


class Bench:
    """One service's rows."""

    def __init__(self, service):
        self.service = service
        self.load = os.path.join(BUILD, service, service + "-load")
        self.redis = Redis()
        self.runs = []
        self.rows = []
        self.commands = {"redis": {"command": self.redis.command}}
        self.machine, self.more, self.plot = {}, {}, None  # of the result: what a service adds, and its own picture

    def start(self, *options):
        if "--token-keys" not in options:
            options = ("--open",) + options
        if "--workers" not in options:
            options = ("--workers", "1") + options
        server = Service(self.service, "--max-connections", "20000", *options, redis=self.redis,
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
        if not os.path.exists(path) or not os.path.getsize(path):
            raise AssertionError("%s: %s" % (" ".join(command), done.stderr))
        with open(path, encoding="ascii") as file:
            result = json.load(file)
        os.unlink(path)
        result["who"], result["command"] = who, command
        self.runs.append(result)
        if sum(result["errors"].values()):
            print("  errors of %s: %s, status %s" % (who, result["errors"], result.get("wrong_status")))
        return result

    def alternate(self, contenders, *options, only=None, turns=RUNS):
        """{name: {figure: median}} of so many turns of each contender."""
        results = {name: [] for name in contenders}
        for _ in range(turns):
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

    def failed(self):
        """What Redis has to say about it, and nothing stays behind."""
        print("\n".join(self.redis.warnings()), file=sys.stderr)
        for left in reversed(list(LIVE)):
            left.abandon()

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


def used_memory(bench):
    text = subprocess.run(["redis-cli", "-s", bench.redis.socket, "INFO", "memory"], check=True,
                          capture_output=True, text=True).stdout
    return int(re.search(r"used_memory:(\d+)", text).group(1))


def resident(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1)) * 1024
