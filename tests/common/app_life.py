#!/usr/bin/env python3
"""app_life.py - life and death of a service's processes.

usage: app_life.py EXAMPLE_BINARY [unittest options]

The example service with a real Redis: crash, drain, rolling restart, refusal
to start. Nothing sleeps for luck: each wait is for a fact, with a deadline.
"""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

BINARY = None
DEADLINE = 30.0


def wait_until(fact, what):
    """Turn until fact() is true; give up loudly."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        value = fact()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError("never: " + what)


class Redis:
    def __init__(self, directory):
        self.path = os.path.join(directory, "r.sock")
        self.url = "unix://" + self.path
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.path,
             "--save", "", "--dir", os.path.dirname(self.path)],
            stdout=subprocess.DEVNULL)
        wait_until(self.answers, "Redis answers")

    def answers(self):
        try:
            return self.call("PING") == b"+PONG\r\n"
        except OSError:
            return False

    def call(self, *words):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(DEADLINE)
            s.connect(self.path)
            text = b"*%d\r\n" % len(words)
            for word in words:
                text += b"$%d\r\n%s\r\n" % (len(word), word.encode())
            s.sendall(text)
            return s.recv(65536)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


class Service:
    """One master (or --single) and the log lines it and its workers write."""

    def __init__(self, redis, *options, binary=None):
        self.lines = []
        self.process = subprocess.Popen(
            [binary or BINARY, "--port", "0", "--redis", redis.url, *options],
            stderr=subprocess.PIPE, start_new_session=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for raw in self.process.stderr:
            try:
                self.lines.append(json.loads(raw))
            except ValueError:
                self.lines.append({"msg": raw.decode(errors="replace")})

    def logged(self, msg):
        return [line for line in list(self.lines) if line["msg"] == msg]

    def wait_logged(self, msg, count):
        wait_until(lambda: len(self.logged(msg)) >= count,
                   "%d × %s in %s" % (count, msg, self.lines[-10:]))

    def wait_up(self, workers=1):
        self.wait_logged("accepting", workers)
        self.port = self.logged("accepting")[0]["port"]
        return self

    def pids(self):
        """Worker pids, by the kernel's word."""
        path = "/proc/%d/task/%d/children" % (self.process.pid,
                                              self.process.pid)
        with open(path) as file:
            return [int(pid) for pid in file.read().split()]

    def get(self, path, method="GET"):
        """One exchange on a fresh connection: status, body."""
        c = http.client.HTTPConnection("127.0.0.1", self.port,
                                       timeout=DEADLINE)
        try:
            c.request(method, path)
            answer = c.getresponse()
            return answer.status, answer.read()
        finally:
            c.close()

    def metric(self, name):
        status, body = self.get("/metrics")
        assert status == 200, status
        found = re.search(r"^%s (\S+)$" % re.escape(name), body.decode(), re.M)
        return float(found.group(1)) if found else 0.0

    def signal(self, signo):
        self.process.send_signal(signo)

    def wait(self):
        status = self.process.wait(DEADLINE)
        self.reader.join(DEADLINE)
        self.process.stderr.close()
        return status

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        if not self.process.stderr.closed:
            self.wait()


