"""Requests to stop at any moment of any command: exit code 130, and nothing half-written."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.datasets import write_dataset
from tests.e2e.conftest import ANSWERS
from tests.e2e.terminal import PROGRAM
from tests.robustness.long_runs import in_parts, note
from tests.robustness.raw_record import write_raw
from tests.train.runs import freeze, trained

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Command:
    """What is typed, below `place`, and what it writes there."""

    words: tuple[str, ...]
    made: str | None = None
    afresh: str | None = None
    """A directory that the command works on, put back before each try."""


COMMANDS = {
    "start-up": Command(("models",)),
    "prepare": Command(("prepare", "raw.nc", "--variable", "sst", "--scale", "2", "-o", "made"),
                       "made"),
    "dry run": Command(("--answers", "answers.yaml", "--stop-after", "dry_run"),
                       "new/dry_run.json"),
    "training": Command(("train", "untrained"), afresh="untrained"),
    "evaluate": Command(("evaluate", "run", "--split", "valid"), None),
    "report": Command(("report", "run"), "run/report.html"),
    "predict": Command(("predict", "run", "data", "-o", "out.nc"), "out.nc"),
    "export": Command(("export", "run", "-o", "bundle"), "bundle"),
}  # fmt: skip


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("signals") / "original"
    root = write_dataset(place / "data")
    freeze(root, place / "run", epochs=1)
    trained(place / "run")
    freeze(root, place / "untrained", epochs=6)
    write_raw(place, steps=40)
    return place


@pytest.fixture
def place(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path / "place")
    answers = ANSWERS.format(root=original / "data", run=tmp_path / "place" / "new")
    (tmp_path / "place" / "answers.yaml").write_text(answers)
    return tmp_path / "place"


def begin(command: Command, place: Path) -> "subprocess.Popen[str]":
    state = {"HOME": str(place), "XDG_STATE_HOME": str(place / "state"), "LANG": "C.UTF-8"}
    return subprocess.Popen(
        [PROGRAM, *command.words], cwd=place, env={"PATH": os.environ["PATH"], **state},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
        start_new_session=True,
    )  # fmt: skip


def hears(process: "subprocess.Popen[str]") -> bool:
    """Return whether a process has come so far as to handle signals; Python itself does not."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        caught = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt"))
    except (OSError, StopIteration):
        return False
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.002)


def left_of(place: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cwd", "cmdline"]):
        words = " ".join(process.info["cmdline"] or [])
        if process.info["cwd"] == str(place) or str(place) in words:
            found.append(process)
    return found


def seconds_of(command: Command, place: Path) -> float:
    process = begin(command, place)
    wait_until(lambda: hears(process))
    started = time.monotonic()
    _out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return time.monotonic() - started


def remove(command: Command, place: Path, original: Path) -> None:
    for name in filter(None, (command.made, command.afresh, "new")):
        shutil.rmtree(place / name, ignore_errors=True)
        if (place / name).is_file():
            (place / name).unlink()
    if command.afresh is not None:
        shutil.copytree(original / command.afresh, place / command.afresh)


@in_parts(2, 30, parts=2)
@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_signal_at_any_moment(
    name: str, original: Path, place: Path, count: int, part: int
) -> None:
    command, draw = COMMANDS[name], random.Random(f"{name} {count} {part}")
    seconds = seconds_of(command, place)
    signals = draw.sample(SIGNALS, len(SIGNALS))  # the suite tries the first two
    stopped = 0
    for number in range(count):
        remove(command, place, original)
        sent = signals[number % len(signals)]
        process = begin(command, place)
        wait_until(lambda started=process: hears(started))
        moment = draw.random() * 0.9 * seconds
        time.sleep(moment)
        process.send_signal(sent)
        _out, errors = process.communicate(timeout=120)
        story = f"{name}, {sent.name} after {moment:.3f} of {seconds:.3f} s: {errors}"
        assert process.returncode in (0, 130), story
        assert "Traceback" not in errors, story
        assert "itself failed" not in errors, story
        stopped += process.returncode == 130
        wait_until(lambda: not left_of(place), 20)
        assert not [*place.rglob("*.tmp"), *place.glob(".*.nc*"), *place.glob(".bundle*")], story
        if number == count - 1:
            again = begin(command, place)
            _out, errors = again.communicate(timeout=300)
            # What an earlier start has finished is not replaced without a word.
            finished = any(word in errors for word in ("exist", "already", "not empty"))
            assert again.returncode == 0 or finished, story
    if count > 2:
        assert stopped >= count // 2
        tried = f"signals, {name}, part {part}"
        note(f"{tried}: {stopped} of {count} met a command at work, all ended with 130")
