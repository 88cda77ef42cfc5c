"""Spaces draw exactly what they declare: against rejection, brute force and the paper's counts."""

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from designspace.networks.blocks import BLOCKS
from designspace.spaces.anynet import AnyNetSpace
from designspace.spaces.compatibility import make_compatible
from designspace.spaces.load import available_spaces, load_models, load_space, parse_space
from designspace.spaces.references import ReferenceSpace
from designspace.spaces.restrictions import satisfied

REFERENCE = Path(__file__).parents[1] / "reference"


def small_space(restrictions, *, stages=3, block="x", name="small"):
    parameters = {
        "depths": {"distribution": "log_uniform", "low": 1, "high": 4, "step": 1},
        "widths": {"distribution": "log_uniform", "low": 8, "high": 48, "step": 8},
    }
    if BLOCKS[block].bottleneck:
        parameters["bottleneck_ratios"] = {"distribution": "choice", "values": [1, 2]}
        parameters["group_widths"] = {"distribution": "choice", "values": [1, 8, 32]}
    declared = {"family": "anynet", "block": block, "stages": stages, "parameters": parameters}
    return parse_space(name, {**declared, "restrictions": restrictions}, source="small.yaml")


def unrestricted(restrictions):
    return {name: rule for name, rule in restrictions.items() if rule == "shared"}


RESTRICTIONS = [
    {},
    {"bottleneck_ratios": "shared", "group_widths": "shared"},
    {"bottleneck_ratios": "shared", "group_widths": "shared", "widths": "non_decreasing"},
    {"widths": "non_decreasing"},  # of stages with different b and g
    {"widths": "non_increasing", "depths": "non_decreasing"},
    {"widths": "equal", "group_widths": "shared"},
    {"widths": ["non_decreasing", {"range": [16, 40]}], "depths": {"fixed": 2}},
    {"depths": "equal", "group_widths": {"fixed": 8}},
    {"depths": "shared", "widths": "shared"},
    {"depth": {"range": [5, 7]}, "bottleneck_ratios": "non_decreasing"},
]


@pytest.mark.parametrize("restrictions", RESTRICTIONS, ids=str)
def test_draws_equal_plain_rejection_in_distribution(restrictions):
    space, free = small_space(restrictions), small_space(unrestricted(restrictions))
    drawn = space.draw(np.random.default_rng(1), 60_000)
    pool = free.draw(np.random.default_rng(2), 600_000)
    accepted = pool.take(satisfied(space.restrictions, pool.columns()))
    assert satisfied(space.restrictions, drawn.columns()).all()
    cells = {}
    for draws, side in ((drawn, 0), (accepted, 1)):
        columns = [draws.depths, draws.widths, draws.bottleneck_ratios, draws.group_widths]
        rows, counts = np.unique(np.concatenate(columns, axis=1), axis=0, return_counts=True)
        for row, count in zip(rows, counts, strict=True):
            cells.setdefault(tuple(row), [0, 0])[side] += count
    table = np.array(list(cells.values()))
    rare = table.sum(axis=1) < 40
    table = np.concatenate([table[~rare], table[rare].sum(axis=0, keepdims=True)])
    table = table[table.sum(axis=1) > 0]
    if len(table) > 1:
        assert stats.chi2_contingency(table.T).pvalue > 1e-4


def test_sorting_would_fail_that_test():
    """The trap: sorted draws are not draws given the order, and the test above can tell."""
    space = small_space({"bottleneck_ratios": "shared", "group_widths": "shared", "widths": "non_decreasing"})
    free = small_space({"bottleneck_ratios": "shared", "group_widths": "shared"})
    right = space.draw(np.random.default_rng(1), 60_000).widths
    wrong = np.sort(free.draw(np.random.default_rng(2), 60_000).widths, axis=1)
    counts = [np.unique(w, axis=0, return_counts=True)[1] for w in (right, wrong)]
    assert stats.chi2_contingency(np.array(counts)).pvalue < 1e-12


@pytest.mark.parametrize("restrictions", RESTRICTIONS[:-1], ids=str)
def test_count_equals_brute_force(restrictions):
    space = small_space(restrictions, stages=2)
    shared = {name for name, rule in restrictions.items() if rule == "shared"}
    grids = {name: d.values for name, d in space.parameters.items()}
    options = [
        [(v, v) for v in grid] if name in shared else list(itertools.product(grid, grid))
        for name, grid in grids.items()
    ]
    settings = list(itertools.product(*options))
    d, w, b, g = (np.array([s[i] for s in settings]) for i in range(4))
    w, g = make_compatible(w.astype(int), b, g.astype(int))
    columns = {"depths": d, "widths": w, "bottleneck_ratios": b, "group_widths": g}
    assert space.count() == satisfied(space.restrictions, columns).sum()


