"""The programs as a user runs them: bad input is one line with what is allowed, and exit status 2."""

import os
import subprocess
import sys

import pytest
import yaml

from designspace import cli
from designspace.files import CONF_FOLDER

SCRIPTS = CONF_FOLDER.parent / "scripts"


def call(script, *arguments, folder, **options):
    return subprocess.run(
        [sys.executable, str(SCRIPTS / script), *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        **options,
    )


def tree(folder):
    return sorted(str(path) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["space=anynetx_q"], "space=anynetx_q: unknown; did you mean anynetx_"),
        ([], "space: a value is needed, for example space=anynetx_c"),
        (["space=regnetx", "num_model=3"], "num_model: unknown key; did you mean num_models?"),
        (["space=regnetx", "train.epoch=3"], "train.epoch: unknown key; did you mean train.epochs?"),
        (["space=regnetx", "num_models=0"], "num_models=0: must be at least 1"),
        (
            ["space=regnetx", "train.batch_size=9000"],
            "train.batch_size=9000: must be at most 8000, the",
        ),
        (["space=regnetx", "experiment=paper"], "data.root=null: must be an existing folder with train/"),
        (["space=regnetx", "+train.epoch=7"], "train.epoch: unknown key"),
        (["space=regnetx", "+foo=1"], "foo: unknown key"),
        (["space=regnetx", "launcher.hang_minutes=inf"], "launcher.hang_minutes=inf: must be above 0 and"),
        (["space=regnetx", "limits.gpu_hours=nan"], "limits.gpu_hours=nan: must be above 0"),
        (["space=regnetx", "train.lr=inf"], "train.lr=inf: must be above 0 and finite"),
        (["space=regnetx", "num_models=-3"], "num_models=-3: must be at least 1"),
        (["space=regnetx", "num_models=abc"], "num_models=abc: must be a whole number"),
        (["space=regnetx", "train.epochs=${study}"], "train.epochs=laptop: must be a whole number"),
        (
            ["space=regnetx", "budget.flops=[2e6,1e6]"],
            "budget.flops=[2000000.0, 1000000.0]: must be [low, high]",
        ),
        (["space=regnetx", "budget.flops=2"], "space=regnetx: no network with flops in [1.9, 2]"),
        (["space=regnetx", "budget.flops=-2e6"], "budget.flops=-2e6: must be a list of numbers, or null"),
        (["space=regnetx", "budget.flops=[1,2]"], "space=regnetx: no network with flops in [1, 2]"),
        (["space=regnetx", "data=cifar"], "data=cifar: unknown; must be one of cifar10, cifar100"),
        (
            ["space=regnetx", "data=image_folder", "data.root=no/such"],
            "data.root=no/such: must be an existing folder with the images",
        ),
        (["space=regnetx", "launcher.workers=0"], "launcher.workers=0: must be at least 1"),
        (["space=regnetx", "train.precision=fp8"], "train.precision=fp8: must be one of fp32, bf16"),
        (["space=regnetx", "stop_after=everything"], "stop_after=everything: must be one of sample"),
        (["space=regnetx", "study=a/b"], "study=a/b: must be a plain folder name"),
        (["space=regnetx", "seed=-1"], "seed=-1: must be at least 0"),
        (["space=regnetx", "output_root=/proc/nothing"], "output_root: cannot write into /proc/nothing"),
        (["space=regnetx", "repeats=-1"], "repeats=-1: must be at least 0"),
        (["space=regnetx", "subsample=0"], "subsample=0: must be at least 1"),
        (["space=regnetx", "extended_epochs=4"], "extended_epochs=4: must be above train.epochs=4"),
        (["space=regnetx", "nonsense"], "nonsense: not of the form key=value"),
        (["space=regnetx", "--nonsense"], "--nonsense: unknown option; must be one of --help, --cfg job, -m"),
        (["space=regnetx", "--cfg", "all"], "-c/--cfg: invalid choice: 'all'"),
        (
            ["space=regnetx", "experiment=null"],
            "experiment=null: unknown; must be one of demo, fashion_mnist",
        ),
        (["space=regnetx", "launcher.task_minutes=inf"], "launcher.task_minutes=inf: must be above 0 and at"),
        (["space=regnetx", "launcher.threads=100000"], "launcher.threads=100000: must be at least 1 and at"),
        (["space=regnetx", "launcher.workers=100000"], "launcher.workers=100000: must be at least 1 and at"),
        (["space=regnetx", b"study=a\xff"], "must be UTF-8"),
        (
            ["space=regnetx", "output_root=~no_such_user/x"],
            "output_root=~no_such_user/x: no such home folder",
        ),
        (["space=~no_such_user/x.yaml"], "space=~no_such_user/x.yaml: no such home folder"),
        (["space=" + "x" * 300], "unknown; give a YAML file or one of"),
        (["space=regnetx", "study=" + "x" * 300], "must be a plain folder name"),
        (["space=regnetx", "study=a\nb"], "must be a plain folder name"),
        (
            ["-m", "space=regnetx", "seed=0,1", "stop_after=sample"],
            "-m: 2 of the 2 jobs would write into results/laptop/regnetx",
        ),
        (["space=mine.yaml"], "space=mine.yaml: no such file"),
    ],
    ids=lambda value: " ".join(str(word)[:40] for word in value) if isinstance(value, list) else "",
)
def test_bad_input(refusal, tmp_path, arguments, message):
    assert message in refusal(cli.SAMPLE_AND_TRAIN, *arguments)
    assert tree(tmp_path) == []


