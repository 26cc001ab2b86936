"""life.py - life and death of a service's processes, by the example service.

Crash, drain, rolling restart, certificates, and the way to readiness.
"""
import contextlib
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
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
from lab import (BUILD, DEADLINE, Connection, Service, Skip, directory, eventually, free_port, redis, render,
                 run, same, write_file)

BINARY = os.path.abspath(os.path.join(BUILD, "tests", "example"))
ADD = "/v1/counters/a"


def start(store, *options, workers=1, binary=BINARY, **more):
    """A service each worker of which accepts."""
    service = Service("example", "--open", "--workers", str(workers), *options, redis=store, binary=binary,
                      **more)
    service.wait_logged("accepting", 1 if "--single" in options else workers)
    return service


def add(service):
    same(service.request("POST", ADD).status, 200)


# ---- a crash

def test_killed_worker_is_restarted_and_sums_never_shrink(redis):
    service = start(redis, workers=4)
    for _ in range(40):
        add(service)
    for scrape in range(10):
        if scrape == 4:
            service.kill_worker(1)
        same(service.metric("example_added_total"), 40 + scrape)
        add(service)
    service.wait_logged("accepting", 5)
    same(service.metric("example_worker_restarts_total"), 1)
    same(service.metric("example_added_total"), 50)
    same(len(service.workers()), 4)
    service.close()


def test_worker_that_goes_on_crashing_backs_off(redis):
    service = start(redis)
    for crash in range(4):
        service.kill_worker()
        service.wait_logged("accepting", crash + 2)
    same(service.get("/healthz").status, 200)
    same(service.metric("example_worker_restarts_total"), 4)
    same([line["ms"] for line in service.logged("worker starts later")], [100, 200, 400])
    service.close()


def test_crash_point_kills_the_first_worker_that_comes_there(redis):
    service = start(redis, "--crash-at", "before-add")
    with contextlib.suppress(OSError, EOFError):
        answer = service.request("POST", ADD)
        raise AssertionError(answer)
    service.wait_logged("accepting", 2)
    add(service)
    same(service.metric("example_added_total"), 2)
    service.close()


def test_uptime_is_the_workers_own(redis):
    begun = time.monotonic()
    service = start(redis)
    assert service.get("/healthz").json["uptime_s"] <= time.monotonic() - begun
    service.close()


def test_connections_past_the_limit_are_told_when_to_come_again(redis):
    for options, status in ((["--max-connections", "2"], 503), (["--max-connections-per-address", "2"], 429)):
        service = start(redis, *options)
        held = [Connection(service.port) for _ in range(3)]
        refused = [answer for answer in (connection.get("/healthz") for connection in held) if answer.status != 200]
        assert refused
        for answer in refused:
            same((answer.status, answer.slug, answer.headers["retry-after"]), (status, "too-many-connections", "1"))
        for connection in held:
            connection.close()
        service.close()


