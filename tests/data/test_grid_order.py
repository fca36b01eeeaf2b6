"""Rows and columns that are no neighbours on the globe are not taken for neighbours."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from srwizard.base.errors import DatasetError
from srwizard.data.coordinates import Grid
from srwizard.data.prepare import LrSource, Selection
from srwizard.data.prepare.grid_order import check_order
from srwizard.data.prepare.look import look
from srwizard.use.inputs import open_input
from tests.data.test_lr_product import product
from tests.data.test_prepare import every_field, make, ocean, saved

LATITUDE, LONGITUDE = np.linspace(-30, 60, 4), np.linspace(10, 20, 6)
AT_GREENWICH = np.array([0.5, 1.5, 2.5, 357.5, 358.5, 359.5])


@pytest.mark.parametrize(
    ("latitude", "longitude", "refused"),
    [
        (LATITUDE, LONGITUDE, None),
        (LATITUDE[::-1], LONGITUDE[::-1], None),
        (LATITUDE, np.array([178.0, 179, 180, -179, -178, -177]), None),
        (LATITUDE, np.linspace(0, 360, 7)[:6], None),
        (LATITUDE[[1, 0, 2, 3]], LONGITUDE, "latitudes .* 0 is followed by -30"),
        (np.zeros(4), LONGITUDE, "latitudes"),
        (np.where(LATITUDE > 50, np.nan, LATITUDE), LONGITUDE, "followed by nan"),
        (LATITUDE, AT_GREENWICH, "longitudes .* 2.5 is followed by 357.5"),
        (np.tile(LATITUDE[[1, 0, 2, 3]][:, None], 6), np.tile(LONGITUDE, (4, 1)), None),
    ],
)
def test_coordinates_run_in_one_direction(
    latitude: Any, longitude: Any, refused: str | None
) -> None:
    grid = Grid((4, 6), latitude, longitude)
    if refused is None:
        check_order(grid)
    else:
        with pytest.raises(DatasetError, match=refused):
            check_order(grid)


def test_a_region_that_was_cut_at_greenwich(tmp_path: Path) -> None:
    source = saved(ocean(longitude=AT_GREENWICH), tmp_path / "a.nc")
    with pytest.raises(DatasetError, match="longitudes") as refused:
        make([source], tmp_path / "out")
    assert "--lon" in str(refused.value.hint)
    assert not (tmp_path / "out").exists()
    (found,) = look([source]).variables
    assert not found.is_global
    assert any("2.5 is followed by 357.5" in text for text in found.suspicions)
    make([source], tmp_path / "out", selection=Selection(longitude=(-3, 3)))
    lr = every_field(tmp_path / "out", "hr")
    with xr.open_dataset(source, engine="h5netcdf") as stored:
        np.testing.assert_array_equal(lr, np.roll(stored["temp"].values, 3, axis=2))


@pytest.mark.parametrize("method", ["conservative", "bilinear", "nearest"])
def test_an_lr_product_in_any_order(tmp_path: Path, method: str) -> None:
    hr = product(tmp_path / "hr.nc", np.arange(12), (48, 72))
    lr = product(tmp_path / "lr.nc", np.arange(12), (24, 36))
    random = np.random.default_rng(0)
    with xr.open_dataset(lr, engine="h5netcdf", decode_times=False) as stored:
        shuffled = stored.isel(lat=random.permutation(24), lon=[*range(20, 36), *range(20)]).load()
    saved(shuffled, tmp_path / "shuffled.nc")
    for name, path in (("one", lr), ("other", tmp_path / "shuffled.nc")):
        make([hr], tmp_path / name, scale=4, lr_source=LrSource((path,), (), method))
    np.testing.assert_allclose(
        every_field(tmp_path / "other", "lr"), every_field(tmp_path / "one", "lr"), rtol=1e-6
    )


def test_prediction_refuses_them_without_options_that_it_has_not(tmp_path: Path) -> None:
    cut = saved(ocean(longitude=AT_GREENWICH), tmp_path / "cut.nc")
    with pytest.raises(DatasetError, match="longitudes"):
        open_input([cut], {"temp": "temp"}, None)
    deep = ocean().expand_dims(depth=[0.0, 10.0]).transpose("time", "depth", "lat", "lon")
    with pytest.raises(DatasetError, match="depth is neither time") as refused:
        open_input([saved(deep, tmp_path / "deep.nc")], {"temp": "temp"}, None)
    assert "--depth" not in str(refused.value.hint)
