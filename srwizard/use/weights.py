"""The weights of a run: from which checkpoint, and loaded into its network."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.visible import Lines, in_shell
from srwizard.runs import checkpoint_files
from srwizard.settings.run_config import RunConfig
from srwizard.train import checkpoint
from srwizard.train.checkpoint import BEST, LAST, CheckpointError, DamagedCheckpointError
from srwizard.train.correction import gains_from
from srwizard.train.setup import build_network

Name = Literal["best", "last"]
MOST_NAMES = 5


@dataclass(frozen=True)
class Checkpoint:
    """Which weights are used.

    Args:
        name: "best" or "last".
        epoch: complete epochs of training behind them.
        digest: SHA-256 of the file that they are from.
        gain: how much of its correction is taken, by variable; all where it is not there.
    """

    name: Name
    epoch: int
    digest: str
    gain: Mapping[str, float] = field(default_factory=dict)


def load_network(
    run_dir: Path, run: RunConfig, wanted: Name | None
) -> tuple[nn.Module, Checkpoint, list[str]]:
    """Build the network of a run and load weights into it; averaged ones, if the run has them.

    Args:
        run_dir: the run directory.
        run: its config.
        wanted: which checkpoint; None: that of the best validation, else the last one.

    Returns:
        The network on the CPU, in evaluation mode; its checkpoint; what the user should know.

    Raises:
        UsageError: there is none, it is damaged, or it is of another run.
    """
    name, state, notices = _chosen(run_dir, run, wanted)
    network = build_network(run)
    _require_same(network, state.get("weights"), run.model.name, run_dir, name)
    try:
        network.load_state_dict(state["weights"])
        averaged = state.get("averaged") if run.training.ema_decay is not None else None
        with torch.no_grad():
            own = dict(network.named_parameters())
            for part, values in (averaged or {}).items():
                own[part].copy_(values)
        progress = state["progress"]
        # "best" may be the network that training began from, of epoch 0.
        epoch = int(progress["best_epoch"] if name == BEST else progress["epoch"] - 1)
        found = Checkpoint(name, epoch, _digest(run_dir, name), gains_from(state.get("gain")))
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise _unusable(checkpoint_files.where(run_dir, name), name) from error
    return network.eval(), found, notices


def _require_same(
    network: nn.Module, weights: object, model: str, run_dir: Path, name: Name
) -> None:
    """Refuse the weights of a network that the model's code no longer makes.

    Raises:
        UsageError: there are other names, or other shapes.
    """
    if not isinstance(weights, Mapping):
        return
    own = {part: tuple(value.shape) for part, value in network.state_dict().items()}
    theirs = {part: tuple(value.shape) for part, value in weights.items()}
    if own == theirs:
        return
    differing = sorted(part for part in own.keys() | theirs if own.get(part) != theirs.get(part))
    raise UsageError(
        _(
            "{path} is not of the network that {model} is now: {names}",
            path=checkpoint_files.where(run_dir, name),
            model=model,
            names=", ".join(differing[:MOST_NAMES]),
        ),
        _(
            "The code of the model was changed after training, or it makes layers as it runs: "
            "bring back the version that this run was trained with."
        ),
    )


def _chosen(
    run_dir: Path, run: RunConfig, wanted: Name | None
) -> tuple[Name, dict[str, Any], list[str]]:
    notices: list[str] = []
    names: tuple[Name, ...] = (wanted,) if wanted is not None else ("best", "last")
    damaged: DamagedCheckpointError | None = None
    for name in names:
        try:
            state = checkpoint.load(run_dir, name, run)
        except DamagedCheckpointError as error:
            damaged = damaged or error
            notices.append(
                _(
                    "{problem}; {other} is used instead.",
                    problem=Lines(error.message),
                    other=_file_name(run_dir, LAST),
                )
            )
            continue
        except CheckpointError as error:
            raise UsageError(
                error.message, _("Give the run directory that these checkpoints were trained in.")
            ) from None
        if state is not None:
            if wanted is None and name == LAST and not notices:
                notices.append(
                    _(
                        "There is no checkpoint best.pt yet; {other} is used.",
                        other=_file_name(run_dir, LAST),
                    )
                )
            return name, state, notices
    if damaged is not None:
        raise _unusable(checkpoint_files.where(run_dir, names[0]), names[0]) from damaged
    place = checkpoint_files.single(run_dir, names[0])
    hint = _("Train it first: srwizard train {directory}", directory=in_shell(run_dir))
    other = LAST if wanted == BEST else BEST
    if wanted is not None and checkpoint_files.exists(run_dir, other):
        hint = _("Use the other one: --checkpoint {other}", other=other)
    raise UsageError(_("{path} is missing: the run has no such checkpoint.", path=place), hint)


def _unusable(path: Path, name: str) -> UsageError:
    other = LAST if name == BEST else BEST
    return UsageError(
        _("the checkpoint {path} is damaged", path=path),
        _("Use the other one (--checkpoint {other}), or restore an earlier copy.",
          other=other),
    )  # fmt: skip


def _file_name(run_dir: Path, name: str) -> str:
    place = checkpoint_files.where(run_dir, name)
    return str(place.relative_to(run_dir / checkpoint_files.DIRECTORY))


def _digest(run_dir: Path, name: str) -> str:
    """Return the SHA-256 of a checkpoint's file, or of its files in the order of their names."""
    place = checkpoint_files.where(run_dir, name)
    found = hashlib.sha256()
    for part in [place] if place.is_file() else sorted(place.iterdir()):
        with part.open("rb") as stream:
            while block := stream.read(2**20):
                found.update(block)
    return found.hexdigest()
