"""demo.py URL REDIS - a tour of the rate limiter with real requests."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
import tour  # noqa: E402
from tour import URL, call  # noqa: E402

KEY = "demo-%d" % time.time()


def step(text, *args, **more):
    return tour.step(text, "rl", *args, **more)


def check(*limits, cost=1):
    return {"checks": [{"limit": name, "key": KEY, "cost": cost} for name in limits]}


def main():
    step("A limit: five at once, then one a second.", "PUT", "/v1/limits/demo-bucket",
         {"rate": 1, "per": "1s", "burst": 5})
    step("A check takes a token: one script, on Redis's clock. The state is one string that expires when the bucket "
         "would be full.", "POST", "/v1/check", check("demo-bucket"))
    step("Cost 0 looks and takes nothing.", "POST", "/v1/check", check("demo-bucket", cost=0))
    for _ in range(4):
        call("POST", "/v1/check", check("demo-bucket"), show=False)
    step("Five are gone: denied, and when to come back. The worker remembers that and need not ask Redis again.",
         "POST", "/v1/check", check("demo-bucket"))
    step("A refund ends the denial in every worker.", "POST", "/v1/refund", {"limit": "demo-bucket", "key": KEY, "cost": 1, "id": KEY})
    step("It passes at once.", "POST", "/v1/check", check("demo-bucket"))
    call("PUT", "/v1/limits/demo-day", {"rate": 100, "per": "1d", "algorithm": "fixed_window"}, show=False)
    step("Two limits in one call: both pass, or none is charged. The day's is untouched.", "POST", "/v1/check",
         check("demo-bucket", "demo-day"))
    step("A limit of how many at a time.", "PUT", "/v1/limits/demo-slots", {"algorithm": "concurrency", "rate": 1})
    step("A slot, held until it is released, or for its time to live.", "POST", "/v1/acquire",
         {"limit": "demo-slots", "key": KEY, "ttl_ms": 10000})
    step("The next one waits.", "POST", "/v1/acquire", {"limit": "demo-slots", "key": KEY, "ttl_ms": 10000})
    step("A mistake is named.", "POST", "/v1/check", check("demo-bucket", cost=6))
    for name in ("demo-bucket", "demo-day", "demo-slots"):
        call("DELETE", "/v1/limits/" + name, show=False)
    print("\nThe page: %s/   its API: %s/openapi.yaml   its metrics: %s/metrics" % (URL, URL, URL))


main()
