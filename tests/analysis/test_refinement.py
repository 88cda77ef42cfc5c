"""What-ifs: restricted populations against drawn ones, differences against SciPy and brute force."""

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic import make_runs

from designspace.analysis.compare import Comparison, compare
from designspace.analysis.refinement import meets, what_if
from designspace.analysis.statistics import BETTER, FEWEST, TOO_FEW, UNDECIDED, WORSE
from designspace.report.tables.refinement import GROUPS, group_table
from designspace.report.text.compare import comparison_sentence
from designspace.report.text.refinement import restriction_words, what_if_sentence
from designspace.spaces.load import load_space, refine_space
from designspace.spaces.restrictions import Restriction

B_SHARED, G_SHARED = Restriction("bottleneck_ratios", "shared"), Restriction("group_widths", "shared")


def drawn(space: str, n: int, seed: int = 0) -> pd.DataFrame:
    """Networks of a space without a flops window, as a population without errors."""
    draws = load_space(space).draw(np.random.default_rng(seed), n)
    return pd.DataFrame({name: values.tolist() for name, values in draws.columns().items()})


def difference(first: pd.DataFrame, second: pd.DataFrame) -> Comparison:
    return compare("kept", "rest", first, second)


def with_errors(errors: list[float], statuses: list[str] | None = None) -> pd.DataFrame:
    runs = make_runs("a", statuses or ["done"] * len(errors))
    return runs.assign(error=errors)


def test_conditions_against_a_loop() -> None:
    runs = drawn("anynetx_a", 3_000)
    found = meets(
        runs,
        [
            Restriction("widths", "non_decreasing"),
            Restriction("bottleneck_ratios", "range", 1, 2),
            Restriction("depth", "range", 8, 30),
        ],
    )
    expected = [
        all(a <= b for a, b in itertools.pairwise(row.widths))
        and all(1 <= b <= 2 for b in row.bottleneck_ratios)
        and 8 <= sum(row.depths) <= 30
        for row in runs.itertuples()
    ]
    assert found.tolist() == expected
    assert 5 < sum(expected) < 300


def test_every_network_of_a_sharing_space_meets_shared() -> None:
    assert meets(drawn("anynetx_c", 2_000), [B_SHARED, G_SHARED]).all()
    b = drawn("anynetx_b", 2_000)
    assert meets(b, [B_SHARED]).all()
    assert meets(b, [G_SHARED]).mean() < 0.05
    assert meets(drawn("anynetx_a", 20_000), [B_SHARED]).mean() == pytest.approx(1 / 27, abs=0.004)


def test_those_that_meet_a_condition_are_a_sample_of_the_restricted_space() -> None:
    c, d = drawn("anynetx_c", 40_000), drawn("anynetx_d", 3_000, seed=1)
    kept = c[meets(c, [Restriction("widths", "non_decreasing")])]
    for stage in range(4):
        test = stats.ks_2samp(kept["widths"].str[stage].astype(float), d["widths"].str[stage].astype(float))
        assert test.pvalue > 0.001
    assert kept["widths"].str[0].mean() < 0.7 * c["widths"].str[0].mean()


def test_regnet_parameters() -> None:
    runs = drawn("regnetx", 20_000)
    base = load_space("regnetx")
    refined = refine_space(base, {"wm": {"range": [2, 3]}, "bottleneck_ratio": {"fixed": 1}}, "mine")
    keep = meets(runs, refined.restrictions)
    assert keep.tolist() == ((runs["wm"] >= 2) & (runs["bottleneck_ratio"] == 1)).tolist()


def test_ranks_against_brute_force() -> None:
    rng = np.random.default_rng(0)
    a, b = np.round(rng.normal(20, 1, 25), 1), np.round(rng.normal(20.5, 1, 40), 1)
    found = difference(with_errors(list(a)), with_errors(list(b)))
    pairs = [(x < y) + 0.5 * (x == y) for x in a for y in b]
    assert found.beats == pytest.approx(np.mean(pairs))
    assert found.mann_whitney_p == pytest.approx(stats.mannwhitneyu(b, a).pvalue)
    assert found.mean.value == pytest.approx(a.mean() - b.mean())
    assert found.quantiles[0.5].value == pytest.approx(np.median(a) - np.median(b))
    assert found.effective_n == pytest.approx(2 * 25 * 40 / 65)


def test_interval_of_the_mean_is_near_welchs() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(20, 1, 400), rng.normal(21, 2, 300)
    found = difference(with_errors(list(a)), with_errors(list(b)))
    welch = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    assert (found.mean.interval.low, found.mean.interval.high) == pytest.approx(
        (welch.low, welch.high), abs=0.03
    )


