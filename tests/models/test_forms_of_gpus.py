"""The forms that networks have on a GPU give the numbers of those that they have on a CPU."""

import copy

import pytest
import torch
from torch import nn

from srwizard.models import gpu, swin
from srwizard.models.channels_last import order_weights
from srwizard.models.swin import SwinBlock
from tests.gpu.comparing import computed, distance, loss_of, made
from tests.small_networks import SMALL

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", SMALL)
def test_results_and_gradients_are_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With channels last in fields and weights, and attention by torch's own function."""
    net = made(name)
    wanted = computed(net, name, CPU, torch.float32)
    monkeypatch.setattr(gpu, "computes", lambda _x: True)
    on_gpu = copy.deepcopy(net)
    order_weights(on_gpu)
    found = computed(on_gpu, name, CPU, torch.float32)
    assert found.loss == pytest.approx(wanted.loss, rel=1e-5)
    assert distance(found, wanted) < 1e-4


@pytest.mark.parametrize("name", ["SwinIR", "HAT", "Swin_Transformer"])
def test_attention_goes_through_torchs_own(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    own = nn.functional.scaled_dot_product_attention

    def counted(*args: torch.Tensor, **named: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return own(*args, **named)

    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", counted)
    net = made(name)
    loss_of(net, name, CPU, torch.float32)
    assert calls == 0
    monkeypatch.setattr(gpu, "computes", lambda _x: True)
    loss_of(net, name, CPU, torch.float32)
    assert calls >= 4


@pytest.mark.parametrize(("windows", "masked"), [(8, True), (8, False), (2, True)])
def test_attention_of_more_windows_than_a_launch_takes(
    monkeypatch: pytest.MonkeyPatch, windows: int, masked: bool
) -> None:
    """CUDA allows 65,535 beside each other; the whole of a fine global field has more."""
    torch.manual_seed(0)
    monkeypatch.setattr(gpu, "computes", lambda _x: True)
    block = SwinBlock(8, 2, 4, mlp_ratio=2.0, shifted=masked)
    x = torch.randn(3 * windows, 16, 8)
    mask = torch.randn(windows, 16, 16) if masked else None
    whole = block.attended(x, mask)
    monkeypatch.setattr(swin, "MOST_BESIDE_EACH_OTHER", 5)
    torch.testing.assert_close(block.attended(x, mask), whole)
