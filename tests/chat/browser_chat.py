"""browser_chat.py - the page as two people use it, side by side, through faults."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
from browser import PHONE, Browser, Keys  # noqa: E402
from lab import Redis, Service, eventually, request, run, same  # noqa: E402


def start(redis, **more):
    return Service("chat", "--workers", "1", "--open", redis=redis, **more)


class Page(Browser):
    """The chat's page, and who it is."""

    def __init__(self, service, name=None, room=None):
        super().__init__()
        self.service = service
        self.origin = "http://localhost:%d" % service.port
        self.open(self.origin + "/")
        if name:
            self.come_in(name)
        if room:
            self.enter(room)

    def come_in(self, name):
        self.type("#guest [name=guest]", name)
        self.click("#guest button")
        self.live()

    def live(self):
        self.wait(lambda: self.one("#link").text == "connected", "the connection")

    def click(self, selector, within=None):
        self.run("arguments[0].scrollIntoView({block: 'center'})", self.one(selector, within))
        super().click(selector, within)

    def make(self, name):
        self.click("#find")
        self.type("#side .make [name=name]", name)
        self.click("#side .make button")
        self.in_room(name)

    def enter(self, name):
        self.click("#find")
        self.wait(lambda: [r for r in self.all("#side .public > li") if self.one("h4", r).text == name], name)
        row = [r for r in self.all("#side .public > li") if self.one("h4", r).text == name][0]
        self.click("button", row)
        self.in_room(name)

    def in_room(self, title):
        self.wait(lambda: self.one("#room-name").text == title, "the room " + title)
        self.wait(lambda: not self.one("#top").text.startswith("Reading…"), "its messages")

    def draft(self, text, form="#compose"):
        self.one(form + " textarea").send_keys(text)

    def say(self, text, form="#compose"):
        self.draft(text + Keys.ENTER, form)

    def said(self, within="#messages"):
        """What messages say, in order; notes of who came are left out."""
        return self.run("""return [...document.querySelectorAll(arguments[0] + ' > .message:not(.is-note) .text')]
                           .map(node => node.textContent)""", within)

    def hears(self, *texts, within="#messages"):
        self.wait(lambda: self.said(within) == list(texts), "%s, but %s," % (list(texts), self.said(within)))

    def message(self, text):
        """The row of the message that says this."""
        return self.wait(lambda: self.run("""
            return [...document.querySelectorAll('#messages > .message')]
              .find(row => row.querySelector('.text').textContent === arguments[0])""", text), text)

    def act(self, text, what):
        """One of a message's tools."""
        self.click(".more", self.message(text))
        self.click(".tools [data-what='%s']" % what, self.message(text))

    def state(self, text):
        return "".join(e.text for e in self.all(".state", self.message(text)))

    def top(self):
        return self.one("#top").text


def service(redis):
    server = start(redis)
    yield server
    server.close()


def redis():
    server = Redis(appendfsync="always")
    yield server
    server.close()


def ann(service):
    page = Page(service, "ann")
    page.make("tea")
    yield page
    page.close()


def bob(service, ann):  # pylint: disable=unused-argument
    page = Page(service, "bob", "tea")
    yield page
    page.close()


def test_two_guests_talk(ann, bob):
    ann.say("one")
    bob.hears("one")
    bob.say("two @guest-ann")
    ann.hears("one", "two @guest-ann")
    same(ann.one(".at.me").text, "@guest-ann")
    for n in range(5):
        ann.say("a%d" % n)
        bob.say("b%d" % n)
    ann.wait(lambda: len(ann.said()) == 12, "all of them")
    bob.wait(lambda: len(bob.said()) == 12, "all of them")
    same(ann.said(), bob.said())
    for letter in "ab":
        same([t for t in ann.said() if t[0] == letter], ["%s%d" % (letter, n) for n in range(5)])
    same(ann.all("#pending > li"), [])


def test_direct_messages_come_to_who_does_not_look(ann, bob):
    bob.click("#find")
    bob.type("#side .direct [name=user]", "guest-ann")
    bob.click("#side .direct button")
    bob.in_room("guest-ann")
    bob.say("psst")
    ann.wait(lambda: [e.text for e in ann.all("#directs .count")] == ["1"], "the count")
    ann.wait(lambda: ann.run("return document.title").startswith("(1) "), "the title")
    ann.click("#directs button")
    ann.hears("psst")
    ann.wait(lambda: not ann.all("#directs .count"), "no count")
    bob.wait(lambda: bob.state("psst") == "Seen", "that it was seen")
    same(bob.one("#room-facts").text, "online")


