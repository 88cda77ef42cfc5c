"""Populations: exact windows, unique networks, and model i a function of (space, window, seed, i) alone."""

import hashlib
import subprocess
import sys

import pytest

from designspace.errors import UserError
from designspace.networks.settings import NetworkSettings
from designspace.spaces.load import load_space, parse_space
from designspace.spaces.sampling import BLOCK_SIZE, BudgetSettings, sample

SEVEN = ["anynetx_a", "anynetx_b", "anynetx_c", "anynetx_d", "anynetx_e", "regnetx", "regnety"]
PAPER = BudgetSettings(flops=[360e6, 400e6], resolution=224)


def population(name, n, *, seed=0, budget=PAPER):
    space = load_space(name) if isinstance(name, str) else name
    return sample(space, n, seed=seed, budget=budget, network=NetworkSettings(), num_classes=1000)


@pytest.mark.parametrize("name", SEVEN)
def test_500_models_in_the_window_all_different(name):
    found = population(name, 500)
    frame = found.to_frame()
    assert frame["model_id"].is_unique
    assert frame["flops"].between(360e6, 400e6).all()
    assert found.candidates >= 500
    assert {"w0", "wa", "wm", "depth"} <= set(frame) or not name.startswith("regnet")


# 200 models of each space with seed 0, recorded with the first version: candidates, and the ids' digest.
RECORDED = {
    "anynetx_a": (9465, "e03a716b299ce2d0"),
    "anynetx_b": (9225, "a8140fcd3445c501"),
    "anynetx_c": (9391, "c0ea3418b999a20c"),
    "anynetx_d": (10542, "2e7e516c229809b6"),
    "anynetx_e": (8530, "56cac6abf3ccb637"),
    "regnetx": (93415, "d6a0661a24e97891"),
    "regnety": (78543, "4dc2e2d4f27e3ca4"),
}


@pytest.mark.parametrize("name", SEVEN)
def test_a_seed_keeps_its_meaning(name):
    """Studies are extended with the command that began them, also years later."""
    found = population(name, 200)
    ids = "".join(found.to_frame()["model_id"])
    assert (found.candidates, hashlib.sha256(ids.encode()).hexdigest()[:16]) == RECORDED[name]


@pytest.mark.parametrize("name", ["anynetx_a", "anynetx_e", "regnetx"])
def test_a_larger_population_begins_with_the_smaller_one(name):
    small, large = population(name, 100).to_frame(), population(name, 1000).to_frame()
    assert small.equals(large[:100])


def test_another_seed_or_space_gives_other_models():
    ids = [
        set(population(n, 50, seed=s).to_frame()["model_id"]) for n, s in (("anynetx_a", 0), ("anynetx_a", 1))
    ]
    assert not ids[0] & ids[1]


def test_another_process_gives_the_same_population():
    code = (
        "from designspace.spaces.sampling import *\n"
        "from designspace.spaces.load import load_space; import hashlib\n"
        f"for name in {SEVEN}:\n"
        "    p = sample(load_space(name), 40, seed=0, budget=BudgetSettings(flops=[360e6, 400e6]),\n"
        "               network=NetworkSettings(), num_classes=1000)\n"
        "    print(hashlib.sha256(''.join(p.to_frame()['model_id']).encode()).hexdigest())\n"
        "import sys; assert 'torch' not in sys.modules and 'matplotlib' not in sys.modules\n"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    ours = [
        hashlib.sha256("".join(population(name, 40).to_frame()["model_id"]).encode()).hexdigest()
        for name in SEVEN
    ]
    assert ours == other


def test_the_window_conditions_and_nothing_else():
    """Sampled in a window = sampled freely, those in the window kept: the same networks in the same order."""
    space = load_space("anynetx_c")
    free = population(space, 2_000, budget=BudgetSettings(resolution=224)).to_frame()
    inside = free[free["flops"].between(360e6, 400e6)]["model_id"].tolist()
    assert len(inside) > 20
    assert population(space, len(inside)).to_frame()["model_id"].tolist() == inside


def test_windows_of_params_and_acts():
    budget = BudgetSettings(params=[4e6, 5e6], acts=[2e6, 4e6], resolution=224)
    frame = population("anynetx_d", 50, budget=budget).to_frame()
    assert frame["params"].between(4e6, 5e6).all()
    assert frame["acts"].between(2e6, 4e6).all()


def test_candidates_are_about_those_that_plain_rejection_of_the_window_needs():
    """FACTS of the papers' window: about 24,000 candidates for 500 models of A, B or C."""
    for name in ("anynetx_a", "anynetx_b", "anynetx_c"):
        assert 19_000 < population(name, 500).candidates < 29_000


def tiny_space(**changes):
    declared = {
        "family": "anynet", "block": "v", "stages": 2,
        "parameters": {"depths": {"distribution": "uniform", "low": 1, "high": 2, "step": 1},
                       "widths": {"distribution": "choice", "values": [8, 16]}},
    }  # fmt: skip
    return parse_space("tiny", {**declared, **changes}, source="tiny.yaml")


def test_a_space_can_be_exhausted(monkeypatch):
    monkeypatch.setattr("designspace.spaces.sampling.PATIENCE", 3 * BLOCK_SIZE)
    space, budget = tiny_space(), BudgetSettings(resolution=32)
    everything = population(space, 16, budget=budget)
    assert len({network.model_id for network in everything.networks}) == 16
    assert everything.duplicates > 0
    with pytest.raises(UserError, match="only 16 different networks, not num_models=17"):
        population(space, 17, budget=budget)


def test_a_window_that_cannot_be_met_names_the_nearest(monkeypatch):
    monkeypatch.setattr("designspace.spaces.sampling.PATIENCE", 2 * BLOCK_SIZE)
    with pytest.raises(UserError) as caught:
        population("regnetx", 5, budget=BudgetSettings(flops=[1, 2], resolution=224))
    message = str(caught.value)
    assert "space=regnetx: no network with flops in [1, 2]" in message
    assert "draws; nearest seen: flops=" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("budget", "n", "message"),
    [
        (BudgetSettings(flops=[2, 1]), 1, r"budget.flops=\[2, 1\]: must be \[low, high\]"),
        (BudgetSettings(acts=[0, 1]), 1, "budget.acts"),
        (BudgetSettings(flops=[1]), 1, "budget.flops"),
        (BudgetSettings(resolution=0), 1, "budget.resolution=0"),
        (PAPER, 0, "num_models=0: must be at least 1"),
    ],
)
def test_bad_input(budget, n, message):
    with pytest.raises(UserError, match=message):
        population("anynetx_a", n, budget=budget)


def test_ids_change_with_every_part_of_the_network():
    space = tiny_space()
    networks = {
        sample(space, 1, seed=0, budget=BudgetSettings(resolution=32), network=n, num_classes=10)
        .networks[0]
        .model_id
        for n in (NetworkSettings(), NetworkSettings(stem_width=16), NetworkSettings(stem_stride=1))
    }
    assert len(networks) == 3
    assert all(len(i) == 16 and int(i, 16) >= 0 for i in networks)
