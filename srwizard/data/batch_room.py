"""Where the tensors of a batch are made, so that they need not be copied to be handed over."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import get_worker_info


def room(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Return a tensor of a shape, of any values.

    In a loader process it lies in memory that is shared with the one that trains, as what PyTorch's
    own `default_collate` puts together there does.
    """
    if get_worker_info() is None:
        return torch.empty(*shape, dtype=dtype)
    size = math.prod(shape) * dtype.itemsize
    storage = torch.UntypedStorage._new_shared(size)  # type: ignore[no-untyped-call]
    found: Tensor = torch.empty(0, dtype=dtype).set_(storage, 0, torch.Size(shape))  # type: ignore[call-overload]
    return found
