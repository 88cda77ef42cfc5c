"""From the command line to the stages: composition by Hydra, one-line errors, exit status.

0: everything asked for is there. 1: a failure at run time (some models failed). 2: input that cannot be used.
130: stopped by Ctrl-C; what is finished stays.
"""

from __future__ import annotations

import difflib
import io
import logging
import os
import re
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import hydra
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from designspace import config as configuration
from designspace.errors import RunError, UserError
from designspace.help import help_text, keys
from designspace.launch.places import current_folder

CONF_FOLDER = Path(__file__).parents[1] / "conf"

log = logging.getLogger("designspace")


class Status:
    """Exit status of a program that may run several jobs (Hydra's multirun): the worst of them."""

    OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True)
class Program:
    """One of the scripts: its configuration conf/<name>.yaml, and the job that gets its values."""

    name: str
    schema: type
    job: Callable[[Any], int]
    groups: tuple[str, ...]  # folders of conf/ that it offers a choice from


def main(program: Program, summary: str | None) -> None:
    """Compose the configuration from the command line, run the job and exit.

    With --multirun the jobs run one after the other, and one that fails does not stop the next.
    `summary` heads the text of --help.
    """
    if {"--help", "-h"} & set(sys.argv[1:]):
        print(help_text(str(summary), program.schema, CONF_FOLDER, program.groups))
        sys.exit(Status.OK)
    _set_up_logging()
    configuration.register()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises, and the message is ours
    signal.signal(signal.SIGTERM, _interrupt)
    worst = Status.OK

    def task(composed: DictConfig) -> None:
        nonlocal worst
        worst = max(worst, _guarded(lambda: program.job(configuration.to_values(composed)), program.schema))

    if status := _guarded(lambda: current_folder() and Status.OK, program.schema):
        sys.exit(status)
    sys.argv[1:] = [_in_full(argument) for argument in sys.argv[1:]]
    application = hydra.main(version_base="1.3", config_path=str(CONF_FOLDER), config_name=program.name)(task)
    status = _guarded(application, program.schema)
    sys.exit(max(worst, status))


def _in_full(argument: str) -> str:
    """What Hydra should read in place of our short forms."""
    if argument == "--json":
        return "json=true"
    # Hydra takes `space=...` for the choice of a file that it should merge; spaces are read by load_space.
    return re.sub("^space=", "space.source=", argument)


def _guarded(action: Callable[[], Any], schema: type) -> int:
    """Run the action; an error that the user can mend becomes one line, and everything an exit status."""
    try:
        return int(action() or Status.OK)
    except UserError as error:
        return _complain(str(error), Status.BAD_INPUT)
    except (HydraException, OmegaConfBaseException) as error:
        return _complain(_explain(error, schema), Status.BAD_INPUT)
    except RunError as error:
        message, _, details = str(error).partition("\n")
        if details:
            print(details.rstrip(), file=sys.stderr)
        return _complain(message, Status.FAILED)
    except OSError as error:
        return _complain(f"{error.filename or 'input/output'}: {error.strerror or error}", Status.FAILED)
    except KeyboardInterrupt:
        print("stopped; run the same command again to continue", file=sys.stderr)
        raise SystemExit(Status.INTERRUPTED) from None


def _complain(message: str, status: int) -> int:
    print("error:", " ".join(message.split()), file=sys.stderr)
    return status


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


# ---- what went wrong in the configuration ------------------------------------------------------------------


def _explain(error: Exception, schema: type) -> str:
    """Hydra's error as one line: what was given, and what is allowed."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        return f"{group}={name}: unknown; must be one of {', '.join(error.options or [])}"
    if isinstance(error, OverrideParseException):
        return f"{error.override}: not of the form key=value (quote values with special characters)"
    message = str(error)
    cause = error.__cause__
    if isinstance(cause, OmegaConfBaseException):
        error, message = cause, str(cause)
    key = getattr(error, "full_key", None)
    if (key and "is not in struct" in message) or ("not in" in message and key):
        return f"{key}: unknown key{_suggestion(str(key), schema)}"
    if key:
        return f"{key}: {message.splitlines()[0]}"
    return message


def _suggestion(key: str, schema: type) -> str:
    names = [name for name, _ in keys(schema)]
    close = difflib.get_close_matches(key, names, n=1)
    return f"; did you mean {close[0]}?" if close else ""


class _StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to sys.stderr as it is at that moment, so that lines pass above a live progress bar."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None:
        pass


def _set_up_logging() -> None:
    handler = _StderrHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


# ---- the programs ------------------------------------------------------------------------------------------


def sample_and_train(config: configuration.RunConfig) -> int:
    """Job of `scripts/sample_and_train.py`."""
    from designspace.pipeline.sample_and_train import run

    result = run(config)
    folder = result.folder.root
    if result.stopped_after == "sample":
        print(f"{folder / 'models.parquet'}: {result.counts.total()} models")
        return Status.OK
    if result.stopped_after == "plan":
        return Status.OK
    for part, counts in {result.folder: result.counts, **result.reruns}.items():
        by_status = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
        print(f"{part.runs}: {counts.total()} models: {by_status}")
    if result.stopped_after == "submit":
        print("the rest is submitted; the same command looks again, scripts/status.py shows how far it is")
        return Status.OK
    return Status.OK if result.complete else Status.FAILED


def analyze(config: configuration.AnalyzeConfig) -> int:
    """Job of `scripts/analyze.py`."""
    if config.regimes:
        from designspace.pipeline.regimes import compare_regimes

        compared = compare_regimes(config)
        print(compared.text)
        for path in compared.paths:
            print(f"written: {path}")
        return Status.OK
    from designspace.pipeline.analyze import analyze_study

    result = analyze_study(config)
    print(result.summary)
    print(f"report: {result.folder / 'report.html'}")
    print(f"figure: {result.folder / 'edf.png'}")
    print(f"table:  {result.folder / 'summary.csv'}")
    print(f"and {len(result.paths) - 3} more tables and figures in the same folder")
    return Status.OK


def show_status(config: configuration.StatusConfig) -> int:
    """Job of `scripts/status.py`."""
    from designspace.report.status import print_status
    from designspace.store.paths import find_study
    from designspace.store.status import study_status, to_json

    status = study_status(find_study(config.output_root, config.study))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names that it cannot encode stop nothing
    if config.json:
        print(to_json(status))
    else:
        print_status(status, sys.stdout)
    return Status.OK


def refine(config: configuration.RefineConfig) -> int:
    """Job of `scripts/refine.py`."""
    from designspace.pipeline.refine import refine

    result = refine(config)
    print(result.text)
    for path in result.paths:
        print(f"written: {path}")
    return Status.OK


SAMPLE_AND_TRAIN = Program(
    "sample_and_train", configuration.RunConfig, sample_and_train, ("space", "experiment", "data", "launcher")
)
ANALYZE = Program("analyze", configuration.AnalyzeConfig, analyze, ())
STATUS = Program("status", configuration.StatusConfig, show_status, ())
REFINE = Program("refine", configuration.RefineConfig, refine, ("space",))
