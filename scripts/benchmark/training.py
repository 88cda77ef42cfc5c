"""Models an hour of the whole command against a plain script, on the same networks and images.

    python scripts/benchmark/training.py --space anynetx_c --models 64 --parts 4

The networks are trained in parts, each first by `sample_and_train.py` (which extends its population by the
part; sampling, start of the workers and collection included) and then by plain_training.py (with its start),
so that both see the same machine. At 64 models, half an hour on two cores. The share of the command's time
that its workers did not spend in training or validation steps is its overhead.
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


def run_part(results: Path, space: str, first: int, count: int) -> dict[str, object]:
    """Train `count` models from `first` on by both; errors are those of the same models in the same order."""
    cores = available_cores()
    overrides = [f"space={space}", f"num_models={first + count}", f"output_root={results}", "study=benchmark"]
    seconds, _ = timed(["scripts/sample_and_train.py", *overrides, f"launcher.workers={cores}"])
    folder = results / "benchmark" / space
    runs = pd.read_parquet(folder / "runs.parquet").iloc[first : first + count]
    steps = float(runs["train_seconds"].sum() + runs["val_seconds"].sum())
    plain_seconds, output = timed(
        ["scripts/benchmark/plain_training.py", str(folder), "--first", str(first), "--count", str(count),
         "--threads", str(cores)]
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
        "overhead_percent": round(100 * (1 - steps / (cores * seconds)), 2),
        "errors": runs["error"].to_numpy(dtype=float),
        "plain_errors": np.array([line["error"] for line in plain]),
    }


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
    print("models   ours   plain  ratio  not in steps   (seconds)")
    with tempfile.TemporaryDirectory() as folder:
        for first, end in zip([0, *ends], ends, strict=False):
            row = run_part(Path(folder), arguments.space, first, end - first)
            rows.append(row)
            print(
                f"{row['models']:6}  {row['seconds']:5}  {row['plain_seconds']:6}  {row['ratio']:5.2f}  "
                f"{row['overhead_percent']:10.1f} %",
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
    if arguments.output is not None:
        errors = {"error": ours.mean(), "plain_error": plain.mean()}
        table.assign(**{name: round(float(value), 3) for name, value in errors.items()}).to_csv(
            arguments.output, index=False
        )


if __name__ == "__main__":
    main()
