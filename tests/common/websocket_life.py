"""websocket_life.py - peers that vanish, wait or do not read, and the server's end, by the echo program."""
import contextlib
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading

from websocket_kit import (BINARY, CLOSE, CONTINUATION, DEADLINE, LATE, PING, PONG, TEXT, Echo, Peer, Skip,
                           check, closing, directory, echo, encode, eventually, fragments, handshake, join, run, same,
                           text)


# ---- peers that vanish

def quarter(data):
    return data[:max(1, len(data) // 4)]


STATES = {
    "nothing": b"", "half a head": text("a" * 200)[:3], "half a message": encode(TEXT, b"a" * 1000)[:500],
    "a fragment": encode(TEXT, b"a", fin=False), "half a fragment": quarter(encode(TEXT, b"a" * 99, fin=False)),
    "a ping inside": encode(TEXT, b"a", fin=False) + encode(PING, b"ping"),
    "half a ping inside": encode(TEXT, b"a", fin=False) + encode(PING, b"ping")[:8],
    "half a close": closing(1000, b"reason")[:5], "a message": text("a")}


def test_peer_that_vanishes_in_any_state_is_1006(echo):
    join(echo.port).finish()  # what all share is there from now on
    same(echo.wait_closed(), 1000)
    count = 1
    before = echo.state()["conn_bytes"]
    for name, data in STATES.items():
        for leave in (Peer.close, Peer.reset, lambda peer: peer.sock.shutdown(socket.SHUT_WR)):
            peer = join(echo.port, behind=data)
            leave(peer)
            count += 1
            same(echo.wait_closed(count), 1006, name)
            peer.close()
    eventually(lambda: echo.state()["conn_bytes"] == before, "all memory")


def test_peer_that_vanishes_behind_its_close_or_fault(echo):
    for count, (data, code) in enumerate(((closing(3000), 3000), (text(b"\xff"), 1007), (b"\xff\xff", 1002))):
        peer = join(echo.port, behind=data)
        peer.reset()
        same(echo.wait_closed(count + 1), code)


def test_peer_that_never_ends_its_side_is_left():
    server = Echo("--close-ms", 50)
    for count, data in enumerate((closing(), text(b"\xff"))):
        peer = join(server.port, behind=data)
        assert server.wait_closed(count + 1) in (1000, 1007)
        peer.close()
    server.close()


# ---- pings of the server, and what is late

def test_server_pings_and_goes_on_with_a_pong():
    server = Echo("--ping-ms", 20)
    peer = join(server.port)
    for _ in range(5):
        peer.expect((PING, b""))
        peer.send(encode(PONG))
    peer.send(text("a"))
    found = peer.frame()
    while found == (PING, b""):
        peer.send(encode(PONG))
        found = peer.frame()
    same(found, (TEXT, b"a"))
    peer.close()
    server.close()


def until_close(peer):
    """The code of the close frame, behind whatever comes before it; pings are answered."""
    for _ in range(500):
        opcode, payload = peer.frame()
        if opcode == CLOSE:
            return struct.unpack(">H", payload[:2])[0]
        if opcode == PING:
            peer.send(encode(PONG, payload))
    raise AssertionError("no close frame")


def test_pong_that_does_not_come_is_late():
    server = Echo("--ping-ms", 20, "--pong-ms", 20)
    peer = join(server.port)
    peer.expect((PING, b""))
    peer.send(text("alive, but no pong"))
    same(until_close(peer), LATE)
    peer.send(text("dropped"), encode(PING), closing(LATE))
    peer.expect_end()
    peer.close()
    same(server.wait_closed(), LATE)
    server.close()


def test_peer_that_does_not_answer_our_close_is_left():
    server = Echo("--ping-ms", 20, "--pong-ms", 20, "--close-ms", 50)
    peer = join(server.port)
    peer.expect((PING, b""))
    peer.expect_close(LATE)
    peer.close()
    same(server.wait_closed(), LATE)
    server.close()


def test_message_that_does_not_become_whole_is_late():
    server = Echo("--ping-ms", 20)
    peer = join(server.port, behind=encode(TEXT, b"a", fin=False))
    same(until_close(peer), LATE)
    peer.close()
    same(server.wait_closed(), LATE)
    server.close()


def test_peer_that_answers_pings_inside_a_long_message_stays():
    server = Echo("--ping-ms", 20)
    peer = join(server.port)
    for i in range(20):
        peer.send(*fragments(TEXT, b"%d" % i, b"!"), encode(BINARY, b"b", fin=False))
        peer.send(encode(CONTINUATION, b"e"))
        wanted = [(TEXT, b"%d!" % i), (BINARY, b"be")]
        while wanted:
            found = peer.frame()
            if found == (PING, b""):
                peer.send(encode(PONG))
            else:
                same(found, wanted.pop(0))
    peer.close()
    server.close()


# ---- peers that do not read

@contextlib.contextmanager
def sending(peer, data):
    """Another thread sends, as far as the server takes it."""
    failed = []

    def send():
        try:
            peer.sock.sendall(data)
        except OSError as error:
            failed.append(error)
    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield failed
    finally:
        with contextlib.suppress(OSError):
            peer.sock.shutdown(socket.SHUT_RDWR)
        thread.join(DEADLINE)
        peer.close()


KEPT = 1 << 20


def held_back(server, before):
    """Until it is, and a while more; what it holds for the peer at most."""
    eventually(lambda: server.state()["conn_bytes"] - before >= KEPT // 2, "bytes that are kept")
    return max(server.state()["conn_bytes"] - before for _ in range(50))


def test_peer_that_does_not_read_is_held_back_and_loses_nothing():
    server = Echo("--max-kept", KEPT, "--max-message", 65536)
    join(server.port).finish()
    before = server.state()["conn_bytes"]
    peer = join(server.port)
    message = b"0123456789abcdef" * 1024
    with sending(peer, text(message) * 2000) as failed:
        most = held_back(server, before)
        assert most < 4 * KEPT, most
        for _ in range(2000):
            peer.expect((TEXT, message))
        same(failed, [])
        assert server.state()["drains"] > 0
        peer.finish()
    same(server.wait_closed(2), 1000)
    eventually(lambda: server.state()["conn_bytes"] == before, "all memory")
    server.close()


def test_flood_of_pings_by_a_peer_that_does_not_read_is_bounded():
    server = Echo("--max-kept", KEPT)
    before = server.state()["conn_bytes"]
    peer = join(server.port)
    payload = b"*" * 125
    with sending(peer, encode(PING, payload) * 80000) as failed:
        most = held_back(server, before)
        assert most < 4 * KEPT, most
        for _ in range(80000):
            peer.expect((PONG, payload))
        same(failed, [])
        peer.finish()
    server.close()


def test_peer_that_never_reads_is_late():
    server = Echo("--max-kept", KEPT, "--max-message", 65536, "--ping-ms", 50, "--pong-ms", 50, "--close-ms", 50)
    peer = join(server.port)
    with sending(peer, text("*" * 16384) * 2000):
        same(server.wait_closed(), LATE)
    server.close()


def test_peer_that_never_reads_is_late_with_unasked_pongs_too():
    server = Echo("--max-kept", 64 << 20, "--ping-ms", 50, "--close-ms", 50)
    peer = join(server.port)
    with contextlib.suppress(OSError):  # by then it may have been left
        peer.send(text("*" * 65536) * 300)

    def is_left():
        with contextlib.suppress(OSError):
            peer.send(encode(PONG))
        return server.state()["closes"]
    eventually(is_left, "the end")
    same(server.wait_closed(), LATE)
    peer.close()
    server.close()


def test_peer_that_vanishes_while_it_is_held_back():
    server = Echo("--max-kept", KEPT, "--max-message", 65536, "--close-ms", 50)
    before = server.state()["conn_bytes"]
    peer = join(server.port)
    with sending(peer, text("*" * 16384) * 2000):
        held_back(server, before)
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    same(server.wait_closed(), 1006)
    server.close()


# ---- the end of the server

def test_signal_closes_sockets_with_1001():
    for number in (signal.SIGTERM, signal.SIGINT):
        server = Echo()
        peer, other = join(server.port), join(server.port, behind=encode(TEXT, b"a", fin=False))
        server.signal(number)
        for each in (peer, other):
            each.expect_close(1001, ends=False)
            each.send(closing(1001))
            each.expect_end()
            each.close()
        server.close()


def test_signal_does_not_wait_for_peers_that_are_silent():
    server = Echo("--close-ms", 60000)
    silent, closing_peer = join(server.port), join(server.port, behind=closing())
    closing_peer.expect((CLOSE, struct.pack(">H", 1000)))
    server.close()
    silent.expect_close(1001)
    silent.close()
    closing_peer.close()


def test_signal_within_a_handshake():
    server = Echo()
    peer = Peer(server.port, handshake()[:40])
    server.state()
    server.signal(signal.SIGTERM)
    peer.send(handshake()[40:])
    same(peer.head()[0], 101)
    peer.expect_close(1001, ends=False)
    peer.close()
    server.close()


# ---- over TLS

def certificate(folder):
    cert, key = os.path.join(folder, "cert"), os.path.join(folder, "key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


@contextlib.contextmanager
def tls_echo(folder, *options):
    if not shutil.which("openssl"):
        raise Skip("openssl is not installed")
    cert, key = certificate(folder)
    server = Echo("--tls-cert", cert, "--tls-key", key, *options)
    yield server, ssl.create_default_context(cafile=cert)
    server.close()


def test_sockets_over_tls(directory):
    with tls_echo(directory) as (server, context):
        for size in (0, 1, 126, 65536, 1 << 20):
            message = b"*" * size
            peer = join(server.port, behind=text(message) + encode(PING, b"a"), context=context)
            peer.expect((TEXT, message), (PONG, b"a"))
            peer.send_bytewise(text("by bytes"))
            peer.expect((TEXT, b"by bytes"))
            peer.finish()
        peer = join(server.port, behind=text(b"\xff"), context=context)
        peer.expect_close(1007)
        peer.close()
        peer = join(server.port, context=context)
        server.signal(signal.SIGTERM)
        peer.expect_close(1001, ends=False)
        peer.send(closing(1001))
        peer.expect_end()
        peer.close()


def test_peer_over_tls_that_vanishes(directory):
    with tls_echo(directory) as (server, context):
        peers = [join(server.port, behind=data, context=context) for data in STATES.values()]
        for i, peer in enumerate(peers):
            if i % 2:
                peer.reset()
            else:
                peer.close()


run(sys.modules[__name__], echo=echo, directory=directory)
