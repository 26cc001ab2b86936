"""
search_rows.py - what search/README.md says, measured.

Texts are those of $LAB_DATA as the search benchmark game has them: words of [a-z]+, lower-cased.  They, and the
peers' indexes, are made once and kept in var/search-bench.  More peers: $SEARCH_PEERS, NAME=COMMAND;NAME=COMMAND.
"""
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import time

from kit import BUILD, QUICK, TOP, Ceiling, columns, on_core, ratio, worker_of

WORK = os.path.join(TOP, "var", "search-bench" + ("-quick" if QUICK else ""))
DOCS = 2000 if QUICK else None  # None: all there are
QUERIES = 60 if QUICK else None
TERMS = 20000 if QUICK else 1000000
TYPOS = 20 if QUICK else 200
OPENINGS = 5 if QUICK else 21
TURNS = 1 if QUICK else 3  # of making an index
GAME = ("--turns", "1", "--runs", "1") if QUICK else ()  # else as is usual
SCHEMA = {"dynamic": False, "properties": {"text": {"type": "text"}}}
UNITS = 2000 if QUICK else 50000  # documents of the service
COLUMNS = [["mean µs", "mean_us"], ["p99 µs", "p99_us"], ["Xapian's mean", "xapian.mean_us"],
           ["its p99", "xapian.p99_us"], ["FTS5's mean", "fts5.mean_us"], ["its p99", "fts5.p99_us"]]


def binary(name):
    return os.path.join(BUILD, "search", name)


def peer(name):
    path = os.path.join(BUILD, "tests", "bench", "peer-" + name)
    return path if os.path.exists(path) else None


def data(name):
    path = os.path.join(os.environ.get("LAB_DATA", ""), name)
    return path if os.path.exists(path) else None


def run(*command, **options):
    """What it printed."""
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def size_of(path):
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(path, name)) for name in os.listdir(path))


# ---- what is searched

def kept(path, make):
    """A file or folder that is made once, and how long that took."""
    stamp = path + ".made"
    if not os.path.exists(stamp):
        began = time.monotonic()
        make(path)
        with open(stamp, "w", encoding="ascii") as file:
            file.write("%.3f" % (time.monotonic() - began))
    with open(stamp, encoding="ascii") as file:
        return float(file.read())


def make_texts(path):
    """A document a line; bytes of text in the file beside it."""
    unpack = subprocess.Popen(["zstd", "-dcq", data("wiki-en-124k.jsonl.zst")], stdout=subprocess.PIPE)
    size = 0
    with unpack, open(path, "w", encoding="ascii") as file:
        for count, line in enumerate(unpack.stdout):
            if count == DOCS:
                break
            document = json.loads(line)
            text = re.sub("[^a-zA-Z]+", " ", document["text"]).strip().lower()
            size += len(text)
            file.write('{"id":%s,"text":"%s"}\n' % (json.dumps(str(document["id"])), text))
        unpack.terminate()
    with open(path + ".size", "w", encoding="ascii") as file:
        file.write(str(size))


def make_queries(path):
    with open(data("queries-odd.jsonl"), encoding="ascii") as source, open(path, "w", encoding="ascii") as file:
        file.writelines(source.readlines()[:QUERIES])


def made_up(count, seed=1):
    """So many different words that look like some."""
    rng, words = random.Random(seed), {}
    syllables = [a + b + c for a in "bcdfghklmnprstvz" for b in "aeiou" for c in ("", "", "n", "r", "s", "l")]
    while len(words) < count:
        words["".join(rng.choices(syllables, k=rng.choice((2, 3, 3, 4))))] = None
    return list(words)


def mistyped(rng, word):
    """Two edits behind the first letter."""
    for _ in range(2):
        at = rng.randrange(1, len(word))
        kind = rng.randrange(3)
        letter = rng.choice("abcdefghijklmnopqrstuvwxyz")
        word = word[:at] + (letter if kind < 2 else "") + word[at + (kind > 0):]
    return word


# ---- indexes of ours

