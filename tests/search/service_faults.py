"""
service_faults.py - workers, the indexer, the master and Redis are killed while documents are written.

Every answer is kept and compared with what there is in the end: nothing that was answered is lost, nothing was done
twice.  A write that was not answered may have been done, once.
"""
import contextlib
import os
import random
import signal
import subprocess
import threading

from kit import BUILD, LIVE, SOAK, WORKERS, Redis, eventually, free_port, main, same, start, write_file

ROUNDS = 10 if SOAK else 2
IDS = 5  # of each writer
POINTS = ("append-checked", "append-written", "indexer-applied", "indexer-segment", "indexer-replaced",
          "indexer-manifest", "indexer-told", "indexer-trimmed", "indexer-merged")


class Document:
    """What one writer knows of one id: it is written with numbers that rise."""

    def __init__(self, name):
        self.name = name
        self.sent = 0  # the last number that was sent
        self.acked = 0  # the last one that was answered
        self.version = 0  # that the answer had
        self.open = 0  # writes since that were not answered


class Writer(threading.Thread):
    """Writes some documents, again and again, by single writes and bulks."""

    def __init__(self, number, traffic):
        super().__init__(daemon=True)
        self.chance = random.Random(traffic.seed + number)
        self.traffic, self.number = traffic, number
        self.documents = [Document("%d-%d" % (number, i)) for i in range(IDS)]
        self.seqs, self.count, self.ending = [], 0, False
        self.wrong = []

    def run(self):
        while not self.ending:
            try:
                if self.chance.random() < 0.5:
                    self._one(self.chance.choice(self.documents))
                else:
                    self._bulk(self.chance.sample(self.documents, 3))
            except (OSError, EOFError, ValueError):
                pass

    def _send(self, method, path, body, headers=None):
        return self.traffic.server.request(method, path, body, headers)

    def _begin(self, document):
        document.sent += 1
        document.open += 1
        return {"n": document.sent, "who": self.number, "text": "word%d" % document.sent}

    def _one(self, document):
        answer = self._send("PUT", "/a/_doc/" + document.name, self._begin(document))
        if answer.status in (200, 201):
            self._acked(document, answer.json, document.open)

    def _bulk(self, documents):
        lines = ""
        for document in documents:
            lines += '{"index":{"_id":"%s"}}\n%s\n' % (document.name, str(self._begin(document)).replace("'", '"'))
        answer = self._send("POST", "/a/_bulk", lines, {"Content-Type": "application/x-ndjson"})
        if answer.status != 200:
            return
        for document, item in zip(documents, answer.json["items"]):
            if item["index"]["status"] in (200, 201):
                self._acked(document, item["index"], document.open)

    def _acked(self, document, answer, most):
        """Of those that were sent since the last answer each was done once, or not at all."""
        step = answer["_version"] - document.version
        if not 1 <= step <= most:
            self.wrong.append("%s: version %d after %d, with %d sent" % (document.name, answer["_version"],
                                                                        document.version, most))
        document.acked, document.version, document.open = document.sent, answer["_version"], 0
        self.seqs.append(answer["_seq_no"])
        self.count += 1

    def check(self, server):
        for document in self.documents:
            if not document.sent:
                continue
            got = server.request("GET", "/a/_doc/" + document.name).json
            if not got["found"]:
                assert document.acked == 0, "%s is lost" % document.name
                continue
            number, version = got["_source"]["n"], got["_version"]
            assert document.acked <= number <= document.sent, (document.name, document.acked, number, document.sent)
            step = version - document.version
            assert 0 <= step <= document.open and (step > 0) == (number > document.acked), vars(document) | got
            found = server.find("a", {"ids": {"values": [document.name]}})["hits"]
            same([hit["_source"]["n"] for hit in found], [number], document.name)


class Traffic:
    def __init__(self, server, writers=3):
        self.seed = random.randrange(1 << 30)
        print("seed", self.seed, flush=True)
        self.server = server
        self.writers = [Writer(number, self) for number in range(writers)]
        for writer in self.writers:
            writer.start()

    def flow(self, more=40):
        """Until so many more have been answered to each."""
        counts = [writer.count + more for writer in self.writers]
        eventually(lambda: all(w.count >= c for w, c in zip(self.writers, counts)), "answers", deadline=60)

    def check(self):
        for writer in self.writers:
            writer.ending = True
        for writer in self.writers:
            writer.join()
            same(writer.wrong, [])
        eventually(lambda: self.server.request("POST", "/a/_refresh").status == 200, "a refresh")
        seqs = [seq for writer in self.writers for seq in writer.seqs]
        same(len(set(seqs)), len(seqs), "sequence numbers")
        for writer in self.writers:
            writer.check(self.server)
        there = sum(1 for w in self.writers for d in w.documents
                    if self.server.request("HEAD", "/a/_doc/" + d.name).status == 200)
        same(self.server.count("a"), there)
        same(self.server.logged("a document that was taken cannot be indexed"), [])


