"""Epochs of a made-up training, as metrics.jsonl holds them."""

from collections.abc import Iterable, Sequence
from typing import Any

Events = list[dict[str, Any]]


def epochs_of(
    losses: Sequence[float], errors: Iterable[float | None], bicubic: float = 1.0
) -> Events:
    """Return events with the RMSE of each epoch; None: there was no validation."""
    return [
        {
            "event": "epoch",
            "epoch": number,
            "train_loss": loss,
            "valid": None
            if error is None
            else {"loss": error, "variables": scores(error, bicubic)},
        }
        for number, (loss, error) in enumerate(zip(losses, errors, strict=True), start=1)
    ]


def scores(error: float, bicubic: float = 1.0) -> dict[str, Any]:
    """Return what a validation holds of one variable."""
    return {"temp": {"model": {"rmse": error}, "bicubic": {"rmse": bicubic}, "best": "bicubic"}}
