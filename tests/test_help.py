"""--help says what every key means: the comment beside its field."""

from dataclasses import dataclass, field

import pytest

from designspace.cli import ANALYZE, REFINE, SAMPLE_AND_TRAIN, STATUS
from designspace.files import CONF_FOLDER
from designspace.help import help_text, keys
from designspace.overrides import key_types


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
    shown = " ".join(help_text("summary", program.schema, CONF_FOLDER, program.groups).split())
    for key, comment in comments.items():
        assert f"{key.replace('space.source', 'space')} {' '.join(comment.split())}" in shown


def test_choices_are_those_of_the_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "space").mkdir(parents=True)
    (tmp_path / "conf" / "space" / "my_own.yaml").touch()
    lines = help_text("What it does.", Schema, CONF_FOLDER, ("space", "launcher")).splitlines()
    assert lines[0] == "What it does."
    assert "  launcher=                   debug, local, slurm" in lines
    assert "my_own, references, regnetx" in " ".join(" ".join(lines).split())
    assert "  section.lr                  at the start, after the warm-up" in lines
    assert all(len(line) <= 80 for line in lines)
