"""The content of a small made-up run directory."""

from typing import Any

import numpy as np

CONFIG: dict[str, Any] = {
    "created": "2026-01-02T03:04:05+00:00",
    "digest": "0123abcd",
    "data": {
        "root": "/data/<script>alert('&')</script>",
        "variables": ["temp", "uo"],
        "scale": 4,
        "hr_shape": [32, 32],
        "lr_shape": [8, 8],
        "steps": {"train": 100, "valid": 20, "test": 20},
    },
    "model": {"name": "edsr", "params": {"channels": 64, "blocks": 16}},
    "training": {"epochs": 20, "lr": 0.001, "betas": [0.9, 0.999]},
    "software": {"torch": "2.13.0"},
}

DRY_RUN: dict[str, Any] = {
    "verdict": "fits",
    "peak_bytes": 3 * 2**30,
    "capacity_bytes": 4 * 2**30,
    "ratio": 0.75,
    "device": "cpu",
    "ranks": [{"rank": 0, "peak_rss_bytes": 2**30}, {"rank": 1, "peak_rss_bytes": 2**31}],
    "step_seconds": 0.1,
}


def scores(model_rmse: float, bicubic_rmse: float) -> dict[str, Any]:
    """Return the scores of one variable as metrics.jsonl holds them."""
    return {
        "model": {
            "rmse": model_rmse,
            "mae": 0.8 * model_rmse,
            "bias": -0.01,
            "psnr": 31.5,
            "ssim": 0.95,
        },
        "bicubic": {
            "rmse": bicubic_rmse,
            "mae": 0.8 * bicubic_rmse,
            "bias": 0.02,
            "psnr": 28.5,
            "ssim": 0.9,
        },
        "skill": 1 - model_rmse / bicubic_rmse,
    }


def epoch_event(number: int, *, valid: bool = True, train_loss: float = 0.5) -> dict[str, Any]:
    """Return one epoch as metrics.jsonl holds it."""
    variables = {"temp": scores(0.6 / number, 0.5), "uo": scores(0.06, 0.05)}
    return {
        "event": "epoch",
        "epoch": number,
        "step": 10 * number,
        "train_loss": train_loss,
        "lr": 0.001,
        "seconds": 1.5,
        "samples_per_second": 30.0,
        "valid": {"loss": 0.4, "variables": variables} if valid else None,
    }


TEST_EVENT = {
    "event": "test",
    "checkpoint": "best",
    "epoch": 3,
    "variables": {"temp": scores(0.1234, 0.2468), "uo": scores(0.06, 0.05)},
}
EVENTS = [
    epoch_event(1),
    epoch_event(2, valid=False),
    {"event": "checkpoint", "path": "last.pt"},
    epoch_event(3),
    {**TEST_EVENT, "variables": {"temp": scores(9.876, 1.0)}},
    TEST_EVENT,
]


def sample_arrays(
    shape: tuple[int, int] = (32, 32), scale: int = 4, variables: tuple[str, ...] = ("temp", "uo")
) -> dict[str, Any]:
    """Return fields as plots/samples.npz holds them; the lower left quarter is land."""
    rows, columns = shape
    random = np.random.default_rng(0)
    size = (1, len(variables), rows, columns)
    hr = (15 + random.normal(size=size)).astype(np.float32)
    hr[..., : rows // 2, : columns // 2] = np.nan
    return {
        "names": np.array(["2010-01-16"]),
        "variables": np.array(variables),
        "units": np.array(["°C"] * len(variables)),
        "lr": hr[..., ::scale, ::scale],
        "bicubic": hr + 0.2,
        "sr": hr + 0.1,
        "hr": hr,
    }


def breakdown_arrays(rows: int = 32, wavenumbers: int = 16) -> dict[str, Any]:
    """Return sums as plots/breakdown.npz holds them, of four steps in two months."""
    random = np.random.default_rng(1)
    spectrum = np.arange(1, wavenumbers + 1) ** -3.0
    return {
        "variables": np.array(["temp", "uo"]),
        "names": np.array(["20100116T000000", "20100216T000000", "20110116T000000", "20110201T00"]),
        "rows": random.uniform(1, 2, (2, 2, rows)),
        "row_points": np.full((2, rows), 40.0),
        "steps": random.uniform(1, 2, (2, 2, 4)),
        "step_points": np.full((2, 4), 300.0),
        "spectra": np.stack([np.stack([spectrum * factor] * 2) for factor in (0.9, 0.7, 1.0)]),
    }
