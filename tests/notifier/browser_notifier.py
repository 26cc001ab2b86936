"""browser_notifier.py - the page as a person uses it."""
import contextlib
import http.server
import json
import os
import sys
import threading
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
from browser import PHONE, Browser  # noqa: E402
import tokens  # noqa: E402
from lab import Redis, Service, directory, request, run, same, write_file  # noqa: E402

KEYS = tokens.make_keys()


def start(redis, *options):
    return Service("notifier", "--single", *options, redis=redis)


class Page(Browser):
    """The notifier's page."""

    def __init__(self, service):
        super().__init__()
        self.service = service
        self.origin = "http://localhost:%d" % service.port

    def home(self):
        self.open(self.origin + "/")
        self.wait(lambda: self.one("#link").text == "connected", "the connection")

    def figure(self, name):
        return int(self.one("#" + name).text.replace(",", "") or 0)

    def click(self, selector, within=None):
        self.run("arguments[0].scrollIntoView({block: 'center'})", self.one(selector, within))
        super().click(selector, within)

    def publish(self, topic, data, count=1):
        self.type("#publish [name=topic]", topic)
        self.type("#publish [name=data]", data)
        self.type("#publish [name=count]", str(count))
        self.click("#publish button.main")
        self.wait(lambda: self.one("#status").text.startswith("Published %d" % count), "what is published")

    def facts(self):
        return {self.one("h3", row).text: self.one(".facts", row).text for row in self.all("#subscribers > li")}


def page(service):
    browser = Page(service)
    yield browser
    browser.close()


def service(redis):
    server = start(redis, "--open")
    yield server
    server.close()


def redis():
    server = Redis()
    yield server
    server.close()


def test_subscribers_get_what_is_published(page):
    page.home()
    page.publish("orders/1", "sent", 3)
    page.publish("other", "x")
    page.wait(lambda: page.figure("live") >= 4, "the updates")
    same(page.facts(), {"orders/1": "3 live, 0 caught up with, 0 gaps", "*": "4 live, 0 caught up with, 0 gaps"})
    page.type("#subscribe [name=topic]", "orders/{id}")
    page.click("#subscribe button")
    page.wait(lambda: len(page.facts()) == 3, "a third subscriber")
    page.publish("orders/7", "new")
    page.wait(lambda: page.facts()["orders/{id}"].startswith("1 live"), "its update")
    same(page.one("#present").text, "1")


def test_what_is_published_while_it_is_cut_comes_when_it_is_back(page):
    page.home()
    page.publish("orders/1", "before")
    page.wait(lambda: page.figure("live") >= 1, "an update")
    page.click("#cut")
    page.wait(lambda: page.one("#link").text == "cut", "the cut")
    page.publish("orders/1", "missed", 20)
    same(page.figure("replayed"), 0)
    page.click("#cut")
    page.wait(lambda: page.one("#link").text == "connected", "the connection")
    page.wait(lambda: page.figure("replayed") == 20, "what was missed")
    same((page.facts()["orders/1"], page.figure("gaps")), ("1 live, 20 caught up with, 0 gaps", 0))


def test_page_comes_back_when_the_service_does(redis):
    first = start(redis, "--open")
    browser = Page(first)
    try:
        browser.home()
        browser.publish("orders/1", "1")
        browser.wait(lambda: browser.figure("live") >= 1, "an update")
        first.close()
        browser.wait(lambda: "coming back" in browser.one("#link").text, "the loss")
        second = Service("notifier", "--single", "--open", redis=redis, port=first.port)
        browser.wait(lambda: browser.one("#link").text == "connected", "the connection")
        browser.publish("orders/1", "2")
        browser.wait(lambda: browser.facts()["orders/1"].startswith("2 live"), "the next update")
        same(browser.figure("gaps"), 0)
    finally:
        browser.close()
    second.close()


LISTEN = """
window.seen = []; window.other = [];
window.source = new EventSource("/.well-known/mercure?topic=numbers&topic=quiet");
window.source.onmessage = event => window.seen.push(event.data);
window.source.addEventListener("notifier.gap", event => window.other.push(event.data));
return true;
"""


