"""How fast populations are sampled, and whether they are what plain rejection gives: two tables.

    python scripts/benchmark/sampling.py --output results/benchmarks/sampling.csv
    python scripts/benchmark/sampling.py --distribution --output results/benchmarks/sampling_distribution.csv

The paper's window: 360 to 400 MF at 224 px, stem of 32 channels, 1000 classes.

Speed: networks a second with and without their ids, beside plain rejection in the style of the authors'
released code, which draws without the restrictions, then tests them, and adds up the cost block by block, one
candidate at a time. Both in turns, in seconds of one processor. A second is too short for plain rejection to
find networks of the narrower spaces: its candidates a second are timed, and divided by the candidates that a
network takes, counted with plain rejection in arrays. Then the peak memory of processes that look at ten
million candidates, and the seconds for the costs of one million networks.

Distribution: populations beside those of plain rejection in arrays: unrestricted draws by the rules of the
released code (logarithms, rounded up), the widths of all blocks, then every condition, the window and being
new. Two-sample Kolmogorov-Smirnov tests of flops, params, acts and depth, chi-square tests of each stage's b,
g and depth; p values times the number of tests (Bonferroni). The networks of a population differ, so two
large populations of a small space (RegNet) overlap, and p is too large rather than too small.
"""

from __future__ import annotations

import argparse
import math
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from designspace.networks.architecture import Architecture, Architectures, FloatArray
from designspace.networks.complexity import METRICS, complexity
from designspace.networks.settings import NetworkSettings
from designspace.spaces.load import load_space
from designspace.spaces.sampling import BudgetSettings, Population, sample

RULES = {  # b, g: shared by all stages; w, d: do not decrease
    "anynetx_a": "", "anynetx_b": "b", "anynetx_c": "bg", "anynetx_d": "bgw", "anynetx_e": "bgwd",
    "regnetx": "bg", "regnety": "bg",
}  # fmt: skip
BLOCK = {name: "y" if name == "regnety" else "x" for name in RULES}
STAGES, STEM, SIZE, CLASSES = 4, 32, 224, 1000
LOW, HIGH = 360e6, 400e6  # flops
MAX_DEPTH = 63  # of a RegNet
CANDIDATES = 10_000_000  # to look at while memory is watched


def population(name: str, models: int, seed: int = 0) -> Population:
    """What the project samples."""
    budget = BudgetSettings(flops=[LOW, HIGH], resolution=SIZE)
    settings = NetworkSettings(stem_width=STEM)
    return sample(load_space(name), models, seed=seed, budget=budget, network=settings, num_classes=CLASSES)


# ---- plain rejection, one candidate at a time -----------------------------------------------------------


def draw_log_uniform(rng: random.Random, low: float, high: float, step: float) -> float:
    edges = math.log(low - min(step, low / 2)), math.log(high)
    return math.ceil(math.exp(rng.uniform(*edges)) / step) * step


