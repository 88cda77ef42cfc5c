"""The first sentences of a report: which space is the best, and which model."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from designspace.analysis.compare import compare_all
from designspace.analysis.powered import NOT_ASKED, mean_estimate, plain_sample
from designspace.report.contents import summary
from designspace.report.text.summary import best_model, headline


def study(levels: Mapping[str, float], **others: Any) -> Any:
    """As much of an analysis as the sentences read: 40 models of each space, with these mean errors."""
    rng, populations = np.random.default_rng(0), {}
    for name, level in levels.items():
        error = level + rng.normal(0, 0.8, 40)
        columns = {"status": "done", "error": error, "model_id": [f"{name}{i}" for i in range(40)]}
        costs = {quantity: rng.uniform(1, 2, 40) for quantity in ("flops", "params", "acts")}
        populations[name] = pd.DataFrame(columns | costs)
    spaces = [
        SimpleNamespace(
            name=name,
            runs=runs,
            mean=mean_estimate(plain_sample(runs["error"].to_numpy(), NOT_ASKED)),
            summary=SimpleNamespace(
                counts=SimpleNamespace(done=len(runs)), mean=runs["error"].mean(), min=runs["error"].min()
            ),
        )
        for name, runs in populations.items()
    ]
    noise = SimpleNamespace(spaces=[])
    return SimpleNamespace(
        references=(),
        chance=None,
        spaces=spaces,
        comparisons=compare_all(populations),
        noise=noise,
        normalized=[],
        ranking=SimpleNamespace(pooled_extended=None, extended=()),
        **others,
    )


def test_the_best_space_is_named_with_the_runner_up() -> None:
    (sentence,) = headline(study({"a": 20.0, "b": 15.0, "c": 16.0}))
    assert sentence.startswith("b is the best of 3 spaces: its mean error, 1")
    assert " points below that of the next, c (95 % interval 0." in sentence
    assert sentence.endswith("it is shown to be better than every other.")


@pytest.mark.parametrize("worst", [15.0, 20.0])
def test_none_is_named_where_others_are_level(worst: float) -> None:
    made = study({"a": 15.0, "b": 15.0, "c": worst})
    (sentence,) = headline(made)
    lowest = min(made.spaces, key=lambda space: space.summary.mean).name
    assert sentence.startswith(f"No space is shown to be the best. {lowest} has the lowest mean error, 1")
    named = sentence.partition("shown to be better than ")[2].rstrip(".").split(" and ")
    assert {lowest, *named} == {"a", "b"} | ({"c"} if worst == 15 else set())


def test_one_space_has_no_headline() -> None:
    assert headline(study({"a": 15.0})) == []


def test_the_best_model_with_what_is_expected_of_it() -> None:
    made = study({"a": 20.0, "b": 15.0})
    errors = made.spaces[1].runs["error"]
    start = f"The best model is b{errors.argmin()} of b: {errors.min():.2f} %"
    assert best_model(made) == [f"{start}."]
    best = SimpleNamespace(expected=SimpleNamespace(value=14.256))
    made.noise = SimpleNamespace(spaces=[SimpleNamespace(name="b", best=best)])
    assert best_model(made) == [f"{start}; with other seeds 14.26 % is to be expected of it."]


def test_what_is_shown_comes_before_what_is_not() -> None:
    _, _, trust, first, second = summary(study({"a": 15.0, "b": 15.0, "c": 20.0}))
    assert trust.endswith("is not known: train some of them longer as well (extended_epochs).")
    assert first.startswith("b is better than c")
    assert second.startswith(("No difference of b and a", "It is not settled whether b and a"))