def gone(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


class Life(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="app_life")
        self.redis = Redis(self.dir)
        self.services = []

    def tearDown(self):
        for service in self.services:
            service.stop()
        self.redis.stop()
        shutil.rmtree(self.dir)

    def start(self, *options, workers=1, binary=None):
        if self.redis.process is None:
            self.redis.start()
        service = Service(self.redis, "--workers", str(workers), *options,
                          binary=binary)
        self.services.append(service)
        return service.wait_up(workers)

    def file(self, name, text, mode=0o600):
        path = os.path.join(self.dir, name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
        return path


class Crash(Life):
    def test_killed_worker_is_restarted_and_sums_never_shrink(self):
        s = self.start(workers=4)
        for _ in range(40):
            self.assertEqual(s.get("/v1/counters/a", "POST")[0], 200)
        names = ["example_added_total", "example_restarts"]
        last = 0.0
        for scrape in range(10):
            if scrape == 4:
                os.kill(s.pids()[1], signal.SIGKILL)
            value = s.metric(names[0])
            self.assertGreaterEqual(value, last)
            self.assertEqual(value, 40 + scrape)
            last = value
            self.assertEqual(s.get("/v1/counters/a", "POST")[0], 200)
        s.wait_logged("accepting", 5)
        self.assertEqual(s.metric("example_worker_restarts_total"), 1)
        self.assertEqual(s.metric("example_added_total"), 50)
        self.assertEqual(len(s.pids()), 4)

    def test_worker_that_goes_on_crashing_backs_off(self):
        s = self.start()
        for crash in range(4):
            os.kill(s.pids()[0], signal.SIGKILL)
            s.wait_logged("accepting", crash + 2)
        self.assertEqual(s.get("/healthz")[0], 200)
        self.assertEqual(s.metric("example_worker_restarts_total"), 4)

    def test_crash_point_kills_the_first_worker_that_comes_there(self):
        s = self.start("--crash-at", "before-add")
        with self.assertRaises((OSError, http.client.HTTPException)):
            s.get("/v1/counters/a", "POST")
        s.wait_logged("accepting", 2)
        self.assertEqual(s.get("/v1/counters/a", "POST")[0], 200)
        self.assertEqual(s.metric("example_added_total"), 2)

    def test_workers_end_with_a_killed_master(self):
        s = self.start(workers=3)
        pids = s.pids()
        self.assertEqual(len(pids), 3)
        s.signal(signal.SIGKILL)
        for pid in pids:
            wait_until(lambda p=pid: gone(p), "worker %d ends" % pid)
        with self.assertRaises(OSError):
            socket.create_connection(("127.0.0.1", s.port), 5)


class End(Life):
    def test_sigterm_and_sigint_drain_and_exit_0(self):
        for options in [(), ("--single",)]:
            for signo in [signal.SIGTERM, signal.SIGINT]:
                s = self.start(*options)
                self.assertEqual(s.get("/v1/counters/a", "POST")[0], 200)
                s.signal(signo)
                self.assertEqual(s.wait(), 0, s.lines)

    def test_signal_to_the_whole_group_drains_too(self):
        for signo in [signal.SIGTERM, signal.SIGINT]:
            s = self.start(workers=2)
            os.killpg(s.process.pid, signo)
            self.assertEqual(s.wait(), 0)
            self.assertFalse([x for x in s.logged("worker ended")
                              if x["status"] or x["signal"]], s.lines)

    def test_idle_connection_does_not_outlast_the_drain_timeout(self):
        s = self.start("--drain-timeout", "1s")
        with socket.create_connection(("127.0.0.1", s.port)) as c:
            c.settimeout(DEADLINE)
            c.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertTrue(c.recv(1))
            s.signal(signal.SIGTERM)
            self.assertEqual(s.wait(), 0)
            self.assertFalse(s.logged("drain cut short"), s.lines)

    def test_second_sigterm_exits_at_once(self):
        s = self.start("--drain-timeout", "300s")
        with socket.create_connection(("127.0.0.1", s.port)) as c:
            c.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertTrue(c.recv(1))
            s.signal(signal.SIGTERM)
            s.wait_logged("draining", 1)
            s.signal(signal.SIGTERM)
            self.assertEqual(s.wait(), 1)

    def test_sigterm_while_redis_is_away_exits_0(self):
        s = self.start()
        self.redis.stop()
        s.signal(signal.SIGTERM)
        self.assertEqual(s.wait(), 0)


class Load(threading.Thread):
    """Keep-alive requests, as a careful client sends them."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.stop, self.bad, self.done = port, False, [], 0

    def run(self):
        c = None
        while not self.stop:
            try:
                if c is None or self.done % 10 == 0:
                    if c is not None:
                        c.close()
                    c = http.client.HTTPConnection("127.0.0.1", self.port,
                                                   timeout=DEADLINE)
                c.request("POST", "/v1/counters/load")
                answer = c.getresponse()
                body = answer.read()
                if answer.status != 200:
                    self.bad.append((answer.status, body))
                if answer.will_close:
                    c.close()
                    c = None
                self.done += 1
            except OSError as error:
                self.bad.append(repr(error))
                c = None
            except http.client.HTTPException as error:
                self.bad.append(repr(error))
                c = None
        if c is not None:
            c.close()


def build_of(service):
    return json.loads(service.get("/healthz")[1])["build"]


def change_build_id(binary, build):
    """Put a binary that differs by one bit of its build id in its place."""
    with open(binary, "rb") as file:
        data = file.read()
    old = bytes.fromhex(build)
    new = bytes([old[0] ^ 1]) + old[1:]
    with open(binary + ".new", "wb") as file:
        file.write(data.replace(old, new))
    os.chmod(binary + ".new", 0o755)
    os.rename(binary + ".new", binary)
    return new.hex()


class Roll(Life):
    def setUp(self):
        super().setUp()
        self.binary = os.path.join(self.dir, "example")
        shutil.copy(BINARY, self.binary)

    def test_rolling_restart_takes_the_binary_on_disk_and_loses_nothing(self):
        s = self.start(workers=2, binary=self.binary)
        clients = [Load(s.port) for _ in range(8)]
        for client in clients:
            client.start()
        for turn in range(4):
            build = change_build_id(self.binary, build_of(s))
            s.signal(signal.SIGHUP)
            s.wait_logged("accepting", 2 + 2 * (turn + 1))
            wait_until(lambda: len(s.pids()) == 2, "old workers end")
            self.assertEqual(build_of(s), build)
        for client in clients:
            client.stop = True
        for client in clients:
            client.join(DEADLINE)
            self.assertEqual(client.bad, [])
        total = sum(client.done for client in clients)
        self.assertEqual(s.metric("example_added_total"), total)
        self.assertEqual(
            json.loads(s.get("/v1/counters/load")[1])["value"], total)
        self.assertEqual(s.metric("example_worker_restarts_total"), 0)

    def test_hangups_in_a_row_are_one_after_another(self):
        s = self.start(workers=2, binary=self.binary)
        for _ in range(10):
            s.signal(signal.SIGHUP)
        s.wait_logged("accepting", 4)
        wait_until(lambda: len(s.pids()) == 2, "old workers end")
        self.assertEqual(s.get("/readyz")[0], 200)
        s.signal(signal.SIGTERM)
        self.assertEqual(s.wait(), 0)

    def test_new_worker_that_fails_leaves_the_old_one(self):
        for bad in ["#!/bin/sh\nexit 3\n", "no program\n", None]:
            s = self.start(binary=self.binary)
            pids = s.pids()
            os.unlink(self.binary)
            if bad:
                self.file("example", bad, 0o755)
            s.signal(signal.SIGHUP)
            s.wait_logged("rolling restart ends: the new worker failed", 1)
            self.assertEqual(s.pids(), pids)
            self.assertEqual(s.get("/v1/counters/a", "POST")[0], 200)
            self.assertEqual(s.metric("example_rolls_failed_total"), 1)
            shutil.copy(BINARY, self.binary + ".good")
            os.rename(self.binary + ".good", self.binary)
            s.signal(signal.SIGHUP)
            s.wait_logged("accepting", 2)
            s.signal(signal.SIGTERM)
            self.assertEqual(s.wait(), 0)

    def test_hangup_of_single_goes_on_serving(self):
        s = self.start("--single")
        s.signal(signal.SIGHUP)
        s.wait_logged("reload", 1)
        self.assertEqual(s.get("/healthz")[0], 200)


@unittest.skipUnless(shutil.which("openssl"), "no openssl")
class Tls(Life):
    def certificate(self, name):
        key, cert = (os.path.join(self.dir, n) for n in ("key", "cert"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", "/CN=" + name, "-keyout", key, "-out", cert],
                       check=True, stderr=subprocess.DEVNULL)
        os.chmod(key, 0o600)
        return "--tls-cert", cert, "--tls-key", key

    def seen(self, service):
        """The certificate that is shown, after one exchange on it."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", service.tls_port),
                                      DEADLINE) as plain:
            with context.wrap_socket(plain) as c:
                c.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertTrue(c.recv(64).startswith(b"HTTP/1.1 200"))
                return c.getpeercert(binary_form=True)

    def test_hangup_reloads_the_certificate(self):
        for single in [(), ("--single",)]:
            s = self.start(*self.certificate("one"), *single)
            s.tls_port = s.logged("accepting")[0]["tls_port"]
            first = self.seen(s)
            self.assertEqual(self.seen(s), first)
            self.certificate("two")
            s.signal(signal.SIGHUP)
            wait_until(lambda: self.seen(s) != first, "the new certificate")
            s.signal(signal.SIGTERM)
            self.assertEqual(s.wait(), 0)

    def test_hangup_keeps_the_certificate_when_the_new_one_is_bad(self):
        for single in [(), ("--single",)]:
            options = self.certificate("one")
            s = self.start(*options, *single)
            s.tls_port = s.logged("accepting")[0]["tls_port"]
            first = self.seen(s)
            self.file("cert", "no PEM")
            s.signal(signal.SIGHUP)
            s.wait_logged("certificate kept" if single else
                          "rolling restart ends: the new worker failed", 1)
            self.assertEqual(self.seen(s), first)


