"""browser_ratelimit.py - the page as a person uses it."""
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
import tokens  # noqa: E402
from browser import PHONE, Browser  # noqa: E402
from lab import Redis, Service, eventually, run, same  # noqa: E402

ALGORITHMS = ["token_bucket", "gcra", "fixed_window", "sliding_window", "sliding_log"]
POLICIES = ["open", "closed", "local"]


def start(redis, *options):
    return Service("ratelimit", "--single", "--resp-port", "0", *options, redis=redis)


class Page(Browser):
    """The rate limiter's page."""

    def __init__(self, service):
        super().__init__()
        self.service = service
        self.origin = "http://localhost:%d" % service.port

    def home(self):
        """Open it; its own limits are made then."""
        self.open(self.origin + "/")
        self.wait(lambda: self.run("return document.querySelector('#numbers [name=per]').dataset.used"),
                  "the page's limits")

    def click(self, selector, within=None):
        """As a person does, who first has it out from under the arrivals."""
        self.run("arguments[0].scrollIntoView({block: 'center'})", self.one(selector, within))
        super().click(selector, within)

    def define(self, name="demo", **fields):
        self.type("#define [name=name]", name)
        for field, value in fields.items():
            if self.one("#define [name=%s]" % field).tag_name == "select":
                self.choose("#define [name=%s]" % field, value)
            else:
                self.type("#define [name=%s]" % field, value)
        self.click("#define button.main")

    def drag(self, rate):
        self.run("const r = document.getElementById('rate'); r.value = arguments[0];"
                 "r.dispatchEvent(new Event('input', {bubbles: true}))", rate)

    def facts(self, section):
        """{name: (passed, denied, degraded)} of a list of plots."""
        found = {}
        for row in self.all("#%s > li" % section):
            text = self.one(".facts", row).text
            numbers = [int(n.replace(",", "")) for n in re.findall(r"([\d,]+) (?:passed|denied)", text)]
            found[self.one("h3", row).text] = (*numbers, "degraded" in text)
        return found

    def figure(self, name):
        text = self.one("#mine ." + name).text
        return int(text.replace(",", "")) if text != "–" else 0

    def batches(self):
        """[(start, end, items)] of the checks sent until now, in order."""
        sent = {}
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            params = message["params"]
            if message["method"] == "Network.requestWillBeSent":
                if params["request"]["url"].endswith("/v1/check:batch"):
                    items = json.loads(params["request"]["postData"])["items"]
                    sent[params["requestId"]] = [params["timestamp"], None, items]
            elif message["method"] == "Network.loadingFinished" and params["requestId"] in sent:
                sent[params["requestId"]][1] = params["timestamp"]
        return list(sent.values())


def opened(service):
    browser = Page(service)
    try:
        yield browser
    except BaseException:
        print(service.log()[-3000:])
        service.abandon()
        raise
    finally:
        browser.close()
    if service.process.poll() is None:
        service.close()


def redis():
    server = Redis()
    yield server
    server.close()


def page(redis):  # pylint: disable=redefined-outer-name
    yield from opened(start(redis, "--open", "--lab"))


def plain(redis):  # pylint: disable=redefined-outer-name
    """The page of a service that does not stand in the lab."""
    yield from opened(start(redis, "--open"))


def guarded(redis):  # pylint: disable=redefined-outer-name
    """The page of a service that asks for a token, and a token."""
    keys = tokens.make_keys()
    path = os.path.join(redis.dir, "token.keys")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
        json.dump(keys, file)
    for browser in opened(start(redis, "--token-keys", path)):
        browser.token = tokens.mint(keys, {"sub": "ann", "scope": "limits:write limits:check",
                                           "exp": int(time.time()) + 600})
        yield browser


def limit_names(service):
    return [limit["name"] for limit in service.get("/v1/limits").json["items"]]


def test_page_defines_and_deletes_a_limit(page):
    page.home()
    page.define("api.v1", algorithm="gcra", rate="7", per="250ms", burst="9", mode="leased",
                on_redis_failure="closed")
    page.says("api.v1 is defined")
    limit = page.service.get("/v1/limits/api.v1").json
    same({k: limit[k] for k in ("algorithm", "rate", "per", "burst", "mode", "on_redis_failure")},
         {"algorithm": "gcra", "rate": 7, "per": "250ms", "burst": 9, "mode": "leased",
          "on_redis_failure": "closed"})
    page.define("api.v1", algorithm="fixed_window", mode="strict")
    page.wait(lambda: page.service.get("/v1/limits/api.v1").json["algorithm"] == "fixed_window",
              "the change")
    same(page.all("#define [name=burst]"), [])
    page.click("#define [name=remove]")
    page.says("api.v1 is deleted")
    same(page.service.get("/v1/limits/api.v1").status, 404)
    page.check_quiet(page.origin)


def test_page_shows_an_error_beside_its_field(page):
    page.home()
    for field, wrong, words in (("name", "a b", "letters"), ("name", "", "missing"),
                                ("rate", "many", "integer"), ("rate", "", "missing"),
                                ("per", "1 fortnight", "ms"), ("burst", "0", "")):
        page.define(**({"rate": "5", "per": "1s", "burst": "5"} | {field: wrong}))
        marked = page.one("#define [name=%s][aria-invalid=true]" % field)
        note = page.one("#define .error")
        assert words in note.text, note.text
        assert note.get_attribute("id") in marked.get_attribute("aria-describedby")
        same(page.run("return document.activeElement.name"), field)
    page.check_contrast()
    page.type("#numbers [name=rate]", "101")
    page.click("#numbers button:not(.main)")
    assert "1 to 100" in page.one("#numbers .error").text


