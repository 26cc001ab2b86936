"""demos.py - the tours of ./lab demo, beside many keys that are not theirs."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
from lab import DEADLINE, TOP, Service, redis, run, same  # noqa: E402

PREFIXES = {"shortener": "sh", "ratelimit": "rl", "notifier": "no", "chat": "ch", "search": "se"}
OPTIONS = {"ratelimit": ["--resp-port", "0"], "search": ["--data-dir", "{}/search"]}
PACKAGES = "300"  # that the tour of search indexes
OTHERS = 20000
FILL = "for i = 1, ARGV[2] do redis.call('SET', ARGV[1] .. ':other:' .. i, i) end"


def calls(redis, *commands):
    """How often Redis was asked so, by its own count."""
    stats = redis.cli("INFO", "commandstats")
    return sum(int(n) for c in commands for n in re.findall(r"^cmdstat_%s:calls=(\d+)" % re.escape(c), stats, re.M))


def test_demo_looks_only_at_keys_that_it_changed(redis):
    for name, prefix in PREFIXES.items():
        redis.cli("EVAL", FILL, 0, prefix, OTHERS)
        options = [option.format(redis.dir) for option in OPTIONS.get(name, [])]
        server = Service(name, "--open", *options, redis=redis)
        before = calls(redis, "memory|usage")
        done = subprocess.run([sys.executable, os.path.join(TOP, "tests", name, "demo.py"),
                               "http://127.0.0.1:%d" % server.port, redis.url], check=False, timeout=DEADLINE,
                              capture_output=True, text=True, env=dict(os.environ, LAB_DEMO_PACKAGES=PACKAGES))
        same((done.returncode, done.stderr), (0, ""), name)
        shown = re.findall(r"^  redis: (\S+)", done.stdout, re.M)
        same([key for key in shown if not key.startswith(prefix + ":")], [], name)
        assert len(shown) > 5 and not [key for key in shown if ":other:" in key], done.stdout
        asked = calls(redis, "memory|usage") - before
        assert len(shown) <= asked < 200, (name, asked)  # not one for each of the others
        same(calls(redis, "scan", "keys"), 0, name)
        server.close()


run(sys.modules[__name__], redis=redis)
