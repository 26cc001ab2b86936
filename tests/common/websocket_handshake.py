"""websocket_handshake.py - how a WebSocket begins, and HTTP beside it, by the echo program."""
import base64
import hashlib
import importlib
import json
import os
import sys

from websocket_kit import (ACCEPT, DEADLINE, KEY, TEXT, Echo, Peer, Skip, echo, encode, eventually, handshake, join, run,
                           same, text)


# ---- the handshake

def answer_to(server, first):
    peer = Peer(server.port, first)
    status, headers, head = peer.head()
    peer.close()
    return status, headers, head


def test_handshake_is_answered_by_the_rules(echo):
    status, headers, head = answer_to(echo, handshake())
    same(status, 101)
    assert head.startswith("HTTP/1.1 101 Switching Protocols\r\n"), head
    assert "Sec-WebSocket-Accept: " + ACCEPT in head, head
    same((headers["upgrade"], headers["connection"]), ("websocket", "upgrade"))
    for name in ("sec-websocket-extensions", "sec-websocket-protocol", "content-length", "transfer-encoding"):
        assert name not in headers, head
    key = base64.b64encode(os.urandom(16)).decode()
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    same(answer_to(echo, handshake({"Sec-WebSocket-Key": key}))[2].count(base64.b64encode(digest).decode()), 1)


