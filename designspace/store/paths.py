"""The only place that knows the names of a study's files.

<output_root>/<study>/<space>/config.yaml           resolved configuration, versions, seed
                              models.parquet        the sampled population
                              runs/<model_id>.json  one record per model
                              runs.parquet          collected records
<output_root>/<study>/<space>/repeat_1/, epochs_8/  the same of its first models trained again
<output_root>/<study>/analysis/                     tables and figures
                              pools/<space>.npz     untrained networks that estimates are powered by
                     /refinements/<name>.yaml       record of a step from one space to the next
                     /auto_<settings>.json          what was chosen where a setting is `auto`
                     /images_<digest>.json          images that cannot be read or are held out
                     /final/                        long trainings with their weights, final.csv
                     /looks/<network>.json          which of them were tested
                     /export/<network>/             networks to take away
                     /find.yaml, references.yaml    what `find` chose when it began
<output_root>/regimes/                              several studies side by side
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from designspace.commands import command
from designspace.errors import UserError, shown
from designspace.files import MAX_NAME_BYTES, host_name, user_path
from designspace.store.processes import is_alive

ANALYSIS, REFINEMENTS, LOOKS, EXPORT = NOT_SPACES = ("analysis", "refinements", "looks", "export")
REGIMES = "regimes"  # folder beside the studies
DIGEST_DIGITS = 16  # of a digest in a file name
LEFTOVER_SECONDS = 24 * 3600


@dataclass(frozen=True)
class SpaceFolder:
    """What one space of a study has on disk, or a rerun of its first models in a folder within."""

    root: Path
    rerun: str = ""  # "repeat_1": with another seed; "epochs_8": for so many epochs

    @property
    def name(self) -> str:
        """The space's name."""
        return (self.root.parent if self.rerun else self.root).name

    @property
    def label(self) -> str:
        """What lines for people call it."""
        return f"{self.name} {self.rerun}".rstrip()

    @property
    def repeat(self) -> int:
        """The number of a rerun with another seed, from 1; 0 where models have the seeds of the first run."""
        kind, _, number = self.rerun.partition("_")
        return int(number) if kind == "repeat" else 0

    def again(self, rerun: str) -> SpaceFolder:
        """The folder of a rerun."""
        return SpaceFolder(self.root / rerun, rerun)

    def repeats(self) -> dict[int, SpaceFolder]:
        """The reruns with other seeds, by their number from 1."""
        return self._reruns("repeat")

    def extended(self) -> dict[int, SpaceFolder]:
        """The reruns for other numbers of epochs, by that number."""
        return self._reruns("epochs")

    def _reruns(self, kind: str) -> dict[int, SpaceFolder]:
        found = {
            path.parent.name.removeprefix(f"{kind}_") for path in self.root.glob(f"{kind}_*/models.parquet")
        }
        return {
            int(n): self.again(f"{kind}_{n}")
            for n in sorted(found, key=lambda n: (len(n), n))
            if n.isdecimal()
        }

    @property
    def study(self) -> StudyFolder:
        """The study that it is part of."""
        return StudyFolder((self.root.parent if self.rerun else self.root).parent)

    @property
    def config(self) -> Path:
        return self.root / "config.yaml"

    @property
    def models(self) -> Path:
        return self.root / "models.parquet"

    @property
    def records(self) -> Path:
        return self.root / "runs"

    @property
    def runs(self) -> Path:
        return self.root / "runs.parquet"

    @property
    def lock(self) -> Path:
        return self.root / ".lock"

    def record(self, model_id: str) -> Path:
        return self.records / f"{model_id}.json"

    def claim(self, model_id: str) -> Path:
        """There while a worker trains the model."""
        return self.records / f"{model_id}.claim"

    def checkpoint(self, model_id: str) -> Path:
        """There while the model is not finished."""
        return self.records / f"{model_id}.checkpoint"

    def weights(self, model_id: str) -> Path:
        """What a final training keeps."""
        return self.records / f"{model_id}.safetensors"

    @property
    def jobs(self) -> Path:
        """What was submitted to a cluster, with the logs; private."""
        return self.root / "jobs"


@dataclass(frozen=True)
class FinalFolder(SpaceFolder):
    """The final trainings of a study: a population of networks of several spaces, each with several seeds."""

    @property
    def models(self) -> Path:
        return self.root / "networks.parquet"  # not models.parquet, by which spaces are found

    @property
    def table(self) -> Path:
        return self.root / "final.csv"