def test_arrivals_are_admitted_as_the_limit_says(page):
    page.home()
    page.define(rate="20", per="1s", burst="20")
    page.says("is defined")
    page.drag(10)
    page.wait(lambda: page.figure("admitted") >= 8, "calls that pass")
    same(page.figure("denied"), 0)
    page.drag(100)
    page.wait(lambda: page.figure("denied") > 60 and page.figure("left") < 5, "calls that are denied")
    page.wait(lambda: 10 <= page.figure("admitted") <= 30, "the rate")
    for part in ("left", "first", "denied"):
        assert page.run("return document.querySelector('#mine path.%s').getAttribute('d')" % part), part
    page.drag(0)
    page.wait(lambda: page.figure("left") == 20, "the tokens to come back")
    page.check_quiet(page.origin)


def test_a_batch_is_sent_when_the_last_one_is_answered(page):
    page.home()
    page.define(rate="50")
    page.says("is defined")
    page.batches()
    page.drag(200)
    page.wait(lambda: page.figure("admitted") + page.figure("denied") > 150, "calls")
    batches = page.batches()
    for (_, end, _), (begin, _, _) in zip(batches, batches[1:]):
        assert end is not None and end <= begin, "two at a time"
    busy = [items for _, _, items in batches if len(items) > 9]
    for items in busy:  # the same arrivals for each of nine limits
        limits = [check["limit"] for item in items for check in item["checks"]]
        same({limits.count(name) for name in limits}, {len(items) // 9})
        same(len(set(limits)), 9)
    assert len(busy) >= 5 and len(batches) <= 200, (len(busy), len(batches))


def test_burst_at_the_edge_passes_twice_in_a_fixed_window(page):
    page.home()
    page.drag(30)
    page.click("#numbers [name=burst]")
    text = page.one("#edge").text
    passed = {name: int(re.search(r"\b%s (\d+)" % name, text)[1]) for name in ALGORITHMS}
    same(passed["fixed_window"], 40)
    same(passed["sliding_log"], 20)
    for name in ("token_bucket", "gcra", "sliding_window"):
        assert 20 <= passed[name] <= 30, text
    assert page.run("return document.querySelector('#algorithms path.edges').getAttribute('d')")
    page.type("#numbers [name=rate]", "5")
    page.choose("#numbers [name=per]", "1s")
    page.click("#numbers button:not(.main)")
    page.says("5 per 1s")
    page.click("#numbers [name=burst]")
    page.wait(lambda: "fixed_window 10" in page.one("#edge").text, "the other numbers")


def test_policies_answer_while_redis_is_cut_off(page):
    page.home()
    page.define()
    page.says("is defined")
    page.drag(60)
    page.wait(lambda: all(denied for _, denied, _ in page.facts("policies").values()), "denials")
    page.click("#cut")
    page.says("Redis is cut off")
    page.wait(lambda: all(fact[2] for fact in page.facts("policies").values()), "degraded answers")
    before = page.facts("policies")

    def grown():
        after = page.facts("policies")
        if sum(after["open"][:2]) - sum(before["open"][:2]) < 100:
            return None
        return {name: [after[name][i] - before[name][i] for i in (0, 1)] for name in POLICIES}
    more = page.wait(grown, "a hundred calls")
    same((more["open"][1], more["closed"][0]), (0, 0))
    assert 0 < more["local"][0] < 60 and more["local"][1] > 20, more
    page.click("#numbers [name=burst]")
    page.says("Redis is away")
    page.click("#cut")
    page.says("Redis is back")
    page.wait(lambda: not any(fact[2] for fact in page.facts("policies").values()), "answers by Redis")
    page.check_quiet(page.origin)


def test_only_the_lab_can_be_cut_off(plain):
    plain.home()
    same(plain.all("#away, #cut"), [])
    same(sorted(name.split("-")[1] for name in limit_names(plain.service)), sorted(ALGORITHMS))


def test_the_pages_limits_go_with_it(page):
    page.home()
    same(sorted(name.split("-")[1] for name in limit_names(page.service)), sorted(ALGORITHMS + POLICIES))
    page.define("mine")
    page.says("is defined")
    page.click("#cut")
    page.says("Redis is cut off")
    page.open("about:blank")
    eventually(lambda: page.service.get("/readyz").status == 200, "Redis given back")
    eventually(lambda: limit_names(page.service) == ["mine"], "the end of the page's limits")


def test_page_says_when_nothing_answers(page):
    page.home()
    page.service.close()
    page.drag(20)
    page.says("does not answer")
    page.wait(lambda: "none" in page.one("#rate-said").text, "the end of arrivals")


def test_page_keeps_the_rules_of_all_pages(page):
    page.home()
    page.define("n" * 64)
    page.says("is defined")
    page.drag(120)
    page.click("#numbers [name=burst]")
    page.one("#edge")
    page.check_looks((1280, 900), PHONE)
    page.check_tab_order()
    page.check_quiet(page.origin)


def test_page_uses_a_token_where_one_is_needed(guarded):
    guarded.open(guarded.origin + "/")
    guarded.says("token")
    same(guarded.run("return document.activeElement.name"), "token")
    guarded.type("#token [name=token]", guarded.token)
    guarded.click("#token button")
    guarded.wait(lambda: guarded.run("return document.querySelector('#numbers [name=per]').dataset.used"),
                 "the page's limits")
    guarded.drag(30)
    guarded.wait(lambda: guarded.facts("algorithms")["gcra"][0] > 5, "calls that pass")
    guarded.click("#token [name=forget]")
    guarded.says("token")


if __name__ == "__main__":
    run(sys.modules[__name__], redis=redis, page=page, plain=plain, guarded=guarded)
