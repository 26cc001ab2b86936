"""service_load.py - the load test: what it sends, counts and says."""
import json
import os
import subprocess

from kit import BUILD, DEADLINE, create, free_port, main, redis, same, service

LOAD = os.path.join(BUILD, "shortener", "shortener-load")


def drive(port, *options, status=0):
    """The reports of one call, and what it said."""
    done = subprocess.run([LOAD, "--url", "http://127.0.0.1:%d" % port, "--json", "/dev/stdout",
                           "--warmup", "50ms", *[str(o) for o in options]],
                          capture_output=True, text=True, timeout=2 * DEADLINE, check=False)
    same(done.returncode, status, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_each_profile_is_answered_as_it_asks(service):
    for profile in ("hot", "cold", "popular", "create", "mixed"):
        (report,), _ = drive(service.port, "--profile", profile, "--units", 50, "--requests", 500,
                             "--connections", 8, "--duration", "20s", "--warmup", "0s")
        same((report["profile"], report["model"], report["requests"]), (profile, "closed", 500))
        same(sum(report["errors"].values()), 0, report)
        latency = report["latency_us"]
        assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["p999"] <= latency["max"], report
        assert report["requests_per_s"] > 0 and report["own_cpu_us"] > 0, report


def test_open_model_keeps_its_rate(service):
    (report,), _ = drive(service.port, "--profile", "hot", "--rate", 200, "--duration", "2s", "--connections", 8)
    same(report["model"], "open")
    same(report["requests"] <= 402, True, report)
    same(sum(report["errors"].values()), 0, report)


def test_wrong_answers_are_errors(service):
    create(service, code="l000000", redirect=301)
    (report,), said = drive(service.port, "--profile", "hot", "--requests", 20, "--duration", "20s",
                            "--warmup", "0s", status=1)
    same((report["errors"]["wrong"], report["wrong_status"]), (20, 301))
    assert "errors" in said


def test_nobody_there_is_said_so():
    _, said = drive(free_port(), "--profile", "hot", "--duration", "100ms", status=1)
    assert "refused" in said, said


def test_bad_options_are_refused():
    for options in (("--profile", "none"), ("--connections", "0"), ("--workers-scan", "0"), ("--rate", "x")):
        done = subprocess.run([LOAD, *options], capture_output=True, text=True, timeout=DEADLINE, check=False)
        assert done.returncode in (1, 2) and done.stderr, options


def test_knee_is_the_last_rate_that_kept_the_objective(service):
    (report,), said = drive(service.port, "--profile", "hot", "--find-knee", "--rate", 100, "--objective", "1ms",
                            "--duration", "100ms")
    knee = int(said.split("knee: ")[1].split("/s")[0])
    same(report["rate"], max(knee, 1))


def test_workers_scan_starts_the_service_with_each_count(redis):
    reports, said = drive(free_port(), "--profile", "hot", "--workers-scan", "1,2", "--redis", redis.url,
                          "--duration", "200ms")
    same([report["workers"] for report in reports], [1, 2])
    same([sum(report["errors"].values()) for report in reports], [0, 0])
    same(reports[-1]["inconclusive"], os.cpu_count() <= 2)
    assert "2 workers" in said, said


main(__name__)
