"""The simple methods are settled by another process as they are in this one."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from srwizard.data.baselines import beside, known, settle
from srwizard.data.baselines.beside import SETTLER, Beside, begin
from srwizard.data.dataset import Dataset
from tests.datasets import write_dataset

SCALES = {"salt": 2, "temp": 2}


@pytest.fixture(autouse=True)
def nothing_known() -> None:
    known.forget()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data", variables=list(SCALES))


def to_its_end(found: Beside) -> Beside:
    while found.look():
        time.sleep(0.01)
    found.stop()
    return found


def refuse(*_arguments: object, **_options: object) -> None:
    raise AssertionError("worked out again")


def test_it_finds_the_same_to_the_bit_and_nothing_is_worked_out_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = {name: Dataset(root).settled(name, 2, "PGN", None) for name in SCALES}
    known.forget()
    there = to_its_end(begin(Dataset(root), SCALES, "PGN"))
    # Of two variables: 14 steps of HR and LR are looked at; 8 of training read twice, 3 scored.
    assert there.steps == (94, 94)
    monkeypatch.setattr(settle, "settle", refuse)
    for name, expected in here.items():
        found = Dataset(root).settled(name, 2, "PGN", None)
        assert found is there.found[name]
        assert found.scores == expected.scores
        for part, array in vars(expected.learnt).items():
            np.testing.assert_array_equal(getattr(found.learnt, part), array)
    again = begin(Dataset(root), SCALES, "PGN")
    assert not again.pending
    assert not again.look()


def test_for_another_normalization_the_methods_are_not_fitted_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = Dataset(root).settled("temp", 2, "GN", None)
    known.forget()
    to_its_end(begin(Dataset(root), {"temp": 2}, "PGN"))
    monkeypatch.setattr(settle, "compare", refuse)
    found = Dataset(root).settled("temp", 2, "GN", None)
    np.testing.assert_array_equal(found.learnt.spread, expected.learnt.spread)
    assert found.learnt.spread.shape == (1, 1)


def test_of_data_that_has_changed_since_nothing_is_taken(root: Path) -> None:
    before = to_its_end(begin(Dataset(root), {"temp": 2}, "PGN")).found["temp"]
    path = min((root / "valid" / "hr" / "temp").iterdir())
    np.save(path, np.load(path) + np.float32(1))
    assert Dataset(root).settled("temp", 2, "PGN", None).scores != before.scores


def test_a_variable_that_cannot_be_read_is_told_and_the_others_are_settled(root: Path) -> None:
    dataset = Dataset(root)
    assert dataset.summary.usable
    gone = min((root / "valid" / "lr" / "salt").iterdir())
    gone.unlink()
    found = to_its_end(begin(dataset, SCALES, "PGN"))
    assert list(found.found) == ["temp"]
    assert str(gone) in found.problems["salt"]


def no_process(*_arguments: object, **_options: object) -> None:
    raise BlockingIOError("no more processes")


def test_where_no_process_can_be_started_nothing_is_settled_before_it_is_needed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside.subprocess, "Popen", no_process)
    found = begin(Dataset(root), SCALES, "PGN")
    assert not found.look()
    assert found.pending == set(SCALES)
    found.stop()
    assert Dataset(root).settled("temp", 2, "PGN", None).best


def test_a_process_that_is_killed_leaves_what_it_has_not_said_to_be_settled_later(
    root: Path,
) -> None:
    found = begin(Dataset(root), SCALES, "PGN")
    (child,) = (one for one in psutil.Process().children() if SETTLER in one.cmdline())
    child.kill()
    assert not to_its_end(found).problems
    assert Dataset(root).settled("temp", 2, "PGN", None).best


def test_it_ends_with_the_process_that_it_works_for(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", steps=(400, 3, 3), hr_shape=(96, 96))
    code = (
        "import json, sys, psutil; from pathlib import Path\n"
        "from srwizard.data.baselines.beside import begin\n"
        "from srwizard.data.dataset import Dataset\n"
        "found = begin(Dataset(Path(sys.argv[1])), {'temp': 2}, 'PGN')\n"
        "print(json.dumps([one.pid for one in psutil.Process().children()]), flush=True)\n"
        "input()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, root], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    (pid,) = json.loads(parent.stdout.readline())
    child = psutil.Process(pid)
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    child.wait(30)
    assert not child.is_running()
