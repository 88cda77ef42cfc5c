"""Final trainings on tiny networks: what is trained, kept, tested once, resumed and refused."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from designspace.config import (
    FinalSettings,
    TestSettings,
    TrainFinalConfig,
)
from designspace.data.loading import Splits, load_data
from designspace.data.settings import DataSettings
from designspace.errors import UserError
from designspace.networks.architecture import Architectures
from designspace.networks.build import build_network
from designspace.pipeline.final_table import final_text
from designspace.pipeline.train_final import SECTIONS, _recipe, train_final
from designspace.store.paths import FinalFolder
from designspace.store.records import Record, Status, read_record, write_record
from designspace.store.tables import read_models
from designspace.training import worker
from designspace.training.final import evaluate, read_weights
from designspace.training.settings import TrainSettings


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def config(final_config: TrainFinalConfig) -> TrainFinalConfig:
    return final_config


def folder_of(config: TrainFinalConfig) -> FinalFolder:
    return FinalFolder(Path(config.output_root, "study", config.name))


def records(config: TrainFinalConfig) -> dict[str, Record]:
    folder = folder_of(config)
    return {path.stem: read_record(path) for path in sorted(folder.records.glob("*.json"))}


def test_each_network_is_trained_with_each_seed_and_tested(config: TrainFinalConfig, images: Path) -> None:
    result = train_final(replace(config, test=TestSettings(tta="flip")))
    assert result is not None
    assert result.complete
    networks, found = read_models(result.folder), records(config)
    assert sorted(networks["model_id"]) == sorted(found)
    assert len({record.seed for record in found.values()}) == 4
    for i, model_id in enumerate(networks["model_id"]):
        record = found[model_id]
        assert record.test is not None
        assert record.error is None  # it was trained on the validation images
        # The file alone gives what the record says, by torch's own functions.
        network = build_network(Architectures.from_frame(networks.iloc[[i]])[0], num_classes=2)
        network.load_state_dict(load_file(result.folder.weights(model_id)))
        settings = DataSettings("npz", root=str(images))
        data = load_data(settings, resolution=8, splits=Splits(evaluate="test"))
        ((pixels, labels),) = data.val_batches(20)
        with torch.inference_mode():
            logits, mirrored = network.eval()(pixels), network(pixels.flip(3))
        wrong = 100 * (logits.argmax(1) != labels).double().mean()
        assert record.test.error == pytest.approx(float(wrong))
        assert record.test.loss == pytest.approx(float(torch.nn.functional.cross_entropy(logits, labels)))
        table = torch.tensor(record.test.confusion)
        assert table.sum(1).tolist() == [10, 10]
        assert 100 * (20 - int(table.diagonal().sum())) / 20 == pytest.approx(record.test.error)
        both = logits.softmax(1) + mirrored.softmax(1)
        flipped = 100 * (both.argmax(1) != labels).double().mean()
        assert record.test.flip_error == pytest.approx(float(flipped))
    table = pd.read_csv(result.folder.table)
    of_first = [found[f"{table['network_id'][0]}-{k}"].test for k in (1, 2)]
    assert table["test_error"][0] == pytest.approx(np.mean([test.error for test in of_first if test]))
    assert table["looks"].tolist() == [1, 1]
    named = table.assign(network="timm:mobilenetv3_large_100 x0.25 small stem", space="anynetx_d_decreasing")
    for text in (result.text, final_text(named.assign(looks=2))):
        assert max(map(len, text.splitlines()[:3])) == 80
        assert f"{table['test_error'][0]:.2f} +- {table['test_error_std'][0]:.2f}" in text


def test_a_second_run_does_nothing_and_more_can_be_asked_for(config: TrainFinalConfig) -> None:
    train_final(replace(config, networks=["best:1"], seeds=1))
    before = {path: path.stat().st_mtime_ns for path in folder_of(config).records.iterdir()}
    train_final(config)
    assert len(records(config)) == 4
    train_final(replace(config, networks=["best:1"], seeds=1))  # takes nothing away
    assert len(records(config)) == 4
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_trained_on_the_training_images_alone_it_has_a_validation_error(config: TrainFinalConfig) -> None:
    config = replace(config, final=FinalSettings("train"), test=TestSettings(skip=True), seeds=1)
    result = train_final(config)
    assert result is not None
    assert result.complete
    assert all(record.error is not None and record.test is None for record in records(config).values())
    assert not Path(config.output_root, "study", "looks").exists()
    before = {name: record.error for name, record in records(config).items()}
    train_final(replace(config, networks=["best:1"], test=TestSettings()))  # tests what is asked for
    assert [record.test is not None for record in records(config).values()].count(True) == 1
    result = train_final(replace(config, test=TestSettings()))
    assert result is not None
    assert result.complete
    assert {name: record.error for name, record in records(config).items()} == before
    assert all(record.test is not None for record in records(config).values())


def test_killed_between_look_and_record_it_is_tested_again(
    config: TrainFinalConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(config, networks=["best:1"], seeds=1)

    def die(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(worker, "evaluate", die)
        with pytest.raises(KeyboardInterrupt):
            train_final(config)
    ((name, record),) = records(config).items()
    assert (record.status, record.test) == (Status.DONE, None)
    weights = folder_of(config).weights(name).read_bytes()
    result = train_final(config)
    assert result is not None
    assert result.table["looks"].tolist() == [1]
    assert folder_of(config).weights(name).read_bytes() == weights


def test_a_second_look_is_refused_before_training_and_counted_where_it_is_asked_for(
    config: TrainFinalConfig,
) -> None:
    config = replace(config, networks=["best:1"], seeds=1)
    train_final(config)
    (name,) = records(config)
    folder_of(config).record(name).unlink()
    with pytest.raises(UserError, match=f"{name} was tested already .* test.again=true"):
        train_final(config)
    assert not folder_of(config).record(name).exists()
    # The same seed gives the same weights, so this is no second look; other bytes of weights are.
    path = Path(config.output_root, "study", "looks").iterdir().__next__()
    path.write_text(path.read_text().replace('_sha256": "', '_sha256": "0'))
    result = train_final(replace(config, test=TestSettings(again=True)))
    assert result is not None
    assert result.table["looks"].tolist() == [2]


def test_weights_that_are_torn_or_gone_are_not_tested(config: TrainFinalConfig) -> None:
    config = replace(config, networks=["best:1"], seeds=1)
    train_final(replace(config, test=TestSettings(skip=True)))
    (name,) = records(config)
    path = folder_of(config).weights(name)
    content = path.read_bytes()
    for damaged in (content[:-100], b"", None):
        path.unlink()
        if damaged is not None:
            path.write_bytes(damaged)
        result = train_final(replace(config, launcher=replace(config.launcher, max_retries=0)))
        assert result is not None
        assert not result.complete
        record = records(config)[name]
        assert (record.status, record.test) == (Status.DONE, None)  # the training is not lost
        write_record(folder_of(config).record(name), replace(record, attempts=()))
    path.write_bytes(content)
    result = train_final(config)
    assert result is not None
    assert result.complete


def test_weights_of_another_network_are_refused(config: TrainFinalConfig, tmp_path: Path) -> None:
    train_final(replace(config, seeds=1, test=TestSettings(skip=True)))
    networks = read_models(folder_of(config))
    network = build_network(Architectures.from_frame(networks.iloc[[0]])[0], num_classes=2)
    with pytest.raises(UserError, match="does not hold the weights of this network"):
        read_weights(folder_of(config).weights(networks["model_id"][1]), network)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"train": TrainSettings(epochs=3, batch_size=20)},
            r"other settings: train.epochs=2 there, 3 now",
        ),
        ({"final": FinalSettings("train")}, r"other settings: images=train_and_val there, train now"),
        ({"name": "tiny"}, "name=tiny: is another folder of the study"),
        ({"name": "looks"}, "name=looks: is another folder of the study"),
        ({"networks": ["best:0"]}, "networks=best:0: must be"),
        ({"train": TrainSettings(epochs=2, batch_size=91)}, "train.batch_size=91: must be at most 90"),
    ],
)
def test_what_is_refused(config: TrainFinalConfig, change: dict[str, object], problem: str) -> None:
    train_final(replace(config, networks=["best:1"], seeds=1, test=TestSettings(skip=True)))
    before = sorted(Path(config.output_root).rglob("*"))
    with pytest.raises(UserError, match=problem):
        train_final(replace(config, **change))  # type: ignore[arg-type]
    assert sorted(Path(config.output_root).rglob("*")) == before


def test_a_study_without_test_images_is_refused(
    config: TrainFinalConfig, tmp_path: Path, images: Path
) -> None:
    with np.load(images) as arrays:
        np.savez(tmp_path / "few.npz", **{name: arrays[name] for name in arrays if "test" not in name})
    data = replace(config.data, root=str(tmp_path / "few.npz"))
    with pytest.raises(UserError, match=r"has no test images .*test\.skip=true"):
        train_final(replace(config, data=data))
    assert not folder_of(config).root.exists()


def test_other_images_than_the_study_s_are_refused(
    config: TrainFinalConfig, tmp_path: Path, images: Path
) -> None:
    with np.load(images) as arrays:
        np.savez(tmp_path / "other.npz", **{**arrays, "train_images": arrays["train_images"][::-1]})
    with pytest.raises(UserError, match=r"data.root: not the images of the study"):
        train_final(replace(config, data=replace(config.data, root=str(tmp_path / "other.npz"))))


def test_top5_from_100_classes_on() -> None:
    """Scores that put the true class second: top-1 is wrong throughout, top-5 right."""

    class Second(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            labels = images[:, 0, 0, 0].long()
            return (
                torch.nn.functional.one_hot(labels, 100)
                + 2.0 * torch.nn.functional.one_hot((labels + 1) % 100, 100)
            ).float()

    labels = torch.arange(100)
    pixels = labels.view(-1, 1, 1, 1).expand(100, 3, 1, 1).float()

    class Data:
        info = load_data(DataSettings(), resolution=4).info
        info = replace(info, num_classes=100, num_val=100)

        def val_batches(self, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
            yield pixels, labels

    found = evaluate(Second(), Data(), TrainSettings(), torch.device("cpu"))  # type: ignore[arg-type]
    assert (found.error, found.top5_error) == (100.0, 0.0)


def test_a_key_that_came_later_changes_no_recipe_where_it_does_nothing() -> None:
    before = {**dict.fromkeys(SECTIONS, 0), "data": {"name": "npz"}, "train": {"lr": 0.1}}
    plain, balanced = (
        {**before, "train": {"lr": 0.1, "class_weights": value}} for value in ("none", "balanced")
    )
    assert _recipe(before) == _recipe(plain) != _recipe(balanced)
    timed, untimed = ({**before, "train": {"lr": 0.1, "cudnn_benchmark": value}} for value in (True, False))
    assert _recipe(before) == _recipe(timed) != _recipe(untimed)
