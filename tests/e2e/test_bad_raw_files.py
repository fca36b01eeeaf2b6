"""Raw files that make no dataset, or a strange one: refused with the reason, or taken soundly."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import xarray as xr

from tests.e2e.conftest import Run
from tests.e2e.test_raw_files import answers_in, steps_in, write_raw

REALLY_STARTED = [sys.executable, "-m", "srwizard"]
"""Processes of its own would not find the module that the tests' commands are forked from."""


def changed(path: Path, **coordinates: Any) -> Path:
    """Write a raw file whose coordinates are others."""
    write_raw(path, shape=(8, 12))
    with xr.open_dataset(path, decode_times=False, engine="h5netcdf") as opened:
        dataset = opened.load()
    for name, (low, high) in coordinates.items():
        dataset[name] = (name, np.linspace(low, high, dataset.sizes[name]), dataset[name].attrs)
    path.unlink()
    dataset.to_netcdf(path, engine="h5netcdf")
    return path


@pytest.mark.parametrize(
    ("coordinates", "words"),
    [
        ({"time": (4000, 4023)}, "No step of the LR product lies within 12 h "),
        ({"lon": (-150, -100)}, "do not overlap"),
        ({"lat": (-80, -45)}, "do not overlap"),
        ({"lat": (-80, -35)}, "has no value at any point where HR has one"),
    ],
)
def test_hr_and_lr_that_have_nothing_in_common(
    srwizard: Run, tmp_path: Path, coordinates: dict[str, tuple[float, float]], words: str
) -> None:
    answers = answers_in(tmp_path, write_raw(tmp_path / "ocean.nc"))
    lr = changed(tmp_path / "lr.nc", **coordinates)
    refused = srwizard("--answers", answers, "--set", f"data.prepare.lr_source=[{lr}]")
    assert refused.returncode == 3, refused.stdout
    assert words in refused.stderr
    assert "Traceback" not in refused.stderr
    assert {path.name for path in tmp_path.iterdir()} <= {
        "ocean.nc", "lr.nc", "answers.yaml", "home", "state",
    }  # fmt: skip


def test_an_lr_of_very_few_cells_is_told(srwizard: Run, tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "ocean.nc")
    done = srwizard("prepare", raw, "--variable", "sst", "--scale", "8", "-o", "root")
    assert "LR fields have 2 x 3 cells only: too few to learn from" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_full_disk_leaves_nothing(environment: dict[str, str], tmp_path: Path, jobs: int) -> None:
    """The limit on the size of a file stands in for the full disk."""
    raw = write_raw(tmp_path / "ocean.nc", shape=(64, 96))
    answers = answers_in(tmp_path, raw)
    done = subprocess.run(
        [*REALLY_STARTED, "--answers", answers, "--set", f"data.prepare.jobs={jobs}"],
        env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},  # modules would be cut off, too
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert (
        f"{tmp_path / 'made'} cannot be written: the file would be larger than is allowed"
        in done.stderr
    )
    assert not (tmp_path / "made").exists()
    assert not list(tmp_path.glob(".*preparing"))


@pytest.mark.slow
def test_killed_in_the_middle_no_process_is_left_and_the_next_run_begins_clean(
    environment: dict[str, str], srwizard: Run, tmp_path: Path
) -> None:
    raw = write_raw(tmp_path / "long.nc", steps=2000, shape=(64, 64))
    words = f"prepare {raw} --variable sst --scale 2 --jobs 2 -o made".split()
    process = subprocess.Popen(
        [*REALLY_STARTED, *words], env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL
    )
    staging = tmp_path / ".made.preparing"
    deadline = time.monotonic() + 120
    while not list(staging.glob("train/hr/sst/*.npy")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    children = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "made").exists()
    assert psutil.wait_procs(children, timeout=30)[1] == []
    words[words.index("--jobs") + 1] = "1"
    again = srwizard(*words)
    assert again.returncode == 0, again.stderr
    assert steps_in(tmp_path / "made") == [1400, 300, 300]
    assert not staging.exists()


@pytest.mark.slow
def test_a_record_whose_every_step_has_another_mask_trains_soundly(
    srwizard: Run, tmp_path: Path
) -> None:
    raw = write_raw(tmp_path / "ocean.nc")
    with xr.open_dataset(raw, decode_times=False, engine="h5netcdf") as opened:
        dataset = opened.load()
    clouds = np.random.default_rng(1).random(dataset.sst.shape) < 0.4
    for step, cloud in enumerate(clouds):
        cloud[step % 16] = True
        cloud[:, (5 * step) % 24] = True
    dataset["sst"] = dataset.sst.where(~clouds)
    raw.unlink()
    dataset.to_netcdf(raw, engine="h5netcdf")
    done = srwizard("--answers", answers_in(tmp_path, raw))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "look like" not in done.stdout
    evaluated = srwizard("evaluate", tmp_path / "run", "--json")
    scores = json.loads(evaluated.stdout)["variables"]["sst"]
    assert np.isfinite([scores["model"]["rmse"], scores["bicubic"]["rmse"]]).all()
    assert scores["model"]["rmse"] < 2 * scores["bicubic"]["rmse"]
    hr = [np.isnan(np.load(file)) for file in (tmp_path / "made/test/hr/sst").iterdir()]
    lr = [np.isnan(np.load(file)) for file in (tmp_path / "made/test/lr/sst").iterdir()]
    for high, low in zip(hr, lr, strict=True):
        assert (low == high.reshape(8, 2, 12, 2).all((1, 3))).all()
