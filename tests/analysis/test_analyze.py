import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from synthetic import make_runs

from designspace.analysis.results import DESCRIPTION, StudyRuns, check_runs
from designspace.analysis.study import StudyAnalysis, analyze
from designspace.report.contents import topics
from designspace.report.tables.study import (
    EDF,
    FITS,
    PARAMETERS,
    SUMMARY,
    edf_table,
    fit_table,
    parameter_table,
    summary_table,
)

MIXED = ["done"] * 9 + ["diverged", "failed", "missing"]


def tables(study: StudyAnalysis) -> dict[str, pd.DataFrame]:
    return {f.__name__: f(study) for f in (summary_table, parameter_table, fit_table, edf_table)}


def test_a_study_of_two_spaces() -> None:
    runs = pd.concat([make_runs("b", MIXED, seed=1), make_runs("a", MIXED, stages=3)], ignore_index=True)
    study = analyze(runs)
    assert [space.name for space in study.spaces] == ["a", "b"]
    summary = summary_table(study)
    assert tuple(summary) == SUMMARY
    assert summary["n"].tolist() == [11, 11]
    assert summary["n_missing"].tolist() == [1, 1]
    assert summary["mean"].tolist() == pytest.approx(runs.groupby("space")["error"].mean().tolist())
    parameters = parameter_table(study)
    assert tuple(parameters) == PARAMETERS
    assert set(parameters.query("space == 'a'")["parameter"]) >= {"depth", "d3", "w1", "b", "g", "e_fit"}
    assert "d4" not in set(parameters.query("space == 'a'")["parameter"])
    assert tuple(fit_table(study)) == FITS
    assert len(fit_table(study)) == 24  # every network, trained or not
    assert tuple(edf_table(study)) == EDF


def reference_rows(space: str) -> pd.DataFrame:
    """Networks by name among the models of a space: nothing describes them but what they cost."""
    rows = make_runs(space, ["done", "failed", "missing"]).assign(network=["resnet18", "resnet50", "vgg16"])
    rows["model_id"] = [f"{space}-{i}-named" for i in range(3)]
    return rows.assign(**dict.fromkeys(DESCRIPTION))


def test_reference_networks_enter_no_statistic_of_a_space() -> None:
    runs = pd.concat([make_runs("a", MIXED), make_runs("b", MIXED, seed=1)], ignore_index=True)
    named = pd.concat([reference_rows("a"), runs, reference_rows("references")], ignore_index=True)
    check_runs(named)
    repeats = runs.assign(repeat=1)
    study = StudyRuns(named, pd.concat([repeats, reference_rows("a").assign(repeat=1)]), named)
    expected = analyze(StudyRuns(runs, repeats, runs))
    found = analyze(study)
    assert [space.name for space in found.spaces] == ["a", "b"]
    for name, table in tables(expected).items():
        pd.testing.assert_frame_equal(tables(found)[name], table)
    *again_topics, named_topic = topics(found)
    assert named_topic.id == "references"
    for topic, again in zip(topics(expected), again_topics, strict=True):
        for name, table in topic.tables.items():
            pd.testing.assert_frame_equal(again.tables[name], table, check_dtype=False)


def test_reference_networks_alone_are_analysed_to_nothing() -> None:
    assert analyze(reference_rows("references")).spaces == ()


def test_a_row_without_a_description_must_name_its_network() -> None:
    rows = reference_rows("a")
    rows.loc[0, "network"] = None
    with pytest.raises(ValueError, match=r"1 rows have neither all of .* nor the name of a network"):
        check_runs(rows)


def test_best_networks_come_first_with_their_fits() -> None:
    runs = make_runs("a", ["done"] * 30)
    space = analyze(runs).spaces[0]
    assert [network.error for network in space.top] == sorted(runs["error"])[:20]
    best = runs.loc[runs["error"].idxmin()]
    assert space.top[0].model_id == best["model_id"]
    assert space.top[0].observed.tolist() == np.repeat(best["widths"], best["depths"]).tolist()
    distance = np.abs(np.log(space.top[0].fitted / space.top[0].observed)).mean()
    assert distance == pytest.approx(space.top[0].e_fit)


def test_numbers_of_a_space_depend_on_its_models_and_the_seed_alone() -> None:
    a, b = make_runs("a", MIXED), make_runs("b", MIXED, seed=1)
    alone = tables(analyze(b))
    both = tables(analyze(pd.concat([b, a.sample(frac=1, random_state=0)], ignore_index=True)))
    for name, table in alone.items():
        beside = both[name].query("space == 'b'").reset_index(drop=True)
        pd.testing.assert_frame_equal(table, beside, check_dtype=False)
    pd.testing.assert_frame_equal(summary_table(analyze(b, seed=1)), alone["summary_table"])  # no seed


@pytest.mark.parametrize(
    "statuses",
    [["done"], ["done"] * 2, ["diverged"] * 3, ["missing"] * 3, ["failed"], []],
    ids=["one", "two", "all diverged", "no record", "one failed", "nothing"],
)
def test_populations_of_which_little_is_known(statuses: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study = analyze(make_runs("a", statuses))
        found = tables(study)
    assert len(study.spaces) == bool(statuses)
    assert (tuple(found["summary_table"]), tuple(found["fit_table"])) == (SUMMARY, FITS)
    assert len(found["fit_table"]) == len(statuses)


def test_all_errors_equal() -> None:
    space = analyze(make_runs("a", ["done"] * 8).assign(error=20.0)).spaces[0]
    for interval in (space.summary.mean_interval, space.summary.median_interval):
        assert (interval.low, interval.high) == (20, 20)
    assert space.summary.std == 0


def test_wrong_tables_are_refused_with_every_reason() -> None:
    runs = make_runs("a", MIXED)
    with pytest.raises(ValueError, match=r"\['widths', 'error'\] are missing"):
        analyze(runs.drop(columns=["widths", "error"]))
    with pytest.raises(ValueError, match=r"one of .*got \['lost'\]; 1 rows contradict"):
        analyze(runs.assign(status=["lost", *MIXED[1:]]))


def test_no_torch_and_no_plotting_library_is_imported() -> None:
    code = (
        "import sys, designspace.analysis, designspace.report.tables.study;"
        "print([m for m in ('torch', 'matplotlib', 'seaborn') if m in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
