"""Tables of runs with a known answer, as `runs.parquet` holds them."""

import numpy as np
import pandas as pd


def make_runs(space: str, statuses: list[str], *, seed: int = 0, stages: int = 4) -> pd.DataFrame:
    """One model a status; random networks of equal b and g, errors about 20 percent."""
    rng, n = np.random.default_rng(seed), len(statuses)
    done = np.array([status == "done" for status in statuses], dtype=bool)
    return pd.DataFrame(
        {
            "model_id": [f"{space}-{i:04d}" for i in range(n)],
            "space": space,
            "depths": rng.integers(1, 9, (n, stages)).tolist(),
            "widths": (8 * rng.integers(1, 65, (n, stages))).tolist(),
            "bottleneck_ratios": np.tile(rng.choice([1.0, 2.0, 4.0], (n, 1)), stages).tolist(),
            "group_widths": np.tile(rng.choice([1, 2], (n, 1)), stages).tolist(),
            "flops": rng.integers(900_000, 1_000_000, n),
            "params": rng.integers(20_000, 900_000, n),
            "acts": rng.integers(30_000, 200_000, n),
            "status": statuses,
            "error": np.where(done, np.round(rng.normal(20, 2, n), 2), np.nan),
            "reason": None,
        }
    )
