"""`srwizard predict`, the installed command: from low-resolution fields to a NetCDF file."""

import json
import shutil
from pathlib import Path
from typing import Any

import h5netcdf
import numpy as np
import pytest
import xarray as xr

from srwizard import load_run
from srwizard.data.layout import scan
from srwizard.train.resuming import load_best
from srwizard.train.scoring import score
from tests.datasets import land_mask, write_dataset
from tests.train.runs import freeze, set_up_only, trained
from tests.use.conftest import Command
from tests.use.records import lr_fields, record

SALT_AND_TEMP = ("salt", "temp")


def compliance_problems(path: Path) -> list[str]:
    """Return what compliance-checker finds wrong by CF at the required level."""
    from compliance_checker.runner import CheckSuite, ComplianceChecker

    CheckSuite.load_all_available_checkers()
    report = path.with_suffix(".json")
    ComplianceChecker.run_checker(
        str(path), ["cf:1.8"], 0, "strict", output_filename=str(report), output_format="json"
    )
    found = json.loads(report.read_text())["cf:1.8"]
    assert found["possible_points"] > 20
    return [message for check in found["high_priorities"] for message in check["msgs"]]


def hr_fields(root: Path, name: str) -> Any:
    found = scan(root).fields["test", "hr", name]
    return np.stack([found.read(index) for index in range(len(found.steps))])


@pytest.mark.broad
def test_a_dataset_directory_gives_what_evaluation_scores(
    srwizard: Command, tmp_path: Path, dataset: Path, edsr: Path
) -> None:
    done = srwizard("predict", edsr, dataset, "-o", "out.nc")
    assert done.returncode == 0, done.stderr
    assert "3 steps of [16, 24], best.pt of epoch" in done.stdout
    training = set_up_only(edsr)
    assert load_best(training, edsr) is not None
    scores = score(training, "test").variables
    with xr.open_dataset(tmp_path / "out.nc") as out:
        assert out.temp.dims == ("step", "lat", "lon")
        assert [str(name) for name in out.step_name.values] == [
            "step_0011", "step_0012", "step_0013",
        ]  # fmt: skip
        for name in SALT_AND_TEMP:
            error = out[name].values - hr_fields(dataset, name)
            rmse = float(np.sqrt(np.nanmean(error.astype(np.float64) ** 2)))
            assert rmse == pytest.approx(scores[name]["model"]["rmse"], rel=1e-5)
            assert (np.isnan(out[name].values) == land_mask((16, 24))).all()


@pytest.mark.broad
def test_a_model_that_looks_at_land_is_scored_as_it_predicts(tmp_path: Path, dataset: Path) -> None:
    run_dir = tmp_path / "run"
    freeze(dataset, run_dir, model="ReMD", epochs=2, lr=0.01)
    training = trained(run_dir)
    assert training.water is not None and not training.water.all()
    assert load_best(training, run_dir) is not None
    assert training.bare.get_parameter("correction.project.weight").abs().max() > 0
    scores = score(training, "test").variables
    sr = load_run(run_dir).predict(
        np.stack([lr_fields(dataset, name) for name in SALT_AND_TEMP], axis=1)
    )
    for channel, name in enumerate(SALT_AND_TEMP):
        error = sr[:, channel].astype(np.float64) - hr_fields(dataset, name)
        rmse = np.sqrt(np.nanmean(error**2))
        assert rmse == pytest.approx(scores[name]["model"]["rmse"], rel=1e-5)


@pytest.mark.parametrize("root", ["data", "copy"])
def test_what_the_training_masks_is_masked_in_the_prediction_too(
    srwizard: Command, tmp_path: Path, root: str
) -> None:
    dataset = write_dataset(tmp_path / "data")
    file = dataset / "test/lr/temp/step_0012.npy"
    values = np.load(file)
    values[3, 9] = np.inf
    if root == "data":  # of a copy it is not known what only its neighbours tell
        values[6, 2] = 5000
    np.save(file, values)
    freeze(dataset, tmp_path / "run", outliers="mask")
    training = trained(tmp_path / "run")
    assert load_best(training, tmp_path / "run") is not None
    shutil.copytree(dataset, tmp_path / "copy")
    done = srwizard("predict", "run", root, "-o", "out.nc")
    assert done.returncode == 0, done.stderr
    scores = score(training, "test").variables["temp"]["model"]
    with xr.open_dataset(tmp_path / "out.nc") as out:
        error = out.temp.values - hr_fields(dataset, "temp")
        rmse = float(np.sqrt(np.nanmean(error.astype(np.float64) ** 2)))
        assert rmse == pytest.approx(scores["rmse"], rel=1e-5)
        assert out.temp_filled.values[1, 6:8, 18:20].all()


