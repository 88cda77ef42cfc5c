"""How often powered intervals hold the truth, and what they are worth: a table by case and number of models.

    python scripts/benchmark/powered_coverage.py --output results/benchmarks/powered_coverage.csv

A simulated world is made from the committed study: the true mean error of every network of the pools is a
Gaussian process with an exponential kernel (rougher than the predictor's) fitted to all its models, and the
error of a training adds a held-out residual of one of the NEIGHBOURS models whose prediction is nearest, so
that errors are skewed and their spread grows with them. Populations are drawn from the pools without
duplicates, as `sample` does; means and EDFs of the law of the space are known.

Cases: `study` as described; `useless`, where features are those of another network of the space; `wrong`,
where in one space bad networks are predicted good; `itself`, two populations of one space, whose difference
is 0. A line is kept for every case, number of models and statistic; cases that --output has with as many
studies are not made again. Columns: studies (points of the EDF are looked at in every EDF_EVERY-th); coverage
(mean over the spaces or pairs); lowest (of them); false_alarms (share with p < 0.05 where the truth is 0);
width_ratio (powered over plain); worth (times the trainings, by mean squared errors); disagree (intervals and
p values that contradict each other, which must be 0).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import OmegaConf

from designspace.analysis.cross_fit import DesignedPool, Trained, cross_fit_designs, design_pools
from designspace.analysis.powered import difference_estimate, mean_estimate, share_estimate
from designspace.analysis.powered_features import draw_networks, features
from designspace.analysis.statistics import ALPHA, Estimate
from designspace.files import replacing
from designspace.networks.architecture import Architectures, FloatArray
from designspace.networks.settings import NetworkSettings
from designspace.spaces.load import parse_space
from designspace.spaces.sampling import BudgetSettings

STUDY = Path(__file__).parents[2] / "results" / "fashion_mnist"
CLASSES = 10
NEIGHBOURS = 60
NOISE = 0.4  # of the true function's fit, as a share of the process's variance
EDF_EVERY = 2  # studies: points of the EDF take most of the time
QUANTILES = (0.1, 0.25, 0.5)  # true F where points of the EDF are looked at
CASES = {
    "study, 6 spaces": (
        "study",
        ("anynetx_a", "anynetx_b", "anynetx_c", "anynetx_d", "anynetx_e", "regnetx"),
    ),
    "study, 2 spaces": ("study", ("anynetx_c", "anynetx_d")),
    "useless": ("useless", ("anynetx_c", "anynetx_d")),
    "wrong for one space": ("wrong", ("anynetx_c", "anynetx_d", "anynetx_e")),
    "against itself": ("itself", ("anynetx_e", "anynetx_e")),
}


@dataclass(frozen=True, eq=False)
class Space:
    """The networks of a space, their true errors, and what a predictor sees of them."""

    pool: DesignedPool
    means: FloatArray  # [m] true
    noise: FloatArray  # [m, NEIGHBOURS] residuals that a training may have
    probability: FloatArray  # [m]
    mean: float
    quantiles: FloatArray  # [QUANTILES] errors
    shares: FloatArray  # [QUANTILES] true F there


def world(seed: int) -> dict[str, Space]:
    """The spaces of the study with everything known of them."""
    pools, trained, errors = {}, [], []
    for folder in sorted(path.parent for path in STUDY.glob("*/config.yaml")):
        config: Any = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))
        declared = {key: value for key, value in config["space"].items() if key != "name"}
        space = parse_space(folder.name, declared, source=str(folder))
        budget = BudgetSettings(**config["budget"])
        network = NetworkSettings(**config["network"])
        pools[folder.name] = draw_networks(
            space, seed=seed, budget=budget, network=network, num_classes=CLASSES
        ).pool
        runs = pd.read_parquet(folder / "runs.parquet").query("status == 'done'")
        networks = Architectures.from_frame(runs)
        trained.append(features(networks, resolution=budget.resolution, num_classes=CLASSES))
        errors.append(runs["error"].to_numpy(dtype=float))
    basis, designed = design_pools(pools, seed=seed)
    truth = Truth(np.concatenate(trained), np.concatenate(errors), basis.centre, basis.scale)
    return {name: truth.space(pool) for name, pool in designed.items()}


class Truth:
    """The true function of the world and its noise."""

    def __init__(self, x: FloatArray, y: FloatArray, centre: FloatArray, scale: FloatArray) -> None:
        self.centre, self.scale, self.x, self.level = centre, scale, (x - centre) / scale, float(y.mean())
        inverse = np.linalg.inv(self._kernel(self.x) + NOISE * np.eye(len(y)))
        self.alpha = inverse @ (y - self.level)
        left_out = self.alpha / np.diag(inverse)
        predicted = y - left_out
        order = np.argsort(predicted)
        self.predicted, self.residuals = predicted[order], left_out[order]

    def _kernel(self, a: FloatArray) -> FloatArray:
        squares = (a * a).sum(axis=1)[:, None] + (self.x**2).sum(axis=1) - 2 * a @ self.x.T
        return np.asarray(np.exp(-np.sqrt(np.maximum(squares, 0) / a.shape[1]) / 2))

    def space(self, pool: DesignedPool) -> Space:
        means = self.level + self._kernel((pool.pool.features - self.centre) / self.scale) @ self.alpha
        first = np.searchsorted(self.predicted, means) - NEIGHBOURS // 2
        first = np.clip(first, 0, len(self.predicted) - NEIGHBOURS)
        noise = self.residuals[first[:, None] + np.arange(NEIGHBOURS)]
        return known(pool, means, noise)


def known(pool: DesignedPool, means: FloatArray, noise: FloatArray) -> Space:
    """A space with its true mean and points of its EDF."""
    probability = pool.pool.counts / pool.pool.draws
    errors = (means[:, None] + noise).ravel()
    weight = np.repeat(probability / noise.shape[1], noise.shape[1])
    order = np.argsort(errors)
    reached = np.cumsum(weight[order])
    places = [int(np.searchsorted(reached, q)) for q in QUANTILES]
    return Space(
        pool,
        means,
        noise,
        probability,
        float(errors @ weight),
        errors[order][places],
        reached[np.array(places) - 1],
    )


def changed(kind: str, names: tuple[str, ...], spaces: dict[str, Space], seed: int) -> dict[str, Space]:
    """The spaces of a case."""
    rng = np.random.default_rng(seed)
    chosen = {f"{name} {i}": spaces[name] for i, name in enumerate(names)}
    if kind == "useless":
        for name, space in chosen.items():
            rows = rng.permutation(len(space.means))
            chosen[name] = known(space.pool, space.means[rows], space.noise[rows])
    if kind == "wrong":
        name, space = next(iter(chosen.items()))
        chosen[name] = known(space.pool, 2 * space.means.mean() - space.means, space.noise)
    return chosen


def populate(space: Space, n: int, rng: np.random.Generator) -> tuple[Trained, FloatArray]:
    """Train n different networks: what is known of them, and their rows of the design."""
    drawn: dict[int, None] = {}
    while len(drawn) < n:  # in the order in which they turn up
        places = np.searchsorted(np.cumsum(space.probability), rng.random(2 * n) * (1 - 1e-12))
        drawn.update(dict.fromkeys(np.minimum(places, len(space.probability) - 1).tolist()))
    rows = np.array(list(drawn)[:n])
    errors = space.means[rows] + space.noise[rows, rng.integers(NEIGHBOURS, size=n)]
    pool = space.pool.pool
    keys = [pool.keys[row] for row in rows]
    return Trained(keys, pool.features[rows], errors), space.pool.design[rows]


@dataclass(frozen=True)
class Outcome:
    """One powered estimate beside the plain one, of one study."""

    what: str  # space or pair
    truth: float
    powered: Estimate
    plain: Estimate
    disagrees: bool = False
    alarm: bool = False


def simulate(
    spaces: dict[str, Space], n: int, rng: np.random.Generator, *, points: bool
) -> dict[str, list[Outcome]]:
    """All estimates of one study, those of the EDF of the first space if wanted."""
    found: dict[str, list[Outcome]] = defaultdict(list)
    populated = {name: populate(space, n, rng) for name, space in spaces.items()}
    trained = {name: t for name, (t, _) in populated.items()}
    designs = {name: design for name, (_, design) in populated.items()}
    pools = {name: space.pool for name, space in spaces.items()}
    powered = cross_fit_designs(trained, designs, pools, rng)
    samples = {name: space.mean() for name, space in powered.items()}
    for name, sample in samples.items():
        mean = mean_estimate(sample)
        found["mean"].append(Outcome(name, spaces[name].mean, mean.estimate, mean.plain))
    for a, b in zip(list(spaces)[:-1], list(spaces)[1:], strict=True):
        result = difference_estimate(samples[a], samples[b])
        low, high = result.estimate.interval.low, result.estimate.interval.high
        truth = spaces[a].mean - spaces[b].mean
        disagrees = (result.p < ALPHA) != (not low <= 0 <= high)
        found["difference of means"].append(
            Outcome(f"{a}, {b}", truth, result.estimate, result.plain, disagrees, result.p < ALPHA)
        )
    name = next(iter(spaces))
    if not points:
        return found
    for q, error, share in zip(QUANTILES, spaces[name].quantiles, spaces[name].shares, strict=True):
        point = share_estimate(powered[name].below(float(error)))
        found[f"EDF where F = {q:g}"].append(Outcome(name, float(share), point.estimate, point.plain))
    return found


def rows(
    case: str, n: int, studies: int, found: dict[str, list[Outcome]], seconds: float
) -> list[dict[str, Any]]:
    """One line of the table for every statistic."""
    result = []
    for statistic, outcomes in found.items():
        seen: dict[str, list[bool]] = defaultdict(list)
        for outcome in outcomes:
            seen[outcome.what].append(_holds(outcome.powered, outcome.truth))
        each = [float(np.mean(holds)) for holds in seen.values()]
        coverage = float(np.mean(each))
        width, plain_width = (
            np.mean([e.interval.high - e.interval.low for e in estimates])
            for estimates in ([o.powered for o in outcomes], [o.plain for o in outcomes])
        )
        off = np.array([[o.powered.value - o.truth, o.plain.value - o.truth] for o in outcomes])
        nothing = statistic == "difference of means" and case == "against itself"
        result.append(
            {
                "case": case,
                "models": n,
                "statistic": statistic,
                "studies": len(outcomes) // len(seen),
                "asked": studies,
                "coverage": coverage,
                "standard_error": float(np.sqrt(coverage * (1 - coverage) / len(outcomes))),
                "lowest": min(each),
                "plain_coverage": float(np.mean([_holds(o.plain, o.truth) for o in outcomes])),
                "width_ratio": float(width / plain_width),
                "worth": float(np.divide(*(off[:, ::-1] ** 2).mean(axis=0))),
                "bias": float(off[:, 0].mean()),
                "plain_bias": float(off[:, 1].mean()),
                "false_alarms": float(np.mean([o.alarm for o in outcomes])) if nothing else None,
                "disagree": sum(o.disagrees for o in outcomes),
                "seconds": seconds,
            }
        )
    return result


def _holds(estimate: Estimate, truth: float) -> bool:
    return estimate.interval.low <= truth <= estimate.interval.high


def main() -> None:
    arguments = _arguments()
    table = (
        pd.read_csv(arguments.output) if arguments.output and arguments.output.exists() else pd.DataFrame()
    )
    known_rows = (
        set() if table.empty else set(zip(table["case"], table["models"], table["asked"], strict=True))
    )
    spaces = world(arguments.seed)
    for n in arguments.models:
        for case, (kind, names) in CASES.items():
            if case not in arguments.cases or (case, n, arguments.studies) in known_rows:
                continue
            start = time.perf_counter()
            found: dict[str, list[Outcome]] = defaultdict(list)
            world_of_case = changed(kind, names, spaces, arguments.seed)
            for study in range(arguments.studies):
                rng = np.random.default_rng([arguments.seed, n, study])
                for statistic, outcomes in simulate(
                    world_of_case, n, rng, points=study % EDF_EVERY == 0
                ).items():
                    found[statistic] += outcomes
            lines = pd.DataFrame(rows(case, n, arguments.studies, found, time.perf_counter() - start))
            print(lines.drop(columns=["case", "models"]).round(4).to_string(), file=sys.stderr, flush=True)
            print(f"{case}, {n} models", file=sys.stderr, flush=True)
            if not table.empty:  # fewer studies of the same are replaced
                table = table[(table["case"] != case) | (table["models"] != n)]
            table = pd.concat([table, lines]) if len(table) else lines
            if arguments.output:
                arguments.output.parent.mkdir(parents=True, exist_ok=True)
                with replacing(arguments.output) as temporary:
                    table.to_csv(temporary, index=False, float_format="%.5g")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, nargs="+", default=[20, 50, 100, 300], help="of each space")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--studies", type=int, default=2000, help="of each case and number of models")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="CSV file to write, and to go on with")
    return parser.parse_args()


if __name__ == "__main__":
    main()
