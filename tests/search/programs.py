"""programs.py - search-index and search-query, as one has them in a terminal."""
import json
import os
import random
import re
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
from lab import SOAK, eventually, run, same  # noqa: E402

BUILD = os.path.join(os.environ["LAB_BUILD"], "search")
SEED = 6
SONGS = [{"id": "a", "title": "A song of the sea", "year": 1990},
         {"id": "b", "title": "The sea, the sea", "year": 1978},
         {"id": "c", "title": "Songs", "year": 2001}]


def index(folder, lines, *options, status=0):
    text = "".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines)
    done = subprocess.run([BUILD + "/search-index", "--index", folder, *options], input=text, text=True,
                          capture_output=True, check=False)
    same(done.returncode, status, done.stderr)
    return done.stderr


def query(folder, *options, text="", status=0):
    done = subprocess.run([BUILD + "/search-query", "--index", folder, *options], input=text, text=True,
                          capture_output=True, check=False)
    same(done.returncode, status, done.stderr)
    return done.stdout if status == 0 else done.stderr


def found(folder, text, *options):
    """The ids, the best first."""
    return [line.split()[1] for line in query(folder, "--query", text, *options).splitlines()[:-1]]


def files(folder):
    return sorted(os.listdir(folder))


def test_what_was_indexed_is_found():
    with tempfile.TemporaryDirectory() as folder:
        assert "3 documents" in index(folder, SONGS)
        same(found(folder, "sea"), ["b", "a"])
        same(found(folder, "song sea"), ["a", "b"])
        same(found(folder, '"the sea" -song'), ["b"])
        same(found(folder, "year:[1980 TO *] title:s*"), ["a", "c", "b"])
        same(found(folder, '{"range":{"year":{"lt":1990}}}', "--json"), ["b"])
        same(found(folder, "title.keyword:Songs"), ["c"])
        assert "  title: A [song] of the sea\n" in query(folder, "--query", "song")
        assert '{"id": "c", "title": "Songs", "year": 2001}' in query(folder, "--query", "*:*")
        why = query(folder, "--query", "title:sea", "--explain", "b")
        assert "weight(title:sea in 1)" in why and "  2  freq, occurrences" in why, why
        titles = query(folder, "--complete", "so", "--field", "title")
        assert titles.startswith("        1  song\n        1  songs\n2 completions"), titles
        titles = query(folder, "--complete", "the see", "--field", "title.keyword", "--weight-field", "year")
        same(titles.splitlines()[0], "     1978  The sea, the sea  (one change)")
        meant = query(folder, "--suggest", "--query", "sonk of the see", "--field", "title")
        assert "did you mean: song of the sea (1 documents)" in meant, meant
        assert "[x]" in query(folder, "--complete", "so", "--field", "x", status=1)
        assert "no document has the id x" in query(folder, "--query", "sea", "--explain", "x", status=1)
        assert query(folder, "--query", "nothing").startswith("0 documents")


def test_documents_that_cannot_be_are_named_and_the_others_stay():
    with tempfile.TemporaryDirectory() as folder:
        err = index(folder, [SONGS[0], "no JSON\n", "\n", {"id": "x", "year": "soon"}, SONGS[1]], status=1)
        assert "line 2: failed to parse" in err, err
        assert "line 4: failed to parse field [year]" in err, err
        same(sorted(found(folder, "*:*")), ["a", "b"])


def test_more_comes_into_a_segment_of_its_own():
    with tempfile.TemporaryDirectory() as folder:
        index(folder, SONGS[:2])
        same(files(folder), ["1.segment", "manifest"])
        with open(folder + "/9.segment.unfinished", "w", encoding="ascii"):
            pass  # of one that was cut off
        index(folder, SONGS[2:] + [{"id": "d", "title": "sea"}])
        same(files(folder), ["1.segment", "2.segment", "manifest"])
        same(found(folder, "sea"), ["d", "b", "a"])


