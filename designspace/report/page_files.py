"""Figures and tables that lie in the analysis folder, made part of one self-contained page."""

from __future__ import annotations

import base64
import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from PIL import Image, features  # come with Matplotlib

from designspace.report.style import PNG_DPI

SVG_BYTES = 100_000  # beyond this, many points make an SVG larger than its picture, and slow to draw
CSS_DPI = 96
SHORT_ROWS, SHORT_COLUMNS = 40, 20  # larger tables are linked only
NAMES = ("space", "model_id")  # columns of names, even where all are digits


@dataclass(frozen=True)
class Picture:
    """A figure as part of the page."""

    name: str  # of its files, without suffix
    source: str  # data URI
    width: int  # CSS pixels at its natural size
    height: int
    files: tuple[tuple[str, str], ...]  # (name, relative address) of the files beside the page


@dataclass(frozen=True)
class TableView:
    """A table as part of the page; `rows` is empty where it is too long to be shown."""

    name: str
    address: str  # relative
    header: tuple[str, ...]
    numeric: tuple[bool, ...]  # by column
    rows: tuple[tuple[str, ...], ...]
    length: int  # rows of the file


def embed_picture(folder: Path, stem: str) -> Picture:
    """The figure's SVG where it is small, else its PNG as lossless WebP, which takes a third of the room.

    As the source of an image, so that styles and ids of one figure do not reach another or the page, and no
    script in it is run. Raises FileNotFoundError where there is neither.
    """
    svg, png = (folder / f"{stem}.{suffix}" for suffix in ("svg", "png"))
    files = [file for file in (svg, png) if file.is_file()]
    if not files:
        raise FileNotFoundError(f"{folder / stem}: there is no .svg or .png of this figure")
    if png not in files or (svg in files and svg.stat().st_size <= SVG_BYTES):
        kind, content = "svg+xml", svg.read_bytes()
        width, height = _svg_size(content)
    else:
        kind, content, (width, height) = _compressed(png)
    source = f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
    return Picture(stem, source, width, height, tuple((file.name, quote(file.name)) for file in files))


def _compressed(path: Path) -> tuple[str, bytes, tuple[int, int]]:
    """Kind, content and size in CSS pixels of a PNG as it goes into the page."""
    kind, content = "png", path.read_bytes()
    with Image.open(path) as image:
        size = round(image.width * CSS_DPI / PNG_DPI), round(image.height * CSS_DPI / PNG_DPI)
        if features.check("webp"):
            packed = io.BytesIO()
            image.convert("RGB").save(packed, "webp", lossless=True, quality=50)  # effort, not quality
            if len(packed.getvalue()) < len(content):
                kind, content = "webp", packed.getvalue()
    return kind, content, size


def _svg_size(content: bytes) -> tuple[int, int]:
    """Width and height that Matplotlib writes in points."""
    head = content[:4000].decode("utf-8", errors="replace")
    found = [re.search(rf'\b{side}="([\d.]+)pt"', head) for side in ("width", "height")]
    width, height = (float(match[1]) if match else 480.0 for match in found)
    return round(width * CSS_DPI / 72), round(height * CSS_DPI / 72)


def embed_table(folder: Path, name: str) -> TableView:
    """A CSV file of the folder, its numbers shortened for reading."""
    with open(folder / name, encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    header, rows = (lines[0], lines[1:]) if lines else ([], [])
    columns = list(zip(*rows, strict=True))
    numeric = tuple(
        title not in NAMES and any(column) and all(map(_is_number, column))
        for title, column in zip(header, columns or [()] * len(header), strict=True)
    )
    short = len(rows) <= SHORT_ROWS and len(header) <= SHORT_COLUMNS
    shown = [_shown(row, numeric) for row in rows] if short else []
    return TableView(name, quote(name), tuple(header), numeric, tuple(shown), len(rows))


def _is_number(cell: str) -> bool:
    return not cell or re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?|nan|-?inf", cell) is not None


def _shown(row: Sequence[str], numeric: Sequence[bool]) -> tuple[str, ...]:
    return tuple(_number(cell) if is_number else cell for cell, is_number in zip(row, numeric, strict=True))


def _number(cell: str) -> str:
    if not cell or cell == "nan":
        return "–"
    value = float(cell)
    if math.isinf(value) or re.fullmatch(r"-?\d{1,6}", cell):
        return cell
    return f"{value:,.0f}" if 10_000 <= abs(value) < 1e12 else f"{value:.4g}"
