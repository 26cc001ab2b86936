"""service_http.py - HTTP/1.1 as the server takes it, byte by byte."""
import contextlib
import json
import random
import socket
import ssl

from kit import (DEADLINE, Connection, Service, create, directory, eventually, main, redis, render, request, same,
                 service, start, tls_options, tokens, write_file)

GET = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


def exchange(service, data):
    """What the server says to data and then the end: (statuses, closed)."""
    connection = Connection(service.port)
    statuses = []
    try:
        connection.send(data)
        connection.half_close()
        while True:
            statuses.append(connection.answer().status)
    except (EOFError, ConnectionResetError, BrokenPipeError):
        pass
    finally:
        connection.close()
    return statuses


def test_pipelined_requests_are_answered_in_order(service):
    codes = [create(service, "https://example.com/%d" % i)["code"] for i in range(20)]
    connection = Connection(service.port)
    connection.send(b"".join(render("GET", "/" + code) + GET for code in codes))
    for i in range(20):
        same(connection.answer().headers["location"], "https://example.com/%d" % i)
        same(connection.answer().status, 200)
    connection.close()


def test_many_pipelined_requests_are_all_answered(service):
    code = create(service)["code"]
    connection = Connection(service.port)
    connection.send(render("GET", "/v1/links/" + code) * 500)
    for _ in range(500):
        same(connection.answer().status, 200)
    connection.close()


def test_one_byte_at_a_time_is_the_same(service):
    connection = Connection(service.port)
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    body = render("POST", "/v1/links", {"url": "https://example.com/"})
    for byte in body + GET:
        connection.send(bytes([byte]))
    same(connection.answer().status, 201)
    same(connection.answer().status, 200)
    connection.close()


def test_chunked_body_is_the_same(service):
    connection = Connection(service.port)
    connection.send(b"POST /v1/links HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                    b"Transfer-Encoding: chunked\r\n\r\n"
                    b"8\r\n{\"url\":\"\r\n14;x=y\r\nhttps://example.com/\r\n2\r\n\"}\r\n"
                    b"0\r\nTrailer: x\r\n\r\n" + GET)
    same(connection.answer().json["url"], "https://example.com/")
    same(connection.answer().status, 200)
    connection.close()


