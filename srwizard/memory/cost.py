"""How much time operators take, to compare one config with another; no measure of seconds.

Each operator takes what its arithmetic or its memory traffic takes, whichever is longer, and a
constant for the call (the roofline model: Williams et al., 2009, doi:10.1145/1498765.1498785).
Arithmetic is counted by PyTorch's own formulas (torch.utils.flop_counter), traffic is every tensor
read or written once. Recomputed blocks are seen twice because they are dispatched twice.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from srwizard.hardware.devices import fast_bfloat16


@dataclass(frozen=True)
class Machine:
    """What a device does in a second; only the relations between these matter.

    Args:
        operations: floating-point operations in 32 bits.
        faster_in_16_bits: how many times as many in bfloat16.
        traffic: bytes to and from memory.
        transforms: operations of Fourier transforms, which are far from what products reach.
        call: seconds of one operator, however small.
    """

    operations: float
    faster_in_16_bits: float
    traffic: float
    transforms: float
    call: float


GPU = Machine(operations=2e13, faster_in_16_bits=3.0, traffic=8e11, transforms=2e12, call=5e-6)
"""Sustained figures of cards such as the RTX 3090 and the A100, without TF32 for products."""
aten = torch.ops.aten
TRANSFORMS = {aten._fft_r2c, aten._fft_c2r, aten._fft_c2c}
LINK = 2e10
"""Bytes in a second between processes that exchange gradients."""


def cpu_machine() -> Machine:
    """Return a CPU of this kind; without bfloat16 of its own it converts to 32 bits and back."""
    return Machine(
        operations=1e11,
        faster_in_16_bits=1.8 if fast_bfloat16() else 0.6,
        traffic=1.5e10,
        transforms=5e9,
        call=5e-6,
    )


class Cost:
    """Adds up what operators take on a machine.

    Attributes:
        seconds: so far, in the units of the machine.
    """

    def __init__(self, machine: Machine) -> None:
        self.seconds = 0.0
        self._machine = machine
        self._views: dict[Any, bool] = {}

    def add(self, operator: Any, arguments: tuple[Any, ...], kwargs: Any, result: Any) -> float:
        """Return what one operator takes."""
        view = self._views.get(operator)
        if view is None:
            view = self._views[operator] = is_view(operator)
        if view:
            return 0.0
        machine = self._machine
        moved, narrow = 0, False
        for part in tree_leaves((arguments, result)):
            if isinstance(part, Tensor):
                moved += part.numel() * part.element_size()
                narrow = narrow or part.element_size() == 2
        formula = flop_registry.get(operator._overloadpacket)
        seconds = moved / machine.traffic
        if operator._overloadpacket in TRANSFORMS:
            seconds = max(seconds, _fft_operations(arguments[0], result) / machine.transforms)
        if formula is not None:
            speed = machine.operations * (machine.faster_in_16_bits if narrow else 1.0)
            operations = formula(*arguments, **(kwargs or {}), out_val=result)
            seconds = max(seconds, operations / speed)
        return seconds + machine.call


def _fft_operations(field: Tensor, result: Tensor) -> float:
    """Return the operations of a transform over the last two dimensions: 5 N log2 N, of reals half.

    Source: Frigo and Johnson, Proc. IEEE 93, 2005, doi:10.1109/JPROC.2004.840301, section III.
    """
    real = not (field.is_complex() and result.is_complex())
    points = result.numel() if field.is_complex() else field.numel()
    transformed = max(field.shape[-2] * field.shape[-1], 2)
    return (2.5 if real else 5.0) * points * math.log2(transformed)


def is_view(operator: Any) -> bool:
    """Return whether an operator only looks at its input in another way."""
    returned = operator._schema.returns
    return any(part.alias_info is not None and not part.alias_info.is_write for part in returned)


def exchange_seconds(parameters: int, processes: int, *, rounds: float = 2.0) -> float:
    """Return what an exchange takes; of gradients, a ring passes them round almost twice."""
    return rounds * 4 * parameters * (processes - 1) / processes / LINK


SHARDED_ROUNDS = 3.0
"""Where weights are sharded, for each micro-batch: all of them are put together for the forward
and for the backward pass, and gradients are passed round once."""
