"""The command that `refine` prints trains the new space with the settings of the population that is there."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from designspace.config import RunConfig, described
from designspace.files import CONF_FOLDER
from designspace.overrides import compose_jobs
from designspace.pipeline.training_command import training_command
from designspace.store.paths import StudyFolder


def composed(*overrides: str) -> dict[str, Any]:
    """The settings that the command line gives."""
    arguments = ["space=mine.yaml", *overrides]
    (found,) = compose_jobs("sample_and_train", RunConfig, CONF_FOLDER, arguments, several=False)
    return asdict(described(found, RunConfig))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["experiment=laptop"], 2),
        (["experiment=fashion_mnist"], 2),
        (["experiment=paper", "data.root='/images of 1,000 kinds/it\\'s'", "launcher=slurm"], 3),
        (["data=cifar10", "study=colour", "seed=3", "num_models=20", "budget.params=[1e5,2e5]"], None),
        (["study='1e3'", "output_root='a\\b'", "data=image_folder", "data.root='[a] b\\\\'"], None),
        (["experiment=laptop", "space_overrides={all: {stages: 3}, regnet: {wa: {low: 1}}}"], 4),
        (["experiment=paper", "data.root=/i", "train.precision=auto", "output_root=my results"], 5),
    ],
)
def test_the_command_composes_to_the_same_settings(overrides, words):
    settings = composed(*overrides)
    study = StudyFolder(Path(settings["output_root"]) / settings["study"])
    python, script, *given = shlex.split(training_command("mine.yaml", study, settings))
    assert (python, script) == ("python", "scripts/sample_and_train.py")
    assert given[0] == "space=mine.yaml"
    assert words is None or len(given) == words
    again = composed(*given[1:])
    assert {**again, "launcher": None} == {**settings, "launcher": None}


def test_settings_that_came_later_are_left_as_they_are():
    settings = composed("experiment=fashion_mnist")
    del settings["train"]["cuda_graphs"], settings["network"]
    command = training_command("mine.yaml", StudyFolder(Path("results/fashion_mnist")), settings)
    assert command == "python scripts/sample_and_train.py space=mine.yaml experiment=fashion_mnist"
