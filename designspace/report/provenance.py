"""What a report says about its own making: settings, versions, seeds, devices, and what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from designspace.analysis.study import SpaceAnalysis, StudyAnalysis
from designspace.networks.complexity import METRICS
from designspace.report.labels import COST_NAMES

REASONS = 20  # of models without an error that are listed for a space


@dataclass(frozen=True)
class LeftOut:
    """Models of one space that have no error, for one reason."""

    space: str
    status: str  # diverged, failed or missing
    reason: str
    models: int


@dataclass(frozen=True)
class About:
    """All that a reader needs to judge, and to repeat, a study. Nothing here is found out by the report."""

    study: str
    command: str = ""  # that made the report
    made: str = ""  # when, in words; empty for a page that depends on its input alone
    versions: Mapping[str, str] = field(default_factory=dict)  # of what made the analysis
    seeds: Mapping[str, str] = field(default_factory=dict)  # what was drawn -> its seed
    devices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # space -> where its models ran
    configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # space -> its config.yaml
    left_out: tuple[LeftOut, ...] = ()

    @property
    def set_up(self) -> str:
        """In one line, what all spaces have in common: images, training, budget, and when the study began."""
        data, epochs = self._shared("data", "name"), self._shared("train", "epochs")
        resolution = self._shared("budget", "resolution")
        windows = [(cost, self._shared("budget", cost)) for cost in METRICS]
        begun = min((str(c["created"])[:10] for c in self.configs.values() if "created" in c), default="")
        parts = [
            data and f"{data} at {resolution} px",
            epochs and f"{epochs} epoch{'s' * (epochs != 1)}",
            *(f"{w[0] / 1e6:g} to {w[1] / 1e6:g} million {COST_NAMES[cost]}" for cost, w in windows if w),
            begun and f"begun {begun}",
        ]
        return ", ".join(part for part in parts if part)

    def _shared(self, section: str, key: str) -> Any:
        """The value that all spaces have; None where they differ or do not say."""
        values = [(config.get(section) or {}).get(key) for config in self.configs.values()]
        return values[0] if values and all(value == values[0] for value in values) else None


def about_study(
    study: StudyAnalysis,
    configs: Mapping[str, Mapping[str, Any]],
    *,
    name: str,
    command: str = "",
    made: str = "",
    versions: Mapping[str, str] | None = None,
) -> About:
    """Fill in what the tables of runs and the settings (by space) tell."""
    seeds = {
        f"population and training of {space}": str(c["seed"]) for space, c in configs.items() if "seed" in c
    }
    if len(set(seeds.values())) == 1:
        seeds = {"populations and training": next(iter(seeds.values()))}
    return About(
        study=name,
        command=command,
        made=made,
        versions=dict(versions or {}),
        seeds=seeds | {"resampling in this analysis": str(study.seed)},
        devices={space.name: _devices(space.runs) for space in study.spaces},
        configs=configs,
        left_out=tuple(part for space in study.spaces for part in _left_out(space)),
    )


def _devices(runs: pd.DataFrame) -> tuple[str, ...]:
    names = [name for name in ("device", "precision") if name in runs]
    if not names:
        return ()
    kinds = runs[names].dropna().astype(str).to_numpy()
    counts = Counter(", ".join(kind) for kind in kinds)
    return tuple(f"{kind}: {count} models" for kind, count in sorted(counts.items()))


def _left_out(space: SpaceAnalysis) -> list[LeftOut]:
    """The commonest reasons, the rest as one."""
    runs = space.runs[space.runs["status"] != "done"]
    reasons = runs["reason"] if "reason" in runs else pd.Series("", index=runs.index)
    known = runs["status"].map({"missing": "not run yet"}).fillna("")
    texts = reasons.where(reasons.notna(), known).astype(str).tolist()
    counts = Counter(zip(runs["status"].astype(str).tolist(), texts, strict=True))
    parts = [LeftOut(space.name, status, text, models) for (status, text), models in counts.items()]
    parts.sort(key=lambda part: (-part.models, part.status, part.reason))
    if rest := sum(part.models for part in parts[REASONS:]):
        parts[REASONS:] = [LeftOut(space.name, "other", f"{len(parts) - REASONS} more reasons", rest)]
    return parts
