"""sockets.py - a scripted WebSocket client of the services' /v1/ws."""
import base64
import contextlib
import itertools
import json
import os
import select
import socket
import ssl
import struct
import time

from lab import DEADLINE, render, same

PATH = "/v1/ws"


class Closed(Exception):
    pass


def connect(port, wrap=None):
    """wrap: what makes a socket one of TLS."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
    return wrap(sock) if wrap else sock


def more_of(sock, timeout):
    pending = isinstance(sock, ssl.SSLSocket) and sock.pending()
    if not pending and not select.select([sock], [], [], max(timeout, 0))[0]:
        raise TimeoutError("nothing came")
    try:
        some = sock.recv(65536)
    except ConnectionResetError:
        some = b""
    if not some:
        raise Closed()
    return some


class Refused(Exception):
    """No upgrade: status is the answer's."""

    def __init__(self, status):
        super().__init__("status %d" % status)
        self.status = status


class Socket:
    """A client of /v1/ws: requests and their answers, events, the close code."""

    PROTOCOL = ""  # of its service

    def __init__(self, server, token=None, headers=None, protocol=None, port=None, wrap=None):
        self.sock = connect(port or server.port, wrap)
        fields = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                  "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
                  "Sec-WebSocket-Protocol": self.PROTOCOL if protocol is None else protocol}
        if token:
            fields["Authorization"] = "Bearer " + token
        self.sock.sendall(render("GET", PATH, None, fields | (headers or {})))
        self.rest, self.code, self.reason = b"", None, None
        self.ids = itertools.count(1)
        self.events = []  # that came while an answer was waited for
        while b"\r\n\r\n" not in self.rest:
            self._more(DEADLINE)
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        status = int(head.split()[1])
        if status != 101:
            self.sock.close()
            raise Refused(status)

    def _more(self, timeout):
        self.rest += more_of(self.sock, timeout)

    def _take(self, size, until):
        while len(self.rest) < size:
            self._more(until - time.monotonic())
        piece, self.rest = self.rest[:size], self.rest[size:]
        return piece

    def frame(self, opcode, payload):
        mask = os.urandom(4)
        size = len(payload)
        head = bytes([0x80 | opcode]) + (
            bytes([0x80 | size]) if size < 126 else
            struct.pack(">BH", 0xfe, size) if size < 65536 else struct.pack(">BQ", 0xff, size))
        body = bytes(b ^ m for b, m in zip(payload, itertools.cycle(mask)))
        self._send(head + mask + body)

    def _send(self, data):
        self.sock.sendall(data)

    def send(self, text):
        self.frame(1, text.encode())

    def message(self, timeout=DEADLINE):
        """The next message; pings are answered, a close is noted and answered."""
        until = time.monotonic() + timeout
        while True:
            first, size = self._take(2, until)
            if size == 126:
                size = struct.unpack(">H", self._take(2, until))[0]
            elif size == 127:
                size = struct.unpack(">Q", self._take(8, until))[0]
            payload = self._take(size, until)
            if first == 0x81:
                return json.loads(payload)
            if first == 0x89:
                self.frame(10, payload)
            elif first == 0x88:
                self.code = struct.unpack(">H", payload[:2])[0] if payload else 1005
                self.reason = payload[2:].decode()
                with contextlib.suppress(OSError):
                    self.frame(8, payload)
                raise Closed()

    def ask(self, op, **members):
        """A request's answer; events before it are kept."""
        number = next(self.ids)
        self.send(json.dumps({"id": number, "op": op} | members))
        while True:
            message = self.message()
            if message.get("id") == number:
                return message
            self.events.append(message)

    def get(self, op, **members):
        answer = self.ask(op, **members)
        assert answer["ok"], answer
        return answer

    def refused(self, op, status, type_, **members):
        answer = self.ask(op, **members)
        assert not answer["ok"], answer
        same((answer["error"]["status"], answer["error"]["type"]), (status, type_), answer)
        return answer["error"]

    def event(self, timeout=DEADLINE):
        return self.events.pop(0) if self.events else self.message(timeout)

    def ends(self, timeout=DEADLINE):
        """The close code; what comes before it is dropped."""
        with contextlib.suppress(Closed):
            while True:
                self.message(timeout)
        return self.code

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