def test_body_without_its_length_is_411_and_the_end(service):
    head, body = render("POST", "/v1/links", {"url": "https://example.com/"}).split(b"\r\n\r\n")
    head = b"\r\n".join(line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length"))
    connection = Connection(service.port)
    connection.send(head + b"\r\n\r\n" + body + b"\r\n\r\n" + GET)
    answer = connection.answer()
    same((answer.status, answer.slug, answer.headers["connection"]), (411, "length-required", "close"))
    assert connection.is_closed()
    connection.close()


def test_expect_is_answered_once(service):
    connection = Connection(service.port)
    head, body = render("POST", "/v1/links", {"url": "https://example.com/"},
                        {"Expect": "100-continue"}).split(b"\r\n\r\n")
    connection.send(head + b"\r\n\r\n")
    same(connection.answer(informational=True).status, 100)
    connection.send(body)
    same(connection.answer(informational=True).status, 201)
    connection.close()
    same(exchange(service, head.replace(b"100-continue", b"200-ok") + b"\r\n\r\n" + body), [417])


def test_head_has_no_body_but_its_length(service):
    connection = Connection(service.port)
    connection.send(render("HEAD", "/healthz") + GET)
    answer = connection.answer(head=True)
    same(answer.status, 200)
    assert int(answer.headers["content-length"]) > 0
    same(connection.answer().status, 200)
    connection.close()


def test_http_1_0_closes_unless_asked(service):
    connection = Connection(service.port)
    connection.send(b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    same(connection.answer().headers["connection"], "keep-alive")
    connection.send(b"GET /healthz HTTP/1.0\r\n\r\n")
    same(connection.answer().headers["connection"], "close")
    assert connection.is_closed()


def test_half_close_is_still_answered(service):
    code = create(service)["code"]
    same(exchange(service, render("GET", "/v1/links/" + code)), [200])
    same(exchange(service, render("GET", "/v1/links/" + code) * 3), [200, 200, 200])


def test_empty_lines_draw_no_answer(service):
    for count in (1, 2, 8, 9, 1000):
        same(exchange(service, GET + b"\r\n" * count), [200], count)
        same(exchange(service, b"\r\n" * count + GET), [200] if count <= 8 else [], count)


def test_absolute_form_and_empty_line_are_taken(service):
    same(exchange(service, b"\r\nGET http://x.y/healthz HTTP/1.1\r\nHost: a\r\n\r\n"), [200])
    same(exchange(service, b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), [204])


SHAPES = [  # what smuggles, or is no HTTP: refused, and nothing behind it is read
    b"GET /healthz HTTP/1.1\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a:b:c\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a:99999999\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a'b;c(d)\r\n\r\n",
    b"GET http://a:b:c/healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost : a\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: y\x00z\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: y\x01z\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: y\x7fz\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nX\x01: y\r\n\r\n",
    b"GET /health\x7fz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /healthz\r HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /healthz HTTP/1.1\nHost: a\n\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\n\r\n",
    b"GET /healthz\r\nHost: a\r\n\r\n",
    b"GET /healthz HTTP/1.1x\r\nHost: a\r\n\r\n",
    b"GET  /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    b" GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /v1/links HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /v1/links HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc",
    b"POST /v1/links HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
    b"POST /v1/links HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc",
    b"POST /v1/links HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nabc",
    b"POST /v1/links HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/links HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/links HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"POST /v1/links HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/links HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/links HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/links HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n\r\n",
    b"POST /v1/links HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcXX0\r\n\r\n",
    b"POST /v1/links HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    b"DESCRIBE /healthz RTSP/1.0\r\nHost: a\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
]


def test_smuggling_shapes_are_refused_and_closed(service):
    for shape in SHAPES:
        same(exchange(service, shape + GET), [400], shape)
    for shape, status in ((b"GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n", 505),
                          (b"TRACE /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 501),
                          (b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 501)):
        same(exchange(service, shape + GET), [status], shape)
    same(service.get("/healthz").status, 200)


def test_upgrade_of_another_origin_is_403(service):
    head = {"Connection": "Upgrade", "Upgrade": "websocket", "Origin": "http://evil.example"}
    code = create(service)["code"]
    for path in ("/healthz", "/v1/links", "/" + code):
        answer = service.get(path, head)
        same((answer.status, answer.slug), (403, "foreign-origin"), path)
    same(service.get("/healthz", head | {"Origin": "http://localhost"}).status, 200)


def test_limits_have_an_answer_each(service):
    cases = [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 100 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + (b"X: " + b"a" * 8000 + b"\r\n") * 5 + b"\r\n", 431),
        (b"POST /v1/links HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n", 413),
        (b"POST /v1/links HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
         b"10000\r\n" + b"a" * 65536 + b"\r\n", 0),
    ]
    for data, status in cases:
        if status:
            same(exchange(service, data), [status], data[:60])
    chunk = b"10000\r\n" + b"a" * 65536 + b"\r\n"
    head = b"POST /v1/links HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    same(exchange(service, head + chunk * 17), [413])
    exact = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 99 + b"\r\n"
    same(exchange(service, exact), [200])


def test_slow_head_and_slow_body_are_408(redis):
    server = start(redis, "--header-timeout", "1s", "--body-timeout", "1s")
    for data in (b"GET / HT", b"POST /v1/links HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab"):
        connection = Connection(server.port)
        connection.send(data)
        same(connection.answer().status, 408, data)
        assert connection.is_closed()
        connection.close()
    server.close()


def test_slow_loris_gains_no_time_by_bytes(redis):
    server = start(redis, "--header-timeout", "1s")
    connection = Connection(server.port, timeout=0.05)
    connection.send(b"GET / HTTP/1.1\r\nX: ")
    answer = b""
    for _ in range(400):  # twenty times the deadline, a byte each 50 ms
        try:
            connection.send(b"a")
            answer += connection.sock.recv(4096)
        except TimeoutError:
            continue
        except OSError:
            break
        if answer:
            break
    assert answer.startswith(b"HTTP/1.1 408 "), answer
    connection.close()
    server.close()


def test_idle_connection_is_closed(redis):
    server = start(redis, "--idle-timeout", "1s")
    connection = Connection(server.port)
    connection.send(GET)
    same(connection.answer().status, 200)
    assert connection.is_closed()
    connection.close()
    server.close()


def hold(server):
    """A connection that the server has taken."""
    def taken():
        connection = Connection(server.port)
        connection.send(GET)
        if connection.answer().status == 200:
            return connection
        connection.close()
        return None
    return eventually(taken, "a connection to be taken")


def test_connections_past_the_limit_are_told(redis):
    server = start(redis, "--workers", "1", "--max-connections", "5")
    held = [hold(server) for _ in range(5)]
    same(request(server.port, "GET", "/healthz").status, 503)
    held.pop().close()
    eventually(lambda: request(server.port, "GET", "/healthz").status == 200, "room for one")
    for connection in held:
        connection.close()
    server.close()


def test_connections_of_one_address_have_a_limit(redis):
    server = start(redis, "--workers", "1", "--max-connections-per-address", "3")
    held = [hold(server) for _ in range(3)]
    same(request(server.port, "GET", "/healthz").slug, "too-many-connections")
    for connection in held:
        connection.close()
    server.close()


def test_slow_reader_does_not_hold_the_others(service):
    for i in range(60):
        create(service, "https://example.com/" + "x" * 8000 + str(i))
    slow = Connection(service.port)
    slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.send(render("GET", "/v1/links?limit=60") * 30)
    for _ in range(50):
        same(service.get("/healthz").status, 200)
    slow.close()


@contextlib.contextmanager
def tls_service(redis):
    """(server, TLS port, certificate)"""
    with tls_options() as (port, cert, options):
        server = start(redis, *options)
        yield server, port, cert
        server.close()


def test_tls_answers_the_same(redis):
    with tls_service(redis) as (server, port, cert):
        code = create(server)["code"]
        context = ssl.create_default_context(cafile=cert)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context.minimum_version = context.maximum_version = version
            connection = Connection(port)
            connection.sock = context.wrap_socket(connection.sock, server_hostname="localhost")
            connection.send(render("GET", "/" + code) * 5)
            for _ in range(5):
                same(connection.answer().status, 302)
            connection.close()
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        try:
            connection = Connection(port)
            old.wrap_socket(connection.sock)
            raise AssertionError("TLS 1.1 was taken")
        except (ssl.SSLError, OSError):
            connection.close()


class Records:
    """TLS whose records are sent when we say so."""

    def __init__(self, port, context):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        self.coming, self.going = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.coming, self.going, server_hostname="localhost")
        self.until(self.tls.do_handshake)

    def flush(self):
        self.sock.sendall(self.going.read())

    def until(self, step):
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self.flush()
                data = self.sock.recv(65536)
                self.coming.write(data) if data else self.coming.write_eof()

    def end(self):
        """Our end, which waits to be sent, and not for the other's."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass

    def rest(self):
        got = b""
        while True:
            try:
                data = self.until(lambda: self.tls.read(65536))
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return got
            if not data:
                return got
            got += data


def test_tls_end_does_not_overtake_requests(redis):
    with tls_service(redis) as (_, port, cert):
        context = ssl.create_default_context(cafile=cert)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context.minimum_version = context.maximum_version = version
            records = Records(port, context)
            for i in range(300):
                records.tls.write(render("GET", "/v%d%06d" % (version, i)))
            records.end()
            records.flush()
            same(records.rest().count(b"HTTP/1.1 404 "), 300)
            records.sock.close()


def mutate(rng, data):
    data = bytearray(data)
    kind = rng.randrange(4)
    at = rng.randrange(len(data))
    if kind == 0:
        data[at] ^= 1 << rng.randrange(8)
    elif kind == 1:
        other = rng.randrange(len(data))
        data[at:at] = data[other:other + rng.randrange(1, 40)]
    elif kind == 2:
        del data[at:]
    else:
        lines = bytes(data).split(b"\r\n")
        lines.insert(rng.randrange(len(lines)), lines[rng.randrange(len(lines))])
        data = bytearray(b"\r\n".join(lines))
    return bytes(data)


def test_body_is_not_gathered_of_who_is_refused(redis, directory):
    keys = tokens.make_keys()
    server = Service("shortener", "--workers", "1", "--token-keys",
                     write_file(directory, "keys", json.dumps(keys)), redis=redis)
    for head, status in (("POST /v1/links", 401), ("POST /v1/nothing", 404), ("PUT /v1/links", 405)):
        connection = Connection(server.port)
        connection.send(head + " HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                               "Content-Length: 1000000\r\n\r\n{")
        answer = connection.answer()
        same((answer.status, answer.headers["connection"]), (status, "close"), head)
        connection.close()
    server.close()


def test_reader_that_takes_nothing_is_held_within_bounds(redis):
    server = start(redis, "--workers", "1")
    long = "https://example.com/" + "x" * 8000
    for n in range(150):
        create(server, long + str(n))
    held = []
    for _ in range(20):
        held.append(Connection(server.port))
        held[-1].send(render("GET", "/v1/links?limit=1000") * 8)
    eventually(lambda: server.metric("shortener_connections") >= 20 and
               server.get("/debug/loop").json["inflight"] <= 1, "their answers")
    live = server.get("/debug/memory").json["live_bytes"]
    assert live["conn"] + live["request"] < 20 * 12 << 20, live
    for connection in held:
        connection.close()
    server.close()


def requests_in(data):
    """No more than this many can be in data: whole heads, and what is refused behind the last."""
    return data.count(b"\r\n\r\n") + (not data.endswith(b"\r\n\r\n"))


def test_mutations_draw_no_more_answers_than_requests(service):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    code = create(service)["code"]
    valid = [render("GET", "/" + code), render("HEAD", "/%s+" % code), GET,
             render("POST", "/v1/links", {"url": "https://example.com/m"}),
             render("PATCH", "/v1/links/" + code, {"title": "m"}),
             b"POST /v1/links HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
             b"Content-Type: application/json\r\n\r\n19\r\n{\"url\":\"http://e.com/mm\"}\r\n0\r\n\r\n"]
    for i in range(200):
        data = valid[i % len(valid)] + (rng.choice(valid) if rng.random() < 0.3 else b"")
        for _ in range(rng.randrange(1, 4)):
            data = mutate(rng, data or GET)
        connection = Connection(service.port)
        try:
            connection.send(data)
            connection.half_close()
            received = b""
            while piece := connection.sock.recv(65536):
                received += piece
        except ConnectionResetError:
            pass
        finally:
            connection.close()
        assert received.count(b"HTTP/1.1 ") - received.count(b" 100 Continue") <= requests_in(data), \
            (data, received)
    same(service.get("/healthz").status, 200)


main(__name__, directory=directory)
