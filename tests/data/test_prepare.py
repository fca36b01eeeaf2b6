"""Datasets made from real and synthetic NetCDF files."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import h5netcdf
import h5py
import iris_sample_data
import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from srwizard.base.errors import DatasetError, UsageError
from srwizard.base.whole_directory import whole_directory
from srwizard.data.coordinates import (
    Grid,
    block_mean,
    block_mean_longitude,
    cell_weights,
    divisible_shape,
)
from srwizard.data.layout import scan
from srwizard.data.prepare import (
    Masking,
    Request,
    is_made_of,
    named,
    parse_mask,
    parse_split,
    parse_static,
    prepare,
)
from srwizard.data.prepare.manifest import Manifest

SAMPLES = Path(iris_sample_data.__file__).parent / "sample_data"
OSTIA = SAMPLES / "ostia_monthly.nc"
NEMO = sorted((SAMPLES / "NEMO").glob("*.nc"))
THIRDS = (0.34, 0.33, 0.33)

Floats = npt.NDArray[np.floating[Any]]
Make = Callable[..., Manifest]


def make(sources: list[Path], out: Path, **changes: Any) -> Manifest:
    """Prepare `temp` at scale 2, a third of the steps in each split."""
    options: dict[str, Any] = {"variables": {"temp": "temp"}, "scale": 2, "split": THIRDS}
    return prepare(sources, out=out, **(options | changes))


def ocean(
    steps: int = 6,
    shape: tuple[int, int] = (4, 6),
    *,
    start: float = 0,
    latitude: Floats | None = None,
    longitude: Floats | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """A record of daily `temp` fields in kelvin, with land in one corner."""
    values = np.random.default_rng(seed).normal(290, 5, (steps, *shape)).astype(np.float32)
    values[:, 0, 0] = np.nan
    rows = np.linspace(-30, 60, shape[0]) if latitude is None else latitude
    columns = np.linspace(10, 20, shape[1]) if longitude is None else longitude
    return xr.Dataset(
        {"temp": (("time", "lat", "lon"), values, {"units": "K", "long_name": "temperature"})},
        coords={
            "time": ("time", start + np.arange(steps), {"units": "days since 2000-01-01"}),
            "lat": ("lat", rows, {"units": "degrees_north"}),
            "lon": ("lon", columns, {"units": "degrees_east"}),
        },
    )


def saved(dataset: xr.Dataset, path: Path, **options: Any) -> Path:
    """Write `dataset` as NetCDF-4."""
    dataset.to_netcdf(path, engine="h5netcdf", **options)
    return path


def series(root: Path, split: str, level: str, variable: str = "temp") -> dict[str, Floats]:
    """Every field of an npy dataset by its name."""
    files = sorted((root / split / level / variable).glob("*.npy"))
    return {file.stem: np.load(file, allow_pickle=False) for file in files}


def every_field(root: Path, level: str, variable: str = "temp") -> Floats:
    """All steps `[N, H, W]` of an npy dataset, train, valid and test in turn."""
    return np.stack(
        [
            field
            for split in ("train", "valid", "test")
            for field in series(root, split, level, variable).values()
        ]
    )


def files_under(root: Path) -> dict[str, bytes]:
    """Relative path -> content of every file, hidden ones too."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def slow_block_mean(field: Floats, scale: int) -> Floats:
    """Block mean by plain loops, as a reference."""
    rows, columns = field.shape[0] // scale, field.shape[1] // scale
    means = np.full((rows, columns), np.nan)
    for row in range(rows):
        for column in range(columns):
            block = field[row * scale : (row + 1) * scale, column * scale : (column + 1) * scale]
            values = [float(value) for value in block.ravel() if value == value]
            if values:
                means[row, column] = sum(values) / len(values)
    return means


