"""What is kept of a training in a checkpoint, and when it has been written."""

import concurrent.futures
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from srwizard.runs import checkpoint_files
from srwizard.train import checkpoint, saving_beside
from srwizard.train.checkpoint import LAST
from srwizard.train.distributed import (
    exchange_on_cpu,
    from_all_ranks,
    generator_state,
    wait_for_all,
)
from srwizard.train.saving_beside import nothing_to_write
from srwizard.train.setup import Saving, Training
from srwizard.train.sharding import whole

WRITING_SECONDS = 60.0
"""That a checkpoint is given to be written after a failure."""


def save(training: Training, run_dir: Path, *names: str) -> None:
    """Write checkpoints: rank 0 does, and the others go on once they can be read.

    On a GPU training goes on while they are written, as it does where the weights are sharded and
    each rank writes its part of the last one; `finish_saving` waits for it. Several are one file
    under several names. Of sharded weights, the best one is a file of weights alone.

    Args:
        training: as it stands.
        run_dir: the run directory.
        names: what to write, in this order: of what is cut off, the earlier ones are there.
    """
    if training.skeleton is not None:
        for name in names:
            _save_sharded(training, run_dir, name)
        return
    state = _rest(training) | _weights(training)
    state |= {"optimizer": {training.run.training.optimizer: training.optimizer.state_dict()}}
    write = partial(_write, run_dir, names)
    if saves_beside(training):
        finish_saving(training)
        first, device = training.place.is_first, training.place.device
        done = saving_beside.begin(state, device, write) if first else nothing_to_write()
        training.saving = Saving(run_dir, None, done)
        return
    if training.place.is_first:
        write(state)
    wait_for_all(training.place)


def saves_beside(training: Training) -> bool:
    """Return whether training goes on while a file is written: on a CPU both want the memory."""
    return training.place.device.type == "cuda"


def _write(run_dir: Path, names: Sequence[str], state: dict[str, Any]) -> None:
    written, *others = names
    checkpoint.save(run_dir, written, state)
    for name in others:
        checkpoint.save_same(run_dir, name, written)


def _save_sharded(training: Training, run_dir: Path, name: str) -> None:
    """Write one once the earlier last one is complete."""
    finish_saving(training)
    rest = _rest(training)
    if name == LAST:
        _begin_saving(training, run_dir, rest)
        return
    state = rest | _weights(training)
    if training.place.is_first:
        checkpoint.save(run_dir, name, state)
    wait_for_all(training.place)


def _rest(training: Training) -> dict[str, Any]:
    """Return what is not weights and moments; every rank has to ask."""
    return {
        "generators": from_all_ranks(training.place, generator_state(training.place)),
        "identity": checkpoint.identity(training.run),
        "optimizer": {},
        "scaler": training.scaler.state_dict(),
        "progress": asdict(training.progress),
    }


def _weights(training: Training) -> dict[str, Any]:
    """Return the weights and their averages: on rank 0, others only help to put them together."""

    def collected(parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = {}
        for name, part in parts.items():
            value = whole(part)
            if training.skeleton is None:
                found[name] = value
            elif training.place.is_first:
                found[name] = value.cpu()
        return found

    averaged = None if training.averaged is None else collected(training.averaged)
    return {"weights": collected(training.bare.state_dict()), "averaged": averaged}


def _begin_saving(training: Training, run_dir: Path, rest: dict[str, Any]) -> None:
    from srwizard.train import sharded_checkpoint

    names = [name for name, _part in training.bare.named_parameters()]
    groups = training.optimizer.state_dict()["param_groups"]
    optimizer = {training.run.training.optimizer: groups}
    (directory, *_others) = from_all_ranks(
        training.place, str(checkpoint_files.next_directory(run_dir))
    )
    if training.place.is_first:
        sharded_checkpoint.write_rest(
            Path(directory), rest | {"optimizer": optimizer, "parameters": names}
        )
    done = sharded_checkpoint.begin_save(
        Path(directory), tensors_kept(training), exchange_on_cpu(training.place)
    )
    training.saving = Saving(run_dir, Path(directory), done)


def finish_saving(training: Training) -> None:
    """Wait until the checkpoint that is being written can be read, by all ranks.

    Raises:
        OSError: it cannot be written; the earlier one is left whole.
    """
    saving, training.saving = training.saving, None
    if saving is None:
        return
    if saving.directory is None:
        saving.done.result()
    else:
        from srwizard.train import sharded_checkpoint

        sharded_checkpoint.finish_save(saving.done)
        if training.place.is_first:
            checkpoint_files.remove_other_than(saving.directory, saving.run_dir)
    wait_for_all(training.place)


def let_writing_end(training: Training) -> None:
    """Give the file that is being written its time, where training has failed meanwhile.

    Whatever comes of it: the failure is what counts. Other ranks have no part in it.
    """
    saving = training.saving
    if saving is not None and saving.directory is None:
        concurrent.futures.wait([saving.done], timeout=WRITING_SECONDS)


def tensors_kept(training: Training) -> dict[str, Tensor]:
    """Return what is kept of a training by its key in the directory."""
    found = {f"weights/{name}": part for name, part in training.bare.state_dict().items()}
    found |= {f"averaged/{name}": part for name, part in (training.averaged or {}).items()}
    for name, part in training.bare.named_parameters():
        for kind, value in training.optimizer.state[part].items():
            if isinstance(value, Tensor):
                found[f"optimizer/{name}/{kind}"] = value
    return found
