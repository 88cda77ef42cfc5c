"""From a trained population to the next space: what if, proposals, the file, the record and its verdict."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hydra import compose, initialize_config_dir

from designspace import config as configuration
from designspace.config import AnalyzeConfig, RefineConfig, RestrictSettings, RunConfig, SpaceSettings
from designspace.errors import UserError, refuse
from designspace.files import CONF_FOLDER
from designspace.pipeline import sample_and_train
from designspace.pipeline.analyze import analyze_study
from designspace.pipeline.refine import refine
from designspace.pipeline.regimes import compare_regimes
from designspace.spaces.load import SPACE_FOLDER, load_space, stream_key
from designspace.spaces.sampling import BudgetSettings
from designspace.store.paths import SpaceFolder

RISING = RestrictSettings(widths="non_decreasing")
B_RANGE = {"range": [1, 2]}


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(space, n=80, error=lambda models: 20.0, study_name="s", missing=0, flops=None, **settings):
    """A population as sampling leaves it, and errors instead of training."""
    budget = BudgetSettings(resolution=32, flops=flops or [0.5e6, 1.5e6])
    config = RunConfig(
        space=SpaceSettings(space),
        study=study_name,
        num_models=n,
        stop_after="sample",
        budget=budget,
        **settings,
    )
    folder = sample_and_train.run(config).folder
    models = pd.read_parquet(folder.models)
    noise = np.random.default_rng(0).normal(0, 0.5, n)
    runs = models.assign(status="done", error=error(models) + noise).iloc[: n - missing]
    runs.to_parquet(folder.runs)
    return runs


def b(models):
    return np.array([ratios[0] for ratios in models["bottleneck_ratios"]])


def config(**changes):
    base = RefineConfig(space=SpaceSettings("anynetx_c"), output="spaces")
    return replace(base, **changes)


def record(name, study_name="s"):
    return yaml.safe_load(Path(f"results/{study_name}/refinements/{name}.yaml").read_text())


def test_what_if(root):
    runs = train("anynetx_c", error=lambda models: 20 + 2.0 * (b(models) == 4))
    kept = int((b(runs) <= 2).sum())
    result = refine(config(restrict=RestrictSettings(bottleneck_ratios=B_RANGE)))
    assert (
        f"{kept} of 80 trained models meet it. The kept models are better than the other models"
        in result.text
    )
    assert f"effective n {2 / (1 / kept + 1 / (80 - kept)):.0f}" in result.text
    table = pd.read_csv("results/s/analysis/refine_anynetx_c.csv").set_index("models")
    assert table["n"].to_dict() == {"all": 80, "kept": kept, "rest": 80 - kept}
    assert table.loc["kept", "mean"] == pytest.approx(runs["error"][b(runs) <= 2].mean())
    assert {path.suffix for path in result.paths} == {".png", ".svg", ".csv"}
    assert not Path("spaces").exists()
    assert not Path("results/s/refinements").exists()


def test_the_walk_from_hypothesis_to_verdict(root):
    train("anynetx_c", error=lambda models: 20 + 2.0 * (b(models) == 4))
    wanted = config(restrict=RestrictSettings(bottleneck_ratios=B_RANGE), name="narrow")
    first = refine(wanted)
    assert "verdict: open. narrow is not trained in this study yet" in first.text
    assert "python scripts/sample_and_train.py space=spaces/narrow.yaml experiment=" in first.text
    hypothesis = record("narrow")
    assert hypothesis["restrict"] == {"bottleneck_ratios": B_RANGE}
    assert hypothesis["written_before_training"]
    assert hypothesis["configurations"]["after"] < hypothesis["configurations"]["before"]
    assert hypothesis["evidence"]["difference_of_kept_from_rest"]["verdict"] == "better"

    space = load_space("spaces/narrow.yaml")
    assert space.definition["restrictions"] == {
        "bottleneck_ratios": ["shared", B_RANGE],
        "group_widths": "shared",
    }
    assert hypothesis["configurations"]["after"] == space.count()

    train("spaces/narrow.yaml", missing=5)
    assert "verdict: open. 5 of 80 models of narrow are not trained yet" in refine(wanted).text
    train("spaces/narrow.yaml")
    second = refine(wanted)
    assert "verdict: confirmed. narrow is better than anynetx_c" in second.text
    final = record("narrow")
    assert final["verdict"]["status"] == "confirmed"
    assert final["evidence"] == hypothesis["evidence"]
    assert final["verdict"]["difference_from_anynetx_c"]["mean_high"] < 0
    assert pd.read_csv("results/s/analysis/refine_narrow.csv")["models"].iloc[-1] == "narrow, trained"

    again = refine(replace(wanted, restrict=RestrictSettings()))  # the record knows the restriction
    assert again.text == second.text
    assert record("narrow") == final


def test_a_space_sampled_with_overrides_is_refined_with_them(root: Path) -> None:
    overrides = {"all": {"stages": 3}}
    train("anynetx_c", error=lambda models: 20 + 2.0 * (b(models) == 4), space_overrides=overrides)
    wanted = config(restrict=RestrictSettings(bottleneck_ratios=B_RANGE), name="narrow")
    assert "'space_overrides.all={stages: 3}'" in refine(wanted).text  # of the command that trains it
    train("spaces/narrow.yaml", space_overrides=overrides)
    assert "verdict: confirmed. narrow is better than anynetx_c" in refine(wanted).text


@pytest.mark.parametrize(("shift", "status"), [(3.0, "not confirmed"), (0.0, "undecided")])
def test_a_hypothesis_may_fail(root, shift, status):
    train("anynetx_c")
    wanted = config(restrict=RISING, name="rising")
    refine(wanted)
    train("spaces/rising.yaml", error=lambda models: 20 + shift)
    refine(wanted)
    assert record("rising")["verdict"]["status"] == status


def test_settings_that_came_later_do_not_stand_in_the_way_of_a_verdict(root):
    train("anynetx_c")
    path = Path("results/s/anynetx_c/config.yaml")
    settings = yaml.safe_load(path.read_text())
    del settings["train"]["cuda_graphs"]
    path.write_text(yaml.safe_dump(settings))
    wanted = config(restrict=RISING, name="rising")
    refine(wanted)
    train("spaces/rising.yaml", error=lambda models: 10.0)
    assert "verdict: confirmed" in refine(wanted).text


def test_populations_trained_in_another_way_are_not_compared(root):
    train("anynetx_c")
    wanted = config(restrict=RISING, name="rising")
    refine(wanted)
    train("spaces/rising.yaml", error=lambda models: 1.0, flops=[0.5e6, 1.4e6])
    assert "No verdict: results/s/rising was trained with other settings: budget.flops" in refine(wanted).text
    assert record("rising")["verdict"]["status"] == "open"


def test_the_papers_own_step_is_recorded_without_touching_its_file(root):
    before = (SPACE_FOLDER / "anynetx_d.yaml").read_bytes()
    train("anynetx_c")
    train("anynetx_d", error=lambda models: 18.0)
    result = refine(config(restrict=RISING, name="anynetx_d", output=None))
    assert "verdict: confirmed" in result.text
    assert not record("anynetx_d")["written_before_training"]
    assert (SPACE_FOLDER / "anynetx_d.yaml").read_bytes() == before
    assert not Path("conf").exists()


def test_a_new_space_goes_below_the_current_folder(root):
    before = sorted(SPACE_FOLDER.iterdir())
    train("anynetx_c")
    result = refine(config(restrict=RISING, name="rising", output=None))
    assert Path("conf/space/rising.yaml") in result.paths
    assert "python scripts/sample_and_train.py space=rising experiment=" in result.text
    assert sorted(SPACE_FOLDER.iterdir()) == before
    assert stream_key(load_space("rising")) == stream_key(load_space("anynetx_d"))
    train("rising", error=lambda models: 18.0)
    assert "verdict: confirmed" in refine(config(name="rising", output=None)).text


def test_a_space_on_top_of_a_users_file(root):
    Path("mine").mkdir()
    Path("mine/base.yaml").write_text("base: anynetx_a\nstages: 3\n")
    train("mine/base.yaml")
    refine(
        config(
            space=SpaceSettings("mine/base.yaml"), restrict=RestrictSettings(depth={"fixed": 9}), name="nine"
        )
    )
    assert yaml.safe_load(Path("spaces/nine.yaml").read_text())["base"] == "../mine/base.yaml"
    draws = load_space("spaces/nine.yaml").draw(np.random.default_rng(0), 2_000)
    assert len(draws) > 10
    assert (draws.depths.sum(axis=1) == 9).all()


def test_regnet(root):
    train("regnetx", error=lambda models: 20 + np.abs(models["wm"] - 2.5).to_numpy())
    space = SpaceSettings("regnetx")
    restrict = RestrictSettings(wm={"range": [2, 3]}, bottleneck_ratio={"fixed": 1})
    result = refine(config(space=space, restrict=restrict, name="steep"))
    assert "regnetx in study s: wm from 2 to 3 and bottleneck_ratio 1" in result.text
    assert len(load_space("spaces/steep.yaml").draw(np.random.default_rng(0), 20_000)) > 0
    assert "wm from" in refine(config(space=space)).text


def test_proposals(root):
    train("anynetx_c", error=lambda models: 20 + 2.0 * (b(models) == 4))
    result = refine(config())
    rows = [line for line in result.text.splitlines() if line.rstrip().endswith(" better")]
    assert rows[0].startswith("bottleneck_ratios from 1 to 2")
    assert "space=anynetx_c study=s 'restrict.bottleneck_ratios={range: [1, 2]}'" in result.text
    assert (
        pd.read_csv("results/s/analysis/refine_anynetx_c_proposals.csv")["parameter"][0]
        == "bottleneck_ratios"
    )


def test_the_last_study_with_the_space_is_taken(root):
    train("anynetx_c", study_name="old")
    train("regnetx", study_name="new")
    assert "anynetx_c in study old" in refine(config()).text


def test_a_study_whose_name_is_not_utf8_is_refused_before_anything_is_written(root):
    train("anynetx_c")
    Path("results/s").rename("results/s\udcff")
    before = sorted(root.rglob("*"))
    with pytest.raises(UserError, match=r"'results/s\\udcff': must be UTF-8; rename the folder"):
        refine(config(restrict=RISING, name="rising"))
    with pytest.raises(UserError, match=r"'results/s\\udcff': must be UTF-8"):
        analyze_study(AnalyzeConfig())
    assert sorted(root.rglob("*")) == before


def test_what_cannot_be(root):
    train("anynetx_c")
    folder = SpaceFolder(root / "results" / "s" / "anynetx_c")

    def refused(message, **changes):
        with pytest.raises(UserError, match=message) as caught:
            refine(config(**changes))
        assert "\n" not in str(caught.value)

    nothing = RestrictSettings(depths={"fixed": 16})
    refused("none of the 80 models of anynetx_c in study s meets it", restrict=nothing)
    refused("no network meets all of them", restrict=RestrictSettings(depths={"fixed": 99}))
    refused("space anynetx_c has it already", restrict=RestrictSettings(group_widths="shared"))
    refused("widths=sorted: must be one of shared", restrict=RestrictSettings(widths="sorted"))
    refused("w0: unknown key", restrict=RestrictSettings(w0={"fixed": 8}))
    refused("no population in study s; spaces there: anynetx_c", space=SpaceSettings("regnetx"), study="s")
    refused("needs a restriction", name="new")
    assert "verdict: open" in refine(config(restrict=nothing, name="deep")).text  # to be trained all the same
    refused("records it as anynetx_c with", restrict=RISING, name="deep")
    refused("anynetx_d.yaml declares another space", restrict=nothing, name="anynetx_d", output=None)
    Path("spaces/other.yaml").write_text("base: anynetx_a\n")
    refused("declares another space", restrict=RISING, name="other")
    assert Path("spaces/other.yaml").read_text() == "base: anynetx_a\n"
    assert not Path("results/s/refinements/other.yaml").exists()
    Path("results/s/refinements/deep.yaml").write_text("base: a\nbase: b\n")
    refused("deep.yaml: cannot be read as YAML: line 2: the key 'base' is there a second", name="deep")
    settings = yaml.safe_load(folder.config.read_text())
    settings["space"]["stages"] = 3
    folder.config.write_text(yaml.safe_dump(settings))
    refused("another declaration", restrict=RISING)
    folder.runs.unlink()
    settings["space"]["stages"] = 4
    folder.config.write_text(yaml.safe_dump(settings))
    refused("none of its 80 models has been trained", restrict=RISING)


def test_regimes_of_studies_on_disk(root):
    for i in range(3):
        flops = [0.5e6 * 2**i, 0.6e6 * 2**i]
        train("anynetx_c", 30, study_name=f"regime_{i}", flops=flops)
    result = compare_regimes(AnalyzeConfig(regimes=["regime_2", "regime_0", "regime_1"]))
    table = pd.read_csv("results/regimes/regimes.csv")
    assert table.query("parameter == 'depth'")["study"].tolist() == ["regime_0", "regime_1", "regime_2"]
    assert len(pd.read_csv("results/regimes/trends.csv")) == 3
    assert "grows as flops^a" in result.text
    with pytest.raises(UserError, match="study=nothing"):
        compare_regimes(AnalyzeConfig(regimes=["nothing"]))


def call(*arguments, script="refine.py"):
    command = [sys.executable, str(CONF_FOLDER.parent / "scripts" / script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command(root, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "none_of_these")  # as left behind by a notebook's kernel
    train("anynetx_c")
    short = call("space=anynetx_c", "restrict.bottleneck_ratios={range: [1, 2]}")
    assert short.returncode == 0, short.stderr
    assert "written: results/s/analysis/refine_anynetx_c.png" in short.stdout
    done = call("space=anynetx_c", "restrict.width=equal")
    assert done.returncode == 2
    assert done.stderr == "error: restrict.width: unknown key; did you mean restrict.widths?\n"
    regimes = call("regimes=[s]", script="analyze.py")
    assert regimes.returncode == 0, regimes.stderr
    assert "written: results/regimes/regimes.png" in regimes.stdout
    shown = call("--help").stdout
    assert "restrict.widths" in shown
    assert "python scripts/refine.py space=anynetx_c" in shown


def test_long_and_short_forms_are_the_same():
    configuration.register()
    with initialize_config_dir(str(CONF_FOLDER), version_base="1.3"):
        long, short = (
            configuration.to_values(
                compose("refine", overrides=["space.source=regnetx", restrict]), RefineConfig
            )
            for restrict in ("restrict={wm: {range: [2, 2.5]}}", "restrict.wm={range: [2, 2.5]}")
        )
    assert long == short
    assert short.restrict.declared() == {"wm": {"range": [2, 2.5]}}


@pytest.mark.parametrize("name", ["a/b", "", ".hidden", "two words"])
def test_names_that_cannot_be(name):
    with pytest.raises(UserError, match="must be of letters, digits, dots, dashes and underscores"):
        refuse(config(name=name).problems())


def test_writing_the_same_space_twice_gives_the_same_population(root):
    train("anynetx_c")
    refine(config(restrict=RISING, name="rising"))
    assert stream_key(load_space("spaces/rising.yaml")) == stream_key(load_space("anynetx_d"))
