"""Matrices that follow from sizes alone: made once for each size, type and device.

Without this, a spectral layer would make its waves again in every forward and backward pass, a
dozen kernels each, on a GPU a quarter of all that it launches.
"""

import functools
from collections.abc import Callable, Hashable
from typing import ParamSpec
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.utils._python_dispatch import _get_current_dispatch_mode

MOST_KEPT = 64
"""Of a kind; a training has a few sizes."""
PLAIN = (int, torch.dtype, torch.device)

Known = dict[tuple[Hashable, ...], Tensor]
P = ParamSpec("P")


def kept(make: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """Let a function of sizes, types and a device keep the tensors that it has made.

    They must not be changed in place. A mode that looks at all operators (fake tensors, the
    recording of a graph, the count of memory) sees each of them made once, and none is kept beyond
    it. Sizes that are no plain numbers are those of a graph: what is made of them belongs to it.
    """
    everywhere: Known = {}
    in_mode: WeakKeyDictionary[object, Known] = WeakKeyDictionary()

    @functools.wraps(make)
    def made(*arguments: P.args, **named: P.kwargs) -> Tensor:
        if named or not all(isinstance(part, PLAIN) for part in arguments):
            return make(*arguments, **named)
        key = (*arguments,)
        mode = _get_current_dispatch_mode()
        known = everywhere if mode is None else in_mode.setdefault(mode, {})
        if key not in known:
            if len(known) >= MOST_KEPT:
                known.clear()
            # One that was made for inference could not be used in training.
            with torch.inference_mode(False):
                known[key] = make(*arguments, **named)
        return known[key]

    return made