class TestRealFiles:
    def test_ostia(self, tmp_path: Path) -> None:
        manifest = make(
            [OSTIA],
            tmp_path / "root",
            variables={"surface_temperature": "temp"},
            split=parse_split("0.7/0.15/0.15"),
        )
        root = tmp_path / "root"
        names = {split: list(series(root, split, "hr")) for split in ("train", "valid", "test")}
        assert [len(names[split]) for split in names] == [38, 8, 8]
        assert names["train"][0] == "20060416T000000"
        joined = [name for split in names.values() for name in split]
        assert joined == sorted(set(joined))

        with h5py.File(OSTIA) as source:
            raw = source["surface_temperature"][:]
        expected = np.where(raw == np.float32(1e20), np.nan, raw)
        np.testing.assert_array_equal(every_field(root, "hr"), expected)
        lr = every_field(root, "lr")
        assert lr.dtype == np.float32
        for number in (0, 20, 53):
            np.testing.assert_allclose(
                lr[number], slow_block_mean(expected[number], 2), rtol=1e-6, equal_nan=True
            )
        assert 0 < np.isnan(lr[0]).mean() < np.isnan(expected[0]).mean()

        longitude = np.load(root / "static_variables/lr/00_lon.npy")
        latitude = np.load(root / "static_variables/lr/01_lat.npy")
        assert longitude.shape == (216,) and latitude.shape == (9,)
        assert np.all(np.diff(longitude) > 0)
        assert json.loads((root / "manifest.json").read_text()) == json.loads(
            json.dumps(manifest.to_json())
        )
        assert manifest.variables["temp"].attributes["units"] == "K"
        assert manifest.variables["temp"].land_share == pytest.approx(np.isnan(expected[0]).mean())
        assert manifest.splits["train"].last < manifest.splits["valid"].first
        low, high = manifest.splits["test"].value_range["temp"]
        assert (low, high) == (np.nanmin(expected[46:]), np.nanmax(expected[46:]))
        assert not scan(root).problems

    def test_nemo_takes_its_auxiliary_time_and_two_dimensional_coordinates(
        self, tmp_path: Path
    ) -> None:
        manifest = make(NEMO[::-1], tmp_path / "root", variables={"tos": "tos"}, scale=4)
        root = tmp_path / "root"
        assert list(series(root, "train", "hr", "tos")) == ["20150116T000000"]
        assert list(series(root, "test", "lr", "tos")) == ["20150316T000000"]
        assert manifest.calendar == "360_day"
        assert manifest.crop.source_shape == (330, 360)
        assert manifest.crop.dropped_rows == (328, 330)
        assert manifest.crop.dropped_columns == (360, 360)
        with h5py.File(NEMO[0]) as source:
            expected = source["tos"][0, :328]
        expected[expected > 1e19] = np.nan
        (hr,) = series(root, "train", "hr", "tos").values()
        np.testing.assert_array_equal(hr, expected)
        longitude = np.load(root / "static_variables/lr/00_lon.npy")
        assert longitude.shape == (82, 90)
        assert longitude.min() >= -180 and longitude.max() <= 180

    def test_a_forecast_reference_time_is_not_the_time(self, tmp_path: Path) -> None:
        manifest = make(
            [SAMPLES / "E1_north_america.nc"],
            tmp_path / "root",
            variables={"air_temperature": "temp"},
            scale=4,
        )
        assert manifest.calendar == "360_day"
        assert manifest.splits["train"].first.startswith("1860-06-01")
        assert sum(split.steps for split in manifest.splits.values()) == 240

    def test_model_levels_are_refused_by_name(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="model_level_number is neither"):
            make(
                [SAMPLES / "hybrid_height.nc"],
                tmp_path / "root",
                variables={"air_potential_temperature": "temp"},
            )
        assert list(tmp_path.iterdir()) == []


