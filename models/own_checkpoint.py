"""Checkpoints of srwizard's own runs, as weights to begin from.

`python -m srwizard.models.own_checkpoint CHECKPOINT` prints what they are for, as JSON: the wizard
asks so, which loads no torch.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from srwizard.models.weights_file import WeightsDescription


def weights_in(path: Path) -> dict[str, Tensor]:
    """Return the weights that a checkpoint predicts with: averaged ones, if it has them.

    Raises:
        ValueError: it is not a checkpoint of srwizard, or it is damaged.
    """
    state = _read(path)
    try:
        return {**state["weights"], **(state.get("averaged") or {})}
    except (KeyError, TypeError) as error:
        raise ValueError(path) from error


def description_in(path: Path) -> WeightsDescription:
    """Return what the weights in a checkpoint are for.

    Raises:
        ValueError: it is not a checkpoint of srwizard, or it is damaged.
    """
    state = _read(path)
    try:
        model = state["identity"]["model"]
        return WeightsDescription(
            model=model["name"],
            params=model["params"],
            in_channels=model["in_channels"],
            out_channels=model["out_channels"],
            scale=state["identity"]["data.scale"],
            global_skip=model["global_skip"],
            skip=model.get("skip"),
            guides=state["identity"].get("data.guides", []),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(path) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # which one depends on where the file is damaged
        raise ValueError(path) from error
    if not isinstance(found, dict):
        raise ValueError(path)
    return found


if __name__ == "__main__":
    print(json.dumps(asdict(description_in(Path(sys.argv[1])))))
