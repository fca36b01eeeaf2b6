"""`from srwizard import load_run`: a run in Python."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from srwizard import Run, load_run
from srwizard.base.errors import DatasetError, SrwizardError, UsageError
from srwizard.use.run import tile_side
from tests.configs import made_up_config
from tests.datasets import land_mask
from tests.train.runs import weights
from tests.use.records import lr_fields


@pytest.fixture(scope="module")
def run(edsr: Path) -> Run:
    return load_run(edsr)


@pytest.fixture(scope="module")
def lr(dataset: Path) -> np.ndarray:
    """The test split `[3, 2, 8, 12]`."""
    return np.stack([lr_fields(dataset, name) for name in ("salt", "temp")], axis=1)


@pytest.mark.broad
def test_importing_srwizard_imports_no_torch() -> None:
    code = "import sys, srwizard; sys.exit('torch' in sys.modules or 'load_run' not in dir())"
    code = (
        "import sys, srwizard; light = 'torch' not in sys.modules; srwizard.load_run; "
        "sys.exit(not (light and 'torch' in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_one_step_and_several_are_super_resolved(run: Run, lr: np.ndarray) -> None:
    several = run.predict(lr)
    assert several.shape == (3, 2, 16, 24)
    assert several.dtype == np.float32
    assert (np.isnan(several[1, 1]) == land_mask((16, 24))).all()
    one = run.predict(lr[2].astype(np.float64))
    assert one.shape == (2, 16, 24)
    assert np.allclose(one, several[2], equal_nan=True, atol=1e-5)
    assert 5 < np.nanmin(one) < np.nanmax(one) < 30


def test_a_step_without_a_value_stays_without_one(run: Run, lr: np.ndarray) -> None:
    empty = lr[0].copy()
    empty[0] = np.nan
    found = run.predict(empty)
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).any()


def test_it_says_what_it_is(run: Run, edsr: Path) -> None:
    assert run.directory == edsr
    assert run.variables == ("salt", "temp")
    assert (run.scale, run.draws_samples, run.ensemble_members) == (2, False, 1)
    assert run.hr_grid.shape == (16, 24)
    assert run.hr_grid.latitude is not None
    assert run.hr_grid.latitude[0] == 50
    assert run.config.model.name == "EDSR"
    assert (run.checkpoint.name, run.notices) == ("best", ())
    metrics = run.metrics()
    assert [event["epoch"] for event in metrics["epochs"]] == [1, 2]
    assert metrics["test"] is None


def test_the_moving_average_is_what_predicts(run: Run, edsr: Path) -> None:
    plain, used = weights(edsr, "best"), run.network.state_dict()
    assert any(not np.array_equal(plain[name], used[name]) for name in plain)


def test_a_diffusion_model_draws_the_same_again(diffusion: Path, lr: np.ndarray) -> None:
    run = load_run(diffusion)
    assert run.draws_samples
    drawn = run.sample(lr[:2], members=2)
    assert drawn.shape == (2, 2, 2, 16, 24)
    assert np.nanmax(abs(drawn[0, 0] - drawn[0, 1])) > 0
    assert np.array_equal(drawn, run.sample(lr[:2], members=2), equal_nan=True)
    assert np.allclose(run.predict(lr[:2], members=2), drawn.mean(axis=1), equal_nan=True)


def test_what_it_cannot_take_is_refused(run: Run, lr: np.ndarray, anywhere: Path) -> None:
    with pytest.raises(UsageError, match="with 2 channels: salt, temp"):
        run.predict(lr[0, 0])
    with pytest.raises(UsageError, match="with 2 channels"):
        run.predict(lr[:, :1])
    with pytest.raises(DatasetError, match=r"shape \[8, 10\], expected \[8, 12\]"):
        run.predict(lr[..., :10])
    assert load_run(anywhere).predict(lr[..., :10]).shape == (3, 2, 16, 20)
    with pytest.raises(UsageError, match="there are no ensemble members"):
        run.predict(lr, members=2)


def test_a_field_is_cut_into_tiles_only_beyond_what_a_batch_of_training_had() -> None:
    config = made_up_config()  # a batch of 16 fields of [32, 64], scale 4
    assert tile_side(config, (32, 64)) is None
    assert tile_side(config, (128, 256)) is None
    assert tile_side(config, (128, 257)) == (45 - 16) * 4
    patches = config.model_copy(
        update={"memory": config.memory.model_copy(update={"patch_size": 48})}
    )
    assert tile_side(patches, (32, 64)) == 48


def test_a_run_of_version_010_predicts_what_it_did(tmp_path: Path) -> None:
    """Trained, and its prediction made, by that version: with a skip of normalized fields."""
    golden = Path(__file__).parents[1] / "golden" / "run-0.1.0"
    shutil.copytree(golden, tmp_path / "run")
    run = load_run(tmp_path / "run", device="cpu")
    assert run.config.model.skip is None and run.config.model.global_skip
    with np.load(golden / "prediction.npz") as known:
        found = run.predict(known["lr"])
        # To the bit on one machine; another one's convolutions may round in another way.
        np.testing.assert_allclose(found, known["sr"], rtol=0, atol=1e-5)


def test_what_is_under_a_mask_is_missing(edsr: Path, dataset: Path) -> None:
    """As netCDF4 gives fields: the mask counts, whatever stands there."""
    run = load_run(edsr)
    lr = np.stack([lr_fields(dataset, name)[0] for name in run.variables])
    masked = np.ma.masked_array(np.nan_to_num(lr, nan=0.0), mask=np.isnan(lr))
    np.testing.assert_array_equal(run.predict(masked), run.predict(lr))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.array([["a"]]), "not real numbers"),
        (np.array([[None]]), "not real numbers"),
        (np.zeros((2, 8, 12), complex), "not real numbers"),
        (np.full((2, 8, 12), np.inf), "infinite values"),
    ],
)
def test_what_are_no_fields_is_refused(edsr: Path, given: Any, words: str) -> None:
    with pytest.raises(SrwizardError, match=words):
        load_run(edsr).predict(given)


def test_arguments_of_another_kind_are_refused(edsr: Path, diffusion: Path) -> None:
    with pytest.raises(UsageError, match="'foo' is not a checkpoint"):
        load_run(edsr, checkpoint="foo")  # type: ignore[arg-type]
    run = load_run(diffusion)
    for members in ("3", 2.5):
        with pytest.raises(UsageError, match="is not a whole number"):
            run.member_count(members)  # type: ignore[arg-type]
