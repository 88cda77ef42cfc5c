"""--help says what every key means: the comment beside its field."""

from dataclasses import dataclass, field

import pytest

from designspace.cli import ANALYZE, REFINE, SAMPLE_AND_TRAIN, STATUS
from designspace.files import CONF_FOLDER
from designspace.help import help_text, keys
from designspace.overrides import default_values, key_types


@dataclass
class Section:
    lr: float = 0.05  # at the start, after the warm-up


@dataclass
class Schema:
    """What it is about."""

    name: str | None = None  # of the thing; null: none
    section: Section = field(default_factory=Section)
    bare: int = 1


def test_keys_have_the_comments_of_their_fields():
    assert dict(keys(Schema)) == {
        "name": "of the thing; null: none",
        "section.lr": "at the start, after the warm-up",
        "bare": "",
    }


@pytest.mark.parametrize("program", [SAMPLE_AND_TRAIN, ANALYZE, REFINE, STATUS], ids=lambda p: p.name)
def test_every_key_of_a_program_is_explained(program):
    comments = dict(keys(program.schema))
    assert comments.keys() == key_types(program.schema).keys()
    unexplained = [key for key, comment in comments.items() if not comment]
    assert unexplained == []
    defaults = default_values(program.name, program.schema, CONF_FOLDER)
    text = help_text("summary", program.schema, CONF_FOLDER, program.groups, defaults, program.first)
    assert all(len(line) <= 80 for line in text.splitlines())
    shown = " ".join(text.split())
    for key, comment in comments.items():
        entry = f" {key.replace('space.source', 'space')}={defaults[key]} {' '.join(comment.split())}"
        assert shown.count(" ".join(entry.split())) == 1, key


def test_the_keys_of_the_first_hour_come_first():
    program = SAMPLE_AND_TRAIN
    defaults = default_values(program.name, program.schema, CONF_FOLDER)
    assert (defaults["num_models"], defaults["train.epochs"], defaults["space.source"]) == ("64", "4", "")
    text = help_text("What it does.", program.schema, CONF_FOLDER, (), defaults, program.first)
    lines = [line.split("=")[0].strip() for line in text.splitlines() if line[2:3].isalpha() and "=" in line]
    assert lines[:10] == [key.removesuffix(".source") for key in program.first]


def test_choices_are_those_of_the_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "space").mkdir(parents=True)
    (tmp_path / "conf" / "space" / "my_own.yaml").touch()
    lines = help_text(
        "What it does.",
        Schema,
        CONF_FOLDER,
        ("space", "launcher"),
        {"name": "null", "section.lr": "0.05", "bare": "1"},
    ).splitlines()
    assert lines[0] == "What it does."
    assert "  launcher=                   debug, local, slurm" in lines
    assert "my_own, references, regnetx" in " ".join(" ".join(lines).split())
    assert "  section.lr=0.05             at the start, after the warm-up" in lines
    assert all(len(line) <= 80 for line in lines)
