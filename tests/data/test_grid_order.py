"""Rows and columns that are no neighbours on the globe are not taken for neighbours."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from srwizard.base.errors import DatasetError
from srwizard.data.prepare import LrSource, Masking, Selection
from srwizard.data.prepare.grid import Grid
from srwizard.data.prepare.grid_order import check_order
from srwizard.data.prepare.look import look
from srwizard.data.prepare.masking import MaskVariable
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


def test_fill_values_of_an_lr_product(tmp_path: Path) -> None:
    hr = product(tmp_path / "hr.nc", np.arange(12), (48, 72), land=True)
    lr = product(tmp_path / "lr.nc", np.arange(12), (24, 36), land=True)
    with xr.open_dataset(lr, engine="h5netcdf", decode_times=False) as stored:
        filled = stored.fillna(-999).load()
    saved(filled, tmp_path / "filled.nc", encoding={"temp": {"_FillValue": None}})
    source = LrSource((tmp_path / "filled.nc",))
    kept = make([hr], tmp_path / "kept", scale=4, lr_source=source)
    assert any("--missing-value -999" in note for note in kept.notes)
    masking = Masking(missing=(-999.0,))
    masked = make([hr], tmp_path / "masked", scale=4, lr_source=source, masking=masking)
    assert not any("--missing-value" in note for note in masked.notes)
    make([hr], tmp_path / "declared", scale=4, lr_source=LrSource((lr,)))
    np.testing.assert_array_equal(
        every_field(tmp_path / "masked", "lr"), every_field(tmp_path / "declared", "lr")
    )


def test_a_file_in_other_units_under_the_same_name(tmp_path: Path) -> None:
    first, second = ocean(6), ocean(6, start=6, seed=1)
    second["temp"] = second["temp"].copy(data=second["temp"].values - 273.15)
    sources = [saved(first, tmp_path / "a.nc"), saved(second, tmp_path / "b.nc")]
    notes = make(sources, tmp_path / "out").notes
    assert any("from step 20000107T000000 on" in note for note in notes)
    assert not any("other units" in note for note in make(sources[:1], tmp_path / "one").notes)


def test_levels_of_a_mask_under_another_name(tmp_path: Path) -> None:
    """As in NEMO's mesh_mask.nc: the dimension is z, its depths are nav_lev."""
    values = np.broadcast_to(ocean()["temp"].values[:, None], (6, 3, 4, 6))
    deep = ocean().drop_vars("temp")
    deep["depth"] = ("depth", np.array([0.5, 10, 30]), {"units": "m", "positive": "down"})
    deep["temp"] = (("time", "depth", "lat", "lon"), values.copy(), {"units": "K"})
    mask = np.ones((1, 3, 4, 6), np.int8)
    mask[0, 1, 3, 3] = 0
    saved(xr.Dataset({"tmask": (("t", "z", "y", "x"), mask),
                      "nav_lev": ("z", np.array([0.5, 10, 30], np.float32))}),
          tmp_path / "mesh_mask.nc")  # fmt: skip
    masking = Masking(variable=MaskVariable("tmask", tmp_path / "mesh_mask.nc"))
    source = saved(deep, tmp_path / "a.nc")
    make([source], tmp_path / "out", depths=(10.0,), masking=masking)
    assert np.isnan(every_field(tmp_path / "out", "hr")[:, 3, 3]).all()
    make([source], tmp_path / "top", depths=(0.0,), masking=masking)
    assert np.isfinite(every_field(tmp_path / "top", "hr")[:, 3, 3]).all()


def test_a_manifest_of_fill_values_is_json(tmp_path: Path) -> None:
    filled = ocean().fillna(1e20)
    source = saved(filled, tmp_path / "a.nc", encoding={"temp": {"_FillValue": None}})
    make([source], tmp_path / "out")
    assert "Infinity" not in (tmp_path / "out" / "manifest.json").read_text()


@pytest.mark.parametrize("units", ["degC", None])
def test_files_of_other_units_are_told_before_and_when_they_are_prepared(
    tmp_path: Path, units: str | None
) -> None:
    first, second = ocean(6), ocean(6, start=6)
    second["temp"].attrs = {} if units is None else {"units": units}
    for name, each in (("a", first), ("b", second)):
        saved(each, tmp_path / f"{name}.nc")
    sources = [tmp_path / "a.nc", tmp_path / "b.nc"]
    with pytest.raises(DatasetError, match="temp has") as refused:
        make(sources, tmp_path / "out")
    assert "None" not in refused.value.message
    (found,) = look(sources).variables
    assert any(refused.value.message in text for text in found.suspicions)


def test_a_dimension_of_members_is_to_be_cut(tmp_path: Path) -> None:
    members = xr.concat([ocean(), ocean(seed=1)], "member").transpose("member", "time", ...)
    members = members.assign_coords(time=ocean()["time"], lat=ocean()["lat"], lon=ocean()["lon"])
    with pytest.raises(DatasetError) as refused:
        look([saved(members, tmp_path / "a.nc")])
    assert "isel(member=0)" in str(refused.value.hint)


def test_lr_half_a_step_off_is_told(tmp_path: Path) -> None:
    hr = product(tmp_path / "hr.nc", np.arange(12), (48, 72))
    lr = product(tmp_path / "lr.nc", np.arange(12) + 0.5, (24, 36))
    notes = make([hr], tmp_path / "out", scale=4, lr_source=LrSource((lr,))).notes
    assert any("belongs to more than one step of HR" in note for note in notes)


def test_prediction_refuses_them_without_options_that_it_has_not(tmp_path: Path) -> None:
    cut = saved(ocean(longitude=AT_GREENWICH), tmp_path / "cut.nc")
    with pytest.raises(DatasetError, match="longitudes"):
        open_input([cut], {"temp": "temp"}, None)
    deep = ocean().expand_dims(depth=[0.0, 10.0]).transpose("time", "depth", "lat", "lon")
    with pytest.raises(DatasetError, match="depth is neither time") as refused:
        open_input([saved(deep, tmp_path / "deep.nc")], {"temp": "temp"}, None)
    assert "--depth" not in str(refused.value.hint)
