"""Who imports whom is as docs/architecture.md says, and the wizard's path does without torch."""

import ast
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = {"srwizard": ROOT / "srwizard", "srwizard.models": ROOT / "models",
           "srwizard.states": ROOT / "states"}  # fmt: skip
WITHOUT_TORCH = ("base", "hardware", "settings", "prompts", "wizard", "states", "runs", "slurm",
                 "commands", "report", "selfcheck")  # fmt: skip
CALLED_BY_THE_WIZARD = ("models.catalog", "train.evaluation", "train.launch", "memory.forecast",
                        "memory.measure", "memory.remedy_effects")  # fmt: skip


NO_PATHS = {"kind", "known", "id", "epochs"}
"""Placeholders in texts that begin with the name of the program."""


def modules() -> dict[str, Path]:
    """Return all modules of the program by their dotted names."""
    found = {}
    for package, directory in SOURCES.items():
        for path in directory.rglob("*.py"):
            parts = path.relative_to(directory).with_suffix("").parts
            name = ".".join([package, *parts])
            found[name.removesuffix(".__init__") if parts != ("__init__",) else package] = path
    return found


MODULES = modules()


def imported(path: Path) -> set[str]:
    """Return the modules of the program that a file imports, at its top or anywhere inside."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in MODULES else node.module)
    return found & MODULES.keys()


def room(module: str) -> str:
    """Return the package of a module, as the table names it."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def table() -> dict[str, list[str]]:
    """Return what docs/architecture.md says each package may import, from top to bottom."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\|[^|]*\|[^|]*\|$", text, re.MULTILINE)
    return {name: re.findall(r"`(\w+)`", cell) for name, cell in rows}


def test_the_code_imports_what_the_table_says_and_nothing_else() -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for name, path in MODULES.items():
        found[room(name)].update(room(other) for other in imported(path))
    said = table()
    assert {name: found[name] - {name} for name in found} == {
        name: set(others) for name, others in said.items()
    }


def test_the_table_points_downwards() -> None:
    said = table()
    order = list(said)
    for place, name in enumerate(order):
        assert set(said[name]) <= set(order[place + 1 :]), name


@pytest.mark.broad
def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: imported(path) - {name} for name, path in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        pytest.fail(" -> ".join(circle.args[1]))


def test_every_package_is_in_the_wheel() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = {
        name if path.name == "__init__.py" else name.rpartition(".")[0]
        for name, path in MODULES.items()
    }
    assert set(settings["tool"]["setuptools"]["packages"]) == packages


def test_nothing_lies_loose_at_the_root_of_the_package() -> None:
    files = {path.name for path in (ROOT / "srwizard").iterdir() if path.is_file()}
    assert files == {"__init__.py", "__main__.py", "py.typed"}


def test_what_is_on_the_wizards_path_imports_no_torch() -> None:
    wanted = [name for name in MODULES if room(name) in WITHOUT_TORCH]
    wanted += [f"srwizard.{name}" for name in CALLED_BY_THE_WIZARD]
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "    if 'torch' in sys.modules:\n"
        "        sys.exit(name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *wanted], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_training_loads_nothing_that_only_raw_files_and_reports_need() -> None:
    code = (
        "import sys, srwizard.train.worker, srwizard.memory.rehearsal\n"
        "sys.exit(' '.join({'xarray', 'pandas', 'matplotlib'} & sys.modules.keys()) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["status", "logs", "stop", "compare"])
def test_reading_a_run_directory_needs_nothing_of_the_training_core(command: str) -> None:
    reached, queue = set(), [f"srwizard.commands.{command}"]
    while queue:
        name = queue.pop()
        if name not in reached:
            reached.add(name)
            queue += imported(MODULES[name])
    assert not [name for name in reached if room(name) == "train"]


def test_links_are_followed_by_what_bears_circles_of_them() -> None:
    """`Path.resolve` fails in a circle of links: `real_path` follows them."""
    calls = [
        f"{name}:{call.lineno}"
        for name, path in MODULES.items()
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and (call.func.attr, call.args) == ("resolve", [])
    ]
    assert not calls


@pytest.mark.broad
def test_commands_that_are_shown_can_be_pasted() -> None:
    """A path within a command goes through `in_shell`: it may hold blanks."""
    bare = []
    for path in [*(ROOT / "srwizard").rglob("*.py"), *(ROOT / "states").rglob("*.py")]:
        source = path.read_text(encoding="utf-8")
        for call in ast.walk(ast.parse(source)):
            if not (isinstance(call, ast.Call) and ast.unparse(call.func) in ("_", "_n")):
                continue
            said = "".join(part.value for part in call.args if isinstance(part, ast.Constant)
                           and isinstance(part.value, str))  # fmt: skip
            named = set(re.findall(r"srwizard [a-z]+ (?:-[a-z-]+ )?\{(\w+)\}", said))
            for keyword in call.keywords:
                value = ast.unparse(keyword.value)
                made_so = re.search(rf"\b{re.escape(value)}\b.* = .*in_shell", source)
                if keyword.arg in named - NO_PATHS and "in_shell" not in value and not made_so:
                    bare.append(f"{path.name}:{call.lineno}: {keyword.arg}={value}")
    assert not bare
