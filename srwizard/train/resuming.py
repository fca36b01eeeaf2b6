"""What a checkpoint holds of a training: taken from it, and put back into it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from srwizard import weights
from srwizard.i18n import translate as _
from srwizard.models.importing import begin_from
from srwizard.train import averaging, checkpoint
from srwizard.train.checkpoint import BEST, LAST, CheckpointError, DamagedCheckpointError, Progress
from srwizard.train.distributed import (
    from_all_ranks,
    generator_state,
    set_generator_state,
    wait_for_all,
)
from srwizard.train.setup import Training


@dataclass(frozen=True)
class Loaded:
    """A checkpoint that was read: which one, its content, and what the user should know."""

    name: str
    state: dict[str, Any]
    notices: tuple[str, ...] = ()


def save(training: Training, run_dir: Path, name: str) -> None:
    """Write a checkpoint: rank 0 does, and the others go on once it can be read."""
    generators = from_all_ranks(training.place, generator_state(training.place))
    if training.place.is_first:
        checkpoint.save(run_dir, name, _state(training) | {"generators": generators})
    wait_for_all(training.place)


def _state(training: Training) -> dict[str, Any]:
    return {
        "identity": checkpoint.identity(training.run),
        "weights": training.bare.state_dict(),
        "averaged": training.averaged,
        "optimizer": {training.run.training.optimizer: training.optimizer.state_dict()},
        "scaler": training.scaler.state_dict(),
        "progress": asdict(training.progress),
    }


def resume(training: Training, run_dir: Path) -> Loaded | None:
    """Go on from the last checkpoint, or from the best one if that is damaged.

    Returns:
        The checkpoint, or None where there is none.

    Raises:
        CheckpointError: none can be read, or it is of another run.
    """
    loaded = _first_sound(training, run_dir, (LAST, BEST))
    if loaded is None:
        return None
    state, settings = loaded.state, training.run.training
    notices = list(loaded.notices)
    _put_back_weights(training, state)
    optimizer = state["optimizer"].get(settings.optimizer)
    if optimizer is None:
        notices.append(
            _(
                "The checkpoint is from another optimizer; {name} begins without its moments.",
                name=settings.optimizer,
            )
        )
    else:
        training.optimizer.load_state_dict(optimizer)
    training.scaler.load_state_dict(state["scaler"])
    training.progress = Progress(**state["progress"])
    notices += _put_back_generators(training, state["generators"])
    return Loaded(loaded.name, state, tuple(notices))


def begin_from_weights(training: Training) -> None:
    """Load the weights that a run without a checkpoint begins from, if there are any.

    Raises:
        UsageError: they are no longer those that were frozen.
    """
    chosen = training.run.model.weights
    if chosen is None:
        return
    weights.verify(Path(chosen.path), chosen.sha256)
    begin_from(training.bare, Path(chosen.path))
    if training.averaged is not None:
        training.averaged = averaging.start(training.bare)


def load_best(training: Training, run_dir: Path) -> Loaded | None:
    """Load the weights of the best validation, or of the last epoch if they are not there."""
    loaded = _first_sound(training, run_dir, (BEST, LAST))
    if loaded is not None:
        _put_back_weights(training, loaded.state)
    return loaded


def load_named(training: Training, run_dir: Path, name: str) -> Progress:
    """Load the weights of checkpoint `name`, and return where training stood then.

    Raises:
        CheckpointError: it is not there, cannot be read, or is of another run.
    """
    state = checkpoint.load(run_dir, name, training.run)
    if state is None:
        raise CheckpointError(_("{path} is not there", path=checkpoint.path(run_dir, name)))
    _put_back_weights(training, state)
    return Progress(**state["progress"])


def _first_sound(training: Training, run_dir: Path, names: tuple[str, ...]) -> Loaded | None:
    """Return the first checkpoint that is there and sound, with a notice of those that are not.

    Raises:
        CheckpointError: all that are there are damaged, or one is of another run.
    """
    damaged: list[DamagedCheckpointError] = []
    for name in names:
        try:
            state = checkpoint.load(run_dir, name, training.run)
        except DamagedCheckpointError as error:
            damaged.append(error)
            continue
        if state is not None:
            notices = tuple(
                _("{problem}; {other} is used instead.", problem=error.message, other=f"{name}.pt")
                for error in damaged
            )
            return Loaded(name, state, notices)
    if damaged:
        raise damaged[0]
    return None


def _put_back_weights(training: Training, state: dict[str, Any]) -> None:
    training.bare.load_state_dict(state["weights"])
    if training.averaged is None:
        return
    # A moving average that was asked for only now begins here.
    training.averaged = averaging.start(training.bare)
    for name, part in (state["averaged"] or {}).items():
        training.averaged[name].copy_(part)


def _put_back_generators(training: Training, states: list[dict[str, Any]]) -> list[str]:
    place = training.place
    if len(states) == place.world:
        set_generator_state(place, states[place.rank])
        return []
    seed = training.run.training.seed
    torch.manual_seed(seed + training.progress.steps * place.world + place.rank)
    return [
        _(
            "The checkpoint is from {before} processes, now there are {now}: the order of samples "
            "stays, rounding and random numbers do not.",
            before=len(states),
            now=place.world,
        )
    ]
