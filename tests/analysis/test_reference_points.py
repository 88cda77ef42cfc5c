"""Published networks among planted populations: where each stands, in numbers, words and figures."""

import math

import numpy as np
import pandas as pd
import pytest
from synthetic import make_runs

from designspace.analysis.results import DESCRIPTION
from designspace.analysis.study import StudyAnalysis, analyze
from designspace.report.contents import summary, topics
from designspace.report.edf_figure import edf_figure
from designspace.report.references_figure import references_figure
from designspace.report.tables.references import REFERENCES, reference_table
from designspace.report.text.references import reference_statements


def named_rows(errors: dict[str, float]) -> pd.DataFrame:
    rows = pd.DataFrame({"network": errors.keys(), "error": errors.values()})
    status = ["failed" if math.isnan(error) else "done" for error in errors.values()]
    ids = [f"{i:016x}" for i in range(len(rows))]
    costs = {"flops": 3_000_000, "params": 2, "acts": 1, "train_seconds": 5.0}
    return rows.assign(space="mobile", model_id=ids, status=status, **costs)


@pytest.fixture(scope="module")
def study() -> StudyAnalysis:
    """100 models with errors of 1 to 97 percent, one diverged, two failed, and one that is not run yet."""
    runs = make_runs("a", ["done"] * 97 + ["diverged", "failed", "failed", "missing"])
    runs["error"] = [*np.arange(1.0, 98.0), *[math.nan] * 4]
    runs["flops"] = 1_500_000
    named = named_rows({"alexnet": 17.5, "lenet5 x0.5": 99.0, "vgg_c": math.nan, "resnet18": 1.0})
    return analyze(pd.concat([runs, named], ignore_index=True))


def test_shares_of_models_that_are_worse(study: StudyAnalysis) -> None:
    assert [space.name for space in study.spaces] == ["a"]
    table = reference_table(study.references).set_index("network")
    assert list(table.index) == ["resnet18", "alexnet", "lenet5 x0.5", "vgg_c"]
    assert table["better_than"].to_list()[:3] == [0.99, 0.83, 0.03]
    assert math.isnan(table["better_than"]["vgg_c"])
    assert set(table["n"]) == {100}
    assert set(table["flops_ratio"]) == {2}
    interval = table.loc["alexnet", ["better_than_low", "better_than_high"]]
    assert interval.to_list() == pytest.approx([0.7445, 0.8911], abs=1e-4)  # Wilson's, 83 of 100


def test_the_sentence(study: StudyAnalysis) -> None:
    best, alexnet, _, without = reference_statements(study.references)
    assert alexnet == (
        "alexnet (3.0 MF) has an error of 17.50 %: better than 83 % of the models of a (95 % interval "
        "74 to 89; 2 times their median flops)."
    )
    assert without == "Without an error: vgg_c (failed)."
    assert summary(study)[-1] == best


def test_the_names_are_drawn(study: StudyAnalysis) -> None:
    whole, close = edf_figure(study).axes
    assert {text.get_text() for text in whole.texts} == {"alexnet", "resnet18"}
    assert "published networks; 1 beyond the right edge" in whole.get_title(loc="left")
    assert {text.get_text() for text in close.texts} == {"alexnet", "resnet18"}
    for axes in references_figure(study).axes:
        assert {text.get_text() for text in axes.texts} == {"alexnet", "resnet18", "lenet5 x0.5"}


def test_published_networks_alone() -> None:
    rows = named_rows({"alexnet": 17.5})
    assert not set(DESCRIPTION) & set(rows)
    study = analyze(rows)
    assert study.spaces == ()
    table = reference_table(study.references)
    assert tuple(table) == REFERENCES
    assert table["error"].to_list() == [17.5]
    assert reference_statements(study.references) == ["alexnet (3.0 MF) has an error of 17.50 %."]
    assert topics(study)[-1].id == "references"
    assert topics(study)[-1].figures["references"]().axes