class TestBlockMean:
    @given(
        st.integers(1, 4).flatmap(
            lambda scale: st.tuples(
                st.just(scale),
                st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(
                    lambda blocks: hnp.arrays(
                        np.float32,
                        (blocks[0] * scale, blocks[1] * scale),
                        elements=st.one_of(st.just(float("nan")), st.floats(-1e4, 1e4, width=32)),
                    )
                ),
            )
        )
    )
    def test_is_the_mean_of_what_is_there(self, case: tuple[int, Floats]) -> None:
        scale, field = case
        means = block_mean(field, scale)
        assert means.shape == (field.shape[0] // scale, field.shape[1] // scale)
        for (row, column), mean in np.ndenumerate(means):
            block = field[row * scale : (row + 1) * scale, column * scale : (column + 1) * scale]
            if np.isnan(block).all():
                assert np.isnan(mean)
            else:
                expected = np.nanmean(block.astype(np.float64))
                assert mean == pytest.approx(expected, rel=1e-9, abs=1e-9)

    def test_weights(self) -> None:
        field = np.array([[1.0, 2.0], [3.0, np.nan]])
        weights = np.array([[1.0, 1.0], [2.0, 2.0]])
        assert block_mean(field, 2, weights)[0, 0] == pytest.approx((1 + 2 + 2 * 3) / 4)

    @pytest.mark.parametrize(
        ("longitude", "expected"),
        [
            ([358.0, 359.0, 0.0, 1.0], [358.5, 0.5]),
            ([357.0, 359.0, 359.5, 1.5], [358.0, 0.5]),
            ([178.0, 179.0, 180.0, -179.0], [178.5, -179.5]),
            ([300.0, 350.0, 400.0, 410.0], [325.0, 405.0]),
            ([np.nan, 10.0, np.nan, np.nan], [10.0, np.nan]),
        ],
    )
    def test_longitude_across_the_seam(self, longitude: list[float], expected: list[float]) -> None:
        mean = block_mean_longitude(np.array(longitude), 2)
        difference = (mean - np.array(expected) + 180) % 360 - 180
        np.testing.assert_allclose(difference, np.where(np.isnan(expected), np.nan, 0), atol=1e-9)

    def test_pole_cells_have_some_weight(self) -> None:
        grid = Grid((2, 2), np.array([90.0, 90.0]), None)
        assert block_mean(np.ones((2, 2)), 2, cell_weights(grid))[0, 0] == 1

    def test_scale_larger_than_the_grid(self) -> None:
        with pytest.raises(UsageError, match="too small") as raised:
            divisible_shape((3, 8), 4)
        assert "3" in raised.value.hint


class TestSyntheticRecords:
    def test_area_weights_follow_the_latitude(self, tmp_path: Path) -> None:
        dataset = ocean()
        manifest = make([saved(dataset, tmp_path / "a.nc")], tmp_path / "root", area_weights=True)
        weights = np.cos(np.deg2rad(dataset.lat.values))[:, None] * np.ones(6)
        field = dataset.temp.values[0].astype(np.float64)
        weights[0, 0] = field[0, 0] = 0  # land
        top = weights[:2, :2]
        expected = (field[:2, :2] * top).sum() / top.sum()
        assert every_field(tmp_path / "root", "lr")[0, 0, 0] == pytest.approx(expected, rel=1e-6)
        assert "cos(latitude)" in manifest.method

    def test_area_weights_need_a_latitude(self, tmp_path: Path) -> None:
        source = saved(ocean().drop_vars("lat"), tmp_path / "a.nc")
        with pytest.raises(DatasetError, match="latitude"):
            make([source], tmp_path / "root", area_weights=True)
        manifest = make([source], tmp_path / "root")
        assert any("longitude and latitude" in note for note in manifest.notes)

    def test_cropping_drops_the_last_rows_and_columns(self, tmp_path: Path) -> None:
        dataset = ocean(shape=(7, 8))
        manifest = make([saved(dataset, tmp_path / "a.nc")], tmp_path / "root", scale=3)
        assert (manifest.hr_shape, manifest.lr_shape) == ((6, 6), (2, 2))
        assert manifest.crop.dropped_rows == (6, 7)
        assert manifest.crop.dropped_columns == (6, 8)
        np.testing.assert_array_equal(
            every_field(tmp_path / "root", "hr"), dataset.temp.values[:, :6, :6]
        )
        assert np.load(tmp_path / "root/static_variables/hr/00_lon.npy").shape == (6,)

    def test_packed_values_are_unpacked(self, tmp_path: Path) -> None:
        dataset = ocean()
        packing = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 273.15, "_FillValue": -1}
        source = saved(dataset, tmp_path / "a.nc", encoding={"temp": packing})
        make([source], tmp_path / "root")
        hr = every_field(tmp_path / "root", "hr")
        np.testing.assert_allclose(hr, dataset.temp.values, atol=0.006)
        assert np.isnan(hr[:, 0, 0]).all()

    def test_descending_latitude_stays_as_it_is(self, tmp_path: Path) -> None:
        dataset = ocean(latitude=np.array([3.0, 2.0, 1.0, 0.0]))
        make([saved(dataset, tmp_path / "a.nc")], tmp_path / "root")
        statics = tmp_path / "root/static_variables"
        np.testing.assert_array_equal(np.load(statics / "hr/01_lat.npy"), [3, 2, 1, 0])
        np.testing.assert_array_equal(np.load(statics / "lr/01_lat.npy"), [2.5, 0.5])
        np.testing.assert_array_equal(every_field(tmp_path / "root", "hr"), dataset.temp.values)

    def test_dimensions_in_another_order_are_put_in_order(self, tmp_path: Path) -> None:
        dataset = ocean()
        source = saved(dataset.transpose("lon", "lat", "time"), tmp_path / "a.nc")
        make([source], tmp_path / "root")
        np.testing.assert_array_equal(every_field(tmp_path / "root", "hr"), dataset.temp.values)

    def test_files_and_steps_are_ordered_by_time(self, tmp_path: Path) -> None:
        late, early = ocean(3, start=10, seed=1), ocean(4, start=2, seed=2)
        sources = [
            saved(late, tmp_path / "a.nc"),
            saved(early.isel(time=slice(None, None, -1)), tmp_path / "b.nc"),
        ]
        manifest = make(sources, tmp_path / "root")
        expected = np.concatenate([early.temp.values, late.temp.values])
        np.testing.assert_array_equal(every_field(tmp_path / "root", "hr"), expected)
        assert manifest.splits["train"].first == "2000-01-03T00:00:00"
        assert manifest.splits["test"].last == "2000-01-13T00:00:00"

    def test_netcdf3(self, tmp_path: Path) -> None:
        dataset = ocean()
        dataset.to_netcdf(tmp_path / "a.nc", engine="scipy")
        make([tmp_path / "a.nc"], tmp_path / "root")
        np.testing.assert_array_equal(every_field(tmp_path / "root", "hr"), dataset.temp.values)

    def test_compressed_chunks_of_many_steps(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dataset = ocean(11)
        packing = {"zlib": True, "chunksizes": (4, 4, 6)}
        source = saved(dataset, tmp_path / "a.nc", encoding={"temp": packing})
        for limit in (64 * 2**20, 2 * dataset.temp[0].nbytes, 1):
            monkeypatch.setattr("srwizard.data.prepare.surveying.WINDOW_BYTES", limit)
            make([source], tmp_path / "root", overwrite=True)
            np.testing.assert_array_equal(every_field(tmp_path / "root", "hr"), dataset.temp.values)

    def test_variables_from_files_of_their_own(self, tmp_path: Path) -> None:
        temp, salt = ocean(seed=1), ocean(seed=2).rename(temp="so")
        sources = [saved(temp, tmp_path / "a.nc"), saved(salt, tmp_path / "b.nc")]
        variables = {"so": "salt", "temp": "temp"}
        make(sources, tmp_path / "root", variables=variables)
        np.testing.assert_array_equal(every_field(tmp_path / "root", "hr", "salt"), salt.so.values)
        np.testing.assert_array_equal(every_field(tmp_path / "root", "hr"), temp.temp.values)

    def test_singleton_depth_is_dropped_and_noted(self, tmp_path: Path) -> None:
        dataset = ocean().expand_dims(depth=[0.5], axis=1)
        manifest = make([saved(dataset, tmp_path / "a.nc")], tmp_path / "root")
        assert any("depth" in note for note in manifest.notes)
        np.testing.assert_array_equal(
            every_field(tmp_path / "root", "hr"), dataset.temp.values[:, 0]
        )

    def test_one_step_per_file_with_a_scalar_time(self, tmp_path: Path) -> None:
        dataset = ocean(3)
        sources = [
            saved(dataset.isel(time=number), tmp_path / f"{number}.nc") for number in (2, 0, 1)
        ]
        make(sources, tmp_path / "root")
        np.testing.assert_array_equal(every_field(tmp_path / "root", "hr"), dataset.temp.values)

    @pytest.mark.parametrize("fmt", ["npy", "nc"])
    def test_without_time_steps_are_named_by_index(
        self, tmp_path: Path, fmt: Literal["npy", "nc"]
    ) -> None:
        source = saved(ocean().drop_vars("time"), tmp_path / "a.nc")
        manifest = make([source], tmp_path / "root", fmt=fmt)
        assert manifest.calendar == ""
        assert manifest.splits["valid"].first == "000002"
        assert any("index" in note for note in manifest.notes)
        if fmt == "npy":
            assert list(series(tmp_path / "root", "test", "hr")) == ["000004", "000005"]

    def test_the_time_may_have_any_name(self, tmp_path: Path) -> None:
        dataset = ocean().rename(time="forecast")
        manifest = make([saved(dataset, tmp_path / "a.nc")], tmp_path / "root")
        assert manifest.splits["train"].first == "2000-01-01T00:00:00"

    def test_doubtful_values_are_noted(self, tmp_path: Path) -> None:
        dataset = ocean()
        dataset["temp"][0, 1, 1] = 1e20
        dataset["temp"][3] = np.nan
        notes = make([saved(dataset, tmp_path / "a.nc")], tmp_path / "root").notes
        assert any("fill value" in note for note in notes)
        assert any("without any value" in note for note in notes)


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    directory = tmp_path_factory.mktemp("formats")
    source = saved(ocean(7, (5, 6)), directory / "a.nc")
    for fmt in ("npy", "h5", "nc"):
        make([source], directory / fmt, fmt=fmt)
    return {fmt: directory / fmt for fmt in ("npy", "h5", "nc")}


class TestFormats:
    @pytest.mark.parametrize("fmt", ["h5", "nc"])
    def test_hold_what_npy_holds(self, roots: Mapping[str, Path], fmt: str) -> None:
        for split in ("train", "valid", "test"):
            with h5py.File(roots[fmt] / f"{split}.{fmt}") as file:
                for level in ("hr", "lr"):
                    expected = np.stack(list(series(roots["npy"], split, level).values()))
                    dataset = file[level]["temp"]
                    np.testing.assert_array_equal(dataset[:], expected)
                    assert dataset.chunks == (1, *expected.shape[1:])
                    assert dataset.attrs["units"] == "K"
                    for number, name in enumerate(("lon", "lat")):
                        static = roots["npy"] / f"static_variables/{level}/{number:02d}_{name}.npy"
                        np.testing.assert_array_equal(file[level][name][:], np.load(static))
        assert not scan(roots[fmt]).problems

    def test_netcdf_is_read_by_xarray(self, roots: Mapping[str, Path]) -> None:
        with xr.open_datatree(roots["nc"] / "valid.nc", engine="h5netcdf") as tree:
            hr = tree["hr"].to_dataset()
            assert hr.temp.dims == ("time", "lat", "lon")
            assert str(hr.time.values[0]).startswith("2000-01-03")
            assert hr.temp.attrs["long_name"] == "temperature"
            assert np.isnan(hr.temp.encoding["_FillValue"])
            assert hr.lat.attrs["units"] == "degrees_north"

    def test_netcdf_of_a_curvilinear_grid(self, tmp_path: Path) -> None:
        make(NEMO, tmp_path / "root", variables={"tos": "tos"}, scale=4, fmt="nc")
        with xr.open_dataset(tmp_path / "root/test.nc", group="lr", engine="h5netcdf") as lr:
            assert lr.tos.dims == ("time", "y", "x")
            assert set(lr.tos.coords) >= {"lon", "lat"}
        with xr.open_dataset(tmp_path / "root/test.nc", engine="h5netcdf") as root:
            assert root.time.values[0].calendar == "360_day"

    def test_equal_input_makes_equal_bytes(self, roots: Mapping[str, Path], tmp_path: Path) -> None:
        source = roots["npy"].parent / "a.nc"
        for fmt, root in roots.items():
            make([source], tmp_path / fmt, fmt=fmt)
            assert files_under(tmp_path / fmt) == files_under(root)


class TestRefusals:
    def refused(self, error: type[Exception], match: str, *arguments: Any, **options: Any) -> str:
        """Expect an error with a hint; return the hint."""
        with pytest.raises(error, match=match) as raised:
            make(*arguments, **options)
        hint: str = raised.value.hint  # type: ignore[attr-defined]
        assert hint
        return hint

    def test_duplicate_times_name_the_files(self, tmp_path: Path) -> None:
        sources = [
            saved(ocean(4), tmp_path / "a.nc"),
            saved(ocean(4, start=3), tmp_path / "b.nc"),
        ]
        self.refused(
            DatasetError, "2000-01-04T00:00:00 .* in .*a.nc and in .*b.nc", sources, tmp_path / "r"
        )
        self.refused(DatasetError, "twice in .*a.nc", [sources[0]] * 2, tmp_path / "r")

    def test_depth(self, tmp_path: Path) -> None:
        source = saved(ocean().expand_dims(depth=[0.5, 10.0], axis=1), tmp_path / "a.nc")
        hint = self.refused(DatasetError, r"a\.nc.*depth=2.*depth is", [source], tmp_path / "r")
        assert "--depth 0" in hint

    def test_longitudes_counted_otherwise_are_the_same_grid(self, tmp_path: Path) -> None:
        columns = np.linspace(-100.0, -90.0, 6)
        sources = [
            saved(ocean(start=6 * number, longitude=columns + turn), tmp_path / f"{number}.nc")
            for number, turn in enumerate((0.0, 360.0))
        ]
        manifest = make(sources, tmp_path / "r")
        assert sum(split.steps for split in manifest.splits.values()) == 12

    def test_other_grid(self, tmp_path: Path) -> None:
        first = saved(ocean(), tmp_path / "a.nc")
        for number, other in enumerate(
            (
                ocean(start=9, shape=(6, 6)),
                ocean(start=9, latitude=np.array([0.0, 1.0, 2.0, 3.0])),
                ocean(start=9, longitude=np.arange(6.0)),
            )
        ):
            second = saved(other, tmp_path / f"{number}.nc")
            self.refused(DatasetError, "different grid", [first, second], tmp_path / "r")

    def test_other_times(self, tmp_path: Path) -> None:
        sources = [
            saved(ocean(), tmp_path / "a.nc"),
            saved(ocean(start=1).rename(temp="so"), tmp_path / "b.nc"),
        ]
        variables = {"temp": "temp", "so": "salt"}
        self.refused(
            DatasetError, "not at the same times", sources, tmp_path / "r", variables=variables
        )

    def test_other_units_and_calendars(self, tmp_path: Path) -> None:
        celsius, noleap = ocean(start=9), ocean(start=9)
        celsius.temp.attrs["units"] = "degC"
        noleap.time.attrs["calendar"] = "noleap"
        first = saved(ocean(), tmp_path / "a.nc")
        for name, dataset, match in (("b", celsius, "degC"), ("c", noleap, "noleap")):
            sources = [first, saved(dataset, tmp_path / f"{name}.nc")]
            self.refused(DatasetError, match, sources, tmp_path / "r")

    def test_unknown_variable(self, tmp_path: Path) -> None:
        hint = self.refused(
            UsageError,
            "surface_temprature",
            [OSTIA],
            tmp_path / "r",
            variables={"surface_temprature": "temp"},
        )
        assert "surface_temperature" in hint
        assert "time_bnds" not in hint

    def test_sources(self, tmp_path: Path) -> None:
        text, damaged = tmp_path / "text.nc", tmp_path / "damaged.nc"
        text.write_text("time,temp")
        empty, companion = tmp_path / "empty.nc", tmp_path / "._a.nc"
        empty.write_bytes(b"")
        companion.write_bytes(b"\x00\x05\x16\x07 Mac OS X")
        self.refused(UsageError, "is empty", [empty], tmp_path / "r")
        self.refused(UsageError, "macOS", [companion], tmp_path / "r")
        damaged.write_bytes(OSTIA.read_bytes()[:5000])
        self.refused(UsageError, "missing.nc", [tmp_path / "missing.nc"], tmp_path / "r")
        self.refused(UsageError, "cannot be read", [tmp_path], tmp_path / "r")
        self.refused(UsageError, "not a NetCDF", [text], tmp_path / "r")
        self.refused(UsageError, "cannot be read as NetCDF", [damaged], tmp_path / "r")
        self.refused(UsageError, "No source", [], tmp_path / "r")

    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"scale": 1}, "scale 1"),
            ({"scale": 5}, "too small"),
            ({"split": (0.5, 0.2, 0.2)}, "sum to 1"),
            ({"split": (1.0, 0.0, 0.0)}, "above 0"),
            ({"fmt": "zarr"}, "zarr"),
            ({"variables": {}}, "No variable"),
            ({"variables": {"temp": "../temp"}}, "cannot be the name"),
            ({"variables": {"temp": "lon"}}, "cannot be the name"),
            ({"variables": {"temp": "a", "so": "a"}}, "Two variables"),
        ],
    )
    def test_arguments(self, tmp_path: Path, changes: dict[str, Any], match: str) -> None:
        source = saved(ocean(), tmp_path / "a.nc")
        self.refused(UsageError, match, [source], tmp_path / "r", **changes)
        assert not (tmp_path / "r").exists()

    @pytest.mark.parametrize(
        ("steps", "hint"), [(0, "hold time steps"), (2, "three time steps"), (4, "0.34/0.33/0.33")]
    )
    def test_too_few_steps(self, tmp_path: Path, steps: int, hint: str) -> None:
        source = saved(ocean(steps), tmp_path / "a.nc")
        split = (0.9, 0.05, 0.05)
        assert hint in self.refused(DatasetError, "step", [source], tmp_path / "r", split=split)

    def test_values(self, tmp_path: Path) -> None:
        empty, infinite = ocean(), ocean()
        empty["temp"][2:4] = np.nan
        infinite["temp"][4, 2, 2] = np.inf
        for name, dataset, match in (("a", empty, "valid"), ("b", infinite, "infinite")):
            source = saved(dataset, tmp_path / f"{name}.nc")
            self.refused(DatasetError, match, [source], tmp_path / "r")
        self.refused(DatasetError, "step 4", [source], tmp_path / "r", units={"temp": "K"})
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nc", "b.nc"]

    @pytest.mark.parametrize("text", ["", "0.7", "0.7/0.3", "a/b/c", "0.5/0.5/0.5", "nan/0.5/0.5"])
    def test_split_text(self, text: str) -> None:
        with pytest.raises(UsageError):
            parse_split(text)

    def test_halves_round_up(self, tmp_path: Path) -> None:
        source = saved(ocean(10), tmp_path / "a.nc")
        manifest = make([source], tmp_path / "r", split=parse_split("0.7/0.15/0.15"))
        assert [split.steps for split in manifest.splits.values()] == [7, 2, 1]


