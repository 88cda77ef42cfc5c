"""How the scripts begin."""

import sys


def run(program: str) -> None:
    """Run the program of that name in `designspace.cli`; a Python without the package says so in one line."""
    try:
        from designspace import cli
    except ModuleNotFoundError as error:
        print(
            f"error: {sys.executable} has no package {error.name}; "
            "run `. .venv/bin/activate` in the clone (`make demo` sets it up), or `pip install -e .`",
            file=sys.stderr,
        )
        sys.exit(2)
    cli.main(cli.PROGRAMS[program])
