"""bench.py [--quick] [--commit-results] [service ...]: every row of a
service's table, measured beside its peer in one run.

The server is pinned to core 0, Redis and the load to core 1.  Server and peers
take turns, RUNS times each; what counts is the median of each figure and the
ratio of the medians.  A peer that is not installed is "not run", by name.
"""
import datetime
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
# pylint: disable=wrong-import-position
from kit import QUICK, RUNS, SECONDS, TOP, Bench  # noqa: E402
import chat_rows  # noqa: E402
import notifier_rows  # noqa: E402
import ratelimit_rows  # noqa: E402
import report  # noqa: E402
import search_rows  # noqa: E402
import shortener_rows  # noqa: E402

BENCHES = {"shortener": shortener_rows.bench_shortener, "ratelimit": ratelimit_rows.bench_ratelimit,
           "notifier": notifier_rows.bench_notifier, "chat": chat_rows.bench_chat,
           "search": search_rows.bench_search}


def version_of(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return (done.stdout or done.stderr).strip().splitlines()[0]
    except (OSError, IndexError):
        return "not installed"


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    return {
        "cpu": model.group(1) if model else platform.machine(), "cores": os.cpu_count(),
        "kernel": platform.release(), "redis": version_of("redis-server", "--version"),
        "nginx": version_of("nginx", "-v"), "compiler": version_of("cc", "--version"),
        "commit": version_of("git", "-C", TOP, "rev-parse", "--short", "HEAD"),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
    }


def main():
    names = [a for a in sys.argv[1:] if not a.startswith("-")] or list(BENCHES)
    out = os.path.join(TOP, "out", time.strftime("%Y%m%d-%H%M%S"))
    os.makedirs(out, exist_ok=True)
    missed = 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for name in names:
        if name not in BENCHES:
            sys.exit("no bench of %s; there are: %s" % (name, " ".join(BENCHES)))
        bench = Bench(name)
        print("%s: %d run%s of %d s each%s" % (name, RUNS, "s" if RUNS > 1 else "", SECONDS,
                                               ", quick: no figure counts" if QUICK else ""))
        try:
            BENCHES[name](bench)
        except BaseException:
            bench.failed()
            raise
        bench.close()
        result = {"service": name, "machine": {**machine(), **bench.machine}, "rows": bench.rows,
                  "commands": bench.commands, "runs": bench.runs, **bench.more}
        result = json.loads(json.dumps(result).replace(TOP + os.sep, ""))  # paths of the tree only
        with open(os.path.join(out, "results.json"), "w", encoding="ascii") as file:
            json.dump(result, file, indent=1)
        with open(os.path.join(out, "report.html"), "w", encoding="utf-8") as file:
            file.write(report.page({**result, "plot": bench.plot}))
        if "--commit-results" in sys.argv:
            with open(os.path.join(TOP, name, "bench.json"), "w", encoding="ascii") as file:
                json.dump(result, file, indent=1)
            report.fill_readme(os.path.join(TOP, name, "README.md"), result)
        missed += sum(row["met"] is False for row in bench.rows)
    print("report: %s" % os.path.relpath(os.path.join(out, "report.html"), TOP))
    sys.exit(1 if missed and not QUICK else 0)


main()
