"""Values of HDF5 files are read from where HDF5 keeps them: they are what xarray reads."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from srwizard.base.errors import DatasetError, UsageError
from srwizard.data.coordinates import Window
from srwizard.data.fields import FloatField
from srwizard.data.prepare import reading
from srwizard.data.prepare.reading import StepReader
from srwizard.data.prepare.record import survey_sources
from srwizard.data.prepare.source import Step

SIZES = {"time": 5, "depth": 1, "lat": 6, "lon": 8}
PACKINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "float32": ("<f4", {}),
    "float64": ("<f8", {"_FillValue": np.nan}),
    "big-endian": (">f4", {"_FillValue": np.float32(7)}),
    "a fill value": ("<f4", {"_FillValue": np.float32(7)}),
    "two fill values": ("<f4", {"_FillValue": np.float32(7), "missing_value": np.float32(9)}),
    "packed": ("<i2", {"scale_factor": 0.01, "add_offset": 20.0, "_FillValue": np.int16(7)}),
    "packed, no fill value": ("<i4", {"scale_factor": np.float32(0.25)}),
    "unsigned": ("i1", {"_Unsigned": "true", "scale_factor": 0.1, "_FillValue": np.int8(-1)}),
    "whole numbers": ("<i2", {"_FillValue": np.int16(7), "missing_value": np.int16(7)}),
}
"""How values are stored, and the attributes that say so."""


def write(path: Path, packing: str, dimensions: Sequence[str] = tuple(SIZES), **more: Any) -> None:
    """Write `sst`, whole numbers as they are stored, over dimensions in an order."""
    dtype, attributes = PACKINGS[packing]
    sizes = [SIZES[name] for name in dimensions]
    stored = np.random.default_rng(0).integers(-10, 20, size=sizes).astype(dtype)
    xr.Dataset(
        {"sst": (tuple(dimensions), stored, {"units": "degC"} | attributes)},
        {
            "time": ("time", np.arange(SIZES["time"]), {"units": "days since 2000-01-01"}),
            "lat": ("lat", np.linspace(-5, 5, SIZES["lat"]), {"units": "degrees_north"}),
            "lon": ("lon", np.linspace(0, 70, SIZES["lon"]), {"units": "degrees_east"}),
        },
    ).to_netcdf(path, engine="h5netcdf", **more)


def steps_of(path: Path, variable: str = "sst") -> tuple[Step, ...]:
    return survey_sources([path], [variable], lambda _done, _total: None).steps


def read(steps: Sequence[Step], window: Window | None = None) -> FloatField:
    with StepReader(window) as reader:
        return np.stack(list(reader.fields(steps)))


def by_xarray(path: Path) -> npt.NDArray[np.float32]:
    with (
        warnings.catch_warnings(action="ignore", category=xr.SerializationWarning),
        xr.open_dataset(path, engine="h5netcdf", decode_times=False) as dataset,
    ):
        field = dataset.sst.isel(depth=0, missing_dims="ignore").transpose("time", "lat", "lon")
        return field.values.astype(np.float32)


@pytest.fixture
def no_xarray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no file be opened by xarray once it has been surveyed."""

    def refused(path: Path) -> None:
        raise AssertionError(f"{path} is opened once more")

    monkeypatch.setattr(reading, "open_source", refused)


@pytest.mark.usefixtures("no_xarray")
class TestValues:
    @pytest.mark.parametrize("packing", PACKINGS)
    def test_they_are_decoded_as_xarray_does(self, tmp_path: Path, packing: str) -> None:
        write(tmp_path / "a.nc", packing)
        found = read(steps_of(tmp_path / "a.nc"))
        np.testing.assert_array_equal(found, by_xarray(tmp_path / "a.nc"))
        filled = np.isfinite(PACKINGS[packing][1].get("_FillValue", np.nan))
        assert np.isnan(found).any() == filled

    def test_in_a_group(self, tmp_path: Path) -> None:
        write(tmp_path / "a.nc", "packed", group="/model/surface")
        with xr.open_dataset(tmp_path / "a.nc", group="/model/surface", engine="h5netcdf") as there:
            expected = there.sst.values[:, 0].astype(np.float32)
        found = read(steps_of(tmp_path / "a.nc", "/model/surface/sst"))
        np.testing.assert_array_equal(found, expected)

    @settings(max_examples=20)
    @given(
        dimensions=st.permutations(list(SIZES)),
        rows=st.integers(0, 5).flatmap(
            lambda low: st.tuples(st.just(low), st.integers(low + 1, 6))
        ),
        seam=st.integers(1, 7),
        chosen=st.sets(st.integers(0, SIZES["time"] - 1), min_size=1),
    )
    def test_in_any_order_of_dimensions_and_any_window(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        dimensions: list[str],
        rows: tuple[int, int],
        seam: int,
        chosen: set[int],
    ) -> None:
        path = tmp_path_factory.mktemp("order") / "a.nc"
        write(path, "a fill value", dimensions)
        window = Window(slice(*rows), (slice(seam, SIZES["lon"]), slice(0, seam)))
        found = read([step for step in steps_of(path) if step.index in chosen], window)
        expected = np.roll(by_xarray(path), -seam, axis=2)[sorted(chosen), slice(*rows)]
        np.testing.assert_array_equal(found, expected)


class TestWhatOnlyXarrayKnows:
    def test_a_variable_shorter_than_its_unlimited_dimension(self, tmp_path: Path) -> None:
        path = tmp_path / "a.nc"
        write(path, "a fill value", unlimited_dims=["time"])
        with h5py.File(path, "a") as file:
            file["sst"].resize(3, axis=0)
        steps = steps_of(path)
        assert steps[0].source.stored is None  # so that it is not looked for at each reading
        found = read(steps)
        assert len(found) == SIZES["time"]
        np.testing.assert_array_equal(found, by_xarray(path))
        assert np.isnan(found[3:]).all() and not np.isnan(found[:3]).all()

    def test_a_file_that_has_changed_since_is_not_read_by_what_it_was(self, tmp_path: Path) -> None:
        path = tmp_path / "a.nc"
        write(path, "float32")
        steps = steps_of(path)
        with h5py.File(path, "a") as file:
            del file["sst"]
        with pytest.raises(UsageError, match="has no variable sst"):
            read(steps)


def test_a_file_that_is_damaged_meanwhile_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    write(path, "float32")
    steps = steps_of(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DatasetError) as raised:
        read(steps)
    assert str(path) in raised.value.message