@pytest.mark.broad
def test_a_netcdf_file_gives_one_by_cf(
    srwizard: Command, tmp_path: Path, dataset: Path, edsr: Path
) -> None:
    source = record(dataset, names={"temp": "thetao"}, units={"temp": "degC"})
    source.thetao.attrs["standard_name"] = "sea_water_potential_temperature"
    packed = {"dtype": "i2", "scale_factor": 0.001, "add_offset": 15.0, "_FillValue": -32767}
    source.to_netcdf(
        tmp_path / "lr.nc", engine="h5netcdf", encoding={"thetao": packed, "salt": packed}
    )
    done = srwizard("predict", edsr, "lr.nc", "-o", "out.nc", "--variable", "temp=thetao")
    assert done.returncode == 0, done.stderr
    assert compliance_problems(tmp_path / "out.nc") == []
    with h5netcdf.File(tmp_path / "out.nc") as file:
        assert file["temp"].attrs["_FillValue"] == file["temp"][0, 0, 0] > 9e36
        assert file.attrs["Conventions"] == "CF-1.8"
    run = load_run(edsr)
    with xr.open_dataset(tmp_path / "out.nc") as out:
        times = [time.isoformat() for time in out.time.values]
        assert times == [f"2001-0{day}T00:00:00" for day in ("2-27", "2-28", "3-01")]
        assert out.time.encoding["calendar"] == "noleap"
        assert out.temp.dims == ("time", "lat", "lon")
        assert out.temp.attrs["units"] == "degC"
        assert out.temp.attrs["standard_name"] == "sea_water_potential_temperature"
        assert np.allclose(out.lat, np.load(dataset / "static_variables/hr/01_lat.npy"))
        assert np.allclose(out.lon, np.load(dataset / "static_variables/hr/00_lon.npy"))
        assert out.attrs["srwizard_run_digest"] == run.config.digest
        assert "srwizard predict" in out.attrs["history"]
        assert out.attrs["source"].startswith("EDSR")
        lr = np.stack([lr_fields(dataset, name) for name in SALT_AND_TEMP], axis=1)
        expected = run.predict(lr)
        # What packing rounds off, the network passes on.
        assert np.nanmax(abs(out.temp.values - expected[:, 1])) < 0.02


@pytest.mark.broad
def test_a_zarr_store_and_two_files_give_the_same(
    srwizard: Command, tmp_path: Path, dataset: Path, edsr: Path
) -> None:
    source = record(dataset)
    source.to_zarr(tmp_path / "lr.zarr", consolidated=False)
    source.isel(time=[2]).to_netcdf(tmp_path / "b.nc", engine="h5netcdf")
    source.isel(time=[0, 1]).to_netcdf(tmp_path / "a.nc", format="NETCDF3_CLASSIC", engine="scipy")
    for arguments in (["lr.zarr", "-o", "zarr.nc"], ["b.nc", "a.nc", "-o", "two.nc"]):
        done = srwizard("predict", edsr, *arguments)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
    with (
        xr.open_dataset(tmp_path / "zarr.nc") as one,
        xr.open_dataset(tmp_path / "two.nc") as other,
    ):
        xr.testing.assert_equal(one, other)
        assert one.sizes["time"] == 3


@pytest.mark.broad
def test_a_diffusion_run_writes_mean_spread_and_members(
    srwizard: Command, tmp_path: Path, dataset: Path, diffusion: Path
) -> None:
    record(dataset, units={"temp": "degC"}).to_netcdf(tmp_path / "lr.nc", engine="h5netcdf")
    done = srwizard("predict", diffusion, "lr.nc", "-o", "out.nc", "--members", "4")
    assert done.returncode == 0, done.stderr
    assert compliance_problems(tmp_path / "out.nc") == []
    with xr.open_dataset(tmp_path / "out.nc") as out:
        assert out.temp_members.dims == ("time", "member", "lat", "lon")
        assert out.member.values.tolist() == [1, 2, 3, 4]
        members = out.temp_members.values
        assert np.allclose(out.temp, members.mean(axis=1), equal_nan=True, atol=1e-5)
        spread = members.std(axis=1, ddof=1)
        assert np.allclose(out.temp_spread, spread, equal_nan=True, atol=1e-5)
        assert np.nanmin(spread) > 0
        assert out.temp_spread.attrs["units"] == "K"
    lr = np.stack([lr_fields(dataset, name) for name in SALT_AND_TEMP], axis=1)
    drawn = load_run(diffusion).sample(lr, members=4)
    assert np.allclose(drawn[:, :, 1], members, equal_nan=True, atol=1e-5)