class TestTarget:
    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        return saved(ocean(), tmp_path / "a.nc")

    def test_a_dataset_is_replaced_only_when_told(self, source: Path, tmp_path: Path) -> None:
        root = tmp_path / "root"
        make([source], root)
        before = files_under(root)
        with pytest.raises(UsageError, match="not empty"):
            make([source], root, scale=3)
        assert files_under(root) == before
        make([source], root, fmt="h5", overwrite=True)
        assert {path.name for path in root.iterdir()} == {
            "manifest.json", "static_variables", "train.h5", "valid.h5", "test.h5",
        }  # fmt: skip
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nc", "root"]

    def test_a_failure_keeps_the_earlier_dataset(self, source: Path, tmp_path: Path) -> None:
        root = tmp_path / "root"
        make([source], root)
        before = files_under(root)
        empty = ocean()
        empty["temp"][4:] = np.nan
        with pytest.raises(DatasetError):
            make([saved(empty, tmp_path / "b.nc")], root, overwrite=True)
        assert files_under(root) == before

    def test_foreign_files_and_sources_are_never_deleted(
        self, source: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(UsageError, match=r"a\.nc"):
            make([source], tmp_path, overwrite=True)
        root = tmp_path / "root"
        make([source], root, fmt="nc")
        inside = root / "train.nc"
        shutil.copy(source, inside)
        with pytest.raises(UsageError, match="would be replaced"):
            make([inside], root, overwrite=True)
        with pytest.raises(UsageError, match="not a directory"):
            make([source], source)

    def test_an_empty_directory_and_a_link_are_followed(self, source: Path, tmp_path: Path) -> None:
        (tmp_path / "disk").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "disk")
        make([source], tmp_path / "link")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "disk/manifest.json").is_file()

    def test_missing_parents_are_made(self, source: Path, tmp_path: Path) -> None:
        make([source], tmp_path / "one/two/root")
        assert (tmp_path / "one/two/root/manifest.json").is_file()

    def test_two_at_a_time(self, source: Path, tmp_path: Path) -> None:
        root = tmp_path / "root"
        with (
            whole_directory(root, lambda _target: None),
            pytest.raises(UsageError, match="Another process"),
        ):
            make([source], root)
        assert (root).is_dir()

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_one_that_comes_while_the_first_is_given_its_name(
        self, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
    ) -> None:
        root, rename, refused = tmp_path / "root", Path.rename, []

        def renamed(path: Path, to: Path) -> Path:
            monkeypatch.undo()
            if when == "after":
                rename(path, to)
            with pytest.raises(UsageError) as refusal:
                make([source], root)
            refused.append(refusal.value.message)
            return to if when == "after" else rename(path, to)

        monkeypatch.setattr(Path, "rename", renamed)
        make([source], root)
        assert ("Another process" if when == "before" else "not empty") in refused[0]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nc", "root"]
        assert every_field(root, "hr").shape[0] == 6
        assert not (root / ".lock").exists()

    def test_a_lock_that_a_killed_run_left_is_part_of_the_dataset(
        self, source: Path, tmp_path: Path
    ) -> None:
        make([source], tmp_path / "root")
        (tmp_path / "root/.lock").touch()
        make([source], tmp_path / "root", overwrite=True)

    def test_a_variable_that_is_given_twice(self, source: Path) -> None:
        with pytest.raises(UsageError, match="temp is given twice"):
            named(["temp", "salt", "temp"], ["a", "b", "c"])

    def test_what_was_asked_for_is_known_again(self, source: Path, tmp_path: Path) -> None:
        values = (float("inf"), -999.0)
        mask = parse_mask(f"{source}:temp", values)
        request = Request(
            sources=(source,), variables={"temp": "temp"}, scale=2, split=THIRDS,
            masking=Masking(values, mask),
        )  # fmt: skip
        make([source], tmp_path / "root", masking=Masking(values, None))
        root = tmp_path / "root"
        assert not is_made_of(root, request)
        assert is_made_of(root, replace(request, masking=Masking(values, None)))
        other = Masking((float("-inf"), -999.0), None)
        assert not is_made_of(root, replace(request, masking=other))

    def test_the_users_directory_is_known_in_options_that_hold_a_path(
        self, source: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(source.parent))
        assert parse_static("~/a.nc:temp").path == source
        mask = parse_mask("~/a.nc:temp", ())
        assert mask is not None
        assert mask.path == source

    def test_a_dataset_moved_aside_by_a_killed_run_is_put_back(
        self, source: Path, tmp_path: Path
    ) -> None:
        root = tmp_path / "root"
        make([source], root)
        before = files_under(root)
        root.rename(tmp_path / ".root.replaced")
        with pytest.raises(UsageError, match="not empty"):
            make([source], root, fmt="h5")
        assert files_under(root) == before
        make([source], root, fmt="h5", overwrite=True)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nc", "root"]

    def test_progress(self, source: Path, tmp_path: Path) -> None:
        told: list[tuple[str, int, int]] = []
        make([source], tmp_path / "root", progress=lambda *report: told.append(report))
        assert told[0] == ("open", 1, 1)
        assert told[1:] == [
            (split, done, 2) for split in ("train", "valid", "test") for done in (1, 2)
        ]


