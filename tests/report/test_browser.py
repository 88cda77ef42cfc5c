"""The report in a real browser. On Debian: apt-get install chromium."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chromium
import numpy as np
import pandas as pd
import pytest

from designspace.analysis.study import analyze
from designspace.report.edf_figure import edf_figure
from designspace.report.files import save_figure
from designspace.report.html import write_report
from designspace.report.provenance import about_study
from designspace.report.topic import Topic
from designspace.report.width_figure import width_figure

PROGRAM = chromium.find()
pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason=f"none of {', '.join(chromium.NAMES)} is there; Debian: apt-get install chromium"
)

EVIL = "<script>window.ran = 1</script><b>bold</b><img src=x onerror='window.ran = 2'>&amp;"
MODELS = 120  # of each space: more than a page of the table


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    """Three spaces, one of a hostile name, with everything that training records."""
    rng, n = np.random.default_rng(1), 3 * MODELS
    done = np.arange(n) % 20 != 7
    errors = np.round(rng.normal(20, 2, n), 3)
    return pd.DataFrame(
        {
            "model_id": [f"{i:04x}" if i != 5 else EVIL for i in range(n)],
            "space": np.repeat(["anynetx_c", EVIL, "regnetx"], MODELS),
            "depths": rng.integers(1, 9, (n, 4)).tolist(),
            "widths": (8 * rng.integers(1, 65, (n, 4))).tolist(),
            "bottleneck_ratios": [[1.0, 2.0, 1.0, 1.0]] * n,
            "group_widths": [[4] * 4] * n,
            "flops": rng.integers(900_000, 1_000_000, n),
            "params": rng.integers(10_000, 90_000, n),
            "acts": rng.integers(10_000, 90_000, n),
            "status": np.where(done, "done", "diverged"),
            "error": np.where(done, errors, np.nan),
            "reason": np.where(done, None, EVIL),  # type: ignore[call-overload]
            "seed": 2**60 + np.arange(n),
            "train_seconds": rng.uniform(5, 50, n),
            "val_errors": [
                [90.0, 40.0 + i % 9, e] if d else [90.0]
                for i, (e, d) in enumerate(zip(errors, done, strict=True))
            ],
        }
    )


@pytest.fixture(scope="module")
def path(runs: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with a figure beside its chart, and another one, wide."""
    folder = tmp_path_factory.mktemp("report")
    study = analyze(runs)
    save_figure(edf_figure(study), folder, "edf")
    save_figure(width_figure(study), folder, "widths")
    (folder / "short.csv").write_text(
        f'space,{"a_rather_long_name_of_a_column," * 9}x\n"{EVIL}",{"1.5," * 9}2\n'
    )
    sections = [
        Topic("errors", "Error distributions", "Words.", {"edf": None}, {"short.csv": None}, "edf"),
        Topic("widths", EVIL, EVIL, {"widths": None}),
    ]
    about = about_study(study, {"regnetx": {"seed": 0, "note": EVIL}}, name=EVIL, command=EVIL)
    return write_report(study, sections, folder, about, summary=[EVIL, "word " * 60], cautions=[EVIL])


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Browser]:
    with chromium.started(str(PROGRAM), tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def desk(browser: chromium.Browser, path: Path) -> chromium.Page:
    """The report on a large screen, all charts drawn."""
    page = chromium.Page(browser, 1280, 900)
    page.open(path)
    draw_charts(page)
    return page


def draw_charts(page: chromium.Page) -> None:
    """Look at each chart once: they are drawn when they are seen."""
    for name in ("edf", "parameters", "costs"):
        page.run(f"document.querySelector('[data-chart={name}]').scrollIntoView()")
        page.wait(f"document.querySelector('[data-chart={name}]').dataset.ready === 'true'")


def point_of(page: chromium.Page, chart: str, trace: int) -> tuple[float, float, int]:
    """Where a point within the axes is on the screen, and the number of its model."""
    page.send("Page.bringToFront")  # a page behind another draws no frames
    page.run(f"document.querySelector('[data-chart={chart}] .plot').scrollIntoView({{block: 'center'}})")
    page.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    x, y, model = page.run(
        f"""(() => {{
          const plot = document.querySelector('[data-chart={chart}] .plot');
          const box = plot.getBoundingClientRect(), {{ xaxis, yaxis }} = plot._fullLayout;
          const {{ x, y, customdata }} = plot.data[{trace}];
          const within = (share) => share > 0.1 && share < 0.9;
          const shown = (i) => customdata[i] !== null
            && within(xaxis.d2p(x[i]) / xaxis._length) && within(yaxis.d2p(y[i]) / yaxis._length);
          const i = x.findIndex((_, i) => i > 20 && shown(i));
          const place = [box.x + xaxis._offset + xaxis.d2p(x[i]), box.y + yaxis._offset + yaxis.d2p(y[i])];
          return [...place, customdata[i]];
        }})()"""
    )
    return x, y, model


def shown_ids(page: chromium.Page) -> list[str]:
    found: list[str] = page.run(
        "[...document.querySelectorAll('.models td.id')].map((cell) => cell.textContent)"
    )
    return found


def find(page: chromium.Page, text: str) -> str:
    """Type into the filter; returns what the table says it found."""
    page.run(
        f"""(() => {{
          const field = document.querySelector('.models input');
          field.value = {text!r};
          field.dispatchEvent(new Event('input'));
        }})()"""
    )
    found: str = page.run("document.querySelector('.models .found').textContent")
    return found


def test_it_renders_without_complaint_and_asks_for_nothing(desk: chromium.Page, path: Path) -> None:
    assert desk.run("document.querySelectorAll('.chart .main-svg').length") >= 3
    titles: list[str] = desk.run("[...document.querySelectorAll('.modebar-btn')].map((b) => b.dataset.title)")
    assert titles
    assert not any("hare" in title or "ownload" in title for title in titles)  # would leave the page
    assert desk.run("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    assert desk.events("Runtime.exceptionThrown") == []
    assert desk.events("Runtime.consoleAPICalled") == []
    assert desk.events("Log.entryAdded") == []
    requests = [event["request"]["url"] for event in desk.events("Network.requestWillBeSent")]
    assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]


def test_its_policy_stops_requests_and_scripts(browser: chromium.Browser, path: Path) -> None:
    page = chromium.Page(browser, 800, 600)
    page.open(path)
    assert page.run("fetch('http://127.0.0.1:9/').then(() => 'answered', () => 'refused')") == "refused"
    page.run(
        "const script = document.createElement('script');"
        "script.textContent = 'window.ran = 3';"
        "document.body.append(script)"
    )
    page.run("document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.1:9/x.png'}))")
    assert page.run("window.ran") is None
    texts = " ".join(event["entry"]["text"] for event in page.events("Log.entryAdded"))
    assert texts.count("Content Security Policy") >= 3
    assert "Connecting to 'http://127.0.0.1:9/'" in texts
    assert "Executing inline script" in texts
    assert "Loading the image 'http://127.0.0.1:9/x.png'" in texts
    tried = {
        event["requestId"]
        for event in page.events("Network.requestWillBeSent")
        if not event["request"]["url"].startswith(("data:", "file:"))
    }
    stopped = {
        event["requestId"]
        for event in page.events("Network.loadingFailed")
        if event.get("blockedReason") == "csp"
    }
    assert tried <= stopped


def test_markup_in_names_stays_text_and_runs_nothing(desk: chromium.Page) -> None:
    assert desk.run("window.ran") is None
    assert desk.run("document.querySelectorAll('h1, h2').length") > 5
    assert desk.run("document.querySelector('h1').textContent") == EVIL
    assert (
        desk.run("document.querySelectorAll('main b, main img:not(figure img), main a[href^=http]').length")
        == 0
    )
    names: list[str] = desk.run("[...document.querySelectorAll('.legend button')].map((b) => b.textContent)")
    assert sum(name.startswith(EVIL) for name in names) == 3
    assert desk.run(
        "[...document.querySelectorAll('.models option')].some((o) => o.textContent === " + repr(EVIL) + ")"
    )
    # what Plotly would read as markup, it gets as entities
    traces: list[str] = desk.run(
        "document.querySelector('[data-chart=costs] .plot').data.map((trace) => trace.name)"
    )
    assert traces[0].startswith("&lt;script&gt;")
    assert not any("<" in name for name in traces)


def test_hovering_shows_the_network_behind_a_point(desk: chromium.Page, runs: pd.DataFrame) -> None:
    ordered = runs.sort_values(["space", "model_id"], ignore_index=True)
    for chart, trace in (("parameters", 1), ("costs", 2), ("edf", 2)):
        x, y, model = point_of(desk, chart, trace)
        desk.mouse("mouseMoved", x, y)
        desk.wait("!document.querySelector('.card').hidden")
        shown = ordered.iloc[desk.run("Number(document.querySelector('.card').dataset.model)")]
        text = desk.run("document.querySelector('.card').innerText")
        if chart == "edf":
            assert "have this error or less" in text
        else:  # another point may lie on top, but not elsewhere
            assert abs(shown["error"] - ordered["error"][model]) < 0.5 or chart == "costs"
        for part in (shown["model_id"], f"{shown['error']:.2f} %", ", ".join(map(str, shown["widths"]))):
            assert part in text
        blocks = sum(shown["depths"])
        assert desk.run("document.querySelectorAll('.card rect').length") == blocks
        assert desk.run("document.querySelectorAll('.card circle').length") == len(shown["val_errors"])
        box: dict[str, Any] = desk.run("document.querySelector('.card').getBoundingClientRect().toJSON()")
        assert box["left"] >= 0
        assert box["right"] <= 1280
        assert box["top"] >= 0
        assert box["bottom"] <= 900
        desk.mouse("mouseMoved", 2, 2)
        desk.wait("document.querySelector('.card').hidden")


def test_a_click_keeps_the_card_until_escape(desk: chromium.Page) -> None:
    x, y, _ = point_of(desk, "parameters", 0)
    desk.click(x, y)
    desk.wait("document.querySelector('.card').classList.contains('pinned')")
    desk.mouse("mouseMoved", 2, 2)
    assert not desk.run("document.querySelector('.card').hidden")
    desk.key("Escape", 27)
    assert desk.run("document.querySelector('.card').hidden")


def test_spaces_are_switched_off_in_all_charts(desk: chromium.Page) -> None:
    visible = (
        "[...document.querySelectorAll('.plot')]"
        ".map((plot) => plot.data.filter((trace) => trace.meta === 1 && trace.visible).length)"
    )
    before = desk.run(visible)
    assert all(before)
    desk.run("document.querySelector('.legend button[data-space=\"1\"]').click()")
    assert desk.run(visible) == [0, 0, 0]
    pressed = "[...document.querySelectorAll('.legend button[data-space=\"1\"]')].map((b) => b.ariaPressed)"
    assert desk.run(pressed) == ["false"] * 3
    desk.run("document.querySelector('.legend button[data-space=\"1\"]').click()")
    assert desk.run(visible) == before


def test_axes_are_chosen(desk: chromium.Page, runs: pd.DataFrame) -> None:
    desk.run(
        """(() => {
          const select = document.querySelector('[data-chart=parameters] select');
          select.value = 'w3';
          select.dispatchEvent(new Event('change'));
        })()"""
    )
    plot = "document.querySelector('[data-chart=parameters] .plot')"
    desk.wait(f"{plot}.layout.xaxis.title.text.startsWith('width of stage 3')")
    drawn = runs[(runs["space"] == "anynetx_c") & (runs["status"] == "done")].sort_values("model_id")
    assert desk.run(f"{plot}.data[1].x") == [widths[2] for widths in drawn["widths"]]
    assert desk.run(f"{plot}.layout.xaxis.type") == "log"


def test_sorting(desk: chromium.Page, runs: pd.DataFrame) -> None:
    find(desk, "")
    with_error = runs.sort_values(["space", "model_id"]).sort_values("error", kind="stable")
    assert shown_ids(desk) == with_error["model_id"].head(50).tolist()
    assert desk.run("document.querySelector('.models th.error').ariaSort") == "ascending"
    desk.run("document.querySelector('.models th.error button').focus()")
    desk.key("Enter", 13, "\r")
    backwards = with_error[with_error["status"] == "done"].iloc[::-1]  # those without an error stay last
    assert shown_ids(desk) == backwards["model_id"].head(50).tolist()
    assert desk.run("document.querySelector('.models th.error').ariaSort") == "descending"
    assert desk.run("document.querySelectorAll('.models th[aria-sort=none]').length") == 13
    desk.run("document.querySelector('.models th.seed button').click()")
    assert desk.run("document.querySelector('.models td.seed').textContent") == str(2**60)
    desk.run("document.querySelector('.models th.error button').click()")
    first = shown_ids(desk)
    desk.run("[...document.querySelectorAll('.pages button')].at(-1).click()")
    assert desk.run("document.querySelector('.models .found').textContent").startswith(
        "Rows 51 to 100 of 360"
    )
    assert not set(first) & set(shown_ids(desk))


def test_filtering(desk: chromium.Page, runs: pd.DataFrame) -> None:
    depth = np.array([sum(depths) for depths in runs["depths"]])
    wanted = runs[(runs["error"] < 20) & (depth >= 20) & (runs["space"] == "regnetx")]
    assert find(desk, "regnetx error<20 depth>=20").startswith(
        f"Rows 1 to {len(wanted)} of {len(wanted)}, out of 360"
    )
    assert set(shown_ids(desk)) == set(wanted["model_id"])
    assert find(desk, f"seed={2**60 + 17}").startswith("Rows 1 to 1 of 1,")
    assert shown_ids(desk) == [runs["model_id"][17]]
    assert find(desk, "no such model") == "No model of 360 fits"
    find(desk, "")
    desk.run(
        """(() => {
          const select = [...document.querySelectorAll('.models select')].at(-1);
          select.value = 'diverged';
          select.dispatchEvent(new Event('change'));
          select.value = '';
        })()"""
    )
    assert set(shown_ids(desk)) == set(runs["model_id"][runs["status"] == "diverged"])
    desk.run("[...document.querySelectorAll('.models select')].at(-1).dispatchEvent(new Event('change'))")


def test_the_keyboard_opens_a_model_and_comes_back(desk: chromium.Page) -> None:
    desk.run("document.querySelectorAll('.models .open')[2].focus()")
    opened = desk.run("document.activeElement.textContent")
    desk.key("Enter", 13, "\r")
    desk.wait("!document.querySelector('.card').hidden")
    assert desk.run("document.querySelector('.card .id').textContent") == opened
    assert desk.run("document.activeElement.className") == "close"
    desk.key("Escape", 27)
    assert desk.run("document.activeElement.textContent") == opened


def test_on_a_phone(browser: chromium.Browser, path: Path) -> None:
    page = chromium.Page(browser, 360, 740, phone=True)
    page.open(path)
    draw_charts(page)
    page.run("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    assert page.run("innerWidth") == 360
    assert page.run("document.documentElement.scrollWidth") == 360
    x, y, _ = point_of(page, "parameters", 2)
    page.tap(x, y)
    page.wait("!document.querySelector('.card').hidden")
    box: dict[str, Any] = page.run("document.querySelector('.card').getBoundingClientRect().toJSON()")
    assert box["left"] >= 0
    assert box["right"] <= 360
    assert page.events("Runtime.exceptionThrown") == []


def test_on_paper(browser: chromium.Browser, path: Path) -> None:
    page = chromium.Page(browser, 690, 1000)  # the width of a page of A4 within its margins
    page.open(path)
    page.send("Emulation.setEmulatedMedia", media="print")
    page.run("dispatchEvent(new Event('beforeprint'))")
    shown = "[...document.querySelectorAll({!r})].map((element) => element.checkVisibility())"
    assert page.run(shown.format(".chart, .controls, nav")).count(True) == 0
    assert all(page.run(shown.format("figure img, details.for-print table")))
    boxes = (
        "[...document.querySelectorAll('figure img, table, pre, h2')].map((e) => e.getBoundingClientRect())"
    )
    page.run(
        "document.querySelectorAll('details:not(.for-print)').forEach((details) => { details.open = true; })"
    )
    assert page.run(f"Math.max(...{boxes}.map((box) => box.right))") <= 691
    assert page.run("document.documentElement.scrollWidth") <= 690
    page.run("dispatchEvent(new Event('afterprint'))")
    assert page.run("document.querySelectorAll('details.pictures[open]').length") == 0
    pdf = page.send("Page.printToPDF")["data"]
    assert pdf.startswith("JVBERi0")  # %PDF-


def test_dark(browser: chromium.Browser, path: Path) -> None:
    page = chromium.Page(browser, 1280, 900)
    page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    page.open(path)
    draw_charts(page)
    lightness = (
        "((element, property) => getComputedStyle(element)[property]"
        ".match(/\\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 765)"
    )
    assert page.run(f"{lightness}(document.body, 'backgroundColor')") < 0.2
    assert page.run(f"{lightness}(document.body, 'color')") > 0.8
    assert page.run(f"{lightness}(document.querySelector('.xtick text'), 'fill')") > 0.5
    assert page.run(f"{lightness}(document.querySelector('.picture'), 'backgroundColor')") == 1
