"""The table of the final trainings: one row for each network, over its seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from designspace.analysis.final import Curve, FinalNetwork, final_networks
from designspace.store.looks import count_looks
from designspace.store.paths import FinalFolder, StudyFolder
from designspace.store.population import read_settings
from designspace.store.records import Record, Status, valid_record
from designspace.store.tables import read_models
from designspace.training.messages import Final

DESCRIBED = (
    *("space", "network_id", "network", "block", "stem_width", "stem_stride"),
    *("depths", "widths", "bottleneck_ratios", "group_widths", "flops", "params", "acts"),
    *("asked", "brief_error"),
)


def final_table(folder: FinalFolder, networks: pd.DataFrame, final: Final) -> pd.DataFrame:
    """One row for each network; errors in percent, mean and standard deviation over the seeds that ended."""
    rows = []
    for _, part in networks.groupby("network_id", sort=False):
        first = part.iloc[0]
        found = [valid_record(folder, model_id) for model_id in part["model_id"]]
        done = [record for record in found if record is not None and record.status is Status.DONE]
        looks = [count_looks(final.looks, model_id, final.recipe) for model_id in part["model_id"]]
        described = {name: first[name] for name in DESCRIBED if name in first}
        rows.append({**described, **_summary(done), "looks": max(looks)})
    return pd.DataFrame(rows)


def read_finals(study: StudyFolder) -> tuple[FinalNetwork, ...]:
    """The networks of all final trainings of a study that have a table, with their learning curves."""
    found: list[FinalNetwork] = []
    for folder in study.finals():
        curves: dict[str, list[Curve]] = {}
        for row in read_models(folder)[["network_id", "model_id"]].to_dict("records"):
            record = valid_record(folder, row["model_id"])
            if record is not None and record.status is Status.DONE:
                curves.setdefault(row["network_id"], []).append(_curve(record))
        table = pd.read_csv(folder.table, dtype={"network_id": str})
        batch_size = read_settings(folder)["train"]["batch_size"]
        found += final_networks(folder.name, table, curves, batch_size)
    return tuple(found)


def _curve(record: Record) -> Curve:
    errors = [epoch.val_error for epoch in record.history]
    return Curve(
        tuple(epoch.train_loss for epoch in record.history),
        tuple(error for error in errors if error is not None),
    )


def _summary(done: Sequence[Record]) -> dict[str, Any]:
    """The columns that summarise the records of one network."""
    tests = [record.test for record in done if record.test is not None]
    return {
        "seeds": len(done),
        "epochs": done[0].epochs if done else None,
        **_mean_and_std("val_error", [record.error for record in done]),
        "tested": len(tests),
        "test_images": tests[0].images if tests else None,
        **_mean_and_std("test_error", [test.error for test in tests]),
        **_mean_and_std("test_top5_error", [test.top5_error for test in tests]),
        **_mean_and_std("test_flip_error", [test.flip_error for test in tests]),
        **_mean_and_std("test_loss", [test.loss for test in tests]),
        "train_seconds": _mean([record.train_seconds for record in done]),
    }


def _mean_and_std(name: str, values: Sequence[float | None]) -> dict[str, float | None]:
    known = [value for value in values if value is not None]
    std = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return {name: _mean(values), f"{name}_std": std}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def final_text(table: pd.DataFrame) -> str:
    """The table for the terminal, 80 columns wide."""
    lines = [f"{'network':<26}{'space':<14}{'MF':>8}{'M params':>10}{'seeds':>6}{'test error %':>16}"]
    for row in table.to_dict("records"):
        name = row["network"] if isinstance(row.get("network"), str) else row["network_id"]
        error, std = row["test_error"], row["test_error_std"]
        shown = "-" if pd.isna(error) else f"{error:.2f}"
        shown += "" if pd.isna(std) else f" +- {std:.2f}"
        lines.append(
            f"{_shortened(name, 25):<26}{_shortened(row['space'], 13):<14}{row['flops'] / 1e6:>8.2f}"
            f"{row['params'] / 1e6:>10.3f}{row['seeds']:>6}{shown:>16}"
        )
    if again := table[table["looks"] > 1]["network_id"].tolist():
        lines.append(f"tested more than once with one seed, see the column looks: {', '.join(again)}")
    return "\n".join(lines)


def _shortened(text: str, width: int) -> str:
    """The text, its middle left out where it is longer."""
    if len(text) <= width:
        return text
    end = (width - 3) // 2
    return f"{text[: width - 3 - end]}...{text[-end:]}"
