import numpy as np
import pytest
from scipy import optimize

from designspace.analysis import _width_bounds
from designspace.analysis._width_bounds import _Boxes, _costs, _padded, promising_nodes
from designspace.analysis.width_fit import fit_line, fit_roundings, fit_widths, width_error
from designspace.launch.local import Processes
from designspace.spaces.quantized_linear import Rounding, quantized_linear_widths

ROUNDINGS = ("nearest", "floor")


def stages(blocks: np.ndarray) -> tuple[list[int], list[int]]:
    """Depths and widths of the runs of equal widths."""
    starts = np.flatnonzero(np.diff(blocks, prepend=-1))
    return np.diff(np.append(starts, len(blocks))).tolist(), blocks[starts].tolist()


def random_networks(n: int, most_blocks: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    depths = np.ceil(np.exp(rng.uniform(np.log(0.5), np.log(most_blocks), (n, 4)))).astype(int)
    widths = 8 * np.ceil(np.exp(rng.uniform(0, np.log(128), (n, 4)))).astype(int)
    widths[: n // 2].sort(axis=1)
    return depths, widths


def rule_costs(
    blocks: np.ndarray, w0: float, wa: np.ndarray, wm: np.ndarray, rounding: Rounding
) -> np.ndarray:
    """Mean |log(predicted / observed)|, straight from the definition; wa and wm broadcast."""
    wa, wm = wa[..., None], wm[..., None]
    level = np.log1p(wa / w0 * np.arange(len(blocks))) / np.log(wm)
    level = np.rint(level) if rounding == "nearest" else np.floor(level)
    return np.abs(np.log(8 * np.rint(w0 * wm**level / 8) / blocks)).mean(axis=-1)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_recovers_planted_regnets(rounding: Rounding) -> None:
    rng = np.random.default_rng(6)
    planted = [
        quantized_linear_widths(
            int(rng.integers(1, 65)),
            8 * int(rng.integers(1, 33)),
            round(rng.uniform(8, 256), 1),
            round(rng.uniform(1.5, 3), 3),
            rounding=rounding,
        )
        for _ in range(100)
    ]
    depths, widths = zip(*map(stages, planted), strict=True)
    fits = fit_widths(depths, widths, rounding=rounding)
    assert fits.e_fit.max() <= 1e-12
    for row, blocks in enumerate(planted):
        again = quantized_linear_widths(
            len(blocks), fits.w0[row], fits.wa[row], fits.wm[row], rounding=rounding
        )
        assert again.tolist() == blocks.tolist()


def test_published_regnetx_200mf_is_quantized_linear() -> None:
    fits = fit_widths([[1, 1, 4, 7]], [[24, 56, 152, 368]])
    assert fits.e_fit[0] == 0
    assert fits.w0[0] == 24


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_never_worse_than_a_fine_grid(rounding: Rounding) -> None:
    depths, widths = random_networks(6, most_blocks=4)
    fits = fit_widths(depths, widths, rounding=rounding)
    wa, wm = np.linspace(0, 255.9, 2560)[:, None], np.linspace(1.5, 3, 31)
    for d, w, e_fit in zip(depths, widths, fits.e_fit, strict=True):
        blocks = np.repeat(w, d)
        grid = min(rule_costs(blocks, w0, wa, wm, rounding).min() for w0 in range(16, 257, 48))
        assert e_fit <= grid + 1e-12


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize(
    "network", [([1, 2, 1, 1], [24, 40, 296, 80]), ([2, 1, 2], [136, 200, 512])], ids=["uneven", "rising"]
)
def test_equals_exhaustive_search(rounding: Rounding, network: tuple[list[int], list[int]]) -> None:
    """Every w0 and wm, and one wa between every two at which the widths change."""
    blocks = np.repeat(network[1], network[0])
    fits = fit_widths([network[0]], [network[1]], rounding=rounding)
    wm = np.arange(1500, 3001)[:, None] / 1000
    shift = 0.5 if rounding == "nearest" else 0
    steps = (wm ** (np.arange(1, 14) - shift) - 1)[:, :, None] / np.arange(1, len(blocks))
    ratios = np.sort(steps.reshape(len(wm), -1), axis=1)
    ratios = np.concatenate([np.zeros_like(wm), ratios], axis=1)
    best = np.inf
    for w0 in range(8, 257, 8):
        wa = np.minimum(w0 * ratios, 256)
        best = min(best, rule_costs(blocks, w0, (wa[:, 1:] + wa[:, :-1]) / 2, wm, rounding).min())
    assert fits.e_fit[0] == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_nodes_that_are_left_out_do_not_matter(rounding: Rounding, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fit is the same to the last bit, by way of bounds on many networks or without."""
    depths, widths = random_networks(8, most_blocks=8)
    widths[:2, 0] = 400, 1000  # w0 above RegNet's range
    alone = fit_widths(depths, widths, rounding=rounding)
    monkeypatch.setattr(_width_bounds, "FEW", 0)
    together = fit_widths(depths, widths, rounding=rounding)
    for name in ("w0", "wa", "wm", "e_fit"):
        assert getattr(alone, name).tolist() == getattr(together, name).tolist()

    networks = list(zip(depths, widths, strict=True))
    promising = promising_nodes(networks, np.maximum(256, widths[:, 0]), rounding)
    left = [(some.bounds[1][:32] <= some.ceiling).mean() for some in promising]
    assert np.mean(left) < 0.1
    assert all(some.ceiling >= cost for some, cost in zip(promising, alone.e_fit, strict=True))


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_no_parameters_in_a_box_cost_less_than_its_bound(rounding: Rounding) -> None:
    rng = np.random.default_rng(7)
    depths, widths = random_networks(6, most_blocks=6)
    networks = _padded(list(zip(depths, widths, strict=True)))
    for _ in range(100):
        w0 = 8 * int(rng.integers(1, 33))
        wm = np.sort(rng.uniform(1.5, 3, 2))
        r = 256 / w0 * np.sort(np.exp(rng.uniform(-4, 0) + rng.uniform(-0.1, 0, 2)))
        box = _Boxes(w0, (wm[0], wm[1]), (r[:1], r[1:]))
        at_wm, at_r = rng.uniform(*wm, 100), rng.uniform(*r, 100)
        at_wm[:2], at_r[:2] = wm, r[::-1]  # where levels are highest and lowest
        point = _Boxes(w0, (at_wm[9], at_wm[9]), (at_r[9:10], at_r[9:10]))
        bounds = _costs(networks, box, rounding, lower=True)
        reached = _costs(networks, point, rounding, lower=False)
        for d, w, bound, cost in zip(depths, widths, bounds, reached, strict=True):
            costs = rule_costs(np.repeat(w, d), w0, w0 * at_r, at_wm, rounding)
            assert bound <= costs.min()
            assert costs[9] <= cost < costs[9] + 1e-3


def test_parameters_stay_in_their_ranges_and_explain_e_fit() -> None:
    depths, widths = random_networks(30, most_blocks=16)
    for rounding in ROUNDINGS:
        fits = fit_widths(depths, widths, rounding=rounding)
        assert ((fits.wa >= 0) & (fits.wa < 256)).all()
        assert ((fits.wm >= 1.5) & (fits.wm <= 3)).all()
        assert (fits.w0 % 8 == 0).all()
        assert (fits.w0 <= np.maximum(256, widths[:, 0])).all()
        for row, (d, w) in enumerate(zip(depths, widths, strict=True)):
            predicted = quantized_linear_widths(
                int(d.sum()), fits.w0[row], fits.wa[row], fits.wm[row], rounding=rounding
            )
            assert fits.e_fit[row] == width_error(np.repeat(w, d), predicted)


def test_a_fit_does_not_depend_on_the_other_networks() -> None:
    depths, widths = random_networks(8, most_blocks=16)
    together = fit_widths(depths, widths)
    for row in range(len(depths)):
        alone = fit_widths(depths[row : row + 1], widths[row : row + 1])
        part = together.take(np.array([row]))
        for name in ("w0", "wa", "wm", "e_fit"):
            assert getattr(alone, name) == getattr(part, name)


def test_degenerate_networks() -> None:
    fits = fit_widths([[1], [5, 3], [4]], [[8], [64, 64], [1000]])
    assert fits.e_fit.tolist() == [0, 0, 0]
    assert fits.wa.tolist() == [0, 0, 0]
    assert fits.w0.tolist() == [8, 64, 1000]
    assert len(fit_widths([], []).e_fit) == 0


def test_line_through_planted_networks() -> None:
    widths = [(48 * np.arange(1, d + 1)).tolist() for d in (5, 12, 30)]
    line = fit_line([[1] * len(w) for w in widths], widths)
    assert line.slope == pytest.approx(48)
    assert line.error == pytest.approx(0, abs=1e-12)
    assert line.widths(3).tolist() == pytest.approx([48, 96, 144])


def test_line_is_the_best_line() -> None:
    depths, widths = random_networks(9, most_blocks=8)

    def cost(log_slope: float) -> float:
        lines = [np.exp(log_slope) * np.arange(1, d.sum() + 1) for d in depths]
        blocks = [np.repeat(w, d) for d, w in zip(depths, widths, strict=True)]
        return float(np.mean([width_error(o, p) for o, p in zip(blocks, lines, strict=True)]))

    line = fit_line(depths, widths)
    assert line.error == pytest.approx(cost(np.log(line.slope)))
    assert line.error <= optimize.brute(cost, [(0, 7)], Ns=500, full_output=True, finish=None)[1]
    assert fit_line([], []).n == 0


def test_sharing_out_the_networks_changes_nothing() -> None:
    depths, widths = random_networks(550, 6)
    roundings: list[Rounding] = ["nearest", "floor"]
    together = fit_roundings(depths, widths, roundings, executor=Processes(4))
    for rounding, shared in zip(roundings, together, strict=True):
        alone = fit_widths(depths, widths, rounding=rounding)
        assert shared.rounding == alone.rounding
        for name in ("w0", "wa", "wm", "e_fit"):
            assert np.array_equal(getattr(shared, name), getattr(alone, name))