def test_edits_deletions_and_reactions_are_seen(ann, bob):
    ann.say("frist")
    ann.say("second")
    bob.hears("frist", "second")
    ann.act("frist", "edit")
    same(ann.one("#compose textarea").get_attribute("value"), "frist")
    ann.run("arguments[0].select()", ann.one("#compose textarea"))
    ann.say("first")
    bob.hears("first", "second")
    bob.wait(lambda: bob.state("first") == "edited", "that it is edited")
    bob.act("first", "react👍")
    ann.wait(lambda: [e.text for e in ann.all(".chips button", ann.message("first"))] == ["👍 1"], "the reaction")
    ann.click(".chips button", ann.message("first"))
    bob.wait(lambda: [e.text for e in bob.all(".chips button", bob.message("first"))] == ["👍 2"], "two of them")
    bob.click(".chips button", bob.message("first"))
    ann.wait(lambda: [e.text for e in ann.all(".chips button", ann.message("first"))] == ["👍 1"], "one of them")
    ann.act("second", "delete")
    ann.click(".tools [data-what=delete]", ann.message("second"))
    for page in (ann, bob):
        page.hears("first", "This message was deleted.")
    same(bob.all(".more", bob.message("This message was deleted.")), [])


def test_answers_make_a_thread(ann, bob):
    for text in ("question", "other"):
        ann.say(text)
    bob.hears("question", "other")
    bob.act("question", "reply")
    bob.say("answer")
    ann.hears("question", "other", "answer")
    same(ann.one(".quote", ann.message("answer")).text, "guest-ann: question")
    ann.click(".chips [data-what=thread]", ann.message("question"))
    ann.hears("question", "answer", within="#side-body .messages:first-child")
    ann.say("thanks", "#answer")
    ann.hears("question", "answer", "thanks", within="#side-body .messages:first-child")
    bob.hears("question", "other", "answer", "thanks")
    same(bob.one(".chips [data-what=thread]", bob.message("question")).text, "2 answers")


def test_typing_presence_and_receipts_are_seen(ann, bob):
    ann.say("hello")
    ann.wait(lambda: ann.state("hello") == "Seen by guest-bob", "that it was seen")
    bob.draft("I am")
    ann.wait(lambda: ann.one("#typing").text == "guest-bob is typing…", "who is typing")
    bob.say("here")
    ann.wait(lambda: ann.run("return document.getElementById('typing').textContent") == "", "that nobody is typing")
    ann.click("#members")
    people = lambda: {ann.one("h4", row).text: ann.one("p.small", row).text for row in ann.all("#side .people > li")}
    ann.wait(lambda: people() == {"guest-ann": "owner · you", "guest-bob": "member · online"}, "the members")
    bob.close()
    ann.wait(lambda: "last seen" in people()["guest-bob"], "that bob is gone")


def test_history_loads_by_scrolling_up_and_is_searched(service, redis, ann):
    token = ann.run("return sessionStorage['lab.token']")
    room = json.loads(request(service.port, "GET", "/v1/rooms", headers={"Authorization": "Bearer " + token}).text)
    path = "/v1/rooms/%s/messages" % room["items"][0]["room"]
    for n in range(180):
        body = {"client_id": "h%d" % n, "text": "needle" if n == 3 else "old %d" % n}
        same(request(service.port, "POST", path, body, {"Authorization": "Bearer " + token}).status, 201)
    ann.open(ann.origin + "/")
    ann.in_room("tea")
    ann.wait(lambda: ann.said()[-1:] == ["old 179"], "the newest")
    before = len(ann.said())
    assert before < 110, before
    ann.run("document.getElementById('log').scrollTop = 0")
    ann.wait(lambda: len(ann.said()) > before, "what was before")
    assert ann.run("return document.getElementById('log').scrollTop") > 0  # what was in view stays there
    for _ in range(5):
        ann.run("document.getElementById('log').scrollTop = 0")
        time.sleep(0.1)
    ann.wait(lambda: ann.top() == "Here tea begins.", "the beginning")
    same(ann.said(), ["needle" if n == 3 else "old %d" % n for n in range(180)])
    ann.open(ann.origin + "/")
    ann.in_room("tea")
    ann.click("#search")
    ann.type("#side [name=query]", "needle")
    ann.click("#side .look button")
    ann.click("#side .found button")
    ann.wait(lambda: "is-sought" in ann.message("needle").get_attribute("class"), "what was found")


def test_nothing_is_lost_when_worker_and_redis_are_killed(service, redis, ann, bob):
    ann.say("before")
    bob.hears("before")
    redis.kill()
    service.kill_worker()
    ann.say("sent while it was away")
    ann.say("and this")
    ann.draft("half a sent")
    ann.wait(lambda: len(ann.all("#pending > li")) == 2, "what is not sent")
    bob.draft("a draft of bob's")
    assert ann.said() == ["before"], ann.said()
    ann.wait(lambda: ann.all("#offline"), "the loss")
    redis.start()
    service.wait_ready()
    for page in (ann, bob):
        page.hears("before", "sent while it was away", "and this")
    ann.wait(lambda: not ann.all("#pending > li"), "that all is sent")
    ann.draft("ence")
    same(ann.one("#compose textarea").get_attribute("value"), "half a sentence")
    same(bob.one("#compose textarea").get_attribute("value"), "a draft of bob's")
    ann.draft(Keys.ENTER)
    bob.hears("before", "sent while it was away", "and this", "half a sentence")
    ann.hears("before", "sent while it was away", "and this", "half a sentence")


