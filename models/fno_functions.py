"""Fourier layer and projection of FNO2d, forward and backward by hand, in rows of the grid.

At high resolution an operator takes as long as its tensors take through the main memory, and what
autograd keeps of each is most of a training's memory. Here a layer keeps its input alone, from
before its activation. GELU is computed again on the way back, and rows are gone through while they
are in the cache: activation, point-wise product and the transform along x in one go.

Parameters are float32; under autocast the point-wise products are taken in its type, the
transforms in float32.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from srwizard.models.fourier import (
    along_x_of_spectrum,
    mix_modes,
    spectrum_of_along_x,
    waves_from_modes,
    waves_to_modes,
)
from srwizard.models.pieces import grid_rows
from srwizard.models.swin_functions import product_type
from srwizard.models.tf32 import exact_product, tf32

aten = torch.ops.aten


class FourierLayerFunction(torch.autograd.Function):
    """spectral(a) + matrix . a + shift on [B, C, H, W], where a = gelu(x) or x; see `forward`."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weights1: Tensor,
        weights2: Tensor,
        matrix: Tensor,
        shift: Tensor,
        activated: bool,
    ) -> Tensor:
        """Return [B, O, H, W] in the type of products.

        Args:
            ctx: of autograd.
            x: [B, C, H, W].
            weights1, weights2: [C, O, rows, columns, 2], complex; see `SpectralConv2d`.
            matrix, shift: [O, C] and [O].
            activated: whether x goes through GELU first.
        """
        kind = product_type(x)
        ctx.activated = activated
        batch, _, height, width = x.shape
        columns = weights1.shape[3]
        to_modes = waves_to_modes(columns, width, x.device)
        from_modes = waves_from_modes(columns, width, x.device)
        with torch.autocast(x.device.type, enabled=False):
            factor = matrix.to(kind)
            y = x.new_empty(batch, len(matrix), height, width, dtype=kind)
            along_x = x.new_empty(*x.shape[:3], 2 * columns, dtype=torch.float32)

            def to_layer(sample: int, rows: slice) -> None:
                part = active(x[sample, :, rows], activated)
                along_x[sample, :, rows] = exact_product(part.float(), to_modes)
                torch.mm(factor, part.to(kind).flatten(1), out=flat(y, sample, rows))

            for sample, rows in grid_rows(x, x.shape[1]):
                to_layer(sample, rows)
            mixed = _mix(along_x, weights1, weights2)
            # A constant is the wave of number zero, which comes back divided by the width.
            mixed[..., 0] += shift[:, None] * width
            add_product(y, mixed, from_modes)
        ctx.save_for_backward(x, along_x, weights1, weights2, matrix)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, along_x, weights1, weights2, matrix = ctx.saved_tensors
        kind, gradient = gradient.dtype, gradient.contiguous()
        columns, width = weights1.shape[3], x.shape[3]
        to_modes = waves_to_modes(columns, width, x.device)
        from_modes = waves_from_modes(columns, width, x.device)
        with torch.autocast(x.device.type, enabled=False):
            to_mixed = product(gradient, from_modes.T)
            to_along_x, to_weights1, to_weights2 = _mix_backward(
                to_mixed, along_x, weights1, weights2
            )
            factor = matrix.to(kind).T
            to_matrix = torch.zeros_like(matrix)
            to_shift = to_mixed[..., 0].sum((0, 2)) * width
            to_x = torch.empty_like(x)

            def go_back(sample: int, rows: slice) -> None:
                part = x[sample, :, rows]
                of_rows = flat(gradient, sample, rows)
                to_matrix.add_(of_rows @ active(part, ctx.activated).to(kind).flatten(1).T)
                back = (factor @ of_rows).view(1, *part.shape)
                add_product(back, to_along_x[None, sample, :, rows].contiguous(), to_modes.T)
                into = to_x[sample, :, rows]
                if ctx.activated:
                    aten.gelu_backward.grad_input(back[0].to(part.dtype), part, grad_input=into)
                else:
                    into.copy_(back[0])

            for sample, rows in grid_rows(x, x.shape[1]):
                go_back(sample, rows)
        return to_x, to_weights1, to_weights2, to_matrix, to_shift, None


