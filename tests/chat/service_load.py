"""service_load.py - the load test: that it counts exactly, and what it says."""
import contextlib
import json
import os
import socket
import struct
import subprocess
import threading

from kit import BUILD, DEADLINE, KEYS, Connection, chat, directory, eventually, free_port, main, redis, same, write_file

LOAD = os.path.join(BUILD, "chat", "chat-load")
FAULTS = ("lost", "twice", "disorder")


def drive(port, *options, status=0):
    """The report of one run."""
    done = subprocess.run([LOAD, "--url", "http://127.0.0.1:%d" % port, "--json", "/dev/stdout", "--warmup", "0s",
                           *[str(o) for o in options]],
                          capture_output=True, text=True, timeout=2 * DEADLINE, check=False)
    same(done.returncode, status, done.stderr)
    report = json.loads(done.stdout)
    same(int(sum(report["errors"].values()) > 0), status, report)
    if "delivered" in report:
        same(report["due"], report["delivered"] + report["errors"]["lost"], report)
    return report


def keyed(directory):
    return "--token-keys", write_file(directory, "load.keys", json.dumps(KEYS))


def test_each_profile_is_delivered_whole(chat, directory):
    for profile, rooms, members, count in (("rooms", 2, 20, 40), ("pairs", 20, 2, 200), ("mixed", 4, 5, 200)):
        report = drive(chat.port, *keyed(directory), "--profile", profile, "--rooms", rooms, "--members", members,
                       "--messages", count, "--duration", "20s", "--out", 16)
        same((report["profile"], report["rooms"], report["members"], report["acts"], report["answered"]),
             (profile, rooms, rooms * members, count, count), report)
        if profile != "mixed":
            same(report["delivered"], members * count, report)
        latency = report["latency_us"]
        assert 0 < latency["p50"] <= latency["p99"] <= latency["max"], report
    same(chat.metric("chat_lost_total"), 0)


def test_storm_brings_what_was_missed(chat, directory):
    report = drive(chat.port, *keyed(directory), "--profile", "storm", "--members", 30, "--rooms-each", 5,
                   "--missed", 4, "--rounds", 2)
    same((report["members"], report["rooms"], report["messages"], report["delivered"]), (30, 30, 96, 480), report)
    same(len(report["storms_s"]), 2, report)


def test_lurkers_are_measured_by_turns(chat, directory):
    report = drive(chat.port, *keyed(directory), "--profile", "lurkers", "--members", 50, "--watching", 5,
                   "--absent", 30, "--rounds", 2, "--duration", "500ms", "--rate", 40)
    same((report["model"], len(report["alone_p99_us"]), len(report["beside_p99_us"])), ("open", 2, 2), report)
    same(report["messages"], 4 * 20 + 2 * 5, report)
    same(report["delivered"], 4 * 20 * 10 + 2 * 5 * 5, report)


def test_history_is_read_in_pages(chat, redis, directory):
    load = (*keyed(directory), "--profile", "history", "--fill", 200, "--rate", 50, "--connections", 4, "--duration",
            "1s")
    redis.cli("FLUSHALL")
    report = drive(chat.port, *load)
    same((report["profile"], report["requests"]), ("history", 50), report)
    [log] = redis.cli("KEYS", "ch:log:*")
    before = int(redis.cli("XLEN", log))
    report = drive(chat.port, *load, "--room", log.rpartition(":")[2])
    same(report["requests"], 50, report)
    same(int(redis.cli("XLEN", log)) - before, 8)  # who reads now has joined


def test_presence_is_told_to_those_who_look(chat, directory):
    for looking in (0, 1):
        report = drive(chat.port, *keyed(directory), "--profile", "presence", "--rooms", 2, "--members", 10,
                       "--looking", looking)
        same((report["answered"], report["frames"] > 0), (2, looking > 0), report)


def test_idle_ones_are_weighed(chat, directory):
    report = drive(chat.port, *keyed(directory), "--profile", "idle", "--members", 200, "--server-pid",
                   chat.workers()[0])
    same(report["requests"], 200, report)
    assert "idle_connection_bytes" in report, report


