"""The final trainings as a table."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from designspace.analysis.final import FinalNetwork
from designspace.networks.published import published_error

FINAL = (
    *("network", "space", "folder", "flops", "params", "acts", "epochs", "batch_size", "train_seconds"),
    *("seeds", "val_error", "test_error", "test_std", "test_low", "test_high", "test_images", "looks"),
    "published_imagenet_error",
)


def final_networks_table(networks: Sequence[FinalNetwork]) -> pd.DataFrame:
    """One row per network, by flops and then activations, as the paper's tables have it.

    Errors are top-1 percent, means over the seeds with their standard deviation; `test_low` and `test_high`
    are the 95 % Wilson interval for the choice of the test images. `published_imagenet_error` is what the
    paper prints of a published network that is not narrowed: for ImageNet, by another recipe.
    """
    rows = [
        {
            **{key: getattr(network, key) for key in FINAL[2:] if hasattr(network, key)},
            "network": network.name,
            "space": network.space,
            "test_low": network.interval.low,
            "test_high": network.interval.high,
            "published_imagenet_error": published_error(network.name) if network.published else None,
        }
        for network in sorted(networks, key=lambda n: (n.folder, n.flops, n.acts))
    ]
    return pd.DataFrame(rows, columns=FINAL)
