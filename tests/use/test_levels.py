"""Runs of variables at several depths: what an input holds of them is found, or refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from srwizard import load_run
from srwizard.base.errors import DatasetError, UsageError
from srwizard.data.prepare import prepare
from srwizard.data.quantities import levels_in
from srwizard.settings import run_config
from srwizard.use.inputs import open_input
from srwizard.use.opened_input import Input
from srwizard.use.predict import predict
from srwizard.use.run import Run
from tests.data.test_prepare import every_field
from tests.train.runs import freeze, trained

LEVELS = (0.494, 47.37, 109.7)


def raw(path: Path, shape: tuple[int, int], levels: tuple[float, ...] = LEVELS) -> Path:
    """Write daily thetao [time, depth, lat, lon] and zos: at each level 5 K colder than above."""
    coarse = np.random.default_rng(0).normal(290, 1, (12, 8, 12))
    field = coarse.repeat(shape[0] // 8, axis=1).repeat(shape[0] // 8, axis=2)
    deep = field[:, None] - 5 * np.searchsorted(LEVELS, levels).reshape(1, -1, 1, 1)
    dataset = xr.Dataset(
        {
            "thetao": (("time", "depth", "lat", "lon"), deep.astype(np.float32), {"units": "K"}),
            "zos": (("time", "lat", "lon"), (field - 290).astype(np.float32), {"units": "m"}),
        },
        coords={
            "time": ("time", np.arange(12), {"units": "days since 2000-01-01"}),
            "depth": ("depth", np.array(levels), {"units": "m", "positive": "down"}),
        },
    )
    dataset.to_netcdf(path, engine="h5netcdf")
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("levels")


@pytest.fixture(scope="module")
def run(place: Path) -> Run:
    """A run of thetao at two depths, and of zos."""
    prepare(
        [raw(place / "hr.nc", (16, 24))], variables={"thetao": "thetao", "zos": "zos"}, scale=2,
        split=(0.5, 0.25, 0.25), out=place / "data", depths=(0, 50),
    )  # fmt: skip
    freeze(place / "data", place / "run", normalization="GN", epochs=1)
    trained(place / "run")
    return load_run(place / "run")


def opened(run: Run, *paths: Path, **names: str) -> Input:
    own = {name: name for name in run.variables} | names
    root = Path(run_config.load(run.directory).data.root)
    return open_input(list(paths), own, None, levels=levels_in(root))


def test_the_levels_are_taken_from_the_kind_of_file_that_it_was_made_of(
    run: Run, place: Path, tmp_path: Path
) -> None:
    assert run.variables == ("thetao_0m", "thetao_50m", "zos")
    found = opened(run, raw(tmp_path / "lr.nc", (8, 12)))
    first = next(iter(found.fields(0)))
    expected = [every_field(place / "data", "lr", name)[0] for name in run.variables]
    np.testing.assert_allclose(first, expected, rtol=1e-4, atol=1e-4)
    done = predict(run, found, tmp_path / "out.nc")
    assert done.steps == 12
    with xr.open_dataset(tmp_path / "out.nc", engine="h5netcdf") as out:
        assert float((out.thetao_0m - out.thetao_50m).mean()) == pytest.approx(5, abs=0.5)


def test_names_may_be_given_and_levels_are_found_all_the_same(run: Run, tmp_path: Path) -> None:
    path = raw(tmp_path / "lr.nc", (8, 12))
    with xr.open_dataset(path, engine="h5netcdf", decode_times=False) as source:
        source.rename(thetao="temp").to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    found = opened(run, tmp_path / "other.nc", thetao_0m="temp", thetao_50m="temp")
    first = next(iter(found.fields(0)))
    assert float((first[0] - first[1]).mean()) == pytest.approx(5, abs=1e-3)


@pytest.mark.parametrize("levels", [(0.494,), (0.494, 109.7)])
def test_another_depth_is_refused(run: Run, tmp_path: Path, levels: tuple[float, ...]) -> None:
    path = raw(tmp_path / "lr.nc", (8, 12), levels)
    with pytest.raises(DatasetError, match=r"thetao_50m lies at the depth .* trained at 47\.37"):
        opened(run, path)


def test_a_level_nearby_is_taken(run: Run, tmp_path: Path) -> None:
    found = opened(run, raw(tmp_path / "lr.nc", (8, 12), (0.0, 50.0)))
    assert next(iter(found.fields(0))).shape == (3, 8, 12)


def test_fields_without_a_depth_are_taken_as_they_are(run: Run, tmp_path: Path) -> None:
    def flat(index: int) -> Any:
        return source.thetao.isel(depth=index, drop=True)

    path = raw(tmp_path / "lr.nc", (8, 12))
    with xr.open_dataset(path, engine="h5netcdf", decode_times=False) as source:
        cut = xr.Dataset({"thetao_0m": flat(0), "thetao_50m": flat(1), "zos": source.zos})
        cut.time.attrs["units"] = "days since 2000-01-01"
        cut.to_netcdf(tmp_path / "flat.nc", engine="h5netcdf")
    assert len(opened(run, tmp_path / "flat.nc").names) == 12


def test_what_is_not_there_is_missed_by_the_name_of_the_run(run: Run, tmp_path: Path) -> None:
    path = raw(tmp_path / "lr.nc", (8, 12))
    with xr.open_dataset(path, engine="h5netcdf", decode_times=False) as source:
        source[["zos"]].to_netcdf(tmp_path / "level.nc", engine="h5netcdf")
    with pytest.raises(UsageError, match="thetao_0m") as refusal:
        opened(run, tmp_path / "level.nc")
    assert "--variable thetao_0m=NAME_IN_FILE" in refusal.value.hint


def test_an_xarray_array_is_taken_by_its_values(run: Run) -> None:
    values = np.zeros((2, 3, 8, 12), np.float32) + np.array([290, 285, 0]).reshape(1, 3, 1, 1)
    array = xr.DataArray(values, dims=("time", "variable", "y", "x"))
    np.testing.assert_array_equal(run.predict(array), run.predict(values))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="3 channels"):
        run.predict(array.isel(variable=0))  # type: ignore[arg-type]


def test_a_manifest_that_somebody_else_wrote_says_as_much_as_it_can(tmp_path: Path) -> None:
    entries: dict[str, Any] = {
        "a": {"source_variable": "thetao", "depth": 5},
        "b": {"source_variable": "thetao", "depth": 10**400},
        "c": {"source_variable": "thetao", "depth": "deep"},
        "d": {"source_variable": 3},
        "e": None,
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"variables": entries}))
    found = levels_in(tmp_path)
    assert {name: level.depth for name, level in found.items()} == {"a": 5, "b": None, "c": None}
    assert levels_in(tmp_path / "nowhere") == {}
