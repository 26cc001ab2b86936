"""What service tests stand on: real Redis servers, real services, a strict
HTTP client, and a runner that prints its cases as cmocka does.

Nothing here sleeps for luck: eventually() asks again until a thing is true.
"""
import contextlib
import http.client
import inspect
import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

BUILD = os.environ.get("LAB_BUILD", "build/san")
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOAK = bool(os.environ.get("LAB_SOAK"))
DEADLINE = 30  # seconds that eventually() gives a thing to become true


LIVE = []  # what was started and not closed yet


class Skip(Exception):
    """This case cannot run here; its text says why."""


def eventually(predicate, what="it", deadline=DEADLINE):
    """The first true value of predicate(), which is asked until then."""
    end = time.monotonic() + deadline
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("%s did not come true in %d s" % (what, deadline))
        time.sleep(0.01)


def free_port():
    """Below those that the kernel gives out: who listens on one of these is not called by another test's clients."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", random.randrange(10240, 32768)))
            return probe.getsockname()[1]


# ---- Redis

class RedisError(Exception):
    pass


class Redis:
    """
    A private Redis on a unix socket; its data outlives kill() and start().

    What it has answered is with the kernel then, which outlives the process.
    With everysec a write waits while an fsync is on its way, up to two seconds,
    and a kill takes it along.  A start repairs the AOF first, as ./lab does: it
    says why.
    """

    def __init__(self, *options, appendfsync="no"):
        if not shutil.which("redis-server"):
            raise Skip("redis-server is not installed")
        self.dir = tempfile.mkdtemp(prefix="lab-")
        self.socket = os.path.join(self.dir, "redis.sock")
        self.url = "unix://" + self.socket
        self.options = ["--appendonly", "yes", "--appendfsync", appendfsync, *options]
        self.process = None
        self.link = None
        self.lock = threading.Lock()  # cli() serves any thread
        LIVE.append(self)
        self.start()

    def start(self):
        manifest = os.path.join(self.dir, "appendonlydir", "appendonly.aof.manifest")
        with open(os.path.join(self.dir, "log"), "ab") as log:
            if os.path.exists(manifest):
                subprocess.run(["redis-check-aof", "--fix", manifest], input=b"y\n", stdout=log, stderr=log, check=True)
            self.process = subprocess.Popen(
                ["redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", self.dir,
                 "--save", "", *self.options], stdout=log, stderr=log)
        eventually(self._answers, "Redis")

    def _answers(self):
        try:
            return self.cli("PING") == "PONG"
        except (OSError, RedisError):
            return False

    def cli(self, *args):
        """One command; nested lists, str or int; RedisError on an error."""
        with self.lock:
            return self._command(*args)

    def _command(self, *args):
        if self.link is None:
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(DEADLINE)
            sock.connect(self.socket)
            self.link = sock.makefile("rwb")
            sock.close()
        try:
            parts = [a if isinstance(a, bytes) else str(a).encode() for a in args]
            self.link.write(b"*%d\r\n" % len(parts) +
                            b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
            self.link.flush()
            return self._reply()
        except OSError:
            self._hang_up()
            raise

    def _reply(self):
        line = self.link.readline()
        if not line:
            self._hang_up()
            raise OSError("Redis closed the connection")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"+":
            return rest
        if kind == b"-":
            raise RedisError(rest)
        if kind == b":":
            return int(rest)
        if int(rest) < 0:
            return None
        if kind == b"$":
            return self.link.read(int(rest) + 2)[:-2].decode(errors="surrogateescape")
        return [self._reply() for _ in range(int(rest))]

    def _hang_up(self):
        if self.link:
            with contextlib.suppress(OSError):
                self.link.close()
        self.link = None

    def hash(self, key):
        flat = self.cli("HGETALL", key)
        return dict(zip(flat[::2], flat[1::2]))

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self._hang_up()
        self.process.send_signal(signal.SIGKILL)
        self.process.send_signal(signal.SIGCONT)
        self.process.wait()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.socket)

    def close(self):
        if self in LIVE:
            LIVE.remove(self)
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    abandon = close


# ---- TLS

@contextlib.contextmanager
def tls_options():
    """A port, a certificate of localhost that is made here, and the options of a service that has them."""
    if not shutil.which("openssl"):
        raise Skip("openssl is not installed")
    with tempfile.TemporaryDirectory() as folder:
        cert, key = folder + "/cert.pem", folder + "/key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                       check=True, capture_output=True)
        port = free_port()
        yield port, cert, ("--tls-port", str(port), "--tls-cert", cert, "--tls-key", key)


# ---- a service

class Service:
    """A service of this build; close() asserts a clean end."""

    def __init__(self, name, *options, redis=None, binary=None, ready=True, env=None, port=None):
        self.name = name
        self.port = port or free_port()
        self.dir = tempfile.mkdtemp(prefix="lab-")
        self.binary = binary or os.path.join(BUILD, name, name)
        self.logs = os.path.join(self.dir, "stderr")
        self.command = [self.binary, "--port", str(self.port), *options]
        if "--write-rate" not in options:
            self.command += ["--write-rate", "0"]
        if redis:
            self.command += ["--redis", redis.url]
        environment = dict(
            os.environ, JOIN_RATE="0", ASAN_OPTIONS="exitcode=86:detect_leaks=1",
            UBSAN_OPTIONS="halt_on_error=1:exitcode=86:print_stacktrace=1", **(env or {}))
        with open(self.logs, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env=environment,
                                            start_new_session=True)
        LIVE.append(self)
        if ready:
            self.wait_ready()
            workers = [more for option, more in zip(self.command, self.command[1:]) if option == "--workers"]
            if workers:  # the others, too
                self.wait_logged("accepting", int(workers[-1]))

    def _is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError("%s ended: %s" % (self.name, self.log()))
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.get("/readyz").status == 200
        return False

    def wait_ready(self):
        eventually(self._is_ready, self.name + " being ready")

    def log(self):
        with open(self.logs, encoding="utf-8", errors="replace") as file:
            return file.read()

    def logged(self, msg):
        """What was logged with that message, oldest first."""
        lines = []
        for line in self.log().splitlines():
            with contextlib.suppress(ValueError):
                lines.append(json.loads(line))
        return [line for line in lines if line["msg"] == msg]

    def wait_logged(self, msg, count=1):
        eventually(lambda: len(self.logged(msg)) >= count, "%d times %r" % (count, msg))

    def workers(self):
        """The pids of the workers, oldest first."""
        path = "/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)
        with open(path, encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]

    def kill_worker(self, number=0):
        """kill -9 one worker, as soon as there is one (its turn to be started again may not have come)."""
        eventually(lambda: len(self.workers()) > number, "a worker to kill")
        pid = self.workers()[number]
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: pid not in self.workers(), "the worker's end")

    def signal(self, number):
        self.process.send_signal(number)

    @contextlib.contextmanager
    def connections(self, workers):
        """A connection to each of so many workers."""
        found = {}

        def all_found():
            connection = Connection(self.port)
            worker = connection.get("/healthz").json["worker"]
            found.setdefault(worker, connection)
            if found[worker] is not connection:
                connection.close()
            return len(found) == workers
        try:
            eventually(all_found, "a connection to each worker")
            yield list(found.values())
        finally:
            for connection in found.values():
                connection.close()

    def request(self, method, path, body=None, headers=None):
        return request(self.port, method, path, body, headers)

    def get(self, path, headers=None):
        return self.request("GET", path, headers=headers)

    def metric(self, name):
        """The sum over a metric's series."""
        total = 0.0
        for line in self.get("/metrics").text.splitlines():
            if line.startswith((name + " ", name + "{")):
                total += float(line.rsplit(" ", 1)[1])
        return total

    def close(self, status=0):
        """End it by SIGTERM; it must end well and without a finding."""
        if self in LIVE:
            LIVE.remove(self)
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            ended = self.process.wait(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError("%s does not end: %s" % (self.name, self.log()[-2000:])) from None
        text = self.log()
        shutil.rmtree(self.dir, ignore_errors=True)
        assert "Sanitizer" not in text and "runtime error" not in text, text[-6000:]
        assert ended == status, "exit %s: %s" % (ended, text[-3000:])

    def abandon(self):
        """After a failure: make sure that nothing stays behind."""
        if self in LIVE:
            LIVE.remove(self)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


# ---- HTTP

class Answer:
    """A whole answer; headers by lower-case name (the last wins) and in order."""

    def __init__(self, status, pairs, body):
        self.status = status
        self.pairs = pairs
        self.headers = {name.lower(): value for name, value in pairs}
        self.body = body

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def slug(self):
        """What ends the type of a problem."""
        assert self.headers.get("content-type") == "application/problem+json", self
        problem = self.json
        assert problem["status"] == self.status, problem
        return problem["type"].removeprefix("/problems/")

    def __repr__(self):
        return "<%d %s %r>" % (self.status, self.headers, self.body[:400])


class Connection:
    """A client that sends what it is told and reads answers strictly."""

    def __init__(self, port, timeout=DEADLINE):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.data = b""

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        """Leave without a word."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _more(self):
        data = self.sock.recv(65536)
        self.data += data
        return data

    def _until(self, mark):
        while mark not in self.data:
            if not self._more():
                raise EOFError("closed in the middle: %r" % self.data)
        piece, self.data = self.data.split(mark, 1)
        return piece

    def _exactly(self, size):
        while len(self.data) < size:
            if not self._more():
                raise EOFError("closed in the middle of a body")
        piece, self.data = self.data[:size], self.data[size:]
        return piece

    def _chunks(self):
        body = b""
        while True:
            size = int(self._until(b"\r\n"), 16)
            body += self._exactly(size)
            assert self._exactly(2) == b"\r\n"
            if size == 0:
                return body

    def answer(self, head=False, informational=False):
        """The next answer; EOFError when the server closed before one."""
        if not self.data and not self._more():
            raise EOFError("closed")
        lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.1 (\d{3}) [\x20-\x7e]+", lines[0])
        assert match, lines[0]
        status = int(match.group(1))
        pairs = [tuple(line.split(": ", 1)) for line in lines[1:]]
        answer = Answer(status, pairs, b"")
        if status == 100 and not informational:
            return self.answer(head)
        if status >= 200:
            assert "date" in answer.headers and "x-request-id" in answer.headers, answer
        if head or status in (100, 204, 304):
            return answer
        if answer.headers.get("transfer-encoding") == "chunked":
            answer.body = self._chunks()
        else:
            answer.body = self._exactly(int(answer.headers["content-length"]))
        return answer

    def get(self, path, headers=None):
        self.send(render("GET", path, headers=headers))
        return self.answer()

    def is_closed(self):
        """True when the server has closed and sent nothing more."""
        try:
            return not self.data and not self._more()
        except ConnectionResetError:
            return True

    def close(self):
        self.sock.close()


def render(method, path, body=None, headers=None, host="localhost"):
    lines = ["%s %s HTTP/1.1" % (method, path), "Host: " + host]
    given = {name.lower() for name in headers or {}}
    if body is not None and not isinstance(body, (bytes, str)):
        body = json.dumps(body)
        if "content-type" not in given:
            lines.append("Content-Type: application/json")
    if isinstance(body, str):
        body = body.encode()
    if "user-agent" not in given:
        lines.append("User-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/115.0")
    lines += ["%s: %s" % pair for pair in (headers or {}).items()]
    if body is not None:
        lines.append("Content-Length: %d" % len(body))
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


def request(port, method, path, body=None, headers=None):
    """One exchange on a connection of its own."""
    connection = Connection(port)
    try:
        connection.send(render(method, path, body, {"Connection": "close"} | (headers or {})))
        return connection.answer(head=method == "HEAD")
    finally:
        connection.close()


# ---- fixtures

def redis():
    server = Redis()
    yield server
    server.close()


def directory():
    path = tempfile.mkdtemp(prefix="lab-")
    yield path
    shutil.rmtree(path)


def write_file(folder, name, text, mode=0o600):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


# ---- the runner

def same(value, expected, what=""):
    assert value == expected, "%s%r is not %r" % ("%s: " % (what,) if what else "", value, expected)


class Fixtures:
    """Makes what a test's parameters name; undone in reverse order."""

    def __init__(self, makers):
        self.makers = makers
        self.made = {}
        self.stack = contextlib.ExitStack()

    def get(self, name):
        if name not in self.made:
            maker = self.makers[name]
            args = [self.get(n) for n in inspect.signature(maker).parameters]
            self.made[name] = self.stack.enter_context(contextlib.contextmanager(maker)(*args))
        return self.made[name]


def run(module, **makers):
    """Run module's test_* functions; makers are generators, as for fixtures."""
    wanted = [a for a in sys.argv[1:] if not a.startswith("-")]
    results = []
    for name, function in list(vars(module).items()):
        if not name.startswith("test_") or (wanted and name not in wanted):
            continue
        print("[ RUN      ] " + name, flush=True)
        fixtures = Fixtures(makers)
        result = "OK"
        try:
            with fixtures.stack:
                function(*[fixtures.get(n) for n in inspect.signature(function).parameters])
        except Skip as reason:
            result = "SKIPPED"
            print("skipped: %s" % reason)
        except Exception:  # pylint: disable=broad-except
            result = "FAILED"
            traceback.print_exc(file=sys.stdout)
        for left in list(LIVE):
            left.abandon()
        results.append(result)
        print("[%s ] %s" % (result.rjust(9), name), flush=True)
    if "FAILED" in results or not results:
        sys.exit(1)
    sys.exit(77 if set(results) == {"SKIPPED"} else 0)
