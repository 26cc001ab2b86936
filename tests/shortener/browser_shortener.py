"""browser_shortener.py - the page as a person uses it."""
import contextlib
import http.server
import json
import os
import sys
import threading
import time

import kit
from kit import Service, clicks_become, create, run, same
import tokens
from browser import PHONE, Browser, Keys


class Target(http.server.BaseHTTPRequestHandler):
    """What links lead to: says that one has arrived."""

    def do_GET(self):  # pylint: disable=invalid-name
        body = b"<!doctype html><title>there</title><link rel=icon href='data:,'><h1>Arrived</h1>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):  # pylint: disable=arguments-differ
        pass


def target():
    """The origin of a server that is not the shortener."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield "http://127.0.0.1:%d" % server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Page(Browser):
    """The shortener's page, looked at under the name that links carry."""

    def __init__(self, service):
        super().__init__()
        self.service = service
        self.origin = "http://localhost:%d" % service.port

    def home(self):
        self.open(self.origin + "/")
        self.wait(lambda: self.all("#links > li") or self.all("#none"), "the list")

    def row(self, code):
        def found():
            return [r for r in self.all("#links > li")
                    if self.all(".short", r)[0].text.endswith("/" + code)]
        return self.wait(found, "the row of " + code)[0]

    def make(self, url, **fields):
        """Make a link by the form; its code."""
        self.type("#make [name=url]", url)
        if fields and not self.all("#make details[open]"):
            self.click("#make summary")
        for name, value in fields.items():
            self.type("#make [name=%s]" % name, value)
        self.click("#make button.main")
        self.says("is ready")
        return self.one("#short-url").get_attribute("value").rsplit("/", 1)[1]

    def follow(self, code):
        self.open("%s/%s" % (self.origin, code))


def page(service):
    browser = Page(service)
    with contextlib.closing(browser):
        yield browser


def guarded(redis):
    """The page of a service that asks for a token, and a token."""
    keys = tokens.make_keys()
    path = os.path.join(redis.dir, "token.keys")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
        json.dump(keys, file)
    service = Service("shortener", "--single", "--token-keys", path, redis=redis)
    browser = Page(service)
    browser.token = tokens.mint(keys, {"sub": "ann", "scope": "links:read links:write",
                                       "exp": int(time.time()) + 600})
    try:
        yield browser
    finally:
        browser.close()
        service.close()


def test_page_makes_a_link_that_leads_there(page, target):
    page.home()
    code = page.make(target + "/a/./b/../c")
    same(page.one("#short-url").get_attribute("value"), "%s/%s" % (page.origin, code))
    same(page.one(".target", page.row(code)).text, target + "/a/c")
    page.click("#copy")
    page.says("Copied.")
    field = page.one("#filter [name=tag]")
    field.click()
    field.send_keys(Keys.CONTROL, "v")
    same(field.get_attribute("value"), "%s/%s" % (page.origin, code))
    page.check_quiet(page.origin)
    page.follow(code)
    same(page.url, target + "/a/c")
    same(page.one("h1").text, "Arrived")
    page.check_quiet(page.origin, target)


def test_page_takes_every_member(page, target):
    page.home()
    code = page.make(target, code="mine-1", title="My <b>title</b>", tags="news, autumn, ,news")
    same(code, "mine-1")
    row = page.row(code)
    same(page.one(".title", row).text, "My <b>title</b>")
    same([tag.text for tag in page.all(".tags button", row)], ["#news", "#autumn"])
    page.type("#make [name=url]", target)
    page.choose("#make [name=expires]", "3600")
    page.choose("#make [name=redirect]", "308")
    page.click("#make [name=forward_query]")
    page.click("#make button.main")
    page.wait(lambda: len(page.all("#links > li")) == 2, "the second link")
    facts = page.one(".facts").text
    assert "expires" in facts and "308" in facts and "query" in facts, facts


def test_page_shows_an_error_beside_its_field(page, target):
    page.home()
    page.type("#make [name=url]", "ftp://example.com/")
    page.click("#make button.main")
    field = page.one("#make [name=url][aria-invalid=true]")
    note = page.one("#make .error")
    assert "http" in note.text, note.text
    assert note.get_attribute("id") in field.get_attribute("aria-describedby")
    same(page.run("return document.activeElement.name"), "url")
    page.check_contrast()
    code = page.make(target, code="taken")
    same(page.all(".error"), [])
    page.type("#make [name=url]", target)
    page.type("#make [name=code]", code)
    page.click("#make button.main")
    page.says("had it in the last 30 days")


def test_preview_says_where_it_leads(page, target):
    made = create(page.service, target + "/x", title="A <title>")
    page.home()
    page.click(".preview", page.row(made["code"]))
    same(page.one("main.preview h1").text, "A <title>")
    assert target + "/x" in page.one("dl").text
    for dark in (False, True):
        page.scheme(dark)
        page.check_contrast()
    page.size(*PHONE)
    page.check_layout()
    page.check_tab_order()
    page.click("a.button")
    page.wait(lambda: page.url == target + "/x", "the target")
    page.check_quiet(page.origin, target)


