"""Live bytes of every tensor storage that is made while a tracker is on, real or fake.

The idea is that of `torch.distributed._tools.MemTracker`: a dispatch mode sees every operator's
results; a storage counts from its first appearance until Python and autograd have let go of it.
"""

import contextlib
import weakref
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from srwizard.memory.fake_results import KNOWN, Call, note

Scratch = Callable[[Any, tuple[Any, ...], Any], int]
"""`scratch(operator, arguments, result)`: bytes that the kernel holds beside tensors at its peak,
counted from what is live once the operator has returned."""

Cost = Callable[[Any, tuple[Any, ...], Any, Any], float]
"""`cost(operator, arguments, keywords, result)`: what an operator takes, in any unit."""

DEVICE_OF = torch.ops.prim.device.default
VALUE_OF = torch.ops.aten._local_scalar_dense.default
A_NUMBER = 1.0
"""What a fake tensor's value is taken for where Python asks for it (loss, metrics)."""


@dataclass(frozen=True)
class Event:
    """A storage that came (`size` > 0) or went (`size` < 0), in bytes."""

    storage: int
    size: int


@dataclass(frozen=True)
class Peak:
    """The highest point since the tracker last forgot.

    Attributes:
        live_bytes: of tensors alone, when they and the kernel's scratch were highest together.
        scratch_bytes: what the kernel held beside them.
        operator: which kernel that was.
        event: index into `StorageTracker.events` of the first event after it.
    """

    live_bytes: int
    scratch_bytes: int
    operator: str
    event: int

    @property
    def total_bytes(self) -> int:
        """Tensors and scratch together."""
        return self.live_bytes + self.scratch_bytes


class StorageTracker(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the storages made while it is on. Enter it after a `FakeTensorMode`.

    Args:
        scratch: what kernels hold beside their tensors; None counts tensors only.
        cost: what operators take; None: nothing.

    Attributes:
        live_bytes: of all storages that are alive.
        cost: of all operators so far.
        operators: how many there were.
        events: every coming and going, in order; scratch comes and goes around its operator.
        imagines_values: whether Python gets `A_NUMBER` where it asks for a fake tensor's value;
            else that is left to the `FakeTensorMode`, which refuses.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here; the wrapper would take time at every operator

    def __init__(self, scratch: Scratch | None = None, cost: Cost | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live_bytes = 0
        self.cost = 0.0
        self.operators = 0
        self.imagines_values = True
        self._cost = cost
        self._times = 1
        self.events: list[Event] = []
        self._scratch = scratch
        self._mode: FakeTensorMode | None = None
        self._weighed: dict[Hashable, tuple[float, int]] = {}
        self._sizes: dict[int, int] = {}
        self._numbers: dict[int, int] = {}
        self._watches: dict[int, weakref.ref[Any]] = {}
        self._made = 0
        self.forget_peak()

    @property
    def peak(self) -> Peak:
        """The highest point since `forget_peak`."""
        return self._peak

    def forget_peak(self) -> None:
        """Let the next peak be that of what comes from now on."""
        self._peak = Peak(self.live_bytes, 0, "", len(self.events))

    @contextlib.contextmanager
    def repeated(self, times: int) -> Iterator[None]:
        """Count the cost of what is done meanwhile so many times: it stands for others like it."""
        before, self._times = self._times, self._times * times
        try:
            yield
        finally:
            self._times = before

    def remember(self, mode: FakeTensorMode) -> None:
        """Remember what operators return for fake tensors, which are those of `mode`."""
        self._mode = mode
        mode.cache_enabled = False  # its own memory: what it is asked for now is seldom in it

    def register(self, tensor: Tensor) -> None:
        """Count the storage of a tensor that no operator made, such as one over a NumPy array."""
        self._note(tensor, "")

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run an operator and count the storages of its results."""
        if func is DEVICE_OF and isinstance(args[0], FakeTensor):
            return args[0].fake_device  # asked for at every operator, and known
        if func is VALUE_OF and self.imagines_values and isinstance(args[0], FakeTensor):
            return A_NUMBER
        self.operators += 1
        result, cost, scratch = self._answered(func, args, kwargs)
        self.cost += self._times * cost
        if isinstance(result, Tensor):
            self._note(result, func)
        elif result is not None:
            for tensor in tree_leaves(result):
                if isinstance(tensor, Tensor):
                    self._note(tensor, func)
        if scratch > 0:
            self._note_scratch(scratch, func)
        return result

    def _answered(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None
    ) -> tuple[Any, float, int]:
        """Return an operator's result, its cost and its scratch; worked out once for each shape."""
        call = None if self._mode is None else Call(func, args, kwargs)
        known = None if call is None else KNOWN.get(call.key)
        if call is not None and known is not None:
            result = call.again(known, self._mode)
            weighed = self._weighed.get(call.key)
            if weighed is None:
                weighed = self._weighed[call.key] = self._weigh(func, args, kwargs, result)
            return result, *weighed
        # What returns nothing changes its arguments in place: there are no shapes to work out, and
        # for all parameters at a time, as an optimizer asks, that would take long.
        in_place = call is not None and not func._schema.returns
        result = None if in_place else func(*args, **(kwargs or {}))
        weighed = self._weigh(func, args, kwargs, result)
        if call is None or call.key is None or in_place:
            return result, *weighed
        if call.key == Call(func, args, kwargs).key:
            reply = call.reply(result)
            if reply is not None:
                note(call.key, reply)
                self._weighed[call.key] = weighed
        return result, *weighed

    def _weigh(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None, result: Any
    ) -> tuple[float, int]:
        """Return the cost and the scratch of an operator."""
        return (
            0.0 if self._cost is None else self._cost(func, args, kwargs, result),
            0 if self._scratch is None else self._scratch(func, args, result),
        )

    def _note(self, tensor: Tensor, operator: Any) -> None:
        self.note_storage(tensor.untyped_storage(), operator)

    def note_storage(self, storage: torch.UntypedStorage, operator: Any) -> None:
        """Count a storage as large as it is now."""
        key, size = storage._cdata, storage.nbytes()
        known = self._sizes.get(key)
        if known == size:
            return
        if known is None:
            # The storage's Python object lives as long as the storage itself.
            self._watches[key] = weakref.ref(storage, lambda _gone: self._forget(key))
        else:  # resized in place
            self.events.append(Event(self._numbers[key], -known))
        self._sizes[key] = size
        self._numbers[key] = self._next_number()
        self.live_bytes += size - (known or 0)
        self.events.append(Event(self._numbers[key], size))
        self._compare(0, operator)

    def _note_scratch(self, size: int, operator: Any) -> None:
        number = self._next_number()
        self.events.append(Event(number, size))
        self._compare(size, operator)
        self.events.append(Event(number, -size))

    def _compare(self, scratch: int, operator: Any) -> None:
        if self.live_bytes + scratch > self._peak.total_bytes:
            self._peak = Peak(self.live_bytes, scratch, str(operator), len(self.events))

    def _forget(self, key: int) -> None:
        del self._watches[key]
        size = self._sizes.pop(key)
        self.live_bytes -= size
        self.events.append(Event(self._numbers.pop(key), -size))

    def _next_number(self) -> int:
        self._made += 1
        return self._made
