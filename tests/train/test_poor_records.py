"""Records that hold next to nothing are trained on all the same, and scored by finite numbers."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from srwizard import load_run
from srwizard.data.baselines.filters import WIDTH
from srwizard.data.layout import scan
from srwizard.runs.advice import no_better
from srwizard.train.gain import fit_gain
from srwizard.train.resuming import load_best
from srwizard.train.scoring import score
from tests.data.test_baselines import pairs
from tests.train.runs import epochs, freeze, trained

STEPS = {"train": 8, "valid": 3, "test": 3}
COUNT = sum(STEPS.values())

Fields = npt.NDArray[np.floating[Any]]


def waves(count: int = COUNT) -> Fields:
    rng = np.random.default_rng(0)
    return 15 + rng.normal(size=(count, 16, 24)).cumsum(axis=1).cumsum(axis=2) / 10


def trained_on(root: Path, fields: Fields, steps: dict[str, int], **changes: Any) -> dict[str, Any]:
    """Train on a record as a user would, predict, and return the scores of the test split."""
    pairs(root / "data", fields, 2, steps)
    freeze(root / "data", root / "run", **{"skip": "auto", "lr": 0.003} | changes)
    training = trained(root / "run")
    load_best(training, root / "run")
    fit_gain(training, root / "run")
    found = score(training, "test").variables["temp"]
    lr = scan(root / "data").fields["test", "lr", "temp"].read(0)[None]
    assert np.isfinite(load_run(root / "run").predict(lr)[:, 8:, 8:]).all()
    assert all(math.isfinite(event["train_loss"]) for event in epochs(root / "run"))
    return found


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("skip", ["auto", "climatology+linear"])
def test_one_or_two_steps(tmp_path: Path, steps: int, skip: str) -> None:
    few = {"train": steps, "valid": 2, "test": 2}
    found = trained_on(tmp_path, waves(steps + 4), few, skip=skip)
    assert math.isfinite(found["model"]["rmse"])
    if skip == "auto":
        assert found["best"] == "bicubic"
        assert found["model"]["rmse"] < 1.01 * found["bicubic"]["rmse"]


@pytest.mark.parametrize("normalization", ["PGN", "GN"])
def test_a_variable_that_never_changes_in_time(tmp_path: Path, normalization: str) -> None:
    fields = np.repeat(waves(1), COUNT, axis=0)
    found = trained_on(tmp_path, fields, STEPS, normalization=normalization)
    assert found["best"] == "climatology"
    assert found["model"]["rmse"] < 1e-5
    said = no_better("temp", found | {"climatology": {"rmse": 0.0}}, epochs(tmp_path / "run"), {})
    assert said.endswith("there is nothing left for a network to learn.")


def test_a_variable_that_is_one_number(tmp_path: Path) -> None:
    found = trained_on(tmp_path, np.full((COUNT, 16, 24), 15.0), STEPS)
    assert found["model"]["rmse"] < 1e-5


@pytest.mark.parametrize("normalization", ["PGN", "GN"])
def test_a_point_that_is_observed_in_the_test_split_alone(
    tmp_path: Path, normalization: str
) -> None:
    fields = waves()
    fields[: STEPS["train"] + STEPS["valid"], :4, :4] = np.nan
    found = trained_on(tmp_path, fields, STEPS, normalization=normalization)
    assert found["model"]["rmse"] < 1.5 * found["bicubic"]["rmse"]
    lr = scan(tmp_path / "data").fields["test", "lr", "temp"].read(0)[None]
    # What was never seen in training counts as land in what is predicted.
    assert np.isnan(load_run(tmp_path / "run").predict(lr)[0, :4, :4]).all()


def test_a_patch_smaller_than_the_filter(tmp_path: Path) -> None:
    patch = 4
    assert patch // 2 < WIDTH
    found = trained_on(tmp_path, waves(), STEPS, patch_size=patch, skip="climatology+linear")
    assert found["model"]["rmse"] < 1.05 * found["climatology+linear"]["rmse"]
