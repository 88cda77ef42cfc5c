"""What notebooks begin with; `import designspace` offers all of it.

import designspace as ds

study = ds.analyze(ds.read_study("results/fashion_mnist"))
ds.figure(study, "edf")
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from designspace.analysis.results import StudyRuns
from designspace.data.sets import IMAGENET_CLASSES
from designspace.errors import UserError
from designspace.files import user_path
from designspace.networks.complexity import METRICS
from designspace.networks.settings import NetworkSettings
from designspace.pipeline.collect import study_runs
from designspace.spaces.load import load_space, refine_space
from designspace.spaces.sampling import BudgetSettings, sample
from designspace.store.paths import StudyFolder

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import nn

    from designspace.analysis.refinement import WhatIf
    from designspace.analysis.study import StudyAnalysis
    from designspace.networks.counting import Cost


def sample_space(
    space: str,
    num_models: int,
    *,
    seed: int = 0,
    flops: tuple[float, float] | None = None,
    params: tuple[float, float] | None = None,
    acts: tuple[float, float] | None = None,
    resolution: int = 224,
    stem_width: int = 32,
    num_classes: int = IMAGENET_CLASSES,
) -> pd.DataFrame:
    """Draw different networks of a space inside complexity windows: the table of models.parquet.

    `space` is the name of one in conf/space, or the path of a YAML file; windows are [low, high] in
    multiply-adds, parameters and activations of one image.

    Raises:
        UserError: there is no such space, or the windows hold too few networks.
    """
    windows = dict(zip(METRICS, (flops, params, acts), strict=True))
    budget = BudgetSettings(
        **{k: None if w is None else list(w) for k, w in windows.items()}, resolution=resolution
    )
    network = NetworkSettings(stem_width=stem_width)
    loaded = load_space(space)
    return sample(
        loaded, num_models, seed=seed, budget=budget, network=network, num_classes=num_classes
    ).to_frame()


def read_study(folder: str | Path) -> StudyRuns:
    """All models of a study, finished or not, from <output_root>/<study>; nothing is written.

    Raises:
        UserError: the folder holds no population.
    """
    study = StudyFolder(user_path("folder", str(folder)))
    if not study.spaces():
        raise UserError(f"{folder}: holds no population, that is no <space>/models.parquet")
    return study_runs(study)


def figure(study: StudyAnalysis, name: str) -> Figure:
    """One of the figures that `scripts/analyze.py` writes, by file name: "edf", "comparison", "widths", ...

    Raises:
        UserError: there is no such figure; the message lists those there are.
    """
    from designspace.report.contents import topics

    draw = {name: draw for topic in topics(study) for name, draw in topic.figures.items()}
    drawn: Figure = _named("figure", name, draw)()
    return drawn


def table(study: StudyAnalysis, name: str) -> pd.DataFrame:
    """One of the tables that `scripts/analyze.py` writes, by its file name: "summary", "comparison", ...

    Raises:
        UserError: there is no such table; the message lists those there are.
    """
    from designspace.report.contents import topics

    tables = {file.removesuffix(".csv"): t for topic in topics(study) for file, t in topic.tables.items()}
    found: pd.DataFrame = _named("table", name, tables)
    return found


def what_if(study: StudyAnalysis, space: str, restrict: Mapping[str, Any], *, seed: int = 0) -> WhatIf:
    """What a restriction of a space would change: its models that meet it against those that do not.

    `restrict` is written as the `restrictions` of a space file, {"widths": "non_decreasing"} for example.
    `designspace.sentence` puts the answer in words.

    Raises:
        UserError: the study has no such space, or the restriction is invalid.
    """
    from designspace.analysis.refinement import what_if as answer

    base = load_space(space)
    restrictions = refine_space(base, restrict, base.name).restrictions
    runs = _named("space", base.name, {found.name: found.runs for found in study.spaces})
    return answer(runs, [r for r in restrictions if r not in base.restrictions], seed=seed)


def sentence(found: WhatIf) -> str:
    """The answer of `what_if` in words, no stronger than its numbers."""
    from designspace.report.text.refinement import what_if_sentence

    return what_if_sentence(found)


def complexity(module: nn.Module, resolution: int = 224, *, in_channels: int = 3) -> Cost:
    """Flops, params and acts of any torch module for one image, in the papers' counting.

    Convolutions and linear layers are counted while a copy without weights runs; see `networks.counting`.

    Raises:
        UserError: the module cannot run on such an image.
    """
    from designspace.networks.counting import module_complexity

    return module_complexity(module, resolution=resolution, in_channels=in_channels)


def _named(kind: str, name: str, known: Mapping[str, Any]) -> Any:
    if name not in known:
        raise UserError(f"{kind}={name}: must be one of {', '.join(known) or '(none)'}")
    return known[name]
