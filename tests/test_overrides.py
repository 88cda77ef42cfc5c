"""From the command line to values: text stays as typed, -m makes jobs, and no value ends in a traceback."""

import math
import pickle
import shutil
from dataclasses import asdict, replace

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from designspace import cli, overrides
from designspace.cli import ANALYZE, REFINE, SAMPLE_AND_TRAIN, STATUS, TRAIN_FINAL
from designspace.config import RefineConfig, RunConfig, described, register
from designspace.errors import UserError
from designspace.files import CONF_FOLDER
from designspace.overrides import as_value, compose_jobs, key_types, quoted
from designspace.spaces.load import load_space, refine_space
from designspace.training.cluster import models_per_task
from designspace.training.plan import Plan

PROGRAMS = {program.name: program for program in (SAMPLE_AND_TRAIN, ANALYZE, REFINE, STATUS)}


def values(*arguments, program=SAMPLE_AND_TRAIN, several=False):
    """The values of every job; a space where the program needs one and none is given."""
    if "space.source" in key_types(program.schema) and not any("space=" in one for one in arguments):
        arguments = ("space=regnetx", *arguments)
    composed = compose_jobs(program.name, program.schema, CONF_FOLDER, arguments, several=several)
    return [described(config, program.schema) for config in composed]


@pytest.mark.parametrize("typed", ["best:1,median:3", "[best:1,median:3]", "'best:1',median:3"])
def test_a_list_may_be_typed_without_brackets(typed: str) -> None:
    (config,) = values(f"networks={typed}", "space=regnetx", program=TRAIN_FINAL)
    assert (config.networks, config.space.source) == (["best:1", "median:3"], "regnetx")


@pytest.mark.parametrize(
    "text",
    [
        "1.10",
        "1.1",
        "1e3",
        "true",
        "0x1f",
        "1_000",
        "nan",
        "a (b) = $c \\d",
        "it's",
        'a "b"',
        "a: b",
        "[a",
        "ä",
    ],
)
def test_text_stays_as_it_was_typed(text):
    if text.startswith("["):
        with pytest.raises(UserError, match=r"study=\[a: cannot be read"):
            values(f"study={text}")
        text = quoted(text)
        assert values(f"study={text}")[0].study == "[a"
        return
    (found,) = values(f"study={text}", f"data.root={text}", f"launcher.partition={text}", f"space={text}")
    assert (found.study, found.data.root, found.launcher.partition) == (text, text, text)
    assert found.space.source == text
    (again,) = values(f"study={quoted(text)}")
    assert again.study == text


def test_what_is_quoted_or_null_is_not_quoted_again():
    assert values("study='[a'")[0].study == "[a"
    (found,) = values("study='a,b'", 'launcher.account="1.10"', "launcher.qos=null")
    assert (found.study, found.launcher.account, found.launcher.qos) == ("a,b", "1.10", None)


def test_lists_of_text_stay_as_they_were_typed():
    assert values("regimes=[1.10, 1.1,'a,b']", program=ANALYZE)[0].regimes == ["1.10", "1.1", "a,b"]
    (found,) = values("launcher.setup=[module load cuda, \"export A='1, 2'\"]")
    assert found.launcher.setup == ["module load cuda", "export A='1, 2'"]


@pytest.mark.parametrize(
    "text", ["plain/a-b.yaml", "null", "1e3", "a,b", "glob(x)", "[a", "a\\", "'a'", "", "~x"]
)
def test_printed_commands_give_the_value_back(text):
    assert values(f"study={as_value(text)}")[0].study == text
    assert values(f"regimes={as_value([text])}", program=ANALYZE)[0].regimes == [text]


@pytest.mark.parametrize(
    "arguments",
    [
        ["launcher.options={nice: 100, mem: 1e3, time: 1-00:00:00}"],
        ["launcher.options.nice=100", "launcher.options.mem=1e3", "launcher.options.time=1-00:00:00"],
        ["+launcher.options.nice=100", "++launcher.options={mem: 1e3, time: 1-00:00:00}"],
    ],
)
def test_options_of_sbatch_need_no_plus(arguments):
    (found,) = values("launcher=slurm", *arguments)
    assert found.launcher.options == {"nice": 100, "mem": "1e3", "time": "1-00:00:00"}


def test_several_values_make_several_jobs():
    found = values("space=anynetx_a,1.10", "seed=0,1", "study='s_${seed}'", several=True)
    assert [(config.space.source, config.seed, config.study) for config in found] == [
        ("anynetx_a", 0, "s_0"), ("anynetx_a", 1, "s_1"), ("1.10", 0, "s_0"), ("1.10", 1, "s_1"),
    ]  # fmt: skip
    assert [config.seed for config in values("seed=range(0,3)", several=True)] == [0, 1, 2]


def test_glob_finds_spaces_and_choices(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "space").mkdir(parents=True)
    (tmp_path / "conf" / "space" / "anynetx_d_own.yaml").write_text("base: anynetx_d\n")
    found = [config.space.source for config in values("space=glob(anynetx_d*)", several=True)]
    assert found == ["anynetx_d", "anynetx_d_decreasing", "anynetx_d_equal", "anynetx_d_own"]
    found = [config.data.name for config in values("data=glob(cifar*)", several=True)]
    assert found == ["cifar10", "cifar100"]


