"""Files as archives have them: groups, depths, odd names, filters, locks, 2-D coordinates."""

import errno
import os
import re
import sys
from pathlib import Path
from typing import Any, Literal

import h5netcdf
import h5py
import numpy as np
import pytest
import xarray as xr
import zarr

from srwizard.base.errors import DatasetError, SrwizardError, UsageError
from srwizard.data.layout import Layout
from srwizard.data.prepare import LrSource, Masking, parse_depths, parse_mask, parse_static
from srwizard.data.prepare.look import look
from srwizard.data.prepare.names import usual_names
from srwizard.data.raw_files import find_sources, names_raw_files
from tests.data.test_prepare import every_field, ocean, saved
from tests.data.test_prepare_missing import made, waves, write
from tests.datasets import write_dataset

LZ4, ZFP = 32004, 32013
"""Numbers of HDF5 filters that no package brings along, as netCDF4 does those of zstd and blosc."""


def grouped(path: Path, *groups: str, coordinates_in: str = "/") -> Path:
    """Write `sst`, 100 in the first group, 200 in the second, …, with coordinates in one group."""
    dataset = waves()
    with h5netcdf.File(path, "w") as file:
        place = file if coordinates_in == "/" else file.create_group(coordinates_in)
        place.dimensions = dict(dataset.sizes)
        for name, values in dataset.coords.items():
            coordinate = place.create_variable(name, values.dims, data=values.values)
            coordinate.attrs.update(values.attrs)
        for number, group in enumerate(groups, start=1):
            made = {"/": file} | ({coordinates_in: place} if place is not file else {})
            inside = made[group] if group in made else file.create_group(group)
            field = inside.create_variable(
                "sst", dataset.sst.dims, data=dataset.sst.values + np.float32(100 * number)
            )
            field.attrs["units"] = "degC"
    return path


class TestGroups:
    def test_they_are_found_and_shown_with_their_path(self, tmp_path: Path) -> None:
        source = grouped(tmp_path / "a.nc", "/data", "/data/deep")
        found = look([source]).usable
        assert [one.name for one in found] == ["/data/sst", "/data/deep/sst"]
        assert {one.first for one in found} == {"2000-01-01T00:00:00"}
        assert {one.steps for one in found} == {12}

    @pytest.mark.parametrize("asked", ["/data/sst", "data/sst", "sst"])
    @pytest.mark.parametrize("coordinates_in", ["/", "/data"])
    def test_a_variable_is_taken_by_path_or_name(
        self, tmp_path: Path, asked: str, coordinates_in: str
    ) -> None:
        source = grouped(tmp_path / "a.nc", "/data", coordinates_in=coordinates_in)
        (name,) = usual_names([asked])
        manifest = made(tmp_path, source, variables={asked: name})
        assert name == "sst"
        assert manifest.calendar == "standard"
        assert (tmp_path / "root/static_variables/hr/00_lon.npy").exists()
        assert every_field(tmp_path / "root", "hr", "sst").min() > 100

    def test_the_root_is_meant_first(self, tmp_path: Path) -> None:
        source = grouped(tmp_path / "a.nc", "/data", "/")
        made(tmp_path, source, variables={"sst": "temp"})
        assert every_field(tmp_path / "root", "hr").min() > 200

    def test_a_name_in_several_groups_has_to_say_which(self, tmp_path: Path) -> None:
        source = grouped(tmp_path / "a.nc", "/a", "/b")
        with pytest.raises(UsageError, match="several groups") as raised:
            made(tmp_path, source)
        assert "/a/sst, /b/sst" in raised.value.hint
        assert usual_names(["/a/sst", "/b/sst"]) == ["a_sst", "b_sst"]
        with pytest.raises(UsageError, match="no variable /c/sst"):
            made(tmp_path, source, variables={"/c/sst": "sst"})

    def test_masks_and_static_fields_of_groups(self, tmp_path: Path) -> None:
        source = write(waves(), tmp_path / "a.nc")
        flat = xr.Dataset({"deptho": waves().sst[0].drop_vars("time")})
        flat["wet"] = (flat.deptho > 12).astype(np.int8)
        flat.to_netcdf(tmp_path / "m.nc", group="grid", engine="h5netcdf")
        manifest = made(
            tmp_path,
            source,
            masking=Masking(variable=parse_mask(f"{tmp_path / 'm.nc'}:/grid/wet", ())),
            statics=[parse_static(f"{tmp_path / 'm.nc'}:/grid/deptho")],
        )
        assert manifest.statics == ("deptho",)
        assert 0 < manifest.variables["temp"].land_share < 1


