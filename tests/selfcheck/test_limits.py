"""An exact sampler passes the self-check; what is wrong with another one is found."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from srwizard.data.layout import Contents, scan
from srwizard.selfcheck.dataset import VARIABLE, write_dataset
from srwizard.selfcheck.fields import GaussianFields
from srwizard.selfcheck.optimum import Optimum, optimum_of
from srwizard.selfcheck.recipes import Limits
from srwizard.selfcheck.verdict import judge

FIELDS = GaussianFields(size=16, scale=4, longest=1)
LIMITS = Limits(rmse=1.05, spread=0.05, power=0.10)
MEMBERS = 64


@pytest.fixture(scope="module")
def optimum() -> Optimum:
    return optimum_of(FIELDS)


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> Contents:
    root = tmp_path_factory.mktemp("selfcheck") / "data"
    write_dataset(root, FIELDS, {"train": 2, "valid": 2, "test": 32})
    return scan(root)


def samples(optimum: Optimum, contents: Contents) -> np.ndarray:
    """Return members `[N, M, H, W]` drawn from the exact conditional distribution.

    As the conditional mean, plus what another field of the same kind has beside its own.
    """
    generator = np.random.default_rng(8)
    low = contents.fields["test", "lr", VARIABLE]
    lr = np.stack([low.read(index) for index in range(len(low.steps))])
    others = np.stack([FIELDS.draw(generator) for _ in range(len(lr) * MEMBERS)])
    left = others - optimum.mean(FIELDS.coarse(others))
    return np.asarray(optimum.mean(lr)[:, None] + left.reshape(len(lr), MEMBERS, *left.shape[1:]))


def predicted(path: Path, members: np.ndarray, mean: np.ndarray | None = None) -> Path:
    with h5py.File(path, "w") as file:
        file[VARIABLE] = (members.mean(axis=1) if mean is None else mean).astype("float32")
        file[f"{VARIABLE}_members"] = members.astype("float32")
    return path


def failed(optimum: Optimum, contents: Contents, path: Path) -> set[str]:
    """Return the names of the checks that are not passed."""
    found = judge(optimum, contents, path, LIMITS)
    assert {check.name for check in found.checks} == {"rmse", "spread", "power"}
    return {check.name for check in found.checks if not check.passed}


def test_the_exact_sampler_passes(optimum: Optimum, contents: Contents, tmp_path: Path) -> None:
    path = predicted(tmp_path / "out.nc", samples(optimum, contents))
    assert failed(optimum, contents, path) == set()


def test_members_that_are_too_alike_are_found(
    optimum: Optimum, contents: Contents, tmp_path: Path
) -> None:
    members = samples(optimum, contents)
    mean = members.mean(axis=1, keepdims=True)
    path = predicted(tmp_path / "out.nc", mean + 0.9 * (members - mean))
    assert "spread" in failed(optimum, contents, path)


def test_members_with_white_noise_are_found(
    optimum: Optimum, contents: Contents, tmp_path: Path
) -> None:
    members = samples(optimum, contents)
    noise = 0.3 * optimum.rmse * np.random.default_rng(1).standard_normal(members.shape)
    path = predicted(tmp_path / "out.nc", members + noise)
    assert "power" in failed(optimum, contents, path)


def test_a_biased_mean_is_found(optimum: Optimum, contents: Contents, tmp_path: Path) -> None:
    members = samples(optimum, contents)
    path = predicted(tmp_path / "out.nc", members, members.mean(axis=1) + 0.5 * optimum.rmse)
    assert failed(optimum, contents, path) == {"rmse"}


def test_a_prediction_that_is_not_finite_does_not_pass(
    optimum: Optimum, contents: Contents, tmp_path: Path
) -> None:
    path = predicted(tmp_path / "out.nc", np.full((32, 2, 16, 16), np.nan))
    assert failed(optimum, contents, path) == {"rmse", "spread", "power"}
