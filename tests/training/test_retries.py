"""The policy for models that fail, on pools that play them."""

from collections import deque
from datetime import datetime, timezone

import pytest

from designspace.errors import RunError
from designspace.launch.pool import DIED, Failure, Outcome
from designspace.launch.settings import LauncherSettings
from designspace.networks.architecture import Architecture
from designspace.store.paths import SpaceFolder
from designspace.store.records import Kind, Record, Status, read_record
from designspace.training.messages import Model
from designspace.training.retries import train_on_pool

SMALL = Architecture("v", (1,), (8,), (1.0,), (8,))


def model(number):
    return Model(f"{number:016x}", SMALL, seed=number, flops=1, params=2, acts=3)


class Pool:
    """Gives each model the outcome that `verdict(model)` says: a failure, or None for a record."""

    def __init__(self, verdict):
        self.verdict = verdict

    def run(self, queue, stuck=lambda item: False):
        while queue:
            item = queue.popleft()
            failure = self.verdict(item)
            record = Record(item.model_id, "s", Status.DONE, seed=item.seed, error=1.0)
            yield Outcome(item, datetime.now(timezone.utc), 1.5, None if failure else record, failure)


@pytest.fixture
def folder(tmp_path):
    folder = SpaceFolder(tmp_path / "s")
    folder.records.mkdir(parents=True)
    return folder


def events(folder, verdict, n=3, **settings):
    queue = deque(model(i) for i in range(n))
    return list(train_on_pool(Pool(verdict), queue, folder, LauncherSettings(**settings)))


def error(text):
    return Failure("exception", f"ValueError: {text}", "ValueError", f"Traceback {text}")


def test_a_failing_model_is_tried_again_and_then_recorded(folder):
    found = events(folder, lambda m: DIED if m.seed == 1 else None, max_retries=2)
    assert [e.record is not None for e in found] == [True, False, True, False, False]
    assert [e.failed for e in found if e.model.seed == 1] == [None, None, DIED]
    record = read_record(folder.record(model(1).model_id))
    assert record.status is Status.FAILED
    assert record.reason == "the worker process died"
    assert [a.kind for a in record.attempts] == [Kind.WORKER_DIED] * 3
    assert record.attempts[0].seconds == 1.5


def test_a_model_that_recovers_keeps_its_attempts(folder):
    found = events(folder, lambda m: DIED if m.seed == 1 and not m.earlier else None)
    last = [e for e in found if e.model.seed == 1][-1]
    assert last.record is not None
    assert len(last.model.earlier) == 1


def test_the_same_bug_everywhere_stops_the_run_with_its_traceback(folder):
    with pytest.raises(RunError, match=r"stopped after 4 equal failures.*ValueError: bug") as caught:
        events(folder, lambda m: error("bug"), n=20, abort_after=4)
    assert str(caught.value).count("Traceback bug") == 1
    assert len(list(folder.records.glob("*.json"))) == 4


def test_different_failures_or_successes_between_do_not_stop_it(folder):
    assert events(folder, lambda m: error(f"{m.seed}"), n=20, abort_after=4, max_retries=0)
    verdict = lambda m: error("bug") if m.seed % 2 else None  # noqa: E731
    assert events(folder, verdict, n=20, abort_after=4, max_retries=0)


def test_a_model_that_another_worker_has_is_left_to_it(folder):
    claimed = Failure("exception", "ClaimedError: ...", "ClaimedError", "Traceback")
    assert events(folder, lambda m: claimed, n=10, abort_after=2) == []
    assert list(folder.records.iterdir()) == []