def test_messages_arrive_once_through_many_kills(service, redis, ann, bob):
    texts = ["n%d" % n for n in range(24)]
    for n, text in enumerate(texts):
        ann.say(text)
        if n % 8 == 3:
            service.kill_worker()
        if n % 12 == 6:
            redis.kill()
            redis.start()
    service.wait_ready()
    for page in (ann, bob):
        eventually(lambda p=page: p.said() == texts, "all of them, once: %s" % page.said())
        page.open(page.origin + "/")
        page.in_room("tea")
        page.hears(*texts)


def test_a_reload_keeps_drafts_and_what_is_not_sent(service, redis, ann, bob):
    ann.say("before")
    bob.hears("before")
    redis.pause()
    ann.say("not sent")
    ann.draft("half a sent")
    ann.wait(lambda: len(ann.all("#pending > li")) == 1, "what is not sent")
    ann.open(ann.origin + "/")
    same(json.loads(ann.run("return sessionStorage['chat.guest-ann.outbox']"))[0]["text"], "not sent")
    redis.go_on()
    ann.in_room("tea")
    ann.hears("before", "not sent")
    bob.hears("before", "not sent")
    same(ann.one("#compose textarea").get_attribute("value"), "half a sent")
    same(ann.all("#pending > li"), [])


def test_what_the_server_refuses_stays_and_says_why(ann, bob):
    ann.say("hello")
    bob.hears("hello")
    token = ann.run("return sessionStorage['lab.token']")
    room = bob.run("return JSON.parse(sessionStorage['chat.guest-bob.view'])")
    mute = "/v1/rooms/%s/mutes/guest-bob" % room
    same(request(ann.service.port, "PUT", mute, {}, {"Authorization": "Bearer " + token}).status, 204)
    bob.say("unheard")
    bob.wait(lambda: "Not sent: " in bob.one("#pending").text, "why")
    same(request(ann.service.port, "DELETE", mute, headers={"Authorization": "Bearer " + token}).status, 204)
    bob.click("#pending .again")
    ann.hears("hello", "unheard")
    ann.click("#members")
    bob_row = lambda: [r for r in ann.all("#side .people > li") if ann.one("h4", r).text == "guest-bob"]
    ann.click("button.alarm", ann.wait(bob_row, "bob")[0])
    bob.wait(lambda: "removed from tea" in bob.one("#status").text, "that he is out")
    bob.wait(lambda: not bob.all("#rooms button"), "no room")


def test_a_session_that_ended_is_asked_for_again(service, ann):
    ann.say("hello")
    ann.hears("hello")
    ann.draft("to be kept")
    token = ann.run("return sessionStorage['lab.token']")
    same(request(service.port, "DELETE", "/v1/sessions/current", headers={"Authorization": "Bearer " + token}).status, 204)
    same(ann.one("#guest [name=guest]").get_attribute("value"), "ann")
    ann.click("#guest button")
    ann.in_room("tea")
    ann.hears("hello")
    same(ann.one("#compose textarea").get_attribute("value"), "to be kept")


def test_names_with_passwords_come_in(service):
    page = Page(service)
    try:
        page.click("summary")
        page.type("#account [name=name]", "Dora!")
        page.type("#account [name=password]", "correct horse")
        page.click("#account [name=new]")
        page.wait(lambda: page.all("#account [aria-invalid=true]"), "the marked field")
        page.type("#account [name=name]", "dora")
        page.click("#account [name=new]")
        page.live()
        same(page.one("#me").text, "dora")
        page.click("#leave")
        page.wait(lambda: page.all("#guest"), "the door")
    finally:
        page.close()


def test_page_fits_a_phone_and_the_keyboard(ann, bob):
    bob.say("see https://example.org/a-long-address/that-does-not-fit?on=a&phone=at-all, @guest-ann")
    ann.say("a long text that has no place on a phone " * 5)
    ann.say("unbroken" * 30)
    bob.wait(lambda: len(bob.said()) == 3, "the messages")
    ann.act("unbroken" * 30, "react👍")
    ann.click(".more", ann.message("unbroken" * 30))
    ann.check_looks(PHONE, (1100, 900))
    for button, what in (("#members", "#side .people > li"), ("#search", "#side .look"), ("#find", "#side .public > li")):
        ann.size(1100, 900)
        ann.click(button)
        ann.one(what)
        ann.check_looks(PHONE, (1100, 900))
    ann.size(1100, 900)
    ann.click("#side-close")
    ann.size(*PHONE)
    ann.click("#back")
    ann.check_layout()
    ann.check_tab_order()
    ann.click("#rooms button")
    ann.one("#compose textarea")
    ann.check_quiet(ann.origin, "ws://localhost:%d" % ann.service.port)


def test_door_fits_a_phone_and_the_keyboard(service):
    page = Page(service)
    try:
        page.click("summary")
        page.check_looks(PHONE, (1000, 800))
    finally:
        page.close()


if __name__ == "__main__":
    run(sys.modules[__name__], redis=redis, service=service, ann=ann, bob=bob)