@dataclass(frozen=True)
class StudyFolder:
    """All spaces of one study."""

    root: Path

    @property
    def name(self) -> str:
        return self.root.name

    @property
    def analysis(self) -> Path:
        return self.root / ANALYSIS

    def pool(self, space: str) -> Path:
        """Untrained networks of a space, drawn when it is analysed."""
        return self.analysis / "pools" / f"{space}.npz"

    @property
    def refinements(self) -> Path:
        """One record a refined space: hypothesis, evidence, verdict."""
        return self.root / REFINEMENTS

    def choice(self, settings: Sequence[str]) -> Path:
        """What was chosen for settings that are `auto`."""
        return self.root / f"auto_{'_and_'.join(settings)}.json"

    def images(self, digest: str) -> Path:
        """What was seen when the images of that content were read for the first time."""
        return self.root / f"images_{digest[:DIGEST_DIGITS]}.json"

    @property
    def looks(self) -> Path:
        """Which networks were tested, by which recipes: a file each."""
        return self.root / LOOKS

    @property
    def export(self) -> Path:
        """Networks to take away: a folder each."""
        return self.root / EXPORT

    @property
    def find(self) -> Path:
        """What `find` chose when it began."""
        return self.root / "find.yaml"

    @property
    def references(self) -> Path:
        """The published networks that `find` trains, declared as a space is."""
        return self.root / "references.yaml"

    def space(self, name: str) -> SpaceFolder:
        """The folder of a space. Raises UserError where the study keeps something else under that name."""
        if name in NOT_SPACES:
            raise UserError(f"space={name}: is another folder of a study; choose another name")
        return SpaceFolder(self.root / name)

    def final(self, name: str) -> FinalFolder:
        """The final trainings of that name."""
        return FinalFolder(self.root / name)

    def finals(self) -> list[FinalFolder]:
        """The final trainings that have a table, by name."""
        return [FinalFolder(path.parent) for path in sorted(self.root.glob("*/final.csv"))]

    def spaces(self) -> list[SpaceFolder]:
        """The spaces that have a population, by name."""
        return [SpaceFolder(path.parent) for path in sorted(self.root.glob("*/models.parquet"))]


def study_folder(output_root: str, study: str) -> StudyFolder:
    """The folder of a study; `study` must be one plain folder name."""
    is_plain = re.fullmatch(r"[^./\x00-\x1f][^/\x00-\x1f]*", study)
    if not is_plain or len(os.fsencode(study)) > MAX_NAME_BYTES:
        raise UserError(f"study={shown(study)}: must be a plain folder name")
    if study == REGIMES:
        raise UserError(f"study={study}: is the folder of comparisons between studies; choose another name")
    return StudyFolder(user_path("output_root", output_root) / study)


def studies(output_root: str) -> list[StudyFolder]:
    """All studies below the folder, the one that changed last at the end."""
    found = {path.parent.parent for path in user_path("output_root", output_root).glob("*/*/models.parquet")}

    def changed(root: Path) -> float:
        latest = 0.0
        for path in (*root.glob("*/models.parquet"), *root.glob("*/runs.parquet"), *root.glob("*/runs")):
            with contextlib.suppress(FileNotFoundError):  # it may be removed meanwhile
                latest = max(latest, path.stat().st_mtime)
        return latest

    return [StudyFolder(root) for root in sorted(found, key=lambda root: (changed(root), root.name))]


def find_study(output_root: str, study: str | None) -> StudyFolder:
    """The study of that name, or the one that changed last. Raises UserError where there is none."""
    known = studies(output_root)
    if study is None:
        if not known:
            raise UserError(
                f"output_root={output_root}: holds no study; run {command('sample_and_train')} first"
            )
        return known[-1]
    folder = study_folder(output_root, study)
    if not folder.spaces():
        names = ", ".join(sorted(study.name for study in known)) or "none"
        raise UserError(f"study={study}: holds no population below {output_root}; studies there: {names}")
    return folder


def regimes_folder(output_root: str) -> Path:
    """Several studies side by side: tables and a figure."""
    return user_path("output_root", output_root) / REGIMES


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of processes of this machine that are no more, and very old ones of others."""
    for path in folder.glob(".*.tmp"):
        host, pid = path.name.split(".")[-3:-1]
        with contextlib.suppress(FileNotFoundError):
            if host == host_name():
                abandoned = not is_alive(int(pid)) if pid.isdigit() else False
            else:
                abandoned = time.time() - path.stat().st_mtime > LEFTOVER_SECONDS
            if abandoned:
                path.unlink()
