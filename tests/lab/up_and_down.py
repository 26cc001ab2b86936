"""up_and_down.py - ./lab itself: what it starts, what it stops, what it says.

Each case has a tree of its own: the script, the services of this build, ports
and a Redis that nobody else has.
"""
import contextlib
import http.server
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
from lab import BUILD, DEADLINE, LIVE, TOP, Skip, eventually, request, run, same  # noqa: E402

SERVICES = ("shortener", "ratelimit", "notifier", "chat", "search")
PORTS = {"shortener": 1, "ratelimit": 2, "notifier": 3, "chat": 4, "search": 5, "resp": 12}  # after LAB_PORT
# What apt and ninja would say: all is installed and built.
STUBS = {"dpkg-query": "echo installed", "ninja": "exit 0"}


def is_free(port):
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False


def free_ports():
    """A LAB_PORT the ports after which nobody has."""
    def find():
        base = random.randrange(10000, 32000)  # below those that the system gives to clients
        return all(is_free(base + after) for after in PORTS.values()) and base
    return eventually(find, "free ports")


class Tree:
    """A copy of ./lab, with this build as its release."""

    def __init__(self):
        if not shutil.which("redis-server"):
            raise Skip("redis-server is not installed")
        self.dir = tempfile.mkdtemp(prefix="lab-")
        self.ports = free_ports()
        self.open = []
        shutil.copy(os.path.join(TOP, "lab"), self.dir)
        os.symlink(os.path.join(TOP, "tests"), os.path.join(self.dir, "tests"))
        for name in SERVICES:
            os.symlink(os.path.join(TOP, name), os.path.join(self.dir, name))
        os.mkdir(os.path.join(self.dir, "build"))
        os.symlink(os.path.abspath(BUILD), os.path.join(self.dir, "build", "release"))
        os.mkdir(os.path.join(self.dir, "bin"))
        for name, text in STUBS.items():
            path = os.path.join(self.dir, "bin", name)
            with open(path, "w", encoding="ascii") as file:
                file.write("#!/bin/sh\n%s\n" % text)
            os.chmod(path, 0o755)
        LIVE.append(self)

    def start(self, *args, **env):
        # A test run in the background ignores SIGINT, and so would its shell.
        path = os.path.join(self.dir, "bin") + ":" + os.environ["PATH"]
        process = subprocess.Popen(
            ["env", "--default-signal=INT", os.path.join(self.dir, "lab"), *args], text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=os.environ | {"PATH": path, "LAB_PORT": str(self.ports)} | env)
        self.open.append(process)
        return process

    def lab(self, *args, status=0, **env):
        """stdout and stderr of a command that ends so."""
        process = self.start(*args, **env)
        out, err = process.communicate(timeout=DEADLINE)
        same(process.returncode, status, (args, out, err))
        return out, err

    def port(self, name):
        return self.ports + PORTS[name]

    def running(self):
        """{name: pid} of what ./lab status says is running."""
        rows = [line.split(None, 2) for line in self.lab("status")[0].splitlines()[1:]]
        return {name: int(pid) for name, pid, _ in rows if pid != "-"}

    def down(self):
        self.lab("down")
        same(self.running(), {})

    def abandon(self):
        LIVE.remove(self)
        for process in self.open:
            if process.poll() is None:
                process.kill()
            process.communicate()
        self.lab("down")
        shutil.rmtree(self.dir)

    close = abandon


def tree():
    made = Tree()
    yield made
    if made in LIVE:
        made.close()


class Ready(http.server.BaseHTTPRequestHandler):
    """Another's service: all that it is asked for is well."""

    def do_GET(self):  # pylint: disable=invalid-name
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status": "ok", "pid": 1}')

    def log_message(self, *args):  # pylint: disable=arguments-differ
        pass


@contextlib.contextmanager
def foreigner(port):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Ready)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def foreground(tree, *args):
    """./lab up that has said that it is up."""
    process = tree.start("up", *args)
    for line in process.stdout:
        if line.startswith("Ctrl-C"):
            return process
    raise AssertionError(process.communicate()[1])


def ends(process, status):
    err = process.communicate(timeout=DEADLINE)[1]
    same(process.returncode, status, err)
    return err


def columns(text):
    """However wide they are: ports have four digits or five."""
    return re.sub(" +", " ", text)


# ---- up and down

def test_up_prints_what_the_readme_shows(tree):
    out = tree.lab("up", "-d")[0]
    table = out.split("\n\n")[0]
    for name, after in PORTS.items():
        table = table.replace(str(tree.port(name)), str(8100 + after))
    with open(os.path.join(TOP, "README.md"), encoding="utf-8") as file:
        readme = file.read()
    assert "```\n%s\n```" % columns(table) in columns(readme), table
    same(sorted(tree.running()), sorted(SERVICES + ("redis",)))
    tree.down()


def test_down_says_what_it_waits_for(tree):
    tree.lab("up", "-d", "shortener")
    err = tree.lab("down")[1]
    for name in ("shortener", "redis"):
        assert "stopping %s (draining, at most 10 s)\n" % name in err, err
    same(tree.lab("down"), ("", ""))


