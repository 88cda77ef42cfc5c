"""What was typed on the command line, as Hydra should read it, and the jobs that -m makes of it.

Hydra guesses types from the text: `study=1.10` would be a number, and a space in a name an error. Here the
schema decides: the value of a key that holds text stays as it was typed.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, Quote, QuotedString
from omegaconf import DictConfig, Node, OmegaConf
from omegaconf.errors import ConfigTypeError, OmegaConfBaseException, ValidationError

from designspace.config import flow, register
from designspace.errors import UserError, shown
from designspace.spaces.load import available_spaces

SPACE = "space.source"  # `space=...` for short: Hydra would take that for the choice of a file
FUNCTION = re.compile(r"(choice|range|interval|glob|sort|shuffle|tag)\(.*\)", re.DOTALL)
ITEMS = re.compile(r"""(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^,'"]|['"])+""", re.DOTALL)
ASSIGNMENT = re.compile(r"(?P<plus>\+{0,2})(?P<key>[A-Za-z_][\w.]*)=(?P<value>.*)", re.DOTALL)
DELETION = re.compile(r"~[A-Za-z_][\w.]*(=.*)?", re.DOTALL)
TEXTS = dict[str, Any]  # options that another program reads, as they were typed
WINDOW_SHARE = 0.95  # lower end of a window of which only the upper end is given, as a share of it
KINDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    NoneType: "null",
    list[float]: "a list of numbers",
    list[str]: "a list of texts",
}


def compose_jobs(
    name: str, schema: type, conf: Path, arguments: Sequence[str], *, several: bool
) -> list[DictConfig]:
    """The configuration `name` in the folder `conf` with these overrides, once for each job.

    Raises:
        UserError: an argument cannot be read, or the configuration does not take it.
    """
    register()
    overrides = _jobs(arguments, schema, conf, several=several)
    with initialize_config_dir(str(conf), version_base="1.3"):
        return [_compose(name, job, schema) for job in overrides]


def default_values(name: str, schema: type, conf: Path) -> dict[str, str]:
    """What each dotted key is where nothing is given, as typed; "" where a value must be given."""
    (config,) = compose_jobs(name, schema, conf, [], several=False)
    values = {key: OmegaConf.select(config, key, throw_on_missing=False) for key in key_types(schema)}
    missing = OmegaConf.missing_keys(config)
    return {
        key: ""
        if key in missing
        else as_value(OmegaConf.to_object(value) if OmegaConf.is_config(value) else value)
        for key, value in values.items()
    }


def _compose(name: str, job: Sequence[str], schema: type) -> DictConfig:
    try:
        return compose(name, list(job))
    except Exception as error:  # Hydra raises what it likes; nothing of ours runs here
        raise UserError(explain(error, schema, job)) from error


def _jobs(arguments: Sequence[str], schema: type, conf: Path, *, several: bool) -> list[list[str]]:
    """The overrides of each job: one, or with `several` all combinations of the values given."""
    choices = _choices(conf)
    types = key_types(schema)
    given = []
    for argument in arguments:
        override = _parse(_typed(argument, types, choices), argument)
        given.append(_values(override, argument, choices, several=several))
    return [list(job) for job in itertools.product(*given)]


def key_types(schema: Any, prefix: str = "") -> dict[str, Any]:
    """The type of every dotted key of a schema."""
    hints = get_type_hints(schema)
    found: dict[str, Any] = {}
    for field in fields(schema):
        if is_dataclass(hints[field.name]):
            found |= key_types(hints[field.name], f"{prefix}{field.name}.")
        else:
            found[prefix + field.name] = hints[field.name]
    return found


