"""Kills and Ctrl-C in the middle of `prepare` in two processes: nothing half-written, none left."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import xarray as xr

from srwizard.data.layout import scan
from tests import forked
from tests.e2e.terminal import PROGRAM
from tests.robustness.test_signals import left_of, wait_until

STEPS, SIDE = 320, 512
"""Twenty windows of steps, so that both processes are still at work when they are looked for."""
FEW = 32
"""The steps of the record of the command that is not ended."""
PREPARE = ("prepare", "raw.nc", "--variable", "sst", "--scale", "2", "--jobs", "2", "-o", "made")
SLOW, QUICK = "lanczos", "nearest"
"""How LR is made: by the command that is ended, and by the one after it."""

Process = psutil.Process


def main_process(main: Process, _worker: Process) -> None:
    main.kill()


def a_worker(_main: Process, worker: Process) -> None:
    worker.kill()


def all_of_them(main: Process, _worker: Process) -> None:
    # One by one, the parent last: each meets the others at work.
    for process in (*main.children(recursive=True), main):
        process.kill()


def ctrl_c(main: Process, _worker: Process) -> None:
    os.killpg(main.pid, signal.SIGINT)  # a terminal sends it to all


def ctrl_c_twice(main: Process, _worker: Process) -> None:
    os.killpg(main.pid, signal.SIGINT)
    os.killpg(main.pid, signal.SIGINT)


ENDS = {
    main_process: (-signal.SIGKILL, False),
    a_worker: (2, True),
    all_of_them: (-signal.SIGKILL, False),
    ctrl_c: (130, True),
    ctrl_c_twice: (130, True),
}
"""How each leaves the command: its exit code, and whether it could still tidy up."""


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    long, short = tmp_path_factory.mktemp("long"), tmp_path_factory.mktemp("short")
    return write_record(long / "raw.nc", STEPS), write_record(short / "raw.nc", FEW)


def write_record(path: Path, steps: int) -> Path:
    fields = np.broadcast_to(np.arange(steps, dtype="f4")[:, None, None], (steps, SIDE, SIDE))
    packed = {"zlib": True, "complevel": 1, "chunksizes": (1, SIDE, SIDE)}
    xr.Dataset({"sst": (("time", "lat", "lon"), fields, {"units": "degC"})}).to_netcdf(
        path, encoding={"sst": packed}, engine="h5netcdf"
    )
    return path


@pytest.fixture
def place(records: tuple[Path, Path], tmp_path: Path) -> Path:
    (tmp_path / "temporary").mkdir()
    (tmp_path / "raw.nc").symlink_to(records[0])
    return tmp_path


HELD_UP = """
import sys, threading
from srwizard.__main__ import main
threading.Thread(target=threading.Event().wait, daemon=True).start()
main()
"""
"""The command in a process that must not fork, for it has another thread."""
STARTS = {"forked": (PROGRAM,), "afresh": (sys.executable, "-c", HELD_UP)}


def begin(
    place: Path, fmt: str, start: str, method: str, popen: "type[subprocess.Popen[str]]"
) -> "subprocess.Popen[str]":
    environment = {"HOME": str(place), "XDG_STATE_HOME": str(place / "state"), "LANG": "C.UTF-8",
                   "PATH": os.environ["PATH"], "TMPDIR": str(place / "temporary")}  # fmt: skip
    return popen(
        [*STARTS[start], *PREPARE, "--format", fmt, "--lr-method", method], cwd=place,
        env=environment, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip


def worker_at_work(main: Process) -> Process | None:
    """Return the other process that makes pairs, once it has opened the record."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for each in main.children():
            if any(file.path.endswith("raw.nc") for file in each.open_files()):
                return each
    return None


@pytest.fixture
def shared_memory() -> Iterator[Callable[[], set[str]]]:
    place = Path("/dev/shm")
    before = {each.name for each in place.iterdir()} if place.is_dir() else set()
    yield lambda: {each.name for each in place.iterdir()} - before if place.is_dir() else set()


@pytest.mark.slow
@pytest.mark.afresh
@pytest.mark.parametrize(
    ("end", "fmt", "start"),
    [
        *((end, "npy", "forked") for end in ENDS),
        (ctrl_c, "h5", "forked"),
        *((end, "npy", "afresh") for end in (a_worker, all_of_them)),
    ],
)  # fmt: skip
def test_the_next_prepare_finds_a_clean_place(
    end: Callable[[Process, Process], None],
    fmt: str,
    start: str,
    place: Path,
    records: tuple[Path, Path],
    shared_memory: Callable[[], set[str]],
) -> None:
    command = begin(place, fmt, start, SLOW, subprocess.Popen)
    main = Process(command.pid)
    staging = place / ".made.preparing"
    wait_until(lambda: command.poll() is not None or worker_at_work(main) is not None)
    worker = worker_at_work(main)
    assert worker is not None, command.communicate()[0]
    assert staging.is_dir()
    assert (main.cmdline() == worker.cmdline()) is (start == "forked")
    end(main, worker)
    told, _nothing = command.communicate(timeout=60)
    code, tidy = ENDS[end]
    assert command.returncode == code, told
    assert "Traceback" not in told
    assert not (place / "made").exists()
    wait_until(lambda: not left_of(place), 20)
    assert staging.exists() is not tidy
    assert not list((place / "temporary").iterdir())
    assert not {name for name in shared_memory() if "srwizard" in name or "mp-" in name}

    (place / "raw.nc").unlink()
    (place / "raw.nc").symlink_to(records[1])
    again = begin(place, fmt, "forked", QUICK, forked.Popen)
    told, _nothing = again.communicate(timeout=300)
    assert again.returncode == 0, told
    contents = scan(place / "made")
    assert not contents.problems
    assert sum(len(contents.fields[split, "hr", "sst"].steps)
               for split in ("train", "valid", "test")) == FEW  # fmt: skip
    assert not staging.exists()
    wait_until(lambda: not left_of(place), 20)
    assert not list((place / "temporary").iterdir())
