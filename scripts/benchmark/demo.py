"""How often does the demo show that RegNetX and AnyNetX_C differ?

    python scripts/sample_and_train.py experiment=demo -m space=anynetx_c,regnetx num_models=64 study=pilot
    python scripts/benchmark/demo.py results/pilot

The 64 networks of each space are a pilot in the demo's regime: populations of each size are drawn from them
with replacement, and Welch's test asks for a difference of the means at 5 %. Written to
results/benchmarks/demo.csv, one row per size: `models` of each space, `power` the share of draws with p <
0.05, `error_c` and `error_regnetx` the pilot's mean errors in percent with their standard deviations,
`train_seconds` the mean of one network on one core.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import ttest_ind

SPACES = ("anynetx_c", "regnetx")
SIZES = (10, 16, 20, 24, 32)
DRAWS = 10_000
TABLE = Path(__file__).parents[2] / "results" / "benchmarks" / "demo.csv"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path)
    study = parser.parse_args().study
    runs = [pd.read_parquet(study / space / "runs.parquet") for space in SPACES]
    errors = [table["error"].dropna().to_numpy() for table in runs]
    rng, rows = np.random.default_rng(0), []
    for size in SIZES:
        drawn = [rng.choice(of, (DRAWS, size)) for of in errors]
        p = ttest_ind(*drawn, axis=1, equal_var=False).pvalue
        row = {"models": size, "power": float((p < 0.05).mean())}
        for name, of in zip(("c", "regnetx"), errors, strict=True):
            row |= {f"error_{name}": of.mean(), f"sd_{name}": of.std(ddof=1), f"pilot_{name}": len(of)}
        rows.append({**row, "train_seconds": pd.concat(runs)["train_seconds"].mean()})
    table = pd.DataFrame(rows).round(4)
    table.to_csv(TABLE, index=False)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
