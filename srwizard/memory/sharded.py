"""What a run whose weights are sharded needs of an imitation: other processes, and its tracker.

FSDP2 itself runs on the fake tensors: one rank of as many as the run has, in a process group that
exchanges nothing (torch's own, made for this).
"""

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
import torch.distributed as dist
from torch._guards import active_fake_mode
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed.tensor import DTensor, _sharding_prop
from torch.testing._internal.distributed.fake_pg import FakeStore

from srwizard.memory.tracker import StorageTracker
from srwizard.train import sharding
from srwizard.train.distributed import Place

RESIZE = torch.UntypedStorage.resize_
WAIT = torch.ops._c10d_functional.wait_tensor.default


@contextlib.contextmanager
def imagined_ranks(place: Place) -> Iterator[None]:
    """Let `place` be one rank of a process group in which nothing is exchanged.

    Entered before tensors are fake: the order of the ranks is looked up in real ones.
    """
    dist.init_process_group("fake", store=FakeStore(), rank=place.rank, world_size=place.world)
    try:
        mesh = sharding.mesh_of(place)
        with mock.patch.object(sharding, "mesh_of", lambda _place: mesh):
            yield
    finally:
        dist.destroy_process_group()


class SharedOutTracker(StorageTracker):
    """Counts this process's part of tensors that are sharded, and storages that are resized.

    FSDP keeps the storages of whole weights, and empties them between uses.
    """

    def __enter__(self) -> Any:
        self._fake_mode = active_fake_mode()
        self._patches = contextlib.ExitStack()
        resizing = mock.patch.object(torch.UntypedStorage, "resize_", self._resizer())
        self._patches.enter_context(resizing)
        # DTensor looks up the shapes of results on whole tensors, once for each operator: in a
        # mode of its own, which is not ours to count.
        looking_up = mock.patch.object(_sharding_prop, "detect_fake_mode", lambda: None)
        self._patches.enter_context(looking_up)
        return super().__enter__()  # type: ignore[no-untyped-call]

    def remember(self, mode: FakeTensorMode) -> None:
        """Remember nothing: a view made anew would fill a storage that has been emptied."""

    def __exit__(self, *exception: Any) -> None:
        super().__exit__(*exception)  # type: ignore[no-untyped-call]
        self._patches.close()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run an operator and count the storages of its results."""
        if DTensor in types:
            return NotImplemented  # what it does to this process's part comes here by itself
        if active_fake_mode() is not self._fake_mode:
            return func(*args, **(kwargs or {}))  # shapes are looked up, nothing is computed
        if func is WAIT:
            return args[0]  # as it really does; the fake one makes a copy
        return super().__torch_dispatch__(func, types, args, kwargs)

    def _resizer(self) -> Any:
        def resize(storage: torch.UntypedStorage, size: int) -> Any:
            result = RESIZE(storage, size)
            self.note_storage(storage, "resize_")
            return result

        return resize
