import base64
import csv
import json
import re
import shutil
from collections.abc import Sequence
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from designspace.analysis.study import StudyAnalysis, analyze
from designspace.report.edf_figure import edf_figure
from designspace.report.files import save_figure
from designspace.report.html import _split_configs, write_report
from designspace.report.page_data import page_data
from designspace.report.page_files import SVG_BYTES, embed_picture, embed_table
from designspace.report.provenance import About, LeftOut, about_study
from designspace.report.topic import Topic

EVIL = "<script>alert(1)</script>"


class Elements(HTMLParser):
    """Elements with their attributes, and the text of those that hold code or data."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": [], "title": [], "h1": [], "h2": []}
        self._open = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._open = tag
        if tag in self.texts:
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in self.texts:
            self.texts[self._open][-1] += data


@pytest.fixture(scope="module")
def study(runs: pd.DataFrame) -> StudyAnalysis:
    return analyze(runs)


@pytest.fixture(scope="module")
def drawn(study: StudyAnalysis, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """A figure as SVG and as PNG."""
    return tuple(sorted(save_figure(edf_figure(study), tmp_path_factory.mktemp("drawn"), "edf")))


def report(folder: Path, study: StudyAnalysis, sections: Sequence[Topic] = ()) -> str:
    path = write_report(study, sections, folder, About("study"))
    assert path == folder / "report.html"
    return path.read_text(encoding="utf-8")


def test_names_with_markup_stay_text(runs: pd.DataFrame, tmp_path: Path) -> None:
    runs = runs.assign(space=runs["space"].replace("anynetx_c", EVIL), reason=EVIL)
    runs["model_id"] = EVIL + runs["model_id"]
    (tmp_path / "t.csv").write_text(f"name,value\n{EVIL},1\n")
    study = analyze(runs)
    about = about_study(
        study, {EVIL: {"seed": 1, EVIL: EVIL}}, name=EVIL, command=EVIL, versions={EVIL: EVIL}
    )
    path = write_report(
        study,
        [Topic("x", EVIL, EVIL, tables={"t.csv": None})],
        tmp_path,
        about,
        summary=[EVIL],
        cautions=[EVIL],
    )
    elements = Elements(path.read_text(encoding="utf-8"))
    assert [tag for tag, _ in elements.found].count("script") == 3  # the data, Plotly, the page's own
    assert not set(elements.texts["script"][0]) & set("<>&")  # none of it can end the element
    assert json.loads(elements.texts["script"][0])["spaces"][0]["name"] == EVIL
    assert elements.texts["h1"] == [EVIL]
    assert EVIL in elements.texts["h2"]
    assert all(not name.startswith("on") for _, attributes in elements.found for name in attributes)


def test_nothing_in_the_page_refers_to_another_place(
    study: StudyAnalysis, drawn: tuple[Path, ...], tmp_path: Path
) -> None:
    for path in drawn:
        shutil.copy(path, tmp_path)
    page = report(tmp_path, study, sections=[Topic("errors", "Errors", figures={"edf": None})])
    for tag, attributes in Elements(page).found:
        assert (attributes.get("src") or "data:").startswith("data:")
        assert "srcset" not in attributes
        if tag == "link":
            assert attributes["href"] == "data:,"
        elif "href" in attributes:
            assert re.fullmatch(r"#[\w-]+|edf\.(svg|png)", attributes["href"] or "")


def test_policy_allows_exactly_the_scripts_of_the_page(study: StudyAnalysis, tmp_path: Path) -> None:
    elements = Elements(report(tmp_path, study))
    policies = [
        a["content"] or "" for _, a in elements.found if a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert len(policies) == 1
    parts = dict(part.split(" ", 1) for part in policies[0].split("; "))
    assert parts["default-src"] == "'none'"
    assert parts["img-src"] == "data:"
    assert parts["script-src"].count("sha256-") == 2
    assert "unsafe" not in parts["script-src"]
    assert "connect-src" not in parts


def test_same_input_same_page(runs: pd.DataFrame, study: StudyAnalysis, tmp_path: Path) -> None:
    again = analyze(runs.sample(frac=1, random_state=1))
    assert report(tmp_path, study) == report(tmp_path, again)


@pytest.mark.parametrize("rows", [[], [0], [8], [10]], ids=["nothing", "one", "diverged", "missing"])
def test_studies_of_which_little_is_known(rows: list[int], runs: pd.DataFrame, tmp_path: Path) -> None:
    elements = Elements(report(tmp_path, analyze(runs.iloc[rows])))
    data = json.loads(elements.texts["script"][0])
    assert len(data["models"]["space"]) == len(rows)


def test_a_failed_report_leaves_the_old_one(study: StudyAnalysis, tmp_path: Path) -> None:
    report(tmp_path, study)
    with pytest.raises(FileNotFoundError, match="no_such_figure"):
        report(tmp_path, study, sections=[Topic("x", "X", figures={"no_such_figure": None})])
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_every_chart_is_drawn_once_and_replaces_its_own_figures_only(
    study: StudyAnalysis, drawn: tuple[Path, ...], tmp_path: Path
) -> None:
    for path in drawn:
        shutil.copy(path, tmp_path)
        shutil.copy(path, tmp_path / f"other{path.suffix}")
    page = report(
        tmp_path, study, sections=[Topic("e", "E", figures={"edf": None, "other": None}, chart="edf")]
    )
    charts = [a["data-chart"] for _, a in Elements(page).found if "data-chart" in a]
    assert charts == ["edf", "parameters", "costs"]
    folded = page[page.index('<details class="pictures') :].split("</details>")[0]
    assert "(edf)" in folded
    assert "(other)" not in folded
    assert "(other)" in page


def test_numbers_are_those_of_the_runs(runs: pd.DataFrame) -> None:
    seeds = [2**60 + i for i in range(len(runs))]  # more digits than a float of JavaScript holds
    runs = runs.assign(seed=seeds, val_errors=[[30.0, float(i)] for i in range(len(runs))])
    study = analyze(runs)
    data = json.loads(page_data(study))
    ordered = runs.sort_values(["space", "model_id"])
    models = data["models"]
    for name in ("model_id", "status", "depths", "widths", "params"):
        assert models[name] == ordered[name].tolist()
    assert models["seed"] == [str(seed) for seed in ordered["seed"]]
    assert models["val_errors"] == ordered["val_errors"].tolist()
    errors = [np.nan if error is None else error for error in models["error"]]
    np.testing.assert_allclose(errors, ordered["error"].to_numpy(), rtol=1e-8)
    depths = [sum(depths) for depths in ordered["depths"]]
    assert data["values"]["depth"] == depths
    names = [data["spaces"][index]["name"] for index in models["space"]]
    assert names == ordered["space"].tolist()
    # a point of a curve is found by its error
    steps = data["spaces"][0]["errors"]
    own = [e for e, s in zip(models["error"], models["space"], strict=True) if s == 0 and e is not None]
    assert set(own) == set(steps) - {0, 100}


def test_small_figures_are_svg_and_large_ones_without_loss(drawn: tuple[Path, ...], tmp_path: Path) -> None:
    for path in drawn:
        shutil.copy(path, tmp_path)
    small = embed_picture(tmp_path, "edf")
    assert small.source.startswith("data:image/svg+xml;base64,")
    with Image.open(tmp_path / "edf.png") as image:
        assert image.width / image.height == pytest.approx(small.width / small.height, rel=0.01)
        assert image.width * 96 / 200 == pytest.approx(small.width, abs=2)
        pixels = np.asarray(image.convert("RGB"))
    with open(tmp_path / "edf.svg", "a") as file:
        file.write(" " * SVG_BYTES)
    large = embed_picture(tmp_path, "edf")
    assert (large.width, large.height) == pytest.approx((small.width, small.height), abs=1)
    kind, content = large.source.split(";base64,")
    assert kind in ("data:image/webp", "data:image/png")
    with Image.open(BytesIO(base64.b64decode(content))) as image:
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), pixels)


def test_tables_are_shortened_for_reading_but_not_names(tmp_path: Path) -> None:
    with open(tmp_path / "a b.csv", "w", newline="") as file:
        csv.writer(file).writerows(
            [
                ("model_id", "value", "count", "mixed"),
                ("1234567890123456", "18.123456", "384", "x"),
                ("12e4", "", "1234567", "1.5"),
            ]
        )
    table = embed_table(tmp_path, "a b.csv")
    assert table.address == "a%20b.csv"
    assert table.numeric == (False, True, True, False)
    assert table.rows == (("1234567890123456", "18.12", "384", "x"), ("12e4", "–", "1,234,567", "1.5"))
    (tmp_path / "long.csv").write_text("x\n" + "1\n" * 500)
    long = embed_table(tmp_path, "long.csv")
    assert (long.rows, long.length) == ((), 500)
    (tmp_path / "empty.csv").write_text("")
    assert embed_table(tmp_path, "empty.csv").header == ()


def test_settings_are_shown_once_where_spaces_agree() -> None:
    one = {"seed": 0, "space": {"name": "a", "stages": 4}, "train": {"lr": 0.1}, "extra": 1}
    two = {"seed": 0, "space": {"name": "b", "stages": 4}, "train": {"lr": 0.1}}
    shared, own = _split_configs({"a": one, "b": two})
    assert shared == {"seed": 0, "space": {"stages": 4}, "train": {"lr": 0.1}}
    assert own == {"a": {"space": {"name": "a"}, "extra": 1}, "b": {"space": {"name": "b"}}}
    assert _split_configs({"a": one}) == ({}, {"a": one})
    assert _split_configs({}) == ({}, {})


def test_what_is_left_out_is_counted_by_reason(runs: pd.DataFrame) -> None:
    runs = runs[runs["space"] == "anynetx_c"].assign(reason=None, device="cpu", precision="fp32", seed=3)
    runs.loc[runs["status"] == "diverged", "reason"] = "loss is nan"
    about = about_study(analyze(runs), {"anynetx_c": {"seed": 5}}, name="s")
    assert about.left_out == (
        LeftOut("anynetx_c", "missing", "not run yet", 2),
        LeftOut("anynetx_c", "diverged", "loss is nan", 1),
        LeftOut("anynetx_c", "failed", "", 1),
    )
    assert about.devices == {"anynetx_c": ("cpu, fp32: 12 models",)}
    assert about.seeds["populations and training"] == "5"


def test_nothing_is_known_of_the_devices_of_models_that_did_not_run(runs: pd.DataFrame) -> None:
    ran = runs[runs["space"] == "anynetx_c"].assign(device="cpu", precision="fp32")
    waiting = ran.assign(space="regnetx", status="missing", error=np.nan, device=None, precision=None)
    about = about_study(analyze(pd.concat([ran, waiting], ignore_index=True)), {}, name="s")
    assert about.devices == {"anynetx_c": ("cpu, fp32: 12 models",), "regnetx": ()}


def test_many_reasons_are_summed_up(runs: pd.DataFrame) -> None:
    runs = pd.concat([runs.iloc[[9]]] * 30, ignore_index=True)
    runs = runs.assign(model_id=[f"{i:04d}" for i in range(30)], reason=[f"reason {i}" for i in range(30)])
    left_out = about_study(analyze(runs), {}, name="s").left_out
    assert len(left_out) == 21
    assert left_out[-1].models == 10
    assert sum(part.models for part in left_out) == 30


def test_the_line_below_the_title_says_what_all_spaces_have_in_common() -> None:
    one = {
        "data": {"name": "clothes"},
        "train": {"epochs": 4},
        "budget": {"flops": [9e5, 1e6], "params": None, "resolution": 32},
        "created": "2026-05-02T10:00:00+00:00",
    }
    other = {**one, "train": {"epochs": 1}, "created": "2026-05-01T10:00:00+00:00"}
    line = "clothes at 32 px, 4 epochs, 0.9 to 1 million flops, begun 2026-05-02"
    assert About("study", configs={"a": one}).set_up == line
    both = About("study", configs={"a": one, "b": other}).set_up
    assert both == "clothes at 32 px, 0.9 to 1 million flops, begun 2026-05-01"
    assert About("study").set_up == ""
