"""websocket_kit.py - the echo program, and a client that breaks any rule it is told to.

A case is what is sent and what must come back.  Each runs with all of it in
one piece, again byte by byte, and again in the same segment as the handshake.
"""
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position,unused-import
from lab import BUILD, DEADLINE, LIVE, Skip, directory, eventually, run, same

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # of RFC 6455, 1.3, as is what follows from it
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
MASK = b"\x37\xfa\x21\x3d"
LATE = 4408


# ---- the program

class Echo:
    """The echo program; close() asserts a clean end."""

    def __init__(self, *options):
        self.logs = tempfile.TemporaryFile()  # pylint: disable=consider-using-with
        environment = dict(os.environ, ASAN_OPTIONS="exitcode=86:detect_leaks=1",
                           UBSAN_OPTIONS="halt_on_error=1:exitcode=86:print_stacktrace=1")
        self.process = subprocess.Popen(
            [os.path.join(BUILD, "tests", "echo"), "--port", "0", *(str(o) for o in options)],
            stdout=subprocess.PIPE, stderr=self.logs, env=environment)
        self.signalled = False
        LIVE.append(self)
        self.port = int(self.process.stdout.readline().rsplit(b":", 1)[1])

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def state(self):
        return json.loads(self.request("GET", "/state")[2])

    def wait_closed(self, count=1):
        """All are gone, so many of them; the code of the last one."""
        eventually(lambda: self.state()["closes"] >= count, "%d closes" % count)
        state = self.state()
        same((state["sockets"], state["closes"]), (0, count))
        return state["last_code"]

    def signal(self, number):
        """The first one drains it, a second one would end it at once."""
        self.signalled = True
        self.process.send_signal(number)

    def close(self):
        if self in LIVE:
            LIVE.remove(self)
        if not self.signalled:
            self.signal(signal.SIGTERM)
        try:
            status = self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError("echo does not end") from None
        self.logs.seek(0)
        text = self.logs.read().decode(errors="replace")
        same((status, text), (0, ""))

    def abandon(self):
        if self in LIVE:
            LIVE.remove(self)
        self.process.kill()
        self.process.wait()


def echo():
    server = Echo()
    yield server
    server.close()


# ---- the client

def encode(opcode, payload=b"", fin=True, rsv=0, mask=MASK, form=None, length=None):
    """A frame; form is the length's own size in bytes, length what it says."""
    length = len(payload) if length is None else length
    form = (0 if length < 126 else 2 if length < 65536 else 8) if form is None else form
    head = bytes([fin << 7 | rsv << 4 | opcode])
    head += bytes([(mask is not None) << 7 | {0: length & 127, 2: 126, 8: 127}[form]])
    head += length.to_bytes(form, "big") if form else b""
    if mask is None:
        return head + payload
    return head + mask + masked(payload, mask)


def masked(payload, mask):
    if not payload:
        return b""
    repeated = (mask * (len(payload) // 4 + 1))[:len(payload)]
    number = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return number.to_bytes(len(payload), "big")


def text(payload, **more):
    return encode(TEXT, payload.encode() if isinstance(payload, str) else payload, **more)


def closing(code=1000, reason=b"", **more):
    return encode(CLOSE, struct.pack(">H", code) + reason, **more)


def fragments(opcode, *pieces):
    """Their frames, one for each piece."""
    last = len(pieces) - 1
    return [encode(CONTINUATION if i else opcode, piece, fin=i == last) for i, piece in enumerate(pieces)]


HEADERS = {"Host": "localhost", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": KEY,
           "Sec-WebSocket-Version": "13"}


def handshake(changes=None, method="GET", version="HTTP/1.1"):
    """changes: values by name, None to leave out, a list for several lines."""
    lines = ["%s / %s" % (method, version)]
    for name, value in (HEADERS | (changes or {})).items():
        values = value if isinstance(value, list) else [value] if value is not None else []
        lines += ["%s: %s" % (name, each) for each in values]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


class Peer:
    """A connection that sends what it is told and reads frames strictly."""

    def __init__(self, port, first=None, behind=b"", context=None):
        self.sock = socket.create_connection(("127.0.0.1", port), DEADLINE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
        self.data = b""
        self.sock.sendall((handshake() if first is None else first) + behind)

    def head(self):
        """Status and headers of the answer to the handshake."""
        while b"\r\n\r\n" not in self.data:
            assert self._more(), "closed within the handshake: %r" % self.data
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.1 (\d{3}) .+", lines[0])
        return int(match.group(1)), dict(line.lower().split(": ", 1) for line in lines[1:]), head.decode()

    def _more(self):
        data = self.sock.recv(1 << 20)
        self.data += data
        return data

    def _take(self, size):
        while len(self.data) < size:
            if not self._more():
                raise EOFError("closed within a frame: %r" % self.data[:100])
        piece, self.data = self.data[:size], self.data[size:]
        return piece

    def send(self, *pieces):
        self.sock.sendall(b"".join(pieces))

    def send_bytewise(self, data):
        for i in range(len(data)):
            self.sock.sendall(data[i:i + 1])

    def frame(self):
        """The next one: whole, without a mask, its length in the least bytes."""
        first, second = self._take(2)
        assert first & 0xf0 == 0x80, "FIN and RSV are %x" % (first >> 4)
        assert second < 128, "a server's frame with a mask"
        length = second
        if second >= 126:
            size = 2 if second == 126 else 8
            length = int.from_bytes(self._take(size), "big")
            assert length >= (126 if size == 2 else 65536), "%d in %d bytes" % (length, size)
        assert first & 0xf < CLOSE or length <= 125, "a control frame of %d" % length
        return first & 0xf, self._take(length)

    def expect(self, *frames):
        for expected in frames:
            found = self.frame()
            if found != expected:
                raise AssertionError("%d %r of %d is not %d %r of %d" % (
                    found[0], found[1][:100], len(found[1]), expected[0], expected[1][:100], len(expected[1])))

    def expect_close(self, code, ends=True):
        """Its code alone, whatever the reason; then the connection's end."""
        opcode, payload = self.frame()
        found = struct.unpack(">H", payload[:2])[0] if payload else None
        same((opcode, found), (CLOSE, code))
        payload[2:].decode()
        if ends:
            self.expect_end()

    def expect_end(self):
        same((self.data, self.sock.recv(1)), (b"", b""))

    def finish(self):
        """Close well, from this side."""
        self.send(closing())
        self.expect((CLOSE, struct.pack(">H", 1000)))
        self.expect_end()
        self.close()

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()


def join(port, **more):
    peer = Peer(port, **more)
    same(peer.head()[0], 101)
    return peer


# ---- cases

def whole(port, data):
    peer = join(port)
    peer.send(data)
    return peer


def bytewise(port, data):
    peer = join(port)
    peer.send_bytewise(data)
    return peer


def behind_the_handshake(port, data):
    return join(port, behind=data)


def check(server, sent, expected, way):
    """expected: frames; a number is the code of the close that ends it."""
    peer = way(server.port, b"".join(sent))
    code = expected[-1] if expected and isinstance(expected[-1], int) else None
    peer.expect(*(frame for frame in expected if frame != code))
    if code is None:
        peer.finish()
    else:
        peer.expect_close(code)
        peer.close()


def check_all(server, cases, ways=(whole, bytewise, behind_the_handshake)):
    count = server.state()["closes"]
    for name, (sent, expected) in cases.items():
        for way in ways:
            try:
                check(server, sent, expected, way)
            except (AssertionError, EOFError, OSError) as error:
                raise AssertionError("%s, %s: %r" % (name, way.__name__, error)) from error
            count += 1
    server.wait_closed(count)
