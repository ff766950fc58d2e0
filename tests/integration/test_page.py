# SPDX-License-Identifier: MIT
"""The status page in a browser. $SIDEPOOL_SCREENSHOTS names a folder for pictures of it, to be looked at."""
import os
import pathlib

import pytest
from lib.browser import Browser
from lib.http import get_json, port_of
from lib.wait import wait_until
from lib.wire import Wire

pytestmark = pytest.mark.settings({
    "sidepool": {"http_listen": "127.0.0.1:0", "budget": 5},
    "pool main": {},
    "pool spare": {"url": "postgresql://nobody@127.0.0.1:1/none", "breaker_threshold": 1, "breaker_reset": "1h", "connect_backoff_min": "1h", "connect_backoff_max": "1h"},
    "application web": {"max": 3},
})  # fmt: skip

HOSTILE = "<img src=x onerror=alert(1)>\"'&"

CONTRAST = """
(() => {
  const parse = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = (c) => c.slice(0, 3).map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const e of document.body.querySelectorAll('*')) {
    const text = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!text || !e.checkVisibility() || e.closest('noscript')) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${e.tagName}.${e.className} ${e.textContent.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return poor;
})()
"""


@pytest.fixture(scope="module")
def browser():
    with Browser() as b:
        yield b


@pytest.fixture
def page(daemon, browser):
    """Open, and shown once."""
    browser.complaints.clear()
    browser.look(1200, 900, "light")
    browser.open(f"http://127.0.0.1:{port_of(daemon)}/")
    browser.wait("document.body.dataset.polls >= 1")
    yield browser
    browser.open("about:blank")


def busy(daemon):
    """Two applications with leases, one of them in a transaction, and one that waits."""
    web, seed, hostile = (Wire(daemon.socket).named(name) for name in ("web", "seed", HOSTILE))
    web.query("SELECT 1", begin=True, call_site="orders.py:12")
    for _ in range(4):
        seed.lease(call_site=HOSTILE)
    hostile.send(hostile.query_request("SELECT 1"))
    wait_until("it waits", lambda: get_json(daemon.dir / "http.sock", "/status.json")[1]["waiting"] == 1)
    return web, seed, hostile


def cells(page, table):
    return page.ask(f"[...document.querySelectorAll('#{table} tbody tr')].map((r) => [...r.cells].map((c) => c.textContent))")


def test_it_shows_who_has_what_live(daemon, page):
    assert page.ask("document.querySelector('#leases').textContent.includes('No lease is held')")
    clients = busy(daemon)
    page.wait("document.querySelectorAll('#leases tbody tr').length == 5")
    applications = {row[0]: row[1:] for row in cells(page, "applications")}
    assert applications["web"][:3] == ["1", "max 3", "0"] and applications["seed"][:3] == ["4", "–", "0"]
    assert applications[HOSTILE][2] == "1", "it waits, and its name is text"
    leases = cells(page, "leases")
    assert [r[0] for r in leases] == ["web"] + 4 * ["seed"] and [r[6] for r in leases] == ["orders.py:12"] + 4 * [HOSTILE]
    assert leases[0][2] == "idle in transaction" and str(os.getpid()) in leases[0][5]
    assert page.ask("document.images.length") == 0
    main = page.ask("document.querySelector('[data-pool=main] .numbers').textContent")
    assert "In use5 of 5" in main and "Leased5" in main and "Waiting1" in main
    assert page.ask("document.querySelector('#health').textContent") == "unhealthy" == page.ask("document.title").split(": ")[1]
    assert "5 of 5 connections are in use" in page.ask("document.querySelector('#advices').textContent")
    for w in clients:
        w.close()
    page.wait("document.querySelector('#leases').textContent.includes('No lease is held')")
    assert page.complaints == []


def test_it_shows_the_breaker_and_why(page):
    page.wait("document.querySelector('[data-pool=spare] .badge').textContent.startsWith('breaker open')")
    assert "refused" in page.ask("document.querySelector('[data-pool=spare] .failure').textContent")
    assert page.ask("document.querySelector('[data-pool=main] .badge').textContent") == "breaker closed"


def test_it_plots_the_last_minutes(daemon, page):
    clients = busy(daemon)
    page.wait("document.querySelector('[data-pool=main] svg title').textContent == 'Connections: now open 5, in use 5, limit 5'")
    assert page.ask("document.querySelectorAll('[data-pool=main] svg').length") == 4
    box = page.ask("(() => { const b = document.querySelector('[data-pool=main] .area-used').getBBox(); return [b.x + b.width, b.height]; })()")
    assert box[0] == 200 and box[1] > 90, "up to now, and to the limit"
    for w in clients:
        w.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_it_can_be_read_everywhere(daemon, page, scheme, width):
    clients = busy(daemon)
    page.look(width, 900, scheme)
    page.wait("document.querySelectorAll('#leases tbody tr').length == 5")
    assert page.ask("document.documentElement.scrollWidth") <= width, "nothing makes the page itself scroll sideways"
    assert page.ask(CONTRAST) == []
    dark = page.ask("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every((v) => v < 64)")
    assert dark == (scheme == "dark")
    if folder := os.environ.get("SIDEPOOL_SCREENSHOTS"):
        page.screenshot(pathlib.Path(folder) / f"page-{scheme}-{width}.png")
    for w in clients:
        w.close()
    assert page.complaints == []


def test_it_is_used_by_keyboard(page):
    reached = []
    for _ in range(6):
        page.press("Tab", number=9)
        reached.append(page.ask("document.activeElement.id || document.activeElement.className || document.activeElement.textContent"))
        outline = page.ask("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", f"{reached[-1]} has the focus and does not show it"
    assert reached == ["skip", "pause", "scroll", "scroll", "/health", "/metrics"]
    page.ask("document.querySelector('#pause').focus()")
    page.press(" ", "Space", 32, " ")
    assert page.ask("document.querySelector('#pause').getAttribute('aria-pressed')") == "true"
    page.press(" ", "Space", 32, " ")
    polls = page.ask("Number(document.body.dataset.polls)")
    page.wait(f"document.body.dataset.polls > {polls}")
    assert page.ask("document.querySelector('#pause').getAttribute('aria-pressed')") == "false"
    assert page.complaints == []


def test_the_policy_lets_nothing_else_in(page):
    """What is written into the page does not run, and the test would hear of it if the page needed such a thing."""
    page.ask("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">x</p>')")
    page.wait("document.querySelectorAll('p[style]').length == 1")
    wait_until("it complains", lambda: page.ask("1") and any("Content Security Policy" in c for c in page.complaints))
    elsewhere = "fetch('http://127.0.0.1:1/').then(() => 'fetched', () => 'refused')"
    assert page.ask(elsewhere) == "refused" and page.ask("(() => { try { return eval('1'); } catch { return 'refused'; } })()") == "refused"


def test_it_says_when_the_daemon_is_gone(daemon, page):
    assert daemon.stop() == 0
    page.wait("!document.querySelector('#lost').hidden")
    assert "does not answer" in page.ask("document.querySelector('#lost').textContent")
