"""Examine this package on a GPU: whether it computes the right thing there, and how fast. At most 8 minutes.

    python scripts/gpu/examine.py [device=cuda|cpu] [tiny=true] [output=<folder>] [seconds=480]

The parts run in order of weight, each in a process of its own with its own time limit. A part writes
`<part>.json` after every step of its own, and `summary.md` is written again after each part, so that whatever
happens leaves all results until then. Exit status 0: all was examined, and everything asked for holds.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from options import ROOT, Options, parse

PARTS_FOLDER = Path(__file__).parent / "parts"
GRACE_SECONDS = 10.0  # beyond its limit, that a part gets to end its last step
END_SECONDS = 5.0  # that it gets to end what it has started
HELD, FAILED, STOPPED, RUNNING = "held", "failed", "stopped", "running"  # or "not held"


@dataclass(frozen=True)
class Part:
    """A script that writes `<name>.json`."""

    name: str
    share: float  # of all the time
    script: Path


PARTS = tuple(
    Part(name, share, PARTS_FOLDER / f"{name}.py")
    for name, share in (("right", 0.27), ("small", 0.34), ("paper", 0.27), ("feeding", 0.12))
)


def examine(options: Options, parts: Sequence[Part] = PARTS) -> bool:
    """Run all parts and write what they found; returns whether everything that is asked for holds."""
    options.output.mkdir(parents=True, exist_ok=True)
    for part in parts:  # what an earlier examination left would pass for this one's
        (options.output / f"{part.name}.json").unlink(missing_ok=True)
    deadline = time.monotonic() + options.seconds
    share_left = sum(part.share for part in parts)
    results: list[dict[str, Any]] = []
    for part in parts:  # what a part does not use is left to those after it
        seconds = max(0.0, deadline - time.monotonic()) * part.share / share_left
        share_left -= part.share
        results.append(run_part(part, replace(options, seconds=seconds)))
        (options.output / "summary.md").write_text(summary(options, results), encoding="utf-8")
        print(headline(results[-1]), flush=True)
    return all(result["status"] == HELD for result in results)


def run_part(part: Part, options: Options) -> dict[str, Any]:
    """Run one part within its time, and see to it that its file says how it ended."""
    path, log = options.output / f"{part.name}.json", options.output / f"{part.name}.log"
    places = [str(part.script.parents[1]), str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}
    start = time.monotonic()
    with log.open("wb") as lines:
        process = subprocess.Popen(
            [sys.executable, str(part.script), *options.words()],
            cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=lines, stderr=lines,
            start_new_session=True,
        )  # fmt: skip
        try:
            code: int | None = process.wait(options.seconds + min(GRACE_SECONDS, options.seconds))
        except subprocess.TimeoutExpired:
            code = None
        finally:  # also of Ctrl-C
            end(process)
    result = read(path, part.name)
    if code is None:
        result["status"], result["errors"] = STOPPED, [*result["errors"], "stopped at its time limit"]
    elif result["status"] == RUNNING:
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        result["status"] = FAILED
        result["errors"] = [*result["errors"], " ".join([f"ended with status {code}:", *last])]
    result["seconds"] = round(time.monotonic() - start, 1)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result


def end(process: subprocess.Popen[bytes]) -> None:
    """End a part, which ends what it has started, and what is left of its group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, number)
            process.wait(END_SECONDS)


def read(path: Path, name: str) -> dict[str, Any]:
    """What a part has written; an empty result where that is nothing."""
    empty: dict[str, Any] = {
        "part": name,
        "status": RUNNING,
        "machine": {},
        "checks": [],
        "figures": {},
        "errors": [],
    }
    try:
        return {**empty, **json.loads(path.read_text(encoding="utf-8"))}
    except (OSError, ValueError):
        return empty


def headline(result: dict[str, Any]) -> str:
    """One line for people."""
    asked = [check for check in result["checks"] if check["asked"]]
    held = sum(check["held"] for check in asked)
    return f"{result['part']}: {result['status']}, {held} of {len(asked)} checks held, {result['seconds']} s"


def summary(options: Options, results: Sequence[dict[str, Any]]) -> str:
    """All results so far, as Markdown."""
    machine: dict[str, Any] = next((result["machine"] for result in results if result["machine"]), {})
    lines = [f"# Examination on {machine.get('card', options.device)}", ""]
    lines += [f"- {name}: {value}" for name, value in machine.items()]
    if options.tiny:
        lines += ["- tiny: as small as can be, so that no speed says anything"]
    for result in results:
        lines += ["", f"## {headline(result)}", ""]
        if result["checks"]:
            lines += ["| what | found | expected | held |", "| --- | --- | --- | --- |"]
        for check in result["checks"]:
            held = ("yes" if check["held"] else "**no**") if check["asked"] else "not asked here"
            lines.append(f"| {check['what']} | {check['value']} | {check['expected']} | {held} |")
        lines += ["", *(f"- {name}: {value}" for name, value in result["figures"].items())]
        lines += [f"- **{error.splitlines()[-1]}**" for error in result["errors"]]
    return "\n".join(lines) + "\n"


def main(words: Sequence[str]) -> int:
    try:
        options = parse(words)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0 if examine(options) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
