"""service_load.py - the load test: what it sends, counts and says."""
import contextlib
import json
import os
import selectors
import socket
import subprocess
import threading
import time

from kit import BUILD, DEADLINE, create, free_port, main, redis, same, service

LOAD = os.path.join(BUILD, "shortener", "shortener-load")


STALL = 1.0  # seconds
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: http://a/\r\nContent-Length: 0\r\n\r\n"


class Stalling:
    """
    A server that answers so many requests, in the order in which it reads them,
    then is silent: for STALL, or to the end.
    """

    def __init__(self, answers, recovers):
        self.answers, self.recovers = answers, recovers
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.ended = threading.Event()
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()

    def _serve(self):
        while not self.ended.is_set():
            for key, _ in self.selector.select(0.05):
                if key.fileobj is self.listener:
                    self.selector.register(self.listener.accept()[0], selectors.EVENT_READ)
                else:
                    self._answer(key.fileobj)

    def _answer(self, connection):
        # Without pipelining, a read is one request: it is small and sent at once.
        with contextlib.suppress(OSError):
            if connection.recv(65536):
                if self.answers == 0:
                    self._stall()
                self.answers -= 1
                connection.sendall(REDIRECT)
                return
        self.selector.unregister(connection)
        connection.close()

    def _stall(self):
        if self.recovers:
            time.sleep(STALL)
        else:
            self.ended.wait()


def drive(port, *options, status=0):
    """The reports of one call, and what it said; any status where it is None."""
    done = subprocess.run([LOAD, "--url", "http://127.0.0.1:%d" % port, "--json", "/dev/stdout",
                           "--warmup", "50ms", *[str(o) for o in options]],
                          capture_output=True, text=True, timeout=2 * DEADLINE, check=False)
    if status is not None:
        same(done.returncode, status, done.stderr)
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    for report in reports:
        errors = sum(report["errors"].values())
        same(report["due"] + report["connection_errors"], report["requests"] + errors, report)
        same(done.returncode, int(errors > 0), report)
    return reports, done.stderr


def test_each_profile_is_answered_as_it_asks(service):
    for profile in ("hot", "cold", "popular", "create", "mixed"):
        (report,), _ = drive(service.port, "--profile", profile, "--units", 50, "--requests", 500,
                             "--connections", 8, "--duration", "20s", "--warmup", "0s")
        same((report["profile"], report["model"], report["requests"]), (profile, "closed", 500))
        same(sum(report["errors"].values()), 0, report)
        latency = report["latency_us"]
        assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["p999"] <= latency["max"], report
        assert report["requests_per_s"] > 0 and report["own_cpu_us"] > 0, report


def test_open_model_keeps_its_rate(service):
    (report,), _ = drive(service.port, "--profile", "hot", "--rate", 200, "--duration", "2s", "--connections", 8)
    same(report["model"], "open")
    same((report["due"], report["requests"]), (400, 400), report)
    assert report["late_us"] >= report["own_late_us"]["max"], report


def test_open_model_sends_no_more_than_was_asked(service):
    (report,), _ = drive(service.port, "--profile", "hot", "--rate", 1000, "--requests", 50, "--duration", "20s",
                         "--warmup", "0s")
    same((report["due"], report["requests"]), (50, 50), report)


def test_open_model_renews_connections_within_its_schedule(service):
    (report,), _ = drive(service.port, "--profile", "hot", "--rate", 400, "--duration", "1s", "--renew-every", 10)
    same((report["due"], report["requests"]), (400, 400), report)
    assert report["opened"] > 0, report


def test_a_stall_at_the_end_of_the_window_is_a_latency():
    with Stalling(answers=300, recovers=True) as server:
        (report,), _ = drive(server.port, "--no-prepare", "--profile", "hot", "--rate", 300, "--duration", "2s",
                             "--warmup", "0s", status=None)
    same(report["due"], 600, report)
    # The stall began when unit 300 had been sent: at 1 s, or later.  Of the 301 units due until
    # then one at least waited for all of it; of the 330 due until 1.1 s, 30 for all but 0.1 s.
    if sum(report["errors"].values()) == 0:
        assert report["latency_us"]["max"] >= STALL * 1e6, report
        assert report["latency_us"]["p99"] >= (STALL - 0.1) * 1e6, report


def test_a_server_silent_to_the_end_leaves_errors():
    with Stalling(answers=300, recovers=False) as server:
        (report,), said = drive(server.port, "--no-prepare", "--profile", "hot", "--rate", 300, "--duration", "2s",
                                "--warmup", "0s", "--connections", 8, status=1)
    same((report["due"], report["requests"]), (600, 300), report)
    same((report["errors"]["timeout"], report["errors"]["unsent"]), (8, 292), report)
    assert "unsent" in said, said


def test_a_stall_of_the_warm_up_stays_out():
    with Stalling(answers=0, recovers=True) as server:
        (report,), _ = drive(server.port, "--no-prepare", "--profile", "hot", "--rate", 300, "--duration", "100ms",
                             "--warmup", "2s", status=None)
    same(report["due"], 30, report)


def test_closed_model_counts_what_was_not_answered():
    with Stalling(answers=20, recovers=False) as server:
        (report,), _ = drive(server.port, "--no-prepare", "--profile", "hot", "--connections", 4, "--duration", "2s",
                             "--warmup", "0s", status=1)
    same((report["due"], report["requests"], report["errors"]["timeout"]), (24, 20, 4), report)


def test_wrong_answers_are_errors(service):
    create(service, code="l000000", redirect=301)
    (report,), said = drive(service.port, "--profile", "hot", "--requests", 20, "--duration", "20s",
                            "--warmup", "0s", status=1)
    same((report["errors"]["wrong"], report["wrong_status"]), (20, 301))
    assert "errors" in said


def test_nobody_there_is_said_so():
    _, said = drive(free_port(), "--profile", "hot", "--duration", "100ms", status=1)
    assert "refused" in said, said


def test_units_without_a_connection_are_unsent():
    (report,), _ = drive(free_port(), "--no-prepare", "--profile", "hot", "--rate", 100, "--duration", "500ms",
                         status=1)
    same((report["due"], report["errors"]["unsent"]), (50, 50), report)
    same(report["errors"]["refused"], report["connection_errors"], report)
    assert report["connection_errors"] > 0, report


def test_bad_options_are_refused():
    for options in (("--profile", "none"), ("--connections", "0"), ("--workers-scan", "0"), ("--rate", "x")):
        done = subprocess.run([LOAD, *options], capture_output=True, text=True, timeout=DEADLINE, check=False)
        assert done.returncode in (1, 2) and done.stderr, options


def test_knee_is_the_last_rate_that_kept_the_objective(service):
    (report,), said = drive(service.port, "--profile", "hot", "--find-knee", "--rate", 100, "--objective", "1ms",
                            "--duration", "100ms")
    knee = int(said.split("knee: ")[1].split("/s")[0])
    same(report["rate"], max(knee, 1))


def test_workers_scan_starts_the_service_with_each_count(redis):
    reports, said = drive(free_port(), "--profile", "hot", "--workers-scan", "1,2", "--redis", redis.url,
                          "--duration", "200ms")
    same([report["workers"] for report in reports], [1, 2])
    same([sum(report["errors"].values()) for report in reports], [0, 0])
    assert reports[-1]["inconclusive"] or os.cpu_count() > 2, reports
    assert "2 workers" in said, said


main(__name__)
