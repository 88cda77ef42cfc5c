"""What the examination is asked for, in words like `device=cpu`; the driver needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEVICES = ("cuda", "cpu")
SWITCH = {"true": True, "false": False}


@dataclass(frozen=True)
class Options:
    """Of the examination, and of each of its parts."""

    device: str = "cuda"  # cuda or cpu
    tiny: bool = False  # everything as small as can be: whether it runs, not how fast
    output: Path = ROOT / "results" / "benchmarks" / "gpu"  # where the results go
    seconds: float = 480.0  # that it may take; a part: of that part

    def words(self) -> list[str]:
        """The options as one types them."""
        tiny = str(self.tiny).lower()
        return [f"device={self.device}", f"tiny={tiny}", f"output={self.output}", f"seconds={self.seconds:g}"]


def parse(words: Sequence[str]) -> Options:
    """The options. Raises ValueError, one line, where a word is none of them."""
    values: dict[str, object] = {}
    for word in words:
        key, _, value = word.partition("=")
        if key == "device" and value in DEVICES:
            values[key] = value
        elif key == "tiny" and value in SWITCH:
            values[key] = SWITCH[value]
        elif key == "output" and value:
            values[key] = Path(value).resolve()
        elif key == "seconds" and value.replace(".", "", 1).isdigit() and float(value) > 0:
            values[key] = float(value)
        else:
            allowed = "device=cuda|cpu, tiny=true|false, output=<folder> or seconds=<number above 0>"
            raise ValueError(f"{word}: must be {allowed}")
    return Options(**values)  # type: ignore[arg-type]  # of each field's own type, as set above