def as_value(value: Any) -> str:
    """A value as the command line takes it."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return f"[{','.join(map(as_value, value))}]"
    if not isinstance(value, str):
        return flow(value)
    is_word = re.fullmatch(r"(?!(null|true|false|inf|nan)$)[a-z_/][\w./-]*", value, re.IGNORECASE)
    return value if is_word else quoted(value)


def quoted(text: str) -> str:
    """The text as Hydra reads it back, whatever it holds."""
    return str(QuotedString(text, Quote.single).with_quotes())


def _choices(conf: Path) -> dict[str, list[str]]:
    """What may be chosen by name: the files of each folder of conf/, and the spaces."""
    groups = {folder.name for folder in conf.iterdir() if folder.is_dir()} - {"space"}
    found = {group: sorted(path.stem for path in (conf / group).glob("*.yaml")) for group in groups}
    return found | {SPACE: available_spaces()}


# ---- one argument ------------------------------------------------------------------------------------------


def _typed(argument: str, types: Mapping[str, Any], choices: Mapping[str, Sequence[str]]) -> str:
    """The argument with its value quoted where the schema says that it is text."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        raise UserError(f"{argument!a}: must be UTF-8; rename the file or folder") from None
    if (found := ASSIGNMENT.fullmatch(argument)) is None:
        if DELETION.fullmatch(argument):
            return argument
        raise UserError(f"{argument}: not of the form key=value")
    plus, key, value = found["plus"], found["key"], found["value"]
    key = SPACE if key == "space" else key
    if re.match(r"hydra(\.|$)", key):
        raise UserError(f"{key}: unknown key; --help lists them all")
    kind = types.get(key)
    if kind in (str, str | None):
        value = _text(value)
    elif kind == list[str] and value != "null" and not FUNCTION.fullmatch(value):  # brackets may be left out
        inside = value[1:-1] if re.fullmatch(r"\[.*\]", value, re.DOTALL) else value
        value = f"[{','.join(_quoted_item(item) for item in _items(inside))}]"
    elif kind == list[float] | None:
        value = _window(value)
    elif kind == TEXTS:
        plus, value = "++", _mapping(value)  # its keys are the user's own
    elif (within := _mapping_above(key, types)) is not None:
        plus, value = "++", _number_as_typed(value) if within == TEXTS else value
    elif key in choices and not FUNCTION.fullmatch(value):
        for name in _items(value) or [""]:
            if name not in choices[key]:
                raise UserError(f"{key}={name}: unknown; must be one of {', '.join(choices[key])}")
    return f"{plus}{key}={value}"


def _mapping_above(key: str, types: Mapping[str, Any]) -> Any:
    """The type of the mapping with keys of the user's own in which the key lies, or which it is, if any."""
    parts = key.split(".")
    kinds = (types.get(".".join(parts[:count])) for count in range(1, len(parts) + 1))
    return next((kind for kind in kinds if get_origin(kind) is dict), None)


def _window(value: str) -> str:
    """A number as the upper end of a window, several of them at their commas; all else as it is."""
    numbers = _items(value)
    if not numbers or not all(
        re.fullmatch(r"\d+(_\d+)*(\.\d*)?(e\+?\d+)?", n, re.IGNORECASE) for n in numbers
    ):
        return value
    highs = [float(number) for number in numbers]
    return ",".join(f"[{WINDOW_SHARE * high:.10g},{high:.10g}]" for high in highs)


def _items(text: str) -> list[str]:
    """What stands between commas that are not quoted."""
    return [item.strip() for item in ITEMS.findall(text)]


def _text(value: str) -> str:
    """Text as it was typed, several of them at their commas; null, lists and what is quoted are left."""
    if FUNCTION.fullmatch(value) or value[:1] in ("[", "{"):
        return value
    return ",".join(_quoted_item(item) for item in _items(value)) if "," in value else _quoted_item(value)


def _quoted_item(item: str) -> str:
    is_quoted = re.fullmatch(r"""'(\\.|[^'\\])*'|"(\\.|[^"\\])*\"""", item, re.DOTALL)
    return item if is_quoted or item.lower() == "null" else quoted(item)


def _mapping(value: str) -> str:
    """{key: value, ...} with its numbers as they were typed."""
    if not re.fullmatch(r"\{[^{}\[\]]*\}", value, re.DOTALL):
        return value
    pairs = (item.partition(":") for item in _items(value[1:-1]))
    return f"{{{', '.join(f'{key}{colon} {_number_as_typed(one.strip())}' for key, colon, one in pairs)}}}"


def _number_as_typed(value: str) -> str:
    """1e3 and 1.10 are text to sbatch; a plain whole number is the same either way."""
    return (
        quoted(value) if re.fullmatch(r"[+-]?(0\d+|[\d_]*[._e][\d._e+-]*)", value, re.IGNORECASE) else value
    )