def test_open_model_keeps_its_rate(chat, directory):
    report = drive(chat.port, *keyed(directory), "--profile", "pairs", "--rooms", 5, "--rate", 50, "--duration", "1s")
    same((report["model"], report["messages"], report["delivered"]), ("open", 50, 100), report)


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
            for profile, rooms, members in (("rooms", 2, 10), ("pairs", 10, 2)):
                report = drive(port, "--no-prepare", "--profile", profile, "--rooms", rooms, "--members", members,
                               "--messages", 40, "--duration", "20s")
                same(report["delivered"], 40 * members, report)
        finally:
            bare.terminate()


class Faulty:
    """A chat of one member, to whom each message of a burst comes as order says: numbers of the room's log.

    The first sends are refused with 503.
    """

    HEAD = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
    ROOM = "bare-000000000000"

    def __init__(self, order, refusals=0):
        self.order, self.refusals, self.refused = order, refusals, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.thread.join()
        self.listener.close()

    @staticmethod
    def _request(member):
        """A client's frame; None: it has left."""
        head = member.recv(2, socket.MSG_WAITALL)
        if len(head) < 2:
            return None
        size = head[1] & 127
        if size == 126:
            size = struct.unpack(">H", member.recv(2, socket.MSG_WAITALL))[0]
        mask = member.recv(4, socket.MSG_WAITALL)
        data = member.recv(size, socket.MSG_WAITALL)
        return json.loads(bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))

    @staticmethod
    def _frame(**members):
        text = json.dumps(members, separators=(",", ":")).encode()
        return b"\x81" + (bytes([len(text)]) if len(text) < 126 else struct.pack(">BH", 126, len(text))) + text

    def _serve(self):
        with self.listener.accept()[0] as member:
            member.recv(65536)
            member.sendall(self.HEAD)
            texts = []
            while request := self._request(member):
                if request["op"] == "send" and len(self.refused) < self.refusals:
                    self.refused.append(request)
                    member.sendall(self._frame(id=request["id"], ok=False, error={
                        "type": "unavailable", "status": 503, "detail": "busy", "retry_after_ms": 20}))
                    continue
                member.sendall(self._frame(id=request["id"], ok=True, room=self.ROOM, seq=0))
                if request["op"] == "send":
                    if self.refused:
                        same(request, self.refused[len(texts)])
                    texts.append(request["text"])
                if len(texts) == 3:  # at once: the load ends with the last one that it has not had
                    member.sendall(b"".join(
                        self._frame(type="message", room=self.ROOM, seq=seq, text=texts[seq - 1])
                        for seq in self.order))
                    texts = []


def test_faults_are_told_apart():
    for order, faults in (([1, 2, 3], (0, 0, 0)), ([1, 1, 2, 3], (0, 1, 0)), ([1, 3, 2], (0, 0, 1)),
                          ([2, 1, 1, 3, 3], (0, 2, 1)), ([1, 3], (1, 0, 0))):
        with Faulty(order) as server:
            report = drive(server.port, "--no-prepare", "--members", 1, "--burst", 3, "--messages", 3, "--size", 16,
                           "--duration", "20s", "--stall", "500ms", status=int(any(faults)))
        same(tuple(report["errors"][name] for name in FAULTS), faults, order)


def test_who_is_told_to_come_again_does():
    with Faulty([1, 2, 3], refusals=3) as server:
        report = drive(server.port, "--no-prepare", "--members", 1, "--burst", 3, "--messages", 3, "--size", 16,
                       "--duration", "20s")
    same((report["sent_again"], report["answered"], report["delivered"]), (3, 3, 3), report)
    assert report["answer_us"]["max"] >= 20000, report  # the wait is in it


def test_nobody_there_is_said_so():
    done = subprocess.run([LOAD, "--no-prepare", "--url", "http://127.0.0.1:%d" % free_port()], capture_output=True,
                          text=True, timeout=DEADLINE, check=False)
    same(done.returncode, 1)
    assert "refused" in done.stderr, done.stderr


def test_bad_options_are_refused():
    for options in (("--profile", "none"), ("--members", "-1"), ("--size", "1"), ("--profile", "rooms")):
        done = subprocess.run([LOAD, *options], capture_output=True, text=True, timeout=DEADLINE, check=False)
        same(done.returncode, 2, options)
        assert done.stderr, options


main(__name__)
