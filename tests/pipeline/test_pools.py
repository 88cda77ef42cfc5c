"""Pools of untrained networks: drawn once, kept with what they depend on, refused where the law differs."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from designspace.analysis.compare import between, compare
from designspace.analysis.powered import NOT_ASKED
from designspace.analysis.powered_features import Drawn
from designspace.analysis.powered_study import mean_samples
from designspace.analysis.study import analyze
from designspace.pipeline import pools
from designspace.pipeline.collect import study_runs
from designspace.report.text.powered import powered_statements
from designspace.store.paths import StudyFolder

STUDY = Path(__file__).parents[2] / "results" / "fashion_mnist"


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyFolder:
    """Two spaces of the committed study, with pools of 2,000 draws."""
    monkeypatch.setattr(pools, "POOL_DRAWS", 2_000)
    for name in ("anynetx_d", "regnetx"):
        shutil.copytree(STUDY / name, tmp_path / "study" / name)
    return StudyFolder(tmp_path / "study")


def read(study: StudyFolder) -> pd.DataFrame:
    """The first 40 models of each space."""
    return study_runs(study).runs.groupby("space").head(40).reset_index(drop=True)


def change(folder: Path, **changed: object) -> None:
    settings = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump(settings | changed))


def test_a_pool_is_drawn_once_and_makes_the_same_estimates(
    study: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = read(study)
    first = pools.study_pools(study, runs)
    monkeypatch.setattr(pools, "draw_networks", None)  # nothing is drawn again
    again = pools.study_pools(study, runs)
    for name, pool in first.items():
        kept = again[name]
        assert isinstance(pool, Drawn)
        assert isinstance(kept, Drawn)
        assert pool.counts.sum() == 2_000
        assert pool.pool.keys == kept.pool.keys
        np.testing.assert_array_equal(pool.pool.features, kept.pool.features)
    found = analyze(runs, pools=again)
    plain = analyze(runs)
    assert found.untrained == 4_000
    assert [space.mean.plain for space in found.spaces] == [space.mean.estimate for space in plain.spaces]
    assert all(space.mean.worth > 1 for space in found.spaces)
    statements = powered_statements(found)
    assert "powered by 4,000 untrained networks" in statements[0]
    assert "brief training is long enough" in statements[1]
    assert powered_statements(plain) == []
    pair = between(found.comparisons, "anynetx_d", "regnetx")
    low, high = pair.mean.interval.low, pair.mean.interval.high
    assert (pair.p < 0.05) == (not low <= 0 <= high)
    by_name = {str(name): rows for name, rows in runs.groupby("space")}
    samples = mean_samples(by_name, first, seed=0)
    alone = compare("anynetx_d", "regnetx", by_name["anynetx_d"], by_name["regnetx"], samples=samples)
    assert (alone.mean, alone.p, alone.worth) == (pair.mean, pair.p, pair.worth)  # as `refine` asks


def test_a_pool_of_other_settings_is_drawn_anew(study: StudyFolder) -> None:
    runs = read(study)
    pools.study_pools(study, runs)
    before = study.pool("regnetx").read_bytes()
    change(study.space("regnetx").root, seed=1)  # its networks are not those of this seed
    found = pools.study_pools(study, runs)
    assert found["regnetx"] == "its networks are not those that this version draws with these settings"
    assert isinstance(found["anynetx_d"], Drawn)
    assert study.pool("regnetx").read_bytes() == before
    analysis = analyze(runs, pools=found)
    assert [space.mean.worth > 1 for space in analysis.spaces] == [True, False]
    assert powered_statements(analysis)[-1].startswith("regnetx: plain estimates")


def test_a_damaged_pool_is_drawn_anew(study: StudyFolder) -> None:
    runs = read(study)
    first = pools.study_pools(study, runs)["regnetx"]
    study.pool("regnetx").write_bytes(study.pool("regnetx").read_bytes()[:1000])
    again = pools.study_pools(study, runs)["regnetx"]
    assert isinstance(first, Drawn)
    assert isinstance(again, Drawn)
    assert again.pool.keys == first.pool.keys


def test_spaces_without_enough_models_or_a_declaration_have_no_pool(study: StudyFolder) -> None:
    runs = read(study)
    few = pd.concat([rows.head(19) for _, rows in runs.groupby("space")])
    assert pools.study_pools(study, few) == {}
    assert not study.analysis.exists()
    study.space("regnetx").config.unlink()
    assert str(pools.study_pools(study, runs)["regnetx"]).startswith("its networks cannot be drawn again")
    assert analyze(runs).spaces[0].mean.reason == NOT_ASKED
