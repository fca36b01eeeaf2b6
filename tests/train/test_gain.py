"""How much of a network's correction is taken: what the validation split says, kept in best.pt."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from srwizard import load_run
from srwizard.data.layout import scan
from srwizard.runs.records import measured
from srwizard.train import checkpoint
from srwizard.train.correction import Gain, factors, gains_from, gains_to
from srwizard.train.evaluation import evaluate
from srwizard.train.gain import PRIOR_STEPS, _gain, _of_a_field, fit_gain
from srwizard.train.launch import launch
from srwizard.train.resuming import load_best
from srwizard.train.scoring import score
from srwizard.train.setup import Training
from srwizard.use.export import export
from tests.data.test_baselines import drifting, pairs
from tests.datasets import write_dataset
from tests.train.runs import freeze, made_ready, trained

STEPS = {"train": 56, "valid": 12, "test": 12}


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training on a record that drifts, as a user has it: what it says is too loud there."""
    root = tmp_path_factory.mktemp("gain")
    pairs(root / "data", drifting(), 4, STEPS)
    freeze(root / "data", root / "run", skip="auto", epochs=15, batch_size=8, lr=0.003)
    launch(root / "run")
    return root / "run"


def squared_error(training: Training, gain: dict[str, float], split: str) -> float:
    training.gain = gains_from(gain)
    found: float = score(training, split).variables["temp"]["model"]["rmse"] ** 2
    return found


def loud(training: Training) -> None:
    """Let the network say three times as much."""
    with torch.no_grad():
        for part in training.bare.output_layer().parameters():  # type: ignore[operator]
            part *= 3


@pytest.mark.slow
def test_the_best_checkpoint_has_the_gain_and_the_last_has_none(run_dir: Path) -> None:
    best, last = (
        torch.load(run_dir / "checkpoints" / f"{name}.pt", weights_only=True)
        for name in ("best", "last")
    )
    assert 0 <= best["gain"]["temp"] < 1
    assert "gain" not in last
    test = measured(run_dir).test
    assert test is not None
    assert test["gain"] == best["gain"]
    assert f"multiplied by {best['gain']['temp']:.2f}" in (run_dir / "train.log").read_text()
    found = evaluate(run_dir, "test", "best")
    assert found["gain"] == best["gain"]
    assert found["variables"]["temp"]["model"] == pytest.approx(test["variables"]["temp"]["model"])
    assert evaluate(run_dir, "test", "last")["gain"] == {}


@pytest.mark.slow
def test_what_is_handed_on_is_no_worse_for_it(run_dir: Path) -> None:
    training = made_ready(run_dir)
    load_best(training, run_dir)
    with_gain = score(training, "test").variables["temp"]
    without = squared_error(training, {}, "test")
    assert with_gain["model"]["rmse"] ** 2 < without
    assert with_gain["model"]["rmse"] < with_gain[with_gain["best"]]["rmse"]