def test_memory_that_is_full_makes_a_segment():
    documents = [{"id": str(n), "text": "w%d x%d" % (n, n % 7)} for n in range(40000)]
    with tempfile.TemporaryDirectory() as folder:
        index(folder, documents, "--ram", "1M", "--no-merge")
        assert len(files(folder)) > 4, files(folder)
        before = query(folder, "--query", "w777 x3", "--hits", "30").rsplit("\n", 2)[0]
        for most in ("3", "1"):  # and the answers stay the same
            same(found(folder, "w777"), ["777"])
            same(query(folder, "--sbg", "--field", "text", text="COUNT\tx3\nTOP_10\tx3 x4\nCOUNT\t+x3 +w3\n"),
                 "%d\n1\n1\n" % sum(n % 7 == 3 for n in range(40000)))
            index(folder, [], "--merge-to", most)
            same(len(files(folder)), int(most) + 1, files(folder))
        same(query(folder, "--query", "w777 x3", "--hits", "30").rsplit("\n", 2)[0], before)


def test_what_is_deleted_is_not_found_and_goes_with_a_merge():
    with tempfile.TemporaryDirectory() as folder:
        index(folder, SONGS)
        with open(folder + "/manifest", encoding="ascii") as file:
            manifest = json.load(file)
        manifest["segments"][0]["live"] = "1-1.live"
        for bits, count, status in ((0b101, 2, 0), (0b101, 3, 1)):  # that of two, and one that miscounts
            with open(folder + "/1-1.live", "wb") as file:
                file.write(struct.pack("<IIQ", 3, count, bits))
            with open(folder + "/manifest", "w", encoding="ascii") as file:
                json.dump(manifest, file)
            if status:
                assert "1-1.live" in query(folder, "--query", "sea", status=1)
                continue
            same(found(folder, "sea"), ["a"])
            same(found(folder, "*:*"), ["a", "c"])
        with open(folder + "/1-1.live", "wb") as file:
            file.write(struct.pack("<IIQ", 3, 2, 0b101))
        index(folder, [{"id": "d", "title": "sea"}], "--merge-to", "1")
        same(files(folder), ["3.segment", "manifest"])
        same(found(folder, "sea"), ["d", "a"])
        same(found(folder, "*:*"), ["a", "c", "d"])


def test_documents_that_are_alike_are_put_beside_each_other():
    """Of sixteen kinds, mixed: most come beside one of their own, and all is found as before."""
    rng = random.Random(SEED)
    kinds = [kind for kind in range(16) for _ in range(100)]
    rng.shuffle(kinds)
    docs = [{"id": "%d-%d" % (kind, i), "n": i, "k": "k%d" % rng.randrange(300),
             "text": " ".join(rng.sample(["w%dx%d" % (kind, j) for j in range(8)], 7) + ["sea"] * rng.randrange(1, 9))}
            for i, kind in enumerate(kinds)]
    with tempfile.TemporaryDirectory() as folder:
        asked = ("w3x1 w4x2", '"sea sea"', "+sea +w7x7", "k:k7", "n:[100 TO 120]", "w1x1 -w1x2", "*:*")

        def look():
            result = []
            for text in asked:
                lines = query(folder, "--query", text, "--hits", "1000", "--sort", "n").splitlines()
                result.append((lines[:-1], lines[-1].split(",")[0]))
            return result

        index(folder, docs[:700])
        index(folder, docs[700:], "--no-merge")
        index(folder, [docs[5], docs[900]], "--no-merge")
        before = look()
        index(folder, [], "--reorder")
        same(len([name for name in files(folder) if name.endswith(".segment")]), 3)
        assert look() == before
        index(folder, [], "--merge-to", "1", "--reorder")
        same([name for name in files(folder) if name.endswith(".live")], [])
        assert look() == before
        index(folder, [], "--check")
        order = [int(name.split("-")[0]) for name in found(folder, "*:*", "--hits", "1000")]
        alike = sum(one == other for one, other in zip(order, order[1:]))
        assert alike > 850 > sum(one == other for one, other in zip(kinds, kinds[1:])) * 5, alike
        index(folder, [], "--reorder")
        assert look() == before


