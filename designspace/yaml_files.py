"""YAML files that people write or may edit: a key twice is refused, and what cannot be read is one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from designspace.errors import UserError

MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """YAML keeps the last of two equal keys without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if key_node.tag == MERGE or not isinstance(key_node, yaml.ScalarNode):
                continue
            key = self.construct_object(key_node)
            if key in seen:
                line = key_node.start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: the key {key_node.value!r} is there a second time")
            seen.add(key)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def read_yaml(path: Path, shown: str | None = None) -> Any:
    """The content of a YAML file, called `shown` in messages.

    Raises:
        FileNotFoundError: there is no such file.
        UserError: it cannot be read, or holds a key twice.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)  # a SafeLoader
    except FileNotFoundError:
        raise
    except (yaml.YAMLError, ValueError, OSError, RecursionError) as error:  # 2024-13-45: ValueError
        problem = " ".join(str(error).split())
        raise UserError(f"{shown or path}: cannot be read as YAML: {problem}") from None
