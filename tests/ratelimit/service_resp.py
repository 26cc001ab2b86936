"""service_resp.py - CL.THROTTLE on the RESP port, by raw sockets and by Redis's own tools."""
import json
import shutil
import socket
import subprocess
import time

from kit import (DEADLINE, SOAK, Skip, bearer, directory, eventually, main, redis, same, seeded, service,
                 start, tokens, write_file)

KEYS = tokens.make_keys()
NO_FLOW = 31000000  # a period (s) in which a test gets no token back


class Error(str):
    """What stands behind the - of an error."""


class Client:
    """A connection to the RESP port that reads strictly."""

    def __init__(self, server):
        self.sock = socket.create_connection(("127.0.0.1", server.resp_port), DEADLINE)
        self.file = self.sock.makefile("rb")

    def send(self, data):
        self.sock.sendall(data)

    def reply(self):
        line = self.file.readline()
        if not line:
            raise EOFError
        assert line.endswith(b"\r\n") and line.count(b"\r") == 1, line
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"+":
            return rest
        if kind == b"-":
            return Error(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return self.file.read(int(rest) + 2)[:-2].decode()
        assert kind == b"*", line
        return [self.reply() for _ in range(int(rest))]

    def __call__(self, *args):
        self.send(command(*args))
        return self.reply()

    def throttle(self, key, burst=9, count=10, period=NO_FLOW, *cost):
        return self("CL.THROTTLE", key, burst, count, period, *cost)

    def is_closed(self):
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.file.close()
        self.sock.close()


def command(*args):
    parts = [a if isinstance(a, bytes) else str(a).encode() for a in args]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


def client(service):
    connection = Client(service)
    yield connection
    connection.close()


# ---- numbers

def test_throttle_says_what_redis_cell_says(client):
    """The example of its README, then one with a single token, then what is left."""
    same(client.throttle("user123", 15, 30, 60, 1), [0, 16, 15, -1, 2])
    same(client.throttle("one", 0, 1, 60), [0, 1, 0, -1, 60])
    limited, limit, remaining, retry, full = client.throttle("one", 0, 1, 60)
    same((limited, limit, remaining), (1, 1, 0))
    assert 50 <= retry <= 60 and retry == full, (retry, full)
    for n in range(10):
        same(client.throttle("ten")[:4], [0, 10, 9 - n, -1])
    limited, limit, remaining, retry, full = client.throttle("ten")
    same((limited, limit, remaining), (1, 10, 0))
    assert NO_FLOW // 10 - 60 < retry <= NO_FLOW // 10 and NO_FLOW - 60 < full <= NO_FLOW, (retry, full)


def test_quantity_is_taken_whole_or_not_at_all(client):
    seen = [client.throttle("k", 9, 10, NO_FLOW, cost)[:3] for cost in (7, 4, 0, 3, 1, 0)]
    same(seen, [[0, 10, 3], [1, 10, 3], [0, 10, 3], [0, 10, 0], [1, 10, 0], [0, 10, 0]])
    same(client.throttle("whole", 9, 10, NO_FLOW, 10)[:3], [0, 10, 0])


def test_waiting_as_long_as_was_said_is_enough(client):
    for _ in range(20 if SOAK else 2):
        answer = client.throttle("wait", 0, 2, 1)
        while answer[0] == 0:
            answer = client.throttle("wait", 0, 2, 1)
        assert 0 < answer[3] <= 1, answer
        time.sleep(answer[3])
        same(client.throttle("wait", 0, 2, 1)[0], 0)


def test_numbers_may_change_from_call_to_call(client):
    same(client.throttle("k", 9)[:3], [0, 10, 9])
    same(client.throttle("k", 4, 5)[1], 5)
    assert client.throttle("k", 4, 5)[2] <= 5
    same(client.throttle("k", 99, 100)[1], 100)


def test_limit_is_one_over_all_connections(service):
    connections = [Client(service) for _ in range(12)]
    for n in range(60):
        connections[n % 12].send(command("CL.THROTTLE", "shared", 19, 20, NO_FLOW))
    seen = [connections[n % 12].reply()[0] for n in range(60)]
    same(seen.count(0), 20)
    for connection in connections:
        connection.close()


def test_leased_port_admits_no_more(redis):
    server = start(redis, "--resp-mode", "leased")
    connections = [Client(server) for _ in range(6)]
    admitted = 0

    def all_spent():
        nonlocal admitted
        for connection in connections:
            admitted += connection.throttle("leased", 199, 200)[0] == 0
        assert admitted <= 200, admitted
        return admitted == 200
    eventually(all_spent, "all of 200")
    for connection in connections:
        same(connection.throttle("leased", 199, 200)[:3], [1, 200, 0])
        connection.close()
    server.close()


def test_key_is_any_bytes_and_no_two_share_a_state(client):
    """Each begins as a key before does, or would be it after a NUL, a bad byte or a bound."""
    keys = [b"k", b"k\0", b"k\0a", b"k\0b", b"\0", b"\0\0", b"\0k", b"k\r\n", b"k\n", b"k ", b" k", b"k\t", b"k\x7f",
            b"k\x01", b"\xff", b"\xfe", b"\xef\xbf\xbd", b"\xc3", b"\xc3\xbc", b"u\xcc\x88", b"K", b"k:", b"1:k",
            b"x" * 511, b"x" * 512, b"x" * 511 + b"\0", b"\0" * 512, b"{k}", b"%00", b"k\0a" * 170 + b"ab"]
    same(len(set(keys)), len(keys))
    for limited in (0, 1):  # the first round takes what there is of each
        for key in keys:
            same(client.throttle(key, 0, 1)[:3], [limited, 1, 0], key)
    for key in (b"", b"x" * 513, b"\0" * 513):
        same(client.throttle(key), "ERR key must be 1 to 512 bytes", key)
    client.send(b"CL.THROTTLE in\0line 0 1 %d\r\nCL.THROTTLE in 0 1 %d\r\n" % (NO_FLOW, NO_FLOW))
    same([client.reply()[0] for _ in range(2)], [0, 0])
    same(client.throttle(b"in\0line", 0, 1)[0], 1)


# ---- errors

BAD = (("CL.THROTTLE",), ("CL.THROTTLE", "k"), ("CL.THROTTLE", "k", 9, 10), ("CL.THROTTLE", "k", 9, 10, 60, 1, 1),
       ("CL.THROTTLE", "", 9, 10, 60), ("CL.THROTTLE", "k" * 513, 9, 10, 60), ("CL.THROTTLE", "k", -1, 10, 60),
       ("CL.THROTTLE", "k", "x", 10, 60), ("CL.THROTTLE", "k", "", 10, 60), ("CL.THROTTLE", "k", 9, 0, 60),
       ("CL.THROTTLE", "k", 9, 1.5, 60), ("CL.THROTTLE", "k", 9, 10, 0), ("CL.THROTTLE", "k", 9, 10, -60),
       ("CL.THROTTLE", "k", 9, 10, "60s"), ("CL.THROTTLE", "k", 9, 10, 60, 11), ("CL.THROTTLE", "k", 9, 10, 60, -1),
       ("CL.THROTTLE", "k", 9, 10, 60, "x"), ("CL.THROTTLE", "k", 10**19, 10, 60), ("CL.THROTTLE", "k", 9, 2**64, 60),
       ("CL.THROTTLE", "k", 9, 10, 10**18), ("GET", "k"), ("SET", "k", "v"), ("PING", "a", "b"), ("ping", "a", "b", "c"), ("NO\r\nSUCH",), ("",))


def test_bad_command_is_an_error_and_not_the_end(client):
    for args in BAD:
        answer = client(*args)
        assert isinstance(answer, Error) and answer.startswith("ERR "), (args, answer)
        same(client("PING"), "PONG", args)
    same(client.throttle("k")[:3], [0, 10, 9])


def test_ping_and_the_rest_of_the_small_talk(client):
    same(client("PING"), "PONG")
    for text in ("hello", "", "x" * 1024, "one\r\ntwo", "\0", "ä"):
        same(client("ping", text), text)
    same(client("cl.throttle", "low", 9, 10, 60)[0], 0)
    client.send(b"PING\r\n")
    same(client.reply(), "PONG")
    client.send(b"CL.THROTTLE inline 9 10 %d\r\n" % NO_FLOW)
    same(client.reply()[:3], [0, 10, 9])
    client.send(b"\r\n" + command("PING"))
    same(client.reply(), "PONG")
    same(client("QUIT"), "OK")
    same(client.is_closed(), True)


def test_pipelined_answers_come_in_order_mixed_with_errors(client):
    rng, wanted, data, left = seeded(), [], b"", 10
    for n in range(2000 if SOAK else 300):
        kind = rng.randrange(5)
        if kind == 0:
            data += command("PING", "p%d" % n)
            wanted.append("p%d" % n)
        elif kind == 1:
            data += command(*rng.choice(BAD))
            wanted.append(Error)
        elif kind == 2:
            data += command("CL.THROTTLE", "hot", 9, 10, NO_FLOW)
            wanted.append([0 if left else 1, 10, max(0, left - 1)])
            left = max(0, left - 1)
        elif kind == 3:
            data += command("CL.THROTTLE", "cold%d" % n, n, 10, NO_FLOW // 10)
            wanted.append([0, n + 1, n])
        else:
            data += b"PING\r\n"
            wanted.append("PONG")
    client.send(data)
    for n, one in enumerate(wanted):
        answer = client.reply()
        if one is Error:
            assert isinstance(answer, Error), (n, answer)
        else:
            same(answer[:3] if isinstance(one, list) else answer, one, n)


def test_answers_of_any_length_wait_for_those_before(client, redis):
    """Redis has not told how the first stands when the others are known; and none is cut off."""
    same(client.throttle("spent", 0, 1)[0], 0)
    same(client.throttle("spent", 0, 1)[0], 1)
    redis.pause()
    client.send(command("CL.THROTTLE", "first", 0, 1, NO_FLOW) + b"".join(
        command("PING", str(n) * 1000) + command("CL.THROTTLE", "spent", 0, 1, NO_FLOW) +
        command("CL.THROTTLE", "later%d" % n, 9, 10, NO_FLOW) + command("NO") for n in range(5)))
    redis.go_on()
    same(client.reply()[0], 0)
    for n in range(5):
        same((client.reply(), client.reply()[0], client.reply()[2]), (str(n) * 1000, 1, 9))
        same(client.reply(), "ERR unknown command 'NO'")


def test_commands_in_any_pieces_are_the_same(client):
    rng = seeded()
    data = command("CL.THROTTLE", "bytes", 9, 10, NO_FLOW) + b"PING\r\n" + command("PING", "x" * 40) + command("NO")
    for step in (1, 2, 7, None):
        at = 0
        while at < len(data):
            size = step or rng.randrange(1, 20)
            client.send(data[at:at + size])
            at += size
        same([type(client.reply()) for _ in range(4)], [list, str, str, Error], step)


def test_what_is_too_large_or_no_protocol_is_an_error_and_the_end(service):
    for data in (b"*1000000\r\n", b"*-5\r\n", b"*x\r\n", b"*99999999999999999999\r\n",
                 b"*2\r\n$4\r\nPING\r\n$1000000\r\n", b"*1\r\n$-1\r\n", b"*1\r\n$536870912\r\n", b"*1\r\n:5\r\n", b"*1\r\n$4\r\nPINGxx",
                 b"*1\r\n$4x\r\nPING\r\n",
                 b"*1\r\n+PING\r\n", b"x" * 70000, b"GET / HTTP/1.1 " + b"y" * 70000 + b"\r\n",
                 b"*1" + b"0" * 5000, b"*17\r\n" + b"$1\r\na\r\n" * 17, command("PING", "x" * 100000)):
        connection = Client(service)
        try:
            connection.send(command("PING") + data)
        except OSError:
            pass
        same(connection.reply(), "PONG")
        answer = connection.reply()
        assert isinstance(answer, Error) and answer.startswith("ERR"), (data[:40], answer)
        same(connection.is_closed(), True, data[:40])
        connection.close()
    same(Client(service)("PING"), "PONG")


def test_half_closed_client_gets_all_its_answers(service):
    for count in (1, 50, 500):
        connection = Client(service)
        connection.send(b"".join(command("CL.THROTTLE", "half%d" % n, 9, 10, 60) for n in range(count)) +
                        command("PING"))
        connection.sock.shutdown(socket.SHUT_WR)
        for n in range(count):
            same(connection.reply()[:3], [0, 10, 9] if count == 1 else connection_left(n, count))
        same((connection.reply(), connection.is_closed()), ("PONG", True))
        connection.close()


def connection_left(n, count):
    """Keys are asked for once by each of the larger counts, and by those before."""
    before = sum(n < other for other in (1, 50, 500) if other < count)
    return [0, 10, 9 - before]


def test_client_that_leaves_in_the_middle_harms_nobody(service, client):
    for _ in range(10):
        gone = Client(service)
        gone.send(b"".join(command("CL.THROTTLE", "gone%d" % n, 9, 10, 60) for n in range(200)))
        gone.close()
    same(client("PING"), "PONG")


def test_redis_away_is_closed(service, redis):
    connections = [Client(service) for _ in range(4)]
    for connection in connections:
        same(connection.throttle("k", 99, 100)[0], 0)
    redis.kill()
    for connection in connections:
        for key in ("k", "new"):
            for _ in range(3):
                answer = connection.throttle(key, 99, 100)
                same((answer[0], answer[1]), (1, 100))
                assert answer[3] >= 1, answer
        same(connection("PING"), "PONG")
    redis.start()
    for connection in connections:
        eventually(lambda c=connection: c.throttle("back", 999, 1000)[0] == 0, "Redis's answer")
        connection.close()


# ---- who may

def test_without_a_token_nothing_is_throttled(redis, directory):
    path = write_file(directory, "keys", json.dumps(KEYS))
    server = start(redis, "--token-keys", path, opened=False)
    good, other, late, soon = (bearer(KEYS, "ann", scope, **claims)["Authorization"][7:] for scope, claims in (
        ("limits:check", {}), ("limits:read limits:write", {}), ("limits:check", {"exp": int(time.time()) - 1}),
        ("limits:check", {"exp": int(time.time()) + 3})))
    connection = Client(server)
    for args in ((), ("AUTH", "x"), ("AUTH", other), ("AUTH", late), ("AUTH", good[:-4] + "AAAA"), ("AUTH",),
                 ("AUTH", "")):
        if args:
            assert isinstance(connection(*args), Error), args
        answer = connection.throttle("k")
        assert isinstance(answer, Error) and answer.startswith("NOAUTH"), (args, answer)
    for args in (("AUTH", good), ("auth", "user", good)):
        same(connection(*args), "OK")
        same(connection.throttle("k")[0], 0)
    assert isinstance(connection("AUTH", "x"), Error)
    assert isinstance(connection.throttle("k"), Error)
    same(Client(server).throttle("k").startswith("NOAUTH"), True)  # one's token is not another's
    same(connection("AUTH", soon), "OK")
    same(connection.throttle("k")[0], 0)
    eventually(lambda: isinstance(connection.throttle("k2", 10**6, 10**6), Error), "the token's end")
    connection.close()
    server.close()


# ---- Redis's own tools

def tool(name, server, *args):
    if not shutil.which(name):
        raise Skip(name + " is not installed")
    done = subprocess.run([name, "-p", str(server.resp_port), *[str(a) for a in args]], capture_output=True,
                          text=True, timeout=DEADLINE, check=False)
    return done.returncode, done.stdout, done.stderr


def test_redis_cli_asks(service):
    same(tool("redis-cli", service, "CL.THROTTLE", "cli", 15, 30, 60)[:2], (0, "0\n16\n15\n-1\n2\n"))
    same(tool("redis-cli", service, "PING")[:2], (0, "PONG\n"))
    assert "ERR" in tool("redis-cli", service, "CL.THROTTLE", "cli")[1]


def test_redis_cli_authenticates(redis, directory):
    path = write_file(directory, "keys", json.dumps(KEYS))
    server = start(redis, "--token-keys", path, opened=False)
    token = bearer(KEYS, "ann", "limits:check")["Authorization"][7:]
    same(tool("redis-cli", server, "--no-auth-warning", "-a", token, "CL.THROTTLE", "cli", 0, 1, 60)[1],
         "0\n1\n0\n-1\n60\n")
    assert "NOAUTH" in tool("redis-cli", server, "CL.THROTTLE", "cli", 0, 1, 60)[1]
    server.close()


def test_redis_benchmark_takes_no_more_than_there_is(service, client):
    count = 100000 if SOAK else 3000
    status, out, err = tool("redis-benchmark", service, "-n", count, "-c", 8, "-P", 16, "--csv", "CL.THROTTLE", "bench",
                            count + 99, 1, NO_FLOW // (count + 100))
    same(status, 0, (out, err))
    assert "rror" not in out + err, (out, err)
    answer = client.throttle("bench", count + 99, 1, NO_FLOW // (count + 100))
    same(answer[:2], [0, count + 100])
    # It asks for whole pipelines: a few more than it was told.
    assert 99 - 8 * 16 <= answer[2] <= 99, answer


main(__name__, client=client, directory=directory)
