"""Block means are those that `srwizard prepare` takes, and LR made otherwise is recognised."""

import json
from pathlib import Path

import numpy as np
import pytest

from srwizard.data.block_means import block_shares, departure, missing_mean, point_weights
from srwizard.data.coordinates import Grid, block_mean, cell_weights
from srwizard.data.layout import scan
from srwizard.data.weighting import BY_AREA, weighting_of
from tests.datasets import write_dataset

LATITUDE = np.linspace(-60, 80, 12)


@pytest.mark.parametrize("by_area", [False, True])
def test_shares_give_the_means_of_prepare(by_area: bool) -> None:
    random = np.random.default_rng(0)
    hr = random.normal(280, 5, (2, 12, 18)).astype(np.float32)
    hr[:, random.random((12, 18)) < 0.4] = np.nan
    hr[:, :3, :3] = np.nan
    weights = cell_weights(Grid((12, 18), LATITUDE, None)) if by_area else None
    shares = block_shares(np.isfinite(hr), 3, weights)
    means = np.stack([block_mean(field, 3, weights) for field in hr])
    missing = missing_mean(means.astype(np.float32), np.nan_to_num(hr), shares)
    assert np.isnan(missing[:, 0, 0]).all()
    np.testing.assert_array_equal(np.isnan(missing), np.isnan(means))
    assert np.nanmax(np.abs(missing)) < 5e-5  # float32 of 280
    np.testing.assert_allclose(shares.reshape(2, 4, 3, 6, 3).sum((2, 4))[np.isfinite(means)], 1,
                               rtol=1e-6)  # fmt: skip


def test_the_manifest_says_how_points_were_weighted(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data")
    assert weighting_of(scan(root)) == "equal"
    assert point_weights(scan(root), (16, 24), "equal") is None
    (root / "manifest.json").write_text(json.dumps({"method": BY_AREA}))
    assert weighting_of(scan(root)) == "area"
    weights = point_weights(scan(root), (16, 24), "area")
    latitude = np.load(root / "static_variables" / "hr" / "01_lat.npy")
    assert weights is not None
    np.testing.assert_array_equal(weights, cell_weights(Grid((16, 24), latitude, None)))


def test_how_far_lr_is_from_block_means(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data")
    (off, within) = departure(scan(root), ["temp"], 2, "equal")["temp"]
    assert off < 1e-5
    assert within > 0.05
    for file in (root / "train" / "lr" / "temp").iterdir():
        np.save(file, np.load(file) + np.float32(0.25))
    (off, _within) = departure(scan(root), ["temp"], 2, "equal")["temp"]
    assert off == pytest.approx(0.25, rel=1e-3)