def test_up_again_keeps_what_runs(tree):
    tree.lab("up", "-d", "shortener")
    before = tree.running()
    assert "shortener runs already" in tree.lab("up", "-d", "shortener")[0]
    assert "shortener runs already" in tree.lab("up", "shortener")[0]  # and has nothing to wait for
    same(tree.running(), before)
    err = tree.lab("up", "-d", "--redis", "redis://127.0.0.1:1", status=1)[1]
    assert "shortener runs already, with unix://" in err, err
    same(tree.running(), before)


def test_up_starts_a_redis_that_died(tree):
    tree.lab("up", "-d", "shortener")
    before = tree.running()
    os.kill(before["redis"], signal.SIGKILL)
    eventually(lambda: "redis" not in tree.running(), "the end of Redis")
    tree.lab("up", "-d", "shortener")
    after = tree.running()
    same(after["shortener"], before["shortener"])
    assert after["redis"] != before["redis"]
    same(request(tree.port("shortener"), "POST", "/v1/links", {"url": "https://example.com/"}).status, 201)


def test_up_repairs_what_redis_died_in(tree):
    """It would cut off the SET alone, and do whatever follows with the MULTI at the start after the next."""
    tree.lab("up", "-d", "shortener")
    os.kill(tree.running()["redis"], signal.SIGKILL)
    eventually(lambda: "redis" not in tree.running(), "the end of Redis")
    path = os.path.join(tree.dir, "var", "redis", "appendonlydir", "appendonly.aof.1.incr.aof")
    with open(path, "ab") as file:
        size = file.tell()
        file.write(b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$1\r\n1\r\n*3\r\n$3\r\nSET\r\n$4")
    tree.lab("up", "-d", "shortener")
    with open(path, "rb") as file:
        file.seek(size)
        assert b"half" not in file.read()
    same(request(tree.port("shortener"), "POST", "/v1/links", {"url": "https://example.com/"}).status, 201)


def test_status_counts_no_zombie_as_running(tree):
    tree.lab("status")
    zombie = subprocess.Popen(["true"])  # pylint: disable=consider-using-with

    def fields():
        with open("/proc/%d/stat" % zombie.pid, encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()
    eventually(lambda: fields()[0] == "Z", "a zombie")
    with open(os.path.join(tree.dir, "var", "run", "redis"), "w", encoding="ascii") as file:
        file.write("%d %s\n" % (zombie.pid, fields()[19]))
    same(tree.running(), {})
    zombie.wait()


# ---- what only looks like a service

def test_up_fails_where_another_has_the_port(tree):
    with foreigner(tree.port("shortener")):
        err = tree.lab("up", "-d", "shortener", status=1)[1]
    for words in ("port %d: address already in use" % tree.port("shortener"),
                  "another process answers http://127.0.0.1:%d/healthz" % tree.port("shortener"),
                  "lab: shortener is not up"):
        assert words in err, err
    same(tree.running(), {})


def test_up_that_fails_stops_only_what_it_started(tree):
    tree.lab("up", "-d", "ratelimit")
    before = tree.running()
    with foreigner(tree.port("shortener")):
        tree.lab("up", "-d", "ratelimit", "shortener", status=1)
        tree.lab("up", "shortener", status=1)
    same(tree.running(), before)


# ---- in the foreground

def test_ctrl_c_stops_only_what_this_up_started(tree):
    tree.lab("up", "-d", "ratelimit")
    before = tree.running()
    process = foreground(tree, "shortener")
    same(sorted(tree.running()), ["ratelimit", "redis", "shortener"])
    process.send_signal(signal.SIGINT)
    ends(process, 0)
    same(tree.running(), before)


def test_ctrl_c_stops_all_that_this_up_started(tree):
    process = foreground(tree)
    same(sorted(tree.running()), sorted(SERVICES + ("redis",)))
    process.send_signal(signal.SIGINT)
    ends(process, 0)
    same(tree.running(), {})


def test_service_that_ends_ends_only_the_up_that_started_it(tree):
    tree.lab("up", "-d", "ratelimit")
    before = tree.running()
    process = foreground(tree, "shortener")
    os.kill(tree.running()["shortener"], signal.SIGKILL)
    assert "shortener ended" in ends(process, 1)
    same(tree.running(), before)


# ---- the environment

def test_options_come_from_the_environment_but_those_of_the_lab(tree):
    tree.lab("up", "-d", WORKERS="2", PORT="x", HOST="nowhere", RESP_PORT="1", REDIS_URL="x", OPEN="x",
             LAB="x", TOKEN_KEYS="/", DATA_DIR="/", HELP="yes", VERSION="1.2")
    for name, pid in tree.running().items():
        with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as file:
            same(len(file.read().split()), {"redis": 0, "search": 3}.get(name, 2), name)  # search has an indexer


run(sys.modules[__name__], tree=tree)
