"""Writing checkpoints of a GPU while training goes on beside it.

The card copies what is to be kept into page-locked main memory, on a stream of its own; what it
computes from then on waits for that, a tenth of a second for a gigabyte, and the host waits for
nothing. A thread writes the copy to the disk, which takes seconds.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only


def copied_to_host(state: Any, device: torch.device) -> tuple[Any, Callable[[], object]]:
    """Begin to copy all tensors of a state to main memory.

    Args:
        state: dictionaries, lists and tensors, which may be changed right after.
        device: the GPU.

    Returns:
        The copy, and what waits until it is there.
    """
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    now = torch.cuda.current_stream(device)
    stream.wait_stream(now)
    with torch.cuda.stream(stream):
        # Also of what is in main memory already, as some optimizers count their steps there.
        copy = tree_map_only(Tensor, _on_its_way, state)
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrived.record(stream)
    now.wait_event(arrived)
    return copy, arrived.synchronize


def _on_its_way(part: Tensor) -> Tensor:
    return part.detach().to("cpu", non_blocking=True, copy=True)


def begin(state: Any, device: torch.device, write: Callable[[Any], None]) -> "Future[None]":
    """Copy a state and let a thread write the copy.

    Args:
        state: see `copied_to_host`.
        device: the GPU.
        write: writes the copy; what it raises, the result of the future raises.
    """
    copy, wait = copied_to_host(state, device)

    def work() -> None:
        wait()
        write(copy)

    executor = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
    try:
        return executor.submit(work)
    finally:
        executor.shutdown(wait=False)


def nothing_to_write() -> "Future[None]":
    """Return what a process has that writes nothing, while another one does."""
    done: Future[None] = Future()
    done.set_result(None)
    return done
