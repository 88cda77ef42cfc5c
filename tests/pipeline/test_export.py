"""A network to take away: every file gives what the network gives, and what cannot be used is refused."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import designspace as ds
from designspace.config import ExportConfig, FinalSettings, TrainFinalConfig
from designspace.data.loading import Splits, load_data
from designspace.data.settings import DataSettings
from designspace.errors import RunError, UserError
from designspace.export import write
from designspace.export.layout import Description
from designspace.export.torchvision_keys import to_torchvision
from designspace.files import host_name
from designspace.networks.architecture import Architecture
from designspace.networks.build import build_network
from designspace.pipeline.export import export_network
from designspace.pipeline.train_final import train_final
from designspace.store.paths import FinalFolder
from designspace.store.records import read_record


@pytest.fixture
def config(finished: Path, tmp_path: Path) -> ExportConfig:
    """Of a study of which two networks are trained with two seeds."""
    shutil.copytree(finished, tmp_path / "finished")
    return ExportConfig(study="study", output_root=str(tmp_path / "finished"))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_all_files_give_what_the_network_gives(config: ExportConfig, images: Path, tmp_path: Path) -> None:
    result = export_network(replace(config, formats=["torch", "pt2", "onnx"]))
    network = ds.load_network(result.folder)
    with np.load(images) as arrays:
        pixels, labels = arrays["test_images"], arrays["test_labels"]
    # `predict` reads plain images, and comes to the test error that the final training recorded.
    found = ds.predict(network, list(pixels))
    wrong = 100 * np.mean(found["class"].to_numpy() != labels.astype(str))
    final = FinalFolder(Path(config.output_root, "study", "final"))
    networks = json.loads((result.folder / "config.json").read_text())
    record = read_record(final.record(f"{networks['origin']['model_id']}-1"))
    assert record.test is not None
    assert wrong == pytest.approx(record.test.error)
    assert networks["errors"]["test_error"] == record.test.error
    # The files for other libraries, on the batches of the data set.
    settings = DataSettings("npz", root=str(images))
    data = load_data(settings, resolution=8, splits=Splits(evaluate="test"))
    (batch, _) = next(iter(data.val_batches(20)))
    with torch.inference_mode():
        logits = network.module(batch)
        assert np.allclose(found.iloc[:, 1:], logits.softmax(1), atol=1e-6)
        graph = torch.export.load(result.folder / "model.pt2").module()
        for size in (1, 7, 20):
            assert torch.allclose(graph(batch[:size]), logits[:size], atol=1e-5)
            session = write.onnx_session(result.folder / "model.onnx")
            assert torch.allclose(session(batch[:size].contiguous()), logits[:size], atol=1e-5)
    # The source file in a Python without this package.
    torch.save(batch, tmp_path / "batch.pt")
    code = (
        "import sys, torch; sys.modules['designspace'] = None; from network import load; "
        f"torch.save(load()(torch.load({str(tmp_path / 'batch.pt')!r})), {str(tmp_path / 'logits.pt')!r})"
    )
    subprocess.run([sys.executable, "-c", code], cwd=result.folder, check=True)
    assert torch.equal(torch.load(tmp_path / "logits.pt"), network.module(batch))
    card = (result.folder / "README.md").read_text()
    assert f"Test error {record.test.error:.2f} %" in card
    # Again: it is there; with other files: refused.
    assert not export_network(replace(config, formats=["torch", "onnx"])).written
    (result.folder / "model.onnx").unlink()
    with pytest.raises(UserError, match="holds this network without onnx; delete it to write it anew"):
        export_network(replace(config, formats=["torch", "onnx"]))
    (result.folder / "config.json").unlink()
    with pytest.raises(UserError, match="is not empty; choose another folder"):
        export_network(config)


@pytest.mark.parametrize("block", ["x", "y"])
@pytest.mark.parametrize("ratios", [(1.0, 1.0, 1.0), (2.0, 0.5, 4.0)])
def test_x_and_y_networks_are_torchvision_s_to_the_bit(
    tmp_path: Path, block: str, ratios: tuple[float, ...]
) -> None:
    architecture = Architecture(block, (1, 2, 1), (16, 24, 48), ratios, (4, 12, 4), 8, 1)
    network = build_network(architecture, num_classes=5, seed=3).eval()
    for module in network.modules():  # statistics as after a training
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()  # type: ignore[union-attr, operator]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr, operator]
    images = torch.randn(7, 3, 32, 32)
    write.write_package(tmp_path, network, described(architecture), ["torch"], images)
    loaded = ds.load_network(tmp_path)
    assert torch.equal(loaded.module(images), network(images))
    assert torch.equal(write._from_source(tmp_path / "network.py")(images), network(images))


@pytest.mark.parametrize("block", ["v", "r", "paper_r", "paper_v", "paper_vr"])
def test_other_blocks_keep_our_names(tmp_path: Path, block: str) -> None:
    architecture = Architecture(block, (1, 2), (8, 16), (1.0, 1.0), (8, 16), 8, 2)
    network = build_network(architecture, num_classes=3, seed=1).eval()
    images = torch.randn(7, 3, 16, 16)
    write.write_package(tmp_path, network, described(architecture), ["torch"], images)
    assert torch.equal(ds.load_network(tmp_path).module(images), network(images))
    assert not (tmp_path / "network.py").exists()


def described(architecture: Architecture) -> Description:
    recipe = {"epochs": 1, "batch_size": 2, "lr": 0.1, "weight_decay": 0.0}
    origin = {"study": "s", "space": "t", "model_id": architecture.model_id, "seed": 1, "data": "npz",
              "images": "train", "recipe": recipe}  # fmt: skip
    classes = tuple("abcde"[: 5 if architecture.block in "xy" else 3])
    costs = {"flops": 1, "params": 2, "acts": 3}
    return Description(
        vars(architecture), classes, 32, None, (0.5,) * 3, (0.2,) * 3, "", "", costs, {}, origin
    )


def test_a_name_that_torchvision_does_not_have_is_no_weight_of_ours() -> None:
    with pytest.raises(KeyError):
        to_torchvision("stages.0.0.other.weight", "x")


def test_images_of_any_kind_and_shape(config: ExportConfig, tmp_path: Path) -> None:
    network = ds.load_network(export_network(config).folder)
    grey = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    alike = [grey, np.stack([grey] * 3, axis=2), Image.fromarray(grey), tmp_path / "grey.png"]
    found = ds.predict(network, alike)
    assert np.ptp(found.iloc[:, 1:].to_numpy(), axis=0).max() == 0
    wide = ds.predict(network, [np.zeros((30, 50, 3), np.uint8)])
    assert wide.iloc[:, 1:].sum(axis=1).iloc[0] == pytest.approx(1)
    assert len(ds.predict(network, [])) == 0
    for wrong in (np.zeros((8, 8)), np.zeros((8, 8, 2), np.uint8), np.zeros(8, np.uint8)):
        with pytest.raises(UserError, match=r"images: must be uint8 \[h, w\]"):
            ds.predict(network, [wrong])
    with pytest.raises(UserError, match=r"missing\.png"):
        ds.predict(network, [tmp_path / "missing.png"])


def test_best_is_by_validation_where_it_is_known(
    config: ExportConfig, final_config: TrainFinalConfig
) -> None:
    alone = FinalSettings("train")
    train_final(replace(final_config, output_root=config.output_root, final=alone, name="by_val"))
    folder = FinalFolder(Path(config.output_root, "study", "by_val"))
    records = [read_record(path) for path in folder.records.glob("*.json")]
    errors: dict[str, list[float]] = {}
    for record in records:
        assert record.error is not None
        errors.setdefault(record.model_id.split("-")[0], []).append(record.error)
    means = {name: np.mean(values) for name, values in errors.items()}
    exported = ds.load_network(export_network(replace(config, name="by_val")).folder).description
    assert means[exported.origin["model_id"]] == min(means.values())
    assert exported.errors["val_error"] is not None


@pytest.mark.parametrize(
    ("file", "change", "problem"),
    [
        ("config.json", None, "holds no exported network"),
        ("config.json", lambda text: text[:-20], r"config\.json: cannot be used"),
        ("config.json", lambda text: text.replace(b'"format": 1', b'"format": 2'), "has format 2"),
        ("config.json", lambda text: text.replace(b'"resolution": 8', b'"resolution": 0'), "a resolution"),
        ("config.json", lambda text: text.replace(b'"depths"', b'"deep"'), r"config\.json: cannot be used"),
        ("model.safetensors", None, "model.safetensors: is missing"),
        ("model.safetensors", lambda content: content[:-1], "is not the file that was exported"),
    ],
)
def test_folders_that_were_damaged_or_edited(
    config: ExportConfig, tmp_path: Path, file: str, change: Any, problem: str
) -> None:
    folder = export_network(replace(config, output=str(tmp_path / "net"))).folder
    content = (folder / file).read_bytes()
    (folder / file).unlink()
    if change is not None:
        (folder / file).write_bytes(change(content))
    with pytest.raises(UserError, match=problem):
        ds.load_network(folder)


def test_a_config_of_another_network(config: ExportConfig) -> None:
    folder = export_network(config).folder
    content = json.loads((folder / "config.json").read_text())
    content["network"]["widths"] = [2 * width for width in content["network"]["widths"]]
    (folder / "config.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"does not fit config\.json"):
        ds.load_network(folder)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"network": "ffffff"}, "network=ffffff: must be best, or one of"),
        ({"network": ""}, "network=: must be best, or one of"),
        ({"name": "other"}, "name=other: study study has no final trainings there"),
        ({"output": "/proc/none/net"}, "cannot be written"),
        ({"output": __file__}, "is a file; name a folder"),
    ],
)
def test_what_is_refused(config: ExportConfig, change: dict[str, str], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        export_network(replace(config, **change))  # type: ignore[arg-type]
    assert not Path(config.output_root, "study", "export").exists()


def test_without_the_packages_for_onnx(config: ExportConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match="needs the package onnxruntime: pip install"):
        export_network(replace(config, formats=["onnx"]))
    assert not any(Path(config.output_root, "study", "export").iterdir())


def test_a_file_that_gives_other_logits_is_not_handed_out(
    config: ExportConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "TOLERANCE", 0.0)  # equal logits differ by no less
    with pytest.raises(RunError, match="its logits differ"):
        export_network(config)
    assert not any(Path(config.output_root, "study", "export").iterdir())


def test_what_a_killed_export_left_is_removed(config: ExportConfig) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True
    )
    folder = export_network(config).folder
    shutil.rmtree(folder)
    left = folder.with_name(f".{folder.name}.{host_name()}.{done.stdout.strip()}.tmp")
    left.mkdir()
    export_network(config)
    assert sorted(os.listdir(folder.parent)) == [folder.name]
