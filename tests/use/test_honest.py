"""Predictions say what they are: what evaluation scores, in float32, filled points flagged."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
import xarray as xr

from srwizard import load_run
from srwizard.base.errors import DatasetError
from srwizard.data.layout import scan
from srwizard.data.normalization import Statistics
from srwizard.runs.records import Records
from srwizard.train.final_scores import score_test
from srwizard.train.resuming import load_best
from srwizard.use.inputs import open_input
from srwizard.use.plausible import check_values
from srwizard.use.predict import predict
from tests.datasets import write_dataset
from tests.train.runs import freeze, set_up_only, trained
from tests.use.conftest import Command
from tests.use.records import lr_fields, record


@pytest.fixture(scope="module")
def gappy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset and a run in 16 bits, `data` and `run`.

    Of the test split, HR has values at points that the training never had, LR has a gap, and one
    step no LR value at all.
    """
    place = tmp_path_factory.mktemp("gappy")
    root = write_dataset(place / "data", land=False)
    for file in (root / "train" / "hr" / "temp").iterdir():
        values = np.load(file)
        values[:4, :6] = np.nan
        np.save(file, values)
    low = sorted((root / "test" / "lr" / "temp").iterdir())
    values = np.load(low[0])
    values[4:6, 7] = np.nan
    np.save(low[0], values)
    np.save(low[1], np.full_like(values, np.nan))
    freeze(root, place / "run", skip="auto", use_amp=True, epochs=4, lr=0.01)
    training = trained(place / "run")
    load_best(training, place / "run")
    told = score_test(training, place / "breakdown.npz", scan(root))
    Records(place / "run").append({"event": "test", "variables": told.variables})
    return place


def predicted(place: Path, lr: Any, out: str, **options: Any) -> tuple[xr.Dataset, tuple[str, ...]]:
    """Return what is predicted of the test split with other LR values, and the warnings."""
    source = record(place / "data")
    source["temp"].values[:] = lr
    source.to_netcdf(place / f"in-{out}", engine="h5netcdf")
    found = open_input([place / f"in-{out}"], {"temp": "temp"}, None)
    done = predict(load_run(place / "run", **options), found, place / out, overwrite=True)
    with xr.open_dataset(place / out) as opened:
        return opened.load(), done.warnings


def test_what_is_scored_is_what_is_written(gappy: Path) -> None:
    """Gaps, land that is none in the test split, a step without input, a training in 16 bits."""
    sr = predicted(gappy, lr_fields(gappy / "data", "temp"), "scored.nc")[0].temp.values
    high = scan(gappy / "data").fields["test", "hr", "temp"]
    hr = np.stack([high.read(index) for index in range(3)])
    assert np.isnan(sr[:, :4, :6]).all() and np.isnan(sr[1]).all()
    training = set_up_only(gappy / "run")
    assert load_best(training, gappy / "run") is not None
    told = score_test(training, gappy / "again.npz", scan(gappy / "data")).variables["temp"]
    error = (sr - hr).astype(np.float64)
    both = np.isfinite(error)
    assert both.sum() == 2 * (16 * 24 - 24)
    assert told["model"]["rmse"] == pytest.approx(np.sqrt((error[both] ** 2).mean()), rel=1e-6)
    assert told["model"]["bias"] == pytest.approx(error[both].mean(), rel=1e-4, abs=1e-6)


def test_sixteen_bits_only_where_they_are_asked_for(gappy: Path) -> None:
    lr = lr_fields(gappy / "data", "temp")
    run, rounded = load_run(gappy / "run"), load_run(gappy / "run", amp=True)
    assert run.config.memory.use_amp
    kinds = []
    run.network.register_forward_hook(lambda _m, _i, out: kinds.append(out.dtype))
    rounded.network.register_forward_hook(lambda _m, _i, out: kinds.append(out.dtype))
    one, other = (found.predict(lr[:1, None]) for found in (run, rounded))
    assert kinds == [torch.float32, torch.bfloat16]
    assert 0 < np.nanmax(abs(one - other)) < 0.1


