"""Where torch's standard forms are used because the libraries of GPUs are written for them.

What was written by hand for CPUs keeps less and moves less through main memory, in more and smaller
operators. On a GPU each of these is a kernel to be launched, and cuDNN and the fused kernels do
better; so there the standard form stands until a measurement says otherwise. The prediction of
memory, which has no GPU, takes tensors of the CPU for those of one (`memory/imitation.py`).
"""

from torch import Tensor


def computes(x: Tensor) -> bool:
    """Return whether a GPU computes with `x`."""
    return x.device.type == "cuda"
