"""Values that stand for none in raw files: known from the preparing, or told."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from srwizard.data.prepare import prepare
from srwizard.data.prepare.masking import Masking
from tests.train.runs import freeze, trained
from tests.use.conftest import Command

SHAPE = (8, 12)


def raw(path: Path, repeated: int, gap: float) -> Path:
    """Write daily sst; a cell of each step holds `gap`, in another place every day."""
    field = np.random.default_rng(0).normal(290, 1, (12, *SHAPE)).astype(np.float32)
    for day in range(12):
        field[day, day % 8, day] = gap
    field = field.repeat(repeated, axis=1).repeat(repeated, axis=2)
    values = {"sst": (("time", "lat", "lon"), field, {"units": "K"})}
    times = {"time": ("time", np.arange(12), {"units": "days since 2000-01-01"})}
    xr.Dataset(values, times).to_netcdf(path, engine="h5netcdf")
    return path


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("missing")
    prepare(
        [raw(place / "hr.nc", 2, 0.0)], variables={"sst": "sst"}, scale=2,
        split=(0.5, 0.25, 0.25), out=place / "data", masking=Masking((0.0,)),
    )  # fmt: skip
    freeze(place / "data", place / "run", normalization="GN", epochs=1)
    trained(place / "run")
    return place / "run"


def gaps(path: Path) -> np.ndarray:
    with xr.open_dataset(path, engine="h5netcdf") as out:
        found: np.ndarray = out["sst_filled"].values[:, ::2, ::2] == 1
        return found


def expected() -> np.ndarray:
    found = np.zeros((12, *SHAPE), bool)
    for day in range(12):
        found[day, day % 8, day] = True
    return found


def test_what_was_missing_in_the_training_is_missing_in_an_input(
    run_dir: Path, srwizard: Command, tmp_path: Path
) -> None:
    raw(tmp_path / "lr.nc", 1, 0.0)
    done = srwizard("predict", run_dir, tmp_path / "lr.nc", "-o", "out.nc")
    assert done.returncode == 0, done.stderr
    assert "Taken as missing, as when the dataset was prepared: 0\n" in done.stdout
    np.testing.assert_array_equal(gaps(tmp_path / "out.nc"), expected())


def test_another_value_can_be_told(run_dir: Path, srwizard: Command, tmp_path: Path) -> None:
    raw(tmp_path / "lr.nc", 1, -999)
    refused = srwizard("predict", run_dir, tmp_path / "lr.nc", "-o", "out.nc")
    assert refused.returncode == 3
    assert "--missing-value -999 " in refused.stderr
    told = ("--missing-value", "-999")
    done = srwizard("predict", run_dir, tmp_path / "lr.nc", "-o", "out.nc", *told)
    assert done.returncode == 0, done.stderr
    assert "Taken as missing" not in done.stdout
    np.testing.assert_array_equal(gaps(tmp_path / "out.nc"), expected())


def test_a_dataset_directory_has_its_own(run_dir: Path, srwizard: Command) -> None:
    data = run_dir.parent / "data"
    assert srwizard("predict", run_dir, data, "-o", "own.nc").returncode == 0
    refused = srwizard("predict", run_dir, data, "-o", "out.nc", "--missing-value", "0")
    assert refused.returncode == 2
    assert "is a dataset directory" in refused.stderr
