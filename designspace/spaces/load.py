"""Read a declared design space from YAML.

A space file says what is drawn (`parameters`: one distribution each) and which networks count
(`restrictions`). `base` names another space that it starts from; see conf/space/ for the paper's.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, get_args

import numpy as np

from designspace.errors import UserError, broken, refuse, shown
from designspace.files import CONF_FOLDER, user_path
from designspace.networks.blocks import BLOCKS
from designspace.spaces.anynet import AnyNetSpace
from designspace.spaces.distributions import Distribution, choice, log_normal, log_uniform, uniform
from designspace.spaces.overrides import override
from designspace.spaces.quantized_linear import Rounding
from designspace.spaces.references import FAMILY, ReferenceSpace, parse_references
from designspace.spaces.regnet import RegNetSpace
from designspace.spaces.restrictions import ORDERS, SHARED, Restriction
from designspace.yaml_files import read_yaml

Space = AnyNetSpace | RegNetSpace

SPACE_FOLDER = CONF_FOLDER / "space"  # of the project
OWN_SPACES = Path("conf") / "space"  # below the current folder; goes first
DISTRIBUTIONS: dict[str, tuple[Callable[..., Distribution], tuple[str, ...]]] = {
    "uniform": (uniform, ("low", "high", "step")),
    "log_uniform": (log_uniform, ("low", "high", "step")),
    "log_normal": (log_normal, ("low", "high", "step")),
    "choice": (choice, ("values",)),
}
PARAMETERS = {
    "anynet": ("depths", "widths", "bottleneck_ratios", "group_widths"),
    "regnet": ("depth", "w0", "wa", "wm", "bottleneck_ratio", "group_width"),
}
BOTTLENECK_PARAMETERS = {"bottleneck_ratios", "bottleneck_ratio"}  # of blocks that read b
GROUP_PARAMETERS = {"group_widths", "group_width"}  # of blocks that read g
INTEGERS = {"depths", "widths", "group_widths", "depth", "group_width"}
MAX_STAGES = 8
NO_OVERRIDES: Mapping[str, Any] = MappingProxyType({})
ROUNDINGS = get_args(Rounding)  # the first is the default
KEYS = ("base", "family", "block", "stages", "parameters", "restrictions", "rounding", "networks")


def available_spaces() -> list[str]:
    """Names of the spaces in conf/space of the current folder, and of those that come with the project."""
    return sorted({path.stem for folder in (OWN_SPACES, SPACE_FOLDER) for path in folder.glob("*.yaml")})


def named_space_file(name: str) -> Path | None:
    """The file of the space of that name: in conf/space of the current folder, else that of the project."""
    return _existing(name, OWN_SPACES) or _existing(name, SPACE_FOLDER)


def load_space(name_or_path: str | Path, overrides: Mapping[str, Any] = NO_OVERRIDES) -> Space:
    """The space of that name (see `available_spaces`) or declared in that YAML file, with the overrides.

    Raises:
        UserError: the space is unknown or its declaration is wrong; the message names file, key and
            what is allowed.
    """
    found = load_models(name_or_path, overrides)
    if isinstance(found, ReferenceSpace):
        raise UserError(f"space={name_or_path}: lists published networks, and is no space to draw them from")
    return found


def load_models(
    name_or_path: str | Path, overrides: Mapping[str, Any] = NO_OVERRIDES
) -> Space | ReferenceSpace:
    """As `load_space`, or the list of published networks that is declared there (`family: reference`).

    Overrides change spaces alone.
    """
    path = _find(str(name_or_path), Path())
    declared = _read(path, seen=())
    if declared.get("family") == FAMILY:
        _check_name(path.stem, path.name)
        return parse_references(path.stem, declared, source=path.name)
    source = f"{path.name} with space_overrides" if overrides else path.name
    return parse_space(path.stem, override(path.stem, declared, overrides, tuple(PARAMETERS)), source=source)


def stream_key(space: Space) -> list[int]:
    """Four words that identify a space by its content (not its name), to seed its random stream."""
    content = {key: value for key, value in space.definition.items() if key != "name"}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()
    return [int(word) for word in np.frombuffer(digest[:16], dtype="<u4")]


def refine_space(space: Space, restrict: Mapping[str, Any], name: str, *, source: str = "restrict") -> Space:
    """The space under further restrictions, in the language of `restrictions` of a space file.

    Raises:
        UserError: a restriction is invalid, or no network meets all of them; the message names `source`.
    """
    added = add_restrictions(space, restrict)
    declared = {**space.definition, "restrictions": {**space.definition["restrictions"], **added}}
    return parse_space(name, declared, source=source)


def add_restrictions(space: Space, restrict: Mapping[str, Any]) -> dict[str, Any]:
    """For every parameter in `restrict`, its rules in the space followed by the new ones.

    This is what a file with `base: <space>` declares: its rules for a parameter replace those of its base.
    """
    added: dict[str, Any] = {}
    for name, rules in restrict.items():
        merged = list(_rules(space.definition["restrictions"].get(name)))
        merged += [rule for rule in _rules(rules) if rule not in merged]
        added[name] = merged[0] if len(merged) == 1 else merged
    return added


def _rules(declared: Any) -> list[Any]:
    if declared is None:
        return []
    return declared if isinstance(declared, list) else [declared]


# ---- reading --------------------------------------------------------------------------------------------


def _find(name: str, beside: Path) -> Path:
    if name.endswith((".yaml", ".yml")) or "/" in name:
        path = beside / user_path("space", name)
        if not os.path.isfile(path):
            raise UserError(f"space={name}: no such file; give an existing YAML file or one of {_names()}")
        return path
    if beside.resolve() == SPACE_FOLDER.resolve():  # the project's are based on its own
        found = _existing(name, SPACE_FOLDER)
    else:
        found = named_space_file(name)
    if found is None:
        close = difflib.get_close_matches(name, available_spaces(), n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise UserError(f"space={name}: unknown; {hint}give a YAML file or one of {_names()}")
    return found


def _existing(name: str, folder: Path) -> Path | None:
    path = folder / f"{name}.yaml"
    return path if name and os.path.isfile(path) else None  # also where the name is too long for a file


def _names() -> str:
    return ", ".join(available_spaces())


def _read(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    """The file's mapping, merged over those of the spaces it is based on."""
    if path.resolve() in seen:
        raise UserError(f"{path.name}: base: the space is based on itself")
    own = read_yaml(path, path.name)
    if not isinstance(own, dict):
        raise UserError(f"{path.name}: must be a mapping with the keys {', '.join(KEYS)}")
    _check_keys(path.name, "", own, KEYS)
    if "base" not in own:
        return own
    merged = _read(_find(str(own.pop("base")), path.parent), (*seen, path.resolve()))
    for key, value in own.items():
        if key in ("parameters", "restrictions") and isinstance(value, dict):
            merged[key] = {**(merged.get(key) or {}), **value}
        else:
            merged[key] = value
    return merged


