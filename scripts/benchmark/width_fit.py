"""How many networks a second `fit_widths` fits, beside a plain grid search: a table, one row a space and
one for all of them at once.

    python scripts/benchmark/width_fit.py --output results/benchmarks/width_fit.csv

The grid search is what one would write with numpy: all w0, 16 values of wm and 32 of wa, every combination
tried on one network after the other. It is much coarser than what `fit_widths` covers (every w0, 1,501 values
of wm, all real wa); `grid_excess` is how much worse its e_fit is, on average. Times are processor seconds,
the two measured in turn, and `speedup` is the ratio of networks a second; `all_cores_seconds` are those on
the clock with a process a core.

`worst_difference` compares e_fit with an exhaustive search on a few networks: every w0, every wm and one wa
between every two at which a width changes. It is rounding error if the fit finds the optimum.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from designspace.analysis.width_fit import fit_widths
from designspace.files import replacing
from designspace.launch.local import Processes, available_cores
from designspace.networks.architecture import IntArray
from designspace.networks.settings import NetworkSettings
from designspace.spaces.load import load_space
from designspace.spaces.sampling import BudgetSettings, sample

Floats = npt.NDArray[np.float64]

W0 = np.arange(8.0, 257, 8)
GRID_WA = np.linspace(0, 255, 32)
GRID_WM = np.linspace(1.5, 3, 16)
WM = np.arange(1500, 3001) / 1000


def rule_costs(blocks: Floats, w0: Floats, wa: Floats, wm: Floats) -> Floats:
    """Mean |log(predicted / observed)| straight from the definition; parameters broadcast, blocks [depth]."""
    w0, wa, wm = w0[..., None], wa[..., None], wm[..., None]
    levels = np.rint(np.log1p(wa / w0 * np.arange(len(blocks))) / np.log(wm))
    costs: Floats = np.abs(np.log(8 * np.rint(w0 * wm**levels / 8) / blocks)).mean(axis=-1)
    return costs


def grid_search(blocks: Floats) -> float:
    """Least cost over the coarse grid."""
    return float(rule_costs(blocks, W0[:, None, None], GRID_WA[:, None], GRID_WM).min())


def exhaustive_search(blocks: Floats) -> float:
    """Least cost over every w0 and wm, and one wa between every two at which a width changes."""
    powers = WM[:, None, None] ** (np.arange(1, 25)[:, None] - 0.5) - 1
    ratios = np.sort((powers / np.arange(1, len(blocks))).reshape(len(WM), -1), axis=1)
    ratios = np.concatenate([np.zeros((len(WM), 1)), ratios], axis=1)
    best = np.inf
    for w0 in W0:
        for part in np.array_split(np.arange(len(WM)), 50):
            wa = np.minimum(w0 * ratios[part], 256)
            wa = wa[:, : int((wa < 256).sum(axis=1).max()) + 1]
            middles = (wa[:, 1:] + wa[:, :-1]) / 2
            best = min(best, float(rule_costs(blocks, np.array(w0), middles, WM[part, None]).min()))
    return best


def populations(arguments: argparse.Namespace) -> dict[str, tuple[IntArray, IntArray]]:
    """Depths and widths of each space's networks, [n, stages], and of all of them."""
    drawn = {}
    for name in arguments.spaces:
        networks = sample(
            load_space(name),
            arguments.models,
            seed=arguments.seed,
            budget=BudgetSettings(flops=[360e6, 400e6]),
            network=NetworkSettings(),
            num_classes=1000,
        ).networks
        drawn[name] = (networks.depths, networks.widths)
    depths, widths = (np.concatenate(arrays) for arrays in zip(*drawn.values(), strict=True))
    order = np.random.default_rng(arguments.seed).permutation(len(depths))
    return {**drawn, "all": (depths[order], widths[order])}


def measure(name: str, depths: IntArray, widths: IntArray, arguments: argparse.Namespace) -> dict[str, Any]:
    """One line of the table."""
    blocks = [np.repeat(w, d).astype(float) for d, w in zip(depths, widths, strict=True)]
    fit_rates, grid_rates, clock = [], [], []
    for _ in range(arguments.repeats):
        start = time.process_time()
        e_fit = fit_widths(depths, widths).e_fit
        fit_rates.append(len(blocks) / (time.process_time() - start))
        start = time.process_time()
        grid = np.array([grid_search(b) for b in blocks[: arguments.grid]])
        grid_rates.append(len(grid) / (time.process_time() - start))
        start = time.perf_counter()
        fit_widths(depths, widths, executor=Processes(available_cores()))
        clock.append(time.perf_counter() - start)
    speedups = np.array(fit_rates) / np.array(grid_rates)
    within = np.flatnonzero(widths[:, 0] <= W0[-1])[: arguments.check]
    differences = [abs(e_fit[n] - exhaustive_search(blocks[n])) for n in within]
    return {
        "space": name,
        "networks": len(blocks),
        "fit_per_second": float(np.median(fit_rates)),
        "grid_per_second": float(np.median(grid_rates)),
        "speedup_min": speedups.min(),
        "speedup_median": float(np.median(speedups)),
        "speedup_max": speedups.max(),
        "all_cores_seconds": float(np.median(clock)),
        "mean_e_fit": e_fit.mean(),
        "grid_excess": float((grid - e_fit[: len(grid)]).mean()),
        "exhaustive_searches": len(within),
        "worst_difference": max(differences, default=float("nan")),
    }


def main() -> None:
    arguments = _arguments()
    rows = [measure(name, *networks, arguments) for name, networks in populations(arguments).items()]
    table = pd.DataFrame(rows)
    sys.stdout.write(table.to_string(index=False, float_format="{:.4g}".format) + "\n")
    if arguments.output:
        with replacing(arguments.output) as path:
            table.to_csv(path, index=False, float_format="%.5g")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    spaces = ["anynetx_a", "anynetx_c", "anynetx_e", "regnetx"]
    parser.add_argument("--spaces", nargs="+", default=spaces)
    parser.add_argument("--models", type=int, default=2500, help="of each space")
    parser.add_argument("--grid", type=int, default=50, help="networks for the grid search")
    parser.add_argument("--check", type=int, default=2, help="networks for the exhaustive search")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, help="CSV file to write")
    return parser.parse_args()


if __name__ == "__main__":
    main()