class Ready(Life):
    def reasons(self, service):
        status, body = service.get("/readyz")
        answer = json.loads(body)
        self.assertEqual(status == 200, answer["reasons"] == [])
        return answer["reasons"]

    def test_starts_without_redis_and_becomes_ready_with_it(self):
        s = Service(self.redis, "--redis-timeout", "100ms")
        self.services.append(s)
        s.wait_up()
        found = " ".join(self.reasons(s))
        self.assertIn("redis: ", found)
        self.assertIn("secrets: ", found)
        self.assertEqual(s.get("/healthz")[0], 200)
        self.assertEqual(s.get("/v1/counters/a", "POST")[0], 503)
        self.redis.start()
        wait_until(lambda: self.reasons(s) == [], "ready")
        self.assertEqual(s.get("/v1/counters/a", "POST")[0], 200)
        self.redis.stop()
        wait_until(lambda: self.reasons(s), "not ready without Redis")

    def test_another_partition_count_is_not_ready(self):
        self.redis.start()
        self.redis.call("SET", "cm:partitions", "64")
        s = self.start()
        wait_until(lambda: "Redis says 64" in " ".join(self.reasons(s)),
                   "mismatch")
        self.redis.call("DEL", "cm:partitions")
        wait_until(lambda: self.reasons(s) == [], "ready")

    def test_redis_that_evicts_is_not_ready(self):
        self.redis.start()
        self.redis.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        s = self.start()
        wait_until(lambda: "evict" in " ".join(self.reasons(s)), "evicting")

    def test_secrets_are_the_same_for_all_workers_and_kept(self):
        s = self.start(workers=2)
        wait_until(lambda: self.reasons(s) == [], "ready")
        first = self.redis.call("HGET", "ex:secrets", "example")
        self.assertEqual(len(first), len("$64\r\n") + 64 + 2)
        s.signal(signal.SIGHUP)
        s.wait_logged("accepting", 4)
        self.assertEqual(self.redis.call("HGET", "ex:secrets", "example"),
                         first)

    def test_secrets_of_a_file_are_not_asked_of_redis(self):
        path = self.file("secrets", json.dumps({"example": "ab" * 32}))
        s = self.start("--secrets", path)
        wait_until(lambda: self.reasons(s) == [], "ready")
        self.assertEqual(self.redis.call("EXISTS", "ex:secrets"), b":0\r\n")


