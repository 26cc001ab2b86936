"""options.py - what a service refuses to start with, and what each one shows.

A bad option is one line and exit 2; a bad file, or a port that is taken, one
line and exit 1.
"""
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
from lab import (BUILD, DEADLINE, Connection, Service, Skip, directory, redis, render, run, same,
                 write_file)

BINARY = os.path.abspath(os.path.join(BUILD, "tests", "example"))


def start(store, *options):
    return Service("example", "--open", *options, redis=store, binary=BINARY)


def run_binary(*options, env=None):
    done = subprocess.run([BINARY, *options], capture_output=True, text=True, timeout=DEADLINE, check=False,
                          env=os.environ | (env or {}))
    return done.returncode, done.stdout, done.stderr


def refused(status, word, *options, env=None):
    code, out, err = run_binary(*options, env=env)
    same((code, out, err.count("\n")), (status, "", 1), (options, err))
    assert word in err, (options, err)


def test_bad_option_is_one_line_and_exit_2():
    for word, *options in (
            ("nonsense", "--nonsense"),
            ("port", "--port", "70000"),
            ("port", "--port", "eighty"),
            ("port", "--port"),
            ("workers", "--workers", "-1"),
            ("max-body", "--max-body", "12q"),
            ("drain-timeout", "--drain-timeout", "soon"),
            ("redis", "--redis", "http://x"),
            ("log-level", "--log-level", "loud"),
            ("trusted-proxy", "--trusted-proxy", "10.0.0.0/33"),
            ("trusted-proxy", "--trusted-proxy", "::1/128,everybody"),
            ("public-url", "--public-url", "example.org"),
            ("public-url", "--public-url", "http://a b/"),
            ("public-url", "--public-url", "https://a.b/<"),
            ("public-url", "--public-url", "https://user@a.b"),
            ("cors-origin", "--cors-origin", "a.b"),
            ("cors-origin", "--cors-origin", "https://a.b,https://c.d/"),
            ("cors-origin", "--cors-origin", "https://"),
            ("host", "--host", "no such address"),
            ("node-id", "--node-id", "a b"),
            ("tls", "--tls-cert", "x.pem"),
            ("tls", "--tls-port", "8444"),
            ("open", "--open", "--host", "0.0.0.0"),
            ("open", "--open", "--host", "::"),
            ("lab", "--lab"),
            ("argument", "argument")):
        refused(2, word, *options)
    refused(2, "PORT", env={"PORT": "x"})


def test_password_of_redis_is_not_repeated():
    code, _, err = run_binary("--redis", "redys://:hush@h")
    same(code, 2)
    assert "hush" not in err, err


def test_bad_key_file_is_one_line_and_exit_1(directory):
    keys = json.dumps({"current": "k", "keys": [{"kid": "k", "alg": "HS256", "secret": "A" * 43}]})
    secrets = json.dumps({"example": "ab" * 32})
    absent = os.path.join(directory, "absent")
    for options in (
            ("--token-keys", write_file(directory, "k1", keys, 0o640)),
            ("--token-keys", write_file(directory, "k2", "{}")),
            ("--token-keys", absent),
            ("--secrets", write_file(directory, "s1", secrets, 0o604)),
            ("--secrets", write_file(directory, "s2", "[]")),
            ("--secrets", write_file(directory, "s3", "no JSON")),
            ("--secrets", absent),
            ("--tls-cert", write_file(directory, "c1", ""),
             "--tls-key", write_file(directory, "c2", "", 0o644)),
            ("--tls-cert", write_file(directory, "c3", "no PEM"),
             "--tls-key", write_file(directory, "c4", "no PEM"))):
        refused(1, directory, "--port", "0", *options)


def test_second_master_on_a_port_is_refused(redis):
    service = start(redis, "--workers", "2")
    port = str(service.port)
    refused(1, port, "--port", port)
    refused(1, port, "--port", port, "--single")
    same(service.get("/healthz").status, 200)
    service.close()


def test_port_in_time_wait_is_taken(redis):
    service = start(redis)
    connection = Connection(service.port)
    connection.send(render("GET", "/healthz", headers={"Connection": "close"}))
    connection.answer()
    assert connection.is_closed()  # by the server: TIME_WAIT is its own
    connection.close()
    service.close()
    again = Service("example", "--open", redis=redis, binary=BINARY, port=service.port)
    same(again.get("/healthz").status, 200)
    again.close()


def test_help_and_version_print_and_exit_0():
    code, out, err = run_binary("--help")
    same((code, err), (0, ""))
    for option in ("--port", "8109", "--redis", "--drain-timeout"):
        assert option in out, out
    code, out, err = run_binary("--version")
    same((code, err), (0, ""))
    assert re.fullmatch(r"example \S+ \(build [0-9a-f]{40}\)\n", out), out


def test_every_service_has_its_routes(redis):
    service = start(redis, "--node-id", "n1")
    health = service.get("/healthz").json
    same((health["service"], health["node"], len(health["build"])), ("example", "n1", 40))
    for path in ("/readyz", "/lab.css", "/lab.js"):
        same(service.get(path).status, 200, path)
    assert "resident" in service.get("/debug/memory").json
    assert "turns" in service.get("/debug/loop").json
    assert isinstance(service.get("/debug/slow").json, list)
    service.close()


def test_metrics_pass_promtool(redis):
    if not shutil.which("promtool"):
        raise Skip("promtool is not installed")
    service = start(redis)
    same(service.request("POST", "/v1/counters/a").status, 200)
    same(service.get("/nowhere").status, 404)
    done = subprocess.run(["promtool", "check", "metrics"], input=service.get("/metrics").body,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    same(done.returncode, 0, done.stdout)
    service.close()


run(sys.modules[__name__], redis=redis, directory=directory)