class ProjectionFunction(torch.autograd.Function):
    """matrix2 . gelu(matrix1 . x + shift1) + shift2 on [B, C, H, W]."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, matrix1: Tensor, shift1: Tensor, matrix2: Tensor, shift2: Tensor
    ) -> Tensor:
        """Return [B, O, H, W], from matrices [hidden, C] and [O, hidden]."""
        kind = product_type(x)
        with torch.autocast(x.device.type, enabled=False):
            factor1, constant1 = matrix1.to(kind), shift1.to(kind)[:, None]
            factor2, constant2 = matrix2.to(kind), shift2.to(kind)[:, None]
            y = x.new_empty(len(x), len(matrix2), *x.shape[2:], dtype=kind)

            def project(sample: int, rows: slice) -> None:
                hidden = torch.addmm(constant1, factor1, flat(x, sample, rows).to(kind))
                torch.addmm(constant2, factor2, functional.gelu(hidden), out=flat(y, sample, rows))

            for sample, rows in grid_rows(x, len(matrix1)):
                project(sample, rows)
        ctx.save_for_backward(x, matrix1, shift1, matrix2)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, matrix1, shift1, matrix2 = ctx.saved_tensors
        kind, gradient = gradient.dtype, gradient.contiguous()
        with torch.autocast(x.device.type, enabled=False):
            factor1, constant1 = matrix1.to(kind), shift1.to(kind)[:, None]
            factor2 = matrix2.to(kind)
            sums = [torch.zeros_like(part) for part in (matrix1, matrix1[:, 0], matrix2)]
            to_shift2 = gradient.sum((0, 2, 3), dtype=torch.float32)
            to_x = torch.empty_like(x)

            def go_back(sample: int, rows: slice) -> None:
                part, of_rows = flat(x, sample, rows).to(kind), flat(gradient, sample, rows)
                hidden = torch.addmm(constant1, factor1, part)
                sums[2] += of_rows @ functional.gelu(hidden).T
                to_hidden = aten.gelu_backward(factor2.T @ of_rows, hidden)
                sums[0] += to_hidden @ part.T
                sums[1] += to_hidden.sum(1, dtype=torch.float32)
                flat(to_x, sample, rows).copy_(factor1.T @ to_hidden)

            for sample, rows in grid_rows(x, len(matrix1)):
                go_back(sample, rows)
        return to_x, *sums, to_shift2


def active(part: Tensor, activated: bool) -> Tensor:
    """Return GELU of a part, or the part, contiguous."""
    return functional.gelu(part) if activated else part.contiguous()


@tf32(allowed=False)
def product(fields: Tensor, waves: Tensor) -> Tensor:
    """Return [B, C, H, W] @ [W, m], contiguous, in float32."""
    if fields.dtype == torch.float32:
        return fields @ waves
    found = torch.empty(*fields.shape[:3], waves.shape[1], device=fields.device)
    for sample, rows in grid_rows(fields, fields.shape[1]):
        found[sample, :, rows] = fields[sample, :, rows].float() @ waves
    return found


@tf32(allowed=False)
def add_product(fields: Tensor, factors: Tensor, waves: Tensor) -> None:
    """Add float32 [B, C, H, m] @ [m, W] to [B, C, H, W] in place, both contiguous."""
    if fields.dtype == torch.float32:
        fields.flatten(0, 2).addmm_(factors.flatten(0, 2), waves)
        return
    for sample, rows in grid_rows(fields, fields.shape[1]):
        fields[sample, :, rows] += factors[sample, :, rows] @ waves


def flat(fields: Tensor, sample: int, rows: slice) -> Tensor:
    """View rows of one sample of contiguous [B, C, H, W] as [C, points]."""
    width = fields.shape[3]
    return fields[sample].flatten(1)[:, rows.start * width : rows.stop * width]


def _mix(along_x: Tensor, weights1: Tensor, weights2: Tensor) -> Tensor:
    """Map the modes along x, [B, C, H, 2 * columns], to [B, O, H, 2 * columns]."""
    spectrum = spectrum_of_along_x(along_x, weights1.shape[2])
    return along_x_of_spectrum(mix_modes(spectrum, weights1, weights2), along_x.shape[2])


@tf32(allowed=False)
def _mix_backward(
    gradient: Tensor, along_x: Tensor, weights1: Tensor, weights2: Tensor
) -> tuple[Tensor, ...]:
    """Return the gradients of the arguments of `_mix`, which are small."""
    with torch.enable_grad():
        leaves = [part.detach().requires_grad_() for part in (along_x, weights1, weights2)]
        mixed = _mix(*leaves)
    return torch.autograd.grad(mixed, leaves, gradient)
