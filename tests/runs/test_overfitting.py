"""Overfitting is said where validation turns while the loss falls; noise does not look like it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srwizard.runs.overfitting import FEWEST_SINCE_BEST, SMOOTHED, overfitting_since
from tests.runs.curves import epochs_of

FALLING = np.geomspace(1, 0.1, 40)
TURNING = np.concatenate([np.geomspace(1, 0.8, 10), np.geomspace(0.8, 0.95, 31)[1:]])


def first_said(losses: object, errors: object) -> int | None:
    """Return after which epoch overfitting is first said."""
    epochs = epochs_of(losses, errors)  # type: ignore[arg-type]
    return next(
        (n for n in range(1, len(epochs) + 1) if overfitting_since(epochs[:n]) is not None), None
    )


def test_validation_that_turns_is_found_soon_and_named() -> None:
    said = first_said(FALLING, TURNING)
    assert said is not None and 10 + FEWEST_SINCE_BEST <= said <= 20
    assert overfitting_since(epochs_of(FALLING, TURNING)) == 10


@pytest.mark.parametrize("noise", [0.005, 0.01, 0.02])
def test_it_is_found_through_noise(noise: float) -> None:
    random = np.random.default_rng(0)
    for _repetition in range(20):
        errors = TURNING * (1 + noise * random.normal(size=40))
        losses = FALLING * (1 + noise * random.normal(size=40))
        assert abs((overfitting_since(epochs_of(losses, errors)) or 0) - 10) <= 10


@pytest.mark.parametrize("noise", [0.002, 0.02, 0.1])
def test_noise_about_a_plateau_is_none(noise: float) -> None:
    random = np.random.default_rng(0)
    losses = np.geomspace(1, 0.5, 100)
    said = [
        first_said(losses, 0.8 * (1 + noise * random.normal(size=100))) is not None
        for _repetition in range(40)
    ]
    assert sum(said) <= 1


def test_worse_validation_without_a_falling_loss_is_none() -> None:
    assert overfitting_since(epochs_of(np.ones(40), TURNING)) is None


def test_the_first_validations_say_nothing() -> None:
    said = first_said(FALLING, np.geomspace(0.8, 1.6, 40))
    assert said is not None and SMOOTHED + FEWEST_SINCE_BEST <= said <= 3 * SMOOTHED


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=60))
def test_a_better_validation_takes_it_back(errors: list[float]) -> None:
    losses = np.geomspace(1, 0.1, len(errors) + 1)
    assert overfitting_since(epochs_of(losses, [*errors, min(errors) * 0.99])) is None


def test_it_is_said_once_until_then() -> None:
    errors = np.concatenate([TURNING, TURNING[::-1][:25], [0.7]])
    losses = np.geomspace(1, 0.05, len(errors))
    epochs = epochs_of(losses, errors)
    said = [overfitting_since(epochs[:n]) for n in range(1, len(epochs) + 1)]
    changes = [one for one, before in zip(said[1:], said, strict=False) if one != before]
    assert changes == [10, None]


def test_epochs_without_a_validation_are_passed_over() -> None:
    errors = [error if n % 2 else None for n, error in enumerate(np.repeat(TURNING, 2))]
    assert overfitting_since(epochs_of(np.repeat(FALLING, 2), errors)) == 20
    assert overfitting_since([]) is None


def test_what_checkpoints_are_compared_by_decides() -> None:
    """Not the RMSE over that of bicubic, in which another variable, or an ensemble, may rise."""
    epochs = epochs_of(FALLING, TURNING)
    for event, error in zip(epochs, FALLING, strict=True):
        event["valid"]["error"] = float(error)
    assert overfitting_since(epochs) is None
    epochs = epochs_of(FALLING, FALLING)
    for event, error in zip(epochs, TURNING, strict=True):
        event["valid"]["error"] = float(error)
    assert overfitting_since(epochs) == 10


def test_records_without_it_have_ensembles_judged_by_their_crps() -> None:
    epochs = epochs_of(FALLING, TURNING)
    for event, crps in zip(epochs, FALLING, strict=True):
        found = event["valid"]["variables"]["temp"]
        found["model"]["crps"], found["bicubic"]["crps"] = float(crps), 1.0
    assert overfitting_since(epochs) is None
