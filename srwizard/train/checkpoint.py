"""Checkpoints: written whole or not at all, loaded without running any code in them.

Those in a directory (see `sharded_checkpoint`) are read here as if they were in one file.
"""

from pathlib import Path
from typing import Any

import torch

from srwizard.base import files
from srwizard.base.errors import TrainingFailedError
from srwizard.base.i18n import listed
from srwizard.base.i18n import translate as _
from srwizard.runs import checkpoint_files
from srwizard.runs.checkpoint_files import BEST, LAST, NAMES
from srwizard.settings.run_config import RunConfig

__all__ = ["BEST", "LAST", "NAMES"]
SAMPLING = ("sampler", "sampling_steps", "ensemble_members")
"""Parameters of a diffusion model that training knows nothing of."""


class CheckpointError(TrainingFailedError):
    """A checkpoint is damaged, or of another run."""


class DamagedCheckpointError(CheckpointError):
    """A checkpoint cannot be read."""


def save(run_dir: Path, name: str, state: dict[str, Any]) -> None:
    """Write a checkpoint.

    Raises:
        OSError: it cannot be written; the earlier one is left whole.
    """
    target = checkpoint_files.single(run_dir, name)
    target.parent.mkdir(exist_ok=True)
    try:
        files.write_with(target, lambda stream: torch.save(state, stream))
    except RuntimeError as error:
        # torch hides a full disk behind "unexpected pos".
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise
    checkpoint_files.remove_other_than(target, run_dir, name)


def save_same(run_dir: Path, name: str, written: str) -> None:
    """Let checkpoint `name` be the one that was just written under another name, without a copy.

    Each of them can be replaced by itself: a checkpoint is never changed in place.

    Raises:
        OSError: as `save`.
    """
    target = checkpoint_files.single(run_dir, name)
    files.same_file(checkpoint_files.single(run_dir, written), target)
    checkpoint_files.remove_other_than(target, run_dir, name)


def load(
    run_dir: Path, name: str, run: RunConfig, *, tensors: bool = True
) -> dict[str, Any] | None:
    """Read a checkpoint to the CPU, or return None where there is none.

    Args:
        run_dir: the run directory.
        name: "last" or "best".
        run: its config.
        tensors: False leaves the tensors of one in a directory there: the state holds that
            `directory` in place of weights and optimizer state.

    Raises:
        DamagedCheckpointError: it cannot be read.
        CheckpointError: it is of another run.
    """
    source = checkpoint_files.where(run_dir, name)
    if not source.exists():
        return None
    try:
        state = _read(source, tensors=tensors)
        found: dict[str, Any] = dict(state["identity"])
    except Exception as error:  # which one depends on where the file is damaged
        if checkpoint_files.where(run_dir, name) != source:  # a training has written the next one
            return load(run_dir, name, run, tensors=tensors)
        raise damaged(source) from error
    wanted = identity(run)
    differing = [key for key in wanted if wanted[key] != found.get(key)]
    if differing:
        raise CheckpointError(
            _(
                "the checkpoint {path} is of another run; what differs: {keys}",
                path=source,
                keys=listed(differing),
            ),
            _("Use another run directory, or remove the checkpoints to start over."),
        )
    return state


def _read(source: Path, *, tensors: bool) -> dict[str, Any]:
    if source.is_file():
        state: dict[str, Any] = torch.load(source, map_location="cpu", weights_only=True)
        return state
    from srwizard.train import sharded_checkpoint

    state = sharded_checkpoint.read_rest(source)
    if not tensors:
        return state | {"directory": source}
    parts: dict[str, Any] = {"weights": {}, "averaged": {}, "optimizer": {}}
    for key, value in sharded_checkpoint.read_whole(source).items():
        part, _slash, name = key.partition("/")
        parts[part][name] = value
    moments: dict[int, dict[str, Any]] = {}
    for key, value in parts["optimizer"].items():
        name, _slash, kind = key.rpartition("/")
        moments.setdefault(state["parameters"].index(name), {})[kind] = value
    ((optimizer, groups),) = state["optimizer"].items()
    return state | {
        "weights": parts["weights"],
        "averaged": parts["averaged"] or None,
        "optimizer": {optimizer: {"state": moments, "param_groups": groups}},
    }


def damaged(source: Path) -> DamagedCheckpointError:
    """Return the error of a checkpoint that cannot be read."""
    return DamagedCheckpointError(
        _("the checkpoint {path} is damaged", path=source),
        _("Remove it to start over, or restore an earlier copy."),
    )


def identity(run: RunConfig) -> dict[str, Any]:
    """Return what must agree for training to go on from a checkpoint.

    The network, what it is trained on, and the seed of the order. Learning rate, batch size,
    devices and the like may be changed between two parts of a training, and so may how samples are
    drawn from a diffusion model.
    """
    # Earlier checkpoints say nothing of a skip, or of conserving.
    model = run.model.model_dump(exclude={"skip", "conserve"})
    if run.conserves:
        model["conserve"] = run.model.conserve
    if run.model.skip is not None:
        model["skip"] = {
            name: [found.method, found.weight] for name, found in run.model.skip.items()
        }
    model["params"] = {
        name: value for name, value in model["params"].items() if name not in SAMPLING
    }
    # Earlier ones say nothing of guides either.
    guides = {"data.guides": list(run.data.guides)} if run.data.guides else {}
    return guides | {
        "model": model,
        "data.variables": list(run.data.variables),
        "data.static_variables": list(run.data.static_variables),
        "data.scale": run.data.scale,
        "data.fingerprint": dict(run.data.fingerprint),
        "training.normalization": run.training.normalization,
        "training.seed": run.training.seed,
    }
