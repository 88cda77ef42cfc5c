"""launcher.workers=auto: which numbers are tried, and which one is taken."""

import pytest

from designspace.errors import refuse
from designspace.launch.pool import DIED, Outcome
from designspace.launch.settings import LauncherSettings
from designspace.networks.architecture import Architecture
from designspace.training import workers
from designspace.training.cluster import task_workers
from designspace.training.workers import fewest_of_the_fastest, models_per_second, worker_counts

TINY = Architecture("v", (1,), (8,), (1.0,), (8,), 8)
AUTO = LauncherSettings(workers="auto")


class FakePool:
    """Takes as many seconds for an item as there are items at the same time, from `slow` on twice as many."""

    def __init__(self, workers, slow=99, dies=99):
        self.size, self.slow, self.dies = workers, slow, dies
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.ended = True

    def run(self, queue, stuck):
        n = len(queue)
        for item in queue:
            seconds = 10.0 if n < self.slow else 10.0 * n
            yield Outcome(item, None, 1.0, seconds, DIED if n >= self.dies else None)


class FakeJob:
    samples = (TINY, TINY)


@pytest.mark.parametrize(
    ("gpus", "cores", "threads", "expected"),
    [([], 1, 1, [1]), ([], 2, 1, [1, 2]), ([], 16, 2, [4, 8]), (["0", "1"], 16, 1, [2, 4, 6, 8])],
)
def test_the_numbers_that_are_tried(monkeypatch, gpus, cores, threads, expected):
    monkeypatch.setattr(workers, "visible_gpus", lambda: gpus)
    monkeypatch.setattr(workers, "available_cores", lambda: cores)
    assert worker_counts(LauncherSettings(workers="auto", threads=threads)) == expected


def test_speed_is_that_of_all_workers_together():
    assert models_per_second(FakePool(4), FakeJob, 4, 60) == pytest.approx(0.4)
    assert models_per_second(FakePool(4, slow=2), FakeJob, 4, 60) == pytest.approx(0.1)
    assert models_per_second(FakePool(4, dies=3), FakeJob, 4, 60) == 0


def test_more_workers_only_where_they_pay():
    assert fewest_of_the_fastest({1: 1.0, 2: 1.9}) == 2
    assert fewest_of_the_fastest({1: 1.0, 2: 1.04, 3: 1.06}) == 3
    assert fewest_of_the_fastest({2: 1.0, 4: 1.04}) == 2
    assert fewest_of_the_fastest({2: 1.0, 4: 0.0}) == 2


@pytest.mark.parametrize(("slow", "expected"), [(99, [4]), (3, [4, 2])])
def test_the_pool_is_opened_again_only_if_fewer_are_better(monkeypatch, slow, expected):
    opened = []

    def open_pool(settings, **options):
        opened.append(FakePool(settings.workers, slow=slow))
        return opened[-1]

    monkeypatch.setattr(workers, "open_pool", open_pool)
    monkeypatch.setattr(workers, "worker_counts", lambda settings: [2, 4])
    pool = workers.open_workers(AUTO, FakeJob)
    assert [p.size for p in opened] == expected
    assert [p.ended for p in opened] == [True] * (len(opened) - 1) + [False]
    assert pool is opened[-1]


def test_auto_in_a_task_counts_on_one_worker_a_gpu():
    assert task_workers(LauncherSettings(name="slurm", workers="auto", gpus=2)) == 2


@pytest.mark.parametrize("value", [0, -1, "many"])
def test_other_numbers_are_refused(value):
    with pytest.raises(ValueError, match=r"launcher.workers=.*: must be at least 1 .*, auto, or null"):
        refuse(LauncherSettings(workers=value).problems())
