"""What operators return for fake tensors, remembered: the same shapes bring the same shapes.

Most of a prediction's time would go into working out shapes, and a network of equal blocks asks
for the same ones again and again. `FakeTensorMode` has a memory of its own; a lookup there takes
half a millisecond, here it takes a tenth of that. What has been worked out serves all later
predictions of this process.
"""

import functools
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

ARGUMENT, VIEW, FRESH, NOTHING = range(4)
"""What a result can be: an argument itself, a view of the only one, memory of its own, None."""

CONSTANTS = frozenset(
    {int, float, bool, complex, str, type(None), torch.dtype, torch.device, torch.layout,
     torch.memory_format}
)  # fmt: skip
"""Types of the arguments that are compared by value."""


@dataclass(frozen=True, slots=True)
class Output:
    """How to make one result: `place` is the argument's, counted among tensors."""

    what: int
    place: int = 0
    size: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    offset: int = 0
    dtype: torch.dtype = torch.float32
    conjugate: bool = False
    negative: bool = False


@dataclass(frozen=True, slots=True)
class FakeResult:
    """What an operator returned.

    Attributes:
        outputs: its results.
        several: list or tuple, if it returns one; None: a single result.
    """

    outputs: tuple[Output, ...]
    several: type | None


KNOWN: dict[Hashable, FakeResult] = {}
"""What operators returned so far, by the keys of their calls."""
MOST_KNOWN = 10_000
"""A prediction adds some hundreds of 2 kB each."""


def note(key: Hashable, result: FakeResult) -> None:
    """Have the results of a call known from now on."""
    if len(KNOWN) >= MOST_KNOWN:
        KNOWN.clear()
    KNOWN[key] = result


class Call:
    """An operator with its arguments, as far as its results depend on them.

    Attributes:
        key: what to remember it by; None: it cannot be told.
        tensors: all among its arguments.
    """

    __slots__ = ("key", "tensors")

    def __init__(self, operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> None:
        self.tensors: list[FakeTensor] = []
        self.key: Hashable = None
        try:
            parts = [self._described(part) for part in args]
            if kwargs:
                parts += [(name, self._described(part)) for name, part in kwargs.items()]
        except _UnknownError:
            return
        ids = [id(part) for part in self.tensors]
        if len(set(ids)) < len(ids):  # one tensor twice is not the same as two that are alike
            parts.append(tuple(map(ids.index, ids)))
        self.key = (operator, *parts)

    def _described(self, part: Any) -> Hashable:
        kind = type(part)
        if kind is FakeTensor:
            if part.layout is not torch.strided or part.constant is not None:
                raise _UnknownError
            self.tensors.append(part)
            return (
                part.shape, part.stride(), part.storage_offset(), part.dtype, part.fake_device,
                part.is_conj(), part.is_neg(),
            )  # fmt: skip
        if kind in CONSTANTS:
            return kind, part
        if kind is list or kind is tuple:
            return kind, *map(self._described, part)
        raise _UnknownError

    def reply(self, result: Any) -> FakeResult | None:
        """Return what is to be remembered of a result; None: it cannot be made again."""
        several = type(result) if type(result) in (list, tuple) else None
        outputs, made = [], set()
        for part in result if several else (result,):
            output = self._output(part)
            if output is None:
                return None
            if output.what == FRESH:
                made.add(part.untyped_storage()._cdata)
            outputs.append(output)
        if len(made) < sum(output.what == FRESH for output in outputs):
            return None  # results that share their memory
        return FakeResult(tuple(outputs), several)

    def _output(self, part: Any) -> Output | None:
        if part is None:
            return Output(NOTHING)
        if type(part) is not FakeTensor or part.layout is not torch.strided:
            return None
        for place, tensor in enumerate(self.tensors):
            if part is tensor:
                return Output(ARGUMENT, place)
        if part.constant is not None or part.fake_device.type != "cpu":
            return None
        storage = part.untyped_storage()
        taken = [tensor.untyped_storage()._cdata for tensor in self.tensors]
        if storage._cdata not in taken:
            what = FRESH
            last = sum((n - 1) * step for n, step in zip(part.shape, part.stride(), strict=True))
            size = (last + 1) * part.element_size() if part.numel() else 0
            if part.storage_offset() or storage.nbytes() != size:
                return None
        elif len(taken) == 1:
            what = VIEW
        else:
            return None
        return Output(
            what, 0, tuple(part.shape), part.stride(), int(part.storage_offset()), part.dtype,
            part.is_conj(), part.is_neg(),
        )  # fmt: skip

    def again(self, reply: FakeResult, mode: Any) -> Any:
        """Return what the operator would, for these arguments.

        Args:
            reply: to a call with the same key.
            mode: that the new tensors belong to.
        """
        with torch._C._DisableTorchDispatch():
            made = [self._made(output, mode) for output in reply.outputs]
        return made[0] if reply.several is None else reply.several(made)

    def _made(self, output: Output, mode: Any) -> Tensor | None:
        if output.what == ARGUMENT:
            return self.tensors[output.place]
        if output.what == NOTHING:
            return None
        if output.what == FRESH:
            tensor = torch.empty_strided(
                output.size, output.stride, dtype=output.dtype, device="meta"
            )
        else:
            tensor = torch.empty(0, dtype=output.dtype, device="meta")
            tensor.set_(
                self.tensors[0].untyped_storage(), output.offset, output.size, output.stride
            )
        if output.conjugate:
            torch._C._set_conj(tensor, True)
        if output.negative:
            torch._C._set_neg(tensor, True)
        return _fake(tensor, mode)


CPU = torch.device("cpu")


@functools.cache
def _attributes(mode: FakeTensorMode) -> dict[str, Any]:
    """Return what every new fake tensor has besides its size."""
    return dict(vars(FakeTensor(mode, torch.empty(0, device="meta"), CPU)))


def _fake(tensor: Tensor, mode: FakeTensorMode) -> FakeTensor:
    """Return `FakeTensor(mode, tensor, CPU)`, in a sixth of the time."""
    fake = Tensor._make_subclass(
        FakeTensor, tensor, False, dispatch_device=True, device_for_backend_keys=CPU
    )
    vars(fake).update(_attributes(mode))
    return fake


class _UnknownError(Exception):
    """An argument that results may depend on in a way that cannot be told."""
