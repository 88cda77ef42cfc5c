"""Who may import what, as CONTRIBUTING.md says, and what a run loads."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "designspace"
BASE = {"commands", "errors", "files", "yaml_files"}
SETTINGS = {"data", "launch", "networks", "spaces", "training"}  # parts with a group of the configuration

INSIDE = {
    **dict.fromkeys(BASE, BASE),
    "networks": BASE,
    "store": BASE | {"networks", "__init__"},
    "spaces": BASE | {"networks"},
    "data": BASE,
    "launch": BASE,
    "training": BASE | {"networks", "store", "data", "launch"},
    "analysis": BASE | {"networks", "spaces"},
    "report": BASE | {"networks", "store", "spaces", "training", "analysis"},
    "config": BASE | SETTINGS,
    "overrides": BASE | {"config", "spaces"},
    "help": BASE | {"spaces"},
}
INSIDE["export"] = BASE | {"networks", "data"}
INSIDE["pipeline"] = INSIDE.keys() - {"help"}
INSIDE["cli"] = INSIDE["api"] = INSIDE.keys() | {"help", "pipeline"}
INSIDE["__init__"] = set()

FREE = {"numpy", "pandas", "yaml", *sys.stdlib_module_names}
OUTSIDE = {
    "networks": {"torch", "torchvision", "timm"},
    "data": {"torch", "torchvision", "PIL"},
    "launch": {"submitit", "torch"},
    "training": {"torch", "safetensors", "rich"},
    "analysis": {"scipy"},
    "export": {"torch", "torchvision", "safetensors", "PIL", "onnxruntime"},
    "report": {"matplotlib", "plotly", "jinja2", "markupsafe", "rich", "PIL"},
    "config": {"hydra", "omegaconf"},
    "overrides": {"hydra", "omegaconf"},
    "cli": {"hydra", "omegaconf"},
    "api": {"matplotlib", "torch"},
}
TORCH = {
    "networks": {"adapt", "build", "classics", "counting", "module", "reference"},
    "training": {"loop", "graph", "checkpoint", "final", "worker"},
}


def imports() -> Iterator[tuple[str, Path, str]]:
    """(part, file, module) of every import in the package, also of those within functions."""
    for path in sorted(PACKAGE.rglob("*.py")):
        inner = path.relative_to(PACKAGE)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
                if node.module == "designspace":
                    names = [f"designspace.{alias.name}" for alias in node.names]
            for name in names:
                yield inner.parts[0].removesuffix(".py"), inner, name


def test_parts_import_only_those_above_them() -> None:
    wrong = []
    for part, path, name in imports():
        if name.split(".")[0] == "designspace":
            other = name.split(".")[1] if "." in name else "__init__"
            other = other if (PACKAGE / other).is_dir() or (PACKAGE / f"{other}.py").exists() else "__init__"
            if other != part and other not in INSIDE[part]:
                wrong.append(f"{path} imports {name}")
    assert wrong == []


def test_only_the_settings_of_other_parts_reach_the_configuration() -> None:
    taken = {name for part, _, name in imports() if part == "config" and name.startswith("designspace.")}
    allowed = {f"designspace.{part}.settings" for part in SETTINGS} | {"designspace.spaces.sampling"}
    assert taken <= allowed | {f"designspace.{name}" for name in BASE}


def test_libraries_stay_where_they_belong() -> None:
    wrong = []
    for part, path, name in imports():
        library = name.split(".")[0]
        allowed = FREE | {"designspace"} | OUTSIDE.get(part, set())
        if library not in allowed or (library == "torch" and path.stem not in TORCH.get(part, {path.stem})):
            wrong.append(f"{path} imports {name}")
    assert wrong == []


def test_analysis_speaks_no_sentence() -> None:
    """Words, and tables that hold them, are the report's; an error or a reason is no sentence."""
    spoken = []
    for path in sorted((PACKAGE / "analysis").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        said = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        explained = [ast.get_docstring(node, clean=False) for node in ast.walk(tree) if is_documented(node)]
        texts = [text.strip() for text in said if isinstance(text, str) and text not in explained]
        spoken += [f"{path.name}: {text}" for text in texts if " " in text and text[-1] in ".;"]
    assert spoken == []


def is_documented(node: ast.AST) -> bool:
    return isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)


def test_the_table_names_every_part() -> None:
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in row.replace("`", " ").replace(",", " ").split()}
    assert named == INSIDE.keys() - {"__init__"}


RUN = """
import sys
sys.argv = ["sample_and_train.py", *{arguments}]
from designspace.cli import SAMPLE_AND_TRAIN, main
try:
    main(SAMPLE_AND_TRAIN)
except SystemExit as end:
    assert not end.code
print(*sorted({{"torch", "scipy", "matplotlib"}} & sys.modules.keys()))
"""


@pytest.mark.parametrize(("stop", "loaded"), [("sample", ""), (None, "torch")])
def test_a_run_loads_what_it_needs(stop: str | None, loaded: str, tmp_path: Path) -> None:
    arguments = [
        *("space=regnetx", "num_models=1", "launcher=debug", f"output_root={tmp_path}", "train.epochs=1"),
        *("train.batch_size=2000", "train.warmup_epochs=0", f"stop_after={stop or 'null'}"),
    ]
    code = RUN.format(arguments=arguments)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].strip() == loaded
