"""TF32 as a GPU has it, on the CPU: factors of products and convolutions with 10 bits."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

CONVOLUTIONS = (torch.conv2d, torch.nn.functional.conv2d, torch.conv_transpose2d)
PRODUCTS = (torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__, torch.mm, torch.bmm)


def rounded(values: Any) -> Any:
    """Return a float32 tensor with the 10 bits that TF32 keeps of each value; else what it was."""
    if not isinstance(values, Tensor) or values.dtype != torch.float32:
        return values
    bits = values.contiguous().view(torch.int32)
    return ((bits + 0x1000) & ~0x1FFF).view(torch.float32).view(values.shape)


class RoundsToTF32(TorchFunctionMode):
    """Rounds the factors wherever torch's settings let a GPU do so; counts how often it did."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        backends = torch.backends
        if (function in CONVOLUTIONS and backends.cudnn.allow_tf32) or (
            function in PRODUCTS and backends.cuda.matmul.allow_tf32
        ):
            self.count += 1
            args = [*map(rounded, args[:2]), *args[2:]]
        return function(*args, **(kwargs or {}))
