"""A list of published networks: declared as a space is, trained as its models are, but no space to sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from designspace.errors import UserError
from designspace.networks.names import parse_reference

FAMILY = "reference"


@dataclass(frozen=True)
class ReferenceSpace:
    """Published networks that are trained beside the populations of a study."""

    name: str
    networks: tuple[str, ...]  # labels; see `parse_reference`
    definition: dict[str, Any] = field(repr=False)


def parse_references(name: str, declared: Mapping[str, Any], *, source: str) -> ReferenceSpace:
    """The list of a (merged) declaration; `source` is the file named in errors."""
    for key in declared:
        if key not in ("family", "networks"):
            raise UserError(f"{source}: {key}: not read by family {FAMILY}; allowed: family, networks")
    networks = declared.get("networks")
    if not isinstance(networks, list) or not networks or not all(isinstance(n, str) for n in networks):
        raise UserError(f"{source}: networks: must be a list of names, but got {networks!r}")
    labels = []
    for text in networks:
        try:
            labels.append(parse_reference(text).label)
        except UserError as error:
            raise UserError(f"{source}: networks: {error}") from None
    if twice := [label for label in dict.fromkeys(labels) if labels.count(label) > 1]:
        raise UserError(f"{source}: networks: {twice[0]} is there more than once")
    return ReferenceSpace(name, tuple(labels), {"name": name, "family": FAMILY, "networks": labels})
