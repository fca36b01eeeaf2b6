"""Multiwavelets of Legendre polynomials (Alpert 1993; Gupta et al. 2021, arXiv:2109.13459).

On [0, 1] the space of polynomials below degree k has the orthonormal basis
phi_i(x) = sqrt(2 i + 1) P_i(2 x - 1). Piecewise polynomials on the two halves are the sum of that
space and of its complement, the wavelets, which are orthogonal to all polynomials below degree k.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from srwizard.models.padding import pad_to_multiple
from srwizard.models.tf32 import exact_product

Matrix = npt.NDArray[np.float64]


def filters(k: int) -> Matrix:
    """Return the orthogonal [2 k, 2 k] matrix [[H0, H1], [G0, G1]].

    It maps the coefficients on the left and the right half of an interval to those of the
    scaling functions on the whole (H) and of the wavelets (G).
    """
    points, weights = np.polynomial.legendre.leggauss(k)
    points, weights = (points + 1) / 2, weights / 2  # on [0, 1], exact below degree 2 k
    basis = _legendre(k, points)
    # phi_i on each half against sqrt(2) phi_j of that half, the half stretched to [0, 1].
    halves = [(_legendre(k, (points + half) / 2) * weights) @ basis.T for half in (0, 1)]
    low: Matrix = np.hstack(halves) / np.sqrt(2)
    # Gram-Schmidt on functions that change sign in the middle. Its result is unique once the
    # signs are fixed, so that trained weights mean the same on every machine.
    odd = np.hstack([-np.eye(k), np.eye(k)])
    q, r = np.linalg.qr(np.vstack([low, odd]).T)
    return np.vstack([low, (q * np.sign(np.diag(r))).T[k:]])


def _legendre(k: int, x: Matrix) -> Matrix:
    """Return phi_0 ... phi_(k-1) at the points `x`: [k, points]."""
    values = np.polynomial.legendre.legvander(2 * x - 1, k - 1).T
    scaled: Matrix = np.asarray(values * np.sqrt(2 * np.arange(k) + 1)[:, None], np.float64)
    return scaled


def filters_2d(k: int) -> Matrix:
    """Return the orthogonal [4 k^2, 4 k^2] matrix for squares cut into four.

    Columns: coefficient (y, x), then quarter (y, x). Rows: scaling functions of the whole square
    first, then the three kinds of products that have a wavelet in them (HG, GH, GG).
    """
    one = filters(k)
    product = np.kron(one, one).reshape(2, k, 2, k, 2, k, 2, k)
    # Rows: kind y, order y, kind x, order x. Columns: half y, order y, half x, order x.
    ordered = product.transpose(0, 2, 1, 3, 5, 7, 4, 6)
    return np.ascontiguousarray(ordered).reshape(4 * k * k, 4 * k * k)


class MultiwaveletTransform(nn.Module):
    """One level of the transform in two dimensions, and back; it keeps the sum of squares.

    A field is [B, c k^2, H, W]: c channels of k^2 coefficients at every point. The wavelets'
    coefficients stand by kind: [B, 3 c k^2, H, W].

    Args:
        k: number of polynomials in each direction.
    """

    matrix: Tensor

    def __init__(self, k: int) -> None:
        super().__init__()
        self.order = k * k
        values = torch.tensor(filters_2d(k).tolist(), dtype=torch.float32)
        self.register_buffer("matrix", values, persistent=False)

    def decompose(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scaling coefficients [B, c k^2, h, w] and the wavelets' [B, 3 c k^2, h, w].

        h and w are half of H and W, rounded up: an odd field is padded.
        """
        quarters = functional.pixel_unshuffle(pad_to_multiple(x, 2), 2)
        height, width = quarters.shape[-2:]
        grouped = quarters.reshape(-1, 4 * self.order, height * width)
        mixed = exact_product(self.matrix.to(x.dtype), grouped).reshape(
            len(x), -1, 4, self.order, height, width
        )
        return mixed[:, :, 0].flatten(1, 2), mixed[:, :, 1:].transpose(1, 2).flatten(1, 3)

    def restrict(self, x: Tensor) -> Tensor:
        """Return the scaling coefficients [B, c k^2, h, w] alone, see `decompose`."""
        quarters = functional.pixel_unshuffle(pad_to_multiple(x, 2), 2)
        height, width = quarters.shape[-2:]
        grouped = quarters.reshape(-1, 4 * self.order, height * width)
        scaling = self.matrix[: self.order].to(x.dtype) @ grouped
        return scaling.reshape(len(x), -1, height, width)

    def prolong(self, scaling: Tensor, height: int, width: int) -> Tensor:
        """Return the field of size `height` x `width` that has no wavelets; `restrict` undoes it.

        That is also the transpose of `restrict`, where nothing is padded.
        """
        h, w = scaling.shape[-2:]
        grouped = scaling.reshape(-1, self.order, h * w)
        quarters = self.matrix[: self.order].to(scaling.dtype).T @ grouped
        field = functional.pixel_shuffle(quarters.reshape(len(scaling), -1, h, w), 2)
        return field[..., :height, :width]

    def reconstruct(self, scaling: Tensor, wavelets: Tensor, height: int, width: int) -> Tensor:
        """Return what `decompose` was given, of size `height` x `width`."""
        batch, _, h, w = scaling.shape
        kinds = torch.cat([scaling, wavelets], dim=1).reshape(batch, 4, -1, self.order, h, w)
        mixed = kinds.transpose(1, 2).reshape(-1, 4 * self.order, h * w)
        quarters = exact_product(self.matrix.to(mixed.dtype).T, mixed).reshape(batch, -1, h, w)
        return functional.pixel_shuffle(quarters, 2)[..., :height, :width]
