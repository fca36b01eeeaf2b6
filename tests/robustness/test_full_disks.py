"""Where there is no room: a message, a documented exit code, and nothing half-written."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from srwizard.report import after_training
from srwizard.train import launch
from tests.datasets import write_dataset
from tests.installed import run_installed
from tests.robustness.in_process import run_here
from tests.train.runs import freeze, trained


def test_standard_output_that_is_full() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "srwizard", "models"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert "no space is left on the device" in done.stderr
    assert "itself failed" not in done.stderr


@pytest.mark.broad
def test_a_report_for_which_there_is_no_room(tmp_path: Path) -> None:
    """The limit on the size of a file stands in for the full disk."""
    freeze(write_dataset(tmp_path / "data"), tmp_path / "run")
    trained(tmp_path / "run")
    done = run_installed(
        ("report", tmp_path / "run"),
        dict(os.environ),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert done.returncode == 2, done.stderr
    assert "the file would be larger than is allowed" in done.stderr
    assert not [*tmp_path.rglob("*.tmp"), *tmp_path.rglob("report.html")]


def test_training_is_complete_though_its_report_has_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    freeze(write_dataset(tmp_path / "data"), tmp_path / "run")

    def full(run_dir: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device", str(run_dir / "report.html"))

    def at_once(*_arguments: object) -> dict[str, Any]:
        return {}

    monkeypatch.setattr(after_training, "write_report", full)
    monkeypatch.setattr(launch, "launch", at_once)
    ended = run_here("train", tmp_path / "run")
    assert ended.code == 2
    assert "Training is complete" in ended.said
    assert f"srwizard report {tmp_path / 'run'}" in ended.said
    assert "report.html cannot be used: no space is left on the device" in ended.said