def test_it_is_where_the_validation_error_is_least(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", variables=["salt", "temp"])
    freeze(root, tmp_path / "run", skip="auto", epochs=6, lr=0.003)
    training = trained(tmp_path / "run")
    load_best(training, tmp_path / "run")
    loud(training)
    none, half, whole = (
        squared_error(training, {"temp": gain}, "valid") for gain in (0.0, 0.5, 1.0)
    )
    curvature = 2 * (none + whole - 2 * half)
    best = min(max((curvature + none - whole) / (2 * curvature), 0.0), 1.0)
    training.gain = {}
    fit_gain(training, tmp_path / "run")
    steps = len(training.splits["valid"])
    expected = (steps * best + PRIOR_STEPS) / (steps + PRIOR_STEPS)
    assert training.gain["temp"].of(1) == pytest.approx(expected, abs=1e-4)
    state = checkpoint.load(tmp_path / "run", "best", training.run)
    assert state is not None
    assert gains_from(state["gain"]) == training.gain


@pytest.mark.parametrize("changes", [{"skip": None}, {"skip": "linear", "epochs": 1, "lr": 1e-9}])
def test_where_there_is_nothing_to_multiply_there_is_no_gain(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    root = write_dataset(tmp_path / "data")
    freeze(root, tmp_path / "run", **changes)
    training = trained(tmp_path / "run")
    load_best(training, tmp_path / "run")
    before = (tmp_path / "run" / "checkpoints" / "best.pt").read_bytes()
    fit_gain(training, tmp_path / "run")
    assert training.gain == {}
    assert (tmp_path / "run" / "checkpoints" / "best.pt").read_bytes() == before


def test_predictions_and_bundles_have_it_in_them(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data")
    freeze(root, tmp_path / "run", skip="auto", epochs=2, lr=0.003)
    training = trained(tmp_path / "run")
    state = checkpoint.load(tmp_path / "run", "last", training.run)
    assert state is not None
    checkpoint.save(tmp_path / "run", "best", state)  # which says something
    whole = load_run(tmp_path / "run")
    lr = scan(root).fields["test", "lr", "temp"].read(1)[None]
    assert whole.preprocessing.skip is not None
    base = whole.preprocessing.skip(lr)
    checkpoint.save(tmp_path / "run", "best", state | {"gain": {"temp": 0.25}})
    run = load_run(tmp_path / "run")
    quarter = run.predict(lr)
    np.testing.assert_allclose(quarter, base + (whole.predict(lr) - base) / 4, rtol=0, atol=1e-5)
    assert not np.allclose(quarter, whole.predict(lr), rtol=0, atol=1e-5, equal_nan=True)
    export(run, tmp_path / "bundle")
    with np.load(tmp_path / "bundle" / "baselines.npz") as kept:
        assert run.preprocessing.skip is not None
        np.testing.assert_array_equal(kept["0_spread"], run.preprocessing.skip.spread[0])


@pytest.mark.slow
def test_processes_find_the_same_gain_together(tmp_path: Path) -> None:
    pairs(tmp_path / "data", drifting(), 4, STEPS)
    freeze(tmp_path / "data", tmp_path / "run", skip="auto", epochs=15, batch_size=4, lr=0.003,
           processes=2)  # fmt: skip
    launch(tmp_path / "run")
    training = made_ready(tmp_path / "run")
    load_best(training, tmp_path / "run")
    together, training.gain = training.gain, {}
    assert together
    fit_gain(training, tmp_path / "run")
    assert factors(training.gain, 1) == pytest.approx(factors(together, 1), abs=1e-5)


def test_the_mean_of_an_ensemble_moves_and_its_members_stay_as_they_are(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data")
    freeze(root, tmp_path / "run", model="DDPM", skip="auto", epochs=1,
           params={"ensemble_members": 4, "sampling_steps": 2})  # fmt: skip
    training = trained(tmp_path / "run")
    state = checkpoint.load(tmp_path / "run", "last", training.run)
    assert state is not None
    checkpoint.save(tmp_path / "run", "best", state)
    lr = scan(root).fields["test", "lr", "temp"].read(1)[None]
    drawn = load_run(tmp_path / "run")
    base = drawn.preprocessing.skip(lr)  # type: ignore[misc]
    gain = Gain(told=0.2, shared=0.4)
    checkpoint.save(tmp_path / "run", "best", state | {"gain": gains_to({"temp": gain})})
    run = load_run(tmp_path / "run")
    for count in (1, 3, 4):
        before, after = (one.sample(lr, members=count) for one in (drawn, run))
        factor = 1 if count == 1 else 0.2 / (0.4 + 0.6 / count)
        mean = base + factor * (before.mean(axis=0) - base)
        np.testing.assert_allclose(after.mean(axis=0), mean, rtol=0, atol=1e-5)
        np.testing.assert_allclose(after - after[:1], before - before[:1], rtol=0, atol=1e-5)
    load_best(training, tmp_path / "run")
    told = score(training, "test").variables["temp"]["model"]["rmse"]
    contents, steps = scan(root), range(len(training.splits["test"]))
    low, high = (contents.fields["test", level, "temp"] for level in ("lr", "hr"))
    sr = run.predict(np.stack([low.read(step)[None] for step in steps]))[:, 0]
    error = sr - np.stack([high.read(step) for step in steps])
    assert float(np.sqrt(np.nanmean(error.astype(np.float64) ** 2))) == pytest.approx(
        told, rel=1e-5
    )


def test_the_gain_of_an_ensemble_is_where_the_error_of_its_mean_is_least() -> None:
    """Many members whose common part says half too much, against the best factor found by search.

    The products are those of two members; the factor is for the mean of any number.
    """
    rng = np.random.default_rng(0)
    points = 200_000
    common = rng.standard_normal(points)
    truth = 0.5 * common + rng.standard_normal(points)
    members = common + 1.5 * rng.standard_normal((8, points))
    d = torch.from_numpy(members[:2].reshape(2, 1, 1, points))
    sums = _of_a_field(d, torch.from_numpy(truth.reshape(1, 1, points)))[0]
    gain = _gain(*sums.tolist(), steps=10**6)
    for count in (2, 4, 8):
        mean = members[:count].mean(axis=0)
        best = (mean @ truth) / (mean @ mean)
        assert gain.of(count) == pytest.approx(best, rel=0.02)
