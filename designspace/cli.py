"""From the command line to the steps: composition by Hydra, one-line errors, exit status.

0: everything asked for is there. 1: a failure at run time (some models failed). 2: input that cannot be used.
130: stopped by Ctrl-C; what is finished stays.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import select
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from designspace import config as configuration
from designspace.commands import COMMAND, command
from designspace.errors import RunError, UserError
from designspace.files import CONF_FOLDER
from designspace.help import help_text
from designspace.launch.places import current_folder
from designspace.overrides import as_value, compose_jobs, default_values, explain

if TYPE_CHECKING:
    from designspace.analysis.errors import StudyErrors

log = logging.getLogger("designspace")


class Status:
    """Exit status of a program that may run several jobs (Hydra's multirun): the worst of them."""

    OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True)
class Program:
    """What a script or a sub-command runs: a job, which gets the values of conf/<name>.yaml."""

    name: str
    schema: type
    job: Callable[[Any], int]
    groups: tuple[str, ...]  # folders of conf/ that it offers a choice from
    summary: str  # for --help; {name} stands for the command line of the program of that name
    first: tuple[str, ...] = ()  # keys that --help shows first
    place: Callable[[Any], str] | None = None  # what only one of several jobs may write into
    order: Callable[[Sequence[Any]], Sequence[Any]] | None = None  # of several jobs, which it may cut up


@dataclass(frozen=True)
class _CommandLine:
    """What was asked for, apart from the values of keys."""

    overrides: list[str]
    help: bool = False
    several: bool = False  # -m: one job for each combination of the values
    show: bool = False  # --cfg job: the values, nothing is run


def main(program: Program, arguments: Sequence[str] | None = None) -> NoReturn:
    """Compose the configuration from the command line, run the job and exit.

    With -m the jobs run one after the other, and one that fails does not stop the next.
    """
    _set_up_logging()
    signal.signal(signal.SIGTERM, _interrupt)
    os.environ["MPLBACKEND"] = "agg"  # that of a notebook that started us need not exist here
    given = sys.argv[1:] if arguments is None else arguments
    status = _guarded(lambda: _main(program, given))
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _mute_stdout()
    sys.exit(status)


def run_command() -> NoReturn:
    """Entry point of the installed command: the name of a program, then what its script would be given."""
    asked, *arguments = sys.argv[1:] or ["--help"]
    known = {name.replace("_", "-"): program for name, program in PROGRAMS.items()}
    program = known.get(asked.replace("_", "-"))
    if program is not None:
        main(program, arguments)
    if asked not in ("-h", "--help"):
        message = f"{COMMAND} {asked}: unknown; must be one of {', '.join(known)}"
        sys.exit(_complain(message, Status.BAD_INPUT))
    print(f"{COMMAND} PROGRAM key=value ...\n")
    for name, program in known.items():
        print(f"  {name:<18}{program.summary.partition('.')[0]}")
    print(f"\n{COMMAND} PROGRAM --help lists its keys")
    sys.exit(Status.OK)


def _main(program: Program, arguments: Sequence[str]) -> int:
    current_folder()  # raises where it was deleted
    asked = _read_flags(arguments, program.schema)
    if asked.help:
        summary = program.summary.format(**{name: command(name) for name in PROGRAMS})
        defaults = default_values(program.name, program.schema, CONF_FOLDER)
        print(help_text(summary, program.schema, CONF_FOLDER, program.groups, defaults, program.first))
        return Status.OK
    composed = compose_jobs(program.name, program.schema, CONF_FOLDER, asked.overrides, several=asked.several)
    if asked.show:
        print("\n".join(OmegaConf.to_yaml(config) for config in composed), end="")
        return Status.OK
    try:
        configs: list[Any] = [configuration.to_values(config, program.schema) for config in composed]
    except OmegaConfBaseException as error:  # an interpolation that cannot be resolved
        raise UserError(explain(error, program.schema)) from None
    _check_places(program, configs)
    jobs = configs if program.order is None else program.order(configs)
    return max(_guarded(lambda config=config: program.job(config)) for config in jobs)  # type: ignore[misc]


