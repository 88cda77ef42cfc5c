"""What `auto` chooses for precision and memory format, and that a study goes by one choice."""

import json
from dataclasses import replace

import pytest

from designspace.data.settings import DataSettings
from designspace.errors import UserError
from designspace.networks.architecture import Architecture
from designspace.networks.settings import NetworkSettings
from designspace.store.paths import SpaceFolder
from designspace.store.records import read_record
from designspace.training.auto import Choice, asked, choose, read_choice, write_choice
from designspace.training.messages import Job, Model
from designspace.training.settings import TrainSettings
from designspace.training.worker import Worker

BOTH = TrainSettings(precision="auto", memory_format="auto")
TINY = Architecture("v", (1,), (8,), (1.0,), (8,), 8)
CHOICE = Choice({"precision": "bf16"}, {"fp32": 2.0, "bf16": 1.0}, "a device")


def timed(**seconds):
    """Seconds by precision and memory format; None where it cannot be run."""

    def function(settings):
        value = seconds[f"{settings.precision}_{settings.memory_format}"]
        if value is None:
            raise RuntimeError("not supported")
        return value

    return function


def test_the_fastest_of_all_combinations_is_chosen():
    seconds = timed(fp32_channels_last=2.0, fp32_contiguous=3.0, bf16_channels_last=1.5, bf16_contiguous=1.2)
    choice = choose(BOTH, seconds, "a device")
    assert choice.chosen == {"precision": "bf16", "memory_format": "contiguous"}
    assert choice.seconds == {
        "fp32 channels_last": 2.0, "fp32 contiguous": 3.0, "bf16 channels_last": 1.5, "bf16 contiguous": 1.2,
    }  # fmt: skip
    assert choice.applied(BOTH) == replace(BOTH, precision="bf16", memory_format="contiguous")


def test_what_is_named_stays():
    settings = replace(BOTH, precision="fp32")
    choice = choose(settings, timed(fp32_channels_last=2.0, fp32_contiguous=1.0), "a device")
    assert asked(settings) == ["memory_format"]
    assert choice.applied(settings) == replace(settings, memory_format="contiguous")


def test_a_little_faster_is_no_reason_for_less_precision():
    settings = TrainSettings(precision="auto")
    assert choose(settings, timed(fp32_channels_last=1.0, bf16_channels_last=0.97), "").chosen == {
        "precision": "fp32"
    }


def test_the_better_of_several_timings_counts():
    values = iter([9.0, 2.0, 1.0, 3.0])  # fp32, bf16 and again
    assert choose(TrainSettings(precision="auto"), lambda _: next(values), "").seconds == {
        "fp32": 1.0,
        "bf16": 2.0,
    }


def test_what_cannot_be_run_is_left_out():
    settings = TrainSettings(precision="auto")
    choice = choose(settings, timed(fp32_channels_last=1.0, bf16_channels_last=None), "a device")
    assert (choice.chosen, choice.seconds["bf16"]) == ({"precision": "fp32"}, None)
    assert "fp32 1,000.0 ms, bf16 not possible" in str(choice)
    with pytest.raises(UserError, match=r"train.precision=auto: none of fp32, bf16 can be run"):
        choose(settings, timed(fp32_channels_last=None, bf16_channels_last=None), "")


def test_the_first_choice_that_is_written_stays(tmp_path):
    path, settings = tmp_path / "auto_precision.json", TrainSettings(precision="auto")
    assert read_choice(path, settings) is None
    write_choice(path, CHOICE)
    write_choice(path, replace(CHOICE, chosen={"precision": "fp32"}))
    assert read_choice(path, settings) == CHOICE
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"chosen": {"precision": "fp8"}, "seconds": {}, "device": ""}']
)
def test_a_file_that_is_no_choice_is_an_error_that_names_it(tmp_path, text):
    path = tmp_path / "auto_precision.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"auto_precision.json: cannot be used: .*; delete it"):
        read_choice(path, TrainSettings(precision="auto"))


def job(folder):
    settings = TrainSettings(epochs=1, batch_size=1000, val_batch_size=2000, precision="auto")
    path = folder.study.choice(asked(settings))
    network = NetworkSettings(stem_width=8)
    return Job(folder, DataSettings(), network, settings, resolution=8, samples=(TINY,), choice=path)


def test_a_worker_measures_and_writes_down(tmp_path):
    folder = SpaceFolder(tmp_path / "space")
    folder.records.mkdir(parents=True)
    Worker(job(folder))(Model("0123456789abcdef", TINY, seed=3, flops=1, params=2, acts=3))
    written = json.loads((tmp_path / "auto_precision.json").read_text())
    assert set(written["seconds"]) == {"fp32", "bf16"}
    assert all(written["seconds"].values())
    record = read_record(folder.record("0123456789abcdef"))
    assert (record.precision, record.memory_format) == (written["chosen"]["precision"], "channels_last")


def test_a_worker_goes_by_what_is_written(tmp_path, monkeypatch):
    folder = SpaceFolder(tmp_path / "space")
    folder.records.mkdir(parents=True)
    write_choice(folder.study.choice(["precision"]), CHOICE)
    worker = Worker(replace(job(folder), samples=()))  # nothing to time
    worker(Model("0123456789abcdef", TINY, seed=3, flops=1, params=2, acts=3))
    assert read_record(folder.record("0123456789abcdef")).precision == "bf16"


def test_reruns_share_the_choice_of_their_study(tmp_path):
    folder = SpaceFolder(tmp_path / "study" / "space")
    assert folder.again("repeat_1").study == folder.study
    assert folder.study.choice(["precision", "memory_format"]).parent == tmp_path / "study"
