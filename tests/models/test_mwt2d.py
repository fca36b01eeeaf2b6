"""Multiwavelets: orthonormal filters, perfect reconstruction, vanishing moments."""

import numpy as np
import pytest
import torch

from srwizard.models.multiwavelet import MultiwaveletTransform, filters, filters_2d


@pytest.mark.parametrize("k", [1, 2, 3, 4, 8])
def test_filters_are_orthonormal(k: int) -> None:
    for matrix in (filters(k), filters_2d(k)):
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(len(matrix)), atol=1e-12)


def test_k_1_is_haar() -> None:
    np.testing.assert_allclose(filters(1), np.array([[1, 1], [-1, 1]]) / np.sqrt(2), atol=1e-15)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_polynomials_below_degree_k_have_no_wavelets(k: int) -> None:
    """Coefficients of x^n on each half, n < k, go into the scaling functions alone."""
    x, weights = np.polynomial.legendre.leggauss(2 * k)
    x, weights = (x + 1) / 2, weights / 2
    basis = np.polynomial.legendre.legvander(2 * x - 1, k - 1) * np.sqrt(2 * np.arange(k) + 1)
    for degree in range(k):
        halves = [(((x + half) / 2) ** degree * weights) @ basis / np.sqrt(2) for half in (0, 1)]
        mapped = filters(k) @ np.concatenate(halves)
        assert np.abs(mapped[k:]).max() < 1e-12
        np.testing.assert_allclose(mapped[:k], (x**degree * weights) @ basis, atol=1e-12)


@pytest.mark.parametrize("size", [(8, 12), (7, 5), (1, 1), (1, 6)])
def test_perfect_reconstruction(size: tuple[int, int]) -> None:
    transform = MultiwaveletTransform(3)
    x = torch.randn(2, 4 * 9, *size)
    scaling, wavelets = transform.decompose(x)
    assert scaling.shape == (2, 36, -(-size[0] // 2), -(-size[1] // 2))
    assert wavelets.shape[1] == 3 * 36
    torch.testing.assert_close(transform.reconstruct(scaling, wavelets, *size), x)


def test_the_transform_keeps_the_sum_of_squares() -> None:
    x = torch.randn(2, 8, 6, 10)
    parts = MultiwaveletTransform(2).decompose(x)
    torch.testing.assert_close(sum(part.square().sum() for part in parts), x.square().sum())


def test_two_dimensional_filters_are_products() -> None:
    """A function of y times one of x: its scaling coefficients are products, too."""
    transform, one = MultiwaveletTransform(2), torch.tensor(filters(2), dtype=torch.float32)
    down, right = torch.randn(2, 2), torch.randn(2, 2)  # [half, order]
    x = torch.einsum("ai,bj->ijab", down, right).reshape(1, 4, 2, 2)
    scaling, wavelets = transform.decompose(x)
    ys, xs = one @ down.flatten(), one @ right.flatten()
    torch.testing.assert_close(scaling.reshape(2, 2), torch.outer(ys[:2], xs[:2]))
    kinds = wavelets.reshape(3, 2, 2)
    for kind, (rows, columns) in zip(
        kinds,
        [(slice(2), slice(2, 4)), (slice(2, 4), slice(2)), (slice(2, 4), slice(2, 4))],
        strict=True,
    ):
        torch.testing.assert_close(kind, torch.outer(ys[rows], xs[columns]))