def index(folder, docs, *options, core=None):
    """Anew; how long it took."""
    shutil.rmtree(folder, ignore_errors=True)
    schema = os.path.join(WORK, "schema.json")
    with open(schema, "w", encoding="ascii") as file:
        json.dump(SCHEMA, file)
    command = [binary("search-index"), "--index", folder, "--schema", schema, "--input", docs, "--no-values",
               *options]
    began = time.monotonic()
    run(*(command if core is None else on_core(core, command)))
    return time.monotonic() - began


def merge(folder):
    run(binary("search-index"), "--index", folder, "--input", "/dev/null", "--merge-to", "1")


def bench_indexing(bench, docs, size):
    """Of the documents in the order that they came in, and reordered: the folders of both."""
    plain, folder = os.path.join(WORK, "plain"), os.path.join(WORK, "index")
    took = {"one": [], "two": [], "reordered": []}
    for _ in range(TURNS):
        took["two"].append(index(plain, docs, "--no-source", "--threads", "2"))
        took["one"].append(index(plain, docs, "--no-source", core=0))
        took["reordered"].append(index(folder, docs, "--no-source", "--merge-to", "1", "--reorder", core=0))
    one = statistics.median(took["one"])
    bench.runs.append({"what": "seconds to index", **took})
    bench.row("indexing", "indexing with positions, one thread: text", ">= 40 MB/s", size / 1e6 / one, "MB/s",
              (">=", 40))
    bench.row("threads", "the same with two threads / one", ">= 1.7", one / statistics.median(took["two"]), "x",
              (">=", 1.7))
    bench.row("reordering", "the same with --reorder, one thread: text", ">= 40 MB/s",
              size / 1e6 / statistics.median(took["reordered"]), "MB/s", (">=", 40))
    merge(plain)
    bench.row("size", "index without stored text, one segment: % of the text", "<= 35", 100 * size_of(plain) / size,
              "%", ("<=", 35))
    bench.row("size_reordered", "the same with --reorder", "<= 35", 100 * size_of(folder) / size, "%", ("<=", 35))
    return plain, folder


def bench_opening(bench, folder):
    took = []
    for _ in range(OPENINGS):
        text = run(binary("search-query"), "--index", folder, "--query", "text:nothing")
        took.append(float(re.search(r"opened in ([\d.]+) ms", text).group(1)))
    bench.runs.append({"what": "ms to open", "took": took})
    bench.row("opening", "opening an index, of %.0f MB" % (size_of(folder) / 1e6), "<= 5 ms", statistics.median(took),
              "ms", ("<=", 5))


# ---- the game

def play(bench, folder, queries, peers, *options):
    """{(command, class): {engine: figures}}"""
    path = os.path.join(WORK, "result.json")
    command = [binary("search-load"), "--sbg", "--index", folder, "--queries", queries, *GAME,
               "--peers", ";".join("%s=%s" % one for one in peers.items()), "--json", path, *options]
    done = subprocess.run(on_core(0, command), check=False, capture_output=True, text=True)
    print(done.stdout, done.stderr, flush=True)
    with open(path, encoding="utf-8") as file:
        result = json.load(file)
    os.unlink(path)
    bench.runs.append({"what": " ".join(command), **result})
    for engine in result["engines"]:
        bench.commands[engine["name"]] = {"command": [engine["command"]]}
    return {(row["command"], row["class"]): row["engines"] for row in result["rows"]}


def figures(engines, name):
    return engines[name] if name in engines and engines[name]["answered"] else None


def game_row(bench, table, command, kind, beside, least, figure="mean_us"):
    """beside: the peer that is compared with; least: how many times faster, or None."""
    engines = table.get((command, kind))
    if not engines:
        return
    ours, theirs = engines["search"], figures(engines, beside)
    value = theirs["ratio"] if theirs and figure == "mean_us" else theirs and theirs[figure] / ours[figure]
    who = {"xapian": "Xapian", "fts5": "FTS5"}.get(beside, beside)
    bench.row("_".join([command, kind, beside, figure]).lower(), "%s %s, %s: faster than %s" % (
        command, kind, {"mean_us": "mean", "p99_us": "p99"}[figure], who),
        ">= %d x" % least if least else "", value, "x", (">=", least) if least else None,
        mean_us=ours["mean_us"], p99_us=ours["p99_us"], xapian=figures(engines, "xapian"),
        fts5=figures(engines, "fts5"))