def test_handshakes_of_other_shapes_are_good(echo):
    for changes in ({"Upgrade": "WebSocket"}, {"Upgrade": "h2c, websocket"}, {"Upgrade": ["h2c", "websocket"]},
                    {"Connection": "keep-alive, UPGRADE"}, {"Connection": ["keep-alive", "upgrade"]},
                    {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"},
                    {"Sec-WebSocket-Key": "  " + KEY + "  "}, {"Origin": "http://localhost"},
                    {"Sec-WebSocket-Protocol": None}, {"Authorization": "Basic YTpi", "Cookie": "a=b"}):
        status, headers, _ = answer_to(echo, handshake(changes))
        same((status, "sec-websocket-extensions" in headers), (101, False), changes)


def problem(server, first):
    peer = Peer(server.port, first)
    status, headers, _ = peer.head()
    while len(peer.data) < int(headers["content-length"]):
        peer.data += peer.sock.recv(4096)
    peer.close()
    return status, headers, json.loads(peer.data)


def test_bad_handshake_is_400_and_says_what_is_wrong(echo):
    for changes, word in (({"Upgrade": None}, "Upgrade"), ({"Upgrade": "h2c"}, "Upgrade"),
                          ({"Connection": None}, "Connection"), ({"Connection": "keep-alive"}, "Connection"),
                          ({"Sec-WebSocket-Key": None}, "Key"),
                          ({"Sec-WebSocket-Key": ""}, "Key"), ({"Sec-WebSocket-Key": KEY[:-1]}, "Key"),
                          ({"Sec-WebSocket-Key": "!" + KEY[1:]}, "Key"), ({"Sec-WebSocket-Key": KEY + "="}, "Key"),
                          ({"Sec-WebSocket-Key": [KEY, KEY]}, "Key"),
                          ({"Sec-WebSocket-Version": None}, "Version"),
                          ({"Sec-WebSocket-Version": ["13", "13"]}, "Version"),
                          ({"Sec-WebSocket-Protocol": "a b"}, "Protocol"),
                          ({"Sec-WebSocket-Protocol": "a, b/c"}, "Protocol")):
        status, _, body = problem(echo, handshake(changes))
        same((status, body["type"]), (400, "/problems/bad-handshake"), changes)
        assert word in body["detail"], (changes, body)
    same(echo.state()["opens"], 0)


def test_other_versions_are_426_and_told_ours(echo):
    for version in ("0", "7", "8", "12", "14", "013", "13, 8", "x"):
        status, headers, body = problem(echo, handshake({"Sec-WebSocket-Version": version}))
        same((status, headers["sec-websocket-version"], headers["upgrade"], body["type"]),
             (426, "13", "websocket", "/problems/websocket-version"), version)


def test_handshake_is_a_get_of_http_1_1(echo):
    status, _, body = problem(echo, handshake(version="HTTP/1.0"))
    same(status, 400)
    assert "HTTP/1.1" in body["detail"], body
    for method, expected in (("HEAD", 400), ("POST", 405), ("PUT", 405)):
        same(answer_to(echo, handshake({"Content-Length": "0"}, method=method))[0], expected)
    same(answer_to(echo, handshake({"Host": None}))[0], 400)
    same(answer_to(echo, handshake({"Origin": "http://elsewhere.example"}))[0], 403)


def test_connection_goes_on_as_http_behind_a_refusal(echo):
    peer = Peer(echo.port, handshake({"Sec-WebSocket-Version": "8"}), behind=handshake())
    status, headers, _ = peer.head()
    same(status, 426)
    while len(peer.data) < int(headers["content-length"]):
        peer.data += peer.sock.recv(4096)
    peer.data = peer.data[int(headers["content-length"]):]
    same(peer.head()[0], 101)
    peer.send(text("a"))
    peer.expect((TEXT, b"a"))
    peer.finish()


def test_handshake_waits_for_the_answers_before_it(echo):
    first = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    peer = Peer(echo.port, first + first + handshake(), behind=text("a"))
    for _ in range(2):
        same(peer.head()[0], 200)
        peer.data = peer.data[3:] if peer.data else peer.sock.recv(3)[3:]
    same(peer.head()[0], 101)
    peer.expect((TEXT, b"a"))
    peer.finish()


def test_handshake_byte_by_byte(echo):
    peer = Peer(echo.port, b"")
    peer.send_bytewise(handshake())
    same(peer.head()[0], 101)
    peer.send(text("a"))
    peer.expect((TEXT, b"a"))
    peer.finish()


def test_half_a_handshake_leaves_nothing(echo):
    join(echo.port).finish()  # what all share is there from now on
    echo.wait_closed()
    before = echo.state()["conn_bytes"]
    data = handshake()
    for size in range(0, len(data), 7):
        peer = Peer(echo.port, data[:size])
        if size % 2:
            peer.reset()
        else:
            peer.close()
    eventually(lambda: echo.state()["conn_bytes"] == before, "the end of all")
    same(echo.state()["opens"], 1)


def test_subprotocol_that_is_required(echo):
    server = Echo("--subprotocol", "chat.v1.json")
    for offered in ("chat.v1.json", "other, chat.v1.json", ["other", "chat.v1.json"], "chat.v1.json, chat.v1.json",
                    "a,,chat.v1.json,"):
        _, _, head = answer_to(server, handshake({"Sec-WebSocket-Protocol": offered}))
        assert head.startswith("HTTP/1.1 101 "), (offered, head)
        same(head.count("Sec-WebSocket-Protocol: chat.v1.json"), 1)
        same(head.lower().count("sec-websocket-protocol"), 1)
    for offered in (None, "", "other", "CHAT.v1.json", "chat.v1.json2", "chat"):
        status, _, body = problem(server, handshake({"Sec-WebSocket-Protocol": offered}))
        same(status, 400, offered)
        assert "chat.v1.json" in body["detail"], body
    server.close()
    for offered, chosen in (("a", "a"), ("a, b", "a"), (", b", "b"), (["x", "y"], "x")):
        same(answer_to(echo, handshake({"Sec-WebSocket-Protocol": offered}))[1]["sec-websocket-protocol"], chosen)


# ---- plain HTTP, and a real client

def test_http_beside_the_sockets(echo):
    for body in (b"", b"a", b"*" * 100000, bytes(range(256))):
        status, headers, found = echo.request("POST", "/echo", body, {"Content-Type": "text/x-any"})
        same((status, found), (200, body))
        same(headers["Content-Type"], "text/x-any")
    same(echo.request("GET", "/")[::2], (200, b"ok\n"))
    same(echo.request("HEAD", "/")[::2], (200, b""))


def test_client_of_python3_websockets(echo):
    try:
        client = importlib.import_module("websockets")
    except ImportError:
        raise Skip("python3-websockets is not installed") from None
    asyncio = importlib.import_module("asyncio")

    async def talk():
        uri = "ws://127.0.0.1:%d/" % echo.port
        async with client.connect(uri, subprotocols=["a", "b"], max_size=None) as link:
            same(link.subprotocol, "a")
            for message in ("", "text", "\u20ac" * 30000, b"", b"bytes", os.urandom(1 << 20)):
                await link.send(message)
                same(await link.recv(), message)
            await link.send(["in ", "pieces"])
            same(await link.recv(), "in pieces")
            await asyncio.wait_for(await link.ping(b"ping"), DEADLINE)
            await link.close(3001, "done")
            same((link.close_code, link.close_reason), (3001, ""))
    asyncio.run(asyncio.wait_for(talk(), DEADLINE))
    same(echo.wait_closed(), 3001)


run(sys.modules[__name__], echo=echo)
