"""Batches on their way to the device.

On a GPU they are copied from page-locked memory on a stream of their own, one batch ahead: a step
then finds its batch there, and the copy of the next one goes on beside it. On a CPU they are there.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import torch
from torch import Tensor

Batch = dict[str, Any]


def on_device(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """Yield batches on a device.

    Args:
        batches: on the CPU, page-locked where the device is a GPU.
        device: of this process.
    """
    if device.type != "cuda":
        yield from batches
        return
    stream = _stream_of_copies(device)
    copied: tuple[Batch, torch.cuda.Event] | None = None
    for batch in batches:
        with torch.cuda.stream(stream):
            following = _moved(batch, device)
            done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            done.record(stream)
        if copied is not None:
            yield _received(*copied)
        copied = following, done
    if copied is not None:
        yield _received(*copied)


@cache
def _stream_of_copies(device: torch.device) -> torch.cuda.Stream:
    """Return the one stream of a device that all passes copy on.

    Each stream has a pool of memory of its own: with a new one for each pass the allocator would
    hold some batches for every one of them, more than the dry run has measured.
    """
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _moved(batch: Batch, device: torch.device) -> Batch:
    return {
        name: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
        for name, value in batch.items()
    }


def _received(batch: Batch, done: torch.cuda.Event) -> Batch:
    """Let what is computed from now on wait for the copy; the host does not."""
    now = torch.cuda.current_stream()
    now.wait_event(done)
    for value in batch.values():
        if isinstance(value, Tensor):
            value.record_stream(now)  # or its memory might be used again too early
    return batch
