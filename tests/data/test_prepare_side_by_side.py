"""Variables with and without depths side by side, in HR, in LR of its own, and under one mask."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from srwizard.base.errors import DatasetError
from srwizard.data.inspect import inspect
from srwizard.data.layout import scan
from srwizard.data.prepare import LrSource, Masking
from srwizard.data.prepare.masking import MaskVariable
from tests.data.test_lr_product import product, smooth
from tests.data.test_prepare import every_field, make, ocean, saved
from tests.data.test_prepare_selection import deep

LEVELS = (0.0, 10.0, 30.0)


def on_levels(path: Path, name: str, shape: tuple[int, int], depths: tuple[float, ...]) -> Path:
    """Write a product on levels: at each 1 K more than above."""
    flat = xr.open_dataset(
        product(path.with_suffix(".flat.nc"), range(6), shape, name=name), engine="h5netcdf"
    ).load()
    flat.close()
    field = flat[name].expand_dims(depth=np.array(depths), axis=1)
    values = field + np.arange(len(depths)).reshape(1, -1, 1, 1)
    values.attrs["units"] = "K"
    dataset = values.astype(np.float32).to_dataset(name=name)
    dataset.depth.attrs = {"units": "m", "positive": "down"}
    return saved(dataset, path)


def test_levels_of_hr_with_a_product_of_the_surface(tmp_path: Path) -> None:
    """thetao at one depth with sst, as docs/preparing.md has it."""
    hr = on_levels(tmp_path / "hr.nc", "thetao", (32, 32), LEVELS)
    lr = product(tmp_path / "lr.nc", range(6), (8, 8), name="sst")
    source = LrSource((lr,), ("sst",))
    names = {"thetao": "thetao"}
    make([hr], tmp_path / "one", variables=names, scale=4, depths=(0,), lr_source=source)
    assert every_field(tmp_path / "one", "lr", "thetao").shape == (6, 8, 8)
    make([hr], tmp_path / "two", variables=names, scale=4, depths=(0, 10), lr_source=source)
    for level in ("0m", "10m"):
        np.testing.assert_array_equal(
            every_field(tmp_path / "two", "lr", f"thetao_{level}"),
            every_field(tmp_path / "one", "lr", "thetao"),
        )


def test_each_level_gets_that_of_the_product(tmp_path: Path) -> None:
    hr = on_levels(tmp_path / "hr.nc", "thetao", (32, 32), LEVELS)
    surface = product(tmp_path / "hr2.nc", range(6), (32, 32), name="zos")
    lr = on_levels(tmp_path / "lr.nc", "temp", (8, 8), LEVELS)
    lr2 = product(tmp_path / "lr2.nc", range(6), (8, 8), name="ssh")
    make(
        [hr, surface], tmp_path / "out", variables={"thetao": "thetao", "zos": "zos"}, scale=4,
        depths=(0, 30), lr_source=LrSource((lr, lr2), ("temp", "ssh")),
    )  # fmt: skip
    shallow, deepest, level = (
        every_field(tmp_path / "out", "lr", name) for name in ("thetao_0m", "thetao_30m", "zos")
    )
    np.testing.assert_allclose(deepest - shallow, 2.0, atol=1e-3)
    np.testing.assert_allclose(level, shallow, atol=1e-3)


def test_one_variable_of_the_product_may_serve_two(tmp_path: Path) -> None:
    hr = product(tmp_path / "hr.nc", range(6), (32, 32), name="a")
    other = product(tmp_path / "hr2.nc", range(6), (32, 32), name="b")
    lr = product(tmp_path / "lr.nc", range(6), (8, 8), name="temp")
    make(
        [hr, other], tmp_path / "out", variables={"a": "a", "b": "b"}, scale=4,
        lr_source=LrSource((lr,), ("temp", "temp")),
    )  # fmt: skip
    found = [every_field(tmp_path / "out", "lr", name) for name in ("a", "b")]
    np.testing.assert_array_equal(*found)


def test_a_mask_of_several_levels_is_that_of_the_surface_for_what_has_none(tmp_path: Path) -> None:
    mask = np.ones((3, 4, 6), np.int8)
    mask[0, 3, 3] = 0
    mask[2, 2, 2] = 0
    dataset = deep()
    dataset["tmask"] = (("depth", "lat", "lon"), mask)
    source = saved(dataset, tmp_path / "a.nc")
    masking = Masking(variable=MaskVariable("tmask"))
    make([source], tmp_path / "alone", variables={"zos": "zos"}, masking=masking)
    both = {"temp": "temp", "zos": "zos"}
    make([source], tmp_path / "both", variables=both, depths=(109,), masking=masking)
    for out in ("alone", "both"):
        level = every_field(tmp_path / out, "hr", "zos")
        assert np.isnan(level[:, 3, 3]).all()
        assert np.isfinite(level[:, 2, 2]).all()
    deepest = every_field(tmp_path / "both", "hr", "temp")
    assert np.isnan(deepest[:, 2, 2]).all()
    assert np.isfinite(deepest[:, 3, 3]).all()


@pytest.mark.parametrize("shape", [(4, 32), (32, 4)])
def test_lr_of_one_row_or_column_has_no_cells_to_compare(
    tmp_path: Path, shape: tuple[int, int]
) -> None:
    hr = product(tmp_path / "hr.nc", range(6), shape)
    lr = product(tmp_path / "lr.nc", range(6), (8, 8))
    with pytest.raises(DatasetError, match=r"1 x 8|8 x 1"):
        make([hr], tmp_path / "out", scale=4, lr_source=LrSource((lr,)))
    assert not (tmp_path / "out").exists()


def test_a_step_without_a_value_in_lr_is_left_out_or_kept(tmp_path: Path) -> None:
    def one_step_missing(time: Any, lat: Any, lon: Any) -> Any:
        return np.where(time == 1, np.nan, smooth(time, lat, lon))

    hr = product(tmp_path / "hr.nc", range(9), (32, 32))
    lr = product(tmp_path / "lr.nc", range(9), (8, 8), one_step_missing)
    source = LrSource((lr,))
    manifest = make([hr], tmp_path / "out", scale=4, lr_source=source)
    assert manifest.dropped_steps == ("2000-01-02T00:00:00",)
    assert every_field(tmp_path / "out", "hr").shape[0] == 8
    assert not inspect(scan(tmp_path / "out")).problems
    kept = make([hr], tmp_path / "kept", scale=4, lr_source=source, empty_steps="keep")
    assert not kept.dropped_steps
    summary = inspect(scan(tmp_path / "kept"))
    assert summary.usable
    assert "has no value at all" in summary.problems[0].message


def test_each_variable_has_the_coordinates_that_it_names(tmp_path: Path) -> None:
    """As in POP, whose velocities stand on the corners of the cells of temperature."""
    rows, columns = np.meshgrid(np.linspace(-30, 60, 4), np.linspace(10, 20, 6), indexing="ij")
    plain = ocean()
    found = xr.Dataset({"UVEL": (("time", "j", "i"), plain.temp.values),
                        "TEMP": (("time", "j", "i"), plain.temp.values)},
                       coords={"time": plain.time})  # fmt: skip
    for letter, by in (("T", 0.0), ("U", 0.5)):
        lat, lon = rows + by + columns / 100, columns + by + rows / 100
        found[f"{letter}LAT"] = (("j", "i"), lat, {"units": "degrees_north"})
        found[f"{letter}LONG"] = (("j", "i"), lon, {"units": "degrees_east"})
    found.UVEL.attrs["coordinates"] = "ULONG ULAT"
    found.TEMP.attrs["coordinates"] = "TLONG TLAT"
    source = saved(found, tmp_path / "pop.nc")
    for name, by in (("TEMP", 0.0), ("UVEL", 0.5)):
        make([source], tmp_path / name, variables={name: "field"})
        (file,) = (tmp_path / name / "static_variables" / "hr").glob("*lat*")
        assert np.load(file)[0, 0] == pytest.approx(-30 + by + 0.1, abs=0.01)
    with pytest.raises(DatasetError, match="grid"):
        make([source], tmp_path / "both", variables={"TEMP": "t", "UVEL": "u"})
