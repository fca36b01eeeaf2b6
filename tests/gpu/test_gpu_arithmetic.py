"""Networks, hand-written gradients and metrics on a device against float64 on the CPU."""

import contextlib
import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from srwizard.models.fno_functions import ProjectionFunction
from srwizard.models.swin import SwinBlock, shift_mask
from srwizard.models.tf32 import exact_product, tf32
from srwizard.train.metrics import sample_sums
from tests.gpu.comparing import REFERENCE, checkpointed, computed, distance, loss_of, made
from tests.small_networks import SMALL

IN_32_BITS, IN_16_BITS = 1e-4, 0.1
METRICS = 1e-5


@pytest.mark.parametrize("name", SMALL)
def test_a_network_in_float32(name: str, device: torch.device) -> None:
    net = made(name)
    wanted = computed(net, name, *REFERENCE)
    with tf32(allowed=False):
        found = computed(net, name, device, torch.float32)
        again = computed(checkpointed(net), name, device, torch.float32)
    assert found.loss == pytest.approx(wanted.loss, rel=IN_32_BITS)
    assert distance(found, wanted) < IN_32_BITS
    assert distance(again, wanted) < IN_32_BITS


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_network_in_16_bits(name: str, dtype: torch.dtype, device: torch.device) -> None:
    """Float16 with the scale that a training begins with; no gradient is lost or without end."""
    net = made(name)
    wanted = computed(net, name, *REFERENCE)
    scale = 2.0**10 if dtype == torch.float16 else 1.0
    with torch.autocast(device.type, dtype=dtype):
        found = computed(net, name, device, torch.float32, scaled=scale)
    assert found.loss == pytest.approx(wanted.loss, rel=IN_16_BITS)
    assert distance(found, wanted) < IN_16_BITS


@pytest.mark.parametrize("name", ["EDSR", "SwinIR", "FNO2d", "DDPM"])
def test_a_step_with_a_scaled_loss(name: str, device: torch.device) -> None:
    """GradScaler skips steps until its scale fits, and then takes them."""
    net = made(name).to(device)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    scaler = torch.amp.GradScaler(device.type, init_scale=2.0**16)
    before = copy.deepcopy(net.state_dict())
    for _step in range(12):
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, dtype=torch.float16):
            loss = loss_of(net, name, device, torch.float32)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    after = net.state_dict()
    assert all(part.isfinite().all() for part in after.values())
    assert any(not torch.equal(before[key], part) for key, part in after.items())