class Numbers(threading.Thread):
    """Publishes 0, 1, … while it can; what is not answered is sent again by its id."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.count, self.ending = port, 0, False

    def run(self):
        while not self.ending:
            body = ("topic=numbers&data=%d&id=n%d" % (self.count, self.count)).encode()
            with contextlib.suppress(OSError, EOFError):
                answer = request(self.port, "POST", "/.well-known/mercure", body,
                                 {"Content-Type": "application/x-www-form-urlencoded"})
                self.count += answer.status == 200

    def end(self):
        self.ending = True
        self.join()


def test_eventsource_goes_on_over_restarts_without_a_gap_or_a_duplicate(redis, directory):
    topics = write_file(directory, "topics.json", '[{"pattern": "numbers", "mode": "log", "max_count": 100000}]')
    options = ("--workers", "2", "--open", "--retry", "100ms", "--topics", topics)
    first = Service("notifier", *options, redis=redis)
    browser = Page(first)
    numbers = Numbers(first.port)
    try:
        browser.home()
        browser.run(LISTEN)
        browser.wait(lambda: browser.run("return window.source.readyState") == 1, "the stream")
        numbers.start()
        browser.wait(lambda: browser.run("return window.seen.length") > 50, "numbers")
        for _ in range(2):
            first.kill_worker()  # the oldest, and then the other one
            browser.wait(lambda: len(first.workers()) == 2, "the worker's successor")
        before = browser.run("return window.seen.length")
        browser.wait(lambda: browser.run("return window.seen.length") > before + 50, "numbers after a kill")
        first.close()
        second = Service("notifier", *options, redis=redis, port=first.port)
        before = browser.run("return window.seen.length")
        browser.wait(lambda: browser.run("return window.seen.length") > before + 50, "numbers after a restart")
        numbers.end()
        browser.wait(lambda: browser.run("return window.seen.at(-1)") == str(numbers.count - 1), "all of them")
        same(browser.run("return window.other"), [])
        seen = [int(n) for n in browser.run("return window.seen")]
        same([(a, b) for a, b in zip(seen, seen[1:]) if b != a + 1], [])
    finally:
        numbers.end()
        browser.close()
    second.close()


FOLLOW = """
document.cookie = "mercureAuthorization=" + arguments[1];
window.seen = []; window.refused = 0;
const url = arguments[0] + "/.well-known/mercure?topic=orders/{id}";
window.source = new EventSource(url, {withCredentials: true});
window.source.onmessage = event => window.seen.push(event.data);
const stranger = new EventSource(url);
stranger.onerror = () => window.refused += stranger.readyState === EventSource.CLOSED;
"""


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """A site with pages of its own."""

    def do_GET(self):  # pylint: disable=invalid-name
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><link rel=icon href=data:><p>elsewhere")

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


def publish(service, **fields):
    body = urllib.parse.urlencode({"topic": "orders/1"} | fields).encode()
    token = tokens.mint(KEYS, {"mercure": {"publish": ["*"]}})
    same(request(service.port, "POST", "/.well-known/mercure", body,
                 {"Content-Type": "application/x-www-form-urlencoded", "Authorization": "Bearer " + token}).status, 200)


def test_page_of_another_origin_follows_by_its_cookie(redis, directory):
    with http.server.HTTPServer(("127.0.0.1", 0), Elsewhere) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        friend = "http://localhost:%d" % site.server_port
        server = start(redis, "--cors-origin", friend, "--token-keys", write_file(directory, "keys", json.dumps(KEYS)))
        browser = Browser()
        try:
            browser.open(friend)
            token = tokens.mint(KEYS, {"mercure": {"subscribe": ["orders/{id}"]}})
            browser.run(FOLLOW, "http://localhost:%d" % server.port, token)
            browser.wait(lambda: browser.run("return window.source.readyState") == 1, "the stream")
            publish(server, data="1", private="on")
            publish(server, data="2")
            browser.wait(lambda: browser.run("return window.seen.join()") == "1,2", "the updates")
            browser.wait(lambda: browser.run("return window.refused") == 1, "the end of who shows no cookie")
        finally:
            browser.close()
            site.shutdown()
        server.close()


def test_wrong_input_is_marked_where_it_stands(page):
    page.home()
    page.type("#publish [name=topic]", "*")
    page.click("#publish button.main")
    page.wait(lambda: page.all("#publish [aria-invalid=true]"), "the marked field")
    page.type("#subscribe [name=topic]", "")
    page.click("#subscribe button")
    page.wait(lambda: page.all("#subscribe [aria-invalid=true]"), "the marked field")


def test_page_fits_a_phone_and_the_keyboard(page):
    page.home()
    page.publish("orders/1", "a long text that has no place on a phone " * 5, 3)
    page.wait(lambda: page.figure("live") >= 3, "the updates")
    page.check_looks(PHONE, (1000, 800))
    page.check_quiet(page.origin)


if __name__ == "__main__":
    run(sys.modules[__name__], redis=redis, service=service, page=page, directory=directory)
