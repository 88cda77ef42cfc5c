"""A small study, and what final trainings of it are asked for."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from designspace.config import RunConfig, SpaceSettings, TrainFinalConfig
from designspace.data.settings import DataSettings
from designspace.launch.settings import LauncherSettings
from designspace.networks.settings import NetworkSettings
from designspace.pipeline import sample_and_train
from designspace.pipeline.train_final import train_final
from designspace.spaces.sampling import BudgetSettings
from designspace.training.settings import TrainSettings

SPACE = """
family: anynet
block: x
stages: 2
parameters:
  depths: {distribution: uniform, low: 1, high: 2, step: 1}
  widths: {distribution: uniform, low: 8, high: 32, step: 8}
  bottleneck_ratios: {distribution: choice, values: [1, 2]}
  group_widths: {distribution: choice, values: [4, 8]}
"""


@pytest.fixture
def space_file(tmp_path: Path) -> Path:
    """The declaration of a space of tiny networks."""
    path = tmp_path / "tiny.yaml"
    path.write_text(SPACE)
    return path


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 + 30 + 20 noisy images of two classes, told apart by their brightness, as .npz."""
    rng, content = np.random.default_rng(0), {}
    for split, count in (("train", 60), ("val", 30), ("test", 20)):
        labels = np.arange(count) % 2
        content[f"{split}_labels"] = labels
        pixels = rng.integers(0, 200, (count, 8, 8)) + 50 * labels[:, None, None]
        content[f"{split}_images"] = pixels.astype(np.uint8)
    path = tmp_path_factory.mktemp("images") / "set.npz"
    np.savez(path, **content)  # type: ignore[arg-type]
    return path


@pytest.fixture(scope="module")
def trained(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output_root with a study of three models."""
    root = tmp_path_factory.mktemp("trained")
    (root / "tiny.yaml").write_text(SPACE)
    config = RunConfig(
        space=SpaceSettings(str(root / "tiny.yaml")),
        study="study",
        output_root=str(root),
        num_models=3,
        budget=BudgetSettings(resolution=8),
        network=NetworkSettings(stem_width=8),
        data=DataSettings("npz", root=str(images)),
        train=TrainSettings(epochs=1, batch_size=20, val_batch_size=30),
        launcher=LauncherSettings("debug"),
    )
    assert sample_and_train.run(config).complete
    return root


@pytest.fixture
def final_config(trained: Path, tmp_path: Path) -> TrainFinalConfig:
    shutil.copytree(trained, tmp_path / "results")
    return final_of(tmp_path / "results")


def final_of(root: Path) -> TrainFinalConfig:
    """Two networks of the study in `root`, two seeds each."""
    return TrainFinalConfig(
        study="study",
        networks=["best:2"],
        seeds=2,
        output_root=str(root),
        train=TrainSettings(epochs=2, batch_size=20, val_batch_size=20, warmup_share=0.05),
        launcher=LauncherSettings("debug"),
    )


@pytest.fixture(scope="module")
def finished(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same output_root with these two trained."""
    root = tmp_path_factory.mktemp("finished") / "results"
    shutil.copytree(trained, root)
    train_final(final_of(root))
    return root
