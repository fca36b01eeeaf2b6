"""TF32 belongs to the training step of a network: scores and transforms know nothing of it."""

from collections.abc import Iterator

import pytest
import torch

from srwizard.models.tf32 import _ExactProduct, tf32
from srwizard.train.inference import apply_network
from srwizard.train.metrics import Scores, masked_ssim, sample_sums
from tests.rounding import RoundsToTF32


@pytest.fixture(autouse=True)
def as_on_a_gpu() -> Iterator[None]:
    """Let TF32 be on for all, as users may have it."""
    torch.backends.cuda.matmul.allow_tf32 = True
    yield
    torch.backends.cuda.matmul.allow_tf32 = False


def warm_fields() -> tuple[torch.Tensor, ...]:
    """Sea-surface temperatures of a range of 30 degrees that hardly differ, and their range."""
    generator = torch.Generator().manual_seed(0)
    hr = 20 + 0.3 * torch.randn(2, 1, 40, 48, generator=generator)
    sr = hr + 0.005 * torch.randn(hr.shape, generator=generator)
    return sr, hr, torch.ones_like(hr, dtype=torch.bool), torch.tensor([0.0]), torch.tensor([30.0])


def test_scores_are_the_same_with_tf32_and_without() -> None:
    fields = warm_fields()
    exact = sample_sums(*fields).sum(dim=0)
    with RoundsToTF32() as gpu:
        found = sample_sums(*fields).sum(dim=0)
        assert gpu.count == 0
        spoilt = masked_ssim.__wrapped__(*fields)  # type: ignore[attr-defined]
    assert torch.equal(found, exact)
    assert gpu.count > 0
    assert (spoilt - masked_ssim(*fields)).abs().max() > 0.05  # what TF32 would do
    assert Scores.from_sums(found[0], 30.0).ssim > 0.99


def test_a_network_is_applied_in_full_float32() -> None:
    network = torch.nn.Conv2d(1, 1, 3, padding=1)
    with RoundsToTF32() as gpu, torch.no_grad():
        apply_network(network, torch.randn(1, 1, 8, 8), scale=1, patch=None)
        assert gpu.count == 0
        network(torch.randn(1, 1, 8, 8))
    assert gpu.count == 1


def test_what_was_set_before_is_put_back() -> None:
    torch.backends.cudnn.allow_tf32 = True
    with pytest.raises(ArithmeticError), tf32(allowed=False):
        assert not torch.backends.cudnn.allow_tf32
        assert not torch.backends.cuda.matmul.allow_tf32
        raise ArithmeticError
    assert torch.backends.cudnn.allow_tf32
    assert torch.backends.cuda.matmul.allow_tf32


def test_settings_by_operator_are_respected_too() -> None:
    if not hasattr(torch.backends.cudnn, "conv"):
        pytest.skip("torch before 2.9 has none")
    torch.backends.cudnn.conv.fp32_precision = "ieee"  # the legacy switch cannot be read any more
    try:
        with tf32(allowed=True):
            assert torch.backends.cudnn.conv.fp32_precision == "tf32"
        assert torch.backends.cudnn.conv.fp32_precision == "ieee"
    finally:
        torch.backends.cudnn.conv.fp32_precision = "tf32"


@pytest.mark.parametrize("constant", ["left", "right"])
def test_the_exact_product_has_the_gradients_of_the_product(constant: str) -> None:
    left, right = torch.randn(3, 4, 5).double(), torch.randn(5, 6).double()
    left.requires_grad_(constant != "left")
    right.requires_grad_(constant != "right")
    assert torch.autograd.gradcheck(_ExactProduct.apply, (left, right))
    with RoundsToTF32() as gpu:
        _ExactProduct.apply(left.float(), right.float())
    assert gpu.count == 0
