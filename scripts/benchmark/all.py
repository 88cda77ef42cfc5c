"""Run every benchmark, keep its output in results/benchmarks, and print the ratios: a table.

    python scripts/benchmark/all.py              # over an hour on two quiet cores
    python scripts/benchmark/all.py --only training sampling
    python scripts/benchmark/all.py --summary    # of what is kept; nothing is run

Each script compares what it times with a peer, in turns, on the same work.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import pandas as pd

from designspace.launch.local import available_cores
from designspace.store.versions import processor, versions

FOLDER = Path(__file__).parent
KEPT = FOLDER.parents[1] / "results" / "benchmarks"


@dataclass(frozen=True)
class Benchmark:
    """A script, and the lines of the table that its output gives."""

    arguments: tuple[str, ...]
    lines: Callable[[pd.DataFrame], list[str]]


def line(what: str, value: str, peer: str, ratios: pd.Series) -> str:
    """One row of the table; the spread of the ratios in brackets."""
    spread = f"{ratios.median():.3g} ({ratios.min():.3g} to {ratios.max():.3g})"
    return f"| {what} | {value} | {peer} | {spread} |"


def sampling(table: pd.DataFrame) -> list[str]:
    median = table.pivot_table(index="space", columns="measure", values="median", sort=False)
    ours, plain = median["networks a second with ids"], median["plain: networks a second"]
    slowest = ours.idxmin()
    return [
        line(
            "sampling, networks a second, seven spaces",
            f"{ours.min():,.0f} ({slowest}) to {ours.max():,.0f}",
            f"{plain.min():,.0f} to {plain.max():,.0f}, plain rejection in Python",
            median["times as fast"],
        )
    ]


def width_fit(table: pd.DataFrame) -> list[str]:
    overall = table[table["space"] == "all"].iloc[0]
    ratios = overall[["speedup_min", "speedup_median", "speedup_max"]].astype(float)
    ours, grid = overall["fit_per_second"], overall["grid_per_second"]
    peer = f"{grid:,.0f}, grid search whose e_fit is {overall['grid_excess']:.2f} above"
    return [line("width fit, networks a second", f"{ours:,.0f}, exact", peer, ratios)]


def training(table: pd.DataFrame) -> list[str]:
    models = table["models"].sum()
    ours, plain = (3600 * models / table[column].sum() for column in ("seconds", "plain_seconds"))
    return [
        line(
            "training, 1 MF networks an hour",
            f"{ours:,.0f}, error {table['error'][0]:.2f} %",
            f"{plain:,.0f}, error {table['plain_error'][0]:.2f} %, plain torchvision script",
            table["ratio"],
        )
    ]


def paper_scale(table: pd.DataFrame) -> list[str]:
    ours, plain = table["images_per_second"].median(), table["plain_images_per_second"].median()
    return [
        line(
            "training, 400 MF at 224 px, images a second",
            f"{ours:.0f}, {table['percent_of_peak'].median():.0f} % of the bf16 peak",
            f"{plain:.0f}, plain fp32 loop",
            table["ratio"],
        )
    ]


def launch(table: pd.DataFrame) -> list[str]:
    ours, theirs = table["pool"].median(), table["submitit"].median()
    what = "handing out a model, seconds"
    return [line(what, f"{ours:.2f}", f"{theirs:.2f}, submitit's local executor", table["ratio"])]


def data(table: pd.DataFrame) -> list[str]:
    last = table.iloc[-1]
    what = f"batches of an epoch of {last['images']:,.0f} files of 32 px, seconds"
    return [
        line(
            what,
            f"{last['cache']:.2f}, cached",
            f"{last['folder']:.1f}, read again",
            table["folder"] / table["cache"],
        )
    ]


def scale(table: pd.DataFrame) -> list[str]:
    """Nobody else collects, so there is no ratio."""
    collect = table[table["step"] == "collect"].iloc[-1]
    what = f"collecting {collect['models']:,} records, seconds"
    return [f"| {what} | {collect['seconds']:.0f}, {collect['peak_gb']:.1f} GB | | |"]


def report(table: pd.DataFrame) -> list[str]:
    """Nobody else analyses either."""
    study = table.iloc[-1]
    what = f"analysing {study['models']:,.0f} models, all figures and the report, seconds"
    return [f"| {what} | {study['analysis'] + study['files']:.0f} | | |"]


BENCHMARKS = {
    "sampling": Benchmark((), sampling),
    "training": Benchmark((), training),
    "paper_scale": Benchmark((), paper_scale),
    "launch": Benchmark((), launch),
    "width_fit": Benchmark((), width_fit),
    "report": Benchmark((), report),
    "data": Benchmark((), data),
    "scale": Benchmark(("--models", "3000", "100000"), scale),
}


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    return {
        "processor": processor(),
        "cores": available_cores(),
        "system": platform.system(),
        "versions": versions(),
        "date": datetime.now(timezone.utc).date().isoformat(),
    }


def run(name: str) -> None:
    """Run one script; its output replaces what was kept."""
    command = [sys.executable, str(FOLDER / f"{name}.py"), *BENCHMARKS[name].arguments]
    print(f"\n{name}", flush=True)
    subprocess.run([*command, "--output", str(KEPT / f"{name}.csv")], check=True)
    (KEPT / "machine.json").write_text(json.dumps(machine(), indent=1) + "\n", encoding="utf-8")


def summary() -> str:
    """The table of all outputs that are kept."""
    rows = ["| | designspace | peer | ratio (spread) |", "| --- | --- | --- | --- |"]
    for name, benchmark in BENCHMARKS.items():
        path = KEPT / f"{name}.csv"
        if path.exists():
            rows += benchmark.lines(pd.read_csv(path))
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument("--summary", action="store_true", help="run nothing")
    arguments = parser.parse_args()
    for name in [] if arguments.summary else arguments.only:
        run(name)
    print(f"\n{summary()}")


if __name__ == "__main__":
    main()