SLOW_RUN = """
import sys, time
from pathlib import Path
from srwizard.data.prepare import prepare

def stop_in_the_middle(stage, done, total):
    if stage == "valid":
        print("middle", flush=True)
        time.sleep(60)

prepare([Path(sys.argv[1])], variables={"temp": "temp"}, scale=2, split=(0.34, 0.33, 0.33),
        out=Path(sys.argv[2]), fmt=sys.argv[3], progress=stop_in_the_middle)
"""

FULL_DISK_RUN = """
import resource, sys
from pathlib import Path
from srwizard.data.prepare import prepare
from srwizard.base.errors import UsageError

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
for fmt in ("npy", "h5", "nc"):
    try:
        prepare([Path(sys.argv[1])], variables={"temp": "temp"}, scale=2,
                split=(0.34, 0.33, 0.33), out=Path(sys.argv[2]), fmt=fmt)
    except UsageError as error:
        print("refused", error.message)
"""

MEMORY_RUN = """
import resource, sys
from pathlib import Path
from srwizard.data.prepare import prepare

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def run(source, fmt):
    prepare([Path(source)], variables={"temp": "temp"}, scale=2, split=(0.34, 0.33, 0.33),
            out=Path(sys.argv[3]), fmt=fmt, overwrite=True)

run(sys.argv[1], "npy")
run(sys.argv[1], "nc")
before = peak()
run(sys.argv[2], "npy")
run(sys.argv[2], "nc")
print(peak() - before)
"""


