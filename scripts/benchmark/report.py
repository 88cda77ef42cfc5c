"""How long the report of a study takes, and how large it is: a table.

python scripts/benchmark/report.py --models 600 3000

The networks are sampled, 360 to 400 MF at 224 px. What is recorded of them is taken from the models of a
study, over and over, with the errors moved a little so that no two points are the same. Nothing of it is
kept. `analysis` computes all numbers, `files` draws and writes all figures and tables and the report;
`report` is the page alone. Seconds on the clock, with all cores.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from designspace import sample_space
from designspace.analysis.study import StudyAnalysis, analyze
from designspace.launch.local import Processes, available_cores
from designspace.pipeline.collect import study_runs
from designspace.report.contents import cautions, summary, topics
from designspace.report.html import write_report
from designspace.report.provenance import about_study
from designspace.report.write import write_analysis
from designspace.store.paths import find_study

Result = TypeVar("Result")

FLOPS = (360e6, 400e6)


def simulated(runs: pd.DataFrame, models: int, rng: np.random.Generator) -> pd.DataFrame:
    """So many models, spread evenly over the spaces of the runs."""
    spaces = list(runs.groupby("space"))
    sizes = [len(part) for part in np.array_split(np.arange(models), len(spaces))]
    parts = []
    for (name, space), size in zip(spaces, sizes, strict=True):
        networks = sample_space(str(name), size, flops=FLOPS)
        recorded = space.iloc[np.arange(size) % len(space)].drop(columns=networks.columns, errors="ignore")
        parts.append(pd.concat([networks, recorded.reset_index(drop=True)], axis=1))
    table: pd.DataFrame = pd.concat(parts, ignore_index=True)
    moved = table["error"] + rng.normal(0, 0.2, models)
    table["error"] = moved.clip(0, 100).round(3)
    return table


def timed(function: Callable[[], Result]) -> tuple[Result, float]:
    """The result, and the seconds that it took."""
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def report(study: StudyAnalysis, folder: Path) -> Path:
    """The page of figures and tables that are there."""
    about = about_study(study, {}, name="benchmark")
    return write_report(study, topics(study), folder, about, summary=summary(study), cautions=cautions(study))


def measure(runs: pd.DataFrame) -> dict[str, float]:
    """One line of the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "analysis"
        study, analysis = timed(lambda: analyze(runs, executor=Processes(available_cores())))
        _, files = timed(lambda: write_analysis(study, folder))
        path, page = timed(lambda: report(study, folder))
        size = path.stat().st_size / 1e6
    return {"models": len(runs), "analysis": analysis, "files": files, "report": page, "MB": size}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, nargs="+", default=[600, 3000])
    parser.add_argument("--output-root", default="results")
    parser.add_argument("--study", default="laptop_six_spaces")
    parser.add_argument("--output", type=Path, help="CSV to write, one row a number of models")
    arguments = parser.parse_args()
    runs = study_runs(find_study(arguments.output_root, arguments.study)).runs
    rows = [measure(simulated(runs, models, np.random.default_rng(0))) for models in arguments.models]
    table = pd.DataFrame(rows)
    print(table.to_string(index=False, float_format="{:.1f}".format))
    if arguments.output is not None:
        table.to_csv(arguments.output, index=False, float_format="%.2f")


if __name__ == "__main__":
    main()
