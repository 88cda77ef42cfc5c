"""The errors a user can cause or meet; scripts turn each into one line and an exit status."""

from collections.abc import Iterable

Rule = tuple[str, bool, str]  # key, whether its value is valid, what is allowed


class UserError(ValueError):
    """Input that cannot be used: the message names the parameter, the value received and what is allowed.

    Scripts print it on one line and exit with status 2, before anything is written.
    """


class RunError(RuntimeError):
    """A failure at run time that no change of the input would have prevented; exit status 1."""


def one_line(error: BaseException) -> str:
    """Name and message of an error, without line breaks."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def broken(group: str, values: object, rules: Iterable[Rule]) -> list[str]:
    """One line, `group.key=value: must be ...`, for each rule that is broken."""
    prefix = f"{group}." if group else ""
    wrong = ((key, getattr(values, key), allowed) for key, valid, allowed in rules if not valid)
    return [f"{prefix}{key}={shown(value)}: must be {allowed}" for key, value, allowed in wrong]


def shown(value: object) -> str:
    """A value as the user types it, on one line."""
    if isinstance(value, str):
        return value if value.isprintable() else repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{shown(key)}: {shown(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


def refuse(problems: Iterable[str]) -> None:
    """Raises UserError with all problems on one line, if there are any."""
    if found := "; ".join(problems):
        raise UserError(found)
