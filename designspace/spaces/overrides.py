"""Changes to declared spaces that a regime asks for: fewer stages, another range of a parameter.

The files of the spaces stay the paper's; an experiment says once what is otherwise in it:

    space_overrides: {all: {stages: 3}, regnet: {wa: {low: 1}}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from designspace.errors import UserError, shown

ALL = "all"
STAGES = "stages"
KEY = "space_overrides"


def override(
    name: str, declared: Mapping[str, Any], overrides: Mapping[str, Any], families: tuple[str, ...]
) -> dict[str, Any]:
    """The (merged) declaration of space `name` with the overrides for all spaces, then those for its family.

    `stages` is replaced; what is said of a parameter replaces those keys of its distribution.

    Raises:
        UserError: the overrides are not of this form, or name a parameter that the space does not declare.
    """
    for group, changes in overrides.items():
        if group not in (ALL, *families):
            raise UserError(f"{KEY}.{group}: unknown; must be one of {', '.join((ALL, *families))}")
        if not isinstance(changes, Mapping):
            raise UserError(f"{KEY}.{group}={shown(changes)}: must be a mapping such as {{stages: 3}}")
    changed = dict(declared)
    parameters = changed.get("parameters")
    for group in (ALL, str(declared.get("family"))):
        for key, value in (overrides.get(group) or {}).items():
            if key == STAGES:
                changed[STAGES] = value
                continue
            if not isinstance(parameters, Mapping) or not isinstance(parameters.get(key), Mapping):
                allowed = ", ".join((STAGES, *map(str, parameters or ())))
                raise UserError(f"{KEY}.{group}.{key}: {name} does not declare it; must be one of {allowed}")
            if not isinstance(value, Mapping):
                where = f"{KEY}.{group}.{key}={shown(value)}"
                raise UserError(f"{where}: must be keys of its distribution, such as {{low: 1}}")
            changed["parameters"] = parameters = {**parameters, key: {**parameters[key], **value}}
    return changed
