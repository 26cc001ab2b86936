"""chat_rows.py - what chat/README.md says, measured."""
import json
import os
import statistics
import subprocess

from kit import QUICK, RUNS, Bare, Ceiling, columns, median, ratio, worker_of
from notifier_rows import certificate, xadd_per_second
from tokens import make_keys

MANY = 400 if QUICK else 15000
SOME = 100 if QUICK else 1000
SEALED = 200 if QUICK else 5000  # over TLS
LARGE = 1000 if QUICK else 100000  # members of a large room
PAGES = 2000 if QUICK else 1000000  # messages of a long history
CORNERS = ("lost", "twice", "disorder")


class Rig:
    """Keys that service and load share, and a server of them."""

    def __init__(self, bench):
        self.bench = bench
        self.keys = os.path.join(bench.redis.dir, "keys")
        with open(os.path.join(self.keys), "w", encoding="ascii") as file:
            json.dump(make_keys(), file)
        os.chmod(self.keys, 0o600)

    def start(self, *options):
        return self.bench.start("--token-keys", self.keys, *options)

    def drive(self, server, *options, port=None):
        return self.bench.drive("chat", port or server.port, worker_of(server), "--token-keys", self.keys, *options)


def ask(bench, lines):
    return subprocess.run(["redis-cli", "-s", bench.redis.socket], check=True, capture_output=True, text=True,
                          input=lines).stdout.split()


def bytes_of(bench, kind):
    """Of the largest key of that kind."""
    keys = ask(bench, "KEYS ch:%s:*" % kind)
    return max(map(int, ask(bench, "\n".join("MEMORY USAGE %s SAMPLES 0" % key for key in keys))), default=0)


def room_of(bench):
    """The one whose log is the longest."""
    keys = ask(bench, "KEYS ch:log:*")
    sizes = map(int, ask(bench, "\n".join("XLEN " + key for key in keys)))
    return max(zip(sizes, keys))[1].rpartition(":")[2]


def contend(rig, server, bare):
    """Who takes turns, and each one's options: the bare loop has no rooms to make."""
    rig.bench.commands["bare"] = {"command": bare.command}
    return ({"chat": (server.port, worker_of(server), False), "bare": (bare.port, bare.pid, True)},
            {"chat": ("--token-keys", rig.keys)})


def bench_rooms(rig):
    server, bare = rig.start(), Bare("chat")
    contenders, only = contend(rig, server, bare)
    figures = rig.bench.alternate(contenders, "--profile", "rooms", "--members", SOME, only=only,
                                  turns=2 * RUNS - 1)
    rig.bench.row("rooms", "room of {:,}, 130 bytes: CPU a delivery / a bare loop of write".format(SOME), "<= 1.15",
                  ratio(figures["chat"], figures["bare"]), "x", ("<=", 1.15), **columns(figures["chat"]),
                  peer=figures["bare"])
    bare.close()
    server.close()


def behind(runs):
    """The median of what others waited beyond the acknowledgement, at p99."""
    return statistics.median(run["behind_us"]["p99"] for run in runs)


