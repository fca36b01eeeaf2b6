"""What the end-to-end tests share: a dataset, and a home of their own."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.datasets import write_dataset
from tests.e2e.terminal import Terminal
from tests.installed import run_installed

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Open = Callable[..., Terminal]

ANSWERS = """\
data: {{root: {root}}}
output: {{dir: {run}}}
model:
  name: EDSR
  params: {{num_features: 8, num_blocks: 1}}
training: {{epochs: 2, batch_size: 4}}
memory: {{use_amp: false, gradient_checkpointing: false}}
confirm: true
"""


@pytest.fixture
def environment(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which sessions are kept under the test's own directory.

    What was predicted for one test is known in the next one, as it is for a user.
    """
    # Forked processes compute as this one does; those really started must, too, to the bit.
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in ("PATH", "OMP_NUM_THREADS") or name.startswith("OPENBLAS_")
    }
    return {
        **kept,
        "HOME": str(tmp_path / "home"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "XDG_CACHE_HOME": str(tmp_path_factory.getbasetemp() / "cache"),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
    }


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A small dataset of one variable, 8/3/3 steps, HR [16, 24], scale 2."""
    return write_dataset(tmp_path / "data")


@pytest.fixture
def answers(tmp_path: Path, dataset: Path) -> Path:
    """An answers file that trains a small EDSR for two epochs."""
    path = tmp_path / "answers.yaml"
    path.write_text(ANSWERS.format(root=dataset, run=tmp_path / "run"))
    return path


@pytest.fixture
def srwizard(tmp_path: Path, environment: dict[str, str]) -> Run:
    """Run the installed command without a terminal."""

    def run(*arguments: object, timeout: float = 600) -> "subprocess.CompletedProcess[str]":
        return run_installed(arguments, environment, cwd=tmp_path, timeout=timeout)

    return run


@pytest.fixture
def terminal(tmp_path: Path, environment: dict[str, str]) -> Iterator[Open]:
    """Open the installed command in a pseudo-terminal; whatever is still open is killed."""
    opened: list[Terminal] = []

    def open_one(
        *arguments: object, rows: int = 40, columns: int = 100, cwd: Path = tmp_path
    ) -> Terminal:
        screen = Terminal(
            [str(argument) for argument in arguments],
            cwd=cwd,
            environment=environment,
            rows=rows,
            columns=columns,
        )
        opened.append(screen)
        return screen

    yield open_one
    for screen in opened:
        screen.kill()
