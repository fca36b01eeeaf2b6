"""A bundle is used as the run that it was exported from, wherever its dataset is by then."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from srwizard import load_run
from srwizard.base.errors import DatasetError, UsageError
from srwizard.data import dataset_facts
from srwizard.data.coordinates import Grid
from srwizard.data.dataset_facts import DatasetFacts
from srwizard.data.quantities import Level
from srwizard.settings import run_config
from srwizard.train.dataset import verified
from srwizard.train.setup import keep_dataset_facts
from srwizard.use.export import export
from tests.datasets import write_dataset
from tests.train.runs import freeze, trained
from tests.train.test_seam import global_dataset
from tests.use.conftest import Command
from tests.use.records import lr_fields, record

RUNS: dict[str, dict[str, Any]] = {
    "per point, static input": {"static_variables": ("lon", "lat"), "ema_decay": 0.9},
    "tiles": {"skip": "auto", "model": "UNet2d", "patch_size": 16, "batch_size": 1},
    "conserved": {"skip": "auto", "conserve": "additive"},
    "guides": {"skip": "linear", "guides": ("sst",)},
    "ensemble": {"model": "DDPM", "normalization": "GN"},
    "ensemble that looks at the land": {"model": "ReMD", "normalization": "GN"},
}


def a_run(root: Path, run_dir: Path, changes: dict[str, Any]) -> Path:
    """Train a run, with what its dataset says kept beside it, as the worker does."""
    freeze(root, run_dir, **{"epochs": 2, "lr": 0.003} | changes)
    trained(run_dir)
    run = run_config.load(run_dir)
    keep_dataset_facts(run, run_dir, verified(run).contents)
    return run_dir


def lr_of(root: Path, names: tuple[str, ...]) -> Any:
    return np.stack([lr_fields(root, name)[0] for name in names])


@pytest.mark.slow
@pytest.mark.parametrize("case", RUNS)
def test_it_predicts_what_the_run_does_without_dataset_and_run(tmp_path: Path, case: str) -> None:
    root = write_dataset(tmp_path / "data", variables=("level", "sst"))
    run_dir, bundle = a_run(root, tmp_path / "run", RUNS[case]), tmp_path / "bundle"
    run = load_run(run_dir)
    export(run, bundle)
    lr = lr_of(root, run.variables)
    lr[0, 2, 3:5] = np.nan
    beside = {}
    if run.guides:
        sst = np.load(sorted((root / "test" / "hr" / "sst").glob("*.npy"))[0])
        beside = {"guides": sst[None]}
    wanted = run.predict(lr, **beside)
    shutil.rmtree(run_dir)
    shutil.rmtree(root)
    found = load_run(bundle)
    np.testing.assert_array_equal(found.predict(lr, **beside), wanted)
    assert (found.checkpoint.name, found.checkpoint.epoch) == (
        run.checkpoint.name,
        run.checkpoint.epoch,
    )
    assert found.metrics()["epochs"] == []
    assert "load_run" in (bundle / "README.md").read_text()


@pytest.mark.broad
def test_it_sees_across_the_seam(tmp_path: Path) -> None:
    root = global_dataset(tmp_path / "data")
    run_dir = a_run(root, tmp_path / "run", {"skip": "auto", "periodic": True})
    run = load_run(run_dir)
    export(run, tmp_path / "bundle")
    lr = lr_of(root, run.variables)
    np.testing.assert_array_equal(load_run(tmp_path / "bundle").predict(lr), run.predict(lr))


@pytest.mark.broad
def test_the_command_takes_it_and_knows_its_grid_and_units(
    srwizard: Command, tmp_path: Path
) -> None:
    root = write_dataset(tmp_path / "data", variables=("level", "sst"))
    attributes = {"level": {"units": "m"}, "sst": {"units": "degC"}}
    told = {
        "variables": {name: {"attributes": known} for name, known in attributes.items()},
        "request": {"masking": {"missing": [-99.0]}},
    }
    (root / "manifest.json").write_text(json.dumps(told))
    run_dir, bundle = a_run(root, tmp_path / "run", {"skip": "auto"}), tmp_path / "bundle"
    export(load_run(run_dir), bundle)
    given = record(root, units={"level": "m", "sst": "degC"})
    given.to_netcdf(tmp_path / "in.nc", engine="h5netcdf")
    turned = given.isel(lat=slice(None, None, -1))
    turned.to_netcdf(tmp_path / "turned.nc", engine="h5netcdf")
    other = record(root, units={"level": "knots", "sst": "degC"})
    other.to_netcdf(tmp_path / "units.nc", engine="h5netcdf")
    wanted = srwizard("predict", run_dir, "in.nc", "-o", "run.nc")
    assert wanted.returncode == 0, wanted.stderr
    shutil.rmtree(root)
    for place in (bundle, run_dir):  # neither needs the dataset to know where it lies
        done = srwizard("predict", place, "in.nc", "-o", f"{place.name}.nc", "--overwrite")
        assert done.returncode == 0, done.stderr
        assert "Taken as missing, as when the dataset was prepared: -99" in done.stdout
        upside_down = srwizard("predict", place, "turned.nc", "-o", "no.nc")
        assert (upside_down.returncode, "is upside down" in upside_down.stderr) == (3, True)
        units = srwizard("predict", place, "units.nc", "-o", "no.nc")
        assert (units.returncode, "knots" in units.stderr) == (3, True)
    with (
        xr.open_dataset(tmp_path / "run.nc", engine="h5netcdf") as ours,
        xr.open_dataset(tmp_path / "bundle.nc", engine="h5netcdf") as theirs,
    ):
        xr.testing.assert_equal(ours, theirs)
        assert theirs.sst.attrs["units"] == "degC"


def test_one_that_is_damaged_or_old_says_so(tmp_path: Path, edsr: Path) -> None:
    bundle = tmp_path / "bundle"
    export(load_run(edsr), bundle)
    with pytest.raises(UsageError, match=r"holds best\.pt alone"):
        load_run(bundle, checkpoint="last")
    for name in ("config.json", "statistics.npz", "model.safetensors"):
        whole = (bundle / name).read_bytes()
        (bundle / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(UsageError, match="is damaged, or of an earlier version"):
            load_run(bundle)
        (bundle / name).write_bytes(whole)
    config = json.loads((bundle / "config.json").read_text())
    del config["run"]
    (bundle / "config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match="is damaged, or of an earlier version"):
        load_run(bundle)


def test_a_run_of_an_earlier_version_whose_dataset_is_gone_says_what_is_not_checked(
    tmp_path: Path,
) -> None:
    root = write_dataset(tmp_path / "data", variables=("level",))
    freeze(root, tmp_path / "run", epochs=1)
    trained(tmp_path / "run")
    assert load_run(tmp_path / "run").notices == ()
    shutil.rmtree(root)
    (notice,) = load_run(tmp_path / "run").notices
    assert "has not kept its grid and units" in notice


def test_a_dataset_that_was_made_anew_on_another_grid_does_not_count(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", variables=("level",))
    run_dir = a_run(root, tmp_path / "run", {})
    before = load_run(run_dir)
    lon = root / "static_variables" / "lr" / "00_lon.npy"
    np.save(lon, np.load(lon) + 90)
    after = load_run(run_dir)
    assert after.lr_grid.matches(before.lr_grid)
    elsewhere = Grid(after.lr_grid.shape, after.lr_grid.latitude, np.load(lon))
    with pytest.raises(DatasetError, match="different grid"):
        after.check_grid(elsewhere, "in.nc")


def test_facts_are_read_as_they_were_written(tmp_path: Path) -> None:
    shapes = {"hr": (4, 6), "lr": (2, 3)}
    facts = DatasetFacts(
        grids={
            "hr": Grid((4, 6), np.arange(4.0), np.arange(24.0).reshape(4, 6)),
            "lr": Grid((2, 3), None, None),
        },
        attributes={"temp": {"units": "degC"}, "salt": {}},
        levels={"temp": Level("thetao", 0.5), "salt": Level("so", None)},
        missing=(-9999.0,),
    )
    path = tmp_path / dataset_facts.FILE_NAME
    dataset_facts.save(path, facts, "key")
    found = dataset_facts.load(path, "key", shapes)
    assert found is not None
    assert found.grids["hr"].matches(facts.grids["hr"])
    assert found.grids["lr"].longitude is None
    assert (found.attributes, found.levels, found.missing) == (
        facts.attributes,
        facts.levels,
        facts.missing,
    )
    assert dataset_facts.load(path, "another", shapes) is None
    path.write_bytes(path.read_bytes()[:100])
    assert dataset_facts.load(path, "key", shapes) is None
