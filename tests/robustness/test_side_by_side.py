"""Two who work on one thing at the same time: one does, the other is told, nothing is spoilt."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from srwizard.runs import checkpoint_files
from tests.datasets import write_dataset
from tests.e2e.conftest import ANSWERS
from tests.e2e.terminal import PROGRAM
from tests.robustness.raw_record import write_raw
from tests.train.runs import PATIENCE_SECONDS, epochs, freeze

pytestmark = pytest.mark.slow
Child = subprocess.Popen[str]


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., Child]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"}

    def begin(*arguments: object) -> Child:
        return subprocess.Popen(
            [PROGRAM, *map(str, arguments)], cwd=tmp_path, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    return begin


def ends(child: Child) -> tuple[int, str]:
    out, errors = child.communicate(timeout=PATIENCE_SECONDS)
    assert "Traceback" not in errors
    assert "itself failed" not in errors
    return child.returncode, out + errors


def wait_for(true: Callable[[], bool], child: Child) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert child.poll() is None, ends(child)
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture
def long_run(tmp_path: Path) -> Path:
    freeze(write_dataset(tmp_path / "data"), tmp_path / "run", epochs=100_000)
    return tmp_path / "run"


def test_two_wizards(start: Callable[..., Child], tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data")
    (tmp_path / "a.yaml").write_text(ANSWERS.format(root=root, run=tmp_path / "new"))
    both = [start("--answers", "a.yaml", "--stop-after", "dry_run") for _wizard in range(2)]
    codes = sorted((ends(child) for child in both), key=lambda found: found[0])
    assert [code for code, _said in codes] == [0, 2]
    assert "in use" in codes[1][1] or "already" in codes[1][1]
    assert (tmp_path / "new" / "run.yaml").is_file()
    assert not (tmp_path / "new" / "run.r1.yaml").exists()


def test_two_trainings_and_others_beside_them(
    start: Callable[..., Child], long_run: Path, tmp_path: Path
) -> None:
    first = start("train", long_run)
    wait_for(lambda: (long_run / "metrics.jsonl").exists() and bool(epochs(long_run)), first)
    wait_for(lambda: checkpoint_files.exists(long_run, "best"), first)
    for arguments in (("train", long_run), ("train", long_run, "--epochs", 200_000),
                      ("evaluate", long_run)):  # fmt: skip
        code, said = ends(start(*arguments))
        assert (code, "in use by" in said) == (2, True), said
    words = ("prepare", write_raw(tmp_path, steps=40), "--variable", "sst", "--scale", 2)
    code, said = ends(start(*words, "-o", tmp_path / "data"))
    assert code == 2, said  # nothing is prepared into the dataset that is being read
    beside = [
        start("report", long_run),
        start("predict", long_run, tmp_path / "data", "-o", tmp_path / "out.nc"),
        start("export", long_run, "-o", tmp_path / "bundle"),
        start("status", long_run),
    ]
    for child in beside:
        code, said = ends(child)
        assert code == 0, said
    assert first.poll() is None
    with xr.open_dataset(tmp_path / "out.nc") as predicted:
        assert np.isfinite(predicted["temp"].to_numpy()).any()
    code, said = ends(start("stop", long_run))
    assert code == 0, said
    assert ends(first)[0] == 130


def test_two_prepares_into_one_directory(start: Callable[..., Child], tmp_path: Path) -> None:
    words = (
        "prepare",
        write_raw(tmp_path, steps=40),
        "--variable",
        "sst",
        "--scale",
        2,
        "-o",
        "made",
    )
    codes = sorted(ends(child)[0] for child in [start(*words), start(*words)])
    assert codes[0] == 0
    assert codes[1] in (0, 2)
    code, said = ends(start("inspect", "made"))
    assert code == 0, said


@pytest.mark.parametrize("moment", [0.0, 0.3, 1.0, 2.5])
def test_stop_while_it_starts(start: Callable[..., Child], long_run: Path, moment: float) -> None:
    first = start("train", long_run)
    time.sleep(moment)
    until = time.monotonic() + PATIENCE_SECONDS
    while first.poll() is None:
        code, said = ends(start("stop", long_run))
        assert code in (0, 2), said
        assert time.monotonic() < until
    code, said = ends(first)
    assert code == 130, said
    assert not (long_run / "failure.json").exists()
    metrics = long_run / "metrics.jsonl"
    before = len(epochs(long_run)) if metrics.exists() else 0
    again = start("train", long_run)
    wait_for(lambda: metrics.exists() and len(epochs(long_run)) > before, again)
    again.send_signal(signal.SIGTERM)
    assert ends(again)[0] == 130
