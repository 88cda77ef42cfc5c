"""What the page's charts, cards and table show of a study, as one JSON document."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from designspace.analysis.study import SpaceAnalysis, StudyAnalysis
from designspace.networks.complexity import METRICS
from designspace.report.edf_figure import legend_text
from designspace.report.labels import ERROR_LABEL, PARAMETER_LABELS
from designspace.report.style import color, dashes

DASHES = {"-": "solid", "--": "dash", ":": "dot"}  # Matplotlib's name -> Plotly's
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "triangle-down")
LISTS = ("depths", "widths", "bottleneck_ratios", "group_widths", "val_errors")
TEXTS = ("model_id", "status", "reason", "device", "precision")
NUMBERS = ("error", "flops", "params", "acts", "epochs", "train_seconds", "val_seconds", "images_per_second")
LABELS = {
    **{name: label for name, label in PARAMETER_LABELS.items() if "{}" not in label},
    "error": ERROR_LABEL,
    "flops": "flops [million multiply-adds]",
    "e_fit": "e_fit = mean |log(fitted / observed width)|",
    "train_seconds": "training time [s]",
    "val_seconds": "validation time [s]",
    "images_per_second": "training speed [images / s]",
}
STAGE_LABELS = {
    "d": PARAMETER_LABELS["d"],
    "w": PARAMETER_LABELS["w"],
    "b": "bottleneck ratio b of stage {}",
    "g": "group width g of stage {} [channels]",
}


def page_data(study: StudyAnalysis) -> str:
    """JSON that can stand in a script element: no character in it can end the element."""
    names = list(dict.fromkeys(str(name) for space in study.spaces for name in space.parameters))
    times = [name for name in NUMBERS[-3:] if any(name in space.runs for space in study.spaces)]
    content = {
        "spaces": [_space(space, index) for index, space in enumerate(study.spaces)],
        "references": [
            {"network": point.network, "error": point.error}
            for point in study.references
            if point.error <= study.window.high
        ],
        "window": [study.window.low, study.window.high],
        "axes": {name: _axis(name) for name in (*names, *times, "error")},
        "parameters": names,
        "costs": [name for name in (*METRICS, *times) if name in names or name in times],
        "models": _models(study),
        "values": {name: _values(study, name) for name in names},
    }
    text = json.dumps(_finite(content), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _space(space: SpaceAnalysis, index: int) -> dict[str, Any]:
    edf = space.edf
    return {
        "name": space.name,
        "legend": legend_text(edf),
        "n": edf.n,
        "color": color(index),
        "dash": DASHES[dashes(index)],
        "symbol": SYMBOLS[index % len(SYMBOLS)],
        "confidence": edf.confidence,
        "errors": _rounded(edf.errors),
        "shares": _rounded(edf.shares),
        "lower": _rounded(edf.lower),
        "upper": _rounded(edf.upper),
    }


def _axis(name: str) -> dict[str, Any]:
    """Title, factor from value to axis, and whether powers of two are the natural ticks."""
    stage = name[0] in STAGE_LABELS and name[1:].isdigit() and name not in LABELS
    label = STAGE_LABELS[name[0]].format(name[1:]) if stage else LABELS.get(name, name)
    return {
        "label": label,
        "scale": 1e-6 if name in METRICS else 1,
        "log2": name in ("b", "g") or (stage and name[0] in "wbg"),
    }


def _models(study: StudyAnalysis) -> dict[str, list[Any]]:
    """Columns of equal length, one entry a model, in the order of the spaces and of the model ids."""
    spaces = [index for index, space in enumerate(study.spaces) for _ in range(len(space.runs))]
    columns: dict[str, list[Any]] = {"space": spaces}
    for name in (*TEXTS, *NUMBERS, *LISTS):
        columns[name] = [value for space in study.spaces for value in _column(space.runs, name)]
    # whole numbers beyond 2^53 are not exact in JavaScript
    columns["seed"] = [_text(value) for space in study.spaces for value in _cells(space.runs, "seed")]
    return columns


def _column(runs: pd.DataFrame, name: str) -> Iterable[Any]:
    if name in TEXTS:
        return map(_text, _cells(runs, name))
    if name in LISTS:
        return (_rounded(cell) if _is_list(cell) else [] for cell in _cells(runs, name))
    return _rounded(pd.Series(_cells(runs, name), dtype=object).to_numpy(dtype=float, na_value=np.nan))


def _cells(runs: pd.DataFrame, name: str) -> Sequence[Any]:
    return list(runs[name].astype(object)) if name in runs else [None] * len(runs)


def _is_list(cell: Any) -> bool:
    return isinstance(cell, list | tuple | np.ndarray)


def _text(cell: Any) -> str:
    if cell is None or cell is pd.NA or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _values(study: StudyAnalysis, name: str) -> list[float]:
    """One parameter of every model; NaN for the models of spaces that do not have it."""
    parts = [
        space.parameters[name].to_numpy(dtype=float)
        if name in space.parameters
        else np.full(len(space.runs), np.nan)
        for space in study.spaces
    ]
    return _rounded(np.concatenate(parts)) if parts else []


def _rounded(values: Iterable[float]) -> list[float]:
    """Nine digits, so that what is equal stays equal, at half the length."""
    return [float(f"{value:.9g}") for value in values]


def _finite(value: Any) -> Any:
    """JSON knows no NaN: null. Whole numbers are written without a point, which is shorter."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if value.is_integer() else value
    return value
