"""LR from a product of its own: matched by time, regridded, compared with HR's block means."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from srwizard.base.errors import DatasetError, UsageError
from srwizard.data import lr_methods
from srwizard.data.coordinates import Grid, block_mean
from srwizard.data.prepare import LrSource, Masking
from srwizard.data.prepare.regrid import regrid
from tests.data.test_prepare import every_field, make, saved

REGRIDDING = [value.name for value in lr_methods.REGRIDDING]
Values = Callable[[Any, Any, Any], Any]


def smooth(time: Any, lat: Any, lon: Any) -> Any:
    """Waves that drift, in kelvin."""
    return 290 + 5 * np.sin(np.deg2rad(4 * lon) + 0.5 * time) * np.cos(np.deg2rad(3 * lat))


def product(
    path: Path,
    times: Any,
    shape: tuple[int, int],
    values: Values = smooth,
    *,
    units: str = "K",
    name: str = "temp",
    south: float = -30,
    land: bool = False,
) -> Path:
    """Write `values` on a grid between 30 S and 30 N, 10 E and 100 E."""
    lat = south + (np.arange(shape[0]) + 0.5) * 60 / shape[0]
    lon = 10 + (np.arange(shape[1]) + 0.5) * 90 / shape[1]
    times = np.asarray(times, float)
    field = values(times[:, None, None], lat[:, None], lon[None, :]).astype(np.float32)
    if land:
        field[:, : shape[0] // 4, : shape[1] // 4] = np.nan
    dataset = xr.Dataset(
        {name: (("time", "lat", "lon"), field, {"units": units})},
        coords={
            "time": ("time", times, {"units": "days since 2000-01-01"}),
            "lat": ("lat", lat, {"units": "degrees_north"}),
            "lon": ("lon", lon, {"units": "degrees_east"}),
        },
    )
    return saved(dataset, path)


def grid(lat: Any, lon: Any) -> Grid:
    return Grid((len(lat), len(lon)), np.asarray(lat, float), np.asarray(lon, float))


@pytest.mark.parametrize("method", REGRIDDING)
def test_a_constant_stays_and_the_globe_has_no_seam(method: str) -> None:
    source = grid(np.arange(-89, 90, 2), np.arange(0.5, 360, 1))
    target = grid(np.arange(80, -81, -4), np.arange(-178, 180, 4))
    found = regrid(source, target, method)(np.full(source.shape, 7.0, np.float32))
    np.testing.assert_allclose(found, 7, rtol=1e-6)


def test_conservative_is_the_mean_by_area() -> None:
    source = grid(np.arange(-59, 60, 2), np.arange(1, 90, 2))
    target = grid(np.arange(-56, 60, 8), np.arange(4, 88, 8))
    field = np.random.default_rng(0).normal(size=source.shape).astype(np.float32)
    edges = np.sin(np.deg2rad(np.arange(-60, 61, 2)))
    area = np.broadcast_to(np.diff(edges)[:, None], source.shape)
    rows, columns = 4 * target.shape[0], 4 * target.shape[1]
    expected = block_mean(field[:rows, :columns], 4, area[:rows, :columns])
    np.testing.assert_allclose(
        regrid(source, target, "conservative")(field), expected, rtol=1e-5, atol=1e-6
    )


def test_bilinear_is_exact_on_a_plane_in_either_direction() -> None:
    source = grid(np.arange(30, -31, -5), np.arange(0, 100, 5))
    target = grid(np.arange(-27, 28, 3), np.arange(2, 93, 7))
    assert source.latitude is not None and source.longitude is not None
    assert target.latitude is not None and target.longitude is not None
    plane = (source.latitude[:, None] + 2 * source.longitude[None, :]).astype(np.float32)
    expected = target.latitude[:, None] + 2 * target.longitude[None, :]
    found = regrid(source, target, "bilinear")(plane)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", REGRIDDING)
def test_gaps_are_left_out_and_what_is_mostly_gap_is_one(method: str) -> None:
    source = grid(np.arange(0.5, 20), np.arange(0.5, 20))
    target = grid(np.arange(2, 20, 4), np.arange(2, 20, 4))
    field = np.full(source.shape, 3.0, np.float32)
    field[:, :5] = np.nan
    found = regrid(source, target, method)(field)
    assert np.isnan(found[:, 0]).all()
    np.testing.assert_allclose(found[:, 1:], 3)


@pytest.mark.parametrize("method", REGRIDDING)
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_product_with_a_bias_on_other_days(tmp_path: Path, method: str, jobs: int) -> None:
    hr = product(tmp_path / "hr.nc", np.arange(20), (48, 72), land=True)
    lr = product(
        tmp_path / "lr.nc",
        np.arange(3, 26) + 0.25,
        (15, 23),
        lambda *at: smooth(at[0] - 0.25, *at[1:]) - 273.15 + 0.4,
        units="degC",
        name="sst",
    )
    source = LrSource((lr,), ("sst",), method)
    manifest = make([hr], tmp_path / "out", scale=4, lr_source=source, jobs=jobs)
    made = manifest.lr_product
    assert made is not None
    assert (made.matched, made.hr_without_partner, made.lr_without_partner) == (17, 3, 6)
    assert (made.tolerance_hours, made.farthest_hours) == (12, 6)
    agreement = made.agreement["temp"]
    assert agreement.bias == pytest.approx(0.4, abs=0.05)
    assert agreement.correlation > 0.97
    assert agreement.lag == 0
    found, hr_fields = every_field(tmp_path / "out", "lr"), every_field(tmp_path / "out", "hr")
    assert found.shape == (17, 12, 18)
    assert found.dtype == np.float32
    means = np.stack([block_mean(field, 4) for field in hr_fields])
    assert np.nanmax(np.abs(found - 0.4 - means)) < 1.5
    assert any("steps matched: 17;" in note for note in manifest.notes)
    written = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert written["lr_product"]["agreement"]["temp"]["lag"] == 0
    assert written["method"] == f"product of its own, {method}"


def test_a_product_that_comes_late_is_named(tmp_path: Path) -> None:
    hr = product(tmp_path / "hr.nc", np.arange(40), (16, 24))
    lr = product(tmp_path / "lr.nc", np.arange(40), (8, 12), lambda *at: smooth(at[0] - 2, *at[1:]))
    manifest = make([hr], tmp_path / "out", lr_source=LrSource((lr,)))
    assert manifest.lr_product is not None
    assert manifest.lr_product.agreement["temp"].lag == 2
    assert any("moved by -2 steps in time" in note for note in manifest.notes)


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({"times": np.arange(100, 110)}, {}, "No step of the LR product lies within 12 h "),
        ({"times": np.arange(10) + 0.4}, {"tolerance_hours": 1.0}, "within 1 h "),
        ({"south": 29.9, "values": smooth}, {}, "do not overlap"),
    ],
)
def test_products_that_do_not_belong_together_are_refused(
    tmp_path: Path, changes: dict[str, Any], options: dict[str, Any], words: str
) -> None:
    hr = product(tmp_path / "hr.nc", np.arange(10), (16, 24))
    given = {"times": np.arange(10), "shape": (8, 12)} | changes
    lr = product(tmp_path / "lr.nc", **given)
    if "south" in changes:
        hr = product(tmp_path / "hr.nc", np.arange(10), (16, 24), south=-31)
    with pytest.raises(DatasetError, match=words):
        make([hr], tmp_path / "out", lr_source=LrSource((lr,), **options))
    assert not (tmp_path / "out").exists()


def test_a_method_is_not_applied_to_a_product(tmp_path: Path) -> None:
    hr = product(tmp_path / "hr.nc", np.arange(10), (16, 24))
    with pytest.raises(UsageError, match="bicubic is not applied"):
        make([hr], tmp_path / "out", lr_source=LrSource((hr,)), lr_method="bicubic")
    with pytest.raises(UsageError, match="variables of HR: 1, but of LR: 2"):
        make([hr], tmp_path / "out", lr_source=LrSource((hr,), ("a", "b")))


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


@pytest.mark.parametrize(("hr_hour", "lr_hour"), [(0.0, 0.5), (0.5, 0.0)])
def test_of_two_steps_as_near_that_of_the_same_day_is_taken(
    tmp_path: Path, hr_hour: float, lr_hour: float
) -> None:
    hr = product(tmp_path / "hr.nc", np.arange(12) + hr_hour, (48, 72))
    lr = product(tmp_path / "lr.nc", np.arange(12) + lr_hour, (24, 36))
    made = make([hr], tmp_path / "out", scale=4, lr_source=LrSource((lr,))).lr_product
    assert made is not None
    assert (made.matched, made.lr_used_twice, made.farthest_hours) == (12, 0, 12)


def test_a_step_of_lr_that_belongs_to_several_of_hr_is_told(tmp_path: Path) -> None:
    hr = product(tmp_path / "hr.nc", np.arange(12), (48, 72))
    lr = product(tmp_path / "lr.nc", np.arange(0, 12, 2) + 0.5, (24, 36))
    notes = make([hr], tmp_path / "out", scale=4, lr_source=LrSource((lr,))).notes
    assert any("belong to more than one step of HR" in note for note in notes)


@pytest.mark.parametrize("hours", [-3.0, float("nan"), float("inf")])
def test_a_tolerance_is_a_number_of_hours(tmp_path: Path, hours: float) -> None:
    hr = product(tmp_path / "hr.nc", np.arange(12), (48, 72))
    source = LrSource((hr,), tolerance_hours=hours)
    with pytest.raises(UsageError, match="not a number of 0 or more"):
        make([hr], tmp_path / "out", scale=4, lr_source=source)


@pytest.mark.parametrize("method", REGRIDDING)
def test_longitudes_may_jump_within_the_array(method: str) -> None:
    """Regions across Greenwich or the date line are often stored so."""
    source = grid(np.arange(-59.5, 60), np.arange(0.5, 360))
    field = np.cos(np.deg2rad(np.arange(0.5, 360)))[None, :].repeat(120, 0).astype(np.float32)
    onward = np.arange(341.0, 381.0, 2)
    expected = regrid(source, grid(np.arange(-20, 21, 2), onward), method)(field)
    jumping = regrid(source, grid(np.arange(-20, 21, 2), onward % 360), method)(field)
    np.testing.assert_allclose(jumping, expected, rtol=1e-6)


@pytest.mark.parametrize("method", REGRIDDING)
def test_a_meridian_of_lr_that_is_there_twice_counts_once(method: str) -> None:
    target = grid(np.arange(-20, 21, 8), np.arange(4, 360, 8))
    latitudes, longitudes = np.arange(-60, 61, 2), np.arange(0, 361, 2)
    field = np.random.default_rng(0).normal(size=(61, 181)).astype(np.float32)
    field[:, -1] = field[:, 0]
    twice = regrid(grid(latitudes, longitudes), target, method)(field)
    once = regrid(grid(latitudes, longitudes[:-1]), target, method)(field[:, :-1])
    np.testing.assert_allclose(twice, once, rtol=1e-5, atol=1e-6)
