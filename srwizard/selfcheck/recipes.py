"""How each model is trained for the self-check, and how near to the optimum it must come."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from srwizard.models.card import ModelCard

STANDARD_TRAINING: Mapping[str, Any] = {
    "epochs": 60,
    "batch_size": 8,
    "lr": 0.002,
    # The conditional mean has the least squared error, of which this is the loss.
    "loss": "L2",
    "normalization": "GN",
    "clip_grad_norm": 1.0,
    # The rate falls until nothing is gained any more, and then training stops by itself.
    "scheduler": "plateau",
    "plateau_patience": 1,
    "gamma": 0.3,
    "patience": 3,
}
DIFFUSION_TRAINING: Mapping[str, Any] = {
    "epochs": 100,
    "batch_size": 16,
    "lr": 0.001,
    "normalization": "GN",
    "clip_grad_norm": 1.0,
    "scheduler": "cosine",
    "warmup_epochs": 2,
    "eval_freq": 20,
    "ema_decay": 0.999,
}
DIFFUSION_PARAMETERS: Mapping[str, Any] = {"sampling_steps": 32, "ensemble_members": 2}
"""Of the test split's own score; the self-check draws `MEMBERS`."""
MEMBERS = 32


@dataclass(frozen=True)
class Limits:
    """What a model must keep to.

    Args:
        rmse: at most so many times the least possible RMSE; of an ensemble, of its mean.
        spread: how far the spread of an ensemble may be from the conditional standard deviation,
            as a share of it.
        power: how far the power of its members may be from what it is on average, as a share.
    """

    rmse: float = 1.02
    spread: float | None = None
    power: float | None = None


@dataclass(frozen=True)
class Recipe:
    """How a model is trained for the self-check.

    Args:
        steps: fields in train, valid and test.
        limits: what it must keep to.
        training: answers of the training section.
        params: of the network, where they differ from its size `size`.
        size: of the network.
        members: drawn of each field of the test split; None: the model has one answer.
        minutes: what it takes on two idle CPU cores, about; None: it is not known.
    """

    steps: Mapping[str, int]
    limits: Limits
    training: Mapping[str, Any]
    params: Mapping[str, Any] = field(default_factory=dict)
    size: str | None = "tiny"
    members: int | None = None
    minutes: float | None = None


STANDARD_STEPS: Mapping[str, int] = {"train": 800, "valid": 64, "test": 128}
DIFFUSION_STEPS: Mapping[str, int] = {"train": 800, "valid": 16, "test": 32}
"""To draw a field takes as long as many steps of training."""

MINUTES: Mapping[str, float] = {
    "EDSR": 2, "UNet2d": 3, "FNO2d": 3, "RCAN": 4, "SRNO": 5, "HiNOTE": 5, "MWT2d": 5,
    "Galerkin_Transformer": 5, "Swin_Transformer": 5, "SwinIR": 8, "HAT": 12, "M2NO2d": 5,
    "DDPM": 25, "SR3": 15, "ResShift": 20, "ReMD": 20, "FlowMatching": 20,
}  # fmt: skip
"""What a self-check takes on two idle CPU cores; docs/selfcheck.md says which of them were measured
and which are estimated from the time of a step."""
PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    # Smaller networks than the tiny ones do.
    "EDSR": {"num_features": 32, "num_blocks": 4},
    "SR3": {"inner_channel": 16},
    "ResShift": {"inner_channel": 16, "sampling_steps": 15},
    "ReMD": {"inner_channel": 16, "sampling_steps": 15},
    "FlowMatching": {"sampling_steps": 8},
    "MWT2d": {"modes": 4},  # as many as the finest wavelets have on this grid
}
"""Where the parameters are not those of the size."""
EPOCHS: Mapping[str, int] = {"SR3": 60, "ResShift": 60, "ReMD": 60}
"""Of diffusion models that reach their limits in fewer than `DIFFUSION_TRAINING` has."""


def recipe_of(model: ModelCard) -> Recipe:
    """Return the recipe of a model, also of one from another package."""
    minutes = MINUTES.get(model.name)
    size = "tiny" if "tiny" in model.sizes else None
    params = PARAMETERS.get(model.name, {})
    if model.family == "diffusion":
        return Recipe(
            DIFFUSION_STEPS,
            Limits(rmse=1.05, spread=0.05, power=0.10),
            {**DIFFUSION_TRAINING, "epochs": EPOCHS.get(model.name, DIFFUSION_TRAINING["epochs"])},
            {**DIFFUSION_PARAMETERS, **params},
            size,
            MEMBERS,
            minutes,
        )
    return Recipe(STANDARD_STEPS, Limits(), STANDARD_TRAINING, params, size, minutes=minutes)
