"""sbg.py - search-load --sbg: engines asked in turn through pipes, and what it says of their answers."""
import json
import os
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
from lab import Skip, run, same  # noqa: E402

BUILD = os.environ["LAB_BUILD"]
ECHO = """exec python3 -c 'import sys
for line in sys.stdin:
    command, query = line.rstrip(chr(10)).split(chr(9))
    print(%s, flush=True)'"""
DOCS = ["the sea", "a song of the sea", "a song", "the deep sea", "none of them"]


class Game:
    """An index of some texts, and queries of three classes."""

    def __init__(self, folder, docs=None, queries=None):
        self.folder = folder
        queries = queries or [("sea", "term"), ("+sea +song", "intersection"), ("sea song", "union"),
                              ('"the sea"', "phrase")]
        lines = "".join('{"id":"%d","text":"%s"}\n' % one for one in enumerate(docs or DOCS))
        with open(folder + "/docs", "w", encoding="ascii") as file:
            file.write(lines)
        with open(folder + "/queries", "w", encoding="ascii") as file:
            file.writelines(json.dumps({"query": q, "tags": [tag]}) + "\n" for q, tag in queries)
        subprocess.run([BUILD + "/search/search-index", "--index", folder + "/i"], input=lines, text=True, check=True,
                       capture_output=True)

    def play(self, *options, status=0):
        done = subprocess.run([BUILD + "/search/search-load", "--sbg", "--index", self.folder + "/i", "--queries",
                               self.folder + "/queries", "--runs", "2", "--json", self.folder + "/json", *options],
                              capture_output=True, text=True, check=False)
        same(done.returncode, status, done.stdout + done.stderr)
        return done

    def rows(self):
        with open(self.folder + "/json", encoding="utf-8") as file:
            result = json.load(file)
        return {(row["command"], row["class"]): row for row in result["rows"]}, result["engines"]


def test_classes_and_engines_each_have_their_figures():
    with tempfile.TemporaryDirectory() as folder:
        game = Game(folder)
        fast = ECHO % '"UNSUPPORTED" if "COUNT" in command or command == "NOTHING" else "1"'
        done = game.play("--peers", "fast=" + fast, "--plot", folder + "/plot")
        rows, engines = game.rows()
        same([e["name"] for e in engines], ["search", "fast"])
        same(sorted(rows), sorted((c, k) for c in ("COUNT", "TOP_10", "TOP_100", "TOP_1000", "TOP_100_COUNT")
                                  for k in ("term", "intersection", "union", "phrase")))
        for kind, total in (("term", 3), ("intersection", 1), ("union", 4), ("phrase", 2)):
            ours = rows["COUNT", kind]["engines"]["search"]
            same((ours["answered"], ours["sum"], ours["differs"]), (1, total, 0), kind)
            same(ours["p50_us"], ours["mean_us"])
            same(rows["COUNT", kind]["engines"]["fast"]["answered"], 0)
            same(rows["TOP_10", kind]["engines"]["fast"]["answered"], 1)
        assert "an empty round trip takes" in done.stdout, done.stdout
        with open(folder + "/plot", encoding="utf-8") as file:
            assert file.read().startswith("<svg "), "no plot"


def test_counts_that_differ_are_told():
    with tempfile.TemporaryDirectory() as folder:
        game = Game(folder)
        peers = "wrong=" + ECHO % '"UNSUPPORTED" if command == "NOTHING" else "3"'
        done = game.play("--commands", "COUNT", "--peers", peers, status=1)
        assert "wrong: counts otherwise" in done.stderr, done.stderr
        rows, _ = game.rows()
        same(rows["COUNT", "term"]["engines"]["wrong"]["differs"], 0)
        same(rows["COUNT", "union"]["engines"]["wrong"]["differs"], 1)


def test_engines_that_give_no_answer_are_named():
    with tempfile.TemporaryDirectory() as folder:
        game = Game(folder)
        for command, what in (("exit 3", "gone"), (ECHO % '"what"', "talks")):
            done = game.play("--peers", "%s=%s" % (what, command), status=1)
            assert "%s gave no answer to" % what in done.stderr, done.stderr
        flip = ECHO % '__import__("time").monotonic_ns()'
        assert "other answers" in game.play("--peers", "flips=" + flip, status=1).stderr


def test_what_is_wrong_is_said():
    with tempfile.TemporaryDirectory() as folder:
        game = Game(folder)
        assert "NAME=COMMAND" in game.play("--peers", "nobody", status=1).stderr
        assert "--runs" in game.play("--runs", "0", status=2).stderr
        with open(folder + "/queries", "w", encoding="ascii") as file:
            file.write("sea\n")
        assert "not queries" in game.play(status=1).stderr
        os.unlink(folder + "/queries")
        assert "No such file" in game.play(status=1).stderr


def sentence(rng):
    return " ".join("w" + "abcdefghij"[min(int(rng.expovariate(0.4)), 9)] for _ in range(rng.randrange(1, 30)))


def question(rng):
    words = sentence(rng).split()[:rng.randrange(1, 4)]
    kind = rng.choice(("union", "intersection", "phrase", "negated", "intersection_union"))
    if kind == "phrase":
        return '"%s"' % " ".join(words), kind
    signs = {"union": (" ", ""), "intersection": ("+", "+"), "negated": ("+", "-"), "intersection_union": ("+", "")}
    return " ".join(signs[kind][i > 0].strip() + word for i, word in enumerate(words)), kind


def test_peers_count_as_we_do():
    rng = random.Random(1)
    peers = [name for name in ("sqlite", "xapian") if os.path.exists(BUILD + "/tests/bench/peer-" + name)]
    if not peers:
        raise Skip("neither SQLite's nor Xapian's library is here")
    docs = [sentence(rng) for _ in range(500)]
    queries = sorted({question(rng) for _ in range(80)})
    with tempfile.TemporaryDirectory() as folder:
        game = Game(folder, docs, queries)
        commands = []
        for name in peers:
            program = "%s/tests/bench/peer-%s" % (BUILD, name)
            with open(folder + "/docs", "rb") as file:
                subprocess.run([program, folder + "/" + name, "build"], stdin=file, check=True)
            commands.append("%s=exec %s %s" % (name, program, folder + "/" + name))
        game.play("--commands", "COUNT,TOP_10,TOP_100_COUNT", "--peers", ";".join(commands))
        rows, _ = game.rows()
        for (command, kind), row in rows.items():
            for name in peers:
                theirs = row["engines"][name]
                if kind != "intersection_union" or name == "xapian":
                    same((theirs["answered"], theirs["differs"]), (row["queries"], 0), (command, kind, name))


if __name__ == "__main__":
    run(sys.modules[__name__])