@pytest.mark.parametrize("fmt", [2, 3])
class TestZarrGroups:
    """The same of a store: `time` and `sst` in its group `data`, `lat` and `lon` above it."""

    def store(self, path: Path, fmt: Literal[2, 3]) -> Path:
        dataset = waves() + np.float32(100)
        dataset[["lat", "lon"]].to_zarr(path, zarr_format=fmt, consolidated=False)
        inside = dataset.drop_vars(["lat", "lon"])
        inside.to_zarr(path, group="data", zarr_format=fmt, consolidated=False, mode="a")
        return path

    @pytest.mark.parametrize(
        ("named", "asked"), [("", "/data/sst"), ("", "sst"), ("data", "sst"), ("data", "/sst")]
    )
    @pytest.mark.parametrize("consolidated", [True, False])
    def test_a_variable_is_taken_by_path_or_name_of_the_store_or_the_group(
        self, tmp_path: Path, fmt: Literal[2, 3], named: str, asked: str, consolidated: bool
    ) -> None:
        source = self.store(tmp_path / "a.zarr", fmt)
        if consolidated:
            zarr.consolidate_metadata(source)
        (found,) = look([source / named]).usable
        assert found.name == ("sst" if named else "/data/sst")
        manifest = made(tmp_path, source / named, variables={asked: "sst"})
        assert manifest.calendar == "standard"
        assert (tmp_path / "root/static_variables/hr/00_lon.npy").exists()
        assert every_field(tmp_path / "root", "hr", "sst").min() > 50

    def test_an_array_alone_is_named_as_such(self, tmp_path: Path, fmt: Literal[2, 3]) -> None:
        array = self.store(tmp_path / "a.zarr", fmt) / "data/sst"
        assert names_raw_files(str(array))
        with pytest.raises(UsageError, match="single array") as raised:
            look(find_sources([str(array)]))
        assert raised.value.hint.endswith(f"{tmp_path}/a.zarr --variable /data/sst")


class TestDepths:
    @pytest.mark.parametrize(
        ("levels", "attributes"),
        [
            ([0.5, 47, 109], {"units": "m", "positive": "down"}),
            ([-0.5, -47, -109], {"units": "m", "positive": "up"}),
            ([109, 47, 0.5], {"units": "m", "positive": "down"}),
            ([50, 4700, 10900], {"units": "cm", "positive": "down"}),
            ([0.0005, 0.047, 0.109], {"units": "km", "axis": "Z"}),
        ],
    )
    def test_they_are_given_in_metres_in_any_order(
        self, tmp_path: Path, levels: list[float], attributes: dict[str, str]
    ) -> None:
        dataset = waves()
        depths = np.array(levels)
        dataset["sst"] = dataset.sst.expand_dims(depth=depths, axis=1) + np.abs(
            depths.reshape(1, -1, 1, 1)
        ).astype(np.float32)
        dataset.depth.attrs = attributes
        source = write(dataset, tmp_path / "a.nc")
        (found,) = look([source]).usable
        assert found.depths == pytest.approx((0.5, 47.0, 109.0))
        assert found.depth_units == "m"
        manifest = made(tmp_path, source, depths=parse_depths("100,0"))
        assert list(manifest.variables) == ["temp_100m", "temp_0m"]
        assert manifest.variables["temp_100m"].depth == pytest.approx(109.0)
        deepest = np.abs(depths).max()
        assert every_field(tmp_path / "root", "hr", "temp_100m").min() > deepest

    def test_pressures_keep_their_unit(self, tmp_path: Path) -> None:
        dataset = waves()
        dataset["sst"] = dataset.sst.expand_dims(lev=np.array([10.0, 500.0]), axis=1)
        dataset.lev.attrs = {"units": "dbar", "positive": "down"}
        manifest = made(tmp_path, write(dataset, tmp_path / "a.nc"), depths=parse_depths("400,0"))
        assert list(manifest.variables) == ["temp_400dbar", "temp_0dbar"]
        assert any("500 dbar" in note and "400 dbar" in note for note in manifest.notes)


class TestNames:
    @pytest.mark.parametrize(
        ("there", "usual"),
        [
            ("T2m", "T2m"),
            ("2t", "2t"),
            ("sst-anom", "sst-anom"),
            ("thetao 0.5m", "thetao_0.5m"),
            ("海温", "海温"),
            (".hidden", "_.hidden"),
            ("a (b)", "a_b_"),
        ],
    )
    def test_odd_ones_become_names_of_files(self, tmp_path: Path, there: str, usual: str) -> None:
        assert usual_names([there]) == [usual]
        source = write(waves(), tmp_path / "a.nc")
        with h5py.File(source, "a") as file:
            file.move("sst", there)
        manifest = made(tmp_path, source, variables={there: usual})
        assert manifest.variables[usual].source_variable == there


