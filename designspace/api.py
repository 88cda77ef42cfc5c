"""What notebooks begin with; `import designspace` offers all of it.

import designspace as ds

study = ds.analyze(ds.read_study("results/fashion_mnist"))
ds.edf_figure(study)
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from designspace.analysis.runs import StudyRuns
from designspace.data.catalog import IMAGENET_CLASSES
from designspace.errors import UserError
from designspace.paths import StudyFolder
from designspace.sampling import METRICS, BudgetSettings, NetworkSettings, sample
from designspace.spaces.load import load_space
from designspace.stages.collect import study_runs


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
    study = StudyFolder(Path(folder))
    if not study.spaces():
        raise UserError(f"{folder}: holds no population, that is no <space>/models.parquet")
    return study_runs(study)
