"""notifier_rows.py - what notifier/README.md says, measured."""
import os
import re
import shutil
import statistics
import subprocess

from kit import QUICK, RUNS, Bare, Nginx, columns, free_port, median, on_core, ratio, worker_of

MANY = 500 if QUICK else 15000
SOME = 200 if QUICK else 1000
SEALED = 200 if QUICK else 5000  # over TLS
SIZE = 130  # bytes of a message


def nchan():
    module = "/usr/lib/nginx/modules/ngx_nchan_module.so"
    if not shutil.which("nginx") or not os.path.exists(module):
        return None
    return Nginx("""
        location = /pub { nchan_publisher; nchan_channel_id $arg_topic;
            nchan_message_buffer_length 1000; nchan_message_timeout 1d; }
        location = /sub { nchan_subscriber eventsource; nchan_channel_id $arg_topic;
            nchan_subscriber_first_message newest; }
    """, "load_module %s;" % module, "nchan_max_reserved_memory 512M;")


def contend(bench, server):
    """{name: (port, pid, peer)} and what to close; each peer's options are in FACES."""
    bare, nginx = Bare("notifier"), nchan()
    contenders = {"notifier": (server.port, worker_of(server), False), "bare": (bare.port, bare.pid, False)}
    bench.commands["bare"] = {"command": bare.command}
    if nginx:
        contenders["nchan"] = (nginx.port, nginx.pid, False)
        bench.commands["nchan"] = {"command": nginx.command, "configuration": nginx.configuration}
    return contenders, [peer for peer in (bare, nginx) if peer]


FACES = {"nchan": ("--face", "nchan")}


def bench_fanout(bench):
    server = bench.start()
    contenders, peers = contend(bench, server)
    load = ("--profile", "fanout", "--subscribers", MANY, "--size", SIZE)
    one = bench.alternate(contenders, *load, only=FACES, turns=2 * RUNS - 1)
    many = bench.alternate(contenders, *load, "--burst", 16, only=FACES)
    what = "{:,} subscribers of a topic, {} bytes".format(MANY, SIZE)
    bench.row("fanout", what + ": CPU a delivery / a bare loop of write", "<= 1.10",
              ratio(one["notifier"], one["bare"]), "x", ("<=", 1.1), **columns(one["notifier"]), peer=one["bare"])
    bench.row("nchan", "the same: CPU a delivery / nchan", "<= 0.80", ratio(one["notifier"], one.get("nchan")), "x",
              ("<=", 0.8), **columns(one["notifier"]), peer=one.get("nchan"))
    bench.row("gathered", "the same, 16 messages a turn: CPU a delivery / the bare loop", "<= 0.20",
              ratio(many["notifier"], many["bare"]), "x", ("<=", 0.2), **columns(many["notifier"]),
              peer=many["bare"])
    bench.row("gathered-nchan", "the same: CPU a delivery / nchan", "", ratio(many["notifier"], many.get("nchan")), "x",
              None, **columns(many["notifier"]), peer=many.get("nchan"))
    for peer in peers:
        peer.close()
    server.close()


def xadd_per_second(bench):
    count = 20000 if QUICK else 200000
    command = ["redis-benchmark", "-s", bench.redis.socket, "-c", "64", "-r", "1000", "-n", str(count), "--csv",
               "XADD", "s:__rand_int__", "MAXLEN", "~", "1000", "*", "d", "x" * SIZE]
    text = subprocess.run(on_core(1, command), capture_output=True, text=True, check=True).stdout
    bench.commands["redis-benchmark"] = {"command": command}
    return float(re.findall(r'^"XADD[^"]*","([0-9.]+)"', text, re.M)[0])


def bench_publish(bench):
    server = bench.start()
    ours, theirs = [], []
    for _ in range(RUNS):
        ours.append(bench.drive("notifier", server.port, worker_of(server), "--profile", "topics",
                                "--subscribers", SOME, "--size", SIZE))
        theirs.append(xadd_per_second(bench))
    mine = median(ours)
    bench.row("publish", "publications/s, {:,} topics of one subscriber / redis-benchmark XADD -c 64".format(SOME),
              ">= 0.35", mine["rps"] / statistics.median(theirs), "x", (">=", 0.35), **columns(mine),
              peer={"rps": statistics.median(theirs)})
    server.close()