def test_points_without_input_are_flagged(gappy: Path) -> None:
    out, _warnings = predicted(gappy, lr_fields(gappy / "data", "temp"), "flags.nc")
    expected = np.zeros((3, 16, 24), bool)
    expected[0, 8:12, 14:16] = True
    assert out.temp_filled.dtype == np.int8
    np.testing.assert_array_equal(out.temp_filled.values == 1, expected)
    assert np.isfinite(out.temp.values[expected]).all()
    assert out.temp.attrs["ancillary_variables"] == "temp_filled"
    assert "filled" in out.temp_filled.attrs["flag_meanings"]


def test_an_undeclared_fill_value_is_refused_by_name(
    gappy: Path, srwizard: Command, tmp_path: Path
) -> None:
    source = record(gappy / "data")
    source["temp"].values[2, 3, 3] = 1e20
    source.to_netcdf(gappy / "filled.nc", engine="h5netcdf")
    done = srwizard("predict", gappy / "run", gappy / "filled.nc", "-o", "out.nc")
    assert done.returncode == 3, done.stdout
    for word in ("temp has the value 1e+20", "filled.nc, step 20010301", "in the training",
                 "--missing-value 1e+20"):  # fmt: skip
        assert word in done.stderr
    assert "What is complete is kept in" in done.stderr and "(2 of 3 steps)" in done.stderr
    # Once the value is gone, the same command continues.
    source["temp"].values[2, 3, 3] = 15
    source.to_netcdf(gappy / "filled.nc", engine="h5netcdf")
    done = srwizard("predict", gappy / "run", gappy / "filled.nc", "-o", "out.nc")
    assert done.returncode == 0, done.stderr
    assert "2 of the steps were already there" in done.stdout
    source["temp"].values[0, 3, 3] = 1e20
    source.to_netcdf(gappy / "first.nc", engine="h5netcdf")
    done = srwizard("predict", gappy / "run", gappy / "first.nc", "-o", "none.nc")
    assert done.returncode == 3
    assert not list(tmp_path.glob("none.nc*"))
    lr = lr_fields(gappy / "data", "temp")[:1]
    lr[0, 3, 3] = -1e20
    with pytest.raises(DatasetError, match=r"temp has the value -1e\+20 in the array, step 0"):
        load_run(gappy / "run").predict(lr[:, None])


def test_a_variable_of_one_number_has_no_other() -> None:
    """Its range in the training is nothing wide, but an undeclared fill value lies outside."""
    number = np.array([15.0])
    known = SimpleNamespace(minimum=number, maximum=number)
    field = np.full((1, 4, 4), 15.0, np.float32)
    assert check_values(["temp"], cast(Statistics, known), field, "x.nc", "1") == []
    field[0, 2, 2] = 40
    assert check_values(["temp"], cast(Statistics, known), field, "x.nc", "1") == ["temp"]
    field[0, 2, 2] = 1e20
    with pytest.raises(DatasetError, match=r"temp has the value 1e\+20 in x.nc, step 1"):
        check_values(["temp"], cast(Statistics, known), field, "x.nc", "1")


def test_values_somewhat_outside_and_means_far_from_the_input_are_told(gappy: Path) -> None:
    lr = lr_fields(gappy / "data", "temp")
    (empty,) = predicted(gappy, lr, "usual.nc")[1]
    assert "temp has no value in step 20010228T000000 (1 in all)" in empty
    lr[2, 3, 3] += 40
    _out, warnings = predicted(gappy, lr, "odd.nc")
    outside, _empty, inconsistent = warnings
    assert "temp" in outside and "in step 20010301T000000 (1 in all)" in outside
    assert "block means of temp are up to" in inconsistent and "20010301T000000" in inconsistent


def test_fields_of_high_resolution_are_told_apart(
    dataset: Path, anywhere: Path, tmp_path: Path
) -> None:
    contents = scan(dataset).fields
    names = ("salt", "temp")
    fields = {name: (("time", "lat", "lon"), contents["test", "hr", name].read(0)[None])
              for name in names}  # fmt: skip
    xr.Dataset(fields).to_netcdf(tmp_path / "hr.nc", engine="h5netcdf")
    found = open_input([tmp_path / "hr.nc"], {name: name for name in names}, None)
    done = predict(load_run(anywhere), found, tmp_path / "out.nc")
    assert done.shape == (32, 48)
    assert any("on the grid of HR of the training, not of LR" in line for line in done.warnings)