def _check_keys(source: str, where: str, mapping: Mapping[Any, Any], allowed: tuple[str, ...]) -> None:
    for key in mapping:
        if key not in allowed:
            close = difflib.get_close_matches(str(key), allowed, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise UserError(f"{source}: {where}{key}: unknown key; {hint}allowed: {', '.join(allowed)}")


# ---- parsing --------------------------------------------------------------------------------------------


def parse_space(name: str, declared: Mapping[str, Any], *, source: str) -> Space:
    """A space from its (merged) declaration; `source` is the file named in errors."""
    _check_name(name, source)
    _check_head(declared, source)
    family, block, stages = declared["family"], declared["block"], declared["stages"]
    restricted = declared.get("restrictions") or {}
    parameters = _parameters(source, family, block, declared.get("parameters"))
    restrictions = _restrictions(source, family, block, parameters, restricted)
    definition = {
        "name": name,
        "family": family,
        "block": block,
        "stages": stages,
        "parameters": declared["parameters"],
        "restrictions": {k: v for k, v in restricted.items() if v is not None},
    }
    space: Space
    if family == "anynet":
        space = AnyNetSpace(name, block, stages, parameters, restrictions, definition)
    else:
        rounding = definition["rounding"] = declared.get("rounding") or ROUNDINGS[0]
        space = RegNetSpace(name, block, stages, parameters, restrictions, rounding, definition)
    if not space.feasible:
        rules = "; ".join(str(r) for r in restrictions)
        raise UserError(
            f"{source}: restrictions: no network meets all of them together ({rules}); loosen one"
        )
    if isinstance(space, RegNetSpace) and space.max_depth < stages:
        reached = f"must reach stages={stages}, a block for each, but is {space.max_depth:g} at most"
        raise UserError(f"{source}: depth: {reached}")
    return space


def _check_name(name: str, source: str) -> None:
    if not re.fullmatch(r"[^./\x00-\x1f][^/\x00-\x1f]*", name):
        raise UserError(f"{source}: name={shown(name)}: must be usable as a folder name")


def _check_head(declared: Mapping[str, Any], source: str) -> None:
    """Raises UserError with all that is wrong with the keys that hold one value."""
    values = SimpleNamespace(**{key: declared.get(key) for key in KEYS})
    stages, may_round = values.stages, values.family != "anynet"  # an unknown one is a problem of its own
    is_count = isinstance(stages, int) and not isinstance(stages, bool) and 1 <= stages <= MAX_STAGES
    roundings = " or ".join(ROUNDINGS) if may_round else "left out, since it belongs to family=regnet"
    rules = [
        ("family", values.family in list(PARAMETERS), f"one of {', '.join((*PARAMETERS, FAMILY))}"),
        ("block", values.block in list(BLOCKS), f"one of {', '.join(BLOCKS)}"),
        ("stages", is_count, f"a whole number, at least 1 and at most {MAX_STAGES}"),
        ("rounding", values.rounding is None or (may_round and values.rounding in ROUNDINGS), roundings),
        ("networks", values.networks is None, f"left out, since it belongs to family={FAMILY}"),
    ]
    refuse(f"{source}: {line}" for line in broken("", values, rules))


def _parameters(source: str, family: str, block: str, declared: Any) -> dict[str, Distribution]:
    expected = tuple(
        name
        for name in PARAMETERS[family]
        if (BLOCKS[block].bottleneck or name not in BOTTLENECK_PARAMETERS)
        and (BLOCKS[block].grouped or name not in GROUP_PARAMETERS)
    )
    if not isinstance(declared, Mapping):
        raise UserError(f"{source}: parameters: must declare {', '.join(expected)}")
    declared = {k: v for k, v in declared.items() if v is not None}
    _check_read(source, "parameters.", declared, family, block, expected)
    for name in expected:
        if name not in declared:
            raise UserError(
                f"{source}: parameters.{name}: missing; a {family} space declares {', '.join(expected)}"
            )
    return {name: _distribution(source, name, declared[name]) for name in expected}


def _check_read(
    source: str, where: str, declared: Mapping[Any, Any], family: str, block: str, read: tuple[str, ...]
) -> None:
    """As `_check_keys`, with a line of its own for parameters of the family that the block does not read."""
    for name in declared:
        if name in PARAMETERS[family] and name not in read:
            raise UserError(
                f"{source}: {where}{name}: block {block} does not read it; leave it out, or set it to null "
                f"if the base declares it; allowed: {', '.join(read)}"
            )
    _check_keys(source, where, declared, read)


def _distribution(source: str, name: str, declared: Any) -> Distribution:
    where = f"{source}: parameters.{name}"
    kind = declared.get("distribution") if isinstance(declared, Mapping) else None
    if not isinstance(kind, str) or kind not in DISTRIBUTIONS:
        raise UserError(f"{where}.distribution={shown(kind)}: must be one of {', '.join(DISTRIBUTIONS)}")
    make, keys = DISTRIBUTIONS[kind]
    _check_keys(source, f"parameters.{name}.", declared, ("distribution", *keys))
    arguments = {key: declared.get(key) for key in keys}
    numbers = arguments["values"] if "values" in arguments else list(arguments.values())
    if not isinstance(numbers, list) or not all(_is_number(n) and math.isfinite(n) for n in numbers):
        raise UserError(f"{where}: {kind} needs numbers for {', '.join(keys)}, but got {shown(arguments)}")
    try:
        distribution = make(**arguments)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from None
    _check_values(where, name, distribution)
    return distribution


def _check_values(where: str, name: str, distribution: Distribution) -> None:
    values = distribution.values
    if name in INTEGERS and not (values == np.rint(values)).all():
        raise UserError(f"{where}: must hold whole numbers, but got {values[values != np.rint(values)][0]:g}")
    if name == "wm" and values[0] <= 1:
        raise UserError(f"{where}: must be above 1, but got {values[0]:g}")
    if values[0] <= 0:
        raise UserError(f"{where}: must be positive, but got {values[0]:g}")
    if name.startswith("bottleneck"):
        factors = np.maximum(values, 1 / values)
        if not np.allclose(factors, np.rint(factors)):
            raise UserError(
                f"{where}: must be whole numbers or 1 over a whole number, but got {values.tolist()}"
            )


def _restrictions(
    source: str, family: str, block: str, parameters: Mapping[str, Distribution], declared: Any
) -> tuple[Restriction, ...]:
    if not isinstance(declared, Mapping):
        raise UserError(f"{source}: restrictions: must be a mapping from a parameter to its restrictions")
    per_stage = tuple(p for p in PARAMETERS["anynet"] if family == "regnet" or p in parameters)
    names = tuple(dict.fromkeys((*parameters, *per_stage, "depth")))
    given = {k: v for k, v in declared.items() if v is not None or k not in PARAMETERS[family]}
    _check_read(source, "restrictions.", given, family, block, names)
    found: list[Restriction] = []
    for name, rules in declared.items():
        for rule in _rules(rules):
            found.append(
                _restriction(f"{source}: restrictions.{name}", family, name, name in per_stage, rule)
            )
    return tuple(found)


def _restriction(where: str, family: str, name: str, per_stage: bool, rule: Any) -> Restriction:
    words = ((SHARED,) if family == "anynet" else ()) + tuple(ORDERS) if per_stage else ()
    if isinstance(rule, str) and rule in words:
        return Restriction(name, rule)
    if isinstance(rule, Mapping) and len(rule) == 1:
        ((kind, value),) = rule.items()
        if kind == "fixed" and _is_number(value):
            return Restriction(name, "range", value, value)
        if kind == "range" and isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)):
            if value[0] > value[1]:
                raise UserError(f"{where}.range={shown(value)}: must be [low, high] with low <= high")
            return Restriction(name, "range", value[0], value[1])
    allowed = ", ".join([*words, "{range: [low, high]}", "{fixed: value}"])
    raise UserError(f"{where}={shown(rule)}: must be one of {allowed}, or a list of them")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
