"""Tables and figures on disk: each file complete or not at all."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from designspace.files import replacing
from designspace.report.style import PNG_DPI, figure_style


def file_name(name: str) -> str:
    """A space's name with everything but letters, digits, dot, dash and underscore replaced."""
    return re.sub(r"[^\w.-]", "_", name)


def save_table(table: pd.DataFrame, path: Path) -> Path:
    """Write the table as CSV, under a temporary name first, then renamed; returns the path."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.10g")
    return path


def save_figure(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write `name`.png and `name`.svg, each under a temporary name first, then renamed.

    The figure keeps its layout and PNG_DPI from now on. The canvases are used directly, because `savefig`
    draws everything once more beforehand, for a layout that is there already.
    """
    png, svg = (folder / f"{name}.{suffix}" for suffix in ("png", "svg"))
    with figure_style():
        if (engine := figure.get_layout_engine()) is not None:
            engine.execute(figure)  # lay out once, not again for every format
            figure.set_layout_engine("none")
        figure.set_dpi(PNG_DPI)  # also of images within an SVG
        # matplotlib declares no types for the canvases' writers
        with replacing(png) as temporary:
            FigureCanvasAgg(figure).print_png(temporary)  # type: ignore[no-untyped-call]
        with replacing(svg) as temporary:
            FigureCanvasSVG(figure).print_svg(temporary, metadata={"Date": None})  # type: ignore[no-untyped-call]
    return [png, svg]


def remove_figure(folder: Path, name: str) -> None:
    """Remove the files that `save_figure` wrote, where there are any."""
    for suffix in ("png", "svg"):
        (folder / f"{name}.{suffix}").unlink(missing_ok=True)