@pytest.mark.parametrize(
    ("arguments", "several", "message"),
    [
        (["space=glob(x*)"], True, r"space=glob\(x\*\): matches none of anynetx_a, "),
        (["seed=glob(*)"], True, r"seed=glob\(\*\): glob\(\) is for space and data, experiment, launcher"),
        (["train.lr=interval(0,1)"], True, "-m takes lists a,b, choice"),
        (["seed=0,1"], False, "seed=0,1: several values need -m; a value with a comma needs quotes"),
        (["study=a,b"], False, r"study=a,b: several values need -m; .* \"study='a,b'\""),
        (["space=glob(*)"], False, r"space=glob\(\*\): several values need -m"),
        (["train.lr=a (b"], False, r"train.lr=a \(b: cannot be read; .* \"train.lr='a value \(1\)'\""),
        (["seed=" + "1" * 5000], False, "cannot be read"),
        (
            ["experiment=null"],
            False,
            "experiment=null: unknown; must be one of demo, fashion_mnist, laptop, paper, small_data",
        ),
        (["launcher="], False, "launcher=: unknown; must be one of debug, local, slurm"),
        (["data=cifar10,x"], True, "data=x: unknown; must be one of cifar10"),
        (["train=[population]"], False, r"train=\[population\]: unknown; must be one of final, population"),
        (["hydra.run.dir=x"], False, "hydra.run.dir: unknown key"),
        (["study=a\udcff"], False, r"'study=a\\udcff': must be UTF-8"),
        (["=3"], False, "=3: not of the form key=value"),
        (["data@x=cifar10"], False, "data@x=cifar10: not of the form key=value"),
        (["nonsense"], False, "nonsense: not of the form key=value"),
        (["study=${nothing"], False, "study: "),
    ],
)
def test_what_cannot_be_read_is_one_line(arguments, several, message):
    with pytest.raises(UserError, match=message) as caught:
        values(*arguments, several=several)
    assert "\n" not in str(caught.value)


def test_a_key_twice_in_a_file_of_conf_is_refused(tmp_path):
    conf = shutil.copytree(CONF_FOLDER, tmp_path / "conf")
    text = (conf / "train" / "population.yaml").read_text()
    (conf / "train" / "population.yaml").write_text(text + "epochs: 3\n")
    line = text.count("\n") + 1
    with pytest.raises(UserError, match=rf"population.yaml: line {line}: found duplicate key epochs"):
        compose_jobs("sample_and_train", RunConfig, conf, ["space=regnetx"], several=False)


# ---- every key, with values of every kind ------------------------------------------------------------------

ODD_VALUES = ["null", "inf", "nan", "-1", "0", "1e300", "1" + "0" * 30, "text", "[1,2]", "{a: 1}", "true", ""]
INFINITE = ("budget.", "limits.gpu_hours")  # where it means: no limit


@pytest.fixture(scope="module")
def bases():
    """What each program composes without overrides of its own, once: that takes 0.1 s."""
    register()
    with initialize_config_dir(str(CONF_FOLDER), version_base="1.3"):
        return {
            name: pickle.dumps(
                compose(name, ["space.source=regnetx"] * ("space.source" in key_types(p.schema)))
            )
            for name, p in PROGRAMS.items()
        }


@pytest.mark.parametrize(
    ("name", "key"), [(name, key) for name, p in PROGRAMS.items() for key in key_types(p.schema)]
)
def test_every_key_takes_a_value_or_refuses_it_in_one_line(bases, monkeypatch, capsys, name, key):
    def apply(name, job):
        config = pickle.loads(bases[name])
        for override in OverridesParser.create().parse_overrides(job):  # as Hydra does
            OmegaConf.update(config, override.key_or_group, override.value(), merge=True, force_add=True)
        return config

    accepted = []
    monkeypatch.setattr(overrides, "compose", apply)
    shown = key.removesuffix(".source")
    for value in ODD_VALUES:
        monkeypatch.setattr("sys.argv", ["program", f"{shown}={value}"])
        program = replace(PROGRAMS[name], job=lambda config: use(config) or accepted.append(config) or 0)
        status = cli._guarded(lambda program=program, value=value: cli._main(program, [f"{shown}={value}"]))
        errors = capsys.readouterr().err
        assert (status, errors.count("\n")) in ((0, 0), (2, 1)), errors
        assert status == 0 or shown.partition(".")[0] in errors
    for config in accepted:
        check_accepted(config, key)


def use(config):
    """What looks at values before anything is written, apart from their dataclasses."""
    if isinstance(config, RefineConfig):
        refine_space(load_space(config.space.source), config.restrict.declared(), "new")


def check_accepted(config, key):
    """What later stages do with every value: write and read it, and calculate with it."""
    assert yaml.safe_load(yaml.safe_dump(asdict(config))).keys() == asdict(config).keys()
    for value in leaves(asdict(config)):
        if isinstance(value, float):
            assert math.isfinite(value) or key.startswith(INFINITE)
        if isinstance(value, int):
            assert abs(value) < 2**63
    if hasattr(config, "launcher"):
        assert models_per_task(config.launcher, 1.0, 64) >= 1
        plan = Plan(config.num_models, config.train.epochs, 8000, "set", 1, None, 1.0, 1.0, "guessed", 1e6)
        assert str(plan)


def leaves(value):
    if isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    else:
        yield value


@pytest.mark.parametrize(
    "arguments",
    [
        ["space_overrides={all: {stages: 3}, regnet: {wa: {low: 1.5}}}"],
        ["space_overrides.all.stages=3", "space_overrides.regnet.wa.low=1.5"],
        ["space_overrides.all={stages: 3}", "space_overrides.regnet={wa: {low: 1.5}}"],
    ],
)
def test_overrides_of_spaces_are_numbers_and_need_no_plus(arguments: list[str]) -> None:
    (found,) = values(*arguments)
    assert found.space_overrides == {"all": {"stages": 3}, "regnet": {"wa": {"low": 1.5}}}
