"""A look at the test split is counted before it is taken."""

from pathlib import Path

import pytest

from designspace.errors import UserError
from designspace.store.looks import Look, count_looks, note_look


def test_the_same_weights_are_one_look_and_others_a_second(tmp_path: Path) -> None:
    folder = tmp_path / "looks"
    assert count_looks(folder, "a-1", "recipe") == 0
    for _ in range(2):  # as after a kill between the note and the result
        assert note_look(folder, Look("a-1", "recipe", "weights"), again=False) == 1
    assert note_look(folder, Look("a-2", "recipe", "others"), again=False) == 1  # another seed
    assert note_look(folder, Look("a-1", "other", "others"), again=False) == 1  # another recipe
    with pytest.raises(UserError, match=r"tested already with this recipe and seed.*test\.again=true"):
        note_look(folder, Look("a-1", "recipe", "others"), again=False)
    assert count_looks(folder, "a-1", "recipe") == 1
    assert note_look(folder, Look("a-1", "recipe", "others"), again=True) == 2
    assert count_looks(folder, "a-1", "recipe") == 2


def test_a_damaged_note_does_not_pass_for_none(tmp_path: Path) -> None:
    note_look(tmp_path, Look("a-1", "recipe", "weights"), again=False)
    (tmp_path / "a-1_recipe.json").write_text("[")
    with pytest.raises(UserError, match="is damaged"):
        note_look(tmp_path, Look("a-1", "recipe", "others"), again=False)
