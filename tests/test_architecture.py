"""Dependencies point one way, and the wizard's path does without torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WIZARD = (
    "srwizard.commands.cli", "srwizard.wizard.machine", "srwizard.wizard.session", "srwizard.wizard.conversation",
    "srwizard.prompts.question", "srwizard.states", "srwizard.prompts.terminal", "srwizard.wizard.resolve",
)  # fmt: skip


@pytest.mark.parametrize(
    "module",
    [
        "srwizard.commands.cli", "srwizard.wizard.machine", "srwizard.models.catalog", "srwizard.wizard.diagram",
        "srwizard.states.launch", "srwizard.runs.stopping", "srwizard.train.evaluation",
    ],
)  # fmt: skip
def test_the_wizard_imports_no_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


@pytest.mark.parametrize("folder", ["srwizard/train", "srwizard/data", "srwizard/memory", "models"])
def test_the_core_never_imports_the_wizard(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        wrong = [name for name in imported(path) if name.startswith(WIZARD)]
        assert not wrong, f"{path} imports {wrong}"


def test_training_does_not_import_the_measuring() -> None:
    for path in (ROOT / "srwizard" / "train").rglob("*.py"):
        assert not [name for name in imported(path) if name.startswith("srwizard.memory")]