def is_gone(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_workers_end_with_a_killed_master(redis):
    service = start(redis, workers=3)
    pids = service.workers()
    same(len(pids), 3)
    service.signal(signal.SIGKILL)
    for pid in pids:
        eventually(lambda p=pid: is_gone(p), "the end of a worker")
    with contextlib.suppress(OSError):
        Connection(service.port)
        raise AssertionError("somebody listens")
    service.abandon()


# ---- an end

def test_sigterm_and_sigint_drain_and_exit_0(redis):
    for options in ((), ("--single",)):
        for number in (signal.SIGTERM, signal.SIGINT):
            service = start(redis, *options)
            add(service)
            service.signal(number)
            service.process.wait(DEADLINE)
            service.close()


def test_signal_to_the_whole_group_drains_too(redis):
    for number in (signal.SIGTERM, signal.SIGINT):
        service = start(redis, workers=2)
        os.killpg(service.process.pid, number)
        service.process.wait(DEADLINE)
        same([line for line in service.logged("worker ended") if line["status"] or line["signal"]], [])
        service.close()


def test_idle_connection_does_not_outlast_the_drain_timeout(redis):
    service = start(redis, "--drain-timeout", "1s")
    connection = Connection(service.port)
    same(connection.get("/healthz").status, 200)
    service.signal(signal.SIGTERM)
    service.process.wait(DEADLINE)
    same(service.logged("drain cut short"), [])
    connection.close()
    service.close()


def test_second_sigterm_exits_at_once(redis):
    service = start(redis, "--drain-timeout", "300s")
    connection = Connection(service.port)
    same(connection.get("/healthz").status, 200)
    service.signal(signal.SIGTERM)
    service.wait_logged("draining")
    service.signal(signal.SIGTERM)
    service.process.wait(DEADLINE)
    connection.close()
    service.close(status=1)


def test_sigterm_while_redis_is_away_exits_0(redis):
    service = start(redis)
    redis.kill()
    service.close()


# ---- a rolling restart

class Load(threading.Thread):
    """Keep-alive requests, as a careful client sends them."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.stop, self.bad, self.done = port, False, [], 0

    def run(self):
        client = None
        while not self.stop:
            try:
                if client is None or self.done % 10 == 0:
                    if client is not None:
                        client.close()
                    client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
                client.request("POST", "/v1/counters/load")
                answer = client.getresponse()
                body = answer.read()
                if answer.status != 200:
                    self.bad.append((answer.status, body))
                if answer.will_close:
                    client.close()
                    client = None
                self.done += 1
            except (OSError, http.client.HTTPException) as error:
                self.bad.append(repr(error))
                client = None
        if client is not None:
            client.close()


def build_of(service):
    return service.get("/healthz").json["build"]


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


def test_rolling_restart_takes_the_binary_on_disk_and_loses_nothing(redis, directory):
    binary = shutil.copy(BINARY, directory)
    service = start(redis, workers=2, binary=binary)
    clients = [Load(service.port) for _ in range(8)]
    for client in clients:
        client.start()
    for turn in range(4):
        build = change_build_id(binary, build_of(service))
        service.signal(signal.SIGHUP)
        service.wait_logged("accepting", 2 + 2 * (turn + 1))
        eventually(lambda: len(service.workers()) == 2, "the end of the old workers")
        same(build_of(service), build)
    for client in clients:
        client.stop = True
    for client in clients:
        client.join(DEADLINE)
        same(client.bad, [])
    total = sum(client.done for client in clients)
    same(service.metric("example_added_total"), total)
    same(service.get("/v1/counters/load").json["value"], total)
    same(service.metric("example_worker_restarts_total"), 0)
    service.close()


def test_hangups_in_a_row_are_one_after_another(redis, directory):
    service = start(redis, workers=2, binary=shutil.copy(BINARY, directory))
    for _ in range(10):
        service.signal(signal.SIGHUP)
    service.wait_logged("accepting", 4)
    eventually(lambda: len(service.workers()) == 2, "the end of the old workers")
    same(service.get("/readyz").status, 200)
    service.close()


def test_new_worker_that_fails_leaves_the_old_one(redis, directory):
    for bad in ("#!/bin/sh\nexit 3\n", "no program\n", None):
        binary = shutil.copy(BINARY, directory)
        service = start(redis, binary=binary)
        pids = service.workers()
        os.unlink(binary)
        if bad:
            write_file(directory, "example", bad, 0o755)
        service.signal(signal.SIGHUP)
        service.wait_logged("rolling restart ends: the new worker failed")
        same(service.workers(), pids)
        add(service)
        same(service.metric("example_rolls_failed_total"), 1)
        os.rename(shutil.copy(BINARY, binary + ".good"), binary)
        service.signal(signal.SIGHUP)
        service.wait_logged("accepting", 2)
        service.close()


def test_hangup_of_single_goes_on_serving(redis):
    service = start(redis, "--single")
    service.signal(signal.SIGHUP)
    service.wait_logged("reload")
    same(service.get("/healthz").status, 200)
    service.close()


# ---- certificates

def certificate(folder, name):
    if not shutil.which("openssl"):
        raise Skip("openssl is not installed")
    key, cert = os.path.join(folder, "key"), os.path.join(folder, "cert")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                    "-nodes", "-days", "2", "-subj", "/CN=" + name, "-keyout", key, "-out", cert],
                   check=True, stderr=subprocess.DEVNULL)
    os.chmod(key, 0o600)
    return "--tls-cert", cert, "--tls-key", key, "--tls-port", str(free_port())


def seen(service):
    """The certificate that is shown, after one exchange on it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    port = service.logged("accepting")[0]["tls_port"]
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as plain:
        with context.wrap_socket(plain) as wrapped:
            wrapped.sendall(render("GET", "/healthz"))
            assert wrapped.recv(64).startswith(b"HTTP/1.1 200")
            return wrapped.getpeercert(binary_form=True)


def test_hangup_reloads_the_certificate(redis, directory):
    for single in ((), ("--single",)):
        service = start(redis, *certificate(directory, "one"), *single)
        first = seen(service)
        same(seen(service), first)
        certificate(directory, "two")
        service.signal(signal.SIGHUP)
        eventually(lambda s=service, f=first: seen(s) != f, "the new certificate")
        service.close()


def test_hangup_keeps_the_certificate_when_the_new_one_is_bad(redis, directory):
    for single in ((), ("--single",)):
        service = start(redis, *certificate(directory, "one"), *single)
        first = seen(service)
        write_file(directory, "cert", "no PEM")
        service.signal(signal.SIGHUP)
        service.wait_logged("certificate kept" if single else "rolling restart ends: the new worker failed")
        same(seen(service), first)
        service.close()


# ---- the way to readiness

def reasons(service):
    answer = service.get("/readyz")
    same(answer.status == 200, answer.json["reasons"] == [])
    return " ".join(answer.json["reasons"])


def test_starts_without_redis_and_becomes_ready_with_it(redis):
    redis.kill()
    service = start(redis, "--redis-timeout", "100ms", ready=False)
    found = reasons(service)
    assert "redis: " in found and "secrets: " in found, found
    same(service.get("/healthz").status, 200)
    same(service.request("POST", ADD).status, 503)
    redis.start()
    eventually(lambda: not reasons(service), "being ready")
    add(service)
    redis.kill()
    eventually(lambda: reasons(service), "not being ready without Redis")
    service.close()


def test_another_partition_count_is_not_ready(redis):
    redis.cli("SET", "cm:partitions", "64")
    service = start(redis, ready=False)
    eventually(lambda: "Redis says 64" in reasons(service), "the mismatch")
    redis.cli("DEL", "cm:partitions")
    eventually(lambda: not reasons(service), "being ready")
    service.close()


def test_redis_that_evicts_is_not_ready(redis):
    redis.cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    service = start(redis, ready=False)
    eventually(lambda: "evict" in reasons(service), "the reason")
    service.close()


def test_secrets_are_the_same_for_all_workers_and_kept(redis):
    service = start(redis, workers=2)
    first = redis.cli("HGET", "ex:secrets", "example")
    assert re.fullmatch("[0-9a-f]{64}", first), first
    service.signal(signal.SIGHUP)
    service.wait_logged("accepting", 4)
    same(redis.cli("HGET", "ex:secrets", "example"), first)
    service.close()


def test_secrets_of_a_file_are_not_asked_of_redis(redis, directory):
    path = write_file(directory, "secrets", json.dumps({"example": "ab" * 32}))
    service = start(redis, "--secrets", path)
    same(redis.cli("EXISTS", "ex:secrets"), 0)
    service.close()


run(sys.modules[__name__], redis=redis, directory=directory)
