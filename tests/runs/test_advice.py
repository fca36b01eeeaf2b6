"""Where a model does not beat the best simple method, what shows why is named, and nothing else."""

from typing import Any

import numpy as np
import pytest

from srwizard.runs.advice import causes, no_better
from tests.runs.curves import Events, epochs_of, scores

FLAT = [0.8] * 30
FALLING = np.geomspace(1, 0.3, 30).tolist()
CAUSES = (
    "Overfitting", "Not yet converged", "lower training.lr", "Too few fields", "Normalization",
    "Masked points",
)  # fmt: skip


def config(*, weight: float = 0.0, normalization: str = "PGN", **evidence: Any) -> dict[str, Any]:
    sound = {
        "steps": 60,
        "observed": 0.8,
        "learning_curve": [
            {"steps": 15, "rmse": 0.83}, {"steps": 30, "rmse": 0.801}, {"steps": 60, "rmse": 0.8}
        ],
        "levels": {"train": [-1.0, 1.0], "valid": [-0.5, 1.1], "test": [-1.0, 0.4]},
    }  # fmt: skip
    skip = {"temp": {"method": "linear", "weight": weight, "evidence": sound | evidence}}
    return {"model": {"skip": skip}, "training": {"normalization": normalization}}


def named(epochs: Events, run: dict[str, Any]) -> list[str]:
    said = " ".join(causes("temp", epochs, run))
    return [cause for cause in CAUSES if cause in said]


PLATEAU = epochs_of(FALLING, FLAT)


@pytest.mark.parametrize(
    ("validations", "words"),
    [(4, "in the last validation the"), (5, "in the last validation the"), (8, "last 2 validatio")],
)
def test_one_validation_is_not_called_validations(validations: int, words: str) -> None:
    falling = np.geomspace(1, 0.3, validations).tolist()
    assert words in " ".join(causes("temp", epochs_of(falling, falling), config()))


@pytest.mark.parametrize(
    ("cause", "epochs", "run"),
    [
        ("Overfitting", epochs_of(FALLING, np.geomspace(0.8, 1.2, 30)), config()),
        ("Not yet converged", epochs_of(FALLING, np.geomspace(0.95, 0.85, 30)), config()),
        ("lower training.lr", epochs_of([1.0, 0.7] * 15, FLAT), config()),
        (
            "Too few fields",
            PLATEAU,
            config(learning_curve=[{"steps": 30, "rmse": 0.9}, {"steps": 60, "rmse": 0.8}]),
        ),
        ("Normalization", PLATEAU, config(levels={"train": [-1, 1], "valid": [0.9, 1.5]})),
        (
            "Normalization",
            PLATEAU,
            config(levels={"train": [-1, 1], "valid": [0, 1], "test": [-2, 0]}),
        ),
        ("Normalization", PLATEAU, config(steps=4, weight=1.0)),
        ("Masked points", PLATEAU, config(observed=0.12)),
    ],
)
def test_the_one_that_shows_is_named(cause: str, epochs: Events, run: dict[str, Any]) -> None:
    assert named(epochs, run) == [cause]


def test_several_are_named_where_several_show() -> None:
    epochs = epochs_of(FALLING, np.geomspace(0.8, 1.2, 30))
    assert named(epochs, config(observed=0.1)) == ["Overfitting", "Masked points"]


@pytest.mark.parametrize("run", [config(), config(steps=4, normalization="GN", weight=1.0), {}])
def test_where_none_shows_that_is_said(run: dict[str, Any]) -> None:
    assert named(PLATEAU, run) == []
    assert "Neither the curves nor the record show why" in " ".join(causes("temp", PLATEAU, run))


@pytest.mark.parametrize("epochs", [PLATEAU, PLATEAU[:1], [], epochs_of([1.0], [None])])
def test_nobody_is_told_to_train_longer_by_reflex(epochs: Events) -> None:
    for run in ({}, config(), {"model": {"skip": None}}, {"model": {"skip": {"temp": {}}}}):
        assert "training.epochs" not in " ".join(causes("temp", epochs, run))


def test_the_figures_are_told() -> None:
    said = no_better("temp", scores(1.1)["temp"], PLATEAU, config(observed=0.12))
    assert "RMSE 1.1 against 1" in said
    assert "12 %" in said


def test_an_ensemble_too_small_for_its_mean_to_be_better_is_named() -> None:
    """Error of the mean: 1 + 1/4 of a spread of 1; of many members it would be 1, below 1.1."""
    own = {
        "model": {"rmse": 1.25**0.5, "spread": 1.0},
        "bicubic": {"rmse": 1.1},
        "best": "bicubic",
        "calibration": {"members": 4},
    }
    said = no_better("temp", own, PLATEAU, config())
    assert "of very many would have an RMSE of about 1:" in said
    assert "about 1.09:" in no_better("temp", own, PLATEAU, config(), gain=0.5)
    for other in ({"calibration": {}}, {"bicubic": {"rmse": 0.9}}):
        assert "very many" not in no_better("temp", {**own, **other}, PLATEAU, config())


def test_a_rate_that_only_spoils_the_start_is_to_be_lowered() -> None:
    """Falling back to where a run began is not called training that has not converged."""
    run = config()
    run["model"]["skip"]["temp"] |= {"method": "linear", "valid_rmse": {"linear": 0.9}}
    said = " ".join(causes("temp", epochs_of([3.0, 2.0, 1.5, 1.2], [1.4, 1.2, 1.0, 0.95]), run))
    assert "(RMSE 1.4 against 0.9)" in said
    assert "lower training.lr" in said
    assert "training.epochs" not in said
    better = " ".join(causes("temp", epochs_of([3.0, 2.0, 1.5, 1.2], [1.4, 1.2, 0.8, 0.7]), run))
    assert "Not yet converged" in better


def test_a_dozen_steps_show_nothing_of_the_fields() -> None:
    events = [event | {"step": 3 * event["epoch"]} for event in PLATEAU[:4]]
    said = " ".join(causes("temp", events, config()))
    assert "12 optimizer steps are too few" in said
    assert "Neither the curves" not in said


def test_a_loss_that_only_rises_is_not_called_unsteady() -> None:
    said = " ".join(causes("temp", epochs_of([1.0, 1.2, 1.5, 1.9, 2.6], [2.0] * 5), config()))
    assert "The training loss has risen since the first epoch: lower training.lr" in said
    assert "up and down" not in said


def test_one_blip_is_not_called_unsteady() -> None:
    said = " ".join(causes("temp", epochs_of([1.0, 0.5, 0.6, 0.4], [2.0] * 4), config()))
    assert "up and down" not in said


@pytest.mark.parametrize(("crps", "said"), [(0.27, False), (0.5, True)])
def test_an_ensemble_is_judged_by_its_crps(crps: float, said: bool) -> None:
    """The mean of two good members has a larger RMSE than the method that knows no spread."""
    epochs = epochs_of(FALLING, [0.63] * 30)
    for event in epochs:
        found = event["valid"]["variables"]["temp"]
        found["model"]["crps"] = crps
        found["linear"] = {"rmse": 0.5, "crps": 0.41}
    run = config()
    run["model"]["skip"]["temp"]["valid_rmse"] = {"linear": 0.5}
    told = " ".join(causes("temp", epochs, run))
    assert ("(CRPS 0.5 against 0.41), and none was better" in told) is said
    assert "RMSE" not in told
