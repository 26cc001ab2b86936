"""readme_options.py - the tables of options in the READMEs and --help agree."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
from lab import BUILD, TOP, run, same  # noqa: E402

ROW = re.compile(r"^\| `(--[a-z-]+)` \| `[A-Z_]+` \| [^|]*\| (.*) \|$", re.M)
LINE = re.compile(r"^  (--[a-z-]+)(?: [A-Z]+)? +(.*)$", re.M)


def helps(service):
    text = subprocess.run([os.path.join(BUILD, service, service), "--help"], check=True, capture_output=True,
                          text=True).stdout
    return dict(LINE.findall(text))


def rows(service):
    with open(os.path.join(TOP, service, "README.md"), encoding="utf-8") as file:
        return ROW.findall(file.read())


def test_readme_lists_options_that_there_are():
    for service in ("shortener", "ratelimit", "notifier", "chat", "search"):
        known = helps(service)
        assert rows(service), service
        same([flag for flag, _ in rows(service) if flag not in known], [], service)


def test_switch_is_said_to_do_what_help_says():
    """A --no- switch: what it turns off is easily said instead of what it does."""
    for service in ("shortener", "ratelimit"):
        known = helps(service)
        switches = [(flag, text.replace("`", "")) for flag, text in rows(service) if flag.startswith("--no-")]
        assert switches, service
        for flag, text in switches:
            same(text, known[flag], flag)


run(sys.modules[__name__])