@pytest.fixture
def bad_inputs(tmp_path: Path, dataset: Path) -> Path:
    """A directory of inputs that cannot be used, and of one that can: good.nc."""
    good = record(dataset)
    good.to_netcdf(tmp_path / "good.nc", engine="h5netcdf")
    moved = good.assign_coords(lon=good.lon + 5)
    moved.lon.attrs["units"] = "degrees_east"
    moved.to_netcdf(tmp_path / "moved.nc", engine="h5netcdf")
    kelvin = good.copy(deep=True)
    kelvin["temp"] += 273.15
    kelvin.to_netcdf(tmp_path / "kelvin.nc", engine="h5netcdf")
    infinite = good.copy(deep=True)
    infinite["temp"][0, 0, 0] = np.inf
    infinite.to_netcdf(tmp_path / "infinite.nc", engine="h5netcdf")
    (tmp_path / "text.nc").write_text("no NetCDF")
    (tmp_path / "empty").mkdir()
    content = (tmp_path / "good.nc").read_bytes()
    (tmp_path / "cut.nc").write_bytes(content[: len(content) // 2])
    return tmp_path


@pytest.mark.broad
@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["nothing.nc"], 2, "nothing.nc cannot be read: no such file"),
        (["text.nc"], 2, "text.nc is not a NetCDF file"),
        (["cut.nc"], 2, "cut.nc cannot be read as NetCDF"),
        (["empty"], 2, "empty is neither a dataset directory nor a Zarr store"),
        (["moved.nc"], 3, "longitude -4.95 to -2.75, expected -9.95 to -7.75"),
        (["infinite.nc"], 3, "Make them NaN first, e.g. with xarray"),
        (["good.nc", "-o", "out.zarr"], 2, "written as NetCDF, not as a Zarr store"),
        (["kelvin.nc"], 3, "Is it in different units, such as kelvin instead of degrees Celsius?"),
        (["good.nc", "--variable", "temp=thetao"], 2, "No source has a variable thetao"),
        (["good.nc", "--variable", "sst=temp"], 2, "the run has no variable sst"),
        (["good.nc", "--variable", "temp"], 2, "is not NAME=NAME_IN_FILE"),
        (["good.nc", "--split", "test"], 2, "only a dataset directory has splits"),
        (["good.nc", "--members", "3"], 2, "EDSR gives one result for each field"),
        (["good.nc", "--device", "cuda:9"], 2, "there is no GPU cuda:9"),
        (["good.nc", "--device", "tpu"], 2, "tpu is not a device"),
    ],
)  # fmt: skip
def test_an_input_that_cannot_be_used_is_refused(
    srwizard: Command, bad_inputs: Path, edsr: Path, arguments: list[str], code: int, expected: str
) -> None:
    before = sorted(path.name for path in bad_inputs.iterdir())
    done = srwizard("predict", edsr, "-o", "out.nc", *arguments)
    assert (done.returncode, expected in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
    assert not (bad_inputs / "out.nc").exists()
    assert not {path.name for path in bad_inputs.iterdir()} - set(before)


@pytest.mark.broad
def test_units_of_the_input_are_compared_with_those_of_the_dataset(
    srwizard: Command, tmp_path: Path, dataset: Path, edsr: Path
) -> None:
    shutil.copytree(dataset, tmp_path / "data")
    # The run says where its dataset is; prepare's manifest there says in what units it is.
    manifest = {"variables": {"temp": {"attributes": {"units": "Celsius"}}}}
    (dataset / "manifest.json").write_text(json.dumps(manifest))
    try:
        for units, code in (("degrees_C", 0), ("K", 3)):
            record(dataset, units={"temp": units}).to_netcdf(
                tmp_path / f"{units}.nc", engine="h5netcdf"
            )
            done = srwizard("predict", edsr, f"{units}.nc", "-o", f"out_{units}.nc")
            assert done.returncode == code, done.stderr
        assert "temp is in K in" in done.stderr
        assert "but the run was trained on Celsius" in done.stderr
    finally:
        (dataset / "manifest.json").unlink()


@pytest.mark.broad
def test_an_output_that_is_there_is_replaced_only_when_asked(
    srwizard: Command, tmp_path: Path, dataset: Path, edsr: Path
) -> None:
    out = tmp_path / "out.nc"
    out.write_text("mine")
    done = srwizard("predict", edsr, dataset, "-o", out)
    assert done.returncode == 2
    assert "out.nc exists already" in done.stderr
    assert "--overwrite" in done.stderr
    assert out.read_text() == "mine"
    refused = srwizard("predict", edsr, out, "-o", out, "--overwrite")
    assert refused.returncode == 2
    assert "is one of the inputs" in refused.stderr
    assert out.read_text() == "mine"
    nowhere = srwizard("predict", edsr, dataset, "-o", tmp_path / "no" / "out.nc")
    assert nowhere.returncode == 2
    assert "does not exist" in nowhere.stderr
    assert srwizard("predict", edsr, dataset, "-o", out, "--overwrite").returncode == 0
    assert xr.open_dataset(out).sizes["step"] == 3


@pytest.mark.broad
def test_a_directory_that_is_no_usable_run_is_refused(
    srwizard: Command, tmp_path: Path, dataset: Path, edsr: Path
) -> None:
    def refused(run_dir: Path, *more: str) -> str:
        done = srwizard("predict", run_dir, dataset, "-o", "out.nc", *more)
        assert done.returncode == 2, done.stderr
        assert not (tmp_path / "out.nc").exists()
        return done.stderr

    assert "is not a run directory" in refused(dataset)
    copy = tmp_path / "run"
    shutil.copytree(edsr, copy)
    (copy / "checkpoints" / "best.pt").write_bytes(b"damaged")
    assert "best.pt is damaged" in refused(copy, "--checkpoint", "best")
    shutil.rmtree(copy / "checkpoints")
    assert "the run has no such checkpoint" in refused(copy)
    text = (copy / "run.yaml").read_text()
    (copy / "run.yaml").chmod(0o644)
    (copy / "run.yaml").write_text(text.replace("schema_version: 1", "schema_version: 99"))
    assert "has schema version 99" in refused(copy)


def test_a_run_that_is_still_training_is_used_as_far_as_it_is(
    srwizard: Command, tmp_path: Path, dataset: Path, edsr: Path
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(edsr, copy)
    (copy / "status.json").write_text('{"state": "running", "pid": 1}')
    (copy / "checkpoints" / "best.pt").unlink()
    done = srwizard("predict", copy, dataset, "-o", "out.nc")
    assert done.returncode == 0, done.stderr
    assert "There is no checkpoint best.pt yet; last.pt is used." in done.stdout
    assert "The training is not complete (running); last.pt of epoch 2 of 2" in done.stdout
    with xr.open_dataset(tmp_path / "out.nc") as out:
        assert out.attrs["srwizard_checkpoint"] == "last.pt, epoch 2"


@pytest.mark.parametrize(
    ("dimension", "words"), [("lat", "is upside down"), ("lon", "is mirrored")]
)
def test_a_flipped_input_is_refused_even_by_a_run_on_any_grid(
    srwizard: Command, tmp_path: Path, dataset: Path, anywhere: Path, dimension: str, words: str
) -> None:
    turned = record(dataset).isel({dimension: slice(None, None, -1)})
    turned.to_netcdf(tmp_path / "lr.nc", engine="h5netcdf")
    done = srwizard("predict", anywhere, "lr.nc", "-o", "out.nc")
    assert done.returncode == 3, done.stderr
    assert words in done.stderr
    assert f"ncpdq -a -{dimension} IN.nc OUT.nc" in done.stderr
    assert not (tmp_path / "out.nc").exists()


def test_a_run_on_any_grid_goes_beyond_that_of_the_training(
    srwizard: Command, tmp_path: Path, anywhere: Path
) -> None:
    larger = write_dataset(
        tmp_path / "larger", hr_shape=(60, 90), variables=SALT_AND_TEMP, steps=(1, 1, 2)
    )
    done = srwizard("predict", anywhere, larger, "-o", "out.nc")
    assert done.returncode == 0, done.stderr
    with xr.open_dataset(tmp_path / "out.nc") as out:
        assert out.temp.shape == (2, 60, 90)
        land = np.isnan(lr_fields(larger, "temp")).repeat(2, axis=1).repeat(2, axis=2)
        assert (np.isnan(out.temp.values) == land).all()
        assert np.allclose(out.lat, 50 - 0.1 * np.arange(60), atol=1e-6)
        assert np.allclose(out.lon, -10 + 0.1 * np.arange(90), atol=1e-6)
        # Tiles are put together without seams: near to the truth everywhere.
        error = np.abs(out.temp.values - hr_fields(larger, "temp"))
        assert np.nanmax(error) < 1.0


@pytest.mark.parametrize("layout", ["npy", "h5", "nc"])
def test_a_part_of_a_dataset_is_called_that(
    srwizard: Command, tmp_path: Path, edsr: Path, layout: Any
) -> None:
    root = write_dataset(tmp_path / "other", layout=layout)
    part = root / "test" / "lr" if layout == "npy" else root / f"test.{layout}"
    done = srwizard("predict", edsr, part, "-o", tmp_path / "out.nc")
    assert done.returncode == 2
    assert f"{part} is a part of the dataset directory {root}" in done.stderr
    assert f"{root} --split test" in done.stderr
