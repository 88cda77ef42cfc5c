"""What notebooks begin with, on the study that comes with the project."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import designspace as ds
from designspace.errors import UserError
from designspace.files import CONF_FOLDER

STUDY = CONF_FOLDER.parent / "results" / "laptop_six_spaces"


@pytest.fixture(scope="module")
def study():
    return ds.analyze(ds.read_study(STUDY))


def test_importing_it_imports_nothing_slow():
    slow = ["torch", "pandas", "scipy", "matplotlib"]
    code = f"import sys, designspace; print([name for name in {slow} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_everything_offered_is_there():
    assert all(getattr(ds, name) is not None for name in dir(ds))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        ds.nonsense  # noqa: B018


def test_samples_are_those_of_the_command_line():
    committed = pd.read_parquet(STUDY / "anynetx_c" / "models.parquet")
    again = ds.sample_space(
        "anynetx_c", 10, flops=(0.9e6, 1.0e6), resolution=32, stem_width=16, num_classes=10
    )
    assert list(again["model_id"]) == list(committed["model_id"][:10])
    assert list(again["flops"]) == list(committed["flops"][:10])
    with pytest.raises(UserError, match="anynetx_q: unknown"):
        ds.sample_space("anynetx_q", 1)


def test_reading_a_study_writes_nothing():
    before = {path: path.stat().st_mtime_ns for path in STUDY.rglob("*")}
    found = ds.read_study(STUDY)
    assert {path: path.stat().st_mtime_ns for path in STUDY.rglob("*")} == before
    assert found.runs.groupby("space").size().to_dict() == dict.fromkeys(sorted(set(found.runs["space"])), 64)
    with pytest.raises(UserError, match="holds no population"):
        ds.read_study(STUDY / "anynetx_c")


def test_figures_and_tables_by_name(study):
    assert ds.figure(study, "edf").axes
    summary = ds.table(study, "summary").set_index("space")
    errors = ds.read_study(STUDY).runs.groupby("space")["error"]
    assert summary["mean"].to_dict() == pytest.approx(errors.mean().to_dict())
    with pytest.raises(UserError, match=r"figure=nonsense: must be one of edf, "):
        ds.figure(study, "nonsense")
    with pytest.raises(UserError, match=r"table=nonsense: must be one of summary, "):
        ds.table(study, "nonsense")


def test_what_if(study):
    found = ds.what_if(study, "anynetx_c", {"bottleneck_ratios": {"range": [1, 2]}})
    runs = next(space.runs for space in study.spaces if space.name == "anynetx_c")
    keeps = np.array([max(ratios) <= 2 for ratios in runs["bottleneck_ratios"]])
    assert found.kept.summary.counts.done == keeps.sum()
    assert found.difference.mean.value == pytest.approx(
        runs["error"][keeps].mean() - runs["error"][~keeps].mean()
    )
    assert str(keeps.sum()) in ds.sentence(found)
    with pytest.raises(UserError, match=r"space=regnety: must be one of anynetx_a"):
        ds.what_if(study, "regnety", {"depth": {"range": [1, 20]}})
    with pytest.raises(UserError, match="restrict"):
        ds.what_if(study, "anynetx_c", {"widths": "sorted"})
