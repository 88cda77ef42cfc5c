import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="session")
def runs() -> pd.DataFrame:
    """Two spaces of 12 models: 8 with an error, one diverged, one failed, two not run yet."""
    rng = np.random.default_rng(0)
    frames = []
    for space in ("anynetx_c", "a <$b$> & /c"):
        status = ["done"] * 8 + ["diverged", "failed", "missing", "missing"]
        frame = pd.DataFrame(
            {
                "model_id": [f"{i:016x}" for i in range(12)],
                "space": space,
                "depths": rng.integers(1, 9, (12, 4)).tolist(),
                "widths": (8 * rng.integers(1, 65, (12, 4))).tolist(),
                "bottleneck_ratios": [[1.0] * 4] * 12,
                "group_widths": [[4] * 4] * 12,
                "flops": 1_000_000,
                "params": rng.integers(10_000, 90_000, 12),
                "acts": rng.integers(10_000, 90_000, 12),
                "status": status,
                "error": np.where(np.arange(12) < 8, rng.normal(20, 1, 12), np.nan),
            }
        )
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)