class TestInterruption:
    def started(self, source: Path, root: Path, fmt: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", SLOW_RUN, str(source), str(root), fmt],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "middle\n"
        return process

    @pytest.mark.broad
    @pytest.mark.parametrize("fmt", ["npy", "nc"])
    def test_killed_in_the_middle(self, tmp_path: Path, fmt: Literal["npy", "nc"]) -> None:
        source = saved(ocean(), tmp_path / "a.nc")
        root = tmp_path / "root"
        process = self.started(source, root, fmt)
        with pytest.raises(UsageError, match="Another process"):
            make([source], root)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not root.exists()
        make([source], root)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nc", "root"]
        assert not scan(root).problems
        assert not [name for name in files_under(root) if "/." in name or name.startswith(".")]

    @pytest.mark.broad
    def test_ctrl_c_leaves_nothing(self, tmp_path: Path) -> None:
        source = saved(ocean(), tmp_path / "a.nc")
        process = self.started(source, tmp_path / "root", "h5")
        process.send_signal(signal.SIGINT)
        _output, errors = process.communicate(timeout=20)
        assert "KeyboardInterrupt" in errors
        assert [path.name for path in tmp_path.iterdir()] == ["a.nc"]

    @pytest.mark.broad
    @pytest.mark.parametrize("bytes_free", [500, 20_000])
    def test_disk_full_leaves_nothing(self, tmp_path: Path, bytes_free: int) -> None:
        source = saved(ocean(6, (100, 100)), tmp_path / "a.nc")
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                FULL_DISK_RUN,
                str(source),
                str(tmp_path / "root"),
                str(bytes_free),
            ],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("cannot be written") == 3
        assert [path.name for path in tmp_path.iterdir()] == ["a.nc"]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_record(tmp_path: Path) -> None:
    def record(name: str, steps: int) -> Path:
        field = np.random.default_rng(0).normal(size=(500, 1000)).astype(np.float32)
        with h5netcdf.File(tmp_path / name, "w") as file:
            file.dimensions = {"time": steps, "y": 500, "x": 1000}
            times = file.create_variable("time", ("time",), data=np.arange(steps))
            times.attrs["units"] = "days since 2000-01-01"
            temp = file.create_variable(
                "temp", ("time", "y", "x"), np.float32, chunks=(1, 500, 1000)
            )
            for step in range(steps):
                temp[step] = field + step
        return tmp_path / name

    short, long = record("short.nc", 3), record("long.nc", 90)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY_RUN, str(short), str(long), str(tmp_path / "root")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert long.stat().st_size > 180e6
    assert float(done.stdout) < 30
