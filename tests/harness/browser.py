"""browser.py - pages in a real browser, and the rules that all of them keep.

Headless Chromium by Debian's python3-selenium and chromium-driver; where they
are absent the tests are skipped, by name.
"""
import base64
import contextlib
import json
import os
import shutil
import sys
import time

from lab import Skip, same

DEBIAN = "/usr/bin/python3"

try:
    from selenium import webdriver
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
except ImportError:  # Meson may run another Python than the one Debian equips
    if os.path.exists(DEBIAN) and not os.environ.get("LAB_PYTHON_TRIED"):
        os.environ["LAB_PYTHON_TRIED"] = "1"
        os.execv(DEBIAN, [DEBIAN, *sys.argv])
    webdriver = Keys = None
    StaleElementReferenceException = Exception

PHONE = (360, 640)
SEEN = 10  # seconds that a page gets to show a thing

# Everything that can be used and is on the screen, with its rectangle; a box
# that is ticked is as large as its label.
CONTROLS = """
return [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]')]
  .filter(e => e.checkVisibility() && !e.disabled && e.tabIndex >= 0 && !e.closest('.unseen'))
  .map(e => {
    const box = e.type === 'checkbox' || e.type === 'radio' ? e.closest('label') || e : e;
    const {width, height} = box.getBoundingClientRect();
    return [e.outerHTML.slice(0, 90), width, height];
  });
"""

# The contrast of each text with what it stands on: [ratio, text, colours].
CONTRASTS = """
const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
const rgba = colour => {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
};
const light = c => c.slice(0, 3).map(v => v / 255)
  .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const ground = e => {
  for (; e; e = e.parentElement) {
    const c = rgba(getComputedStyle(e).backgroundColor);
    if (c[3] > 0.99) return c;
  }
  return [255, 255, 255, 1];
};
const found = [];
for (const e of document.querySelectorAll('body *')) {
  const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  const typed = e.matches('input, select, textarea');
  if (!(own || typed) || !e.checkVisibility() || e.closest('svg, option, .unseen')) continue;
  const style = getComputedStyle(e);
  const a = light(rgba(style.color)), b = light(ground(e));
  found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05),
              (e.textContent || e.name || e.tagName).trim().slice(0, 40),
              style.color]);
}
return found;
"""

FOCUSED = """
const e = document.activeElement, style = getComputedStyle(e);
return [e === document.body ? '' : e.outerHTML.slice(0, 90), style.outlineStyle,
        parseFloat(style.outlineWidth)];
"""


class Browser:
    """One Chromium; looks for elements wait until they are there."""

    def __init__(self, size=(1000, 800), dark=False):
        if webdriver is None:
            raise Skip("python3-selenium is not installed")
        if not shutil.which("chromedriver"):
            raise Skip("chromium-driver is not installed")
        options = webdriver.ChromeOptions()
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage",
                         "--disable-gpu", "--no-first-run", "--disable-background-networking",
                         "--disable-component-update", "--window-size=1000,800",
                         "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, "
                         "EXCLUDE 127.0.0.1"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options)
        self.size(*size)
        self.scheme(dark)

    def size(self, width, height):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})

    def scheme(self, dark):
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"}]})

    def open(self, url):
        self.driver.get(url)

    @property
    def url(self):
        return self.driver.current_url

    def run(self, script, *args):
        return self.driver.execute_script(script, *args)

    def wait(self, predicate, what):
        """The first true value of predicate()."""
        end = time.monotonic() + SEEN
        while True:
            value = None
            with contextlib.suppress(StaleElementReferenceException):  # it was just replaced
                value = predicate()
            if value:
                return value
            assert time.monotonic() < end, "%s was not seen; the page: %s" % (
                what, self.driver.find_element(By.TAG_NAME, "body").text[-1500:])
            time.sleep(0.02)

    def all(self, selector, within=None):
        return [e for e in (within or self.driver).find_elements(By.CSS_SELECTOR, selector)
                if e.is_displayed()]

    def one(self, selector, within=None):
        return self.wait(lambda: self.all(selector, within), selector)[0]

    def click(self, selector, within=None):
        self.one(selector, within).click()

    def type(self, selector, text, within=None):
        field = self.one(selector, within)
        field.clear()
        field.send_keys(text)

    def choose(self, selector, value, within=None):
        self.one("%s option[value='%s']" % (selector, value), within).click()

    def says(self, words):
        """Wait until the status line holds words."""
        return self.wait(lambda: words in self.driver.find_element(By.ID, "status").text, words)

    def picture(self, path):
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot",
                                           {"captureBeyondViewport": True})
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))

    # ---- the rules

    def check_looks(self, *sizes):
        """Nothing overflows and all can be read, in each size and both schemes."""
        for size in sizes:
            self.size(*size)
            self.check_layout()
            for dark in (False, True):
                self.scheme(dark)
                self.check_contrast()

    def check_layout(self):
        wide, window = self.run("return [document.documentElement.scrollWidth, innerWidth]")
        assert wide <= window, "scrolls sideways: %d > %d" % (wide, window)
        small = [c for c in self.run(CONTROLS) if c[1] < 43.9 or c[2] < 43.9]
        same(small, [], "smaller than 44 px")

    def check_contrast(self):
        poor = [c for c in self.run(CONTRASTS) if c[0] < 4.5]
        same(poor, [], "contrast under 4.5")

    def check_tab_order(self):
        """Tab reaches each control once, in the document's order, and shows it."""
        expected = [c[0] for c in self.run(CONTROLS)]
        self.run("document.activeElement.blur(); window.scrollTo(0, 0);"
                 "document.body.tabIndex = -1; document.body.focus();"
                 "document.body.removeAttribute('tabindex')")
        reached = [None]
        for _ in range(3 * len(expected)):  # a date has several stops
            self.driver.switch_to.active_element.send_keys(Keys.TAB)
            name, style, width = self.run(FOCUSED)
            assert style != "none" and width >= 2, "focus is not seen on %s: %s %s" % (name, style, width)
            if name != reached[-1]:
                reached.append(name)
            if name == expected[-1]:
                break
        same(reached[1:], expected, "the order of Tab")

    def check_quiet(self, *origins):
        """No error on the console; no request left for anywhere else."""
        same([e for e in self.driver.get_log("browser") if e["level"] == "SEVERE"], [])
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                asked = message["params"]["request"]["url"]
                assert asked.startswith(origins + ("data:",)), "asked for " + asked

    def close(self):
        self.driver.quit()
