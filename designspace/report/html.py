"""One self-contained page of a study: words, figures, charts to explore, every model, how it was made.

The page asks for nothing: pictures are data, Plotly and the page's own script are part of it, and its
content security policy allows neither requests nor any script but these two.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial, reduce
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from designspace.analysis.study import SpaceAnalysis, StudyAnalysis
from designspace.files import replacing
from designspace.report.page_data import page_data
from designspace.report.page_files import Picture, embed_picture, embed_table
from designspace.report.provenance import About
from designspace.report.style import color, without_error
from designspace.report.text.numbers import number
from designspace.report.topic import Topic

CHARTS = {
    "edf": "Error distributions",
    "parameters": "Error against any parameter",
    "costs": "Complexity and time",
}
SCRIPTS = ("core.js", "card.js", "charts.js", "table.js", "main.js")  # in this order


def write_report(
    study: StudyAnalysis,
    topics: Sequence[Topic],
    folder: Path,
    about: About,
    *,
    summary: Sequence[str] = (),
    cautions: Sequence[str] = (),
) -> Path:
    """Write `report.html` into the folder: whole or not at all, the same for the same input.

    The files of the topics' figures and tables are in the folder already.

    Summary and cautions are paragraphs of plain text, shown on top of the page. A chart that no topic
    claims gets one of its own: the distributions in front of all others, the rest behind.
    """
    page = _page(study, _with_charts(topics), folder, about, summary, cautions)
    path = folder / "report.html"
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")
    return path


def _with_charts(topics: Sequence[Topic]) -> list[Topic]:
    claimed = [topic.chart for topic in topics if topic.chart]
    assert len(set(claimed)) == len(claimed), f"a chart is drawn once, but got {claimed}"
    assert set(claimed) <= set(CHARTS), f"charts are {list(CHARTS)}, but got {claimed}"
    assert len({topic.id for topic in topics}) == len(topics), "ids of topics must differ"
    free = {
        name: Topic(f"chart-{name}", title, chart=name)
        for name, title in CHARTS.items()
        if name not in claimed
    }
    first = [free.pop("edf")] if "edf" in free else []
    return [*first, *topics, *free.values()]


def _page(
    study: StudyAnalysis,
    topics: Sequence[Topic],
    folder: Path,
    about: About,
    summary: Sequence[str],
    cautions: Sequence[str],
) -> str:
    scripts = (_plotly(), _own_script())
    shared, own = _split_configs(about.configs)
    pictures = _pictures(topics, folder)
    page: str = _template().render(
        title=f"{about.study}: design spaces compared",
        policy=_content_policy(scripts),
        css=Markup(_asset("page.css")),
        plotly=Markup(scripts[0]),
        script=Markup(scripts[1]),
        data=Markup(page_data(study)),
        summary=summary,
        cautions=cautions,
        spaces=[_summary_row(space, index) for index, space in enumerate(study.spaces)],
        sections=[_section(topic, folder, pictures) for topic in topics],
        about=about,
        models=sum(len(space.runs) for space in study.spaces),
        shared_config=_yaml(shared),
        own_configs={name: _yaml(config) for name, config in own.items()},
    )
    return page


def _template() -> Any:
    environment = Environment(
        loader=FunctionLoader(_asset),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")


def _asset(name: str) -> str:
    return files("designspace.report").joinpath("page", name).read_text(encoding="utf-8")


def _plotly() -> str:
    from plotly.offline import get_plotlyjs  # slow to import

    return str(get_plotlyjs())


def _own_script() -> str:
    return "(() => {\n'use strict';\n" + "\n".join(map(_asset, SCRIPTS)) + "})();\n"


def _content_policy(scripts: Sequence[str]) -> str:
    """No request of any kind, no script but these; styles are free, as Plotly writes its own."""
    for script in scripts:
        assert re.search("</script|<!--", script, re.IGNORECASE) is None, "would end its element"
    hashes = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode("ascii") for s in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _summary_row(space: SpaceAnalysis, index: int) -> dict[str, str]:
    summary = space.summary
    mean, median = space.mean.estimate.interval, summary.median_interval
    plain = space.mean.plain.interval
    return {
        "name": space.name,
        "color": color(index),
        "n": str(summary.counts.n),
        "min": _number(summary.min),
        "mean": _number(space.mean.estimate.value),
        "mean_interval": f"{_number(mean.low)} to {_number(mean.high)}",
        "worth": _number(space.mean.worth),
        "plain": f"{_number(space.mean.plain.value)} ({_number(plain.low)} to {_number(plain.high)})",
        "median": _number(summary.median),
        "median_interval": f"{_number(median.low)} to {_number(median.high)}",
        "left_out": without_error(summary.counts).strip("()") or "none",
    }


def _number(value: float) -> str:
    return number(value, unknown="–")


def _pictures(topics: Sequence[Topic], folder: Path) -> dict[str, Picture]:
    """All figures by name; in threads, because packing them takes the time, and leaves Python's lock."""
    stems = [stem for topic in topics for stem in topic.figures]
    with ThreadPoolExecutor() as threads:
        return dict(zip(stems, threads.map(partial(embed_picture, folder), stems), strict=True))


def _section(topic: Topic, folder: Path, pictures: Mapping[str, Picture]) -> dict[str, Any]:
    replaced = [stem for stem in topic.figures if topic.chart and stem.split("_")[0] == topic.chart]
    return {
        "id": topic.id,
        "title": topic.title,
        "paragraphs": topic.paragraphs,
        "pictures": [pictures[stem] for stem in topic.figures if stem not in replaced],
        "replaced": [pictures[stem] for stem in replaced],
        "tables": [embed_table(folder, name) for name in topic.tables],
        "chart": topic.chart,
    }


def _split_configs(configs: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What all spaces have in common, and for each space the rest."""
    if len(configs) < 2:
        return {}, dict(configs)
    shared = reduce(_common, configs.values())
    return dict(shared), {name: _without(config, shared) for name, config in configs.items()}


def _common(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    both: dict[str, Any] = {}
    for key in one:
        if key in other and one[key] == other[key]:
            both[key] = one[key]
        elif isinstance(one[key], Mapping) and isinstance(other.get(key), Mapping):
            both[key] = _common(one[key], other[key])
    return {key: value for key, value in both.items() if value != {}}


def _without(config: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    rest: dict[str, Any] = {}
    for key, value in config.items():
        if key not in shared:
            rest[key] = value
        elif isinstance(value, Mapping) and value != shared[key]:
            rest[key] = _without(value, shared[key])
    return rest


def _yaml(config: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True) if config else ""