class Routes(Life):
    def test_every_service_has_its_routes(self):
        s = self.start("--node-id", "n1")
        health = json.loads(s.get("/healthz")[1])
        self.assertEqual(health["service"], "example")
        self.assertEqual(health["node"], "n1")
        self.assertEqual(len(health["build"]), 40)
        for path in ["/readyz", "/lab.css", "/lab.js", "/debug/loop",
                     "/debug/memory", "/debug/slow"]:
            self.assertEqual(s.get(path)[0], 200, path)
        self.assertIn("resident", json.loads(s.get("/debug/memory")[1]))
        self.assertIn("turns", json.loads(s.get("/debug/loop")[1]))
        self.assertIsInstance(json.loads(s.get("/debug/slow")[1]), list)

    @unittest.skipUnless(shutil.which("promtool"), "no promtool")
    def test_metrics_pass_promtool(self):
        s = self.start()
        s.get("/v1/counters/a", "POST")
        s.get("/nowhere")
        body = s.get("/metrics")[1]
        done = subprocess.run(["promtool", "check", "metrics"], input=body,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout.decode())


def run(*options, env=None):
    done = subprocess.run([BINARY, *options], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=DEADLINE,
                          env={**os.environ, **(env or {})})
    return done.returncode, done.stdout.decode(), done.stderr.decode()


