"""The network that was found, and its test error beside those of published networks."""

from __future__ import annotations

from typing import Any

import pandas as pd

from designspace.analysis.statistics import wilson

COLUMNS = f"{'network':<28}{'MF':>8}{'M params':>10}{'test error %':>14}{'95 % interval':>18}"


def found_text(network_id: str, tested: pd.DataFrame) -> str:
    """A sentence on the network, and a table, 80 columns wide; `tested` are rows of final.csv, its own first.

    Errors are means over the seeds; the intervals are those of the test images (Wilson), not of the seeds.
    """
    first = tested.iloc[0]
    lines = [
        f"found: {network_id} of {first['space']}, chosen by its validation error, "
        f"{first['val_error']:.2f} %, tested on {int(first['test_images']):,} images",
        COLUMNS,
        *(_line(row) for row in tested.to_dict("records")),
    ]
    if len(tested) == 1:
        lines.append("no published network was tested beside it")
    return "\n".join(lines)


def _line(row: dict[Any, Any]) -> str:
    name = row["network"] if isinstance(row.get("network"), str) else row["network_id"]
    low, high = wilson(row["test_error"] / 100, row["test_images"])
    return (
        f"{name[:27]:<28}{row['flops'] / 1e6:>8.2f}{row['params'] / 1e6:>10.3f}{row['test_error']:>14.2f}"
        f"{f'{100 * float(low):.2f} to {100 * float(high):.2f}':>18}"
    )
