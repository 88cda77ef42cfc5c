"""Models an hour of the whole command against a plain script, on the same networks and images.

    python scripts/benchmark/training.py --space anynetx_c --models 64 --parts 4

The networks are trained in parts, each first by `sample_and_train.py` (which extends its population by the
part; sampling, start of the workers and collection included) and then by plain_training.py (with its start),
so that both see the same machine. At the end, one command trains all of them again: the share of its time
that its workers did not spend in training or validation steps is its overhead. At 64 models, an hour on two
cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from designspace.launch.local import available_cores

ROOT = Path(__file__).parents[2]


def timed(command: list[str]) -> tuple[float, str]:
    """Seconds that a command takes, and what it prints; ends the benchmark where it fails."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, env=os.environ
    )
    return time.perf_counter() - start, done.stdout


def train(results: Path, space: str, models: int) -> float:
    """Seconds of the command that extends a population to so many trained models."""
    overrides = [f"space={space}", f"num_models={models}", f"output_root={results}", "study=benchmark"]
    workers = f"launcher.workers={available_cores()}"
    return timed(["scripts/sample_and_train.py", *overrides, workers])[0]


def read_runs(results: Path, space: str) -> pd.DataFrame:
    """What the command recorded."""
    return pd.read_parquet(results / "benchmark" / space / "runs.parquet")


def run_part(results: Path, space: str, first: int, count: int) -> dict[str, object]:
    """Train `count` models from `first` on by both; errors are those of the same models in the same order."""
    seconds = train(results, space, first + count)
    runs = read_runs(results, space).iloc[first : first + count]
    plain_seconds, output = timed(
        ["scripts/benchmark/plain_training.py", str(results / "benchmark" / space), "--first", str(first),
         "--count", str(count), "--threads", str(available_cores())]
    )  # fmt: skip
    plain = [json.loads(line) for line in output.splitlines()]
    assert [line["model_id"] for line in plain] == list(runs["model_id"])
    return {
        "space": space,
        "first": first,
        "models": count,
        "seconds": round(seconds, 1),
        "plain_seconds": round(plain_seconds, 1),
        "ratio": round(plain_seconds / seconds, 3),
        "errors": runs["error"].to_numpy(dtype=float),
        "plain_errors": np.array([line["error"] for line in plain]),
    }


def overhead_percent(space: str, models: int) -> float:
    """Of one command for all models: time of its workers outside of training and validation steps."""
    with tempfile.TemporaryDirectory() as folder:
        seconds = train(Path(folder), space, models)
        runs = read_runs(Path(folder), space)
    steps = float(runs["train_seconds"].sum() + runs["val_seconds"].sum())
    overhead = 100 * (1 - steps / (available_cores() * seconds))
    print(f"{models} models in one command: {seconds:.0f} s, {overhead:.1f} % of it not in steps", flush=True)
    return overhead


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--space", default="anynetx_c")
    parser.add_argument("--models", type=int, default=64)
    parser.add_argument("--parts", type=int, default=4)
    parser.add_argument("--output", type=Path, help="CSV to write, one row a part")
    arguments = parser.parse_args()
    ends = [round(arguments.models * (i + 1) / arguments.parts) for i in range(arguments.parts)]
    rows = []
    print("models   ours   plain  ratio   (seconds)")
    with tempfile.TemporaryDirectory() as folder:
        for first, end in zip([0, *ends], ends, strict=False):
            row = run_part(Path(folder), arguments.space, first, end - first)
            rows.append(row)
            print(
                f"{row['models']:6}  {row['seconds']:5}  {row['plain_seconds']:6}  {row['ratio']:5.2f}",
                flush=True,
            )
    table = pd.DataFrame(rows)
    ours, plain = (np.concatenate(table.pop(name)) for name in ("errors", "plain_errors"))
    hours = table["seconds"].sum() / 3600, table["plain_seconds"].sum() / 3600
    difference = ours - plain
    print(
        f"models an hour: {len(ours) / hours[0]:.0f} against {len(ours) / hours[1]:.0f}: "
        f"{hours[1] / hours[0]:.2f} times (parts: {table['ratio'].min():.2f} to {table['ratio'].max():.2f})\n"
        f"mean error: {np.nanmean(ours):.2f} against {np.nanmean(plain):.2f} %, difference "
        f"{np.nanmean(difference):+.2f} with a standard error of "
        f"{np.nanstd(difference, ddof=1) / len(difference) ** 0.5:.2f} points"
    )
    whole = {
        "error": ours.mean(),
        "plain_error": plain.mean(),
        "overhead_percent": overhead_percent(arguments.space, arguments.models),
    }
    if arguments.output is not None:
        table = table.assign(**{name: round(float(value), 3) for name, value in whole.items()})
        table.to_csv(arguments.output, index=False)


if __name__ == "__main__":
    main()
