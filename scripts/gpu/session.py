"""What all parts of the examination have in common: steps within a time limit, checks, and their file."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from options import Options, parse

from designspace.errors import one_line
from designspace.launch.local import available_cores
from designspace.store.versions import git_commit, versions


class Session:
    """One part at work; its file is written again after each check, figure and step."""

    def __init__(self, part: str, options: Options) -> None:
        self.options = options
        self.tiny = options.tiny
        self.device = torch.device(options.device)
        self.on_card = options.device == "cuda"
        self._start = time.monotonic()
        self._path = options.output / f"{part}.json"
        self._result: dict[str, Any] = {
            "part": part,
            "status": "running",
            "machine": machine(self.on_card),
            "checks": [],
            "figures": {},
            "errors": [],
        }
        self._write()

    @property
    def seconds_left(self) -> float:
        """Until this part is to end."""
        return self._start + self.options.seconds - time.monotonic()

    def figure(self, name: str, value: Any) -> None:
        """Keep something that was measured; the unit is in its name."""
        self._result["figures"][name] = rounded(value)
        self._write()

    def check(self, what: str, value: Any, expected: str, held: bool, *, asked: bool = True) -> None:
        """Keep whether something is as expected; where it is not `asked`, the part does not fail of it."""
        entry = {
            "what": what,
            "value": rounded(value),
            "expected": expected,
            "held": bool(held),
            "asked": asked,
        }
        self._result["checks"].append(entry)
        self._write()

    def run(self, steps: Sequence[Callable[[Session], None]]) -> None:
        """All steps that there is time for; one that fails leaves the others theirs."""
        for step in steps:
            if self.seconds_left <= 0:
                self._result["errors"].append(f"no time left for: {step.__name__}")
                continue
            try:
                step(self)
            except Exception as error:
                details = traceback.format_exc()
                self._result["errors"].append(f"{details}{step.__name__}: {one_line(error)}")
            self._write()
        self._result["status"] = self._status()
        self._write()

    def _status(self) -> str:
        if self._result["errors"]:
            return "failed"
        return "held" if all(c["held"] for c in self._result["checks"] if c["asked"]) else "not held"

    def _write(self) -> None:
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(self._result, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, self._path)


def main(part: str, steps: Sequence[Callable[[Session], None]]) -> None:
    """The program of a part."""
    options = parse(sys.argv[1:])
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # as a worker that is deterministic sets it
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit("told to end"))
    if options.device == "cpu":
        torch.set_num_threads(1)
    elif not torch.cuda.is_available():
        sys.exit("torch sees no GPU here; device=cpu examines the processor")
    Session(part, options).run(steps)


def machine(on_card: bool) -> dict[str, Any]:
    """What is examined."""
    card = torch.cuda.get_device_name() if on_card else f"no card ({platform.machine()})"
    found: dict[str, Any] = {"card": card, "cores": available_cores(), "commit": git_commit()}
    if on_card:
        total = torch.cuda.get_device_properties(0).total_memory
        found |= {
            "memory_gb": round(total / 1e9, 1),
            "driver": ask_card("driver_version"),
            "cuda": torch.version.cuda,
        }
        found |= {"cudnn": torch.backends.cudnn.version()}  # type: ignore[no-untyped-call]
    return {**found, "versions": versions()}


def ask_card(question: str) -> str:
    """What nvidia-smi answers; nothing where it cannot be asked."""
    command = ["nvidia-smi", f"--query-gpu={question}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip().splitlines()[0]


def rounded(value: Any) -> Any:
    """Floats to four digits, inside of whatever they are."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {str(key): rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value
