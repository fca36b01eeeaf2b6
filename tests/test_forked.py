"""A forked process looks and behaves like one that was started."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.datasets import write_dataset
from tests.forked import PROGRAM, Popen, started
from tests.hardware.nvml.world import World, card
from tests.loaded import PIXEL
from tests.train.runs import freeze

FORECASTER = [sys.executable, "-m", "srwizard.memory.forecaster"]
"""Waits for its standard input."""


def ended(kind: Any, command: list[str], **options: Any) -> tuple[int, str, str]:
    with kind(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    ) as process:
        said, complained = process.communicate(timeout=60)
        return process.returncode, said, complained


@pytest.mark.parametrize(
    "arguments", [["--version"], ["nothing"], ["--lang", "zh", "models"], ["train", "nowhere"]]
)
def test_says_the_same_and_ends_alike(tmp_path: Path, arguments: list[str]) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    options = {"env": environment, "cwd": tmp_path, "stdin": subprocess.DEVNULL}
    command = [PROGRAM, *arguments]
    assert ended(Popen, command, **options) == ended(started, command, **options)


def test_meets_the_same_driver_and_runs_what_python_runs_first(
    tmp_path: Path, nvml_world: World
) -> None:
    nvml_world.has(card(0), card(1))
    (tmp_path / "sitecustomize.py").write_text("import sys; print('first', *sys.orig_argv[1:])")
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONPATH": str(tmp_path)}
    found, wanted = (
        ended(kind, [PROGRAM, "gpus"], env=nvml_world.environment | environment)
        for kind in (Popen, started)
    )
    assert _but_for_memory(found[1]) == _but_for_memory(wanted[1])
    assert (found[0], found[2]) == (wanted[0], wanted[2])
    assert found[1].startswith("first") and "GPU 1" in found[1]


def _but_for_memory(text: str) -> list[str]:
    """Leave out what other processes change between two commands: the memory that is available."""
    return [line for line in text.splitlines() if "memory available" not in line]


def test_is_a_child_with_a_command_line_and_a_directory(tmp_path: Path) -> None:
    with Popen(
        ["nice", *FORECASTER], stdin=subprocess.PIPE, cwd=tmp_path, start_new_session=True
    ) as process:
        found = psutil.Process(process.pid)
        assert found.ppid() == os.getpid()
        assert found.cmdline()[: len(FORECASTER)] == FORECASTER
        assert found.cwd() == str(tmp_path)
        assert os.getsid(process.pid) == process.pid
        assert found.nice() == 10 + psutil.Process().nice()
        assert process.poll() is None
        process.communicate(b"[]")
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_dies_of_signals(number: signal.Signals) -> None:
    with Popen(FORECASTER, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        process.send_signal(number)
        assert process.wait(30) == -number


def test_its_time_is_its_parents() -> None:
    """So that it counts as that of the test."""
    before = sum(os.times()[2:4])
    assert ended(Popen, [PROGRAM, "models"])[0] == 0
    assert sum(os.times()[2:4]) > before


def test_pictures_are_pixels(tmp_path: Path) -> None:
    """The page of a training is there, and what it takes is not."""
    run = tmp_path / "run"
    freeze(write_dataset(tmp_path / "data"), run, epochs=1)
    for kind, command in ((Popen, "train"), (started, "report")):
        assert ended(kind, [PROGRAM, command, str(run)])[0] == 0
        assert "base64," in (run / "report.html").read_text()
        pictures = [path.read_bytes() for path in (run / "plots").glob("*.png")]
        assert len(pictures) > 5
        assert {picture == PIXEL for picture in pictures} == {kind is Popen}
