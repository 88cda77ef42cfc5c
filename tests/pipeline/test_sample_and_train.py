"""The whole pipeline on tiny networks: sample, train, collect, resume, and what may go wrong between."""

import errno
import fcntl
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import yaml

from designspace import cli
from designspace.config import LimitSettings, RunConfig, SpaceSettings
from designspace.data.settings import DataSettings
from designspace.errors import UserError
from designspace.files import CONF_FOLDER
from designspace.launch.settings import LauncherSettings
from designspace.networks.architecture import Architecture
from designspace.networks.settings import NetworkSettings
from designspace.pipeline import pending, plan, sample_and_train
from designspace.pipeline.sample import exclusive
from designspace.pipeline.sample_and_train import in_turns
from designspace.spaces.sampling import BudgetSettings
from designspace.store.paths import SpaceFolder
from designspace.store.records import Status, _checksum, read_record, write_record
from designspace.training.messages import Model, training_seed
from designspace.training.settings import TrainSettings

TINY = """
family: anynet
block: x
stages: 2
parameters:
  depths: {distribution: uniform, low: 1, high: 2, step: 1}
  widths: {distribution: uniform, low: 8, high: 32, step: 8}
  bottleneck_ratios: {distribution: choice, values: [1, 2]}
  group_widths: {distribution: choice, values: [4, 8]}
"""