class TestText:
    @pytest.mark.parametrize("engine", ["h5netcdf", "scipy"])
    @pytest.mark.parametrize(
        "form", ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d_%H:%M:%S", "%Y%m%d", "%Y%m%dT%H"]
    )
    def test_times_written_as_text_are_read(self, tmp_path: Path, engine: Any, form: str) -> None:
        dataset = waves().drop_vars("time")
        days = np.datetime64("2001-02-26") + np.arange(12)
        texts = [day.astype(object).strftime(form) for day in days]
        dataset["Times"] = ("time", np.array(texts, dtype=f"S{len(texts[0])}"))
        dataset.to_netcdf(tmp_path / "a.nc", engine=engine)
        manifest = made(tmp_path, tmp_path / "a.nc")
        assert manifest.splits["train"].first == "2001-02-26T00:00:00"
        assert manifest.splits["test"].last == "2001-03-09T00:00:00"

    def test_what_is_not_a_date_is_named(self, tmp_path: Path) -> None:
        dataset = waves().drop_vars("time")
        texts = [f"2001-13-{day:02}" for day in range(12)]
        dataset["time"] = ("time", np.array(texts, dtype=object))
        manifest = made(tmp_path, write(dataset, tmp_path / "a.nc"))
        assert any("“2001-13-00” is not a date" in note for note in manifest.notes)


def with_two_dimensions(dataset: xr.Dataset, tilt: float) -> xr.Dataset:
    """Return it with longitudes and latitudes `[H, W]`; curvilinear unless `tilt` is 0."""
    longitude, latitude = np.meshgrid(dataset.lon, dataset.lat)
    tilted = {
        "nav_lat": latitude + tilt * longitude,
        "nav_lon": longitude - tilt * latitude,
    }
    found = dataset.drop_vars(["lat", "lon"]).rename(lat="y", lon="x")
    for name, units in (("nav_lat", "degrees_north"), ("nav_lon", "degrees_east")):
        found[name] = (("y", "x"), tilted[name], {"units": units})
    return found


class TestTwoDimensionalCoordinates:
    @pytest.mark.parametrize(("tilt", "dimensions"), [(0.0, 1), (0.1, 2)])
    def test_they_are_reduced_where_the_grid_is_one_of_rows_and_columns(
        self, tmp_path: Path, tilt: float, dimensions: int
    ) -> None:
        made(tmp_path, write(with_two_dimensions(waves(), tilt), tmp_path / "a.nc"))
        for name in ("00_lon", "01_lat"):
            assert np.load(tmp_path / f"root/static_variables/hr/{name}.npy").ndim == dimensions

    @pytest.mark.parametrize("moves", [False, True])
    def test_they_may_be_given_anew_for_each_time(self, tmp_path: Path, moves: bool) -> None:
        """As in the files of WRF, XLAT(Time, south_north, west_east)."""
        dataset = waves()
        latitude, longitude = np.meshgrid(dataset.lat, dataset.lon, indexing="ij")
        steps = dataset.sizes["time"]
        for name, values, units in (
            ("XLAT", latitude, "degree_north"), ("XLONG", longitude, "degree_east")
        ):  # fmt: skip
            again = np.repeat(values[None], steps, 0) + moves * np.arange(steps)[:, None, None]
            dataset[name] = (("time", "lat", "lon"), again, {"units": units})
        plain = dataset.drop_vars(["lat", "lon"])
        manifest = made(tmp_path, write(plain, tmp_path / "a.nc"))
        nowhere = any("no longitude and latitude" in note for note in manifest.notes)
        assert nowhere == moves

    def test_lr_of_its_own(self, tmp_path: Path) -> None:
        fine = waves()
        coarse = fine.coarsen(lat=2, lon=2).mean()
        hr = write(with_two_dimensions(fine, 0), tmp_path / "hr.nc")
        lr = write(with_two_dimensions(coarse, 0), tmp_path / "lr.nc")
        manifest = made(tmp_path, hr, lr_source=LrSource((lr,)))
        assert manifest.lr_product is not None
        assert manifest.lr_product.agreement["temp"].correlation > 0.99
        tilted = write(with_two_dimensions(coarse, 0.1), tmp_path / "tilted.nc")
        with pytest.raises(DatasetError, match="the LR product is on a curvilinear grid"):
            made(tmp_path, hr, lr_source=LrSource((tilted,)), overwrite=True)


