"""Fill values that nobody declared, and land stored as 0: asked for before anything is trained."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.e2e.conftest import Open, Run
from tests.e2e.terminal import CTRL_U, ENTER
from tests.e2e.test_raw_files import answers_in, write_raw

LAND = (slice(None), slice(0, 3), slice(0, 4))


@pytest.fixture(params=[-999.0, 0.0])
def fill(request: pytest.FixtureRequest) -> float:
    """What stands on land."""
    return float(request.param)


@pytest.fixture
def raw(tmp_path: Path, fill: float) -> Path:
    """A raw file whose land is `fill`, which it does not declare."""
    path = write_raw(tmp_path / "ocean.nc")
    with xr.open_dataset(path, decode_times=False, engine="h5netcdf") as opened:
        dataset = opened[["sst"]].fillna(fill).load()
    for name in dataset.variables:
        dataset[name].encoding["_FillValue"] = None
    path.unlink()
    dataset.to_netcdf(path, engine="h5netcdf")
    return path


def hr_fields(root: Path) -> list[np.ndarray]:
    return [np.load(file) for file in sorted((root / "train" / "hr" / "sst").iterdir())]


def test_inspect_says_what_to_write(srwizard: Run, raw: Path, fill: float) -> None:
    shown = " ".join(srwizard("inspect", raw).stdout.split())
    assert f"--missing-value {fill:g}" in shown


def test_of_raw_files_the_wizard_asks_which_values_stand_for_none(
    terminal: Open, raw: Path, fill: float, tmp_path: Path
) -> None:
    screen = terminal(rows=60, columns=140)
    screen.wait_for("? Dataset directory or raw files")
    screen.send(raw.name + ENTER)
    screen.wait_for("? sst: which of these values mark missing data?")
    assert f"{fill:g}" in screen.text
    screen.send(ENTER)
    screen.wait_for("? Scale of the dataset")
    screen.send(ENTER)
    screen.wait_for("? Where to put the dataset")
    screen.send(ENTER)
    screen.wait_for("? How to continue")
    for field in hr_fields(tmp_path / "ocean-x2"):
        assert np.isnan(field[LAND[1:]]).all()
        assert np.isfinite(field[3:]).all()
    screen.kill()


def test_of_a_dataset_it_asks_whether_to_train_on_it_as_it_is(
    terminal: Open, srwizard: Run, raw: Path, fill: float
) -> None:
    made = srwizard("prepare", raw, "--variable", "sst", "--scale", "2", "-o", "data")
    assert made.returncode == 0, made.stderr
    screen = terminal(rows=60, columns=140)
    screen.wait_for("? Dataset directory or raw files")
    screen.send(CTRL_U + "data" + ENTER)
    screen.wait_for(f"? {fill:g} may stand for points without a value")
    screen.send(ENTER)  # no
    screen.wait_for("? Dataset directory or raw files", count=2)
    screen.send(ENTER)
    screen.wait_for(f"? {fill:g} may stand for points without a value", count=2)
    screen.send("yes" + ENTER)
    screen.wait_for("? Run directory")
    screen.kill()


@pytest.mark.parametrize("how", ["value", "mask", "keep"])
def test_an_answers_file_says_it_as_the_options_of_prepare_do(
    srwizard: Run, raw: Path, fill: float, tmp_path: Path, how: str
) -> None:
    with xr.open_dataset(raw, decode_times=False, engine="h5netcdf") as opened:
        mask = (opened.sst.isel(time=0, drop=True) == fill).astype("i1").rename("land")
        mask.to_netcdf(tmp_path / "mask.nc", engine="h5netcdf")
    changes = {
        "value": [f"data.prepare.missing_value=[{fill:g}]"],
        "mask": ["data.prepare.mask_variable=mask.nc:land", "data.prepare.mask_value=[1]"],
        "keep": ["data.prepare.empty_steps=keep"],
    }[how]
    words = [word for change in changes for word in ("--set", change)]
    done = srwizard("--answers", answers_in(tmp_path, raw), *words, "--stop-after", "frozen")
    assert done.returncode == 0, done.stderr
    for field in hr_fields(tmp_path / "made"):
        assert np.isnan(field[LAND[1:]]).all() == (how != "keep")
    request = json.loads((tmp_path / "made" / "manifest.json").read_text())["request"]
    assert request["empty_steps"] == ("keep" if how == "keep" else "drop")
