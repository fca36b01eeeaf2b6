"""LR from HR by the methods of `prepare --lr-method`."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from srwizard.base.choices import method_named
from srwizard.base.errors import UsageError
from srwizard.data.lr_methods import METHODS
from tests.data.test_prepare import every_field, make, ocean, saved

NAMES = [method.name for method in METHODS]


def coarse(name: str, field: np.ndarray, scale: int) -> np.ndarray:
    return np.asarray(method_named(METHODS, name).function()(field, scale))


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", ["bilinear", "bicubic"])
def test_the_kernels_are_those_of_torch(name: str, scale: int) -> None:
    field = np.random.default_rng(scale).normal(size=(12 * scale, 10 * scale))
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(field)[None, None], scale_factor=1 / scale, mode=name, antialias=True
    )[0, 0]
    inner = slice(2, -2)  # torch cuts its kernels off at the edge, where ours see a mirror
    found = coarse(name, field, scale)[inner, inner]
    np.testing.assert_allclose(found, expected.numpy()[inner, inner], atol=1e-12)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_nearest_is_that_of_torch(scale: int) -> None:
    field = np.random.default_rng(0).normal(size=(6 * scale, 5 * scale))
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(field)[None, None], scale_factor=1 / scale, mode="nearest-exact"
    )
    np.testing.assert_array_equal(coarse("nearest", field, scale), expected[0, 0].numpy())


@pytest.mark.parametrize("name", NAMES)
@given(scale=st.integers(2, 5), value=st.floats(-1e3, 1e3), seed=st.integers(0, 9))
def test_a_constant_stays_and_gaps_are_those_of_the_block_mean(
    name: str, scale: int, value: float, seed: int
) -> None:
    field = np.full((4 * scale, 5 * scale), value)
    field[np.random.default_rng(seed).random(field.shape) < 0.4] = np.nan
    field[:scale, :scale] = np.nan
    found = coarse(name, field, scale)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(coarse("mean", field, scale)))
    assert np.isnan(found[0, 0])
    np.testing.assert_allclose(found[np.isfinite(found)], value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "nearest"])
def test_a_gradient_stays_within_the_field(name: str) -> None:
    rows = np.arange(48.0)[:, None] + np.zeros(48)
    found = coarse(name, rows, 4)[4:-4]
    np.testing.assert_allclose(found, coarse("mean", rows, 4)[4:-4], rtol=1e-12)


def test_the_method_is_in_the_manifest_and_only_the_mean_is_said_to_conserve(
    tmp_path: Path,
) -> None:
    source = saved(ocean(), tmp_path / "a.nc")
    mean = make([source], tmp_path / "mean")
    lanczos = make([source], tmp_path / "lanczos", lr_method="lanczos")
    assert lanczos.method == "lanczos"
    assert any("does not conserve the mean" in note for note in lanczos.notes)
    assert not any("conserve" in note for note in mean.notes)
    written = json.loads((tmp_path / "lanczos" / "manifest.json").read_text())
    assert written["request"]["lr_method"] == "lanczos"
    several = make([source], tmp_path / "several", lr_method="lanczos", jobs=2)
    assert several == lanczos
    hr = every_field(tmp_path / "lanczos", "hr")
    expected = np.stack([coarse("lanczos", field, 2) for field in hr]).astype(np.float32)
    np.testing.assert_array_equal(every_field(tmp_path / "lanczos", "lr"), expected)


def test_area_weights_belong_to_the_mean(tmp_path: Path) -> None:
    source = saved(ocean(), tmp_path / "a.nc")
    with pytest.raises(UsageError, match="apply only to the block mean"):
        make([source], tmp_path / "out", lr_method="bicubic", area_weights=True)
    with pytest.raises(UsageError, match="sinc is not known"):
        make([source], tmp_path / "out", lr_method="sinc")