def test_sizes_of_the_paper():
    with open(REFERENCE / "design_space_sizes.csv") as file:
        table = {row["space"]: float(row["total"]) for row in csv.DictReader(file)}
    names = {f"AnyNetX_{x}": f"anynetx_{x.lower()}" for x in "ABCDE"} | {"RegNet": "regnetx"}
    assert set(table) == set(names)
    for published, name in names.items():
        assert load_space(name).paper_count() == pytest.approx(table[published], rel=0.04), name
    assert load_space("anynetx_a").count() == (16 * 128 * 3 * 6) ** 4
    assert load_space("anynetx_c").count() == (16 * 128) ** 4 * 3 * 6
    assert load_space("anynetx_d").count() > load_space("anynetx_d").paper_count()  # ties count once each


def test_all_declared_spaces_draw_what_they_promise():
    for space in map(load_models, available_spaces()):
        if isinstance(space, ReferenceSpace):
            continue
        name = space.name
        draws = space.draw(np.random.default_rng(0), 5_000)
        assert len(draws) > 100
        assert satisfied(space.restrictions, draws.columns()).all()
        v = draws.widths / draws.bottleneck_ratios
        assert (v % draws.group_widths == 0).all()
        if "anynet" in name:
            assert len(draws) == 5_000  # nothing is rejected
        order = {"d": np.diff(draws.widths), "e": np.diff(draws.depths)}.get(name[8:9])
        if order is not None:
            sign = {"equal": order == 0, "decreasing": order <= 0}.get(name[10:], order >= 0)
            assert sign.all()


def test_regnet_stays_in_its_ranges_and_stages():
    draws = load_space("regnetx").draw(np.random.default_rng(0), 50_000)
    columns = draws.columns()
    assert draws.depths.shape[1] == 4
    assert (draws.depths >= 1).all()
    assert (columns["depth"] == draws.depths.sum(axis=1)).all()
    assert columns["depth"].max() < 64
    for name, low, high in (("w0", 8, 256), ("wa", 8, 256), ("wm", 1.5, 3)):
        assert low <= columns[name].min() <= columns[name].max() <= high


def test_regnet_restrictions_condition():
    declared = load_space("regnetx").definition
    rules = {"bottleneck_ratio": {"fixed": 1}, "depth": {"range": [12, 28]}, "wm": {"range": [2, 3]}}
    content = {k: v for k, v in declared.items() if k != "name"}
    space = parse_space("later", {**content, "restrictions": rules}, source="later.yaml")
    columns = space.draw(np.random.default_rng(0), 20_000).columns()
    assert set(columns["bottleneck_ratio"]) == {1}
    assert columns["depth"].min() >= 12
    assert columns["depth"].max() <= 28
    assert columns["wm"].min() >= 2


@pytest.mark.parametrize("block", ["v", "r", "paper_v", "paper_vr"])
def test_blocks_without_bottleneck_need_no_b_and_g(block):
    space = small_space({"widths": "non_decreasing"}, block=block, stages=5)
    assert isinstance(space, AnyNetSpace)
    draws = space.draw(np.random.default_rng(0), 1_000)
    assert draws.widths.shape == (1_000, 5)
    assert (draws.group_widths == draws.widths).all()
    assert (draws.bottleneck_ratios == 1).all()


@pytest.mark.parametrize("base", ["anynetx_a", "anynetx_d", "regnetx"])
def test_a_block_without_groups_draws_what_one_group_gives(base):
    """The paper's R reads b alone; the group width of its networks is the width of their 3x3."""
    declared = load_space(base).definition
    group = "group_width" if base == "regnetx" else "group_widths"
    one_group = {**declared["parameters"], group: {"distribution": "choice", "values": [1 << 30]}}
    without = {name: value for name, value in declared["parameters"].items() if name != group}
    restrictions = {name: rule for name, rule in declared["restrictions"].items() if name != group}
    x, r = (
        parse_space("r", {**declared, "block": block, "parameters": parameters, "restrictions": restrictions},
                    source="r.yaml").draw(np.random.default_rng(0), 5_000)
        for block, parameters in (("x", one_group), ("paper_r", without))
    )  # fmt: skip
    for name in ("depths", "widths", "bottleneck_ratios", "group_widths"):
        np.testing.assert_array_equal(getattr(x, name), getattr(r, name), err_msg=name)
    np.testing.assert_array_equal(r.group_widths * r.bottleneck_ratios, r.widths)
    assert len(r) > 100
    assert len(np.unique(r.bottleneck_ratios)) > 1
