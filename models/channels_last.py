"""Where the channels of a field stand in memory, for networks that mostly convolve.

oneDNN convolves in blocks of channels as wide as a vector register. A field in the usual order
[B, C, h, w] is copied into such blocks and back; one with channels last is computed on as it is.
"""

import torch
from torch import Tensor


def for_convolutions(x: Tensor) -> Tensor:
    """Return [B, C, h, w] with channels last in memory where convolutions are faster on it.

    What is computed from it keeps the order. A step of EDSR takes 0.7 to 0.85 of the time on CPUs
    with AVX-512, but 1.1 on those with AVX2, whose gradients of weights are copied all the same
    (oneDNN, jit:avx2). On GPUs it was not tried.
    """
    if x.device.type != "cpu" or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return x
    return x.contiguous(memory_format=torch.channels_last)
