"""How a published network is named, as written in space files, on command lines and in tables. No torch."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from designspace.errors import UserError

NETWORK = "network"  # column with the label of a published network; null, or absent, where one was sampled
STEMS = ("as_published", "small")
SOURCES = ("timm", "torchvision")
SMALL_STEM = "small stem"
_FORM = re.compile(
    rf"((?P<source>{'|'.join(SOURCES)}):)?(?P<name>[\w.-]+)( x(?P<width>\d*\.?\d+))?(?P<stem> {SMALL_STEM})?"
)


@dataclass(frozen=True)
class Reference:
    """A published network, narrowed and with the strides of its first layers taken away where asked for."""

    name: str  # without its source
    source: str | None = None  # timm, torchvision; None: our own, else timm's, else torchvision's
    width: float = 1.0  # factor on the widths of all layers
    stem: str = "as_published"  # small: stride 1 in the first strided layers; see `small_stem`

    @property
    def published(self) -> str:
        """Its name alone: "timm:resnet18"."""
        return self.name if self.source is None else f"{self.source}:{self.name}"

    @property
    def label(self) -> str:
        """What `parse_reference` reads: "timm:resnet18 x0.25 small stem"."""
        narrowed = "" if self.width == 1 else f" x{self.width:g}"
        return f"{self.published}{narrowed}" + (f" {SMALL_STEM}" if self.stem == "small" else "")

    @property
    def model_id(self) -> str:
        """The same for the same network, 16 hexadecimal digits, as an `Architecture` has."""
        return hashlib.sha256(self.label.encode()).hexdigest()[:16]


def parse_reference(text: str, *, stem: str = "as_published") -> Reference:
    """The network of a label; `stem` where it says nothing of it.

    Raises:
        UserError: it has not the form of one, or its factor is not above 0 and at most 8.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise UserError(
            f"network={text}: must be NAME, timm:NAME or torchvision:NAME, with x0.25 after it to narrow it "
            f"and then {SMALL_STEM} for a small image"
        )
    width = float(match["width"] or 1)
    if not 0 < width <= 8:
        raise UserError(f"network={text}: its width must be above 0 and at most 8")
    return Reference(match["name"], match["source"], width, "small" if match["stem"] else stem)