ROWS = (("TOP_10", "union", "xapian", 30), ("TOP_10", "intersection", "xapian", 15), ("TOP_10", "phrase", "xapian", 8),
        ("TOP_10", "phrase", "xapian", 8, "p99_us"), ("COUNT", "union", "fts5", 60),
        ("COUNT", "intersection", "fts5", 15), ("COUNT", "phrase", "fts5", 8),
        ("TOP_100_COUNT", "union", "xapian", None), ("TOP_100", "union", "xapian", None),
        ("TOP_100", "intersection", "xapian", None), ("TOP_100", "phrase", "xapian", None),
        ("TOP_1000", "union", "xapian", None), ("TOP_1000", "intersection", "xapian", None),
        ("TOP_1000", "phrase", "xapian", None), ("TOP_10", "intersection_union", "xapian", None),
        ("COUNT", "intersection_union", "xapian", None), ("TOP_10", "negated", "xapian", None), ("COUNT", "negated", "xapian", None))


AIMS = (("TOP_10", "union"), ("TOP_10", "intersection"), ("TOP_10", "phrase"), ("COUNT", "union"),
        ("COUNT", "intersection"), ("COUNT", "phrase"), ("TOP_100_COUNT", "union"))


def bench_game(bench, folder, docs, queries, size):
    peers = {}
    with open(docs, "rb") as file:
        for name, short in (("xapian", "xapian"), ("sqlite", "fts5")):
            path, program = os.path.join(WORK, name), peer(name)
            if program:
                file.seek(0)
                took = kept(path, lambda path, program=program: run(program, path, "build", stdin=file))
                peers[short] = "exec '%s' '%s'" % (program, path)
                print("%s: indexed %.1f MB/s, %.0f %% of the text" % (short, size / 1e6 / took,
                                                                      100 * size_of(path) / size))
    plot = os.path.join(WORK, "plot.svg")
    others = dict(one.split("=", 1) for one in os.environ.get("SEARCH_PEERS", "").split(";") if one)
    table = play(bench, folder, queries, {**peers, **others}, "--plot", plot)
    for row in ROWS:
        game_row(bench, table, *row)
    for name in others:
        for command, kind in AIMS:
            game_row(bench, table, command, kind, name, None)
    differ = sum(engine["differs"] for row in table.values() for engine in row.values())
    bench.row("differ", "counts that are not %s" % " or ".join(p + "'s" for p in peers), "0",
              differ if peers else None, "", ("<=", 0))
    with open(plot, encoding="utf-8") as file:
        bench.plot = file.read()


# ---- what each way to find the best is worth

STEPS = (("reorder", "TOP_10", "union"), ("reorder", "TOP_10", "intersection"), ("reorder", "TOP_10", "phrase"),
         ("reorder", "COUNT", "union"), ("reorder", "COUNT", "intersection"), ("reorder", "COUNT", "phrase"),
         ("union-bounds", "TOP_10", "union"), ("first-look", "TOP_10", "union"),
         ("intersection-bounds", "TOP_10", "intersection"), ("phrase-bounds", "TOP_10", "phrase"),
         ("block-scores", "TOP_1000", "union"), ("block-scores", "TOP_10", "intersection"),
         ("counting", "COUNT", "union"), ("counting", "TOP_100_COUNT", "union"), ("simd", "TOP_10", "union"),
         ("simd", "COUNT", "intersection"), ("simd", "COUNT", "phrase"))


def without(folder, what=None):
    return "exec '%s' --sbg --index '%s' --field text%s" % (binary("search-query"), folder,
                                                           " --without " + what if what else "")


def bench_steps(bench, plain, folder, docs, queries):
    names = sorted({step[0] for step in STEPS} - {"reorder"})
    table = play(bench, folder, queries,
                 {"reorder": without(plain), **{name: without(folder, name) for name in names}},
                 "--commands", "COUNT,TOP_10,TOP_1000,TOP_100_COUNT")
    for name, command, kind in STEPS:
        step_row(bench, table, name, command, kind)
    split = os.path.join(WORK, "split")
    index(split, docs, "--no-source", "--no-merge", "--ram", "1M" if QUICK else "48M")
    table = play(bench, split, queries, {"shared-threshold": without(split, "shared-threshold")},
                 "--commands", "TOP_10,TOP_1000")
    segments = sum(name.endswith(".segment") for name in os.listdir(split))
    for command in ("TOP_10", "TOP_1000"):
        step_row(bench, table, "shared-threshold", command, "union", ", %d segments" % segments)


