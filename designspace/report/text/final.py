"""The final trainings in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from designspace.analysis.final import FinalNetwork


def final_statements(networks: Sequence[FinalNetwork]) -> tuple[str, ...]:
    """Which network has the lowest test error, beside the best published one; a sentence for each folder."""
    folders = dict.fromkeys(network.folder for network in networks)
    return tuple(
        sentence
        for folder in folders
        for sentence in _statements([n for n in networks if n.folder == folder], len(folders) > 1)
    )


def _statements(networks: Sequence[FinalNetwork], several: bool) -> list[str]:
    tested = sorted(
        (n for n in networks if not math.isnan(n.test_error)), key=lambda n: (n.test_error, n.name)
    )
    where = f" in {networks[0].folder}" if several else ""
    count = f"{len(networks)} network{'s' * (len(networks) != 1)}"
    if not tested:
        return [f"{count} trained properly{where}; none is tested."]
    own = [network for network in tested if not network.published]
    named = [network for network in tested if network.published]
    said = [f"{count} trained properly{where}, {len(tested)} of them tested."]
    if own:
        said.append(f"The lowest test error of a network of the spaces is that of {_words(own[0])}.")
    if named:
        said.append(f"The lowest of a published network is that of {_words(named[0])}.")
    if again := [network.name for network in tested if network.looks > 1]:
        said.append(f"Tested more than once with one seed: {', '.join(again)}.")
    return [" ".join(said)]


def _words(network: FinalNetwork) -> str:
    low, high = network.interval.low, network.interval.high
    spread = "" if math.isnan(network.test_std) else f" +- {network.test_std:.2f}"
    over = f"over {network.seeds} seed{'s' * (network.seeds != 1)}"
    return (
        f"{network.name} of {network.space}: {network.test_error:.2f}{spread} % {over} ({low:.2f} to "
        f"{high:.2f} for the choice of {network.test_images:,.0f} images), with {network.flops / 1e6:.2f} MF"
    )
