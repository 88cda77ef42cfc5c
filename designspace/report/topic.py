"""One part of the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pandas as pd
from matplotlib.figure import Figure

Draw = Callable[[], Figure]


@dataclass(frozen=True)
class Topic:
    """One question, and what answers it. Figures are drawn when they are asked for."""

    id: str  # of letters, digits and dashes; part of the page's address
    title: str
    text: str = ""  # plain; an empty line starts a paragraph
    figures: Mapping[str, Draw] = field(default_factory=dict)  # by file name without suffix
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)  # by file name
    chart: str = ""  # one of `html.CHARTS`: drawn on the screen in place of the figures named after it, as
    # `edf` and `parameters_regnetx`, which are folded there, and printed
    empty: Mapping[str, str] = field(default_factory=dict)  # figures that would show nothing: why, by name

    @property
    def paragraphs(self) -> list[str]:
        """The text in paragraphs, and why figures are not there."""
        return [
            part for part in (*self.text.split("\n\n"), *dict.fromkeys(self.empty.values())) if part.strip()
        ]
