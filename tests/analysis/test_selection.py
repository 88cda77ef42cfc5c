"""Which models are chosen, and that shrinking for luck is worth it."""

import numpy as np
import pandas as pd
import pytest

from designspace.analysis.results import StudyRuns
from designspace.analysis.selection import expected_errors, select
from designspace.errors import UserError

NONE = pd.DataFrame()


def table(errors: dict[str, list[float]]) -> pd.DataFrame:
    """Runs of several spaces; NaN is a diverged model."""
    rows = [
        (space, f"{number:06x}{i:010x}", error)
        for number, (space, values) in enumerate(errors.items(), start=0xABC000)
        for i, error in enumerate(values)
    ]
    runs = pd.DataFrame(rows, columns=["space", "model_id", "error"])
    return runs.assign(status=np.where(runs["error"].isna(), "diverged", "done"), epochs=1)


RUNS = table({"a": [30.0, 10.0, np.nan, 20.0, 40.0], "b": [15.0, 5.0, 25.0]})
STUDY = StudyRuns(RUNS, NONE, NONE)


@pytest.mark.parametrize(
    ("asked", "space", "errors"),
    [
        (["best:3"], None, [5.0, 10.0, 15.0]),
        (["best:3"], "a", [10.0, 20.0, 30.0]),
        (["best:99"], "b", [5.0, 15.0, 25.0]),
        (["median:1"], "b", [15.0]),
        (["best_of:1"], None, [15.0, 30.0]),  # of each population
        (["best_of:3"], "a", [10.0]),
        (["best:1", "median:2"], "b", [5.0, 15.0]),  # each once
        (["abc0000000000003"], None, [20.0]),
        (["abc001"], None, None),
    ],
)
def test_what_is_asked_for(asked: list[str], space: str | None, errors: list[float] | None) -> None:
    if errors is None:
        with pytest.raises(UserError, match="fits several models"):
            select(STUDY, asked, space)
        return
    found = select(STUDY, asked, space)
    assert found.runs["error"].tolist() == errors
    assert not found.shrunk


@pytest.mark.parametrize(
    ("asked", "space", "problem"),
    [
        ("best:0", None, "networks=best:0: must be best:N, .* with N of at least 1"),
        ("worst:1", None, "networks=worst:1: no model of the study; must be best:N"),
        ("best_of:4", "b", "networks=best_of:4: a space has only 3 models"),
        ("ffffffff", None, "no model of the study"),
        ("best:1", "c", "space=c: must be one of a, b"),
    ],
)
def test_what_cannot_be_asked_for(asked: str, space: str | None, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        select(STUDY, [asked], space)


def test_nothing_finished() -> None:
    runs = table({"a": [np.nan, np.nan]})
    with pytest.raises(UserError, match="no model of the study is finished"):
        select(StudyRuns(runs, NONE, NONE), ["best:1"])


def test_shrinking_finds_better_models_than_the_luckiest_run() -> None:
    """A planted truth: three seeds of some models; the expected error is nearer to it than the single one."""
    rng, n = np.random.default_rng(0), 400
    truth = {"a": rng.normal(20, 1.0, n), "b": rng.normal(21, 0.3, n)}
    observed = {name: (values + rng.normal(0, 1.0, n)).tolist() for name, values in truth.items()}
    runs = table(observed)
    true = np.concatenate(list(truth.values()))
    some = runs.groupby("space").head(100)
    repeats = pd.concat(
        [
            some.assign(error=true[some.index] + rng.normal(0, 1.0, len(some)), repeat=repeat)
            for repeat in (1, 2)
        ]
    )
    expected = expected_errors(runs, repeats).to_numpy()
    mistakes = [np.mean((values - true) ** 2) for values in (runs["error"].to_numpy(), expected)]
    assert mistakes[1] < 0.5 * mistakes[0]
    repeated = np.isin(np.arange(2 * n), some.index)
    # Theory: t^2 s^2/k / (t^2 + s^2/k) with s = 1; k = 3 runs of some, 1 of the others.
    for part, theory in [(repeated[:n], 1 / 4), (~repeated[:n], 1 / 2)]:
        assert np.mean((expected[:n][part] - true[:n][part]) ** 2) == pytest.approx(theory, rel=0.35)
    assert select(StudyRuns(runs, repeats, NONE), ["best:1"]).shrunk
