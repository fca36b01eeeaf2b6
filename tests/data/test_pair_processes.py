"""Other processes are forked where nothing is under way that they would be part of."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from srwizard.data.prepare import Request, pair_processes
from srwizard.prompts.defaults import DefaultPrompts
from srwizard.wizard.preparing import make as make_in_wizard
from tests.data.test_prepare import ocean, saved

WATCHED = """
import gc, json, os, sys, threading
from pathlib import Path

import h5py

from srwizard.data.prepare import LrSource, prepare
from srwizard.data.prepare.static_fields import StaticSource

real_fork, found = os.fork, []

def fork():
    found.append({
        "files": h5py.h5f.get_obj_count(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_FILE),
        "threads": threading.active_count(),
        "left_alone": gc.get_freeze_count() > 0,
        "locks": [name for each in os.listdir("/proc/self/fd")
                  if os.path.exists(f"/proc/self/fd/{each}")
                  and (name := os.readlink(f"/proc/self/fd/{each}")).endswith(".lock")],
    })
    return real_fork()

if __name__ == "__main__":
    os.fork = fork
    source, lr, out, fmt = sys.argv[1:]
    prepare([Path(source)], variables={"temp": "temp"}, scale=2, split=(0.34, 0.33, 0.33),
            out=Path(out), fmt=fmt, jobs=3, lr_source=LrSource((Path(lr),), ("temp",)),
            statics=[StaticSource(Path(source), "depth", "depth")])
    assert gc.get_freeze_count() == 0
    print(json.dumps(found))
"""

CHOICES = """
import os, sys, threading

import h5py

from srwizard.data.prepare.pair_processes import starting_context

def told():
    print(starting_context().get_start_method())

if __name__ == "__main__":
    told()
    with h5py.File(sys.argv[1]):
        told()
    told()
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    told()
    done.set()
    other.join()
    told()
"""


def told_by(tmp_path: Path, code: str, *arguments: object) -> str:
    (tmp_path / "script.py").write_text(code)
    return subprocess.run(
        [sys.executable, str(tmp_path / "script.py"), *map(str, arguments)],
        stdout=subprocess.PIPE, text=True, check=True,
    ).stdout  # fmt: skip


@pytest.fixture
def source(tmp_path: Path) -> Path:
    record = ocean(12, (32, 32))
    record["depth"] = record["temp"][0].drop_attrs()
    return saved(record, tmp_path / "hr.nc")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")
@pytest.mark.parametrize("fmt", ["npy", pytest.param("h5", marks=pytest.mark.broad), "nc"])
def test_forked_before_anything_is_opened_or_locked(source: Path, tmp_path: Path, fmt: str) -> None:
    lr = saved(ocean(12, (16, 16)), tmp_path / "lr.nc")
    told = told_by(tmp_path, WATCHED, source, lr, tmp_path / "out", fmt)
    expected = {"files": 0, "threads": 1, "left_alone": True, "locks": []}
    assert json.loads(told) == [expected] * 2


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")
def test_not_forked_with_a_file_open_or_another_thread(source: Path, tmp_path: Path) -> None:
    told = told_by(tmp_path, CHOICES, source)
    assert told.split() == ["fork", "spawn", "fork", "spawn", "fork"]


def test_the_wizard_shows_no_bar_when_it_would_fork(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    at_start: list[tuple[str, ...]] = []
    chosen = pair_processes.starting_context

    class Bars(DefaultPrompts):
        def __init__(self) -> None:
            pass

        @contextmanager
        def progress(self, text: str) -> Iterator[Any]:
            shown.append(text)
            yield lambda _done, _total: None
            shown.remove(text)

    def watched() -> Any:
        at_start.append(tuple(shown))
        return chosen()

    monkeypatch.setattr(pair_processes, "starting_context", watched)
    request = Request((source,), {"temp": "temp"}, 2, (0.34, 0.33, 0.33))
    make_in_wizard(request, tmp_path / "out", 2, Bars())
    assert at_start == [()]
    assert (tmp_path / "out" / "manifest.json").exists()
