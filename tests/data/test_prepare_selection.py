"""Parts of sources: regions, times, depths, units, Zarr stores, several processes, leakage."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import xarray as xr
import zarr

from srwizard.base.errors import DatasetError, UsageError
from srwizard.data.coordinates import Grid
from srwizard.data.prepare import (
    Selection,
    pair_pool,
    pair_processes,
    parse_depths,
    parse_latitudes,
    parse_longitudes,
    parse_static,
    parse_times,
    parse_units,
)
from srwizard.data.prepare.look import look
from srwizard.data.prepare.masking import Masking
from srwizard.data.prepare.selection import reaches_around, window_of
from srwizard.data.prepare.times import Moment
from srwizard.data.prepare.units import conversion
from tests.data.test_prepare import (
    NEMO,
    every_field,
    files_under,
    make,
    ocean,
    saved,
    series,
)
from tests.e2e.terminal import PROGRAM

PACKING = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 273.15, "_FillValue": -999}


def globe(first: float = 0.0) -> xr.Dataset:
    """A record on a global grid of 10 degrees, whose columns begin at `first`."""
    return ocean(
        shape=(18, 36),
        latitude=np.arange(-85.0, 90, 10),
        longitude=np.arange(36) * 10.0 + first,
    )


def static(root: Path, name: str, level: str = "hr") -> Any:
    return np.load(root / "static_variables" / level / name)


class TestRegion:
    @pytest.mark.parametrize(
        ("first", "region", "expected"),
        [
            (0.0, "20:50", [20, 30, 40, 50]),
            (0.0, "-20:10", [-20, -10, 0, 10]),
            (0.0, "340:370", None),
            (-180.0, "170:-170", [170, 180, 190]),
            (-180.0, "170:200", [170, 180, 190, 200]),
            (-180.0, "350:20", [-10, 0, 10, 20]),
            (0.0, "170:-160", [170, 180, 190, 200]),
            (0.0, "-180:180", [180 + 10 * n for n in range(36)]),
            (0.0, "0:360", [10 * n for n in range(36)]),
        ],
    )
    def test_longitudes_of_either_convention(
        self, first: float, region: str, expected: list[float] | None
    ) -> None:
        dataset = globe(first)
        grid = Grid((18, 36), dataset.lat.values, dataset.lon.values)
        if expected is None:
            with pytest.raises(UsageError, match="340:370"):
                parse_longitudes(region)
            return
        window, notes = window_of(grid, Selection(parse_longitudes(region), None))
        taken = grid.windowed(window).longitude
        assert taken is not None
        np.testing.assert_allclose((taken - expected + 180) % 360, 180)
        assert np.all(np.diff(taken) > 0)
        assert notes == []

    @pytest.mark.parametrize(
        ("region", "expected"),
        [
            (None, range(0, 360, 10)),
            ("-20:10", [-20, -10, 0, 10]),
            ("-180:170", range(-180, 180, 10)),
        ],
    )
    @pytest.mark.parametrize("first", [0.0, -180.0])
    def test_a_meridian_that_is_there_twice_is_taken_once(
        self, first: float, region: str | None, expected: Sequence[float]
    ) -> None:
        """Plotting programs add such a column, and cyclic points stay in what they write."""
        longitude = (np.arange(37) * 10.0 + first).astype(np.float32)
        grid = Grid((18, 37), np.arange(-85.0, 90, 10), longitude)
        chosen = None if region is None else parse_longitudes(region)
        window, notes = window_of(grid, Selection(chosen, None))
        taken = grid.windowed(window).longitude
        assert taken is not None
        if region is None:
            expected = [first + step for step in expected]
        np.testing.assert_allclose((taken - expected + 180) % 360, 180)
        assert np.all(np.diff(taken) > 0)
        assert len(notes) == 1
        assert f"{first:g} and {first + 360:g}" in notes[0]
        assert reaches_around(grid)

    def test_values_follow_their_longitudes_across_the_seam(self, tmp_path: Path) -> None:
        dataset = globe()
        source = saved(dataset, tmp_path / "a.nc")
        manifest = make(
            [source], tmp_path / "root", selection=Selection((-20.0, 10.0), (-30.0, 30.0))
        )
        expected = dataset.temp.sel(lat=slice(-30, 30)).values[:, :, [34, 35, 0, 1]]
        np.testing.assert_array_equal(every_field(tmp_path / "root", "hr"), expected)
        np.testing.assert_allclose(static(tmp_path / "root", "00_lon.npy") % 360, [340, 350, 0, 10])
        assert manifest.region.columns == ((34, 36), (0, 2))
        assert manifest.region.rows == (6, 12)
        assert manifest.region.longitude == (-20.0, 10.0)

    def test_cropping_follows_the_region(self, tmp_path: Path) -> None:
        source = saved(globe(), tmp_path / "a.nc")
        manifest = make(
            [source], tmp_path / "root", selection=Selection((-20.0, 20.0), (-30.0, 40.0))
        )
        assert manifest.hr_shape == (6, 4)
        assert manifest.crop.source_shape == (7, 5)
        np.testing.assert_allclose(static(tmp_path / "root", "00_lon.npy") % 360, [340, 350, 0, 10])

    def test_southward_rows(self, tmp_path: Path) -> None:
        dataset = globe().isel(lat=slice(None, None, -1))
        make(
            [saved(dataset, tmp_path / "a.nc")],
            tmp_path / "root",
            selection=Selection(None, parse_latitudes("20:-20")),
        )
        np.testing.assert_array_equal(static(tmp_path / "root", "01_lat.npy"), [15, 5, -5, -15])

    def test_a_curvilinear_grid_gives_its_smallest_block(self, tmp_path: Path) -> None:
        manifest = make(
            NEMO,
            tmp_path / "root",
            variables={"tos": "tos"},
            selection=Selection((-60.0, -20.0), (30.0, 60.0)),
        )
        longitude = static(tmp_path / "root", "00_lon.npy")
        latitude = static(tmp_path / "root", "01_lat.npy")
        assert longitude.shape == latitude.shape == manifest.hr_shape
        with xr.open_dataset(NEMO[0], decode_times=False) as source:
            lon, lat = source.nav_lon.values, source.nav_lat.values
        inside = ((lon % 360 >= 300) & (lon % 360 <= 340)) & ((lat >= 30) & (lat <= 60))
        rows, columns = np.nonzero(inside)
        assert manifest.region.rows == (rows.min(), rows.max() + 1)
        assert manifest.region.columns == ((columns.min(), columns.max() + 1),)
        assert any("curvilinear" in note for note in manifest.notes)

    def test_a_region_without_a_cell_and_a_grid_without_coordinates(self, tmp_path: Path) -> None:
        regional = saved(ocean(), tmp_path / "a.nc")
        bare = saved(ocean().drop_vars("lon"), tmp_path / "b.nc")
        for source, region, match in (
            (regional, Selection((100.0, 120.0)), "No cell"),
            (bare, Selection((10.0, 12.0)), "longitude"),
            (regional, Selection((18.0, 12.0)), "around the globe"),
        ):
            with pytest.raises(DatasetError, match=match):
                make([source], tmp_path / "r", selection=region)
        assert not (tmp_path / "r").exists()

    @pytest.mark.parametrize("text", ["", "10", "a:b", "10:20:30", "10:10", "500:510", "nan:3"])
    def test_longitude_text(self, text: str) -> None:
        with pytest.raises(UsageError):
            parse_longitudes(text)

    @pytest.mark.parametrize("text", ["10", "-91:0", "5:5"])
    def test_latitude_text(self, text: str) -> None:
        with pytest.raises(UsageError):
            parse_latitudes(text)


class TestTime:
    @pytest.mark.parametrize(
        ("text", "first", "last"),
        [
            ("2000-01-03:2000-01-08", "2000-01-03", "2000-01-08"),
            ("2000-01-03T00:2000-01-08T12:30", "2000-01-03", "2000-01-08"),
            ("2000-01-03/2000-01-08", "2000-01-03", "2000-01-08"),
            (":2000-01-08", "2000-01-01", "2000-01-08"),
            ("2000-02:", "2000-02-01", "2000-02-09"),
            ("2000:2000", "2000-01-01", "2000-02-09"),
            ("1990:2000-01", "2000-01-01", "2000-01-31"),
        ],
    )
    def test_both_ends_are_taken_whole(
        self, tmp_path: Path, text: str, first: str, last: str
    ) -> None:
        source = saved(ocean(40), tmp_path / "a.nc")
        manifest = make([source], tmp_path / "r", selection=Selection(time=parse_times(text)))
        assert manifest.splits["train"].first.startswith(first)
        assert manifest.splits["test"].last.startswith(last)

    def test_days_that_only_some_calendars_have(self, tmp_path: Path) -> None:
        dataset = ocean(90)
        dataset.time.attrs["calendar"] = "360_day"
        source = saved(dataset, tmp_path / "a.nc")
        wanted = Selection(time=parse_times("2000-02-28:2000-03-02"))
        manifest = make([source], tmp_path / "r", selection=wanted)
        assert sum(split.steps for split in manifest.splits.values()) == 5
        assert "20000230T000000" in {
            name
            for part in ("train", "valid", "test")
            for name in series(tmp_path / "r", part, "hr")
        }

    def test_without_steps_or_without_times(self, tmp_path: Path) -> None:
        source = saved(ocean(), tmp_path / "a.nc")
        timeless = saved(ocean().drop_vars("time"), tmp_path / "b.nc")
        wanted = Selection(time=parse_times("2010:"))
        with pytest.raises(DatasetError, match="2000-01-01T00:00:00 to 2000-01-06"):
            make([source], tmp_path / "r", selection=wanted)
        with pytest.raises(DatasetError, match="no usable time"):
            make([timeless], tmp_path / "r", selection=wanted)

    @pytest.mark.parametrize(
        "text",
        ["", ":", "2000", "2001:2000", "2000-1:2001", "a:b", "2000-13:", ":2000-00", "2000-01-32:",
         "2000-01-01T24:"],
    )  # fmt: skip
    def test_text(self, text: str) -> None:
        with pytest.raises(UsageError):
            parse_times(text)

    def test_the_end_of_a_month_needs_no_calendar(self) -> None:
        wanted = parse_times("2000-02:2000-02")
        assert wanted.holds(Moment(2000, 2, 30, 23, 59, 59))
        assert not wanted.holds(Moment(2000, 3, 1, 0, 0, 0))


def deep(attributes: dict[str, str] | None = None, sign: float = 1.0) -> xr.Dataset:
    """Temperature on three levels, the values of which tell the level; and a sea level."""
    dataset = ocean()
    levels = sign * np.array([0.5, 47.0, 109.0])
    dataset["temp"] = dataset.temp.expand_dims(depth=levels, axis=1) + np.arange(3).reshape(
        1, 3, 1, 1
    )
    dataset.temp.attrs["units"] = "K"
    dataset.depth.attrs = attributes or {"units": "m", "positive": "down"}
    dataset["zos"] = ocean(seed=5).temp
    return dataset


class TestDepth:
    def test_the_nearest_level_is_taken_and_noted(self, tmp_path: Path) -> None:
        dataset = deep()
        manifest = make([saved(dataset, tmp_path / "a.nc")], tmp_path / "r", depths=(40,))
        np.testing.assert_array_equal(every_field(tmp_path / "r", "hr"), dataset.temp[:, 1].values)
        assert manifest.variables["temp"].depth == 47.0
        assert any("47" in note and "40" in note for note in manifest.notes)

    def test_several_levels_become_variables(self, tmp_path: Path) -> None:
        dataset = deep()
        manifest = make(
            [saved(dataset, tmp_path / "a.nc")],
            tmp_path / "r",
            variables={"temp": "t", "zos": "zos"},
            depths=parse_depths("0,100"),
            units=parse_units(("t=degC",)),
        )
        assert list(manifest.variables) == ["t_0m", "t_100m", "zos"]
        for name, level in (("t_0m", 0), ("t_100m", 2)):
            np.testing.assert_allclose(
                every_field(tmp_path / "r", "hr", name),
                dataset.temp[:, level].values - 273.15,
                rtol=1e-4,
            )
        assert manifest.variables["zos"].depth is None

    @pytest.mark.parametrize(
        "attributes", [{"units": "m", "positive": "up"}, {"units": "m", "axis": "Z"}]
    )
    def test_heights_count_upward(self, tmp_path: Path, attributes: dict[str, str]) -> None:
        dataset = deep(attributes, sign=-1.0)
        manifest = make([saved(dataset, tmp_path / "a.nc")], tmp_path / "r", depths=(100,))
        assert manifest.variables["temp"].depth == 109.0

    def test_heights_above_the_ground_are_chosen_as_they_stand(self, tmp_path: Path) -> None:
        dataset = deep({"units": "m", "positive": "up", "standard_name": "height"})
        manifest = make([saved(dataset, tmp_path / "a.nc")], tmp_path / "r", depths=(47,))
        np.testing.assert_array_equal(every_field(tmp_path / "r", "hr"), dataset.temp[:, 1].values)
        assert manifest.variables["temp"].depth == 47.0
        assert not any("was taken for the depth" in note for note in manifest.notes)

    def test_levels_that_are_all_missing_are_none(self, tmp_path: Path) -> None:
        dataset = deep()
        dataset["depth"] = ("depth", np.full(3, np.nan), {"positive": "down", "units": "m"})
        source = saved(dataset, tmp_path / "a.nc")
        with pytest.raises(DatasetError, match="has no depths"):
            make([source], tmp_path / "r", depths=(0,))
        assert look([source]).usable[0].depths == ()

    def test_without_depth(self, tmp_path: Path) -> None:
        source = saved(ocean(), tmp_path / "a.nc")
        with pytest.raises(DatasetError, match="depth to choose"):
            make([source], tmp_path / "r", depths=(0,))

    @pytest.mark.parametrize("text", ["", "a", "-1", "0,0", "inf"])
    def test_text(self, text: str) -> None:
        with pytest.raises(UsageError):
            parse_depths(text)


class TestUnits:
    @pytest.mark.parametrize(
        ("source", "target", "value", "expected"),
        [
            ("K", "degC", 273.15, 0.0),
            ("degrees_C", "K", 10.0, 283.15),
            ("cm", "m", 250.0, 2.5),
            ("m s-1", "cm s-1", 0.5, 50.0),
            ("%", "1", 45.0, 0.45),
            ("psu", "psu", 35.0, 35.0),
            ("m s**-1", "cm/s", 1.0, 100.0),
            ("meter second-1", "m s-1", 1.0, 1.0),
            ("mg m-3", "ug/L", 2.0, 2.0),
            ("umol/kg", "mol kg-1", 2.0, 2e-6),
            ("N m-2", "Pa", 3.0, 3.0),
            ("W m-2", "W/m^2", 3.0, 3.0),
            ("m2 s-2", "J/kg", 3.0, 3.0),
            ("knots", "m/s", 1.0, 1852 / 3600),
            ("Sv", "m3 s-1", 1.0, 1e6),
            ("degF", "degC", 50.0, 10.0),
            ("degrees Fahrenheit", "K", 32.0, 273.15),
            ("PSS-78", "psu", 35.0, 35.0),
            ("PSU78", "1e-3", 35.0, 35.0),
            ("M/S", "m.s-1", 1.0, 1.0),
            ("m s^-1", "m s-1", 1.0, 1.0),
            ("deg C", "K", 0.0, 273.15),
            ("Deg C", "degC", 3.0, 3.0),
            ("degrees_Celsius", "K", 0.0, 273.15),
            ("MB", "Pa", 1.0, 100.0),
            ("PSU", "1e-3", 35.0, 35.0),
            ("g kg-1", "psu", 35.0, 35.0),
            ("mg/m^3", "kg m-3", 1.0, 1e-6),
        ],
    )
    def test_conversion(self, source: str, target: str, value: float, expected: float) -> None:
        found = conversion("v", source, target)(np.array([value, np.nan], np.float32))
        assert found.dtype == np.float32
        assert found[0] == pytest.approx(expected, abs=1e-5)
        assert np.isnan(found[1])

    def test_packed_kelvin_to_celsius(self, tmp_path: Path) -> None:
        dataset = ocean()
        source = saved(dataset, tmp_path / "a.nc", encoding={"temp": PACKING})
        manifest = make([source], tmp_path / "r", fmt="nc", units={"temp": "degC"})
        with xr.open_dataset(tmp_path / "r/train.nc", group="hr", engine="h5netcdf") as train:
            np.testing.assert_allclose(
                train.temp.values, dataset.temp.values[:2] - 273.15, atol=0.006
            )
            assert train.temp.attrs["units"] == "degC"
        assert manifest.variables["temp"].attributes["units"] == "degC"
        assert manifest.variables["temp"].source_units == "K"
        assert manifest.splits["train"].statistics["temp"].mean == pytest.approx(
            np.nanmean(dataset.temp.values[:2]) - 273.15, abs=0.01
        )

    def test_refusals(self, tmp_path: Path) -> None:
        source = saved(ocean(), tmp_path / "a.nc")
        for units, error, match in (
            ({"temp": "m"}, DatasetError, "cannot be converted"),
            ({"so": "psu"}, UsageError, "not a variable of the dataset"),
        ):
            with pytest.raises(error, match=match):
                make([source], tmp_path / "r", units=units)
        with pytest.raises(DatasetError, match="cannot be converted"):
            conversion("temp", "m-78", "m")
        with pytest.raises(UsageError):
            parse_units(("temp",))
        with pytest.raises(DatasetError, match="do not say"):
            conversion("temp", None, "K")


class TestZarr:
    @pytest.mark.parametrize("fmt", [2, 3])
    @pytest.mark.parametrize("consolidated", [True, False])
    def test_a_store_is_a_source(
        self, tmp_path: Path, fmt: Literal[2, 3], consolidated: bool
    ) -> None:
        dataset = ocean(9)
        dataset.to_zarr(
            tmp_path / "a.zarr",
            zarr_format=fmt,
            consolidated=consolidated,
            encoding={"temp": PACKING | {"chunks": (4, 2, 6)}},
        )
        manifest = make([tmp_path / "a.zarr"], tmp_path / "r")
        np.testing.assert_allclose(
            every_field(tmp_path / "r", "hr"), dataset.temp.values, atol=0.006
        )
        assert manifest.variables["temp"].attributes["units"] == "K"
        assert manifest.splits["train"].first == "2000-01-01T00:00:00"

    def test_a_zero_is_a_value_where_no_fill_value_is_declared(self, tmp_path: Path) -> None:
        """zarr and kerchunk write a fill value of 0 into every array of format 2."""
        dataset = ocean(9)
        dataset["temp"] = dataset.temp.where(dataset.temp > dataset.temp.mean(), 0)
        store = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
        for name, variable in dataset.variables.items():
            array = store.create_array(
                str(name), shape=variable.shape, dtype=variable.dtype, fill_value=0
            )
            array[...] = variable.values
            named = {"_ARRAY_DIMENSIONS": list(variable.dims)}
            array.attrs.update({**variable.attrs, **named})
        manifest = make([tmp_path / "a.zarr"], tmp_path / "r")
        np.testing.assert_array_equal(every_field(tmp_path / "r", "hr"), dataset.temp.values)
        assert manifest.splits["train"].first == "2000-01-01T00:00:00"
        masking = Masking((0.0,))
        make([tmp_path / "a.zarr"], tmp_path / "m", masking=masking)
        assert np.isnan(every_field(tmp_path / "m", "hr")[dataset.temp.values == 0]).all()

    def test_stores_and_files_make_one_record(self, tmp_path: Path) -> None:
        early, late = ocean(3, seed=1), ocean(3, start=3, seed=2)
        late.to_zarr(tmp_path / "late.zarr")
        sources = [tmp_path / "late.zarr", saved(early, tmp_path / "early.nc")]
        make(sources, tmp_path / "r")
        expected = np.concatenate([early.temp.values, late.temp.values])
        np.testing.assert_array_equal(every_field(tmp_path / "r", "hr"), expected)

    def test_refusals(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "a.zarr").mkdir()
        (tmp_path / "a.zarr/zarr.json").write_text("{")
        with pytest.raises(UsageError, match="cannot be read as Zarr"):
            make([tmp_path / "a.zarr"], tmp_path / "r")
        monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
        with pytest.raises(UsageError, match="not installed") as raised:
            make([tmp_path / "a.zarr"], tmp_path / "r")
        assert "srwizard[zarr]" in raised.value.hint


class TestStatics:
    def test_a_field_of_its_own_file_is_cut_and_averaged_alike(self, tmp_path: Path) -> None:
        dataset = globe()
        depth = np.arange(18 * 36, dtype=np.float32).reshape(18, 36)
        bathymetry = xr.Dataset(
            {"deptho": (("lat", "lon"), depth)}, dataset.drop_vars("time").coords
        )
        saved(bathymetry, tmp_path / "b.nc")
        manifest = make(
            [saved(dataset, tmp_path / "a.nc")],
            tmp_path / "r",
            selection=Selection((0.0, 30.0), (0.0, 40.0)),
            statics=[parse_static(f"{tmp_path}/b.nc:deptho=bathymetry")],
        )
        expected = depth[9:13, 0:4]
        np.testing.assert_array_equal(static(tmp_path / "r", "02_bathymetry.npy"), expected)
        np.testing.assert_array_equal(
            static(tmp_path / "r", "02_bathymetry.npy", "lr"),
            expected.reshape(2, 2, 2, 2).mean(axis=(1, 3)),
        )
        assert manifest.statics == ("bathymetry",)

    def test_what_stands_for_missing_is_missing_in_them_too(self, tmp_path: Path) -> None:
        dataset = globe()
        depth = np.linspace(10, 500, 18 * 36, dtype=np.float32).reshape(18, 36)
        depth[:6] = -9999
        bathymetry = xr.Dataset(
            {"deptho": (("lat", "lon"), depth)}, dataset.drop_vars("time").coords
        )
        saved(bathymetry, tmp_path / "b.nc")
        source, wanted = saved(dataset, tmp_path / "a.nc"), parse_static(f"{tmp_path}/b.nc:deptho")
        told = make([source], tmp_path / "r", statics=[wanted])
        assert any("deptho" in note and "--missing-value -9999" in note for note in told.notes)
        masking = Masking((-9999.0,))
        masked = make([source], tmp_path / "m", statics=[wanted], masking=masking)
        assert not any("--missing-value" in note for note in masked.notes)
        lr = static(tmp_path / "m", "02_deptho.npy", "lr")
        assert np.isnan(lr[:3]).all()
        assert lr[3:].min() > 0

    def test_refusals(self, tmp_path: Path) -> None:
        source = saved(ocean(), tmp_path / "a.nc")
        other = saved(ocean(1, (6, 6)).isel(time=0), tmp_path / "b.nc")
        for text, error, match in (
            (f"{other}:temp", DatasetError, "different grid"),
            (f"{source}:temp", DatasetError, "6 steps"),
            (f"{source}:none", UsageError, "none"),
        ):
            with pytest.raises(error, match=match):
                make([source], tmp_path / "r", statics=[parse_static(text)])
        for text in ("b.nc", "b.nc:", "b.nc:x=lon"):
            with pytest.raises(UsageError):
                parse_static(text)


class TestStatistics:
    def test_of_each_split_over_what_is_there(self, tmp_path: Path) -> None:
        dataset = ocean(12)
        dataset["temp"][1, 2] = np.nan
        make([saved(dataset, tmp_path / "a.nc")], tmp_path / "r")
        stated = json.loads((tmp_path / "r/manifest.json").read_text())["splits"]
        start = 0
        for split in ("train", "valid", "test"):
            part = dataset.temp.values[start : start + stated[split]["steps"]].astype(np.float64)
            start += stated[split]["steps"]
            found = stated[split]["statistics"]["temp"]
            assert found == {
                "mean": pytest.approx(np.nanmean(part)),
                "std": pytest.approx(np.nanstd(part)),
                "min": np.nanmin(part),
                "max": np.nanmax(part),
                "observed_share": pytest.approx(np.isfinite(part).mean()),
            }


def drifting(steps: int, memory: float) -> xr.Dataset:
    """Fields of which each keeps a share `memory` of the one before it."""
    dataset = ocean(steps, (8, 8))
    random = np.random.default_rng(3)
    fields = [random.normal(size=(8, 8))]
    for _step in range(steps - 1):
        noise = random.normal(size=(8, 8)) * np.sqrt(1 - memory**2)
        fields.append(memory * fields[-1] + noise)
    dataset["temp"] = (dataset.temp.dims, np.stack(fields).astype(np.float32), {"units": "K"})
    return dataset


class TestLeakage:
    def test_splits_that_are_alike_are_named_with_the_gap_to_leave(self, tmp_path: Path) -> None:
        source = saved(drifting(120, 0.95), tmp_path / "a.nc")
        manifest = make([source], tmp_path / "r", split=(0.6, 0.2, 0.2))
        after_train = manifest.likeness[0]
        assert (after_train.before, after_train.after) == ("train", "valid")
        assert after_train.correlation > 0.8
        assert after_train.alike_steps >= 2
        (note,) = [note for note in manifest.notes if "Leakage" in note]
        assert "The validation split begins like the training split ends: correlation 0." in note
        assert "The test split begins like the validation split ends: correlation 0." in note
        gap = max(found.alike_steps for found in manifest.likeness)
        assert f"--gap {gap} " in note
        again = make([source], tmp_path / "gap", split=(0.6, 0.2, 0.2), gap=gap + 3)
        assert not [note for note in again.notes if "Leakage" in note]
        assert again.gap == gap + 3

    def test_steps_without_memory_are_no_leak(self, tmp_path: Path) -> None:
        manifest = make([saved(drifting(60, 0.0), tmp_path / "a.nc")], tmp_path / "r")
        assert not [note for note in manifest.notes if "Leakage" in note]
        assert [found.alike_steps for found in manifest.likeness] == [0, 0]

    def test_a_gap_leaves_steps_out(self, tmp_path: Path) -> None:
        dataset = ocean(14)
        manifest = make([saved(dataset, tmp_path / "a.nc")], tmp_path / "r", gap=2)
        assert [part.steps for part in manifest.splits.values()] == [3, 4, 3]
        assert manifest.splits["train"].last.startswith("2000-01-03")
        assert manifest.splits["valid"].first.startswith("2000-01-06")
        assert manifest.splits["test"].first.startswith("2000-01-12")
        for gap, error in ((6, DatasetError), (-1, UsageError)):
            with pytest.raises(error, match="gap" if gap < 0 else "leaves none") as raised:
                make([tmp_path / "a.nc"], tmp_path / "s", gap=gap)
            assert raised.value.hint


class TestSeveralProcesses:
    @pytest.mark.broad
    @pytest.mark.parametrize("fmt", ["npy", "h5", "nc"])
    @pytest.mark.parametrize(("start", "all_there"),
                             [("fork", True), ("spawn", True), ("spawn", False)])  # fmt: skip
    def test_make_the_same_bytes(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        fmt: Literal["npy", "h5", "nc"],
        start: str,
        all_there: bool,
    ) -> None:
        monkeypatch.setattr(pair_processes, "starting_context", lambda: get_context(start))
        if all_there:  # else this process has made all before another has started
            monkeypatch.setattr(pair_pool, "_until_they_are_there", lambda *_given: iter(()))
        source = saved(
            ocean(30, (8, 8)),
            tmp_path / "a.nc",
            encoding={"temp": {"zlib": True, "chunksizes": (4, 8, 8)}},
        )
        for jobs in (1, 3):
            make([source], tmp_path / str(jobs), fmt=fmt, jobs=jobs, units={"temp": "degC"})
        assert files_under(tmp_path / "1") == files_under(tmp_path / "3")

    @pytest.mark.broad
    def test_errors_keep_their_words(self, tmp_path: Path) -> None:
        dataset = ocean()
        dataset["temp"][4, 2, 2] = np.inf
        source = saved(dataset, tmp_path / "a.nc")
        with pytest.raises(DatasetError, match="infinite") as raised:
            make([source], tmp_path / "r", jobs=2)
        assert raised.value.hint
        assert [path.name for path in tmp_path.iterdir()] == ["a.nc"]
        with pytest.raises(UsageError, match="too few"):
            make([source], tmp_path / "r", jobs=0)

    @pytest.mark.broad
    def test_ctrl_c_ends_all_of_them_and_leaves_nothing(self, tmp_path: Path) -> None:
        source = saved(ocean(60, (8, 8)), tmp_path / "a.nc")
        code = (
            "import sys, time\n"
            "from pathlib import Path\n"
            "from srwizard.data.prepare import prepare\n"
            "def slow(stage, done, total):\n"
            "    if stage == 'train':\n"
            "        print('begun', flush=True)\n"
            "        time.sleep(0.2)\n"
            "if __name__ == '__main__':\n"
            "    prepare([Path(sys.argv[1])], variables={'temp': 'temp'}, scale=2,\n"
            "            split=(0.7, 0.15, 0.15), out=Path(sys.argv[2]), jobs=2, progress=slow)\n"
        )
        (tmp_path / "run.py").write_text(code)
        process = subprocess.Popen(
            [sys.executable, str(tmp_path / "run.py"), str(source), str(tmp_path / "root")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        os.killpg(process.pid, signal.SIGINT)
        _output, errors = process.communicate(timeout=60)
        assert "KeyboardInterrupt" in errors
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nc", "run.py"]
        for _attempt in range(100):
            try:
                os.killpg(process.pid, 0)
            except ProcessLookupError:
                break
            time.sleep(0.1)
        else:
            pytest.fail("a process is left")


SPLIT_LABELS = {
    "en": ("train", "valid", "test"),
    "zh": ("训练集", "验证集", "测试集"),
}


@pytest.mark.parametrize("language", SPLIT_LABELS)
def test_the_command_shows_the_statistics_and_the_warnings(tmp_path: Path, language: str) -> None:
    source = saved(drifting(60, 0.97), tmp_path / "a.nc")
    done = subprocess.run(
        [
            PROGRAM, "--lang", language, "prepare", str(source), "--variable", "temp", "--name",
            "sst", "--scale", "2", "--lon", "10:20", "--lat", "-30:60",
            "--time", "2000-01-11:2000-02", "--units", "sst=degC", "--gap", "1",
            "--jobs", "1", "-o", str(tmp_path / "root"),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert ("Leakage in time" if language == "en" else "时间上的信息泄漏") in done.stdout
    assert re.search(r"sst\s+\[degC\]|sst .*\n +\[degC\]", done.stdout)
    _above, table = done.stdout.split("\nSplits" if language == "en" else "\n数据子集")
    for label in SPLIT_LABELS[language]:
        assert re.search(rf"^ {label} +2000-", table, re.MULTILINE)
    assert "2000-01-11" in done.stdout
    assert "100.0 %" in done.stdout
