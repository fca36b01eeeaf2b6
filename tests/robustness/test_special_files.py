"""Pipes, sockets, devices and circles of links where a file should be: named, never waited for."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.datasets import write_dataset
from tests.e2e.conftest import ANSWERS
from tests.e2e.terminal import PROGRAM
from tests.installed import run_installed
from tests.train.runs import freeze, trained


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path.name)
    finally:
        os.chdir(here)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_circle(path: Path) -> None:
    path.symlink_to(path.name)


SPECIAL = {
    "pipe": (a_pipe, "named pipe"),
    "socket": (a_socket, "socket"),
    "device": (a_device, "device"),
    "circle": (a_circle, "circle"),
}
special = pytest.mark.parametrize(("make", "word"), SPECIAL.values(), ids=SPECIAL)
Make = Callable[[Path], None]


def srwizard(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run the command; who waits for a pipe is killed, and the test fails."""
    return run_installed(arguments, dict(os.environ), timeout=60)


def joined(text: str) -> str:
    """Return a text without its blanks and the lines of tables: a table breaks long words."""
    return "".join(text.replace("│", " ").split())


def said(done: "subprocess.CompletedProcess[str]") -> str:
    return joined(done.stdout + done.stderr)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data")


@special
def test_among_the_steps(root: Path, make: Make, word: str) -> None:
    file = sorted((root / "train" / "hr" / "temp").iterdir())[3]
    file.unlink()
    make(file)
    done = srwizard("inspect", root)
    assert done.returncode == 3, done.stdout
    assert joined(file.name) in said(done)
    assert joined(word) in said(done)


@special
def test_among_the_static_fields(root: Path, make: Make, word: str) -> None:
    file = sorted((root / "static_variables" / "hr").iterdir())[0]
    file.unlink()
    make(file)
    done = srwizard("inspect", root)
    assert done.returncode in (0, 3), done.stderr


@special
@pytest.mark.parametrize("suffix", ["h5", "nc"])
def test_a_split(tmp_path: Path, make: Make, word: str, suffix: str) -> None:
    (tmp_path / "root").mkdir()
    make(tmp_path / "root" / f"train.{suffix}")
    done = srwizard("inspect", tmp_path / "root")
    assert done.returncode in (2, 3), done.stdout
    assert f"train.{suffix}" in said(done)
    assert joined(word) in said(done)


@special
def test_a_raw_file(tmp_path: Path, make: Make, word: str) -> None:
    make(tmp_path / "raw.nc")
    done = srwizard(
        "prepare", tmp_path / "raw.nc", "--variable", "sst", "--scale", 2, "-o", tmp_path / "made"
    )
    assert done.returncode == 2, done.stdout
    assert "raw.nc" in done.stderr
    assert word in done.stderr
    assert not (tmp_path / "made").exists()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("special")
    freeze(write_dataset(place / "data"), place / "run", epochs=1)
    trained(place / "run")
    return place / "run"


FILES = ("run.yaml", "status.json", "metrics.jsonl", "dry_run.json", "failure.json", "job.json",
         "train.log", "normalization.npz", "checkpoints/best.pt", "plots/samples.npz")  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("make", [a_pipe, a_circle])
def test_among_the_files_of_a_run(run: Path, tmp_path: Path, name: str, make: Make) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    (copy / "plots").mkdir(exist_ok=True)
    (copy / name).unlink(missing_ok=True)
    make(copy / name)
    for command in ("status", "logs", "stop", "report"):
        done = srwizard(command, copy)
        assert done.returncode in (0, 2, 3), (command, done.stderr)
        assert "itself failed" not in done.stderr
    done = srwizard("export", copy, "-o", tmp_path / "bundle")
    assert done.returncode in (0, 2, 3, 5), done.stderr
    assert "itself failed" not in done.stderr


@pytest.mark.parametrize("below", [".", "runs/first"])
@pytest.mark.parametrize(("make", "word"), [(a_pipe, "is a file"), (a_circle, "circle")])
def test_in_place_of_the_run_directory(
    root: Path, tmp_path: Path, make: Make, word: str, below: str
) -> None:
    make(tmp_path / "there")
    answers = tmp_path / "answers.yaml"
    answers.write_text(ANSWERS.format(root=root, run=tmp_path / "there" / below))
    done = srwizard("--answers", answers, "--stop-after", "frozen")
    assert done.returncode == 2, done.stderr
    assert "answers.yaml:2:" in done.stderr
    assert word in done.stderr


def test_answers_may_come_through_a_pipe(root: Path, tmp_path: Path) -> None:
    """As a shell writes it: srwizard --answers <(cat answers.yaml)."""
    answers = tmp_path / "answers.yaml"
    answers.write_text(ANSWERS.format(root=root, run=tmp_path / "run"))
    line = f'"{PROGRAM}" --answers <(cat "{answers}") --stop-after frozen'
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "run.yaml").is_file()
