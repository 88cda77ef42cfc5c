"""Declared spaces: inheritance, a user's own file, and one-line errors for what cannot be."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from designspace.errors import UserError
from designspace.spaces.load import available_spaces, load_space, stream_key

TABLES = Path(__file__).parents[1] / "reference"


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text, name="mine.yaml"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return name

    return write


def test_e_is_a_few_lines_on_top_of_d():
    e, d = load_space("anynetx_e"), load_space("anynetx_d")
    assert [str(r) for r in e.restrictions if r not in d.restrictions] == ["depths: non_decreasing"]
    assert e.definition["parameters"] == d.definition["parameters"]


def test_the_spaces_of_the_paper_are_there():
    expected = {
        *(f"anynetx_{x}" for x in "abcde"),
        "regnetx",
        "regnety",
        "regnetx_constrained",
        "anynetx_d_equal",
        "anynetx_d_decreasing",
    }
    assert expected <= set(available_spaces())


def test_a_users_file_builds_on_a_named_space(write):
    name = write(
        "base: anynetx_d\nstages: 3\nblock: y\nparameters:\n"
        "  depths: {distribution: uniform, low: 2, high: 6, step: 2}\n"
        "restrictions:\n  bottleneck_ratios: [shared, {fixed: 1}]\n  depth: {range: [6, 12]}\n"
    )
    space = load_space(name)
    assert (space.name, space.stages, space.block) == ("mine", 3, "y")
    assert space.parameters["depths"].values.tolist() == [2, 4, 6]
    assert len(space.parameters["widths"]) == 128


def test_a_users_file_builds_on_another_file(write):
    write("base: anynetx_a\nstages: 5\n", "first.yaml")
    assert load_space(write("base: first.yaml\nrestrictions: {widths: equal}\n")).stages == 5


def test_a_restriction_is_taken_back_with_null(write):
    space = load_space(write("base: anynetx_c\nrestrictions: {group_widths: null}\n"))
    assert stream_key(space) == stream_key(load_space("anynetx_b"))


def test_another_block_takes_back_what_it_does_not_read(write):
    nothing = "{bottleneck_ratios: null, group_widths: null}"
    space = load_space(
        write(f"base: anynetx_e\nblock: paper_vr\nparameters: {nothing}\nrestrictions: {nothing}\n")
    )
    assert list(space.parameters) == ["depths", "widths"]
    assert [str(r) for r in space.restrictions] == ["widths: non_decreasing", "depths: non_decreasing"]


def test_the_random_stream_belongs_to_the_content(write):
    copy = write(yaml.safe_dump({k: v for k, v in load_space("anynetx_d").definition.items() if k != "name"}))
    assert stream_key(load_space(copy)) == stream_key(load_space("anynetx_d"))
    assert stream_key(load_space("anynetx_e")) != stream_key(load_space("anynetx_d"))


A = "base: anynetx_a\n"
R = "family: reference\n"
DEPTHS = A + "parameters: {depths: {distribution: %s}}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "mine.yaml: must be a mapping"),
        ("a: [", "mine.yaml: cannot be read as YAML"),
        ("stage: 4\n", "stage: unknown key; did you mean stages?"),
        ("base: anynetx_f\n", "space=anynetx_f: unknown"),
        ("base: mine.yaml\n", "based on itself"),
        (A + "family: resnet\n", "mine.yaml: family=resnet: must be one of anynet, regnet, reference"),
        (A + "networks: [resnet18]\n", "networks=[resnet18]: must be left out, since it belongs to"),
        (R + "networks: [resnet18]\n", "lists published networks, and is no space"),
        (R + "networks: [resnet18]\nblock: x\n", "block: not read by family reference"),
        (R + "networks: resnet18\n", "networks: must be a list of names, but got 'resnet18'"),
        (R + "networks: []\n", "networks: must be a list of names"),
        (R + "networks: [18]\n", "networks: must be a list of names"),
        (R + "networks: [resnet 18]\n", "networks: network=resnet 18: must be NAME"),
        (R + "networks: [a, a x1.0]\n", "networks: a is there more than once"),
        (A + "block: z\n", "block=z: must be one of x, y, v, r, paper_r, paper_v, paper_vr"),
        (A + "stages: four\n", "stages=four: must be a whole number, at least 1 and at most 8"),
        (A + "stages: 0\nblock: z\n", "mine.yaml: block=z: must be one of x"),
        (A + "stages: 0\nblock: z\n", "; mine.yaml: stages=0: must be a whole number"),
        (A + "family: null\n", "family=null: must be one of anynet, regnet"),
        (A + "rounding: floor\n", "rounding=floor: must be left out, since it belongs to family=regnet"),
        ("base: regnetx\nrounding: up\n", "rounding=up: must be nearest or floor"),
        (A + "parameters: {depth: {}}\n", "parameters.depth: unknown key; did you mean depths?"),
        (A + "parameters: {depths: null}\n", "parameters.depths: missing"),
        (DEPTHS % "normal", "mine.yaml: parameters.depths.distribution=normal: must be one of uniform"),
        (DEPTHS % "uniform, low: 4, high: 1, step: 1", "low <= high must hold, but got (low=4, high=1)"),
        (DEPTHS % "uniform, low: 1, high: 4", "needs numbers for low, high, step"),
        (DEPTHS % "uniform, low: 1, high: 4, step: 1, mean: 2", "parameters.depths.mean: unknown key"),
        (DEPTHS % "uniform, low: 1, high: .inf, step: 1", "uniform needs numbers for low, high, step"),
        (DEPTHS % "choice, values: [1, .nan]", "choice needs numbers for values"),
        (DEPTHS % "uniform, low: 8, high: 8000000000000, step: 8", "at most 1,000,000 values"),
        (A + "restrictions: {depth: {range: [.nan, 4]}}\n", "depth={range: [nan, 4]}: must be one of"),
        (DEPTHS % "choice, values: [1, 1.5]", "must hold whole numbers, but got 1.5"),
        (DEPTHS % "choice, values: [0, 1]", "must be positive, but got 0"),
        (A + "block: v\n", "parameters.bottleneck_ratios: block v does not read it; leave it out"),
        (A + "block: paper_vr\n", "if the base declares it; allowed: depths, widths"),
        (A + "block: paper_v\nparameters: {bottleneck_ratios: null, group_widths: null}\n"
         "restrictions: {group_widths: shared}\n", "s.group_widths: block paper_v does not read it"),
        (A + "restrictions: {group_width: null}\n", "unknown key; did you mean group_widths?"),
        (A + "block: paper_r\n", "group_widths: block paper_r does not read it"),
        (A + "parameters: {bottleneck_ratios: {distribution: choice, values: [1, 1.5]}}\n", "1 over a whole"),
        (A + "restrictions: {width: shared}\n", "restrictions.width: unknown key; did you mean widths?"),
        (A + "restrictions: {widths: sorted}\n", "restrictions.widths=sorted: must be one of shared, non_"),
        (A + "restrictions: {widths: {range: [9, 1]}}\n", "widths.range=[9, 1]: must be [low, high]"),
        (A + "restrictions: {depth: shared}\n", "depth=shared: must be one of {range: [low, high]}"),
        (A + "restrictions: {widths: {range: [1025, 2000]}}\n", "no network meets all of them together"),
        (A + "restrictions: {depths: [{fixed: 2}, {fixed: 3}]}\n", "no network meets all of them together"),
        ("base: regnetx\nrestrictions: {wm: {fixed: 4}}\n", "no network meets all of them together"),
        ("base: regnetx\nrestrictions: {widths: shared}\n", "restrictions.widths=shared: must be one of"),
        ("base: regnetx\nparameters: {wm: {distribution: choice, values: [1]}}\n", "above 1, but got 1"),
        ("base: regnetx\nparameters: {depth: {distribution: choice, values: [2, 3]}}\n",
         "depth: must reach stages=4, a block for each, but is 3 at most"),
        ("base: regnetx\nstages: 2\nparameters: {depth: {distribution: choice, values: [1, 2]}}\n"
         "restrictions: {depth: {fixed: 1}}\n", "depth: must reach stages=2"),
        (A + "stages: 3\nblock: y\nstages: 4\n", "line 4: the key 'stages' is there a second time"),
        (A + "restrictions:\n  widths: equal\n  widths: shared\n", "line 4: the key 'widths' is there a"),
        (A + "restrictions: {widths: [{fixed: 8, fixed: 9}]}\n", "line 2: the key 'fixed' is there a second"),
        (A + "stages: 2024-13-45\n", "cannot be read as YAML: month must be in 1..12"),
        ("[" * 5000, "cannot be read as YAML"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line(write, text, message):
    with pytest.raises(UserError) as caught:
        load_space(write(text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert ".yaml" in str(caught.value) or "space=" in str(caught.value)


def test_names_are_looked_up_below_the_current_folder_first(write, tmp_path):
    (tmp_path / "conf" / "space").mkdir(parents=True)
    write("base: anynetx_d\nstages: 3\n", "conf/space/mine.yaml")
    write("base: anynetx_c\nstages: 2\n", "conf/space/anynetx_a.yaml")
    assert load_space("mine").stages == 3
    assert load_space("anynetx_a").stages == 2
    assert load_space("anynetx_b").stages == 4  # the project's is based on the project's own
    assert load_space(write("base: anynetx_a\n")).stages == 2
    assert {"mine", "anynetx_a", "regnetx"} <= set(available_spaces())
    assert available_spaces().count("anynetx_a") == 1


def test_a_merge_key_may_be_overridden(write):
    text = "base: anynetx_d\nparameters:\n  widths: &w {distribution: uniform, low: 8, high: 64, step: 8}\n"
    space = load_space(write(text + "  depths: {<<: *w, low: 1, high: 9, step: 1}\n"))
    assert space.parameters["depths"].values.tolist() == list(range(1, 10))


@pytest.mark.parametrize("name", ["anynetx", "no_such.yaml", "", "../conf"])
def test_unknown_names(name):
    with pytest.raises(UserError, match=r"space=.*anynetx_a"):
        load_space(name)


def test_overrides_change_what_is_declared_for_all_spaces_and_for_a_family() -> None:
    overrides = {"all": {"stages": 3}, "regnet": {"wa": {"low": 1}}}
    anynet, regnet = (load_space(name, overrides) for name in ("anynetx_c", "regnetx"))
    plain = load_space("regnetx").definition
    assert (anynet.stages, regnet.stages) == (3, 3)
    assert anynet.definition["parameters"] == load_space("anynetx_c").definition["parameters"]
    wa = {**plain["parameters"]["wa"], "low": 1}
    assert regnet.definition["parameters"] == {**plain["parameters"], "wa": wa}
    assert load_space("regnetx").definition == plain


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        ({"anynt": {"stages": 3}}, "space_overrides.anynt: unknown; must be one of all, anynet, regnet"),
        ({"all": {"wa": {"low": 1}}}, "space_overrides.all.wa: anynetx_c does not declare it"),
        ({"all": {"stages": 0}}, "anynetx_c.yaml with space_overrides: stages=0: must be"),
        ({"anynet": {"depths": 3}}, "space_overrides.anynet.depths=3: must be keys of its distribution"),
        (
            {"anynet": {"depths": {"lw": 3}}},
            "anynetx_c.yaml with space_overrides: parameters.depths.lw: unknown",
        ),
    ],
)
def test_overrides_that_a_space_cannot_take_are_named(overrides: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError, match=re.escape(line)):
        load_space("anynetx_c", overrides)


def test_every_published_regnetx_is_in_the_constrained_space_of_its_regime() -> None:
    table = pd.read_csv(TABLES / "complexity_exact.csv")
    published = table[table["model"].str.startswith("RegNetX")]
    regimes = [float(name[8:-2]) / (1000 if name.endswith("MF") else 1) for name in published["model"]]
    space, bounded = load_space("regnetx_constrained"), np.array(regimes)  # GF
    assert len(published) == 12
    assert {r.parameter for r in space.restrictions} == {"depth", "wm", "bottleneck_ratio"}
    for restriction in space.restrictions:
        values = published.assign(bottleneck_ratio=1.0)[restriction.parameter].to_numpy()
        assert restriction.allows(values).all(), restriction
    assert (published["params"] / 1e6 < 3 + 5.5 * bounded).all()
    assert (published["acts"] / 1e6 < 6.5 * np.sqrt(bounded)).all()