class Refusal(Life):
    def refused(self, status, word, *options, env=None):
        code, out, err = run(*options, env=env)
        self.assertEqual(code, status, (options, out, err))
        self.assertEqual(err.count("\n"), 1, (options, err))
        self.assertIn(word, err)
        self.assertEqual(out, "")

    def test_bad_option_is_one_line_and_exit_2(self):
        for word, options in [
                ("nonsense", ("--nonsense",)),
                ("port", ("--port", "70000")),
                ("port", ("--port", "eighty")),
                ("port", ("--port",)),
                ("workers", ("--workers", "-1")),
                ("max-body", ("--max-body", "12q")),
                ("drain-timeout", ("--drain-timeout", "soon")),
                ("redis", ("--redis", "http://x")),
                ("log-level", ("--log-level", "loud")),
                ("trusted-proxy", ("--trusted-proxy", "10.0.0.0/33")),
                ("trusted-proxy", ("--trusted-proxy", "::1/128,everybody")),
                ("public-url", ("--public-url", "example.org")),
                ("host", ("--host", "no such address")),
                ("node-id", ("--node-id", "a b")),
                ("tls", ("--tls-cert", "x.pem")),
                ("tls", ("--tls-port", "8444")),
                ("open", ("--open", "--host", "0.0.0.0")),
                ("open", ("--open", "--host", "::")),
                ("lab", ("--lab",)),
                ("argument", ("argument",))]:
            self.refused(2, word, *options)
        self.refused(2, "PORT", env={"PORT": "x"})

    def test_password_of_redis_is_not_repeated(self):
        code, _, err = run("--redis", "redys://:hush@h")
        self.assertEqual(code, 2)
        self.assertNotIn("hush", err)

    def test_bad_key_file_is_one_line_and_exit_1(self):
        keys = json.dumps({"current": "k", "keys": [
            {"kid": "k", "alg": "HS256", "secret": "A" * 43}]})
        secrets = json.dumps({"example": "ab" * 32})
        for options in [
                ("--token-keys", self.file("k1", keys, 0o640)),
                ("--token-keys", self.file("k2", "{}")),
                ("--token-keys", os.path.join(self.dir, "absent")),
                ("--secrets", self.file("s1", secrets, 0o604)),
                ("--secrets", self.file("s2", "[]")),
                ("--secrets", self.file("s3", "no JSON")),
                ("--secrets", os.path.join(self.dir, "absent")),
                ("--tls-cert", self.file("c1", ""), "--tls-key",
                 self.file("c2", "", 0o644)),
                ("--tls-cert", self.file("c3", "no PEM"), "--tls-key",
                 self.file("c4", "no PEM"))]:
            self.refused(1, self.dir, "--port", "0", *options)

    def test_second_master_on_a_port_is_refused(self):
        s = self.start(workers=2)
        self.refused(1, str(s.port), "--port", str(s.port))
        self.refused(1, str(s.port), "--port", str(s.port), "--single")
        self.assertEqual(s.get("/healthz")[0], 200)
        s.signal(signal.SIGTERM)
        self.assertEqual(s.wait(), 0)

    def test_port_in_time_wait_is_taken(self):
        s = self.start()
        with socket.create_connection(("127.0.0.1", s.port)) as c:
            c.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
                      b"Connection: close\r\n\r\n")
            while c.recv(65536):
                pass  # the server closes first: TIME_WAIT is its own
        s.signal(signal.SIGTERM)
        self.assertEqual(s.wait(), 0)
        again = Service(self.redis, "--port", str(s.port))
        self.services.append(again)
        again.wait_up()

    def test_help_and_version_print_and_exit_0(self):
        code, out, err = run("--help")
        self.assertEqual((code, err), (0, ""))
        for option in ["--port", "8109", "--redis", "--drain-timeout"]:
            self.assertIn(option, out)
        code, out, err = run("--version")
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"^example \S+ \(build [0-9a-f]{40}\)\n$")


if __name__ == "__main__":
    BINARY = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