def _parse(typed: str, argument: str) -> Override:
    try:
        return OverridesParser.create().parse_overrides([typed])[0]
    except Exception:  # of its parser, or of Python's on a number of 5,000 digits
        pass
    raise UserError(
        f"{argument}: cannot be read; a value with special characters needs quotes within quotes, "
        f"for example \"{argument.partition('=')[0]}='a value (1)'\""
    )


# ---- several jobs ------------------------------------------------------------------------------------------


def _values(
    override: Override, argument: str, choices: Mapping[str, Sequence[str]], *, several: bool
) -> list[str]:
    """The override once for each of its values."""
    if not override.is_sweep_override():
        return [str(override.input_line)]
    key = override.get_key_element()
    if not several:
        raise UserError(
            f"{argument}: several values need -m; a value with a comma needs quotes within quotes, "
            f"for example \"{argument.partition('=')[0]}='a,b'\""
        )
    value = override.value()
    if isinstance(value, Glob):
        known = choices.get(key)
        if known is None:
            raise UserError(
                f"{argument}: glob() is for space and {', '.join(sorted(set(choices) - {SPACE}))}"
            )
        found = value.filter(list(known))
        if not found:
            raise UserError(f"{argument}: matches none of {', '.join(known)}")
        return [f"{key}={quoted(name) if key == SPACE else name}" for name in found]
    if not override.is_discrete_sweep():
        raise UserError(f"{argument}: -m takes lists a,b, choice(), range() and glob()")
    return [f"{key}={one}" for one in override.sweep_string_iterator()]


# ---- what went wrong ---------------------------------------------------------------------------------------


def explain(error: Exception, schema: type, job: Sequence[str] = ()) -> str:
    """Hydra's or OmegaConf's error as one line: what was given (in the overrides `job`), what is allowed."""
    if isinstance(error, yaml.MarkedYAMLError) and (mark := error.problem_mark) is not None:
        return f"{mark.name}: line {mark.line + 1}: {error.problem}"
    if isinstance(error.__cause__, OmegaConfBaseException):
        error = error.__cause__
    message, key = str(error), str(getattr(error, "full_key", None) or "")
    if key and ("is not in struct" in message or "not in" in message):
        return f"{key}: unknown key{_suggestion(key, schema)}"
    if key and isinstance(error, ValidationError | ConfigTypeError):
        return _wrong_type(key, error, schema, job)
    first = (message or type(error).__name__).splitlines()[0]
    return f"{key.removesuffix('.source')}: {first}" if key else first


def _suggestion(key: str, schema: type) -> str:
    close = difflib.get_close_matches(key, list(key_types(schema)), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _wrong_type(key: str, error: OmegaConfBaseException, schema: type, job: Sequence[str]) -> str:
    """`key=value: must be ...`, with the value as it was typed, or else as a file has it."""
    whole, index, _ = key.partition("[")  # of a list, whose item it may be
    pairs = [one.lstrip("+").partition("=") for one in job]
    # OmegaConf forgets the keys above a mapping within a mapping.
    whole = next((name for name, *_ in pairs if name.endswith(f".{whole}")), whole)
    typed = [value for name, _, value in pairs if name == whole]
    value = typed[-1] if typed else error.value
    kind: Any = schema
    for name in whole.split("."):
        kind = get_args(kind)[1] if get_origin(kind) is dict else get_type_hints(kind)[name]
    if index and not typed:
        kind = next(get_args(part)[0] for part in (kind, *get_args(kind)) if get_origin(part) is list)
    else:
        key = whole.removesuffix(".source")
    return f"{key}={value if isinstance(value, Node) else shown(value)}: must be {_in_words(kind)}"


def _in_words(kind: Any) -> str:
    """The values of a type: "a list of numbers, or null"."""
    if get_origin(kind) is dict or is_dataclass(kind):
        return "a mapping {key: value, ...}"
    *others, last = [KINDS[part] for part in ([kind] if kind in KINDS else get_args(kind))]
    return f"{', '.join(others)}, or {last}" if others else last
