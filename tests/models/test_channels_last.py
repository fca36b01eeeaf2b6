"""Channels last in memory: where it is faster, and nothing but the speed changes."""

from functools import partial

import pytest
import torch

from srwizard.models import build
from srwizard.models.channels_last import for_convolutions


@pytest.mark.parametrize(("capability", "last"), [("AVX512", True), ("AVX2", False)])
def test_only_where_convolutions_are_faster_on_it(
    monkeypatch: pytest.MonkeyPatch, capability: str, last: bool
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    field = torch.randn(2, 3, 4, 5)
    ordered = for_convolutions(field)
    assert torch.equal(ordered, field)
    assert ordered.is_contiguous(memory_format=torch.channels_last) == last
    # Where it does not help, nothing is copied.
    assert (ordered is field) == (not last)
    elsewhere = torch.empty(2, 3, 4, 5, device="meta")
    assert for_convolutions(elsewhere) is elsewhere


@pytest.mark.parametrize(
    ("name", "params"),
    [("EDSR", {"num_blocks": 2}), ("RCAN", {"num_groups": 2, "num_blocks": 2})],
)
def test_the_same_network_in_both_orders(
    monkeypatch: pytest.MonkeyPatch, name: str, params: dict[str, int]
) -> None:
    torch.manual_seed(0)
    net = build(name, in_channels=2, out_channels=2, scale=4, params=params)
    torch.nn.init.normal_(net.net.output_layer().weight, std=0.02)  # type: ignore[operator,union-attr]
    lr = torch.randn(2, 2, 12, 9)
    orders, found = [], []

    def note(_block: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        orders.append(inputs[0].is_contiguous(memory_format=torch.channels_last))

    net.net.body[1].register_forward_pre_hook(note)  # type: ignore[union-attr,index,operator]
    for capability in ("AVX512", "AVX2"):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", partial(str, capability))
        sr = net(lr)
        found.append([sr, *torch.autograd.grad(sr.square().mean(), list(net.parameters()))])
    assert orders == [True, False]
    for last, usual in zip(*found, strict=True):
        assert last.shape == usual.shape
        assert (last - usual).norm() <= 1e-4 * usual.norm()