def bench_pairs(rig):
    bench, server = rig.bench, rig.start()
    load, ours, theirs = ("--profile", "pairs", "--rooms", MANY // 2), [], []
    for _ in range(RUNS):
        ours.append(rig.drive(server, *load))
        theirs.append(xadd_per_second(bench))
    mine = median(ours)
    bench.row("pairs", "{:,} direct pairs: acknowledged messages/s / redis-benchmark XADD -c 64".format(MANY // 2),
              ">= 0.3", mine["rps"] / statistics.median(theirs), "x", (">=", 0.3), **columns(mine),
              peer={"rps": statistics.median(theirs)})
    bare = Bare("chat")
    contenders, only = contend(rig, server, bare)
    before = len(bench.runs)
    figures = bench.alternate(contenders, *load, "--rate", max(1, int(mine["rps"] / 2)), only=only)
    runs = [run for run in bench.runs[before:] if run["who"] == "chat"]
    bench.row("behind", "half of that: acknowledgement to the other's socket, p99, beyond the bare loop's p99",
              "<= 4000 µs", behind(runs) - figures["bare"]["p99"], "µs", ("<=", 4000), **columns(figures["chat"]),
              peer=figures["bare"])
    bench.row("sent", "the same: from sending to the other's socket, p99, beyond the bare loop's", "",
              figures["chat"]["p99"] - figures["bare"]["p99"], "µs", None, **columns(figures["chat"]),
              peer=figures["bare"])
    bare.close()
    server.close()


def bench_storm(rig):
    server = rig.start()
    run = rig.drive(server, "--profile", "storm", "--members", MANY, "--rounds", 1 if QUICK else 3)
    rig.bench.row("storm", "{:,} with 20 rooms each come back at once, news in 2".format(MANY), "< 15 s",
                  max(run["storms_s"]), "s", ("<=", 14.99), **columns(median([run])))
    server.close()


def bench_lurkers(rig):
    """Windows by turns, all of one run: who is in the large room is the same in both."""
    server = rig.start()
    connected = LARGE // 100
    run = rig.drive(server, "--profile", "lurkers", "--members", connected, "--watching", connected, "--absent",
                    LARGE - connected, "--rounds", RUNS)
    rig.bench.row("large", "10-member room beside one of {:,}, 1 % watching, 10 messages/s: p99 beyond p99 alone"
                  .format(LARGE), "<= 2000 µs",
                  statistics.median(run["beside_p99_us"]) - statistics.median(run["alone_p99_us"]), "µs",
                  ("<=", 2000), **columns(median([run])))
    rig.bench.row("membership", "a membership in a room of {:,}: the member and its name".format(LARGE), "",
                  (bytes_of(rig.bench, "members") + bytes_of(rig.bench, "names")) / LARGE, "bytes", None)
    run = rig.drive(server, "--profile", "lurkers", "--members", MANY, "--rounds", RUNS)
    rig.bench.row("lurkers", "the same, {:,} of them connected, 1 % watching".format(MANY), "<= 2000 µs",
                  statistics.median(run["beside_p99_us"]) - statistics.median(run["alone_p99_us"]), "µs",
                  ("<=", 2000), **columns(median([run])))
    server.close()


def bench_crossover(rig):
    """What it costs to tell who does not watch how much is unread, with each message or every 5 s."""
    for count in (16, 64) if QUICK else (16, 64, 256, 1024):
        cost = {}
        for large in (1000000, 1):
            server = rig.start("--large-room", str(large))
            cost[large] = median([rig.drive(server, "--profile", "rooms", "--members", count, "--watching", 1,
                                            "--rate", 50)])
            server.close()
        rig.bench.row("crossover%d" % count, "room of {:,} who are here, one watches: CPU a message, counts at once / "
                      "every 5 s".format(count), "", ratio(cost[1000000], cost[1]), "x", None, **columns(cost[1000000]),
                      peer=cost[1], gathered_us=cost[1]["cpu"])


def bench_presence(rig):
    server = rig.start()
    run = rig.drive(server, "--profile", "presence", "--rooms", 5 if QUICK else 50, "--members", SOME, "--rounds", 3)
    rig.bench.row("presence", "one user's presence changes in 50 rooms of 1,000, nobody looking", "0 frames",
                  run["frames"], "frames", ("<=", 0))
    server.close()


def bench_mixed(rig):
    server = rig.start()
    runs = [rig.drive(server, "--profile", "mixed") for _ in range(1 if QUICK else 3)]
    rig.bench.row("mixed", "50 rooms of 20: typing, sends, reads, edits and reactions, answered", "",
                  median(runs)["rps"], "/s", None, **columns(median(runs)))
    server.close()


def bench_history(rig):
    """One run fills the room and finds out how fast pages are, the next are at half of that."""
    bench, server = rig.bench, rig.start()
    ceiling = Ceiling()
    bench.commands["ceiling"] = {"command": ceiling.command}
    load = ("--profile", "history", "--connections", 16, "--fill", PAGES)
    rate = max(1, int(rig.drive(server, *load)["requests_per_s"] / 2))
    bench.row("kept", "a message of 130 bytes in its room's log, of {:,}".format(PAGES), "",
              bytes_of(bench, "log") / PAGES, "bytes", None)
    contenders = {"chat": (server.port, worker_of(server), False), "ceiling": (ceiling.port, ceiling.pid, True)}
    figures = bench.alternate(contenders, *load, "--rate", rate,
                              only={"chat": ("--token-keys", rig.keys, "--room", room_of(bench))})
    ours, theirs = figures["chat"], figures["ceiling"]
    bench.row("history", "page of 50 out of {:,} messages, {:,}/s: p99 beyond the ceiling's".format(PAGES, rate),
              "<= 2000 µs", ours["p99"] - theirs["p99"], "µs", ("<=", 2000), **columns(ours), peer=theirs)
    ceiling.close()
    server.close()


def bench_idle(rig):
    """Each on a worker that has just started."""
    tls_port, tls = certificate(rig.bench.redis.dir)
    for name, what, count, options, bound in (("idle", "plain", MANY, (), 1536),
                                              ("idle-tls", "TLS", SEALED, ("--tls",), 17408)):
        server = rig.start("--ping", "10m", *(tls if options else ()))
        run = rig.drive(server, "--profile", "idle", "--members", count, *options,
                        port=tls_port if options else None)
        rig.bench.row(name, "idle authenticated member, {}, {:,} held: bytes of the worker".format(what, count),
                      "<= %d" % bound, run["idle_connection_bytes"], "bytes", ("<=", bound))
        server.close()


def bench_chat(bench):
    rig = Rig(bench)
    for part in (bench_idle, bench_rooms, bench_pairs, bench_storm, bench_lurkers, bench_crossover,
                 bench_presence, bench_mixed, bench_history):
        part(rig)
    bench.row("exact", "deliveries of all these runs that were lost, came twice or out of order", "0",
              sum(run["errors"].get(kind, 0) for run in bench.runs for kind in CORNERS), "", ("<=", 0))
