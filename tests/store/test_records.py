"""Records: atomic, validated, and never a reason to lose anything."""

import contextlib
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from designspace.errors import UserError
from designspace.files import replacing
from designspace.networks.architecture import Architectures
from designspace.store.paths import SpaceFolder
from designspace.store.records import (
    Attempt,
    Epoch,
    ForeignSchemaError,
    Record,
    Status,
    UnreadableRecordError,
    _checksum,
    read_record,
    write_record,
)
from designspace.store.tables import collect, read_archive, read_models, write_table
from designspace.training.messages import training_seed

DONE = Record(
    model_id="0123456789abcdef",
    space="anynetx_a",
    status=Status.DONE,
    seed=7,
    error=12.5,
    epochs=2,
    history=(Epoch(1, 1.5, 20.0, 3.0, 0.5), Epoch(2, 1.0, 12.5, 3.0, 0.5)),
    flops=10,
    params=20,
    acts=30,
    train_seconds=6.0,
    versions={"torch": "2"},
    attempts=(Attempt(Status.DONE, None, None, "host", "2026-01-01T00:00:00+00:00", 7.0),),
)
FAILED = replace(DONE, status=Status.FAILED, error=None, reason="ValueError: <script>", history=())


@pytest.fixture
def path(tmp_path):
    return tmp_path / f"{DONE.model_id}.json"


@pytest.mark.parametrize(
    "record", [DONE, FAILED, replace(DONE, status=Status.DIVERGED, error=None, reason="inf")]
)
def test_a_record_survives_the_file(path, record):
    write_record(path, record)
    assert read_record(path) == record
    assert os.listdir(path.parent) == [path.name]


def test_final_records():
    assert DONE.is_final
    assert not FAILED.is_final


@pytest.mark.parametrize("change", [{"error": None}, {"error": 101.0}, {"status": Status.FAILED}])
def test_contradictions_are_refused(change):
    with pytest.raises(ValueError, match="error"):
        replace(DONE, **change)


def corrupt(path, change):
    write_record(path, DONE)
    content = json.loads(path.read_text())
    change(content)
    content["checksum"] = _checksum(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(status="excellent"),
        lambda c: c.update(error="low"),
        lambda c: c.update(error=float("nan")),
        lambda c: c.update(error=None),
        lambda c: c.update(model_id="f" * 16),
        lambda c: c.pop("history"),
        lambda c: c["history"][0].pop("epoch"),
        lambda c: c.update(surprise=1),
        lambda c: c.update(seed="x"),
        lambda c: c.update(history=3),
    ],
)
def test_invalid_records_are_named(path, change):
    corrupt(path, change)
    with pytest.raises(UnreadableRecordError) as caught:
        read_record(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"schema": 1}'])
def test_torn_and_foreign_files_are_named(path, content):
    path.write_bytes(content)
    with pytest.raises(UnreadableRecordError, match=path.name):
        read_record(path)


def test_another_schema_is_told_apart(path):
    corrupt(path, lambda c: c.update(schema=2))
    with pytest.raises(ForeignSchemaError, match="schema 2, but this version reads schema 1"):
        read_record(path)


def test_every_single_truncation_is_noticed(path):
    write_record(path, DONE)
    whole = path.read_bytes().rstrip()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(UnreadableRecordError):
            read_record(path)


def test_a_failing_write_leaves_the_old_file(path):
    write_record(path, DONE)

    def fail_half_way():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        fail_half_way()
    assert read_record(path) == DONE
    assert os.listdir(path.parent) == [path.name]


def test_collect_names_what_it_skips(tmp_path):
    folder = SpaceFolder(tmp_path / "anynetx_a")
    folder.records.mkdir(parents=True)
    ids = [f"{i:016x}" for i in range(5)]
    pd.DataFrame({"model_id": ids, "space": "anynetx_a", "depths": [[1, 2]] * 5, "flops": 1}).to_parquet(
        folder.models
    )
    write_record(folder.record(ids[0]), replace(DONE, model_id=ids[0]))
    write_record(folder.record(ids[1]), replace(FAILED, model_id=ids[1]))
    folder.record(ids[2]).write_text("{")
    write_record(folder.record("f" * 16), replace(DONE, model_id="f" * 16))
    (folder.records / ".tmp.json.1.tmp").write_text("{")
    found = collect(folder)
    assert found.runs["status"].tolist() == ["done", "failed", "missing", "missing", "missing"]
    assert found.runs["error"].iloc[0] == 12.5
    assert found.runs["val_errors"].iloc[0] == [20.0, 12.5]
    assert len(found.skipped) == 2
    assert "not a whole record" in found.skipped[0]
    assert "not a model of this population" in found.skipped[1]


