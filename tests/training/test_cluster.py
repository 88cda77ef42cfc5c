"""The driver's view of a cluster that plays dead: every task waits, and records appear."""

import pytest

from designspace.data.settings import DataSettings
from designspace.errors import RunError
from designspace.launch.settings import LauncherSettings
from designspace.networks.architecture import Architecture
from designspace.networks.settings import NetworkSettings
from designspace.store import records
from designspace.store.paths import SpaceFolder
from designspace.store.records import Record, Status, write_record
from designspace.training.cluster import Cluster
from designspace.training.messages import Job, Model
from designspace.training.settings import TrainSettings

SMALL = Architecture("v", (1,), (8,), (1.0,), (8,))
MODELS = [Model(f"{i:016x}", SMALL, seed=i, flops=1, params=2, acts=3) for i in range(50)]


class Queue:
    """Every task waits. Each poll does the next of the actions; after the last the queue raises."""

    def __init__(self):
        self.actions = []

    def live_keys(self):
        if not self.actions:
            raise EOFError
        self.actions.pop(0)()
        return {model.model_id for model in MODELS}


@pytest.fixture
def cluster(tmp_path):
    folder = SpaceFolder(tmp_path / "s")
    settings = LauncherSettings(name="slurm", poll_seconds=0.001)
    job = Job(folder, DataSettings(), NetworkSettings(), TrainSettings(), resolution=32)
    return Cluster(job, settings, folder, Queue())


def test_models_end_when_their_records_appear_in_the_order_of_the_population(cluster):
    records_of = cluster.folder.record

    def done(*indices):
        cluster.folder.records.mkdir(parents=True, exist_ok=True)
        for i in indices:
            model_id = MODELS[i].model_id
            write_record(records_of(model_id), Record(model_id, "s", Status.DONE, i, error=1.0))

    cluster.queue.actions = [
        lambda: None,  # there is no folder of records yet
        lambda: done(30, 7),
        lambda: records_of(MODELS[8].model_id).write_text("torn"),
        lambda: done(8),
    ]
    events = cluster.train(MODELS, models_per_task=1)
    assert [next(events).model for _ in range(3)] == [MODELS[7], MODELS[30], MODELS[8]]
    with pytest.raises(EOFError):
        next(events)


def test_a_poll_reads_no_more_files_than_there_are_records(cluster, monkeypatch):
    folder = cluster.folder
    folder.records.mkdir(parents=True)
    record = Record(MODELS[3].model_id, "s", Status.FAILED, 3)
    write_record(folder.record(record.model_id), record)
    read = []
    monkeypatch.setattr(
        records, "read_record", lambda path, real=records.read_record: read.append(path) or real(path)
    )
    cluster.queue.actions = [lambda: None]
    with pytest.raises(EOFError):
        list(cluster.train(MODELS, models_per_task=1))
    assert read == [folder.record(record.model_id)]


class FullQueue:
    """Takes the first three tasks alone."""

    refusal = "AssocMaxSubmitJobLimit"

    def __init__(self):
        self.live = set()

    def live_keys(self):
        return set(self.live)

    def submit(self, tasks):
        self.live = {key for keys, _ in tasks[:3] for key in keys}
        return 3


def test_leaving_says_how_many_models_are_not_submitted(tmp_path):
    folder = SpaceFolder(tmp_path / "s")
    settings = LauncherSettings(name="slurm", wait=False)
    job = Job(folder, DataSettings(), NetworkSettings(), TrainSettings(), resolution=32)
    cluster = Cluster(job, settings, folder, FullQueue())
    with pytest.raises(RunError, match="44 of 50 models are not submitted: AssocMaxSubmitJobLimit; run the"):
        list(cluster.train(MODELS, models_per_task=2))
