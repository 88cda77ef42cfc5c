"""Processes that are started execute nothing that lies in the current folder."""

import os
import subprocess
import sys
import textwrap

import pytest

from designspace.launch.modules import PACKAGE_PLACE

HERE = os.path.dirname(__file__)
NAMES = ("random", "logging", "queue", "socket", "tempfile", "numpy", "work")
SHADOWS = textwrap.dedent(f"""
    import os
    os.mkdir("designspace")
    for name in {NAMES!r}:
        with open(name + ".py", "w") as file:
            file.write("open('executed', 'a').write(__name__)")
""")
DRIVER = textwrap.dedent(f"""
    import sys
    from collections import deque
    sys.path.append({HERE!r})
    import logging, queue, random, work
    from designspace.launch.pool import ProcessPool

    def squares():
        with ProcessPool(work.square_setup, environments=[{{}}, {{}}], preload=["designspace.api"]) as pool:
            return sorted(outcome.value for outcome in pool.run(deque(range(3))))
""")
RUN = 'if __name__ == "__main__":\n    print(squares())\n'
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}


def output(command, folder):
    environment = {**ENVIRONMENT, "PYTHONPATH": PACKAGE_PLACE}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "current"
    place.mkdir()
    return place


def test_workers_of_a_script_started_in_such_a_folder(tmp_path, folder):
    script = tmp_path / "run.py"
    script.write_text(DRIVER + RUN)
    output([sys.executable, "-I", "-c", SHADOWS], folder)
    assert output([sys.executable, script], folder) == "[0, 1, 4]\n"
    assert not (folder / "executed").exists()


def test_workers_of_a_notebook_in_such_a_folder(folder):
    """A notebook has the standard library loaded before the current folder is looked at."""
    code = f"{DRIVER}\n{SHADOWS}\n{RUN}\nprint(sys.path[0] == '', 'PYTHONSAFEPATH' in os.environ)"
    assert output([sys.executable, "-c", code], folder) == "[0, 1, 4]\nTrue False\n"
    assert not (folder / "executed").exists()


def test_the_package_is_found_beside_a_folder_of_its_name(folder):
    (folder / "designspace").mkdir()
    code = "import designspace as ds; print(ds.analyze.__name__)"
    assert output([sys.executable, "-c", code], folder) == "analyze\n"


def test_a_clone_that_is_not_installed_serves_its_workers():
    packages = [entry for entry in sys.path if entry.endswith("site-packages")]
    code = DRIVER.replace("import sys", f"import sys\nsys.path.extend({packages!r})", 1) + RUN
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=PACKAGE_PLACE, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.stdout == "[0, 1, 4]\n", done.stderr
