"""This process's place among all of the run, as torchrun tells it."""

import functools
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from srwizard.settings.run_config import RunDevices
from srwizard.train.nodes import LOOPBACK
from srwizard.train.process_environment import launched_together

TIMEOUT = timedelta(hours=1)
"""That a rank waits for the others. A process, or a machine, that is lost is noticed otherwise, and
sooner (torchrun, heartbeats); a rank that is alive may take long over a batch of an ensemble, over
a checkpoint on a slow disk, or over the figures of the test split that it alone computes."""


@dataclass(frozen=True)
class Place:
    """Rank, world size and device of this process."""

    rank: int
    world: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this is the rank that writes files and reports."""
        return self.rank == 0


_kept: list[Any] = []
"""Process groups, which end with the process. To take one apart waits for its threads, and these
may wait for the interpreter, to let go of a tensor: for whoever waits for them, for ever."""


@contextmanager
def joined(devices: RunDevices) -> Iterator[Place]:
    """Join the process group if there is more than one process; leave it after success."""
    # A batch system, or another launcher around this one, sets the same names.
    told = os.environ if launched_together() else {}
    rank, world = int(told.get("RANK", 0)), int(told.get("WORLD_SIZE", 1))
    device = torch.device("cpu")
    if devices.on_gpus:
        device = torch.device("cuda", int(told.get("LOCAL_RANK", 0)))
        # Says why there is no CUDA; what follows would lack an attribute.
        torch.cuda.init()  # type: ignore[no-untyped-call]
        torch.cuda.set_device(device)
    if world == 1:
        yield Place(rank, world, device)
        return
    # With its GPU named, NCCL connects at once, and knows which one a barrier is for.
    on = device if devices.on_gpus else None
    if int(os.environ.get("LOCAL_WORLD_SIZE", 0)) == world:
        store = _store_on_loopback(rank, world)
        dist.init_process_group(
            devices.backend,
            store=store,
            rank=rank,
            world_size=world,
            timeout=TIMEOUT,
            device_id=on,
        )
    else:
        dist.init_process_group(devices.backend, timeout=TIMEOUT, device_id=on)
    _kept.append(dist.group.WORLD)
    yield Place(rank, world, device)
    # After an error this is left out: it may wait for ranks that wait for this one.
    dist.destroy_process_group()


def _store_on_loopback(rank: int, world: int) -> Any:
    """Return where the processes of one machine meet: torch's own store hears every interface."""
    port = int(os.environ["MASTER_PORT"])
    settings: dict[str, Any] = {}
    if rank == 0:
        listening = socket.create_server((LOOPBACK, port))
        # The store closes it.
        settings = {"is_master": True, "master_listen_fd": listening.detach()}
    return dist.TCPStore(  # type: ignore[attr-defined]
        LOOPBACK, port, world, timeout=TIMEOUT, wait_for_workers=False, **settings
    )


def add_over_ranks(place: Place, values: torch.Tensor) -> torch.Tensor:
    """Return the sum of `values` over all ranks, on the CPU."""
    return sum_over_ranks(place, values.to(place.device) if place.world > 1 else values).cpu()


def sum_over_ranks(place: Place, values: torch.Tensor) -> torch.Tensor:
    """Return the sum of `values`, which are on this rank's device, over all ranks; there, too."""
    if place.world > 1:
        dist.all_reduce(values)
    return values


def from_all_ranks(place: Place, value: Any) -> list[Any]:
    """Return the `value` of every rank, in their order."""
    if place.world == 1:
        return [value]
    found: list[Any] = [None] * place.world
    dist.all_gather_object(found, value)
    return found


def generator_state(place: Place) -> dict[str, torch.Tensor]:
    """Return the state of this rank's random number generators."""
    states = {"cpu": torch.get_rng_state()}
    if place.device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(place.device)
    return states


def set_generator_state(place: Place, states: dict[str, torch.Tensor]) -> None:
    """Put back what `generator_state` gave; on another kind of device, as much as it has."""
    torch.set_rng_state(states["cpu"])
    if place.device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], place.device)


def any_rank(place: Place, flag: bool) -> bool:
    """Return whether any rank says so, the same answer on all of them."""
    return bool(add_over_ranks(place, torch.tensor([float(flag)])).item() > 0)


@functools.cache
def exchange_on_cpu(place: Place) -> dist.ProcessGroup | None:
    """Return a group of all ranks for CPU tensors, beside that of training; None for one process.

    It has its own order of messages, so that a thread of each rank can use it meanwhile.
    """
    return None if place.world == 1 else dist.new_group(backend="gloo", timeout=TIMEOUT)


def wait_for_all(place: Place) -> None:
    """Go on once every rank has come here."""
    if place.world > 1:
        dist.barrier()
