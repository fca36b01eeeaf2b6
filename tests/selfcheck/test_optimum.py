"""The fields have the covariance that the bound is worked out from, and the bound is one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srwizard.selfcheck.fields import GaussianFields
from srwizard.selfcheck.optimum import Optimum, optimum_of, power

SMALL = GaussianFields(size=8, scale=2, longest=1)
STEPS = 4000


def drawn(fields: GaussianFields, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return HR `[N, H, W]` and LR `[N, h, w]`."""
    generator = np.random.default_rng(seed)
    hr = np.stack([fields.draw(generator) for _step in range(count)])
    return hr, fields.coarse(hr)


def full_covariance(fields: GaussianFields) -> np.ndarray:
    """Return Cov(x, x), point by point from the sum over all waves of the plane."""
    along = np.fft.fftfreq(fields.period)
    y, x = np.divmod(np.arange(fields.size**2), fields.size)
    waves = np.exp(2j * np.pi * (along[:, None, None] * y + along[None, :, None] * x)).reshape(
        -1, fields.size**2
    )
    return np.asarray(((waves.conj().T * fields.power.ravel()) @ waves).real)


def averaging(fields: GaussianFields) -> np.ndarray:
    """Return the matrix of the block means, `[h * w, H * W]`."""
    unit = np.eye(fields.size**2).reshape(-1, fields.size, fields.size)
    return np.asarray(fields.coarse(unit).reshape(fields.size**2, -1).T)


@pytest.fixture(scope="module")
def optimum() -> Optimum:
    return optimum_of(SMALL)


def test_samples_have_the_covariance_that_is_said() -> None:
    hr, _lr = drawn(SMALL, STEPS, seed=1)
    x = hr.reshape(STEPS, -1) - SMALL.mean
    # The standard error of a sample covariance of unit variances is at most sqrt(2 / N).
    assert np.abs(x.T @ x / STEPS - full_covariance(SMALL)).max() < 5 * np.sqrt(2 / STEPS)
    assert np.abs(x.mean(axis=0)).max() < 5 / np.sqrt(STEPS)


def test_the_variance_is_one_and_the_spectrum_as_steep_as_asked() -> None:
    fields = GaussianFields(size=64, slope=3.0)
    assert fields.power.sum() == pytest.approx(1)
    along = np.fft.fftfreq(fields.period) * fields.period
    ring = np.rint(np.hypot(along[:, None], along)).astype(int)
    energy = np.bincount(ring.ravel(), fields.power.ravel())[6:60]
    slope = np.polyfit(np.log(np.arange(6, 60)), np.log(energy), 1)[0]
    assert slope == pytest.approx(-3, abs=0.1)


def test_the_conditional_mean_and_variance_are_those_of_the_full_matrices(
    optimum: Optimum,
) -> None:
    full, mean = full_covariance(SMALL), averaging(SMALL)
    gain = full @ mean.T @ np.linalg.inv(mean @ full @ mean.T)
    rest = full - gain @ mean @ full
    np.testing.assert_allclose(optimum.gain, gain, atol=1e-8)
    np.testing.assert_allclose(optimum.variance.ravel(), np.diag(rest), atol=1e-8)
    _hr, lr = drawn(SMALL, 5, seed=2)
    expected = SMALL.mean + (lr.reshape(5, -1) - SMALL.mean) @ gain.T
    np.testing.assert_allclose(optimum.mean(lr).reshape(5, -1), expected, atol=1e-8)


def test_the_conditional_mean_has_the_rmse_of_the_bound(optimum: Optimum) -> None:
    hr, lr = drawn(SMALL, STEPS, seed=3)
    rmse = np.sqrt(np.square(optimum.mean(lr) - hr).mean())
    assert rmse == pytest.approx(optimum.rmse, rel=0.02)


def test_the_bound_is_that_of_an_independent_script() -> None:
    """64 x 64, x4, slope 3: 0.1704, with the matrices of all 4096 points."""
    assert optimum_of(GaussianFields()).rmse == pytest.approx(0.17038, abs=1e-5)


@pytest.mark.broad
@given(st.integers(0, 2**32 - 1), st.floats(1e-4, 1))
def test_no_other_linear_filter_has_a_smaller_expected_error(seed: int, size: float) -> None:
    optimum = optimum_of(SMALL)
    full, mean = full_covariance(SMALL), averaging(SMALL)
    other = optimum.gain + size * np.random.default_rng(seed).standard_normal(optimum.gain.shape)
    left = np.eye(len(full)) - other @ mean
    assert np.trace(left @ full @ left.T) / len(full) >= optimum.rmse**2


def test_a_least_squares_filter_of_samples_comes_near_and_does_not_beat_it(
    optimum: Optimum,
) -> None:
    (hr, lr), (hr_test, lr_test) = drawn(SMALL, STEPS, seed=4), drawn(SMALL, 1000, seed=5)
    flat = lr.reshape(STEPS, -1) - SMALL.mean
    fitted = np.linalg.lstsq(flat, hr.reshape(STEPS, -1) - SMALL.mean, rcond=None)[0]
    predicted = SMALL.mean + ((lr_test.reshape(1000, -1) - SMALL.mean) @ fitted).reshape(
        hr_test.shape
    )
    best = np.square(optimum.mean(lr_test) - hr_test).mean()
    assert 1 < np.square(predicted - hr_test).mean() / best < 1.02


def test_the_power_of_samples_is_what_is_expected_of_them(optimum: Optimum) -> None:
    hr, lr = drawn(SMALL, STEPS, seed=6)
    ratio = power(hr - SMALL.mean) / optimum.power(lr)
    assert np.abs(ratio - 1).max() < 0.05
