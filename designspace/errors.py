"""The errors a user can cause or meet; scripts turn each into one line and an exit status."""


class UserError(ValueError):
    """Input that cannot be used: the message names the parameter, the value received and what is allowed.

    Scripts print it on one line and exit with status 2, before anything is written.
    """


class RunError(RuntimeError):
    """A failure at run time that no change of the input would have prevented; exit status 1."""


def one_line(error: BaseException) -> str:
    """Name and message of an error, without line breaks."""
    return " ".join(f"{type(error).__name__}: {error}".split())
