"""Faults at exact moments: each Python process that has this folder on its PYTHONPATH runs this first.

SABOTAGE holds the faults, one a line: "worker kill before .json" is a worker that dies just before a file
whose name ends in `.json` gets its name; `after` is just after it. Each kill happens once, and leaves a file
in SABOTAGE_FOLDER: after the renaming, a copy of what was renamed. `raise` happens every time.
"""

import builtins
import multiprocessing
import os
import shutil
import signal
from pathlib import Path

FAULTS = os.environ.get("SABOTAGE", "").splitlines()
rename, link, open_file = os.replace, os.link, builtins.open


def strike(moment, path):
    for fault in FAULTS:
        process, action, when, ending = fault.split()
        is_worker = multiprocessing.parent_process() is not None
        if when != moment or is_worker != (process == "worker") or not str(path).endswith(ending):
            continue
        if action == "raise":
            raise ValueError("sabotage")
        mark = Path(os.environ["SABOTAGE_FOLDER"]) / fault
        if not mark.exists():
            mark.touch()
            if when == "after":
                shutil.copy(path, mark)
            os.kill(os.getpid(), signal.SIGKILL)


def around(function):
    def struck(source, target, **options):
        strike("before", target)
        function(source, target, **options)
        strike("after", target)

    return struck


def struck_open(path, mode="r", *arguments, **options):
    file = open_file(path, mode, *arguments, **options)
    if mode == "x":  # made, and still empty
        strike("opening", path)
    return file


os.replace, os.link, builtins.open = around(rename), around(link), struck_open
