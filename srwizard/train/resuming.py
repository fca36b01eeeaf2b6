"""Going on from a checkpoint: what it holds of a training (see `saving`) is put back into it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from srwizard.base.i18n import translate as _
from srwizard.base.visible import Lines
from srwizard.models import own_checkpoint, weights_file
from srwizard.runs import checkpoint_files
from srwizard.runs.progress import Progress
from srwizard.settings.run_config import RunConfig
from srwizard.train import averaging, checkpoint
from srwizard.train.checkpoint import BEST, LAST, CheckpointError, DamagedCheckpointError
from srwizard.train.correction import gains_from
from srwizard.train.distributed import exchange_on_cpu, set_generator_state
from srwizard.train.setup import Training
from srwizard.train.sharding import is_sharded, like, put_weights

SECOND_EPOCH = 2
"""Where a training stands that is through with its first epoch."""


@dataclass(frozen=True)
class Loaded:
    """A checkpoint that was read: which one, where, its content, what the user should know."""

    name: str
    path: Path
    state: dict[str, Any]
    notices: tuple[str, ...] = ()


def resume(training: Training, run_dir: Path) -> Loaded | None:
    """Go on from the last checkpoint, or from the best one if that is damaged.

    Returns:
        The checkpoint, or None where there is none, or none that says more than the beginning.

    Raises:
        CheckpointError: none can be read, or it is of another run.
    """
    if _ended_before_the_first_was_complete(training.run, run_dir):
        return None
    loaded = _first_sound(training, run_dir, (LAST, BEST), with_optimizer=True)
    if loaded is None:
        return None
    state, settings = loaded.state, training.run.training
    notices = list(loaded.notices)
    if not state["optimizer"]:
        notices.append(
            _(
                "The checkpoint holds the weights alone; {name} starts without its moments.",
                name=settings.optimizer,
            )
        )
    elif settings.optimizer not in state["optimizer"]:
        notices.append(
            _(
                "The checkpoint is from another optimizer; {name} starts without its moments.",
                name=settings.optimizer,
            )
        )
    if state["scaler"]:  # there is none where nothing was scaled: another type, or 32 bits
        training.scaler.load_state_dict(state["scaler"])
    training.progress = Progress(**state["progress"])
    training.progress.enter_schedule(settings.schedule_from)
    notices += _put_back_generators(training, state["generators"])
    return Loaded(loaded.name, loaded.path, state, tuple(notices))


def _ended_before_the_first_was_complete(run: RunConfig, run_dir: Path) -> bool:
    """Return whether a training has left no last checkpoint, and no best one to go on from.

    The best may be the untrained network, or the first epoch's weights without what the optimizer
    knows of it. Begun again, training ends as if it had never been ended.
    """
    if checkpoint_files.exists(run_dir, LAST):
        return False
    try:
        state = checkpoint.load(run_dir, BEST, run)
    except DamagedCheckpointError:
        return False
    if state is None:
        return True
    progress = Progress(**state["progress"])
    return progress.steps == 0 or (not state["optimizer"] and progress.epoch <= SECOND_EPOCH)


def begin_from_weights(training: Training) -> None:
    """Load the weights that a run without a checkpoint begins from, if there are any.

    Raises:
        UsageError: they are no longer those that were frozen.
        CheckpointError: they cannot be read.
    """
    chosen = training.run.model.weights
    if chosen is None:
        return
    weights_file.verify(Path(chosen.path), chosen.sha256)
    put_weights(training.bare, _weights_to_begin_from(Path(chosen.path)))
    if training.averaged is not None:
        training.averaged = averaging.start(training.bare)


def _weights_to_begin_from(path: Path) -> dict[str, Tensor]:
    if path.suffix != ".pt":
        return load_file(path)
    try:
        return own_checkpoint.weights_in(path)
    except ValueError as error:
        raise checkpoint.damaged(path) from error


def load_best(training: Training, run_dir: Path) -> Loaded | None:
    """Load the weights of the best validation, or of the last epoch if they are not there."""
    loaded = _first_sound(training, run_dir, (BEST, LAST), with_optimizer=False)
    if loaded is not None:
        training.gain = gains_from(loaded.state.get("gain"))
    return loaded


def load_named(training: Training, run_dir: Path, name: str) -> Progress:
    """Load the weights of checkpoint `name`, and return where training stood then.

    Raises:
        CheckpointError: it is not there, cannot be read, or is of another run.
    """
    loaded = _load(training, run_dir, name, with_optimizer=False)
    if loaded is None:
        raise CheckpointError(
            _("{path} does not exist", path=checkpoint_files.single(run_dir, name))
        )
    training.gain = gains_from(loaded.state.get("gain"))
    return Progress(**loaded.state["progress"])


def _first_sound(
    training: Training, run_dir: Path, names: tuple[str, ...], *, with_optimizer: bool
) -> Loaded | None:
    """Load the first checkpoint that is there and sound, with a notice of those that are not.

    Raises:
        CheckpointError: all that are there are damaged, or one is of another run.
    """
    damaged: list[DamagedCheckpointError] = []
    for name in names:
        try:
            loaded = _load(training, run_dir, name, with_optimizer=with_optimizer)
        except DamagedCheckpointError as error:
            damaged.append(error)
            continue
        if loaded is not None:
            notices = tuple(
                _(
                    "{problem}; {other} is used instead.",
                    problem=Lines(error.message),
                    other=loaded.path.relative_to(run_dir / checkpoint_files.DIRECTORY),
                )
                for error in damaged
            )
            return Loaded(name, loaded.path, loaded.state, notices)
    if damaged:
        raise damaged[0]
    return None


def _load(training: Training, run_dir: Path, name: str, *, with_optimizer: bool) -> Loaded | None:
    path = checkpoint_files.where(run_dir, name)
    # Each process reads its part, unless all of it belongs to this one.
    in_parts = training.skeleton is not None
    state = checkpoint.load(run_dir, name, training.run, tensors=not in_parts)
    if state is None:
        return None
    if "directory" in state:
        from srwizard.train import sharded_checkpoint

        try:
            _put_back_parts(training, state, with_optimizer=with_optimizer)
        except sharded_checkpoint.DamagedError as error:
            raise checkpoint.damaged(path) from error
    else:
        _put_back(training, state, with_optimizer=with_optimizer)
    return Loaded(name, path, state)


def _put_back(training: Training, state: dict[str, Any], *, with_optimizer: bool) -> None:
    put_weights(training.bare, state["weights"])
    if training.averaged is not None:
        # A moving average that was asked for only now begins here.
        training.averaged = averaging.start(training.bare)
        for name, part in (state["averaged"] or {}).items():
            training.averaged[name].copy_(like(part, training.averaged[name]))
    optimizer = state["optimizer"].get(training.run.training.optimizer)
    if optimizer is None or not with_optimizer:
        return
    moments = {
        number: {
            kind: _in_the_order_of(part, like(value, part))
            for kind, value in optimizer["state"][number].items()
        }
        for number, part in enumerate(training.bare.parameters())
        if number in optimizer["state"]
    }
    groups = _computed_here(training, optimizer["param_groups"])
    training.optimizer.load_state_dict({"state": moments, "param_groups": groups})


def _computed_here(training: Training, groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return which parameters a checkpoint has moments of, with the options of this run.

    They may be others by now (momentum), and the best way to compute is the device's. The learning
    rate is that of the last step: each step sets its own, and the record of an epoch names it.
    """
    return [
        group | {name: value for name, value in own.items() if name not in ("params", "lr")}
        for group, own in zip(groups, training.optimizer.param_groups, strict=True)
    ]