MODEL = Model(
    "0123456789abcdef", Architecture("v", (1,), (8,), (1.0,), (8,), 8), seed=3, flops=1, params=2, acts=3
)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """So few and so small that a model is trained on them in a tenth of a second."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 1500)
    pixels = (rng.integers(0, 100, (1500, 8, 8)) + 15 * labels[:, None, None]).astype(np.uint8)
    path = tmp_path_factory.mktemp("images") / "bright.npz"
    np.savez(
        path,
        train_images=pixels[:1000],
        train_labels=labels[:1000],
        val_images=pixels[1000:],
        val_labels=labels[1000:],
    )
    return path


@pytest.fixture
def config(images, tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    return RunConfig(
        space=SpaceSettings(str(tmp_path / "tiny.yaml")),
        study="test",
        output_root=str(tmp_path / "results"),
        num_models=4,
        budget=BudgetSettings(resolution=8),
        network=NetworkSettings(stem_width=8),
        data=DataSettings("npz", root=str(images)),
        train=TrainSettings(epochs=1, batch_size=500, val_batch_size=2000),
        launcher=LauncherSettings(workers=2),
    )


def debug(config, **changes):
    return replace(config, launcher=LauncherSettings(name="debug", max_retries=1), **changes)


def folder_of(config):
    return SpaceFolder(Path(config.output_root) / "test" / "tiny")


def errors(config):
    runs = pd.read_parquet(folder_of(config).runs)
    return dict(zip(runs["model_id"], runs["error"], strict=True))


def leftovers(config):
    return [p for p in Path(config.output_root).rglob("*") if p.suffix in (".tmp", ".unreadable")]


def test_pipeline_with_workers_and_in_process_give_the_same_bits(config, tmp_path):
    result = sample_and_train.run(config)
    assert result.complete
    assert result.counts == {"done": 4}
    again = debug(config, output_root=str(tmp_path / "again"))
    sample_and_train.run(again)
    assert errors(config) == errors(again)
    assert len(set(errors(config).values())) > 1
    record = read_record(folder_of(config).record(next(iter(errors(config)))))
    assert record.params
    assert record.versions["torch"]
    assert record.images_per_second
    assert record.precision == "fp32"
    settings = yaml.safe_load(folder_of(config).config.read_text())
    assert settings["space"]["stages"] == 2
    assert settings["seed"] == 0
    assert settings["versions"]["numpy"]
    assert leftovers(config) == []


def test_running_again_trains_nothing_and_more_models_extend(config, monkeypatch):
    sample_and_train.run(debug(config))
    before = {p.name: p.stat().st_mtime_ns for p in folder_of(config).records.iterdir()}
    models = pd.read_parquet(folder_of(config).models)
    sample_and_train.run(debug(config))
    assert {p.name: p.stat().st_mtime_ns for p in folder_of(config).records.iterdir()} == before
    sample_and_train.run(debug(config, num_models=6))
    extended = pd.read_parquet(folder_of(config).models)
    assert extended[:4].equals(models)
    assert len(extended) == 6
    after = {p.name: p.stat().st_mtime_ns for p in folder_of(config).records.iterdir()}
    assert before.items() <= after.items()
    assert len(after) == 6
    sample_and_train.run(debug(config, num_models=2))
    assert len(pd.read_parquet(folder_of(config).models)) == 6


def test_an_older_population_is_extended_and_read_as_it_is(config):
    """Its table has no columns for block and stem; nothing is rewritten until there are more models."""
    sample_and_train.run(debug(config))
    folder, columns = folder_of(config), ["block", "stem_width", "stem_stride"]
    models, runs = pd.read_parquet(folder.models), pd.read_parquet(folder.runs)
    assert models[columns].drop_duplicates().to_numpy().tolist() == [["x", 8, 2]]
    assert runs[list(models)].equals(models)
    models.drop(columns=columns).to_parquet(folder.models, index=False)
    runs.drop(columns=columns).to_parquet(folder.runs, index=False)
    before = folder.models.read_bytes()
    sample_and_train.run(debug(config))
    assert folder.models.read_bytes() == before
    assert pd.read_parquet(folder.runs).equals(runs)
    assert sample_and_train.run(debug(config, num_models=5)).counts == {"done": 5}
    extended = pd.read_parquet(folder.models)
    assert extended[:4].equals(models)
    assert extended["block"].tolist() == ["x"] * 5


@pytest.mark.parametrize("archived", [False, True])
def test_after_a_restart_the_best_error_is_that_of_the_population(config, caplog, archived):
    caplog.set_level(logging.INFO, logger="designspace")
    sample_and_train.run(debug(config))
    best, worst = (choose(errors(config), key=errors(config).get) for choose in (min, max))
    runs = pd.read_parquet(folder_of(config).runs)
    runs[runs["model_id"] != worst].to_parquet(folder_of(config).runs)
    folder_of(config).record(worst).unlink()
    if archived:  # only the collected table is left of the best
        folder_of(config).record(best).unlink()
    sample_and_train.run(debug(config))
    line = [record.getMessage() for record in caplog.records if "best error" in record.getMessage()][-1]
    assert f"1/1 done, best error {errors(config)[best]:.2f} %" in line
    assert errors(config)[worst] > errors(config)[best]


def test_the_seeds_of_the_committed_study_are_those_of_today():
    runs = pd.read_parquet(CONF_FOLDER.parent / "results" / "laptop_six_spaces" / "regnetx" / "runs.parquet")
    assert [training_seed(0, model_id) for model_id in runs["model_id"]] == list(runs["seed"])
    assert training_seed(0, runs["model_id"][0], repeat=1) != runs["seed"][0]


def test_reruns_train_a_subsample_with_other_seeds_and_for_more_epochs(config, capsys):
    again = debug(config, repeats=2, extended_epochs=2, subsample=3)
    result = sample_and_train.run(again)
    assert result.complete
    assert result.counts == {"done": 4}
    assert list(result.reruns.values()) == [{"done": 3}] * 3
    folder = folder_of(config)
    assert list(result.reruns) == [*folder.repeats().values(), *folder.extended().values()]
    first = pd.read_parquet(folder.runs).head(3)
    tables = {run.label: pd.read_parquet(run.runs) for run in result.reruns}
    assert list(tables) == ["tiny repeat_1", "tiny repeat_2", "tiny epochs_2"]
    for table in tables.values():
        assert list(table["model_id"]) == list(first["model_id"])
        assert list(table["space"]) == ["tiny"] * 3
        assert (table["error"] != first["error"]).any()
    one, two, longer = tables.values()
    assert not (set(first["seed"]) & set(one["seed"])) | (set(one["seed"]) & set(two["seed"]))
    assert list(longer["seed"]) == list(first["seed"])
    assert list(longer["epochs"]) == [2] * 3
    assert list(one["epochs"]) == [1] * 3
    before = {path: path.stat().st_mtime_ns for path in Path(config.output_root).rglob("runs/*.json")}
    assert len(before) == 4 + 3 * 3
    # extends each rerun by one model, and trains nothing twice
    sample_and_train.run(replace(again, subsample=4))
    after = {path: path.stat().st_mtime_ns for path in Path(config.output_root).rglob("runs/*.json")}
    assert before.items() <= after.items()
    assert len(after) == 4 + 3 * 4


def test_a_model_that_fails_in_a_rerun_makes_the_run_incomplete(config, monkeypatch):
    sample_and_train.run(debug(config))
    import designspace.training.worker as worker

    def crash(self, model):
        raise ValueError("made to fail")

    monkeypatch.setattr(worker.Worker, "train", crash)
    result = sample_and_train.run(debug(config, repeats=1, subsample=2))
    assert result.counts == {"done": 4}
    assert not result.complete


def test_one_model_that_crashes_hides_nothing(config, monkeypatch):
    import designspace.training.worker as worker

    victim = None
    original = worker.Worker.train

    def crash(self, model):
        nonlocal victim
        victim = victim or model.model_id
        if model.model_id == victim:
            raise ValueError("made to\nfail")
        return original(self, model)

    monkeypatch.setattr(worker.Worker, "train", crash)
    result = sample_and_train.run(debug(config))
    assert result.counts == {"done": 3, "failed": 1}
    assert not result.complete
    record = read_record(folder_of(config).record(victim))
    assert record.status is Status.FAILED
    assert record.reason == "ValueError: made to fail"
    assert [a.status for a in record.attempts] == [Status.FAILED] * 2
    assert "Traceback" in record.attempts[0].traceback

    monkeypatch.setattr(worker.Worker, "train", original)
    assert sample_and_train.run(debug(config)).counts == {"done": 3, "failed": 1}  # its attempts are used up
    more = replace(config, launcher=LauncherSettings(name="debug", max_retries=2))
    assert sample_and_train.run(more).counts == {"done": 4}
    assert [a.status.value for a in read_record(folder_of(config).record(victim)).attempts] == [
        "failed", "failed", "done",
    ]  # fmt: skip


def test_a_diverged_model_is_a_result(config):
    hot = debug(config, train=replace(config.train, lr=1e30))
    assert sample_and_train.run(hot).counts == {"diverged": 4}
    record = read_record(next(folder_of(config).records.glob("*.json")))
    assert "epoch 1, step" in record.reason
    assert sample_and_train.run(hot).complete


def test_other_settings_are_refused_with_the_keys(config):
    sample_and_train.run(debug(config, num_models=1))
    before = folder_of(config).models.read_bytes()
    other = debug(config, seed=1, train=replace(config.train, lr=0.2))
    with pytest.raises(UserError) as caught:
        sample_and_train.run(other)
    assert "seed=0 there, 1 now" in str(caught.value)
    assert "train.lr=0.05 there, 0.2 now" in str(caught.value)
    assert "study=" in str(caught.value)
    assert folder_of(config).models.read_bytes() == before


def test_a_space_that_is_trained_otherwise_than_the_rest_of_its_study_is_told(config, caplog, tmp_path):
    sampled = replace(config, stop_after="sample")
    sample_and_train.run(sampled)
    other = tmp_path / "other.yaml"
    other.write_text(Path(config.space.source).read_text())
    sampled = replace(sampled, space=SpaceSettings(str(other)))
    with caplog.at_level("WARNING"):
        sample_and_train.run(sampled)
        assert caplog.text == ""
        sample_and_train.run(
            replace(
                sampled, study="test", space=SpaceSettings("regnetx"), train=replace(config.train, lr=0.3)
            )
        )
    assert "regnetx: the errors of other in study test cannot be compared with these: " in caplog.text
    assert f"train.lr={config.train.lr} there, 0.3 now" in caplog.text


def test_a_space_cannot_have_the_name_of_another_folder_of_its_study(config, tmp_path):
    path = tmp_path / "analysis.yaml"
    path.write_text(Path(config.space.source).read_text())
    with pytest.raises(UserError, match="space=analysis: is another folder of a study"):
        sample_and_train.run(replace(config, space=SpaceSettings(str(path))))


@pytest.mark.parametrize(
    "alter", [lambda runs: pd.concat([runs, runs]), lambda runs: runs.assign(error=np.nan)]
)
def test_a_table_of_runs_that_was_altered_is_named(config, alter):
    sample_and_train.run(debug(config))
    for path in folder_of(config).records.iterdir():
        path.unlink()
    table = folder_of(config).runs
    alter(pd.read_parquet(table)).to_parquet(table)
    with pytest.raises(UserError, match=r"runs.parquet: was altered: .*; restore it"):
        sample_and_train.run(debug(config))


def test_stop_after_sample_trains_nothing(config):
    result = sample_and_train.run(debug(config, stop_after="sample"))
    assert result.stopped_after == "sample"
    assert len(pd.read_parquet(folder_of(config).models)) == 4
    assert list(folder_of(config).records.iterdir()) == []


def test_a_torn_record_is_set_aside_and_trained_again(config, caplog):
    sample_and_train.run(debug(config))
    truth = errors(config)
    path = folder_of(config).record(next(iter(truth)))
    path.write_bytes(path.read_bytes()[:40])
    folder_of(config).runs.unlink()
    assert sample_and_train.run(debug(config)).complete
    assert errors(config) == truth
    assert path.with_suffix(".unreadable").stat().st_size == 40


def test_a_study_without_its_records_is_complete_and_can_be_extended(config):
    sample_and_train.run(debug(config))
    truth = errors(config)
    for path in folder_of(config).records.iterdir():
        path.unlink()
    assert sample_and_train.run(debug(config)).counts == {"done": 4}
    assert errors(config) == truth
    assert sample_and_train.run(debug(config, num_models=5)).counts == {"done": 5}
    assert errors(config).items() >= truth.items()
    assert len(list(folder_of(config).records.iterdir())) == 1


def test_a_record_of_another_schema_is_not_touched(config):
    sample_and_train.run(debug(config))
    path = folder_of(config).record(next(iter(errors(config))))
    content = json.loads(path.read_text()) | {"schema": 9}
    text = json.dumps(content | {"checksum": _checksum(content)})
    path.write_text(text)
    with pytest.raises(
        UserError, match="schema 9, but this version reads schema 1; use the version that wrote it"
    ):
        sample_and_train.run(debug(config))
    assert path.read_text() == text


def test_a_broken_population_file_is_named(config):
    sample_and_train.run(debug(config, stop_after="sample"))
    folder_of(config).models.write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"models.parquet: cannot be read"):
        sample_and_train.run(debug(config))


def test_two_runs_do_not_share_a_folder(config):
    sample_and_train.run(debug(config, stop_after="sample"))
    with exclusive(folder_of(config)), pytest.raises(UserError, match="another run is at work there"):
        sample_and_train.run(debug(config))


def test_a_file_system_without_locks_is_told_and_two_runs_are_kept_apart_all_the_same(
    config, monkeypatch, caplog
):
    sample_and_train.run(debug(config, stop_after="sample"))
    no_locks = OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
    monkeypatch.setattr(fcntl, "flock", Mock(side_effect=no_locks))
    with exclusive(folder_of(config)), pytest.raises(UserError, match="another run is at work there"):
        sample_and_train.run(debug(config))
    assert "the file system has no locks (No locks available)" in caplog.text
    assert sample_and_train.run(debug(config)).complete
    assert not folder_of(config).lock.with_suffix(".claim").exists()


def script(config, **environment):
    arguments = [
        f"space={config.space.source}", "study=test", f"output_root={config.output_root}", "num_models=4",
        "budget.flops=null", "budget.resolution=8",
        "network.stem_width=8", "network.zero_init_residual=false",
        f"train.epochs={config.train.epochs}", "train.batch_size=500", "train.val_batch_size=2000",
        "train.lr=0.05", "train.warmup_epochs=0", "launcher.workers=2",
    ]  # fmt: skip
    root = Path(sample_and_train.__file__).parents[2]
    command = [sys.executable, str(root / "scripts" / "sample_and_train.py"), *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def wait_for_a_record(config):
    for _ in range(600):
        if any(folder_of(config).records.glob("*.json")):
            return
        time.sleep(0.05)


def descendants(pid):
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            child = int(stat.parent.name)
            found += [child, *descendants(child)]
    return found


@pytest.fixture
def longer(config):
    """So long that a run still has models to train when one is seen to be finished."""
    return replace(config, data=DataSettings(), train=replace(config.train, epochs=10))


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_continues_to_the_same_errors(longer, tmp_path, end):
    config = longer
    undisturbed = replace(config, output_root=str(tmp_path / "undisturbed"))
    sample_and_train.run(undisturbed)
    process = script(config)
    wait_for_a_record(config)
    workers = descendants(process.pid)
    process.send_signal(end)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == (-9 if end == signal.SIGKILL else 130)
    assert "Traceback" not in stderr
    for _ in range(100):
        if not any(Path(f"/proc/{pid}").exists() for pid in workers):
            break
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    again = script(config)
    _, stderr = again.communicate(timeout=120)
    assert again.returncode == 0, stderr
    assert errors(config) == errors(undisturbed)
    assert leftovers(config) == []


def test_failed_records_count_their_attempts(config):
    sample_and_train.run(debug(config))
    path = next(folder_of(config).records.glob("*.json"))
    record = read_record(path)
    folder_of(config).runs.unlink()
    failed = replace(record, status=Status.FAILED, error=None, reason="x", attempts=record.attempts * 2)
    write_record(path, failed)
    assert sample_and_train.run(debug(config)).counts == {"done": 3, "failed": 1}


def test_the_killed_worker_costs_only_its_model(longer, tmp_path):
    config = longer
    undisturbed = replace(config, output_root=str(tmp_path / "undisturbed"))
    sample_and_train.run(undisturbed)
    process = script(config)
    wait_for_a_record(config)
    victims = [
        p for p in descendants(process.pid) if b"multiprocessing" in Path(f"/proc/{p}/cmdline").read_bytes()
    ]
    os.kill(victims[-1], signal.SIGKILL)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert errors(config) == errors(undisturbed)


def test_settings_that_came_later_do_not_keep_a_study_from_being_extended(config):
    folder = sample_and_train.run(debug(config, stop_after="sample")).folder
    settings = yaml.safe_load(folder.config.read_text())
    del settings["train"]["cuda_graphs"]  # as in a file of an earlier version
    folder.config.write_text(yaml.safe_dump(settings))
    folder.record("0").touch()
    sample_and_train.run(debug(config, stop_after="sample", num_models=5))
    graphs = debug(config, stop_after="sample", train=replace(config.train, cuda_graphs=True))
    with pytest.raises(UserError, match=r"train.cuda_graphs=false there, true now"):
        sample_and_train.run(graphs)


@pytest.mark.parametrize(
    ("gpus", "size", "share"), [(0, 2, 0.0), (1, 1, 1.0), (1, 2, 0.5), (2, 2, 1.0), (2, 8, 0.25), (4, 1, 1.0)]
)
def test_a_model_takes_its_share_of_the_gpus_here(config, monkeypatch, gpus, size, share):
    monkeypatch.setattr(plan, "visible_gpus", lambda: [str(gpu) for gpu in range(gpus)])
    pool = SimpleNamespace(size=size, run=lambda items, stop: [])
    assert plan.timed_on(pool, config, deque([MODEL])).gpus == share


@pytest.mark.parametrize(
    ("gpus", "workers", "share"), [(0, None, 0.0), (1, 4, 0.25), (4, 1, 4.0), (4, None, 1.0)]
)
def test_a_model_takes_its_share_of_the_gpus_of_a_task(config, gpus, workers, share):
    launcher = LauncherSettings(name="slurm", gpus=gpus, workers=workers)
    assert plan.timed_on(None, replace(config, launcher=launcher), deque([MODEL])).gpus == share


def test_auto_is_chosen_once_for_all_spaces_of_a_study(config, caplog):
    config = replace(config, num_models=1, train=replace(config.train, precision="auto"))
    with caplog.at_level(logging.INFO):
        sample_and_train.run(debug(config, plan=True))
        assert not Path(config.output_root).exists()
        first = sample_and_train.run(debug(config)).folder
    assert "train.precision=" in caplog.text
    choice = first.study.choice(["precision"])
    chosen = json.loads(choice.read_text())["chosen"]["precision"]
    other = "fp32" if chosen == "bf16" else "bf16"
    choice.write_text(json.dumps({"chosen": {"precision": other}, "seconds": {}, "device": "another"}))
    second = sample_and_train.run(
        debug(replace(config, seed=1, study=config.study, space=SpaceSettings("anynetx_e")))
    ).folder
    assert list(pd.read_parquet(first.runs)["precision"]) == [chosen]
    assert list(pd.read_parquet(second.runs)["precision"]) == [other]


def test_a_plan_says_what_it_would_take_and_writes_nothing(config, caplog):
    logging.getLogger("designspace").propagate = True
    with caplog.at_level("INFO", logger="designspace"):
        result = sample_and_train.run(debug(config, plan=True))
    assert result.stopped_after == "plan"
    assert "4 models, 1 epoch of 1,000 images (npz), 1 at once" in caplog.text
    assert "s per model (timed on 4 of them)" in caplog.text
    assert not Path(config.output_root).exists()


def test_a_limit_holds_back_a_run_that_would_exceed_it(config, monkeypatch):
    monkeypatch.setattr(plan, "visible_gpus", lambda: ["0"])
    with pytest.raises(UserError, match=r"limits.gpu_hours=1e-07: this run would take about"):
        sample_and_train.run(debug(config, limits=LimitSettings(gpu_hours=1e-7)))
    assert list(folder_of(config).records.iterdir()) == []
    fewer = debug(config, limits=LimitSettings(gpu_hours=10), num_models=2, seed=5)
    assert sample_and_train.run(fewer).complete
    assert len(pd.read_parquet(folder_of(config).models)) == 2
    assert yaml.safe_load(folder_of(config).config.read_text())["seed"] == 5


@pytest.mark.parametrize("begun", ["0.json", "0.checkpoint", "0.unreadable", "../jobs/designspace-1.json"])
def test_a_population_that_was_begun_is_not_replaced(config, begun):
    sample_and_train.run(debug(config, stop_after="sample"))
    path = folder_of(config).records / begun
    path.parent.mkdir(exist_ok=True)
    path.touch()
    before = folder_of(config).models.read_bytes()
    with pytest.raises(UserError, match="seed=0 there, 1 now"):
        sample_and_train.run(debug(config, stop_after="sample", seed=1))
    assert folder_of(config).models.read_bytes() == before


def test_what_a_killed_run_left_before_its_first_result_ties_to_nothing(config):
    sample_and_train.run(debug(config, stop_after="sample"))
    claim = folder_of(config).claim("0")
    code = (
        "import os, pathlib\nfrom designspace.store.claims import claimed\n"
        f"with claimed(pathlib.Path({str(claim)!r})): os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert claim.exists()
    sample_and_train.run(debug(config, stop_after="sample", seed=1))
    assert yaml.safe_load(folder_of(config).config.read_text())["seed"] == 1


def test_several_spaces_take_turns_of_ten_models_and_end_whole() -> None:
    a, b = (
        RunConfig(space=SpaceSettings(name), num_models=n, interleave=True, repeats=1)
        for name, n in (("a", 25), ("b", 10))
    )
    turns = [(turn.space.source, turn.num_models, turn.repeats) for turn in in_turns([a, b])]
    assert turns == [("a", 10, 0), ("b", 10, 1), ("a", 20, 0), ("a", 25, 1)]
    apart = [replace(config, interleave=False) for config in (a, b)]
    assert in_turns(apart) == apart
    planned = [replace(config, plan=True) for config in (a, b)]
    assert in_turns(planned) == planned


def test_the_end_names_the_best_model_and_the_next_command(config, capsys):
    assert cli.sample_and_train(debug(config, num_models=2)) == cli.Status.OK
    best = min(errors(config), key=errors(config).get)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{folder_of(config).label}: 2 models: 2 done"
    assert lines[1] == f"best:   {best}, error {errors(config)[best]:.2f} %"
    assert lines[2] == f"mean:   error {np.mean(list(errors(config).values())):.2f} %, over 2 models"
    assert lines[3] == f"folder: {folder_of(config).root}"
    assert "analyze" in lines[4]
    assert f"study={config.study}" in lines[4]


def test_the_next_command_names_a_study_that_is_called_as_the_folder_of_all(
    config: RunConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.sample_and_train(debug(config, num_models=1, study="results")) == cli.Status.OK
    assert "study=results" in capsys.readouterr().out.splitlines()[-1]


def test_the_best_of_the_study_may_be_of_another_space(config):
    sample_and_train.run(debug(config, num_models=2))
    folder = folder_of(config)
    models = pending.models_to_train(config, folder, pd.read_parquet(folder.models))
    assert pending.pending_models(config, folder, models).best.error == min(errors(config).values())
    other = folder.study.space("other")
    shutil.copytree(folder.root, other.root)
    runs = pd.read_parquet(other.runs)
    runs.assign(error=[0.5, 99.0]).to_parquet(other.runs)
    best = pending.pending_models(config, folder, models).best
    assert (best.error, best.model_id, best.space) == (0.5, runs["model_id"][0], "other")
