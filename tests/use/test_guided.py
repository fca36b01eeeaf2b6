"""Predictions and bundles of a run that takes HR fields as guides."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from srwizard import load_run
from srwizard.base.errors import DatasetError, UsageError
from srwizard.data.samples import Key
from srwizard.use.export import export
from srwizard.use.inputs import open_input
from srwizard.use.predict import predict
from tests.datasets import write_dataset
from tests.train.runs import freeze, made_ready, trained
from tests.use.records import lr_fields, record
from tests.use.test_export import DOCS, code_of


@pytest.fixture
def run_dir(tmp_path: Path, dataset: Path) -> Path:
    """A run with a guide that its network has learnt to see."""
    shape = np.load(next((dataset / "test" / "hr").glob("*/*.npy"))).shape
    depth = np.random.default_rng(0).normal(3000, 500, shape)
    np.save(dataset / "static_variables" / "hr" / "02_depth.npy", depth)
    freeze(
        dataset,
        tmp_path / "run",
        guides=["depth"],
        skip="linear",
        normalization="GN",
        epochs=4,
        lr=0.01,
    )
    trained(tmp_path / "run")
    return tmp_path / "run"


def fields(dataset: Path, names: tuple[str, ...]) -> np.ndarray:
    return np.stack([lr_fields(dataset, name)[0] for name in names])


def test_predictions_are_what_is_scored(run_dir: Path, dataset: Path) -> None:
    training = made_ready(run_dir)
    (batch,) = training.batches("test", [(Key(0),)])
    with torch.no_grad():
        scored = training.bare.eval()(batch["lr"]) * training.spread + batch["base"]
    run = load_run(run_dir, checkpoint="last")
    found = run.predict(fields(dataset, run.variables))
    water = batch["mask"][0].numpy()
    np.testing.assert_allclose(found[water], scored[0].numpy()[water], atol=1e-4)
    run.preprocessing.static[...] = 0
    assert not np.allclose(run.predict(fields(dataset, run.variables))[water], found[water])


def test_it_cannot_be_used_on_another_grid(run_dir: Path) -> None:
    run = load_run(run_dir)
    with pytest.raises(DatasetError, match="different grid") as refused:
        run.predict(np.zeros((len(run.variables), 5, 6), dtype=np.float32))
    assert "static fields of its grid as input: depth" in refused.value.hint


def test_a_guide_that_has_changed_or_is_gone_is_named(run_dir: Path, dataset: Path) -> None:
    file = dataset / "static_variables" / "hr" / "02_depth.npy"
    np.save(file, np.load(file) + 1)
    with pytest.raises(DatasetError, match=r"static/hr/02_depth has changed"):
        load_run(run_dir)
    file.unlink()
    with pytest.raises(DatasetError, match="no static field depth for hr"):
        load_run(run_dir)


def test_a_bundle_carries_it(run_dir: Path, dataset: Path, tmp_path: Path) -> None:
    run, bundle = load_run(run_dir), tmp_path / "bundle"
    export(run, bundle)
    lr = fields(dataset, run.variables)
    np.save(tmp_path / "lr.npy", lr)
    (dataset / "static_variables" / "hr" / "02_depth.npy").unlink()
    text = DOCS.read_text(encoding="utf-8")
    program = code_of(text, "load_file") + "import numpy as np\nlr = np.load('../lr.npy')\n"
    program += code_of(text, "baselines.npz") + "np.save('../sr.npy', sr)\n"
    subprocess.run([sys.executable, "-c", program], cwd=bundle, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "sr.npy"), run.predict(lr), rtol=0, atol=1e-4)
    assert json.loads((bundle / "config.json").read_text())["guides"] == ["depth"]
    assert "depth" in (bundle / "README.md").read_text()


@pytest.fixture
def guided(tmp_path: Path) -> tuple[Path, Path]:
    """A dataset, and a run on it that is guided by another variable at HR."""
    root = write_dataset(tmp_path / "data", variables=("level", "sst"))
    changes = {"skip": "linear", "normalization": "GN", "epochs": 4, "lr": 0.01}
    freeze(root, tmp_path / "run", guides=["sst"], **changes)
    trained(tmp_path / "run")
    return root, tmp_path / "run"


def hr_of(root: Path, name: str, split: str = "test") -> np.ndarray:
    return np.stack([np.load(file) for file in sorted((root / split / "hr" / name).glob("*.npy"))])


def written(target: Path) -> np.ndarray:
    with xr.open_dataset(target, engine="h5netcdf") as found:
        return found["level"].values


def test_a_guide_of_every_step_is_taken_from_the_dataset_or_a_file(
    guided: tuple[Path, Path], tmp_path: Path
) -> None:
    root, run_dir = guided
    run = load_run(run_dir)
    lr, sst = lr_fields(root, "level")[:, None], hr_of(root, "sst")[:, None]
    expected = run.predict(lr, guides=sst)
    assert not np.allclose(expected, run.predict(lr, guides=sst[::-1]), equal_nan=True)

    found = open_input([root], {"level": "level"}, "test", run.guides)
    predict(run, found, tmp_path / "of_dataset.nc")
    np.testing.assert_allclose(written(tmp_path / "of_dataset.nc"), expected[:, 0], atol=1e-5)

    low = record(root)
    low.to_netcdf(tmp_path / "lr.nc", engine="h5netcdf")
    statics = root / "static_variables" / "hr"
    high = xr.Dataset(
        {"sst": (("time", "lat", "lon"), sst[:, 0])},
        coords={
            "time": low.time,
            "lat": ("lat", np.load(statics / "01_lat.npy"), {"units": "degrees_north"}),
            "lon": ("lon", np.load(statics / "00_lon.npy"), {"units": "degrees_east"}),
        },
    )
    high.to_netcdf(tmp_path / "sst.nc", engine="h5netcdf")
    files = [tmp_path / "lr.nc"], {"level": "level"}, None, run.guides
    found = open_input(*files, [tmp_path / "sst.nc"])
    assert found.guides is not None
    predict(run, found, tmp_path / "of_file.nc")
    np.testing.assert_allclose(written(tmp_path / "of_file.nc"), expected[:, 0], atol=1e-5)

    high.isel(time=slice(0, 2)).to_netcdf(tmp_path / "short.nc", engine="h5netcdf")
    with pytest.raises(DatasetError, match=r"guides in .*short.nc lack 1 step of .*lr.nc"):
        open_input(*files, [tmp_path / "short.nc"])
    # Of a longer record, the steps of LR are taken.
    xr.load_dataset(files[0][0], engine="h5netcdf").isel(time=slice(1, None)).to_netcdf(
        tmp_path / "late.nc", engine="h5netcdf"
    )
    late = open_input([tmp_path / "late.nc"], *files[1:], [tmp_path / "sst.nc"])
    predict(run, late, tmp_path / "of_late.nc")
    np.testing.assert_allclose(written(tmp_path / "of_late.nc"), expected[1:, 0], atol=1e-5)
    # By the name that it has there.
    high.rename(sst="temperature").to_netcdf(tmp_path / "named.nc", engine="h5netcdf")
    named = open_input(*files[:3], {"sst": "temperature"}, [tmp_path / "named.nc"])
    np.testing.assert_array_equal(next(named.guides(0)), next(found.guides(0)))
    kelvin = high.assign(sst=high.sst + 273.15)
    kelvin.to_netcdf(tmp_path / "kelvin.nc", engine="h5netcdf")
    with pytest.raises(DatasetError, match=r"sst is around 2\d\d.* in .*kelvin.nc"):
        predict(run, open_input(*files, [tmp_path / "kelvin.nc"]), tmp_path / "never.nc")
    high.isel(lat=slice(0, 12)).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(DatasetError, match="guides sst are on a different grid from HR"):
        predict(run, open_input(*files, [tmp_path / "other.nc"]), tmp_path / "never.nc")
    assert not (tmp_path / "never.nc").exists()
    with pytest.raises(UsageError, match="takes sst at high resolution as guides, and there is"):
        open_input(*files)


def test_a_guide_of_every_step_that_is_missing_or_has_gaps_is_named(
    guided: tuple[Path, Path],
) -> None:
    root, run_dir = guided
    run = load_run(run_dir)
    lr, sst = lr_fields(root, "level")[:1], hr_of(root, "sst")[:1]
    with pytest.raises(UsageError, match=r"takes sst at high resolution .* \[1, 16, 24\] of every"):
        run.predict(lr)
    with pytest.raises(UsageError, match="not \\[1, 8, 12\\]"):
        run.predict(lr, guides=sst[:, ::2, ::2])
    row, column = (int(place[0]) for place in np.nonzero(np.isfinite(sst[0])))
    sst[0, row, column] = np.nan
    with pytest.raises(DatasetError, match="the guide sst has no value at 1 point"):
        run.predict(lr, guides=sst)
    sst[0, row, column] = 1e20
    with pytest.raises(
        DatasetError, match=r"sst has the value 1e\+20 in the array, step 0"
    ) as found:
        run.predict(lr, guides=sst)
    assert "--missing-value 1e+20" in str(found.value.hint)
    np.save(sorted((root / "test" / "hr" / "sst").iterdir())[0], sst[0])
    source = open_input([root], {"level": "level"}, "test", run.guides)
    with pytest.raises(DatasetError, match=rf"sst has the value 1e\+20 in {root}, step step_0011"):
        predict(run, source, root.parent / "never.nc")
    assert not (root.parent / "never.nc").exists()


def test_a_bundle_says_how_a_guide_of_every_step_is_counted(
    guided: tuple[Path, Path], tmp_path: Path
) -> None:
    run = load_run(guided[1])
    export(run, tmp_path / "bundle")
    config = json.loads((tmp_path / "bundle" / "config.json").read_text())
    assert config["guides"] == ["sst"]
    assert config["guide_scales"] == {"sst": run.config.data.guide_scales["sst"]}
    assert "sst, at high resolution" in (tmp_path / "bundle" / "README.md").read_text()
    with pytest.raises(UsageError, match="guides of every step"):
        export(run, tmp_path / "other", onnx=True)
