"""Train a population on the test cluster while things go wrong, then undisturbed here, and compare.

    python tests/slurm/acceptance.py --models 48 --space anynetx_e

A third of the way one task is preempted, then one is requeued, then a node crashes. Prints what was done, and
whether all models are done with the errors of the local run; exit status 0 if so. Needs root and Debian.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))

from slurm.cluster import FOLDER, Cluster, Task, eventually  # noqa: E402

from designspace.store.paths import SpaceFolder  # noqa: E402
from designspace.store.records import Record, Status, read_record  # noqa: E402

SCRIPT = TESTS.parent / "scripts" / "sample_and_train.py"
FAULTS = ("a task is preempted", "a task is requeued", "a node crashes")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, default=48)
    parser.add_argument("--space", default="anynetx_e")
    parser.add_argument("--models-per-task", type=int, default=4)
    parser.add_argument("--output", type=Path, help="folder of the results; default: a temporary one")
    parser.add_argument("settings", nargs="*", help="further settings of both runs, as key=value")
    arguments = parser.parse_args()
    output = arguments.output or Path(tempfile.mkdtemp(prefix="acceptance-"))

    cluster = Cluster(FOLDER)
    was_up = cluster.is_up()
    cluster.start()
    os.environ["SLURM_CONF"] = str(cluster.conf)
    command = [
        sys.executable, str(SCRIPT), f"space={arguments.space}", f"num_models={arguments.models}",
        f"output_root={output}", *arguments.settings,
    ]  # fmt: skip
    start = time.monotonic()
    driver = subprocess.Popen(
        [
            *command, "study=cluster", "launcher=slurm", "launcher.partition=scavenge", "launcher.gpus=1",
            "launcher.cpus=2", "launcher.mem_gb=8", "launcher.timeout_min=60", "launcher.poll_seconds=2",
            f"launcher.models_per_task={arguments.models_per_task}", "launcher.checkpoint_minutes=0",
        ]
    )  # fmt: skip
    folder = SpaceFolder(output / "cluster" / Path(arguments.space).stem)
    try:
        disturb(cluster, folder, driver, arguments.models, start)
        status = driver.wait()
    finally:
        driver.kill()
        cluster.heal()
        if not was_up:
            cluster.stop()
    say(start, f"the run on the cluster ended with status {status}")

    start = time.monotonic()
    local_status = subprocess.run([*command, "study=local"]).returncode
    say(start, f"the local run ended with status {local_status}")
    here, there = (records(SpaceFolder(output / study / folder.name)) for study in ("local", "cluster"))
    done = sum(record.status is Status.DONE for record in there.values())
    equal = sum(i in there and there[i].error == record.error for i, record in here.items())
    left = [path.name for path in folder.records.iterdir() if path.suffix != ".json"]
    logs = "".join(path.read_text() for path in folder.jobs.glob("*_log.out"))
    tasks = len(list(folder.jobs.glob("*_log.out")))
    print(f"{tasks} tasks, which began {logs.count('Starting with')} times")
    print(f"{done} of {arguments.models} done, {equal} of {len(here)} errors equal to the local run's")
    print(f"left beside the records: {', '.join(left) or 'nothing'}")
    good = status == local_status == 0 and done == equal == len(here) == arguments.models and not left
    print("as it should be" if good else "NOT as it should be")
    return 0 if good else 1


def disturb(
    cluster: Cluster, folder: SpaceFolder, driver: subprocess.Popen[bytes], models: int, start: float
) -> None:
    """Each fault at its share of finished models, done to a task that is training."""
    for number, fault in enumerate(FAULTS):
        wanted = models * (number + 2) // 6

        def far_enough(wanted: int = wanted) -> bool:
            return driver.poll() is not None or (
                len(records(folder)) >= wanted and training(cluster, folder) is not None
            )

        eventually(far_enough, seconds=7200, every=0.5)
        task = training(cluster, folder)
        if driver.poll() is not None or task is None:
            say(start, "the run ended too early")
            return
        say(start, f"{len(records(folder))} models done: {fault} ({task.job} on {task.node})")
        if number == 0:
            cluster.run(
                "sbatch", "--partition=main", f"--nodelist={task.node}", "--cpus-per-task=2", "--mem=1G",
                "--output=/dev/null", "--wrap=sleep 1",
            )  # fmt: skip
        elif number == 1:
            cluster.run("scontrol", "requeue", task.job)
        else:
            cluster.crash(task.node)
            time.sleep(2)
            cluster.start()


def training(cluster: Cluster, folder: SpaceFolder) -> Task | None:
    """A task that is at a model; the one that began last."""
    own = [task for task in cluster.running() if task.name.startswith("designspace-") and not task.restarts]
    at_work = [task for task in own if len(cluster.workers(task.job)) > 0]
    return at_work[-1] if at_work and any(folder.records.glob("*.claim")) else None


def records(folder: SpaceFolder) -> dict[str, Record]:
    return {path.stem: read_record(path) for path in folder.records.glob("*.json")}


def say(start: float, text: str) -> None:
    print(f"{time.monotonic() - start:6.0f} s  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