def bench_storm(bench):
    server = bench.start()
    runs = [bench.drive("notifier", server.port, worker_of(server), "--profile", "storm", "--subscribers", MANY,
                        "--missed", 10, "--size", SIZE) for _ in range(RUNS)]
    bench.row("storm", "{:,} come back at once, 10 messages missed each".format(MANY), "< 10 s",
              max(run["seconds"] for run in runs), "s", ("<=", 9.99), **columns(median(runs)))
    server.close()


def bench_slow(bench):
    """Windows by turns, with it and without."""
    server = bench.start()
    ours = (server.port, worker_of(server), False)
    load = ("--subscribers", SOME // 2, "--rate", 20, "--size", 4000)
    figures = bench.alternate({"beside": ours, "alone": ours}, *load,
                              only={"beside": ("--profile", "slow"), "alone": ("--profile", "fanout")})
    bench.row("slow", "p99 beside one that never reads, beyond p99 alone", "<= 2000 µs",
              figures["beside"]["p99"] - figures["alone"]["p99"], "µs", ("<=", 2000), **columns(figures["beside"]),
              peer=figures["alone"])
    server.close()
    grown = []
    for profile in ("slow", "fanout"):
        server = bench.start()
        grown.append(bench.drive("notifier, " + profile, server.port, worker_of(server), "--profile", profile,
                                 "--subscribers", 20, "--rate", 200, "--size", 8000, "--slow-for", "0s")["grown_bytes"])
        server.close()
    bench.row("held", "what it makes the worker hold, beyond what others do", "<= 512 KiB",
              (grown[0] - grown[1]) / 1024, "KiB", ("<=", 512))


def bench_resume(bench):
    server = bench.start()
    ours = (server.port, worker_of(server), False)
    load = ("--subscribers", SOME, "--rate", 50, "--size", SIZE)
    figures = bench.alternate({"resuming": ours, "steady": ours}, *load,
                              only={"resuming": ("--profile", "resume", "--resume-rate", 200),
                                    "steady": ("--profile", "fanout")})
    bench.row("resume", "p99 while 200 subscribers a second resume, 10 messages each, beyond p99 while none does", "",
              figures["resuming"]["p99"] - figures["steady"]["p99"], "µs", None, **columns(figures["resuming"]),
              peer=figures["steady"])
    server.close()


def certificate(folder):
    """Options of a server with a certificate of its own, and its port."""
    port, cert, key = free_port(), os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "30", "-subj", "/CN=localhost", "-keyout", key, "-out", cert], check=True,
                   capture_output=True)
    os.chmod(key, 0o600)
    return port, ("--tls-port", str(port), "--tls-cert", cert, "--tls-key", key)


def bench_idle(bench):
    """Each on a worker that has just started."""
    tls_port, tls = certificate(bench.redis.dir)
    for name, what, count, options, bound in (
            ("idle", "event stream", MANY, (), 1024), ("idle-ws", "WebSocket", MANY, ("--websocket",), 1024),
            ("idle-tls", "event stream over TLS", SEALED, ("--tls",), 16384),
            ("idle-wss", "WebSocket over TLS", SEALED, ("--tls", "--websocket"), 16384)):
        server = bench.start("--ping", "10m", *(tls if "--tls" in options else ()))
        result = bench.drive("notifier, " + name, tls_port if "--tls" in options else server.port, worker_of(server),
                             "--profile", "idle", "--subscribers", count, *options)
        bench.row(name, "idle %s, %d held: bytes of the worker" % (what, count), "<= %d" % bound,
                  result["idle_connection_bytes"], "bytes", ("<=", bound))
        server.close()
    nginx = nchan()
    if nginx:
        theirs = bench.drive("nchan", nginx.port, nginx.pid, "--profile", "idle", "--subscribers", MANY, *FACES["nchan"])
        bench.row("idle-nchan", "idle event stream of nchan", "", theirs["idle_connection_bytes"], "bytes", None)
        nginx.close()


def bench_notifier(bench):
    bench_fanout(bench)
    bench_publish(bench)
    bench_storm(bench)
    bench_slow(bench)
    bench_resume(bench)
    bench_idle(bench)
    bench.row("exact", "deliveries of all these runs that were lost, came twice or out of order", "0",
              sum(run["errors"][kind] for run in bench.runs for kind in ("lost", "twice", "disorder")), "",
              ("<=", 0))
