"""The report in a real browser: it draws, asks the network for nothing, and follows the theme."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nautilus_qs.research.report import render
from tests.unit.research.synthetic_run import write_run

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
DRAWN = "div => div.querySelectorAll('.main-svg').length > 0 && div.data.length > 0"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render(write_run(tmp_path_factory.mktemp("runs"), days=1000))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


class Opened:
    """A page, with what it complained of and what it asked for."""

    def __init__(self, browser: Any, path: Path, scheme: str, width: int = 1300) -> None:
        self.page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-ready=true]", timeout=60_000)

    def background(self) -> str:
        return str(self.page.evaluate("getComputedStyle(document.body).backgroundColor"))

    def line_colour(self, figure: str) -> str:
        return str(self.page.evaluate(f"document.querySelector('[data-figure={figure}]').data[0].line.color"))


@pytest.fixture(scope="module")
def opened(browser: Any, report: Path) -> Iterator[Opened]:
    found = Opened(browser, report, "light")
    yield found
    found.page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_draws_every_chart_without_error_or_network(browser: Any, report: Path, scheme: str) -> None:
    opened = Opened(browser, report, scheme)
    charts = opened.page.query_selector_all(".chart")
    assert len(charts) == 6
    assert all(chart.evaluate(DRAWN) for chart in charts)
    assert opened.messages == []
    assert opened.requests == [report.as_uri()]
    opened.page.close()


def test_theme_follows_the_system_and_the_toggle(browser: Any, report: Path) -> None:
    opened = Opened(browser, report, "dark")
    dark, dark_line = opened.background(), opened.line_colour("equity")
    opened.page.click("#theme")
    light, light_line = opened.background(), opened.line_colour("equity")
    assert dark != light
    assert dark_line != light_line
    opened.page.click("#theme")
    assert (opened.background(), opened.line_colour("equity")) == (dark, dark_line)
    assert opened.messages == []
    opened.page.close()


def test_equity_chart_has_a_log_scale(opened: Opened) -> None:
    kind = "document.querySelector('[data-figure=equity]')._fullLayout.yaxis.type"
    assert opened.page.evaluate(kind) == "linear"
    opened.page.click("[data-scale]")
    assert opened.page.evaluate(kind) == "log"


def test_click_on_a_trade_shows_it_as_candles(opened: Opened) -> None:
    row = opened.page.locator("[data-list] tbody tr").nth(2)
    entry, instrument = row.locator("td").nth(0).inner_text(), row.locator("td").nth(3).inner_text()
    row.click()
    shown = opened.page.evaluate(
        "(() => { const d = document.getElementById('trade-chart');"
        " return [document.querySelector('[data-instrument]').value, d.data[0].type, ...d.layout.xaxis.range]; })()"
    )
    assert shown[:2] == [instrument, "candlestick"]
    assert shown[2][:10] < entry < shown[3][:10]
    assert opened.messages == []


def test_every_instrument_can_be_chosen(opened: Opened) -> None:
    options = opened.page.eval_on_selector_all("[data-instrument] option", "all => all.map(o => o.value)")
    assert len(options) == 4
    firsts = set()
    for option in options:
        opened.page.select_option("[data-instrument]", option)
        firsts.add(opened.page.evaluate("(t => (t.close || t.y)[5])(document.getElementById('trade-chart').data[0])"))
    assert len(firsts) == 4


def test_trade_list_sorts_filters_and_turns_pages(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, render(write_run(tmp_path, days=1600, seed=3)), "light")
    rows = opened.page.locator("[data-list] tbody tr")
    assert rows.count() == 50
    opened.page.click("[data-list] th:has-text('Profit')")
    cells = opened.page.eval_on_selector_all(
        "[data-list] tbody tr",
        "all => all.map(r => Number(r.cells[8].textContent.replace(/[,+]/g, '').replace('−', '-')))",
    )
    assert cells == sorted(cells, reverse=True)
    opened.page.click("[data-pages] button:last-child")
    assert 0 < rows.count() <= 50
    assert opened.page.inner_text("[data-pages] span").startswith("51–")
    opened.page.fill("[data-filter]", "breakout spy")
    texts = rows.all_inner_texts()
    assert texts
    assert all("Breakout" in text and "SPY" in text for text in texts)
    assert opened.messages == []
    opened.page.close()


def test_tables_sort_by_number_not_by_text(opened: Opened) -> None:
    opened.page.click("#why-not th:has-text('Notional refused')")
    cells = opened.page.eval_on_selector_all(
        "#why-not table:first-of-type tbody tr", "all => all.map(r => Number(r.cells[4].dataset.sort))"
    )[:4]
    assert cells == sorted(cells, reverse=True)


def test_page_fits_a_telephone(browser: Any, report: Path) -> None:
    opened = Opened(browser, report, "light", width=390)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
    opened.page.close()


def test_print_is_light_whatever_the_theme(browser: Any, report: Path) -> None:
    opened = Opened(browser, report, "dark")
    opened.page.emulate_media(media="print")
    red = int(opened.background().removeprefix("rgb(").split(",")[0])
    assert red > 200
    opened.page.close()


def test_render_is_quick_and_light_for_a_long_run(tmp_path: Path) -> None:
    path = write_run(tmp_path, days=2500)
    started = time.process_time()
    page = render(path)
    assert time.process_time() - started < 5.0
    assert page.stat().st_size < 6_000_000
