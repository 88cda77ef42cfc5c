"""Published networks as a table."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from designspace.analysis.references import ReferencePoint
from designspace.networks.published import UNBUILT, published_error
from designspace.report.tables.columns import estimate_columns

REFERENCES = (
    *("network", "list", "model_id", "status", "error", "flops", "params", "acts", "train_seconds"),
    *(
        "published_imagenet_error",
        "space",
        "n",
        "better_than",
        "better_than_low",
        "better_than_high",
        "flops_ratio",
    ),
)


def reference_table(points: Sequence[ReferencePoint]) -> pd.DataFrame:
    """One row for every network and space: the share of its models that the network is better than.

    With 95 % Wilson intervals; `flops_ratio` is its flops over the median of the space's. A network has one
    row without a space where the study has none. `published_imagenet_error` is the paper's, of networks that
    are not narrowed.
    """
    rows = []
    for point in points:
        own = {key: getattr(point, key) for key in REFERENCES[:9] if key != "list"}
        own |= {"list": point.space, "published_imagenet_error": published_error(point.network)}
        for found in point.standings:
            standing = {"space": found.space, "n": found.n, "flops_ratio": found.flops_ratio}
            rows.append(own | standing | estimate_columns("better_than", found.better_than))
        if not point.standings:
            rows.append(own)
    return pd.DataFrame(rows, columns=REFERENCES)


def unbuilt_table() -> pd.DataFrame:
    """Networks of the mobile regime that are not built here, with the figures that the paper prints."""
    rows = [
        {
            "network": row.model,
            "published_flops_b": row.flops_b,
            "published_params_m": row.params_m,
            "published_imagenet_error": row.error,
        }
        for row in UNBUILT
    ]
    return pd.DataFrame(rows)
