"""What the user types to call the programs: the scripts of a clone, or the installed command."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

COMMAND = "designspace"


def command(program: str, *arguments: str) -> str:
    """The command line of a program, such as `sample_and_train`, in the form in which this one was called.

    Where no program was called, as in a notebook: the script if the package lies in a clone.
    """
    script = Path("scripts", f"{program}.py")
    in_clone = (Path(__file__).parents[1] / script).exists()
    if Path(sys.argv[0]).stem == COMMAND or not in_clone:
        return shlex.join([COMMAND, program.replace("_", "-"), *arguments])
    return shlex.join(["python", str(script), *arguments])
