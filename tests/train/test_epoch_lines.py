"""What a training says of an epoch, in one line."""

from typing import Any

import pytest

from srwizard.train.screen import epoch_line


def epoch(**model: float) -> dict[str, Any]:
    scores = {"model": {"rmse": 0.5, **model}, "bicubic": {"rmse": 1.0}}
    return {"epoch": 3, "train_loss": 0.25, "samples_per_second": None,
            "valid": {"variables": {"temp": scores}}}  # fmt: skip


@pytest.mark.parametrize(("model", "said"), [({}, ""), ({"crps": 0.125}, "  CRPS 0.125")])
def test_the_crps_of_an_ensemble_stands_behind_its_rmse(model: dict[str, float], said: str) -> None:
    line = epoch_line(epoch(**model), 20)
    assert line == f"epoch 3/20  loss 0.25  temp: RMSE 0.5 (bicubic 1){said}"


def test_an_epoch_without_validation_has_its_loss() -> None:
    assert epoch_line(epoch() | {"valid": None}, 20) == "epoch 3/20  loss 0.25"