def step_row(bench, table, name, command, kind, more=""):
    engines = table.get((command, kind))
    if engines:
        bench.row("_".join(["without", name.replace("-", "_"), command.lower(), kind]),
                  "without %s: %s %s%s, times as long" % (name, command, kind, more), "", engines[name]["ratio"], "x",
                  None, mean_us=engines["search"]["mean_us"], p99_us=engines["search"]["p99_us"])


# ---- typing errors

def bench_fuzzy(bench):
    words, rng = made_up(TERMS), random.Random(2)
    docs, folder = os.path.join(WORK, "words.jsonl"), os.path.join(WORK, "words")
    queries = os.path.join(WORK, "typos.jsonl")
    with open(docs, "w", encoding="ascii") as file:
        for at in range(0, len(words), 100):
            file.write('{"text":"%s"}\n' % " ".join(words[at:at + 100]))
    with open(queries, "w", encoding="ascii") as file:
        for _ in range(TYPOS):
            fuzzy = {"value": mistyped(rng, rng.choice(words)), "fuzziness": 2, "prefix_length": 1}
            file.write(json.dumps({"query": json.dumps({"fuzzy": {"text": fuzzy}}), "tags": ["fuzzy"]}) + "\n")
    index(folder, docs, "--no-source", "--merge-to", "1")
    engines = play(bench, folder, queries, {}, "--commands", "TOP_10", "--options", "--json")[("TOP_10", "fuzzy")]
    ours = engines["search"]
    bench.row("fuzzy", "fuzzy, distance 2, prefix 1, over {:,} terms: mean".format(TERMS), "<= 10 ms",
              ours["mean_us"] / 1000, "ms", ("<=", 10), mean_us=ours["mean_us"], p99_us=ours["p99_us"])


# ---- the service

def bench_service(bench):
    """What a query costs over HTTP, beside our ceiling, which answers all alike."""
    ceiling, server = Ceiling("--allowed"), bench.start("--write-rate", "0")
    bench.commands["ceiling"] = {"command": ceiling.command}
    contenders = {"search": (server.port, worker_of(server), False), "ceiling": (ceiling.port, ceiling.pid, True)}
    for profile in ("search", "facets"):
        figures = bench.alternate(contenders, "--profile", profile, "--units", UNITS)
        bench.row("http_" + profile,
                  "service, {} over {:,} documents: CPU a request / our ceiling".format(profile, UNITS), "",
                  ratio(figures["search"], figures["ceiling"]), "x", None, **columns(figures["search"]),
                  mean_us=figures["search"]["cpu"])
    written = bench.alternate({"search": contenders["search"]}, "--profile", "ingest")["search"]
    bench.row("http_ingest", "service, ingest by _bulk: documents/s", "", 100 * written["rps"], "", None,
              **columns(written), mean_us=written["cpu"])
    server.close()
    ceiling.close()


def version(package):
    try:
        return run("pkg-config", "--modversion", package).strip()
    except (OSError, subprocess.CalledProcessError):
        return "not installed"


def bench_search(bench):
    bench.more = {"columns": COLUMNS}
    bench.machine = {"peers": "Xapian %s; SQLite %s" % (version("xapian-core"), version("sqlite3"))}
    os.makedirs(WORK, exist_ok=True)
    docs, queries = os.path.join(WORK, "docs.jsonl"), os.path.join(WORK, "queries.jsonl")
    if data("wiki-en-124k.jsonl.zst") and data("queries-odd.jsonl"):
        kept(docs, make_texts)
        kept(queries, make_queries)
        with open(docs + ".size", encoding="ascii") as file:
            size = int(file.read())
        plain, folder = bench_indexing(bench, docs, size)
        bench_opening(bench, folder)
        bench_game(bench, folder, docs, queries, size)
        bench_steps(bench, plain, folder, docs, queries)
    else:
        bench.row("game", "the search benchmark game, on $LAB_DATA's texts", "", None, "", None)
    bench_fuzzy(bench)
    bench_service(bench)
