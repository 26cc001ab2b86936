"""demo.py URL REDIS - a tour of the shortener with real requests."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
import tour  # noqa: E402
from tour import URL, call  # noqa: E402

def step(text, *args, **more):
    return tour.step(text, "sh", *args, **more)


def main():
    _, link = step("A link. The code is an id from a leased block, permuted: the next one says nothing of "
                   "this one.", "POST", "/v1/links", {"url": "https://EXAMPLE.com:443/a/../page", "tags": ["demo"]})
    code = link["code"]
    step("A click. The first one reads Redis, the next ones do not; the count is written 200 ms later.",
         "GET", "/" + code)
    for _ in range(99):
        call("GET", "/" + code, show=False)
    step("A hundred clicks so far, one of them a machine's.", "GET", "/" + code,
         headers={"User-Agent": "Slackbot-LinkExpanding 1.0"})
    step("What was counted.", "GET", "/v1/links/%s/stats?unit=minute&units=2" % code)
    step("An edit: every worker hears of it and forgets the code.", "PATCH", "/v1/links/" + code,
         {"url": "https://example.com/elsewhere"})
    step("The same short link leads there now.", "GET", "/" + code)
    key = {"Idempotency-Key": "demo-%d" % time.time()}
    step("A create that may be sent again.", "POST", "/v1/links", {"url": "https://example.com/once"}, key)
    step("Sent again: the first answer, and no second link.", "POST", "/v1/links",
         {"url": "https://example.com/once"}, key)
    step("A mistake is named.", "POST", "/v1/links", {"url": "ftp://example.com/", "ttl": -1})
    step("A deletion leaves a tombstone: nobody gets this code for 30 days.", "DELETE", "/v1/links/" + code)
    step("Gone, and said so.", "GET", "/" + code)
    print("\nThe page: %s/   its API: %s/openapi.yaml   its metrics: %s/metrics" % (URL, URL, URL))


main()