def test_models_that_diverged_are_worse_than_all_others() -> None:
    rng = np.random.default_rng(2)
    errors = list(rng.normal(20, 1, 30))
    sound = with_errors(errors)
    broken = with_errors([*errors, *[np.nan] * 60], ["done"] * 30 + ["diverged"] * 30 + ["failed"] * 30)
    waiting = with_errors([*errors, *[np.nan] * 60], ["done"] * 30 + ["missing"] * 60)
    assert difference(sound, broken).beats == pytest.approx((0.5 + 2) / 3)
    assert difference(sound, waiting).beats == pytest.approx(0.5)


def test_verdicts_need_numbers_and_are_those_of_the_means() -> None:
    rng = np.random.default_rng(3)
    low, high = list(rng.normal(18, 1, 30)), list(rng.normal(20, 1, 30))
    better = difference(with_errors(low), with_errors(high))
    assert better.verdict == BETTER
    assert difference(with_errors(high), with_errors(low)).verdict == WORSE
    assert difference(with_errors(low[: FEWEST - 1]), with_errors(high)).verdict == TOO_FEW
    assert difference(with_errors(low), with_errors(low[::-1])).verdict == UNDECIDED
    # one group has a lower mean, but loses in most pairs: ranks have a say only where many have no error
    mixed = [20.2] * 26 + [4.0] * 8
    opposite = difference(with_errors(mixed), with_errors([20.0] * 30))
    assert opposite.mean.value < 0
    assert opposite.verdict == BETTER
    assert "beats one of y with probability 0.24" in comparison_sentence(opposite, "x", "y")
    lost = with_errors([*mixed, np.nan], ["done"] * 34 + ["diverged"])
    contradicted = difference(lost, with_errors([20.0] * 30))
    assert contradicted.p < 0.01
    assert contradicted.verdict == UNDECIDED
    assert "which do not agree" in comparison_sentence(contradicted, "x", "y")
    outliers = difference(with_errors([19.0] * 27 + [60.0] * 3), with_errors([20.0] * 30))
    assert outliers.mann_whitney_p < 0.01
    assert outliers.verdict == UNDECIDED
    assert comparison_sentence(better, "x", "y").startswith("x is better than y at equal flops: its")
    assert "one comparison, not corrected" in comparison_sentence(better)
    assert "better" not in comparison_sentence(contradicted, "x", "y")


def test_a_planted_difference_is_found_and_said() -> None:
    runs = make_runs("a", ["done"] * 80)
    good = np.array([b[0] <= 2 for b in runs["bottleneck_ratios"]])
    found = what_if(
        runs.assign(error=runs["error"] - 4 * good),
        [Restriction("bottleneck_ratios", "range", 1, 2)],
    )
    assert found.kept.summary.counts.n == good.sum()
    assert found.kept.summary.counts.n + found.rest.summary.counts.n == found.everything.edf.n == 80
    assert found.difference.verdict == BETTER
    assert found.difference.mean.interval.low < -4 < found.difference.mean.interval.high
    assert what_if_sentence(found).startswith(
        f"{good.sum()} of 80 trained models meet it. The kept models are better"
    )


@pytest.mark.parametrize(
    "statuses",
    [[], ["done"], ["done"] * 2, ["diverged"] * 12, ["missing"] * 3, ["failed"], ["done"] * 30],
    ids=["nothing", "one", "two", "all diverged", "no record", "one failed", "all equal"],
)
def test_populations_of_which_little_is_known(statuses: list[str]) -> None:
    runs = make_runs("a", statuses)
    runs["error"] = runs["error"].where(runs["error"].isna(), 20.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for low in (1, 5, 1000):
            restriction = Restriction("depths", "range", low, 2000)
            found = what_if(runs, [restriction])
            assert found.difference.verdict in (TOO_FEW, UNDECIDED)
            assert "better than" not in what_if_sentence(found)
            table = group_table([found.everything, found.kept, found.rest], [None, found.difference, None])
            assert tuple(table) == GROUPS


def test_few_models_give_no_verdict() -> None:
    runs = make_runs("a", ["done"] * 40)
    runs["error"] = np.where(np.arange(40) < 5, 1.0, runs["error"])
    runs["depths"] = [[9, 9, 9, 9]] * 5 + [[1, 1, 1, 1]] * 35
    found = what_if(runs, [Restriction("depths", "range", 9, 9)])
    assert what_if_sentence(found) == (
        "5 of 40 trained models meet it. No verdict: 5 models that do have an error, 8 are needed."
    )
    everything = what_if(runs, [Restriction("depths", "range", 1, 9)])
    assert "nothing to compare" in what_if_sentence(everything)


def test_words() -> None:
    assert restriction_words(Restriction("depth", "range", 12, 28)) == "depth from 12 to 28"
    assert restriction_words(Restriction("bottleneck_ratio", "range", 1, 1)) == "bottleneck_ratio 1"
    assert restriction_words(Restriction("widths", "non_decreasing")) == "widths non-decreasing"
