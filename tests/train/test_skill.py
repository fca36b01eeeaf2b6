"""Trainings that end better than bicubic interpolation, on the whole of the test split."""

from pathlib import Path
from typing import Any

import iris_sample_data
import numpy as np
import pytest

from srwizard.data.prepare import prepare
from srwizard.train.launch import launch
from tests.datasets import block_mean, land_mask
from tests.train.runs import freeze

OSTIA = Path(iris_sample_data.path) / "ostia_monthly.nc"


def eddies(root: Path, shape: tuple[int, int], scale: int) -> Path:
    """Write fields with power falling as k^-4, land, and LR as the mean over blocks."""
    rng = np.random.default_rng(0)
    y, x = np.fft.fftfreq(shape[0]), np.fft.rfftfreq(shape[1])
    k = np.hypot(y[:, None], x)
    k[0, 0] = np.inf
    for split, steps in (("train", 12), ("valid", 4), ("test", 4)):
        waves = np.fft.rfft2(rng.normal(size=(steps, *shape))) * k**-2
        hr = np.fft.irfft2(waves, shape)
        hr = (15 + 3 * hr / hr.std()).astype(np.float32)
        hr[:, land_mask(shape)] = np.nan
        for level, fields in (("hr", hr), ("lr", block_mean(hr, scale))):
            directory = root / split / level / "temp"
            directory.mkdir(parents=True)
            for step, field in enumerate(fields):
                np.save(directory / f"{step:03d}.npy", field)
    return root


@pytest.mark.slow
def test_edsr_x4_on_sea_surface_temperature(tmp_path: Path) -> None:
    prepare([OSTIA], variables={"surface_temperature": "temp"}, scale=4,
            split=(0.7, 0.15, 0.15), out=tmp_path / "data")  # fmt: skip
    freeze(tmp_path / "data", tmp_path / "run", batch_size=4, epochs=10, lr=0.001,
           params={"num_features": 32, "num_blocks": 4})  # fmt: skip
    assert skill(launch(tmp_path / "run")) > 0


@pytest.mark.slow
def test_swinir_on_a_field_with_land(tmp_path: Path) -> None:
    params = {"embed_dim": 16, "depths": [2], "num_heads": [4], "window_size": 8}
    freeze(
        eddies(tmp_path / "data", (128, 256), 2), tmp_path / "run", model="SwinIR", params=params,
        batch_size=4, epochs=24, eval_freq=24, patch_size=64, normalization="GN",
    )  # fmt: skip
    assert skill(launch(tmp_path / "run")) > 0


def skill(scores: dict[str, Any]) -> float:
    found: float = scores["temp"]["skill"]
    return found