def store():
    return Redis(appendfsync="always")


def with_traffic(directory, fault, rounds=ROUNDS, **more):
    kept = store()
    server = start(kept, directory, **more)
    traffic = Traffic(server)
    traffic.flow()
    for _ in range(rounds):
        fault(traffic, kept)
        traffic.flow()
    traffic.check()
    traffic.server.close()
    kept.close()


def test_workers_killed(directory):
    def kill(traffic, _kept):
        for number in range(int(WORKERS)):
            traffic.server.kill_worker(number)
    with_traffic(directory, kill)


def test_the_indexer_killed(directory):
    def kill(traffic, _kept):
        pid = eventually(traffic.server.indexer, "an indexer")
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: traffic.server.indexer() not in (None, pid), "another indexer")
    with_traffic(directory, kill)


def test_redis_killed(directory):
    def kill(_traffic, kept):
        kept.kill()
        kept.start()
    with_traffic(directory, kill)


def test_everything_killed(directory):
    """The master with all that it started, and Redis; then all begins again."""
    def kill(traffic, kept):
        server = traffic.server
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
        LIVE.remove(server)
        kept.kill()
        kept.start()
        traffic.server = start(kept, directory, port=server.port)
    with_traffic(directory, kill)


def test_the_master_killed(directory):
    """Its workers end by themselves; a new one waits for them."""
    def kill(traffic, kept):
        server = traffic.server
        server.process.kill()
        server.process.wait()
        LIVE.remove(server)
        traffic.server = start(kept, directory, port=free_port())
    with_traffic(directory, kill, rounds=1)


def test_each_crash_point(directory):
    for point in POINTS:
        print(point, flush=True)
        kept = store()
        # Much is in few segments: merges begin soon.
        server = start(kept, os.path.join(directory, point), "--crash-at", point)
        traffic = Traffic(server)
        eventually(lambda hits=server: any(line["signal"] == 9 for line in hits.logged("worker ended")), point,
                   deadline=60)
        traffic.flow(10)
        traffic.check()
        server.close()
        kept.close()


def test_an_index_is_made_whole_or_not_at_all(directory):
    for point in ("create-shard", "create-listed"):
        kept = store()
        server = start(kept, os.path.join(directory, point), "--crash-at", point)
        with contextlib.suppress(EOFError, OSError):
            server.request("PUT", "/a")
        eventually(lambda: server.logged("worker ended"), "the crash")
        there = eventually(lambda: server.request("HEAD", "/a").status, "an answer") == 200
        same(there, point == "create-listed")
        server.put("a", 1, {"n": 1}, 201)
        same(server.call("GET", "/a/_source/1"), {"n": 1})
        server.close()
        kept.close()


def test_an_index_is_deleted_whole_however_far_it_came(directory):
    for point in ("delete-listed", "indexer-dropping"):
        kept = store()
        data = os.path.join(directory, point)
        server = start(kept, data, "--crash-at", point)
        server.put("a", 1, {"n": 1}, query="?refresh=true")
        server.put("a", 2, {"n": 1})
        with contextlib.suppress(EOFError, OSError):
            server.request("DELETE", "/a")
        eventually(lambda: server.logged("worker ended"), "the crash")
        eventually(lambda: server.request("HEAD", "/a").status == 404, "no index")
        eventually(lambda: sorted(os.listdir(data)) == ["indexer", "lock"], "no files")
        eventually(lambda kept=kept: kept.cli("KEYS", "se:*") == [], "no keys")
        server.close()
        kept.close()