def _read_flags(arguments: Sequence[str], schema: type) -> _CommandLine:
    """Options and overrides. Raises UserError where an option is unknown."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("-m", "--multirun", dest="several", action="store_true")
    parser.add_argument("-c", "--cfg", choices=["job"])
    json = "json" in schema.__dataclass_fields__  # type: ignore[attr-defined]  # --json for json=true
    if json:
        parser.add_argument("--json", action="store_true")
    found, rest = parser.parse_known_args(arguments)
    if unknown := [argument for argument in rest if argument.startswith("-")]:
        known = f"--help, --cfg job, -m{', --json' * json}"
        raise UserError(f"{ascii(unknown[0])[1:-1]}: unknown option; must be one of {known}, or key=value")
    overrides = [*rest, *(["json=true"] if json and found.json else [])]
    return _CommandLine(overrides, found.help, found.several, found.cfg is not None)


class _Parser(argparse.ArgumentParser):
    """One that raises, instead of printing its usage."""

    def error(self, message: str) -> NoReturn:
        raise UserError(message.removeprefix("argument "))


def _check_places(program: Program, configs: Sequence[Any]) -> None:
    """Raises UserError where several jobs of -m would write into one place: only the first could."""
    if program.place is None:
        return
    place, count = Counter(map(program.place, configs)).most_common(1)[0]
    if count > 1:
        raise UserError(
            f"-m: {count} of the {len(configs)} jobs would write into {place}; "
            "give each a study of its own, for example 'study=seed_${seed}' with seed=0,1"
        )


def _guarded(action: Callable[[], int]) -> int:
    """Run the action; an error that the user can fix becomes one line, and everything an exit status."""
    try:
        return action()
    except UserError as error:
        return _complain(str(error), Status.BAD_INPUT)
    except RunError as error:
        message, _, details = str(error).partition("\n")
        if details:
            print(details.rstrip(), file=sys.stderr)
        return _complain(message, Status.FAILED)
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _stdout_is_closed():
            return Status.OK  # whoever read the output has seen enough, as head has
        return _complain(f"{error.filename or 'input/output'}: {error.strerror or error}", Status.FAILED)
    except KeyboardInterrupt:
        print("stopped; run the same command again to continue", file=sys.stderr)
        raise SystemExit(Status.INTERRUPTED) from None


def _stdout_is_closed() -> bool:
    """Whether nobody reads the output any more."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _mute_stdout() -> None:
    """Python writes what is left at exit, and would complain again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str, status: int) -> int:
    print("error:", " ".join(message.split()), file=sys.stderr)
    return status


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


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
        print(f"{part.label}: {counts.total()} models: {by_status}")
    if result.best is not None:
        print(f"best:   {result.best.model_id}, error {result.best.error:.2f} %")
        print(f"mean:   error {result.mean_error:.2f} %, over {result.counts['done']} models")
    print(f"folder: {folder}")
    if result.stopped_after == "submit":
        print(f"the rest is submitted; {command('status')} shows the progress, the same command collects it")
        return Status.OK
    if not result.complete:
        print("next:   the same command, which tries again what failed")
        return Status.FAILED
    words = [f"study={as_value(config.study)}"]
    if config.output_root != configuration.AnalyzeConfig.output_root:
        words.append(f"output_root={as_value(config.output_root)}")
    print(f"next:   {command('analyze', *words)}")
    return Status.OK


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
    from designspace.report.terminal import console_of

    width = console_of(sys.stdout).width
    result = analyze_study(config, lambda errors, edf: _show_errors(errors, edf, width))
    from designspace.report.text.summary import summary_text  # imports SciPy: slow

    print(f"\n{summary_text(result.study, width)}\n")
    print(f"report: {result.folder / 'report.html'}")
    print(f"table:  {result.folder / 'summary.csv'}")
    print(f"and {len(result.paths) - 3} more tables and figures in the same folder")
    return Status.OK


def _show_errors(errors: StudyErrors, edf: Path, width: int) -> None:
    from designspace.report.text.summary import errors_text

    print(errors_text(errors, width))
    print(f"figure: {edf}", flush=True)


def train_final(config: configuration.TrainFinalConfig) -> int:
    """Job of `scripts/train_final.py`."""
    from designspace.pipeline.train_final import train_final

    result = train_final(config)
    if result is None:
        return Status.OK
    print(result.text)
    print(f"table:   {result.folder.table}")
    print(f"weights: {result.folder.records}")
    return Status.OK if result.complete else Status.FAILED


def export(config: configuration.ExportConfig) -> int:
    """Job of `scripts/export.py`."""
    from designspace.pipeline.export import export_network

    result = export_network(config)
    print(result.text)
    for path in sorted(result.folder.iterdir()):
        print(f"{'written' if result.written else 'is there'}: {path}")
    return Status.OK


def find(config: configuration.FindConfig) -> int:
    """Job of `scripts/find.py`."""
    from designspace.pipeline.find import find
    from designspace.report.text.find import found_text

    result = find(config)
    if result is None:
        return Status.OK
    print(found_text(result.network_id, result.tested))
    print(f"report:  {result.report}")
    print(f"network: {result.folder}")
    return Status.OK


def show_status(config: configuration.StatusConfig) -> int:
    """Job of `scripts/status.py`."""
    from designspace.report.status import print_status, watch_status
    from designspace.store.paths import find_study
    from designspace.store.status import study_status, to_json

    study = find_study(config.output_root, config.study)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names that it cannot encode stop nothing
    if config.watch:
        with contextlib.suppress(KeyboardInterrupt):
            watch_status(lambda: study_status(study), sys.stdout)
    elif config.json:
        print(to_json(study_status(study)))
    else:
        print_status(study_status(study), sys.stdout)
    return Status.OK


def refine(config: configuration.RefineConfig) -> int:
    """Job of `scripts/refine.py`."""
    from designspace.pipeline.refine import refine

    result = refine(config)
    print(result.text)
    for path in result.paths:
        print(f"written: {path}")
    return Status.OK


def _in_turns(configs: Sequence[configuration.RunConfig]) -> Sequence[configuration.RunConfig]:
    from designspace.pipeline.sample_and_train import in_turns

    return in_turns(configs) if len(configs) > 1 else configs


def _space_folder(config: configuration.RunConfig) -> str:
    return str(Path(config.output_root, config.study, Path(config.space.source).stem))


SAMPLE_AND_TRAIN = Program(
    "sample_and_train",
    configuration.RunConfig,
    sample_and_train,
    ("space", "experiment", "data", "launcher"),
    """Sample a population from a design space and train every model briefly.

    {sample_and_train} space=anynetx_c
    {sample_and_train} -m space=anynetx_a,anynetx_c,regnetx

