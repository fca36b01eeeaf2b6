"""Where float32 products may be rounded to TF32 on a GPU: 10 bits of each factor instead of 23.

The rule: in the training step of a network, nowhere else. Metrics take small differences of large
sums (with rounded factors the SSIM of 0.9996 becomes 0.9), transforms have to be their own inverse,
and scores and predictions are those of the weights. On a CPU none of this changes anything.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul


@contextmanager
def tf32(*, allowed: bool) -> Iterator[None]:
    """Let cuBLAS and cuDNN round factors to TF32, or keep them from it; also as a decorator.

    What was set before is put back. Backward passes see what is set when they run.
    """
    try:
        before = cudnn.allow_tf32, matmul.allow_tf32
    except RuntimeError:  # somebody has used the settings by operator, which cannot be mixed
        with _by_operator("tf32" if allowed else "ieee"):
            yield
        return
    cudnn.allow_tf32, matmul.allow_tf32 = allowed, allowed
    try:
        yield
    finally:
        cudnn.allow_tf32, matmul.allow_tf32 = before


@contextmanager
def _by_operator(precision: str) -> Iterator[None]:
    """The same by the settings that torch has since 2.9."""
    # torch's own hints do not know them yet.
    operators: tuple[Any, ...] = (getattr(cudnn, "conv"), getattr(cudnn, "rnn"), matmul)  # noqa: B009
    before = [operator.fp32_precision for operator in operators]
    for operator in operators:
        operator.fp32_precision = precision
    try:
        yield
    finally:
        for operator, value in zip(operators, before, strict=True):
            operator.fp32_precision = value


def exact_product(left: Tensor, right: Tensor) -> Tensor:
    """Return `left @ right` of matrices, without TF32 in the backward pass either."""
    if left.device.type != "cuda" or torch.is_autocast_enabled("cuda"):  # there is no TF32 then
        return left @ right
    found: Tensor = _ExactProduct.apply(left, right)  # type: ignore[no-untyped-call]
    return found


class _ExactProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor) -> Tensor:
        to_left, to_right = ctx.needs_input_grad
        ctx.save_for_backward(right if to_left else None, left if to_right else None)
        ctx.shapes = left.shape, right.shape
        with tf32(allowed=False):
            return left @ right

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        right, left = ctx.saved_tensors
        of_left, of_right = ctx.shapes
        with tf32(allowed=False):
            return (
                None if right is None else (gradient @ right.mT).sum_to_size(of_left),
                None if left is None else (left.mT @ gradient).sum_to_size(of_right),
            )