def test_a_document_takes_the_place_of_one_with_its_id():
    with tempfile.TemporaryDirectory() as folder:
        index(folder, SONGS, "--no-merge")
        index(folder, [{"id": "b", "title": "one"}, {"id": "e", "title": "sea"}, {"id": "b", "title": "shore"}],
              "--no-merge")
        same(files(folder), ["1-3.live", "1.segment", "2-3.live", "2.segment", "manifest"])
        same(sorted(found(folder, "*:*")), ["a", "b", "c", "e"])
        same((found(folder, "sea"), found(folder, "one"), found(folder, "shore")), (["e", "a"], [], ["b"]))
        index(folder, [{"id": "a", "title": "sand"}], "--no-merge")
        same(files(folder), ["1-4.live", "1.segment", "2-3.live", "2.segment", "3.segment", "manifest"])
        same(found(folder, "sea"), ["e"])
        index(folder, [], "--merge-to", "1")
        same(files(folder), ["4.segment", "manifest"])
        same(found(folder, "*:*"), ["c", "e", "b", "a"])


def test_segments_are_merged_meanwhile():
    documents = [{"id": str(n), "text": "w%d x%d" % (n, n % 7)} for n in range(40000)]
    with tempfile.TemporaryDirectory() as folder:
        index(folder, documents, "--ram", "1M")
        assert len(files(folder)) < 10, files(folder)
        same(query(folder, "--sbg", "--field", "text", text="COUNT\tx3\n"),
             "%d\n" % sum(n % 7 == 3 for n in range(40000)))


# Few ids, each of them many times.
VERSIONS = [{"id": "i%d" % (n * 7919 % 900), "line": n, "text": " ".join("w%d" % (n * k % 9973) for k in range(20))}
            for n in range(9000)]


def versions(folder):
    """Of each id that is found its line; none is found twice."""
    lines = query(folder, "--query", "*:*", "--hits", "1000").splitlines()[:-1]
    pairs = [re.search(r'"id": "(\w+)", "line": (\d+)', line).groups() for line in lines]
    ids = dict(pairs)
    same(len(ids), len(pairs))
    return ids


def test_threads_leave_the_last_of_each_id():
    last = {document["id"]: str(document["line"]) for document in VERSIONS}
    for threads in "1", "2", "4":
        with tempfile.TemporaryDirectory() as folder:
            said = index(folder, VERSIONS + ["{\n", {"id": "x", "line": "soon"}], "--threads", threads, "--ram", "1M",
                         status=1)
            assert "9000 documents" in said and "line 9001: " in said, said
            assert "line 9002: failed to parse field [line]" in said, said
            same(versions(folder), last)
            index(folder, [], "--check")


def changes(folder, process):
    """Each time that a file of the folder comes or goes, until the process ends."""
    before = files(folder)
    while process.poll() is None:
        now = files(folder)
        if now != before:
            before = now
            yield


def kill_at(folder, change, *options):
    """Index all, killed when so many files have come or gone."""
    with open(folder + ".lines", "w", encoding="ascii") as file:
        file.writelines(json.dumps(document) + "\n" for document in VERSIONS)
    with subprocess.Popen([BUILD + "/search-index", "--index", folder, "--input", folder + ".lines", "--ram", "1M",
                           "--threads", "2", *options], stderr=subprocess.DEVNULL) as process:
        for n, _ in enumerate(changes(folder, process)):
            if n == change:
                process.kill()
    os.remove(folder + ".lines")
    return process.returncode


