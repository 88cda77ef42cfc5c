"""What a result was made with."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path

from designspace import __version__

LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "pandas")


def versions() -> dict[str, str]:
    """Versions of this package, of Python and of the libraries that decide a result."""
    found = {"designspace": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def processor() -> str:
    """The model of this machine's processor."""
    try:
        rows = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        rows = []
    named = (row.partition(":")[2].strip() for row in rows if row.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def git_commit() -> str | None:
    """The commit of the source tree, "+changes" appended where it is modified; None outside a checkout."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return f"{commit}+changes" if _git(root, "status", "--porcelain", "--untracked-files=no") else commit
    except (OSError, subprocess.SubprocessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()