@pytest.mark.parametrize("arguments", [["space=regnetx", "num_models=0"], ["space=regnetx", b"study=a\xff"]])
def test_bad_input_ends_the_process_with_one_line(tmp_path, arguments):
    done = call("sample_and_train.py", *arguments, folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert tree(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "holds no study; run python scripts/sample_and_train.py first"),
        (["study=nothing"], "study=nothing: holds no population below results; studies there: none"),
        (["seeds=3"], "seeds: unknown key; did you mean seed?"),
        (["study=regimes"], "study=regimes: is the folder of comparisons between studies"),
    ],
)
def test_bad_input_to_analyze(refusal, tmp_path, arguments, message):
    assert message in refusal(cli.ANALYZE, *arguments)
    assert tree(tmp_path) == []


def test_multirun_samples_several_spaces_and_one_that_fails_stops_no_other(tmp_path):
    arguments = ["-m", "space=anynetx_a,anynetx_x,regnetx", "stop_after=sample", "num_models=3"]
    done = call("sample_and_train.py", *arguments, folder=tmp_path)
    assert done.returncode == 2
    assert "space=anynetx_x: unknown" in done.stderr
    found = sorted(path.parent.name for path in tmp_path.rglob("models.parquet"))
    assert found == ["anynetx_a", "regnetx"]
    empty = call("analyze.py", folder=tmp_path)
    assert empty.returncode == 2
    assert "none of its 6 models has been trained" in empty.stderr


def test_multirun_leaves_nothing_but_the_study_behind(tmp_path):
    arguments = ["-m", "space=regnetx", "seed=0,1", "study=s_${seed}", "stop_after=sample", "num_models=2"]
    done = call("sample_and_train.py", *arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert os.listdir(tmp_path) == ["results"]
    assert sorted(os.listdir(tmp_path / "results")) == ["s_0", "s_1"]


def test_the_home_folder(tmp_path):
    (tmp_path / "mine.yaml").write_text("base: anynetx_d\n")
    environment = {**os.environ, "HOME": str(tmp_path)}
    arguments = ["space=~/mine.yaml", "output_root=~/x", "stop_after=sample", "num_models=2"]
    done = call("sample_and_train.py", *arguments, folder=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(tmp_path)) == ["mine.yaml", "x"]
    shown = call("status.py", "output_root=~/x", folder=tmp_path, env=environment)
    assert (shown.returncode, "mine" in shown.stdout) == (0, True)


@pytest.mark.parametrize("argument", ["--help", "--cfg=job"])
def test_a_reader_that_has_seen_enough_is_no_error(tmp_path, argument):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, str(SCRIPTS / "sample_and_train.py"), argument]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, cwd=tmp_path)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_all_values_are_shown(tmp_path):
    done = call("sample_and_train.py", "space=regnetx", "study=1.10", "--cfg", "job", folder=tmp_path)
    shown = yaml.safe_load(done.stdout)
    assert (shown["study"], shown["space"]["source"], shown["train"]["epochs"]) == ("1.10", "regnetx", 4)
    assert tree(tmp_path) == []


def test_a_users_own_space_in_a_folder_with_a_difficult_name(tmp_path):
    folder = tmp_path / 'it\'s a "räum" $HOME'
    folder.mkdir()
    (folder / "mine.yaml").write_text("base: anynetx_d\nrestrictions: {depths: {range: [2, 9]}}\n")
    done = call("sample_and_train.py", "space=mine.yaml", "stop_after=sample", "num_models=3", folder=folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "results" / "laptop" / "mine" / "models.parquet").exists()


@pytest.mark.parametrize("script", ["sample_and_train.py", "analyze.py", "status.py", "refine.py"])
def test_help_names_the_keys(tmp_path, script):
    check_help(call(script, "--help", folder=tmp_path))


HELPS = """
from designspace.cli import PROGRAMS, main
for program in PROGRAMS.values():
    try:
        main(program, ["--help"])
    except SystemExit:
        print("END")
"""


def test_help_needs_no_docstrings(tmp_path):
    """All programs in one process, since Python keeps nothing compiled with -OO."""
    command = [sys.executable, "-OO", "-c", HELPS]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    *helps, rest = done.stdout.split("END\n")
    assert (len(helps), rest) == (len(cli.PROGRAMS), "")
    for text in helps:
        check_help(subprocess.CompletedProcess(command, done.returncode, text))


def check_help(done):
    assert done.returncode == 0
    assert "python scripts/" in done.stdout
    assert "output_root" in done.stdout
    assert "None" not in done.stdout
