"""run.py BUILD [suite ...] [--soak]: run the tests, count their cases.

Exit codes decide: 0 passed, 77 skipped, else failed.  What is counted are the
cases that each test prints ("[       OK ] name" and so on, as cmocka does).
"""
import json
import os
import re
import subprocess
import sys

CASE = re.compile(r"^\[ +(OK|FAILED|SKIPPED) +\] (?!\d+ test)(\S+)", re.M)
HEAVY = {"fuzz", "browser", "soak"}


def suites_of(build):
    listed = subprocess.run(["meson", "introspect", "--tests", build], check=True,
                            capture_output=True, text=True).stdout
    return {suite.split(":")[-1] for test in json.loads(listed) for suite in test["suite"]}


def count(record):
    """(passed, failed, skipped) of one test's record."""
    cases = {}
    for result, name in CASE.findall(record.get("stdout", "")):
        if cases.get(name) != "FAILED":
            cases[name] = result
    found = [list(cases.values()).count(r) for r in ("OK", "FAILED", "SKIPPED")]
    if record["result"] == "SKIP":
        return [0, 0, max(1, found[2])]
    if record["result"] != "OK":
        return [found[0], max(1, found[1]), found[2]]
    return found if sum(found) else [1, 0, 0]


def main(build, *args):
    wanted = [a for a in args if a != "--soak"]
    known = suites_of(build)
    for suite in wanted:
        if suite not in known and suite != "soak":
            sys.exit("no such suite: %s (there are: %s)" % (suite, " ".join(sorted(known))))
    soak = "--soak" in args or "soak" in wanted
    suites = [w for w in wanted if w != "soak"] or sorted(known - HEAVY)
    if soak:
        os.environ["LAB_SOAK"] = "1"
    command = ["meson", "test", "-C", build, "--no-rebuild", "--print-errorlogs"]
    command += [a for s in suites for a in ("--suite", s)]
    if soak:
        command += ["--timeout-multiplier", "20"]
    status = subprocess.run(command, check=False).returncode
    totals, log = [0, 0, 0], os.path.join(build, "meson-logs", "testlog.json")
    with open(log, encoding="utf-8") as file:
        for line in file:
            totals = [a + b for a, b in zip(totals, count(json.loads(line)))]
    if status and not totals[1]:
        totals[1] = 1
    print("%d passed, %d failed, %d skipped" % tuple(totals))
    sys.exit(1 if totals[1] else 0)


main(*sys.argv[1:])
