"""The loader of a split, and the processes that read its batches ahead."""

import signal
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader

from srwizard.base.child_process import end_with_parent
from srwizard.base.interrupts import held_back
from srwizard.data.samples import FieldPairs, Key
from srwizard.settings.run_config import RunConfig
from srwizard.train.distributed import Place

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Batches:
    """The batches that a loader goes through; set anew for each pass, so that workers live on."""

    def __init__(self) -> None:
        self.keys: list[tuple[Key, ...]] = []

    def __iter__(self) -> Iterator[tuple[Key, ...]]:
        return iter(self.keys)

    def __len__(self) -> int:
        return len(self.keys)


def as_it_is(batch: Any) -> Any:
    """Return a batch that `FieldPairs` has put together."""
    return batch


def loader_of(
    pairs: FieldPairs, run: RunConfig, place: Place, split: str
) -> tuple[Batches, DataLoader[Any]]:
    """Return the loader of a split, and the batches that it will go through."""
    plan = Batches()
    workers = run.training.num_workers or 0
    loader = DataLoader(
        pairs,
        batch_sampler=plan,  # type: ignore[arg-type]
        collate_fn=as_it_is,
        num_workers=workers,
        # Those of validation end with it: beside a step they would only hold memory and cores.
        persistent_workers=workers > 0 and split == "train",
        pin_memory=place.device.type == "cuda",
        worker_init_fn=_live_and_die_with_the_rank,
        # Without one of its own, each pass draws from the generator that the networks use: a
        # resumed training, which begins one pass more, would see other random numbers.
        generator=torch.Generator(),
    )
    return plan, loader


def started(loader: DataLoader[Any]) -> Iterator[dict[str, Any]]:
    """Begin a pass: the loader's processes are there and read from now on.

    A request to stop that comes while they start waits until they are there. It may reach all
    processes at once (a batch system, torchrun), and one that is not yet deaf to it would end;
    training would take that for a failure of its own.
    """
    with held_back(STOP_SIGNALS):
        return iter(loader)


def _live_and_die_with_the_rank(_worker: int) -> None:
    # The last step before a stop still needs its batch; loaders end when the process that they
    # load for does.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    # torch's own look at whether the parent is there comes every five seconds; until then the run
    # directory would be in use.
    end_with_parent(by=signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
