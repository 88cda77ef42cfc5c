"""Step 7: a network of final/ -> one folder to take away."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from designspace.analysis.selection import ID
from designspace.commands import command
from designspace.config import ExportConfig
from designspace.data.sets import CLASS_NAMES
from designspace.data.settings import DataSettings
from designspace.errors import RunError, UserError
from designspace.export.layout import CONFIG, GRAPH, ONNX, Description, read_description
from designspace.files import check_name, host_name, temporary_name, user_path
from designspace.networks.architecture import Architecture, networks_of
from designspace.store.paths import FinalFolder, StudyFolder, find_study
from designspace.store.population import read_settings
from designspace.store.processes import is_alive
from designspace.store.records import Record, Status, valid_record
from designspace.store.tables import read_models
from designspace.store.versions import versions

if TYPE_CHECKING:
    from designspace.data.images import ImageData

log = logging.getLogger(__name__)

ROUNDED = 2  # images whose class may turn with the last bits of the logits


@dataclass(frozen=True)
class ExportResult:
    """What was exported."""

    folder: Path
    text: str  # for the terminal
    written: bool  # False: it was there already


def export_network(config: ExportConfig) -> ExportResult:
    """Write the folder; one that holds the same weights in these formats already is left as it is.

    Raises:
        UserError: there is no such network, it is not trained, its files are damaged, or the folder cannot be
            written.
        RunError: an exported file does not give what the network gives.
    """
    from designspace.data.loading import load_data  # torch: slow to import
    from designspace.export.write import write_package
    from designspace.networks.build import build_network
    from designspace.training.final import read_weights

    study = find_study(config.output_root, config.study)
    folder = study.final(config.name)
    networks = _networks(folder, config)
    row, record = _chosen(folder, networks, config.network)
    settings = read_settings(folder)
    output = _output(config, study, row)
    given = {key: value for key, value in asdict(config.data).items() if value is not None}
    data = load_data(DataSettings(**{**settings["data"], **given}), resolution=settings["resolution"])
    description = _describe(study, folder, row, record, settings, data)
    architecture = description.architecture
    network = build_network(architecture, num_classes=data.info.num_classes, seed=0)
    digest = read_weights(folder.weights(record.model_id), network)
    description = replace(description, origin={**description.origin, "trained_weights_sha256": digest})
    if _is_there(output, description, config.formats):
        return ExportResult(output, f"{output}: holds this network already", written=False)
    images, _ = next(iter(data.val_batches(8)))
    with _appearing(output) as temporary:
        description = write_package(temporary, network, description, config.formats, images)
        if "onnx" in config.formats:
            _test_onnx(temporary / ONNX, description, settings, given)
    error = description.errors["test_error"]
    tested = "not tested" if error is None else f"test error {error:.2f} %"
    return ExportResult(output, f"{output}: {record.model_id} of {row['space']}, {tested}", written=True)


# ---- which network -----------------------------------------------------------------------------------------


def _networks(folder: FinalFolder, config: ExportConfig) -> pd.DataFrame:
    if not folder.models.exists():
        raise UserError(
            f"name={config.name}: study {folder.study.name} has no final trainings there; "
            f"run {command('train_final')}"
        )
    return read_models(folder)


def _chosen(folder: FinalFolder, networks: pd.DataFrame, asked: str) -> tuple[dict[str, Any], Record]:
    """The row of the network with the first of its seeds that is trained, and that record.

    "best" is the least mean validation error, where networks were trained without the validation images; else
    what was expected of them when they were chosen. Test errors choose nothing.
    """
    records = {key: valid_record(folder, key) for key in networks["model_id"]}
    done = {key: r for key, r in records.items() if r is not None and r.status is Status.DONE}
    trained = networks[networks["model_id"].isin(done)]
    if trained.empty:
        raise UserError(f"{folder.root}: no network is trained yet; run {command('train_final')}")
    if asked == "best":
        errors = trained["model_id"].map(lambda key: done[key].error).astype(float)
        by = errors if errors.notna().all() else trained["expected"]
        best = by.groupby(trained["network_id"], sort=False).mean().idxmin()
        found = trained[trained["network_id"] == best]
    else:
        named = trained["network"] == asked if "network" in trained else trained["space"].isna()
        begins = trained["network_id"].str.startswith(asked) & bool(ID.fullmatch(asked))
        found = trained[named | begins]
    if found.empty or found["network_id"].nunique() > 1:
        known = ", ".join(sorted(set(trained["network_id"])))
        raise UserError(f"network={asked}: must be best, or one of {known} (the first digits do)")
    row = {str(key): value for key, value in found.sort_values("number").iloc[0].items()}
    return row, done[row["model_id"]]


# ---- what is said of it ------------------------------------------------------------------------------------


def _describe(
    study: StudyFolder,
    folder: FinalFolder,
    row: dict[str, Any],
    record: Record,
    settings: dict[str, Any],
    data: ImageData,
) -> Description:
    architecture = networks_of(pd.DataFrame([row]))[0]
    network = asdict(architecture) if isinstance(architecture, Architecture) else {"name": architecture}
    how = data.preprocessing
    return Description(
        network=network,
        classes=_classes(settings, data),
        resolution=how.resolution,
        resize=how.resize,
        mean=how.mean,
        std=how.std,
        keys="",
        weights_sha256="",
        costs={name: int(row[name]) for name in ("flops", "params", "acts")},
        errors=_errors(folder, row, record),
        origin={
            "study": study.name,
            "space": row["space"],
            "model_id": row["network_id"],
            "seed": record.seed,
            "data": settings["data"]["name"],
            "images": settings["images"],
            "recipe": settings["train"],
            "versions": versions(),
        },
    )


def _classes(settings: dict[str, Any], data: ImageData) -> tuple[str, ...]:
    name = settings["data"]["name"]
    found = settings.get("data_found") or {}
    known = CLASS_NAMES.get(name) or tuple(found.get("classes") or ())
    return known or tuple(map(str, range(data.info.num_classes)))


def _errors(folder: FinalFolder, row: dict[str, Any], record: Record) -> dict[str, Any]:
    """Those of these weights, and of the same network over all its seeds."""
    table = pd.read_csv(folder.table)
    same = table[table["network_id"] == row["network_id"]].iloc[0]
    test = record.test
    return {
        "val_error": record.error,
        "test_error": None if test is None else test.error,
        "test_images": None if test is None else test.images,
        "test_error_mean": _number(same["test_error"]),
        "test_error_std": _number(same["test_error_std"]),
        "seeds": int(same["tested"]),
        "looks": int(same["looks"]),
    }


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


def _test_onnx(path: Path, description: Description, settings: dict[str, Any], given: dict[str, Any]) -> None:
    """The error of the file itself on the test split, with the weights that were tested before: no new look.

    Raises:
        RunError: it is another one.
    """
    from designspace.data.loading import Splits, load_data
    from designspace.export.write import onnx_session

    if description.errors["test_error"] is None:
        return
    data_settings = DataSettings(**{**settings["data"], **given})
    splits = Splits(evaluate="test")
    data, run = load_data(data_settings, resolution=settings["resolution"], splits=splits), onnx_session(path)
    wrong = sum(
        int((run(images.contiguous()).argmax(dim=1) != labels).sum())
        for images, labels in data.val_batches(settings["train"]["val_batch_size"])
    )
    error = 100 * wrong / data.info.num_val
    log.info("%s: test error %.2f %% by onnxruntime", path.name, error)
    if abs(error - description.errors["test_error"]) > 100 * ROUNDED / data.info.num_val:
        raise RunError(f"{path.name}: has a test error of {error:.2f} %, the network another")


# ---- the folder --------------------------------------------------------------------------------------------


def _output(config: ExportConfig, study: StudyFolder, row: dict[str, Any]) -> Path:
    if config.output is None:
        name = row.get("network")
        label = str(name).replace(" ", "_").replace("/", "_") if isinstance(name, str) else row["network_id"]
        output = study.export / label
    else:
        output = user_path("output", config.output)
    check_name(output)
    if output.exists() and not output.is_dir():
        raise UserError(f"output={output}: is a file; name a folder")
    return output


def _is_there(output: Path, description: Description, formats: Sequence[str]) -> bool:
    """Whether the folder holds all of it already. Raises UserError where it holds anything else."""
    if not output.is_dir() or not any(output.iterdir()):
        return False
    files = {"pt2": GRAPH, "onnx": ONNX}
    if (output / CONFIG).exists():
        there = read_description(output)
        key = "trained_weights_sha256"
        same = there.origin.get(key) == description.origin[key]
        absent = [name for name in formats if name in files and not (output / files[name]).exists()]
        if same and not absent:
            return True
        if same:
            raise UserError(
                f"output={output}: holds this network without {', '.join(absent)}; "
                "delete it to write it anew, or choose another folder"
            )
    raise UserError(f"output={output}: is not empty; choose another folder, or delete it")


@contextmanager
def _appearing(output: Path) -> Iterator[Path]:
    """A folder to fill, which gets its name when all is in it."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        for old in output.parent.glob(f".{output.name}.{host_name()}.*.tmp"):
            if not is_alive(int(old.name.split(".")[-2])):
                shutil.rmtree(old, ignore_errors=True)
        temporary = temporary_name(output)
        temporary.mkdir()
    except OSError as error:
        raise UserError(f"output={output}: cannot be written: {error.strerror}; choose another") from None
    try:
        yield temporary
        temporary.replace(output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