def compressed(path: Path, number: int, variable: str = "sst") -> Path:
    """Write fields, one of them with a filter that HDF5 does not have."""
    write(waves(), path)
    with h5py.File(path, "a") as file:
        stored = file[variable]
        shape, attributes = stored.shape, stored.attrs["units"]
        del file[variable]
        created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        created.set_chunk((1, *shape[1:]))
        created.set_filter(number, h5py.h5z.FLAG_OPTIONAL, (3,))
        raw = h5py.h5d.create(
            file.id, variable.encode(), h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple(shape), created
        )
        for step in range(shape[0]):
            raw.write_direct_chunk((step, 0, 0), b"\x28\xb5\x2f\xfd" * 8)
        field = file[variable]
        field.attrs["units"] = attributes
        for place, name in enumerate(("time", "lat", "lon")):
            field.dims[place].attach_scale(file[name])
    return path


class TestFilters:
    @pytest.mark.parametrize(("number", "name"), [(LZ4, "lz4"), (ZFP, "zfp"), (40000, "40000")])
    def test_a_missing_one_is_named_with_the_way_out(
        self, tmp_path: Path, number: int, name: str
    ) -> None:
        source = compressed(tmp_path / "a.nc", number)
        with pytest.raises(DatasetError, match=name) as raised:
            made(tmp_path, source)
        assert str(source) in raised.value.message
        assert "pip install hdf5plugin" in raised.value.hint
        assert "nccopy -F none a.nc" in raised.value.hint
        (found,) = look([source]).usable
        assert any(name in suspicion for suspicion in found.suspicions)

    def test_hdf5plugin_is_used_where_it_is_installed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "hdf5plugin.py").write_text("REGISTERED = True\n")
        monkeypatch.syspath_prepend(tmp_path)
        look([write(waves(), tmp_path / "a.nc")])
        assert sys.modules.pop("hdf5plugin").REGISTERED


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("place", range(1, 6))
def test_a_file_damaged_inside_is_called_so(tmp_path: Path, place: int) -> None:
    source = write(waves(), tmp_path / "a.nc")
    content = bytearray(source.read_bytes())
    headers = [found.start() for found in re.finditer(b"OHDR", content)]
    header = headers[place % len(headers)]
    content[header + 8 : header + 40] = bytes(range(32))
    source.write_bytes(content)
    with pytest.raises(SrwizardError, match=r"a\.nc"):
        look([source])


def test_a_file_that_is_not_there_is_missed_as_a_file(tmp_path: Path) -> None:
    missing = str(tmp_path / "sst.nc")
    assert names_raw_files(missing)
    with pytest.raises(UsageError, match=r"There is no .*sst\.nc"):
        find_sources([missing])
    assert not names_raw_files(str(tmp_path / "dataset"))


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS])
def test_a_drive_that_knows_no_locks_is_read_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    opened = h5py.File.__init__

    def refusing(self: h5py.File, path: Any, mode: str = "r", **options: Any) -> None:
        if isinstance(path, Path) and options.get("locking") is not False:
            raise OSError(
                f"Unable to synchronously open file (unable to lock file, errno = {number}, error "
                f"message = '{os.strerror(number)}')"
            )
        opened(self, path, mode, **options)

    source = write(waves(), tmp_path / "a.nc")
    monkeypatch.setattr(h5py.File, "__init__", refusing)
    assert made(tmp_path, source).splits["train"].steps == 6


def test_files_of_two_grids_are_told_apart_at_first_sight(tmp_path: Path) -> None:
    (tmp_path / "fine").mkdir()
    fine, coarse = write(waves(), tmp_path / "fine/a.nc"), tmp_path / "a.nc"
    write(waves().isel(lat=slice(None, None, 2), lon=slice(None, None, 2)), coarse)
    with pytest.raises(DatasetError, match="on a different grid") as raised:
        look([fine, coarse])
    assert "--lr-source" in raised.value.hint


@pytest.mark.parametrize(
    ("layout", "part"),
    [("h5", "train.h5"), ("nc", "valid.nc"), ("npy", "train/hr/temp/step_0000.npy")],
)
def test_a_part_of_a_dataset_is_no_raw_file(tmp_path: Path, layout: Layout, part: str) -> None:
    root = write_dataset(tmp_path / "ocean", layout=layout)
    assert (root / part).exists()
    with pytest.raises(UsageError, match="is a part of the dataset directory") as refusal:
        find_sources([str(root / part)])
    assert str(root) in refusal.value.hint


def test_a_raw_file_of_such_a_name_is_one(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    path = saved(ocean(), tmp_path / "train" / "train.nc")
    assert find_sources([str(path)]) == [path]
