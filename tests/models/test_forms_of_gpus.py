"""The forms that networks have on a GPU give the numbers of those that they have on a CPU."""

import copy

import pytest
import torch
from torch import nn

from srwizard.models import gpu
from srwizard.models.channels_last import order_weights
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