def test_a_crash_leaves_what_the_last_manifest_says():
    random.seed(SEED)
    last = {document["id"]: str(document["line"]) for document in VERSIONS}
    killed = 0
    for n in range(40 if SOAK else 6):
        with tempfile.TemporaryDirectory() as folder:
            folder += "/i"
            os.mkdir(folder)
            for _ in range(2):  # the second time there is something to replace
                killed += kill_at(folder, random.randrange(60), *(["--merge-to", "1"] if n % 2 else [])) < 0
                if "manifest" not in files(folder):
                    continue  # not even the first one
                index(folder, [], "--check")
                for name, line in versions(folder).items():
                    same(VERSIONS[int(line)]["id"], name)
            index(folder, VERSIONS, "--merge-to", "2")
            same(versions(folder), last)
            index(folder, [], "--check")
            with open(folder + "/manifest", encoding="ascii") as file:
                used = json.load(file)["segments"]
            same(files(folder), sorted(s[key] for s in used for key in ("file", "live") if key in s) + ["manifest"])
    assert killed, "it was never killed"


def test_segments_without_their_manifest_are_left_alone():
    with tempfile.TemporaryDirectory() as folder:
        index(folder, SONGS)
        os.rename(folder + "/manifest", folder + "/elsewhere")
        for options in ((), ("--reorder",), ("--merge-to", "1")):
            assert "it has segments, but no manifest" in index(folder, SONGS, *options, status=1)
        assert "there is no index" in index(folder, [], "--check", status=1)
        assert "there is no index" in query(folder, "--query", "sea", status=1)
        os.rename(folder + "/elsewhere", folder + "/manifest")
        index(folder, [], "--check")
        same(found(folder, "sea"), ["b", "a"])
        assert "there is no index" in query(folder + "/none", "--query", "sea", status=1)


def test_two_do_not_write_one_index():
    with tempfile.TemporaryDirectory() as folder:
        with subprocess.Popen([BUILD + "/search-index", "--index", folder], stdin=subprocess.PIPE, text=True,
                              stderr=subprocess.PIPE) as first:
            eventually(lambda: files(folder) == ["manifest"], "the first one's manifest")
            for options in ((), ("--reorder",)):
                assert "another process writes it" in index(folder, SONGS, *options, status=1)
            first.stdin.write(json.dumps(SONGS[0]) + "\n")
            first.stdin.close()
            first.wait()
        same(found(folder, "*:*"), ["a"])
        index(folder, SONGS[1:])
        same(sorted(found(folder, "*:*")), ["a", "b", "c"])


def test_protocol_of_the_game():
    commands = ["COUNT\tsea", "TOP_10\tsea", "TOP_100_COUNT\tsea song", 'COUNT\t"the sea"', "COUNT\t+the -song",
                "COUNT\t+sea song", "TOP_10_FF\tsea", "sea", "COUNT\t\"sea", "TOP_1000\tnothing"]
    with tempfile.TemporaryDirectory() as folder:
        index(folder, SONGS)
        same(query(folder, "--sbg", "--field", "title", text="\n".join(commands) + "\n"),
             "2\n1\n2\n2\n1\n2\nUNSUPPORTED\nUNSUPPORTED\nUNSUPPORTED\n1\n")


def test_damage_is_refused_by_name():
    with tempfile.TemporaryDirectory() as folder:
        index(folder, SONGS)
        path = folder + "/1.segment"
        with open(path, "rb") as file:
            whole = file.read()
        end = len(whole)
        for at, what in ((70, "are damaged"), (end - 70, "table is damaged"), (end - 3, "foot is damaged"),
                         (end - 50, "not a segment's")):
            with open(path, "wb") as file:
                file.write(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
            err = query(folder, "--query", "sea", status=1)
            assert path in err and what in err, err
        with open(path, "wb") as file:
            file.write(whole[:-1])
        query(folder, "--query", "sea", status=1)
        with open(folder + "/manifest", "w", encoding="ascii") as file:
            file.write("{}")
        assert "no manifest" in query(folder, "--query", "sea", status=1)
        assert "no manifest" in index(folder, SONGS, status=1)


def test_damage_that_is_met_on_the_way_is_told():
    """Its sum is looked at when it is read: what was shown then lacks it."""
    with tempfile.TemporaryDirectory() as folder:
        index(folder, VERSIONS, "--merge-to", "1")
        path = folder + "/" + next(name for name in files(folder) if name.endswith(".segment"))
        with open(path, "rb") as file:
            whole = file.read()
        at = whole.rindex(b"i0i719")  # the ids
        with open(path, "wb") as file:
            file.write(whole[:at] + b"I" + whole[at + 1:])
        err = query(folder, "--query", "text:w1", status=1)
        assert path in err and "are damaged" in err, err


def test_what_would_be_too_large_is_refused():
    fields = {"f%d" % n: {"type": "text"} for n in range(900)}
    words = " ".join("w%d" % n for n in range(1000))
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + "/schema", "w", encoding="ascii") as file:
            json.dump({"properties": fields}, file)
        index(folder + "/i", [{"id": "0", "f0": words, "f1": words}], "--schema", folder + "/schema")
        same(found(folder + "/i", "w1 w2"), ["0"])
        same(found(folder + "/i", "f1:(%s)" % words), ["0"])
        words = " ".join("w%d-x" % n for n in range(1000))  # of two words each, in each field
        assert "too many terms, of too many fields" in query(folder + "/i", "--query", words, status=1)