def test_edit_is_followed_at_once(page, target):
    code = create(page.service, target + "/old", title="Old", tags=["a"])["code"]
    page.follow(code)
    same(page.url, target + "/old")
    page.home()
    row = page.row(code)
    page.click(".edit", row)
    page.type("[name=url]", target + "/new", row)
    page.type("[name=title]", "New", row)
    page.type("[name=tags]", "b, c", row)
    page.click("form button.main", row)
    page.says("Saved.")
    same(page.one(".title", row).text, "New")
    same([tag.text for tag in page.all(".tags button", row)], ["#b", "#c"])
    same(page.run("return document.activeElement.textContent"), "Edit")

    def leads_to_new():
        page.follow(code)
        return page.url == target + "/new"
    page.wait(leads_to_new, "the new target")


def test_edit_shows_an_error_and_keeps_the_link(page, target):
    code = create(page.service, target + "/old")["code"]
    page.home()
    row = page.row(code)
    page.click(".edit", row)
    page.type("[name=url]", "http://", row)
    page.click("form button.main", row)
    assert "no host" in page.one(".error", row).text
    page.click("[name=cancel]", row)
    same(page.one(".target", row).text, target + "/old")
    same(page.service.get("/v1/links/" + code).json["url"], target + "/old")


def test_delete_asks_first(page, target):
    code = create(page.service, target)["code"]
    page.home()
    page.click(".delete", page.row(code))
    page.check_contrast()
    page.click("#confirm [value=no]")
    same(page.service.get("/" + code).status, 302)
    page.click(".delete", page.row(code))
    page.click("#confirm [value=yes]")
    page.says("Deleted")
    same(page.all("#links > li"), [])
    same(page.service.get("/" + code).status, 410)
    page.follow(code)
    assert "deleted" in page.one("main.problem").text
    for dark in (False, True):
        page.scheme(dark)
        page.check_contrast()
    page.size(*PHONE)
    page.check_layout()


def test_expiry_ends_a_link(page, target):
    code = create(page.service, target, ttl=1)["code"]

    def is_over():
        page.follow(code)
        return page.all("main.problem")
    page.wait(is_over, "the end of the link")
    assert "expired" in page.one("main.problem").text
    page.home()
    row = page.row(code)
    assert "expired" in page.one(".facts", row).text
    page.click(".edit", row)
    page.choose("[name=expires]", "", row)
    page.click("form button.main", row)
    page.says("Saved.")
    page.follow(code)
    same(page.url.rstrip("/"), target)


def test_stats_show_clicks_and_bots(page, target):
    code = create(page.service, target)["code"]
    for _ in range(3):
        page.service.get("/" + code, {"User-Agent": kit.BROWSER})
    page.service.get("/" + code, {"User-Agent": "Twitterbot/1.0"})
    clicks_become(page.service, code, 3, 1)
    page.home()
    row = page.row(code)
    page.click(".stats", row)
    page.wait(lambda: page.one(".total", row).text == "3", "the total")
    same((page.one(".unique", row).text, page.one(".bots", row).text), ("1", "1"))
    same(len(page.all("rect.first", row)), 1)
    assert "60 bars" in page.one("svg", row).get_attribute("aria-label")
    page.choose("[name=unit]", "day", row)
    page.wait(lambda: "30 bars" in page.one("svg", row).get_attribute("aria-label"), "days")
    page.check_quiet(page.origin)


def test_list_is_filtered_and_paged(page, target):
    for i in range(45):
        create(page.service, target, code="link-%02d" % i, tags=["even" if i % 2 == 0 else "odd"])
    page.home()
    same(len(page.all("#links > li")), 20)
    for count in (40, 45):
        page.click("#more")
        page.wait(lambda: len(page.all("#links > li")) == count, "%d links" % count)  # noqa: B023
    same(page.all("#more"), [])
    codes = [link.text.rsplit("/", 1)[1] for link in page.all("#links .short")]
    same(codes, ["link-%02d" % i for i in reversed(range(45))])
    page.click(".tags button", page.row("link-43"))
    page.wait(lambda: len(page.all("#links > li")) == 20 and
              page.all("#links .short")[1].text.endswith("link-41"), "the odd ones")
    page.type("#filter [name=tag]", "none")
    page.click("#filter button")
    page.wait(lambda: "No link has the tag" in page.one("#none").text, "that there is none")
    page.click("#filter [name=all]")
    page.row("link-44")


def test_page_keeps_the_rules_of_all_pages(page, target):
    create(page.service, target + "/" + "long" * 200, title="T" * 256, code="c" * 64,
           tags=["t" * 64, "u"])
    create(page.service, target, ttl=60)
    page.home()
    page.click("#make summary")
    page.choose("#make [name=expires]", "at")
    rows = page.all("#links > li")
    page.click(".edit", rows[0])
    page.click(".stats", rows[1])
    page.wait(lambda: page.one(".total", rows[1]).text == "0", "the numbers")
    page.check_looks((1000, 800), PHONE)
    page.check_tab_order()
    page.check_quiet(page.origin)


def test_page_uses_a_token_where_one_is_needed(guarded):
    guarded.open(guarded.origin + "/")
    guarded.says("token")
    same(guarded.run("return document.activeElement.name"), "token")
    guarded.type("#token [name=token]", guarded.token)
    guarded.click("#token button")
    guarded.wait(lambda: guarded.all("#none"), "the empty list")
    guarded.make("example.com")
    guarded.home()
    same(guarded.one(".target").text, "https://example.com/")
    guarded.click("#token [name=forget]")
    guarded.says("token")
    same(guarded.all("#links > li"), [])


if __name__ == "__main__":
    run(sys.modules[__name__], redis=kit.redis, service=kit.service, target=target, page=page,
        guarded=guarded)