def by_autograd(block: SwinBlock, windows: Tensor, mask: Tensor | None) -> Tensor:
    """Return what a Swin block computes, written down for autograd."""
    attn, mlp = block.attn, block.mlp
    x = functional.layer_norm(windows, windows.shape[-1:], block.norm1.weight, block.norm1.bias)
    count, points, channels = x.shape
    qkv = functional.linear(x, attn.qkv.weight, attn.qkv.bias)
    query, key, value = qkv.view(count, points, 3, attn.num_heads, -1).permute(2, 0, 3, 1, 4)
    scores = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5 + attn.bias()
    if mask is not None:
        scores = scores + mask.to(scores).repeat(count // len(mask), 1, 1)[:, None]
    y = (scores.softmax(-1) @ value).transpose(1, 2).reshape(count, points, channels)
    x = windows + functional.linear(y, attn.proj.weight, attn.proj.bias)
    y = functional.layer_norm(x, x.shape[-1:], block.norm2.weight, block.norm2.bias)
    hidden = functional.gelu(functional.linear(y, mlp.fc1.weight, mlp.fc1.bias))
    return x + functional.linear(hidden, mlp.fc2.weight, mlp.fc2.bias)


def gradients(
    result: Callable[..., Tensor], inputs: Tensor, parameters: list[nn.Parameter], *rest: Any
) -> list[Tensor]:
    """Return the result and its gradients in float64 on the CPU; every element weighs its own."""
    own = inputs.detach().requires_grad_()
    out = result(own, *rest)
    weights = torch.linspace(-1, 1, out.numel(), dtype=torch.float64).view(out.shape)
    parts = torch.autograd.grad((out * weights.to(out)).sum(), [own, *parameters])
    return [part.detach().double().cpu() for part in (out, *parts)]


def assert_close(found: list[Tensor], wanted: list[Tensor], tolerance: float) -> None:
    for ours, theirs in zip(found, wanted, strict=True):
        assert float((ours - theirs).norm() / theirs.norm()) < tolerance


@pytest.mark.parametrize("shifted", [False, True])
def test_window_attention_and_its_gradient(device: torch.device, shifted: bool) -> None:
    torch.manual_seed(0)
    block = SwinBlock(8, 2, 4, 2.0, shifted=shifted)
    with torch.no_grad():
        for part in block.parameters():
            part.add_(0.2 * torch.randn_like(part))
    windows = torch.randn(2 * 6, 16, 8)
    mask = shift_mask(8, 12, 4, windows.device) if shifted else None
    plain = copy.deepcopy(block).double()
    wanted = gradients(
        lambda x: by_autograd(plain, x, mask), windows.double(), list(plain.parameters())
    )
    block.to(device)
    on_device = None if mask is None else mask.to(device)
    with tf32(allowed=False):
        found = gradients(
            lambda x: block(x, on_device), windows.to(device), list(block.parameters())
        )
    assert_close(found, wanted, IN_32_BITS)


def test_the_projection_of_fno2d_and_its_gradient(device: torch.device) -> None:
    torch.manual_seed(0)
    sizes = ((16, 4), (16,), (3, 16), (3,))
    parameters = [nn.Parameter(torch.randn(size)) for size in sizes]
    x = torch.randn(2, 4, 10, 12)

    def plain(
        x: Tensor, matrix1: Tensor, shift1: Tensor, matrix2: Tensor, shift2: Tensor
    ) -> Tensor:
        hidden = functional.gelu(functional.conv2d(x, matrix1[:, :, None, None], shift1))
        return functional.conv2d(hidden, matrix2[:, :, None, None], shift2)

    exact = [nn.Parameter(part.detach().double()) for part in parameters]
    wanted = gradients(lambda x: plain(x, *exact), x.double(), exact)
    own = [nn.Parameter(part.detach().to(device)) for part in parameters]
    with tf32(allowed=False):
        found = gradients(lambda x: ProjectionFunction.apply(x, *own), x.to(device), own)
    assert_close(found, wanted, IN_32_BITS)


def test_products_that_stay_exact(device: torch.device) -> None:
    """Even where TF32 is allowed around them, and in their backward pass."""
    torch.manual_seed(0)
    left, right = torch.randn(3, 40, 50), torch.randn(50, 20)
    exact = nn.Parameter(right.double())
    wanted = gradients(lambda x: x @ exact, left.double(), [exact])
    own = nn.Parameter(right.to(device))
    with tf32(allowed=True):
        found = gradients(lambda x: exact_product(x, own), left.to(device), [own])
    assert_close(found, wanted, 1e-6)


@pytest.mark.parametrize("allowed", [False, True])
def test_metrics_are_those_of_the_cpu_whether_tf32_is_on_or_off(
    device: torch.device, allowed: bool
) -> None:
    """Fields far from zero, as temperatures in kelvin are, nearly alike: SSIM of 0.9996."""
    torch.manual_seed(0)
    hr = 290 + 10 * torch.rand(3, 2, 48, 64)
    sr = hr + 0.05 * torch.randn_like(hr)
    mask = torch.rand(hr.shape) > 0.2
    low, span = torch.full((2,), 290.0), torch.full((2,), 10.0)
    fields = (sr, hr, mask, low, span)
    wanted = sample_sums(*fields).sum(dim=0)
    with tf32(allowed=allowed), contextlib.ExitStack():
        found = sample_sums(*(part.to(device) for part in fields)).sum(dim=0).cpu()
    torch.testing.assert_close(found, wanted, rtol=METRICS, atol=1e-9)
