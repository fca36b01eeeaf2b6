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
from srwizard.train.correction import gains_from
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
    training.gain = gain
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
    assert training.gain["temp"] == pytest.approx(expected, abs=1e-4)
    state = checkpoint.load(tmp_path / "run", "best", training.run)
    assert state is not None
    assert state["gain"] == training.gain


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
    assert training.gain == pytest.approx(together, abs=1e-5)


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
    checkpoint.save(tmp_path / "run", "best", state | {"gain": {"temp": 0.5}})
    run = load_run(tmp_path / "run")
    for count in (1, 3, 4):
        before, after = (one.sample(lr, members=count) for one in (drawn, run))
        factor = 1 if count == 1 else 0.5
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


def drawn_fields(
    loud: float, signal: float, *, steps: int = 40, members: int = 2, points: int = 400
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return corrections `[N, M, 1, 1, P]` and what the skip misses `[N, 1, 1, P]`.

    Truth and members are draws of one distribution about a common mean, which the members say
    `loud` times.
    """
    rng = np.random.default_rng(0)
    common = signal * rng.standard_normal((steps, 1, points))
    truth = common[:, 0] + rng.standard_normal((steps, points))
    drawn = loud * common + rng.standard_normal((steps, members, points))
    shape = (1, 1, points)
    return (
        torch.from_numpy(drawn.reshape(steps, members, *shape)),
        torch.from_numpy(truth.reshape(steps, *shape)),
    )


def fitted(drawn: torch.Tensor, truth: torch.Tensor) -> float:
    fields = [_of_a_field(d, t)[0] for d, t in zip(drawn, truth, strict=True)]
    sums = torch.stack(fields).sum(dim=0).tolist()
    return _gain(*sums, steps=len(truth), drawn=True)


@pytest.mark.parametrize("members", [2, 8])
@pytest.mark.parametrize("signal", [0.0, 0.1, 0.3, 1.0])
def test_a_sampler_whose_mean_is_right_has_no_gain(signal: float, members: int) -> None:
    """However much of the mean of a few members is their noise."""
    drawn, truth = drawn_fields(1.0, signal, members=members)
    assert fitted(drawn, truth) == 1.0
    if signal == 0.1:  # a regression on the mean takes the noise for a lie
        mean = drawn.mean(dim=1)
        assert (mean * truth).sum() / (mean * mean).sum() < 0.2


@pytest.mark.parametrize("members", [2, 8])
@pytest.mark.parametrize("loud", [1.5, 2.0, 4.0])
def test_a_sampler_that_says_too_much_has_the_gain_that_undoes_it(
    loud: float, members: int
) -> None:
    """It is that of the mean of any number of members, as of very many."""
    gain = fitted(*drawn_fields(loud, 1.0, members=members))
    assert gain == pytest.approx((40 / loud + PRIOR_STEPS) / (40 + PRIOR_STEPS), rel=0.03)


def test_members_that_have_nothing_in_common_have_no_gain() -> None:
    drawn, truth = drawn_fields(0.0, 1.0)
    assert fitted(drawn, truth) == 1.0
    assert _gain(0.0, 0.0, 0.0, steps=3, drawn=True) == 1.0


def test_the_pairs_of_numbers_of_earlier_checkpoints_are_read() -> None:
    assert gains_from({"a": [0.2, 0.4], "b": 0.3, "c": [0.0, 0.0]}) == {"a": 0.5, "b": 0.3}
    assert gains_from(None) == {}