def _in_the_order_of(part: Tensor, value: Any) -> Any:
    """Return a moment with its values in memory as those of its parameter, which GPUs have in
    another order than CPUs: fused kernels go through both side by side."""
    if not isinstance(value, Tensor) or value.shape != part.shape or is_sharded(value):
        return value
    return torch.empty_like(part, dtype=value.dtype, device=value.device).copy_(value)


def _put_back_parts(training: Training, state: dict[str, Any], *, with_optimizer: bool) -> None:
    from srwizard.train import sharded_checkpoint

    directory, group = state["directory"], exchange_on_cpu(training.place)
    kept = sharded_checkpoint.kept_tensors(directory)
    wanted = {f"weights/{name}": part for name, part in training.bare.state_dict().items()}
    sharded_checkpoint.read_into(directory, wanted, group)
    if training.averaged is not None:
        training.averaged = averaging.start(training.bare)
        parts = {f"averaged/{name}": part for name, part in training.averaged.items()}
        sharded_checkpoint.read_into(
            directory, {name: part for name, part in parts.items() if name in kept}, group
        )
    groups = state["optimizer"].get(training.run.training.optimizer)
    if groups is None or not with_optimizer:
        return
    moments: dict[int, dict[str, Tensor]] = {}
    wanted = {}
    for number, (name, part) in enumerate(training.bare.named_parameters()):
        prefix = f"optimizer/{name}/"
        for key in (key for key in kept if key.startswith(prefix)):
            size, dtype = kept[key].size, kept[key].properties.dtype
            empty = torch.zeros_like(part) if size == part.shape else torch.zeros(size, dtype=dtype)
            wanted[key] = moments.setdefault(number, {})[key.removeprefix(prefix)] = empty
    sharded_checkpoint.read_into(directory, wanted, group)
    training.optimizer.load_state_dict(
        {"state": moments, "param_groups": _computed_here(training, groups)}
    )


def _put_back_generators(training: Training, states: list[dict[str, Any]]) -> list[str]:
    place = training.place
    if len(states) == place.world:
        set_generator_state(place, states[place.rank])
        return []
    seed = training.run.training.seed
    torch.manual_seed(seed + training.progress.steps * place.world + place.rank)
    return [
        _(
            "The number of processes was {before} when the checkpoint was written and is {now} "
            "now: the order of samples stays, rounding and random numbers do not.",
            before=len(states),
            now=place.world,
        )
    ]