def test_a_segment_of_another_index_is_refused():
    with tempfile.TemporaryDirectory() as folder:
        index(folder, SONGS)
        index(folder + "/other", [{"id": 1, "title": 2}, {"id": 2}, {"id": 3}])
        os.rename(folder + "/other/1.segment", folder + "/1.segment")
        assert "1.segment: it is not of this index" in query(folder, "--query", "sea", status=1)
        assert "1.segment: it is not of this index" in index(folder, [], "--check", status=1)


def test_a_manifest_that_would_be_written_over_is_refused():
    with tempfile.TemporaryDirectory() as folder:
        index(folder, SONGS)
        with open(folder + "/manifest", encoding="ascii") as file:
            manifest = json.load(file)
        segment = manifest["segments"][0]
        for change in ({"next": 1}, {"segments": [segment, segment]}, {"generation": -1},
                       {"generation": 2**62}, {"next": 2**62},
                       {"segments": [{**segment, "file": "../1.segment"}]},
                       {"segments": [{**segment, "live": "1-x.live"}]}):
            with open(folder + "/manifest", "w", encoding="ascii") as file:
                json.dump({**manifest, **change}, file)
            assert "no manifest" in query(folder, "--query", "sea", status=1), change


def test_a_check_looks_at_all_of_it():
    with tempfile.TemporaryDirectory() as folder:
        index(folder, SONGS)
        done = subprocess.run([BUILD + "/search-index", "--index", folder, "--check"], text=True, capture_output=True,
                              check=False)
        same(done.returncode, 0, done.stderr)
        assert done.stdout.startswith("1.segment: 3 documents, "), done.stdout
        path = folder + "/1.segment"
        with open(path, "r+b") as file:
            file.seek(100)
            byte = file.read(1)
            file.seek(100)
            file.write(bytes([byte[0] ^ 4]))
        assert "are damaged" in index(folder, [], "--check", status=1)
        assert "no-such: " in index(folder + "/no-such", [], "--check", status=1)
        assert not os.path.exists(folder + "/no-such")


def test_what_is_wrong_is_said():
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([BUILD + "/search-index"], text=True, capture_output=True, check=False)
        assert "--index" in done.stderr, done.stderr
        assert "no-such" in index(folder, [], "--no-such", status=2)
        assert "missing" in index(folder, [], "--input", folder + "/missing", status=1)
        with open(folder + "/schema", "w", encoding="ascii") as file:
            file.write('{"properties": {"x": {"type": "shape"}}}')
        assert "[x]" in index(folder + "/i", [], "--schema", folder + "/schema", status=1)
        index(folder + "/i", SONGS)
        assert "Failed to parse" in query(folder + "/i", "--query", '"sea', status=1)
        assert "unknown query [near]" in query(folder + "/i", "--json", "--query", '{"near":{}}', status=1)
        query(folder + "/i", "--hits", "-1", "--query", "sea", status=2)


if __name__ == "__main__":
    run(sys.modules[__name__])