def test_collect_without_any_record(tmp_path):
    folder = SpaceFolder(tmp_path)
    pd.DataFrame({"model_id": ["a"], "space": "s"}).to_parquet(folder.models)
    runs = collect(folder).runs
    assert runs["status"].tolist() == ["missing"]
    assert runs["error"].dtype == float  # as of a trained space, so that both print alike


def test_old_tables_get_block_and_stem_from_the_settings(tmp_path):
    folder = SpaceFolder(tmp_path)
    table = pd.DataFrame({"model_id": ["a", "b"], "space": "s", "depths": [[1], [2]], "flops": 1})
    table.to_parquet(folder.models)
    old = pd.read_parquet(folder.models)
    assert read_models(folder).equals(old)  # nothing says what is missing
    folder.config.write_text("space: {block: y}\nnetwork: {stem_width: 16, stem_stride: 1, other: 3}\n")
    filled = read_models(folder)
    assert list(filled) == ["model_id", "space", "block", "stem_width", "stem_stride", "depths", "flops"]
    assert filled[["block", "stem_width", "stem_stride"]].to_numpy().tolist() == [["y", 16, 1]] * 2
    assert filled[list(old)].equals(old)
    assert list(collect(folder).runs)[:7] == list(filled)
    assert pd.read_parquet(folder.models).equals(old)


def test_a_table_that_has_block_and_stem_needs_no_settings(tmp_path):
    folder = SpaceFolder(tmp_path)
    new = pd.DataFrame({"model_id": ["a"], "block": "x", "stem_width": 32, "stem_stride": 2})
    new.to_parquet(folder.models)
    folder.config.write_text("[")
    assert read_models(folder).equals(new)
    new.drop(columns="block").to_parquet(folder.models)
    with pytest.raises(UserError, match=r"config.yaml: cannot be read"):
        read_models(folder)


def test_the_committed_studies_say_which_networks_they_hold():
    results = Path(__file__).parents[2] / "results"
    folders = [SpaceFolder(path.parent) for path in sorted(results.glob("*/*/models.parquet"))]
    assert len(folders) >= 12
    for folder in folders:
        models = read_models(folder)
        networks = Architectures.from_frame(models)
        assert [network.model_id for network in networks] == list(models["model_id"])


def test_a_row_may_name_a_reference_network(tmp_path):
    folder = SpaceFolder(tmp_path / "references")
    folder.records.mkdir(parents=True)
    ids = ["0" * 16, "1" * 16]
    pd.DataFrame({
        "model_id": ids, "space": "references", "network": ["resnet18", None], "block": [None, "x"],
        "stem_width": [None, 32], "stem_stride": [None, 2], "depths": [None, [1, 2]], "flops": [10, 20],
    }).to_parquet(folder.models)  # fmt: skip
    write_record(folder.record(ids[0]), replace(DONE, model_id=ids[0]))
    runs = collect(folder).runs
    assert runs["network"].tolist()[0] == "resnet18"
    assert runs["network"].isna().tolist() == [False, True]
    assert runs["depths"].isna().tolist() == [True, False]
    assert runs["status"].tolist() == ["done", "missing"]
    write_table(folder.runs, runs)
    assert read_archive(folder)["network"].tolist() == ["resnet18"]


def test_the_folder_says_which_repeat_its_records_are():
    """The seeds of the committed repeats, and of models trained once."""
    study = Path(__file__).parents[2] / "results" / "fashion_mnist"
    folder = SpaceFolder(study / "anynetx_e")
    assert [folder.repeat, folder.again("epochs_8").repeat] == [0, 0]
    assert len(folder.repeats()) == 3
    for run in (folder, *folder.repeats().values()):
        runs = pd.read_parquet(run.runs)
        assert [training_seed(0, model_id, run.repeat) for model_id in runs["model_id"]] == list(runs["seed"])


def test_every_changed_byte_is_noticed(path):
    write_record(path, DONE)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for at in range(len(whole) - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << rng.integers(7))]) + whole[at + 1 :])
        with contextlib.suppress(UnreadableRecordError):
            assert read_record(path) == DONE  # white space between the values
