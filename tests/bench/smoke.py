"""smoke.py [service ...]: two seconds of every profile of every load test.

No figure counts here: each unit must be answered as its profile wants it.
"""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
from lab import TOP, Redis, Service, free_port  # noqa: E402
from tokens import make_keys  # noqa: E402

BUILD = os.path.join(TOP, "build", "release")
SECONDS = 2
KEYED = ("chat",)  # whose load test is many users
CROWDED = ("rooms", "storm", "lurkers", "idle", "presence")  # by default of thousands


def profiles_of(load):
    text = subprocess.run([load, "--help"], check=True, capture_output=True, text=True).stdout
    return [line.split()[0] for line in text.split("Profiles:\n")[1].splitlines() if line.strip()]


def resp_ports(service):
    """Of the profiles that speak RESP: the limiter's own port, and that of a Redis beside it."""
    return {"throttle": free_port(), "incr": free_port()} if service == "ratelimit" else {}


def smoke(service, redis):
    load = os.path.join(BUILD, service, service + "-load")
    keys = os.path.join(redis.dir, service + ".keys")
    with open(keys, "w", encoding="ascii") as file:
        json.dump(make_keys(), file)
    os.chmod(keys, 0o600)
    keyed = ("--token-keys", keys) if service in KEYED else ()
    ports = resp_ports(service)
    resp = ("--resp-port", str(ports["throttle"]), "--resp-mode", "leased") if ports else ()
    beside = Redis("--port", str(ports["incr"]), "--bind", "127.0.0.1") if ports else None
    server = Service(service, *(keyed or ("--open",)), *resp, "--max-connections", "20000", redis=redis,
                     binary=os.path.join(BUILD, service, service))
    bad = 0
    for profile in profiles_of(load):
        path = os.path.join(server.dir, profile + ".json")
        small = ("--members", "400") if keyed and profile in CROWDED else ()
        port = ports.get(profile, server.port)
        status = subprocess.run([load, "--url", "http://127.0.0.1:%d" % port, "--profile", profile, *keyed, *small,
                                 "--duration", "%ds" % SECONDS, "--json", path], check=False,
                                stdout=subprocess.DEVNULL).returncode
        if not os.path.exists(path) or not os.path.getsize(path):
            bad += 1
            print("%s %s: exit %d and no result: FAILED" % (service, profile, status))
            continue
        with open(path, encoding="ascii") as file:
            result = json.load(file)
        errors = sum(result["errors"].values())
        good = status == 0 and not errors and result["requests"] > 0
        bad += not good
        print("%s %s: %d answered, %d errors%s" % (service, profile, result["requests"], errors,
                                                   "" if good else ", exit %d: FAILED" % status))
    server.close()
    if beside:
        beside.close()
    return bad


def main(*names):
    services = names or [n for n in sorted(os.listdir(TOP)) if os.path.exists(os.path.join(TOP, n, "main.c"))]
    redis = Redis()
    bad = sum(smoke(service, redis) for service in services)
    redis.close()
    sys.exit(1 if bad else 0)


main(*sys.argv[1:])