Running the same command again continues where it stopped.
Results: <output_root>/<study>/<space>/.
""",
    first=(
        *("space.source", "study", "num_models", "seed", "data.root", "budget.flops"),
        *("train.epochs", "train.batch_size", "launcher.workers", "plan"),
    ),
    place=_space_folder,
    order=_in_turns,
)
ANALYZE = Program(
    "analyze",
    configuration.AnalyzeConfig,
    analyze,
    (),
    """Compare all spaces of a study. It need not be finished.

    {analyze}
    {analyze} study=laptop

Tables, figures and the report: <output_root>/<study>/analysis/.
""",
)
REFINE = Program(
    "refine",
    configuration.RefineConfig,
    refine,
    ("space",),
    """What a restriction of a space would change, without training.

    {refine} space=anynetx_c
    {refine} space=anynetx_c 'restrict.bottleneck_ratios={{range: [1, 2]}}'
    {refine} space=anynetx_c restrict.widths=non_decreasing name=my_space

It is read off the trained population of the space. Without a restriction, some
are proposed, with how sure they are. With one, the models that meet it are
compared with the others. A name also writes the refined space, ready to be
trained, and a record of the step; once the refined space is trained in the same
study, the same command fills in the verdict.
""",
)
TRAIN_FINAL = Program(
    "train_final",
    configuration.TrainFinalConfig,
    train_final,
    ("train", "launcher"),
    """Train chosen networks of a study properly, keep the weights, test them once.

    {train_final} study=laptop networks=best:3 seeds=5
    {train_final} networks=best:1,median:1 seeds=3 train.epochs=20

best:N are the networks of the least error, median:N those nearest the median,
best_of:N the best of the first N of each population; ids and names are taken,
too. Each is trained with several seeds on training and validation images, and
evaluated on the test images, once, at the end. Running the same command again
continues where it stopped. Results: <output_root>/<study>/final/.
""",
    first=("study", "networks", "seeds", "train.epochs", "train.batch_size", "launcher.workers", "plan"),
)
EXPORT = Program(
    "export",
    configuration.ExportConfig,
    export,
    (),
    """Write a trained network into a folder to take away.

    {export} study=laptop network=best
    {export} study=laptop network=best formats=[torch,onnx] output=net

The folder holds the weights (safetensors), config.json with all that is needed
to use them, a model card, and what formats asks for. Each file is compared
with the network before the folder appears. designspace.load_network reads it.
""",
)
FIND = Program(
    "find",
    configuration.FindConfig,
    find,
    ("experiment", "data", "launcher"),
    """From images and a budget to one network in a folder: all steps in a row.

    {find} data.root=pets 'budget.flops=[4e6,5e6]'
    {find} data.root=pets 'budget.flops=[4e6,5e6]' hours=2 plan=true

A population of networks within the budget is trained briefly and compared; the
best and the published networks that fit the budget are trained properly; the
one with the least validation error is tested, beside the published ones, and
exported. Running the same command again continues where it stopped.
Results: <output_root>/<study>/, the network in its folder export/.
""",
)
STATUS = Program(
    "status",
    configuration.StatusConfig,
    show_status,
    (),
    """How far a study is. Writes nothing.

    {status}
    {status} study=laptop
    {status} study=laptop --json
    {status} watch=true

Shown are the models by status, the rate, the time left, failures by reason.
watch=true shows them again and again, until no model is left to train.
--json prints one object. Its keys: study, folder, time, and spaces, a list; for
each space its name as space; the counts models, done, diverged, failed, running,
waiting; best_error in percent; mean_seconds per model; models_per_hour, with
rate_over saying last_hour or whole_run; seconds_left; failures, each with kind,
reason, count and the path of one record; unreadable, a line for each file that
cannot be used. What is not known is null.
""",
)
PROGRAMS = {
    program.name: program
    for program in (SAMPLE_AND_TRAIN, ANALYZE, REFINE, TRAIN_FINAL, EXPORT, FIND, STATUS)
}
