"""Published networks in a study: trained and resumed as a population, one row each."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from designspace.config import RunConfig, SpaceSettings
from designspace.errors import UserError
from designspace.launch.settings import LauncherSettings
from designspace.networks.names import parse_reference
from designspace.networks.reference import known_names
from designspace.networks.settings import NetworkSettings
from designspace.pipeline import sample_and_train
from designspace.spaces.load import load_models
from designspace.spaces.references import ReferenceSpace
from designspace.spaces.sampling import BudgetSettings
from designspace.store.paths import SpaceFolder
from designspace.training.settings import TrainSettings


def declare(folder: Path, *networks: str) -> None:
    (folder / "named.yaml").write_text(f"family: reference\nnetworks: [{', '.join(networks)}]\n")


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return RunConfig(
        space=SpaceSettings(str(tmp_path / "named.yaml")),
        study="test",
        output_root=str(tmp_path / "results"),
        num_models=64,
        budget=BudgetSettings(flops=[1, 2], resolution=8),
        train=TrainSettings(epochs=1, batch_size=2000, val_batch_size=2000, warmup_epochs=0),
        launcher=LauncherSettings(name="debug", max_retries=0),
    )


def folder_of(config: RunConfig) -> SpaceFolder:
    return SpaceFolder(Path(config.output_root) / "test" / "named")


def test_networks_are_trained_and_added_to(
    config: RunConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    declare(tmp_path, "resnet20 x0.25", "lenet5", "plain20 x0.25 small stem")
    result = sample_and_train.run(config)
    assert result.counts == {"done": 2}
    assert "named: network=lenet5: cannot work at budget.resolution=8: layer 3 (Conv2d): " in caplog.text
    assert "; the smallest that works is 16; left out" in caplog.text
    runs = pd.read_parquet(folder_of(config).runs)
    assert list(runs["network"]) == ["resnet20 x0.25", "plain20 x0.25 small stem"]
    assert runs["error"].between(20, 95).all()
    assert not {"depths", "widths", "block"} & set(runs)
    before = {path.name: path.stat().st_mtime_ns for path in folder_of(config).records.iterdir()}

    declare(tmp_path, "plain20 x0.25", "resnet20 x0.25")
    assert sample_and_train.run(config).counts == {"done": 2}
    grown = pd.read_parquet(folder_of(config).runs)
    assert list(grown["network"]) == [*runs["network"], "plain20 x0.25"]
    after = {path.name: path.stat().st_mtime_ns for path in folder_of(config).records.iterdir()}
    assert before.items() <= after.items()
    assert grown["flops"][2] == grown["flops"][0]  # shortcuts take no multiply-adds


def test_a_small_stem_for_all_of_them(config: RunConfig, tmp_path: Path) -> None:
    declare(tmp_path, "resnet18", "mobilenetv2_100")
    small = replace(config, network=NetworkSettings(stem="small"), stop_after="sample")
    sample_and_train.run(small)
    models = pd.read_parquet(folder_of(config).models)
    assert list(models["network"]) == ["resnet18 small stem", "mobilenetv2_100 small stem"]


@pytest.mark.parametrize(
    ("network", "message"),
    [("reznet18", "did you mean resnet18"), ("lenet5", "none of its 1 networks can be trained")],
)
def test_what_cannot_be_writes_nothing(network: str, message: str, config: RunConfig, tmp_path: Path) -> None:
    declare(tmp_path, network)
    with pytest.raises(UserError, match=message):
        sample_and_train.run(config)
    assert not Path(config.output_root).exists()


@pytest.mark.parametrize("name", ["references", "mobile"])
def test_every_network_of_the_lists_that_come_along_is_known(name: str) -> None:

    space = load_models(name)
    assert isinstance(space, ReferenceSpace)
    for network in map(parse_reference, space.networks):
        assert network.name in known_names(network.source)
