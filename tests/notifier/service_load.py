"""service_load.py - the load test: that it counts exactly, and what it says."""
import contextlib
import json
import os
import socket
import subprocess
import threading

from kit import BUILD, DEADLINE, Connection, eventually, free_port, main, redis, same, service

LOAD = os.path.join(BUILD, "notifier", "notifier-load")
FAULTS = ("lost", "twice", "disorder")


def drive(port, *options, status=0):
    """The report of one run."""
    done = subprocess.run([LOAD, "--url", "http://127.0.0.1:%d" % port, "--json", "/dev/stdout", "--warmup", "0s",
                           *[str(o) for o in options]],
                          capture_output=True, text=True, timeout=2 * DEADLINE, check=False)
    same(done.returncode, status, done.stderr)
    report = json.loads(done.stdout)
    same(report["due"], report["delivered"] + report["errors"]["lost"], report)
    same(int(sum(report["errors"].values()) > 0), status, report)
    return report


def test_each_profile_is_delivered_whole(service):
    for profile, count in (("fanout", 40), ("topics", 200), ("resume", 40), ("slow", 40)):
        report = drive(service.port, "--profile", profile, "--subscribers", 20, "--messages", count,
                       "--duration", "20s")
        same((report["profile"], report["messages"]), (profile, count), report)
        same(report["delivered"], count if profile == "topics" else 20 * count, report)
        latency = report["latency_us"]
        assert 0 < latency["p50"] <= latency["p99"] <= latency["max"], report


def test_bursts_are_delivered_whole(service):
    report = drive(service.port, "--subscribers", 20, "--messages", 160, "--burst", 16, "--duration", "20s")
    same((report["burst"], report["messages"], report["delivered"]), (16, 160, 3200), report)


def test_storm_brings_what_was_missed(service):
    report = drive(service.port, "--profile", "storm", "--subscribers", 30, "--topics", 3, "--missed", 7)
    same((report["messages"], report["delivered"]), (21, 210), report)


def test_resuming_subscribers_miss_nothing(service):
    report = drive(service.port, "--profile", "resume", "--subscribers", 20, "--rate", 100, "--resume-rate", 100,
                   "--away", "100ms", "--duration", "1s")
    # One is away for ten messages, but for those who leave at the end.
    assert report["caught_up"] >= report["resumed"] > 0, report
    same(report["delivered"], report["due"], report)


def test_open_model_keeps_its_rate(service):
    report = drive(service.port, "--subscribers", 5, "--rate", 50, "--duration", "1s")
    same((report["model"], report["messages"], report["delivered"]), ("open", 50, 250), report)


def test_idle_ones_are_weighed(service):
    for options in ((), ("--websocket",)):
        report = drive(service.port, "--profile", "idle", "--subscribers", 200, "--server-pid", service.workers()[0],
                       *options)
        same(report["requests"], 200, report)
        assert "idle_connection_bytes" in report, report


def test_bare_loop_delivers_the_same():
    port = free_port()
    with subprocess.Popen([LOAD, "--serve", str(port)]) as bare:
        def listens():
            with contextlib.suppress(OSError):
                Connection(port).close()
                return True
            return False
        try:
            eventually(listens, "the bare loop")
            report = drive(port, "--subscribers", 20, "--messages", 32, "--burst", 4, "--duration", "20s")
            same(report["delivered"], 640, report)
        finally:
            bare.terminate()


class Faulty:
    """A hub of one subscriber to whom each message is sent as order says: numbers, in the order of sending."""

    HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nid: a\n\n"
    ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    def __init__(self, order):
        self.order = order
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.thread.join()
        self.listener.close()

    def _serve(self):
        """The publisher connects first, the subscriber asks first."""
        with self.listener.accept()[0] as publisher, self.listener.accept()[0] as subscriber:
            subscriber.recv(65536)
            subscriber.sendall(self.HEAD)
            seen = b""
            while seen.count(b"&data=") < 3:
                seen += publisher.recv(65536)
            publisher.sendall(3 * self.ANSWER)
            # at once: the load ends with the last one that it has not had
            subscriber.sendall(b"".join(b"id: b\ndata: %09d-xxxxxx\n\n" % number for number in self.order))
            subscriber.recv(1)  # until it leaves


def test_faults_are_told_apart():
    for order, faults in (([0, 1, 2], (0, 0, 0)), ([0, 0, 1, 2], (0, 1, 0)), ([0, 2, 1], (0, 0, 1)),
                          ([1, 0, 0, 2, 2], (0, 2, 1))):
        with Faulty(order) as hub:
            report = drive(hub.port, "--subscribers", 1, "--burst", 3, "--messages", 3, "--size", 16,
                           "--duration", "20s", status=int(any(faults)))
        same(tuple(report["errors"][name] for name in FAULTS), faults, order)


def test_what_does_not_come_is_lost():
    with Faulty([0, 2]) as hub:
        report = drive(hub.port, "--subscribers", 1, "--burst", 3, "--messages", 3, "--size", 16,
                       "--duration", "20s", "--stall", "300ms", status=1)
    same(tuple(report["errors"][name] for name in FAULTS), (1, 0, 0), report)


def test_nobody_there_is_said_so():
    done = subprocess.run([LOAD, "--url", "http://127.0.0.1:%d" % free_port()], capture_output=True, text=True,
                          timeout=DEADLINE, check=False)
    same(done.returncode, 1)
    assert "refused" in done.stderr, done.stderr


def test_bad_options_are_refused():
    for options in (("--profile", "none"), ("--face", "none"), ("--subscribers", "0"), ("--size", "1")):
        done = subprocess.run([LOAD, *options], capture_output=True, text=True, timeout=DEADLINE, check=False)
        same(done.returncode, 2, options)
        assert done.stderr, options


main(__name__)
