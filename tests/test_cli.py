"""The programs as a user runs them: bad input is one line with what is allowed, and exit status 2."""

import subprocess
import sys
import time

import pytest

from designspace.cli import CONF_FOLDER

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
        (["space=regnetx", "train.batch_size=9000"], "train.batch_size: must be between 1 and the 8000"),
        (["space=regnetx", "experiment=paper"], "data.root: imagenet needs the folder with train/ and val/"),
        (["space=regnetx", "+train.epoch=7"], "train.epoch: unknown key"),
        (["space=regnetx", "+foo=1"], "foo: unknown key"),
        (["space=regnetx", "launcher.hang_minutes=inf"], "launcher.hang_minutes=inf: must be above 0 and"),
        (["space=regnetx", "limits.gpu_hours=nan"], "limits.gpu_hours=nan: must be above 0"),
        (["space=regnetx", "train.lr=inf"], "train.lr=inf: must be above 0 and finite"),
        (["space=regnetx", "num_models=-3"], "num_models=-3: must be at least 1"),
        (["space=regnetx", "num_models=abc"], "num_models: Value 'abc' of type 'str' could not be converted"),
        (
            ["space=regnetx", "budget.flops=[2e6,1e6]"],
            "budget.flops=[2000000.0, 1000000.0]: must be [low, high]",
        ),
        (["space=regnetx", "budget.flops=[1,2]"], "space=regnetx: no network with flops in [1, 2]"),
        (["space=regnetx", "data=cifar"], "data=cifar: unknown; must be one of cifar10, cifar100"),
        (
            ["space=regnetx", "data=image_folder", "data.root=no/such"],
            "data.root: must be an existing folder",
        ),
        (["space=regnetx", "launcher.workers=0"], "launcher.workers=0: must be at least 1"),
        (["space=regnetx", "train.precision=fp8"], "train.precision=fp8: must be one of fp32, bf16"),
        (["space=regnetx", "stop_after=everything"], "stop_after=everything: must be one of sample"),
        (["space=regnetx", "study=a/b"], "study='a/b': must be a plain folder name"),
        (["space=regnetx", "seed=-1"], "seed=-1: must be at least 0"),
        (["space=regnetx", "output_root=/proc/nothing"], "output_root: cannot write into /proc/nothing"),
        (["space=regnetx", "repeats=-1"], "repeats=-1: must be at least 0"),
        (["space=regnetx", "subsample=0"], "subsample=0: must be at least 1"),
        (["space=regnetx", "extended_epochs=4"], "extended_epochs=4: must be more than train.epochs=4"),
        (["space=regnetx", "nonsense"], "nonsense: not of the form key=value"),
        (["space=mine.yaml"], "space=mine.yaml: no such file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input(tmp_path, arguments, message):
    done = call("sample_and_train.py", *arguments, folder=tmp_path)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert done.returncode == 2, done.stderr
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in done.stderr
    assert tree(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "holds no study; run scripts/sample_and_train.py first"),
        (["study=nothing"], "study=nothing: holds no population below results; studies there: none"),
        (["draw=3"], "draw: unknown key; did you mean draws?"),
        (["study=regimes"], "study=regimes: is the folder of comparisons between studies"),
    ],
)
def test_bad_input_to_analyze(tmp_path, arguments, message):
    done = call("analyze.py", *arguments, folder=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
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


def test_a_users_own_space_in_a_folder_with_a_difficult_name(tmp_path):
    folder = tmp_path / 'it\'s a "räum" $HOME'
    folder.mkdir()
    (folder / "mine.yaml").write_text("base: anynetx_d\nrestrictions: {depths: {range: [2, 9]}}\n")
    done = call("sample_and_train.py", "space=mine.yaml", "stop_after=sample", "num_models=3", folder=folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "results" / "laptop" / "mine" / "models.parquet").exists()


@pytest.mark.parametrize("script", ["sample_and_train.py", "analyze.py", "status.py", "refine.py"])
def test_help_names_the_keys(tmp_path, script):
    start = time.monotonic()
    done = call(script, "--help", folder=tmp_path)
    assert done.returncode == 0
    assert "python scripts/" in done.stdout
    assert "output_root" in done.stdout
    assert time.monotonic() - start < 20
