"""What the tests of a trained run share: runs, trained once, and the installed command."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.datasets import write_dataset
from tests.installed import run_installed
from tests.train.runs import freeze, trained

torch.set_num_threads(1)

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two variables, salt and temp, 8/3/3 steps, HR [16, 24], scale 2, with lon and lat."""
    return write_dataset(tmp_path_factory.mktemp("use") / "data", variables=("salt", "temp"))


@pytest.fixture(scope="session")
def edsr(dataset: Path) -> Path:
    """A run normalized per grid point (PGN), with static fields as input and averaged weights."""
    run_dir = dataset.parent / "edsr"
    freeze(dataset, run_dir, static_variables=("lon", "lat"), ema_decay=0.9)
    trained(run_dir)
    return run_dir


@pytest.fixture(scope="session")
def anywhere(dataset: Path) -> Path:
    """A run normalized per variable (GN), of a batch size of 1."""
    run_dir = dataset.parent / "anywhere"
    freeze(dataset, run_dir, normalization="GN", batch_size=1, epochs=1)
    trained(run_dir)
    return run_dir


@pytest.fixture(scope="session")
def diffusion(dataset: Path) -> Path:
    """A run of a diffusion model of three members, normalized per variable."""
    run_dir = dataset.parent / "diffusion"
    freeze(dataset, run_dir, model="DDPM", normalization="GN", epochs=1)
    trained(run_dir)
    return run_dir


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which nothing of the user's is touched."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path_factory.mktemp("home")),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture
def srwizard(tmp_path: Path, environment: dict[str, str]) -> Command:
    """Run the installed command without a terminal, in the test's own directory."""

    def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
        return run_installed(arguments, environment, cwd=tmp_path, timeout=300)

    return run
