"""Checkpoints: written whole or not at all, loaded without running any code in them."""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from srwizard import files
from srwizard.errors import TrainingFailedError
from srwizard.i18n import translate as _
from srwizard.runconfig import RunConfig

LAST, BEST = "last", "best"


@dataclass
class Progress:
    """Where training stands: the next epoch and step, the loss so far, the best validation.

    `best_error` is the RMSE over the range of the training split, averaged over the variables.
    """

    epoch: int = 1
    step_in_epoch: int = 0
    steps: int = 0
    loss_sum: float = 0.0
    loss_samples: int = 0
    best_error: float | None = None
    best_epoch: int = 0
    validations_without_better: int = 0


def path(run_dir: Path, name: str) -> Path:
    """Return the file of checkpoint `name` ("last" or "best")."""
    return run_dir / "checkpoints" / f"{name}.pt"


def save(run_dir: Path, name: str, state: dict[str, Any]) -> None:
    """Write a checkpoint.

    Raises:
        OSError: it cannot be written; the earlier one is left whole.
    """
    target = path(run_dir, name)
    target.parent.mkdir(exist_ok=True)
    files.write_with(target, lambda stream: torch.save(state, stream))


def load(run_dir: Path, name: str, run: RunConfig) -> dict[str, Any] | None:
    """Read a checkpoint to the CPU, or return None where there is none.

    Raises:
        TrainingFailedError: it is damaged, or of another network.
    """
    source = path(run_dir, name)
    if not source.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(source, map_location="cpu", weights_only=True)
        found = state["network"]
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError):
        raise TrainingFailedError(
            _("the checkpoint {path} is damaged", path=source),
            _("Remove it to begin anew, or put an earlier copy in its place."),
        ) from None
    if found != network_identity(run):
        raise TrainingFailedError(
            _("the checkpoint {path} is of another network", path=source),
            _("Use another run directory, or remove the checkpoints to begin anew."),
        )
    return state


def network_identity(run: RunConfig) -> dict[str, Any]:
    """Return what must agree for a checkpoint to be loaded: the network and its channels."""
    return {
        "model": run.model.model_dump(),
        "variables": list(run.data.variables),
        "scale": run.data.scale,
        "normalization": run.training.normalization,
    }