def candidate(name: str, rng: random.Random) -> Architecture | None:
    """One draw; None where it does not meet the restrictions."""
    rules = RULES[name]
    drawn = _draw_regnet(rng) if name.startswith("regnet") else _draw_anynet(rules, rng)
    if drawn is None:
        return None
    depths, widths, ratios, groups = drawn
    for i in range(STAGES):
        v = max(1, int(widths[i] // ratios[i]))
        groups[i] = min(groups[i], v)
        widths[i] = max(groups[i], round(v / groups[i]) * groups[i]) * ratios[i]
    if ("w" in rules and widths != sorted(widths)) or ("d" in rules and depths != sorted(depths)):
        return None
    return Architecture(BLOCK[name], tuple(depths), tuple(widths), tuple(map(float, ratios)), tuple(groups))


Drawn = tuple[list[int], list[int], list[int], list[int]]  # depths, widths, b, g


def _draw_anynet(rules: str, rng: random.Random) -> Drawn:
    depths = [round(draw_log_uniform(rng, 1, 16, 1)) for _ in range(STAGES)]
    widths = [round(draw_log_uniform(rng, 8, 1024, 8)) for _ in range(STAGES)]
    ratios = [rng.choice((1, 2, 4)) for _ in range(STAGES)]
    groups = [rng.choice((1, 2, 4, 8, 16, 32)) for _ in range(STAGES)]
    return (
        depths,
        widths,
        ratios[:1] * 4 if "b" in rules else ratios,
        groups[:1] * 4 if "g" in rules else groups,
    )


def _draw_regnet(rng: random.Random) -> Drawn | None:
    depth, w0 = rng.randint(1, MAX_DEPTH), draw_log_uniform(rng, 8, 248, 8)
    wa, wm = draw_log_uniform(rng, 8, 255.9, 0.1), draw_log_uniform(rng, 1.5, 3, 0.001)
    ratio, group = rng.choice((1, 2, 4)), rng.choice((1, 2, 4, 8, 16, 32))
    levels = [round(math.log((w0 + wa * j) / w0) / math.log(wm)) for j in range(depth)]
    stages = Counter(round(w0 * wm**level / 8) * 8 for level in levels)
    if not len(stages) == STAGES == levels[-1] + 1:
        return None
    return list(stages.values()), list(stages), [ratio] * STAGES, [group] * STAGES


def flops_of(network: Architecture) -> int:
    """The multiply-adds, layer by layer."""
    w_in, size = STEM, (SIZE + 1) // 2  # after the stem of stride 2
    flops = 9 * 3 * STEM * size**2
    for depth, w, v, g in zip(
        network.depths, network.widths, network.bottleneck_widths, network.group_widths, strict=True
    ):
        for block in range(depth):
            size_in, size = size, (size + 1) // 2 if block == 0 else size
            flops += w_in * v * size_in**2 + 9 * g * v * size**2 + v * w * size**2
            if network.block == "y":
                squeezed = max(1, round(w_in / 4))
                flops += 2 * v * squeezed + squeezed + v
            if block == 0:
                flops += w_in * w * size**2
            w_in = w
    return flops + w_in * CLASSES + CLASSES


def candidates_per_second(name: str, seconds: float, rng: random.Random) -> float:
    """Of plain rejection in a loop."""
    looked_at, start = 0, time.process_time()
    found = []
    while (spent := time.process_time() - start) < seconds:
        for _ in range(100):
            network = candidate(name, rng)
            if network is not None and LOW <= flops_of(network) <= HIGH:
                found.append(network)
        looked_at += 100
    for network in found:  # both sides must mean the same window
        cost = complexity(Architectures.of(network), resolution=SIZE, num_classes=CLASSES)
        assert cost.flops.item() == flops_of(network)
    return looked_at / spent


# ---- plain rejection in arrays --------------------------------------------------------------------------


def log_uniform(
    rng: np.random.Generator, low: float, high: float, step: float, shape: tuple[int, ...]
) -> FloatArray:
    edge = low - min(step, low / 2)
    return np.asarray(np.ceil(np.exp(rng.uniform(math.log(edge), math.log(high), shape)) / step) * step)


def rejected_population(
    name: str, models: int, rng: np.random.Generator, at_once: int = 1 << 15
) -> tuple[Architectures, float]:
    """Different networks in the window, and how many candidates one took, repeated ones included."""
    found: dict[bytes, Any] = {}
    looked_at = inside = 0
    while len(found) < models:
        networks = candidates(name, rng, at_once)
        flops = complexity(networks, resolution=SIZE, num_classes=CLASSES).flops
        networks = networks.take((flops >= LOW) & (flops <= HIGH))
        parts = (networks.depths, networks.widths, networks.bottleneck_ratios, networks.group_widths)
        rows = np.concatenate(parts, axis=1)
        found.update((row.tobytes(), row) for row in rows)
        looked_at, inside = looked_at + at_once, inside + len(rows)
    depths, widths, ratios, groups = np.split(np.array(list(found.values())[:models]), 4, axis=1)
    return _architectures(name, depths, widths, ratios, groups), looked_at / inside


def _architectures(
    name: str, depths: FloatArray, widths: FloatArray, ratios: FloatArray, groups: FloatArray
) -> Architectures:
    d, w, g = (column.astype(np.int64) for column in (depths, widths, groups))
    return Architectures(BLOCK[name], d, w, ratios, g)


def candidates(name: str, rng: np.random.Generator, n: int) -> Architectures:
    """Those of n unrestricted draws that meet the restrictions."""
    rules = RULES[name]
    if name.startswith("regnet"):
        depths, widths = _regnet_stages(rng, n)
    else:
        depths = log_uniform(rng, 1, 16, 1, (n, STAGES))
        if "d" in rules:  # what is rejected anyway needs no widths
            depths = depths[(np.diff(depths) >= 0).all(axis=1)]
        widths = log_uniform(rng, 8, 1024, 8, depths.shape)
    b = np.exp2(rng.integers(3, size=depths.shape))
    g = np.exp2(rng.integers(6, size=depths.shape))
    if "b" in rules:
        b[:] = b[:, :1]
    if "g" in rules:
        g[:] = g[:, :1]
    v = np.maximum(1, widths // b)
    g = np.minimum(g, v)
    widths = np.maximum(g, np.rint(v / g) * g) * b
    networks = _architectures(name, depths, widths, b, g)
    return networks.take((np.diff(widths) >= 0).all(axis=1)) if "w" in rules else networks


def _regnet_stages(rng: np.random.Generator, n: int) -> tuple[FloatArray, FloatArray]:
    """Depths and widths of those of n draws that have four stages, from the levels of all blocks."""
    depth = rng.integers(1, MAX_DEPTH + 1, (n, 1))
    w0, wa = log_uniform(rng, 8, 248, 8, (n, 1)), log_uniform(rng, 8, 255.9, 0.1, (n, 1))
    wm = log_uniform(rng, 1.5, 3, 0.001, (n, 1))
    j = np.arange(MAX_DEPTH)
    levels = np.where(j < depth, np.rint(np.log((w0 + wa * j) / w0) / np.log(wm)), -1)
    depths = np.stack([(levels == level).sum(axis=1) for level in range(STAGES)], axis=1)
    widths = np.rint(w0 * wm ** np.arange(STAGES) / 8) * 8
    whole = (levels.max(axis=1) == STAGES - 1) & (depths > 0).all(axis=1)
    whole &= (np.diff(widths, axis=1) > 0).all(axis=1)
    return depths[whole].astype(np.float64), widths[whole]


# ---- speed ----------------------------------------------------------------------------------------------


def speed(models: int, repetitions: int) -> pd.DataFrame:
    """The first table: one row for each measure of a space."""
    rows = [row for name in RULES for row in _space_speed(name, models, repetitions)]
    for block in ("x", "y"):
        seconds = [_seconds_per_million(block) for _ in range(repetitions)]
        rows.append(measure(f"block {block}", "seconds for the costs of a million networks", seconds))
    return pd.DataFrame(rows)


def _space_speed(name: str, models: int, repetitions: int) -> Iterator[dict[str, Any]]:
    population(name, 10)  # tables are built once
    rng = random.Random(0)
    _, plain_candidates = rejected_population(name, 2_000, np.random.default_rng(0))
    seen: dict[str, list[float]] = {}
    for _ in range(repetitions):
        sampling, found = timed(lambda: population(name, models))
        ids, _ = timed(found.to_frame)
        plain = candidates_per_second(name, 1.0, rng)
        for key, value in {
            "networks a second": models / sampling,
            "networks a second with ids": models / (sampling + ids),
            "candidates a second": found.candidates / sampling,
            "candidates a network": found.candidates / models,
            "plain: candidates a second": plain,
            "plain: candidates a network": plain_candidates,
            "plain: networks a second": plain / plain_candidates,
            "times as fast": models / sampling / (plain / plain_candidates),
        }.items():
            seen.setdefault(key, []).append(value)
    yield from (measure(name, key, values) for key, values in seen.items())
    share = CANDIDATES * models / found.candidates
    yield measure(name, "peak MB of ten million candidates", [_peak_megabytes(name, round(share))])


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of the processor, and the result."""
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def measure(space: str, name: str, values: list[float]) -> dict[str, Any]:
    """One row of the table."""
    spread = {"min": min(values), "median": float(np.median(values)), "max": max(values)}
    return {"space": space, "measure": name, **spread}


def _seconds_per_million(block: str) -> float:
    draws = load_space("anynetx_a").draw(np.random.default_rng(0), 1_000_000)
    parts = (draws.depths, draws.widths, draws.bottleneck_ratios, draws.group_widths)
    networks = Architectures(block, *parts)
    return timed(lambda: complexity(networks, resolution=SIZE, num_classes=CLASSES))[0]


def _peak_megabytes(name: str, models: int) -> float:
    """Of a process of its own, all of Python included."""
    command = [sys.executable, __file__, "--memory", name, "--models", str(models)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def peak_megabytes() -> float:
    """Of this process until now (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


# ---- distribution ---------------------------------------------------------------------------------------


def distribution(models: int, seed: int) -> pd.DataFrame:
    """The second table: one row a test."""
    rows = []
    for name in RULES:
        ours = population(name, models, seed).networks
        plain, _ = rejected_population(name, models, np.random.default_rng(seed))
        rows += [(name, quantity, test, models, p) for quantity, test, p in compare(ours, plain)]
    table = pd.DataFrame(rows, columns=["space", "quantity", "test", "models", "p"])
    return table.assign(p_bonferroni=np.minimum(1, table["p"] * len(table)))


def compare(first: Architectures, second: Architectures) -> Iterator[tuple[str, str, float]]:
    """Quantity, test and p value."""
    values = [_totals(networks) for networks in (first, second)]
    for name in values[0]:
        p = stats.ks_2samp(values[0][name], values[1][name], method="asymp").pvalue
        yield name, "Kolmogorov-Smirnov", float(p)
    for name in ("bottleneck_ratios", "group_widths", "depths"):
        columns = getattr(first, name), getattr(second, name)
        for stage in range(STAGES):
            yield f"{name} of stage {stage + 1}", "chi-square", _chi_square(*(c[:, stage] for c in columns))


def _totals(networks: Architectures) -> dict[str, Any]:
    cost = complexity(networks, resolution=SIZE, num_classes=CLASSES)
    return {**{name: getattr(cost, name) for name in METRICS}, "depth": networks.depths.sum(axis=1)}


def _chi_square(first: Any, second: Any, rare: int = 20) -> float:
    """Of two samples of few values; those seen less than `rare` times together are one."""
    values, where = np.unique(np.concatenate([first, second]), return_inverse=True)
    sides = np.arange(len(where)) >= len(first)
    table = np.bincount(2 * where + sides, minlength=2 * len(values)).reshape(-1, 2)
    seldom = table.sum(axis=1) < rare
    table = np.concatenate([table[~seldom], table[seldom].sum(axis=0, keepdims=True)])
    return float(stats.chi2_contingency(table[table.sum(axis=1) > 0]).pvalue)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--distribution", action="store_true", help="compare distributions, not speed")
    parser.add_argument("--models", type=int, help="of each population (10,000; distribution: 100,000)")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="CSV file to write")
    parser.add_argument("--memory", choices=RULES, help="only sample that space; prints the peak in MB")
    arguments = parser.parse_args()
    if arguments.memory:
        population(arguments.memory, arguments.models)
        print(peak_megabytes())
        return
    if arguments.distribution:
        table = distribution(arguments.models or 100_000, arguments.seed)
        print(table.groupby("space")[["p", "p_bonferroni"]].min())
    else:
        table = speed(arguments.models or 10_000, arguments.repetitions)
        wide = table.pivot(index="measure", columns="space", values="median")
        print(wide.to_string(float_format="{:,.4g}".format))
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(arguments.output, index=False, float_format="%.5g")


if __name__ == "__main__":
    main()
