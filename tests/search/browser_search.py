"""browser_search.py - the page as a person uses it."""
import contextlib
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
from lab import Service, redis, run, same  # noqa: E402
from browser import PHONE, Browser, Keys  # noqa: E402

EVIL = "<img src=x onerror=alert(1)> & \"quotes\""


def service(redis):  # pylint: disable=redefined-outer-name
    server = Service("search", "--open", "--data-dir", redis.dir + "/search", redis=redis)
    try:
        yield server
    except BaseException:
        print(server.log()[-4000:])
        server.abandon()
        raise
    server.close()


class Page(Browser):
    def __init__(self, server):
        super().__init__()
        self.server = server
        self.origin = "http://localhost:%d" % server.port

    def home(self, query=""):
        self.open(self.origin + "/" + query)
        self.wait(lambda: self.all("#start, #found"), "the page")

    def with_books(self):
        self.home()
        self.click("#books")
        self.says("Sixteen books")

    def titles(self):
        return [title.text for title in self.all("#hits .title")]

    def finds(self, *titles):
        self.wait(lambda: self.titles() == list(titles), titles)

    def facet(self, label):
        def found():
            return [b for b in self.all("#facets button") if b.text.split("\n")[0] == label]
        return self.wait(found, "the facet " + label)[0]


def page(service):
    browser = Page(service)
    with contextlib.closing(browser):
        yield browser


def put(server, index, *documents):
    lines = "".join("%s\n%s\n" % (json.dumps({"index": {"_index": index}}), json.dumps(each)) for each in documents)
    answer = server.request("POST", "/_bulk?refresh=true", lines.encode(), {"Content-Type": "application/x-ndjson"})
    same((answer.status, answer.json["errors"]), (200, False), answer)


def test_page_finds_as_one_types(page):
    page.with_books()
    page.type("[name=words]", "whale")
    page.finds("Moby-Dick")
    page.type("[name=words]", "trea isl")
    page.finds()
    page.type("[name=words]", "treasure isl")
    page.finds("Treasure Island")
    same([mark.text for mark in page.all("#hits mark")], ["Treasure", "Island"])
    page.type("[name=words]", "tresure islnd")
    page.wait(lambda: page.one("#meant").is_displayed(), "did you mean")
    page.click("#meant button")
    page.finds("Treasure Island")
    page.wait(lambda: not page.all("#meant"), "the end of did you mean")
    page.type("[name=words]", '"best of times" -whale')
    page.finds("A Tale of Two Cities")
    assert page.one("#count").text.startswith("1 document;"), page.one("#count").text
    page.check_quiet(page.origin)


def test_page_narrows_down_by_facets(page):
    page.with_books()
    page.type("[name=words]", "sea ")
    page.wait(lambda: len(page.titles()) == 3, "three of the sea")
    page.facet("adventure").click()
    page.wait(lambda: len(page.titles()) == 2, "two adventures")
    same(page.facet("adventure").get_attribute("aria-pressed"), "true")
    same(page.run("return document.activeElement.textContent").startswith("adventure"), True)
    page.facet("Jules Verne").click()
    page.finds("Twenty Thousand Leagues under the Sea")
    page.facet("Jules Verne").click()
    page.facet("adventure").click()
    page.wait(lambda: len(page.titles()) == 3, "three again")


def test_page_sorts_opens_and_remembers(page):
    page.with_books()
    page.type("[name=words]", "world")
    page.choose("[name=order]", "year:desc")
    page.wait(lambda: page.titles()[:1] == ["The War of the Worlds"], "the latest first")
    page.one("#hits .title").click()
    assert '"year": 1898' in page.one("#hits pre").text
    page.one("#hits .title").click()
    same(page.all("#hits pre"), [])
    page.click("details summary")
    assert page.one("#curl").text.startswith("curl -s 'http://localhost:"), page.one("#curl").text
    page.open(page.url)
    page.wait(lambda: "The War of the Worlds" in page.titles(), "the same words")
    same(page.one("[name=words]").get_attribute("value"), "world")


def test_page_is_used_without_a_mouse(page):
    page.with_books()
    page.type("[name=words]", "sea ")
    page.wait(lambda: len(page.titles()) == 3, "three of the sea")
    focused = page.run("return document.activeElement.name")
    same(focused, "words")
    page.driver.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    page.driver.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    same(page.run("return document.activeElement.textContent"), page.titles()[1])
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert page.one("#hits pre").text.startswith("{")
    page.driver.switch_to.active_element.send_keys("/")
    same(page.run("return document.activeElement.name"), "words")
    page.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    page.wait(lambda: len(page.titles()) == 16, "all of them")
    page.check_tab_order()


def test_page_shows_text_as_text(service, page):
    put(service, "odd", {"title": EVIL, "text": EVIL + " odd", "kind": EVIL},
        {"title": "b", "text": "odd", "kind": EVIL}, {"title": "c", "text": "odd", "kind": "c"})
    page.home("?index=odd&words=odd")
    page.wait(lambda: len(page.titles()) == 3, "all")
    assert EVIL in page.titles(), page.titles()
    assert page.facet(EVIL)
    page.check_quiet(page.origin)


def test_page_says_what_went_wrong(service, page):
    page.with_books()
    same(service.request("DELETE", "/books").status, 200)
    page.type("[name=words]", "sea")
    page.says("no such index [books]")


def test_page_draws_segments(service, page):
    put(service, "drawn", {"title": "a"}, {"title": "b"})
    page.home("?index=drawn")
    page.wait(lambda: page.all("#segments tbody tr"), "a segment")
    put(service, "drawn", {"title": "c"})
    page.wait(lambda: sum(int(row.text.split()[1]) for row in page.all("#segments tbody tr")) == 3, "three documents")
    same(len(page.all("#segments svg .first")), len(page.all("#segments tbody tr")))


def test_page_keeps_the_rules(page):
    page.home()
    page.check_looks((1000, 800), PHONE)
    page.with_books()
    page.type("[name=words]", "sea")
    page.wait(lambda: page.all("#hits mark"), "marks")
    page.check_looks((1400, 900), (1000, 800), PHONE)


if __name__ == "__main__":
    run(sys.modules[__name__], redis=redis, service=service, page=page)
