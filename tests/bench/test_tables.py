"""test_tables.py - the tables and figures in the READMEs are those of the committed runs."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
from lab import TOP, Skip, run, same  # noqa: E402
import report  # noqa: E402


def test_readme_figures_are_generated():
    found = 0
    for name in sorted(os.listdir(TOP)):
        path = os.path.join(TOP, name, "bench.json")
        if not os.path.exists(path):
            continue
        found += 1
        with open(path, encoding="ascii") as file:
            result = json.load(file)
        with open(os.path.join(TOP, name, "README.md"), encoding="utf-8") as file:
            text = file.read()
        same(text, report.filled(text, result), name)
    if not found:
        raise Skip("nothing was measured yet")


run(sys.modules[__name__])