def test_indexes_deleted_under_writers(directory):
    """Made again by the next write, each time a new one: what a dead one had is never in another."""
    kept = store()
    server = start(kept, directory)
    ending = threading.Event()
    wrong = []

    def write(number):
        while not ending.is_set():
            answer = server.request("PUT", "/a/_doc/%d" % number, {"n": number})
            if answer.status not in (200, 201, 404):
                wrong.append(answer)
    threads = [threading.Thread(target=write, args=(n,), daemon=True) for n in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(10 * ROUNDS):
        eventually(lambda: server.request("DELETE", "/a").status == 200, "a deletion")
    ending.set()
    for thread in threads:
        thread.join()
    same(wrong, [])
    server.request("DELETE", "/a")
    eventually(lambda: sorted(os.listdir(directory)) == ["indexer", "lock"], "no files")
    eventually(lambda: kept.cli("KEYS", "se:*") == [], "no keys")
    server.close()
    kept.close()


def test_nobody_writes_beside_the_indexer(directory):
    kept = store()
    server = start(kept, directory)
    server.put("a", 1, {"n": 1}, query="?refresh=true")
    folder = os.path.join(directory, next(name for name in os.listdir(directory) if name not in ("indexer", "lock")))
    program = [os.path.join(BUILD, "search", "search-index"), "--index", folder]
    for options, status in ((["--reorder"], 1), ([], 1), (["--check"], 0)):
        done = subprocess.run(program + options, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        same(done.returncode, status, done.stderr)
        assert status == 0 or "another process writes it" in done.stderr, done.stderr
    server.put("a", 2, {"n": 2}, query="?refresh=true")
    same(server.count("a"), 2)
    server.close()
    same(subprocess.run(program + ["--reorder"], stdin=subprocess.DEVNULL, check=False).returncode, 0)
    server = start(kept, directory)
    server.put("a", 3, {"n": 3}, query="?refresh=true")
    same(server.count("a"), 3)
    server.close()
    kept.close()


def test_files_that_are_gone_are_said_to_be(directory):
    kept = store()
    server = start(kept, directory)
    server.put("a", 1, {"n": 1}, query="?refresh=true")
    eventually(lambda: all(kept.cli("XLEN", key) == 0 for key in kept.cli("KEYS", "se:log:*")), "an empty log")
    server.close()
    for name in os.listdir(directory):
        if name not in ("indexer", "lock"):
            os.rename(os.path.join(directory, name), directory + "-gone")
    server = start(kept, directory)
    server.refuse("GET", "/a/_doc/1", 503, "no_shard_available_action_exception")
    server.refuse("PUT", "/a/_doc/2", 503, "no_shard_available_action_exception", {"n": 2})
    eventually(lambda: server.logged("files of an index are older than its log"), "word of it")
    server.refuse("GET", "/a/_search", 503, "no_shard_available_action_exception")
    same(server.call("GET", "/_cluster/health")["status"], "red")
    server.close()
    kept.close()
    os.rename(directory + "-gone", os.path.join(directory, "gone"))


def test_an_index_whose_files_cannot_be_read_stands_alone(directory):
    """What is told of it is told, it can be deleted, and the others do not suffer."""
    kept = store()
    server = start(kept, directory)
    server.call("PUT", "/gone", {"mappings": {"properties": {"n": {"type": "long"}}}})
    uuid = server.call("GET", "/gone")["gone"]["settings"]["index"]["uuid"]
    for name in ("books", "gone"):
        server.put(name, 1, {"n": 1}, query="?refresh=true")
    server.close()
    files = os.path.join(directory, uuid)
    for name in os.listdir(files):
        if name.endswith(".segment"):
            os.unlink(os.path.join(files, name))
    server = start(kept, directory)
    kind = "no_shard_available_action_exception"
    for method, path, body in (("GET", "/gone/_doc/1", None), ("PUT", "/gone/_doc/2", {"n": 2}),
                               ("GET", "/gone/_search", None), ("GET", "/_search", None), ("GET", "/g*/_count", None),
                               ("GET", "/_cat/count", None), ("POST", "/_refresh", None)):
        error = server.call(method, path, body, 503)["error"]
        same((error["type"], error["index"]), (kind, "gone"), path)
        assert "[gone]" in error["reason"], error
    rows = server.call("GET", "/_cat/indices?format=json")
    same([(row["index"], row["health"], row["docs.count"], row["store.size"] != "") for row in rows],
         [("books", "green", "1", True), ("gone", "red", "", False)])
    health = server.call("GET", "/_cluster/health")
    same([health[key] for key in ("status", "timed_out", "active_shards", "unassigned_shards",
                                  "active_shards_percent_as_number")], ["red", False, 1, 1, 50.0])
    same(server.call("GET", "/_cluster/health?wait_for_status=yellow", status=408)["timed_out"], True)
    same(server.call("GET", "/_cluster/health/books?wait_for_status=green")["status"], "green")
    same([server.call("GET", "/_cat/health?format=json")[0][key] for key in ("status", "shards", "unassign")],
         ["red", "1", "1"])
    same(server.call("GET", "/_mapping")["gone"], {"mappings": {"properties": {"n": {"type": "long"}}}})
    segments = server.call("GET", "/_segments")
    same((list(segments["indices"]), segments["_shards"]),
         (["books", "gone"], {"total": 2, "successful": 1, "failed": 1}))
    same(segments["indices"]["gone"], {"shards": {}})
    same(server.count("books"), 1)
    same(server.put("books", 2, {"n": 2}, query="?refresh=true")["forced_refresh"], True)
    eventually(lambda: server.logged("index cannot be opened"), "word of it")
    for path in ("/gone/_search", "/_cat/indices") * 4:  # passes of the indexer go by, too
        server.request("GET", path)
        server.put("books", 2, {"n": 2}, query="?refresh=true")
    same([line["shard"] for line in server.logged("index cannot be opened")], [uuid])
    assert 1 <= len(server.logged("index cannot be read")) <= int(WORKERS), server.log()
    same(server.call("DELETE", "/gone"), {"acknowledged": True})
    server.call("HEAD", "/gone", status=404)
    same(server.call("GET", "/_cluster/health")["status"], "green")
    eventually(lambda: uuid not in os.listdir(directory), "no files")
    eventually(lambda: not [key for key in kept.cli("KEYS", "se:*") if uuid in key], "no keys")
    same(server.put("gone", 1, {"n": 1}, 201, "?refresh=true")["_version"], 1)
    server.close()
    kept.close()


def test_an_index_that_can_be_read_again_is_used_again(directory):
    kept = store()
    server = start(kept, directory)
    server.put("a", 1, {"n": 1}, query="?refresh=true")
    uuid = server.call("GET", "/a")["a"]["settings"]["index"]["uuid"]
    server.close()
    manifest = os.path.join(directory, uuid, "manifest")
    os.rename(manifest, manifest + ".good")
    write_file(os.path.dirname(manifest), "manifest", "nonsense")
    server = start(kept, directory)
    server.refuse("GET", "/a/_search", 503, "no_shard_available_action_exception")
    eventually(lambda: server.logged("index cannot be opened"), "word of it")
    os.rename(manifest + ".good", manifest)
    same(server.count("a"), 1)
    same(server.put("a", 2, {"n": 2}, 201, "?refresh=true")["forced_refresh"], True)
    same(server.count("a"), 2)
    eventually(lambda: server.count("a") == 2 and server.logged("index can be read again"), "word of it")
    eventually(lambda: server.logged("an index can be written again"), "word of it")
    server.close()
    kept.close()


def test_a_write_that_no_refresh_follows_is_done(directory):
    """It is in the log, whether the indexer comes to it or not; the answer says that it cannot be found yet."""
    kept = store()
    server = start(kept, directory)
    server.put("a", 0, {"n": 0}, query="?refresh=true")
    indexer = eventually(server.indexer, "an indexer")
    os.kill(indexer, signal.SIGSTOP)
    line = '{"index":{"_id":"%s"}}\n{"n":1}\n'
    asked = [("PUT", "/a/_doc/1?refresh=true", {"n": 1}), ("PUT", "/a/_doc/2?refresh=wait_for", {"n": 1}),
             ("DELETE", "/a/_doc/0?refresh=true", None), ("POST", "/a/_bulk?refresh=true", line % 3 + line % 4),
             ("POST", "/a/_refresh", None)]
    answers = [None] * len(asked)

    def ask(i):
        method, path, body = asked[i]
        answers[i] = server.request(method, path, body, {"Content-Type": "application/x-ndjson"} if i == 3 else None)
    threads = [threading.Thread(target=ask, args=(i,), daemon=True) for i in range(len(asked))]
    for thread in threads[:-1]:
        thread.start()
    eventually(lambda: sum(kept.cli("XLEN", key) for key in kept.cli("KEYS", "se:log:*")) >= 5, "all five in the log")
    threads[-1].start()
    for thread in threads:
        thread.join()
    os.kill(indexer, signal.SIGCONT)
    same([answer.status for answer in answers], [201, 201, 200, 200, 503], answers)
    same([item["index"]["status"] for item in answers[3].json["items"]], [201, 201])
    same(answers[3].json["errors"], False)
    for answer in answers[:4]:
        assert "forced_refresh" not in answer.text, answer
        assert answer.headers["warning"].startswith('299 drawn-to-scale "'), answer
    again = server.request("PUT", "/a/_doc/1?refresh=true", {"n": 2})
    same((again.json["forced_refresh"], again.json["_version"], again.headers.get("warning")), (True, 2, None))
    same(server.count("a"), 4)
    server.close()
    kept.close()


main(__name__)
