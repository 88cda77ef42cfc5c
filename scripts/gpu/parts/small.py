"""How full small networks keep a card: models an hour of the whole command, one factor at a time.

Speeds are those between the first and the last model that ended, so that starting, which a population pays
once, counts neither for the command nor for the plain script; its seconds are beside them.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch
from options import ROOT
from pieces import RESOLUTION, build, laptop_models, make_step, noise, recipe, set_precision
from session import Session, ask_card, main

TWO_CORES = 493.0  # models an hour of the command on two cores
TIMES_PLAIN, TIMES_TWO_CORES, NEAR_BEST = 3.0, 20.0, 0.9
NO_TF32 = {"NVIDIA_TF32_OVERRIDE": "0"}


@dataclass(frozen=True)
class Setting:
    """One way to run the command: `workers_per_gpu`, and what else differs from the base."""

    name: str
    workers: int | str
    overrides: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def models(self) -> int:
        """Enough for every worker to end some."""
        return 4 * self.workers if isinstance(self.workers, int) else 32


GRAPHS = ("train.cuda_graphs=true",)
SETTINGS = (
    Setting("4 workers, graphs, TF32", 4, GRAPHS),
    Setting("16 workers, graphs, TF32", 16, GRAPHS),
    Setting("1 worker, graphs, TF32", 1, GRAPHS),
    Setting("4 workers, no graphs, TF32", 4),
    Setting("workers=auto, graphs, TF32", "auto", GRAPHS),
    Setting("4 workers, graphs, TF32, no cuDNN benchmark", 4, (*GRAPHS, "train.cudnn_benchmark=false")),
    Setting("4 workers, graphs, bf16", 4, (*GRAPHS, "train.precision=bf16")),
    Setting("8 workers, graphs, TF32", 8, GRAPHS),
    Setting("4 workers, graphs, fp32", 4, GRAPHS, tuple(NO_TF32.items())),
    Setting("2 workers, graphs, TF32", 2, GRAPHS),
    Setting("4 workers, graphs, TF32, contiguous", 4, (*GRAPHS, "train.memory_format=contiguous")),
)
TINY_WORK = ("budget.resolution=8", "budget.flops=[2e4,6e4]", "train.epochs=1", "train.warmup_epochs=0")
TINY = (Setting("1 worker", 1, (*TINY_WORK, "train.batch_size=1000")),)
TINY_SECONDS = 300.0  # of one setting, on a machine that others use, too
MOST_SECONDS = 20.0  # of one setting


def throughput(session: Session) -> None:
    """The base and the plain script on the same networks first, then all other settings."""
    speeds: dict[str, float] = {}
    settings = TINY if session.tiny else SETTINGS
    with tempfile.TemporaryDirectory() as folder:
        for i, setting in enumerate(settings):
            if i > 0 and session.seconds_left < MOST_SECONDS:
                session.figure("settings that there was no time for", [left.name for left in settings[i:]])
                break
            measured = run_command(setting, Path(folder), session)
            speeds[setting.name] = measured["models_per_hour"]
            session.figure(setting.name, measured)
            if i == 0:  # whose networks the plain script trains, too
                plain = run_plain(Path(folder) / "setting_0" / "anynetx_c", session)
                session.figure("plain script", plain)
    judge(session, speeds, plain["models_per_hour"])


def judge(session: Session, speeds: dict[str, float], plain: float) -> None:
    """What was to be reached; nothing of it is asked where all is tiny."""
    best, asked = max(speeds, key=lambda name: speeds[name]), not session.tiny
    times = speeds[best] / plain if plain else 0.0
    what = f"best of the settings ({best}) against the plain script, times as fast"
    session.check(what, times, f">= {TIMES_PLAIN:g}", times >= TIMES_PLAIN, asked=asked)
    times = speeds[best] / TWO_CORES
    session.check(
        "the same against two cores", times, f">= {TIMES_TWO_CORES:g}", times >= TIMES_TWO_CORES, asked=False
    )
    auto = next((speed for name, speed in speeds.items() if "auto" in name), None)
    if auto is not None:
        share = auto / speeds[best] if speeds[best] else 0.0
        what = "launcher.workers=auto, share of the best speed"
        session.check(what, share, f">= {NEAR_BEST:g}", share >= NEAR_BEST, asked=asked)


def run_command(setting: Setting, folder: Path, session: Session) -> dict[str, Any]:
    """Train so many models by the command, or as many as end in time."""
    study = f"setting_{len(list(folder.iterdir()))}"
    key = (
        "launcher.workers" if not session.on_card or setting.workers == "auto" else "launcher.workers_per_gpu"
    )
    words = [
        f"num_models={2 if session.tiny else setting.models}", f"{key}={setting.workers}", "space=anynetx_c",
        f"output_root={folder}", f"study={study}", *setting.overrides,
    ]  # fmt: skip
    environment = {**os.environ, **dict(setting.environment)}
    hidden = {} if session.on_card else {"CUDA_VISIBLE_DEVICES": ""}
    start = time.perf_counter()
    with Watch(session.on_card) as watch:
        done = run_for([str(ROOT / "scripts" / "sample_and_train.py"), *words], environment | hidden,
                       TINY_SECONDS if session.tiny else MOST_SECONDS)  # fmt: skip
    seconds = time.perf_counter() - start
    runs = folder / study / "anynetx_c" / "runs"
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(runs.glob("*.json"))]
    ended = [record for record in records if record.get("status") == "done"]
    if not ended:
        last = " ".join(done.splitlines()[-1:])
        return {"models_per_hour": 0.0, "models": 0, "seconds_of_the_command": seconds, "said_last": last}
    return {
        "models_per_hour": speed(ended),
        "models": len(ended),
        "seconds_of_the_command": seconds,
        "median_training_seconds": statistics.median(record["train_seconds"] for record in ended),
        "mean_error_percent": statistics.fmean(record["error"] for record in ended),
        **watch.means(),
    }


def speed(records: list[dict[str, Any]]) -> float:
    """Models an hour from the moment that the first model began."""
    attempts = [record["attempts"][-1] for record in records]
    starts = [datetime.fromisoformat(attempt["started"]).timestamp() for attempt in attempts]
    ends = [start + attempt["seconds"] for start, attempt in zip(starts, attempts, strict=True)]
    return 3600 * len(records) / float(max(ends) - min(starts))


def run_for(words: list[str], environment: dict[str, str], seconds: float) -> str:
    """Run a Python program for at most so long; returns what it printed."""
    with tempfile.TemporaryFile("w+") as lines:
        process = subprocess.Popen(
            [sys.executable, *words], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
            stdout=lines, stderr=lines, process_group=0,
        )  # fmt: skip
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
        finally:  # also where this part is told to end
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        lines.seek(0)
        return lines.read()


def run_plain(space: Path, session: Session) -> dict[str, Any]:
    """The plain script on the first networks of the same population, as many as end in time."""
    cores = min(8, len(os.sched_getaffinity(0)))
    script = str(ROOT / "scripts" / "benchmark" / "plain_training.py")
    count, threads, readers = (1, 1, 0) if session.tiny else (3, cores, cores)
    words = [script, str(space), "--count", str(count), "--threads", str(threads)]
    words += ["--workers", str(readers), "--device", session.options.device]
    words += ["--images", "1000"] if session.tiny else []
    start = time.perf_counter()
    printed = run_for(words, dict(os.environ), TINY_SECONDS if session.tiny else 1.5 * MOST_SECONDS)
    seconds = time.perf_counter() - start
    rows = [json.loads(row) for row in printed.splitlines() if row.startswith("{")]
    if not rows:
        raise RuntimeError(f"the plain script trained nothing; {' '.join(printed.splitlines()[-1:])}")
    median = statistics.median(row["seconds"] for row in rows)
    errors = statistics.fmean(row["error"] for row in rows)
    return {
        "models_per_hour": 3600 / median,
        "models": len(rows),
        "seconds": seconds,
        "mean_error_percent": errors,
    }


class Watch:
    """Asks the card twice a second how busy it is."""

    def __init__(self, on_card: bool) -> None:
        self._samples: list[list[float]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True) if on_card else None

    def __enter__(self) -> Watch:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.5):
            with suppress(ValueError):
                self._samples.append([float(v) for v in ask_card("utilization.gpu,memory.used").split(",")])

    def means(self) -> dict[str, float]:
        """Utilisation in percent and memory, of the busier half of the looks: not of starting and ending."""
        busy = sorted(self._samples, reverse=True)[: (len(self._samples) + 1) // 2]
        if not busy:
            return {}
        names = ("gpu_utilisation_percent", "gpu_memory_mb")
        return {
            name: statistics.fmean(column)
            for name, column in zip(names, zip(*busy, strict=True), strict=True)
        }


def one_process(session: Session) -> None:
    """Several networks in one process, each a graph on a stream of its own: steps a second of them all."""
    set_precision(tf32=True, deterministic=False)
    settings = recipe(batch_size=16 if session.tiny else 128, cuda_graphs=True)
    images, labels = next(
        noise(settings.batch_size, RESOLUTION, 10, session.device).train_batches(
            batch_size=settings.batch_size, seed=0, epoch=0
        )
    )
    if session.on_card:
        torch.cuda.synchronize()  # the batch is made on another stream than those that read it
    found = {}
    for count in (1, 2) if session.tiny else (1, 4, 16):
        steps = [
            partial(make_step(build(m), settings, session.device)[0], images, labels)
            for m in laptop_models(count)
        ]
        streams = [torch.cuda.Stream() if session.on_card else None for _ in steps]  # type: ignore[no-untyped-call]
        rounds = 2 if session.tiny else 200
        for seconds_round in (5, rounds):  # the first captures the graphs
            start = time.perf_counter()
            for _ in range(seconds_round):
                for step, stream in zip(steps, streams, strict=True):
                    with torch.cuda.stream(stream):
                        step()
            if session.on_card:
                torch.cuda.synchronize()
        found[count] = rounds * count / (time.perf_counter() - start)
    session.figure("training steps a second of so many networks in one process", found)


def shared_by_mps(session: Session) -> None:
    """16 workers under NVIDIA's MPS, where it can be started."""
    program = shutil.which("nvidia-cuda-mps-control")
    if not session.on_card or program is None:
        session.figure("MPS", "not there")
        return
    with tempfile.TemporaryDirectory() as folder:
        places = {"CUDA_MPS_PIPE_DIRECTORY": f"{folder}/pipe", "CUDA_MPS_LOG_DIRECTORY": f"{folder}/log"}
        environment = {**os.environ, **places}
        try:
            subprocess.run([program, "-d"], env=environment, timeout=10, check=True, capture_output=True)
            with tempfile.TemporaryDirectory() as output:
                setting = Setting("16 workers, graphs, TF32, MPS", 16, GRAPHS, tuple(places.items()))
                session.figure(setting.name, run_command(setting, Path(output), session))
        except (OSError, subprocess.SubprocessError, RuntimeError) as error:
            session.figure("MPS", f"could not be used: {error}")
        finally:
            with suppress(OSError, subprocess.SubprocessError):
                subprocess.run(
                    [program], input="quit\n", env=environment, timeout=10, text=True, capture_output=True
                )


if __name__ == "__main__":
    main("small", (throughput, one_process, shared_by_mps))
