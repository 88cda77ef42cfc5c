"""From images to a network in a folder: the steps in a row, twice; and how much of each fits the time."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

import designspace as ds
from designspace.config import FindConfig
from designspace.data.settings import DataSettings
from designspace.errors import RunError, UserError
from designspace.launch.settings import LauncherSettings
from designspace.networks.settings import NetworkSettings
from designspace.pipeline import find as module
from designspace.pipeline.find import Sizes, choose, find, fit
from designspace.report.text.find import found_text
from designspace.spaces.sampling import BudgetSettings
from designspace.training.plan import Plan
from designspace.training.settings import TrainSettings

PLAN = Plan(
    models=64, epochs=10, images=100, data="npz", at_once=2, tasks=None, gpus=0.0, model_seconds=20.0,
    source="timed", mean_params=1.0,
)  # fmt: skip


@pytest.fixture
def config(images: Path, space_file: Path, tmp_path: Path) -> FindConfig:
    return FindConfig(
        spaces=[str(space_file)],
        references=["resnet20 x0.25"],
        study="found",
        output_root=str(tmp_path / "results"),
        num_models=3,
        best=2,
        final_epochs=2,
        seeds=1,
        budget=BudgetSettings(resolution=8),
        network=NetworkSettings(stem_width=8),
        data=DataSettings("npz", root=str(images)),
        train=TrainSettings(epochs=1, batch_size=20, val_batch_size=30),
        launcher=LauncherSettings("debug"),
    )


def test_it_ends_with_a_network_in_a_folder_and_a_second_run_trains_nothing(
    config: FindConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "analyze_study", lambda asked: SimpleNamespace(folder=Path("analysis")))
    found = find(config)
    assert found is not None
    assert found.tested["network_id"].iloc[0] == found.network_id
    assert list(found.tested["network"])[1:] == ["resnet20 x0.25"]
    network = ds.load_network(found.folder).module
    assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 2)
    table = pd.read_csv(Path(config.output_root, "found", "final", "final.csv"))
    untested = table[table["tested"] == 0]
    assert len(table) == 3
    assert list(untested["network"].isna()) == [True]  # the other of the best is no longer looked at
    text = found_text(found.network_id, found.tested)
    assert all(len(line) <= 80 for line in text.splitlines()[1:])
    assert f"{found.tested['test_error'].iloc[0]:.2f}" in text

    caplog.clear()
    monkeypatch.setattr("designspace.pipeline.train.open_workers", lambda *_: pytest.fail("trained again"))
    again = find(config)
    assert again is not None
    assert (again.network_id, again.folder) == (found.network_id, found.folder)
    pd.testing.assert_frame_equal(again.tested, found.tested)


def test_a_plan_writes_nothing(config: FindConfig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "designspace")
    assert find(replace(config, plan=True, hours=1)) is None
    assert not Path(config.output_root).exists()
    assert any("find: 1 x 500 models" in line and "in all about" in line for line in caplog.messages)


@pytest.mark.parametrize(
    ("hours", "expected"),
    # Half an hour for models of 20 s, two at once: 180. The rest for 12 trainings, 6 in turn, 2 s an epoch.
    [(1.0, (180, 100)), (0.1, (18, 15)), (0.001, (16, 10)), (1000, (500, 100))],
)
def test_models_and_epochs_fit_the_hours(config: FindConfig, hours: float, expected: tuple[int, int]) -> None:
    config = replace(config, hours=hours, best=3, seeds=3, train=replace(config.train, epochs=10))
    sizes = fit(replace(config, final_epochs=100), PLAN, ("resnet20 x0.25",))
    assert (sizes.num_models, sizes.final_epochs) == expected


def test_what_was_fitted_holds_for_the_study(config: FindConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    study = module.study_folder(config.output_root, config.study)
    sizes = Sizes(num_models=20, final_epochs=7, references=("resnet20 x0.25",), hours=2)
    module._remember(study, sizes)
    monkeypatch.setattr(module, "run", lambda *_: pytest.fail("timed again"))
    for hours in (2, None):  # the same command, or one that has forgotten them
        assert module._sizes(replace(config, hours=hours), study) == sizes
    study.find.write_text("hours: 2\n")
    with pytest.raises(UserError, match="delete it to choose again"):
        module._sizes(replace(config, hours=2), study)


def test_the_choice_is_by_validation_and_among_sampled_networks() -> None:
    table = pd.DataFrame(
        {
            "network_id": ["a", "b", "c", "d"],
            "network": [None, None, "resnet20", None],
            "val_error": [12.0, 10.0, 5.0, None],
            "test_error": [1.0, 9.0, 1.0, 1.0],
        }
    )
    assert choose(table) == "b"
    assert choose(table.drop(columns="network").head(2)) == "b"
    with pytest.raises(RunError, match="could be trained"):
        choose(table.tail(2))


def test_a_published_network_that_fails_does_not_keep_the_chosen_one_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    table = pd.DataFrame(
        {
            "network_id": ["a", "b", "c", "d"],
            "network": [None, "resnet20", "vgg_c", None],
            "tested": [1, 1, 0, 0],
            "test_error": [9.0, 8.0, None, None],
        }
    )
    assert list(module._rows(table, "a")["network_id"]) == ["a", "b"]
    assert caplog.messages == ["find: vgg_c could not be trained and tested, see its record"]
    with pytest.raises(RunError, match="d is not tested yet"):
        module._rows(table, "d")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"spaces": ["nowhere"]}, "space=nowhere: unknown"),
        ({"references": ["a b c"]}, "network=a b c: must be"),
        ({"data": DataSettings("npz", root="/nowhere.npz")}, "nowhere.npz"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(
    config: FindConfig, changes: dict[str, object], line: str
) -> None:
    with pytest.raises(UserError, match=line):
        find(replace(config, **changes))  # type: ignore[arg-type]
    assert not Path(config.output_root).exists()


def test_invalid_values_are_named(config: FindConfig) -> None:
    wrong = replace(config, spaces=[], best=0, seeds=0, hours=-1, formats=["zip"], final_epochs=0)
    found = replace(wrong, launcher=replace(config.launcher, wait=False)).problems()
    keys = [line.partition("=")[0] for line in found]
    assert keys[:7] == ["spaces", "hours", "best", "final_epochs", "seeds", "formats", "launcher.wait"]
