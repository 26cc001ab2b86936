"""
instructions.py [--write] - how many instructions of the processor ten fixed queries take, by callgrind: a figure
without noise.

The texts are made up by a seed, so that anybody can make them.  A query is asked once, and ASKED times more; what the
runs differ in is theirs.  Without --write each is compared with search/instructions.txt, and a change by more than
TOLERANCE is named and fails.
"""
import os
import random
import re
import subprocess
import sys
import tempfile

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.join(TOP, "build", "release", "search")
RECORD = os.path.join(TOP, "search", "instructions.txt")
DOCS, WORDS = 30000, 5000
ASKED = 40
TOLERANCE = 0.02
QUERIES = (("COUNT", "+w3 +w40"), ("COUNT", "w3 w40 w400"), ("COUNT", '"w1 w2"'), ("TOP_10", "w5"),
           ("TOP_10", "w20 w300"), ("TOP_10", "w3 w40 w400"), ("TOP_10", "+w3 +w40"), ("TOP_10", '"w1 w2"'),
           ("TOP_1000", "w3 w40 w400"), ("TOP_100_COUNT", "w20 w300"))


def make_index(folder):
    """The nth word comes about 1/n as often as the first."""
    rng = random.Random(1)
    words = ["w%d" % n for n in range(WORDS)]
    weights = [0]
    for n in range(WORDS):
        weights.append(weights[-1] + 1 / (n + 1))
    lines = []
    for _ in range(DOCS):
        text = rng.choices(words, cum_weights=weights[1:], k=rng.randrange(20, 200))
        lines.append('{"text":"%s"}\n' % " ".join(text))
    subprocess.run([BUILD + "/search-index", "--index", folder, "--no-source", "--no-values"], input="".join(lines),
                   text=True, check=True, capture_output=True)


def instructions(index, command, query, times):
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", BUILD + "/search-query",
                           "--sbg", "--index", index, "--field", "text"], input="%s\t%s\n" % (command, query) * times,
                          text=True, check=True, capture_output=True)
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1))


def measure():
    with tempfile.TemporaryDirectory() as folder:
        index = folder + "/index"
        make_index(index)
        counts = {}
        for command, query in QUERIES:
            few, many = (instructions(index, command, query, times) for times in (1, 1 + ASKED))
            counts["%s %s" % (command, query)] = (many - few) // ASKED
            print("%12s  %s %s" % ("{:,}".format(counts["%s %s" % (command, query)]), command, query), flush=True)
    return counts


def write(counts):
    compiler = subprocess.run(["cc", "--version"], text=True, check=True, capture_output=True).stdout.splitlines()[0]
    with open(RECORD, "w", encoding="ascii") as file:
        file.write("# instructions of a query, by tests/bench/instructions.py; %s, release build\n" % compiler)
        file.writelines("%10d  %s\n" % (count, query) for query, count in counts.items())


def compare(counts):
    with open(RECORD, encoding="ascii") as file:
        known = {line.split(None, 1)[1].strip(): int(line.split()[0]) for line in file if line[0] != "#"}
    changed = {q: counts[q] / known[q] for q in counts if abs(counts[q] / known.get(q, 1) - 1) > TOLERANCE}
    for query, ratio in changed.items():
        print("%s: %.3f times what it was" % (query, ratio))
    return 1 if changed else 0


def main():
    counts = measure()
    if "--write" in sys.argv:
        return write(counts)
    return compare(counts)


sys.exit(main())
